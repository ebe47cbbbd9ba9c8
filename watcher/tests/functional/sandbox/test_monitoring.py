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
"""Metrics of the simulated cloud, read by our data sources over HTTP."""

import datetime
from unittest import mock

import requests

from watcher.common import clients
from watcher.common import exception
from watcher.common import utils
from watcher.decision_engine.datasources import aetos
from watcher.decision_engine.datasources import prometheus
from watcher.decision_engine.messaging import strategy_endpoint
from watcher.decision_engine.strategy.strategies import dummy_strategy
from watcher.tests.fixtures import models
from watcher.tests.functional import cloud


class MetricsTestCase(cloud.CloudTestCase):

    SPEC = {'hosts': 3, 'flavor': 'm1.large',
            'placement': {'compute-1': 2, 'compute-2': 1},
            'hypervisor_domain': 'example.org'}

    def setUp(self):
        super().setUp()
        self.config('prometheus_client',
                    base_url=self.cloud.url + '/prometheus')
        self.config('watcher_datasources', query_interval=0,
                    query_max_retries=2)
        with self.cloud.state.lock:
            servers = list(self.cloud.state.servers.values())
            self.hosts = [
                models.node(host.name, hostname=host.name, uuid=host.uuid)
                for host in self.cloud.state.hosts.values()]
            self.servers = [models.instance(
                server.name, uuid=server.uuid, vcpus=server.flavor.vcpus)
                for server in servers]
        self.cloud.loads.cpu = {servers[0].name: 100, servers[1].uuid: 50}
        servers[2].metadata['cpu_load'] = '25'
        self.cloud.loads.ram = {server.name: 50 for server in servers}

    def hosts_cpu(self, source):
        found = source.statistic_aggregation_batch(
            self.hosts, 'compute_node', 'host_cpu_usage')
        return [found.get(host.uuid) for host in self.hosts]

    def servers_cpu(self, source):
        return source.statistic_aggregation_batch(
            self.servers, 'instance', 'instance_cpu_usage')


class TestPrometheus(MetricsTestCase):

    def source(self):
        return prometheus.PrometheusHelper()

    def test_loads(self):
        source = self.source()
        found = self.servers_cpu(source)
        self.assertEqual([100.0, 50.0, 25.0],
                         [found.get(one.uuid) for one in self.servers])
        ram = source.statistic_aggregation_batch(
            self.servers, 'instance', 'instance_ram_usage')
        self.assertEqual([4096.0] * 3, list(ram.values().values()))

    def test_single_values_are_the_same(self):
        many = self.servers_cpu(self.source())
        source = self.source()
        for one in self.servers:
            self.assertEqual(many.get(one.uuid),
                             source.get_instance_cpu_usage(one))
        self.assertEqual(
            self.hosts_cpu(self.source()),
            [source.get_host_cpu_usage(host) for host in self.hosts])

    def test_load_moves_with_the_server(self):
        before = self.hosts_cpu(self.source())
        self.assertEqual(sum(before) - 6, 100 * 4 * 1.75 / 16)
        with self.cloud.state.lock:
            state = self.cloud.state
            server = state.servers[self.servers[0].uuid]
            target = next(host for host in state.hosts.values()
                          if not host.servers)
            source_name = server.host.name
            state.move(server, target)
        after = self.hosts_cpu(self.source())
        self.assertAlmostEqual(sum(before), sum(after))
        place = [host.hostname for host in self.hosts].index(source_name)
        self.assertLess(after[place], before[place])

    def test_silent_and_outdated(self):
        self.cloud.loads.silent = {self.servers[0].uuid}
        self.cloud.loads.outdated = {self.servers[1].uuid}
        found = self.servers_cpu(self.source())
        self.assertEqual((self.servers[0].uuid,), found.missing)
        self.assertEqual((self.servers[1].uuid,), found.stale)
        self.assertEqual(1, len(found.values()))

    def test_series(self):
        end = datetime.datetime(2026, 1, 9, 12, tzinfo=datetime.UTC)
        found = self.source().statistic_series(
            self.servers[0], 'instance', 'instance_cpu_usage',
            end - datetime.timedelta(hours=1), end, 600)
        self.assertEqual([100.0] * 7, list(found.values()))

    def test_other_queries_are_refused(self):
        error = self.assertRaises(exception.DataSourceQueryFailed,
                                  self.source()._query, 'sum(apples)')
        self.assertIn('computes node_cpu_seconds_total', str(error))

    def test_an_outage(self):
        source = self.source()
        self.cloud.faults.add(service='prometheus', status=503)
        self.assertRaises(exception.DataSourceQueryFailed,
                          self.servers_cpu, source)

    def test_loads_are_set_over_http(self):
        url = self.cloud.url + '/sandbox/loads'
        with requests.Session() as session:
            answer = session.put(url, timeout=60, json={
                'cpu': {self.servers[0].uuid: 7},
                'silent': ['compute-1']}).json()
            self.assertEqual({self.servers[0].uuid: 7.0}, answer['cpu'])
            self.assertEqual(400, session.put(
                url, timeout=60, json={'cpu': [1]}).status_code)
        self.assertAlmostEqual(7.0, self.servers_cpu(self.source()).get(
            self.servers[0].uuid))
        self.assertIsNone(dict(zip(
            [host.hostname for host in self.hosts],
            self.hosts_cpu(self.source()), strict=True))['compute-1'])


class TestAetos(MetricsTestCase):

    def source(self):
        return aetos.AetosHelper(osc=clients.OpenStackClients())

    def test_values(self):
        self.assertEqual(self.hosts_cpu(prometheus.PrometheusHelper()),
                         self.hosts_cpu(self.source()))
        self.assertEqual('available', self.source().check_availability())
        self.assertIn('ceilometer_cpu', self.source().list_metrics())

    def test_series(self):
        end = datetime.datetime(2026, 1, 9, 12, tzinfo=datetime.UTC)
        found = self.source().statistic_series(
            self.servers[0], 'instance', 'instance_cpu_usage',
            end - datetime.timedelta(hours=1), end, 600)
        self.assertEqual([100.0] * 7, list(found.values()))

    def test_state_of_a_strategy(self):
        class Measuring(dummy_strategy.DummyStrategy):
            DATASOURCE_METRICS = ['host_cpu_usage', 'instance_ram_allocated']

        self.config('watcher_datasources', datasources=['gnocchi', 'aetos'])
        endpoint = strategy_endpoint.StrategyEndpoint()
        with mock.patch.object(endpoint, '_loader') as loader:
            loader.list_available.return_value = {'dummy': Measuring}
            loader.load.return_value = Measuring(utils.Struct())
            source, metrics, _models = endpoint.get_strategy_info(
                None, 'dummy')
        self.assertEqual('aetos: available', source['state'])
        self.assertEqual([{'node_cpu_seconds_total': 'available'},
                          {'instance.memory': 'available'}],
                         metrics['state'])
        # There is no Gnocchi in this cloud, and somebody should know.
        self.assertIn('Metrics are read from aetos, because gnocchi:',
                      self.logger.output)

    def test_a_user_may_not_ask(self):
        self.config('watcher_clients_auth', auth_type='password',
                    **self.cloud.cloud.credentials('demo', 'demo'))
        clients.OpenStackClients().reset_clients()
        error = self.assertRaises(exception.DataSourceQueryFailed,
                                  self.source)
        self.assertIn('[403]', str(error))
