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
from watcher.decision_engine.model.collector import nova
from watcher.tests.fixtures import api as api_fixture
from watcher.tests.functional import cloud

CONF = conf.CONF

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
        collector = nova.NovaClusterDataModelCollector
        singletons.pop(collector, None)
        self.addCleanup(singletons.pop, collector, None)
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
        self.client = webtest.TestApp(self.api.app)

    def get(self, path, version=versions.MAX, status=200):
        return self.client.get(path, status=status, headers={
            'X-Roles': 'admin', 'Accept': 'application/json',
            versions.HEADER: f'{versions.SERVICE_TYPE} {version}'}).json

    def context(self, query='', **kwargs):
        document = self.get(f'/v1/data_model{query}', **kwargs)
        self.assertEqual(['context'], list(document))
        return document['context']


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
        self.assertEqual(NODE, set(empty))
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
            for entry in self.context(version=version):
                self.assertEqual(expected, set(entry), version)
        self.assertEqual(NODE | SERVER | ADDED_LATER,
                         set(data_model.MEMBERS))

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
