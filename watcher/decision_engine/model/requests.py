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
"""What flavors and images make Nova ask of Placement, and what they do not.

Extra specs and image properties say in many ways what a server needs of its
host. :func:`request_of` brings all of them into one form: amounts of resource
classes, traits, and needs that only the compute service itself can judge.
"""

import dataclasses
import re
from collections.abc import Mapping

REQUIRED, FORBIDDEN = 'required', 'forbidden'

#: Resource classes that the capacity of a host covers already.
ORDINARY = frozenset(('VCPU', 'MEMORY_MB', 'DISK_GB'))

PCPU = 'PCPU'

#: Why a server can go only to hosts like its own, when nothing counts it.
TOPOLOGY = 'NUMA cells, pinned CPUs or huge pages'

_TRAIT = re.compile('trait([^:]*):(.+)')
_RESOURCE = re.compile('resources([^:]*):(.+)')
_TRUE = frozenset(('1', 't', 'true', 'on', 'y', 'yes'))

#: Extra spec, image property, value, and the trait that Nova then requires.
_TRAITS = (
    ('hw:tpm_version', 'hw_tpm_version', '1.2',
     'COMPUTE_SECURITY_TPM_1_2'),
    ('hw:tpm_version', 'hw_tpm_version', '2.0',
     'COMPUTE_SECURITY_TPM_2_0'),
    ('hw:tpm_model', 'hw_tpm_model', 'tpm-crb', 'COMPUTE_SECURITY_TPM_CRB'),
    ('hw:tpm_model', 'hw_tpm_model', 'tpm-tis', 'COMPUTE_SECURITY_TPM_TIS'),
    ('os:secure_boot', 'os_secure_boot', REQUIRED,
     'COMPUTE_SECURITY_UEFI_SECURE_BOOT'),
    ('hw:maxphysaddr_mode', 'hw_maxphysaddr_mode', 'passthrough',
     'COMPUTE_ADDRESS_SPACE_PASSTHROUGH'),
    ('hw:maxphysaddr_mode', 'hw_maxphysaddr_mode', 'emulate',
     'COMPUTE_ADDRESS_SPACE_EMULATED'),
    ('hw:pci_numa_affinity_policy', 'hw_pci_numa_affinity_policy', 'socket',
     'COMPUTE_SOCKET_PCI_NUMA_AFFINITY'),
    ('hw:virtio_packed_ring', 'hw_virtio_packed_ring', 'true',
     'COMPUTE_NET_VIRTIO_PACKED'),
    (None, 'hw_firmware_stateless', 'true',
     'COMPUTE_SECURITY_STATELESS_FIRMWARE'),
    ('hw:ephemeral_encryption', 'hw_ephemeral_encryption', 'true',
     'COMPUTE_EPHEMERAL_ENCRYPTION'),
)

#: What makes Nova fit a server into the NUMA cells of its host.
_TOPOLOGY = (('hw:numa_nodes', 'hw_numa_nodes'),
             ('hw:mem_page_size', 'hw_mem_page_size'))


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    """What one resource provider has to give at once.

    :param resources: amounts by class, sorted.
    """

    resources: tuple[tuple[str, float], ...]
    required: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """What a server asks of its host, beside room and of its flavor.

    :param resources: amounts by class, of all groups together, without the
        ordinary classes; any provider of the host may give each of those
        that are in no group.
    :param vcpus: how many vCPUs are not dedicated ones; None: all.
    :param groups: what has to come from one provider each.
    :param apart: whether each group has to come from another one.
    :param required: traits that the host or any part of it has to have.
    :param implied: the same, because of what is not called a trait; Novas
        that are too old do not report all of them.
    :param forbidden: traits that it must not have.
    :param devices: how many it needs of things that only the compute
        service counts, by name.
    :param topology: whether it has to fit into the host's NUMA cells.
    """

    resources: Mapping[str, float] = dataclasses.field(default_factory=dict)
    vcpus: float | None = None
    groups: tuple[Group, ...] = ()
    apart: bool = False
    required: frozenset[str] = frozenset()
    implied: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()
    devices: Mapping[str, int] = dataclasses.field(default_factory=dict)
    topology: bool = False

    @property
    def traits(self) -> frozenset[str]:
        """All traits that have to be known of hosts."""
        return self.required.union(
            self.implied, self.forbidden,
            *(group.forbidden for group in self.groups))

    def portions(self) -> tuple[Group, ...]:
        """Return all that one provider each has to give.

        The most particular one comes first.
        """
        left = dict(self.resources)
        for group in self.groups:
            for name, amount in group.resources:
                left[name] -= amount
        loose = (Group(((name, amount),), forbidden=self.forbidden)
                 for name, amount in left.items() if amount > 0)
        return tuple(sorted(
            (*self.groups, *loose), key=lambda group: (
                -len(group.required), -len(group.resources),
                -max(amount for _name, amount in group.resources))))


#: The request of servers that ask for nothing special.
NOTHING = Request()


def request_of(specs: Mapping[str, str], image: Mapping[str, str],
               vcpus: float,
               aliases: Mapping[str, str] | None = None) -> Request:
    """Return what a flavor and an image ask for.

    :param specs: the extra specs of the flavor.
    :param image: the properties of the image; empty if not known.
    :param vcpus: of the flavor.
    :param aliases: resource classes by the PCI aliases that stand for them.
    """
    read = _Reader(specs, image, vcpus, aliases or {})
    return read.request()


class _Reader:

    def __init__(self, specs, image, vcpus, aliases):
        self._specs, self._image = specs, image
        self._vcpus, self._aliases = vcpus, aliases
        self._resources: dict[str, dict[str, float]] = {}
        self._traits: dict[tuple[str, str], set[str]] = {}
        self._implied: set[str] = set()
        self._devices: dict[str, int] = {}
        self._shared: float | None = None

    def request(self) -> Request:
        for key, value in sorted(self._specs.items()):
            self._read(key, str(value))
        self._read_cpus()
        self._read_memory()
        self._read_tables()
        self._read_devices()
        return self._made()

    def _both(self, spec: str | None, prop: str) -> str:
        """Return a value, that of the flavor if both have one."""
        value = self._specs.get(spec) if spec else None
        return str(value or self._image.get(prop) or '').lower()

    def _amount(self, suffix, name, amount):
        if amount:
            group = self._resources.setdefault(suffix, {})
            group[name] = group.get(name, 0) + amount

    def _trait(self, suffix, trait, kind):
        self._traits.setdefault((suffix, kind), set()).add(trait)

    def _read(self, key, value):
        found = _RESOURCE.fullmatch(key)
        if found and value.isdigit():
            if found[2] not in ORDINARY:
                self._amount(found[1], found[2], int(value))
            return
        found = _TRAIT.fullmatch(key)
        if found and value in (REQUIRED, FORBIDDEN):
            self._trait(found[1], found[2], value)

    def _read_cpus(self):
        policy = self._both('hw:cpu_policy', 'hw_cpu_policy')
        dedicated = {
            'dedicated': self._vcpus,
            'mixed': len(_numbers(
                self._specs.get('hw:cpu_dedicated_mask')
                or self._both('hw:cpu_realtime_mask',
                              'hw_cpu_realtime_mask'), self._vcpus)),
        }.get(policy)
        if dedicated is not None:
            self._shared = self._vcpus - dedicated
            more = (self._specs.get('hw:emulator_threads_policy')
                    == 'isolate')
            if PCPU not in self._resources.get('', {}):
                self._amount('', PCPU, dedicated + more)
            threads = self._both('hw:cpu_thread_policy',
                                 'hw_cpu_thread_policy')
            kind = {'require': REQUIRED, 'isolate': FORBIDDEN}.get(threads)
            if kind == REQUIRED:
                self._implied.add('HW_CPU_HYPERTHREADING')
            elif kind:
                self._trait('', 'HW_CPU_HYPERTHREADING', kind)
        elif PCPU in self._resources.get('', {}):
            self._shared = max(
                0, self._vcpus - self._resources[''][PCPU])

    def _read_memory(self):
        if self._both('hw:mem_encryption', 'hw_mem_encryption') in _TRUE:
            self._amount('', 'MEM_ENCRYPTION_CONTEXT', 1)
        for label in _words(self._specs.get('hw:pmem')):
            self._amount('', 'CUSTOM_PMEM_NAMESPACE_'
                         + re.sub('[^A-Z0-9_]', '_', label.upper()), 1)

    def _read_tables(self):
        for spec, prop, value, trait in _TRAITS:
            given = self._both(spec, prop)
            if given == value or value == 'true' and given in _TRUE:
                self._implied.add(trait)
        if (self._both('hw:tpm_version', 'hw_tpm_version')
                and not self._both('hw:tpm_model', 'hw_tpm_model')):
            self._implied.add('COMPUTE_SECURITY_TPM_TIS')

    def _read_devices(self):
        for word in _words(self._specs.get('pci_passthrough:alias')):
            name, _colon, count = word.partition(':')
            count = int(count) if count.isdigit() else 1
            known = self._aliases.get(name.strip())
            if known is None:
                self._devices[f'PCI devices {name.strip()}'] = count
                continue
            for number in range(count):
                self._amount(f'/{name}/{number}', known, 1)
        profile = self._specs.get('accel:device_profile')
        if profile:
            self._devices[f'devices of the profile {profile}'] = 1
            self._implied.add('COMPUTE_ACCELERATORS')

    def _made(self):
        total: dict[str, float] = {}
        groups = []
        for suffix, resources in self._resources.items():
            for name, amount in resources.items():
                total[name] = total.get(name, 0) + amount
            if suffix:
                groups.append(Group(
                    tuple(sorted(resources.items())),
                    *(frozenset(self._traits.get((suffix, kind), ()))
                      for kind in (REQUIRED, FORBIDDEN))))
        # Whatever part of the host has it; what is forbidden to a group
        # does not concern the host as a whole.
        required = {trait for (_suffix, kind), traits
                    in self._traits.items() if kind == REQUIRED
                    for trait in traits}
        return Request(
            total, self._shared, tuple(groups),
            self._specs.get('group_policy') == 'isolate',
            frozenset(required), frozenset(self._implied),
            frozenset(self._traits.get(('', FORBIDDEN), ())),
            self._devices, self._shared is not None
            or any(self._both(*names) for names in _TOPOLOGY))


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in (text or '').split(',')
            if word.strip()]


def _numbers(mask: str, count: float) -> set[int]:
    """Return the CPUs of a mask such as ``2-5,^3`` or ``^0-1``."""
    wanted: set[int] = set()
    unwanted: set[int] = set()
    for word in _words(mask):
        first, _dash, last = word.lstrip('^').partition('-')
        if not first.isdigit() or last and not last.isdigit():
            continue
        (unwanted if word.startswith('^') else wanted).update(
            range(int(first), int(last or first) + 1))
    if not wanted and unwanted:
        wanted = set(range(int(count)))
    return wanted - unwanted
