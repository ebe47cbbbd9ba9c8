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
"""What the tests share that call the API as its users do: over HTTP.

One API, with token checks as in production, serves all tests of a class; a
test works on rows of its own.
"""

import io
import logging

import fixtures
import requests
from keystonemiddleware import fixture as ksm_fixture
from keystonemiddleware import opts
from oslo_config import fixture as config_fixture
from oslotest import base
from watcherclient import client as watcherclient
from watcherclient import shell

from watcher import conf
from watcher.common import wsgi_server
from watcher.tests.fixtures import api as api_fixture
from watcher.tests.fixtures import reference

CONF = conf.CONF

ADMIN = 'token-of-an-administrator'
READER = 'token-of-a-reader'
MEMBER = 'token-of-a-member'
SERVICE = 'token-of-a-service'

#: Token -> roles in its project.
ROLES = {ADMIN: ('admin', 'member', 'reader'), READER: ('reader',),
         MEMBER: ('member', 'reader'), SERVICE: ('service',)}


class RestoredLogging(fixtures.Fixture):
    """The client's commands set up logging; undo it."""

    def _setUp(self):
        root = logging.getLogger()
        levels = {name: logging.getLogger(name).level for name in (
            '', 'requests', 'cliff', 'stevedore', 'iso8601')}
        handlers = list(root.handlers)

        def restore():
            root.handlers[:] = handlers
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
        self.addCleanup(restore)


class Recorder:
    """WSGI middleware: remembers what was asked and what was answered.

    :ivar undocumented: what the API reference does not tell of it
    """

    def __init__(self, app):
        self.app = app
        self.requests = []
        self.headers = []
        self.statuses = []
        self.undocumented = []

    def __call__(self, environ, start_response):
        path = environ['PATH_INFO']
        if environ['QUERY_STRING']:
            path += '?' + environ['QUERY_STRING']
        self.requests.append(f"{environ['REQUEST_METHOD']} {path}")
        self.headers.append({
            'version': environ.get('HTTP_OPENSTACK_API_VERSION'),
            'accept': environ.get('HTTP_ACCEPT'),
            'type': environ.get('CONTENT_TYPE')})

        def remember(status, headers, exc_info=None):
            self.statuses.append(int(status.partition(' ')[0]))
            return start_response(status, headers, exc_info)

        # This is a thread of the server: the test will tell.
        return reference.checked(self.app, environ, remember,
                                 self.undocumented.append)

    def forget(self):
        for entries in (self.requests, self.headers, self.statuses):
            entries.clear()


class HttpTestCase(base.BaseTestCase):
    """Tests that share one API behind a real port.

    :cvar api: the fixture with application, bus and records
    :cvar url: where the API answers
    :cvar recorder: what was asked of it
    """

    #: Overrides of options, by (group, name), known to the API from its
    #: start.
    OPTIONS = {}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.shared = fixtures.Fixture()
        cls.shared.setUp()
        try:
            cls.start()
        except BaseException:
            cls.shared.cleanUp()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.shared.cleanUp()
        super().tearDownClass()

    @classmethod
    def start(cls):
        use = cls.shared.useFixture
        use(RestoredLogging())
        use(fixtures.FakeLogger(level=None))
        config = use(config_fixture.Config(CONF))
        config.conf([], default_config_files=[], default_config_dirs=[])
        for group, options in opts.list_auth_token_opts():
            config.register_opts(options, group=group)
        config.config(www_authenticate_uri='http://keystone.example',
                      group='keystone_authtoken')
        for (group, name), value in cls.OPTIONS.items():
            config.config(group=group, **{name: value})
        cls.api = use(api_fixture.Api(authentication=True))
        cls.records = cls.api.records
        cls.fill()
        cls.recorder = Recorder(cls.api.app)
        server = wsgi_server.WSGIServer(cls.recorder, '127.0.0.1', 0)
        server.start()
        cls.shared.addCleanup(server.stop)
        cls.url = server.url

    @classmethod
    def fill(cls):
        """Make the rows that all tests look at and none changes."""
        cls.goal = cls.records.goal()
        cls.strategy = cls.records.strategy(cls.goal)
        cls.records.scoring_engine()
        cls.records.service()
        cls.records.service(name='watcher-decision-engine')
        cls.records.description()

    def setUp(self):
        super().setUp()
        self.logger = self.useFixture(fixtures.FakeLogger(level=None))
        # For each test: oslotest stops all patches after a test.
        tokens = self.useFixture(ksm_fixture.AuthTokenFixture())
        for token, roles in ROLES.items():
            tokens.add_token_data(token_id=token, role_list=list(roles))
        self.recorder.forget()
        self.addCleanup(self._check_reference)

    def _check_reference(self):
        undocumented = list(self.recorder.undocumented)
        self.recorder.undocumented.clear()
        self.assertEqual([], undocumented)

    def config(self, group=None, **kwargs):
        """Override options of the running API for one test."""
        for name, value in kwargs.items():
            before = getattr(CONF[group] if group else CONF, name)
            CONF.set_override(name, value, group)
            self.addCleanup(CONF.set_override, name, before, group)

    # Callers --------------------------------------------------------------

    def http(self, method, path, body=None, token=ADMIN, version=None,
             status=None, **headers):
        """Send one request as curl would; return the response."""
        if token:
            headers['X-Auth-Token'] = token
        if version:
            headers['OpenStack-API-Version'] = f'infra-optim {version}'
        headers = {name.replace('_', '-'): value
                   for name, value in headers.items()}
        response = requests.request(method, self.url + path, json=body,
                                    headers=headers, timeout=60)
        if status is not None:
            self.assertEqual(status, response.status_code, response.text)
        return response

    def library(self, version='1.5', token=ADMIN, **kwargs):
        """Return the client of a program that has a token already."""
        return watcherclient.get_client(
            '1', watcher_url=self.url, os_auth_token=token,
            os_infra_optim_api_version=version, **kwargs)

    # Rows of a test -------------------------------------------------------

    def done_audit(self, name, **values):
        return self.records.audit(self.goal, self.strategy, name=name,
                                  state='SUCCEEDED', **values)

    def plan(self, name, **values):
        """Return a recommended plan with two actions of a finished audit."""
        return self.records.plan(self.done_audit(name), self.strategy,
                                 actions=2, **values)


class ShellTestCase(HttpTestCase):
    """Adds the commands of the client, without a process for each."""

    @classmethod
    def start(cls):
        super().start()
        # Says which package a command is from: takes a second to find out.
        cls.shared.useFixture(fixtures.MonkeyPatch(
            'cliff.command.Command.get_epilog', lambda self: ''))
        # The same shell for all commands: making one takes longer than a
        # command does.
        cls.shell = shell.WatcherShell(stdout=io.StringIO(),
                                       stderr=io.StringIO())

    def run_shell(self, *command, version=None, token=ADMIN):
        """Run a command; return exit code, output and what it complains."""
        arguments = ['--os-auth-token', token,
                     '--os-endpoint-override', self.url]
        if version:
            arguments += ['--os-infra-optim-api-version', version]
        out, err = io.StringIO(), io.StringIO()
        self.shell.stdout = out
        with fixtures.MonkeyPatch('sys.stderr', err), RestoredLogging():
            code = self.shell.run(arguments + list(command))
        return code, out.getvalue(), err.getvalue()

    def command(self, *command, **kwargs):
        """Run a command that has to succeed; return its output."""
        code, out, err = self.run_shell(*command, **kwargs)
        self.assertEqual(0, code, f'{command}: {err}{out}')
        return out
