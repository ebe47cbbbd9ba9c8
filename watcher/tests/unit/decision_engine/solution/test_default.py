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

from watcher.common import exception
from watcher.common import utils
from watcher.decision_engine.goal import goals
from watcher.decision_engine.solution import default
from watcher.tests import base


class TestDefaultSolution(base.TestCase):

    def setUp(self):
        super().setUp()
        self.solution = default.DefaultSolution(
            goal=goals.Dummy(utils.Struct()),
            strategy=utils.Struct(name='test'))

    def test_record(self):
        self.solution.add_action('migrate', {'a': 1}, 'uuid-1')
        self.assertEqual(
            [{'action_type': 'migrate',
              'input_parameters': {'a': 1, 'resource_id': 'uuid-1'}}],
            self.solution.actions)

    def test_without_parameters(self):
        self.solution.add_action('nop')
        self.solution.add_action('sleep', None)
        self.assertEqual([{}, {}], [a['input_parameters']
                                    for a in self.solution.actions])

    def test_equal_content_twice_is_kept_once(self):
        self.solution.add_action('nop', {'a': 1, 'b': 2}, reason='first')
        self.solution.add_action('nop', {'b': 2, 'a': 1}, reason='second')
        self.assertIs(
            self.solution.actions[0],
            self.solution.add_action('nop', {'a': 1, 'b': 2}))
        self.assertEqual(['first'],
                         [a.reason for a in self.solution.actions])
        self.solution.add_action('sleep', {'a': 1, 'b': 2})
        self.assertEqual(2, len(self.solution.actions))

    def test_removed_action_can_be_added_again(self):
        self.solution.add_action('nop', {'a': 1})
        self.solution.actions.clear()
        self.solution.add_action('nop', {'a': 1})
        self.assertEqual(1, len(self.solution.actions))

    def test_reserved_word(self):
        self.assertRaises(exception.ReservedWord, self.solution.add_action,
                          'nop', {'resource_id': 'x'})

    def test_parameters_of_the_caller_are_not_changed(self):
        given = {'nested': {'a': 1}}
        self.solution.add_action('nop', given, resource_id='x')
        self.solution.actions[0]['input_parameters']['nested']['a'] = 2
        self.assertEqual({'nested': {'a': 1}}, given)

    def test_text_form(self):
        self.solution.add_action('nop', {'message': 'x'})
        self.assertEqual("nop {'message': 'x'}", str(self.solution))

    def test_many_actions(self):
        for number in range(5000):
            self.solution.add_action('nop', {'message': str(number)})
        self.assertEqual(5000, len(self.solution.actions))
