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
"""How Nova shows its resources at each microversion.

Servers and hypervisors are shown as bytes, cached at the object until it
changes: a page of a thousand servers is then a join of a thousand pieces.
"""

from __future__ import annotations

import bisect
import datetime
import hashlib
from typing import Any

from watcher.sandbox.cloud import web
from watcher.sandbox.cloud.state import Aggregate
from watcher.sandbox.cloud.state import DISK_GB
from watcher.sandbox.cloud.state import Flavor
from watcher.sandbox.cloud.state import Host
from watcher.sandbox.cloud.state import MEMORY_MB
from watcher.sandbox.cloud.state import Migration
from watcher.sandbox.cloud.state import Server
from watcher.sandbox.cloud.state import ServerGroup
from watcher.sandbox.cloud.state import utcnow
from watcher.sandbox.cloud.state import VCPU

#: Microversions at which the view of a server, or hypervisor, changes.
SERVER_STEPS = [(2, 1), (2, 3), (2, 9), (2, 16), (2, 19), (2, 26), (2, 47),
                (2, 63), (2, 69), (2, 71), (2, 73), (2, 90), (2, 96),
                (2, 98), (2, 100)]
HYPERVISOR_STEPS = [(2, 1), (2, 28), (2, 53), (2, 75), (2, 88)]

STATUS = {
    'active': 'ACTIVE', 'building': 'BUILD', 'stopped': 'SHUTOFF',
    'resized': 'VERIFY_RESIZE', 'paused': 'PAUSED',
    'suspended': 'SUSPENDED', 'rescued': 'RESCUE', 'error': 'ERROR',
    'deleted': 'DELETED', 'soft-delete': 'SOFT_DELETED',
    'shelved': 'SHELVED', 'shelved_offloaded': 'SHELVED_OFFLOADED'}
RESIZE_TASKS = ('resize_prep', 'resize_migrating', 'resize_migrated',
                'resize_finish')
PROGRESS = {'ACTIVE': 100, 'BUILD': 0, 'RESIZE': 0, 'VERIFY_RESIZE': 0,
            'MIGRATING': 0, 'REBOOT': 0, 'PASSWORD': 0, 'REBUILD': 0}


def step(steps: list[web.Version], version: web.Version) -> web.Version:
    """The last microversion up to ``version`` that changed a view."""
    return steps[bisect.bisect_right(steps, version) - 1]


def iso(moment: datetime.datetime | None) -> str | None:
    """A time as Nova writes it in servers."""
    return moment.strftime('%Y-%m-%dT%H:%M:%SZ') if moment else None


def micro(moment: datetime.datetime | None) -> str | None:
    """A time as Nova writes it nearly everywhere else."""
    return moment.strftime('%Y-%m-%dT%H:%M:%S.%f') if moment else None


def server_status(server: Server) -> str:
    """What the API calls status, out of vm_state and task_state."""
    task = server.task_state
    if server.vm_state in ('active', 'stopped') and task in RESIZE_TASKS:
        return 'RESIZE'
    if server.vm_state == 'active':
        if task == 'migrating':
            return 'MIGRATING'
        if task == 'rebooting':
            return 'REBOOT'
    if server.vm_state == 'resized' and task == 'resize_reverting':
        return 'REVERT_RESIZE'
    return STATUS.get(server.vm_state, 'UNKNOWN')


def host_status(host: Host | None) -> str:
    if host is None:
        return ''
    if not host.is_up:
        return 'DOWN'
    return 'MAINTENANCE' if host.status == 'disabled' else 'UP'


class Views:

    def __init__(self, base_url: str, images: dict[str, Any]) -> None:
        #: The endpoint, for links, and Nova's images for properties.
        self._url = base_url + '/v2.1'
        self._bookmark = base_url
        self._images = images

    def links(self, collection: str, ident: str) -> list[dict[str, str]]:
        return [{'rel': 'self',
                 'href': '%s/%s/%s' % (self._url, collection, ident)},
                {'rel': 'bookmark',
                 'href': '%s/%s/%s' % (self._bookmark, collection, ident)}]

    # Servers.

    def server_brief(self, server: Server) -> bytes:
        fragment = server.fragments.get('brief')
        if fragment is None:
            fragment = web.dumps({
                'id': server.uuid, 'name': server.name,
                'links': self.links('servers', server.uuid)})
            server.fragments['brief'] = fragment
        return fragment

    def server(self, server: Server, version: web.Version, admin: bool,
               show: bool = False) -> bytes:
        """One server in full.

        :param admin: whether the caller sees hosts.
        :param show: the answer is about this server only; some fields are
            not in lists.
        """
        key = (step(SERVER_STEPS, version), admin, show)
        fragment = server.fragments.get(key)
        if fragment is None:
            view = self._server(server, version, admin)
            if show and version >= (2, 71):
                view['server_groups'] = (
                    [server.group_id] if server.group_id else [])
            fragment = server.fragments[key] = web.dumps(view)
        return fragment

    def _server(self, server: Server, version: web.Version,
                admin: bool) -> dict[str, Any]:
        host = server.host
        status = server_status(server)
        view = {
            'id': server.uuid,
            'name': server.name,
            'status': status,
            'tenant_id': server.project_id,
            'user_id': server.user_id,
            'metadata': server.metadata,
            'hostId': self._host_id(server),
            'image': self._image(server, version),
            'flavor': self._embedded_flavor(server.flavor, version),
            'created': iso(server.created),
            'updated': iso(server.updated),
            'addresses': server.addresses,
            'accessIPv4': '',
            'accessIPv6': '',
            'links': self.links('servers', server.uuid),
            'OS-DCF:diskConfig': 'AUTO',
            'OS-EXT-AZ:availability_zone': host.zone if host else '',
            'config_drive': '',
            'key_name': None,
            'OS-SRV-USG:launched_at': self._usage_time(server.launched_at),
            'OS-SRV-USG:terminated_at': self._usage_time(server.deleted_at),
            'OS-EXT-STS:task_state': server.task_state,
            'OS-EXT-STS:vm_state': server.vm_state,
            'OS-EXT-STS:power_state': server.power_state,
            'os-extended-volumes:volumes_attached': [
                self._volume(volume, version) for volume in server.volumes],
        }
        if status in PROGRESS:
            view['progress'] = PROGRESS[status]
        if server.fault and status in ('ERROR', 'DELETED'):
            view['fault'] = server.fault
        if status != 'BUILD':
            view['security_groups'] = [{'name': 'default'}]
        if admin:
            view.update(self._admin_fields(server, version))
        view.update(self._newer_fields(server, version))
        return view

    @staticmethod
    def _usage_time(moment: datetime.datetime | None) -> str | None:
        return micro(moment)

    @staticmethod
    def _host_id(server: Server) -> str:
        if server.host is None:
            return ''
        text = server.project_id + server.host.name
        return hashlib.sha224(text.encode()).hexdigest()

    def _image(self, server: Server, version: web.Version) -> Any:
        if server.image_id is None:
            return ''
        view = {'id': server.image_id,
                'links': self.links('images', server.image_id)[1:]}
        if version >= (2, 98):
            image = self._images.get(server.image_id)
            view['properties'] = dict(image.properties) if image else {}
        return view

    def _embedded_flavor(self, flavor: Flavor,
                         version: web.Version) -> dict[str, Any]:
        if version < (2, 47):
            return {'id': flavor.id,
                    'links': self.links('flavors', flavor.id)[1:]}
        return {'vcpus': flavor.vcpus, 'ram': flavor.ram,
                'disk': flavor.disk, 'ephemeral': flavor.ephemeral,
                'swap': flavor.swap, 'original_name': flavor.name,
                'extra_specs': flavor.extra_specs}

    @staticmethod
    def _volume(volume: str, version: web.Version) -> dict[str, Any]:
        view: dict[str, Any] = {'id': volume}
        if version >= (2, 3):
            view['delete_on_termination'] = False
        return view

    @staticmethod
    def _admin_fields(server: Server,
                      version: web.Version) -> dict[str, Any]:
        host = server.host
        view = {
            'OS-EXT-SRV-ATTR:host': host.name if host else None,
            'OS-EXT-SRV-ATTR:hypervisor_hostname':
                host.hypervisor_hostname if host else None,
            'OS-EXT-SRV-ATTR:instance_name':
                'instance-%08x' % server.number}
        if version >= (2, 3):
            view.update({
                'OS-EXT-SRV-ATTR:reservation_id': 'r-%08x' % server.number,
                'OS-EXT-SRV-ATTR:launch_index': 0,
                'OS-EXT-SRV-ATTR:hostname': server.name,
                'OS-EXT-SRV-ATTR:kernel_id': '',
                'OS-EXT-SRV-ATTR:ramdisk_id': '',
                'OS-EXT-SRV-ATTR:root_device_name': '/dev/vda',
                'OS-EXT-SRV-ATTR:user_data': None})
        if version >= (2, 16):
            view['host_status'] = host_status(host)
        return view

    @staticmethod
    def _newer_fields(server: Server,
                      version: web.Version) -> dict[str, Any]:
        view: dict[str, Any] = {}
        if version >= (2, 9):
            view['locked'] = server.locked
        if version >= (2, 19):
            view['description'] = None
        if version >= (2, 26):
            view['tags'] = server.tags
        if version >= (2, 63):
            view['trusted_image_certificates'] = None
        if version >= (2, 73):
            view['locked_reason'] = server.locked_reason
        if version >= (2, 90):
            view['OS-EXT-SRV-ATTR:hostname'] = server.name
        if version >= (2, 96):
            view['pinned_availability_zone'] = server.pinned_zone
        if version >= (2, 100):
            view['scheduler_hints'] = server.scheduler_hints
        return view

    # Hypervisors.

    def hypervisor_id(self, host: Host, version: web.Version) -> Any:
        return host.uuid if version >= (2, 53) else host.id

    def service_id(self, host: Host, version: web.Version) -> Any:
        return host.service_uuid if version >= (2, 53) else host.id

    def hypervisor(self, host: Host, version: web.Version,
                   detail: bool, servers: bool) -> bytes:
        key = (step(HYPERVISOR_STEPS, version), detail, servers)
        fragment = host.fragments.get(key)
        if fragment is None:
            view = self._hypervisor(host, version, detail)
            if servers and (host.servers or version >= (2, 75)):
                view['servers'] = [{'uuid': s.uuid, 'name': s.name}
                                   for s in host.servers.values()]
            fragment = host.fragments[key] = web.dumps(view)
        return fragment

    def _hypervisor(self, host: Host, version: web.Version,
                    detail: bool) -> dict[str, Any]:
        view: dict[str, Any] = {
            'id': self.hypervisor_id(host, version),
            'hypervisor_hostname': host.hypervisor_hostname,
            'state': 'up' if host.is_up else 'down',
            'status': host.status}
        if not detail:
            return view
        view.update({
            'hypervisor_type': host.hypervisor_type,
            'hypervisor_version': 8002000,
            'host_ip': host.host_ip,
            'service': {'id': self.service_id(host, version),
                        'host': host.name,
                        'disabled_reason': host.disabled_reason}})
        if version >= (2, 88):
            view['uptime'] = None
        else:
            view.update(self._capacity(host, version))
        return view

    def _capacity(self, host: Host,
                  version: web.Version) -> dict[str, Any]:
        def amount(name: str) -> int:
            return host.inventory[name].total \
                if name in host.inventory else 0

        memory_used = sum(s.flavor.ram for s in host.servers.values())
        disk_used = sum(s.flavor.disk + s.flavor.ephemeral
                        for s in host.servers.values())
        memory, disk = amount(MEMORY_MB), amount(DISK_GB)
        cpu_info = {'arch': 'x86_64', 'model': 'Nehalem',
                    'vendor': 'Intel', 'features': ['pge', 'clflush'],
                    'topology': {'cores': amount(VCPU), 'threads': 1,
                                 'sockets': 1}}
        return {
            'vcpus': amount(VCPU),
            'vcpus_used': sum(s.flavor.vcpus
                              for s in host.servers.values()),
            'memory_mb': memory, 'memory_mb_used': memory_used,
            'free_ram_mb': memory - memory_used,
            'local_gb': disk, 'local_gb_used': disk_used,
            'free_disk_gb': disk - disk_used,
            'disk_available_least': disk - disk_used,
            'current_workload': 0, 'running_vms': len(host.servers),
            'cpu_info': cpu_info if version >= (2, 28)
            else web.dumps(cpu_info).decode()}

    # Everything else.

    def service(self, host: Host, version: web.Version) -> dict[str, Any]:
        view = {'id': self.service_id(host, version),
                'binary': 'nova-compute', 'host': host.name,
                'zone': host.zone, 'status': host.status,
                'state': 'up' if host.is_up else 'down',
                'updated_at': micro(utcnow()),
                'disabled_reason': host.disabled_reason}
        if version >= (2, 11):
            view['forced_down'] = host.forced_down
        return view

    def flavor_brief(self, flavor: Flavor,
                     version: web.Version) -> dict[str, Any]:
        view = {'id': flavor.id, 'name': flavor.name,
                'links': self.links('flavors', flavor.id)}
        if version >= (2, 55):
            view['description'] = flavor.description
        return view

    def flavor(self, flavor: Flavor,
               version: web.Version) -> dict[str, Any]:
        view = self.flavor_brief(flavor, version)
        view.update({
            'ram': flavor.ram, 'disk': flavor.disk, 'vcpus': flavor.vcpus,
            'OS-FLV-EXT-DATA:ephemeral': flavor.ephemeral,
            'swap': flavor.swap if version >= (2, 75)
            else flavor.swap or '',
            'OS-FLV-DISABLED:disabled': False,
            'os-flavor-access:is_public': flavor.is_public,
            'rxtx_factor': 1.0})
        if version >= (2, 61):
            view['extra_specs'] = flavor.extra_specs
        return view

    @staticmethod
    def aggregate(aggregate: Aggregate,
                  version: web.Version) -> dict[str, Any]:
        view = {'id': aggregate.id, 'name': aggregate.name,
                'hosts': aggregate.hosts, 'metadata': aggregate.metadata,
                'availability_zone': aggregate.zone,
                'created_at': micro(aggregate.created),
                'updated_at': micro(aggregate.updated),
                'deleted': False, 'deleted_at': None}
        if version >= (2, 41):
            view['uuid'] = aggregate.uuid
        return view

    @staticmethod
    def server_migration(migration: Migration, version: web.Version,
                         progress: float) -> dict[str, Any]:
        """A live migration in progress, below its server."""
        memory = migration.old_flavor.ram * 1024 * 1024
        disk = migration.old_flavor.disk * 1024 ** 3
        view: dict[str, Any] = {
            'id': migration.id, 'status': migration.status,
            'server_uuid': migration.server_uuid,
            'source_compute': migration.source.name,
            'source_node': migration.source.hypervisor_hostname,
            'dest_compute': None, 'dest_node': None, 'dest_host': None,
            'created_at': micro(migration.created),
            'updated_at': micro(migration.updated)}
        if migration.dest is not None:
            view.update(dest_compute=migration.dest.name,
                        dest_node=migration.dest.hypervisor_hostname,
                        dest_host=migration.dest.host_ip)
        for kind, total in (('memory', memory), ('disk', disk)):
            done = int(total * progress)
            view[kind + '_total_bytes'] = total
            view[kind + '_processed_bytes'] = done
            view[kind + '_remaining_bytes'] = total - done
        return Views._newer_migration(view, migration, version)

    @staticmethod
    def _newer_migration(view: dict[str, Any], migration: Migration,
                         version: web.Version) -> dict[str, Any]:
        if version >= (2, 59):
            view['uuid'] = migration.uuid
        if version >= (2, 80):
            view['user_id'] = migration.user_id
            view['project_id'] = migration.project_id
        return view

    def migration(self, migration: Migration,
                  version: web.Version) -> dict[str, Any]:
        """A migration in the list of all."""
        dest = migration.dest
        view = {
            'id': migration.id, 'status': migration.status,
            'instance_uuid': migration.server_uuid,
            'source_compute': migration.source.name,
            'source_node': migration.source.hypervisor_hostname,
            'dest_compute': dest.name if dest else None,
            'dest_node': dest.hypervisor_hostname if dest else None,
            'dest_host': dest.host_ip if dest else None,
            'old_instance_type_id': 1, 'new_instance_type_id': 1,
            'created_at': micro(migration.created),
            'updated_at': micro(migration.updated)}
        if version >= (2, 23):
            view['migration_type'] = migration.kind
            view['links'] = self.links(
                'servers/%s/migrations' % migration.server_uuid,
                str(migration.id))
        return self._newer_migration(view, migration, version)

    @staticmethod
    def group(group: ServerGroup, version: web.Version) -> dict[str, Any]:
        view: dict[str, Any] = {'id': group.id, 'name': group.name,
                                'members': group.members}
        if version >= (2, 64):
            view['policy'] = group.policy
            view['rules'] = group.rules
        else:
            view['policies'] = [group.policy]
            view['metadata'] = {}
        if version >= (2, 13):
            view['project_id'] = group.project_id
            view['user_id'] = group.user_id
        return view
