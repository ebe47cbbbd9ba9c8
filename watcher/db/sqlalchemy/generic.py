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
"""What can be done with the rows of every entity."""

import contextlib
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
from watcher.db.sqlalchemy import leases
from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import query
from watcher.db.sqlalchemy import reasons
from watcher.db.sqlalchemy import session as db_session
from watcher.db.sqlalchemy import values as db_values

Entity = entities.Entity

# Rows that are loaded again must not show what the session remembers.
FRESH = {'populate_existing': True}
NO_SYNC = {'synchronize_session': False}

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


def chunks(items: Sequence[Any],
           size: int = _CHUNK) -> Iterator[Sequence[Any]]:
    """Yield the items in parts that a statement can take.

    :param size: most items; a list of numbers may be longer than one of
        rows
    """
    for start in range(0, len(items), size):
        yield items[start:start + size]


def is_one_of(column: Any, expected: Any) -> Any:
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
def translated(entity: Entity, values: Mapping[str, Any]) -> Iterator[None]:
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


def readable(entity: Entity, row: models.Base | None) -> Any:
    """Make a loaded row show what it means."""
    if entity is entities.EFFICACY_INDICATOR and row is not None:
        if row.data is not None:
            orm.attributes.set_committed_value(row, 'value', row.data)
    return row


def check_fence(fence: leases.Fence | None) -> None:
    """Refuse to go on without the lease, which nobody takes meanwhile.

    :raises watcher.common.exception.LeaseLost: if it is not held
    """
    if fence is None:
        return
    held = db_session.current().scalar(sa.select(leases.held(fence)))
    if not held:
        raise exception.LeaseLost(name=fence.name)


class EntityOperations:
    """Reads, creates, changes and removes rows of any entity."""

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
                                   execution_options=FRESH).all()
            return [readable(entity, row) for row in rows]

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
                                      execution_options=FRESH).first()
            if row is not None:
                return readable(entity, row)
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
        with translated(entity, complete):
            session.add(row)
            session.flush()
        session.expunge(row)
        reasons.store(entity.name, [row.id], values)
        return readable(entity, row)

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
            execution_options=NO_SYNC).rowcount
        if not revived:
            return None
        return self._first(entity, 'action_type', None,
                           values['action_type'], False)

    @db_session.write
    def _update(self, entity: Entity, ident: Any, values: Mapping[str, Any],
                expected_state: Any = None,
                expected: Mapping[str, Any] | None = None,
                fence: leases.Fence | None = None) -> Any:
        """Change a row, optionally only if it is as expected.

        The comparison and the change are one statement: of several callers
        that expect the same only one succeeds.

        :param expected_state: state, or several, that the row must be in
        :param expected: column -> value, or several, that it must have
        :param fence: a lease that must be held
        :raises watcher.common.exception.StateConflict: when it is not
        :raises watcher.common.exception.LeaseLost: without the lease
        :raises watcher.common.exception.Conflict: the entity's own
            ``AlreadyExists`` for a name in use
        """
        changes = db_values.for_update(entity, values)
        self._refuse_used_name(entity, changes, ident)
        conditions = dict(expected or {})
        if expected_state is not None:
            conditions['state'] = expected_state
        guard = (translated if _is_guarded(entity, changes)
                 else lambda *args: contextlib.nullcontext())
        with guard(entity, changes):
            row = self._swap(entity, ident, changes, conditions, fence)
        reasons.store(entity.name, [row.id], values)
        return row

    def _swap(self, entity: Entity, ident: Any, changes: dict[str, Any],
              expected: Mapping[str, Any],
              fence: leases.Fence | None = None) -> Any:
        key = _key(entity, ident)
        changes.setdefault('updated_at', timeutils.utcnow())
        session = db_session.current()
        if session.get_bind().dialect.name == 'mysql':
            changes = db_values.whole_seconds(changes)
        statement = sa.update(entity.model).where(
            key, *(is_one_of(getattr(entity.model, name), value)
                   for name, value in expected.items())).values(changes)
        if fence is not None:
            statement = statement.where(leases.held(fence))
        found = session.execute(statement,
                                execution_options=NO_SYNC).rowcount
        row = session.scalars(sa.select(entity.model).where(key),
                              execution_options=FRESH).first()
        if row is None:
            raise entity.missing(ident)
        if not found:
            check_fence(fence)
            raise _conflict(entity, row, expected)
        return readable(entity, row)

    @db_session.write
    def _lock(self, entity: Entity, ident: Any) -> None:
        """Let nobody else change a row until the transaction ends.

        What this transaction reads afterwards is the row as it is now: also
        MySQL then looks for the first time, and SQLite knows no other lock
        than that of a change.
        """
        model = entity.model
        found = db_session.current().execute(
            sa.update(model).where(_key(entity, ident)).values(
                id=model.id, updated_at=model.updated_at),
            execution_options=NO_SYNC).rowcount
        if not found:
            raise entity.missing(ident)

    @db_session.write
    def _soft_delete(self, entity: Entity, ident: Any,
                     values: Mapping[str, Any] | None = None,
                     expected_state: Any = None,
                     expected: Mapping[str, Any] | None = None) -> Any:
        """Mark a row as deleted.

        :param values: further columns to set in the same statement
        :param expected_state: as for updates
        :param expected: as for updates
        """
        changes = db_values.for_update(entity, values or {})
        now = timeutils.utcnow()
        changes.update(deleted=entity.model.id, deleted_at=now,
                       updated_at=now)
        conditions = dict(expected or {})
        if expected_state is not None:
            conditions['state'] = expected_state
        return self._swap(entity, ident, changes, conditions)

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
                execution_options=NO_SYNC).rowcount
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
