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
"""What all workflow engines share.

A workflow engine decides *when* an action runs. *How* it runs, with which
states, messages and notifications, is the same for all of them; see
:mod:`watcher.applier.workflow_engine.container`.
"""

import abc
import threading
from typing import Any

from watcher import objects
from watcher.applier import hours
from watcher.applier import persistence
from watcher.applier.actions import base as action_base
from watcher.applier.actions import factory
from watcher.applier.workflow_engine import container
from watcher.applier.workflow_engine import control
from watcher.applier.workflow_engine import cooldown
from watcher.applier.workflow_engine import graph
from watcher.applier.workflow_engine import limits
from watcher.applier.workflow_engine import rules
from watcher.applier.workflow_engine import standing
from watcher.common import clients
from watcher.common import context as watcher_context
from watcher.common import exception
from watcher.common.loader import loadable
from watcher.notifications import action_plan as plan_notifications

# What plug-ins of others find here.
ALWAYS = rules.ALWAYS
ANY = rules.ANY
PlanTakenAway = control.PlanTakenAway
ApplierStopping = control.ApplierStopping
Suspended = control.Suspended
BaseTaskFlowActionContainer = container.BaseTaskFlowActionContainer
failure_reason = control.failure_reason


class BaseWorkFlowEngine(loadable.Loadable):
    """Runs the actions of one plan; a new engine is made for each plan.

    :param config: values of the options of this plug-in
    :param context: request context of the launch
    :param applier_manager: the applier that runs the plan; its event
        ``stopping`` tells when to stop
    """

    def __init__(self, config: Any, context: Any = None,
                 applier_manager: Any = None):
        super().__init__(config)
        self._context = context or watcher_context.admin_context()
        self._applier_manager = applier_manager
        self._action_factory = factory.ActionFactory()
        self._osc = None
        self._lock = threading.Lock()
        self._cancel_announced = False
        self._halted: exception.WatcherException | None = None
        self._first_failure: BaseException | None = None
        self._interrupted: list[str] = []
        # Whether nothing but the window kept the plan at the last look.
        self._outside = False
        self._occupied = limits.Occupied(self._action_factory)
        self._cooldown = cooldown.Cooldown(self._context,
                                           self._occupied.claims_of)
        #: What is known of the places that actions take.
        self.places = limits.Places()
        #: Id of the plan; set when it is executed.
        self.plan_id: int | None = None
        self.execution_rule: str | None = None
        self.dependency_rule: str = rules.Need.ORDER
        self.stopping: threading.Event = getattr(
            applier_manager, 'stopping', None) or threading.Event()

    @classmethod
    def get_config_opts(cls) -> list:
        """Return the options of this plug-in."""
        return []

    @property
    def context(self) -> Any:
        """The request context of the launch."""
        return self._context

    @property
    def applier_manager(self) -> Any:
        """The applier that runs the plan."""
        return self._applier_manager

    @property
    def osc(self) -> clients.OpenStackClients:
        """The holder of service clients, shared by the actions."""
        with self._lock:
            if self._osc is None:
                self._osc = clients.OpenStackClients()
            return self._osc

    @property
    def action_factory(self) -> factory.ActionFactory:
        """Makes the action plug-ins."""
        return self._action_factory

    @property
    def lease(self) -> 'objects.Lease | None':
        """What lets this applier change plans and actions."""
        return getattr(self._applier_manager, 'lease', None)

    @property
    def halted(self) -> exception.WatcherException | None:
        """Why no further action is started; None while all goes on."""
        return self._halted

    @property
    def first_failure(self) -> BaseException | None:
        """What made the first failed action fail."""
        return self._first_failure

    @property
    def interrupted(self) -> list[str]:
        """UUIDs of actions that were left running in the cloud."""
        return list(self._interrupted)

    @abc.abstractmethod
    def execute(self, actions: list[objects.Action]) -> None:
        """Run the actions, all of one plan, in any state.

        Returns when none is running any more. A failed action is no
        failure of the engine.

        :raises: ActionPlanCancelled when the plan was cancelled;
            PlanTakenAway and ApplierStopping as they say;
            WorkflowExecutionException when the engine itself failed.
        """
        raise NotImplementedError

    def notify(self, action: objects.Action, state: str,
               status_message: str | None = None) -> objects.Action:
        """Read an action again, change its state and message, store it."""
        db_action = objects.Action.get_by_uuid(
            self.context, action.uuid, eager=True)
        values = {}
        if status_message is not None:
            values['status_message'] = status_message
        persistence.transition(db_action, state, self.stopping,
                               fence=self.lease, **values)
        return db_action

    def notify_cancel_start(self, action_plan_uuid: str) -> None:
        """Announce once that the cancelling of the plan has begun."""
        with self._lock:
            if self._cancel_announced:
                return
            self._cancel_announced = True
        plan = objects.ActionPlan.get_by_uuid(
            self.context, action_plan_uuid, eager=True)
        plan_notifications.send_cancel_notification(
            self.context, plan, phase='start')

    def check_alive(self) -> None:
        """Ask whether this applier may go on at all.

        :raises: PlanTakenAway or ApplierStopping
        """
        if self.stopping.is_set():
            self._note_stop()
        if not isinstance(self._halted, exception.ActionPlanCancelled):
            self.raise_halted()

    def check_plan(self, action: objects.Action) -> None:
        """Ask, before an action starts, whether it still may.

        :raises: ActionPlanCancelled, PlanTakenAway or ApplierStopping;
            Postponed when the plan is paused or its window is closed
        """
        if self._halted is None:
            row = self._look_at_plan()
            if self._halted is None and (row.paused or self.closed()):
                raise graph.Postponed(limits.PAUSE)
        self.raise_halted()

    def closed(self) -> hours.Closed | None:
        """Return why the execution window keeps actions from starting."""
        known = getattr(self._applier_manager, 'hours', None)
        return None if known is None else known.closed(self.plan_id)

    def check_cooldown(self, action: objects.Action) -> None:
        """Ask whether an action would move what was just moved.

        :raises: ActionSkipped
        """
        persistence.insist(
            lambda: self._cooldown.check(action), self.stopping,
            f'looking for moves before action {action.uuid}')

    def look_at_plan(self) -> bool:
        """Look whether the plan is to go on; called by one thread only.

        :returns: whether no action may start, for a pause or a window
        :raises: as :meth:`check_plan`
        """
        row = self._look_at_plan()
        closed = self.closed()
        if row is not None and not isinstance(
                self._halted, control.PlanTakenAway):
            standing.tell(self.context, row, closed)
        self.raise_halted()
        self._outside = closed is not None and not row.paused
        return closed is not None or bool(row.paused)

    def suspend(self) -> None:
        """Give up a plan of which nothing runs until its window opens.

        Until then it occupies neither a thread nor a worker.

        :raises: Suspended, unless something else keeps it
        """
        if self._outside:
            self.halt(control.Suspended())
        self.raise_halted()

    def look_at_others(self) -> None:
        """Look what the running actions of other plans occupy."""
        self._note_others(persistence.insist(
            standing.running_actions, self.stopping,
            'looking at the running actions'))

    def take_place(self, action: objects.Action) -> None:
        """Take a place for an action, in the transaction that starts it.

        :raises: Postponed when there is none
        """
        objects.Lease.serialize(self.context, limits.SLOTS)
        # The pre-condition may have taken long, as waiting here may.
        standing.check_pause(self.plan_id)
        if self.closed():
            raise graph.Postponed(limits.PAUSE)
        running = [row for row in standing.running_actions()
                   if row.id != action.id]
        self._note_others(running)
        full = limits.first_full(
            self.keys_of(action),
            limits.count(self._occupied.by(row) for row in running))
        if full is not None:
            raise graph.Postponed(full)

    def keys_of(self, action: objects.Action) -> tuple[limits.Key, ...]:
        """Return what an action occupies while it runs."""
        return self._occupied.by(action)

    def claims_of(self, action: objects.Action) -> action_base.Claims:
        """Return the same in the words of its plug-in."""
        return self._occupied.claims_of(action)

    def supervise(self, task: BaseTaskFlowActionContainer) -> None:
        """Watch over an action that is being executed; here: not at all.

        Called by the thread that executes it.
        """

    def postpone(self) -> None:
        """Have the action of this thread start again later."""
        raise graph.Postponed()

    def hold_lease(self) -> None:
        """Make sure, at the last moment, that nobody acts in our place.

        :raises: Fenced
        """
        lease = self.lease
        if lease is None or lease.valid:
            return
        # Perhaps it could not be renewed for a while, and nobody took it.
        if not persistence.insist(lease.renew, self.stopping,
                                  'renewing the lease'):
            self.fence_off()
            self.raise_halted()

    def fence_off(self) -> None:
        """Note that another process acts in the place of this one."""
        self.halt(control.Fenced(), first=True)

    def raise_halted(self) -> None:
        """Raise why no further action is started, if that is so."""
        halted = self._halted
        if halted is not None:
            # Several threads raise it: each needs a traceback of its own.
            raise type(halted)(**halted.kwargs)

    def halt(self, reason: exception.WatcherException,
             first: bool = False) -> None:
        """Start no further action; the first reason counts.

        :param first: this reason counts more than those before it
        """
        with self._lock:
            if self._halted is None or first:
                self._halted = reason

    def note_failure(self, error: BaseException) -> None:
        """Remember what went wrong first."""
        with self._lock:
            if self._first_failure is None:
                self._first_failure = error

    def note_interrupted(self, action: objects.Action) -> None:
        """Remember an action that goes on in the cloud unwatched."""
        with self._lock:
            self._interrupted.append(action.uuid)
        self.halt(ApplierStopping())

    def _note_stop(self):
        if getattr(self._applier_manager, 'fenced', False):
            self.fence_off()
        else:
            self.halt(ApplierStopping())

    def _look_at_plan(self):
        """Read how the plan stands; halt if it is not to go on."""
        if self.stopping.is_set():
            self._note_stop()
            return None
        plan_id = self.plan_id
        row = persistence.insist(
            lambda: standing.read(plan_id), self.stopping,
            f'checking action plan {plan_id}')
        reason = standing.why_not(plan_id, row)
        if reason is not None:
            self.halt(reason)
        if isinstance(reason, exception.ActionPlanCancelled):
            self.notify_cancel_start(row.uuid)
        return row

    def _note_others(self, running):
        self.places.see(limits.count(
            self._occupied.by(row) for row in running
            if row.action_plan_id != self.plan_id))
