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

A copy shares the values of its original until one of the two changes them,
so that each audit can have a model of its own at hardly any cost. Lookups by
uuid and host name and the sums of used resources cost the same in a cloud of
any size.
"""

import datetime
import operator
import threading
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

import networkx
from lxml import etree
from oslo_config import cfg
from oslo_log import log

from watcher._i18n import _
from watcher.common import exception
from watcher.decision_engine.model import base
from watcher.decision_engine.model import element
from watcher.decision_engine.model.element import base as element_base

LOG = log.getLogger(__name__)
CONF = cfg.CONF

_INSTANCE = element.Instance.fields
_NODE = element.ComputeNode.fields

# Positions of the summed fields in the values of an instance.
_SIZES = operator.itemgetter(
    _INSTANCE['vcpus'].index, _INSTANCE['memory'].index,
    _INSTANCE['disk'].index)
_SIZE_FIELDS = frozenset(('vcpus', 'memory', 'disk'))
_HOSTNAME = _NODE['hostname'].index


class _Table:
    """The elements of one kind by uuid.

    ``shared`` holds values that other models use as well; they are never
    changed. An element is made of them when it is asked for.
    """

    __slots__ = ('cls', 'tracker', 'shared', 'own', 'new', 'gone')

    def __init__(self, cls, tracker, shared=None):
        self.cls = cls
        self.tracker = tracker
        self.shared = {} if shared is None else shared
        self.own = {}     # elements whose key is in shared
        self.new = {}     # elements whose key is not, in order of addition
        self.gone = set()  # keys of shared that do not count any more

    def __len__(self):
        return len(self.shared) - len(self.gone) + len(self.new)

    def __contains__(self, key):
        return (key in self.new
                or (key in self.shared and key not in self.gone))

    def __iter__(self):
        if self.gone:
            yield from (key for key in self.shared if key not in self.gone)
        else:
            yield from self.shared
        yield from self.new

    def get(self, key):
        """Return the element, None when there is none."""
        found = self.own.get(key) or self.new.get(key)
        if found is not None:
            return found
        values = self.shared.get(key)
        if values is None or key in self.gone:
            return None
        made = self.cls.from_values(values)
        made._tracker = self.tracker
        self.own[key] = made
        return made

    def values_of(self, key):
        """Return the values without making an element."""
        found = self.own.get(key) or self.new.get(key)
        return found._values if found is not None else self.shared[key]

    def put(self, key, added):
        """Add or replace an element and return the one that is kept."""
        if added._tracker is not None:
            if self.get(key) is added:
                return added
            # It belongs to another model, or here under another uuid.
            added = added.from_values(added._detached())
        replaced = self.own.get(key) or self.new.get(key)
        if replaced is not None:
            self._release(replaced)
        added._tracker = self.tracker
        if (added._epoch is element_base.HELD
                and added._mutable_indexes):
            self.tracker.exposed[id(added)] = added
            added._epoch = self.tracker.epoch
        if key in self.shared and key not in self.gone:
            self.own[key] = added
        else:
            self.new[key] = added
        return added

    def remove(self, key):
        removed = self.own.pop(key, None) or self.new.pop(key, None)
        if removed is not None:
            self._release(removed)
        if key in self.shared:
            self.gone.add(key)

    def remove_many(self, keys):
        for key in keys:
            if key in self.own or key in self.new:
                self.remove(key)
            elif key in self.shared:
                self.gone.add(key)

    def _release(self, released):
        self.tracker.exposed.pop(id(released), None)
        released._tracker = None
        released._epoch = element_base.HELD

    def elements(self):
        """Return all elements by key, in order."""
        return {key: self.get(key) for key in self}

    def share(self):
        """Return all values by key and go on above them."""
        if self.own or self.new or self.gone:
            if self.gone:
                shared = {key: values for key, values in self.shared.items()
                          if key not in self.gone}
            else:
                shared = dict(self.shared)
            for elements in (self.own, self.new):
                for key, kept in elements.items():
                    shared[key] = kept._values
            exposed = self.tracker.exposed
            if exposed:
                for elements in (self.own, self.new):
                    for key, kept in elements.items():
                        if id(kept) in exposed:
                            shared[key] = kept._detached()
            self.shared = shared
            self.own.update(self.new)
            self.new = {}
            self.gone = set()
        return self.shared


class _Overlay:
    """A mapping with changes above a shared one; None means no value."""

    __slots__ = ('shared', 'changes')

    def __init__(self, shared=None):
        self.shared = {} if shared is None else shared
        self.changes = {}

    def get(self, key):
        try:
            return self.changes[key]
        except KeyError:
            return self.shared.get(key)

    def set(self, key, value):
        self.changes[key] = value

    def drop(self, keys):
        self.changes.update(dict.fromkeys(keys))

    def share(self):
        if self.changes:
            merged = {**self.shared, **self.changes}
            self.shared = {key: value for key, value in merged.items()
                           if value is not None}
            self.changes = {}
        return self.shared


class _Snapshot:
    """The contents of a model at one moment, shared by its copies."""

    __slots__ = ('version', 'structure', 'nodes', 'instances', 'host_of',
                 'on_host', 'used', 'names')


class ModelRoot(base.Model):
    """The cluster as seen by strategies.

    Elements that are asked for are live: what is written to them shows in
    this model and in no other. Methods take a lock of this model only.

    :param stale: whether the contents are known to be out of date; such a
        model counts as false.
    :ivar built_at: when reading the cluster began (UTC), None when the
        model was made by hand.
    :ivar aggregates: host aggregates at that time, None when not known.
    :ivar zones: availability zone by compute service host, None when not
        known.
    :ivar incomplete_nodes: why hosts were left out, by hypervisor uuid.
    """

    def __init__(self, stale: bool = False):
        self.stale = stale
        self.built_at: datetime.datetime | None = None
        self.aggregates: tuple | None = None
        self.zones: dict[str, str] | None = None
        self.incomplete_nodes: dict[str, str] = {}
        self.lock = threading.RLock()
        self._extended = None
        self._set_up(None)

    def _set_up(self, snapshot):
        tracker = element_base.Tracker(self)
        self._tracker = tracker
        self._snapshot = snapshot
        self._graph = None
        self._structure = object()
        if snapshot is None:
            self._nodes = _Table(element.ComputeNode, tracker)
            self._instances = _Table(element.Instance, tracker)
            self._host_of = _Overlay()
            self._on_host = {}
            self._used = {}
            self._names = {}
            return
        tracker.version = snapshot.version
        self._structure = snapshot.structure
        self._nodes = _Table(element.ComputeNode, tracker, snapshot.nodes)
        self._instances = _Table(
            element.Instance, tracker, snapshot.instances)
        self._host_of = _Overlay(snapshot.host_of)
        # These three have one entry for each host only.
        self._on_host = dict(snapshot.on_host)
        self._used = dict(snapshot.used)
        self._names = dict(snapshot.names)

    def __bool__(self):
        return not self.stale

    def __len__(self):
        with self.lock:
            return len(self._nodes) + len(self._instances)

    @property
    def age(self) -> float | None:
        """Seconds since the cluster was read; None when not known."""
        if self.built_at is None:
            return None
        now = datetime.datetime.now(datetime.UTC)
        return (now - self.built_at).total_seconds()

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

    # Copies ---------------------------------------------------------------

    def copy(self) -> 'ModelRoot':
        """Return an independent model of the same contents.

        Costs a few microseconds when nothing changed since the last copy,
        else about 0.1 microseconds for each element.
        """
        with self.lock:
            made = type(self)(stale=self.stale)
            made.built_at = self.built_at
            made.aggregates = self.aggregates
            made.zones = self.zones
            made.incomplete_nodes = dict(self.incomplete_nodes)
            made._extended = self._extended
            made._set_up(self._take_snapshot())
            return made

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy()

    def _take_snapshot(self):
        tracker = self._tracker
        known = self._snapshot
        if (known is not None and known.version is tracker.version
                and not tracker.exposed):
            return known
        version = tracker.version
        taken = _Snapshot()
        taken.version = version
        taken.structure = self._structure
        taken.nodes = self._nodes.share()
        taken.instances = self._instances.share()
        taken.host_of = self._host_of.share()
        for uuid, instances in self._on_host.items():
            if not isinstance(instances, tuple):
                self._on_host[uuid] = tuple(instances)
        taken.on_host = dict(self._on_host)
        taken.used = dict(self._used)
        taken.names = dict(self._names)
        # What has been handed out stays with its element: the snapshot got
        # copies of it. Everything else is shared from now on.
        tracker.epoch = object()
        for exposed in tracker.exposed.values():
            exposed._epoch = tracker.epoch
        self._snapshot = taken
        return taken

    def element_changed(self, changed: element_base.Element, field: str,
                        old: Any) -> None:
        """Keep indexes and sums right after an element was written.

        Called by the element itself.
        """
        if isinstance(changed, element.Instance):
            if field in _SIZE_FIELDS:
                with self.lock:
                    self._used.pop(self._host_of.get(changed.uuid), None)
        elif field == 'hostname':
            with self.lock:
                self._forget_name(old, changed.uuid)
                self._learn_name(changed._values[_HOSTNAME], changed.uuid)

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

    def _touch(self):
        self._tracker.version = self._structure = object()

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
                self._on_host[uuid] = {}
            kept = self._nodes.put(uuid, node)
            self._learn_name(kept._values[_HOSTNAME], uuid)
            self._touch()

    def remove_node(self, node: element.ComputeNode | str) -> None:
        """Remove a host; its servers stay in the model, unmapped.

        :raises: ComputeNodeNotFound
        """
        with self.lock:
            uuid = self._node_uuid(node)
            self._host_of.drop(self._on_host.pop(uuid))
            self._drop_node(uuid)
            self._touch()

    def remove_nodes(self, uuids: Iterable[str]) -> None:
        """Remove hosts together with the servers on them.

        :param uuids: unknown ones are ignored.
        """
        with self.lock:
            for uuid in uuids:
                if uuid not in self._nodes:
                    continue
                instances = self._on_host.pop(uuid)
                self._instances.remove_many(instances)
                self._host_of.drop(instances)
                self._drop_node(uuid)
            self._touch()

    def _drop_node(self, uuid):
        self._forget_name(self._nodes.values_of(uuid)[_HOSTNAME], uuid)
        self._used.pop(uuid, None)
        self._nodes.remove(uuid)

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

    def get_node_by_instance_uuid(self, uuid: str) -> element.ComputeNode:
        """Return the host of a server.

        :raises: InstanceNotFound, InstanceNotMapped
        """
        with self.lock:
            host = self._host_of.get(self._instance_uuid(uuid))
            if host is None:
                raise exception.InstanceNotMapped(uuid=uuid)
            return self._nodes.get(host)

    def get_node_instances(
            self, node: element.ComputeNode | str) -> list[element.Instance]:
        """Return the servers on a host, in the order of mapping.

        :raises: ComputeNodeNotFound
        """
        with self.lock:
            return [self._instances.get(uuid)
                    for uuid in self._on_host[self._node_uuid(node)]]

    # Servers --------------------------------------------------------------

    def add_instance(self, instance: element.Instance) -> None:
        """Add a server, or replace the one with its uuid in its place."""
        self.assert_instance(instance)
        with self.lock:
            self._add_instance(instance)

    def _add_instance(self, instance):
        uuid = instance.uuid
        self._instances.put(uuid, instance)
        host = self._host_of.get(uuid)
        if host is not None:
            self._used.pop(host, None)
        self._touch()

    def remove_instance(self, instance: element.Instance | str) -> None:
        """Remove a server.

        :raises: InstanceNotFound
        """
        with self.lock:
            uuid = self._instance_uuid(instance)
            self._unmap(uuid)
            self._instances.remove(uuid)
            self._touch()

    def delete_instance(self, instance: element.Instance | str,
                        node: Any = None) -> None:
        """Remove a server; ``node`` is not looked at."""
        self.remove_instance(instance)

    def get_all_instances(self) -> dict[str, element.Instance]:
        """Return all servers by uuid, also those on no host."""
        with self.lock:
            return self._instances.elements()

    def get_instance_by_uuid(self, uuid: str) -> element.Instance:
        """Return a server.

        :raises: InstanceNotFound
        """
        with self.lock:
            found = self._instances.get(uuid)
        if found is None:
            raise exception.InstanceNotFound(name=uuid)
        return found

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
                    self._add_instance(instance)
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
            if self._host_of.get(uuid) != self._node_uuid(node):
                raise exception.InstanceNotMapped(uuid=uuid)
            self._unmap(uuid)
            self._touch()

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
            if self._host_of.get(uuid) != source:
                raise exception.InstanceNotMapped(uuid=uuid)
            self._map(uuid, destination)
            return True

    def _map(self, uuid, host):
        if self._host_of.get(uuid) == host:
            return
        self._unmap(uuid)
        self._host_of.set(uuid, host)
        self._changeable(host)[uuid] = None
        self._add_used(host, uuid, 1)
        self._touch()

    def _unmap(self, uuid):
        host = self._host_of.get(uuid)
        if host is None:
            return
        self._host_of.set(uuid, None)
        del self._changeable(host)[uuid]
        self._add_used(host, uuid, -1)

    def _changeable(self, host):
        """Return the servers of a host as an ordered set of our own."""
        instances = self._on_host[host]
        if isinstance(instances, tuple):
            instances = self._on_host[host] = dict.fromkeys(instances)
        return instances

    # Used and free --------------------------------------------------------

    def _add_used(self, host, uuid, sign):
        used = self._used.get(host)
        if used is None:
            return
        sizes = _SIZES(self._instances.values_of(uuid))
        self._used[host] = tuple(
            [total + sign * size
             for total, size in zip(used, sizes, strict=True)])

    def _sum_used(self, host):
        used = self._used.get(host)
        if used is None:
            vcpus = memory = disk = 0
            for uuid in self._on_host[host]:
                sizes = _SIZES(self._instances.values_of(uuid))
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
        """Sum up a host anew when it is asked for next."""
        with self.lock:
            self._used.pop(
                node if isinstance(node, str) else node.uuid, None)

    def invalidate_resource_cache(self) -> None:
        """Sum up all hosts anew when they are asked for next."""
        with self.lock:
            self._used.clear()

    # Output and input -----------------------------------------------------

    def to_string(self) -> str:
        """Return the same as :meth:`to_xml`."""
        return self.to_xml()

    def to_xml(self) -> str:
        """Return the model as XML, sorted by uuid.

        Hosts contain their servers; servers on no host follow after them.
        """
        root = etree.Element('ModelRoot')
        with self.lock:
            for uuid in sorted(self._nodes):
                node = self._xml_below(root, self._nodes, uuid)
                for instance in sorted(self._on_host[uuid]):
                    self._xml_below(node, self._instances, instance)
            for uuid in sorted(self._unmapped()):
                self._xml_below(root, self._instances, uuid)
        return etree.tostring(root, pretty_print=True).decode()

    @staticmethod
    def _xml_below(parent, table, uuid):
        return etree.SubElement(
            parent, table.cls.__name__,
            table.cls.xml_attributes(table.values_of(uuid)))

    def _unmapped(self):
        return [uuid for uuid in self._instances
                if self._host_of.get(uuid) is None]

    def to_list(self) -> list[dict[str, Any]]:
        """Return one row for each server with its host, sorted by uuid.

        A host without servers gives one row with its own keys only. Keys
        are ``node_`` and ``server_`` with the names of the set fields.
        """
        with self.lock:
            return list(self._rows())

    def _rows(self) -> Iterator[dict[str, Any]]:
        node_keys = [f'node_{name}' for name in _NODE]
        server_keys = [f'server_{name}' for name in _INSTANCE]
        for uuid in sorted(self._nodes):
            node = self._row(node_keys, self._nodes.values_of(uuid))
            instances = sorted(self._on_host[uuid])
            if not instances:
                yield node
            for instance in instances:
                yield {**node, **self._row(
                    server_keys, self._instances.values_of(instance))}

    @staticmethod
    def _row(keys, values):
        # Dictionaries are copied: a row must not be a way into the model.
        return {key: dict(value) if isinstance(value, dict) else value
                for key, value in zip(keys, values, strict=True)
                if value is not element_base.UNSET}

    @classmethod
    def from_xml(cls, data: str | bytes) -> 'ModelRoot':
        """Read a model from XML, also in the dialects of older releases.

        :raises: Invalid when it is not XML.
        """
        if isinstance(data, str):
            data = data.encode()
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        try:
            root = etree.fromstring(data, parser)
        except etree.XMLSyntaxError as exc:
            raise exception.Invalid(
                _('The model is not readable as XML: %s') % exc) from exc
        model = cls()
        for found in root.iter('ComputeNode'):
            model.add_node(element.ComputeNode.from_xml_attributes(
                found.attrib.items()))
        for found in root.iter('Instance'):
            instance = element.Instance.from_xml_attributes(
                found.attrib.items())
            model.add_instance(instance)
            parent = found.getparent()
            if parent is not None and parent.tag == 'ComputeNode':
                model.map_instance(instance.uuid, parent.get('uuid'))
        return model

    @classmethod
    def is_isomorphic(cls, g1: 'ModelRoot', g2: 'ModelRoot') -> bool:
        """Tell whether two models have equal elements in equal places."""
        first, second = g1.copy(), g2.copy()
        return (first._nodes.shared == second._nodes.shared
                and first._instances.shared == second._instances.shared
                and first._host_of.shared == second._host_of.shared)

    # The view as a graph: instance -> host, elements under "attr" ---------

    def to_networkx(self) -> networkx.DiGraph:
        """Return a graph of the present relations.

        It is made on demand and kept until a relation changes. Its
        elements are those of the model; changing its edges has no effect.
        """
        with self.lock:
            if self._graph is None or self._graph[0] is not self._structure:
                graph = networkx.DiGraph()
                for table in (self._nodes, self._instances):
                    graph.add_nodes_from(
                        (uuid, {'attr': known})
                        for uuid, known in table.elements().items())
                graph.add_edges_from(
                    (instance, host) for host, instances
                    in self._on_host.items() for instance in instances)
                self._graph = (self._structure,
                               networkx.freeze(graph))
            return self._graph[1]

    @property
    def nodes(self):
        """Vertices, as in networkx: ``nodes(data=True)``."""
        return self.to_networkx().nodes

    @property
    def edges(self):
        """Edges, as in networkx."""
        return self.to_networkx().edges

    def __contains__(self, uuid):
        with self.lock:
            return uuid in self._nodes or uuid in self._instances

    def __iter__(self):
        with self.lock:
            return iter([*self._nodes, *self._instances])

    def has_node(self, uuid: str) -> bool:
        """Tell whether there is a host or server with this uuid."""
        return uuid in self

    def has_edge(self, instance: str, node: str) -> bool:
        """Tell whether the server is on the host (both uuids)."""
        with self.lock:
            return (instance in self._instances and node is not None
                    and self._host_of.get(instance) == node)

    def add_edge(self, instance: str, node: str) -> None:
        """Put the server on the host (both uuids)."""
        self.map_instance(instance, node)

    def remove_edge(self, instance: str, node: str) -> None:
        """Take the server off the host (both uuids)."""
        self.unmap_instance(instance, node)

    def predecessors(self, uuid: str) -> Iterator[str]:
        """Yield the uuids of the servers on a host."""
        with self.lock:
            return iter(tuple(self._on_host.get(uuid, ())))

    def successors(self, uuid: str) -> Iterator[str]:
        """Yield the uuid of a server's host."""
        with self.lock:
            host = self._host_of.get(uuid)
        return iter(() if host is None else (host,))

    neighbors = successors
