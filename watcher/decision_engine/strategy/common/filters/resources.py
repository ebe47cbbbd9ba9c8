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
"""What Placement counts of hosts beside vCPUs, memory and disk."""

import collections
import dataclasses
from collections.abc import Iterator
from collections.abc import Mapping

import numpy

from watcher.decision_engine.model import requests
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common.filters import base

#: Names of the columns of :attr:`.ClusterState.demand`.
_ORDINARY = ('VCPU', 'MEMORY_MB', 'DISK_GB')


@dataclasses.dataclass(eq=False, slots=True)
class _Part:
    """A part of a host, or a provider that several hosts share."""

    provider: str
    traits: frozenset[str]
    free: dict[str, float]
    hosts: list[int]

    def take(self, host, name, amount):
        self.free[name] -= amount

    def has(self, group):
        return (group.required <= self.traits
                and not group.forbidden & self.traits
                and all(self.free.get(name, 0) >= amount
                        for name, amount in group.resources))


class _Hosts:
    """What the hosts themselves have; like a part of each of them.

    :param state: where servers are.
    """

    provider = None

    def __init__(self, state: cluster.ClusterState):
        self._hosts = state.hosts
        self._traits = state.facts.traits or {}
        self._offered = state.facts.inventories or {}
        self.free: dict[str, numpy.ndarray] = {
            name: numpy.array([offered.get(host.uuid, 0.0)
                               for host in state.hosts])
            for name, offered in self._offered.items()}

    def offers(self, host, name):
        return self._hosts[host].uuid in self._offered.get(name, ())

    def take(self, host, name, amount):
        self.free[name][host] -= amount

    def has(self, group, host):
        uuid = self._hosts[host].uuid
        having = self._traits.get
        return (all(uuid in having(trait, ()) for trait in group.required)
                and not any(uuid in having(trait, ())
                            for trait in group.forbidden)
                and all(name in self.free and self.free[name][host] >= amount
                        for name, amount in group.resources))


class ResourceClassesFilter(base.DestinationFilter):
    """Sees to room for what is not vCPU, memory or disk.

    Dedicated CPUs (PCPU), virtual GPUs, PCI devices, custom classes: as far
    as the model knows what hosts, their parts and the providers that they
    share have. Planned moves count. What a server gives back to a part of
    the host that it leaves does not, since nobody knows which part that is.
    And it sees to the amounts in which a host gives any class to one server.
    """

    def prepare(self, state: cluster.ClusterState) -> None:
        """Sum up what the servers on all hosts take."""
        super().prepare(state)
        self._units = _Amounts(state)
        self._cpus = _SharedCpus(state)
        self._own = _Hosts(state)
        self._parts: dict[int, list[_Part]] = {}
        # What the part with most has, by class and host.
        self._most: dict[str, numpy.ndarray] = {}
        self._read_parts()
        # Of what nobody is known to offer nothing can be said.
        known = {*self._own.free, *(state.facts.offers or ())}
        self._portions: dict[int, tuple[requests.Group, ...]] = {}
        self._held: dict[int, list[tuple]] = {}
        by_request: dict[int, tuple] = {}
        for server, request in state.requests.items():
            portions = by_request.get(id(request))
            if portions is None:
                portions = by_request[id(request)] = tuple(
                    group for group in request.portions()
                    if all(name in known for name, _ in group.resources))
            if portions:
                self._portions[server] = portions
                self._held[server] = self._at_first(server)
                self._count(server, int(state.host_of[server]), 1)

    def _read_parts(self):
        parts: dict[str, _Part] = {}
        for name, by_host in (self.state.facts.offers or {}).items():
            for uuid, offers in by_host.items():
                host = self.state.host_index.get(uuid)
                for offer in offers if host is not None else ():
                    part = parts.get(offer.provider)
                    if part is None:
                        part = parts[offer.provider] = _Part(
                            offer.provider, offer.traits, {}, [])
                    part.free[name] = offer.free
                    if host not in part.hosts:
                        part.hosts.append(host)
                        self._parts.setdefault(host, []).append(part)
        for name in {name for part in parts.values() for name in part.free}:
            self._most[name] = numpy.zeros(len(self.state.hosts))
            for host in self._parts:
                self._note_most(name, host)

    def _note_most(self, name, host):
        self._most[name][host] = max(
            part.free.get(name, 0) for part in self._parts[host])

    def _at_first(self, server):
        """Return what a server takes of the host that it is on at first.

        What is not the host's own is taken of a part, whose free amount is
        what Placement says.
        """
        host = int(self.state.initial_host_of[server])
        if host == cluster.NOWHERE:
            return []
        return [(self._own, name, amount)
                for group in self._portions[server]
                for name, amount in group.resources
                if self._own.offers(host, name)]

    def _count(self, server, host, sign):
        if host != cluster.NOWHERE:
            for place, name, amount in self._held[server]:
                place.take(host, name, sign * amount)
                if place is not self._own:
                    for served in place.hosts:
                        self._note_most(name, served)

    def moved(self, server: int, source: int, destination: int) -> None:
        """Follow what the server takes."""
        self._cpus.moved(server, source, destination)
        if server not in self._portions:
            return
        self._count(server, source, -1)
        if destination == self.state.initial_host_of[server]:
            self._held[server] = self._at_first(server)
        elif destination != cluster.NOWHERE:
            held, _lacking = self._share(server, destination)
            self._held[server] = held
        self._count(server, destination, 1)

    def _share(self, server, host):
        """Return who gives what, and the first portion that nobody gives.

        The most particular portions are served first, from the part that has
        least to spare.
        """
        parts = self._parts.get(host, ())
        apart = self.state.requests[server].apart
        held, lacking, used = [], None, set()
        for group in self._portions[server]:
            place = self._find(host, parts, group, used if apart else ())
            if place is None:
                lacking = lacking or group
                # By force: so Placement would count it.
                place = self._own
            used.add(place.provider)
            for name, amount in group.resources:
                if place is not self._own or name in self._own.free:
                    held.append((place, name, amount))
                    place.take(host, name, amount)
        for place, name, amount in held:
            place.take(host, name, -amount)
        return held, lacking

    def _find(self, host, parts, group, used):
        if self._own.provider not in used and self._own.has(group, host):
            return self._own
        name = group.resources[0][0]
        return min((part for part in parts if part.has(group)
                    and part.provider not in used),
                   key=lambda part: (part.free[name], part.provider),
                   default=None)

    def why_not(self, server: int, host: int) -> str | None:
        """Return what the host has too little of, or gives otherwise."""
        problem = self._cpus.why_not(server, host)
        if problem is None and server in self._portions:
            problem = self._why_too_little(server, host)
        return problem or self._units.why_not(server, host)

    def _why_too_little(self, server, host):
        at_home = int(self.state.host_of[server]) == host
        if at_home:
            self._count(server, host, -1)
        try:
            if host == self.state.initial_host_of[server]:
                lacking = self._lacking_at_first(server, host)
            else:
                _held, lacking = self._share(server, host)
            return lacking and self._describe(lacking, host)
        finally:
            if at_home:
                self._count(server, host, 1)

    def _lacking_at_first(self, server, host):
        # Parts of the host have given it what it has.
        total: collections.Counter = collections.Counter()
        for _place, name, amount in self._at_first(server):
            total[name] += amount
        return next((group for group in (
            requests.Group((item,)) for item in total.items())
            if not self._own.has(group, host)), None)

    def _describe(self, group, host):
        hostname = self.state.hosts[host].hostname
        parts = self._parts.get(host, ())
        if len(group.resources) == 1 and not group.required:
            name, amount = group.resources[0]
            free = [part.free.get(name, 0) for part in parts]
            if name in self._own.free:
                free.append(self._own.free[name][host])
            most = max(free, default=0)
            if most < amount:
                return (f'{hostname} has too little {name}: {amount:g} '
                        f'needed, {max(most, 0):g} free')
        wanted = ', '.join(f'{amount:g} {name}'
                           for name, amount in group.resources)
        traits = ''.join(f' with {trait}' for trait
                         in sorted(group.required))
        return f'no part of {hostname} has {wanted}{traits} free'

    def mask(self, server: int) -> numpy.ndarray | None:
        """Return the hosts that have enough of everything."""
        masks = [self._units.mask(server), self._cpus.mask(server)]
        if server in self._portions:
            masks.append(self._room(server))
        masks = [mask for mask in masks if mask is not None]
        return numpy.logical_and.reduce(masks) if masks else None

    def _room(self, server):
        mask = numpy.ones(len(self.state.hosts), dtype=bool)
        portions = self._portions[server]
        names = []
        for group in portions:
            for name, amount in group.resources:
                names.append(name)
                mask &= self._has(name, amount)
        # That is all, if only one portion of each class is asked for, of
        # whatever traits. Otherwise hosts have to be looked into.
        particular = {int(self.state.host_of[server]),
                      int(self.state.initial_host_of[server])}
        if (len(set(names)) < len(names)
                or any(group.required or group.forbidden
                       or len(group.resources) > 1 for group in portions)):
            particular.update(numpy.flatnonzero(mask).tolist())
        for host in particular - {cluster.NOWHERE}:
            mask[host] = self._why_too_little(server, host) is None
        return mask

    def _has(self, name, amount):
        """Return for each host whether it or a part has an amount."""
        masks = [free[name] >= amount for free in (self._own.free, self._most)
                 if name in free]
        return numpy.logical_or.reduce(masks) if masks else numpy.zeros(
            len(self.state.hosts), dtype=bool)


class _SharedCpus:
    """Counts vCPUs on hosts where some CPUs are dedicated to servers."""

    def __init__(self, state: cluster.ClusterState):
        self._state = state
        if not state.mixed:
            return
        self._need = state.demand[:, cluster.VCPU].copy()
        for server, request in state.requests.items():
            if request.vcpus is not None:
                self._need[server] = request.vcpus
        self._free = numpy.full(len(state.hosts), numpy.inf)
        for host, count in state.mixed.items():
            self._free[host] = count
        placed = state.host_of != cluster.NOWHERE
        self._free -= numpy.bincount(
            state.host_of[placed], self._need[placed],
            minlength=len(state.hosts))

    def moved(self, server: int, source: int, destination: int) -> None:
        """Follow a server."""
        if self._state.mixed:
            for host, sign in ((source, 1), (destination, -1)):
                if host != cluster.NOWHERE:
                    self._free[host] += sign * self._need[server]

    def why_not(self, server: int, host: int) -> str | None:
        """Return that a host has too few CPUs that servers share."""
        if not self._state.mixed or not self._need[server]:
            return None
        need = self._need[server]
        at_home = int(self._state.host_of[server]) == host
        free = self._free[host] + (need if at_home else 0)
        if free >= need:
            return None
        return (f'{self._state.hosts[host].hostname} has too little VCPU '
                f'beside its dedicated CPUs: {need:g} needed, '
                f'{max(free, 0):g} free')

    def mask(self, server: int) -> numpy.ndarray | None:
        """Return the hosts that have enough; None: all."""
        if not self._state.mixed or not self._need[server]:
            return None
        mask = self._free >= self._need[server]
        home = int(self._state.host_of[server])
        if home != cluster.NOWHERE:
            mask[home] = self.why_not(server, home) is None
        return mask


class _Amounts:
    """Asks hosts for amounts that one server wants of a class at once.

    Hardly any host is particular about that: nothing is asked if none is.
    """

    def __init__(self, state: cluster.ClusterState):
        self._state = state
        self._units = {
            name: {state.host_index[uuid]: units
                   for uuid, units in by_host.items()
                   if uuid in state.host_index}
            for name, by_host in state.facts.units.items()}
        self._masks: dict[tuple[str, float], numpy.ndarray] = {}

    def why_not(self, server: int, host: int) -> str | None:
        """Return in which amounts a host gives what a server wants."""
        for name, amount in self._wanted(server):
            units = self._units[name].get(host)
            problem = units and units.why_not(amount)
            if problem:
                return (f'{self._state.hosts[host].hostname} gives {name} in '
                        f'amounts of {problem}: {amount:g} needed')
        return None

    def mask(self, server: int) -> numpy.ndarray | None:
        """Return the hosts that give what a server wants; None: all."""
        mask = None
        for name, amount in self._wanted(server):
            known = self._masks.get((name, amount))
            if known is None:
                known = numpy.ones(len(self._state.hosts), dtype=bool)
                known[[host for host, units in self._units[name].items()
                       if units.why_not(amount)]] = False
                self._masks[name, amount] = known
            mask = known if mask is None else mask & known
        return mask

    def _wanted(self, server) -> Iterator[tuple[str, float]]:
        if not self._units:
            return
        ordinary: Mapping[str, float] = dict(zip(
            _ORDINARY, self._state.demand[server].tolist(), strict=True))
        request = self._state.requests.get(server, requests.NOTHING)
        if request.vcpus is not None:
            ordinary = {**ordinary, 'VCPU': request.vcpus}
        further = (item for group in request.portions()
                   for item in group.resources)
        for name, amount in (*ordinary.items(), *further):
            if amount and name in self._units:
                yield name, amount
