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
"""Following Cinder by its notifications instead of reading it again."""

import datetime
import random
import uuid

import oslo_messaging as messaging
from oslo_config import cfg

from watcher.common import utils
from watcher.common.loader import loadable
from watcher.decision_engine.model.collector import cinder
from watcher.sandbox.cloud import cinder_notifications
from watcher.sandbox.cloud import notifications
from watcher.tests import base
from watcher.tests.fixtures import services
from watcher.tests.functional import cloud


class StorageNotificationTestCase(cloud.CloudTestCase):

    SPEC = {'hosts': 1, 'servers': 4, 'every_volume_booted': 2,
            'backends': 2, 'pools': 2, 'volumes': 10}

    def setUp(self):
        super().setUp()
        singletons = loadable.LoadableSingletonMeta._instances
        cls = cinder.CinderClusterDataModelCollector
        singletons.pop(cls, None)
        self.addCleanup(singletons.pop, cls, None)
        self.collector = cls(utils.Struct(period=3600, max_age=None))
        self.collector.synchronize()
        self.endpoints = self.collector.notification_endpoints
        self.messages = []
        self.storage = self.cloud.storage
        # The other one's driver moves no volumes by itself.
        self.storage.backends['storage-1@lvm-1'].moves = True
        self.cloud.state.subscribe(self._publish)

    def _publish(self, event, subject):
        found = cinder_notifications.message(event, subject)
        if found:
            now = datetime.datetime.now(datetime.UTC)
            self.messages.append(
                (*found, {'timestamp': str(now.replace(tzinfo=None))}))

    def deliver(self, messages):
        for publisher, event, payload, metadata in messages:
            for endpoint in self.endpoints:
                if endpoint.filter_rule.match(
                        {}, publisher, event, metadata, payload):
                    endpoint.info({}, publisher, event, payload, metadata)

    def settle(self):
        """Wait for the cloud, then take what it has published."""
        self.assertTrue(self.cloud.cloud.timeline.wait_idle())
        messages, self.messages = self.messages, []
        return messages

    @staticmethod
    def facts(model):
        # No list of Cinder tells the virtual capacity.
        return {(str(row.get('volume_uuid') or row.get('pool_name')
                     or row['node_host']), key, str(value))
                for row in model.to_list() for key, value in row.items()
                if key != 'pool_virtual_free'}

    def check(self):
        true = self.facts(cinder.CinderModelBuilder().execute())
        kept = self.facts(self.collector.current_model)
        self.assertEqual(
            ([], []), (sorted(true - kept), sorted(kept - true)))

    def connect(self):
        return self.cloud.connect().block_storage

    def some(self, chance, status='available'):
        with self.cloud.state.lock:
            found = sorted(
                (volume.number, volume.id) for volume
                in self.storage.volumes.values() if volume.status == status)
        return chance.choice(found)[1] if found else None


class TestStories(StorageNotificationTestCase):

    def test_life_of_a_volume(self):
        sdk = self.connect()
        made = sdk.create_volume(size=3, name='new', metadata={'a': 'b'})
        self.deliver(self.settle())
        self.check()
        sdk.extend_volume(made, 9)
        sdk.update_volume(made, name='renamed')
        self.deliver(self.settle())
        self.check()
        sdk.delete_volume(made)
        self.deliver(self.settle())
        self.check()

    def test_migration(self):
        volume = self.some(random.Random(1))
        known = self.collector.current_model
        here = known.get_pool_by_volume(volume).name
        there = next(name for name in self.storage.pools if name != here
                     and name[:-1] == here[:-1])
        self.connect().migrate_volume(volume, host=there)
        self.deliver(self.settle())
        self.assertEqual(there, known.get_pool_by_volume(volume).name)
        self.check()

    def test_migration_of_a_used_volume(self):
        volume = self.some(random.Random(1))
        with self.cloud.state.lock:
            self.storage.attach(self.storage.volumes[volume], 'some-server')
            here = self.storage.volumes[volume].pool.name
            there = next(name for name in self.storage.pools
                         if name != here and name[:-1] == here[:-1])
        self.connect().migrate_volume(volume, host=there)
        messages = self.settle()
        self.deliver(message for message in messages
                     if message[1] != 'capacity.pool')
        known = self.collector.current_model.get_volume_by_uuid(volume)
        self.assertEqual(['some-server'], [
            one['server_id'] for one in known.attachments])
        self.deliver(messages)
        self.check()

    def test_migrations_by_a_driver(self):
        for backend in self.storage.backends.values():
            backend.moves = True
        self.test_migration()
        self.assertTrue(any(
            pool.allocated_gb != pool.used_gb
            for pool in self.storage.pools.values()))

    def test_change_of_type(self):
        volume = self.some(random.Random(1))
        sdk = self.connect()
        for name in ('__DEFAULT__', 'lvm-1', 'lvm-2'):
            sdk.retype_volume(volume, name)
            self.deliver(self.settle())
            self.check()


class TestBus(StorageNotificationTestCase):

    def test_messages_arrive(self):
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[], default_config_dirs=[])
        topic = 'cinder-' + uuid.uuid4().hex
        listener = messaging.get_notification_listener(
            messaging.get_notification_transport(conf, url='fake://'),
            [messaging.Target(exchange=cinder_notifications.EXCHANGE,
                              topic=topic)],
            self.endpoints, executor='threading', pool='watcher')
        listener.start()
        self.addCleanup(listener.wait)
        self.addCleanup(listener.stop)
        publisher = notifications.Publisher(
            self.cloud.state, 'fake://', ((
                cinder_notifications.EXCHANGE, topic,
                cinder_notifications.message),))
        self.addCleanup(publisher.stop)
        made = self.connect().create_volume(size=3, name='new')
        model = self.collector.current_model
        services.wait_until(
            lambda: made.id in model.get_all_volumes()
            and len(model.get_pool_volumes(
                model.get_pool_by_volume(made.id))) > 3, base.PATIENCE,
            'the model to show the new volume')
        self.check()


class TestHistories(StorageNotificationTestCase):

    def step(self, sdk, chance):
        volume = self.some(chance)
        what = chance.choice(('create', 'delete', 'extend', 'migrate',
                              'retype', 'attach', 'detach', 'update'))
        if what == 'create':
            sdk.create_volume(size=chance.randint(1, 9), volume_type=(
                chance.choice(('__DEFAULT__', 'lvm-1', 'lvm-2'))))
        elif what == 'detach':
            used = self.some(chance, 'in-use')
            if used:
                with self.cloud.state.lock:
                    self.storage.detach(self.storage.volumes[used], None)
        elif volume is None:
            return
        elif what == 'delete':
            sdk.delete_volume(volume)
        elif what == 'extend':
            with self.cloud.state.lock:
                size = self.storage.volumes[volume].size
            sdk.extend_volume(volume, size + chance.randint(1, 50))
        elif what == 'update':
            sdk.update_volume(volume, name=f'name-{chance.random()}')
        else:
            if what == 'migrate':
                volume = self.some(chance, 'in-use') or volume
            self._move(sdk, chance, volume, what)

    def _move(self, sdk, chance, ident, what):
        with self.cloud.state.lock:
            volume = self.storage.volumes[ident]
            if what == 'attach':
                self.storage.attach(volume, 'some-server')
                return
            others = [name for name, pool in self.storage.pools.items()
                      if pool is not volume.pool and volume.type.fits(pool)]
            kinds = [kind.name for kind in self.storage.types.values()
                     if kind is not volume.type]
        if what == 'migrate':
            sdk.migrate_volume(ident, host=chance.choice(others))
        else:
            sdk.retype_volume(ident, chance.choice(kinds))

    def replay(self, seed, rounds, mix):
        chance = random.Random(seed)
        sdk = self.connect()
        for _round in range(rounds):
            history = []
            for _step in range(chance.randint(1, 5)):
                self.step(sdk, chance)
                history += self.settle()
            self.deliver(mix(chance, history))
            self.check()

    def test_in_order(self):
        self.replay(1, 10, lambda chance, history: history)

    def test_late_and_twice(self):
        def mix(chance, history):
            mixed = history + chance.sample(history, len(history) // 2)
            chance.shuffle(mixed)
            return mixed
        self.replay(2, 10, mix)

    def test_while_a_build_runs(self):
        chance, sdk = random.Random(3), self.connect()
        execute = self.collector.execute
        history = []

        def build():
            # After everything was read, and before it becomes current.
            model = execute()
            for _step in range(6):
                self.step(sdk, chance)
                history.extend(self.settle())
            self.deliver(history)
            return model
        self.collector.execute = build
        self.addCleanup(delattr, self.collector, 'execute')
        self.collector.synchronize()
        self.assertTrue(history)
        self.check()
