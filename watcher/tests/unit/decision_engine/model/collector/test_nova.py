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

from watcher.common import exception
from watcher.common import nova_helper
from watcher.common import placement_helper
from watcher.common import utils
from watcher.common.loader import loadable
from watcher.decision_engine.model import scheduling
from watcher.decision_engine.model.collector import inventories
from watcher.decision_engine.model.collector import last_known
from watcher.decision_engine.model.collector import nova
from watcher.decision_engine.scope import compute
from watcher.tests import base

UUID = '{:08x}-0000-4000-8000-000000000000'.format


def inventory(total=10, reserved=1, ratio=2.0):
    return placement_helper.Inventory(
        total=total, reserved=reserved, min_unit=1, max_unit=total,
        step_size=1, allocation_ratio=ratio)


def hypervisor(number, host, name=None, **fields):
    return {'id': UUID(number), 'hypervisor_hostname': name or host,
            'hypervisor_type': 'QEMU', 'state': 'up', 'status': 'enabled',
            'local_gb': 77, 'service': {'id': UUID(900), 'host': host,
                                        'disabled_reason': None}, **fields}


def server(number, host, name=None, **fields):
    return {
        'id': UUID(number), 'name': f'vm-{number}', 'tenant_id': 'p',
        'created': '2026-01-09T12:00:00Z', 'metadata': {'a': 'b'},
        'locked': True, 'image': {'id': 'i'},
        'OS-EXT-SRV-ATTR:host': host,
        'OS-EXT-SRV-ATTR:hypervisor_hostname': name or host,
        'OS-EXT-STS:vm_state': 'active', 'pinned_availability_zone': 'az9',
        'flavor': {'vcpus': 2, 'ram': 512, 'disk': 5, 'ephemeral': 0,
                   'swap': 0, 'extra_specs': {'k': 'v'}}, **fields}


class FakeNova:

    def __init__(self, hypervisors, servers, pinned_az):
        self.hypervisors = hypervisors
        self.servers = servers
        self.pinned_az = pinned_az

    def is_pinned_az_available(self):
        return self.pinned_az

    def get_aggregate_list(self):
        return []

    def get_server_groups(self, call):
        return []

    def get_service_list(self):
        return [nova_helper.Service(
            uuid=UUID(900), binary='nova-compute', host='c1', zone='z',
            status='enabled', state='up', updated_at=None,
            disabled_reason=None)]

    def hypervisor_pages(self, call):
        return [self.hypervisors[:1], self.hypervisors[1:]]

    def server_pages(self, call):
        return [self.servers[:1], self.servers[1:]]


class FakePlacement:

    def __init__(self, inventories):
        self.inventories = inventories

    def get_all_inventories(self, uuids, workers, timeout, call):
        self.limits = (workers, timeout)
        if isinstance(self.inventories, Exception):
            raise self.inventories
        found, missing = {}, {}
        for uuid in uuids:
            known = self.inventories.get(uuid, {
                'VCPU': inventory(), 'MEMORY_MB': inventory(1000),
                'DISK_GB': inventory(50)})
            if isinstance(known, str):
                missing[uuid] = known
            else:
                found[uuid] = known
        return found, missing


class BuilderTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.known = last_known.LastKnown()
        self.before = None

    def build(self, hypervisors, servers=(), inventories=(),
              pinned_az=False):
        """Build a model that replaces the one built before."""
        if not isinstance(inventories, Exception):
            inventories = dict(inventories)
        builder = nova.NovaModelBuilder.__new__(nova.NovaModelBuilder)
        self.placement = FakePlacement(inventories)
        builder.set_up(FakeNova(hypervisors, list(servers), pinned_az),
                       self.placement, self.known, self.before)
        self.before = builder.execute()
        return self.before

    def hosts(self, model):
        return {node.hostname: [found.uuid for found
                                in model.get_node_instances(node)]
                for node in model.get_all_compute_nodes().values()}


class TestFurtherResources(BuilderTestCase):

    def test_amounts_that_are_special(self):
        def offer(total, **fields):
            return placement_helper.Inventory.from_api(
                {'total': total, **fields})
        model = self.build([hypervisor(1, 'c1'), hypervisor(2, 'c2')],
                           inventories={
            UUID(1): {'VCPU': offer(8, allocation_ratio=4.0),
                      'MEMORY_MB': offer(1000, step_size=256),
                      'PCPU': offer(8, reserved=2, max_unit=4),
                      'VGPU': offer(2, max_unit=1)},
            UUID(2): {'VCPU': offer(8, max_unit=4, min_unit=2),
                      'MEMORY_MB': offer(1000),
                      'VGPU': offer(2, max_unit=2)}})
        self.assertEqual(
            {'PCPU': {UUID(1): 6.0}, 'VGPU': {UUID(1): 2.0, UUID(2): 2.0}},
            model.inventories)
        self.assertEqual(
            {'MEMORY_MB': {UUID(1): scheduling.Units(1, 1000, 256)},
             'PCPU': {UUID(1): scheduling.Units(1, 4)},
             'VGPU': {UUID(1): scheduling.Units(1, 1)},
             'VCPU': {UUID(2): scheduling.Units(2, 4)}}, model.units)


class TestNovaModelBuilder(BuilderTestCase):

    def test_names_that_contain_each_other(self):
        model = self.build(
            [hypervisor(11, 'c11'), hypervisor(1, 'c1'),
             hypervisor(10, 'c10')],
            [server(101, 'c1'), server(110, 'c10'), server(111, 'c11')])
        self.assertEqual({'c1': [UUID(101)], 'c10': [UUID(110)],
                          'c11': [UUID(111)]}, self.hosts(model))

    def test_bare_metal_is_left_out_with_its_servers(self):
        model = self.build(
            [hypervisor(1, 'c1'), hypervisor(
                2, 'ironic', 'b1', hypervisor_type='ironic')],
            [server(101, 'c1'), server(102, 'ironic', 'b1')])
        self.assertEqual({'c1': [UUID(101)]}, self.hosts(model))
        self.assertEqual([UUID(101)], list(model.get_all_instances()))
        self.assertEqual({}, model.incomplete_nodes)

    def test_bare_metal_in_aggregates_and_zones(self):
        """Field report 1.4 line 51."""
        model = self.build(
            [hypervisor(1, 'c1'), hypervisor(
                2, 'ironic', 'b1', hypervisor_type='ironic')])
        model.aggregates = (nova_helper.Aggregate(
            id=1, name='mixed', availability_zone=None, metadata={},
            hosts=['c1', 'ironic']),)
        model.zones = {'c1': 'z', 'ironic': 'z'}
        for rule in ({'host_aggregates': [{'name': 'mixed'}]},
                     {'availability_zones': [{'name': 'z'}]},
                     {'exclude': [{'compute_nodes': [{'name': 'ironic'}]}]}):
            scoped = compute.ComputeScope(
                [{'compute': [rule]}], None).get_scoped_model(model.copy())
            self.assertEqual({'c1': []}, self.hosts(scoped))

    def test_time_and_threads_have_options_of_their_own(self):
        """Field report 1.4 lines 48 and 67: not the period of the sync."""
        self.config('collector', compute_resources_collector_timeout=77)
        self.config('watcher_decision_engine', max_general_workers=3)
        self.build([hypervisor(1, 'c1')])
        self.assertEqual((3, 77), self.placement.limits)
        self.assertEqual(77, nova.NovaModelBuilder.__new__(
            nova.NovaModelBuilder).time_limit)

    def test_one_service_with_several_hypervisors(self):
        model = self.build(
            [hypervisor(1, 'vc', 'cluster-1'),
             hypervisor(2, 'vc', 'cluster-2')],
            [server(101, 'vc', 'cluster-2'), server(102, 'vc', 'cluster-1')])
        self.assertEqual(
            [UUID(101)], [found.uuid for found
                          in model.get_node_instances(UUID(2))])

    def test_a_server_that_moves_while_pages_are_read(self):
        model = self.build(
            [hypervisor(1, 'c1'), hypervisor(2, 'c2')],
            [server(101, 'c1'), server(101, 'c2')])
        self.assertEqual({'c1': [], 'c2': [UUID(101)]}, self.hosts(model))

    def test_deleted_servers(self):
        model = self.build([hypervisor(1, 'c1')], [
            server(101, 'c1', **{'OS-EXT-STS:vm_state': 'deleted'})])
        self.assertEqual({'c1': []}, self.hosts(model))

    def test_servers_on_no_host(self):
        model = self.build([hypervisor(1, 'c1')], [
            server(101, None, **{'OS-EXT-STS:vm_state':
                                 'shelved_offloaded'})])
        found = model.get_instance_by_uuid(UUID(101))
        self.assertEqual('shelved_offloaded', found.state)
        self.assertEqual('', found.host)
        self.assertRaises(exception.InstanceNotMapped,
                          model.get_node_by_instance_uuid, UUID(101))

    def test_records_of_a_cell_that_is_down(self):
        model = self.build([hypervisor(1, 'c1')], [
            {'id': UUID(101), 'status': 'UNKNOWN', 'tenant_id': 'p',
             'created': '2026-01-09T12:00:00Z'}, server(102, 'c1')])
        self.assertEqual({'c1': [UUID(102)]}, self.hosts(model))
        self.assertIn(UUID(101), self.logger.output)
        self.assertIn('is a cell down?', self.logger.output)

    def test_host_without_inventory(self):
        model = self.build(
            [hypervisor(1, 'c1'), hypervisor(2, 'c2')],
            [server(101, 'c1'), server(102, 'c2')],
            {UUID(2): 'HTTP 500'})
        self.assertEqual({'c1': [UUID(101)]}, self.hosts(model))
        self.assertEqual([UUID(101)], list(model.get_all_instances()))
        self.assertEqual({UUID(2): 'c2: HTTP 500'}, model.incomplete_nodes)

    def test_inventory_without_memory(self):
        model = self.build(
            [hypervisor(1, 'c1'), hypervisor(2, 'c2')], [],
            {UUID(2): {'VCPU': inventory(), 'DISK_GB': inventory()}})
        self.assertEqual(
            {UUID(2): 'c2: Placement has no inventory of MEMORY_MB'},
            model.incomplete_nodes)

    def test_disks_on_a_shared_provider(self):
        model = self.build([hypervisor(1, 'c1')], [], {UUID(1): {
            'VCPU': inventory(), 'MEMORY_MB': inventory()}})
        node = model.get_node_by_uuid(UUID(1))
        self.assertEqual(77.0, node.disk_gb_capacity)
        self.assertIn('DISK_GB', self.logger.output)

    def test_capacity(self):
        node = self.build([hypervisor(1, 'c1')]).get_node_by_uuid(UUID(1))
        self.assertEqual(
            (18.0, 1998.0, 98.0),
            (node.vcpu_capacity, node.memory_mb_capacity,
             node.disk_gb_capacity))

    def test_no_inventory_at_all_is_an_error(self):
        error = self.assertRaises(
            exception.PlacementClientError, self.build,
            [hypervisor(1, 'c1')], [], {UUID(1): 'HTTP 500'})
        self.assertIn('HTTP 500', str(error))

    def test_empty_cloud(self):
        self.assertEqual(0, len(self.build([])))

    def test_hypervisor_without_service(self):
        model = self.build(
            [hypervisor(1, 'c1'), hypervisor(2, None)])
        self.assertEqual({'c1': []}, self.hosts(model))
        self.assertIn(UUID(2), model.incomplete_nodes)

    def test_extended_attributes(self):
        for enabled, pinned_az, wanted in (
                (False, True, ({}, '')), (True, False, ({'k': 'v'}, '')),
                (True, True, ({'k': 'v'}, 'az9'))):
            self.config('compute_model', enable_extended_attributes=enabled)
            found = self.build(
                [hypervisor(1, 'c1')], [server(101, 'c1')],
                pinned_az=pinned_az).get_instance_by_uuid(UUID(101))
            self.assertEqual(
                wanted, (found.flavor_extra_specs, found.pinned_az))

    def test_no_pinned_zone(self):
        self.config('compute_model', enable_extended_attributes=True)
        found = self.build(
            [hypervisor(1, 'c1')],
            [server(101, 'c1', pinned_availability_zone=None)],
            pinned_az=True).get_instance_by_uuid(UUID(101))
        self.assertEqual('', found.pinned_az)

    def test_volume_booted_servers_take_no_root_disk(self):
        found = self.build(
            [hypervisor(1, 'c1')], [server(101, 'c1', image='')],
        ).get_instance_by_uuid(UUID(101))
        self.assertEqual(0, found.disk)


class TestLastKnown(BuilderTestCase):
    """Field report 2.3 row 18: what cannot be read keeps its last values."""

    HOSTS = [hypervisor(1, 'c1'), hypervisor(2, 'c2')]
    SERVERS = [server(101, 'c1'), server(102, 'c2')]

    def capacity(self, model, number):
        node = model.get_node_by_uuid(UUID(number))
        return (node.vcpu_capacity, node.memory_mb_capacity,
                node.disk_gb_capacity)

    def test_one_host_fails(self):
        before = self.build(self.HOSTS, self.SERVERS)
        model = self.build(self.HOSTS, self.SERVERS, {UUID(2): 'HTTP 500'})
        self.assertEqual({'c1': [UUID(101)], 'c2': [UUID(102)]},
                         self.hosts(model))
        self.assertEqual((18.0, 1998.0, 98.0), self.capacity(model, 2))
        self.assertEqual({UUID(2): 'c2: HTTP 500'}, model.incomplete_nodes)
        self.assertEqual(before.built_at, model.freshness[UUID(2)].read_at)
        self.assertEqual(model.built_at, model.freshness[UUID(1)].read_at)
        self.assertEqual({}, model.absent)

    def test_the_age_is_that_of_the_reading_not_of_the_model(self):
        first = self.build(self.HOSTS)
        for _run in range(3):
            model = self.build(self.HOSTS, (), {UUID(2): 'HTTP 500'})
        self.assertEqual(first.built_at, model.freshness[UUID(2)].read_at)

    def test_placement_as_a_whole_fails(self):
        before = self.build(self.HOSTS, self.SERVERS)
        model = self.build(
            self.HOSTS, self.SERVERS,
            exception.PlacementClientError(reason='connection refused'))
        for number in (1, 2):
            self.assertEqual((18.0, 1998.0, 98.0),
                             self.capacity(model, number))
            self.assertEqual(before.built_at,
                             model.freshness[UUID(number)].read_at)
            self.assertIn('connection refused',
                          model.incomplete_nodes[UUID(number)])
        self.assertIn('inventories of 2 compute nodes', self.logger.output)

    def test_placement_fails_and_nothing_was_ever_read(self):
        self.assertRaises(
            exception.PlacementClientError, self.build, self.HOSTS, (),
            exception.PlacementClientError(reason='connection refused'))

    def test_a_host_that_is_new_meanwhile_is_left_out(self):
        self.build(self.HOSTS[:1])
        model = self.build(
            self.HOSTS, self.SERVERS,
            exception.PlacementClientError(reason='connection refused'))
        self.assertEqual({'c1': [UUID(101)]}, self.hosts(model))
        self.assertEqual({UUID(2): 'c2'}, model.absent)

    def test_it_outlives_a_model_without_the_host(self):
        first = self.build(self.HOSTS)
        self.before = None
        model = self.build(self.HOSTS, (), {UUID(2): 'HTTP 500'})
        self.assertEqual(first.built_at, model.freshness[UUID(2)].read_at)

    def test_hosts_that_are_gone_are_forgotten(self):
        self.build(self.HOSTS)
        self.build(self.HOSTS[:1])
        model = self.build(self.HOSTS, (), {UUID(2): 'HTTP 500'})
        self.assertNotIn(UUID(2), model)

    def test_what_placement_says_is_true(self):
        self.build(self.HOSTS)
        for told, reason in (
                ({}, 'c2: Placement does not know it'),
                ({'VCPU': inventory()},
                 'c2: Placement has no inventory of MEMORY_MB'),
                ('HTTP 500', 'c2: HTTP 500')):
            model = self.build(self.HOSTS, (), {UUID(2): told})
            self.assertNotIn(UUID(2), model)
            self.assertEqual({UUID(2): reason}, model.incomplete_nodes)

    def test_it_becomes_complete_again(self):
        self.build(self.HOSTS)
        self.build(self.HOSTS, (), {UUID(2): 'HTTP 500'})
        model = self.build(self.HOSTS)
        self.assertEqual({}, model.incomplete_nodes)
        self.assertEqual(model.built_at, model.freshness[UUID(2)].read_at)


class TestCellDown(BuilderTestCase):

    HOSTS = TestLastKnown.HOSTS
    SERVERS = [*TestLastKnown.SERVERS, server(103, 'c2')]
    UNDESCRIBED = [server(101, 'c1')] + [
        {'id': UUID(number), 'status': 'UNKNOWN', 'tenant_id': 'p'}
        for number in (102, 103)]

    def test_its_hosts_are_named_however_long_it_lasts(self):
        self.build(self.HOSTS, self.SERVERS)
        for _run in range(3):
            model = self.build(self.HOSTS[:1], self.UNDESCRIBED)
            self.assertEqual({'c1': [UUID(101)]}, self.hosts(model))
            self.assertEqual({UUID(2): 'c2'}, model.absent)
            self.assertIn('does not describe 2 of its servers',
                          model.incomplete_nodes[UUID(2)])
            self.assertEqual((), model.gaps)
        model = self.build(self.HOSTS, self.SERVERS)
        self.assertEqual({}, model.absent)

    def test_servers_on_a_host_that_is_known_stay_as_they_were(self):
        first = self.build(self.HOSTS, self.SERVERS)
        self.build(self.HOSTS, self.UNDESCRIBED)
        model = self.build(self.HOSTS, self.UNDESCRIBED)
        self.assertEqual({'c1': [UUID(101)], 'c2': [UUID(102), UUID(103)]},
                         self.hosts(model))
        self.assertEqual(4, model.get_node_used_resources(UUID(2))['vcpu'])
        self.assertEqual(first.built_at, model.freshness[UUID(2)].read_at)
        self.assertIn(UUID(2), model.incomplete_nodes)

    def test_nothing_is_known_about_the_servers(self):
        model = self.build(self.HOSTS, self.UNDESCRIBED)
        self.assertIn('does not describe 2 servers', model.gaps[0])
        self.assertEqual(model.gaps, model.copy().gaps)


class TestPatience(base.TestCase):

    def test_a_service_in_trouble_is_not_asked_again_and_again(self):
        tries = []
        error = exception.PlacementClientError(reason='503')
        down = True

        def ask(uuid):
            tries.append(uuid)
            if down:
                raise error
            return {}

        def thrice(function, uuid):
            for _try in range(2):
                try:
                    return function(uuid)
                except exception.PlacementClientError:
                    continue
            return function(uuid)
        call = inventories._Patience(thrice)
        for number in range(inventories.GIVE_UP_AFTER + 5):
            self.assertRaises(exception.PlacementClientError, call, ask,
                              number)
        self.assertEqual(3 * inventories.GIVE_UP_AFTER + 5, len(tries))
        down = False
        self.assertEqual({}, call(ask, 'x'))
        down = True
        tries.clear()
        self.assertRaises(exception.PlacementClientError, call, ask, 'y')
        self.assertEqual(3, len(tries))


class TestCollector(base.TestCase):

    def make(self, **options):
        known = loadable.LoadableSingletonMeta._instances
        cls = nova.NovaClusterDataModelCollector
        before = known.pop(cls, None)
        self.addCleanup(known.pop, cls, None)
        if before is not None:
            self.addCleanup(known.__setitem__, cls, before)
        return cls(utils.Struct(options))

    def test_age_that_audits_accept(self):
        self.assertEqual(5.0, self.make().freshness)
        self.assertEqual(60.0, self.make(max_age=60.0).freshness)

    def test_options(self):
        options = nova.NovaClusterDataModelCollector.get_config_opts()
        self.assertEqual(
            {'period': 3600, 'max_age': 5.0, 'max_age_notified': 300.0},
            {option.name: option.default for option in options})
