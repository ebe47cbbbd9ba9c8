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
"""How fresh a model is: part by part, and message by message."""

import datetime
from collections.abc import Iterable
from collections.abc import Iterator
from typing import NamedTuple

from watcher.decision_engine.model import persistent

BUILD = 'build'
NOTIFICATION = 'notification'

#: So many removed elements are remembered at least, twice as many at most.
TOMBSTONES = 10000


class Freshness(NamedTuple):
    """What is known about the picture of one host, backend or node.

    Times are in UTC.

    :ivar when: when anything about it was learned last.
    :ivar source: from what: ``build`` or ``notification``.
    :ivar reason: why the picture is not complete; None when it is.
    :ivar read_at: when all of it was read last; None: never.
    """

    when: datetime.datetime | None
    source: str
    reason: str | None = None
    read_at: datetime.datetime | None = None

    @property
    def complete(self) -> bool:
        """Whether all of it is known."""
        return self.reason is None

    def age(self, now: datetime.datetime) -> float | None:
        """Return the seconds since all of it was read; None: never."""
        if self.read_at is None:
            return None
        return max(0.0, (now - self.read_at).total_seconds())

    def learned(self, when: datetime.datetime | None, source: str,
                reason: str | None,
                read_at: datetime.datetime | None = None) -> 'Freshness':
        """Return this with something learned, perhaps late.

        :param read_at: when all of it was read, if not now.
        """
        if source == BUILD and reason is None:
            read_at = when
        read_at = _latest(self.read_at, read_at)
        if _latest(self.when, when) == self.when != when:
            when, source = self.when, self.source
        return Freshness(when, source, reason, read_at)


def _latest(one, other):
    if one is None or other is None:
        return one or other
    return max(one, other)


def utc(when: datetime.datetime | str) -> datetime.datetime:
    """Return a time with its zone; one without is in UTC.

    :param when: a text is in ISO 8601, as in messages.
    :raises: ValueError
    """
    if isinstance(when, str):
        when = datetime.datetime.fromisoformat(when)
    if when.tzinfo is None:
        return when.replace(tzinfo=datetime.UTC)
    return when


class Clocks:
    """When elements were heard of last, also some that are gone.

    What is not in the model (any more) is kept in two generations. The older
    one is dropped when the younger is full, so that endless coming and going
    does not fill the memory.
    """

    __slots__ = ('_present', '_young', '_old')

    def __init__(self):
        self._present = persistent.ForkableDict()
        self._young = persistent.ForkableDict()
        self._old = persistent.ForkableDict()

    def fork(self) -> 'Clocks':
        """Return independent clocks of the same times."""
        made = Clocks()
        made._present = self._present.fork()
        made._young = self._young.fork()
        made._old = self._old.fork()
        return made

    def get(self, key: str) -> datetime.datetime | None:
        """Return the time of the newest news, None when there was none."""
        return (self._present.get(key) or self._young.get(key)
                or self._old.get(key))

    def set(self, key: str, when: datetime.datetime, present: bool) -> None:
        """Note news about an element that is present in the model, or not.
        """
        if present:
            self._present[key] = when
            return
        if len(self._young) >= TOMBSTONES and key not in self._young:
            self._old = self._young
            self._young = persistent.ForkableDict()
        self._young[key] = when

    def items(self) -> Iterator[tuple[str, datetime.datetime]]:
        """Yield everything that is known."""
        for known in (self._old, self._young, self._present):
            yield from known.items()

    @property
    def gone(self) -> bool:
        """Whether anything is known that is not in the model."""
        return bool(self._young or self._old)

    def arrived(self, key: str) -> None:
        """Note that an element became part of the model."""
        when = self._young.get(key) or self._old.get(key)
        if when is not None:
            self._young.pop(key, None)
            self._old.pop(key, None)
            self._present[key] = when

    def left(self, keys: Iterable[str]) -> None:
        """Note that elements are no longer part of the model."""
        if not self._present:
            return
        for key in keys:
            when = self._present.get(key)
            if when is not None:
                del self._present[key]
                self.set(key, when, False)
