# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""What the tests of strategies that consolidate servers share."""

from watcher.decision_engine.strategy.common import simulation


def brief(solution):
    """Return the actions as short tuples."""
    return [_brief(action) for action in solution.actions]


def _brief(action):
    given = action['input_parameters']
    if action['action_type'] == simulation.MIGRATE:
        return (given['migration_type'], given['resource_name'],
                given['source_node'], given.get('destination_node'))
    return (given['state'], given['resource_name'],
            given.get('disabled_reason'))


def figures(solution):
    """Return the indicators: hosts, released hosts, migrations."""
    values = solution.efficacy.indicators_map
    return tuple(values[name] for name in (
        'compute_nodes_count', 'released_compute_nodes_count',
        'instance_migrations_count'))


class SilentHosts:
    """A property of strategies that go by metrics of hosts."""

    def test_silence_makes_no_host_a_better_destination(self):
        """Field report test 5.

        A host that is not heard of takes nothing, while others are.
        """
        for seed in self.SEEDS:
            model, strategy, solution = self.run_on(seed)
            chosen = {parameters['destination_node']
                      for parameters in self.moves(solution)}
            if not chosen:
                continue
            silent = model.get_node_by_name(min(chosen))
            again = self.make(model, seed)
            source = again._datasource_backend
            for metric in ('host_cpu_usage', 'host_ram_usage'):
                source.set(metric, {silent.uuid: None})
            self.assertNotIn(silent.hostname, {
                parameters['destination_node']
                for parameters in self.moves(again.execute())})
