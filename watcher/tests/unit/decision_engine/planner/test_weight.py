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

from watcher import objects
from watcher.common import exception
from watcher.common import utils
from watcher.decision_engine.goal import goals
from watcher.decision_engine.planner import base as planner_base
from watcher.decision_engine.planner import manager
from watcher.decision_engine.planner import weight
from watcher.decision_engine.solution import efficacy
from watcher.objects import events
from watcher.tests.fixtures import models
from watcher.tests.unit.decision_engine import factories
from watcher.tests.unit.decision_engine.planner import base

STATE = objects.action_plan.State
Recorder = base.Recorder
solution = base.solution


class WeightTestCase(base.PlannerTestCase):
    planner_class = weight.WeightPlanner


class TestWorkedExamples(WeightTestCase):

    def test_w1(self):
        plan = self.schedule(solution(
            ('migrate', 'i1'), ('migrate', 'i2'), ('migrate', 'i3'),
            ('change_nova_service_state', 'h1'),
            ('change_nova_service_state', 'h3'), ('resize', 'i1')))
        self.assertEqual(
            [(('change_nova_service_state', 'h1'), []),
             (('change_nova_service_state', 'h3'), [0]),
             (('migrate', 'i1'), [1]),
             (('migrate', 'i2'), [1]),
             (('migrate', 'i3'), [2, 3]),
             (('resize', 'i1'), [4])], self.graph(plan))
        self.assertEqual(STATE.RECOMMENDED, plan.state)

    def test_w2(self):
        plan = self.schedule(solution(
            ('change_nova_service_state', 'B'),
            ('change_nova_service_state', 'A'),
            ('migrate', 'i1'), ('migrate', 'i2'), ('migrate', 'i3')))
        self.assertEqual([[], [0], [1], [1], [2, 3]],
                         [parents for _, parents in self.graph(plan)])

    def test_w3_texts_are_compared_as_numbers(self):
        plan = self.schedule(
            solution(('nop', 'm'), ('sleep', '1'), ('migrate', 'i1'),
                     ('migrate', 'i2')),
            weights={'nop': '100', 'sleep': '20', 'migrate': '30'},
            parallelization={'nop': '1', 'sleep': '1', 'migrate': '0'})
        self.assertEqual(
            [(('nop', 'm'), []), (('migrate', 'i1'), [0]),
             (('migrate', 'i2'), [1]), (('sleep', 1.0), [2])],
            self.graph(plan))

    def test_w3_nine_is_below_ten(self):
        plan = self.schedule(
            solution(('nop', 'm'), ('sleep', '1')),
            weights={'nop': '9', 'sleep': '10'})
        self.assertEqual([(('sleep', 1.0), []), (('nop', 'm'), [0])],
                         self.graph(plan))

    def test_w4_types_of_equal_weight_stay_apart(self):
        plan = self.schedule(
            solution(('nop', 'm'), ('sleep', '1'), ('nop', 'm2')),
            weights={'nop': 10, 'sleep': 10},
            parallelization={'nop': 1, 'sleep': 3})
        self.assertEqual(
            [(('nop', 'm'), []), (('nop', 'm2'), [0]),
             (('sleep', 1.0), [1])], self.graph(plan))

    def test_w5_empty_solution(self):
        plan = self.schedule(solution())
        self.assertEqual(STATE.SUCCEEDED, plan.state)
        self.assertEqual(STATE.SUCCEEDED, factories.reread(plan).state)
        self.assertEqual([], self.graph(plan))

    def test_w6_unknown_type_leaves_nothing_behind(self):
        error = self.assertRaises(
            exception.UnsupportedActionType, self.schedule,
            solution(('migrate', 'i1'), ('foo', '')))
        self.assertIn('foo', str(error))
        self.assertEqual([], objects.ActionPlan.list(self.context))


class TestWeightPlanner(WeightTestCase):

    def test_type_that_is_not_installed_here(self):
        found = solution(('nop', 'x'))
        found.add_action('foo', {'any': 'thing'})
        plan = self.schedule(found, weights={'foo': 1})
        self.assertEqual([[], [0]],
                         [parents for _, parents in self.graph(plan)])
        self.assertIn('type foo cannot be checked', self.logger.output)

    def test_plug_in_that_cannot_be_loaded_here(self):
        with mock.patch('watcher.applier.actions.nop.Nop.__init__',
                        side_effect=ImportError('no such library')):
            plan = self.schedule(solution(('nop', 'x')))
        self.assertEqual(1, len(self.graph(plan)))
        self.assertIn('no such library', self.logger.output)

    def test_default_weight(self):
        found = solution(('migrate', 'i1'), ('sleep', '1'))
        found.add_action('foo')
        found.add_action('bar')
        found.add_action('foo', {'second': 1})
        plan = self.schedule(found, default_weight=35)
        self.assertEqual(
            ['sleep', 'foo', 'foo', 'bar', 'migrate'],
            [what[0] for what, _ in self.graph(plan)])

    def test_parameters_are_checked_before_anything_is_stored(self):
        found = solution(('nop', 'x'))
        found.add_action('sleep', {'duration': -1})
        error = self.assertRaises(exception.Invalid, self.schedule, found)
        self.assertIn('sleep', str(error))
        self.assertIn('duration', str(error))
        self.assertEqual([], objects.ActionPlan.list(self.context))

    def test_partial_map_keeps_the_other_defaults(self):
        plan = self.schedule(
            solution(('nop', 'm'), ('migrate', 'i1')),
            weights={'migrate': '5'})
        self.assertEqual([('nop', 'm'), ('migrate', 'i1')],
                         [what for what, _ in self.graph(plan)])

    def test_count_that_is_no_number(self):
        error = self.assertRaises(
            ValueError, self.schedule, solution(('nop', 'm')),
            parallelization={'nop': 'many'})
        self.assertIn("parallelization: 'many' of nop", str(error))
        self.assertEqual([], objects.ActionPlan.list(self.context))

    def test_two_moves_of_one_instance_never_run_together(self):
        found = solution(('migrate', 'i1'), ('migrate', 'i2'))
        found.add_action(
            'migrate', {'migration_type': 'live', 'source_node': 'h2'},
            resource_id=models.uuid('i1'))
        plan = self.schedule(found, parallelization={'migrate': 5})
        self.assertEqual([[], [], [0, 1]],
                         [parents for _, parents in self.graph(plan)])

    def test_wishes_of_the_strategy(self):
        found = solution(('migrate', 'i1'), ('migrate', 'i2'),
                         ('migrate', 'i3'))
        found.actions[1].after = [found.actions[0]]
        plan = self.schedule(found, parallelization={'migrate': 5})
        self.assertEqual([[], [0], [0]],
                         [parents for _, parents in self.graph(plan)])

    def test_records(self):
        found = solution(
            ('migrate', 'i1'), goal=goals.ServerConsolidation)
        found.set_efficacy_indicators(
            compute_nodes_count=4, released_compute_nodes_count=1,
            instance_migrations_count=1)
        found.compute_global_efficacy()
        plan = self.schedule(found)
        stored = objects.ActionPlan.get_by_uuid(self.context, plan.uuid)
        self.assertEqual(
            (self.audit.id, self.strategy.id, STATE.RECOMMENDED, None),
            (stored.audit_id, stored.strategy_id, stored.state,
             stored.hostname))
        self.assertEqual(
            [('released_nodes_ratio', '%', 25.0)],
            [(i['name'], i['unit'], i['value'])
             for i in stored.global_efficacy])
        self.assertEqual({'name', 'description', 'unit', 'value'},
                         set(stored.global_efficacy[0]))
        indicators = objects.EfficacyIndicator.list(
            self.context, filters={'action_plan_id': plan.id})
        self.assertEqual(
            [('compute_nodes_count', 4),
             ('released_compute_nodes_count', 1),
             ('instance_migrations_count', 1)],
            [(i.name, i.value) for i in indicators])
        action, = objects.Action.list(self.context)
        self.assertEqual(('migrate', 'PENDING', []),
                         (action.action_type, action.state, action.parents))
        self.assertEqual(found.actions[0]['input_parameters'],
                         action.input_parameters)

    def test_indicators_of_an_empty_plan_are_stored(self):
        found = solution(goal=goals.WorkloadBalancing)
        found.set_efficacy_indicators(instance_migrations_count=0,
                                      instances_count=3)
        found.compute_global_efficacy()
        plan = self.schedule(found)
        self.assertEqual(2, len(objects.EfficacyIndicator.list(
            self.context, filters={'action_plan_id': plan.id})))

    def test_global_efficacy_of_others_that_is_no_number(self):
        found = solution(('nop', 'one'))
        found.efficacy.global_efficacy = [
            efficacy.Indicator('x', 'X', '%', float('nan'))]
        stored = factories.reread(self.schedule(found))
        self.assertEqual([None], [
            figure['value'] for figure in stored.global_efficacy])

    def test_no_global_efficacy(self):
        # The field turns null into an empty list.
        plan = self.schedule(solution(('nop', 'm')))
        self.assertEqual([], factories.reread(plan).global_efficacy)

    def test_announcements(self):
        recorder = Recorder()
        events.subscribe(recorder)
        self.addCleanup(events.unsubscribe, recorder)
        self.schedule(solution(('nop', 'm'), ('sleep', '1')))
        self.schedule(solution())
        self.assertEqual(
            [('create', 'ActionPlan', 'RECOMMENDED'),
             ('create', 'Action', 'PENDING'),
             ('create', 'Action', 'PENDING'),
             ('create', 'ActionPlan', 'RECOMMENDED'),
             ('update', 'ActionPlan', 'RECOMMENDED', 'SUCCEEDED')],
            recorder.heard)

    def test_failure_while_storing_leaves_nothing_and_tells_nobody(self):
        recorder = Recorder()
        events.subscribe(recorder)
        self.addCleanup(events.unsubscribe, recorder)

        class Failing(weight.WeightPlanner):
            def create_scheduled_actions(self, graph):
                super().create_scheduled_actions(graph)
                raise RuntimeError('power cut')

        self.assertRaises(
            RuntimeError, Failing(utils.Struct()).schedule, self.context,
            self.audit.id, solution(('nop', 'm')))
        self.assertEqual([], objects.ActionPlan.list(self.context))
        self.assertEqual([], objects.Action.list(self.context))
        self.assertEqual([], recorder.heard)

    def test_strategy_is_not_stored(self):
        self.assertRaises(
            exception.StrategyNotFound, self.schedule,
            solution(('nop', 'm'), strategy='unknown'))

    def test_chunkify(self):
        self.assertEqual([[1, 2], [3]],
                         list(weight.WeightPlanner.chunkify([1, 2, 3], 2)))

    def test_loaded_by_name_with_options(self):
        planner = manager.PlannerManager().load('weight')
        self.assertIsInstance(planner, planner_base.BasePlanner)
        self.assertEqual('30', str(planner.config.weights['migrate']))

    def test_unknown_planner(self):
        self.assertRaises(exception.LoadingError,
                          manager.PlannerManager().load, 'no such planner')
