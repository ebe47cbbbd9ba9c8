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
"""What the models of all kinds of service have in common."""

import datetime
import threading
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import MutableMapping
from typing import Any

from lxml import etree

from watcher.decision_engine.model import base
from watcher.decision_engine.model import clocks
from watcher.decision_engine.model import graph
from watcher.decision_engine.model import persistent
from watcher.decision_engine.model import rows
from watcher.decision_engine.model import serialisation
from watcher.decision_engine.model import tables

_KEEP = object()


class ClusterModel(graph.GraphView, base.Model):
    """A part of the cloud as strategies and plug-ins see it.

    Elements that are asked for are live: what is written to them shows in
    this model and in no other. Methods take a lock of this model only.

    A kind of model says what it consists of in :attr:`kinds` and
    :attr:`relations`; each becomes an attribute, and copies share it.

    :param stale: whether the contents are known to be out of date; such a
        model counts as false.
    :ivar built_at: when reading the cluster began (UTC), None when the
        model was made by hand.
    :ivar version: how many models its collector has built with this one,
        None when the model was made by hand.
    :ivar changes: how many news have been believed since it was built.
    :ivar changed_at: the time of the latest of these, None without any.
    :ivar absent: names of hosts that exist but are not in the model,
        because too little is known about them; by key. Never changed, only
        replaced: views share it.
    :ivar gaps: in words, what else was not told when the cluster was read.
    """

    #: Classes of elements by the attribute that is their table.
    kinds: dict[str, type] = {}
    #: Attributes that are relations.
    relations: tuple[str, ...] = ()
    #: Further attributes that have a method ``fork``.
    indexes: tuple[str, ...] = ()

    def __init__(self, stale: bool = False):
        self.stale = stale
        self.built_at: datetime.datetime | None = None
        self.version: int | None = None
        self.changes = 0
        self.changed_at: datetime.datetime | None = None
        self.absent: Mapping[str, str] = {}
        self.gaps: tuple[str, ...] = ()
        self.lock = threading.RLock()
        self._graph = None
        self._clocks = clocks.Clocks()
        self._freshness = persistent.ForkableDict()
        self._incomplete = persistent.ForkableDict()
        for name, cls in self.kinds.items():
            setattr(self, name, tables.ElementTable(
                cls, self.lock, self._written(name)))
        for name in self.relations:
            setattr(self, name, tables.Relation())
        for name in self.indexes:
            setattr(self, name, persistent.ForkableDict())

    def _written(self, table):
        """Return what is called when an element of a table was written.

        :returns: function of the key, the name of the field, its old value,
            and all values as they are now
        """
        return _nothing

    def _tables(self) -> list[tables.ElementTable]:
        return [getattr(self, name) for name in self.kinds]

    def __bool__(self):
        return not self.stale

    @property
    def age(self) -> float | None:
        """Seconds since the cluster was read; None when not known."""
        if self.built_at is None:
            return None
        now = datetime.datetime.now(datetime.UTC)
        return (now - self.built_at).total_seconds()

    @property
    def sizes(self) -> dict[str, int]:
        """How many elements there are of each kind."""
        return {name.lstrip('_'): len(getattr(self, name))
                for name in self.kinds}

    # Copies ---------------------------------------------------------------

    def copy(self) -> 'ClusterModel':
        """Return an independent model of the same contents: a view.

        It costs the same for a cloud of any size, also when the model has
        just been changed. A view can be copied again; one that is not used
        any more is simply forgotten.
        """
        made = type(self).__new__(type(self))
        with self.lock:
            self._copy_to(made)
        return made

    def _copy_to(self, made):
        made.__dict__.update(self.__dict__)
        made.lock = threading.RLock()
        made._graph = None
        for name in self.kinds:
            setattr(made, name, getattr(self, name).fork(
                made.lock, made._written(name)))
        for name in (*self.relations, *self.indexes, '_clocks',
                     '_freshness', '_incomplete'):
            setattr(made, name, getattr(self, name).fork())

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy()

    # How fresh it is ------------------------------------------------------

    @property
    def freshness(self) -> Mapping[str, clocks.Freshness]:
        """What is known about the picture of each host, by its key.

        A backend or bare metal node counts as a host here. It is how things
        are now; what is learned later does not show in it.
        """
        with self.lock:
            return self._freshness.fork()

    @property
    def incomplete_nodes(self) -> MutableMapping[str, str]:
        """Why the picture of hosts is not complete, by key.

        Also those that are left out of the model. Setting a reason is the
        same as :meth:`touch` by a build.
        """
        return _Incomplete(self)

    def touch(self, key: str, when: datetime.datetime | str | None,
              source: str = clocks.NOTIFICATION,
              reason: str | None = _KEEP,
              read_at: datetime.datetime | None = None) -> None:
        """Note that something was learned about a host.

        :param key: its key; it need not be part of the model.
        :param when: when that was so; older times than the one that is
            known change nothing but what the build knows.
        :param source: ``build`` when all of it was read, ``notification``
            when something about it was told.
        :param reason: why its picture is not complete. Unless given, a build
            makes it complete, and a notification leaves that as it is.
        :param read_at: when all of an incomplete host was read, if what was
            known then stands in for what could not be read.
        """
        if when is not None:
            when = clocks.utc(when)
        with self.lock:
            known = self._freshness.get(key) or clocks.Freshness(
                None, source)
            if reason is _KEEP:
                reason = None if source == clocks.BUILD else known.reason
            self._freshness[key] = known.learned(
                when, source, reason, read_at)
            if reason is None:
                self._incomplete.pop(key, None)
            else:
                self._incomplete[key] = reason

    def forget(self, key: str) -> None:
        """Forget how fresh the picture of a host is: it does not exist."""
        with self.lock:
            self._freshness.pop(key, None)
            self._incomplete.pop(key, None)

    @property
    def has_hosts(self) -> bool:
        """Whether there is any host, backend or bare metal node."""
        return bool(len(self._nodes))

    def get_host(self, key: str) -> Any:
        """Return a host, backend or bare metal node; None: there is none."""
        with self.lock:
            return self._nodes.get(key)

    def leave_out(self, keys: Iterable[str]) -> None:
        """Remove what is not well known about hosts, with all on it.

        For audits, which neither use nor change it then.

        :param keys: unknown ones are ignored.
        """
        raise NotImplementedError

    def seen(self, key: str, when: datetime.datetime | str | None) -> bool:
        """Tell whether news about an element are to be believed; note them.

        They are unless the model holds something newer: from another
        message, or because the model was read later than that. The same
        news may come twice. What was removed is remembered for a while, so
        that late news do not bring it back.

        :param key: uuid or name of the element; it need not be part of the
            model.
        :param when: when that was so: the time of the message, or when
            reading it began. None is always believed.
        """
        if when is not None:
            when = clocks.utc(when)
        with self.lock:
            if when is not None and not self._newest(key, when):
                return False
            self.changes += 1
        return True

    def _newest(self, key, when):
        for known in (self._clocks.get(key), self.built_at):
            if known is not None and when < known:
                return False
        if when != self.built_at:
            self._clocks.set(key, when, key in self)
        if self.changed_at is None or when > self.changed_at:
            self.changed_at = when
        return True

    def inherit_clocks(self, other: 'ClusterModel') -> None:
        """Know what an older model of the same cluster has heard, and when.

        Also about what has gone, so that late news are known as such. What
        is older than this model says nothing: it was read after that.
        """
        with other.lock:
            inherited = other._clocks.fork()
        with self.lock:
            self._clocks = clocks.Clocks()
            for key, when in inherited.items():
                if self.built_at is None or when > self.built_at:
                    self._clocks.set(key, when, key in self)

    def heard_at(self, key: str) -> datetime.datetime | None:
        """Return the time of the newest news about an element.

        That is when the model was read if there were none since.
        """
        with self.lock:
            return self._clocks.get(key) or self.built_at

    # Elements -------------------------------------------------------------

    def _put(self, table, key, added):
        """Add or replace an element."""
        if self._clocks.gone and key not in table:
            self._clocks.arrived(key)
        table.put(key, added)
        self._graph = None

    def _remove(self, table, key):
        table.remove(key)
        self._clocks.left((key,))
        self._graph = None

    def _remove_host(self, table, key):
        """Remove a host; why its picture was not complete stays known."""
        self._remove(table, key)
        if key not in self._incomplete:
            self.forget(key)

    def _relate(self, relation, child, parent):
        """Give a child this parent and take it from any other.

        :returns: whether that changed anything.
        """
        before = relation.parent(child)
        if before == parent:
            return False
        if before is not None:
            relation.unlink(child)
        relation.link(child, parent)
        self._graph = None
        return True

    # Output ---------------------------------------------------------------

    def to_string(self) -> str:
        """Return the same as :meth:`to_xml`."""
        return self.to_xml()

    def to_xml(self) -> str:
        """Return the model as XML, sorted, without what is unset."""
        root = etree.Element('ModelRoot')
        with self.lock:
            self._write_xml(root)
        return serialisation.to_text(root)

    def _write_xml(self, root: etree._Element) -> None:
        raise NotImplementedError

    def to_list(self, with_freshness: bool = False) -> list[dict[str, Any]]:
        """Return the model as rows, sorted by keys.

        Each has the set fields of its elements, with the kind of element in
        front of the names.

        :param with_freshness: whether each row also says how fresh the
            picture of its host is, if that is known: ``node_updated_at``,
            ``node_source``, ``node_read_at`` (times as text in ISO 8601),
            ``node_age`` (seconds since all of it was read) and
            ``node_incomplete_reason``.
        """
        now = datetime.datetime.now(datetime.UTC) if with_freshness else None
        with self.lock:
            return list(self._rows(now))

    def _rows(self, now: datetime.datetime | None
              ) -> Iterator[dict[str, Any]]:
        """Yield the rows.

        :param now: with freshness as it is at this time; None: without.
        """
        raise NotImplementedError

    def _host_rows(self, table, now) -> serialisation.Rows:
        """Return what makes the items of hosts."""
        return serialisation.Rows(table, 'node', None if now is None
                                  else rows.of_hosts(self._freshness, now))


class _Incomplete(MutableMapping):
    """The hosts of a model whose picture is not complete."""

    def __init__(self, model):
        self._model = model

    def _now(self):
        with self._model.lock:
            return self._model._incomplete.fork()

    def __getitem__(self, key):
        with self._model.lock:
            return self._model._incomplete[key]

    def __setitem__(self, key, reason):
        self._model.touch(key, self._model.built_at, clocks.BUILD,
                          reason)

    def __delitem__(self, key):
        with self._model.lock:
            self[key]
            self._model.touch(key, None, reason=None)

    def __iter__(self):
        return iter(self._now())

    def __len__(self):
        with self._model.lock:
            return len(self._model._incomplete)

    def __repr__(self):
        return repr(dict(self))


def _nothing(key, field, old, values):
    """Stand for a table whose elements may be written without more ado."""
