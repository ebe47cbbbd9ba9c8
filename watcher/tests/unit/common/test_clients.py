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

import ssl
import threading

import requests
from keystoneauth1 import loading as ka_loading
from requests_mock.contrib import fixture as requests_mock

from watcher.common import clients
from watcher.common import exception
from watcher.common import rest
from watcher.tests import base

KEYSTONE = 'http://keystone.example:5000'
NOVA = 'http://nova.example:8774/v2.1'
INTERNAL = 'http://nova-internal.example:8774/v2.1'
PLACEMENT = 'http://placement.example:8778'
PASSWORD = 'open-sesame'


def _endpoint(url, interface='public'):
    return {'id': url, 'interface': interface, 'url': url,
            'region': 'east', 'region_id': 'east'}


def token(catalog):
    """A body of Keystone's answer to a login."""
    return {'token': {
        'methods': ['password'], 'expires_at': '2099-01-01T00:00:00Z',
        'issued_at': '2026-01-01T00:00:00Z',
        'user': {'id': 'u1', 'name': 'watcher',
                 'domain': {'id': 'default', 'name': 'Default'}},
        'project': {'id': 'p1', 'name': 'service',
                    'domain': {'id': 'default', 'name': 'Default'}},
        'roles': [{'id': 'r1', 'name': 'admin'}], 'catalog': catalog}}


CATALOG = [
    {'type': 'compute', 'id': 'c', 'name': 'nova',
     'endpoints': [_endpoint(NOVA), _endpoint(INTERNAL, 'internal')]},
    {'type': 'placement', 'id': 'p', 'name': 'placement',
     'endpoints': [_endpoint(PLACEMENT)]},
]


def _versions(url, path=''):
    return {'version': {
        'id': 'v2.1', 'status': 'CURRENT', 'version': '2.96',
        'min_version': '2.1', 'links': [{'rel': 'self', 'href': url}]}}


class ClientsTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        clients.OpenStackClients().reset_clients()
        self.addCleanup(clients.OpenStackClients().reset_clients)
        self.http = self.useFixture(requests_mock.Fixture())
        self.credentials('watcher_clients_auth', username='watcher')
        self.http.get(KEYSTONE + '/v3', json={'version': {
            'id': 'v3.14', 'status': 'stable',
            'links': [{'rel': 'self', 'href': KEYSTONE + '/v3'}]}})
        self.login = self.http.post(
            KEYSTONE + '/v3/auth/tokens', json=token(CATALOG),
            headers={'X-Subject-Token': 'secret-token'})
        for url in (NOVA, INTERNAL):
            self.http.get(url, json=_versions(url))
        self.http.get(PLACEMENT, json={'versions': [{
            'id': 'v1.0', 'status': 'CURRENT', 'min_version': '1.0',
            'max_version': '1.39', 'links': [{'rel': 'self', 'href': ''}]}]})
        self.flavors = self.http.get(
            NOVA + '/flavors', json={'flavors': []})

    def credentials(self, group, **values):
        self.conf.register_opts(
            ka_loading.get_auth_plugin_conf_options('password'), group=group)
        self.config(group, auth_type='password', password=PASSWORD,
                    auth_url=KEYSTONE + '/v3', project_name='service',
                    user_domain_name='Default',
                    project_domain_name='Default', **values)

    def rest(self, service='nova'):
        return clients.OpenStackClients().rest(service)


class TestConnections(ClientsTestCase):

    def test_services_and_threads_share_one_token(self):
        self.http.get(PLACEMENT + '/traits', json={})

        def work():
            self.rest().get('/flavors')
            self.rest('placement').get('/traits')
        threads = [threading.Thread(target=work) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(1, self.login.call_count)
        self.assertEqual(5, self.flavors.call_count)

    def test_many_threads_keep_their_connections(self):
        self.config('watcher_clients_auth', tls_min_version='1.3')
        for adapter in self.rest().session.session.adapters.values():
            pool = adapter.poolmanager.connection_pool_kw
            self.assertEqual(100, pool['maxsize'])
            self.assertEqual(ssl.TLSVersion.TLSv1_3,
                             pool['ssl_context'].minimum_version)

    def test_own_credentials_of_a_service_are_preferred(self):
        self.credentials('nova', username='mover')
        self.rest().get('/flavors')
        sent = self.login.last_request.json()
        self.assertEqual(
            'mover', sent['auth']['identity']['password']['user']['name'])

    def test_another_section_may_hold_the_credentials(self):
        self.conf.register_opts(
            ka_loading.get_auth_common_conf_options(), group='vault')
        self.credentials('vault', username='guard')
        self.config('nova', auth_section='vault')
        self.rest().get('/flavors')
        sent = self.login.last_request.json()
        self.assertEqual(
            'guard', sent['auth']['identity']['password']['user']['name'])

    def test_changed_settings_make_a_new_connection(self):
        self.rest().get('/flavors')
        self.config('watcher_clients_auth', username='other')
        self.rest().get('/flavors')
        self.assertEqual(2, self.login.call_count)

    def test_reset_logs_in_again(self):
        self.rest().get('/flavors')
        clients.OpenStackClients().reset_clients()
        self.rest().get('/flavors')
        self.assertEqual(2, self.login.call_count)

    def test_ignored_tls_options_are_named(self):
        self.config('nova', cafile='/etc/ca.pem')
        self.rest()
        self.assertIn('cafile of [nova] are ignored', self.logger.output)

    def test_requests_have_a_time_out_by_default(self):
        self.rest().get('/flavors')
        self.assertEqual(clients.DEFAULT_TIMEOUT,
                         self.flavors.last_request.timeout)

    def test_configured_time_out(self):
        self.config('watcher_clients_auth', timeout=7)
        self.rest().get('/flavors')
        self.assertEqual(7, self.flavors.last_request.timeout)

    def test_no_credentials_at_all(self):
        self.config('watcher_clients_auth', auth_type=None)
        error = self.assertRaises(
            exception.AuthorizationFailure, self.rest)
        self.assertIn('[watcher_clients_auth]', str(error))
        self.assertIn('auth_type', str(error))

    def test_incomplete_credentials(self):
        self.config('watcher_clients_auth', auth_url=None)
        error = self.assertRaises(
            exception.AuthorizationFailure, self.rest)
        self.assertIn('auth_url', str(error))


class TestInterfaces(ClientsTestCase):

    def _interfaces(self, service='nova'):
        return clients.interfaces(self.conf.conf, clients.SERVICES[service])

    def test_old_default_is_public(self):
        self.assertEqual(['public'], self._interfaces())

    def test_old_group_still_counts(self):
        self.config('nova_client', endpoint_type='internalURL')
        self.assertEqual(['internal'], self._interfaces())
        internal = self.http.get(INTERNAL + '/flavors', json={})
        self.rest().get('/flavors')
        self.assertEqual(1, internal.call_count)

    def test_interface_beats_the_old_group(self):
        self.config('nova_client', endpoint_type='adminURL')
        self.config('nova', interface='internal')
        self.assertEqual(['internal'], self._interfaces())

    def test_valid_interfaces_beat_interface(self):
        self.config('nova', interface='admin',
                    valid_interfaces=['internal', 'publicURL'])
        self.assertEqual(['internal', 'public'], self._interfaces())
        self.assertIn('interface is ignored', self.logger.output)

    def test_placement_has_no_default(self):
        self.assertIsNone(self._interfaces('placement'))


class TestFailures(ClientsTestCase):

    def failure(self, method='GET', path='/flavors'):
        return self.assertRaises(
            rest.RequestFailed, self.rest().request, method, path)

    def test_wrong_password(self):
        self.http.post(
            KEYSTONE + '/v3/auth/tokens', status_code=401,
            headers={'Content-Type': 'application/json'}, json={'error': {
                'code': 401, 'title': 'Unauthorized', 'message':
                'The request you have made requires authentication.'}})
        error = self.assertRaises(
            exception.AuthorizationFailure, self.rest().get, '/flavors')
        for told in ('Nova', KEYSTONE, 'watcher', '[watcher_clients_auth]',
                     'requires authentication'):
            self.assertIn(told, str(error))
        self.assertNotIn(PASSWORD, str(error))

    def test_service_unreachable(self):
        self.http.get(NOVA + '/flavors', exc=requests.ConnectionError(
            "HTTPConnectionPool(host='nova.example', port=8774): Max "
            "retries exceeded with url: /v2.1 (Caused by NewConnectionError"
            "('<urllib3 object at 0x7f>: Failed to establish: "
            "[Errno 111] Connection refused'))"))
        error = self.failure()
        self.assertTrue(error.connection_error)
        self.assertIsNone(error.status)
        self.assertEqual(
            f'Nova at {NOVA}/flavors cannot be reached (group [nova]): '
            '[Errno 111] Connection refused', error.reason)

    def test_connection_broken(self):
        self.http.get(NOVA + '/flavors', exc=requests.ConnectionError(
            "('Connection aborted.', ConnectionResetError(104, 'reset'))"))
        self.assertEqual(
            f'Nova at {NOVA}/flavors cannot be reached (group [nova]): '
            "('Connection aborted.', ConnectionResetError(104, 'reset'))",
            self.failure().reason)

    def test_time_out(self):
        self.http.get(NOVA + '/flavors',
                      exc=requests.Timeout('Read timed out.'))
        error = self.failure()
        self.assertTrue(error.connection_error)
        self.assertIn('cannot be reached', error.reason)
        self.assertIn('timed out', error.reason)

    def test_keystone_unreachable(self):
        for url in (KEYSTONE + '/v3', KEYSTONE + '/v3/auth/tokens'):
            self.http.register_uri(
                'GET' if url.endswith('v3') else 'POST', url,
                exc=requests.ConnectionError('[Errno 113] No route'))
        error = self.failure()
        self.assertTrue(error.connection_error)
        self.assertIn(KEYSTONE, error.reason)

    def test_no_endpoint(self):
        self.http.post(
            KEYSTONE + '/v3/auth/tokens', json=token([]),
            headers={'X-Subject-Token': 'secret-token'})
        self.config('nova', region_name='west')
        error = self.failure()
        for told in ('compute', 'west', 'public', '[nova]'):
            self.assertIn(told, error.reason)
        self.assertFalse(error.connection_error)

    def test_service_without_versions(self):
        self.http.get(NOVA, status_code=503, text='Service Unavailable')
        self.http.get('http://nova.example:8774/', status_code=503)
        error = self.failure()
        self.assertEqual(
            f'Nova at {NOVA} does not tell its versions (group [nova]): '
            'HTTP 503 Service Unavailable', error.reason)
        self.assertEqual(503, error.status)

    def test_service_unreachable_from_the_start(self):
        for url in (NOVA, 'http://nova.example:8774/'):
            self.http.get(url, exc=requests.ConnectionError(
                '[Errno 111] Connection refused'))
        error = self.failure()
        self.assertTrue(error.connection_error)
        self.assertEqual(
            f'Nova at {NOVA} cannot be reached (group [nova]): '
            '[Errno 111] Connection refused', error.reason)

    def test_a_service_may_move(self):
        self.rest().get('/flavors')
        self.http.get(NOVA + '/flavors',
                      exc=requests.ConnectionError('moved'))
        self.failure()
        self.http.get(NOVA + '/flavors', json={'flavors': [1]})
        self.assertEqual({'flavors': [1]}, self.rest().get('/flavors'))

    def test_an_endpoint_that_appears_later_is_found(self):
        self.http.post(
            KEYSTONE + '/v3/auth/tokens', json=token([]),
            headers={'X-Subject-Token': 'secret-token'})
        self.failure()
        clients.OpenStackClients().reset_clients()
        self.http.post(
            KEYSTONE + '/v3/auth/tokens', json=token(CATALOG),
            headers={'X-Subject-Token': 'secret-token'})
        self.assertEqual({'flavors': []}, self.rest().get('/flavors'))

    def test_refused(self):
        self.http.get(
            NOVA + '/flavors', status_code=403,
            json={'forbidden': {'code': 403, 'message': 'Not  allowed.'}},
            headers={'x-openstack-request-id': 'req-1'})
        error = self.failure()
        self.assertEqual(403, error.status)
        self.assertEqual(
            f'HTTP 403 Not allowed. (GET {NOVA}/flavors, req-1)',
            error.reason)

    def test_no_json(self):
        self.http.get(NOVA + '/flavors', text='<html>hello</html>')
        self.assertIn('did not answer with JSON', self.failure().reason)

    def test_empty_answer(self):
        self.http.get(NOVA + '/flavors', status_code=202, text='')
        self.assertEqual({}, self.rest().get('/flavors'))

    def test_only_reading_is_repeated_by_the_http_layer(self):
        self.config('nova', connect_retries=2, connect_retry_delay=0)
        reading = self.http.get(NOVA + '/flavors',
                                exc=requests.ConnectionError('away'))
        writing = self.http.post(NOVA + '/flavors',
                                 exc=requests.ConnectionError('away'))
        self.failure()
        self.failure('POST')
        self.assertEqual(3, reading.call_count)
        self.assertEqual(1, writing.call_count)


class TestErrorText(base.TestCase):

    def _text(self, **kwargs):
        response = requests.Response()
        response.reason = 'Bad Gateway'
        response._content = kwargs.get('body', b'')
        return rest.error_text(response)

    def test_nova(self):
        self.assertEqual('gone', self._text(
            body=b'{"itemNotFound": {"code": 404, "message": "gone"}}'))

    def test_placement(self):
        self.assertEqual('no such provider', self._text(
            body=b'{"errors": [{"status": 404, "title": "Not Found", '
                 b'"detail": "no such\\n provider"}]}'))

    def test_other_json(self):
        self.assertEqual('oops', self._text(body=b'{"message": "oops"}'))
        self.assertEqual('[1]', self._text(body=b'[1]'))

    def test_plain_text(self):
        self.assertEqual('proxy error', self._text(body=b'proxy\n error'))

    def test_nothing(self):
        self.assertEqual('Bad Gateway', self._text())


class TestRestClient(ClientsTestCase):

    def test_newest_microversion(self):
        self.assertEqual((2, 96), self.rest().max_microversion())

    def test_microversion_and_request_id_are_sent(self):
        self.rest().get('/flavors', microversion='2.61')
        headers = self.flavors.last_request.headers
        self.assertEqual('2.61', headers['X-OpenStack-Nova-API-Version'])

    def test_sources_of_a_client(self):
        rest = self.rest()
        self.assertIs(rest, clients.rest_client('nova', rest))
        for source in (None, clients.OpenStackClients(), rest.sdk,
                       rest.session):
            made = clients.rest_client('nova', source)
            self.assertEqual({'flavors': []}, made.get('/flavors'))
