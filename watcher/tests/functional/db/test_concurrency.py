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
"""Real locks of real servers: deadlocks, races, broken connections."""

import threading

import sqlalchemy as sa
from oslo_db import exception as db_exc

from watcher import objects
from watcher.common import exception
from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import session
from watcher.tests.fixtures import database
from watcher.tests.unit.db import base


class ConcurrencyTestCase(base.DatabaseTestCase):

    def together(self, *functions):
        """Run functions in threads of their own; return their errors."""
        errors = []

        def guarded(function):
            try:
                function()
            except Exception as error:
                errors.append(error)
        threads = [threading.Thread(target=guarded, args=(function,))
                   for function in functions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        return errors


class TestDeadlockMysql(ConcurrencyTestCase):
    engine = database.MYSQL

    def test_real_deadlock_is_survived(self):
        self.config(group='database', db_retry_interval=1)
        one, two = (self.records.goal(name=name) for name in 'ab')
        met = threading.Barrier(2, timeout=30)
        runs = []

        def change(first, second):
            def work():
                runs.append(first)
                self.dbapi.update_goal(first, {'display_name': f'{first}'})
                if len(runs) <= 2:
                    # Both hold their first row now.
                    met.wait()
                self.dbapi.update_goal(second, {'display_name': f'{first}'})
            return lambda: self.dbapi.run_in_transaction(work)

        self.assertEqual([], self.together(change(one.id, two.id),
                                           change(two.id, one.id)))
        # One of them was chosen as the victim and started anew.
        self.assertEqual(3, len(runs))
        names = {row.display_name
                 for row in self.dbapi.get_goal_list(self.context)}
        self.assertEqual({str(runs[-1])}, names)

    def test_real_deadlock_inside_a_savepoint(self):
        self.config(group='database', db_retry_interval=1)
        one, two = (self.records.goal(name=name) for name in 'ab')
        met = threading.Barrier(2, timeout=30)
        runs = []

        def change(first, second):
            def work():
                runs.append(first)
                self.dbapi.update_goal(first, {'display_name': f'{first}'})
                if len(runs) <= 2:
                    met.wait()
                with session.undoable():
                    self.dbapi.update_goal(second,
                                           {'display_name': f'{first}'})
            return lambda: self.dbapi.run_in_transaction(work)

        self.assertEqual([], self.together(change(one.id, two.id),
                                           change(two.id, one.id)))
        self.assertEqual(3, len(runs))

    def test_lost_connections_are_replaced(self):
        self.records.goal(name='a')
        with session.get_engine().connect() as connection:
            connection.invalidate()
        self._end_all_connections()
        self.assertEqual(1, len(self.dbapi.get_goal_list(self.context)))
        self.records.goal(name='b')

    def _end_all_connections(self):
        engine = sa.create_engine(self.database.url,
                                  poolclass=sa.pool.NullPool,
                                  isolation_level='AUTOCOMMIT')
        with engine.connect() as connection:
            own = connection.exec_driver_sql(
                'SELECT CONNECTION_ID()').scalar()
            for ident in connection.exec_driver_sql(
                    'SELECT id FROM information_schema.processlist '
                    'WHERE db = DATABASE()').scalars().all():
                if ident != own:
                    connection.exec_driver_sql(f'KILL {ident}')


class TestDeadlockPostgresql(TestDeadlockMysql):
    engine = database.POSTGRESQL

    def _end_all_connections(self):
        engine = sa.create_engine(self.database.url,
                                  poolclass=sa.pool.NullPool,
                                  isolation_level='AUTOCOMMIT')
        with engine.connect() as connection:
            connection.exec_driver_sql(
                'SELECT pg_terminate_backend(pid) FROM pg_stat_activity '
                'WHERE datname = current_database() '
                'AND pid <> pg_backend_pid()')


class TestFrozenMysql(ConcurrencyTestCase):
    engine = database.MYSQL

    def test_locks_of_a_frozen_process_are_released(self):
        goal = self.records.goal(name='a')
        self.config(group='database', idle_transaction_timeout=1)
        others = sa.create_engine(self.database.url,
                                  poolclass=sa.pool.NullPool)
        session.prepare_engine(others)
        frozen = others.connect()
        self.addCleanup(frozen.invalidate)
        change = sa.update(models.Goal).values(display_name='frozen')
        frozen.execute(change)
        self.assertEqual([], self.together(lambda: self.dbapi.update_goal(
            goal.id, {'display_name': 'alive'})))
        self.assertRaises(sa.exc.DBAPIError, frozen.execute, change)
        self.assertEqual(['alive'], [
            row.display_name
            for row in self.dbapi.get_goal_list(self.context)])

    def test_first_connection_is_prepared(self):
        self.assertEqual(30, self._limit())

    def _limit(self):
        with session.get_engine().connect() as connection:
            return connection.exec_driver_sql(
                'SELECT @@idle_transaction_timeout').scalar()


class TestFrozenPostgresql(TestFrozenMysql):
    engine = database.POSTGRESQL

    def _limit(self):
        with session.get_engine().connect() as connection:
            return int(connection.exec_driver_sql(
                'SHOW idle_in_transaction_session_timeout'
            ).scalar().removesuffix('s'))


class TestRaces(ConcurrencyTestCase):

    def test_cancel_against_start(self):
        # Either the plan is started or it is cancelled, never both.
        for _number in range(10):
            plan = self.records.action_plan(state='PENDING')
            outcome = []

            def move(state, ident=plan.uuid, outcome=outcome):
                try:
                    self.dbapi.update_action_plan(
                        ident, {'state': state}, expected_state='PENDING')
                    outcome.append(state)
                except exception.StateConflict:
                    pass
            self.assertEqual([], self.together(
                lambda move=move: move('ONGOING'),
                lambda move=move: move('CANCELLED')))
            row = self.dbapi.get_action_plan_by_id(self.context, plan.id)
            self.assertEqual([row.state], outcome)

    def test_one_audit_for_each_name(self):
        goal = self.records.goal().id
        lost = []

        def create():
            try:
                self.records.audit(name='same', goal_id=goal)
            except exception.AuditAlreadyExists as error:
                lost.append(error)
        self.assertEqual([], self.together(*[create] * 6))
        self.assertEqual(5, len(lost))
        self.assertTrue(all("name 'same'" in str(error) for error in lost))

    def test_owner_is_claimed_once(self):
        audit = self.records.audit(audit_type='CONTINUOUS')
        owners = []

        def claim(number):
            try:
                self.dbapi.update_audit(
                    audit.id, {'hostname': f'host{number}'},
                    expected={'hostname': None})
                owners.append(f'host{number}')
            except exception.StateConflict:
                pass
        self.assertEqual([], self.together(
            *(lambda number=number: claim(number) for number in range(6))))
        row = self.dbapi.get_audit_by_id(self.context, audit.id)
        self.assertEqual([row.hostname], owners)


class TestRacesMysql(TestRaces):
    engine = database.MYSQL


class TestRacesPostgresql(TestRaces):
    engine = database.POSTGRESQL


class TestFence(ConcurrencyTestCase):
    """Nothing is written under a lease once another process has it."""

    name = 'applier:host'

    def setUp(self):
        super().setUp()
        audit, strategy = self.records.audit(), self.records.strategy()
        plan = objects.ActionPlan.create_with(
            self.context,
            {'audit_id': audit.id, 'strategy_id': strategy.id},
            actions=[{'action_type': 'nop'}] * 8)
        self.actions = objects.Action.list(
            self.context, filters={'action_plan_id': plan.id})
        self.fence = self.take('one')

    def take(self, owner):
        return objects.Lease.take(self.context, self.name, owner, 60)

    def started(self):
        return {action.id for action in objects.Action.list(
            self.context, filters={'state': 'ONGOING'})}

    def test_who_takes_the_lease_sees_what_was_written_under_it(self):
        begun = threading.Barrier(len(self.actions) + 1, timeout=60)
        seen = []

        def start(action):
            begun.wait()
            action.transition('ONGOING', fence=self.fence)

        def take():
            begun.wait()
            self.take('two')
            seen.append(self.started())

        errors = self.together(take, *(
            lambda action=action: start(action) for action in self.actions))
        self.assertEqual({exception.LeaseLost} if errors else set(),
                         set(map(type, errors)))
        self.assertEqual([self.started()], seen)
        self.assertEqual(len(self.actions) - len(errors), len(seen[0]))

    def test_several_processes_take_one_lease(self):
        tokens = []
        errors = self.together(*(
            lambda number=number: tokens.append(
                self.take(f'process {number}').token)
            for number in range(8)))
        self.assertEqual([], errors)
        self.assertEqual(list(range(2, 10)), sorted(tokens))

    def test_one_of_several_seizes_a_new_lease(self):
        got = []
        errors = self.together(*(
            lambda number=number: got.append(objects.Lease.seize(
                self.context, 'applier:new', f'process {number}', 60))
            for number in range(8)))
        self.assertEqual([], errors)
        self.assertEqual(7, got.count(None))

    def test_runs_are_stored_by_several_at_once(self):
        ident = self.actions[0].id
        errors = self.together(*(
            lambda name=name: objects.ActionRun.set(
                self.context, ident, fence=self.fence, **{name: 1})
            for name in ('attempts', 'progress', 'remote', 'before')))
        self.assertEqual([], errors)
        run = objects.ActionRun.get(self.context, ident)
        self.assertEqual((1, 1, 1, 1), (run.attempts, run.progress,
                                        run.remote, run.before))

    def test_one_at_a_time(self):
        inside = []

        def work():
            with self.dbapi.transaction():
                objects.Lease.serialize(self.context, 'slots')
                inside.append('in')
                list(objects.Lease.known(self.context, ''))
                inside.append('out')
        objects.Lease.serialize(self.context, 'slots')
        self.assertEqual([], self.together(*[work] * 6))
        self.assertEqual(['in', 'out'] * 6, inside)


class _LockedRows:
    """With locks of single rows."""

    def test_the_row_is_locked_until_the_commit(self):
        row = (sa.select(models.Lease.token)
               .where(models.Lease.name == self.name)
               .with_for_update(nowait=True))
        with session.get_engine().connect() as other:
            with self.dbapi.transaction():
                self.actions[0].transition('ONGOING', fence=self.fence)
                self.assertRaises((db_exc.DBError, sa.exc.DBAPIError),
                                  other.execute, row)
                other.rollback()
            self.assertEqual(1, other.scalar(row))


class TestFenceMysql(_LockedRows, TestFence):
    engine = database.MYSQL


class TestFencePostgresql(_LockedRows, TestFence):
    engine = database.POSTGRESQL
