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
"""Upgrades of databases as they exist in the field, on all three engines."""

from collections.abc import Mapping
from typing import Any
from unittest import mock

import sqlalchemy as sa
from alembic import autogenerate
from alembic import migration as alembic_migration
from oslo_db import exception as db_exc
from sqlalchemy.dialects import mysql

from watcher import objects
from watcher.common import context
from watcher.db import api as db_api
from watcher.db import migration
from watcher.db.sqlalchemy import entities
from watcher.db.sqlalchemy import migration as backend
from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import session
from watcher.tests import base
from watcher.tests.fixtures import database
from watcher.tests.functional.db import field_shapes

HEAD = 'a7c3e5d18f60'


def type_in_words(column: Mapping[str, Any]) -> str:
    """The type of a column as it means on every engine."""
    kind = column['type']
    if isinstance(kind, (sa.Text, mysql.MEDIUMTEXT)):
        return 'text'
    if isinstance(kind, sa.String):
        return f'string({kind.length})'
    if isinstance(kind, sa.DateTime):
        return 'date'
    if isinstance(kind, sa.LargeBinary):
        return 'binary'
    if isinstance(kind, sa.Float):
        return 'float'
    if isinstance(kind, sa.Numeric):
        return 'number'
    # MySQL: tinyint(1).
    if isinstance(kind, sa.Boolean) or getattr(
            kind, 'display_width', None) == 1:
        return 'boolean'
    if isinstance(kind, sa.Integer):
        return 'integer'
    raise AssertionError(repr(kind))


def describe(exact: bool = False) -> dict[str, Any]:
    """The schema of the database, the same words on every engine.

    :param exact: with the types of the engine
    """
    inspector = sa.inspect(session.get_engine())
    return {table: _describe_table(inspector, table, exact)
            for table in inspector.get_table_names()
            if table != 'alembic_version'}


def _describe_table(inspector: sa.Inspector, table: str,
                    exact: bool) -> dict[str, Any]:
    unique = {item['name']: tuple(item['column_names'])
              for item in inspector.get_unique_constraints(table)}
    return {
        'columns': {
            column['name']: (repr(column['type']) if exact
                             else type_in_words(column),
                             column['nullable'])
            for column in inspector.get_columns(table)},
        'primary': tuple(
            inspector.get_pk_constraint(table)['constrained_columns']),
        'unique': unique,
        'foreign': sorted(
            (tuple(key['constrained_columns']), key['referred_table'],
             tuple(key['referred_columns']))
            for key in inspector.get_foreign_keys(table)),
        # Those over expressions are left out: only PostgreSQL tells them.
        'indexes': {item['name']: tuple(item['column_names'])
                    for item in inspector.get_indexes(table)
                    if item['name'] not in unique
                    and None not in item['column_names']},
    }


class MigrationTest(base.TestCase):
    engine = database.SQLITE
    schema = False

    def setUp(self):
        super().setUp()
        self.useFixture(database.Database(self.engine, schema=self.schema))

    def execute(self, statement, **values):
        with session.get_engine().begin() as connection:
            result = connection.execute(sa.text(statement), values)
            return result.all() if result.returns_rows else None


class TestSchema(MigrationTest):

    def test_empty_database_to_head(self):
        self.assertIsNone(migration.version())
        migration.upgrade()
        self.assertEqual(HEAD, migration.version())

    def test_upgrade_at_head_does_nothing(self):
        migration.upgrade()
        before = describe(exact=True)
        migration.upgrade()
        migration.upgrade('head')
        self.assertEqual(before, describe(exact=True))

    def test_create_schema_is_the_same(self):
        migration.upgrade()
        migrated = describe(exact=True)
        self.useFixture(database.Database(self.engine, schema=False))
        self.assertEqual({}, describe())
        migration.create_schema()
        self.assertEqual(HEAD, migration.version())
        self.assertEqual(migrated, describe(exact=True))

    def test_create_schema_refuses_an_existing_one(self):
        migration.upgrade()
        self.assertRaises(db_exc.DBMigrationError, migration.create_schema)

    def test_models_and_migrations_agree(self):
        migration.upgrade()
        with session.get_engine().connect() as connection:
            context = alembic_migration.MigrationContext.configure(
                connection, opts={'compare_type': True,
                                  'include_object': self._belongs_here})
            self.assertEqual([], autogenerate.compare_metadata(
                context, models.Base.metadata))

    def _belongs_here(self, item, name, kind, *others):
        return not (kind == 'index' and name.endswith('_lower')
                    and self.engine == database.MYSQL)

    def test_names_in_lower_case_have_an_index(self):
        # Not all reflection sees indexes over expressions.
        catalogs = {
            database.SQLITE: "SELECT name, tbl_name FROM sqlite_master",
            database.POSTGRESQL: "SELECT indexname, tablename FROM pg_indexes",
            database.MYSQL: "SELECT index_name, table_name FROM "
                            "information_schema.statistics "
                            "WHERE table_schema = DATABASE()"}
        migration.upgrade()
        found = {name for name, table in self.execute(
            catalogs[self.engine]) if name.endswith('_lower')}
        self.assertEqual(
            set() if self.engine == database.MYSQL else
            {'ix_audits_name_lower', 'ix_audit_templates_name_lower'}, found)

    def test_downgrade_to_the_baseline_and_back(self):
        migration.upgrade()
        before = describe(exact=True)
        migration.downgrade(backend.BASELINE)
        self.assertEqual(backend.BASELINE, migration.version())
        self.assertNotEqual(before, describe(exact=True))
        migration.upgrade()
        self.assertEqual(before, describe(exact=True))

    def test_downgrade_to_nothing_is_refused(self):
        migration.upgrade()
        for revision in (None, 'base'):
            error = self.assertRaises(db_exc.DBMigrationError,
                                      migration.downgrade, revision)
            self.assertIn(backend.BASELINE, str(error))
        self.assertEqual(HEAD, migration.version())

    def test_stamp(self):
        migration.stamp('head')
        self.assertEqual(HEAD, migration.version())
        migration.stamp(backend.BASELINE)
        self.assertEqual(backend.BASELINE, migration.version())
        for revision in (None, ''):
            self.assertRaises(db_exc.DBMigrationError, migration.stamp,
                              revision)
        self.assertEqual(backend.BASELINE, migration.version())

    def test_unknown_revision_is_named(self):
        for operation in (migration.upgrade, migration.downgrade,
                          migration.stamp):
            error = self.assertRaises(db_exc.DBMigrationError, operation,
                                      'abcdef')
            self.assertIn('abcdef', str(error))

    def test_older_revisions_need_the_previous_release(self):
        self.assertEqual(11, len(backend.OLDER_REVISIONS))
        self.execute('CREATE TABLE alembic_version '
                     '(version_num VARCHAR(32) NOT NULL)')
        self.execute("INSERT INTO alembic_version VALUES ('x')")
        for revision in backend.OLDER_REVISIONS:
            self.execute('UPDATE alembic_version SET version_num = :new',
                         new=revision)
            error = self.assertRaises(db_exc.DBMigrationError,
                                      migration.upgrade)
            self.assertIn(revision, str(error))
            self.assertIn('previous release first', str(error))
            self.assertRaises(db_exc.DBMigrationError, migration.stamp,
                              revision)
        self.assertEqual(backend.OLDER_REVISIONS[-1], migration.version())

    def test_tables_without_a_recorded_revision(self):
        migration.upgrade()
        self.execute('DELETE FROM alembic_version')
        error = self.assertRaises(db_exc.DBMigrationError, migration.upgrade)
        self.assertIn(f'stamp {backend.BASELINE}', str(error))

    def test_database_of_a_newer_release(self):
        self.execute('CREATE TABLE alembic_version '
                     '(version_num VARCHAR(32) NOT NULL)')
        self.execute("INSERT INTO alembic_version VALUES ('fedcba')")
        error = self.assertRaises(db_exc.DBMigrationError, migration.upgrade)
        self.assertIn('newer release', str(error))


class TestField(MigrationTest):
    """A database of the previous release is taken over in place."""

    shapes = (field_shapes.METADATA,)

    def _create(self, shape, unsound=False):
        # Each shape in a database of its own.
        self.useFixture(database.Database(self.engine, schema=False))
        with session.get_engine().begin() as connection:
            metadata = field_shapes.create(connection, shape, self.engine)
            field_shapes.fill(connection, metadata)
            if unsound:
                field_shapes.fill_unsound(connection, metadata)
        return metadata

    def _rows(self, metadata):
        """All rows of the columns that every shape has."""
        rows = {}
        with session.get_engine().connect() as connection:
            for name, table in metadata.tables.items():
                columns = [sa.column(column.name) for column in table.columns
                           if name != 'alembic_version' and not (
                               name == 'apscheduler_jobs' and column.name in
                               ('created_at', 'updated_at', 'deleted_at',
                                'deleted'))]
                if columns:
                    rows[name] = [
                        {key: str(value) if key == 'interval' and value
                         else value for key, value in row.items()}
                        for row in connection.execute(
                            sa.select(*columns).select_from(
                                sa.table(name)).order_by('id')).mappings()]
        return rows

    def test_both_shapes_end_the_same(self):
        migration.upgrade()
        fresh = describe(exact=True)
        for shape in self.shapes:
            self._create(shape)
            self.assertNotEqual(fresh, describe(exact=True), shape)
            self.assertEqual(backend.BASELINE, migration.version())
            migration.upgrade()
            self.assertEqual(HEAD, migration.version())
            self.assertEqual(fresh, describe(exact=True), shape)

    def test_no_row_changes(self):
        for shape in self.shapes:
            metadata = self._create(shape)
            before = self._rows(metadata)
            migration.upgrade()
            self.assertEqual(before, self._rows(metadata), shape)

    def test_interrupted_upgrade_can_be_repeated(self):
        for shape in self.shapes:
            metadata = self._create(shape, shape == field_shapes.MIGRATED)
            with mock.patch('alembic.op.create_index',
                            side_effect=KeyboardInterrupt):
                self.assertRaises(KeyboardInterrupt, migration.upgrade)
            migration.upgrade()
            once = self._rows(metadata)
            migration.downgrade(backend.BASELINE)
            migration.upgrade()
            self.assertEqual(once, self._rows(metadata))

    def test_job_columns_with_values_are_kept(self):
        self._create(field_shapes.METADATA)
        self.execute('UPDATE apscheduler_jobs SET deleted = 0')
        migration.upgrade()
        columns = describe()['apscheduler_jobs']['columns']
        self.assertIn('deleted', columns)
        self.assertNotIn('deleted_at', columns)
        # The services tolerate it.
        self.assertEqual(1, len(self.execute(
            'SELECT id FROM apscheduler_jobs')))

    def test_pickles_are_kept_and_never_loaded(self):
        for shape in self.shapes:
            self._create(shape)
            with mock.patch('pickle.loads') as loads, mock.patch(
                    'pickle.load') as load:
                migration.upgrade()
            loads.assert_not_called()
            load.assert_not_called()
            (state, tag, moment), = self.execute(
                'SELECT job_state, tag, next_run_time FROM apscheduler_jobs')
            self.assertEqual(field_shapes.PICKLE, bytes(state))
            self.assertEqual(
                '{"host": "h", "name": "watcher-decision-engine"}', tag)
            self.assertEqual(1767323045.25, moment)

    def _use(self):
        """What services do with the rows."""
        dbapi = db_api.get_instance()
        ctxt = context.make_context()
        audits = dbapi.get_audit_list(ctxt, eager=True)
        self.assertEqual('dummy', audits[0].goal.name)
        self.assertEqual('3600', str(audits[0].interval))
        template, = dbapi.get_audit_template_list(ctxt, eager=True)
        self.assertIsNone(template.default_parameters)
        self.assertEqual([3, 1.25], [
            row.value for row in dbapi.get_efficacy_indicator_list(ctxt)])
        self.assertEqual({'message': 'hé'}, dbapi.get_action_list(
            ctxt, filters={'action_plan_id': 1})[0].input_parameters)
        created = dbapi.create_audit(
            {'name': 'new', 'goal_id': 1, 'audit_type': 'CONTINUOUS',
             'interval': '60'})
        self.assertEqual('60', str(dbapi.get_audit_by_id(
            ctxt, created.id).interval))
        dbapi.update_audit(audits[0].id, {'state': 'SUCCEEDED'},
                           expected_state='ONGOING')
        row, is_new = dbapi.touch_service('watcher-decision-engine', 'h')
        self.assertEqual((1, False), (row.id, is_new))
        self._make_plan(ctxt)

    def _make_plan(self, ctxt):
        plan = objects.ActionPlan.create_with(
            ctxt, {'audit_id': 1, 'strategy_id': 1,
                   'explanation': {'summary': 'é'}},
            actions=[{'action_type': 'nop', 'explanation': {'reason': 'r'}}])
        action, = objects.Action.list(
            ctxt, filters={'action_plan_id': plan.id})
        found = (objects.ActionPlan.explanations([plan.id]),
                 objects.Action.explanations([action.id]))
        action.destroy()
        plan.destroy()
        if migration.version() == backend.BASELINE:
            self.assertEqual(({}, {}), found)
            return
        self.assertEqual(({plan.id: {'summary': 'é'}},
                          {action.id: {'reason': 'r'}}), found)
        self.assertEqual([(0,)], self.execute(
            'SELECT count(*) FROM explanations'))

    def test_reading_changes_nothing(self):
        dbapi = db_api.get_instance()
        ctxt = context.make_context(show_deleted=True)
        for shape in self.shapes:
            metadata = self._create(shape, shape == field_shapes.MIGRATED)
            before = self._rows(metadata)
            for entity in entities.ALL:
                listed = getattr(dbapi, f'get_{entity.name}_list')
                rows = listed(ctxt, eager=True)
                self.assertTrue(rows)
            for cls in objects.register_all():
                self.assertTrue(cls.list(ctxt, eager=True))
            self.assertEqual(before, self._rows(metadata))

    def test_services_run_on_the_shapes_as_they_are(self):
        for shape in self.shapes:
            self._create(shape)
            self._use()

    def test_services_run_after_the_upgrade(self):
        for shape in self.shapes:
            self._create(shape)
            migration.upgrade()
            self._use()


class TestUnsound(MigrationTest):
    """Rows that only the migrated shape lets in."""

    engine = database.MYSQL

    def setUp(self):
        super().setUp()
        with session.get_engine().begin() as connection:
            metadata = field_shapes.create(
                connection, field_shapes.MIGRATED, self.engine)
            field_shapes.fill(connection, metadata)
            field_shapes.fill_unsound(connection, metadata)

    def test_names_become_unique_without_losing_a_row(self):
        migration.upgrade()
        found = dict(tuple(row) for row in self.execute(
            'SELECT uuid, name FROM audits ORDER BY id'))
        self.assertEqual({
            'a1': 'weekly', 'a2': 'once', 'u3': 'audit-u3', 'u4': 'audit-u4',
            'u5': 'twin', 'u6': 'twin-6-6', 'u7': 'twin-7', 'u8': 'twin-6',
            'u9': 'n' * 63, 'u10': 'n' * 60 + '-10', 'u11': 'twin-11',
            'u12': 'twin'}, found)
        self.assertIn('renamed from "twin" to "twin-7"', self.logger.output)

    def test_nulls_are_filled(self):
        migration.upgrade()
        force = 'audits.force'
        if self.engine == database.MYSQL:
            force = 'audits.`force`'
        self.assertEqual([], self.execute(
            f'SELECT id FROM audits WHERE {force} IS NULL '
            'OR deleted IS NULL'))
        self.assertEqual([(1,)], [tuple(row) for row in self.execute(
            f"SELECT COUNT(*) FROM audits WHERE {force} AND uuid = 'a2'")])

    def test_cron_fits_afterwards(self):
        migration.upgrade()
        dbapi = db_api.get_instance()
        audit = dbapi.update_audit(1, {'interval': '*/5 * * * *'})
        self.assertEqual('*/5 * * * *', audit.interval)


class TestUnsoundPostgresql(TestUnsound):
    engine = database.POSTGRESQL


class TestSchemaMysql(TestSchema):
    engine = database.MYSQL


class TestSchemaPostgresql(TestSchema):
    engine = database.POSTGRESQL


class TestFieldMysql(TestField):
    engine = database.MYSQL
    shapes = (field_shapes.METADATA, field_shapes.MIGRATED)


class TestFieldPostgresql(TestField):
    engine = database.POSTGRESQL
    shapes = (field_shapes.METADATA, field_shapes.MIGRATED)


class TestSameEverywhere(base.TestCase):
    """The schema is the same on all engines, as far as they have words."""

    def _describe(self, engine):
        self.useFixture(database.Database(engine))
        return describe()

    def test_schema(self):
        self.maxDiff = None
        sqlite = self._describe(database.SQLITE)
        self.assertEqual(
            {table.name for table in models.Base.metadata.sorted_tables},
            set(sqlite))
        for engine in (database.MYSQL, database.POSTGRESQL):
            other = self._describe(engine)
            for table, description in sqlite.items():
                self.assertEqual(description, other[table],
                                 f'{table} on {engine}')
