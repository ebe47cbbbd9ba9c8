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
"""Tests against a real database; SQLite here, servers in functional/db."""

import contextlib
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from oslo_db import exception as db_exc

from watcher.common import context
from watcher.db import api as db_api
from watcher.db.sqlalchemy import session
from watcher.tests import base
from watcher.tests.fixtures import database
from watcher.tests.unit.db import records


class DatabaseTestCase(base.TestCase):
    """An empty database with the schema."""

    engine = database.SQLITE

    def setUp(self) -> None:
        super().setUp()
        self.database = self.useFixture(database.Database(self.engine))
        self.dbapi = db_api.get_instance()
        self.context = context.make_context()
        self.all_context = context.make_context(show_deleted=True)
        self.records = records.Records()

    @contextlib.contextmanager
    def statements(self) -> Iterator[list[str]]:
        """Collect the SQL that the block sends, but for BEGIN and the like.
        """
        sent: list[str] = []

        def collect(connection: Any, cursor: Any, statement: str,
                    *others: Any) -> None:
            if not statement.startswith(('BEGIN', 'SAVEPOINT', 'RELEASE')):
                sent.append(statement)

        engine = session.get_engine()
        sa.event.listen(engine, 'before_cursor_execute', collect)
        try:
            yield sent
        finally:
            sa.event.remove(engine, 'before_cursor_execute', collect)

    @contextlib.contextmanager
    def deadlocks(self, count: int, on: str = 'COMMIT') -> Iterator[list]:
        """Fail the first commits, or statements beginning with a word.

        :returns: a list that grows with each failure
        """
        engine = session.get_engine()
        failures: list[str] = []

        def fail(*args: Any) -> None:
            words = on if on == 'COMMIT' else args[2].split(None, 1)[0]
            if words == on and len(failures) < count:
                failures.append(on)
                raise self.deadlock()

        event = 'commit' if on == 'COMMIT' else 'before_cursor_execute'
        sa.event.listen(engine, event, fail, insert=True)
        try:
            yield failures
        finally:
            sa.event.remove(engine, event, fail)

    @staticmethod
    def deadlock() -> Exception:
        """What oslo.db makes of a deadlock on any server."""
        return db_exc.DBDeadlock(
            sa.exc.OperationalError('UPDATE', {}, Exception('deadlock')))
