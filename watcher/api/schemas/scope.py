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
"""What the scope of an audit or an audit template may look like."""

import jsonschema

from watcher._i18n import _
from watcher.api import types

COMPUTE = 'compute'
STORAGE = 'storage'
SECTIONS = (COMPUTE, STORAGE)


def _array(items):
    return {'type': 'array', 'items': items}


def _object(**properties):
    return {'type': 'object', 'properties': properties,
            'additionalProperties': False}


_NAME = _object(name={'type': 'string'})
_UUID = _object(uuid={'type': 'string'})

# Built without "id" as a plain key next to keywords: some releases of the
# library take a property of that name for the identifier of the schema.
_AGGREGATE = {'type': 'object', 'anyOf': [
    _object(id={'oneOf': [{'type': 'integer'}, {'enum': ['*']}]}),
    _NAME]}

_COMPUTE_EXCLUDE = _object(
    instances=_array(_UUID),
    compute_nodes=_array(_NAME),
    host_aggregates=_array(_AGGREGATE),
    instance_metadata=_array({'type': 'object'}),
    projects=_array(_UUID))

_COMPUTE = _object(
    host_aggregates=_array(_AGGREGATE),
    availability_zones=_array(_NAME),
    exclude=_array(_COMPUTE_EXCLUDE))

_STORAGE_EXCLUDE = {
    'type': 'object',
    'properties': {'storage_pools': _array(_NAME),
                   'volumes': _array(_UUID),
                   'projects': _array(_UUID)}}

_STORAGE = _object(
    availability_zones=_array(_NAME),
    volume_types=_array(_NAME),
    exclude=_array(_STORAGE_EXCLUDE))

SCHEMA = _array(_object(compute=_array(_COMPUTE), storage=_array(_STORAGE)))

_VALIDATOR = jsonschema.Draft4Validator(SCHEMA)


class Scope(types.Array):
    """A scope; the flat notation of old is brought into today's."""

    name = 'scope'

    @staticmethod
    def validate(value):
        if value == {}:
            return []
        if not isinstance(value, list):
            raise ValueError(_('A JSON array is expected.'))
        value = _normalised(value)
        error = jsonschema.exceptions.best_match(_VALIDATOR.iter_errors(value))
        if error is not None:
            raise ValueError(_('%(path)s: %(message)s.') % {
                'path': error.json_path, 'message': error.message})
        for section in value:
            _check_aggregates(section.get(COMPUTE, []))
        return value


def _normalised(value):
    first = value[0] if value else None
    if not isinstance(first, dict) or not first:
        return value
    if next(iter(first)) in SECTIONS:
        return value
    # The notation before there was anything but compute.
    return [{COMPUTE: value}]


def _check_aggregates(compute):
    included = any('host_aggregates' in rule for rule in compute)
    excluded = any('host_aggregates' in exclusion for rule in compute
                   for exclusion in rule.get('exclude', []))
    if included and excluded:
        raise ValueError(_('host_aggregates can be included or excluded, '
                           'not both.'))


scope = Scope()
