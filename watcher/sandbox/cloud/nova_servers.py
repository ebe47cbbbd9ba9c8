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
"""Showing, creating, changing and deleting servers."""

from __future__ import annotations

import uuid
from typing import Any

from watcher.sandbox.cloud import nova_base
from watcher.sandbox.cloud import openstack
from watcher.sandbox.cloud import state as cloud_state
from watcher.sandbox.cloud import web

CREATE_SCHEMA = {
    'type': 'object', 'required': ['server'],
    'properties': {'server': {
        'type': 'object', 'required': ['name', 'flavorRef'],
        'properties': {'name': {'type': 'string', 'minLength': 1},
                       'flavorRef': {'type': ['string', 'integer']},
                       'imageRef': {'type': 'string'},
                       'metadata': {'type': 'object'},
                       'host': {'type': 'string'}}}}}


class Servers(nova_base.NovaBase):
    """``/servers`` without lists and actions."""

    @web.route('GET', '/v2.1/servers/{ident}')
    @openstack.locked
    def show_server(self, request: web.Request, ident: str) -> web.Response:
        server = self._server(request, ident)
        body = self.views.server(server, request.version,
                                 request.identity.is_admin, show=True)
        return web.Response(200, b'{"server":' + body + b'}')

    @web.route('POST', '/v2.1/servers')
    @openstack.locked
    def create_server(self, request: web.Request) -> web.Response:
        nova_base.validate(request.body, CREATE_SCHEMA, 'server')
        given = request.body['server']
        created = [self._new_server(request, given, number)
                   for number in range(int(given.get('min_count', 1)))]
        for server in created:
            self.compute.create(server, requested=given.get('host'))
        server = created[0]
        links = self.views.links('servers', server.uuid)
        return web.json_response(
            {'server': {'id': server.uuid, 'links': links,
                        'OS-DCF:diskConfig': 'AUTO',
                        'security_groups': [{'name': 'default'}],
                        'adminPass': 'sandbox'}},
            202, {'Location': links[0]['href']})

    def _new_server(self, request: web.Request, given: dict[str, Any],
                    number: int) -> cloud_state.Server:
        image_id = given.get('imageRef') or None
        if image_id and image_id not in self.state.images:
            raise web.HTTPError(
                400, 'Invalid imageRef provided. Image %s could not be '
                     'found.' % image_id)
        host = given.get('host')
        if host:
            if request.version < (2, 74):
                raise web.HTTPError(
                    400, "Invalid input for field/attribute server. "
                         "Additional properties are not allowed ('host' "
                         "was unexpected)")
            self.check_admin(
                request, 'compute:servers:create:requested_destination')
            if host not in self.state.hosts:
                raise web.HTTPError(
                    400, 'Compute host %s could not be found.' % host)
        hints = request.body.get('os:scheduler_hints') \
            or request.body.get('OS-SCH-HNT:scheduler_hints') or {}
        now = cloud_state.utcnow()
        index = next(self.state.sequence)
        name = given['name'] if number == 0 \
            else '%s-%d' % (given['name'], number + 1)
        return cloud_state.Server(
            uuid=str(uuid.uuid4()), number=index, name=name,
            project_id=request.identity.project_id,
            user_id=request.identity.user_id,
            flavor=self._flavor(str(given['flavorRef']), 400),
            image_id=image_id, host=None, created=now, updated=now,
            metadata=given.get('metadata') or {},
            pinned_zone=given.get('availability_zone'),
            group_id=hints.get('group'), scheduler_hints=hints,
            volumes=[] if image_id else [str(uuid.uuid4())])

    @web.route('PUT', '/v2.1/servers/{ident}')
    @openstack.locked
    def update_server(self, request: web.Request,
                      ident: str) -> web.Response:
        server = self._server(request, ident)
        name = (request.body.get('server') or {}).get('name')
        if name is not None:
            self.state.touch(server, name=name)
        return self.show_server(request, ident=ident)

    @web.route('DELETE', '/v2.1/servers/{ident}')
    @openstack.locked
    def delete_server(self, request: web.Request,
                      ident: str) -> web.Response:
        server = self._server(request, ident)
        self._check_lock(request, server)
        self.compute.delete(server)
        return web.Response(204)

    @web.route('GET', '/v2.1/servers/{ident}/metadata')
    @openstack.locked
    def show_metadata(self, request: web.Request,
                      ident: str) -> web.Response:
        return web.json_response(
            {'metadata': self._server(request, ident).metadata})

    @web.route('POST PUT', '/v2.1/servers/{ident}/metadata')
    @openstack.locked
    def set_metadata(self, request: web.Request,
                     ident: str) -> web.Response:
        server = self._server(request, ident)
        given = request.body.get('metadata') or {}
        base = {} if request.method == 'PUT' else server.metadata
        self.state.touch(server, metadata={**base, **given})
        return web.json_response({'metadata': server.metadata})

    @web.route('DELETE', '/v2.1/servers/{ident}/metadata/{key}')
    @openstack.locked
    def delete_metadata(self, request: web.Request, ident: str,
                        key: str) -> web.Response:
        server = self._server(request, ident)
        if key not in server.metadata:
            raise web.HTTPError(404, 'Metadata item was not found')
        metadata = {k: v for k, v in server.metadata.items() if k != key}
        self.state.touch(server, metadata=metadata)
        return web.Response(204)

    @web.route('GET', '/v2.1/servers/{ident}/os-volume_attachments')
    @openstack.locked
    def list_attachments(self, request: web.Request,
                         ident: str) -> web.Response:
        server = self._server(request, ident)
        return web.json_response({'volumeAttachments': [
            {'id': volume, 'volumeId': volume, 'serverId': server.uuid,
             'device': '/dev/vd%s' % chr(ord('a') + index)}
            for index, volume in enumerate(server.volumes)]})
