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
"""What was done to servers, and what went wrong: instance actions."""

from __future__ import annotations

from typing import Any

from watcher.sandbox.cloud import nova_base
from watcher.sandbox.cloud import nova_views
from watcher.sandbox.cloud import openstack
from watcher.sandbox.cloud import state as cloud_state
from watcher.sandbox.cloud import web

#: What requests are called in the records; others keep their names.
NAMES = {'os-migrateLive': 'live-migration', 'os-stop': 'stop',
         'os-start': 'start', 'os-resetState': 'resetState'}


def _view(server: cloud_state.Server,
          action: cloud_state.ServerAction) -> dict[str, Any]:
    return {'action': action.name, 'instance_uuid': server.uuid,
            'request_id': action.request_id, 'message': (
                'Error' if action.events else None),
            'user_id': action.user_id, 'project_id': action.project_id,
            'start_time': nova_views.micro(action.start),
            'updated_at': nova_views.micro(action.start)}


class InstanceActions(nova_base.NovaBase):
    """``/servers/{id}/os-instance-actions``."""

    def note_action(self, request: web.Request, server: cloud_state.Server,
                    name: str) -> None:
        """Remember a request that was accepted, before it has any effect."""
        server.actions.append(cloud_state.ServerAction(
            name=NAMES.get(name, name), request_id=request.id,
            user_id=request.identity.user_id,
            project_id=request.identity.project_id or '',
            start=cloud_state.utcnow()))

    @web.route('GET', '/v2.1/servers/{ident}/os-instance-actions')
    @openstack.locked
    def list_actions(self, request: web.Request,
                     ident: str) -> web.Response:
        server = self._server(request, ident)
        return web.json_response({'instanceActions': [
            _view(server, action) for action in reversed(server.actions)]})

    @web.route('GET', '/v2.1/servers/{ident}/os-instance-actions/{wanted}')
    @openstack.locked
    def show_action(self, request: web.Request, ident: str,
                    wanted: str) -> web.Response:
        server = self._server(request, ident)
        for action in server.actions:
            if action.request_id == wanted:
                return web.json_response({'instanceAction': {
                    **_view(server, action), 'events': [
                        {'event': action.name, 'result': 'Error',
                         'start_time': nova_views.micro(action.start),
                         'finish_time': nova_views.micro(action.start),
                         'host': None, 'details': text, 'traceback': None}
                        for text in action.events]}})
        raise web.HTTPError(404, 'Action for request_id %s on instance %s '
                                 'not found' % (wanted, ident))
