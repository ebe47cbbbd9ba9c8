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
from unittest import mock

from oslo_db import exception as db_exc
from oslo_upgradecheck import upgradecheck

from watcher.cmd import status
from watcher.db import migration
from watcher.tests import base
from watcher.tests.fixtures import database


class TestMinimumNovaAPIVersion(base.TestCase):

    def check(self, value):
        self.config(group='nova', api_version=value)
        return status.Checks()._minimum_nova_api_version()

    def test_sufficient(self):
        for value in ('2.56', '2.57', '2.100', '3.0', 'latest'):
            result = self.check(value)
            self.assertIs(upgradecheck.Code.SUCCESS, result.code, value)
            self.assertIsNone(result.details)

    def test_too_old(self):
        for value in ('2.55', '2.6', '2.1', '1.100'):
            result = self.check(value)
            self.assertIs(upgradecheck.Code.FAILURE, result.code, value)
            self.assertIn(value, result.details)
            self.assertIn(status.MIN_NOVA_API_VERSION, result.details)

    def test_no_version(self):
        for value in ('newest', '2', '2.', '.56', '2.x', '', '2.5.6'):
            result = self.check(value)
            self.assertIs(upgradecheck.Code.FAILURE, result.code, value)
            self.assertIn(f'"{value}"', result.details)


class TestTables(base.TestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(database.Database(schema=False))

    def check(self):
        result = status.Checks()._tables_of_this_release()
        return result.code, result.details

    def test_upgraded(self):
        migration.upgrade()
        self.assertEqual((upgradecheck.Code.SUCCESS, None), self.check())

    def test_nothing_to_upgrade(self):
        self.assertEqual((upgradecheck.Code.SUCCESS, None), self.check())

    def test_not_upgraded(self):
        migration.upgrade('7d25c8e1a604')
        code, details = self.check()
        self.assertEqual(upgradecheck.Code.WARNING, code)
        for word in ('action_runs, audit_runs, audit_schedules, leases, '
                     'plan_runs, reasons',
                     'watcher-db-manage upgrade'):
            self.assertIn(word, details)

    def test_database_away(self):
        with mock.patch.object(migration, 'version',
                               side_effect=db_exc.DBConnectionError('no')):
            code, details = self.check()
        self.assertEqual(upgradecheck.Code.SUCCESS, code)
        self.assertIn('Not checked', details)
