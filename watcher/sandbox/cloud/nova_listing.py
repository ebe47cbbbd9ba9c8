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
"""Listing servers: filters, order and pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any

from watcher.sandbox.cloud import nova_base
from watcher.sandbox.cloud import nova_views
from watcher.sandbox.cloud import openstack
from watcher.sandbox.cloud import state as cloud_state
from watcher.sandbox.cloud import web

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


class ServerListing(nova_base.NovaBase):
    """``GET /servers`` and ``GET /servers/detail``."""

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
