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
"""CONTINUOUS audits over months: the dates, while nothing goes wrong.

The expected dates come from a calendar, not from the code that is tested.
"""

from watcher import objects
from watcher.tests import base
from watcher.tests.fixtures import virtual_time
from watcher.tests.fixtures.virtual_time import date
from watcher.tests.fixtures.virtual_time import dates
from watcher.tests.fixtures.virtual_time import every
from watcher.tests.unit.decision_engine import factories

AUDIT = objects.audit.State
HOUR = 3600


class VirtualTimeTestCase(base.TestCase):

    def world(self, begin):
        return self.useFixture(virtual_time.World(begin))

    def assertRan(self, expected, world, name='audit'):
        self.assertEqual([str(moment) for moment in expected],
                         [str(moment) for moment in world.dates(name)])


class TestSeconds(VirtualTimeTestCase):

    def test_three_months_without_drift(self):
        """Runs last between nothing and almost two hours."""
        world = self.world('2026-01-01 07:30:17')
        world.engine()
        durations = (0, 59, 1, HOUR, 7000)
        # Two days, an hour and a second.
        world.audit(176401, lasts=lambda run: durations[
            len(world.runs) % len(durations)])
        world.until('2026-04-01')
        self.assertRan(every('2026-01-01 07:30:17', 176401, 44), world)
        self.assertEqual('2026-03-30 02:31:00', str(world.runs[-1].date))
        # Users saw the date of each run before it began.
        self.assertEqual(world.dates(), [run.due for run in world.runs])
        self.assertEqual(44, world.results())

    def test_runs_longer_than_the_interval(self):
        """One run at a time; what is missed is left out, without a pile."""
        world = self.world('2026-01-01')
        world.engine()
        world.audit(600, lasts=lambda run: 1500 if run.date < date(
            '2026-01-01 01:30') else 60)
        world.until('2026-01-01 02:20')
        self.assertRan(dates(
            '2026: 01-01T00:00 01-01T00:30 01-01T01:00 01-01T01:30 '
            '01-01T01:40 01-01T01:50 01-01T02:00 01-01T02:10'), world)

    def test_runs_as_long_as_the_interval(self):
        """What would begin while another one ends is left out as well."""
        world = self.world('2026-01-01')
        world.engine()
        world.audit(600, lasts=lambda run: 600 if run.date < date(
            '2026-01-01 00:30') else 599)
        world.until('2026-01-01 01:10')
        self.assertRan(dates('2026: 01-01T00:00 01-01T00:20 01-01T00:40 '
                             '01-01T00:50 01-01T01:00'), world)

    def test_start_and_end(self):
        world = self.world('2026-02-28 12:00')
        world.engine()
        audit = world.audit(1200, start_time='2026-03-29 00:30',
                            end_time='2026-03-29 01:50')
        world.until('2026-03-28')
        self.assertEqual('2026-03-29 00:30:00', str(
            factories.reread(audit).next_run_time))
        world.until('2026-03-30')
        # Not the one at the end itself.
        self.assertRan(dates('2026: 03-29T00:30 03-29T00:50 03-29T01:10 '
                             '03-29T01:30'), world)
        found = factories.reread(audit)
        self.assertEqual((AUDIT.SUCCEEDED, None),
                         (found.state, found.next_run_time))

    def test_busy_workers_delay_but_lose_nothing(self):
        """Contract, defect 17."""
        self.config(group='watcher_decision_engine', max_audit_workers=1)
        world = self.world('2026-01-01')
        world.engine()
        world.audit(3000, 'long', lasts=2000)
        world.audit(1500, 'short', lasts=10)
        world.until('2026-01-01 03:00')
        self.assertRan(every('2026-01-01 00:00', 3000, 4), world, 'long')
        # Each time the long one is first in the line, and the other one,
        # which waits for the only thread, misses every second date.
        late = [run for run in world.runs if run.name == 'short']
        self.assertRan(every('2026-01-01 00:33:20', 3000, 3), world, 'short')
        self.assertEqual(every('2026-01-01 00:00', 3000, 3),
                         [run.due for run in late])


class TestCron(VirtualTimeTestCase):

    def test_a_year_with_a_leap_day(self):
        world = self.world('2027-06-15 12:00')
        world.engine()
        for name, expression in (
                ('31st', '30 2 31 * *'),
                ('leap day', '0 12 29 2 *'),
                ('last day', '0 23 L * *'),
                ('last Friday', '0 18 * * L5'),
                ('third Monday', '15 6 * 1-3 1#3'),
                ('day or weekday', '0 4 13 2,8 5'),
                ('steps', '0 */6 1-5/2 1 *'),
                ('list', '5,50 8 4 7 *'),
                ('sixth field', '59 23 31 12 * 30,59'),
                ('seventh field', '0 0 1 5 * 0 2028'),
                ('new year', '@yearly')):
            world.audit(expression, name)
        world.until('2028-07-01')
        self.assertRan(dates('2027: 07-31 08-31 10-31 12-31 / '
                             '2028: 01-31 03-31 05-31', '02:30'),
                       world, '31st')
        self.assertRan(dates('2028: 02-29', '12:00'), world, 'leap day')
        self.assertRan(dates(
            '2027: 06-30 07-31 08-31 09-30 10-31 11-30 12-31 / '
            '2028: 01-31 02-29 03-31 04-30 05-31 06-30', '23:00'),
            world, 'last day')
        self.assertRan(dates(
            '2027: 06-25 07-30 08-27 09-24 10-29 11-26 12-31 / '
            '2028: 01-28 02-25 03-31 04-28 05-26 06-30', '18:00'),
            world, 'last Friday')
        self.assertRan(dates('2028: 01-17 02-21 03-20', '06:15'),
                       world, 'third Monday')
        # Both fields are given: one of them is enough.
        self.assertRan(dates('2027: 08-06 08-13 08-20 08-27 / '
                             '2028: 02-04 02-11 02-13 02-18 02-25', '04:00'),
                       world, 'day or weekday')
        self.assertRan(dates(
            '2028: 01-01T00:00 01-01T06:00 01-01T12:00 01-01T18:00 '
            '01-03T00:00 01-03T06:00 01-03T12:00 01-03T18:00 '
            '01-05T00:00 01-05T06:00 01-05T12:00 01-05T18:00'),
            world, 'steps')
        self.assertRan(dates('2027: 07-04T08:05 07-04T08:50'), world, 'list')
        self.assertRan(dates('2027: 12-31T23:59:30 12-31T23:59:59'),
                       world, 'sixth field')
        self.assertRan(dates('2028: 05-01', '00:00'), world, 'seventh field')
        self.assertRan(dates('2028: 01-01', '00:00'), world, 'new year')
        self.assertEqual(world.results(), len(world.runs))
        # Between the dates nobody looks at anything.
        self.assertLess(world.rounds, 5 * len(world.runs))

    def test_summer_time_does_not_exist_in_utc(self):
        """Contract, defect 24: through both changes of Europe and America."""
        world = self.world('2026-03-07 12:00')
        world.engine()
        world.audit('30 2 7-9,28-30 3 *')
        world.audit('@daily', 'daily')
        world.audit('30 1 24-26 10 *', 'autumn',
                    start_time='2026-10-23 00:00')
        world.until('2026-03-10')
        self.assertRan(dates('2026: 03-08 03-09', '00:00'), world, 'daily')
        world.change(objects.Audit.get_by_name(
            factories.context(), 'daily'), state=AUDIT.SUSPENDED)
        world.until('2026-11-01')
        self.assertRan(dates('2026: 03-08 03-09 03-28 03-29 03-30', '02:30'),
                       world)
        self.assertRan(dates('2026: 10-24 10-25 10-26', '01:30'), world,
                       'autumn')

    def test_start_and_end(self):
        world = self.world('2026-01-01')
        world.engine()
        audit = world.audit('0 6 * * *', start_time='2026-02-26 06:00',
                            end_time='2026-03-02 06:00')
        world.until('2026-02-01')
        self.assertEqual('2026-02-26 06:00:00', str(
            factories.reread(audit).next_run_time))
        world.until('2026-04-01')
        self.assertRan(dates('2026: 02-26 02-27 02-28 03-01', '06:00'), world)
        self.assertEqual(AUDIT.SUCCEEDED, factories.reread(audit).state)

    def test_run_that_lasts_over_matches(self):
        world = self.world('2026-01-01 00:00:01')
        world.engine()
        world.audit('*/10 * * * *', lasts=lambda run: 1500 if run.date < date(
            '2026-01-01 01:00') else 60)
        world.until('2026-01-01 01:30')
        self.assertRan(dates('2026: 01-01T00:10 01-01T00:40 01-01T01:10 '
                             '01-01T01:20'), world)
