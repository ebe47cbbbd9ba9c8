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
import fixtures
from oslo_config import cfg
from oslo_db import exception as db_exc
from oslo_log import log

from watcher import objects
from watcher.cmd import common
from watcher.common import exception
from watcher.common import service
from watcher.tests import base
from watcher.tests.fixtures import database


class TestExplainedFailures(base.TestCase):

    def setUp(self):
        super().setUp()
        # Options of the command line must be there before it is read.
        self.conf.conf.reset()
        log.register_options(self.conf.conf)
        self.conf.conf([], default_config_files=[], default_config_dirs=[])
        self.useFixture(fixtures.MonkeyPatch(
            'sys.argv', ['/usr/bin/watcher-thing']))

    def failing(self, error):
        with common.explained_failures():
            raise error

    def explained(self, error):
        exit_ = self.assertRaises(SystemExit, self.failing, error)
        text = exit_.code
        self.assertTrue(text.startswith('watcher-thing: '), text)
        self.assertEqual(1, len(text.splitlines()))
        return text

    def test_what_operators_can_mend(self):
        for error, words in (
                (db_exc.DBNonExistentTable('goals'), 'upgrade'),
                (db_exc.DBConnectionError('no route\nmore'), 'no route'),
                (service.FatalError('port in use'), 'port in use'),
                (exception.GoalNotFound(goal='x'), 'Goal x'),
                (cfg.RequiredOptError('auth_url'), 'auth_url')):
            self.assertIn(words, self.explained(error))

    def test_bugs_keep_their_traceback(self):
        self.assertRaises(KeyError, self.failing, KeyError('x'))

    def test_the_log_file_tells_it_too(self):
        self.config(log_file='/some/file')
        self.explained(service.FatalError('port in use'))
        self.assertIn('port in use', self.logger.output)


class Manager:
    service_name = 'watcher-applier'


class TestCreateService(base.TestCase):

    def test_heartbeat_reaches_the_database(self):
        self.useFixture(database.Database())
        self.config(host='here')
        made = common.create_service(Manager, self.conf.conf)
        made._heartbeat(made.name, made.host)
        made._heartbeat(made.name, made.host)
        rows = objects.Service.list(common.context.admin_context())
        self.assertEqual([('watcher-applier', 'here')],
                         [(row.name, row.host) for row in rows])
        self.assertIsNotNone(rows[0].last_seen_up)
