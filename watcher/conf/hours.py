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
"""Hours of opening and zones as people write them, also in options.

An entry tells of local time only: what it means elsewhere, and when the next
hour of opening is, belongs to :mod:`watcher.common.windows`.
"""

import dataclasses
import datetime
import functools
import re
import zoneinfo
from collections.abc import Iterable
from collections.abc import Iterator

from oslo_config import types

#: What an entry looks like, for messages.
ALLOWED = ("'[DAYS ]HH:MM-HH:MM' with days like 'Mon-Fri,Sun', or "
           "'YYYY-MM-DD[ HH:MM][/YYYY-MM-DD[ HH:MM]]'; a '!' in front closes "
           "instead of opens")

DAYS = ('mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun')

DAY = datetime.timedelta(days=1)

# Far beyond all plans, and far from the end of what a date can be.
_FIRST_YEAR, _LAST_YEAR = 1970, 2999

_DAY = f'(?:{"|".join(DAYS)})'
_DAY_LIST = rf'{_DAY}(?:-{_DAY})?(?:\s*,\s*{_DAY}(?:-{_DAY})?)*'
_TIME = r'(\d\d):(\d\d)'
_MOMENT = rf'(\d{{4}}-\d\d-\d\d)(?:[ T]({_TIME}))?'

_WEEKLY = re.compile(rf'(?:({_DAY_LIST})\s+)?{_TIME}\s*-\s*{_TIME}',
                     re.ASCII | re.IGNORECASE)
_SPAN = re.compile(rf'{_MOMENT}(?:\s*/\s*{_MOMENT})?', re.ASCII)
_ONLY_DAYS = re.compile(rf'!?\s*{_DAY_LIST}', re.ASCII | re.IGNORECASE)


@dataclasses.dataclass(frozen=True, slots=True)
class Weekly:
    """The same hours on certain days.

    What goes over midnight belongs to the day on which it begins.

    :ivar days: Monday is 0
    :ivar begin: minutes since midnight
    :ivar end: minutes since midnight; not after the beginning if it is on
        the next day
    """

    days: frozenset[int]
    begin: int
    end: int

    def contains(self, local: datetime.datetime) -> bool:
        """Return whether the clock shows one of these hours."""
        minute = local.hour * 60 + local.minute
        today = local.weekday() in self.days
        if self.begin < self.end:
            return today and self.begin <= minute < self.end
        if minute >= self.begin:
            return today
        return minute < self.end and (local.weekday() - 1) % 7 in self.days

    def pieces(self, first: datetime.datetime, last: datetime.datetime
               ) -> Iterator[tuple[datetime.datetime, datetime.datetime]]:
        """Return begin and end of all of these hours that touch a stretch."""
        begin = datetime.timedelta(minutes=self.begin)
        end = datetime.timedelta(minutes=self.end)
        if end <= begin:
            end += DAY
        midnight = datetime.datetime.combine(first.date(), datetime.time())
        # Those of yesterday may last until today.
        midnight -= DAY
        while midnight <= last:
            if midnight.weekday() in self.days:
                yield midnight + begin, midnight + end
            midnight += DAY

    #: It comes again and again.
    limits = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Span:
    """The time from one moment to another, which is not part of it."""

    begin: datetime.datetime
    end: datetime.datetime

    def contains(self, local: datetime.datetime) -> bool:
        """Return whether the clock shows a time between the two."""
        return self.begin <= local < self.end

    def pieces(self, first: datetime.datetime, last: datetime.datetime
               ) -> Iterator[tuple[datetime.datetime, datetime.datetime]]:
        """Return begin and end if this touches a stretch."""
        if self.begin <= last and first < self.end:
            yield self.limits

    @property
    def limits(self) -> tuple[datetime.datetime, datetime.datetime]:
        """When it begins and ends, once and for all."""
        return self.begin, self.end


def parse(text: str) -> tuple[bool, Weekly | Span]:
    """Read one entry.

    :returns: whether it opens, and when
    :raises ValueError: naming the entry and what is allowed
    """
    entry = text.strip() if isinstance(text, str) else ''
    opens = not entry.startswith('!')
    entry = entry.removeprefix('!').strip()
    try:
        if match := _WEEKLY.fullmatch(entry):
            return opens, _weekly(*match.groups())
        if match := _SPAN.fullmatch(entry):
            return opens, _span(match)
    except ValueError as exc:
        raise ValueError(f'{text!r} is not a window: {exc}. Allowed is '
                         f'{ALLOWED}.') from exc
    raise ValueError(f'{text!r} is not a window. Allowed is {ALLOWED}.')


def _weekly(days, *numbers):
    begin = _minutes(*numbers[:2])
    end = _minutes(*numbers[2:])
    if begin == 24 * 60:
        raise ValueError('nothing begins at 24:00')
    if begin == end:
        raise ValueError('it ends when it begins; a whole day is 00:00-24:00')
    return Weekly(_days(days), begin, end)


def _minutes(hour, minute):
    minutes = int(hour) * 60 + int(minute)
    if int(minute) > 59 or minutes > 24 * 60:
        raise ValueError(f'{hour}:{minute} is not a time of day')
    return minutes


def _days(text):
    if text is None:
        return frozenset(range(7))
    found = set()
    for part in text.lower().split(','):
        first, _dash, last = part.strip().partition('-')
        begin, end = DAYS.index(first), DAYS.index(last or first)
        # From Friday to Monday there are three days, not minus four.
        found.update((begin + count) % 7
                     for count in range((end - begin) % 7 + 1))
    return frozenset(found)


def _span(match):
    first, first_time, *first_parts = match.groups()[:4]
    last, last_time, *last_parts = match.groups()[4:]
    if last is None and first_time is not None:
        raise ValueError('a moment needs an end')
    begin = _midnight(first) + _time(first_parts, default=0)
    end = _midnight(last or first) + _time(last_parts, default=24 * 60)
    if end <= begin:
        raise ValueError('it ends before it begins')
    return Span(begin, end)


def _midnight(text):
    date = datetime.datetime.strptime(text, '%Y-%m-%d')
    if not _FIRST_YEAR <= date.year <= _LAST_YEAR:
        raise ValueError(f'years are from {_FIRST_YEAR} to {_LAST_YEAR}')
    return date


def _time(parts, default):
    minutes = default if parts[0] is None else _minutes(*parts)
    return datetime.timedelta(minutes=minutes)


@functools.cache
def _known_zones() -> frozenset[str]:
    # What stands beside the zones in the files of some systems.
    return frozenset(zoneinfo.available_timezones()
                     - {'localtime', 'posixrules', 'Factory'})


def zone_of(name: str) -> datetime.tzinfo:
    """Find a zone by its name in the IANA database.

    :raises ValueError: naming it
    """
    if name == 'UTC':
        # Is there without any database of zones.
        return datetime.UTC
    # Asked for first: not everything that can be loaded is a zone of the
    # world ('right/UTC' counts leap seconds).
    if name not in _known_zones():
        raise ValueError(f"{name!r} is not a time zone; one of the IANA "
                         f"database is expected, as 'Europe/Berlin'")
    return zoneinfo.ZoneInfo(name)


class ZoneName(types.String):
    """Type of an option that names a zone."""

    def __call__(self, value: str) -> str:
        """Check the value."""
        zone_of(value)
        return value


class Entries(types.List):
    """Type of an option that lists windows, separated by commas.

    The days of an entry are separated by commas as well.
    """

    def __call__(self, value: str | Iterable[str]) -> list[str]:
        """Split and check the value."""
        entries = (_split(value) if isinstance(value, str) else list(value))
        for entry in entries:
            parse(entry)
        return entries


def _split(value: str) -> list[str]:
    entries: list[str] = []
    days = ''
    for part in value.split(','):
        part = days + part.strip()
        # Days alone are only the beginning of an entry.
        days = f'{part},' if _ONLY_DAYS.fullmatch(part) else ''
        if part and not days:
            entries.append(part)
    return entries + [days.rstrip(',')] * bool(days)
