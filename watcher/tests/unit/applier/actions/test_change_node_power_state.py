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
"""Switching nodes: pre-conditions, execution, revert."""

import dataclasses

import fixtures

from watcher.common import exception
from watcher.common import ironic_helper
from watcher.tests.unit.applier.actions import test_actions

NODE = '2e9b5a8d-6c1f-4d3e-9b7a-0c4f8e2d1a01'
HOST = '2e9b5a8d-6c1f-4d3e-9b7a-0c4f8e2d1a02'

REAL = ironic_helper.IronicHelper


@dataclasses.dataclass
class Hypervisor:
    hypervisor_hostname: str = 'compute-1'
    servers: list = dataclasses.field(default_factory=list)


class FakeIronic:
    """As much of Ironic as the action asks for."""

    def __init__(self):
        self.nodes = {NODE: ironic_helper.IronicNode.from_api({
            'uuid': NODE, 'power_state': 'power on',
            'extra': {'compute_node_id': HOST}})}
        self.calls = []
        self.outcome = ironic_helper.Outcome(True)

    def get_ironic_node_by_uuid(self, uuid):
        if uuid not in self.nodes:
            raise exception.IronicNodeNotFound(uuid=uuid)
        return self.nodes[uuid]

    def set_node_power_state(self, uuid, state, should_stop, limit):
        self.calls.append((uuid, state))
        return self.outcome


class PowerTestCase(test_actions.ActionTestCase):

    def setUp(self):
        super().setUp()
        self.ironic = FakeIronic()
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.common.ironic_helper.IronicHelper',
            lambda *args, **kwargs: self.ironic))
        self.host = Hypervisor()
        self.nova.get_compute_node_by_uuid = self._find_host

    def _find_host(self, uuid, servers):
        self.assertTrue(servers)
        if uuid != HOST or self.host is None:
            raise exception.ComputeNodeNotFound(name=uuid)
        return self.host

    def action(self, state='off', **changes):
        return self.make('change_node_power_state', **{
            'resource_id': NODE, 'state': state, **changes})

    def change(self, **changes):
        self.ironic.nodes[NODE] = dataclasses.replace(
            self.ironic.nodes[NODE], **changes)


class TestPreCondition(PowerTestCase):

    def test_fine(self):
        self.action().pre_condition()
        self.change(power_state='power off')
        self.action('on').pre_condition()

    def test_the_node_is_gone(self):
        self.ironic.nodes.clear()
        for state in ('on', 'off'):
            self.assertSkips(self.action(state), NODE, 'not found')

    def test_the_wish_is_true_already(self):
        self.assertSkips(self.action('on'), NODE, 'already switched on')
        self.change(power_state='power off')
        self.assertSkips(self.action('off'), NODE, 'already switched off')

    def test_a_node_on_its_way_to_another_state(self):
        self.change(target_power_state='power off')
        self.action('on').pre_condition()

    def test_an_unknown_state_is_not_the_wanted_one(self):
        self.change(power_state=None)
        self.action('on').pre_condition()
        self.action('off').pre_condition()

    def test_maintenance(self):
        self.change(maintenance=True, maintenance_reason='new fans')
        self.assertRefuses(self.action(), NODE, 'maintenance', 'new fans')
        self.change(maintenance_reason=None, fault='power failure')
        self.assertRefuses(self.action(), 'power failure')
        self.change(fault=None, power_state='power off')
        self.assertRefuses(self.action('on'), 'maintenance')

    def test_an_unreachable_ironic_is_not_a_missing_node(self):
        def broken(uuid):
            raise exception.IronicClientError(reason='time-out')
        self.ironic.get_ironic_node_by_uuid = broken
        self.assertRefuses(self.action(), 'time-out')

    def test_maas(self):
        self.config('maas_client', url='http://maas.example.org/MAAS')
        self.assertRefuses(self.action(), 'MAAS', '[maas_client] url')


class TestServers(PowerTestCase):
    """Nothing is switched off that may have servers."""

    def assertStaysOn(self, *words):
        self.assertRefuses(self.action(), NODE, *words)
        error = self.assertRaises(exception.ActionExecutionFailure,
                                  self.action().execute)
        for word in words:
            self.assertIn(word, str(error))
        self.assertEqual([], self.ironic.calls)

    def test_servers(self):
        self.host.servers = [{'uuid': 'u1', 'name': 'instance-00000001'},
                             {'name': 'instance-00000002'}]
        self.assertStaysOn('compute-1 has servers',
                           '(2: u1, instance-00000002)')

    def test_many_servers_are_counted(self):
        self.host.servers = [{'name': f's{number}'} for number in range(9)]
        self.assertStaysOn('(9: s0, s1, s2, ...)')

    def test_no_compute_node_is_noted(self):
        self.change(extra={})
        self.assertStaysOn('compute_node_id')

    def test_the_compute_node_is_gone(self):
        self.host = None
        self.assertStaysOn(HOST, 'not found')

    def test_switching_on_asks_nobody(self):
        self.host = None
        self.change(extra={}, power_state='power off')
        self.action('on').pre_condition()
        self.assertIs(True, self.action('on').execute())


class TestExecute(PowerTestCase):

    def test_off_and_on(self):
        self.assertIs(True, self.action('off').execute())
        self.assertIs(True, self.action('on').execute())
        self.assertEqual([(NODE, 'off'), (NODE, 'on')], self.ironic.calls)

    def test_revert(self):
        self.assertIs(True, self.action('off').revert())
        self.assertIs(True, self.action('on').revert())
        self.assertEqual([(NODE, 'on'), (NODE, 'off')], self.ironic.calls)
        self.host.servers = [{'name': 'web'}]
        self.assertRaises(exception.ActionExecutionFailure,
                          self.action('on').revert)
        self.assertEqual(2, len(self.ironic.calls))

    def test_failures_and_interruptions(self):
        self.ironic.outcome = ironic_helper.Outcome(False, 'no power')
        error = self.assertRaises(exception.ActionExecutionFailure,
                                  self.action().execute)
        self.assertEqual('no power', str(error))
        self.ironic.outcome = ironic_helper.Outcome(
            False, 'it goes on', interrupted=True)
        self.assertRaises(exception.WaitInterrupted, self.action().execute)

    def test_abort(self):
        self.assertIs(False, self.action().abort())
        self.assertFalse(self.action().check_abort())

    def test_the_fake_is_like_the_real_one(self):
        for name in vars(FakeIronic):
            if not name.startswith('_'):
                self.assertTrue(hasattr(REAL, name), name)
