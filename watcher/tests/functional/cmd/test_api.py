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
"""The stand-alone API server and the application for web servers."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time

import requests

from watcher.tests.fixtures import forks
from watcher.tests.fixtures import ports
from watcher.tests.functional.cmd import base
from watcher.tests.unit.common import test_wsgi_server

ADMIN = {'X-Roles': 'admin'}


class APITestCase(base.DaemonTestCase):

    def setUp(self):
        super().setUp()
        self.port = ports.free_port()
        self.options['api'] = {'port': self.port, 'workers': '2'}
        self.url = f'http://127.0.0.1:{self.port}'

    def running(self):
        daemon = self.start('watcher-api')
        daemon.wait_for_log('answers on', 2)
        return daemon


class TestAPI(APITestCase):

    def test_serves_with_several_workers(self):
        self.upgrade()
        self.assertEnds(0, self.run_command('watcher-sync'))
        daemon = self.running()
        self.assertEqual(2, len(daemon.workers()))
        self.assertIn(self.url, daemon.log)
        response = requests.get(self.url + '/v1/goals', headers=ADMIN)
        self.assertEqual(200, response.status_code)
        self.assertIn('dummy', {goal['name'] for goal in
                                response.json()['goals']})
        request_id = response.headers['X-OpenStack-Request-ID']
        daemon.wait_for_log(request_id)
        access = [line for line in daemon.log.splitlines()
                  if '"GET /v1/goals HTTP/1.1" status: 200' in line]
        self.assertEqual(1, len(access))
        self.assertIn(request_id, access[0])
        self.assertStops(daemon)
        self.assertRaises(requests.ConnectionError, requests.get, self.url)

    def test_token_is_not_logged(self):
        self.options['DEFAULT']['debug'] = 'true'
        daemon = self.running()
        requests.get(self.url + '/v1/goals',
                     headers={**ADMIN, 'X-Auth-Token': 'hunter2'})
        daemon.wait_for_log('GET /v1/goals')
        self.assertNotIn('hunter2', daemon.log)

    def test_port_in_use(self):
        with socket.create_server(('127.0.0.1', self.port)):
            self.write_config()
            self.assertFails(self.run_command('watcher-api'),
                             'watcher-api: cannot listen',
                             str(self.port), 'in use')

    def test_second_server_on_the_port(self):
        daemon = self.running()
        self.assertFails(self.run_command('watcher-api'), 'in use')
        self.assertEqual(200, requests.get(self.url).status_code)
        self.assertStops(daemon)

    def test_address_of_another_machine(self):
        self.options['api']['host'] = '192.0.2.1'
        self.write_config()
        self.assertFails(self.run_command('watcher-api'), '192.0.2.1')

    def test_https(self):
        cert, key = test_wsgi_server.make_certificate(self.directory)
        self.options['api'].update(enable_ssl_api='true', host='localhost')
        self.options['ssl'] = {'cert_file': cert, 'key_file': key}
        daemon = self.running()
        response = requests.get(f'https://localhost:{self.port}',
                                verify=cert)
        self.assertEqual(200, response.status_code)
        self.assertStops(daemon)

    def test_https_without_certificate(self):
        self.options['api']['enable_ssl_api'] = 'true'
        self.write_config()
        self.assertFails(self.run_command('watcher-api'), '[ssl] cert_file')

    def test_stop_finishes_quickly_with_idle_clients(self):
        daemon = self.running()
        session = requests.Session()
        session.get(self.url)
        self.assertStops(daemon)

    def test_database_away(self):
        self.options['database'] = {
            'connection': 'mysql+pymysql://user:hunter2@127.0.0.1:1/w'}
        daemon = self.running()
        response = requests.get(self.url + '/v1/goals', headers=ADMIN)
        self.assertIn(response.status_code, (500, 503))
        self.assertNotIn('hunter2', response.text + daemon.log)
        self.assertStops(daemon)


WSGI_SCRIPT = """
import json, sys
sys.argv = ['uwsgi', '--http', ':80', '--master'] + sys.argv[1:]
from watcher.wsgi import api
answer = {}
def start_response(status, headers):
    answer['status'] = status
environ = {'REQUEST_METHOD': 'GET', 'PATH_INFO': '/', 'SCRIPT_NAME': '/x',
           'SERVER_NAME': 'host', 'SERVER_PORT': '80',
           'SERVER_PROTOCOL': 'HTTP/1.1', 'wsgi.url_scheme': 'http',
           'wsgi.input': sys.stdin.buffer, 'wsgi.errors': sys.stderr}
answer['body'] = b''.join(
    api.application(environ, start_response)).decode()
answer['same'] = api.initialize_wsgi_app() is api.application
answer['host'] = api.common.CONF.host
print(json.dumps(answer))
"""


class TestWSGI(base.CommandTestCase):

    def serve(self, *arguments, **env):
        return forks.run(
            WSGI_SCRIPT, arguments, cwd=self.directory,
            env={**os.environ, 'HOME': self.directory, **env})

    def assertServes(self, result):
        self.assertEnds(0, result)
        answer = json.loads(result.stdout)
        self.assertEqual('200 OK', answer['status'])
        self.assertIn('v1', answer['body'])
        self.assertTrue(answer['same'])
        self.assertEqual('testhost', answer['host'])

    def test_configuration_is_searched(self):
        os.mkdir(self.path('.watcher'))
        os.rename(self.write_config(), self.path('.watcher/watcher.conf'))
        self.assertServes(self.serve())

    def test_configuration_from_the_environment(self):
        path = self.write_config(service_metrics={'enabled': 'true'})
        os.rename(path, self.path('other.conf'))
        result = self.serve(OS_WATCHER_CONFIG_FILE=self.path('other.conf'))
        self.assertServes(result)
        self.assertIn('metrics are not offered under a web server',
                      result.stderr)

    def test_configuration_among_foreign_arguments(self):
        path = self.write_config()
        os.rename(path, self.path('other.conf'))
        self.assertServes(self.serve(
            '--config-file', self.path('other.conf'), '-p', '4'))

    def test_configuration_file_is_missing(self):
        self.assertFails(self.serve(OS_WATCHER_CONFIG_FILE='/nowhere.conf'),
                         'watcher-api: ', '/nowhere.conf')


class TestUWSGI(base.CommandTestCase):
    """A real web server with workers that it forks by itself."""

    def test_uwsgi(self):
        uwsgi = os.path.join(os.path.dirname(sys.executable), 'uwsgi')
        if not os.path.exists(uwsgi):
            self.skipTest('uwsgi is not installed')
        port = ports.free_port()
        config = self.write_config()
        with open(self.path('uwsgi.log'), 'wb') as log:
            process = subprocess.Popen(
                [uwsgi, '--http-socket', f'127.0.0.1:{port}', '--master',
                 '--processes', '2', '--enable-threads', '--die-on-term',
                 '--module', 'watcher.wsgi.api:application',
                 '--pyhome', sys.prefix],
                stdout=log, stderr=log, cwd=self.directory,
                stdin=subprocess.DEVNULL,
                env={**os.environ, 'HOME': self.directory,
                     'OS_WATCHER_CONFIG_FILE': config})
        self.addCleanup(self._end, process)
        response = self._get(process, f'http://127.0.0.1:{port}/')
        self.assertEqual(200, response.status_code)
        self._terminate(process)
        self.assertEqual(0, process.wait(base.STOP_TIMEOUT))

    @staticmethod
    def _terminate(process):
        """End it, though it serves before it heeds signals.

        A first worker answers while the master still starts the others.
        """
        deadline = time.monotonic() + base.STOP_TIMEOUT
        while process.poll() is None and time.monotonic() < deadline:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(3)

    def _get(self, process, url):
        deadline = time.monotonic() + base.START_TIMEOUT
        while True:
            try:
                return requests.get(url, timeout=base.START_TIMEOUT)
            except requests.ConnectionError:
                with open(self.path('uwsgi.log'), encoding='utf-8') as log:
                    self.assertIsNone(process.poll(), log.read())
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.1)

    @staticmethod
    def _end(process):
        if process.poll() is None:
            process.kill()
            process.wait()
