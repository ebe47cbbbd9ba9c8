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
"""Action plans that switch nodes of a simulated cloud, over HTTP."""

from watcher.tests.functional.applier import base

BEFORE, DURING = ('Action failed in pre_condition: ',
                  'Action failed in execute: ')


class TestPower(base.ActionTestCase):

    spec = {'bare_metal': True, 'spare_nodes': 1}

    def setUp(self):
        super().setUp()
        self.nodes = {node.name: node
                      for node in self.cloud.machines.nodes.values()}
        self.node = self.nodes['node-compute-2']

    def switch(self, state, node=None):
        return 'change_node_power_state', {
            'resource_id': (node or self.node).uuid, 'state': state,
            'resource_name': 'compute-2'}

    def test_off_and_on(self):
        self.assertSucceeds(self.switch('off'))
        self.assertEqual('power off', self.node.power_state)
        self.assertSkipped(self.switch('off'), self.node.uuid,
                           'already switched off')
        self.assertSucceeds(self.switch('on'))
        self.assertEqual('power on', self.node.power_state)

    def test_nodes_that_may_have_servers_stay_on(self):
        busy, spare = self.nodes['node-compute-1'], self.nodes['spare-1']
        with self.cloud.state.lock:
            spare.power_state = 'power on'
        self.assertFails(self.switch('off', busy), BEFORE, 'servers (3:',
                         'compute-1')
        self.assertFails(self.switch('off', spare), BEFORE,
                         'compute_node_id')
        with self.cloud.state.lock:
            self.node.extra = {'compute_node_id': self.node.uuid}
        self.assertFails(self.switch('off'), BEFORE, 'was not found')
        self.assertEqual(
            {'power on'},
            {node.power_state for node in self.nodes.values()})

    def test_maintenance_and_missing_nodes(self):
        with self.cloud.state.lock:
            self.cloud.machines.set_maintenance(
                self.node, True, 'new fans')
        self.assertFails(self.switch('off'), BEFORE, 'maintenance',
                         'new fans')
        with self.cloud.state.lock:
            self.cloud.machines.delete(self.node)
        self.assertSkipped(self.switch('off'), self.node.uuid)

    def test_a_broken_controller(self):
        with self.cloud.state.lock:
            self.node.bmc = 'error'
        self.assertFails(self.switch('off'), DURING, self.node.uuid, 'IPMI')
        self.assertEqual('power on', self.node.power_state)

    def test_ironic_down(self):
        self.cloud.faults.service_down('baremetal')
        self.assertFails(self.switch('off'), BEFORE, 'Ironic')
