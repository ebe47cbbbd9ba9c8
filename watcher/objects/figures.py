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
"""What the database tells metrics: how many there are of each kind.

All processes that read one database tell the same. It is asked at most once
in ``[service_metrics] database_interval`` seconds, whoever scrapes. A database
that hangs holds up no scrape for long: its figures are missing then.
"""

import threading
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

from oslo_config import cfg
from prometheus_client import core

from watcher.common import asking
from watcher.db import api as db_api
from watcher.objects import states

CONF = cfg.CONF

#: States in which plans wait or run. The others are history, which grows:
#: counters tell about it.
OPEN = (states.ActionPlanState.RECOMMENDED, states.ActionPlanState.PENDING,
        states.ActionPlanState.ONGOING, states.ActionPlanState.CANCELLING)

#: Seconds that a scrape waits for the database; Prometheus gives up after 10.
PATIENCE = 3.0

#: States of plans that are being executed.
RUNNING = (states.ActionPlanState.ONGOING, states.ActionPlanState.CANCELLING)

#: States of audits that are to be run.
LIVE = (states.AuditState.PENDING, states.AuditState.ONGOING)

#: Most audits that are named. No other metric names single things: there
#: should be no such audits, and there are never many.
MOST_FAILING = 50

#: Stands for the strategy of audits that only have a goal.
ANY = 'any'


class Stored:
    """Figures read from the database, used again for a while.

    :param read: returns the metrics, anew
    """

    def __init__(self, read: Callable[[], Iterable[core.Metric]],
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._question = asking.Question('metrics-database',
                                         lambda: list(read()))
        self._clock = clock
        self._lock = threading.Lock()
        self._known: list[core.Metric] | None = None
        self._read_at = 0.0

    def collect(self) -> Iterator[core.Metric]:
        """Return the metrics, read now or a moment ago."""
        with self._lock:
            now = self._clock()
            if (self._known is None or now - self._read_at
                    >= CONF.service_metrics.database_interval):
                # A failure leaves nothing behind: old figures would look
                # like a service in which nothing happens.
                self._known = None
                self._known = self._question.answer(PATIENCE)
                self._read_at = now
            known = self._known
        yield from known


class Connections:
    """The connections of this process to the database."""

    def collect(self) -> Iterator[core.Metric]:
        """Return the metrics as they are now."""
        now = db_api.get_instance().get_connections()
        if now is None:
            return
        open_ones = core.GaugeMetricFamily(
            'watcher_database_connections',
            'Connections of this process to the database, by use.',
            labels=('state',))
        open_ones.add_metric(('used',), now.used)
        open_ones.add_metric(('idle',), now.idle)
        yield open_ones
        if now.limit is not None:
            yield core.GaugeMetricFamily(
                'watcher_database_connections_limit',
                'Connections to the database that this process may have.',
                value=now.limit)


class Lease:
    """Whether a process has what lets it work.

    :param manager: of an engine; one without leases tells nothing
    """

    def __init__(self, manager: Any) -> None:
        self._manager = manager

    def collect(self) -> Iterator[core.Metric]:
        """Return the metrics as they are now."""
        lease = getattr(self._manager, 'lease', None)
        if lease is not None:
            yield core.GaugeMetricFamily(
                'watcher_lease_valid', '1 while this process has its lease; '
                'without it nothing is started.', value=float(lease.valid))


def read_audits() -> Iterator[core.Metric]:
    """Count audits."""
    audits = core.GaugeMetricFamily(
        'watcher_audits', 'Audits in the database. "any" is the strategy of '
        'those that only have a goal.',
        labels=('state', 'type', 'strategy'))
    for row in db_api.get_instance().count_audits():
        audits.add_metric((row.state or '', row.audit_type or '',
                           row.strategy or ANY), row.amount)
    yield audits
    failures = core.GaugeMetricFamily(
        'watcher_audit_failures_in_a_row', 'Runs of an audit that failed '
        'since its last good one; of those that failed most often.',
        labels=('audit',))
    for row in db_api.get_instance().list_failing_audits(LIVE, MOST_FAILING):
        failures.add_metric((row.uuid,), row.failures)
    yield failures


def read_plans() -> Iterator[core.Metric]:
    """Count plans that wait or run, and the actions of those that run."""
    plans = core.GaugeMetricFamily(
        'watcher_action_plans', 'Action plans in the database that wait or '
        'run.', labels=('state',))
    database = db_api.get_instance()
    found = {row.state: row.amount
             for row in database.count_action_plans(OPEN)}
    for state in OPEN:
        plans.add_metric((state,), found.get(state, 0))
    yield plans
    actions = core.GaugeMetricFamily(
        'watcher_actions', 'Actions of the action plans that run now.',
        labels=('state', 'type'))
    for row in database.count_actions(RUNNING):
        actions.add_metric((row.state or '', row.action_type or ''),
                           row.amount)
    yield actions
