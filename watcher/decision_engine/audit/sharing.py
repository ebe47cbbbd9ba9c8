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
"""How many CONTINUOUS audits each engine has.

An engine keeps its audits as long as it lives. But after another one was away
it would have all of them for ever, and that one none. So who has clearly more
than its share hands the excess to those that have less, by writing their
names into the rows. There is no leader: all engines see the same rows and
leases, from which follows who gives how many to whom.

Nothing moves to and fro: less than the slack changes nothing, and what comes
and goes all the time is no place for audits. Nothing runs twice: audits that
run, or that are about to, stay where they are.
"""

import datetime
import math
from collections.abc import Collection
from collections.abc import Iterable
from typing import Any
from typing import NamedTuple

from watcher import conf
from watcher.objects import tenure

CONF = conf.CONF

#: So many audits more than the share change nothing, nor does a fifth of it.
SLACK = 2

#: Seconds around its date in which an audit stays where it is, besides those
#: until the new owner looks at its audits; no round gives any for longer.
MOMENT = 5


def is_near(date: datetime.datetime | None, now: datetime.datetime) -> bool:
    """Return whether an audit of this date is about to run."""
    options = CONF.watcher_decision_engine
    seconds = MOMENT + max(options.reconcile_interval,
                           options.continuous_audit_interval)
    return date is not None and abs((date - now).total_seconds()) <= seconds


class Shares:
    """Who has how many audits at one moment.

    :param owned: how many each engine has
    :param ownerless: how many belong to no living engine
    :param steady: whether the engines are the same for a while
    """

    def __init__(self, owned: dict[str, int], ownerless: int = 0,
                 steady: bool = False):
        self._owned = owned
        self._is_moving = ownerless > 0 or not steady
        self.share = (math.ceil((sum(owned.values()) + ownerless)
                                / len(owned)) if owned else 0)

    def takes(self, date: datetime.datetime | None,
              now: datetime.datetime) -> bool:
        """Whether this engine takes one more audit that has no owner.

        If it has its share, those that have less get the time to do it.
        """
        mine = self._owned.get(CONF.host)
        if mine is None:
            return True
        if mine >= self.share and date is not None and (
                date > now and not is_near(date, now)):
            return False
        self._owned[CONF.host] += 1
        return True

    def receivers(self) -> list[str]:
        """Return to which engines this one gives an audit each."""
        mine = self._excess(CONF.host)
        if self._is_moving or not mine:
            return []
        # Those with the fewest audits first, as if all gave in turn.
        owned = sorted(self._owned.items())
        places = [host for level in range(self.share)
                  for host, count in owned if count <= level]
        first = sum(self._excess(host) for host in self._owned
                    if host < CONF.host)
        return places[first:first + mine]

    def _excess(self, host: str) -> int:
        """How many audits the engine has to give."""
        excess = self._owned.get(host, 0) - self.share
        return excess if excess > max(SLACK, self.share // 5) else 0


class _Engines(NamedTuple):
    """Those that were seen last, and since when they are the same."""

    leases: dict[str, int]
    since: datetime.datetime


class Sharing:
    """Looks at the shares, again and again."""

    def __init__(self) -> None:
        self._engines = _Engines({}, datetime.datetime.max)

    def look(self, owners: Iterable[str | None], members: tenure.Members,
             now: datetime.datetime) -> Shares:
        """Look at the shares.

        :param owners: of all audits, one by one
        :param members: the engines
        """
        leases = members.leases()
        if (not CONF.watcher_decision_engine.balance_audits
                or CONF.host not in leases or members.of_previous_release()):
            self._engines = _Engines({}, datetime.datetime.max)
            return Shares({})
        if leases != self._engines.leases or now < self._engines.since:
            # An engine that starts again and again gets nothing.
            self._engines = _Engines(leases, now)
        owned, ownerless = dict.fromkeys(leases, 0), 0
        for owner in owners:
            if owner in owned:
                owned[owner] += 1
            else:
                ownerless += not members.lives(owner)
        age = (now - self._engines.since).total_seconds()
        return Shares(owned, ownerless, age >= CONF.service_down_time)


def choose(looks: Iterable[Any], running: Collection[str],
           now: datetime.datetime) -> list[Any]:
    """Return which audits of this engine may go to another one.

    In an order that has nothing to do with how often they run.
    """
    return sorted((look for look in looks if look.hostname == CONF.host
                   and look.uuid not in running
                   and not is_near(look.next_run_time, now)),
                  key=lambda look: look.uuid)
