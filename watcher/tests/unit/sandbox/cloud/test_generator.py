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
import dataclasses

from watcher.sandbox.cloud import generator
from watcher.sandbox.cloud import keystone
from watcher.sandbox.cloud import state as cloud_state
from watcher.tests import base


def make(**spec):
    made = generator.CloudSpec(**spec)
    state = cloud_state.CloudState()
    identity = keystone.Keystone(list(made.projects))
    generator.Generator(made, state, identity).fill()
    return state


def picture(state):
    """What a cloud looks like, without what was counted or cached."""
    return [(s.uuid, s.name, s.host.name, s.flavor.name, s.vm_state)
            for s in state.servers.values()]


class TestGenerator(base.TestCase):

    def test_equal_seeds_give_equal_clouds(self):
        spec = {'hosts': 5, 'servers': 30}

        self.assertEqual(picture(make(seed=7, **spec)),
                         picture(make(seed=7, **spec)))
        self.assertNotEqual(picture(make(seed=7, **spec)),
                            picture(make(seed=8, **spec)))

    def test_nothing_is_overfull(self):
        state = make(hosts=4, servers=60, vcpus=32, memory_mb=131072,
                     disk_gb=2000)

        for host in state.hosts.values():
            for name, inventory in host.inventory.items():
                self.assertLessEqual(host.used.get(name, 0),
                                     inventory.capacity)

    def test_too_many_servers_are_refused(self):
        error = self.assertRaises(ValueError, make, hosts=1, servers=1000)

        self.assertIn('fits on none of the hosts', str(error))

    def test_wrong_numbers_are_refused(self):
        self.assertRaises(ValueError, generator.CloudSpec, hosts=0)
        self.assertRaises(ValueError, generator.CloudSpec, servers=-1)
        self.assertRaises(ValueError, generator.CloudSpec, flavor='huge')

    def test_zones_and_aggregates(self):
        state = make(hosts=4, servers=0, zones=2, aggregates=2)

        self.assertEqual(['az-1', 'az-2', 'az-1', 'az-2'],
                         [h.zone for h in state.hosts.values()])
        self.assertEqual(4, len(state.aggregates))

    def test_special_servers(self):
        state = make(hosts=3, servers=12, every_stopped=4,
                     every_volume_booted=6, anti_affinity_pairs=2)

        servers = list(state.servers.values())
        self.assertEqual(3, sum(s.vm_state == 'stopped' for s in servers))
        self.assertEqual(2, sum(s.image_id is None for s in servers))
        for group in state.groups.values():
            first, second = (state.servers[m].host for m in group.members)
            self.assertIsNot(first, second)

    def test_placement(self):
        state = make(hosts=3, placement={'compute-2': 5})

        self.assertEqual({'compute-2'}, {
            s.host.name for s in state.servers.values()})

    def test_placement_on_unknown_hosts(self):
        error = self.assertRaises(ValueError, make, hosts=1,
                                  placement={'nowhere': 1})

        self.assertIn('no host nowhere', str(error))

    def test_flavors_are_not_shared_between_clouds(self):
        first, second = make(), make()
        first.flavors['1'].extra_specs['hw:cpu_policy'] = 'dedicated'

        self.assertEqual({}, second.flavors['1'].extra_specs)

    def test_disk_of_a_flavor(self):
        flavor = dataclasses.replace(generator.FLAVORS[1], ephemeral=10,
                                     swap=1025)

        self.assertEqual(32, flavor.resources()['DISK_GB'])
        self.assertEqual(12, flavor.resources(local_root=False)['DISK_GB'])
