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
"""The applier: finds the action plans that wait and runs them.

The rows of the database are the queue. A plan waits when it is PENDING, or
RECOMMENDED with the host of an applier, which means that it was launched
without being PENDING before. Messages only say that it is worth looking now.
A plan is claimed by a compare-and-swap to ONGOING, by an applier that has a
free worker at this moment; so each plan runs once, whatever happens to
messages, and none waits behind a busy applier while another one is idle.

The process acts under a lease, without which it can change nothing: see
:mod:`watcher.objects.lease`. Once another process has the lease, this one
does nothing any more and ends. Plans of appliers that are gone are found by
:mod:`watcher.applier.takeover`, those that wait for their execution window
by :mod:`watcher.applier.resting`.
"""

import collections
import threading
import time
from collections.abc import Callable
from typing import Any

from oslo_db import exception as db_exc
from oslo_log import log

from watcher import conf
from watcher import objects
from watcher.applier import claims
from watcher.applier import endpoints
from watcher.applier import hours
from watcher.applier import recovery
from watcher.applier import resting
from watcher.applier import sync
from watcher.applier import takeover
from watcher.applier import tenure
from watcher.applier.action_plan import default as action_plan_handler
from watcher.applier.workflow_engine import standing
from watcher.common import context as watcher_context
from watcher.common import exception
from watcher.common import keeper
from watcher.common import periodic
from watcher.common import rpc
from watcher.common import utils
from watcher.notifications import service_monitor
from watcher.objects import action_plan as plan_objects

CONF = conf.CONF
LOG = log.getLogger(__name__)

State = plan_objects.State

#: Seconds that stopping may take when nobody says it.
STOP_TIMEOUT = 8.0
#: Seconds of these that are kept for storing what was left unfinished.
_STORE_TIME = 2.0
#: Requests whose context is remembered until the plan starts.
_CONTEXTS_LIMIT = 1000
#: Shortest time after which the dispatcher looks whether a window opened.
_SHORTEST_WAIT = 0.2
#: Tables without which an applier does its work: audits say nothing then,
#: and why something is as it is, is told by its message alone.
_DISPENSABLE = frozenset({'audit_schedules', 'reasons'})


def _context_of(request: Any) -> watcher_context.RequestContext:
    """Who asked, without the token, which is never used or passed on."""
    values = {**request.to_dict(), 'auth_token': None,
              'auth_token_info': None, 'is_admin': True,
              'show_deleted': False}
    return watcher_context.RequestContext.from_dict(values, overwrite=False)


class _Run:
    """A plan that is being executed."""

    def __init__(self, context, plan, handler, thread):
        self.context = context
        self.plan = plan
        self.handler = handler
        self.thread = thread


class ApplierManager:
    """Everything the applier does, apart from being a process."""

    API_VERSION = '1.0'

    service_name = 'watcher-applier'

    def __init__(self):
        #: Set when no action may be started and no waiting go on.
        self.stopping = threading.Event()
        #: Whether another process has the lease: nothing may be written.
        self.fenced = False
        #: Called with the error that ends this process.
        self.on_failure: Callable[[Exception], None] | None = None
        self.endpoints = [endpoints.ActionPlanEndpoint(self)]
        # Guards the three below.
        self._lock = threading.Lock()
        self._runs: dict[str, _Run] = {}
        self._unsettled: dict[str, action_plan_handler.
                              DefaultActionPlanHandler] = {}
        self._contexts: collections.OrderedDict[str, Any] = (
            collections.OrderedDict())
        #: When the plans may run that are executed here.
        self.hours = hours.Hours()
        self._queue = claims.Queue(self._guard, self._may_act)
        self._resting = resting.Resting()
        # Of the last look, as far as it is worth to look again for them.
        self._tallies: list[hours.Tally] = []
        # Orphans whose failure is in the log. Only the dispatcher uses it.
        self._hopeless: set[str] = set()
        self._keeper = keeper.Keeper(
            'applier-lease', tenure.begin,
            lambda: CONF.watcher_applier.lease_renewal_interval,
            self._on_lease_lost)
        self._dispatcher = periodic.Loop(
            'plan-dispatcher', self._dispatch, self._seconds_to_rest)
        self._monitor = service_monitor.ServiceMonitor(
            self.service_name,
            lambda host: rpc.forget_host(host, self.topic))

    @property
    def topic(self) -> str:
        """RPC topic to listen on."""
        return CONF.watcher_applier.conductor_topic

    @property
    def lease(self) -> objects.Lease | None:
        """What lets this process change plans and actions."""
        return self._keeper.lease

    @property
    def running(self) -> list[str]:
        """UUIDs of the plans that are being executed here."""
        with self._lock:
            return list(self._runs)

    @property
    def closed_plans(self) -> collections.Counter[tuple[str, str]]:
        """How many plans wait for windows, by state and later or never."""
        return self._queue.closed.counts + self._resting.closed.counts

    # Called by the service --------------------------------------------

    def pre_start(self) -> None:
        """Take the place of this host, and bring the database up to date.

        :raises: DatabaseNotUpgraded when there is no table for leases
        """
        missing = [
            table for table in objects.ActionPlan.dbapi.missing_tables()
            if table not in _DISPENSABLE]
        if missing:
            raise exception.DatabaseNotUpgraded(table=', '.join(missing))
        self._keeper.take()
        context = watcher_context.admin_context()
        sync.ActionDescriptionSynchroniser(context).sync()
        takeover.forget_long_gone(context)
        if not recovery.resumes():
            self._recover_own(context)

    def _recover_own(self, context):
        own = [orphan for orphan in self._find_orphans(context)
               if orphan.host == CONF.host]
        recovered = sum(map(self._recover, own))
        if recovered:
            LOG.warning('%(count)d action plans that the applier on '
                        '%(host)s was running when it ended are CANCELLED '
                        'now; see their status messages',
                        {'count': recovered, 'host': CONF.host})

    def start(self) -> None:
        """Start to take plans."""
        self._dispatcher.start()
        self._monitor.start()

    def stop(self, timeout: float | None = None) -> None:
        """Take no more plans and bring those that run to a defined state.

        Actions that wait for the cloud stop waiting. What does not end by
        itself in time is recorded as cancelled, and its thread left behind.

        :param timeout: seconds this may take; 0 waits for nothing
        """
        if timeout is None:
            timeout = STOP_TIMEOUT
        deadline = time.monotonic() + timeout
        self.stopping.set()
        self._monitor.stop()
        self._dispatcher.stop(timeout=1.0)
        with self._lock:
            runs = list(self._runs.values())
        for run in runs:
            left = deadline - _STORE_TIME - time.monotonic()
            run.thread.join(max(left, 0.1))
        for run in runs:
            if run.thread.is_alive() and not self.fenced:
                self._leave_behind(run)
        self._keeper.release()

    def reset(self) -> None:
        """Follow changed options."""
        self._dispatcher.wake()

    # Called by the endpoint -------------------------------------------

    def accept(self, context: Any, plan_uuid: str) -> None:
        """Note that a plan is to be launched, and look for a free worker.

        :raises: ActionPlanNotFound
        """
        own = _context_of(context)
        plan = objects.ActionPlan.get_by_uuid(own, plan_uuid, eager=True)
        if plan.state == State.CANCELLED:
            recovery.cancel_actions(plan, self.lease)
        if plan.state == State.ONGOING and plan.hostname is None:
            # It may go on: a pause has ended.
            self._dispatcher.wake()
            return
        if plan.state not in (State.PENDING, State.RECOMMENDED):
            LOG.info('Action plan %(uuid)s is %(state)s; the request to '
                     'launch it is ignored',
                     {'uuid': plan_uuid, 'state': plan.state})
            return
        self._remember(own, plan_uuid)
        self._take_on(plan)
        self._dispatcher.wake()

    def _remember(self, context, plan_uuid):
        with self._lock:
            self._contexts[plan_uuid] = context
            while len(self._contexts) > _CONTEXTS_LIMIT:
                self._contexts.popitem(last=False)

    def _take_on(self, plan):
        """Put our host on a waiting plan, and leave its place in the line.
        """
        if plan.hostname == CONF.host:
            # Only a nudge: a pause has ended, or a message came twice.
            return
        values = {'hostname': CONF.host}
        if plan.state == State.PENDING:
            # The date is its place, and it has had that since it was
            # started; a RECOMMENDED one gets in line only now.
            values['updated_at'] = plan.updated_at
        try:
            plan.swap({'state': plan.state}, self.lease, **values)
        except exception.StateConflict:
            LOG.info('Action plan %s was started or cancelled before this '
                     'applier could accept it', plan.uuid)
        else:
            LOG.info('Action plan %s is accepted', plan.uuid)

    # The lease --------------------------------------------------------

    def _on_lease_lost(self):
        """Another process has the lease: do nothing any more."""
        self.fenced = True
        self.stopping.set()
        error = tenure.why_lost()
        LOG.error('%s', error)
        if self.on_failure is not None:
            self.on_failure(error)

    def _may_act(self):
        """Whether steps may be begun."""
        return not self.stopping.is_set() and (
            self.lease is None or self.lease.valid)

    def _guard(self):
        return {} if self.lease is None else {'fence': self.lease}

    # Orphans ----------------------------------------------------------

    def _find_orphans(self, context):
        with self._lock:
            busy = {*self._runs, *self._unsettled, *self._queue.doubtful}
        return list(takeover.find_orphans(context, CONF.host, busy))

    def _look_for_orphans(self):
        if self.lease is None:
            return
        context = watcher_context.admin_context()
        orphans = self._find_orphans(context)
        for orphan in self._resting.leave_out(context, orphans):
            if not self._may_act():
                return
            self._recover(orphan)
        self._hopeless &= {orphan.uuid for orphan in orphans}

    def _recover(self, orphan):
        """Do with an orphan what the operator wants.

        One that cannot be recovered does not keep the others from it.

        :returns: whether it was cancelled here
        """
        context = watcher_context.admin_context()
        try:
            plan = objects.ActionPlan.get_by_uuid(context, orphan.uuid,
                                                  eager=True)
            if orphan.state == State.RECOMMENDED:
                self._adopt(plan, orphan)
            elif orphan.idle and orphan.state == State.CANCELLING:
                self._take_from(plan, orphan)
                return recovery.cancel_idle(context, plan, CONF.host,
                                            self.lease)
            elif orphan.state == State.ONGOING and (
                    orphan.idle or recovery.resumes()):
                self._resume(plan, orphan)
            else:
                return recovery.cancel_interrupted(
                    context, plan, orphan.host, self.lease)
        except (exception.StateConflict, exception.ActionPlanNotFound) as exc:
            LOG.info('Action plan %(uuid)s is left to others: %(reason)s',
                     {'uuid': orphan.uuid, 'reason': exc})
        except db_exc.DBConnectionError:
            raise
        except Exception:
            # Once: this is tried again at every look.
            report = (LOG.debug if orphan.uuid in self._hopeless
                      else LOG.exception)
            report('Action plan %(uuid)s could not be recovered; it stays '
                   '%(state)s, and this is tried again',
                   {'uuid': orphan.uuid, 'state': orphan.state})
            self._hopeless.add(orphan.uuid)
        return False

    def _take_from(self, plan, orphan):
        values = {'hostname': CONF.host}
        if orphan.idle:
            self._resting.taking.add(orphan.uuid)
            if standing.is_told(plan.status_message):
                values['status_message'] = None
        objects.ActionPlan.dbapi.run_in_transaction(
            takeover.take, plan, orphan, self.lease, values)
        self._resting.taking.discard(orphan.uuid)
        if orphan.idle:
            return
        LOG.warning('Action plan %(uuid)s, %(whose)s, is taken over', {
            'uuid': plan.uuid, 'whose': 'which was given back'
            if orphan.host is None else
            f'which the applier on {orphan.host} left behind'})

    def _adopt(self, plan, orphan):
        """Take a plan that was launched and not begun."""
        if orphan.host != CONF.host and self._has_free_worker():
            self._take_from(plan, orphan)

    def _resume(self, plan, orphan):
        """Go on with a plan, if there is a worker for it."""
        if not self._has_free_worker():
            return
        if orphan.host != CONF.host:
            self._take_from(plan, orphan)
        if not orphan.idle:
            LOG.warning('Action plan %s was interrupted and is resumed',
                        plan.uuid)
        self._launch(plan)

    # The dispatcher ---------------------------------------------------

    def _dispatch(self):
        if not self._may_act():
            return
        self._settle()
        self.hours.refresh()
        self._tallies = []
        self._look_for_orphans()
        self._tallies.append(self._resting.closed)
        while self._may_act() and self._has_free_worker():
            plan = (self._queue.claimed_before()
                    or self._queue.claim_next())
            if plan is None:
                # Without a free worker its end is what is waited for.
                self._tallies.append(self._queue.closed)
                return
            self._launch(plan)

    def _seconds_to_rest(self):
        """Return when to look again: at an opening, if one comes first."""
        interval = CONF.watcher_applier.reconcile_interval
        openings = [tally.opens for tally in self._tallies if tally.opens]
        if not openings:
            return interval
        left = (min(openings) - hours.now()).total_seconds()
        return min(interval, max(left, _SHORTEST_WAIT))

    def _has_free_worker(self):
        with self._lock:
            return len(self._runs) < CONF.watcher_applier.workers

    def _launch(self, plan):
        with self._lock:
            context = self._contexts.pop(plan.uuid, None)
        context = context or watcher_context.admin_context()
        run = _Run(
            context, plan,
            action_plan_handler.DefaultActionPlanHandler(context, self, plan),
            threading.Thread(target=self._run, args=(plan.uuid,),
                             name=f'plan-{plan.uuid}', daemon=True))
        with self._lock:
            self._runs[plan.uuid] = run
        run.thread.start()

    def _run(self, plan_uuid):
        run = self._runs[plan_uuid]
        run.context.update_store()
        try:
            run.handler.execute()
        except Exception:
            LOG.exception('The outcome of action plan %s could not be '
                          'stored; this is tried again', plan_uuid)
            with self._lock:
                self._unsettled[plan_uuid] = run.handler
        finally:
            self.hours.end(run.plan.id)
            with self._lock:
                del self._runs[plan_uuid]
            self._dispatcher.wake()

    def _settle(self):
        """Store outcomes that could not be stored before."""
        with self._lock:
            handlers = dict(self._unsettled)
        for plan_uuid, handler in handlers.items():
            try:
                handler.conclude()
            except db_exc.DBError as exc:
                LOG.error('The outcome of action plan %(uuid)s can still '
                          'not be stored: %(error)s',
                          {'uuid': plan_uuid, 'error': utils.first_line(exc)})
                continue
            except Exception as exc:
                LOG.exception('The outcome of action plan %s cannot be '
                              'stored; it fails', plan_uuid)
                if not self._fail_unsettled(plan_uuid, exc):
                    continue
            with self._lock:
                del self._unsettled[plan_uuid]

    def _fail_unsettled(self, plan_uuid, error):
        """End a plan whose outcome can never be stored.

        :returns: false if it has to be tried again
        """
        context = watcher_context.admin_context()
        try:
            plan = objects.ActionPlan.get_by_uuid(context, plan_uuid,
                                                  eager=True)
            recovery.fail_plan(context, plan, CONF.host,
                               utils.first_line(error), self.lease)
        except exception.ActionPlanNotFound:
            LOG.info('Action plan %s is gone', plan_uuid)
        except Exception as exc:
            LOG.error('Action plan %(uuid)s could not be set to FAILED, '
                      'which is tried again: %(error)s',
                      {'uuid': plan_uuid, 'error': utils.first_line(exc)})
            return False
        return True

    def _leave_behind(self, run):
        if recovery.resumes():
            # Not given back: its thread may still do something.
            LOG.warning('Action plan %s does not end by itself; it is '
                        'resumed once this process is gone', run.plan.uuid)
            return
        LOG.warning('Action plan %s does not end by itself; it is recorded '
                    'as cancelled', run.plan.uuid)
        try:
            plan = objects.ActionPlan.get_by_uuid(
                run.context, run.plan.uuid, eager=True)
            recovery.stop_plan(run.context, plan, CONF.host, self.lease)
        except Exception:
            LOG.exception('Action plan %s could not be recorded as '
                          'cancelled; the next start of this applier, or '
                          'another applier, does that', run.plan.uuid)
