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
"""Many questions: cut into parts, asked at once on the engine's pool."""

import threading
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

from watcher.decision_engine import threading as de_threading


def parts(items: Sequence, size: int) -> Iterator[Sequence]:
    """Cut a sequence into pieces of at most ``size`` items."""
    for first in range(0, len(items), size):
        yield items[first:first + size]


def run(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """Call ``function`` with each item and return the results in order.

    The caller works too, so that this ends even when every thread of the
    pool is busy, and may be used inside a task of the pool. The first
    exception ends the work and is raised.
    """
    work = _Work(function, list(items))
    helpers = []
    if len(work.items) > 1:
        pool = de_threading.DecisionEngineThreadPool()
        helpers = [pool.submit(work.drain)
                   for _ in range(min(pool.size, len(work.items) - 1))]
    work.drain()
    for helper in helpers:
        # One that has not started yet has nothing left to do.
        if not helper.cancel():
            helper.result()
    if work.failure is not None:
        raise work.failure
    return work.results


class _Work:
    """What is left to do, taken piece by piece by several threads."""

    def __init__(self, function, items):
        self.items = items
        self.results = [None] * len(items)
        self.failure = None
        self._function = function
        self._next = 0
        self._lock = threading.Lock()

    def _take(self):
        with self._lock:
            if self.failure is not None or self._next == len(self.items):
                return None
            self._next += 1
            return self._next - 1

    def drain(self):
        while (number := self._take()) is not None:
            try:
                self.results[number] = self._function(self.items[number])
            except Exception as exc:
                with self._lock:
                    self.failure = self.failure or exc
