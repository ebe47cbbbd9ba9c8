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
"""The solution that strategies get."""

import copy
import json

from oslo_log import log

from watcher.common import exception
from watcher.decision_engine.solution import base
from watcher.decision_engine.solution import explanation

LOG = log.getLogger(__name__)

RESOURCE_ID = 'resource_id'


class PlannedAction(dict):
    """An action of a solution: type and input parameters.

    It is a plain dictionary with the keys ``action_type`` and
    ``input_parameters``. Attributes take no part in comparisons:

    :ivar explanation: why the strategy wants it.
    :ivar after: actions added before that have to end before this one
        starts, where the planner would not see it by itself.
    """

    def __init__(self, action_type: str, input_parameters: dict,
                 why: explanation.Explanation | None = None):
        super().__init__(action_type=action_type,
                         input_parameters=input_parameters)
        self.explanation = why
        self.after: list[PlannedAction] = []

    @property
    def reason(self) -> str | None:
        """Why, in words."""
        return self.explanation.reason if self.explanation else None


class DefaultSolution(base.BaseSolution):
    """Keeps the actions in the order in which they were added."""

    def __init__(self, goal, strategy):
        super().__init__(goal, strategy)
        self._actions: list[dict] = []
        self._keys: set[tuple[str, str]] = set()

    def add_action(self, action_type: str,
                   input_parameters: dict | None = None,
                   resource_id: str | None = None,
                   reason: str | explanation.Explanation | None = None
                   ) -> PlannedAction:
        """Append an action unless an equal one is there already.

        :param input_parameters: parameters of the action; they are copied.
        :param resource_id: added to the parameters under this name.
        :param reason: why: a sentence, or an explanation with the figures
            that counted and the alternatives that were ruled out. It is
            logged, stored with the action and shown by the API.
        :returns: the action, the one that is there already if there is one.
        :raises: ReservedWord if the parameters hold a resource_id.
        """
        parameters = copy.deepcopy(dict(input_parameters or {}))
        if RESOURCE_ID in parameters:
            raise exception.ReservedWord(name=RESOURCE_ID)
        if resource_id is not None:
            parameters[RESOURCE_ID] = resource_id
        if isinstance(reason, str):
            reason = explanation.Explanation(reason)
        action = PlannedAction(action_type, parameters, reason)
        if self._is_duplicate(action):
            LOG.warning('The action %(action)s is already part of the '
                        'solution; it is not added a second time',
                        {'action': action})
            return self._actions[self._actions.index(action)]
        self._actions.append(action)
        LOG.info('Planned %(type)s %(parameters)s: %(reason)s',
                 {'type': action_type, 'parameters': parameters,
                  'reason': reason or 'no reason given by the strategy'})
        return action

    def _is_duplicate(self, action: dict) -> bool:
        # The key only says whether a look is worth while: strategies may
        # have removed or changed records of the live list meanwhile.
        key = (action['action_type'],
               json.dumps(action['input_parameters'], sort_keys=True,
                          default=repr))
        if key in self._keys and action in self._actions:
            return True
        self._keys.add(key)
        return False

    @property
    def actions(self) -> list[dict]:
        """The live list of actions."""
        return self._actions

    def __str__(self):
        return '\n'.join(
            f"{action['action_type']} {action['input_parameters']}"
            for action in self._actions)
