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
"""The generic half of every resource of the API.

A resource is a subclass of Resource, or of its mixins Creatable, Patchable
and Deletable, that declares what is special to it::

    class Goal(resource.Resource):
        name = 'goal'
        collection = 'goals'
        model = 'Goal'
        fields = (
            Field('uuid', types.uuid, summary=True),
            ...
        )

From that follow its routes, lists, detail lists, single reads, pages, sort
keys, links, microversions, policy checks and the fields of its bodies.
"""

import functools
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

import pecan
import webob

from watcher import objects
from watcher._i18n import _
from watcher.api import types
from watcher.api.controllers import base
from watcher.api.controllers import body
from watcher.api.controllers import fields
from watcher.api.controllers import json_patch
from watcher.api.controllers import link
from watcher.api.controllers import query
from watcher.api.controllers.fields import View
from watcher.common import exception
from watcher.common import utils
from watcher.objects.base import Columns

JSON_SUFFIX = '.json'


class Resource:
    """A collection of objects that can be listed and shown."""

    #: Singular name: prefix of its policy rules.
    name: str
    #: Plural name: in paths and of the array in lists.
    collection: str
    #: Name of the class in watcher.objects.
    model: str
    #: Everything that requests and responses may contain.
    fields: tuple[fields.Field, ...]
    #: Query parameters that restrict lists.
    filters: tuple[query.Filter, ...] = ()
    #: Columns that lists can be sorted by although they are not shown.
    hidden_sort_keys: tuple[str, ...] = ('id',)
    #: Field that identifies an item in links and as marker.
    key = 'uuid'
    #: Whether objects have relations to be loaded with them.
    eager = False
    #: Whether a marker that is no UUID is a bad request or just unknown.
    strict_marker = False
    #: Whether items are addressed by UUID only.
    uuid_only = False
    #: (method, last path segment) -> handler, for routes below an item.
    actions: dict[tuple[str, str], str] = {}

    # Routing --------------------------------------------------------------

    def methods(self) -> set[str]:
        """Return the HTTP methods that the resource offers."""
        return {'GET'}

    def route(self, segments: list[str],
              request: webob.Request) -> tuple[Any, list[str]]:
        """Return handler and arguments for the path below the collection.

        :raises webob.exc.HTTPException: nothing answers this path (404),
            the method is not offered (405)
        """
        method = request.method
        if len(segments) == 2:
            handler = self.actions.get((method, segments[1]))
            if handler is not None:
                return getattr(self, handler), segments[:1]
        if method not in self.methods():
            raise base.not_allowed(self.methods())
        if not segments:
            return self.collection_handler(method), []
        if segments == ['detail'] and method == 'GET':
            return self.detail, []
        if len(segments) > 1:
            if self.uuid_only and segments[1:] == ['detail']:
                base.check_uuid(segments[0])
            raise base.not_found()
        return self.item_handler(method, segments[0]), segments

    def collection_handler(self, method: str) -> Any:
        if method == 'GET':
            return self.get_all
        raise exception.Invalid(
            _('%(method)s needs the identifier of one item: '
              '%(collection)s/<identifier>.')
            % {'method': method, 'collection': self.collection})

    def item_handler(self, method: str, ident: str) -> Any:
        if method != 'GET':
            raise exception.Invalid(
                _('%(method)s is offered for the collection %(collection)s, '
                  'not for an item.')
                % {'method': method, 'collection': self.collection})
        if any(ident == segment for _method, segment in self.actions):
            raise exception.Invalid(
                _('%(segment)s needs the identifier of one item: '
                  '%(collection)s/<identifier>/%(segment)s.')
                % {'segment': ident, 'collection': self.collection})
        return self.get_one

    # Declarations put into shape ------------------------------------------

    @property
    def object_class(self) -> Any:
        return getattr(objects, self.model)

    @functools.cached_property
    def sort_keys(self) -> frozenset[str]:
        return frozenset(self.hidden_sort_keys).union(
            field.name for field in self.fields if field.sortable)

    # Reading --------------------------------------------------------------

    @base.expose(query=True)
    def get_all(self):
        """List the items in short form."""
        return self._list('get_all', summary=True)

    @base.expose(query=True)
    def detail(self):
        """List the items with all their fields."""
        return self._list('detail', summary=False)

    @base.expose
    def get_one(self, ident):
        """Show one item."""
        obj = self.authorized(ident, 'get')
        return base.respond(self.represent(obj))

    def _list(self, action: str, summary: bool) -> webob.Response:
        base.enforce(f'{self.name}:{action}')
        wanted = query.read(self.offered_filters(), self.sort_keys)
        self.check_list(wanted)
        shown = self.shown(summary)
        columns = self.object_class.list_columns(
            base.context(), self.reads(shown), limit=wanted.limit,
            marker=self._marker(wanted),
            filters=self.conditions(wanted.filters),
            sort_key=wanted.sort_key, sort_dir=wanted.sort_dir)
        document = {self.collection: self.represent_all(columns, shown)}
        keys = columns[self.key]
        if keys and len(keys) == wanted.limit:
            url = link.resource_url(
                self.collection, None if summary else 'detail')
            document['next'] = wanted.next_link(url, keys[-1])
        return base.respond(document)

    def check_list(self, wanted: query.Query) -> None:
        """Refuse combinations of filters."""

    def offered_filters(self) -> list[query.Filter]:
        """Return the filters that the request's microversion has."""
        version = base.version()
        return [declared for declared in self.filters
                if declared.since <= version]

    def conditions(self, filters: dict[str, Any]) -> dict[str, Any]:
        """Return the filters as the object layer knows them."""
        return filters

    def _marker(self, wanted: query.Query) -> Any:
        empty = None if self.strict_marker else ''
        if wanted.marker in (None, empty):
            return None
        return self.find_marker(wanted.marker)

    def find_marker(self, marker: str) -> Any:
        """Return the object that ends the previous page."""
        if self.strict_marker:
            types.load(types.uuid, 'marker', marker)
        return self.object_class.get_by_uuid(base.context(), marker)

    def find(self, ident: str) -> Any:
        """Return the item with this identifier.

        A name that ends in ``.json`` wins over the name without it.

        :raises: ResourceNotFound
        """
        try:
            return self.find_exactly(ident)
        except exception.ResourceNotFound:
            if not ident.endswith(JSON_SUFFIX):
                raise
        return self.find_exactly(ident.removesuffix(JSON_SUFFIX))

    def find_exactly(self, ident: str) -> Any:
        """Return the item with this id, UUID or name, first match wins."""
        kwargs = {'eager': True} if self.eager else {}
        cls, context = self.object_class, base.context()
        if self.uuid_only:
            return cls.get_by_uuid(context, ident, **kwargs)
        if utils.is_int_like(ident):
            return cls.get_by_id(context, int(ident), **kwargs)
        if utils.is_uuid_like(ident):
            return cls.get_by_uuid(context, ident, **kwargs)
        return cls.get_by_name(context, ident, **kwargs)

    def authorized(self, ident: str, action: str) -> Any:
        """Return the item if the caller may do this to it.

        Who may not do it learns nothing about whether the item exists.

        :raises: PolicyNotAuthorized, ResourceNotFound
        """
        rule = f'{self.name}:{action}'
        if self.uuid_only:
            base.check_uuid(ident.removesuffix(JSON_SUFFIX))
        try:
            obj = self.find(ident)
        except exception.ResourceNotFound:
            base.enforce(rule)
            raise
        base.enforce(rule, obj)
        return obj

    def missing(self, obj: Any) -> exception.ResourceNotFound:
        """Return the error for an item that is deleted."""
        return exception.ResourceNotFound(
            name=self.model, id=getattr(obj, self.key))

    # Showing --------------------------------------------------------------

    def shown(self, summary: bool) -> list[fields.Field]:
        """Return the fields that the request's microversion shows."""
        version = base.version()
        return [field for field in self.fields if field.visible(version)
                and (field.summary or not summary)]

    def reads(self, shown: Iterable[fields.Field]) -> list[str]:
        """Return the columns that the representation is made of."""
        names = (name for field in shown for name in field.reads)
        return list(dict.fromkeys([self.key, *names]))

    def load_extra(self, columns: Columns,
                   shown: set[str]) -> dict[str, Any]:
        """Return what Computed fields need, read for all items at once.

        :param shown: names of the fields that will be shown
        """
        return {}

    def represent(self, obj: Any) -> dict[str, Any]:
        """Return the full representation of one item."""
        shown = self.shown(summary=False)
        return self.represent_all(obj.columns(self.reads(shown)), shown)[0]

    def represent_all(self, columns: Columns,
                      shown: Sequence[fields.Field]) -> list[dict[str, Any]]:
        """Return the representations of all items."""
        names = [field.name for field in shown]
        view = View(
            version=base.version(),
            show_deleted=bool(base.context().show_deleted),
            extra=self.load_extra(columns, set(names)))
        host_url = pecan.request.host_url
        links = [link.item_links(host_url, self.collection, key)
                 for key in columns[self.key]]
        values = zip(*(field.show(columns, view) for field in shown), links,
                     strict=False)
        return [dict(zip([*names, 'links'], item, strict=True))
                for item in values]


class Creatable(Resource):
    """Adds POST on the collection."""

    def methods(self):
        return super().methods() | {'POST'}

    def collection_handler(self, method):
        if method == 'POST':
            return self.post
        return super().collection_handler(method)

    @base.expose
    def post(self):
        """Create an item."""
        values = body.create_document(self.fields)
        obj = self.create(values)
        return base.respond(
            self.represent(obj), status=201,
            location=link.location(self.collection, obj.uuid))

    def create(self, values: dict[str, Any]) -> Any:
        """Check policy and values, store the object and return it.

        :param values: the converted members of the body
        """
        raise NotImplementedError()


class Patchable(Resource):
    """Adds PATCH on items."""

    def methods(self):
        return super().methods() | {'PATCH'}

    def item_handler(self, method, ident):
        if method == 'PATCH':
            return self.patch
        return super().item_handler(method, ident)

    @functools.cached_property
    def patchable(self) -> dict[str, fields.Field]:
        return {field.name: field for field in self.fields if field.patch}

    @base.expose
    def patch(self, ident):
        """Change an item."""
        if self.uuid_only:
            base.check_uuid(ident)
        operations = json_patch.read(self.patchable)
        self.check_operations(operations)
        obj = self.authorized(ident, 'update')
        if obj.deleted_at is not None:
            # Shown because the client asked for it, but nothing more.
            raise self.missing(obj)
        if self.needs_latest(operations):
            obj = obj.dbapi.run_in_transaction(
                self._patch_latest, obj, operations)
        else:
            obj = self._patch(obj, operations)
        return base.respond(self.represent(obj))

    def needs_latest(self, operations: list[json_patch.Operation]) -> bool:
        """Tell whether nobody else may change the item meanwhile."""
        # The rest of the field is stored with what is changed in it: it has
        # to be what others made of it.
        return any(operation.is_inner for operation in operations)

    def _patch_latest(self, obj, operations):
        obj.lock()
        return self._patch(self.find(str(getattr(obj, self.key))), operations)

    def _patch(self, obj, operations):
        return self.update(
            obj, json_patch.apply(operations, obj, self.patchable))

    def check_operations(self, operations: list[json_patch.Operation]) -> None:
        """Refuse operations before the item is looked up."""

    def update(self, obj: Any, changes: dict[str, Any]) -> Any:
        """Check and store the changes and return the object.

        :param changes: new values of all fields that were touched
        """
        raise NotImplementedError()


class Deletable(Resource):
    """Adds DELETE on items."""

    def methods(self):
        return super().methods() | {'DELETE'}

    def item_handler(self, method, ident):
        if method == 'DELETE':
            return self.delete
        return super().item_handler(method, ident)

    @base.expose
    def delete(self, ident):
        """Delete an item softly."""
        obj = self.authorized(ident, 'delete')
        self.remove(obj)
        return base.respond_empty(204)

    def remove(self, obj: Any) -> None:
        """Delete the object if its state allows it.

        :raises: ResourceNotFound if it is deleted already
        """
        if obj.deleted_at is not None:
            raise self.missing(obj)
        try:
            obj.soft_delete()
        except exception.StateConflict as exc:
            raise self.missing(obj) from exc
