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
    update_X(ident, values, expected_state=None, expected=None)
    soft_delete_X(ident, values=None, expected_state=None)
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
import functools
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from oslo_db import exception as db_exc
from oslo_utils import timeutils
from sqlalchemy import orm

from watcher._i18n import _
from watcher.common import exception
from watcher.common import utils
from watcher.db.sqlalchemy import entities
from watcher.db.sqlalchemy import explanations
from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import query
from watcher.db.sqlalchemy import session as db_session
from watcher.db.sqlalchemy import values as db_values

Entity = entities.Entity

# Rows that are loaded again must not show what the session remembers.
_FRESH = {'populate_existing': True}
_NO_SYNC = {'synchronize_session': False}

_LARGEST_ID = 2 ** 31 - 1
# Below the limit of bound variables of every database.
_CHUNK = 500

# Two of a kind must not have names that differ in letter case only.
_NAMED_BY_USERS = (entities.AUDIT, entities.AUDIT_TEMPLATE)

# What must not point at a row that is destroyed, and the error that says so.
_REFERENCES = {
    'audit': (models.ActionPlan.audit_id,
              lambda ident: exception.AuditReferenced(audit=ident)),
    'action_plan': (models.Action.action_plan_id,
                    lambda ident: exception.ActionPlanReferenced(
                        action_plan=ident)),
}


def get_backend() -> 'Connection':
    """Return the implementation, as asked for by watcher.db.api."""
    return Connection()


def _is_possible_id(value: Any) -> bool:
    # Databases cannot even be asked for numbers of any size.
    return utils.is_int_like(value) and 0 < int(value) <= _LARGEST_ID


def _key(entity: Entity, ident: Any) -> Any:
    """The condition that finds one row by id or UUID.

    :raises watcher.common.exception.InvalidIdentity: for anything else
    """
    if utils.is_int_like(ident):
        if not _is_possible_id(ident):
            raise entity.missing(ident)
        return entity.model.id == int(ident)
    if utils.is_uuid_like(ident) and entity.has_uuid:
        return entity.model.uuid == ident
    raise exception.InvalidIdentity(identity=ident)


def _chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), _CHUNK):
        yield items[start:start + _CHUNK]


def _is_one_of(column: Any, expected: Any) -> Any:
    """SQL for "the column has (one of) the expected value(s)"."""
    if expected is None or isinstance(expected, (str, int)):
        return column == expected
    expected = list(expected)
    condition = column.in_([item for item in expected if item is not None])
    if None in expected:
        condition = sa.or_(condition, column.is_(None))
    return condition


def _in_any_case(attribute: Any, text: str) -> Any:
    """SQL for "the column is this text but for the letter case"."""
    same = sa.func.lower(attribute) == sa.func.lower(text)
    if db_session.get_engine().dialect.name != 'mysql':
        return same
    # It ignores case anyway, unless the database was told not to; only then
    # all rows are looked through.
    return sa.and_(sa.text("@@collation_database NOT LIKE '%\\_ci'"), same)


def _in_words(expected: Any) -> str:
    if expected is None or isinstance(expected, (str, int)):
        return str(expected)
    return ' or '.join(str(item) for item in expected)


def _conflict(entity: Entity, row: models.Base,
              expected: Mapping[str, Any]) -> exception.StateConflict:
    """The error of a lost compare-and-swap."""
    if list(expected) == ['state']:
        wanted, found = _in_words(expected['state']), row.state
    else:
        wanted = ', '.join(f'{name}={_in_words(value)}'
                           for name, value in expected.items())
        found = ', '.join(f'{name}={getattr(row, name)}'
                          for name in expected)
    return exception.StateConflict(
        object_type=entity.title, uuid=getattr(row, 'uuid', row.id),
        expected=wanted, actual=found)


def _already_exists(entity: Entity, values: Mapping[str, Any],
                    columns: Iterable[str]) -> exception.Conflict:
    """The error for a duplicate row, naming the key that collides."""
    keys = {argument: values.get(column)
            for argument, column in entity.exists_keys}
    colliding = [name for name in columns
                 if name in values and name != 'deleted']
    if not colliding:
        return entity.exists(**keys)
    return entity.exists(
        _('Another %(title)s with %(key)s already exists.')
        % {'title': entity.title,
           'key': ', '.join(f"{name} '{values[name]}'"
                            for name in sorted(colliding))}, **keys)


@contextlib.contextmanager
def _translated(entity: Entity, values: Mapping[str, Any]) -> Iterator[None]:
    """Turn refusals of the database into errors about the values.

    A refused statement is undone alone when it is part of a larger
    transaction, which may go on.
    """
    try:
        with db_session.undoable():
            yield
    except db_exc.DBDuplicateEntry as error:
        columns = [name.rpartition('.')[2] for name in error.columns]
        raise _already_exists(entity, values, columns)
    except db_exc.DBReferenceError:
        keys = ', '.join(
            f'{column.name}={values[column.name]}'
            for column in entity.columns
            if column.foreign_keys and values.get(column.name) is not None)
        raise exception.Invalid(
            _('The %(title)s refers to something that does not exist: '
              '%(keys)s.') % {'title': entity.title, 'keys': keys})
    except db_exc.DBDataError as error:
        raise exception.Invalid(
            _('The database cannot store a value of the %(title)s: %(error)s')
            % {'title': entity.title, 'error': error.inner_exception})


def _is_guarded(entity: Entity, values: Mapping[str, Any]) -> bool:
    """Whether these values can collide with another row."""
    return any(column.name in values and (
        column.foreign_keys
        or column.name in ('name', 'host', 'action_type'))
        for column in entity.columns)


def _readable(entity: Entity, row: models.Base | None) -> Any:
    """Make a loaded row show what it means."""
    if entity is entities.EFFICACY_INDICATOR and row is not None:
        if row.data is not None:
            orm.attributes.set_committed_value(row, 'value', row.data)
    return row


class Connection(explanations.Operations):
    """All operations; see the module for those every entity has."""

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

    # Reads -----------------------------------------------------------------

    def _list(self, entity: Entity, context: Any,
              filters: Mapping[str, Any] | None = None,
              limit: int | None = None, marker: Any = None,
              sort_key: str | None = None, sort_dir: str | None = None,
              eager: bool = False) -> list[Any]:
        """List rows.

        :param filters: ``name`` or ``name__operator`` -> value
        :param limit: at most so many rows; None for all
        :param marker: last object of the previous page
        :param sort_key: a column, or one of a relation as ``goal_name``
        :param sort_dir: asc or desc
        :param eager: load the relations too, without further queries
        """
        select = query.Query(entity)
        with self._page(select, context, filters, limit, marker, sort_key,
                        sort_dir) as session:
            if eager:
                select.eager()
            rows = session.scalars(select.statement,
                                   execution_options=_FRESH).all()
            return [_readable(entity, row) for row in rows]

    def _list_columns(self, entity: Entity, context: Any,
                      names: Iterable[str], **options: Any) -> Sequence[Any]:
        """List some columns of rows, as tuples in the order of the names.

        :param names: columns, also of relations as ``goal_name``
        :param options: filters, limit, marker, sort_key and sort_dir
        """
        select = query.Query(entity)
        with self._page(select, context, **options) as session:
            select.only(names)
            return session.execute(select.statement).all()

    @staticmethod
    @contextlib.contextmanager
    def _page(select: query.Query, context: Any,
              filters: Mapping[str, Any] | None = None,
              limit: int | None = None, marker: Any = None,
              sort_key: str | None = None,
              sort_dir: str | None = None) -> Iterator[orm.Session]:
        """Cut a page out of the query; the session reads it."""
        select.filters(filters or {})
        select.visible(getattr(context, 'show_deleted', False))
        with db_session.reader() as session:
            select.page(session, sort_key, sort_dir, marker, limit)
            yield session

    def _get(self, entity: Entity, column: str, context: Any, value: Any,
             eager: bool = False) -> Any:
        """Read one row.

        :raises watcher.common.exception.ResourceNotFound: the entity's own
        """
        row = None
        if column != 'id' or _is_possible_id(value):
            row = self._first(entity, column, context, value, eager)
        if row is None:
            raise entity.missing(value)
        return row

    def _first(self, entity: Entity, column: str, context: Any, value: Any,
               eager: bool) -> Any:
        attribute = getattr(entity.model, column)
        if value is None or column == 'id':
            conditions = [attribute == value]
        else:
            conditions = [attribute == str(value)]
        if column == 'name' and value is not None:
            # Names are found in any letter case, the exact one first.
            conditions.append(_in_any_case(attribute, str(value)))
        for condition in conditions:
            select = query.Query(entity)
            if eager:
                select.eager()
            select.visible(getattr(context, 'show_deleted', False))
            # A name may be shared with deleted rows: the living one, then
            # the most recently deleted; "deleted" is the id then, and tells
            # apart what was deleted within a second.
            statement = select.statement.where(condition).order_by(
                entity.model.deleted_at.is_not(None),
                entity.model.deleted_at.desc(), entity.model.deleted.desc(),
                entity.model.id).limit(1)
            with db_session.reader() as session:
                row = session.scalars(statement,
                                      execution_options=_FRESH).first()
            if row is not None:
                return _readable(entity, row)
        return None

    # Writes ----------------------------------------------------------------

    def _refuse_used_name(self, entity: Entity, values: Mapping[str, Any],
                          ident: Any = None) -> None:
        """Refuse a name that a living row has, in any letter case.

        :param ident: of the row that may have it already
        :raises watcher.common.exception.Conflict: the entity's own
            ``AlreadyExists``
        """
        name = values.get('name')
        if name is None or entity not in _NAMED_BY_USERS:
            return
        found = self._first(entity, 'name', None, name, False)
        if found is not None and str(ident) not in (str(found.id),
                                                    found.uuid):
            raise _already_exists(entity, values, ['name'])

    @db_session.write
    def _create(self, entity: Entity, values: Mapping[str, Any]) -> Any:
        """Insert a row.

        A missing UUID is generated, empty JSON fields are filled.

        :raises watcher.common.exception.Conflict: the entity's own
            ``AlreadyExists`` for a duplicate
        :raises watcher.common.exception.Invalid: for a value the row cannot
            take
        """
        complete = db_values.for_create(entity, values)
        self._refuse_used_name(entity, complete)
        if entity is entities.ACTION_DESCRIPTION:
            revived = self._revive_description(complete)
            if revived is not None:
                return revived
        session = db_session.current()
        if session.get_bind().dialect.name == 'mysql':
            complete = db_values.whole_seconds(
                {'created_at': timeutils.utcnow(), **complete})
        row = entity.model(**complete)
        with _translated(entity, complete):
            session.add(row)
            session.flush()
        session.expunge(row)
        return _readable(entity, row)

    def _revive_description(self, values: Mapping[str, Any]) -> Any:
        """Use the row of a deleted action type again.

        Its unique key ignores ``deleted``, so there cannot be a second one.
        """
        entity = entities.ACTION_DESCRIPTION
        model = entity.model
        session = db_session.current()
        revived = session.execute(
            sa.update(model).where(
                model.action_type == values.get('action_type'),
                model.deleted_at.is_not(None))
            .values(deleted=0, deleted_at=None,
                    updated_at=timeutils.utcnow(),
                    description=values.get('description')),
            execution_options=_NO_SYNC).rowcount
        if not revived:
            return None
        return self._first(entity, 'action_type', None,
                           values['action_type'], False)

    @db_session.write
    def _update(self, entity: Entity, ident: Any, values: Mapping[str, Any],
                expected_state: Any = None,
                expected: Mapping[str, Any] | None = None) -> Any:
        """Change a row, optionally only if it is as expected.

        The comparison and the change are one statement: of several callers
        that expect the same only one succeeds.

        :param expected_state: state, or several, that the row must be in
        :param expected: column -> value, or several, that it must have
        :raises watcher.common.exception.StateConflict: when it is not
        :raises watcher.common.exception.Conflict: the entity's own
            ``AlreadyExists`` for a name in use
        """
        changes = db_values.for_update(entity, values)
        self._refuse_used_name(entity, changes, ident)
        conditions = dict(expected or {})
        if expected_state is not None:
            conditions['state'] = expected_state
        guard = (_translated if _is_guarded(entity, changes)
                 else lambda *args: contextlib.nullcontext())
        with guard(entity, changes):
            return self._swap(entity, ident, changes, conditions)

    def _swap(self, entity: Entity, ident: Any, changes: dict[str, Any],
              expected: Mapping[str, Any]) -> Any:
        key = _key(entity, ident)
        changes.setdefault('updated_at', timeutils.utcnow())
        session = db_session.current()
        if session.get_bind().dialect.name == 'mysql':
            changes = db_values.whole_seconds(changes)
        statement = sa.update(entity.model).where(
            key, *(_is_one_of(getattr(entity.model, name), value)
                   for name, value in expected.items())).values(changes)
        found = session.execute(statement,
                                execution_options=_NO_SYNC).rowcount
        row = session.scalars(sa.select(entity.model).where(key),
                              execution_options=_FRESH).first()
        if row is None:
            raise entity.missing(ident)
        if not found:
            raise _conflict(entity, row, expected)
        return _readable(entity, row)

    @db_session.write
    def _soft_delete(self, entity: Entity, ident: Any,
                     values: Mapping[str, Any] | None = None,
                     expected_state: Any = None) -> Any:
        """Mark a row as deleted.

        :param values: further columns to set in the same statement
        :param expected_state: as for updates
        """
        changes = db_values.for_update(entity, values or {})
        now = timeutils.utcnow()
        changes.update(deleted=entity.model.id, deleted_at=now,
                       updated_at=now)
        expected = ({} if expected_state is None
                    else {'state': expected_state})
        return self._swap(entity, ident, changes, expected)

    @db_session.write
    def _destroy(self, entity: Entity, ident: Any) -> None:
        """Remove a row for good.

        :raises watcher.common.exception.AuditReferenced: while plans, even
            deleted ones, belong to the audit
        :raises watcher.common.exception.ActionPlanReferenced: the same for
            a plan with actions
        :raises watcher.common.exception.Conflict: while other rows refer to
            it
        """
        key = _key(entity, ident)
        session = db_session.current()
        self._refuse_referenced(session, entity, key, ident)
        try:
            removed = session.execute(
                sa.delete(entity.model).where(key),
                execution_options=_NO_SYNC).rowcount
        except db_exc.DBReferenceError:
            raise exception.Conflict(
                _('The %(title)s %(ident)s is still in use.')
                % {'title': entity.title, 'ident': ident})
        if not removed:
            raise entity.missing(ident)

    @staticmethod
    def _refuse_referenced(session: orm.Session, entity: Entity, key: Any,
                           ident: Any) -> None:
        if entity.name not in _REFERENCES:
            return
        reference, error = _REFERENCES[entity.name]
        row_id = sa.select(entity.model.id).where(key).scalar_subquery()
        if session.execute(sa.select(reference).where(
                reference == row_id).limit(1)).first():
            raise error(ident)

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
        with _translated(entity, complete[0]):
            session.execute(sa.insert(model), complete)
        rows = {}
        for chunk in _chunks([item['uuid'] for item in complete]):
            for row in session.scalars(
                    sa.select(model).where(model.uuid.in_(chunk)),
                    execution_options=_FRESH):
                rows[row.uuid] = _readable(entity, row)
        return [rows[item['uuid']] for item in complete]

    @db_session.write
    def update_actions_of_plan(
            self, action_plan_id: int, values: Mapping[str, Any],
            expected_state: Any = None) -> list[tuple[Any, str | None]]:
        """Change all living actions of a plan that are in the given states.

        :returns: the changed rows in order, each with its former state
        """
        changes = db_values.for_update(entities.ACTION, values)
        changes['updated_at'] = timeutils.utcnow()
        return self._change_actions(action_plan_id, changes, expected_state)

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
            matching = matching.where(_is_one_of(model.state,
                                                 expected_state))
        session = db_session.current()
        # Locked, so that exactly these rows change.
        former = dict(session.execute(matching.with_for_update()).all())
        rows = []
        for chunk in _chunks(list(former)):
            session.execute(
                sa.update(model).where(model.id.in_(chunk))
                .values(changes), execution_options=_NO_SYNC)
            rows += session.scalars(
                sa.select(model).where(model.id.in_(chunk))
                .order_by(model.id), execution_options=_FRESH).all()
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
            execution_options=_NO_SYNC)

    @db_session.write
    def destroy_efficacy_indicators_of_plan(self,
                                            action_plan_id: int) -> None:
        """Remove all efficacy indicators of a plan for good."""
        model = models.EfficacyIndicator
        session = db_session.current()
        session.execute(
            sa.delete(model).where(
                model.action_plan_id == action_plan_id),
            execution_options=_NO_SYNC)

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
            execution_options=_NO_SYNC)
        return session.scalars(sa.select(model).where(mine),
                               execution_options=_FRESH).first()


def _install(name: str, generic: Any, *leading: Any) -> None:
    """Give the connection a public method of one entity."""
    @functools.wraps(generic)
    def method(self: Connection, *args: Any, **kwargs: Any) -> Any:
        return generic(self, *leading, *args, **kwargs)
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
    for _generic in ('create', 'update', 'soft_delete', 'destroy'):
        _install(f'{_generic}_{_entity.name}',
                 getattr(Connection, f'_{_generic}'), _entity)
