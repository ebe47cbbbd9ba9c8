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
"""Values, gaps and outdated values of many resources."""

import json
import math

from watcher.decision_engine.datasources import batch
from watcher.tests import base

READINGS = {
    'idle': batch.Reading(0.0, 10.0),
    'busy': batch.Reading(80.0, 30.0),
    'dead': batch.Reading(50.0, 900.0, stale=True),
    'odd': batch.Reading(math.nan, 5.0),
    'broken': batch.Reading(problem='no such label'),
}


class TestMetricBatch(base.TestCase):

    def setUp(self):
        super().setUp()
        self.batch = batch.MetricBatch(
            'instance_cpu_usage', READINGS, requested=[*READINGS, 'new'],
            source='fake')

    def test_zero_is_a_value(self):
        self.assertIs(batch.State.VALUE, self.batch.state('idle'))
        self.assertEqual(0.0, self.batch.get('idle'))
        self.assertIsNone(self.batch.why_not('idle'))

    def test_states(self):
        self.assertEqual(('dead',), self.batch.stale)
        self.assertEqual(('odd', 'broken', 'new'), self.batch.missing)
        self.assertEqual({'idle': 0.0, 'busy': 80.0}, self.batch.values())

    def test_infinity_is_no_value(self):
        for value in (math.inf, -math.inf):
            self.assertIs(batch.State.MISSING, batch.Reading(value).state)

    def test_an_outdated_value_is_given_only_on_demand(self):
        self.assertIsNone(self.batch.get('dead'))
        self.assertEqual(50.0, self.batch.get('dead', stale=True))
        self.assertIn('dead', self.batch.values(stale=True))

    def test_array_is_in_the_order_asked_and_nan_without_value(self):
        uuids = ['busy', 'new', 'idle', 'dead', 'odd', 'stranger']
        fresh = self.batch.array(uuids)
        self.assertEqual('float64', fresh.dtype)
        self.assertEqual([80.0, None, 0.0, None, None, None],
                         [None if math.isnan(x) else x for x in fresh])
        self.assertEqual(50.0, self.batch.array(uuids, stale=True)[3])

    def test_reasons_name_the_difference(self):
        self.assertEqual('no instance_cpu_usage', self.batch.why_not('new'))
        self.assertEqual('no instance_cpu_usage: no such label',
                         self.batch.why_not('broken'))
        self.assertEqual('instance_cpu_usage is outdated, its newest sample '
                         'is 900 s old', self.batch.why_not('dead'))

    def test_coverage_and_age_count_fresh_values_only(self):
        self.assertEqual(2 / 6, self.batch.coverage)
        self.assertEqual(30.0, self.batch.age)

    def test_nothing_asked_is_fully_covered(self):
        empty = batch.MetricBatch('host_cpu_usage', {})
        self.assertEqual(1.0, empty.coverage)
        self.assertIsNone(empty.age)
        self.assertEqual(0, len(empty.array([])))

    def test_what_was_not_asked_for_is_left_out(self):
        few = batch.MetricBatch('host_cpu_usage', READINGS, ['idle'])
        self.assertEqual(1, len(few))
        self.assertNotIn('busy', few)
        self.assertIsNone(few.get('busy'))

    def test_summary_is_fit_for_json(self):
        self.assertEqual(
            {'metric': 'instance_cpu_usage', 'unit': '%', 'source': 'fake',
             'aggregate': 'mean', 'period': 300, 'requested': 6,
             'values': 2, 'stale': 1, 'missing': 3, 'coverage': 0.3333,
             'age': 30.0},
            json.loads(json.dumps(self.batch.summary())))

    def test_text_says_what_is_lacking(self):
        self.assertEqual(
            'mean of instance_cpu_usage over 300 s from fake: 2 of 6 '
            'resources have a value, none older than 30 s; 1 outdated '
            '(dead); 3 missing (odd, broken, new)', str(self.batch))

    def test_many_missing_are_counted_not_listed(self):
        gaps = batch.MetricBatch.of(
            'host_cpu_usage', dict.fromkeys(map(str, range(1000))))
        self.assertIn('1000 missing (0, 1, 2, 3, 4, ...)', str(gaps))
