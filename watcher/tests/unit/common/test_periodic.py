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
import threading
import time

from oslo_db import exception as db_exc

from watcher.common import context
from watcher.common import periodic
from watcher.tests import base


class Rounds:
    """Counts rounds and lets a test wait for them."""

    def __init__(self, action=lambda: None):
        self.count = 0
        self.times = []
        self._action = action
        self._changed = threading.Condition()

    def __call__(self):
        with self._changed:
            self.count += 1
            self.times.append(time.monotonic())
            self._changed.notify_all()
        self._action()

    def wait_for(self, count, timeout=base.PATIENCE):
        with self._changed:
            return self._changed.wait_for(
                lambda: self.count >= count, timeout)


class TestLoop(base.TestCase):

    def loop(self, func, interval, **kwargs):
        loop = periodic.Loop('test-loop', func, interval, **kwargs)
        self.addCleanup(loop.stop, base.PATIENCE)
        return loop

    def test_runs_again_and_again(self):
        rounds = Rounds()
        loop = self.loop(rounds, 0.02)
        loop.start()
        self.assertTrue(rounds.wait_for(4))
        self.assertTrue(loop.stop(base.PATIENCE))
        self.assertFalse(loop.running)

    def test_keeps_its_pace(self):
        """From start to start, with a pause even if rounds take longer."""
        for interval, elapsed, pause in (
                (10, 0, 10), (10, 7, 3), (10, 60, periodic.MIN_PAUSE),
                (0.5, 60, 0.5)):
            self.assertEqual(
                pause, self.loop(Rounds(), interval)._next_pause(elapsed))

    def test_pauses(self):
        rounds = Rounds()
        began = time.monotonic()
        self.loop(rounds, 0.05).start()
        self.assertTrue(rounds.wait_for(3))
        self.assertGreaterEqual(rounds.times[2] - began, 0.1)

    def test_rests_between_rounds(self):
        entered, go_on = threading.Event(), threading.Event()

        def action():
            entered.set()
            go_on.wait(base.PATIENCE)

        rounds = Rounds(action)
        loop = self.loop(rounds, 3600)
        self.assertFalse(loop.resting)
        loop.start()
        self.assertTrue(entered.wait(base.PATIENCE))
        self.assertFalse(loop.resting)
        go_on.set()
        deadline = time.monotonic() + base.PATIENCE
        while not loop.resting:
            self.assertLess(time.monotonic(), deadline)
        self.assertEqual(1, rounds.count)

    def test_initial_delay(self):
        rounds = Rounds()
        started = time.monotonic()
        self.loop(rounds, 3600, initial_delay=0.1).start()
        self.assertTrue(rounds.wait_for(1))
        self.assertGreaterEqual(rounds.times[0] - started, 0.1)

    def test_survives_exceptions(self):
        def fail():
            raise ValueError('ouch')

        rounds = Rounds(fail)
        self.loop(rounds, 0.02).start()
        self.assertTrue(rounds.wait_for(3))
        self.assertIn('test-loop', self.logger.output)
        self.assertIn('ValueError: ouch', self.logger.output)

    def test_a_database_that_is_away_takes_one_line(self):
        def fail():
            raise db_exc.DBConnectionError(
                ValueError('no route to host\n[SQL: SELECT 1]'))

        rounds = Rounds(fail)
        self.loop(rounds, 0.02).start()
        self.assertTrue(rounds.wait_for(3))
        self.assertIn('test-loop', self.logger.output)
        self.assertIn('no route to host', self.logger.output)
        self.assertNotIn('SELECT', self.logger.output)
        self.assertNotIn('Traceback', self.logger.output)

    def test_interval_is_read_each_round(self):
        intervals = iter([0.01, 0.01])
        rounds = Rounds()
        self.loop(rounds, lambda: next(intervals, 3600)).start()
        self.assertTrue(rounds.wait_for(3))
        self.assertFalse(rounds.wait_for(4, timeout=0.2))

    def test_broken_interval_is_survived(self):
        rounds = Rounds()
        loop = self.loop(rounds, lambda: 1 / 0)
        loop.start()
        self.assertTrue(rounds.wait_for(1))
        loop.wake()
        self.assertTrue(rounds.wait_for(2))

    def test_wake_runs_now(self):
        rounds = Rounds()
        loop = self.loop(rounds, 3600)
        loop.start()
        self.assertTrue(rounds.wait_for(1))
        loop.wake()
        self.assertTrue(rounds.wait_for(2))

    def test_wake_during_a_round_is_not_lost(self):
        entered, go_on = threading.Event(), threading.Event()

        def action():
            entered.set()
            go_on.wait(base.PATIENCE)

        rounds = Rounds(action)
        loop = self.loop(rounds, 3600)
        loop.start()
        self.assertTrue(entered.wait(base.PATIENCE))
        loop.wake()
        go_on.set()
        self.assertTrue(rounds.wait_for(2))

    def test_zero_interval_runs_only_when_woken(self):
        rounds = Rounds()
        loop = self.loop(rounds, 0)
        loop.start()
        self.assertTrue(rounds.wait_for(1))
        self.assertFalse(rounds.wait_for(2, timeout=0.2))
        loop.wake()
        self.assertTrue(rounds.wait_for(2))

    def test_stop_interrupts_the_pause(self):
        loop = self.loop(Rounds(), 3600)
        loop.start()
        self.assertTrue(loop.stop(base.PATIENCE))

    def test_stop_reports_a_hanging_round(self):
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        rounds = Rounds(lambda: go_on.wait(2 * base.PATIENCE))
        loop = self.loop(rounds, 3600)
        loop.start()
        self.assertTrue(rounds.wait_for(1))
        self.assertFalse(loop.stop(0.05))
        self.assertIn('has not ended', self.logger.output)
        go_on.set()

    def test_stop_from_inside(self):
        loops = []
        loop = self.loop(lambda: loops[0].stop(), 0.01)
        loops.append(loop)
        loop.start()
        loop._thread.join(base.PATIENCE)
        self.assertFalse(loop.running)

    def test_stop_before_start(self):
        self.assertTrue(self.loop(Rounds(), 1).stop(1))

    def test_start_twice_is_one_thread(self):
        rounds = Rounds()
        loop = self.loop(rounds, 3600)
        loop.start()
        loop.start()
        self.assertTrue(rounds.wait_for(1))
        self.assertEqual(1, sum(
            thread.name == 'test-loop' for thread in threading.enumerate()))

    def test_can_be_started_again(self):
        rounds = Rounds()
        loop = self.loop(rounds, 3600)
        loop.start()
        self.assertTrue(rounds.wait_for(1))
        loop.stop(base.PATIENCE)
        loop.start()
        self.assertTrue(rounds.wait_for(2))

    def test_each_round_has_its_own_request_id(self):
        seen = []
        rounds = Rounds(
            lambda: seen.append(context.get_current().request_id))
        self.loop(rounds, 0.01).start()
        self.assertTrue(rounds.wait_for(3))
        self.assertEqual(len(seen), len(set(seen)))
