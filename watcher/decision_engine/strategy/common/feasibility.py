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
"""The rules that every strategy asks before it plans a move.

May this instance be touched, how can it be moved, may this host receive
instances, does it fit? Strategies differ in what they want; what is possible
is the same for all of them and decided only here. Each refusal comes with its
reason in words.

Everything here is pure: no I/O, no clock, no randomness. Units: vCPUs, memory
in MB, disk in GB.
"""

import dataclasses
import operator
from collections.abc import Iterable

from watcher._i18n import _
from watcher.common import exception
from watcher.decision_engine.model import element
from watcher.decision_engine.model import scheduling

MIGRATE_LIVE = 'live'
MIGRATE_COLD = 'cold'

ACTIVE = element.InstanceState.ACTIVE.value
PAUSED = element.InstanceState.PAUSED.value
STOPPED = element.InstanceState.STOPPED.value

# What Nova accepts: the compute API refuses every other state.
LIVE_MIGRATABLE = frozenset((ACTIVE, PAUSED))
COLD_MIGRATABLE = frozenset((ACTIVE, STOPPED))


class InfeasiblePlan(exception.WatcherException):
    """What the audit asks for cannot be done on this cloud."""

    msg_fmt = _('%(node)s cannot be emptied: %(reason)s.')


@dataclasses.dataclass(frozen=True, slots=True)
class Resources:
    """Amounts of what hosts offer and instances take.

    A disk of None means that the disk is not accounted for (hosts that
    report no local disk because they use shared storage).
    """

    vcpus: float = 0
    memory: float = 0
    disk: float | None = 0

    def __add__(self, other: 'Resources') -> 'Resources':
        return Resources(self.vcpus + other.vcpus,
                         self.memory + other.memory,
                         _both(self.disk, other.disk, 1))

    def __sub__(self, other: 'Resources') -> 'Resources':
        return Resources(self.vcpus - other.vcpus,
                         self.memory - other.memory,
                         _both(self.disk, other.disk, -1))

    def shortage(self, wanted: 'Resources') -> str | None:
        """Return in words what is missing for ``wanted``, None if nothing.
        """
        missing = []
        for name, unit, free, needed in (
                ('vCPU', '', self.vcpus, wanted.vcpus),
                ('memory', ' MB', self.memory, wanted.memory),
                ('disk', ' GB', self.disk, wanted.disk)):
            if free is None or needed is None or needed <= max(free, 0):
                continue
            missing.append(f'{name}: {needed:g}{unit} needed, '
                           f'{max(free, 0):g}{unit} free')
        return '; '.join(missing) or None

    def fits(self, wanted: 'Resources') -> bool:
        """Tell whether ``wanted`` can be taken from these amounts."""
        return self.shortage(wanted) is None


def _both(left: float | None, right: float | None,
          sign: int) -> float | None:
    if left is None or right is None:
        return None
    return left + sign * right


@dataclasses.dataclass(frozen=True, slots=True)
class Server:
    """What the rules need to know of an instance."""

    uuid: str
    name: str
    state: str
    resources: Resources
    excluded: bool = False
    locked: bool = False
    project: str = ''

    @property
    def label(self) -> str:
        return f'{self.name} ({self.uuid})' if self.name else self.uuid


@dataclasses.dataclass(frozen=True)
class Host:
    """What the rules need to know of a compute node.

    ``free`` may be negative on an overcommitted host.
    """

    uuid: str
    hostname: str
    state: str
    status: str
    disabled_reason: str | None
    free: Resources

    @property
    def up(self) -> bool:
        return self.state == element.ServiceState.ONLINE.value

    @property
    def enabled(self) -> bool:
        return self.status == element.ServiceState.ENABLED.value


#: The fields that :func:`server_of` takes.
SERVER_FIELDS = ('uuid', 'name', 'state', 'vcpus', 'memory', 'disk',
                 'watcher_exclude', 'locked', 'project_id')

#: Takes vCPUs, memory and disk out of these values.
SIZES = operator.itemgetter(3, 4, 5)


def server_from(instance: element.Instance) -> Server:
    """Read what the rules need from a model element."""
    return server_of(*(_get(instance, name) for name in SERVER_FIELDS))


def server_of(uuid, name, state, vcpus, memory, disk, excluded, locked,
              project) -> Server:
    """Make it of the values of :data:`SERVER_FIELDS`."""
    return Server(uuid, name or '', state,
                  Resources(vcpus or 0, memory or 0, disk or 0),
                  bool(excluded), bool(locked), project or '')


def host_from(node: element.ComputeNode, model) -> Host:
    """Read what the rules need from a model element and its model."""
    free = model.get_node_free_resources(node)
    return Host(
        uuid=node.uuid,
        hostname=node.hostname,
        state=node.state,
        status=node.status,
        disabled_reason=_get(node, 'disabled_reason'),
        free=Resources(vcpus=free['vcpu']
                       + scheduling.dedicated_cpus(model, node.uuid),
                       memory=free['memory'],
                       disk=free['disk'] if node.disk else None))


def _get(obj, name):
    # A field that was never set is as good as an empty one here.
    return obj.get(name, None)


# The rules ----------------------------------------------------------------

def why_not_touch(server: Server) -> str | None:
    """Return why the instance must be left alone, None if it need not be."""
    if server.excluded:
        return 'it is excluded by the scope of the audit'
    return None


def live_migratable(server: Server) -> bool:
    return server.state in LIVE_MIGRATABLE


def cold_migratable(server: Server) -> bool:
    return server.state in COLD_MIGRATABLE


def why_no_destination(host: Host) -> str | None:
    """Return why the scheduler places nothing on this host, None if it does.

    A host that somebody disabled is never a destination by itself, whatever
    the reason was.
    """
    if not host.up:
        return f'the compute service of {host.hostname} is {host.state}'
    if not host.enabled:
        reason = host.disabled_reason or 'no reason given'
        return f'{host.hostname} is disabled ({reason})'
    return None


def why_not_fit(server: Server, host: Host) -> str | None:
    """Return what the host lacks for the instance, None if nothing."""
    shortage = host.free.shortage(server.resources)
    return shortage and f'{host.hostname} has too little {shortage}'


def total(servers: Iterable[Server]) -> Resources:
    """Sum up what the instances take."""
    amount = Resources()
    for server in servers:
        amount += server.resources
    return amount


def room(hosts: Iterable[Host]) -> Resources:
    """Sum up what is free; overcommitted resources count as zero."""
    amount = Resources()
    for host in hosts:
        free = host.free
        amount += Resources(
            max(free.vcpus, 0), max(free.memory, 0),
            None if free.disk is None else max(free.disk, 0))
    return amount


def why_impossible(servers: Iterable[Server],
                   hosts: Iterable[Host]) -> str | None:
    """Return why no scheduler can place all these instances on these hosts.

    None means only that it cannot be ruled out: each instance has a host
    with room for it and the sums are sufficient. Hosts that are no
    destination are left out of account.
    """
    servers = list(servers)
    hosts = [host for host in hosts if why_no_destination(host) is None]
    if not servers:
        return None
    if not hosts:
        return 'there is no other compute node that is up and enabled'
    for server in servers:
        if not any(host.free.fits(server.resources) for host in hosts):
            return (f'the instance {server.label} fits on none of '
                    f'{len(hosts)} enabled compute nodes '
                    f'({_nearest_miss(server, hosts)})')
    shortage = room(hosts).shortage(total(servers))
    return shortage and (
        f'{len(hosts)} enabled compute nodes together have too little '
        f'{shortage}')


def _nearest_miss(server: Server, hosts: list[Host]) -> str:
    roomiest = max(hosts, key=lambda host: (
        host.free.vcpus, host.free.memory, host.hostname))
    return why_not_fit(server, roomiest)
