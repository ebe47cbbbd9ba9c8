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
"""Whether what was held stayed flat."""

from __future__ import annotations

import dataclasses
import itertools
import statistics
from collections.abc import Iterable
from collections.abc import Sequence

from soaking import samples as soak_samples

#: Share of the run that is left out at its beginning: pools fill, code is
#: imported, and nothing is old enough yet to be removed.
WARM_UP = 1 / 6

#: What the last quarter may have more than the first one: by the end of the
#: figure's name a share of the first one, and a number in addition. Who
#: grows by more than both together grows.
TOLERANCES: tuple[tuple[str, float, float], ...] = (
    (' threads', 0.05, 2),
    (' files', 0.05, 4),
    (' RSS MB', 0.08, 4),
    (' CPU', 0.25, 0.02),
    (' connections', 0.1, 2),
    ('broker queues', 0.1, 3),
    ('broker consumers', 0.1, 3),
    ('broker queues without consumers', 0, 3),
    ('broker messages', 0.1, 50),
    ('idle statements per s', 0.1, 1),
    ('rows services', 0, 3),
    ('rows leases', 0, 6),
    *((' ' + table, 0, 0) for table in (
        'action_descriptions', 'alembic_version', 'apscheduler_jobs',
        'goals', 'scoring_engines', 'strategies')),
    # Tables, whose size follows the work of the last minutes.
    ('', 0.25, 50),
)

#: What is done is to stay as much: the last quarter in parts of the first.
LEAST_WORK = 0.6

DONE = 'done '


def tolerance_of(name: str) -> tuple[float, float]:
    """The tolerance of a figure: share and number."""
    return next((share, number) for end, share, number in TOLERANCES
                if name.endswith(end))


def rates(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Increase per second from each point to the next."""
    return [(when, (value - before) / (when - earlier))
            for (earlier, before), (when, value) in itertools.pairwise(points)
            if when > earlier]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Increase per second, by least squares."""
    middle = statistics.fmean(when for when, _value in points)
    mean = statistics.fmean(value for _when, value in points)
    spread = sum((when - middle) ** 2 for when, _value in points)
    return 0.0 if not spread else sum(
        (when - middle) * (value - mean) for when, value in points) / spread


@dataclasses.dataclass
class Line:
    """What became of one figure.

    :ivar first, last: medians of the first and the last quarter
    :ivar slope: increase in an hour
    """

    name: str
    first: float
    last: float
    slope: float

    @property
    def allowed(self) -> float:
        """What the last quarter may have at most, or must have at least."""
        if self.name.startswith(DONE):
            return self.first * LEAST_WORK
        share, number = tolerance_of(self.name)
        return self.first * (1 + share) + number

    @property
    def flat(self) -> bool:
        if self.name.startswith(DONE):
            return self.last >= self.allowed and self.last > 0
        return self.last <= self.allowed


def _series(samples: Iterable[soak_samples.Sample]
            ) -> dict[str, list[tuple[float, float]]]:
    series: dict[str, list[tuple[float, float]]] = {}
    for sample in samples:
        for name, value in sample.figures.items():
            series.setdefault(name, []).append((sample.seconds, value))
    return series


def judge(samples: Sequence[soak_samples.Sample]) -> list[Line]:
    """Compare the first quarter with the last one, warm-up left out."""
    end = max(sample.seconds for sample in samples)
    begin = end * WARM_UP
    quarter = (end - begin) / 4
    counted = [s for s in samples if s.settled and s.seconds >= begin]
    lines = []
    for name, points in sorted(_series(counted).items()):
        if name.endswith(' CPU s'):
            name, points = name.removesuffix(' s'), rates(points)
        elif name.startswith(DONE):
            name, points = name + ' per s', rates(points)
        first = [v for t, v in points if t < begin + quarter]
        last = [v for t, v in points if t >= end - quarter]
        if first and last:
            middle = (statistics.fmean if name.startswith(DONE)
                      else statistics.median)
            lines.append(Line(name, middle(first), middle(last),
                              slope(points) * 3600))
    return lines


def table(lines: Sequence[Line]) -> str:
    """The figures as a table."""
    rows = [('figure', 'first quarter', 'last quarter', 'per hour',
             'limit', '')]
    rows += [(line.name, f'{line.first:.2f}', f'{line.last:.2f}',
              f'{line.slope:+.2f}', f'{line.allowed:.2f}',
              'flat' if line.flat else 'NOT FLAT') for line in lines]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return '\n'.join('  '.join(
        [row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
        for row in rows)
