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
"""What has to be done to undo a plan."""

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

from watcher.decision_engine.repair import steps as repair_steps
from watcher.objects import states

State = states.ActionState

#: States of steps that may have changed the cloud although they did not end
#: well.
DOUBTFUL = (State.FAILED, State.CANCELLED)

NOT_RECORDED = 'how to undo it was not recorded when it ran'

#: Returns what undoes a step that did not succeed, as its record of a run
#: has it; None when nothing does, or nobody knows.
Inference = Callable[[repair_steps.Step], dict[str, Any] | None]


def _unknown(step: repair_steps.Step) -> None:
    """Infer nothing."""


def propose(steps: Sequence[repair_steps.Step],
            infer: Inference = _unknown) -> repair_steps.Draft:
    """Return the wishes that undo a plan, in the opposite order.

    What waited for another step is undone before that one. A step that did
    not succeed but may have changed the cloud nevertheless becomes a wish
    that is not certain: only a look at the cloud can tell.

    :param infer: what undoes a step of which no inverse was recorded.
    """
    ordered = repair_steps.in_order(steps)
    draft = repair_steps.Draft()
    wish_of: dict[str, repair_steps.Wish] = {}
    for step in reversed(ordered):
        inverse = _inverse(step, infer)
        if inverse is None:
            continue
        if 'action_type' not in inverse:
            draft.left_out[step.label] = (
                inverse.get('irreversible') or NOT_RECORDED)
            continue
        wish_of[step.uuid] = repair_steps.Wish(
            step, inverse['action_type'],
            inverse.get('input_parameters') or {}, undoes=True,
            certain=step.state == State.SUCCEEDED)
    draft.wishes = list(wish_of.values())
    for later, earlier in repair_steps.waits(ordered, wish_of).items():
        for uuid in earlier:
            wish_of[uuid].after.append(wish_of[later])
    return draft


def _inverse(step, infer):
    """Return what is known of the inverse; None if there is nothing to undo.
    """
    recorded = step.run.inverse if step.run is not None else None
    if step.state == State.SUCCEEDED:
        return recorded or {}
    if step.state not in DOUBTFUL or not step.begun:
        return None
    found = recorded or infer(step)
    return found if found and 'action_type' in found else None
