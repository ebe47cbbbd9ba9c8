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
"""What all parts of the simulated Nova use."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable
from typing import Any

import jsonschema
from oslo_utils import timeutils

from watcher.sandbox.cloud import compute as cloud_compute
from watcher.sandbox.cloud import keystone
from watcher.sandbox.cloud import nova_views
from watcher.sandbox.cloud import openstack
from watcher.sandbox.cloud import state as cloud_state
from watcher.sandbox.cloud import web

MAX_LIMIT = 1000

BOOL = {'type': 'boolean'}


def validate(value: Any, schema: dict[str, Any], where: str) -> None:
    try:
        jsonschema.validate(value, schema)
    except jsonschema.ValidationError as error:
        name = error.absolute_path[-1] if error.absolute_path else where
        raise web.HTTPError(
            400, 'Invalid input for field/attribute %s. Value: %s. %s'
            % (name, error.instance, error.message))


class NovaBase(openstack.Versioned):
    """Versions, errors, pages, and how servers and flavors are found."""

    type = 'compute'
    name = 'nova'
    prefix = '/compute'
    endpoint_path = '/v2.1'
    LOWEST, HIGHEST = (2, 1), (2, 100)
    VERSION_TYPE = 'compute'
    VERSION_HEADER = 'X-OpenStack-Nova-API-Version'

    def __init__(self, compute: cloud_compute.Compute,
                 identity: keystone.Keystone, base_url: str) -> None:
        super().__init__(compute.state, identity)
        self.compute = compute
        self._url = base_url + self.prefix + self.endpoint_path
        self.views = nova_views.Views(base_url + self.prefix,
                                      self.state.images)

    def error(self, request: web.Request,
              error: web.HTTPError) -> web.Response:
        if error.status != 401:
            return super().error(request, error)
        return web.json_response(
            {'error': {'code': 401, 'title': 'Unauthorized',
                       'message': error.message}}, 401)

    def common_headers(self, request: web.Request) -> dict[str, str]:
        version = max(request.version, self.LOWEST)
        return {**super().common_headers(request),
                'X-OpenStack-Nova-API-Version':
                    openstack.version_text(version),
                'Vary': 'OpenStack-API-Version, '
                        'X-OpenStack-Nova-API-Version',
                'x-compute-request-id': request.id}

    def version_not_found(self, request: web.Request) -> web.HTTPError:
        return web.HTTPError(
            404, 'API version %d.%d is not supported on this method.'
            % request.version)

    def _server(self, request: web.Request,
                ident: str) -> cloud_state.Server:
        server = self.state.servers.get(ident)
        identity = request.identity
        if server is None or not (
                identity.is_admin
                or identity.project_id == server.project_id):
            raise web.HTTPError(
                404, 'Instance %s could not be found.' % ident)
        return server

    def _flavor(self, ident: str, status: int = 404) -> cloud_state.Flavor:
        flavor = self.state.flavors.get(ident)
        if flavor is None:
            raise web.HTTPError(
                status, 'Flavor %s could not be found.' % ident)
        return flavor

    @staticmethod
    def _check_lock(request: web.Request,
                    server: cloud_state.Server) -> None:
        if server.locked and not request.identity.is_admin:
            raise web.HTTPError(409,
                                'Instance %s is locked' % server.uuid)

    @staticmethod
    def _limit(request: web.Request) -> int:
        text = request.arg('limit')
        if text is None:
            return MAX_LIMIT
        if not text.isdigit():
            raise web.HTTPError(
                400, 'Invalid input for query parameters limit. Value: %s. '
                     "'%s' does not match '^[0-9]*$'" % (text, text))
        return min(int(text), MAX_LIMIT)

    def _next(self, request: web.Request,
              marker: Any) -> list[dict[str, str]]:
        url = request.page_url(request.base_url + request.path,
                               marker=str(marker))
        return [{'rel': 'next', 'href': url}]

    def _paged(self, request: web.Request, key: str, items: list[Any],
               ident: Callable[[Any], Any], render: Callable[[Any], bytes],
               paged: bool = True) -> web.Response:
        """Answer one page of a collection."""
        limit, marker = MAX_LIMIT, None
        if paged:
            limit, marker = self._limit(request), request.arg('marker')
        if marker is not None:
            positions = [i for i, item in enumerate(items)
                         if str(ident(item)) == marker]
            if not positions:
                raise web.HTTPError(400, 'marker [%s] not found' % marker)
            items = items[positions[0] + 1:]
        page = items[:limit] if paged else items
        parts = [b'{"%s":[' % key.encode(), b','.join(map(render, page)),
                 b']']
        if paged and limit and len(page) == limit:
            parts += [b',"%s_links":' % key.encode(),
                      web.dumps(self._next(request, ident(page[-1])))]
        return web.Response(200, b''.join([*parts, b'}']))

    @staticmethod
    def _time(request: web.Request, name: str) -> datetime.datetime:
        text = request.arg(name) or ''
        try:
            moment = timeutils.parse_isotime(text.replace(' ', '+'))
        except ValueError:
            raise web.HTTPError(
                400, 'Invalid input for query parameters %s. Value: %s. '
                     "'%s' is not a 'date-time'" % (name, text, text))
        return moment.astimezone(datetime.UTC)

    def _control_services(self, version: web.Version
                          ) -> list[dict[str, Any]]:
        services = []
        for index, binary in enumerate(('nova-conductor',
                                        'nova-scheduler')):
            number = len(self.state.hosts) + 1 + index
            view = {'id': number, 'binary': binary, 'host': 'controller',
                    'zone': 'internal', 'status': 'enabled', 'state': 'up',
                    'updated_at': nova_views.micro(cloud_state.utcnow()),
                    'disabled_reason': None}
            if version >= (2, 53):
                view['id'] = str(uuid.uuid5(uuid.NAMESPACE_DNS, binary))
            if version >= (2, 11):
                view['forced_down'] = False
            services.append(view)
        return services
