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
"""Bringing a plan that nobody runs any more into a defined state."""

from collections.abc import Mapping
from typing import Any

from oslo_log import log
from oslo_utils import timeutils

from watcher import conf
from watcher import objects
from watcher._i18n import _
from watcher.applier.workflow_engine import limits
from watcher.common import exception
from watcher.common import reasons
from watcher.notifications import action_plan as notifications
from watcher.objects import action as action_objects
from watcher.objects import action_plan as plan_objects
from watcher.objects import tenure

CONF = conf.CONF
LOG = log.getLogger(__name__)

State = action_objects.State
PlanState = plan_objects.State

_ATTEMPTS = 3

#: States of a plan that somebody executes.
RUNNING = (PlanState.ONGOING, PlanState.CANCELLING)

# Consumers match these two sentences literally.
_PLAN_STOPPED = ('Action plan was cancelled because Applier %s was stopped '
                 'while the action plan was ongoing.')
_ACTION_STOPPED = ('Action was cancelled because Applier %s was stopped '
                   'while the action plan was ongoing.')
_PLAN_GOES_ON = ' May still be running in %(where)s: %(actions)s'
_ACTION_GOES_ON = ' It had been started and may still be running in %s.'

_WHERE = {'volume_migrate': 'Cinder', 'change_node_power_state': 'Ironic'}
#: Actions that end with the applier, for they are nowhere else.
_LOCAL = ('nop', 'sleep')


def list_actions(context: Any, plan: objects.ActionPlan
                 ) -> list[objects.Action]:
    """Return the actions of a plan in order, with that plan as relation.

    They share it, so that each notification about one of them does not read
    the audit and the strategy again.
    """
    actions = objects.Action.list(
        context, filters={'action_plan_id': plan.id},
        sort_key='id', sort_dir='asc')
    for action in actions:
        action.action_plan = plan
        action.obj_reset_changes(['action_plan'])
    return actions


def resumes() -> bool:
    """Whether interrupted plans are to be resumed rather than cancelled."""
    return CONF.watcher_applier.interrupted_plans == 'resume'


def cancel_actions(plan: objects.ActionPlan,
                   fence: objects.Lease | None = None) -> None:
    """Cancel the actions of a plan that were not started."""
    plan.transition_actions(State.CANCELLED, State.PENDING, fence=fence)


def stop_plan(context: Any, plan: objects.ActionPlan, host: str | None,
              fence: objects.Lease | None = None) -> bool:
    """Do with a plan, whose applier stops, what the operator wants.

    It is cancelled, or given back for another applier to resume it.

    :param host: of the applier, which still owns the plan
    :param fence: the lease without which nothing is changed
    :returns: whether that was done here; false when somebody else has
        changed the plan before
    """
    plan.refresh()
    if resumes() and plan.state == PlanState.ONGOING:
        return _give_back(plan, host, fence)
    return cancel_interrupted(context, plan, host, fence)


def _give_back(plan, host, fence):
    try:
        plan.swap({'state': PlanState.ONGOING, 'hostname': host}, fence,
                  hostname=None)
    except exception.StateConflict as conflict:
        _log_left_alone(plan, conflict)
        return False
    LOG.warning('Action plan %(uuid)s is interrupted because the applier on '
                '%(host)s stops; the next free applier resumes it',
                {'uuid': plan.uuid, 'host': host})
    return True


def cancel_interrupted(context: Any, plan: objects.ActionPlan,
                       host: str | None,
                       fence: objects.Lease | None = None) -> bool:
    """Cancel a plan whose applier was stopped, with all that is unfinished.

    :param host: of that applier, which still owns the plan
    :param fence: the lease without which nothing is changed
    :returns: as :func:`stop_plan`
    """
    started = []

    def change():
        # A thread that was left behind must not begin one between the look
        # and the change.
        objects.Lease.serialize(context, limits.SLOTS)
        tenure.APPLIER.check_gone(context, host, fence)
        started[:] = _list_started(context, plan)
        plan.transition(
            PlanState.CANCELLED, expected=RUNNING, where={'hostname': host},
            status_message=_stopped(_PLAN_STOPPED, host,
                                    _what_goes_on(started), started),
            **_guard(fence))
        message = _stopped(_ACTION_STOPPED, host)
        # In the order of their execution, which consumers see.
        for action in started:
            action.transition(
                State.CANCELLED, status_message=message.saying(
                    message + _goes_on(action)))
        plan.transition_actions(State.CANCELLED, State.PENDING,
                                status_message=message)
        note_end(context, plan)

    if not _changed_together(plan, change):
        return False
    LOG.warning('Action plan %(uuid)s is CANCELLED because the applier on '
                '%(host)s was stopped while it ran; started and not '
                'finished: %(started)s', {
                    'uuid': plan.uuid, 'host': host,
                    'started': _listed(started) or 'nothing'})
    return True


def cancel_idle(context: Any, plan: objects.ActionPlan, host: str,
                fence: objects.Lease | None = None) -> bool:
    """Carry out the cancel of a plan of which nothing runs.

    :param host: of this applier, which has taken the plan
    :param fence: the lease without which nothing is changed
    :returns: as :func:`stop_plan`
    """
    notifications.send_cancel_notification(context, plan, phase='start')

    def change():
        plan.transition_actions(State.CANCELLED, State.PENDING)
        plan.transition(PlanState.CANCELLED, expected=PlanState.CANCELLING,
                        where={'hostname': host}, status_message=None,
                        **_guard(fence))
        note_end(context, plan)

    if not _changed_together(plan, change):
        return False
    LOG.info('Action plan %s is CANCELLED', plan.uuid)
    notifications.send_cancel_notification(context, plan, phase='end')
    return True


def fail_plan(context: Any, plan: objects.ActionPlan, host: str,
              reason: str, fence: objects.Lease | None = None) -> bool:
    """Fail a plan whose execution broke off, with all that is unfinished.

    :param host: of the applier, which still owns the plan
    :param reason: what went wrong, in a few words
    :param fence: the lease without which nothing is changed
    :returns: as :func:`stop_plan`
    """
    message = reasons.Reason(
        _('The execution broke off: %s') % reason,
        reasons.Code.EXECUTION_FAILED, **reasons.of(reason).data)

    def change():
        plan.transition_actions(State.CANCELLED, State.PENDING,
                                status_message=message)
        for action in _list_started(context, plan):
            action.transition(
                State.FAILED, status_message=message.saying(
                    message + _goes_on(action)))
        plan.transition(PlanState.FAILED, expected=RUNNING,
                        where={'hostname': host}, status_message=message,
                        **_guard(fence))
        note_end(context, plan)

    return _changed_together(plan, change)


def refuse_plan(context: Any, plan: objects.ActionPlan, host: str,
                reason: str, failed: Mapping[str, str],
                fence: objects.Lease | None = None) -> bool:
    """Fail a plan of which nothing was begun.

    :param host: of the applier, which owns the plan
    :param reason: why
    :param failed: UUIDs of the actions that would fail, and what each says
    :param fence: the lease without which nothing is changed
    :returns: as :func:`stop_plan`; false also when it is to be cancelled
    """
    def change():
        for action in list_actions(context, plan):
            if action.uuid in failed and action.state == State.PENDING:
                action.transition(State.FAILED,
                                  status_message=failed[action.uuid])
        plan.transition_actions(State.CANCELLED, State.PENDING,
                                status_message=reason)
        plan.transition(PlanState.FAILED, expected=PlanState.ONGOING,
                        where={'hostname': host}, status_message=reason,
                        **_guard(fence))
        note_end(context, plan)

    return _changed_together(plan, change)


def note_end(context: Any, plan: objects.ActionPlan) -> None:
    """Note when a plan ended; in the transaction that ends it."""
    objects.PlanRun.set(context, plan.id,
                        finished_at=timeutils.utcnow(with_timezone=True))


def _stopped(text, host, more='', started=()):
    """Return that an applier was stopped, as a reason.

    :param started: actions of the plan that may go on
    """
    return reasons.Reason(
        text % host + more, reasons.Code.APPLIER_STOPPED, host=host,
        started=reasons.some(action.uuid for action in started) or None)


def _guard(fence):
    return {} if fence is None else {'fence': fence}


def _changed_together(plan, change):
    """Change a plan and its actions in one transaction."""
    for _attempt in range(_ATTEMPTS):
        try:
            objects.ActionPlan.dbapi.run_in_transaction(change)
            return True
        except (exception.LeaseLost, exception.NoOrphan) as lost:
            _log_left_alone(plan, lost)
            return False
        except exception.StateConflict as conflict:
            reason = conflict
        # An action may have finished at this very moment.
        plan.refresh()
        if plan.state not in RUNNING:
            break
    _log_left_alone(plan, reason)
    return False


def _log_left_alone(plan, reason):
    LOG.info('Action plan %(uuid)s is left as it is: %(reason)s',
             {'uuid': plan.uuid, 'reason': reason})


def _list_started(context, plan):
    return [action for action in list_actions(context, plan)
            if action.state in (State.ONGOING, State.CANCELLING)]


def _where(action):
    return _WHERE.get(action.action_type, 'Nova')


def _goes_on(action):
    if action.action_type in _LOCAL:
        return ''
    return _ACTION_GOES_ON % _where(action)


def _what_goes_on(started):
    remote = [action for action in started
              if action.action_type not in _LOCAL]
    if not remote:
        return ''
    return _PLAN_GOES_ON % {'where': _where(remote[0]),
                            'actions': _listed(remote)}


def _listed(actions):
    return ', '.join(
        f'{action.action_type} of '
        f'{(action.input_parameters or {}).get("resource_id", action.uuid)}'
        for action in actions)
