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

import hypothesis
from hypothesis import strategies as st

from watcher import objects
from watcher.common import exception
from watcher.decision_engine.planner import base as planner_base
from watcher.decision_engine.planner import node_resource_consolidation
from watcher.decision_engine.planner import weight
from watcher.decision_engine.planner import workload_stabilization
from watcher.decision_engine.solution import explanation
from watcher.tests import base as test_base
from watcher.tests.unit.decision_engine import factories
from watcher.tests.unit.decision_engine.planner import base

PLANNERS = (
    weight.WeightPlanner,
    workload_stabilization.WorkloadStabilizationPlanner,
    node_resource_consolidation.NodeResourceConsolidationPlanner)


def graph(**parents):
    return [{'uuid': uuid, 'action_type': 'nop', 'parents': list(names)}
            for uuid, names in parents.items()]


class TestCheckGraph(test_base.TestCase):

    def test_sound(self):
        planner_base.check_graph([])
        planner_base.check_graph(graph(a='', b='a', c='ab', d='aa'))
        planner_base.check_graph(graph(b='a', a=''))

    def test_orphan(self):
        error = self.assertRaises(
            exception.Invalid, planner_base.check_graph, graph(a='', b='x'))
        self.assertIn('waits for x', str(error))

    def test_cycle(self):
        for wrong in (graph(a='a'), graph(a='b', b='a'),
                      graph(a='', b='ad', c='b', d='c', e='a')):
            error = self.assertRaises(
                exception.Invalid, planner_base.check_graph, wrong)
            self.assertIn('wait for each other', str(error))

    def test_one_uuid_twice(self):
        self.assertRaises(exception.Invalid, planner_base.check_graph,
                          graph(a='') + graph(a=''))


names = st.integers(0, 3)
moves = st.builds(
    lambda name, source, destination: {
        'action_type': 'migrate', 'input_parameters': {
            'resource_id': f'i{name}', 'source_node': f'h{source}',
            'destination_node': f'h{destination}'}}, names, names, names)
changes = st.builds(
    lambda name, state: {
        'action_type': 'change_nova_service_state', 'input_parameters': {
            'resource_id': f'h{name}', 'state': state}},
    names, st.sampled_from(['enabled', 'disabled']))
others = st.builds(
    lambda action_type, name: {
        'action_type': action_type,
        'input_parameters': {'resource_id': f'{name}'}},
    st.sampled_from(['resize', 'stop', 'volume_migrate', 'sleep', 'nop',
                     'change_node_power_state',
                     'turn_host_to_acpi_s3_state']), names)


class TestEveryPlan(test_base.TestCase):
    """Whatever a strategy wants: nothing is lost, everything can start."""

    def _check(self, planner, planned):
        actions = planner({}).arrange(planned)
        planner_base.check_graph(actions)
        self.assertEqual(
            sorted(map(repr, ((a['action_type'], a['input_parameters'])
                              for a in planned))),
            sorted(map(repr, ((a['action_type'], a['input_parameters'])
                              for a in actions))))
        self._check_servers(actions)

    def _check_servers(self, actions):
        """No two migrations of one server run at the same time."""
        by_uuid = {action['uuid']: action for action in actions}

        def before(action):
            todo, seen = list(action['parents']), set()
            while todo:
                uuid = todo.pop()
                if uuid not in seen:
                    seen.add(uuid)
                    todo += by_uuid[uuid]['parents']
            return seen

        moving = [action for action in actions
                  if action['action_type'] == 'migrate']
        for one in moving:
            for other in moving:
                if one is not other and (
                        one['input_parameters']['resource_id']
                        == other['input_parameters']['resource_id']):
                    self.assertTrue(one['uuid'] in before(other)
                                    or other['uuid'] in before(one))

    @hypothesis.settings(derandomize=True, max_examples=60, deadline=None,
                         database=None)
    @hypothesis.given(st.lists(moves | changes | others, max_size=12))
    def test_workload_stabilization(self, planned):
        self._check(PLANNERS[1], planned)

    @hypothesis.settings(derandomize=True, max_examples=60, deadline=None,
                         database=None)
    @hypothesis.given(st.lists(moves | changes, max_size=12))
    def test_node_resource_consolidation(self, planned):
        self._check(PLANNERS[2], planned)


class TestExplanations(base.PlannerTestCase):
    """Every planner stores why."""

    def schedule_all(self, found):
        for self.planner_class in PLANNERS:
            yield self.schedule(found)

    def test_actions(self):
        found = base.solution()
        found.add_action(
            'migrate', {'migration_type': 'live', 'source_node': 'h1'},
            resource_id='6ae05517-a512-462d-9d83-90c313b5a8ff',
            reason=explanation.Explanation('h1 is too busy', 'overload'))
        found.add_action(
            'migrate', {'migration_type': 'live', 'source_node': 'h1'},
            resource_id='1bf91464-9b41-428d-a11e-af691e5563bb')
        found.explain('One server relieves h1', 'overload')
        for plan in self.schedule_all(found):
            actions = objects.Action.list(
                self.context, filters={'action_plan_id': plan.id})
            stored = objects.Action.explanations(
                action.id for action in actions)
            self.assertEqual(
                {actions[0].id: ('h1 is too busy', 'overload')},
                {ident: (why['reason'], why['code'])
                 for ident, why in stored.items()})
            self.assertEqual('One server relieves h1', self.why(plan)[
                'summary'])
            self.assertIsNone(plan.status_message)

    def why(self, plan):
        return objects.ActionPlan.explanations([plan.id])[plan.id]

    def test_empty_plan(self):
        found = base.solution()
        found.explain('No host is above the threshold', 'balanced')
        found.add_remark('h9 has no metrics')
        for plan in self.schedule_all(found):
            self.assertEqual(
                ('balanced', ['h9 has no metrics']),
                (self.why(plan)['code'], self.why(plan)['remarks']))
            self.assertEqual(
                'No action is planned. No host is above the threshold',
                factories.reread(plan).status_message)
        self.assertIn('No host is above the threshold', self.logger.output)

    def test_summary_longer_than_a_status_message(self):
        found = base.solution()
        found.explain('é' * 3000)
        for plan in self.schedule_all(found):
            self.assertEqual('é' * 3000, self.why(plan)['summary'])
            stored = factories.reread(plan)
            self.assertEqual(('SUCCEEDED', 255),
                             (stored.state, len(stored.status_message)))

    def test_strategy_that_says_nothing(self):
        for plan in self.schedule_all(base.solution()):
            self.assertEqual('The strategy dummy found nothing to change',
                             self.why(plan)['summary'])
