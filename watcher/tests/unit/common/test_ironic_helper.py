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
"""What the helper asks of Ironic and how it switches nodes."""

import json
from unittest import mock

from watcher.common import exception
from watcher.common import ironic_helper
from watcher.common import rest
from watcher.common import waiting
from watcher.tests import base
from watcher.tests.unit.common import test_nova_helper

UUID = '{:08x}-0000-4000-8000-000000000000'.format
NODE = UUID(1)
PATH = f'/nodes/{NODE}'
POWER = f'{PATH}/states/power'

ON, OFF = 'power on', 'power off'


def node(power=OFF, target=None, error=None, number=1, **fields):
    return {'uuid': UUID(number), 'name': f'n{number}', 'power_state': power,
            'target_power_state': target, 'last_error': error,
            'provision_state': 'active', 'maintenance': False,
            'maintenance_reason': None, 'fault': None,
            'instance_uuid': None, 'extra': {}, **fields}


def away():
    return rest.RequestFailed('away', connection_error=True)


def refused(status):
    return rest.RequestFailed(f'HTTP {status}', status=status)


class FakeIronic(test_nova_helper.FakeNova):

    def __init__(self, newest=(1, 95)):
        super().__init__(newest)
        self.answer('PUT', POWER, {})

    def nodes(self, *records):
        self.answer('GET', PATH, *records)


class IronicHelperTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.clock = test_nova_helper.Clock()
        patcher = mock.patch.object(waiting, 'time', self.clock)
        patcher.start()
        self.addCleanup(patcher.stop)
        self.ironic = FakeIronic()
        self.helper = ironic_helper.IronicHelper(self.ironic)


class TestReading(IronicHelperTestCase):

    def test_node(self):
        self.ironic.nodes(node(
            ON, maintenance=True, maintenance_reason='disk',
            fault='power failure', extra={'compute_node_id': 'h1'}))
        found = self.helper.get_ironic_node_by_uuid(NODE)
        self.assertEqual(
            (NODE, 'n1', ON, None, True, 'disk', 'power failure', 'h1'),
            (found.uuid, found.name, found.power_state,
             found.target_power_state, found.maintenance,
             found.maintenance_reason, found.fault, found.compute_node_id))

    def test_node_that_tells_little(self):
        found = ironic_helper.IronicNode.from_api(
            {'uuid': NODE, 'extra': None})
        self.assertEqual((None, False, {}, None), (
            found.power_state, found.maintenance, found.extra,
            found.compute_node_id))

    def test_uuid_is_checked(self):
        self.assertRaises(exception.InvalidUUID,
                          ironic_helper.IronicNode.from_api, {'uuid': 'x'})

    def test_pages(self):
        pages = {None: {'nodes': [node(number=1), node(number=2)],
                        'next': 'url'},
                 UUID(2): {'nodes': [node(number=3)]}}
        self.ironic.answer(
            'GET', '/nodes/detail',
            lambda params: pages[params.get('marker')])
        self.assertEqual(
            [UUID(1), UUID(2), UUID(3)],
            [found.uuid for found in self.helper.get_ironic_node_list()])
        self.assertEqual(2, len(self.ironic.requests))
        self.assertEqual([1000, 1000], [
            request[2]['limit'] for request in self.ironic.requests])

    def test_no_nodes(self):
        self.ironic.answer('GET', '/nodes/detail', {'nodes': []})
        self.assertEqual([], self.helper.get_ironic_node_list())

    def test_microversion(self):
        for newest, sent in (((1, 95), '1.42'), ((1, 31), '1.31'),
                             ((0, 0), None)):
            ironic = FakeIronic(newest)
            ironic.nodes(node())
            ironic_helper.IronicHelper(ironic).get_ironic_node_by_uuid(NODE)
            self.assertEqual([sent], ironic.versions())

    def test_unknown_node(self):
        self.ironic.nodes(refused(404))
        error = self.assertRaises(exception.IronicNodeNotFound,
                                  self.helper.get_ironic_node_by_uuid, NODE)
        self.assertIn(NODE, str(error))

    def test_connection_errors_are_tried_again(self):
        self.ironic.nodes(away(), away(), node(ON))
        self.assertEqual(
            ON, self.helper.get_ironic_node_by_uuid(NODE).power_state)

    def test_connection_errors_without_end(self):
        self.ironic.nodes(away())
        error = self.assertRaises(exception.IronicClientError,
                                  self.helper.get_ironic_node_by_uuid, NODE)
        self.assertTrue(error.kwargs['connection_error'])
        self.assertEqual(4, len(self.ironic.requests))

    def test_refusals_are_not_tried_again(self):
        self.ironic.nodes(refused(500))
        self.assertRaises(exception.IronicClientError,
                          self.helper.get_ironic_node_by_uuid, NODE)
        self.assertEqual(1, len(self.ironic.requests))


class TestPower(IronicHelperTestCase):

    def switch(self, state='on', **kwargs):
        return self.helper.set_node_power_state(NODE, state, **kwargs)

    def test_on(self):
        self.ironic.nodes(node(OFF), node(OFF, ON), node(OFF, ON), node(ON))
        self.assertTrue(self.switch())
        self.assertEqual([{'target': ON}], self.ironic.sent('PUT'))

    def test_off(self):
        self.ironic.nodes(node(ON), node(OFF))
        self.assertTrue(self.switch('off'))
        self.assertEqual([{'target': OFF}], self.ironic.sent('PUT'))

    def test_soft_off(self):
        self.ironic.nodes(node(ON), node(ON, OFF), node(OFF))
        self.assertTrue(self.switch('soft power off'))
        self.assertEqual([{'target': 'soft power off'}],
                         self.ironic.sent('PUT'))

    def test_nothing_to_do(self):
        self.ironic.nodes(node(ON))
        outcome = self.switch()
        self.assertTrue(outcome)
        self.assertIn('already', outcome.reason)
        self.assertEqual([], self.ironic.sent('PUT'))

    def test_on_while_it_is_being_switched_off(self):
        self.ironic.nodes(node(ON, OFF), node(OFF, ON), node(ON))
        self.assertTrue(self.switch())
        self.assertEqual([{'target': ON}], self.ironic.sent('PUT'))

    def test_old_error_is_not_taken_for_new(self):
        self.ironic.nodes(node(OFF, error='long ago'),
                          node(OFF, error='long ago'), node(OFF, ON),
                          node(ON))
        self.assertTrue(self.switch())

    def test_failure(self):
        self.ironic.nodes(node(OFF), node(OFF, ON),
                          node(OFF, error='no answer from the BMC'))
        outcome = self.switch()
        self.assertFalse(outcome)
        self.assertIn('no answer from the BMC', outcome.reason)

    def test_failure_between_two_looks(self):
        self.ironic.nodes(node(OFF), node(OFF, error='no answer'))
        outcome = self.switch()
        self.assertFalse(outcome)
        self.assertIn('no answer', outcome.reason)
        self.assertEqual(1 + ironic_helper.IDLE_LOOKS, len(
            [one for one in self.ironic.requests if one[0] == 'GET']))

    def test_time_is_limited(self):
        self.ironic.nodes(node(OFF), node(OFF, ON))
        outcome = self.switch()
        self.assertFalse(outcome)
        self.assertFalse(outcome.interrupted)
        self.assertIn('600 seconds', outcome.reason)
        self.assertEqual(1600, self.clock.now)

    def test_stop(self):
        self.ironic.nodes(node(OFF), node(OFF, ON))
        outcome = self.switch(should_stop=lambda: self.clock.now > 1020)
        self.assertTrue(outcome.interrupted)
        self.assertIn('on the way to power on', outcome.reason)
        self.assertLess(self.clock.now, 1025)

    def test_deleted_meanwhile(self):
        self.ironic.nodes(node(OFF), refused(404))
        outcome = self.switch()
        self.assertFalse(outcome)
        self.assertIn('deleted', outcome.reason)

    def test_ironic_away_meanwhile(self):
        self.ironic.nodes(node(OFF), refused(503), *[away()] * 4, node(ON))
        self.assertTrue(self.switch())

    def test_locked_node(self):
        self.ironic.nodes(node(OFF), node(ON))
        self.ironic.answer('PUT', POWER, refused(409), refused(503), away(),
                           {})
        self.assertTrue(self.switch())

    def test_node_that_stays_locked(self):
        self.ironic.nodes(node(OFF))
        self.ironic.answer('PUT', POWER, refused(409))
        error = self.assertRaises(exception.IronicClientError, self.switch)
        self.assertEqual(409, error.kwargs['http_status'])
        self.assertEqual(4, len(self.ironic.sent('PUT')))

    def test_stop_while_the_node_is_locked(self):
        self.ironic.nodes(node(OFF))
        self.ironic.answer('PUT', POWER, refused(409))
        outcome = self.switch(should_stop=lambda: True)
        self.assertTrue(outcome.interrupted)
        self.assertEqual(1, len(self.ironic.sent('PUT')))

    def test_refusal(self):
        self.ironic.nodes(node(OFF))
        self.ironic.answer('PUT', POWER, refused(400))
        self.assertRaises(exception.IronicClientError, self.switch)
        self.assertEqual(1, len(self.ironic.sent('PUT')))

    def test_unknown_node(self):
        self.ironic.nodes(refused(404))
        self.assertRaises(exception.IronicNodeNotFound, self.switch)

    def test_unknown_state(self):
        error = self.assertRaises(exception.Invalid, self.switch, 'upside')
        self.assertIn('upside', str(error))
        self.assertEqual([], self.ironic.requests)

    def test_waiting_alone(self):
        self.ironic.nodes(node(OFF, ON), node(ON))
        self.assertTrue(self.helper.wait_for_power_state(NODE, 'on'))
        self.assertEqual([], self.ironic.sent('PUT'))


class TestErrorText(base.TestCase):

    def test_text_of_ironic(self):
        for body, wanted in (
                ({'error_message': json.dumps(
                    {'faultcode': 'Client', 'faultstring': 'Node is locked',
                     'debuginfo': None})}, 'Node is locked'),
                ({'error_message': {'faultstring': 'Node is locked'}},
                 'Node is locked'),
                ({'error_message': 'plain words'}, 'plain words')):
            response = mock.Mock()
            response.json.return_value = body
            self.assertEqual(wanted, rest.error_text(response))
