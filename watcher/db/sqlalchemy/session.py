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
"""Connections, transactions and retries.

One transaction per thread: :func:`writer` opens it, inner calls join it, the
outermost commits. What has to happen after the commit (telling others about
the change) is queued with :func:`after_commit` and dropped on rollback.

On SQLite three processes share one file: it is opened in WAL mode with a
busy timeout, and a writing transaction takes the write lock when it begins.
A transaction that starts by reading and then wants to write cannot wait for
another writer in WAL mode, it fails at once.
"""

import contextlib
import functools
import random
import sqlite3
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from oslo_db import exception as db_exc
from oslo_db.sqlalchemy import enginefacade
from oslo_log import log
from sqlalchemy import orm

from watcher import conf

CONF = conf.CONF
LOG = log.getLogger(__name__)

#: How long one process waits for another one's write on SQLite, in
#: milliseconds.
SQLITE_BUSY_TIMEOUT = 30000

_ER_CHECKREAD = 1020

# Built on first use, when the configuration has been read; the lock keeps two
# threads from building two connection pools.
_lock = threading.Lock()
_manager = None


class _Current(threading.local):
    """The open transaction of a thread."""

    session: orm.Session | None = None
    depth: int = 0
    callbacks: list[Callable[[], None]] | None = None
    broken: Exception | None = None


_current = _Current()


# Engine -------------------------------------------------------------------

def _connection_parameters() -> str | None:
    """Have MySQL talk utf8mb4 unless the URL chooses a character set.

    oslo.db would choose the three-byte "utf8", which refuses emoji even when
    the tables could store them.
    """
    parameters = CONF.database.connection_parameters or ''
    url = CONF.database.connection or ''
    if url.startswith('mysql') and 'charset=' not in url + parameters:
        parameters = '&'.join(filter(None, [parameters, 'charset=utf8mb4']))
    return parameters or None


def _prepare_sqlite(engine: sa.Engine) -> None:
    in_memory = engine.url.database in (None, '', ':memory:')
    synchronous = CONF.database.sqlite_synchronous

    @sa.event.listens_for(engine, 'connect')
    def _connect(connection: Any, record: Any) -> None:
        connection.execute(f'PRAGMA busy_timeout = {SQLITE_BUSY_TIMEOUT}')
        if not in_memory:
            connection.execute('PRAGMA journal_mode = WAL')
            if synchronous:
                # Safe against corruption in WAL mode, and much faster.
                connection.execute('PRAGMA synchronous = NORMAL')


# MySQL reads the part that is meant for MariaDB as a comment, and an empty
# statement as an error.
_LIMIT_IDLENESS = {
    'mysql': 'SET /*M!100300 idle_transaction_timeout = {seconds}, */ '
             'wait_timeout = @@wait_timeout',
    'postgresql':
        "SET idle_in_transaction_session_timeout = '{seconds}s'",
}


def _limit_idleness(engine: sa.Engine) -> None:
    """Have the server end transactions of processes that are frozen."""
    statement = _LIMIT_IDLENESS[engine.dialect.name].format(
        seconds=CONF.database.idle_transaction_timeout)

    @sa.event.listens_for(engine, 'connect')
    def _connect(connection: Any, record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(statement)
        cursor.close()
        # On PostgreSQL, a SET is undone with its transaction.
        connection.commit()


def prepare_engine(engine: sa.Engine) -> None:
    """Give all connections of an engine the settings they need."""
    if engine.dialect.name == 'sqlite':
        _prepare_sqlite(engine)
    elif (engine.dialect.name in _LIMIT_IDLENESS
          and CONF.database.idle_transaction_timeout):
        _limit_idleness(engine)


def _get_manager() -> Any:
    global _manager
    with _lock:
        if _manager is None:
            manager = enginefacade.transaction_context()
            # The pause after each use is for green threads; there are none.
            manager.configure(sqlite_fk=True, thread_checkin=False)
            parameters = _connection_parameters()
            if parameters:
                manager.configure(connection_parameters=parameters)
            manager.append_on_engine_create(prepare_engine)
            _manager = manager
        return _manager


def get_engine() -> sa.Engine:
    """Return the engine of ``[database] connection``, made on first use."""
    return _get_manager().writer.get_engine()


def known_engine() -> sa.Engine | None:
    """Return the engine, if somebody has used it already."""
    with _lock:
        manager = _manager
    started = manager is not None and manager.is_started
    return manager.writer.get_engine() if started else None


def reset() -> None:
    """Close all connections and forget the engine.

    For tests that change the connection, and after a fork.
    """
    global _manager
    with _lock:
        manager, _manager = _manager, None
    if manager is not None and manager.is_started:
        manager.writer.get_engine().dispose()


def _new_session(**kwargs: Any) -> orm.Session:
    return _get_manager().writer.get_sessionmaker()(**kwargs)


def _lock_sqlite(connection: sa.Connection) -> None:
    """Begin a transaction on SQLite by taking the write lock.

    :raises oslo_db.exception.DBError: if another process keeps the lock for
        longer than the busy timeout
    """
    try:
        connection.connection.driver_connection.execute('BEGIN IMMEDIATE')
    except sqlite3.OperationalError as error:
        raise db_exc.DBError(error)
    # Tells the listener of oslo.db that it need not emit BEGIN.
    connection.info['in_transaction'] = True


# Transactions -------------------------------------------------------------

def in_transaction() -> bool:
    """Return whether this thread has an open writing transaction."""
    return _current.session is not None


@contextlib.contextmanager
def reader() -> Iterator[orm.Session]:
    """A session for reading; the open transaction of the thread if any."""
    if _current.session is not None:
        yield _current.session
        return
    session = _new_session()
    try:
        yield session
    finally:
        session.close()


@contextlib.contextmanager
def _nested_writer() -> Iterator[orm.Session]:
    _current.depth += 1
    try:
        yield _current.session
    except db_exc.DBError as error:
        # The database may have rolled everything back already. Whoever
        # swallows this error must not commit the rest as if it were whole.
        _current.broken = error
        raise
    finally:
        _current.depth -= 1


@contextlib.contextmanager
def _outermost_writer() -> Iterator[orm.Session]:
    callbacks: list[Callable[[], None]] = []
    with get_engine().connect() as connection:
        if connection.dialect.name == 'sqlite':
            _lock_sqlite(connection)
        session = _new_session(bind=connection)
        _current.session = session
        _current.depth = 1
        _current.callbacks = callbacks
        _current.broken = None
        try:
            session.connection()
            yield session
            if _current.broken is not None:
                raise _current.broken
            session.commit()
        except BaseException:
            session.rollback()
            raise
        finally:
            session.close()
            _current.session = _current.callbacks = _current.broken = None
            _current.depth = 0
    for callback in callbacks:
        _call(callback)


def writer() -> contextlib.AbstractContextManager[orm.Session]:
    """A writing transaction, joined by inner calls of the same thread.

    It is not repeated after a deadlock, because a ``with`` block cannot be:
    use :func:`run` for that.
    """
    if _current.session is not None:
        return _nested_writer()
    return _outermost_writer()


def current() -> orm.Session:
    """The session of the open transaction."""
    if _current.session is None:
        raise RuntimeError('No transaction is open in this thread')
    return _current.session


@contextlib.contextmanager
def undoable() -> Iterator[None]:
    """Undo a refused statement without losing the rest of the transaction.

    PostgreSQL refuses everything after an error inside a transaction. A
    transaction of one statement doesn't need this.

    MariaDB undoes the whole transaction after a deadlock, so that nothing is
    left to return to. What counts then is the deadlock, not that.
    """
    if _current.depth <= 1:
        yield
        return
    try:
        with _current.session.begin_nested():
            yield
    except Exception as error:
        cause = error.__context__
        while cause is not None and not isinstance(cause, db_exc.DBDeadlock):
            cause = cause.__context__
        if cause is None:
            raise
        raise cause from None


def after_commit(callback: Callable[[], None]) -> None:
    """Call back once the open transaction is committed; now if none is."""
    if _current.callbacks is None:
        _call(callback)
    else:
        _current.callbacks.append(callback)


def _call(callback: Callable[[], None]) -> None:
    try:
        callback()
    except Exception:
        # The change is committed: it must not look like a failed write.
        LOG.exception('A change was stored but telling others about it '
                      'failed')


# Retries ------------------------------------------------------------------

def _is_transient(error: Exception) -> bool:
    """Whether the same transaction can succeed when tried again."""
    if isinstance(error, db_exc.DBDeadlock):
        return True
    if isinstance(error, db_exc.DBConnectionError):
        return CONF.database.use_db_reconnect
    if not isinstance(error, db_exc.DBError):
        return False
    cause = getattr(error.inner_exception, 'orig', None)
    # Serialization failure of PostgreSQL.
    if getattr(cause, 'pgcode', None) == '40001':
        return True
    # MariaDB from 11.6 on: a row that is to be locked was changed after
    # this transaction read for the first time.
    return next(iter(getattr(cause, 'args', ())), None) == _ER_CHECKREAD


def _delays() -> Iterator[float]:
    """Seconds to wait before each further attempt.

    Jittered, so that two transactions that met once don't meet again; the
    first one short, because most deadlocks are gone at once.
    """
    options = CONF.database
    delay = options.db_retry_interval / 10
    attempt = 0
    while options.db_max_retries < 0 or attempt < options.db_max_retries:
        yield random.uniform(0, delay)
        if options.db_inc_retry_interval:
            delay = min(delay * 2, options.db_max_retry_interval)
        attempt += 1


def run(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call the function in a transaction, again after a deadlock.

    Inside an open transaction it just joins: only the outermost can start
    anew, because a deadlock undoes the whole of it. The function may run
    several times, so it must not change anything but the database before it
    succeeds.

    :raises oslo_db.exception.DBDeadlock: after ``[database] db_max_retries``
    """
    if in_transaction():
        with writer():
            return function(*args, **kwargs)
    delays = _delays()
    while True:
        try:
            with writer():
                return function(*args, **kwargs)
        except db_exc.DBError as error:
            delay = next(delays, None)
            if delay is None or not _is_transient(error):
                raise
            LOG.debug('Trying a transaction again in %.2f s after: %s',
                      delay, error)
            time.sleep(delay)


def write(method: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator of public writes: one transaction, retried."""
    @functools.wraps(method)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return run(method, *args, **kwargs)
    wrapper.is_write = True
    return wrapper
