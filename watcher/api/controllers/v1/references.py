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

import copy
from typing import Any

from watcher import objects
from watcher._i18n import _
from watcher.api.controllers import base
from watcher.common import context as watcher_context
from watcher.common import exception
from watcher.common import utils


def living() -> watcher_context.RequestContext:
    """Return the caller's context, blind to what is deleted.

    Who may see deleted resources must still not build on them.
    """
    context = copy.copy(base.context())
    context.show_deleted = False
    return context


def _find(cls, ident, with_id):
    context = living()
    if with_id and utils.is_int_like(ident):
        return cls.get_by_id(context, int(ident))
    if utils.is_uuid_like(ident):
        return cls.get_by_uuid(context, ident)
    return cls.get_by_name(context, ident)


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


def of_template(template: Any) -> tuple[Any, Any | None]:
    """Return goal and strategy of an audit template.

    :raises: Invalid if one of them is gone, naming it
    """
    for found in (template.goal, template.strategy):
        if found is not None and found.deleted_at is not None:
            raise exception.Invalid(
                _("The audit template '%(template)s' is for '%(name)s', "
                  'which does not exist any more. Change the template.')
                % {'template': template.name, 'name': found.name})
    return template.goal, template.strategy


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
