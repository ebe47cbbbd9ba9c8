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
"""Virtual time: years of runs, exact to the second, in milliseconds."""

import datetime
import os
import time
from unittest import mock

from watcher.common import crons
from watcher.common import exception
from watcher.common import schedule
from watcher.common import windows
from watcher.tests import base

NOW = datetime.datetime(2026, 3, 28, 12, 0)


def at(text):
    return datetime.datetime.fromisoformat(text)


def later(**kwargs):
    return NOW + datetime.timedelta(**kwargs)


class Engine:
    """What an engine does with one audit, at any moment a test likes."""

    def __init__(self, interval, start=None):
        self.interval = interval
        self.start = start
        self.stored = None
        self.runs = []

    def table(self):
        return schedule.Timetable.parse(self.interval, 'salt')

    def look(self, now, duration=0):
        """Look at the audit now; a run takes so many seconds."""
        table = self.table()
        self.stored = table.settle(self.stored, now, self.start,
                                   has_run=bool(self.runs))
        if self.stored is None or self.stored > now:
            return
        self.runs.append(now)
        end = now + datetime.timedelta(seconds=duration)
        self.stored = table.following(self.stored, end)

    def work(self, begin, end, duration=0):
        """Look exactly when something is due, for as long as that."""
        now = begin
        while now <= end:
            self.look(now, duration)
            if self.stored is None:
                return
            now = max(self.stored, now)


class TestSeconds(base.TestCase):

    def test_first_run_at_once_then_in_its_rhythm(self):
        engine = Engine('600')
        engine.work(NOW, later(minutes=30))
        self.assertEqual([later(minutes=m) for m in (0, 10, 20, 30)],
                         engine.runs)

    def test_no_drift_however_long_a_run_takes(self):
        engine = Engine('600')
        engine.work(NOW, later(hours=1), duration=599)
        self.assertEqual([later(minutes=m) for m in range(0, 70, 10)],
                         engine.runs)

    def test_no_pile_up_when_a_run_is_longer_than_the_interval(self):
        engine = Engine('60')
        engine.work(NOW, later(minutes=6), duration=90)
        self.assertEqual([later(minutes=m) for m in (0, 2, 4, 6)],
                         engine.runs)

    def test_one_run_after_an_outage_then_the_old_rhythm(self):
        # The example of the specification: due at 7:30, back at 9:00.
        engine = Engine('3600')
        engine.stored = at('2026-03-28T07:30')
        engine.runs.append(at('2026-03-28T06:30'))
        engine.work(at('2026-03-28T09:00'), at('2026-03-28T10:30'))
        self.assertEqual(
            [at('2026-03-28T09:00'), at('2026-03-28T09:30'),
             at('2026-03-28T10:30')], engine.runs[1:])

    def test_outage_of_days_keeps_the_phase(self):
        # 49 hours away with 7 hours between two runs.
        engine = Engine('25200')
        engine.work(NOW, NOW)
        engine.work(later(hours=49, minutes=1), later(hours=60))
        self.assertEqual([later(hours=49, minutes=1), later(hours=56)],
                         engine.runs[1:])

    def test_shorter_interval_does_not_wait_for_the_old_one(self):
        engine = Engine('86400')
        engine.work(NOW, NOW)
        engine.interval = '60'
        engine.work(later(seconds=30), later(minutes=3))
        self.assertEqual([later(seconds=90), later(seconds=150)],
                         engine.runs[1:])

    def test_longer_interval_counts_from_the_next_run(self):
        engine = Engine('60')
        engine.work(NOW, NOW)
        engine.interval = '3600'
        engine.work(later(seconds=30), later(hours=2))
        self.assertEqual([later(seconds=60), later(seconds=3660)],
                         engine.runs[1:])

    def test_from_seconds_to_cron_and_back(self):
        engine = Engine('86400')
        engine.work(NOW, NOW)
        engine.interval = '30 12 * * *'
        engine.work(later(seconds=5), later(minutes=30))
        self.assertEqual([later(minutes=30)], engine.runs[1:])
        engine.interval = '600'
        engine.work(later(minutes=31), later(minutes=45))
        self.assertEqual([later(minutes=41)], engine.runs[2:])

    def test_years_of_restarts_and_no_run_too_much(self):
        engine = Engine('86400')
        for day in range(1000):
            # A restart means: look, having forgotten everything.
            for hour in (0, 1, 13):
                engine.look(later(days=day, hours=hour))
        self.assertEqual([later(days=day) for day in range(1000)],
                         engine.runs)

    def test_clock_that_was_far_ahead(self):
        engine = Engine('600')
        engine.look(later(days=400))
        engine.look(NOW)
        self.assertEqual(later(minutes=10), engine.stored)


class TestCron(base.TestCase):

    def test_waits_for_its_first_match(self):
        engine = Engine('0 2 * * *')
        engine.work(NOW, later(days=2))
        self.assertEqual([at('2026-03-29T02:00'), at('2026-03-30T02:00')],
                         engine.runs)

    def test_summer_time_changes_nothing(self):
        # Europe went to summer time on 2026-03-29 and back on 2026-10-25;
        # 02:30 did not exist, or came twice. In UTC every day has it once.
        def set_zone(name):
            if name is None:
                os.environ.pop('TZ', None)
            else:
                os.environ['TZ'] = name
            time.tzset()
        self.addCleanup(set_zone, os.environ.get('TZ'))
        expected = [at('2026-03-01T02:30') + datetime.timedelta(days=day)
                    for day in range(275)]
        for zone in ('Europe/Berlin', 'America/St_Johns', 'UTC'):
            set_zone(zone)
            engine = Engine('30 2 * * *')
            engine.work(at('2026-03-01T00:00'), at('2026-11-30T12:00'))
            self.assertEqual(expected, engine.runs)

    def test_leap_day(self):
        engine = Engine('0 0 29 2 *')
        engine.work(NOW, at('2041-01-01T00:00'))
        self.assertEqual(
            [at(f'{year}-02-29T00:00') for year in (2028, 2032, 2036, 2040)],
            engine.runs)

    def test_last_day_of_the_month(self):
        engine = Engine('0 0 L * *')
        engine.work(at('2028-01-01T00:00'), at('2028-05-01T00:00'))
        self.assertEqual(
            [at(f'2028-{day}T00:00')
             for day in ('01-31', '02-29', '03-31', '04-30')], engine.runs)

    def test_seconds_years_and_aliases(self):
        engine = Engine('* * * * * */20')
        engine.work(NOW, later(seconds=59))
        self.assertEqual([later(seconds=20), later(seconds=40)], engine.runs)
        engine = Engine('0 6 1 1 * 0 2027-2028')
        engine.work(NOW, at('2031-01-01T00:00'))
        self.assertEqual([at('2027-01-01T06:00'), at('2028-01-01T06:00')],
                         engine.runs)
        self.assertIsNone(engine.stored)
        engine = Engine('@daily')
        engine.work(NOW, later(days=2))
        self.assertEqual([at('2026-03-29T00:00'), at('2026-03-30T00:00')],
                         engine.runs)

    def test_short_delay_is_made_up_for(self):
        engine = Engine('0 2 * * *')
        engine.stored = at('2026-03-28T02:00')
        engine.look(at('2026-03-28T02:59'))
        self.assertEqual([at('2026-03-28T02:59')], engine.runs)
        self.assertEqual(at('2026-03-29T02:00'), engine.stored)

    def test_night_work_is_not_made_up_for_by_day(self):
        engine = Engine('0 2 * * *')
        engine.stored = at('2026-03-28T02:00')
        engine.look(at('2026-03-28T09:00'))
        self.assertEqual([], engine.runs)
        self.assertEqual(at('2026-03-29T02:00'), engine.stored)

    def test_new_expression_counts_at_once(self):
        engine = Engine('0 0 1 1 *')
        engine.look(NOW)
        engine.interval = '15 12 * * *'
        engine.look(NOW)
        self.assertEqual(at('2026-03-28T12:15'), engine.stored)

    def test_random_values_are_drawn_once(self):
        seen = set()
        for salt in ('a', 'b', 'c', 'd'):
            table = schedule.Timetable.parse('R R(1-4) * * *', salt)
            dates = {table.settle(None, NOW) for _ in range(20)}
            self.assertEqual(1, len(dates))
            seen |= dates
        self.assertGreater(len(seen), 1)


class TestStartTime(base.TestCase):

    def test_seconds_begin_with_it(self):
        engine = Engine('600', start=at('2026-03-28T12:07'))
        engine.look(NOW)
        self.assertEqual(engine.start, engine.stored)
        engine.work(later(minutes=1), later(minutes=20))
        self.assertEqual([later(minutes=7), later(minutes=17)], engine.runs)

    def test_cron_begins_with_the_first_match(self):
        engine = Engine('0 * * * *', start=at('2026-03-28T14:00'))
        engine.work(NOW, later(hours=3))
        self.assertEqual([later(hours=2), later(hours=3)], engine.runs)
        engine = Engine('0 * * * *', start=at('2026-03-28T14:01'))
        engine.work(NOW, later(hours=3))
        self.assertEqual([later(hours=3)], engine.runs)

    def test_moved_away_and_back(self):
        engine = Engine('600')
        engine.work(NOW, NOW)
        engine.start = later(days=30)
        engine.work(later(minutes=1), later(hours=1))
        self.assertEqual(later(days=30), engine.stored)
        engine.start = later(minutes=1)
        engine.work(later(hours=1), later(hours=1, minutes=15))
        self.assertEqual([later(hours=1, minutes=10)], engine.runs[1:])

    def test_moved_forward_before_the_first_run(self):
        engine = Engine('600', start=later(days=30))
        engine.look(NOW)
        engine.start = later(minutes=-5)
        engine.look(NOW)
        self.assertEqual([NOW], engine.runs)


class TestParse(base.TestCase):

    def test_what_is_no_interval(self):
        for interval in (None, '', '0', '-5', 'soon', '61 * * * *', '* * *',
                         '9' * 20):
            error = self.assertRaises(
                exception.Invalid, schedule.Timetable.parse, interval)
            self.assertIn(str(interval), str(error))

    def test_no_date_at_all(self):
        table = schedule.Timetable.parse('0 0 30 2 *')
        self.assertIsNone(table.settle(None, NOW))
        self.assertIsNone(table.following(NOW, NOW))

    def test_fractions_of_seconds(self):
        self.assertEqual(
            NOW, schedule.whole_seconds(later(microseconds=999_999)))


class TestPause(base.TestCase):

    def test_between_two_runs(self):
        for interval, seconds in (
                ('600', 600), ('*/5 * * * *', 300), ('0 2 * * *', 86400),
                ('@hourly', 3600), ('0 0 30 2 *', None)):
            self.assertEqual(
                seconds, schedule.Timetable.parse(interval).pause(NOW))


class InWindows(Engine):
    """An engine that knows of windows, which may change at any moment."""

    zone = datetime.UTC

    def __init__(self, interval, *texts, **kwargs):
        super().__init__(interval, **kwargs)
        self.texts = texts

    def table(self):
        return schedule.Timetable.parse(
            self.interval, 'salt', self.zone,
            windows.Windows.parse(self.texts, self.zone))


class TestWindows(base.TestCase):

    def test_by_seconds_the_rhythm_goes_on_from_the_opening(self):
        engine = InWindows('21600', '22:00-10:30')
        engine.work(NOW, later(days=2))
        # Every six hours: at 22, 4 and 10; 16 is put off to 22.
        self.assertEqual(
            [at('2026-03-28T22:00'), at('2026-03-29T04:00'),
             at('2026-03-29T10:00'), at('2026-03-29T22:00'),
             at('2026-03-30T04:00'), at('2026-03-30T10:00')], engine.runs)

    def test_many_missed_dates_are_one_run(self):
        engine = InWindows('60', 'Mon 03:00-03:02')
        engine.work(NOW, later(days=9))
        self.assertEqual(
            [at('2026-03-30T03:00'), at('2026-03-30T03:01'),
             at('2026-04-06T03:00'), at('2026-04-06T03:01')], engine.runs)

    def test_of_a_cron_expression_matches_are_left_out(self):
        engine = InWindows('0 */6 * * *', '22:00-10:30', '!2026-03-29')
        engine.work(NOW, later(days=2))
        self.assertEqual(
            [at('2026-03-30T00:00'), at('2026-03-30T06:00')], engine.runs)

    def test_closing_counts_for_a_run_that_is_late(self):
        for interval, at_first in (('3600', [NOW]), ('0 * * * *', [])):
            with self.subTest(interval):
                engine = InWindows(interval, '12:00-13:30')
                engine.look(NOW)
                engine.look(later(minutes=95))
                self.assertEqual(at_first, engine.runs)
                engine.look(later(days=1))
                self.assertEqual([*at_first, later(days=1)], engine.runs)

    def test_changed_windows_count_at_once(self):
        engine = InWindows('600')
        engine.work(NOW, later(minutes=5))
        engine.texts = ('20:00-21:00',)
        engine.look(later(minutes=6))
        self.assertEqual(at('2026-03-28T20:00'), engine.stored)
        engine.texts = ()
        engine.work(later(minutes=7), later(minutes=20))
        self.assertEqual([NOW, later(minutes=17)], engine.runs)

    def test_start_time_outside(self):
        for interval, first in (('600', '2026-03-29T20:00'),
                                ('5 */4 * * *', '2026-03-29T20:05')):
            with self.subTest(interval):
                engine = InWindows(interval, '20:00-21:00',
                                   start=at('2026-03-28T21:00'))
                engine.look(NOW)
                self.assertEqual(at(first), engine.stored)

    def test_never(self):
        for interval, texts in (
                ('600', ['!00:00-24:00']), ('600', ['2026-03-27']),
                ('0 12 * * *', ['02:00-04:00']),
                ('0 12 * * Mon', ['Sun 00:00-24:00'])):
            with self.subTest((interval, texts)):
                table = InWindows(interval, *texts).table()
                self.assertIsNone(table.settle(None, NOW))
                self.assertIsNone(table.following(NOW, NOW))
                self.assertIsNone(table.settle(None, NOW, later(days=3)))

    def test_what_an_opening_is(self):
        table = InWindows('600', '12:00-13:00').table()
        self.assertTrue(table.is_opening(NOW))
        self.assertFalse(table.is_opening(later(minutes=1)))
        self.assertFalse(InWindows('600').table().is_opening(NOW))
        self.assertFalse(InWindows('0 12 * * *', '12:00-13:00').table()
                         .is_opening(NOW))

    def test_zone_of_both(self):
        engine = InWindows('30 2 * * *', 'Sun 00:00-06:00')
        engine.zone = windows.zone_of('Europe/Berlin')
        engine.work(at('2026-03-20T00:00'), at('2026-04-10T00:00'))
        self.assertEqual(
            [at('2026-03-22T01:30'), at('2026-03-29T01:00'),
             at('2026-04-05T00:30')], engine.runs)


class TestCost(base.TestCase):

    def test_a_search_in_vain_is_made_once(self):
        """Not for each of the audits with the same hours."""
        night = windows.Windows.parse(['22:00-06:00'])
        real, searched = crons.Cron.following, []

        def following(cron, after):
            searched.append(after)
            return real(cron, after)
        with mock.patch.object(crons.Cron, 'following', following):
            for number in range(3):
                table = schedule.Timetable.parse(
                    '7 12 * * *', f'audit-{number}', windows=night)
                self.assertIsNone(table.settle(None, NOW))
                if not number:
                    count = len(searched)
        self.assertEqual(count, len(searched))
        # Those that leave something to chance have dates of their own.
        self.assertNotEqual(*(schedule.Timetable.parse(
            'R R * * *', f'audit-{number}').settle(None, NOW)
            for number in range(2)))
