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
"""Which actions cannot do without which."""

from watcher.decision_engine.planner import needs
from watcher.tests import base


def action(uuid, action_type, **parameters):
    return {'uuid': uuid, 'action_type': action_type,
            'input_parameters': parameters}


def service(uuid, host, state):
    return action(uuid, 'change_nova_service_state', resource_id='id',
                  resource_name=host, state=state)


def power(uuid, host, state):
    return action(uuid, 'change_node_power_state', resource_id='ironic',
                  resource_name=host, state=state)


def move(uuid, source, destination=None):
    parameters = {'source_node': source}
    if destination:
        parameters['destination_node'] = destination
    return action(uuid, 'migrate', resource_id='server', **parameters)


class TestNeeds(base.TestCase):

    def needs_of(self, *actions):
        needs.add(actions)
        return {action['uuid']: sorted(action['needs'])
                for action in actions if 'needs' in action}

    def test_a_move_needs_its_source_disabled(self):
        self.assertEqual(
            {'move1': ['disable1'], 'move2': ['disable1']},
            self.needs_of(service('disable1', 'a', 'disabled'),
                          service('disable2', 'b', 'disabled'),
                          move('move1', 'a'), move('move2', 'a'),
                          move('move3', 'c')))

    def test_a_move_needs_its_destination(self):
        self.assertEqual(
            {'move': ['enable', 'on']},
            self.needs_of(power('on', 'b', 'on'),
                          service('enable', 'b', 'enabled'),
                          move('move', 'a', 'b')))

    def test_switching_off_needs_an_empty_disabled_host(self):
        self.assertEqual(
            {'move1': ['disable'], 'off': ['disable', 'move1']},
            self.needs_of(service('disable', 'a', 'disabled'),
                          move('move1', 'a'), move('move2', 'b'),
                          power('off', 'a', 'off')))

    def test_the_need(self):
        actions = [service('disable', 'a', 'disabled'), move('move', 'a')]
        needs.add(actions)
        self.assertEqual({'disable': 'must_succeed'}, actions[1]['needs'])
        self.assertNotIn('needs', actions[0])

    def test_moves_alone_need_nothing(self):
        self.assertEqual({}, self.needs_of(move('m1', 'a', 'b'),
                                           move('m2', 'b', 'a')))

    def test_actions_without_parameters(self):
        self.assertEqual({}, self.needs_of(
            {'uuid': 'x', 'action_type': 'nop', 'input_parameters': None},
            {'uuid': 'y', 'action_type': 'migrate',
             'input_parameters': None}))
