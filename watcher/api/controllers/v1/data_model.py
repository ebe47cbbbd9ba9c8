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
"""The data model of the cluster as the decision engine knows it."""

from watcher.api import types
from watcher.api import versions
from watcher.api.controllers import base
from watcher.api.controllers import query
from watcher.common import exception
from watcher.common import rpcapi

COMPUTE = 'compute'

#: Everything an entry may contain, with the version that brought it.
#: Whatever else the decision engine sends is left out.
MEMBERS = {
    **dict.fromkeys((
        'node_uuid', 'node_hostname', 'node_status', 'node_disabled_reason',
        'node_state', 'node_memory', 'node_memory_mb_reserved', 'node_disk',
        'node_disk_gb_reserved', 'node_vcpus', 'node_vcpu_reserved',
        'node_memory_ratio', 'node_vcpu_ratio', 'node_disk_ratio',
        'server_uuid', 'server_name', 'server_state', 'server_memory',
        'server_disk', 'server_vcpus', 'server_metadata',
        'server_project_id', 'server_locked', 'server_watcher_exclude',
    ), versions.DATA_MODEL),
    **dict.fromkeys((
        'server_pinned_az', 'server_flavor_extra_specs',
    ), versions.EXTENDED_DATA_MODEL),
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
        if kind != COMPUTE:
            raise exception.DataModelTypeNotFound(data_model_type=kind)
        base.enforce('data_model:get_all')
        model = rpcapi.DecisionEngineAPI().get_data_model_info(
            base.context(), kind, audit)
        return base.respond({'context': [
            _visible(entry, base.version())
            for entry in model.get('context') or []]})


def _visible(entry, version):
    return {name: value for name, value in entry.items()
            if name in MEMBERS and version >= MEMBERS[name]}
