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

from unittest import mock

import fixtures
import jsonschema

from watcher import objects
from watcher.common import exception
from watcher.common import utils
from watcher.decision_engine.audit import base as audit_base
from watcher.decision_engine.loading import default as loading
from watcher.decision_engine.strategy.context import default as context
from watcher.decision_engine.strategy.selection import default
from watcher.decision_engine.strategy.strategies import actuation
from watcher.decision_engine.strategy.strategies import dummy_strategy
from watcher.tests import base


class TestSelector(base.TestCase):

    def test_named(self):
        strategy = default.DefaultStrategySelector(
            'dummy', 'dummy_with_resize', osc='osc').select()
        self.assertEqual('dummy_with_resize', strategy.name)
        self.assertEqual('osc', strategy.osc)

    def test_defaults_of_the_goals(self):
        for goal, expected in (('unclassified', 'actuator'),
                               ('dummy', 'dummy'),
                               ('server_consolidation', 'basic'),
                               ('thermal_optimization',
                                'outlet_temperature'),
                               ('workload_balancing',
                                'storage_capacity_balance'),
                               ('airflow_optimization', 'uniform_airflow'),
                               ('noisy_neighbor', 'noisy_neighbor'),
                               ('saving_energy', 'saving_energy'),
                               ('hardware_maintenance', 'zone_migration'),
                               ('cluster_maintaining', 'host_maintenance')):
            self.assertEqual(
                expected, default.DefaultStrategySelector(goal).select().name)

    def test_order_of_discovery_does_not_matter(self):
        class Broken:
            @staticmethod
            def get_goal_name():
                raise RuntimeError('broken')

        found = {'z': dummy_strategy.DummyStrategy, 'a': Broken,
                 'c': dummy_strategy.DummyStrategy,
                 'b': actuation.Actuator}
        with mock.patch.object(loading.DefaultStrategyLoader,
                               'list_available', return_value=found):
            selector = default.DefaultStrategySelector('dummy')
            self.assertEqual('c', selector._first_of_goal())

    def test_no_strategy_for_the_goal(self):
        self.assertRaises(
            exception.NoAvailableStrategyForGoal,
            default.DefaultStrategySelector('no_such_goal').select)

    def test_unknown_strategy(self):
        self.assertRaises(
            exception.LoadingError,
            default.DefaultStrategySelector('dummy', 'unknown').select)


class TestParameters(base.TestCase):

    def parameters(self, given, strategy=dummy_strategy.DummyStrategy):
        return context.DefaultStrategyContext.parameters_for(
            utils.Struct(parameters=given), strategy)

    def test_defaults_when_there_are_none(self):
        for given in (None, {}):
            self.assertEqual({'para1': 3.2, 'para2': 'hello'},
                             self.parameters(given))

    def test_given_ones_are_passed_as_they_are(self):
        self.assertEqual({'para1': 5}, self.parameters({'para1': 5}))

    def test_required_one_is_missing(self):
        self.assertRaises(jsonschema.ValidationError, self.parameters, {},
                          actuation.Actuator)

    def test_nested_values_are_copies(self):
        given = {'actions': [{'action_type': 'nop',
                              'input_parameters': {'message': 'a'}}]}
        taken = self.parameters(given)
        taken['actions'][0]['input_parameters']['message'] = 'b'
        self.assertEqual(
            'a', given['actions'][0]['input_parameters']['message'])


class TestFailure(base.TestCase):

    def test_an_error_tells_what_the_strategy_could_not_see(self):
        class Blind(dummy_strategy.DummyStrategy):
            def pre_execute(self):
                self.caveats.append('Left out: compute-3.')
                raise exception.ComputeNodeNotFound(name='compute-3')
        audit = mock.Mock(scope=[], parameters={}, interval=None)
        runner = context.DefaultStrategyContext()
        with mock.patch.object(runner, 'select_strategy',
                               return_value=Blind(utils.Struct())):
            error = self.assertRaises(
                exception.ComputeNodeNotFound, runner.execute_strategy,
                audit, None)
        self.assertEqual(f'{error} Left out: compute-3.',
                         audit_base.explain(error))


class TestInterval(base.TestCase):

    def setUp(self):
        super().setUp()
        self.said = None
        self.useFixture(fixtures.MockPatchObject(
            objects.AuditSchedule, 'get', lambda context, ident: self.said))

    def test_of_audits(self):
        for interval, seconds in ((None, None), ('600', 600.0),
                                  ('@hourly', 3600.0), ('soon', None)):
            self.assertEqual(
                seconds, context.DefaultStrategyContext.interval_of(
                    utils.Struct(interval=interval, uuid='u', id=1)))

    def test_in_windows(self):
        self.said = objects.AuditSchedule(
            audit_id=1, time_zone='Asia/Kolkata',
            run_windows=('12:00-12:30',))
        self.assertEqual(
            24 * 3600.0, context.DefaultStrategyContext.interval_of(
                utils.Struct(interval='0 * * * *', uuid='u', id=1)))

    def test_strategies_know_it(self):
        """They hold the age of models against it."""
        strategy = dummy_strategy.DummyStrategy(utils.Struct())
        context.DefaultStrategyContext.prepare(
            utils.Struct(interval='600', uuid='u', id=1, scope=[],
                         parameters={}),
            strategy)
        self.assertEqual(600.0, strategy.audit_interval)
