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
"""What a plan did, and what is wanted because of that."""

import copy
import dataclasses
import heapq
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from watcher.decision_engine.solution import default


@dataclasses.dataclass(frozen=True)
class Step:
    """An action of a plan that has ended.

    :ivar parameters: its input parameters.
    :ivar run: the record of its run, None if there is none.
    """

    uuid: str
    action_type: str
    parameters: Mapping[str, Any]
    state: str
    parents: tuple[str, ...] = ()
    status_message: str | None = None
    run: Any = None

    @property
    def subject(self) -> str:
        """What it is about, for people."""
        for name in ('resource_name', 'resource_id'):
            if self.parameters.get(name):
                return str(self.parameters[name])
        return ''

    @property
    def label(self) -> str:
        """Name the step in an explanation."""
        return ' '.join(filter(None, (
            self.action_type, self.subject, f'({self.uuid})')))

    @property
    def begun(self) -> bool:
        """Whether the cloud may have been asked for it."""
        return self.run is not None and self.run.started_at is not None


class Wish(default.PlannedAction):
    """An action that is wanted because of a step.

    :ivar step: the step.
    :ivar undoes: whether it undoes the step; otherwise it repeats it.
    :ivar certain: whether the step is known to have changed the cloud.
    """

    def __init__(self, step: Step, action_type: str,
                 input_parameters: Mapping[str, Any], undoes: bool = False,
                 certain: bool = True):
        super().__init__(action_type, copy.deepcopy(dict(input_parameters)))
        self.step = step
        self.undoes = undoes
        self.certain = certain

    @property
    def parameters(self) -> dict[str, Any]:
        """The input parameters."""
        return self['input_parameters']


@dataclasses.dataclass
class Draft:
    """What is wanted, in an order in which it could be done.

    The wishes have in ``after`` those that they have to wait for.

    :ivar left_out: what is not wanted or not possible: step -> why not.
    """

    wishes: list[Wish] = dataclasses.field(default_factory=list)
    left_out: dict[str, str] = dataclasses.field(default_factory=dict)


def in_order(steps: Sequence[Step]) -> list[Step]:
    """Return the steps with parents first, otherwise in the given order."""
    position = {step.uuid: number for number, step in enumerate(steps)}
    children: dict[str, list[str]] = {}
    missing = {}
    for step in steps:
        parents = {uuid for uuid in step.parents if uuid in position}
        missing[step.uuid] = len(parents)
        for uuid in parents:
            children.setdefault(uuid, []).append(step.uuid)
    ready = [position[uuid] for uuid, count in missing.items() if not count]
    heapq.heapify(ready)
    found = []
    while ready:
        step = steps[heapq.heappop(ready)]
        found.append(step)
        for uuid in children.get(step.uuid, ()):
            missing[uuid] -= 1
            if not missing[uuid]:
                heapq.heappush(ready, position[uuid])
    return found


def waits(ordered: Sequence[Step],
          kept: Collection[str]) -> dict[str, list[str]]:
    """Return for each kept step the kept ones that had to end before it.

    Also those that it waited for by way of steps that are not kept.

    :param ordered: all steps of the plan, parents first.
    :param kept: UUIDs.
    """
    before: dict[str, dict[str, None]] = {}
    found = {}
    for step in ordered:
        wanted: dict[str, None] = {}
        for parent in step.parents:
            wanted.update(before.get(parent, {}))
        if step.uuid in kept:
            found[step.uuid] = list(wanted)
            wanted = {step.uuid: None}
        before[step.uuid] = wanted
    return found
