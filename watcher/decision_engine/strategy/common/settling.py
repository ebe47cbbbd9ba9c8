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
"""Hosts whose metrics still tell of the time before our own actions.

A metric of a host is aggregated over a period. Until that is over since
servers came or went, it is too high or too low by what they use, and who goes
by it moves the next ones for nothing. See
``[watcher_strategies] settle_metrics``.
"""

import dataclasses
import datetime
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from oslo_utils import timeutils

from watcher import objects
from watcher.decision_engine.strategy.common import cluster
from watcher.objects import states

#: Actions that change how much there is to do on hosts.
ACTIONS = ('migrate', 'resize', 'start', 'stop')

#: When hosts were changed last, by their numbers; None: that goes on.
Ends = dict[int, datetime.datetime | None]


@dataclasses.dataclass(frozen=True)
class Change:
    """What an action did, or does.

    :param before: what it noted before it began.
    :param ended: naive, in UTC; None if it is not over.
    """

    parameters: Mapping[str, Any]
    before: Mapping[str, Any]
    ended: datetime.datetime | None


def changes_since(since: datetime.datetime) -> list[Change]:
    """Read which actions ran after a moment, whatever became of them.

    One that failed may have changed something.

    :param since: naive, in UTC.
    """
    running = states.ActionState.ONGOING
    rows = objects.Action.dbapi.list_actions_run_since(
        since, ACTIONS, running)
    return [Change(row.input_parameters or {}, row.before or {},
                   None if row.state == running else row.ended)
            for row in rows]


def last_changes(state: cluster.ClusterState,
                 changes: Iterable[Change]) -> Ends:
    """Return when actions have changed hosts last.

    Those that servers left, and those where they are now.
    """
    ends: Ends = {}
    for change in changes:
        for host in _hosts(state, change):
            known = ends.get(host, change.ended)
            ends[host] = (None if known is None or change.ended is None
                          else max(known, change.ended))
    return ends


def _hosts(state, change):
    names = {change.parameters.get('source_node'),
             change.parameters.get('destination_node'),
             change.before.get('host')}
    found = {state.host_named(name) for name in names if name}
    server = state.server_index.get(change.parameters.get('resource_id'))
    if server is not None:
        found.add(int(state.host_of[server]))
    return found - {None, cluster.NOWHERE}


class Settling:
    """Tells which hosts have not settled yet.

    It reads what was done: one query, and another one only for a longer
    period. It belongs to the gathering of a strategy.
    """

    def __init__(self, state: cluster.ClusterState):
        self._state = state
        self._now = timeutils.normalize_time(
            timeutils.utcnow(with_timezone=True))
        self._read = datetime.timedelta()
        self._ends: Ends = {}

    def unsettled(self, period: float) -> frozenset[int]:
        """Return the numbers of hosts that were changed within a period.

        :param period: over which metrics are aggregated, in seconds.
        """
        span = datetime.timedelta(seconds=period)
        if span > self._read:
            self._ends = last_changes(self._state,
                                      changes_since(self._now - span))
            self._read = span
        return frozenset(host for host, ended in self._ends.items()
                         if ended is None or self._now - ended < span)
