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
"""The questions asked to Prometheus, as text.

Everything here is pure. A :class:`Shape` says how a metric is computed from
what exporters offer; it is asked either for one resource, or for many at once
with the newest sample's time beside each value.
"""

import dataclasses
import itertools
import math
import os
import re
import string
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

from watcher._i18n import _
from watcher.common import exception
from watcher.decision_engine.datasources import metrics

#: Marks the rows of an answer that hold times of samples, not values.
MARK = 'watcher'

#: How an aggregate is called in PromQL.
AGGREGATES = {'mean': 'avg', 'min': 'min', 'max': 'max', 'count': 'avg'}

_SWAPPED = {'min': 'max', 'max': 'min'}

_SPECIAL = re.compile(r'([.+*?()|\[\]{}^$\\])')

#: What a value in one unit has to be multiplied with to be in another.
FACTORS = {
    ('ratio', '%'): 100.0,
    ('bytes', 'KiB'): 1 / 1024, ('MiB', 'KiB'): 1024.0,
    ('GiB', 'KiB'): 1024.0 * 1024,
    ('bytes', 'MB'): 1 / 1024 ** 2, ('KiB', 'MB'): 1 / 1024,
    ('MiB', 'MB'): 1.0, ('GiB', 'MB'): 1024.0,
    ('bytes', 'GB'): 1 / 1024 ** 3, ('MiB', 'GB'): 1 / 1024,
    ('GiB', 'GB'): 1.0,
    ('KiB', 'bytes'): 1024.0, ('MiB', 'bytes'): 1024.0 ** 2,
    ('mW', 'W'): 0.001, ('kW', 'W'): 1000.0,
    ('celsius', 'degrees C'): 1.0,
    ('m3/h', 'CFM'): 0.588577779,
}

#: CPUs kept busy; becomes percent of the vCPUs of the instance.
CORES = 'cores'


def quote(text: str) -> str:
    """Return the text as it stands between single quotes."""
    return (text.replace('\\', r'\\').replace("'", r"\'")
            .replace('\n', r'\n'))


def one_of(names: Iterable[str]) -> str:
    """Return a regular expression that matches these names only."""
    return '|'.join(_SPECIAL.sub(r'\\\1', name) for name in names)


#: How many names of resources, and how many characters of them, a question
#: may hold. Proxies usually refuse URLs of more than 8 KiB.
MAX_NAMES = 100
MAX_NAMES_LENGTH = 4000

#: Resources in one answer; bounds what is held in memory at a time.
MAX_RESOURCES = 50000


@dataclasses.dataclass(frozen=True)
class Selection:
    """The resources that a question is about.

    Few are named. Of many only what their names begin with is said, so that
    others may be in the answer.

    :param names: values of the label, sorted and each only once.
    :param prefix: what all of them begin with.
    """

    names: Sequence[str]
    prefix: str = ''

    @property
    def is_named(self) -> bool:
        return (len(self.names) <= MAX_NAMES and
                sum(map(len, self.names)) + len(self.names)
                <= MAX_NAMES_LENGTH)

    @property
    def is_large(self) -> bool:
        """Whether it is better asked for in parts from the start."""
        return len(self.names) > MAX_RESOURCES

    def match(self, label: str) -> str:
        """Return the condition on the label; empty for everything."""
        if self.is_named:
            return f"{label}=~'{quote(one_of(self.names))}'"
        if self.prefix:
            return f"{label}=~'{quote(one_of([self.prefix]))}.*'"
        return ''

    def parts(self) -> list['Selection']:
        """Cut into two or more smaller selections."""
        if self.is_named:
            middle = (len(self.names) + 1) // 2
            return [Selection(self.names[:middle]),
                    Selection(self.names[middle:])]
        length = len(os.path.commonprefix(self.names)) + 1
        return [Selection(tuple(group), prefix) for prefix, group
                in itertools.groupby(self.names,
                                     key=lambda name: name[:length])]


def _selector(metric: str, *matchers: str) -> str:
    inner = ','.join(filter(None, matchers))
    return f'{metric}{{{inner}}}' if inner else metric


@dataclasses.dataclass(frozen=True)
class Question:
    """What is put into a shape.

    :param aggregate: in PromQL's words.
    :param label: the label that names the resource.
    :param match: condition on that label; empty for all resources.
    :param period: seconds.
    """

    aggregate: str
    label: str
    match: str
    period: int


@dataclasses.dataclass(frozen=True)
class Shape:
    """How one metric is asked for.

    :param of_host: whether the host label identifies the resource, else the
        instance label.
    :param expression: makes the PromQL text of the value.
    :param samples: makes the selector of the samples behind the value; None
        if it is not known, then values have no age.
    :param aggregated: whether the expression has one row for a resource.
    :param inverted: whether the source measures what is left, so that the
        largest value comes from the smallest one.
    :param unit: unit of the expression.
    """

    of_host: bool
    expression: Callable[[Question], str]
    samples: Callable[[Question], str] | None
    unit: str
    aggregated: bool = False
    inverted: bool = False

    def aggregate(self, name: str) -> str:
        """Return PromQL's word for an aggregate of use.

        :raises: InvalidParameter
        """
        if name not in AGGREGATES:
            raise exception.InvalidParameter(
                _('The aggregate %(aggregate)r is unknown; possible are '
                  '%(known)s.') % {'aggregate': name,
                                   'known': ', '.join(AGGREGATES)},
                parameter='aggregate', parameter_type='str')
        word = AGGREGATES[name]
        return _SWAPPED.get(word, word) if self.inverted else word

    def for_one(self, question: Question, vcpus: int | None) -> str:
        """Return the query for one resource, in the metric's unit."""
        text = self.expression(question)
        if self.unit == CORES:
            return f'clamp_max(({text}) *(100/{vcpus}), 100)'
        return text

    def for_series(self, question: Question) -> str:
        """Return a query with one row for each resource."""
        text = self.expression(question)
        if self.aggregated:
            return text
        return f'max by ({question.label})({text})'

    def for_many(self, question: Question) -> str:
        """Return the query for many resources, with the times of samples.

        Several series may belong to a resource: two exporters on one host,
        the old and the new series of a migrated server. Those that still
        get samples are preferred; of several the largest value counts.
        """
        text = self.for_series(question)
        if self.samples is None:
            return text
        samples = self.samples(question)
        by = f'max by ({question.label})'
        if not self.aggregated:
            text = (f'{by}(({self.expression(question)}) and {samples}) '
                    f'or {text}')
        return (f"{text} or label_replace({by}(timestamp({samples})), "
                f"'{MARK}', 'sampled', '__name__', '.*')")


def _host_cpu(question):
    idle = _selector('node_cpu_seconds_total', "mode='idle'",
                     question.match)
    return (f'100 - ({question.aggregate} by ({question.label})'
            f'(rate({idle}[{question.period}s])) * 100)')


def _host_ram(question):
    total = _selector('node_memory_MemTotal_bytes', question.match)
    available = _selector('node_memory_MemAvailable_bytes', question.match)
    return (f'({total} - {question.aggregate}_over_time('
            f'{available}[{question.period}s])) / 1024')


def _instance_cpu(question):
    spent = _selector('ceilometer_cpu', question.match)
    return (f'{question.aggregate} by ({question.label})'
            f'(rate({spent}[{question.period}s]))/10e+8')


def _instance_ram(question):
    used = _selector('ceilometer_memory_usage', question.match)
    return f'{question.aggregate}_over_time({used}[{question.period}s])'


def _samples_of(metric, *matchers):
    return lambda question: _selector(metric, *matchers, question.match)


#: How the metrics of the usual exporters are asked for.
SHAPES: dict[str, Shape] = {
    'node_cpu_seconds_total': Shape(
        True, _host_cpu,
        _samples_of('node_cpu_seconds_total', "mode='idle'"),
        '%', aggregated=True, inverted=True),
    'node_memory_MemAvailable_bytes': Shape(
        True, _host_ram, _samples_of('node_memory_MemAvailable_bytes'),
        'KiB', inverted=True),
    'ceilometer_cpu': Shape(
        False, _instance_cpu, _samples_of('ceilometer_cpu'), CORES,
        aggregated=True),
    'ceilometer_memory_usage': Shape(
        False, _instance_ram, _samples_of('ceilometer_memory_usage'), 'MB'),
}


class Conversion:
    """Turns what a shape gives into the unit of a metric.

    :raises: InvalidParameter if there is no way between the units.
    """

    def __init__(self, metric: str, unit: str) -> None:
        wanted = metrics.unit_of(metric)
        self.per_vcpu = unit == CORES and wanted in ('%', '')
        self._factor = 1.0
        if self.per_vcpu or unit == wanted or not wanted:
            return
        if (unit, wanted) not in FACTORS:
            known = sorted({one for one, other in FACTORS
                            if other == wanted} | {wanted})
            raise exception.InvalidParameter(
                _('The unit %(unit)r of %(metric)s is unknown; possible are '
                  '%(known)s.') % {'unit': unit, 'metric': metric,
                                   'known': ', '.join(known)},
                parameter='unit', parameter_type='str')
        self._factor = FACTORS[unit, wanted]

    def apply(self, value: float, vcpus: int | None = None) -> float:
        """Return the value in the unit of the metric; NaN stays NaN."""
        if self.per_vcpu:
            value = value * (100 / vcpus)
            return value if math.isnan(value) else min(value, 100.0)
        return value if self._factor == 1.0 else value * self._factor


def template_shape(metric: str, definition: dict[str, Any]) -> Shape:
    """Make a shape of what an operator wrote into the metric map file.

    :param definition: ``query`` and ``unit``; optionally ``series``, the
        selector of the samples behind it, and ``inverted``.
    :raises: InvalidParameter
    """
    of_host = metric.startswith('host_')
    if metric in metrics.METRICS:
        of_host = (metrics.METRICS[metric].resource_type
                   == metrics.COMPUTE_NODE)
    query = _template(metric, definition, 'query', required=True)
    series = _template(metric, definition, 'series')
    unit = definition.get('unit')
    if not unit:
        raise exception.InvalidParameter(
            _('The definition of %s does not declare its unit.') % metric,
            parameter='unit', parameter_type='str')
    Conversion(metric, unit)
    return Shape(
        of_host, _filled(query), _filled(series) if series else None, unit,
        inverted=bool(definition.get('inverted', False)))


def _filled(template: string.Template) -> Callable[[Question], str]:
    return lambda question: template.substitute(
        aggregate=question.aggregate, label=question.label,
        match=question.match, period=question.period)


def _template(metric, definition, key, required=False):
    text = definition.get(key)
    if not text and not required:
        return None
    problem = None
    if not isinstance(text, str):
        problem = _('it is missing')
    elif '$match' not in text and '${match}' not in text:
        problem = _('it lacks $match, the condition that names the '
                    'resources')
    else:
        template = string.Template(text)
        try:
            template.substitute(aggregate='avg', label='l', match='m',
                                period=1)
        except (KeyError, ValueError) as exc:
            problem = _('only $match, $label, $aggregate and $period are '
                        'replaced, and a single $ is written $$ (%s)') % exc
    if problem:
        raise exception.InvalidParameter(
            _('The %(key)s of %(metric)s cannot be used: %(problem)s.') % {
                'key': key, 'metric': metric, 'problem': problem},
            parameter=key, parameter_type='str')
    return template
