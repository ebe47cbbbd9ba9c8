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
"""What Cinder would publish about changes of the simulated storage."""

from __future__ import annotations

from typing import Any

from watcher.sandbox.cloud import state as cloud_state
from watcher.sandbox.cloud import volumes as cloud_volumes

#: Publisher id, event type and payload.
Message = tuple[str, str, dict[str, Any]]


def message(event: str, subject: Any) -> Message | None:
    """Return the message of an event of the cloud.

    :param event: as the cloud's listeners are told.
    :returns: None when Cinder publishes nothing about it.
    """
    if isinstance(subject, cloud_volumes.Pool):
        return 'capacity.scheduler-1', event, _capacity(subject)
    if not isinstance(subject, cloud_volumes.Volume):
        return None
    host = subject.pool.backend.host if subject.pool else 'api-1'
    return 'volume.' + host, event, _usage(subject)


def _capacity(pool: cloud_volumes.Pool) -> dict[str, Any]:
    told = pool.capabilities()
    free = float(told['free_capacity_gb'])
    return {'type': 'pool', 'name_to_id': pool.name,
            'total': float(told['total_capacity_gb']), 'free': free,
            'allocated': float(told['allocated_capacity_gb']),
            'provisioned': float(told['provisioned_capacity_gb']),
            'virtual_free': free,
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
