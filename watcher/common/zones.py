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
"""What clocks show elsewhere; all other dates are naive and in UTC."""

import datetime
from collections.abc import Callable
from typing import Any

_SECOND = datetime.timedelta(seconds=1)
_DAY = datetime.timedelta(days=1)


def offset(zone: datetime.tzinfo,
           moment: datetime.datetime) -> datetime.timedelta:
    """Return by how much the clocks of a zone differ from UTC."""
    if zone is datetime.UTC:
        return datetime.timedelta(0)
    return wall(zone, moment) - moment


def wall(zone: datetime.tzinfo,
         moment: datetime.datetime) -> datetime.datetime:
    """Return what a clock on the wall shows at a moment."""
    aware = moment.replace(tzinfo=datetime.UTC)
    return aware.astimezone(zone).replace(tzinfo=None)


def change(of: Callable[[datetime.datetime], Any], begin: datetime.datetime,
           end: datetime.datetime) -> datetime.datetime | None:
    """Return when something first is no longer as it is at the beginning.

    Clocks are put forward or back on the second, and not twice in a month.

    :param of: tells what it is at a moment
    :returns: None if it is the same at the end
    """
    first = of(begin)
    if of(end) == first:
        return None
    base = begin.replace(microsecond=0)
    same, other = 0, -((base - end) // _SECOND)
    while other - same > 1:
        middle = (same + other) // 2
        if of(base + middle * _SECOND) == first:
            same = middle
        else:
            other = middle
    return min(base + other * _SECOND, end)


def moment(zone: datetime.tzinfo, shown: datetime.datetime
           ) -> tuple[datetime.datetime, bool]:
    """Return when a clock on the wall first shows a time.

    :returns: and whether it ever does; if not, it is when the clock jumps
        over that time
    """
    aware = shown.replace(tzinfo=zone, fold=0)
    found = aware.astimezone(datetime.UTC).replace(tzinfo=None)
    if wall(zone, found) == shown:
        return found, True
    jump = change(lambda when: offset(zone, when), found - _DAY, found)
    return jump or found, False
