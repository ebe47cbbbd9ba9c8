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

from watcher import objects
from watcher.common import exception
from watcher.decision_engine.goal import goals
from watcher.decision_engine.planner import base as planner_base
from watcher.decision_engine.planner import manager
from watcher.decision_engine.planner import node_resource_consolidation
from watcher.tests.unit.decision_engine.planner import base

solution = base.solution
MOST = node_resource_consolidation.MOST_PARENTS


def state(host, value):
    return 'change_nova_service_state', host, {'state': value}


def move(name, source):
    return 'migrate', name, {'source_node': source}


class ConsolidationTestCase(base.PlannerTestCase):
    planner_class = (
        node_resource_consolidation.NodeResourceConsolidationPlanner)

    def parents(self, *actions):
        plan = self.schedule(solution(*actions))
        return [parents for _, parents in self.graph(plan)]


class TestWorkedExamples(ConsolidationTestCase):

    def test_n1(self):
        plan = self.schedule(solution(
            state('h1', 'disabled'), state('h2', 'disabled'),
            move('i1', 'h1'), move('i2', 'h1'), move('i3', 'h2'),
            state('h1', 'enabled'), state('h2', 'enabled')))
        changed = 'change_nova_service_state'
        self.assertEqual(
            [((changed, 'h1'), []),
             ((changed, 'h2'), []),
             (('migrate', 'i1'), [0, 1]),
             (('migrate', 'i2'), [0, 1, 2]),
             (('migrate', 'i3'), [0, 1]),
             ((changed, 'h1'), [3, 4]),
             ((changed, 'h2'), [3, 4])], self.graph(plan))

    def test_n2(self):
        self.assertEqual([[], []],
                         self.parents(move('i1', 'h1'), move('i3', 'h2')))

    def test_n3_enabled_after_disabled(self):
        self.assertEqual([[], [0]], self.parents(
            state('h1', 'disabled'), state('h1', 'enabled')))

    def test_n4_indicators_of_an_empty_plan_are_stored(self):
        found = solution(goal=goals.ServerConsolidation)
        found.set_efficacy_indicators(
            compute_nodes_count=2, released_compute_nodes_count=0,
            instance_migrations_count=0)
        found.compute_global_efficacy()
        plan = self.schedule(found)
        self.assertEqual('SUCCEEDED', plan.state)
        self.assertEqual(3, len(objects.EfficacyIndicator.list(
            self.context, filters={'action_plan_id': plan.id})))

    def test_n5_other_types(self):
        error = self.assertRaises(
            exception.UnsupportedActionType, self.schedule,
            solution(move('i1', 'h1'), ('nop', 'm')))
        self.assertIn('nop', str(error))
        self.assertEqual([], objects.ActionPlan.list(self.context))


class TestNodeResourceConsolidationPlanner(ConsolidationTestCase):

    def test_second_move_of_a_server_waits_for_the_first(self):
        plan = self.schedule(solution(
            move('i2', 'h2'), move('i1', 'h1'), move('i1', 'h2')))
        # Stored by hosts: i2 and i1 from h2, then i1 from h1.
        self.assertEqual([[], [0, 2], []],
                         [parents for _, parents in self.graph(plan)])

    def test_what_cannot_be_done_without_is_stored(self):
        plan = self.schedule(solution(
            ('change_nova_service_state', 'h1'), move('i1', 'h1'),
            move('i2', 'h2')))
        disable, *moves = objects.Action.list(
            self.context, filters={'action_plan_uuid': plan.uuid},
            sort_key='id', sort_dir='asc')
        runs = objects.ActionRun.of_actions([one.id for one in moves])
        self.assertEqual([{disable.uuid: 'must_succeed'}],
                         [run.needs for run in runs.values()])

    def test_wishes_of_the_strategy(self):
        found = solution(
            state('h1', 'disabled'), move('i1', 'h1'), move('i2', 'h2'),
            state('h1', 'enabled'))
        found.actions[2].after = found.actions[:2] + found.actions[3:]
        plan = self.schedule(found)
        self.assertEqual([[], [0], [0, 1], [1, 2]],
                         [parents for _, parents in self.graph(plan)])

    def test_without_a_source(self):
        found = solution(move('i1', 'h1'))
        del found.actions[0]['input_parameters']['source_node']
        error = self.assertRaises(exception.Invalid, self.schedule, found)
        self.assertIn('source_node', str(error))

    def test_parents_do_not_grow_with_the_number_of_hosts(self):
        hosts = [f'h{n}' for n in range(500)]
        planned = [
            *({'action_type': 'change_nova_service_state',
               'input_parameters': {'resource_id': h, 'state': 'disabled'}}
              for h in hosts),
            *({'action_type': 'migrate', 'input_parameters': {
                'resource_id': f'{h}-{n}', 'source_node': h}}
              for h in hosts for n in range(8)),
            *({'action_type': 'change_nova_service_state',
               'input_parameters': {'resource_id': h, 'state': 'enabled'}}
              for h in hosts)]
        actions = self.planner().arrange(planned)
        planner_base.check_graph(actions)
        self.assertLessEqual(sum(len(a['parents']) for a in actions),
                             2 * len(actions))
        self.assertTrue(self._waits_for(actions, hosts))

    def _waits_for(self, actions, hosts):
        """Whether every move waits for each disabling, enabling for all."""
        before = {}
        for action in actions:
            known = set()
            for parent in action['parents']:
                known |= {parent} | before[parent]
            before[action['uuid']] = known
        uuids = [action['uuid'] for action in actions]
        count = len(hosts)
        disabled, moves = set(uuids[:count]), set(uuids[count:-count])
        return (all(disabled <= before[uuid] for uuid in moves)
                and all(moves <= before[uuid] for uuid in uuids[-count:]))

    def test_up_to_the_limit_all_are_named(self):
        for count, named in ((MOST, MOST), (MOST + 1, 1)):
            actions = self.planner().arrange([
                *({'action_type': 'change_nova_service_state',
                   'input_parameters': {'resource_id': f'h{n}',
                                        'state': 'disabled'}}
                  for n in range(count)),
                {'action_type': 'migrate', 'input_parameters': {
                    'resource_id': 'i', 'source_node': 'h1'}}])
            self.assertEqual(named, len(actions[-1]['parents']))

    def test_loaded_by_name(self):
        planner = manager.PlannerManager().load(
            'node_resource_consolidation')
        action = planner.create_action(7, 'migrate', {'a': 1})
        self.assertEqual((7, 'migrate', {'a': 1}), (
            action['action_plan_id'], action['action_type'],
            action['input_parameters']))
