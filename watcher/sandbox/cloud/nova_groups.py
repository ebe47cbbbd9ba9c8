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
"""Flavors, aggregates, zones and server groups."""

from __future__ import annotations

import uuid

from watcher.sandbox.cloud import nova_base
from watcher.sandbox.cloud import nova_views
from watcher.sandbox.cloud import openstack
from watcher.sandbox.cloud import state as cloud_state
from watcher.sandbox.cloud import web

AGGREGATE_EVENTS = {'set_metadata': 'update_metadata',
                    'add_host': 'add_host', 'remove_host': 'remove_host'}

#: Filters of a server list that compare one attribute of the server.


class Flavors(nova_base.NovaBase):
    """``/flavors``."""

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
        nova_base.validate(
            given, {'required': ['name', 'ram', 'vcpus', 'disk']}, 'flavor')
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


class Aggregates(nova_base.NovaBase):
    """``/os-aggregates`` and ``/os-availability-zone``."""

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
        nova_base.validate(given, {'required': ['name']}, 'aggregate')
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


class ServerGroups(nova_base.NovaBase):
    """``/os-server-groups``."""

    @web.route('GET', '/v2.1/os-server-groups')
    @openstack.locked
    def list_groups(self, request: web.Request) -> web.Response:
        identity = request.identity
        every = identity.is_admin and 'all_projects' in request.query
        found = [g for g in self.state.groups.values()
                 if every or g.project_id == identity.project_id]
        offset = int(request.arg('offset') or 0)
        limit = self._limit(request)
        found = found[offset:offset + limit]
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
        self.state.emit('server_group.create', group)
        return web.json_response(
            {'server_group': self.views.group(group, request.version)})

    @web.route('DELETE', '/v2.1/os-server-groups/{ident}')
    @openstack.locked
    def delete_group(self, request: web.Request,
                     ident: str) -> web.Response:
        group = self._group(request, ident)
        del self.state.groups[group.id]
        self.state.emit('server_group.delete', group)
        return web.Response(204)
