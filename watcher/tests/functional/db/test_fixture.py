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
"""Each test finds an empty database, whatever the one before has stored."""

import sqlalchemy as sa

from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import session
from watcher.tests import base
from watcher.tests.fixtures import database
from watcher.tests.unit.db import records


class TestEmptied(base.TestCase):

    engine = database.SQLITE

    def execute(self, statement):
        with session.get_engine().begin() as connection:
            return connection.execute(statement)

    def rows(self):
        return {table.name: count
                for table in models.Base.metadata.sorted_tables
                if (count := self.execute(sa.select(
                    sa.func.count()).select_from(table)).scalar())}

    def add(self, table, **values):
        """Store a row with an id of its own: no sequence takes notice."""
        self.execute(sa.insert(models.Base.metadata.tables[table]).values(
            id=1, uuid='u', name='n', display_name='d', deleted=0, **values))

    def test_nothing_is_left(self):
        with database.Database(self.engine):
            records.Records().action()
            self.assertIn('actions', self.rows())
        with database.Database(self.engine):
            self.assertEqual({}, self.rows())
            self.assertEqual(1, records.Records().goal().id)

    def test_rows_with_ids_of_their_own(self):
        with database.Database(self.engine):
            self.add('goals', efficacy_specification=[])
            self.add('strategies', goal_id=1, parameters_spec={})
        with database.Database(self.engine):
            self.assertEqual({}, self.rows())


class TestEmptiedMySQL(TestEmptied):
    engine = database.MYSQL


class TestEmptiedPostgreSQL(TestEmptied):
    engine = database.POSTGRESQL
