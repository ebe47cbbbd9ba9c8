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
"""What is asked from Grafana, and what comes of the answers."""

import datetime
from urllib import parse

import requests
import requests_mock

from watcher.common import exception
from watcher.decision_engine.datasources import grafana
from watcher.decision_engine.datasources.grafana_translator import influxdb
from watcher.tests import base
from watcher.tests.fixtures import models

URL = 'https://grafana.example.org/api/datasources/proxy/'
QUERY = ('SELECT {0}("v") AS {0} FROM {4}.cpu WHERE host = \'{1}\' AND '
         'time > now()-{2}s GROUP BY time({3}s)')


def series(columns, *rows):
    return {'results': [{'series': [{'columns': columns,
                                     'values': [list(row) for row in rows]}]}
                        ]}


class GrafanaTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.config(group='watcher_datasources', query_max_retries=3,
                    query_interval=0)
        self.config(group='grafana_client', token='secret', base_url=URL,
                    **{option: {'host_cpu_usage': value}
                       for option, value in (
                           ('project_id_map', '1337'),
                           ('database_map', 'monit'),
                           ('attribute_map', 'hostname'),
                           ('translator_map', 'influxdb'),
                           ('query_map', QUERY))})
        self.http = requests_mock.Mocker()
        self.http.start()
        self.addCleanup(self.http.stop)
        self.answer(series(['time', 'mean'], [0, 12.5]))
        self.host = models.node('h', hostname='h1')

    def answer(self, body=None, **kwargs):
        if body is not None:
            kwargs['json'] = body
        self.http.get(f'{URL}1337/query', **kwargs)

    def source(self):
        return grafana.GrafanaHelper()

    def read(self, metric='host_cpu_usage', aggregate='mean', period=300,
             granularity=300, type_='compute_node', resource=None):
        return self.source().statistic_aggregation(
            resource or self.host, type_, metric, period, aggregate,
            granularity)

    def query(self):
        return parse.parse_qs(parse.urlsplit(
            self.http.last_request.url).query)


class TestValues(GrafanaTestCase):

    def test_request(self):
        self.assertEqual(12.5, self.read())
        self.assertEqual(
            {'db': ['monit'], 'epoch': ['ms'],
             'q': ['SELECT mean("v") AS mean FROM one_week.cpu WHERE host = '
                   "'h1' AND time > now()-300s GROUP BY time(300s)"]},
            self.query())
        self.assertEqual('Bearer secret',
                         self.http.last_request.headers['Authorization'])
        self.assertEqual(60, self.http.last_request.timeout)

    def test_no_granularity_is_one(self):
        self.read(granularity=None)
        self.assertIn('time(1s)', self.query()['q'][0])

    def test_retention(self):
        for period, name in ((604799, 'one_week'), (604800, 'one_month'),
                             (10 ** 9, 'five_years')):
            self.read(period=period)
            self.assertIn(f'FROM {name}.cpu', self.query()['q'][0])

    def test_durations_are_numbers(self):
        self.config(group='grafana_translators', retention_periods={
            'long': '1000', 'short': '99'})
        self.read(period=98)
        self.assertIn('FROM short.cpu', self.query()['q'][0])

    def test_zero_and_null(self):
        self.answer(series(['time', 'mean'], [0, 0]))
        self.assertEqual(0.0, self.read())
        self.answer(series(['time', 'mean'], [0, None]))
        self.assertIsNone(self.read())

    def test_odd_answers_are_no_value(self):
        for body in ({'results': [{}]}, {'results': []}, {}, [],
                     series(['time', 'max'], [0, 1]),
                     series(['time', 'mean']),
                     {'results': [{'error': 'no such database'}]}):
            self.answer(body)
            self.assertIsNone(self.read(), body)
        self.answer(text='<html>')
        self.assertIsNone(self.read())

    def test_names_cannot_end_the_query(self):
        self.host = models.node('h', hostname="h1' OR ''='")
        self.read()
        self.assertIn(r"host = 'h1\' OR \'\'=\'' AND", self.query()['q'][0])

    def test_wrong_questions(self):
        for wrong in ({'aggregate': 'median'}, {'type_': 'rack'},
                      {'period': None}):
            if wrong.get('period', 1) is None:
                translator = influxdb.InfluxDBGrafanaTranslator({
                    'aggregate': 'mean', 'resource_type': 'instance',
                    'period': None})
                self.assertRaises(exception.InvalidParameter,
                                  translator.build_params)
                continue
            self.assertRaises(exception.InvalidParameter, self.read, **wrong)

    def test_an_attribute_that_is_none(self):
        error = self.assertRaises(
            exception.InvalidParameter, self.read, type_='instance',
            resource=models.instance('a'))
        self.assertIn("The attribute 'hostname'", str(error))
        self.assertIn('attribute_map', str(error))

    def test_unmapped(self):
        self.assertRaises(exception.MetricNotAvailable, self.read,
                          'host_power')

    def test_trouble(self):
        for status, count in ((400, 1), (401, 1), (404, 1), (502, 3)):
            self.answer(status_code=status, text='because')
            before = len(self.http.request_history)
            error = self.assertRaises(exception.DataSourceQueryFailed,
                                      self.read)
            self.assertIn(f'HTTP {status} because', str(error))
            self.assertNotIn('secret', str(error))
            self.assertEqual(count, len(self.http.request_history) - before)

    def test_batch(self):
        hosts = [models.node(str(number), hostname=f'h{number}')
                 for number in range(5)]
        source = self.source()
        found = source.statistic_aggregation_batch(
            hosts, 'compute_node', 'host_cpu_usage')
        self.assertEqual({host.uuid: 12.5 for host in hosts},
                         found.values())

    def test_series(self):
        self.answer(series(['time', 'mean'], [3000, 3], [1000, 1],
                           [2000, None], [9000, 9]))
        start = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
        found = self.source().statistic_series(
            self.host, 'compute_node', 'host_cpu_usage', start,
            start + datetime.timedelta(seconds=5), 1)
        self.assertEqual([1.0, 3.0], list(found.values()))
        self.assertEqual(start + datetime.timedelta(seconds=1),
                         next(iter(found)))

    def test_series_with_a_query_of_their_own(self):
        source = self.source()
        source.METRIC_MAP['host_cpu_usage']['series'] = 'S {5} {6} {1}'
        start = datetime.datetime(1970, 1, 1)
        source.statistic_series(
            self.host, 'compute_node', 'host_cpu_usage', start,
            start + datetime.timedelta(seconds=5), 1)
        self.assertEqual(['S 0 5000 h1'], self.query()['q'])


class TestConfiguration(GrafanaTestCase):

    def test_a_missing_slash(self):
        self.config(group='grafana_client', base_url=URL.rstrip('/'))
        self.assertEqual(12.5, self.read())

    def test_not_configured(self):
        for wrong in ({'token': None}, {'base_url': None},
                      {'base_url': 'grafana'}, {'base_url': 'https://g'}):
            with self.subTest(wrong):
                self.config(group='grafana_client',
                            **{'token': 't', 'base_url': URL, **wrong})
                error = self.assertRaises(
                    exception.DataSourceNotAvailable, self.source)
                self.assertIn('[grafana_client] base_url', str(error))

    def test_an_unknown_translator(self):
        self.config(group='grafana_client',
                    translator_map={'host_cpu_usage': 'mysql'})
        self.assertEqual(set(), self.source().list_metrics())
        self.assertIn('no translator mysql', self.logger.output)

    def test_availability(self):
        health = 'https://grafana.example.org/api/health'
        for kwargs, state in (
                ({'json': {}}, 'available'),
                ({'status_code': 404}, 'available'),
                ({'status_code': 503}, 'not available'),
                ({'exc': requests.exceptions.ConnectTimeout},
                 'not available')):
            self.http.get(health, **kwargs)
            self.assertEqual(state, self.source().check_availability())

    def test_metrics(self):
        source = self.source()
        known = source.list_metrics()
        self.assertEqual({'host_cpu_usage'}, known)
        self.assertTrue(source.offers('host_cpu_usage', known))
        self.assertFalse(source.offers('host_power', known))
