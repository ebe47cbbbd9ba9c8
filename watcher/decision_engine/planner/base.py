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
(actions with parents): an action is started when all its parents have ended.
"""

import abc
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import jsonschema
from oslo_log import log

from watcher import objects
from watcher._i18n import _
from watcher.common import exception
from watcher.common import reasons
from watcher.common import utils
from watcher.common.loader import default
from watcher.common.loader import loadable
from watcher.db import api as db_api
from watcher.decision_engine.solution import explanation

LOG = log.getLogger(__name__)

State = objects.action_plan.State


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


class StoringPlanner(BasePlanner):
    """Base of our planners: checks first, then stores all or nothing.

    :cvar NAME: of the entry point, for messages about options.
    """

    NAME: str

    def schedule(self, context, audit_id, solution):
        """Store plan, indicators and actions in one transaction.

        :raises: UnsupportedActionType, Invalid if an action of the solution
            could never run.
        """
        self.check_types(solution.actions)
        if solution.actions:
            ActionValidator().check(solution.actions)
        with db_api.get_instance().transaction():
            plan = self.create_action_plan(context, audit_id, solution)
            create_efficacy_indicators(plan.id, solution.efficacy_indicators)
            if solution.actions:
                self.store_actions(context, plan, solution)
            else:
                _close_empty(plan, solution)
        return plan

    def create_action_plan(self, context, audit_id: int, solution):
        """Store the record of the plan."""
        return create_plan(context, audit_id, solution)

    @abc.abstractmethod
    def check_types(self, actions: Sequence[Mapping[str, Any]]) -> None:
        """Refuse what this planner cannot order.

        :raises: UnsupportedActionType
        """
        raise NotImplementedError

    @abc.abstractmethod
    def store_actions(self, context, plan, solution) -> None:
        """Store the actions of a solution that has some.

        :param plan: the stored plan.
        """
        raise NotImplementedError


class ActionValidator:
    """Asks the action plug-ins whether planned actions can be run at all.

    An audit with an impossible action then fails with a clear word, instead
    of leaving a plan that fails half-way. The plug-ins belong to the applier
    and are only known by their entry points. One that is missing on the
    machine of the decision engine is no obstacle: the appliers may have it.
    """

    NAMESPACE = 'watcher_actions'

    def __init__(self):
        self._loader = default.DefaultLoader(namespace=self.NAMESPACE)
        self._installed = set(self._loader.list_available())
        self._plugins = {}

    def check(self, actions: Sequence[Mapping[str, Any]]) -> None:
        """Check the input parameters of all actions.

        :raises: Invalid for parameters that the action does not accept.
        """
        for action in actions:
            self._check(action['action_type'], action['input_parameters'])

    def _check(self, action_type, input_parameters):
        plugin = self._plugin(action_type)
        if plugin is None:
            return
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
        if action_type not in self._plugins:
            self._plugins[action_type] = self._load(action_type)
        return self._plugins[action_type]

    def _load(self, action_type):
        if action_type in self._installed:
            try:
                return self._loader.load(action_type)
            except exception.LoadingError as exc:
                reason = exc
        else:
            reason = 'the plug-in is not installed here'
        LOG.warning('The parameters of the actions of the type %(type)s '
                    'cannot be checked: %(reason)s. Make sure that all '
                    'appliers have it',
                    {'type': action_type, 'reason': reason})
        return None


def create_plan(context, audit_id: int, solution) -> 'objects.ActionPlan':
    """Store the plan record of a solution, and why it is what it is.

    :param audit_id: integer id of the audit.
    """
    strategy = objects.Strategy.get_by_name(context, solution.strategy.name)
    plan = objects.ActionPlan(
        context,
        audit_id=audit_id,
        strategy_id=strategy.id,
        state=State.RECOMMENDED,
        global_efficacy=_plain(solution.global_efficacy))
    plan.create()
    why = explanation.of_solution(solution)
    plan.explain(why)
    LOG.info('Action plan %(plan)s of the strategy %(strategy)s: %(summary)s',
             {'plan': plan.uuid, 'strategy': strategy.name,
              'summary': why['summary']})
    return plan


def create_efficacy_indicators(plan_id: int, indicators: Sequence) -> None:
    """Store the indicators of a plan, in their order, at once."""
    db_api.get_instance().bulk_create_efficacy_indicators(
        [{'action_plan_id': plan_id, 'name': indicator.name,
          'description': indicator.description, 'unit': indicator.unit,
          'value': indicator.value} for indicator in indicators or ()])


def new_action(action: Mapping[str, Any],
               parents: Sequence[str] = ()) -> dict[str, Any]:
    """Return the fields of an action to be stored.

    :param action: an action of a solution.
    :param parents: UUIDs of the actions that have to end before.
    """
    return {'uuid': utils.generate_uuid(),
            'action_type': action['action_type'],
            'input_parameters': action['input_parameters'],
            'state': objects.action.State.PENDING,
            'parents': list(parents),
            'explanation': explanation.of_action(action)}


def waits(planned: Sequence[Mapping[str, Any]],
          actions: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return the UUIDs that each action waits for by its strategy's wish.

    Wishes that contradict the given order are left out.

    :param planned: actions of a solution, in the order of the plan.
    :param actions: the new actions made of them.
    """
    uuid_of: dict[int, str] = {}
    found = []
    for wish, action in zip(planned, actions, strict=True):
        found.append([uuid_of[id(other)]
                      for other in getattr(wish, 'after', ())
                      if id(other) in uuid_of])
        uuid_of[id(wish)] = action['uuid']
    return found


def parameter(action: Mapping[str, Any], name: str) -> Any:
    """Return an input parameter that a planner cannot do without.

    :raises: Invalid if it is missing.
    """
    value = (action['input_parameters'] or {}).get(name)
    if value is None:
        raise exception.Invalid(
            _('The planned action %(type)s lacks the parameter %(name)s.')
            % {'type': action['action_type'], 'name': name})
    return value


def number(planner: StoringPlanner, option: str, action_type: str,
           value: Any) -> float:
    """Return the number that an option names for a type.

    Values of configuration files are texts.

    :raises: Invalid naming the option.
    """
    try:
        return float(value)
    except (TypeError, ValueError):
        raise exception.Invalid(
            _('[watcher_planners.%(planner)s] %(option)s: %(value)r of '
              '%(type)s is not a number.') % {
                  'planner': planner.NAME, 'option': option, 'value': value,
                  'type': action_type}) from None


def check_graph(actions: Sequence[Mapping[str, Any]]) -> None:
    """Make sure that every action of a plan can be started some time.

    :param actions: each with ``uuid`` and ``parents``.
    :raises: Invalid for a parent that is not part of the plan, a UUID that
        two actions have, or a cycle.
    """
    waits_for = {action['uuid']: len(set(action['parents'] or ()))
                 for action in actions}
    if len(waits_for) != len(actions):
        raise exception.Invalid(_('Two actions of a plan have one UUID.'))
    children: dict[str, list[str]] = {uuid: [] for uuid in waits_for}
    for action in actions:
        for parent in set(action['parents'] or ()):
            if parent not in children:
                raise exception.Invalid(
                    _('The action %(uuid)s (%(type)s) waits for %(parent)s, '
                      'which is no action of its plan.') % {
                          'uuid': action['uuid'], 'parent': parent,
                          'type': action['action_type']})
            children[parent].append(action['uuid'])
    ready = [uuid for uuid, count in waits_for.items() if not count]
    for uuid in ready:
        for child in children[uuid]:
            waits_for[child] -= 1
            if not waits_for[child]:
                ready.append(child)
    if len(ready) < len(actions):
        raise exception.Invalid(
            _('%(count)d actions of a plan wait for each other, e.g. '
              '%(uuid)s.') % {
                  'count': len(actions) - len(ready),
                  'uuid': next(u for u, n in waits_for.items() if n)})


def _close_empty(plan, solution) -> None:
    why = explanation.of_solution(solution)
    LOG.info('The action plan %s has no actions and ends at once', plan.uuid)
    plan.transition(State.SUCCEEDED,
                    status_message=reasons.Reason(
                        f"No action is planned. {why['summary']}",
                        reasons.Code.NOTHING_TO_DO,
                        explanation=why.get('code')))


def _plain(indicators):
    if indicators is None:
        return None
    return [{**indicator,
             'value': explanation.plain_number(indicator['value'])}
            for indicator in indicators]
