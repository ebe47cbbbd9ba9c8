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
"""Plans that are begun and wait for their execution window.

Such a plan is ONGOING, belongs to no applier, and none of its actions runs.
So nothing of it is interrupted when an applier ends, and it occupies none.
Every applier sees it at every look, and the first one with a free worker goes
on with it once the window is open, whatever [watcher_applier]
interrupted_plans says.
"""

import dataclasses
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

from watcher import conf
from watcher import objects
from watcher.applier import hours
from watcher.applier import recovery
from watcher.applier import takeover
from watcher.applier.workflow_engine import standing
from watcher.objects import action_plan as plan_objects

CONF = conf.CONF

State = plan_objects.State


@dataclasses.dataclass(frozen=True, slots=True)
class _Standing:
    """What :func:`.standing.tell` is to know of such a plan."""

    uuid: str
    state: str
    hostname: str | None
    status_message: str | None
    paused: bool


class Resting:
    """The plans that rest, as one applier sees them.

    Only the dispatcher uses it.
    """

    def __init__(self) -> None:
        #: Who waited for a window at the last look.
        self.closed = hours.Tally()
        #: UUIDs of plans that we began to take. If the answer of the database
        #: got lost, one may be ours, and nothing of it was interrupted.
        self.taking: set[str] = set()

    def leave_out(self, context: Any, orphans: Iterable[takeover.Orphan]
                  ) -> Iterator[takeover.Orphan]:
        """Yield the orphans that are to be dealt with now.

        Those that go on resting are left out, and told what for.
        """
        orphans = list(orphans)
        self.taking &= {orphan.uuid for orphan in orphans}
        tally = hours.Tally()
        runs = self._runs_of_idle(orphans)
        look = hours.Look([
            hours.Origin(orphan.plan_id, orphan.audit_id,
                         orphan.auto_trigger)
            for orphan in orphans if orphan.plan_id in runs])
        for orphan in orphans:
            run = runs.get(orphan.plan_id)
            if run is None:
                yield dataclasses.replace(orphan, idle=self._is_taken(orphan))
                continue
            closed = look.closed(orphan.plan_id)
            if orphan.state == State.ONGOING and (closed or run.paused):
                standing.tell(context, _Standing(
                    orphan.uuid, orphan.state, None, orphan.status_message,
                    run.paused), closed)
                if closed:
                    tally.add(orphan.state, closed)
            else:
                yield dataclasses.replace(orphan, idle=True)
        self.closed = tally

    def _is_taken(self, orphan: takeover.Orphan) -> bool:
        return orphan.host == CONF.host and orphan.uuid in self.taking

    @staticmethod
    def _runs_of_idle(orphans: list[takeover.Orphan]
                      ) -> dict[int, objects.PlanRun]:
        """Return what is known of the plans that were left in good order."""
        free = [orphan.plan_id for orphan in orphans
                if orphan.host is None and orphan.state in recovery.RUNNING]
        if not free:
            return {}
        busy = {row.action_plan_id for row in standing.running_actions()}
        runs = objects.PlanRun.of_plans(
            ident for ident in free if ident not in busy)
        # One that we never started was left behind by an old release.
        return {ident: run for ident, run in runs.items() if run.started_at}
