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
"""CONTINUOUS audits over months: time zones and windows.

Dates are in UTC. In 2026 the clocks of Berlin (UTC+1) are put forward on 29
March and back on 25 October, both at 01:00 UTC; those of New York (UTC-5) on
8 March at 07:00 UTC and 1 November at 06:00 UTC.
"""

from watcher.tests.fixtures.virtual_time import dates
from watcher.tests.fixtures.virtual_time import every
from watcher.tests.functional.decision_engine import test_calendar
from watcher.tests.unit.decision_engine import factories

HOUR = 3600
BERLIN = 'Europe/Berlin'
NEW_YORK = 'America/New_York'


class ZoneTestCase(test_calendar.VirtualTimeTestCase):

    def start(self, begin):
        self.now = self.world(begin)
        self.engine = self.now.engine()

    def audit(self, interval, name='audit', **said):
        audit = self.now.audit(interval, name)
        if said:
            self.now.schedule(audit, **said)
        return audit


class TestSummerTime(ZoneTestCase):

    def test_night_that_lacks_an_hour(self):
        """02:30 does not exist in Berlin on 29 March."""
        self.start('2026-03-27 12:00')
        self.audit('30 2 * * *', time_zone=BERLIN)
        self.audit('30 2 * * *', 'UTC')
        self.audit('0 12 * * *', 'noon', time_zone=BERLIN)
        self.audit('0 0-4 29 3 *', 'hours', time_zone=BERLIN)
        self.audit('0 * 29 3 *', 'each hour', time_zone=BERLIN)
        self.now.until('2026-03-29 03:30')
        self.assertRan(dates('2026: 03-28T01:30 03-29T01:00'), self.now)
        self.assertRan(dates('2026: 03-28 03-29', '02:30'), self.now, 'UTC')
        # 00, 01, then 02 and 03 in one, 04.
        self.assertRan(
            dates('2026: 03-28T23:00 03-29T00:00 03-29T01:00 03-29T02:00'),
            self.now, 'hours')
        self.assertRan(every('2026-03-28 23:00', HOUR, 5), self.now,
                       'each hour')
        self.now.until('2026-03-31')
        self.assertRan(dates('2026: 03-28T01:30 03-29T01:00 03-30T00:30'),
                       self.now)
        self.assertRan(dates('2026: 03-28T11:00 03-29T10:00 03-30T10:00'),
                       self.now, 'noon')

    def test_night_with_an_hour_twice(self):
        """02:30 comes twice in Berlin on 25 October."""
        self.start('2026-10-24 12:00')
        self.audit('30 2 * * *', time_zone=BERLIN)
        self.audit('0 12 * * *', 'noon', time_zone=BERLIN)
        self.audit('0 * 25 10 *', 'each hour', time_zone=BERLIN)
        self.now.until('2026-10-25 03:30')
        self.assertRan(dates('2026: 10-25T00:30'), self.now)
        self.assertRan(every('2026-10-24 22:00', HOUR, 6), self.now,
                       'each hour')
        self.now.until('2026-10-27')
        self.assertRan(dates('2026: 10-25T00:30 10-26T01:30'), self.now)
        self.assertRan(dates('2026: 10-25T11:00 10-26T11:00'), self.now,
                       'noon')

    def test_a_year_in_new_york(self):
        """Nights in which the clocks change, and a leap day."""
        self.start('2027-11-01 12:00')
        self.audit('15 2 * * 0#2', time_zone=NEW_YORK)
        self.audit('59 23 29 2 *', 'leap day', time_zone=NEW_YORK)
        self.audit('30 1 * 11 0#1', 'autumn', time_zone=NEW_YORK)
        self.now.until('2028-11-30')
        # Second Sundays: on 12 March 2028 the clock jumps at 02:00.
        self.assertRan(dates(
            '2027: 11-14T07:15 12-12T07:15 / 2028: 01-09T07:15 02-13T07:15 '
            '03-12T07:00 04-09T06:15 05-14T06:15 06-11T06:15 07-09T06:15 '
            '08-13T06:15 09-10T06:15 10-08T06:15 11-12T07:15'), self.now)
        self.assertRan(dates('2028: 03-01T04:59'), self.now, 'leap day')
        # First Sundays of November: 01:30 comes twice, the first one counts.
        self.assertRan(dates('2027: 11-07T05:30 / 2028: 11-05T05:30'),
                       self.now, 'autumn')

    def test_zone_of_the_operator_and_of_the_audit(self):
        self.config(time_zone=BERLIN)
        self.start('2026-07-01')
        self.audit('0 6 * * *', 'operator')
        self.audit('0 6 * * *', 'own', time_zone=NEW_YORK)
        changed = self.audit('0 6 * * *', 'changed')
        self.now.at('2026-07-02 00:00', lambda: self.now.schedule(
            changed, time_zone='Asia/Kathmandu'))
        self.now.until('2026-07-03')
        self.assertRan(dates('2026: 07-01 07-02', '04:00'), self.now,
                       'operator')
        self.assertRan(dates('2026: 07-01 07-02', '10:00'), self.now, 'own')
        # Kathmandu is at UTC+5:45.
        self.assertRan(dates('2026: 07-01T04:00 07-02T00:15'), self.now,
                       'changed')


class TestWindows(ZoneTestCase):

    def test_by_seconds(self):
        """A date outside waits for the opening, where the rhythm goes on."""
        self.start('2026-01-05 20:00')
        self.audit(5 * HOUR, run_windows=['22:00-06:00'])
        self.now.until('2026-01-07 12:00')
        # 20:00 waits; 22, 03, then 08 waits; 22, 03, 08 waits.
        self.assertRan(dates('2026: 01-05T22:00 01-06T03:00 01-06T22:00 '
                             '01-07T03:00'), self.now)

    def test_by_cron(self):
        """Matches outside are left out."""
        self.start('2026-01-02 00:00')
        self.audit('0 */4 * * *', run_windows=[
            'Mon-Fri 22:00-06:00', 'Sat,Sun 00:00-24:00', '!2026-01-04'])
        self.now.until('2026-01-06')
        # 2 January is a Friday. The nights begin on working days.
        self.assertRan(dates(
            '2026: 01-02T04:00 01-03T00:00 01-03T04:00 01-03T08:00 '
            '01-03T12:00 01-03T16:00 01-03T20:00'), self.now)

    def test_in_a_zone_with_summer_time(self):
        """A window of two hours, in the night in which it begins late."""
        self.start('2026-03-27 12:00')
        self.audit(30 * 60, time_zone=BERLIN, run_windows=['02:30-04:00'])
        self.now.until('2026-03-31')
        self.assertRan(dates(
            '2026: 03-28T01:30 03-28T02:00 03-28T02:30 '
            '03-29T01:00 03-29T01:30 '
            '03-30T00:30 03-30T01:00 03-30T01:30'), self.now)

    def test_of_the_operator(self):
        self.config(group='watcher_decision_engine',
                    run_windows=['20:00-22:00'])
        self.start('2026-01-01 00:00')
        self.audit(HOUR, 'any')
        self.audit(HOUR, 'own', run_windows=['21:00-23:00'])
        self.now.until('2026-01-03')
        self.assertRan(dates('2026: 01-01T20:00 01-01T21:00 01-02T20:00 '
                             '01-02T21:00'), self.now, 'any')
        self.assertRan(dates('2026: 01-01T21:00 01-02T21:00'), self.now,
                       'own')

    def test_changed_while_it_waits(self):
        self.start('2026-01-01 00:00')
        audit = self.audit(HOUR, run_windows=['20:00-21:00'])
        self.now.until('2026-01-01 09:00:05')
        found = factories.reread(audit)
        self.assertEqual('2026-01-01 20:00:00', str(found.next_run_time))
        self.assertIn('2026-01-01 20:00', found.status_message)
        self.now.schedule(audit, run_windows=['10:00-12:00'])
        self.now.until('2026-01-01 11:30')
        self.assertRan(dates('2026: 01-01T10:00 01-01T11:00'), self.now)
        # Without windows the next run is an interval away.
        self.now.schedule(audit, run_windows=[])
        self.now.until('2026-01-01 14:30')
        self.assertRan(dates('2026: 01-01T10:00 01-01T11:00 01-01T12:30 '
                             '01-01T13:30'), self.now)

    def test_missed_window(self):
        """Nobody is there during a window: its run waits for the next."""
        self.start('2026-01-01 00:00')
        self.audit(24 * HOUR, 'seconds', run_windows=['02:00-03:00'])
        self.audit('30 2 * * *', 'cron', run_windows=['02:00-03:00'])
        self.now.at('2026-01-02 01:00', self.engine.kill)
        self.now.at('2026-01-02 03:15', self.engine.start)
        self.now.until('2026-01-05')
        self.assertRan(dates('2026: 01-01 01-03 01-04', '02:00'), self.now,
                       'seconds')
        self.assertRan(dates('2026: 01-01 01-03 01-04', '02:30'), self.now,
                       'cron')

    def test_run_goes_on_when_the_window_closes(self):
        self.start('2026-01-01 00:00')
        self.now.schedule(self.now.audit(24 * HOUR, lasts=HOUR),
                          run_windows=['02:00-02:30'])
        self.now.until('2026-01-03 04:00')
        self.assertRan(dates('2026: 01-01 01-02 01-03', '02:00'), self.now)
        self.assertEqual(3, self.now.results())
