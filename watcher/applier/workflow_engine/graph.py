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
"""

import collections
import queue
from collections.abc import Iterable
from collections.abc import Mapping
from concurrent import futures

from oslo_log import log
from taskflow import task as flow_task

LOG = log.getLogger(__name__)

Task = flow_task.Task


class CycleError(Exception):
    """Tasks wait for each other."""


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

    def run(self, pool: futures.Executor) -> None:
        """Run all tasks, each in a thread of the pool.

        :raises: what the first task raised, when everything that was
            started has been reverted
        """
        done: queue.SimpleQueue = queue.SimpleQueue()
        running: dict[futures.Future, Task] = {}
        started: list[Task] = []
        left = _Countdown(self._waits_for, self._children)
        ready = left.begin()
        error = None
        while True:
            while ready and error is None:
                task = ready.popleft()
                started.append(task)
                future = pool.submit(_perform, task)
                running[future] = task
                future.add_done_callback(done.put)
            if not running:
                break
            future = done.get()
            task = running.pop(future)
            error = error or future.exception()
            ready.extend(left.end(task))
        if error is not None:
            for task in reversed(started):
                _revert(task)
            raise error


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
