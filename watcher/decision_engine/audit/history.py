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
"""What is remembered of the runs of an audit, beside the audit itself.

A run is counted when it begins and no longer when it came to an end, however
it ended. So a run that takes its engine down with it, and with which the next
engine would go down as well, is found out.

The table came with an upgrade of the database. Until that is made nothing is
remembered, and everything else works.
"""

import datetime
from typing import Any

from oslo_log import log
from oslo_utils import timeutils

from watcher import conf
from watcher import objects
from watcher.common import exception
from watcher.common import reasons
from watcher.common import schedule

CONF = conf.CONF
LOG = log.getLogger(__name__)


def read(context: Any, audit: 'objects.Audit') -> 'objects.AuditRun':
    """What is known; of an audit that never ran, that."""
    return (objects.AuditRun.get(context, audit.id)
            or objects.AuditRun(audit_id=audit.id))


def begin(context: Any, audit: 'objects.Audit', fence: Any) -> bool:
    """Note that a run begins, which answers all triggers until now.

    :returns: whether that could be stored
    """
    return _store(context, audit, fence,
                  attempts=read(context, audit).attempts + 1, triggers=0,
                  started_at=timeutils.utcnow())


def end(context: Any, audit: 'objects.Audit', fence: Any,
        error: str | None = None) -> int:
    """Note that a run came to an end.

    :param error: why it failed, if it did
    :returns: how many runs failed since the last good one
    """
    failures = 0 if error is None else read(context, audit).failures + 1
    _store(context, audit, fence, attempts=0, failures=failures,
           last_error=error and str(error), finished_at=timeutils.utcnow())
    return failures


def forgive(context: Any, audit: 'objects.Audit', fence: Any) -> None:
    """Note that the run did not come to an end for a good reason."""
    _store(context, audit, fence, attempts=0, finished_at=None)


def has_answered(run: 'objects.AuditRun', due: datetime.datetime,
                 table: schedule.Timetable) -> bool:
    """Whether the last run was that of this date, and came to an end.

    It was if it began between the date and the one after it.
    """
    if None in (run.started_at, run.finished_at) or run.attempts:
        return False
    started = timeutils.normalize_time(run.started_at)
    after = table.following(due, due)
    return due <= started and (after is None or started < after)


def is_hopeless(run: 'objects.AuditRun') -> bool:
    """Whether a run was interrupted too often to begin it again."""
    return run.attempts >= CONF.watcher_decision_engine.max_audit_attempts


def why_hopeless(run: 'objects.AuditRun') -> reasons.Reason:
    """Say so, for people who see only the audit."""
    return reasons.Reason(
        f'The run was interrupted {run.attempts} times: its engine ended '
        f'each time before the run did. See the logs of the engines',
        reasons.Code.HOPELESS, attempts=run.attempts)


def pause_after(failures: int) -> float:
    """Seconds before the next run after so many failures in a row."""
    options = CONF.watcher_decision_engine
    if failures < 1 or not options.failed_audit_pause:
        return 0.0
    # No need for numbers that are larger than every maximum.
    doubled = options.failed_audit_pause * 2.0 ** min(failures - 1, 40)
    return min(doubled, options.failed_audit_max_pause)


def rests_until(run: 'objects.AuditRun',
                now: datetime.datetime) -> datetime.datetime | None:
    """When the pause after failures ends, if there is one now.

    :param now: naive, in UTC, in whole seconds, as what is returned
    """
    pause = datetime.timedelta(seconds=pause_after(run.failures))
    if not pause or run.finished_at is None:
        return None
    ended = schedule.whole_seconds(timeutils.normalize_time(run.finished_at))
    # A clock that is set back makes no pause longer.
    until = min(ended, now) + pause
    return until if until > now else None


def _store(context, audit, fence, **values) -> bool:
    try:
        objects.AuditRun.set(context, audit.id, fence, **values)
    except exception.DatabaseNotUpgraded as exc:
        LOG.debug('Runs of audits are not remembered: %s', exc)
        return False
    return True
