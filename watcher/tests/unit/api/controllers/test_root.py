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
"""Discovery, routing and versions over HTTP."""

import webtest
from oslo_utils import uuidutils

from watcher.tests.unit.api import base


def mounted(app, prefix):
    """Return the application as a web server mounts it below a prefix."""
    def mount(environ, start_response):
        path = environ['PATH_INFO']
        assert path.startswith(prefix), path
        return app({**environ, 'SCRIPT_NAME': prefix,
                    'PATH_INFO': path.removeprefix(prefix)}, start_response)
    return mount


class TestDiscovery(base.ApiTestCase):

    def test_service_document(self):
        response = self.get('/', headers={'X-Roles': None})
        document = response.json
        self.assertEqual('OpenStack Watcher API', document['name'])
        self.assertEqual([{
            'id': 'v1', 'status': 'CURRENT', 'min_version': '1.0',
            'max_version': '1.7',
            'links': [{'href': 'http://localhost/v1/', 'rel': 'self'}]}],
            document['versions'])
        self.assertEqual(document['versions'][0],
                         document['default_version'])
        self.assertNotIn('OpenStack-API-Version', response.headers)

    def test_service_document_ignores_the_version(self):
        self.get('/', version='9.9')

    def test_version_document(self):
        document = self.get('/v1', version='1.4').json
        self.assertEqual('v1', document['id'])
        self.assertEqual(
            [{'href': 'http://localhost/v1/audits/', 'rel': 'self'},
             {'href': 'http://localhost/audits/', 'rel': 'bookmark'}],
            document['audits'])
        for name in ('audit_templates', 'action_plans', 'actions', 'links',
                     'media_types', 'services', 'scoring_engines',
                     'data_model', 'webhooks'):
            self.assertIn(name, document)

    def test_version_document_depends_on_the_version(self):
        self.assertNotIn('webhooks', self.get('/v1', version='1.3').json)
        self.assertIn('data_model', self.get('/v1', version='1.3').json)
        self.assertNotIn('data_model', self.get('/v1', version=None).json)

    def test_mount_prefix(self):
        self.client = webtest.TestApp(mounted(self.api.app, '/infra-optim'))
        goal = self.records.goal()
        document = self.get('/infra-optim/').json
        self.assertEqual('http://localhost/infra-optim/v1/',
                         document['versions'][0]['links'][0]['href'])
        document = self.get('/infra-optim/v1').json
        self.assertEqual('http://localhost/infra-optim/v1/audits/',
                         document['audits'][0]['href'])
        response = self.post('/infra-optim/v1/audit_templates',
                             {'name': 't', 'goal': 'dummy'}, status=201)
        uuid = response.json['uuid']
        self.assertEqual(
            f'http://localhost/infra-optim/v1/audit_templates/{uuid}',
            response.headers['Location'])
        # Clients append these to an endpoint that has the prefix already.
        self.assertEqual(f'http://localhost/v1/audit_templates/{uuid}',
                         response.json['links'][0]['href'])
        document = self.get('/infra-optim/v1/goals?limit=1').json
        self.assertEqual(
            'http://localhost/v1/goals?sort_key=id&sort_dir=asc&limit=1'
            f'&marker={goal.uuid}', document['next'])

    def test_mount_prefix_without_slash(self):
        self.client = webtest.TestApp(mounted(self.api.app, '/infra-optim'))
        self.assertEqual('OpenStack Watcher API',
                         self.get('/infra-optim').json['name'])


class TestRouting(base.ApiTestCase):

    def setUp(self):
        super().setUp()
        self.records.goal()

    def test_equivalent_paths(self):
        for path in ('/v1/goals/dummy', '/v1/goals/dummy/',
                     '//v1//goals/dummy', '/goals/dummy', '/v1/goals/DUMMY',
                     '/v1/goals/dummy.json', '/v1/goals%2Fdummy'):
            self.assertEqual('dummy', self.get(path).json['name'], path)
        for path in ('/v1/goals', '/v1/goals/', '/v1/goals.json',
                     '/v1/goals/detail', '/v1/goals/detail/', '/goals'):
            self.assertEqual(1, len(self.get(path).json['goals']), path)

    def test_exact_name_wins_over_suffix(self):
        self.records.goal(name='dummy.json')
        self.assertEqual('dummy.json',
                         self.get('/v1/goals/dummy.json').json['name'])

    def test_statuses(self):
        uuid = uuidutils.generate_uuid()
        for method, path, status in (
                ('GET', '/v1/nope', 404),
                ('GET', '/v2', 404),
                ('GET', '/v1/goals/dummy/extra', 404),
                ('GET', '/v1/goals/dummy/detail', 404),
                ('GET', '/v1/actions/nope/detail', 400),
                ('GET', f'/v1/actions/{uuid}/detail', 404),
                ('PATCH', '/v1/audits', 400),
                ('DELETE', '/v1/audits', 400),
                ('POST', '/v1/audits/x', 400),
                ('GET', '/v1/strategies/state', 400),
                ('GET', f'/v1/action_plans/{uuid}/start', 404),
                ('DELETE', f'/v1/action_plans/{uuid}/start', 404),
                ('POST', f'/v1/action_plans/{uuid}/cancel', 405),
                ('POST', '/v1/action_plans', 405),
                ('POST', f'/v1/action_plans/{uuid}', 405),
                ('GET', '/v1/data_model/x', 405),
                ('GET', '/v1/webhooks', 405),
                ('GET', '/v1/webhooks/x', 405),
                ('HEAD', '/', 405),
                ('HEAD', '/v1/goals', 405),
                ('DELETE', '/v1', 405)):
            response = self.request(method, path)
            self.assertEqual(status, response.status_int,
                             f'{method} {path}: {response.text}')

    def test_allow(self):
        for path, allow in (
                ('/', 'GET'),
                ('/v1', 'GET'),
                ('/v1/goals', 'GET'),
                ('/v1/strategies/x', 'GET'),
                ('/v1/services', 'GET'),
                ('/v1/scoring_engines', 'GET'),
                ('/v1/data_model', 'GET'),
                ('/v1/actions', 'GET, PATCH'),
                ('/v1/action_plans', 'DELETE, GET, PATCH'),
                ('/v1/audits', 'DELETE, GET, PATCH, POST'),
                ('/v1/audit_templates/x', 'DELETE, GET, PATCH, POST'),
                ('/v1/webhooks', 'POST')):
            response = self.request('PUT', path, status=405)
            self.assertEqual(allow, response.headers['Allow'], path)

    def test_routing_error_is_readable_for_clients(self):
        response = self.request('PUT', '/v1/goals/dummy', status=405,
                                headers={'Accept': '*/*'})
        fault = self.fault(response)
        self.assertEqual(405, fault['code'])
        self.assertEqual('Method Not Allowed', fault['title'])
        self.assertEqual('Client', fault['faultcode'])
        self.assertIn('GET', fault['faultstring'])

    def test_options(self):
        response = self.request('OPTIONS', '/v1/goals', status=200)
        self.assertEqual(b'', response.body)

    def test_accept(self):
        for accept in ('*/*', 'application/*', 'application/json', None,
                       'text/html, */*'):
            self.get('/v1/goals', headers={'Accept': accept})
        for accept in ('text/html', 'application/xml'):
            self.request('GET', '/v1/goals', status=406,
                         headers={'Accept': accept})

    def test_undecodable_path(self):
        self.request('GET', '/v1/goals/%ff', status=400)
        self.request('GET', '/v1/goals?sort_key=%ff', status=400)


class TestVersions(base.ApiTestCase):

    def test_headers(self):
        response = self.get('/v1/goals', version='1.4')
        self.assertEqual('infra-optim 1.4',
                         response.headers['OpenStack-API-Version'])
        self.assertEqual('1.0',
                         response.headers['OpenStack-API-Minimum-Version'])
        self.assertEqual('1.7',
                         response.headers['OpenStack-API-Maximum-Version'])
        self.assertIn('OpenStack-API-Version', response.headers['Vary'])

    def test_default(self):
        response = self.get('/v1/goals', version=None)
        self.assertEqual('infra-optim 1.0',
                         response.headers['OpenStack-API-Version'])

    def test_on_errors_too(self):
        response = self.get('/v1/goals/nope', status=404)
        self.assertEqual('infra-optim 1.7',
                         response.headers['OpenStack-API-Version'])

    def test_not_acceptable(self):
        for version in ('1.8', '2.0', '1.2.3'):
            response = self.get('/v1/goals', version=version, status=406)
            self.assertEqual(
                '1.7', response.headers['OpenStack-API-Maximum-Version'])
            self.assertNotIn('OpenStack-API-Version', response.headers)
            self.assertIn('1.0 to 1.7', self.fault(response)['faultstring'])

    def test_checked_before_routing(self):
        self.get('/v1/nope', version='1.8', status=406)
