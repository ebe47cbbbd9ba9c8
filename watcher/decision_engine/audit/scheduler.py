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
"""Which CONTINUOUS audits are this engine's, and when they run.

Nothing is remembered between two rounds: each looks at the rows and brings
them to what they should be. Several engines look at the same rows at the same
time; each change is a compare-and-swap, and who loses leaves it at that.

An audit belongs to the engine named in its ``hostname`` as long as that
engine is alive; anybody may take it over when it is not.
"""

import datetime
from collections.abc import Collection

from oslo_db import exception as db_exc
from oslo_log import log
from oslo_utils import timeutils

from watcher import conf
from watcher import objects
from watcher.common import context as watcher_context
from watcher.common import exception
from watcher.common import schedule
from watcher.common import utils
from watcher.decision_engine.audit import continuous

CONF = conf.CONF
LOG = log.getLogger(__name__)

STATE = objects.audit.State
CONTINUOUS = objects.audit.AuditType.CONTINUOUS.value

#: Name of the service whose rows tell which engines are alive.
SERVICE = 'watcher-decision-engine'

_LIVE = {'audit_type': CONTINUOUS, 'state__in': list(continuous.LIVE)}


class ContinuousScheduler:
    """Keeps owner and date of all CONTINUOUS audits as they should be.

    :param clock: what the time is
    """

    def __init__(self, clock: continuous.Clock = timeutils.utcnow):
        self._clock = clock

    def now(self) -> datetime.datetime:
        """The present in whole seconds, naive and in UTC."""
        return schedule.whole_seconds(self._clock())

    # What should run ------------------------------------------------------

    def upcoming(self, seconds: float
                 ) -> tuple[list[tuple[datetime.datetime, str]],
                            datetime.datetime | None]:
        """Look at the dates of this engine's audits.

        :param seconds: how far to look ahead
        :returns: date and UUID of the audits that are due, longest first,
            and the next date after now, if it is that near
        """
        now = self.now()
        audits = objects.Audit.list(
            watcher_context.admin_context(), sort_key='next_run_time',
            filters={**_LIVE, 'hostname': CONF.host, 'next_run_time__lte':
                     now + datetime.timedelta(seconds=seconds)})
        due = [(audit.next_run_time, audit.uuid) for audit in audits
               if continuous.is_due(audit, now)]
        later = (audit.next_run_time for audit in audits
                 if audit.next_run_time > now)
        return due, next(later, None)

    # What should be stored ------------------------------------------------

    def settle(self, running: Collection[str]) -> None:
        """Take over, schedule and end audits where that is needed.

        A problem with one audit does not keep the others from it.

        :param running: UUIDs of the audits that run in this engine; they
            are left alone until their run has ended
        """
        audits = objects.Audit.list(
            watcher_context.admin_context(), filters=_LIVE, sort_key='id')
        living = self._living({audit.hostname for audit in audits})
        for audit in audits:
            if audit.uuid in running or audit.hostname in living:
                continue
            try:
                self._settle(audit)
            except (exception.StateConflict, exception.AuditNotFound) as exc:
                LOG.debug('Audit %(uuid)s was changed meanwhile, the next '
                          'round looks again: %(reason)s',
                          {'uuid': audit.uuid, 'reason': exc})
            except db_exc.DBError as exc:
                LOG.error('Audit %(uuid)s cannot be scheduled now, the '
                          'database failed: %(error)s',
                          {'uuid': audit.uuid,
                           'error': utils.first_line(exc)})
            except Exception:
                LOG.exception('Audit %s cannot be scheduled', audit.uuid)

    @staticmethod
    def _living(hosts: Collection[str | None]) -> set[str]:
        """Return which of the hosts have another engine that is alive."""
        if not hosts - {None, CONF.host}:
            return set()
        services = objects.Service.list(
            watcher_context.admin_context(), filters={'name': SERVICE})
        return {service.host for service in services
                if service.host != CONF.host
                and objects.service.is_alive(service)}

    def _settle(self, audit) -> None:
        now = self.now()
        # Only what was looked at may be changed.
        seen = {'state': audit.state, 'hostname': audit.hostname,
                'interval': audit.interval}
        if continuous.is_over(audit, now):
            audit.transition(STATE.SUCCEEDED, where=seen, next_run_time=None)
            LOG.info('Audit %(uuid)s SUCCEEDED: its end time %(end)s UTC has '
                     'come', {'uuid': audit.uuid, 'end': audit.end_time})
            return
        if audit.hostname != CONF.host:
            LOG.info('Audit %(uuid)s belongs to %(host)s from now on, before '
                     'to %(owner)s',
                     {'uuid': audit.uuid, 'host': CONF.host,
                      'owner': audit.hostname or 'nobody'})
            audit.hostname = CONF.host
        self._set_date(audit, now)
        if audit.obj_what_changed():
            audit.save(where=seen)

    def _set_date(self, audit, now) -> None:
        stored, message = audit.next_run_time, audit.status_message
        try:
            timetable = continuous.timetable(audit)
            date = timetable.settle(stored, now, audit.start_time,
                                    has_run=audit.state != STATE.PENDING)
            if date is None:
                message = (f'{continuous.NOT_SCHEDULED}: no date matches '
                           f'the interval {audit.interval} any more')
            elif (message or '').startswith(continuous.NOT_SCHEDULED):
                message = None
            elif stored is not None and stored <= now < date:
                message = (f'The run of {stored} UTC was left out: it could '
                           'not begin in time')
        except exception.Invalid as exc:
            date, message = None, continuous.unscheduled(exc)
        # Only a real change is stored and announced.
        if message != audit.status_message:
            audit.status_message = message
            LOG.warning('Audit %(uuid)s: %(message)s',
                        {'uuid': audit.uuid, 'message': message})
        if date != stored:
            audit.next_run_time = date
            LOG.info('The next run of audit %(uuid)s is at %(date)s UTC',
                     {'uuid': audit.uuid, 'date': date})

    # What could not run ---------------------------------------------------

    def give_up(self, uuid: str, message: str) -> bool:
        """Put off a run that could not even begin, by a minute.

        :returns: False if the audit is not CONTINUOUS, or not of this engine
        """
        try:
            objects.Audit.dbapi.update_audit(
                uuid, {'status_message': message, 'next_run_time':
                       self.now() + datetime.timedelta(minutes=1)},
                expected={'audit_type': CONTINUOUS, 'hostname': CONF.host})
        except exception.StateConflict:
            return False
        return True

    @staticmethod
    def release(audit: 'objects.Audit') -> None:
        """Let anybody have the audit, whose run is interrupted.

        It is still due, and the interrupted run can no longer end.
        """
        try:
            audit.hostname = None
            audit.save(where={'hostname': CONF.host})
        except exception.WatcherException as exc:
            LOG.debug('Audit %(uuid)s is not released: %(reason)s',
                      {'uuid': audit.uuid, 'reason': exc})
        except db_exc.DBError as exc:
            LOG.error('Audit %(uuid)s cannot be released; it goes on when '
                      '%(host)s is back or counts as dead: %(error)s',
                      {'uuid': audit.uuid, 'host': CONF.host,
                       'error': utils.first_line(exc)})
        else:
            LOG.warning('A run of audit %(uuid)s is interrupted by the stop '
                        'of %(host)s; the next decision engine runs it again',
                        {'uuid': audit.uuid, 'host': CONF.host})
