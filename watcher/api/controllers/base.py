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
"""What every controller needs: the request at hand, routes, responses."""

import functools
from collections.abc import Callable
from typing import Any

import pecan
import webob
import webob.exc
import wsme.exc
from oslo_serialization import jsonutils

from watcher._i18n import _
from watcher.api import types
from watcher.api import versions
from watcher.common import context as watcher_context
from watcher.common import exception
from watcher.common import policy

JSON = 'application/json'

ENV_CONTEXT = 'watcher.context'
ENV_VERSION = 'watcher.api_version'


def context() -> watcher_context.RequestContext:
    """Return the context of the request at hand."""
    return pecan.request.environ[ENV_CONTEXT]


def version() -> versions.Version:
    """Return the microversion of the request at hand."""
    return pecan.request.environ[ENV_VERSION]


def require_version(
        needed: versions.Version, what: str,
        refusal: type[exception.WatcherException] = exception.NotAcceptable
        ) -> None:
    """Refuse what the microversion of the request does not have yet.

    :raises: the refusal, 406 unless another one is given
    """
    if version() < needed:
        raise refusal(_('%(what)s: this needs version %(version)s of the API.')
                      % {'what': what, 'version': needed})


def enforce(rule: str, target: Any = None) -> None:
    """Check that the caller may do this.

    :raises: PolicyNotAuthorized
    """
    policy.enforce(context(), rule, target)


def respond(document: Any, status: int = 200,
            location: str | None = None) -> webob.Response:
    """Return the response with a document.

    Plain JSON: everything was converted by its field before.
    """
    response = webob.Response(status=status, content_type=JSON,
                              charset='UTF-8')
    response.body = jsonutils.dump_as_bytes(document)
    if location is not None:
        response.location = location
    return response


def respond_empty(status: int) -> webob.Response:
    """Return a response without body and without content type.

    Clients take the missing type as "nothing to decode".
    """
    response = webob.Response(status=status)
    del response.content_type
    response.content_length = 0 if status != 204 else None
    return response


def refuse_query() -> None:
    """Refuse query parameters on a route that takes none."""
    if pecan.request.GET:
        raise wsme.exc.UnknownArgument(
            ', '.join(sorted(set(pecan.request.GET))),
            _('this request takes no query parameters'))


def expose(func: Callable | None = None, *, query: bool = False) -> Callable:
    """Mark a method as the handler of a route.

    It takes the variable parts of the path and returns a response; errors it
    raises leave through ``watcher.api.errors``. (The decorator that WSME
    offers for pecan is not used: it writes the errors itself, handler by
    handler, and gives up on bodies that are no object.)

    :param query: the handler reads query parameters; otherwise they are
        refused
    """
    if func is None:
        return functools.partial(expose, query=query)

    @functools.wraps(func)
    def handler(self, *args):
        if not query:
            refuse_query()
        return func(self, *args)

    # The wrapper's own signature counts: pecan fills it from the path.
    del handler.__wrapped__
    return pecan.expose(content_type=JSON)(handler)


def not_allowed(methods: list[str]) -> webob.exc.HTTPMethodNotAllowed:
    """Return the error for a method that the resource does not offer."""
    allow = ', '.join(sorted(methods))
    return webob.exc.HTTPMethodNotAllowed(
        detail=_('This resource allows: %s.') % allow,
        headers={'Allow': allow})


def not_found() -> webob.exc.HTTPNotFound:
    """Return the error for a path that nothing answers."""
    return webob.exc.HTTPNotFound(detail=_('Nothing is found at this URL.'))


def check_uuid(ident: str) -> None:
    """Refuse a path that must contain a UUID and does not."""
    types.load(types.uuid, 'uuid', ident)
