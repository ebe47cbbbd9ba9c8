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
"""What all objects share: fields, persistence, states, announcements.

A persisted object is declared by its fields, the name of its database entity
and its relations. Everything it can do is said here once.

Relations are filled by ``eager=True`` in the same query as the object. One
that is not filled is loaded when it is touched, by a query of its own that
also sees soft deleted rows, as eager loading does.
"""

import copy
import functools
import sys
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import ClassVar

from oslo_versionedobjects import base as ovo_base

from watcher.common import context as watcher_context
from watcher.common import exception
from watcher.common import utils
from watcher.db import api as db_api
from watcher.objects import events
from watcher.objects import fields as wfields
from watcher.objects import lease
from watcher.objects import states

remotable = ovo_base.remotable

#: Values of several objects: field -> its value of each of them, in order.
Columns = dict[str, Sequence[Any]]

WatcherObjectDictCompat = ovo_base.VersionedObjectDictCompat


class WatcherObjectRegistry(ovo_base.VersionedObjectRegistry):
    """Puts the newest version of each class into ``watcher.objects``."""

    def registration_hook(self, cls: type, index: int) -> None:
        if index == 0:
            setattr(sys.modules[__package__], cls.obj_name(), cls)


class WatcherObject(ovo_base.VersionedObject):
    """Base of all versioned objects."""

    OBJ_SERIAL_NAMESPACE = 'watcher_object'
    OBJ_PROJECT_NAMESPACE = 'watcher'

    def as_dict(self) -> dict[str, Any]:
        """Return all fields that are set, nested objects included."""
        return {name: getattr(self, name) for name in self.fields
                if self.obj_attr_is_set(name)}


class WatcherObjectSerializer(ovo_base.VersionedObjectSerializer):
    """Carries objects over RPC."""

    OBJ_BASE_CLASS = WatcherObject


class WatcherPersistentObject:
    """The dates of every row, aware and in UTC."""

    fields = {
        'created_at': wfields.DateTimeField(nullable=True),
        'updated_at': wfields.DateTimeField(nullable=True),
        'deleted_at': wfields.DateTimeField(nullable=True),
    }


class _Get:
    """``Class.get(context, ident)`` reads an object, ``obj.get(field)`` a
    field of one, as of a dictionary.

    ``ident`` is an id or a UUID; anything else is refused with
    ``InvalidIdentity``.
    """

    def __get__(self, obj: Any, cls: type) -> Any:
        if obj is None:
            return cls._get
        return functools.partial(WatcherObjectDictCompat.get, obj)


class StoredObject(WatcherPersistentObject, WatcherObject,
                   WatcherObjectDictCompat):
    """An object that is a row of the database.

    :cvar entity: name of the entity in the database operations
    :cvar relations: relation -> class; its key field is ``<relation>_id``
    :cvar machine: states and transitions, if the object has a state
    :cvar row_key: field that finds the row
    :cvar substitutes: field -> what stands for its NULL in rows of older
        releases, made of the UUID
    """

    dbapi = db_api.get_instance()

    entity: ClassVar[str]
    relations: ClassVar[Mapping[str, type['StoredObject']]] = {}
    machine: ClassVar[states.StateMachine | None] = None
    row_key: ClassVar[str] = 'uuid'
    substitutes: ClassVar[Mapping[str, Callable[[str], Any]]] = {}

    # State of the row as this object last saw it.
    _stored_state: str | None = None

    # Database operations ---------------------------------------------------

    @classmethod
    def _db(cls, pattern: str) -> Any:
        """The database operation of this entity, e.g. ``create_{}``."""
        return getattr(cls.dbapi, pattern.format(cls.entity))

    @property
    def _ident(self) -> Any:
        return getattr(self, self.row_key)

    # Rows ------------------------------------------------------------------

    @classmethod
    def _value(cls, row: Any, name: str) -> Any:
        """The value of a field in a row."""
        value = row[name]
        if value is None and name in cls.substitutes:
            return cls.substitutes[name](row['uuid'])
        return value

    @classmethod
    def from_row(cls, context: Any, row: Any, eager: bool = False,
                 shared: dict[int, 'StoredObject'] | None = None
                 ) -> 'StoredObject':
        """Make an object of a database row.

        :param eager: fill the relations that the row came with
        :param shared: related objects of the rows before, which belong to
            the same list: all actions of a plan get one plan object
        """
        obj = cls(context)
        obj._take(row)
        if not eager:
            return obj
        shared = {} if shared is None else shared
        for name, related in cls.relations.items():
            joined = row.__dict__.get(name)
            if joined is None:
                continue
            if id(joined) not in shared:
                shared[id(joined)] = related.from_row(context, joined)
            setattr(obj, name, shared[id(joined)])
        obj.obj_reset_changes()
        return obj

    def _take(self, row: Any) -> None:
        """Copy a row; nothing is changed afterwards."""
        for name in self.fields:
            if name not in self.relations:
                setattr(self, name, self._value(row, name))
        for name in self.relations:
            if not self.obj_attr_is_set(name):
                continue
            # The key may have changed here or in the row: load it again.
            related = getattr(self, name)
            if (related.id if related else None) != self._related_id(name):
                delattr(self, name)
        self.obj_reset_changes()
        if self.machine is not None:
            self._stored_state = self.state

    def _related_id(self, relation: str) -> int | None:
        key = relation + '_id'
        return getattr(self, key) if self.obj_attr_is_set(key) else None

    def obj_load_attr(self, attrname: str) -> None:
        """Load a relation that is touched but not filled.

        :raises NotImplementedError: for a field that is no relation, or if
            the key of the relation is not known
        """
        related = self.relations.get(attrname)
        if related is None or not self.obj_attr_is_set(attrname + '_id'):
            super().obj_load_attr(attrname)
        key = self._related_id(attrname)
        value = None
        if key is not None:
            row = related._db('get_{}_by_id')(
                watcher_context.admin_context(show_deleted=True), key)
            value = related.from_row(self._context, row)
        changed = attrname in self._changed_fields
        setattr(self, attrname, value)
        if not changed:
            self.obj_reset_changes([attrname])

    def __deepcopy__(self, memo: dict[int, Any]) -> 'StoredObject':
        clone = super().__deepcopy__(memo)
        clone._stored_state = self._stored_state
        return clone

    def snapshot(self) -> 'StoredObject':
        """A cheap copy that later assignments to this object don't change.
        """
        clone = copy.copy(self)
        clone._changed_fields = set(self._changed_fields)
        return clone

    def _changes(self) -> dict[str, Any]:
        """Changed columns; relations are read only."""
        return {name: copy.copy(value)
                for name, value in self.obj_get_changes().items()
                if name not in self.relations}

    # Reads -----------------------------------------------------------------

    @classmethod
    def _read(cls, context: Any, key: str, value: Any,
              eager: bool) -> 'StoredObject':
        operation = cls._db('get_{}_by_' + key)
        if not cls.relations:
            return cls.from_row(context, operation(context, value))
        row = operation(context, value, eager=eager)
        return cls.from_row(context, row, eager)

    get = _Get()

    @classmethod
    def _get(cls, context: Any, ident: Any,
             eager: bool = False) -> 'StoredObject':
        if utils.is_int_like(ident):
            return cls._read(context, 'id', ident, eager)
        if 'uuid' in cls.fields and utils.is_uuid_like(ident):
            return cls._read(context, 'uuid', ident, eager)
        raise exception.InvalidIdentity(identity=ident)

    @classmethod
    @remotable
    def get_by_id(cls, context: Any, ident: int,
                  eager: bool = False) -> 'StoredObject':
        """Read one object by its integer id."""
        return cls._read(context, 'id', ident, eager)

    @classmethod
    @remotable
    def list(cls, context: Any, limit: int | None = None, marker: Any = None,
             filters: Mapping[str, Any] | None = None,
             sort_key: str | None = None, sort_dir: str | None = None,
             eager: bool = False) -> 'list[StoredObject]':
        """List objects, with one query however many there are.

        :param limit: at most so many; None for all
        :param marker: last object of the previous page
        :param filters: ``name`` or ``name__operator`` -> value; all hold
        :param sort_key: a field, or one of a relation as ``goal_name``
        :param sort_dir: asc or desc
        :param eager: fill the relations too
        """
        rows = cls._db('get_{}_list')(
            context, filters=filters, limit=limit, marker=marker,
            sort_key=sort_key, sort_dir=sort_dir,
            eager=bool(eager and cls.relations))
        shared: dict[int, StoredObject] = {}
        return [cls.from_row(context, row, eager, shared) for row in rows]

    @classmethod
    def list_columns(cls, context: Any, names: Iterable[str],
                     **options: Any) -> Columns:
        """List some fields, without the cost of making objects.

        :param names: fields, also of relations as ``goal_name``
        :param options: limit, marker, filters, sort_key and sort_dir as for
            :meth:`list`
        """
        substituted = ('uuid',) if cls.substitutes else ()
        names = list(dict.fromkeys([*names, *substituted]))
        rows = cls._db('list_{}_columns')(context, names, **options)
        columns = zip(*rows, strict=True) if rows else ((),) * len(names)
        found = dict(zip(names, columns, strict=True))
        return {name: cls._coerced(name, found) for name in names}

    @classmethod
    def _coerced(cls, name: str, found: Columns) -> Sequence[Any]:
        """The column with values as the field holds them."""
        values = found[name]
        if name in cls.substitutes and None in values:
            substitute = cls.substitutes[name]
            values = [substitute(uuid) if value is None else value
                      for value, uuid in zip(values, found['uuid'],
                                             strict=True)]
        relation, attribute = cls._resolve(name)
        owner = cls if relation is None else cls.relations[relation]
        return wfields.coerce_all(owner.fields[attribute], name, values)

    @classmethod
    def _resolve(cls, name: str) -> tuple[str | None, str]:
        """Split ``goal_name`` into relation and field of it."""
        if name in cls.fields:
            return None, name
        for relation in cls.relations:
            if name.startswith(f'{relation}_'):
                return relation, name.removeprefix(f'{relation}_')
        raise KeyError(name)

    def columns(self, names: Iterable[str]) -> Columns:
        """Return fields as :meth:`list_columns` gives them for a list."""
        found = {}
        for name in names:
            relation, attribute = self._resolve(name)
            owner = self if relation is None else getattr(self, relation)
            found[name] = (getattr(owner, attribute) if owner else None,)
        return found

    # Writes ----------------------------------------------------------------

    def _check_relations(self, changes: Mapping[str, Any]) -> None:
        """Fill the relations of a new object, which proves they exist.

        :raises watcher.common.exception.ResourceNotFound: also for a soft
            deleted one
        """
        for name, related in self.relations.items():
            key = changes.get(name + '_id')
            if key is None:
                continue
            given = (getattr(self, name) if self.obj_attr_is_set(name)
                     else None)
            if given is None or given.id != key or given.deleted_at:
                setattr(self, name, related.get_by_id(self._context, key))

    @remotable
    def create(self) -> 'StoredObject':
        """Store a new object and fill what the database adds.

        :raises watcher.common.exception.Conflict: the class's own
            ``AlreadyExists`` for a duplicate
        :raises watcher.common.exception.ResourceNotFound: if a relation
            does not exist
        """
        changes = self._changes()
        self._check_relations(changes)
        self._take(self._db('create_{}')(changes))
        events.created(self)
        return self

    @property
    def old_state(self) -> str | None:
        """The stored state, while another one is assigned but not saved."""
        if self.machine is None or not self.obj_attr_is_set('state'):
            return None
        if self.state == self._stored_state:
            return None
        return self._stored_state

    @remotable
    def save(self, where: Mapping[str, Any] | None = None,
             fence: lease.Lease | None = None) -> None:
        """Store the changed fields.

        A changed state is compared and swapped: it is only stored if the
        row is still in the state that this object last saw.

        :param where: fields and the value (or several) they must have in
            the row, e.g. ``{'state': ('PENDING',)}``
        :param fence: a lease that must be held
        :raises watcher.common.exception.StateConflict: if it is not
        :raises watcher.common.exception.LeaseLost: if the lease is not held
        :raises watcher.common.exception.InvalidStateTransition: if there is
            no such way between the two states
        """
        changes = self._changes()
        old_state = self.old_state
        expected = None
        if 'state' in changes:
            if changes['state'] == self._stored_state:
                del changes['state']
            elif self.machine is not None:
                self.machine.check(old_state, changes['state'], self._ident)
                expected = old_state
        if changes:
            self._store(changes, expected, where, fence)
        self.obj_reset_changes()
        events.updated(self, old_state)

    def _store(self, changes: Mapping[str, Any],
               expected_state: str | None = None,
               expected: Mapping[str, Any] | None = None,
               fence: lease.Lease | None = None) -> None:
        options = {}
        if fence is not None:
            fence.check()
            options['fence'] = fence
        self._take(self._db('update_{}')(
            self._ident, changes, expected_state=expected_state,
            expected=expected, **options))

    def transition(self, new_state: str,
                   expected: str | Iterable[str] | None = None,
                   where: Mapping[str, Any] | None = None,
                   fence: lease.Lease | None = None,
                   **values: Any) -> None:
        """Change the state if nobody else did, and announce it.

        Changes made to other fields before are stored with it.

        :param new_state: the state to go to
        :param expected: state, or several, the row must be in; the one this
            object last saw if not given
        :param where: further fields and the value (or several) they must
            have in the row, e.g. ``{'hostname': None}``
        :param fence: a lease that must be held, see
            :mod:`watcher.objects.lease`
        :param values: further fields to store
        :raises watcher.common.exception.StateConflict: if the row is not as
            expected; the object is unchanged then
        :raises watcher.common.exception.LeaseLost: if the lease is not held
        :raises watcher.common.exception.InvalidStateTransition: if there is
            no such way between the states
        """
        if expected is None:
            expected = (self._stored_state,)
        elif isinstance(expected, str):
            expected = (expected,)
        # The last known state first: it is most likely the true one.
        candidates = sorted(expected,
                            key=lambda state: state != self._stored_state)
        for old_state in candidates:
            self.machine.check(old_state, new_state, self._ident)
        changes = {**self._changes(), **values, 'state': new_state}
        for position, old_state in enumerate(candidates, 1):
            try:
                self._store(changes, old_state, where, fence)
            except exception.LeaseLost:
                raise
            except exception.StateConflict as conflict:
                if position == len(candidates):
                    raise exception.StateConflict(**{
                        **conflict.kwargs,
                        'expected': ' or '.join(map(str, candidates))})
            else:
                break
        events.updated(self, old_state)

    def swap(self, where: Mapping[str, Any],
             fence: lease.Lease | None = None, **values: Any) -> None:
        """Change fields other than the state, if the row is as expected.

        :param where: fields and the value (or several) they must have
        :param fence: a lease that must be held
        :raises watcher.common.exception.StateConflict: if it is not; the
            object is unchanged then
        :raises watcher.common.exception.LeaseLost: if the lease is not held
        """
        self._store(values, None, where, fence)
        events.updated(self)

    @remotable
    def refresh(self) -> None:
        """Read the row again; unsaved changes are lost.

        :raises watcher.common.exception.ResourceNotFound: if it is gone
        """
        key = 'uuid' if 'uuid' in self.fields else 'id'
        self._take(self._db('get_{}_by_' + key)(self._context,
                                                getattr(self, key)))

    @remotable
    def soft_delete(self) -> None:
        """Hide the object; its row stays until it is purged.

        An object with a state ends in ``DELETED``, if nobody changed its
        state meanwhile; others must not be deleted already.

        :raises watcher.common.exception.StateConflict: if somebody did
        """
        self._mark_deleted(self._delete_row())

    def _delete_row(self) -> Any:
        # One without a state could be deleted twice.
        values, expected = {}, {'deleted_at': None}
        if self.machine is not None:
            values, expected = {'state': 'DELETED'}, None
        return self._db('soft_delete_{}')(self._ident, values=values,
                                          expected_state=self._stored_state,
                                          expected=expected)

    def lock(self) -> None:
        """Let nobody else change the row until the transaction ends.

        This object stays as it is; what is read now is up to date.

        :raises watcher.common.exception.ResourceNotFound: if it is gone
        """
        self._db('lock_{}')(self._ident)

    def _mark_deleted(self, row: Any) -> None:
        """Show and announce a soft deletion that is stored."""
        old_state = self._stored_state
        self._take(row)
        if self.machine is not None:
            events.updated(self, old_state)
        events.deleted(self)

    def destroy(self) -> None:
        """Remove the row for good; nobody is told.

        :raises watcher.common.exception.ResourceNotFound: if it is gone
        """
        self._db('destroy_{}')(self._ident)
        self.obj_reset_changes()


class UuidMixin:
    """Objects that have a UUID."""

    @classmethod
    @remotable
    def get_by_uuid(cls, context: Any, uuid: str,
                    eager: bool = False) -> StoredObject:
        """Read one object by its UUID."""
        return cls._read(context, 'uuid', uuid, eager)


class NameMixin:
    """Objects that have a name."""

    @classmethod
    @remotable
    def get_by_name(cls, context: Any, name: str,
                    eager: bool = False) -> StoredObject:
        """Read one object by its name, in any letter case.

        Among several the exact name wins, then a living object, then the
        one deleted last.
        """
        return cls._read(context, 'name', name, eager)
