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
"""A bounded pool of threads that never keeps a stopping process alive."""

import itertools
import queue
import threading
from collections.abc import Callable
from concurrent import futures
from typing import Any

from watcher.common import pool_stats


class DaemonPool(futures.Executor):
    """Runs functions in at most ``max_workers`` daemon threads.

    The pools of the standard library and of futurist wait for their threads
    when the interpreter ends. An action that is blocked in a library would
    so keep a stopping applier alive for as long as it likes.

    :param max_workers: threads, started when they are needed
    :param name: prefix of the names of the threads
    :param kind: name under which reports and metrics add up such pools
    """

    def __init__(self, max_workers: int, name: str, kind: str = 'actions'):
        self._max_workers = max_workers
        self._name = name
        self._work: queue.SimpleQueue = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._unfinished = 0
        self._closed = False
        self._numbers = itertools.count(1)
        pool_stats.POOLS.watch(kind, self, DaemonPool._load)

    def submit(self, fn: Callable, /, *args: Any,
               **kwargs: Any) -> futures.Future:
        """Queue a call.

        :raises: RuntimeError after ``shutdown``.
        """
        future: futures.Future = futures.Future()
        with self._lock:
            if self._closed:
                raise RuntimeError(f'The pool {self._name} is closed')
            self._unfinished += 1
            unfinished = self._unfinished
            self._work.put((future, fn, args, kwargs))
            if len(self._threads) < min(self._unfinished, self._max_workers):
                self._add_thread()
        pool_stats.report(self._name, self._max_workers, unfinished)
        return future

    def shutdown(self, wait: bool = True, *,
                 cancel_futures: bool = False) -> None:
        """Take no more calls; the threads end with the last one."""
        with self._lock:
            if not self._closed:
                self._closed = True
                for _thread in self._threads:
                    self._work.put(None)
            threads = list(self._threads)
        if wait:
            for thread in threads:
                thread.join()

    def _load(self):
        # A closed pool exists for as long as its last call.
        return pool_stats.Load(
            0 if self._closed else self._max_workers, self._unfinished)

    def _add_thread(self):
        thread = threading.Thread(
            target=self._run, daemon=True,
            name=f'{self._name}-{next(self._numbers)}')
        self._threads.append(thread)
        thread.start()

    def _run(self):
        while (work := self._work.get()) is not None:
            future, fn, args, kwargs = work
            if future.set_running_or_notify_cancel():
                self._call(future, fn, args, kwargs)
            with self._lock:
                self._unfinished -= 1
            # The next wait must not hold on to what is done.
            del work, future, fn, args, kwargs

    @staticmethod
    def _call(future, fn, args, kwargs):
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as exc:
            future.set_exception(exc)
