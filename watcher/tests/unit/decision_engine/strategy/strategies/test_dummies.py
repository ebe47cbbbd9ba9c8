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

import itertools

from watcher.common import exception
from watcher.common import utils
from watcher.decision_engine.model import model_root
from watcher.decision_engine.planner import base as planner_base
from watcher.decision_engine.strategy.strategies import actuation
from watcher.decision_engine.strategy.strategies import dummy_strategy
from watcher.decision_engine.strategy.strategies import dummy_with_resize
from watcher.decision_engine.strategy.strategies import dummy_with_scorer
from watcher.tests import base
from watcher.tests.fixtures import models


def run(cls, **parameters):
    strategy = cls(utils.Struct())
    strategy._compute_model = models.cloud({models.node('A'): []})
    filled = dict(parameters)
    if not filled and cls is not actuation.Actuator:
        utils.StrictDefaultValidatingDraft4Validator(
            cls.get_schema()).validate(filled)
    strategy.input_parameters.update(filled)
    return strategy.execute(audit=None)


def brief(solution):
    return [(a['action_type'], a['input_parameters'])
            for a in solution.actions]


class TestDummy(base.TestCase):

    def test_defaults(self):
        self.assertEqual(
            [('nop', {'message': 'hello World'}),
             ('nop', {'message': 'hello'}),
             ('sleep', {'duration': 3.2})],
            brief(run(dummy_strategy.DummyStrategy)))

    def test_same_message_twice(self):
        self.assertEqual(2, len(run(
            dummy_strategy.DummyStrategy, para1=1,
            para2='hello World').actions))

    def test_schema(self):
        validator = utils.StrictDefaultValidatingDraft4Validator(
            dummy_strategy.DummyStrategy.get_schema())
        self.assertFalse(validator.is_valid({'para1': 11}))
        self.assertTrue(validator.is_valid({'para1': 10.2}))
        self.assertRaises(exception.AuditParameterNotAllowed,
                          validator.validate, {'para3': 1})

    def test_without_a_model(self):
        strategy = dummy_strategy.DummyStrategy(utils.Struct())
        strategy._compute_model = model_root.ModelRoot(stale=True)
        self.assertRaises(exception.ClusterStateStale, strategy.execute)


class TestDummyWithResize(base.TestCase):

    def test_actions(self):
        b199 = 'b199db0c-1408-4d52-b5a5-5ca14de0ff36'
        db1b = '8db1b3c1-7938-4c34-8c03-6de14b874f8f'
        move = {'source_node': 'compute2', 'destination_node': 'compute3',
                'migration_type': 'live'}
        self.assertEqual(
            [('nop', {'message': 'hello World'}),
             ('nop', {'message': 'Welcome'}),
             ('sleep', {'duration': 5.0}),
             ('migrate', {**move, 'resource_id': b199}),
             ('migrate', {**move, 'resource_id': db1b}),
             ('resize', {'flavor': 'x2', 'resource_id': db1b})],
            brief(run(dummy_with_resize.DummyWithResize)))


class TestDummyWithScorer(base.TestCase):

    def test_actions(self):
        solution = run(dummy_with_scorer.DummyWithScorer)
        self.assertEqual(['nop', 'nop', 'nop', 'sleep'],
                         [a['action_type'] for a in solution.actions])
        hello, detected, average = [
            a['input_parameters']['message'] for a in solution.actions[:3]]
        self.assertEqual('Hello from Dummy Strategy with Scorer!', hello)
        prefix, _, workload = detected.partition(': ')
        self.assertEqual('Detected Workload', prefix)
        self.assertIn(workload, ('idle', 'cpu-intensive',
                                 'memory-intensive', 'disk-intensive'))
        prefix, _, number = average.partition(': ')
        self.assertEqual('AVG Scorer result', prefix)
        self.assertTrue(0 <= float(number) < 1000)
        self.assertEqual({'duration': 5.0},
                         solution.actions[3]['input_parameters'])

    def test_same_parameters_same_plan(self):
        first, second = (run(dummy_with_scorer.DummyWithScorer)
                         for _ in range(2))
        self.assertEqual(first.actions, second.actions)
        other = run(dummy_with_scorer.DummyWithScorer, param1=2.0,
                    param2='x')
        self.assertNotEqual(first.actions, other.actions)


class TestActuator(base.TestCase):

    ACTIONS = [
        {'action_type': 'nop', 'input_parameters': {'message': 'hi'}},
        {'action_type': 'nop', 'input_parameters': {'message': 'hi'}},
        {'action_type': 'migrate', 'resource_id': 'r1',
         'input_parameters': {'migration_type': 'live',
                              'source_node': 's01'}}]

    def test_worked_example(self):
        for _ in range(2):  # the same audit again
            self.assertEqual(
                [('nop', {'message': 'hi'}),
                 ('migrate', {'migration_type': 'live', 'source_node': 's01',
                              'resource_id': 'r1'})],
                brief(run(actuation.Actuator, actions=self.ACTIONS)))

    def test_reserved_word(self):
        self.assertRaises(
            exception.ReservedWord, run, actuation.Actuator, actions=[
                {'action_type': 'nop',
                 'input_parameters': {'resource_id': 'x'}}])

    def test_schema(self):
        validator = utils.StrictDefaultValidatingDraft4Validator(
            actuation.Actuator.get_schema())
        validator.validate({'actions': self.ACTIONS})
        self.assertFalse(validator.is_valid({}))
        self.assertFalse(validator.is_valid({'actions': [{}]}))


class TestActions(base.TestCase):

    def test_planned_actions_pass_the_schemas_of_the_actions(self):
        validator = planner_base.ActionValidator()
        for cls in (dummy_strategy.DummyStrategy,
                    dummy_with_resize.DummyWithResize,
                    dummy_with_scorer.DummyWithScorer):
            validator.check(run(cls).actions)

    def test_every_action_has_a_reason(self):
        for action in itertools.chain.from_iterable(
                run(cls).actions for cls in (
                    dummy_strategy.DummyStrategy,
                    dummy_with_resize.DummyWithResize,
                    dummy_with_scorer.DummyWithScorer)):
            self.assertTrue(action.reason)
