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

Each round looks at the rows and brings them to what they should be; that a
row was found in order is all that is remembered, to save the arithmetic as
long as it stays the same. Several engines look at the same rows at the same
time; each change is a compare-and-swap, and who loses leaves it at that.

An audit belongs to the engine named in its ``hostname`` as long as that
engine is alive; anybody may take it over when it is not. Who has too many
gives some away, see :mod:`.sharing`.
"""

import datetime
from collections.abc import Callable
from collections.abc import Collection
from typing import Any
from typing import NamedTuple

from oslo_db import exception as db_exc
from oslo_log import log
from oslo_utils import timeutils

from watcher import conf
from watcher import objects
from watcher.common import context as watcher_context
from watcher.common import exception
from watcher.common import schedule
from watcher.common import utils
from watcher.db import api as db_api
from watcher.decision_engine.audit import base
from watcher.decision_engine.audit import continuous
from watcher.decision_engine.audit import opening
from watcher.decision_engine.audit import sharing
from watcher.objects import tenure

CONF = conf.CONF
LOG = log.getLogger(__name__)

STATE = objects.audit.State
CONTINUOUS = objects.audit.AuditType.CONTINUOUS.value

_LIVE = {'audit_type': CONTINUOUS, 'state__in': list(continuous.LIVE)}


class _Look(NamedTuple):
    """What a row says about owner and date.

    Only this is read of all rows: it is cheap, and a row of which something
    else is unreadable does not hide the others.
    """

    id: int
    uuid: str
    state: str
    hostname: str | None
    interval: str | None
    next_run_time: datetime.datetime | None
    start_time: datetime.datetime | None
    end_time: datetime.datetime | None
    status_message: str | None

    @classmethod
    def list(cls, sort_key: str, limit: int | None = None,
             **filters) -> 'list[_Look]':
        found = objects.Audit.list_columns(
            watcher_context.admin_context(), cls._fields, sort_key=sort_key,
            limit=limit, filters={**_LIVE, **filters})
        return [cls(*row) for row in zip(
            *(found[name] for name in cls._fields), strict=True)]

    @property
    def expected(self) -> dict:
        """What must still be so when something is changed.

        Each as the one value of several that are possible.
        """
        return {name: (getattr(self, name),) for name in (
            'state', 'hostname', 'interval', 'next_run_time', 'start_time',
            'end_time')}

    def stays(self, now: datetime.datetime) -> bool:
        """Return whether a row that is in order was so all the time."""
        return ((self.next_run_time is None or now < self.next_run_time)
                and not continuous.is_over(self, now))


class ContinuousScheduler:
    """Keeps owner and date of all CONTINUOUS audits as they should be.

    :param clock: what the time is
    :param fence: what must be held to write
    """

    def __init__(self, clock: base.Clock = timeutils.utcnow,
                 fence: base.Fence = base.unfenced):
        self._clock = clock
        self._fence = fence
        self._in_order: dict[str, tuple[
            _Look, objects.AuditSchedule | None]] = {}
        self._looked_at = datetime.datetime.min
        self._options = ()
        self._sharing = sharing.Sharing()

    def now(self) -> datetime.datetime:
        """The present in whole seconds, naive and in UTC."""
        return schedule.whole_seconds(self._clock())

    # What should run ------------------------------------------------------

    def upcoming(self, seconds: float, limit: int
                 ) -> tuple[list[tuple[datetime.datetime, str]],
                            datetime.datetime | None]:
        """Look at the dates of this engine's audits.

        :param seconds: how far to look ahead
        :param limit: how many audits that are due are enough to know
        :returns: date and UUID of audits that are due, longest first, and
            the next date after now, if it is that near and fewer are due
        """
        now = self.now()
        until = now + datetime.timedelta(seconds=seconds)
        size = limit
        audits, due = self._page(now, until, size)
        while (len(due) < limit and len(audits) == size
               and audits[-1].next_run_time <= now):
            # Some are not put in order yet.
            size *= 4
            audits, due = self._page(now, until, size)
        later = (audit.next_run_time for audit in audits
                 if audit.next_run_time > now)
        return due, next(later, None)

    @staticmethod
    def _page(now, until, size):
        audits = _Look.list('next_run_time', size, hostname=CONF.host,
                            next_run_time__lte=until)
        return audits, [(audit.next_run_time, audit.uuid)
                        for audit in audits if continuous.is_due(audit, now)]

    # What should be stored ------------------------------------------------

    def settle(self, running: Collection[str]) -> float | None:
        """Take over, schedule and end audits where that is needed.

        A problem with one audit does not keep the others from it.

        :param running: UUIDs of the audits that run in this engine; they
            are left alone until their run has ended
        :returns: in how many seconds another engine counts as dead, if it
            gives no further sign of life
        """
        now = self.now()
        self._begin_round(now)
        known, self._in_order = self._in_order, {}
        looks = _Look.list('id')
        schedules = objects.AuditSchedule.of_type(CONTINUOUS, continuous.LIVE)
        members = tenure.Members(watcher_context.admin_context(),
                                 tenure.ENGINE)
        living = self._living(members, {look.hostname for look in looks})
        shares = self._sharing.look(
            (look.hostname for look in looks), members, now)
        for look in looks:
            if look.uuid in running or look.hostname in living:
                continue
            if look.hostname != CONF.host and not shares.takes(
                    look.next_run_time, now):
                continue
            said = schedules.get(look.id)
            if (known.get(look.uuid) == (look, said) and look.stays(now)
                    or self._attempt(look, self._settle, look, said, now)):
                self._in_order[look.uuid] = look, said
        self._share(looks, running, shares.receivers())
        return members.next_death()

    def _share(self, looks: 'list[_Look]', running: Collection[str],
               receivers: list[str]) -> None:
        """Give audits away, one to each of the receivers.

        Only for a moment: what is due waits meanwhile, and what is given
        must still have some time. The next round goes on.
        """
        began = self.now()
        until = began + datetime.timedelta(seconds=sharing.MOMENT)
        for look, host in zip(sharing.choose(looks, running, began),
                              receivers, strict=False):
            if not began <= self.now() < until:
                break
            self._attempt(look, self._give, look, host)

    @staticmethod
    def _attempt(look: _Look, change: Callable[..., Any], *args: Any) -> Any:
        """Change a row; None if that is not possible now."""
        try:
            return change(*args)
        except (exception.StateConflict, exception.AuditNotFound) as exc:
            LOG.debug('Audit %(uuid)s was changed meanwhile, the next round '
                      'looks again: %(reason)s',
                      {'uuid': look.uuid, 'reason': exc})
        except db_exc.DBError as exc:
            LOG.error('Audit %(uuid)s cannot be scheduled now, the database '
                      'failed: %(error)s',
                      {'uuid': look.uuid, 'error': utils.first_line(exc)})
        except Exception:
            LOG.exception('Audit %s cannot be scheduled', look.uuid)
        return None

    def _begin_round(self, now) -> None:
        """Look at everything again if more than the rows may have changed.

        Once a day in any case: whether there ever is a date within the
        windows is not searched for endlessly.
        """
        options = opening.options()
        if (now < self._looked_at or options != self._options
                or now.date() != self._looked_at.date()):
            self._in_order.clear()
        self._looked_at, self._options = now, options

    @staticmethod
    def _living(members: tenure.Members,
                hosts: Collection[str | None]) -> set[str]:
        """Return which of the hosts have another engine that is alive.

        The others are shut out: they cannot wake up and go on.
        """
        context = watcher_context.admin_context()
        return {host for host in set(hosts) - {None, CONF.host}
                if members.lives(host)
                or not members.exclude(context, host)}

    def _settle(self, look: _Look, said, now) -> bool:
        """Bring one row in order; returns whether it was already."""
        if continuous.is_over(look, now):
            message = look.status_message
            if message and message.startswith(opening.WAITS):
                message = None
            self._read(look).transition(
                STATE.SUCCEEDED, expected=look.state, where=look.expected,
                next_run_time=None, status_message=message,
                fence=self._fence())
            LOG.info('Audit %(uuid)s SUCCEEDED: its end time %(end)s UTC has '
                     'come', {'uuid': look.uuid, 'end': look.end_time})
            return False
        date, message = continuous.settled(look, said, now)
        wanted = look._replace(hostname=CONF.host, next_run_time=date,
                               status_message=message)
        if wanted == look:
            return True
        db_api.get_instance().run_in_transaction(
            self._change, look, wanted, self._fence())
        self._tell(look, wanted)
        return False

    def _change(self, look: _Look, wanted: _Look, fence) -> None:
        tenure.ENGINE.check_gone(watcher_context.admin_context(),
                                 look.hostname, fence)
        audit = self._read(look)
        # Only a real change is stored and announced.
        for name in ('hostname', 'next_run_time', 'status_message'):
            if getattr(wanted, name) != getattr(look, name):
                setattr(audit, name, getattr(wanted, name))
        audit.save(where=look.expected, fence=fence)

    def _give(self, look: _Look, host: str) -> None:
        """Let another engine have an audit from now on."""
        audit = self._read(look)
        audit.hostname = host
        audit.save(where=look.expected, fence=self._fence())
        LOG.info('Audit %(uuid)s belongs to %(host)s from now on, which has '
                 'fewer of them', {'uuid': look.uuid, 'host': host})

    @staticmethod
    def _read(look: _Look) -> 'objects.Audit':
        return objects.Audit.get_by_uuid(
            watcher_context.admin_context(), look.uuid, eager=True)

    @staticmethod
    def _tell(before: _Look, after: _Look) -> None:
        if after.hostname != before.hostname:
            LOG.info('Audit %(uuid)s belongs to %(host)s from now on, before '
                     'to %(owner)s',
                     {'uuid': after.uuid, 'host': after.hostname,
                      'owner': before.hostname or 'nobody'})
        if after.status_message not in (None, before.status_message):
            # To wait for a date is what somebody wanted, to have none is not.
            LOG.log(log.WARNING if after.next_run_time is None else log.INFO,
                    'Audit %(uuid)s: %(message)s',
                    {'uuid': after.uuid, 'message': after.status_message})
        if after.next_run_time != before.next_run_time:
            LOG.info('The next run of audit %(uuid)s is at %(date)s UTC',
                     {'uuid': after.uuid, 'date': after.next_run_time})

    # What could not run ---------------------------------------------------

    def give_up(self, uuid: str, message: str) -> bool:
        """Put off a run that could not even begin, by a minute.

        :returns: False if the audit is not CONTINUOUS, not of this engine,
            or not to be run any more
        """
        try:
            objects.Audit.dbapi.update_audit(
                uuid, {'status_message': message, 'next_run_time':
                       self.now() + datetime.timedelta(minutes=1)},
                expected={'audit_type': CONTINUOUS, 'hostname': CONF.host,
                          'state': continuous.LIVE},
                fence=self._fence())
        except exception.StateConflict:
            return False
        return True

    def release(self, audit: 'objects.Audit') -> None:
        """Let anybody have the audit, whose run is interrupted.

        It is still to be run, and the interrupted run can no longer end.
        """
        try:
            audit.swap({'hostname': CONF.host, 'state': audit.state},
                       self._fence(), hostname=None)
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
