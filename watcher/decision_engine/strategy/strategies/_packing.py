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
"""First fit by measured use: the algorithm of vm_workload_consolidation."""

import dataclasses
import heapq
from collections.abc import Iterator
from collections.abc import Mapping

import numpy

from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import destinations
from watcher.decision_engine.strategy.common import eligibility
from watcher.decision_engine.strategy.common import room
from watcher.decision_engine.strategy.common import settings
from watcher.decision_engine.strategy.common import stability
from watcher.decision_engine.strategy.strategies import _consolidation
from watcher.decision_engine.strategy.strategies import _utilisation

#: A host with no more memory (MB) than this to give is full.
SPARE_MEMORY = 128

CPU, RAM, DISK = range(3)

#: What the columns of the room of hosts are.
KINDS = ('unused CPU', 'unused memory', 'unused disk',
         *_consolidation.ROOM)

OVERLOAD, CONSOLIDATION = 'overload', 'consolidation'


@dataclasses.dataclass(frozen=True)
class Situation:
    """All that the decision depends on.

    :param state: the cluster; it is as before when the decision is made.
    :param rules: where servers may go; of this state.
    :param asked: which servers may move; of this state.
    :param used: cores, memory (MB), disk (GB) that each server uses; what it
        was promised where nothing was measured.
    :param measured: whether the CPU use of a server was measured.
    :param reported: cores and memory (MB) in use as hosts report, or NaN.
    :param cores: cores of each host, without those reserved.
    :param memory: the same of memory (MB).
    :param overcommit: whether measured use may also fill what the allocation
        ratio promises beyond that.
    :param partly: whether also to move servers off hosts that keep others.
    :param options: the shared options.
    """

    state: cluster.ClusterState
    rules: destinations.DestinationRules
    asked: eligibility.Eligibility
    used: numpy.ndarray
    measured: numpy.ndarray
    reported: numpy.ndarray
    cores: numpy.ndarray
    memory: numpy.ndarray
    overcommit: bool = False
    partly: bool = True
    options: settings.Settings = settings.Settings()


@dataclasses.dataclass(frozen=True)
class Choice:
    """Why a server goes where it goes."""

    code: str
    passed_over: Mapping[str, str]


class Packer:
    """Moves servers in a state and remembers why.

    :ivar order: hosts by their CPU use, ascending, as of when the present
        phase began.
    """

    def __init__(self, situation: Situation):
        self.given = situation
        self.state, self.rules = situation.state, situation.rules
        self.load = _utilisation.Utilisation(
            self.state, situation.used, situation.measured,
            situation.reported)
        self.movable = _consolidation.Movable(situation.asked)
        self.limit = limits(situation)
        self.target = self.limit.copy()
        gain = stability.Gain(situation.options)
        self.target[:, CPU] = gain.target(self.limit[:, CPU])
        self.choices: dict[int, Choice] = {}
        self.hosts = numpy.flatnonzero([h.up for h in self.state.hosts])
        self.unplaced: dict[int, int] = {}
        self._used = {host for host in self.hosts.tolist()
                      if self.state.count_on(host)}
        self.need = numpy.column_stack((
            situation.used, _consolidation.needs(self.state.demand)))
        # Who stores nothing is not kept out by an overcommitted disk.
        no_disk = self.need[:, DISK] <= 0
        self.need[no_disk, DISK] = room.NOTHING
        self._start([])
        self.state.watch(self._moved)

    # The order of hosts and what is free on them ---------------------------

    def _start(self, banned):
        """Begin a phase: put the hosts in order, forget who was full."""
        used = numpy.round(self.load.used[self.hosts, CPU], 9)
        self.order = self.hosts[numpy.argsort(used, kind='stable')].tolist()
        self.place = {host: place for place, host in enumerate(self.order)}
        banned = set(banned)
        self.open = [host not in banned
                     and self.rules.why_closed(host) is None
                     for host in self.order]
        rooms = numpy.full((len(self.order), 6), -numpy.inf)
        for place, host in enumerate(self.order):
            if self.open[place]:
                rooms[place] = self._room(host)
        self.index = room.RoomIndex(rooms)
        # The place up to which nobody searches any more.
        self.floor = -1
        # Places of full hosts that no search has come across yet, negated:
        # the last one is the first of the heap.
        self.full = [-place for place, host in enumerate(self.order)
                     if self.open[place] and self._is_full(host)]
        heapq.heapify(self.full)

    def _room(self, host):
        # Tolerance: sums that are equal must count as equal.
        return numpy.concatenate((
            self.target[host] - self.load.used[host] + _utilisation.ROUNDING,
            self.state.free[host]))

    def _is_full(self, host):
        cpu, ram, disk = self.load.used[host].tolist()
        most_cpu, most_ram, most_disk = self.target[host].tolist()
        vcpus, memory, space = self.state.free[host].tolist()
        return (vcpus <= 0 or memory <= SPARE_MEMORY or space <= 0
                or cpu >= most_cpu or ram >= most_ram - SPARE_MEMORY
                or disk >= most_disk)

    def _moved(self, server, source, destination):
        for host in (source, destination):
            place = self.place.get(host, -1)
            # Those that the search has passed do not count any more.
            if place <= self.floor or not self.open[place]:
                continue
            self.index.update(place, self._room(host))
            if self._is_full(host):
                heapq.heappush(self.full, -place)

    def _leave_out_full(self, after):
        """Search hosts no more that were found full once.

        :param after: the place at which the search ended.
        """
        while self.full and -self.full[0] > after:
            place = -heapq.heappop(self.full)
            # Something may have left it since.
            if self.open[place] and self._is_full(self.order[place]):
                self.open[place] = False
                self.index.close(place)

    # Moving one server ----------------------------------------------------

    def _place_one(self, server, code):
        """Move a server to the most loaded host with room, if any."""
        hosts = (self.order[place] for place in self.index.from_the_end(
            self.need[server], self.floor))
        found = _consolidation.first_allowed(self.rules, server, hosts)
        place = self.floor if found is None else self.place[found]
        if found is not None:
            first = self.choices.get(server)
            self.choices[server] = Choice(
                first.code if first else code,
                self._passed_over(server, place))
        self._leave_out_full(place)
        if found is None:
            self.unplaced.setdefault(
                int(self.state.host_of[server]), server)
            return False
        return self.state.move(server, found)

    def _passed_over(self, server, place):
        """Say of the hosts that would have come first why they do not."""
        home, last = self.state.host_of[server], len(self.order)
        first = max(place + 1, last - _consolidation.ALTERNATIVES)
        return {
            self.state.hosts[self.order[other]].hostname:
                self.why_not(server, other)
            for other in range(first, last) if self.order[other] != home}

    def was_used(self, host: int) -> bool:
        """Tell whether a host had servers before anything moved."""
        return host in self._used

    def why_not(self, server: int, place: int) -> str:
        """Say why a server does not go to the host at a place."""
        host = self.order[place]
        if not self.open[place]:
            return self.rules.why_closed(host) or self._why_passed(host)
        lacks = self.index.lacking(place, self.need[server])
        if lacks is not None:
            return f'it has too little {KINDS[lacks]}'
        return (self.rules.why_not(server, host)
                or 'it has no room at this point')

    def _why_passed(self, host):
        return ('it is full' if host in self._used
                else 'it has no servers, and would only take the place of '
                     'another')

    def stop(self) -> None:
        """Follow the state no more."""
        self.state.unwatch(self._moved)
        self.load.stop()

    # The phases -----------------------------------------------------------

    def is_overloaded(self, host: int, limit: numpy.ndarray) -> bool:
        """Tell whether a host uses more CPU than it has.

        Estimates count only where not even promises can be kept: nobody is
        moved because of a metric that is missing.
        """
        return bool(
            self.load.sure_cores(host) > limit[host, CPU]
            + _utilisation.ROUNDING
            or self.load.used[host, CPU] > self.state.capacity[host, CPU]
            + _utilisation.ROUNDING)

    def overloaded(self) -> list[int]:
        """Return the hosts that use more CPU than they have."""
        return [host for host in self.hosts.tolist()
                if self.is_overloaded(host, self.limit)]

    def offload(self) -> None:
        """Take servers from overloaded hosts, the smallest first."""
        self._start(())
        for host in reversed(self.order):
            if self.is_overloaded(host, self.limit):
                self._relieve(host)

    def _relieve(self, host):
        for server in self._by_use(host):
            if self.movable.kind(server) is None:
                continue
            self._place_one(server, OVERLOAD)
            if not self.is_overloaded(host, self.target):
                return

    def consolidate(self) -> None:
        """Empty the least loaded hosts onto more loaded ones."""
        # To fill an empty host while another is emptied frees none.
        self._start(host for host in self.hosts.tolist()
                    if not self.state.count_on(host))
        for place, host in enumerate(self.order):
            self.floor = place
            if self.given.partly:
                self._drain(host)
            else:
                self._empty(host)

    def _leaving(self, host) -> Iterator[int]:
        return (server for server in reversed(self._by_use(host))
                if self.movable.kind(server) is not None)

    def _drain(self, host):
        for server in self._leaving(host):
            self._place_one(server, CONSOLIDATION)

    def _empty(self, host):
        """Empty a host, or leave it as it is."""
        mark = self.state.mark()
        leaving = list(self._leaving(host))
        if len(leaving) < self.state.count_on(host):
            return
        for server in leaving:
            if not self._place_one(server, CONSOLIDATION):
                self.state.undo(mark)
                return

    def _by_use(self, host):
        use = self.given.used[:, CPU]
        return sorted(self.state.servers_on(host),
                      key=lambda server: round(use[server], 9))

    def settle(self) -> list[cluster.Move]:
        """Have each server go straight to where it ends."""
        return _consolidation.settle(self.state, self.rules, self.movable,
                                     self.given.options)


def limits(situation: Situation) -> numpy.ndarray:
    """Return what may really be used of each host."""
    limit = situation.state.capacity.copy()
    if not situation.overcommit:
        numpy.minimum(limit[:, CPU], situation.cores, out=limit[:, CPU])
        numpy.minimum(limit[:, RAM], situation.memory, out=limit[:, RAM])
    return limit
