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
"""Moving volumes: pre-conditions, execution, what cannot be undone."""

import dataclasses

import fixtures

from watcher.common import cinder_helper
from watcher.common import exception
from watcher.tests.unit.applier.actions import test_actions

VOLUME = '7d5b3b0c-2f7a-4c7e-8f0b-6f6a1c9d2e01'
OTHER = '7d5b3b0c-2f7a-4c7e-8f0b-6f6a1c9d2e02'
HERE, THERE = 'storage@lvm#a', 'storage@lvm#b'

REAL = cinder_helper.CinderHelper

MIGRATE = {'resource_id': VOLUME, 'migration_type': 'migrate',
           'destination_node': THERE}
RETYPE = {'resource_id': VOLUME, 'migration_type': 'retype',
          'destination_type': 'fast'}


def make_volume(**fields):
    return cinder_helper.Volume.from_api({
        'id': VOLUME, 'size': 10, 'status': 'available',
        'volume_type': 'slow', 'os-vol-host-attr:host': HERE, **fields})


def used_by(*servers, **fields):
    """A volume that servers use."""
    return make_volume(status='in-use', attachments=[
        {'server_id': server} for server in servers], **fields)


class FakeCinder:
    """As much of Cinder as the action asks for."""

    def __init__(self):
        self.volumes = {VOLUME: make_volume()}
        self.types = ['slow', 'fast']
        self.pools = {THERE: THERE}
        self.service = cinder_helper.StorageService(
            'storage@lvm', 'nova', 'up', 'enabled')
        self.misfit = None
        self.calls = []
        self.outcome = cinder_helper.Outcome(True)

    def get_volume(self, ident):
        if ident not in self.volumes:
            raise exception.VolumeNotFound(name=ident)
        return self.volumes[ident]

    def get_volume_type_list(self):
        return [cinder_helper.VolumeType(OTHER, name, {})
                for name in self.types]

    def get_storage_pool_by_name(self, name):
        if name not in self.pools:
            raise exception.PoolNotFound(name=name)
        return self.pools[name]

    def get_storage_node_by_name(self, name):
        if self.service is None or self.service.host != name:
            raise exception.StorageNodeNotFound(name=name)
        return self.service

    def why_not_in(self, volume, pool):
        return self.misfit

    def migrate(self, *args, should_stop=None, watch=None, **kwargs):
        self.calls.append(('migrate', *args, kwargs))
        return self.outcome

    def retype(self, *args, should_stop=None, watch=None):
        self.calls.append(('retype', *args))
        return self.outcome


class VolumeMigrateTestCase(test_actions.ActionTestCase):

    def setUp(self):
        super().setUp()
        self.cinder = FakeCinder()
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.common.cinder_helper.CinderHelper',
            lambda *args, **kwargs: self.cinder))

    def action(self, spec=MIGRATE, **changes):
        return self.make('volume_migrate', **{**spec, **changes})

    def without(self, spec, name):
        return self.make('volume_migrate', **{
            key: value for key, value in spec.items() if key != name})

    def change(self, **changes):
        self.cinder.volumes[VOLUME] = dataclasses.replace(
            self.cinder.volumes[VOLUME], **changes)


class TestPreCondition(VolumeMigrateTestCase):

    def test_fine(self):
        self.action().pre_condition()
        self.action(migration_type='swap').pre_condition()
        self.action(RETYPE).pre_condition()

    def test_the_volume_is_gone(self):
        self.cinder.volumes.clear()
        for spec in (MIGRATE, RETYPE):
            self.assertSkips(self.action(spec), VOLUME, 'not found')

    def test_the_wish_is_true_already(self):
        self.change(host=THERE, volume_type='fast')
        # Even where the destination takes no more volumes.
        self.cinder.service = dataclasses.replace(
            self.cinder.service, status='disabled')
        self.assertSkips(self.action(), VOLUME, 'already', THERE)
        self.assertSkips(self.action(RETYPE), VOLUME, 'already', 'fast')

    def test_a_missing_parameter(self):
        self.assertRefuses(self.without(MIGRATE, 'destination_node'),
                           'destination_node')
        self.assertRefuses(self.without(RETYPE, 'destination_type'),
                           'destination_type')

    def test_an_unknown_destination(self):
        self.assertRefuses(self.action(destination_node='x@y#z'),
                           'x@y#z', 'not found')
        self.assertRefuses(self.action(RETYPE, destination_type='none'),
                           'none', 'not found')
        # What is given has to exist even where it is not needed.
        self.assertRefuses(self.action(destination_type='none'), 'none')
        self.assertRefuses(self.action(RETYPE, destination_node='x@y#z'),
                           'x@y#z')

    def test_an_unreachable_cinder_is_not_a_missing_volume(self):
        def broken(ident):
            raise exception.CinderClientError(reason='time-out')
        self.cinder.get_volume = broken
        self.assertRefuses(self.action(), 'time-out')

    def test_a_service_that_takes_no_volumes(self):
        for change in ({'status': 'disabled'}, {'state': 'down'}):
            self.cinder.service = dataclasses.replace(
                FakeCinder().service, **change)
            self.assertRefuses(self.action(), 'storage@lvm',
                               next(iter(change.values())))
        # Cinder chooses the pool when it changes types.
        self.action(RETYPE).pre_condition()

    def test_a_clustered_service_is_left_to_cinder(self):
        self.cinder.service = None
        self.action().pre_condition()

    def test_a_pool_that_does_not_suit(self):
        self.cinder.misfit = 'it is full'
        self.assertRefuses(self.action(), 'it is full')
        self.action(RETYPE).pre_condition()

    def test_a_volume_that_is_busy(self):
        for change in ({'status': 'uploading'}, {'status': 'error'},
                       {'status': 'in-use'},
                       {'migration_status': 'migrating'}):
            self.cinder.volumes[VOLUME] = make_volume()
            self.change(**change)
            for spec in (MIGRATE, RETYPE):
                self.assertRefuses(self.action(spec), VOLUME,
                                   next(iter(change.values())))

    def test_an_earlier_move_does_not_count(self):
        for status in ('success', 'error', 'none', 'deleting'):
            self.change(migration_status=status)
            self.action().pre_condition()


class TestServers(VolumeMigrateTestCase):

    def setUp(self):
        super().setUp()
        self.server = self.nova.servers[test_actions.SERVER]
        self.server.task_state = None
        self.cinder.volumes[VOLUME] = used_by(test_actions.SERVER)

    def assertAllRefuse(self, *words):
        for spec in (MIGRATE, {**MIGRATE, 'migration_type': 'swap'}, RETYPE):
            self.assertRefuses(self.action(spec), *words)
            error = self.assertRaises(exception.ActionExecutionFailure,
                                      self.action(spec).execute)
            for word in words:
                self.assertIn(word, str(error))
        self.assertEqual([], self.cinder.calls)

    def test_running_and_paused(self):
        for status in ('ACTIVE', 'PAUSED'):
            self.server.status = status
            self.action().pre_condition()
            self.action(RETYPE).pre_condition()

    def test_in_the_middle_of_a_resize(self):
        for status in ('RESIZE', 'VERIFY_RESIZE', 'REVERT_RESIZE',
                       'MIGRATING', 'SHUTOFF', 'ERROR'):
            self.server.status = status
            self.assertAllRefuse(test_actions.SERVER, VOLUME, status)

    def test_a_busy_server(self):
        self.server.task_state = 'resize_prep'
        self.assertAllRefuse(test_actions.SERVER, 'resize_prep')

    def test_every_server_counts(self):
        self.nova.servers[test_actions.OTHER] = test_actions.Item(
            uuid=test_actions.OTHER, status='VERIFY_RESIZE')
        self.nova.servers[test_actions.OTHER].task_state = None
        self.cinder.volumes[VOLUME] = used_by(
            test_actions.SERVER, test_actions.OTHER)
        self.assertAllRefuse(test_actions.OTHER, 'VERIFY_RESIZE')

    def test_a_server_that_nova_does_not_know(self):
        self.nova.servers.clear()
        self.assertAllRefuse(test_actions.SERVER, 'not found')

    def test_attached_to_a_host(self):
        self.cinder.volumes[VOLUME] = make_volume(
            status='in-use',
            attachments=[{'server_id': None, 'host_name': 'h'}])
        self.action().pre_condition()

    def test_attached_but_not_in_use(self):
        self.change(status='detaching')
        self.assertRefuses(self.action(), 'detaching')


class TestExecute(VolumeMigrateTestCase):

    def test_migrate_and_swap(self):
        for kind in ('migrate', 'swap'):
            self.assertIs(True, self.action(migration_type=kind).execute())
            self.assertEqual(
                [('migrate', VOLUME, THERE, {'checked': False})],
                self.cinder.calls)
            self.cinder.calls.clear()

    def test_the_pool_is_not_judged_twice(self):
        action = self.action()
        action.pre_condition()
        self.assertIs(True, action.execute())
        self.assertEqual([('migrate', VOLUME, THERE, {'checked': True})],
                         self.cinder.calls)

    def test_retype(self):
        self.assertIs(True, self.action(RETYPE).execute())
        self.assertEqual([('retype', VOLUME, 'fast')], self.cinder.calls)

    def test_the_reason_of_a_failure_is_kept(self):
        self.cinder.outcome = cinder_helper.Outcome(False, 'no space left')
        for spec in (MIGRATE, RETYPE):
            error = self.assertRaises(exception.ActionExecutionFailure,
                                      self.action(spec).execute)
            self.assertEqual('no space left', str(error))

    def test_an_interrupted_wait(self):
        self.cinder.outcome = cinder_helper.Outcome(
            False, 'it goes on', interrupted=True)
        self.assertRaises(exception.WaitInterrupted, self.action().execute)

    def test_a_volume_deleted_meanwhile(self):
        self.cinder.volumes.clear()
        error = self.assertRaises(exception.VolumeNotFound,
                                  self.action().execute)
        self.assertIn(VOLUME, str(error))

    def test_what_cannot_be_done(self):
        action = self.action()
        self.assertIs(False, action.revert())
        self.assertIs(False, action.abort())
        self.assertFalse(action.check_abort())
        self.assertEqual([], self.cinder.calls)
        self.assertIn('cannot be reverted', self.logger.output)

    def test_the_fake_is_like_the_real_one(self):
        for name in vars(FakeCinder):
            if not name.startswith('_'):
                self.assertTrue(hasattr(REAL, name), name)
