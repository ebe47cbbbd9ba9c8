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
"""Actions of servers, and migrations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from watcher.sandbox.cloud import nova_base
from watcher.sandbox.cloud import nova_history
from watcher.sandbox.cloud import openstack
from watcher.sandbox.cloud import state as cloud_state
from watcher.sandbox.cloud import web

_HOST = {'type': ['string', 'null'], 'minLength': 1, 'maxLength': 255}
_BOOL = nova_base.BOOL


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


class ServerActions(nova_history.InstanceActions):
    """``/servers/{id}/action`` and migrations."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        compute = self.compute
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
            nova_base.validate(value, schemas[-1], name)
        server = self._server(request, ident)
        if name != 'unlock':
            self._check_lock(request, server)
        self.note_action(request, server, name)
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

    @web.route('POST', '/v2.1/servers/{ident}/migrations/{number}/action',
               since=(2, 22),
               admin='os_compute_api:servers:migrations:force_complete')
    @openstack.locked
    def force_migration(self, request: web.Request, ident: str,
                        number: str) -> web.Response:
        server = self._server(request, ident)
        if list(request.body) != ['force_complete']:
            raise web.HTTPError(400, 'There is no such action: %s'
                                % ', '.join(request.body))
        self.compute.force_live(
            server, self._server_migration(server, number))
        return web.Response(202)

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
