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
"""Hypervisors and services of the simulated Nova."""

from __future__ import annotations

from typing import Any

from oslo_utils import uuidutils

from watcher.sandbox.cloud import nova_base
from watcher.sandbox.cloud import openstack
from watcher.sandbox.cloud import state as cloud_state
from watcher.sandbox.cloud import web

SERVICE_SCHEMA = {
    'type': 'object', 'additionalProperties': False,
    'properties': {'status': {'enum': ['enabled', 'disabled']},
                   'disabled_reason': {'type': 'string', 'minLength': 1,
                                       'maxLength': 255},
                   'forced_down': nova_base.BOOL}}

#: What the changes of an aggregate are called in notifications.


class Hosts(nova_base.NovaBase):
    """``/os-hypervisors`` and ``/os-services``."""

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
        nova_base.validate(given, SERVICE_SCHEMA, 'service')
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
