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
"""The storage model: backends, their pools, and the volumes in these."""

import datetime
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from lxml import etree

from watcher._i18n import _
from watcher.common import exception
from watcher.common.cinder import records
from watcher.decision_engine.model import cluster
from watcher.decision_engine.model import element
from watcher.decision_engine.model import rows
from watcher.decision_engine.model import serialisation


class StorageModelRoot(cluster.ClusterModel):
    """The backends, pools and volumes of a cloud as seen by strategies.

    Keys are ``host`` of a backend (``host@backend``), ``name`` of a pool
    (``host@backend#pool``) and ``uuid`` of a volume. A pool belongs to one
    backend, a volume to one pool, or to none.

    :ivar stand_ins: names of the pools whose figures are from an earlier
        reading, because they were not told when the cluster was read.
    :ivar reported_pools: what drivers reported about pools when the cluster
        was read, by name; None when not known.
    :ivar volume_types: all volume types; None when not known.
    :ivar migrating: migration status of the volumes that Cinder was moving
        when the cluster was read, or could not move, by uuid.
    """

    kinds = {'_nodes': element.StorageNode, '_pools': element.Pool,
             '_volumes': element.Volume}
    relations = ('_pool_places', '_volume_places')

    def __init__(self, stale: bool = False):
        super().__init__(stale)
        self.stand_ins: frozenset[str] = frozenset()
        # Replaced, never changed: copies share them.
        self.reported_pools: Mapping[str, records.StoragePool] | None = None
        self.volume_types: tuple[records.VolumeType, ...] | None = None
        self.migrating: Mapping[str, str] = {}

    # Checks ---------------------------------------------------------------

    @staticmethod
    def assert_node(obj: Any) -> None:
        """Raise IllegalArgumentException unless it is a StorageNode."""
        if not isinstance(obj, element.StorageNode):
            raise exception.IllegalArgumentException(
                message=_("'%s' is not a valid storage node") % (obj,))

    @staticmethod
    def assert_pool(obj: Any) -> None:
        """Raise IllegalArgumentException unless it is a Pool."""
        if not isinstance(obj, element.Pool):
            raise exception.IllegalArgumentException(
                message=_("'%s' is not a valid pool") % (obj,))

    @staticmethod
    def assert_volume(obj: Any) -> None:
        """Raise IllegalArgumentException unless it is a Volume."""
        if not isinstance(obj, element.Volume):
            raise exception.IllegalArgumentException(
                message=_("'%s' is not a valid volume") % (obj,))

    def _node_host(self, node):
        host = node if isinstance(node, str) else node.host
        if host not in self._nodes:
            raise exception.StorageNodeNotFound(name=host)
        return host

    def _pool_name(self, pool):
        name = pool if isinstance(pool, str) else pool.name
        if name not in self._pools:
            raise exception.PoolNotFound(name=name)
        return name

    def _volume_uuid(self, volume):
        uuid = volume if isinstance(volume, str) else volume.uuid
        if uuid not in self._volumes:
            raise exception.VolumeNotFound(name=uuid)
        return uuid

    # Backends -------------------------------------------------------------

    def add_node(self, node: element.StorageNode) -> None:
        """Add a backend, or replace the one with its host in its place."""
        self.assert_node(node)
        with self.lock:
            self._put(self._nodes, node.host, node)

    def remove_node(self, node: element.StorageNode | str) -> None:
        """Remove a backend; its pools stay in the model, unmapped.

        :raises: StorageNodeNotFound
        """
        with self.lock:
            host = self._node_host(node)
            self._pool_places.release([host])
            self._remove_host(self._nodes, host)

    def leave_out(self, keys: Iterable[str]) -> None:
        """Remove what is not well known of backends, with all volumes there.

        Pools that were told stay, and then so does the backend.

        :param keys: hosts; unknown ones are ignored.
        """
        with self.lock:
            hosts = {host for host in keys if host in self._nodes}
            for host in hosts:
                self._leave_out(host)
            if hosts:
                # What is in pools of which nothing is known.
                self._remove_volumes([
                    uuid for uuid, volume in self.get_all_volumes().items()
                    if self._volume_places.parent(uuid) is None
                    and (volume.get('host', None) or ''
                         ).partition('#')[0] in hosts])

    def _leave_out(self, host):
        pools = list(self._pool_places.children(host))
        unsure = [name for name in pools if name in self.stand_ins]
        for name in unsure:
            self._remove_volumes(list(self._volume_places.children(name)))
            self.remove_pool(name)
        if len(unsure) == len(pools):
            self._remove_host(self._nodes, host)

    def _remove_volumes(self, uuids):
        for uuid in uuids:
            self.remove_volume(uuid)

    def get_all_storage_nodes(self) -> dict[str, element.StorageNode]:
        """Return all backends by host, in the order of addition."""
        with self.lock:
            return self._nodes.elements()

    def get_node_by_name(self, name: str) -> element.StorageNode:
        """Return a backend.

        :param name: its host; from ``#`` on it does not count, so that the
            name of a pool will do.
        :raises: StorageNodeNotFound
        """
        with self.lock:
            return self._nodes.get(self._node_host(name.partition('#')[0]))

    def get_node_by_pool_name(self, name: str) -> element.StorageNode:
        """Return the backend of a pool.

        :raises: PoolNotFound; StorageNodeNotFound when it belongs to none
        """
        with self.lock:
            host = self._pool_places.parent(self._pool_name(name))
            if host is None:
                raise exception.StorageNodeNotFound(name=name)
            return self._nodes.get(host)

    def get_node_pools(
            self, node: element.StorageNode | str) -> list[element.Pool]:
        """Return the pools of a backend, in the order of mapping.

        :raises: StorageNodeNotFound
        """
        with self.lock:
            return [self._pools.get(name) for name
                    in self._pool_places.children(self._node_host(node))]

    # Pools ----------------------------------------------------------------

    def add_pool(self, pool: element.Pool) -> None:
        """Add a pool, or replace the one with its name in its place."""
        self.assert_pool(pool)
        with self.lock:
            self._put(self._pools, pool.name, pool)

    def remove_pool(self, pool: element.Pool | str) -> None:
        """Remove a pool; its volumes stay in the model, unmapped.

        :raises: PoolNotFound
        """
        with self.lock:
            name = self._pool_name(pool)
            self._volume_places.release([name])
            self._pool_places.unlink(name)
            self._remove(self._pools, name)

    def get_all_pools(self) -> dict[str, element.Pool]:
        """Return all pools by name, also those of no backend."""
        with self.lock:
            return self._pools.elements()

    def get_pool_by_pool_name(self, name: str) -> element.Pool:
        """Return a pool.

        :raises: PoolNotFound
        """
        with self.lock:
            return self._pools.get(self._pool_name(name))

    def get_pool_by_volume(
            self, volume: element.Volume | str) -> element.Pool:
        """Return the pool of a volume.

        :raises: VolumeNotFound; PoolNotFound when it is in none
        """
        with self.lock:
            uuid = self._volume_uuid(volume)
            name = self._volume_places.parent(uuid)
            if name is None:
                raise exception.PoolNotFound(name=uuid)
            return self._pools.get(name)

    def get_pool_volumes(
            self, pool: element.Pool | str) -> list[element.Volume]:
        """Return the volumes in a pool, in the order of mapping.

        :raises: PoolNotFound
        """
        with self.lock:
            return [self._volumes.get(uuid) for uuid
                    in self._volume_places.children(self._pool_name(pool))]

    def map_pool(self, pool: element.Pool | str,
                 node: element.StorageNode | str) -> None:
        """Give a pool to a backend; one of another backend is moved.

        Elements that are not part of the model yet are added.

        :raises: PoolNotFound, StorageNodeNotFound for unknown names
        """
        with self.lock:
            if not isinstance(pool, str):
                self.assert_pool(pool)
                if pool.name not in self._pools:
                    self.add_pool(pool)
            if not isinstance(node, str):
                self.assert_node(node)
                if node.host not in self._nodes:
                    self.add_node(node)
            self._relate(self._pool_places, self._pool_name(pool),
                         self._node_host(node))

    def unmap_pool(self, pool: element.Pool | str,
                   node: element.StorageNode | str) -> None:
        """Take a pool from a backend; it stays in the model.

        :raises: PoolNotFound; StorageNodeNotFound when there is no such
            backend, or the pool belongs to another one
        """
        with self.lock:
            name, host = self._pool_name(pool), self._node_host(node)
            if self._pool_places.parent(name) != host:
                raise exception.StorageNodeNotFound(name=host)
            self._pool_places.unlink(name)
            self._graph = None

    # Volumes --------------------------------------------------------------

    def add_volume(self, volume: element.Volume) -> None:
        """Add a volume, or replace the one with its uuid in its place."""
        self.assert_volume(volume)
        with self.lock:
            self._put(self._volumes, volume.uuid, volume)

    def remove_volume(self, volume: element.Volume | str) -> None:
        """Remove a volume.

        :raises: VolumeNotFound
        """
        with self.lock:
            uuid = self._volume_uuid(volume)
            self._volume_places.unlink(uuid)
            self._remove(self._volumes, uuid)

    delete_volume = remove_volume

    def get_all_volumes(self) -> dict[str, element.Volume]:
        """Return all volumes by uuid, also those in no pool."""
        with self.lock:
            return self._volumes.elements()

    def get_volume_by_uuid(self, uuid: str) -> element.Volume:
        """Return a volume.

        :raises: VolumeNotFound
        """
        with self.lock:
            return self._volumes.get(self._volume_uuid(uuid))

    def map_volume(self, volume: element.Volume | str,
                   pool: element.Pool | str) -> None:
        """Put a volume into a pool; one in another pool is moved.

        Elements that are not part of the model yet are added.

        :raises: VolumeNotFound, PoolNotFound for unknown ones
        """
        with self.lock:
            if not isinstance(volume, str):
                self.assert_volume(volume)
                if volume.uuid not in self._volumes:
                    self.add_volume(volume)
            if not isinstance(pool, str):
                self.assert_pool(pool)
                if pool.name not in self._pools:
                    self.add_pool(pool)
            self._relate(self._volume_places, self._volume_uuid(volume),
                         self._pool_name(pool))

    def unmap_volume(self, volume: element.Volume | str,
                     pool: element.Pool | str) -> None:
        """Take a volume out of a pool; it stays in the model.

        :raises: VolumeNotFound; PoolNotFound when there is no such pool, or
            the volume is in another one
        """
        with self.lock:
            uuid, name = self._volume_uuid(volume), self._pool_name(pool)
            if self._volume_places.parent(uuid) != name:
                raise exception.PoolNotFound(name=name)
            self._volume_places.unlink(uuid)
            self._graph = None

    # Output and input -----------------------------------------------------

    def _alone(self, table, relation):
        """Return the keys of what belongs to nothing, sorted."""
        return [key for key in sorted(table)
                if relation.parent(key) is None]

    def _write_xml(self, root: etree._Element) -> None:
        # What belongs to nothing follows at the end, so that nothing is
        # lost when the text is read again.
        for host in sorted(self._nodes):
            node = serialisation.add(root, self._nodes, host)
            for name in sorted(self._pool_places.children(host)):
                self._write_pool(node, name)
        for name in self._alone(self._pools, self._pool_places):
            self._write_pool(root, name)
        for uuid in self._alone(self._volumes, self._volume_places):
            serialisation.add(root, self._volumes, uuid)

    def _write_pool(self, above, name):
        pool = serialisation.add(above, self._pools, name)
        for uuid in sorted(self._volume_places.children(name)):
            serialisation.add(pool, self._volumes, uuid)

    def _rows(self, now: datetime.datetime | None
              ) -> Iterator[dict[str, Any]]:
        # One row for each volume, with what is known about its pool and
        # backend; one for each pool or backend that is empty.
        nodes = self._host_rows(self._nodes, now)
        pools = serialisation.Rows(
            self._pools, 'pool', None if now is None else rows.of_elements(
                'pool', self.heard_at, self.built_at))
        volumes = serialisation.Rows(self._volumes, 'volume')

        def of_pools(names):
            for name in names:
                yield from serialisation.below(
                    pools.items(name),
                    (volumes.items(uuid) for uuid
                     in sorted(self._volume_places.children(name))))
        for host in sorted(self._nodes):
            yield from serialisation.below(nodes.items(host), of_pools(
                sorted(self._pool_places.children(host))))
        yield from of_pools(self._alone(self._pools, self._pool_places))
        for uuid in self._alone(self._volumes, self._volume_places):
            yield volumes.items(uuid)

    @classmethod
    def from_xml(cls, data: str | bytes) -> 'StorageModelRoot':
        """Read a model from XML, also in the dialects of older releases.

        :raises: Invalid when it is not XML.
        """
        root = serialisation.parse(data)
        model = cls()
        for node, _above in serialisation.read(root, element.StorageNode):
            model.add_node(node)
        for pool, above in serialisation.read(
                root, element.Pool, 'StorageNode'):
            model.add_pool(pool)
            if above is not None:
                model.map_pool(pool.name, above['host'])
        for volume, above in serialisation.read(
                root, element.Volume, 'Pool'):
            model.add_volume(volume)
            if above is not None:
                model.map_volume(volume.uuid, above['name'])
        return model

    @classmethod
    def is_isomorphic(cls, g1: 'StorageModelRoot',
                      g2: 'StorageModelRoot') -> bool:
        """Tell whether two models have the same structure.

        As many backends with as many pools with as many volumes; names and
        values do not count.
        """
        return g1._shape() == g2._shape()

    def _shape(self):
        with self.lock:
            def sizes(names):
                return sorted(len(self._volume_places.children(name))
                              for name in names)
            return (sorted(sizes(self._pool_places.children(host))
                           for host in self._nodes),
                    sizes(self._alone(self._pools, self._pool_places)),
                    len(self._alone(self._volumes, self._volume_places)))

    def add_edge(self, lower: str, upper: str) -> None:
        """Put a volume into a pool, or give a pool to a backend."""
        with self.lock:
            if lower in self._volumes:
                self.map_volume(lower, upper)
            else:
                self.map_pool(lower, upper)

    def remove_edge(self, lower: str, upper: str) -> None:
        """Take a volume out of a pool, or a pool from a backend."""
        with self.lock:
            if lower in self._volumes:
                self.unmap_volume(lower, upper)
            else:
                self.unmap_pool(lower, upper)
