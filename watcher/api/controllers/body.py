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
"""Reads the bodies of requests."""

import json
import math
from collections.abc import Iterable
from typing import Any

import pecan
import webob.exc
import wsme.exc
from wsme.rest import json as wsme_json

from watcher._i18n import _
from watcher.api import types
from watcher.api.controllers import fields

MISSING = object()

FORM = 'application/x-www-form-urlencoded'

UNSUPPORTED_MEDIA_TYPE = 415

#: Deepest nesting of arrays and objects that is read.
MAX_DEPTH = 100

#: Most digits of a number. Turning very long ones into text takes long.
MAX_DIGITS = 1000


def _refuse_constant(name):
    raise ValueError(_('%s is no JSON value') % name)


def _finite(digits):
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(_('the number %s is too large')
                         % types.shown(digits))
    return number


def _whole(digits):
    if len(digits) > MAX_DIGITS:
        raise ValueError(
            _('the number %(number)s has more than %(max)d digits')
            % {'number': types.shown(digits), 'max': MAX_DIGITS})
    return int(digits)


def _too_deep():
    return _('it is nested more than %d levels deep') % MAX_DEPTH


def _check_values(document):
    """Refuse what databases, or our own answers, could not carry."""
    pending = [(document, 0)]
    while pending:
        value, depth = pending.pop()
        if isinstance(value, str):
            _check_text(value)
        elif isinstance(value, dict | list):
            if depth == MAX_DEPTH:
                raise ValueError(_too_deep())
            inner = [*value, *value.values()] if isinstance(
                value, dict) else value
            pending.extend((item, depth + 1) for item in inner)


def _check_text(text):
    if '\0' in text:
        raise ValueError(_('it contains the character U+0000'))
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(
            _('it contains half of a pair of surrogates')) from None


def _check_content_type(content_type):
    if content_type in wsme_json.accept_content_types:
        return
    if content_type in ('', FORM):
        raise wsme.exc.ClientSideError(
            _('The body needs the header "Content-Type: application/json".'))
    raise wsme.exc.ClientSideError(
        _('The body type %s is not supported, only application/json is.')
        % content_type, status_code=UNSUPPORTED_MEDIA_TYPE)


def read(required: bool = True) -> Any:
    """Return the JSON value in the body of the request at hand.

    :returns: the value, MISSING if there is no body
    :raises wsme.exc.ClientSideError: the body is of another type (415), is
        no JSON or is missing although required (400)
    """
    raw = pecan.request.body
    if not raw:
        if required:
            raise wsme.exc.ClientSideError(
                _('The request needs a body in JSON form.'))
        return MISSING
    _check_content_type(pecan.request.content_type)
    try:
        text = raw.decode('utf-8')
    except UnicodeDecodeError:
        raise webob.exc.HTTPBadRequest(
            detail=_('The body is not encoded in UTF-8.')) from None
    try:
        document = json.loads(text, parse_constant=_refuse_constant,
                              parse_float=_finite, parse_int=_whole)
        _check_values(document)
    except RecursionError as exc:
        raise _not_json(_too_deep()) from exc
    except ValueError as exc:
        raise _not_json(exc) from exc
    return document


def _not_json(reason):
    return wsme.exc.ClientSideError(
        _('The body is not valid JSON: %s.') % reason)


def create_document(declared: Iterable[fields.Field]) -> dict[str, Any]:
    """Return the members of the body that asks to create something.

    :param declared: all fields of the resource
    :returns: converted values of the members that were sent
    :raises wsme.exc.ClientSideError: naming the member that is unknown,
        read-only, missing or of the wrong type
    """
    document = read()
    if not isinstance(document, dict):
        raise wsme.exc.ClientSideError(
            _('The body has to be a JSON object.'))
    accepted = {field.name: field for field in declared if field.create}
    _check_members(document, accepted, {field.name for field in declared})
    return {name: types.load(accepted[name].input_type, name, value)
            for name, value in document.items()}


def _check_members(document, accepted, known):
    for name in document:
        if name in accepted:
            continue
        if name in known:
            raise types.invalid(name, document[name],
                                _('This field is read-only.'))
        raise types.invalid(
            name, document[name], _('There is no such field. Allowed: %s.')
            % ', '.join(sorted(accepted)))
    for name, field in accepted.items():
        if field.create is fields.REQUIRED and document.get(name) is None:
            raise types.invalid(
                name, document.get(name), _('This field is mandatory.'))
