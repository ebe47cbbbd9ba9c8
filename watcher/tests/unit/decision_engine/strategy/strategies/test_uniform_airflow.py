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
"""Tests of the strategy that goes by the airflow of hosts."""

from watcher.common import utils
from watcher.decision_engine.strategy.strategies import uniform_airflow
from watcher.tests import base
from watcher.tests.fixtures import metrics
from watcher.tests.fixtures import models
from watcher.tests.unit.decision_engine.strategy import metric_properties

DEFAULTS = {'threshold_airflow': 400.0, 'threshold_inlet_t': 28.0,
            'threshold_power': 350.0, 'period': 300, 'granularity': 300}


class AirflowTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.source = metrics.FakeDataSource()

    def set(self, metric, **values):
        self.source.set(metric, {models.uuid(name): value
                                 for name, value in values.items()})

    def run_on(self, model, options=None, **parameters):
        strategy = uniform_airflow.UniformAirflow(utils.Struct(options or {}))
        strategy._compute_model = model
        strategy._datasource_backend = self.source
        strategy.input_parameters.update({**DEFAULTS, **parameters})
        return strategy.execute()

    @staticmethod
    def moves(solution):
        return [(given['migration_type'], given['resource_name'],
                 given['source_node'], given['destination_node'])
                for given in (action['input_parameters']
                              for action in solution.actions)]


class TestWorkedExample(AirflowTestCase):

    def setUp(self):
        super().setUp()
        self.set('host_airflow', A=420, B=380, C=300)
        self.set('host_power', A=300)
        self.set('host_inlet_temp', A=20)

    @staticmethod
    def cloud(**b):
        return models.cloud({
            models.node('A'): [models.instance('a1', state='stopped'),
                               models.instance('a2', vcpus=4),
                               models.instance('a3', vcpus=8)],
            models.node('B', **b): [],
            models.node('C', vcpus=4): [models.instance('c1')],
            models.node('D'): []})

    def test_one_server_leaves_if_the_air_is_warm(self):
        self.set('host_inlet_temp', A=30)
        solution = self.run_on(self.cloud())
        self.assertEqual([('live', 'vm-a2', 'host-A', 'host-B')],
                         self.moves(solution))
        self.assertEqual(
            [('batch', 'host_airflow', 4), ('batch', 'host_inlet_temp', 1),
             ('batch', 'host_power', 1)], self.source.questions)
        self.assertEqual('strong_airflow', solution.explanation.code)
        self.assertIsNone(solution.global_efficacy)

    def test_a_suspect_host_is_emptied(self):
        solution = self.run_on(self.cloud())
        # A stopped server can only move cold; the plan said live before.
        self.assertEqual(
            [('live', 'vm-a3', 'host-A', 'host-B'),
             ('live', 'vm-a2', 'host-A', 'host-B'),
             ('cold', 'vm-a1', 'host-A', 'host-C')], self.moves(solution))
        self.assertEqual(models.uuid('a3'), solution.actions[0][
            'input_parameters']['resource_id'])

    def test_all_or_none(self):
        solution = self.run_on(models.cloud({
            models.node('A'): [models.instance('a2', vcpus=4),
                               models.instance('a3', vcpus=8)],
            models.node('B', vcpus=8): []}))
        self.assertEqual([], solution.actions)
        self.assertEqual('no_destination', solution.explanation.code)
        self.assertIn('partial_evacuation', str(solution.explanation))

    def test_a_part_if_wanted(self):
        solution = self.run_on(models.cloud({
            models.node('A'): [models.instance('a2', vcpus=4),
                               models.instance('a3', vcpus=8)],
            models.node('B', vcpus=8): []}), {'partial_evacuation': True})
        self.assertEqual([('live', 'vm-a3', 'host-A', 'host-B')],
                         self.moves(solution))

    def test_the_reasons(self):
        solution = self.run_on(self.cloud())
        why = solution.actions[0].explanation
        self.assertEqual('suspect', why.code)
        self.assertEqual(
            [('host_airflow', 'host-A', 420.0, 400.0),
             ('host_inlet_temp', 'host-A', 20.0, 28.0),
             ('host_power', 'host-A', 300.0, 350.0),
             ('host_airflow', 'host-B', 380.0, 400.0)],
            [(m.name, m.of, m.before, m.limit) for m in why.measures])
        self.assertEqual({'host-C': 'it has too little room'}, why.ruled_out)
        self.assertIn('3 servers to leave host-A', solution.explanation.reason)
        self.assertIn('not known',
                      solution.explanation.ruled_out['host-D'])


class TestCorrections(AirflowTestCase):
    """What went wrong before."""

    def setUp(self):
        super().setUp()
        self.set('host_airflow', A=420, B=300)

    def cloud(self, *servers, **b):
        return models.cloud({models.node('A'): list(servers),
                             models.node('B', **b): []})

    def test_unknown_power_raises_no_suspicion(self):
        for known in ('host_power', 'host_inlet_temp'):
            self.source.set(known, {models.uuid('A'): 0.0})
            solution = self.run_on(self.cloud(models.instance('a1'),
                                              models.instance('a2')))
            self.assertEqual(1, len(solution.actions))
            self.source.set(known, {models.uuid('A'): None})

    def test_excluded_servers_of_a_suspect_host_stay(self):
        self.set('host_power', A=0.0)
        self.set('host_inlet_temp', A=0.0)
        solution = self.run_on(self.cloud(
            models.instance('a1', watcher_exclude=True),
            models.instance('a2', state='suspended'),
            models.instance('a3', state='paused')))
        self.assertEqual([('live', 'vm-a3', 'host-A', 'host-B')],
                         self.moves(solution))
        text = str(solution.explanation)
        self.assertIn('excluded', text)
        self.assertIn('it is suspended', text)

    def test_overcommit_counts(self):
        self.assertEqual(
            [('live', 'vm-a', 'host-A', 'host-B')],
            self.moves(self.run_on(models.cloud({
                models.node('A'): [models.instance('a', vcpus=4)],
                models.node('B', vcpus=4, vcpu_ratio=16.0): [
                    models.instance('b', vcpus=4)]}))))

    def test_reserved_amounts_count(self):
        solution = self.run_on(self.cloud(
            models.instance('a'), memory_mb_reserved=65536 - 2048))
        self.assertEqual('no_destination', solution.explanation.code)

    def test_the_next_host_once_one_cannot_be_emptied(self):
        self.set('host_airflow', A=420, B=410, C=300)
        self.set('host_power', A=100)
        self.set('host_inlet_temp', A=20)
        # All that fits on C is tried for A first, and taken back.
        solution = self.run_on(models.cloud({
            models.node('A'): [models.instance('a1', vcpus=8),
                               models.instance('a2')],
            models.node('B'): [models.instance('b')],
            models.node('C', vcpus=8): []}))
        self.assertEqual([('live', 'vm-b', 'host-B', 'host-C')],
                         self.moves(solution))

    def test_a_limit_lets_a_part_go(self):
        self.set('host_power', A=100)
        self.set('host_inlet_temp', A=20)
        self.config('watcher_strategies', max_migrations=2)
        solution = self.run_on(self.cloud(*map(
            models.instance, ('a1', 'a2', 'a3'))))
        self.assertEqual(2, len(solution.actions))
        self.assertIn('moves 2 servers already', str(solution.explanation))


class TestEmptyPlans(AirflowTestCase):
    """Each names what binds."""

    def code(self, airflow, **nodes):
        self.set('host_airflow', **airflow)
        solution = self.run_on(models.cloud({
            models.node(name): servers for name, servers in nodes.items()}))
        self.assertEqual([], solution.actions)
        return solution.explanation.code

    def test_codes(self):
        server = models.instance('a')
        self.assertEqual('no_metrics', self.code({}, A=[server], B=[]))
        self.assertEqual('nothing_above', self.code(
            {'A': 0.0, 'B': 399.9}, A=[server], B=[]))
        self.assertEqual('nothing_below', self.code(
            {'A': 400, 'B': 400}, A=[server], B=[]))
        self.assertEqual('nothing_movable', self.code(
            {'A': 400, 'B': 10}, B=[],
            A=[models.instance('b', state='stopped')]))
        self.assertEqual('no_destination', self.code(
            {'A': 400, 'B': 10}, B=[],
            A=[models.instance('c', vcpus=40)]))


class TestProperties(metric_properties.HeatFollowsServers,
                     metric_properties.MetricProperties, base.TestCase):
    STRATEGY = uniform_airflow.UniformAirflow
    METRIC, THRESHOLD = uniform_airflow.AIRFLOW, 'threshold_airflow'

    def test_servers_leave_one_host_above_for_hosts_below(self):
        for _model, strategy, solution in self.runs():
            found, sources = strategy._situation, set()
            for parameters in self.moves(solution):
                state = found.state
                sources.add(parameters['source_node'])
                self.assertTrue(found.above[
                    state.host_named(parameters['source_node'])])
                self.assertTrue(found.below[
                    state.host_named(parameters['destination_node'])])
            self.assertLessEqual(len(sources), 1)
