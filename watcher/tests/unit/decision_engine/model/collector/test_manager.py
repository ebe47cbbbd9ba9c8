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
from unittest import mock

from watcher.common import exception
from watcher.common import keystone_helper
from watcher.common import utils
from watcher.decision_engine.loading import default
from watcher.decision_engine.model.collector import manager
from watcher.decision_engine.model.collector import nova
from watcher.tests import base


class FakeCollector:

    def __init__(self, endpoints=(), period=3600):
        self.notification_endpoints = endpoints
        self.config = utils.Struct(period=period)
        self.synchronized = threading.Semaphore(0)

    def synchronize(self):
        self.synchronized.release()


class TestCollectorManager(base.TestCase):

    def setUp(self):
        super().setUp()
        self.manager = manager.CollectorManager(osc='osc')

    def plugins(self, storage_enabled=True, **collectors):
        self.config('collector', collector_plugins=list(collectors))
        for target, name, answer in (
                (self.manager.collector_loader, 'load', None),
                (default.ClusterDataModelCollectorLoader,
                 'list_available', collectors)):
            patcher = mock.patch.object(target, name, return_value=answer)
            patcher.start()
            self.addCleanup(patcher.stop)
        self.manager.collector_loader.load.side_effect = (
            lambda name, osc: collectors[name])
        patcher = mock.patch.object(keystone_helper, 'KeystoneHelper')
        helper = patcher.start()
        self.addCleanup(patcher.stop)
        helper.return_value.is_service_enabled_by_type.return_value = (
            storage_enabled)

    def test_configured_collectors(self):
        self.plugins(compute=FakeCollector(), storage=FakeCollector())
        self.assertEqual(['compute', 'storage'],
                         list(self.manager.get_collectors()))

    def test_no_block_storage(self):
        self.plugins(storage_enabled=False, compute=FakeCollector(),
                     storage=FakeCollector())
        self.assertEqual(['compute'], list(self.manager.get_collectors()))
        self.assertIn('no block storage', self.logger.output)

    def test_unknown_plugin(self):
        self.config('collector', collector_plugins=['compute', 'nope'])
        error = self.assertRaises(exception.LoadingError,
                                  self.manager.get_collectors)
        self.assertIn('nope', str(error))

    def test_not_configured_collectors_can_be_loaded(self):
        self.config('collector', collector_plugins=[])
        collector = self.manager.get_cluster_model_collector('compute')
        self.assertIsInstance(collector,
                              nova.NovaClusterDataModelCollector)
        self.assertEqual(3600, collector.config.period)
        self.assertIs(collector,
                      self.manager.get_cluster_model_collector('compute'))

    def test_endpoints(self):
        self.plugins(a=FakeCollector(endpoints=[1, 2]),
                     b=FakeCollector(endpoints=None),
                     c=FakeCollector(endpoints=[3]))
        self.assertEqual([1, 2, 3],
                         self.manager.get_notification_endpoints())

    def test_synchronisation(self):
        collector = FakeCollector(period=0.01)
        self.plugins(a=collector)
        self.manager.start()
        self.assertTrue(collector.synchronized.acquire(
            timeout=base.PATIENCE))
        self.assertTrue(collector.synchronized.acquire(
            timeout=base.PATIENCE))
        self.manager.stop(base.PATIENCE)
        while collector.synchronized.acquire(blocking=False):
            continue
        self.assertFalse(collector.synchronized.acquire(timeout=0.1))
