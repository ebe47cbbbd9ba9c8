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
"""Records beside audits, action plans and actions, one for each at most.

What is known of their runs, and the schedules of audits.
"""

import datetime
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from oslo_db import exception as db_exc
from oslo_log import log

from watcher._i18n import _
from watcher.common import exception
from watcher.db.sqlalchemy import clock
from watcher.db.sqlalchemy import generic
from watcher.db.sqlalchemy import leases
from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import optional
from watcher.db.sqlalchemy import session as db_session
from watcher.db.sqlalchemy import values as db_values

LOG = log.getLogger(__name__)

#: Most ids of one statement.
_IDENTS = 10000

#: How many runs of plans are looked at when it is only about recent ones.
_RECENT = 10000

#: What there is one of: its table, and the column that names the owner.
OWNERS = {'action_plan': (models.PlanRun, models.PlanRun.action_plan_id),
          'action': (models.ActionRun, models.ActionRun.action_id),
          'audit': (models.AuditRun, models.AuditRun.audit_id),
          'schedule': (models.AuditSchedule, models.AuditSchedule.audit_id)}


def _stored(owner: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as the columns take them.

    :raises watcher.common.exception.Invalid: for an unknown one
    """
    model, key = OWNERS[owner]
    unknown = set(values) - {column.key for column in model.__table__.columns
                             } | ({'id', key.key} & set(values))
    if unknown:
        raise exception.Invalid(
            _('The table %(table)s has no field %(unknown)s.')
            % {'table': model.__tablename__,
               'unknown': ', '.join(sorted(unknown))})
    return {name: db_values.naive_utc(value)
            if isinstance(value, datetime.datetime) else value
            for name, value in values.items()}


def _is_recent(run: Any) -> Any:
    """A condition that keeps the cost the same as the table grows."""
    return run.id > sa.select(
        sa.func.max(models.PlanRun.id) - _RECENT).scalar_subquery()


class Operations:
    """The operations of the connection."""

    def set_run(self, owner: str, ident: int, values: Mapping[str, Any],
                fence: leases.Fence | None = None) -> None:
        """Store what is known of a run; what is not given stays.

        :param owner: ``action_plan``, ``action``, ``audit`` or ``schedule``
        :param ident: its id
        :param fence: a lease that must be held
        :raises watcher.common.exception.LeaseLost: if it is not
        :raises watcher.common.exception.DatabaseNotUpgraded: without table
        :raises watcher.common.exception.ResourceNotFound: if its owner
            is gone
        """
        model, _key = OWNERS[owner]
        try:
            self._set_run(owner, ident, _stored(owner, values), fence)
        except optional.NoTable:
            raise exception.DatabaseNotUpgraded(table=model.__tablename__)

    @db_session.write
    def _set_run(self, owner: str, ident: int, values: dict[str, Any],
                 fence: leases.Fence | None) -> None:
        model, key = OWNERS[owner]
        session = db_session.current()
        mine = [key == ident]
        if fence is not None:
            mine.append(leases.held(fence))
        with optional.may_be_missing(model):
            changes = values or {'id': model.id}
            if session.execute(sa.update(model).where(*mine).values(changes),
                               execution_options=generic.NO_SYNC).rowcount:
                return
        generic.check_fence(fence)
        self._insert_runs(owner, {ident: values})

    @staticmethod
    def _insert_runs(owner: str,
                     runs: Mapping[int, Mapping[str, Any]]) -> None:
        """Insert runs, all with the same fields; existing ones change."""
        model, key = OWNERS[owner]
        session = db_session.current()
        names = sorted(set().union(*runs.values()))
        rows = [{key.key: ident, **values} for ident, values in runs.items()]
        insert = optional.insert_for(session)(model)
        if session.get_bind().dialect.name == 'mysql':
            changes = {name: insert.inserted[name]
                       for name in names or [key.key]}
            statement = insert.on_duplicate_key_update(changes)
        elif names:
            statement = insert.on_conflict_do_update(
                index_elements=[key.key],
                set_={name: insert.excluded[name] for name in names})
        else:
            statement = insert.on_conflict_do_nothing()
        try:
            with optional.may_be_missing(model):
                for chunk in generic.chunks(rows):
                    session.execute(statement, chunk)
        except db_exc.DBReferenceError:
            raise exception.ResourceNotFound(
                name=key.key.removesuffix('_id'),
                id=', '.join(map(str, list(runs)[:3])))

    @db_session.write
    def create_runs(self, owner: str,
                    runs: Mapping[int, Mapping[str, Any]]) -> None:
        """Store what is known before something runs, with one statement.

        Nothing is stored, but for a warning, if the table is missing.

        :param runs: id of what will run -> values
        """
        if not runs:
            return
        stored = {ident: _stored(owner, values)
                  for ident, values in runs.items()}
        names = set().union(*stored.values())
        for values in stored.values():
            for name in names - set(values):
                values[name] = None
        try:
            self._insert_runs(owner, stored)
        except optional.NoTable:
            LOG.warning('What is known of %(count)d new %(owner)ss is not '
                        'stored: the database has no table for it. Run '
                        '"watcher-db-manage upgrade"',
                        {'count': len(stored), 'owner': owner})

    def get_runs(self, owner: str, idents: Iterable[int]) -> dict[int, Any]:
        """Read the rows of runs.

        :returns: id of the owner -> row, without those that have none
        """
        model, key = OWNERS[owner]
        rows: list[Any] = []
        for chunk in generic.chunks(list(idents), _IDENTS):
            rows += self._runs_where(model, key.in_(chunk))
        return {getattr(row, key.key): row for row in rows}

    def trigger_audit(self, audit_id: int) -> None:
        """Note that an audit is to run once more.

        :raises watcher.common.exception.DatabaseNotUpgraded: without table
        :raises watcher.common.exception.ResourceNotFound: if it is gone
        """
        # Whoever comes first makes the row; then all count up.
        self.set_run('audit', audit_id, {})
        self._count_trigger(audit_id)

    @db_session.write
    def _count_trigger(self, audit_id: int) -> None:
        run = models.AuditRun
        # The date is set first: MySQL lets an expression see what was set
        # before it in the same statement.
        since = sa.case((run.triggers == 0, clock.utc_in()),
                        else_=run.triggered_at)
        db_session.current().execute(
            sa.update(run).where(run.audit_id == audit_id).ordered_values(
                (run.triggered_at, since), (run.triggers, run.triggers + 1)),
            execution_options=generic.NO_SYNC)

    def list_triggered_audits(self, states: Iterable[str], limit: int
                              ) -> list[tuple[Any, str]]:
        """Return the audits that wait for a run because of a trigger.

        :returns: since when, and UUID; the longest waiting first
        """
        run, audit = models.AuditRun, models.Audit
        statement = sa.select(run.triggered_at, audit.uuid).join(
            audit, audit.id == run.audit_id).where(
                run.triggers > 0, audit.state.in_(list(states)),
                audit.deleted_at.is_(None)
            ).order_by(run.triggered_at, run.id).limit(limit)
        return [(since, uuid) for since, uuid
                in self._rows_of_runs(statement, run)]

    def get_plan_runs_made_from(self, plan_id: int) -> list[Any]:
        """Read the runs of plans that were made of this plan, oldest first.
        """
        return self._runs_where(models.PlanRun,
                                models.PlanRun.source_plan_id == plan_id)

    def get_plan_runs_of_kind(self, kind: str) -> list[Any]:
        """Read the runs of plans made of others like this, oldest first."""
        return self._runs_where(models.PlanRun,
                                models.PlanRun.kind == kind)

    def list_paused_plans(self, state: str) -> list[int]:
        """Return the ids of the paused plans that are in this state."""
        statement = sa.select(models.PlanRun.action_plan_id).join(
            models.ActionPlan,
            models.ActionPlan.id == models.PlanRun.action_plan_id).where(
                models.PlanRun.paused, models.ActionPlan.state == state,
                models.ActionPlan.deleted_at.is_(None))
        try:
            with (db_session.reader() as session,
                  optional.may_be_missing(models.PlanRun)):
                return list(session.scalars(statement))
        except optional.NoTable:
            return []

    def list_unmeasured_plans(self, states: Iterable[str],
                              since: datetime.datetime,
                              until: datetime.datetime, limit: int,
                              besides: str) -> list[tuple[int, Any]]:
        """Return the plans that ran and of which no effect was measured.

        :param since: naive, in UTC; plans that ended before are left out
        :param until: so are those that ended after this
        :param besides: plans of this kind are left out
        :returns: ids and when they ended, those that ended first come
            first; older ones than the last ten thousand are left out
        """
        run, plan = models.PlanRun, models.ActionPlan
        # Who ends the plan of an applier that died does not know when.
        ended = sa.func.coalesce(run.finished_at, plan.updated_at)
        statement = sa.select(plan.id, ended).join(
            plan, plan.id == run.action_plan_id).where(
                run.started_at.is_not(None), run.measured_at.is_(None),
                run.kind.is_distinct_from(besides), _is_recent(run),
                plan.state.in_(list(states)), plan.deleted_at.is_(None),
                ended >= since, ended <= until
            ).order_by(ended, plan.id).limit(limit)
        return self._rows_of_runs(statement)

    def list_plans_started_since(self, since: datetime.datetime
                                 ) -> list[int]:
        """Return the ids of the plans that began to run after this.

        :param since: naive, in UTC
        """
        run = models.PlanRun
        return [ident for ident, in self._rows_of_runs(
            sa.select(run.action_plan_id).where(
                run.started_at > since, _is_recent(run)).order_by(run.id))]

    def list_schedules(self, audit_type: str,
                       states: Iterable[str]) -> list[Any]:
        """Read what audits of one type say about when they run.

        :param states: only audits in these
        """
        audit, schedule = models.Audit, models.AuditSchedule
        return self._runs_where(schedule, schedule.audit_id.in_(
            sa.select(audit.id).where(
                audit.audit_type == audit_type, audit.deleted_at.is_(None),
                audit.state.in_(list(states)))))

    def list_plans_ended_since(self, states: Iterable[str],
                               since: datetime.datetime
                               ) -> list[tuple[int, str, Any]]:
        """Return the plans that have run and ended after a moment.

        :param states: in which plans have ended
        :param since: naive, in UTC
        :returns: ids, UUIDs and when they ended, the last one first
        """
        run, plan = models.PlanRun, models.ActionPlan
        # Who ends the plan of an applier that died does not know when.
        ended = sa.func.coalesce(run.finished_at, plan.updated_at)
        return self._rows_of_runs(
            sa.select(plan.id, plan.uuid, ended).join(
                plan, plan.id == run.action_plan_id).where(
                    run.started_at.is_not(None), _is_recent(run),
                    plan.state.in_(list(states)), plan.deleted_at.is_(None),
                    ended >= since
                ).order_by(ended.desc(), plan.id))

    @staticmethod
    def _rows_of_runs(statement: Any,
                      model: type[models.Base] = models.PlanRun
                      ) -> list[Any]:
        try:
            with (db_session.reader() as session,
                  optional.may_be_missing(model)):
                return list(session.execute(statement))
        except optional.NoTable:
            return []

    @staticmethod
    def _runs_where(model: type[models.Base], condition: Any) -> list[Any]:
        try:
            with (db_session.reader() as session,
                  optional.may_be_missing(model)):
                return list(session.scalars(
                    sa.select(model).where(condition).order_by(model.id),
                    execution_options=generic.FRESH))
        except optional.NoTable:
            LOG.debug('Nothing is known of runs: their table is missing')
            return []
