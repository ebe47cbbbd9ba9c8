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
"""Continuous audits whose runs fail or are taken away, in virtual time."""

import functools

from watcher import objects
from watcher.common import exception
from watcher.tests import base
from watcher.tests.fixtures import virtual_time
from watcher.tests.unit.decision_engine import factories

AUDIT = objects.audit.State
dates = virtual_time.dates


class CalendarTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.world = self.useFixture(virtual_time.World('2026-01-01'))
        self.engine = self.world.engine()


class TestPauses(CalendarTestCase):
    """After 1, 2, 4, 8... minutes; then as soon as the interval allows."""

    def start(self, interval):
        self.world.audit(interval, fails=lambda run: (
            exception.NovaClientError(reason='refused')))
        # Those rounds in which all rows are looked at, again and again.
        for minute in range(1, 40):
            self.world.at(f'2026-01-01 00:{minute:02}:17',
                          self.world.disturb)

    def test_by_seconds(self):
        self.start(30)
        self.world.until('2026-01-01 00:40')
        self.assertEqual(dates(
            '2026: 01-01T00:00 01-01T00:01 01-01T00:03 01-01T00:07 '
            '01-01T00:15 01-01T00:31'), self.world.dates())

    def test_by_cron(self):
        self.start('* * * * *')
        self.world.until('2026-01-01 00:40')
        self.assertEqual(dates(
            '2026: 01-01T00:01 01-01T00:02 01-01T00:04 01-01T00:08 '
            '01-01T00:16 01-01T00:32'), self.world.dates())

    def test_of_another_engine(self):
        """Who takes over keeps the pause."""
        self.start(30)
        self.world.at('2026-01-01 00:07:30', self.engine.stop)
        self.world.at('2026-01-01 00:07:31', functools.partial(
            self.world.engine, 'engine-2'))
        self.world.until('2026-01-01 00:20')
        self.assertEqual(dates(
            '2026: 01-01T00:00 01-01T00:01 01-01T00:03 01-01T00:07 '
            '01-01T00:15'), self.world.dates())
        self.assertEqual('engine-2', self.world.runs[-1].host)


class TestTakenAway(CalendarTestCase):

    def test_suspended_again_and_again(self):
        """That is no reason to say that engines died of the audit."""
        audit = self.world.audit(3600, lasts=600)
        for minute in range(1, 13, 3):
            for shift, state in ((0, AUDIT.SUSPENDED), (1, AUDIT.ONGOING)):
                self.world.at(f'2026-01-01 00:{minute + shift:02}',
                              functools.partial(self.change, audit, state))
        self.world.until('2026-01-01 00:59')
        found = factories.reread(audit)
        self.assertEqual((AUDIT.ONGOING, None),
                         (found.state, found.status_message))
        self.assertEqual(1, self.world.results())

    def change(self, audit, state):
        factories.reread(audit).transition(state)
        if state == AUDIT.SUSPENDED:
            # What runs finds that out before the next run could begin.
            self.world.end_runs(self.engine, exception.AuditCancelled(
                uuid=audit.uuid))
        self.world.disturb()
