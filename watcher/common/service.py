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
"""Processes: common start-up, the shell around an engine, the launcher.

A daemon is a master process that forks workers and starts them anew when
they die. Everything that connects to something (database, bus, cloud)
happens in the worker. The shell can also run inside another process, as
tests and the sandbox do.
"""

import logging as py_logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

import cotyledon
import oslo_messaging as messaging
from oslo_config import cfg
from oslo_db import exception as db_exc
from oslo_log import log
from oslo_reports import guru_meditation_report as gmr
from oslo_reports import opts as gmr_opts
from oslo_service import opts as service_opts
from oslo_service import service as oslo_service

from watcher import conf as watcher_conf
from watcher import version
from watcher.common import config
from watcher.common import exception
from watcher.common import periodic
from watcher.common import pool_stats
from watcher.common import reloading
from watcher.common import rpc
from watcher.common import utils
from watcher.conf import plugins
from watcher.conf import service as conf_service

CONF = watcher_conf.CONF

LOG = log.getLogger(__name__)

LOG_PRODUCT = version.DISTRIBUTION

#: Old switch of the concurrency mode, still found in unit files.
EVENTLET_SWITCH = 'OS_WATCHER_DISABLE_EVENTLET_PATCHING'

#: Seconds an engine has for bringing its work into a defined state.
STOP_BUDGET = 5.0
#: Seconds for RPC methods that are being answered when the work has ended.
RPC_STOP_BUDGET = 2.0
#: Seconds that starting waits for the message broker before going on.
RPC_START_WAIT = 3.0

#: Seconds between attempts to start while something needed is away.
RETRY_PAUSES = (1, 2, 5, 10, 30)

#: A worker that ends with this code cannot be helped by starting it anew.
EXIT_FATAL = 78


class FatalError(Exception):
    """The process cannot work as configured; the text tells why."""


class Restart(Exception):
    """The process has to begin anew; the text tells why."""


# Start-up -----------------------------------------------------------------

def prepare_service(argv: Sequence[str] = (),
                    conf: cfg.ConfigOpts = CONF,
                    default_config_files: Sequence[str] | None = None,
                    ) -> None:
    """Do the start-up that all processes of Watcher share.

    Options, configuration files, logging, message bus (loaded, not
    connected) and the report handler. What an operator got wrong ends the
    process with one line on standard error and exit code 1.

    :param argv: program name and arguments.
    :param default_config_files: instead of searching for them.
    """
    argv = list(argv) or ['watcher']
    program = os.path.basename(argv[0])
    try:
        log.register_options(conf)
        gmr_opts.set_defaults(conf)
        service_opts.register_service_opts(conf)
        config.set_lib_defaults()
        config.parse_args(argv, default_config_files=default_config_files,
                          conf=conf, prog=program)
        log.setup(conf, LOG_PRODUCT, version.release_string())
        _keep_standard_output_clean()
        _check_values(conf)
        _init_bus(conf)
    except (cfg.Error, log.LogConfigError, OSError, FatalError) as exc:
        raise SystemExit(f'{program}: {utils.first_line(exc)}') from exc
    _warn_about_eventlet()
    if conf.log_options:
        conf.log_opt_values(LOG, log.DEBUG)
    setup_reports(conf)


def _check_values(conf):
    """Read every value once: a wrong one shows now, not at 3 a.m."""
    for name in conf:
        value = conf[name]
        if isinstance(value, cfg.ConfigOpts.GroupAttr):
            for option in value:
                _check_value(conf, name, option)


def _check_value(conf, group, option):
    try:
        conf[group][option]
    except cfg.ConfigFileValueError:
        raise
    except cfg.Error as exc:
        LOG.debug('Option %(group)s.%(option)s has no value: %(reason)s',
                  {'group': group, 'option': option, 'reason': exc})


def _init_bus(conf):
    try:
        rpc.init(conf)
    except messaging.DriverLoadFailure as exc:
        raise FatalError(f'[DEFAULT] transport_url: '
                         f'{utils.first_line(exc)}') from exc
    except (messaging.InvalidTransportURL, ValueError) as exc:
        # The reason would show the URL and with it the password.
        raise FatalError('[DEFAULT] transport_url, or that of '
                         '[oslo_messaging_notifications], is no valid '
                         'transport URL') from exc


def _keep_standard_output_clean():
    """Move the log from standard output, which belongs to the results."""
    for handler in py_logging.getLogger().handlers:
        if getattr(handler, 'stream', None) is sys.stdout:
            handler.setStream(sys.stderr)


def _warn_about_eventlet():
    value = os.environ.get(EVENTLET_SWITCH)
    if value is not None and value.lower() in ('0', 'false', 'no', 'n'):
        LOG.warning('%(name)s=%(value)s asks for eventlet and is ignored: '
                    'all processes use native threads. Remove it from the '
                    'environment.',
                    {'name': EVENTLET_SWITCH, 'value': value})


def setup_reports(conf: cfg.ConfigOpts = CONF) -> None:
    """Write a Guru Meditation Report at SIGUSR2 or a file's change."""
    register_report_section('Plugins', plugins.show_plugins)
    register_report_section('Thread pools', pool_stats.POOLS.as_text)
    try:
        gmr.TextGuruMeditation.setup_autorun(
            version.ReportVersion, service_name=_program(), conf=conf,
            # only the main thread may install a handler
            setup_signal=(threading.current_thread()
                          is threading.main_thread()))
    except OSError as exc:
        LOG.error('Reports are not available: the file of [oslo_reports] '
                  'file_event_handler cannot be watched: %s', exc)


def register_report_section(title: str,
                            generator: Callable[[], object]) -> None:
    """Add a section to the report; one title is added only once."""
    known = getattr(gmr.TextGuruMeditation, 'persistent_sections', [])
    if title not in [name for name, _generator in known]:
        gmr.TextGuruMeditation.register_section(title, generator)


def _program():
    return os.path.basename(sys.argv[0]) or 'watcher'


# The shell around an engine -----------------------------------------------

class Service(oslo_service.ServiceBase):
    """Runs one engine: RPC server, heartbeat and the manager's own parts.

    ``watcher.cmd.common.create_service`` builds it with heartbeat and
    notifications.

    :param manager_class: called without arguments in the worker; see
        ``watcher.decision_engine.manager`` for what a manager offers.
    :param heartbeat: called with service name and host; tells the others
        that this service is alive.
    :param on_start: called with the manager before it begins to work.
    :param on_stop: called at the very end, after everything has stopped.
    """

    def __init__(self, manager_class: type, conf: cfg.ConfigOpts = CONF,
                 heartbeat: Callable[[str, str], object] | None = None,
                 on_stop: Iterable[Callable[[], object]] = (),
                 on_start: Iterable[Callable[[Any], object]] = ()):
        super().__init__()
        #: Number of the worker process, set by the launcher.
        self.worker = 0
        self.conf = conf
        self.host = conf.host
        self.name = manager_class.service_name
        self.manager = None
        self._manager_class = manager_class
        self._heartbeat = heartbeat
        self._on_start = tuple(on_start)
        self._on_stop = tuple(on_stop)
        self._heartbeat_loop = None
        self._rpc_server = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._stopped = threading.Event()
        self._failure = None

    def start(self) -> None:
        """Start serving; returns when the engine works.

        Waits, saying so, while the database is away. A broker that is away
        does not keep the engine from working.
        """
        if not self._prepare_manager():
            return
        with self._lock:
            if self._stopping.is_set():
                return
            self._start_heartbeat()
            for callback in self._on_start:
                self._attempt(callback, self.manager)
            self.manager.start()
            self._rpc_server = RPCServer(
                messaging.Target(topic=self.manager.topic, server=self.host,
                                 version=self.manager.API_VERSION),
                self.manager.endpoints)
            self._rpc_server.start()
        self._rpc_server.wait_until_serving(RPC_START_WAIT)
        LOG.info('%(name)s on host %(host)s is running (process %(pid)d)',
                 {'name': self.name, 'host': self.host, 'pid': os.getpid()})

    def stop(self, graceful: bool = True) -> None:
        """Stop serving and leave all work in a defined state.

        :param graceful: give running work its few seconds.
        """
        self._stopping.set()
        with self._lock:
            if self._stopped.is_set():
                return
            LOG.info('%(name)s on host %(host)s is stopping',
                     {'name': self.name, 'host': self.host})
            if self._rpc_server is not None:
                # Closing connections takes a second: meanwhile the engine
                # ends its work. A message that still arrives is a nudge, its
                # work stays in the database.
                self._rpc_server.stop()
                self._attempt(self.manager.stop,
                              self._stop_budget() if graceful else 0)
                self._rpc_server.wait(RPC_STOP_BUDGET)
            if self._heartbeat_loop is not None:
                self._heartbeat_loop.stop(timeout=1)
            for callback in self._on_stop:
                self._attempt(callback)
            LOG.info('%(name)s on host %(host)s has stopped',
                     {'name': self.name, 'host': self.host})
            self._stopped.set()

    def wait(self) -> None:
        """Wait until the service has stopped.

        :raises Exception: what :meth:`fail` was called with
        """
        self._stopped.wait()
        if self._failure is not None:
            raise self._failure

    def fail(self, error: Exception) -> None:
        """End because of an error; called by the manager, from any thread.

        :param error: FatalError or Restart
        """
        self._failure = error
        threading.Thread(target=self.stop, args=(False,),
                         name='service-failure', daemon=True).start()

    def reset(self) -> None:
        """Use changed options, without disturbing the work."""
        LOG.info('%s uses the changed configuration', self.name)
        if self.manager is not None:
            self._attempt(self.manager.reset)

    def _stop_budget(self):
        limit = self.conf.graceful_shutdown_timeout
        return min(STOP_BUDGET, limit * 0.5) if limit > 0 else STOP_BUDGET

    def _prepare_manager(self):
        """Return whether the manager is ready; False when stopped."""
        attempt = 0
        while not self._stopping.is_set():
            try:
                if self.manager is None:
                    self.manager = self._manager_class()
                    if hasattr(self.manager, 'on_failure'):
                        self.manager.on_failure = self.fail
                self.manager.pre_start()
                return True
            except Exception as exc:
                pause = RETRY_PAUSES[min(attempt, len(RETRY_PAUSES) - 1)]
                self._explain_start_failure(exc, pause, first=not attempt)
                attempt += 1
                self._stopping.wait(pause)
        return False

    def _explain_start_failure(self, exc, pause, first):
        details = {'name': self.name, 'reason': utils.first_line(exc),
                   'pause': pause}
        if isinstance(exc, db_exc.DBNonExistentTable):
            LOG.error('%(name)s cannot start, the database has no schema: '
                      '%(reason)s. Run "watcher-db-manage upgrade". Next '
                      'attempt in %(pause)d seconds.', details)
        elif isinstance(exc, db_exc.DBError):
            LOG.error('%(name)s cannot start, the database does not work: '
                      '%(reason)s. Check [database] connection. Next '
                      'attempt in %(pause)d seconds.', details)
        elif isinstance(exc, exception.DatabaseNotUpgraded):
            LOG.error('%(name)s cannot start: %(reason)s Next attempt in '
                      '%(pause)d seconds.', details)
        elif first:
            LOG.exception('%(name)s cannot start: %(reason)s. Next attempt '
                          'in %(pause)d seconds.', details)
        else:
            LOG.error('%(name)s still cannot start: %(reason)s. Next attempt '
                      'in %(pause)d seconds.', details)

    def _start_heartbeat(self):
        if self._heartbeat is None:
            return
        interval = conf_service.heartbeat_interval(self.conf)
        self._beat()
        self._heartbeat_loop = periodic.Loop(
            f'{self.name}-heartbeat', self._beat, interval,
            initial_delay=interval)
        self._heartbeat_loop.start()

    def _beat(self):
        try:
            self._heartbeat(self.name, self.host)
        except Exception as exc:
            LOG.error('The heartbeat of %(name)s on host %(host)s could not '
                      'be stored: %(reason)s. The service goes on, but looks '
                      'dead to the others after %(limit)d seconds.',
                      {'name': self.name, 'host': self.host,
                       'reason': utils.first_line(exc),
                       'limit': self.conf.service_down_time})

    def _attempt(self, func, *args):
        try:
            func(*args)
        except Exception:
            LOG.exception('A part of %s failed', self.name)


class RPCServer:
    """An RPC server that never keeps its process from starting or ending.

    oslo.messaging waits for a broker without limit, so it does that in a
    thread of its own.
    """

    def __init__(self, target: messaging.Target, endpoints: list):
        self._target = target
        self._endpoints = endpoints
        self._running = rpc.Running()
        self._server = None
        self._stopper = None
        self._serving = threading.Event()
        self._stopping = threading.Event()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin to connect."""
        threading.Thread(target=self._connect, name='rpc-server-start',
                         daemon=True).start()

    def wait_until_serving(self, timeout: float) -> bool:
        """Wait for the connection; False if it is not there in time."""
        if self._serving.wait(timeout):
            return True
        if not self._stopping.is_set():
            LOG.warning('The message broker is not reachable yet. Work is '
                        'taken from the database meanwhile; RPC on topic %s '
                        'follows when the broker is there.',
                        self._target.topic)
        return False

    def stop(self) -> None:
        """Begin to stop: answer no further message."""
        self._stopping.set()
        with self._lock:
            server, self._server = self._server, None
        if server is not None:
            self._stopper = threading.Thread(
                target=self._stop, args=(server,), name='rpc-server-stop',
                daemon=True)
            self._stopper.start()

    def wait(self, timeout: float) -> bool:
        """Wait for methods that are still running, after stop().

        An idle listener of oslo.messaging notices within 5 seconds only that
        it is to end, and not while the broker hangs. It is left behind
        without a warning: nobody waits for an answer.

        :param timeout: seconds to wait at the most.
        :returns: whether everything has ended.
        """
        stopper = self._stopper
        if stopper is None:
            return True
        stopper.join(timeout)
        if stopper.is_alive():
            running = self._running.amount
            LOG.log(log.WARNING if running else log.DEBUG,
                    'RPC on topic %(topic)s has not ended after %(timeout)s '
                    'seconds and is left behind, with %(running)d methods '
                    'that run',
                    {'topic': self._target.topic, 'timeout': timeout,
                     'running': running})
            return False
        return True

    def _connect(self):
        attempt = 0
        while not self._stopping.is_set():
            server = rpc.get_server(self._target, self._endpoints,
                                    self._running)
            try:
                server.start()
            except Exception as exc:
                pause = RETRY_PAUSES[min(attempt, len(RETRY_PAUSES) - 1)]
                LOG.error('RPC on topic %(topic)s cannot be served: '
                          '%(reason)s. Check transport_url and the broker. '
                          'Next attempt in %(pause)d seconds.',
                          {'topic': self._target.topic,
                           'reason': utils.first_line(exc), 'pause': pause})
                attempt += 1
                self._stopping.wait(pause)
            else:
                self._take(server)
                return

    def _take(self, server):
        with self._lock:
            if not self._stopping.is_set():
                self._server = server
                self._serving.set()
                LOG.info('RPC is served on topic %s', self._target.topic)
                return
        self._stop(server)

    @staticmethod
    def _stop(server):
        try:
            server.stop()
            server.wait()
        except Exception as exc:
            LOG.warning('The RPC server did not stop cleanly: %s',
                        utils.first_line(exc))


# The launcher -------------------------------------------------------------

class _Worker(cotyledon.Service):
    """One worker process, run by cotyledon."""

    def __init__(self, worker_id, conf, service):
        super().__init__(worker_id)
        self.name = service.name
        self._conf = conf
        self._reloader = reloading.Reloader(conf)
        self._service = service
        service.worker = worker_id

    def run(self):
        if self._conf.oslo_reports.file_event_handler:
            # its thread has stayed behind in the master process
            setup_reports(self._conf)
        try:
            self._service.start()
            self._service.wait()
        except FatalError as exc:
            LOG.error('%(name)s cannot work: %(reason)s',
                      {'name': self.name, 'reason': exc})
            sys.exit(EXIT_FATAL)
        except Restart as exc:
            # The master process starts a new worker.
            LOG.error('%(name)s ends: %(reason)s',
                      {'name': self.name, 'reason': exc})
            sys.exit(1)
        except Exception:
            LOG.exception('%s ended unexpectedly', self.name)
            sys.exit(1)

    def terminate(self):
        self._service.stop()

    def reload(self):
        # Without this method cotyledon would start a new worker, and the
        # work in progress would be lost.
        self._reloader.reload()
        self._service.reset()


def launch(conf: cfg.ConfigOpts, service: oslo_service.ServiceBase,
           workers: int = 1) -> int:
    """Run the service in worker processes until a signal ends it.

    SIGTERM ends it gracefully within ``graceful_shutdown_timeout``, SIGINT
    at once; SIGHUP makes the workers use changed mutable options without
    restarting them; SIGUSR2 writes a report.

    :param service: an oslo.service service with a ``name``.
    :param workers: number of processes.
    :returns: exit code of the process.
    """
    service_opts.register_service_opts(conf)
    failures = []

    def on_dead_worker(service_id, worker_id, exit_code):
        if exit_code == EXIT_FATAL and not failures:
            failures.append(worker_id)
            os.kill(os.getpid(), signal.SIGTERM)

    manager = cotyledon.ServiceManager(
        graceful_shutdown_timeout=conf.graceful_shutdown_timeout,
        mp_context=multiprocessing.get_context('fork'))
    manager.add(_Worker, workers=workers, args=(conf, service))
    manager.register_hooks(on_reload=reloading.Reloader(conf).reload,
                           on_dead_worker=on_dead_worker)
    LOG.info('Starting %(name)s with %(workers)d worker(s), process %(pid)d',
             {'name': service.name, 'workers': workers, 'pid': os.getpid()})
    try:
        manager.run()
    except SystemExit as exc:
        return 1 if failures else exc.code or 0
    return 0
