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
"""The queue of plans: accepted, claimed once, run, stopped."""

import datetime
import threading
import time
from unittest import mock

from oslo_db import exception as db_exc
from oslo_utils import timeutils

from watcher import objects
from watcher.applier import claims
from watcher.applier import manager as applier_manager
from watcher.applier import persistence
from watcher.applier.workflow_engine import standing
from watcher.common import context as watcher_context
from watcher.common import exception
from watcher.common import rpc
from watcher.tests import base
from watcher.tests.unit.applier import harness


class ManagerTestCase(harness.ApplierTestCase):

    def setUp(self):
        super().setUp()
        harness.notifications.setup()
        self.addCleanup(harness.notifications.teardown)

    def launch(self, plan, manager=None):
        endpoint = (manager or self.manager).endpoints[0]
        return endpoint.launch_action_plan(
            self.context, action_plan_uuid=plan.uuid)

    def count_runs(self):
        runs = []
        self.hooks['execute'] = lambda action: not runs.append(action)
        return runs


class TestLaunch(ManagerTestCase):

    def test_a_pending_plan(self):
        plan = self.make_plan({})
        self.manager.start()
        self.assertEqual(plan.uuid, self.launch(plan))
        self.wait_for_state(plan, 'SUCCEEDED')
        self.assertEqual(harness.HOST, self.read(plan).hostname)

    def test_events_of_a_launch(self):
        plan = self.make_plan()
        self.launch(plan)
        self.manager.start()
        self.wait_for_state(plan, 'SUCCEEDED')
        self.wait_for(lambda: self.events('execution.end'))
        self.assertEqual([
            'action_plan.create plan1 PENDING',
            'action_plan.update plan1 PENDING [-]',
            'action_plan.update plan1 ONGOING [PENDING>ONGOING]',
            'action_plan.execution.start plan1 ONGOING',
            'action_plan.update plan1 SUCCEEDED [ONGOING>SUCCEEDED]',
            'action_plan.execution.end plan1 SUCCEEDED',
        ], self.events())

    def test_a_recommended_plan_by_auto_trigger(self):
        plan = self.make_plan({}, state='RECOMMENDED')
        self.manager.start()
        self.launch(plan)
        self.wait_for_state(plan, 'SUCCEEDED')
        self.assertEqual(1, len(self.events(
            'action_plan.update plan1 ONGOING [RECOMMENDED>ONGOING]')))

    def test_a_recommended_plan_without_launch_is_left_alone(self):
        runs = self.count_runs()
        plan = self.make_plan({}, state='RECOMMENDED')
        self.manager._dispatch()
        self.assertEqual([], runs)
        self.assertEqual('RECOMMENDED', self.read(plan).state)

    def test_a_lost_message_loses_nothing(self):
        plan = self.make_plan({}, hostname='dead-applier')
        self.manager.start()
        self.wait_for_state(plan, 'SUCCEEDED')
        self.assertEqual(harness.HOST, self.read(plan).hostname)

    def test_a_finished_plan_is_never_run_again(self):
        runs = self.count_runs()
        self.manager.start()
        for state in ('ONGOING', 'SUCCEEDED', 'FAILED', 'CANCELLED',
                      'CANCELLING', 'SUPERSEDED'):
            plan = self.make_plan({}, state=state, hostname='other')
            self.launch(plan)
            self.manager._dispatch()
            self.assertEqual(state, self.read(plan).state)
            self.assertEqual('other', self.read(plan).hostname)
        self.assertEqual([], runs)

    def test_pending_actions_of_a_cancelled_plan_are_cancelled(self):
        plan = self.make_plan({}, {'state': 'SKIPPED'}, state='CANCELLED')
        self.launch(plan)
        self.assertEqual(['CANCELLED', 'SKIPPED'], self.states(plan))

    def test_a_message_takes_no_plan_its_place_in_the_line(self):
        """A resumed plan is launched again; it has waited long enough."""
        for hostname in (None, 'other', harness.HOST):
            plan = self.make_plan({}, hostname=hostname)
            since = timeutils.utcnow(with_timezone=True).replace(
                microsecond=0) - datetime.timedelta(hours=1)
            plan.swap({'state': 'PENDING'}, updated_at=since)
            self.launch(plan)
            self.launch(plan)
            self.assertEqual((harness.HOST, since),
                             (self.read(plan).hostname,
                              self.read(plan).updated_at))

    def test_many_messages_run_a_plan_once(self):
        runs = self.count_runs()
        plan = self.make_plan({})
        managers = [self.manager, self.make_manager(), self.make_manager()]
        for manager in managers:
            manager.start()
        threads = [threading.Thread(target=self.launch, args=(plan, manager))
                   for manager in managers * 3]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.wait_for_state(plan, 'SUCCEEDED')
        for manager in managers:
            self.wait_for(lambda manager=manager: not manager.running)
            manager._dispatch()
        self.assertEqual(1, len(runs))
        self.assertEqual(1, len(self.events('action_plan.execution.start')))

    def test_an_unknown_plan_fails_the_message(self):
        self.assertRaises(
            exception.ActionPlanNotFound,
            self.manager.endpoints[0].launch_action_plan, self.context,
            action_plan_uuid='11111111-2222-3333-4444-555555555555')

    def test_nothing_else_may_be_called(self):
        endpoint = self.manager.endpoints[0]
        self.assertEqual(
            ['launch_action_plan', 'target'],
            [name for name in dir(endpoint) if not name.startswith('_')])

    def test_the_request_id_is_carried_but_no_token(self):
        seen = []
        self.hooks['execute'] = lambda action: not seen.append(
            watcher_context.get_current())
        plan = self.make_plan({})
        request = watcher_context.make_context(
            auth_token='secret', user_id='someone')
        self.manager.accept(request, plan.uuid)
        self.manager.start()
        self.wait_for_state(plan, 'SUCCEEDED')
        self.assertEqual(request.request_id, seen[0].request_id)
        self.assertEqual('someone', seen[0].user_id)
        self.assertIsNone(seen[0].auth_token)


class TestGoneHosts(ManagerTestCase):

    def test_what_they_leave_is_removed(self):
        self.config(service_retention=600)
        for host in (harness.HOST, 'gone'):
            service = objects.Service.heartbeat(
                self.context, self.manager.service_name, host)
        service.last_seen_up = datetime.datetime(2020, 1, 1)
        service.save()
        with mock.patch.object(rpc, 'forget_host') as forget:
            self.manager._monitor.look()
        forget.assert_called_once_with('gone', self.manager.topic)
        self.assertEqual([harness.HOST], [
            one.host for one in objects.Service.list(self.context)])


class TestWorkers(ManagerTestCase):

    def test_a_plan_waits_for_a_free_worker(self):
        gate = harness.Gate(self)
        self.hooks['execute'] = gate
        first = self.make_plan({})
        self.manager.start()
        self.launch(first)
        self.assertTrue(gate.entered.wait(base.PATIENCE))
        second = self.make_plan({})
        self.launch(second)
        self.manager._dispatch()
        waiting = self.read(second)
        self.assertEqual('PENDING', waiting.state)
        self.assertEqual(harness.HOST, waiting.hostname)
        gate.opened.set()
        self.wait_for_state(first, 'SUCCEEDED')
        self.wait_for_state(second, 'SUCCEEDED')

    def test_an_idle_applier_takes_what_a_busy_one_accepted(self):
        gate = harness.Gate(self)
        self.hooks['execute'] = gate
        first = self.make_plan({})
        self.manager.start()
        self.launch(first)
        self.assertTrue(gate.entered.wait(base.PATIENCE))
        second = self.make_plan({})
        self.launch(second)
        other = self.make_manager()
        gate.entered.clear()
        other.start()
        self.wait_for_state(second, 'ONGOING')
        self.assertTrue(gate.entered.wait(base.PATIENCE))
        self.assertEqual([second.uuid], other.running)

    def test_several_workers(self):
        self.config(group='watcher_applier', workers=3)
        meeting = threading.Barrier(3)
        self.hooks['execute'] = (
            lambda action: meeting.wait(base.PATIENCE) >= 0)
        plans = [self.make_plan({}) for _number in range(3)]
        self.manager.start()
        for plan in plans:
            self.wait_for_state(plan, 'SUCCEEDED')

    def test_a_plan_cancelled_while_it_waits_stays_cancelled(self):
        gate = harness.Gate(self)
        self.hooks['execute'] = gate
        first = self.make_plan({})
        self.manager.start()
        self.launch(first)
        self.assertTrue(gate.entered.wait(base.PATIENCE))
        second = self.make_plan({})
        self.launch(second)
        self.set_state(second, 'CANCELLED')
        gate.opened.set()
        self.wait_for_state(first, 'SUCCEEDED')
        self.manager._dispatch()
        self.assertEqual('CANCELLED', self.read(second).state)


class TestStop(ManagerTestCase):

    def stop(self, timeout=2 * base.PATIENCE):
        started = time.monotonic()
        self.manager.stop(timeout)
        self.assertLess(time.monotonic() - started, base.PATIENCE)

    def test_nothing_is_taken_any_more(self):
        self.manager.start()
        self.stop()
        plan = self.make_plan({})
        self.manager._dispatch()
        self.assertEqual('PENDING', self.read(plan).state)

    def test_a_waiting_action_stops_waiting(self):
        entered = threading.Event()

        def wait(action):
            entered.set()
            if action.wait(4 * base.PATIENCE):
                raise exception.WaitInterrupted(what='a migration')
            return True
        self.hooks['execute'] = wait
        plan = self.make_plan(
            {'parameters': {'resource_id': 'server-1'}}, {'parents': [0]})
        self.manager.start()
        self.assertTrue(entered.wait(base.PATIENCE))
        self.stop()

        plan = self.read(plan)
        self.assertEqual('CANCELLED', plan.state)
        self.assertEqual(
            f'Action plan was cancelled because Applier {harness.HOST} was '
            'stopped while the action plan was ongoing. May still be running '
            'in Nova: scripted of server-1', plan.status_message)
        self.assertTrue(self.has_ended(plan))
        started, waiting = self.actions(plan)
        self.assertEqual(['CANCELLED'] * 2, [started.state, waiting.state])
        self.assertEqual(
            f'Action was cancelled because Applier {harness.HOST} was '
            'stopped while the action plan was ongoing. It had been started '
            'and may still be running in Nova.', started.status_message)
        self.assertEqual(
            f'Action was cancelled because Applier {harness.HOST} was '
            'stopped while the action plan was ongoing.',
            waiting.status_message)
        self.assertEqual([
            'action_plan.update plan1 CANCELLED [ONGOING>CANCELLED]',
            'action.update action1 CANCELLED [ONGOING>CANCELLED]',
            'action.update action2 CANCELLED [PENDING>CANCELLED]',
        ], self.events()[-3:])
        self.assertEqual([], self.events('cancel.'))

    def test_a_pause_ends_at_once(self):
        plan = self.make_plan(
            {'type': 'sleep', 'parameters': {'duration': 3600}})
        self.manager.start()
        self.wait_for(lambda: self.states(plan) == ['ONGOING'])
        self.stop()
        self.assertEqual('CANCELLED', self.read(plan).state)
        # Nothing goes on anywhere.
        self.assertNotIn('Nova', self.read(plan).status_message)

    def test_an_action_that_ends_by_itself_is_recorded(self):
        entered = threading.Event()

        def finish(action):
            entered.set()
            action.wait(4 * base.PATIENCE)
            return True
        self.hooks['execute'] = finish
        plan = self.make_plan({}, {'parents': [0]})
        self.manager.start()
        self.assertTrue(entered.wait(base.PATIENCE))
        self.stop()
        self.assertEqual(['SUCCEEDED', 'CANCELLED'], self.states(plan))
        self.assertEqual('CANCELLED', self.read(plan).state)

    def test_a_blocked_action_is_left_behind(self):
        gate = harness.Gate(self)
        self.hooks['execute'] = gate
        plan = self.make_plan({}, {'parents': [0]})
        self.manager.start()
        self.assertTrue(gate.entered.wait(base.PATIENCE))
        self.stop(timeout=1)
        self.assertEqual('CANCELLED', self.read(plan).state)
        self.assertEqual(['CANCELLED'] * 2, self.states(plan))
        # What it brings home later changes nothing.
        gate.opened.set()
        self.wait_for(lambda: not self.manager.running)
        self.assertEqual('CANCELLED', self.read(plan).state)
        self.assertEqual(['CANCELLED'] * 2, self.states(plan))
        self.assertEqual([], self.events('cancel.'))

    def test_the_pre_condition_is_not_followed_by_the_action(self):
        runs = self.count_runs()
        self.hooks['pre_condition'] = (
            lambda action: self.manager.stopping.set())
        plan = self.make_plan({})
        self.manager.start()
        self.wait_for_state(plan, 'CANCELLED')
        self.assertEqual([], runs)
        self.assertEqual(['CANCELLED'], self.states(plan))


class TestRestart(ManagerTestCase):

    def restart(self):
        manager = self.make_manager()
        manager.pre_start()
        return manager

    def test_interrupted_plans_of_this_host_are_cancelled(self):
        plan = self.make_plan(
            {'state': 'SUCCEEDED'}, {'state': 'ONGOING'},
            {'state': 'PENDING'}, {'state': 'SKIPPED'},
            state='ONGOING', hostname=harness.HOST)
        self.restart()
        plan = self.read(plan)
        self.assertEqual('CANCELLED', plan.state)
        self.assertEqual(['SUCCEEDED', 'CANCELLED', 'CANCELLED', 'SKIPPED'],
                         self.states(plan))
        self.assertIn(f'Applier {harness.HOST} was stopped',
                      plan.status_message)
        self.assertTrue(self.has_ended(plan))
        self.assertEqual([], self.events('cancel.'))

    def test_cancelling_plans_too(self):
        plan = self.make_plan({}, state='CANCELLING', hostname=harness.HOST)
        self.restart()
        self.assertEqual('CANCELLED', self.read(plan).state)
        self.assertEqual(['CANCELLED'], self.states(plan))

    def test_plans_of_other_hosts_are_left_alone(self):
        plans = [self.make_plan({}, state=state, hostname='applier-2')
                 for state in ('ONGOING', 'CANCELLING')]
        plans.append(self.make_plan({}, state='ONGOING'))
        self.restart()
        self.assertEqual(['ONGOING', 'CANCELLING', 'ONGOING'],
                         [self.read(plan).state for plan in plans])

    def test_waiting_plans_are_run(self):
        plans = [
            self.make_plan({}, state='PENDING', hostname=harness.HOST),
            self.make_plan({}, state='RECOMMENDED', hostname=harness.HOST)]
        self.restart().start()
        for plan in plans:
            self.wait_for_state(plan, 'SUCCEEDED')

    def test_one_that_cannot_be_recovered_keeps_no_other(self):
        bad = self.make_plan({}, state='ONGOING', hostname=harness.HOST)
        good = self.make_plan({}, state='ONGOING', hostname=harness.HOST)
        transition = objects.ActionPlan.transition

        def fail(plan, *args, **kwargs):
            if plan.uuid == bad.uuid:
                raise ValueError('unreadable')
            return transition(plan, *args, **kwargs)
        self.useFixture(harness.fixtures.MonkeyPatch(
            'watcher.objects.ActionPlan.transition', fail))
        self.restart()
        self.assertEqual('CANCELLED', self.read(good).state)
        self.assertEqual('ONGOING', self.read(bad).state)
        self.assertIn(bad.uuid, self.logger.output)


class TestDatabaseAway(ManagerTestCase):

    def test_the_outcome_is_stored_later(self):
        self.useFixture(harness.fixtures.MonkeyPatch(
            'watcher.applier.persistence.PATIENCE', -1))
        transition = objects.ActionPlan.transition
        away = threading.Event()

        def fail(plan, state, **kwargs):
            if state == 'SUCCEEDED' and not away.is_set():
                away.set()
                raise db_exc.DBConnectionError()
            return transition(plan, state, **kwargs)
        self.useFixture(harness.fixtures.MonkeyPatch(
            'watcher.objects.ActionPlan.transition', fail))
        plan = self.make_plan({})
        self.manager.start()
        self.wait_for_state(plan, 'SUCCEEDED')
        self.assertTrue(away.is_set())
        self.assertIn('this is tried again', self.logger.output)
        self.wait_for(lambda: not self.manager._unsettled)

    def lose_first_claim(self, plan, stored):
        """Claim it, with a database that fails before or after storing."""
        store = claims.Queue._store_claim

        def fail(*args):
            if stored:
                store(*args)
            raise db_exc.DBConnectionError()
        with harness.fixtures.MonkeyPatch(
                'watcher.applier.claims.Queue._store_claim', fail):
            self.assertRaises(db_exc.DBConnectionError,
                              self.manager._queue.claim_next)
        self.assertEqual('ONGOING' if stored else 'PENDING',
                         self.read(plan).state)

    def test_a_claim_that_was_stored_after_all(self):
        runs = self.count_runs()
        plan = self.make_plan({})
        self.lose_first_claim(plan, stored=True)
        self.manager.start()
        self.wait_for_state(plan, 'SUCCEEDED')
        self.assertEqual(1, len(runs))

    def test_a_claim_that_was_stored_and_cancelled(self):
        runs = self.count_runs()
        plan = self.make_plan({})
        self.lose_first_claim(plan, stored=True)
        self.set_state(plan, 'CANCELLING')
        self.manager.start()
        self.wait_for_state(plan, 'CANCELLED')
        self.assertEqual(['CANCELLED'], self.states(plan))
        self.assertEqual([], runs)

    def test_a_claim_that_was_not_stored(self):
        runs = self.count_runs()
        plan = self.make_plan({})
        self.lose_first_claim(plan, stored=False)
        self.manager.start()
        self.wait_for_state(plan, 'SUCCEEDED')
        self.assertEqual(1, len(runs))

    def test_a_claim_that_another_applier_got(self):
        runs = self.count_runs()
        plan = self.make_plan({})
        self.lose_first_claim(plan, stored=False)
        self.set_state(plan, 'ONGOING', hostname='applier-2')
        self.manager._dispatch()
        self.assertEqual([], self.manager.running)
        self.assertEqual(('ONGOING', []), (self.read(plan).state, runs))

    def test_a_running_plan_waits_for_the_database(self):
        self.useFixture(harness.fixtures.MonkeyPatch(
            'watcher.applier.persistence._FIRST_PAUSE', 0.01))
        read = standing.read
        failures = [db_exc.DBConnectionError('gone\n[SQL: SELECT 1]')
                    for _number in range(3)]

        def fail(*args, **kwargs):
            if failures:
                raise failures.pop()
            return read(*args, **kwargs)
        self.useFixture(harness.fixtures.MonkeyPatch(
            'watcher.applier.workflow_engine.standing.read', fail))
        plan = self.make_plan({})
        self.manager.start()
        self.wait_for_state(plan, 'SUCCEEDED')
        self.assertIn('The database cannot be reached', self.logger.output)
        self.assertNotIn('SQL', self.logger.output)

    def test_a_change_that_was_made_is_not_a_conflict(self):
        plan = self.make_plan({})
        plan = objects.ActionPlan.get_by_uuid(self.context, plan.uuid)
        transition = objects.ActionPlan.transition
        lost = []

        def lose_the_answer(obj, state, **kwargs):
            transition(obj, state, **kwargs)
            if not lost:
                lost.append(state)
                obj._stored_state = 'PENDING'
                raise db_exc.DBConnectionError()
        self.useFixture(harness.fixtures.MonkeyPatch(
            'watcher.objects.ActionPlan.transition', lose_the_answer))
        self.useFixture(harness.fixtures.MonkeyPatch(
            'watcher.applier.persistence._FIRST_PAUSE', 0.01))
        persistence.transition(plan, 'ONGOING', threading.Event(),
                               expected=('PENDING',))
        self.assertEqual('ONGOING', plan.state)


class TestService(ManagerTestCase):

    def test_what_the_service_asks_for(self):
        manager = applier_manager.ApplierManager
        self.assertEqual('watcher-applier', manager.service_name)
        self.assertEqual('1.0', manager.API_VERSION)
        self.assertEqual('watcher.applier.control', self.manager.topic)
        self.assertEqual(
            '1.0', self.manager.endpoints[0].target.version)

    def test_descriptions_are_stored(self):
        self.manager.pre_start()
        texts = {row.action_type: row.description for row
                 in objects.ActionDescription.list(self.context)}
        self.assertEqual({
            'change_node_power_state', 'change_nova_service_state',
            'migrate', 'nop', 'resize', 'sleep', 'start', 'stop',
            'volume_migrate'}, set(texts))
        self.assertIn('server', texts['migrate'])

    def test_descriptions_are_renewed_and_revived(self):
        self.manager.pre_start()
        row = objects.ActionDescription.get_by_type(self.context, 'nop')
        row.description = 'old'
        row.save()
        gone = objects.ActionDescription.get_by_type(self.context, 'sleep')
        gone.soft_delete()
        objects.ActionDescription(
            self.context, action_type='vanished', description='x').create()
        self.manager.pre_start()
        texts = {row.action_type: row.description for row
                 in objects.ActionDescription.list(self.context)}
        self.assertNotEqual('old', texts['nop'])
        self.assertIn('sleep', texts)
        self.assertEqual('x', texts['vanished'])
