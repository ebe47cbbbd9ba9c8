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

from watcher.decision_engine import threading as de_threading
from watcher.tests import base


class TestThreadPool(base.TestCase):

    def setUp(self):
        super().setUp()
        self.reset()
        self.addCleanup(self.reset)
        self.config(group='watcher_decision_engine', max_general_workers=2)
        self.pool = de_threading.DecisionEngineThreadPool()

    def reset(self):
        de_threading.DecisionEngineThreadPool.reset()

    def test_one_for_each_process(self):
        self.assertIs(self.pool, de_threading.DecisionEngineThreadPool())

    def test_no_more_than_max_general_workers(self):
        lock, busy, most = threading.Lock(), [], []
        both = threading.Barrier(2, timeout=base.PATIENCE)

        def work():
            with lock:
                busy.append(1)
                most.append(len(busy))
            both.wait()
            with lock:
                busy.pop()
        for future in [self.pool.submit(work) for _ in range(8)]:
            future.result()
        self.assertEqual(2, max(most))

    def test_statistics_are_logged_if_wanted(self):
        self.pool.submit(pow, 2, 2).result()
        self.assertNotIn('Thread pool', self.logger.output)
        self.config(print_thread_pool_stats=True)
        gate = threading.Event()
        self.addCleanup(gate.set)
        for _ in range(3):
            self.pool.submit(gate.wait, base.PATIENCE)
        self.assertIn('Thread pool general: size 2, busy 2, idle 0, '
                      'queue length 1', self.logger.output)

    def test_do_while_futures(self):
        futures = [self.pool.submit(pow, 2, n) for n in range(5)]
        results = []
        self.pool.do_while_futures(
            futures, lambda future, add, more: results.append(
                future.result() + add + more), 1, more=10)
        self.assertEqual([12, 13, 15, 19, 27], sorted(results))
        self.assertEqual(5, len(futures))

    def test_do_while_futures_modify(self):
        futures = [self.pool.submit(pow, 2, n) for n in range(5)]
        results = []
        self.pool.do_while_futures_modify(
            futures, lambda future: results.append(future.result()))
        self.assertEqual([1, 2, 4, 8, 16], sorted(results))
        self.assertEqual([], futures)

    def test_rest_is_given_up_when_nothing_completes_in_time(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        futures = [self.pool.submit(gate.wait, base.PATIENCE)
                   for _ in range(3)]
        handled = []
        self.pool.do_while_futures(futures, handled.append,
                                   futures_timeout=0.1)
        self.assertEqual([], handled)
        self.assertTrue(futures[2].cancelled())
