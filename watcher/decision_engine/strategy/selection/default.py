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
"""Takes the named strategy, or the first one of the goal."""

from collections.abc import Mapping

from oslo_log import log

from watcher.common import exception
from watcher.decision_engine.loading import default
from watcher.decision_engine.strategy.selection import base

LOG = log.getLogger(__name__)


class DefaultStrategySelector(base.BaseSelector):
    """Chooses the same strategy each time.

    :param goal_name: name of the goal of the audit.
    :param strategy_name: entry-point name of the wanted strategy. Without
        one, the first strategy of the goal by entry-point name is taken.
    :param osc: holder of OpenStack clients for the strategy.
    """

    def __init__(self, goal_name: str, strategy_name: str | None = None,
                 osc=None):
        self.goal_name = goal_name
        self.strategy_name = strategy_name
        self.osc = osc
        self.strategy_loader = default.DefaultStrategyLoader()

    def select(self):
        """Build the strategy.

        :raises: NoAvailableStrategyForGoal if the goal has none,
            LoadingError if the strategy cannot be built.
        """
        name = self.strategy_name or self._first_of_goal()
        return self.strategy_loader.load(name, osc=self.osc)

    def _first_of_goal(self) -> str:
        names = strategies_of(self.goal_name,
                              self.strategy_loader.list_available())
        if not names:
            raise exception.NoAvailableStrategyForGoal(goal=self.goal_name)
        LOG.info('The audit names no strategy; %(strategy)s is the first one '
                 'of the goal %(goal)s',
                 {'strategy': names[0], 'goal': self.goal_name})
        return names[0]


def strategies_of(goal_name: str, available: Mapping[str, type]) -> list[str]:
    """Return the names of the strategies of a goal, sorted.

    :param available: classes of strategies by entry-point name.
    """
    return [name for name, cls in sorted(available.items())
            if _goal_of(name, cls) == goal_name]


def _goal_of(name, cls):
    try:
        return cls.get_goal_name()
    except Exception as exc:
        LOG.warning('The strategy %(name)s does not tell its goal and is '
                    'not chosen: %(error)r', {'name': name, 'error': exc})
        return None
