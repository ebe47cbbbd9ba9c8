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

from watcher.tests.functional.cmd import base

TABLES = ('goals', 'strategies', 'scoring_engines')


class TestSync(base.CommandTestCase):

    def rows(self):
        connection = sqlite3.connect(self.database)
        self.addCleanup(connection.close)
        return {table: connection.execute(
            f'SELECT * FROM {table} ORDER BY id').fetchall()
            for table in TABLES}

    def test_schema_is_missing(self):
        self.assertFails(self.run_command('watcher-sync'),
                         'watcher-db-manage upgrade')

    def test_fills_the_tables_once(self):
        self.upgrade()
        result = self.run_command('watcher-sync')
        self.assertEnds(0, result)
        self.assertEqual('', result.stdout)
        self.assertIn('has started', result.stderr)
        self.assertIn('has finished', result.stderr)
        first = self.rows()
        for table in TABLES:
            self.assertNotEqual([], first[table])
        self.assertEnds(0, self.run_command('watcher-sync'))
        self.assertEqual(first, self.rows())
