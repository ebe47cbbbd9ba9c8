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
"""Builds the queries of lists: joins, filters, order, pages.

Each relation is joined at most once, through the entity's own key, and under
an alias, so that eager loading, filters and sorting on related columns go
together. To-one joins don't multiply rows: a page is one statement.
"""

import operator
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from oslo_db import exception as db_exc
from oslo_utils import strutils
from oslo_utils import timeutils
from sqlalchemy import orm

from watcher._i18n import _
from watcher.common import exception
from watcher.db.sqlalchemy import entities
from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import types
from watcher.db.sqlalchemy import values

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    'eq': operator.eq,
    'neq': operator.ne,
    'gt': operator.gt,
    'gte': operator.ge,
    'lt': operator.lt,
    'lte': operator.le,
    'in': lambda column, value: column.in_(value),
    'notin': lambda column, value: column.not_in(value),
}

# Databases refuse greater numbers; there are no more ids either.
_LARGEST_LIMIT = 2 ** 31 - 1

_RELATED_COLUMNS = ('uuid', 'name', 'deleted_at')
# Besides, what services read; no list can be sorted or filtered by it.
_RELATED_READABLE = (*_RELATED_COLUMNS, 'auto_trigger')
_SORT_DIRECTIONS = tuple(
    direction + nulls for direction in ('asc', 'desc')
    for nulls in ('', '-nullsfirst', '-nullslast'))


def _convert(name: str, column: Any, value: Any) -> Any:
    """The filter value in the type of the column.

    PostgreSQL compares only like with like.

    :raises watcher.common.exception.Invalid: when that is impossible
    """
    if value is None:
        return None
    kind = column.type
    try:
        if isinstance(kind, sa.DateTime):
            if isinstance(value, str):
                value = timeutils.parse_isotime(value)
            return values.naive_utc(value)
        if isinstance(kind, sa.Boolean):
            return strutils.bool_from_string(value, strict=True)
        if isinstance(kind, sa.String):
            return str(value)
        if isinstance(kind, sa.types.TypeDecorator):
            return int(value)
        return kind.python_type(value)
    except (AttributeError, TypeError, ValueError):
        raise exception.Invalid(
            _("The filter '%(name)s' does not take the value '%(value)s'.")
            % {'name': name, 'value': value})


class Query:
    """One select of an entity."""

    def __init__(self, entity: entities.Entity) -> None:
        self.entity = entity
        self.model = entity.model
        self.statement = sa.select(self.model)
        self._aliases: dict[str, Any] = {}
        self._show_deleted = True

    # Columns ---------------------------------------------------------------

    def _alias(self, path: str, inner: bool = False) -> Any:
        """The joined relation, e.g. ``goal`` or ``action_plan.audit``.

        :param inner: whether rows without it are not wanted anyway, which
            lets every database begin with the relation; sorting and eager
            loading must not lose rows
        """
        if path not in self._aliases:
            parent_path, _dot, relation = path.rpartition('.')
            parent = (self._alias(parent_path, inner) if parent_path
                      else self.model)
            attribute = getattr(parent, relation)
            alias = orm.aliased(attribute.property.mapper.class_)
            self.statement = self.statement.join(
                attribute.of_type(alias), isouter=not inner)
            self._aliases[path] = alias
        return self._aliases[path]

    def _related_column(self, name: str, inner: bool = False,
                        names: Iterable[str] = _RELATED_COLUMNS) -> Any:
        for prefix, path in self.entity.relation_paths.items():
            column = name.removeprefix(f'{prefix}_')
            if column != name and column in names:
                return getattr(self._alias(path, inner), column, None)
        return None

    def _column(self, name: str, inner: bool = False) -> Any:
        if name in self.entity.columns:
            return getattr(self.model, name)
        return self._related_column(name, inner)

    def _sort_column(self, name: str) -> Any:
        """The column as lists show it: null for a deleted relation."""
        column = self._column(name)
        if column is None or self._is_own(column) or self._show_deleted:
            return column
        return sa.case((column.parent.entity.deleted_at.is_(None), column))

    def only(self, names: Iterable[str]) -> None:
        """Read these columns instead of whole rows.

        :param names: columns, also of relations as ``goal_name``
        """
        # First: it may join relations to the statement.
        columns = [self._readable(name) for name in names]
        self.statement = self.statement.with_only_columns(
            *columns, maintain_column_froms=True)

    def _readable(self, name: str) -> Any:
        column = self._column(name)
        if column is None:
            column = self._related_column(name, names=_RELATED_READABLE)
        if column is models.EfficacyIndicator.value:
            return sa.func.coalesce(models.EfficacyIndicator.data, column)
        return column

    # Filters ---------------------------------------------------------------

    def eager(self) -> None:
        """Load the to-one relations, one level deep, in the same query.

        To be called after :meth:`filters`.
        """
        for relation in self.entity.relations:
            alias = self._alias(relation)
            self.statement = self.statement.options(orm.contains_eager(
                getattr(self.model, relation).of_type(alias)))

    def visible(self, show_deleted: bool) -> None:
        """Leave soft deleted rows out unless they are asked for."""
        self._show_deleted = bool(show_deleted)
        if not show_deleted:
            self.statement = self.statement.where(
                self.model.deleted_at.is_(None))

    def filters(self, filters: Mapping[str, Any]) -> None:
        """Apply ``name`` or ``name__operator`` filters, all of which hold.

        :raises watcher.common.exception.Invalid: for an unknown name or a
            value of the wrong type
        :raises watcher.common.exception.InvalidOperator: for an unknown
            operator
        """
        for name, value in filters.items():
            # First: it may join a relation to the statement.
            condition = self._condition(name, value)
            self.statement = self.statement.where(condition)

    def _condition(self, key: str, value: Any) -> Any:
        name, _separator, operation = key.partition('__')
        if name == 'deleted' and not operation:
            operation, value = ('neq', 0) if value else ('eq', 0)
        operation = operation or 'eq'
        if operation not in OPERATORS:
            raise exception.InvalidOperator(
                operator=operation, valid_operators=', '.join(OPERATORS))
        # Nothing but "is null" is true of a relation that is not there.
        column = self._column(name, inner=value is not None)
        if column is None or isinstance(
                column.type, (sa.Text, types.JsonDict, types.JsonList)):
            raise exception.Invalid(
                _("A list of %(title)ss cannot be filtered by '%(name)s'. "
                  "Known filters: %(known)s.")
                % {'title': self.entity.title, 'name': name,
                   'known': ', '.join(self._known_filters())})
        if operation in ('in', 'notin'):
            value = [_convert(name, column, item) for item in value]
        else:
            value = _convert(name, column, value)
        return OPERATORS[operation](column, value)

    def _known_filters(self) -> Iterable[str]:
        for column in self.entity.columns:
            if not isinstance(column.type, (sa.Text, types.JsonDict,
                                            types.JsonList)):
                yield column.name
        for prefix, path in self.entity.relation_paths.items():
            for name in _RELATED_COLUMNS:
                if hasattr(self._alias(path), name):
                    yield f'{prefix}_{name}'

    # Order and pages -------------------------------------------------------

    def page(self, session: orm.Session, sort_key: str | None = None,
             sort_dir: str | None = None, marker: Any = None,
             limit: int | None = None) -> None:
        """Sort by the key, then by id, and cut one page out.

        NULL counts as smaller than everything on every database, unless the
        direction says otherwise.

        :param sort_key: a column, or one of a relation as ``goal_name``
        :param sort_dir: asc or desc, optionally with -nullsfirst or
            -nullslast
        :param marker: last object of the previous page
        :param limit: number of rows; None for all
        :raises oslo_db.exception.InvalidSortKey: for an unknown key
        :raises watcher.common.exception.Invalid: for an unknown direction,
            a negative limit or a marker that doesn't exist
        """
        sort_dir = sort_dir or 'asc'
        if sort_dir not in _SORT_DIRECTIONS:
            raise exception.Invalid(
                _("Unknown sort direction '%(sort_dir)s'. Known directions: "
                  "%(known)s.") % {'sort_dir': sort_dir,
                                   'known': ', '.join(_SORT_DIRECTIONS)})
        if limit is not None and limit < 0:
            raise exception.Invalid(
                _('The limit of a list must not be negative, got %s.')
                % limit)
        direction, _dash, nulls = sort_dir.partition('-')
        ascending = direction == 'asc'
        nulls_first = nulls == 'nullsfirst' if nulls else ascending
        column = self._sort_column(sort_key or 'id')
        if column is None:
            raise db_exc.InvalidSortKey(sort_key)

        if marker is not None:
            self._after(session, column, sort_key, marker, ascending,
                        nulls_first)
        self._order(session, column, ascending, nulls_first)
        if limit is None:
            return
        self.statement = self.statement.limit(
            min(limit, _LARGEST_LIMIT))
        if not self._is_own(column):
            self._look_up_late()
            self._order(session, self._sort_column(sort_key), ascending,
                        nulls_first)

    def _look_up_late(self) -> None:
        """Find the rows of the page first, then read them.

        For pages that no index sorts: the database then sorts keys, not
        whole rows with long texts.
        """
        page = self.statement.with_only_columns(
            self.model.id, maintain_column_froms=True).subquery()
        self.statement = sa.select(self.model).join(
            page, page.c.id == self.model.id)
        self._aliases = {}

    def _order(self, session: orm.Session, column: Any, ascending: bool,
               nulls_first: bool) -> None:
        turn = sa.asc if ascending else sa.desc
        if column is not self.model.id:
            # MySQL and SQLite take NULL for the smallest value, PostgreSQL
            # for the greatest. Only the odd case needs words, which may cost
            # the use of an index.
            null_is_smallest = session.get_bind().dialect.name != 'postgresql'
            natural = null_is_smallest == ascending
            if self._nullable(column) and natural != nulls_first:
                null = column.is_(None)
                self.statement = self.statement.order_by(
                    sa.desc(null) if nulls_first else sa.asc(null))
            self.statement = self.statement.order_by(turn(column))
        self.statement = self.statement.order_by(turn(self.model.id))

    def _is_own(self, column: Any) -> bool:
        return getattr(column, 'class_', None) is self.model

    def _nullable(self, column: Any) -> bool:
        return (not self._is_own(column)
                or self.entity.columns[column.key].nullable)

    def _after(self, session: orm.Session, column: Any, sort_key: str | None,
               marker: Any, ascending: bool, nulls_first: bool) -> None:
        """Only rows behind the marker in the order of the list."""
        model = self.model
        behind = operator.gt if ascending else operator.lt
        if column is model.id:
            self.statement = self.statement.where(
                behind(model.id, marker.id))
            return
        value = self._marker_value(session, sort_key, marker)
        nulls_follow = not nulls_first and self._nullable(column)
        next_of_same = behind(model.id, marker.id)
        if value is None:
            condition = sa.and_(column.is_(None), next_of_same)
            if nulls_first:
                condition = sa.or_(condition, column.is_not(None))
        else:
            if isinstance(column.type, sa.Boolean):
                # PostgreSQL compares booleans, SQLAlchemy refuses to.
                column, value = sa.cast(column, sa.Integer), int(value)
            from_value = operator.ge if ascending else operator.le
            # The first part alone is a range of an index.
            condition = sa.and_(from_value(column, value),
                                sa.or_(behind(column, value), next_of_same))
            if nulls_follow:
                condition = sa.or_(condition, column.is_(None))
        self.statement = self.statement.where(condition)

    def _marker_value(self, session: orm.Session, sort_key: str,
                      marker: Any) -> Any:
        """The sort value of the marker as the database compares it.

        The marker may be older than its row, and its dates have time zones.
        """
        lookup = Query(self.entity)
        lookup._show_deleted = self._show_deleted
        column = lookup._sort_column(sort_key)
        row = session.execute(
            lookup.statement.where(self.model.id == marker.id)
            .with_only_columns(column)).first()
        if row is None:
            raise exception.Invalid(
                _('The marker %(marker)s of the list of %(title)ss does not '
                  'exist.') % {'marker': getattr(marker, 'uuid', marker.id),
                               'title': self.entity.title})
        return row[0]
