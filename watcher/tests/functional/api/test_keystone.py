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
"""Tokens of a Keystone that is asked over HTTP."""

import json
import pathlib
import uuid

import webtest
from keystoneauth1 import session
from keystoneauth1.identity import v3

import watcher
from watcher import conf
from watcher import objects
from watcher.api import app
from watcher.common import policy
from watcher.common import rpc
from watcher.tests import base
from watcher.tests.fixtures import api as api_fixture
from watcher.tests.fixtures import cloud
from watcher.tests.fixtures import services

CONF = conf.CONF

ROLES = pathlib.Path(watcher.__file__).parent.parent.joinpath(
    'etc', 'watcher', 'policies', 'roles.yaml')


class TestTokens(base.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cloud = cloud.SandboxCloud(hosts=1, servers=0)
        cls.cloud.setUp()
        cls.addClassCleanup(cls.cloud.cleanUp)

    def setUp(self):
        super().setUp()
        self.addCleanup(self.cloud.faults.clear)
        self.useFixture(services.Configured(cloud=self.cloud))
        rpc.init(CONF)
        self.addCleanup(rpc.cleanup)
        objects.register_all()
        self.records = api_fixture.Records()
        self.goal = self.records.goal()
        self.strategy = self.records.strategy(self.goal)
        self.records.audit(self.goal, name='event', audit_type='EVENT')
        self.start()

    def start(self):
        self.client = webtest.TestApp(app.setup_app(CONF))

    def token(self, user='admin', project='admin'):
        return self.cloud.session(user, project).get_token()

    def token_for(self, **scope):
        """Return a token of the administrator for another scope."""
        known = self.cloud.cloud.credentials('admin', 'admin')
        return session.Session(auth=v3.Password(
            known['auth_url'], username='admin', password=known['password'],
            user_domain_name='Default', **scope)).get_token()

    def get(self, status, token=None, path='/v1/goals', **headers):
        if token:
            headers['X-Auth-Token'] = token
        response = self.client.get(path, headers=headers,
                                   expect_errors=True)
        self.assertEqual(status, response.status_int, response.text)
        self.assertRegex(response.headers['X-OpenStack-Request-ID'], '^req-')
        return response

    def assert_refused(self, response):
        """Check the form that all OpenStack services give a 401."""
        self.assertEqual(f'Keystone uri="{self.cloud.auth_url}"',
                         response.headers['WWW-Authenticate'])
        self.assertEqual({'code', 'title', 'message'},
                         set(response.json['error']))
        self.assertEqual(401, response.json['error']['code'])

    def test_roles_count(self):
        self.get(200, self.token())
        # An administrator, as the user of the service is one.
        self.get(200, self.token('watcher', 'service'))
        self.cloud.cloud.identity.add_user('reader', {'shop': ['reader']})
        reader = self.token('reader', 'shop')
        self.get(403, reader)
        self.get(403, reader, **{'X-Roles': 'admin'})
        self.get(200, reader, '/v1')

    def test_roles_of_the_sample(self):
        """Look, propose and approve are three things."""
        CONF.set_override('policy_file', str(ROLES), 'oslo_policy')
        policy.reset()
        self.addCleanup(policy.reset)
        identity = self.cloud.cloud.identity
        tokens = {'admin': self.token()}
        for name in ('watcher_reader', 'watcher_proposer',
                     'watcher_approver', 'reader', 'member'):
            identity.add_user(name, {'shop': [name]})
            tokens[name] = self.token(name, 'shop')
        plan = self.records.plan(
            self.records.audit(self.goal, self.strategy, state='SUCCEEDED'),
            self.strategy)
        lists = [('GET', f'/v1/{name}', None) for name in (
            'goals', 'audits/detail', 'action_plans', 'actions',
            'audit_templates', 'services', 'strategies')]
        audit = {'audit_type': 'ONESHOT', 'goal': 'dummy'}
        propose = [('POST', '/v1/audits', audit)]
        approve = [('POST', '/v1/audits', {**audit, 'auto_trigger': True}),
                   ('POST', f'/v1/action_plans/{plan.uuid}/start', {})]
        for name, allowed in (
                ('reader', ()), ('member', ()), ('watcher_reader', lists),
                ('watcher_proposer', lists + propose),
                ('watcher_approver', lists + approve[1:]),
                ('admin', lists + propose + approve[:1])):
            for method, path, body in lists + propose + approve:
                if name == 'admin' and path.endswith('/start'):
                    # It runs already.
                    continue
                response = self.client.request(
                    path, method=method, expect_errors=True,
                    headers={'X-Auth-Token': tokens[name],
                             'Content-Type': 'application/json'},
                    body=json.dumps(body).encode() if body is not None
                    else b'')
                self.assertEqual((method, path, body) in allowed,
                                 response.status_int != 403,
                                 f'{name} {method} {path} {response.text}')
                self.assertLess(response.status_int, 404, response.text)

    def test_scopes_do_not(self):
        self.get(200, self.token_for(system_scope='all'))
        # Such a token has no role.
        self.get(403, self.token_for(unscoped=True))

    def test_no_token(self):
        for path in ('/v1', '/v1/goals', '/v1/nope', '/nope',
                     '/v1/webhooks/event'):
            self.assert_refused(self.get(401, path=path))
        self.get(200, path='/')

    def test_token_that_is_none(self):
        for token in ('nonsense', uuid.uuid4().hex, 'gAAAAA' + 'x' * 86):
            self.assert_refused(self.get(401, token))

    def test_revoked_token(self):
        # Otherwise known tokens stay good for as long as this says.
        CONF.set_override('token_cache_time', -1, 'keystone_authtoken')
        self.start()
        token = self.token()
        self.get(200, token)
        self.cloud.cloud.identity.revoke_all()
        self.assert_refused(self.get(401, token))
        self.get(200, self.token())

    def test_keystone_is_away(self):
        token = self.token()
        self.cloud.faults.service_down('identity')
        CONF.set_override('http_request_max_retries', 0,
                          'keystone_authtoken')
        self.start()
        for accept in ('application/json', '*/*', 'text/html'):
            self.get(503, token, Accept=accept)
        # What needs no token goes on.
        self.get(200, path='/')
        self.get(200, path='/healthcheck')
        self.cloud.faults.clear()
        self.get(200, token)

    def test_open_webhooks_need_no_keystone(self):
        CONF.set_override('enable_webhooks_auth', False, 'api')
        self.start()
        self.cloud.faults.service_down('identity')
        response = self.client.post_json(
            '/v1/webhooks/event', {}, headers={'X-Auth-Token': 'old'})
        self.assertEqual(202, response.status_int)
