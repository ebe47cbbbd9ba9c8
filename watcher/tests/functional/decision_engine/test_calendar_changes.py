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
"""CONTINUOUS audits over months: users who change them, runs that fail.

Changes are made between two rounds of the engine, which sees them after ten
seconds at most.
"""

from watcher import objects
from watcher.common import exception
from watcher.tests.fixtures.virtual_time import date
from watcher.tests.fixtures.virtual_time import dates
from watcher.tests.fixtures.virtual_time import every
from watcher.tests.functional.decision_engine import test_calendar
from watcher.tests.unit.decision_engine import factories

AUDIT = objects.audit.State
HOUR = 3600


class ChangesTestCase(test_calendar.VirtualTimeTestCase):

    def start(self, interval, begin='2026-01-01', **fields):
        self.now = self.world(begin)
        self.engine = self.now.engine()
        self.audit = self.now.audit(interval, **fields)

    def at(self, moment, **fields):
        self.now.at(moment, lambda: self.now.change(self.audit, **fields))

    def read(self):
        return factories.reread(self.audit)


class TestInterval(ChangesTestCase):

    def test_shortened_and_made_longer(self):
        self.start(24 * HOUR)
        self.at('2026-01-03 06:00:05', interval=str(HOUR))
        self.at('2026-01-03 09:30:05', interval=str(24 * HOUR))
        self.now.until('2026-01-06')
        # The shorter one does not wait for the date of the longer one: it
        # counts from the look that finds it. The other way round the date
        # stands, and the new rhythm begins with it.
        self.assertRan(dates(
            '2026: 01-01T00:00 01-02T00:00 01-03T00:00 01-03T07:00:10 '
            '01-03T08:00:10 01-03T09:00:10 01-03T10:00:10 '
            '01-04T10:00:10 01-05T10:00:10'), self.now)

    def test_to_cron_and_back(self):
        self.start(6 * HOUR)
        self.at('2026-01-01 13:00:03', interval='30 2 * * *')
        self.at('2026-01-04 12:00:03', interval=str(6 * HOUR))
        self.now.until('2026-01-05')
        self.assertRan(dates(
            '2026: 01-01T00:00 01-01T06:00 01-01T12:00 01-02T02:30 '
            '01-03T02:30 01-04T02:30 01-04T18:00:10'), self.now)

    def test_cron_to_cron(self):
        self.start('0 3 * * 1')
        self.at('2026-01-14', interval='0 4 15 * *')
        self.at('2026-03-16', interval='0 5 29 2 *')
        self.now.until('2026-12-31')
        self.assertRan(dates(
            '2026: 01-05T03:00 01-12T03:00 01-15T04:00 02-15T04:00 '
            '03-15T04:00'), self.now)
        self.assertEqual('2028-02-29 05:00:00',
                         str(self.read().next_run_time))

    def test_during_a_run(self):
        self.start(6 * HOUR, lasts=HOUR)
        # Seen at the end of the run at 07:00, and by the rhythm of then.
        self.at('2026-01-01 06:30', interval=str(2 * HOUR))
        self.now.until('2026-01-01 13:00')
        self.assertRan(dates('2026: 01-01T00:00 01-01T06:00 01-01T08:00 '
                             '01-01T10:00 01-01T12:00'), self.now)

    def test_nonsense_and_mended(self):
        self.start(6 * HOUR)
        self.at('2026-01-01 07:00:03', interval='every now and then')
        self.at('2026-01-03 07:00:03', interval=str(6 * HOUR))
        self.now.until('2026-01-02')
        self.assertIn('every now and then', self.read().status_message)
        self.now.until('2026-01-03 16:00')
        self.assertRan(dates('2026: 01-01T00:00 01-01T06:00 01-03T07:00:10 '
                             '01-03T13:00:10'), self.now)
        self.assertIsNone(self.read().status_message)

    def test_date_that_never_comes(self):
        self.start('0 0 30 2 *')
        self.now.until('2026-06-01')
        self.assertEqual([], self.now.runs)
        self.assertIsNone(self.read().next_run_time)
        self.assertIn('no date', self.read().status_message)
        self.now.change(self.audit, interval='0 0 30 6 *')
        self.now.until('2026-07-01')
        self.assertRan(dates('2026: 06-30', '00:00'), self.now)


class TestWindow(ChangesTestCase):
    """Start and end times that move."""

    def test_start_time_moved(self):
        self.start(24 * HOUR, start_time='2026-01-10')
        self.at('2026-01-05', start_time=date('2026-01-07 06:00'))
        self.at('2026-01-09', start_time=date('2026-02-01 12:00'))
        self.now.until('2026-02-04')
        self.assertRan(dates('2026: 01-07T06:00 01-08T06:00 02-01T12:00 '
                             '02-02T12:00 02-03T12:00'), self.now)

    def test_start_time_taken_away(self):
        self.start(24 * HOUR, start_time='2026-03-01')
        self.at('2026-01-05 00:00:05', start_time=None)
        self.now.until('2026-01-07')
        # It has never run: at once.
        self.assertRan(dates('2026: 01-05T00:00:10 01-06T00:00:10'),
                       self.now)

    def test_start_time_of_cron(self):
        self.start('0 6 * * *', start_time='2026-03-28 06:00:01')
        self.at('2026-01-05 00:00:05', start_time=date('2026-01-07 05:59:59'))
        self.now.until('2026-01-09')
        self.assertRan(dates('2026: 01-07 01-08', '06:00'), self.now)

    def test_end_time_moved(self):
        self.start(24 * HOUR, end_time='2026-01-03 12:00')
        self.at('2026-01-03 11:59', end_time=date('2026-01-05 12:00'))
        self.at('2026-01-05 11:59', end_time=None)
        self.at('2026-01-07 11:59', end_time=date('2026-01-07 11:00'))
        self.now.until('2026-02-01')
        self.assertRan(dates('2026: 01-01 01-02 01-03 01-04 01-05 01-06 '
                             '01-07', '00:00'), self.now)
        self.assertEqual(AUDIT.SUCCEEDED, self.read().state)

    def test_end_time_in_the_middle_of_a_run(self):
        self.start(24 * HOUR, lasts=HOUR, end_time='2026-01-02 00:30')
        self.now.until('2026-01-03')
        # What has begun is stored, and nothing comes after it.
        self.assertRan(dates('2026: 01-01 01-02', '00:00'), self.now)
        self.assertEqual(2, self.now.results())
        self.assertEqual((AUDIT.SUCCEEDED, None), (
            self.read().state, self.read().next_run_time))


class TestUsers(ChangesTestCase):

    def test_suspended_for_less_than_an_interval(self):
        """Contract, 10.6: a date in the future stands."""
        self.start(24 * HOUR)
        self.at('2026-01-02 06:00', state=AUDIT.SUSPENDED)
        self.at('2026-01-02 18:00', state=AUDIT.ONGOING)
        self.now.until('2026-01-05')
        self.assertRan(every('2026-01-01', 24 * HOUR, 4), self.now)

    def test_suspended_for_weeks(self):
        self.start(24 * HOUR)
        self.at('2026-01-02 06:00', state=AUDIT.SUSPENDED)
        self.at('2026-02-01 18:00:04', state=AUDIT.ONGOING)
        self.now.until('2026-01-31')
        self.assertEqual('2026-01-03 00:00:00',
                         str(self.read().next_run_time))
        self.now.until('2026-02-04')
        # One run for all that were missed, then the old rhythm.
        self.assertRan(dates('2026: 01-01T00:00 01-02T00:00 02-01T18:00:10 '
                             '02-02T00:00 02-03T00:00'), self.now)

    def test_suspended_cron(self):
        self.start('0 2 * * *')
        self.at('2026-01-02 06:00', state=AUDIT.SUSPENDED)
        self.at('2026-02-01 18:00', state=AUDIT.ONGOING)
        self.now.until('2026-02-04')
        # Night work is not made up for by day.
        self.assertRan(dates('2026: 01-01 01-02 02-02 02-03', '02:00'),
                       self.now)

    def test_suspended_during_a_run(self):
        self.start(24 * HOUR, lasts=HOUR)
        self.at('2026-01-02 00:30', state=AUDIT.SUSPENDED)
        self.at('2026-01-04 12:00:05', state=AUDIT.ONGOING)
        self.now.until('2026-01-06')
        # The run of 2 January stored nothing, and is due.
        self.assertRan(dates('2026: 01-01T00:00 01-02T00:00 01-04T12:00:10 '
                             '01-05T00:00'), self.now)
        self.assertEqual(3, self.now.results())

    def test_cancelled(self):
        self.start(24 * HOUR)
        self.at('2026-01-03 12:00', state=AUDIT.CANCELLED)
        self.now.until('2026-06-01')
        self.assertRan(every('2026-01-01', 24 * HOUR, 3), self.now)

    def test_parameters_count_from_the_next_run_on(self):
        """Contract, defect 10."""
        self.start(24 * HOUR, lasts=HOUR, parameters={'threshold': 1})
        self.at('2026-01-02 00:30', parameters={'threshold': 2})
        self.at('2026-01-03 12:00', parameters={'threshold': 3})
        self.now.until('2026-01-05')
        self.assertEqual(
            [1, 1, 2, 3],
            [run.parameters['threshold'] for run in self.now.runs])


class TestFailures(ChangesTestCase):

    def test_back_off_in_the_rhythm(self):
        """Pauses double to an hour at most; runs stay in the rhythm."""
        self.start(600, fails=lambda run: exception.WatcherException('away')
                   if run.date < date('2026-01-01 05:00') else None)
        self.now.until('2026-01-01 06:20')
        # Pauses of 1, 2, 4, 8, 16, 32 minutes, then of an hour.
        self.assertRan(dates(
            '2026: 01-01T00:00 01-01T00:10 01-01T00:20 01-01T00:30 '
            '01-01T00:40 01-01T01:00 01-01T01:40 01-01T02:40 01-01T03:40 '
            '01-01T04:40 01-01T05:40 01-01T05:50 01-01T06:00 01-01T06:10'),
            self.now)
        self.assertIsNone(self.read().status_message)
        self.assertEqual(4, self.now.results())

    def test_failing_audits_hold_up_no_other(self):
        self.start(24 * HOUR, fails=lambda run: ValueError('broken'))
        self.now.audit(12 * HOUR, 'other')
        self.now.until('2026-01-05')
        self.assertRan(every('2026-01-01', 24 * HOUR, 4), self.now)
        self.assertRan(every('2026-01-01', 12 * HOUR, 8), self.now, 'other')
        self.assertEqual((AUDIT.ONGOING, 8), (self.read().state,
                                              self.now.results()))
        self.assertIn('4 failures in a row', self.read().status_message)

    def test_nightly_work_that_fails(self):
        """No second attempt by day."""
        self.start('0 2 * * *', fails=lambda run: exception.WatcherException(
            'away') if run.date < date('2026-01-03') else None)
        self.now.until('2026-01-05')
        self.assertRan(dates('2026: 01-01 01-02 01-03 01-04', '02:00'),
                       self.now)

    def test_run_that_hangs(self):
        self.config(group='watcher_decision_engine', max_audit_duration=HOUR)
        self.start(2 * HOUR, lasts=lambda run: (
            5 * HOUR if run.date == date('2026-01-01 02:00') else 60))
        self.now.until('2026-01-01 03:01')
        self.assertIn('given up', self.read().status_message)
        self.now.until('2026-01-01 09:00')
        # Given up at 03:00; when it ends at last, it stores nothing.
        self.assertRan(every('2026-01-01', 2 * HOUR, 5), self.now)
        self.assertEqual(4, self.now.results())
