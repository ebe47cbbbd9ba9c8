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
"""Placement: one resource provider for each compute host."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from watcher.sandbox.cloud import openstack
from watcher.sandbox.cloud import state as cloud_state
from watcher.sandbox.cloud import web

RESOURCE_CLASSES = (cloud_state.VCPU, cloud_state.MEMORY_MB,
                    cloud_state.DISK_GB, cloud_state.PCPU, 'VGPU')
TRAITS = ('COMPUTE_NODE', 'COMPUTE_VOLUME_ATTACH', 'HW_CPU_X86_SSE2')

Provider = cloud_state.Host | cloud_state.Part


class Placement(openstack.Versioned):

    type = 'placement'
    name = 'placement'
    prefix = '/placement'
    LOWEST, HIGHEST = (1, 0), (1, 39)
    VERSION_TYPE = 'placement'
    FORBIDDEN = 'Policy does not allow %s to be performed.'
    UNSUPPORTED = 'Unacceptable version header: %(asked)s'

    def is_admin(self, identity: Any) -> bool:
        return bool(identity.roles & {'admin', 'service'})

    def error(self, request: web.Request,
              error: web.HTTPError) -> web.Response:
        title = HTTPStatus(error.status).phrase
        if error.status == 401:
            return web.json_response({'error': {
                'code': 401, 'title': title, 'message': error.message}},
                401)
        entry: dict[str, Any] = {
            'status': error.status, 'title': title,
            'detail': error.message, 'request_id': request.id}
        if error.status == 406:
            entry.update(min_version=openstack.version_text(self.LOWEST),
                         max_version=openstack.version_text(self.HIGHEST))
        if request.version >= (1, 23):
            entry['code'] = 'placement.undefined_code'
        return web.json_response({'errors': [entry]}, error.status)

    @web.route('GET', '/', public=True)
    def versions(self, request: web.Request) -> web.Response:
        return web.json_response({'versions': [self._described(
            'v1.0', links=[{'rel': 'self', 'href': ''}])]})

    def _provider(self, uuid: str) -> Provider:
        host = self.state.provider(uuid)
        if host is None:
            raise web.HTTPError(
                404, 'The resource could not be found.\n\n No resource '
                     'provider with uuid %s found  ' % uuid)
        return host

    def _providers(self) -> list[Provider]:
        """Everything that offers resources: hosts, and parts."""
        return [*self.state.hosts.values(), *self.state.parts.values()]

    @staticmethod
    def _root(provider: Provider) -> Provider:
        return getattr(provider, 'host', None) or provider

    @staticmethod
    def _name(provider: Provider) -> str:
        return getattr(provider, 'hypervisor_hostname', provider.name)

    @staticmethod
    def _traits_of(provider: Provider) -> list[str]:
        common = TRAITS if isinstance(provider, cloud_state.Host) else ()
        return [*common, *sorted(provider.traits)]

    def _aggregates_of(self, provider: Provider) -> list[str]:
        if isinstance(provider, cloud_state.Part):
            return sorted(provider.aggregates)
        return [a.uuid for a in self.state.aggregates.values()
                if provider.name in a.hosts]

    def _view(self, host: Provider,
              version: web.Version) -> dict[str, Any]:
        url = '/placement/resource_providers/' + host.uuid
        names = ['inventories', 'usages']
        names += ['aggregates'] if version >= (1, 1) else []
        names += ['traits'] if version >= (1, 6) else []
        names += ['allocations'] if version >= (1, 11) else []
        links = [{'rel': 'self', 'href': url}]
        links += [{'rel': name, 'href': '%s/%s' % (url, name)}
                  for name in names]
        view = {'uuid': host.uuid, 'name': self._name(host),
                'generation': host.generation, 'links': links}
        if version >= (1, 14):
            root = self._root(host)
            view['root_provider_uuid'] = root.uuid
            view['parent_provider_uuid'] = (
                None if root is host else root.uuid)
        return view

    @web.route('GET', '/resource_providers',
               admin='placement:resource_providers:list')
    def list_providers(self, request: web.Request) -> web.Response:
        with self.state.lock:
            name, uuid = request.arg('name'), request.arg('uuid')
            tree = request.arg('in_tree')
            wanted = self._resources(request.arg('resources'))
            required = self._traits(request)
            member_of = self._member_of(request)
            found = [p for p in self._providers()
                     if name in (None, self._name(p))
                     and uuid in (None, p.uuid)
                     and tree in (None, p.uuid, self._root(p).uuid)
                     and all(p.free(resource) >= amount
                             for resource, amount in wanted.items())
                     and required <= set(self._traits_of(p))
                     and (member_of is None or not member_of.isdisjoint(
                         self._aggregates_of(p)))]
            return web.json_response({'resource_providers': [
                self._view(p, request.version) for p in found]})

    @staticmethod
    def _member_of(request: web.Request) -> set[str] | None:
        text = request.arg('member_of')
        if text is None:
            return None
        return set(text.removeprefix('in:').split(','))

    @web.route('GET', '/allocation_candidates', since=(1, 10),
               admin='placement:allocation_candidates:list')
    def list_candidates(self, request: web.Request) -> web.Response:
        """Answer requests for one resource class."""
        if request.version < (1, 29):
            raise web.HTTPError(400, 'Only 1.29 and later are simulated.')
        with self.state.lock:
            wanted = self._resources(request.arg('resources'))
            if len(wanted) != 1:
                raise web.HTTPError(
                    400, 'Only one resource class is simulated.')
            (name, amount), = wanted.items()
            if name not in self._known_classes():
                raise web.HTTPError(
                    400, 'Invalid resource class in resources parameter: '
                         'No such resource class %s.' % name)
            givers = [p for p in self._providers()
                      if name in p.inventory and p.free(name) >= amount]
            trees = {self._root(p).uuid for p in givers}
            return web.json_response({
                'allocation_requests': [
                    {'allocations': {p.uuid: {'resources': {name: amount}}}}
                    for p in givers],
                'provider_summaries': {
                    p.uuid: self._summary(p) for p in self._providers()
                    if self._root(p).uuid in trees}})

    def _summary(self, provider: Provider) -> dict[str, Any]:
        root = self._root(provider)
        return {
            'resources': {
                name: {'capacity': int(inventory.capacity),
                       'used': provider.used.get(name, 0)}
                for name, inventory in provider.inventory.items()},
            'traits': self._traits_of(provider),
            'parent_provider_uuid':
                None if root is provider else root.uuid,
            'root_provider_uuid': root.uuid}

    def _known_classes(self) -> list[str]:
        return sorted({*RESOURCE_CLASSES}.union(
            *(provider.inventory for provider in self._providers())))

    def _traits(self, request: web.Request) -> set[str]:
        required = set((request.arg('required') or '').split(',')) - {''}
        known = {*TRAITS, 'COMPUTE_STATUS_DISABLED'}.union(
            *(provider.traits for provider in self._providers()))
        if request.version < (1, 18) and required:
            raise web.HTTPError(400, 'Invalid query string parameters: '
                                     "'required' was unexpected")
        if required - known:
            raise web.HTTPError(400, 'No such trait(s): %s.'
                                % ', '.join(sorted(required - known)))
        return required

    @staticmethod
    def _resources(text: str | None) -> dict[str, int]:
        """Parse ``VCPU:4,DISK_GB:64``."""
        amounts = {}
        for part in (text or '').split(','):
            name, _, amount = part.partition(':')
            if not part:
                continue
            if not amount.isdigit():
                raise web.HTTPError(
                    400, 'Badly formed resources parameter. Expected '
                         'resources query string parameter in form: '
                         '?resources=VCPU:2,MEMORY_MB:1024. Got: %s.'
                    % text)
            amounts[name] = int(amount)
        return amounts

    @web.route('GET', '/resource_providers/{uuid}',
               admin='placement:resource_providers:show')
    def show_provider(self, request: web.Request,
                      uuid: str) -> web.Response:
        with self.state.lock:
            return web.json_response(
                self._view(self._provider(uuid), request.version))

    @staticmethod
    def _inventory(inventory: cloud_state.Inventory) -> dict[str, Any]:
        return {'total': inventory.total, 'reserved': inventory.reserved,
                'min_unit': inventory.min_unit,
                'max_unit': inventory.max_unit,
                'step_size': inventory.step_size,
                'allocation_ratio': inventory.allocation_ratio}

    @web.route('GET', '/resource_providers/{uuid}/inventories',
               admin='placement:resource_providers:inventories:list')
    def list_inventories(self, request: web.Request,
                         uuid: str) -> web.Response:
        with self.state.lock:
            host = self._provider(uuid)
            return web.json_response({
                'resource_provider_generation': host.generation,
                'inventories': {name: self._inventory(inventory)
                                for name, inventory
                                in host.inventory.items()}})

    @web.route('GET', '/resource_providers/{uuid}/inventories/{name}',
               admin='placement:resource_providers:inventories:show')
    def show_inventory(self, request: web.Request, uuid: str,
                       name: str) -> web.Response:
        with self.state.lock:
            host = self._provider(uuid)
            if name not in host.inventory:
                raise web.HTTPError(
                    404, 'No inventory of class %s for %s' % (name, uuid))
            return web.json_response(
                dict(self._inventory(host.inventory[name]),
                     resource_provider_generation=host.generation))

    @web.route('GET', '/resource_providers/{uuid}/usages',
               admin='placement:resource_providers:usages')
    def show_usages(self, request: web.Request, uuid: str) -> web.Response:
        with self.state.lock:
            host = self._provider(uuid)
            return web.json_response({
                'resource_provider_generation': host.generation,
                'usages': {name: host.used.get(name, 0)
                           for name in host.inventory}})

    def _consumers(self) -> list[Any]:
        """Everything that may hold allocations: servers, migrations."""
        return [*self.state.servers.values(),
                *self.state.migrations.values()]

    @web.route('GET', '/resource_providers/{uuid}/allocations',
               admin='placement:resource_providers:allocations:list')
    def list_allocations(self, request: web.Request,
                         uuid: str) -> web.Response:
        with self.state.lock:
            host = self._provider(uuid)
            held = {c.uuid: {'resources': c.allocations[host.name]}
                    for c in self._consumers()
                    if host.name in c.allocations}
            return web.json_response({
                'resource_provider_generation': host.generation,
                'allocations': held})

    @web.route('GET', '/resource_providers/{uuid}/traits', since=(1, 6),
               admin='placement:resource_providers:traits:list')
    def list_provider_traits(self, request: web.Request,
                             uuid: str) -> web.Response:
        with self.state.lock:
            host = self._provider(uuid)
            traits = self._traits_of(host)
            if getattr(host, 'status', None) == 'disabled':
                traits.append('COMPUTE_STATUS_DISABLED')
            return web.json_response({
                'traits': traits,
                'resource_provider_generation': host.generation})

    @web.route('GET', '/resource_providers/{uuid}/aggregates',
               since=(1, 1),
               admin='placement:resource_providers:aggregates:list')
    def list_provider_aggregates(self, request: web.Request,
                                 uuid: str) -> web.Response:
        with self.state.lock:
            host = self._provider(uuid)
            view: dict[str, Any] = {
                'aggregates': self._aggregates_of(host)}
            if request.version >= (1, 19):
                view['resource_provider_generation'] = host.generation
            return web.json_response(view)

    # Consumers, classes and traits.

    @web.route('GET', '/allocations/{uuid}',
               admin='placement:allocations:list')
    def show_allocations(self, request: web.Request,
                         uuid: str) -> web.Response:
        with self.state.lock:
            consumer = self.state.servers.get(uuid) or next(
                (m for m in self.state.migrations.values()
                 if m.uuid == uuid), None)
            held = consumer.allocations if consumer else {}
            givers = {**self.state.hosts, **self.state.parts}
            view: dict[str, Any] = {'allocations': {
                givers[name].uuid: {
                    'resources': amounts,
                    'generation': givers[name].generation}
                for name, amounts in held.items()}}
            if held and request.version >= (1, 12):
                view.update(project_id=consumer.project_id,
                            user_id=consumer.user_id)
            if held and request.version >= (1, 28):
                view['consumer_generation'] = 1
            if held and request.version >= (1, 38):
                view['consumer_type'] = 'INSTANCE'
            return web.json_response(view)

    @web.route('GET', '/resource_classes', since=(1, 2),
               admin='placement:resource_classes:list')
    def list_classes(self, request: web.Request) -> web.Response:
        return web.json_response({'resource_classes': [
            {'name': name, 'links': [
                {'rel': 'self',
                 'href': '/placement/resource_classes/' + name}]}
            for name in self._known_classes()]})

    @web.route('GET', '/traits', since=(1, 6),
               admin='placement:traits:list')
    def list_traits(self, request: web.Request) -> web.Response:
        return web.json_response(
            {'traits': [*TRAITS, 'COMPUTE_STATUS_DISABLED']})
