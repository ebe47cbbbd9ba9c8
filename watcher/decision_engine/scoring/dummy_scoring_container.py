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
"""A container that shows how one plug-in supplies several engines."""

import numbers
from collections.abc import Callable

from oslo_serialization import jsonutils

from watcher._i18n import _
from watcher.common import utils
from watcher.decision_engine.scoring import base


class DummyScoringContainer(base.ScoringEngineContainer):
    """Minimum, maximum and average of a list of numbers."""

    @classmethod
    def get_scoring_engine_list(cls):
        return [
            SimpleFunctionScorer(
                'dummy_min_scorer',
                'Dummy Scorer calculating the minimum value', min),
            SimpleFunctionScorer(
                'dummy_max_scorer',
                'Dummy Scorer calculating the maximum value', max),
            SimpleFunctionScorer(
                'dummy_avg_scorer',
                'Dummy Scorer calculating the average value',
                lambda values: sum(values) / len(values)),
        ]


class SimpleFunctionScorer(base.ScoringEngine):
    """Applies one function to a JSON list of numbers."""

    def __init__(self, name: str, description: str,
                 function: Callable[[list[float]], float]):
        super().__init__(utils.Struct())
        self._name = name
        self._description = description
        self._function = function

    def get_name(self):
        return self._name

    def get_description(self):
        return self._description

    def get_metainfo(self):
        return ''

    def calculate_score(self, features):
        """Return a JSON list with the one result.

        :raises: ValueError unless given a list with at least one number.
        """
        values = jsonutils.loads(features)
        if not isinstance(values, list) or not values:
            raise ValueError(
                _('The features have to be a list with at least one number, '
                  'not %r') % (values,))
        for value in values:
            if not isinstance(value, numbers.Real):
                raise ValueError(_('The feature %r is not a number') % value)
        return jsonutils.dumps([self._function(values)])
