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
"""What is left to be done of a plan that did not succeed."""

from collections.abc import Sequence

from watcher.decision_engine.repair import steps as repair_steps
from watcher.objects import states

State = states.ActionState

#: SKIPPED: somebody did not want it, or it was not needed any more.
OVER = (State.SUCCEEDED, State.SKIPPED, State.DELETED)


def propose(steps: Sequence[repair_steps.Step]) -> repair_steps.Draft:
    """Return the wishes that repeat what did not succeed, in its order."""
    ordered = repair_steps.in_order(steps)
    wish_of = {
        step.uuid: repair_steps.Wish(step, step.action_type, step.parameters)
        for step in ordered if step.state not in OVER}
    for later, earlier in repair_steps.waits(ordered, wish_of).items():
        wish_of[later].after += [wish_of[uuid] for uuid in earlier]
    return repair_steps.Draft(list(wish_of.values()))
