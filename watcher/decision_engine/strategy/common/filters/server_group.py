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
"""Server groups: together or apart."""

import collections

import numpy

from watcher.decision_engine.model import scheduling
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common.filters import base

_SIGNS = {scheduling.SOFT_AFFINITY: -1, scheduling.SOFT_ANTI_AFFINITY: 1}


class _Group:
    """A group and how many of its members are on each host.

    Members outside the scope of the audit are on no host here: there are
    none of them on any host that a server may be sent to.
    """

    def __init__(self, record: scheduling.ServerGroup):
        self.record = record
        self.on_host: collections.Counter[int] = collections.Counter()

    def others(self, own_host: int, host: int) -> int:
        """Return how many members are on a host, beside one on its own."""
        return self.on_host[host] - (host == own_host)

    def hosts_of_others(self, own_host: int) -> list[int]:
        return [host for host, count in self.on_host.items()
                if count > (host == own_host)]


class ServerGroupFilter(base.DestinationFilter):
    """Keeps servers together or apart as their server groups say.

    Planned moves count: whoever moved is where he is going to be. The soft
    policies are wishes, which :meth:`penalty` tells.

    A server of an affinity group may go only where another member is. For
    Nova the host that it is on is one of those where the group is, and the
    only one if all are together: it refuses every other host, even to a
    member that is alone.
    """

    def prepare(self, state: cluster.ClusterState) -> None:
        """Count the members of all groups by host."""
        super().prepare(state)
        self._of: dict[int, list[_Group]] = {}
        for record in state.facts.server_groups or ():
            group = _Group(record)
            for uuid in record.members:
                self._add(group, state.server_index.get(uuid))

    def _add(self, group, server):
        if server is None:
            return
        self._of.setdefault(server, []).append(group)
        host = int(self.state.host_of[server])
        if host != cluster.NOWHERE:
            group.on_host[host] += 1

    def moved(self, server: int, source: int, destination: int) -> None:
        """Follow the server with all its groups."""
        for group in self._of.get(server, ()):
            for host, change in ((source, -1), (destination, 1)):
                if host != cluster.NOWHERE:
                    group.on_host[host] += change

    def why_not(self, server: int, host: int) -> str | None:
        """Return which group the host would break."""
        groups = self._of.get(server)
        if not groups:
            return None
        own_host = int(self.state.host_of[server])
        for group in groups:
            record = group.record
            if (record.policy == scheduling.ANTI_AFFINITY
                    and group.others(own_host, host)
                    >= record.max_per_host):
                return (f'{self.state.hosts[host].hostname} has another '
                        f'member of the anti-affinity group {record.name}')
            if (record.policy == scheduling.AFFINITY and host != own_host
                    and not group.others(own_host, host)):
                return (f'{self.state.hosts[host].hostname} has no other '
                        f'member of the affinity group {record.name}')
        return None

    def mask(self, server: int) -> numpy.ndarray | None:
        """Return the hosts that break none of the server's groups."""
        groups = self._of.get(server)
        if not groups:
            return None
        own_host = int(self.state.host_of[server])
        mask = numpy.ones(len(self.state.hosts), dtype=bool)
        for group in groups:
            if group.record.policy == scheduling.ANTI_AFFINITY:
                mask[[host for host in group.on_host
                      if group.others(own_host, host)
                      >= group.record.max_per_host]] = False
            elif group.record.policy == scheduling.AFFINITY:
                together = numpy.zeros(len(self.state.hosts), dtype=bool)
                together[group.hosts_of_others(own_host)] = True
                if own_host != cluster.NOWHERE:
                    together[own_host] = True
                mask &= together
        return mask

    def penalty(self, server: int) -> numpy.ndarray | None:
        """Return how many members of soft groups are on each host.

        They count for soft anti-affinity and against soft affinity.
        """
        penalty = None
        own_host = int(self.state.host_of[server])
        for group in self._of.get(server, ()):
            sign = _SIGNS.get(group.record.policy)
            if sign is None:
                continue
            if penalty is None:
                penalty = numpy.zeros(len(self.state.hosts))
            for host in group.hosts_of_others(own_host):
                penalty[host] += sign * group.others(own_host, host)
        return penalty
