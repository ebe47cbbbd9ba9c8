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
"""Mappings that can be forked at once, whatever their size.

A fork and its original share all parts until one of the two writes to a
part, which is copied then: parts have about 64 entries. So a view of a model
costs the same in a cloud of any size, and so does the first change after it.
Reading costs a little more than with a plain dictionary.

Nothing here is locked: the model that owns a mapping does it.
"""

from collections.abc import Collection
from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import MutableMapping
from typing import Any

# Dictionaries are numbered; a page lists so many of them.
_BITS = 6
_PAGE = 1 << _BITS
_IN_PAGE = _PAGE - 1

# A hash selects one of so many dictionaries: 200,000 keys give 50 to each.
_BUCKETS = _PAGE * _PAGE
_IN_BUCKETS = _BUCKETS - 1

# Entries of a dictionary that is filled in the order of addition.
_CHUNK = 64
# How sparse these may become before they are packed again.
_SPARSE = 2

# When at least one entry of so many goes, all dictionaries are made anew:
# looking at an entry costs far less than removing one.
_MANY = 8


class _Parts:
    """Numbered dictionaries, shared with forks until they are written to."""

    __slots__ = ('pages', 'mine', 'count')

    def __init__(self, pages=(), count=0):
        self.pages = pages
        self.count = count
        #: Numbers of the dictionaries that nobody else uses; likewise, as
        #: negative numbers, of the pages. Empty: all is shared.
        self.mine: set[int] = set()

    def fork(self) -> '_Parts':
        self.mine = set()
        return _Parts(self.pages, self.count)

    def own(self, number: int) -> dict:
        """Return a dictionary for writing."""
        mine = self.mine
        page = number >> _BITS
        if number in mine:
            return self.pages[page][number & _IN_PAGE]
        if not mine:
            self.pages = list(self.pages)
        if ~page not in mine:
            self.pages[page] = self.pages[page].copy()
            mine.add(~page)
        mine.add(number)
        owned = self.pages[page][number & _IN_PAGE].copy()
        self.pages[page][number & _IN_PAGE] = owned
        return owned

    def drop(self, keys: Collection[Hashable]) -> None:
        """Make all dictionaries anew, without these keys."""
        gone = frozenset(keys)
        self.pages = [[{key: value for key, value in part.items()
                        if key not in gone} for part in page]
                      for page in self.pages]
        # They count as shared, which only costs a copy of each later.
        self.mine = set()

    def append(self) -> None:
        """Add an empty dictionary."""
        number = self.count
        page = number >> _BITS
        if not self.mine:
            self.pages = list(self.pages)
        if page == len(self.pages):
            self.pages.append([])
        elif ~page not in self.mine:
            self.pages[page] = self.pages[page].copy()
        self.pages[page].append({})
        self.mine.update((number, ~page))
        self.count += 1

    def __iter__(self) -> Iterator[dict]:
        for page in self.pages:
            yield from page


_ALL_EMPTY = [[{}] * _PAGE] * _PAGE


class ForkableDict(MutableMapping):
    """A mapping in no particular order: dictionaries selected by hash."""

    __slots__ = ('parts', '_count')

    def __init__(self, items: Iterable[tuple[Hashable, Any]] = ()):
        self.parts = _Parts(_ALL_EMPTY, _BUCKETS)
        self._count = 0
        for key, value in items:
            self[key] = value

    def fork(self) -> 'ForkableDict':
        """Return an independent mapping of the same contents."""
        made = ForkableDict.__new__(ForkableDict)
        made.parts = self.parts.fork()
        made._count = self._count
        return made

    def _bucket(self, key):
        number = hash(key) & _IN_BUCKETS
        return self.parts.pages[number >> _BITS][number & _IN_PAGE]

    def get(self, key, default=None):
        number = hash(key) & _IN_BUCKETS
        return self.parts.pages[number >> _BITS][number & _IN_PAGE].get(
            key, default)

    def __getitem__(self, key):
        return self._bucket(key)[key]

    def __contains__(self, key):
        number = hash(key) & _IN_BUCKETS
        return key in self.parts.pages[number >> _BITS][number & _IN_PAGE]

    def __len__(self):
        return self._count

    def __bool__(self):
        return self._count > 0

    def __iter__(self):
        for bucket in self.parts:
            yield from bucket

    def __setitem__(self, key, value):
        number = hash(key) & _IN_BUCKETS
        parts = self.parts
        bucket = (parts.pages[number >> _BITS][number & _IN_PAGE]
                  if number in parts.mine else parts.own(number))
        before = len(bucket)
        bucket[key] = value
        self._count += len(bucket) - before

    def __delitem__(self, key):
        number = hash(key) & _IN_BUCKETS
        parts = self.parts
        bucket = parts.pages[number >> _BITS][number & _IN_PAGE]
        if key not in bucket:
            raise KeyError(key)
        if number not in parts.mine:
            bucket = parts.own(number)
        del bucket[key]
        self._count -= 1

    def remove_many(self, keys: Collection[Hashable]) -> None:
        """Remove keys that are known to exist, faster than one by one."""
        if len(keys) * _MANY >= self._count + _BUCKETS:
            self.parts.drop(keys)
        else:
            own = self.parts.own
            for key in keys:
                del own(hash(key) & _IN_BUCKETS)[key]
        self._count -= len(keys)

    def __repr__(self):
        return f'{type(self).__name__}({dict(self)!r})'


class ForkableTable(MutableMapping):
    """A mapping in the order of addition: dictionaries filled one by one.

    A key that is set again keeps its place; one that was removed and comes
    back is the last.
    """

    __slots__ = ('_places', '_parts')

    def __init__(self, items: Iterable[tuple[Hashable, Any]] = ()):
        self._places = ForkableDict()  # number of the part by key
        self._parts = _Parts()
        for key, value in items:
            self[key] = value

    def fork(self) -> 'ForkableTable':
        """Return an independent mapping of the same contents."""
        made = ForkableTable.__new__(ForkableTable)
        made._places = self._places.fork()
        made._parts = self._parts.fork()
        return made

    def get(self, key, default=None):
        # ForkableDict.get, inlined: models do this all day.
        number = hash(key) & _IN_BUCKETS
        number = self._places.parts.pages[number >> _BITS][
            number & _IN_PAGE].get(key)
        if number is None:
            return default
        return self._parts.pages[number >> _BITS][number & _IN_PAGE][key]

    def __getitem__(self, key):
        number = self._places[key]
        return self._parts.pages[number >> _BITS][number & _IN_PAGE][key]

    def __contains__(self, key):
        number = hash(key) & _IN_BUCKETS
        return key in self._places.parts.pages[
            number >> _BITS][number & _IN_PAGE]

    def __len__(self):
        return len(self._places)

    def __iter__(self):
        for part in self._parts:
            yield from part

    def pairs(self) -> Iterator[tuple[Hashable, Any]]:
        """Yield keys with their values, in order."""
        for part in self._parts:
            yield from part.items()

    def __setitem__(self, key, value):
        number = self._places.get(key)
        parts = self._parts
        if number is None:
            if not parts.count or len(parts.pages[-1][-1]) >= _CHUNK:
                parts.append()
            number = self._places[key] = parts.count - 1
        if number in parts.mine:
            parts.pages[number >> _BITS][number & _IN_PAGE][key] = value
        else:
            parts.own(number)[key] = value

    def __delitem__(self, key):
        part = self._parts.own(self._places.pop(key))
        del part[key]
        if not part:
            self._pack_if_sparse()

    def remove_many(self, keys: Collection[Hashable]) -> None:
        """Remove keys that are known to exist, faster than one by one."""
        if len(keys) * _MANY >= len(self):
            self._parts.drop(keys)
        else:
            place, own = self._places.get, self._parts.own
            for key in keys:
                del own(place(key))[key]
        self._places.remove_many(keys)
        self._pack_if_sparse()

    def _pack_if_sparse(self):
        # As long as no part is empty there are not too many of them.
        if self._parts.count > _SPARSE * (len(self) // _CHUNK + 4):
            self._pack()

    def _pack(self):
        """Fill all parts again.

        It takes at least as many removals as entries are left to come to
        this, so that each bears a constant share of it.
        """
        packed = ForkableTable(self.pairs())
        self._places = packed._places
        self._parts = packed._parts

    def __repr__(self):
        return f'{type(self).__name__}({dict(self.pairs())!r})'
