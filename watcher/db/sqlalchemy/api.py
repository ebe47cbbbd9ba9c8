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
"""The database operations, on SQLAlchemy.

For each entity ``X`` of :mod:`watcher.db.sqlalchemy.entities` the connection
has::

    get_X_list(context, filters=None, limit=None, marker=None,
               sort_key=None, sort_dir=None, eager=False)
    list_X_columns(context, names, filters=None, limit=None, marker=None,
                   sort_key=None, sort_dir=None)
    get_X_by_<key>(context, value, eager=False)
    create_X(values)
    update_X(ident, values, expected_state=None, expected=None, fence=None)
    lock_X(ident)
    soft_delete_X(ident, values=None, expected_state=None, expected=None)
    destroy_X(ident)

They return rows of :mod:`watcher.db.sqlalchemy.models`, but for
``list_X_columns``, which gives tuples with the named columns only. Relations
are loaded if ``eager`` is set. A context whose ``show_deleted`` is true sees
soft deleted rows. ``ident`` is an id or a UUID and matches soft deleted rows
too.

Each write is one transaction, or joins the open one of the thread, and is
tried again after a deadlock.
"""

import contextlib
import datetime
import functools
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from oslo_utils import timeutils

from watcher.common import exception
from watcher.db.sqlalchemy import entities
from watcher.db.sqlalchemy import explanations
from watcher.db.sqlalchemy import figures
from watcher.db.sqlalchemy import generic
from watcher.db.sqlalchemy import jobs
from watcher.db.sqlalchemy import leases
from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import optional
from watcher.db.sqlalchemy import reasons
from watcher.db.sqlalchemy import runs
from watcher.db.sqlalchemy import session as db_session
from watcher.db.sqlalchemy import slots
from watcher.db.sqlalchemy import values as db_values

Entity = entities.Entity

#: What services own, and in which states that matters.
_OWNED = {
    'watcher-decision-engine': (models.Audit, ('PENDING', 'ONGOING')),
    'watcher-applier': (models.ActionPlan,
                        ('PENDING', 'ONGOING', 'CANCELLING'))}


def get_backend() -> 'Connection':
    """Return the implementation, as asked for by watcher.db.api."""
    return Connection()


class Connection(generic.EntityOperations, explanations.Operations,
                 figures.Operations, jobs.Operations, leases.Operations,
                 reasons.Operations, runs.Operations, slots.Operations):
    """All operations; see the module for those every entity has."""

    def missing_tables(self) -> list[str]:
        """Names of tables that come with an upgrade not made yet."""
        return optional.missing_tables()

    # Transactions ----------------------------------------------------------

    def transaction(self) -> contextlib.AbstractContextManager[Any]:
        """Make several writes one transaction of this thread.

        Calls inside join it, whatever else they open. It is committed when
        the outermost block ends, rolled back when an exception leaves it.
        A deadlock is not retried here: use :meth:`run_in_transaction`.
        """
        return db_session.writer()

    def run_in_transaction(self, function: Any, *args: Any,
                           **kwargs: Any) -> Any:
        """Call a function in one transaction, again after a deadlock.

        The function must not change anything but the database.
        """
        return db_session.run(function, *args, **kwargs)

    def after_commit(self, callback: Any) -> None:
        """Call back after the commit of the outermost transaction.

        At once when there is none; never when it is rolled back.
        """
        db_session.after_commit(callback)

    def in_transaction(self) -> bool:
        """Return whether this thread has an open transaction."""
        return db_session.in_transaction()

    # What only some entities have -----------------------------------------

    @db_session.write
    def bulk_create_actions(self, values: Sequence[Mapping[str, Any]]
                            ) -> list[Any]:
        """Insert many actions, with few statements.

        :param values: one mapping for each action; parents are UUIDs
        :returns: the rows in the given order
        """
        return self._bulk_create(entities.ACTION, values)

    @db_session.write
    def bulk_create_efficacy_indicators(
            self, values: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Insert many efficacy indicators, with few statements."""
        return self._bulk_create(entities.EFFICACY_INDICATOR, values)

    def _bulk_create(self, entity: Entity,
                     values: Sequence[Mapping[str, Any]]) -> list[Any]:
        complete = [db_values.for_create(entity, item) for item in values]
        if not complete:
            return []
        # One statement for all: every row has to name the same columns.
        names = set().union(*complete)
        for item in complete:
            for name in names - set(item):
                item[name] = None
        model = entity.model
        session = db_session.current()
        with generic.translated(entity, complete[0]):
            session.execute(sa.insert(model), complete)
        rows = {}
        for chunk in generic.chunks([item['uuid'] for item in complete]):
            for row in session.scalars(
                    sa.select(model).where(model.uuid.in_(chunk)),
                    execution_options=generic.FRESH):
                rows[row.uuid] = generic.readable(entity, row)
        return [rows[item['uuid']] for item in complete]

    @db_session.write
    def update_actions_of_plan(
            self, action_plan_id: int, values: Mapping[str, Any],
            expected_state: Any = None, fence: leases.Fence | None = None
    ) -> list[tuple[Any, str | None]]:
        """Change all living actions of a plan that are in the given states.

        :param fence: a lease that must be held
        :returns: the changed rows in order, each with its former state
        :raises watcher.common.exception.LeaseLost: without the lease
        """
        generic.check_fence(fence)
        changes = db_values.for_update(entities.ACTION, values)
        changes['updated_at'] = timeutils.utcnow()
        rows = self._change_actions(action_plan_id, changes, expected_state)
        reasons.store('action', [row.id for row, _state in rows], values)
        return rows

    @db_session.write
    def soft_delete_actions_of_plan(
            self, action_plan_id: int, values: Mapping[str, Any]
    ) -> list[tuple[Any, str | None]]:
        """Soft delete all living actions of a plan.

        :param values: further columns to set
        :returns: the changed rows in order, each with its former state
        """
        now = timeutils.utcnow()
        changes = {**db_values.for_update(entities.ACTION, values),
                   'deleted': models.Action.id, 'deleted_at': now,
                   'updated_at': now}
        return self._change_actions(action_plan_id, changes, None)

    def _change_actions(self, action_plan_id: int, changes: dict[str, Any],
                        expected_state: Any
                        ) -> list[tuple[Any, str | None]]:
        model = models.Action
        matching = sa.select(model.id, model.state).where(
            model.action_plan_id == action_plan_id,
            model.deleted_at.is_(None)).order_by(model.id)
        if expected_state is not None:
            matching = matching.where(generic.is_one_of(model.state,
                                                 expected_state))
        session = db_session.current()
        # Locked, so that exactly these rows change.
        former = dict(session.execute(matching.with_for_update()).all())
        rows = []
        for chunk in generic.chunks(list(former)):
            session.execute(
                sa.update(model).where(model.id.in_(chunk))
                .values(changes), execution_options=generic.NO_SYNC)
            rows += session.scalars(
                sa.select(model).where(model.id.in_(chunk))
                .order_by(model.id), execution_options=generic.FRESH).all()
        return [(row, former[row.id]) for row in rows]

    @db_session.write
    def soft_delete_efficacy_indicators_of_plan(self,
                                                action_plan_id: int) -> None:
        """Soft delete all living efficacy indicators of a plan."""
        model = models.EfficacyIndicator
        now = timeutils.utcnow()
        session = db_session.current()
        session.execute(
            sa.update(model).where(
                model.action_plan_id == action_plan_id,
                model.deleted_at.is_(None))
            .values(deleted=model.id, deleted_at=now, updated_at=now),
            execution_options=generic.NO_SYNC)

    @db_session.write
    def destroy_efficacy_indicators_of_plan(self,
                                            action_plan_id: int) -> None:
        """Remove all efficacy indicators of a plan for good."""
        model = models.EfficacyIndicator
        session = db_session.current()
        session.execute(
            sa.delete(model).where(
                model.action_plan_id == action_plan_id),
            execution_options=generic.NO_SYNC)

    def touch_service(self, name: str, host: str) -> tuple[Any, bool]:
        """Note that a service is alive.

        Two processes may do so for the same service at once.

        :returns: the row, and whether it is new; a new row has no
            ``last_seen_up``, its creation date counts
        """
        row = self._beat(name, host)
        if row is not None:
            return row, False
        try:
            return self._create(entities.SERVICE,
                                {'name': name, 'host': host}), True
        except exception.ServiceAlreadyExists:
            return self._beat(name, host), False

    @db_session.write
    def _beat(self, name: str, host: str) -> Any:
        model = models.Service
        now = timeutils.utcnow()
        mine = sa.and_(model.name == name, model.host == host,
                       model.deleted_at.is_(None))
        session = db_session.current()
        session.execute(
            sa.update(model).where(mine)
            .values(last_seen_up=now, updated_at=now),
            execution_options=generic.NO_SYNC)
        return session.scalars(sa.select(model).where(mine),
                               execution_options=generic.FRESH).first()

    @db_session.write
    def forget_service(self, ident: int, seconds: float) -> bool:
        """Remove the record of a service that is gone and owns nothing.

        :param seconds: since its last sign of life, at least
        :returns: whether it was removed
        """
        service, job = models.Service, models.SchedulerJob
        last_sign = sa.func.coalesce(service.last_seen_up, service.updated_at,
                                     service.created_at)
        before = timeutils.utcnow() - datetime.timedelta(seconds=seconds)
        owned = (self._owned(model, states).where(service.name == name)
                 for name, (model, states) in _OWNED.items())
        return bool(db_session.current().execute(
            sa.delete(service).where(
                service.id == ident, last_sign < before,
                ~sa.exists().where(job.service_id == service.id),
                *(~sa.exists(found) for found in owned)),
            execution_options=generic.NO_SYNC).rowcount)

    @staticmethod
    def _owned(model: Any, states: Sequence[str]) -> Any:
        service = models.Service
        return sa.select(model.id).where(
            model.hostname == service.host, model.state.in_(states),
            model.deleted_at.is_(None)).correlate(service)


def _install(name: str, operation: Any, *leading: Any) -> None:
    """Give the connection a public method of one entity."""
    @functools.wraps(operation)
    def method(self: Connection, *args: Any, **kwargs: Any) -> Any:
        return operation(self, *leading, *args, **kwargs)
    method.__name__ = name
    method.__qualname__ = f'Connection.{name}'
    setattr(Connection, name, method)


for _entity in entities.ALL:
    _install(f'get_{_entity.name}_list', Connection._list, _entity)
    _install(f'list_{_entity.name}_columns', Connection._list_columns,
             _entity)
    for _name, _column in _entity.reads:
        _install(f'get_{_entity.name}_by_{_name}', Connection._get, _entity,
                 _column)
    for _generic in ('create', 'update', 'lock', 'soft_delete', 'destroy'):
        _install(f'{_generic}_{_entity.name}',
                 getattr(Connection, f'_{_generic}'), _entity)
