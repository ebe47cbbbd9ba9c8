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
"""Background loops: one thread, one function, called again and again."""

import threading
import time
from collections.abc import Callable

from oslo_db import exception as db_exc
from oslo_log import log

from watcher.common import context
from watcher.common import utils

LOG = log.getLogger(__name__)

#: Shortest pause between two rounds, so that a function slower than its
#: interval does not keep a CPU and the database busy.
MIN_PAUSE = 1.0

#: How often a parked loop (interval 0) looks at its interval again.
PARKED_PAUSE = 60.0


class Loop:
    """Calls a function periodically in its own thread.

    Whatever the function raises is logged, and the next round comes as
    planned. Each round runs under a new request context, so that its log
    lines share one request id.

    :param name: name of the thread, seen in logs and reports.
    :param func: called without arguments.
    :param interval: seconds from the start of one round to the next, or a
        callable that returns them and is asked again before each pause.
        0 or None parks the loop: it only runs when it is woken.
    :param initial_delay: seconds before the first round.
    """

    def __init__(self, name: str, func: Callable[[], object],
                 interval: float | Callable[[], float],
                 initial_delay: float = 0):
        self.name = name
        self._func = func
        self._interval = interval
        self._initial_delay = initial_delay
        self._lock = threading.Lock()
        self._wakeup = threading.Event()
        self._stopping = threading.Event()
        self._resting = False
        self._thread = None

    @property
    def running(self) -> bool:
        """Whether the thread is alive."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    @property
    def resting(self) -> bool:
        """Whether it waits, and nothing has woken it."""
        return self._resting and not self._wakeup.is_set()

    def start(self) -> None:
        """Start the thread; a running loop is left alone."""
        with self._lock:
            if self.running:
                return
            self._stopping.clear()
            self._wakeup.clear()
            self._thread = threading.Thread(
                target=self._run, name=self.name, daemon=True)
            self._thread.start()

    def wake(self) -> None:
        """Run the next round now, or directly after the current one."""
        self._wakeup.set()

    def stop(self, timeout: float | None = None) -> bool:
        """Start no further round and wait for the current one.

        :param timeout: seconds to wait; None waits without limit.
        :returns: whether the loop has ended.
        """
        with self._lock:
            self._stopping.set()
            self._wakeup.set()
            thread = self._thread
        if thread is None:
            return True
        if thread is threading.current_thread():
            return False
        thread.join(timeout)
        if thread.is_alive():
            LOG.warning('The loop %(name)s has not ended within %(timeout)s '
                        'seconds', {'name': self.name, 'timeout': timeout})
            return False
        return True

    def _run(self):
        pause = self._initial_delay
        while not self._sleep(pause):
            started = time.monotonic()
            self._run_once()
            pause = self._next_pause(time.monotonic() - started)

    def _sleep(self, seconds):
        """Return whether the loop has to end."""
        if seconds > 0:
            self._resting = True
            self._wakeup.wait(seconds)
            self._resting = False
        self._wakeup.clear()
        return self._stopping.is_set()

    def _run_once(self):
        context.make_context(is_admin=True)
        try:
            self._func()
        except db_exc.DBError as exc:
            LOG.error('The loop %(name)s failed, the database does not work: '
                      '%(reason)s. It goes on with its next round.',
                      {'name': self.name, 'reason': utils.first_line(exc)})
        except Exception:
            LOG.exception('The loop %s failed; it goes on with its next '
                          'round', self.name)

    def _next_pause(self, elapsed):
        try:
            interval = self._interval
            if callable(interval):
                interval = interval()
            interval = float(interval or 0)
        except Exception:
            LOG.exception('The interval of the loop %(name)s is not usable; '
                          'next round in %(pause)s seconds',
                          {'name': self.name, 'pause': PARKED_PAUSE})
            return PARKED_PAUSE
        if interval <= 0:
            return PARKED_PAUSE
        return max(interval - elapsed, min(interval, MIN_PAUSE))
