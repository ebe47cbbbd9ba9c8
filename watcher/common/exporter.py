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
"""Serves the metrics of one daemon to Prometheus, and answers probes.

Each process has its own server: a scrape must see all of one process, not a
part of any. One daemon has one process; of the API, worker N has the Nth port
after the configured one.
"""

import os
import types
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

import prometheus_client as prometheus
from oslo_config import cfg
from oslo_log import log
from oslo_serialization import jsonutils
from prometheus_client import core

from watcher import conf as watcher_conf
from watcher import version
from watcher.common import health as health_checks
from watcher.common import metrics
from watcher.common import periodic
from watcher.common import pool_stats
from watcher.common import service as base_service
from watcher.common import utils
from watcher.common import wsgi_server

CONF = watcher_conf.CONF

LOG = log.getLogger(__name__)

PATH = '/metrics'
ALIVE = '/healthcheck'
READY = '/healthcheck/ready'

#: Seconds between attempts to listen. The process before this one may still
#: have the port.
RETRY = 10.0

#: Prometheus and probes ask once in a while, and nobody else.
_THREADS = 4

#: Seconds that a client may be silent. As long as that it keeps a thread, and
#: a few of them would make this process look dead to who probes it.
_SILENCE = 2.0


class PoolFigures:
    """The thread pools of the process."""

    def collect(self) -> Iterator[core.Metric]:
        """Return the metrics as they are now."""
        size = core.GaugeMetricFamily(
            'watcher_pool_threads', 'Threads that a pool may have.',
            labels=('pool',))
        busy = core.GaugeMetricFamily(
            'watcher_pool_busy', 'Threads of a pool that work.',
            labels=('pool',))
        waiting = core.GaugeMetricFamily(
            'watcher_pool_waiting', 'Calls that wait for a thread of a pool.',
            labels=('pool',))
        for name, load in pool_stats.POOLS.loads().items():
            size.add_metric((name,), load.size)
            busy.add_metric((name,), load.busy)
            waiting.add_metric((name,), load.waiting)
        yield from (size, busy, waiting)


class _Guarded:
    """A collector whose failure does not take the others with it.

    While the database is away, the scrape has to show all the rest.
    """

    def __init__(self, collector: Any) -> None:
        self._collector = collector
        self.failures = 0

    def collect(self) -> list[core.Metric]:
        try:
            return list(self._collector.collect())
        except Exception as exc:
            self.failures += 1
            LOG.warning('%(what)s are missing in the metrics: %(reason)s',
                        {'what': type(self._collector).__name__,
                         'reason': utils.first_line(exc)})
            return []


class _Failures:
    """How many parts of scrapes are missing."""

    def __init__(self, guarded: Iterable[_Guarded]) -> None:
        self._guarded = tuple(guarded)

    def collect(self) -> Iterator[core.Metric]:
        yield core.CounterMetricFamily(
            'watcher_metrics_missing',
            'Parts of answers to scrapes that could not be given, as figures '
            'of a database that is away.',
            value=sum(guarded.failures for guarded in self._guarded))


def registry_of(name: str, host: str, collectors: Iterable[Any],
                instruments: metrics.Instruments
                ) -> prometheus.CollectorRegistry:
    """Return all that a daemon offers.

    :param collectors: with a method ``collect``, asked at each scrape
    """
    registry = prometheus.CollectorRegistry()
    prometheus.Info('watcher_service', 'Which service this is.',
                    registry=registry).info(
        {'service': name, 'host': host,
         'version': version.release_string()})
    prometheus.ProcessCollector(registry=registry)
    instruments.register(registry)
    guarded = [_Guarded(collector) for collector
               in (PoolFigures(), *collectors)]
    # The failures last: they count those of the same scrape.
    for collector in (*guarded, _Failures(guarded)):
        registry.register(collector)
    return registry


def application(registry: prometheus.CollectorRegistry,
                health: health_checks.Health) -> Callable:
    """Return the WSGI application that answers scrapes and probes."""
    metrics_app = prometheus.make_wsgi_app(registry)

    def answer(environ: dict[str, Any],
               start_response: Callable) -> list[bytes]:
        path = environ.get('PATH_INFO')
        if path == PATH:
            return metrics_app(environ, start_response)
        if path not in (ALIVE, READY):
            return _say(start_response, '404 Not Found',
                        f'See {PATH}, {ALIVE} and {READY}.')
        if environ.get('REQUEST_METHOD') not in ('GET', 'HEAD'):
            return _say(start_response, '405 Method Not Allowed',
                        'GET or HEAD.')
        if path == ALIVE:
            return _say(start_response, '200 OK', 'OK')
        ready, found = health.look()
        return _say(start_response,
                    '200 OK' if ready else '503 Service Unavailable',
                    jsonutils.dumps(found, indent=2), 'application/json')

    return answer


def _say(start_response, status, text, kind='text/plain'):
    body = f'{text}\n'.encode()
    start_response(status, [('Content-Type', kind),
                            ('Content-Length', str(len(body)))])
    return [body]


class Exporter:
    """Serves the metrics of one daemon, if ``[service_metrics]`` says so.

    :param name: name of the daemon
    :param port: where to listen
    """

    def __init__(self, name: str, port: int,
                 conf: cfg.ConfigOpts = CONF) -> None:
        self.name = name
        self._port = port
        self._conf = conf
        self._app: Callable | None = None
        self._server: wsgi_server.WSGIServer | None = None
        self._complained = False
        self._loop = periodic.Loop(f'{name}-metrics', self._listen, RETRY)

    @property
    def url(self) -> str | None:
        """Where metrics are, while they are served."""
        server = self._server
        return None if server is None else server.url + PATH

    def start(self, collectors: Iterable[Any] = (),
              checks: Mapping[str, Callable[[], health_checks.Finding]] = (
                  types.MappingProxyType({}))) -> bool:
        """Begin to count and to serve; returns at once.

        :param collectors: what only this daemon offers
        :param checks: what it needs to be ready, by name
        :returns: whether metrics are wanted
        """
        if not self._conf.service_metrics.enabled:
            return False
        registry = registry_of(self.name, self._conf.host, collectors,
                               metrics.begin())
        self._app = application(registry, health_checks.Health(checks))
        self._loop.start()
        return True

    def stop(self) -> None:
        """Serve nothing any more."""
        if self._app is None:
            return
        self._app = None
        self._loop.stop(timeout=1)
        server, self._server = self._server, None
        if server is not None:
            server.stop(0)
        metrics.end()

    def _listen(self) -> None:
        if self._server is not None or self._app is None:
            return
        options = self._conf.service_metrics
        try:
            if options.enable_ssl:
                wsgi_server.check_tls(self._conf,
                                      '[service_metrics] enable_ssl')
            server = wsgi_server.WSGIServer(
                self._app, options.host, self._port, conf=self._conf,
                use_ssl=options.enable_ssl, name=f'{self.name}-metrics',
                threads=_THREADS, access_log=False, timeout=_SILENCE)
            server.start()
        except base_service.FatalError as exc:
            if not self._complained:
                self._complained = True
                LOG.error('The metrics of %(name)s (process %(pid)d) are not '
                          'served, which is tried again: %(reason)s',
                          {'name': self.name, 'pid': os.getpid(),
                           'reason': exc})
            return
        self._server = server
