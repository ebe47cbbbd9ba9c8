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
"""What all workflow engines share: the life of one action.

A workflow engine decides *when* an action runs. *How* it runs, with which
states, messages and notifications, is the same for all of them and written
down here, in :class:`BaseTaskFlowActionContainer`.
"""

import abc
import threading
from typing import Any

from oslo_db import exception as db_exc
from oslo_log import log
from oslo_utils import strutils
from taskflow import task as flow_task

from watcher import conf
from watcher import objects
from watcher._i18n import _
from watcher.applier import persistence
from watcher.applier.actions import base as action_base
from watcher.applier.actions import factory
from watcher.common import clients
from watcher.common import context as watcher_context
from watcher.common import exception
from watcher.common.loader import loadable
from watcher.notifications import action as action_notifications
from watcher.notifications import action_plan as plan_notifications
from watcher.objects import action as action_objects
from watcher.objects import action_plan as plan_objects

CONF = conf.CONF
LOG = log.getLogger(__name__)

State = action_objects.State
PlanState = plan_objects.State

#: Run every action, whatever became of its parents.
ALWAYS = 'ALWAYS'
#: Run an action only if none of its parents succeeded.
ANY = 'ANY'

#: Outcomes of a parent that make its alternatives needless (rule ANY).
_GOOD = (State.SUCCEEDED, State.SKIPPED)


class PlanTakenAway(exception.WatcherException):
    """Control flow: the plan is not this applier's any more."""

    msg_fmt = _('Action plan %(uuid)s is in state %(state)s and belongs to '
                'host %(host)s now')


class ApplierStopping(exception.WatcherException):
    """Control flow: this applier has to stop."""

    msg_fmt = _('The applier is being stopped')


def failure_reason(error: BaseException) -> str:
    """Say in one line what went wrong, for a status message.

    Users read it: what a database driver says is left to the log.
    """
    name = type(error).__name__
    if isinstance(error, db_exc.DBError):
        return _('the database does not work (%s)') % name
    text = ' '.join(strutils.mask_password(str(error)).split())
    if isinstance(error, exception.WatcherException):
        return text
    return f'{name}: {text}' if text else name


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
        self.execution_rule: str | None = None
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
        persistence.transition(db_action, state, self.stopping, **values)
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

    def check_plan(self, action: objects.Action) -> None:
        """Ask, before an action starts, whether it still may.

        :raises: ActionPlanCancelled, PlanTakenAway or ApplierStopping
        """
        if self._halted is None:
            self._look_at_plan(action.action_plan_id)
        self.raise_halted()

    def raise_halted(self) -> None:
        """Raise why no further action is started, if that is so."""
        halted = self._halted
        if halted is not None:
            # Several threads raise it: each needs a traceback of its own.
            raise type(halted)(**halted.kwargs)

    def halt(self, reason: exception.WatcherException) -> None:
        """Start no further action; the first reason counts."""
        with self._lock:
            if self._halted is None:
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

    def _look_at_plan(self, plan_id):
        if self.stopping.is_set():
            self.halt(ApplierStopping())
            return
        plan = persistence.insist(
            lambda: objects.ActionPlan.get_by_id(self.context, plan_id),
            self.stopping, f'checking action plan {plan_id}')
        cancelled = plan.state in plan_objects.CANCEL_STATES
        if plan.hostname not in (None, CONF.host) or not (
                cancelled or plan.state == PlanState.ONGOING):
            self.halt(PlanTakenAway(
                uuid=plan.uuid, state=plan.state, host=plan.hostname))
        elif cancelled:
            self.halt(exception.ActionPlanCancelled(uuid=plan.uuid))
            self.notify_cancel_start(plan.uuid)


class BaseTaskFlowActionContainer(flow_task.Task):
    """One action as a task of taskflow, with its whole protocol.

    Its methods are called by the engine, one after another in one thread.

    :param name: name of the task, unique in the flow
    :param db_action: the action as stored, loaded eagerly
    :param engine: the engine that runs it
    :param parents: the containers of the actions before this one
    """

    def __init__(self, name: str, db_action: objects.Action,
                 engine: BaseWorkFlowEngine,
                 parents: tuple['BaseTaskFlowActionContainer', ...] = ()):
        super().__init__(name=name)
        self._db_action = db_action
        self._engine = engine
        self._action: action_base.BaseAction | None = None
        self.parents = parents

    @property
    def engine(self) -> BaseWorkFlowEngine:
        """The engine that runs this action."""
        return self._engine

    @property
    def db_action(self) -> objects.Action:
        """The stored action."""
        return self._db_action

    @property
    def state(self) -> str:
        """The state of the action, as far as this engine knows."""
        return self._db_action.state

    @property
    def action(self) -> action_base.BaseAction:
        """The action plug-in, made when it is first needed."""
        if self._action is None:
            plugin = self._engine.action_factory.make_action(
                self._db_action, osc=self._engine.osc)
            plugin.watch_stop(self._engine.stopping)
            self._action = plugin
        return self._action

    @abc.abstractmethod
    def do_pre_execute(self) -> None:
        """Check whether the action can run; see ``pre_condition``."""
        raise NotImplementedError

    @abc.abstractmethod
    def do_execute(self, *args: Any, **kwargs: Any) -> bool:
        """Run the action; only true is a success."""
        raise NotImplementedError

    @abc.abstractmethod
    def do_post_execute(self) -> None:
        """Check the result; see ``post_condition``."""
        raise NotImplementedError

    @abc.abstractmethod
    def do_revert(self) -> Any:
        """Undo a finished action."""
        raise NotImplementedError

    @abc.abstractmethod
    def do_abort(self, *args: Any, **kwargs: Any) -> bool:
        """Stop a running action; false when that was not possible."""
        raise NotImplementedError

    # Called by the engine ---------------------------------------------

    def pre_execute(self) -> None:
        """First step: may the action run, and can it?"""
        self._adopt_context()
        self._engine.check_plan(self._db_action)
        if self.state != State.PENDING:
            return
        needless = self._good_parent()
        if needless is not None:
            self._leave_out(needless)
            return
        try:
            self.do_pre_execute()
        except exception.ActionSkipped as skipped:
            self._skip(_('Action was skipped automatically: %s')
                       % failure_reason(skipped))
        except Exception as error:
            if self._is_interruption(error):
                self._give_up()
            self._fail('pre_condition', error)

    def execute(self, *args: Any, **kwargs: Any) -> bool:
        """Second step: run it.

        :returns: whether its alternatives are needless
        """
        if self.state != State.PENDING:
            return self.state in _GOOD
        if self._engine.stopping.is_set():
            self._give_up()
        if not self._store(State.ONGOING):
            return self.state in _GOOD
        self._log_progress('starts')
        try:
            result = self.do_execute(*args, **kwargs)
        except Exception as error:
            if self._is_interruption(error):
                self._engine.note_interrupted(self._db_action)
            else:
                self._fail('execute', error)
            return False
        if result is not True:
            self._fail('execute', exception.ActionExecutionFailure(
                action_id=self._db_action.uuid))
            return False
        if self._store(State.SUCCEEDED):
            self._log_progress('succeeded')
            self._announce('end')
        return True

    def post_execute(self) -> None:
        """Third step, only after a success: is the result right?

        Never raises: the whole plan would break off.
        """
        if self.state != State.SUCCEEDED:
            return
        try:
            self.do_post_execute()
        except Exception as error:
            if not self._is_interruption(error):
                self._fail_safely('post_condition', error)

    def revert(self, *args: Any, **kwargs: Any) -> None:
        """Called for every started action when the flow is given up.

        Actions are not undone: only those that were about to start, and
        those that an engine gave up while they ran, are cancelled.
        """
        if not isinstance(self._engine.halted,
                          exception.ActionPlanCancelled):
            return
        if self.state == State.PENDING:
            self._cancel_pending()
        elif self.state == State.ONGOING:
            self._abort()

    # Steps ------------------------------------------------------------

    def _adopt_context(self):
        # Log lines of this thread carry the request id of the launch.
        update = getattr(self._engine.context, 'update_store', None)
        if update is not None:
            update()

    def _give_up(self):
        self._engine.halt(ApplierStopping())
        self._engine.raise_halted()

    def _is_interruption(self, error):
        interrupted = (isinstance(error, exception.WaitInterrupted)
                       and self._engine.stopping.is_set())
        if interrupted:
            LOG.warning('Action %(uuid)s is no longer watched: %(reason)s',
                        {'uuid': self._db_action.uuid, 'reason': error})
        return interrupted

    def _good_parent(self):
        if self._engine.execution_rule != ANY:
            return None
        return next((parent for parent in self.parents
                     if parent.state in _GOOD), None)

    def _leave_out(self, parent):
        self._skip(_('Action was skipped automatically: it is an alternative '
                     'to action %(parent)s, which is %(state)s') % {
                         'parent': parent.db_action.uuid,
                         'state': parent.state})

    def _skip(self, message):
        if self._store(State.SKIPPED, status_message=message):
            LOG.info('Action %(uuid)s: %(message)s', {
                'uuid': self._db_action.uuid, 'message': message})

    def _fail(self, phase, error):
        """Store and announce a failure."""
        self._log_failure(phase, error)
        message = self._db_action.status_message
        if phase != 'post_condition' or not message:
            message = _('Action failed in %(phase)s: %(reason)s') % {
                'phase': phase, 'reason': failure_reason(error)}
        self._engine.note_failure(error)
        if self._store(State.FAILED, status_message=message):
            self._announce('error', error)

    def _fail_safely(self, phase, error):
        try:
            self._fail(phase, error)
        except Exception as store_error:
            LOG.exception('The failure of action %s could not be stored',
                          self._db_action.uuid)
            self._engine.halt(exception.WorkflowExecutionException(
                error=failure_reason(store_error)))

    def _log_progress(self, what):
        LOG.info('The %(type)s action %(uuid)s %(what)s', {
            'type': self._db_action.action_type,
            'uuid': self._db_action.uuid, 'what': what})

    def _log_failure(self, phase, error):
        values = {'uuid': self._db_action.uuid,
                  'type': self._db_action.action_type,
                  'phase': phase, 'reason': failure_reason(error)}
        expected = isinstance(error, exception.WatcherException)
        LOG.error('The %(type)s action %(uuid)s failed in %(phase)s: '
                  '%(reason)s', values,
                  exc_info=None if expected else error)

    def _store(self, state, **values):
        """Change the state unless somebody else has changed it before.

        :returns: whether the state was changed here
        """
        try:
            persistence.transition(
                self._db_action, state, self._engine.stopping, **values)
            return True
        except exception.StateConflict as conflict:
            LOG.warning('Action %(uuid)s does not become %(state)s: '
                        '%(reason)s', {'uuid': self._db_action.uuid,
                                       'state': state, 'reason': conflict})
            self._db_action.refresh()
            return False

    def _announce(self, phase, error=None):
        action_notifications.send_execution_notification(
            self._engine.context, self._db_action, phase=phase, exc=error)

    def _announce_cancel(self, phase, error=None):
        action_notifications.send_cancel_notification(
            self._engine.context, self._db_action, phase=phase, exc=error)

    def _cancel_pending(self):
        self._adopt_context()
        self._announce_cancel('start')
        if self._store(State.CANCELLED):
            self._announce_cancel('end')

    def _abort(self):
        self._adopt_context()
        if not self._store(State.CANCELLING):
            return
        self._announce_cancel('start')
        try:
            stopped = self.do_abort()
        except Exception as error:
            self._log_failure('abort', error)
            self._engine.note_failure(error)
            if self._store(State.FAILED, status_message=_(
                    'Action failed in abort: %s') % failure_reason(error)):
                self._announce_cancel('error', error)
            return
        if self._store(State.CANCELLED if stopped else State.SUCCEEDED):
            self._announce_cancel('end')
