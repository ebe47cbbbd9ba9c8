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
"""JSON patch (RFC 6902) as far as the API takes it: add, replace, remove.

Only what a resource lists as patchable can be changed; anything else is an
error that says so. The operations are applied to a copy, so a patch takes
effect as a whole or not at all.
"""

import copy
import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import jsonpatch
import wsme.exc

from watcher._i18n import _
from watcher.api import types
from watcher.api.controllers import body
from watcher.api.controllers import fields
from watcher.common import exception

ADD = 'add'
REPLACE = 'replace'
REMOVE = 'remove'
OPERATIONS = (ADD, REPLACE, REMOVE)
MEMBERS = frozenset({'op', 'path', 'value'})

PATH = re.compile(r'(/[\w-]+)+')


@dataclasses.dataclass(frozen=True)
class Operation:
    """One checked operation.

    :ivar root: the field that it touches
    """

    op: str
    path: str
    value: Any

    @property
    def root(self) -> str:
        return self.path.split('/')[1]

    @property
    def is_inner(self) -> bool:
        """Whether it changes a part of a field, and leaves the rest."""
        return self.path.count('/') > 1

    def as_dict(self) -> dict[str, Any]:
        """Return the form of RFC 6902."""
        document = {'op': self.op, 'path': self.path}
        if self.op != REMOVE:
            # Later operations may change what this one adds.
            document['value'] = copy.deepcopy(self.value)
        return document


def error(operation: Any, reason: str) -> exception.PatchError:
    """Return the error that names the operation and the reason."""
    sent = (operation.as_dict() if isinstance(operation, Operation)
            else operation)
    return exception.PatchError(patch=types.shown(sent), reason=reason)


def _parse_operation(raw):
    if not isinstance(raw, dict):
        raise error(raw, _('each operation has to be a JSON object'))
    unknown = set(raw) - MEMBERS
    if unknown:
        raise error(raw, _('unknown member: %s')
                    % ', '.join(sorted(unknown)))
    op, path = raw.get('op'), raw.get('path')
    if op not in OPERATIONS:
        raise error(raw, _('op has to be one of %s') % ', '.join(OPERATIONS))
    if not isinstance(path, str) or not PATH.fullmatch(path):
        raise error(raw, _('path has to look like /name or /name/member'))
    if op != REMOVE and 'value' not in raw:
        raise error(raw, _('value is missing'))
    return Operation(op, path, raw.get('value'))


def read(patchable: Mapping[str, fields.Field]) -> list[Operation]:
    """Return the operations in the body of the request at hand.

    :raises: PatchError, naming the operation and what is allowed
    """
    document = body.read()
    if not isinstance(document, list):
        raise wsme.exc.ClientSideError(
            _('The body has to be an array of JSON patch operations.'))
    operations = [_parse_operation(raw) for raw in document]
    for operation in operations:
        if operation.root not in patchable:
            raise error(operation, _('only these can be changed: %s')
                        % ', '.join(f'/{name}' for name in patchable))
    return operations


def _apply(operations, document):
    for operation in operations:
        try:
            document = jsonpatch.apply_patch(
                document, [operation.as_dict()], in_place=True)
        except (jsonpatch.JsonPatchException, TypeError,
                jsonpatch.JsonPointerException) as exc:
            # The library's own words are about Python.
            raise error(operation, _('there is nothing at this path')
                        ) from exc
    return document


def _converted(field, document):
    datatype = field.patch_type or field.input_type
    value = document.get(field.name)
    if value is not None:
        return types.load(datatype, field.name, value)
    if not field.nullable:
        raise types.invalid(field.name, None,
                            _('This field cannot be removed.'))
    if field.name in document and not datatype.takes_null:
        raise types.invalid(field.name, None, _('null is not allowed.'))
    return datatype.empty


def apply(operations: list[Operation], obj: Any,
          patchable: Mapping[str, fields.Field]) -> dict[str, Any]:
    """Return the new values of all fields that the operations touch.

    The object itself is left alone.

    :raises: PatchError, or wsme.exc.InvalidInput for a wrong type
    """
    touched = {operation.root for operation in operations}
    document = {name: copy.deepcopy(field.current(obj))
                for name, field in patchable.items() if name in touched}
    document = _apply(operations, document)
    return {name: _converted(field, document)
            for name, field in patchable.items() if name in touched}
