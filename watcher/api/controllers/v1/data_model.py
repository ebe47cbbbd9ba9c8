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
"""The data models of the cluster as a decision engine knows them."""

from collections.abc import Iterable
from typing import Any

from watcher._i18n import _
from watcher.api import types
from watcher.api import versions
from watcher.api.controllers import base
from watcher.api.controllers import query
from watcher.common import exception
from watcher.common import rpcapi

COMPUTE = 'compute'
STORAGE = 'storage'
BAREMETAL = 'baremetal'


def _named(prefix: str, names: str) -> tuple[str, ...]:
    return tuple(f'{prefix}_{name}' for name in names.split())


#: How fresh the picture of a host, backend or bare metal node is.
FRESHNESS = _named('node', 'updated_at source read_at age incomplete_reason')

#: Everything an entry of each type may contain, with the version that
#: brought it. Whatever else the decision engine sends is left out.
MEMBERS = {
    COMPUTE: {
        **dict.fromkeys((
            *_named('node', 'uuid hostname status disabled_reason state '
                            'memory memory_mb_reserved disk disk_gb_reserved '
                            'vcpus vcpu_reserved memory_ratio vcpu_ratio '
                            'disk_ratio'),
            *_named('server', 'uuid name state memory disk vcpus metadata '
                              'project_id locked watcher_exclude'),
        ), versions.DATA_MODEL),
        **dict.fromkeys(
            _named('server', 'pinned_az flavor_extra_specs'),
            versions.EXTENDED_DATA_MODEL),
        **dict.fromkeys(FRESHNESS, versions.DATA_MODEL_TYPES),
    },
    STORAGE: dict.fromkeys((
        *_named('node', 'host zone status state volume_type uuid human_id'),
        *FRESHNESS,
        *_named('pool', 'name total_volumes total_capacity_gb '
                        'free_capacity_gb provisioned_capacity_gb '
                        'allocated_capacity_gb virtual_free uuid human_id '
                        'updated_at source'),
        *_named('volume', 'uuid name size status attachments multiattach '
                          'snapshot_id project_id metadata bootable '
                          'volume_type created_at host human_id'),
    ), versions.DATA_MODEL_TYPES),
    BAREMETAL: dict.fromkeys((
        *_named('node', 'uuid power_state maintenance maintenance_reason '
                        'extra human_id'),
        *FRESHNESS,
    ), versions.DATA_MODEL_TYPES),
}

#: What is told about a model as a whole, and what if it is not known.
DESCRIPTION = {
    'type': None, 'engine': None, 'version': None, 'built_at': None,
    'age': None, 'changes': None, 'changed_at': None, 'absent': (),
    'gaps': (),
}


class DataModel:
    name = 'data_model'
    collection = 'data_model'
    #: Its query parameters.
    parameters = ('data_model_type', 'audit_uuid')

    def route(self, segments, request):
        if request.method != 'GET' or segments:
            raise base.not_allowed(['GET'])
        return self.get_all, []

    @base.expose(query=True)
    def get_all(self):
        """Show the model, restricted to the scope of an audit if given."""
        wanted = query.parameters(self.parameters)
        audit = types.load(types.uuid, 'audit_uuid',
                           wanted.get('audit_uuid'))
        base.require_version(versions.DATA_MODEL, 'The data model')
        kind = wanted.get('data_model_type', COMPUTE)
        described = base.version() >= versions.DATA_MODEL_TYPES
        _check(kind, MEMBERS if described else (COMPUTE,), described)
        base.enforce('data_model:get_all')
        model = rpcapi.DecisionEngineAPI().get_data_model_info(
            base.context(), kind, audit, described)
        document = {'context': _visible(
            model.get('context') or [], kind, base.version())}
        if described:
            known = model.get('model') or {}
            document['model'] = {name: known.get(name, default)
                                 for name, default in DESCRIPTION.items()}
        return base.respond(document)


def _check(kind: str, allowed: Iterable[str], described: bool) -> None:
    """Refuse a type that the version of the request does not have."""
    if kind in allowed:
        return
    if not described:
        raise exception.DataModelTypeNotFound(data_model_type=kind)
    raise types.invalid('data_model_type', kind,
                        _('one of %s is expected.') % ', '.join(allowed))


def _visible(entries: list[dict[str, Any]], kind: str,
             version: versions.Version) -> list[dict[str, Any]]:
    """Return the entries without what the version does not have."""
    names = {name for name, since in MEMBERS[kind].items()
             if version >= since}
    # They came over the bus and are ours. To make new ones would take
    # several times as long, and there may be one for each server.
    for entry in entries:
        for name in entry.keys() - names:
            del entry[name]
    return entries
