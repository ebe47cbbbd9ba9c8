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
"""Whether plans may run now: the windows of the operator and of audits.

What audits say about it is read for all plans together, when the dispatcher
looks around; the options and the clock of this process are asked each time.
"""

import collections
import dataclasses
import datetime
import threading
from collections.abc import Collection
from typing import Any
from typing import NamedTuple

from oslo_utils import timeutils

from watcher import objects
from watcher.common import exception
from watcher.common import reasons
from watcher.common import windows

#: Whether a window opens again.
LATER, NEVER = 'later', 'never'

#: How what a closed plan says begins.
WAITS = 'Waits for its execution window'
#: What one that was begun says besides.
_BEGUN = ' Actions that run are not disturbed, no other is started.'
_UNREADABLE = ('which cannot be understood: correct execution_windows and '
               'time_zone of its audit')


def now() -> datetime.datetime:
    """Return what time it is, naive and in UTC."""
    return timeutils.utcnow()


@dataclasses.dataclass(frozen=True, slots=True)
class Closed:
    """That a plan may not run now.

    :ivar opens: naive and in UTC; None: never, as far as anybody can tell
    :ivar message: what the plan says if it is not begun
    """

    opens: datetime.datetime | None
    message: str

    @property
    def message_begun(self) -> str:
        """What the plan says if some of its actions had their turn."""
        return reasons.Reason(
            self.message + _BEGUN, reasons.Code.WAITS_FOR_WINDOW,
            opens=self.opens and self.opens.isoformat())

    @classmethod
    def until(cls, opens: datetime.datetime | None, how: str) -> 'Closed':
        """That a window is closed.

        :param how: what is to be said about it
        """
        return cls(opens, reasons.Reason(
            f'{WAITS}, {how}.', reasons.Code.WAITS_FOR_WINDOW,
            opens=opens and opens.isoformat()))


class Origin(NamedTuple):
    """Which windows count for a plan is a matter of where it comes from."""

    plan_id: int
    audit_id: int
    auto_trigger: bool | None

    @classmethod
    def of(cls, plan: objects.ActionPlan) -> 'Origin':
        """Return the origin of a plan that was loaded eagerly."""
        audit = plan.audit
        return cls(plan.id, plan.audit_id,
                   audit.auto_trigger if audit else None)


class Terms(NamedTuple):
    """What counts for a plan.

    :ivar schedule: what its audit says
    :ivar automatic: whether nobody asked for the plan by hand
    """

    schedule: Any = None
    automatic: bool = False

    @property
    def key(self) -> tuple:
        """What makes a difference."""
        own = self.schedule
        return (self.automatic, own and own.time_zone,
                own and own.execution_windows)

    def closed(self) -> Closed | None:
        """Return why the plan has to wait; None if it may run."""
        moment = now()
        try:
            found = windows.for_execution(self.schedule, self.automatic)
        except exception.Invalid:
            # Nobody knows when it is allowed, so it is not.
            return Closed.until(None, _UNREADABLE)
        if found.is_open(moment):
            return None
        opens = found.opens(moment)
        return Closed.until(opens, windows.tell_opening(opens))


_UNKNOWN = Terms()


def read(origins: Collection[Origin]) -> dict[int, Terms]:
    """Read what counts for several plans, by their ids.

    One query tells what the audits say, if there are plans at all, and one
    more which plans of automatic audits undo or repeat others.
    """
    if not origins:
        return {}
    schedules = objects.AuditSchedule.of_audits(
        {origin.audit_id for origin in origins})
    runs = objects.PlanRun.of_plans(
        origin.plan_id for origin in origins if origin.auto_trigger)
    terms = {}
    for origin in origins:
        run = runs.get(origin.plan_id)
        by_hand = run is not None and run.kind is not None
        terms[origin.plan_id] = Terms(
            schedules.get(origin.audit_id),
            bool(origin.auto_trigger) and not by_hand)
    return terms


class Look:
    """Which of several plans may run at this moment.

    :param origins: of these plans
    """

    def __init__(self, origins: Collection[Origin]):
        self._terms = read(origins)
        self._known: dict[tuple, Closed | None] = {}

    def closed(self, plan_id: int) -> Closed | None:
        """Return why a plan has to wait; None if it may run."""
        terms = self._terms.get(plan_id, _UNKNOWN)
        # Thousands of plans have the same windows.
        if terms.key not in self._known:
            self._known[terms.key] = terms.closed()
        return self._known[terms.key]


class Hours:
    """The same for the plans that run here; any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._origins: dict[int, Origin] = {}
        self._terms: dict[int, Terms] = {}

    def begin(self, plan: objects.ActionPlan) -> None:
        """Read what counts for a plan that begins to run here."""
        origin = Origin.of(plan)
        terms = read([origin])
        with self._lock:
            self._origins[plan.id] = origin
            self._terms.update(terms)

    def end(self, plan_id: int) -> None:
        """Forget a plan that does not run here any more."""
        with self._lock:
            self._origins.pop(plan_id, None)
            self._terms.pop(plan_id, None)

    def refresh(self) -> None:
        """Read again what counts for the plans that run."""
        with self._lock:
            origins = list(self._origins.values())
        terms = read(origins)
        with self._lock:
            self._terms.update({plan_id: known for plan_id, known
                                in terms.items() if plan_id in self._origins})

    def closed(self, plan_id: int | None) -> Closed | None:
        """Return why a plan has to wait; None if it may run."""
        with self._lock:
            terms = self._terms.get(plan_id, _UNKNOWN)
        return terms.closed()


class Tally:
    """The plans that wait for their windows, at one look.

    :ivar opens: when the first window opens; None: there is none
    :ivar counts: how many plans wait, by state and whether their window opens
        ``later`` or ``never``
    """

    def __init__(self) -> None:
        self.opens: datetime.datetime | None = None
        self.counts: collections.Counter[tuple[str, str]] = (
            collections.Counter())

    def add(self, state: str, closed: Closed) -> None:
        """Count a plan."""
        opens = closed.opens
        self.counts[state, NEVER if opens is None else LATER] += 1
        if opens is not None and (self.opens is None or opens < self.opens):
            self.opens = opens
