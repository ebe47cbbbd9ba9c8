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
"""Dictionaries and lists that tell when they are changed.

The values of elements are shared between models and never change. So an
element of a model hands out a copy of a structure, as one of these: what is
written to it makes a new value of that element, and of no other.
"""

import copy
from collections.abc import Callable
from typing import Any

_ATOMS = (str, int, float, bool, type(None))


def watched(value: Any, changed: Callable[[], None]) -> Any:
    """Return a copy of a structure that calls ``changed`` when written."""
    if isinstance(value, dict):
        return WatchedDict(value, changed)
    if isinstance(value, list):
        return WatchedList(value, changed)
    return value if isinstance(value, _ATOMS) else copy.deepcopy(value)


def plain(value: Any) -> Any:
    """Return an independent copy of a structure, as ordinary types."""
    if isinstance(value, _ATOMS):
        return value
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return copy.deepcopy(value)


class _Watched:
    """What both kinds have in common; they count as plain for copies."""

    __slots__ = ()

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return plain(self)

    def __reduce_ex__(self, protocol):
        made = plain(self)
        return type(made), (made,)


class WatchedDict(_Watched, dict):
    """A dictionary that tells when it, or something in it, is changed."""

    __slots__ = ('_changed',)

    def __init__(self, value, changed):
        super().__init__(
            [(key, watched(item, changed)) for key, item in value.items()])
        self._changed = changed

    def __setitem__(self, key, value):
        super().__setitem__(key, watched(value, self._changed))
        self._changed()

    def __delitem__(self, key):
        super().__delitem__(key)
        self._changed()

    def __ior__(self, other):
        self.update(other)
        return self

    def update(self, *args, **kwargs):
        super().update([(key, watched(value, self._changed)) for key, value
                        in dict(*args, **kwargs).items()])
        self._changed()

    def setdefault(self, key, default=None):
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, *args):
        removed = super().pop(*args)
        self._changed()
        return removed

    def popitem(self):
        removed = super().popitem()
        self._changed()
        return removed

    def clear(self):
        super().clear()
        self._changed()


class WatchedList(_Watched, list):
    """A list that tells when it, or something in it, is changed."""

    __slots__ = ('_changed',)

    def __init__(self, value, changed):
        super().__init__([watched(item, changed) for item in value])
        self._changed = changed

    def __setitem__(self, index, value):
        if isinstance(index, slice):
            value = [watched(item, self._changed) for item in value]
        else:
            value = watched(value, self._changed)
        super().__setitem__(index, value)
        self._changed()

    def __delitem__(self, index):
        super().__delitem__(index)
        self._changed()

    def __iadd__(self, other):
        self.extend(other)
        return self

    def __imul__(self, times):
        self[:] = list(self) * times
        return self

    def append(self, item):
        super().append(watched(item, self._changed))
        self._changed()

    def extend(self, items):
        super().extend([watched(item, self._changed) for item in items])
        self._changed()

    def insert(self, index, item):
        super().insert(index, watched(item, self._changed))
        self._changed()

    def pop(self, index=-1):
        removed = super().pop(index)
        self._changed()
        return removed

    def remove(self, item):
        super().remove(item)
        self._changed()

    def clear(self):
        super().clear()
        self._changed()

    def sort(self, **kwargs):
        super().sort(**kwargs)
        self._changed()

    def reverse(self):
        super().reverse()
        self._changed()
