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
"""The services of a soak, as processes, and the cloud they look after."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import oslo_messaging as messaging
import psutil
from oslo_config import cfg

from soaking import servers as soak_servers
from watcher.sandbox import settings
from watcher.sandbox.cloud import compute
from watcher.sandbox.cloud import generator
from watcher.sandbox.cloud import notifications
from watcher.sandbox.cloud import server as cloud_server

LOG = logging.getLogger(__name__)

#: Processes that run from the first minute to the last. Only what they hold
#: can be compared; the others are restarted again and again.
STEADY = ('api', 'engine-1', 'applier-1')

MODULES = {'api': 'api', 'engine': 'decisionengine', 'applier': 'applier'}

#: Seconds after which ended audits, plans and actions are removed.
RETENTION = 300

#: What makes an hour tell what happens in weeks: everything that is kept
#: for some time is kept for a short one.
OPTIONS: settings.Settings = {
    'DEFAULT': {
        'host': '@HOST@', 'heartbeat_interval': 5, 'service_down_time': 15,
        'periodic_interval': 10, 'service_retention': 120},
    'api': {'host': '127.0.0.1', 'port': '@PORT@', 'workers': 1},
    'collector': {'collector_plugins': 'compute'},
    'oslo_messaging_notifications': {'driver': 'messagingv2'},
    'oslo_messaging_rabbit': {
        # Queues of processes that are gone; half an hour by default.
        'rabbit_transient_queues_ttl': 60},
    'service_metrics': {
        'enabled': True, 'decision_engine_port': 0, 'applier_port': 0,
        'api_port': 0},
    'watcher_applier': {'lease_renewal_interval': 3},
    'watcher_decision_engine': {
        # Nothing may be tried again: it would have to be kept.
        'action_plan_expiry': 0,
        'check_periodic_interval': 20, 'continuous_audit_interval': 2,
        'failed_audit_pause': 10, 'failed_audit_max_pause': 20,
        'lease_renewal_interval': 3, 'measure_after': 5,
        'retention_days': RETENTION / 86400, 'retention_interval': 20,
        'rollback_max_age': 60, 'rollback_max_age_of_strategies': ''},
    'watcher_cluster_data_model_collectors.compute': {'period': 60},
}


class Daemon:
    """One service as a process.

    :param role: such as ``engine-2``: what it is called in the figures
    :param host: the host name that it has
    """

    def __init__(self, role: str, host: str, config: str,
                 directory: Path) -> None:
        self.role = role
        self.host = host
        self._config = directory / (role + '.conf')
        self._config.touch(mode=0o600)
        self._config.write_text(config.replace('@HOST@', host))
        self._log = directory / (role + '.log')
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        module = MODULES[self.role.partition('-')[0]]
        code = ('import sys; from watcher.cmd.%s import main; '
                'sys.argv[0] = %r; sys.exit(main())'
                % (module, 'watcher-' + module))
        environ = {name: value for name, value in os.environ.items()
                   if not name.startswith('OS_')}
        with self._log.with_suffix('.out').open('ab') as output:
            self._process = subprocess.Popen(
                [sys.executable, '-W', 'ignore', '-c', code,
                 '--config-file', str(self._config),
                 '--log-file', str(self._log)],
                env=environ, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True)

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def tree(self) -> list[psutil.Process]:
        """The process and its workers."""
        try:
            parent = psutil.Process(self._process.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def terminate(self) -> None:
        """End it, as an operator does."""
        if not self.runs:
            return
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            LOG.error('%s does not end', self.role)
            self.kill()

    def kill(self) -> None:
        """Have it end like a machine without power."""
        if self.runs:
            # It is the first of a session and of a group of its own.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(60)


class Cloud:
    """The simulated cloud, in this process, served over HTTP."""

    def __init__(self) -> None:
        self.server = cloud_server.Cloud(
            generator.CloudSpec(hosts=6, servers=36),
            compute.Timing(live_migration=1.0, cold_migration=1.0))
        self._publisher: notifications.Publisher | None = None

    def start(self, bus_url: str) -> None:
        self.server.start()
        self._publisher = notifications.Publisher(self.server.state, bus_url)

    def stop(self) -> None:
        if self._publisher is not None:
            self._publisher.stop()
        self.server.stop()


class Listener:
    """Takes notifications from the queues that are for everybody.

    As somebody has to in any cloud: they would grow without end. Those in
    which the engines listen are others.
    """

    TARGETS = (('watcher', 'notifications'),
               ('nova', 'versioned_notifications'))

    def __init__(self, bus_url: str) -> None:
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[], default_config_dirs=[])
        transport = messaging.get_notification_transport(conf, url=bus_url)
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self._server = messaging.get_notification_listener(
            transport, [messaging.Target(exchange=exchange, topic=topic)
                        for exchange, topic in self.TARGETS],
            [self], executor='threading', allow_requeue=False)

    def info(self, _ctxt: Any, _publisher: str, event_type: str,
             _payload: Any, _metadata: Any) -> None:
        with self._lock:
            self._counts[event_type] = self._counts.get(event_type, 0) + 1

    warn = error = info

    def counts(self) -> dict[str, int]:
        """How often each event has been announced."""
        with self._lock:
            return dict(self._counts)

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()
        self._server.wait()


class Rig:
    """The services, two engines and two appliers among them."""

    def __init__(self, servers: soak_servers.Servers, cloud: Cloud,
                 port: int, directory: Path) -> None:
        config = settings.render(settings.merge(
            settings.for_cloud(cloud.server, servers.database_url,
                               servers.bus_url), OPTIONS))
        self._config = config.replace('@PORT@', str(port))
        self._directory = directory
        self._generation = 0
        self.url = 'http://127.0.0.1:%d' % port
        self.daemons: dict[str, Daemon] = {}

    def upgrade_database(self) -> None:
        path = self._directory / 'upgrade.conf'
        path.touch(mode=0o600)
        path.write_text(self._config.replace('@HOST@', 'soak'))
        subprocess.run(
            [sys.executable, '-W', 'ignore', '-c',
             'import sys; from watcher.cmd.dbmanage import main; '
             'sys.argv[0] = "watcher-db-manage"; sys.exit(main())',
             '--config-file', str(path), 'upgrade'],
            stdin=subprocess.DEVNULL, check=True)

    def start(self) -> None:
        for role in (*STEADY, 'engine-2', 'applier-2'):
            self.add(role, role)

    def add(self, role: str, host: str) -> None:
        """Start a service in the place of what was there before."""
        daemon = Daemon(role, host, self._config, self._directory)
        self.daemons[role] = daemon
        daemon.start()

    def restart(self, role: str, renamed: bool = False,
                kill: bool = False) -> None:
        """End a service and start it again.

        :param renamed: its host has another name now, as in Kubernetes
        """
        daemon = self.daemons[role]
        daemon.kill() if kill else daemon.terminate()
        host = daemon.host
        if renamed:
            self._generation += 1
            host = '%s-%d' % (role, self._generation)
        self.add(role, host)

    def ended(self) -> list[str]:
        """Services that have ended by themselves."""
        return [role for role, daemon in self.daemons.items()
                if not daemon.runs]

    def stop(self) -> None:
        for daemon in self.daemons.values():
            daemon.terminate()
