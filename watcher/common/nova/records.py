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
"""Servers, hypervisors and their like as Nova shows them."""

import dataclasses
from typing import Any

from watcher.common import utils


@dataclasses.dataclass(frozen=True, slots=True)
class Server:
    """A server as Nova shows it."""

    uuid: str
    name: str | None
    created: str | None
    host: str | None
    vm_state: str | None
    task_state: str | None
    power_state: int | None
    status: str | None
    flavor: dict[str, Any]
    tenant_id: str | None
    locked: bool
    metadata: dict[str, str]
    availability_zone: str | None
    pinned_availability_zone: str | None
    image: str | None
    hypervisor_hostname: str | None
    fault: str | None = None

    @property
    def is_boot_from_volume(self) -> bool:
        """Whether the root disk is a volume: such servers have no image."""
        return self.image is None

    @property
    def flavor_name(self) -> str | None:
        """The name of the flavor, or its id where Nova tells that only."""
        return self.flavor.get('original_name') or self.flavor.get('id')

    @classmethod
    def from_api(cls, record: dict[str, Any]) -> 'Server':
        """Read one element of ``servers``.

        :raises: InvalidUUID
        """
        image = record.get('image') or {}
        return cls(
            uuid=utils.check_uuid(record['id']),
            name=record.get('name'),
            created=record.get('created'),
            host=record.get('OS-EXT-SRV-ATTR:host'),
            vm_state=record.get('OS-EXT-STS:vm_state'),
            task_state=record.get('OS-EXT-STS:task_state'),
            power_state=record.get('OS-EXT-STS:power_state'),
            status=record.get('status'),
            flavor=record.get('flavor') or {},
            tenant_id=record.get('tenant_id'),
            locked=bool(record.get('locked')),
            metadata=record.get('metadata') or {},
            availability_zone=record.get('OS-EXT-AZ:availability_zone'),
            pinned_availability_zone=record.get(
                'pinned_availability_zone'),
            image=image.get('id') if isinstance(image, dict) else image,
            hypervisor_hostname=record.get(
                'OS-EXT-SRV-ATTR:hypervisor_hostname'),
            fault=(record.get('fault') or {}).get('message'))


@dataclasses.dataclass(frozen=True, slots=True)
class Hypervisor:
    """A compute node as Nova shows it; sizes in MB and GB."""

    uuid: str
    hypervisor_hostname: str | None
    hypervisor_type: str | None
    state: str | None
    status: str | None
    vcpus: int | None
    vcpus_used: int | None
    memory_mb: int | None
    memory_mb_used: int | None
    local_gb: int | None
    local_gb_used: int | None
    service_host: str | None
    service_id: str | None
    service_disabled_reason: str | None
    servers: list[dict[str, str]]

    @property
    def is_ironic(self) -> bool:
        """Whether this is a bare metal node, which hosts no servers."""
        return (self.hypervisor_type or '').lower() == 'ironic'

    @classmethod
    def from_api(cls, record: dict[str, Any]) -> 'Hypervisor':
        """Read one element of ``hypervisors``.

        :raises: InvalidUUID
        """
        service = record.get('service') or {}
        return cls(
            uuid=utils.check_uuid(record['id']),
            hypervisor_hostname=record.get('hypervisor_hostname'),
            hypervisor_type=record.get('hypervisor_type'),
            state=record.get('state'),
            status=record.get('status'),
            vcpus=record.get('vcpus'),
            vcpus_used=record.get('vcpus_used'),
            memory_mb=record.get('memory_mb'),
            memory_mb_used=record.get('memory_mb_used'),
            local_gb=record.get('local_gb'),
            local_gb_used=record.get('local_gb_used'),
            service_host=service.get('host'),
            service_id=service.get('id'),
            service_disabled_reason=service.get('disabled_reason'),
            servers=record.get('servers') or [])


@dataclasses.dataclass(frozen=True, slots=True)
class Flavor:
    """A flavor: MB of memory and swap, GB of disk."""

    id: str
    flavor_name: str | None
    vcpus: int | None
    ram: int | None
    disk: int | None
    ephemeral: int | None
    swap: int
    is_public: bool
    extra_specs: dict[str, str]

    @classmethod
    def from_api(cls, record: dict[str, Any]) -> 'Flavor':
        """Read one element of ``flavors``."""
        return cls(
            id=str(record['id']),
            flavor_name=record.get('name'),
            vcpus=record.get('vcpus'),
            ram=record.get('ram'),
            disk=record.get('disk'),
            ephemeral=record.get('OS-FLV-EXT-DATA:ephemeral'),
            swap=int(record.get('swap') or 0),
            is_public=bool(record.get('os-flavor-access:is_public', True)),
            extra_specs=record.get('extra_specs') or {})


@dataclasses.dataclass(frozen=True, slots=True)
class Aggregate:
    """A host aggregate; ``hosts`` are compute service hosts."""

    id: int
    name: str
    availability_zone: str | None
    hosts: list[str]
    metadata: dict[str, str]

    @classmethod
    def from_api(cls, record: dict[str, Any]) -> 'Aggregate':
        """Read one element of ``aggregates``."""
        return cls(
            id=record['id'], name=record['name'],
            availability_zone=record.get('availability_zone'),
            hosts=record.get('hosts') or [],
            metadata=record.get('metadata') or {})


@dataclasses.dataclass(frozen=True, slots=True)
class ServerGroup:
    """A server group; ``members`` are uuids of servers that exist."""

    id: str
    name: str
    policy: str
    members: tuple[str, ...]
    max_server_per_host: int = 1

    @classmethod
    def from_api(cls, record: dict[str, Any]) -> 'ServerGroup':
        """Read one element of ``server_groups``, also in older forms."""
        policies = record.get('policies') or ['']
        rules = record.get('rules') or {}
        return cls(
            id=record['id'], name=record.get('name') or '',
            policy=record.get('policy') or policies[0],
            members=tuple(record.get('members') or ()),
            max_server_per_host=int(rules.get('max_server_per_host') or 1))


@dataclasses.dataclass(frozen=True, slots=True)
class Service:
    """A compute service: status enabled/disabled, state up/down."""

    uuid: str
    binary: str | None
    host: str | None
    zone: str | None
    status: str | None
    state: str | None
    updated_at: str | None
    disabled_reason: str | None

    @classmethod
    def from_api(cls, record: dict[str, Any]) -> 'Service':
        """Read one element of ``services``.

        :raises: InvalidUUID
        """
        return cls(
            uuid=utils.check_uuid(record['id']), binary=record.get('binary'),
            host=record.get('host'), zone=record.get('zone'),
            status=record.get('status'), state=record.get('state'),
            updated_at=record.get('updated_at'),
            disabled_reason=record.get('disabled_reason'))


@dataclasses.dataclass(frozen=True, slots=True)
class ServerMigration:
    """A migration of a server, running or finished."""

    id: int
    status: str | None = None
    migration_type: str | None = None
    source_compute: str | None = None
    dest_compute: str | None = None
    created_at: str | None = None
    #: Percent of memory and disks that are copied, while that goes on.
    progress: float | None = None

    @classmethod
    def from_api(cls, record: dict[str, Any]) -> 'ServerMigration':
        """Read one element of ``migrations``."""
        return cls(
            id=record['id'], status=record.get('status'),
            migration_type=record.get('migration_type'),
            source_compute=record.get('source_compute'),
            dest_compute=record.get('dest_compute'),
            created_at=record.get('created_at'),
            progress=_copied(record))


def _copied(record):
    """Return what part of the data has been copied, in percent."""
    def amount(what):
        return sum(record.get(f'{kind}_{what}_bytes') or 0
                   for kind in ('memory', 'disk'))
    total = amount('total')
    # Memory that changes is copied again and again.
    return min(100.0, 100.0 * amount('processed') / total) if total else None
