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
"""Leases: the right of one process to act under a name for a while.

A process that stops without a word (killed, frozen, cut off) loses its right
when the lease expires. Whoever then takes its place takes the lease, or
revokes it, which changes the token: from then on nothing is stored any more
that the first process writes with ``fence=`` this lease, even when it wakes
up in the middle of a write and knows nothing of it.

Two clocks guard the time in which nobody has taken the lease yet: that of
the database, which decides for all hosts when a lease is expired, and the
one of the process, by which it stops by itself when it hears nothing from
the database.

Names are ``<kind>:<what>``, e.g. ``applier:<host>``.
"""

import dataclasses
import hashlib
import threading
import time
from typing import Any

from watcher.common import exception
from watcher.db import api as db_api

_LONGEST_NAME = 191
_LONGEST_OWNER = 255
# Goes on while the machine sleeps, where the system has such a clock.
_CLOCK = getattr(time, 'CLOCK_BOOTTIME', time.CLOCK_MONOTONIC)


def elapsed() -> float:
    """Seconds by a clock that nobody sets."""
    return time.clock_gettime(_CLOCK)


def name_of(kind: str, what: str) -> str:
    """The name of a lease, also of something with a very long name."""
    name = f'{kind}:{what}'
    if len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(what.encode()).hexdigest()
    return f'{name[:_LONGEST_NAME - len(digest) - 1]}~{digest}'


@dataclasses.dataclass(frozen=True, slots=True)
class Known:
    """A lease as it stands in the database, whoever has it.

    :ivar remaining: seconds until it expires, by the database's clock;
        negative if it is expired
    """

    name: str
    owner: str
    token: int
    remaining: float

    @property
    def living(self) -> bool:
        """Whether it is not expired."""
        return self.remaining > 0


class Lease:
    """A lease that this process took. Threads may share it."""

    dbapi = db_api.get_instance()

    def __init__(self, context: Any, name: str, owner: str, token: int,
                 seconds: float, began: float) -> None:
        self._context = context
        self.name = name
        self.owner = owner
        self.token = token
        self.seconds = seconds
        # Guards the two below.
        self._lock = threading.Lock()
        self._began = began
        self._lost = False

    def __repr__(self) -> str:
        return f'<Lease {self.name} {self.token} of {self.owner}>'

    # Getting one ----------------------------------------------------------

    @classmethod
    def take(cls, context: Any, name: str, owner: str,
             seconds: float) -> 'Lease':
        """Take the lease, whoever has it; the former holder loses it.

        :param owner: says to people which process it is; no other process
            may have the same
        :param seconds: how long it is valid without being renewed
        """
        began, owner = elapsed(), owner[:_LONGEST_OWNER]
        token = cls.dbapi.take_lease(name, owner, seconds)
        return cls(context, name, owner, token, seconds, began)

    @classmethod
    def seize(cls, context: Any, name: str, owner: str,
              seconds: float) -> 'Lease | None':
        """Take the lease if it is expired or nobody ever had it.

        :returns: None if somebody has it
        """
        began, owner = elapsed(), owner[:_LONGEST_OWNER]
        token = cls.dbapi.seize_lease(name, owner, seconds)
        if token is None:
            return None
        return cls(context, name, owner, token, seconds, began)

    # Keeping it -----------------------------------------------------------

    def renew(self) -> bool:
        """Extend the lease, also if it is expired but nobody took it.

        :returns: whether it is still this process's; never again, once it
            is not
        :raises oslo_db.exception.DBError: if the database cannot be asked
        """
        began = elapsed()
        renewed = self.dbapi.renew_lease(self, self.seconds)
        with self._lock:
            if not renewed:
                self._lost = True
            self._began = max(self._began, began)
            return not self._lost

    def release(self) -> None:
        """Give the lease back: others need not wait until it expires."""
        with self._lock:
            self._lost = True
        self.dbapi.release_lease(self)

    @property
    def valid(self) -> bool:
        """Whether nobody else can have it, as far as this process knows.

        By its own clock, counted from before the last renewal was asked for.
        """
        with self._lock:
            return (not self._lost
                    and elapsed() - self._began < self.seconds)

    @property
    def lost(self) -> bool:
        """Whether it is known to be gone for good."""
        with self._lock:
            return self._lost

    def check(self) -> None:
        """Refuse to go on without a valid lease.

        :raises watcher.common.exception.LeaseLost:
        """
        if not self.valid:
            raise exception.LeaseLost(name=self.name)

    # Those of others ------------------------------------------------------

    @classmethod
    def known(cls, context: Any, prefix: str) -> list[Known]:
        """All leases whose names begin so, living or expired."""
        return [Known(row.name, row.owner, row.token,
                      (row.expires_at - row.now).total_seconds())
                for row in cls.dbapi.list_leases(prefix)]

    @classmethod
    def expired(cls, context: Any, prefix: str) -> list[Known]:
        """Leases whose names begin so and that are expired."""
        return [known for known in cls.known(context, prefix)
                if not known.living]

    @classmethod
    def revoke(cls, context: Any, known: Known) -> bool:
        """Make sure that the holder of an expired lease is gone for good.

        :returns: False if it renewed the lease meanwhile, or somebody else
            was faster
        """
        return cls.dbapi.revoke_lease(known)

    @classmethod
    def shut_out(cls, context: Any, name: str) -> bool:
        """As :meth:`revoke`, whoever has the lease now; in a transaction.

        Whoever takes it waits until the transaction ends.

        :returns: False if somebody holds it
        """
        return cls.dbapi.shut_out(name)

    @classmethod
    def forget(cls, context: Any, prefix: str, seconds: float) -> int:
        """Remove leases that are expired for longer than so many seconds."""
        return cls.dbapi.forget_leases(prefix, seconds)

    @classmethod
    def serialize(cls, context: Any, name: str) -> None:
        """Let one transaction at a time go on, among all processes.

        To be called inside ``dbapi.transaction()``; the others wait here
        until that ends. Not for a name that anybody holds as a lease.
        """
        cls.dbapi.serialize(name)
