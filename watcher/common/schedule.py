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
"""When a periodic audit runs: arithmetic on dates, without a clock.

All dates are naive and in UTC. They are whole seconds, because MySQL stores
nothing finer. Only cron expressions and windows know other zones.
"""

import dataclasses
import datetime
import functools
from typing import Any

from watcher._i18n import _
from watcher.common import crons
from watcher.common import exception
from watcher.common import utils
from watcher.common import windows as common_windows

#: Seconds by which a run of a cron expression may be late. The expression
#: names the hours in which somebody wants the work to be done: a run that
#: was missed in the night is not made up for in the middle of the day.
CRON_GRACE = 3600

#: Longest interval in seconds, about a hundred years.
LONGEST_INTERVAL = 100 * 366 * 24 * 3600

# Openings that are searched for a match before it is said that there is none:
# more than a year, if there is one a day.
_OPENINGS = 400

_SECOND = datetime.timedelta(seconds=1)


def whole_seconds(moment: datetime.datetime) -> datetime.datetime:
    """Return the moment without its fraction of a second."""
    return moment.replace(microsecond=0)


@dataclasses.dataclass(frozen=True)
class Timetable:
    """The runs that an interval stands for.

    Exactly one of the first two is set.

    :ivar seconds: between two runs
    :ivar cron: expression
    :ivar windows: outside of which nothing runs. By seconds, a run waits for
        the next opening, and the rhythm goes on from there; of a cron
        expression matches outside are left out.
    """

    seconds: int | None = None
    cron: crons.Cron | None = None
    windows: common_windows.Windows = common_windows.ALWAYS

    @classmethod
    def parse(cls, interval: str | None, salt: str = '',
              zone: datetime.tzinfo = datetime.UTC,
              windows: common_windows.Windows = common_windows.ALWAYS
              ) -> 'Timetable':
        """Read the interval of an audit.

        :param salt: audits with the same R in the expression differ by it
        :param zone: of a cron expression
        :raises watcher.common.exception.Invalid: if it is neither a number
            of seconds nor a cron expression
        """
        if utils.is_int_like(interval):
            if not 0 < int(interval) <= LONGEST_INTERVAL:
                raise exception.Invalid(
                    _('The interval %(interval)s is not a number of seconds '
                      'from 1 to %(longest)d.')
                    % {'interval': interval, 'longest': LONGEST_INTERVAL})
            return cls(seconds=int(interval), windows=windows)
        try:
            utils.check_cron(interval)
        except exception.CronFormatIsInvalid as exc:
            raise exception.Invalid(
                _("The interval '%(interval)s' is neither a number of "
                  "seconds nor a cron expression: %(reason)s")
                % {'interval': interval, 'reason': exc}) from exc
        # Who leaves nothing to chance has the same dates as others.
        salt = salt if crons.is_random(interval) else ''
        return cls(cron=crons.Cron(interval, salt, zone), windows=windows)

    @classmethod
    def of_audit(cls, audit: Any, said: common_windows.Schedule | None
                 ) -> 'Timetable':
        """Return when an audit runs, if nobody asks for it by hand.

        :param audit: ``uuid`` and ``interval``
        :param said: what it says besides its interval
        :raises watcher.common.exception.Invalid: if any of it is unreadable
        """
        return cls.parse(
            audit.interval, salt=audit.uuid,
            zone=common_windows.zone_of(common_windows.zone_name(said)),
            windows=common_windows.for_run(said, automatic=True))

    def settle(self, stored: datetime.datetime | None,
               now: datetime.datetime,
               start: datetime.datetime | None = None,
               has_run: bool = True,
               rests_until: datetime.datetime | None = None
               ) -> datetime.datetime | None:
        """Return the date that has to be stored for the next run.

        What is stored may come from another interval or another start time,
        changed at any moment by anybody: it is kept only as far as it fits
        the ones of today. A date in the past means that the run is due.

        :param stored: date stored so far, None if there is none
        :param start: when the first run may be
        :param has_run: whether the stored date comes from an earlier run
        :param rests_until: when a pause ends, if there is one
        :returns: None if there will never be a run
        """
        if start is not None and start > now:
            return self._first_from(start)
        begin = max(now, rests_until or now)
        if self.cron is None:
            return self._settle_seconds(stored, now, has_run, begin)
        if (stored is not None and stored <= now
                and not self.is_missed(stored, now)
                and self.windows.is_open(now)):
            return stored
        return self._next_match(now if begin == now else begin - _SECOND)

    def _settle_seconds(self, stored, now, has_run, begin):
        date = self._in_rhythm(stored, now, has_run, begin)
        if date <= now and self.windows.is_open(now):
            return date
        return self.windows.opens(max(date, now))

    def _in_rhythm(self, stored, now, has_run, begin):
        if stored is None:
            return now
        latest = begin + datetime.timedelta(seconds=self.seconds)
        if stored <= latest:
            return stored
        # The interval was shortened, the start time moved forward, or the
        # windows opened.
        return latest if has_run else now

    def is_missed(self, due: datetime.datetime,
                  now: datetime.datetime) -> bool:
        """Return whether it is too late for the run that was due."""
        return (self.cron is not None
                and (now - due).total_seconds() > CRON_GRACE)

    def following(self, due: datetime.datetime | None,
                  now: datetime.datetime) -> datetime.datetime | None:
        """Return the date of the run after the one that was due.

        The rhythm is kept, however long or late the run was. Runs that would
        have begun meanwhile are left out.
        """
        if self.cron is not None:
            return self._next_match(now)
        if due is None:
            due = now
        if due > now:
            return due
        missed = int((now - due).total_seconds()) // self.seconds
        return self.windows.opens(
            due + datetime.timedelta(seconds=(missed + 1) * self.seconds))

    def is_opening(self, date: datetime.datetime) -> bool:
        """Return whether a run is then because a window opens then."""
        return self.cron is None and not self.windows.is_open(date - _SECOND)

    def pause(self, now: datetime.datetime) -> float | None:
        """Return the seconds between the next two runs.

        :returns: None if there will not be two.
        """
        if self.cron is None:
            return float(self.seconds)
        following = self._next_match(now)
        after = following and self._next_match(following)
        return after and (after - following).total_seconds()

    def _first_from(self, start):
        if self.cron is None:
            return self.windows.opens(start)
        return self._next_match(start - _SECOND)

    # Many audits may have the same hours, and none of them in the windows.
    @functools.lru_cache(maxsize=1024)  # noqa: B019 - they are mere values
    def _next_match(self, after):
        for _opening in range(_OPENINGS):
            match = self.cron.following(after)
            opens = match and self.windows.opens(match)
            if opens is None or opens == match:
                return opens
            after = opens - _SECOND
        return None
