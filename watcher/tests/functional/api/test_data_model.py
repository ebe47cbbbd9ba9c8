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
"""The data model and the state of strategies: from the cloud to the client.

The real endpoints of the decision engine answer over an in-process bus, and
read a simulated cloud over HTTP.
"""

import datetime
import json

import oslo_messaging as messaging
import webtest
from oslo_utils import uuidutils

from watcher import conf
from watcher.api import versions
from watcher.api.controllers.v1 import data_model
from watcher.common import rpc
from watcher.common.loader import loadable
from watcher.decision_engine.messaging import data_model_endpoint
from watcher.decision_engine.messaging import strategy_endpoint
from watcher.decision_engine.model.collector import cinder
from watcher.decision_engine.model.collector import ironic
from watcher.decision_engine.model.collector import manager
from watcher.decision_engine.model.collector import nova
from watcher.tests.fixtures import api as api_fixture
from watcher.tests.functional import cloud

CONF = conf.CONF

FRESHNESS = {'node_updated_at', 'node_source', 'node_read_at', 'node_age',
             'node_incomplete_reason'}

ADDED_LATER = {'server_pinned_az', 'server_flavor_extra_specs'}

NODE = {'node_uuid', 'node_hostname', 'node_status', 'node_disabled_reason',
        'node_state', 'node_memory', 'node_memory_mb_reserved', 'node_disk',
        'node_disk_gb_reserved', 'node_vcpus', 'node_vcpu_reserved',
        'node_memory_ratio', 'node_vcpu_ratio', 'node_disk_ratio'}
SERVER = {'server_uuid', 'server_name', 'server_state', 'server_memory',
          'server_disk', 'server_vcpus', 'server_metadata',
          'server_project_id', 'server_locked', 'server_watcher_exclude'}


class EngineTestCase(cloud.CloudTestCase):

    SPEC = {'hosts': 5, 'servers': 12}

    def setUp(self):
        super().setUp()
        singletons = loadable.LoadableSingletonMeta._instances
        for cls in (nova.NovaClusterDataModelCollector,
                    cinder.CinderClusterDataModelCollector,
                    ironic.BaremetalClusterDataModelCollector):
            singletons.pop(cls, None)
            self.addCleanup(singletons.pop, cls, None)
        self.config('compute_model', enable_extended_attributes=True)
        self.api = self.useFixture(api_fixture.Api(engines=False))
        self.records = self.api.records
        server = rpc.get_server(
            messaging.Target(
                topic=CONF.watcher_decision_engine.conductor_topic,
                server='engine', version='1.0'),
            [data_model_endpoint.DataModelEndpoint(),
             strategy_endpoint.StrategyEndpoint()])
        server.start()
        self.addCleanup(server.wait)
        self.addCleanup(server.stop)
        self.collector = self.collector_of('compute')
        self.client = webtest.TestApp(self.api.app)

    def collector_of(self, kind):
        return manager.CollectorManager().get_cluster_model_collector(kind)

    def get(self, path, version=versions.MAX, status=200):
        return self.client.get(path, status=status, headers={
            'X-Roles': 'admin', 'Accept': 'application/json',
            versions.HEADER: f'{versions.SERVICE_TYPE} {version}'}).json

    def context(self, query='', **kwargs):
        return self.get(f'/v1/data_model{query}', **kwargs)['context']


class TestDataModel(EngineTestCase):

    def test_every_host_and_every_server(self):
        for uuid in self.cloud.servers_of('compute-2'):
            self.cloud.lose_server(uuid)
        entries = self.context()
        self.assertEqual(
            sorted((host.uuid, uuid)
                   for name, host in self.cloud.state.hosts.items()
                   for uuid in self.cloud.servers_of(name) or [None]),
            [(entry['node_uuid'], entry.get('server_uuid'))
             for entry in entries])
        empty, = [entry for entry in entries
                  if entry['node_hostname'] == 'compute-2']
        self.assertEqual(NODE | FRESHNESS, set(empty))
        for entry in entries:
            if entry is not empty:
                self._check(entry)

    def _check(self, entry):
        host = self.cloud.state.hosts[entry['node_hostname']]
        server = self.cloud.state.servers[entry['server_uuid']]
        self.assertEqual(
            {'node_uuid': host.uuid, 'node_status': 'enabled',
             'node_state': 'up', 'node_vcpus': 16, 'node_memory': 65536,
             'server_name': server.name, 'server_state': server.vm_state,
             'server_vcpus': server.flavor.vcpus,
             'server_memory': server.flavor.ram,
             'server_locked': False, 'server_watcher_exclude': False},
            {name: entry[name] for name in (
                'node_uuid', 'node_status', 'node_state', 'node_vcpus',
                'node_memory', 'server_name', 'server_state',
                'server_vcpus', 'server_memory', 'server_locked',
                'server_watcher_exclude')})
        for name in entry:
            if name.rpartition('_')[2] in ('memory', 'disk', 'vcpus',
                                           'ratio', 'reserved'):
                self.assertIsInstance(entry[name], int | float, name)

    def test_fields_are_frozen_for_each_version(self):
        """A new attribute of the model must not get into old versions."""
        for version in versions.HISTORY:
            if version < versions.DATA_MODEL:
                self.get('/v1/data_model', version=version, status=406)
                continue
            expected = NODE | SERVER
            if version >= versions.EXTENDED_DATA_MODEL:
                expected |= ADDED_LATER
            if version >= versions.DATA_MODEL_TYPES:
                expected |= FRESHNESS
            document = self.get('/v1/data_model', version=version)
            self.assertEqual(
                ['context', 'model'] if version >= versions.DATA_MODEL_TYPES
                else ['context'], list(document))
            for entry in document['context']:
                self.assertEqual(expected, set(entry), version)
        self.assertEqual(NODE | SERVER | ADDED_LATER | FRESHNESS,
                         set(data_model.MEMBERS['compute']))

    def test_old_versions_are_answered_as_ever(self):
        """Byte for byte, but for what is not theirs."""
        answers = {}
        for version in ('1.3', '1.5', '1.6', '1.7', '1.8'):
            answers[version] = self.get('/v1/data_model', version=version)
        self.assertEqual(answers['1.6'], answers['1.7'])
        self.assertEqual(answers['1.3'], answers['1.5'])
        for version, left_out in (('1.7', FRESHNESS),
                                  ('1.5', FRESHNESS | ADDED_LATER)):
            expected = {'context': [
                {name: value for name, value in entry.items()
                 if name not in left_out}
                for entry in answers['1.8']['context']]}
            self.assertEqual(json.dumps(expected),
                             json.dumps(answers[version]))

    def test_freshness(self):
        before = datetime.datetime.now(datetime.UTC)
        document = self.get('/v1/data_model')
        about = document['model']
        built_at = datetime.datetime.fromisoformat(about['built_at'])
        self.assertLessEqual(before, built_at)
        self.assertEqual(
            ('compute', CONF.host, 1, 0, None, [], []),
            tuple(about[name] for name in (
                'type', 'engine', 'version', 'changes', 'changed_at',
                'absent', 'gaps')))
        for entry in document['context']:
            self.assertEqual(
                ('build', about['built_at'], about['built_at'], None),
                tuple(entry[name] for name in (
                    'node_source', 'node_updated_at', 'node_read_at',
                    'node_incomplete_reason')))
            self.assertLessEqual(0, entry['node_age'])

    def test_rebuilt_model_has_another_version(self):
        seen = []
        for _ in range(2):
            self.collector.synchronize()
            seen.append(self.get('/v1/data_model')['model']['version'])
        self.assertEqual([1, 2], seen)

    def test_services_that_the_cloud_does_not_have(self):
        for kind, title in (('storage', 'block storage'),
                            ('baremetal', 'bare metal')):
            answer = self.get(f'/v1/data_model?data_model_type={kind}',
                              status=404)
            for word in (kind, f'no {title} service'):
                self.assertIn(word, answer['error_message'])
            self.assertNotIn('Traceback', answer['error_message'])

    def test_scope_of_an_audit(self):
        hidden, marked = 'compute-1', self.cloud.servers_of('compute-2')[0]
        audit = self.records.audit(self.records.goal(), scope=[{'compute': [
            {'exclude': [{'compute_nodes': [{'name': hidden}]},
                         {'instances': [{'uuid': marked}]}]}]}])
        entries = self.context(f'?audit_uuid={audit.uuid}')
        self.assertEqual(set(self.cloud.state.hosts) - {hidden},
                         {entry['node_hostname'] for entry in entries})
        self.assertEqual(
            [marked], [entry['server_uuid'] for entry in entries
                       if entry.get('server_watcher_exclude')])
        # The model itself is as it was.
        self.assertIn(hidden, {entry['node_hostname']
                               for entry in self.context()})

    def test_unknown_audit(self):
        unknown = uuidutils.generate_uuid()
        answer = self.get(f'/v1/data_model?audit_uuid={unknown}', status=400)
        self.assertIn(unknown, answer['error_message'])
        self.assertNotIn('Traceback', answer['error_message'])


class TestStorage(EngineTestCase):

    SPEC = {'hosts': 2, 'servers': 8, 'every_volume_booted': 4, 'zones': 2,
            'backends': 3, 'pools': 2, 'volumes': 20}

    def storage(self, query='', **kwargs):
        return self.get(f'/v1/data_model?data_model_type=storage{query}',
                        **kwargs)

    def test_every_volume_in_its_pool(self):
        entries = self.storage()['context']
        for entry in entries:
            self.assertLessEqual(
                set(entry), set(data_model.MEMBERS['storage']))
        self.assertEqual(
            sorted((name.partition('#')[0], name, uuid)
                   for name, pool in self.cloud.storage.pools.items()
                   for uuid in pool.volumes or [None]),
            [(entry['node_host'], entry['pool_name'],
              entry.get('volume_uuid')) for entry in entries])
        for entry in entries:
            pool = self.cloud.storage.pools[entry['pool_name']]
            self.assertEqual(
                ('build', 'build', None, len(pool.volumes)),
                (entry['node_source'], entry['pool_source'],
                 entry['node_incomplete_reason'],
                 entry['pool_total_volumes']))

    def test_attached_volume(self):
        server = next(server for server in self.cloud.state.servers.values()
                      if server.volumes)
        entry, = [entry for entry in self.storage()['context']
                  if entry.get('volume_uuid') == server.volumes[0]]
        # Nothing that the contract names is missing.
        self.assertEqual(set(data_model.MEMBERS['storage']), set(entry))
        self.assertEqual(
            (server.uuid, 'in-use', server.project_id, entry['pool_name']),
            (entry['volume_attachments'][0]['server_id'],
             entry['volume_status'], entry['volume_project_id'],
             entry['volume_host']))
        self.assertIn(entry['volume_volume_type'], entry['node_volume_type'])

    def test_volume_in_no_pool(self):
        with self.cloud.state.lock:
            volume = next(iter(self.cloud.storage.volumes.values()))
            self.cloud.storage.place(volume, None)
            volume.status = 'error'
        entry = self.storage()['context'][-1]
        self.assertEqual((volume.id, 'error', None), (
            entry['volume_uuid'], entry['volume_status'],
            entry['volume_host']))
        self.assertFalse([name for name in entry
                          if name.startswith(('node', 'pool'))])

    def test_scope_of_an_audit(self):
        hidden = next(iter(self.cloud.storage.pools))
        audit = self.records.audit(self.records.goal(), scope=[{'storage': [
            {'exclude': [{'storage_pools': [{'name': hidden}]}]}]}])
        entries = self.storage(f'&audit_uuid={audit.uuid}')['context']
        self.assertEqual(set(self.cloud.storage.pools) - {hidden},
                         {entry['pool_name'] for entry in entries})

    def test_kept_although_not_configured(self):
        """A strategy that wants it gets it too."""
        self.config('collector', collector_plugins=['compute'])
        self.assertTrue(self.storage()['context'])

    def test_cinder_fails(self):
        self.cloud.faults.add(service='block-storage', path='/volumes',
                              status=500, message='database away')
        answer = self.storage(status=500)
        for word in ("'storage' could not be built", 'database away'):
            self.assertIn(word, answer['error_message'])
        self.assertNotIn('Traceback', answer['error_message'])

    def test_backend_that_is_down(self):
        self.cloud.storage.backends['storage-1@lvm-1'].state = 'down'
        reasons = {entry['node_host']: entry['node_incomplete_reason']
                   for entry in self.storage()['context']
                   if 'node_host' in entry}
        self.assertIn('down', reasons.pop('storage-1@lvm-1'))
        self.assertEqual({None}, set(reasons.values()))


class TestBareMetal(EngineTestCase):

    SPEC = {'hosts': 3, 'servers': 0, 'bare_metal': True, 'spare_nodes': 1}

    def nodes(self, query=''):
        return self.get(
            f'/v1/data_model?data_model_type=baremetal{query}')['context']

    def test_every_node(self):
        machines = self.cloud.machines
        machines.set_maintenance(machines.find('node-compute-2'), True,
                                 'new disk')
        entries = self.nodes()
        for entry in entries:
            self.assertEqual(set(data_model.MEMBERS['baremetal']),
                             set(entry))
        self.assertEqual(
            sorted((record.uuid, record.power_state, record.maintenance,
                    record.maintenance_reason)
                   for record in machines.nodes.values()),
            [(entry['node_uuid'], entry['node_power_state'],
              entry['node_maintenance'], entry['node_maintenance_reason'])
             for entry in entries])

    def test_scope_of_an_audit(self):
        hidden = next(iter(self.cloud.machines.nodes))
        audit = self.records.audit(self.records.goal(), scope=[{'baremetal': [
            {'exclude': [{'ironic_nodes': [{'uuid': hidden}]}]}]}])
        self.assertEqual(
            set(self.cloud.machines.nodes) - {hidden},
            {entry['node_uuid']
             for entry in self.nodes(f'&audit_uuid={audit.uuid}')})


class TestStrategyState(EngineTestCase):

    def test_all_strategies(self):
        goal = self.records.goal()
        for name in ('dummy', 'host_maintenance'):
            self.records.strategy(goal, name=name)
            entries = self.get(f'/v1/strategies/{name}/state')
            self.assertEqual(['Datasource', 'Metrics', 'CDM', 'Name'],
                             [entry['type'] for entry in entries])
            self.assertEqual([True, False, True, ''],
                             [entry['mandatory'] for entry in entries])
            self.assertEqual([{'compute_model': 'available'},
                              {'storage_model': 'not available'},
                              {'baremetal_model': 'not available'}],
                             entries[2]['state'])
            self.assertEqual(name, entries[3]['state'])

    def test_strategy_that_the_engine_does_not_have(self):
        """Its row is in the database, the plug-in is not installed."""
        self.records.strategy(self.records.goal(), name='removed')
        answer = self.get('/v1/strategies/removed/state', status=404)
        self.assertIn('removed', answer['error_message'])
