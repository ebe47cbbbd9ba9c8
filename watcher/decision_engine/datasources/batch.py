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
"""The answer to one question about many resources.

A resource has a value, no value, or one that is too old to be trusted. These
are three different things: 0.0 is a value, and whatever is not a value must
never look like one. In arrays both others are NaN, so that no sum or
comparison takes them for an idle machine by accident.
"""

import enum
import math
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

import numpy

from watcher.common import metrics as instruments
from watcher.decision_engine.datasources import metrics

#: How many resources a message names before it only counts.
MAX_NAMED = 5


class State(enum.Enum):
    """What is known about one metric of one resource."""

    VALUE = 'value'
    MISSING = 'missing'
    STALE = 'stale'


class Reading(NamedTuple):
    """What a source says about one metric of one resource.

    :param value: in the unit of the metric; None, NaN and infinity (a query
        divided by 0) are no values.
    :param age: seconds since the newest sample behind it; None if the source
        does not tell.
    :param stale: whether the source itself calls the samples outdated.
    :param problem: why there is no value, if that is known.
    """

    value: float | None = None
    age: float | None = None
    stale: bool = False
    problem: str | None = None

    @property
    def state(self) -> State:
        if self.value is None or not math.isfinite(self.value):
            return State.MISSING
        return State.STALE if self.stale else State.VALUE


MISSING = Reading()


class MetricBatch:
    """One metric of many resources, by the UUID of the resource.

    Immutable. ``len()`` is the number of resources asked for.

    :param metric: internal name, like ``host_cpu_usage``.
    :param readings: what is known, by UUID; one entry for each resource that
        was asked for (one that is left out of ``requested`` is ignored).
    :param requested: the resources asked for; by default those of
        ``readings``.
    :param source: name of the data source.
    """

    def __init__(self, metric: str, readings: Mapping[str, Reading],
                 requested: Iterable[str] | None = None, source: str = '',
                 aggregate: str = metrics.DEFAULT_AGGREGATE,
                 period: int = metrics.DEFAULT_PERIOD) -> None:
        self.metric = metric
        self.unit = metrics.unit_of(metric)
        self.source = source
        self.aggregate = aggregate
        self.period = period
        self.requested: tuple[str, ...] = tuple(dict.fromkeys(
            readings if requested is None else requested))
        self._readings = {uuid: readings.get(uuid, MISSING)
                          for uuid in self.requested}
        states: dict[State, list[str]] = {state: [] for state in State}
        for uuid, reading in self._readings.items():
            states[reading.state].append(uuid)
        self._by_state = {state: tuple(uuids)
                          for state, uuids in states.items()}

    @classmethod
    def of(cls, metric: str, values: Mapping[str, float | None],
           **facts) -> 'MetricBatch':
        """Make a batch of fresh values; None stands for no value."""
        return cls(metric, {uuid: Reading(value)
                            for uuid, value in values.items()}, **facts)

    # One resource ---------------------------------------------------------

    def reading(self, uuid: str) -> Reading:
        """Return all that is known; a missing one for an unknown UUID."""
        return self._readings.get(uuid, MISSING)

    def state(self, uuid: str) -> State:
        return self.reading(uuid).state

    def get(self, uuid: str, stale: bool = False) -> float | None:
        """Return the value, None if there is none.

        :param stale: whether an outdated value is better than none.
        """
        reading = self.reading(uuid)
        if reading.state is State.VALUE or (
                stale and reading.state is State.STALE):
            return reading.value
        return None

    def why_not(self, uuid: str) -> str | None:
        """Say in words why a resource has no usable value.

        None if it has one.
        """
        reading = self.reading(uuid)
        if reading.state is State.VALUE:
            return None
        if reading.state is State.STALE:
            age = ('' if reading.age is None
                   else f', its newest sample is {reading.age:.0f} s old')
            return f'{self.metric} is outdated{age}'
        return f'no {self.metric}' + (
            f': {reading.problem}' if reading.problem else '')

    # All of them ----------------------------------------------------------

    def array(self, uuids: Sequence[str],
              stale: bool = False) -> numpy.ndarray:
        """Return values in the order of ``uuids`` as float64.

        NaN where there is no value. Work with masks
        (``numpy.isnan(loads)``): NaN is not zero.

        :param stale: whether an outdated value is better than none.
        """
        wanted = {State.VALUE, State.STALE} if stale else {State.VALUE}
        nothing = math.nan
        readings = self._readings
        return numpy.fromiter(
            (reading.value if (reading := readings.get(uuid, MISSING)).state
             in wanted else nothing for uuid in uuids),
            dtype=numpy.float64, count=len(uuids))

    def values(self, stale: bool = False) -> dict[str, float]:
        """Return the values there are, by UUID."""
        found = {uuid: self._readings[uuid].value
                 for uuid in self._by_state[State.VALUE]}
        if stale:
            found.update((uuid, self._readings[uuid].value)
                         for uuid in self._by_state[State.STALE])
        return found

    @property
    def missing(self) -> tuple[str, ...]:
        """Resources without any value, in the order asked for."""
        return self._by_state[State.MISSING]

    @property
    def stale(self) -> tuple[str, ...]:
        """Resources whose value is outdated, in the order asked for."""
        return self._by_state[State.STALE]

    @property
    def coverage(self) -> float:
        """Share of the resources that have a fresh value, 0 to 1.

        1 if nothing was asked for.
        """
        if not self.requested:
            return 1.0
        return len(self._by_state[State.VALUE]) / len(self.requested)

    @property
    def age(self) -> float | None:
        """Seconds since the oldest sample behind a fresh value.

        None if there is none or the source tells no times.
        """
        ages = [reading.age for uuid in self._by_state[State.VALUE]
                if (reading := self._readings[uuid]).age is not None]
        return max(ages, default=None)

    def measure(self) -> None:
        """Tell the metrics of the service how much of it there was."""
        instruments.metric_read(self.source or '', self.metric, {
            'fresh': len(self._by_state[State.VALUE]),
            'stale': len(self.stale), 'missing': len(self.missing)})

    def __len__(self) -> int:
        return len(self.requested)

    def __contains__(self, uuid: object) -> bool:
        return uuid in self._readings

    # For people -----------------------------------------------------------

    def summary(self) -> dict:
        """Return the facts about this reading, fit for JSON."""
        age = self.age
        return {'metric': self.metric, 'unit': self.unit,
                'source': self.source, 'aggregate': self.aggregate,
                'period': self.period, 'requested': len(self),
                'values': len(self._by_state[State.VALUE]),
                'stale': len(self.stale), 'missing': len(self.missing),
                'coverage': round(self.coverage, 4),
                'age': None if age is None else round(age, 1)}

    def __str__(self) -> str:
        facts = self.summary()
        text = (f'{self.aggregate} of {self.metric} over {self.period} s '
                f'from {self.source or "an unnamed source"}: '
                f'{facts["values"]} of {facts["requested"]} resources have '
                f'a value')
        if facts['age'] is not None:
            text += f', none older than {facts["age"]:.0f} s'
        for words, uuids in (('outdated', self.stale),
                             ('missing', self.missing)):
            if uuids:
                named = ', '.join(uuids[:MAX_NAMED])
                more = ', ...' if len(uuids) > MAX_NAMED else ''
                text += f'; {len(uuids)} {words} ({named}{more})'
        return text
