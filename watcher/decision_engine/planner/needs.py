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
"""Which earlier actions of a plan an action cannot do without.

The order of a plan alone does not say it: that a server leaves a host only
makes sense when the host was disabled before, while the next server may well
leave when the one before it could not. These wishes are stored with the
actions. The applier minds them where its option ``dependency_rule`` says so.
"""

import collections
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

MUST_SUCCEED = 'must_succeed'

Action = dict[str, Any]
#: State that an action brings a host to, and the host.
Effect = tuple[str, str]

_MIGRATE = 'migrate'
_SERVICE = 'change_nova_service_state'
_POWER = 'change_node_power_state'


def add(actions: Sequence[Action]) -> None:
    """Add to each action its ``needs``: UUID of an earlier one -> need.

    :param actions: the new actions of a plan, each with its UUID
    """
    causes: dict[Effect, list[str]] = collections.defaultdict(list)
    for action in actions:
        for effect in _effects(action):
            causes[effect].append(action['uuid'])
    for action in actions:
        needs = {uuid: MUST_SUCCEED for effect in _wanted(action)
                 if effect[1] for uuid in causes.get(effect, ())}
        if needs:
            action['needs'] = needs


def _effects(action: Mapping[str, Any]) -> Iterator[Effect]:
    """What the success of an action means for hosts."""
    given = action['input_parameters'] or {}
    if action['action_type'] == _MIGRATE:
        yield 'left', given.get('source_node') or ''
    elif action['action_type'] in (_SERVICE, _POWER):
        yield str(given.get('state')), _host(given)


def _wanted(action: Mapping[str, Any]) -> Iterator[Effect]:
    """What has to be true of hosts for an action to make sense.

    Only what comes before the action in its plan counts in the end: who
    leaves a host that is enabled afterwards does not need that.
    """
    given = action['input_parameters'] or {}
    if action['action_type'] == _MIGRATE:
        yield 'disabled', given.get('source_node') or ''
        yield 'on', given.get('destination_node') or ''
        yield 'enabled', given.get('destination_node') or ''
    elif action['action_type'] == _POWER and given.get('state') == 'off':
        yield 'disabled', _host(given)
        yield 'left', _host(given)


def _host(given: Mapping[str, Any]) -> str:
    return given.get('resource_name') or given.get('resource_id') or ''
