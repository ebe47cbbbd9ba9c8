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
"""Gives waiting audits to a limited number of threads.

The rows of the database are the queue: a ONESHOT audit waits as long as it is
PENDING, a CONTINUOUS one since its ``next_run_time``. A message from the API
only makes an audit start at once; if the message is lost, the next round
finds the audit. A trigger of an EVENT audit exists in the message alone.
"""

import collections
import threading
import time

from oslo_db import exception as db_exc
from oslo_log import log
from oslo_utils import timeutils

from watcher import conf
from watcher import objects
from watcher.common import context as watcher_context
from watcher.common import exception
from watcher.common import periodic
from watcher.common import pool_stats
from watcher.common import utils
from watcher.db import api as db_api
from watcher.decision_engine.audit import base
from watcher.decision_engine.audit import continuous
from watcher.decision_engine.audit import event
from watcher.decision_engine.audit import oneshot
from watcher.decision_engine.audit import scheduler

CONF = conf.CONF
LOG = log.getLogger(__name__)

STATE = objects.audit.State
PLAN_STATE = objects.action_plan.State
ONESHOT = objects.audit.AuditType.ONESHOT.value
EVENT = objects.audit.AuditType.EVENT.value
CONTINUOUS = objects.audit.AuditType.CONTINUOUS.value

#: Seconds that running audits get to end by themselves at a stop.
GRACE = 2.0


def _context_for(context):
    """Return the context of a run and make it that of this thread."""
    if context is None:
        return watcher_context.make_context(is_admin=True)
    # A header of the user must not make the engine see deleted rows.
    context.show_deleted = False
    context.update_store()
    return context


class AuditDispatcher:
    """Starts audits, at most ``max_audit_workers`` at the same time.

    :param clock: what the time is, for CONTINUOUS audits
    """

    def __init__(self, clock: continuous.Clock = timeutils.utcnow):
        self._handlers = {
            ONESHOT: oneshot.OneShotAuditHandler(),
            EVENT: event.EventAuditHandler(),
            CONTINUOUS: continuous.ContinuousAuditHandler(clock)}
        self._scheduler = scheduler.ContinuousScheduler(clock)
        self._next_settle = 0.0
        self._pause = 0.0
        self._lock = threading.Lock()
        self._running: dict[str, threading.Thread] = {}
        self._triggered = collections.OrderedDict()
        # Audits that cannot be run, nor can that be stored.
        self._hopeless: set[str] = set()
        self._stopping = False
        self._loop = periodic.Loop(
            'audit-dispatcher', self._round, lambda: self._pause)
        pool_stats.POOLS.watch('audits', self, AuditDispatcher._load)

    def start(self) -> None:
        """Begin to take audits."""
        self._stopping = False
        self._loop.start()

    def trigger(self, context, audit_uuid: str) -> None:
        """Run this audit as soon as a thread is free."""
        with self._lock:
            self._triggered[audit_uuid] = context
        self._loop.wake()

    def stop(self, timeout: float | None = None) -> None:
        """Take nothing more and bring running audits into a defined state.

        They get a moment to end by themselves; then they are CANCELLED, or
        given to whoever runs them next if they are CONTINUOUS. Their threads
        cannot be stopped, but find that out before they store anything.
        """
        deadline = time.monotonic() + min(GRACE, (timeout or 2 * GRACE) / 2)
        self._stopping = True
        self._loop.stop(max(0.1, deadline - time.monotonic()))
        with self._lock:
            threads = dict(self._running)
            triggers = list(self._triggered)
        for thread in threads.values():
            thread.join(max(0, deadline - time.monotonic()))
        for uuid, thread in threads.items():
            if thread.is_alive():
                self._interrupt(uuid)
        if triggers:
            LOG.warning('Triggers of these audits have not been handled; '
                        'ONESHOT audits among them start with the next '
                        'decision engine, EVENT audits must be triggered '
                        'again: %s', ', '.join(triggers))

    # Rounds ---------------------------------------------------------------

    def _round(self) -> None:
        # For when this round fails.
        self._pause = CONF.watcher_decision_engine.reconcile_interval
        self._cancel_orphans()
        self._settle()
        for uuid, context in self._next_audits():
            self._start(uuid, context)

    def _settle(self) -> None:
        """Keep the CONTINUOUS audits in order, from time to time."""
        now = time.monotonic()
        if now < self._next_settle:
            return
        with self._lock:
            running = set(self._running)
        try:
            self._scheduler.settle(running)
        except db_exc.DBError:
            raise
        except Exception:
            LOG.exception('CONTINUOUS audits cannot be scheduled now; other '
                          'audits go on')
        self._next_settle = (
            now + CONF.watcher_decision_engine.continuous_audit_interval)

    def _load(self) -> pool_stats.Load:
        return pool_stats.Load(
            CONF.watcher_decision_engine.max_audit_workers,
            len(self._running) + len(self._triggered))

    def _free(self) -> int:
        return (CONF.watcher_decision_engine.max_audit_workers
                - len(self._running))

    def _next_audits(self) -> list[tuple]:
        """Choose what to start now: triggered audits, then waiting rows.

        Of the rows, that which waits longest comes first.
        """
        options = CONF.watcher_decision_engine
        # An interval of 0 does not mean without a pause.
        self._pause = min(options.reconcile_interval,
                          max(1, options.continuous_audit_interval))
        with self._lock:
            free = self._free()
            if self._stopping or free <= 0:
                # The end of a running audit wakes the loop.
                return []
            chosen = {}
            for uuid in list(self._triggered):
                if len(chosen) < free and uuid not in self._running:
                    chosen[uuid] = self._triggered.pop(uuid)
            not_now = self._hopeless.union(self._running)
        waiting = self._waiting(limit=free + len(not_now)) + self._due()
        for _since, uuid in sorted(waiting, key=lambda entry: entry[0]):
            if len(chosen) < free and uuid not in not_now:
                chosen.setdefault(uuid, None)
        return list(chosen.items())

    def _due(self) -> list[tuple]:
        """Return the CONTINUOUS audits to run; wake up for the next."""
        due, later = self._scheduler.upcoming(self._pause)
        if later is not None:
            pause = (later - self._scheduler.now()).total_seconds()
            self._pause = min(self._pause, max(pause, 0.1))
        return due

    @staticmethod
    def _waiting(limit: int) -> list[tuple]:
        """Return since when the longest waiting ONESHOT audits wait."""
        # No more than is needed: a row of which something else is unreadable
        # does not hide the others.
        found = objects.Audit.list_columns(
            watcher_context.admin_context(), ('created_at', 'uuid'),
            limit=limit, sort_key='id',
            filters={'audit_type': ONESHOT, 'state': STATE.PENDING})
        return [(timeutils.normalize_time(since), uuid) for since, uuid
                in zip(found['created_at'], found['uuid'], strict=True)]

    def _start(self, uuid: str, context) -> None:
        thread = threading.Thread(
            target=self._run, args=(uuid, context), daemon=True,
            name=f'audit-{uuid}')
        with self._lock:
            # Registered before it is claimed: an audit that is ONGOING here
            # but not registered counts as interrupted.
            if self._stopping:
                return
            self._running[uuid] = thread
        thread.start()

    def _run(self, uuid: str, context) -> None:
        done = False
        try:
            done = self._execute(uuid, _context_for(context),
                                 triggered=context is not None)
        finally:
            with self._lock:
                self._running.pop(uuid, None)
                if not done and context is not None:
                    self._triggered.setdefault(uuid, context)
            if done:
                # Otherwise the next regular round tries again: without a
                # pause it would fail in the same way.
                self._loop.wake()

    def _execute(self, uuid: str, context, triggered: bool) -> bool:
        """Run the audit; False if it has to be tried again."""
        try:
            audit = objects.Audit.get_by_uuid(context, uuid, eager=True)
            if self._stopping:
                LOG.info('Audit %s is not started, the engine stops', uuid)
            elif triggered and audit.audit_type == CONTINUOUS:
                LOG.debug('Audit %s is CONTINUOUS and is not run by a '
                          'trigger', uuid)
            else:
                self._handlers[audit.audit_type].execute(context, audit)
        except exception.AuditNotFound as exc:
            LOG.warning('The audit that was asked for is gone: %s', exc)
        except db_exc.DBError as exc:
            LOG.error('Audit %(uuid)s is not run now, the database failed: '
                      '%(error)s',
                      {'uuid': uuid, 'error': utils.first_line(exc)})
            return False
        except Exception as exc:
            return self._give_up(uuid, exc)
        return True

    def _give_up(self, uuid: str, exc: Exception) -> bool:
        """Fail or put off an audit that cannot even be read or claimed.

        Left as it is it would come first in every round.

        :returns: whether that is stored
        """
        LOG.exception('Audit %s cannot be run', uuid)
        message = f'The audit cannot be run: {base.explain(exc)}'
        try:
            if self._scheduler.give_up(uuid, message):
                return True
            db_api.get_instance().update_audit(
                uuid, {'state': STATE.FAILED, 'status_message': message},
                expected_state=STATE.PENDING)
        except (exception.WatcherException, db_exc.DBError) as error:
            LOG.warning('Audit %(uuid)s cannot be set aside: %(error)s',
                        {'uuid': uuid, 'error': error})
            return False
        except Exception:
            with self._lock:
                self._hopeless.add(uuid)
            LOG.exception('The row of audit %s in the table audits is not '
                          'readable. Mend or remove it; this engine does not '
                          'try it again before its next start', uuid)
        return True

    # Interrupted audits ---------------------------------------------------

    def _cancel_orphans(self) -> None:
        """Cancel audits that are ONGOING on this host but run nowhere.

        They were interrupted by a crash or restart, or their end could not
        be stored because the database was away.
        """
        ongoing = objects.Audit.list_columns(
            watcher_context.admin_context(), ('uuid',),
            filters={'audit_type__in': [ONESHOT, EVENT],
                     'state': STATE.ONGOING, 'hostname': CONF.host})
        for uuid in ongoing['uuid']:
            with self._lock:
                running = uuid in self._running
            if not running:
                self._cancel(uuid, (
                    f'Interrupted: the decision engine on {CONF.host} was '
                    f'restarted, or lost the database, while the audit ran'))

    def _interrupt(self, uuid: str) -> None:
        try:
            audit = objects.Audit.get_by_uuid(
                watcher_context.admin_context(), uuid, eager=True)
        except Exception as exc:
            LOG.error('Audit %(uuid)s cannot be ended at this stop; the '
                      'next start on %(host)s will do it: %(error)s',
                      {'uuid': uuid, 'host': CONF.host,
                       'error': utils.first_line(exc)})
            return
        if audit.audit_type == CONTINUOUS:
            self._scheduler.release(audit)
        elif audit.state == STATE.ONGOING:
            self._cancel(uuid, (
                f'Interrupted: the decision engine on {CONF.host} was '
                f'stopped while the audit ran'))

    @staticmethod
    def _cancel(uuid: str, message: str) -> None:
        """Cancel one audit; its problems must not affect the others."""
        try:
            db_api.get_instance().run_in_transaction(
                _store_cancel, uuid, message)
        except (exception.StateConflict, exception.AuditNotFound):
            return
        except Exception as exc:
            LOG.error('Audit %(uuid)s cannot be cancelled: %(error)s',
                      {'uuid': uuid, 'error': utils.first_line(exc)})
            return
        LOG.warning('Audit %(uuid)s is CANCELLED. %(message)s',
                    {'uuid': uuid, 'message': message})


def _store_cancel(uuid: str, message: str) -> None:
    """Cancel an interrupted audit and the plan it may have stored already.

    A run that was interrupted between storing its plan and its own end must
    not leave a plan that somebody could start. The plans of an EVENT audit
    may come from earlier runs, which ended well, and are left alone.
    """
    context = watcher_context.admin_context()
    audit = objects.Audit.get_by_uuid(context, uuid, eager=True)
    audit.transition(STATE.CANCELLED, expected=STATE.ONGOING,
                     where={'hostname': CONF.host}, status_message=message)
    if audit.audit_type != ONESHOT:
        return
    for plan in objects.ActionPlan.list(
            context, eager=True,
            filters={'audit_id': audit.id, 'state': PLAN_STATE.RECOMMENDED}):
        plan.transition(PLAN_STATE.CANCELLED,
                        status_message=f'The audit {uuid} was interrupted')
