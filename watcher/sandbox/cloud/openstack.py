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
"""What the simulated services have in common, Keystone apart.

Tokens and who may do what, microversions, error bodies, pages of listings.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from watcher.sandbox.cloud import keystone
from watcher.sandbox.cloud import state as cloud_state
from watcher.sandbox.cloud import web

#: Names of the error bodies of Nova and Cinder.
FAULT_NAMES = {
    400: 'badRequest', 401: 'unauthorized', 403: 'forbidden',
    404: 'itemNotFound', 405: 'badMethod', 409: 'conflictingRequest',
    413: 'overLimit', 415: 'badMediaType', 429: 'overLimit',
    501: 'notImplemented', 503: 'serviceUnavailable'}


def locked(method: Callable) -> Callable:
    """Serve a request under the lock of the cloud."""
    @functools.wraps(method)
    def wrapper(self: Service, request: web.Request,
                **arguments: str) -> web.Response:
        with self.state.lock:
            return method(self, request, **arguments)
    return wrapper


def version_text(version: web.Version) -> str:
    return '%d.%d' % version


def parse_version(text: str) -> web.Version | None:
    match = re.fullmatch(r'(\d+)\.(\d+)', text)
    return (int(match[1]), int(match[2])) if match else None


class Service(web.Service):
    """A service that wants tokens of the simulated Keystone."""

    #: What it says to a request without a token, and without the right.
    UNAUTHORIZED = 'The request you have made requires authentication.'
    FORBIDDEN = "Policy doesn't allow %s to be performed."

    def __init__(self, state: cloud_state.CloudState,
                 identity: keystone.Keystone) -> None:
        super().__init__()
        self.state = state
        self._identity = identity

    def authenticate(self, request: web.Request) -> None:
        request.identity = self._identity.identify(
            request.header('X-Auth-Token'))
        if request.identity is None:
            raise web.HTTPError(
                401, self.UNAUTHORIZED,
                {'WWW-Authenticate': 'Keystone uri="%s"'
                 % (request.base_url.removesuffix(self.prefix)
                    + keystone.Keystone.prefix)})

    def check_admin(self, request: web.Request, rule: str) -> None:
        if not self.is_admin(request.identity):
            raise web.HTTPError(403, self.FORBIDDEN % rule)

    def is_admin(self, identity: Any) -> bool:
        return identity.is_admin

    def error(self, request: web.Request,
              error: web.HTTPError) -> web.Response:
        name = FAULT_NAMES.get(error.status, 'computeFault')
        return web.json_response(
            {name: {'code': error.status, 'message': error.message}},
            error.status)

    def common_headers(self, request: web.Request) -> dict[str, str]:
        return {'x-openstack-request-id': request.id}


class Versioned(Service):
    """A service with microversions."""

    LOWEST: web.Version
    HIGHEST: web.Version
    #: Its name in the header that all services share.
    VERSION_TYPE: str
    #: Its own header, which is older.
    VERSION_HEADER = ''
    UNSUPPORTED = ('Version %(asked)s is not supported by the API. Minimum '
                   'is %(lowest)s and maximum is %(highest)s.')

    def negotiate(self, request: web.Request) -> None:
        text = self._asked_version(request)
        if text is None:
            request.version = self.LOWEST
        elif text == 'latest':
            request.version = self.HIGHEST
        else:
            request.version = self._supported(text)

    def _asked_version(self, request: web.Request) -> str | None:
        own = self.VERSION_HEADER and request.header(self.VERSION_HEADER)
        if own:
            return own
        for part in (request.header('OpenStack-API-Version')
                     or '').split(','):
            name, _, version = part.strip().partition(' ')
            if name == self.VERSION_TYPE:
                return version.strip()
        return None

    def _supported(self, text: str) -> web.Version:
        version = parse_version(text)
        if version is None:
            raise web.HTTPError(
                400, 'API Version String %s is of invalid format. Must be '
                     'of format MajorNum.MinorNum.' % text)
        if not self.LOWEST <= version <= self.HIGHEST:
            raise web.HTTPError(406, self.UNSUPPORTED % {
                'asked': text, 'lowest': version_text(self.LOWEST),
                'highest': version_text(self.HIGHEST)})
        return version

    def common_headers(self, request: web.Request) -> dict[str, str]:
        # A request whose version was refused has none.
        version = max(request.version, self.LOWEST)
        return {'OpenStack-API-Version': '%s %s' % (
                    self.VERSION_TYPE, version_text(version)),
                'Vary': 'OpenStack-API-Version',
                **super().common_headers(request)}

    def _described(self, ident: str, **more: Any) -> dict[str, Any]:
        """The entry of the service in its version document."""
        return {'id': ident, 'status': 'CURRENT',
                'version': version_text(self.HIGHEST),
                'min_version': version_text(self.LOWEST), **more}
