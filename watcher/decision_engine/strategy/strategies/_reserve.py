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
"""Whether the hosts that are on could take over what a failing one leaves.

Hosts of one class (availability zone and traits) stand in for each other. The
check goes by room: vCPU, memory, disk with reserved amounts and allocation
ratios. Rules that concern single servers, such as server groups, are not
looked at.
"""

from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Sequence
from collections.abc import Set

import numpy

from watcher.decision_engine.strategy.common import cluster


def classes_of(state: cluster.ClusterState) -> list[Hashable]:
    """Return for each host with which others it is interchangeable."""
    zones = state.facts.zones or {}
    traits = state.facts.traits or {}
    return [(zones.get(host.hostname, ''), frozenset(
        trait for trait, hosts in traits.items() if host.uuid in hosts))
        for host in state.hosts]


#: How many of the roomiest hosts are tried before all are looked at.
QUICK = 4


class Reserve:
    """Tells which failures the hosts that stay on would survive.

    Costs one pass over the hosts of a class for each used host, and usually
    a few comparisons only, as some host has room for all that another holds.

    :param classes: for each host, see :func:`classes_of`.
    :param serving: for each host whether it runs and takes servers.
    :param failures: how many hosts may fail at once; 0 asks for nothing.
        With the host that is looked at fail the fullest ones of its class.
    """

    def __init__(self, state: cluster.ClusterState,
                 classes: Sequence[Hashable], serving: numpy.ndarray,
                 failures: int = 1):
        self._state = state
        self._classes = classes
        self._failures = failures
        self._serving = serving
        self._on: dict[Hashable, list[int]] = {}
        self._used: dict[Hashable, list[int]] = {}
        for host, name in enumerate(classes):
            if serving[host]:
                self._on.setdefault(name, []).append(host)
            # The servers of one that is down already wait for evacuation.
            if state.count_on(host):
                self._used.setdefault(name, []).append(host)
        for hosts in self._used.values():
            hosts.sort(key=lambda host: (
                -state.used[host, cluster.MEMORY], host))

    def spare(self, candidates: Iterable[int]) -> set[int]:
        """Return which of these empty hosts need not stay on.

        In each class as many of the first ones as possible. None where some
        failure would not be survived even if all stayed. Those that take no
        servers anyway are no reserve.
        """
        candidates = list(candidates)
        if not self._failures:
            return set(candidates)
        found = {host for host in candidates if not self._serving[host]}
        for members in self._by_class(candidates).values():
            found.update(self._spare_of_class(
                [host for host in members if self._serving[host]]))
        return found

    def missing(self, off: Set[int], candidates: Iterable[int]) -> set[int]:
        """Return which of these hosts have to be on to survive failures.

        The first ones of each class, as few as help.

        :param off: hosts that do not stay on.
        :param candidates: empty hosts that are not on now.
        """
        found: set[int] = set()
        for name, members in self._by_class(candidates).items():
            on = [host for host in self._on.get(name, ()) if host not in off]
            pending, needed = self._pending(name, on), 0
            for count, host in enumerate(members, 1):
                if not pending:
                    break
                on.append(host)
                left = self._lost(pending, on)
                if len(left) < len(pending):
                    pending, needed = left, count
            found.update(members[:needed])
        return found

    def fatal(self, serving: numpy.ndarray) -> list[int]:
        """Return the hosts whose failure would leave servers nowhere.

        :param serving: for each host whether it runs and takes servers.
        """
        on = self._by_class(numpy.flatnonzero(serving).tolist())
        return sorted(host for name in self._used
                      for host in self._pending(name, on.get(name, [])))

    def _by_class(self, hosts):
        found: dict[Hashable, list[int]] = {}
        for host in hosts:
            found.setdefault(self._classes[host], []).append(host)
        return found

    def _spare_of_class(self, members: list[int]) -> list[int]:
        if not members:
            return []
        name, spare, chosen = (self._classes[members[0]], list(members),
                               set(members))
        # Those that come back are filled last, so that what was survived
        # without them still is.
        on = [host for host in self._on[name] if host not in chosen]
        pending = self._pending(name, on)
        while pending and spare:
            on.append(spare.pop())
            pending = self._lost(pending, on)
        return spare

    def _pending(self, name, on):
        return (self._lost(self._used.get(name, ()), on) if self._failures
                else [])

    def _lost(self, hosts: Iterable[int], on: list[int]) -> list[int]:
        """Return those whose servers would find no room on what stays on.
        """
        numbers = numpy.array(on, dtype=int)
        roomiest = numbers[numpy.argsort(
            -self._state.free[numbers, cluster.MEMORY],
            kind='stable')][:self._failures + QUICK]
        return [host for host in hosts
                if not self._survives(host, numbers, roomiest)]

    def _survives(self, host: int, on: numpy.ndarray,
                  roomiest: numpy.ndarray) -> bool:
        failing = self._failing(host)
        demand = self._state.demand[[
            server for number in failing
            for server in self._state.servers_on(number)]]
        for hosts, test in ((roomiest, _fits_one), (on, _fits)):
            rest = hosts[~numpy.isin(hosts, failing)]
            if len(rest) and test(demand, self._state.free[rest],
                                  self._state.largest[rest]):
                return True
        return False

    def _failing(self, host: int) -> list[int]:
        failing = [host]
        for other in self._used[self._classes[host]]:
            if len(failing) == self._failures:
                break
            if other != host:
                failing.append(other)
        return failing


def _fits_one(demand, free, largest) -> bool:
    """Tell whether one host has room for all servers."""
    return bool(((demand.sum(axis=0) <= free)
                 & (demand.max(axis=0) <= largest)).all(axis=1).any())


def _fits(demand, free, largest) -> bool:
    """Tell whether hosts have room for servers, the big ones first.

    Servers of one size are spread in one step, as flavors are few.
    """
    sizes, counts = numpy.unique(demand, axis=0, return_counts=True)
    order = numpy.lexsort((sizes[:, cluster.VCPU],
                           sizes[:, cluster.MEMORY]))[::-1]
    free = free.copy()
    for size, count in zip(sizes[order], counts[order], strict=True):
        asked = size > 0
        slots = numpy.full(len(free), float(count))
        if asked.any():
            room = numpy.floor(free[:, asked] / size[asked]).min(axis=1)
            room[(largest[:, asked] < size[asked]).any(axis=1)] = 0
            slots = numpy.clip(room, 0, count)
        before = numpy.cumsum(slots) - slots
        taken = numpy.clip(count - before, 0, slots)
        if taken.sum() < count:
            return False
        free -= taken[:, numpy.newaxis] * size
    return True
