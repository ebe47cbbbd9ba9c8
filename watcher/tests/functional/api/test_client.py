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
"""The real command-line client against the API over real HTTP.

Every command of the client runs at every version that its users ask for.
"""

import io
import json
import subprocess
import sys

from keystoneauth1 import session as ks_session
from keystoneauth1 import token_endpoint
from keystonemiddleware import fixture as ksm_fixture
from keystonemiddleware import opts
from watcherclient import client as watcherclient
from watcherclient import exceptions
from watcherclient import shell

from watcher.common import wsgi_server
from watcher.tests import base
from watcher.tests.fixtures import api as api_fixture

VERSIONS = ('1.0', '1.1', '1.2', '1.5', '1.7')

TOKEN = 'token-of-an-administrator'

SCOPE = [{'compute': [{'availability_zones': [{'name': 'nova'}]}]}]


class Shell(shell.WatcherShell):
    """The client's own shell with a ready session instead of a password."""

    def __init__(self, session, **kwargs):
        super().__init__(**kwargs)
        self.session = session

    def create_client(self, args):
        return watcherclient.get_client(
            '1', session=self.session,
            os_infra_optim_api_version=args.os_infra_optim_api_version)


class ClientTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        for group, options in opts.list_auth_token_opts():
            self.conf.register_opts(options, group=group)
        self.config(www_authenticate_uri='http://keystone.example',
                    group='keystone_authtoken')
        tokens = self.useFixture(ksm_fixture.AuthTokenFixture())
        tokens.add_token_data(token_id=TOKEN, role_list=['admin'])
        self.api = self.useFixture(api_fixture.Api(authentication=True))
        self.records = self.api.records
        self.fill()
        server = wsgi_server.WSGIServer(self.api.app, '127.0.0.1', 0)
        server.start()
        self.addCleanup(server.stop)
        self.url = server.url
        self.session = ks_session.Session(
            auth=token_endpoint.Token(self.url, TOKEN))

    def fill(self):
        self.goal = self.records.goal()
        self.strategy = self.records.strategy(self.goal)
        self.records.scoring_engine()
        self.records.service()
        self.records.service(name='watcher-decision-engine')

    def run_command(self, version, *command):
        """Run one command of the client; return its output."""
        stdout = io.StringIO()
        stderr = io.StringIO()
        app = Shell(self.session, stdout=stdout, stderr=stderr)
        code = app.run(['--os-infra-optim-api-version', version, *command])
        self.assertEqual(0, code, f'{command}: {stderr.getvalue()} '
                                  f'{self.logger.output[-2000:]}')
        return stdout.getvalue()

    def json_of(self, version, *command):
        return json.loads(self.run_command(version, *command, '-f', 'json'))


class TestCommands(ClientTestCase):

    def test_everything_at_every_version(self):
        for version in VERSIONS:
            self._goals_and_strategies(version)
            template = self._templates(version)
            self._audits(version, template)
            self._plans(version)
            self._others(version)

    def _goals_and_strategies(self, version):
        for kind, name in (('goal', 'dummy'), ('strategy', 'dummy'),
                           ('scoringengine', 'dummy_scorer'),
                           ('service', 'watcher-applier')):
            self.run_command(version, kind, 'list')
            self.run_command(version, kind, 'list', '--detail')
            shown = self.json_of(version, kind, 'show', name)
            self.assertEqual(name, shown['Name'])
        rows = self.json_of(version, 'strategy', 'list', '--goal', 'dummy')
        self.assertEqual(['dummy'], [row['Name'] for row in rows])
        output = self.run_command(version, 'strategy', 'state', 'dummy')
        for word in ('Datasource', 'Metrics', 'CDM', 'Name'):
            self.assertIn(word, output)

    def _templates(self, version):
        name = f'template-{version}'
        more = ['-p', 'para1=4'] if version == '1.7' else []
        shown = self.json_of(version, 'audittemplate', 'create', name,
                             'dummy', '-s', 'dummy', '-d', 'wörter', *more)
        self.assertEqual('dummy', shown['Goal'])
        for command in (['list'], ['list', '--detail'],
                        ['list', '--goal', 'dummy', '--strategy', 'dummy'],
                        ['show', name]):
            self.assertIn(name, self.run_command(
                version, 'audittemplate', *command))
        shown = self.json_of(version, 'audittemplate', 'update', name,
                             'replace', 'description=other')
        self.assertEqual('other', shown['Description'])
        self.json_of(version, 'audittemplate', 'create', name + 'x', 'dummy')
        self.assertEqual('', self.run_command(
            version, 'audittemplate', 'delete', name + 'x'))
        return name

    def _audits(self, version, template):
        name = f'audit-{version}'
        shown = self.json_of(version, 'audit', 'create', '-g', 'dummy',
                             '-s', 'dummy', '-p', 'para1=2', '--name', name)
        self.assertEqual('PENDING', shown['State'])
        self.json_of(version, 'audit', 'create', '-a', template)
        times = [] if version == '1.0' else [
            '--start-time', '2030-01-01 10:00:00',
            '--end-time', '2030-01-02T10:00:00Z']
        shown = self.json_of(
            version, 'audit', 'create', '-g', 'dummy', '-t', 'CONTINUOUS',
            '-i', '*/5 * * * *', '--name', f'{name}-c', *times)
        self.assertEqual('*/5 * * * *', shown['Interval'])
        for command in (['list'], ['list', '--detail'], ['show', name],
                        ['list', '--goal', 'dummy', '--strategy', 'dummy',
                         '--sort-key', 'name', '--sort-dir', 'desc'],
                        ['list', '--limit', '2'], ['list', '--limit', '0']):
            self.run_command(version, 'audit', *command)
        shown = self.json_of(version, 'audit', 'update', name, 'add',
                             'interval=2')
        self.assertEqual('2', shown['Interval'])
        shown = self.json_of(version, 'audit', 'update', f'{name}-c',
                             'replace', 'state=CANCELLED')
        self.assertEqual('CANCELLED', shown['State'])
        self.assertEqual('', self.run_command(
            version, 'audit', 'delete', f'{name}-c'))

    def _plan(self, version, number):
        audit = self.records.audit(self.goal, self.strategy, scope=SCOPE,
                                   name=f'done-{version}-{number}',
                                   state='SUCCEEDED')
        return self.records.plan(audit, self.strategy, actions=2), audit

    def _plans(self, version):
        plan, audit = self._plan(version, 1)
        for command in (['list'], ['list', '--detail'],
                        ['list', '--audit', audit.uuid],
                        ['show', plan.uuid]):
            self.assertIn(plan.uuid, self.run_command(
                version, 'actionplan', *command))
        actions = self.json_of(version, 'action', 'list', '--action-plan',
                               plan.uuid)
        self.assertEqual(2, len(actions))
        first = actions[0]['UUID']
        for command in (['list', '--detail', '--audit', audit.uuid],
                        ['show', first]):
            self.assertIn(first, self.run_command(
                version, 'action', *command))
        if version >= '1.5':
            shown = self.json_of(version, 'action', 'update', first,
                                 '--state', 'SKIPPED', '--reason', 'why')
            self.assertEqual('Action skipped by user. Reason: why',
                             shown['Status Message'])
        shown = self.json_of(version, 'actionplan', 'start', plan.uuid)
        self.assertEqual('PENDING', shown['State'])
        shown = self.json_of(version, 'actionplan', 'cancel', plan.uuid)
        self.assertEqual('CANCELLED', shown['State'])
        self.assertEqual('', self.run_command(
            version, 'actionplan', 'delete', plan.uuid))
        plan, _audit = self._plan(version, 2)
        shown = self.json_of(version, 'actionplan', 'update', plan.uuid,
                             'replace', 'state=PENDING')
        self.assertEqual('PENDING', shown['State'])

    def _others(self, version):
        if version < '1.3':
            return
        for more in ([], ['--detail']):
            output = self.run_command(version, 'datamodel', 'list', *more)
            self.assertIn('vm1', output)


class TestLibrary(ClientTestCase):

    def client(self, version='1.5'):
        return watcherclient.get_client(
            '1', session=self.session, os_infra_optim_api_version=version)

    def test_pages_are_followed(self):
        for number in range(7):
            self.records.template(self.goal, name=f't{number}')
        client = self.client()
        for limit, expected in ((0, 7), (3, 3), (7, 7), (None, 7)):
            self.config(max_limit=7 if limit is None else 2, group='api')
            found = client.audit_template.list(limit=limit, goal='dummy')
            self.assertEqual(expected, len(found), limit)

    def test_errors_keep_their_text(self):
        client = self.client()
        exc = self.assertRaises(exceptions.HTTPNotFound, client.goal.get,
                                'nope')
        self.assertIn('nope', str(exc))
        exc = self.assertRaises(
            exceptions.HTTPBadRequest, client.audit.create,
            audit_type='ONESHOT', goal='dummy', strategy='dummy',
            parameters={'para1': 'x'})
        self.assertIn('para1', str(exc))
        self.records.template(self.goal, name='t')
        exc = self.assertRaises(
            exceptions.Conflict, client.audit_template.create,
            name='t', goal='dummy')
        self.assertIn('already exists', str(exc))

    def test_version_that_does_not_exist(self):
        exc = self.assertRaises(exceptions.UnsupportedVersion,
                                self.client('1.99').goal.list)
        self.assertIn('1.7', str(exc))


class TestPlugin(ClientTestCase):

    def test_openstack_optimize(self):
        """The plugin of the openstack command, as users run it."""
        process = subprocess.run(
            [sys.executable, '-W', 'ignore', '-m', 'openstackclient.shell',
             '--os-auth-type', 'admin_token', '--os-endpoint', self.url,
             '--os-token', TOKEN, 'optimize', 'goal', 'list', '-f', 'json'],
            capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(0, process.returncode, process.stderr)
        self.assertEqual(['dummy'], [row['Name'] for row in json.loads(
            process.stdout)])
