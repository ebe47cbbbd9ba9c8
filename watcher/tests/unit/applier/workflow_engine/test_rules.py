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
"""What dependencies mean."""

from watcher.applier.workflow_engine import rules
from watcher.tests import base
from watcher.tests.unit.applier.workflow_engine import engine_case


class TestOptions(base.TestCase):

    def test_named_others_and_none(self):
        options = {'zone_migration': 'must_succeed', '*': 'Should_Succeed'}
        self.assertEqual('must_succeed', rules.dependency_rule(
            options, 'zone_migration'))
        self.assertEqual('should_succeed', rules.dependency_rule(
            options, 'basic'))
        self.assertEqual('order', rules.dependency_rule({}, 'basic'))
        self.assertEqual('', self.logger.output)

    def test_a_mistyped_rule_is_told(self):
        self.assertEqual('order', rules.dependency_rule(
            {'*': 'might'}, 'basic'))
        self.assertIn('The rule might of the strategy basic is none of '
                      'order, should_succeed, must_succeed, planner',
                      self.logger.output)


class TestDependencies(engine_case.EngineTestCase):

    def outcome(self, rule, parents, failing=(0,), wishes=None,
                phase='execute', **rules_of_execution):
        def hook(action):
            if self.number_of(action) in failing:
                raise ValueError('as told')
            return True
        self.hooks[phase] = hook
        self.plan = self.make_graph(parents, wishes)
        self.run_engine(self.plan, needs={'*': rule} if rule else {},
                        **rules_of_execution)
        return self.states(self.plan)

    def messages(self):
        return [action.status_message for action in self.actions(self.plan)]

    def test_a_failure_does_not_stop_dependants_by_default(self):
        self.assertEqual(['FAILED', 'SUCCEEDED'],
                         self.outcome(None, [[], [0]]))
        self.assertIsNone(self.messages()[1])

    def test_order(self):
        self.assertEqual(['FAILED', 'SUCCEEDED'],
                         self.outcome('order', [[], [0]]))

    def test_should_succeed_is_told(self):
        self.assertEqual(['FAILED', 'SUCCEEDED', 'SUCCEEDED'],
                         self.outcome('should_succeed', [[], [0], [1]]))
        parent = self.actions(self.plan)[0]
        self.assertEqual(
            f'Action ran although the scripted action {parent.uuid} before '
            'it is FAILED', self.messages()[1])
        self.assertIsNone(self.messages()[2])

    def test_must_succeed_stops_all_that_follows(self):
        ran = []
        self.hooks['pre_condition'] = (
            lambda action: ran.append(self.number_of(action)))
        self.assertEqual(
            ['FAILED', 'CANCELLED', 'CANCELLED', 'SUCCEEDED'],
            self.outcome('must_succeed', [[], [0], [1], []]))
        first, second, _third, _fourth = self.actions(self.plan)
        self.assertEqual([
            'Action was cancelled: it needs the success of the scripted '
            f'action {first.uuid}, which is FAILED',
            'Action was cancelled: it needs the success of the scripted '
            f'action {second.uuid}, which is CANCELLED',
        ], self.messages()[1:3])
        self.assertEqual([0, 3], sorted(ran))

    def test_a_failed_pre_condition_is_a_failure(self):
        self.assertEqual(
            ['FAILED', 'CANCELLED'],
            self.outcome('must_succeed', [[], [0]], phase='pre_condition'))

    def test_one_failed_parent_of_several_is_enough(self):
        for failing in (0, 1):
            states = ['SUCCEEDED', 'SUCCEEDED', 'CANCELLED']
            states[failing] = 'FAILED'
            self.assertEqual(states, self.outcome(
                'must_succeed', [[], [], [0, 1]], failing=[failing]))

    def test_a_skipped_parent_is_good(self):
        plan = self.make_plan({'state': 'SKIPPED'},
                              {'parents': [0], 'parameters': {'number': 1}})
        self.run_engine(plan, needs={'*': 'must_succeed'})
        self.assertEqual(['SKIPPED', 'SUCCEEDED'], self.states(plan))

    def test_the_wish_of_the_planner(self):
        wishes = {1: {0: 'must_succeed'}, 2: {0: 'should_succeed'}}
        self.assertEqual(
            ['FAILED', 'CANCELLED', 'SUCCEEDED', 'SUCCEEDED'],
            self.outcome('planner', [[], [0], [0], [0]], wishes=wishes))
        self.assertIn('Action ran although', self.messages()[2])
        self.assertIsNone(self.messages()[3])

    def test_the_wish_for_one_that_is_further_back(self):
        """A host that could not be disabled; moves in a row."""
        wishes = {1: {0: 'must_succeed'}, 2: {0: 'must_succeed'}}
        self.assertEqual(
            ['FAILED', 'CANCELLED', 'CANCELLED', 'SUCCEEDED'],
            self.outcome('planner', [[], [0], [1], [2]], wishes=wishes))
        self.assertEqual(
            ['SUCCEEDED', 'FAILED', 'SUCCEEDED', 'SUCCEEDED'],
            self.outcome('planner', [[], [0], [1], [2]], wishes=wishes,
                         failing=[1]))

    def test_a_wish_for_one_that_comes_later_does_not_count(self):
        self.assertEqual(
            ['SUCCEEDED', 'FAILED'],
            self.outcome('planner', [[], [0]], failing=[1],
                         wishes={0: {1: 'must_succeed'}}))

    def test_a_wish_counts_only_when_the_option_says_so(self):
        wishes = {1: {0: 'must_succeed'}}
        self.assertEqual(['FAILED', 'SUCCEEDED'], self.outcome(
            None, [[], [0]], wishes=wishes))

    def test_it_has_no_meaning_for_alternatives(self):
        self.assertEqual(['FAILED', 'SUCCEEDED'], self.outcome(
            'must_succeed', [[], [0]], dummy='ANY'))

    def test_the_plan_is_failed(self):
        self.set_engine_option(dependency_rule={'dummy': 'must_succeed'})
        self.hooks['execute'] = lambda action: self.number_of(action) > 0
        plan = self.run_plan(self.make_graph([[], [0]]))
        self.assertEqual('FAILED', plan.state)
        self.assertEqual(['FAILED', 'CANCELLED'], self.states(plan))
        self.assertEqual(
            ['action.update action2 CANCELLED [PENDING>CANCELLED]'],
            self.events(' action2 '))
