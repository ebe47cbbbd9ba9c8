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
"""Runs one action plan through the configured workflow engine."""

import functools
import threading
from collections.abc import Callable
from typing import Any

from oslo_log import log
from oslo_utils import timeutils

from watcher import conf
from watcher import objects
from watcher._i18n import _
from watcher.applier import persistence
from watcher.applier import recovery
from watcher.applier.action_plan import base
from watcher.applier.loading import default
from watcher.applier.workflow_engine import base as engine_base
from watcher.applier.workflow_engine import rehearsal
from watcher.applier.workflow_engine import standing
from watcher.common import exception
from watcher.common import reasons
from watcher.notifications import action as action_notifications
from watcher.notifications import action_plan as notifications
from watcher.objects import action as action_objects
from watcher.objects import action_plan as plan_objects

CONF = conf.CONF
LOG = log.getLogger(__name__)

State = plan_objects.State

# Compared literally by conformance tests.
SKIPPED_MESSAGE = reasons.Reason('One or more actions were skipped.',
                                 reasons.Code.ACTIONS_SKIPPED)


class DefaultActionPlanHandler(base.BaseActionPlanHandler):
    """Runs a plan that this applier has claimed.

    :param context: request context of the launch
    :param applier_manager: the applier; its event ``stopping`` is obeyed
    :param plan: the plan, ONGOING and on this host, loaded eagerly
    """

    def __init__(self, context: Any, applier_manager: Any,
                 plan: objects.ActionPlan):
        super().__init__()
        self._context = context
        self._applier_manager = applier_manager
        self._plan = plan
        self._engine: engine_base.BaseWorkFlowEngine | None = None
        self._stopping: threading.Event = applier_manager.stopping
        self._conclusion: Callable[[], None] = self._finish
        self._concluded_before = False

    def execute(self) -> None:
        """Run the plan until it is in a final state.

        :raises: only when the state cannot be stored; see ``conclude``
        """
        try:
            if self._is_new():
                self._announce('start')
            self._run_engine()
        except exception.ActionPlanCancelled:
            self._conclusion = self._cancel
        except engine_base.ApplierStopping:
            self._conclusion = self._stop
        except engine_base.Suspended:
            self._conclusion = self._suspend
        except (engine_base.PlanTakenAway, exception.LeaseLost) as taken:
            self._leave_alone(taken)
            return
        except rehearsal.WouldFail as refusal:
            self._conclusion = functools.partial(self._refuse, refusal)
        except Exception as error:
            self._conclusion = functools.partial(self._break_off, error)
        self.conclude()

    def conclude(self) -> None:
        """Store the outcome of the run; may be tried again if it raises.

        :raises: when the outcome cannot be stored
        """
        try:
            self._conclusion()
        except exception.LeaseLost as lost:
            self._leave_alone(lost)
        finally:
            self._concluded_before = True

    @property
    def _guard(self):
        """What allows this applier to change the plan."""
        lease = getattr(self._applier_manager, 'lease', None)
        return {} if lease is None else {'fence': lease}

    def _leave_alone(self, reason):
        LOG.warning('Action plan %(uuid)s is left as it is: %(reason)s',
                    {'uuid': self._plan.uuid, 'reason': reason})

    def _is_new(self):
        """Note the start of the plan, unless it began at another applier."""
        new = persistence.insist(
            self._note_start, self._stopping,
            f'noting the start of {self._plan.uuid}')
        LOG.info('Action plan %(uuid)s %(does)s', {
            'uuid': self._plan.uuid, 'does': 'starts' if new else 'goes on'})
        return new

    def _note_start(self):
        run = objects.PlanRun.get(self._context, self._plan.id)
        if run is not None and run.started_at is not None:
            return False
        objects.PlanRun.set(self._context, self._plan.id, **self._guard,
                            started_at=timeutils.utcnow(with_timezone=True))
        return True

    def _run_engine(self):
        hours = getattr(self._applier_manager, 'hours', None)
        if hours is not None:
            persistence.insist(
                lambda: hours.begin(self._plan), self._stopping,
                f'reading the windows of {self._plan.uuid}')
        engine = default.DefaultWorkFlowEngineLoader().load(
            CONF.watcher_applier.workflow_engine,
            context=self._context, applier_manager=self._applier_manager)
        self._engine = engine
        actions = persistence.insist(
            lambda: recovery.list_actions(self._context, self._plan),
            self._stopping, f'reading the actions of {self._plan.uuid}')
        engine.execute(actions)

    def _finish(self):
        """All actions had their turn."""
        states = self._states_of_actions()
        failed = action_objects.State.FAILED in states
        values = {}
        if action_objects.State.SKIPPED in states:
            values['status_message'] = SKIPPED_MESSAGE
        result = State.FAILED if failed else State.SUCCEEDED
        if not self._store(result, State.ONGOING, **values):
            # A cancel that came during the last action has its answer, too.
            self._cancel(states=(State.CANCELLING,))
        elif failed:
            self._announce('error', self._why_failed())
        else:
            self._announce('end')

    def _states_of_actions(self):
        actions = persistence.insist(
            lambda: objects.Action.list(
                self._context,
                filters={'action_plan_uuid': self._plan.uuid}),
            self._stopping, f'judging action plan {self._plan.uuid}')
        return {action.state for action in actions}

    def _why_failed(self):
        error = self._engine.first_failure
        return error or exception.WorkflowExecutionException(
            error=_('one or more actions failed'))

    def _stop(self):
        """This applier has to stop."""
        recovery.stop_plan(self._context, self._plan, CONF.host,
                           **self._guard)

    def _suspend(self):
        """The window has closed and nothing runs: the plan is nobody's.

        Whoever is there when it opens goes on with it, whatever becomes of
        this applier until then.
        """
        try:
            persistence.insist(
                lambda: self._plan.swap(
                    {'state': State.ONGOING, 'hostname': CONF.host},
                    hostname=None, **self._guard),
                self._stopping, f'giving back {self._plan.uuid}')
        except exception.LeaseLost:
            raise
        except exception.StateConflict:
            # Cancelled meanwhile; or stored, and the answer was lost.
            self._cancel(states=(State.CANCELLING,))
            return
        LOG.info('Action plan %s goes on when its execution window opens',
                 self._plan.uuid)

    def _cancel(self, states=(State.CANCELLING, State.CANCELLED)):
        """Answer the cancel request, if the plan is in such a state."""
        self._plan.refresh()
        if self._plan.state not in states:
            LOG.warning('Action plan %(uuid)s has been set to %(state)s by '
                        'somebody else and is left so',
                        {'uuid': self._plan.uuid,
                         'state': self._plan.state})
            return
        self._engine.notify_cancel_start(self._plan.uuid)
        recovery.cancel_actions(self._plan, **self._guard)
        if self._plan.state == State.CANCELLING:
            self._store(State.CANCELLED, State.CANCELLING)
        if self._plan.state == State.CANCELLED:
            notifications.send_cancel_notification(
                self._context, self._plan, phase='end')

    def _break_off(self, error):
        """The engine failed: say so, and leave no action waiting."""
        reason = engine_base.failure_reason(error)
        LOG.error('Action plan %(uuid)s broke off: %(reason)s',
                  {'uuid': self._plan.uuid, 'reason': reason},
                  exc_info=error)
        self._plan.refresh()
        cancelling = self._plan.state == State.CANCELLING
        if not recovery.fail_plan(self._context, self._plan, CONF.host,
                                  reason, **self._guard):
            return
        if cancelling:
            notifications.send_cancel_notification(
                self._context, self._plan, phase='error', exc=error)
        else:
            self._announce('error', error)

    def _refuse(self, refusal):
        """Some actions would fail, so none was begun."""
        LOG.error('Action plan %(uuid)s is not started: %(reason)s',
                  {'uuid': self._plan.uuid, 'reason': refusal})
        if not recovery.refuse_plan(
                self._context, self._plan, CONF.host, refusal.reason,
                {failure.action.uuid: failure.message
                 for failure in refusal.failures}, **self._guard):
            self._cancel()
            return
        for failure in refusal.failures:
            failure.action.refresh()
            action_notifications.send_execution_notification(
                self._context, failure.action, phase='error',
                exc=failure.error)
        self._announce('error', refusal.failures[0].error)

    def _store(self, state, expected, **values):
        """Change the state of the plan.

        :returns: false when somebody else has changed it before
        """
        if standing.is_told(self._plan.status_message):
            values.setdefault('status_message', None)
        try:
            persistence.transition(
                self._plan, state, self._stopping, expected=expected,
                where={'hostname': CONF.host}, then=self._note_end,
                again=self._concluded_before, **self._guard, **values)
        except exception.LeaseLost:
            raise
        except exception.StateConflict as conflict:
            LOG.info('Action plan %(uuid)s does not become %(state)s: '
                     '%(reason)s', {'uuid': self._plan.uuid, 'state': state,
                                    'reason': conflict})
            return False
        LOG.info('Action plan %(uuid)s is %(state)s',
                 {'uuid': self._plan.uuid, 'state': state})
        return True

    def _note_end(self):
        recovery.note_end(self._context, self._plan)

    def _announce(self, phase, error=None):
        notifications.send_action_notification(
            self._context, self._plan, action='execution', phase=phase,
            exc=error)
