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
"""Everything in one process: cloud, API, decision engine and applier.

:class:`Watcher` runs the three services as they are configured;
:class:`Sandbox` adds the simulated cloud, a configuration and a database.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent import futures
from pathlib import Path

from oslo_config import cfg
from oslo_log import log

from watcher import conf as watcher_conf
from watcher import notifications
from watcher import objects
from watcher.api import app
from watcher.applier import manager as applier_manager
from watcher.common import context
from watcher.common import rpc
from watcher.common import service
from watcher.common import wsgi_server
from watcher.db import migration
from watcher.decision_engine import manager as decision_engine_manager
from watcher.sandbox import settings as sandbox_settings
from watcher.sandbox.cloud import notifications as cloud_notifications
from watcher.sandbox.cloud import server as cloud_server

CONF = watcher_conf.CONF
LOG = log.getLogger(__name__)

OPENRC = """\
export OS_AUTH_TYPE=password
export OS_AUTH_URL=%(auth_url)s
export OS_IDENTITY_API_VERSION=3
export OS_USERNAME=%(username)s
export OS_PASSWORD=%(password)s
export OS_PROJECT_NAME=%(project_name)s
export OS_USER_DOMAIN_NAME=%(user_domain_name)s
export OS_PROJECT_DOMAIN_NAME=%(project_domain_name)s
"""


def _heartbeat(name: str, host: str) -> None:
    objects.Service.heartbeat(context.admin_context(), name, host)


class Watcher:
    """The API, the decision engine and the applier, in threads.

    The process must be configured (options, bus, objects) before.

    :param host: address of the API.
    :param port: port of the API, 0 takes a free one.
    """

    def __init__(self, conf: cfg.ConfigOpts = CONF,
                 host: str = '127.0.0.1', port: int = 0) -> None:
        self.conf = conf
        self.decision_engine = service.Service(
            decision_engine_manager.DecisionEngineManager, conf,
            heartbeat=_heartbeat)
        self.applier = service.Service(
            applier_manager.ApplierManager, conf, heartbeat=_heartbeat)
        self._address = (host, port)
        self._api: wsgi_server.WSGIServer | None = None

    @property
    def url(self) -> str:
        """Where the API answers; set after :meth:`start`."""
        if self._api is None:
            raise RuntimeError('the API has not been started')
        return self._api.url

    def start(self) -> None:
        """Start all three; returns when they work.

        :raises FatalError: when the port of the API is taken.
        """
        host, port = self._address
        self._api = wsgi_server.WSGIServer(app.setup_app(), host, port,
                                           conf=self.conf)
        self._api.start()
        self._in_parallel(self.decision_engine.start, self.applier.start)

    def stop(self) -> None:
        """Stop all three, with their work in a defined state."""
        if self._api is not None:
            self._api.stop()
        self._in_parallel(self.decision_engine.stop, self.applier.stop)

    @staticmethod
    def _in_parallel(*calls: Callable[[], None]) -> None:
        """Make all calls; raises what the first of those that failed did."""
        with futures.ThreadPoolExecutor(len(calls)) as pool:
            results = [pool.submit(call) for call in calls]
        for result in results:
            result.result()


class Sandbox:
    """A cloud, and the service that looks after it.

    :param cloud: the simulated cloud, not yet started.
    :param state_dir: where database, configuration and openrc lie.
    :param overrides: configuration options that differ.
    :param argv: further arguments for the option parser of the service,
        for example ``--debug``.
    """

    CONFIG = 'watcher.conf'
    DATABASE = 'watcher.sqlite'
    OPENRC = 'openrc'

    def __init__(self, cloud: cloud_server.Cloud, state_dir: Path,
                 overrides: sandbox_settings.Settings | None = None,
                 host: str = '127.0.0.1', port: int = 0,
                 argv: tuple[str, ...] = ()) -> None:
        self.cloud = cloud
        self.state_dir = state_dir
        self._overrides = overrides or {}
        self._argv = argv
        self._address = (host, port)
        self._stack = contextlib.ExitStack()
        self._watcher: Watcher | None = None

    @property
    def api_url(self) -> str:
        if self._watcher is None:
            raise RuntimeError('the sandbox has not been started')
        return self._watcher.url

    @property
    def openrc(self) -> Path:
        """A file for the shell, with the administrator's credentials."""
        return self.state_dir / self.OPENRC

    def start(self) -> None:
        """Start everything; what was begun is ended when a part fails."""
        with contextlib.ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()

    def _start(self, stack: contextlib.ExitStack) -> None:
        self.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.cloud.start()
        stack.callback(self.cloud.stop)
        self._configure()
        stack.callback(rpc.cleanup)
        publisher = cloud_notifications.Publisher(
            self.cloud.state, CONF.transport_url)
        stack.callback(publisher.stop)
        stack.callback(notifications.stop)
        migration.upgrade()
        watcher = Watcher(CONF, *self._address)
        stack.callback(watcher.stop)
        watcher.start()
        self._watcher = watcher
        self.cloud.identity.add_endpoint('infra-optim', 'watcher',
                                         watcher.url)
        self._write_openrc()

    def _configure(self) -> None:
        connection = 'sqlite:///%s' % (self.state_dir / self.DATABASE)
        path = self.state_dir / self.CONFIG
        sandbox_settings.write(
            sandbox_settings.merge(
                sandbox_settings.for_cloud(self.cloud, connection),
                self._overrides), path)
        service.prepare_service(
            ['watcher-sandbox', *self._argv], CONF,
            default_config_files=[str(path)])
        objects.register_all()
        notifications.setup()

    def _write_openrc(self) -> None:
        self.openrc.touch(mode=0o600)
        self.openrc.write_text(OPENRC % self.cloud.credentials())

    def stop(self) -> None:
        """End everything, in the opposite order."""
        self._stack.close()
