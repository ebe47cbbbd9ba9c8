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
"""Leaving servers alone that were moved a moment ago.

Audits of different goals, or one whose metrics lag behind, may move a server
to and fro, and each move costs its users something. What undoes or repeats
another plan is exempt.
"""

import dataclasses
import datetime
import threading
import time
from collections.abc import Callable
from typing import Any

from oslo_utils import timeutils

from watcher import conf
from watcher import objects
from watcher._i18n import _
from watcher.applier.actions import base as action_base
from watcher.common import exception
from watcher.objects import action as action_objects

CONF = conf.CONF

#: Seconds that an answer of the database is good for.
_FRESH = 10.0


@dataclasses.dataclass(frozen=True, slots=True)
class _Move:
    """That an action of another plan has moved a server."""

    action: str
    plan: str
    when: datetime.datetime


def seconds_for(strategy: str | None) -> int:
    """Return how long plans of a strategy leave moved servers alone."""
    options = CONF.watcher_applier
    own = options.cooldown_of_strategies.get(strategy)
    return options.cooldown if own is None else own


class Cooldown:
    """Which servers a plan has to leave alone.

    Threads of one plan share it. The database is asked when the first
    server is to be moved, and again when that is a while ago.

    :param context: request context of the launch
    :param claims_of: returns what an action occupies
    """

    def __init__(self, context: Any,
                 claims_of: Callable[[Any], action_base.Claims]):
        self._context = context
        self._claims_of = claims_of
        self._lock = threading.Lock()
        self._strategy: str | None = None
        # Unknown until it is needed.
        self._exempt: bool | None = None
        self._moves: dict[str, _Move] = {}
        self._looked_at: float | None = None

    def check(self, action: Any) -> None:
        """Refuse to move what was moved a moment ago.

        :raises: ActionSkipped
        """
        options = CONF.watcher_applier
        if not options.cooldown and not any(
                options.cooldown_of_strategies.values()):
            return
        claims = self._claims_of(action)
        if not _moves(claims):
            return
        with self._lock:
            seconds = self._seconds(action.action_plan_id)
            if not seconds:
                return
            oldest = timeutils.utcnow() - datetime.timedelta(seconds=seconds)
            self._look(oldest, action.action_plan_id)
            moves = self._moves
        for subject in claims.subjects:
            move = moves.get(subject)
            if move is not None and move.when >= oldest:
                raise exception.ActionSkipped(_(
                    'Server %(subject)s was moved at %(when)s UTC by action '
                    '%(action)s of action plan %(plan)s, and is left alone '
                    'for %(seconds)s seconds') % {
                        'subject': subject, 'seconds': seconds,
                        'when': move.when.isoformat(' ', 'seconds'),
                        'action': move.action, 'plan': move.plan})

    def _seconds(self, plan_id: int) -> int:
        if self._exempt is None:
            plan = objects.ActionPlan.get_by_id(
                self._context, plan_id, eager=True)
            run = objects.PlanRun.get(self._context, plan_id)
            self._strategy = plan.strategy.name if plan.strategy else None
            self._exempt = run is not None and run.kind is not None
        return 0 if self._exempt else seconds_for(self._strategy)

    def _look(self, oldest: datetime.datetime, plan_id: int) -> None:
        now = time.monotonic()
        if (self._looked_at is not None
                and now - self._looked_at < _FRESH):
            return
        moves = {}
        for row in objects.ActionPlan.dbapi.list_actions_ended_since(
                oldest, action_objects.State.SUCCEEDED):
            if row.action_plan_id == plan_id:
                continue
            claims = self._claims_of(row)
            if _moves(claims):
                move = _Move(row.uuid, row.plan_uuid, row.finished_at)
                moves.update(dict.fromkeys(claims.subjects, move))
        self._moves = moves
        self._looked_at = now


def _moves(claims: action_base.Claims) -> bool:
    return bool(claims.source or claims.destination)
