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
"""How much of the hosts is really used, followed move by move.

A host uses the sum of what its servers use, or what it reports itself if that
is more (its operating system and what else runs there count as well). What it
reports was measured before anything moved, so planned moves correct it.
"""

import numpy

from watcher.decision_engine.strategy.common import cluster

#: Numbers that differ by less are equal: sums are added up in some order.
ROUNDING = 1e-9


class Utilisation:
    """The measured use of hosts in a state, kept up to date by its moves.

    :param state: what the servers are moved in.
    :param servers: what each server uses: CPU cores, memory (MB), disk (GB);
        estimated where nothing was measured.
    :param measured: whether the CPU use of a server was measured.
    :param reported: CPU cores and memory (MB) that each host reports itself;
        NaN if it reports nothing.
    """

    def __init__(self, state: cluster.ClusterState, servers: numpy.ndarray,
                 measured: numpy.ndarray, reported: numpy.ndarray):
        self._state = state
        sure = numpy.where(measured, servers[:, 0], 0.0)
        # What a server adds to the columns of its host: use of each kind,
        # what the host reports, what is sure. Of memory a server may come to
        # use all that it was promised.
        self._adds = numpy.column_stack((
            servers, servers[:, 0], state.demand[:, cluster.MEMORY], sure))
        placed = state.host_of != cluster.NOWHERE
        homes, hosts = state.host_of[placed], len(state.hosts)
        sums = [numpy.bincount(homes, values[placed], minlength=hosts)
                for values in (*servers.T, sure)]
        self._columns = numpy.column_stack((
            *sums[:3],
            numpy.where(numpy.isnan(reported), -numpy.inf, reported),
            sums[3])).astype(numpy.float64)
        #: What is used on each host: cores, memory (MB), disk (GB).
        self.used = self._columns[:, :3].copy()
        numpy.maximum(self.used[:, :2], self._columns[:, 3:5],
                      out=self.used[:, :2])
        state.watch(self._moved)

    def stop(self) -> None:
        """Follow the state no more."""
        self._state.unwatch(self._moved)

    def sure_cores(self, host: int) -> float:
        """Return how many cores of a host are used beyond doubt.

        That is without what is only estimated.
        """
        row = self._columns[host]
        return max(float(row[5]), float(row[3]))

    def _moved(self, server, source, destination):
        adds = self._adds[server]
        if source != cluster.NOWHERE:
            self._columns[source] -= adds
            self._sum_up(source)
        if destination != cluster.NOWHERE:
            self._columns[destination] += adds
            self._sum_up(destination)

    def _sum_up(self, host):
        cpu, ram, disk, own_cpu, own_ram, _sure = self._columns[
            host].tolist()
        # Rounding must not leave less than nothing.
        self.used[host] = (max(cpu, own_cpu, 0.0), max(ram, own_ram, 0.0),
                           max(disk, 0.0))
