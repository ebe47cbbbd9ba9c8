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
"""Building the compute model of a simulated cloud over HTTP."""

import collections
import dataclasses
import threading
from unittest import mock

import fixtures
from oslo_utils import uuidutils

from watcher.common import exception
from watcher.common import placement_helper
from watcher.common import rest_helper
from watcher.common import slow
from watcher.common import utils
from watcher.common.loader import loadable
from watcher.decision_engine.model import model_root
from watcher.decision_engine.model import scheduling
from watcher.decision_engine.model.collector import base as collector_base
from watcher.decision_engine.model.collector import nova
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import destinations
from watcher.sandbox.cloud import state as cloud_state
from watcher.sandbox.cloud import web
from watcher.tests.functional import cloud


class ComputeModelTestCase(cloud.CloudTestCase):

    SPEC = {'hosts': 12, 'servers': 60, 'zones': 2, 'aggregates': 3,
            'hypervisor_domain': 'example', 'every_volume_booted': 7,
            'every_stopped': 9}

    def setUp(self):
        super().setUp()
        singletons = loadable.LoadableSingletonMeta._instances
        cls = nova.NovaClusterDataModelCollector
        singletons.pop(cls, None)
        self.addCleanup(singletons.pop, cls, None)
        self.collector = cls(utils.Struct(period=3600))

    def build(self):
        return nova.NovaModelBuilder().execute()

    def hosts(self, model):
        return {node.hostname
                for node in model.get_all_compute_nodes().values()}


class TestContents(ComputeModelTestCase):

    def test_every_server_is_on_its_host(self):
        model = self.build()
        self.assertEqual(60, len(model.get_all_instances()))
        for name in self.cloud.state.hosts:
            node = model.get_node_by_name(name)
            self.assertEqual(
                sorted(self.cloud.servers_of(name)),
                sorted(server.uuid for server
                       in model.get_node_instances(node)))

    def test_host(self):
        node = self.build().get_node_by_name('compute-1')
        host = self.cloud.state.hosts['compute-1']
        self.assertEqual(
            {'hostname': 'compute-1', 'status': 'enabled', 'state': 'up',
             'disabled_reason': None, 'vcpus': 16, 'vcpu_reserved': 0,
             'vcpu_ratio': 4.0, 'memory': 65536, 'memory_mb_reserved': 512,
             'memory_ratio': 1.0, 'disk': 1000, 'disk_gb_reserved': 0,
             'disk_ratio': 1.0, 'uuid': host.uuid}, node.as_dict())
        self.assertEqual(64.0, node.vcpu_capacity)

    def test_server(self):
        model = self.build()
        record = self.cloud.state.servers[
            self.cloud.servers_of('compute-2')[0]]
        server = model.get_instance_by_uuid(record.uuid)
        self.assertEqual(record.name, server.name)
        self.assertEqual('compute-2', server.host)
        self.assertEqual('compute-2.example', server.hypervisor_hostname)
        self.assertEqual((record.flavor.vcpus, record.flavor.ram),
                         (server.vcpus, server.memory))
        self.assertIsNotNone(server.created.tzinfo)
        self.assertFalse(server.watcher_exclude)

    def test_disk_and_state(self):
        model = self.build()
        seen = collections.Counter()
        for record in self.cloud.state.servers.values():
            server = model.get_instance_by_uuid(record.uuid)
            self.assertEqual(record.vm_state, server.state)
            seen[server.state] += 1
            seen['no disk'] += server.disk == 0
        self.assertGreater(seen['stopped'], 0)
        self.assertGreater(seen['no disk'], 0)

    def test_disk_formula(self):
        flavor = {'disk': 100, 'ephemeral': 200, 'swap': 1789}
        self.assertEqual(302, nova.local_disk(flavor, True))
        flavor = {'disk': 40, 'ephemeral': 10, 'swap': 352}
        self.assertEqual(11, nova.local_disk(flavor, False))
        self.assertEqual(0, nova.local_disk({'swap': ''}, True))

    def test_extended_attributes(self):
        self.config('compute_model', enable_extended_attributes=True)
        with self.cloud.state.lock:
            for name, flavor in list(self.cloud.state.flavors.items()):
                self.cloud.state.flavors[name] = dataclasses.replace(
                    flavor, extra_specs={'hw:cpu_policy': 'dedicated'})
        specs = [server.flavor_extra_specs for server
                 in self.build().get_all_instances().values()]
        self.assertTrue(all(isinstance(spec, dict) for spec in specs))
        self.config('compute_model', enable_extended_attributes=False)
        self.assertEqual({}, next(iter(
            self.build().get_all_instances().values())).flavor_extra_specs)

    def test_groups(self):
        model = self.build()
        self.assertEqual({'az-1', 'az-2'}, set(model.zones.values()))
        self.assertEqual(5, len(model.aggregates))
        self.assertIsNotNone(model.built_at)

    def test_what_binds_servers_to_hosts(self):
        state = self.cloud.state
        first, second = self.cloud.servers_of('compute-2')[:2]
        with state.lock:
            group = cloud_state.ServerGroup(
                id=uuidutils.generate_uuid(), name='web',
                policy='anti-affinity', project_id='p', user_id='u',
                members=[first, second], rules={'max_server_per_host': 2})
            state.groups[group.id] = group
            state.servers[first].pinned_zone = 'az-2'
            state.servers[first].flavor = dataclasses.replace(
                state.servers[first].flavor,
                extra_specs={'trait:CUSTOM_FAST': 'required',
                             'resources:VGPU': '1'})
            host = state.hosts['compute-1']
            host.traits.add('CUSTOM_FAST')
            host.inventory['VGPU'] = cloud_state.Inventory(total=4)
            state.touch(state.servers[first])
        model = self.build()
        self.assertEqual((scheduling.ServerGroup(
            group.id, 'web', 'anti-affinity', (first, second), 2),),
            model.server_groups)
        wishes = model.get_wishes(first)
        self.assertEqual('az-2', wishes.pinned_az)
        self.assertEqual('1', wishes.extra_specs['resources:VGPU'])
        self.assertTrue(model.pinned_zones_known)
        self.assertEqual({'CUSTOM_FAST': {host.uuid}}, model.traits)
        self.assertEqual({'VGPU': {host.uuid: 4.0}}, model.inventories)
        # Not shown unless that is wanted.
        self.assertEqual({}, model.get_instance_by_uuid(
            first).flavor_extra_specs)

    def test_number_of_requests(self):
        self.build()
        self.cloud.forget_requests()
        self.build()
        self.assertEqual(
            ['GET /v2.1/os-aggregates', 'GET /v2.1/os-hypervisors/detail',
             'GET /v2.1/os-server-groups', 'GET /v2.1/os-services',
             'GET /v2.1/servers/detail'],
            sorted(self.paths('compute')))
        self.assertEqual(12, len(self.paths('placement')))
        self.assertEqual([], self.paths('identity'))


    def test_requests_are_known_while_they_last(self):
        """So that a log line can tell what a reading waits for."""
        seen, handle = set(), web.Service.handle

        def look(service, request):
            oldest = slow.REQUESTS.oldest()
            seen.add((oldest.service, oldest.what, oldest.limit))
            return handle(service, request)
        with mock.patch.object(web.Service, 'handle', look):
            self.build()
        self.assertIn(('Nova', 'GET /servers/detail', 60), seen)
        self.assertIsNone(slow.REQUESTS.oldest())


class TestParts(ComputeModelTestCase):
    """Hosts with parts of which Placement knows, and what asks for them."""

    SPEC = {'hosts': 4, 'placement': {'compute-1': 2, 'compute-2': 1},
            'aggregates': 2}

    def setUp(self):
        super().setUp()
        state = self.state = self.cloud.state
        self.servers = self.cloud.servers_of('compute-1')
        with state.lock:
            for number, host in enumerate(state.hosts.values()):
                state.add_part(cloud_state.Part(
                    uuidutils.generate_uuid(), f'{host.name}-gpu',
                    {'VGPU': cloud_state.Inventory(total=2 + number)}, host,
                    traits={'CUSTOM_BIG'} if number == 3 else set()))

    def ask(self, server, **specs):
        with self.state.lock:
            record = self.state.servers[server]
            record.flavor = dataclasses.replace(record.flavor, extra_specs={
                key.replace('__', ':'): value
                for key, value in specs.items()})
            self.state.claim(record.allocations, record.host, {
                name: amount for name, amount in record.resources.items()
                if name not in ('VCPU', 'MEMORY_MB', 'DISK_GB')})
            self.state.touch(record)

    def offers(self, name):
        return {host.name: [(offer.free, set(offer.traits)) for offer
                            in self.model.offers[name].get(host.uuid, ())]
                for host in self.state.hosts.values()}

    def test_parts_of_hosts(self):
        self.ask(self.servers[0], resources1__VGPU='2',
                 trait1__CUSTOM_BIG='required')
        self.model = self.build()
        self.assertEqual(
            {'compute-1': [], 'compute-2': [(3, set())],
             'compute-3': [(4, set())], 'compute-4': [(5, {'CUSTOM_BIG'})]},
            self.offers('VGPU'))
        state = cluster.ClusterState.from_model(self.model)
        rules = destinations.DestinationRules(state)
        number = state.server_index[self.servers[0]]
        self.assertEqual([state.host_named('compute-4')],
                         rules.select(number))

    def test_requests(self):
        self.build()
        self.cloud.forget_requests()
        self.build()
        self.assertEqual(4, len(self.paths('placement')))
        self.ask(self.servers[0], resources__VGPU='1')
        self.ask(self.servers[1], resources__VGPU='1')
        self.cloud.forget_requests()
        self.build()
        paths = self.paths('placement')
        self.assertEqual(5, len(paths))
        self.assertIn('GET /allocation_candidates', paths)

    def test_what_hosts_share(self):
        with self.state.lock:
            shared = next(iter(self.state.aggregates.values()))
            self.state.add_part(cloud_state.Part(
                uuidutils.generate_uuid(), 'pool',
                {'CUSTOM_POOL': cloud_state.Inventory(total=9)},
                traits={placement_helper.SHARING},
                aggregates={shared.uuid}))
            record = self.state.servers[self.servers[0]]
            record.flavor = dataclasses.replace(
                record.flavor, extra_specs={'resources:CUSTOM_POOL': '1'})
            self.state.touch(record)
        self.model = self.build()
        self.assertEqual(
            {name: [(9, {placement_helper.SHARING})]
             if name in shared.hosts else []
             for name in self.state.hosts}, self.offers('CUSTOM_POOL'))

    def test_nobody_offers_it(self):
        with self.state.lock:
            record = self.state.servers[self.servers[0]]
            record.flavor = dataclasses.replace(
                record.flavor, extra_specs={'resources:CUSTOM_ODD': '1'})
            self.state.touch(record)
        self.assertEqual({'CUSTOM_ODD': {}}, self.build().offers)

    def test_hosts_with_dedicated_cpus_only(self):
        host = self.state.hosts['compute-3']
        with self.state.lock:
            del host.inventory['VCPU']
            host.inventory['PCPU'] = cloud_state.Inventory(total=16)
        model = self.build()
        node = model.get_node_by_name('compute-3')
        self.assertEqual((16, 1.0), (node.vcpus, node.vcpu_ratio))
        self.assertEqual({}, model.incomplete_nodes)
        state = cluster.ClusterState.from_model(model)
        number = state.server_index[self.servers[0]]
        self.assertEqual(
            'compute-3 gives VCPU in amounts of at most 0: '
            f'{state.demand[number, 0]:g} needed',
            destinations.DestinationRules(state).why_not(
                number, state.host_named('compute-3')))

    def test_images(self):
        with self.state.lock:
            image = next(iter(self.state.images.values()))
            image.properties.update(hw_tpm_version='2.0', min_ram='0')
            for server in self.state.servers.values():
                self.state.touch(server)
        model = self.build()
        self.assertEqual({'hw_tpm_version': '2.0'},
                         model.get_wishes(self.servers[0]).image)
        self.assertEqual({'COMPUTE_SECURITY_TPM_2_0',
                          'COMPUTE_SECURITY_TPM_TIS'}, set(model.traits))

    def test_placement_that_tells_no_candidates(self):
        self.ask(self.servers[0], resources__VGPU='1')
        self.cloud.faults.add(service='placement', status=403,
                              path='/allocation_candidates')
        model = self.build()
        self.assertIsNone(model.offers)
        self.assertIn('the resources of parts of hosts are not known',
                      model.gaps[0])


class TestFailures(ComputeModelTestCase):

    def fail(self, error, **rule):
        self.cloud.faults.add(**rule)
        return self.assertRaises(error, self.build)

    def test_failing_server_list_fails_the_build(self):
        error = self.fail(exception.NovaClientError, service='compute',
                          path='/servers/detail', status=500,
                          message='database away')
        self.assertIn('HTTP 500 database away', str(error))

    def test_failing_hypervisor_list_fails_the_build(self):
        self.fail(exception.NovaClientError, service='compute',
                  path='/os-hypervisors', status=502)

    def test_short_failures_are_survived(self):
        for path in ('/servers', '/os-hypervisors', '/os-services',
                     '/os-aggregates'):
            self.cloud.faults.add(service='compute', path=path, status=503,
                                  count=1)
        self.cloud.faults.add(service='placement', path='/inventories',
                              drop=True, count=1)
        self.assertEqual(72, len(self.build()))

    def test_placement_away_fails_the_build(self):
        error = self.fail(exception.PlacementClientError,
                          service='placement', path='/inventories',
                          drop=True)
        self.assertIn('Placement at http', str(error))
        self.assertIn('cannot be reached', str(error))

    def test_placement_broken_fails_the_build(self):
        error = self.fail(exception.PlacementClientError,
                          service='placement', path='/inventories',
                          status=500)
        self.assertIn('12 compute nodes', str(error))

    def test_a_host_without_inventory_is_left_out_with_its_servers(self):
        host = self.cloud.state.hosts['compute-3']
        gone = self.cloud.servers_of('compute-3')
        for status, said in ((500, 'HTTP 500'), (404, 'does not know')):
            self.cloud.faults.clear()
            self.cloud.faults.add(service='placement', path=host.uuid,
                                  status=status)
            model = self.build()
            self.assertEqual(11, len(model.get_all_compute_nodes()))
            self.assertNotIn('compute-3', self.hosts(model))
            self.assertFalse(set(gone) & set(model.get_all_instances()))
            self.assertEqual([host.uuid], list(model.incomplete_nodes))
            self.assertIn(said, model.incomplete_nodes[host.uuid])
            self.assertIn(f'{host.uuid}: compute-3', self.logger.output)

    def test_placement_down_keeps_the_last_inventories(self):
        """Field report test 20: old values with their age, never none."""
        self.collector.freshness = 0.0
        before = self.collector.get_latest_cluster_data_model()
        for fault in ({'status': 503}, {'drop': True}):
            self.cloud.faults.clear()
            self.cloud.faults.add(service='placement', **fault)
            model = self.collector.get_latest_cluster_data_model()
            self.assertEqual(before.to_xml(), model.to_xml())
            self.assertEqual(12, len(model.incomplete_nodes))
            self.assertEqual(
                {before.built_at},
                {known.read_at for known in model.freshness.values()})
        self.cloud.faults.clear()
        model = self.collector.get_latest_cluster_data_model()
        self.assertEqual({}, model.incomplete_nodes)

    def test_a_failing_compute_reply_never_makes_a_partial_model(self):
        """Field report test 20: the model is refused."""
        self.collector.freshness = 0.0
        self.collector.get_latest_cluster_data_model()
        for path in ('/servers/detail', '/os-hypervisors/detail'):
            fault = self.cloud.faults.add(service='compute', path=path,
                                          status=500)
            with mock.patch.object(collector_base, 'FAILURE_PAUSE', 0):
                self.assertRaises(
                    exception.ClusterDataModelCollectionError,
                    self.collector.get_latest_cluster_data_model)
            self.cloud.faults.remove(fault.id)

    def test_error_of_the_collector(self):
        self.cloud.faults.service_down('compute')
        error = self.assertRaises(
            exception.ClusterDataModelCollectionError,
            self.collector.get_latest_cluster_data_model)
        self.assertIn('HTTP 503', str(error))
        self.cloud.faults.clear()
        self.collector._failure = None
        self.assertEqual(
            72, len(self.collector.get_latest_cluster_data_model()))


class TestCollector(ComputeModelTestCase):

    def test_audits_see_the_present(self):
        self.collector.freshness = 0.0
        self.collector.get_latest_cluster_data_model()
        lost = self.cloud.servers_of('compute-1')[0]
        self.cloud.lose_server(lost)
        model = self.collector.get_latest_cluster_data_model()
        self.assertNotIn(lost, model.get_all_instances())

    def test_a_reading_looks_back_at_what_cannot_change_any_more(self):
        """Notifications change the current model while another is read."""
        self.collector.get_latest_cluster_data_model()
        builder = self.collector._builder()
        server = self.cloud.servers_of('compute-1')[0]
        self.collector.current_model.remove_instance(server)
        self.assertIn(server, builder._before)

    def test_audits_follow_aggregates_and_inventories(self):
        """Field report 2.3 row 21, for what nobody notifies."""
        self.collector.freshness = 0.0
        before = self.collector.get_latest_cluster_data_model()
        self.assertEqual(
            64.0, before.get_node_by_name('compute-1').vcpu_capacity)
        with self.cloud.state.lock:
            self.cloud.state.hosts['compute-1'].inventory[
                'VCPU'].allocation_ratio = 2.0
            next(iter(self.cloud.state.aggregates.values())).hosts.clear()
        model = self.collector.get_latest_cluster_data_model()
        self.assertEqual(
            32.0, model.get_node_by_name('compute-1').vcpu_capacity)
        self.assertNotEqual(before.aggregates, model.aggregates)

    def test_one_model_serves_audits_of_different_scopes(self):
        self.collector.freshness = 600.0
        scopes = {name: [{'compute': [
            {'host_aggregates': [{'name': name}]}]}]
            for name in ('aggregate-1', 'aggregate-2', 'aggregate-3')}
        wanted = {aggregate.name: set(aggregate.hosts) for aggregate
                  in self.collector.get_latest_cluster_data_model()
                  .aggregates}
        self.cloud.forget_requests()
        wrong = []

        def audit(name):
            for _run in range(30):
                handler = self.collector.get_audit_scope_handler(
                    scopes[name])
                model = handler.get_scoped_model(
                    self.collector.get_latest_cluster_data_model())
                if self.hosts(model) != wanted[name]:
                    wrong.append(name)
        threads = [threading.Thread(target=audit, args=(name,))
                   for name in scopes for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([], wrong)
        self.assertEqual([], self.paths('compute'))

    def test_zone_scope(self):
        handler = self.collector.get_audit_scope_handler(
            [{'compute': [{'availability_zones': [{'name': 'az-1'}]}]}])
        model = handler.get_scoped_model(
            self.collector.get_latest_cluster_data_model())
        self.assertEqual(
            {f'compute-{number}' for number in range(1, 13, 2)},
            self.hosts(model))

    def test_xml_of_the_model_can_be_read_back(self):
        model = self.collector.get_latest_cluster_data_model()
        self.assertTrue(model_root.ModelRoot.is_isomorphic(
            model, model_root.ModelRoot.from_xml(model.to_xml())))


class TestPages(ComputeModelTestCase):

    SPEC = {'hosts': 30, 'servers': 250, 'vcpus': 1000}

    def test_requests_grow_with_pages_not_with_servers(self):
        self.assertEqual(1000, rest_helper.PAGE_SIZE)
        self.useFixture(fixtures.MockPatchObject(
            rest_helper, 'PAGE_SIZE', 20))
        self.assertEqual(280, len(self.build()))
        asked = collections.Counter(self.paths('compute'))
        self.assertEqual(2, asked['GET /v2.1/os-hypervisors/detail'])
        self.assertEqual(13, asked['GET /v2.1/servers/detail'])
        self.assertEqual(30, sum(
            path.endswith('/inventories')
            for path in self.paths('placement')))
        # The login, the aggregates, what versions there are.
        self.assertLessEqual(len(self.cloud.requests()),
                             250 / 20 + 2 * 30 / 20 + 30 + 20)
