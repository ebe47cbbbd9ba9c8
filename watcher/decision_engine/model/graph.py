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
"""Models as graphs, for what was written for networkx.

Vertices are the keys of all elements, with the element under ``attr``;
edges lead from the lower element to the upper: instance -> host,
volume -> pool -> backend.
"""

from collections.abc import Iterator

import networkx


class GraphView:
    """Lets a model be asked like a networkx graph.

    The model has ``lock``, ``kinds``, ``relations``, ``_tables()``; it sets
    ``_graph`` to None whenever a relation changes.
    """

    _graph: networkx.DiGraph | None = None

    def _relation_objects(self):
        return [getattr(self, name) for name in self.relations]

    def to_networkx(self) -> networkx.DiGraph:
        """Return a graph of the present relations.

        It is made on demand and kept until a relation changes. Its
        elements are those of the model; changing its edges has no effect.
        """
        with self.lock:
            if self._graph is None:
                graph = networkx.DiGraph()
                for table in self._tables():
                    graph.add_nodes_from(
                        (key, {'attr': known})
                        for key, known in table.elements().items())
                for relation in self._relation_objects():
                    graph.add_edges_from(relation.pairs())
                self._graph = networkx.freeze(graph)
            return self._graph

    @property
    def nodes(self):
        """Vertices, as in networkx: ``nodes(data=True)``."""
        return self.to_networkx().nodes

    @property
    def edges(self):
        """Edges, as in networkx."""
        return self.to_networkx().edges

    def __len__(self):
        with self.lock:
            return sum(len(table) for table in self._tables())

    def __contains__(self, key):
        with self.lock:
            for name in self.kinds:
                if key in getattr(self, name):
                    return True
        return False

    def __iter__(self):
        with self.lock:
            return iter([key for table in self._tables() for key in table])

    def has_node(self, key: str) -> bool:
        """Tell whether there is an element with this key."""
        return key in self

    def has_edge(self, lower: str, upper: str) -> bool:
        """Tell whether the first element belongs to the second."""
        with self.lock:
            return upper is not None and any(
                relation.parent(lower) == upper
                for relation in self._relation_objects())

    def predecessors(self, key: str) -> Iterator[str]:
        """Yield the keys of what belongs to an element."""
        with self.lock:
            return iter([child for relation in self._relation_objects()
                         for child in relation.children(key)])

    def successors(self, key: str) -> Iterator[str]:
        """Yield the key of what an element belongs to."""
        with self.lock:
            parents = [relation.parent(key)
                       for relation in self._relation_objects()]
        return iter([parent for parent in parents if parent is not None])

    neighbors = successors
