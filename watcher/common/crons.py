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
"""When cron expressions match, in any time zone.

An expression tells what a clock on the wall shows. Where that clock is put
forward or back,

* what would be in the hour that is left out is as soon as the clock jumps,
  once;
* what is in the hour that comes twice is in the first of the two.

An expression for every hour, or every minute of an hour, goes by the hours
that pass instead: nothing is made up for, and both hours count.
"""

import dataclasses
import datetime
import functools
import re
from collections.abc import Collection

from croniter import croniter
from croniter import CroniterBadDateError

from watcher.common import zones

# R draws a random value at each look at the expression; H, with a text to
# take it from, finds the same one each time. No month or day begins with R.
_RANDOM = re.compile(r'(?<!\w)R(?!\w)', re.IGNORECASE)

_SECOND = datetime.timedelta(seconds=1)
_DAY = datetime.timedelta(days=1)


def _is_every(values: Collection, count: int) -> bool:
    return '*' in values or set(range(count)) <= set(values)


def is_random(expression: str) -> bool:
    """Return whether an expression leaves values to chance."""
    return _RANDOM.search(expression) is not None


@dataclasses.dataclass(frozen=True)
class Cron:
    """A cron expression of 5 to 7 fields, or an alias as ``@daily``.

    For one thread at a time.

    :ivar salt: others with the same R in the expression differ by it
    :ivar zone: in which the clock hangs
    """

    expression: str
    salt: str = ''
    zone: datetime.tzinfo = datetime.UTC

    def following(self, now: datetime.datetime) -> datetime.datetime | None:
        """Return the first match after a moment, if there is any."""
        if self.zone is datetime.UTC:
            return self._shown_after(now)
        if self._goes_by_the_hour():
            return self._passing_after(now)
        return self._first_showing_after(now)

    @functools.cached_property
    def _reader(self) -> croniter:
        """What is read once: that takes longer than finding a match."""
        expression, random = _RANDOM.subn('H', self.expression)
        # With a text to take values from, @daily would be spread as well.
        hash_id = self.salt.encode() if random else None
        return croniter(expression, datetime.datetime(2000, 1, 1),
                        hash_id=hash_id)

    def _shown_after(self, shown):
        """Return the next time on the clock, whether it is shown or not."""
        self._reader.set_current(shown, force=True)
        try:
            return self._reader.get_next(datetime.datetime)
        except CroniterBadDateError:
            return None

    def _goes_by_the_hour(self):
        minutes, hours = self._reader.expanded[:2]
        return _is_every(minutes, 60) or _is_every(hours, 24)

    def _first_showing_after(self, now):
        shown = zones.wall(self.zone, now)
        while (shown := self._shown_after(shown)) is not None:
            found, _is_shown = zones.moment(self.zone, shown)
            # Not so in the second of two hours: that was in the first.
            if found > now:
                return found
        return None

    def _passing_after(self, now):
        offset = functools.partial(zones.offset, self.zone)
        shown = now + offset(now)
        while (match := self._shown_after(shown)) is not None:
            found = match - offset(now)
            near = min(found, now + _DAY)
            change = zones.change(offset, now, near)
            if change is not None:
                # Go on with what the clock shows from there on.
                now = change
                shown = now + offset(now) - _SECOND
            elif found == near:
                return found
            else:
                now = found - _DAY
                shown = now + offset(now)
        return None
