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
"""One plan from start to end: states, messages, notifications."""

from oslo_db import exception as db_exc

from watcher import objects
from watcher.common import exception
from watcher.tests import base
from watcher.tests.unit.applier import harness

NOP = {'type': 'nop', 'parameters': {'message': 'hello'}}


def nop(**parameters):
    parents = parameters.pop('parents', ())
    return {'type': 'nop', 'parents': parents,
            'parameters': {'message': 'hello', **parameters}}


START = [
    'action_plan.update plan1 ONGOING [PENDING>ONGOING]',
    'action_plan.execution.start plan1 ONGOING',
]


def succeeded(name):
    return [
        f'action.execution.start {name} PENDING',
        f'action.update {name} ONGOING [PENDING>ONGOING]',
        f'action.update {name} SUCCEEDED [ONGOING>SUCCEEDED]',
        f'action.execution.end {name} SUCCEEDED',
    ]


class TestOutcomes(harness.ApplierTestCase):

    def test_success(self):
        plan = self.run_plan(self.make_plan(NOP, nop(parents=[0])))

        self.assertEqual('SUCCEEDED', plan.state)
        self.assertIsNone(plan.status_message)
        self.assertEqual(['SUCCEEDED'] * 2, self.states(plan))
        self.assertEqual([
            *START, *succeeded('action1'), *succeeded('action2'),
            'action_plan.update plan1 SUCCEEDED [ONGOING>SUCCEEDED]',
            'action_plan.execution.end plan1 SUCCEEDED',
        ], self.events())

    def test_a_plan_without_actions_succeeds(self):
        plan = self.run_plan(self.make_plan())
        self.assertEqual('SUCCEEDED', plan.state)

    def test_a_failed_action_fails_the_plan_but_stops_nothing(self):
        plan = self.run_plan(self.make_plan(
            nop(fail_execute=True), nop(parents=[0])))

        self.assertEqual('FAILED', plan.state)
        self.assertIsNone(plan.status_message)
        failed, child = self.actions(plan)
        self.assertEqual('SUCCEEDED', child.state)
        self.assertEqual(
            'Action failed in execute: '
            f'The action {failed.uuid} execution failed.',
            failed.status_message)
        self.assertEqual([
            *START,
            'action.execution.start action1 PENDING',
            'action.update action1 ONGOING [PENDING>ONGOING]',
            'action.update action1 FAILED [ONGOING>FAILED]',
            'action.execution.error action1 FAILED '
            'fault=ActionExecutionFailure',
            *succeeded('action2'),
            'action_plan.update plan1 FAILED [ONGOING>FAILED]',
            'action_plan.execution.error plan1 FAILED '
            'fault=ActionExecutionFailure',
        ], self.events())

    def test_failed_pre_condition(self):
        plan = self.run_plan(self.make_plan(nop(fail_pre_condition=True)))

        self.assertEqual('FAILED', plan.state)
        self.assertEqual(
            'Action failed in pre_condition: Failed in pre_condition',
            self.actions(plan)[0].status_message)
        self.assertEqual([
            *START,
            'action.update action1 FAILED [PENDING>FAILED]',
            'action.execution.error action1 FAILED fault=WatcherException',
            'action_plan.update plan1 FAILED [ONGOING>FAILED]',
            'action_plan.execution.error plan1 FAILED '
            'fault=WatcherException',
        ], self.events())

    def test_failed_post_condition_withdraws_the_success(self):
        plan = self.run_plan(self.make_plan(nop(fail_post_condition=True)))

        self.assertEqual('FAILED', plan.state)
        self.assertEqual(
            'Action failed in post_condition: Failed in post_condition',
            self.actions(plan)[0].status_message)
        self.assertEqual([
            *START, *succeeded('action1'),
            'action.update action1 FAILED [SUCCEEDED>FAILED]',
            'action.execution.error action1 FAILED fault=WatcherException',
        ], self.events()[:8])

    def test_the_post_condition_waits_for_a_success(self):
        calls = []
        self.hooks['execute'] = lambda action: False
        self.hooks['post_condition'] = calls.append
        self.run_plan(self.make_plan({}))
        self.assertEqual([], calls)
        self.assertEqual(1, len(self.events('execution.error action1')))

    def test_automatic_skip(self):
        plan = self.run_plan(self.make_plan(
            nop(skip_pre_condition=True), nop(parents=[0])))

        self.assertEqual('SUCCEEDED', plan.state)
        self.assertEqual('One or more actions were skipped.',
                         plan.status_message)
        skipped, child = self.actions(plan)
        self.assertEqual('SKIPPED', skipped.state)
        self.assertEqual(
            'Action was skipped automatically: Skipped in pre_condition',
            skipped.status_message)
        self.assertEqual('SUCCEEDED', child.state)
        self.assertEqual(
            ['action.update action1 SKIPPED [PENDING>SKIPPED]'],
            self.events(' action1 '))

    def test_an_action_skipped_by_the_user_is_silent(self):
        calls = []
        self.hooks['pre_condition'] = calls.append
        self.hooks['post_condition'] = calls.append
        plan = self.run_plan(self.make_plan(
            {'state': 'SKIPPED',
             'status_message': 'Action skipped by user.'}))

        self.assertEqual('SUCCEEDED', plan.state)
        self.assertEqual('One or more actions were skipped.',
                         plan.status_message)
        self.assertEqual([], calls)
        self.assertEqual([], self.events(' action1 '))
        self.assertEqual('Action skipped by user.',
                         self.actions(plan)[0].status_message)

    def test_a_failed_plan_tells_about_skips_too(self):
        plan = self.run_plan(self.make_plan(
            nop(skip_pre_condition=True), nop(fail_execute=True)))
        self.assertEqual('FAILED', plan.state)
        self.assertEqual('One or more actions were skipped.',
                         plan.status_message)


class TestReasons(harness.ApplierTestCase):

    def message(self, *specs):
        plan = self.run_plan(self.make_plan(*specs))
        self.assertEqual('FAILED', plan.state)
        return self.actions(plan)[0].status_message

    def fail(self, error):
        def hook(action):
            raise error
        self.hooks['execute'] = hook
        return self.message({})

    def test_text_of_our_own_errors(self):
        self.assertEqual(
            'Action failed in execute: Nova says no',
            self.fail(exception.ActionExecutionFailure('Nova says no')))

    def test_class_and_text_of_foreign_errors(self):
        self.assertEqual('Action failed in execute: ValueError: bad disk',
                         self.fail(ValueError('bad\n disk')))
        self.assertIn('Traceback', self.logger.output)

    def test_no_secrets_and_no_statements(self):
        text = self.fail(ValueError("refused: {'password': 's3cret'}"))
        self.assertIn('refused', text)
        self.assertNotIn('s3cret', text)
        self.assertEqual(
            'Action failed in execute: the database does not work (DBError)',
            self.fail(db_exc.DBError(ValueError('at db.internal: SELECT'))))

    def test_class_of_errors_without_text(self):
        self.assertEqual('Action failed in execute: KeyError',
                         self.fail(KeyError()))

    def test_a_long_text_is_cut(self):
        text = self.fail(exception.NovaClientError(reason='x' * 1000))
        self.assertEqual(255, len(text))

    def test_only_true_is_a_success(self):
        for result in (None, 1, 'yes', [True]):
            self.hooks['execute'] = lambda action, result=result: result
            self.assertIn('Action failed in execute: ', self.message({}))

    def test_parameters_that_break_the_schema(self):
        self.assertEqual(
            'Action failed in pre_condition: The parameter $.duration of '
            'the sleep action is not acceptable: -1 is less than the '
            'minimum of 0',
            self.message({'type': 'sleep', 'parameters': {'duration': -1}}))

    def test_an_unknown_action_type_is_reported_once(self):
        text = self.message({'type': 'teleport'})
        self.assertIn("Action failed in pre_condition: The plug-in "
                      "'teleport'", text)
        self.assertEqual(
            ['action.update action1 FAILED [PENDING>FAILED]',
             'action.execution.error action1 FAILED fault=LoadingError'],
            self.events(' action1 '))


class TestBrokenEngine(harness.ApplierTestCase):

    def test_an_unknown_parent_fails_the_plan_before_anything_runs(self):
        calls = []
        self.hooks['execute'] = calls.append
        stranger = '11111111-2222-3333-4444-555555555555'
        plan = self.run_plan(self.make_plan({}, {'parents': [stranger]}))

        self.assertEqual('FAILED', plan.state)
        self.assertEqual([], calls)
        self.assertIn(stranger, plan.status_message)
        for action in self.actions(plan):
            self.assertEqual('CANCELLED', action.state)
            self.assertEqual(plan.status_message, action.status_message)
        self.assertEqual([
            *START,
            'action.update action1 CANCELLED [PENDING>CANCELLED]',
            'action.update action2 CANCELLED [PENDING>CANCELLED]',
            'action_plan.update plan1 FAILED [ONGOING>FAILED]',
            'action_plan.execution.error plan1 FAILED '
            'fault=WorkflowExecutionException',
        ], self.events())

    def test_a_cycle_fails_the_plan(self):
        plan = self.run_plan(self.make_plan(
            {'parents': [1]}, {'parents': [0]}))
        self.assertEqual('FAILED', plan.state)
        self.assertIn('cycle', plan.status_message)

    def test_an_unknown_engine_fails_the_plan(self):
        self.config(group='watcher_applier', workflow_engine='steam')
        plan = self.run_plan(self.make_plan({}))
        self.assertEqual('FAILED', plan.state)
        self.assertIn('steam', plan.status_message)
        self.assertEqual(['CANCELLED'], self.states(plan))
        self.assertTrue(self.has_ended(plan))

    def test_broken_while_cancelling(self):
        plan = self.make_plan({'parents': [0]})
        refresh = objects.ActionPlan.refresh

        def cancel_first(obj):
            refresh(obj)
            if obj.state == 'ONGOING':
                obj.transition('CANCELLING')
        self.useFixture(harness.fixtures.MonkeyPatch(
            'watcher.objects.ActionPlan.refresh', cancel_first))
        plan = self.run_plan(plan)
        self.assertEqual('FAILED', plan.state)
        self.assertEqual(
            ['action_plan.cancel.error plan1 FAILED '
             'fault=WorkflowExecutionException'], self.events('cancel'))
        self.assertEqual([], self.events('execution.error'))


class TestCancel(harness.ApplierTestCase):

    def test_while_an_action_runs(self):
        def cancel(action):
            if action.input_parameters.get('cancel'):
                self.set_state(plan, 'CANCELLING')
            return True
        self.hooks['execute'] = cancel
        plan = self.make_plan({'parameters': {'cancel': True}},
                              {'parents': [0]}, {'parents': [1]})
        plan = self.run_plan(plan)

        self.assertEqual('CANCELLED', plan.state)
        self.assertIsNone(plan.status_message)
        self.assertEqual(['SUCCEEDED', 'CANCELLED', 'CANCELLED'],
                         self.states(plan))
        self.assertEqual([None] * 3, [
            action.status_message for action in self.actions(plan)])
        self.assertEqual([
            'action_plan.update plan1 CANCELLING [ONGOING>CANCELLING]',
            'action.update action1 SUCCEEDED [ONGOING>SUCCEEDED]',
            'action.execution.end action1 SUCCEEDED',
            'action_plan.cancel.start plan1 CANCELLING',
            'action.cancel.start action2 PENDING',
            'action.update action2 CANCELLED [PENDING>CANCELLED]',
            'action.cancel.end action2 CANCELLED',
            'action.update action3 CANCELLED [PENDING>CANCELLED]',
            'action_plan.update plan1 CANCELLED [CANCELLING>CANCELLED]',
            'action_plan.cancel.end plan1 CANCELLED',
        ], self.events()[4:])

    def test_during_the_last_action(self):
        def cancel(action):
            self.set_state(plan, 'CANCELLING')
            return True
        self.hooks['execute'] = cancel
        plan = self.make_plan({})
        plan = self.run_plan(plan)

        self.assertEqual('CANCELLED', plan.state)
        self.assertEqual(['SUCCEEDED'], self.states(plan))
        self.assertEqual([
            'action_plan.cancel.start plan1 CANCELLING',
            'action_plan.update plan1 CANCELLED [CANCELLING>CANCELLED]',
            'action_plan.cancel.end plan1 CANCELLED',
        ], self.events()[-3:])
        self.assertEqual([], self.events('action_plan.execution.end'))

    def test_before_the_first_action(self):
        calls = []
        self.hooks['pre_condition'] = calls.append
        plan = self.make_plan({}, {'parents': [0]})
        start = self.useFixture(harness.fixtures.MonkeyPatch(
            'watcher.applier.workflow_engine.default.'
            'DefaultWorkFlowEngine._find_rules',
            lambda *args: self.set_state(plan, 'CANCELLING')))
        self.assertIsNotNone(start)
        plan = self.run_plan(plan)
        self.assertEqual('CANCELLED', plan.state)
        self.assertEqual(['CANCELLED'] * 2, self.states(plan))
        self.assertEqual([], calls)

    def test_with_a_failed_action_the_plan_is_cancelled_all_the_same(self):
        def cancel(action):
            self.set_state(plan, 'CANCELLING')
            return False
        self.hooks['execute'] = cancel
        plan = self.make_plan({}, {'parents': [0]})
        plan = self.run_plan(plan)
        self.assertEqual('CANCELLED', plan.state)
        self.assertEqual(['FAILED', 'CANCELLED'], self.states(plan))

    def test_parallel_actions_run_to_their_end(self):
        self.config(group='watcher_applier', workers=1)
        self.set_workers(2)
        first = harness.threading.Barrier(2)

        def execute(action):
            if action.input_parameters.get('cancel') is not None:
                first.wait(base.PATIENCE)
                if action.input_parameters['cancel']:
                    self.set_state(plan, 'CANCELLING')
            return True
        self.hooks['execute'] = execute
        plan = self.make_plan(
            {'parameters': {'cancel': True}},
            {'parameters': {'cancel': False}},
            {'parents': [0, 1]}, {'parents': [2]})
        plan = self.run_plan(plan)
        self.assertEqual('CANCELLED', plan.state)
        self.assertEqual(['SUCCEEDED', 'SUCCEEDED', 'CANCELLED',
                          'CANCELLED'], self.states(plan))
        self.assertEqual(1, len(self.events('action_plan.cancel.start')))
        self.assertEqual(1, len(self.events('action.cancel.start')))

    def set_workers(self, count):
        get = harness.loading.DefaultWorkFlowEngineLoader().get_entry_name
        harness.loading.DefaultWorkFlowEngineLoader().load('taskflow')
        self.config(group=get('taskflow'), max_workers=count)

    def test_a_plan_found_cancelled(self):
        def cancel(action):
            self.set_state(plan, 'CANCELLED')
            return True
        self.hooks['execute'] = cancel
        plan = self.make_plan({}, {'parents': [0]}, {'parents': [1]})
        plan = self.run_plan(plan)
        self.assertEqual('CANCELLED', plan.state)
        self.assertEqual(['SUCCEEDED', 'CANCELLED', 'CANCELLED'],
                         self.states(plan))
        self.assertEqual(1, len(self.events('action_plan.cancel.end')))
        self.assertEqual(1, len(self.events('action_plan.update plan1 '
                                            'CANCELLED')))


class TestPlanTakenAway(harness.ApplierTestCase):

    def run_taken(self, **values):
        calls = []

        def take(action):
            calls.append(action)
            objects.ActionPlan.dbapi.update_action_plan(plan.uuid, values)
            return True
        self.hooks['execute'] = take
        plan = self.make_plan({}, {'parents': [0]})
        plan = self.run_plan(plan)
        self.assertEqual(1, len(calls))
        return plan

    def test_another_host_owns_it(self):
        plan = self.run_taken(hostname='applier-2')
        self.assertEqual('ONGOING', plan.state)
        self.assertEqual(['SUCCEEDED', 'PENDING'], self.states(plan))
        self.assertEqual([], self.events('cancel'))

    def test_it_was_set_to_failed(self):
        plan = self.run_taken(state='FAILED')
        self.assertEqual('FAILED', plan.state)
        self.assertEqual(['SUCCEEDED', 'PENDING'], self.states(plan))

    def test_the_outcome_of_another_host_is_not_overwritten(self):
        def take(action):
            objects.ActionPlan.dbapi.update_action_plan(
                plan.uuid, {'hostname': 'applier-2'})
            return True
        self.hooks['execute'] = take
        plan = self.make_plan({})
        plan = self.run_plan(plan)
        self.assertEqual('ONGOING', plan.state)
        self.assertEqual([], self.events('execution.end plan1'))

    def test_a_cancelled_action_stays_cancelled(self):
        def cancel(action):
            self.actions(plan)[0].transition(
                'CANCELLED', status_message='by somebody else')
            return True
        self.hooks['execute'] = cancel
        plan = self.make_plan({})
        self.run_plan(plan)
        action = self.actions(plan)[0]
        self.assertEqual('CANCELLED', action.state)
        self.assertEqual('by somebody else', action.status_message)
        self.assertEqual([], self.events('execution.end action1'))
