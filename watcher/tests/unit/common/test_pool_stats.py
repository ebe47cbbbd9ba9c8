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

import gc
import threading
from unittest import mock

import fixtures

from watcher.applier import threads
from watcher.common import pool_stats
from watcher.common import service
from watcher.decision_engine import threading as de_threading
from watcher.decision_engine.audit import dispatcher
from watcher.tests import base


class Pool:
    size = 2
    unfinished = 3

    def load(self):
        return pool_stats.Load(self.size, self.unfinished)


class TestPools(base.TestCase):

    def setUp(self):
        super().setUp()
        self.pools = pool_stats.Pools()

    def test_load_tells_who_works_and_who_waits(self):
        load = pool_stats.Load(size=4, unfinished=7)
        self.assertEqual((4, 3), (load.busy, load.waiting))
        load = pool_stats.Load(size=4, unfinished=1)
        self.assertEqual((1, 0), (load.busy, load.waiting))

    def test_pools_of_one_name_are_added_up(self):
        first, second = Pool(), Pool()
        for pool in (first, second):
            self.pools.watch('work', pool, Pool.load)
        self.assertEqual({'work': pool_stats.Load(4, 6)},
                         self.pools.loads())
        self.assertEqual('work: size 4, busy 4, queue length 2',
                         self.pools.as_text())

    def test_a_pool_is_forgotten(self):
        pool = Pool()
        self.pools.watch('work', pool, Pool.load)
        self.pools.forget(pool)
        self.assertEqual({}, self.pools.loads())
        self.assertEqual('none', self.pools.as_text())

    def test_a_pool_is_not_kept_alive(self):
        self.pools.watch('work', Pool(), Pool.load)
        gc.collect()
        self.assertEqual({}, self.pools.loads())


class TestOurPools(base.TestCase):
    """Those of the services show themselves."""

    def setUp(self):
        super().setUp()
        # Others may be left from other tests.
        self.pools = pool_stats.Pools()
        self.useFixture(fixtures.MockPatchObject(
            pool_stats, 'POOLS', self.pools))

    def load(self, name):
        return self.pools.loads()[name]

    def test_the_general_pool(self):
        de_threading.DecisionEngineThreadPool.reset()
        self.addCleanup(de_threading.DecisionEngineThreadPool.reset)
        self.config(group='watcher_decision_engine', max_general_workers=1)
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        pool = de_threading.DecisionEngineThreadPool()
        futures = [pool.submit(go_on.wait, base.PATIENCE) for _ in range(3)]
        self.assertEqual(pool_stats.Load(1, 3), self.load('general'))
        go_on.set()
        for future in futures:
            future.result(base.PATIENCE)

    def test_actions(self):
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        pool = threads.DaemonPool(1, 'plan-7-action', kind='here')
        futures = [pool.submit(go_on.wait, base.PATIENCE) for _ in range(2)]
        self.assertEqual(pool_stats.Load(1, 2), self.load('here'))
        pool.shutdown(wait=False)
        self.assertEqual(pool_stats.Load(0, 2), self.load('here'))
        go_on.set()
        for future in futures:
            future.result(base.PATIENCE)

    def test_audits(self):
        self.config(group='watcher_decision_engine', max_audit_workers=3)
        audits = dispatcher.AuditDispatcher()
        self.assertEqual(pool_stats.Load(3, 0), self.load('audits'))
        audits.trigger(None, 'uuid')
        self.assertEqual(pool_stats.Load(3, 1), self.load('audits'))

    def test_reports_show_them(self):
        with mock.patch.object(service, 'register_report_section') as add, (
                mock.patch.object(service.gmr.TextGuruMeditation,
                                  'setup_autorun')):
            service.setup_reports()
        sections = dict(call.args for call in add.call_args_list)
        pool = Pool()
        self.pools.watch('reported', pool, Pool.load)
        self.assertIn('reported: size 2, busy 2, queue length 1',
                      sections['Thread pools']())
