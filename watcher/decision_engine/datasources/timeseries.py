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
"""Trend, daily and weekly rhythm, and what is left, of metrics over time.

For strategies that look for what recurs: a contention each Monday morning, a
host that gets fuller week by week. Nothing is predicted here.

Everything works along the last axis of an array, so one series and a thousand
are the same to it. Values that are missing are NaN and stay so.
"""

import dataclasses
import datetime
import math
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy

DAY = 86400
WEEK = 7 * DAY

#: The usual rhythms and their length in seconds.
PERIODS = {'daily': DAY, 'weekly': WEEK}

#: The day that rhythms are counted from: a Monday, midnight UTC.
EPOCH = datetime.datetime(1970, 1, 5, tzinfo=datetime.UTC)

#: How often trend and rhythms are estimated, each without the others.
ROUNDS = 8

#: Fewest values a test for stationarity makes sense with.
MIN_VALUES = 20

#: Resources whose series are in memory at the same time.
CHUNK = 100

#: Critical values of the Dickey-Fuller distribution with a constant:
#: asymptotic value and corrections in 1/n (MacKinnon, 2010).
CRITICAL = {0.01: (-3.43035, -6.5393, -16.786, -79.433),
            0.05: (-2.86154, -2.8903, -4.234, -40.040),
            0.10: (-2.56677, -1.5384, -2.809, 0.0)}


@dataclasses.dataclass(frozen=True)
class Decomposition:
    """The parts of a series; they add up to its values.

    :param trend: the slow part, also where values are missing.
    :param rhythms: part by name of the rhythm, each with mean 0. A rhythm is
        left out unless two full rounds of it are covered.
    :param residual: the rest, NaN where values are missing.
    :param profiles: one round of each rhythm, beginning on a Monday at
        midnight UTC.
    """

    trend: numpy.ndarray
    rhythms: dict[str, numpy.ndarray]
    residual: numpy.ndarray
    profiles: dict[str, numpy.ndarray]

    def strength(self, rhythm: str) -> numpy.ndarray | float:
        """Return how much a rhythm explains, 0 (nothing) to 1 (all).

        0 for a rhythm that is not part of the decomposition.
        """
        if rhythm not in self.rhythms:
            return numpy.zeros(self.trend.shape[:-1])[()]
        rest = _variance(self.residual)
        both = _variance(self.residual + self.rhythms[rhythm])
        with numpy.errstate(invalid='ignore', divide='ignore'):
            share = numpy.where(both > 0, 1 - rest / both, 0.0)
        return numpy.clip(share, 0.0, 1.0)[()]


@dataclasses.dataclass(frozen=True)
class Stationarity:
    """What the augmented Dickey-Fuller test says about a series.

    :param statistic: the more negative, the clearer it returns to its mean.
    :param critical: value the statistic has to be below.
    """

    statistic: float
    critical: float

    @property
    def stationary(self) -> bool:
        return self.statistic < self.critical


class TimeSeries:
    """Values at equal distances in time.

    :param start: time of the first value.
    :param step: seconds between two values.
    :param values: array whose last axis is the time, NaN where missing.
    """

    def __init__(self, start: datetime.datetime, step: int,
                 values: Any) -> None:
        if step <= 0:
            raise ValueError('the step of a time series has to be above 0')
        self.start = _aware(start)
        self.step = int(step)
        self.values = numpy.array(values, dtype=numpy.float64)

    @classmethod
    def of(cls, series: Mapping[datetime.datetime, float],
           start: datetime.datetime, end: datetime.datetime,
           step: int) -> 'TimeSeries':
        """Make a series of what ``statistic_series`` of a source returns."""
        return cls.of_many([series], start, end, step)[0]

    @classmethod
    def of_many(cls, many: Sequence[Mapping[datetime.datetime, float]],
                start: datetime.datetime, end: datetime.datetime,
                step: int) -> 'TimeSeries':
        """Make one object of several series, one to a row.

        A value goes to the nearest point of the grid that begins at
        ``start``; of several at the same point the mean counts.
        """
        start, end = _aware(start), _aware(end)
        count = int((end - start).total_seconds() // step) + 1
        sums = numpy.zeros((len(many), count))
        found = numpy.zeros((len(many), count))
        for row, series in enumerate(many):
            if not series:
                continue
            places = numpy.rint([
                (_aware(moment) - start).total_seconds() / step
                for moment in series]).astype(int)
            values = numpy.fromiter(series.values(), float, len(series))
            good = (places >= 0) & (places < count) & ~numpy.isnan(values)
            numpy.add.at(sums[row], places[good], values[good])
            numpy.add.at(found[row], places[good], 1)
        with numpy.errstate(invalid='ignore'):
            return cls(start, step,
                       numpy.where(found > 0, sums / found, math.nan))

    def __getitem__(self, row: Any) -> 'TimeSeries':
        """Return some of several series."""
        return TimeSeries(self.start, self.step, self.values[row])

    def __len__(self) -> int:
        """Number of points in time."""
        return self.values.shape[-1]

    @property
    def coverage(self) -> numpy.ndarray | float:
        """Share of the points that have a value, for each series."""
        if not len(self):
            return 0.0
        return numpy.mean(~numpy.isnan(self.values), axis=-1)

    def times(self) -> list[datetime.datetime]:
        return [self.start + datetime.timedelta(seconds=self.step * number)
                for number in range(len(self))]

    # Parts ----------------------------------------------------------------

    def decompose(self, periods: Mapping[str, int] = PERIODS
                  ) -> Decomposition:
        """Take the series apart.

        :param periods: rhythms and their length in seconds; those that are
            no multiple of the step or not covered twice are left out.
        """
        rhythms = {name: seconds // self.step
                   for name, seconds in sorted(
                       periods.items(), key=lambda item: item[1])
                   if seconds % self.step == 0
                   and 1 < seconds // self.step
                   and len(self) >= 2 * (seconds // self.step)}
        window = max(rhythms.values(), default=max(3, len(self) // 4))
        trend = _line(self.values)
        parts = {name: numpy.zeros_like(self.values) for name in rhythms}
        profiles: dict[str, numpy.ndarray] = {}
        for _round in range(ROUNDS if rhythms else 1):
            for name, length in rhythms.items():
                rest = self.values - trend - sum(
                    part for other, part in parts.items() if other != name)
                profiles[name], parts[name] = self._rhythm(rest, length)
            trend = _smooth(self.values - sum(parts.values()), window)
        return Decomposition(
            trend, parts, self.values - trend - sum(parts.values()),
            profiles)

    def _rhythm(self, values, length):
        """Return one round of a rhythm, and it repeated along the series."""
        offset = self._phase(length)
        rounds = -(-(offset + len(self)) // length)
        shape = values.shape[:-1]
        padded = numpy.full((*shape, rounds * length), math.nan)
        padded[..., offset:offset + len(self)] = values
        profile = _mean(padded.reshape(*shape, rounds, length), axis=-2)
        profile = profile - _mean(profile, axis=-1)[..., None]
        # A phase without any value: nothing is known, nothing is added.
        profile = numpy.nan_to_num(profile)
        repeated = numpy.tile(profile, rounds)
        return profile, repeated[..., offset:offset + len(self)]

    def _phase(self, length) -> int:
        """Return which point of a rhythm the series begins at."""
        seconds = (self.start - EPOCH).total_seconds()
        return int(seconds // self.step) % length

    # Stationarity ---------------------------------------------------------

    def stationarity(self, level: float = 0.05
                     ) -> Stationarity | list[Stationarity]:
        """Test whether the series keeps returning to a constant mean.

        Gaps are bridged by straight lines. A rhythm is stationary in the
        sense of this test; a drift or a random walk is not.

        :param level: probability (0.01, 0.05 or 0.1) of calling a random
            walk stationary.
        :return: a list for several series.
        :raises ValueError: for a series with fewer than 20 values
        """
        if self.values.ndim > 1:
            return [self[row].stationarity(level)
                    for row in range(self.values.shape[0])]
        values = _bridged(self.values)
        if len(values) < MIN_VALUES:
            raise ValueError(
                f'{len(values)} values are too few to test for '
                f'stationarity; {MIN_VALUES} are needed')
        statistic, count = _dickey_fuller(values)
        base, *corrections = CRITICAL[level]
        return Stationarity(statistic, base + sum(
            factor / count ** (power + 1)
            for power, factor in enumerate(corrections)))


def read(source, resources: Sequence[Any], resource_type: str,
         meter_name: str, start_time: datetime.datetime,
         end_time: datetime.datetime, granularity: int = 300
         ) -> Iterator[tuple[list[str], TimeSeries]]:
    """Yield UUIDs and their series, a part of the resources at a time.

    :param source: data source.
    :return: a list of UUIDs and a :class:`TimeSeries` with a row for each.
    """
    uuids: list[str] = []
    many: list[Mapping] = []
    for uuid, series in source.statistic_series_batch(
            resources, resource_type, meter_name, start_time, end_time,
            granularity):
        uuids.append(uuid)
        many.append(series)
        if len(uuids) == CHUNK:
            yield uuids, TimeSeries.of_many(many, start_time, end_time,
                                            granularity)
            uuids, many = [], []
    if uuids:
        yield uuids, TimeSeries.of_many(many, start_time, end_time,
                                        granularity)


def _aware(moment: datetime.datetime) -> datetime.datetime:
    if moment.tzinfo is None:
        return moment.replace(tzinfo=datetime.UTC)
    return moment


def _mean(values: numpy.ndarray, axis: int) -> numpy.ndarray:
    """Mean without NaN; NaN where there is nothing."""
    good = ~numpy.isnan(values)
    with numpy.errstate(invalid='ignore', divide='ignore'):
        return (numpy.where(good, values, 0.0).sum(axis=axis)
                / good.sum(axis=axis))


def _variance(values: numpy.ndarray) -> numpy.ndarray:
    return _mean((values - _mean(values, -1)[..., None]) ** 2, -1)


def _line(values: numpy.ndarray) -> numpy.ndarray:
    """Return the straight line that fits best."""
    return _smooth(values, 2 * values.shape[-1])


def _smooth(values: numpy.ndarray, window: int) -> numpy.ndarray:
    """Fit a straight line to the surroundings of each point.

    Unlike a moving average it neither bends at the ends nor needs all
    values. The sums of each window are differences of running sums.
    """
    count = values.shape[-1]
    good = ~numpy.isnan(values)
    place = (numpy.arange(count) - count / 2) / max(count, 1)
    # Around the mean, so that sums of large values lose no digits.
    level = numpy.nan_to_num(_mean(values, -1))[..., None]
    known = numpy.where(good, values - level, 0.0)
    half = window // 2
    first = numpy.clip(numpy.arange(count) - half, 0, count)
    last = numpy.clip(numpy.arange(count) + half + 1, 0, count)

    def around(terms):
        sums = numpy.zeros((*terms.shape[:-1], count + 1))
        numpy.cumsum(terms, axis=-1, out=sums[..., 1:])
        return sums[..., last] - sums[..., first]
    with numpy.errstate(invalid='ignore', divide='ignore'):
        number = around(good.astype(float))
        x = around(good * place) / number
        y = around(known) / number
        spread = around(good * place ** 2) / number - x ** 2
        slope = (around(known * place) / number - x * y) / spread
        slope = numpy.where(spread > 1e-12, slope, 0.0)
        return level + y + slope * (place - x)


def _bridged(values: numpy.ndarray) -> numpy.ndarray:
    """Fill gaps with straight lines; what is before and after is cut."""
    good = numpy.flatnonzero(~numpy.isnan(values))
    if not len(good):
        return values[:0]
    places = numpy.arange(good[0], good[-1] + 1)
    return numpy.interp(places, good, values[good])


def _dickey_fuller(values: numpy.ndarray) -> tuple[float, int]:
    """Return the test's statistic and the number of points it rests on.

    Changes are explained by the level, a constant and earlier changes, as
    many as Schwert's rule says.
    """
    changes = numpy.diff(values)
    if numpy.ptp(values) <= 1e-12 * max(1.0, numpy.abs(values).max()):
        return -math.inf, len(changes)
    lags = min(int(12 * (len(values) / 100) ** 0.25), len(changes) // 2 - 2)
    rows = len(changes) - lags
    columns = [values[lags:-1], numpy.ones(rows)]
    columns += [changes[lags - lag:-lag] for lag in range(1, lags + 1)]
    matrix = numpy.column_stack(columns)
    target = changes[lags:]
    # Repetitions make columns alike; the pseudo-inverse copes with it.
    inverse = numpy.linalg.pinv(matrix.T @ matrix)
    factors = inverse @ matrix.T @ target
    rest = target - matrix @ factors
    freedom = max(1, rows - matrix.shape[1])
    error = math.sqrt(max(rest @ rest / freedom * inverse[0, 0], 0.0))
    if error < 1e-12 * max(1.0, numpy.abs(values).max()):
        # Without any noise the way back to the mean is certain.
        return (-math.inf if factors[0] < -1e-9 else 0.0), rows
    return float(factors[0] / error), rows
