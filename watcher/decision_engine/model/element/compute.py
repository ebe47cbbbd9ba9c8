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

    hostname = base.String()
    status = base.String(default=ServiceState.ENABLED.value)
    disabled_reason = base.String(nullable=True)
    state = base.String(default=ServiceState.ONLINE.value)
    memory = base.NonNegativeInteger()
    memory_mb_reserved = base.NonNegativeInteger()
    disk = base.NonNegativeInteger()
    disk_gb_reserved = base.NonNegativeInteger()
    vcpus = base.NonNegativeInteger()
    vcpu_reserved = base.NonNegativeInteger()
    memory_ratio = base.NonNegativeFloat()
    vcpu_ratio = base.NonNegativeFloat()
    disk_ratio = base.NonNegativeFloat()
    uuid = base.String()

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

    watcher_exclude = base.Boolean(default=False)
    name = base.String()
    state = base.String(default=InstanceState.ACTIVE.value)
    memory = base.NonNegativeInteger()
    disk = base.NonNegativeInteger()
    vcpus = base.NonNegativeInteger()
    metadata = base.Json()
    project_id = base.Uuid()
    locked = base.Boolean(default=False)
    host = base.String(nullable=True)
    hypervisor_hostname = base.String(nullable=True)
    created = base.DateTime()
    pinned_az = base.String(default='')
    flavor_extra_specs = base.Json(default={})
    uuid = base.String()
