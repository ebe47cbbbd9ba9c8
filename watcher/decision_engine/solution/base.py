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
"""What a strategy hands to the planner."""

import abc
from collections.abc import Mapping
from collections.abc import Sequence

from oslo_log import log

from watcher.decision_engine.solution import efficacy
from watcher.decision_engine.solution import explanation

LOG = log.getLogger(__name__)


class BaseSolution(metaclass=abc.ABCMeta):
    """An ordered list of actions, without structure in time, and its worth.

    :param goal: the goal object.
    :param strategy: the strategy object.
    :ivar explanation: why the plan is what it is; None if nobody said it.
    :ivar selection: how the strategy was chosen among others, if it was.
    :ivar remarks: sentences about what was not done, for whoever wonders
        why something is missing from the plan.
    """

    def __init__(self, goal, strategy):
        self.goal = goal
        self._strategy = strategy
        self.origin = None
        self.model = None
        self.efficacy = efficacy.Efficacy(goal, strategy)
        self.explanation: explanation.Explanation | None = None
        self.selection: dict | None = None
        self.remarks: list[str] = []

    @property
    def strategy(self):
        """The strategy that made this solution."""
        return self._strategy

    @property
    def global_efficacy(self):
        """The goal's figures, or None."""
        return self.efficacy.global_efficacy

    @property
    def efficacy_indicators(self) -> list:
        """The indicators, in the order in which they were set."""
        return self.efficacy.indicators

    def compute_global_efficacy(self) -> None:
        """Check the indicators and compute the goal's figures."""
        self.efficacy.compute_global_efficacy()

    def set_efficacy_indicators(self, **indicators_map) -> None:
        """Add or replace indicator values by name."""
        self.efficacy.set_efficacy_indicators(**indicators_map)

    def explain(self, summary: str, code: str | None = None,
                measures: Sequence[explanation.Measure] = (),
                ruled_out: Mapping[str, str] | None = None) -> None:
        """Say why the plan is what it is, above all an empty one.

        A second call replaces what the first one said.

        :param summary: a sentence for people: what the plan does and why,
            or which constraint kept the strategy from doing anything.
        :param code: a stable word for programs, e.g. ``balanced``.
        :param measures: what the plan improves.
        :param ruled_out: what could have been done, e.g. the name of a
            server, -> why it is not.
        """
        self.explanation = explanation.Explanation(
            summary, code, tuple(measures), dict(ruled_out or {}))
        LOG.info('%(strategy)s: %(explanation)s',
                 {'strategy': self.strategy.name,
                  'explanation': self.explanation})

    def add_remark(self, text: str) -> None:
        """Note and log something that the plan does not show."""
        self.remarks.append(text)
        LOG.info('%s', text)

    @abc.abstractmethod
    def add_action(self, action_type, resource_id, input_parameters=None):
        """Append an action."""
        raise NotImplementedError

    @property
    @abc.abstractmethod
    def actions(self):
        """The actions, in order."""
        raise NotImplementedError
