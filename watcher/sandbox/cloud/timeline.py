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
"""Things that happen later: a thread that runs callbacks when due."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable

from oslo_log import log

LOG = log.getLogger(__name__)


class Timeline:
    """Runs callbacks in the order of their due times.

    The simulated work of the cloud (a migration that takes two seconds)
    is nothing but a callback some seconds from now. Callbacks must be
    short; they run one after the other in one thread.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = itertools.count()
        self._stopping = False
        self._busy = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stopping = False
        self._thread = threading.Thread(
            target=self._run, name='sandbox-timeline', daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop at once; what is not due yet never happens."""
        with self._condition:
            self._stopping = True
            self._heap.clear()
            self._condition.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def after(self, seconds: float, callback: Callable[[], None]) -> None:
        with self._condition:
            heapq.heappush(self._heap, (time.monotonic() + seconds,
                                        next(self._sequence), callback))
            self._condition.notify_all()

    def wait_idle(self, timeout: float = 60.0) -> bool:
        """Wait until nothing is pending; false when time ran out."""
        with self._condition:
            return self._condition.wait_for(
                lambda: not self._heap and not self._busy, timeout)

    def _run(self) -> None:
        while True:
            callback = self._next()
            if callback is None:
                return
            try:
                callback()
            except Exception:
                LOG.exception('A simulated event of the cloud failed.')
            with self._condition:
                self._busy = False
                self._condition.notify_all()

    def _next(self) -> Callable[[], None] | None:
        with self._condition:
            while not self._stopping:
                now = time.monotonic()
                if self._heap and self._heap[0][0] <= now:
                    self._busy = True
                    return heapq.heappop(self._heap)[2]
                wait = self._heap[0][0] - now if self._heap else None
                self._condition.wait(wait)
            return None
