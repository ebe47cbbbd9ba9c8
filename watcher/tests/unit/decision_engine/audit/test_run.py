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
"""One run of an audit: states, messages, plans, announcements, races."""

import threading
from unittest import mock

import jsonschema
from oslo_db import exception as db_exc

from watcher import objects
from watcher.common import exception
from watcher.common import rpcapi
from watcher.common import utils
from watcher.decision_engine.audit import base as audit_base
from watcher.decision_engine.audit import event
from watcher.decision_engine.audit import obstacles
from watcher.decision_engine.audit import oneshot
from watcher.decision_engine.goal import goals
from watcher.decision_engine.model.collector import manager as collectors
from watcher.decision_engine.planner import weight
from watcher.decision_engine.solution import default
from watcher.decision_engine.strategy.context import default as contexts
from watcher.objects import events
from watcher.tests import base
from watcher.tests.fixtures import database
from watcher.tests.unit.decision_engine import factories

AUDIT = objects.audit.State
PLAN = objects.action_plan.State


class AuditTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(database.Database())
        self.config(host='engine-1')
        self.context = factories.context()
        self.goal = factories.goal()
        self.strategy = factories.strategy(self.goal)
        self.heard = []
        self.listen()
        self.launched = self.replace(
            rpcapi.ApplierAPI, 'launch_action_plan',
            lambda this, context, uuid: self.heard.append(
                ('launch', self.plan().state)))
        self.replace(
            audit_base.notifications, 'send_action_notification',
            lambda context, audit, action, phase, priority=None, exc=None:
                self.heard.append(
                    (f'audit.{action}.{phase}', audit.state)))
        self.caveats = []
        self.during_strategy(lambda audit: None)

    def replace(self, owner, name, value):
        patcher = mock.patch.object(owner, name, value)
        patcher.start()
        self.addCleanup(patcher.stop)

    def listen(self):
        listener = mock.Mock(
            on_create=lambda obj: self.heard.append(
                (f'{obj.entity}.create', obj.state)),
            on_update=lambda obj, old: self.heard.append(
                (f'{obj.entity}.update', old, obj.state)))
        events.subscribe(listener)
        self.addCleanup(events.unsubscribe, listener)

    def during_strategy(self, happens, actions=2):
        """Have the strategy do this and recommend so many actions."""
        def execute(this, audit, request_context):
            happens(audit)
            solution = default.DefaultSolution(
                goal=goals.Dummy(utils.Struct()),
                strategy=utils.Struct(name='dummy', planner='weight'))
            if self.caveats is not None:
                solution.strategy.caveats = self.caveats
            for number in range(actions):
                solution.add_action('nop', {'message': str(number)})
            return solution
        self.replace(contexts.DefaultStrategyContext, 'execute_strategy',
                     execute)

    def audit(self, **fields):
        audit = factories.audit(self.goal, self.strategy, **fields)
        self.heard.clear()
        return audit

    def run_audit(self, audit, handler=oneshot.OneShotAuditHandler):
        loaded = objects.Audit.get_by_uuid(self.context, audit.uuid,
                                           eager=True)
        handler().execute(self.context, loaded)
        return factories.reread(audit)

    def plans(self):
        return objects.ActionPlan.list(self.context)

    def plan(self):
        plan, = self.plans()
        return plan

    def change_state(self, state):
        """Return a function that changes the stored state meanwhile."""
        def change(audit, *args, **kwargs):
            objects.Audit.get_by_uuid(
                self.context, audit.uuid, eager=True).transition(state)
        return change


class TestOneShot(AuditTestCase):

    def test_success(self):
        after = self.run_audit(self.audit())
        self.assertEqual((AUDIT.SUCCEEDED, 'engine-1', None),
                         (after.state, after.hostname, after.status_message))
        self.assertEqual(PLAN.RECOMMENDED, self.plan().state)
        self.assertEqual(
            [('audit.update', 'PENDING', 'ONGOING'),
             ('audit.strategy.start', 'ONGOING'),
             ('audit.strategy.end', 'ONGOING'),
             ('audit.planner.start', 'ONGOING'),
             ('action_plan.create', 'RECOMMENDED'),
             ('action.create', 'PENDING'), ('action.create', 'PENDING'),
             ('audit.planner.end', 'ONGOING'),
             ('audit.update', 'ONGOING', 'SUCCEEDED')], self.heard)

    def test_what_is_to_be_known_about_the_data_is_said(self):
        """Field report 1.2 line 34, test 20: never silently."""
        self.caveats += ['2 hosts are left out: a; b.', 'Old values.']
        heard = []
        events_heard = mock.Mock(
            on_create=lambda obj: None, on_update=lambda obj, old:
            heard.append((obj.entity, obj.state,
                          obj.status_message)))
        events.subscribe(events_heard)
        self.addCleanup(events.unsubscribe, events_heard)
        after = self.run_audit(self.audit())
        said = '2 hosts are left out: a; b. Old values.'
        self.assertEqual((AUDIT.SUCCEEDED, said),
                         (after.state, after.status_message))
        # The notification of the end is made of the same.
        self.assertEqual(('audit', AUDIT.SUCCEEDED, said), heard[-1])

    def test_what_is_said_is_cut_to_its_column(self):
        self.caveats.append('x' * 1000)
        after = self.run_audit(self.audit())
        self.assertEqual((AUDIT.SUCCEEDED, 255),
                         (after.state, len(after.status_message)))

    def test_a_strategy_that_knows_no_caveats(self):
        self.caveats = None
        after = self.run_audit(self.audit())
        self.assertEqual((AUDIT.SUCCEEDED, None),
                         (after.state, after.status_message))

    def test_empty_plan(self):
        self.during_strategy(lambda audit: None, actions=0)
        after = self.run_audit(self.audit(auto_trigger=True))
        self.assertEqual(AUDIT.SUCCEEDED, after.state)
        self.assertEqual(PLAN.SUCCEEDED, self.plan().state)
        self.assertEqual(
            [('action_plan.create', 'RECOMMENDED'),
             ('action_plan.update', 'RECOMMENDED', 'SUCCEEDED'),
             ('audit.planner.end', 'ONGOING'),
             ('audit.update', 'ONGOING', 'SUCCEEDED')], self.heard[-4:])

    def test_auto_trigger(self):
        after = self.run_audit(self.audit(auto_trigger=True))
        self.assertEqual(AUDIT.SUCCEEDED, after.state)
        self.assertEqual(
            [('audit.planner.end', 'ONGOING'),
             ('action_plan.update', 'RECOMMENDED', 'PENDING'),
             ('audit.update', 'ONGOING', 'SUCCEEDED'),
             ('launch', 'PENDING')], self.heard[-4:])

    def test_auto_trigger_of_a_plan_that_a_user_has_taken(self):
        real = audit_base.AuditHandler._finish
        self.replace(rpcapi.ApplierAPI, 'launch_action_plan', mock.Mock())
        for happens in (lambda plan: plan.transition(PLAN.PENDING),
                        lambda plan: plan.transition(PLAN.CANCELLED),
                        lambda plan: plan.soft_delete()):
            def finish(this, context, audit, plan, message,
                       happens=happens):
                happens(objects.ActionPlan.get_by_uuid(
                    context, plan.uuid, eager=True))
                real(this, context, audit, plan, message)
            self.replace(audit_base.AuditHandler, '_finish', finish)
            after = self.run_audit(self.audit(auto_trigger=True))
            self.assertEqual((AUDIT.SUCCEEDED, None),
                             (after.state, after.status_message))
        self.assertEqual([PLAN.PENDING, PLAN.CANCELLED],
                         [plan.state for plan in self.plans()])

    def test_plan_ongoing(self):
        for state in (PLAN.ONGOING, PLAN.CANCELLING):
            audit = self.audit()
            other = factories.plan(audit, self.strategy, state)
            self.heard.clear()
            after = self.run_audit(audit)
            self.assertEqual(AUDIT.CANCELLED, after.state)
            self.assertIn(f'{other.uuid} is {state}', after.status_message)
            self.assertEqual([('audit.update', 'PENDING', 'CANCELLED')],
                             self.heard)
            other.soft_delete()

    def test_force(self):
        audit = self.audit(force=True)
        factories.plan(audit, self.strategy, PLAN.ONGOING)
        self.assertEqual(AUDIT.SUCCEEDED, self.run_audit(audit).state)

    def test_waiting_plans_do_not_block(self):
        audit = self.audit()
        for state in (PLAN.RECOMMENDED, PLAN.PENDING, PLAN.FAILED):
            factories.plan(audit, self.strategy, state)
        self.assertEqual(AUDIT.SUCCEEDED, self.run_audit(audit).state)

    def test_not_pending(self):
        for state in (AUDIT.CANCELLED, AUDIT.ONGOING, AUDIT.SUCCEEDED,
                      AUDIT.FAILED, AUDIT.SUSPENDED):
            self.assertEqual(
                state, self.run_audit(self.audit(state=state)).state)
        self.assertEqual([], self.plans())


class TestFailures(AuditTestCase):

    def fail_with(self, error):
        def fail(audit):
            raise error
        self.during_strategy(fail)

    def test_expected_error_is_told_in_one_line(self):
        self.fail_with(exception.NovaClientError(
            reason='http://nova:8774 refuses the connection'))
        after = self.run_audit(self.audit())
        self.assertEqual(AUDIT.FAILED, after.state)
        self.assertEqual(
            'The strategy failed: Nova client error: http://nova:8774 '
            'refuses the connection', after.status_message)
        self.assertEqual(
            [('audit.strategy.start', 'ONGOING'),
             ('audit.strategy.error', 'ONGOING'),
             ('audit.update', 'ONGOING', 'FAILED')], self.heard[1:])
        self.assertNotIn('Traceback', self.logger.output)
        self.assertEqual(1, self.logger.output.count('refuses'))
        self.assertIn(after.uuid, self.logger.output)

    def test_unexpected_error_has_one_traceback(self):
        self.fail_with(KeyError('secret'))
        after = self.run_audit(self.audit())
        self.assertEqual(AUDIT.FAILED, after.state)
        self.assertEqual(
            'The strategy failed: unexpected KeyError, see the log of '
            'watcher-decision-engine on engine-1', after.status_message)
        self.assertEqual(1, self.logger.output.count('Traceback'))

    def test_database_error_tells_no_statement(self):
        self.fail_with(db_exc.DBConnectionError(
            Exception('SELECT password')))
        after = self.run_audit(self.audit())
        self.assertEqual('The strategy failed: the database does not work '
                         '(DBConnectionError)', after.status_message)
        self.assertNotIn('Traceback', self.logger.output)

    def test_missing_parameter(self):
        self.fail_with(jsonschema.ValidationError(
            "'actions' is a required property"))
        after = self.run_audit(self.audit())
        self.assertEqual("The strategy failed: 'actions' is a required "
                         "property", after.status_message)
        self.assertNotIn('Traceback', self.logger.output)

    def test_long_reason_is_cut(self):
        """In the message, which has 255 characters; the error is whole."""
        self.fail_with(exception.NovaClientError(reason='x' * 1000))
        after = self.run_audit(self.audit())
        self.assertEqual((AUDIT.FAILED, 255),
                         (after.state, len(after.status_message)))
        run = objects.AuditRun.get(self.context, after.id)
        self.assertIn('x' * 1000, run.last_error)

    def test_planner_fails(self):
        def schedule(this, context, audit_id, solution):
            objects.ActionPlan(
                context, audit_id=audit_id, strategy_id=self.strategy.id,
                state=PLAN.RECOMMENDED).create()
            raise exception.UnsupportedActionType(action_type='foo')
        self.replace(weight.WeightPlanner, 'schedule', schedule)
        after = self.run_audit(self.audit())
        self.assertEqual(AUDIT.FAILED, after.state)
        self.assertEqual('The planner failed: The action type foo is not '
                         'supported.', after.status_message)
        self.assertEqual([], self.plans())
        self.assertEqual(
            [('audit.planner.start', 'ONGOING'),
             ('audit.planner.error', 'ONGOING'),
             ('audit.update', 'ONGOING', 'FAILED')], self.heard[3:])

    def test_unknown_planner(self):
        def happens(this, audit, request_context):
            return utils.Struct(
                actions=[], strategy=utils.Struct(name='dummy',
                                                  planner='no such'))
        self.replace(contexts.DefaultStrategyContext, 'execute_strategy',
                     happens)
        after = self.run_audit(self.audit())
        self.assertEqual(AUDIT.FAILED, after.state)
        self.assertIn('no such', after.status_message)

    def test_database_is_away_when_the_failure_is_stored(self):
        self.fail_with(exception.ClusterStateNotDefined())
        audit = self.audit()
        real = objects.Audit.transition

        def transition(this, state, *args, **kwargs):
            if state == AUDIT.FAILED:
                raise db_exc.DBConnectionError()
            return real(this, state, *args, **kwargs)
        self.replace(objects.Audit, 'transition', transition)
        self.assertRaises(db_exc.DBConnectionError, self.run_audit, audit)
        self.assertEqual(AUDIT.ONGOING, factories.reread(audit).state)
        self.assertIn('will run again', self.logger.output)


class TestTakenAway(AuditTestCase):
    """Somebody changes the audit while it runs: his word counts."""

    STATES = (AUDIT.CANCELLED, AUDIT.SUSPENDED, AUDIT.FAILED,
              AUDIT.SUCCEEDED)

    def test_before_it_begins(self):
        audit = self.audit()
        loaded = objects.Audit.get_by_uuid(self.context, audit.uuid,
                                           eager=True)
        self.change_state(AUDIT.CANCELLED)(audit)
        oneshot.OneShotAuditHandler().execute(self.context, loaded)
        self.assertEqual(AUDIT.CANCELLED, factories.reread(audit).state)
        self.assertEqual([], self.plans())

    def test_during_the_strategy(self):
        for state in self.STATES:
            self.during_strategy(self.change_state(state))
            after = self.run_audit(self.audit(auto_trigger=True))
            self.assertEqual(state, after.state)
            self.assertEqual([], self.plans())
            self.assertNotIn('audit.planner.start',
                             [what[0] for what in self.heard])

    def test_during_a_failing_strategy(self):
        def happens(audit):
            self.change_state(AUDIT.CANCELLED)(audit)
            raise exception.ClusterStateStale()
        self.during_strategy(happens)
        after = self.run_audit(self.audit())
        self.assertEqual((AUDIT.CANCELLED, None),
                         (after.state, after.status_message))

    def test_another_engine_has_it(self):
        def happens(audit):
            stored = objects.Audit.get_by_uuid(self.context, audit.uuid)
            stored.hostname = 'engine-2'
            stored.save()
        self.during_strategy(happens)
        after = self.run_audit(self.audit())
        self.assertEqual((AUDIT.ONGOING, 'engine-2'),
                         (after.state, after.hostname))
        self.assertEqual([], self.plans())

    def test_just_before_the_plan_is_stored(self):
        cancel = self.change_state(AUDIT.CANCELLED)
        real = audit_base.AuditHandler._check_still_ours
        self.replace(
            audit_base.AuditHandler, '_check_still_ours',
            staticmethod(lambda context, audit: (
                real(context, audit), cancel(audit))))
        after = self.run_audit(self.audit(auto_trigger=True))
        self.assertEqual(AUDIT.CANCELLED, after.state)
        self.assertEqual([], self.plans())
        self.assertEqual([], objects.Action.list(self.context))
        self.assertNotIn('launch', [what[0] for what in self.heard])

    def test_just_after_the_plan_is_stored(self):
        cancel = self.change_state(AUDIT.CANCELLED)
        real = audit_base.AuditHandler._finish
        self.replace(
            audit_base.AuditHandler, '_finish',
            lambda this, context, audit, plan, message: (
                cancel(audit),
                real(this, context, audit, plan, message)))
        after = self.run_audit(self.audit(auto_trigger=True))
        self.assertEqual(AUDIT.CANCELLED, after.state)
        plan = self.plan()
        self.assertEqual(PLAN.CANCELLED, plan.state)
        self.assertIn(after.uuid, plan.status_message)
        self.assertNotIn('launch', [what[0] for what in self.heard])

    def test_started_plan_of_a_cancelled_audit_is_left_to_the_applier(self):
        cancel = self.change_state(AUDIT.CANCELLED)
        real = audit_base.AuditHandler._finish

        def finish(this, context, audit, plan, message):
            objects.ActionPlan.get_by_uuid(
                context, plan.uuid, eager=True).transition(PLAN.PENDING)
            cancel(audit)
            real(this, context, audit, plan, message)
        self.replace(audit_base.AuditHandler, '_finish', finish)
        after = self.run_audit(self.audit())
        self.assertEqual((AUDIT.CANCELLED, PLAN.PENDING),
                         (after.state, self.plan().state))

    def test_two_engines_take_the_same_audit(self):
        audit = self.audit()
        barrier = threading.Barrier(2)
        real = obstacles.busy_plan

        def busy_plan(context):
            barrier.wait()
            return real(context)
        self.replace(obstacles, 'busy_plan', busy_plan)
        threads = [threading.Thread(target=self.run_audit, args=(audit,))
                   for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(AUDIT.SUCCEEDED, factories.reread(audit).state)
        self.assertEqual(1, len(self.plans()))


class TestEvent(AuditTestCase):

    def run_event(self, audit):
        return self.run_audit(audit, event.EventAuditHandler)

    def test_runs_again_and_again(self):
        audit = self.audit(audit_type=factories.EVENT)
        for count in (1, 2, 3):
            self.assertEqual(AUDIT.SUCCEEDED, self.run_event(audit).state)
            self.assertEqual(count, len(self.plans()))
        self.assertIn(('audit.update', 'SUCCEEDED', 'ONGOING'), self.heard)

    def test_plan_ongoing_changes_nothing(self):
        for state in (AUDIT.PENDING, AUDIT.SUCCEEDED):
            audit = self.audit(audit_type=factories.EVENT, state=state)
            plan = factories.plan(audit, self.strategy, PLAN.ONGOING)
            self.heard.clear()
            self.assertEqual(state, self.run_event(audit).state)
            self.assertEqual([], self.heard)
            self.assertIn(plan.uuid, self.logger.output)
            plan.soft_delete()

    def test_failed_is_final(self):
        audit = self.audit(audit_type=factories.EVENT, state=AUDIT.FAILED)
        self.assertEqual(AUDIT.FAILED, self.run_event(audit).state)

    def test_message_of_an_earlier_time_is_cleared(self):
        audit = self.audit(audit_type=factories.EVENT, status_message='old')
        self.assertIsNone(self.run_event(audit).status_message)


class TestRealStrategy(base.TestCase):
    """Selection, parameters, life cycle and planning without stand-ins."""

    def setUp(self):
        super().setUp()
        self.useFixture(database.Database())
        self.config(notification_level='')
        self.context = factories.context()
        self.unreachable = exception.NovaClientError(
            reason='http://nova:8774: connection refused')
        patcher = mock.patch.object(
            collectors.CollectorManager, 'get_cluster_model_collector',
            side_effect=self.unreachable)
        patcher.start()
        self.addCleanup(patcher.stop)

    def run_audit(self, goal_name, strategy_name, named=True, **fields):
        goal = factories.goal(goal_name)
        strategy = factories.strategy(goal, strategy_name)
        audit = factories.audit(goal, strategy if named else None, **fields)
        oneshot.OneShotAuditHandler().execute(
            self.context, objects.Audit.get_by_uuid(
                self.context, audit.uuid, eager=True))
        return factories.reread(audit)

    def test_nova_is_away(self):
        after = self.run_audit('dummy', 'dummy')
        self.assertEqual(AUDIT.FAILED, after.state)
        self.assertEqual('The strategy failed: Nova client error: '
                         'http://nova:8774: connection refused',
                         after.status_message)
        self.assertNotIn('Traceback', self.logger.output)

    def test_actuator_needs_no_nova(self):
        after = self.run_audit('unclassified', 'actuator', parameters={
            'actions': [{'action_type': 'nop',
                         'input_parameters': {'message': 'hi'}}]})
        self.assertEqual(AUDIT.SUCCEEDED, after.state)
        action, = objects.Action.list(self.context)
        self.assertEqual({'message': 'hi'}, action.input_parameters)

    def test_actuator_with_an_unknown_action(self):
        after = self.run_audit('unclassified', 'actuator', parameters={
            'actions': [{'action_type': 'fly', 'input_parameters': {}}]})
        self.assertEqual(AUDIT.FAILED, after.state)
        self.assertIn('fly', after.status_message)
        self.assertEqual([], objects.ActionPlan.list(self.context))

    def test_required_parameter_missing_when_chosen_by_goal(self):
        after = self.run_audit('unclassified', 'actuator', named=False)
        self.assertEqual(AUDIT.FAILED, after.state)
        self.assertIn("'actions' is a required property",
                      after.status_message)

    def test_goal_without_strategy(self):
        after = self.run_audit('goal_of_nobody', 'x', named=False)
        self.assertEqual(AUDIT.FAILED, after.state)
        self.assertIn('goal_of_nobody', after.status_message)
        self.assertNotIn('Traceback', self.logger.output)
