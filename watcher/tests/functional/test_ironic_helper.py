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
"""Reading and switching bare metal nodes of a simulated cloud over HTTP."""

import threading

from watcher.common import clients
from watcher.common import exception
from watcher.common import ironic_helper
from watcher.tests import base
from watcher.tests.functional import cloud


class IronicHelperTestCase(cloud.CloudTestCase):

    SPEC = {'hosts': 3, 'servers': 0, 'bare_metal': True, 'spare_nodes': 2}

    def setUp(self):
        super().setUp()
        self.ironic = ironic_helper.IronicHelper()
        self.machines = self.cloud.machines
        self.node = self.machines.find('node-compute-1')


class TestReading(IronicHelperTestCase):

    def test_list(self):
        nodes = self.ironic.get_ironic_node_list()
        self.assertEqual(
            [host.uuid for host in self.cloud.state.hosts.values()]
            + [None, None], [node.compute_node_id for node in nodes])
        self.assertEqual(['GET /v1/nodes/detail'], [
            path for path in self.paths('baremetal') if 'nodes' in path])

    def test_pages_as_short_as_ironic_likes(self):
        self.machines.max_limit = 2
        nodes = self.ironic.get_ironic_node_list()
        self.assertEqual(list(self.machines.nodes),
                         [node.uuid for node in nodes])
        self.assertEqual(3, self.paths('baremetal').count(
            'GET /v1/nodes/detail'))

    def test_one(self):
        found = self.ironic.get_ironic_node_by_uuid(self.node.uuid)
        self.assertEqual(('node-compute-1', 'power on', 'active'),
                         (found.name, found.power_state,
                          found.provision_state))

    def test_unknown(self):
        self.assertRaises(
            exception.IronicNodeNotFound,
            self.ironic.get_ironic_node_by_uuid, 'no-such-node')

    def test_microversion(self):
        self.ironic.get_ironic_node_by_uuid(self.node.uuid)
        request = self.cloud.requests(service='baremetal')[-1]
        self.assertEqual('1.42', request['version'])

    def test_lost_connections(self):
        self.cloud.faults.add(service='baremetal', path='nodes', drop=True,
                              count=2)
        self.assertEqual(5, len(self.ironic.get_ironic_node_list()))

    def test_refusal_in_words(self):
        self.cloud.faults.add(service='baremetal', path='nodes', status=500,
                              message='The database is away.')
        error = self.assertRaises(exception.IronicClientError,
                                  self.ironic.get_ironic_node_list)
        self.assertIn('HTTP 500 The database is away.', str(error))

    def test_proxy_for_plugins(self):
        nodes = clients.OpenStackClients().ironic().nodes(details=True)
        self.assertEqual(5, len(list(nodes)))


class TestPower(IronicHelperTestCase):

    def switch(self, state, **kwargs):
        return self.ironic.set_node_power_state(
            self.node.uuid, state, interval=0.1, **kwargs)

    def test_off_and_on(self):
        for state in ('off', 'on', 'soft power off'):
            self.assertTrue(self.switch(state))
            self.assertEqual(state.endswith('off'),
                             self.node.power_state == 'power off')
            self.assertIsNone(self.node.target_power_state)

    def test_broken_controller(self):
        self.node.bmc = 'error'
        outcome = self.switch('off')
        self.assertFalse(outcome)
        self.assertIn('IPMI call failed', outcome.reason)
        self.assertEqual('power on', self.node.power_state)

    def test_controller_that_never_answers(self):
        self.node.bmc = 'hang'
        outcome = self.switch('off', limit=0.3)
        self.assertFalse(outcome)
        self.assertIn('on the way to power off', outcome.reason)

    def test_stop_waiting(self):
        self.node.bmc = 'hang'
        asked = threading.Event()

        def should_stop():
            if self.node.target_power_state is not None:
                asked.set()
            return asked.is_set()
        outcome = self.switch('off', should_stop=should_stop,
                              limit=base.PATIENCE)
        self.assertTrue(outcome.interrupted)

    def test_locked_node(self):
        self.node.bmc = 'hang'
        with self.cloud.state.lock:
            self.machines.set_power(self.node, 'rebooting')
        error = self.assertRaises(exception.IronicClientError, self.switch,
                                  'off')
        self.assertIn('is locked by host', str(error))
        self.assertEqual(3, len([
            path for path in self.paths('baremetal')
            if path.startswith('PUT')]))

    def test_lost_answer(self):
        self.cloud.faults.add(service='baremetal', method='PUT', drop=True,
                              count=1)
        self.assertTrue(self.switch('off'))


class TestNoBareMetal(cloud.CloudTestCase):

    SPEC = {'hosts': 1, 'servers': 0}

    def test_clear_word(self):
        error = self.assertRaises(
            exception.IronicClientError,
            ironic_helper.IronicHelper().get_ironic_node_list)
        self.assertIn('no endpoint of type baremetal', str(error))
        self.assertNotIn('trying again', self.logger.output)
        self.assertTrue(error.kwargs['no_endpoint'])
