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
"""Transactions: one per thread, announced after the commit, retried."""

import sqlite3
import threading

import fixtures
import sqlalchemy as sa
from oslo_db import exception as db_exc

from watcher.common import exception
from watcher.db.sqlalchemy import api
from watcher.db.sqlalchemy import session
from watcher.tests import base as tests_base
from watcher.tests.unit.db import base


class TestTransaction(base.DatabaseTestCase):

    def _goals(self):
        return [goal.name for goal in self.dbapi.get_goal_list(self.context)]

    def test_outermost_block_commits(self):
        with self.dbapi.transaction():
            with self.dbapi.transaction():
                self.records.goal(name='a')
            self.records.goal(name='b')
            self.assertTrue(self.dbapi.in_transaction())
        self.assertFalse(self.dbapi.in_transaction())
        self.assertEqual(['a', 'b'], self._goals())

    def test_exception_undoes_everything(self):
        def fail():
            with self.dbapi.transaction():
                self.records.goal(name='a')
                self.dbapi.update_goal(1, {'display_name': 'x'})
                raise KeyError('stop')
        self.assertRaises(KeyError, fail)
        self.assertEqual([], self._goals())
        self.assertFalse(self.dbapi.in_transaction())

    def test_reads_inside_see_the_changes(self):
        with self.dbapi.transaction():
            goal = self.records.goal(name='a')
            self.dbapi.update_goal(goal.id, {'display_name': 'new'})
            found = self.dbapi.get_goal_by_id(self.context, goal.id)
            self.assertEqual('new', found.display_name)

    def test_other_threads_are_not_in_it(self):
        seen = []
        with self.dbapi.transaction():
            thread = threading.Thread(
                target=lambda: seen.append(self.dbapi.in_transaction()))
            thread.start()
            thread.join()
        self.assertEqual([False], seen)

    def test_callbacks_come_after_the_commit_in_order(self):
        told = []
        with self.dbapi.transaction():
            self.dbapi.after_commit(lambda: told.append('a'))
            with self.dbapi.transaction():
                self.dbapi.after_commit(lambda: told.append('b'))
            self.assertEqual([], told)
            self.dbapi.after_commit(
                lambda: told.append(self.dbapi.in_transaction()))
        self.assertEqual(['a', 'b', False], told)

    def test_callback_without_a_transaction_comes_at_once(self):
        told = []
        self.dbapi.after_commit(lambda: told.append('now'))
        self.assertEqual(['now'], told)

    def test_rollback_drops_the_callbacks(self):
        told = []

        def fail():
            with self.dbapi.transaction():
                self.dbapi.after_commit(lambda: told.append('never'))
                raise KeyError('stop')
        self.assertRaises(KeyError, fail)
        with self.dbapi.transaction():
            pass
        self.assertEqual([], told)

    def test_failing_callback_does_not_hurt(self):
        told = []
        with self.dbapi.transaction():
            self.dbapi.after_commit(lambda: 1 / 0)
            self.dbapi.after_commit(lambda: told.append('still'))
        self.assertEqual(['still'], told)
        self.assertIn('ZeroDivisionError', self.logger.output)

    def test_refused_insert_inside_keeps_the_rest(self):
        with self.dbapi.transaction():
            self.records.goal(name='a')
            self.assertRaises(exception.GoalAlreadyExists,
                              self.records.goal, name='a')
            self.records.goal(name='b')
        self.assertEqual(['a', 'b'], self._goals())

    def test_swallowed_deadlock_is_not_committed(self):
        def swallow():
            with self.dbapi.transaction():
                self.records.goal(name='a')
                try:
                    with self.dbapi.transaction():
                        raise self.deadlock()
                except db_exc.DBDeadlock:
                    self.records.goal(name='b')
        self.assertRaises(db_exc.DBDeadlock, swallow)
        self.assertEqual([], self._goals())


class TestRetry(base.DatabaseTestCase):

    def setUp(self):
        super().setUp()
        self.config(group='database', db_retry_interval=0)

    def test_every_public_write_is_retried(self):
        names = [name for name in dir(api.Connection)
                 if name.startswith(('create_', 'update_', 'soft_delete_',
                                     'destroy_', 'bulk_'))]
        self.assertLess(40, len(names))
        self.assertEqual([], [
            name for name in names
            if not getattr(getattr(api.Connection, name), 'is_write', False)])

    def test_create_goes_on_after_deadlocks(self):
        for where in ('INSERT', 'COMMIT'):
            with self.deadlocks(2, where) as failures:
                self.records.goal(name=where)
            self.assertEqual(2, len(failures))
            self.assertEqual(where, self.dbapi.get_goal_by_name(
                self.context, where).name)

    def test_update_goes_on_after_deadlocks(self):
        audit = self.records.audit()
        for number, where in enumerate(('UPDATE', 'COMMIT')):
            with self.deadlocks(2, where) as failures:
                self.dbapi.update_audit(audit.uuid,
                                        {'hostname': f'host{number}'})
            self.assertEqual(2, len(failures))
            self.assertEqual(f'host{number}', self.dbapi.get_audit_by_id(
                self.context, audit.id).hostname)

    def test_swap_is_not_lost_by_a_failed_commit(self):
        audit = self.records.audit()
        with self.deadlocks(3):
            row = self.dbapi.update_audit(audit.uuid, {'state': 'ONGOING'},
                                          expected_state='PENDING')
        self.assertEqual('ONGOING', row.state)

    def test_soft_delete_and_destroy_go_on(self):
        goal = self.records.goal()
        with self.deadlocks(1, 'UPDATE') as failures:
            self.dbapi.soft_delete_goal(goal.uuid)
        with self.deadlocks(1, 'DELETE') as more:
            self.dbapi.destroy_goal(goal.uuid)
        self.assertEqual(2, len(failures + more))
        self.assertEqual([], self.dbapi.get_goal_list(self.all_context))

    def test_only_the_outermost_transaction_is_repeated(self):
        runs = []

        def work():
            runs.append(1)
            self.records.goal(name='a')
            self.records.goal(name='b')
        with self.deadlocks(1):
            self.dbapi.run_in_transaction(work)
        self.assertEqual(2, len(runs))
        self.assertEqual(2, len(self.dbapi.get_goal_list(self.context)))

    def test_gives_up_in_the_end(self):
        self.config(group='database', db_max_retries=3)
        with self.deadlocks(10) as failures:
            self.assertRaises(db_exc.DBDeadlock, self.records.goal)
        self.assertEqual(4, len(failures))

    def test_a_row_that_changed_after_the_first_look_is_read_again(self):
        # What MariaDB says from 11.6 on where others wait or go on.
        runs = []

        def work():
            runs.append(1)
            if len(runs) < 2:
                raise db_exc.DBError(sa.exc.OperationalError(
                    'UPDATE', {}, Exception(1020, 'Record has changed')))
        self.dbapi.run_in_transaction(work)
        self.assertEqual(2, len(runs))

    def test_other_errors_are_raised_at_once(self):
        runs = []

        def work():
            runs.append(1)
            raise db_exc.DBError('disk full')
        self.assertRaises(db_exc.DBError, self.dbapi.run_in_transaction,
                          work)
        self.assertEqual(1, len(runs))

    def test_lost_connection_is_retried_if_asked_for(self):
        runs = []

        def work():
            runs.append(1)
            if len(runs) < 2:
                raise db_exc.DBConnectionError('gone')
        self.assertRaises(db_exc.DBConnectionError,
                          self.dbapi.run_in_transaction, work)
        self.config(group='database', use_db_reconnect=True)
        runs.clear()
        self.dbapi.run_in_transaction(work)
        self.assertEqual(2, len(runs))


class TestSqlite(base.DatabaseTestCase):
    """Three processes share one file."""

    def _pragma(self, name):
        with session.get_engine().connect() as connection:
            return connection.exec_driver_sql(f'PRAGMA {name}').scalar()

    def test_settings(self):
        self.assertEqual('wal', self._pragma('journal_mode'))
        self.assertEqual(session.SQLITE_BUSY_TIMEOUT,
                         self._pragma('busy_timeout'))
        self.assertEqual(1, self._pragma('foreign_keys'))

    def test_synchronous_unless_switched_off(self):
        self.config(group='database', sqlite_synchronous=True)
        session.reset()
        self.assertEqual(1, self._pragma('synchronous'))
        self.config(group='database', sqlite_synchronous=False)
        session.reset()
        self.assertEqual(0, self._pragma('synchronous'))

    def test_writers_queue_instead_of_failing(self):
        # Reading first and writing then is what WAL mode refuses at once if
        # another writer was faster, however long the timeout.
        goal = self.records.goal(display_name='0')
        failures = []

        def count_up():
            def step():
                row = self.dbapi.get_goal_by_id(self.context, goal.id)
                self.dbapi.update_goal(
                    goal.id, {'display_name': str(int(row.display_name) + 1)})
            try:
                for _number in range(25):
                    self.dbapi.run_in_transaction(step)
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=count_up) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([], failures)
        self.assertEqual('100', self.dbapi.get_goal_by_id(
            self.context, goal.id).display_name)

    def test_kept_lock_is_an_error_in_the_end(self):
        self.useFixture(fixtures.MockPatchObject(
            session, 'SQLITE_BUSY_TIMEOUT', 50))
        other = sqlite3.connect(session.get_engine().url.database)
        self.addCleanup(other.close)
        other.execute('BEGIN IMMEDIATE')
        error = self.assertRaises(db_exc.DBError, self.records.goal)
        self.assertIn('locked', str(error))
        other.rollback()
        self.records.goal()

    def test_reading_goes_on_while_another_process_writes(self):
        self.records.goal(name='a')
        other = sqlite3.connect(session.get_engine().url.database)
        self.addCleanup(other.close)
        other.execute('BEGIN IMMEDIATE')
        other.execute("UPDATE goals SET name = 'b'")
        self.assertEqual(['a'], [
            goal.name for goal in self.dbapi.get_goal_list(self.context)])


class TestConnectionParameters(tests_base.TestCase):

    def test_mysql_speaks_four_byte_utf8(self):
        for url, parameters, expected in (
                ('mysql+pymysql://u:p@h/d', '', 'charset=utf8mb4'),
                ('mysql+pymysql://u:p@h/d', 'a=b', 'a=b&charset=utf8mb4'),
                ('mysql+pymysql://u:p@h/d?charset=utf8', '', None),
                ('mysql+pymysql://u:p@h/d', 'charset=utf8', 'charset=utf8'),
                ('postgresql://u:p@h/d', '', None),
                ('sqlite://', 'a=b', 'a=b')):
            self.config(group='database', connection=url,
                        connection_parameters=parameters)
            self.assertEqual(expected, session._connection_parameters())
