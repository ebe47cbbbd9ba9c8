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
"""The cluster as numbers: hosts, servers, and who is where.

A :class:`ClusterState` is built once for a run of a strategy and then follows
the moves that the strategy plans. Hosts and servers are numbered in the order
of the model; arrays hold what a search over all of them needs. A move changes
two running sums, whatever the size of the cloud, and can be taken back.

The model that it was built from is never changed.

Measured loads are no part of it. Keep them beside it, in arrays of the same
numbering, with NaN where nothing was measured (never 0, which is a value).
"""

import collections
import copy
import dataclasses
import itertools
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import numpy

from watcher.decision_engine.model import element
from watcher.decision_engine.model import requests
from watcher.decision_engine.model import scheduling
from watcher.decision_engine.strategy.common import feasibility

#: Columns of the arrays of resources.
VCPU, MEMORY, DISK = range(3)

#: Stands for a host where there is none.
NOWHERE = -1

Watcher = Callable[[int, int, int], None]


class Move(NamedTuple):
    """A server's way from one host to another, as numbers."""

    server: int
    source: int
    destination: int


class _Step(NamedTuple):
    """A change that can be taken back."""

    server: int
    source: int
    destination: int
    arrival: int


class Servers(Sequence):
    """The records of servers, made when somebody asks for them.

    In a big cloud most strategies look at few of them only, and to make all
    would be most of the cost of a :class:`ClusterState`.

    :param values: for each those that ``feasibility.server_of`` takes.
    """

    def __init__(self, values: list[tuple]):
        self._values = values
        self._made: list[feasibility.Server | None] = [None] * len(values)

    def __len__(self):
        return len(self._values)

    def __getitem__(self, number):
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        made = self._made[number]
        if made is None:
            made = self._made[number] = feasibility.server_of(
                *self._values[number])
        return made

    def __setitem__(self, number: int, server: feasibility.Server) -> None:
        self._made[number] = server

    def copy(self) -> 'Servers':
        """Return a sequence in which others may be put."""
        made = Servers(self._values)
        made._made = self._made.copy()
        return made


@dataclasses.dataclass(frozen=True)
class Facts:
    """What the scheduler looks at beside room; see the compute model.

    What is None or empty is not known and forbids nothing.

    :param wishes: what servers ask of their hosts, by number of the server.
    """

    aggregates: tuple | None = None
    zones: Mapping[str, str] | None = None
    server_groups: tuple[scheduling.ServerGroup, ...] | None = None
    traits: Mapping[str, frozenset[str]] | None = None
    inventories: Mapping[str, Mapping[str, float]] | None = None
    offers: Mapping[
        str, Mapping[str, tuple[scheduling.Offer, ...]]] | None = None
    units: Mapping[str, Mapping[str, scheduling.Units]] = dataclasses.field(
        default_factory=dict)
    pinned_zones_known: bool = False
    wishes: Mapping[int, scheduling.Wishes] = dataclasses.field(
        default_factory=dict)

    @classmethod
    def from_model(cls, model: Any, numbers: Mapping[str, int]) -> 'Facts':
        """Take them from a model; one of a plug-in may know none of them.
        """
        found = {field.name: getattr(model, field.name)
                 for field in dataclasses.fields(cls)
                 if field.name != 'wishes' and hasattr(model, field.name)}
        ask = getattr(model, 'all_wishes', dict)
        wishes = {numbers[uuid]: wishes for uuid, wishes in ask().items()
                  if uuid in numbers}
        return cls(wishes=wishes, **found)


@dataclasses.dataclass(eq=False)
class ClusterState:
    """Where all servers are and what is used and free on all hosts.

    Use :meth:`from_model`. Everything is to be read only; what servers do is
    changed with :meth:`move` and :meth:`undo`.

    :ivar hosts: the hosts as they were in the model.
    :ivar servers: the servers, also those on no host.
    :ivar host_index: numbers of the hosts by uuid.
    :ivar server_index: numbers of the servers by uuid.
    :ivar capacity: what each host may give to servers: float64 array of
        hosts by vCPU, memory (MB), disk (GB), after reserved amounts and
        allocation ratios. Infinite where it is not accounted for.
    :ivar largest: the most that one server may take on each host: what the
        host has in total, since Placement refuses more. Same shape.
    :ivar used: what the servers on each host take, in any state.
    :ivar free: capacity minus used; may be negative.
    :ivar demand: what each server takes: servers by the same columns.
    :ivar host_of: the host of each server, NOWHERE (-1) for none.
    :ivar initial_host_of: the same before all moves.
    :ivar model: the view of the model that this was built from, or None.
    :ivar facts: what the scheduler looks at beside room.
    :ivar mixed: how many vCPUs are left for servers that share them, by
        number of the host, where a part of its CPUs is dedicated to servers.
        Capacity counts both parts there.
    """

    hosts: list[feasibility.Host]
    servers: Servers | list[feasibility.Server]
    capacity: numpy.ndarray
    largest: numpy.ndarray
    demand: numpy.ndarray
    host_of: numpy.ndarray
    on_host: list[list[int]]
    model: Any = None
    facts: Facts = Facts()
    server_index: dict[str, int] = None
    mixed: Mapping[int, float] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        self.host_index = {host.uuid: number
                           for number, host in enumerate(self.hosts)}
        if self.server_index is None:
            self.server_index = {
                server.uuid: number
                for number, server in enumerate(self.servers)}
        self._names: dict[str, int] = {}
        for number, host in enumerate(self.hosts):
            self._names.setdefault(host.hostname, number)
        self.initial_host_of = self.host_of.copy()
        self.used = numpy.zeros_like(self.capacity)
        placed = self.host_of != NOWHERE
        for column in range(3):
            self.used[:, column] = numpy.bincount(
                self.host_of[placed], self.demand[placed, column],
                minlength=len(self.hosts))
        self.free = self.capacity - self.used
        self._members: list[set[int]] = [
            set(servers) for servers in self.on_host]
        # Servers of a host, in order, until one comes or goes.
        self._ordered: list[list[int] | None] = list(self.on_host)
        self._arrival = numpy.zeros(len(self.servers), dtype=numpy.int64)
        self._clock = 0
        for servers in self.on_host:
            for server in servers:
                self._clock += 1
                self._arrival[server] = self._clock
        self._steps: list[_Step] = []
        self._watchers: list[Watcher] = []
        self._requests: dict[int, requests.Request] | None = None

    @classmethod
    def from_model(cls, model: Any) -> 'ClusterState':
        """Build the state of a compute model in one pass.

        :param model: a :class:`~watcher.decision_engine.model.model_root.
            ModelRoot` or what has its methods.
        """
        nodes = model.get_all_compute_nodes()
        picked = model.pick_instances(*feasibility.SERVER_FIELDS)
        placed = model.get_instance_uuids_by_node()
        index = dict(zip(picked, itertools.count(), strict=False))
        hosts, rows, largest, on_host = [], [], [], []
        host_of = numpy.full(len(picked), NOWHERE, dtype=numpy.int64)
        for number, (uuid, node) in enumerate(nodes.items()):
            hosts.append(feasibility.host_from(node, model))
            rows.append(_capacity(node))
            largest.append(_largest(node))
            on_host.append([index[server] for server in placed[uuid]])
            host_of[on_host[-1]] = number
        servers = list(picked.values())
        demand = _table([(vcpus or 0, memory or 0, disk or 0)
                         for vcpus, memory, disk
                         in map(feasibility.SIZES, servers)])
        facts = Facts.from_model(model, index)
        capacity, most = _table(rows), _table(largest)
        mixed = _join_dedicated(hosts, facts, capacity, most)
        return cls(hosts, Servers(servers), capacity, most, demand, host_of,
                   on_host, model, facts, index, mixed)

    def copy(self) -> 'ClusterState':
        """Return an independent state in which nothing has moved yet.

        It shares what never changes, and nobody watches it.
        """
        made = copy.copy(self)
        made.host_of = self.host_of.copy()
        made.initial_host_of = self.host_of.copy()
        made.used = self.used.copy(order='F')
        made.free = self.free.copy(order='F')
        made._members = [set(members) for members in self._members]
        made._ordered = list(self._ordered)
        made._arrival = self._arrival.copy()
        made._steps = []
        made._watchers = []
        return made

    # Looking --------------------------------------------------------------

    def host_named(self, hostname: str) -> int | None:
        """Return the number of the host of a compute service."""
        return self._names.get(hostname)

    def wishes(self, server: int) -> scheduling.Wishes:
        """Return what a server asks of its host, beside room."""
        return self.facts.wishes.get(server, scheduling.NO_WISHES)

    @property
    def requests(self) -> Mapping[int, requests.Request]:
        """What servers ask of their hosts that has to be counted or known.

        By number of the server; those that ask for nothing are left out.
        """
        if self._requests is None:
            self._requests = self._read_requests()
        return self._requests

    def _read_requests(self):
        # Servers of one flavor share their wishes, and are of one size.
        known: dict[tuple[int, float], requests.Request] = {}
        vcpus = self.demand[:, VCPU].tolist()
        found = {}
        for server, wishes in self.facts.wishes.items():
            if not wishes.extra_specs and not wishes.image:
                continue
            key = id(wishes), vcpus[server]
            request = known.get(key)
            if request is None:
                request = known[key] = wishes.request(vcpus[server])
            if request != requests.NOTHING:
                found[server] = request
        return found

    def node(self, host: int) -> element.ComputeNode:
        """Return the element of the model that a host is."""
        return self.model.get_node_by_uuid(self.hosts[host].uuid)

    def instance(self, server: int) -> element.Instance:
        """Return the element of the model that a server is."""
        return self.model.get_instance_by_uuid(self.servers[server].uuid)

    def servers_on(self, host: int) -> list[int]:
        """Return the servers on a host in the order in which they came.

        That is the order of the model; those that moved here are last.
        """
        ordered = self._ordered[host]
        if ordered is None:
            ordered = self._ordered[host] = sorted(
                self._members[host], key=self._arrival.__getitem__)
        return list(ordered)

    def count_on(self, host: int) -> int:
        """Return how many servers are on a host."""
        return len(self._members[host])

    def fits(self, server: int, host: int) -> bool:
        """Tell whether a host has room for a server."""
        free, largest = self.free[host], self.largest[host]
        for need, room, most in zip(self.demand[server], free, largest,
                                    strict=True):
            # Nothing is taken of what is not needed, even if overcommitted.
            if need > 0 and (need > room or need > most):
                return False
        return True

    def fit_mask(self, server: int) -> numpy.ndarray:
        """Return for each host whether it has room for a server."""
        mask = numpy.ones(len(self.hosts), dtype=bool)
        for column, need in enumerate(self.demand[server]):
            if need > 0:
                mask &= self.free[:, column] >= need
                mask &= self.largest[:, column] >= need
        return mask

    def why_not_fit(self, server: int, host: int) -> str | None:
        """Return what a host lacks for a server in words, None if nothing.
        """
        if self.fits(server, host):
            return None
        name = self.hosts[host].hostname
        room = feasibility.Resources(*self.free[host])
        wanted = self.servers[server].resources
        shortage = room.shortage(wanted)
        if shortage:
            return f'{name} has too little {shortage}'
        most = feasibility.Resources(*self.largest[host])
        return (f'{name} is smaller than the server: '
                f'{most.shortage(wanted)}')

    @property
    def moves(self) -> list[Move]:
        """What has really changed: at most one move of each server.

        From where the server was at first to where it is now, in the order
        of the last moves.
        """
        last = {step.server: None for step in reversed(self._steps)}
        return [
            Move(server, int(self.initial_host_of[server]),
                 int(self.host_of[server]))
            for server in reversed(last)
            if self.initial_host_of[server] != self.host_of[server]]

    @property
    def detours(self) -> set[int]:
        """Servers that were moved more than once."""
        counts = collections.Counter(step.server for step in self._steps)
        return {server for server, count in counts.items() if count > 1}

    # Moving ---------------------------------------------------------------

    def move(self, server: int, host: int) -> bool:
        """Put a server on a host; whether it fits is not asked.

        :returns: False when it is there already, else True.
        """
        source = int(self.host_of[server])
        if source == host:
            return False
        self._steps.append(
            _Step(server, source, host, int(self._arrival[server])))
        self._clock += 1
        self._put(server, source, host, self._clock)
        return True

    def mark(self) -> int:
        """Return a point to which :meth:`undo` can go back."""
        return len(self._steps)

    def undo(self, mark: int = 0) -> None:
        """Take back all moves since a mark, without any trace."""
        while len(self._steps) > mark:
            step = self._steps.pop()
            self._put(step.server, step.destination, step.source,
                      step.arrival)

    def watch(self, watcher: Watcher) -> None:
        """Have a function called after each move, also those taken back.

        :param watcher: called with the numbers of the server, of the host
            that it left, and of the host that it is on.
        """
        self._watchers.append(watcher)

    def unwatch(self, watcher: Watcher) -> None:
        """Have a function called no more."""
        self._watchers.remove(watcher)

    def _put(self, server, source, host, arrival):
        demand = self.demand[server]
        if source != NOWHERE:
            self._members[source].discard(server)
            self._ordered[source] = None
            self.used[source] -= demand
            self.free[source] = self.capacity[source] - self.used[source]
        if host != NOWHERE:
            self._members[host].add(server)
            self._ordered[host] = None
            self.used[host] += demand
            self.free[host] = self.capacity[host] - self.used[host]
        self.host_of[server] = host
        self._arrival[server] = arrival
        for watcher in self._watchers:
            watcher(server, source, host)


def _table(rows):
    """Return rows of three numbers with contiguous columns."""
    return numpy.asfortranarray(
        numpy.array(rows, dtype=numpy.float64).reshape(-1, 3))


def _capacity(node):
    return (node.vcpu_capacity, node.memory_mb_capacity,
            node.disk_gb_capacity if node.disk else numpy.inf)


def _largest(node):
    return node.vcpus, node.memory, node.disk or numpy.inf


def _join_dedicated(hosts, facts, capacity, largest):
    """Count dedicated CPUs as capacity, too; return the shared ones.

    Sizes of servers do not tell which kind they take. How much of each is
    left is the business of a filter.
    """
    shared = {}
    if requests.PCPU not in (facts.inventories or ()):
        return shared
    for number, host in enumerate(hosts):
        count = scheduling.dedicated_cpus(facts, host.uuid)
        if count:
            shared[number] = float(capacity[number, VCPU])
            capacity[number, VCPU] += count
            largest[number, VCPU] += count
    return shared
