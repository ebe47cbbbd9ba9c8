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

import math

import numpy
from oslo_serialization import jsonutils

from watcher.common import utils
from watcher.decision_engine.goal import goals
from watcher.decision_engine.solution import default
from watcher.decision_engine.solution import explanation
from watcher.tests import base

CPU = explanation.Measure('host_cpu_usage', 92.0, 71.5, unit='%',
                          of='host-a', limit=80)


def new_solution():
    return default.DefaultSolution(goal=goals.Dummy(utils.Struct()),
                                   strategy=utils.Struct(name='test'))


class TestExplanation(base.TestCase):

    def test_its_size_does_not_grow_with_the_cloud(self):
        made = explanation.Explanation('r', measures=[
            explanation.Measure(f'm{number}', number)
            for number in range(1000)])
        self.assertEqual(explanation.MAX_MEASURES,
                         len(made.to_dict()['measures']))
        self.assertNotIn('m999', str(made))

    def test_stored_form(self):
        why = explanation.Explanation(
            'host-a is too busy', 'overload', [CPU],
            {'host-b': 'anti-affinity', 'host-c': 'anti-affinity'})
        self.assertEqual(
            {'reason': 'host-a is too busy', 'code': 'overload',
             'score': 22.3, 'cost': None,
             'measures': [{'name': 'host_cpu_usage', 'of': 'host-a',
                           'unit': '%', 'before': 92.0, 'after': 71.5,
                           'limit': 80}],
             'ruled_out': [{'because': 'anti-affinity', 'count': 2,
                            'alternatives': ['host-b', 'host-c']}]},
            why.to_dict())

    def test_text(self):
        why = explanation.Explanation(
            'it is busy', measures=[CPU],
            ruled_out={f'host-{n}': 'full' for n in range(7)})
        self.assertEqual(
            'it is busy; host_cpu_usage of host-a 92 -> 71.5 % (limit 80); '
            'not host-0, host-1, host-2, host-3, host-4 and 2 more: full',
            str(why))

    def test_numbers_that_json_does_not_know(self):
        measure = explanation.Measure(
            'm', before=numpy.float32(0.5), after=math.nan,
            limit=numpy.int64(3))
        stored = measure.to_dict()
        self.assertEqual((0.5, None, 3),
                         (stored['before'], stored['after'],
                          stored['limit']))
        self.assertEqual(stored, jsonutils.loads(jsonutils.dumps(stored)))
        self.assertEqual('m 0.5 -> unknown (limit 3)', str(measure))

    def test_zero_is_a_value(self):
        stored = explanation.Measure('m', 0.0, 0).to_dict()
        self.assertEqual((0.0, 0), (stored['before'], stored['after']))

    def test_size_does_not_grow_with_the_cloud(self):
        groups = explanation.grouped(
            {f'host-{n}': f'reason {n % 1000}' for n in range(1001)})
        self.assertEqual(explanation.MAX_GROUPS + 1, len(groups))
        self.assertEqual(('reason 0', 2),
                         (groups[0]['because'], groups[0]['count']))
        self.assertEqual(
            {'because': 'other reasons', 'count': 990, 'alternatives': []},
            groups[-1])
        self.assertEqual(1001, sum(group['count'] for group in groups))


class TestOfSolution(base.TestCase):

    def test_summary_of_the_strategy(self):
        solution = new_solution()
        solution.explain('All hosts are below the threshold', 'balanced',
                         [CPU], {'vm-1': 'it is locked'})
        solution.add_remark('host-b has no metrics')
        found = explanation.of_solution(solution)
        self.assertEqual(
            ('All hosts are below the threshold', 'balanced',
             ['host-b has no metrics'], 'it is locked', 92.0),
            (found['summary'], found['code'], found['remarks'],
             found['ruled_out'][0]['because'],
             found['measures'][0]['before']))
        self.assertNotIn('reason', found)

    def test_without_one_the_actions_are_counted(self):
        solution = new_solution()
        self.assertEqual('The strategy test found nothing to change',
                         explanation.of_solution(solution)['summary'])
        solution.add_action('nop', {'message': '1'})
        solution.add_action('nop', {'message': '2'})
        solution.add_action('sleep', {'duration': 1})
        self.assertEqual('2 x nop, 1 x sleep',
                         explanation.of_solution(solution)['summary'])

    def test_remarks_are_limited(self):
        solution = new_solution()
        for number in range(explanation.MAX_REMARKS + 2):
            solution.add_remark(str(number))
        remarks = explanation.of_solution(solution)['remarks']
        self.assertEqual(explanation.MAX_REMARKS + 1, len(remarks))
        self.assertEqual('2 more remarks are in the log', remarks[-1])


class TestOfAction(base.TestCase):

    def test_sentence(self):
        solution = new_solution()
        solution.add_action('nop', reason='because')
        self.assertEqual('because',
                         explanation.of_action(
                             solution.actions[0])['reason'])
        self.assertEqual('because', solution.actions[0].reason)

    def test_facts(self):
        solution = new_solution()
        solution.add_action('nop', reason=explanation.Explanation(
            'because', 'code', [CPU]))
        self.assertEqual(('because', 'code', 'host-a'), (
            solution.actions[0].reason,
            explanation.of_action(solution.actions[0])['code'],
            explanation.of_action(
                solution.actions[0])['measures'][0]['of']))

    def test_none(self):
        solution = new_solution()
        solution.add_action('nop')
        self.assertIsNone(explanation.of_action(solution.actions[0]))
        self.assertIsNone(explanation.of_action(
            {'action_type': 'nop', 'input_parameters': {}}))


class TestScore(base.TestCase):

    def score(self, *measures):
        return explanation.Explanation('why', measures=measures).score

    def test_of_the_first_measure(self):
        self.assertEqual(25.0, self.score(
            explanation.Measure('a', before=80, after=60),
            explanation.Measure('b', before=1, after=100)))
        self.assertEqual(25.0, self.score(
            explanation.Measure('a', before=60, after=80)))

    def test_zero_is_a_value(self):
        self.assertEqual(100.0, self.score(
            explanation.Measure('a', before=0, after=3)))
        self.assertEqual(0.0, self.score(
            explanation.Measure('a', before=0, after=0)))

    def test_change_of_sign_is_no_more_than_all(self):
        self.assertEqual(100.0, self.score(
            explanation.Measure('a', before=-4, after=4)))

    def test_unknown(self):
        self.assertIsNone(self.score())
        self.assertIsNone(self.score(explanation.Measure('a', before=3)))
        self.assertIsNone(self.score(
            explanation.Measure('a', before=math.nan, after=3)))
