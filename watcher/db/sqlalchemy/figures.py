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
"""How many there are of each kind: grouped counts for metrics."""

from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import optional
from watcher.db.sqlalchemy import pool
from watcher.db.sqlalchemy import session as db_session


class Operations:
    """The operations of the connection."""

    def count_audits(self) -> Sequence[Any]:
        """Count the audits that are not deleted.

        :returns: rows with ``state``, ``audit_type``, ``strategy`` (its
            name; None for those that only have a goal) and ``amount``
        """
        audit, strategy = models.Audit, models.Strategy
        kind = (audit.state, audit.audit_type, strategy.name)
        return self._count(
            sa.select(*kind[:2], strategy.name.label('strategy'),
                      sa.func.count(audit.id).label('amount'))
            .outerjoin(strategy, strategy.id == audit.strategy_id)
            .where(audit.deleted_at.is_(None)).group_by(*kind))

    def list_failing_audits(self, states: Iterable[str],
                            limit: int) -> Sequence[Any]:
        """Return the audits whose last run failed, the worst ones first.

        :param states: states of the audits
        :returns: rows with ``uuid`` and ``failures``, those in a row; none
            before the database is upgraded
        """
        audit, run = models.Audit, models.AuditRun
        try:
            with optional.may_be_missing(run):
                return self._count(
                    sa.select(audit.uuid, run.failures)
                    .join(run, run.audit_id == audit.id)
                    .where(run.failures > 0, audit.state.in_(list(states)),
                           audit.deleted_at.is_(None))
                    .order_by(run.failures.desc(), audit.id).limit(limit))
        except optional.NoTable:
            return []

    def count_action_plans(self, states: Iterable[str]) -> Sequence[Any]:
        """Count the plans in these states, by state.

        :returns: rows with ``state`` and ``amount``
        """
        plan = models.ActionPlan
        return self._count(
            sa.select(plan.state, sa.func.count(plan.id).label('amount'))
            .where(plan.state.in_(list(states)), plan.deleted_at.is_(None))
            .group_by(plan.state))

    def count_actions(self, plan_states: Iterable[str]) -> Sequence[Any]:
        """Count the actions of plans in these states.

        :returns: rows with ``state``, ``action_type`` and ``amount``
        """
        plan, action = models.ActionPlan, models.Action
        kind = (action.state, action.action_type)
        return self._count(
            sa.select(*kind, sa.func.count(action.id).label('amount'))
            .join(plan, plan.id == action.action_plan_id)
            .where(plan.state.in_(list(plan_states)),
                   plan.deleted_at.is_(None), action.deleted_at.is_(None))
            .group_by(*kind))

    @staticmethod
    def ping() -> None:
        """Ask for nothing: does the database answer?

        :raises oslo_db.exception.DBError: if not
        """
        with db_session.get_engine().connect() as connection:
            connection.execute(sa.select(1))

    @staticmethod
    def get_connections() -> pool.Connections | None:
        """Return how many connections this process has; asks nobody."""
        return pool.connections()

    @staticmethod
    def _count(query: Any) -> Sequence[Any]:
        with db_session.reader() as session:
            return session.execute(query).all()
