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
"""What was read last about parts of a cloud that cannot be read now."""

import datetime
import threading
from collections.abc import Hashable
from collections.abc import Iterable
from typing import Any


class LastKnown:
    """Values by key, each with the time at which it was read.

    It outlives models, so that a part that one reading misses is not lost to
    the next one. Threads that read single hosts use it as well.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._values: dict[Hashable, tuple[Any, datetime.datetime]] = {}

    def note(self, key: Hashable, value: Any,
             when: datetime.datetime) -> None:
        """Remember a value, unless a newer one is known."""
        with self._lock:
            known = self._values.get(key)
            if known is None or known[1] <= when:
                self._values[key] = (value, when)

    def get(self, key: Hashable) -> tuple[Any, datetime.datetime] | None:
        """Return a value and when it was read; None when there is none."""
        with self._lock:
            return self._values.get(key)

    def keys(self) -> list[Hashable]:
        """Return what is known."""
        with self._lock:
            return list(self._values)

    def forget(self, key: Hashable) -> None:
        """Forget a value: what it described is not there any more."""
        with self._lock:
            self._values.pop(key, None)

    def keep(self, keys: Iterable[Hashable]) -> None:
        """Forget everything but these."""
        kept = set(keys)
        with self._lock:
            self._values = {key: value for key, value
                            in self._values.items() if key in kept}
