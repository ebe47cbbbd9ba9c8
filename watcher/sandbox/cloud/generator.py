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
"""Fills a cloud from a short description, always in the same way."""

from __future__ import annotations

import dataclasses
import datetime
import random
import uuid
from typing import Any

from watcher.sandbox.cloud import keystone
from watcher.sandbox.cloud import machines as cloud_machines
from watcher.sandbox.cloud import state as cloud_state
from watcher.sandbox.cloud import volumes as cloud_volumes
from watcher.sandbox.cloud.state import Aggregate
from watcher.sandbox.cloud.state import DISK_GB
from watcher.sandbox.cloud.state import Flavor
from watcher.sandbox.cloud.state import Host
from watcher.sandbox.cloud.state import Image
from watcher.sandbox.cloud.state import Inventory
from watcher.sandbox.cloud.state import MEMORY_MB
from watcher.sandbox.cloud.state import Server
from watcher.sandbox.cloud.state import ServerGroup
from watcher.sandbox.cloud.state import VCPU

#: When the first server was created; each later one a minute after.
FIRST_CREATED = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)

FLAVORS = (
    Flavor('1', 'm1.tiny', vcpus=1, ram=512, disk=1),
    Flavor('2', 'm1.small', vcpus=1, ram=2048, disk=20),
    Flavor('3', 'm1.medium', vcpus=2, ram=4096, disk=40),
    Flavor('4', 'm1.large', vcpus=4, ram=8192, disk=80),
    Flavor('5', 'm1.xlarge', vcpus=8, ram=16384, disk=160),
)

#: How often each flavor is taken when servers are made.
FLAVOR_WEIGHTS = (10, 30, 30, 20, 10)

#: Give up placing a server after this many hosts that were full.
PLACING_ATTEMPTS = 20


@dataclasses.dataclass
class CloudSpec:
    """The size and shape of a cloud; equal specs give equal clouds."""

    hosts: int = 4
    servers: int = 12
    seed: int = 1
    #: Names are made from the number of the host, from 1.
    host_name: str = 'compute-{}'
    #: Appended to host names to make hypervisor host names.
    hypervisor_domain: str = ''
    vcpus: int = 16
    memory_mb: int = 65536
    disk_gb: int = 1000
    vcpu_ratio: float = 4.0
    memory_ratio: float = 1.0
    reserved_memory_mb: int = 512
    #: Hosts are dealt out to this many zones; 0: all are in ``nova``.
    zones: int = 0
    #: Hosts are dealt out to this many aggregates without a zone.
    aggregates: int = 0
    #: Every n-th server boots from a volume, is stopped; 0: none.
    every_volume_booted: int = 0
    every_stopped: int = 0
    #: Pairs of servers in anti-affinity groups.
    anti_affinity_pairs: int = 0
    projects: tuple[str, ...] = ('demo', 'shop')
    #: Servers by host name, instead of ``servers`` dealt out at random.
    placement: dict[str, int] | None = None
    #: Name of the only flavor to use; None: a mixture.
    flavor: str | None = None
    #: Storage backends, pools of each, their size in GB, and volumes besides
    #: those of servers; without backends there is no block storage.
    backends: int = 0
    pools: int = 2
    pool_gb: int = 10000
    volumes: int = 0
    #: Whether every host is a bare metal node as well, and how many nodes
    #: there are besides; without any there is no bare metal service.
    bare_metal: bool = False
    spare_nodes: int = 0

    def __post_init__(self) -> None:
        if self.hosts < 1:
            raise ValueError('hosts must be 1 or more, not %d' % self.hosts)
        if self.servers < 0:
            raise ValueError(
                'servers must be 0 or more, not %d' % self.servers)
        names = [flavor.name for flavor in FLAVORS]
        if self.flavor is not None and self.flavor not in names:
            raise ValueError('flavor must be one of %s, not %s'
                             % (', '.join(names), self.flavor))
        if self.volumes and not self.backends * self.pools:
            raise ValueError('volumes need backends with pools')


class Generator:

    def __init__(self, spec: CloudSpec, state: cloud_state.CloudState,
                 identity: keystone.Keystone,
                 storage: cloud_volumes.BlockStorage | None = None,
                 machines: cloud_machines.Machines | None = None) -> None:
        self._spec = spec
        self._state = state
        self._storage = storage
        self._machines = machines
        self._identity = identity
        self._random = random.Random(spec.seed)

    def fill(self) -> None:
        """Make everything the specification asks for."""
        for flavor in FLAVORS:
            self._state.flavors[flavor.id] = dataclasses.replace(
                flavor, extra_specs={})
        image = Image(self._uuid(), 'cirros-0.6.2')
        self._state.images[image.id] = image
        for number in range(1, self._spec.hosts + 1):
            self._state.add_host(self._host(number))
        self._make_aggregates()
        self._make_servers(image)
        self._make_groups()
        if self._storage is not None and self._spec.backends:
            self._make_storage(self._storage)
        if self._machines is not None:
            self._make_nodes(self._machines)

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def _host(self, number: int) -> Host:
        spec = self._spec
        name = spec.host_name.format(number)
        domain = spec.hypervisor_domain
        return Host(
            id=number, uuid=self._uuid(), service_uuid=self._uuid(),
            name=name,
            hypervisor_hostname='%s.%s' % (name, domain) if domain
            else name,
            host_ip='10.%d.%d.%d' % (number >> 16, number >> 8 & 255,
                                     number & 255),
            inventory={
                VCPU: Inventory(spec.vcpus,
                                allocation_ratio=spec.vcpu_ratio),
                MEMORY_MB: Inventory(spec.memory_mb,
                                     reserved=spec.reserved_memory_mb,
                                     allocation_ratio=spec.memory_ratio),
                DISK_GB: Inventory(spec.disk_gb)})

    def _make_aggregates(self) -> None:
        names = list(self._state.hosts)
        for index in range(self._spec.zones):
            self._aggregate('zone-%d' % (index + 1),
                            names[index::self._spec.zones],
                            {'availability_zone': 'az-%d' % (index + 1)})
        for index in range(self._spec.aggregates):
            self._aggregate('aggregate-%d' % (index + 1),
                            names[index::self._spec.aggregates],
                            {'rack': str(index + 1)})
        self._state.place_in_zones()

    def _aggregate(self, name: str, hosts: list[str],
                   metadata: dict[str, str]) -> None:
        aggregate = Aggregate(
            id=next(self._state.sequence), uuid=self._uuid(), name=name,
            created=FIRST_CREATED, hosts=hosts, metadata=metadata)
        self._state.aggregates[aggregate.id] = aggregate

    def _make_servers(self, image: Image) -> None:
        hosts = list(self._state.hosts.values())
        wanted: list[Host | None] = [None] * self._spec.servers
        if self._spec.placement is not None:
            unknown = set(self._spec.placement) - set(self._state.hosts)
            if unknown:
                raise ValueError('there is no host %s to place servers on'
                                 % ', '.join(sorted(unknown)))
            wanted = [self._state.hosts[name]
                      for name, count in self._spec.placement.items()
                      for _ in range(count)]
        for number, host in enumerate(wanted, 1):
            self._make_server(number, image, hosts if host is None
                              else [host])

    def _make_server(self, number: int, image: Image,
                     hosts: list[Host]) -> None:
        spec = self._spec
        project = spec.projects[number % len(spec.projects)]
        created = FIRST_CREATED + datetime.timedelta(minutes=number)
        every = spec.every_volume_booted
        from_volume = bool(every) and number % every == 0
        server = Server(
            uuid=self._uuid(), number=number, name='server-%d' % number,
            project_id=self._identity.projects[project],
            user_id=self._identity.users[project],
            flavor=self._flavor(), host=None, created=created,
            updated=created, launched_at=created,
            image_id=None if from_volume else image.id,
            volumes=[self._uuid()] if from_volume else [],
            addresses=self._addresses(number))
        if spec.every_stopped and number % spec.every_stopped == 0:
            server.vm_state, server.power_state = 'stopped', 4
        server.host = self._place(server, hosts)
        self._state.add_server(server)
        self._state.claim(server.allocations, server.host,
                          server.resources)

    def _flavor(self) -> Flavor:
        flavors = list(self._state.flavors.values())
        if self._spec.flavor is not None:
            return next(f for f in flavors if f.name == self._spec.flavor)
        return self._random.choices(flavors, FLAVOR_WEIGHTS)[0]

    def _place(self, server: Server, hosts: list[Host]) -> Host:
        for _ in range(PLACING_ATTEMPTS):
            host = hosts[self._random.randrange(len(hosts))]
            if host.fits(server.resources):
                return host
        for host in hosts:
            if host.fits(server.resources):
                return host
        raise ValueError(
            'server %s (%s) fits on none of the hosts: make the hosts '
            'larger or fewer servers' % (server.name, server.flavor.name))

    @staticmethod
    def _addresses(number: int) -> dict[str, list[dict[str, Any]]]:
        address = '192.168.%d.%d' % (number >> 8 & 255, number & 255)
        mac = 'fa:16:3e:%02x:%02x:%02x' % (
            number >> 16 & 255, number >> 8 & 255, number & 255)
        return {'private': [{
            'version': 4, 'addr': address, 'OS-EXT-IPS:type': 'fixed',
            'OS-EXT-IPS-MAC:mac_addr': mac}]}

    def _make_groups(self) -> None:
        """Pair servers of different hosts."""
        servers = iter(self._state.servers.values())
        for number in range(self._spec.anti_affinity_pairs):
            first = next(servers, None)
            second = next((s for s in servers if first
                           and s.host is not first.host), None)
            if first is None or second is None:
                return
            group = ServerGroup(
                id=self._uuid(), name='pair-%d' % (number + 1),
                policy='anti-affinity', project_id=first.project_id,
                user_id=first.user_id, members=[first.uuid, second.uuid])
            first.group_id = second.group_id = group.id
            self._state.groups[group.id] = group

    # Block storage.

    def _make_storage(self, storage: cloud_volumes.BlockStorage) -> None:
        spec = self._spec
        self._make_type(storage, '__DEFAULT__', {})
        for number in range(1, spec.backends + 1):
            name = 'lvm-%d' % number
            backend = cloud_volumes.Backend('storage-%d@%s' % (number, name))
            if spec.zones:
                backend.zone = 'az-%d' % ((number - 1) % spec.zones + 1)
            storage.backends[backend.host] = backend
            self._make_type(storage, name, {'volume_backend_name': name})
            for index in range(1, spec.pools + 1):
                pool = cloud_volumes.Pool(
                    '%s#pool-%d' % (backend.host, index), backend,
                    spec.pool_gb)
                storage.pools[pool.name] = pool
        for server in self._state.servers.values():
            for ident in server.volumes:
                self._make_volume(storage, ident, server)
        for _ in range(spec.volumes):
            self._make_volume(storage, self._uuid(), None)

    def _make_type(self, storage: cloud_volumes.BlockStorage, name: str,
                   extra_specs: dict[str, str]) -> None:
        kind = cloud_volumes.VolumeType(self._uuid(), name, extra_specs)
        storage.types[kind.id] = kind

    def _make_volume(self, storage: cloud_volumes.BlockStorage, ident: str,
                     server: Server | None) -> None:
        """Make the root disk of a server, or a volume of its own."""
        number = len(storage.volumes) + 1
        pools = list(storage.pools.values())
        pool = pools[number % len(pools)]
        project = self._spec.projects[number % len(self._spec.projects)]
        created = FIRST_CREATED + datetime.timedelta(minutes=number)
        volume = cloud_volumes.Volume(
            id=ident, number=number, name='volume-%d' % number,
            size=server.flavor.disk if server
            else self._random.choice((1, 5, 10, 20)),
            type=storage.find_type(pool.backend.name), pool=pool,
            project_id=self._identity.projects[project],
            user_id=self._identity.users[project], created=created,
            updated=created, bootable=server is not None)
        if server is not None:
            volume.name, volume.status = '', 'in-use'
            volume.project_id = server.project_id
            volume.attachments = [{
                'id': ident, 'attachment_id': self._uuid(),
                'server_id': server.uuid, 'volume_id': ident,
                'device': '/dev/vda', 'host_name': None,
                'attached_at': created.isoformat()}]
        storage.add(volume)

    # Bare metal.

    def _make_nodes(self, machines: cloud_machines.Machines) -> None:
        hosts = self._state.hosts.values() if self._spec.bare_metal else ()
        for host in hosts:
            machines.add('node-' + host.name, self._uuid(),
                         extra={'compute_node_id': host.uuid})
        for number in range(1, self._spec.spare_nodes + 1):
            machines.add('spare-%d' % number, self._uuid(),
                         provision_state='available',
                         power_state=cloud_machines.POWER_OFF)
