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
"""Ironic: the bare metal API with microversions 1.1 to 1.95."""

from __future__ import annotations

import json
import uuid
from typing import Any

from watcher.sandbox.cloud import keystone
from watcher.sandbox.cloud import machines as cloud_machines
from watcher.sandbox.cloud import openstack
from watcher.sandbox.cloud import web

SUMMARY = ('uuid', 'name', 'instance_uuid', 'maintenance', 'power_state',
           'provision_state', 'links')

#: Fields that a list may be filtered by.
FILTERS = ('provision_state', 'driver', 'resource_class', 'fault',
           'instance_uuid')

#: Fields that a client may change.
CHANGEABLE = ('name', 'extra', 'instance_uuid', 'driver', 'resource_class')

#: Fields and the microversion that first showed them.
SINCE = {'name': (1, 5), 'resource_class': (1, 21), 'fault': (1, 42)}


class Ironic(openstack.Versioned):

    type = 'baremetal'
    name = 'ironic'
    prefix = '/baremetal'
    LOWEST, HIGHEST = (1, 1), (1, 95)
    VERSION_TYPE = 'baremetal'
    VERSION_HEADER = 'X-OpenStack-Ironic-API-Version'
    FORBIDDEN = 'Access was denied to the following resource: %s'
    UNSUPPORTED = ('Version %(asked)s was requested but the requested API '
                   'version is not supported by this service. The supported '
                   'version range is: [%(lowest)s, %(highest)s].')

    def __init__(self, machines: cloud_machines.Machines,
                 identity: keystone.Keystone, base_url: str) -> None:
        super().__init__(machines.state, identity)
        self.machines = machines
        self._url = base_url + self.prefix + '/v1'

    # The machinery.

    def error(self, request: web.Request,
              error: web.HTTPError) -> web.Response:
        # Indeed a text of JSON within JSON.
        return web.json_response({'error_message': json.dumps({
            'faultcode': 'Client' if error.status < 500 else 'Server',
            'faultstring': error.message, 'debuginfo': None})},
            error.status)

    def common_headers(self, request: web.Request) -> dict[str, str]:
        own = 'X-OpenStack-Ironic-API-%s-Version'
        return {own % 'Minimum': openstack.version_text(self.LOWEST),
                own % 'Maximum': openstack.version_text(self.HIGHEST),
                'x-openstack-request-id': request.id}

    # Versions.

    def _version(self) -> dict[str, Any]:
        return self._described('v1', links=[
            {'rel': 'self', 'href': self._url + '/'}])

    @web.route('GET', '/', public=True)
    def versions(self, request: web.Request) -> web.Response:
        return web.json_response({
            'name': 'OpenStack Ironic API', 'versions': [self._version()],
            'default_version': self._version()})

    @web.route('GET', '/v1', public=True)
    def version(self, request: web.Request) -> web.Response:
        return web.json_response({
            'id': 'v1', 'version': self._version(),
            'links': [{'rel': 'self', 'href': self._url + '/'}]})

    # Nodes.

    def _view(self, request: web.Request, node: cloud_machines.Node,
              fields: tuple[str, ...] | None = None) -> dict[str, Any]:
        url = '%s/nodes/%s' % (self._url, node.uuid)
        record = {
            'uuid': node.uuid, 'name': node.name, 'driver': node.driver,
            'power_state': node.power_state,
            'target_power_state': node.target_power_state,
            'provision_state': node.provision_state,
            'target_provision_state': node.target_provision_state,
            'maintenance': node.maintenance,
            'maintenance_reason': node.maintenance_reason,
            'fault': node.fault, 'last_error': node.last_error,
            'reservation': node.reservation, 'extra': node.extra,
            'instance_uuid': node.instance_uuid,
            'resource_class': node.resource_class,
            'properties': {}, 'driver_info': {}, 'instance_info': {},
            'console_enabled': False, 'chassis_uuid': None,
            'created_at': node.created.isoformat(),
            'updated_at': node.updated.isoformat(),
            'links': [{'rel': 'self', 'href': url}]}
        return {name: value for name, value in record.items()
                if request.version >= SINCE.get(name, self.LOWEST)
                and (fields is None or name in fields)}

    def _fields(self, request: web.Request) -> tuple[str, ...]:
        wanted = request.arg('fields')
        return tuple(wanted.split(',')) if wanted else SUMMARY

    @web.route('GET', '/v1/nodes', admin='baremetal:node:list')
    @openstack.locked
    def list_nodes(self, request: web.Request) -> web.Response:
        return self._list(request, '/nodes', None if request.flag('detail')
                          else self._fields(request))

    @web.route('GET', '/v1/nodes/detail', admin='baremetal:node:list')
    @openstack.locked
    def list_details(self, request: web.Request) -> web.Response:
        return self._list(request, '/nodes/detail', None)

    def _list(self, request: web.Request, path: str,
              fields: tuple[str, ...] | None) -> web.Response:
        nodes = [node for node in self.machines.nodes.values()
                 if self._matches(request, node)]
        marker = request.arg('marker')
        if marker is not None:
            last = self.machines.find(marker)
            nodes = [node for node in nodes if node.number > last.number]
        limit = self._limit(request)
        body: dict[str, Any] = {'nodes': [
            self._view(request, node, fields) for node in nodes[:limit]]}
        if len(nodes) > limit:
            body['next'] = request.page_url(
                self._url + path, limit=str(limit),
                marker=nodes[limit - 1].uuid)
        return web.json_response(body)

    def _limit(self, request: web.Request) -> int:
        text = request.arg('limit') or '0'
        if not text.isdigit():
            raise web.HTTPError(400, 'Limit must be positive')
        longest = self.machines.max_limit
        return min(int(text) or longest, longest)

    @staticmethod
    def _matches(request: web.Request, node: cloud_machines.Node) -> bool:
        if request.arg('maintenance') is not None:
            if request.flag('maintenance') != node.maintenance:
                return False
        if request.arg('associated') is not None:
            if request.flag('associated') != bool(node.instance_uuid):
                return False
        return all(request.arg(name) in (None, getattr(node, name))
                   for name in FILTERS)

    @web.route('GET', '/v1/nodes/{ident}', admin='baremetal:node:get')
    @openstack.locked
    def show_node(self, request: web.Request, ident: str) -> web.Response:
        node = self.machines.find(ident)
        return web.json_response(self._view(
            request, node, self._fields(request)
            if request.arg('fields') else None))

    @web.route('POST', '/v1/nodes', admin='baremetal:node:create')
    @openstack.locked
    def create_node(self, request: web.Request) -> web.Response:
        wanted = dict(request.body)
        ident = wanted.pop('uuid', None) or str(uuid.uuid4())
        if ident in self.machines.nodes:
            raise web.HTTPError(
                409, 'A node with UUID %s already exists.' % ident)
        node = self.machines.create(
            ident=ident, **{name: value for name, value in wanted.items()
                            if name in CHANGEABLE})
        return web.json_response(self._view(request, node), 201)

    @web.route('PATCH', '/v1/nodes/{ident}', admin='baremetal:node:update')
    @openstack.locked
    def update_node(self, request: web.Request, ident: str) -> web.Response:
        node = self.machines.find(ident)
        changes: dict[str, Any] = {}
        for operation in json.loads(request.raw_body):
            field, _, key = operation['path'].lstrip('/').partition('/')
            if field not in CHANGEABLE:
                raise web.HTTPError(
                    400, "'%s' is an internal attribute and can not be "
                         'updated' % operation['path'])
            value = operation.get('value')
            if key:
                whole = dict(changes.get(field, getattr(node, field)))
                if operation['op'] == 'remove':
                    whole.pop(key, None)
                else:
                    whole[key] = value
                value = whole
            changes[field] = value
        self.machines.update(node, **changes)
        return web.json_response(self._view(request, node))

    @web.route('DELETE', '/v1/nodes/{ident}', admin='baremetal:node:delete')
    @openstack.locked
    def delete_node(self, request: web.Request, ident: str) -> web.Response:
        self.machines.delete(self.machines.find(ident))
        return web.Response(204)

    # States.

    @web.route('GET', '/v1/nodes/{ident}/states',
               admin='baremetal:node:get_states')
    @openstack.locked
    def show_states(self, request: web.Request, ident: str) -> web.Response:
        node = self.machines.find(ident)
        return web.json_response({name: getattr(node, name) for name in (
            'power_state', 'target_power_state', 'provision_state',
            'target_provision_state', 'last_error')})

    @web.route('PUT', '/v1/nodes/{ident}/states/power',
               admin='baremetal:node:set_power_state')
    @openstack.locked
    def set_power(self, request: web.Request, ident: str) -> web.Response:
        target = str(request.body.get('target'))
        if target.startswith('soft') and request.version < (1, 27):
            raise self.not_found(request)
        self.machines.set_power(self.machines.find(ident), target)
        return web.Response(202)

    @web.route('PUT', '/v1/nodes/{ident}/states/provision',
               admin='baremetal:node:set_provision_state')
    @openstack.locked
    def set_provision(self, request: web.Request,
                      ident: str) -> web.Response:
        self.machines.set_provision(self.machines.find(ident),
                                    str(request.body.get('target')))
        return web.Response(202)

    @web.route('PUT DELETE', '/v1/nodes/{ident}/maintenance',
               admin='baremetal:node:set_maintenance')
    @openstack.locked
    def set_maintenance(self, request: web.Request,
                        ident: str) -> web.Response:
        self.machines.set_maintenance(
            self.machines.find(ident), request.method == 'PUT',
            request.body.get('reason'))
        return web.Response(202)
