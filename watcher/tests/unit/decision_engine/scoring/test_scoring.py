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

import json
from unittest import mock

from watcher.decision_engine.loading import default
from watcher.decision_engine.scoring import dummy_scorer
from watcher.decision_engine.scoring import scoring_factory
from watcher.tests import base

MIB = 2 ** 20


class TestDummyScorer(base.TestCase):

    def score(self, features):
        return json.loads(dummy_scorer.DummyScorer(None).calculate_score(
            json.dumps(features)))

    def test_rules_in_their_order(self):
        busy = 50 * MIB
        for features, expected in (
                ([85, 1, 1, 0, 0, 0, 0, 0, 0], [1, 0, 100, 0, 0]),
                ([80, 1, 1, 2000, 2000, busy, busy, 0, 0],
                 [1, 0, 100, 0, 0]),
                ([79, 1, 1, 1000, 1000, busy, busy, 0, 0],
                 [2, 0, 0, 100, 0]),
                ([0, 1, 1, 999, 1000, busy, busy, 0, 0],
                 [3, 0, 0, 0, 100]),
                ([45, 1, 1, 600, 0, 0, 0, 0, 0], [0, 100, 50, 50, 0]),
                ([39, 1, 1, 0, 500, busy, busy - 1, 0, 0],
                 [0, 100, 0, 50, 0]),
                ([0] * 9, [0, 100, 0, 0, 0])):
            self.assertEqual(expected, self.score(features))

    def test_bad_input(self):
        for features in ('no json', '{}', '[1, 2]', '["a"]',
                         json.dumps([True] * 9)):
            self.assertRaises(
                ValueError,
                dummy_scorer.DummyScorer(None).calculate_score, features)

    def test_metainfo(self):
        metainfo = json.loads(dummy_scorer.DummyScorer(None).get_metainfo())
        self.assertEqual([9, 5, 4], [len(metainfo[name]) for name in (
            'feature_columns', 'result_columns', 'workloads')])


class TestFactory(base.TestCase):

    def setUp(self):
        super().setUp()
        self.forget()
        self.addCleanup(self.forget)

    def forget(self):
        scoring_factory._registry = None

    def test_engines_in_order(self):
        engines = scoring_factory.get_scoring_engine_list()
        self.assertEqual(
            [('dummy_scorer', 'Dummy workload classifier'),
             ('dummy_min_scorer',
              'Dummy Scorer calculating the minimum value'),
             ('dummy_max_scorer',
              'Dummy Scorer calculating the maximum value'),
             ('dummy_avg_scorer',
              'Dummy Scorer calculating the average value')],
            [(e.get_name(), e.get_description()) for e in engines])

    def test_results(self):
        for name, result in (('min', 1), ('max', 4),
                             ('avg', 2.3333333333333335)):
            engine = scoring_factory.get_scoring_engine(
                f'dummy_{name}_scorer')
            self.assertEqual([result],
                             json.loads(engine.calculate_score('[1, 2, 4]')))
            self.assertEqual('', engine.get_metainfo())
            for features in ('[]', '{}', 'x', '["a"]'):
                self.assertRaises(ValueError, engine.calculate_score,
                                  features)

    def test_unknown_name(self):
        self.assertRaises(KeyError, scoring_factory.get_scoring_engine, 'x')

    def test_broken_plugins_take_no_other_away(self):
        container = mock.Mock(get_scoring_engine_list=mock.Mock(
            side_effect=RuntimeError('broken')))
        with mock.patch.object(default.DefaultScoringContainerLoader,
                               'list_available',
                               return_value={'broken': container}):
            engines = scoring_factory.get_scoring_engine_list()
        self.assertEqual(['dummy_scorer'], [e.get_name() for e in engines])
        self.assertIn('broken', self.logger.output)
