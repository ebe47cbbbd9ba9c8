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
"""The simulated Ironic, seen by the client that real clouds have."""

from openstack import exceptions

from watcher.tests import base
from watcher.tests.fixtures import cloud as cloud_fixture


class TestIronic(base.TestCase):

    def setUp(self):
        super().setUp()
        self.cloud = self.useFixture(cloud_fixture.SandboxCloud(
            hosts=2, servers=0, bare_metal=True, spare_nodes=1))
        self.sdk = self.cloud.connect().baremetal
        self.node = self.cloud.machines.find('spare-1')

    def test_lists(self):
        self.assertEqual(
            ['node-compute-1', 'node-compute-2', 'spare-1'],
            [node.name for node in self.sdk.nodes()])
        self.cloud.machines.max_limit = 1
        self.assertEqual(3, len(list(self.sdk.nodes(details=True))))

    def test_filters(self):
        self.sdk.set_node_maintenance(self.node.uuid, 'disk')
        self.assertEqual(['spare-1'], [
            node.name for node in self.sdk.nodes(maintenance=True)])
        self.assertEqual(['node-compute-1', 'node-compute-2'], [
            node.name for node in self.sdk.nodes(provision_state='active')])

    def test_fields(self):
        node, *_others = self.sdk.nodes(fields=['uuid', 'extra'])
        self.assertIn('compute_node_id', node.extra)
        self.assertIsNone(node.power_state)

    def test_power(self):
        self.sdk.set_node_power_state(self.node.uuid, 'power on', wait=True,
                                      timeout=base.PATIENCE)
        self.assertEqual('power on',
                         self.sdk.get_node(self.node.uuid).power_state)

    def test_states_that_do_not_exist(self):
        self.assertRaises(
            exceptions.BadRequestException, self.sdk.set_node_power_state,
            self.node.uuid, 'upside down')
        self.assertRaises(
            exceptions.NotFoundException, self.sdk.get_node, 'no-such-node')

    def test_node_of_an_instance_is_not_deleted(self):
        self.sdk.patch_node(self.node.uuid, [
            {'op': 'add', 'path': '/instance_uuid', 'value': 'i1'}])
        self.assertRaises(exceptions.ConflictException,
                          self.sdk.delete_node, self.node.uuid)

    def test_users_may_not_look(self):
        sdk = self.cloud.connect('demo', 'demo').baremetal
        self.assertRaises(exceptions.ForbiddenException,
                          lambda: list(sdk.nodes()))
