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
"""What a workload is like, as its owner writes it into a server's metadata.

A workload character is made of performance units: a resource, an operator, a
value, a unit and a weight, joined by ``and``, ``or`` and ``not``. It is
written in one of two forms. The short one, with or without a name::

    cpu_bound: vcpus = 2 cores weight -20 or cpu_util > 90 %

and the subset of TOSCA (Simple Profile in YAML) that says the same::

    cpu_bound:
      derived_from: tosca.nodes.Root
      description: '{vcpus} or {cpu_util}'
      properties:
        vcpus: {type: integer, weight: -20, constraints: [equal: 2]}
        cpu_util: {type: integer, unit: '%', constraints: [greater_than: 90]}

TOSCA-Parser is not used for it. It lets pass what this grammar has to refuse
(any weight, any description), does not evaluate descriptions, collects errors
in a list of the whole process although audits run in threads, and brings a
framework for commands along.
"""

import dataclasses
import functools
import math
import numbers
import operator
import re
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

import yaml

from watcher._i18n import _
from watcher.common import exception

#: Keys of the metadata. Nova allows 255 characters a value: what is longer
#: goes on under the same key with .1, .2 and so on.
KEYS = ('workload_character', 'watcher-workload-grammar')

#: The longest text that is looked at.
MAX_LENGTH = 4096
MAX_UNITS = 50
MAX_DEPTH = 20

#: Highest and lowest priority.
MIN_WEIGHT, MAX_WEIGHT = -20, 19

DEFAULT_NAME = 'watcher'

#: Other names of resources, as metric services call them.
ALIASES = {
    'cpu_util': 'instance_cpu_usage', 'cpu': 'instance_cpu_usage',
    'memory.usage': 'instance_ram_usage',
    'memory.resident': 'instance_ram_usage',
    'memory_mb': 'memory', 'disk_gb': 'disk',
    'disk.root.size': 'instance_root_disk_size',
    'cpu_l3_cache': 'instance_l3_cache_usage'}

_MEGABYTES = {'kb': 1 / 1024, 'mb': 1, 'gb': 1024, 'tb': 1024 ** 2}
_PERCENT = {'%': 1, 'percent': 1}
_CORES = {'cores': 1, 'core': 1, 'vcpus': 1, 'vcpu': 1, 'count': 1}

#: Units of the resources whose values are known, and their factors.
UNITS: dict[str, dict[str, float]] = {
    'vcpus': _CORES, 'memory': _MEGABYTES,
    'disk': {unit: factor / 1024 for unit, factor in _MEGABYTES.items()},
    'instance_cpu_usage': _PERCENT, 'instance_ram_usage': _MEGABYTES,
    'instance_ram_allocated': _MEGABYTES,
    'instance_root_disk_size': {unit: factor / 1024 for unit, factor
                                in _MEGABYTES.items()},
    'instance_l3_cache_usage': {'b': 1, 'bytes': 1, 'kb': 1024,
                                'mb': 1024 ** 2}}

Test = Callable[[float, float], bool]

OPERATORS: dict[str, Test] = {
    '=': operator.eq, '>': operator.gt, '<': operator.lt,
    '>=': operator.ge, '<=': operator.le}
_CONSTRAINTS = {'equal': '=', 'greater_than': '>', 'less_than': '<',
                'greater_or_equal': '>=', 'less_or_equal': '<='}
_PROPERTY = frozenset(('type', 'required', 'weight', 'unit', 'description',
                       'constraints'))
_TYPES = frozenset(('integer', 'float'))

#: Unknown (None) is neither true nor false: Kleene's logic.
Truth = bool | None
Expression = str | tuple


class InvalidWorkload(exception.Invalid):
    msg_fmt = _('The workload character is not valid: %(reason)s')


@dataclasses.dataclass(frozen=True, slots=True)
class PerformanceUnit:
    """What is asked of one resource.

    :ivar resource: canonical name, see :data:`ALIASES`.
    :ivar value: in the unit of the resource.
    :ivar unit: as it was written; empty for the resource's own.
    :ivar weight: from -20, most important, to 19.
    :ivar required: whether the resource has to have a value.
    """

    resource: str
    operator: str
    value: float
    unit: str = ''
    weight: int = 0
    required: bool = True

    def holds(self, found: float | None) -> Truth:
        """Tell whether a value complies; None if nobody knows."""
        if found is None or math.isnan(found):
            return None if self.required else True
        return OPERATORS[self.operator](found, self.value)


@dataclasses.dataclass(frozen=True, slots=True)
class WorkloadCharacter:
    """Performance units and how they belong together.

    :ivar expression: name of a resource, or ``('and' | 'or' | 'not',
        expression, ...)``.
    """

    name: str
    units: tuple[PerformanceUnit, ...]
    expression: Expression

    @property
    def resources(self) -> frozenset[str]:
        """Canonical names of all resources."""
        return frozenset(unit.resource for unit in self.units)

    @property
    def weight(self) -> int:
        """The weight of the most important unit."""
        return min(unit.weight for unit in self.units)

    def holds(self, values: Mapping[str, float | None]) -> Truth:
        """Tell whether values comply; None if too little is known.

        :param values: by canonical name of the resource.
        """
        return self._judge(self.expression, values)

    def broken(self, values: Mapping[str, float | None]
               ) -> list[PerformanceUnit]:
        """Return the units that do not hold, the most important first."""
        return sorted(
            (unit for unit in self.units
             if unit.holds(values.get(unit.resource)) is False),
            key=lambda unit: unit.weight)

    def _judge(self, expression, values):
        if isinstance(expression, str):
            return _all([unit.holds(values.get(unit.resource))
                         for unit in self.units
                         if unit.resource == expression])
        kind, *parts = expression
        found = [self._judge(part, values) for part in parts]
        if kind == 'and':
            return _all(found)
        if kind == 'or':
            return _not(_all([_not(truth) for truth in found]))
        return _not(found[0])


def _not(truth: Truth) -> Truth:
    return None if truth is None else not truth


def _all(truths: list[Truth]) -> Truth:
    if False in truths:
        return False
    return None if None in truths else True


# Reading metadata ---------------------------------------------------------

def text_of(metadata: Mapping[str, Any] | None) -> str | None:
    """Return what a server's metadata say about its workload, if anything.
    """
    for key in KEYS:
        if not metadata or key not in metadata:
            continue
        parts = [str(metadata[key])]
        while f'{key}.{len(parts)}' in metadata:
            parts.append(str(metadata[f'{key}.{len(parts)}']))
        return ''.join(parts)
    return None


@functools.lru_cache(maxsize=1024)
def parse(text: str) -> WorkloadCharacter:
    """Read a workload character in either form.

    Many servers share a text, so results are remembered; they are immutable.

    :raises: InvalidWorkload
    """
    if len(text) > MAX_LENGTH:
        raise InvalidWorkload(
            reason=_('it is longer than %d characters') % MAX_LENGTH)
    if _TOSCA.search(text):
        return _tosca(text)
    named = _NAMED.fullmatch(text)
    name, text = named.groups() if named else (DEFAULT_NAME, text)
    units, expression = _Parser(text, None).parse()
    return _checked(name, units, expression)


_NAMED = re.compile(r'\s*([A-Za-z_][\w.-]*)\s*:(.*)', re.DOTALL)
_TOSCA = re.compile(r'\bproperties\s*["\']?\s*:')


def _checked(name, units, expression) -> WorkloadCharacter:
    if not units:
        raise InvalidWorkload(reason=_('it has no performance unit'))
    if len(units) > MAX_UNITS:
        raise InvalidWorkload(
            reason=_('it has more than %d performance units') % MAX_UNITS)
    return WorkloadCharacter(name, tuple(units), expression)


def _unit(resource, sign, value, unit, weight, required=True):
    resource = ALIASES.get(resource, resource)
    known, unit = UNITS.get(resource), (unit or '').lower()
    # Binary units are meant anyway.
    unit = re.sub(r'^([kmgt])ib$', r'\1b', unit)
    factor = 1.0
    if known is not None and unit:
        if unit not in known:
            raise InvalidWorkload(
                reason=_('%(resource)s is not measured in %(unit)s, but in '
                         '%(known)s') % {
                             'resource': resource, 'unit': unit,
                             'known': ', '.join(known)})
        factor = known[unit]
    if not MIN_WEIGHT <= weight <= MAX_WEIGHT:
        raise InvalidWorkload(
            reason=_('the weight %(weight)s of %(resource)s is not between '
                     '%(least)d and %(most)d') % {
                         'weight': weight, 'resource': resource,
                         'least': MIN_WEIGHT, 'most': MAX_WEIGHT})
    return PerformanceUnit(resource, sign, value * factor, unit, weight,
                           required)


# The short form and descriptions ------------------------------------------

_TOKEN = re.compile(r"""\s*(?:
    (?P<bracket>[()])
  | \{(?P<name>[^{}]*)\}
  | (?P<sign>>=|<=|==|=|>|<)
  | (?P<number>[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
  | (?P<word>[A-Za-z_][\w.-]*(?:/s)?|%)
)""", re.VERBOSE)
_KEYWORDS = frozenset(('and', 'or', 'not', 'weight'))


class _Parser:
    """Reads an expression by recursive descent.

    :param names: what ``{name}`` may stand for; None reads performance units
        instead.
    """

    def __init__(self, text: str, names: frozenset[str] | None):
        self._names = names
        self._tokens = list(_tokens(text))
        self._units: list[PerformanceUnit] = []
        self._depth = 0

    def parse(self) -> tuple[list[PerformanceUnit], Expression]:
        expression = self._joined('or')
        if self._tokens:
            raise InvalidWorkload(
                reason=_('nothing is expected at "%s"') % self._tokens[0][1])
        return self._units, expression

    def _joined(self, word):
        parts = [self._part(word)]
        while self._accept('word', word):
            parts.append(self._part(word))
        return parts[0] if len(parts) == 1 else (word, *parts)

    def _part(self, word):
        return self._joined('and') if word == 'or' else self._single()

    def _single(self):
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise InvalidWorkload(
                reason=_('it is nested more than %d times') % MAX_DEPTH)
        try:
            if self._accept('word', 'not'):
                return 'not', self._single()
            if self._accept('bracket', '('):
                inner = self._joined('or')
                self._expect('bracket', ')')
                return inner
            return self._reference() if self._names is not None else (
                self._performance_unit())
        finally:
            self._depth -= 1

    def _reference(self):
        name = self._expect('name')
        if name not in self._names:
            raise InvalidWorkload(
                reason=_('the description names {%s}, which is no property')
                % name)
        return ALIASES.get(name, name)

    def _performance_unit(self):
        resource = self._expect('word')
        if resource.lower() in _KEYWORDS:
            raise InvalidWorkload(
                reason=_('a resource is expected at "%s"') % resource)
        sign = self._expect('sign').replace('==', '=')
        value = _number(resource, float(self._expect('number')))
        unit, weight = '', 0
        if self._peek('word') and (
                self._tokens[0][1].lower() not in _KEYWORDS):
            unit = self._expect('word')
        if self._accept('word', 'weight'):
            weight = _whole(resource, float(self._expect('number')))
        # The key of the expression must tell two units of one resource
        # apart: each has its own name within it.
        made = _unit(resource, sign, value, unit, weight)
        if made.resource in {other.resource for other in self._units}:
            raise InvalidWorkload(
                reason=_('%s is named twice; write a range in TOSCA')
                % resource)
        self._units.append(made)
        return made.resource

    def _peek(self, kind):
        return bool(self._tokens) and self._tokens[0][0] == kind

    def _accept(self, kind, text):
        if self._peek(kind) and self._tokens[0][1].lower() == text:
            self._tokens.pop(0)
            return True
        return False

    def _expect(self, kind, text=None):
        if not self._peek(kind) or text not in (None, self._tokens[0][1]):
            found = self._tokens[0][1] if self._tokens else _('its end')
            raise InvalidWorkload(
                reason=_('%(kind)s is expected at "%(found)s"') % {
                    'kind': text or _NAMES[kind], 'found': found})
        return self._tokens.pop(0)[1]


_NAMES = {'name': 'a property in braces', 'word': 'a resource',
          'sign': 'one of = > < >= <=', 'number': 'a number'}


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    text, at = text.strip(), 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise InvalidWorkload(
                reason=_('"%s" cannot be read') % text[at:at + 20])
        yield found.lastgroup, found[found.lastgroup]
        at = found.end()


def _whole(resource, value):
    value = _number(resource, value)
    if value != int(value):
        raise InvalidWorkload(
            reason=_('the weight %(value)s of %(resource)s is no whole '
                     'number') % {'value': value, 'resource': resource})
    return int(value)


# TOSCA --------------------------------------------------------------------

class _Loader(yaml.SafeLoader):
    """Reads plain data without aliases, with which texts can explode."""

    def compose_node(self, parent, index):
        if self.check_event(yaml.AliasEvent):
            raise InvalidWorkload(reason=_('YAML aliases are not read'))
        return super().compose_node(parent, index)


def _tosca(text: str) -> WorkloadCharacter:
    try:
        # A subclass of SafeLoader: only plain data come of it.
        found = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, RecursionError, ValueError) as exc:
        if isinstance(exc, InvalidWorkload):
            raise
        raise InvalidWorkload(
            reason=_('it is no YAML: %s') % ' '.join(str(exc).split()))
    name, body = _only_entry(_mapping(found, _('it')))
    body = _mapping(body, name)
    if body.get('derived_from', 'tosca.nodes.Root') != 'tosca.nodes.Root':
        raise InvalidWorkload(
            reason=_('only what is derived from tosca.nodes.Root is known'))
    _refuse_others(name, body,
                   {'derived_from', 'description', 'properties'})
    units: list[PerformanceUnit] = []
    names = []
    for key, content in _mapping(body.get('properties'),
                                 'properties').items():
        names.append(str(key))
        units += _units_of(str(key), _mapping(content, str(key)))
    resources = [ALIASES.get(key, key) for key in names]
    if len(set(resources)) < len(resources):
        raise InvalidWorkload(
            reason=_('two properties stand for the same resource'))
    description = body.get('description')
    if description is None:
        expression = resources[0] if len(resources) == 1 else (
            'and', *resources)
    else:
        _none, expression = _Parser(str(description),
                                    frozenset(names)).parse()
    return _checked(str(name), units, expression)


def _only_entry(found):
    if len(found) != 1:
        raise InvalidWorkload(
            reason=_('one entry with the name of the workload is expected'))
    return next(iter(found.items()))


def _mapping(value, what):
    if not isinstance(value, dict) or not value:
        raise InvalidWorkload(reason=_('%s is no mapping') % what)
    return value


def _refuse_others(what, found, known):
    unknown = sorted(str(key) for key in found if key not in known)
    if unknown:
        raise InvalidWorkload(
            reason=_('%(what)s has %(unknown)s, which is not known') % {
                'what': what, 'unknown': ', '.join(unknown)})


def _units_of(name: str, found: dict) -> list[PerformanceUnit]:
    _refuse_others(name, found, _PROPERTY)
    if found.get('type', 'float') not in _TYPES:
        raise InvalidWorkload(
            reason=_('the type of %(name)s is none of %(types)s') % {
                'name': name, 'types': ', '.join(sorted(_TYPES))})
    required = found.get('required', True)
    if not isinstance(required, bool):
        raise InvalidWorkload(
            reason=_('"required" of %s is no boolean') % name)
    weight = _whole(name, found.get('weight', 0))
    constraints = found.get('constraints')
    if not isinstance(constraints, list) or not constraints:
        raise InvalidWorkload(
            reason=_('%s has no list of constraints') % name)
    return [_unit(name, sign, value, str(found.get('unit') or ''), weight,
                  required)
            for constraint in constraints
            for sign, value in _signs(name, constraint)]


def _signs(name, constraint):
    """Return the operators and values of a constraint."""
    key, value = _only_entry(_mapping(constraint, name))
    if key == 'in_range':
        if not isinstance(value, list) or len(value) != 2:
            raise InvalidWorkload(
                reason=_('in_range of %s wants two numbers') % name)
        return [('>=', _number(name, value[0])),
                ('<=', _number(name, value[1]))]
    if key not in _CONSTRAINTS:
        raise InvalidWorkload(
            reason=_('the constraint %(key)s of %(name)s is none of '
                     '%(known)s') % {
                         'key': key, 'name': name, 'known': ', '.join(
                             [*_CONSTRAINTS, 'in_range'])})
    return [(_CONSTRAINTS[key], _number(name, value))]


def _number(name, value) -> float:
    try:
        number = float(value) if isinstance(
            value, numbers.Real) and not isinstance(value, bool) else None
    except OverflowError:
        number = None
    if number is None or not math.isfinite(number):
        raise InvalidWorkload(
            reason=_('%(value)s of %(name)s is no number that can be '
                     'compared') % {'value': str(value)[:20], 'name': name})
    return number
