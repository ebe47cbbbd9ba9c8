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
"""Changes that are stored while the answer of the database gets lost."""

import threading

import fixtures
from oslo_db import exception as db_exc

from watcher import notifications
from watcher import objects
from watcher.applier import persistence
from watcher.common import exception
from watcher.tests.unit.applier import harness


def nop(**parameters):
    return {'type': 'nop', 'parameters': {'message': 'hello', **parameters}}


class LostAnswersTestCase(harness.ApplierTestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.applier.persistence._FIRST_PAUSE', 0.001))
        notifications.setup()
        self.addCleanup(notifications.teardown)
        self.lost = []

    def lose_answers(self):
        """Each change of a state is stored, but the first answer is lost."""
        store = objects.base.StoredObject._store

        def store_in_silence(obj, changes, *args):
            key = (obj.uuid, changes.get('state'))
            if 'state' not in changes or key in self.lost:
                return store(obj, changes, *args)
            # The object of the caller doesn't learn of it.
            store(obj.snapshot(), changes, *args)
            self.lost.append(key)
            raise db_exc.DBConnectionError()
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.objects.base.StoredObject._store', store_in_silence))


class TestRuns(LostAnswersTestCase):

    def assertSameEvents(self, *specs):
        """A run that loses all answers tells what an undisturbed one does.
        """
        undisturbed = self.run_plan(self.make_plan(*specs))
        expected = self.events()
        self.recorder.messages.clear()
        plan = self.make_plan(*specs)
        plan = objects.ActionPlan.get_by_uuid(self.context, plan.uuid,
                                              eager=True)
        self.lost.append((plan.uuid, 'ONGOING'))  # the harness claims it
        self.lose_answers()
        plan = self.run_plan(plan)
        self.assertEqual(undisturbed.state, plan.state)
        self.assertGreater(len(self.lost), 2)
        self.assertEqual(expected, self.events())

    def test_success(self):
        self.assertSameEvents(nop())

    def test_failure(self):
        self.assertSameEvents(nop(fail_execute=True))

    def test_failed_post_condition(self):
        self.assertSameEvents(nop(fail_post_condition=True))

    def test_automatic_skip(self):
        self.assertSameEvents(nop(skip_pre_condition=True))

    def test_the_message_is_too_long_for_the_column(self):
        def fail(_action):
            raise exception.NovaClientError(reason='x' * 1000)
        self.hooks['execute'] = fail
        self.assertSameEvents({})

    def test_cancel(self):
        def cancel(_action):
            plan = objects.ActionPlan.list(
                self.context, filters={'state': 'ONGOING'})[0]
            self.lost.append((plan.uuid, 'CANCELLING'))
            self.set_state(plan, 'CANCELLING')
            return True
        self.hooks['execute'] = cancel
        self.assertSameEvents({})

    def test_the_outcome_is_stored_by_a_later_attempt(self):
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.applier.persistence.PATIENCE', -1))
        plan = self.make_plan()
        self.lost.append((plan.uuid, 'ONGOING'))
        self.lose_answers()
        self.manager.start()
        self.wait_for_state(plan, 'SUCCEEDED')
        self.wait_for(lambda: self.events('execution.end'))
        self.assertEqual([
            'action_plan.update plan1 SUCCEEDED [ONGOING>SUCCEEDED]',
            'action_plan.execution.end plan1 SUCCEEDED',
        ], self.events()[-2:])

    def test_a_claim(self):
        plan = self.make_plan()
        self.lose_answers()
        self.assertRaises(db_exc.DBConnectionError,
                          self.manager._queue.claim_next)
        self.assertEqual([], self.events('update'))
        self.manager._dispatch()
        self.wait_for_state(plan, 'SUCCEEDED')
        self.assertEqual(
            'action_plan.update plan1 ONGOING [PENDING>ONGOING]',
            self.events('update')[0])


class TestSomebodyElse(LostAnswersTestCase):
    """Who made the same change is told by the message."""

    def setUp(self):
        super().setUp()
        self.plan = self.make_plan(nop())
        self.action = objects.Action.get_by_uuid(
            self.context, self.actions(self.plan)[0].uuid, eager=True)

    def interfere(self, *args, **kwargs):
        """Somebody is faster, while the database is away."""
        if not self.lost:
            self.lost.append(args)
            other = objects.Action.get_by_uuid(
                self.context, self.action.uuid, eager=True)
            other.transition('SKIPPED', status_message='by somebody')
            raise db_exc.DBConnectionError()
        return self.transition(*args, **kwargs)

    def skip(self, message):
        self.transition = self.action.transition
        self.useFixture(fixtures.MockPatchObject(
            self.action, 'transition', self.interfere))
        persistence.transition(self.action, 'SKIPPED', threading.Event(),
                               status_message=message)

    def test_with_another_message(self):
        self.assertRaises(exception.StateConflict, self.skip, 'by us')
        # It has been told by who did it.
        self.assertEqual(1, len(self.events('SKIPPED')))
