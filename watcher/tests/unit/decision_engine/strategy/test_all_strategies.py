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
"""Every strategy has to have what must hold for all of them."""

import importlib
import pkgutil

from watcher.decision_engine.loading import default as loading
from watcher.tests import base
from watcher.tests.unit.decision_engine.strategy import metric_properties
from watcher.tests.unit.decision_engine.strategy import properties
from watcher.tests.unit.decision_engine.strategy import strategies

#: Their actions do not depend on what the cloud is like: it is named in the
#: audit, or made up.
FIXED = {'actuator', 'dummy', 'dummy_with_resize', 'dummy_with_scorer'}


class TestAllStrategies(base.TestCase):

    def setUp(self):
        super().setUp()
        self.cases = [
            case for module in pkgutil.iter_modules(strategies.__path__)
            for case in vars(importlib.import_module(
                f'{strategies.__name__}.{module.name}')).values()
            if isinstance(case, type)
            and issubclass(case, properties.StrategyProperties)]
        loader = loading.DefaultStrategyLoader()
        self.strategies = {name: type(loader.load(name))
                           for name in loader.list_available()}

    def covered(self, mixin):
        return {case.STRATEGY.get_name() for case in self.cases
                if issubclass(case, mixin)}

    def test_properties_are_tested(self):
        self.assertEqual(set(self.strategies) - FIXED,
                         self.covered(properties.StrategyProperties))

    def test_what_silence_does_is_tested(self):
        self.assertEqual(
            {name for name, strategy in self.strategies.items()
             if strategy.DATASOURCE_METRICS},
            self.covered(metric_properties.MetricProperties))
