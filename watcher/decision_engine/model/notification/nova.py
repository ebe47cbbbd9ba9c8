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
"""Keeps the compute model up to date by Nova's versioned notifications.

Everything that a change needs is taken from the message before the model is
touched, so that a message changes all or nothing. Each costs the same in a
cloud of any size. Nova and Placement are asked about hosts that are new, not
while a message is handled.
"""

import dataclasses
import datetime
import functools
import math
import sys
from collections.abc import Callable
from typing import Any

from oslo_log import log

from watcher.common import exception
from watcher.common import nova_helper
from watcher.decision_engine.model import clocks
from watcher.decision_engine.model import element
from watcher.decision_engine.model import model_root
from watcher.decision_engine.model import scheduling
from watcher.decision_engine.model.notification import base
from watcher.decision_engine.model.notification import filtering
from watcher.decision_engine.model.notification import hosts

LOG = log.getLogger(__name__)

COMPUTE = 'nova-compute'

#: Nova's zone of hosts that no aggregate puts elsewhere.
DEFAULT_ZONE = 'nova'

#: States of a server that is not there any more.
GONE = ('deleted', 'soft-delete')

#: Messages about a server that tell all of it; what they are about has
#: happened.
UPDATES = frozenset(
    ['instance.lock', 'instance.unlock', 'instance.update']
    + [f'instance.{action}.end' for action in (
        'live_migration_force_complete', 'live_migration_post_dest',
        'live_migration_rollback', 'live_migration_rollback_dest', 'pause',
        'power_off', 'power_on', 'reboot', 'rebuild', 'rescue',
        'resize_confirm', 'resize_finish', 'resize_revert', 'restore',
        'resume', 'shelve', 'shelve_offload', 'shutdown', 'suspend',
        'unpause', 'unrescue', 'unshelve')])

#: What is known about a server that is not in the model.
NOTHING = element.Instance()

#: What only some models have.
EXTENDED = frozenset(('flavor_extra_specs',))

#: Seconds without a sign of life after which Nova takes a service for dead.
SERVICE_DOWN_TIME = 60


class MalformedNotification(exception.Invalid):
    """A message lacks what it has to tell."""


def _object(value: Any) -> dict[str, Any]:
    """Return the fields of a versioned object of Nova."""
    return value['nova_object.data']


def _version(payload: dict[str, Any]) -> tuple[int, ...]:
    """Return the version of an object: 1.10 is above 1.9."""
    return tuple(map(int, payload['nova_object.version'].split('.')))


def _shared(text: str | None) -> str:
    """Return a text that exists once, however many servers have it."""
    return sys.intern(str(text or ''))


@dataclasses.dataclass(frozen=True, slots=True)
class _Told:
    """What is common to all messages.

    :ivar when: time of the message for comparisons.
    """

    key: str
    when: datetime.datetime | None

    @property
    def sent_at(self) -> datetime.datetime:
        if self.when is None:
            return datetime.datetime.now(datetime.UTC)
        return self.when - base.SKEW


class NovaNotifications(base.NotificationEndpoint):
    """Takes what Nova tells of servers, services, aggregates and groups."""

    def __init__(self, collector: Any):
        super().__init__(collector)
        self.unknown_hosts = hosts.UnknownHosts(collector)
        # Names of hosts that a message has declared down.
        self._forced_down: set[str] = set()
        self._handlers: dict[str, Callable] = {
            **dict.fromkeys(UPDATES, self._server_updated),
            'instance.create.end': self._server_created,
            'instance.delete.end': self._server_deleted,
            'instance.soft_delete.end': self._server_deleted,
            'service.create': self._service_updated,
            'service.update': self._service_updated,
            'service.delete': self._service_deleted,
            'aggregate.create.end': self._aggregate_changed,
            'aggregate.add_host.end': self._aggregate_changed,
            'aggregate.remove_host.end': self._aggregate_changed,
            'aggregate.update_metadata.end': self._aggregate_changed,
            'aggregate.update_prop.end': self._aggregate_changed,
            'aggregate.delete.end': self._aggregate_deleted,
            'server_group.create': self._group_changed,
            'server_group.add_member': self._group_changed,
            'server_group.delete': self._group_deleted}

    @property
    def filter_rule(self) -> filtering.NotificationFilter:
        """All messages of Nova."""
        return filtering.NotificationFilter(publisher_id=r'^nova-.*')

    def prepare(self, ctxt: dict, publisher_id: str, event_type: str,
                payload: dict, metadata: dict) -> Callable[[], Any] | None:
        """Return what changes the model, None when nothing has to be.

        :raises: MalformedNotification
        """
        handler = self._handlers.get(event_type)
        if handler is None:
            return None
        try:
            data = _object(payload)
            told = _Told(str(data.get('uuid') or ''), base.sent_at(metadata))
            return handler(told, payload, data)
        except (AttributeError, KeyError, NotImplementedError, TypeError,
                ValueError) as exc:
            raise MalformedNotification(message=(
                f'{event_type} from {publisher_id} is not understood: '
                f'{exc!r}')) from exc

    def process_info(self, ctxt: dict, publisher_id: str, event_type: str,
                     payload: dict, metadata: dict) -> None:
        """Change the model."""
        change = self.prepare(ctxt, publisher_id, event_type, payload,
                              metadata)
        if change is not None and self.cluster_data_model:
            change()

    # Servers --------------------------------------------------------------

    def _server_updated(self, told, payload, data):
        if data['state'] == 'building':
            return None
        return self._server_created(told, payload, data)

    def _server_created(self, told, payload, data):
        if data['state'] in GONE:
            return self._server_deleted(told, payload, data)
        fields = self._server_fields(payload, data)
        return functools.partial(
            self._put_server, told, element.Instance(**fields), fields.keys(),
            fields.get('flavor_extra_specs'))

    def _server_fields(self, payload, data):
        flavor = _object(data['flavor'])
        fields = {
            'uuid': data['uuid'],
            'name': data.get('display_name') or '',
            'state': _shared(data['state']).lower(),
            'metadata': data.get('metadata') or {},
            'host': _shared(data['host']),
            'hypervisor_hostname': _shared(data.get('node')),
            'memory': flavor['memory_mb'],
            'vcpus': flavor['vcpus'],
            'disk': _disk(flavor, bool(data.get('image_uuid')))}
        if data.get('tenant_id'):
            fields['project_id'] = _shared(data['tenant_id'])
        if data.get('created_at'):
            fields['created'] = clocks.utc(data['created_at'])
        if _version(payload) > (1, 0) and data.get('locked') is not None:
            fields['locked'] = data['locked']
        if flavor.get('extra_specs') is not None:
            fields['flavor_extra_specs'] = flavor['extra_specs']
        return fields

    def _put_server(self, told, news, names, specs):
        model, host = self.cluster_data_model, news.host
        with model.lock:
            if not model.seen(told.key, told.when):
                return
            if self.unknown_hosts.is_bare_metal(host):
                _drop(model, told.key)
                return
            before = _host_of(model, told.key)
            known = NOTHING
            if told.key in model:
                known = model.get_instance_by_uuid(told.key)
            if not model.extended_attributes_enabled:
                names = names - EXTENDED
            # First where it was: what is free there must not count the new
            # size.
            node = _find_node(model, host, news, known, before)
            if before is not None and before != node:
                model.unmap_instance(told.key, before)
                model.touch(before, told.sent_at)
            model.add_instance(known.with_values_of(news, names))
            _note_wishes(model, told.key, specs, known is NOTHING)
            if node is not None:
                model.map_instance(told.key, node)
                model.touch(node, told.sent_at)
        if host and node is None:
            self.unknown_hosts.want(host, told.key)

    def _server_deleted(self, told, payload, data):
        if not told.key:
            raise KeyError('uuid')
        return functools.partial(self._remove_server, told)

    def _remove_server(self, told):
        model = self.cluster_data_model
        with model.lock:
            if model.seen(told.key, told.when):
                host = _host_of(model, told.key)
                _drop(model, told.key)
                if host is not None:
                    model.touch(host, told.sent_at)

    # Compute services -----------------------------------------------------

    def _service_updated(self, told, payload, data):
        if data['binary'] != COMPUTE:
            return None
        disabled = bool(data['disabled'])
        fields = {
            'status': (element.ServiceState.DISABLED.value if disabled
                       else element.ServiceState.ENABLED.value),
            'disabled_reason': data.get('disabled_reason') if disabled
            else None}
        return functools.partial(
            self._update_service, told, data['host'], fields,
            bool(data['forced_down']), _is_alive(told, data),
            data.get('availability_zone'))

    def _update_service(self, told, name, fields, forced_down, alive, zone):
        model = self.cluster_data_model
        with model.lock:
            if not model.seen(_service_key(name), told.when):
                return
            state = self._state(name, forced_down, alive)
            if state is not None:
                fields = {**fields, 'state': state}
            uuids = model.get_node_uuids_by_name(name)
            for uuid in uuids:
                model.get_node_by_uuid(uuid).update(fields)
                model.touch(uuid, told.sent_at)
            if zone and model.zones is not None and (
                    model.zones.get(name) != zone):
                # Views share the mapping; it is never changed.
                model.zones = {**model.zones, name: zone}
        if not uuids and not self.unknown_hosts.is_bare_metal(name):
            self.unknown_hosts.want(name)

    def _state(self, name, forced_down, alive):
        """Return the state of a service, None when nothing is known.

        Nova tells of what administrators do, not of services that die: that
        one is not forced down does not mean that it is up.
        """
        if forced_down:
            self._forced_down.add(name)
            return element.ServiceState.OFFLINE.value
        if name in self._forced_down or alive:
            self._forced_down.discard(name)
            return element.ServiceState.ONLINE.value
        return None

    def _service_deleted(self, told, payload, data):
        if data['binary'] != COMPUTE:
            return None
        return functools.partial(self._delete_service, told, data['host'])

    def _delete_service(self, told, name):
        model = self.cluster_data_model
        with model.lock:
            if model.seen(_service_key(name), told.when):
                for uuid in model.get_node_uuids_by_name(name):
                    model.remove_node(uuid)

    # Aggregates -----------------------------------------------------------

    def _aggregate_changed(self, told, payload, data):
        metadata = data.get('metadata') or {}
        aggregate = nova_helper.Aggregate(
            id=int(data['id']), name=data['name'],
            availability_zone=metadata.get('availability_zone'),
            hosts=list(data.get('hosts') or ()), metadata=metadata)
        return functools.partial(self._put_aggregate, told, aggregate.id,
                                 aggregate)

    def _aggregate_deleted(self, told, payload, data):
        return functools.partial(self._put_aggregate, told, int(data['id']),
                                 None)

    def _put_aggregate(self, told, ident, aggregate):
        model = self.cluster_data_model
        with model.lock:
            if model.aggregates is None or not model.seen(
                    f'aggregate:{ident}', told.when):
                return
            before = {known.id: known for known in model.aggregates}
            old = before.get(ident)
            if aggregate is None:
                before.pop(ident, None)
            else:
                before[ident] = aggregate
            # Views share these; they are never changed.
            model.aggregates = tuple(before.values())
            if model.zones is not None:
                model.zones = _zones(model, old, aggregate)


    # Server groups --------------------------------------------------------

    def _group_changed(self, told, payload, data):
        # That a server leaves a group, no message tells: it is deleted then,
        # and the group binds only servers that are on some host.
        group = nova_helper.ServerGroup.from_api({**data, 'id': data['uuid']})
        return functools.partial(
            self._put_group, told, scheduling.ServerGroup(
                group.id, group.name, group.policy, group.members,
                group.max_server_per_host))

    def _group_deleted(self, told, payload, data):
        if not told.key:
            raise KeyError('uuid')
        return functools.partial(self._put_group, told, None)

    def _put_group(self, told, group):
        model = self.cluster_data_model
        with model.lock:
            if not model.seen(f'server group:{told.key}', told.when):
                return
            if group is None:
                model.remove_server_group(told.key)
            else:
                model.put_server_group(group)


def _service_key(name: str) -> str:
    # What the model has heard of the service; hosts have a uuid.
    return f'service:{name}'


def _disk(flavor: dict[str, Any], has_image: bool) -> int:
    """Return the GB that a server takes on the disks of its host."""
    root = int(flavor['root_gb']) if has_image else 0
    return (root + int(flavor.get('ephemeral_gb') or 0)
            + math.ceil(int(flavor.get('swap') or 0) / 1024))


def _host_of(model: model_root.ModelRoot, uuid: str) -> str | None:
    """Return the key of the host of a server."""
    try:
        return model.get_node_by_instance_uuid(uuid).uuid
    except exception.ComputeResourceNotFound:
        return None


def _drop(model: model_root.ModelRoot, uuid: str) -> None:
    try:
        model.remove_instance(uuid)
    except exception.InstanceNotFound:
        LOG.debug('Server %s is not in the model any more', uuid)


def _find_node(model, host, news, known, before):
    """Return the key of the host that a message names.

    A service can have several hypervisors; then a server stays on its own.
    """
    uuids = model.get_node_uuids_by_name(host) if host else ()
    if before in uuids and (known.get('hypervisor_hostname')
                            == news.hypervisor_hostname):
        return before
    return uuids[0] if uuids else None


def _is_alive(told: _Told, data: dict[str, Any]) -> bool:
    """Tell whether a service gave a sign of life before the message."""
    seen = data.get('last_seen_up')
    if not seen:
        return False
    return abs((told.sent_at - clocks.utc(seen)).total_seconds()
               ) <= SERVICE_DOWN_TIME


def _zones(model, *changed):
    """Return the zones of hosts after these aggregates have changed."""
    affected = {host for aggregate in changed if aggregate is not None
                for host in aggregate.hosts}
    by_host = {host: aggregate.availability_zone
               for aggregate in model.aggregates
               if aggregate.availability_zone for host in aggregate.hosts}
    return {**model.zones, **{
        host: by_host.get(host, DEFAULT_ZONE) for host in affected
        if host in model.zones}}


def _note_wishes(model, uuid, specs, is_new):
    """Note the extra specs of a server's flavor.

    Where a new server is pinned to, no message tells.
    """
    known = model.get_wishes(uuid)
    pinned = (None if is_new and model.pinned_zones_known
              else known.pinned_az)
    wishes = scheduling.Wishes(
        known.extra_specs if specs is None else dict(specs), pinned,
        known.tags, known.image)
    if wishes != known:
        # Most messages change nothing about them, and servers share them.
        model.set_wishes(uuid, wishes)
