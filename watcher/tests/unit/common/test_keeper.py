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

from watcher.common import keeper
from watcher.tests import base


class Lease:
    """Answers what the test says."""

    name = 'lease'
    seconds = 60.0

    def __init__(self):
        self.valid = True
        self.answers = []
        self.renewed = threading.Event()
        self.released = threading.Event()

    def renew(self):
        answer = self.answers.pop(0) if self.answers else True
        self.renewed.set()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def release(self):
        self.released.set()


class TestKeeper(base.TestCase):

    def setUp(self):
        super().setUp()
        self.leases = []
        self.lost = []
        self.interval = 3600.0
        self.keeper = keeper.Keeper(
            'keeper-of-test', self.take, lambda: self.interval,
            lambda: self.lost.append(1))
        self.addCleanup(self.keeper.release)

    def take(self):
        self.leases.append(Lease())
        return self.leases[-1]

    def test_it_renews_in_a_thread_of_its_own(self):
        self.assertIsNone(self.keeper.lease)
        self.keeper.take()
        self.assertIs(self.leases[0], self.keeper.lease)
        self.assertFalse(self.leases[0].renewed.is_set())
        self.assertIn('keeper-of-test', [
            thread.name for thread in threading.enumerate()])
        self.keeper._loop.wake()
        self.assertTrue(self.leases[0].renewed.wait(base.PATIENCE))

    def test_renewed_at_least_three_times_before_it_expires(self):
        self.keeper.take()
        self.assertEqual(20.0, self.keeper._pause())
        self.interval = 7.0
        self.assertEqual(7.0, self.keeper._pause())

    def test_errors_are_survived(self):
        self.keeper.take()
        lease, = self.leases
        lease.answers = [ValueError('broken\nin detail')]
        self.keeper.keep()
        lease.valid = False
        lease.answers = [ValueError('still broken')]
        self.keeper.keep()
        self.keeper.keep()
        self.assertEqual([], self.lost)
        for text in ('could not be renewed: broken',
                     'may be expired; nothing is started',
                     'nobody else took it'):
            self.assertIn(text, self.logger.output)

    def test_a_loss_is_told_once(self):
        self.keeper.take()
        lease, = self.leases
        lease.answers = [False]
        self.keeper.keep()
        lease.answers = [False]
        self.keeper.keep()
        self.assertEqual([1], self.lost)

    def test_taken_again(self):
        self.keeper.take()
        self.keeper.take()
        self.assertIs(self.leases[1], self.keeper.lease)
        self.keeper.keep()
        self.assertEqual([], self.lost)

    def test_given_back_at_the_end(self):
        self.keeper.take()
        self.keeper.release()
        self.assertTrue(self.leases[0].released.is_set())
        # Who still works for the process is stopped by it.
        self.assertIs(self.leases[0], self.keeper.lease)
        self.leases[0].answers = [False]
        self.keeper.keep()
        self.assertEqual([], self.lost)
        self.keeper.release()

    def test_given_back_while_it_is_renewed(self):
        self.keeper.take()
        lease = self.leases[0]

        def renew():
            self.keeper.release()
            return False
        lease.renew = renew
        self.keeper.keep()
        self.assertTrue(lease.released.is_set())
        self.assertEqual([], self.lost)

    def test_the_end_does_not_wait_for_the_database(self):
        self.keeper.take()
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        entered = threading.Event()
        self.leases[0].release = lambda: (entered.set(), go_on.wait(60))
        self.keeper.release(timeout=0.01)
        self.assertTrue(entered.wait(base.PATIENCE))

    def test_a_failed_release_is_logged(self):
        self.keeper.take()

        def fail():
            raise ValueError('no database')
        self.leases[0].release = fail
        self.keeper.release()
        self.assertIn('will expire: no database',
                      self.logger.output)
