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
"""Finds plans that nobody executes although somebody should.

Every applier looks at every search of the database, whatever it has seen
before: a failure that one of them missed, or did not get to the end with, is
dealt with by the next one that looks. There is no leader; who changes a plan
first has it.

A plan that is ONGOING or CANCELLING is an orphan when its applier is gone:

* there is none on it, because it was given back;
* it belongs to this host, but not to this process: then the process before
  this one had it;
* its host neither holds a lease nor gives signs of life. Those of an applier
  of the previous release, which knows no leases, keep its plans from being
  taken.
"""

import dataclasses
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from watcher import objects
from watcher.applier import recovery
from watcher.common import context as watcher_context
from watcher.objects import action_plan as plan_objects
from watcher.objects import tenure

State = plan_objects.State


@dataclasses.dataclass(frozen=True, slots=True)
class Orphan:
    """A plan whose applier is gone.

    :ivar host: of that applier; None if it gave the plan back
    :ivar idle: whether it left the plan in good order, while nothing ran
    """

    uuid: str
    state: str
    host: str | None
    plan_id: int
    status_message: str | None
    audit_id: int
    auto_trigger: bool | None
    idle: bool = False


def find_orphans(context: Any, host: str,
                 busy: Collection[str]) -> Iterator[Orphan]:
    """Find plans whose applier is gone, and make sure that it is.

    :param host: of this applier
    :param busy: UUIDs of the plans that this process takes care of
    """
    mine, others = [], {}
    for orphan in _claimed(context):
        if orphan.uuid in busy:
            continue
        if orphan.host == host:
            # One that is not begun is in our line.
            if orphan.state != State.RECOMMENDED:
                mine.append(orphan)
        else:
            others.setdefault(orphan.host, []).append(orphan)
    yield from mine
    if not others:
        return
    appliers = tenure.Members(context, tenure.APPLIER)
    for other, orphans in others.items():
        if not appliers.lives(other) and appliers.exclude(context, other):
            yield from orphans


def take(plan: objects.ActionPlan, orphan: Orphan,
         fence: objects.Lease | None, values: Mapping[str, Any]) -> None:
    """Make the plan one of this applier; to be called in a transaction.

    :param values: what is stored of that
    :raises watcher.common.exception.StateConflict: if somebody was faster
    """
    tenure.APPLIER.check_gone(watcher_context.admin_context(), orphan.host,
                              fence)
    plan.swap({'state': orphan.state, 'hostname': orphan.host}, fence,
              **values)


def forget_long_gone(context: Any) -> None:
    """Remove the leases of hosts that will hardly come back."""
    tenure.APPLIER.forget_long_gone(context)


#: What is read of plans that may be orphans.
_COLUMNS = ('uuid', 'state', 'hostname', 'id', 'status_message', 'audit_id',
            'audit_auto_trigger')


def _claimed(context: Any) -> list[Orphan]:
    found = []
    for filters in (
            {'state__in': recovery.RUNNING},
            # Launched without being PENDING before, and not begun.
            {'state': State.RECOMMENDED, 'hostname__neq': None}):
        columns = objects.ActionPlan.list_columns(
            context, _COLUMNS, filters=filters,
            sort_key='id', sort_dir='asc')
        found += [Orphan(*values) for values in zip(
            *(columns[name] for name in _COLUMNS), strict=True)]
    return found
