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
"""Keeps a lease for as long as the process works.

The loop has a thread of its own: no other work of the process, however much
there is, delays a renewal.
"""

import threading
from collections.abc import Callable
from typing import Protocol

from oslo_log import log

from watcher.common import periodic
from watcher.common import utils

LOG = log.getLogger(__name__)


class Lease(Protocol):
    """See ``watcher.objects.lease``."""

    name: str
    seconds: float
    valid: bool

    def renew(self) -> bool:
        """Extend it; false if another process has it."""

    def release(self) -> None:
        """Give it back."""


class Keeper:
    """Takes a lease, renews it, and gives it back at the end.

    :param name: of the thread
    :param take: takes the lease, whoever has it
    :param interval: returns the seconds between two renewals
    :param on_lost: called once, by the thread of the loop, when another
        process has the lease. That the database cannot be asked is no loss:
        nobody else can get the lease meanwhile either.
    """

    def __init__(self, name: str, take: Callable[[], Lease],
                 interval: Callable[[], float],
                 on_lost: Callable[[], None]) -> None:
        self._take = take
        self._on_lost = on_lost
        self._interval = interval
        # Held while the database is asked: a new lease must not be taken
        # for the loss of the one before it.
        self._lock = threading.Lock()
        self._lease: Lease | None = None
        # Whether there is nothing more to be done for it.
        self._released = False
        self._name = name
        self._loop: periodic.Loop | None = None

    @property
    def lease(self) -> Lease | None:
        """The lease, also when it is not held any more; None before."""
        return self._lease

    def _pause(self) -> float:
        lease = self._lease
        interval = self._interval()
        # Two attempts may fail before it expires.
        return interval if lease is None else min(interval, lease.seconds / 3)

    def take(self) -> None:
        """Take the lease and begin to renew it; again: as somebody new.

        :raises oslo_db.exception.DBError: if the database does not work
        """
        with self._lock:
            self._lease = self._take()
            if self._loop is None:
                self._loop = periodic.Loop(self._name, self.keep, self._pause,
                                           initial_delay=self._pause())
        LOG.info('%s is taken', self._lease)
        self._loop.start()

    def keep(self) -> None:
        """Renew the lease once; errors are logged."""
        with self._lock:
            lost = (self._lease is not None and not self._released
                    and not self._renew(self._lease))
        # Who gives it back meanwhile does not lose it.
        if lost and not self._released:
            self._released = True
            self._on_lost()

    @staticmethod
    def _renew(lease: Lease) -> bool:
        """Whether it is still ours, as far as one knows."""
        in_time = lease.valid
        try:
            kept = lease.renew()
        except Exception as error:
            LOG.error('%(lease)s could not be renewed%(lapsed)s: %(reason)s',
                      {'lease': lease, 'reason': utils.first_line(error),
                       'lapsed': '' if lease.valid else
                       ' and may be expired; nothing is started'})
            return True
        if kept and not in_time:
            LOG.warning('%s was not renewed in time, but nobody else took '
                        'it; the work goes on', lease)
        return kept

    def release(self, timeout: float = 1.0) -> None:
        """Stop renewing and give the lease back, if the database answers.

        :param timeout: seconds this may take
        """
        self._released = True
        lease = self._lease
        if lease is None or self._loop is None:
            return
        self._loop.stop(timeout=timeout)
        thread = threading.Thread(target=self._release, args=(lease,),
                                  name='lease-release', daemon=True)
        thread.start()
        thread.join(timeout)

    @staticmethod
    def _release(lease: Lease) -> None:
        try:
            lease.release()
        except Exception as error:
            LOG.warning('%(lease)s is not given back and will expire: '
                        '%(reason)s', {'lease': lease,
                                       'reason': utils.first_line(error)})
