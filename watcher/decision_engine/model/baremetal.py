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
"""The bare metal model: the nodes that Ironic manages."""

import datetime
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

from lxml import etree

from watcher._i18n import _
from watcher.common import exception
from watcher.decision_engine.model import cluster
from watcher.decision_engine.model import element
from watcher.decision_engine.model import serialisation


class BaremetalModelRoot(cluster.ClusterModel):
    """The bare metal nodes of a cloud as seen by strategies."""

    kinds = {'_nodes': element.IronicNode}

    @staticmethod
    def assert_node(obj: Any) -> None:
        """Raise IllegalArgumentException unless it is an IronicNode."""
        if not isinstance(obj, element.IronicNode):
            raise exception.IllegalArgumentException(
                message=_("'%s' is not a valid bare metal node") % (obj,))

    def _node_uuid(self, node):
        uuid = node if isinstance(node, str) else node.uuid
        if uuid not in self._nodes:
            raise exception.IronicNodeNotFound(uuid=uuid)
        return uuid

    def add_node(self, node: element.IronicNode) -> None:
        """Add a node, or replace the one with its uuid in its place."""
        self.assert_node(node)
        with self.lock:
            self._put(self._nodes, node.uuid, node)

    def remove_node(self, node: element.IronicNode | str) -> None:
        """Remove a node.

        :raises: IronicNodeNotFound
        """
        with self.lock:
            uuid = self._node_uuid(node)
            self._remove_host(self._nodes, uuid)

    def leave_out(self, keys: Iterable[str]) -> None:
        """Remove nodes; unknown ones are ignored."""
        with self.lock:
            for key in keys:
                if key in self._nodes:
                    self._remove_host(self._nodes, key)

    def get_all_ironic_nodes(self) -> dict[str, element.IronicNode]:
        """Return all nodes by uuid, in the order of addition."""
        with self.lock:
            return self._nodes.elements()

    def get_node_by_uuid(self, uuid: str) -> element.IronicNode:
        """Return a node.

        :raises: IronicNodeNotFound
        """
        with self.lock:
            return self._nodes.get(self._node_uuid(uuid))

    def _write_xml(self, root: etree._Element) -> None:
        for uuid in sorted(self._nodes):
            serialisation.add(root, self._nodes, uuid)

    def _rows(self, now: datetime.datetime | None
              ) -> Iterator[dict[str, Any]]:
        nodes = self._host_rows(self._nodes, now)
        for uuid in sorted(self._nodes):
            yield nodes.items(uuid)

    @classmethod
    def from_xml(cls, data: str | bytes) -> 'BaremetalModelRoot':
        """Read a model from XML, also in the dialects of older releases.

        :raises: Invalid when it is not XML.
        """
        model = cls()
        for node, _above in serialisation.read(
                serialisation.parse(data), element.IronicNode):
            model.add_node(node)
        return model

    @classmethod
    def is_isomorphic(cls, g1: 'BaremetalModelRoot',
                      g2: 'BaremetalModelRoot') -> bool:
        """Tell whether two models have as many nodes."""
        return len(g1) == len(g2)
