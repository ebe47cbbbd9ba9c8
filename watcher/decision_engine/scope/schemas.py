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
"""JSON schemas (draft 4) of the kinds of audit scope."""

from typing import Any

Schema = dict[str, Any]


def _one_of(properties: Schema) -> Schema:
    """Return the schema of an object with exactly one of these members."""
    return {'type': 'object', 'properties': properties,
            'additionalProperties': False,
            'minProperties': 1, 'maxProperties': 1}


def _array(items: Schema) -> Schema:
    return {'type': 'array', 'items': items}


_TEXT = {'type': 'string'}

_AGGREGATE_ID = _one_of(
    {'id': {'oneOf': [{'type': 'integer'}, {'enum': ['*']}]}})
_AGGREGATE_NAME = _one_of({'name': _TEXT})
_AGGREGATES = _array(_one_of({
    'id': {'oneOf': [{'type': 'integer'}, {'enum': ['*']}]},
    'name': _TEXT}))
_BY_NAME = _array(_one_of({'name': _TEXT}))
_BY_UUID = _array(_one_of({'uuid': _TEXT}))

_PLACES: Schema = {
    'host_aggregates': _AGGREGATES,
    'availability_zones': _BY_NAME,
}

COMPUTE: Schema = {
    'type': 'array',
    'items': _one_of({
        **_PLACES,
        'all_of': {**_array(_one_of(_PLACES)), 'minItems': 1},
        'exclude': _array(_one_of({
            'instances': _BY_UUID,
            'compute_nodes': _BY_NAME,
            'host_aggregates': _AGGREGATES,
            'instance_metadata': _array({'type': 'object'}),
            'projects': _BY_UUID,
            'workloads': _BY_NAME,
        })),
    }),
    # No keywords: schemas of third-party collectors point here, with
    # "#/items/properties/compute/host_aggregates/...".
    'host_aggregates': {
        'host_aggr_id': _AGGREGATE_ID,
        'name': _AGGREGATE_NAME,
    },
}

STORAGE: Schema = {
    'type': 'array',
    'items': _one_of({
        'availability_zones': _BY_NAME,
        'volume_types': _BY_NAME,
        'exclude': _array(_one_of({
            'storage_pools': _BY_NAME,
            'volumes': _BY_UUID,
            'projects': _BY_UUID,
        })),
    }),
}

BAREMETAL: Schema = {
    'type': 'array',
    'items': _one_of({
        'exclude': _array(_one_of({'ironic_nodes': _BY_UUID})),
    }),
}

BUILT_IN = {'compute': COMPUTE, 'storage': STORAGE, 'baremetal': BAREMETAL}
