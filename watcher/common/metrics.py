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
"""What the service counts and measures of its own work.

Code anywhere calls one of the functions below, each a few microseconds and
nothing at all while nobody wants metrics. :mod:`.exporter` turns metrics on
and serves them. Every label has few values, whatever the cloud is like: kinds
of things, never single ones.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping

import prometheus_client as prometheus

#: For what a user or another service waits: milliseconds to half a minute.
SHORT = (.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30)
#: For work on the whole cloud: a tenth of a second to some hours.
LONG = (.1, .5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 10800)

SUCCEEDED = 'succeeded'
FAILED = 'failed'
CANCELLED = 'cancelled'
UNANSWERED = 'unanswered'


class Instruments:
    """All counters and histograms of one process."""

    def __init__(self) -> None:
        self.changes = prometheus.Counter(
            'watcher_state_changes',
            'Changes of state that this process has stored.',
            ('object', 'state'), registry=None)
        self.audit_runs = prometheus.Counter(
            'watcher_audit_runs',
            'Runs of audits that ended in this process. A run that failed '
            'does not end a CONTINUOUS audit.',
            ('strategy', 'type', 'result'), registry=None)
        self.audit_seconds = prometheus.Histogram(
            'watcher_audit_run_seconds',
            'How long runs of audits took, from claim to stored result.',
            ('strategy',), buckets=LONG, registry=None)
        self.actions = prometheus.Counter(
            'watcher_action_results',
            'Actions that got a final state from this process. One that '
            'succeeded, but did not pass the check afterwards, counts twice.',
            ('type', 'result'), registry=None)
        self.action_seconds = prometheus.Histogram(
            'watcher_action_seconds',
            'How long actions ran in this process, whatever came of them.',
            ('type',), buckets=LONG, registry=None)
        self.plan_seconds = prometheus.Histogram(
            'watcher_action_plan_seconds',
            'How long action plans ran in this process, pauses included.',
            ('result',), buckets=LONG, registry=None)
        self.queries = prometheus.Counter(
            'watcher_datasource_queries',
            'Questions to data sources, each counted once however often it '
            'was repeated. Those refused come soon after an outage and are '
            'not sent.', ('datasource', 'result'), registry=None)
        self.query_seconds = prometheus.Histogram(
            'watcher_datasource_query_seconds',
            'How long data sources took to answer, repetitions included.',
            ('datasource',), buckets=SHORT, registry=None)
        self.rpc_seconds = prometheus.Histogram(
            'watcher_rpc_seconds',
            'How long RPC methods took that this process was asked for.',
            ('method', 'result'), buckets=SHORT, registry=None)
        self.rpc_client_seconds = prometheus.Histogram(
            'watcher_rpc_client_seconds',
            'How long this process waited for what it asked of another '
            'service, or for the bus where it needs no answer.',
            ('service', 'method', 'result'), buckets=SHORT, registry=None)
        self.metric_resources = prometheus.Gauge(
            'watcher_metric_resources',
            'Hosts, servers or pools of which an audit last wanted a metric, '
            'by what the data source had: fresh, stale or missing.',
            ('datasource', 'metric', 'state'), registry=None)
        self.told = prometheus.Counter(
            'watcher_own_notifications',
            'Notifications of Watcher, by what became of them. Those dropped '
            'found the queue full.', ('result',), registry=None)
        self.removed = prometheus.Counter(
            'watcher_removed_rows',
            'Rows that were removed because they were too old, by table.',
            ('table',), registry=None)
        self.requests = prometheus.Counter(
            'watcher_api_requests', 'Answered requests of the REST API.',
            ('method', 'route', 'status'), registry=None)
        self.request_seconds = prometheus.Histogram(
            'watcher_api_request_seconds',
            'How long requests of the REST API took, until the answer was '
            'ready to be sent.',
            ('method', 'route'), buckets=SHORT, registry=None)

    def register(self, registry: prometheus.CollectorRegistry) -> None:
        """Offer all of them in a registry."""
        for instrument in vars(self).values():
            registry.register(instrument)


class _Use:
    """The instruments of this process, while somebody reads them.

    What is counted happens in plug-ins, libraries' threads and methods of
    third parties, which cannot all be handed an object. Several services in
    one process share one set.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self.instruments: Instruments | None = None


_USE = _Use()


def begin() -> Instruments:
    """Begin to count, for one more reader."""
    with _USE.lock:
        if _USE.instruments is None:
            _USE.instruments = Instruments()
        _USE.users += 1
        return _USE.instruments


def end() -> None:
    """One reader less; the last one ends counting."""
    with _USE.lock:
        _USE.users -= 1
        if not _USE.users:
            _USE.instruments = None


def wanted() -> bool:
    """Tell whether anything is counted."""
    return _USE.instruments is not None


# What happened ------------------------------------------------------------

def state_changed(kind: str, state: str) -> None:
    """An audit, a plan or an action has a new state."""
    if (use := _USE.instruments) is not None:
        use.changes.labels(kind, state).inc()


class AuditRun:
    """A run of an audit that begins now.

    :param kind: its type
    :param strategy: name of its strategy
    """

    def __init__(self, kind: str, strategy: str) -> None:
        self._kind, self._strategy = kind, strategy
        self._began = time.monotonic()

    def end(self, result: str) -> None:
        """Note how it ended."""
        if (use := _USE.instruments) is None:
            return
        use.audit_runs.labels(self._strategy, self._kind, result).inc()
        use.audit_seconds.labels(self._strategy).observe(
            time.monotonic() - self._began)


def action_ended(kind: str, result: str, seconds: float | None) -> None:
    """An action got its final state.

    :param seconds: how long it ran; None if it did not run here
    """
    if (use := _USE.instruments) is not None:
        use.actions.labels(kind, result).inc()
        if seconds is not None:
            use.action_seconds.labels(kind).observe(seconds)


def plan_ended(result: str, seconds: float) -> None:
    """An action plan that ran here got its final state."""
    if (use := _USE.instruments) is not None:
        use.plan_seconds.labels(result).observe(seconds)


def query_refused(datasource: str) -> None:
    """A data source was not asked, because it was out of order just now."""
    if (use := _USE.instruments) is not None:
        use.queries.labels(datasource, 'refused').inc()


def query(datasource: str) -> contextlib.AbstractContextManager[None]:
    """Measure a question to a data source; an exception is a failure."""
    def note(use: Instruments, result: str, seconds: float) -> None:
        use.queries.labels(datasource, result).inc()
        use.query_seconds.labels(datasource).observe(seconds)
    return _measured(note)


def metric_read(datasource: str, metric: str,
                amounts: Mapping[str, int]) -> None:
    """A metric of many resources was read.

    :param amounts: of resources, by state
    """
    if (use := _USE.instruments) is not None:
        for state, amount in amounts.items():
            use.metric_resources.labels(datasource, metric, state).set(amount)


def rpc(method: str) -> contextlib.AbstractContextManager[None]:
    """Measure an RPC method; an exception is a failure."""
    return _measured(lambda use, result, seconds: (
        use.rpc_seconds.labels(method, result).observe(seconds)))


def asking(service: str, method: str,
           unanswered: tuple[type[Exception], ...] = ()
           ) -> contextlib.AbstractContextManager[None]:
    """Measure asking another service for something; exceptions are failures.

    :param unanswered: exceptions that mean that nobody answered
    """
    return _measured(lambda use, result, seconds: (
        use.rpc_client_seconds.labels(service, method, result).observe(
            seconds)), unanswered)


def told(result: str) -> None:
    """A notification of Watcher was sent, or not."""
    if (use := _USE.instruments) is not None:
        use.told.labels(result).inc()


def rows_removed(table: str, amount: int) -> None:
    """Rows were removed from the database because they were too old."""
    if (use := _USE.instruments) is not None:
        use.removed.labels(table).inc(amount)


def answered(method: str, route: str, status: str, seconds: float) -> None:
    """A request of the REST API was answered."""
    if (use := _USE.instruments) is not None:
        use.requests.labels(method, route, status).inc()
        use.request_seconds.labels(method, route).observe(seconds)


@contextlib.contextmanager
def _measured(note: Callable[[Instruments, str, float], None],
              unanswered: tuple[type[Exception], ...] = ()
              ) -> Iterator[None]:
    began, result = time.monotonic(), FAILED
    try:
        yield
        result = SUCCEEDED
    except unanswered:
        result = UNANSWERED
        raise
    finally:
        if (use := _USE.instruments) is not None:
            note(use, result, time.monotonic() - began)
