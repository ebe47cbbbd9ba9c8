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
"""What zone_migration decides: which servers and volumes move, and where to.

Pure: all that counts is in the :class:`Situation`. Its states are changed, as
each move takes room from the next one.
"""

import collections
import dataclasses
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import destinations
from watcher.decision_engine.strategy.common import eligibility
from watcher.decision_engine.strategy.common import feasibility
from watcher.decision_engine.strategy.common import settings
from watcher.decision_engine.strategy.common import storage

#: Nobody knows, or nobody chose: Nova's or Cinder's scheduler will.
OPEN = None

#: What ``priority`` may sort by: the greatest first, or the oldest.
_OF_SERVERS: Mapping[str, Callable] = {
    'vcpu_num': lambda server: -server.resources.vcpus,
    'mem_size': lambda server: -server.resources.memory,
    'disk_size': lambda server: -(server.resources.disk or 0),
}
CREATED = 'created_at'


@dataclasses.dataclass(frozen=True)
class Limits:
    """How many actions there may be.

    :param whole_plan: whether that are all actions of the plan; otherwise
        only those that run at the same time.
    """

    total: int = 6
    per_node: int = 2
    per_pool: int = 2
    whole_plan: bool = True


@dataclasses.dataclass
class Situation:
    """All that the decision depends on.

    Of what is None nothing was asked for.

    :param nodes: the ``compute_nodes`` of the audit.
    :param pools: the ``storage_pools`` of the audit.
    :param created: when servers were created, by uuid, if that matters.
    :param all_hosts: whether the state has all hosts of the cloud; a scope
        may hide some.
    :param all_pools: the same for pools.
    """

    limits: Limits
    nodes: Sequence[Mapping[str, str]] = ()
    pools: Sequence[Mapping[str, str]] = ()
    priority: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    with_attached: bool = False
    state: cluster.ClusterState | None = None
    rules: destinations.DestinationRules | None = None
    asked: eligibility.Eligibility | None = None
    storage_state: storage.StorageState | None = None
    options: settings.Settings = settings.Settings()
    created: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    all_hosts: bool = True
    all_pools: bool = True


@dataclasses.dataclass(frozen=True)
class ServerMove:
    """One server to be moved; figures are vCPUs in use.

    :param how: ``live`` or ``cold``.
    :param destination: name of a host, OPEN leaves it to Nova.
    :param before: what the source has in use, and the destination if known.
    """

    server: int
    how: str
    source: int
    destination: str | None
    before: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class VolumeMove:
    """One volume to be moved.

    :param how: ``migrate`` or ``retype``.
    :param destination: name of a pool, or of a type if its type changes.
    :param before: GB that are free in the pools, None where nobody knows.
    """

    volume: storage.Volume
    how: str
    source: str
    destination: str
    before: tuple[float | None, ...]


@dataclasses.dataclass
class Decision:
    """What is to be done, and why something is not.

    :param live: how many servers there are that should be migrated live.
    :param cold: the same for those that do not run.
    :param volumes: how many volumes there are that should move.
    :param staying: label of a server or volume -> why it stays.
    :param waiting: the same for those that a limit keeps for another audit.
    :param unknown: names in the parameters that mean nothing.
    """

    moves: list[ServerMove | VolumeMove] = dataclasses.field(
        default_factory=list)
    live: int = 0
    cold: int = 0
    volumes: int = 0
    staying: dict[str, str] = dataclasses.field(default_factory=dict)
    waiting: dict[str, str] = dataclasses.field(default_factory=dict)
    unknown: list[str] = dataclasses.field(default_factory=list)


def decide(situation: Situation) -> Decision:
    """Choose what moves, how, and where to, in the order of the plan."""
    return _Plan(situation).make()


class _Plan:

    def __init__(self, situation: Situation):
        self._at = situation
        self._limits = situation.limits
        self._decision = Decision()
        self._counts: dict[tuple[str, Any], int] = {}
        self._planned: set[int] = set()
        self._wanted: dict[str, int] = {}
        self._node_entries: dict[int, Mapping[str, str]] = {}
        self._pool_entries: dict[str, list[Mapping[str, str]]] = {}
        for entry in situation.pools:
            self._pool_entries.setdefault(
                entry['src_pool'], []).append(entry)

    def make(self) -> Decision:
        servers = self._targets_of_nodes()
        volumes = self._targets_of_pools()
        self._wanted = {self._at.state.servers[server].uuid: server
                        for server in servers}
        self._volumes_of = collections.Counter(
            uuid for volume in volumes for uuid in volume.servers)
        self._attempt(volumes, self._move_volume)
        self._attempt(servers, self._move_server)
        return self._decision

    def _attempt(self, items: Iterable, move: Callable) -> None:
        """Move what can be moved, also into room that others make.

        Each round can empty a further source, so there are not more rounds
        than sources.
        """
        rounds = 1 + len(self._at.nodes) + len(self._at.pools)
        for _round in range(rounds):
            before = len(self._decision.moves)
            items = [item for item in items if move(item)]
            if not items or len(self._decision.moves) == before:
                return

    # What should move -----------------------------------------------------

    def _targets_of_nodes(self) -> list[int]:
        at, found = self._at, []
        for entry in at.nodes:
            host = at.state.host_named(entry['src_node'])
            if host is None:
                self._decision.unknown.append(
                    f"there is no compute node {entry['src_node']}")
            elif host not in self._node_entries:
                self._node_entries[host] = entry
                found += at.state.servers_on(host)
        servers = [server for server in found if self._may_be_moved(server)]
        for server in servers:
            state = at.state.servers[server].state
            self._decision.live += state in feasibility.LIVE_MIGRATABLE
            self._decision.cold += state == feasibility.STOPPED
        return self._ordered(servers, {
            'project': lambda n: at.state.servers[n].project,
            'compute_node': lambda n: self._host(at.state.host_of[n]),
            'compute': self._server_rank})

    def _may_be_moved(self, server: int) -> bool:
        problem = self._at.asked.why_not_touch(server)
        if problem:
            self._stays(self._at.state.servers[server], problem)
        return not problem

    def _server_rank(self, server: int):
        record = self._at.state.servers[server]
        by = self._at.priority['compute']
        if by == CREATED:
            created = self._at.created.get(record.uuid)
            return created is None, str(created or '')
        return _OF_SERVERS[by](record)

    def _targets_of_pools(self) -> list[storage.Volume]:
        at = self._at
        if not at.pools:
            return []
        known = at.storage_state.pools
        for name in sorted(set(self._pool_entries).difference(known)):
            self._decision.unknown.append(f'there is no storage pool {name}')
        found = []
        for volume in at.storage_state.volumes.values():
            if not self._is_meant(volume):
                continue
            problem = at.storage_state.why_not_touch(volume, at.options)
            if problem:
                self._stays(volume, problem)
            else:
                found.append(volume)
        self._decision.volumes = len(found)
        return self._ordered(found, {
            'project': lambda volume: volume.project,
            'storage_pool': lambda v: at.storage_state.pool_of[v.uuid],
            'storage': self._volume_rank})

    def _is_meant(self, volume: storage.Volume) -> bool:
        pool = self._at.storage_state.pool_of[volume.uuid]
        return any(entry.get('src_type', volume.type) == volume.type
                   for entry in self._pool_entries.get(pool, ()))

    def _volume_rank(self, volume: storage.Volume):
        if self._at.priority['storage'] == CREATED:
            return not volume.created, volume.created
        return -volume.size

    def _ordered(self, items: list, values: Mapping[str, Callable]) -> list:
        """Sort by priorities: the first key counts most, in it the first
        value.
        """
        ranks = []
        for key, wanted in self._at.priority.items():
            if key not in values:
                continue
            if isinstance(wanted, str):
                ranks.append(values[key])
            else:
                ranks.append(_position(values[key], wanted))
        return sorted(items, key=lambda item: [rank(item) for rank in ranks])

    # Volumes --------------------------------------------------------------

    def _move_volume(self, volume: storage.Volume) -> bool:
        """Plan the move of a volume.

        :returns: whether to try again when others have moved.
        """
        state = self._at.storage_state
        source = state.pool_of[volume.uuid]
        how, destination = self._way_of(volume, source)
        problem = (
            'neither a pool nor a type says where it shall go'
            if how is None else state.why_not_move(volume, how))
        if problem:
            self._stays(volume, problem)
            return False
        problem = (self._why_not_type(volume, destination)
                   if how == storage.RETYPE
                   else self._why_not_pool(volume, destination))
        if problem:
            self._stays(volume, problem)
            return True
        limit = self._why_enough('pool', source, self._limits.per_pool)
        if limit:
            self._decision.waiting[volume.label] = limit
            return False
        places = [source]
        if how == storage.MIGRATE:
            places.append(destination)
        before = tuple(self._free(name) for name in places)
        self._forget(volume)
        state.move(volume.uuid, destination if how == storage.MIGRATE
                   else OPEN)
        self._count('pool', source)
        self._decision.moves.append(
            VolumeMove(volume, how, source, destination, before))
        if self._at.with_attached:
            self._follow(volume)
        return False

    def _follow(self, volume: storage.Volume) -> None:
        """Move the servers of which this was the last volume."""
        self._volumes_of.subtract(volume.servers)
        for uuid in volume.servers:
            if uuid in self._wanted and not self._volumes_of[uuid]:
                self._move_server(self._wanted[uuid])

    def _way_of(self, volume, source) -> tuple[str | None, str | None]:
        """Return how a volume moves and where to; None if nothing says it.
        """
        entries = self._pool_entries[source]
        general = (entry for entry in entries if 'src_type' not in entry)
        entry = next(
            (entry for entry in entries
             if volume.type and entry.get('src_type') == volume.type),
            next(general, {}))
        if entry.get('dst_type') and entry['dst_type'] != volume.type:
            return storage.RETYPE, entry['dst_type']
        if entry.get('dst_pool'):
            return storage.MIGRATE, entry['dst_pool']
        return None, None

    def _why_not_type(self, volume, name):
        types = self._at.storage_state.types
        if types is not None and name not in types:
            return f'there is no volume type {name}'
        return None

    def _why_not_pool(self, volume, name):
        if name not in self._at.storage_state.pools and self._at.all_pools:
            return f'there is no storage pool {name}'
        return self._at.storage_state.why_not_go(volume, name)

    def _free(self, name):
        pool = self._at.storage_state.pools.get(name)
        return pool and pool.free

    # Servers --------------------------------------------------------------

    def _move_server(self, server: int) -> bool:
        """Plan the move of a server.

        :returns: whether to try again when others have moved.
        """
        if server in self._planned:
            return False
        at, state = self._at, self._at.state
        source = int(state.host_of[server])
        record = state.servers[server]
        how = at.asked.migration_type(server)
        if how is None:
            self._stays(record, at.asked.why_unable(
                server, eligibility.COLD
                if record.state == feasibility.STOPPED else eligibility.LIVE))
            return False
        limit = self._why_enough('node', source, self._limits.per_node)
        if limit:
            self._decision.waiting[record.label] = limit
            return False
        name = self._node_entries[source].get('dst_node') or OPEN
        host, problem = self._destination(server, name)
        if problem:
            self._stays(record, problem)
            return True
        places = [source]
        if name is not OPEN and host != cluster.NOWHERE:
            places.append(host)
        before = tuple(float(state.used[place, cluster.VCPU])
                       for place in places)
        self._forget(record)
        self._planned.add(server)
        state.move(server, host)
        self._count('node', source)
        self._decision.moves.append(
            ServerMove(server, how, source, name, before))
        return False

    def _destination(self, server, name) -> tuple[int, str | None]:
        """Return the host that a server will be on, and why it may not.

        NOWHERE if that is a host outside the scope.
        """
        rules = self._at.rules
        if name is OPEN:
            host = rules.likely(server)
            if host == cluster.NOWHERE and self._at.all_hosts:
                # Nor will Nova find one.
                return host, rules.why_nowhere(server)
            return host, rules.limits.why_not(server)
        host = self._at.state.host_named(name)
        if host is not None:
            return host, rules.why_not(server, host)
        problem = (f'there is no compute node {name}' if self._at.all_hosts
                   else rules.limits.why_not(server))
        return cluster.NOWHERE, problem

    # Bookkeeping ----------------------------------------------------------

    def _why_enough(self, kind: str, place: Any, most: int) -> str | None:
        """Return which limit of the audit is reached."""
        limits = self._limits
        for name, count, limit in (
                ('parallel_total', len(self._decision.moves), limits.total),
                (f'parallel_per_{kind}', self._counts.get((kind, place), 0),
                 most)):
            if count >= limit and (limits.whole_plan or not limit):
                return f'{name} allows {limit} actions'
        return None

    def _count(self, kind, place):
        self._counts[kind, place] = self._counts.get((kind, place), 0) + 1

    def _stays(self, item, reason):
        self._decision.staying[item.label] = reason

    def _forget(self, item):
        self._decision.staying.pop(item.label, None)
        self._decision.waiting.pop(item.label, None)

    def _host(self, number):
        return self._at.state.hosts[number].hostname


def _position(value: Callable, wanted: Sequence[str]) -> Callable:
    places: dict[str, int] = {}
    for place, name in enumerate(wanted):
        places.setdefault(name, place)
    return lambda item: places.get(value(item), len(places))
