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
"""Changes of volumes over HTTP without an engine."""

from unittest import mock

from watcher.applier.actions import base as action_base
from watcher.common import exception
from watcher.common.cinder import moving
from watcher.tests.fixtures import services
from watcher.tests.functional.applier import test_action_hooks

Fate = action_base.Fate

HERE, THERE = 'storage-1@lvm-1#pool-1', 'storage-1@lvm-1#pool-2'


class TestVolumes(test_action_hooks.HookTestCase):

    SPEC = {'hosts': 2, 'backends': 2, 'volumes': 8,
            'placement': {'compute-1': 1, 'compute-2': 0},
            'every_volume_booted': 1}

    def setUp(self):
        super().setUp()
        for name, value in (('INTERVAL', 0.05), ('DELETE_LIMIT', 10.0)):
            patcher = mock.patch.object(moving, name, value)
            patcher.start()
            self.addCleanup(patcher.stop)
        with self.cloud.state.lock:
            self.volume = next(
                one for one in self.cloud.storage.pools[HERE].volumes.values()
                if not one.attachments)

    def move(self, pool=THERE):
        return self.make('volume_migrate', resource_id=self.volume.id,
                         migration_type='migrate', destination_node=pool)

    def retype(self, name='lvm-2'):
        return self.make('volume_migrate', resource_id=self.volume.id,
                         migration_type='retype', destination_type=name)

    def is_moving(self):
        return self.volume.migration_status == 'migrating'

    def finish(self):
        """Let a move that hangs succeed."""
        storage = self.cloud.storage
        with self.cloud.state.lock:
            copy = next(one for one in storage.volumes.values()
                        if one.migration_status == f'target:{self.volume.id}')
            storage._copied(self.volume, copy, False)

    def test_there_and_back(self):
        action = self.do(self.move())
        self.assertEqual(HERE, self.run_record.before['host'])
        self.assertEqual(THERE, self.volume.pool.name)
        self.undo(action)
        self.assertEqual(HERE, self.volume.pool.name)

    def test_another_type_and_back(self):
        action = self.do(self.retype())
        self.undo(action)
        self.assertEqual('lvm-1', self.volume.type.name)

    def test_claims_and_deadline(self):
        action = self.move()
        self.assertEqual((THERE,), action.claims().pools)
        self.assertIsNone(action.deadline())
        action.pre_condition()
        self.config('cinder', migration_timeout=10,
                    migration_timeout_per_gb=2)
        self.assertEqual(10 + 2 * self.volume.size, action.deadline())

    def test_one_that_takes_too_long_is_followed_on(self):
        self.config('cinder', migration_timeout=1,
                    migration_timeout_per_gb=0)
        self.cloud.faults.add_migration(kind='volume', outcome='hang')
        with self.running(self.move()) as future:
            services.wait_until(
                lambda: 'is followed on' in self.logger.output)
            self.assertFalse(future.done())
            self.finish()
            self.assertIs(True, future.result(services.PATIENCE))

    def test_one_that_was_left_behind(self):
        self.assertIs(Fate.NOT_STARTED, self.found(self.move()))
        self.cloud.faults.add_migration(kind='volume', outcome='hang')
        self.killed(self.move(), self.is_moving)
        again = self.move()
        self.assertIs(Fate.RUNNING, self.found(again))
        self.finish()
        self.assertIs(True, again.resume(self.run_record))
        again.post_condition()
        self.assertIs(Fate.DONE, self.found(self.move()))

    def test_one_that_failed_while_nobody_looked(self):
        self.cloud.faults.add_migration(kind='volume', outcome='hang')
        self.killed(self.move(), self.is_moving)
        with self.cloud.state.lock:
            self.cloud.storage.touch(self.volume, migration_status='error')
        found = self.move().recover(self.run_record)
        self.assertIs(Fate.FAILED, found.fate)
        self.assertIn('error', found.reason)
        with self.cloud.state.lock:
            self.cloud.storage.forget(self.volume)
        self.assertIs(Fate.FAILED, self.found(self.move()))

    def test_a_retype_that_was_left_behind(self):
        with self.cloud.state.lock:
            self.cloud.storage.touch(self.volume, status='retyping')
        again = self.retype()
        self.assertIs(Fate.RUNNING, self.found(again))
        with self.cloud.state.lock:
            self.cloud.storage.touch(
                self.volume, status='available',
                type=self.cloud.storage.find_type('lvm-2'))
        self.assertIs(True, again.resume(self.run_record))
        self.assertIs(Fate.DONE, self.found(again))

    def test_refusals_of_cinder(self):
        with self.cloud.state.lock:
            snapshot = self.cloud.storage.take_snapshot(self.volume)
        self.fails(self.move(), 'must not have snapshots')
        with self.cloud.state.lock:
            del self.cloud.storage.snapshots[snapshot.id]
        for status, reason in ((403, 'Policy does not allow it'),
                               (413, 'VolumeLimitExceeded')):
            self.cloud.faults.add(
                service='block-storage', method='POST', path='/action$',
                status=status, message=reason)
            self.fails(self.move(), str(status), reason)
            self.cloud.faults.clear()

    def test_a_lost_answer_is_not_asked_for_again(self):
        for kind in ('drop', 'lose_answer'):
            self.cloud.faults.add(service='block-storage', method='POST',
                                  path='/action$', count=1, **{kind: True})
        self.do(self.move())
        self.do(self.move(HERE))

    def test_the_end_is_judged_once_more(self):
        action = self.do(self.move())
        with self.cloud.state.lock:
            self.cloud.storage.place(
                self.volume, self.cloud.storage.pools[HERE])
        error = self.assertRaises(exception.ActionExecutionFailure,
                                  action.post_condition)
        self.assertIn(HERE, str(error))
