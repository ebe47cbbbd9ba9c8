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
"""Elements of the compute model."""

import enum

from watcher.decision_engine.model.element import base
from watcher.decision_engine.model.element import fields


class ServiceState(enum.Enum):
    """State and status of the service that manages a node."""

    ONLINE = 'up'
    OFFLINE = 'down'
    ENABLED = 'enabled'
    DISABLED = 'disabled'


class InstanceState(enum.Enum):
    """Known vm_states; Nova may report others."""

    ACTIVE = 'active'
    BUILDING = 'building'
    PAUSED = 'paused'
    SUSPENDED = 'suspended'
    STOPPED = 'stopped'
    RESCUED = 'rescued'
    RESIZED = 'resized'
    SHELVED = 'shelved'
    SOFT_DELETED = 'soft-delete'
    DELETED = 'deleted'
    ERROR = 'error'


class ComputeNode(base.Element):
    """A host that runs servers.

    ``hostname`` is the host of the nova-compute service, ``uuid`` that of
    the hypervisor and of its resource provider. Memory is in MB, disk in GB.
    """

    hostname = fields.String()
    status = fields.String(default=ServiceState.ENABLED.value)
    disabled_reason = fields.String(nullable=True)
    state = fields.String(default=ServiceState.ONLINE.value)
    memory = fields.NonNegativeInteger()
    memory_mb_reserved = fields.NonNegativeInteger()
    disk = fields.NonNegativeInteger()
    disk_gb_reserved = fields.NonNegativeInteger()
    vcpus = fields.NonNegativeInteger()
    vcpu_reserved = fields.NonNegativeInteger()
    memory_ratio = fields.NonNegativeFloat()
    vcpu_ratio = fields.NonNegativeFloat()
    disk_ratio = fields.NonNegativeFloat()
    uuid = fields.String()

    @property
    def memory_mb_capacity(self) -> float:
        """MB that the scheduler may give to servers."""
        return (self.memory - self.memory_mb_reserved) * self.memory_ratio

    @property
    def disk_gb_capacity(self) -> float:
        """GB that the scheduler may give to servers."""
        return (self.disk - self.disk_gb_reserved) * self.disk_ratio

    @property
    def vcpu_capacity(self) -> float:
        """Virtual CPUs that the scheduler may give to servers."""
        return (self.vcpus - self.vcpu_reserved) * self.vcpu_ratio


class Instance(base.Element):
    """A server. Memory is in MB, disk in GB on the host's own disks.

    One that is shelved and offloaded, or was never placed, has no host.
    """

    watcher_exclude = fields.Boolean(default=False)
    name = fields.String()
    state = fields.String(default=InstanceState.ACTIVE.value)
    memory = fields.NonNegativeInteger()
    disk = fields.NonNegativeInteger()
    vcpus = fields.NonNegativeInteger()
    metadata = fields.Json()
    project_id = fields.Uuid()
    locked = fields.Boolean(default=False)
    host = fields.String(nullable=True)
    hypervisor_hostname = fields.String(nullable=True)
    created = fields.DateTime()
    pinned_az = fields.String(default='')
    flavor_extra_specs = fields.Json(default={})
    uuid = fields.String()
