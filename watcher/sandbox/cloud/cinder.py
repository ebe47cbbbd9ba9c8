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
"""Cinder: the block storage API with microversions 3.0 to 3.71."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from watcher.sandbox.cloud import keystone
from watcher.sandbox.cloud import openstack
from watcher.sandbox.cloud import volumes as cloud_volumes
from watcher.sandbox.cloud import web

MAX_LIMIT = 1000

FILTERS: dict[str, Callable[[cloud_volumes.Volume], Any]] = {
    'name': lambda v: v.name,
    'status': lambda v: v.status,
    'host': lambda v: v.pool.name if v.pool else None,
    'project_id': lambda v: v.project_id,
    'migration_status': lambda v: v.migration_status,
}


class Cinder(openstack.Versioned):

    type = 'block-storage'
    name = 'cinder'
    prefix = '/volume'
    endpoint_path = '/v3'
    LOWEST, HIGHEST = (3, 0), (3, 71)
    VERSION_TYPE = 'volume'

    def __init__(self, storage: cloud_volumes.BlockStorage,
                 identity: keystone.Keystone, base_url: str) -> None:
        super().__init__(storage.state, identity)
        self.storage = storage
        self._url = base_url + self.prefix + self.endpoint_path
        self._actions: dict[str, Callable] = {
            'os-migrate_volume': self._migrate,
            'os-retype': self._retype,
            'os-extend': self._extend,
            'os-attach': self._attach,
            'os-detach': self._detach,
            'os-reset_status': self._reset_status}

    # Versions.

    def _versions(self) -> dict[str, Any]:
        return {'versions': [self._described(
            'v3.0', **{'media-types': []}, updated='2023-08-31T00:00:00Z',
            links=[{'rel': 'self', 'href': self._url + '/'}])]}

    @web.route('GET', '/', public=True)
    def versions(self, request: web.Request) -> web.Response:
        return web.json_response(self._versions(), 300)

    @web.route('GET', '/v3', public=True)
    def version(self, request: web.Request) -> web.Response:
        return web.json_response(self._versions())

    # Services, pools and types.

    @web.route('GET', '/v3/os-services', admin='volume_extension:services')
    @openstack.locked
    def list_services(self, request: web.Request) -> web.Response:
        host, binary = request.arg('host'), request.arg('binary')
        services = [
            {'binary': 'cinder-volume', 'host': backend.host,
             'zone': backend.zone, 'status': backend.status,
             'state': backend.state, 'updated_at': None,
             'disabled_reason': backend.disabled_reason}
            for backend in self.storage.backends.values()
            # A host without its backend names all of them.
            if host in (None, backend.host, backend.host.split('@')[0])]
        if binary not in (None, 'cinder-volume'):
            services = []
        return web.json_response({'services': services})

    @web.route('GET', '/v3/scheduler-stats/get_pools',
               admin='scheduler_extension:scheduler_stats:get_pools')
    @openstack.locked
    def list_pools(self, request: web.Request) -> web.Response:
        detail = request.flag('detail')
        wanted = request.arg('name') if request.version >= (3, 28) else None
        pools = []
        for pool in self.storage.pools.values():
            if pool.backend.state != 'up' or wanted not in (
                    None, pool.name):
                continue
            view: dict[str, Any] = {'name': pool.name}
            if detail:
                view['capabilities'] = pool.capabilities()
            pools.append(view)
        return web.json_response({'pools': pools})

    def _type_view(self, kind: cloud_volumes.VolumeType) -> dict[str, Any]:
        return {'id': kind.id, 'name': kind.name, 'description': None,
                'is_public': kind.is_public,
                'os-volume-type-access:is_public': kind.is_public,
                'extra_specs': kind.extra_specs, 'qos_specs_id': None}

    @web.route('GET', '/v3/types')
    @openstack.locked
    def list_types(self, request: web.Request) -> web.Response:
        # Without the argument administrators see public types only, too.
        everything = (request.identity.is_admin and (
            request.arg('is_public') or '').lower() == 'none')
        types = [kind for kind in self.storage.types.values()
                 if everything or kind.is_public]
        return self._page(request, types, 'volume_types',
                          'volume_type_links', self._type_view)

    @web.route('GET', '/v3/types/{ident}')
    @openstack.locked
    def show_type(self, request: web.Request, ident: str) -> web.Response:
        kind = self.storage.types.get(ident)
        if kind is None:
            raise web.HTTPError(
                404, 'Volume type %s could not be found.' % ident)
        return web.json_response({'volume_type': self._type_view(kind)})

    # Volumes.

    def _view(self, volume: cloud_volumes.Volume,
              admin: bool) -> dict[str, Any]:
        view = {
            'id': volume.id, 'name': volume.name, 'size': volume.size,
            'status': volume.status, 'volume_type': volume.type.name,
            'description': None, 'attachments': volume.attachments,
            'metadata': volume.metadata, 'multiattach': volume.multiattach,
            'bootable': str(volume.bootable).lower(), 'encrypted': False,
            'snapshot_id': volume.snapshot_id, 'source_volid': None,
            'availability_zone': volume.pool.backend.zone if volume.pool
            else 'nova', 'user_id': volume.user_id, 'links': [],
            'created_at': volume.created.strftime('%Y-%m-%dT%H:%M:%S.%f'),
            'updated_at': volume.updated.strftime('%Y-%m-%dT%H:%M:%S.%f'),
            'os-vol-tenant-attr:tenant_id': volume.project_id}
        if admin:
            view['os-vol-host-attr:host'] = (
                volume.pool.name if volume.pool else None)
            view['os-vol-mig-status-attr:migstat'] = volume.migration_status
            view['os-vol-mig-status-attr:name_id'] = volume.name_id
            view['migration_status'] = volume.migration_status
        return view

    def _visible(self, request: web.Request,
                 volume: cloud_volumes.Volume) -> bool:
        identity = request.identity
        return identity.is_admin or identity.project_id == volume.project_id

    @web.route('GET', '/v3/volumes/detail')
    @openstack.locked
    def list_volumes(self, request: web.Request) -> web.Response:
        admin = request.identity.is_admin
        found = list(self.storage.volumes.values())
        if not (admin and request.flag('all_tenants')):
            found = [v for v in found
                     if v.project_id == request.identity.project_id]
        for name, value_of in FILTERS.items():
            wanted = request.arg(name)
            if wanted is not None:
                found = [v for v in found if value_of(v) == wanted]
        found.sort(key=lambda v: (v.created, v.number), reverse=True)
        return self._page(request, found, 'volumes', 'volumes_links',
                          lambda volume: self._view(volume, admin))

    @web.route('GET', '/v3/volumes')
    @openstack.locked
    def list_volumes_briefly(self, request: web.Request) -> web.Response:
        return self.list_volumes(request)

    @web.route('GET', '/v3/snapshots/detail')
    @openstack.locked
    def list_snapshots(self, request: web.Request) -> web.Response:
        found = [
            snapshot for snapshot in self.storage.snapshots.values()
            if self._visible(request, self.storage.volumes[
                snapshot.volume_id])]
        return self._page(
            request, found, 'snapshots', 'snapshots_links',
            lambda snapshot: {'id': snapshot.id, 'status': 'available',
                              'volume_id': snapshot.volume_id})

    def _page(self, request: web.Request, found: list, key: str,
              links: str, view: Callable) -> web.Response:
        marker, wanted = request.arg('marker'), request.arg('limit')
        if marker is not None:
            positions = {one.id: number
                         for number, one in enumerate(found, 1)}
            if marker not in positions:
                raise web.HTTPError(
                    400, 'Invalid input received: marker %s not found'
                    % marker)
            found = found[positions[marker]:]
        if wanted is not None and not wanted.isdigit():
            raise web.HTTPError(400, 'limit param must be an integer')
        limit = min(int(wanted or MAX_LIMIT), MAX_LIMIT)
        body: dict[str, Any] = {key: [view(one) for one in found[:limit]]}
        if len(found) >= limit > 0:
            # The real one also offers a page behind a last full one.
            body[links] = [{'rel': 'next', 'href': request.page_url(
                request.base_url + request.path,
                marker=found[limit - 1].id)}]
        return web.json_response(body)

    def _volume(self, request: web.Request,
                ident: str) -> cloud_volumes.Volume:
        volume = self.storage.volumes.get(ident)
        if volume is None or not self._visible(request, volume):
            raise web.HTTPError(
                404, 'Volume %s could not be found.' % ident)
        return volume

    @web.route('GET', '/v3/volumes/{ident}')
    @openstack.locked
    def show_volume(self, request: web.Request, ident: str) -> web.Response:
        volume = self._volume(request, ident)
        return web.json_response({'volume': self._view(
            volume, request.identity.is_admin)})

    @web.route('POST', '/v3/volumes')
    @openstack.locked
    def create_volume(self, request: web.Request) -> web.Response:
        wanted = request.body.get('volume')
        if not isinstance(wanted, dict) or not isinstance(
                wanted.get('size'), int) or wanted['size'] < 1:
            raise web.HTTPError(
                400, 'Invalid input for field/attribute size.')
        name = wanted.get('volume_type')
        kind = self.storage.find_type(name) if name else next(
            iter(self.storage.types.values()), None)
        if kind is None:
            raise web.HTTPError(
                404, 'Volume type with name %s could not be found.' % name)
        volume = self.storage.create(
            wanted.get('name'), wanted['size'], kind,
            request.identity.project_id or '', request.identity.user_id,
            metadata=wanted.get('metadata') or {})
        return web.json_response({'volume': self._view(
            volume, request.identity.is_admin)}, 202)

    @web.route('PUT', '/v3/volumes/{ident}')
    @openstack.locked
    def update_volume(self, request: web.Request,
                      ident: str) -> web.Response:
        volume = self._volume(request, ident)
        wanted = request.body.get('volume') or {}
        self.storage.touch(volume, **{
            name: wanted[name] for name in ('name', 'metadata')
            if name in wanted})
        self.storage.state.emit('volume.update.end', volume)
        return web.json_response({'volume': self._view(
            volume, request.identity.is_admin)})

    @web.route('DELETE', '/v3/volumes/{ident}')
    @openstack.locked
    def delete_volume(self, request: web.Request,
                      ident: str) -> web.Response:
        self.storage.delete(self._volume(request, ident))
        return web.Response(202)

    # Actions.

    @web.route('POST', '/v3/volumes/{ident}/action')
    @openstack.locked
    def act(self, request: web.Request, ident: str) -> web.Response:
        volume = self._volume(request, ident)
        if len(request.body) != 1:
            raise web.HTTPError(400, 'There is no such action')
        (name, given), = request.body.items()
        action = self._actions.get(name)
        if action is None:
            raise web.HTTPError(400, 'There is no such action: %s' % name)
        self.check_admin(request, 'volume:' + name)
        action(volume, given or {})
        return web.Response(202)

    def _migrate(self, volume: cloud_volumes.Volume,
                 given: dict[str, Any]) -> None:
        self.storage.migrate(volume, given.get('host'))

    def _retype(self, volume: cloud_volumes.Volume,
                given: dict[str, Any]) -> None:
        if not given.get('new_type'):
            raise web.HTTPError(
                400, "Invalid input: 'new_type' is a required property")
        self.storage.retype(volume, given['new_type'],
                            given.get('migration_policy') or 'never')

    def _extend(self, volume: cloud_volumes.Volume,
                given: dict[str, Any]) -> None:
        self.storage.extend(volume, int(given.get('new_size') or 0))

    def _attach(self, volume: cloud_volumes.Volume,
                given: dict[str, Any]) -> None:
        self.storage.attach(volume, given.get('instance_uuid') or '')

    def _detach(self, volume: cloud_volumes.Volume,
                given: dict[str, Any]) -> None:
        self.storage.detach(volume, given.get('attachment_id'))

    def _reset_status(self, volume: cloud_volumes.Volume,
                      given: dict[str, Any]) -> None:
        self.storage.touch(volume, **{
            name: given[name] for name in ('status', 'migration_status')
            if name in given})
        self.storage.state.emit('volume.update.end', volume)
