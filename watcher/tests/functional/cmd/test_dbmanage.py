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
import sqlite3

from watcher.db.sqlalchemy import migration
from watcher.tests.functional.cmd import base


class DBManageTestCase(base.CommandTestCase):

    def manage(self, *arguments, **kwargs):
        return self.run_command('watcher-db-manage', *arguments, **kwargs)

    def version(self):
        result = self.manage('version')
        self.assertEnds(0, result)
        return result.stdout

    def query(self, statement, *values):
        connection = sqlite3.connect(self.database)
        try:
            with connection:
                return connection.execute(statement, values).fetchall()
        finally:
            connection.close()

    def tables(self):
        return {name for (name,) in self.query(
            "SELECT name FROM sqlite_master WHERE type = 'table'")}


class TestSchema(DBManageTestCase):

    def test_version_of_an_empty_database(self):
        self.assertEqual('None\n', self.version())

    def test_bare_call_upgrades(self):
        result = self.manage()
        self.assertEnds(0, result)
        self.assertEqual('', result.stdout)
        self.assertIn('audits', self.tables())
        head = self.version().strip()
        self.assertNotEqual('None', head)
        # and again, at head
        self.assertEnds(0, self.manage('upgrade'))
        self.assertEnds(0, self.manage('upgrade', '--revision'))
        self.assertEqual(head, self.version().strip())

    def test_upgrade_to_a_revision(self):
        self.assertEnds(0, self.manage('upgrade', '--revision',
                                       migration.BASELINE))
        self.assertEqual(migration.BASELINE, self.version().strip())

    def test_upgrade_to_an_unknown_revision(self):
        self.assertFails(self.manage('upgrade', '--revision', 'xyz'), 'xyz')

    def test_database_of_an_unknown_revision(self):
        self.upgrade()
        self.query("UPDATE alembic_version SET version_num = 'future'")
        self.assertFails(self.manage('upgrade'), 'future')

    def test_downgrade_has_to_be_named(self):
        self.upgrade()
        for arguments in ((), ('--revision', 'base')):
            self.assertFails(self.manage('downgrade', *arguments),
                             'revision')
        self.assertIn('audits', self.tables())

    def test_stamp(self):
        self.assertEnds(0, self.manage('stamp', migration.BASELINE))
        self.assertEqual(migration.BASELINE, self.version().strip())
        self.assertNotIn('audits', self.tables())

    def test_stamp_has_to_be_named(self):
        self.upgrade()
        recorded = self.query('SELECT version_num FROM alembic_version')
        self.assertFails(self.manage('stamp'), 'REV', code=2)
        self.assertEqual(recorded, self.query(
            'SELECT version_num FROM alembic_version'))

    def test_create_schema(self):
        self.assertEnds(0, self.manage('create_schema'))
        self.assertIn('audits', self.tables())
        self.assertNotEqual('None\n', self.version())
        self.assertFails(self.manage('create_schema'), 'already')

    def test_wrong_arguments(self):
        for arguments in (('upgrade', 'head'), ('upgarde',)):
            self.assertFails(self.manage(*arguments), 'usage:', code=2)


class TestPurge(DBManageTestCase):

    def setUp(self):
        super().setUp()
        self.upgrade()
        for number, deleted in ((1, '2020-01-01'), (2, '2999-01-01'),
                                (3, None)):
            self.query(
                'INSERT INTO goals (id, uuid, name, display_name, '
                'efficacy_specification, deleted, deleted_at) '
                "VALUES (?, ?, ?, 'Goal', '[]', ?, ?)",
                number, f'00000000-0000-0000-0000-00000000000{number}',
                f'goal{number}', number if deleted else 0,
                deleted and f'{deleted} 00:00:00.000000')

    def goals(self):
        return [name for (name,) in self.query(
            'SELECT name FROM goals ORDER BY id')]

    def purge(self, *arguments, **kwargs):
        return self.manage('purge', *arguments, **kwargs)

    def test_yes(self):
        result = self.purge('-d', '1', stdin='TRUE\n')
        self.assertEnds(0, result)
        self.assertEqual(['goal2', 'goal3'], self.goals())
        self.assertIn('Audit Templates', result.stdout)

    def test_everything_else_is_no(self):
        for answer in ('', 'maybe'):
            self.assertEnds(0, self.purge(stdin=f'{answer}\n'))
        self.assertEqual(3, len(self.goals()))

    def test_end_of_input(self):
        result = self.purge()
        self.assertEnds(1, result)
        self.assertIn('--assume-yes', result.stdout)
        self.assertNotIn('Traceback', result.stderr)
        self.assertEqual(3, len(self.goals()))

    def test_assume_yes(self):
        self.assertEnds(0, self.purge('--assume-yes'))
        self.assertEqual(['goal3'], self.goals())

    def test_dry_run(self):
        result = self.purge('--dry-run')
        self.assertEnds(0, result)
        self.assertIn('Goals', result.stdout)
        self.assertEqual(3, len(self.goals()))

    def test_limit(self):
        self.assertEnds(0, self.purge('-n', '1', stdin='n\n'))
        self.assertEqual(3, len(self.goals()))
        self.assertEnds(0, self.purge('-n', '1', stdin='y\ny\n'))
        self.assertEqual(2, len(self.goals()))

    def test_goal(self):
        self.assertEnds(0, self.purge('-t', 'goal2', '--yes'))
        self.assertEqual(['goal1', 'goal3'], self.goals())

    def test_errors(self):
        for arguments, words in ((('-n', '-1'), 'negative'),
                                 (('-t', 'goal9'), 'goal9'),
                                 (('-t', 'goal3'), 'not soft deleted')):
            result = self.purge(*arguments, '--yes')
            self.assertEnds(1, result)
            self.assertIn(words, result.stdout)
            self.assertNotIn('Traceback', result.stderr)
        self.assertEqual(3, len(self.goals()))

    def test_values_may_be_left_out(self):
        self.assertEnds(0, self.purge('-d', '-n', '-t', '-e', '--yes'))
        self.assertEqual(['goal3'], self.goals())

    def test_wrong_value(self):
        self.assertFails(self.purge('-d', 'old'), 'usage:', code=2)
