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
"""CONTINUOUS audits over months: engines that come, die and oversleep."""

import functools

from watcher import objects
from watcher.tests.fixtures.virtual_time import dates
from watcher.tests.fixtures.virtual_time import every
from watcher.tests.functional.decision_engine import test_calendar
from watcher.tests.unit.decision_engine import factories

AUDIT = objects.audit.State
HOUR = 3600
DAY = 24 * HOUR


class OutageTestCase(test_calendar.VirtualTimeTestCase):

    def setUp(self):
        super().setUp()
        # 60 seconds without a sign of life, and an engine counts as dead.
        self.config(service_down_time=60)

    def assertRuns(self, text, world):
        """Compare lines of date, engine and, if it was late, due date."""
        found = []
        for run in world.runs:
            line = f'{run.date:%d %H:%M:%S} {run.host}'
            if run.due != run.date:
                line += f' due {run.due:%d %H:%M:%S}'
            found.append(line)
        self.assertEqual([line.strip() for line in text.strip().split('\n')],
                         found)


class TestOneEngine(OutageTestCase):

    def test_restarts_keep_the_second(self):
        world = self.world('2026-01-01 12:00:17')
        engine = world.engine()
        audit = world.audit(5 * HOUR)
        for stop, start in (('2026-01-01 13:11:11', '2026-01-01 13:11:53'),
                            ('2026-01-01 17:00:05', '2026-01-01 17:00:16'),
                            ('2026-01-01 22:00:18', '2026-01-02 02:59:59')):
            world.at(stop, engine.kill)
            world.at(start, engine.start)
        world.until('2026-01-01 13:11:50')
        self.assertEqual('2026-01-01 17:00:17',
                         str(factories.reread(audit).next_run_time))
        world.until('2026-01-02 10:00')
        self.assertRan(every('2026-01-01 12:00:17', 5 * HOUR, 5), world)
        self.assertEqual(world.dates(), [run.due for run in world.runs])

    def test_half_past_seven_to_nine(self):
        """Contract, 10.3: the example of the table."""
        world = self.world('2026-01-01 06:30')
        engine = world.engine()
        world.audit(HOUR)
        world.at('2026-01-01 07:00', engine.kill)
        world.at('2026-01-01 09:00', engine.start)
        world.until('2026-01-01 11:00')
        self.assertRuns('''
            01 06:30:00 engine-1
            01 09:00:00 engine-1 due 01 07:30:00
            01 09:30:00 engine-1
            01 10:30:00 engine-1''', world)

    def test_more_than_a_day_late(self):
        """Contract, defect 13: 23 hours from now, not 47."""
        world = self.world('2026-01-01')
        engine = world.engine()
        audit = world.audit(2 * DAY)
        world.at('2026-01-02', engine.kill)
        world.at('2026-01-04 01:00', engine.start)
        world.until('2026-01-04 01:01')
        self.assertEqual('2026-01-05 00:00:00',
                         str(factories.reread(audit).next_run_time))
        world.until('2026-01-10')
        self.assertRuns('''
            01 00:00:00 engine-1
            04 01:00:00 engine-1 due 03 00:00:00
            05 00:00:00 engine-1
            07 00:00:00 engine-1
            09 00:00:00 engine-1''', world)

    def test_weeks_without_an_engine(self):
        """One run for all that were missed, whatever their number."""
        world = self.world('2026-02-10')
        engine = world.engine()
        world.audit(600, 'often')
        world.audit('0 2 * * *', 'nightly')
        world.audit('0 2 * * *', 'nearly in time')
        world.audit('30 11 * * *', 'half an hour ago')
        world.at('2026-02-10 00:05', engine.kill)
        world.at('2026-03-31 12:03:07', engine.start)
        world.until('2026-03-31 12:25')
        self.assertRan(dates('2026: 02-10T00:00 03-31T12:03:07 03-31T12:10 '
                             '03-31T12:20'), world, 'often')
        # A match of less than an hour ago would be made up for; the stored
        # one is of weeks ago.
        self.assertRan([], world, 'half an hour ago')
        self.assertRan([], world, 'nightly')
        world.until('2026-03-31 12:30')
        found = objects.Audit.get_by_name(factories.context(), 'nightly')
        self.assertEqual('2026-04-01 02:00:00', str(found.next_run_time))
        self.assertIn('left out', found.status_message)

    def test_cron_that_is_late(self):
        world = self.world('2026-01-01')
        engine = world.engine()
        world.audit('0 2 * * *')
        for stop, start in (('2026-01-02 01:59', '2026-01-02 03:00:00'),
                            ('2026-01-03 01:59', '2026-01-03 03:00:01')):
            world.at(stop, engine.kill)
            world.at(start, engine.start)
        world.until('2026-01-05')
        # An hour is the longest delay.
        self.assertRan(dates('2026: 01-01T02:00 01-02T03:00 01-04T02:00'),
                       world)

    def test_killed_in_a_run(self):
        world = self.world('2026-01-01')
        engine = world.engine()
        world.audit(DAY, lasts=HOUR)
        world.at('2026-01-02 00:30', engine.kill)
        world.at('2026-01-02 00:31', engine.start)
        world.until('2026-01-04')
        self.assertRuns('''
            01 00:00:00 engine-1
            02 00:00:00 engine-1
            02 00:31:00 engine-1 due 02 00:00:00
            03 00:00:00 engine-1''', world)
        # Each date has one result.
        self.assertEqual(3, world.results())

    def test_stopped_in_a_run(self):
        world = self.world('2026-01-01')
        engine = world.engine()
        world.audit(DAY, lasts=HOUR)
        world.at('2026-01-01 00:30', engine.stop)
        world.at('2026-01-05 10:00', engine.start)
        world.until('2026-01-07')
        self.assertRuns('''
            01 00:00:00 engine-1
            05 10:00:00 engine-1 due 01 00:00:00
            06 00:00:00 engine-1''', world)
        # The one that was stopped has none.
        self.assertEqual(2, world.results())

    def test_dies_of_the_audit_again_and_again(self):
        """Attempts are counted; then the date is left out, not the audit."""
        world = self.world('2026-01-01')
        engine = world.engine()
        audit = world.audit(DAY, lasts=HOUR)
        for hour in range(3):
            world.at(f'2026-01-01 {hour:02}:30', engine.kill)
            world.at(f'2026-01-01 {hour + 1:02}:00', engine.start)
        world.until('2026-01-01 12:00')
        found = factories.reread(audit)
        self.assertEqual(AUDIT.ONGOING, found.state)
        self.assertIn('interrupted 3 times', found.status_message)
        world.until('2026-01-03')
        self.assertRuns('''
            01 00:00:00 engine-1
            01 01:00:00 engine-1 due 01 00:00:00
            01 02:00:00 engine-1 due 01 00:00:00
            02 00:00:00 engine-1''', world)

    def test_a_month_of_restarts(self):
        """No run too many, none too few."""
        world = self.world('2026-01-01')
        engine = world.engine()
        world.audit(DAY, lasts=60)
        for day in range(1, 31):
            world.at(f'2026-01-{day:02} 12:{day:02}:07', engine.stop)
            world.at(f'2026-01-{day:02} 12:{day:02}:09', engine.start)
        world.until('2026-01-31')
        self.assertRan(every('2026-01-01', DAY, 30), world)


class TestClock(OutageTestCase):
    """The clock of a host that is wrong for a while."""

    def test_ahead_for_a_day(self):
        world = self.world('2026-01-01')
        engine = world.engine()
        world.audit(6 * HOUR)
        world.at('2026-01-01 07:00:03', lambda: engine.set_clock(days=1))
        world.at('2026-01-01 15:00:03', lambda: engine.set_clock())
        world.until('2026-01-02 04:00')
        # For the engine the run of 12:00 is a day late at 07:00; the rhythm
        # goes on by its clock. Set right, it does not wait for a date that
        # is farther away than its interval.
        self.assertRan(dates(
            '2026: 01-01T00:00 01-01T06:00 01-01T07:00:10 01-01T12:00 '
            '01-01T21:00:10 01-02T03:00:10'), world)

    def test_ahead_for_years(self):
        world = self.world('2026-01-01')
        engine = world.engine()
        audit = world.audit('0 6 * * *')
        world.at('2026-01-02 12:00', lambda: engine.set_clock(days=3650))
        world.at('2026-01-02 13:00', lambda: engine.set_clock())
        world.until('2026-01-05')
        self.assertRan(dates('2026: 01-01 01-02 01-03 01-04', '06:00'), world)
        self.assertEqual('2026-01-05 06:00:00',
                         str(factories.reread(audit).next_run_time))

    def test_behind(self):
        world = self.world('2026-01-01')
        engine = world.engine()
        world.audit(6 * HOUR)
        world.audit('0 */6 * * *', 'cron')
        world.at('2026-01-01 07:00:05', lambda: engine.set_clock(hours=-2))
        world.at('2026-01-02 07:00:05', lambda: engine.set_clock())
        world.until('2026-01-02 19:00')
        # At 07:00 it is 05:00 for the engine: 12:00 is farther away than an
        # interval, which it takes for a shorter interval. Set right, it finds
        # one run late.
        self.assertRan(dates(
            '2026: 01-01T00:00 01-01T06:00 01-01T13:00:10 01-01T19:00:10 '
            '01-02T01:00:10 01-02T07:00:10 01-02T11:00:10 01-02T17:00:10'),
            world)
        # The clock shows 06:00 again at 08:00; that match has had its run.
        # The next ones are two hours late. In the end the one of 06:00 is
        # found more than an hour after it.
        self.assertRan(dates(
            '2026: 01-01T06:00 01-01T14:00 01-01T20:00 01-02T02:00 '
            '01-02T12:00 01-02T18:00'), world, 'cron')


    def test_small_steps_back(self):
        """As a time service makes them: no date has two runs."""
        world = self.world('2026-01-01')
        engine = world.engine()
        world.audit(600, lasts=5)
        world.audit('*/10 * * * *', 'cron', lasts=5)
        # After both have run, during a run, after both have run.
        for moment, behind in (('00:10:06', 60), ('00:20:12', 120),
                               ('00:42:10', 300)):
            world.at(f'2026-01-01 {moment}', functools.partial(
                engine.set_clock, seconds=-behind))
        world.until('2026-01-01 01:20')
        # At most an interval away, as the engine then sees it.
        self.assertRan(dates(
            '2026: 01-01T00:00:00 01-01T00:10:00 01-01T00:20:10 '
            '01-01T00:31:10 01-01T00:41:10 01-01T00:52:10 01-01T01:02:10 '
            '01-01T01:12:10'), world)
        # What its clock shows for the second time has had its run.
        self.assertRan(dates(
            '2026: 01-01T00:10 01-01T00:22 01-01T00:32 01-01T00:42 '
            '01-01T00:55 01-01T01:05 01-01T01:15'), world, 'cron')


class TestTakeover(OutageTestCase):

    def test_each_date_once(self):
        world = self.world('2026-01-01')
        first, second = world.engine('one'), world.engine('two')
        world.audit(6 * HOUR, lasts=60)
        # Dies before a date, comes back later: the other one keeps it.
        world.at('2026-01-01 11:59:30', first.kill)
        world.at('2026-01-01 20:00', first.start)
        # Dies in the middle of a run.
        world.at('2026-01-02 00:00:30', second.kill)
        # Nobody is there for a date.
        world.at('2026-01-02 03:00', first.kill)
        world.at('2026-01-02 09:00:07', second.start)
        world.until('2026-01-02 19:00')
        self.assertRuns('''
            01 00:00:00 one
            01 06:00:00 one
            01 12:00:30 two due 01 12:00:00
            01 18:00:00 two
            02 00:00:00 two
            02 00:01:30 one due 02 00:00:00
            02 09:00:07 two due 02 06:00:00
            02 12:00:00 two
            02 18:00:00 two''', world)
        # As many results as there were dates.
        self.assertEqual(8, world.results())

    def test_new_audit_of_a_dead_engine(self):
        """Contract, defect 15: one that is still PENDING."""
        world = self.world('2026-01-01')
        first, _second = world.engine('one'), world.engine('two')
        audit = world.audit('0 6 * * *')
        world.until('2026-01-01 05:00')
        found = factories.reread(audit)
        self.assertEqual((AUDIT.PENDING, 'one'),
                         (found.state, found.hostname))
        first.kill()
        world.until('2026-01-03')
        self.assertRuns('''
            01 06:00:00 two
            02 06:00:00 two''', world)

    def test_frozen_in_a_run(self):
        """Who thaws stores nothing and does not begin what others have."""
        world = self.world('2026-01-01')
        first, _second = world.engine('one'), world.engine('two')
        world.audit(DAY, lasts=HOUR)
        world.at('2026-01-02 00:30', first.freeze)
        world.at('2026-01-02 02:00', first.thaw)
        world.until('2026-01-04')
        self.assertRuns('''
            01 00:00:00 one
            02 00:00:00 one
            02 00:31:00 two due 02 00:00:00
            03 00:00:00 two''', world)
        self.assertEqual(3, world.results())

    def test_frozen_over_a_date(self):
        """Too short for the others; or long, and nobody else is there."""
        world = self.world('2026-01-01')
        engine = world.engine('one')
        world.audit(HOUR)
        world.at('2026-01-01 00:59:40', engine.freeze)
        world.at('2026-01-01 01:00:20', engine.thaw)
        world.at('2026-01-01 01:50', engine.freeze)
        world.at('2026-01-01 04:10:05', engine.thaw)
        world.until('2026-01-01 06:00')
        # At the second thaw it first finds out that nobody took its lease.
        self.assertRuns('''
            01 00:00:00 one
            01 01:00:20 one due 01 01:00:00
            01 04:10:15 one due 01 02:00:00
            01 05:00:00 one''', world)

    def test_names_change_at_every_restart(self):
        world = self.world('2026-01-01')
        world.audit(DAY)
        for day in range(1, 8):
            engine = world.engine(f'pod-{day}')
            world.until(f'2026-01-{day:02} 12:00')
            engine.kill()
            world.until(f'2026-01-{day:02} 12:00:30')
        self.assertEqual([f'pod-{day}' for day in range(1, 8)],
                         [run.host for run in world.runs])
        # Each new one waits until the one before counts as dead.
        self.assertRan(every('2026-01-01', DAY, 7), world)

    def test_many_audits_are_shared_out(self):
        """Nobody runs what another one has; nothing is forgotten."""
        self.config(group='watcher_decision_engine', max_audit_workers=9)
        world = self.world('2026-01-01')
        engines = [world.engine(name) for name in ('one', 'two', 'three')]
        names = [f'audit {number}' for number in range(6)]
        for name in names:
            world.audit(12 * HOUR, name, lasts=60)
        world.at('2026-01-01 06:00', engines[0].kill)
        world.at('2026-01-01 18:00', engines[1].kill)
        world.at('2026-01-02 06:00', engines[0].start)
        world.at('2026-01-02 12:00:10', engines[2].freeze)
        world.until('2026-01-03 12:02')
        for name in names:
            self.assertEqual(
                every('2026-01-01', 12 * HOUR, 6),
                sorted({run.due for run in world.runs if run.name == name}))
        self.assertEqual(6 * len(names), world.results())
        # Six runs of the third engine were frozen and are run again.
        self.assertEqual(6 * len(names) + 6, len(world.runs))
