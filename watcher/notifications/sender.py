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
"""The one thread that puts notifications on the bus.

An unreachable broker blocks oslo.messaging for as long as
``[oslo_messaging_notifications] retry`` says, by default for ever. So the
work never calls the notifier itself: messages wait in a bounded queue, one
thread sends them in order. When the queue is full further messages are
dropped and counted; the log tells the count while it grows, at most once in
half a minute, and once more when the bus is back.

Another process may tell of the same object as soon as it is asked to work on
it. So that consumers hear both in the right order, what was told so far gets
a short time to go out before the other process is asked: see :func:`settle`.
"""

import atexit
import dataclasses
import os
import queue
import sys
import threading
import time
from typing import Any

from oslo_log import log

from watcher.common import metrics
from watcher.common import pool_stats
from watcher.common import rpc

LOG = log.getLogger(__name__)

#: Messages that may wait while the broker is away; one is about 4 kB.
QUEUE_SIZE = 10000
#: Seconds between two log lines about dropped messages.
DROP_LOG_INTERVAL = 30.0
#: Seconds that stopping waits for the queue to run empty.
DRAIN_TIMEOUT = 2.0
#: Seconds that asking another service waits for what was told before.
SETTLE_TIMEOUT = 0.5

# oslo.messaging names the level differently.
_METHODS = {'warning': 'warn'}


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """One notification, ready to be sent."""

    context: Any
    publisher_id: str
    event_type: str
    priority: str
    payload: dict[str, Any]


def publish(message: Message) -> None:
    """Hand one message to oslo.messaging, in the calling thread."""
    notifier = rpc.get_notifier(message.publisher_id)
    method = _METHODS.get(message.priority, message.priority)
    getattr(notifier, method)(
        message.context, message.event_type, message.payload)


def _threads_can_run() -> bool:
    # uWSGI runs no Python thread of ours unless it was told to.
    uwsgi = sys.modules.get('uwsgi')
    if uwsgi is None:
        return True
    return any(name in uwsgi.opt for name in (
        'enable-threads', b'enable-threads', 'threads', b'threads'))


class Sender:
    """Sends messages in the order they were given.

    Safe to use from any number of threads. The thread is started with the
    first message, so that a process that forks its workers after start-up
    has it where it is needed.
    """

    def __init__(self, publish_func=publish, queue_size: int = QUEUE_SIZE):
        self._publish = publish_func
        self._queue: queue.Queue = queue.Queue(maxsize=queue_size)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._dropped = 0
        self._drop_logged = float('-inf')
        # Drops since the bus last took everything.
        self._gap = 0
        # How many messages were queued and how many of them are done with,
        # sent or failed, and whether somebody waited for them in vain since
        # all were. Guarded by the condition.
        self._progress = threading.Condition()
        self._given = 0
        self._done = 0
        self._behind = False
        pool_stats.POOLS.watch('notifications', self, Sender.load)

    def load(self) -> pool_stats.Load:
        """Messages that are being sent or wait, for the one thread."""
        return pool_stats.Load(1, self._given - self._done)

    @property
    def dropped(self) -> int:
        """Messages given up since the start because the queue was full."""
        return self._dropped

    def send(self, message: Message) -> bool:
        """Queue a message; False when it had to be dropped."""
        if not _threads_can_run():
            self._publish_safely(message)
            return True
        self._ensure_thread()
        try:
            with self._progress:
                self._queue.put_nowait(message)
                self._given += 1
        except queue.Full:
            self._count_drop(message)
            return False
        return True

    def stop(self, timeout: float = DRAIN_TIMEOUT) -> bool:
        """Send what is waiting and end the thread.

        :param timeout: seconds to wait at the most
        :returns: whether everything was sent
        """
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is None or not thread.is_alive():
            return True
        try:
            self._queue.put(None, timeout=timeout)
        except queue.Full:
            LOG.error('%d notifications are lost: the message bus did not '
                      'take them before the process ended',
                      self._queue.qsize())
            return False
        thread.join(timeout)
        if thread.is_alive():
            LOG.error('%d notifications are lost: the message bus did not '
                      'take them before the process ended',
                      max(self._queue.qsize() - 1, 1))
            return False
        return True

    def flush(self, timeout: float = DRAIN_TIMEOUT) -> bool:
        """Wait until all that was given before this call has been sent."""
        with self._progress:
            wanted = self._given
            return self._progress.wait_for(
                lambda: self._done >= wanted, timeout)

    def settle(self, timeout: float) -> bool:
        """Give what was told so far a short time to go out.

        When that was not enough the bus is slow, or away: until it has taken
        everything, nobody waits for it again.

        :returns: whether all that was given before this call has been sent
        """
        with self._progress:
            if self._behind:
                return False
        if self.flush(timeout):
            return True
        with self._progress:
            self._behind = self._done < self._given
        return False

    def _ensure_thread(self) -> None:
        if self._thread is not None:
            return
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name='notification-sender',
                    daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            message = self._queue.get()
            try:
                if message is None:
                    return
                self._publish_safely(message)
                if self._gap and self._queue.empty():
                    self._close_gap()
            finally:
                self._count_done(message)

    def _count_done(self, message: Message | None) -> None:
        if message is None:
            return
        with self._progress:
            self._done += 1
            if self._done == self._given:
                self._behind = False
            self._progress.notify_all()

    def _publish_safely(self, message: Message) -> None:
        result = metrics.FAILED
        try:
            self._publish(message)
            result = metrics.SUCCEEDED
        except Exception:
            LOG.exception('Notification %s was not sent; the work it tells '
                          'about goes on', message.event_type)
        metrics.told(result)

    def _count_drop(self, message: Message) -> None:
        metrics.told('dropped')
        with self._lock:
            self._dropped += 1
            self._gap += 1
            now = time.monotonic()
            if now - self._drop_logged < DROP_LOG_INTERVAL:
                return
            self._drop_logged = now
        LOG.error('The message bus takes no notifications: %d wait, %d were '
                  'dropped so far, the last one %s. Check '
                  '[oslo_messaging_notifications] and the broker.',
                  self._queue.qsize(), self._dropped, message.event_type)

    def _close_gap(self) -> None:
        with self._lock:
            gap, self._gap = self._gap, 0
            # The next trouble is worth a line at once.
            self._drop_logged = float('-inf')
        LOG.warning('The message bus takes notifications again and has all '
                    'that waited. %d were dropped meanwhile and are lost: '
                    'consumers should read again what they show.', gap)


# The sender of this process, and the process it belongs to: a forked worker
# inherits the object but not its thread. Guarded by the lock.
_lock = threading.Lock()
_sender: Sender | None = None
_sender_pid: int | None = None


def get_sender() -> Sender:
    """The sender of this process."""
    global _sender, _sender_pid
    with _lock:
        if _sender is None or _sender_pid != os.getpid():
            _sender, _sender_pid = Sender(), os.getpid()
        return _sender


def stop(timeout: float = DRAIN_TIMEOUT) -> bool:
    """Drain and end the sender of this process, if it has one."""
    global _sender
    with _lock:
        current, pid, _sender = _sender, _sender_pid, None
    if current is None or pid != os.getpid():
        return True
    return current.stop(timeout)


def settle() -> bool:
    """Give what this process told so far a short time to go out."""
    with _lock:
        current, pid = _sender, _sender_pid
    if current is None or pid != os.getpid():
        return True
    return current.settle(SETTLE_TIMEOUT)


def _renew_lock() -> None:
    # A fork may happen while another thread holds the lock.
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)
atexit.register(stop)
