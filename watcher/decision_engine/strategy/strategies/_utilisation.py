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
        self._servers = servers
        self._sure_of = numpy.where(measured, servers[:, 0], 0.0)
        self._reported = numpy.where(
            numpy.isnan(reported), -numpy.inf, reported)
        placed = state.host_of != cluster.NOWHERE
        homes, hosts = state.host_of[placed], len(state.hosts)
        self._sums = numpy.column_stack([
            numpy.bincount(homes, servers[placed, column], minlength=hosts)
            for column in range(3)]).astype(numpy.float64)
        self._sure = numpy.bincount(homes, self._sure_of[placed],
                                    minlength=hosts).astype(numpy.float64)
        #: What is used on each host: cores, memory (MB), disk (GB).
        self.used = self._sums.copy()
        numpy.maximum(self.used[:, :2], self._reported,
                      out=self.used[:, :2])
        state.watch(self._moved)

    def sure_cores(self, host: int) -> float:
        """Return how many cores of a host are used beyond doubt.

        That is without what is only estimated.
        """
        return max(float(self._sure[host]), float(self._reported[host, 0]))

    def _moved(self, server, source, destination):
        for host, sign in ((source, -1), (destination, 1)):
            if host != cluster.NOWHERE:
                self._change(host, server, sign)

    def _change(self, host, server, sign):
        use = self._servers[server]
        sums = self._sums[host]
        sums += sign * use
        # Rounding must not leave less than nothing.
        numpy.maximum(sums, 0.0, out=sums)
        self._sure[host] = max(
            self._sure[host] + sign * self._sure_of[server], 0.0)
        reported = self._reported[host]
        reported[0] += sign * use[0]
        # Of memory a server may come to use all that it was promised.
        reported[1] += sign * self._state.demand[server, cluster.MEMORY]
        used = self.used[host]
        used[0] = max(sums[0], reported[0])
        used[1] = max(sums[1], reported[1])
        used[2] = sums[2]
