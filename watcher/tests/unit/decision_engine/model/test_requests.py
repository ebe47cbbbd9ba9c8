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
"""Tests of what flavors and images ask for."""

from watcher.decision_engine.model import requests
from watcher.decision_engine.model import scheduling
from watcher.tests import base


def ask(specs=None, image=None, vcpus=4, **aliases):
    return requests.request_of(specs or {}, image or {}, vcpus, aliases)


class TestRequests(base.TestCase):

    def test_nothing_special(self):
        self.assertEqual(requests.NOTHING, ask(
            {'quota:disk_read_iops': '100', 'hw:cpu_policy': 'shared',
             'resources:VCPU': '8', 'resources:CUSTOM_X': '0',
             'resources:CUSTOM_Y': 'many', 'trait:CUSTOM_E': 'maybe',
             'hw:trait': 'required'}, {'hw_disk_bus': 'virtio'}))

    def test_traits(self):
        found = ask({
            'trait:CUSTOM_A': 'required', 'trait:CUSTOM_B': 'forbidden',
            'trait1:CUSTOM_C': 'required', 'trait1:CUSTOM_D': 'forbidden'})
        self.assertEqual({'CUSTOM_A', 'CUSTOM_C'}, found.required)
        self.assertEqual({'CUSTOM_B'}, found.forbidden)

    def test_groups(self):
        found = ask({
            'resources:VGPU': '1', 'resources_NET:CUSTOM_X': '2',
            'resources_NET:CUSTOM_Y': '1', 'trait_NET:CUSTOM_RED': 'required',
            'trait_NET:CUSTOM_OLD': 'forbidden', 'group_policy': 'isolate'})
        group = requests.Group(
            (('CUSTOM_X', 2), ('CUSTOM_Y', 1)), frozenset(('CUSTOM_RED',)),
            frozenset(('CUSTOM_OLD',)))
        self.assertEqual((group,), found.groups)
        self.assertTrue(found.apart)
        self.assertEqual((group, requests.Group((('VGPU', 1),))),
                         found.portions())
        self.assertEqual({'VGPU': 1, 'CUSTOM_X': 2, 'CUSTOM_Y': 1},
                         found.resources)
        # Who has them has to be known, to be avoided.
        self.assertEqual({'CUSTOM_RED', 'CUSTOM_OLD'}, found.traits)

    def test_one_class_in_and_outside_of_groups(self):
        found = ask({'resources:VGPU': '1', 'resources1:VGPU': '2'})
        self.assertEqual([2, 1], [group.resources[0][1]
                                  for group in found.portions()])
        self.assertEqual({'VGPU': 3}, found.resources)

    def test_dedicated_cpus(self):
        for specs, image in (({'hw:cpu_policy': 'dedicated'}, {}),
                             ({}, {'hw_cpu_policy': 'dedicated'})):
            found = ask(specs, image)
            self.assertEqual(({'PCPU': 4}, 0, True),
                             (found.resources, found.vcpus, found.topology))
        self.assertEqual({'PCPU': 5}, ask(
            {'hw:cpu_policy': 'dedicated',
             'hw:emulator_threads_policy': 'isolate'}).resources)

    def test_cpus_named_as_resources(self):
        found = ask({'resources:PCPU': '3'})
        self.assertEqual(({'PCPU': 3}, 1), (found.resources, found.vcpus))
        self.assertEqual({'PCPU': 2}, ask(
            {'resources:PCPU': '2', 'hw:cpu_policy': 'dedicated'}).resources)

    def test_mixed_cpus(self):
        for mask, dedicated in (('0-1', 2), ('0-2,^1', 2), ('^0', 3),
                                ('3', 1), ('0,1,2', 3), ('a-b', 0)):
            found = ask({'hw:cpu_policy': 'mixed',
                         'hw:cpu_dedicated_mask': mask})
            self.assertEqual((dedicated, 4 - dedicated), (
                found.resources.get('PCPU', 0), found.vcpus), mask)
        self.assertEqual({'PCPU': 3}, ask(
            {'hw:cpu_policy': 'mixed', 'hw:cpu_realtime_mask': '^0'}
        ).resources)

    def test_threads(self):
        for policy, kind in (('require', 'implied'),
                             ('isolate', 'forbidden')):
            found = ask({'hw:cpu_policy': 'dedicated'},
                        {'hw_cpu_thread_policy': policy})
            self.assertEqual({'HW_CPU_HYPERTHREADING'}, getattr(found, kind))

    def test_topology(self):
        for specs, image in (({'hw:numa_nodes': '2'}, {}),
                             ({'hw:mem_page_size': 'large'}, {}),
                             ({}, {'hw_mem_page_size': '1GB'}),
                             ({}, {'hw_numa_nodes': '1'})):
            self.assertTrue(ask(specs, image).topology)

    def test_implied_traits(self):
        for specs, image, trait in (
                ({'hw:tpm_version': '2.0'}, {}, 'COMPUTE_SECURITY_TPM_2_0'),
                ({}, {'hw_tpm_version': '1.2'}, 'COMPUTE_SECURITY_TPM_1_2'),
                ({'hw:tpm_version': '2.0'}, {}, 'COMPUTE_SECURITY_TPM_TIS'),
                ({'hw:tpm_version': '2.0', 'hw:tpm_model': 'tpm-crb'}, {},
                 'COMPUTE_SECURITY_TPM_CRB'),
                ({'os:secure_boot': 'required'}, {},
                 'COMPUTE_SECURITY_UEFI_SECURE_BOOT'),
                ({}, {'hw_firmware_stateless': 'True'},
                 'COMPUTE_SECURITY_STATELESS_FIRMWARE'),
                ({}, {'hw_virtio_packed_ring': 'yes'},
                 'COMPUTE_NET_VIRTIO_PACKED'),
                ({'accel:device_profile': 'fpga'}, {},
                 'COMPUTE_ACCELERATORS')):
            self.assertIn(trait, ask(specs, image).implied)
        self.assertNotIn('COMPUTE_SECURITY_TPM_TIS', ask(
            {'hw:tpm_version': '2.0', 'hw:tpm_model': 'tpm-crb'}).implied)

    def test_memory_of_a_kind(self):
        self.assertEqual(
            {'MEM_ENCRYPTION_CONTEXT': 1, 'CUSTOM_PMEM_NAMESPACE_6GB': 2,
             'CUSTOM_PMEM_NAMESPACE_A_B': 1},
            ask({'hw:pmem': '6GB, 6GB, a-b'},
                {'hw_mem_encryption': 'true'}).resources)

    def test_devices(self):
        specs = {'pci_passthrough:alias': 'gpu:2,nic',
                 'accel:device_profile': 'fpga'}
        self.assertEqual(
            {'PCI devices gpu': 2, 'PCI devices nic': 1,
             'devices of the profile fpga': 1}, ask(specs).devices)
        found = ask(specs, gpu='CUSTOM_PCI_10DE_20B0')
        self.assertEqual({'CUSTOM_PCI_10DE_20B0': 2}, found.resources)
        # Each may come from another part of the host.
        self.assertEqual([1, 1], [group.resources[0][1]
                                  for group in found.groups])
        self.assertNotIn('PCI devices gpu', found.devices)


class TestWishes(base.TestCase):

    def test_properties_that_concern_hosts(self):
        self.assertEqual({'hw_cpu_policy': 'dedicated', 'os_distro': 'x',
                          'img_hv_type': 'kvm'}, scheduling.image_wishes({
                              'hw_cpu_policy': 'dedicated', 'os_distro': 'x',
                              'img_hv_type': 'kvm', 'min_ram': '0',
                              'base_image_ref': 'abc'}))
        self.assertEqual({}, scheduling.image_wishes(None))

    def test_aliases_are_configured(self):
        self.config('compute_model', pci_aliases={'gpu': 'CUSTOM_GPU'})
        wishes = scheduling.Wishes({'pci_passthrough:alias': 'gpu:1'})
        self.assertEqual({'CUSTOM_GPU': 1}, wishes.request(1).resources)

    def test_register(self):
        register = scheduling.Register()
        image = {'hw_cpu_policy': 'dedicated', 'hw_tpm_version': '2.0'}
        one = register.wishes({'resources:VGPU': '1'}, '', (), image)
        self.assertIs(one, register.wishes({'resources:VGPU': '1'}, '', (),
                                           dict(image)))
        self.assertEqual(['PCPU', 'VGPU'], register.classes())
        self.assertEqual(['COMPUTE_SECURITY_TPM_2_0',
                          'COMPUTE_SECURITY_TPM_TIS'], register.traits())
