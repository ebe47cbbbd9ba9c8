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
"""What storage_capacity_balance decides: which volumes go to which pools.

Pure: all that counts is in the :class:`Situation`. Its state is changed, as
each move takes room from the next one. The cost is that of sorting volumes
and pools; each move asks only the best pools.
"""

import dataclasses
import heapq
import statistics
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping

from watcher.decision_engine.strategy.common import settings
from watcher.decision_engine.strategy.common import storage


@dataclasses.dataclass
class Situation:
    """All that the decision depends on.

    :param threshold: share of a pool (0 to 1) from which on it is too full.
    :param target: share below which too full pools come, and up to which
        others are filled; the threshold unless there is a dead band.
    :param left_out: names of pools that take no part, whole or short.
    :param retype: whether a volume may get another type.
    :param settled: uuids of volumes that were moved lately, with the reason
        to leave them where they are.
    """

    state: storage.StorageState
    threshold: float
    target: float
    left_out: Collection[str] = ()
    retype: bool = False
    options: settings.Settings = settings.Settings()
    settled: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Move:
    """One volume to be moved.

    :param type: the type that it gets; None: it keeps its own.
    :param shares: how much of source and destination is used, before and
        after: (source, source, destination, destination).
    :param passed: emptier pools that cannot take it, with the reasons.
    """

    volume: storage.Volume
    source: str
    destination: str
    type: str | None
    shares: tuple[float, float, float, float]
    passed: Mapping[str, str]


@dataclasses.dataclass
class Decision:
    """What is to be done, and why something is not.

    :param sources: names of the pools that are too full.
    :param takers: names of the pools that may take volumes.
    :param left: names of the sources that remain too full.
    :param aside: name of a pool -> why it takes no part.
    :param staying: label of a volume on a remaining source -> why it stays.
    :param before: deviation of the used shares of all pools.
    :param after: the same when all has moved.
    """

    moves: list[Move] = dataclasses.field(default_factory=list)
    sources: list[str] = dataclasses.field(default_factory=list)
    takers: list[str] = dataclasses.field(default_factory=list)
    left: list[str] = dataclasses.field(default_factory=list)
    aside: dict[str, str] = dataclasses.field(default_factory=dict)
    staying: dict[str, str] = dataclasses.field(default_factory=dict)
    before: float = 0.0
    after: float = 0.0


def decide(situation: Situation) -> Decision:
    """Choose what moves and where to, in the order of the plan."""
    return _Balance(situation).make()


class _Takers:
    """Pools that suit volumes of one type, the emptiest first.

    Pools only fill up while we look, so an order that was right is repaired
    where it is used, and what was too big once stays so.

    :param pools: in the order of the model; of equally empty ones the last
        is the first.
    """

    def __init__(self, pools: list[storage.Pool], target: float):
        self._pools = pools
        self._target = target
        self._heap = [(-_room(pool), -place)
                      for place, pool in enumerate(pools)]
        heapq.heapify(self._heap)
        self._too_big = float('inf')

    def find(self, size: float) -> tuple[storage.Pool | None,
                                         dict[str, str]]:
        """Return the emptiest pool with room, and why others have none."""
        looked_at, passed, found = [], {}, None
        while self._heap and size < self._too_big and found is None:
            room, place = heapq.heappop(self._heap)
            pool = self._pools[-place]
            if -room != _room(pool):
                heapq.heappush(self._heap, (-_room(pool), place))
                continue
            looked_at.append((room, place))
            if _too_full(pool, self._target):
                # So are all that come after it.
                break
            problem = self._why_not(pool, size)
            if problem:
                passed[pool.name] = problem
            else:
                found = pool
        for entry in looked_at:
            heapq.heappush(self._heap, entry)
        if found is None:
            self._too_big = min(self._too_big, size)
        return found, passed

    def _why_not(self, pool, size):
        if pool.total * pool.ratio < pool.promised + size:
            return ('more would be promised than its over-subscription '
                    'ratio allows')
        if _too_full(pool, self._target, size):
            return 'it would be too full itself'
        return 'it has too little room' if pool.why_no_room(size) else None


class _Balance:

    def __init__(self, situation: Situation):
        self._at = situation
        self._state = situation.state
        self._decision = Decision()
        self._pools: list[storage.Pool] = []
        self._same: dict[tuple, _Takers] = {}
        self._other: dict[tuple, tuple[_Takers, dict[str, str]]] = {}
        self._types_of: dict[tuple[str, str], str | None] = {}

    def make(self) -> Decision:
        self._divide()
        made = self._decision
        made.before = self._deviation()
        if made.sources and made.takers:
            volumes = self._volumes_by_pool()
            for name in made.sources:
                self._relieve(name, volumes.get(name, ()))
        else:
            made.left = list(made.sources)
        made.after = self._deviation()
        return made

    # Pools ----------------------------------------------------------------

    def _divide(self) -> None:
        """Find the pools that are too full, and those that take volumes."""
        at, made = self._at, self._decision
        for name, pool in self._state.pools.items():
            if name in at.left_out or pool.short_name in at.left_out:
                made.aside[name] = 'the configuration leaves it out'
            elif pool.used_share is None:
                made.aside[name] = (
                    'its size is 0' if pool.total == 0
                    else 'its driver tells no capacity')
            elif _too_full(pool, at.threshold):
                made.sources.append(name)
                self._pools.append(pool)
            else:
                self._pools.append(pool)
                problem = pool.why_closed()
                if problem:
                    made.aside[name] = problem
                else:
                    made.takers.append(name)

    def _deviation(self) -> float:
        if not self._pools:
            return 0.0
        return statistics.pstdev(pool.used_share for pool in self._pools)

    def _volumes_by_pool(self) -> dict[str, list[storage.Volume]]:
        found = {name: [] for name in self._decision.sources}
        for uuid, volume in self._state.volumes.items():
            pool = self._state.pool_of[uuid]
            if pool in found:
                found[pool].append(volume)
        return found

    # Volumes --------------------------------------------------------------

    def _relieve(self, name: str, volumes: list[storage.Volume]) -> None:
        """Move small volumes first, those in use last, until it is enough.
        """
        source = self._state.pools[name]
        moves, staying = [], {}
        for volume in sorted(volumes, key=_rank):
            if not _too_full(source, self._at.target):
                break
            problem = self._why_stay(volume)
            if not problem:
                move, problem = self._move(volume, source)
            if problem:
                staying[volume.label] = problem
            else:
                moves.append(move)
        made = self._decision
        made.moves += sorted(moves, key=lambda move: move.type is None)
        if _too_full(source, self._at.target):
            made.left.append(name)
            made.staying.update(staying)

    def _why_stay(self, volume: storage.Volume) -> str | None:
        if volume.migration:
            return f'its last migration has not succeeded: {volume.migration}'
        return (self._state.why_not_touch(volume, self._at.options)
                or self._at.settled.get(volume.uuid)
                or self._state.why_not_move(volume, storage.MIGRATE))

    def _move(self, volume: storage.Volume, source: storage.Pool
              ) -> tuple[Move | None, str | None]:
        """Take the emptiest pool: of its own type, else of another one."""
        passed: dict[str, str] = {}
        for find in (self._find_same, self._find_other):
            pool, kind, more = find(volume, source)
            passed.update(more)
            if pool is None:
                continue
            before = source.used_share, pool.used_share
            self._state.move(volume.uuid, pool.name)
            return Move(volume, source.name, pool.name, kind, (
                before[0], source.used_share, before[1], pool.used_share),
                passed), None
        if passed:
            return None, next(iter(passed.values()))
        return None, ('no pool of its zone has room and offers what its type '
                      f'{volume.type} wants' if volume.type
                      else 'no pool of its zone has room')

    def _find_same(self, volume, source):
        key = source.zone, volume.type
        if key not in self._same:
            self._same[key] = self._takers(
                source, lambda pool: self._state.suits(volume.type, pool))
        return self._answer(self._same[key].find(volume.size), None)

    def _find_other(self, volume, source):
        if not self._at.retype or not volume.type:
            return None, None, {}
        key = source.zone, volume.type
        if key not in self._other:
            kinds = {name: self._type_for(volume.type, name)
                     for name in self._decision.takers}
            self._other[key] = self._takers(
                source, lambda pool: kinds[pool.name] is not None), kinds
        takers, kinds = self._other[key]
        found = takers.find(volume.size)
        return self._answer(found, found[0] and kinds[found[0].name])

    @staticmethod
    def _answer(found, kind):
        pool, passed = found
        return pool, kind, passed

    def _takers(self, source: storage.Pool,
                suits: Callable[[storage.Pool], bool]) -> _Takers:
        """Return the pools of the same zone that suit."""
        pools = (self._state.pools[name] for name in self._decision.takers)
        return _Takers([
            pool for pool in pools
            if None in (source.zone, pool.zone) or source.zone == pool.zone
            if suits(pool)], self._at.target)

    def _type_for(self, name: str, pool_name: str) -> str | None:
        """Return the type that is tied to a pool and else like another one.
        """
        pool, types = self._state.pools[pool_name], self._state.types or {}
        if name not in types:
            return None
        key = name, pool.backend_name
        if key not in self._types_of:
            self._types_of[key] = next(
                (other.name for other in types.values()
                 if _alike(types[name], other, pool.backend_name)), None)
        found = self._types_of[key]
        if found == name or not self._state.suits(found, pool):
            return None
        return found


def _alike(wanted, other, backend_name: str) -> bool:
    if other.extra_specs.get('volume_backend_name') != backend_name:
        return False
    return all(other.extra_specs.get(key) == value
               for key, value in wanted.extra_specs.items()
               if key != 'volume_backend_name')


def _rank(volume: storage.Volume) -> tuple[int, int]:
    if volume.status != storage.IN_USE:
        return 0, volume.size
    return (2 if volume.bootable else 1), volume.size


def _too_full(pool: storage.Pool, share: float, more: float = 0) -> bool:
    """Tell whether a share is used, as soon as a volume is added."""
    return pool.total - (pool.free - more) >= share * pool.total


def _room(pool: storage.Pool) -> float:
    return pool.free / pool.total
