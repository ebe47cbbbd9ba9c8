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
"""What the simulated cloud consists of.

Plain Python objects under one lock. Indices (servers of a host, servers
in listing order) and the sums of what is allocated on a host are kept up
to date by the methods here, so that clouds of thousands of hosts answer
in milliseconds. Rendered JSON is cached in ``fragments`` of hosts and
servers; whoever changes one calls :meth:`CloudState.touch`.
"""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import re
import threading
from collections.abc import Callable
from typing import Any

VCPU = 'VCPU'
MEMORY_MB = 'MEMORY_MB'
DISK_GB = 'DISK_GB'
PCPU = 'PCPU'

_RESOURCE = re.compile('resources[^:]*:(.+)')

DEFAULT_ZONE = 'nova'

#: Amounts of resource classes, for example ``{'VCPU': 2}``.
Resources = dict[str, int]

#: How many deleted servers are remembered for ``changes-since``.
DELETED_KEPT = 10000


def utcnow() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


@dataclasses.dataclass(slots=True)
class Flavor:
    id: str
    name: str
    vcpus: int
    ram: int
    disk: int
    ephemeral: int = 0
    swap: int = 0
    is_public: bool = True
    description: str | None = None
    extra_specs: dict[str, str] = dataclasses.field(default_factory=dict)

    def resources(self, local_root: bool = True) -> Resources:
        """What Placement allocates; the root disk only when it is local."""
        disk = self.ephemeral + (self.disk if local_root else 0)
        disk += -(-self.swap // 1024)
        amounts = {VCPU: self.vcpus, MEMORY_MB: self.ram, DISK_GB: disk}
        if self.extra_specs.get('hw:cpu_policy') == 'dedicated':
            amounts[PCPU] = amounts.pop(VCPU)
        for key, value in self.extra_specs.items():
            found = _RESOURCE.fullmatch(key)
            if found:
                amounts[found[1]] = amounts.get(found[1], 0) + int(value)
        return {name: amount for name, amount in amounts.items() if amount}


@dataclasses.dataclass(slots=True)
class Image:
    id: str
    name: str
    size: int = 21430272
    min_disk: int = 0
    min_ram: int = 0
    properties: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(slots=True)
class Inventory:
    total: int
    reserved: int = 0
    allocation_ratio: float = 1.0
    min_unit: int = 1
    max_unit: int = 0
    step_size: int = 1

    def __post_init__(self) -> None:
        self.max_unit = self.max_unit or self.total

    @property
    def capacity(self) -> float:
        return (self.total - self.reserved) * self.allocation_ratio


@dataclasses.dataclass(slots=True, eq=False)
class Part:
    """A resource provider below that of a host, or one that hosts share.

    :param host: whose part it is; None: the hosts of ``aggregates`` share it.
    :param aggregates: uuids.
    """

    uuid: str
    name: str
    inventory: dict[str, Inventory]
    host: Host | None = None
    traits: set[str] = dataclasses.field(default_factory=set)
    aggregates: set[str] = dataclasses.field(default_factory=set)
    generation: int = 1
    used: Resources = dataclasses.field(default_factory=dict)
    fragments: dict[Any, bytes] = dataclasses.field(default_factory=dict)

    def free(self, name: str) -> float:
        if name not in self.inventory:
            return 0.0
        return self.inventory[name].capacity - self.used.get(name, 0)


@dataclasses.dataclass(slots=True)
class Host:
    """A compute host: nova-compute service, hypervisor and provider."""

    id: int
    uuid: str
    service_uuid: str
    name: str
    hypervisor_hostname: str
    host_ip: str
    inventory: dict[str, Inventory]
    status: str = 'enabled'
    disabled_reason: str | None = None
    state: str = 'up'
    forced_down: bool = False
    zone: str = DEFAULT_ZONE
    hypervisor_type: str = 'QEMU'
    generation: int = 1
    #: Those that only this host has.
    traits: set[str] = dataclasses.field(default_factory=set)
    parts: list[Part] = dataclasses.field(default_factory=list)
    #: Sums over all allocations, of servers and of migrations.
    used: Resources = dataclasses.field(default_factory=dict)
    servers: dict[str, Server] = dataclasses.field(default_factory=dict)
    #: Live migrations that leave this host: the running and the waiting.
    migrations_running: int = 0
    migrations_queued: list[Migration] = dataclasses.field(
        default_factory=list)
    fragments: dict[Any, bytes] = dataclasses.field(default_factory=dict)

    @property
    def is_up(self) -> bool:
        return self.state == 'up' and not self.forced_down

    def fits(self, resources: Resources) -> bool:
        return all(self.giver(name, amount) is not None
                   for name, amount in resources.items())

    def giver(self, name: str, amount: int) -> Host | Part | None:
        """Return who has so much of a resource class: it or a part."""
        return next((one for one in (self, *self.parts)
                     if name in one.inventory and one.free(name) >= amount),
                    None)

    def free(self, name: str) -> float:
        if name not in self.inventory:
            return 0.0
        return self.inventory[name].capacity - self.used.get(name, 0)


@dataclasses.dataclass(slots=True)
class ServerAction:
    """A request that changed a server; ``events`` say what went wrong."""

    name: str
    request_id: str
    user_id: str
    project_id: str
    start: datetime.datetime
    events: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(slots=True)
class Server:
    uuid: str
    number: int
    name: str
    project_id: str
    user_id: str
    flavor: Flavor
    image_id: str | None
    host: Host | None
    created: datetime.datetime
    updated: datetime.datetime
    vm_state: str = 'active'
    task_state: str | None = None
    power_state: int = 1
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    tags: list[str] = dataclasses.field(default_factory=list)
    locked: bool = False
    locked_reason: str | None = None
    pinned_zone: str | None = None
    group_id: str | None = None
    scheduler_hints: dict[str, Any] = dataclasses.field(
        default_factory=dict)
    fault: dict[str, Any] | None = None
    addresses: dict[str, list[dict[str, Any]]] = dataclasses.field(
        default_factory=dict)
    volumes: list[str] = dataclasses.field(default_factory=list)
    actions: list[ServerAction] = dataclasses.field(default_factory=list)
    launched_at: datetime.datetime | None = None
    deleted_at: datetime.datetime | None = None
    #: What Placement holds for this server, by host name.
    allocations: dict[str, Resources] = dataclasses.field(
        default_factory=dict)
    fragments: dict[Any, bytes] = dataclasses.field(default_factory=dict)

    @property
    def resources(self) -> Resources:
        return self.flavor.resources(local_root=self.image_id is not None)


@dataclasses.dataclass(slots=True)
class Migration:
    id: int
    uuid: str
    server_uuid: str
    kind: str
    source: Host
    dest: Host | None
    status: str
    created: datetime.datetime
    updated: datetime.datetime
    user_id: str
    project_id: str
    old_flavor: Flavor
    new_flavor: Flavor
    #: The host the caller asked for.
    requested_host: str | None = None
    #: Monotonic time at which it began to run, and how long it takes (s).
    started: float = 0.0
    duration: float = 0.0
    #: What Placement holds under the migration's uuid, by host name.
    allocations: dict[str, Resources] = dataclasses.field(
        default_factory=dict)
    old_vm_state: str = 'active'


@dataclasses.dataclass(slots=True)
class Aggregate:
    id: int
    uuid: str
    name: str
    created: datetime.datetime
    updated: datetime.datetime | None = None
    hosts: list[str] = dataclasses.field(default_factory=list)
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def zone(self) -> str | None:
        return self.metadata.get('availability_zone')


@dataclasses.dataclass(slots=True)
class ServerGroup:
    id: str
    name: str
    policy: str
    project_id: str
    user_id: str
    rules: dict[str, Any] = dataclasses.field(default_factory=dict)
    members: list[str] = dataclasses.field(default_factory=list)


#: Called with an event type as Nova names it, for example
#: ``instance.live_migration_post.end``, and the object it is about.
Listener = Callable[[str, Any], None]


#: Changes of a server that Nova tells at once, whatever they belong to.
ANNOUNCED = frozenset(('vm_state', 'task_state', 'name'))


class CloudState:
    """All resources of the cloud, with the lock that protects them."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.hosts: dict[str, Host] = {}
        self.servers: dict[str, Server] = {}
        self.deleted: dict[str, Server] = {}
        self.flavors: dict[str, Flavor] = {}
        self.images: dict[str, Image] = {}
        self.aggregates: dict[int, Aggregate] = {}
        self.groups: dict[str, ServerGroup] = {}
        self.migrations: dict[int, Migration] = {}
        self._migrations_of: dict[str, list[Migration]] = {}
        self.sequence = itertools.count(1)
        self.started_at = utcnow()
        self.parts: dict[str, Part] = {}
        self._hosts_by_uuid: dict[str, Host] = {}
        self._hosts_by_service: dict[str, Host] = {}
        self._ordered: list[Server] | None = None
        self._positions: dict[str, int] = {}
        self._listeners: list[Listener] = []

    # Events, for notification publishers and tests.

    def subscribe(self, listener: Listener) -> None:
        """Have ``listener`` called, under the lock, with each event."""
        self._listeners.append(listener)

    def emit(self, event: str, subject: Any) -> None:
        for listener in self._listeners:
            listener(event, subject)

    # Hosts.

    def add_host(self, host: Host) -> None:
        self.hosts[host.name] = host
        self._hosts_by_uuid[host.uuid] = host
        self._hosts_by_service[host.service_uuid] = host

    def add_part(self, part: Part) -> None:
        """Add a part of a host, or what hosts share."""
        self.parts[part.name] = part
        if part.host is not None:
            part.host.parts.append(part)

    def provider(self, uuid: str) -> Host | Part | None:
        """Return a resource provider of any kind."""
        return self._hosts_by_uuid.get(uuid) or next(
            (part for part in self.parts.values() if part.uuid == uuid),
            None)

    def host_by_uuid(self, uuid: str) -> Host | None:
        return self._hosts_by_uuid.get(uuid)

    def host_by_service(self, uuid: str) -> Host | None:
        return self._hosts_by_service.get(uuid)

    def place_in_zones(self) -> None:
        """Derive the zone of every host from the aggregates."""
        zones = {name: aggregate.zone
                 for aggregate in self.aggregates.values() if aggregate.zone
                 for name in aggregate.hosts}
        for host in self.hosts.values():
            zone = zones.get(host.name, DEFAULT_ZONE)
            if zone != host.zone:
                host.zone = zone
                self.touch_host(host)

    def touch_host(self, host: Host) -> None:
        """Forget what was rendered of a host and of its servers."""
        host.fragments.clear()
        for server in host.servers.values():
            server.fragments.clear()

    # Servers.

    def add_server(self, server: Server) -> None:
        self.servers[server.uuid] = server
        if server.host is not None:
            server.host.servers[server.uuid] = server
            server.host.fragments.clear()
        self._ordered = None

    def remove_server(self, server: Server, remember: bool = True) -> None:
        """Take a server out; one not remembered was never there."""
        self.servers.pop(server.uuid, None)
        self._ordered = None
        if server.host is not None:
            server.host.servers.pop(server.uuid, None)
            server.host.fragments.clear()
        self.release(server.allocations)
        for group in self.groups.values():
            if server.uuid in group.members:
                group.members.remove(server.uuid)
        server.fragments.clear()
        if remember:
            self.deleted[server.uuid] = server
            while len(self.deleted) > DELETED_KEPT:
                del self.deleted[next(iter(self.deleted))]

    def touch(self, server: Server, **changes: Any) -> None:
        """Change fields of a server and note the time."""
        for name, value in changes.items():
            setattr(server, name, value)
        server.updated = utcnow()
        server.fragments.clear()
        if not ANNOUNCED.isdisjoint(changes):
            self.emit('instance.update', server)

    def move(self, server: Server, host: Host | None) -> None:
        """Make ``host`` the one that runs the server."""
        if server.host is not None:
            server.host.servers.pop(server.uuid, None)
            server.host.fragments.clear()
        if host is not None:
            host.servers[server.uuid] = server
            host.fragments.clear()
        self.touch(server, host=host)

    def ordered_servers(self) -> list[Server]:
        """All servers as Nova lists them: the newest first."""
        if self._ordered is None:
            self._ordered = sorted(
                self.servers.values(),
                key=lambda server: (server.created, server.number),
                reverse=True)
            self._positions = {server.uuid: position for position, server
                               in enumerate(self._ordered)}
        return self._ordered

    def position(self, uuid: str) -> int | None:
        """Where a server stands in :meth:`ordered_servers`."""
        self.ordered_servers()
        return self._positions.get(uuid)

    # Allocations.

    def claim(self, allocations: dict[str, Resources], host: Host,
              resources: Resources) -> None:
        """Add ``resources`` of ``host`` to a consumer's allocations."""
        for name, amount in resources.items():
            # By force: more than there is.
            giver = host.giver(name, amount) or host
            held = allocations.setdefault(giver.name, {})
            held[name] = held.get(name, 0) + amount
            giver.used[name] = giver.used.get(name, 0) + amount
            giver.generation += 1
        host.fragments.clear()

    def release(self, allocations: dict[str, Resources],
                host: Host | None = None) -> None:
        """Give back what a consumer holds on ``host``, or everywhere."""
        names = list(allocations)
        if host is not None:
            names = [host.name, *(part.name for part in host.parts)]
        for name in names:
            held = allocations.pop(name, None)
            owner = self.hosts.get(name) or self.parts.get(name)
            if held is None or owner is None:
                continue
            for resource, amount in held.items():
                owner.used[resource] -= amount
            owner.generation += 1
            owner.fragments.clear()

    # Migrations.

    def add_migration(self, migration: Migration) -> None:
        self.migrations[migration.id] = migration
        self._migrations_of.setdefault(
            migration.server_uuid, []).append(migration)

    def migrations_of(self, server_uuid: str) -> list[Migration]:
        """All migrations a server ever had, the oldest first."""
        return self._migrations_of.get(server_uuid, [])
