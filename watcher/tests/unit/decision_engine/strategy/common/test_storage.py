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

from watcher.decision_engine.strategy.common import settings
from watcher.decision_engine.strategy.common import storage
from watcher.tests import base
from watcher.tests.fixtures import models

A, B, C = 'h@a#p', 'h@b#p', 'h@c#p'


def told(total=100, free=50, used=50, **more):
    return {'total_capacity_gb': total, 'free_capacity_gb': free,
            'allocated_capacity_gb': used, **more}


def state(pools, snapshots=(), **more):
    return storage.StorageState.from_model(
        models.storage(pools, **more), snapshots)


class TestFigures(base.TestCase):

    def test_pools_that_tell_no_number(self):
        for value in ('unknown', 'infinite', None, '', 'nan'):
            pool = state({A: (told(value, value, value), [])}).pools[A]
            self.assertIsNone(pool.used_share)
            self.assertIsNone(pool.why_no_room(10 ** 6), value)
            pool.take(10)
            self.assertIsNone(pool.free)
            self.assertEqual(0, pool.promised)

    def test_pool_of_size_zero(self):
        pool = state({A: (told(0, 0, 0), [])}).pools[A]
        self.assertIsNone(pool.used_share)
        self.assertEqual('it has no room at all', pool.why_no_room(1))

    def test_room(self):
        pool = state({A: (told(reserved_percentage=10), [])}).pools[A]
        self.assertIsNone(pool.why_no_room(40))
        self.assertEqual('41 GB needed, 40 GB free', pool.why_no_room(41))

    def test_room_of_thin_pools(self):
        pool = state({A: (told(
            thin_provisioning_support=True, max_over_subscription_ratio='2.0',
            provisioned_capacity_gb=130), [])}).pools[A]
        self.assertIsNone(pool.why_no_room(70))
        self.assertEqual('71 GB needed, 130 GB of 200 GB are promised',
                         pool.why_no_room(71))

    def test_used_share(self):
        self.assertEqual(0.75, state(
            {A: (told(200, 50), [])}).pools[A].used_share)

    def test_moves_are_counted(self):
        found = state({A: (told(), [models.volume('v', 20)]),
                       B: (told(), [])})
        self.assertEqual(A, found.move(models.uuid('v'), B))
        self.assertEqual((70, 30), (found.pools[A].free,
                                    found.pools[A].allocated))
        self.assertEqual((30, 70), (found.pools[B].free,
                                    found.pools[B].allocated))
        self.assertEqual(B, found.move(models.uuid('v'), None))
        self.assertEqual(50, found.pools[B].free)


class TestVolumes(base.TestCase):

    def why_not(self, kind=storage.MIGRATE, node=None, **fields):
        volume = models.volume('v', **fields)
        found = state({A: (told(node=node or {}), [volume])})
        return found.why_not_move(found.volumes[volume.uuid], kind)

    def test_volumes_that_can_be_moved(self):
        self.assertIsNone(self.why_not())
        self.assertIsNone(self.why_not(
            status='in-use', attachments=models.attached('s')))

    def test_statuses(self):
        for status in ('error', 'maintenance', 'retyping', 'backing-up'):
            self.assertEqual(f'its status is {status}',
                             self.why_not(status=status))

    def test_nobody_knows_who_uses_it(self):
        self.assertEqual('its status is in-use, and it is not attached',
                         self.why_not(status='in-use'))
        self.assertEqual(
            'its status is available, and it is attached',
            self.why_not(attachments=models.attached('s')))

    def test_nova_does_not_swap_disks_of_stopped_servers(self):
        for state in ('active', 'paused', None, 'stopped', 'resized'):
            volume = models.volume('v', status='in-use',
                                   attachments=models.attached('s'))
            found = storage.StorageState.from_model(
                models.storage({A: (told(), [volume])}),
                server_state={models.uuid('s'): state}.get)
            for kind in (storage.MIGRATE, storage.RETYPE):
                self.assertEqual(
                    state in ('stopped', 'resized'), bool(
                        found.why_not_move(found.volumes[volume.uuid],
                                           kind)))

    def test_shared_volumes_are_only_retyped(self):
        shared = {'status': 'in-use',
                  'attachments': models.attached('s', 't')}
        self.assertEqual('it is attached to 2 servers',
                         self.why_not(**shared))
        self.assertIsNone(self.why_not(storage.RETYPE, **shared))

    def test_backend_that_is_down(self):
        self.assertIn('is down', self.why_not(node={'state': 'down'}))

    def test_snapshots_and_migrations(self):
        volumes = [models.volume('v'), models.volume('w'),
                   models.volume('x')]
        model = models.storage({A: (told(), volumes)})
        model.migrating = {models.uuid('w'): 'migrating',
                           models.uuid('x'): 'error'}
        found = storage.StorageState.from_model(model, {models.uuid('v')})
        self.assertEqual(
            ['it has snapshots', 'Cinder is migrating it already (migrating)',
             None],
            [found.why_not_move(volume, storage.MIGRATE)
             for volume in found.volumes.values()])

    def test_volume_of_no_pool(self):
        model = models.storage({})
        model.add_volume(models.volume('v', host=None))
        found = storage.StorageState.from_model(model)
        self.assertEqual('it is in no pool', found.why_not_move(
            found.volumes[models.uuid('v')], storage.MIGRATE))

    def test_opt_out(self):
        volume = models.volume('v', metadata={'optimize': 'False'})
        found = state({A: (told(), [volume])})
        known = found.volumes[volume.uuid]
        for options, word in (
                (settings.Settings(), None),
                (settings.Settings(opt_out_metadata=settings.pairs(
                    ['optimize=false'])), 'metadata optimize=False'),
                (settings.Settings(opt_out_projects=frozenset(
                    [models.uuid('project').replace('-', '')])), 'project')):
            why = found.why_not_touch(known, options)
            self.assertIn(word, why) if word else self.assertIsNone(why)


class TestDestinations(base.TestCase):

    TYPES = {'gold': {'volume_backend_name': 'b'}, 'any': {}}

    def why_not(self, kind=None, name=B, **pool):
        volume = models.volume('v', 20, volume_type=kind)
        found = state({A: (told(), [volume]), B: (told(**pool), [])},
                      types=self.TYPES)
        return found.why_not_go(found.volumes[volume.uuid], name)

    def test_what_is_allowed(self):
        for kind in (None, 'any', 'gold', 'a type that nobody knows'):
            self.assertIsNone(self.why_not(kind))
        self.assertIsNone(self.why_not(name='h@elsewhere#p'))

    def test_what_is_not(self):
        self.assertEqual('it is in h@a#p already', self.why_not(name=A))
        self.assertEqual('h@b#p has too little room: 20 GB needed, 10 GB '
                         'free', self.why_not(free=10))
        self.assertEqual(
            'h@b#p does not offer what the type gold wants',
            self.why_not('gold', volume_backend_name='other'))
        self.assertEqual('the service of h@b is disabled',
                         self.why_not(node={'status': 'disabled'}))
