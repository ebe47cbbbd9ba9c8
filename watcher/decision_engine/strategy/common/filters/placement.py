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
"""What Placement knows of hosts beside vCPUs, memory and disk."""

from collections.abc import Iterable
from collections.abc import Mapping

import numpy

from watcher.decision_engine.model import scheduling
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common.filters import base

#: Names of the columns of :attr:`.ClusterState.demand`.
_ORDINARY = ('VCPU', 'MEMORY_MB', 'DISK_GB')

_NOTHING: Mapping[str, float] = {}


class TraitsFilter(base.FlavorFilter):
    """Sends servers only to hosts with the traits that flavors require."""

    def is_known(self) -> bool:
        """Tell whether traits could be read."""
        return self.state.facts.traits is not None

    def read(self, specs: Mapping[str, str]
             ) -> Iterable[tuple[str, str]]:
        """Return traits, each required or forbidden."""
        return scheduling.traits_in(specs)

    def why_not_wanted(self, wanted: tuple, host: int) -> str | None:
        """Return which trait the host lacks or has."""
        record = self.state.hosts[host]
        for trait, kind in wanted:
            # A trait that was never asked for: nobody is known to have it.
            having = self.state.facts.traits.get(trait, frozenset())
            required = kind == scheduling.REQUIRED
            if (record.uuid in having) != required:
                return (f'its flavor has {trait} {kind}, and '
                        f"{record.hostname} has {'not ' * required}that "
                        'trait')
        return None


class ResourceClassesFilter(base.DestinationFilter):
    """Sees to room for what is not vCPU, memory or disk.

    Dedicated CPUs (PCPU), virtual GPUs, custom classes: as far as the model
    knows what hosts offer. Planned moves count. And to the amounts in which
    a host gives any class to one server.
    """

    def prepare(self, state: cluster.ClusterState) -> None:
        """Sum up what the servers on all hosts take."""
        super().prepare(state)
        inventories = state.facts.inventories or {}
        self._units = _Amounts(state)
        self._demand: dict[int, dict[str, float]] = {}
        self._free: dict[str, numpy.ndarray] = {
            name: numpy.array([offered.get(host.uuid, 0.0)
                               for host in state.hosts])
            for name, offered in inventories.items()}
        if self._free:
            self._sum_up(state)

    def _sum_up(self, state):
        # Servers of one flavor share their wishes, and are of one size.
        known: dict[tuple[int, float], dict[str, float]] = {}
        vcpus = state.demand[:, cluster.VCPU].tolist()
        for server, wishes in state.facts.wishes.items():
            if not wishes.extra_specs:
                continue
            key = id(wishes), vcpus[server]
            wanted = known.get(key)
            if wanted is None:
                # Of what nobody is known to offer nothing can be said.
                wanted = known[key] = {
                    name: amount for name, amount in scheduling.resources_in(
                        wishes.extra_specs, vcpus[server]).items()
                    if name in self._free}
            if wanted:
                self._demand[server] = wanted
                self._take(server, int(state.host_of[server]), 1)

    def _take(self, server, host, sign):
        if host == cluster.NOWHERE:
            return
        for name, amount in self._demand[server].items():
            self._free[name][host] -= sign * amount

    def moved(self, server: int, source: int, destination: int) -> None:
        """Follow what the server takes."""
        if server in self._demand:
            self._take(server, source, -1)
            self._take(server, destination, 1)

    def why_not(self, server: int, host: int) -> str | None:
        """Return what the host has too little of, or gives otherwise."""
        wanted = self._demand.get(server, _NOTHING)
        at_home = int(self.state.host_of[server]) == host
        for name, amount in wanted.items():
            free = self._free[name][host] + (amount if at_home else 0)
            if free < amount:
                return (f'{self.state.hosts[host].hostname} has too little '
                        f'{name}: {amount:g} needed, {max(free, 0):g} free')
        return self._units.why_not(server, wanted, host)

    def mask(self, server: int) -> numpy.ndarray | None:
        """Return the hosts that have enough of everything."""
        wanted = self._demand.get(server, _NOTHING)
        units = self._units.mask(server, wanted)
        if not wanted:
            return units
        mask = numpy.ones(len(self.state.hosts), dtype=bool)
        for name, amount in wanted.items():
            mask &= self._free[name] >= amount
        home = int(self.state.host_of[server])
        if home != cluster.NOWHERE:
            mask[home] = self.why_not(server, home) is None
        return mask if units is None else mask & units


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

    def why_not(self, server: int, further: Mapping[str, float],
                host: int) -> str | None:
        """Return in which amounts a host gives what a server wants.

        :param further: what it wants beside vCPUs, memory and disk.
        """
        for name, amount in self._wanted(server, further):
            units = self._units[name].get(host)
            problem = units and units.why_not(amount)
            if problem:
                return (f'{self._state.hosts[host].hostname} gives {name} in '
                        f'amounts of {problem}: {amount:g} needed')
        return None

    def mask(self, server: int,
             further: Mapping[str, float]) -> numpy.ndarray | None:
        """Return the hosts that give what a server wants; None: all."""
        mask = None
        for name, amount in self._wanted(server, further):
            known = self._masks.get((name, amount))
            if known is None:
                known = numpy.ones(len(self._state.hosts), dtype=bool)
                known[[host for host, units in self._units[name].items()
                       if units.why_not(amount)]] = False
                self._masks[name, amount] = known
            mask = known if mask is None else mask & known
        return mask

    def _wanted(self, server, further):
        if not self._units:
            return
        ordinary = dict(zip(_ORDINARY, self._state.demand[server].tolist(),
                            strict=True))
        if 'PCPU' in further:
            del ordinary['VCPU']
        for name, amount in {**ordinary, **further}.items():
            if amount and name in self._units:
                yield name, amount
