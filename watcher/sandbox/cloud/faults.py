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
"""Fault injection: what goes wrong in the cloud, and when.

Two kinds: faults of requests (a status, a delay, a dropped connection for
requests that match) and faults of migrations (one that fails or never
ends). Both are rules with a count, added through :class:`Faults` in the
same process or over HTTP through ``/sandbox/faults``.
"""

from __future__ import annotations

import dataclasses
import errno
import itertools
import re
import threading
from typing import Any

from watcher.sandbox.cloud import web


@dataclasses.dataclass(slots=True)
class RequestFault:
    """Requests that match are delayed, refused or cut off."""

    id: int
    #: Service type (``compute``), HTTP method, regular expressions over
    #: the path below the service's prefix; None matches everything.
    service: str | None = None
    method: str | None = None
    path: str | None = None
    #: Regular expression over the request's body.
    body: str | None = None
    status: int | None = None
    message: str | None = None
    #: Seconds before the request is served or refused.
    delay: float = 0.0
    #: Close the connection without an answer, without serving the request.
    drop: bool = False
    #: The same after serving it: only the answer is lost.
    lose_answer: bool = False
    #: How many requests are hit; None means all.
    count: int | None = None
    #: How many matching requests are served before the first is hit.
    skip: int = 0
    hits: int = 0

    def matches(self, service: web.Service, request: web.Request) -> bool:
        return (
            (self.count is None or self.hits < self.count)
            and self.service in (None, service.type, service.name)
            and self.method in (None, request.method)
            and (self.path is None
                 or re.search(self.path, request.path) is not None)
            and (self.body is None
                 or re.search(self.body, request.raw_body.decode(
                     errors='replace')) is not None))


@dataclasses.dataclass(slots=True)
class MigrationFault:
    """Migrations that match fail, or hang for ever."""

    id: int
    #: Server uuid and name of the source host; None matches all.
    server: str | None = None
    source: str | None = None
    #: ``live-migration``, ``migration``, ``resize`` or ``confirm``; None
    #: matches all of them, and what Cinder moves.
    kind: str | None = None
    #: ``error`` fails half-way, the server stays where it was; ``broken``
    #: leaves the server in ERROR; ``hang`` never ends.
    outcome: str = 'error'
    message: str = 'Live Migration failure: operation failed (sandbox)'
    count: int | None = None
    hits: int = 0


class Faults:
    """The rules in force."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._ids = itertools.count(1)
        self._requests: list[RequestFault] = []
        self._migrations: list[MigrationFault] = []

    def add(self, **rule: Any) -> RequestFault:
        """Add a rule for requests; fields as of :class:`RequestFault`.

        :raises TypeError: for an unknown field.
        :raises re.error: for a bad regular expression.
        """
        for pattern in (rule.get('path'), rule.get('body')):
            re.compile(pattern or '')
        with self._lock:
            fault = RequestFault(id=next(self._ids), **rule)
            self._requests.append(fault)
            return fault

    def add_migration(self, **rule: Any) -> MigrationFault:
        """Add a rule for migrations: :class:`MigrationFault`."""
        outcome = rule.get('outcome', 'error')
        if outcome not in ('error', 'broken', 'hang'):
            raise ValueError("outcome must be error, broken or hang, "
                             "not %r" % outcome)
        with self._lock:
            fault = MigrationFault(id=next(self._ids), **rule)
            self._migrations.append(fault)
            return fault

    def service_down(self, service: str) -> RequestFault:
        """Answer 503 to every request for a service."""
        return self.add(service=service, status=503,
                        message='Service Unavailable')

    def remove(self, fault_id: int) -> bool:
        with self._lock:
            before = len(self._requests) + len(self._migrations)
            self._requests = [f for f in self._requests if f.id != fault_id]
            self._migrations = [f for f in self._migrations
                                if f.id != fault_id]
            return before > len(self._requests) + len(self._migrations)

    def clear(self) -> None:
        with self._lock:
            self._requests.clear()
            self._migrations.clear()

    def as_dict(self) -> dict[str, list[dict[str, Any]]]:
        with self._lock:
            return {
                'requests': [dataclasses.asdict(f) for f in self._requests],
                'migrations': [dataclasses.asdict(f)
                               for f in self._migrations]}

    # Used by the cloud.

    def end(self) -> None:
        """End all delays: the cloud closes."""
        self._ended.set()

    def apply(self, service: web.Service,
              request: web.Request) -> web.Response | None:
        """Delay or refuse a request; None when it is to be served."""
        if not self._requests:
            return None
        fault = self._take_request(service, request)
        if fault is None:
            return None
        if fault.delay:
            self._ended.wait(fault.delay)
        if fault.lose_answer:
            service.handle(request)
        if fault.drop or fault.lose_answer:
            # The server closes a connection that its peer has reset
            # without sending anything.
            raise ConnectionResetError(errno.ECONNRESET, 'injected fault')
        if fault.status is None:
            return None
        message = fault.message or 'Injected fault %d' % fault.id
        return service.error(request, web.HTTPError(fault.status, message))

    def _take_request(self, service: web.Service,
                      request: web.Request) -> RequestFault | None:
        with self._lock:
            for fault in self._requests:
                if not fault.matches(service, request):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.hits += 1
                return fault
        return None

    def take_migration(self, server: str, source: str,
                       kind: str) -> MigrationFault | None:
        """The fault that a migration which begins now will suffer."""
        with self._lock:
            for fault in self._migrations:
                if (fault.server in (None, server)
                        and fault.source in (None, source)
                        and fault.kind in (None, kind)
                        and (fault.count is None
                             or fault.hits < fault.count)):
                    fault.hits += 1
                    return fault
        return None
