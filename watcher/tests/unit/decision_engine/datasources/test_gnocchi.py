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
"""What is asked from Gnocchi, and what comes of the answers."""

import datetime
import json
from unittest import mock
from urllib import parse

import requests_mock
from keystoneauth1 import session as ka_session
from keystoneauth1 import token_endpoint
from oslo_utils import fixture as utils_fixture

from watcher.common import exception
from watcher.decision_engine.datasources import gnocchi
from watcher.tests import base
from watcher.tests.fixtures import models

URL = 'http://gnocchi'
NOW = datetime.datetime(2026, 1, 9, 12, 0, 30)


#: Gnocchi always says what it sends; its client relies on it.
JSON = {'Content-Type': 'application/json'}


def measures(*values, step=300.0, last=None):
    """Granules that end just before now."""
    last = last or datetime.datetime(2026, 1, 9, 11, 55)
    count = len(values)
    return [[(last - datetime.timedelta(
        seconds=step * (count - 1 - number))).isoformat() + '+00:00',
        step, value] for number, value in enumerate(values)]


class GnocchiTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.config(group='watcher_datasources', query_max_retries=3,
                    query_interval=0)
        self.useFixture(utils_fixture.TimeFixture(NOW))
        self.http = requests_mock.Mocker()
        self.http.start()
        self.addCleanup(self.http.stop)
        self.source = gnocchi.GnocchiHelper(osc=mock.Mock(
            session=ka_session.Session(token_endpoint.Token(URL, 'token'))))
        self.instance = models.instance('a', vcpus=2)
        self.host = models.node('h', hostname='h1')

    def measures_url(self, id_, meter):
        return f'{URL}/v1/resource/generic/{id_}/metric/{meter}/measures'

    def hosts(self, **ids):
        """Answer searches like Gnocchi, for these original ids."""
        def search(request, context):
            query = request.json()
            [(operation, condition)] = query.items()
            if operation == '=':
                wanted = [condition['original_resource_id']]
            elif operation == 'in':
                wanted = condition['original_resource_id']
            else:
                patterns = condition if operation == 'or' else [query]
                wanted = [
                    name for name in ids for pattern in patterns
                    if name.startswith(pattern['like'][
                        'original_resource_id'].removesuffix('%'))]
            return [{'id': ids[name], 'original_resource_id': name}
                    for name in wanted if name in ids]
        self.http.post(f'{URL}/v1/search/resource/generic', json=search)

    def instance_has(self, meter, *values, **kwargs):
        self.http.get(self.measures_url(self.instance.uuid, meter),
                      json=measures(*values, **kwargs))

    def read(self, metric, aggregate='mean', resource=None, period=300,
             granularity=300):
        host = metric.startswith('host')
        resource = resource or (self.host if host else self.instance)
        self.source.metric_cache.clear()
        return self.source.statistic_aggregation(
            resource, 'compute_node' if host else 'instance', metric, period,
            aggregate, granularity)


class TestSingle(GnocchiTestCase):

    def test_request(self):
        self.instance_has('memory.resident', 512.0)
        self.assertEqual(512.0, self.read('instance_ram_usage', 'max'))
        self.assertEqual(
            {'start': ['2026-01-09T11:55:30'],
             'stop': ['2026-01-09T12:00:30'], 'aggregation': ['max'],
             'granularity': ['300'], 'refresh': ['False']},
            parse.parse_qs(parse.urlsplit(self.http.last_request.url).query))
        self.assertEqual(1, len(self.http.request_history))

    def test_no_granularity(self):
        self.instance_has('memory.resident', 512.0)
        for granularity in (None, 0):
            self.read('instance_ram_usage', granularity=granularity)
            self.assertNotIn('granularity', self.http.last_request.qs)

    def test_names_of_all_metrics_of_instances(self):
        for metric, meter in (('instance_ram_usage', 'memory.resident'),
                              ('instance_ram_allocated', 'memory'),
                              ('instance_l3_cache_usage', 'cpu_l3_cache'),
                              ('instance_root_disk_size', 'disk.root.size')):
            self.instance_has(meter, 3.0)
            self.assertEqual(3.0, self.read(metric))

    def test_cpu_is_a_rate(self):
        self.instance_has('cpu', 3e11)
        self.assertEqual(50.0, self.read('instance_cpu_usage'))
        self.assertEqual(['rate:mean'],
                         self.http.last_request.qs['aggregation'])

    def test_cpu_limits(self):
        for value, percent in ((-5e9, 0.0), (6e12, 100.0), (0.0, 0.0)):
            self.instance_has('cpu', value)
            self.assertEqual(percent, self.read('instance_cpu_usage'))

    def test_cpu_of_a_server_without_vcpus(self):
        self.instance = models.instance('a', vcpus=0)
        self.instance_has('cpu', 1.5e11)
        self.assertEqual(50.0, self.read('instance_cpu_usage'))

    def test_cpu_with_the_granularity_of_the_answer(self):
        self.instance_has('cpu', 6e10, step=60.0)
        self.assertEqual(50.0, self.read('instance_cpu_usage',
                                         granularity=None))

    def test_cpu_of_something_else(self):
        self.assertIsNone(self.source.statistic_aggregation(
            self.host, 'compute_node', 'instance_cpu_usage'))

    def test_the_whole_period_counts(self):
        """A calm last granule hides no load; max is not below mean."""
        self.instance_has('cpu', 6e11, 3e11, 0.0)
        self.assertEqual(
            [50.0, 0.0, 100.0],
            [self.read('instance_cpu_usage', aggregate, period=900)
             for aggregate in ('mean', 'min', 'max')])

    def test_coarser_views_of_the_same_are_left_out(self):
        self.http.get(
            self.measures_url(self.instance.uuid, 'memory.resident'),
            json=measures(99.0, step=3600.0) + measures(1.0, 3.0))
        self.assertEqual(2.0, self.read('instance_ram_usage',
                                        granularity=None))

    def test_airflow(self):
        self.hosts(h1_h1='id1')
        self.http.get(self.measures_url('id1', 'hardware.ipmi.node.airflow'),
                      json=measures(4.0))
        self.assertEqual(40.0, self.read('host_airflow'))

    def test_zero_of_a_host(self):
        self.hosts(h1_h1='id1')
        self.http.get(self.measures_url('id1', 'compute.node.cpu.percent'),
                      json=measures(0.0))
        self.assertEqual(0.0, self.read('host_cpu_usage'))

    def test_count_becomes_mean(self):
        self.instance_has('memory.resident', 512.0)
        self.read('instance_ram_usage', 'count')
        self.assertEqual(['mean'], self.http.last_request.qs['aggregation'])

    def test_the_resource_of_a_host_is_searched_once(self):
        self.hosts(h1_h1='id1')
        for meter in ('compute.node.cpu.percent', 'hardware.memory.used'):
            self.http.get(self.measures_url('id1', meter), json=measures(1.0))
        self.read('host_cpu_usage')
        self.read('host_ram_usage')
        searches = [request for request in self.http.request_history
                    if request.method == 'POST']
        self.assertEqual(1, len(searches))
        self.assertEqual('limit=1', searches[0].query)
        self.assertEqual(
            {'=': {'original_resource_id': 'h1_h1'}},
            json.loads(searches[0].text))

    def test_a_hypervisor_with_a_longer_name(self):
        self.hosts(**{'h1_h1.example.org': 'id1', 'h1xh1.other.org': 'id2'})
        self.http.get(self.measures_url('id1', 'compute.node.cpu.percent'),
                      json=measures(1.0))
        self.assertEqual(1.0, self.read('host_cpu_usage'))

    def test_a_name_that_fits_two_fits_none(self):
        self.hosts(**{'h1_h1.a.org': 'id1', 'h1_h1.b.org': 'id2'})
        self.assertIsNone(self.read('host_cpu_usage'))

    def test_not_there(self):
        self.http.get(self.measures_url(self.instance.uuid, 'cpu'),
                      status_code=404, headers=JSON,
                      json={'description': 'not there'})
        self.assertIsNone(self.read('instance_cpu_usage'))
        self.assertEqual(1, len(self.http.request_history))
        self.instance_has('cpu')
        self.assertIsNone(self.read('instance_cpu_usage'))

    def test_trouble(self):
        for status, count in ((400, 1), (403, 1), (500, 3), (503, 3)):
            self.source._retrying().forget_outage()
            self.http.get(self.measures_url(self.instance.uuid, 'cpu'),
                          status_code=status, text='because',
                          headers={'Content-Type': 'text/plain'})
            before = len(self.http.request_history)
            error = self.assertRaises(exception.DataSourceQueryFailed,
                                      self.read, 'instance_cpu_usage')
            self.assertEqual(count,
                             len(self.http.request_history) - before, status)
            self.assertIn('because', str(error))

    def test_unmapped(self):
        self.source.METRIC_MAP['host_power'] = None
        self.assertRaises(exception.MetricNotAvailable, self.read,
                          'host_power')


class TestBatch(GnocchiTestCase):

    def aggregates(self, values, refuse=()):
        """Answer like Gnocchi; ``refuse`` spoils what is asked with it."""
        def answer(request, context):
            body = request.json()
            wanted = body['search']['in']['id']
            _metric, meter, aggregation = body['operations']
            if set(wanted) & set(refuse):
                context.status_code = 400
                context.headers.update(JSON)
                return {'description': {'cause': 'No granularity match'}}
            found = {id_: {meter: {aggregation: values[id_]}}
                     for id_ in wanted if id_ in values}
            if not found:
                context.status_code = 404
                context.headers.update(JSON)
                return {'description': f'Metrics {meter} does not exist'}
            return {'measures': found}
        self.http.post(f'{URL}/v1/aggregates', json=answer)

    def asked(self):
        return [request for request in self.http.request_history
                if request.path == '/v1/aggregates']

    def read_all(self, servers, metric='instance_cpu_usage', **arguments):
        return self.source.statistic_aggregation_batch(
            servers, 'instance', metric, **arguments)

    def test_values_are_those_of_single_calls(self):
        loads = {'a': (3e11,), 'b': (0.0,), 'c': (-1.0,), 'd': (9e12, 1e11),
                 'e': ()}
        servers = [models.instance(name) for name in loads]
        values = {models.uuid(name): measures(*load)
                  for name, load in loads.items() if load}
        self.aggregates(values)
        for server in servers:
            if server.uuid in values:
                self.http.get(self.measures_url(server.uuid, 'cpu'),
                              json=values[server.uuid])
            else:
                self.http.get(self.measures_url(server.uuid, 'cpu'),
                              status_code=404, headers=JSON,
                              json={'description': 'not there'})
        for aggregate in ('mean', 'min', 'max'):
            self.source.metric_cache.clear()
            found = self.read_all(servers, aggregate=aggregate)
            self.assertEqual(
                [self.read('instance_cpu_usage', aggregate, server)
                 for server in servers],
                [found.get(server.uuid) for server in servers])

    def test_request(self):
        self.aggregates({self.instance.uuid: measures(3e11)})
        found = self.read_all([self.instance])
        request = self.asked()[0]
        self.assertEqual(['300'], request.qs['granularity'])
        self.assertEqual(['2026-01-09t11:55:30'], request.qs['start'])
        self.assertNotIn('fill', request.qs)
        self.assertNotIn('needed_overlap', request.qs)
        self.assertEqual(
            {'operations': ['metric', 'cpu', 'rate:mean'],
             'resource_type': 'generic',
             'search': {'in': {'id': [self.instance.uuid]}}},
            json.loads(request.text))
        # The granule ended half a minute ago.
        self.assertEqual(30.0, found.age)

    def test_an_old_granule_is_outdated(self):
        self.aggregates({self.instance.uuid: measures(
            3e11, last=datetime.datetime(2026, 1, 9, 11))})
        found = self.read_all([self.instance], period=7200)
        self.assertEqual((self.instance.uuid,), found.stale)

    def test_nobody_has_it(self):
        self.aggregates({})
        self.assertEqual(0.0, self.read_all([self.instance]).coverage)
        self.assertEqual(1, len(self.asked()))

    def test_hosts(self):
        self.hosts(**{'h1_h1': 'id1', 'h2_h2.example.org': 'id2'})
        self.aggregates({'id1': measures(10.0), 'id2': measures(0.0)})
        hosts = [models.node(name, hostname=name)
                 for name in ('h1', 'h2', 'h3')]
        found = self.source.statistic_aggregation_batch(
            hosts, 'compute_node', 'host_cpu_usage')
        self.assertEqual([10.0, 0.0, None],
                         [found.get(host.uuid) for host in hosts])
        self.source.statistic_aggregation_batch(
            hosts, 'compute_node', 'host_ram_usage')
        # Two searches, names and other names; none for the second metric.
        self.assertEqual(4, len(self.http.request_history))

    def test_chunks(self):
        servers = [models.instance(str(number)) for number in range(700)]
        self.aggregates({server.uuid: measures(3e11) for server in servers})
        self.assertEqual(1.0, self.read_all(servers).coverage)
        self.assertEqual(3, len(self.asked()))

    def test_one_policy_does_not_spoil_the_others(self):
        servers = [models.instance(str(number)) for number in range(64)]
        bad = servers[10].uuid
        self.aggregates({server.uuid: measures(3e11) for server in servers},
                        refuse=[bad])
        found = self.read_all(servers)
        self.assertEqual((bad,), found.missing)
        self.assertIn('No granularity match', found.why_not(bad))
        self.assertLess(len(self.asked()), 15)

    def test_splitting_has_an_end(self):
        servers = [models.instance(str(number)) for number in range(900)]
        self.aggregates({}, refuse=[server.uuid for server in servers])
        self.assertEqual(900, len(self.read_all(servers).missing))
        self.assertLess(len(self.asked()), 150)

    def test_an_outage_is_no_gap(self):
        self.http.post(f'{URL}/v1/aggregates', status_code=503)
        self.assertRaises(exception.DataSourceQueryFailed, self.read_all,
                          [self.instance])


class TestOtherCalls(GnocchiTestCase):

    def test_availability(self):
        for status, state in ((200, 'available'), (403, 'available'),
                              (500, 'not available'),
                              (401, 'not available')):
            self.http.get(f'{URL}/v1/status?details=False', headers=JSON,
                          json={'description': 'x'}, status_code=status)
            self.source._retrying().forget_outage()
            self.assertEqual(state, self.source.check_availability(), status)

    def test_metrics_of_all_pages(self):
        self.http.get(f'{URL}/v1/metric', json=[{'name': 'cpu'}], headers={
            'Link': f'<{URL}/v1/metric?marker=1>; rel="next"'})
        self.http.get(f'{URL}/v1/metric?marker=1', json=[{'name': 'memory'}])
        self.assertEqual({'cpu', 'memory'}, self.source.list_metrics())

    def test_no_metrics_when_away(self):
        self.http.get(f'{URL}/v1/metric', status_code=500)
        self.assertEqual(set(), self.source.list_metrics())

    def test_series(self):
        self.instance_has('cpu', 0.0, 3e11)
        start = datetime.datetime(2026, 1, 9, 11, 50)
        found = self.source.statistic_series(
            self.instance, 'instance', 'instance_cpu_usage', start,
            start + datetime.timedelta(minutes=10))
        first = start.replace(tzinfo=datetime.UTC)
        self.assertEqual(
            {first: 0.0, first + datetime.timedelta(minutes=5): 50.0}, found)
        self.assertEqual(['2026-01-09t11:50:00'],
                         self.http.last_request.qs['start'])

    def test_series_of_an_unknown_host(self):
        self.hosts()
        self.assertEqual({}, self.source.statistic_series(
            self.host, 'compute_node', 'host_cpu_usage', NOW, NOW))

    def test_without_the_library(self):
        with mock.patch.object(gnocchi, 'gnocchi_client', None):
            self.assertRaises(exception.DataSourceNotAvailable,
                              gnocchi.GnocchiHelper)
