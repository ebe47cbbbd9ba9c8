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
"""The base class of all tests."""

import logging

import fixtures
from keystoneauth1 import loading as ka_loading
from oslo_config import fixture as config_fixture
from oslotest import base

from watcher import conf
from watcher.tests.fixtures import pauses  # noqa: F401 - works by its import

_PASSWORD_OPTIONS = ka_loading.get_auth_plugin_conf_options('password')


# It tells of each plug-in of a group whenever one is loaded: a tenth of the
# time of the tests of strategies.
logging.getLogger('stevedore').setLevel(logging.INFO)


def _forget_credentials():
    """Unregister what keystoneauth registers when it logs in.

    Its options are required; left behind, they would make the next test
    fail, which parses an empty configuration.
    """
    for group in ('watcher_clients_auth', 'nova', 'placement', 'keystone',
                  'cinder'):
        conf.CONF.unregister_opts(_PASSWORD_OPTIONS, group=group)


#: Seconds to wait for what comes at once on an idle machine. Only a test that
#: fails takes so long, however busy the machine is.
PATIENCE = 60.0


class TestCase(base.BaseTestCase):
    """Isolated configuration, captured logs, nothing else.

    What a test needs beyond that it takes as a fixture from
    ``watcher.tests.fixtures``.
    """

    def setUp(self):
        super().setUp()
        self.addCleanup(_forget_credentials)
        self.conf = self.useFixture(config_fixture.Config(conf.CONF))
        self.conf.conf([], default_config_files=[], default_config_dirs=[])
        # Captured with the test, shown only when it fails.
        self.logger = self.useFixture(fixtures.FakeLogger(level=None))

    def config(self, group=None, **kwargs):
        """Override options for the duration of the test."""
        self.conf.config(group=group, **kwargs)
