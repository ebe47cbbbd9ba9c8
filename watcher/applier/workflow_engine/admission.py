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
"""Which actions of a plan may start now, and what else is due.

Actions that find no place, and those of a plan that is paused or whose window
is closed, wait here without a thread. An action that ends lets those start
that waited for what it occupied, so each end costs as much as what it starts.
The database is asked what others do only while something waits, every few
seconds.
"""

import collections
import heapq
import itertools
import threading
import time
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

from oslo_log import log

from watcher import conf
from watcher.applier.workflow_engine import container
from watcher.applier.workflow_engine import graph
from watcher.applier.workflow_engine import limits
from watcher.common import exception
from watcher.objects import action as action_objects

CONF = conf.CONF
LOG = log.getLogger(__name__)

State = action_objects.State
Container = container.BaseTaskFlowActionContainer

#: Seconds between two looks at the database while something waits.
LOOK_INTERVAL = 2.0


class Admission(graph.Gate):
    """The gate of one plan.

    :param engine: the engine that runs the plan
    """

    def __init__(self, engine: Any):
        self._engine = engine
        self._places = engine.places
        self._paused = False
        self._waiting: dict[limits.Key, collections.deque[Container]] = (
            collections.defaultdict(collections.deque))
        self._admitted: set[Container] = set()
        self._next_look = 0.0
        # Deadlines of actions that run: (when, number, action).
        self._lock = threading.Lock()
        self._deadlines: list[tuple[float, int, Container]] = []
        self._numbers = itertools.count()
        self._cancel_noticed = False

    @property
    def holding(self) -> bool:
        # Nobody looks after those that wait once the engine gave up; one
        # that has ended may be why it did.
        return bool(self._waiting) and self._engine.halted is None

    def is_over(self, task: Container) -> bool:
        return task.state not in (State.PENDING, *container.IN_FLIGHT)

    def admit(self, task: Container) -> bool:
        if task.state in container.IN_FLIGHT:
            # It runs already, whether there is a place for it or not.
            self._take(task)
            return True
        key = limits.PAUSE if self._paused else self._places.full(task.keys)
        if key is None:
            self._take(task)
            return True
        self._keep(key, task)
        return False

    def postpone(self, task: Container, reason: graph.Postponed) -> None:
        self._give_back(task)
        self._keep(reason.key or limits.TOTAL, task)
        if reason.key == limits.PAUSE and not self._paused:
            self._paused = True
            self._next_look = 0.0
        elif reason.key is None:
            self._next_look = 0.0

    def end(self, task: Container) -> Iterable[Container]:
        self._give_back(task)
        return () if self._paused else self._admit_kept(task.keys)

    def supervise(self, task: Container, seconds: float | None) -> None:
        """Watch over an action that runs; called by its own thread.

        :param seconds: until its deadline, if it has one
        """
        self._cancel_noticed = False
        if seconds is None:
            if self._aborts_on_cancel():
                self.wake()
            return
        with self._lock:
            heapq.heappush(self._deadlines, (
                time.monotonic() + seconds, next(self._numbers), task))
        self.wake()

    def rest(self) -> float | None:
        times = []
        if self._is_cancel_news():
            return 0.0
        if self._has_to_look():
            times.append(self._next_look)
        with self._lock:
            if self._deadlines:
                times.append(self._deadlines[0][0])
        if not times:
            return None
        return max(0.0, min(times) - time.monotonic())

    def look(self) -> Iterable[Container]:
        for task in self._overdue():
            self._note_overdue(task)
        if self._has_to_look() and time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK_INTERVAL
            yield from self._look_around()
        if self._is_cancel_news():
            self._stop_running()

    # What is admitted and what waits ------------------------------------

    def _take(self, task):
        self._admitted.add(task)
        self._places.take(task.keys)

    def _give_back(self, task):
        self._admitted.discard(task)
        self._places.free(task.keys)

    def _keep(self, key, task):
        if not self._waiting:
            self._next_look = time.monotonic() + LOOK_INTERVAL
        self._waiting[key].append(task)
        LOG.debug('Action %(uuid)s waits for %(key)s', {
            'uuid': task.db_action.uuid, 'key': ' '.join(key)})

    def _admit_kept(self, keys: Iterable[limits.Key]) -> Iterator[Container]:
        """Admit what waits for these, as long as there are places."""
        for key in keys:
            queue = self._waiting.get(key)
            while queue and self._places.full((key,)) is None:
                task = queue.popleft()
                if self.admit(task):
                    yield task
            if not queue:
                self._waiting.pop(key, None)

    # Looking around -----------------------------------------------------

    def _has_to_look(self):
        if self._engine.halted is not None:
            return False
        return bool(self._waiting) or (
            bool(self._admitted) and self._aborts_on_cancel())

    @staticmethod
    def _aborts_on_cancel():
        return CONF.watcher_applier.on_cancel == 'abort'

    def _look_around(self):
        self._paused = self._engine.look_at_plan()
        if self._paused and not self._admitted:
            self._engine.suspend()
        if not self._waiting or self._paused:
            return
        kept = self._waiting.pop(limits.PAUSE, ())
        self._engine.look_at_others()
        for task in kept:
            if self.admit(task):
                yield task
        yield from self._admit_kept(list(self._waiting))

    def _is_cancel_news(self):
        return not self._cancel_noticed and isinstance(
            self._engine.halted, exception.ActionPlanCancelled)

    def _stop_running(self):
        self._cancel_noticed = True
        if not self._aborts_on_cancel():
            return
        for task in self._admitted:
            self._stop(task)

    def _overdue(self):
        found = []
        now = time.monotonic()
        with self._lock:
            while self._deadlines and self._deadlines[0][0] <= now:
                found.append(heapq.heappop(self._deadlines)[-1])
        return [task for task in found if task in self._admitted]

    def _note_overdue(self, task):
        LOG.warning('The %(type)s action %(uuid)s takes longer than '
                    'expected; it is still running', {
                        'type': task.db_action.action_type,
                        'uuid': task.db_action.uuid})
        if CONF.watcher_applier.on_deadline == 'abort':
            self._stop(task, overdue=True)

    @staticmethod
    def _stop(task, overdue=False):
        if task.can_abort():
            threading.Thread(
                target=task.abort_running, args=(overdue,), daemon=True,
                name=f'abort-{task.db_action.uuid}').start()
