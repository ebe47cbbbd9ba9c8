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
"""What Nova publishes about changes of the simulated cloud."""

from __future__ import annotations

import datetime
from typing import Any

from watcher.sandbox.cloud import state as cloud_state

EXCHANGE = 'nova'
TOPIC = 'versioned_notifications'

#: Host of Nova's API and scheduler.
CONTROLLER = 'controller-1'

#: Publisher id, event type and payload.
Message = tuple[str, str, dict[str, Any]]

#: Payloads of events about servers that are not InstanceActionPayload.
PAYLOADS = {
    'instance.create.end': ('InstanceCreatePayload', '1.13'),
    'instance.create.start': ('InstanceCreatePayload', '1.13'),
    'instance.update': ('InstanceUpdatePayload', '2.1'),
}
ACTION_PAYLOAD = ('InstanceActionPayload', '1.9')

#: Events that the API publishes, not the compute service.
BY_API = ('instance.lock', 'instance.unlock')


def message(event: str, subject: Any) -> Message | None:
    """Return the message of an event of the cloud.

    :param event: as the cloud's listeners are told.
    :returns: None when Nova publishes nothing about it.
    """
    if isinstance(subject, cloud_state.Server):
        name, version = PAYLOADS.get(event, ACTION_PAYLOAD)
        publisher = 'nova-api:' + CONTROLLER
        if subject.host is not None and event not in BY_API:
            publisher = 'nova-compute:' + subject.host.name
        return publisher, event, _object(name, version, _server(
            subject, event))
    if isinstance(subject, cloud_state.Host):
        return 'nova-api:' + CONTROLLER, event, _object(
            'ServiceStatusPayload', '1.1', _service(subject))
    if isinstance(subject, cloud_state.Aggregate):
        return 'nova-api:' + CONTROLLER, event, _object(
            'AggregatePayload', '1.1', {
                'id': subject.id, 'uuid': subject.uuid,
                'name': subject.name, 'hosts': list(subject.hosts),
                'metadata': dict(subject.metadata)})
    if isinstance(subject, cloud_state.ServerGroup):
        return 'nova-api:' + CONTROLLER, event, _object(
            'ServerGroupPayload', '1.1', {
                'uuid': subject.id, 'name': subject.name,
                'user_id': subject.user_id,
                'project_id': subject.project_id,
                'policies': [subject.policy], 'policy': subject.policy,
                'rules': {key: str(value)
                          for key, value in subject.rules.items()},
                'members': list(subject.members), 'hosts': None})
    return None


def _object(name: str, version: str,
            data: dict[str, Any]) -> dict[str, Any]:
    return {'nova_object.name': name, 'nova_object.namespace': 'nova',
            'nova_object.version': version, 'nova_object.data': data}


def _time(moment: datetime.datetime | None) -> str | None:
    return moment.strftime('%Y-%m-%dT%H:%M:%SZ') if moment else None


def _server(server: cloud_state.Server, event: str) -> dict[str, Any]:
    host = server.host
    data = {
        'uuid': server.uuid, 'user_id': server.user_id,
        'tenant_id': server.project_id,
        'reservation_id': 'r-%08x' % server.number,
        'display_name': server.name, 'display_description': server.name,
        'host_name': server.name, 'host': host.name if host else None,
        'node': host.hypervisor_hostname if host else None,
        'os_type': None, 'architecture': 'x86_64',
        'availability_zone': host.zone if host else None,
        'flavor': _object('FlavorPayload', '1.4', _flavor(server.flavor)),
        'image_uuid': server.image_id or '', 'key_name': None,
        'kernel_id': '', 'ramdisk_id': '',
        'created_at': _time(server.created),
        'launched_at': _time(server.launched_at), 'terminated_at': None,
        'deleted_at': _time(server.deleted_at),
        'updated_at': _time(server.updated), 'state': server.vm_state,
        'task_state': server.task_state,
        'power_state': 'running' if server.power_state == 1 else 'shutdown',
        'progress': 0, 'ip_addresses': [], 'block_devices': [],
        'metadata': dict(server.metadata), 'locked': server.locked,
        'locked_reason': server.locked_reason, 'auto_disk_config': 'MANUAL',
        'request_id': None, 'action_initiator_user': server.user_id,
        'action_initiator_project': server.project_id}
    if event == 'instance.update':
        data.update(
            state_update=_object('InstanceStateUpdatePayload', '1.0', {
                'old_state': None, 'state': server.vm_state,
                'old_task_state': None, 'new_task_state': server.task_state}),
            audit_period=_object('AuditPeriodPayload', '1.0', {
                'audit_period_beginning': _time(server.created),
                'audit_period_ending': _time(server.updated)}),
            old_display_name=None, tags=list(server.tags))
    else:
        data['fault'] = None
    return data


def _flavor(flavor: cloud_state.Flavor) -> dict[str, Any]:
    return {'flavorid': flavor.id, 'name': flavor.name,
            'memory_mb': flavor.ram, 'vcpus': flavor.vcpus,
            'root_gb': flavor.disk, 'ephemeral_gb': flavor.ephemeral,
            'swap': flavor.swap, 'rxtx_factor': 1.0, 'vcpu_weight': 0,
            'disabled': False, 'is_public': True, 'projects': None,
            'extra_specs': dict(flavor.extra_specs),
            'description': flavor.description}


def _service(host: cloud_state.Host) -> dict[str, Any]:
    # A dead service was last seen long before.
    seen = cloud_state.utcnow()
    if host.state != 'up':
        seen -= datetime.timedelta(hours=1)
    return {'host': host.name, 'binary': 'nova-compute', 'topic': 'compute',
            'report_count': 1, 'disabled': host.status == 'disabled',
            'disabled_reason': host.disabled_reason,
            'availability_zone': None, 'last_seen_up': _time(seen),
            'forced_down': host.forced_down, 'version': 66,
            'uuid': host.service_uuid}
