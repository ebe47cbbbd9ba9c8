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
"""What is known of the runs of action plans and actions.

Rows beside those of plans and actions, in tables that an existing database
may lack until it is upgraded: nothing is known then. Nobody is told of
changes.
"""

import dataclasses
import datetime
from collections.abc import Iterable
from typing import Any
from typing import ClassVar
from typing import Self

from oslo_utils import timeutils

from watcher.db import api as db_api
from watcher.objects import lease
from watcher.objects import states


def _aware(value: Any) -> Any:
    if isinstance(value, datetime.datetime) and value.tzinfo is None:
        return value.replace(tzinfo=datetime.UTC)
    return value


class Stored:
    """Reading and writing; dates are aware and in UTC."""

    dbapi = db_api.get_instance()

    owner: ClassVar[str]

    @classmethod
    def _from_row(cls, row: Any) -> Self:
        return cls(**{field.name: _aware(getattr(row, field.name))
                      for field in dataclasses.fields(cls)})

    @classmethod
    def _all(cls, idents: Iterable[int]) -> dict[int, Self]:
        rows = cls.dbapi.get_runs(cls.owner, idents)
        return {ident: cls._from_row(row) for ident, row in rows.items()}

    @classmethod
    def get(cls, context: Any, ident: int) -> Self | None:
        """What is known, if anything is.

        :param ident: id of the plan or action
        """
        return cls._all([ident]).get(ident)

    @classmethod
    def set(cls, context: Any, ident: int,
            fence: lease.Lease | None = None, **values: Any) -> None:
        """Store what is known; what is not given stays as it is.

        :param ident: id of the plan or action
        :param fence: a lease that must be held
        :raises watcher.common.exception.LeaseLost: if it is not
        :raises watcher.common.exception.DatabaseNotUpgraded: without table
        :raises watcher.common.exception.ResourceNotFound: if the plan or
            action is gone
        """
        if fence is not None:
            fence.check()
        cls.dbapi.set_run(cls.owner, ident, values, fence)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PlanRun(Stored):
    """The run of an action plan.

    :ivar paused: whether no further action is to be started
    :ivar kind: ``rollback`` or ``retry`` of the plan ``source_plan_id``
    :ivar measured: the indicators of the goal as they were after the run
    """

    owner: ClassVar[str] = 'action_plan'

    action_plan_id: int
    paused: bool = False
    kind: str | None = None
    source_plan_id: int | None = None
    started_at: datetime.datetime | None = None
    finished_at: datetime.datetime | None = None
    measured: Any = None
    measured_at: datetime.datetime | None = None

    @classmethod
    def of_plans(cls, idents: Iterable[int]) -> 'dict[int, PlanRun]':
        """What is known of several plans, by their ids."""
        return cls._all(idents)

    @classmethod
    def paused_plans(cls, context: Any, state: str) -> list[int]:
        """The ids of the paused plans that are in this state."""
        return cls.dbapi.list_paused_plans(state)

    @classmethod
    def made_from(cls, context: Any, plan_id: int) -> 'list[PlanRun]':
        """The rollbacks and retries of a plan, the oldest first."""
        return [cls._from_row(row)
                for row in cls.dbapi.get_plan_runs_made_from(plan_id)]

    @classmethod
    def unmeasured(cls, context: Any, since: datetime.datetime,
                   until: datetime.datetime, limit: int
                   ) -> 'dict[int, datetime.datetime]':
        """The plans whose effect was not measured yet.

        Those that ran, whatever became of them; one that undoes another
        promises nothing.

        :param since: aware; only plans that ended between these two
        :returns: id -> when the plan ended, the longest ago first
        """
        rows = cls.dbapi.list_unmeasured_plans(
            states.ENDED, timeutils.normalize_time(since),
            timeutils.normalize_time(until), limit, states.ROLLBACK)
        return {ident: _aware(ended) for ident, ended in rows}

    @classmethod
    def ended_since(cls, context: Any, since: datetime.datetime
                    ) -> 'list[tuple[int, str, datetime.datetime]]':
        """The plans that ran and ended after this moment, the last first.

        :returns: id, UUID and when the plan ended
        """
        rows = cls.dbapi.list_plans_ended_since(
            states.ENDED, timeutils.normalize_time(since))
        return [(ident, uuid, _aware(ended)) for ident, uuid, ended in rows]

    @classmethod
    def started_since(cls, context: Any,
                      since: datetime.datetime) -> list[int]:
        """The ids of the plans that began to run after this moment."""
        return cls.dbapi.list_plans_started_since(
            timeutils.normalize_time(since))

    @classmethod
    def of_kind(cls, kind: str) -> 'list[PlanRun]':
        """The rollbacks, or the retries, of all plans, the oldest first."""
        return [cls._from_row(row)
                for row in cls.dbapi.get_plan_runs_of_kind(kind)]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ActionRun(Stored):
    """The run of an action.

    :ivar attempts: how often it was started
    :ivar deadline: when it should be over
    :ivar progress: percent, 0 to 100
    :ivar remote: what the cloud calls that which is going on
    :ivar before: what was before, as far as it matters for undoing it
    :ivar inverse: the action that undoes it, or why nothing does
    :ivar needs: what its dependencies mean
    """

    owner: ClassVar[str] = 'action'

    action_id: int
    attempts: int = 0
    started_at: datetime.datetime | None = None
    finished_at: datetime.datetime | None = None
    deadline: datetime.datetime | None = None
    progress: float | None = None
    remote: Any = None
    before: Any = None
    inverse: Any = None
    needs: Any = None

    @classmethod
    def of_actions(cls, idents: Iterable[int]) -> 'dict[int, ActionRun]':
        """What is known of several actions, by their ids."""
        return cls._all(idents)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AuditRun(Stored):
    """The runs of an audit.

    :ivar attempts: runs since one came to an end, whatever it was
    :ivar failures: how many of the last runs failed, one after the other
    :ivar last_error: why the last of these failed
    :ivar triggers: how often a run was asked for since the last one began
    :ivar triggered_at: when the first of these came, or the last ones
        before, by the clock of the database
    :ivar started_at: when the last run began, by the clock of its engine
    """

    owner: ClassVar[str] = 'audit'

    audit_id: int
    attempts: int = 0
    failures: int = 0
    last_error: str | None = None
    triggers: int = 0
    triggered_at: datetime.datetime | None = None
    started_at: datetime.datetime | None = None
    finished_at: datetime.datetime | None = None

    @classmethod
    def of_audits(cls, idents: Iterable[int]) -> 'dict[int, AuditRun]':
        """What is known of several audits, by their ids."""
        return cls._all(idents)

    @classmethod
    def trigger(cls, context: Any, audit_id: int) -> None:
        """Ask for a run of an audit; several wishes become one run.

        :raises watcher.common.exception.DatabaseNotUpgraded: without table
        :raises watcher.common.exception.ResourceNotFound: if it is gone
        """
        cls.dbapi.trigger_audit(audit_id)

    @classmethod
    def triggered(cls, states: Iterable[str], limit: int
                  ) -> list[tuple[datetime.datetime, str]]:
        """Since when which audits wait for such a run, longest first.

        :param states: only audits in these
        :returns: naive dates in UTC, and UUIDs
        """
        return cls.dbapi.list_triggered_audits(states, limit)
