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
"""What Ironic publishes about its nodes: versioned notifications.

They go to the exchange ``ironic`` with the topic
``ironic_versioned_notifications``.
"""

from __future__ import annotations

from typing import Any

from watcher.sandbox.cloud import machines as cloud_machines

EXCHANGE = 'ironic'
TOPIC = 'ironic_versioned_notifications'

#: Action to the name of its payload and to the service that publishes it.
ACTIONS = {
    'create': ('NodeCRUDPayload', 'api'),
    'update': ('NodeCRUDPayload', 'api'),
    'delete': ('NodeCRUDPayload', 'api'),
    'maintenance_set': ('NodePayload', 'api'),
    'power_set': ('NodeSetPowerStatePayload', 'conductor'),
    'power_state_corrected': ('NodeCorrectedPowerStatePayload', 'conductor'),
    'provision_set': ('NodeSetProvisionStatePayload', 'conductor'),
}
VERSION = '1.16'
HOST = 'controller-1'

#: Fields of a node that notifications tell as they are.
FIELDS = (
    'uuid', 'name', 'driver', 'resource_class', 'power_state',
    'target_power_state', 'provision_state', 'target_provision_state',
    'maintenance', 'maintenance_reason', 'fault', 'last_error',
    'instance_uuid')


#: Publisher id, event type and payload.
Message = tuple[str, str, dict[str, Any]]


def message(event: str, subject: Any) -> Message | None:
    """Return the message of an event of the cloud.

    The payload is a copy: the node may change while it is on its way.

    :param event: as the cloud's listeners are told.
    :returns: None when Ironic publishes nothing about it. Failures, which it
        publishes with the priority ``error``, are left out.
    """
    if not isinstance(subject, cloud_machines.NodeEvent):
        return None
    action, status = event.split('.')[-2:]
    if status == 'error':
        return None
    payload, service = ACTIONS[action]
    node = subject.node
    data = {name: getattr(node, name) for name in FIELDS}
    data.update(
        extra=dict(node.extra), properties={}, clean_step={},
        console_enabled=False, created_at=node.created.isoformat(),
        updated_at=node.updated.isoformat(), **subject.details)
    return 'ironic-%s.%s' % (service, HOST), event, {
        'ironic_object.namespace': 'ironic', 'ironic_object.name': payload,
        'ironic_object.version': VERSION, 'ironic_object.data': data}
