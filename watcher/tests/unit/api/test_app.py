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
"""The middleware around the API."""

import io
import json
import threading
import uuid
from unittest import mock

import fixtures
import webob
import webtest
from keystonemiddleware import fixture as ksm_fixture
from keystonemiddleware import opts

from watcher.api import app
from watcher.api.middleware import auth
from watcher.api.middleware import size as size_limit
from watcher.common import context
from watcher.common import policy
from watcher.db.sqlalchemy import session
from watcher.tests import base as test_base
from watcher.tests.fixtures import api as api_fixture
from watcher.tests.unit.api import base


class TestRequestId(base.ApiTestCase):

    def test_in_every_answer(self):
        found = set()
        for path in ('/', '/v1/goals', '/v1/nope'):
            found.add(self.request('GET', path).headers[
                'X-OpenStack-Request-ID'])
        self.assertEqual(3, len(found))
        for value in found:
            self.assertTrue(value.startswith('req-'))


class TestProxy(base.ApiTestCase):

    def test_not_believed_by_default(self):
        self.records.goal()
        goal = self.get('/v1/goals/dummy', headers={
            'X-Forwarded-Proto': 'https',
            'X-Forwarded-Host': 'pub.example:8443'}).json
        self.assertTrue(goal['links'][0]['href'].startswith(
            'http://localhost/v1/'))


class TestSize(base.ApiTestCase):

    LIMIT = 1000

    def setUp(self):
        super().setUp()
        self.default = self.conf.conf.oslo_middleware.max_request_body_size
        self.config(max_request_body_size=self.LIMIT,
                    group='oslo_middleware')

    def send(self, size, **environ):
        """Send a body that is no JSON; 400 says that it was read."""
        body = io.BytesIO(b'x' * size)
        environ = {'REQUEST_METHOD': 'POST', 'PATH_INFO': '/v1/audits',
                   'CONTENT_TYPE': 'application/json', 'wsgi.input': body,
                   'HTTP_X_ROLES': 'admin', **environ}
        response = webob.Request.blank('/', environ=environ).get_response(
            self.api.app)
        self.assertIn('X-OpenStack-Request-ID', response.headers)
        return response, body

    def assert_status(self, status, size, **environ):
        response, _body = self.send(size, **environ)
        self.assertEqual(status, response.status_int, response.text)

    def test_default(self):
        self.assertEqual(4 * 1024 * 1024, self.default)

    def test_declared(self):
        for size, status in ((self.LIMIT, 400), (self.LIMIT + 1, 413)):
            self.assert_status(status, size, CONTENT_LENGTH=str(size))

    def test_declared_with_thousands_of_digits(self):
        self.assert_status(413, 3, CONTENT_LENGTH='9' * 5000)

    def test_in_chunks(self):
        for size, status in ((self.LIMIT, 400), (self.LIMIT + 1, 413)):
            self.assert_status(status, size,
                               HTTP_TRANSFER_ENCODING='chunked')
            # The chunks are what counts.
            self.assert_status(status, size, CONTENT_LENGTH='1',
                               HTTP_TRANSFER_ENCODING='chunked')

    def test_length_that_is_none(self):
        for length in ('-1', 'x', '1_0', '\u0663'):
            self.assert_status(400, 3, CONTENT_LENGTH=length)

    def test_body_that_ends_too_early(self):
        response, _body = self.send(3, CONTENT_LENGTH='5')
        self.assert_refused(400, response, '3 bytes', 'promises 5')

    def test_body_that_cannot_be_read(self):
        for problem in (ValueError('Bad chunk'), OSError('connection lost')):
            stream = mock.Mock(**{'read.side_effect': problem})
            response, _body = self.send(3, **{
                'wsgi.input': stream, 'CONTENT_LENGTH': '3'})
            self.assert_refused(400, response, 'cannot be read')
            self.assertIn(str(problem), self.logger.output)

    def test_body_in_chunks_is_complete(self):
        goal = self.records.goal()
        body = json.dumps({'audit_type': 'ONESHOT', 'goal': goal.uuid})
        self.assert_status(201, 0, HTTP_TRANSFER_ENCODING='chunked', **{
            'wsgi.input': io.BytesIO(body.encode())})

    def test_answer(self):
        response = self.request('POST', '/v1/audits', status=413,
                                raw=b'x' * (self.LIMIT + 1))
        self.assert_refused(413, response, self.LIMIT)
        self.assertEqual(413, self.fault(response)['code'])
        self.assertIn('max_request_body_size', self.logger.output)

    def test_rest_is_read_but_not_for_ever(self):
        # Else the connection ends before the client has read the answer.
        size = self.LIMIT * 2
        for environ in ({'CONTENT_LENGTH': str(size)},
                        {'HTTP_TRANSFER_ENCODING': 'chunked'}):
            _response, body = self.send(size, **environ)
            self.assertEqual(size, body.tell())
        self.useFixture(fixtures.MockPatchObject(size_limit, 'PATIENCE', 10))
        self.useFixture(fixtures.MockPatchObject(size_limit, 'BLOCK', 10))
        for environ in ({'CONTENT_LENGTH': str(size)},
                        {'HTTP_TRANSFER_ENCODING': 'chunked'}):
            _response, body = self.send(size, **environ)
            self.assertEqual(self.LIMIT + 20, body.tell())


class TestHealth(base.ApiTestCase):

    def check(self, status, path='/healthcheck', method='GET', **headers):
        response = self.client.request(path, method=method, headers=headers,
                                       expect_errors=True)
        self.assertEqual(status, response.status_int, response.text)
        self.assertIn('X-OpenStack-Request-ID', response.headers)
        return response

    def test_alive(self):
        response = self.check(200, Accept='application/json')
        self.assertEqual({'detailed': False, 'reasons': []}, response.json)
        self.check(200, '/healthcheck/')
        self.check(204, method='HEAD')

    def test_ready(self):
        self.check(200, '/healthcheck/ready')
        self.check(204, '/healthcheck/ready', 'HEAD')

    def test_database_is_away(self):
        session.reset()
        self.config(connection='mysql+pymysql://u:hidden@127.0.0.1:1/watcher',
                    max_retries=0, group='database')
        response = self.check(503, '/healthcheck/ready')
        self.assertEqual('The database cannot be reached.', response.text)
        self.check(503, '/healthcheck/ready', 'HEAD')
        self.assertNotIn('hidden', self.logger.output)
        # No reason to restart the process.
        self.check(200)

    def test_database_hangs(self):
        """One thread waits for it, and not one for each probe."""
        answers = threading.Event()
        self.addCleanup(answers.set)
        asked = []

        def ping():
            asked.append(1)
            answers.wait(test_base.PATIENCE)

        self.useFixture(fixtures.MonkeyPatch(
            'watcher.db.sqlalchemy.figures.Operations.ping', ping))
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.api.middleware.health.PATIENCE', 0.05))
        for _number in range(3):
            self.check(503, '/healthcheck/ready')
        self.assertEqual([1], asked)

    def test_not_for_everybody(self):
        self.config(allowed_source_ranges=['192.0.2.0/24'],
                    group='healthcheck')
        self.client = webtest.TestApp(app.setup_app(self.conf.conf),
                                      extra_environ={
                                          'REMOTE_ADDR': '198.51.100.1'})
        self.check(404)
        self.check(404, '/healthcheck/ready')
        self.client.extra_environ['REMOTE_ADDR'] = '192.0.2.7'
        self.check(200, '/healthcheck/ready')


def keystone(test):
    """Configure an identity service."""
    for group, options in opts.list_auth_token_opts():
        test.conf.register_opts(options, group=group)
    test.config(www_authenticate_uri='http://keystone.example',
                group='keystone_authtoken')


class TestAuthentication(test_base.TestCase):

    def setUp(self):
        super().setUp()
        keystone(self)
        tokens = self.useFixture(ksm_fixture.AuthTokenFixture())
        self.admin = 'admin'
        tokens.add_token_data(token_id=self.admin, role_list=['admin'])
        self.start()

    def start(self):
        self.api = self.useFixture(api_fixture.Api(authentication=True))
        self.client = webtest.TestApp(self.api.app)

    def get(self, path, token=None, **headers):
        if token:
            headers['X-Auth-Token'] = token
        return self.client.get(path, headers=headers, expect_errors=True)

    def test_without_configuration(self):
        self.config(www_authenticate_uri=None, group='keystone_authtoken')
        self.start()
        response = self.get('/v1/goals')
        self.assertEqual(500, response.status_int)
        self.assertIn('error_message', response.json)
        self.assertIn('[keystone_authtoken]', self.logger.output)

    def test_log_lines_have_the_id_of_their_request(self):
        """Also those of the token check, which comes before the handlers."""
        logged = []

        def away(check, token, **kwargs):
            logged.append(context.get_current().request_id)
            raise webob.exc.HTTPServiceUnavailable()

        self.get('/v1/goals', self.admin)
        self.useFixture(fixtures.MonkeyPatch(
            'keystonemiddleware.auth_token.AuthProtocol.fetch_token', away))
        response = self.get('/v1/goals', self.admin)
        self.assertEqual(503, response.status_int)
        self.assertEqual([response.headers['X-OpenStack-Request-ID']],
                         logged)

    def test_open_webhooks_believe_no_headers(self):
        self.config(enable_webhooks_auth=False, group='api')
        self.start()
        seen = []

        def remember(environ, start_response):
            seen.append({name for name in environ
                         if name.startswith('HTTP_X_')})
            start_response('204 No Content', [])
            return [b'']

        middleware = self._auth_token()
        middleware.public_app = remember
        middleware({'PATH_INFO': '/v1/webhooks/e', 'HTTP_X_ROLES': 'admin',
                    'HTTP_X_USER_ID': 'me', 'HTTP_X_FORWARDED_FOR': 'a'},
                   lambda *args: None)
        self.assertEqual([{'HTTP_X_FORWARDED_FOR'}], seen)

    def _auth_token(self):
        layer = self.api.app
        while not isinstance(layer, auth.AuthToken):
            layer = (layer.application if hasattr(layer, 'application')
                     else layer.app)
        return layer


class TestContext(test_base.TestCase):
    """What of a token goes to policies, to the log and over the bus."""

    def setUp(self):
        super().setUp()
        keystone(self)
        tokens = self.useFixture(ksm_fixture.AuthTokenFixture())
        tokens.add_token_data(
            token_id='mine', user_id='u', user_domain_id='ud',
            project_id='p', project_domain_id='pd',
            role_list=['admin', 'member'])
        tokens.add_token_data(token_id='theirs', user_id='s',
                              role_list=['service'])
        api = self.useFixture(api_fixture.Api(authentication=True))
        self.client = webtest.TestApp(api.app)
        self.seen = []
        self.useFixture(fixtures.MockPatchObject(
            policy, 'enforce', lambda context, *args: self.seen.append(
                context)))

    def context(self, **headers):
        """Return the context of a request, and its response."""
        response = self.client.get('/v1/goals', headers={
            'X-Auth-Token': 'mine', **headers})
        return self.seen[-1], response

    def test_identity(self):
        context, _response = self.context(**{
            'X-Service-Token': 'theirs', 'X-User-Id': 'somebody',
            'X-Is-Admin-Project': 'False'})
        self.assertEqual(('u', 'ud', 'p', 'pd'), (
            context.user_id, context.user_domain_id, context.project_id,
            context.project_domain_id))
        self.assertEqual(['admin', 'member'], sorted(context.roles))
        self.assertEqual(['service'], context.service_roles)
        self.assertFalse(context.show_deleted)

    def test_token_information_travels(self):
        context, _response = self.context()
        info = context.to_dict()['auth_token_info']
        self.assertEqual('u', info['token']['user']['id'])

    def test_request_ids(self):
        given = f'req-{uuid.uuid4()}'
        context, response = self.context(**{'X-OpenStack-Request-ID': given})
        self.assertEqual(response.headers['X-OpenStack-Request-ID'],
                         context.request_id)
        self.assertEqual(given, context.global_request_id)
        for other in ('req-1', 'x', str(uuid.uuid4())):
            context, _response = self.context(**{
                'X-OpenStack-Request-ID': other})
            self.assertIsNone(context.global_request_id)

    def test_show_deleted(self):
        for value, meaning in (('True', True), ('1', True), ('yes', True),
                               ('false', False), ('0', False), ('', False),
                               ('perhaps', False)):
            context, _response = self.context(**{'X-Show-Deleted': value})
            self.assertIs(meaning, context.show_deleted, value)
