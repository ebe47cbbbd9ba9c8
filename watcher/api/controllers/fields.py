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
"""The fields of a resource: one declaration each, of everything about it.

A declaration says what the field is called, of which type it is, in which
representations and from which microversion on it is shown, whether it may be
given at creation or be patched, and whether lists can be sorted by it.
"""

import dataclasses
import itertools
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any

from watcher.api import types
from watcher.api import versions
from watcher.objects.base import Columns


class Rule:
    """How a field may be given in the body of a creation."""

    def __init__(self, name: str):
        self.name = name

    def __repr__(self) -> str:
        return self.name


REQUIRED = Rule('REQUIRED')
OPTIONAL = Rule('OPTIONAL')

#: Value of ``before`` of fields that older microversions don't show.
HIDDEN = object()


@dataclasses.dataclass(frozen=True)
class View:
    """For whom a representation is made, and what was loaded for it."""

    version: versions.Version
    show_deleted: bool = False
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Field:
    """A field that is a column of the object.

    Responses are made column by column: what depends on the field and on
    the microversion alone is decided once for all items of a list.

    :ivar name: in requests, responses and as attribute of the object
    :ivar type: how its value looks
    :ivar summary: shown in plain lists too, not only in detail
    :ivar since: shown from this microversion on
    :ivar before: what is shown in older ones
    :ivar create: REQUIRED or OPTIONAL at creation, None if read-only
    :ivar patch: whether it may be changed
    :ivar patch_type: type in a patch, if another one than in a creation
    :ivar nullable: whether a patch may remove it
    """

    name: str = dataclasses.field(kw_only=False)
    type: types.Type = dataclasses.field(kw_only=False)
    summary: bool = False
    since: versions.Version = versions.INITIAL
    before: Any = HIDDEN
    create: Rule | None = None
    patch: bool = False
    patch_type: types.Type | None = None
    nullable: bool = True

    #: Whether lists can be sorted by it.
    sortable = True
    #: Whether it appears in responses.
    shown = True

    @property
    def input_type(self) -> types.Type:
        return self.type

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the columns that its values are made of."""
        return (self.name,)

    def values(self, columns: Columns, view: View) -> Iterable[Any]:
        """Return the value of each item, ready for JSON."""
        return map(self.type.dump, columns[self.name])

    def visible(self, version: versions.Version) -> bool:
        """Tell whether responses of this microversion contain it."""
        return self.shown and (version >= self.since
                               or self.before is not HIDDEN)

    def show(self, columns: Columns, view: View) -> Iterable[Any]:
        """Return what the view's microversion shows of each item."""
        if view.version < self.since:
            return itertools.repeat(self.before)
        return self.values(columns, view)

    def current(self, obj: Any) -> Any:
        """Return the value that a patch starts from."""
        return self.type.dump(getattr(obj, self.name))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Related(Field):
    """A column of a related object, ``goal_name`` for example.

    Null if there is no such object, or if it was deleted and the caller
    does not want to see deleted ones.
    """

    relation: str = dataclasses.field(kw_only=False)
    attribute: str = dataclasses.field(kw_only=False)

    @property
    def reads(self):
        return (f'{self.relation}_{self.attribute}',
                f'{self.relation}_deleted_at')

    def values(self, columns, view):
        related, deleted_at = (columns[name] for name in self.reads)
        if view.show_deleted:
            return related
        return (value if deleted is None else None
                for value, deleted in zip(related, deleted_at, strict=True))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Computed(Field):
    """A value that is no column.

    :ivar compute: takes what an item has in the columns, and the view
    :ivar of: names of these columns
    """

    compute: Callable[..., Any] = dataclasses.field(kw_only=False)
    of: tuple[str, ...] = dataclasses.field(kw_only=False)
    sortable = False

    @property
    def reads(self):
        return self.of

    def values(self, columns, view):
        values = zip(*(columns[name] for name in self.of), strict=True)
        return (self.type.dump(self.compute(*item, view)) for item in values)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Input(Field):
    """Something that only requests contain, ``goal`` of an audit for example.

    :ivar start: takes the object, returns what a patch starts from
    """

    start: Callable[[Any], Any] | None = None
    sortable = False
    shown = False

    def current(self, obj):
        return self.start(obj)


def related_uuid(relation: str) -> Callable[[Any], str | None]:
    """Return the function that gives the UUID of a related object."""
    def get(obj):
        related = getattr(obj, relation)
        return related.uuid if related is not None else None
    return get


#: When the row was made, changed and soft deleted.
CREATED_AT = Field('created_at', types.time)
UPDATED_AT = Field('updated_at', types.time)
DELETED_AT = Field('deleted_at', types.time)
TIMESTAMPS = (CREATED_AT, UPDATED_AT, DELETED_AT)
