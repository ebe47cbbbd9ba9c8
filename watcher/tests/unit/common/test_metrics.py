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

import io
import json
import socket
import threading
from unittest import mock

import fixtures
import prometheus_client
from prometheus_client import core
from prometheus_client import parser

from watcher.common import exception
from watcher.common import exporter
from watcher.common import health
from watcher.common import metrics
from watcher.common import pool_stats
from watcher.common import service
from watcher.common import wsgi_server
from watcher.decision_engine.datasources import batch
from watcher.decision_engine.datasources import retries
from watcher.notifications import sender
from watcher.tests import base
from watcher.tests.fixtures import ports


class Broken:
    def collect(self):
        raise ValueError('the database is away')


class Figure:
    def collect(self):
        yield core.GaugeMetricFamily('figure', 'A figure.', value=1)


class MetricsTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.instruments = metrics.begin()
        self.addCleanup(metrics.end)
        self.registry = prometheus_client.CollectorRegistry()
        self.instruments.register(self.registry)

    def value(self, name, **labels):
        return self.registry.get_sample_value(name, labels)


class TestUse(base.TestCase):

    def test_nothing_is_counted_unless_somebody_reads(self):
        self.assertFalse(metrics.wanted())
        metrics.state_changed('audit', 'PENDING')
        metrics.answered('GET', '/v1', '200', 1.0)
        metrics.action_ended('nop', 'SUCCEEDED', None)
        metrics.plan_ended('SUCCEEDED', 1.0)
        metrics.query_refused('prometheus')
        metrics.AuditRun('ONESHOT', 'dummy').end(metrics.SUCCEEDED)
        with metrics.rpc('method'), metrics.query('gnocchi'):
            self.assertFalse(metrics.wanted())

    def test_readers_share_one_set_until_the_last_has_gone(self):
        first, second = metrics.begin(), metrics.begin()
        self.assertIs(first, second)
        metrics.end()
        self.assertTrue(metrics.wanted())
        metrics.end()
        self.assertFalse(metrics.wanted())
        third = metrics.begin()
        self.addCleanup(metrics.end)
        self.assertIsNot(first, third)


class TestCounting(MetricsTestCase):

    def test_rpc(self):
        with metrics.rpc('trigger_audit'):
            pass
        with self.assertRaises(ValueError), metrics.rpc('trigger_audit'):
            raise ValueError
        for result in ('succeeded', 'failed'):
            self.assertEqual(1, self.value(
                'watcher_rpc_seconds_count', method='trigger_audit',
                result=result))

    def test_runs_of_audits(self):
        for result in (metrics.FAILED, metrics.FAILED, metrics.CANCELLED):
            metrics.AuditRun('CONTINUOUS', 'relief').end(result)
        self.assertEqual(2, self.value(
            'watcher_audit_runs_total', strategy='relief',
            type='CONTINUOUS', result='failed'))
        self.assertEqual(3, self.value('watcher_audit_run_seconds_count',
                                       strategy='relief'))

    def test_asking_others(self):
        with metrics.asking('applier', 'launch'):
            pass
        for failure, result in ((TimeoutError, 'unanswered'),
                                (ValueError, 'failed')):
            with (self.assertRaises(failure),
                  metrics.asking('applier', 'launch', (TimeoutError,))):
                raise failure
            self.assertEqual(1, self.value(
                'watcher_rpc_client_seconds_count', service='applier',
                method='launch', result=result))

    def test_how_much_was_measured(self):
        readings = {'a': batch.Reading(1.0), 'b': batch.Reading(0.0)}
        for known, fresh in ((readings, 2), ({}, 0)):
            batch.MetricBatch('host_cpu_usage', known, requested='abc',
                              source='prometheus').measure()
            for state, amount in (('fresh', fresh), ('stale', 0),
                                  ('missing', 3 - fresh)):
                self.assertEqual(amount, self.value(
                    'watcher_metric_resources', datasource='prometheus',
                    metric='host_cpu_usage', state=state))

    def test_own_notifications(self):
        going, may_go = threading.Event(), threading.Event()
        self.addCleanup(may_go.set)

        def publish(message):
            going.set()
            may_go.wait(base.PATIENCE)
            if message.event_type == 'bad':
                raise ValueError

        one = sender.Sender(publish, queue_size=2)
        self.addCleanup(one.stop, base.PATIENCE)
        bad, good = mock.Mock(event_type='bad'), mock.Mock()
        one.send(bad)
        self.assertTrue(going.wait(base.PATIENCE))
        self.assertEqual([True, True, False],
                         [one.send(good) for _number in range(3)])
        self.assertEqual((1, 2), (one.load().busy, one.load().waiting))
        self.assertIn('notifications', pool_stats.POOLS.loads())
        may_go.set()
        self.assertTrue(one.flush(base.PATIENCE))
        self.assertEqual(0, one.load().unfinished)
        self.assertEqual({'failed': 1, 'succeeded': 2, 'dropped': 1}, {
            result: self.value('watcher_own_notifications_total',
                               result=result)
            for result in ('failed', 'succeeded', 'dropped')})

    def test_questions_to_data_sources(self):
        source = retries.Retries('prometheus', lambda exc: False,
                                 sleep=lambda seconds: None)
        asked = {'asked': 'q', 'where': 'w', 'interval': 1.0,
                 'on_failure': lambda exc: None}
        source.call(lambda: 1, attempts=1, **asked)
        failing = mock.Mock(side_effect=ValueError)
        for _ in range(2):
            self.assertRaises(exception.DataSourceQueryFailed, source.call,
                              failing, attempts=3, **asked)
        self.assertEqual(3, failing.call_count)
        for result in ('succeeded', 'failed', 'refused'):
            self.assertEqual(1, self.value(
                'watcher_datasource_queries_total', datasource='prometheus',
                result=result), result)


class TestRegistry(MetricsTestCase):

    def text(self, *collectors):
        registry = exporter.registry_of(
            'watcher-applier', 'here', collectors, self.instruments)
        return prometheus_client.generate_latest(registry).decode()

    def samples(self, *collectors):
        return {sample.name: sample for family in
                parser.text_string_to_metric_families(
                    self.text(*collectors)) for sample in family.samples}

    def test_what_a_daemon_offers(self):
        pool = mock.Mock()
        pool_stats.POOLS.watch('tested', pool,
                               lambda pool: pool_stats.Load(2, 5))
        self.addCleanup(pool_stats.POOLS.forget, pool)
        text = self.text(Figure())
        for line in ('figure 1.0', 'watcher_pool_threads{pool="tested"} 2.0',
                     'watcher_pool_busy{pool="tested"} 2.0',
                     'watcher_pool_waiting{pool="tested"} 3.0'):
            self.assertIn(line + '\n', text)
        self.assertIn('service="watcher-applier"', text)
        self.assertIn('process_resident_memory_bytes ', text)

    def test_a_part_that_fails_does_not_hide_the_rest(self):
        samples = self.samples(Broken(), Figure())
        self.assertEqual(1, samples['figure'].value)
        self.assertEqual(1, samples['watcher_metrics_missing_total'].value)


class TestApplication(base.TestCase):

    def ask(self, path, method='GET', **checks):
        app = exporter.application(prometheus_client.CollectorRegistry(),
                                   health.Health(checks))
        said = []
        body = app({'PATH_INFO': path, 'REQUEST_METHOD': method,
                    'QUERY_STRING': '', 'wsgi.input': io.BytesIO()},
                   lambda status, headers: said.append(status))
        return said[0], b''.join(body)

    def test_only_metrics(self):
        self.assertEqual('200 OK', self.ask('/metrics')[0])
        for path in ('/', '/v1', '/metrics/', '/favicon.ico'):
            self.assertEqual('404 Not Found', self.ask(path)[0])
        self.assertIn(b'/metrics', self.ask('/')[1])

    def test_alive_whatever_is_wrong(self):
        looked = mock.Mock(side_effect=ValueError)
        self.assertEqual(('200 OK', b'OK\n'),
                         self.ask('/healthcheck', database=looked))
        looked.assert_not_called()
        self.assertEqual('405 Method Not Allowed',
                         self.ask('/healthcheck', 'POST')[0])

    def test_ready(self):
        status, body = self.ask(
            '/healthcheck/ready', database=lambda: health.Finding(True),
            bus=lambda: health.Finding(False, needed=False))
        self.assertEqual('200 OK', status)
        self.assertEqual({'ready': True, 'checks': {
            'database': {'ok': True, 'needed': True},
            'bus': {'ok': False, 'needed': False}}}, json.loads(body))

    def test_not_ready(self):
        for check in (lambda: health.Finding(False),
                      mock.Mock(side_effect=ValueError('secret'))):
            status, body = self.ask('/healthcheck/ready', lease=check)
            self.assertEqual('503 Service Unavailable', status)
            self.assertFalse(json.loads(body)['ready'])
            self.assertNotIn(b'secret', body)


class TestExporter(base.TestCase):

    def setUp(self):
        super().setUp()
        self.exporter = exporter.Exporter('watcher-applier', 0)
        self.addCleanup(self.exporter.stop)

    def test_off_by_default(self):
        self.assertFalse(self.exporter.start())
        self.assertFalse(metrics.wanted())
        self.exporter.stop()
        self.assertIsNone(self.exporter.url)

    def test_stop_ends_counting_once(self):
        self.config(group='service_metrics', enabled=True)
        self.assertTrue(self.exporter.start())
        self.assertTrue(metrics.wanted())
        self.exporter.stop()
        self.exporter.stop()
        self.assertFalse(metrics.wanted())
        self.assertIsNone(self.exporter.url)

    def test_silent_clients_keep_no_probe_waiting(self):
        self.config(client_socket_timeout=0)
        self.config(group='service_metrics', enabled=True)
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.common.exporter._SILENCE', 0.2))
        self.exporter._loop = mock.Mock()
        self.exporter.start()
        self.exporter._listen()
        address = self.exporter._server._server.bind_addr
        for _number in range(exporter._THREADS):
            self.addCleanup(socket.create_connection(address).close)
        with socket.create_connection(address, base.PATIENCE) as probe:
            probe.sendall(b'GET /healthcheck HTTP/1.0\r\n\r\n')
            self.assertIn(b'200 OK', probe.recv(100))

    def test_https_needs_a_certificate(self):
        self.config(group='service_metrics', enabled=True, enable_ssl=True)
        with mock.patch.object(exporter.LOG, 'error') as error:
            self.exporter._app = lambda environ, start: []
            self.exporter._listen()
            self.exporter._listen()
        self.exporter._app = None
        self.assertEqual(1, error.call_count)
        self.assertIn('[service_metrics] enable_ssl needs [ssl] cert_file',
                      str(error.call_args.args[1]['reason']))


class TestServers(base.TestCase):

    def test_load_of_a_server(self):
        self.config(wsgi_default_pool_size=3)
        server = wsgi_server.WSGIServer(lambda environ, start: [])
        server.start()
        self.addCleanup(server.stop)
        self.assertEqual(3, server.load().size)

    def test_the_first_worker_is_told_its_number(self):
        told = []
        served = wsgi_server.WSGIService(
            'watcher-api', lambda: lambda environ, start: [], '127.0.0.1',
            ports.free_port(), on_start=(told.append,))
        served.worker = 4
        self.addCleanup(served.stop)
        served.start()
        self.assertEqual([4], told)

    def test_workers_know_their_number(self):
        served = mock.Mock()
        service._Worker(3, mock.Mock(), served)
        self.assertEqual(3, served.worker)
