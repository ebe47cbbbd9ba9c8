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
check goes by room (vCPU, memory, disk with reserved amounts and allocation
ratios) and by the rules of the scheduler: who fails must find hosts to which
his server groups, flavors and aggregates let him go. A server that could go
nowhere even if all hosts ran, as one of an affinity group that is together,
keeps no host on.
"""

from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Sequence
from collections.abc import Set

import numpy

from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import destinations


def classes_of(state: cluster.ClusterState) -> list[Hashable]:
    """Return for each host with which others it is interchangeable."""
    zones = state.facts.zones or {}
    traits = state.facts.traits or {}
    return [(zones.get(host.hostname, ''), frozenset(
        trait for trait, hosts in traits.items() if host.uuid in hosts))
        for host in state.hosts]


#: How many of the roomiest hosts are tried before all are looked at.
QUICK = 4

#: How many places are tried for the servers of a host that rules bind.
STEPS = 5000


class Reserve:
    """Tells which failures the hosts that stay on would survive.

    Costs one pass over the hosts of a class for each used host, and usually
    a few comparisons only, as some host has room for all that another holds.
    Servers that rules bind to certain hosts are placed one by one: usually
    one of the roomiest hosts will do.

    :param classes: for each host, see :func:`classes_of`.
    :param serving: for each host whether it runs and takes servers.
    :param failures: how many hosts may fail at once; 0 asks for nothing.
        With the host that is looked at fail the fullest ones of its class.
    :param rules: about where servers may go; of the same state.
    """

    def __init__(self, state: cluster.ClusterState,
                 classes: Sequence[Hashable], serving: numpy.ndarray,
                 failures: int = 1,
                 rules: destinations.DestinationRules | None = None):
        self._state = state
        self._rules = rules
        self._bound: dict[int, bool] = {}
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
        # All that could run: who suits none of them is not to be helped.
        self._could = {name: list(hosts) for name, hosts in self._on.items()}
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
        return found - self._needed_elsewhere([
            host for host in candidates
            if host in found and self._serving[host]])

    def _needed_elsewhere(self, spare: list[int]) -> set[int]:
        """Return which hosts are needed by other classes.

        A failure that the own class does not survive may be survived with
        hosts of others.
        """
        needed: set[int] = set()
        every = numpy.flatnonzero(self._serving)
        for name, hosts in self._used.items():
            own = numpy.array(self._on.get(name, ()), dtype=int)
            for host in hosts:
                if not spare or self._survives(
                        host, _without(own, spare), True):
                    continue
                if not self._survives(host, every, True):
                    continue
                while spare and not self._survives(
                        host, _without(every, spare), True):
                    needed.add(spare.pop())
        return needed

    def missing(self, off: Set[int], candidates: Iterable[int]) -> set[int]:
        """Return which of these hosts have to be on to survive failures.

        The first ones of each class, as few as help.

        :param off: hosts that do not stay on.
        :param candidates: empty hosts that are not on now.
        """
        found: set[int] = set()
        for name, members in self._by_class(candidates).items():
            self._could.setdefault(name, []).extend(members)
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
        return [host for host in hosts
                if not self._survives(host, numbers)]

    def _survives(self, host: int, on: numpy.ndarray,
                  wholly: bool = False) -> bool:
        """Tell whether the servers of a host would find places on others.

        :param wholly: otherwise those do not count that would find none
            either if all hosts of the class were on.
        """
        failing = self._failing(host)
        servers = [server for number in failing
                   for server in self._state.servers_on(number)]
        demand = self._state.demand[servers]
        on = _without(on, failing)
        roomiest = self._roomiest(on)
        for hosts, test in ((roomiest, _fits_one), (on, _fits)):
            if len(hosts) and test(demand, self._state.free[hosts],
                                   self._state.largest[hosts]):
                return self._suits(servers, failing, [
                    *roomiest.tolist(), *on.tolist()], wholly)
        return False

    def _roomiest(self, numbers: numpy.ndarray) -> numpy.ndarray:
        return numbers[numpy.argsort(
            -self._state.free[numbers, cluster.MEMORY],
            kind='stable')][:QUICK]

    def _suits(self, servers, failing, on, wholly) -> bool:
        """Tell whether rules let servers go where there is room."""
        if self._rules is None or not any(map(self._is_bound, servers)):
            return True
        placing = _Placing(self._state, self._rules, servers)
        if placing.succeeds(on):
            return True
        if wholly:
            return False
        could = _without(numpy.array(
            self._could.get(self._classes[failing[0]], ()), dtype=int),
            failing).tolist()
        return (not placing.succeeds(could)
                and placing.count(on) >= placing.count([*on, *could]))

    def _is_bound(self, server: int) -> bool:
        if server not in self._bound:
            self._bound[server] = any(
                rule.mask(server) is not None for rule in self._rules.filters)
        return self._bound[server]

    def _failing(self, host: int) -> list[int]:
        failing = [host]
        for other in self._used[self._classes[host]]:
            if len(failing) == self._failures:
                break
            if other != host:
                failing.append(other)
        return failing


class _Placing:
    """Looks for places for servers whose hosts are gone, under all rules."""

    def __init__(self, state: cluster.ClusterState,
                 rules: destinations.DestinationRules, servers: list[int]):
        self._state, self._rules = state, rules
        self._servers = servers
        self._left = 0

    def succeeds(self, hosts: Iterable[int]) -> bool:
        """Tell whether all find places: the first ones, or any others."""
        hosts = list(dict.fromkeys(hosts))
        if self.count(hosts) == len(self._servers):
            return True
        mark, self._left = self._begin(), STEPS
        found = self._place(sorted(self._servers, key=self._choices), hosts)
        self._state.undo(mark)
        return found

    def count(self, hosts: Iterable[int]) -> int:
        """Return how many find places if each takes the first one."""
        mark, count = self._begin(), 0
        hosts = list(dict.fromkeys(hosts))
        for server in sorted(self._servers, key=self._size):
            host = next((host for host in hosts
                         if self._allows(server, host)), None)
            if host is not None:
                self._state.move(server, host)
                count += 1
        self._state.undo(mark)
        return count

    def _begin(self):
        mark = self._state.mark()
        for server in self._servers:
            self._state.move(server, cluster.NOWHERE)
        return mark

    def _size(self, server):
        demand = self._state.demand[server]
        return -demand[cluster.MEMORY], -demand[cluster.VCPU]

    def _choices(self, server):
        mask = self._state.fit_mask(server)
        for rule in self._rules.filters:
            allowed = rule.mask(server)
            if allowed is not None:
                mask &= allowed
        return int(mask.sum()), *self._size(server)

    def _allows(self, server, host):
        return (self._state.fits(server, host)
                and self._rules.why_not_suitable(server, host) is None)

    def _place(self, servers, hosts) -> bool:
        if not servers:
            return True
        for host in hosts:
            self._left -= 1
            if self._left < 0:
                return False
            if self._allows(servers[0], host):
                mark = self._state.mark()
                self._state.move(servers[0], host)
                if self._place(servers[1:], hosts):
                    return True
                self._state.undo(mark)
        return False


def _without(hosts: numpy.ndarray, others: list[int]) -> numpy.ndarray:
    return hosts[~numpy.isin(hosts, others)]


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
