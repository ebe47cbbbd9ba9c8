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
"""The measured values of one solution."""

import math
import numbers

import numpy
from oslo_log import log

from watcher._i18n import _
from watcher.common import exception
from watcher.common import utils

LOG = log.getLogger(__name__)


class IndicatorsMap(utils.Struct):
    """Values by name of the indicator."""


class Indicator(utils.Struct):
    """One value with what it means.

    :raises: InvalidIndicatorValue if the value is not a number.
    """

    def __init__(self, name: str, description: str | None,
                 unit: str | None, value: float):
        super().__init__()
        self.name = name
        self.description = description
        self.unit = unit
        if not isinstance(value, numbers.Number):
            raise exception.InvalidIndicatorValue(
                name=name, value=value, spec_type=_('a number'))
        self.value = value


class Efficacy:
    """Collects the indicators of a solution and sums them up.

    :param goal: the goal object whose specification counts.
    :param strategy: the strategy object, named in errors.
    """

    def __init__(self, goal, strategy):
        self.goal = goal
        self.strategy = strategy
        self._efficacy_indicators = IndicatorsMap()
        self.indicators: list[Indicator] = []
        self.global_efficacy: list[Indicator] | None = None

    @property
    def indicators_map(self) -> IndicatorsMap:
        """The values as they were set."""
        return self._efficacy_indicators

    def set_efficacy_indicators(self, **indicators_map: float) -> None:
        """Add or replace values by indicator name.

        Numbers of numpy become plain ones, as schemas and JSON want them.
        NaN and infinity stand for what nobody knows: no value at all. The
        database would refuse them.
        """
        for name, value in indicators_map.items():
            value = value.item() if isinstance(value, numpy.generic) else value
            if isinstance(value, float) and not math.isfinite(value):
                LOG.info('%(strategy)s: the indicator %(name)s is not known',
                         {'strategy': self.strategy.name, 'name': name})
                self._efficacy_indicators.pop(name, None)
            else:
                self._efficacy_indicators[name] = value

    def compute_global_efficacy(self) -> None:
        """Check the values against the goal and compute its figures.

        :raises: jsonschema.ValidationError for values that the goal does
            not allow, GlobalEfficacyComputationError for anything else.
        """
        specification = self.goal.efficacy_specification
        specification.validate_efficacy_indicators(self._efficacy_indicators)
        try:
            self.global_efficacy = (
                specification.get_global_efficacy_indicator(
                    self._efficacy_indicators))
            specs = {spec.name: spec
                     for spec in specification.indicators_specs}
            self.indicators = [
                Indicator(name=name, description=specs[name].description,
                          unit=specs[name].unit, value=value)
                for name, value in self._efficacy_indicators.items()]
        except Exception as exc:
            LOG.debug('The efficacy of the indicators %(values)s cannot be '
                      'computed: %(error)r',
                      {'values': self._efficacy_indicators, 'error': exc})
            raise exception.GlobalEfficacyComputationError(
                goal=self.goal.name, strategy=self.strategy.name) from exc
