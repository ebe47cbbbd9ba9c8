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

import re
from collections.abc import Iterator
from collections.abc import Mapping

import numpy

from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common.filters import base

_TRAIT = re.compile('trait([^:]*):(.+)')
_RESOURCE = re.compile('resources([^:]*):(.+)')

REQUIRED, FORBIDDEN = 'required', 'forbidden'

#: Classes that the capacity of a host covers already.
ORDINARY = frozenset(('VCPU', 'MEMORY_MB', 'DISK_GB'))


def traits_in(specs: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the traits that extra specs require or forbid.

    A trait of a numbered group may be that of any part of the host; what is
    forbidden there does not concern the host as a whole.
    """
    for key, value in sorted(specs.items()):
        found = _TRAIT.fullmatch(key)
        if found and (value == REQUIRED
                      or value == FORBIDDEN and not found[1]):
            yield found[2], value


def resources_in(specs: Mapping[str, str], vcpus: float) -> dict[str, float]:
    """Return the further resources that a flavor asks for, by class."""
    wanted: dict[str, float] = {}
    for key, value in specs.items():
        found = _RESOURCE.fullmatch(key)
        if found and found[2] not in ORDINARY and str(value).isdigit():
            wanted[found[2]] = wanted.get(found[2], 0) + int(value)
    if specs.get('hw:cpu_policy') == 'dedicated':
        wanted['PCPU'] = wanted.get('PCPU', 0) or vcpus
    return {name: amount for name, amount in wanted.items() if amount}


class TraitsFilter(base.DestinationFilter):
    """Sends servers only to hosts with the traits that flavors require."""

    def prepare(self, state: cluster.ClusterState) -> None:
        """Make masks of the known traits when they are asked for."""
        super().prepare(state)
        self._wanted: dict[int, tuple[tuple[str, str], ...]] = {}
        self._masks: dict[tuple, numpy.ndarray] = {}

    def _wanted_by(self, server):
        wishes = self.state.wishes(server)
        if self.state.facts.traits is None or not wishes.extra_specs:
            return ()
        wanted = self._wanted.get(id(wishes))
        if wanted is None:
            wanted = self._wanted[id(wishes)] = tuple(
                traits_in(wishes.extra_specs))
        return wanted

    def why_not(self, server: int, host: int) -> str | None:
        """Return which trait the host lacks or has."""
        return self._why_not(self._wanted_by(server), host)

    def _why_not(self, wanted, host):
        record = self.state.hosts[host]
        for trait, kind in wanted:
            # A trait that was never asked for: nobody is known to have it.
            having = self.state.facts.traits.get(trait, frozenset())
            if (record.uuid in having) != (kind == REQUIRED):
                return (f'its flavor has {trait} {kind}, and '
                        f'{record.hostname} has '
                        f"{'not ' if kind == REQUIRED else ''}that trait")
        return None

    def mask(self, server: int) -> numpy.ndarray | None:
        """Return the hosts that have what is required."""
        wanted = self._wanted_by(server)
        if not wanted:
            return None
        if wanted not in self._masks:
            self._masks[wanted] = numpy.array(
                [self._why_not(wanted, host) is None
                 for host in range(len(self.state.hosts))], dtype=bool)
        return self._masks[wanted]


class ResourceClassesFilter(base.DestinationFilter):
    """Sees to room for what is not vCPU, memory or disk.

    Dedicated CPUs (PCPU), virtual GPUs, custom classes: as far as the model
    knows what hosts offer. Planned moves count.
    """

    def prepare(self, state: cluster.ClusterState) -> None:
        """Sum up what the servers on all hosts take."""
        super().prepare(state)
        inventories = state.facts.inventories or {}
        self._demand: dict[int, dict[str, float]] = {}
        self._free: dict[str, numpy.ndarray] = {
            name: numpy.array([offered.get(host.uuid, 0.0)
                               for host in state.hosts])
            for name, offered in inventories.items()}
        for server, wishes in state.facts.wishes.items():
            wanted = resources_in(
                wishes.extra_specs, state.servers[server].resources.vcpus)
            # Of what nobody is known to offer nothing can be said.
            wanted = {name: amount for name, amount in wanted.items()
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
        """Return what the host has too little of."""
        at_home = int(self.state.host_of[server]) == host
        for name, amount in self._demand.get(server, {}).items():
            free = self._free[name][host] + (amount if at_home else 0)
            if free < amount:
                return (f'{self.state.hosts[host].hostname} has too little '
                        f'{name}: {amount:g} needed, {max(free, 0):g} free')
        return None

    def mask(self, server: int) -> numpy.ndarray | None:
        """Return the hosts that have enough of everything."""
        wanted = self._demand.get(server)
        if not wanted:
            return None
        mask = numpy.ones(len(self.state.hosts), dtype=bool)
        for name, amount in wanted.items():
            mask &= self._free[name] >= amount
        home = int(self.state.host_of[server])
        if home != cluster.NOWHERE:
            mask[home] = self.why_not(server, home) is None
        return mask
