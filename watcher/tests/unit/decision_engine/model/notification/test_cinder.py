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
"""What notifications of Cinder do to the storage model."""

import datetime

from watcher.common import exception
from watcher.decision_engine.model import clocks
from watcher.decision_engine.model import element
from watcher.decision_engine.model import model_root
from watcher.decision_engine.model.collector import cinder as collector
from watcher.decision_engine.model.notification import cinder
from watcher.tests import base
from watcher.tests.unit.decision_engine.model.collector import test_cinder

UUID = test_cinder.UUID
BUILT = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
P, Q = 'h@b#p', 'h@b#q'


def away():
    return exception.CinderClientError(reason='away')


class FakeReader(collector.CinderReader):
    """Knows what a test says; everything else is missing."""

    def __init__(self):
        self.asked = []
        self.pools = {}
        self.nodes = {}
        self.records = {}
        self.types = {}
        self.error = None

    def _find(self, what, known, key, missing):
        self.asked.append((what, key))
        if self.error:
            raise self.error
        if key not in known:
            raise missing(name=key)
        return known[key]

    def pool(self, name):
        return self._find('pool', self.pools, name, exception.PoolNotFound)

    def node(self, host):
        return self._find('node', self.nodes, host,
                          exception.StorageNodeNotFound)

    def record(self, uuid):
        return self._find('volume', self.records, uuid,
                          exception.VolumeNotFound)

    def type_name(self, ident):
        return self._find('type', self.types, ident,
                          exception.VolumeTypeNotFound)

    def volumes_of(self, pool):
        self.asked.append(('volumes', pool))
        if self.error:
            raise self.error
        return [record for record in self.records.values()
                if record['os-vol-host-attr:host'] == pool]


class FakeCollector:
    """Applies changes as the real one does, without its life cycle."""

    def __init__(self, model, reader):
        self.notified_model = model
        self.reader = reader

    def deliver(self, change):
        if self.notified_model:
            # Cinder must not be asked while others wait for the model.
            asked = len(self.reader.asked)
            change()
            assert asked == len(self.reader.asked)
        return True


class NotificationTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.reader = FakeReader()
        self.model = model_root.StorageModelRoot()
        self.model.built_at = BUILT
        self.model.add_node(element.StorageNode(host='h@b'))
        for name in (P, Q):
            self.model.add_pool(element.Pool(
                name=name, total_volumes=1, total_capacity_gb=100,
                free_capacity_gb=90, allocated_capacity_gb=6))
            self.model.map_pool(name, 'h@b')
        for number in (1, 2):
            self.model.add_volume(collector.volume_element(
                test_cinder.volume(number)))
            self.model.map_volume(UUID(number), P)
        self.collector = FakeCollector(self.model, self.reader)
        self.endpoints = [cinder.CapacityNotification(self.collector),
                          cinder.VolumeNotification(self.collector)]

    def send(self, event, payload, second=1, publisher='volume.h@b'):
        """Deliver a message as oslo.messaging does."""
        metadata = {} if second is None else {'timestamp': str(
            (BUILT + datetime.timedelta(seconds=second)).replace(
                tzinfo=None))}
        handled = 0
        for endpoint in self.endpoints:
            if endpoint.filter_rule.match({}, publisher, event, metadata,
                                          payload):
                endpoint.info({}, publisher, event, payload, metadata)
                handled += 1
        return handled

    def volume(self, number=1):
        return self.model.get_volume_by_uuid(UUID(number))

    def within(self, pool):
        return [volume.uuid for volume in self.model.get_pool_volumes(pool)]

    def told(self, number=1, **fields):
        return {'volume_id': UUID(number), 'display_name': f'v{number}',
                'size': 3, 'status': 'available', 'host': P,
                'tenant_id': 'p1', 'metadata': [], 'snapshot_id': None,
                'volume_type': UUID(77), 'volume_attachment': [],
                'created_at': '2026-01-01T00:00:00', **fields}


class TestVolumes(NotificationTestCase):

    def test_others_are_not_handled(self):
        for event in ('volume.create.start', 'volume.exists',
                      'volume.delete.start', 'snapshot.create.end',
                      'volume.create.end.more'):
            self.assertEqual(0, self.send(event, self.told()))
        self.assertEqual(0, self.send('volume.create.end', self.told(),
                                      publisher='backup.h'))

    def test_change(self):
        self.reader.types[UUID(77)] = 'silver'
        self.assertEqual(1, self.send('volume.attach.end', self.told(
            display_name='new', status='in-use',
            metadata=[{'key': 'k', 'value': 'v', 'id': 1}],
            volume_attachment=[{'instance_uuid': UUID(5), 'id': UUID(6),
                                'mountpoint': '/dev/vdb'}])))
        volume = self.volume()
        self.assertEqual(
            ('new', 'in-use', {'k': 'v'}, 'silver', False, P),
            (volume.name, volume.status, volume.metadata,
             volume.volume_type, volume.multiattach, volume.host))
        self.assertEqual([{'server_id': UUID(5), 'attachment_id': UUID(6)}],
                         volume.attachments)
        self.assertEqual([UUID(1), UUID(2)], self.within(P))
        self.assertEqual([('type', UUID(77))], self.reader.asked)

    def test_unknown_type_keeps_the_name(self):
        self.send('volume.update.end', self.told(display_name='new'))
        self.assertEqual(('new', 'gold'),
                         (self.volume().name, self.volume().volume_type))

    def test_bootable(self):
        self.send('volume.update.end', self.told(glance_metadata=[{}]))
        self.assertTrue(self.volume().bootable)
        self.send('volume.update.end', self.told(), 2)
        self.assertTrue(self.volume().bootable)

    def test_resize_refreshes_the_pool(self):
        self.reader.pools[P] = element.Pool(name=P, free_capacity_gb=5)
        self.model.get_pool_by_pool_name(P).virtual_free = 8
        self.send('volume.resize.end', self.told(size=7))
        pool = self.model.get_pool_by_pool_name(P)
        self.assertEqual((7, 5, 8), (self.volume().size,
                                     pool.free_capacity_gb,
                                     pool.virtual_free))
        self.assertEqual([UUID(1), UUID(2)], self.within(P))
        self.assertEqual('h@b', self.model.get_node_by_pool_name(P).host)

    def test_retype(self):
        self.reader.types[UUID(77)] = 'silver'
        self.send('volume.retype', self.told(host=Q))
        self.assertEqual('silver', self.volume().volume_type)
        self.assertEqual([UUID(1)], self.within(Q))

    def test_states_that_were_reset_and_other_projects(self):
        self.send('volume.reset_status.end', self.told(status='error'), 1)
        self.assertEqual('error', self.volume().status)
        self.reader.error = away()
        self.send('volume.transfer.accept.end', self.told(tenant_id='p2'), 2)
        self.assertEqual(('available', 'p2'),
                         (self.volume().status, self.volume().project_id))

    def test_transfers_are_told_of_with_the_status_before(self):
        self.reader.records[UUID(1)] = test_cinder.volume(
            1, P, status='awaiting-transfer')
        self.send('volume.transfer.create.end', self.told())
        self.assertEqual('awaiting-transfer', self.volume().status)

    def test_used_volumes_that_move_keep_their_servers(self):
        used = [{'instance_uuid': UUID(5), 'id': UUID(6)}]
        self.send('volume.attach.end', self.told(
            status='in-use', volume_attachment=used), 1)
        self.send('volume.detach.end', self.told(status='in-use'), 2)
        self.assertEqual([{'server_id': UUID(5), 'attachment_id': UUID(6)}],
                         self.volume().attachments)
        self.send('volume.detach.end', self.told(), 3)
        self.assertEqual([], self.volume().attachments)

    def test_delete(self):
        for event in ('volume.delete.end', 'volume.unmanage.end'):
            self.send(event, self.told(1))
            self.assertNotIn(UUID(1), self.model)
        self.assertIn(('pool', P), self.reader.asked)

    def test_no_host(self):
        self.send('volume.update.end', self.told(host=None,
                                                 status='error'))
        self.assertEqual([UUID(2)], self.within(P))
        self.assertIsNone(self.volume().host)

    def test_create(self):
        self.reader.records[UUID(3)] = test_cinder.volume(
            3, Q, multiattach=True)
        self.send('volume.create.end', self.told(3, host=Q))
        self.assertEqual([UUID(3)], self.within(Q))
        self.assertTrue(self.volume(3).multiattach)

    def test_create_while_cinder_is_away(self):
        self.reader.error = away()
        self.send('volume.create.end', self.told(3, host=Q))
        self.assertEqual([UUID(3)], self.within(Q))
        volume = self.volume(3)
        self.assertEqual(('v3', 3, False, False), (
            volume.name, volume.size, volume.multiattach, volume.bootable))
        self.assertFalse(volume.obj_attr_is_set('volume_type'))

    def test_copies_that_cinder_makes_are_no_volumes(self):
        self.reader.records[UUID(3)] = test_cinder.volume(3, Q, **{
            'os-vol-mig-status-attr:migstat': f'target:{UUID(1)}'})
        self.send('volume.create.end', self.told(3, host=Q))
        self.assertNotIn(UUID(3), self.model)

    def test_created_and_deleted_meanwhile(self):
        self.send('volume.create.end', self.told(3))
        self.assertNotIn(UUID(3), self.model)

    def test_unknown_pool_and_backend_are_read(self):
        self.reader.records[UUID(3)] = test_cinder.volume(3, 'x@y#z')
        self.reader.pools['x@y#z'] = element.Pool(name='x@y#z')
        self.reader.nodes['x@y'] = element.StorageNode(host='x@y')
        self.send('volume.create.end', self.told(3, host='x@y#z'))
        self.assertEqual([UUID(3)], self.within('x@y#z'))
        self.assertEqual('x@y',
                         self.model.get_node_by_pool_name('x@y#z').host)

    def test_pool_that_cannot_be_read(self):
        self.send('volume.update.end', self.told(host='x@y#z'))
        self.assertEqual([UUID(2)], self.within(P))
        self.assertRaises(exception.PoolNotFound,
                          self.model.get_pool_by_volume, UUID(1))

    def test_older_messages_change_nothing(self):
        self.send('volume.update.end', self.told(display_name='new'), 9)
        self.send('volume.update.end', self.told(display_name='old'), 8)
        self.send('volume.update.end', self.told(display_name='old'), -60)
        self.send('volume.delete.end', self.told(), 8)
        self.assertEqual('new', self.volume().name)

    def test_late_creation_of_what_was_deleted(self):
        self.reader.records[UUID(1)] = test_cinder.volume(1)
        self.send('volume.delete.end', self.told(), 9)
        self.send('volume.create.end', self.told(), 8)
        self.assertNotIn(UUID(1), self.model)

    def test_messages_from_before_the_build(self):
        self.send('volume.create.end', self.told(3), -60)
        self.assertNotIn(UUID(3), self.model)
        self.assertEqual([], self.reader.asked)

    def test_duplicates(self):
        for _time in range(2):
            self.send('volume.update.end', self.told(display_name='new'))
        self.assertEqual('new', self.volume().name)
        self.assertEqual([UUID(1), UUID(2)], self.within(P))

    def test_messages_without_time(self):
        self.send('volume.update.end', self.told(display_name='new'), None)
        self.assertEqual('new', self.volume().name)

    def test_all_or_nothing(self):
        before = self.model.to_xml()
        self.assertRaises(
            ValueError, self.send, 'volume.update.end',
            self.told(display_name='new', size='large'))
        self.assertEqual(before, self.model.to_xml())

    def test_odd_payloads(self):
        before = self.model.to_xml()
        for payload in ({}, None, {'volume_id': None}):
            self.endpoints[1].info({}, 'volume.h', 'volume.update.end',
                                   payload, {})
        self.assertEqual(before, self.model.to_xml())

    def test_freshness(self):
        self.send('volume.update.end', self.told(), 5)
        known = self.model.freshness['h@b']
        self.assertEqual(clocks.NOTIFICATION, known.source)
        self.assertGreater(known.when, BUILT)

    def test_no_model(self):
        for model in (None, model_root.StorageModelRoot(stale=True)):
            self.collector.notified_model = model
            self.send('volume.create.end', self.told(3))
            self.send('capacity.pool', {'name_to_id': P},
                      publisher='capacity.h')
        self.assertNotIn(UUID(3), self.model)
        self.assertEqual([], self.reader.asked)
        self.assertNotIn('Traceback', self.logger.output)


class TestCapacity(NotificationTestCase):

    def capacity(self, name=P, second=1, **figures):
        return self.send('capacity.pool', {
            'type': 'pool', 'name_to_id': name, 'total': 100.0,
            'free': 80.5, 'allocated': 6.0, 'provisioned': 7.0,
            'virtual_free': 70.0, 'reported_at': 'x', **figures},
            second, 'capacity.scheduler')

    def pool(self, name=P):
        pool = self.model.get_pool_by_pool_name(name)
        return (pool.total_capacity_gb, pool.free_capacity_gb,
                pool.allocated_capacity_gb, pool.provisioned_capacity_gb,
                pool.virtual_free)

    def test_known_pool(self):
        self.assertEqual(1, self.capacity())
        self.assertEqual((100, 80, 6, 7, 70), self.pool())
        self.assertEqual([], self.reader.asked)
        self.assertEqual([UUID(1), UUID(2)], self.within(P))

    def test_backends_are_not_handled(self):
        self.assertEqual(0, self.send('capacity.backend', {},
                                      publisher='capacity.h'))

    def test_unknown_pool(self):
        self.capacity('h@b#new')
        self.assertEqual((100, 80, 6, 7, 70), self.pool('h@b#new'))
        self.assertEqual('h@b',
                         self.model.get_node_by_pool_name('h@b#new').host)

    def test_unknown_backend(self):
        self.reader.nodes['x@y'] = element.StorageNode(host='x@y')
        self.capacity('x@y#z')
        self.assertEqual('x@y',
                         self.model.get_node_by_pool_name('x@y#z').host)

    def test_backend_that_cannot_be_read(self):
        self.capacity('x@y#z')
        self.assertIn('x@y#z', self.model.get_all_pools())

    def test_figures_that_are_missing_or_negative(self):
        self.capacity(free=None, total='unknown', virtual_free=-5.0)
        self.assertEqual((100, 90, 6, 7, 0), self.pool())

    def test_figures_that_are_no_figures(self):
        """Field report test 33, for what Cinder notifies."""
        def known():
            pool = self.model.get_pool_by_pool_name(P)
            return pool.total_capacity_gb, pool.free_capacity_gb
        for second, told in enumerate((
                'unknown', 'infinite', None, '', 'many', float('inf'),
                float('nan')), 1):
            self.capacity(second=second, total=told, free=told,
                          allocated=told, provisioned=told)
            self.assertEqual((100, 90), known(), told)
        self.capacity(second=10, total=0, free=0.0)
        self.assertEqual((0, 0), known())

    def test_older_messages_change_nothing(self):
        self.capacity(second=9)
        self.capacity(second=8, free=1.0)
        self.assertEqual(80, self.pool()[1])

    def test_volumes_that_explain_the_figure_are_not_listed(self):
        self.model.remove_volume(UUID(2))
        self.capacity(allocated=3.0)
        self.assertEqual([], self.reader.asked)

    def test_migrations_show_in_the_figures(self):
        # Cinder sends no notification about them.
        self.reader.records = {
            UUID(1): test_cinder.volume(1, Q),
            UUID(2): test_cinder.volume(2, P)}
        self.capacity(P, allocated=3.0)
        self.assertEqual([UUID(1)], self.within(Q))
        self.assertEqual(Q, self.volume().host)
        self.assertIn(('volume', UUID(1)), self.reader.asked)
        self.reader.asked.clear()
        self.capacity(Q, allocated=3.0)
        self.assertEqual([], self.reader.asked)

    def test_migration_seen_from_the_destination(self):
        self.reader.records = {UUID(1): test_cinder.volume(1, Q)}
        self.capacity(Q, allocated=3.0)
        self.capacity(Q, second=2, allocated=9.0)
        self.assertEqual([UUID(1)], self.within(Q))

    def test_what_cannot_be_explained_is_looked_at_once(self):
        for second, allocated in ((1, 9.0), (2, 9.0), (3, 9.0)):
            self.reader.records = {
                UUID(number): test_cinder.volume(number, P)
                for number in (1, 2)}
            self.capacity(P, second=second, allocated=allocated)
        self.assertEqual(1, self.reader.asked.count(('volumes', P)))

    def test_migration_beside_what_cannot_be_explained(self):
        self.reader.records = {
            UUID(number): test_cinder.volume(number, P) for number in (1, 2)}
        self.capacity(P, allocated=9.0)
        self.reader.records[UUID(1)] = test_cinder.volume(1, Q)
        # As much as the model's volumes have, but 3 GB were not theirs.
        self.capacity(P, second=2, allocated=6.0)
        self.assertEqual([UUID(1)], self.within(Q))

    def provision(self, **figures):
        for name, value in figures.items():
            self.model.get_pool_by_pool_name(
                f'h@b#{name}').provisioned_capacity_gb = value

    def test_migrations_by_the_driver(self):
        # They leave what Cinder counts as allocated as it was.
        self.provision(p=6, q=0)
        self.reader.records = {
            UUID(1): test_cinder.volume(1, Q),
            UUID(2): test_cinder.volume(2, P)}
        self.capacity(P, provisioned=3.0)
        self.assertEqual([UUID(1)], self.within(Q))
        self.reader.asked.clear()
        self.capacity(P, second=2, provisioned=3.0)
        self.assertEqual([], self.reader.asked)

    def test_drivers_whose_figure_is_the_data_that_is_written(self):
        self.provision(p=6)
        self.reader.records = {
            UUID(number): test_cinder.volume(number, P) for number in (1, 2)}
        for second in range(1, 81):
            self.capacity(P, second=second, provisioned=second * 1.5)
        looks = self.reader.asked.count(('volumes', P))
        self.assertEqual(8, looks)
        # Two seconds later a volume has left, which shows for certain.
        self.reader.records[UUID(1)] = test_cinder.volume(1, Q)
        self.capacity(P, second=82, provisioned=99.0, allocated=3.0)
        self.assertEqual([UUID(1)], self.within(Q))

    def test_late_message_still_shows_a_migration(self):
        self.reader.error = away()
        self.capacity(Q, second=9, allocated=3.0)
        self.reader.error = None
        self.reader.records = {UUID(1): test_cinder.volume(1, Q)}
        self.capacity(Q, second=8, allocated=1.0)
        self.assertEqual([UUID(1)], self.within(Q))
        self.assertEqual(3, self.pool(Q)[2])

    def test_deletions_that_nobody_told(self):
        self.reader.records = {UUID(2): test_cinder.volume(2, P)}
        self.capacity(P, allocated=3.0)
        self.assertEqual([UUID(2)], list(self.model.get_all_volumes()))

    def test_cinder_is_away(self):
        self.reader.error = away()
        self.capacity(P, allocated=3.0)
        self.assertEqual([UUID(1), UUID(2)], self.within(P))
        self.assertEqual(3, self.pool()[2])
