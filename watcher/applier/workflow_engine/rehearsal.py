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
"""Asking all actions of a plan, before the first one starts, if they can.

Only what holds now can be judged now. An action whose subject another action
changes before it, and one whose host is put into use or out of use before it,
is judged when its turn comes, as without a rehearsal; and so is one that
changes a host which servers come to or leave before.
"""

import collections
import dataclasses
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from concurrent import futures
from typing import Any

from oslo_log import log

from watcher import objects
from watcher._i18n import _
from watcher.applier import threads
from watcher.applier.actions import base as action_base
from watcher.applier.workflow_engine import control
from watcher.common import exception
from watcher.common import reasons
from watcher.objects import action as action_objects

LOG = log.getLogger(__name__)

State = action_objects.State

#: Seconds between two looks whether the plan is still to be started.
LOOK_INTERVAL = 2.0


@dataclasses.dataclass(frozen=True, slots=True)
class Failure:
    """That an action would fail."""

    action: objects.Action
    error: BaseException

    @property
    def message(self) -> str:
        """What the action says, as if it had been its turn."""
        return control.failure(
            reasons.Code.PRE_CONDITION_FAILED,
            _('Action failed in pre_condition: %s')
            % control.failure_reason(self.error), self.error, self.action)


class WouldFail(exception.WorkflowExecutionException):
    """The plan was not started, since some of its actions would fail.

    :ivar failures: of these, in the order of the plan
    """

    msg_fmt = _('Nothing was changed, because %(count)s of %(total)s actions '
                'would fail; the first is the %(type)s action %(action)s: '
                '%(reason)s')

    def __init__(self, failures: Sequence[Failure], total: int):
        first = failures[0]
        super().__init__(
            count=len(failures), total=total, action=first.action.uuid,
            type=first.action.action_type,
            reason=control.failure_reason(first.error))
        self.failures = failures

    @property
    def reason(self) -> reasons.Reason:
        """Why the plan, and what would not have failed, ends."""
        return reasons.Reason(
            str(self), reasons.Code.ACTIONS_WOULD_FAIL,
            count=self.kwargs['count'], total=self.kwargs['total'],
            action=self.kwargs['action'], action_type=self.kwargs['type'])


def is_new(actions: Iterable[objects.Action]) -> bool:
    """Whether nothing of a plan was begun."""
    return all(action.state in (State.PENDING, State.SKIPPED)
               for action in actions)


def check(engine: Any, actions: Sequence[objects.Action],
          max_workers: int) -> None:
    """Run the pre-conditions of the actions that can be judged now.

    :param engine: the engine that is to run them
    :raises: WouldFail; also as ``look_at_plan`` of the engine
    """
    pending = [action for action in actions
               if action.state == State.PENDING]
    judged = list(judgeable(pending, engine.claims_of))
    LOG.info('The pre-conditions of %(judged)d of %(total)d actions of '
             'action plan %(plan)s are checked before it starts',
             {'judged': len(judged), 'total': len(pending),
              'plan': engine.plan_id})
    failures = _run(engine, judged, max_workers)
    if failures:
        raise WouldFail(failures, len(pending))


def _run(engine, actions, max_workers):
    """Return the failures, in the order of the actions."""
    pool = threads.DaemonPool(
        max_workers, name=f'plan-{engine.plan_id}-rehearsal')
    try:
        asked = [pool.submit(_try, engine, action) for action in actions]
        waiting = set(asked)
        while True:
            _done, waiting = futures.wait(waiting, timeout=LOOK_INTERVAL)
            # Raises if the plan is not to be started any more.
            engine.look_at_plan()
            if not waiting:
                break
    finally:
        pool.shutdown(wait=False)
    return list(filter(None, (answer.result() for answer in asked)))


def _try(engine, action):
    """Run the pre-condition of one action; returns the failure, if any."""
    if engine.halted is not None or engine.stopping.is_set():
        return None
    update = getattr(engine.context, 'update_store', None)
    if update is not None:
        update()
    try:
        plugin = engine.action_factory.make_action(action, osc=engine.osc)
        plugin.watch_stop(engine.stopping)
        plugin.pre_condition()
    except exception.ActionSkipped:
        return None
    except Exception as error:
        LOG.error('The %(type)s action %(uuid)s would fail: %(reason)s', {
            'type': action.action_type, 'uuid': action.uuid,
            'reason': control.failure_reason(error)})
        return Failure(action, error)
    return None


# What can be judged now ---------------------------------------------------

def judgeable(actions: Sequence[objects.Action],
              claims_of: Callable[[Any], action_base.Claims]
              ) -> Iterable[objects.Action]:
    """Yield the actions on which those before them have no influence.

    Every action that does not come after another one may run before it.

    :param actions: those that are to run
    :param claims_of: tells what an action occupies
    """
    claims = {action.uuid: claims_of(action) for action in actions}
    subjects = collections.defaultdict(set)
    changed, visited = (collections.defaultdict(set) for _index in range(2))
    for uuid, claim in claims.items():
        for subject in claim.subjects:
            subjects[subject].add(uuid)
        for host in _changes(claim):
            changed[host].add(uuid)
        for host in filter(None, (claim.source, claim.destination)):
            visited[host].add(uuid)
    after = _After(actions)
    for action in actions:
        claim = claims[action.uuid]
        influences = set()
        for subject in claim.subjects:
            influences |= subjects[subject]
        if claim.destination:
            influences |= changed[claim.destination]
        for host in _changes(claim):
            influences |= changed[host] | visited[host]
        influences.discard(action.uuid)
        if not influences or influences <= after.all_of(action.uuid):
            yield action


def _changes(claim):
    return filter(None, (claim.opens, claim.closes))


class _After:
    """Which actions run after another one."""

    def __init__(self, actions):
        self._children = collections.defaultdict(list)
        for action in actions:
            for parent in action.parents or ():
                self._children[parent].append(action.uuid)

    def all_of(self, uuid):
        found = set()
        todo = list(self._children[uuid])
        while todo:
            child = todo.pop()
            if child not in found:
                found.add(child)
                todo.extend(self._children[child])
        return found
