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
"""Plans with windows, and the clock by which these are judged."""

import datetime

import fixtures

from watcher import objects
from watcher.tests.unit.applier import harness

#: A Monday.
NOON = datetime.datetime(2026, 6, 1, 12)
#: Open and closed at noon.
DAY, NIGHT = '08:00-20:00', '22:00-06:00'
#: When the night begins, in the words of a plan.
WAITS = ('Waits for its execution window, which opens at '
         '2026-06-01 22:00:00 UTC.')
BEGUN = WAITS + ' Actions that run are not disturbed, no other is started.'


class Clock(fixtures.Fixture):
    """Stands still until a test sets it."""

    def _setUp(self):
        self.now = NOON
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.applier.hours.now', lambda: self.now))

    def set(self, text: str) -> None:
        """Set it to a time of this day, or to a date and a time."""
        self.now = datetime.datetime.fromisoformat(
            text if '-' in text else f'2026-06-01 {text}')


class WindowTestCase(harness.ApplierTestCase):
    """An applier that does what the test calls, at noon."""

    def setUp(self):
        super().setUp()
        harness.notifications.setup()
        self.addCleanup(harness.notifications.teardown)
        self.clock = self.useFixture(Clock())
        self.executed = []
        self.hooks['execute'] = self.execute

    def execute(self, action):
        """Count the action; a test may do something meanwhile."""
        self.executed.append(action.input_parameters.get('number'))
        return True

    def set_windows(self, *texts, audit=None, **values):
        objects.AuditSchedule.set(
            self.context, (audit or self.audit).id,
            execution_windows=list(texts), **values)

    def operators(self, *texts, **values):
        """Set the windows of the operator."""
        self.config(execution_windows=list(texts), group='watcher_applier')
        self.config(**values)

    def make_audit(self, name='audit-2', **values):
        """Store one more audit."""
        audit = objects.Audit(
            self.context, name=name, audit_type='ONESHOT', state='SUCCEEDED',
            goal_id=self.audit.goal_id, strategy_id=self.audit.strategy_id,
            parameters={}, scope=[], force=False,
            **{'auto_trigger': False, **values})
        audit.create()
        self.recorder.names[audit.uuid] = name
        return audit

    def plan_of(self, audit, *specs, **values):
        """Store a plan of another audit."""
        before, self.audit = self.audit, audit
        self.addCleanup(setattr, self, 'audit', before)
        try:
            return self.make_plan(*specs, **values)
        finally:
            self.audit = before

    def chain(self, length, **values):
        """Store a plan whose actions wait for one another."""
        return self.make_plan(*(
            {'parameters': {'number': number},
             'parents': [number - 1] if number else []}
            for number in range(length)), **values)

    def look(self, manager=None):
        """What the thread of the dispatcher does at a look."""
        manager = manager or self.manager
        if manager.lease is None:
            manager.pre_start()
        manager._dispatch()

    def message(self, plan):
        return self.read(plan).status_message

    def shown(self, plan):
        """State, host and message of a plan."""
        found = self.read(plan)
        return found.state, found.hostname, found.status_message

    def wait_for_rest(self, plan, manager=None):
        """Wait until a plan that was begun rests for the night."""
        self.wait_for(lambda: self.shown(plan) == ('ONGOING', None, BEGUN),
                      what='the rest')
        self.wait_for(lambda: not (manager or self.manager).running,
                      what='the end of its thread')
