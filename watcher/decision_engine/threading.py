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
"""The pool of threads that tasks of the decision engine share."""

import threading
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
from typing import Any

import futurist
from futurist import waiters
from oslo_log import log

from watcher import conf
from watcher.common import pool_stats

CONF = conf.CONF
LOG = log.getLogger(__name__)


class DecisionEngineThreadPool:
    """One pool for each process, shared by all audits and collectors.

    Its size is ``[watcher_decision_engine] max_general_workers``. Tasks must
    not wait for other tasks of the pool: with every thread waiting nobody
    would be left to work.
    """

    _instance: 'DecisionEngineThreadPool | None' = None
    _instance_lock = threading.Lock()

    def __new__(cls) -> 'DecisionEngineThreadPool':
        with cls._instance_lock:
            if cls._instance is None:
                pool = super().__new__(cls)
                pool._size = (
                    CONF.watcher_decision_engine.max_general_workers)
                pool._executor = futurist.ThreadPoolExecutor(
                    max_workers=pool._size)
                pool._lock = threading.Lock()
                pool._unfinished = 0
                pool_stats.POOLS.watch('general', pool, cls._load)
                cls._instance = pool
            return cls._instance

    @property
    def size(self) -> int:
        """How many tasks run at the same time."""
        return self._size

    def submit(self, fn: Callable, *args: Any,
               **kwargs: Any) -> futurist.Future:
        """Run the function in the pool and return its future."""
        with self._lock:
            self._unfinished += 1
            unfinished = self._unfinished
        try:
            future = self._executor.submit(fn, *args, **kwargs)
        except BaseException:
            self._ended()
            raise
        future.add_done_callback(self._ended)
        pool_stats.report('general', self._size, unfinished)
        return future

    def _ended(self, _future=None):
        with self._lock:
            self._unfinished -= 1

    def _load(self):
        return pool_stats.Load(self._size, self._unfinished)

    @staticmethod
    def do_while_futures(futures: Collection[futurist.Future], fn: Callable,
                         *args: Any, futures_timeout: float | None = None,
                         **kwargs: Any) -> None:
        """Call ``fn(future, *args, **kwargs)`` as the futures complete.

        The calls happen in the thread of the caller. The given collection is
        left as it is.

        :param futures_timeout: seconds to wait for the next future; when
            none completes in this time the remaining ones are cancelled.
        """
        DecisionEngineThreadPool.do_while_futures_modify(
            list(futures), fn, *args, futures_timeout=futures_timeout,
            **kwargs)

    @staticmethod
    def do_while_futures_modify(futures: Collection[futurist.Future],
                                fn: Callable, *args: Any,
                                futures_timeout: float | None = None,
                                **kwargs: Any) -> None:
        """As :meth:`do_while_futures`; handled futures leave ``futures``."""
        for future in _as_completed(futures, futures_timeout):
            futures.remove(future)
            fn(future, *args, **kwargs)

    @classmethod
    def reset(cls) -> None:
        """Forget the pool, so that the next use builds it anew."""
        with cls._instance_lock:
            pool, cls._instance = cls._instance, None
        if pool is not None:
            pool_stats.POOLS.forget(pool)
            pool._executor.shutdown(wait=False)


def _as_completed(futures: Collection[futurist.Future],
                  timeout: float | None) -> Iterator[futurist.Future]:
    while futures:
        done, pending = waiters.wait_for_any(list(futures), timeout=timeout)
        if not done:
            LOG.warning('No task ended within %(timeout)s seconds; '
                        '%(count)d waiting tasks are given up',
                        {'timeout': timeout, 'count': len(pending)})
            for future in pending:
                future.cancel()
            return
        yield from done
