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
"""The metrics of the daemons, as real processes that are scraped."""

import functools
import json
import shutil
import socket
import subprocess

import requests
from prometheus_client import parser

from watcher.tests.fixtures import ports
from watcher.tests.functional.cmd import base
from watcher.tests.unit.common import test_wsgi_server

PORTS = {'watcher-decision-engine': 'decision_engine_port',
         'watcher-applier': 'applier_port', 'watcher-api': 'api_port'}


def two_free_ports():
    """Return the first of two ports in a row that nobody listens on."""
    while True:
        first = ports.free_port()
        with socket.socket() as trial:
            if trial.connect_ex(('127.0.0.1', first + 1)):
                return first


class MetricsTestCase(base.DaemonTestCase):

    def setUp(self):
        super().setUp()
        self.upgrade()
        self.session = requests.Session()
        self.addCleanup(self.session.close)

    def serve(self, name, **options):
        """Start a daemon that serves metrics."""
        port = two_free_ports()
        self.options['service_metrics'] = {
            'enabled': 'true', PORTS[name]: port, **options}
        daemon = self.start(name)
        daemon.wait_for_log(f'{name}-metrics answers on')
        return daemon, f'http://127.0.0.1:{port}/metrics'

    def scrape(self, url):
        """Return the text, and samples by name and labels."""
        answer = self.session.get(url, timeout=60)
        self.assertEqual(200, answer.status_code)
        return answer.text, {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in parser.text_string_to_metric_families(answer.text)
            for sample in family.samples}

    def check(self, text):
        """Let Prometheus' own tool judge the form, where it is installed."""
        tool = shutil.which('promtool')
        if tool is None:
            return
        judged = subprocess.run(
            [tool, 'check', 'metrics'], input=text, text=True,
            capture_output=True, check=False)
        self.assertEqual((0, '', ''), (
            judged.returncode, judged.stdout, judged.stderr))


class TestEngines(MetricsTestCase):

    def test_decision_engine(self):
        daemon, url = self.serve('watcher-decision-engine')
        daemon.wait_for_log('is running')
        text, samples = self.scrape(url)
        self.check(text)
        self.assertEqual(2.0, samples['watcher_pool_threads', 'audits'])
        self.assertEqual(0.0, samples['watcher_pool_waiting', 'audits'])
        self.assertIn(('watcher_notifications_topics',), samples)
        self.assertEqual(0.0, samples['watcher_metrics_missing_total',])
        self.assertEqual(1.0, samples['watcher_lease_valid',])
        self.assertIn('testhost', text)
        self.assertEqual((200, 'OK\n'), self.probe(url, '/healthcheck'))
        # There is no cloud: no model.
        status, found = self.probe(url, '/healthcheck/ready')
        self.assertEqual(503, status)
        checks = json.loads(found)['checks']
        self.assertEqual(
            {'database': True, 'bus': True, 'lease': True, 'models': False},
            {name: check['ok'] for name, check in checks.items()})

    def probe(self, url, path):
        answer = self.session.get(url.replace('/metrics', path), timeout=60)
        return answer.status_code, answer.text

    def test_applier_by_https(self):
        """And nothing else is served there."""
        certificate, key = test_wsgi_server.make_certificate(self.directory)
        self.session.trust_env, self.session.verify = False, certificate
        self.options['ssl'] = {'cert_file': certificate, 'key_file': key}
        daemon, url = self.serve('watcher-applier', enable_ssl='true')
        url = url.replace('http://127.0.0.1', 'https://localhost')
        daemon.wait_for_log('is running')
        text, samples = self.scrape(url)
        self.check(text)
        self.assertEqual(0.0, samples['watcher_action_plans', 'PENDING'])
        self.assertEqual(1.0, samples['watcher_lease_valid',])
        self.assertEqual(0.0, samples['watcher_running_plans',])
        self.assertIn(('watcher_pool_threads', 'plans'), samples)
        status, found = self.probe(url, '/healthcheck/ready')
        self.assertEqual(200, status, found)
        for path in ('/', '/v1/audits'):
            answer = self.session.get(
                url.replace('/metrics', path), timeout=60)
            self.assertEqual(404, answer.status_code)
        answer = self.session.post(url, timeout=60)
        self.assertEqual(405, answer.status_code)

    def test_a_port_in_use_keeps_nobody_from_working(self):
        port = ports.free_port()
        with socket.create_server(('127.0.0.1', port)):
            self.options['service_metrics'] = {
                'enabled': 'true', 'applier_port': port}
            daemon = self.start('watcher-applier')
            daemon.wait_for_log('is running')
            daemon.wait_for_log('are not served')
        daemon.wait_for_log('watcher-applier-metrics answers on')
        _text, samples = self.scrape(f'http://127.0.0.1:{port}/metrics')
        self.assertIn(('watcher_running_plans',), samples)


class TestAPI(MetricsTestCase):

    def setUp(self):
        super().setUp()
        self.port = ports.free_port()
        self.options['api'] = {'port': self.port, 'workers': '2'}

    def test_each_worker_has_a_port(self):
        daemon, url = self.serve('watcher-api')
        daemon.wait_for_log('watcher-api-metrics answers on', 2)
        first = int(url.split(':')[2].split('/')[0])
        urls = [url, url.replace(f':{first}', f':{first + 1}')]
        api = f'http://127.0.0.1:{self.port}'
        daemon.wait_for_log('answers on', 4)
        for number in range(3):
            answer = self.session.get(
                f'{api}/v1/goals/nothing{number}', timeout=60,
                headers={'X-Roles': 'admin', 'Connection': 'close'})
            self.assertEqual(404, answer.status_code)
        count = functools.partial(
            self.count, urls,
            ('watcher_api_requests_total', '/v1/goals/{}', '404', 'GET'))
        daemon.wait_for(lambda: count() == 3, 'counting of requests')
        for one in urls:
            text, samples = self.scrape(one)
            self.check(text)
            self.assertIn(('watcher_pool_threads', 'requests'), samples)
            ready = self.session.get(
                one.replace('/metrics', '/healthcheck/ready'), timeout=60)
            self.assertEqual(200, ready.status_code, ready.text)
            self.assertEqual(['bus', 'database'],
                             sorted(ready.json()['checks']))

    def count(self, urls, key):
        return sum(self.scrape(url)[1].get(key, 0) for url in urls)
