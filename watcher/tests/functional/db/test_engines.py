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
"""The database tests once more, on MariaDB and PostgreSQL.

What is tested on SQLite has to give identical results there.
"""

import datetime

import sqlalchemy as sa

from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import session
from watcher.tests import base
from watcher.tests.fixtures import database
from watcher.tests.unit.db import test_api
from watcher.tests.unit.db import test_leases
from watcher.tests.unit.db import test_purge
from watcher.tests.unit.db import test_query
from watcher.tests.unit.db import test_reasons
from watcher.tests.unit.db import test_retention
from watcher.tests.unit.db import test_runs
from watcher.tests.unit.db import test_session
from watcher.tests.unit.objects import test_figures
from watcher.tests.unit.objects import test_persistence

CLASSES = (
    test_api.TestRead, test_api.TestCreate, test_api.TestJson,
    test_api.TestEfficacy, test_api.TestUpdate, test_api.TestSwap,
    test_api.TestDelete, test_api.TestBulk, test_api.TestService,
    test_query.TestFilters, test_query.TestPages, test_query.TestCost,
    test_purge.TestSelection, test_purge.TestLimit, test_purge.TestExecution,
    test_session.TestTransaction, test_session.TestRetry,
    test_persistence.TestReads, test_persistence.TestRelations,
    test_persistence.TestWrites, test_persistence.TestStates,
    test_persistence.TestEvents, test_persistence.TestActionPlan,
    test_persistence.TestExpiry, test_leases.TestLease,
    test_leases.TestFence, test_runs.TestAuditRuns, test_runs.TestRuns,
    test_runs.TestSchedules, test_runs.TestWithoutTheTables,
    test_figures.TestReading, test_retention.TestRetention,
    test_reasons.TestReasons, test_reasons.TestMany,
    test_reasons.TestWithoutTheTable,
)

for _class in CLASSES:
    for _engine in (database.MYSQL, database.POSTGRESQL):
        _name = _class.__name__ + _engine.capitalize()
        globals()[_name] = type(_name, (_class,), {
            'engine': _engine, '__module__': __name__})
del _class


class TestFixture(base.TestCase):
    """Every test begins with an empty database, whatever came before."""

    def _check(self, engine):
        goals = sa.select(sa.func.count()).select_from(models.Goal)
        for _round in range(2):
            self.useFixture(database.Database(engine))
            with session.get_engine().begin() as connection:
                self.assertEqual(0, connection.execute(goals).scalar())
                # An id of its own is hidden from the counter of ids.
                connection.execute(sa.insert(models.Goal).values(
                    id=1, uuid='u', name='g', display_name='G', deleted=0,
                    efficacy_specification=[],
                    created_at=datetime.datetime(2026, 1, 1)))

    def test_sqlite(self):
        self._check(database.SQLITE)

    def test_mysql(self):
        self._check(database.MYSQL)

    def test_postgresql(self):
        self._check(database.POSTGRESQL)
