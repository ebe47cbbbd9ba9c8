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
"""Action plans that move volumes of a simulated cloud, over HTTP."""

from unittest import mock

from watcher.common.cinder import moving
from watcher.tests.fixtures import services
from watcher.tests.functional.applier import base

HERE, THERE = 'storage-1@lvm-1#pool-1', 'storage-1@lvm-1#pool-2'
OTHER = 'storage-2@lvm-2#pool-1'

BEFORE, DURING = ('Action failed in pre_condition: ',
                  'Action failed in execute: ')


class VolumeTestCase(base.ActionTestCase):

    spec = {'backends': 2, 'volumes': 8, 'every_volume_booted': 1}

    def setUp(self):
        super().setUp()
        for name, value in (('INTERVAL', 0.05), ('DELETE_LIMIT', 10.0)):
            patcher = mock.patch.object(moving, name, value)
            patcher.start()
            self.addCleanup(patcher.stop)
        self.volumes = self.cloud.storage.volumes
        with self.cloud.state.lock:
            found = list(self.cloud.storage.pools[HERE].volumes.values())
        self.free = next(v.id for v in found if not v.attachments)
        # The root disk of a server.
        self.used = next(v for v in self.volumes.values() if v.attachments)
        self.user = self.used.attachments[0]['server_id']

    def move(self, volume=None, pool=THERE, kind='migrate'):
        return 'volume_migrate', {
            'resource_id': volume or self.free, 'migration_type': kind,
            'destination_node': pool, 'resource_name': 'data'}

    def retype(self, volume=None, name='lvm-2'):
        return 'volume_migrate', {
            'resource_id': volume or self.free, 'migration_type': 'retype',
            'destination_type': name}

    def place(self, volume):
        return self.volumes[volume].pool.name

    def neighbour(self, volume):
        """The other pool of its backend."""
        pool = self.place(volume)
        return pool[:-1] + {'1': '2', '2': '1'}[pool[-1]]


class TestMoves(VolumeTestCase):

    def test_migrate_swap_and_retype(self):
        known = set(self.volumes)
        destination = self.neighbour(self.used.id)
        self.cloud.forget_requests()
        self.assertSucceeds(
            self.move(), self.move(self.used.id, destination, 'swap'),
            self.retype())
        self.assertEqual(destination, self.place(self.used.id))
        self.assertEqual('in-use', self.used.status)
        self.assertEqual('lvm-2', self.volumes[self.free].type.name)
        self.assertEqual('lvm-2', self.volumes[self.free].pool.backend.name)
        # Cinder made copies and removed the former ones; nobody else was
        # asked for anything.
        self.assertEqual(known, set(self.volumes))
        self.assertEqual(
            [f'/v3/volumes/{one}/action'
             for one in (self.free, self.used.id, self.free)],
            [entry['path'] for entry in self.cloud.requests()
             if entry['method'] != 'GET'
             and entry['path'] != '/v3/auth/tokens'])

    def test_what_is_true_already(self):
        self.assertSkipped(self.move(pool=HERE), self.free, HERE)
        self.assertSkipped(self.retype(name='lvm-1'), self.free, 'lvm-1')
        with self.cloud.state.lock:
            self.cloud.storage.forget(self.volumes[self.free])
        self.assertSkipped(self.move(), self.free, 'was not found')
        self.assertSkipped(self.retype(), self.free, 'was not found')


class TestRefusals(VolumeTestCase):

    def test_destinations(self):
        self.assertFails(self.move(pool='storage-9@lvm-9#pool-1'), BEFORE,
                         'storage-9@lvm-9#pool-1', 'not found')
        self.assertFails(self.retype(name='lvm-9'), BEFORE, 'lvm-9')
        self.assertFails(self.move(pool=OTHER), BEFORE, OTHER, 'type lvm-1')
        pool = self.cloud.storage.pools[THERE]
        with self.cloud.state.lock:
            pool.total_gb = pool.used_gb
            pool.reported['thin_provisioning_support'] = False
        self.assertFails(self.move(), BEFORE, THERE, '0 GB free')
        pool.backend.status = 'disabled'
        self.assertFails(self.move(), BEFORE, 'storage-1@lvm-1', 'disabled')
        self.assertEqual(HERE, self.place(self.free))

    def test_servers_in_the_middle_of_a_resize(self):
        server = self.server(self.user)
        with self.cloud.state.lock:
            self.cloud.state.touch(server, vm_state='resized')
        before = self.place(self.used.id)
        self.assertFails(
            self.move(self.used.id, self.neighbour(self.used.id)), BEFORE,
            self.user, 'VERIFY_RESIZE')
        self.assertFails(
            self.retype(self.used.id, '__DEFAULT__'), BEFORE, self.user)
        self.assertEqual(before, self.place(self.used.id))
        with self.cloud.state.lock:
            self.cloud.state.touch(server, vm_state='active',
                                   task_state='image_snapshot')
        self.assertFails(
            self.move(self.used.id, self.neighbour(self.used.id)), BEFORE,
            'image_snapshot')

    def test_a_volume_in_other_use(self):
        with self.cloud.state.lock:
            self.volumes[self.free].status = 'uploading'
        self.assertFails(self.move(), BEFORE, self.free, 'uploading')

    def test_cinder_down(self):
        self.cloud.faults.service_down('block-storage')
        self.assertFails(self.move(), BEFORE, 'Cinder')


class TestFailures(VolumeTestCase):

    def test_cinder_gives_up(self):
        self.cloud.faults.add_migration(kind='volume')
        self.assertFails(self.move(), DURING, self.free)
        self.cloud.faults.add_migration(kind='retype')
        self.assertFails(self.retype(), DURING, self.free, 'lvm-2')
        self.assertEqual(HERE, self.place(self.free))
        self.assertEqual('available', self.volumes[self.free].status)

    def test_a_pool_that_promises_more_than_it_has(self):
        pool = self.cloud.storage.pools[THERE]
        with self.cloud.state.lock:
            pool.total_gb = pool.used_gb
        self.assertFails(self.move(), DURING, self.free)
        self.assertEqual(HERE, self.place(self.free))

    def test_a_volume_deleted_while_it_moves(self):
        self.cloud.faults.add_migration(kind='volume', outcome='hang')
        plan = self.start_plan(self.move())
        services.wait_until(lambda: self.volumes[self.free].migration_status)
        with self.cloud.state.lock:
            self.cloud.storage.forget(self.volumes[self.free])
        plan = self.finish(plan)
        self.assertEqual('FAILED', plan.state)
        self.assertIn('was deleted',
                      self.actions_of(plan)[0].status_message)

    def test_a_move_that_takes_too_long(self):
        self.cloud.faults.add_migration(kind='volume', outcome='hang')
        self.config('cinder', migration_timeout=1,
                    migration_timeout_per_gb=0, migration_overdue='leave')
        self.assertFails(self.move(), DURING, 'goes on in Cinder',
                         '[cinder] migration_timeout')

    def test_a_stopping_applier_tells_what_goes_on(self):
        self.cloud.faults.add_migration(kind='volume', outcome='hang')
        plan = self.start_plan(self.move())
        services.wait_until(lambda: self.volumes[self.free].migration_status)
        self.manager.stop(timeout=2 * services.PATIENCE)
        plan = self.finish(plan)
        self.assertEqual('CANCELLED', plan.state)
        self.assertIn(f'in Cinder: volume_migrate of {self.free}',
                      plan.status_message)
