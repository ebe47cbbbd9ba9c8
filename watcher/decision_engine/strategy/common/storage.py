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
"""Pools and volumes as strategies look at them: the counterpart of cluster.

A :class:`StorageState` is built once for a run of a strategy, follows the
moves that the strategy plans, and answers what is the same for all of them:
may a volume be moved at all, would Cinder accept it in a pool, is there room.
Each refusal is a text. The model that it was built from is never changed.

A figure that a driver does not tell (``unknown``, ``infinite``, nothing) is
None. It forbids nothing, and nobody calculates with it.
"""

import dataclasses
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from oslo_utils import strutils

from watcher.common import cinder_helper
from watcher.common import exception
from watcher.common.cinder import records
from watcher.decision_engine.model import element
from watcher.decision_engine.strategy.common import feasibility
from watcher.decision_engine.strategy.common import settings

MIGRATE, RETYPE = 'migrate', 'retype'

AVAILABLE = element.VolumeState.AVAILABLE.value
IN_USE = element.VolumeState.IN_USE.value

#: In which Cinder moves volumes or changes their types.
MOVABLE = frozenset((AVAILABLE, IN_USE))

ServerState = Callable[[str], str | None]


def _unknown(_server: str) -> None:
    return None


@dataclasses.dataclass(frozen=True, slots=True)
class Volume:
    """What strategies need to know of a volume.

    :param servers: uuids of the servers that it is attached to.
    :param migration: how far Cinder is with a migration, None: there is none.
    :param attached: whether anything uses it, a server or not.
    """

    uuid: str
    name: str
    size: int
    status: str
    type: str | None
    bootable: bool
    project: str
    created: str
    servers: tuple[str, ...]
    migration: str | None = None
    attached: bool = False

    @property
    def label(self) -> str:
        return f'{self.name} ({self.uuid})' if self.name else self.uuid

    def why_not_swap(self, server_state: ServerState) -> str | None:
        """Return which server keeps Nova from swapping its disk, if any.

        :param server_state: see :class:`StorageState`.
        """
        for server in self.servers:
            state = server_state(server)
            if state not in (None, *feasibility.LIVE_MIGRATABLE):
                return (f'the server {server} uses it and is {state}; Nova '
                        'swaps disks of active and paused servers only')
        return None


@dataclasses.dataclass(slots=True)
class Pool:
    """What strategies need to know of a pool; its figures follow the moves.

    :param backend: of which it is a part, None if that is not known.
    :param total: GB that it can hold, None where nobody knows or where there
        is no limit; the same for the other figures.
    :param ratio: how much more may be promised than there is.
    :param reserved: share of the total that Cinder leaves free.
    :param thin: whether room is taken only when data are written.
    :param record: what the driver reports, None if that is not known.
    """

    name: str
    backend: element.StorageNode | None
    total: float | None
    free: float | None
    allocated: float | None
    provisioned: float | None
    ratio: float = 1.0
    reserved: float = 0.0
    thin: bool = False
    record: records.StoragePool | None = None

    @property
    def short_name(self) -> str:
        """The part that the driver gives it."""
        told = self.record.pool_name if self.record else None
        return told or self.name.partition('#')[2] or self.name

    @property
    def backend_name(self) -> str:
        """The name that volume types use for its backend."""
        told = self.record.volume_backend_name if self.record else None
        return told or records.backend_name(self.name)

    @property
    def zone(self) -> str | None:
        return self.backend and self.backend.get('zone')

    @property
    def used_share(self) -> float | None:
        """How much of it is used, 0 to 1; None if nobody can tell."""
        if not self.total or self.free is None:
            return None
        return (self.total - self.free) / self.total

    @property
    def promised(self) -> float:
        """GB that its volumes may come to use."""
        return max(self.allocated or 0, self.provisioned or 0)

    def take(self, size: float) -> None:
        """Count a volume in; of negative size: out."""
        for name, change in (('free', -size), ('allocated', size),
                             ('provisioned', size)):
            known = getattr(self, name)
            if known is not None:
                setattr(self, name, known + change)

    def why_closed(self) -> str | None:
        """Return why Cinder puts no volumes here, None if it does."""
        if self.backend is None:
            return None
        for word, good in (('state', 'up'), ('status', 'enabled')):
            found = self.backend.get(word)
            if found not in (None, good):
                return f'the service of {self.backend.host} is {found}'
        return None

    def why_no_room(self, size: float) -> str | None:
        """Return what is lacking for a volume, None if nothing.

        By the rule of Cinder's scheduler, which also judges moves.
        """
        if self.total == 0:
            return 'it has no room at all'
        if self.total is not None and self.thin and self.ratio >= 1:
            most = self.total * self.ratio
            if self.promised + size > most:
                return (f'{size:g} GB needed, {self.promised:g} GB of '
                        f'{most:g} GB are promised')
        if self.free is None:
            return None
        free = self.free - (self.total or 0) * self.reserved
        usable = free * self.ratio if self.thin and self.ratio >= 1 else free
        if size > usable:
            return f'{size:g} GB needed, {max(free, 0):g} GB free'
        return None


class StorageState:
    """Where all volumes are and what is free in all pools.

    :param snapshots: uuids of the volumes that have snapshots.
    :param server_state: returns the state of a server by its uuid, None if
        nobody knows.

    :ivar pools: by name, in the order of the model.
    :ivar volumes: by uuid, in the order of the model.
    :ivar pool_of: name of the pool of each volume by uuid, also of pools
        that are not in the model; None: it is in none, or nobody knows.
    :ivar types: volume types by name; None when they are not known.
    """

    def __init__(self, pools: Iterable[Pool], volumes: Iterable[Volume],
                 pool_of: Mapping[str, str | None],
                 types: Iterable[records.VolumeType] | None = None,
                 snapshots: Collection[str] = (), model: Any = None,
                 server_state: ServerState = _unknown):
        self.pools = {pool.name: pool for pool in pools}
        self.volumes = {volume.uuid: volume for volume in volumes}
        self.pool_of = dict(pool_of)
        self.types = None if types is None else {
            known.name: known for known in types}
        self.snapshots = snapshots
        self._model = model
        self._server_state = server_state
        self._suits: dict[tuple[str, str], bool] = {}

    @classmethod
    def from_model(cls, model: Any, snapshots: Collection[str] = (),
                   server_state: ServerState = _unknown) -> 'StorageState':
        """Build the state of a storage model in one pass."""
        reported = getattr(model, 'reported_pools', None) or {}
        migrating = getattr(model, 'migrating', None) or {}
        backend_of = {
            pool.name: node
            for node in model.get_all_storage_nodes().values()
            for pool in model.get_node_pools(node)}
        pools, pool_of = [], {}
        for name, pool in model.get_all_pools().items():
            pools.append(_pool(pool, backend_of.get(name),
                               reported.get(name)))
            pool_of.update(dict.fromkeys(
                (volume.uuid for volume in model.get_pool_volumes(name)),
                name))
        volumes = []
        for uuid, volume in model.get_all_volumes().items():
            volumes.append(_volume(volume, migrating.get(uuid)))
            pool_of.setdefault(uuid, volume.get('host'))
        return cls(pools, volumes, pool_of,
                   getattr(model, 'volume_types', None), snapshots, model,
                   server_state)

    def move(self, uuid: str, pool: str | None) -> str | None:
        """Put a volume into a pool; whether it fits is not asked.

        :param pool: None when only Cinder knows which.
        :returns: the pool that it has left.
        """
        source, size = self.pool_of[uuid], self.volumes[uuid].size
        if source in self.pools:
            self.pools[source].take(-size)
        if pool in self.pools:
            self.pools[pool].take(size)
        self.pool_of[uuid] = pool
        return source

    # May it be moved? -----------------------------------------------------

    def why_not_touch(self, volume: Volume,
                      options: settings.Settings) -> str | None:
        """Return why a volume must be left alone, None if it need not be.

        What owners do to keep their servers from being moved also counts
        for their volumes, as far as volumes have it.
        """
        found = None
        if volume.project.replace('-', '') in options.opt_out_projects:
            found = f'project {volume.project}'
        elif options.opt_out_metadata and self._model is not None:
            found = settings.match(
                options.opt_out_metadata,
                self._model.get_volume_by_uuid(volume.uuid).get('metadata'))
            found = found and f'metadata {found}'
        return found and f'its owner keeps it from being moved ({found})'

    def why_not_move(self, volume: Volume, kind: str) -> str | None:
        """Return why Cinder would not do it, wherever to.

        :param kind: :data:`MIGRATE` or :data:`RETYPE`.
        """
        source = self.pool_of[volume.uuid]
        if source is None:
            return 'it is in no pool'
        if volume.status not in MOVABLE:
            return f'its status is {volume.status}'
        if volume.attached != (volume.status == IN_USE):
            return (f'its status is {volume.status}, and it is '
                    f"{'attached' if volume.attached else 'not attached'}")
        if volume.migration not in (None, 'error'):
            return f'Cinder is migrating it already ({volume.migration})'
        home = self.pools.get(source)
        closed = (home and home.backend
                  and home.backend.get('state') not in (None, 'up'))
        if closed:
            return f'the service of its pool {source} is down'
        problem = volume.why_not_swap(self._server_state)
        if problem or kind == RETYPE:
            # A driver may be able to change types without a move.
            return problem
        if volume.uuid in self.snapshots:
            return 'it has snapshots'
        if len(volume.servers) > 1:
            return f'it is attached to {len(volume.servers)} servers'
        return None

    # Where to? ------------------------------------------------------------

    def suits(self, type_name: str | None, pool: Pool) -> bool:
        """Tell whether nothing is known that keeps a type from a pool."""
        kind = (self.types or {}).get(type_name)
        if kind is None or pool.record is None:
            return True
        key = (type_name, pool.name)
        if key not in self._suits:
            self._suits[key] = kind.suits(pool.record)
        return self._suits[key]

    def why_not_go(self, volume: Volume, name: str) -> str | None:
        """Return why a volume cannot be migrated to a pool, else None.

        Of a pool that is not in the model nothing is known.
        """
        if self.pool_of[volume.uuid] == name:
            return f'it is in {name} already'
        pool = self.pools.get(name)
        if pool is None:
            return None
        problem = pool.why_closed()
        if problem:
            return problem
        if not self.suits(volume.type, pool):
            return f'{name} does not offer what the type {volume.type} wants'
        problem = pool.why_no_room(volume.size)
        return problem and f'{name} has too little room: {problem}'


def with_snapshots(osc: Any, remark: Callable[[str], None]
                   ) -> frozenset[str]:
    """Ask Cinder which volumes have snapshots: it migrates none of them.

    :param osc: holder of OpenStack clients.
    :param remark: is told if nobody knows.
    """
    try:
        found = cinder_helper.CinderHelper(
            osc=osc).get_volume_snapshots_list()
    except exception.WatcherException as exc:
        remark('Volumes with snapshots cannot be told from others, their '
               f'moves will fail: {exc}')
        return frozenset()
    return frozenset(snapshot.volume_id for snapshot in found)


def _pool(pool: element.Pool, backend: element.StorageNode | None,
          record: records.StoragePool | None) -> Pool:
    more = {}
    if record is not None:
        told = record.capabilities
        more = {'ratio': record.max_over_subscription_ratio,
                'reserved': (records.capacity(
                    told.get('reserved_percentage')) or 0) / 100,
                'thin': strutils.bool_from_string(
                    told.get('thin_provisioning_support'))}
    return Pool(pool.name, backend, *(
        _figure(pool, f'{name}_capacity_gb')
        for name in ('total', 'free', 'allocated', 'provisioned')),
        record=record, **more)


def _figure(pool, name):
    value = pool.get(name)
    return float(value) if isinstance(value, (int, float)) else None


def _volume(volume: element.Volume, migration: str | None) -> Volume:
    get = volume.get
    servers = dict.fromkeys(
        attachment.get('server_id') for attachment in get('attachments') or ())
    servers.pop(None, None)
    return Volume(
        volume.uuid, get('name') or '', get('size') or 0,
        get('status') or '', get('volume_type') or None,
        bool(get('bootable')), get('project_id') or '',
        get('created_at') or '', tuple(servers), migration,
        bool(get('attachments')))
