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
"""Tests of what parts of hosts offer, and of what nobody can count."""

from watcher.common.nova import records
from watcher.decision_engine.model import scheduling
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import destinations
from watcher.decision_engine.strategy.common import settings
from watcher.tests import base
from watcher.tests.fixtures import models

GPU = {'resources:VGPU': '1'}
PINNED = {'hw:cpu_policy': 'dedicated'}


def part(name, free, *traits):
    return scheduling.Offer(name, free, frozenset(traits))


class FilterTestCase(base.TestCase):
    """A cloud of the hosts A, B and C with two servers on the first."""

    FILTERS: tuple[str, ...] = ()

    def setUp(self):
        super().setUp()
        self.model = models.cloud({
            models.node('A'): [models.instance('a'), models.instance('b')],
            models.node('B'): [], models.node('C'): []})

    def wish(self, specs=None, image=None, servers='ab'):
        for name in servers:
            self.model.set_wishes(models.uuid(name), scheduling.Wishes(
                specs or {}, image=image or {}))

    def offer(self, resource_class, **hosts):
        self.model.offers = {
            **(self.model.offers or {}),
            resource_class: {models.uuid(name): parts
                             for name, parts in hosts.items()}}

    def rules(self):
        return destinations.DestinationRules(
            cluster.ClusterState.from_model(self.model),
            settings.Settings(destination_filters=self.FILTERS))

    def allows(self, rules, server, *hosts):
        self.assertEqual(list(hosts), rules.select(server))
        for host in range(3):
            self.assertEqual(host in hosts, rules.allows(server, host), host)


class TestParts(FilterTestCase):

    FILTERS = ('resource_classes',)

    def test_free_parts(self):
        self.wish(GPU)
        self.offer('VGPU', A=(part('a1', 1),), B=(part('b1', 0),),
                   C=(part('c1', 1), part('c2', 3)))
        rules = self.rules()
        self.allows(rules, 0, 2)
        self.assertEqual('host-B has too little VGPU: 1 needed, 0 free',
                         rules.why_not(0, 1))

    def test_one_part_gives_all_of_a_class(self):
        self.wish({'resources:VGPU': '2'})
        self.offer('VGPU', B=(part('b1', 1), part('b2', 1)),
                   C=(part('c1', 2),))
        self.allows(self.rules(), 0, 2)

    def test_planned_moves_count(self):
        self.wish(GPU)
        self.offer('VGPU', B=(part('b1', 1),))
        rules = self.rules()
        self.allows(rules, 1, 1)
        rules.state.move(0, 1)
        self.allows(rules, 1)
        self.assertIsNone(rules.why_not_stay(0))
        rules.state.undo()
        self.allows(rules, 1, 1)
        # Who goes on gives the part back that the plan gave him.
        rules.state.move(0, 1)
        rules.state.move(0, 0)
        self.allows(rules, 1, 1)

    def test_what_servers_leave_is_not_counted(self):
        # Placement says what is free; of which part it would be, nobody
        # knows.
        self.model.add_instance(models.instance('c'))
        self.model.map_instance(models.uuid('c'), models.uuid('C'))
        self.wish(GPU, servers='abc')
        self.offer('VGPU', A=(part('a1', 0),), B=(part('b1', 1),))
        rules = self.rules()
        rules.state.move(0, 1)
        self.allows(rules, 2)
        # It is still its own as long as the plan is not carried out.
        self.allows(rules, 0, 0)

    def test_nobody_has_any(self):
        self.wish(GPU)
        self.offer('VGPU')
        rules = self.rules()
        self.allows(rules, 0)
        self.assertIsNone(rules.why_not_stay(0))

    def test_a_provider_that_hosts_share(self):
        self.wish({'resources:CUSTOM_POOL': '1'})
        shared = part('pool', 1)
        self.offer('CUSTOM_POOL', A=(shared,), B=(shared,), C=(shared,))
        rules = self.rules()
        self.allows(rules, 0, 1, 2)
        rules.state.move(0, 1)
        self.allows(rules, 1)

    def test_traits_of_a_part(self):
        self.wish({'resources1:VGPU': '1', 'trait1:CUSTOM_BIG': 'required'})
        self.offer('VGPU', B=(part('b1', 9), part('b2', 0, 'CUSTOM_BIG')),
                   C=(part('c1', 1, 'CUSTOM_BIG'),))
        rules = self.rules()
        self.allows(rules, 0, 2)
        self.assertEqual(
            'no part of host-B has 1 VGPU with CUSTOM_BIG free',
            rules.why_not(0, 1))

    def test_forbidden_trait_of_a_part(self):
        self.wish({'resources1:VGPU': '1', 'trait1:CUSTOM_OLD': 'forbidden'})
        self.offer('VGPU', B=(part('b1', 1, 'CUSTOM_OLD'),),
                   C=(part('c1', 1, 'CUSTOM_OLD'), part('c2', 1)))
        self.allows(self.rules(), 0, 2)

    def test_a_group_comes_from_one_part(self):
        self.wish({'resources1:CUSTOM_X': '1', 'resources1:CUSTOM_Y': '1'})
        self.offer('CUSTOM_X', B=(part('b1', 1),), C=(part('c1', 1),))
        self.offer('CUSTOM_Y', B=(part('b2', 1),), C=(part('c1', 1),))
        self.allows(self.rules(), 0, 2)

    def test_groups_from_different_parts(self):
        specs = {'resources1:VGPU': '1', 'resources2:VGPU': '1'}
        self.offer('VGPU', B=(part('b1', 2),),
                   C=(part('c1', 1), part('c2', 1)))
        self.wish(specs, servers='a')
        self.wish({**specs, 'group_policy': 'isolate'}, servers='b')
        rules = self.rules()
        self.allows(rules, 0, 1, 2)
        self.allows(rules, 1, 2)

    def test_the_particular_group_is_served_first(self):
        self.wish({'resources1:VGPU': '1', 'resources2:VGPU': '1',
                   'trait2:CUSTOM_BIG': 'required'})
        self.offer('VGPU', B=(part('b1', 1, 'CUSTOM_BIG'), part('b2', 1)))
        self.allows(self.rules(), 0, 1)

    def test_hosts_and_parts_together(self):
        self.wish({**GPU, 'resources:CUSTOM_X': '1'})
        self.model.inventories = {'CUSTOM_X': dict.fromkeys(
            map(models.uuid, 'AB'), 2.0)}
        self.offer('CUSTOM_X')
        self.offer('VGPU', B=(part('b1', 1),), C=(part('c1', 1),))
        self.allows(self.rules(), 0, 1)

    def test_a_move_by_force(self):
        self.wish(GPU)
        self.offer('VGPU', B=(part('b1', 1),))
        rules = self.rules()
        rules.state.move(0, 2)
        self.assertIsNotNone(rules.why_not_stay(0))
        self.allows(rules, 1, 1)
        rules.state.undo()
        self.allows(rules, 0, 1)


class TestDedicatedCpus(FilterTestCase):

    FILTERS = ('resource_classes',)

    def dedicate(self, **counts):
        self.model.inventories = {'PCPU': {
            models.uuid(name): float(count)
            for name, count in counts.items()}}

    def test_both_kinds_on_one_host(self):
        # 16 vCPUs and as many dedicated ones.
        self.wish(PINNED, servers='a')
        self.dedicate(A=4, B=4)
        state = self.rules().state
        self.assertEqual({0: 16.0, 1: 16.0}, dict(state.mixed))
        self.assertEqual([20, 20, 16], state.capacity[:, 0].tolist())
        self.assertEqual(16, state.hosts[0].free.vcpus)

    def test_those_who_share_do_not_get_dedicated_ones(self):
        self.model = models.cloud({
            models.node('A'): [models.instance('a', vcpus=4),
                               models.instance('b', vcpus=4)],
            models.node('B', vcpus=2): [], models.node('C', vcpus=4): []})
        self.wish(PINNED, servers='a')
        self.dedicate(A=8, B=8, C=2)
        rules = self.rules()
        self.allows(rules, 0, 1)
        self.allows(rules, 1, 2)
        self.assertEqual('host-B has too little VCPU beside its dedicated '
                         'CPUs: 4 needed, 2 free', rules.why_not(1, 1))
        rules.state.move(1, 2)
        self.assertIsNone(rules.why_not_stay(1))
        rules.state.move(0, 1)
        rules.state.move(1, 0)
        self.allows(rules, 1, 2)

    def test_hosts_without_other_cpus(self):
        self.wish(PINNED, servers='a')
        self.dedicate(A=16, B=16)
        self.model.units = {'VCPU': {
            models.uuid('B'): scheduling.NONE_OF_IT}}
        rules = self.rules()
        self.allows(rules, 0, 1)
        self.allows(rules, 1, 2)
        self.assertEqual({0: 16.0}, dict(rules.state.mixed))


class TestAlikeHosts(FilterTestCase):

    FILTERS = ('alike_hosts',)

    def aggregate(self, metadata, *hosts):
        self.model.aggregates = (records.Aggregate(
            id=1, name='one', availability_zone=None, hosts=list(hosts),
            metadata=metadata),)

    def cloud(self, **fields):
        self.model = models.cloud({
            models.node('A', memory=100000): [models.instance('a')],
            models.node('B', **{'memory': 100000, **fields}): [],
            models.node('C', memory=99000): []})

    def test_other_machines(self):
        for fields in ({'memory': 120000}, {'vcpus': 32}):
            self.cloud(**fields)
            self.wish({'hw:mem_page_size': 'large'}, servers='a')
            rules = self.rules()
            self.allows(rules, 0, 2)
            self.assertEqual(
                'nobody tells whether host-B has what it needs (NUMA cells, '
                'pinned CPUs or huge pages), and it is not like host-A',
                rules.why_not(0, 1))

    def test_other_numbers_of_dedicated_cpus(self):
        self.wish({}, {'hw_cpu_policy': 'dedicated'})
        self.model.inventories = {'PCPU': {
            models.uuid('A'): 8.0, models.uuid('B'): 8.0}}
        self.allows(self.rules(), 0, 1)

    def test_other_aggregates(self):
        self.wish({'hw:numa_nodes': '2'})
        self.aggregate({'pinned': 'true'}, 'host-A', 'host-C')
        self.allows(self.rules(), 0, 2)
        self.aggregate({'availability_zone': 'north'}, 'host-A', 'host-C')
        self.allows(self.rules(), 0, 1, 2)

    def test_ordinary_servers(self):
        self.cloud(memory=120000)
        self.wish({'hw:cpu_policy': 'shared'}, servers='a')
        self.allows(self.rules(), 0, 1, 2)

    def test_as_many_devices_as_have_been_seen(self):
        self.wish({'pci_passthrough:alias': 'gpu:1'})
        rules = self.rules()
        self.allows(rules, 0, 1, 2)
        rules.state.move(0, 1)
        rules.state.move(1, 1)
        self.assertIsNone(rules.why_not_stay(1))
        self.allows(rules, 0, 0, 2)
        self.model.add_instance(models.instance('c'))
        self.model.map_instance(models.uuid('c'), models.uuid('B'))
        self.wish({'pci_passthrough:alias': 'gpu:2'}, servers='c')
        rules = self.rules()
        self.allows(rules, 0, 2)
        self.assertEqual(
            'nobody tells how many PCI devices gpu host-B has; 2 are in use, '
            'and no host like it has more than 2', rules.why_not(0, 1))

    def test_devices_that_placement_counts(self):
        self.config('compute_model', pci_aliases={'gpu': 'CUSTOM_GPU'})
        self.cloud(memory=120000)
        self.wish({'pci_passthrough:alias': 'gpu:1'}, servers='a')
        self.allows(self.rules(), 0, 1, 2)


class TestImages(FilterTestCase):

    FILTERS = ('aggregate_image', 'isolated_aggregates', 'traits')

    def aggregate(self, metadata, *hosts):
        self.model.aggregates = (records.Aggregate(
            id=1, name='one', availability_zone=None, hosts=list(hosts),
            metadata=metadata),)

    def test_aggregates_for_some_images(self):
        self.wish({}, {'os_distro': 'centos'}, servers='a')
        self.aggregate({'os_distro': 'windows,dos'}, 'host-B')
        rules = self.rules()
        self.allows(rules, 0, 2)
        # Nova, too, refuses only images that have the property.
        self.allows(rules, 1, 1, 2)
        self.assertEqual('host-B is kept for images with os_distro=dos, '
                         'windows and its image has centos',
                         rules.why_not(0, 1))

    def test_aggregates_for_some_traits(self):
        self.wish({'trait:CUSTOM_LICENSED': 'required'}, servers='a')
        self.model.traits = {'CUSTOM_LICENSED': frozenset(
            map(models.uuid, 'ABC'))}
        self.aggregate({'trait:CUSTOM_LICENSED': 'required'}, 'host-B')
        rules = self.rules()
        self.allows(rules, 0, 1, 2)
        self.allows(rules, 1, 2)
        self.assertEqual('host-B is kept for servers that require '
                         'CUSTOM_LICENSED', rules.why_not(1, 1))

    def test_what_images_imply(self):
        self.wish({}, {'hw_tpm_version': '2.0'}, servers='a')
        self.model.traits = {
            'COMPUTE_SECURITY_TPM_2_0': frozenset((models.uuid('C'),)),
            # This Nova does not know it.
            'COMPUTE_SECURITY_TPM_TIS': frozenset()}
        rules = self.rules()
        self.allows(rules, 0, 2)
        self.assertEqual('COMPUTE_SECURITY_TPM_2_0 is required, and host-B '
                         'has not that trait', rules.why_not(0, 1))
