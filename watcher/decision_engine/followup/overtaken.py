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
"""Gives up recommended plans that another plan overtook.

A plan that ran has changed what other plans count on. Those that were made
before it ended, and that nobody has started, become SUPERSEDED: with
``supersede_overtaken = overlapping`` if they are about some of the same
servers, hosts, volumes, pools or nodes, with ``all`` in any case.

This goes by what stands in the database: when plans were made, when others
ended and what their actions are. So it does not matter which process saw the
end of a plan, or died then; and as the change is a compare-and-swap, it does
no harm that each engine does it.
"""

import datetime
from collections.abc import Iterable
from typing import Any
from typing import NamedTuple

from oslo_log import log
from oslo_utils import timeutils
from oslo_utils import uuidutils

from watcher import conf
from watcher import objects
from watcher.common import context as watcher_context
from watcher.common import exception
from watcher.common import periodic
from watcher.common import reasons
from watcher.conf import decision_engine
from watcher.decision_engine import touched
from watcher.objects import states

CONF = conf.CONF
LOG = log.getLogger(__name__)

State = states.ActionPlanState

#: Seconds between two rounds.
INTERVAL = 30

#: How long after its end a plan is still held against others: these may have
#: been stored late, or by a host whose clock is behind.
GRACE = datetime.timedelta(minutes=10)

#: How many things a status message names.
MAX_NAMED = 3


class _Waiting(NamedTuple):
    """A plan that is RECOMMENDED.

    :ivar created: naive, in UTC
    :ivar source: id of the plan that it undoes or tries again, if it does
    """

    id: int
    uuid: str
    created: datetime.datetime
    source: int | None


class _Ended(NamedTuple):
    """A plan that has run; the date is naive, in UTC."""

    id: int
    uuid: str
    ended: datetime.datetime


class OvertakenPlans:
    """The loop of one engine."""

    def __init__(self) -> None:
        self._loop = periodic.Loop('overtaken-plans', self.check, INTERVAL)
        self._waiting = touched.Reader()
        self._ended = touched.Reader()
        self._forget()

    def _forget(self) -> None:
        # Until when, and in which way, all that ended was looked at.
        self._until: datetime.datetime | None = None
        self._mode: str | None = None

    def start(self) -> None:
        """Begin to look; returns at once."""
        self._loop.start()

    def stop(self) -> None:
        """Begin no further round."""
        self._loop.stop(timeout=0.1)

    def check(self) -> None:
        """Give up the plans that others have overtaken."""
        mode = CONF.watcher_decision_engine.supersede_overtaken
        if mode != self._mode:
            self._forget()
        if mode == decision_engine.OFF:
            return
        now = timeutils.utcnow()
        if self._until is not None and now < self._until:
            # Clocks were set back: what ends now would be long looked at.
            self._forget()
        context = watcher_context.admin_context()
        waiting = _recommended(context)
        if waiting:
            # What ended before the oldest one has overtaken none of them.
            since = min(plan.created for plan in waiting)
            if self._until is not None:
                since = max(since, self._until - GRACE)
            ended = [_Ended(ident, uuid, timeutils.normalize_time(when))
                     for ident, uuid, when
                     in objects.PlanRun.ended_since(context, since)]
            if ended:
                self._compare(context, mode, waiting, ended)
        self._until, self._mode = now, mode

    def _compare(self, context, mode, waiting, ended) -> None:
        changed = {
            uuid: _names(parts, touched.NOTHING_DONE) for uuid, parts
            in self._ended.read(plan_ids=[plan.id for plan in ended]).items()}
        about = {}
        if mode == decision_engine.OVERLAPPING:
            about = {
                uuid: _names(parts, touched.NOT_TO_BE_DONE) for uuid, parts
                in self._waiting.read(
                    plan_ids=[plan.id for plan in waiting]).items()}
        for plan in waiting:
            for other in ended:
                if not _is_before(plan, other) or not changed.get(other.uuid):
                    continue
                if mode == decision_engine.ALL:
                    _give_up(context, plan, other, 'the cloud')
                    break
                common = _common(about.get(plan.uuid, {}),
                                 changed[other.uuid])
                if common:
                    _give_up(context, plan, other, _list(common))
                    break


def _recommended(context: Any) -> list[_Waiting]:
    """Return the plans that nobody has started."""
    found = objects.ActionPlan.list_columns(
        context, ('id', 'uuid', 'created_at', 'hostname'),
        filters={'state': State.RECOMMENDED})
    runs = objects.PlanRun.of_plans(found['id'])
    return [
        _Waiting(ident, uuid, timeutils.normalize_time(created),
                 runs[ident].source_plan_id if ident in runs else None)
        for ident, uuid, created, host in zip(
            found['id'], found['uuid'], found['created_at'],
            found['hostname'], strict=True)
        # With a host it is started already, by a message.
        if host is None]


def _is_before(plan: _Waiting, other: _Ended) -> bool:
    """Tell whether a plan was made before the other one ended.

    The dates of plans have no fractions of seconds. A plan that undoes
    another one, or tries it again, counts on what that has changed.
    """
    return (plan.created < other.ended.replace(microsecond=0)
            and plan.id != other.id and plan.source != other.id)


def _names(parts: Iterable[touched.Part],
           besides: frozenset[str]) -> dict[str, bool]:
    """Return what actions are about, and whether it surely is a name.

    :param besides: actions in these states do not count
    """
    names: dict[str, bool] = {}
    for part in parts:
        if part.state in besides:
            continue
        for thing in part.things:
            names[thing.name] = (names.get(thing.name, False)
                                 or bool(thing.kind)
                                 or uuidutils.is_uuid_like(thing.name))
    return names


def _common(one: dict[str, bool], other: dict[str, bool]) -> list[str]:
    return sorted(name for name in one.keys() & other.keys()
                  if one[name] or other[name])


def _list(names: list[str]) -> str:
    # Names of hosts tell people more than UUIDs.
    names = sorted(names, key=uuidutils.is_uuid_like)
    more = len(names) - MAX_NAMED
    return ', '.join(names[:MAX_NAMED]) + (f' and {more} more' if more > 0
                                           else '')


def _give_up(context: Any, plan: _Waiting, other: _Ended, what: str) -> None:
    message = reasons.Reason(
        f'Overtaken by the action plan {other.uuid}, which has changed '
        f'{what} since this plan was made', reasons.Code.OVERTAKEN,
        plan=other.uuid)
    try:
        objects.ActionPlan.get_by_uuid(
            context, plan.uuid, eager=True).transition(
                State.SUPERSEDED, expected=State.RECOMMENDED,
                where={'hostname': None}, status_message=message)
    except (exception.StateConflict, exception.ActionPlanNotFound) as exc:
        LOG.info('Action plan %(uuid)s is not given up: %(reason)s',
                 {'uuid': plan.uuid, 'reason': exc})
        return
    LOG.info('Action plan %(uuid)s is SUPERSEDED. %(message)s',
             {'uuid': plan.uuid, 'message': message})
