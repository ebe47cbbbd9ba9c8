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
"""What is asked from Prometheus, to the letter, and what comes of answers."""

import datetime
from unittest import mock
from urllib import parse

import fixtures
import requests
import requests_mock
from keystoneauth1 import exceptions as ka_exceptions
from keystoneauth1 import fixture as ka_fixture
from keystoneauth1 import session as ka_session
from keystoneauth1.identity import v3

from watcher.common import exception
from watcher.decision_engine.datasources import aetos
from watcher.decision_engine.datasources import host_labels
from watcher.decision_engine.datasources import prometheus
from watcher.decision_engine.datasources import prometheus_base
from watcher.decision_engine.datasources import promql
from watcher.tests import base
from watcher.tests.fixtures import models

URL = 'http://prom:9090/api/v1'

HOST = "fqdn='c0.example.org'"


def vector(*rows):
    """An answer with rows of labels and value."""
    return {'status': 'success', 'data': {
        'resultType': 'vector', 'result': [
            {'metric': labels, 'value': [1000.0, value]}
            for labels, value in rows]}}


def targets(*names):
    return {'status': 'success', 'data': {'activeTargets': [
        {'labels': {'fqdn': name} if name else {}} for name in names]}}


class PrometheusTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.config(group='prometheus_client', host='prom')
        self.config(group='watcher_datasources', query_max_retries=4,
                    query_interval=0)
        self.http = self._http()
        self.known_targets('c0.example.org')
        self.answer(vector(({}, '7.5')))

    def _http(self):
        mocker = requests_mock.Mocker()
        mocker.start()
        self.addCleanup(mocker.stop)
        return mocker

    def known_targets(self, *names, url=URL):
        self.http.get(f'{url}/targets', json=targets(*names))

    def answer(self, *answers, url=URL, **kwargs):
        self.http.get(f'{url}/query', [
            answer if 'status_code' in answer or 'exc' in answer
            else {'json': answer} for answer in answers] or None, **kwargs)

    def source(self):
        return prometheus.PrometheusHelper()

    def queries(self):
        """The texts that were asked."""
        return [parse.parse_qs(parse.urlsplit(request.url).query)['query'][0]
                for request in self.http.request_history
                if request.path.endswith('/query')]

    def read(self, metric, resource=None, aggregate='mean', source=None):
        host = metric.startswith('host')
        if resource is None:
            resource = models.node('c0', hostname='c0') if host else (
                models.instance('a', vcpus=2))
        return (source or self.source()).statistic_aggregation(
            resource, 'compute_node' if host else 'instance', metric, 300,
            aggregate)


class TestQueries(PrometheusTestCase):

    def test_host_cpu(self):
        for aggregate, word in (('mean', 'avg'), ('min', 'max'),
                                ('max', 'min'), ('count', 'avg')):
            self.assertEqual(7.5, self.read('host_cpu_usage',
                                            aggregate=aggregate))
            self.assertEqual(
                f"100 - ({word} by (fqdn)(rate(node_cpu_seconds_total{{"
                f"mode='idle',{HOST}}}[300s])) * 100)", self.queries()[-1])

    def test_host_ram(self):
        for aggregate, word in (('mean', 'avg'), ('min', 'max'),
                                ('max', 'min')):
            self.read('host_ram_usage', aggregate=aggregate)
            self.assertEqual(
                f'(node_memory_MemTotal_bytes{{{HOST}}} - {word}_over_time('
                f'node_memory_MemAvailable_bytes{{{HOST}}}[300s])) / 1024',
                self.queries()[-1])

    def test_instance_cpu(self):
        uuid = models.uuid('a')
        for aggregate, word in (('mean', 'avg'), ('min', 'min'),
                                ('max', 'max')):
            self.read('instance_cpu_usage', aggregate=aggregate)
            self.assertEqual(
                f"clamp_max(({word} by (resource)(rate(ceilometer_cpu{{"
                f"resource='{uuid}'}}[300s]))/10e+8) *(100/2), 100)",
                self.queries()[-1])

    def test_instance_without_vcpus_counts_as_one(self):
        self.read('instance_cpu_usage', models.instance('a', vcpus=0))
        self.assertIn('*(100/1)', self.queries()[-1])
        self.assertIn('has no vCPUs', self.logger.output)

    def test_instance_ram(self):
        self.read('instance_ram_usage', aggregate='max')
        self.assertEqual(
            "max_over_time(ceilometer_memory_usage{resource='%s'}[300s])"
            % models.uuid('a'), self.queries()[-1])

    def test_headers_and_no_time(self):
        self.read('instance_ram_usage')
        request = self.http.last_request
        self.assertEqual('application/json', request.headers['Accept'])
        self.assertNotIn('time', request.qs)
        self.assertEqual(60, request.timeout)

    def test_fields_of_the_model_need_no_request(self):
        source = self.source()
        before = len(self.http.request_history)
        server = models.instance('a', memory=512, disk=3)
        self.assertEqual(
            [512.0, 3.0],
            [source.get_instance_ram_allocated(server),
             source.get_instance_root_disk_size(server)])
        self.assertEqual(1.0, source.statistic_aggregation_batch(
            [server], 'instance', 'instance_ram_allocated').coverage)
        self.assertEqual(before, len(self.http.request_history))

    def test_unknown_aggregates_are_refused_before_any_question(self):
        for aggregate in ('avg', 'median', ''):
            self.assertRaises(exception.InvalidParameter, self.read,
                              'host_cpu_usage', aggregate=aggregate)
        self.assertEqual([], self.queries())

    def test_metrics_without_exporter(self):
        source = self.source()
        host, server = models.node('c0'), models.instance('a')
        self.assertEqual(
            [None] * 5,
            [source.get_host_outlet_temp(host),
             source.get_host_inlet_temp(host), source.get_host_airflow(host),
             source.get_host_power(host),
             source.get_instance_l3_cache_usage(server)])
        self.assertRaises(exception.MetricNotAvailable, self.read,
                          'host_power')

    def test_a_renamed_meter_needs_a_query(self):
        source = self.source()
        source.METRIC_MAP = {'host_cpu_usage': 'windows_cpu_time_total'}
        error = self.assertRaises(exception.InvalidParameter, self.read,
                                  'host_cpu_usage', source=source)
        self.assertIn('windows_cpu_time_total', str(error))
        self.assertIn('metric_map_path', str(error))

    def test_other_types_have_no_metrics(self):
        self.assertIsNone(self.source().statistic_aggregation(
            models.node('c0'), 'storage', 'host_cpu_usage'))
        self.assertEqual([], self.queries())

    def test_labels_are_options(self):
        self.config(group='prometheus_client', fqdn_label='host',
                    instance_uuid_label='vm')
        self.http.get(f'{URL}/targets', json={
            'status': 'success',
            'data': {'activeTargets': [{'labels': {'host': 'c0'}}]}})
        self.read('host_cpu_usage')
        self.read('instance_ram_usage')
        self.assertIn("by (host)(rate(node_cpu_seconds_total{mode='idle',"
                      "host='c0'}", self.queries()[0])
        self.assertIn("{vm='", self.queries()[1])


class TestAnswers(PrometheusTestCase):

    def test_zero_is_a_value(self):
        self.answer(vector(({}, '0')))
        source = self.source()
        for read in (source.get_host_cpu_usage, source.get_host_ram_usage):
            self.assertEqual(0.0, read(models.node('c0', hostname='c0')))
        self.assertEqual(
            0.0, source.get_instance_cpu_usage(models.instance('a')))

    def test_nothing(self):
        self.answer(vector())
        self.assertIsNone(self.read('host_cpu_usage'))

    def test_nan_stays(self):
        self.answer(vector(({}, 'NaN')))
        value = self.read('host_cpu_usage')
        self.assertNotEqual(value, value)

    def test_several_rows_are_asked_about(self):
        self.answer(vector(({'fqdn': 'c0.example.org', 'job': 'a'}, '1'),
                           ({'fqdn': 'c0.example.org', 'job': 'b'}, '2')),
                    vector(({'fqdn': 'c0.example.org'}, '2'),
                           ({'fqdn': 'c0.example.org',
                             'watcher': 'sampled'}, '990')))
        self.assertEqual(2.0, self.read('host_ram_usage'))
        self.assertEqual(2, len(self.queries()))

    def batch(self, source=None, count=3, vcpus=2):
        servers = [models.instance(str(number), vcpus=vcpus)
                   for number in range(count)]
        return servers, (source or self.source()).statistic_aggregation_batch(
            servers, 'instance', 'instance_cpu_usage')

    def test_batch(self):
        uuids = [models.uuid(str(number)) for number in range(3)]
        self.answer(vector(
            ({'resource': uuids[0]}, '0.5'), ({'resource': uuids[1]}, '4'),
            ({'resource': 'stranger'}, '4'), ({}, '4'),
            ({'resource': uuids[0], 'watcher': 'sampled'}, '990')))
        servers, found = self.batch()
        self.assertEqual({uuids[0]: 25.0}, found.values())
        # Without any fresh sample the value is outdated.
        self.assertEqual(100.0, found.get(uuids[1], stale=True))
        self.assertEqual((uuids[2],), found.missing)
        self.assertEqual(10.0, found.age)
        names = '|'.join(sorted(uuids))
        selector = f"ceilometer_cpu{{resource=~'{names}'}}"
        self.assertEqual(
            [f'avg by (resource)(rate({selector}[300s]))/10e+8 or '
             f'label_replace(max by (resource)(timestamp({selector})), '
             f"'watcher', 'sampled', '__name__', '.*')"], self.queries())

    def test_batch_of_many_names_none(self):
        self.batch(count=101)
        self.assertEqual(
            ['avg by (resource)(rate(ceilometer_cpu[300s]))/10e+8 or '
             'label_replace(max by (resource)(timestamp(ceilometer_cpu)), '
             "'watcher', 'sampled', '__name__', '.*')"], self.queries())

    def test_nan_in_a_batch_is_missing(self):
        self.answer(vector(({'resource': models.uuid('0')}, 'NaN')))
        _servers, found = self.batch()
        self.assertEqual(3, len(found.missing))

    def test_all_batches_look_at_the_same_moment(self):
        self.answer(vector(({'resource': models.uuid('0')}, '1')))
        source = self.source()
        self.batch(source)
        source.get_instance_ram_usage(models.instance('a'))
        times = [request.qs.get('time')
                 for request in self.http.request_history
                 if request.path.endswith('/query')]
        self.assertEqual([None, ['1000.000']], times)

    def test_single_values_after_a_batch_need_no_question(self):
        source = self.source()
        servers, found = self.batch(source)
        for server in servers:
            self.assertEqual(
                found.get(server.uuid),
                source.get_instance_cpu_usage(server))
        self.assertEqual(1, len(self.queries()))


class TestFailures(PrometheusTestCase):

    def failing(self, status, text='broken', times=99):
        self.answer(*[{'status_code': status, 'json': {
            'status': 'error', 'error': text}}] * times,
            vector(({}, '1')))

    def test_what_cannot_be_helped_is_asked_once(self):
        for status in (400, 401, 403, 404, 422):
            self.failing(status)
            before = len(self.queries())
            error = self.assertRaises(exception.DataSourceQueryFailed,
                                      self.read, 'instance_ram_usage')
            self.assertEqual(1, len(self.queries()) - before, status)
            self.assertIn('prometheus at http://prom:9090 did not answer '
                          'avg_over_time(', str(error))
            self.assertIn(f'[{status}] broken', str(error))

    def test_trouble_of_the_server_is_waited_for(self):
        for status in (429, 500, 502, 503):
            self.failing(status, times=3)
            self.assertEqual(1.0, self.read('instance_ram_usage'))

    def test_an_outage_is_an_error_and_ends_the_asking(self):
        self.answer({'exc': requests.exceptions.ConnectTimeout('too late')})
        source = self.source()
        for _ in range(3):
            error = self.assertRaises(
                exception.DataSourceQueryFailed, self.read,
                'instance_ram_usage', source=source)
        self.assertIn('too late (after 4 tries)', str(error))
        self.assertEqual(4, len(self.queries()))

    def test_an_odd_answer_is_an_error(self):
        self.answer({'status': 'success', 'data': {'resultType': 'scalar',
                                                   'result': [1, '1']}})
        error = self.assertRaises(exception.DataSourceQueryFailed,
                                  self.read, 'instance_ram_usage')
        self.assertIn('scalar', str(error))

    def too_big(self, limit):
        """Refuse questions for more than ``limit`` names."""
        def answer(request, context):
            text = parse.parse_qs(parse.urlsplit(request.url).query)[
                'query'][0]
            names = text.partition("=~'")[2].partition("'")[0].split('|')
            if names[0] in ('', names[0][:1] + '.*') or (
                    len(names) > limit):
                context.status_code = 422
                return {'status': 'error', 'error': 'too many samples'}
            return vector(*(({'resource': name}, '1') for name in names))
        self.http.get(f'{URL}/query', json=answer)

    def read_many(self, count):
        servers = [models.instance(str(number)) for number in range(count)]
        return self.source().statistic_aggregation_batch(
            servers, 'instance', 'instance_ram_usage')

    def test_a_question_too_big_is_asked_in_parts(self):
        self.too_big(30)
        found = self.read_many(250)
        self.assertEqual(250, len(found.values(stale=True)))
        # One for all; then one for each first character of the names.
        self.assertEqual(17, len(self.queries()))

    def test_names_of_a_part_too_big_are_halved(self):
        self.too_big(30)
        self.assertEqual(50, len(self.read_many(50).values(stale=True)))
        self.assertEqual(3, len(self.queries()))

    def test_too_big_even_for_one(self):
        self.too_big(0)
        self.assertRaises(exception.DataSourceQueryFailed,
                          self.read_many, 5)

    def test_a_query_that_takes_too_long_is_too_big(self):
        self.failing(503, 'query timed out in query execution', times=1)
        self.read_many(5)
        self.assertEqual(3, len(self.queries()))


class TestAvailability(PrometheusTestCase):

    def test_there(self):
        self.http.get(f'{URL}/status/runtimeinfo', json={
            'status': 'success', 'data': {}})
        self.assertEqual('available', self.source().check_availability())

    def test_another_product_without_that_state(self):
        self.http.get(f'{URL}/status/runtimeinfo', status_code=404)
        self.assertEqual('available', self.source().check_availability())

    def test_away(self):
        self.http.get(f'{URL}/status/runtimeinfo', status_code=500)
        self.assertEqual('not available', self.source().check_availability())

    def test_metrics(self):
        self.http.get(f'{URL}/label/__name__/values', json={
            'status': 'success', 'data': ['up', 'ceilometer_cpu']})
        source = self.source()
        known = source.list_metrics()
        self.assertEqual({'up', 'ceilometer_cpu'}, known)
        self.assertTrue(source.offers('instance_cpu_usage', known))
        self.assertTrue(source.offers('instance_ram_allocated', known))
        self.assertFalse(source.offers('host_cpu_usage', known))

    def test_no_metrics_when_away(self):
        self.http.get(f'{URL}/label/__name__/values', status_code=403)
        self.assertEqual(set(), self.source().list_metrics())


class TestAddress(PrometheusTestCase):

    def options(self, **values):
        self.config(group='prometheus_client', **values)

    def ask(self, url):
        self.known_targets('c0', url=url)
        return self.source()

    def test_a_path_and_headers(self):
        self.options(base_url='https://metrics.example.org/prom/tenant/',
                     headers={'X-Scope-OrgID': 'openstack'})
        source = self.ask('https://metrics.example.org/prom/tenant/api/v1')
        self.assertEqual('openstack',
                         self.http.last_request.headers['X-Scope-OrgID'])
        self.assertEqual('https://metrics.example.org/prom/tenant',
                         source.where)
        self.assertIs(True, source.prometheus._session.verify)

    def test_not_verified_only_on_demand(self):
        self.options(base_url='https://prom', insecure=True)
        self.ask('https://prom/api/v1')
        self.assertIs(False, self.http.last_request.verify)

    def test_a_ca_switches_to_https(self):
        # The environment must not win over the configuration.
        self.useFixture(fixtures.EnvironmentVariable(
            'REQUESTS_CA_BUNDLE', '/other.pem'))
        self.options(cafile='/ca.pem', certfile='/c.pem', keyfile='/k.pem')
        self.ask('https://prom:9090/api/v1')
        self.assertEqual('/ca.pem', self.http.last_request.verify)
        self.assertEqual(('/c.pem', '/k.pem'), self.http.last_request.cert)

    def test_user_and_password(self):
        self.options(username='u', password='p')
        self.source()
        self.assertEqual('Basic dTpw',
                         self.http.last_request.headers['Authorization'])

    def test_an_ipv6_address(self):
        self.options(host='::1')
        self.ask('http://[::1]:9090/api/v1')

    def test_no_server(self):
        self.options(host=None)
        error = self.assertRaises(exception.MissingParameter, self.source)
        self.assertIn('base_url', str(error))

    def test_no_url(self):
        self.options(base_url='prom.example.org')
        self.assertRaises(exception.InvalidParameter, self.source)

    def test_without_the_library(self):
        with mock.patch.object(prometheus_base, 'prometheus_client', None):
            error = self.assertRaises(exception.DataSourceNotAvailable,
                                      self.source)
        self.assertIn('python-observabilityclient', str(error))


class TestHosts(PrometheusTestCase):

    def stored(self, *names):
        self.http.get(f'{URL}/label/fqdn/values', json={
            'status': 'success', 'data': list(names)})

    def test_a_new_host_is_looked_for_once(self):
        source = self.source()
        self.known_targets('c0.example.org', 'c1.example.org')
        self.stored('c2')
        for name in ('c1', 'c2', 'c3', 'c4'):
            self.read('host_cpu_usage', models.node(name, hostname=name),
                      source=source)
        self.assertEqual(2, len(self.queries()))
        self.assertEqual(3, sum(
            'targets' in request.path or 'label' in request.path
            for request in self.http.request_history))

    def test_a_store_without_targets(self):
        self.http.get(f'{URL}/targets', status_code=404)
        self.stored('c0')
        self.assertEqual(7.5, self.read('host_cpu_usage'))

    def test_no_label_at_all_is_said(self):
        self.known_targets(None, None)
        self.source()
        self.assertIn('has the label fqdn', self.logger.output)


class TestHostLabels(base.TestCase):

    def find(self, name, *values):
        return host_labels.HostLabels(values).find(name)

    def test_exact(self):
        self.assertEqual('c1', self.find('c1', 'c1', 'c1.example.org'))

    def test_short_for_long_and_back(self):
        self.assertEqual('c1.example.org', self.find('c1', 'c1.example.org'))
        self.assertEqual('c1', self.find('c1.example.org', 'c1'))

    def test_what_could_mean_two_means_none(self):
        values = ('c1.a.org', 'c1.b.org')
        self.assertIsNone(self.find('c1', *values))
        self.assertEqual(
            'its name could mean c1.a.org or c1.b.org',
            host_labels.HostLabels(values).why_not('c1'))

    def test_two_long_names_differ(self):
        self.assertIsNone(self.find('c1.a.org', 'c1.b.org'))


class TestSelection(base.TestCase):

    def test_few_are_named(self):
        few = promql.Selection(('a.x', 'b'))
        self.assertEqual(r"l=~'a\\.x|b'", few.match('l'))
        self.assertEqual([('a.x',), ('b',)],
                         [part.names for part in few.parts()])

    def test_of_many_the_beginning_is_said(self):
        names = tuple(sorted(
            ['node-1', *(f'node-{number}-x' for number in range(200))]))
        many = promql.Selection(names)
        self.assertEqual('', many.match('l'))
        parts = many.parts()
        self.assertEqual([f'node-{digit}' for digit in range(10)],
                         [part.prefix for part in parts])
        self.assertEqual(names, tuple(
            name for part in parts for name in part.names))
        # node-1, node-1-x, node-10-x to node-19-x, node-100-x to 199.
        largest = parts[1]
        self.assertEqual(112, len(largest.names))
        self.assertEqual("l=~'node-1.*'", largest.match('l'))
        self.assertEqual(
            ['node-1', 'node-1-', *(f'node-1{digit}' for digit in range(10))],
            [part.prefix for part in largest.parts()])

    def test_too_many_are_asked_in_parts_from_the_start(self):
        self.assertTrue(promql.Selection(range(50001)).is_large)
        self.assertFalse(promql.Selection(range(50000)).is_large)


class TestTemplates(base.TestCase):

    def refused(self, **definition):
        error = self.assertRaises(
            exception.InvalidParameter, promql.template_shape,
            'host_power', definition)
        return str(error)

    def test_what_is_wrong_is_said(self):
        self.assertIn('does not declare its unit',
                      self.refused(query='x{$match}'))
        self.assertIn('kW, mW', self.refused(query='x{$match}', unit='hp'))
        self.assertIn('lacks $match', self.refused(query='x', unit='W'))
        self.assertIn('it is missing', self.refused(unit='W'))
        self.assertIn("('hostname')", self.refused(
            query='x{$match}$hostname', unit='W'))
        self.assertIn('The series of', self.refused(
            query='x{$match}', series='x', unit='W'))

    def test_units(self):
        for metric, unit, value, expected in (
                ('host_cpu_usage', 'ratio', 0.25, 25.0),
                ('host_cpu_usage', '%', 25.0, 25.0),
                ('host_ram_usage', 'bytes', 2048.0, 2.0),
                ('host_power', 'mW', 1500.0, 1.5),
                ('instance_ram_usage', 'MiB', 3.0, 3.0),
                ('somebodys_metric', 'apples', 3.0, 3.0)):
            self.assertEqual(
                expected, promql.Conversion(metric, unit).apply(value))

    def test_cores(self):
        cores = promql.Conversion('instance_cpu_usage', 'cores')
        self.assertEqual(50.0, cores.apply(1.0, 2))
        self.assertEqual(100.0, cores.apply(3.0, 2))

    def test_inverted(self):
        shape = promql.template_shape('host_ram_usage', {
            'query': 'x{$match}', 'unit': 'bytes', 'inverted': True})
        self.assertEqual('min', shape.aggregate('max'))
        self.assertEqual('avg', shape.aggregate('mean'))

    def test_text_is_escaped(self):
        self.assertEqual(r"a\'b\\c\n", promql.quote("a'b\\c\n"))
        self.assertEqual(r'c1\.x|\(2\)', promql.one_of(['c1.x', '(2)']))


class TestAetos(PrometheusTestCase):

    KEYSTONE = 'http://keystone/v3'

    def setUp(self):
        super().setUp()
        token = ka_fixture.V3Token()
        token.set_project_scope()
        service = token.add_service('metric-storage')
        service.add_standard_endpoints(
            public='https://public/aetos', internal='http://internal:8105',
            region='one')
        self.http.get(self.KEYSTONE, json={'version': ka_fixture.V3Discovery(
            self.KEYSTONE)})
        self.http.post(f'{self.KEYSTONE}/auth/tokens', json=token,
                       headers={'X-Subject-Token': 'secret-token'})
        self.public = 'https://public/aetos/api/v1'
        self.known_targets('c0', url=self.public)
        self.osc = mock.Mock(session=ka_session.Session(v3.Password(
            self.KEYSTONE, username='u', password='p', project_name='p',
            user_domain_id='default', project_domain_id='default')))

    def source(self):
        return aetos.AetosHelper(osc=self.osc)

    def test_path_and_token(self):
        self.answer(vector(({}, '3')), url=self.public)
        self.assertEqual(3.0, self.read('host_cpu_usage'))
        self.assertEqual('secret-token',
                         self.http.last_request.headers['X-Auth-Token'])

    def test_interface(self):
        self.config(group='aetos_client', interface='internalURL')
        self.known_targets('c0', url='http://internal:8105/api/v1')
        self.assertEqual('http://internal:8105', self.source().where)

    def test_no_endpoint(self):
        self.config(group='aetos_client', region_name='two')
        error = self.assertRaises(exception.DataSourceNotAvailable,
                                  self.source)
        self.assertIn('no endpoint of type metric-storage for the interface '
                      'public and the region two', str(error))

    def test_no_keystone(self):
        self.http.post(f'{self.KEYSTONE}/auth/tokens', status_code=401)
        error = self.assertRaises(exception.DataSourceNotAvailable,
                                  self.source)
        self.assertIn('Keystone', str(error))

    def test_errors_are_those_of_prometheus(self):
        for status, count in ((400, 1), (403, 1), (503, 4)):
            self.answer({'status_code': status, 'json': {
                'status': 'error', 'error': 'because'}}, url=self.public)
            before = len(self.queries())
            error = self.assertRaises(exception.DataSourceQueryFailed,
                                      self.read, 'host_cpu_usage')
            self.assertIn(f'[{status}] because', str(error))
            self.assertEqual(count, len(self.queries()) - before)

    def test_availability_is_no_exception(self):
        self.http.get(f'{self.public}/status/runtimeinfo', status_code=403)
        self.assertEqual('not available', self.source().check_availability())

    def test_connection_failures_are_repeated(self):
        self.answer({'exc': ka_exceptions.ConnectFailure}, vector(
            ({}, '3')), url=self.public)
        self.assertEqual(3.0, self.read('host_cpu_usage'))

    def test_series_without_query_range(self):
        self.http.get(f'{self.public}/query', json={
            'status': 'success', 'data': {'resultType': 'matrix', 'result': [
                {'metric': {'resource': models.uuid('a')},
                 'values': [[-300, '1'], [0, '2'], [300, '3']]}]}})
        found = self.source().statistic_series(
            models.instance('a'), 'instance', 'instance_ram_usage',
            _moment(0), _moment(300), 300)
        self.assertEqual({_moment(0): 2.0, _moment(300): 3.0}, found)
        self.assertIn('[600s:300s]', self.queries()[-1])


def _moment(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
