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
"""Why a plan is what it is, in words and in facts.

A strategy hands an :class:`Explanation` to each action it adds, and one for
the whole solution. The planner stores them as JSON with the action and the
action plan; the API shows them. Of an action::

    {"reason": "host-a uses 92.0 % of its CPU, more than 80 %",
     "code": "overload", "score": 22.3, "cost": 12.0,
     "measures": [{"name": "host_cpu_usage", "of": "host-a", "unit": "%",
                   "before": 92.0, "after": 71.5, "limit": 80.0}],
     "ruled_out": [{"because": "anti-affinity", "count": 2,
                    "alternatives": ["host-b", "host-c"]}]}

The explanation of a plan has ``summary`` in place of ``reason``, and also
``remarks``; what was ruled out are the changes that were not planned. It has
``selection`` if several strategies were compared.
"""

import dataclasses
import math
import numbers
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

#: How many different reasons, and how many examples of each, are kept.
MAX_GROUPS = 10
MAX_EXAMPLES = 5
#: How many figures are kept; those that count most come first.
MAX_MEASURES = 50
#: How many remarks are kept with a plan; the log has them all.
MAX_REMARKS = 100


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return a number of things in words: 1 host, 2 hosts.

    :param many: if it is not the former with an s.
    """
    if number == 1:
        return f'1 {one}'
    return f"{number} {many or one + 's'}"


def plain_number(value: Any) -> int | float | None:
    """Return a number that JSON can hold; None if there is no value."""
    if value is None or not math.isfinite(value):
        return None
    if isinstance(value, numbers.Integral):
        return int(value)
    return float(value)


@dataclasses.dataclass(frozen=True)
class Measure:
    """A figure that counted for a decision.

    :ivar name: of a metric or an indicator, e.g. ``host_cpu_usage``
    :ivar before: its value in the situation that was found
    :ivar after: its expected value afterwards, None if nobody can tell
    :ivar unit: e.g. ``%`` or ``MB``
    :ivar of: whose figure it is, e.g. the name of a host
    :ivar limit: the threshold it was compared with
    """

    name: str
    before: float | None = None
    after: float | None = None
    unit: str | None = None
    of: str | None = None
    limit: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the stored form."""
        return {'name': self.name, 'of': self.of, 'unit': self.unit,
                'before': plain_number(self.before),
                'after': plain_number(self.after),
                'limit': plain_number(self.limit)}

    @property
    def change(self) -> float | None:
        """By how many percent of the greater value it changes, 0 to 100.

        None if one of them is unknown.
        """
        before, after = plain_number(self.before), plain_number(self.after)
        if before is None or after is None:
            return None
        greatest = max(abs(before), abs(after))
        return (min(100.0, 100 * abs(before - after) / greatest)
                if greatest else 0.0)

    def __str__(self) -> str:
        words = [self.name]
        if self.of:
            words.append(f'of {self.of}')
        words.append(_figure(self.before))
        if self.after is not None:
            words.append(f'-> {_figure(self.after)}')
        if self.unit:
            words.append(self.unit)
        if self.limit is not None:
            words.append(f'(limit {_figure(self.limit)})')
        return ' '.join(words)


@dataclasses.dataclass(frozen=True)
class Explanation:
    """The reason of one action, or of a whole solution.

    :ivar reason: a sentence for people
    :ivar code: a stable word for programs, e.g. ``overload``
    :ivar measures: the figures that counted
    :ivar ruled_out: alternative, e.g. the name of a host, -> why not
    :ivar cost: GB of memory and local disk that have to be transferred,
        roughly; None if that is no matter of transfers or not known
    """

    reason: str
    code: str | None = None
    measures: Sequence[Measure] = ()
    ruled_out: Mapping[str, str] = dataclasses.field(default_factory=dict)
    cost: float | None = None

    @property
    def score(self) -> float | None:
        """How much it improves what counts most, the first measure.

        In percent of that, 0 to 100; None if that is not known.
        """
        return self.measures[0].change if self.measures else None

    def to_dict(self) -> dict[str, Any]:
        """Return the stored form."""
        return {'reason': self.reason, 'code': self.code,
                'score': _rounded(self.score), 'cost': _rounded(self.cost),
                'measures': [item.to_dict() for item
                             in self.measures[:MAX_MEASURES]],
                'ruled_out': grouped(self.ruled_out)}

    def __str__(self) -> str:
        parts = [self.reason, *map(str, self.measures[:MAX_MEASURES])]
        parts += [f"not {', '.join(group['alternatives'])}"
                  f"{_more(group)}: {group['because']}"
                  for group in grouped(self.ruled_out)]
        return '; '.join(parts)


def grouped(ruled_out: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return each reason with its alternatives, the commonest first.

    A thousand hosts are ruled out for a handful of reasons: of each, some
    hosts are named and all are counted. So the size of an explanation does
    not grow with the cloud.
    """
    groups: dict[str, list[str]] = {}
    for alternative, because in ruled_out.items():
        groups.setdefault(because, []).append(alternative)
    ranked = sorted(groups.items(), key=lambda group: -len(group[1]))
    found = [{'because': because, 'count': len(names),
              'alternatives': names[:MAX_EXAMPLES]}
             for because, names in ranked[:MAX_GROUPS]]
    if len(ranked) > MAX_GROUPS:
        found.append({
            'because': 'other reasons', 'alternatives': [],
            'count': sum(len(names) for _, names in ranked[MAX_GROUPS:])})
    return found


def of_action(action: Any) -> dict[str, Any] | None:
    """Return the stored form for an action of a solution, None without one.

    Solutions of third parties may hold plain dictionaries.
    """
    explanation = getattr(action, 'explanation', None)
    if explanation is None:
        return None
    if isinstance(explanation, Explanation):
        return explanation.to_dict()
    return dict(explanation)


def of_solution(solution: Any) -> dict[str, Any]:
    """Return the stored form for a whole solution.

    A strategy that gives no summary gets one that counts its actions.
    """
    given = getattr(solution, 'explanation', None) or Explanation(
        _counted(solution))
    found = {'summary': given.reason, **given.to_dict()}
    del found['reason']
    remarks = [*getattr(solution.strategy, 'caveats', ()),
               *getattr(solution, 'remarks', ())]
    found['remarks'] = remarks[:MAX_REMARKS]
    if len(remarks) > MAX_REMARKS:
        found['remarks'].append(
            f'{len(remarks) - MAX_REMARKS} more remarks are in the log')
    selection = getattr(solution, 'selection', None)
    if selection:
        found['selection'] = selection
    return found


def _counted(solution: Any) -> str:
    """What a solution does, when its strategy does not say it."""
    if not solution.actions:
        return (f'The strategy {solution.strategy.name} found nothing to '
                'change')
    counts: dict[str, int] = {}
    for action in solution.actions:
        name = action['action_type']
        counts[name] = counts.get(name, 0) + 1
    return ', '.join(f'{count} x {name}' for name, count in counts.items())


def _rounded(value: float | None) -> int | float | None:
    number = plain_number(value)
    return None if number is None else round(number, 1)


def _figure(value: float | None) -> str:
    number = plain_number(value)
    return 'unknown' if number is None else f'{number:.6g}'


def _more(group: Mapping[str, Any]) -> str:
    hidden = group['count'] - len(group['alternatives'])
    if not hidden:
        return ''
    return (f' and {hidden} more' if group['alternatives']
            else f'{hidden} others')
