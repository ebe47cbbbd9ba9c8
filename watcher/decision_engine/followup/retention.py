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
"""Removes audits and plans that have ended long ago, if an operator wants it.

What goes and what stays is decided in :mod:`watcher.db.retention`.
"""

import collections
import datetime
import threading
from collections.abc import Mapping
from typing import Any

from oslo_log import log
from oslo_utils import timeutils

from watcher import conf
from watcher import objects
from watcher.common import context as watcher_context
from watcher.common import metrics
from watcher.common import periodic
from watcher.db import retention as stored
from watcher.decision_engine.followup import turns

CONF = conf.CONF
LOG = log.getLogger(__name__)

#: Name of the lease.
LEASE = 'engines:retention'

#: Seconds between two transactions: the services come first.
PAUSE = 0.05


class Retention:
    """The loop of one engine; of several, one works at a time."""

    def __init__(self) -> None:
        self._loop = periodic.Loop('retention', self.remove_old, _interval)
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begin to look; returns at once."""
        self._stopping.clear()
        self._loop.start()

    def stop(self) -> None:
        """Begin no further transaction."""
        self._stopping.set()
        self._loop.stop(timeout=0.1)

    def remove_old(self) -> None:
        """Remove everything that is too old by now."""
        limits = limits_now()
        if limits is None:
            return
        context = watcher_context.admin_context()
        missing = objects.Audit.dbapi.missing_tables()
        if missing:
            LOG.warning('Nothing old is removed: the database lacks '
                        '%s. Run "watcher-db-manage upgrade"',
                        ', '.join(missing))
            return
        with turns.turn(context, LEASE) as lease:
            if lease is not None:
                self._remove(limits, lease)

    def _remove(self, limits: stored.Limits, lease: Any) -> None:
        removed: collections.Counter[str] = collections.Counter()
        try:
            for counts in stored.remove(limits):
                removed.update(counts)
                for table, amount in counts.items():
                    metrics.rows_removed(table, amount)
                if self._stopping.wait(PAUSE) or not lease.renew():
                    break
        finally:
            # Also after an error: what is gone is gone.
            _tell(removed, limits)


def _tell(removed: Mapping[str, int], limits: stored.Limits) -> None:
    counts = ['%s: %d' % item for item in sorted(removed.items())
              if item[1]]
    if counts:
        LOG.info('Removed what ended or was deleted before %(date)s UTC '
                 '(retention_days): %(counts)s',
                 {'date': limits.common.isoformat(' ', 'seconds'),
                  'counts': ', '.join(counts)})


def limits_now() -> 'stored.Limits | None':
    """Return what is too old by now; None if nothing ever is."""
    options = CONF.watcher_decision_engine
    if not options.retention_days:
        return None
    now = timeutils.utcnow()
    kept = datetime.timedelta(days=options.retention_days)
    # What may be tried again or undone stays, whatever the strategy. If
    # there is no limit for that, it is the one that is set here.
    longest = max(options.action_plan_expiry * 3600, 0)

    def limit(undo: int) -> datetime.datetime:
        return now - max(kept, datetime.timedelta(
            seconds=max(undo, longest)))

    return stored.Limits(
        now - kept, limit(options.rollback_max_age),
        {name: limit(undo) for name, undo
         in options.rollback_max_age_of_strategies.items()})


def _interval() -> float:
    """Return the seconds between two rounds; 0 when it is switched off."""
    options = CONF.watcher_decision_engine
    return options.retention_interval if options.retention_days else 0
