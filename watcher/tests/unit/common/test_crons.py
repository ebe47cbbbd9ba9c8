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
"""Cron expressions against a clock on the wall, minute by minute."""

import datetime
import functools
import zoneinfo

import hypothesis
from hypothesis import strategies as st

from watcher.common import crons
from watcher.common import windows
from watcher.tests import base

# The same examples at every run.
STEADY = hypothesis.settings(deadline=None, derandomize=True,
                             max_examples=20)

MINUTE = datetime.timedelta(minutes=1)

#: Where clocks are put forward or back, by an hour or by half of one.
STRETCHES = (
    ('UTC', '2028-02-28 20:00'),
    ('Europe/Berlin', '2026-03-28 21:00'),
    ('Europe/Berlin', '2026-10-24 21:00'),
    ('America/New_York', '2026-03-08 03:00'),
    ('America/New_York', '2026-11-01 03:00'),
    ('Australia/Lord_Howe', '2026-04-04 11:00'),
    ('Australia/Lord_Howe', '2026-10-03 11:00'),
)
LENGTH = 9 * 60


def at(text):
    return datetime.datetime.fromisoformat(text)


@functools.cache
def _course(zone, begin):
    """What the clock shows in each minute, and what it leaves out then."""
    there = zoneinfo.ZoneInfo(zone)
    first = at(begin).replace(tzinfo=datetime.UTC)
    shown = [(first + count * MINUTE).astimezone(there).replace(tzinfo=None)
             for count in range(LENGTH)]
    course, before = [], shown[0] - MINUTE
    for now in shown:
        jump = max(0, (now - before) // MINUTE - 1)
        course.append((now, [before + (count + 1) * MINUTE
                             for count in range(jump)]))
        before = now
    return course


_minutes = st.sampled_from(('*', '0', '30', '15,45', '*/20', '1-59/29'))
_hours = st.sampled_from(('*', '0', '1', '2', '3', '1-3', '2,3', '*/2'))


def _values(field, count):
    """The values of a field, as few kinds of it as are used here."""
    found = set()
    for part in field.split(','):
        span, _slash, step = part.partition('/')
        first, _dash, last = span.partition('-')
        if span == '*':
            first, last = 0, count - 1
        found.update(range(int(first), int(last or first) + 1,
                           int(step or 1)))
    return found


class TestAgainstTheClock(base.TestCase):

    @STEADY
    @hypothesis.given(st.sampled_from(STRETCHES), _minutes, _hours)
    def test_every_match(self, stretch, minutes, hours):
        matches = functools.partial(
            self._matches, _values(minutes, 60), _values(hours, 24))
        passing = '*' in (minutes, hours)
        expected, seen = [], set()
        for count, (shown, left_out) in enumerate(_course(*stretch)):
            made_up = not passing and any(map(matches, left_out))
            again = not passing and shown in seen
            if made_up or matches(shown) and not again:
                expected.append(at(stretch[1]) + count * MINUTE)
            seen.add(shown)
        cron = crons.Cron(f'{minutes} {hours} * * *',
                          zone=windows.zone_of(stretch[0]))
        self.assertEqual(expected, self._found(cron, stretch))
        # The same from anywhere in between.
        for count in range(7, LENGTH, 89):
            now = at(stretch[1]) + count * MINUTE
            following = next((match for match in expected if match > now),
                             None)
            if following is not None:
                self.assertEqual(following, cron.following(now))

    @staticmethod
    def _matches(minutes, hours, shown):
        return shown.minute in minutes and shown.hour in hours

    @staticmethod
    def _found(cron, stretch):
        now = at(stretch[1]) - MINUTE
        end = at(stretch[1]) + (LENGTH - 1) * MINUTE
        found = []
        while (now := cron.following(now)) <= end:
            found.append(now)
        return found


class TestCron(base.TestCase):

    def _next(self, expression, now, count, zone='Europe/Berlin'):
        cron = crons.Cron(expression, zone=windows.zone_of(zone))
        found, now = [], at(now)
        for _match in range(count):
            now = cron.following(now)
            found.append(str(now))
        return found

    def test_nightly_in_summer_and_winter(self):
        self.assertEqual(
            ['2026-03-28 01:30:00', '2026-03-29 01:00:00',
             '2026-03-30 00:30:00'],
            self._next('30 2 * * *', '2026-03-27 12:00', 3))
        self.assertEqual(
            ['2026-10-24 00:30:00', '2026-10-25 00:30:00',
             '2026-10-26 01:30:00'],
            self._next('30 2 * * *', '2026-10-23 12:00', 3))

    def test_hourly_goes_by_the_hours_that_pass(self):
        self.assertEqual(
            ['2026-10-25 00:30:00', '2026-10-25 01:30:00',
             '2026-10-25 02:30:00'],
            self._next('30 * * * *', '2026-10-25 00:00', 3))
        self.assertEqual(
            ['2026-03-29 00:30:00', '2026-03-29 01:30:00',
             '2026-03-29 02:30:00'],
            self._next('30 * * * *', '2026-03-29 00:00', 3))

    def test_far_away(self):
        for expression in ('0 3 29 2 *', '0 * 29 2 *'):
            with self.subTest(expression):
                first = self._next(expression, '2026-03-01 00:00', 1)[0]
                self.assertIn(first, ('2028-02-29 02:00:00',
                                      '2028-02-28 23:00:00'))

    def test_second_showing_on_one_day_of_the_year(self):
        # From the last minute of the first hour on to that of the second.
        self.assertEqual(
            ['2026-10-25 00:59:00', '2026-10-25 01:00:00',
             '2026-10-25 01:01:00'],
            self._next('* 2 25 10 *', '2026-10-25 00:58', 3))
        # No such hour a year later: only the first minute of one.
        self.assertEqual(
            ['2026-10-25 01:59:00', '2027-10-25 00:00:00'],
            self._next('* 2 25 10 *', '2026-10-25 01:58', 2))

    def test_midnight_that_does_not_exist(self):
        # Clocks in Beirut jump from midnight to one.
        self.assertEqual(
            ['2026-03-27 22:00:00', '2026-03-28 22:00:00',
             '2026-03-29 21:00:00'],
            self._next('@daily', '2026-03-27 12:00', 3, 'Asia/Beirut'))

    def test_day_that_does_not_exist(self):
        # Samoa went over the date line and left out the 30th.
        self.assertEqual(
            ['2011-12-29 22:00:00', '2011-12-30 10:00:00',
             '2011-12-30 22:00:00'],
            self._next('0 12 * * *', '2011-12-29 00:00', 3,
                       'Pacific/Apia'))

    def test_no_match(self):
        for zone in ('UTC', 'Europe/Berlin'):
            cron = crons.Cron('0 0 30 2 *', zone=windows.zone_of(zone))
            self.assertIsNone(cron.following(at('2026-01-01 00:00')))
            cron = crons.Cron('0 * * * * 0 2025', zone=windows.zone_of(zone))
            self.assertIsNone(cron.following(at('2026-01-02 00:00')))
