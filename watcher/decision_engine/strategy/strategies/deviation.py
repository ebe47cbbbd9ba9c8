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
"""How evenly the loads of hosts are spread, and what moves do to that.

The deviation of a metric is the standard deviation of the loads of all hosts
(of the population); several metrics are added up by weight. Running sums make
it cheap to tell what the deviation would be after a move: two terms of each
sum change, whatever the number of hosts.
"""

import math
from collections.abc import Sequence

import numpy

#: Deviations that differ by less are equal.
TOLERANCE = 1e-12

#: After so many moves the sums are made anew.
FRESH_FOR = 500


class LoadTable:
    """The loads of hosts by metric, and their deviations.

    Hosts without a value of each metric are no part of it.

    :param loads: metrics by hosts, as shares of the hosts; NaN is unknown.
        It is not changed.
    :param weights: of the metrics.
    """

    def __init__(self, loads: numpy.ndarray, weights: Sequence[float]):
        self.loads = numpy.array(loads, dtype=numpy.float64)
        self.weights = [float(weight) for weight in weights]
        self.members = ~numpy.isnan(self.loads).any(axis=0)
        if not len(self.loads):
            self.members[:] = False
        self.count = int(self.members.sum())
        self.sum_up()

    def sum_up(self) -> None:
        """Make the sums anew: moves leave errors of rounding in them."""
        self._moves = 0
        # Sums of squares lose digits unless they are those of the
        # differences from the mean.
        means = [float(row[self.members].mean()) if self.count else 0.0
                 for row in self.loads]
        self.centred = self.loads - numpy.array(means).reshape(-1, 1)
        known = self.centred[:, self.members]
        self._sums = known.sum(axis=1).tolist()
        self._squares = (known ** 2).sum(axis=1).tolist()

    def deviations(self) -> list[float]:
        """Return the deviation of each metric; 0 without hosts."""
        return [self._root(sums, squares) for sums, squares
                in zip(self._sums, self._squares, strict=True)]

    def _root(self, sums: float, squares: float) -> float:
        if not self.count:
            return 0.0
        mean = sums / self.count
        return math.sqrt(max(squares / self.count - mean * mean, 0))

    def weighted(self) -> float:
        """Return the sum of all deviations by weight."""
        return math.fsum(weight * deviation for weight, deviation in zip(
            self.weights, self.deviations(), strict=True))

    def after(self, sources, destinations, less, more) -> numpy.ndarray:
        """Return the weighted deviation after each of many moves.

        Each by itself, not one after the other. Everything may be an array,
        as far as the shapes go together.

        :param sources: hosts that get less load.
        :param destinations: hosts that get more.
        :param less: by how much, for each metric, as shares of the source.
        :param more: the same for the destination.
        """
        total = 0.0
        for row, weight in enumerate(self.weights):
            values = self.centred[row]
            off, on = less[row], more[row]
            sums = (on - off) + self._sums[row]
            squares = (off * (off - 2 * values[sources])
                       + on * (on + 2 * values[destinations])
                       + self._squares[row])
            variance = squares / self.count - (sums / self.count) ** 2
            total = total + weight * numpy.sqrt(numpy.maximum(variance, 0))
        return total

    def after_one(self, source: int, destination: int,
                  less: Sequence[float], more: Sequence[float]) -> float:
        """As :meth:`after`, for a single move."""
        total = 0.0
        for row, weight in enumerate(self.weights):
            off, on = less[row], more[row]
            total += weight * self._root(
                self._sums[row] + on - off,
                self._squares[row] + self._change(
                    row, source, destination, off, on))
        return total

    def _change(self, row, source, destination, off, on):
        """By how much a move changes a sum of squares."""
        return (off * (off - 2 * self.centred.item(row, source))
                + on * (on + 2 * self.centred.item(row, destination)))

    def move(self, source: int, destination: int,
             less: Sequence[float], more: Sequence[float]) -> None:
        """Take load from a host and give it to another one."""
        for row, (off, on) in enumerate(zip(less, more, strict=True)):
            self._sums[row] += on - off
            self._squares[row] += self._change(
                row, source, destination, off, on)
            for table in (self.loads, self.centred):
                table[row, source] -= off
                table[row, destination] += on
        self._moves += 1
        if self._moves == FRESH_FOR:
            self.sum_up()


def improvements(values: numpy.ndarray, start: float) -> numpy.ndarray:
    """Return the places of values that are less than all before them.

    :param start: the first one has to be less than this.
    """
    places = numpy.flatnonzero(values < start - TOLERANCE)
    if places.size < 2:
        return places
    found = values[places]
    least = numpy.minimum.accumulate(found)
    better = numpy.ones(places.size, dtype=bool)
    better[1:] = found[1:] < least[:-1] - TOLERANCE
    return places[better]
