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
from watcher.decision_engine.model.element import fields


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

    host = fields.String()
    zone = fields.String()
    status = fields.String(default='enabled')
    state = fields.String(default='up')
    volume_type = fields.ListOfStrings()
    uuid = fields.String(default='')
    human_id = fields.String(default='')


class Pool(base.Element):
    """A pool of a backend; ``name`` is ``host@backend#pool``.

    Figures that the driver does not know are unset. Capacities are in GB.
    """

    name = fields.String()
    total_volumes = fields.Figure()
    total_capacity_gb = fields.Figure()
    free_capacity_gb = fields.Figure()
    provisioned_capacity_gb = fields.Figure()
    allocated_capacity_gb = fields.Figure()
    virtual_free = fields.Figure(default=0)
    uuid = fields.String(default='')
    human_id = fields.String(default='')


class Volume(base.Element):
    """A volume; ``host`` is the name of its pool, ``size`` is in GB.

    A volume whose creation failed has no pool.
    """

    size = fields.NonNegativeInteger()
    status = fields.String(default=VolumeState.AVAILABLE.value)
    attachments = fields.ListOfDicts()
    name = fields.String()
    multiattach = fields.Boolean()
    snapshot_id = fields.Uuid(nullable=True)
    project_id = fields.Uuid()
    metadata = fields.Json()
    bootable = fields.Boolean()
    volume_type = fields.String(nullable=True)
    created_at = fields.String()
    host = fields.String(nullable=True)
    uuid = fields.String(default='')
    human_id = fields.String(default='')
