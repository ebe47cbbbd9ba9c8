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
"""What Cinder publishes about volumes and pools: notifications of old.

They go to the default exchange, ``openstack``, with the topic
``notifications``.
"""

from __future__ import annotations

from typing import Any

from watcher.sandbox.cloud import state as cloud_state
from watcher.sandbox.cloud import volumes as cloud_volumes

EXCHANGE = 'openstack'
TOPIC = 'notifications'

#: Members of a capacity message and what they are for the driver.
FIGURES = {'total': 'total_capacity_gb', 'free': 'free_capacity_gb',
           'allocated': 'allocated_capacity_gb',
           'provisioned': 'provisioned_capacity_gb'}

#: Publisher id, event type and payload.
Message = tuple[str, str, dict[str, Any]]


def message(event: str, subject: Any) -> Message | None:
    """Return the message of an event of the cloud.

    :param event: as the cloud's listeners are told.
    :returns: None when Cinder publishes nothing about it.
    """
    if isinstance(subject, cloud_volumes.Pool):
        told = subject.capabilities()
        if not all(isinstance(told.get(name), int | float)
                   for name in FIGURES.values()):
            return None
        return 'capacity.scheduler-1', event, _capacity(subject.name, told)
    if not isinstance(subject, cloud_volumes.Volume):
        return None
    host = subject.pool.backend.host if subject.pool else 'api-1'
    return 'volume.' + host, event, _usage(subject)


def _capacity(name: str, told: dict[str, Any]) -> dict[str, Any]:
    figures = {key: float(told[figure]) for key, figure in FIGURES.items()}
    return {'type': 'pool', 'name_to_id': name, **figures,
            'virtual_free': figures['free'],
            'reported_at': cloud_state.utcnow().isoformat()}


def _usage(volume: cloud_volumes.Volume) -> dict[str, Any]:
    usage = {
        'tenant_id': volume.project_id, 'user_id': volume.user_id,
        'host': volume.pool.name if volume.pool else None,
        'availability_zone': volume.pool.backend.zone if volume.pool
        else cloud_state.DEFAULT_ZONE,
        'volume_id': volume.id, 'volume_type': volume.type.id,
        'display_name': volume.name, 'status': volume.status,
        'snapshot_id': volume.snapshot_id, 'size': volume.size,
        'launched_at': volume.created.isoformat(),
        'created_at': volume.created.strftime('%Y-%m-%dT%H:%M:%S.%f'),
        'replication_status': None, 'replication_extended_status': None,
        'replication_driver_data': None,
        'metadata': [{'key': key, 'value': value, 'volume_id': volume.id}
                     for key, value in volume.metadata.items()],
        'volume_attachment': [
            {'id': one['attachment_id'], 'volume_id': volume.id,
             'instance_uuid': one['server_id'], 'mountpoint': one['device'],
             'attached_host': one['host_name']}
            for one in volume.attachments]}
    if volume.bootable:
        usage['glance_metadata'] = []
    return usage
