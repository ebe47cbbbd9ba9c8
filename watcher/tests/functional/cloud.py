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
"""Base of the tests in which only our clients talk to a simulated cloud."""

import logging

from keystoneauth1 import loading as ka_loading

from watcher.common import clients
from watcher.sandbox import settings
from watcher.tests import base
from watcher.tests.fixtures import cloud

#: Loggers that would write a line for each of thousands of requests.
QUIET = ('keystoneauth', 'openstack', 'stevedore', 'urllib3')


class CloudTestCase(base.TestCase):
    """A configuration that points to a cloud of its own.

    :cvar SPEC: size and shape of the cloud, see ``CloudSpec``.
    :cvar TIMING: how long its work takes.
    """

    SPEC: dict = {}
    TIMING: dict | None = None

    def setUp(self):
        super().setUp()
        for name in QUIET:
            logger = logging.getLogger(name)
            self.addCleanup(logger.setLevel, logger.level)
            logger.setLevel(logging.WARNING)
        self.cloud = self.useFixture(
            cloud.SandboxCloud(timing=self.TIMING, **self.SPEC))
        self.conf.register_opts(
            ka_loading.get_auth_plugin_conf_options('password'),
            group='watcher_clients_auth')
        self.config('watcher_clients_auth', auth_type='password',
                    **self.cloud.cloud.credentials(
                        settings.USER, settings.PROJECT))
        self.config('nova', migration_interval=0.1, http_retry_interval=0.1,
                    http_retries=2)
        for group in ('cinder', 'ironic'):
            self.config(group, http_retry_interval=0.1, http_retries=2)
        self.config('collector', api_query_interval=0,
                    api_query_max_retries=2)
        clients.OpenStackClients().reset_clients()
        self.addCleanup(clients.OpenStackClients().reset_clients)

    def paths(self, service):
        """What a service was asked for, as 'GET /path'."""
        return [f"{request['method']} {request['path']}"
                for request in self.cloud.requests(service=service)]
