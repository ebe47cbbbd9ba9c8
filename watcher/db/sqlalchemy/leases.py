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
"""Leases: who may act under a name, judged by the clock of the database."""

from collections.abc import Mapping
from typing import Any
from typing import Protocol

import sqlalchemy as sa

from watcher.db.sqlalchemy import clock
from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import optional
from watcher.db.sqlalchemy import session as db_session

_Lease = models.Lease
_NO_SYNC = {'synchronize_session': False}


class Fence(Protocol):
    """A lease that must be held for a change to be stored."""

    name: str
    owner: str
    token: int


def _is(fence: Fence) -> Any:
    return sa.and_(_Lease.name == fence.name, _Lease.owner == fence.owner,
                   _Lease.token == fence.token)


def held(fence: Fence) -> Any:
    """SQL for "this lease is held", to be added to a statement that writes.

    The row of the lease is locked for sharing until the transaction ends:
    who takes the lease over waits, and sees everything that was written
    under it.
    """
    return sa.exists(
        sa.select(sa.literal_column('1'))
        .where(_is(fence), _Lease.expires_at > clock.utc_in())
        .select_from(_Lease).with_for_update(read=True))


def _change(session: Any, values: Mapping[str, Any],
            *conditions: Any) -> bool:
    return bool(session.execute(
        sa.update(_Lease).where(*conditions).values(values),
        execution_options=_NO_SYNC).rowcount)


def _insert(session: Any, values: Mapping[str, Any]) -> bool:
    """Insert a lease unless somebody else just did."""
    insert = optional.insert_for(session)(_Lease).values(values)
    if session.get_bind().dialect.name == 'mysql':
        statement = insert.prefix_with('IGNORE')
    else:
        statement = insert.on_conflict_do_nothing()
    return bool(session.execute(statement).rowcount)


def _token(session: Any, name: str) -> int:
    return session.scalar(sa.select(_Lease.token).where(_Lease.name == name))


class Operations:
    """The operations of the connection."""

    @db_session.write
    def take_lease(self, name: str, owner: str, seconds: float) -> int:
        """Take a lease, whoever has it; the former holder loses it.

        :returns: the token to act with
        """
        return self._take_lease(name, owner, seconds)

    @db_session.write
    def seize_lease(self, name: str, owner: str,
                    seconds: float) -> int | None:
        """Take a lease that is expired or was never taken.

        :returns: the token to act with; None if somebody has it
        """
        return self._take_lease(name, owner, seconds,
                                _Lease.expires_at <= clock.utc_in())

    @staticmethod
    def _take_lease(name: str, owner: str, seconds: float,
                    *conditions: Any) -> int | None:
        session = db_session.current()
        values = {'owner': owner, 'expires_at': clock.utc_in(seconds)}
        # Twice: somebody may create the row between the two statements.
        for _attempt in range(2):
            if _change(session, {**values, 'token': _Lease.token + 1},
                       _Lease.name == name, *conditions):
                return _token(session, name)
            if _insert(session, {**values, 'name': name, 'token': 1}):
                return 1
        return None

    @db_session.write
    def renew_lease(self, fence: Fence, seconds: float) -> bool:
        """Extend a lease, also one that is expired but nobody took.

        :returns: whether it is still held
        """
        return _change(db_session.current(),
                       {'expires_at': clock.utc_in(seconds)}, _is(fence))

    @db_session.write
    def release_lease(self, fence: Fence) -> bool:
        """Give a lease back; it cannot be renewed any more.

        :returns: whether it was held
        """
        return _change(db_session.current(),
                       {'expires_at': clock.utc_in(),
                        'token': _Lease.token + 1}, _is(fence))

    @db_session.write
    def revoke_lease(self, fence: Fence) -> bool:
        """Take an expired lease from its holder, for nobody.

        Afterwards the holder cannot write under it or renew it.

        :returns: whether it was still as given, and expired
        """
        return _change(db_session.current(), {'token': _Lease.token + 1},
                       _is(fence), _Lease.expires_at <= clock.utc_in())

    def list_leases(self, prefix: str) -> list[Any]:
        """List leases whose names begin so, in the order of their names.

        :returns: rows of name, owner, token, ``expires_at`` and ``now``
        """
        statement = sa.select(
            _Lease.name, _Lease.owner, _Lease.token, _Lease.expires_at,
            clock.utc_in().label('now')
        ).where(_Lease.name.startswith(prefix, autoescape=True)
                ).order_by(_Lease.name)
        with db_session.reader() as session:
            return list(session.execute(statement).all())

    @db_session.write
    def holds_lease(self, fence: Fence) -> bool:
        """Whether a lease is held; nobody takes it before the commit."""
        return bool(db_session.current().scalar(
            sa.select(_Lease.token)
            .where(_is(fence), _Lease.expires_at > clock.utc_in())
            .with_for_update(read=True)))

    @db_session.write
    def shut_out(self, name: str) -> bool:
        """Take a lease from whoever has it, for nobody, if it is expired.

        Nobody takes it again before the commit.

        :returns: false if it is held; true also if there is none
        """
        session = db_session.current()
        return (_change(session, {'token': _Lease.token + 1},
                        _Lease.name == name,
                        _Lease.expires_at <= clock.utc_in())
                or _token(session, name) is None)

    @db_session.write
    def forget_leases(self, prefix: str, seconds: float) -> int:
        """Remove leases that are expired for longer than so many seconds.

        :returns: how many
        """
        return db_session.current().execute(
            sa.delete(_Lease).where(
                _Lease.name.startswith(prefix, autoescape=True),
                _Lease.expires_at < clock.utc_in(-seconds)),
            execution_options=_NO_SYNC).rowcount

    @db_session.write
    def serialize(self, name: str) -> None:
        """Let only one transaction at a time go on from here.

        The others wait until the transaction of this thread ends.
        """
        session = db_session.current()
        for _attempt in range(2):
            if _change(session, {'token': _Lease.token + 1},
                       _Lease.name == name):
                return
            _insert(session, {'name': name, 'owner': '', 'token': 1,
                              'expires_at': clock.utc_in()})
