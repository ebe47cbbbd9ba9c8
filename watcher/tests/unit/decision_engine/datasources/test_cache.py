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
"""The memory of metric values."""

from watcher.decision_engine.datasources import batch
from watcher.decision_engine.datasources import cache
from watcher.tests import base

KEY = cache.MetricCacheKey.generate


class TestKey(base.TestCase):

    def test_same_seconds_in_any_form(self):
        self.assertEqual(KEY('r', 'm', 'mean', 300, 300),
                         KEY('r', 'm', 'mean', '300', 300.0))

    def test_no_granularity_is_the_usual_one(self):
        self.assertEqual(KEY('r', 'm', 'mean', 300, 300),
                         KEY('r', 'm', 'mean', 300, None))

    def test_everything_else_distinguishes(self):
        keys = {KEY('r', 'm', 'mean', 300, 300),
                KEY('s', 'm', 'mean', 300, 300),
                KEY('r', 'n', 'mean', 300, 300),
                KEY('r', 'm', 'max', 300, 300),
                KEY('r', 'm', 'mean', 600, 300),
                KEY('r', 'm', 'mean', 300, 60)}
        self.assertEqual(6, len(keys))


class TestMetricDataCache(base.TestCase):

    def setUp(self):
        super().setUp()
        self.cache = cache.MetricDataCache()

    def test_zero_is_kept(self):
        self.cache.put('r', 'm', 0.0)
        self.assertEqual(0.0, self.cache.get('r', 'm'))
        self.assertIn(KEY('r', 'm'), self.cache)

    def test_known_to_be_missing_differs_from_never_asked(self):
        self.assertIsNone(self.cache.find(KEY('r', 'm')))
        self.cache.put('r', 'm', None)
        self.assertIsNone(self.cache.get('r', 'm'))
        self.assertEqual(batch.MISSING, self.cache.find(KEY('r', 'm')))

    def test_types_of_resources_are_apart(self):
        self.cache.put('r', 'm', 1.0, resource_type='compute_node')
        self.assertIsNone(
            self.cache.get('r', 'm', resource_type='instance'))
        self.cache.put('r', 'm', 2.0, resource_type='instance')
        self.assertEqual(
            1.0, self.cache.get('r', 'm', resource_type='compute_node'))
        self.assertEqual(1, len(self.cache))

    def test_without_a_type_it_is_for_all(self):
        self.cache.put('r', 'm', 1.0, resource_type='compute_node')
        self.cache.put('r', 'm', 3.0)
        self.assertEqual(
            3.0, self.cache.get('r', 'm', resource_type='compute_node'))
        self.assertEqual(
            3.0, self.cache.get('r', 'm', resource_type='instance'))

    def test_a_real_value_takes_the_mark_of_simulation_away(self):
        self.cache.put('r', 'm', 1.0, simulated=True)
        self.assertTrue(self.cache.is_simulated('r', 'm'))
        self.cache.put('r', 'm', 2.0)
        self.assertFalse(self.cache.is_simulated('r', 'm'))
        self.cache.clear_simulated()
        self.assertEqual(2.0, self.cache.get('r', 'm'))

    def test_clear_simulated_leaves_real_values(self):
        self.cache.put('r', 'm', 1.0)
        self.cache.put('s', 'm', 1.0, simulated=True)
        self.cache.clear_simulated()
        self.assertEqual(1, len(self.cache))
        self.assertIsNone(self.cache.get('s', 'm'))

    def test_remove(self):
        for metric in ('m', 'n'):
            self.cache.put('a:b', metric, 1.0)
        self.cache.put('c', 'm', 1.0)
        self.cache.remove('a:b', 'm')
        self.assertEqual(1.0, self.cache.get('a:b', 'n'))
        self.cache.remove('a:b')
        self.assertEqual(1, len(self.cache))
        self.cache.clear()
        self.assertEqual(0, len(self.cache))
