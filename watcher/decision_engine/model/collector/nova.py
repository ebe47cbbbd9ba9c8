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
"""Builds the compute model from Nova and Placement.

Hypervisors and servers are read in pages across the whole cloud, so that the
number of requests grows with the pages and not with the servers. Only the
inventories have to be asked of Placement for each host; that happens in a
few threads at the same time.
"""

import collections
import datetime
import math
import sys
from typing import Any

from oslo_config import cfg
from oslo_log import log

from watcher._i18n import _
from watcher.common import exception
from watcher.common import nova_helper
from watcher.common import placement_helper
from watcher.decision_engine.model import clocks
from watcher.decision_engine.model import element
from watcher.decision_engine.model import model_root
from watcher.decision_engine.model import requests
from watcher.decision_engine.model import scheduling
from watcher.decision_engine.model.collector import base
from watcher.decision_engine.model.collector import inventories
from watcher.decision_engine.model.collector import last_known
from watcher.decision_engine.model.collector import rules
from watcher.decision_engine.model.notification import nova as notified
from watcher.decision_engine.scope import compute as compute_scope
from watcher.decision_engine.scope import schemas

LOG = log.getLogger(__name__)
CONF = cfg.CONF

#: Resource classes and the fields of a host that they fill: total,
#: reserved, allocation ratio.
RESOURCE_CLASSES = {
    'VCPU': ('vcpus', 'vcpu_reserved', 'vcpu_ratio'),
    'MEMORY_MB': ('memory', 'memory_mb_reserved', 'memory_ratio'),
    'DISK_GB': ('disk', 'disk_gb_reserved', 'disk_ratio'),
}

#: How many names a log line lists before it only counts.
MAX_NAMED = 20


class NovaClusterDataModelCollector(base.BaseClusterDataModelCollector):
    """Keeps the compute model."""

    name = 'compute'

    SCHEMA = schemas.COMPUTE

    LIMITS = (*base.BaseClusterDataModelCollector.LIMITS,
              'compute_resources_collector_timeout')

    # For clouds whose notifications do not arrive.
    freshness = 5.0
    notified_freshness = 300.0

    MAX_AGE_HELP = """
Seconds that the compute model may be old when an audit asks for it and no
notifications of Nova arrive. An older one is read anew first; audits that
start together share one reading. On a large cloud, where a reading takes
longer than you want audits to wait, have Nova publish notifications, or raise
it: audits then may plan with servers that have moved or gone meanwhile, and
actions on these fail with an explanation.
"""

    def __init__(self, config: Any, osc: Any = None):
        super().__init__(config, osc)
        self.notified_freshness = (config or {}).get(
            'max_age_notified', self.notified_freshness)
        self._endpoint = notified.NovaNotifications(self)

    @classmethod
    def get_config_opts(cls) -> list[cfg.Opt]:
        """Return the options of the collector."""
        return [
            *super().get_config_opts(),
            cfg.FloatOpt(
                'max_age_notified',
                default=cls.notified_freshness,
                min=0,
                help="""
The same while notifications of Nova arrive, that is, when the last came at
most so many seconds ago. They keep the model up to date; what they do not
tell (a compute service that died, a changed inventory or metadata) is seen
after so many seconds. With 0 notifications never spare a reading.
"""),
        ]

    @property
    def age_limit(self) -> float | None:
        """Seconds that the model may be old when an audit asks for it."""
        told = self.told_ago
        if (self.freshness is None or told is None
                or told > self.notified_freshness):
            return self.freshness
        return max(self.freshness, self.notified_freshness)

    @property
    def notification_endpoints(self) -> list:
        """Endpoints that keep the model up to date between builds."""
        return [self._endpoint]

    def read_host(self, name: str) -> model_root.ModelRoot:
        """Return a model of one compute service and the servers on it.

        :raises: ComputeNodeNotFound, NovaClientError, PlacementClientError,
            AuthorizationFailure
        """
        return self._builder().read_host(name)

    def get_audit_scope_handler(
            self, audit_scope: list | None) -> compute_scope.ComputeScope:
        """Return the handler of an audit's scope."""
        return compute_scope.ComputeScope(audit_scope, self.config)

    def execute(self) -> model_root.ModelRoot:
        """Read the whole compute service.

        :raises: NovaClientError, PlacementClientError, AuthorizationFailure
        """
        return self._builder().execute()

    def _builder(self):
        before = self.current_model
        # Notifications go on changing the model itself.
        return NovaModelBuilder(self.osc, self.last_known,
                                before and self._copy(before))


class NovaModelBuilder(base.BaseModelBuilder):
    """Reads Nova and Placement once.

    :param osc: the :class:`~watcher.common.clients.OpenStackClients` to use.
    :param known: inventories that were read before, by uuid of the host; it
        learns those that are read now.
    :param before: the model that this one will replace.
    """

    def __init__(self, osc: Any = None,
                 known: last_known.LastKnown | None = None,
                 before: model_root.ModelRoot | None = None):
        self.osc = osc
        # call_retry does what the helper would do, for all errors.
        self.set_up(nova_helper.NovaHelper(osc=osc, http_retries=0),
                    placement_helper.PlacementHelper(osc=osc),
                    known, before)

    def set_up(self, nova: nova_helper.NovaHelper,
               placement: placement_helper.PlacementHelper,
               known: last_known.LastKnown | None = None,
               before: model_root.ModelRoot | None = None) -> None:
        """Begin an empty model that these two describe."""
        self.nova_helper = nova
        self.placement_helper = placement
        self.model = model_root.ModelRoot()
        self._known = last_known.LastKnown() if known is None else known
        self._before = before
        self._pinned_az = nova.is_pinned_az_available()
        self._rules = rules.RulesReader(self.model, before, self.call_retry)
        self._nova_disks: list[str] = []
        self._absent: dict[str, str] = {}
        self._kept: set[tuple[str, str]] = set()

    @property
    def time_limit(self) -> float:
        """Seconds after which a failing call is not repeated any more."""
        return CONF.collector.compute_resources_collector_timeout

    def call_retry_reset(self, exc: Exception) -> None:
        """Do nothing: the shared connection repairs itself."""

    def execute(self,
                model_scope: list | None = None) -> model_root.ModelRoot:
        """Build and return the model of the whole cloud.

        Hosts that Placement does not describe keep the capacity that was
        read last. Those of which it was never read are left out with their
        servers. Both are logged and stand in ``incomplete_nodes``.

        :param model_scope: not looked at; scopes are views of one model.
        :raises: NovaClientError, PlacementClientError, AuthorizationFailure
        """
        self.model.built_at = datetime.datetime.now(datetime.UTC)
        self._read_groups()
        hypervisors = self._read_hypervisors()
        known = self._add_nodes(hypervisors)
        self._add_instances(known)
        self._rules.read_traits(self.placement_helper)
        self._rules.read_offers(self.placement_helper)
        self._known.keep({*hypervisors, *self._absent, *self._kept})
        LOG.info('Read %(nodes)d compute nodes and %(servers)d servers',
                 {'nodes': len(self.model.get_all_compute_nodes()),
                  'servers': (len(self.model)
                              - len(self.model.get_all_compute_nodes()))})
        return self.model

    def read_host(self, name: str) -> model_root.ModelRoot:
        """Return a model of one compute service and the servers on it.

        :raises: ComputeNodeNotFound, NovaClientError, PlacementClientError,
            AuthorizationFailure
        """
        self.model.built_at = datetime.datetime.now(datetime.UTC)
        node = self.nova_helper.get_compute_node_by_hostname(name)
        if node.is_ironic:
            return self.model
        known = self._add_nodes({node.uuid: node})
        if node.uuid in self.model:
            self._add_instances(known, filters={'host': name})
        return self.model

    def _read_groups(self):
        """Read aggregates and zones, so that scopes need no requests."""
        self.model.aggregates = tuple(
            self.call_retry(self.nova_helper.get_aggregate_list))
        services = self.call_retry(self.nova_helper.get_service_list)
        self.model.zones = {service.host: service.zone
                            for service in services}
        self._rules.read_groups(self.nova_helper)

    # Hosts ----------------------------------------------------------------

    def _read_hypervisors(self):
        """Return all hypervisors that run servers, by uuid."""
        hypervisors = {}
        for page in self.nova_helper.hypervisor_pages(call=self.call_retry):
            for record in page:
                node = nova_helper.Hypervisor.from_api(record)
                if node.is_ironic:
                    continue
                if not node.service_host:
                    self._leave_out(node.uuid, _('Nova names no service'))
                    continue
                hypervisors[node.uuid] = node
        return hypervisors

    def _add_nodes(self, hypervisors):
        """Add hosts with what Placement knows.

        :returns: uuid by the names under which servers may name a host
        """
        self.model.inventories = {}
        readings = inventories.read(
            self.placement_helper, hypervisors, self._known,
            self.call_retry, self.model.built_at)
        names = _Names()
        for uuid, node in hypervisors.items():
            self._add_node(node, readings[uuid])
            names.add(node, uuid in self.model)
        self.model.absent = self._absent
        self._report_left_out()
        return names

    def _add_node(self, node, reading):
        if reading.inventories is None:
            self._leave_out(node.uuid, reading.problem, node.service_host)
            return
        fields = {}
        for name, (total, reserved, ratio) in RESOURCE_CLASSES.items():
            inventory = reading.inventories.get(name)
            if inventory is None and name == 'VCPU':
                # All its CPUs are dedicated ones.
                inventory = reading.inventories[requests.PCPU]
                self.model.units.setdefault(name, {})[node.uuid] = (
                    scheduling.NONE_OF_IT)
            elif inventory is None:
                # Disks on a shared provider; what Nova sees is the best
                # that is known about them.
                self._nova_disks.append(node.service_host)
                inventory = _as_inventory(node.local_gb)
            fields[total] = inventory.total
            fields[reserved] = inventory.reserved
            fields[ratio] = inventory.allocation_ratio
        self.model.add_node(element.ComputeNode(
            uuid=node.uuid, hostname=sys.intern(node.service_host),
            status=node.status, state=node.state,
            disabled_reason=node.service_disabled_reason, **fields))
        self._add_further(node.uuid, reading.inventories)
        reason = reading.problem and f'{node.service_host}: {reading.problem}'
        self.model.touch(node.uuid, self.model.built_at, clocks.BUILD,
                         reason, reading.read_at)

    def _add_further(self, uuid, offered):
        """Note what a host offers of further resource classes.

        And in which amounts it gives any of them, if that is special.
        """
        for name, inventory in offered.items():
            # What a server may take of the ordinary ones is limited by the
            # size of the host, which its element has.
            most = inventory.total
            if name not in RESOURCE_CLASSES:
                most = ((inventory.total - inventory.reserved)
                        * inventory.allocation_ratio)
                self.model.inventories.setdefault(name, {})[uuid] = most
            if (inventory.max_unit < most or inventory.min_unit > 1
                    or inventory.step_size > 1):
                self.model.units.setdefault(name, {})[uuid] = (
                    scheduling.Units(inventory.min_unit, inventory.max_unit,
                                     inventory.step_size))

    def _leave_out(self, uuid, reason, host=None):
        self._absent[uuid] = host or uuid
        self.model.incomplete_nodes[uuid] = (
            f'{host}: {reason}' if host else reason)

    def _report_left_out(self):
        if self._nova_disks:
            LOG.warning('Placement has no inventory of DISK_GB for '
                        '%(count)d compute nodes; the disk size that Nova '
                        'reports is used for them: %(named)s',
                        {'count': len(self._nova_disks),
                         'named': ', '.join(self._nova_disks[:MAX_NAMED])})
        if not self._absent:
            return
        named = '; '.join(f'{uuid}: {self.model.incomplete_nodes[uuid]}'
                          for uuid in list(self._absent)[:MAX_NAMED])
        LOG.error('%(count)d compute nodes are left out of the model with '
                  'their servers because their capacity is not known. '
                  'Audits neither use nor change them. %(named)s',
                  {'count': len(self._absent), 'named': named})

    # Servers --------------------------------------------------------------

    def _add_instances(self, names, **query):
        skipped = []
        for page in self.nova_helper.server_pages(
                call=self.call_retry, **query):
            for record in page:
                if not self._add_instance(record, names):
                    skipped.append(record.get('id'))
        if skipped:
            self._take_from_before(skipped)

    def _take_from_before(self, skipped):
        """Have servers that Nova names, but does not describe, as before.

        Their hosts have to be judged by the age of that. A host whose cell
        is down is not listed any more.
        """
        LOG.warning('Nova does not describe %(count)d servers completely (is '
                    'a cell down?). They are in the model as they were '
                    'before, if at all: %(named)s',
                    {'count': len(skipped),
                     'named': ', '.join(map(str, skipped[:MAX_NAMED]))})
        hosts = collections.defaultdict(list)
        for uuid in skipped:
            hosts[self._host_before(uuid)].append(uuid)
        unknown = hosts.pop(None, ())
        for (host, name), uuids in hosts.items():
            self._keep_servers(host, name, uuids)
        self.model.absent = self._absent
        if unknown:
            self.model.gaps += (
                _('Nova does not describe %d servers (is a cell down?), and '
                  'on which hosts they are is not known') % len(unknown),)

    def _host_before(self, server):
        """Return the key and name of the host on which a server was."""
        key = ('host of', server)
        if self._before and server in self._before:
            try:
                node = self._before.get_node_by_instance_uuid(server)
            except exception.InstanceNotMapped:
                return None
            # For later, when the host is no part of the model any more.
            self._known.note(key, (node.uuid, node.hostname),
                             self.model.built_at)
        known = self._known.get(key)
        if known is None:
            return None
        self._kept.add(key)
        return known[0]

    def _keep_servers(self, host, name, servers):
        reason = _('Nova does not describe %d of its servers (is a cell '
                   'down?)') % len(servers)
        if host not in self.model:
            self._leave_out(host, reason, name)
            return
        read_at = []
        for model in (self._before, self.model):
            known = model.freshness.get(host)
            read_at.append(known and known.read_at)
        for uuid in servers:
            if uuid in self._before:
                self.model.add_instance(
                    self._before.get_instance_by_uuid(uuid))
                self.model.map_instance(uuid, host)
                self._rules.keep(uuid)
        self.model.forget(host)
        self.model.touch(
            host, self.model.built_at, clocks.BUILD, f'{name}: {reason}',
            None if None in read_at else min(read_at))

    def _add_instance(self, record, names):
        """Add a server from Nova's record.

        The pages are no snapshot: a server that moves meanwhile may come
        twice, then the last record counts.

        :returns: whether the record was complete.
        """
        flavor = record.get('flavor')
        state = record.get('OS-EXT-STS:vm_state')
        if not flavor or state is None or 'vcpus' not in flavor:
            return False
        uuid = record['id']
        if state == 'deleted':
            return True
        host = record.get('OS-EXT-SRV-ATTR:host')
        hypervisor = record.get('OS-EXT-SRV-ATTR:hypervisor_hostname')
        node = names.find(host, hypervisor)
        if node is None and host:
            # On a bare metal node, or on a host that was left out.
            return True
        if uuid in self.model:
            self.model.remove_instance(uuid)
        self.model.add_instance(self._instance(
            record, uuid, state, flavor, host, hypervisor))
        self._rules.note(uuid, record)
        if node is not None:
            self.model.map_instance(uuid, node)
        return True

    def _instance(self, record, uuid, state, flavor, host, hypervisor):
        fields = {}
        if self.model.extended_attributes_enabled:
            fields['flavor_extra_specs'] = flavor.get('extra_specs') or {}
            if self._pinned_az:
                fields['pinned_az'] = (
                    record.get('pinned_availability_zone') or '')
        # Texts that many servers share exist once; Nova's types are known,
        # so no field has to be checked.
        return element.Instance.trusted(
            uuid=uuid, name=record.get('name') or '',
            state=sys.intern(state),
            memory=flavor['ram'], vcpus=flavor['vcpus'],
            disk=local_disk(flavor, bool(record.get('image'))),
            metadata=record.get('metadata') or {},
            project_id=sys.intern(record['tenant_id']),
            locked=bool(record.get('locked')),
            created=datetime.datetime.fromisoformat(record['created']),
            host=sys.intern(host or ''),
            hypervisor_hostname=sys.intern(hypervisor or ''), **fields)


def _as_inventory(total: int | None) -> placement_helper.Inventory:
    """Return an inventory of a size that only Nova knows."""
    return placement_helper.Inventory.from_api({'total': total or 0})


def local_disk(flavor: dict[str, Any], has_image: bool) -> int:
    """Return the GB that a server takes on the disks of its host.

    :param flavor: root disk and ephemeral in GB, swap in MB.
    :param has_image: whether the root disk is not a volume.
    """
    swap_mb = int(flavor.get('swap') or 0)
    root = int(flavor.get('disk') or 0) if has_image else 0
    return (root + int(flavor.get('ephemeral') or 0)
            + math.ceil(swap_mb / 1024))


class _Names:
    """Finds the host of a server.

    One compute service may manage several hypervisors (then the pair
    counts), and records of servers may lack the hypervisor's name.
    """

    def __init__(self):
        self._pairs = {}
        self._hosts = {}

    def add(self, node, usable):
        uuid = node.uuid if usable else None
        self._pairs[node.service_host, node.hypervisor_hostname] = uuid
        self._hosts.setdefault(node.service_host, []).append(uuid)

    def find(self, host, hypervisor):
        """Return the uuid of the node, None when it is not in the model."""
        try:
            return self._pairs[host, hypervisor]
        except KeyError:
            uuids = self._hosts.get(host, ())
            return uuids[0] if len(uuids) == 1 else None
