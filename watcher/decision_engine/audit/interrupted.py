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
"""Audits whose run was interrupted, and what becomes of them.

This is about ONESHOT and EVENT audits; for CONTINUOUS ones see
:mod:`.scheduler`. Audits only read, so that they can be run again: by the
engine that looks first, whichever that is and whenever the engine before it
died.

An audit that is ONGOING was left behind if

* it names no engine, because that gave it back when it stopped;
* it names this engine, which does not run it: then the process before this
  one did, or its end could not be stored because the database was away;
* it names an engine that is gone, see :mod:`watcher.objects.tenure`.
"""

from collections.abc import Callable
from collections.abc import Collection
from typing import Any
from typing import NamedTuple

from oslo_log import log
from oslo_utils import timeutils

from watcher import conf
from watcher import objects
from watcher.common import context as watcher_context
from watcher.common import reasons
from watcher.decision_engine.audit import history
from watcher.objects import tenure

CONF = conf.CONF
LOG = log.getLogger(__name__)

STATE = objects.audit.State
PLAN_STATE = objects.action_plan.State
ONESHOT = objects.audit.AuditType.ONESHOT.value
EVENT = objects.audit.AuditType.EVENT.value

#: Plans that nobody has made anything of.
_UNTOUCHED = (PLAN_STATE.RECOMMENDED, PLAN_STATE.CANCELLED,
              PLAN_STATE.SUPERSEDED)


class Orphan(NamedTuple):
    """An audit whose engine is gone.

    :ivar since: when it was created, naive and in UTC
    :ivar host: of that engine; None if it gave the audit back
    """

    since: Any
    uuid: str
    host: str | None


def find(is_running: Callable[[str], bool]) -> list[Orphan]:
    """Find such audits, the oldest first, and shut out their engines.

    :param is_running: whether this engine runs the audit of a UUID
    """
    context = watcher_context.admin_context()
    found = objects.Audit.list_columns(
        context, ('created_at', 'uuid', 'hostname'), sort_key='id',
        filters={'audit_type__in': [ONESHOT, EVENT], 'state': STATE.ONGOING})
    orphans = [
        Orphan(timeutils.normalize_time(since), uuid, host)
        for since, uuid, host in zip(
            found['created_at'], found['uuid'], found['hostname'],
            strict=True)
        if host != CONF.host or not is_running(uuid)]
    gone = _gone(context, {orphan.host for orphan in orphans})
    return [orphan for orphan in orphans if orphan.host in gone]


def _gone(context: Any, hosts: Collection[str | None]) -> set[str | None]:
    gone = {None, CONF.host}
    others = set(hosts) - gone
    if not others:
        return gone
    engines = tenure.Members(context, tenure.ENGINE)
    return gone.union(host for host in others if not engines.lives(host)
                      and engines.exclude(context, host))


def take_over(context: Any, orphan: Orphan,
              fence: 'objects.Lease | None') -> 'objects.Audit | None':
    """Make the audit one of this engine; to be called in a transaction.

    :returns: the audit, if it is to be run again; None if it is settled:
        it had a result already, or runs of it do not end well
    :raises watcher.common.exception.StateConflict: if somebody was faster
    """
    tenure.ENGINE.check_gone(context, orphan.host, fence)
    audit = objects.Audit.get_by_uuid(context, orphan.uuid, eager=True)
    audit.swap({'state': STATE.ONGOING, 'hostname': orphan.host}, fence,
               hostname=CONF.host)
    run = history.read(context, audit)
    plans = _plans_of(context, audit, run)
    for plan in plans:
        if plan.state == PLAN_STATE.RECOMMENDED:
            plan.transition(
                PLAN_STATE.CANCELLED, fence=fence,
                status_message=reasons.Reason(
                    f'The audit {audit.uuid} was interrupted',
                    reasons.Code.AUDIT_INTERRUPTED, audit=audit.uuid))
    if any(plan.state not in _UNTOUCHED for plan in plans):
        _settle(audit, STATE.SUCCEEDED, None, fence)
    elif history.is_hopeless(run):
        _settle(audit, STATE.FAILED, history.why_hopeless(run), fence)
    elif not history.begin(context, audit, fence):
        _settle(audit, STATE.CANCELLED, reasons.Reason(
            f'Interrupted: the decision engine on {orphan.host or "a host"} '
            f'was stopped while the audit ran', reasons.Code.INTERRUPTED,
            host=orphan.host), fence)
    else:
        LOG.warning('The run of audit %(uuid)s on %(host)s was interrupted; '
                    'it begins again here', {
                        'uuid': audit.uuid,
                        'host': orphan.host or 'an engine that stopped'})
        return audit
    return None


def _settle(audit, state, message, fence):
    audit.transition(state, expected=STATE.ONGOING, status_message=message,
                     where={'hostname': CONF.host}, fence=fence)
    LOG.warning('The interrupted audit %(uuid)s is %(state)s. %(message)s', {
        'uuid': audit.uuid, 'state': state, 'message': message or
        'Its action plan was made before, and has been started'})


def _plans_of(context: Any, audit: 'objects.Audit',
              run: 'objects.AuditRun') -> 'list[objects.ActionPlan]':
    """The plans that the interrupted run made.

    The plans of an EVENT audit may come from earlier runs, which ended well,
    and are left alone; so are rollbacks and retries, which users asked for.
    """
    if audit.audit_type == EVENT and run.started_at is None:
        return []
    plans = objects.ActionPlan.list(context, eager=True,
                                    filters={'audit_id': audit.id})
    # Both dates come from the same clock; one has whole seconds.
    since = run.started_at and run.started_at.replace(microsecond=0)
    runs = objects.PlanRun.of_plans(plan.id for plan in plans)
    return [plan for plan in plans
            if (since is None or audit.audit_type == ONESHOT
                or plan.created_at >= since)
            and (plan.id not in runs or runs[plan.id].kind is None)]
