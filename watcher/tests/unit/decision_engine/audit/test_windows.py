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
"""Audits of all types that may run in windows only, in virtual time."""

import contextlib
import datetime
from unittest import mock

import sqlalchemy as sa

from watcher import objects
from watcher.common import exception
from watcher.common import schedule
from watcher.db.sqlalchemy import session as db_session
from watcher.decision_engine.audit import continuous
from watcher.decision_engine.audit import dispatcher
from watcher.decision_engine.audit import opening
from watcher.decision_engine.audit import scheduler
from watcher.tests import base
from watcher.tests.unit.decision_engine import factories
from watcher.tests.unit.decision_engine.audit import test_run

AUDIT = objects.audit.State
PLAN = objects.action_plan.State

#: A Saturday.
BEGIN = datetime.datetime(2026, 3, 28, 12, 0)
NIGHTS = ('22:00-06:00',)


def waits(text):
    return f'{opening.WAITS}, which opens at {text} UTC'


@contextlib.contextmanager
def counted_statements():
    """Count what the database is asked."""
    asked = []

    def note(_connection, _cursor, statement, *_args):
        asked.append(statement)
    engine = db_session.get_engine()
    sa.event.listen(engine, 'before_cursor_execute', note)
    try:
        yield asked
    finally:
        sa.event.remove(engine, 'before_cursor_execute', note)


class WindowsTestCase(test_run.AuditTestCase):
    """An engine whose loop rests; each look is one of its rounds."""

    def setUp(self):
        super().setUp()
        self.now = BEGIN
        self.start_engine()

    def start_engine(self):
        self.dispatcher = dispatcher.AuditDispatcher(lambda: self.now)

    def audit(self, audit_type=factories.ONESHOT, run_windows=(),
              time_zone=None, **fields):
        audit = super().audit(audit_type=audit_type, **fields)
        if run_windows or time_zone:
            self.say(audit, run_windows, time_zone)
        return audit

    def continuous(self, interval='600', run_windows=(), **fields):
        return self.audit(factories.CONTINUOUS, run_windows,
                          interval=interval, **fields)

    def say(self, audit, run_windows, time_zone=None):
        objects.AuditSchedule.set(
            self.context, audit.id, run_windows=list(run_windows),
            time_zone=time_zone)

    def spoil(self, audit, text):
        """Write something into the column that nobody understands."""
        with db_session.get_engine().begin() as connection:
            connection.execute(
                sa.text('UPDATE audit_schedules SET run_windows = :text '
                        'WHERE audit_id = :id'),
                {'text': text, 'id': audit.id})

    def look(self):
        """One round of the engine, with all runs that it starts."""
        self.dispatcher._next_settle = 0.0
        before = len(self.plans())
        self.dispatcher._round()
        for thread in list(self.dispatcher._running.values()):
            thread.join(base.PATIENCE)
        return len(self.plans()) - before

    def at(self, text):
        self.now = datetime.datetime.fromisoformat(text)

    def assertNext(self, date, message, audit):
        found = factories.reread(audit)
        self.assertEqual(
            (date and datetime.datetime.fromisoformat(date), message),
            (found.next_run_time, found.status_message))

    def message(self, audit):
        return factories.reread(audit).status_message


class TestContinuous(WindowsTestCase):

    def test_put_off_to_the_opening(self):
        audit = self.continuous('3600', NIGHTS)
        self.assertEqual(0, self.look())
        self.assertNext('2026-03-28 22:00', waits('2026-03-28 22:00:00'),
                        audit)
        self.heard.clear()
        self.at('2026-03-28 21:59:59')
        self.assertEqual(0, self.look())
        self.assertEqual([], self.heard)
        self.at('2026-03-28 22:00')
        during = []
        self.during_strategy(lambda _audit: during.append(
            self.message(audit)))
        self.assertEqual(1, self.look())
        self.assertEqual([None], during)
        self.assertNext('2026-03-28 23:00', None, audit)
        # The last run of the night.
        self.at('2026-03-29 05:59')
        self.assertEqual(1, self.look())
        self.assertNext('2026-03-29 22:00', waits('2026-03-29 22:00:00'),
                        audit)

    def test_cron_in_its_zone(self):
        audit = self.continuous('30 2 * * *', ['!Sun 00:00-24:00'],
                                time_zone='Europe/Berlin')
        self.look()
        # Clocks are put forward on Sunday.
        self.assertNext('2026-03-30 00:30', None, audit)
        self.at('2026-03-30 00:30:01')
        self.assertEqual(1, self.look())
        self.assertNext('2026-03-31 00:30', None, audit)

    def test_operators_windows(self):
        audit = self.continuous('3600')
        self.assertEqual(1, self.look())
        self.assertNext('2026-03-28 13:00', None, audit)
        self.config(group='watcher_decision_engine', run_windows=NIGHTS)
        self.config(time_zone='America/New_York')
        self.look()
        self.assertNext('2026-03-29 02:00', waits('2026-03-29 02:00:00'),
                        audit)
        self.config(group='watcher_decision_engine', run_windows=[])
        self.look()
        self.assertNext('2026-03-28 13:00', None, audit)

    def test_changes_count_in_the_next_round(self):
        audit = self.continuous('3600')
        self.look()
        self.say(audit, NIGHTS)
        self.look()
        self.assertNext('2026-03-28 22:00', waits('2026-03-28 22:00:00'),
                        audit)
        self.say(audit, NIGHTS, 'Europe/Berlin')
        self.look()
        self.assertNext('2026-03-28 21:00', waits('2026-03-28 21:00:00'),
                        audit)
        self.say(audit, ())
        self.look()
        self.assertNext('2026-03-28 13:00', None, audit)

    def test_change_between_look_and_run(self):
        audit = self.continuous('3600')
        with mock.patch.object(self.dispatcher, '_start') as start:
            self.dispatcher._round()
        start.assert_called_once_with(audit.uuid, None)
        self.say(audit, NIGHTS)
        self.dispatcher._run(audit.uuid, None)
        self.assertEqual([], self.plans())
        self.assertNext('2026-03-28 22:00', waits('2026-03-28 22:00:00'),
                        audit)

    def test_window_closed_while_the_run_waited(self):
        for interval, date, message in (
                ('600', '2026-03-28 22:00', waits('2026-03-28 22:00:00')),
                ('0 * * * *', '2026-03-28 22:00',
                 'The run of 2026-03-28 05:00:00 UTC was left out: its '
                 'windows are closed')):
            with self.subTest(interval):
                self.at('2026-03-28 06:00:01')
                due = datetime.datetime(2026, 3, 28, 5)
                audit = self.continuous(
                    interval, NIGHTS, state=AUDIT.ONGOING,
                    next_run_time=due + datetime.timedelta(minutes=1)
                    if interval == '600' else due, hostname='engine-1')
                # Not so late that it would be left out for that.
                with mock.patch.object(schedule, 'CRON_GRACE', 7200):
                    self.assertEqual(0, self.look())
                self.assertNext(date, message, audit)

    def test_closing_does_not_interrupt_a_run(self):
        def close(_audit):
            self.at('2026-03-28 13:00')
        self.during_strategy(close)
        audit = self.continuous('600', ['10:00-12:30'])
        self.assertEqual(1, self.look())
        self.assertNext('2026-03-29 10:00', waits('2026-03-29 10:00:00'),
                        audit)

    def test_failure_is_not_hidden(self):
        def fail(_audit):
            raise exception.NovaClientError(reason='refused')
        audit = self.continuous('3600', ['10:00-12:30'])
        self.during_strategy(fail)
        self.look()
        found = factories.reread(audit)
        self.assertEqual('2026-03-29 10:00:00', str(found.next_run_time))
        self.assertIn('refused', found.status_message)
        self.say(audit, ['10:00-12:30', '!Sun 00:00-24:00'])
        self.look()
        self.assertNext('2026-03-30 10:00', found.status_message, audit)

    def test_message_ends_with_the_audit(self):
        audit = self.continuous('600', NIGHTS, end_time=datetime.datetime(
            2026, 3, 28, 20))
        self.look()
        self.assertNext('2026-03-28 22:00', waits('2026-03-28 22:00:00'),
                        audit)
        self.at('2026-03-28 20:00')
        self.look()
        self.assertNext(None, None, audit)
        self.assertEqual(AUDIT.SUCCEEDED, factories.reread(audit).state)

    def test_suspended_between_read_and_look(self):
        audit = self.continuous(
            '600', ['12:00-13:00'], state=AUDIT.ONGOING, hostname='engine-1',
            next_run_time=datetime.datetime(2026, 3, 28, 13))
        self.at('2026-03-28 13:00')
        real = continuous.said_by

        def suspend(row):
            self.change_state(AUDIT.SUSPENDED)(row)
            return real(row)
        with mock.patch.object(continuous, 'said_by', suspend):
            self.dispatcher._run(audit.uuid, None)
        self.assertNext('2026-03-28 13:00', None, audit)

    def test_date_survives_restart_and_takeover(self):
        audit = self.continuous('3600', NIGHTS)
        self.look()
        for host in ('engine-1', 'engine-2'):
            self.config(host=host)
            self.start_engine()
            self.at('2026-03-28 14:00')
            self.assertEqual(0, self.look())
            self.assertNext('2026-03-28 22:00',
                            waits('2026-03-28 22:00:00'), audit)
        self.assertEqual('engine-2', factories.reread(audit).hostname)
        self.at('2026-03-28 22:10')
        self.assertEqual(1, self.look())
        # The opening was the date of that run.
        self.assertNext('2026-03-28 23:00', None, audit)

    def test_never(self):
        for interval, texts in (('600', ['2026-03-27']),
                                ('0 12 * * *', NIGHTS)):
            with self.subTest(interval):
                audit = self.continuous(interval, texts)
                self.look()
                self.assertNext(
                    None, f'Not scheduled: no date matches the interval '
                    f'{interval} within its windows any more', audit)
                # That is not searched for in every round.
                self.look()
                with mock.patch.object(schedule.Timetable, 'parse') as parse:
                    self.look()
                parse.assert_not_called()
                self.say(audit, ())
                self.look()
                self.assertIsNotNone(factories.reread(audit).next_run_time)

    def test_only_audits_without_a_date_are_warned_of(self):
        with self.assertLogs(scheduler.LOG.logger, 'INFO') as logs:
            waiting = self.continuous('600', NIGHTS)
            never = self.continuous('600', ['2026-03-27'])
            self.look()
        self.assertEqual(
            [('INFO', f'Audit {waiting.uuid}: '
              f'{waits("2026-03-28 22:00:00")}'),
             ('WARNING', f'Audit {never.uuid}: {self.message(never)}')],
            [(record.levelname, record.getMessage())
             for record in logs.records
             if record.msg == 'Audit %(uuid)s: %(message)s'])

    def test_unreadable_ones_disturb_no_other(self):
        texts = ('["noon"]', '"noon"', '5', '[5, {"a": []}]', '{"a": 1}',
                 'noon', '[')
        broken = [self.continuous(run_windows=NIGHTS) for _text in texts]
        for audit, text in zip(broken, texts, strict=True):
            self.spoil(audit, text)
        lost = self.continuous(time_zone='Europe/Atlantis')
        good = self.continuous('600', ['12:00-13:00'])
        self.assertEqual(1, self.look())
        self.assertNext('2026-03-28 12:10', None, good)
        for audit in (*broken, lost):
            found = factories.reread(audit)
            self.assertEqual((AUDIT.PENDING, None),
                             (found.state, found.next_run_time))
            self.assertIn(continuous.NOT_SCHEDULED, found.status_message)
        self.assertIn("'noon' is not a window", self.message(broken[0]))
        self.assertIn('Europe/Atlantis', self.message(lost))
        # Mended, they run.
        self.say(broken[-1], ['12:00-13:00'])
        self.assertEqual(1, self.look())

    def test_cost_of_a_round(self):
        """What is in order costs as much for one audit as for many."""
        costs = []
        for count in (1, 20):
            for _number in range(count):
                self.continuous('3600', NIGHTS)
            self.look()
            self.look()
            with counted_statements() as asked, mock.patch.object(
                    schedule.Timetable, 'parse') as parse:
                self.look()
            parse.assert_not_called()
            costs.append(len(asked))
        self.assertEqual(costs[0], costs[1])


class TestOneShot(WindowsTestCase):

    def test_waits_for_its_own(self):
        audit = self.audit(run_windows=NIGHTS)
        self.assertEqual(0, self.look())
        self.assertEqual(
            (AUDIT.PENDING, waits('2026-03-28 22:00:00')),
            (factories.reread(audit).state, self.message(audit)))
        # Looked at once, and again at the opening.
        self.heard.clear()
        with mock.patch.object(self.dispatcher, '_start') as start:
            self.look()
        start.assert_not_called()
        self.assertEqual([], self.heard)
        self.at('2026-03-28 21:59:58')
        self.look()
        self.assertLessEqual(self.dispatcher._pause, 2)
        self.at('2026-03-28 22:00')
        self.assertEqual(1, self.look())
        self.assertEqual((AUDIT.SUCCEEDED, None),
                         (factories.reread(audit).state,
                          self.message(audit)))

    def test_those_of_the_operator_bind_if_he_says_so(self):
        self.config(group='watcher_decision_engine', run_windows=NIGHTS)
        self.audit()
        self.assertEqual(1, self.look())
        self.config(windows_bind='all')
        audit = self.audit()
        self.assertEqual(0, self.look())
        self.assertEqual(waits('2026-03-28 22:00:00'), self.message(audit))
        self.config(group='watcher_decision_engine', run_windows=[])
        self.assertEqual(1, self.look())

    def test_they_do_not_hold_up_others(self):
        waiting = [self.audit(run_windows=NIGHTS) for _number in range(9)]
        good = self.audit()
        for _round in range(6):
            self.look()
        self.assertEqual(AUDIT.SUCCEEDED, factories.reread(good).state)
        self.assertEqual({waits('2026-03-28 22:00:00')},
                         {self.message(audit) for audit in waiting})

    def test_change_counts_even_within_the_same_second(self):
        audit = self.audit(run_windows=NIGHTS)
        self.look()
        self.say(audit, ['12:00-13:00'])
        self.assertEqual(1, self.look())

    def test_message_of_the_api_starts_nothing(self):
        audit = self.audit(run_windows=NIGHTS)
        self.dispatcher.trigger(self.context, audit.uuid)
        self.assertEqual(0, self.look())
        self.assertEqual(0, self.look())
        self.assertEqual(waits('2026-03-28 22:00:00'), self.message(audit))

    def test_never(self):
        audit = self.audit(run_windows=['2026-03-27'])
        self.look()
        self.look()
        self.assertEqual(
            (AUDIT.PENDING, f'{opening.WAITS}, which never opens again'),
            (factories.reread(audit).state, self.message(audit)))

    def test_unreadable(self):
        audit = self.audit(run_windows=NIGHTS)
        self.spoil(audit, 'noon')
        good = self.audit()
        self.look()
        self.assertEqual(AUDIT.SUCCEEDED, factories.reread(good).state)
        self.assertEqual(AUDIT.PENDING, factories.reread(audit).state)
        self.assertIn("which is unreadable: 'noon' is not a window",
                      self.message(audit))
        self.say(audit, ())
        self.assertEqual(1, self.look())

    def test_clock_that_is_set_back(self):
        """It comes to an earlier opening, or to one that was over."""
        for date, texts in (('2026-03-29 12:00', NIGHTS),
                            ('2031-01-01 12:00', ['2026-03-28 22:00/'
                                                  '2026-03-29'])):
            with self.subTest(date):
                self.at(date)
                audit = self.audit(run_windows=texts)
                self.assertEqual(0, self.look())
                self.at('2026-03-28 12:00')
                self.assertEqual(0, self.look())
                self.assertEqual(waits('2026-03-28 22:00:00'),
                                 self.message(audit))
                self.at('2026-03-28 22:00')
                self.assertEqual(1, self.look())

    def test_cancelled_while_it_waits(self):
        audit = self.audit(run_windows=NIGHTS)
        self.look()
        self.change_state(AUDIT.CANCELLED)(audit)
        self.at('2026-03-28 22:00')
        self.assertEqual(0, self.look())
        self.assertEqual(AUDIT.CANCELLED, factories.reread(audit).state)


class TestEvent(WindowsTestCase):

    def setUp(self):
        super().setUp()
        self.event = self.audit(factories.EVENT, NIGHTS)

    def trigger(self):
        objects.AuditRun.trigger(self.context, self.event.id)

    def test_triggers_wait_and_are_one_run(self):
        self.trigger()
        self.trigger()
        self.dispatcher.trigger(self.context, self.event.uuid)
        self.assertEqual(0, self.look())
        self.assertEqual(waits('2026-03-28 22:00:00'),
                         self.message(self.event))
        self.at('2026-03-28 22:00')
        self.assertEqual(1, self.look())
        self.assertIsNone(self.message(self.event))
        self.assertEqual(0, self.look())

    def test_operators_windows_bind(self):
        self.say(self.event, ())
        self.config(group='watcher_decision_engine', run_windows=NIGHTS)
        self.trigger()
        self.assertEqual(0, self.look())
        self.assertEqual(waits('2026-03-28 22:00:00'),
                         self.message(self.event))

    def test_trigger_after_a_message_that_came_late(self):
        """That one is in vain, and keeps nobody from looking again."""
        self.dispatcher.trigger(self.context, self.event.uuid)
        self.look()
        self.trigger()
        self.look()
        self.assertEqual(waits('2026-03-28 22:00:00'),
                         self.message(self.event))

    def test_without_a_trigger_nothing_is_said(self):
        """Messages of an older API leave nothing that could wait."""
        self.assertEqual(0, self.look())
        self.assertIsNone(self.message(self.event))
        self.dispatcher.trigger(self.context, self.event.uuid)
        self.assertEqual(0, self.look())
        self.assertIsNone(self.message(self.event))
        self.assertIn(f'The trigger of audit {self.event.uuid} has no '
                      f'effect', self.logger.output)
