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
"""Audits that have to wait until a window opens.

About ONESHOT and EVENT audits: they wait in their rows, and their status
message tells for when. CONTINUOUS ones have a date, see :mod:`.continuous`.
"""

import dataclasses
import datetime
from typing import Any

from watcher import conf
from watcher import objects
from watcher.common import exception
from watcher.common import reasons
from watcher.common import windows

CONF = conf.CONF

#: How the message of an audit begins that waits for a window.
WAITS = 'Waits for its run window'


def waits_until(date: datetime.datetime | None) -> reasons.Reason:
    """Say that an audit waits.

    :param date: None if it does for ever
    """
    return reasons.Reason(
        f'{WAITS}, {windows.tell_opening(date)}',
        reasons.Code.WAITS_FOR_WINDOW, opens=date and date.isoformat())


def options() -> tuple[Any, ...]:
    """What operators say about it, which may change at any moment."""
    return (CONF.time_zone, CONF.windows_bind,
            *CONF.watcher_decision_engine.run_windows)


@dataclasses.dataclass(frozen=True)
class Wait:
    """Why an audit may not run now.

    :ivar message: for people
    :ivar opens: when it may; None if that is never, or unknown
    :ivar since: when this was found out
    :ivar said: what the audit says about windows
    :ivar options: what the operator says
    """

    message: str
    opens: datetime.datetime | None
    since: datetime.datetime
    said: 'objects.AuditSchedule | None'
    options: tuple[Any, ...]

    def lasts(self, said: 'objects.AuditSchedule | None',
              options_now: tuple[Any, ...], now: datetime.datetime) -> bool:
        """Whether there is no need to look again yet.

        :param said: what the audit says now
        :param options_now: what the operator says now
        """
        # A clock that is set back comes to earlier openings again.
        return (self.since <= now
                and (self.opens is None or now < self.opens)
                and self.said == said and self.options == options_now)


def find(said: 'objects.AuditSchedule | None', automatic: bool,
         now: datetime.datetime) -> Wait | None:
    """Return why an audit may not run now, if so.

    :param said: what the audit says about it
    :param automatic: whether nobody asked for the run by hand
    """
    try:
        found = windows.for_run(said, automatic)
    except exception.Invalid as exc:
        # It can be mended, and is run then.
        return Wait(
            reasons.Reason(f'{WAITS}, which is unreadable: {exc}',
                           reasons.Code.WAITS_FOR_WINDOW),
            None, now, said, options())
    if found.is_open(now):
        return None
    opens = found.opens(now)
    return Wait(waits_until(opens), opens, now, said, options())
