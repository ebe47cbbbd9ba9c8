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

import gc

from watcher import objects
from watcher.common import exception
from watcher.decision_engine.planner import base as planner_base
from watcher.decision_engine.planner import manager
from watcher.decision_engine.planner import workload_stabilization
from watcher.tests.fixtures import models
from watcher.tests.unit.decision_engine.planner import base

solution = base.solution


def move(name, source, destination):
    return 'migrate', name, {'source_node': source,
                             'destination_node': destination}


class WorkloadStabilizationTestCase(base.PlannerTestCase):
    planner_class = workload_stabilization.WorkloadStabilizationPlanner

    def parents(self, *actions, **config):
        plan = self.schedule(solution(*actions), **config)
        return [parents for _, parents in self.graph(plan)]


class TestWorkedExamples(WorkloadStabilizationTestCase):

    def test_s1(self):
        plan = self.schedule(solution(
            move('i1', 'h1', 'h2'), ('resize', 'i1'), move('i2', 'h1', 'h2'),
            move('i3', 'h2', 'h3'), ('turn_host_to_acpi_s3_state', 'h1'),
            ('nop', 'm')))
        self.assertEqual(
            [(('nop', 'm'), []),
             (('migrate', 'i1'), []),
             (('migrate', 'i2'), []),
             (('migrate', 'i3'), []),
             (('resize', 'i1'), [1]),
             (('turn_host_to_acpi_s3_state', 'h1'), [4, 2])],
            self.graph(plan))
        self.assertEqual('RECOMMENDED', plan.state)

    def test_s2_one_server_moves_once_at_a_time(self):
        self.assertEqual(
            [[], [0]],
            self.parents(move('i1', 'h1', 'h2'), move('i1', 'h2', 'h3')))

    def test_s3_hosts_are_changed_before_servers_move(self):
        plan = self.schedule(solution(
            move('i1', 'h1', 'h2'), ('change_nova_service_state', 'h1')))
        self.assertEqual(
            [(('change_nova_service_state', 'h1'), []),
             (('migrate', 'i1'), [0])], self.graph(plan))

    def test_s4_volumes(self):
        plan = self.schedule(solution(
            ('volume_migrate', 'i1'), ('volume_migrate', 'i2'),
            ('volume_migrate', 'i1', {'destination_node': 'pool-3'})))
        self.assertEqual([[], [], [0]],
                         [parents for _, parents in self.graph(plan)])

    def test_s5_empty_solution(self):
        plan = self.schedule(solution())
        self.assertEqual('SUCCEEDED', plan.state)
        self.assertEqual([], self.graph(plan))

    def test_s6_migration_of_nothing(self):
        for missing in ('resource_id', 'source_node'):
            found = solution(('migrate', 'i1'))
            del found.actions[0]['input_parameters'][missing]
            error = self.assertRaises(
                exception.Invalid, self.schedule, found)
            self.assertIn(missing, str(error))
            self.assertEqual([], objects.ActionPlan.list(self.context))


class TestWorkloadStabilizationPlanner(WorkloadStabilizationTestCase):

    def test_destination_is_enabled_first(self):
        self.assertEqual(
            [[], [], [0, 1], []],
            self.parents(
                ('change_nova_service_state', 'h1'),
                ('change_nova_service_state', 'h2', {'state': 'enabled'}),
                move('i1', 'h1', 'h2'), move('i2', 'h3', 'h4')))

    def test_changes_of_one_host_keep_their_order(self):
        self.assertEqual(
            [[], [0], [1]],
            self.parents(
                ('change_nova_service_state', 'h1', {'state': 'enabled'}),
                ('change_nova_service_state', 'h1', {'state': 'disabled'}),
                move('i1', 'h1', 'h2')))

    def test_host_is_switched_off_when_it_is_empty(self):
        self.assertEqual(
            [[], [0], [0], [], [1, 2]],
            self.parents(
                ('change_nova_service_state', 'h1'), move('i1', 'h1', 'h2'),
                move('i2', 'h3', 'h1'), move('i3', 'h2', 'h3'),
                ('change_node_power_state', 'h1')))

    def test_only_one_action_at_a_time_on_a_server(self):
        self.assertEqual(
            [[], [0], [1]],
            self.parents(('stop', 'i1'), move('i1', 'h1', 'h2'),
                         ('resize', 'i1')))

    def test_solution_order_within_a_weight(self):
        plan = self.schedule(solution(
            ('volume_migrate', 'i2'), move('i1', 'h1', 'h2'),
            ('volume_migrate', 'i3')))
        self.assertEqual(
            ['volume_migrate', 'migrate', 'volume_migrate'],
            [what[0] for what, _ in self.graph(plan)])

    def test_parallelization(self):
        moves = [move(f'v{n}', 'h1', 'h2') for n in range(5)]
        self.assertEqual([[], [], [0], [1], [2]], self.parents(
            *moves, parallelization={'migrate': '2'}))
        self.assertEqual([[]] * 5, self.parents(
            *moves, parallelization={'nop': '2'}))
        self.assertEqual([[], [0], [1], [2], [3]], self.parents(
            *moves, parallelization={'migrate': '0'}))

    def test_wishes_of_the_strategy(self):
        found = solution(('volume_migrate', 'i2'), move('i1', 'h1', 'h2'),
                         move('i2', 'h1', 'h2'), ('nop', 'm'))
        volume, first, second, nop = found.actions
        first.after = [volume]
        second.after = [volume, first]
        # It runs before them anyway.
        nop.after = [second]
        plan = self.schedule(found)
        self.assertEqual([[], [], [1], [2]],
                         [parents for _, parents in self.graph(plan)])

    def test_weights_are_numbers(self):
        plan = self.schedule(
            solution(('nop', 'm'), ('sleep', '1')),
            weights={'nop': '9', 'sleep': '10'})
        self.assertEqual(['sleep', 'nop'],
                         [what[0] for what, _ in self.graph(plan)])
        error = self.assertRaises(
            exception.Invalid, self.schedule, solution(('nop', 'm')),
            weights={'nop': 'much'})
        self.assertIn('[watcher_planners.workload_stabilization] weights',
                      str(error))

    def test_type_without_weight(self):
        error = self.assertRaises(
            exception.UnsupportedActionType, self.schedule,
            solution(('nop', 'm'), ('foo', '')))
        self.assertIn('foo', str(error))
        self.assertEqual([], objects.ActionPlan.list(self.context))

    def test_type_without_rule_works_on_one_resource_at_a_time(self):
        found = solution(('nop', 'm'))
        for resource in ('a', 'a', 'b', None):
            found.add_action('foo', {'n': len(found.actions)},
                             resource_id=resource)
        plan = self.schedule(found, weights={'foo': 1})
        self.assertEqual([[], [], [1], [], []],
                         [parents for _, parents in self.graph(plan)])

    def test_rule_of_others(self):
        class FooValidator(workload_stabilization.BaseActionValidator):
            action_name = 'foo'

            def validate_parents(self, resource_action_map, action):
                # As keys and as attributes: plug-ins do both.
                self._mapping(resource_action_map, 'x', action.uuid,
                              action['action_type'])
                return [uuid for uuid, _type in
                        resource_action_map[models.uuid('i1')]]

        def forget():
            nonlocal FooValidator
            del FooValidator
            gc.collect()

        self.addCleanup(forget)
        found = solution(('migrate', 'i1'), ('foo', ''))
        plan = self.schedule(found, weights={'foo': 1})
        self.assertEqual([[], [0]],
                         [parents for _, parents in self.graph(plan)])

    def test_rule_that_returns_none(self):
        class BarValidator(workload_stabilization.BaseActionValidator):
            action_name = 'bar'

            def validate_parents(self, resource_action_map, action):
                return None

        def forget():
            nonlocal BarValidator
            del BarValidator
            gc.collect()

        self.addCleanup(forget)
        found = solution()
        found.add_action('bar')
        plan = self.schedule(found, weights={'bar': 1})
        self.assertEqual([[]], [p for _, p in self.graph(plan)])

    def test_parents_do_not_grow_with_the_plan(self):
        planner = self.planner()
        actions = planner.arrange([
            {'action_type': 'migrate', 'input_parameters': {
                'resource_id': f'i{n}', 'source_node': f'h{n % 50}',
                'destination_node': f'h{n % 7}'}}
            for n in range(5000)] + [
            {'action_type': 'change_nova_service_state', 'input_parameters': {
                'resource_id': f'h{n}', 'state': 'disabled'}}
            for n in range(50)] + [
            {'action_type': 'change_node_power_state', 'input_parameters': {
                'resource_id': f'h{n}', 'state': 'off'}}
            for n in range(50)])
        edges = sum(len(action['parents']) for action in actions)
        self.assertLessEqual(edges, 4 * len(actions))
        planner_base.check_graph(actions)

    def test_create_action(self):
        action = self.planner().create_action(7, 'nop', {'message': 'x'})
        self.assertEqual(
            (7, 'nop', {'message': 'x'}, 'PENDING', []),
            (action['action_plan_id'], action['action_type'],
             action['input_parameters'], action['state'],
             action['parents']))

    def test_loaded_by_name(self):
        planner = manager.PlannerManager().load('workload_stabilization')
        self.assertEqual('2', str(planner.config.weights['migrate']))
