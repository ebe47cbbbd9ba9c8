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
"""Finds the goals and strategies that request bodies name."""

from typing import Any

from watcher import objects
from watcher._i18n import _
from watcher.api.controllers import base
from watcher.common import exception
from watcher.common import utils


def _find(cls, ident, with_id, **kwargs):
    context = base.context()
    if with_id and utils.is_int_like(ident):
        return cls.get_by_id(context, int(ident), **kwargs)
    if utils.is_uuid_like(ident):
        return cls.get_by_uuid(context, ident, **kwargs)
    return cls.get_by_name(context, ident, **kwargs)


def find_goal(ident: str, with_id: bool = False) -> Any:
    """Return the goal with this UUID or name.

    :param with_id: whether the numeric id is accepted too
    :raises: GoalNotFound
    """
    return _find(objects.Goal, ident, with_id)


def find_strategy(ident: str) -> Any:
    """Return the strategy with this UUID, name or id.

    :raises: StrategyNotFound
    """
    return _find(objects.Strategy, ident, with_id=True)


def check_pair(goal: Any, strategy: Any | None) -> None:
    """Refuse a strategy that serves another goal.

    :raises: InvalidStrategy, naming both
    """
    if strategy is None or strategy.goal_id == goal.id:
        return
    raise exception.InvalidStrategy(
        _("The strategy '%(strategy)s' does not serve the goal '%(goal)s'. "
          "See GET /v1/strategies?goal=%(goal)s for those that do.")
        % {'strategy': strategy.name, 'goal': goal.name})
