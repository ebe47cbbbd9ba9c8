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

import datetime
from unittest import mock

import fixtures

from watcher.common import exception
from watcher.common import utils
from watcher.common.loader import loadable
from watcher.decision_engine.model import element
from watcher.decision_engine.model import model_root
from watcher.decision_engine.model import persistent
from watcher.decision_engine.model import scheduling
from watcher.decision_engine.model.collector import nova as nova_collector
from watcher.decision_engine.model.notification import nova
from watcher.tests import base

COMPUTE = 'nova-compute:h1'


def wrap(version='1.9', **data):
    return {'nova_object.name': 'Payload', 'nova_object.namespace': 'nova',
            'nova_object.version': version, 'nova_object.data': data}


def flavor(**changes):
    return wrap('1.4', **{
        'memory_mb': 512, 'vcpus': 2, 'root_gb': 10, 'ephemeral_gb': 1,
        'swap': 1025, 'extra_specs': {'hw:a': 'b'}, **changes})


def server(uuid='S', version='1.9', **changes):
    return wrap(version, **{
        'uuid': uuid, 'state': 'active', 'display_name': 'web',
        'host': 'h1', 'node': 'h1.example', 'tenant_id': 'project',
        'metadata': {'a': 'b'}, 'created_at': '2026-01-01T00:00:00Z',
        'locked': True, 'image_uuid': 'image', 'flavor': flavor(),
        **changes})


def service(host='h1', **changes):
    return wrap('1.1', **{
        'host': host, 'binary': 'nova-compute', 'disabled': False,
        'disabled_reason': None, 'forced_down': False,
        'last_seen_up': None, 'uuid': 'service', **changes})


class NovaTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.now = datetime.datetime.now(datetime.UTC)
        cls = nova_collector.NovaClusterDataModelCollector
        singletons = loadable.LoadableSingletonMeta._instances
        singletons.pop(cls, None)
        self.addCleanup(singletons.pop, cls, None)
        self.collector = cls(utils.Struct(period=3600))
        self.collector.read_host = mock.Mock(
            side_effect=exception.ComputeNodeNotFound(name='?'))
        self.endpoint, = self.collector.notification_endpoints
        self.model = model_root.ModelRoot()
        self.model.built_at = self.now
        self.model.aggregates, self.model.zones = (), {}
        for name in ('h1', 'h2'):
            self.model.add_node(element.ComputeNode(
                uuid=name.upper(), hostname=name, vcpus=8, memory=4096,
                disk=100, vcpu_reserved=0, memory_mb_reserved=0,
                disk_gb_reserved=0, vcpu_ratio=1.0, memory_ratio=1.0,
                disk_ratio=1.0))
        self.collector.cluster_data_model = self.model

    def send(self, event, payload, seconds=1.0, publisher=COMPUTE):
        when = self.now + datetime.timedelta(seconds=seconds)
        result = self.endpoint.info({}, publisher, event, payload, {
            'message_id': 'm',
            'timestamp': when.strftime('%Y-%m-%d %H:%M:%S.%f')})
        self.assertTrue(
            self.endpoint.unknown_hosts.wait_idle(base.PATIENCE))
        self.model.to_xml()
        return result

    def host_of(self, uuid='S'):
        try:
            return self.model.get_node_by_instance_uuid(uuid).uuid
        except exception.InstanceNotMapped:
            return None

    @property
    def server(self):
        return self.model.get_instance_by_uuid('S')


class TestCost(NovaTestCase):
    """Counted, not timed: how many entries a message copies."""

    def setUp(self):
        super().setUp()
        self.copied = []
        own = persistent._Parts.own

        def count(parts, number):
            new = number not in parts.mine
            owned = own(parts, number)
            self.copied.append(new * len(owned))
            return owned
        self.useFixture(fixtures.MockPatchObject(
            persistent._Parts, 'own', count))

    def copied_by_a_move(self, servers):
        for number in range(servers):
            self.model.add_instance(element.Instance(
                uuid=f'S{number}', vcpus=1, memory=1, disk=1, host='h1'))
            self.model.map_instance(f'S{number}', 'H1')
        view = self.model.copy()
        self.copied.clear()
        self.send('instance.live_migration_post_dest.end',
                  server('S7', host='h2'))
        copied = len(self.copied), sum(self.copied)
        self.assertEqual('H2', self.host_of('S7'))
        self.assertEqual('h1', view.get_instance_by_uuid('S7').host)
        return copied

    def test_size_of_the_cloud_does_not_matter(self):
        steps, entries = self.copied_by_a_move(3000)
        self.assertLess(steps, 40)
        self.assertLess(entries, 10 * 64)

    def test_wishes_that_stay_are_not_made_anew(self):
        self.send('instance.create.end', server(version='1.13'))
        wishes = self.model.get_wishes('S')
        self.assertEqual({'hw:a': 'b'}, wishes.extra_specs)
        self.send('instance.update', server(state='stopped'), 2.0)
        self.assertEqual('stopped', self.server.state)
        self.assertIs(wishes, self.model.get_wishes('S'))


class TestServers(NovaTestCase):

    def test_filter(self):
        rule = self.endpoint.filter_rule
        self.assertTrue(rule.match({}, COMPUTE, 'any', {}, {}))
        self.assertFalse(rule.match({}, 'compute.h1', 'any', {}, {}))

    def test_create(self):
        self.send('instance.create.end', server(version='1.13'))
        self.assertEqual('H1', self.host_of())
        self.assertEqual(
            ('web', 'active', 512, 2, 13, 'project', True, 'h1',
             'h1.example', {'a': 'b'}, {}),
            (self.server.name, self.server.state, self.server.memory,
             self.server.vcpus, self.server.disk, self.server.project_id,
             self.server.locked, self.server.host,
             self.server.hypervisor_hostname, self.server.metadata,
             self.server.flavor_extra_specs))
        self.assertEqual(2026, self.server.created.year)
        self.assertEqual('notification', self.model.freshness['H1'].source)

    def test_every_event_of_the_contract(self):
        for number, event in enumerate(sorted(nova.UPDATES)):
            self.send(event, server(display_name=event), number)
            self.assertEqual(event, self.server.name)

    def test_extended_attributes(self):
        self.model.extended_attributes_enabled = True
        self.send('instance.update', server())
        self.assertEqual({'hw:a': 'b'}, self.server.flavor_extra_specs)
        self.server.pinned_az = 'az'
        self.send('instance.update', server(flavor=flavor(extra_specs=None)))
        self.assertEqual({'hw:a': 'b'}, self.server.flavor_extra_specs)
        self.assertEqual('az', self.server.pinned_az)

    def test_wishes_are_known_whether_shown_or_not(self):
        self.model.pinned_zones_known = True
        self.send('instance.create.end', server())
        # Messages do not tell where it is pinned to.
        self.assertEqual(
            scheduling.Wishes({'hw:a': 'b'}, None),
            self.model.get_wishes('S'))
        self.assertEqual({}, self.server.flavor_extra_specs)
        self.model.set_wishes('S', scheduling.Wishes(
            {'hw:a': 'b'}, 'north', ('keep',)))
        for told, known in (({'hw:c': 'd'}, {'hw:c': 'd'}),
                            (None, {'hw:c': 'd'}), ({}, {})):
            self.send('instance.update', server(
                flavor=flavor(extra_specs=told)))
            self.assertEqual(
                scheduling.Wishes(known, 'north', ('keep',)),
                self.model.get_wishes('S'))

    def test_volume_booted(self):
        self.send('instance.update', server(image_uuid=''))
        self.assertEqual(3, self.server.disk)

    def test_first_payload_version_tells_no_lock(self):
        self.send('instance.update', server(version='1.0'))
        self.assertFalse(self.server.locked)
        self.send('instance.update', server(version='1.10'))
        self.assertTrue(self.server.locked)

    def test_building_is_ignored(self):
        self.assertFalse(
            self.send('instance.update', server(state='building')))
        self.assertEqual({}, self.model.get_all_instances())

    def test_move_and_resize(self):
        self.send('instance.create.end', server())
        self.send('instance.resize_finish.end', server(
            host='h2', node='h2.example', state='resized',
            flavor=flavor(vcpus=4)), 2)
        self.assertEqual('H2', self.host_of())
        used = self.model.get_node_used_resources
        self.assertEqual((0, 4), (used('H1')['vcpu'], used('H2')['vcpu']))

    def test_no_host(self):
        self.send('instance.create.end', server())
        self.send('instance.shelve_offload.end', server(
            host=None, node=None, state='shelved_offloaded'), 2)
        self.assertIsNone(self.host_of())
        self.assertEqual(('', ''), (self.server.host,
                                    self.server.hypervisor_hostname))
        self.assertEqual(0, self.model.get_node_used_resources('H1')['vcpu'])

    def test_unknown_host(self):
        self.send('instance.create.end', server())
        self.send('instance.update', server(host='h9', node='h9'), 2)
        self.assertIsNone(self.host_of())
        self.assertEqual('h9', self.server.host)
        self.assertEqual(0, self.model.get_node_used_resources('H1')['vcpu'])
        self.collector.read_host.assert_called_once_with('h9')

    def test_bare_metal(self):
        self.collector.read_host.side_effect = None
        self.collector.read_host.return_value = model_root.ModelRoot()
        for seconds in (1, 2):
            self.send('instance.update', server(host='ironic'), seconds)
            self.assertEqual({}, self.model.get_all_instances())
        self.collector.read_host.assert_called_once_with('ironic')

    def test_malformed_changes_nothing(self):
        self.send('instance.create.end', server())
        before = self.server.as_dict()
        for payload in (
                None, {}, wrap(), wrap(uuid='S'), server(flavor=None),
                server(host='h2', flavor=flavor(vcpus=None)),
                server(host='h2', flavor=flavor(memory_mb=-1)),
                server(host='h2', created_at='yesterday'),
                server(host='h2', version='one')):
            self.assertRaises(nova.MalformedNotification, self.send,
                              'instance.update', payload, 2)
            self.assertEqual(before, self.server.as_dict())
            self.assertEqual('H1', self.host_of())

    def test_missing_texts(self):
        self.send('instance.update', server(
            display_name=None, created_at=None, tenant_id=None))
        self.assertEqual('', self.server.name)

    def test_deleted(self):
        for event, payload in (
                ('instance.delete.end', server(state='deleted')),
                ('instance.soft_delete.end', server(state='soft-delete')),
                ('instance.update', server(state='deleted'))):
            self.send('instance.create.end', server(event), 1)
            payload['nova_object.data']['uuid'] = event
            self.send(event, payload, 3)
            # Late, and then the same again.
            self.send('instance.shutdown.end', server(event), 2)
            self.send(event, payload, 3)
            self.assertEqual({}, self.model.get_all_instances())

    def test_what_a_host_offers_that_was_unknown(self):
        found = model_root.ModelRoot()
        found.built_at = self.now
        found.add_node(element.ComputeNode(
            uuid='H9', hostname='h9', vcpus=8, memory=4096, disk=100,
            vcpu_reserved=0, memory_mb_reserved=0, disk_gb_reserved=0,
            vcpu_ratio=1.0, memory_ratio=1.0, disk_ratio=1.0))
        found.inventories = {'VGPU': {'H9': 2.0}}
        found.units = {'VGPU': {'H9': scheduling.Units(most=1)}}
        self.model.inventories = {'VGPU': {'H1': 1.0}, 'PCPU': {'H1': 4.0}}
        view = self.model.copy()
        self.collector.read_host.side_effect = None
        self.collector.read_host.return_value = found
        self.send('instance.create.end', server(host='h9'))
        self.assertEqual({'VGPU': {'H1': 1.0, 'H9': 2.0},
                          'PCPU': {'H1': 4.0}}, self.model.inventories)
        self.assertEqual(found.units, self.model.units)
        self.assertEqual(({'H1': 1.0}, {}), (view.inventories['VGPU'],
                                             view.units))

    def test_unknown_server_is_deleted(self):
        self.send('instance.delete.end', server(host='h9'))
        self.assertEqual({}, self.model.get_all_instances())
        self.collector.read_host.assert_not_called()

    def test_restored(self):
        self.send('instance.soft_delete.end', server(), 1)
        self.send('instance.restore.end', server(), 2)
        self.assertEqual('H1', self.host_of())

    def test_late_messages(self):
        self.send('instance.live_migration_post_dest.end',
                  server(host='h2'), 3)
        self.send('instance.update', server(), 2)
        self.assertEqual('H2', self.host_of())

    def test_unwanted_events(self):
        for event in ('instance.create.start', 'compute.instance.update',
                      'instance.live_migration_post.end', 'x'):
            self.assertFalse(self.send(event, None))

    def test_no_model(self):
        for stale in (None, model_root.ModelRoot(stale=True)):
            self.collector.cluster_data_model = stale
            self.assertFalse(self.send('instance.create.end', server()))
        self.collector.read_host.assert_not_called()


class TestServices(NovaTestCase):

    @property
    def node(self):
        return self.model.get_node_by_uuid('H1')

    def test_disabled(self):
        self.send('service.update', service(
            disabled=True, disabled_reason='repair',
            availability_zone='az'))
        self.assertEqual(('disabled', 'repair', 'up'), (
            self.node.status, self.node.disabled_reason, self.node.state))
        self.send('service.update', service(), 2)
        self.assertEqual(('enabled', None), (
            self.node.status, self.node.disabled_reason))
        self.send('service.update', service(disabled=True), 1.5)
        self.assertEqual('enabled', self.node.status)

    def test_forced_down_and_back(self):
        self.send('service.update', service(forced_down=True))
        self.assertEqual('down', self.node.state)
        self.send('service.update', service(), 2)
        self.assertEqual('up', self.node.state)

    def test_a_dead_service_stays_dead(self):
        self.node.state = 'down'
        self.send('service.update', service(
            last_seen_up='2020-01-01T00:00:00Z'))
        self.assertEqual('down', self.node.state)
        self.send('service.update', service(
            last_seen_up=self.now.isoformat()), 2)
        self.assertEqual('up', self.node.state)

    def test_other_binaries(self):
        for event in ('service.update', 'service.delete', 'service.create'):
            for binary in ('nova-scheduler', 'nova-conductor'):
                self.assertFalse(self.send(event, service(
                    binary=binary, disabled=True)))
        self.assertEqual('enabled', self.node.status)

    def test_deleted(self):
        self.send('instance.create.end', server())
        self.send('service.delete', service(), 2)
        self.send('service.delete', service(), 2)
        self.assertEqual({'H2'}, set(self.model.get_all_compute_nodes()))
        self.assertIsNone(self.host_of())

    def test_new_host(self):
        self.send('service.create', service('h3'))
        self.collector.read_host.assert_called_once_with('h3')


class TestAggregates(NovaTestCase):

    def send_aggregate(self, event, seconds, hosts=('h1',), **metadata):
        self.send(f'aggregate.{event}.end', wrap(
            '1.1', id=7, uuid='A', name='fast', hosts=list(hosts),
            metadata=metadata), seconds, 'nova-api:c')

    def test_aggregates(self):
        self.model.zones = {'h1': 'nova', 'h2': 'nova'}
        view = self.model.copy()
        self.send_aggregate('create', 1, ())
        self.send_aggregate('add_host', 2, availability_zone='az')
        found, = self.model.aggregates
        self.assertEqual((7, 'fast', 'az', ['h1']), (
            found.id, found.name, found.availability_zone, found.hosts))
        self.assertEqual({'h1': 'az', 'h2': 'nova'}, self.model.zones)
        self.send_aggregate('remove_host', 1.5, ())
        self.assertEqual({'h1': 'az', 'h2': 'nova'}, self.model.zones)
        self.send_aggregate('delete', 4)
        self.assertEqual(((), {'h1': 'nova', 'h2': 'nova'}),
                         (self.model.aggregates, self.model.zones))
        self.assertEqual((), view.aggregates)


class TestServerGroups(NovaTestCase):

    def send_group(self, event, seconds, *members, version='1.1', **fields):
        return self.send(f'server_group.{event}', wrap(
            version, uuid='G', name='web', policies=['anti-affinity'],
            members=list(members), hosts=None, **fields), seconds,
            'nova-api:c')

    def group(self, *members, **fields):
        return (scheduling.ServerGroup('G', 'web', 'anti-affinity', members,
                                       **fields),)

    def test_groups(self):
        self.model.server_groups = ()
        self.send_group('create', 1, policy='anti-affinity',
                        rules={'max_server_per_host': '2'})
        view = self.model.copy()
        self.assertEqual(self.group(max_per_host=2), view.server_groups)
        self.send_group('add_member', 2, 'S', policy='anti-affinity',
                        rules={'max_server_per_host': '2'})
        self.assertEqual(self.group('S', max_per_host=2),
                         self.model.server_groups)
        self.send_group('add_member', 1.5)
        self.assertEqual(self.group('S', max_per_host=2),
                         self.model.server_groups)
        self.send_group('delete', 3, 'S')
        self.assertEqual((), self.model.server_groups)
        self.assertEqual(self.group(max_per_host=2), view.server_groups)

    def test_older_nova(self):
        self.model.server_groups = ()
        self.send_group('add_member', 1, 'S', version='1.0')
        self.assertEqual(self.group('S'), self.model.server_groups)

    def test_one_group_is_not_all_groups(self):
        # Who knows only one of them must not take the others for free.
        self.send_group('create', 1, policy='affinity', rules={})
        self.assertIsNone(self.model.server_groups)
        self.send_group('delete', 2)
        self.assertIsNone(self.model.server_groups)

    def test_without_an_id(self):
        for event in ('create', 'delete'):
            self.assertRaises(
                nova.MalformedNotification, self.send,
                f'server_group.{event}', wrap('1.1', name='web'))


class TestFreshness(NovaTestCase):

    def test_notifications_spare_readings(self):
        self.assertEqual(5.0, self.collector.age_limit)
        self.send('instance.update', server())
        self.assertEqual(300.0, self.collector.age_limit)
        self.collector.freshness = 3600
        self.assertEqual(3600, self.collector.age_limit)
        self.collector.freshness = None
        self.assertIsNone(self.collector.age_limit)

    def test_not_when_the_last_came_long_ago(self):
        self.send('instance.update', server())
        self.collector.notified_freshness = 0
        self.assertEqual(5.0, self.collector.age_limit)
