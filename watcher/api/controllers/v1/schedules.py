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
"""What audits say of when they run: fields that another table holds."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from oslo_utils import timeutils

from watcher import objects
from watcher._i18n import _
from watcher.api import types
from watcher.api import versions
from watcher.api.controllers import base
from watcher.api.controllers.fields import Computed
from watcher.api.controllers.fields import OPTIONAL
from watcher.common import schedule
from watcher.common import windows
from watcher.objects.base import Columns

SCHEDULES = 'schedules'

#: Most windows of an audit: they are looked at whenever it may run.
MOST_WINDOWS = 100

#: Longest text of a window, with room for blanks.
WINDOW_LENGTH = 80


class ZoneName(types.Text):
    """The name of a time zone, kept as it was sent."""

    def __init__(self) -> None:
        super().__init__(max_length=64)

    def validate(self, value):
        windows.zone_of(super().validate(value))
        return value


class WindowList(types.Array):
    """Windows as people write them, kept as they were sent."""

    def validate(self, value):
        super().validate(value)
        if len(value) > MOST_WINDOWS:
            raise ValueError(_('At most %(max)d windows are allowed, not '
                               '%(len)d.')
                             % {'max': MOST_WINDOWS, 'len': len(value)})
        for entry in value:
            if not isinstance(entry, str) or len(entry) > WINDOW_LENGTH:
                raise ValueError(_('Each window has to be a text of at most '
                                   '%d characters.') % WINDOW_LENGTH)
        windows.Windows.parse(value)
        return value


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Said(Computed):
    """A field of the schedule."""

    def current(self, obj):
        said = objects.AuditSchedule.get(base.context(), obj.id)
        return self.type.dump(said and getattr(said, self.name))


def _field(name: str, type_: types.Type) -> _Said:
    def value(ident, view):
        said = view.extra[SCHEDULES].get(ident)
        return said and getattr(said, name)

    return _Said(name, type_, value, ('id',), since=versions.SCHEDULES,
                 create=OPTIONAL, patch=True)


FIELDS = (
    _field('time_zone', ZoneName()),
    _field('run_windows', WindowList()),
    _field('execution_windows', WindowList()),
)

NAMES = tuple(field.name for field in FIELDS)


def of_audits(columns: Columns, shown: set[str]) -> dict[str, Any]:
    """Read what the fields need, with one statement.

    :param columns: of the audits
    :param shown: names of the fields that are shown
    """
    if shown.isdisjoint(NAMES):
        return {}
    return {SCHEDULES: objects.AuditSchedule.of_audits(columns['id'])}


def check_version(names: Iterable[str]) -> None:
    """Refuse these fields if the request's microversion lacks them.

    :param names: of all fields that the request contains
    :raises: NotAcceptable
    """
    for name in sorted(set(NAMES).intersection(names)):
        base.require_version(versions.SCHEDULES, name)


def take(values: dict[str, Any]) -> dict[str, Any]:
    """Remove the fields of the schedule from others, and return them."""
    said = {name: values.pop(name) for name in NAMES if name in values}
    return {name: value or None for name, value in said.items()}


def store(audit: 'objects.Audit', said: dict[str, Any],
          interval: str | None) -> None:
    """Store what was said, in the transaction that stores the audit.

    :param interval: a new one of a CONTINUOUS audit, None if it has no new
        one and nothing was said
    :raises wsme.exc.InvalidInput: for windows that never open, or within
        which no date of the interval is
    :raises: DatabaseNotUpgraded
    """
    if not said and interval is None:
        return
    context = base.context()
    known = (objects.AuditSchedule.get(context, audit.id)
             or objects.AuditSchedule(audit_id=audit.id))
    new = dataclasses.replace(known, **said)
    zone = windows.zone_of(windows.zone_name(new))
    for name, value in said.items():
        if isinstance(value, list) and windows.Windows.parse(
                value, zone).opens(timeutils.utcnow()) is None:
            raise types.invalid(name, value,
                                _('These windows will never be open.'))
    if interval is not None and new.run_windows:
        _check_dates(audit, interval, zone, new.run_windows)
    if said:
        objects.AuditSchedule.set(context, audit.id, **said)


def _check_dates(audit, interval, zone, run_windows):
    """Refuse what would never run; the operator's windows may change."""
    table = schedule.Timetable.parse(
        interval, salt=audit.uuid, zone=zone,
        windows=windows.Windows.parse(run_windows, zone))
    if table.following(None, timeutils.utcnow()) is None:
        raise types.invalid(
            'interval', interval,
            _('No date that matches it will be in the run_windows.'))
