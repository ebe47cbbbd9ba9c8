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
"""The pool of daemon threads."""

import threading

from watcher.applier import threads
from watcher.tests import base


class TestDaemonPool(base.TestCase):

    def make(self, workers=2):
        pool = threads.DaemonPool(workers, 'test-pool')
        self.addCleanup(pool.shutdown, wait=False)
        return pool

    def test_results_and_errors(self):
        pool = self.make()
        self.assertEqual(3, pool.submit(max, 1, 3).result(5))
        self.assertRaises(ZeroDivisionError,
                          pool.submit(divmod, 1, 0).result, 5)

    def test_the_bound_holds_and_is_used(self):
        pool = self.make(2)
        meeting = threading.Barrier(2)
        futures = [pool.submit(meeting.wait, 5) for _number in range(4)]
        for future in futures:
            self.assertIn(future.result(5), (0, 1))
        self.assertLessEqual(len(pool._threads), 2)

    def test_statistics_are_logged_if_wanted(self):
        pool = self.make(2)
        self.config(print_thread_pool_stats=True)
        pool.submit(int).result(5)
        self.assertIn('Thread pool test-pool: size 2, busy 1, idle 1, '
                      'queue length 0', self.logger.output)

    def test_threads_do_not_keep_the_process_alive(self):
        pool = self.make()
        self.assertTrue(pool.submit(
            lambda: threading.current_thread().daemon).result(5))

    def test_shutdown_finishes_what_was_given(self):
        pool = self.make(1)
        futures = [pool.submit(int, number) for number in range(20)]
        pool.shutdown(wait=True)
        self.assertEqual(list(range(20)),
                         [future.result(0) for future in futures])
        self.assertFalse(any(thread.is_alive()
                             for thread in pool._threads))
        self.assertRaises(RuntimeError, pool.submit, int)

    def test_a_cancelled_future_is_not_run(self):
        pool = self.make(1)
        gate = threading.Event()
        self.addCleanup(gate.set)
        pool.submit(gate.wait, 5)
        waiting = pool.submit(self.fail)
        self.assertTrue(waiting.cancel())
        gate.set()
        self.assertEqual(1, pool.submit(int, 1).result(5))
