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
"""The sandbox's own interface: faults, accidents, and what was asked.

It needs no token: it belongs to the test bench, not to the cloud.
"""

from __future__ import annotations

import collections
import re
import threading
from collections.abc import Callable
from typing import Any

from watcher.sandbox.cloud import compute as cloud_compute
from watcher.sandbox.cloud import faults as cloud_faults
from watcher.sandbox.cloud import monitoring
from watcher.sandbox.cloud import state as cloud_state
from watcher.sandbox.cloud import web

#: How many of the last requests are remembered.
REMEMBERED = 10000


class RequestLog:
    """What was asked of the cloud: for tests that count calls."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: collections.deque[dict[str, Any]] = \
            collections.deque(maxlen=REMEMBERED)
        #: Called when a request has been served, before its answer is sent.
        self.listeners: list[Callable[
            [web.Service, web.Request, web.Response], None]] = []

    def add(self, service: web.Service, request: web.Request,
            response: web.Response) -> None:
        entry = {'service': service.type, 'method': request.method,
                 'path': request.path,
                 'query': request.environ.get('QUERY_STRING', ''),
                 'version': '%d.%d' % request.version,
                 'status': response.status}
        with self._lock:
            self._entries.append(entry)
        for listener in self.listeners:
            listener(service, request, response)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()

    def entries(self, service: str | None = None,
                method: str | None = None,
                path: str | None = None) -> list[dict[str, Any]]:
        """The requests, the oldest first.

        :param path: regular expression over the path below the prefix.
        """
        with self._lock:
            entries = list(self._entries)
        return [e for e in entries
                if service in (None, e['service'])
                and method in (None, e['method'])
                and (path is None or re.search(path, e['path']))]


class Control(web.Service):

    type = 'sandbox'
    name = 'sandbox'
    prefix = '/sandbox'

    def __init__(self, compute: cloud_compute.Compute,
                 faults: cloud_faults.Faults, log: RequestLog,
                 loads: monitoring.Loads) -> None:
        super().__init__()
        self.compute = compute
        self.state = compute.state
        self.faults = faults
        self.log = log
        self.loads = loads

    def error(self, request: web.Request,
              error: web.HTTPError) -> web.Response:
        return web.json_response(
            {'error': {'code': error.status, 'message': error.message}},
            error.status)

    @web.route('GET', '/', public=True)
    def summary(self, request: web.Request) -> web.Response:
        """How many servers each host has."""
        with self.state.lock:
            hosts = {h.name: {'servers': len(h.servers),
                              'status': h.status, 'state': h.state}
                     for h in self.state.hosts.values()}
            return web.json_response({
                'hosts': hosts, 'servers': len(self.state.servers),
                'migrations': len(self.state.migrations)})

    @web.route('GET', '/requests', public=True)
    def list_requests(self, request: web.Request) -> web.Response:
        return web.json_response({'requests': self.log.entries(
            request.arg('service'), request.arg('method'),
            request.arg('path'))})

    @web.route('DELETE', '/requests', public=True)
    def clear_requests(self, request: web.Request) -> web.Response:
        self.log.clear()
        return web.Response(204)

    @web.route('GET', '/faults', public=True)
    def list_faults(self, request: web.Request) -> web.Response:
        return web.json_response(self.faults.as_dict())

    @web.route('POST', '/faults', public=True)
    def add_fault(self, request: web.Request) -> web.Response:
        """Add a rule: ``{"request": {..}}`` or ``{"migration": {..}}``."""
        body = request.body
        add = {'request': self.faults.add,
               'migration': self.faults.add_migration}
        if len(body) != 1 or not set(body) <= set(add):
            raise web.HTTPError(
                400, 'The body must have the one key request or migration')
        (kind, rule), = body.items()
        try:
            fault = add[kind](**rule)
        except (TypeError, ValueError, re.error) as error:
            raise web.HTTPError(400, str(error))
        return web.json_response({'id': fault.id}, 201)

    @web.route('DELETE', '/faults', public=True)
    def clear_faults(self, request: web.Request) -> web.Response:
        self.faults.clear()
        return web.Response(204)

    @web.route('DELETE', '/faults/{number}', public=True)
    def remove_fault(self, request: web.Request,
                     number: str) -> web.Response:
        if not number.isdigit() or not self.faults.remove(int(number)):
            raise web.HTTPError(404, 'There is no fault %s' % number)
        return web.Response(204)

    @web.route('DELETE', '/servers/{ident}', public=True)
    def lose_server(self, request: web.Request,
                    ident: str) -> web.Response:
        """Let a server vanish without a trace."""
        with self.state.lock:
            server = self.state.servers.get(ident)
            if server is None:
                raise web.HTTPError(404, 'There is no server %s' % ident)
            self.compute.lose(server)
        return web.Response(204)

    def _host(self, name: str) -> cloud_state.Host:
        host = self.state.hosts.get(name)
        if host is None:
            raise web.HTTPError(404, 'There is no host %s' % name)
        return host

    @web.route('PUT', '/hosts/{name}', public=True)
    def change_host(self, request: web.Request, name: str) -> web.Response:
        """Let a host die or come back: ``{"state": "down"}``."""
        wanted = request.body.get('state')
        if wanted not in ('up', 'down'):
            raise web.HTTPError(
                400, 'state must be up or down, not %r' % wanted)
        with self.state.lock:
            self.compute.set_host_state(self._host(name), wanted == 'up')
        return web.Response(204)

    @web.route('GET PUT', '/loads', public=True)
    def change_loads(self, request: web.Request) -> web.Response:
        """Read or change loads and gaps of metrics.

        ``cpu`` and ``ram`` map names or UUIDs of servers to percent;
        ``silent`` and ``outdated`` list hosts and servers without metrics
        and with old ones. What is not given stays.
        """
        body = request.body
        try:
            for name in ('cpu', 'ram'):
                if name in body:
                    setattr(self.loads, name, {
                        key: float(value)
                        for key, value in body[name].items()})
            for name in ('silent', 'outdated'):
                if name in body:
                    setattr(self.loads, name, set(body[name]))
        except (AttributeError, TypeError, ValueError) as error:
            raise web.HTTPError(400, str(error))
        return web.json_response({
            'cpu': self.loads.cpu, 'ram': self.loads.ram,
            'silent': sorted(self.loads.silent),
            'outdated': sorted(self.loads.outdated)})

    @web.route('GET PUT', '/timing', public=True)
    def change_timing(self, request: web.Request) -> web.Response:
        """Read or change how long things take, in seconds."""
        timing = self.compute.timing
        for name, value in request.body.items():
            if not hasattr(timing, name) or not isinstance(
                    value, (int, float)):
                raise web.HTTPError(
                    400, 'timing has no number called %s' % name)
            setattr(timing, name, value)
        return web.json_response(
            {name: getattr(timing, name) for name in timing.__slots__})
