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
"""When audits and action plans may run: arithmetic, without a clock.

Dates come and go naive and in UTC. What is open is a matter of what a clock
on the wall shows in the zone of the windows: where it is put forward or back
a window becomes an hour shorter or longer, and one that begins at a time that
does not exist begins when the clock jumps.
"""

import dataclasses
import datetime
import functools
import itertools
import operator
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Protocol
from typing import Self

from watcher import conf
from watcher.common import exception
from watcher.common import zones
from watcher.conf import hours
from watcher.conf import windows as conf_windows

CONF = conf.CONF

# What is weekly shows all of itself in this time, also when the one hour of
# a week is left out because the clock is put forward.
_LOOK = datetime.timedelta(days=16)

# The same for several zones, which change their clocks on different days.
_LOOK_AT_ZONES = datetime.timedelta(days=400)


class Schedule(Protocol):
    """What is asked of :class:`watcher.objects.AuditSchedule`."""

    time_zone: str | None
    run_windows: Sequence[str]
    execution_windows: Sequence[str]


def zone_of(name: str) -> datetime.tzinfo:
    """Find a time zone by its name in the IANA database.

    :raises watcher.common.exception.Invalid: naming it
    """
    try:
        return hours.zone_of(name)
    except ValueError as exc:
        raise exception.Invalid(str(exc)) from exc


@dataclasses.dataclass(frozen=True)
class _Rules:
    """The windows that one text of somebody describes."""

    opening: tuple[hours.Weekly | hours.Span, ...]
    closing: tuple[hours.Weekly | hours.Span, ...]
    zone: datetime.tzinfo

    def offset(self, now: datetime.datetime) -> datetime.timedelta:
        return zones.offset(self.zone, now)

    def contain(self, local: datetime.datetime) -> bool:
        if self.opening and not any(
                entry.contains(local) for entry in self.opening):
            return False
        return not any(entry.contains(local) for entry in self.closing)

    @property
    def entries(self) -> 'Iterator[tuple[bool, hours.Weekly | hours.Span]]':
        """All entries, and whether they close."""
        yield from ((False, entry) for entry in self.opening)
        yield from ((True, entry) for entry in self.closing)


@dataclasses.dataclass(frozen=True)
class Windows:
    """When something is allowed; always, and then false, without rules."""

    _rules: tuple[_Rules, ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str],
              zone: datetime.tzinfo = datetime.UTC) -> Self:
        """Read windows as people write them.

        :param texts: see :data:`watcher.conf.hours.ALLOWED`
        :raises watcher.common.exception.Invalid: naming the entry that is
            unreadable, and what is allowed
        """
        try:
            found = [hours.parse(text) for text in texts]
        except ValueError as exc:
            raise exception.Invalid(str(exc)) from exc
        if not found:
            return cls()
        return cls((_Rules(
            tuple(entry for opens, entry in found if opens),
            tuple(entry for opens, entry in found if not opens), zone),))

    def __bool__(self) -> bool:
        """Return whether there is anything to wait for, ever."""
        return bool(self._rules)

    def __and__(self, other: Self) -> Self:
        """Return when both are open."""
        return type(self)(tuple(dict.fromkeys(self._rules + other._rules)))

    def is_open(self, now: datetime.datetime) -> bool:
        """Return whether it is allowed at this moment."""
        return all(rules.contain(now + rules.offset(now))
                   for rules in self._rules)

    def opens(self, now: datetime.datetime) -> datetime.datetime | None:
        """Return the first moment from now on at which they are open.

        :returns: now if they are, None if they never will be again
        """
        return self._first(now, True)

    def closes(self, now: datetime.datetime) -> datetime.datetime | None:
        """Return the first moment from now on at which they are closed.

        :returns: now if they are, None if they never will be again
        """
        return self._first(now, False)

    # Search ---------------------------------------------------------------

    def _first(self, now, wanted):
        if self.is_open(now) == wanted:
            return now
        # Without rules it will be the same for ever.
        for begin, end in self._stretches(now) if self else ():
            found = self._search(begin, end, wanted)
            if found is not None:
                return found
        return None

    def _stretches(self, now) -> Iterator[tuple]:
        """Return when to look; at other times it goes on in the same way.

        That is, by the week, until the next date that somebody named.
        """
        several = len({rules.zone for rules in self._rules}) > 1
        look = _LOOK_AT_ZONES if several else _LOOK
        begins = {now}
        for rules in self._rules:
            for _closes, entry in rules.entries:
                # A day earlier than UTC, to be sure.
                begins.update(limit - hours.DAY for limit in entry.limits
                              if limit - hours.DAY > now)
        ordered = sorted(begins)
        for begin, following in zip(ordered, [*ordered[1:], None],
                                    strict=True):
            end = begin + look + hours.DAY
            yield begin, end if following is None else min(end, following)

    def _search(self, begin, end, wanted):
        """Find the first change to what is wanted between two moments."""
        while begin < end:
            stop, offsets = self._steady(begin, min(begin + _LOOK, end))
            events = sorted(self._events(begin, stop, offsets))
            # How many entries of each rule, opening and closing, are inside.
            inside = [[0, 0] for _rules in self._rules]
            for moment, changes in itertools.groupby(
                    events, key=operator.itemgetter(0)):
                for _moment, index, closes, change in changes:
                    inside[index][closes] += change
                if wanted == self._allow(inside):
                    return moment
            begin = stop
        return None

    def _allow(self, inside) -> bool:
        return all((opening or not rules.opening) and not closing
                   for rules, (opening, closing)
                   in zip(self._rules, inside, strict=True))

    def _events(self, begin, stop, offsets) -> Iterator[tuple]:
        """Return when entries begin and end, and how many that changes."""
        yield begin, 0, False, 0
        for index, rules in enumerate(self._rules):
            offset = offsets[index]
            for closes, entry in rules.entries:
                for first, last in entry.pieces(begin + offset,
                                                stop + offset):
                    if first - offset < stop and begin < last - offset:
                        yield max(first - offset, begin), index, closes, 1
                        if last - offset < stop:
                            yield last - offset, index, closes, -1

    def _offsets(self, now) -> list[datetime.timedelta]:
        return [rules.offset(now) for rules in self._rules]

    def _steady(self, begin, end) -> tuple:
        """Return until when no clock is put forward or back."""
        stop = zones.change(self._offsets, begin, end)
        return stop or end, self._offsets(begin)


#: Nothing is forbidden.
ALWAYS = Windows()


# What binds whom ------------------------------------------------------------

@functools.lru_cache(maxsize=1024)
def _parsed(texts: tuple[str, ...], zone: str) -> Windows:
    return Windows.parse(texts, zone_of(zone))


def zone_name(schedule: Schedule | None) -> str:
    """Return the zone of the cron expression and windows of an audit."""
    return (schedule and schedule.time_zone) or CONF.time_zone


def for_run(schedule: Schedule | None, automatic: bool) -> Windows:
    """Return when the runs of an audit may begin.

    :param automatic: whether nobody asked for the run by hand
    :raises watcher.common.exception.Invalid: if what the audit says about it
        is unreadable
    """
    return _binding(CONF.watcher_decision_engine.run_windows, automatic,
                    schedule, schedule.run_windows if schedule else ())


def for_execution(schedule: Schedule | None, automatic: bool) -> Windows:
    """Return when the action plans of an audit may change the cloud.

    :param automatic: whether nobody started the plan by hand
    :raises watcher.common.exception.Invalid: if what the audit says about it
        is unreadable
    """
    return _binding(CONF.watcher_applier.execution_windows, automatic,
                    schedule, schedule.execution_windows if schedule else ())


def _binding(operators, automatic, schedule, own) -> Windows:
    binds = automatic or CONF.windows_bind == conf_windows.ALL
    return (_parsed(tuple(operators if binds else ()), CONF.time_zone)
            & _parsed(tuple(own), zone_name(schedule)))


def tell_opening(opens: datetime.datetime | None) -> str:
    """Say when windows open, for the end of a sentence about them."""
    if opens is None:
        return 'which never opens again'
    return f'which opens at {opens.replace(microsecond=0)} UTC'
