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
"""Runs all strategies of a goal and takes the solution that helps most.

A strategy only computes; nothing happens to the cloud before its plan is
started. So all of them can be asked. One that lacks a model, a metric or a
parameter fails, and says so in the explanation of the plan.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jsonschema
from oslo_log import log

from watcher._i18n import _
from watcher.common import exception
from watcher.decision_engine.loading import default as loading
from watcher.decision_engine.solution import explanation
from watcher.decision_engine.strategy.common import simulation
from watcher.decision_engine.strategy.selection import base
from watcher.decision_engine.strategy.selection import default

LOG = log.getLogger(__name__)

#: Errors by which strategies tell that something is missing.
_EXPECTED = (exception.WatcherException, jsonschema.ValidationError)


@dataclasses.dataclass
class Candidate:
    """A strategy of the goal, and what became of it.

    :ivar score: how much its plan helps, greater is better; None if nobody
        can tell.
    :ivar outcome: in words.
    """

    name: str
    solution: Any = None
    score: float | None = None
    outcome: str = ''

    @property
    def rank(self) -> tuple:
        """Greater is better; equal ones keep their order."""
        helps = self.score is not None and self.score > 0
        return (helps, self.score if helps else 0.0,
                -len(self.solution.actions) if helps else 0)

    def to_dict(self) -> dict[str, Any]:
        """Return the form that is stored with the plan."""
        return {'strategy': self.name, 'score': self.score,
                'outcome': self.outcome}


class BestStrategySelector(base.BaseSelector):
    """Compares the strategies of a goal by what their plans would bring.

    :param goal_name: name of the goal of the audit.
    :param run: prepares and executes a strategy object and returns its
        solution.
    :param osc: holder of OpenStack clients for the strategies.
    """

    def __init__(self, goal_name: str, run: Callable[[Any], Any], osc=None):
        self.goal_name = goal_name
        self.run = run
        self.osc = osc
        self.strategy_loader = loading.DefaultStrategyLoader()

    def select(self):
        """Return the strategy object of the best solution; it has run."""
        return self.solve().strategy

    def solve(self):
        """Return the best solution, which tells why it was chosen.

        :raises: NoAvailableStrategyForGoal if the goal has no strategy, or
            if none of them can run.
        """
        names = default.strategies_of(
            self.goal_name, self.strategy_loader.list_available())
        if not names:
            raise exception.NoAvailableStrategyForGoal(goal=self.goal_name)
        candidates = [self._try(name) for name in names]
        runnable = [c for c in candidates if c.solution is not None]
        if not runnable:
            raise exception.NoAvailableStrategyForGoal(
                _('No strategy of the goal %(goal)s can run. %(reasons)s') % {
                    'goal': self.goal_name, 'reasons': '; '.join(
                        f'{c.name}: {c.outcome}' for c in candidates)})
        best = max(runnable, key=lambda candidate: candidate.rank)
        best.solution.selection = {
            'strategy': best.name, 'reason': _why(best, runnable),
            'candidates': [c.to_dict() for c in candidates]}
        LOG.info('The goal %(goal)s gets the strategy %(strategy)s, '
                 '%(reason)s. Compared: %(candidates)s',
                 {'goal': self.goal_name, 'strategy': best.name,
                  'reason': best.solution.selection['reason'],
                  'candidates': '; '.join(
                      f'{c.name}: {c.outcome}' for c in candidates)})
        return best.solution

    def _try(self, name: str) -> Candidate:
        candidate = Candidate(name)
        try:
            strategy = self.strategy_loader.load(name, osc=self.osc)
            candidate.solution = self.run(strategy)
        except Exception as exc:
            candidate.outcome = _failure(name, exc)
            return candidate
        candidate.score = _score(strategy, candidate.solution)
        candidate.outcome = _result(candidate)
        return candidate


def _score(strategy, solution) -> float | None:
    try:
        return explanation.plain_number(score(strategy, solution))
    except Exception as exc:
        LOG.warning('The plan of the strategy %(strategy)s cannot be compared '
                    'with others: %(error)r',
                    {'strategy': strategy.name, 'error': exc})
        return None


def score(strategy, solution) -> float | None:
    """Return how much of the goal a solution reaches, None if unknown.

    Where the goal has measures of the allocations, the actions are applied
    to the cluster as it was found: so all strategies are measured alike. For
    other goals their own indicators count.
    """
    measures = simulation.GOAL_MEASURES.get(strategy.goal.name)
    if not measures:
        return strategy.goal.efficacy_specification.get_score(
            solution.efficacy.indicators_map)
    state = strategy.found_state()
    after = simulation.arrange(
        solution.actions, simulation.Simulation(
            state.copy(), strategy.shared_options)).state
    found = simulation.compare(state, after, measures)
    gains = [(found.before[name] - found.after[name]) / found.before[name]
             for name in measures if found.before[name]]
    return sum(gains) / len(gains) if gains else 0.0


def _failure(name: str, exc: Exception) -> str:
    if isinstance(exc, jsonschema.ValidationError):
        return f'it cannot run without parameters: {exc.message}'
    if isinstance(exc, _EXPECTED):
        return f'it cannot run: {exc}'
    LOG.exception('The strategy %s failed while strategies were compared',
                  name)
    return f'it failed with an unexpected {type(exc).__name__}'


def _result(candidate: Candidate) -> str:
    count = len(candidate.solution.actions)
    if candidate.score is None:
        return f'{count} actions, of unknown worth'
    return f'{count} actions, {100 * candidate.score:.4g} % better'


def _why(best: Candidate, runnable: list[Candidate]) -> str:
    if len(runnable) == 1:
        return 'the only one that can run'
    if best.score is not None and best.score > 0:
        equal = [c for c in runnable
                 if c is not best and c.score == best.score]
        return ('as good as others with no more actions' if equal
                else 'whose plan brings most')
    return 'the first one by name, as none is known to bring more'
