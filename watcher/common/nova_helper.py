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
"""What Watcher asks of Nova.

Lists are read in pages of 1000 records and decoded straight from JSON:
0.03 ms for each server, where an SDK resource would take 3 ms. Only reading
is repeated after a connection error. After a failed request that changes
something the helper looks at the server first, because Nova may have
received it.

The methods that move or switch a server follow it to the end and return an
:class:`Outcome`: true or false, and why in words.
"""

import dataclasses
import time
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

from oslo_config import cfg
from oslo_log import log
from oslo_utils import uuidutils

from watcher._i18n import _
from watcher.common import clients
from watcher.common import exception
from watcher.common import rest
from watcher.common import waiting

LOG = log.getLogger(__name__)
CONF = cfg.CONF

PAGE_SIZE = 1000

#: Without it servers cannot be migrated to a chosen host.
MIN_API_VERSION = (2, 56)

#: First microversion that tells the pinned availability zone.
PINNED_AZ_VERSION = (2, 96)

# Newest microversions whose answers this module understands. Nova's own
# maximum applies where it is older.
SERVERS = (2, 96)
# From 2.88 on hypervisors no longer carry vcpus, memory_mb and local_gb.
HYPERVISORS = (2, 87)
SERVICES = (2, 69)
AGGREGATES = (2, 81)
FLAVORS = (2, 61)
MIGRATIONS = (2, 80)
INSTANCE_ACTIONS = (2, 84)
ACTIONS = (2, 56)
# Below 2.34 Nova checks the destination before it answers, so that the
# caller gets the reason of a refusal.
LIVE_MIGRATION = (2, 30)

#: Seconds that stopping and starting a server may take.
POWER_LIMIT = 80.0
#: Seconds between looks while a server is stopped or started.
POWER_INTERVAL = 10.0
#: How often a server must be seen idle where it was before a move counts as
#: given up by Nova, when no migration record tells more.
IDLE_LOOKS = 3

MIGRATION_FAILED = frozenset(('error', 'failed', 'cancelled'))
MIGRATION_LIVE = 'live-migration'

# Marks "moved, now to be confirmed" between two steps of a cold move.
_CONFIRM = 'confirm'

Outcome = waiting.Outcome
StopCheck = waiting.StopCheck


def parse_version(text: str) -> tuple[int, int]:
    """Return a microversion as a pair, so that 2.100 is above 2.99.

    :raises: Invalid for anything else than two numbers with a dot.
    """
    parts = str(text).split('.')
    if len(parts) != 2 or not all(part.isdigit() for part in parts):
        raise exception.Invalid(
            _("[nova] api_version is '%s'; it has to be two numbers with a "
              'dot, like 2.56') % text)
    return int(parts[0]), int(parts[1])


def format_version(version: tuple[int, int]) -> str:
    """Return a pair as it is sent in the request header."""
    return f'{version[0]}.{version[1]}'


def check_api_version(text: str) -> tuple[int, int]:
    """Return the configured microversion.

    :raises: Invalid (a ValueError) when it is too old or malformed.
    """
    version = parse_version(text)
    if version < MIN_API_VERSION:
        raise exception.Invalid(
            _('[nova] api_version is %(value)s; at least %(minimum)s is '
              'needed') % {'value': text,
                           'minimum': format_version(MIN_API_VERSION)})
    return version


def _uuid(value):
    if not uuidutils.is_uuid_like(value):
        raise exception.InvalidUUID(uuid=value)
    return value


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

    @classmethod
    def from_api(cls, record: dict[str, Any]) -> 'Server':
        """Read one element of ``servers``.

        :raises: InvalidUUID
        """
        image = record.get('image') or {}
        return cls(
            uuid=_uuid(record['id']),
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
            uuid=_uuid(record['id']),
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
            uuid=_uuid(record['id']), binary=record.get('binary'),
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

    @classmethod
    def from_api(cls, record: dict[str, Any]) -> 'ServerMigration':
        """Read one element of ``migrations``."""
        return cls(
            id=record['id'], status=record.get('status'),
            migration_type=record.get('migration_type'),
            source_compute=record.get('source_compute'),
            dest_compute=record.get('dest_compute'))


def _condition(server: Server) -> str:
    """Describe a server's state for a message."""
    text = _('status %(status)s on host %(host)s') % {
        'status': server.status, 'host': server.host}
    if server.task_state:
        text += _(', task state %s') % server.task_state
    return text


class NovaHelper:
    """Reads from Nova and changes servers and compute services.

    Cheap to make: all helpers of a process share connections.

    :param session: a keystoneauth session or an openstacksdk connection to
        use instead of the configured credentials.
    :param context: request context, kept for callers; requests always carry
        the id of the current one.
    :param osc: the :class:`~watcher.common.clients.OpenStackClients` that
        plug-ins are given.
    :param http_retries: how often reading is repeated after a connection
        error; default is ``[nova] http_retries``.
    :raises: Invalid when ``[nova] api_version`` is below 2.56,
        AuthorizationFailure when the credentials are incomplete.
    """

    def __init__(self, session: Any = None, context: Any = None, *,
                 osc: Any = None, http_retries: int | None = None):
        self.context = context
        self._api_version = check_api_version(CONF.nova.api_version)
        self._rest = clients.rest_client(
            'nova', session if session is not None else osc)
        self._http_retries = (CONF.nova.http_retries
                              if http_retries is None else http_retries)

    # Reading --------------------------------------------------------------

    def get_compute_node_list(
            self, filter_ironic_nodes: bool = True) -> list[Hypervisor]:
        """Return all hypervisors.

        :param filter_ironic_nodes: leave out bare metal nodes.
        """
        nodes = [Hypervisor.from_api(record) for page in
                 self.hypervisor_pages() for record in page]
        if not filter_ironic_nodes:
            return nodes
        return [node for node in nodes if not node.is_ironic]

    def get_compute_node_by_name(
            self, node_name: str, servers: bool = False,
            detailed: bool = False) -> list[Hypervisor]:
        """Return the hypervisors of exactly this name.

        Nova's own search also finds names that contain the text.

        :param servers: also list the servers on them.
        :param detailed: has no effect, details are always there.
        :raises: ComputeNodeNotFound
        """
        found = [node for node in self._search_nodes(node_name, servers)
                 if node_name in (node.hypervisor_hostname,
                                  node.service_host)]
        if not found:
            raise exception.ComputeNodeNotFound(name=node_name)
        return found

    def get_compute_node_by_hostname(self, node_hostname: str) -> Hypervisor:
        """Return the hypervisor whose compute service has this host name.

        :raises: ComputeNodeNotFound when there is none, NovaClientError
            when Nova could not be asked.
        """
        for search in (self._search_nodes, self._all_nodes):
            for node in search(node_hostname):
                if node.service_host == node_hostname:
                    return node
        raise exception.ComputeNodeNotFound(name=node_hostname)

    def get_compute_node_by_uuid(self, node_uuid: str) -> Hypervisor:
        """Return the hypervisor with this id.

        :raises: ComputeNodeNotFound
        """
        body = self._read(
            f'/os-hypervisors/{node_uuid}', HYPERVISORS,
            missing=exception.ComputeNodeNotFound(name=node_uuid))
        return Hypervisor.from_api(body['hypervisor'])

    def get_instance_list(
            self, filters: dict[str, Any] | None = None,
            marker: str | None = None, limit: int = -1) -> list[Server]:
        """Return servers of all projects.

        :param filters: Nova's query parameters, such as ``host``.
        :param marker: start behind this server.
        :param limit: at most so many; negative means all.
        """
        servers = []
        for page in self.server_pages(filters, marker, limit):
            servers += [Server.from_api(record) for record in page]
            if 0 <= limit <= len(servers):
                return servers[:limit]
        return servers

    def get_instance_by_uuid(self, instance_uuid: str) -> list[Server]:
        """Return a list with the server, empty when it does not exist."""
        try:
            return [self.find_instance(instance_uuid)]
        except exception.InstanceNotFound:
            return []

    def find_instance(self, instance_id: str) -> Server:
        """Return the server.

        :raises: InstanceNotFound, NovaClientError
        """
        body = self._read(
            f'/servers/{instance_id}', SERVERS,
            missing=exception.InstanceNotFound(name=instance_id))
        return Server.from_api(body['server'])

    def get_flavor_list(self) -> list[Flavor]:
        """Return all flavors, the private ones as well."""
        return [Flavor.from_api(record) for page in self._pages(
            '/flavors/detail', 'flavors', FLAVORS, {'is_public': 'None'})
            for record in page]

    def get_flavor_id(self, flavor: str) -> str:
        """Return the id of the flavor with this id or name.

        :raises: ComputeResourceNotFound
        """
        missing = exception.ComputeResourceNotFound(
            name=_("flavor '%s'") % flavor)
        try:
            body = self._read(f'/flavors/{flavor}', FLAVORS, missing=missing)
            return str(body['flavor']['id'])
        except exception.ComputeResourceNotFound:
            for known in self.get_flavor_list():
                if known.flavor_name == flavor:
                    return known.id
            raise missing from None

    def get_aggregate_list(self) -> list[Aggregate]:
        """Return all host aggregates."""
        body = self._read('/os-aggregates', AGGREGATES)
        return [Aggregate.from_api(item) for item in body['aggregates']]

    def get_service_list(self, host: str | None = None) -> list[Service]:
        """Return the nova-compute services.

        :param host: only that of this host.
        """
        params = {'binary': 'nova-compute'}
        if host is not None:
            params['host'] = host
        body = self._read('/os-services', SERVICES, params=params)
        return [Service.from_api(item) for item in body['services']
                # Services of cells that do not answer have no host.
                if item.get('host')]

    def get_hostname(self, instance: Server) -> str:
        """Return the compute service host of a server."""
        return str(instance.host)

    def get_running_migration(
            self, instance_id: str) -> list[ServerMigration]:
        """Return the migrations of a server that are under way.

        :raises: InstanceNotFound
        """
        body = self._read(
            f'/servers/{instance_id}/migrations', MIGRATIONS,
            missing=exception.InstanceNotFound(name=instance_id))
        return [ServerMigration.from_api(item)
                for item in body['migrations']]

    def get_migrations(self, instance_id: str) -> list[ServerMigration]:
        """Return all migrations of a server, newest first."""
        body = self._read('/os-migrations', MIGRATIONS,
                          params={'instance_uuid': instance_id})
        found = [ServerMigration.from_api(item)
                 for item in body['migrations']]
        return sorted(found, key=lambda item: item.id, reverse=True)

    def is_pinned_az_available(self) -> bool:
        """Whether ``[nova] api_version`` covers the pinned zone."""
        return self._api_version >= PINNED_AZ_VERSION

    def server_pages(
            self, filters: dict[str, Any] | None = None,
            marker: str | None = None, limit: int = -1,
            call: Callable | None = None) -> Iterator[list[dict[str, Any]]]:
        """Yield pages of servers of all projects as Nova sends them.

        :param call: makes each request instead of calling it directly, to
            repeat single pages.
        """
        params = {'all_tenants': 'True', **(filters or {})}
        return self._pages('/servers/detail', 'servers', SERVERS, params,
                           marker, limit, call)

    def hypervisor_pages(
            self,
            call: Callable | None = None) -> Iterator[list[dict[str, Any]]]:
        """Yield pages of hypervisors as Nova sends them.

        :param call: as for :meth:`server_pages`.
        """
        return self._pages('/os-hypervisors/detail', 'hypervisors',
                           HYPERVISORS, call=call)

    def _all_nodes(self, name=None):
        return self.get_compute_node_list(filter_ironic_nodes=False)

    def _search_nodes(self, name, servers=False):
        params = {'hypervisor_hostname_pattern': name}
        if servers:
            params['with_servers'] = 'True'
        missing = exception.ComputeNodeNotFound(name=name)
        try:
            body = self._read('/os-hypervisors/detail', HYPERVISORS,
                              params=params, missing=missing)
        except exception.ComputeNodeNotFound:
            return []
        return [Hypervisor.from_api(item) for item in body['hypervisors']]

    # Moving and switching servers -----------------------------------------

    def live_migrate_instance(
            self, instance_id: str, dest_hostname: str | None,
            retry: int | None = None, interval: float | None = None,
            should_stop: StopCheck | None = None) -> Outcome:
        """Migrate a running server and wait for the end.

        :param dest_hostname: compute service host; None lets Nova choose.
        :param retry: with ``interval`` (seconds) the longest time to wait;
            defaults are ``[nova] migration_max_retries`` and
            ``migration_interval``.
        :param should_stop: asked about twice a second whether to give up
            waiting.
        :raises: InstanceNotFound, NovaClientError when Nova refuses or
            cannot be reached.
        """
        before = self.find_instance(instance_id)
        older = {item.id for item in self._try_migrations(instance_id)}

        def accepted(server):
            return (server.host != before.host
                    or server.task_state is not None
                    or bool(self._new_migration(instance_id, older)))
        self._act(before, {'os-migrateLive': {
            'host': dest_hostname, 'block_migration': 'auto'}},
            LIVE_MIGRATION, accepted)
        limit, interval = self._limits(retry, interval)
        return self._follow(
            before, _('live migration'), limit, interval, should_stop,
            lambda server, looks: self._check_live(
                before, dest_hostname, older, server, looks))

    def _check_live(self, before, destination, older, server, looks):
        if server.task_state or server.status == 'MIGRATING':
            return None
        if server.host != before.host:
            if destination and server.host != destination:
                return Outcome(False, _(
                    'server %(server)s was migrated to %(host)s instead of '
                    '%(destination)s') % {
                        'server': before.uuid, 'host': server.host,
                        'destination': destination})
            if server.status == before.status:
                return Outcome(True)
            # Its user may have stopped it meanwhile.
            migration = self._new_migration(before.uuid, older)
            done = migration is not None and migration.status == 'completed'
            return Outcome(True) if done else None
        migration = self._new_migration(before.uuid, older)
        if migration is None:
            ended = looks.idle() >= IDLE_LOOKS
        else:
            # The record is read after the server, so it may be newer.
            ended = (migration.status in MIGRATION_FAILED
                     or (migration.status == 'completed'
                         and looks.idle() >= IDLE_LOOKS))
        if not ended:
            return None
        status = migration.status if migration else _('no record of it')
        return Outcome(False, _(
            'the live migration of server %(server)s ended (%(status)s) and '
            'it is still on host %(host)s%(why)s') % {
                'server': before.uuid, 'status': status,
                'host': server.host, 'why': self._why(server)})

    def watcher_non_live_migrate_instance(
            self, instance_id: str, dest_hostname: str | None,
            retry: int | None = None, interval: float | None = None,
            should_stop: StopCheck | None = None) -> Outcome:
        """Migrate a server cold, confirm it and wait for the end.

        Parameters and errors as for :meth:`live_migrate_instance`. A server
        that Nova asks to confirm is confirmed wherever it ended, so that
        none is left half moved.
        """
        before = self.find_instance(instance_id)
        body = {'migrate': {'host': dest_hostname} if dest_hostname else None}
        outcome = self._move_cold(before, body, _('cold migration'),
                                  retry, interval, should_stop)
        if not outcome:
            return outcome
        return self._check_arrival(before, dest_hostname)

    def _check_arrival(self, before, destination):
        try:
            server = self.find_instance(before.uuid)
        except exception.InstanceNotFound:
            return Outcome(False, _('server %s was deleted') % before.uuid)
        if destination and server.host != destination:
            return Outcome(False, _(
                'the cold migration of server %(server)s ended on host '
                '%(host)s instead of %(destination)s') % {
                    'server': before.uuid, 'host': server.host,
                    'destination': destination})
        if server.host == before.host:
            return Outcome(False, _(
                'the cold migration of server %(server)s ended on the host '
                'it came from, %(host)s') % {
                    'server': before.uuid, 'host': server.host})
        return Outcome(True)

    def resize_instance(
            self, instance_id: str, flavor: str, retry: int | None = None,
            interval: float | None = None,
            should_stop: StopCheck | None = None) -> Outcome:
        """Resize a server, confirm it and wait until that is done.

        :param flavor: id or name.
        :raises: InstanceNotFound, ComputeResourceNotFound for an unknown
            flavor, NovaClientError
        """
        before = self.find_instance(instance_id)
        body = {'resize': {'flavorRef': self.get_flavor_id(flavor)}}
        return self._move_cold(before, body, _('resize'), retry, interval,
                               should_stop)

    def _move_cold(self, before, body, what, retry, interval, should_stop):
        """Resize or migrate cold, up to and with the confirmation."""
        def accepted(server):
            return (server.task_state is not None
                    or server.status in ('RESIZE', 'VERIFY_RESIZE')
                    or server.host != before.host)
        self._act(before, body, ACTIONS, accepted)
        limit, interval = self._limits(retry, interval)
        moved = self._follow(
            before, what, limit, interval, should_stop,
            lambda server, looks: self._check_cold(
                before, what, server, looks))
        if not moved or moved.reason != _CONFIRM:
            return moved
        return self._confirm(before, what, limit, interval, should_stop)

    def _check_cold(self, before, what, server, looks):
        if server.task_state or server.status == 'RESIZE':
            return None
        if server.status == 'VERIFY_RESIZE':
            return Outcome(True, _CONFIRM)
        changed = (server.host != before.host
                   or server.flavor != before.flavor)
        if changed and server.status == before.status:
            # Nova confirmed it by itself ([DEFAULT] resize_confirm_window).
            return Outcome(True)
        if looks.idle() < IDLE_LOOKS:
            return None
        return Outcome(False, _(
            'the %(what)s of server %(server)s was given up by Nova: '
            '%(condition)s%(why)s') % {
                'what': what, 'server': before.uuid,
                'condition': _condition(server),
                'why': self._why(server)})

    def confirm_resize(self, instance: Server, previous_status: str,
                       retry: int = 60) -> bool:
        """Confirm a resize or cold migration and wait for the end.

        :param previous_status: what the server's status has to become.
        :param retry: seconds to wait.
        """
        before = dataclasses.replace(instance, status=previous_status)
        return bool(self._confirm(before, _('resize'), retry, 1.0, None))

    def _confirm(self, before, what, limit, interval, should_stop):
        def accepted(server):
            return server.status != 'VERIFY_RESIZE' or server.task_state
        try:
            self._act(before, {'confirmResize': None}, ACTIONS, accepted)
        except exception.NovaClientError as exc:
            server = self._peek(before.uuid)
            if server is None or not accepted(server):
                return Outcome(False, _(
                    'the %(what)s of server %(server)s was not confirmed '
                    'and waits for it in VERIFY_RESIZE: %(reason)s') % {
                        'what': what, 'server': before.uuid,
                        'reason': exc})
        return self._follow(
            before, _('confirmation of the %s') % what, limit, interval,
            should_stop, self._check_confirmed)

    @staticmethod
    def _check_confirmed(server, looks):
        if server.status == 'VERIFY_RESIZE' or server.task_state:
            return None
        return Outcome(True)

    def stop_instance(self, instance_id: str,
                      should_stop: StopCheck | None = None) -> Outcome:
        """Stop a server and wait; one that is deleted meanwhile is fine.

        :raises: InstanceNotFound, NovaClientError
        """
        return self._switch(instance_id, 'os-stop', 'stopped', should_stop)

    def start_instance(self, instance_id: str,
                       should_stop: StopCheck | None = None) -> Outcome:
        """Start a server and wait until it is active.

        :raises: InstanceNotFound, NovaClientError
        """
        return self._switch(instance_id, 'os-start', 'active', should_stop)

    def _switch(self, instance_id, action, wanted, should_stop):
        before = self.find_instance(instance_id)
        if before.vm_state == wanted:
            return Outcome(True, _('server %(server)s was %(state)s already')
                           % {'server': instance_id, 'state': wanted})

        def accepted(server):
            return server.vm_state == wanted or server.task_state is not None

        def check(server, looks):
            if server.vm_state == wanted and not server.task_state:
                return Outcome(True)
            return None
        self._act(before, {action: None}, ACTIONS, accepted)
        return self._follow(before, action, POWER_LIMIT, POWER_INTERVAL,
                            should_stop, check,
                            gone_is_fine=action == 'os-stop')

    def wait_for_instance_state(self, server: Server, state: str,
                                retry: int, sleep: float) -> bool:
        """Wait until the vm_state (or status) of a server is ``state``.

        :param retry: how often to look.
        :param sleep: seconds before each look.
        """
        for _attempt in range(retry):
            time.sleep(sleep)
            now = self.find_instance(server.uuid)
            if state.lower() in ((now.vm_state or '').lower(),
                                 (now.status or '').lower()):
                return True
        return False

    def abort_live_migrate(self, instance_id: str, source: str,
                           destination: str | None,
                           retry: int = 240) -> bool:
        """Abort the running live migration of a server.

        :param retry: twice as many seconds are waited for the end.
        :returns: whether the server stayed on ``source``.
        :raises: LiveMigrationFailed when the server is in no sound state.
        """
        for migration in self.get_running_migration(instance_id):
            try:
                self._write('DELETE', f'/servers/{instance_id}/migrations/'
                            f'{migration.id}', MIGRATIONS)
            except exception.NovaClientError as exc:
                # It may have ended meanwhile; what counts is the server.
                LOG.warning('The live migration %(migration)s of server '
                            '%(server)s cannot be aborted: %(reason)s',
                            {'migration': migration.id,
                             'server': instance_id, 'reason': exc})
        server = None
        for _passed in waiting.rounds(2.0 * retry, 2.0, None):
            server = self._peek(instance_id)
            if server and not server.task_state and server.status in (
                    'ACTIVE', 'ERROR'):
                break
        if server is not None and server.status == 'ACTIVE':
            if server.host == source:
                return True
            if server.host == destination:
                return False
        raise exception.LiveMigrationFailed(name=instance_id)

    # Compute services -----------------------------------------------------

    def enable_service_nova_compute(self, hostname: str) -> Outcome:
        """Let the scheduler use a host again.

        :raises: NovaClientError
        """
        return self._set_service(hostname, {'status': 'enabled'})

    def disable_service_nova_compute(
            self, hostname: str, reason: str | None = None) -> Outcome:
        """Keep the scheduler from using a host.

        :param reason: stored in Nova, shown to operators.
        :raises: NovaClientError
        """
        body = {'status': 'disabled'}
        if reason:
            body['disabled_reason'] = reason
        return self._set_service(hostname, body)

    def _set_service(self, hostname, body):
        service = self._service_of(hostname)
        if service is None:
            return Outcome(False, _('there is no nova-compute service on '
                                    'host %s') % hostname)
        try:
            answer = self._write('PUT', f'/os-services/{service.uuid}',
                                 SERVICES, body)
            status = answer['service'].get('status')
        except exception.NovaClientError as exc:
            if not exc.kwargs.get('connection_error'):
                raise
            # Nova may have received it before the connection broke.
            service = self._service_of(hostname)
            status = service and service.status
            if status != body['status']:
                raise
        if status != body['status']:
            return Outcome(False, _(
                'the nova-compute service on host %(host)s is %(status)s '
                'instead of %(wanted)s') % {
                    'host': hostname, 'status': status,
                    'wanted': body['status']})
        return Outcome(True)

    def _service_of(self, hostname):
        for service in self.get_service_list(host=hostname):
            if service.host == hostname:
                return service
        return None

    # Following a server ---------------------------------------------------

    @staticmethod
    def _limits(retry, interval):
        """Return the longest time to wait and the interval, in seconds."""
        if retry is None:
            retry = CONF.nova.migration_max_retries
        if interval is None:
            interval = CONF.nova.migration_interval
        return retry * interval, interval

    def _follow(self, before, what, limit, interval, should_stop, check,
                gone_is_fine=False):
        """Look at a server until ``check`` returns an outcome.

        :param check: called with the server and the :class:`_Looks` taken
            so far; None means to go on.
        """
        looks = _Looks()
        server = before
        try:
            for _passed in waiting.rounds(limit, interval, should_stop):
                try:
                    seen = self._peek(before.uuid)
                except exception.InstanceNotFound:
                    return Outcome(gone_is_fine, _(
                        'server %(server)s was deleted during the %(what)s'
                    ) % {'server': before.uuid, 'what': what})
                if seen is None:
                    continue
                server = seen
                looks.add(server)
                if server.status == 'ERROR' and not server.task_state:
                    return Outcome(False, _(
                        'server %(server)s went into ERROR on host %(host)s '
                        'during the %(what)s%(why)s') % {
                            'server': before.uuid, 'host': server.host,
                            'what': what, 'why': self._why(server)})
                outcome = check(server, looks)
                if outcome is not None:
                    return outcome
        except waiting.Interrupted:
            return Outcome(False, _(
                'Watcher stopped waiting for the %(what)s of server '
                '%(server)s, which goes on in Nova (%(condition)s)') % {
                    'what': what, 'server': before.uuid,
                    'condition': _condition(server)}, interrupted=True)
        return Outcome(False, _(
            'the %(what)s of server %(server)s has not ended after '
            '%(limit)d seconds and goes on in Nova (%(condition)s); see '
            '[nova] migration_max_retries') % {
                'what': what, 'server': before.uuid, 'limit': limit,
                'condition': _condition(server)})

    def _peek(self, instance_id):
        """Return the server, or None while Nova does not answer.

        A move goes on while the API restarts, so this is no reason to give
        up before the time is over.
        """
        try:
            return self.find_instance(instance_id)
        except exception.NovaClientError as exc:
            status = exc.kwargs.get('http_status')
            if status is not None and status < 500:
                raise
            LOG.warning('Server %(server)s cannot be looked at, trying '
                        'again: %(reason)s',
                        {'server': instance_id, 'reason': exc})
            return None

    def _try_migrations(self, instance_id):
        """Return the server's migrations, none when Nova won't tell."""
        try:
            return self.get_migrations(instance_id)
        except exception.NovaClientError as exc:
            LOG.debug('No migration records of server %(server)s: '
                      '%(reason)s',
                      {'server': instance_id, 'reason': exc})
            return []

    def _new_migration(self, instance_id, older):
        for migration in self._try_migrations(instance_id):
            if (migration.id not in older
                    and migration.migration_type == MIGRATION_LIVE):
                return migration
        return None

    def _why(self, server):
        """Return what Nova says about a failure, with a leading colon."""
        text = server.fault or self._action_error(server.uuid)
        return f': {text}' if text else ''

    def _action_error(self, instance_id):
        """Return the error of the server's last action, if it is known."""
        path = f'/servers/{instance_id}/os-instance-actions'
        try:
            actions = self._read(
                path, INSTANCE_ACTIONS)['instanceActions']
            if not actions:
                return None
            newest = max(actions, key=lambda item: item['start_time'])
            events = self._read(
                f"{path}/{newest['request_id']}",
                INSTANCE_ACTIONS)['instanceAction'].get('events') or []
        except (exception.WatcherException, KeyError) as exc:
            LOG.debug('No action records of server %(server)s: %(reason)s',
                      {'server': instance_id, 'reason': exc})
            return None
        for event in sorted(events, key=lambda item: item['start_time'],
                            reverse=True):
            if event.get('result') == 'Error':
                text = event.get('details') or event.get('traceback') or ''
                lines = text.strip().splitlines()
                return lines[-1].strip() if lines else event.get('event')
        return None

    # Requests -------------------------------------------------------------

    def _version(self, wanted):
        """Return the microversion to send: the newest both sides know."""
        offered = self._rest.max_microversion()
        if offered == (0, 0):
            # No version document; the operator vouches for this one.
            return format_version(min(wanted, self._api_version))
        if offered < self._api_version:
            raise exception.NovaClientError(
                reason=_('it offers microversion %(offered)s at most, but '
                         '[nova] api_version asks for %(wanted)s') % {
                             'offered': format_version(offered),
                             'wanted': format_version(self._api_version)})
        return format_version(min(wanted, offered))

    def _read(self, path, version, params=None, missing=None):
        """GET, repeated after connection errors.

        :param missing: exception to raise for HTTP 404.
        """
        for attempt in range(self._http_retries + 1):
            try:
                return self._rest.get(
                    path, params=params,
                    microversion=self._version(version))
            except rest.RequestFailed as exc:
                if (not exc.connection_error
                        or attempt == self._http_retries):
                    raise self._mapped(exc, missing) from exc
                report = LOG.warning if attempt == 0 else LOG.debug
                report('%(reason)s; trying again in %(pause)s seconds',
                       {'reason': exc.reason,
                        'pause': CONF.nova.http_retry_interval})
                time.sleep(CONF.nova.http_retry_interval)
        raise AssertionError('unreachable')

    def _write(self, method, path, version, body=None, missing=None):
        """Send something that changes the cloud, once."""
        try:
            return self._rest.request(
                method, path, json=body,
                microversion=self._version(version))
        except rest.RequestFailed as exc:
            raise self._mapped(exc, missing) from exc

    def _act(self, before, body, version, accepted):
        """POST an action of a server, not repeating it blindly.

        :param accepted: tells from the server whether Nova has received the
            request although the answer was lost.
        """
        path = f'/servers/{before.uuid}/action'
        missing = exception.InstanceNotFound(name=before.uuid)
        for attempt in range(self._http_retries + 1):
            try:
                self._write('POST', path, version, body, missing)
                return
            except exception.NovaClientError as exc:
                repeated_conflict = (
                    attempt > 0 and exc.kwargs.get('http_status') == 409)
                if not (exc.kwargs.get('connection_error')
                        or repeated_conflict):
                    raise
                if not repeated_conflict:
                    time.sleep(CONF.nova.http_retry_interval)
                if accepted(self.find_instance(before.uuid)):
                    LOG.info('Nova has received the request %(action)s for '
                             'server %(server)s although its answer was '
                             'lost', {'action': next(iter(body)),
                                      'server': before.uuid})
                    return
                if repeated_conflict or attempt == self._http_retries:
                    raise

    @staticmethod
    def _mapped(failed, missing):
        if failed.status == 404 and missing is not None:
            return missing
        return exception.NovaClientError(
            reason=failed.reason, http_status=failed.status,
            connection_error=failed.connection_error,
            no_endpoint=failed.no_endpoint)

    def _pages(self, path, key, version, params=None, marker=None, limit=-1,
               call=None) -> Iterator[list[dict[str, Any]]]:
        """Yield the records of a listing page by page.

        Nova says by a link whether there is more, so that the end costs no
        further request; a page may be smaller than asked for.
        """
        left = limit
        while left != 0:
            query = dict(params or {})
            query['limit'] = PAGE_SIZE if left < 0 else min(PAGE_SIZE, left)
            if marker is not None:
                query['marker'] = marker
            if call is None:
                body = self._read(path, version, params=query)
            else:
                body = call(self._read, path, version, params=query)
            records = body[key]
            if not records:
                return
            yield records
            links = body.get(f'{key}_links') or []
            if not any(link.get('rel') == 'next' for link in links):
                return
            marker = records[-1]['id']
            if left > 0:
                left = max(0, left - len(records))


class _Looks:
    """Remembers how a followed server looked."""

    def __init__(self):
        self._idle = 0

    def add(self, server):
        self._idle = 0 if server.task_state else self._idle + 1

    def idle(self) -> int:
        """How many looks in a row have found the server doing nothing."""
        return self._idle
