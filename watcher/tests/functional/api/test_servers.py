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
"""The stand-alone server and uWSGI give the same answers.

Real servers on real sockets, with one database.
"""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys

from testtools import content

from watcher import conf
from watcher.api import app
from watcher.common import wsgi_server
from watcher.tests import base
from watcher.tests.fixtures import api as api_fixture
from watcher.tests.fixtures import services

CONF = conf.CONF

UWSGI = os.path.join(os.path.dirname(sys.executable), 'uwsgi')

PREFIX = '/infra-optim'

#: Bytes that the test allows a body to have.
LIMIT = 2000

#: Of the connection, or of the moment.
NOT_COMPARED = {'date', 'server', 'connection', 'keep-alive',
                'transfer-encoding'}

UUID = re.compile(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}')
TIME = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?')

ADMIN = {'X-Roles': 'admin', 'Accept': 'application/json'}
LATEST = {**ADMIN, 'OpenStack-API-Version': 'infra-optim latest'}
JSON = {**LATEST, 'Content-Type': 'application/json'}

AUDIT = json.dumps({'audit_type': 'ONESHOT', 'goal': 'dummy'}).encode()

REQUESTS = (
    # discovery and routing
    ('GET', '/', {}, None),
    ('GET', '', {}, None),
    ('GET', '/v1', ADMIN, None),
    ('GET', '/v1/', LATEST, None),
    ('GET', '//v1//goals//dummy/', ADMIN, None),
    ('GET', '/v1/goals%2Fdummy', ADMIN, None),
    ('GET', '/%2f/v1%2fgoals/dummy?', ADMIN, None),
    ('GET', '/v1/goals/a%252Fb', ADMIN, None),
    ('GET', '/v1/goals?sort_key=%2Fa//b', ADMIN, None),
    ('GET', '/v1/goals/dummy.json', ADMIN, None),
    ('GET', '/v1/goals/?limit=1', ADMIN, None),
    ('GET', '/v1/goals/detail', LATEST, None),
    ('GET', '/goals/DUMMY', ADMIN, None),
    ('GET', '/v1/goals/d%C3%A9j%C3%A0', ADMIN, None),
    ('GET', '/v1/goals/%FF', ADMIN, None),
    ('GET', '/v1/goals/%00', ADMIN, None),
    ('GET', '/v1/goals?sort_key=%FF', ADMIN, None),
    ('GET', '/v1/goals?limit=1&limit=2', ADMIN, None),
    ('GET', '/v1/goals?', ADMIN, None),
    ('GET', '/v1/nope', ADMIN, None),
    ('HEAD', '/', {}, None),
    ('HEAD', '/v1/goals', ADMIN, None),
    ('OPTIONS', '/v1/goals', {}, None),
    ('PUT', '/v1/goals', JSON, b'{}'),
    ('BREW', '/v1/goals', ADMIN, None),
    # headers
    ('GET', '/v1/goals', {}, None),
    ('GET', '/v1/goals', {**ADMIN, 'Accept': 'text/html'}, None),
    ('GET', '/v1/goals', {**ADMIN, 'Accept': ''}, None),
    ('GET', '/v1/goals', {'X-Roles': 'member'}, None),
    ('GET', '/v1/goals', {**ADMIN, 'OpenStack-API-Version':
                          'infra-optim 9.9'}, None),
    ('GET', '/v1/goals', {**ADMIN, 'X-Forwarded-Host': 'pub'}, None),
    ('GET', '/v1/goals', {**ADMIN, 'Content-Type': 'application/json'},
     None),
    ('GET', '/healthcheck', {}, None),
    ('GET', '/healthcheck/ready', {'Accept': 'application/json'}, None),
    # bodies
    ('POST', '/v1/audits', JSON, AUDIT),
    ('POST', '/v1/audits', JSON, (AUDIT[:9], AUDIT[9:])),
    ('POST', '/v1/audits', JSON, b''),
    ('POST', '/v1/audits', JSON, b'{'),
    ('POST', '/v1/audits', JSON, b'\xff'),
    ('POST', '/v1/audits', {**LATEST, 'Content-Type': 'text/plain'}, b'x'),
    ('POST', '/v1/audits', LATEST, AUDIT),
    ('POST', '/v1/audits', JSON, b'x' * LIMIT),
    ('POST', '/v1/audits', JSON, b'x' * (LIMIT + 1)),
    ('POST', '/v1/audits', JSON, (b'x' * LIMIT, b'x')),
    ('POST', '/v1/webhooks/event', JSON, b'{}'),
    ('PATCH', '/v1/audits/event', JSON, b'[]'),
    ('DELETE', '/v1/audits/event',
     {**ADMIN, 'Content-Type': 'application/octet-stream'}, None),
    ('DELETE', '/v1/audit_templates/{}', ADMIN, None),
)


class TestServers(base.TestCase):

    def setUp(self):
        super().setUp()
        if not os.path.exists(UWSGI):
            self.skipTest('uwsgi is not installed')
        configured = self.useFixture(services.Configured(overrides={
            'DEFAULT': {'enable_authentication': False},
            'oslo_middleware': {'max_request_body_size': LIMIT}}))
        self.useFixture(api_fixture.Bus())
        records = api_fixture.Records()
        goal = records.goal()
        records.goal(name='other')
        records.audit(goal, name='event', audit_type='EVENT')
        self.templates = [records.template(goal, name=name).uuid
                          for name in 'ab']
        self.log = os.path.join(
            os.path.dirname(configured.config_file), 'uwsgi.log')
        self.uwsgi = self._start_uwsgi(configured.config_file)
        embedded = wsgi_server.WSGIServer(app.setup_app(CONF), conf=CONF)
        embedded.start()
        self.addCleanup(embedded.stop, 0.1)
        self.embedded = embedded.port

    def _start_uwsgi(self, config_file):
        """Start uWSGI as the example file does; returns the port."""
        # A bound socket that it inherits: connections wait until it is up.
        listener = socket.create_server(('127.0.0.1', 0))
        self.addCleanup(listener.close)
        with open(self.log, 'wb') as log:
            process = subprocess.Popen(
                [UWSGI, '--http-socket', f'fd://{listener.fileno()}',
                 '--master', '--processes', '1', '--threads', '2',
                 '--enable-threads', '--lazy-apps', '--need-app',
                 '--die-on-term', '--single-interpreter',
                 '--pyhome', sys.prefix, '--manage-script-name',
                 '--mount', '/=watcher.wsgi.api:application',
                 '--mount', f'{PREFIX}=watcher.wsgi.api:application'],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                pass_fds=[listener.fileno()],
                env={**os.environ, 'OS_WATCHER_CONFIG_FILE':
                     str(config_file)})
        self.addCleanup(self._end, process)
        return listener.getsockname()[1]

    def _end(self, process):
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with open(self.log, encoding='utf-8') as log:
            self.addDetail('uwsgi.log', content.text_content(log.read()))

    def ask(self, port, method, path, headers, body):
        connection = http.client.HTTPConnection('127.0.0.1', port,
                                                timeout=60)
        try:
            connection.request(method, path, body, headers,
                               encode_chunked=body is not None
                               and not isinstance(body, bytes))
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        found = {name.lower(): value for name, value in response.getheaders()
                 if name.lower() not in NOT_COMPARED}
        return response.status, *(
            self._same(value, port) for value in (
                json.dumps(found, sort_keys=True), text))

    @staticmethod
    def _same(text, port):
        """Replace what differs between any two answers."""
        text = text.replace(f'127.0.0.1:{port}', 'server')
        return TIME.sub('TIME', UUID.sub('UUID', text))

    def test_answers(self):
        """One test, because uWSGI takes seconds to start."""
        self._check_same()
        self._check_mounted()

    def _check_same(self):
        different = []
        for method, path, headers, body in REQUESTS:
            answers = [self.ask(port, method, path.format(template), headers,
                                body)
                       for port, template in zip(
                           (self.embedded, self.uwsgi), self.templates,
                           strict=True)]
            if answers[0] != answers[1]:
                different.append((method, path, *answers))
        self.assertEqual([], different)

    def _check_mounted(self):
        for path in (PREFIX, f'{PREFIX}/'):
            status, _headers, text = self.ask(
                self.uwsgi, 'GET', path, {}, None)
            self.assertEqual(200, status)
            self.assertEqual(
                f'http://server{PREFIX}/v1/',
                json.loads(text)['versions'][0]['links'][0]['href'])
        status, headers, text = self.ask(
            self.uwsgi, 'POST', f'{PREFIX}/v1/audits', JSON, AUDIT)
        self.assertEqual(201, status, text)
        self.assertEqual(f'http://server{PREFIX}/v1/audits/UUID',
                         json.loads(headers)['location'])
        self.assertEqual('http://server/v1/audits/UUID',
                         json.loads(text)['links'][0]['href'])
