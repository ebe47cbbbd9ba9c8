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
"""The compute model: hosts, the servers on them, and what is used and free.

Lookups by uuid and host name, moves, and the sums of used resources cost the
same in a cloud of any size.
"""

import datetime
import operator
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

from lxml import etree
from oslo_config import cfg

from watcher._i18n import _
from watcher.common import exception
from watcher.decision_engine.model import cluster
from watcher.decision_engine.model import element
from watcher.decision_engine.model import persistent
from watcher.decision_engine.model import scheduling
from watcher.decision_engine.model import serialisation
from watcher.decision_engine.model.element import base as element_base

CONF = cfg.CONF

_INSTANCE = element.Instance.fields

# Positions of the summed fields in the values of an instance.
_SIZES = operator.itemgetter(
    _INSTANCE['vcpus'].index, _INSTANCE['memory'].index,
    _INSTANCE['disk'].index)
_SIZE_FIELDS = frozenset(('vcpus', 'memory', 'disk'))
_HOSTNAME = element.ComputeNode.fields['hostname'].index


class ModelRoot(cluster.ClusterModel):
    """The hosts and servers of a cloud as seen by strategies.

    :ivar aggregates: host aggregates when the cluster was read, None when
        not known.
    :ivar zones: availability zone by compute service host, None when not
        known.
    :ivar server_groups: the server groups of all projects, None when not
        known.
    :ivar traits: uuids of the hosts that have a trait, by each trait that
        flavors of the cloud's servers speak of; None when not known.
    :ivar inventories: what hosts offer of further resource classes, by
        class and uuid of the host; None when not known.
    :ivar offers: what parts of hosts, and providers that they share, have
        free of further resource classes that the cloud's servers ask for, by
        class and uuid of the host; None when not known.
    :ivar units: in which amounts hosts give resource classes, by class and
        uuid of the host, where that is more than their size says.
    :ivar pinned_zones_known: whether Nova told which servers are pinned to
        their availability zones.
    """

    kinds = {'_nodes': element.ComputeNode, '_instances': element.Instance}
    relations = ('_places',)
    # Sums of servers by host, uuids of hosts by name, wishes by server,
    # server groups by id.
    indexes = ('_used', '_names', '_wishes', '_groups')

    def __init__(self, stale: bool = False):
        super().__init__(stale)
        self.aggregates: tuple | None = None
        self.zones: dict[str, str] | None = None
        self._groups = persistent.ForkableTable()
        self._groups_known = False
        self.traits: dict[str, frozenset[str]] | None = None
        self.inventories: dict[str, dict[str, float]] | None = None
        self.offers: dict[
            str, dict[str, tuple[scheduling.Offer, ...]]] | None = None
        self.units: dict[str, dict[str, scheduling.Units]] = {}
        self.pinned_zones_known = False
        self._extended = None

    @property
    def extended_attributes_enabled(self) -> bool:
        """Whether extra specs and pinned zones are part of the model.

        The first read takes ``[compute_model] enable_extended_attributes``;
        the value then stays for this model and its copies.
        """
        if self._extended is None:
            self._extended = CONF.compute_model.enable_extended_attributes
        return self._extended

    @extended_attributes_enabled.setter
    def extended_attributes_enabled(self, value: bool) -> None:
        self._extended = value

    # Indexes --------------------------------------------------------------

    def _written(self, table):
        return {'_nodes': self._node_written,
                '_instances': self._instance_written}[table]

    def _node_written(self, uuid, field, old, values):
        if field == 'hostname':
            self._forget_name(old, uuid)
            self._learn_name(values[_HOSTNAME], uuid)

    def _instance_written(self, uuid, field, old, values):
        if field in _SIZE_FIELDS:
            host = self._places.parent(uuid)
            if host is not None:
                sizes = list(_SIZES(values))
                before = [old if name == field else size for name, size
                          in zip(('vcpus', 'memory', 'disk'), sizes,
                                 strict=True)]
                self._add_used(host, before, -1)
                self._add_used(host, sizes, 1)

    def _learn_name(self, name, uuid):
        if name is not element_base.UNSET:
            self._names[name] = (*self._names.get(name, ()), uuid)

    def _forget_name(self, name, uuid):
        left = tuple(known for known in self._names.get(name, ())
                     if known != uuid)
        if left:
            self._names[name] = left
        else:
            self._names.pop(name, None)

    # Checks ---------------------------------------------------------------

    @staticmethod
    def assert_node(obj: Any) -> None:
        """Raise IllegalArgumentException unless it is a ComputeNode."""
        if not isinstance(obj, element.ComputeNode):
            raise exception.IllegalArgumentException(
                message=_("'%s' is not a valid compute node") % (obj,))

    @staticmethod
    def assert_instance(obj: Any) -> None:
        """Raise IllegalArgumentException unless it is an Instance."""
        if not isinstance(obj, element.Instance):
            raise exception.IllegalArgumentException(
                message=_("'%s' is not a valid instance") % (obj,))

    def _node_uuid(self, node):
        uuid = node if isinstance(node, str) else node.uuid
        if uuid not in self._nodes:
            raise exception.ComputeNodeNotFound(name=uuid)
        return uuid

    def _instance_uuid(self, instance):
        uuid = instance if isinstance(instance, str) else instance.uuid
        if uuid not in self._instances:
            raise exception.InstanceNotFound(name=uuid)
        return uuid

    # Hosts ----------------------------------------------------------------

    def add_node(self, node: element.ComputeNode) -> None:
        """Add a host, or replace the one with its uuid.

        Servers on a replaced host stay there. An element of another model
        is copied.
        """
        self.assert_node(node)
        uuid = node.uuid
        with self.lock:
            if uuid in self._nodes:
                self._forget_name(
                    self._nodes.values_of(uuid)[_HOSTNAME], uuid)
            else:
                self._used[uuid] = (0, 0, 0)
            self._put(self._nodes, uuid, node)
            self._learn_name(self._nodes.values_of(uuid)[_HOSTNAME], uuid)

    def remove_node(self, node: element.ComputeNode | str) -> None:
        """Remove a host; its servers stay in the model, unmapped.

        :raises: ComputeNodeNotFound
        """
        with self.lock:
            self._drop_nodes([self._node_uuid(node)])

    def remove_nodes(self, uuids: Iterable[str]) -> None:
        """Remove hosts together with the servers on them.

        :param uuids: unknown ones are ignored.
        """
        with self.lock:
            gone = self._drop_nodes([
                uuid for uuid in dict.fromkeys(uuids)
                if uuid in self._nodes])
            self._instances.remove_many(gone)
            self._wishes.remove_many([uuid for uuid in gone
                                      if uuid in self._wishes])
            self._clocks.left(gone)

    leave_out = remove_nodes

    def _drop_nodes(self, uuids):
        """Remove hosts and return what was on them."""
        instances = self._places.release(uuids)
        for uuid in uuids:
            self._forget_name(self._nodes.values_of(uuid)[_HOSTNAME], uuid)
            self._used.pop(uuid, None)
            self._remove_host(self._nodes, uuid)
        return instances

    def get_all_compute_nodes(self) -> dict[str, element.ComputeNode]:
        """Return all hosts by uuid, in the order of addition."""
        with self.lock:
            return self._nodes.elements()

    def get_node_by_uuid(self, uuid: str) -> element.ComputeNode:
        """Return a host.

        :raises: ComputeNodeNotFound
        """
        with self.lock:
            found = self._nodes.get(uuid)
        if found is None:
            raise exception.ComputeNodeNotFound(name=uuid)
        return found

    def get_node_by_name(self, name: str) -> element.ComputeNode:
        """Return the first host with exactly this service host name.

        :raises: ComputeNodeNotFound
        """
        with self.lock:
            uuids = self._names.get(name)
            if not uuids:
                raise exception.ComputeNodeNotFound(name=name)
            return self._nodes.get(uuids[0])

    def get_node_uuids_by_name(self, name: str) -> tuple[str, ...]:
        """Return the keys of all hosts of a compute service, maybe none."""
        with self.lock:
            return self._names.get(name, ())

    def get_node_by_instance_uuid(self, uuid: str) -> element.ComputeNode:
        """Return the host of a server.

        :raises: InstanceNotFound, InstanceNotMapped
        """
        with self.lock:
            host = self._places.parent(self._instance_uuid(uuid))
            if host is None:
                raise exception.InstanceNotMapped(uuid=uuid)
            return self._nodes.get(host)

    def get_node_instances(
            self, node: element.ComputeNode | str) -> list[element.Instance]:
        """Return the servers on a host, in the order of mapping.

        :raises: ComputeNodeNotFound
        """
        with self.lock:
            return [self._instances.get(uuid) for uuid
                    in self._places.children(self._node_uuid(node))]

    # Servers --------------------------------------------------------------

    def add_instance(self, instance: element.Instance) -> None:
        """Add a server, or replace the one with its uuid in its place."""
        self.assert_instance(instance)
        uuid = instance.uuid
        with self.lock:
            host = self._places.parent(uuid)
            if host is not None:
                self._add_used(host, self._sizes(uuid), -1)
            self._put(self._instances, uuid, instance)
            if host is not None:
                self._add_used(host, self._sizes(uuid), 1)

    def remove_instance(self, instance: element.Instance | str) -> None:
        """Remove a server.

        :raises: InstanceNotFound
        """
        with self.lock:
            uuid = self._instance_uuid(instance)
            self._unmap(uuid)
            self._remove(self._instances, uuid)
            self._wishes.pop(uuid, None)

    def delete_instance(self, instance: element.Instance | str,
                        node: Any = None) -> None:
        """Remove a server; ``node`` is not looked at."""
        self.remove_instance(instance)

    def get_all_instances(self) -> dict[str, element.Instance]:
        """Return all servers by uuid, also those on no host."""
        with self.lock:
            return self._instances.elements()

    def pick_instances(self, *names: str) -> dict[str, tuple]:
        """Return some fields of all servers by uuid, None where unset.

        For loops over all servers of a big cloud: no elements are made.
        Structures among the values must not be changed.

        :param names: at least two.
        """
        pick = element.Instance.picker(*names)
        with self.lock:
            return {uuid: pick(values) for uuid, values
                    in self._instances.all_values().items()}

    def get_instance_uuids_by_node(self) -> dict[str, list[str]]:
        """Return the servers on each host, in the order of mapping."""
        with self.lock:
            return {uuid: list(self._places.children(uuid))
                    for uuid in self._nodes}

    def get_instance_by_uuid(self, uuid: str) -> element.Instance:
        """Return a server.

        :raises: InstanceNotFound
        """
        with self.lock:
            found = self._instances.get(uuid)
        if found is None:
            raise exception.InstanceNotFound(name=uuid)
        return found

    def set_wishes(self, uuid: str, wishes: scheduling.Wishes) -> None:
        """Note what a server asks of its host.

        It is known whether or not ``[compute_model]
        enable_extended_attributes`` shows it in the elements.

        :raises: InstanceNotFound
        """
        with self.lock:
            self._instance_uuid(uuid)
            if wishes:
                self._wishes[uuid] = wishes
            else:
                self._wishes.pop(uuid, None)

    def get_wishes(self, uuid: str) -> scheduling.Wishes:
        """Return what a server asks of its host."""
        with self.lock:
            return self._wishes.get(uuid, scheduling.NO_WISHES)

    def all_wishes(self) -> dict[str, scheduling.Wishes]:
        """Return the wishes of the servers that have some, by uuid."""
        with self.lock:
            return dict(self._wishes)

    # Server groups --------------------------------------------------------

    @property
    def server_groups(self) -> tuple[scheduling.ServerGroup, ...] | None:
        with self.lock:
            return (tuple(self._groups.values()) if self._groups_known
                    else None)

    @server_groups.setter
    def server_groups(
            self,
            groups: Iterable[scheduling.ServerGroup] | None) -> None:
        with self.lock:
            self._groups_known = groups is not None
            self._groups = persistent.ForkableTable(
                (group.id, group) for group in groups or ())

    def put_server_group(self, group: scheduling.ServerGroup) -> None:
        """Add or replace a server group, if the others are known."""
        with self.lock:
            if self._groups_known:
                self._groups[group.id] = group

    def remove_server_group(self, ident: str) -> None:
        """Remove a server group, if there is such a one."""
        with self.lock:
            self._groups.pop(ident, None)

    # Which server is on which host ----------------------------------------

    def map_instance(self, instance: element.Instance | str,
                     node: element.ComputeNode | str) -> None:
        """Put a server on a host; one on another host is moved.

        Elements that are not part of the model yet are added.

        :raises: InstanceNotFound, ComputeNodeNotFound for unknown uuids
        """
        with self.lock:
            if not isinstance(instance, str):
                self.assert_instance(instance)
                if instance.uuid not in self._instances:
                    self.add_instance(instance)
            if not isinstance(node, str):
                self.assert_node(node)
                if node.uuid not in self._nodes:
                    self.add_node(node)
            self._map(self._instance_uuid(instance), self._node_uuid(node))

    def unmap_instance(self, instance: element.Instance | str,
                       node: element.ComputeNode | str) -> None:
        """Take a server off a host; it stays in the model.

        :raises: InstanceNotFound, ComputeNodeNotFound, InstanceNotMapped
        """
        with self.lock:
            uuid = self._instance_uuid(instance)
            if self._places.parent(uuid) != self._node_uuid(node):
                raise exception.InstanceNotMapped(uuid=uuid)
            self._unmap(uuid)

    def migrate_instance(self, instance: element.Instance,
                         source_node: element.ComputeNode,
                         destination_node: element.ComputeNode) -> bool:
        """Move a server; whether it fits is not checked.

        :returns: False when both hosts are the same, else True.
        :raises: InstanceNotMapped when it is not on the source.
        """
        self.assert_instance(instance)
        self.assert_node(source_node)
        self.assert_node(destination_node)
        with self.lock:
            uuid = self._instance_uuid(instance)
            source = self._node_uuid(source_node)
            destination = self._node_uuid(destination_node)
            if source == destination:
                return False
            if self._places.parent(uuid) != source:
                raise exception.InstanceNotMapped(uuid=uuid)
            self._map(uuid, destination)
            return True

    def _map(self, uuid, host):
        before = self._places.parent(uuid)
        if self._relate(self._places, uuid, host):
            sizes = self._sizes(uuid)
            if before is not None:
                self._add_used(before, sizes, -1)
            self._add_used(host, sizes, 1)

    def _unmap(self, uuid):
        host = self._places.unlink(uuid)
        if host is not None:
            self._add_used(host, self._sizes(uuid), -1)
            self._graph = None

    # Used and free --------------------------------------------------------

    def _sizes(self, uuid):
        return _SIZES(self._instances.values_of(uuid))

    def _add_used(self, host, sizes, sign):
        used = self._used.get(host)
        if element_base.UNSET in sizes:
            # Nobody can tell before that server is gone or has a size.
            self._used.pop(host, None)
        elif used is not None:
            self._used[host] = (used[0] + sign * sizes[0],
                                used[1] + sign * sizes[1],
                                used[2] + sign * sizes[2])

    def _sum_used(self, host):
        used = self._used.get(host)
        if used is not None:
            return used
        vcpus = memory = disk = 0
        for uuid in self._places.children(host):
            sizes = self._sizes(uuid)
            if element_base.UNSET in sizes:
                raise NotImplementedError(
                    _('The size of server %s is not set') % uuid)
            vcpus += sizes[0]
            memory += sizes[1]
            disk += sizes[2]
        used = self._used[host] = (vcpus, memory, disk)
        return used

    def get_node_used_resources(
            self, node: element.ComputeNode | str) -> dict[str, int]:
        """Return the sums over the servers on a host, in any state.

        :returns: ``vcpu``, ``memory`` (MB), ``disk`` (GB)
        :raises: ComputeNodeNotFound
        """
        with self.lock:
            vcpus, memory, disk = self._sum_used(self._node_uuid(node))
        return {'vcpu': vcpus, 'memory': memory, 'disk': disk}

    def get_node_free_resources(
            self, node: element.ComputeNode | str) -> dict[str, float]:
        """Return capacity minus used of a host; may be negative.

        :returns: ``vcpu``, ``memory`` (MB), ``disk`` (GB)
        :raises: ComputeNodeNotFound
        """
        with self.lock:
            uuid = self._node_uuid(node)
            known = self._nodes.get(uuid)
            vcpus, memory, disk = self._sum_used(uuid)
        return {'vcpu': known.vcpu_capacity - vcpus,
                'memory': known.memory_mb_capacity - memory,
                'disk': known.disk_gb_capacity - disk}

    def invalidate_node_resource_cache(
            self, node: element.ComputeNode | str) -> None:
        """Do nothing: sums are kept with every change. For plug-ins."""

    def invalidate_resource_cache(self) -> None:
        """Do nothing: sums are kept with every change. For plug-ins."""

    # Output and input -----------------------------------------------------

    def _write_xml(self, root: etree._Element) -> None:
        for uuid in sorted(self._nodes):
            node = serialisation.add(root, self._nodes, uuid)
            for instance in sorted(self._places.children(uuid)):
                serialisation.add(node, self._instances, instance)
        for uuid in sorted(self._instances):
            if self._places.parent(uuid) is None:
                serialisation.add(root, self._instances, uuid)

    def _rows(self, now: datetime.datetime | None
              ) -> Iterator[dict[str, Any]]:
        # Servers on no host have no row: so the API has always shown it.
        nodes = self._host_rows(self._nodes, now)
        servers = serialisation.Rows(self._instances, 'server')
        for uuid in sorted(self._nodes):
            yield from serialisation.below(
                nodes.items(uuid),
                (servers.items(instance) for instance
                 in sorted(self._places.children(uuid))))

    @classmethod
    def from_xml(cls, data: str | bytes) -> 'ModelRoot':
        """Read a model from XML, also in the dialects of older releases.

        :raises: Invalid when it is not XML.
        """
        root = serialisation.parse(data)
        model = cls()
        for node, _above in serialisation.read(root, element.ComputeNode):
            model.add_node(node)
        for instance, above in serialisation.read(
                root, element.Instance, 'ComputeNode'):
            model.add_instance(instance)
            if above is not None:
                model.map_instance(instance, above['uuid'])
        return model

    @classmethod
    def is_isomorphic(cls, g1: 'ModelRoot', g2: 'ModelRoot') -> bool:
        """Tell whether two models have equal elements in equal places."""
        return g1._contents() == g2._contents()

    def _contents(self):
        with self.lock:
            return (self._nodes.all_values(), self._instances.all_values(),
                    dict(self._places.pairs()))

    def add_edge(self, instance: str, node: str) -> None:
        """Put the server on the host (both uuids)."""
        self.map_instance(instance, node)

    def remove_edge(self, instance: str, node: str) -> None:
        """Take the server off the host (both uuids)."""
        self.unmap_instance(instance, node)
