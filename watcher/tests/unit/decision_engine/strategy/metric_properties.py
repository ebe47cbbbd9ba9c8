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
import datetime
import random
from unittest import mock

from oslo_utils import timeutils

from watcher.decision_engine.datasources import metrics as units
from watcher.decision_engine.strategy.common import feasibility
from watcher.decision_engine.strategy.common import settling
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

    def test_hosts_that_have_not_settled_are_like_silent_ones(self):
        """Field report row 53: windows that start after the last move."""
        asks_hosts = any(
            units.METRICS[name].resource_type == units.COMPUTE_NODE
            for _kind, name, *_more in self._questions())
        differ = False
        for seed in self.SEEDS:
            model, _strategy, solution = self.run_on(seed)
            touched = self._some_open_hosts(model, seed)

            def silence(source, _model, touched=touched):
                for name, metric in units.METRICS.items():
                    if metric.resource_type == units.COMPUTE_NODE:
                        source.set(name, {node.uuid: None
                                          for node in touched})

            _strategy, silent = self.run_with(seed, silence)
            self.assertEqual(self._done(silent),
                             self._settled(seed, touched, 1))
            self.assertEqual(self._done(solution),
                             self._settled(seed, touched, 10 ** 6))
            differ |= self._done(silent) != self._done(solution)
            if seed > 3 and differ == asks_hosts:
                break
        self.assertEqual(asks_hosts, differ)

    def _questions(self):
        strategy = self.make(self.cloud(0), 0)
        self.solve(strategy)
        return strategy._datasource_backend.questions

    @staticmethod
    def _done(solution):
        return [(action['action_type'], action['input_parameters'])
                for action in (solution.actions if solution else ())]

    def _settled(self, seed, hosts, ago):
        """Return what is planned when servers left hosts some time ago."""
        ended = timeutils.utcnow() - datetime.timedelta(seconds=ago)
        changes = [settling.Change({'source_node': node.hostname}, {}, ended)
                   for node in hosts]
        with mock.patch.object(settling, 'changes_since',
                               return_value=changes):
            strategy = self.make(self.cloud(seed), seed, settle_metrics=True)
            return self._done(self.solve(strategy))


class HeatFollowsServers:
    """What repeated runs lead to when each vCPU in use adds one unit.

    Mix it into a test case of :class:`MetricProperties`. Field report
    test 27, for strategies that move one server and look again.
    """

    #: Of a host without servers.
    IDLE = 20.0

    METRIC: str
    THRESHOLD: str

    def heat(self, model):
        """Return what the metric shows of each host."""
        return {uuid: self.IDLE + sum(
            server.vcpus for server in model.get_node_instances(node)
            if server.state == feasibility.ACTIVE)
            for uuid, node in model.get_all_compute_nodes().items()}

    def test_repeated_runs_come_to_an_end(self):
        total = 0
        for seed in self.SEEDS:
            model = self.cloud(seed)
            threshold = (self.IDLE + max(self.heat(model).values())) / 2
            # What one server adds makes no host too hot.
            margin = 1 + max(server.vcpus for server
                             in model.get_all_instances().values())
            moved = self._run_to_the_end(
                seed, model, threshold, 100 * margin / threshold)
            self.assertEqual(len(set(moved)), len(moved), moved)
            total += len(moved)
        self.assertTrue(total)

    def _run_to_the_end(self, seed, model, threshold, dead_band):
        moved = []
        while True:
            strategy = self.make(model, seed, dead_band=dead_band)
            strategy.input_parameters[self.THRESHOLD] = threshold
            strategy._datasource_backend.set(self.METRIC, self.heat(model))
            solution = strategy.execute()
            if not solution.actions:
                return moved
            properties.carry_out(solution, model)
            moved += [given['resource_id'] for given in self.moves(solution)]
            self.assertLessEqual(len(moved), self.SERVERS)
