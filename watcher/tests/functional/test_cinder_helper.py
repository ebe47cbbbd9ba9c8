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
"""Moving volumes of a simulated cloud over HTTP."""

import threading
from unittest import mock

from watcher.common import cinder_helper
from watcher.common import exception
from watcher.common.cinder import moving
from watcher.tests.functional import cloud

HERE, THERE = 'storage-1@lvm-1#pool-1', 'storage-1@lvm-1#pool-2'
OTHER = 'storage-2@lvm-2#pool-1'


class CinderHelperTestCase(cloud.CloudTestCase):

    SPEC = {'hosts': 1, 'servers': 0, 'backends': 2, 'volumes': 8}

    def setUp(self):
        super().setUp()
        for name, value in (('INTERVAL', 0.05), ('DELETE_LIMIT', 10.0)):
            patcher = mock.patch.object(moving, name, value)
            patcher.start()
            self.addCleanup(patcher.stop)
        self.config('cinder', migration_timeout=20,
                    migration_timeout_per_gb=0)
        self.cinder = cinder_helper.CinderHelper()
        with self.cloud.state.lock:
            self.volume = next(iter(
                self.cloud.storage.pools[HERE].volumes))

    def look(self):
        return self.cinder.get_volume(self.volume)


class TestReading(CinderHelperTestCase):

    def test_volume(self):
        found = self.look()
        self.assertEqual((HERE, 'available', 'lvm-1', 'false'), (
            found.host, found.status, found.volume_type, found.bootable))
        self.assertIn(found, self.cinder.get_volume_list())

    def test_missing_volume(self):
        missing = self.volume[:-1] + ('0' if self.volume[-1] != '0' else '1')
        self.assertRaises(exception.VolumeNotFound,
                          self.cinder.get_volume, missing)

    def test_pools(self):
        self.assertEqual(4, len(self.cinder.get_storage_pool_list()))
        pool = self.cinder.get_storage_pool_by_name(HERE)
        self.assertEqual(('pool-1', 10000, 20, 'lvm-1'), (
            pool.pool_name, pool.total_capacity_gb,
            pool.max_over_subscription_ratio, pool.volume_backend_name))
        self.assertEqual(['__DEFAULT__', 'lvm-1'],
                         self.cinder.get_volume_types_for_pool(pool))

    def test_snapshots(self):
        self.assertEqual([], self.cinder.get_volume_snapshots_list())
        with self.cloud.state.lock:
            self.cloud.storage.take_snapshot(
                self.cloud.storage.volumes[self.volume])
        self.assertEqual(
            [cinder_helper.VolumeSnapshot(self.volume)],
            self.cinder.get_volume_snapshots_list())
        error = self.assertRaises(exception.CinderClientError,
                                  self.cinder.migrate, self.volume, THERE)
        self.assertIn('must not have snapshots', str(error))

    def test_services(self):
        self.assertEqual(2, len(self.cinder.get_storage_node_list()))
        self.assertEqual('nova', self.cinder.get_storage_node_by_name(
            'storage-1@lvm-1').availability_zone)
        self.assertRaises(exception.StorageNodeNotFound,
                          self.cinder.get_storage_node_by_name, 'storage-1')

    def test_types(self):
        kind = next(kind for kind in self.cinder.get_volume_type_list()
                    if kind.name == 'lvm-2')
        self.assertEqual('lvm-2', self.cinder.get_volume_type_name_by_id(
            kind.id))


class TestMoves(CinderHelperTestCase):

    def test_migration(self):
        self.assertTrue(self.cinder.migrate(self.volume, THERE))
        self.assertEqual((THERE, 'lvm-1'),
                         (self.look().host, self.look().volume_type))
        # The former copy is gone as well.
        self.assertEqual(8, len(self.cinder.get_volume_list()))

    def test_pool_that_does_not_suit(self):
        outcome = self.cinder.migrate(self.volume, OTHER)
        self.assertFalse(outcome)
        self.assertIn('type lvm-1', outcome.reason)
        self.assertEqual(HERE, self.look().host)

    def test_failing_migration(self):
        self.cloud.faults.add_migration(outcome='error', kind='volume')
        outcome = self.cinder.migrate(self.volume, THERE)
        self.assertFalse(outcome)
        self.assertIn('could not migrate', outcome.reason)
        self.assertEqual(HERE, self.look().host)

    def test_migration_that_never_ends(self):
        self.config('cinder', migration_timeout=1)
        self.cloud.faults.add_migration(outcome='hang', kind='volume')
        outcome = self.cinder.migrate(self.volume, THERE)
        self.assertFalse(outcome)
        self.assertIn('goes on in Cinder', outcome.reason)

    def test_stopping_to_wait(self):
        self.cloud.faults.add_migration(outcome='hang', kind='volume')
        stop = threading.Event()
        stop.set()
        outcome = self.cinder.migrate(self.volume, THERE,
                                      should_stop=stop.is_set)
        self.assertTrue(outcome.interrupted)

    def test_following_a_migration_and_its_source(self):
        """As others do who have asked for it themselves."""
        asked = self.cinder.migrate(self.volume, THERE,
                                    should_stop=lambda: True)
        self.assertTrue(asked.interrupted)
        self.assertTrue(self.cinder.check_migrated(self.volume, 0.05))
        self.assertEqual(THERE, self.look().host)
        former = self.cinder.get_deleting_volume(self.look())
        if former is not None:
            self.assertTrue(self.cinder.check_volume_deleted(
                former, retry_interval=0.05))
        self.assertIsNone(self.cinder.get_deleting_volume(self.look()))

    def test_following_a_change_of_type(self):
        asked = self.cinder.retype(self.volume, 'lvm-2',
                                   should_stop=lambda: True)
        self.assertTrue(asked.interrupted)
        self.assertTrue(self.cinder.check_retyped(
            self.volume, 'lvm-2', 0.05))

    def test_lost_answer(self):
        self.cloud.faults.add(service='block-storage', method='POST',
                              path='/action$', drop=True, count=1)
        self.assertTrue(self.cinder.migrate(self.volume, THERE))
        self.assertEqual(THERE, self.look().host)

    def test_volume_that_is_busy(self):
        with self.cloud.state.lock:
            self.cloud.storage.volumes[self.volume].status = 'uploading'
        error = self.assertRaises(exception.CinderClientError,
                                  self.cinder.migrate, self.volume, THERE)
        self.assertIn('uploading', str(error))

    def test_change_of_type(self):
        self.assertTrue(self.cinder.retype(self.volume, '__DEFAULT__'))
        self.assertEqual((HERE, '__DEFAULT__'),
                         (self.look().host, self.look().volume_type))

    def test_change_of_type_that_moves(self):
        self.assertTrue(self.cinder.retype(self.volume, 'lvm-2'))
        self.assertEqual('lvm-2', self.look().volume_type)
        self.assertTrue(self.look().host.startswith('storage-2@lvm-2#'))

    def test_failing_change_of_type(self):
        self.cloud.faults.add_migration(outcome='error', kind='retype')
        outcome = self.cinder.retype(self.volume, 'lvm-2')
        self.assertFalse(outcome)
        self.assertIn('it is lvm-1', outcome.reason)

    def test_unknown_type(self):
        error = self.assertRaises(exception.CinderClientError,
                                  self.cinder.retype, self.volume, 'gold')
        self.assertIn('gold could not be found', str(error))


class TestClients(CinderHelperTestCase):
    """The simulated service as others see it."""

    def test_life_of_a_volume(self):
        sdk = self.cloud.connect()
        made = sdk.block_storage.create_volume(name='new', size=3)
        made = sdk.block_storage.wait_for_status(made, interval=0.05)
        self.assertEqual(made.id, self.cinder.get_volume(made.id).id)
        sdk.block_storage.extend_volume(made, 5)
        self.assertEqual(5, self.cinder.get_volume(made.id).size)
        sdk.block_storage.delete_volume(made)
        self.assertTrue(self.cinder.check_volume_deleted(
            made.id, retry=100, retry_interval=0.05))

    def test_users_see_their_own(self):
        mine = self.cloud.connect('demo', 'demo')
        self.assertEqual(4, len(list(mine.block_storage.volumes())))
        self.assertIsNone(next(mine.block_storage.volumes()).host)
