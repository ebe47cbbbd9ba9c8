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
"""The little HTTP machinery that every service of the cloud shares.

A service declares its routes with the :func:`route` decorator and answers
with :class:`Response` or :class:`JSON`; it refuses with :class:`HTTPError`.
Everything that differs between OpenStack services (error bodies, request
id headers, microversion rules) is a method of :class:`Service`.
"""

from __future__ import annotations

import dataclasses
import functools
import http
import json
import re
import uuid
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any
from urllib import parse

from oslo_log import log

LOG = log.getLogger(__name__)

Version = tuple[int, int]


class HTTPError(Exception):
    """Refuse a request with a status and a message for the caller."""

    def __init__(self, status: int, message: str,
                 headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}


@dataclasses.dataclass(slots=True)
class Response:
    """What goes back: a status, a body already encoded, headers."""

    status: int = 200
    body: bytes = b''
    content_type: str = 'application/json'
    headers: dict[str, str] = dataclasses.field(default_factory=dict)


def dumps(data: Any) -> bytes:
    """Encode compactly; dates are turned into text by the views."""
    return json.dumps(data, separators=(',', ':')).encode()


def json_response(data: Any, status: int = 200,
                  headers: dict[str, str] | None = None) -> Response:
    return Response(status, dumps(data), headers=headers or {})


class Request:
    """One HTTP request, seen from inside a service."""

    def __init__(self, environ: dict[str, Any], base_url: str,
                 path: str) -> None:
        self.environ = environ
        self.method: str = environ['REQUEST_METHOD']
        self.path = path
        self.base_url = base_url
        self.id = 'req-%s' % uuid.uuid4()
        self.version: Version = (0, 0)
        self.identity: Any = None

    def header(self, name: str, default: str | None = None) -> str | None:
        return self.environ.get(
            'HTTP_' + name.upper().replace('-', '_'), default)

    @functools.cached_property
    def query(self) -> dict[str, list[str]]:
        return parse.parse_qs(self.environ.get('QUERY_STRING', ''),
                              keep_blank_values=True)

    def arg(self, *names: str, default: str | None = None) -> str | None:
        """The last value of the first of ``names`` that was given."""
        for name in names:
            if name in self.query:
                return self.query[name][-1]
        return default

    def flag(self, *names: str) -> bool:
        value = self.arg(*names)
        return value is not None and value.strip().lower() in (
            '1', 't', 'true', 'on', 'y', 'yes')

    @functools.cached_property
    def raw_body(self) -> bytes:
        length = self.environ.get('CONTENT_LENGTH')
        if length:
            return self.environ['wsgi.input'].read(int(length))
        if 'chunked' in (self.header('Transfer-Encoding') or ''):
            return self.environ['wsgi.input'].read()
        return b''

    @functools.cached_property
    def body(self) -> dict[str, Any]:
        """The JSON object of the request.

        :raises HTTPError: 400 when the body is not a JSON object.
        """
        if not self.raw_body:
            return {}
        try:
            data = json.loads(self.raw_body)
        except ValueError:
            raise HTTPError(400, 'Malformed request body')
        if not isinstance(data, dict):
            raise HTTPError(400, 'Malformed request body')
        return data

    def page_url(self, url: str, **changes: str) -> str:
        """``url`` with this request's query, some arguments replaced."""
        query = {k: v for k, v in self.query.items() if k not in changes}
        query.update({k: [v] for k, v in changes.items()})
        return '%s?%s' % (url, parse.urlencode(query, doseq=True))


@dataclasses.dataclass(slots=True, frozen=True)
class Route:
    methods: tuple[str, ...]
    template: str
    since: Version | None
    until: Version | None
    public: bool
    admin: str | None

    def serves(self, version: Version) -> bool:
        return ((self.since is None or version >= self.since)
                and (self.until is None or version <= self.until))


def route(methods: str, template: str, *, since: Version | None = None,
          until: Version | None = None, public: bool = False,
          admin: str | None = None) -> Callable:
    """Declare that a method of a service answers ``methods template``.

    :param methods: one or several HTTP methods, separated by blanks.
    :param template: path below the prefix; ``{name}`` is one segment and
        becomes a keyword argument.
    :param since: first microversion that knows the route.
    :param until: last microversion that knows the route.
    :param public: no token is needed.
    :param admin: name of the policy rule that wants an administrator.
    """
    declared = Route(tuple(methods.split()), template, since, until, public,
                     admin)

    def decorate(func: Callable) -> Callable:
        func.routes = [*getattr(func, 'routes', []), declared]
        return func
    return decorate


class Service:
    """An OpenStack service with its own prefix, routes and error bodies."""

    #: Catalogue type and name, and the path below which it is served.
    type = ''
    name = ''
    prefix = ''
    #: Path of the catalogue's endpoint below the prefix.
    endpoint_path = ''

    def __init__(self) -> None:
        self._static: dict[str, list[tuple[Route, Callable]]] = {}
        self._patterns: list[tuple[Route, re.Pattern, Callable]] = []
        for name in dir(type(self)):
            func = getattr(type(self), name, None)
            for declared in getattr(func, 'routes', ()):
                self._add_route(declared, getattr(self, name))

    def _add_route(self, declared: Route, func: Callable) -> None:
        if '{' not in declared.template:
            self._static.setdefault(declared.template, []).append(
                (declared, func))
            return
        pattern = re.compile(
            re.sub(r'{(\w+)}', r'(?P<\1>[^/]+)', declared.template) + '$')
        self._patterns.append((declared, pattern, func))

    # What services differ in.

    def authenticate(self, request: Request) -> None:
        """Set ``request.identity`` or raise a 401."""

    def check_admin(self, request: Request, rule: str) -> None:
        """Raise a 403 unless the caller is an administrator."""

    def negotiate(self, request: Request) -> None:
        """Set ``request.version`` or raise a 406."""

    def error(self, request: Request, error: HTTPError) -> Response:
        """The error body as this service writes it."""
        raise NotImplementedError

    def common_headers(self, request: Request) -> dict[str, str]:
        return {}

    def not_found(self, request: Request) -> HTTPError:
        return HTTPError(404, 'The resource could not be found.')

    def version_not_found(self, request: Request) -> HTTPError:
        return self.not_found(request)

    # The way of a request.

    def handle(self, request: Request) -> Response:
        try:
            response = self._dispatch(request)
        except HTTPError as error:
            response = self.error(request, error)
            response.headers.update(error.headers)
        except Exception:
            LOG.exception('The simulated %s failed on %s %s.', self.name,
                          request.method, request.path)
            response = self.error(request, HTTPError(
                500, 'Unexpected API Error: the sandbox has a defect, see '
                     'its log.'))
        response.headers.update(self.common_headers(request))
        return response

    def _dispatch(self, request: Request) -> Response:
        self.negotiate(request)
        declared, func, arguments = self._find(request)
        if not declared.public:
            self.authenticate(request)
        if declared.admin:
            self.check_admin(request, declared.admin)
        return func(request, **arguments)

    def _matching_routes(self, path: str
                         ) -> Iterator[tuple[Route, Callable, dict[str, str]]]:
        """The routes of a path, whatever their method and version."""
        for declared, func in self._static.get(path, ()):
            yield declared, func, {}
        for declared, pattern, func in self._patterns:
            match = pattern.match(path)
            if match:
                yield declared, func, {k: parse.unquote(v)
                                       for k, v in match.groupdict().items()}

    def _find(self, request: Request
              ) -> tuple[Route, Callable, dict[str, str]]:
        method = 'GET' if request.method == 'HEAD' else request.method
        refusal = self.not_found(request)
        path = request.path.rstrip('/') or '/'
        for found in self._matching_routes(path):
            declared = found[0]
            if method not in declared.methods:
                refusal = HTTPError(
                    405, 'The method %s is not allowed for this resource.'
                    % request.method)
            elif declared.serves(request.version):
                return found
            else:
                refusal = self.version_not_found(request)
        raise refusal


class Dispatcher:
    """The WSGI application: finds the service by prefix.

    ``before`` is called with each request and may delay it, refuse it or
    answer in place of the service.
    """

    def __init__(self, services: Iterable[Service], base_url: str,
                 before: Callable[[Service, Request], Response | None],
                 after: Callable[[Service, Request, Response], None]
                 ) -> None:
        self.base_url = base_url
        self._services = {service.prefix: service for service in services}
        self._before = before
        self._after = after

    def __call__(self, environ: dict[str, Any],
                 start_response: Callable) -> list[bytes]:
        path = environ.get('PATH_INFO', '')
        prefix, _, rest = path.lstrip('/').partition('/')
        service = self._services.get('/' + prefix)
        if service is None:
            return self._index(environ, start_response)
        request = Request(environ, self.base_url + service.prefix,
                          '/' + rest)
        response = self._before(service, request)
        if response is None:
            response = service.handle(request)
        self._after(service, request, response)
        return self._send(request.method, response, start_response)

    def _index(self, environ: dict[str, Any],
               start_response: Callable) -> list[bytes]:
        status = 200 if environ.get('PATH_INFO', '/') == '/' else 404
        body = {'sandbox': {s.name: self.base_url + prefix + s.endpoint_path
                            for prefix, s in self._services.items()}}
        return self._send(environ['REQUEST_METHOD'],
                          json_response(body, status), start_response)

    @staticmethod
    def _send(method: str, response: Response,
              start_response: Callable) -> list[bytes]:
        phrase = http.HTTPStatus(response.status).phrase
        headers = [('Content-Length', str(len(response.body))),
                   *response.headers.items()]
        if response.body:
            headers.append(('Content-Type', response.content_type))
        start_response('%d %s' % (response.status, phrase), headers)
        return [] if method == 'HEAD' else [response.body]
