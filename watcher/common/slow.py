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
"""Tells what takes long while it does, and what it waits for.

A service that hangs holds up who asks it until a time-out that may be
minutes away. The log then says nothing at the very time when an operator
looks for the reason.
"""

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator

from oslo_context import context as oslo_context
from oslo_log import log

LOG = log.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A request to another service that is not answered yet.

    :param service: title of the service.
    :param what: method and path.
    :param limit: seconds after which it is given up; None for never.
    :param begun: monotonic time.
    """

    service: str
    what: str
    limit: float | None
    begun: float

    def __str__(self) -> str:
        text = (f'{self.service} ({self.what}) for '
                f'{time.monotonic() - self.begun:.0f} seconds')
        return text if self.limit is None else (
            f'{text} of {self.limit:.0f} at most')


class Requests:
    """The requests of this process that are not answered yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[int, Request] = {}

    @contextlib.contextmanager
    def note(self, service: str, what: str,
             limit: float | None) -> Iterator[None]:
        """Keep the request in mind until the block ends."""
        request = Request(service, what, limit, time.monotonic())
        with self._lock:
            self._open[id(request)] = request
        try:
            yield
        finally:
            with self._lock:
                del self._open[id(request)]

    def oldest(self) -> Request | None:
        """Return the one that has waited longest; None if there is none."""
        with self._lock:
            waiting = list(self._open.values())
        return min(waiting, key=lambda one: one.begun, default=None)


#: Shared by all threads; it has its own lock.
REQUESTS = Requests()


@contextlib.contextmanager
def notice(seconds: float, tell: Callable[[], object]) -> Iterator[None]:
    """Call ``tell`` once, from another thread, if the block takes longer.

    It runs under the request context of the block. What it raises is logged.
    """
    context = oslo_context.get_current()

    def run():
        if context is not None:
            context.update_store()
        try:
            tell()
        except Exception:
            LOG.exception('What takes long could not be told')

    timer = threading.Timer(seconds, run)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
