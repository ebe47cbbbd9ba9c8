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
"""Running tasks of taskflow along a graph, at a cost per task and edge.

The engines of taskflow itself look at all tasks before and behind each one
that ends, over and over: a chain of a thousand takes 22 s of CPU, one of ten
thousand more than half an hour. What they promise is kept here: a task starts
when all tasks before it have ended; once one raises, nothing else is
submitted, what was submitted runs to its end, and then everything that was
started is reverted, last things first.

A gate may hold tasks back that could run otherwise. They wait without a
thread.
"""

import collections
import functools
import queue
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from concurrent import futures
from typing import Any

from oslo_log import log
from taskflow import task as flow_task

LOG = log.getLogger(__name__)

Task = flow_task.Task


class CycleError(Exception):
    """Tasks wait for each other."""


class Postponed(Exception):
    """Raised by a task that cannot run yet: it is as if never started.

    :param key: what it waits for; known to the gate
    """

    def __init__(self, key: Any = None):
        super().__init__(key)
        self.key = key


class Gate:
    """Decides which of the tasks that could run may start; here: all.

    Called by the thread that runs the graph only.
    """

    #: Set by the graph; any thread may call it to have the gate look around
    #: as soon as ``rest`` allows that.
    wake: Callable[[], None]

    @property
    def holding(self) -> bool:
        """Whether tasks are held back."""
        return False

    def is_over(self, task: Task) -> bool:
        """Whether a task had ended before this run, so need not start."""
        return False

    def admit(self, task: Task) -> bool:
        """Let a task start, or keep it until it may."""
        return True

    def postpone(self, task: Task, reason: Postponed) -> None:
        """Keep a task that was admitted and found out that it must wait."""
        raise NotImplementedError

    def end(self, task: Task) -> Iterable[Task]:
        """Note that a task has ended.

        :returns: tasks that were kept and are admitted now
        """
        return ()

    def rest(self) -> float | None:
        """Seconds after which ``look`` is to be called; None: never."""
        return None

    def look(self) -> Iterable[Task]:
        """Look around.

        :returns: tasks that were kept and are admitted now
        :raises: what shall break off the run
        """
        return ()


class TaskGraph:
    """Tasks and the order in which they may run.

    :param parents: what each task waits for, by task, in the order in which
        tasks that wait for nothing are started
    :raises: CycleError, KeyError for a parent that is no task
    """

    def __init__(self, parents: Mapping[Task, Iterable[Task]]):
        self._waits_for: dict[Task, int] = {}
        self._children: dict[Task, list[Task]] = {
            task: [] for task in parents}
        for task, before in parents.items():
            distinct = set(before)
            self._waits_for[task] = len(distinct)
            for parent in distinct:
                self._children[parent].append(task)
        self._check_order()

    def _check_order(self):
        left = _Countdown(self._waits_for, self._children)
        ready = left.begin()
        while ready:
            ready.extend(left.end(ready.popleft()))
        if left:
            raise CycleError()

    def run(self, pool: futures.Executor, gate: Gate | None = None) -> None:
        """Run all tasks, each in a thread of the pool.

        :param gate: decides which tasks may start
        :raises: what the first task raised, or the gate, when everything
            that was started has been reverted
        """
        left = _Countdown(self._waits_for, self._children)
        _Course(left, pool, gate or Gate()).run()


class _Course:
    """One run through a graph."""

    def __init__(self, left, pool, gate):
        self._left = left
        self._pool = pool
        self._gate = gate
        # Futures that have ended; None: the gate wants to look around.
        self._done: queue.SimpleQueue = queue.SimpleQueue()
        self._running: dict[futures.Future, Task] = {}
        self._started: dict[Task, None] = {}
        self._ready = left.begin()
        self._error: BaseException | None = None
        gate.wake = functools.partial(self._done.put, None)

    def run(self):
        while True:
            self._start_ready()
            if not self._running and (self._error is not None
                                      or not self._gate.holding):
                break
            self._wait()
        if self._error is not None:
            for task in reversed(self._started):
                _revert(task)
            raise self._error

    def _start_ready(self):
        while self._ready and self._error is None:
            task = self._ready.popleft()
            if self._gate.is_over(task):
                self._ready.extend(self._left.end(task))
            elif self._gate.admit(task):
                self._submit(task)

    def _submit(self, task):
        self._started[task] = None
        future = self._pool.submit(_perform, task)
        self._running[future] = task
        future.add_done_callback(self._done.put)

    def _wait(self):
        try:
            future = self._done.get(timeout=self._gate.rest())
        except queue.Empty:
            future = None
        if future is not None:
            self._note_end(future)
        rest = self._gate.rest()
        if rest is not None and rest <= 0:
            self._look()

    def _note_end(self, future):
        task = self._running.pop(future)
        error = future.exception()
        if isinstance(error, Postponed):
            del self._started[task]
            self._gate.postpone(task, error)
            return
        self._error = self._error or error
        self._start(self._gate.end(task))
        self._ready.extend(self._left.end(task))

    def _look(self):
        try:
            self._start(self._gate.look())
        except Exception as error:
            self._error = self._error or error

    def _start(self, admitted):
        for task in admitted:
            if self._error is None:
                self._submit(task)


class _Countdown:
    """Which tasks still wait, and for how many others."""

    def __init__(self, waits_for, children):
        self._waits_for = dict(waits_for)
        self._children = children

    def __bool__(self):
        return bool(self._waits_for)

    def begin(self):
        """Return the tasks that wait for nothing."""
        return collections.deque(
            task for task, number in self._waits_for.items() if not number)

    def end(self, task):
        """Note that a task has ended; return those that may start now."""
        del self._waits_for[task]
        ready = []
        for child in self._children[task]:
            self._waits_for[child] -= 1
            if not self._waits_for[child]:
                ready.append(child)
        return ready


def _perform(task):
    try:
        task.pre_execute()
        task.execute()
    finally:
        task.post_execute()


def _revert(task):
    try:
        task.pre_revert()
        task.revert()
        task.post_revert()
    except Exception:
        # What made the flow break off is told to the caller.
        LOG.exception('%s could not be reverted', task.name)
