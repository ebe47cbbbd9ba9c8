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
"""Nova: the compute API with microversions 2.1 to 2.100."""

from __future__ import annotations

import datetime
import re
import uuid
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any

import jsonschema
from oslo_utils import timeutils
from oslo_utils import uuidutils

from watcher.sandbox.cloud import compute as cloud_compute
from watcher.sandbox.cloud import keystone
from watcher.sandbox.cloud import nova_views
from watcher.sandbox.cloud import openstack
from watcher.sandbox.cloud import state as cloud_state
from watcher.sandbox.cloud import web

MAX_LIMIT = 1000

_HOST = {'type': ['string', 'null'], 'minLength': 1, 'maxLength': 255}
_BOOL = {'type': 'boolean'}


def _action_schema(properties: dict[str, Any], required: list[str],
                   kinds: str | list[str] = 'object') -> dict[str, Any]:
    return {'type': kinds, 'properties': properties, 'required': required,
            'additionalProperties': False}


#: For each action the schemas of its value by first microversion.
ACTION_SCHEMAS: dict[str, list[tuple[web.Version, dict[str, Any]]]] = {
    'os-migrateLive': [
        ((2, 1), _action_schema(
            {'block_migration': _BOOL, 'disk_over_commit': _BOOL,
             'host': _HOST},
            ['block_migration', 'disk_over_commit', 'host'])),
        ((2, 25), _action_schema(
            {'block_migration': {'enum': [True, False, 'auto']},
             'host': _HOST}, ['block_migration', 'host'])),
        ((2, 30), _action_schema(
            {'block_migration': {'enum': [True, False, 'auto']},
             'host': _HOST, 'force': _BOOL}, ['block_migration', 'host'])),
        ((2, 68), _action_schema(
            {'block_migration': {'enum': [True, False, 'auto']},
             'host': _HOST}, ['block_migration', 'host']))],
    'migrate': [
        ((2, 1), {}),
        ((2, 56), _action_schema({'host': _HOST}, [],
                                 ['object', 'null']))],
    'resize': [
        ((2, 1), {'type': 'object', 'required': ['flavorRef'],
                  'properties': {'flavorRef': {
                      'type': ['string', 'integer']}}})],
    'lock': [
        ((2, 1), {}),
        ((2, 73), _action_schema(
            {'locked_reason': {'type': 'string'}}, [],
            ['object', 'null']))],
    'os-resetState': [
        ((2, 1), _action_schema(
            {'state': {'enum': ['active', 'error']}}, ['state']))],
}

CREATE_SCHEMA = {
    'type': 'object', 'required': ['server'],
    'properties': {'server': {
        'type': 'object', 'required': ['name', 'flavorRef'],
        'properties': {'name': {'type': 'string', 'minLength': 1},
                       'flavorRef': {'type': ['string', 'integer']},
                       'imageRef': {'type': 'string'},
                       'metadata': {'type': 'object'},
                       'host': {'type': 'string'}}}}}

SERVICE_SCHEMA = {
    'type': 'object', 'additionalProperties': False,
    'properties': {'status': {'enum': ['enabled', 'disabled']},
                   'disabled_reason': {'type': 'string', 'minLength': 1,
                                       'maxLength': 255},
                   'forced_down': _BOOL}}

#: What the changes of an aggregate are called in notifications.
AGGREGATE_EVENTS = {'set_metadata': 'update_metadata',
                    'add_host': 'add_host', 'remove_host': 'remove_host'}

#: Filters of a server list that compare one attribute of the server.
FILTERS: dict[str, Callable[[cloud_state.Server], Any]] = {
    'uuid': lambda s: s.uuid,
    'host': lambda s: s.host.name if s.host else None,
    'node': lambda s: s.host.hypervisor_hostname if s.host else None,
    'flavor': lambda s: s.flavor.id,
    'image': lambda s: s.image_id,
    'project_id': lambda s: s.project_id,
    'tenant_id': lambda s: s.project_id,
    'user_id': lambda s: s.user_id,
    'vm_state': lambda s: s.vm_state,
    'task_state': lambda s: s.task_state or '',
    'power_state': lambda s: str(s.power_state),
    'availability_zone': lambda s: s.host.zone if s.host else '',
    'reservation_id': lambda s: 'r-%08x' % s.number,
}
ADMIN_FILTERS = ('host', 'node')

SORT_KEYS: dict[str, Callable[[cloud_state.Server], Any]] = {
    'created_at': lambda s: s.created,
    'updated_at': lambda s: s.updated,
    'uuid': lambda s: s.uuid,
    'id': lambda s: s.number,
    'display_name': lambda s: s.name,
    'name': lambda s: s.name,
    'host': lambda s: s.host.name if s.host else '',
    'vm_state': lambda s: s.vm_state,
    'project_id': lambda s: s.project_id,
}


def validate(value: Any, schema: dict[str, Any], where: str) -> None:
    try:
        jsonschema.validate(value, schema)
    except jsonschema.ValidationError as error:
        name = error.absolute_path[-1] if error.absolute_path else where
        raise web.HTTPError(
            400, 'Invalid input for field/attribute %s. Value: %s. %s'
            % (name, error.instance, error.message))


class Nova(openstack.Versioned):

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
        self._actions: dict[str, Callable] = {
            'os-migrateLive': self._live_migrate,
            'migrate': self._migrate,
            'resize': self._resize,
            'confirmResize': self._confirm_resize,
            'revertResize': self._revert_resize,
            'lock': self._lock,
            'unlock': self._unlock,
            'os-resetState': self._reset_state,
            'os-stop': self._simple(compute.stop),
            'os-start': self._simple(compute.start),
            'reboot': self._simple(compute.reboot),
            'pause': self._simple(compute.pause),
            'unpause': self._simple(compute.unpause),
            'suspend': self._simple(compute.suspend),
            'resume': self._simple(compute.resume),
            'shelve': self._simple(compute.shelve),
            'unshelve': self._simple(compute.unshelve)}

    # The machinery.

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

    # Versions.

    def _version(self) -> dict[str, Any]:
        return self._described(
            'v2.1', updated='2013-07-23T11:33:21Z',
            links=[{'rel': 'self', 'href': self._url + '/'}])

    @web.route('GET', '/', public=True)
    def versions(self, request: web.Request) -> web.Response:
        return web.json_response({'versions': [self._version()]})

    @web.route('GET', '/v2.1', public=True)
    def version(self, request: web.Request) -> web.Response:
        media = {'base': 'application/json',
                 'type': 'application/vnd.openstack.compute+json;'
                         'version=2.1'}
        return web.json_response(
            {'version': dict(self._version(), **{'media-types': [media]})})

    # Servers: reading.

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

    @web.route('GET', '/v2.1/servers')
    @openstack.locked
    def list_servers(self, request: web.Request) -> web.Response:
        return self._list_servers(request, self.views.server_brief)

    @web.route('GET', '/v2.1/servers/detail')
    @openstack.locked
    def list_servers_detail(self, request: web.Request) -> web.Response:
        version, admin = request.version, request.identity.is_admin
        return self._list_servers(
            request, lambda s: self.views.server(s, version, admin))

    def _list_servers(self, request: web.Request,
                      render: Callable[[cloud_state.Server], bytes]
                      ) -> web.Response:
        limit = self._limit(request)
        servers, start = self._select_servers(request)
        page = servers[start:start + limit]
        parts = [b'{"servers":[', b','.join(map(render, page)), b']']
        if limit and len(page) == limit:
            parts += [b',"servers_links":',
                      web.dumps(self._next(request, page[-1].uuid))]
        parts.append(b'}')
        return web.Response(200, b''.join(parts))

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

    def _select_servers(self, request: web.Request
                        ) -> tuple[list[cloud_state.Server], int]:
        """The servers that are asked for, and where the page begins."""
        tests = self._server_tests(request)
        marker = request.arg('marker')
        unusual = {'sort_key', 'sort_dir', 'changes-since', 'deleted',
                   'host'} & set(request.query)
        if not tests and not unusual:
            servers = self.state.ordered_servers()
            position = self.state.position(marker) if marker else -1
        else:
            servers = [s for s in self._candidates(request)
                       if all(test(s) for test in tests)]
            position = next((i for i, s in enumerate(servers)
                             if s.uuid == marker), None) if marker else -1
        if position is None:
            raise web.HTTPError(400, 'marker [%s] not found' % marker)
        return servers, position + 1

    def _candidates(self, request: web.Request
                    ) -> list[cloud_state.Server]:
        """The servers to filter, in the order that is asked for."""
        servers: Iterable[cloud_state.Server]
        host = request.arg('host')
        with_deleted = ('changes-since' in request.query
                        or request.flag('deleted'))
        if host is not None and request.identity.is_admin \
                and not with_deleted:
            owner = self.state.hosts.get(host)
            servers = owner.servers.values() if owner else ()
        elif with_deleted:
            servers = [*self.state.servers.values(),
                       *self.state.deleted.values()]
        else:
            servers = self.state.ordered_servers()
        return self._sorted(request, servers)

    @staticmethod
    def _sorted(request: web.Request,
                servers: Iterable[cloud_state.Server]
                ) -> list[cloud_state.Server]:
        result = sorted(servers, key=lambda s: (s.created, s.number),
                        reverse=True)
        keys = request.query.get('sort_key', [])
        directions = request.query.get('sort_dir', [])
        for index in reversed(range(len(keys))):
            if keys[index] not in SORT_KEYS:
                continue
            direction = directions[index] if index < len(directions) \
                else 'desc'
            result.sort(key=SORT_KEYS[keys[index]],
                        reverse=direction == 'desc')
        return result

    def _server_tests(self, request: web.Request
                      ) -> list[Callable[[cloud_state.Server], bool]]:
        identity = request.identity
        tests: list[Callable[[cloud_state.Server], bool]] = []
        if request.flag('all_tenants', 'all_projects'):
            self.check_admin(
                request, 'os_compute_api:servers:detail:get_all_tenants')
        elif not (identity.is_admin
                  and {'project_id', 'tenant_id'} & set(request.query)):
            tests.append(lambda s: s.project_id == identity.project_id)
        for name, read in FILTERS.items():
            if name not in request.query or (
                    name in ADMIN_FILTERS and not identity.is_admin):
                continue
            tests.append(self._equals(read, request.query[name]))
        return tests + self._special_tests(request)

    @staticmethod
    def _equals(read: Callable[[cloud_state.Server], Any],
                values: list[str]
                ) -> Callable[[cloud_state.Server], bool]:
        return lambda s: read(s) in values

    def _special_tests(self, request: web.Request
                       ) -> list[Callable[[cloud_state.Server], bool]]:
        tests: list[Callable[[cloud_state.Server], bool]] = []
        if 'status' in request.query:
            wanted = {v.upper() for v in request.query['status']}
            tests.append(
                lambda s: nova_views.server_status(s) in wanted)
        if 'name' in request.query:
            pattern = self._pattern(request.arg('name') or '')
            tests.append(lambda s: pattern.search(s.name) is not None)
        if 'locked' in request.query and request.version >= (2, 73):
            is_locked = request.flag('locked')
            tests.append(lambda s: s.locked == is_locked)
        if request.flag('deleted') and request.identity.is_admin:
            tests.append(lambda s: s.vm_state == 'deleted')
        if 'changes-since' in request.query:
            since = self._time(request, 'changes-since')
            tests.append(lambda s: s.updated >= since)
        if 'changes-before' in request.query:
            before = self._time(request, 'changes-before')
            tests.append(lambda s: s.updated <= before)
        return tests

    @staticmethod
    def _pattern(text: str) -> re.Pattern:
        try:
            return re.compile(text, re.IGNORECASE)
        except re.error:
            raise web.HTTPError(
                400, 'Invalid input for query parameters name. Value: %s. '
                     "'%s' is not a 'regex'" % (text, text))

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

    @web.route('GET', '/v2.1/servers/{ident}')
    @openstack.locked
    def show_server(self, request: web.Request, ident: str) -> web.Response:
        server = self._server(request, ident)
        body = self.views.server(server, request.version,
                                 request.identity.is_admin, show=True)
        return web.Response(200, b'{"server":' + body + b'}')

    # Servers: writing.

    @web.route('POST', '/v2.1/servers')
    @openstack.locked
    def create_server(self, request: web.Request) -> web.Response:
        validate(request.body, CREATE_SCHEMA, 'server')
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

    # Actions.

    @staticmethod
    def _check_lock(request: web.Request,
                    server: cloud_state.Server) -> None:
        if server.locked and not request.identity.is_admin:
            raise web.HTTPError(409,
                                'Instance %s is locked' % server.uuid)

    @web.route('POST', '/v2.1/servers/{ident}/action')
    @openstack.locked
    def act(self, request: web.Request, ident: str) -> web.Response:
        if len(request.body) != 1:
            raise web.HTTPError(400, 'There is no such action: %s'
                                % ', '.join(request.body))
        (name, value), = request.body.items()
        action = self._actions.get(name)
        if action is None:
            raise web.HTTPError(400, 'There is no such action: %s' % name)
        versions = ACTION_SCHEMAS.get(name, [])
        schemas = [s for since, s in versions if since <= request.version]
        if schemas:
            validate(value, schemas[-1], name)
        server = self._server(request, ident)
        if name != 'unlock':
            self._check_lock(request, server)
        return action(request, server, value)

    @staticmethod
    def _simple(method: Callable) -> Callable:
        def act(request: web.Request, server: cloud_state.Server,
                value: Any) -> web.Response:
            method(server)
            return web.Response(202)
        return act

    def _live_migrate(self, request: web.Request,
                      server: cloud_state.Server,
                      value: dict[str, Any]) -> web.Response:
        self.check_admin(
            request, 'os_compute_api:os-migrate-server:migrate_live')
        self.compute.live_migrate(server, value['host'], request.identity,
                                  reports_later=request.version >= (2, 34))
        return web.Response(202)

    def _migrate(self, request: web.Request, server: cloud_state.Server,
                 value: Any) -> web.Response:
        self.check_admin(request,
                         'os_compute_api:os-migrate-server:migrate')
        host = None
        if request.version >= (2, 56) and value:
            host = value.get('host')
        self.compute.cold_migrate(server, host, request.identity)
        return web.Response(202)

    def _resize(self, request: web.Request, server: cloud_state.Server,
                value: dict[str, Any]) -> web.Response:
        flavor = self._flavor(str(value['flavorRef']), 400)
        self.compute.resize(server, flavor, request.identity)
        return web.Response(202)

    def _confirm_resize(self, request: web.Request,
                        server: cloud_state.Server,
                        value: Any) -> web.Response:
        self.compute.confirm_resize(server)
        return web.Response(204)

    def _revert_resize(self, request: web.Request,
                       server: cloud_state.Server,
                       value: Any) -> web.Response:
        self.compute.revert_resize(server)
        return web.Response(202)

    def _lock(self, request: web.Request, server: cloud_state.Server,
              value: Any) -> web.Response:
        reason = value.get('locked_reason') if isinstance(value, dict) \
            else None
        self.compute.set_lock(server, True, reason)
        return web.Response(202)

    def _unlock(self, request: web.Request, server: cloud_state.Server,
                value: Any) -> web.Response:
        self.compute.set_lock(server, False)
        return web.Response(202)

    def _reset_state(self, request: web.Request,
                     server: cloud_state.Server,
                     value: dict[str, Any]) -> web.Response:
        self.check_admin(
            request, 'os_compute_api:os-admin-actions:reset_state')
        self.state.touch(server, vm_state=value['state'], task_state=None)
        return web.Response(202)

    # Migrations.

    def _live_migrations(self, server: cloud_state.Server
                         ) -> list[cloud_state.Migration]:
        states = ('accepted', 'queued', 'preparing', 'running',
                  'post-migrating')
        return [m for m in self.state.migrations_of(server.uuid)
                if m.kind == 'live-migration' and m.status in states]

    def _server_migration(self, server: cloud_state.Server,
                          ident: str) -> cloud_state.Migration:
        for migration in self.state.migrations_of(server.uuid):
            if ident in (str(migration.id), migration.uuid):
                return migration
        raise web.HTTPError(
            404, 'Migration %s not found for instance %s'
            % (ident, server.uuid))

    def _show_migration(self, migration: cloud_state.Migration,
                        request: web.Request) -> dict[str, Any]:
        return self.views.server_migration(
            migration, request.version, self.compute.progress(migration))

    @web.route('GET', '/v2.1/servers/{ident}/migrations', since=(2, 23),
               admin='os_compute_api:servers:migrations:index')
    @openstack.locked
    def list_server_migrations(self, request: web.Request,
                               ident: str) -> web.Response:
        server = self._server(request, ident)
        return web.json_response({'migrations': [
            self._show_migration(m, request)
            for m in self._live_migrations(server)]})

    @web.route('GET', '/v2.1/servers/{ident}/migrations/{number}',
               since=(2, 23), admin='os_compute_api:servers:migrations:show')
    @openstack.locked
    def show_server_migration(self, request: web.Request, ident: str,
                              number: str) -> web.Response:
        server = self._server(request, ident)
        migration = self._server_migration(server, number)
        if migration not in self._live_migrations(server):
            raise web.HTTPError(
                404, 'Live migration %s for server %s is not in progress.'
                % (number, ident))
        return web.json_response(
            {'migration': self._show_migration(migration, request)})

    @web.route('DELETE', '/v2.1/servers/{ident}/migrations/{number}',
               since=(2, 24),
               admin='os_compute_api:servers:migrations:delete')
    @openstack.locked
    def abort_migration(self, request: web.Request, ident: str,
                        number: str) -> web.Response:
        server = self._server(request, ident)
        migration = self._server_migration(server, number)
        self.compute.abort_live(server, migration,
                                abort_queued=request.version >= (2, 65))
        return web.Response(202)

    @web.route('GET', '/v2.1/os-migrations',
               admin='os_compute_api:os-migrations:index')
    @openstack.locked
    def list_migrations(self, request: web.Request) -> web.Response:
        wanted = {'instance_uuid': lambda m: m.server_uuid,
                  'status': lambda m: m.status,
                  'migration_type': lambda m: m.kind,
                  'source_compute': lambda m: m.source.name,
                  'host': lambda m: (m.source.name,
                                     m.dest.name if m.dest else None)}
        found = list(reversed(self.state.migrations.values()))
        for name, read in wanted.items():
            value = request.arg(name)
            if value is not None:
                found = [m for m in found if value == read(m) or (
                    isinstance(read(m), tuple) and value in read(m))]
        if 'changes-since' in request.query:
            since = self._time(request, 'changes-since')
            found = [m for m in found if m.updated >= since]
        return self._paged(
            request, 'migrations', found, lambda m: m.uuid,
            lambda m: web.dumps(self.views.migration(m, request.version)),
            paged=request.version >= (2, 59))

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

    # Flavors.

    def _flavor(self, ident: str, status: int = 404) -> cloud_state.Flavor:
        flavor = self.state.flavors.get(ident)
        if flavor is None:
            raise web.HTTPError(
                status, 'Flavor %s could not be found.' % ident)
        return flavor

    def _visible_flavors(self, request: web.Request
                         ) -> list[cloud_state.Flavor]:
        flavors = list(self.state.flavors.values())
        wanted = (request.arg('is_public') or 'true').lower()
        if wanted == 'none' and request.identity.is_admin:
            return flavors
        public = wanted not in ('0', 'f', 'false', 'off', 'n', 'no') \
            or not request.identity.is_admin
        return [f for f in flavors if f.is_public == public]

    @web.route('GET', '/v2.1/flavors')
    @openstack.locked
    def list_flavors(self, request: web.Request) -> web.Response:
        return self._paged(
            request, 'flavors', self._visible_flavors(request),
            lambda f: f.id,
            lambda f: web.dumps(
                self.views.flavor_brief(f, request.version)))

    @web.route('GET', '/v2.1/flavors/detail')
    @openstack.locked
    def list_flavors_detail(self, request: web.Request) -> web.Response:
        return self._paged(
            request, 'flavors', self._visible_flavors(request),
            lambda f: f.id,
            lambda f: web.dumps(self.views.flavor(f, request.version)))

    @web.route('GET', '/v2.1/flavors/{ident}')
    @openstack.locked
    def show_flavor(self, request: web.Request, ident: str) -> web.Response:
        return web.json_response({'flavor': self.views.flavor(
            self._flavor(ident), request.version)})

    @web.route('POST', '/v2.1/flavors',
               admin='os_compute_api:os-flavor-manage:create')
    @openstack.locked
    def create_flavor(self, request: web.Request) -> web.Response:
        given = request.body.get('flavor') or {}
        validate(given, {'required': ['name', 'ram', 'vcpus', 'disk']},
                 'flavor')
        ident = str(given.get('id') or uuid.uuid4())
        names = {f.name for f in self.state.flavors.values()}
        if ident in self.state.flavors or given['name'] in names:
            raise web.HTTPError(
                409, 'Flavor with name %s already exists.' % given['name'])
        flavor = cloud_state.Flavor(
            id=ident, name=given['name'], vcpus=int(given['vcpus']),
            ram=int(given['ram']), disk=int(given['disk']),
            ephemeral=int(given.get('OS-FLV-EXT-DATA:ephemeral') or 0),
            swap=int(given.get('swap') or 0),
            is_public=given.get('os-flavor-access:is_public', True))
        self.state.flavors[ident] = flavor
        return web.json_response(
            {'flavor': self.views.flavor(flavor, request.version)})

    @web.route('GET', '/v2.1/flavors/{ident}/os-extra_specs')
    @openstack.locked
    def show_extra_specs(self, request: web.Request,
                         ident: str) -> web.Response:
        return web.json_response(
            {'extra_specs': self._flavor(ident).extra_specs})

    # Hypervisors.

    @web.route('GET', '/v2.1/os-hypervisors',
               admin='os_compute_api:os-hypervisors:list')
    @openstack.locked
    def list_hypervisors(self, request: web.Request) -> web.Response:
        return self._list_hypervisors(request, detail=False)

    @web.route('GET', '/v2.1/os-hypervisors/detail',
               admin='os_compute_api:os-hypervisors:list-detail')
    @openstack.locked
    def list_hypervisors_detail(self, request: web.Request) -> web.Response:
        return self._list_hypervisors(request, detail=True)

    def _list_hypervisors(self, request: web.Request,
                          detail: bool) -> web.Response:
        hosts = list(self.state.hosts.values())
        pattern = None
        if request.version >= (2, 53):
            pattern = request.arg('hypervisor_hostname_pattern')
        if pattern is not None:
            if {'limit', 'marker'} & set(request.query):
                raise web.HTTPError(
                    400, 'Paging over hypervisors with the '
                         'hypervisor_hostname_pattern query parameter is '
                         'not supported.')
            hosts = [h for h in hosts if pattern in h.hypervisor_hostname]
            if not hosts:
                raise web.HTTPError(
                    404, "No hypervisor matching '%s' could be found."
                    % pattern)
        servers = (request.version >= (2, 53)
                   and request.flag('with_servers'))
        return self._paged(
            request, 'hypervisors', hosts,
            lambda h: self.views.hypervisor_id(h, request.version),
            lambda h: self.views.hypervisor(h, request.version, detail,
                                            servers),
            paged=request.version >= (2, 33) and pattern is None)

    def _hypervisor(self, request: web.Request,
                    ident: str) -> cloud_state.Host:
        if request.version >= (2, 53) and not uuidutils.is_uuid_like(ident):
            raise web.HTTPError(400, 'Invalid uuid %s' % ident)
        for host in self.state.hosts.values():
            if str(self.views.hypervisor_id(host,
                                            request.version)) == ident:
                return host
        raise web.HTTPError(
            404, "Hypervisor with ID '%s' could not be found." % ident)

    @web.route('GET', '/v2.1/os-hypervisors/statistics', until=(2, 87),
               admin='os_compute_api:os-hypervisors:statistics')
    @openstack.locked
    def show_statistics(self, request: web.Request) -> web.Response:
        totals: dict[str, int] = {}
        for host in self.state.hosts.values():
            for name, value in self.views._capacity(host, (2, 1)).items():
                if isinstance(value, int):
                    totals[name] = totals.get(name, 0) + value
        totals['count'] = len(self.state.hosts)
        return web.json_response({'hypervisor_statistics': totals})

    @web.route('GET', '/v2.1/os-hypervisors/{ident}',
               admin='os_compute_api:os-hypervisors:show')
    @openstack.locked
    def show_hypervisor(self, request: web.Request,
                        ident: str) -> web.Response:
        host = self._hypervisor(request, ident)
        servers = (request.version >= (2, 53)
                   and request.flag('with_servers'))
        body = self.views.hypervisor(host, request.version, True, servers)
        return web.Response(200, b'{"hypervisor":' + body + b'}')

    @web.route('GET', '/v2.1/os-hypervisors/{ident}/uptime',
               until=(2, 87), admin='os_compute_api:os-hypervisors:uptime')
    @openstack.locked
    def show_uptime(self, request: web.Request, ident: str) -> web.Response:
        host = self._hypervisor(request, ident)
        view = {'id': self.views.hypervisor_id(host, request.version),
                'hypervisor_hostname': host.hypervisor_hostname,
                'state': 'up' if host.is_up else 'down',
                'status': host.status, 'uptime': None}
        return web.json_response({'hypervisor': view})

    # Services.

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

    @web.route('GET', '/v2.1/os-services',
               admin='os_compute_api:os-services:list')
    @openstack.locked
    def list_services(self, request: web.Request) -> web.Response:
        host, binary = request.arg('host'), request.arg('binary')
        views: list[dict[str, Any]] = []
        if binary in (None, 'nova-compute'):
            hosts = self.state.hosts
            chosen = hosts.values() if host is None \
                else [hosts[host]] if host in hosts else []
            views += [self.views.service(h, request.version)
                      for h in chosen]
        views += [v for v in self._control_services(request.version)
                  if host in (None, v['host'])
                  and binary in (None, v['binary'])]
        return web.json_response({'services': views})

    @web.route('PUT', '/v2.1/os-services/{ident}', since=(2, 53),
               admin='os_compute_api:os-services:update')
    @openstack.locked
    def update_service(self, request: web.Request,
                       ident: str) -> web.Response:
        given = request.body
        validate(given, SERVICE_SCHEMA, 'service')
        if not uuidutils.is_uuid_like(ident):
            raise web.HTTPError(400, 'Invalid uuid %s' % ident)
        host = self.state.host_by_service(ident)
        if host is None:
            self._refuse_control_service(request, ident)
        status = given.get('status')
        reason = given.get('disabled_reason')
        if status is None and 'forced_down' not in given:
            raise web.HTTPError(
                400, "No updates were requested. Fields 'status' or "
                     "'forced_down' should be specified.")
        if reason is not None and status != 'disabled':
            raise web.HTTPError(
                400, "Specifying 'disabled_reason' with status 'enabled' "
                     "is invalid.")
        self.compute.set_service(host, status, reason,
                                 given.get('forced_down'))
        return web.json_response(
            {'service': self.views.service(host, request.version)})

    def _refuse_control_service(self, request: web.Request,
                                ident: str) -> None:
        for view in self._control_services(request.version):
            if view['id'] == ident:
                raise web.HTTPError(
                    400, 'Updating a %s service is not supported. Only '
                         'nova-compute services can be updated.'
                    % view['binary'])
        raise web.HTTPError(404, 'Service %s could not be found.' % ident)

    @web.route('PUT', '/v2.1/os-services/{change}', until=(2, 52),
               admin='os_compute_api:os-services:update')
    @openstack.locked
    def change_service(self, request: web.Request,
                       change: str) -> web.Response:
        """The older form: enable, disable, disable-log-reason, ..."""
        given = request.body
        host = self.state.hosts.get(given.get('host', ''))
        if host is None or given.get('binary') != 'nova-compute':
            raise web.HTTPError(
                404, 'Could not find binary %s on host %s.'
                % (given.get('binary'), given.get('host')))
        view = {'host': host.name, 'binary': 'nova-compute'}
        if change == 'enable':
            self.compute.set_service(host, 'enabled')
        elif change in ('disable', 'disable-log-reason'):
            self.compute.set_service(host, 'disabled',
                                     given.get('disabled_reason'))
            if change == 'disable-log-reason':
                view['disabled_reason'] = host.disabled_reason or ''
        elif change == 'force-down' and request.version >= (2, 11):
            self.compute.set_service(
                host, forced_down=bool(given.get('forced_down')))
            return web.json_response({'service': dict(
                view, forced_down=host.forced_down)})
        else:
            raise self.not_found(request)
        return web.json_response(
            {'service': dict(view, status=host.status)})

    # Aggregates and zones.

    def _aggregate(self, ident: str) -> cloud_state.Aggregate:
        aggregate = self.state.aggregates.get(
            int(ident) if ident.isdigit() else -1)
        if aggregate is None:
            raise web.HTTPError(
                404, 'Aggregate %s could not be found.' % ident)
        return aggregate

    def _show_aggregate(self, request: web.Request,
                        aggregate: cloud_state.Aggregate) -> web.Response:
        return web.json_response({'aggregate': self.views.aggregate(
            aggregate, request.version)})

    @web.route('GET', '/v2.1/os-aggregates',
               admin='os_compute_api:os-aggregates:index')
    @openstack.locked
    def list_aggregates(self, request: web.Request) -> web.Response:
        return web.json_response({'aggregates': [
            self.views.aggregate(a, request.version)
            for a in self.state.aggregates.values()]})

    @web.route('GET', '/v2.1/os-aggregates/{ident}',
               admin='os_compute_api:os-aggregates:show')
    @openstack.locked
    def show_aggregate(self, request: web.Request,
                       ident: str) -> web.Response:
        return self._show_aggregate(request, self._aggregate(ident))

    @web.route('POST', '/v2.1/os-aggregates',
               admin='os_compute_api:os-aggregates:create')
    @openstack.locked
    def create_aggregate(self, request: web.Request) -> web.Response:
        given = request.body.get('aggregate') or {}
        validate(given, {'required': ['name']}, 'aggregate')
        names = {a.name for a in self.state.aggregates.values()}
        if given['name'] in names:
            raise web.HTTPError(
                409, 'Aggregate %s already exists.' % given['name'])
        zone = given.get('availability_zone')
        aggregate = cloud_state.Aggregate(
            id=next(self.state.sequence), uuid=str(uuid.uuid4()),
            name=given['name'], created=cloud_state.utcnow(),
            metadata={'availability_zone': zone} if zone else {})
        self.state.aggregates[aggregate.id] = aggregate
        self.state.emit('aggregate.create.end', aggregate)
        return self._show_aggregate(request, aggregate)

    @web.route('DELETE', '/v2.1/os-aggregates/{ident}',
               admin='os_compute_api:os-aggregates:delete')
    @openstack.locked
    def delete_aggregate(self, request: web.Request,
                         ident: str) -> web.Response:
        aggregate = self._aggregate(ident)
        if aggregate.hosts:
            raise web.HTTPError(
                400, 'Cannot remove host from aggregate %s. Reason: Host '
                     'aggregate is not empty.' % ident)
        del self.state.aggregates[aggregate.id]
        self.state.emit('aggregate.delete.end', aggregate)
        return web.Response(200)

    @web.route('POST', '/v2.1/os-aggregates/{ident}/action',
               admin='os_compute_api:os-aggregates:add_host')
    @openstack.locked
    def change_aggregate(self, request: web.Request,
                         ident: str) -> web.Response:
        aggregate = self._aggregate(ident)
        (name, value), = request.body.items() or [('', {})]
        if name == 'set_metadata':
            for key, text in (value.get('metadata') or {}).items():
                if text is None:
                    aggregate.metadata.pop(key, None)
                else:
                    aggregate.metadata[key] = text
        elif name in ('add_host', 'remove_host'):
            self._change_hosts(aggregate, name, value.get('host'))
        else:
            raise web.HTTPError(400, 'There is no such action: %s' % name)
        aggregate.updated = cloud_state.utcnow()
        self.state.place_in_zones()
        self.state.emit('aggregate.%s.end' % AGGREGATE_EVENTS[name],
                        aggregate)
        return self._show_aggregate(request, aggregate)

    def _change_hosts(self, aggregate: cloud_state.Aggregate, name: str,
                      host: str) -> None:
        if host not in self.state.hosts:
            raise web.HTTPError(
                404, 'Compute host %s could not be found.' % host)
        is_member = host in aggregate.hosts
        if name == 'add_host':
            if is_member:
                raise web.HTTPError(
                    409, 'Aggregate %d already has host %s.'
                    % (aggregate.id, host))
            aggregate.hosts.append(host)
            return
        if not is_member:
            raise web.HTTPError(404, 'Aggregate %d has no host %s.'
                                % (aggregate.id, host))
        aggregate.hosts.remove(host)

    def _zones(self) -> dict[str, list[cloud_state.Host]]:
        zones: dict[str, list[cloud_state.Host]] = {}
        for host in self.state.hosts.values():
            zones.setdefault(host.zone, []).append(host)
        return zones

    @web.route('GET', '/v2.1/os-availability-zone')
    @openstack.locked
    def list_zones(self, request: web.Request) -> web.Response:
        return web.json_response({'availabilityZoneInfo': [
            {'zoneName': name, 'hosts': None,
             'zoneState': {'available': any(
                 h.status == 'enabled' for h in hosts)}}
            for name, hosts in self._zones().items()]})

    @web.route('GET', '/v2.1/os-availability-zone/detail',
               admin='os_compute_api:os-availability-zone:detail')
    @openstack.locked
    def list_zones_detail(self, request: web.Request) -> web.Response:
        now = nova_views.micro(cloud_state.utcnow())
        zones = [
            {'zoneName': name,
             'zoneState': {'available': any(
                 h.status == 'enabled' for h in hosts)},
             'hosts': {h.name: {'nova-compute': {
                 'available': h.is_up, 'active': h.status == 'enabled',
                 'updated_at': now}} for h in hosts}}
            for name, hosts in self._zones().items()]
        control = {v['binary']: {'available': True, 'active': True,
                                 'updated_at': now}
                   for v in self._control_services(request.version)}
        zones.append({'zoneName': 'internal',
                      'zoneState': {'available': True},
                      'hosts': {'controller': control}})
        return web.json_response({'availabilityZoneInfo': zones})

    # Server groups.

    @web.route('GET', '/v2.1/os-server-groups')
    @openstack.locked
    def list_groups(self, request: web.Request) -> web.Response:
        identity = request.identity
        every = identity.is_admin and 'all_projects' in request.query
        found = [g for g in self.state.groups.values()
                 if every or g.project_id == identity.project_id]
        return web.json_response({'server_groups': [
            self.views.group(g, request.version) for g in found]})

    def _group(self, request: web.Request,
               ident: str) -> cloud_state.ServerGroup:
        group = self.state.groups.get(ident)
        identity = request.identity
        if group is None or not (
                identity.is_admin
                or group.project_id == identity.project_id):
            raise web.HTTPError(
                404, 'Instance group %s could not be found.' % ident)
        return group

    @web.route('GET', '/v2.1/os-server-groups/{ident}')
    @openstack.locked
    def show_group(self, request: web.Request, ident: str) -> web.Response:
        group = self._group(request, ident)
        return web.json_response(
            {'server_group': self.views.group(group, request.version)})

    @web.route('POST', '/v2.1/os-server-groups')
    @openstack.locked
    def create_group(self, request: web.Request) -> web.Response:
        given = request.body.get('server_group') or {}
        policy = given.get('policy') or (given.get('policies') or [''])[0]
        group = cloud_state.ServerGroup(
            id=str(uuid.uuid4()), name=given.get('name', ''),
            policy=policy, project_id=request.identity.project_id,
            user_id=request.identity.user_id,
            rules=given.get('rules') or {})
        self.state.groups[group.id] = group
        return web.json_response(
            {'server_group': self.views.group(group, request.version)})

    @web.route('DELETE', '/v2.1/os-server-groups/{ident}')
    @openstack.locked
    def delete_group(self, request: web.Request,
                     ident: str) -> web.Response:
        del self.state.groups[self._group(request, ident).id]
        return web.Response(204)
