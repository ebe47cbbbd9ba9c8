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
"""What only the compute service can judge: go where it has been seen to work.
"""

import collections
from collections.abc import Mapping

import numpy

from watcher.decision_engine.model import requests
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common.filters import aggregates
from watcher.decision_engine.strategy.common.filters import base

#: By how much the memory of equal machines may differ: firmware and kernel
#: do not keep the same amount everywhere.
TOLERANCE = 0.02


class AlikeHostsFilter(base.DestinationFilter):
    """Sends servers with NUMA cells or devices only to hosts like their own.

    No service tells which NUMA cells and huge pages are free, and what
    devices are behind PCI aliases and device profiles. What is known is that
    such a server fits on the host that it is on. So it may go to hosts that
    are alike: with as many CPUs, shared and dedicated ones, about as much
    memory, and in aggregates with the same metadata. Of devices a host is
    trusted to have as many as one like it has in use.
    """

    def prepare(self, state: cluster.ClusterState) -> None:
        """Find out which hosts are alike, and who has which devices."""
        super().prepare(state)
        self._asking = {
            server: request for server, request in state.requests.items()
            if request.topology or request.devices}
        self._used: dict[str, numpy.ndarray] = {}
        self._masks: dict[int, numpy.ndarray] = {}
        self._most: dict[tuple[str, int], float] = {}
        if not self._asking:
            return
        for server, request in self._asking.items():
            for name in request.devices:
                self._used.setdefault(
                    name, numpy.zeros(len(state.hosts)))
            self._take(request, int(state.host_of[server]), 1)
        self._first = {name: used.copy()
                       for name, used in self._used.items()}
        self._marks = _marks(state)
        self._memory = state.largest[:, cluster.MEMORY]

    def _take(self, request, host, sign):
        if host != cluster.NOWHERE:
            for name, count in request.devices.items():
                self._used[name][host] += sign * count

    def moved(self, server: int, source: int, destination: int) -> None:
        """Follow the devices of a server."""
        request = self._asking.get(server)
        if request is not None:
            self._take(request, source, -1)
            self._take(request, destination, 1)

    def _alike(self, home):
        """Return for each host whether it is like one."""
        mask = self._masks.get(home)
        if mask is None:
            mask = (self._marks == self._marks[home]) & numpy.isclose(
                self._memory, self._memory[home], rtol=TOLERANCE)
            self._masks[home] = mask
        return mask

    def _seen(self, name, home):
        """Return how many devices a host like this one has in use."""
        key = name, home
        if key not in self._most:
            self._most[key] = float(
                self._first[name][self._alike(home)].max())
        return self._most[key]

    def why_not(self, server: int, host: int) -> str | None:
        """Return in what a host is not like the one of the server."""
        request = self._asking.get(server)
        home = int(self.state.initial_host_of[server])
        if request is None or home in (host, cluster.NOWHERE):
            return None
        hostname = self.state.hosts[host].hostname
        own = self.state.hosts[home].hostname
        if not self._alike(home)[host]:
            needs = ', '.join(_needs(request))
            return (f'nobody tells whether {hostname} has what it needs '
                    f'({needs}), and it is not like {own}')
        at_home = int(self.state.host_of[server]) == host
        for name, count in request.devices.items():
            used = self._used[name][host] - (count if at_home else 0)
            if used + count > self._seen(name, home):
                return (f'nobody tells how many {name} {hostname} has; '
                        f'{used:g} are in use, and no host like it has more '
                        f'than {self._seen(name, home):g}')
        return None

    def mask(self, server: int) -> numpy.ndarray | None:
        """Return the hosts that are like the one of the server."""
        request = self._asking.get(server)
        home = int(self.state.initial_host_of[server])
        if request is None or home == cluster.NOWHERE:
            return None
        mask = self._alike(home).copy()
        for name, count in request.devices.items():
            mask &= self._used[name] + count <= self._seen(name, home)
        for host in (home, int(self.state.host_of[server])):
            if host != cluster.NOWHERE:
                mask[host] = self.why_not(server, host) is None
        return mask


def _needs(request):
    if request.topology:
        yield requests.TOPOLOGY
    yield from request.devices


def _marks(state) -> numpy.ndarray:
    """Return numbers that are equal for hosts that may be alike."""
    numbers: dict[tuple, int] = collections.defaultdict(
        lambda: len(numbers))
    dedicated: Mapping[str, float] = (state.facts.inventories or {}).get(
        requests.PCPU, {})
    return numpy.array([
        numbers[cpus, dedicated.get(host.uuid, 0), _metadata(metadata)]
        for host, cpus, metadata in zip(
            state.hosts, state.largest[:, cluster.VCPU].tolist(),
            aggregates.metadata_of_hosts(state), strict=True)])


def _metadata(metadata):
    return tuple(sorted(
        (key, tuple(sorted(values))) for key, values in metadata.items()
        # The zone is the business of another filter.
        if key != 'availability_zone'))
