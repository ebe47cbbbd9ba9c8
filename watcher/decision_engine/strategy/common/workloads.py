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
"""The workload characters of the servers of a state, for strategies.

::

    found = workloads.Workloads(state)
    for remark in found.remarks():
        self.solution.add_remark(remark)
    loads = {'instance_cpu_usage': cpu}      # arrays, NaN where unknown
    for server, character in found.characters.items():
        if found.holds(server, loads) is False:
            ...found.broken(server, loads) tells what is wrong
"""

import math
from collections.abc import Mapping
from collections.abc import Sequence

from watcher.decision_engine.model import workload
from watcher.decision_engine.solution import explanation
from watcher.decision_engine.strategy.common import cluster

#: How many servers with unusable texts a remark names.
MAX_NAMED = 5


class Workloads:
    """What owners say about the workloads of their servers.

    One pass over the metadata; texts that servers share are read once.

    :ivar characters: by number of the server; most servers have none.
    :ivar problems: why texts cannot be used, by number of the server.
    """

    def __init__(self, state: cluster.ClusterState):
        self._state = state
        self.characters: dict[int, workload.WorkloadCharacter] = {}
        self.problems: dict[int, str] = {}
        if state.model is None:
            return
        for uuid, (_uuid, metadata) in state.model.pick_instances(
                'uuid', 'metadata').items():
            text = workload.text_of(metadata)
            if text is not None and uuid in state.server_index:
                self._read(state.server_index[uuid], text)

    def _read(self, server, text):
        try:
            self.characters[server] = workload.parse(text)
        except workload.InvalidWorkload as exc:
            self.problems[server] = str(exc)

    def of(self, server: int) -> workload.WorkloadCharacter | None:
        """Return the character of a server, None if it has none."""
        return self.characters.get(server)

    def weight(self, server: int) -> int:
        """Return how important a server is: -20 most, 19 least."""
        found = self.characters.get(server)
        return found.weight if found else 0

    def values(self, server: int, loads: Mapping[str, Sequence[float]]
               ) -> dict[str, float | None]:
        """Return what is known of the resources that a server is about.

        What it was given (``vcpus``, ``memory`` in MB, ``disk`` in GB), and
        what was measured.

        :param loads: by metric, aligned with the servers; NaN where unknown.
        """
        found = self.characters.get(server)
        given = self._state.servers[server].resources
        known = {'vcpus': given.vcpus, 'memory': given.memory,
                 'disk': given.disk}
        return {name: known[name] if name in known
                else _value(loads.get(name), server)
                for name in (found.resources if found else ())}

    def holds(self, server: int, loads: Mapping[str, Sequence[float]]
              ) -> bool | None:
        """Tell whether a server is as its character says.

        :returns: None if nobody knows, also if it has no character.
        """
        found = self.characters.get(server)
        return found and found.holds(self.values(server, loads))

    def broken(self, server: int, loads: Mapping[str, Sequence[float]]
               ) -> list[workload.PerformanceUnit]:
        """Return what does not hold, the most important first."""
        found = self.characters.get(server)
        return found.broken(self.values(server, loads)) if found else []

    def remarks(self) -> list[str]:
        """Say in words whose texts cannot be used; empty if all can."""
        if not self.problems:
            return []
        named = '; '.join(
            f'{self._state.servers[server].label}: {problem}'
            for server, problem in list(self.problems.items())[:MAX_NAMED])
        more = '; ...' if len(self.problems) > MAX_NAMED else ''
        servers = explanation.counted(len(self.problems), 'server')
        return [f'The workload characters of {servers} are not used: '
                f'{named}{more}']


def _value(loads, server):
    if loads is None or math.isnan(loads[server]):
        return None
    return float(loads[server])
