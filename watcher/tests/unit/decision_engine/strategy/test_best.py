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

import math
from unittest import mock

import fixtures

from watcher.common import exception
from watcher.common import utils
from watcher.decision_engine.goal import goals
from watcher.decision_engine.solution import explanation
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import settings
from watcher.decision_engine.strategy.context import default as context
from watcher.decision_engine.strategy.selection import best
from watcher.decision_engine.strategy.strategies import base as strategies
from watcher.tests import base
from watcher.tests.fixtures import models


def balancing(indicators=None, actions=1, error=None, schema=None):
    """Make the class of a strategy with a known result."""
    class Balancing(strategies.WorkloadStabilizationBaseStrategy):
        @classmethod
        def get_name(cls):
            return 'fake'

        get_display_name = get_translatable_display_name = get_name

        @classmethod
        def get_schema(cls):
            return schema or {}

        def pre_execute(self):
            if error:
                raise error

        def do_execute(self, audit=None):
            for number in range(actions):
                self.solution.add_action('nop', {'message': str(number)})

        def post_execute(self):
            if indicators is None:
                return
            before, after = indicators
            self.solution.set_efficacy_indicators(
                instance_migrations_count=actions, instances_count=9,
                standard_deviation_before_audit=before,
                standard_deviation_after_audit=after)

    return Balancing


class SelectionTestCase(base.TestCase):

    def solve(self, goal='workload_balancing', named=None, **classes):
        if classes:
            self.useFixture(self.installed(classes))
        audit = utils.Struct(
            uuid='u', strategy_id=1 if named else None, scope=[],
            parameters={}, interval=None, goal=utils.Struct(name=goal),
            strategy=utils.Struct(name=named))
        return context.DefaultStrategyContext().execute_strategy(audit, None)

    def installed(self, classes):
        return fixtures.MonkeyPatch(
            'watcher.decision_engine.loading.default.DefaultStrategyLoader',
            lambda: mock.Mock(
                list_available=lambda: classes,
                load=lambda name, osc=None: classes[name](
                    utils.Struct(), osc=osc)))


class TestBestStrategySelector(SelectionTestCase):

    def setUp(self):
        super().setUp()
        self.config(strategy_selection='best',
                    group='watcher_decision_engine')

    def test_greatest_gain(self):
        found = self.solve(a=balancing((2.0, 1.0)), b=balancing((2.0, 0.5)),
                           c=balancing((2.0, 0.6), actions=0))
        self.assertEqual('b', found.selection['strategy'])
        self.assertEqual('whose plan brings most', found.selection['reason'])
        self.assertEqual(
            [('a', 0.5, '1 actions, 50 % better'),
             ('b', 0.75, '1 actions, 75 % better'),
             ('c', 0.7, '0 actions, 70 % better')],
            [(c['strategy'], round(c['score'], 9), c['outcome'])
             for c in found.selection['candidates']])
        self.assertEqual(found.selection,
                         explanation.of_solution(found)['selection'])

    def test_a_score_that_is_no_number_is_unknown(self):
        with mock.patch.object(best, 'score', return_value=math.nan):
            found = self.solve(a=balancing((2.0, 1.0)))
        self.assertEqual(
            [{'strategy': 'a', 'score': None,
              'outcome': '1 actions, of unknown worth'}],
            found.selection['candidates'])

    def test_fewer_actions_for_the_same(self):
        found = self.solve(a=balancing((2.0, 1.0), actions=3),
                           b=balancing((2.0, 1.0)),
                           c=balancing((2.0, 1.0)))
        self.assertEqual('b', found.selection['strategy'])
        self.assertIn('no more actions', found.selection['reason'])

    def test_nothing_known_or_nothing_better_gives_the_first(self):
        for first, second in ((None, None), ((1.0, 1.0), None),
                              (None, (1.0, 2.0)), ((0.0, 0.0), (1.0, 1.0))):
            found = self.solve(a=balancing(first), b=balancing(second))
            self.assertEqual('a', found.selection['strategy'])
            self.assertIn('first one by name', found.selection['reason'])

    def test_strategies_that_cannot_run(self):
        found = self.solve(
            a=balancing(error=exception.MetricNotAvailable(metric='cpu')),
            b=balancing(error=ValueError('secret')),
            c=balancing(schema={'properties': {'x': {}}, 'required': ['x']}),
            d=balancing())
        self.assertEqual('d', found.selection['strategy'])
        self.assertEqual('the only one that can run',
                         found.selection['reason'])
        metric, bug, parameters, __ = [
            c['outcome'] for c in found.selection['candidates']]
        self.assertIn('cpu', metric)
        self.assertEqual('it failed with an unexpected ValueError', bug)
        self.assertIn("'x' is a required property", parameters)

    def test_none_can_run(self):
        error = self.assertRaises(
            exception.NoAvailableStrategyForGoal, self.solve,
            a=balancing(error=exception.MetricNotAvailable(metric='cpu')))
        self.assertIn('a: it cannot run', str(error))

    def test_goal_without_strategy(self):
        self.assertRaises(
            exception.NoAvailableStrategyForGoal, self.solve, 'saving_energy',
            a=balancing())

    def test_named_strategy_is_not_compared(self):
        found = self.solve(named='b', a=balancing((1.0, 0.1)),
                           b=balancing((1.0, 0.9)))
        self.assertIsNone(found.selection)
        self.assertEqual(0.9, found.efficacy.indicators_map[
            'standard_deviation_after_audit'])

    def test_installed_strategies(self):
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.decision_engine.strategy.strategies.base.BaseStrategy'
            '.compute_model', models.cloud({models.node('h1'): []})))
        found = self.solve('dummy')
        self.assertEqual('dummy', found.strategy.name)
        self.assertEqual(
            ['dummy', 'dummy_with_resize', 'dummy_with_scorer'],
            [c['strategy'] for c in found.selection['candidates']])


class TestDefault(SelectionTestCase):

    def test_first_by_name(self):
        found = self.solve(b=balancing((1.0, 0.0)), a=balancing((1.0, 0.9)))
        self.assertIsNone(found.selection)
        self.assertNotIn('selection', explanation.of_solution(found))
        self.assertEqual(0.9, found.efficacy.indicators_map[
            'standard_deviation_after_audit'])


class TestScore(base.TestCase):

    def test_consolidation_is_simulated(self):
        hosts = [models.node('h1'), models.node('h2')]
        server, other = models.instance('i1'), models.instance('i2')
        model = models.cloud({hosts[0]: [server], hosts[1]: [other]})
        strategy = mock.Mock(
            goal=goals.ServerConsolidation(utils.Struct()),
            shared_options=settings.Settings(),
            found_state=lambda: cluster.ClusterState.from_model(model))
        actions = [{'action_type': 'migrate', 'input_parameters': {
            'resource_id': server.uuid, 'migration_type': 'live',
            'source_node': hosts[0].hostname,
            'destination_node': hosts[1].hostname}}]
        self.assertEqual(0.5, best.score(
            strategy, mock.Mock(actions=actions)))
        self.assertEqual(0.0, best.score(strategy, mock.Mock(actions=[])))
        # As for any other plan of this strategy, its own options count.
        strategy.shared_options = settings.Settings(
            locked_servers=settings.KEEP)
        server.locked = True
        self.assertEqual(0.0, best.score(
            strategy, mock.Mock(actions=actions)))
        self.assertEqual(hosts[0].uuid, model.get_node_by_instance_uuid(
            server.uuid).uuid)

    def test_maintenance(self):
        specification = goals.HardwareMaintenance(
            utils.Struct()).efficacy_specification
        values = dict.fromkeys(
            (spec.name for spec in specification.indicators_specs), 0)
        self.assertEqual(0.0, specification.get_score(values))
        values.update(live_migrate_instance_count=3, volume_migrate_count=1,
                      planned_live_migrate_instance_count=2,
                      planned_volume_migrate_count=1)
        self.assertEqual(0.75, specification.get_score(values))
        self.assertIsNone(specification.get_score({}))

    def test_goal_without_measure(self):
        specification = goals.Dummy(utils.Struct()).efficacy_specification
        self.assertIsNone(specification.get_score({}))
