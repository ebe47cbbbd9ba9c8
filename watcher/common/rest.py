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
"""Speaking JSON with another OpenStack service.

:class:`RestClient` decodes answers without building a resource object for
each record and turns every failure into one sentence for an operator. The
connections it uses are made by :mod:`watcher.common.clients`.
"""

import contextlib
import contextvars
import dataclasses
import json
import re
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any
from typing import Protocol

from keystoneauth1 import exceptions as ka_exceptions
from keystoneauth1 import session as ka_session
from openstack import connection as sdk_connection
from openstack import exceptions as sdk_exceptions
from oslo_context import context as oslo_context
from oslo_utils import strutils

from watcher._i18n import _
from watcher.common import exception
from watcher.common import slow

_NO_CONNECTION = re.compile(
    r'Unable to establish connection to (\S+?): (?:\1: )?(.*)')
_ERRNO = re.compile(r'\[Errno [^\]]+\] [^\'")]+')

# Each thread has its own; see permitted_by().
_PERMISSION: contextvars.ContextVar[Callable[[], None] | None] = (
    contextvars.ContextVar('permission', default=None))


@contextlib.contextmanager
def permitted_by(permission: Callable[[], None]) -> Iterator[None]:
    """Have each change asked about that this thread requests meanwhile.

    A process may be frozen at any moment, and others may have taken over
    what it does when it goes on. So whoever has to hold something for what
    it changes is asked last of all, when the request is ready to be sent.

    :param permission: raises when nothing may be changed any more.
    """
    token = _PERMISSION.set(permission)
    try:
        yield
    finally:
        _PERMISSION.reset(token)


@dataclasses.dataclass(frozen=True)
class Service:
    """What is special to one service that we call.

    :param group: configuration group with the adapter options.
    :param title: its name in messages.
    :param service_type: type in the catalogue and of the SDK's proxy.
    :param legacy_interface: group and option that still names the endpoint
        interface when ``group`` doesn't.
    """

    group: str
    title: str
    service_type: str
    legacy_interface: tuple[str, str] | None = None


class RequestFailed(Exception):
    """A request to another service did not succeed.

    The helpers turn it into the exception of their service.

    :param reason: the whole story in one sentence, without secrets.
    :param status: HTTP status of the answer; None when there was none.
    :param connection_error: whether the service could not be reached, so
        that it is unknown if it saw the request.
    :param no_endpoint: whether the cloud does not have the service.
    """

    def __init__(self, reason: str, status: int | None = None,
                 connection_error: bool = False, no_endpoint: bool = False):
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.connection_error = connection_error
        self.no_endpoint = no_endpoint


def short_text(error: BaseException) -> str:
    """Return the text of an error without nested reprs and secrets.

    Status messages of audits and actions have room for 255 characters.
    """
    text = ' '.join(str(error).split())
    errno = _ERRNO.search(text)
    if errno and ': HTTP' in text:
        text = text.split(': HTTP', 1)[0] + ': ' + errno.group(0)
    elif '(Caused by ' in text:
        cause = text.rsplit('(Caused by ', 1)[-1]
        text = text.split(': HTTP', 1)[0] + ': ' + cause.rstrip(')')
    return strutils.mask_password(text)


def _unreachable(error: BaseException, fallback: str) -> tuple[str, str]:
    """Return the URL that could not be reached, and why.

    :param fallback: what to name when the error does not tell the URL.
    """
    text = short_text(error)
    found = _NO_CONNECTION.match(text)
    if not found:
        return fallback, text
    return found.groups()


def error_text(response) -> str:
    """Return what a service says about an error, from any known form."""
    try:
        body = response.json()
    except ValueError:
        return ' '.join(response.text.split())[:200] or response.reason
    if not isinstance(body, dict):
        return str(body)[:200]
    if isinstance(body.get('errors'), list) and body['errors']:
        first = body['errors'][0]
        return ' '.join(str(first.get('detail') or first.get('title')
                            or first).split())
    for value in body.values():
        if isinstance(value, dict) and value.get('message'):
            return ' '.join(str(value['message']).split())
    if body.get('error_message'):
        return _ironic_text(body['error_message'])
    return ' '.join(str(body.get('message') or body).split())[:200]


def _ironic_text(message: Any) -> str:
    """Return the text in Ironic's error, JSON within a text of JSON."""
    if isinstance(message, str):
        with contextlib.suppress(ValueError):
            message = json.loads(message)
    if isinstance(message, dict):
        message = message.get('faultstring') or message
    return ' '.join(str(message).split())[:200]


class Connection(Protocol):
    """What :class:`RestClient` needs of a connection."""

    session: ka_session.Session
    sdk: sdk_connection.Connection

    def proxy(self, service: Service) -> tuple[Any, str]:
        """Return the SDK's adapter of a service and the service's URL."""

    def forget(self, service: Service) -> None:
        """Look the service up again, which may have moved."""

    def refusal(self, error: Exception) -> str:
        """Say which credentials got no token."""


class RestClient:
    """Speaks JSON with one service.

    Methods return the decoded body and raise :class:`RequestFailed`, or
    ``AuthorizationFailure`` when no token can be had. Nothing is repeated
    here unless the operator configured retries of the HTTP layer, and these
    are used for reading only.
    """

    def __init__(self, service: Service, connection: Connection):
        self.service = service
        self._connection = connection
        self._max_microversion = None

    @property
    def session(self) -> ka_session.Session:
        """The keystoneauth session underneath."""
        return self._connection.session

    @property
    def sdk(self) -> sdk_connection.Connection:
        """The openstacksdk connection underneath."""
        return self._connection.sdk

    def max_microversion(self) -> tuple[int, int]:
        """Return the newest microversion the service offers.

        (0, 0) when it has none. Read once for each client.
        """
        if self._max_microversion is None:
            def read(proxy, url):
                data = proxy.get_endpoint_data()
                return data and data.max_microversion
            version = self._guarded(read, 'GET', '/')
            self._max_microversion = tuple(version or (0, 0))
        return self._max_microversion

    def get(self, path: str, params: dict | None = None,
            microversion: str | None = None) -> dict:
        """Read something."""
        return self.request('GET', path, params=params,
                            microversion=microversion)

    def request(self, method: str, path: str, params: dict | None = None,
                json: Any = None, microversion: str | None = None) -> dict:
        """Send one request and return the decoded body ({} when empty)."""
        kwargs = {'params': params} if params else {}
        if json is not None:
            kwargs['json'] = json
        if microversion:
            kwargs['microversion'] = microversion
        if method != 'GET':
            # Repeating a request that changes something is a decision of
            # the helper, which looks at the result first.
            kwargs.update(connect_retries=0, status_code_retries=0)
        context = oslo_context.get_current()
        if context is not None:
            kwargs['global_request_id'] = context.global_id

        permission = _PERMISSION.get() if method != 'GET' else None

        def send(proxy, url):
            if permission is not None:
                permission()
            return proxy.request(path, method, raise_exc=False,
                                 endpoint_override=url, **kwargs)
        response = self._guarded(send, method, path)
        if response.status_code >= 400:
            raise self._refused(method, response)
        return self._decoded(method, response)

    def _decoded(self, method, response):
        if not response.content:
            return {}
        try:
            return response.json()
        except ValueError:
            raise RequestFailed(
                _('%(method)s %(url)s did not answer with JSON; is another '
                  'service or a proxy listening there?') % {
                      'method': method, 'url': response.url},
                status=response.status_code) from None

    def _refused(self, method, response):
        # The reason comes first: status messages are cut at their end.
        asked = [f'{method} {response.url}']
        request_id = response.headers.get('x-openstack-request-id')
        if request_id:
            asked.append(request_id)
        reason = f'HTTP {response.status_code} {error_text(response)}'
        return RequestFailed(f"{reason.strip()} ({', '.join(asked)})",
                             status=response.status_code)

    def _guarded(self, function, method, path):
        """Call the function with proxy and URL, mapping every failure."""
        try:
            with slow.REQUESTS.note(self.service.title, f'{method} {path}',
                                    self.session.timeout):
                return function(*self._connection.proxy(self.service))
        except ka_exceptions.Unauthorized as exc:
            raise self._no_token(exc) from exc
        except (ka_exceptions.AuthorizationFailure,
                ka_exceptions.MissingAuthPlugin,
                ka_exceptions.AuthPluginException) as exc:
            raise self._no_token(exc) from exc
        except (ka_exceptions.EndpointNotFound,
                sdk_exceptions.EndpointNotFound) as exc:
            raise RequestFailed(
                _('%(service)s has no endpoint of type %(type)s in the '
                  'catalogue for interface %(interface)s and region '
                  '%(region)s; check the group [%(group)s]: %(reason)s') % {
                      'service': self.service.title,
                      'type': self.service.service_type,
                      'interface': self._setting('interface', 'public'),
                      'region': self._setting('region_name', _('any')),
                      'group': self.service.group,
                      'reason': short_text(exc)}, no_endpoint=True) from exc
        except ka_exceptions.ConnectionError as exc:
            self._connection.forget(self.service)
            raise self._away(method, path, exc) from exc
        except (sdk_exceptions.ServiceDiscoveryException,
                sdk_exceptions.NotSupported) as exc:
            raise self._undiscovered(exc) from exc
        except (ka_exceptions.ClientException,
                sdk_exceptions.SDKException) as exc:
            cause = exc.__context__ or exc.__cause__
            raise RequestFailed(
                _('%(service)s cannot be used (%(method)s %(path)s, group '
                  '[%(group)s]): %(reason)s') % {
                      'service': self.service.title, 'method': method,
                      'path': path, 'group': self.service.group,
                      'reason': short_text(exc)},
                status=getattr(exc, 'http_status', None),
                connection_error=isinstance(
                    cause, ka_exceptions.ConnectionError)) from exc

    def _undiscovered(self, exc):
        """Say what the service's own URL answers instead of versions."""
        settings = {name: self._setting(name, None) for name in (
            'service_type', 'service_name', 'interface', 'region_name')}
        settings['service_type'] = (settings['service_type']
                                    or self.service.service_type)
        url = self._setting('endpoint_override', None)
        try:
            url = url or self.session.get_endpoint(
                skip_discovery=True, **settings)
            response = self.session.get(url, raise_exc=False,
                                        authenticated=False)
        except ka_exceptions.ClientException as problem:
            return self._away('GET', url or '/', problem)
        return RequestFailed(
            _('%(service)s at %(url)s does not tell its versions (group '
              '[%(group)s]): HTTP %(status)s %(text)s') % {
                  'service': self.service.title, 'url': url,
                  'group': self.service.group,
                  'status': response.status_code,
                  'text': error_text(response)},
            status=response.status_code)

    def _away(self, method, path, exc):
        url, reason = _unreachable(exc, f'{method} {path}')
        return RequestFailed(
            _('%(service)s at %(url)s cannot be reached (group '
              '[%(group)s]): %(reason)s') % {
                  'service': self.service.title, 'url': url,
                  'group': self.service.group, 'reason': reason},
            connection_error=True)

    def _setting(self, name, default):
        prefix = self.service.service_type.replace('-', '_')
        return self.sdk.config.config.get(f'{prefix}_{name}') or default

    def _no_token(self, exc):
        return exception.AuthorizationFailure(
            client=self.service.title, reason=self._connection.refusal(exc))
