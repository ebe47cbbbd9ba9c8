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
"""What thread pools tell about themselves: log, reports, metrics."""

import dataclasses
import threading
import weakref
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any

from oslo_config import cfg
from oslo_log import log

CONF = cfg.CONF

LOG = log.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Load:
    """A pool at one moment.

    :ivar size: threads that it may have
    :ivar unfinished: calls that are running or waiting
    """

    size: int
    unfinished: int

    @property
    def busy(self) -> int:
        """Threads that work, as far as there are threads."""
        return min(self.size, self.unfinished)

    @property
    def waiting(self) -> int:
        """Calls that no thread has taken yet."""
        return self.unfinished - self.busy

    def __add__(self, other: 'Load') -> 'Load':
        return Load(self.size + other.size,
                    self.unfinished + other.unfinished)


class Pools:
    """The pools of a process, for as long as somebody else needs them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Pools come and go with plans and services: none is kept alive.
        self._known: weakref.WeakKeyDictionary[
            Any, tuple[str, Callable[[Any], Load]]] = (
                weakref.WeakKeyDictionary())

    def watch(self, name: str, pool: Any,
              look: Callable[[Any], Load]) -> None:
        """Show the pool from now on.

        :param name: what it is for; pools of one name are added up, so that
            there are few names whatever the work is
        :param look: returns the load of the pool it is given. It must not
            hold on to the pool itself.
        """
        with self._lock:
            self._known[pool] = (name, look)

    def forget(self, pool: Any) -> None:
        """Show the pool no longer."""
        with self._lock:
            self._known.pop(pool, None)

    def loads(self) -> dict[str, Load]:
        """Return the loads by name, as they are now."""
        with self._lock:
            known = list(self._known.items())
        found: dict[str, Load] = {}
        for pool, (name, look) in known:
            found[name] = found.get(name, Load(0, 0)) + look(pool)
        return dict(sorted(found.items()))

    def as_text(self) -> str:
        """Return the loads for people."""
        return '\n'.join(_table(self.loads().items())) or 'none'


def _table(loads: Iterable[tuple[str, Load]]) -> list[str]:
    return [f'{name}: size {load.size}, busy {load.busy}, '
            f'queue length {load.waiting}' for name, load in loads]


#: Those of this process. Reports and metrics are asked for from outside, by
#: a signal or a request, and know no object that they could begin at.
POOLS = Pools()


def report(name: str, size: int, unfinished: int) -> None:
    """Log the state of a pool if ``print_thread_pool_stats`` is set.

    :param size: threads that the pool may have
    :param unfinished: calls that are running or waiting
    """
    if not CONF.print_thread_pool_stats:
        return
    load = Load(size, unfinished)
    LOG.debug('Thread pool %(name)s: size %(size)d, busy %(busy)d, idle '
              '%(idle)d, queue length %(waiting)d',
              {'name': name, 'size': size, 'busy': load.busy,
               'idle': size - load.busy, 'waiting': load.waiting})
