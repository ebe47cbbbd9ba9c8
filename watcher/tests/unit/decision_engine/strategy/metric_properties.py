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
"""What must hold for strategies that go by measured loads.

As :mod:`.properties`, on the same clouds.
"""

import collections
import random

from watcher.decision_engine.datasources import metrics as units
from watcher.tests.unit.decision_engine.strategy import properties


class MetricProperties(properties.StrategyProperties):
    """Mix it into the test case of a strategy that reads metrics."""

    def _elements(self, model, metric):
        return (model.get_all_compute_nodes()
                if units.METRICS[metric].resource_type == units.COMPUTE_NODE
                else model.get_all_instances())

    def run_with(self, seed, change):
        """Run after a change to the data source.

        :param change: called with the source and the model.
        """
        model = self.cloud(seed)
        strategy = self.make(model, seed)
        change(strategy._datasource_backend, model)
        return strategy, self.solve(strategy)

    def _arrivals(self, solution):
        return collections.Counter(
            parameters.get('destination_node')
            for parameters in (self.moves(solution) if solution else ()))

    def test_silence_makes_no_host_more_attractive(self):
        """Field report test 5: of the host and of all that is on it."""
        for seed in self.SEEDS:
            model, _strategy, solution = self.run_on(seed)
            before = self._arrivals(solution)
            for node in self._some_open_hosts(model, seed):
                silent = [node.uuid, *(
                    server.uuid for server in model.get_node_instances(node))]

                def silence(source, _model, silent=silent):
                    for metric in units.METRICS:
                        source.set(metric, dict.fromkeys(silent))

                after = self._arrivals(self.run_with(seed, silence)[-1])
                self.assertLessEqual(after[node.hostname],
                                     before[node.hostname], node.hostname)

    @staticmethod
    def _some_open_hosts(model, seed):
        found = [node for node in model.get_all_compute_nodes().values()
                 if (node.state, node.status) == ('up', 'enabled')]
        return random.Random(seed).sample(found, min(2, len(found)))

    def test_zero_is_not_silence(self):
        """Field report test 6."""
        for metric in self.STRATEGY.DATASOURCE_METRICS:
            self.assertTrue(any(
                self._told(seed, metric, 0.0)
                != self._told(seed, metric, None)
                for seed in self.SEEDS), metric)

    def _told(self, seed, metric, value):
        """Return what comes of a value of every third host or server."""
        def change(source, model):
            source.set(metric, dict.fromkeys(
                list(self._elements(model, metric))[::3], value))

        _strategy, solution = self.run_with(seed, change)
        return solution and (solution.actions, solution.remarks)

    def test_silence_fails_no_audit(self):
        """Field report test 7: of some, of all hosts, of all servers."""
        for seed in self.SEEDS[:4]:
            for kind in (None, units.COMPUTE_NODE, units.INSTANCE):
                def silence(source, model, seed=seed, kind=kind):
                    dice = random.Random(seed)
                    for name, metric in units.METRICS.items():
                        if kind in (None, metric.resource_type):
                            source.set(name, {
                                uuid: None
                                for uuid in self._elements(model, name)
                                if kind or dice.random() < 0.5})

                _strategy, solution = self.run_with(seed, silence)
                self.assertIsNotNone(solution)
