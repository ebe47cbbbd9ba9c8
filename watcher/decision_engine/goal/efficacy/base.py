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
"""How the solutions of one goal are measured."""

import abc
import json
from collections.abc import Sequence

import jsonschema


class EfficacySpecification(metaclass=abc.ABCMeta):
    """The indicators that every strategy of one goal has to supply."""

    def __init__(self):
        self._indicators_specs = self.get_indicators_specifications()

    @property
    def indicators_specs(self) -> Sequence:
        """The specifications of the indicators, computed once."""
        return self._indicators_specs

    @abc.abstractmethod
    def get_indicators_specifications(self) -> Sequence:
        """Return the specification objects of the indicators."""
        raise NotImplementedError

    @abc.abstractmethod
    def get_global_efficacy_indicator(self, indicators_map) -> list | None:
        """Return the figures that sum the solution up.

        :param indicators_map: values by indicator name, also readable as
            attributes; may be empty.
        :returns: indicator objects, or None if the goal has no such figure.
        """
        raise NotImplementedError

    def get_score(self, indicators_map) -> float | None:
        """Tell how good a solution is, to compare strategies of the goal.

        :param indicators_map: values by indicator name; may be empty.
        :returns: a number, greater is better, 0 if nothing improves; None
            if the indicators do not tell.
        """
        return None

    @property
    def schema(self) -> dict:
        """JSON schema of the whole mapping of indicators."""
        return {
            'type': 'object',
            'properties': {
                spec.name: spec.schema for spec in self.indicators_specs},
            # An empty list is not allowed here by draft 4.
            **({'required': required} if (required := [
                spec.name for spec in self.indicators_specs
                if spec.required]) else {}),
        }

    def validate_efficacy_indicators(self, indicators_map) -> None:
        """Hold the values against the schema; an empty mapping passes.

        :raises: jsonschema.ValidationError
        """
        if indicators_map:
            jsonschema.validate(
                dict(indicators_map), self.schema,
                cls=jsonschema.Draft4Validator)

    def get_indicators_specs_dicts(self) -> list[dict]:
        """Return the specifications in the form that is stored."""
        return [spec.to_dict() for spec in self.indicators_specs]

    def serialize_indicators_specs(self) -> str:
        """Return the specifications as JSON text."""
        return json.dumps(self.get_indicators_specs_dicts())
