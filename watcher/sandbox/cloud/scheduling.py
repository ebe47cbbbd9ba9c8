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
"""Where the simulated Nova puts servers."""

from __future__ import annotations

import functools
from typing import Any

from watcher.sandbox.cloud import state as cloud_state
from watcher.sandbox.cloud import web
from watcher.sandbox.cloud.state import Host
from watcher.sandbox.cloud.state import Resources
from watcher.sandbox.cloud.state import Server


class NoValidHost(web.HTTPError):

    def __init__(self, reason: str = '') -> None:
        super().__init__(
            400, ('No valid host was found. ' + reason).strip())


class Scheduler:
    """Finds a host: filters first, then the one with most free memory."""

    def __init__(self, state: cloud_state.CloudState) -> None:
        self._state = state

    def select(self, server: Server, resources: Resources,
               avoid: Host | None = None,
               requested: str | None = None) -> Host:
        """:raises NoValidHost: when no host passes the filters."""
        hosts = self._state.hosts
        candidates = [hosts[requested]] if requested else hosts.values()
        passed = [host for host in candidates
                  if host is not avoid
                  and self._passes(host, server, resources)]
        if not passed:
            raise NoValidHost('There are not enough hosts available.')
        return min(passed, key=functools.partial(self._rank, server))

    def _passes(self, host: Host, server: Server,
                resources: Resources) -> bool:
        return (host.status == 'enabled' and host.is_up
                and server.pinned_zone in (None, host.zone)
                and host.fits(resources)
                and self._group_allows(host, server))

    def _mates(self, server: Server) -> list[Server]:
        """The other members of the server's group."""
        group = self._state.groups.get(server.group_id or '')
        members = group.members if group else []
        servers = self._state.servers
        return [servers[member] for member in members
                if member != server.uuid and member in servers]

    def _policy(self, server: Server) -> str:
        group = self._state.groups.get(server.group_id or '')
        return group.policy if group else ''

    def _group_allows(self, host: Host, server: Server) -> bool:
        policy = self._policy(server)
        mates = self._mates(server)
        if policy == 'anti-affinity':
            most = int(self._state.groups[server.group_id].rules.get(
                'max_server_per_host') or 1)
            return sum(m.host is host for m in mates) < most
        if policy == 'affinity':
            # The group is also where the server itself is: so those that
            # are together can never be moved.
            where = [m.host for m in (*mates, server) if m.host]
            return not where or any(known is host for known in where)
        return True

    def _rank(self, server: Server, host: Host) -> tuple[Any, ...]:
        together = 0
        if self._policy(server).startswith('soft-'):
            together = sum(m.host is host for m in self._mates(server))
            if self._policy(server) == 'soft-affinity':
                together = -together
        return (together, -host.free(cloud_state.MEMORY_MB), host.id)
