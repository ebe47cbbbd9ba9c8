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
"""The courses that a plan may take when an applier runs it.

What begins or ends next is anybody's guess, except that an action waits for
its parents.
"""

import random
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from unittest import mock

from watcher import objects
from watcher.common import context
from watcher.decision_engine.planner import manager
from watcher.tests.fixtures import models

Action = Mapping[str, Any]


def planned(strategy, solution) -> list[Action]:
    """Return the actions that the planner of a strategy would store."""
    planner = manager.PlannerManager().load(strategy.planner)
    admin = context.admin_context()
    plan = objects.ActionPlan(admin, id=1, uuid=models.uuid('plan'))
    with mock.patch.object(objects.ActionPlan, 'create_actions') as stored:
        planner.store_actions(admin, plan, solution)
    [actions] = stored.call_args.args
    return actions


def course(actions: Sequence[Action],
           seed: int) -> Iterator[tuple[str, Action]]:
    """Yield how each of the actions begins and ends, in one course.

    :returns: pairs of ``begin`` or ``end`` and the action.
    """
    dice = random.Random(seed)
    waiting = {action['uuid']: action for action in actions}
    running, ended = {}, set()
    while waiting or running:
        ready = [uuid for uuid, action in waiting.items()
                 if ended.issuperset(action['parents'] or ())]
        # UUIDs differ from run to run, the order of the plan does not.
        uuid = dice.choice([*ready, *running])
        if uuid in running:
            ended.add(uuid)
            yield 'end', running.pop(uuid)
        else:
            running[uuid] = waiting.pop(uuid)
            yield 'begin', running[uuid]
