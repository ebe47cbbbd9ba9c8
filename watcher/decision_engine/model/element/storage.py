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
"""Elements of the storage model."""

import enum

from watcher.decision_engine.model.element import base


class VolumeState(enum.Enum):
    """Known statuses of volumes; Cinder may report others."""

    CREATING = 'creating'
    AVAILABLE = 'available'
    ATTACHING = 'attaching'
    IN_USE = 'in-use'
    DELETING = 'deleting'
    ERROR = 'error'
    ERROR_DELETING = 'error_deleting'
    BACKING_UP = 'backing-up'
    RESTORING_BACKUP = 'restoring-backup'
    ERROR_RESTORING = 'error_restoring'
    ERROR_EXTENDING = 'error_extending'


class StorageNode(base.Element):
    """A storage backend; ``host`` is ``host@backend``."""

    host = base.String()
    zone = base.String()
    status = base.String(default='enabled')
    state = base.String(default='up')
    volume_type = base.ListOfStrings()
    uuid = base.String(default='')
    human_id = base.String(default='')


class Pool(base.Element):
    """A pool of a backend; ``name`` is ``host@backend#pool``.

    Figures that the driver does not know are unset. Capacities are in GB.
    """

    name = base.String()
    total_volumes = base.Figure()
    total_capacity_gb = base.Figure()
    free_capacity_gb = base.Figure()
    provisioned_capacity_gb = base.Figure()
    allocated_capacity_gb = base.Figure()
    virtual_free = base.Figure(default=0)
    uuid = base.String(default='')
    human_id = base.String(default='')


class Volume(base.Element):
    """A volume; ``host`` is the name of its pool, ``size`` is in GB.

    A volume whose creation failed has no pool.
    """

    size = base.NonNegativeInteger()
    status = base.String(default=VolumeState.AVAILABLE.value)
    attachments = base.ListOfDicts()
    name = base.String()
    multiattach = base.Boolean()
    snapshot_id = base.Uuid(nullable=True)
    project_id = base.Uuid()
    metadata = base.Json()
    bootable = base.Boolean()
    volume_type = base.String(nullable=True)
    created_at = base.String()
    host = base.String(nullable=True)
    uuid = base.String(default='')
    human_id = base.String(default='')
