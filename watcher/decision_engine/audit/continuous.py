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
"""Audits that run again and again: one run.

The row of the audit is all there is to know: ``hostname`` is the engine that
runs it, a ``next_run_time`` in the past means that a run is due. The date
stays in the past until the end of the run is stored, together with the new
date. So a run that was interrupted, wherever and by whatever, is due again,
and the same run is never stored twice.

A run that fails changes nothing but the date and the message: the next one
may succeed. The more fail in a row, the longer the pause before the next.

Runs begin in the windows of the operator and of the audit only. So no date is
outside of them, unless they were changed since.
"""

import datetime
from typing import Any

from oslo_log import log
from oslo_utils import timeutils

from watcher import conf
from watcher import objects
from watcher.common import context as watcher_context
from watcher.common import exception
from watcher.common import reasons
from watcher.common import schedule
from watcher.decision_engine.audit import base
from watcher.decision_engine.audit import history
from watcher.decision_engine.audit import obstacles
from watcher.decision_engine.audit import opening

CONF = conf.CONF
LOG = log.getLogger(__name__)

STATE = objects.audit.State
PLAN_STATE = objects.action_plan.State

#: States in which the audit is scheduled.
LIVE = (STATE.PENDING, STATE.ONGOING)

#: How the message of an audit without a next run begins.
NOT_SCHEDULED = 'Not scheduled'


def said_by(audit: 'objects.Audit') -> 'objects.AuditSchedule | None':
    """Read what an audit says besides its interval."""
    return objects.AuditSchedule.get(watcher_context.admin_context(),
                                     audit.id)


def is_due(audit: 'objects.Audit', now: datetime.datetime) -> bool:
    """Return whether this engine should run the audit now."""
    return (audit.state in LIVE
            and audit.hostname == CONF.host
            and audit.next_run_time is not None
            and audit.next_run_time <= now
            and (audit.start_time is None or audit.start_time <= now)
            and not is_over(audit, now))


def is_over(audit: 'objects.Audit', now: datetime.datetime) -> bool:
    """Return whether the end time has come."""
    return audit.end_time is not None and audit.end_time <= now


def put_off(audit: 'objects.Audit', now: datetime.datetime,
            pause: float = 0) -> None:
    """Assign the date of the next run; the row must have been due.

    :param pause: seconds from now that the run has to wait at least
    """
    due = audit.next_run_time
    if due is not None and due > now:
        # Somebody else has decided during the run.
        return
    try:
        # What follows is later than this; a run right then is fine.
        since = now + datetime.timedelta(seconds=max(pause - 1, 0))
        table = schedule.Timetable.of_audit(audit, said_by(audit))
        audit.next_run_time = table.following(due, since)
        audit.status_message = told(table, audit.next_run_time, now,
                                    audit.status_message)
    except exception.Invalid as exc:
        audit.next_run_time = None
        audit.status_message = unscheduled(exc)


def settled(row: Any, said: 'objects.AuditSchedule | None',
            now: datetime.datetime
            ) -> tuple[datetime.datetime | None, str | None]:
    """Return the date of the next run and the message, as they should be.

    :param row: the audit, or what is known of it: ``id``, ``uuid``,
        ``state``, ``interval``, ``start_time``, ``next_run_time`` and
        ``status_message``
    :param said: what it says besides its interval
    """
    stored = row.next_run_time
    try:
        table = schedule.Timetable.of_audit(row, said)
        date = _date(row, table, now)
    except exception.Invalid as exc:
        return None, unscheduled(exc)
    if date is None:
        where = ' within its windows' if table.windows else ''
        return None, reasons.Reason(
            f'{NOT_SCHEDULED}: no date matches the interval '
            f'{row.interval}{where} any more', reasons.Code.NOT_SCHEDULED)
    if stored is None or not stored <= now < date:
        return date, told(table, date, now, row.status_message)
    if table.windows.is_open(now):
        return date, _left_out(stored, 'it could not begin in time')
    if table.cron is not None:
        return date, _left_out(stored, 'its windows are closed')
    return date, told(table, date, now, row.status_message)


def _date(row: Any, table: schedule.Timetable,
          now: datetime.datetime) -> datetime.datetime | None:
    stored, has_run = row.next_run_time, row.state != STATE.PENDING
    date = table.settle(stored, now, row.start_time, has_run)
    if date is None or stored is None or date >= stored:
        return date
    # Only now it matters why the date is that far away.
    rests_until = history.rests_until(
        history.read(watcher_context.admin_context(), row), now)
    if rests_until is None:
        return date
    return table.settle(stored, now, row.start_time, has_run, rests_until)


def told(table: schedule.Timetable, date: datetime.datetime | None,
         now: datetime.datetime, message: str | None) -> str | None:
    """Return the message beside the date of the next run.

    That the date is that of an opening is worth saying, but nothing else is
    given up for it.

    :param message: so far
    """
    if message and not message.startswith((NOT_SCHEDULED, opening.WAITS)):
        return message
    if date is None or date <= now or not table.is_opening(date):
        return None
    return opening.waits_until(date)


def unscheduled(exc: exception.Invalid) -> str:
    """Say why there is no next run."""
    return reasons.Reason(f'{NOT_SCHEDULED}: {base.explain(exc)}',
                          reasons.Code.NOT_SCHEDULED, **reasons.error(exc))


def _left_out(date: datetime.datetime, why: str) -> reasons.Reason:
    return reasons.Reason(f'The run of {date} UTC was left out: {why}',
                          reasons.Code.RUN_LEFT_OUT, date=date.isoformat())


class ContinuousAuditHandler(base.AuditHandler):
    """Runs an audit that is due, after which it waits for the next date.

    :param clock: what the time is
    """

    startable = LIVE
    automatic = True
    ENDED = 'Audit %(uuid)s has run and made the action plan %(plan)s'
    FAILED = 'A run of audit %(uuid)s failed. %(message)s'

    def __init__(self, clock: base.Clock = timeutils.utcnow,
                 fence: base.Fence = base.unfenced):
        super().__init__(fence, clock)

    # Begin ----------------------------------------------------------------

    def _begin(self, context, audit):
        if not is_due(audit, self._now()):
            LOG.info('Audit %s is no longer due and is not run now',
                     audit.uuid)
            return None
        run = history.read(context, audit)
        if not self._may_begin(audit, run):
            return None
        if history.is_hopeless(run):
            message = history.why_hopeless(run)
            LOG.error(self.FAILED, {'uuid': audit.uuid, 'message': message})
            self.store_failure(context, audit, message)
            return None
        return super()._begin(context, audit)

    def _may_begin(self, audit, run) -> bool:
        """Whether the date is still one to run at; if not, put the run off.

        The windows may have closed since the run was due, and a clock that
        was set back shows a date again that has had its run.
        """
        now, said = self._now(), said_by(audit)
        date, message = settled(audit, said, now)
        if date is not None and date <= now:
            table = schedule.Timetable.of_audit(audit, said)
            if not history.has_answered(run, date, table):
                return True
            date = table.following(date, now)
            message = told(table, date, now, audit.status_message)
        audit.next_run_time, audit.status_message = date, message
        audit.save(where={'state': audit.state, 'hostname': CONF.host},
                   fence=self._fence())
        LOG.info('Audit %(uuid)s is not run now. Its next run is at %(next)s '
                 'UTC', {'uuid': audit.uuid, 'next': date})
        return False

    def _wait(self, context, audit):
        # That was looked at together with the date.
        return None

    def _obstacle(self, context, audit):
        """A plan of its own that waits for an applier blocks as well.

        What the audit would find now is about to be changed by that plan,
        and while no applier works such plans would pile up.
        """
        waiting = objects.ActionPlan.list(
            context, limit=1, filters={'audit_id': audit.id,
                                       'state': PLAN_STATE.PENDING})
        if waiting:
            return obstacles.Obstacle(waiting[0].uuid, PLAN_STATE.PENDING)
        return super()._obstacle(context, audit)

    def _blocked(self, audit, plan):
        due = audit.next_run_time
        audit.status_message = plan.reason(
            f'The run of {due} UTC was left out: the action plan '
            f'{plan.plan} was {plan.state}{plan.why}',
            reasons.Code.BLOCKED_BY_PLAN, date=due and due.isoformat())
        put_off(audit, self._now())
        audit.save(where={'state': audit.state, 'hostname': CONF.host},
                   fence=self._fence())
        LOG.warning('Audit %(uuid)s: %(message)s. Its next run is at '
                    '%(next)s UTC', {'uuid': audit.uuid,
                                     'message': audit.status_message,
                                     'next': audit.next_run_time})
        return False

    def _claim(self, context, audit):
        # This engine claimed it when it put its name into the row. The
        # message of the last run stays until this one has ended better.
        waited = (audit.status_message or '').startswith(opening.WAITS)
        changes = {'status_message': None} if waited else {}
        if audit.state == STATE.PENDING:
            audit.transition(STATE.ONGOING, where={'hostname': CONF.host},
                             fence=self._fence(), **changes)
        elif waited:
            audit.swap({'state': audit.state, 'hostname': CONF.host},
                       self._fence(), **changes)

    # Plan -----------------------------------------------------------------

    def _store_plan(self, context, audit, planner, solution):
        self._hold(audit)
        self._retire_plans(context, audit)
        return planner.schedule(context, audit.id, solution)

    @staticmethod
    def _retire_plans(context, audit) -> None:
        """Cancel what earlier runs recommended, unless a user starts it.

        A rollback or retry stays: a user, not a run, has asked for it.
        """
        plans = objects.ActionPlan.list(
            context, eager=True,
            filters={'audit_id': audit.id, 'state': PLAN_STATE.RECOMMENDED})
        runs = objects.PlanRun.of_plans(plan.id for plan in plans)
        for plan in plans:
            if plan.id in runs and runs[plan.id].kind is not None:
                continue
            try:
                plan.transition(
                    PLAN_STATE.CANCELLED,
                    status_message=reasons.Reason(
                        f'A later run of the audit {audit.uuid} made a new '
                        f'recommendation', reasons.Code.AUDIT_RAN_AGAIN,
                        audit=audit.uuid))
            except exception.StateConflict as exc:
                LOG.info('Action plan %(plan)s is kept: %(reason)s',
                         {'plan': plan.uuid, 'reason': exc})

    # End ------------------------------------------------------------------

    def _end(self, audit, message):
        audit.status_message = message
        self._store_next(audit, STATE.ONGOING)

    def _store_failure(self, context, audit, message):
        # Read again: what a user changed during the run must not be undone,
        # and a new interval counts from now on.
        audit = objects.Audit.get_by_uuid(context, audit.uuid, eager=True)
        failures = history.end(context, audit, self._fence(), message)
        why = reasons.of(message)
        audit.status_message = why if failures < 2 else reasons.Reason(
            f'{failures} failures in a row. {message}', why.code,
            **{**why.data, 'failures': failures})
        self._store_next(audit, LIVE, history.pause_after(failures))

    def _store_next(self, audit, states, pause: float = 0) -> None:
        put_off(audit, self._now(), pause)
        audit.save(where={'state': states, 'hostname': CONF.host},
                   fence=self._fence())
        LOG.info('The next run of audit %(uuid)s is at %(next)s UTC',
                 {'uuid': audit.uuid, 'next': audit.next_run_time})
