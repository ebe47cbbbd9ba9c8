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
"""Metric values that one run of an audit already knows.

Values that a simulation puts in stand beside measured ones and can be taken
out again. That a resource has no value is remembered too: asking again would
cost a query for each of thousands and give the same answer.
"""

import dataclasses
import threading
from typing import Any

from watcher.decision_engine.datasources import batch
from watcher.decision_engine.datasources import metrics

Key = tuple[str, str, str, int, int]


class MetricCacheKey:
    """Makes the keys of :class:`MetricDataCache`."""

    @staticmethod
    def generate(resource_id: str, meter_name: str,
                 aggregate: str = metrics.DEFAULT_AGGREGATE,
                 period: Any = metrics.DEFAULT_PERIOD,
                 granularity: Any = metrics.DEFAULT_GRANULARITY) -> Key:
        """Return the key of a value.

        ``300``, ``300.0`` and ``"300"`` are the same; a granularity of None
        is the usual one.
        """
        return (str(resource_id), str(meter_name),
                str(aggregate or metrics.DEFAULT_AGGREGATE),
                _seconds(period, metrics.DEFAULT_PERIOD),
                _seconds(granularity, metrics.DEFAULT_GRANULARITY))


def _seconds(value: Any, default: int) -> int:
    return default if value is None else int(float(value))


@dataclasses.dataclass(frozen=True)
class _Entry:
    reading: batch.Reading
    simulated: bool


class MetricDataCache:
    """Readings by resource, metric, aggregate, period and granularity.

    A value may be put and read for one type of resource or, like those of a
    simulation, for any. May be used by several threads.
    """

    def __init__(self) -> None:
        self._entries: dict[Key, dict[str | None, _Entry]] = {}
        self._lock = threading.Lock()

    def get(self, resource_id: str, meter_name: str,
            aggregate: str = metrics.DEFAULT_AGGREGATE,
            period: Any = metrics.DEFAULT_PERIOD,
            granularity: Any = metrics.DEFAULT_GRANULARITY,
            resource_type: str | None = None) -> float | None:
        """Return the value; None if it is unknown or known to be missing."""
        reading = self.find(MetricCacheKey.generate(
            resource_id, meter_name, aggregate, period, granularity),
            resource_type)
        return reading.value if reading else None

    def find(self, key: Key,
             resource_type: str | None = None) -> batch.Reading | None:
        """Return what is known under a key; None if nothing was asked yet.
        """
        with self._lock:
            entry = self._entry(key, resource_type)
        return entry.reading if entry else None

    def _entry(self, key, resource_type):
        by_type = self._entries.get(key)
        if not by_type:
            return None
        if None in by_type:
            return by_type[None]
        if resource_type is None:
            return next(iter(by_type.values()))
        return by_type.get(resource_type)

    def put(self, resource_id: str, meter_name: str, value: float | None,
            aggregate: str = metrics.DEFAULT_AGGREGATE,
            period: Any = metrics.DEFAULT_PERIOD,
            granularity: Any = metrics.DEFAULT_GRANULARITY,
            simulated: bool = False,
            resource_type: str | None = None) -> None:
        """Remember a value; None says that there is none."""
        self.store(MetricCacheKey.generate(
            resource_id, meter_name, aggregate, period, granularity),
            batch.Reading(value), simulated, resource_type)

    def store(self, key: Key, reading: batch.Reading,
              simulated: bool = False,
              resource_type: str | None = None) -> None:
        """Remember a reading with all that is known about it.

        A real reading replaces a simulated one, mark included.
        """
        with self._lock:
            by_type = self._entries.setdefault(key, {})
            if resource_type is None:
                by_type.clear()
            else:
                by_type.pop(None, None)
            by_type[resource_type] = _Entry(reading, simulated)

    def is_simulated(self, resource_id: str, meter_name: str,
                     aggregate: str = metrics.DEFAULT_AGGREGATE,
                     period: Any = metrics.DEFAULT_PERIOD,
                     granularity: Any = metrics.DEFAULT_GRANULARITY) -> bool:
        """Tell whether the value comes from a simulation."""
        key = MetricCacheKey.generate(resource_id, meter_name, aggregate,
                                      period, granularity)
        with self._lock:
            entry = self._entry(key, None)
        return bool(entry and entry.simulated)

    def remove(self, resource_id: str, meter_name: str | None = None
               ) -> None:
        """Forget one metric of a resource, or all of them."""
        with self._lock:
            for key in [key for key in self._entries
                        if key[0] == str(resource_id)
                        and meter_name in (None, key[1])]:
                del self._entries[key]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()

    def clear_simulated(self) -> None:
        """Forget what a simulation put in, and nothing else."""
        with self._lock:
            for key, by_type in list(self._entries.items()):
                kept = {type_: entry for type_, entry in by_type.items()
                        if not entry.simulated}
                if kept:
                    self._entries[key] = kept
                else:
                    del self._entries[key]

    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)

    def __contains__(self, key: object) -> bool:
        with self._lock:
            return key in self._entries
