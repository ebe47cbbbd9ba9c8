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
"""What planners share.

A planner turns a solution (actions in a list) into a stored action plan
(actions with parents).
"""

import abc

import jsonschema

from watcher import objects
from watcher._i18n import _
from watcher.common import exception
from watcher.common.loader import default
from watcher.common.loader import loadable


class BasePlanner(loadable.Loadable, metaclass=abc.ABCMeta):
    """Base class of planners.

    :param config: values of the planner's own options.
    """

    @classmethod
    def get_config_opts(cls) -> list:
        """Return the options of this planner."""
        return []

    @abc.abstractmethod
    def schedule(self, context, audit_uuid, solution):
        """Store an action plan for the solution and return it.

        :param context: request context.
        :param audit_uuid: the integer id of the audit, in spite of its name.
        :param solution: what the strategy found.
        """
        raise NotImplementedError


class ActionValidator:
    """Asks the action plug-ins whether planned actions can be run at all.

    An audit with an impossible action then fails with a clear word, instead
    of leaving a plan that fails half-way. The plug-ins belong to the applier
    and are only known by their entry points.
    """

    NAMESPACE = 'watcher_actions'

    def __init__(self):
        self._loader = default.DefaultLoader(namespace=self.NAMESPACE)
        self._installed = set(self._loader.list_available())
        self._plugins = {}

    def check(self, actions: list[dict]) -> None:
        """Check types and input parameters of all actions.

        :raises: UnsupportedActionType for a type that is not installed,
            Invalid for parameters that the action does not accept.
        """
        for action in actions:
            self._check(action['action_type'], action['input_parameters'])

    def _check(self, action_type, input_parameters):
        plugin = self._plugin(action_type)
        plugin.input_parameters = input_parameters
        try:
            plugin.validate_parameters()
        except jsonschema.ValidationError as exc:
            where = '.'.join(str(part) for part in exc.path)
            raise exception.Invalid(
                _('The planned action %(type)s has unusable parameters'
                  '%(where)s: %(reason)s') % {
                      'type': action_type,
                      'where': f' ({where})' if where else '',
                      'reason': exc.message}) from exc

    def _plugin(self, action_type):
        if action_type not in self._installed:
            raise exception.UnsupportedActionType(
                _('The action type %(type)s is not installed. Installed '
                  'types: %(installed)s.') % {
                      'type': action_type,
                      'installed': ', '.join(sorted(self._installed))},
                action_type=action_type)
        if action_type not in self._plugins:
            self._plugins[action_type] = self._loader.load(action_type)
        return self._plugins[action_type]


def create_plan(context, audit_id: int, solution) -> 'objects.ActionPlan':
    """Store the plan record of a solution.

    :param audit_id: integer id of the audit.
    """
    strategy = objects.Strategy.get_by_name(context, solution.strategy.name)
    plan = objects.ActionPlan(
        context,
        audit_id=audit_id,
        strategy_id=strategy.id,
        state=objects.action_plan.State.RECOMMENDED,
        global_efficacy=_plain(solution.global_efficacy))
    plan.create()
    return plan


def create_efficacy_indicators(context, plan_id: int,
                               indicators: list) -> None:
    """Store the indicators of a plan, in their order."""
    for indicator in indicators or ():
        objects.EfficacyIndicator(
            context,
            action_plan_id=plan_id,
            name=indicator.name,
            description=indicator.description,
            unit=indicator.unit,
            value=indicator.value).create()


def _plain(indicators):
    if indicators is None:
        return None
    return [dict(indicator) for indicator in indicators]
