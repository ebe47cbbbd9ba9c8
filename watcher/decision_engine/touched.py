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
"""What the actions of plans are about, as far as their parameters say.

The engine carries out no actions and has no plug-ins of them: it goes by the
parameters that the known types have. Of an action of another type everything
counts that may be a name.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from watcher import objects
from watcher.objects import states

#: Models of which a thing may be a part.
COMPUTE, STORAGE, BAREMETAL = KINDS = ('compute', 'storage', 'baremetal')

_SERVER = {'resource_id': COMPUTE}

#: Type of actions -> their parameters that name something, and of what kind.
_NAMED: dict[str, Mapping[str, str]] = {
    'migrate': {**_SERVER, 'source_node': COMPUTE,
                'destination_node': COMPUTE},
    'resize': _SERVER,
    'start': _SERVER,
    'stop': _SERVER,
    'change_nova_service_state': {'resource_id': COMPUTE,
                                  'resource_name': COMPUTE},
    'volume_migrate': {'resource_id': STORAGE, 'destination_node': STORAGE},
    'change_node_power_state': {'resource_id': BAREMETAL,
                                'resource_name': COMPUTE},
    'nop': {},
    'sleep': {},
}

_Action = states.ActionState

#: Actions that will not change anything, or may not have.
NOTHING_DONE = frozenset((_Action.PENDING, _Action.CANCELLED,
                          _Action.SKIPPED))
NOT_TO_BE_DONE = frozenset((_Action.FAILED, _Action.CANCELLED,
                            _Action.SKIPPED))


class Thing(NamedTuple):
    """Something that an action is about.

    :ivar kind: of the model it is part of; empty if nobody knows
    :ivar name: what its parameters call it: UUID, or name of host or pool
    """

    kind: str
    name: str


class Part(NamedTuple):
    """An action of a plan.

    :ivar called: what a person calls it
    """

    state: str
    things: frozenset[Thing]
    called: str


def part_of(action_type: str, state: str,
            parameters: Mapping[str, Any] | None) -> Part:
    """Return what an action is about."""
    parameters = parameters or {}
    named = _NAMED.get(action_type)
    if named is None:
        things = {Thing('', text) for text in _texts(parameters)}
    else:
        things = {Thing(kind, parameters[key]) for key, kind in named.items()
                  if isinstance(parameters.get(key), str)
                  and parameters[key]}
    called = parameters.get('resource_name') or parameters.get('resource_id')
    return Part(state, frozenset(things), f'{action_type} {called}')


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)


class Reader:
    """Reads what plans are about, each action only once.

    Parameters of actions never change. Not for several threads.
    """

    def __init__(self) -> None:
        # By the ids of actions; the second ones have an old state.
        self._known: dict[int, Part] = {}

    def read(self, *, plan_ids: Sequence[int] | None = None,
             plan_states: Iterable[str] = ()) -> dict[str, list[Part]]:
        """Return the actions of plans, by the UUIDs of the plans.

        What an earlier call has read and this one does not need is
        forgotten.
        """
        rows = objects.ActionPlan.dbapi.list_actions_of_plans(
            plan_ids=plan_ids, plan_states=plan_states)
        new = [row.id for row in rows if row.id not in self._known]
        parameters = (objects.ActionPlan.dbapi.get_action_parameters(new)
                      if new else {})
        known: dict[int, Part] = {}
        plans: dict[str, list[Part]] = {}
        for row in rows:
            part = self._known.get(row.id) or part_of(
                row.action_type, row.state, parameters.get(row.id))
            known[row.id] = part = part._replace(state=row.state)
            plans.setdefault(row.plan_uuid, []).append(part)
        self._known = known
        return plans
