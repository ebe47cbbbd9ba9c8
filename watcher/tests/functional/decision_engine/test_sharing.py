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
"""Which engines have how many CONTINUOUS audits, in virtual time."""

import collections
import datetime

from watcher import objects
from watcher.tests.functional.decision_engine import test_calendar
from watcher.tests.unit.decision_engine import factories

every = test_calendar.every
HOUR = 3600


class TestSharing(test_calendar.VirtualTimeTestCase):

    def setUp(self):
        super().setUp()
        self.config(service_down_time=60)
        self.config(group='watcher_decision_engine', max_audit_workers=50)

    def audits(self, world, count, interval=HOUR, first=0):
        for number in range(first, first + count):
            world.audit(interval, f'audit {number:03}',
                        uuid=f'{number:08}-0000-4000-8000-000000000000')

    def owners(self):
        """The numbers of the audits of each engine."""
        found = objects.Audit.list_columns(
            factories.context(), ('hostname', 'name'), sort_key='id')
        owners = collections.defaultdict(list)
        for host, name in zip(found['hostname'], found['name'], strict=True):
            owners[host].append(int(name.split()[1]))
        return dict(owners)

    def look_often(self, world, begin, minutes):
        """Have engines look at all rows as often as they really do."""
        moment = test_calendar.date(begin)
        for number in range(6 * minutes):
            world.at(moment + datetime.timedelta(seconds=10 * number),
                     world.disturb)

    def assertOnce(self, world, count, dates):
        """Each date of each audit had one run, and it was in time."""
        expected = collections.Counter(
            (date, f'audit {number:03}') for date in dates
            for number in range(count))
        found = collections.Counter(
            (run.due, run.name) for run in world.runs)
        self.assertEqual(({}, {}), (expected - found, found - expected))
        self.assertEqual(
            [], [run for run in world.runs if run.date != run.due])
        self.assertEqual(world.results(), len(world.runs))

    def test_killed_and_back(self):
        world = self.world('2026-01-01')
        first, second = world.engine('one'), world.engine('two')
        self.audits(world, 20)
        self.look_often(world, '2026-01-01', 2)
        world.until('2026-01-01 00:00:55')
        self.assertEqual({'one': list(range(20))}, self.owners())
        world.until('2026-01-01 00:10')
        self.assertEqual({'one': list(range(10, 20)),
                          'two': list(range(10))}, self.owners())
        world.at('2026-01-01 00:30', second.kill)
        world.until('2026-01-01 00:40')
        self.assertEqual({'one': list(range(20))}, self.owners())
        world.at('2026-01-01 01:10', second.start)
        self.look_often(world, '2026-01-01 01:10', 2)
        world.until('2026-01-01 01:10:55')
        self.assertEqual({'one': list(range(20))}, self.owners())
        world.until('2026-01-01 01:30')
        self.assertEqual({'one': list(range(10, 20)),
                          'two': list(range(10))}, self.owners())
        world.at('2026-01-01 02:30', first.stop)
        world.until('2026-01-01 03:30')
        self.assertEqual({'two': list(range(20))}, self.owners())
        self.assertOnce(world, 20, every('2026-01-01', HOUR, 4))

    def test_three_engines(self):
        """What a dead one had goes to those with less than their share."""
        world = self.world('2026-01-01')
        engines = [world.engine(name) for name in ('a', 'b', 'c')]
        self.audits(world, 15)
        self.look_often(world, '2026-01-01', 2)
        world.until('2026-01-01 00:10')
        self.assertEqual(
            {'a': [10, 11, 12, 13, 14], 'b': [0, 2, 4, 6, 8],
             'c': [1, 3, 5, 7, 9]}, self.owners())
        world.at('2026-01-01 00:20', engines[0].kill)
        self.look_often(world, '2026-01-01 00:20', 2)
        world.until('2026-01-01 00:30')
        self.assertEqual(
            {'b': [0, 2, 4, 6, 8, 10, 11, 12], 'c': [1, 3, 5, 7, 9, 13, 14]},
            self.owners())
        world.until('2026-01-01 01:30')
        self.assertOnce(world, 15, every('2026-01-01', HOUR, 2))

    def test_one_that_joins(self):
        world = self.world('2026-01-01')
        world.engine('a')
        world.engine('b')
        self.audits(world, 18)
        self.look_often(world, '2026-01-01', 2)
        world.until('2026-01-01 00:10')
        world.engine('c')
        self.look_often(world, '2026-01-01 00:10', 2)
        world.until('2026-01-01 00:20')
        self.assertEqual(
            {'a': list(range(12, 18)), 'b': list(range(3, 9)),
             'c': [0, 1, 2, 9, 10, 11]}, self.owners())
        world.until('2026-01-01 01:30')
        self.assertOnce(world, 18, every('2026-01-01', HOUR, 2))

    def test_a_day_on_which_nothing_moves(self):
        """A small difference changes nothing, nor who dies all the time."""
        world = self.world('2026-01-01')
        world.engine('a')
        world.engine('b')
        self.audits(world, 6, 12 * HOUR)
        self.look_often(world, '2026-01-01', 2)
        world.until('2026-01-01 00:10')
        shared = {'a': [3, 4, 5], 'b': [0, 1, 2]}
        self.assertEqual(shared, self.owners())
        self.audits(world, 2, 12 * HOUR, first=6)
        world.until('2026-01-01 00:20')
        shared['a'] += [6, 7]
        third = world.engine('c')
        for hour in range(1, 23):
            world.at(f'2026-01-01 {hour:02}:00:10', third.kill)
            world.at(f'2026-01-01 {hour:02}:55', third.start)
            world.at(f'2026-01-01 {hour:02}:58', world.disturb)
        world.until('2026-01-02 00:00')
        self.assertEqual(shared, self.owners())

    def test_switched_off(self):
        self.config(group='watcher_decision_engine', balance_audits=False)
        world = self.world('2026-01-01')
        world.engine('a')
        world.engine('b')
        self.audits(world, 9)
        self.look_often(world, '2026-01-01', 2)
        world.until('2026-01-01 00:10')
        self.assertEqual({'a': list(range(9))}, self.owners())
