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
"""Values that requests are made of: the usual ones, and the nasty ones.

A value may contain ``Ref``, which stands for something that exists when the
request is sent. So what is generated does not depend on what the database
happens to contain, and one seed always gives the same requests.
"""

import dataclasses
from typing import Any

from hypothesis import strategies as st

from watcher.api import types
from watcher.api import versions
from watcher.api.controllers import fields
from watcher.objects import states


@dataclasses.dataclass(frozen=True)
class Ref:
    """The attribute of an item that exists when the request is sent.

    :ivar number: which one, counted round and round
    """

    collection: str
    attribute: str
    number: int


@dataclasses.dataclass(frozen=True)
class Repeat:
    """A long text in few words."""

    text: str
    count: int


@dataclasses.dataclass(frozen=True)
class Nested:
    """Arrays or objects inside each other."""

    depth: int
    is_object: bool


def weighted(*choices: tuple[int, st.SearchStrategy]) -> st.SearchStrategy:
    """Return one of the strategies, some more often than others."""
    return st.sampled_from([
        strategy for weight, strategy in choices for _ in range(weight)
    ]).flatmap(lambda strategy: strategy)


def refs(collection: str, *attributes: str) -> st.SearchStrategy[Ref]:
    """Return attributes of existing items."""
    return st.builds(Ref, st.just(collection), st.sampled_from(attributes),
                     st.integers(0, 255))


# Texts ---------------------------------------------------------------------

INJECTIONS = (
    "' OR '1'='1", "'; DROP TABLE audits; --", "1; SELECT pg_sleep(0)",
    '" OR ""="', "') UNION SELECT NULL, NULL --", "\\'; --", '`id`',
    '%s%s%s%n', '%(name)s', '%(', '%', '%%', '{0}', '{name}', '{0.__class__}',
    '{', '}', '{{7*7}}', '${7*7}', '#{7*7}', '<%= 7*7 %>', '$(id)', '| id',
    '../../../etc/passwd', '..\\..\\windows', '/etc/passwd', 'file:///etc',
    '<script>alert(1)</script>', ']]>', '<!ENTITY x SYSTEM "file:///x">',
    '_%', '%_', '\\', '\\\\', '\\0', '\\x00', '%00', '%0d%0aX-Evil: 1',
    '__class__', '__proto__', 'constructor', 'id', 'None', 'null', 'NaN',
    'true', 'self', 'detail', 'state', 'start', '.json', '.xml', 'a.json',
)

ODD_TEXTS = (
    '', ' ', '\t', '\n', '\r\n', 'a\r\nX-Evil: 1', ' a ', 'a ', 'A',
    '\0', 'a\0b', '\x01', '\x1b[31m', '\x7f', '\x85', '\u2028', '\u2029',
    '\ufeff', '\ufffe', '\uffff', '\u200b', '\u202e\u202dabc', '\u0627\u0644',
    'é', 'e\u0301', 'ß', 'ẞ', 'İ', 'ı', 'ſ', '\u212a', 'Å', '\u0345', 'ﬁ',
    '日本語', '😀', '👩‍👩‍👧‍👦', '🇩🇪', '\U0010ffff', '\ud800', '\udfff\ud800',
    'a\ud83d', '\u0e33\u0e33\u0e33', 'Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢', '١٢٣', '²', '½', '１２',
    '0', '00', '-0', '+1', '1_000', '0x1f', '1e3', '1.0', ' 7 ', '7\n',
)

STATES = tuple(sorted(
    {state for machine in (states.AUDIT, states.ACTION_PLAN, states.ACTION)
     for state in machine.states}))

#: States that a user may ask for.
WANTED_STATES = tuple(sorted(
    {state for machine in (states.AUDIT, states.ACTION_PLAN, states.ACTION)
     for targets in machine.user.values() for state in targets}))

UUIDS = (
    '00000000-0000-0000-0000-000000000000',
    'ffffffff-ffff-ffff-ffff-ffffffffffff',
    'D00D1C93-0000-4000-8000-00000000000A',
    'd00d1c93000040008000000000000001',
    '{d00d1c93-0000-4000-8000-000000000001}',
    'urn:uuid:d00d1c93-0000-4000-8000-000000000001',
    'd00d1c93-0000-4000-8000-00000000000', 'd00d1c93-0000-4000-8000-0000000g',
    '１２345678-1234-5678-1234-567812345678',
    ' d00d1c93-0000-4000-8000-000000000001',
    'd00d1c93-0000-4000-8000-000000000001\n',
)

INTEGERS = (
    0, 1, -1, 2, 3, 7, 63, 64, 255, 256, 1000, 1001, 2**15, 2**31 - 1, 2**31,
    -2**31, -2**31 - 1, 2**32, 2**53, 2**53 + 1, 2**63 - 1, 2**63, -2**63,
    2**64, 10**20, 10**40, -10**40,
)

CRONS = (
    '60', '1', '3600', '0', '-5', '2147483648', '99999999999999999999',
    '*/5 * * * *', '0 0 * * *', '@hourly', '@reboot', '@', '0 0 30 2 *',
    '0 0 29 2 *', '* * * * * *', '* * * * * * *', '* * * *', '60 * * * *',
    '*/0 * * * *', '1-0 * * * *', '5-1/2 * * * *', '0 0 L * *', '0 0 * * L5',
    '0 0 * * 5#3', '0 0 * * 5#9', 'H H * * *', 'R R * * *', 'H(1-5) * * * *',
    'R(5-1) * * * *', 'H/0 * * * *', 'mon * * * *', '0 0 * jan mon',
    '0 0 l * *', '0 0 * * #', '0 0 ? * ?', ',,,, * * * *', '- - - - -',
    '1,2,3 * * * *', '0 0 1-31/31 * *', '* * * * * * 2099', '1 2 3 4 5 6 1969',
    '0/0 * * * *', '*/99999999999999 * * * *', '１ * * * *', '* * * * *\n',
    '1.5', 'abc', '1e3', '* * * * x', '@every 5m', '0 0 * * 7', '0 0 * * 8',
)

TIMES = (
    '2030-01-01T10:00:00', '2030-01-01 10:00:00', '2030-01-01T10:00:00Z',
    '2030-01-01T10:00:00+02:00', '2030-01-01T10:00:00.123456',
    '2030-01-01', '20300101T100000', '2030-W01-1', '0001-01-01T00:00:00',
    '0001-01-01T00:00:00+14:00', '0001-01-02T00:00:00Z',
    '9999-12-31T23:59:59', '9999-12-31T23:59:59.999999',
    '9999-12-31T23:59:59.999999-14:00', '9999-12-31T23:59:59.999999Z',
    '1969-12-31T23:59:59Z', '1582-10-10T00:00:00Z', '0999-12-31T00:00:00Z',
    '2038-01-19T03:14:08Z', '2024-02-30T00:00:00', '2023-02-29T00:00:00',
    '2016-12-31T23:59:60Z', '2030-01-01T24:00:00', '2030-13-01T00:00:00',
    '2030-01-01T10:00:00+23:59', '2030-01-01T10:00:00+24:00',
    '2030-01-01T10:00:00+00:00:00.000001', '0000-01-01T00:00:00',
    '10000-01-01T00:00:00', '-0001-01-01T00:00:00', '1700000000', 'now', '',
    '2030-01-01T10:00:00 ', '２０３０-01-01T10:00:00', '2030-01-01T1',
)

VERSIONS = tuple(str(version) for version in versions.HISTORY)

#: How many of a text there are when it is long.
LENGTHS = (62, 63, 64, 65, 254, 255, 256, 257, 4096, 65535, 65536, 200_000)

long_texts = st.builds(
    Repeat, st.sampled_from(('a', ' ', 'é', '😀', '0', '%', '/', "'", '[')),
    st.sampled_from(LENGTHS))

#: Any text that UTF-8 can carry, and a few that it cannot.
nasty_texts = weighted(
    (4, st.sampled_from(INJECTIONS)),
    (4, st.sampled_from(ODD_TEXTS)),
    (2, st.text(max_size=20)),
    (1, long_texts),
    (1, st.sampled_from(UUIDS)),
    (1, st.sampled_from(INTEGERS).map(str)))

#: Texts that are fine as names, often repeated so that they collide.
names = weighted(
    (6, st.builds('{}-{}'.format, st.sampled_from((
        'audit', 'Audit', 'ÄUDIT', 'template', '審査', '😀', "o'neill",
        'a/b', '50%', 'x.json', 'x.txt')), st.integers(0, 40))),
    (1, st.text(min_size=1, max_size=64)),
    (1, nasty_texts))

uuids = weighted((3, st.uuids().map(str)), (2, st.sampled_from(UUIDS)))

# JSON ----------------------------------------------------------------------

numbers = st.one_of(
    st.integers(), st.sampled_from(INTEGERS),
    st.floats(allow_nan=False, allow_infinity=False))

scalars = st.one_of(
    st.none(), st.booleans(), numbers, nasty_texts)

nested = st.builds(Nested, st.sampled_from((3, 50, 97, 98, 99, 100, 101, 102,
                                            5000)), st.booleans())

json_values = weighted(
    (6, scalars),
    (3, st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
            st.text(max_size=5), inner, max_size=3),
        max_leaves=6)),
    (1, nested))

objects = st.dictionaries(nasty_texts, json_values, max_size=3).map(dict)

parameters = weighted(
    (3, st.just({})),
    (6, st.fixed_dictionaries({}, optional={
        'para1': st.sampled_from((1, 1.0, 3.2, 5, 10.2, 10.3, 0, True, '3')),
        'para2': st.sampled_from(('hello', '', 'é😀', 3, None)),
        'nested': st.fixed_dictionaries({}, optional={
            'deep': st.sampled_from((1, 'x')), 'list': st.just([1, 2])}),
    })),
    (1, objects))

# Scopes --------------------------------------------------------------------

_text_or_odd = weighted((4, st.sampled_from(('AZ1', 'a', '*', ''))),
                        (1, json_values))


def _of(*members: str) -> st.SearchStrategy:
    return st.lists(
        st.fixed_dictionaries(
            {}, optional=dict.fromkeys(members, _text_or_odd)) | scalars,
        max_size=2)


_aggregates = st.lists(
    weighted((3, st.fixed_dictionaries(
        {'id': st.sampled_from((1, '*', 'x', 1.5))})),
        (2, st.fixed_dictionaries({'name': _text_or_odd})),
        (1, json_values)), max_size=2)

_exclude = st.lists(st.fixed_dictionaries({}, optional={
    'instances': _of('uuid'), 'compute_nodes': _of('name'),
    'host_aggregates': _aggregates, 'instance_metadata': _of('a'),
    'projects': _of('uuid'), 'storage_pools': _of('name'),
    'volumes': _of('uuid'), 'other': scalars}), max_size=2)

_model = st.lists(st.fixed_dictionaries({}, optional={
    'host_aggregates': _aggregates, 'availability_zones': _of('name'),
    'volume_types': _of('name'), 'exclude': _exclude}), max_size=2)

_good_scope = st.sampled_from((
    [], [{'compute': []}], [{'storage': []}],
    [{'availability_zones': [{'name': 'AZ1'}]}],
    [{'compute': [{'host_aggregates': [{'id': 1}, {'name': '*'}]},
                  {'exclude': [{'instances': [{'uuid': 'x'}]}]}]}],
    [{'storage': [{'volume_types': [{'name': 'lvm'}]}]}, {'compute': []}]))

scopes = weighted(
    (4, _good_scope),
    (3, st.lists(st.fixed_dictionaries({}, optional={
        'compute': _model, 'storage': _model, 'baremetal': _model}),
        max_size=2)),
    (1, _model),
    (1, json_values))

# Fields --------------------------------------------------------------------

#: What the values of a declared type look like. The nearest base counts.
BY_TYPE: dict[type, st.SearchStrategy] = {
    types.Text: names,
    types.UUID: uuids,
    types.Integer: st.sampled_from(INTEGERS) | st.integers(),
    types.Boolean: weighted((4, st.booleans()), (1, st.sampled_from(
        ('yes', 'off', 'T', 'x', '', 0, 1, 2, 1.5, -1)))),
    types.StrictBoolean: st.booleans(),
    types.Interval: st.sampled_from(CRONS),
    types.Time: weighted((3, st.sampled_from(TIMES)),
                         (1, st.datetimes().map(
                             lambda moment: moment.isoformat()))),
    types.Object: parameters,
    types.Array: scopes,
    types.JSON: json_values,
    types.Type: json_values,
}

_zones = weighted(
    (3, st.sampled_from(('UTC', 'Europe/Berlin', 'Asia/Kathmandu'))),
    (1, st.sampled_from(('utc', 'localtime', '../UTC', 'UTC+1'))),
    (1, nasty_texts))

_windows = weighted(
    (4, st.lists(st.sampled_from((
        '22:00-05:00', 'Mon-Fri,Sun 00:00-24:00', '2090-12-24/2090-12-26',
        '!2090-12-31 18:00/2091-01-02 06:00')), max_size=3)),
    (2, st.lists(weighted(
        (3, st.sampled_from((
            'Fri-Mon 9:00-10:00', '20:00', '24:00-25:00', '2020-01-01',
            '!00:00-24:00', '2091-02-30', '9999-12-31', '0001-01-01',
            '!', 'Mon,Tue,'))),
        (1, nasty_texts), (1, scalars)), max_size=2)),
    (1, json_values))

#: Names that mean more than their type says.
BY_NAME: dict[str, st.SearchStrategy] = {
    'state': weighted((3, st.sampled_from(WANTED_STATES)),
                      (1, st.sampled_from(STATES))),
    'audit_type': weighted(
        (9, st.sampled_from([kind.value for kind in states.AuditType])),
        (1, nasty_texts)),
    'description': names,
    'status_message': names,
    'time_zone': _zones,
    'run_windows': _windows,
    'execution_windows': _windows,
}


#: Members that go together. Without them few creations would be accepted,
#: because declarations don't say which fields need or exclude each other.
RECIPES: dict[str, tuple[dict[str, Any], ...]] = {
    'audits': (
        {'audit_type': 'ONESHOT', 'goal': 'dummy'},
        {'audit_type': 'EVENT', 'goal': 'dummy', 'strategy': 'basic'},
        {'audit_type': 'ONESHOT', 'goal': 'dummy', 'strategy': 'dummy'},
        {'audit_type': 'ONESHOT', 'goal': "o'neill 50% {0}",
         'strategy': 'deep.json', 'parameters': {'para1': 2}},
        {'audit_type': 'ONESHOT', 'goal': 'dummy', 'strategy': 'dummy',
         'parameters': {'para1': 99}},
        {'audit_type': 'ONESHOT', 'goal': "o'neill 50% {0}",
         'strategy': 'deep.json', 'parameters': {
             'para1': 2, 'nested': {'list': [1, 1], 'deep': 'x'}}},
        {'audit_type': 'CONTINUOUS', 'goal': 'dummy', 'interval': '60',
         'auto_trigger': True},
        {'audit_type': 'CONTINUOUS', 'interval': '*/5 * * * *',
         'goal': 'dummy', 'start_time': '2030-01-01T10:00:00'},
        {'audit_type': 'CONTINUOUS', 'interval': '0 1 * * *',
         'goal': 'dummy', 'time_zone': 'Europe/Berlin',
         'run_windows': ['22:00-05:00']},
        {'audit_type': 'EVENT', 'audit_template_uuid':
            Ref('audit_templates', 'uuid', 0)},
        {'audit_type': 'ONESHOT', 'audit_template_uuid':
            Ref('audit_templates', 'uuid', 5)}),
    'audit_templates': (
        {'goal': 'dummy'},
        {'goal': 'dummy', 'strategy': 'basic'},
        {'goal': 'dummy', 'strategy': 'dummy',
         'default_parameters': {'para1': 2}},
        {'goal': "o'neill 50% {0}", 'strategy': 'deep.json',
         'default_parameters': {'para1': 2, 'nested': {'deep': 1}}},
        {'goal': 'dummy', 'strategy': 'dummy',
         'default_parameters': {'para2': 3}}),
}


def _declared(field: fields.Field) -> st.SearchStrategy:
    for cls in type(field.input_type).__mro__:
        if cls in BY_TYPE:
            return BY_TYPE[cls]
    return json_values


def reference(name: str, known: dict[str, str],
              otherwise: st.SearchStrategy) -> st.SearchStrategy:
    """Return what fits a member named after a resource, like ``goal``.

    :param known: singular name of a resource -> its collection
    :param otherwise: what fits if it is not
    """
    if name in known:
        return refs(known[name], 'uuid', 'name', 'uuid', 'name', 'id')
    if name.endswith('_uuid') and name[:-5] in known:
        return refs(known[name[:-5]], 'uuid')
    return otherwise


def field_values(field: fields.Field,
                 known: dict[str, str]) -> st.SearchStrategy[Any]:
    """Return values for a field: mostly good, sometimes anything."""
    good = reference(field.name, known,
                     BY_NAME[field.name] if field.name in BY_NAME
                     else _declared(field))
    return weighted((16, good), (2, json_values), (1, st.none()),
                    (1, nasty_texts))
