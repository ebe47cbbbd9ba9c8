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
"""Building the storage model of a simulated cloud over HTTP."""

from watcher.common import exception
from watcher.common import utils
from watcher.common.loader import loadable
from watcher.decision_engine.model import model_root
from watcher.decision_engine.model.collector import cinder
from watcher.decision_engine.model.collector import manager
from watcher.tests.functional import cloud


class StorageModelTestCase(cloud.CloudTestCase):

    SPEC = {'hosts': 2, 'servers': 8, 'every_volume_booted': 4,
            'zones': 2, 'backends': 3, 'pools': 2, 'volumes': 20}

    def setUp(self):
        super().setUp()
        singletons = loadable.LoadableSingletonMeta._instances
        cls = cinder.CinderClusterDataModelCollector
        singletons.pop(cls, None)
        self.addCleanup(singletons.pop, cls, None)
        self.collector = cls(utils.Struct(period=3600))

    def build(self):
        return cinder.CinderModelBuilder().execute()


class TestContents(StorageModelTestCase):

    def test_every_volume_is_in_its_pool(self):
        model = self.build()
        self.assertEqual(22, len(model.get_all_volumes()))
        self.assertEqual(set(self.cloud.storage.pools),
                         set(model.get_all_pools()))
        for name, pool in self.cloud.storage.pools.items():
            self.assertEqual(sorted(pool.volumes), sorted(
                volume.uuid for volume in model.get_pool_volumes(name)))
            self.assertEqual(name.partition('#')[0],
                             model.get_node_by_pool_name(name).host)

    def test_backend(self):
        node = self.build().get_node_by_name('storage-2@lvm-2')
        self.assertEqual(
            {'host': 'storage-2@lvm-2', 'zone': 'az-2', 'status': 'enabled',
             'state': 'up', 'volume_type': ['lvm-2'], 'uuid': '',
             'human_id': ''}, node.as_dict())

    def test_pool(self):
        model = self.build()
        for name, pool in self.cloud.storage.pools.items():
            found = model.get_pool_by_pool_name(name)
            used = sum(volume.size for volume in pool.volumes.values())
            self.assertEqual(
                (10000, 10000 - used, used, len(pool.volumes)),
                (found.total_capacity_gb, found.free_capacity_gb,
                 found.allocated_capacity_gb, found.total_volumes))

    def test_what_decisions_need_beside_the_elements(self):
        pool = next(iter(self.cloud.storage.pools.values()))
        moved = next(iter(pool.volumes.values()))
        moved.migration_status = 'migrating'
        model = self.build()
        self.assertEqual({moved.id: 'migrating'}, model.migrating)
        self.assertEqual(set(self.cloud.storage.pools),
                         set(model.reported_pools))
        self.assertEqual(20.0, model.copy().reported_pools[
            pool.name].max_over_subscription_ratio)
        self.assertEqual(
            {kind.name for kind in self.cloud.storage.types.values()},
            {kind.name for kind in model.volume_types})

    def test_volume_of_a_server(self):
        server = next(server for server in self.cloud.state.servers.values()
                      if server.volumes)
        found = self.build().get_volume_by_uuid(server.volumes[0])
        self.assertEqual(server.uuid, found.attachments[0]['server_id'])
        self.assertEqual(('in-use', True, server.project_id),
                         (found.status, found.bootable, found.project_id))

    def test_number_of_requests(self):
        self.build()
        self.cloud.forget_requests()
        self.build()
        self.assertEqual(
            ['GET /v3/os-services', 'GET /v3/scheduler-stats/get_pools',
             'GET /v3/types', 'GET /v3/volumes/detail'],
            sorted(self.paths('block-storage')))
        self.assertEqual([], self.paths('identity'))

    def test_private_types(self):
        for kind in self.cloud.storage.types.values():
            kind.is_public = False
        node = self.build().get_node_by_name('storage-2@lvm-2')
        self.assertEqual(['lvm-2'], node.volume_type)


class TestReader(StorageModelTestCase):

    def test_single_resources_equal_those_of_a_build(self):
        model, reader = self.build(), self.collector.reader
        for host, node in model.get_all_storage_nodes().items():
            self.assertEqual(node.as_dict(), reader.node(host).as_dict())
        for name, pool in model.get_all_pools().items():
            self.assertEqual(pool.as_dict(), reader.pool(name).as_dict())
            self.assertEqual(
                {volume.uuid for volume in model.get_pool_volumes(name)},
                {record['id'] for record in reader.volumes_of(name)})
        for uuid, volume in model.get_all_volumes().items():
            self.assertEqual(
                volume.as_dict(),
                reader.volume(reader.record(uuid)).as_dict())

    def test_names_of_types_are_asked_for_once(self):
        kind = self.cloud.storage.find_type('lvm-2')
        self.cloud.forget_requests()
        for _time in range(3):
            self.assertEqual('lvm-2',
                             self.collector.reader.type_name(kind.id))
        self.assertEqual(1, self.paths('block-storage').count(
            f'GET /v3/types/{kind.id}'))


class TestTrouble(StorageModelTestCase):

    def test_drivers_that_know_nothing(self):
        pools = list(self.cloud.storage.pools.values())
        for pool, told in zip(pools[:4], ('infinite', 'unknown', None, ''),
                              strict=True):
            pool.reported = dict.fromkeys(
                ('total_capacity_gb', 'free_capacity_gb',
                 'provisioned_capacity_gb', 'total_volumes'), told)
        model = self.build()
        self.assertEqual(22, len(model.get_all_volumes()))
        for pool in pools[:4]:
            found = model.get_pool_by_pool_name(pool.name)
            self.assertFalse(found.obj_attr_is_set('free_capacity_gb'))
        self.assertTrue(model.get_pool_by_pool_name(
            pools[4].name).free_capacity_gb)

    def test_backend_that_is_down(self):
        self.cloud.storage.backends['storage-1@lvm-1'].state = 'down'
        model = self.build()
        self.assertEqual(['storage-1@lvm-1'], list(model.incomplete_nodes))
        self.assertEqual(22, len(model.get_all_volumes()))
        self.assertEqual('down', model.get_node_by_name(
            'storage-1@lvm-1').state)

    def test_volume_of_no_host(self):
        with self.cloud.state.lock:
            volume = next(iter(self.cloud.storage.volumes.values()))
            self.cloud.storage.place(volume, None)
            volume.status = 'error'
        model = self.build()
        self.assertEqual('error',
                         model.get_volume_by_uuid(volume.id).status)
        self.assertRaises(exception.PoolNotFound,
                          model.get_pool_by_volume, volume.id)

    def test_short_failures_are_survived(self):
        for path in ('/volumes', '/os-services', '/get_pools', '/types'):
            self.cloud.faults.add(service='block-storage', path=path,
                                  status=503, count=1)
        self.assertEqual(22, len(self.build().get_all_volumes()))

    def test_lost_connections_are_survived(self):
        self.build()
        self.cloud.faults.add(service='block-storage', drop=True, count=1)
        self.assertEqual(22, len(self.build().get_all_volumes()))

    def test_lasting_failure_names_service_and_reason(self):
        self.cloud.faults.add(service='block-storage', path='/volumes',
                              status=500, message='database away')
        error = self.assertRaises(
            exception.ClusterDataModelCollectionError,
            self.collector.get_latest_cluster_data_model)
        self.assertIn('HTTP 500 database away', str(error))
        self.assertIn("'storage'", str(error))


class TestCollector(StorageModelTestCase):

    def test_is_used_when_the_cloud_has_block_storage(self):
        found = manager.CollectorManager().get_collectors()
        self.assertIs(self.collector, found['storage'])

    def test_scope(self):
        for rule, hosts in (
                ({'availability_zones': [{'name': 'az-2'}]}, {'2'}),
                ({'availability_zones': [{'name': 'az-1'}]}, {'1', '3'}),
                ({'volume_types': [{'name': 'lvm-3'}]}, {'3'}),
                ({'volume_types': [{'name': '__DEFAULT__'}]}, set())):
            self.cloud.forget_requests()
            self.collector.freshness = None
            handler = self.collector.get_audit_scope_handler(
                [{'storage': [rule]}])
            model = handler.get_scoped_model(
                self.collector.get_latest_cluster_data_model())
            self.assertEqual(hosts, {
                host[-1] for host in model.get_all_storage_nodes()})

    def test_audits_see_the_present(self):
        self.collector.freshness = 0.0
        self.collector.get_latest_cluster_data_model()
        with self.cloud.state.lock:
            lost = next(iter(self.cloud.storage.volumes.values()))
            self.cloud.storage.forget(lost)
        model = self.collector.get_latest_cluster_data_model()
        self.assertNotIn(lost.id, model.get_all_volumes())

    def test_views_are_independent(self):
        one = self.collector.get_latest_cluster_data_model()
        for uuid in one.get_all_volumes():
            one.remove_volume(uuid)
        other = self.collector.get_latest_cluster_data_model()
        self.assertEqual(22, len(other.get_all_volumes()))

    def test_xml_of_the_model_can_be_read_back(self):
        model = self.build()
        again = model_root.StorageModelRoot.from_xml(model.to_xml())
        self.assertEqual(model.to_xml(), again.to_xml())


class TestPages(StorageModelTestCase):

    SPEC = {'hosts': 1, 'servers': 0, 'backends': 2, 'volumes': 2000,
            'pool_gb': 1000000}

    def test_requests_grow_with_pages(self):
        self.build()
        self.cloud.forget_requests()
        self.assertEqual(2000, len(self.build().get_all_volumes()))
        # Behind a full page Cinder promises another one, also in the end.
        self.assertEqual(
            3, self.paths('block-storage').count('GET /v3/volumes/detail'))


class TestNoBlockStorage(StorageModelTestCase):

    SPEC = {'hosts': 1, 'servers': 0}

    def test_is_left_out(self):
        found = manager.CollectorManager().get_collectors()
        self.assertEqual({'compute'}, set(found))

    def test_asking_nevertheless_fails_at_once(self):
        self.config('collector', api_query_interval=60)
        error = self.assertRaises(
            exception.ClusterDataModelCollectionError,
            self.collector.get_latest_cluster_data_model)
        self.assertIn('no endpoint of type block-storage', str(error))
