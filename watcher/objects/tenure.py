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
"""Who of the processes of one kind is at work, and under which lease.

Each process holds a lease for its host name, see :mod:`.lease`. Every one of
them looks at all leases again and again: whoever died, whenever that was and
whether or not a host of that name ever returns, is found by the next one
that looks. There is no leader.

Processes of the previous release know no leases. They count as alive as long
as their row in the table of services tells of a recent sign of life.
"""

import contextlib
import dataclasses
import os
from collections.abc import Callable
from typing import Any

from oslo_db import exception as db_exc
from oslo_utils import uuidutils

from watcher import conf
from watcher._i18n import _
from watcher.common import context as watcher_context
from watcher.common import exception
from watcher.common import service
from watcher.objects import lease
from watcher.objects import service as service_objects

CONF = conf.CONF

#: Seconds after which the expired lease of a host is forgotten.
MEMORY = 7 * 24 * 3600.0


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of processes that share work.

    :ivar name: what the names of their leases begin with
    :ivar service_name: what they are called in the table of services
    :ivar title: what they are called in messages
    :ivar work: what each of them has, in messages
    """

    name: str
    service_name: str
    title: str
    work: str

    @property
    def prefix(self) -> str:
        """What the names of their leases begin with."""
        return f'{self.name}:'

    def lease_name(self, host: str) -> str:
        """The name of the lease of the process on a host."""
        return lease.name_of(self.name, host)

    def begin(self) -> lease.Lease:
        """Take the lease of this host, whoever has it.

        A process that was killed a moment ago may still have it, and so may
        another one that was given the same host name by mistake: the newest
        one goes on.
        """
        host = CONF.host
        owner = f'{host} process {os.getpid()} {uuidutils.generate_uuid()}'
        return lease.Lease.take(
            watcher_context.admin_context(), self.lease_name(host), owner,
            CONF.service_down_time)

    def why_lost(self) -> Exception:
        """Tell what became of a lease that is not ours any more.

        :returns: FatalError when another process works in the place of this
            one, and would be disturbed by a new attempt; Restart otherwise
        """
        name = self.lease_name(CONF.host)
        try:
            rivals = [known for known in lease.Lease.known(
                watcher_context.admin_context(), name)
                if known.living and known.name == name]
        except db_exc.DBError:
            rivals = []
        names = {'title': self.title, 'host': CONF.host, 'work': self.work}
        if rivals:
            return service.FatalError(
                _('another %(title)s with the host name %(host)s has started '
                  '(%(owner)s) and took over everything. Each %(title)s '
                  'needs a host name of its own: check [DEFAULT] host') % {
                      **names, 'owner': rivals[0].owner})
        return service.Restart(
            _('the other %(title)ss took this one, on %(host)s, for dead, '
              'because it could not renew its lease in time, and took over '
              'its %(work)s; it starts anew') % names)

    def check_gone(self, context: Any, host: str | None,
                   fence: lease.Lease | None) -> None:
        """Make sure that what belongs to a host may be taken from it.

        To be called in the transaction that does so. Since the process there
        was shut out another one may have come with its host name, and goes
        on with the same things in the same name. If it comes now it waits,
        and finds that they are gone; if it is dead again it is shut out.

        :param fence: the lease of this process, None if it works without
        :raises watcher.common.exception.NoOrphan: if somebody is at work
        """
        if (host not in (None, CONF.host) and fence is not None
                and not lease.Lease.shut_out(context,
                                             self.lease_name(host))):
            raise exception.NoOrphan(host=host)

    def forget_long_gone(self, context: Any) -> None:
        """Remove the leases of hosts that will hardly come back."""
        lease.Lease.forget(context, self.prefix, MEMORY)

    def forget_gone(self, context: Any, seconds: float,
                    tidy: Callable[[str], bool] = lambda host: True
                    ) -> list[service_objects.Service]:
        """Remove the records of hosts that are gone, and their leases.

        A host that nevertheless comes back begins anew; a process there
        that was only asleep has lost its lease and cannot write.

        :param seconds: since their last signs of life, at least
        :param tidy: removes what else a host has left, or returns false:
            then it is tried again later
        :returns: those that were removed
        """
        silent = [row for row in service_objects.Service.list(context)
                  if row.name == self.service_name
                  and row.silence > seconds]
        # Clocks may differ by hours; for leases only that of the database
        # counts.
        members = Members(context, self) if silent else None
        gone = [row for row in silent if not members.lives(row.host)
                and tidy(row.host) and row.forget(seconds)]
        # Also of those that have no record any more.
        with contextlib.suppress(db_exc.DBNonExistentTable):
            lease.Lease.forget(context, self.prefix, seconds)
        return gone


APPLIER = Kind('applier', 'watcher-applier', 'applier', 'action plans')
ENGINE = Kind('engine', 'watcher-decision-engine', 'decision engine',
              'audits')

#: The kinds by the names of their services.
KINDS = {kind.service_name: kind for kind in (APPLIER, ENGINE)}


class Members:
    """Which processes of one kind live at this moment."""

    def __init__(self, context: Any, kind: Kind) -> None:
        self._kind = kind
        self._leases = {known.name.casefold(): known
                        for known in self._read(context)}
        self._beating = {
            row.host.casefold(): CONF.service_down_time - row.silence
            for row in service_objects.Service.list(context)
            if row.name == kind.service_name
            and service_objects.is_alive(row)}

    def _read(self, context: Any) -> list[lease.Known]:
        try:
            return lease.Lease.known(context, self._kind.prefix)
        except db_exc.DBNonExistentTable:
            # Not upgraded yet: nobody has a lease.
            return []

    def _known(self, host: str) -> lease.Known | None:
        return self._leases.get(self._kind.lease_name(host).casefold())

    def lives(self, host: str | None) -> bool:
        """Whether the process on a host may be at work."""
        if host is None:
            return False
        known = self._known(host)
        return (known is not None and known.living
                or host.casefold() in self._beating)

    def next_death(self) -> float | None:
        """Return when to look whether one of the others is dead.

        :returns: seconds until the first one counts as dead if it gives no
            further sign of life, None if none lives
        """
        remaining = dict(self._beating)
        for known in self._leases.values():
            if known.living:
                host = known.name.removeprefix(self._kind.prefix).casefold()
                remaining[host] = max(known.remaining,
                                      remaining.get(host, 0.0))
        remaining.pop(CONF.host.casefold(), None)
        return min(remaining.values(), default=None)

    def leases(self) -> dict[str, int]:
        """Return the tokens of the valid leases, by host.

        Without hosts of which the names are too long to be read from those
        of the leases.
        """
        hosts = {known.name.removeprefix(self._kind.prefix): known
                 for known in self._leases.values() if known.living}
        return {host: known.token for host, known in hosts.items()
                if self._kind.lease_name(host) == known.name}

    def of_previous_release(self) -> bool:
        """Whether processes are at work that know no leases."""
        return any(self._known(host) is None for host in self._beating)

    def exclude(self, context: Any, host: str | None) -> bool:
        """Make sure that a dead process cannot write any more.

        :returns: false if it woke up, or another process was faster
        """
        known = None if host is None else self._known(host)
        return known is None or lease.Lease.revoke(context, known)
