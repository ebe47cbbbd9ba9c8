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
"""What keeps audits that repeat from moving servers to and fro.

Everything here is off unless configured, see ``[watcher_strategies]``. What
moves do to metrics is in :mod:`.settling`.
"""

import datetime
from collections.abc import Mapping
from typing import Any

from watcher import objects
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import feasibility
from watcher.decision_engine.strategy.common import settings

#: Actions that move a server or a volume, and the state in which they have.
MIGRATE, VOLUME_MIGRATE = 'migrate', 'volume_migrate'
SUCCEEDED = 'SUCCEEDED'

#: Percents that differ by less are equal.
ROUNDING = 1e-9

Times = dict[str, datetime.datetime]


def recent_moves(context: Any, seconds: float, now: datetime.datetime,
                 action_type: str = MIGRATE) -> Times:
    """Read which servers action plans have moved lately, and when.

    One query, and none at all when nothing is to be remembered. It belongs
    to the gathering of a strategy.

    :param seconds: how far to look back; see ``min_residence``.
    :param action_type: :data:`VOLUME_MIGRATE` asks about volumes.
    :returns: end of the last move of a server, by its uuid.
    """
    if seconds <= 0:
        return {}
    found = objects.Action.list_columns(
        context, ['input_parameters', 'updated_at'],
        filters={'action_type': action_type, 'state': SUCCEEDED,
                 'updated_at__gte': now - datetime.timedelta(
                     seconds=seconds)})
    times: Times = {}
    for parameters, when in zip(found['input_parameters'],
                                found['updated_at'], strict=True):
        server = (parameters or {}).get('resource_id')
        if server and (server not in times or times[server] < when):
            times[server] = when
    return times


class Residence:
    """Tells which servers have moved too lately to be moved again.

    :param moved: times of the last moves by uuid, see :func:`recent_moves`.
    """

    def __init__(self, state: cluster.ClusterState,
                 options: settings.Settings,
                 moved: Mapping[str, datetime.datetime],
                 now: datetime.datetime):
        self._state = state
        self._seconds = options.min_residence
        self._moved = moved
        self._now = now

    def why_not(self, server: int) -> str | None:
        """Return that a server has to stay, None if it need not."""
        when = self._moved.get(self._state.servers[server].uuid)
        if when is None or self._seconds <= 0:
            return None
        ago = (self._now - when).total_seconds()
        if ago >= self._seconds:
            return None
        return (f'it was moved {ago:.0f} seconds ago and stays for '
                f'{self._seconds}')


def transferred(server: feasibility.Server) -> float:
    """Return how many GB a move of a server transfers, roughly.

    The memory of what runs, and what it occupies on the disks of its host.
    Shared storage makes it less.
    """
    resources = server.resources
    running = server.state in feasibility.LIVE_MIGRATABLE
    return (resources.memory / 1024 if running else 0) + (
        resources.disk or 0)


class Gain:
    """Weighs what a change brings against what it costs."""

    def __init__(self, options: settings.Settings):
        self._options = options

    def target(self, threshold: float) -> float:
        """Return how far to go once a threshold was exceeded.

        Less than the threshold by the dead band; the threshold itself
        without one.
        """
        return threshold * (1 - self._options.dead_band / 100)

    def needed(self, server: feasibility.Server) -> float:
        """Return by how many percent a move has to improve things."""
        return max(self._options.min_improvement,
                   self._options.migration_cost * transferred(server) / 100)

    def why_not_worth(self, server: feasibility.Server, before: float,
                      after: float) -> str | None:
        """Return that moving a server improves too little, else None.

        :param before: what the strategy measures, less being better.
        :param after: the same after the move.
        """
        needed = self.needed(server)
        if needed <= 0:
            return None
        improvement = 100 * (before - after) / before if before > 0 else 0.0
        if improvement >= needed - ROUNDING:
            return None
        return (f'moving {server.label} ({transferred(server):.0f} GB) would '
                f'improve things by {improvement:.1f} %, and '
                f'{needed:.1f} % are wanted')
