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
"""One run of an audit, whatever its type.

::

    begin     unless forced: no plan may be running
              claim the audit: ONGOING on this host
    strategy  run the strategy              -> solution
    planner   store plan and actions        -> action plan
    finish    SUCCEEDED; with auto_trigger the plan is handed to the applier

A CONTINUOUS audit stays ONGOING at the end, also of a run that failed, and
gets the date of its next run; see :mod:`.continuous`.

Somebody may cancel, suspend or take away the audit at any time. Each step
therefore is a compare-and-swap on the stored row: who finds the audit no
longer ONGOING on this host stops, changes nothing and leaves no plan behind.

Each step also carries the lease of this engine. An engine that was frozen or
cut off, and whose audits others have taken over, stores nothing any more.
"""

import abc
import datetime
from collections.abc import Callable

import jsonschema
from oslo_db import exception as db_exc
from oslo_log import log
from oslo_utils import timeutils

from watcher import conf
from watcher import objects
from watcher.common import exception
from watcher.common import metrics
from watcher.common import reasons
from watcher.common import rpcapi
from watcher.common import schedule
from watcher.common import utils
from watcher.db import api as db_api
from watcher.decision_engine.audit import history
from watcher.decision_engine.audit import obstacles
from watcher.decision_engine.audit import opening
from watcher.decision_engine.planner import manager as planner_manager
from watcher.decision_engine.strategy.context import default
from watcher.notifications import audit as notifications

CONF = conf.CONF
LOG = log.getLogger(__name__)

STATE = objects.audit.State
PLAN_STATE = objects.action_plan.State

#: Errors that are part of normal life: they are explained, not traced.
_EXPECTED = (exception.WatcherException, jsonschema.ValidationError,
             db_exc.DBError)


#: What failed in each phase of a run.
_PHASES = {
    'strategy': ('The strategy failed', reasons.Code.STRATEGY_FAILED),
    'planner': ('The planner failed', reasons.Code.PLANNER_FAILED),
    'end': ('Storing the result failed', reasons.Code.STORING_FAILED)}

#: Returns the lease to write under, or None where there are no leases.
#: Raises LeaseLost when the calling thread must not write any more.
Fence = Callable[[], 'objects.Lease | None']


#: Returns the present, naive and in UTC.
Clock = Callable[[], datetime.datetime]


def unfenced() -> None:
    """Write without a lease."""


def explain(exc: BaseException) -> str:
    """Say in one line what went wrong, for people who see only the audit."""
    if isinstance(exc, jsonschema.ValidationError):
        where = '.'.join(str(part) for part in exc.absolute_path)
        return f'{where}: {exc.message}' if where else exc.message
    if isinstance(exc, exception.WatcherException):
        return ' '.join([str(exc) or type(exc).__name__,
                         *getattr(exc, '__notes__', ())])
    if isinstance(exc, db_exc.DBError):
        return f'the database does not work ({type(exc).__name__})'
    # The text of foreign errors may hold anything, also secrets.
    return (f'unexpected {type(exc).__name__}, see the log of '
            f'watcher-decision-engine on {CONF.host}')


def caveats(solution) -> str | None:
    """Return what is to be known about the data behind a solution."""
    told = getattr(solution.strategy, 'caveats', None) or ()
    text = ' '.join(told)
    return reasons.Reason(text, reasons.Code.CAVEATS) if text else None


def _hand_over(context, plan_uuid: str, fence) -> bool:
    """Let an applier take the plan, unless a user was faster.

    Whatever he did with it, the audit has found what it was asked for.

    :raises watcher.common.exception.LeaseLost:
    """
    try:
        objects.ActionPlan.get_by_uuid(
            context, plan_uuid, eager=True).transition(
                PLAN_STATE.PENDING, expected=PLAN_STATE.RECOMMENDED,
                fence=fence)
    except exception.LeaseLost:
        raise
    except (exception.StateConflict, exception.ActionPlanNotFound) as exc:
        LOG.info('The action plan %(plan)s is not started by its audit: '
                 '%(reason)s', {'plan': plan_uuid, 'reason': exc})
        return False
    return True


class AuditHandler(abc.ABC):
    """Runs audits of one type; used by several threads at once.

    :param fence: what must be held to write
    :param clock: what the time is
    """

    #: Whether such audits run without anybody asking for it by hand.
    automatic = False

    #: States in which a run may begin.
    startable: tuple[str, ...] = ()

    # What the log says.
    ENDED = 'Audit %(uuid)s SUCCEEDED with the action plan %(plan)s'
    FAILED = 'Audit %(uuid)s FAILED. %(message)s'

    def __init__(self, fence: Fence = unfenced,
                 clock: Clock = timeutils.utcnow):
        self._fence = fence
        self._clock = clock
        self.strategy_context = default.DefaultStrategyContext()
        self.planner_manager = planner_manager.PlannerManager()
        self.applier = rpcapi.ApplierAPI()

    def _now(self) -> datetime.datetime:
        return schedule.whole_seconds(self._clock())

    def execute(self, context, audit: 'objects.Audit'
                ) -> bool | obstacles.Obstacle | opening.Wait:
        """Run the audit to its end; what goes wrong is stored.

        :param audit: loaded with its relations, as it is now.
        :returns: whether it was run; or what it waits for, if it does
        :raises oslo_db.exception.DBError: if the run has to be repeated,
            because its end could not be stored
        :raises watcher.common.exception.LeaseLost: if this engine must not
            begin anything
        """
        try:
            begun = self._begin(context, audit)
        except exception.LeaseLost:
            raise
        except exception.StateConflict as exc:
            LOG.info('Audit %(uuid)s is not run here: %(reason)s',
                     {'uuid': audit.uuid, 'reason': exc})
            return False
        if begun is None:
            return False
        if isinstance(begun, (obstacles.Obstacle, opening.Wait)):
            return begun
        self.go(context, begun)
        return True

    def go(self, context, audit: 'objects.Audit') -> None:
        """Run an audit that is claimed.

        :param audit: ONGOING on this host, and run by nobody
        """
        LOG.info('Audit %(uuid)s (%(name)s) starts on %(host)s',
                 {'uuid': audit.uuid, 'name': audit.name,
                  'host': CONF.host})
        phase = 'strategy'
        run = metrics.AuditRun(
            audit.audit_type,
            audit.strategy.name if audit.strategy_id else 'any')
        try:
            solution = self._run_strategy(context, audit)
            phase = 'planner'
            plan = self._make_plan(context, audit, solution)
            phase = 'end'
            self._finish(context, audit, plan, caveats(solution))
            run.end(metrics.SUCCEEDED)
        except exception.AuditCancelled:
            run.end(metrics.CANCELLED)
            LOG.info('Audit %s is no longer to be run and ends without an '
                     'action plan', audit.uuid)
            self._forgive(context, audit)
        except Exception as exc:
            run.end(metrics.FAILED)
            self._fail(context, audit, phase, exc)

    # Begin ----------------------------------------------------------------

    def _begin(
            self, context, audit
    ) -> 'objects.Audit | obstacles.Obstacle | opening.Wait | None':
        """Claim the audit; return what it waits for if it cannot be run.

        None if it is not to be run at all, or at another date.

        :raises watcher.common.exception.StateConflict: if somebody has
            changed it meanwhile
        """
        if audit.state not in self.startable:
            LOG.info('Audit %(uuid)s is %(state)s and is not run',
                     {'uuid': audit.uuid, 'state': audit.state})
            return None
        wait = self._wait(context, audit)
        if wait is not None:
            return wait if self._shut_out(context, audit, wait) else None
        plan = self._obstacle(context, audit)
        if plan is not None:
            return plan if self._blocked(audit, plan) else None
        return db_api.get_instance().run_in_transaction(
            self._store_begin, context, audit)

    def _store_begin(self, context, audit):
        # A copy: the transaction may run twice after a deadlock.
        audit = audit.snapshot()
        self._claim(context, audit)
        history.begin(context, audit, self._fence())
        return audit

    def _wait(self, context, audit) -> opening.Wait | None:
        """Return for which window the audit has to wait."""
        return opening.find(objects.AuditSchedule.get(context, audit.id),
                            self.automatic, self._now())

    def _shut_out(self, context, audit, wait: opening.Wait) -> bool:
        """Tell that the audit waits.

        :returns: whether it does
        """
        self._tell(audit, wait.message)
        LOG.info('Audit %(uuid)s: %(message)s',
                 {'uuid': audit.uuid, 'message': wait.message})
        return True

    def _obstacle(self, context, audit) -> obstacles.Obstacle | None:
        """Return a plan because of which the audit must not run now."""
        return None if audit.force else obstacles.find(context, audit)

    @abc.abstractmethod
    def _blocked(self, audit, plan: obstacles.Obstacle) -> bool:
        """Decide about an audit that meets a running plan.

        :returns: whether it waits for the end of that plan
        """

    def _tell(self, audit, message: str) -> None:
        """Store why an audit waits, unless that is known."""
        if audit.status_message != message:
            audit.swap({'state': audit.state}, self._fence(),
                       status_message=message)

    def _claim(self, context, audit) -> None:
        """Make the audit ONGOING on this host.

        :raises watcher.common.exception.StateConflict: if it is no longer
            as it was read
        """
        audit.transition(STATE.ONGOING, hostname=CONF.host,
                         status_message=None, fence=self._fence())

    # Strategy -------------------------------------------------------------

    def _run_strategy(self, context, audit):
        notifications.send_action_notification(
            context, audit, action='strategy', phase='start')
        try:
            solution = self.strategy_context.execute_strategy(audit, context)
        except Exception as exc:
            notifications.send_action_notification(
                context, audit, action='strategy', phase='error',
                priority='error', exc=exc)
            raise
        notifications.send_action_notification(
            context, audit, action='strategy', phase='end')
        self._check_still_ours(context, audit)
        LOG.info('Audit %(uuid)s: the strategy %(strategy)s recommends '
                 '%(count)d actions',
                 {'uuid': audit.uuid, 'strategy': solution.strategy.name,
                  'count': len(solution.actions)})
        return solution

    @staticmethod
    def _check_still_ours(context, audit) -> None:
        stored = objects.Audit.get_by_uuid(context, audit.uuid)
        if (stored.state, stored.hostname) != (STATE.ONGOING, CONF.host):
            raise exception.AuditCancelled(uuid=audit.uuid)

    # Planner --------------------------------------------------------------

    def _make_plan(self, context, audit, solution):
        notifications.send_action_notification(
            context, audit, action='planner', phase='start')
        try:
            planner = self.planner_manager.load(solution.strategy.planner)
            plan = db_api.get_instance().run_in_transaction(
                self._store_plan, context, audit, planner, solution)
        except exception.AuditCancelled:
            raise
        except Exception as exc:
            notifications.send_action_notification(
                context, audit, action='planner', phase='error',
                priority='error', exc=exc)
            raise
        notifications.send_action_notification(
            context, audit, action='planner', phase='end')
        return plan

    def _store_plan(self, context, audit, planner, solution):
        self._hold(audit)
        return planner.schedule(context, audit.id, solution)

    def _hold(self, audit) -> None:
        """Keep the stored audit from changing until the transaction ends."""
        try:
            db_api.get_instance().update_audit(
                audit.uuid, {'hostname': CONF.host},
                expected={'state': STATE.ONGOING, 'hostname': CONF.host},
                fence=self._fence())
        except (exception.StateConflict, exception.AuditNotFound):
            raise exception.AuditCancelled(uuid=audit.uuid) from None

    # End ------------------------------------------------------------------

    def _finish(self, context, audit, plan, message) -> None:
        """The run is over; hand its plan over if that is wanted.

        :param message: what is to be known about the result.

        Both happen in one transaction: a plan is never launched for an
        audit that was cancelled meanwhile, and the launch is not lost when
        this process or the message dies.
        """
        startable = plan.state == PLAN_STATE.RECOMMENDED
        try:
            launched = db_api.get_instance().run_in_transaction(
                self._store_end, context, audit.uuid,
                plan.uuid if startable else None, message)
        except exception.StateConflict:
            self._withdraw(context, audit, plan)
            raise exception.AuditCancelled(uuid=audit.uuid) from None
        LOG.info(self.ENDED, {'uuid': audit.uuid, 'plan': plan.uuid})
        if launched:
            self.applier.launch_action_plan(context, plan.uuid)

    def _store_end(self, context, audit_uuid, plan_uuid, message) -> bool:
        """Store the end of the run; returns whether its plan was started.

        :param plan_uuid: None if there is nothing to start.
        """
        # Read here: the transaction may run twice after a deadlock, and
        # auto_trigger may have been changed during the run.
        audit = objects.Audit.get_by_uuid(context, audit_uuid, eager=True)
        launched = bool(audit.auto_trigger and plan_uuid
                        and _hand_over(context, plan_uuid, self._fence()))
        self._end(audit, message)
        history.end(context, audit, self._fence())
        return launched

    def _end(self, audit, message: str | None) -> None:
        """Store what becomes of the audit after a good run.

        :param message: what is to be known about the result.
        :raises watcher.common.exception.StateConflict: if it is no longer
            ONGOING on this host
        """
        audit.transition(STATE.SUCCEEDED, expected=STATE.ONGOING,
                         where={'hostname': CONF.host},
                         status_message=message, fence=self._fence())

    def _withdraw(self, context, audit, plan) -> None:
        """Take back the plan of an audit that was cancelled after all."""
        stored = objects.ActionPlan.get_by_uuid(
            context, plan.uuid, eager=True)
        if stored.state != PLAN_STATE.RECOMMENDED:
            return
        try:
            stored.transition(
                PLAN_STATE.CANCELLED, expected=PLAN_STATE.RECOMMENDED,
                status_message=reasons.Reason(
                    f'The audit {audit.uuid} was cancelled',
                    reasons.Code.AUDIT_CANCELLED, audit=audit.uuid),
                fence=self._fence())
        except exception.StateConflict as exc:
            LOG.warning('The action plan %(plan)s of the cancelled audit '
                        '%(audit)s could not be withdrawn: %(reason)s',
                        {'plan': plan.uuid, 'audit': audit.uuid,
                         'reason': exc})

    def _forgive(self, context, audit) -> None:
        """Do not count a run against the audit that a user has ended."""
        try:
            stored = objects.Audit.get_by_uuid(context, audit.uuid)
            if (stored.hostname == CONF.host
                    and stored.state != STATE.ONGOING):
                history.forgive(context, audit, self._fence())
        except (exception.WatcherException, db_exc.DBError) as exc:
            LOG.info('The run of audit %(uuid)s stays counted: %(reason)s',
                     {'uuid': audit.uuid, 'reason': utils.first_line(exc)})

    def _fail(self, context, audit, phase: str, exc: Exception) -> None:
        """Store why the run failed, unless the audit was taken away."""
        what, code = _PHASES[phase]
        message = reasons.Reason(f'{what}: {explain(exc)}', code,
                                 **reasons.error(exc))
        if isinstance(exc, _EXPECTED):
            LOG.error(self.FAILED, {'uuid': audit.uuid, 'message': message})
        else:
            LOG.error(self.FAILED, {'uuid': audit.uuid, 'message': message},
                      exc_info=exc)
        try:
            self.store_failure(context, audit, message)
        except exception.StateConflict as conflict:
            LOG.info('The failure of audit %(uuid)s is not stored: '
                     '%(reason)s', {'uuid': audit.uuid, 'reason': conflict})
        except db_exc.DBError as db_error:
            LOG.error('The failure of audit %(uuid)s cannot be stored now. '
                      'The audit will run again when the database is back: '
                      '%(error)s',
                      {'uuid': audit.uuid,
                       'error': utils.first_line(db_error)})
            raise

    def store_failure(self, context, audit, message: str) -> None:
        """Store what becomes of the audit after a failed run.

        :raises watcher.common.exception.StateConflict: if it is no longer
            ONGOING on this host
        """
        db_api.get_instance().run_in_transaction(
            self._store_failure, context, audit, message)

    def _store_failure(self, context, audit, message: str) -> None:
        audit = audit.snapshot()
        history.end(context, audit, self._fence(), message)
        audit.transition(STATE.FAILED, expected=STATE.ONGOING,
                         where={'hostname': CONF.host},
                         status_message=message, fence=self._fence())
