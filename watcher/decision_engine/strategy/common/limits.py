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
"""How much one plan may change."""

import collections

import numpy

from watcher.decision_engine.solution import explanation
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import settings


class Limits:
    """Counts the moves of a plan and says when there are enough.

    What counts is where servers are in the end: a server that was moved on
    counts once, one that was moved back not at all.
    """

    def __init__(self, state: cluster.ClusterState,
                 options: settings.Settings):
        self._state = state
        self._total = options.max_migrations
        self._source = options.max_migrations_per_source
        self._destination = options.max_migrations_per_destination
        self._project = options.max_migrations_per_project
        self.active = any((self._total, self._source, self._destination,
                           self._project))
        self.total = 0
        self.by_source: collections.Counter[int] = collections.Counter()
        self.by_destination: collections.Counter[int] = collections.Counter()
        self.by_project: collections.Counter[str] = collections.Counter()
        if self.active:
            for move in state.moves:
                self._count(move.server, move.destination, 1)
            state.watch(self._moved)

    def _moved(self, server, source, destination):
        self._count(server, source, -1)
        self._count(server, destination, 1)

    def _count(self, server, host, sign):
        home = int(self._state.initial_host_of[server])
        if host in (home, cluster.NOWHERE):
            return
        self.total += sign
        self.by_source[home] += sign
        self.by_destination[host] += sign
        self.by_project[self._state.servers[server].project] += sign

    def why_not(self, server: int, host: int | None = None) -> str | None:
        """Return which limit a move would exceed.

        :param host: None asks about any destination.
        """
        if not self.active:
            return None
        problem = self._why_not_leave(server)
        if (problem is None and host is not None and self._destination
                and self.by_destination[host] >= self._destination
                and self._state.host_of[server] != host):
            problem = (f'{self._state.hosts[host].hostname} receives '
                       + explanation.counted(self._destination, 'server')
                       + ' already')
        return problem

    def _why_not_leave(self, server):
        home = int(self._state.initial_host_of[server])
        if self._state.host_of[server] != home:
            # It is on its way already, to wherever.
            return None
        if self._total and self.total >= self._total:
            count = explanation.counted(self._total, 'server')
            return f'the plan moves {count} already'
        if self._source and self.by_source[home] >= self._source:
            leaving = explanation.counted(self._source, 'server leaves',
                                          'servers leave')
            return (f'{leaving} '
                    f'{self._state.hosts[home].hostname} already')
        project = self._state.servers[server].project
        if self._project and self.by_project[project] >= self._project:
            count = explanation.counted(self._project, 'server')
            return (f'the plan moves {count} of the project {project} '
                    'already')
        return None

    def mask(self, server: int) -> numpy.ndarray | None:
        """Return to which hosts a server may go; None: to all."""
        if not self.active:
            return None
        mask = numpy.ones(len(self._state.hosts), dtype=bool)
        if self._why_not_leave(server):
            mask[:] = False
        elif self._destination:
            mask[[host for host, count in self.by_destination.items()
                  if count >= self._destination
                  and self._state.host_of[server] != host]] = False
        return mask
