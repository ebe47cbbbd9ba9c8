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
"""What models are made of: tables of elements and relations of their keys.

Both can be forked in constant time. The model that owns them locks them.
"""

import threading
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

from watcher.decision_engine.model import persistent
from watcher.decision_engine.model.element import base

#: So many children of one parent are kept in a table: copying some of its
#: parts costs less then than copying all of them.
CROWD = 500


class ElementTable:
    """The elements of one kind by key, in the order of addition.

    It holds the values of all elements; an element is made of them when it
    is asked for first, and stays. What is written to an element goes into
    the table at once.

    :param cls: class of the elements.
    :param lock: re-entrant lock of the model.
    :param on_write: called after a field was written with the key, the name
        of the field, and the values of the element before and after.
    """

    __slots__ = ('cls', 'lock', '_on_write', '_values', '_live')

    def __init__(self, cls: type[base.Element], lock: threading.RLock,
                 on_write: Callable[[str, str, Any, tuple], None],
                 values: persistent.ForkableTable | None = None):
        self.cls = cls
        self.lock = lock
        self._on_write = on_write
        self._values = (persistent.ForkableTable()
                        if values is None else values)
        self._live: dict[str, base.Element] = {}

    def fork(self, lock: threading.RLock,
             on_write: Callable[[str, str, Any, tuple], None]
             ) -> 'ElementTable':
        """Return an independent table of the same values."""
        return ElementTable(self.cls, lock, on_write, self._values.fork())

    def __len__(self):
        return len(self._values)

    def __contains__(self, key):
        return key in self._values

    def __iter__(self):
        return iter(self._values)

    def get(self, key: str) -> base.Element | None:
        """Return an element, None when there is none."""
        found = self._live.get(key)
        if found is not None:
            return found
        values = self._values.get(key)
        return None if values is None else self._make(key, values)

    def _make(self, key, values):
        made = self._live[key] = self.cls.from_values(values)
        made._home = self
        made._key = key
        return made

    def values_of(self, key: str) -> tuple:
        """Return the values of an element that is known to exist."""
        return self._values.get(key)

    def elements(self) -> dict[str, base.Element]:
        """Return all elements by key, in order."""
        live, make = self._live.get, self._make
        return {key: live(key) or make(key, values)
                for key, values in self._values.pairs()}

    def all_values(self) -> dict[str, tuple]:
        """Return the values of all elements by key, in order."""
        return dict(self._values.pairs())

    def put(self, key: str, added: base.Element) -> base.Element:
        """Add or replace an element; return the one that is kept.

        That is a copy if the given one belongs to another model, or here
        under another key.
        """
        if added._home is not None:
            if added._home is self and added._key == key:
                return added
            added = self.cls.from_values(added._values)
        if added._key is None:
            added._values = added._detached()
        if key in self._live:
            self._release(key)
        added._home = self
        added._key = key
        self._live[key] = added
        self._values[key] = added._values
        return added

    def remove(self, key: str) -> None:
        """Remove an element; it lives on without a model."""
        self._release(key)
        del self._values[key]

    def remove_many(self, keys: list[str]) -> None:
        """Remove elements that are known to exist."""
        if self._live:
            for key in keys:
                self._release(key)
        self._values.remove_many(keys)

    def _release(self, key):
        released = self._live.pop(key, None)
        if released is not None:
            released._home = None

    def written(self, changed: base.Element, field: str, old: Any) -> None:
        """Take over what was written to an element; it holds the lock."""
        self._values[changed._key] = changed._values
        self._on_write(changed._key, field, old, changed._values)


class Relation:
    """Which child belongs to which parent: to one or to none.

    The children of a parent are in the order in which they came: the keys of
    a plain dictionary, which the first change after a fork copies, or, when
    they are many, of a table that can be forked itself.
    """

    __slots__ = ('_parents', '_children', '_mine')

    def __init__(self):
        self._parents = persistent.ForkableDict()
        self._children = persistent.ForkableDict()
        # Parents whose children nobody else uses.
        self._mine: set[str] = set()

    def fork(self) -> 'Relation':
        """Return an independent relation of the same contents."""
        made = Relation()
        made._parents = self._parents.fork()
        made._children = self._children.fork()
        self._mine = set()
        return made

    def parent(self, child: str) -> str | None:
        return self._parents.get(child)

    def children(self, parent: str) -> Iterable[str]:
        """Return the children; only good until the next change."""
        return self._children.get(parent, ())

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Yield each child that has a parent with it."""
        for parent, children in self._children.items():
            for child in children:
                yield child, parent

    def link(self, child: str, parent: str) -> None:
        """Give a child without parent one."""
        self._parents[child] = parent
        children = self._own(parent)
        if len(children) == CROWD and isinstance(children, dict):
            children = self._children[parent] = persistent.ForkableTable(
                children.items())
        children[child] = None

    def unlink(self, child: str) -> str | None:
        """Separate a child from its parent and return that one."""
        parent = self._parents.get(child)
        if parent is None:
            return None
        del self._parents[child]
        children = self._own(parent)
        del children[child]
        if not children:
            del self._children[parent]
            self._mine.discard(parent)
        return parent

    def release(self, parents: Iterable[str]) -> list[str]:
        """Take all children from their parents and return them."""
        children: list[str] = []
        for parent in parents:
            children += self._children.pop(parent, ())
            self._mine.discard(parent)
        self._parents.remove_many(children)
        return children

    def _own(self, parent):
        """Return the children of a parent for writing."""
        children = self._children.get(parent)
        if parent in self._mine:
            return children
        self._mine.add(parent)
        if isinstance(children, persistent.ForkableTable):
            owned = children.fork()
        else:
            owned = dict(children or ())
        self._children[parent] = owned
        return owned
