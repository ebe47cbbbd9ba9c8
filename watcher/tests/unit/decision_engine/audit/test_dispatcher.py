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

import datetime
import threading
import time
from unittest import mock

import sqlalchemy as sa
from oslo_db import exception as db_exc

from watcher import objects
from watcher.common import context as watcher_context
from watcher.common import exception
from watcher.db import api as db_api
from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import session as db_session
from watcher.decision_engine.audit import dispatcher
from watcher.decision_engine.audit import obstacles
from watcher.tests import base
from watcher.tests.fixtures import database
from watcher.tests.unit.decision_engine import factories

AUDIT = objects.audit.State

#: The present of CONTINUOUS audits.
NOW = datetime.datetime(2030, 3, 28, 12, 0)


class StandIn:
    """A handler that records and waits instead of running strategies."""

    def __init__(self):
        self.started = []
        self.contexts = {}
        self.concurrent = 0
        self.most = 0
        self.gate = threading.Event()
        self.gate.set()
        self.lock = threading.Lock()

    def execute(self, context, audit):
        # A round may have read the row just before the run that now is over.
        if (audit.audit_type == factories.ONESHOT
                and audit.state != AUDIT.PENDING):
            return False
        audit.transition(AUDIT.ONGOING, hostname='engine-1')
        self.go(context, audit)
        return True

    def go(self, context, audit):
        self.contexts[audit.uuid] = context
        with self.lock:
            self.concurrent += 1
            self.most = max(self.most, self.concurrent)
        self.started.append(audit.uuid)
        self.gate.wait(4 * base.PATIENCE)
        with self.lock:
            self.concurrent -= 1
        stored = factories.reread(audit)
        if stored.state == AUDIT.ONGOING:
            stored.transition(AUDIT.SUCCEEDED)


class DispatcherTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(database.Database())
        self.config(host='engine-1')
        self.config(group='watcher_decision_engine', max_audit_workers=2,
                    reconcile_interval=600)
        self.goal = factories.goal()
        self.handler = StandIn()
        self.dispatcher = dispatcher.AuditDispatcher(lambda: NOW)
        self.dispatcher._handlers = dict.fromkeys(
            (factories.ONESHOT, factories.EVENT, factories.CONTINUOUS),
            self.handler)
        self.addCleanup(self.end)

    def end(self):
        self.handler.gate.set()
        self.dispatcher.stop(1)
        # Nothing of this test may go on in the next one's database.
        self.wait_for(lambda: not self.dispatcher._running)
        self.assertTrue(self.dispatcher._loop.stop(base.PATIENCE))

    def audit(self, **fields):
        return factories.audit(self.goal, **fields)

    def continuous(self, **fields):
        """An audit that is due."""
        fields = {'interval': '60', 'next_run_time': NOW,
                  'hostname': 'engine-1', **fields}
        return self.audit(audit_type=factories.CONTINUOUS, **fields)

    def wait_for(self, condition):
        deadline = time.monotonic() + base.PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                self.fail('waited in vain')
            time.sleep(0.01)

    def at_rest(self):
        """Wait until no audit runs, and no round runs or is due."""
        for thread in threading.enumerate():
            if thread.name.startswith('audit-') and (
                    thread is not self.dispatcher._loop._thread):
                thread.join(base.PATIENCE)
        self.wait_for(lambda: self.dispatcher._loop.resting)

    def wait_for_state(self, audit, state):
        self.wait_for(lambda: factories.reread(audit).state == state)


class TestDispatcher(DispatcherTestCase):

    def test_waiting_audits_are_found_without_any_message(self):
        audits = [self.audit() for _ in range(5)]
        self.dispatcher.start()
        for audit in audits:
            self.wait_for_state(audit, AUDIT.SUCCEEDED)
        self.assertEqual(sorted(a.uuid for a in audits),
                         sorted(self.handler.started))
        self.assertLessEqual(self.handler.most, 2)

    def test_no_more_than_max_audit_workers(self):
        self.handler.gate.clear()
        audits = [self.audit() for _ in range(4)]
        self.dispatcher.start()
        self.wait_for(lambda: len(self.handler.started) == 2)
        self.dispatcher._round()
        # Those that wait longest come first.
        self.assertEqual({a.uuid for a in audits[:2]},
                         set(self.handler.started))
        self.assertEqual(AUDIT.PENDING, factories.reread(audits[2]).state)
        self.handler.gate.set()
        for audit in audits:
            self.wait_for_state(audit, AUDIT.SUCCEEDED)

    def test_a_host_without_threads(self):
        audit = self.audit()
        with mock.patch.object(threading.Thread, 'start',
                               side_effect=RuntimeError('no new thread')):
            self.assertRaises(RuntimeError, self.dispatcher._round)
        # It does not count as running here for ever.
        self.assertFalse(self.dispatcher._is_running(audit.uuid))
        self.dispatcher._round()
        self.wait_for_state(audit, AUDIT.SUCCEEDED)

    def test_trigger_starts_at_once_with_the_context_of_the_user(self):
        self.dispatcher.start()
        self.at_rest()
        audit = self.audit()
        context = watcher_context.make_context(
            user_id='alice', show_deleted='false')
        self.dispatcher.trigger(context, audit.uuid)
        self.wait_for_state(audit, AUDIT.SUCCEEDED)
        used = self.handler.contexts[audit.uuid]
        self.assertEqual('alice', used.user_id)
        self.assertFalse(used.show_deleted)

    def test_trigger_twice_runs_once(self):
        self.handler.gate.clear()
        self.dispatcher.start()
        audit = self.audit()
        for _ in range(3):
            self.dispatcher.trigger(factories.context(), audit.uuid)
        self.wait_for(lambda: self.handler.started)
        self.assertEqual(1, len(self.handler.started))

    def test_messages_do_not_change_the_order(self):
        self.config(group='watcher_decision_engine', max_audit_workers=1)
        audits = [self.audit() for _number in range(5)]
        # Those of the others went to other engines.
        for audit in audits[4], audits[2], audits[3]:
            self.dispatcher.trigger(factories.context(), audit.uuid)
        self.dispatcher.start()
        self.wait_for_state(audits[4], AUDIT.SUCCEEDED)
        self.assertEqual([audit.uuid for audit in audits],
                         self.handler.started)
        self.wait_for(lambda: not self.dispatcher._triggered)

    def test_who_is_too_late_goes_on_with_the_next_audit(self):
        """Without asking the database again what waits."""
        self.config(group='watcher_decision_engine', max_audit_workers=1,
                    continuous_audit_interval=600)
        audits = [self.audit() for _number in range(5)]
        taken = {audit.uuid for audit in audits[:3]}
        execute = self.handler.execute
        self.handler.execute = lambda context, audit: (
            audit.uuid not in taken and execute(context, audit))
        waiting, rounds = self.dispatcher._waiting, []

        def wait(limit):
            rounds.append(limit)
            # The others are taken while this engine looks.
            return waiting(limit)
        with mock.patch.object(self.dispatcher, '_waiting', wait):
            self.handler.gate.clear()
            self.dispatcher.start()
            self.wait_for(lambda: self.handler.started)
            self.assertEqual([audits[3].uuid], self.handler.started)
            self.assertEqual(1, len(rounds))
            self.assertEqual([audits[3].uuid],
                             list(self.dispatcher._running))
            self.handler.gate.set()

    def test_as_many_due_audits_are_read_as_can_be_begun(self):
        self.config(group='watcher_decision_engine', max_audit_workers=1)
        tomorrow = NOW + datetime.timedelta(1)
        # Not to be begun yet, whatever their dates say.
        limit = 1 + dispatcher.RESERVE
        for _number in range(limit):
            self.continuous(start_time=tomorrow, next_run_time=(
                NOW - datetime.timedelta(minutes=2)))
        audits = [self.continuous(next_run_time=NOW - datetime.timedelta(
            seconds=60 - number)) for number in range(5)]
        self.assertEqual([(audits[0].uuid, None)],
                         self.dispatcher._next_audits())
        self.assertEqual([audit.uuid for audit in audits[1:]],
                         list(self.dispatcher._reserve))
        for _number in range(6 * limit):
            self.continuous()
        due, later = self.dispatcher._scheduler.upcoming(60, limit)
        self.assertIsNone(later)
        self.assertEqual(4 * limit - limit, len(due))

    def test_event_runs_only_when_triggered(self):
        audit = self.audit(audit_type=factories.EVENT)
        other = self.audit()
        self.dispatcher.start()
        self.wait_for_state(other, AUDIT.SUCCEEDED)
        self.assertEqual(AUDIT.PENDING, factories.reread(audit).state)
        self.dispatcher.trigger(factories.context(), audit.uuid)
        self.wait_for_state(audit, AUDIT.SUCCEEDED)

    def test_trigger_waits_for_a_free_thread(self):
        self.handler.gate.clear()
        for _ in range(2):
            self.audit()
        self.dispatcher.start()
        self.wait_for(lambda: len(self.handler.started) == 2)
        audit = self.audit(audit_type=factories.EVENT)
        self.dispatcher.trigger(factories.context(), audit.uuid)
        self.dispatcher._round()
        self.assertEqual(2, len(self.handler.started))
        self.handler.gate.set()
        self.wait_for_state(audit, AUDIT.SUCCEEDED)

    def test_continuous_runs_when_it_is_due_and_not_by_a_trigger(self):
        tomorrow = NOW + datetime.timedelta(1)
        later = self.continuous(start_time=tomorrow, next_run_time=tomorrow)
        self.dispatcher.trigger(factories.context(), later.uuid)
        audit = self.continuous()
        self.dispatcher.start()
        self.wait_for_state(audit, AUDIT.SUCCEEDED)
        self.wait_for(lambda: not self.dispatcher._triggered)
        self.at_rest()
        self.assertEqual([audit.uuid], self.handler.started)

    def test_which_waits_longest_comes_first(self):
        def ago(hours):
            return NOW - datetime.timedelta(hours=hours)
        audits = {
            2: self.audit(created_at=ago(2)),
            1: self.continuous(next_run_time=ago(1)),
            3: self.continuous(next_run_time=ago(3)),
            4: self.audit(created_at=ago(4))}
        self.config(group='watcher_decision_engine', max_audit_workers=3)
        self.assertEqual(
            [(audits[hours].uuid, None) for hours in (4, 3, 2)],
            self.dispatcher._next_audits())

    def test_wakes_up_for_the_next_run(self):
        self.config(group='watcher_decision_engine', reconcile_interval=60,
                    continuous_audit_interval=20)
        self.dispatcher._round()
        self.assertEqual(20, self.dispatcher._pause)
        audit = self.continuous(
            next_run_time=NOW + datetime.timedelta(seconds=7))
        self.dispatcher._round()
        self.assertEqual(7, self.dispatcher._pause)
        # Due, but it cannot begin: no reason for a busy loop.
        self.dispatcher._running = dict.fromkeys('ab')
        self.addCleanup(self.dispatcher._running.clear)
        self.dispatcher._scheduler._clock = lambda: audit.next_run_time
        self.dispatcher._next_settle = 0.0
        self.dispatcher._round()
        self.assertEqual(20, self.dispatcher._pause)

    def test_rounds_between_do_not_delay_takeovers(self):
        self.config(group='watcher_decision_engine', reconcile_interval=60,
                    continuous_audit_interval=10)
        with mock.patch.object(dispatcher, 'time') as clock:
            for now, pause in ((100, 10), (109, 1), (109.5, 0.5),
                               (109.99, 0.1), (110, 10)):
                clock.monotonic.return_value = now
                self.dispatcher._round()
                self.assertEqual(pause, self.dispatcher._pause, now)
            # No busy loop either.
            self.config(group='watcher_decision_engine',
                        continuous_audit_interval=0)
            clock.monotonic.return_value = 120
            self.dispatcher._round()
            self.assertEqual(1, self.dispatcher._pause)

    def test_hanging_audit_does_not_delay_others(self):
        self.handler.gate.clear()
        self.addCleanup(self.handler.gate.set)
        hanging = self.continuous()
        self.dispatcher.start()
        self.wait_for(lambda: self.handler.started == [hanging.uuid])
        self.handler.gate = threading.Event()
        self.handler.gate.set()
        for _number in range(3):
            audit = self.continuous()
            self.dispatcher._loop.wake()
            self.wait_for_state(audit, AUDIT.SUCCEEDED)
        self.assertEqual(AUDIT.ONGOING, factories.reread(hanging).state)

    def test_unreadable_continuous_audit_is_put_off(self):
        audit = self.continuous()
        with mock.patch.object(objects.Audit, 'get_by_uuid',
                               side_effect=ValueError('unreadable row')):
            self.dispatcher.start()
            self.wait_for(lambda: factories.reread(audit).status_message)
        after = factories.reread(audit)
        self.assertEqual((AUDIT.PENDING, NOW + datetime.timedelta(minutes=1)),
                         (after.state, after.next_run_time))

    def test_unknown_audit(self):
        self.dispatcher.start()
        self.dispatcher.trigger(
            factories.context(), '11111111-2222-3333-4444-555555555555')
        audit = self.audit()
        self.dispatcher.trigger(factories.context(), audit.uuid)
        self.wait_for_state(audit, AUDIT.SUCCEEDED)

    def test_broken_audit_delays_no_other(self):
        broken = [self.audit() for _ in range(3)]
        names = {audit.uuid for audit in broken}
        real = objects.Audit.get_by_uuid

        def get_by_uuid(context, uuid, eager=False):
            if uuid in names:
                raise ValueError('unreadable row')
            return real(context, uuid, eager=eager)
        with mock.patch.object(objects.Audit, 'get_by_uuid', get_by_uuid):
            good = self.audit()
            self.dispatcher.start()
            self.wait_for_state(good, AUDIT.SUCCEEDED)
        for audit in broken:
            after = factories.reread(audit)
            self.assertEqual(AUDIT.FAILED, after.state)
            self.assertIn('ValueError', after.status_message)

    def test_unreadable_rows_delay_no_other(self):
        self.config(group='watcher_decision_engine', max_audit_workers=1)
        before = NOW - datetime.timedelta(minutes=1)
        broken = [self.audit(), self.continuous(next_run_time=before),
                  self.audit(audit_type=factories.EVENT, hostname='engine-1',
                             state=AUDIT.ONGOING)]
        for audit in broken:
            self.make_unreadable(audit)
        waiting = [self.audit(), self.continuous()]
        self.dispatcher.start()
        for audit in waiting:
            self.wait_for_state(audit, AUDIT.SUCCEEDED)
        self.wait_for(lambda: {audit.uuid for audit in broken}
                      == self.dispatcher._hopeless)
        # They are left alone.
        self.at_rest()
        self.assertEqual([], self.dispatcher._next_audits())

    @staticmethod
    def make_unreadable(audit):
        with db_api.get_instance().transaction():
            db_session.current().execute(
                sa.update(models.Audit).where(models.Audit.id == audit.id)
                .values(parameters=sa.literal_column("'{broken'")))

    def test_database_away_for_a_moment(self):
        audit = self.audit(audit_type=factories.EVENT)
        real = objects.Audit.get_by_uuid
        failures = []

        def get_by_uuid(context, uuid, eager=False):
            if not failures:
                failures.append(uuid)
                raise db_exc.DBConnectionError('gone\n[SQL: SELECT 1]')
            return real(context, uuid, eager=eager)
        first = self.audit()
        self.dispatcher.start()
        self.wait_for_state(first, AUDIT.SUCCEEDED)
        self.at_rest()
        with mock.patch.object(objects.Audit, 'get_by_uuid', get_by_uuid):
            self.dispatcher.trigger(factories.context(), audit.uuid)
            self.wait_for(lambda: failures
                          and not self.dispatcher._running)
            # Not lost, but not tried again without a pause either.
            self.assertEqual(AUDIT.PENDING, factories.reread(audit).state)
            self.dispatcher._loop.wake()
            self.wait_for_state(audit, AUDIT.SUCCEEDED)
        self.assertIn('gone', self.logger.output)
        self.assertNotIn('SQL', self.logger.output)

    def test_loop_survives_a_database_that_is_away(self):
        with mock.patch.object(objects.Audit, 'list_columns',
                               side_effect=db_exc.DBConnectionError(
                                   'x\n[SQL: SELECT 1]')):
            self.dispatcher.start()
            self.wait_for(lambda: 'database does not work'
                          in self.logger.output)
        self.assertNotIn('Traceback', self.logger.output)
        self.assertNotIn('SQL', self.logger.output)
        audit = self.audit()
        self.dispatcher._loop.wake()
        self.wait_for_state(audit, AUDIT.SUCCEEDED)


class TestAuditsThatWaitForPlans(DispatcherTestCase):
    """They are looked at once, and again when that may tell otherwise."""

    def setUp(self):
        super().setUp()
        strategy = factories.strategy(self.goal)
        self.plans = [factories.plan(
            self.audit(state=AUDIT.SUCCEEDED), strategy, 'ONGOING')
            for _number in range(2)]
        self.looked_at = []
        self.waits = set()
        self.handler.execute = self.execute

    def execute(self, context, audit):
        self.looked_at.append(audit.uuid)
        if audit.uuid in self.waits:
            return obstacles.Obstacle(self.plans[0].uuid, 'ONGOING')
        audit.transition(AUDIT.ONGOING, hostname='engine-1')
        return self.handler.go(context, audit)

    def waiting(self, count=1, **fields):
        audits = [self.audit(**fields) for _number in range(count)]
        self.waits.update(audit.uuid for audit in audits)
        return audits

    def round(self):
        self.looked_at.clear()
        self.dispatcher._loop.wake()
        self.at_rest()

    def test_they_do_not_hold_up_others(self):
        blocked = self.waiting(5)
        free = self.audit()
        self.dispatcher.start()
        self.wait_for_state(free, AUDIT.SUCCEEDED)
        self.wait_for(lambda: len(self.looked_at) == 6)
        self.at_rest()
        self.assertEqual(
            [1] * 5, [self.looked_at.count(audit.uuid) for audit in blocked])
        self.round()
        self.assertEqual([], self.looked_at)

    def test_the_end_of_that_plan_counts(self):
        audit, = self.waiting()
        self.dispatcher.start()
        self.wait_for(lambda: self.looked_at)
        self.at_rest()
        self.plans[1].transition('SUCCEEDED')
        self.round()
        self.assertEqual([], self.looked_at)
        self.plans[0].transition('SUCCEEDED')
        self.waits.clear()
        self.round()
        self.wait_for_state(audit, AUDIT.SUCCEEDED)

    def test_a_change_of_the_audit_counts(self):
        """Such as force, or another scope."""
        audit, = self.waiting(updated_at=NOW)
        self.dispatcher.start()
        self.wait_for(lambda: self.looked_at)
        self.at_rest()
        self.waits.clear()
        stored = factories.reread(audit)
        stored.force = True
        stored.save()
        self.round()
        self.wait_for_state(audit, AUDIT.SUCCEEDED)

    def test_triggers_wait_as_well(self):
        audit, = self.waiting(audit_type=factories.EVENT)
        objects.AuditRun.trigger(factories.context(), audit.id)
        self.dispatcher.start()
        self.wait_for(lambda: self.looked_at)
        self.at_rest()
        self.round()
        self.assertEqual([], self.looked_at)
        self.plans[0].transition('FAILED')
        self.waits.clear()
        self.round()
        self.wait_for_state(audit, AUDIT.SUCCEEDED)


class TestInterrupted(DispatcherTestCase):
    """Audits that were running when an engine ended."""

    def ongoing(self, **fields):
        return self.audit(state=AUDIT.ONGOING,
                          **{'hostname': 'engine-1', **fields})

    def test_own_audits_are_run_again(self):
        again = [self.ongoing(), self.ongoing(hostname=None),
                 self.ongoing(audit_type=factories.EVENT)]
        continuous = self.ongoing(audit_type=factories.CONTINUOUS,
                                  interval='60', next_run_time=NOW
                                  + datetime.timedelta(hours=1))
        self.dispatcher.start()
        for audit in again:
            self.wait_for_state(audit, AUDIT.SUCCEEDED)
        self.at_rest()
        self.assertEqual(sorted(audit.uuid for audit in again),
                         sorted(self.handler.started))
        self.assertEqual(AUDIT.ONGOING, factories.reread(continuous).state)

    def test_a_lease_that_another_process_took(self):
        """Until the next renewal this engine takes it for its own."""
        old, _new = (objects.Lease.take(
            factories.context(), 'engine:engine-1', owner, 90)
            for owner in ('this one', 'another one'))
        self.dispatcher = dispatcher.AuditDispatcher(lambda: NOW, lambda: old)
        self.audit()
        self.ongoing()
        self.dispatcher.start()
        self.wait_for(lambda: self.logger.output.count('is not run now') == 2)
        # It does not try again and again meanwhile.
        self.at_rest()
        self.assertEqual(2, self.logger.output.count('is not run now'))

    def test_of_a_database_that_is_not_upgraded(self):
        """Nothing would end a run that kills each engine."""
        audit = self.ongoing()
        with mock.patch.object(
                objects.AuditRun, 'set', side_effect=exception.
                DatabaseNotUpgraded(table='audit_runs')):
            self.dispatcher.start()
            self.wait_for_state(audit, AUDIT.CANCELLED)
        self.assertIn('engine-1', factories.reread(audit).status_message)

    def test_one_that_every_engine_dies_of(self):
        audit = self.ongoing()
        objects.AuditRun.set(factories.context(), audit.id, attempts=3)
        self.dispatcher.start()
        self.wait_for_state(audit, AUDIT.FAILED)
        self.assertIn('interrupted 3 times',
                      factories.reread(audit).status_message)
        self.assertEqual([], self.handler.started)

    def test_no_plan_of_an_interrupted_audit_is_left(self):
        oneshot = self.ongoing()
        event = self.ongoing(audit_type=factories.EVENT)
        strategy = factories.strategy(self.goal)
        of_earlier_run = factories.plan(event, strategy)
        began = of_earlier_run.created_at + datetime.timedelta(hours=1)
        objects.AuditRun.set(factories.context(), event.id, started_at=began)
        of_this_run = factories.plan(event, strategy)
        of_this_run.dbapi.update_action_plan(
            of_this_run.uuid, {'created_at': began.replace(tzinfo=None)})
        plan = factories.plan(oneshot, strategy)
        self.dispatcher.start()
        for audit in (oneshot, event):
            self.wait_for_state(audit, AUDIT.SUCCEEDED)
        for left in (plan, of_this_run):
            self.assertEqual('CANCELLED', factories.reread(left).state)
        self.assertIn(event.uuid, factories.reread(left).status_message)
        self.assertEqual('RECOMMENDED', factories.reread(of_earlier_run).state)

    def test_one_whose_plan_is_started_has_its_result(self):
        audit = self.ongoing()
        strategy = factories.strategy(self.goal)
        plan = factories.plan(audit, strategy, state='PENDING')
        self.dispatcher.start()
        self.wait_for_state(audit, AUDIT.SUCCEEDED)
        self.assertEqual([], self.handler.started)
        self.assertEqual('PENDING', factories.reread(plan).state)

    def test_one_problem_does_not_stop_the_start(self):
        broken = self.audit(state=AUDIT.ONGOING, hostname='engine-1')
        stale = self.audit(state=AUDIT.ONGOING, hostname='engine-1')
        real = objects.Audit.swap

        def swap(this, *args, **kwargs):
            if this.uuid == broken.uuid:
                raise RuntimeError('cannot be announced')
            return real(this, *args, **kwargs)
        with mock.patch.object(objects.Audit, 'swap', swap):
            waiting = self.audit()
            self.dispatcher.start()
            self.wait_for_state(waiting, AUDIT.SUCCEEDED)
            self.wait_for_state(stale, AUDIT.SUCCEEDED)

    def test_running_audits_are_no_orphans(self):
        self.handler.gate.clear()
        audit = self.audit()
        self.dispatcher.start()
        self.wait_for(lambda: self.handler.started)
        self.dispatcher._round()
        self.assertEqual(AUDIT.ONGOING, factories.reread(audit).state)

    def test_stop_lets_a_short_audit_end(self):
        self.handler.gate.clear()
        audit = self.audit()
        self.dispatcher.start()
        self.wait_for(lambda: self.handler.started)
        stop = self.dispatcher._loop.stop

        def end_meanwhile(timeout):
            self.handler.gate.set()
            return stop(timeout)
        with mock.patch.object(dispatcher, 'GRACE', base.PATIENCE), \
                mock.patch.object(self.dispatcher._loop, 'stop',
                                  end_meanwhile):
            self.dispatcher.stop(2 * base.PATIENCE)
        self.assertEqual(AUDIT.SUCCEEDED, factories.reread(audit).state)

    def test_stop_gives_a_long_audit_back_within_seconds(self):
        self.handler.gate.clear()
        audit, waiting = self.audit(), self.audit()
        self.config(group='watcher_decision_engine', max_audit_workers=1)
        self.dispatcher.start()
        self.wait_for(lambda: self.handler.started)
        begin = time.monotonic()
        self.dispatcher.stop(1)
        self.assertLess(time.monotonic() - begin, base.PATIENCE)
        after = factories.reread(audit)
        self.assertEqual((AUDIT.ONGOING, None), (after.state, after.hostname))
        self.assertEqual(0, objects.AuditRun.get(
            factories.context(), audit.id).attempts)
        self.assertEqual(AUDIT.PENDING, factories.reread(waiting).state)

    def test_stop_gives_a_continuous_audit_to_the_next_engine(self):
        self.handler.gate.clear()
        audit = self.continuous()
        self.dispatcher.start()
        self.wait_for(lambda: self.handler.started)
        self.dispatcher.stop(0.2)
        after = factories.reread(audit)
        self.assertEqual((AUDIT.ONGOING, None, NOW),
                         (after.state, after.hostname, after.next_run_time))

    def test_stop_leaves_the_audit_that_another_engine_was_faster_with(self):
        self.handler.gate.clear()
        audit = self.audit()
        self.dispatcher.start()
        self.wait_for(lambda: self.handler.started)
        stored = factories.reread(audit)
        stored.hostname = 'engine-2'
        stored.save()
        self.dispatcher.stop(0.2)
        self.assertEqual(AUDIT.ONGOING, factories.reread(audit).state)

    def test_stop_names_what_waits(self):
        self.handler.gate.clear()
        self.config(group='watcher_decision_engine', max_audit_workers=1)
        self.audit()
        self.dispatcher.start()
        self.wait_for(lambda: self.handler.started)
        event = self.audit(audit_type=factories.EVENT)
        self.dispatcher.trigger(factories.context(), event.uuid)
        self.dispatcher.stop(0.2)
        self.assertIn(event.uuid, self.logger.output)
