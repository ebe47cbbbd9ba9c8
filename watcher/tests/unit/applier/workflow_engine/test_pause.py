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
"""Plans that are paused while they run."""

import threading

import fixtures

from watcher import objects
from watcher.applier.workflow_engine import standing
from watcher.tests import base
from watcher.tests.unit.applier import harness
from watcher.tests.unit.applier.workflow_engine import engine_case


class TestPause(engine_case.EngineTestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.applier.workflow_engine.admission.LOOK_INTERVAL', 0.02))
        self.set_engine_option(max_workers=1)
        self.executed = []
        self.hooks['execute'] = self.execute
        self.threads = []

    def execute(self, action):
        self.executed.append(self.number_of(action))
        if len(self.executed) == 1:
            self.pause()
        return True

    def pause(self, paused=True):
        objects.PlanRun.set(self.context, self.plan.id, paused=paused)

    def start(self, parents):
        self.plan = self.make_graph(parents)
        thread = threading.Thread(target=self.run_plan, args=(self.plan,),
                                  daemon=True)
        thread.start()
        self.wait_for(lambda: self.read(self.plan).status_message
                      == standing.PAUSED_MESSAGE, what='the pause')
        return thread

    def end(self, thread):
        thread.join(base.PATIENCE)
        self.assertFalse(thread.is_alive())
        return self.read(self.plan)

    def test_it_starts_nothing_and_goes_on(self):
        thread = self.start([[], [0], [], [1, 2]])
        self.assertEqual([0], self.executed)
        self.assertEqual('ONGOING', self.read(self.plan).state)
        # Its only worker has nothing to do.
        self.wait_for(lambda: self.states(self.plan)
                      == ['SUCCEEDED'] + ['PENDING'] * 3)
        self.pause(False)
        plan = self.end(thread)
        self.assertEqual(('SUCCEEDED', None),
                         (plan.state, plan.status_message))
        self.assertEqual(['SUCCEEDED'] * 4, self.states(plan))
        self.assertEqual([0, 1, 2, 3], sorted(self.executed))

    def test_the_pause_is_told_once(self):
        thread = self.start([[], [], [], []])
        self.pause(False)
        self.end(thread)
        self.assertEqual(2, len(self.events('update plan1 ONGOING [-]')))

    def test_it_is_cancelled(self):
        thread = self.start([[], [0], [1]])
        self.set_state(self.plan, 'CANCELLING')
        plan = self.end(thread)
        self.assertEqual(('CANCELLED', None),
                         (plan.state, plan.status_message))
        self.assertEqual(['SUCCEEDED', 'CANCELLED', 'CANCELLED'],
                         self.states(plan))
        self.assertEqual([0], self.executed)
        self.assertEqual([
            'action_plan.cancel.start plan1 CANCELLING',
            'action.update action2 CANCELLED [PENDING>CANCELLED]',
            'action.update action3 CANCELLED [PENDING>CANCELLED]',
            'action_plan.update plan1 CANCELLED [CANCELLING>CANCELLED]',
            'action_plan.cancel.end plan1 CANCELLED',
        ], [event for event in self.events()
            if 'CANCELLING>' in event or 'cancel' in event
            or 'PENDING>CANCELLED' in event])

    def test_paused_while_an_action_is_checked(self):
        self.executed.append(-1)
        checks = []

        def check(action):
            if not checks:
                self.pause()
            checks.append(action)
        self.hooks['pre_condition'] = check
        thread = self.start([[]])
        self.assertEqual(['PENDING'], self.states(self.plan))
        self.assertEqual([-1], self.executed)
        self.pause(False)
        self.assertEqual('SUCCEEDED', self.end(thread).state)
        self.assertEqual([-1, 0], self.executed)

    def test_the_applier_stops(self):
        thread = self.start([[], [0]])
        self.manager.stopping.set()
        self.end(thread)
        self.assertEqual([0], self.executed)

    def test_running_actions_end(self):
        """Also the last ones: then there is nothing left to pause."""
        self.plan = self.make_graph([[]])
        plan = self.run_plan(self.plan)
        self.assertEqual(('SUCCEEDED', None),
                         (plan.state, plan.status_message))

    def test_one_that_goes_on_at_another_applier_stays_paused(self):
        self.executed.append(-1)
        self.plan = self.make_graph([[], [0]])
        self.pause()
        self.set_state(self.plan, 'ONGOING', hostname=harness.HOST,
                       status_message=standing.PAUSED_MESSAGE)
        looks = []
        read = standing.read
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.applier.workflow_engine.standing.read',
            lambda plan_id: looks.append(plan_id) or read(plan_id)))
        thread = threading.Thread(target=self.run_engine, args=(self.plan,),
                                  daemon=True)
        thread.start()
        self.wait_for(lambda: len(looks) > 3)
        self.assertEqual([-1], self.executed)
        self.pause(False)
        plan = self.end(thread)
        self.assertIsNone(plan.status_message)
        self.assertEqual([-1, 0, 1], self.executed)
