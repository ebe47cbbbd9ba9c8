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
"""Windows against a clock on the wall that is looked at every minute."""

import datetime
import functools
import pathlib
import subprocess
import sys
import zoneinfo

import fixtures
import hypothesis
from hypothesis import strategies as st
from oslo_config import cfg

from watcher import conf
from watcher.common import exception
from watcher.common import windows
from watcher.conf import hours
from watcher.conf import windows as conf_windows
from watcher.tests import base

CONF = conf.CONF

# The same examples at every run.
STEADY = hypothesis.settings(deadline=None, derandomize=True,
                             max_examples=25)

MINUTE = datetime.timedelta(minutes=1)
DAYS = ('Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun')

#: Where clocks are put forward or back, by an hour or by half of one, a year
#: and a leap day.
STRETCHES = (
    ('UTC', '2028-02-28 10:17'),
    ('Europe/Berlin', '2026-03-28 10:17'),
    ('Europe/Berlin', '2026-10-24 10:17'),
    ('America/New_York', '2026-03-07 10:17'),
    ('America/New_York', '2026-10-31 10:17'),
    ('Australia/Lord_Howe', '2026-04-03 22:17'),
    ('Australia/Lord_Howe', '2026-10-02 22:17'),
)
LENGTH = 3 * 24 * 60


def at(text):
    return datetime.datetime.fromisoformat(text)


@functools.cache
def _wall(zone, begin):
    """What the clock on the wall shows, minute by minute."""
    there = zoneinfo.ZoneInfo(zone)
    first = at(begin).replace(tzinfo=datetime.UTC)
    return [(first + count * MINUTE).astimezone(there).replace(tzinfo=None)
            for count in range(LENGTH)]


def _weekly_text(days, begin, length):
    end = (begin + length) % 1440
    named = ','.join(DAYS[day] for day in sorted(days))
    return (f'{named} {begin // 60:02}:{begin % 60:02}-'
            f'{end // 60:02}:{end % 60:02}')


def _is_in_week(days, begin, length, local):
    """Count from the beginning of each day of the week that is named."""
    now = local.weekday() * 1440 + local.hour * 60 + local.minute
    return any((now - day * 1440 - begin) % (7 * 1440) < length
               for day in days)


_weekly = st.tuples(
    st.just('weekly'),
    st.frozensets(st.integers(0, 6), min_size=1),
    st.integers(0, 1439) | st.integers(90, 210),
    st.integers(1, 1439) | st.integers(1, 90))

_span = st.tuples(
    st.just('span'), st.integers(0, LENGTH), st.integers(1, 3000))

_entries = st.lists(st.tuples(st.booleans(), _weekly | _span), max_size=4)


class TestAgainstTheClock(base.TestCase):

    def _texts(self, entries, wall):
        for opens, (kind, *values) in entries:
            sign = '' if opens else '!'
            if kind == 'weekly':
                yield sign + _weekly_text(*values)
                continue
            begin, end = self._limits(values, wall)
            yield f'{sign}{begin:%Y-%m-%d %H:%M}/{end:%Y-%m-%d %H:%M}'

    @staticmethod
    def _limits(values, wall):
        count, length = values
        begin = wall[0] + count * MINUTE
        return begin, begin + length * MINUTE

    def _is_open(self, entries, wall, local):
        inside = {True: [], False: []}
        for opens, (kind, *values) in entries:
            if kind == 'weekly':
                inside[opens].append(_is_in_week(*values, local))
            else:
                begin, end = self._limits(values, wall)
                inside[opens].append(begin <= local < end)
        return (any(inside[True]) or not inside[True]) and not any(
            inside[False])

    def _check(self, stretch, course, tested):
        """Compare what was seen by the minute with what is calculated."""
        begin = at(stretch[1])
        changes = [count for count in range(1, LENGTH)
                   if course[count] != course[count - 1]]
        for count in {0, 1, 719, *changes,
                      *(change - 1 for change in changes)}:
            now = begin + count * MINUTE
            self.assertEqual(course[count], tested.is_open(now))
            for wanted, search in ((True, tested.opens),
                                   (False, tested.closes)):
                found = search(now)
                seen = next((later for later in (count, *changes)
                             if later >= count and course[later] == wanted),
                            None)
                if seen is not None:
                    self.assertEqual(begin + seen * MINUTE, found)
                elif found is not None:
                    self.assertGreaterEqual(found, begin + LENGTH * MINUTE)
                    self.assertEqual(wanted, tested.is_open(found))
                    self.assertNotEqual(
                        wanted, tested.is_open(found - MINUTE))

    @STEADY
    @hypothesis.given(st.sampled_from(STRETCHES), _entries)
    def test_one_zone(self, stretch, entries):
        wall = _wall(*stretch)
        tested = windows.Windows.parse(self._texts(entries, wall),
                                       windows.zone_of(stretch[0]))
        self._check(stretch, [self._is_open(entries, wall, local)
                              for local in wall], tested)

    @STEADY
    @hypothesis.given(st.sampled_from(STRETCHES), _entries, _entries)
    def test_with_those_of_the_operator(self, stretch, entries, others):
        wall = _wall(*stretch)
        utc = _wall('UTC', stretch[1])
        tested = windows.Windows.parse(
            self._texts(entries, wall), windows.zone_of(stretch[0])
        ) & windows.Windows.parse(self._texts(others, utc))
        course = [self._is_open(entries, wall, here)
                  and self._is_open(others, utc, there)
                  for here, there in zip(wall, utc, strict=True)]
        self._check(stretch, course, tested)


class TestWindows(base.TestCase):

    def _berlin(self, *texts):
        return windows.Windows.parse(texts, windows.zone_of('Europe/Berlin'))

    def _course(self, tested, now, changes):
        """The next changes, as (open from, until)."""
        found = []
        for _change in range(changes):
            begin = tested.opens(now)
            now = tested.closes(begin)
            found.append((str(begin), str(now)))
        return found

    def test_nothing_is_always_open(self):
        tested = windows.Windows()
        now = at('2026-01-01 00:00')
        self.assertFalse(tested)
        self.assertEqual(tested, windows.Windows.parse([]))
        self.assertIs(True, tested.is_open(now))
        self.assertEqual(now, tested.opens(now))
        self.assertIsNone(tested.closes(now))
        self.assertEqual(self._berlin('2026-01-01'),
                         tested & self._berlin('2026-01-01') & tested)

    def test_hour_that_is_left_out(self):
        tested = self._berlin('02:30-04:00')
        self.assertEqual(
            [('2026-03-28 01:30:00', '2026-03-28 03:00:00'),
             # When the clock jumps from two to three, for one hour.
             ('2026-03-29 01:00:00', '2026-03-29 02:00:00'),
             ('2026-03-30 00:30:00', '2026-03-30 02:00:00')],
            self._course(tested, at('2026-03-28 00:00'), 3))

    def test_whole_window_that_is_left_out(self):
        tested = self._berlin('Sun 02:15-02:45')
        self.assertEqual(
            [('2026-03-22 01:15:00', '2026-03-22 01:45:00'),
             ('2026-04-05 00:15:00', '2026-04-05 00:45:00')],
            self._course(tested, at('2026-03-20 00:00'), 2))

    def test_hour_that_comes_twice(self):
        tested = self._berlin('02:00-03:00')
        self.assertEqual(
            [('2026-10-24 00:00:00', '2026-10-24 01:00:00'),
             ('2026-10-25 00:00:00', '2026-10-25 02:00:00'),
             ('2026-10-26 01:00:00', '2026-10-26 02:00:00')],
            self._course(tested, at('2026-10-23 12:00'), 3))

    def test_night_belongs_to_the_day_on_which_it_begins(self):
        tested = windows.Windows.parse(['Sun 22:00-06:00'])
        self.assertEqual(
            [('2026-11-22 22:00:00', '2026-11-23 06:00:00'),
             ('2026-11-29 22:00:00', '2026-11-30 06:00:00')],
            self._course(tested, at('2026-11-21 00:00'), 2))

    def test_dates_are_inclusive(self):
        tested = windows.Windows.parse(
            ['2028-02-28/2028-02-29', '2028-12-31 18:00/2029-01-01 06:00'])
        self.assertEqual(
            [('2028-02-28 00:00:00', '2028-03-01 00:00:00'),
             ('2028-12-31 18:00:00', '2029-01-01 06:00:00')],
            self._course(tested, at('2026-11-21 00:00'), 2))
        self.assertIsNone(tested.opens(at('2029-01-01 06:00')))

    def test_time_at_one_end_of_a_span(self):
        tested = windows.Windows.parse(['2026-12-20 18:00/2026-12-21',
                                        '2026-12-24/2026-12-24 06:00'])
        self.assertEqual(
            [('2026-12-20 18:00:00', '2026-12-22 00:00:00'),
             ('2026-12-24 00:00:00', '2026-12-24 06:00:00')],
            self._course(tested, at('2026-11-21 00:00'), 2))

    def test_blackout_over_the_turn_of_the_year(self):
        tested = self._berlin('Sat,Sun 00:00-24:00',
                              '!2026-12-20 12:00/2027-01-08')
        self.assertEqual(
            [('2026-12-18 23:00:00', '2026-12-20 11:00:00'),
             ('2027-01-08 23:00:00', '2027-01-10 23:00:00')],
            self._course(tested, at('2026-12-18 00:00'), 2))

    def test_only_a_blackout(self):
        tested = windows.Windows.parse(['!Mon-Fri 08:00-18:00'])
        self.assertEqual(
            [('2026-11-20 18:00:00', '2026-11-23 08:00:00'),
             ('2026-11-23 18:00:00', '2026-11-24 08:00:00')],
            self._course(tested, at('2026-11-20 12:00'), 2))

    def test_far_away(self):
        tested = windows.Windows.parse(
            ['Mon 09:00-10:00', '!2026-01-01/2044-02-29'])
        self.assertEqual(at('2044-03-07 09:00'),
                         tested.opens(at('2026-02-01 00:00')))

    def test_never_again(self):
        now = at('2026-11-21 12:34:56.789')
        for texts in (['2026-11-20'], ['!00:00-24:00'],
                      ['Mon 08:00-09:00', '!Mon 00:00-12:00'],
                      ['!00:00-12:00', '!12:00-24:00', 'Sat 00:00-24:00'],
                      ['2027-03-28 02:10/2027-03-28 02:50']):
            with self.subTest(texts):
                tested = self._berlin(*texts)
                self.assertIs(False, tested.is_open(now))
                self.assertIsNone(tested.opens(now))
                self.assertEqual(now, tested.closes(now))

    def test_never_closed_again(self):
        now = at('2026-11-21 12:34:56.789')
        for texts in (['00:00-24:00'], ['!2026-11-20'],
                      ['Mon-Wed 00:00-24:00', 'Thu-Sun 00:00-24:00']):
            with self.subTest(texts):
                tested = self._berlin(*texts)
                self.assertIsNone(tested.closes(now))
                self.assertEqual(now, tested.opens(now))

    def test_zones_that_meet_in_some_weeks_only(self):
        # Usually six hours apart; five, when America has summer already.
        tested = (self._berlin('06:00-07:00')
                  & windows.Windows.parse(
                      ['01:00-02:00'], windows.zone_of('America/New_York')))
        self.assertEqual(at('2027-03-15 05:00'),
                         tested.opens(at('2026-11-21 00:00')))
        never = (self._berlin('06:00-07:00')
                 & windows.Windows.parse(
                     ['03:00-04:00'], windows.zone_of('America/New_York')))
        self.assertIsNone(never.opens(at('2026-11-21 00:00')))

    def test_days(self):
        for text, days in (('Mon-Fri', {0, 1, 2, 3, 4}),
                           ('fri-MON', {4, 5, 6, 0}),
                           ('Sun', {6}), ('Mon-Mon', {0}),
                           ('Tue, Thu-Fri ,Sun', {1, 3, 4, 6})):
            with self.subTest(text):
                _opens, entry = hours.parse(f'{text} 10:00-11:00')
                self.assertEqual(days, entry.days)

    def test_refused(self):
        for text, why in (
                ('', 'is not a window. Allowed is'),
                (None, 'None is not a window'),
                (7, '7 is not a window'),
                ('Mon', 'is not a window. Allowed is'),
                ('Mon-Fry 10:00-11:00', 'is not a window. Allowed is'),
                ('10:00', 'is not a window. Allowed is'),
                ('1:00-2:00', 'is not a window. Allowed is'),
                ('25:00-26:00', '25:00 is not a time of day'),
                ('10:60-11:00', '10:60 is not a time of day'),
                ('10:00-24:01', '24:01 is not a time of day'),
                ('24:00-01:00', 'nothing begins at 24:00'),
                ('10:00-10:00', 'a whole day is 00:00-24:00'),
                ('2026-02-29', 'is not a window: '),
                ('2026-12-24 18:00', 'a moment needs an end'),
                ('2026-12-24/2026-12-23', 'it ends before it begins'),
                ('2026-12-24 10:00/2026-12-24 10:00',
                 'it ends before it begins'),
                ('9999-12-31', 'years are from 1970 to 2999'),
                ('!0001-01-01/2090-01-01', 'years are from 1970 to 2999'),
                ('\u0661\u0662:00-13:00', 'is not a window. Allowed is')):
            with self.subTest(text):
                error = self.assertRaises(
                    exception.Invalid, windows.Windows.parse,
                    ['00:00-24:00', text])
                self.assertIn(why, str(error))
                self.assertIn(repr(text), str(error))
                self.assertIn("'Mon-Fri,Sun'", str(error))

    def test_zone(self):
        for name in ('Europe/Berlin', 'UTC', 'Etc/GMT+5'):
            with self.subTest(name):
                self.assertIsNotNone(
                    windows.zone_of(name).utcoffset(at('2026-01-01')))
        for name in ('Europe/Atlantis', '', '../etc/passwd', '/etc/passwd',
                     'Europe', 'localtime', 'right/UTC', 'europe/berlin'):
            with self.subTest(name):
                error = self.assertRaises(exception.Invalid,
                                          windows.zone_of, name)
                self.assertIn(repr(name), str(error))

    def test_zones_come_with_the_requirements(self):
        code = ("from watcher.common import windows\n"
                "zone = windows.zone_of('Australia/Lord_Howe')\n"
                "import datetime\n"
                "print(zone.utcoffset(datetime.datetime(2026, 1, 1)))")
        found = subprocess.run(
            [sys.executable, '-c', code], check=True, text=True,
            stdout=subprocess.PIPE, env={'PYTHONTZPATH': ''})
        self.assertEqual('11:00:00', found.stdout.strip())


class Schedule:
    """An audit with wishes."""

    def __init__(self, time_zone=None, run=(), execution=()):
        self.time_zone = time_zone
        self.run_windows = run
        self.execution_windows = execution


class TestWhatBinds(base.TestCase):

    def test_nothing_by_default(self):
        for schedule in (None, Schedule(), Schedule('Europe/Berlin')):
            for automatic in (True, False):
                self.assertFalse(windows.for_run(schedule, automatic))
                self.assertFalse(windows.for_execution(schedule, automatic))

    def test_windows_of_the_operator(self):
        CONF.set_override('time_zone', 'Europe/Berlin')
        CONF.set_override('run_windows', ['02:00-03:00'],
                          'watcher_decision_engine')
        CONF.set_override('execution_windows', ['04:00-05:00'],
                          'watcher_applier')
        now = at('2026-07-01 12:00')
        # His zone counts, also for an audit with another one.
        for schedule in (None, Schedule('America/New_York')):
            self.assertEqual(at('2026-07-02 00:00'),
                             windows.for_run(schedule, True).opens(now))
            self.assertEqual(
                at('2026-07-02 02:00'),
                windows.for_execution(schedule, True).opens(now))
        self.assertFalse(windows.for_run(None, False))
        self.assertFalse(windows.for_execution(None, False))
        CONF.set_override('windows_bind', 'all')
        self.assertTrue(windows.for_run(None, False))
        self.assertTrue(windows.for_execution(None, False))

    def test_windows_of_the_audit_always_bind(self):
        schedule = Schedule('America/New_York', ('Mon 10:00-11:00',),
                            ('Tue 10:00-11:00',))
        CONF.set_override('run_windows', ['!2026-07-01/2026-07-09'],
                          'watcher_decision_engine')
        now = at('2026-07-01 12:00')
        self.assertEqual(at('2026-07-06 14:00'),
                         windows.for_run(schedule, False).opens(now))
        self.assertEqual(at('2026-07-13 14:00'),
                         windows.for_run(schedule, True).opens(now))
        self.assertEqual(at('2026-07-07 14:00'),
                         windows.for_execution(schedule, True).opens(now))

    def test_zone_of_the_file_for_audits_that_name_none(self):
        CONF.set_override('time_zone', 'Europe/Berlin')
        schedule = Schedule(run=('10:00-11:00',))
        self.assertEqual(
            at('2026-07-01 08:00'),
            windows.for_run(schedule, True).opens(at('2026-07-01 00:00')))

    def test_unreadable(self):
        for schedule in (Schedule('Mars'), Schedule(run=('noon',))):
            self.assertRaises(exception.Invalid, windows.for_run, schedule,
                              False)

    def test_told(self):
        self.assertEqual('which opens at 2026-07-01 08:00:00 UTC',
                         windows.tell_opening(at('2026-07-01 08:00')))
        self.assertEqual('which never opens again',
                         windows.tell_opening(None))


class TestOptions(base.TestCase):

    def test_list(self):
        for text, entries in (
                ('', []),
                ('10:00-11:00', ['10:00-11:00']),
                ('Mon-Fri, Sun 20:00-06:00, !2026-12-24/2026-12-26,',
                 ['Mon-Fri,Sun 20:00-06:00', '!2026-12-24/2026-12-26']),
                ('10:00-11:00, ! Sat ,Sun 10:00-11:00',
                 ['10:00-11:00', '! Sat,Sun 10:00-11:00'])):
            with self.subTest(text):
                self.assertEqual(entries, hours.Entries()(text))

    def test_refused_by_name(self):
        for group, name, value in (
                (None, 'time_zone', 'Europe/Atlantis'),
                (None, 'windows_bind', 'never'),
                ('watcher_decision_engine', 'run_windows', 'Mon,Tue'),
                ('watcher_applier', 'execution_windows',
                 '10:00-11:00,noon')):
            with self.subTest(name):
                options = cfg.ConfigOpts()
                conf_windows.register_opts(options)
                path = self.useFixture(fixtures.TempDir()).join('a.conf')
                pathlib.Path(path).write_text(
                    f'[{group or "DEFAULT"}]\n{name} = {value}\n')
                options([], default_config_files=[path])
                error = self.assertRaises(
                    cfg.ConfigFileValueError, getattr,
                    options[group] if group else options, name)
                self.assertIn(name, str(error))
