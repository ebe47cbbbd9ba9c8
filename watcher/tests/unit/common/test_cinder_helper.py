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
"""What the helper asks of Cinder and how it follows volumes."""

from unittest import mock

from watcher.common import cinder_helper
from watcher.common import clients
from watcher.common import exception
from watcher.common import waiting
from watcher.tests import base
from watcher.tests.unit.common import test_nova_helper

VOLUME = '11111111-1111-4111-8111-111111111111'
OTHER = '22222222-2222-4222-8222-222222222222'
HERE, THERE = 'h@b1#p', 'h@b2#p'


def volume(ident=VOLUME, host=HERE, migration=None, name_id=None, **fields):
    return {'id': ident, 'name': 'v', 'size': 1, 'status': 'available',
            'volume_type': 'gold', 'attachments': [], 'bootable': 'false',
            'os-vol-host-attr:host': host,
            'os-vol-tenant-attr:tenant_id': 'p',
            'os-vol-mig-status-attr:migstat': migration,
            'os-vol-mig-status-attr:name_id': name_id, **fields}


def pool(name=HERE, **capabilities):
    return {'name': name, 'capabilities': capabilities}


def volume_type(name, ident=OTHER, **extra_specs):
    return {'id': ident, 'name': name, 'extra_specs': extra_specs}


class FakeCinder(test_nova_helper.FakeNova):

    def __init__(self):
        super().__init__((3, 71))
        self.pools(pool(HERE), pool(THERE))
        self.answer('GET', '/types', {'volume_types': []})
        self.answer('GET', '/volumes/detail', {'volumes': []})
        self.answer('POST', f'/volumes/{VOLUME}/action', {})

    def pools(self, *records):
        self.answer('GET', '/scheduler-stats/get_pools',
                    {'pools': list(records)})

    def volumes(self, *records):
        self.answer('GET', f'/volumes/{VOLUME}', *[
            record if isinstance(record, Exception)
            else {'volume': record} for record in records])


class CinderHelperTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        clock = test_nova_helper.Clock()
        self.clock = clock
        patcher = mock.patch.object(waiting, 'time', clock)
        patcher.start()
        self.addCleanup(patcher.stop)
        self.cinder = FakeCinder()
        self.helper = cinder_helper.CinderHelper(self.cinder)


class TestFigures(base.TestCase):

    def test_capacity(self):
        for told, wanted in (
                (5, 5), (2.5, 2.5), ('7', 7), (0, 0), ('unknown', None),
                ('infinite', None), (None, None), ('', None), (-1, None),
                (float('inf'), None), (float('nan'), None), (True, None),
                ([], None)):
            self.assertEqual(wanted, cinder_helper.capacity(told), told)

    def test_pool_that_reports_nothing(self):
        made = cinder_helper.StoragePool.from_api({'name': HERE})
        self.assertEqual(
            (0, None, None, 1.0, {}),
            (made.total_volumes, made.total_capacity_gb,
             made.free_capacity_gb, made.max_over_subscription_ratio,
             made.capabilities))

    def test_pool(self):
        made = cinder_helper.StoragePool.from_api(pool(
            pool_name='p', total_volumes=3, total_capacity_gb=10.5,
            free_capacity_gb='infinite', provisioned_capacity_gb=4,
            allocated_capacity_gb='unknown', volume_backend_name='b',
            max_over_subscription_ratio='20.0', QoS=True))
        self.assertEqual(
            (3, 10.5, None, 4, None, 20, 'b', 'p'),
            (made.total_volumes, made.total_capacity_gb,
             made.free_capacity_gb, made.provisioned_capacity_gb,
             made.allocated_capacity_gb, made.max_over_subscription_ratio,
             made.volume_backend_name, made.pool_name))
        self.assertTrue(made.capabilities['QoS'])
        self.assertNotIn('total_capacity_gb', made.capabilities)
        made.free_capacity_gb = 5

    def test_backend_name(self):
        for host, wanted in (('h@b#p', 'b'), ('h@b', 'b'), ('h', ''),
                             ('h#p', ''), (None, '')):
            self.assertEqual(wanted, cinder_helper.backend_name(host))

    def test_types_that_suit_a_pool(self):
        made = cinder_helper.StoragePool.from_api(pool(
            volume_backend_name='b', multiattach=True, disk='ssd'))
        for wanted, specs in (
                (True, {}), (True, {'disk': 'ssd'}), (False, {'disk': 'x'}),
                (True, {'unreported': 'x'}),
                (True, {'multiattach': '<is> True'}),
                (False, {'multiattach': '<is> False'}),
                (True, {'multiattach': 'True'}),
                (True, {'disk': '<or> hdd <or> ssd'}),
                (False, {'volume_backend_name': 'c'}),
                (False, {'disk': 'ssd', 'volume_backend_name': 'c'})):
            made_type = cinder_helper.VolumeType.from_api(
                volume_type('t', **specs))
            self.assertEqual(wanted, made_type.suits(made), specs)

    def test_ids_are_uuids(self):
        self.assertRaises(exception.InvalidUUID,
                          cinder_helper.Volume.from_api, volume('1'))
        self.assertRaises(exception.InvalidUUID,
                          cinder_helper.VolumeType.from_api,
                          volume_type('t', '1'))


class TestReading(CinderHelperTestCase):

    def test_services(self):
        self.cinder.answer('GET', '/os-services', {'services': [
            {'host': 'h@b1', 'zone': 'z', 'state': 'up',
             'status': 'enabled'},
            {'host': 'h@b11', 'zone': 'z', 'state': 'down',
             'status': 'disabled'}]})
        found = self.helper.get_storage_node_list()
        self.assertEqual(['up', 'down'], [one.state for one in found])
        self.assertEqual('z', self.helper.get_storage_node_by_name(
            'h@b1').availability_zone)
        self.assertRaises(exception.StorageNodeNotFound,
                          self.helper.get_storage_node_by_name, 'h')

    def test_pool_by_name(self):
        self.assertEqual(
            THERE, self.helper.get_storage_pool_by_name(THERE).name)
        self.assertEqual({'detail': 'True', 'name': THERE},
                         self.cinder.requests[-1][2])
        self.assertEqual('3.28', self.cinder.versions()[-1])
        self.assertRaises(exception.PoolNotFound,
                          self.helper.get_storage_pool_by_name, 'h')

    def test_pool_by_name_of_an_old_cinder(self):
        self.cinder.newest = (3, 27)
        # It gives all pools, as this one always does.
        self.assertEqual(
            THERE, self.helper.get_storage_pool_by_name(THERE).name)
        self.assertEqual('3.27', self.cinder.versions()[-1])

    def test_pages(self):
        def answer(params):
            if 'marker' in params:
                self.assertEqual(VOLUME, params['marker'])
                return {'volumes': [volume(OTHER)]}
            return {'volumes': [volume()],
                    'volumes_links': [{'rel': 'next', 'href': 'u'}]}
        self.cinder.answer('GET', '/volumes/detail', answer)
        self.assertEqual([VOLUME, OTHER], [
            one.id for one in self.helper.get_volume_list()])
        self.assertEqual('True', self.cinder.requests[0][2]['all_tenants'])
        self.assertEqual(1000, self.cinder.requests[0][2]['limit'])

    def test_types(self):
        self.cinder.answer(
            'GET', '/types',
            {'volume_types': [volume_type('a', volume_backend_name='b1')],
             'volume_type_links': [{'rel': 'next'}]},
            {'volume_types': [volume_type('c')]})
        self.assertEqual(['a', 'c'], [
            one.name for one in self.helper.get_volume_type_list()])
        self.assertEqual('None', self.cinder.requests[0][2]['is_public'])

    def test_types_of_backends_and_pools(self):
        self.cinder.answer('GET', '/types', {'volume_types': [
            volume_type('a', volume_backend_name='b1'),
            volume_type('c', volume_backend_name='b2'), volume_type('d')]})
        self.assertEqual(
            ['a'], self.helper.get_volume_type_by_backendname('b1'))
        made = cinder_helper.StoragePool.from_api(
            pool(volume_backend_name='b2'))
        self.assertEqual(['c', 'd'],
                         self.helper.get_volume_types_for_pool(made))

    def test_type_by_id(self):
        path = f'/types/{OTHER}'
        self.cinder.answer('GET', path, {'volume_type': volume_type('a')},
                           test_nova_helper.refused(404),
                           test_nova_helper.refused(500))
        ask = self.helper.get_volume_type_name_by_id
        self.assertEqual('a', ask(OTHER))
        self.assertRaises(exception.VolumeTypeNotFound, ask, OTHER)
        self.assertRaises(exception.CinderClientError, ask, OTHER)

    def test_missing_volume_is_asked_for_once(self):
        self.cinder.volumes(test_nova_helper.refused(404))
        self.assertRaises(exception.VolumeNotFound,
                          self.helper.get_volume, VOLUME)
        self.assertEqual(1, len(self.cinder.requests))

    def test_connection_errors_are_survived(self):
        self.cinder.volumes(test_nova_helper.broken(),
                            test_nova_helper.broken(), volume())
        self.assertEqual(VOLUME, self.helper.get_volume(VOLUME).id)

    def test_lasting_connection_error(self):
        self.cinder.volumes(test_nova_helper.broken())
        error = self.assertRaises(exception.CinderClientError,
                                  self.helper.get_volume, VOLUME)
        self.assertIn('connection lost', str(error))
        self.assertEqual(4, len(self.cinder.requests))

    def test_errors_of_cinder_are_not_repeated(self):
        self.cinder.volumes(test_nova_helper.refused(500))
        self.assertRaises(exception.CinderClientError,
                          self.helper.get_volume, VOLUME)
        self.assertEqual(1, len(self.cinder.requests))

    def test_snapshots(self):
        self.cinder.answer('GET', '/snapshots/detail', {'snapshots': [
            {'id': OTHER, 'volume_id': VOLUME}]})
        self.assertEqual([VOLUME], [
            one.volume_id
            for one in self.helper.get_volume_snapshots_list()])

    def test_former_copy(self):
        made = cinder_helper.Volume.from_api(volume())
        self.assertIsNone(self.helper.get_deleting_volume(made))
        self.cinder.answer('GET', '/volumes/detail', {'volumes': [
            volume(name_id=VOLUME), volume(OTHER, name_id=VOLUME)]})
        self.assertEqual(OTHER, self.helper.get_deleting_volume(made).id)
        self.assertEqual('deleting',
                         self.cinder.requests[-1][2]['migration_status'])


class TestMigration(CinderHelperTestCase):

    def migrate(self, *records, **kwargs):
        self.cinder.volumes(*records)
        return self.helper.migrate(VOLUME, THERE, **kwargs)

    def test_success(self):
        self.assertTrue(self.migrate(
            volume(), volume(migration='migrating'),
            volume(host=THERE, migration='success')))
        self.assertEqual([{'os-migrate_volume': {
            'host': THERE, 'lock_volume': True}}], self.cinder.sent('POST'))

    def test_already_there(self):
        outcome = self.migrate(volume(host=THERE))
        self.assertTrue(outcome)
        self.assertIn('already', outcome.reason)
        self.assertEqual([], self.cinder.sent('POST'))

    def test_unknown_pool(self):
        self.cinder.pools(pool(HERE))
        self.assertRaises(exception.PoolNotFound, self.migrate, volume())

    def test_type_that_the_pool_does_not_offer(self):
        self.cinder.pools(pool(THERE, volume_backend_name='b2'))
        self.cinder.answer('GET', '/types', {'volume_types': [
            volume_type('gold', volume_backend_name='b1')]})
        outcome = self.migrate(volume())
        self.assertFalse(outcome)
        self.assertIn('type gold', outcome.reason)
        self.assertEqual([], self.cinder.sent('POST'))

    def test_failure(self):
        outcome = self.migrate(volume(), volume(migration='error'))
        self.assertFalse(outcome)
        self.assertIn('could not migrate', outcome.reason)

    def test_error_of_an_earlier_migration_does_not_count_before(self):
        self.assertTrue(self.migrate(
            volume(migration='error'), volume(migration='starting'),
            volume(host=THERE, migration='success')))

    def test_success_in_another_pool(self):
        outcome = self.migrate(volume(), volume(migration='success'))
        self.assertFalse(outcome)
        self.assertIn('instead of', outcome.reason)

    def test_given_up(self):
        outcome = self.migrate(volume(), volume())
        self.assertFalse(outcome)
        self.assertIn('given up', outcome.reason)

    def test_never_ends(self):
        self.config('cinder', migration_timeout=60)
        outcome = self.migrate(volume(), volume(migration='migrating'))
        self.assertFalse(outcome)
        self.assertFalse(outcome.interrupted)
        self.assertIn('migration_timeout', outcome.reason)

    def test_large_volumes_may_take_longer(self):
        self.config('cinder', migration_timeout=60,
                    migration_timeout_per_gb=3.5)
        outcome = self.migrate(
            {**volume(), 'size': 100},
            {**volume(migration='migrating'), 'size': 100})
        self.assertIn('after 410 seconds', outcome.reason)

    def test_room(self):
        there = cinder_helper.StoragePool.from_api(pool(
            THERE, free_capacity_gb=9, thin_provisioning_support=False))
        wanted = cinder_helper.Volume.from_api({**volume(), 'size': 10})
        self.assertIn('has 9 GB free',
                      self.helper.why_not_in(wanted, there))
        # What is promised beyond that is Cinder's own arithmetic.
        for changes in ({'thin_provisioning_support': True},
                        {'free_capacity_gb': 'unknown'},
                        {'free_capacity_gb': 10}):
            there = cinder_helper.StoragePool.from_api(pool(THERE, **{
                'free_capacity_gb': 9, **changes}))
            self.assertIsNone(self.helper.why_not_in(wanted, there))

    def test_checked_before(self):
        self.cinder.pools()
        self.assertTrue(self.migrate(
            volume(), volume(host=THERE, migration='success'),
            checked=True))

    def test_stopped(self):
        outcome = self.migrate(
            volume(), volume(migration='migrating'),
            should_stop=lambda: self.clock.now > 1030)
        self.assertTrue(outcome.interrupted)
        self.assertIn('goes on in Cinder', outcome.reason)

    def test_deleted_meanwhile(self):
        outcome = self.migrate(volume(), test_nova_helper.refused(404))
        self.assertFalse(outcome)
        self.assertIn('was deleted', outcome.reason)

    def test_cinder_is_away_for_a_while(self):
        self.assertTrue(self.migrate(
            volume(), volume(migration='migrating'),
            test_nova_helper.refused(503),
            volume(host=THERE, migration='success')))

    def test_waits_for_the_former_copy(self):
        self.cinder.answer(
            'GET', '/volumes/detail',
            {'volumes': [volume(OTHER, name_id=VOLUME)]})
        self.cinder.answer(
            'GET', f'/volumes/{OTHER}', {'volume': volume(OTHER)},
            test_nova_helper.refused(404))
        self.assertTrue(self.migrate(
            volume(), volume(host=THERE, migration='success')))

    def test_former_copy_stays(self):
        self.cinder.answer(
            'GET', '/volumes/detail',
            {'volumes': [volume(OTHER, name_id=VOLUME)]})
        self.cinder.answer(
            'GET', f'/volumes/{OTHER}', {'volume': volume(OTHER)})
        outcome = self.migrate(
            volume(), volume(host=THERE, migration='success'))
        self.assertFalse(outcome)
        self.assertIn('not deleted', outcome.reason)

    def test_lost_answer_is_not_asked_for_twice(self):
        self.cinder.answer('POST', f'/volumes/{VOLUME}/action',
                           test_nova_helper.broken())
        self.assertTrue(self.migrate(
            volume(), volume(migration='starting'),
            volume(host=THERE, migration='success')))
        self.assertEqual(1, len(self.cinder.sent('POST')))

    def test_lost_request_is_repeated(self):
        self.cinder.answer('POST', f'/volumes/{VOLUME}/action',
                           test_nova_helper.broken(), {})
        self.assertTrue(self.migrate(
            volume(), volume(), volume(host=THERE, migration='success')))
        self.assertEqual(2, len(self.cinder.sent('POST')))

    def test_refusal_of_what_runs_already(self):
        """Cinder began late with what it got before the connection broke."""
        self.cinder.answer('POST', f'/volumes/{VOLUME}/action',
                           test_nova_helper.broken(),
                           test_nova_helper.refused(400, 'is migrating'))
        self.assertTrue(self.migrate(
            volume(), volume(), volume(migration='starting'),
            volume(host=THERE, migration='success')))
        self.assertEqual(2, len(self.cinder.sent('POST')))

    def test_refusal(self):
        self.cinder.answer('POST', f'/volumes/{VOLUME}/action',
                           test_nova_helper.refused(400, 'in a group'))
        error = self.assertRaises(exception.CinderClientError,
                                  self.migrate, volume())
        self.assertIn('in a group', str(error))

    def test_missing_on_the_way(self):
        self.cinder.answer('POST', f'/volumes/{VOLUME}/action',
                           test_nova_helper.refused(404, 'no such thing'))
        error = self.assertRaises(exception.CinderClientError,
                                  self.migrate, volume())
        self.assertIn('no such thing', str(error))
        self.assertRaises(exception.VolumeNotFound, self.migrate, volume(),
                          test_nova_helper.refused(404))

    def test_following_what_others_asked_for(self):
        self.cinder.volumes(volume(migration='migrating'),
                            volume(migration='success', host=THERE))
        self.assertTrue(self.helper.check_migrated(VOLUME))


class TestRetype(CinderHelperTestCase):

    def retype(self, *records, **kwargs):
        self.cinder.volumes(*records)
        return self.helper.retype(VOLUME, 'silver', **kwargs)

    def test_success(self):
        for status in ('available', 'in-use'):
            self.assertTrue(self.retype(
                volume(), volume(status='retyping'),
                volume(volume_type='silver', status=status)))
        self.assertEqual({'os-retype': {
            'new_type': 'silver', 'migration_policy': 'on-demand'}},
            self.cinder.sent('POST')[-1])

    def test_has_it_already(self):
        outcome = self.retype(volume(volume_type='silver'))
        self.assertFalse(outcome)
        self.assertEqual([], self.cinder.sent('POST'))

    def test_failure(self):
        for after in (volume(), volume(status='error')):
            outcome = self.retype(volume(), volume(status='retyping'),
                                  after)
            self.assertFalse(outcome)
            self.assertIn('it is gold', outcome.reason)

    def test_following_what_others_asked_for(self):
        self.cinder.volumes(volume(status='retyping'),
                            volume(volume_type='silver'))
        self.assertTrue(self.helper.check_retyped(VOLUME, 'silver'))


class TestDeletion(CinderHelperTestCase):

    def test_gone(self):
        self.cinder.volumes(volume(), test_nova_helper.refused(404))
        self.assertTrue(self.helper.check_volume_deleted(VOLUME))

    def test_still_there(self):
        self.cinder.volumes(volume())
        self.assertFalse(self.helper.check_volume_deleted(VOLUME, retry=2))

    def test_stopped(self):
        self.cinder.volumes(volume())
        self.assertTrue(self.helper.check_volume_deleted(
            VOLUME, should_stop=lambda: True).interrupted)


class TestConnection(base.TestCase):

    def test_service(self):
        described = clients.SERVICES['cinder']
        self.assertEqual('block-storage', described.service_type)
        self.assertEqual(['public'],
                         clients.interfaces(self.conf.conf, described))
