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
finds the audit. An EVENT audit waits when a trigger of it is stored.

All of this is done under the lease of this engine, without which nothing is
stored. What engines left behind that are gone is found in the same rounds,
see :mod:`.interrupted` and :mod:`.scheduler`.
"""

import collections
import enum
import sys
import threading
import time
import traceback
from collections.abc import Callable

from oslo_db import exception as db_exc
from oslo_log import log
from oslo_utils import timeutils

from watcher import conf
from watcher import objects
from watcher.common import context as watcher_context
from watcher.common import exception
from watcher.common import periodic
from watcher.common import pool_stats
from watcher.common import reasons
from watcher.common import utils
from watcher.db import api as db_api
from watcher.decision_engine.audit import base
from watcher.decision_engine.audit import blocked
from watcher.decision_engine.audit import continuous
from watcher.decision_engine.audit import event
from watcher.decision_engine.audit import history
from watcher.decision_engine.audit import interrupted
from watcher.decision_engine.audit import leftovers
from watcher.decision_engine.audit import oneshot
from watcher.decision_engine.audit import scheduler

CONF = conf.CONF
LOG = log.getLogger(__name__)

STATE = objects.audit.State
ONESHOT = objects.audit.AuditType.ONESHOT.value
EVENT = objects.audit.AuditType.EVENT.value
CONTINUOUS = objects.audit.AuditType.CONTINUOUS.value

#: Seconds that running audits get to end by themselves at a stop.
GRACE = 2.0

#: How many audits are known, besides those to start now, to go on with when
#: other engines were faster with these.
RESERVE = 20


class _End(enum.Enum):
    """What came of an audit that was started."""

    RAN = 'it has run'
    NOT_RUN = 'it waits, or others were faster'
    AGAIN = 'it has to be tried again'


def _context_for(context):
    """Return the context of a run and make it that of this thread."""
    if context is None:
        return watcher_context.make_context(is_admin=True)
    # A header of the user must not make the engine see deleted rows.
    context.show_deleted = False
    context.update_store()
    return context


def _stack_of(thread: threading.Thread) -> str:
    """Where a thread is, for people."""
    frame = sys._current_frames().get(thread.ident)
    return ''.join(traceback.format_stack(frame)) if frame else 'its end'


class AuditDispatcher:
    """Starts audits, at most ``max_audit_workers`` at the same time.

    :param clock: what the time is, for dates and windows
    :param lease: returns the lease of this engine, None if there is none
    """

    def __init__(self, clock: base.Clock = timeutils.utcnow,
                 lease: Callable[[], 'objects.Lease | None'] = base.unfenced):
        self._lease = lease
        self._handlers = {
            ONESHOT: oneshot.OneShotAuditHandler(self._fence, clock),
            EVENT: event.EventAuditHandler(self._fence, clock),
            CONTINUOUS: continuous.ContinuousAuditHandler(
                clock, self._fence)}
        self._scheduler = scheduler.ContinuousScheduler(clock, self._fence)
        self._next_settle = 0.0
        self._settles_in = 0.0
        self._pause = 0.0
        self._lock = threading.Lock()
        self._running: dict[str, threading.Thread] = {}
        self._began: dict[str, float] = {}
        # Threads that hang; they must not store anything.
        self._given_up: set[threading.Thread] = set()
        self._orphans: dict[str, interrupted.Orphan] = {}
        self._triggered = collections.OrderedDict()
        self._reserve: collections.deque[str] = collections.deque()
        self._blocked = blocked.Blocked()
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

        They get a moment to end by themselves; then they are given to
        whoever runs them next. Their threads cannot be stopped, but find
        that out before they store anything.
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
            if thread.is_alive() and not self._is_fenced_off():
                self._interrupt(uuid)
        if triggers:
            LOG.info('These audits are left to the next decision engine: %s',
                     ', '.join(triggers))

    # The lease ------------------------------------------------------------

    def _fence(self) -> 'objects.Lease | None':
        """What the calling thread writes under.

        :raises watcher.common.exception.LeaseLost: if it was given up
        """
        thread = threading.current_thread()
        with self._lock:
            if thread in self._given_up:
                raise exception.LeaseLost(name=thread.name)
        return self._lease()

    def _is_fenced_off(self) -> bool:
        lease = self._lease()
        return lease is not None and lease.lost

    def _may_act(self) -> bool:
        """Whether runs may begin."""
        lease = self._lease()
        return lease is None or lease.valid

    # Rounds ---------------------------------------------------------------

    def _round(self) -> None:
        # For when this round fails.
        self._pause = CONF.watcher_decision_engine.reconcile_interval
        if not self._may_act():
            LOG.warning('No audit is begun: the lease of this engine may be '
                        'expired')
            return
        with self._lock:
            # Old, and whose the audits are may change now.
            self._reserve.clear()
        self._give_up_hanging()
        self._orphans = {orphan.uuid: orphan for orphan
                         in interrupted.find(self._is_running)}
        self._settle()
        for uuid, context in self._next_audits():
            self._start(uuid, context)

    def _settle(self) -> None:
        """Keep the CONTINUOUS audits in order, from time to time."""
        now = time.monotonic()
        if now < self._next_settle:
            self._settles_in = max(0.1, self._next_settle - now)
            return
        with self._lock:
            running = set(self._running)
        death = None
        try:
            leftovers.sweep()
            death = self._scheduler.settle(running)
        except db_exc.DBError:
            raise
        except Exception:
            LOG.exception('CONTINUOUS audits cannot be scheduled now; other '
                          'audits go on')
        interval = CONF.watcher_decision_engine.continuous_audit_interval
        # An interval of 0 means in every round, but not without a pause.
        self._settles_in = max(1, interval)
        if death is not None:
            # The audits of an engine that is dead are not to wait longer.
            self._settles_in = min(self._settles_in, death + 0.1)
        self._next_settle = now + min(self._settles_in, interval)

    def _load(self) -> pool_stats.Load:
        return pool_stats.Load(
            CONF.watcher_decision_engine.max_audit_workers,
            len(self._running) + len(self._triggered))

    def _free(self) -> int:
        size = CONF.watcher_decision_engine.max_audit_workers
        # As many again may hang before they take the place of others.
        hanging = max(0, len(self._given_up) - size)
        return size - len(self._running) - hanging

    def _next_audits(self) -> list[tuple]:
        """Choose what to start now: what has waited longest.

        The rows tell what waits. Messages come in any order, to any engine;
        of them count only those about audits that no row tells to wait.
        """
        options = CONF.watcher_decision_engine
        # Messages and dates make rounds at any time; what is found out by
        # looking from time to time is not to be late by them.
        self._pause = min(options.reconcile_interval, self._settles_in)
        with self._lock:
            free = self._free()
            if self._stopping or free <= 0:
                # The end of a running audit wakes the loop.
                return []
            not_now = self._hopeless.union(self._running)
        still_blocked, opens = self._blocked.still(self._scheduler.now())
        self._wake_at(opens)
        not_now |= still_blocked
        # No more than is needed: with many that wait, reading all of them
        # whenever one has run would be most of the work.
        limit = free + len(not_now) + RESERVE
        oneshot = self._waiting(limit)
        waiting = [orphan[:2] for orphan in self._orphans.values()]
        waiting += oneshot + self._triggers(limit) + self._due(limit)
        waiting.sort(key=lambda entry: entry[0])
        known = dict.fromkeys(uuid for _since, uuid in waiting)
        with self._lock:
            # Of a long line only the begin was read: what else was triggered
            # stands further back in it.
            first = [] if len(oneshot) == limit else [
                uuid for uuid in self._triggered
                if uuid not in known and uuid not in self._running]
            order = list(dict.fromkeys(
                [*first, *(uuid for uuid in known if uuid not in not_now)]))
            self._reserve.extend(order[free:free + RESERVE])
            return [(uuid, self._triggered.pop(uuid, None))
                    for uuid in order[:free]]

    def _due(self, limit: int) -> list[tuple]:
        """Return the CONTINUOUS audits to run; wake up for the next."""
        due, later = self._scheduler.upcoming(self._pause, limit)
        self._wake_at(later)
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

    @staticmethod
    def _triggers(limit: int) -> list[tuple]:
        """Return since when the longest waiting triggers wait."""
        return objects.AuditRun.triggered(
            event.EventAuditHandler.startable, limit)

    def _wake_at(self, date) -> None:
        """Look again at this date, if that is before the next round."""
        if date is not None:
            pause = (date - self._scheduler.now()).total_seconds()
            self._pause = min(self._pause, max(pause, 0.1))

    def _start(self, uuid: str, context) -> None:
        thread = threading.Thread(
            target=self._run, args=(uuid, context), daemon=True,
            name=f'audit-{uuid}')
        with self._lock:
            # Registered before it is claimed: an audit that is ONGOING here
            # but not registered counts as interrupted.
            holder = self._running.get(uuid, threading.current_thread())
            if self._stopping or holder is not threading.current_thread():
                return
            self._running[uuid] = thread
            self._began[uuid] = time.monotonic()
        try:
            thread.start()
        except RuntimeError:
            # The host has no more threads now; a later round may.
            self._forget(uuid, thread)
            raise

    def _run(self, uuid: str, context) -> None:
        end = _End.AGAIN
        try:
            end = self._execute(uuid, _context_for(context),
                                triggered=context is not None)
        finally:
            following = self._hand_on(uuid) if end is _End.NOT_RUN else None
            self._forget(uuid, threading.current_thread())
            with self._lock:
                if end is _End.AGAIN and context is not None:
                    self._triggered.setdefault(uuid, context)
            if following is not None:
                self._start(*following)
                # If the engine stops meanwhile.
                self._forget(following[0], threading.current_thread())
            elif end is not _End.AGAIN:
                # Otherwise the next regular round tries again: without a
                # pause it would fail in the same way.
                self._loop.wake()

    def _hand_on(self, uuid: str) -> tuple | None:
        """Give the place of an audit that is not run to the next in line.

        All engines begin with the audits that wait longest. Who is too late
        goes on with what the last round has read: a round of its own would
        cost more than the audit, and meet the same engines again.
        """
        thread = threading.current_thread()
        with self._lock:
            if self._stopping or self._running.get(uuid) is not thread:
                return None
            while self._reserve:
                following = self._reserve.popleft()
                if following not in self._running:
                    self._running[following] = thread
                    self._began[following] = time.monotonic()
                    return following, self._triggered.pop(following, None)
        return None

    def _execute(self, uuid: str, context, triggered: bool) -> _End:
        """Run the audit."""
        try:
            audit = objects.Audit.get_by_uuid(context, uuid, eager=True)
            orphan = self._orphans.get(uuid)
            if self._stopping:
                LOG.info('Audit %s is not started, the engine stops', uuid)
            elif triggered and audit.audit_type == CONTINUOUS:
                LOG.debug('Audit %s is CONTINUOUS and is not run by a '
                          'trigger', uuid)
            elif orphan is not None and audit.state == STATE.ONGOING:
                self._take_over(context, orphan)
            else:
                return self._execute_new(context, audit)
        except exception.LeaseLost as exc:
            # Others are refused as well, until the next renewal tells why.
            LOG.warning('Audit %(uuid)s is not run now: %(reason)s',
                        {'uuid': uuid, 'reason': exc})
            return _End.AGAIN
        except exception.AuditNotFound as exc:
            LOG.warning('The audit that was asked for is gone: %s', exc)
        except db_exc.DBError as exc:
            LOG.error('Audit %(uuid)s is not run now, the database failed: '
                      '%(error)s',
                      {'uuid': uuid, 'error': utils.first_line(exc)})
            return _End.AGAIN
        except Exception as exc:
            return _End.RAN if self._give_up(uuid, exc) else _End.AGAIN
        return _End.RAN

    def _execute_new(self, context, audit) -> _End:
        found = self._handlers[audit.audit_type].execute(context, audit)
        if isinstance(found, bool):
            return _End.RAN if found else _End.NOT_RUN
        self._blocked.add(audit, found)
        return _End.NOT_RUN

    def _give_up(self, uuid: str, exc: Exception) -> bool:
        """Fail or put off an audit that cannot even be read or claimed.

        Left as it is it would come first in every round.

        :returns: whether that is stored
        """
        LOG.exception('Audit %s cannot be run', uuid)
        message = reasons.Reason(
            f'The audit cannot be run: {base.explain(exc)}',
            reasons.Code.AUDIT_FAILED, **reasons.error(exc))
        try:
            if self._scheduler.give_up(uuid, message):
                return True
            orphan = self._orphans.get(uuid)
            db_api.get_instance().update_audit(
                uuid, {'state': STATE.FAILED, 'status_message': message},
                expected={'audit_type': (ONESHOT, EVENT),
                          'state': STATE.PENDING} if orphan is None else {
                    'state': STATE.ONGOING,
                    'hostname': (orphan.host, CONF.host)},
                fence=self._fence())
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

    # Audits that don't end ------------------------------------------------

    def _give_up_hanging(self) -> None:
        """Go on without audits that have run for too long."""
        limit = CONF.watcher_decision_engine.max_audit_duration
        now = time.monotonic()
        with self._lock:
            self._given_up = {thread for thread in self._given_up
                              if thread.is_alive()}
            late = [(uuid, thread) for uuid, thread in self._running.items()
                    if limit and now - self._began.get(uuid, now) > limit]
            # Before anything is stored: afterwards they must not store more.
            self._given_up.update(thread for _uuid, thread in late)
        for uuid, thread in late:
            message = reasons.Reason(
                f'The run was given up: it was not over after {limit} '
                f'seconds', reasons.Code.HANGING, seconds=limit)
            LOG.error('Audit %(uuid)s hangs. %(message)s. It is at:\n'
                      '%(where)s', {'uuid': uuid, 'message': message,
                                    'where': _stack_of(thread)})
            if self._store_given_up(uuid, message):
                self._forget(uuid, thread)

    def _store_given_up(self, uuid: str, message: str) -> bool:
        """Store the failure; False if that has to be tried again."""
        context = watcher_context.admin_context()
        try:
            audit = objects.Audit.get_by_uuid(context, uuid, eager=True)
            self._handlers[audit.audit_type].store_failure(
                context, audit, message)
        except (exception.StateConflict, exception.AuditNotFound) as exc:
            LOG.info('Audit %(uuid)s is not FAILED: %(reason)s',
                     {'uuid': uuid, 'reason': exc})
        except Exception as exc:
            LOG.error('That audit %(uuid)s hangs cannot be stored: '
                      '%(error)s', {'uuid': uuid,
                                    'error': utils.first_line(exc)})
            return False
        return True

    def _forget(self, uuid: str, thread: threading.Thread) -> None:
        with self._lock:
            if self._running.get(uuid) is thread:
                del self._running[uuid]
                self._began.pop(uuid, None)

    # Interrupted audits ---------------------------------------------------

    def _is_running(self, uuid: str) -> bool:
        with self._lock:
            return uuid in self._running

    def _take_over(self, context, orphan: interrupted.Orphan) -> None:
        """Run an interrupted audit again, if it is to be."""
        try:
            audit = db_api.get_instance().run_in_transaction(
                interrupted.take_over, context, orphan, self._fence())
        except exception.LeaseLost:
            raise
        except exception.StateConflict as exc:
            LOG.info('Audit %(uuid)s is left to others: %(reason)s',
                     {'uuid': orphan.uuid, 'reason': exc})
            return
        if audit is not None:
            self._handlers[audit.audit_type].go(context, audit)

    def _interrupt(self, uuid: str) -> None:
        """Let the next engine run an audit that does not end in time."""
        context = watcher_context.admin_context()
        try:
            audit = objects.Audit.get_by_uuid(context, uuid, eager=True)
            if audit.state == STATE.ONGOING and (
                    audit.hostname == CONF.host):
                history.forgive(context, audit, self._fence())
                self._scheduler.release(audit)
        except Exception as exc:
            LOG.error('Audit %(uuid)s cannot be given back at this stop; it '
                      'is taken over later: %(error)s',
                      {'uuid': uuid, 'error': utils.first_line(exc)})
