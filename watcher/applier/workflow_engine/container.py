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
"""The life of one action, the same for all workflow engines.

::

    look at the plan -> pre_condition -> ONGOING -> execute -> SUCCEEDED
                                                         -> post_condition

The step to ONGOING is the last thing before the cloud is asked: it is only
made while this applier holds its lease, and while there is room for the
action beside all others that run.
"""

import abc
import threading
from typing import Any

from oslo_log import log
from taskflow import task as flow_task

from watcher import objects
from watcher._i18n import _
from watcher.applier.actions import base as action_base
from watcher.applier.workflow_engine import control
from watcher.applier.workflow_engine import limits
from watcher.applier.workflow_engine import record
from watcher.applier.workflow_engine import rules
from watcher.applier.workflow_engine import runs
from watcher.common import exception
from watcher.common import reasons
from watcher.common import rest
from watcher.objects import action as action_objects

LOG = log.getLogger(__name__)

State = action_objects.State
Code = reasons.Code

#: Why an action failed, by the step that did.
_CODES = {'pre_condition': Code.PRE_CONDITION_FAILED,
          'execute': Code.ACTION_FAILED,
          'post_condition': Code.POST_CONDITION_FAILED}

#: States of an action that an earlier applier left behind while it ran.
IN_FLIGHT = (State.ONGOING, State.CANCELLING)

#: How services refuse to begin what they already do.
REFUSALS = (400, 409)


class BaseTaskFlowActionContainer(flow_task.Task):
    """One action as a task of taskflow, with its whole protocol.

    Its methods are called by the engine, one after another in one thread;
    but :meth:`abort_running` by another one.

    :param name: name of the task, unique in the flow
    :param db_action: the action as stored, loaded eagerly
    :param engine: the engine that runs it
    :param parents: the containers of the actions before this one
    :param run: what is stored of earlier runs of the action
    """

    def __init__(self, name: str, db_action: objects.Action,
                 engine: Any,
                 parents: tuple['BaseTaskFlowActionContainer', ...] = (),
                 run: 'objects.ActionRun | None' = None):
        super().__init__(name=name)
        self._db_action = db_action
        self._engine = engine
        self._record = record.Record(engine, db_action)
        self._action: action_base.BaseAction | None = None
        self._announced = False
        self._remark: str | None = None
        self._abortion: runs.Abortion | None = None
        # Between the thread that executes and the one that aborts.
        self._lock = threading.Lock()
        self._executing = False
        self.course = runs.Course(
            engine.context, db_action, run, lease=lambda: engine.lease)
        #: Actions of the plan that the planner wished to succeed, and how
        #: much it did.
        self.wishes: list[tuple[objects.Action, str]] = []
        self.parents = parents

    @property
    def engine(self) -> Any:
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
    def is_in_flight(self) -> bool:
        """Whether the action runs, by this applier or an earlier one."""
        return self.state in IN_FLIGHT

    @property
    def action(self) -> action_base.BaseAction:
        """The action plug-in, made when it is first needed."""
        if self._action is None:
            plugin = self._engine.action_factory.make_action(
                self._db_action, osc=self._engine.osc)
            plugin.watch_stop(self._engine.stopping)
            plugin.watch_progress(self.course.told)
            self._action = plugin
        return self._action

    @property
    def keys(self) -> tuple[limits.Key, ...]:
        """What the action occupies while it runs."""
        return self._engine.keys_of(self._db_action)

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
        """First step: may the action run, and can it?

        :raises: Postponed when it has to wait
        """
        self._adopt_context()
        if self.is_in_flight:
            self._engine.check_alive()
            return
        self._engine.check_plan(self._db_action)
        if self.state != State.PENDING or not self._parents_agree():
            return
        try:
            self._engine.check_cooldown(self._db_action)
            self.do_pre_execute()
        except exception.ActionSkipped as skipped:
            self._end_silently(State.SKIPPED, control.failure(
                Code.SKIPPED, _('Action was skipped automatically: %s')
                % control.failure_reason(skipped), skipped,
                self._db_action))
        except Exception as error:
            if self._is_interruption(error):
                self._give_up()
            self._fail('pre_condition', error)

    def execute(self, *args: Any, **kwargs: Any) -> bool:
        """Second step: run it.

        :returns: whether its alternatives are needless
        :raises: Postponed when there is no room for it
        """
        if self.is_in_flight:
            return self._run(self._resume)
        if self.state != State.PENDING:
            return self.state in rules.GOOD
        if self._engine.stopping.is_set():
            self._give_up()
        if not self._begin():
            return self.state in rules.GOOD
        self._record.log('starts')
        return self._run(self._execute, *args, **kwargs)

    def post_execute(self) -> None:
        """Third step, only after a success: is the result right?

        Never raises: the whole plan would break off.
        """
        if self.state != State.SUCCEEDED or self._action is None:
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

    def can_abort(self) -> bool:
        """Whether it runs, can be stopped and was not yet told to stop."""
        if not self._executing or self._abortion is not None:
            return False
        try:
            return bool(self._action.check_abort())
        except Exception as error:
            self._record.log_failure('check_abort', error)
            return False

    def abort_running(self, overdue: bool = False) -> None:
        """Stop the action while another thread executes it.

        That thread stores what becomes of it. Never raises.

        :param overdue: because of its deadline; else because its plan was
            cancelled
        """
        self._adopt_context()
        with self._lock:
            if not self._executing or self._abortion is not None:
                return
            self._abortion = runs.Abortion(overdue)
        try:
            if not overdue and self._record.store(State.CANCELLING):
                self._record.announce_cancel('start')
            with rest.permitted_by(self._engine.hold_lease):
                self._abortion.stopped = bool(self.do_abort())
        except Exception as error:
            self._record.log_failure('abort', error)
            self._abortion.error = error
        finally:
            self._abortion.over.set()

    def announce_start(self) -> None:
        """Announce that the action starts, once however often it waits."""
        if not self._announced:
            self._announced = True
            self._record.announce('start')

    # Steps ------------------------------------------------------------

    def _adopt_context(self):
        # Log lines of this thread carry the request id of the launch.
        update = getattr(self._engine.context, 'update_store', None)
        if update is not None:
            update()

    def _give_up(self):
        self._engine.halt(control.ApplierStopping())
        self._engine.raise_halted()

    def _is_interruption(self, error):
        interrupted = (isinstance(error, exception.WaitInterrupted)
                       and self._engine.stopping.is_set())
        if interrupted:
            LOG.warning('Action %(uuid)s is no longer watched: %(reason)s',
                        {'uuid': self._db_action.uuid, 'reason': error})
        return interrupted

    def _parents_agree(self):
        verdict = rules.judge(
            self._engine.execution_rule, self._engine.dependency_rule,
            self.wishes, [parent.db_action for parent in self.parents])
        self._remark = verdict.remark
        if verdict.remark:
            LOG.warning('Action %(uuid)s: %(message)s', {
                'uuid': self._db_action.uuid, 'message': verdict.remark})
        if verdict.leave_out:
            self._end_silently(State.SKIPPED, verdict.leave_out)
        elif verdict.cancel:
            self._end_silently(State.CANCELLED, verdict.cancel)
        else:
            return True
        return False

    def _begin(self):
        """Make the step to ONGOING.

        :returns: false when somebody else has changed the state before
        :raises: Postponed
        """
        run = self.course.begin(runs.time_needed(self.action))
        begun = self._record.store(
            State.ONGOING,
            first=lambda: self._engine.take_place(self._db_action),
            then=lambda: self.course.store(run))
        if begun:
            self.course.begun()
        return begun

    def _run(self, function, *args, **kwargs):
        """Execute, and store what came of it."""
        self._engine.hold_lease()
        self._executing = True
        self._engine.supervise(self)
        result, error = None, None
        try:
            with rest.permitted_by(self._engine.hold_lease):
                result = function(*args, **kwargs)
        except Exception as raised:
            error = raised
        with self._lock:
            self._executing = False
        if self._abortion is not None:
            self._abortion.over.wait()
        if (self.state == State.PENDING
                or isinstance(error, control.Fenced)):
            raise error
        if error is not None and self._is_interruption(error):
            self._engine.note_interrupted(self._db_action)
            return False
        return self._conclude(result, error)

    def _execute(self, *args, **kwargs):
        try:
            return self.do_execute(*args, **kwargs)
        except exception.WatcherException as error:
            if (not self.course.is_repeated
                    or error.kwargs.get('http_status') not in REFUSALS):
                raise
            # The applier that had it before was frozen when this one looked
            # what became of it, and has asked for it after all. A new object
            # goes by what that one has noted.
            self._action = None
            found = self._find_out()
            if found.fate == action_base.Fate.DONE:
                return True
            if found.fate == action_base.Fate.RUNNING:
                return self.action.resume(self.course.run)
            raise

    def _conclude(self, result, error):
        abortion = self._abortion
        if not self.is_in_flight:
            # Somebody else has given it a final state.
            return self.state in rules.GOOD
        if abortion is not None and abortion.stopped:
            return self._conclude_stopped(abortion)
        if error is None and result is not True:
            error = exception.ActionExecutionFailure(
                action_id=self._db_action.uuid)
        if (error is not None and abortion is None
                and self.state == State.CANCELLING):
            # An earlier applier had begun to stop it.
            return self._conclude_stopped(runs.Abortion())
        if error is not None:
            self._fail('execute', error)
        elif self._succeed():
            self._record.log('succeeded')
            self._record.announce('end')
        if abortion is not None and not abortion.overdue:
            self._record.announce_cancel(
                'error' if abortion.error else 'end', abortion.error)
        return error is None

    def _conclude_stopped(self, abortion):
        if abortion.overdue:
            self._fail('execute', exception.ActionExecutionFailure(_(
                'it was stopped because it took longer than expected')),
                Code.DEADLINE_EXCEEDED)
        elif self._end_silently(State.CANCELLED):
            self._record.announce_cancel('end')
        return False

    def _succeed(self):
        values = {'status_message': self._remark} if self._remark else {}
        return self._record.store(State.SUCCEEDED, then=self._end_of_run(
            progress=100.0,
            inverse=runs.undoing(self.action, self.course.run)), **values)

    def _end_of_run(self, **values):
        """Return what stores the end of the run, if the action runs."""
        if not self.is_in_flight:
            return None
        run = self.course.end(**values)
        return lambda: self.course.store(run)

    def _resume(self):
        """Find out what became of the action, and act accordingly.

        :raises: Postponed when it is to run again
        """
        self.course.begun()
        found = self._find_out()
        fate = action_base.Fate
        if found.fate == fate.DONE:
            return True
        if found.fate == fate.RUNNING:
            return self.action.resume(self.course.run)
        if found.fate == fate.NOT_STARTED and self.state == State.ONGOING:
            self._put_back()
        raise exception.ActionExecutionFailure(
            found.reason if found.fate == fate.FAILED else
            _('the applier ended while it ran, and what became of it is '
              'unknown: %s') % found.reason)

    def _find_out(self):
        found = self.action.recover(self.course.run)
        LOG.info('Action %(uuid)s, which an earlier applier left behind, is '
                 '%(fate)s: %(reason)s', {
                     'uuid': self._db_action.uuid, 'fate': found.fate,
                     'reason': found.reason or 'nothing more is known'})
        self.course.told(remote=found.remote)
        return found

    def _put_back(self):
        """Let an action that never began wait for its turn again."""
        if self._record.store(State.PENDING):
            self._action = None
            self._engine.postpone()

    def _end_silently(self, state, message=None):
        """Store a final state that is no failure.

        :returns: whether it was stored here
        """
        values = {} if message is None else {'status_message': message}
        stored = self._record.store(state, then=self._end_of_run(), **values)
        if stored:
            LOG.info('Action %s is %s. %s', self._db_action.uuid, state,
                     message or '')
        return stored

    def _fail(self, phase, error, code=None):
        """Store and announce a failure.

        :param code: of the reason, if the phase does not tell it
        """
        self._record.log_failure(phase, error)
        message = self._db_action.status_message
        if phase != 'post_condition' or not message:
            message = control.failure(
                code or _CODES[phase],
                _('Action failed in %(phase)s: %(reason)s') % {
                    'phase': phase, 'reason': control.failure_reason(error)},
                error, self._db_action)
        self._engine.note_failure(error)
        if self._record.store(State.FAILED, status_message=message,
                              then=self._end_of_run()):
            self._record.announce('error', error)

    def _fail_safely(self, phase, error):
        try:
            self._fail(phase, error)
        except Exception as store_error:
            LOG.exception('The failure of action %s could not be stored',
                          self._db_action.uuid)
            self._engine.halt(exception.WorkflowExecutionException(
                error=control.failure_reason(store_error)))

    def _cancel_pending(self):
        self._adopt_context()
        self._record.announce_cancel('start')
        if self._record.store(State.CANCELLED):
            self._record.announce_cancel('end')

    def _abort(self):
        self._adopt_context()
        if not self._record.store(State.CANCELLING):
            return
        self._record.announce_cancel('start')
        try:
            with rest.permitted_by(self._engine.hold_lease):
                stopped = self.do_abort()
        except Exception as error:
            self._record.log_failure('abort', error)
            self._engine.note_failure(error)
            if self._record.store(State.FAILED, status_message=(
                    control.failure(
                        Code.ABORT_FAILED, _('Action failed in abort: %s')
                        % control.failure_reason(error), error,
                        self._db_action))):
                self._record.announce_cancel('error', error)
            return
        if self._record.store(State.CANCELLED if stopped else State.SUCCEEDED):
            self._record.announce_cancel('end')
