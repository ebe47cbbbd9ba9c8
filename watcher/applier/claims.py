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
"""The action plans that wait, and claiming one of them.

The longest waiting plan is first. One that overlaps with a plan that runs, or
with one that waits before it, is left for later; others go ahead. Whether a
plan overlaps with those that run is judged in the transaction that claims it,
and one applier at a time is there: two appliers cannot start plans that
overlap. A plan whose execution window is closed is in nobody's way.
"""

import dataclasses
import datetime
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

from oslo_db import exception as db_exc
from oslo_log import log

from watcher import conf
from watcher import objects
from watcher._i18n import _
from watcher.applier import hours
from watcher.applier import overlap
from watcher.applier import recovery
from watcher.common import context as watcher_context
from watcher.common import exception
from watcher.common import reasons
from watcher.objects import action as action_objects
from watcher.objects import action_plan as plan_objects
from watcher.objects import events

CONF = conf.CONF
LOG = log.getLogger(__name__)

State = plan_objects.State

#: Name of what lets one applier at a time claim a plan.
CLAIMS = 'claims'

#: Plans whose actions are read together: a few at first, since mostly the
#: first one can be claimed.
_FEW, _MANY = 2, 64

#: Most plans that are told at one look what they wait for, so that those
#: that can run do not wait meanwhile.
_TOLD = 64

_WAITS = 'Waits for action plan %(plan)s: %(reason)s.'
_REFUSED = ('Action plan was not started because of action plan %(plan)s, '
            'which runs: %(reason)s.')
_EXPIRED = ('Action plan was not started because it is older than '
            '%(hours)s hours: too much may have changed.')


@dataclasses.dataclass(frozen=True, slots=True)
class _Waiting:
    """A plan that waits."""

    id: int
    uuid: str
    state: str
    status_message: str | None
    created_at: datetime.datetime
    updated_at: datetime.datetime | None
    audit_id: int
    audit_auto_trigger: bool | None

    @property
    def origin(self) -> hours.Origin:
        return hours.Origin(self.id, self.audit_id, self.audit_auto_trigger)

    @property
    def rank(self) -> Any:
        return self.updated_at or self.created_at, self.id


class _Overlaps(exception.WatcherException):
    """Control flow: somebody started a plan that overlaps."""

    def __init__(self, obstacle: overlap.Obstacle):
        super().__init__(obstacle.reason)
        self.obstacle = obstacle


class Queue:
    """The plans that wait, as one applier sees them.

    Only the dispatcher uses it.

    :param guard: returns what allows this applier to change plans
    :param may_act: whether it may go on
    """

    def __init__(self, guard: Callable[[], dict[str, Any]],
                 may_act: Callable[[], bool]):
        self._guard = guard
        self._may_act = may_act
        self._reader = overlap.Reader(
            lambda idents: objects.ActionPlan.dbapi.get_action_parameters(
                idents))
        # Plans, by UUID and state before, whose claim failed with the
        # database: it may be stored all the same.
        self._doubtful: list[tuple[str, str]] = []
        #: Who waited for a window at the last look.
        self.closed = hours.Tally()

    @property
    def doubtful(self) -> list[str]:
        """UUIDs of plans that may be claimed without our knowledge."""
        return [plan_uuid for plan_uuid, _state in self._doubtful]

    def claim_next(self) -> objects.ActionPlan | None:
        """Claim the first plan that can run now."""
        context = watcher_context.admin_context()
        line = self._open_ones(context, self._line(context))
        if not line:
            return None
        self._reader.begin()
        queues = CONF.watcher_applier.overlapping_plans == 'queue'
        taken = self._running()
        for waiting, reach in self._reaches(line):
            if not self._may_act():
                return None
            if self._give_up_expired(context, waiting):
                continue
            obstacle = taken.obstacle(reach)
            if obstacle is None:
                try:
                    plan = self._claim(context, waiting, reach)
                except _Overlaps as overlaps:
                    obstacle = overlaps.obstacle
                else:
                    if plan is not None:
                        return plan
                    continue
            self._hold_up(context, waiting, obstacle)
            if queues:
                taken.add(waiting.uuid, reach)
        return None

    # Those that wait --------------------------------------------------

    @staticmethod
    def _line(context: Any) -> list[_Waiting]:
        """Return the plans that wait, the longest waiting first."""
        names = [field.name for field in dataclasses.fields(_Waiting)]
        paused = objects.PlanRun.paused_plans(context, State.PENDING)
        line = []
        for filters in ({'state': State.PENDING, 'id__notin': paused},
                        {'state': State.RECOMMENDED, 'hostname': CONF.host}):
            columns = objects.ActionPlan.list_columns(
                context, names, filters=filters)
            line += map(_Waiting, *(columns[name] for name in names))
        return sorted(line, key=lambda waiting: waiting.rank)

    def _open_ones(self, context: Any, line: list[_Waiting]
                   ) -> list[_Waiting]:
        """Leave out the plans whose window is closed, and tell them.

        Those whose window has opened say nothing of it any more, but for the
        first one, which is most likely begun now.
        """
        tally = hours.Tally()
        look = hours.Look([waiting.origin for waiting in line])
        found, told = [], 0
        for waiting in line:
            reason = look.closed(waiting.id)
            if reason is None:
                if found and told < _TOLD and _is_outdated(waiting):
                    told += self._tell(context, waiting, None)
                    waiting = dataclasses.replace(waiting,
                                                  status_message=None)
                found.append(waiting)
            elif self._may_act() and not self._give_up_expired(
                    context, waiting):
                tally.add(waiting.state, reason)
                if told < _TOLD:
                    told += self._tell(context, waiting, reason.message)
        self.closed = tally
        return found

    def _reaches(self, line: list[_Waiting]
                 ) -> Iterator[tuple[_Waiting, overlap.Reach]]:
        """Tell what each plan reaches; nothing if nobody wants to know."""
        size = _FEW
        start = 0
        while start < len(line):
            some = line[start:start + size]
            start, size = start + size, min(2 * size, _MANY)
            found = {}
            if not _allows():
                found = self._reader.read(_actions(
                    plan_ids=[waiting.id for waiting in some]))
            for waiting in some:
                yield waiting, found.get(waiting.uuid, overlap.Reach())

    def _running(self) -> overlap.Taken:
        """Return what the plans reach that run, at any applier."""
        taken = overlap.Taken()
        if not _allows():
            running = self._reader.read(_actions(
                plan_states=recovery.RUNNING))
            for plan, reach in running.items():
                taken.add(plan, reach)
        return taken

    # Claiming ---------------------------------------------------------

    def _claim(self, context: Any, waiting: _Waiting,
               reach: overlap.Reach) -> objects.ActionPlan | None:
        """Claim a plan, if nobody else did.

        :raises: _Overlaps when it overlaps with what runs by now
        """
        try:
            plan = objects.ActionPlan.get_by_uuid(context, waiting.uuid,
                                                  eager=True)
            self._store_claim(context, plan, waiting, reach)
            return plan
        except (exception.StateConflict,
                exception.ActionPlanNotFound) as conflict:
            LOG.debug('Action plan %(uuid)s is not claimed: %(reason)s',
                      {'uuid': waiting.uuid, 'reason': conflict})
        except db_exc.DBError:
            self._doubtful.append((waiting.uuid, waiting.state))
            raise
        return None

    def _store_claim(self, context: Any, plan: objects.ActionPlan,
                     waiting: _Waiting, reach: overlap.Reach) -> None:
        values = {}
        if waiting.status_message is not None:
            values['status_message'] = None

        def change():
            if not _allows():
                objects.Lease.serialize(context, CLAIMS)
                # Before the first look, which MySQL remembers: a pause that
                # is stored meanwhile must be seen below.
                plan.lock()
                obstacle = self._running().obstacle(reach)
                if obstacle is not None:
                    raise _Overlaps(obstacle)
            plan.transition(State.ONGOING, expected=waiting.state,
                            hostname=CONF.host, **values, **self._guard())
            run = objects.PlanRun.get(context, plan.id)
            if run is not None and run.paused:
                raise exception.StateConflict(
                    object_type='action plan', uuid=plan.uuid,
                    expected='not paused', actual='paused')

        plan.dbapi.run_in_transaction(change)

    def claimed_before(self) -> objects.ActionPlan | None:
        """Return a plan that was claimed although the answer got lost.

        Nobody else would ever run it.
        """
        while self._doubtful:
            plan_uuid, waiting = self._doubtful[0]
            plan = self._read_doubtful(plan_uuid)
            del self._doubtful[0]
            if plan is None:
                continue
            LOG.info('Action plan %s was claimed although the database '
                     'failed meanwhile', plan.uuid)
            if plan.state == State.ONGOING:
                # Nobody was told: that happens after an answered commit.
                events.updated(plan, waiting)
            return plan
        return None

    @staticmethod
    def _read_doubtful(plan_uuid: str) -> objects.ActionPlan | None:
        try:
            plan = objects.ActionPlan.get_by_uuid(
                watcher_context.admin_context(), plan_uuid, eager=True)
        except exception.ActionPlanNotFound:
            return None
        ours = (plan.state in recovery.RUNNING
                and plan.hostname == CONF.host)
        return plan if ours else None

    # Not claiming -----------------------------------------------------

    def _hold_up(self, context: Any, waiting: _Waiting,
                 obstacle: overlap.Obstacle) -> None:
        """Say why a plan cannot run now; or that it never will."""
        values = dataclasses.asdict(obstacle)
        if CONF.watcher_applier.overlapping_plans == 'refuse':
            self._end(context, waiting, State.CANCELLED, reasons.Reason(
                _(_REFUSED) % values, reasons.Code.OVERLAP, **values))
            return
        self._tell(context, waiting, reasons.Reason(
            _(_WAITS) % values, reasons.Code.WAITS_FOR_PLAN, **values))

    def _tell(self, context: Any, waiting: _Waiting,
              message: str | None) -> bool:
        """Say what a plan waits for, once.

        :param message: None: nothing any more
        :returns: whether it was to be said now
        """
        if message == waiting.status_message:
            return False

        def tell(plan):
            # Every applier wants to say it; the first one does. The date is
            # its place in the line.
            plan.swap({'state': waiting.state,
                       'status_message': waiting.status_message},
                      **self._guard(), status_message=message,
                      updated_at=waiting.updated_at)

        if self._change(context, waiting, tell):
            LOG.info('Action plan %(uuid)s: %(message)s',
                     {'uuid': waiting.uuid, 'message': message
                      or 'its execution window is open'})
        return True

    def _give_up_expired(self, context: Any, waiting: _Waiting) -> bool:
        """Supersede a plan that was launched when it was too old."""
        if not (waiting.state == State.RECOMMENDED
                and plan_objects.is_expired(waiting.created_at)):
            return False
        values = {'hours': CONF.watcher_decision_engine.action_plan_expiry}
        self._end(context, waiting, State.SUPERSEDED, reasons.Reason(
            _(_EXPIRED) % values, reasons.Code.EXPIRED, **values))
        return True

    def _end(self, context: Any, waiting: _Waiting, state: str,
             message: str) -> None:
        """Give a plan that is not begun a final state."""
        def end(plan):
            plan.transition(state, expected=waiting.state,
                            status_message=message, **self._guard())
            if state == State.CANCELLED:
                plan.transition_actions(
                    action_objects.State.CANCELLED,
                    action_objects.State.PENDING, status_message=message)

        if self._change(context, waiting, end):
            LOG.warning('Action plan %(uuid)s is %(state)s: %(message)s', {
                'uuid': waiting.uuid, 'state': state, 'message': message})

    @staticmethod
    def _change(context: Any, waiting: _Waiting,
                change: Callable[[objects.ActionPlan], None]) -> bool:
        """Change a plan in a transaction, unless somebody else did."""
        try:
            plan = objects.ActionPlan.get_by_uuid(context, waiting.uuid,
                                                  eager=True)
            plan.dbapi.run_in_transaction(change, plan)
        except (exception.StateConflict,
                exception.ActionPlanNotFound) as conflict:
            LOG.debug('Action plan %(uuid)s is left alone: %(reason)s',
                      {'uuid': waiting.uuid, 'reason': conflict})
            return False
        return True


def _is_outdated(waiting: _Waiting) -> bool:
    """Whether a plan that may run says that it waits for its window."""
    return (waiting.status_message or '').startswith(hours.WAITS)


def _allows() -> bool:
    return CONF.watcher_applier.overlapping_plans == 'allow'


def _actions(**which: Any) -> Any:
    return objects.ActionPlan.dbapi.list_actions_of_plans(**which)
