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
"""Finding a host with room without asking all hosts.

::

    index = RoomIndex(room_of_hosts)         # in the order of preference
    for place in index.from_the_end(need):   # the last one first
        ...take the first that other rules allow...
    index.update(place, what_is_left)

Strategies that fill hosts in a fixed order search for the last (or first)
host of this order that has room, once for each server. The index knows the
most of everything that is free within blocks of hosts and so looks only into
blocks that may hold such a host.
"""

import heapq
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import numpy

#: Hosts of a block. With more a block takes longer to look into, with less
#: there are more blocks to choose from.
BLOCK = 64

#: Hosts that may change before the order is made anew.
CHANGES = 64

#: What is needed of a kind of which nothing is taken, even if it is
#: overcommitted. More than closed hosts have.
NOTHING = numpy.finfo(numpy.float64).min

# The methods all() and max() of arrays take longer to get here.
_ALL = numpy.logical_and.reduce
_MOST = numpy.maximum.reduce


class RoomIndex:
    """What is free on hosts that stand in an order.

    :param room: for each host in its order what is free of each kind; -inf
        in any column keeps a host from being found.
    """

    def __init__(self, room: Any):
        room = numpy.asarray(room, dtype=numpy.float64)
        self._count, kinds = room.shape
        blocks = max(1, -(-self._count // BLOCK))
        self._room = numpy.full((blocks, BLOCK, kinds), -numpy.inf)
        self._room.reshape(-1, kinds)[:self._count] = room
        self._most = _MOST(self._room, axis=1)

    def __len__(self) -> int:
        return self._count

    def update(self, place: int, room: Any) -> None:
        """Note what is free now on the host at a place of the order."""
        block, inside = divmod(place, BLOCK)
        self._room[block, inside] = room
        _MOST(self._room[block], axis=0, out=self._most[block])

    def lacking(self, place: int, need: numpy.ndarray) -> int | None:
        """Return the first kind of which a host has too little, if any."""
        block, inside = divmod(place, BLOCK)
        lacks = (self._room[block, inside] < need).nonzero()[0]
        return int(lacks[0]) if lacks.size else None

    def close(self, place: int) -> None:
        """Let a host not be found until it is updated."""
        self.update(place, -numpy.inf)

    def from_the_end(self, need: numpy.ndarray,
                     above: int = -1) -> Iterator[int]:
        """Yield the places of hosts with room, the last one first.

        The index must not change before the last of them is taken.

        :param need: what is needed of each kind.
        :param above: only places after this one.
        """
        for block in self._blocks(need)[::-1].tolist():
            base = block * BLOCK
            if base + BLOCK <= above + 1:
                return
            for inside in self._inside(block, need)[::-1].tolist():
                if base + inside <= above:
                    return
                yield base + inside

    def from_the_start(self, need: numpy.ndarray) -> Iterator[int]:
        """Yield the places of hosts with room, the first one first."""
        for block in self._blocks(need).tolist():
            base = block * BLOCK
            for inside in self._inside(block, need).tolist():
                yield base + inside

    def _blocks(self, need):
        return _ALL(self._most >= need, axis=1).nonzero()[0]

    def _inside(self, block, need):
        return _ALL(self._room[block] >= need, axis=1).nonzero()[0]


class BestFit:
    """Hosts that are open, those with the least free of the first kind first.

    The order follows every change: unchanged hosts stand in an index, the
    few that have changed since are sorted each time.

    :param free: what is free on all hosts, by kind; is read again whenever
        :meth:`changed` says so.
    :param hosts: the open ones. Among equals the earlier one is first.
    """

    def __init__(self, free: numpy.ndarray, hosts: Sequence[int]):
        self._free = free
        self._rank = {host: rank for rank, host in enumerate(hosts)}
        self._arrange()

    def _arrange(self):
        hosts = numpy.array(list(self._rank), dtype=numpy.int64)
        free = self._free[hosts]
        order = numpy.argsort(free[:, 0], kind='stable')
        self._order = hosts[order].tolist()
        self._place = {host: place for place, host
                       in enumerate(self._order)}
        self._index = RoomIndex(free[order])
        self._changed: set[int] = set()

    def changed(self, host: int) -> None:
        """Note that a host has more or less room than before."""
        if host not in self._rank or host in self._changed:
            return
        if len(self._changed) >= CHANGES:
            self._arrange()
        self._index.close(self._place[host])
        self._changed.add(host)

    def remove(self, host: int) -> None:
        """Offer a host no more."""
        if self._rank.pop(host, None) is None:
            return
        self._index.close(self._place[host])
        self._changed.discard(host)

    def hosts(self, need: numpy.ndarray) -> Iterator[int]:
        """Yield the hosts that have room.

        Nothing must change before the last of them is taken.
        """
        unchanged = (self._order[place]
                     for place in self._index.from_the_start(need))
        changed = numpy.fromiter(self._changed, dtype=numpy.int64)
        others = changed[_ALL(self._free[changed] >= need, axis=1)].tolist()
        others.sort(key=self._key)
        return heapq.merge(unchanged, others, key=self._key)

    def _key(self, host):
        return self._free[host, 0], self._rank[host]
