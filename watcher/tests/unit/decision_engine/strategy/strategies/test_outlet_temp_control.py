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
"""Tests of the strategy that goes by the temperature of exhaust air."""

from watcher.common import utils
from watcher.decision_engine.model import scheduling
from watcher.decision_engine.strategy.strategies import outlet_temp_control
from watcher.tests import base
from watcher.tests.fixtures import metrics
from watcher.tests.fixtures import models
from watcher.tests.unit.decision_engine.strategy import metric_properties

METRIC = outlet_temp_control.METRIC
DEFAULTS = {'threshold': 35.0, 'period': 30, 'granularity': 300}


class OutletTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.source = metrics.FakeDataSource()

    def run_on(self, model, degrees, **parameters):
        """Run the strategy; hosts are named by their letters."""
        self.source.set(METRIC, {models.uuid(name): value
                                 for name, value in degrees.items()})
        strategy = outlet_temp_control.OutletTempControl(utils.Struct())
        strategy._compute_model = model
        strategy._datasource_backend = self.source
        strategy.input_parameters.update({**DEFAULTS, **parameters})
        return strategy.execute()

    @staticmethod
    def moves(solution):
        return [(given['resource_name'], given['source_node'],
                 given['destination_node'])
                for given in (action['input_parameters']
                              for action in solution.actions)]


class TestWorkedExample(OutletTestCase):

    DEGREES = {'A': 42, 'B': 38, 'C': 30, 'D': 25}

    def setUp(self):
        super().setUp()
        self.movable = [models.instance('a3', vcpus=4),
                        models.instance('a4')]

    def cloud(self):
        return models.cloud({
            models.node('A'): [
                models.instance('a1', watcher_exclude=True),
                models.instance('a2', state='stopped'), *self.movable],
            models.node('B'): [models.instance('b1')],
            models.node('C'): [],
            models.node('D', vcpus=4): [models.instance('d1')],
            models.node('E'): []})

    def test_the_plan(self):
        solution = self.run_on(self.cloud(), self.DEGREES)
        self.assertEqual([{
            'action_type': 'migrate',
            'input_parameters': {
                'resource_id': models.uuid('a3'), 'migration_type': 'live',
                'source_node': 'host-A', 'destination_node': 'host-C',
                'resource_name': 'vm-a3'}}], solution.actions)
        self.assertEqual([('batch', METRIC, 5)], self.source.questions)
        self.assertIsNone(solution.global_efficacy)

    def test_the_reason(self):
        solution = self.run_on(self.cloud(), self.DEGREES)
        why = solution.actions[0].explanation
        self.assertEqual('too_hot', why.code)
        self.assertEqual(
            [('host_outlet_temp', 'host-A', 42.0, None, 35.0),
             ('host_outlet_temp', 'host-C', 30.0, None, 35.0),
             ('vcpus_used', 'host-A', 10, 6, None),
             ('vcpus_used', 'host-C', 0, 4, None)],
            [(m.name, m.of, m.before, m.after, m.limit)
             for m in why.measures])
        self.assertEqual('it has too little room', why.ruled_out['host-D'])
        self.assertEqual('it is above the threshold itself',
                         why.ruled_out['host-B'])
        # Nobody expects that a server stays where it is.
        self.assertNotIn('host-A', why.ruled_out)
        self.assertIn('not known', why.ruled_out['host-E'])
        self.assertIn('excluded',
                      why.ruled_out[f'vm-a1 ({models.uuid("a1")})'])
        self.assertIn('2 hosts too hot', solution.explanation.reason)
        self.assertTrue([remark for remark in solution.remarks
                         if 'known of 4 of 5' in remark])

    def test_the_next_host_if_the_hottest_can_give_none(self):
        self.movable = []
        self.assertEqual([('vm-b1', 'host-B', 'host-D')], self.moves(
            self.run_on(self.cloud(), self.DEGREES)))

    def test_the_threshold_is_hot(self):
        found = self.run_on(self.cloud(), {'A': 35.0, 'C': 34.9})
        self.assertEqual([('vm-a3', 'host-A', 'host-C')], self.moves(found))
        found = self.run_on(self.cloud(), {'A': 35.0, 'C': 34.9},
                            threshold=35.1)
        self.assertEqual([], found.actions)


class TestCorrections(OutletTestCase):
    """What went wrong before."""

    def test_the_next_server_if_one_fits_nowhere(self):
        model = models.cloud({
            models.node('A'): [models.instance('big', vcpus=8),
                               models.instance('small')],
            models.node('B', vcpus=4): []})
        solution = self.run_on(model, {'A': 40, 'B': 20})
        self.assertEqual([('vm-small', 'host-A', 'host-B')],
                         self.moves(solution))
        self.assertEqual(
            'it fits on no host below the threshold',
            solution.actions[0].explanation.ruled_out[
                f'vm-big ({models.uuid("big")})'])

    def test_the_next_host_if_a_server_fits_nowhere(self):
        model = models.cloud({
            models.node('A'): [models.instance('big', vcpus=8)],
            models.node('B'): [models.instance('small')],
            models.node('C', vcpus=4): []})
        self.assertEqual(
            [('vm-small', 'host-B', 'host-C')],
            self.moves(self.run_on(model, {'A': 40, 'B': 39, 'C': 20})))

    def test_rules_of_the_cloud(self):
        model = models.cloud({
            models.node('A'): [models.instance('a')],
            models.node('B'): [models.instance('b')],
            models.node('C'): []})
        model.server_groups = (scheduling.ServerGroup(
            id=models.uuid('group'), name='web', policy='anti-affinity',
            members=(models.uuid('a'), models.uuid('b'))),)
        solution = self.run_on(model, {'A': 40, 'B': 20, 'C': 30})
        self.assertEqual([('vm-a', 'host-A', 'host-C')],
                         self.moves(solution))
        self.assertEqual(
            'refused by ServerGroupFilter',
            solution.actions[0].explanation.ruled_out['host-B'])

    def test_zero_degrees_are_a_value(self):
        model = models.cloud({
            models.node('A'): [models.instance('a')],
            models.node('B'): [], models.node('C'): []})
        self.assertEqual(
            [('vm-a', 'host-A', 'host-B')],
            self.moves(self.run_on(model, {'A': 40, 'B': 0.0, 'C': 20})))

    def test_without_its_metrics_a_host_is_not_more_attractive(self):
        model = models.cloud({
            models.node('A'): [models.instance('a')],
            models.node('B'): [], models.node('C'): []})
        self.source.set(METRIC, {models.uuid('B'): 10}, stale=True)
        self.assertEqual(
            [('vm-a', 'host-A', 'host-C')],
            self.moves(self.run_on(model, {'A': 40, 'C': 30})))


class TestEmptyPlans(OutletTestCase):
    """Each names what binds."""

    def code(self, degrees, **nodes):
        model = models.cloud({models.node(name): servers
                              for name, servers in nodes.items()})
        solution = self.run_on(model, degrees)
        self.assertEqual([], solution.actions)
        return solution.explanation.code

    def test_nothing_is_hot(self):
        self.assertEqual('nothing_above', self.code(
            {'A': 20, 'B': 34.9}, A=[models.instance('a')], B=[]))

    def test_everything_is_hot(self):
        self.assertEqual('nothing_below', self.code(
            {'A': 40, 'B': 35.0}, A=[models.instance('a')], B=[]))

    def test_nothing_can_be_moved(self):
        self.assertEqual('nothing_movable', self.code(
            {'A': 40, 'B': 20}, B=[],
            A=[models.instance('a', state='paused')]))

    def test_no_room(self):
        self.assertEqual('no_destination', self.code(
            {'A': 40, 'B': 20}, A=[models.instance('a', vcpus=8)],
            B=[models.instance('b', vcpus=12)]))

    def test_no_metrics(self):
        self.assertEqual('no_metrics', self.code(
            {}, A=[models.instance('a')], B=[]))


class TestStability(OutletTestCase):

    def setUp(self):
        super().setUp()
        self.model = models.cloud({
            models.node('A'): [models.instance('a')], models.node('B'): []})

    def test_dead_band(self):
        self.config('watcher_strategies', dead_band=10.0)
        solution = self.run_on(self.model, {'A': 36, 'B': 34})
        self.assertEqual('nothing_below', solution.explanation.code)
        self.assertEqual([('vm-a', 'host-A', 'host-B')], self.moves(
            self.run_on(self.model, {'A': 36, 'B': 31.5})))

    def test_improvement(self):
        self.config('watcher_strategies', min_improvement=10.0)
        solution = self.run_on(self.model, {'A': 36, 'B': 34})
        self.assertEqual('no_destination', solution.explanation.code)
        self.assertIn('10.0 % are wanted', str(solution.explanation))


class TestProperties(metric_properties.HeatFollowsServers,
                     metric_properties.MetricProperties, base.TestCase):
    STRATEGY = outlet_temp_control.OutletTempControl
    METRIC, THRESHOLD = METRIC, 'threshold'

    def test_one_active_server_leaves_a_hot_host(self):
        for _model, strategy, solution in self.runs():
            self.assertLessEqual(len(solution.actions), 1)
            for parameters in self.moves(solution):
                state = strategy.found_state()
                server = state.server_index[parameters['resource_id']]
                self.assertEqual('active', state.servers[server].state)
                self.assertTrue(strategy._situation.above[state.host_of[server]])
                self.assertFalse(strategy._situation.above[state.host_named(
                    parameters['destination_node'])])
