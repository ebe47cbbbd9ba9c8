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
"""How a plan stands that is begun: cancelled, taken, paused, closed?"""

from collections.abc import Sequence
from typing import Any

from oslo_db import exception as db_exc
from oslo_log import log

from watcher import conf
from watcher import objects
from watcher.applier import hours
from watcher.applier.workflow_engine import control
from watcher.applier.workflow_engine import graph
from watcher.applier.workflow_engine import limits
from watcher.common import exception
from watcher.common import reasons
from watcher.objects import action as action_objects
from watcher.objects import action_plan as plan_objects

CONF = conf.CONF
LOG = log.getLogger(__name__)

State = plan_objects.State

_EXECUTED = (State.ONGOING, State.CANCELLING)
_IN_FLIGHT = (action_objects.State.ONGOING, action_objects.State.CANCELLING)

#: Stands in the status message of a plan while it is paused.
PAUSED_MESSAGE = reasons.Reason(
    'Action plan is paused. Actions that run are not disturbed, no other is '
    'started.', reasons.Code.PAUSED)


def read(plan_id: int) -> Any:
    """Read what is to be known before an action starts, with one query."""
    return objects.ActionPlan.dbapi.get_plan_standing(plan_id)


def running_actions() -> Sequence[Any]:
    """Read the actions that run, of all plans of all appliers."""
    return objects.ActionPlan.dbapi.list_running_actions(
        _EXECUTED, _IN_FLIGHT)


def why_not(plan_id: int, row: Any) -> exception.WatcherException | None:
    """Return why no action of a plan may start; None if one may."""
    if row is None:
        return control.PlanTakenAway(uuid=plan_id, state=State.DELETED,
                                     host=None)
    cancelled = row.state in plan_objects.CANCEL_STATES
    if row.hostname != CONF.host or not (
            cancelled or row.state == State.ONGOING):
        return control.PlanTakenAway(uuid=row.uuid, state=row.state,
                                     host=row.hostname)
    if cancelled:
        return exception.ActionPlanCancelled(uuid=row.uuid)
    return None


def check_pause(plan_id: int) -> None:
    """Refuse to start an action of a plan that was paused a moment ago.

    :raises: Postponed
    """
    row = read(plan_id)
    if row is not None and row.paused and row.state == State.ONGOING:
        raise graph.Postponed(limits.PAUSE)


def is_told(message: str | None) -> bool:
    """Whether a plan says that it waits, which it does not when it goes on.
    """
    return message is not None and (
        message == PAUSED_MESSAGE or message.startswith(hours.WAITS))


def tell(context: Any, row: Any, closed: hours.Closed | None = None) -> None:
    """Keep the status message of a plan in step with what it waits for.

    :param row: as :func:`read` returns it
    :param closed: why its window keeps it from going on
    """
    message = None
    if row.state == State.ONGOING:
        if row.paused:
            message = PAUSED_MESSAGE
        elif closed is not None:
            message = closed.message_begun
    if message == row.status_message or (
            message is None and not is_told(row.status_message)):
        return
    try:
        plan = objects.ActionPlan.get_by_uuid(context, row.uuid, eager=True)
        plan.status_message = message
        # Every applier wants to say it; the first one does.
        plan.save(where={'state': row.state, 'hostname': row.hostname,
                         'status_message': row.status_message})
    except (exception.StateConflict, exception.ActionPlanNotFound,
            db_exc.DBConnectionError) as conflict:
        # The next look tries it again.
        LOG.debug('What the plan waits for is not told: %s', conflict)
        return
    LOG.info('Action plan %(uuid)s %(what)s', {
        'uuid': row.uuid, 'what': 'goes on' if message is None
        else f'says: {message}'})
