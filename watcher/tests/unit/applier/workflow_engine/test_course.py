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
"""What is stored while actions run, deadlines, and going on after a crash."""

import threading
import types

import fixtures

from watcher import objects
from watcher.applier.actions import base as action_base
from watcher.common import clients
from watcher.common import exception
from watcher.common import rest
from watcher.tests import base
from watcher.tests.unit.applier import harness
from watcher.tests.unit.applier.workflow_engine import engine_case

Fate = action_base.Fate
Found = action_base.Found


class TestRecords(engine_case.EngineTestCase):

    def run_one(self, **hooks):
        self.hooks.update(hooks)
        self.plan = self.make_graph([[]])
        self.run_engine(self.plan)
        return self.runs(self.plan)[0]

    def test_of_a_success(self):
        seen = []

        def execute(action):
            action.report(remote={'migration': 7})
            seen.append(self.runs(self.plan)[0])
            return True

        run = self.run_one(
            pre_condition=lambda action: action.report(before={'on': 'a'}),
            execute=execute, deadline=lambda action: 60,
            inverse=lambda action: action_base.Inverse('nop', {'a': 1}))
        during = seen[0]
        self.assertEqual(1, during.attempts)
        self.assertEqual({'on': 'a'}, during.before)
        self.assertEqual({'migration': 7}, during.remote)
        self.assertEqual(60, (during.deadline
                              - during.started_at).total_seconds())
        self.assertIsNone(during.finished_at)
        self.assertEqual(100, run.progress)
        self.assertGreaterEqual(run.finished_at, run.started_at)
        self.assertEqual({'action_type': 'nop', 'input_parameters': {'a': 1}},
                         run.inverse)

    def test_of_what_cannot_be_undone(self):
        self.assertEqual(
            {'irreversible': 'actions of this type cannot be undone'},
            self.run_one().inverse)

    def test_of_a_failure(self):
        run = self.run_one(execute=lambda action: False)
        self.assertIsNotNone(run.finished_at)
        self.assertIsNone(run.inverse)
        self.assertIsNone(run.progress)

    def test_of_an_action_that_never_ran(self):
        def refuse(action):
            raise ValueError('no')
        self.assertIsNone(self.run_one(pre_condition=refuse))

    def test_progress_is_stored_now_and_then(self):
        stored = []
        store = objects.ActionRun.set

        def count(context, ident, fence=None, **values):
            stored.append(values)
            return store(context, ident, fence=fence, **values)

        def execute(action):
            for percent in range(0, 100, 5):
                action.report(progress=percent)
            return True
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.objects.ActionRun.set', count))
        self.run_one(execute=execute)
        self.assertEqual([{'progress': 0}],
                         [values for values in stored
                          if list(values) == ['progress']])
        self.assertEqual(3, len(stored))

    def test_broken_hooks_do_no_harm(self):
        def fail(action):
            raise ValueError('broken')
        run = self.run_one(deadline=fail, inverse=fail, claims=fail,
                           check_abort=fail)
        self.assertEqual(['SUCCEEDED'], self.states(self.plan))
        self.assertEqual({'irreversible': 'ValueError: broken'}, run.inverse)


class TestDeadline(engine_case.EngineTestCase):

    def run_late(self, policy, abort=None, can_abort=True):
        """Run an action that is late until it is stopped or looked at."""
        self.config(group='watcher_applier', on_deadline=policy)
        self.over = threading.Event()
        self.addCleanup(self.over.set)
        self.hooks.update(
            deadline=lambda action: 0.01,
            execute=lambda action: self.over.wait(2 * base.PATIENCE),
            check_abort=lambda action: can_abort,
            abort=abort or self.stop)
        self.plan = self.make_graph([[]])
        thread = threading.Thread(target=self.run_engine, args=(self.plan,),
                                  daemon=True)
        thread.start()
        self.wait_for(lambda: 'takes longer than expected'
                      in self.logger.output)
        return thread

    def stop(self, action):
        self.over.set()
        return True

    def finish(self, thread):
        thread.join(base.PATIENCE)
        return self.actions(self.plan)[0]

    def test_it_is_tracked_on(self):
        thread = self.run_late('track')
        self.assertEqual(['ONGOING'], self.states(self.plan))
        self.over.set()
        self.assertEqual('SUCCEEDED', self.finish(thread).state)

    def test_it_is_stopped(self):
        action = self.finish(self.run_late('abort'))
        self.assertEqual('FAILED', action.state)
        self.assertEqual('Action failed in execute: it was stopped because '
                         'it took longer than expected',
                         action.status_message)

    def test_one_that_cannot_be_stopped_is_tracked_on(self):
        thread = self.run_late('abort', can_abort=False)
        self.assertEqual(['ONGOING'], self.states(self.plan))
        self.over.set()
        self.assertEqual('SUCCEEDED', self.finish(thread).state)

    def test_one_that_was_faster(self):
        def too_late(action):
            self.over.set()
            return False
        self.assertEqual('SUCCEEDED', self.finish(
            self.run_late('abort', abort=too_late)).state)

    def test_a_failing_abort_leaves_it_running(self):
        tried = threading.Event()

        def fail(action):
            tried.set()
            raise ValueError('Nova is away')
        thread = self.run_late('abort', abort=fail)
        self.assertTrue(tried.wait(base.PATIENCE))
        self.assertEqual(['ONGOING'], self.states(self.plan))
        self.over.set()
        self.assertEqual('SUCCEEDED', self.finish(thread).state)


class TestGoingOn(engine_case.EngineTestCase):
    """A plan whose applier died while an action ran."""

    def go_on(self, found, *more, state='ONGOING', cancelled=False,
              **hooks):
        self.executed = []

        def execute(action):
            self.executed.append(self.number_of(action))
            return True
        self.hooks.update({'execute': execute,
                           'recover': lambda action: found, **hooks})
        self.plan = self.make_plan(
            {'state': 'SUCCEEDED', 'parameters': {'number': 0}},
            {'state': state, 'parents': [0], 'parameters': {'number': 1}},
            {'parents': [1], 'parameters': {'number': 2}},
            {'state': 'FAILED', 'parameters': {'number': 3},
             'status_message': 'before'}, *more)
        self.set_state(self.plan, 'ONGOING', hostname=harness.HOST)
        objects.ActionRun.set(self.context, self.actions(self.plan)[1].id,
                              attempts=1, remote={'migration': 7})
        if cancelled:
            self.set_state(self.plan, 'CANCELLING')
        if cancelled:
            self.assertRaises(exception.ActionPlanCancelled,
                              self.run_engine, self.plan)
        else:
            self.run_engine(self.plan)
        self.action = self.actions(self.plan)[1]
        self.record = self.runs(self.plan)[1]
        return self.states(self.plan)

    def test_it_was_done(self):
        self.assertEqual(
            ['SUCCEEDED', 'SUCCEEDED', 'SUCCEEDED', 'FAILED'],
            self.go_on(Found(Fate.DONE)))
        self.assertEqual([2], self.executed)
        self.assertEqual(1, self.record.attempts)
        self.assertIsNotNone(self.record.finished_at)

    def test_it_still_runs(self):
        seen = []

        def resume(action):
            seen.append((action.run.remote, self.actions(self.plan)[1].state))
            return True
        self.assertEqual(
            ['SUCCEEDED', 'SUCCEEDED', 'SUCCEEDED', 'FAILED'],
            self.go_on(Found(Fate.RUNNING), resume=resume))
        self.assertEqual([({'migration': 7}, 'ONGOING')], seen)
        self.assertEqual([2], self.executed)

    def test_it_fails_after_all(self):
        self.assertEqual(
            ['SUCCEEDED', 'FAILED', 'SUCCEEDED', 'FAILED'],
            self.go_on(Found(Fate.RUNNING), resume=lambda action: False))

    def test_it_had_not_begun(self):
        self.assertEqual(
            ['SUCCEEDED', 'SUCCEEDED', 'SUCCEEDED', 'FAILED'],
            self.go_on(Found(Fate.NOT_STARTED)))
        self.assertEqual([1, 2], self.executed)
        self.assertEqual(2, self.record.attempts)

    def test_it_had_not_begun_and_is_not_needed_any_more(self):
        def skip(action):
            if self.number_of(action) == 1:
                raise exception.ActionSkipped('it is there already')
        self.assertEqual(
            ['SUCCEEDED', 'SKIPPED', 'SUCCEEDED', 'FAILED'],
            self.go_on(Found(Fate.NOT_STARTED), pre_condition=skip))

    def test_it_had_failed(self):
        self.assertEqual(
            ['SUCCEEDED', 'FAILED', 'SUCCEEDED', 'FAILED'],
            self.go_on(Found(Fate.FAILED, 'No valid host')))
        self.assertEqual('Action failed in execute: No valid host',
                         self.action.status_message)

    def test_nobody_knows(self):
        self.go_on(Found(Fate.UNKNOWN, 'no trace of it'))
        self.assertEqual(
            'Action failed in execute: the applier ended while it ran, and '
            'what became of it is unknown: no trace of it',
            self.action.status_message)
        self.assertNotIn(1, self.executed)

    def test_the_look_fails(self):
        def fail(action):
            raise ValueError('Nova is away')
        self.go_on(None, recover=fail)
        self.assertEqual('Action failed in execute: ValueError: Nova is away',
                         self.action.status_message)

    def test_a_cancelled_plan_looks_after_what_runs(self):
        self.go_on(Found(Fate.RUNNING), cancelled=True)
        self.assertEqual(['SUCCEEDED', 'SUCCEEDED', 'CANCELLED', 'FAILED'],
                         self.states(self.plan))
        self.assertEqual([], self.executed)

    def test_a_cancelled_plan_does_not_begin_anew(self):
        self.go_on(Found(Fate.NOT_STARTED), cancelled=True)
        self.assertEqual([], self.executed)
        self.assertEqual('PENDING', self.action.state)

    def test_a_stopped_abortion(self):
        self.go_on(Found(Fate.FAILED, 'cancelled'), state='CANCELLING',
                   cancelled=True)
        self.assertEqual('CANCELLED', self.action.state)

    def test_what_was_finished_stays(self):
        self.go_on(Found(Fate.DONE))
        self.assertEqual('before',
                         self.actions(self.plan)[3].status_message)

    def refuse(self, status, *found):
        found = iter(found)

        def execute(action):
            raise exception.NovaClientError(reason='busy',
                                            http_status=status)
        return self.go_on(None, recover=lambda action: next(found),
                          execute=execute)

    def test_asked_for_by_a_frozen_applier_after_all(self):
        for fate in (Fate.RUNNING, Fate.DONE):
            self.refuse(409, Found(Fate.NOT_STARTED), Found(fate))
            self.assertEqual('SUCCEEDED', self.states(self.plan)[1])

    def test_refused_for_another_reason(self):
        for status, found in ((403, ()), (409, [Found(Fate.NOT_STARTED)])):
            self.refuse(status, Found(Fate.NOT_STARTED), *found)
            self.assertEqual('FAILED', self.states(self.plan)[1])
            self.assertIn('busy',
                          self.actions(self.plan)[1].status_message)


class TestFence(engine_case.EngineTestCase):

    def setUp(self):
        super().setUp()
        self.manager = types.SimpleNamespace(
            stopping=threading.Event(), fenced=False, lease=self.take())

    def take(self):
        return objects.Lease.take(
            self.context, f'applier:{harness.HOST}', 'me', 60)

    def test_nothing_is_started_without_the_lease(self):
        self.hooks['pre_condition'] = lambda action: self.take()
        self.hooks['execute'] = self.fail
        plan = self.run_plan(self.make_graph([[], [0]]))
        self.assertEqual('ONGOING', plan.state)
        self.assertEqual(['PENDING'] * 2, self.states(plan))

    def test_engines_of_others_write_nothing_without_the_lease(self):
        plan = self.make_graph([[]])
        engine = self.make_engine()
        self.take()
        self.assertRaises(exception.LeaseLost, engine.notify,
                          self.actions(plan)[0], 'ONGOING')
        self.assertEqual(['PENDING'], self.states(plan))

    def test_nothing_is_written_without_the_lease(self):
        for result in (True, False):
            ran = []

            def execute(action, ran=ran, result=result):
                ran.append(action)
                self.take()
                return result
            self.hooks['execute'] = execute
            self.manager.lease = self.take()
            plan = self.run_plan(self.make_graph([[], [0]]))
            self.assertEqual('ONGOING', plan.state)
            self.assertEqual(['ONGOING', 'PENDING'], self.states(plan))
            self.assertEqual(1, len(ran))
            self.assertEqual([], self.events('plan1 FAILED'))

    def test_the_outcome_of_the_plan_is_not_written(self):
        taken = []
        self.hooks['post_condition'] = (
            lambda action: taken.append(self.take()))
        plan = self.run_plan(self.make_graph([[]]))
        self.assertEqual('ONGOING', plan.state)
        self.assertIn('is left as it is', self.logger.output)

    def test_frozen_behind_the_last_step(self):
        """The state was stored, then this applier lost its lease."""
        store = objects.ActionRun.set

        def freeze(context, ident, **values):
            store(context, ident, **values)
            if 'attempts' in values:
                self.manager.lease._lost = True
                objects.ActionPlan.dbapi.after_commit(self.take)
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.objects.ActionRun.set', freeze))
        self.hooks['execute'] = self.fail
        plan = self.run_plan(self.make_graph([[]]))
        self.assertEqual('ONGOING', plan.state)
        self.assertEqual(['ONGOING'], self.states(plan))

    def lose(self):
        """Be frozen for so long that another process takes over."""
        self.manager.lease._began -= 3600
        return self.take()

    def connect(self):
        """Return a client of a service, and what is sent to it."""
        sent = []

        def send(path, method, **kwargs):
            sent.append(method)
            return types.SimpleNamespace(status_code=202, content='')
        proxy = types.SimpleNamespace(request=send)
        return rest.RestClient(
            clients.SERVICES['nova'], types.SimpleNamespace(
                session=types.SimpleNamespace(timeout=None),
                proxy=lambda service: (proxy, 'http://nova'))), sent

    def test_frozen_before_the_cloud_is_asked(self):
        client, sent = self.connect()

        def execute(action):
            client.request('POST', '/first')
            self.lose()
            client.request('GET', '/')
            client.request('POST', '/second')
        self.hooks['execute'] = execute
        plan = self.run_plan(self.make_graph([[], [0]]))
        self.assertEqual(['POST', 'GET'], sent)
        self.assertEqual('ONGOING', plan.state)
        self.assertEqual(['ONGOING', 'PENDING'], self.states(plan))
        # Nobody else is kept from it.
        client.request('POST', '/third')

    def test_frozen_before_it_is_stopped(self):
        client, sent = self.connect()
        self.config(group='watcher_applier', on_deadline='abort')
        over = threading.Event()
        self.addCleanup(over.set)

        def abort(action):
            self.lose()
            try:
                client.request('DELETE', '/migration')
            finally:
                over.set()
        self.hooks.update(
            deadline=lambda action: 0.01, abort=abort,
            check_abort=lambda action: True,
            execute=lambda action: over.wait(base.PATIENCE))
        plan = self.run_plan(self.make_graph([[]]))
        self.assertEqual([], sent)
        self.assertEqual(['ONGOING'], self.states(plan))

    def test_what_the_successor_notes_stays(self):
        plan = self.make_graph([[]])

        def execute(action):
            action.report(remote={'after': 1})
            successor = self.lose()
            objects.ActionRun.set(
                self.context, self.actions(plan)[0].id, fence=successor,
                remote={'migration': 2})
            action.report(remote={'after': 2})
        self.hooks['execute'] = execute
        self.run_plan(plan)
        self.assertEqual({'migration': 2}, self.runs(plan)[0].remote)

    def test_a_lease_that_expired_but_nobody_took(self):
        def expire(action):
            self.manager.lease._began -= 3600
            objects.ActionPlan.dbapi.renew_lease(self.manager.lease, -10)
            return True
        self.hooks['execute'] = expire
        plan = self.run_plan(self.make_graph([[], [0]]))
        self.assertEqual('SUCCEEDED', plan.state)
        self.assertEqual(['SUCCEEDED'] * 2, self.states(plan))
