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
"""Disables hosts, empties them, and enables them again, in this order.

The migrations away from one host run one after the other, hosts are emptied
side by side. No migration begins before all hosts are disabled, and no host
is enabled before all are empty: Nova chooses the destinations, and would take
a host that is about to be emptied, or that just was.
"""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from watcher._i18n import _
from watcher.common import exception
from watcher.decision_engine.planner import base
from watcher.decision_engine.planner import needs

MIGRATE = 'migrate'
CHANGE_STATE = 'change_nova_service_state'
DISABLED = 'disabled'

#: If more actions than this had to be named as the parents of many, one
#: action waits for them and stands for them all.
MOST_PARENTS = 16

Action = dict[str, Any]


class NodeResourceConsolidationPlanner(base.StoringPlanner):
    """For plans that empty many hosts at once."""

    NAME = 'node_resource_consolidation'

    def check_types(self, actions):
        for action in actions:
            if action['action_type'] not in (MIGRATE, CHANGE_STATE):
                raise exception.UnsupportedActionType(
                    _('The planner node_resource_consolidation orders '
                      'actions of the types %(known)s only, not %(type)s.')
                    % {'known': f'{MIGRATE} and {CHANGE_STATE}',
                       'type': action['action_type']},
                    action_type=action['action_type'])

    def store_actions(self, context, plan, solution):
        actions = self.arrange(solution.actions)
        base.check_graph(actions)
        needs.add(actions)
        plan.create_actions(actions)

    def create_action(self, action_plan_id: int, action_type: str,
                      input_parameters: dict | None = None) -> Action:
        """Return the fields of an action that is not stored yet."""
        return {'action_plan_id': action_plan_id, **base.new_action(
            {'action_type': action_type,
             'input_parameters': input_parameters})}

    def arrange(self, planned: Sequence[Mapping[str, Any]]) -> list[Action]:
        """Return the actions to store, in order and with their parents."""
        disable, enable, migrations = [], [], {}
        actions = [base.new_action(action) for action in planned]
        for action in actions:
            if action['action_type'] == MIGRATE:
                source = base.parameter(action, 'source_node')
                migrations.setdefault(source, []).append(action)
            elif base.parameter(action, 'state') == DISABLED:
                disable.append(action)
            else:
                enable.append(action)
        disabled = _gathered(disable)
        moves = {action['uuid'] for of_host in migrations.values()
                 for action in of_host}
        for of_host in migrations.values():
            _in_a_row(of_host, disabled)
        _one_move_at_a_time(actions)
        for action, wished in zip(actions, base.waits(planned, actions),
                                  strict=True):
            if action['action_type'] == MIGRATE:
                _add_parents(action, [uuid for uuid in wished
                                      if uuid in moves])
        _let_wait(enable, [of_host[-1]['uuid']
                           for of_host in migrations.values()] or disabled)
        return [*disable,
                *(action for of_host in migrations.values()
                  for action in of_host),
                *enable]


def _gathered(actions: list[Action]) -> list[str]:
    """Return for whom to wait until all of these have ended."""
    uuids = [action['uuid'] for action in actions]
    if len(uuids) <= MOST_PARENTS:
        return uuids
    actions[-1]['parents'] = uuids[:-1]
    return uuids[-1:]


def _in_a_row(actions: list[Action], before: list[str]) -> None:
    previous = []
    for action in actions:
        action['parents'] = [*before, *previous]
        previous = [action['uuid']]


def _one_move_at_a_time(actions: list[Action]) -> None:
    """Let a server's second move wait for its first one."""
    last: dict[str, str] = {}
    for action in actions:
        if action['action_type'] != MIGRATE:
            continue
        server = base.parameter(action, 'resource_id')
        former = last.get(server)
        if former is not None:
            _add_parents(action, [former])
        last[server] = action['uuid']


def _add_parents(action: Action, uuids: list[str]) -> None:
    action['parents'] += [uuid for uuid in uuids
                          if uuid not in action['parents']]


def _let_wait(actions: list[Action], uuids: list[str]) -> None:
    """Let all these actions wait for all those."""
    if len(uuids) > MOST_PARENTS and actions:
        actions[0]['parents'] = list(uuids)
        uuids, actions = [actions[0]['uuid']], actions[1:]
    for action in actions:
        action['parents'] = list(uuids)
