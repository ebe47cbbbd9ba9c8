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
"""Reading the plans of strategies that consolidate servers."""

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
