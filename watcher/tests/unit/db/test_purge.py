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
"""What the purge removes, keeps, asks and reports."""

import datetime
import io
from unittest import mock

import fixtures
import sqlalchemy as sa
from oslo_db import exception as db_exc
from oslo_utils import timeutils

from watcher.common import exception
from watcher.db import purge
from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import session
from watcher.tests.unit.db import base

MODELS = {kind: description.model
          for kind, description in purge.KINDS.items()}


class PurgeTestCase(base.DatabaseTestCase):

    def tree(self, name, **dead):
        """One row of each kind below a goal.

        :param dead: kind -> days since its soft deletion
        """
        goal = self.records.goal(name=name)
        strategy = self.records.strategy(name=name, goal_id=goal.id)
        own = {'goal_id': goal.id, 'strategy_id': strategy.id, 'name': name}
        template = self.records.audit_template(**own)
        audit = self.records.audit(**own)
        plan = self.records.action_plan(audit_id=audit.id,
                                        strategy_id=strategy.id)
        action = self.records.action(action_plan_id=plan.id)
        self.records.efficacy_indicator(action_plan_id=plan.id)
        rows = {'goal': goal, 'strategy': strategy,
                'audit_template': template, 'audit': audit,
                'action_plan': plan, 'action': action}
        for kind, days in dead.items():
            self.kill(kind, rows[kind], days)
        return rows

    def all_dead(self, name, days):
        return self.tree(name, **dict.fromkeys(purge.KINDS, days))

    def kill(self, kind, row, days):
        getattr(self.dbapi, f'soft_delete_{kind}')(row.id)
        self.age(kind, row, days, 'deleted_at')

    def age(self, kind, row, days, *columns):
        moment = timeutils.utcnow() - datetime.timedelta(days=days)
        with session.get_engine().begin() as connection:
            connection.execute(
                sa.update(MODELS[kind]).where(MODELS[kind].id == row.id)
                .values(dict.fromkeys(columns, moment)))

    def left(self, rows):
        """Kinds of the rows that are still there."""
        with session.get_engine().connect() as connection:
            return [kind for kind, model in MODELS.items()
                    if connection.execute(sa.select(model.id).where(
                        model.id == rows[kind].id)).first()]

    def count(self):
        total = 0
        with session.get_engine().connect() as connection:
            for model in (*MODELS.values(), models.EfficacyIndicator):
                total += connection.execute(sa.select(
                    sa.func.count()).select_from(model)).scalar()
        return total

    def purge(self, **kwargs):
        kwargs.setdefault('assume_yes', True)
        kwargs.setdefault('out', lambda text: None)
        return purge.PurgeCommand(**kwargs).execute()


class TestSelection(PurgeTestCase):

    def test_soft_deleted_rows_go_living_ones_stay(self):
        dead = self.all_dead('dead', 1)
        alive = self.tree('alive')
        removed = self.purge()
        self.assertEqual(dict.fromkeys(purge.KINDS, 1), removed)
        self.assertEqual([], self.left(dead))
        self.assertEqual(list(purge.KINDS), self.left(alive))
        # The indicator went with its plan, without being counted.
        self.assertEqual(7, self.count())

    def test_age(self):
        old = self.all_dead('old', 11)
        young = self.all_dead('young', 9)
        self.purge(age_in_days=10)
        self.assertEqual([], self.left(old))
        self.assertEqual(list(purge.KINDS), self.left(young))

    def test_age_is_compared_in_utc(self):
        self.useFixture(fixtures.EnvironmentVariable('TZ', 'Pacific/Apia'))
        just_young = self.all_dead('young', 0.95)
        just_old = self.all_dead('old', 1.05)
        self.purge(age_in_days=1)
        self.assertEqual([], self.left(just_old))
        self.assertEqual(list(purge.KINDS), self.left(just_young))

    def test_no_age_means_all(self):
        for days in (None, 0):
            rows = self.all_dead(f'x{days}', 0.001)
            self.purge(age_in_days=days)
            self.assertEqual([], self.left(rows))

    def test_what_belongs_to_an_old_row_goes_whatever_its_age(self):
        rows = self.tree('x', goal=20, strategy=1, audit_template=1, audit=1,
                         action_plan=1, action=1)
        self.purge(age_in_days=10)
        self.assertEqual([], self.left(rows))

    def test_old_row_stays_while_a_living_one_needs_it(self):
        rows = self.tree('x', goal=20, strategy=20, audit_template=20,
                         audit=20)
        self.purge(age_in_days=10, exclude_orphans=True)
        self.assertEqual(['goal', 'strategy', 'audit', 'action_plan',
                          'action'], self.left(rows))
        self.assertIn('3 objects are kept', self.logger.output)

    def test_plans_that_are_worked_on_stay(self):
        for state in ('PENDING', 'ONGOING', 'CANCELLING'):
            busy = self.tree(state, audit=20)
            self.dbapi.update_action_plan(busy['action_plan'].id,
                                          {'state': state})
            self.purge()
            self.assertEqual(list(purge.KINDS), self.left(busy))
            self.dbapi.update_action_plan(busy['action_plan'].id,
                                          {'state': 'SUCCEEDED'})
            self.purge()
            self.assertEqual(['goal', 'strategy', 'audit_template'],
                             self.left(busy))

    def test_young_relatives_of_a_kept_row_stay(self):
        rows = self.tree('x', audit=20)
        young = self.records.action_plan(
            audit_id=rows['audit'].id, strategy_id=rows['strategy'].id)
        self.kill('action_plan', young, 1)
        self.assertEqual(0, sum(self.purge(
            age_in_days=10, exclude_orphans=True).values()))
        self.assertEqual(2, len(self.dbapi.get_action_plan_list(
            self.all_context)))

    def test_orphans(self):
        rows = self.tree('x', goal=20)
        self.assertEqual(0, sum(self.purge(exclude_orphans=True).values()))
        self.assertEqual(6, sum(self.purge().values()))
        self.assertEqual([], self.left(rows))

    def test_orphans_of_a_strategy(self):
        rows = self.tree('x', strategy=20)
        self.purge()
        self.assertEqual(['goal'], self.left(rows))

    def test_orphans_of_an_audit_and_a_plan(self):
        rows = self.tree('x', audit=20)
        other = self.tree('y', action_plan=20)
        self.purge()
        self.assertEqual(['goal', 'strategy', 'audit_template'],
                         self.left(rows))
        self.assertEqual(['goal', 'strategy', 'audit_template', 'audit'],
                         self.left(other))

    def test_orphan_of_a_young_parent_stays(self):
        # The audit was deleted a minute ago, its plan is old but alive.
        rows = self.tree('x', audit=0.001)
        self.age('action_plan', rows['action_plan'], 99, 'created_at')
        self.purge(age_in_days=10)
        self.assertEqual(list(purge.KINDS), self.left(rows))

    def test_goal(self):
        wanted = self.all_dead('wanted', 20)
        other = self.all_dead('other', 20)
        orphaned = self.tree('orphaned', audit=20)
        self.purge(goal='WANTED')
        self.assertEqual([], self.left(wanted))
        self.assertEqual(list(purge.KINDS), self.left(other))
        self.assertEqual(list(purge.KINDS), self.left(orphaned))
        self.purge(goal=other['goal'].uuid)
        self.assertEqual([], self.left(other))

    def test_orphans_of_a_goal(self):
        rows = self.tree('x', goal=20)
        self.purge(goal='x')
        self.assertEqual([], self.left(rows))

    def test_wrong_goals(self):
        self.tree('alive')
        self.assertRaises(exception.GoalNotFound, self.purge, goal='nobody')
        self.assertRaises(exception.GoalNotFound, self.purge,
                          goal='11111111-1111-4111-8111-111111111111')
        self.assertRaises(exception.NotSoftDeletedStateError, self.purge,
                          goal='alive')

    def test_goals_that_need_each_other(self):
        # Each plan belongs to an audit of one goal, and to a strategy of the
        # other.
        one, two = self.all_dead('one', 5), self.all_dead('two', 5)
        for audit, strategy in ((one, two), (two, one)):
            plan = self.records.action_plan(
                audit_id=audit['audit'].id,
                strategy_id=strategy['strategy'].id)
            self.kill('action_plan', plan, 5)
        self.assertEqual(14, sum(self.purge().values()))

    def test_other_kinds_are_never_removed(self):
        engine = self.records.scoring_engine()
        self.dbapi.soft_delete_scoring_engine(engine.id)
        service = self.records.service()
        self.dbapi.soft_delete_service(service.id)
        self.purge()
        self.assertEqual(1, len(self.dbapi.get_scoring_engine_list(
            self.all_context)))
        self.assertEqual(1, len(self.dbapi.get_service_list(
            self.all_context)))


class TestLimit(PurgeTestCase):

    def test_negative(self):
        self.assertRaises(exception.NegativeLimitError, self.purge,
                          max_number=-1)

    def test_enough(self):
        rows = self.all_dead('x', 5)
        self.purge(max_number=6)
        self.assertEqual([], self.left(rows))

    def test_whole_groups_in_order(self):
        trees = [self.all_dead(name, 5) for name in 'abc']
        self.purge(max_number=13)
        self.assertEqual([[], [], list(purge.KINDS)],
                         [self.left(tree) for tree in trees])

    def test_first_group_that_does_not_fit_ends_it(self):
        large = self.all_dead('a', 5)
        small = self.records.goal(name='b')
        self.kill('goal', small, 5)
        self.assertEqual(0, sum(self.purge(max_number=5).values()))
        self.assertEqual(list(purge.KINDS), self.left(large))

    def test_rows_without_a_removed_goal_count_too(self):
        rows = self.tree('x', audit=5)
        other = self.tree('y', audit=5)
        self.assertEqual(3, sum(self.purge(max_number=4).values()))
        self.assertEqual(['goal', 'strategy', 'audit_template'],
                         self.left(rows))
        self.assertEqual(list(purge.KINDS), self.left(other))

    def test_zero(self):
        rows = self.all_dead('x', 5)
        self.purge(max_number=0)
        self.assertEqual(list(purge.KINDS), self.left(rows))


class TestDialogue(PurgeTestCase):

    def setUp(self):
        super().setUp()
        self.rows = self.all_dead('x', 5)
        self.told = []

    def run_purge(self, *answers, **kwargs):
        kwargs.setdefault('out', self.told.append)
        with mock.patch('builtins.input',
                        side_effect=answers or [EOFError]) as asked:
            purge.PurgeCommand(**kwargs).execute()
        return asked.call_count

    def test_yes(self):
        for answer in ('y', 'YES', 'true', 't', '1', 'on'):
            rows = self.all_dead(f'goal {answer}', 5)
            self.assertEqual(1, self.run_purge(answer))
            self.assertEqual([], self.left(rows))

    def test_no(self):
        for answer in ('n', '', 'later', '0'):
            self.run_purge(answer)
            self.assertEqual(list(purge.KINDS), self.left(self.rows))
            self.assertIn('may include orphans', ' '.join(self.told))

    def test_dry_run_asks_nothing(self):
        for limit in (None, 3):
            self.assertEqual(0, self.run_purge(dry_run=True,
                                               max_number=limit))
        self.assertEqual(list(purge.KINDS), self.left(self.rows))
        self.assertIn('may include orphans', ' '.join(self.told))
        self.told.clear()
        self.run_purge(dry_run=True, exclude_orphans=True)
        self.assertIn('orphans excluded', ' '.join(self.told))

    def test_assume_yes_asks_nothing(self):
        self.assertEqual(0, self.run_purge(assume_yes=True, max_number=3))
        self.assertEqual(0, self.run_purge(assume_yes=True))
        self.assertEqual([], self.left(self.rows))

    def test_over_the_limit_asks_first(self):
        self.assertEqual(1, self.run_purge('n', max_number=3))
        other = self.all_dead('other', 5)
        self.assertEqual(2, self.run_purge('y', 'y', max_number=7))
        self.assertEqual([], self.left(self.rows))
        self.assertEqual(list(purge.KINDS), self.left(other))

    def test_nobody_answers(self):
        error = self.assertRaises(exception.WatcherException, self.run_purge)
        self.assertIn('--assume-yes', str(error))
        self.assertEqual(list(purge.KINDS), self.left(self.rows))

    def test_report(self):
        self.run_purge(assume_yes=True)
        self.assertEqual('Removed objects:', self.told[0])
        lines = self.told[1].splitlines()
        self.assertEqual(
            ['Goals', 'Strategies', 'Audit Templates', 'Audits',
             'Action Plans', 'Actions', 'Total'],
            [cell.strip() for cell in lines[1].strip('|').split('|')])
        self.assertEqual(
            list('1111116'),
            [cell.strip() for cell in lines[3].strip('|').split('|')])
        self.assertEqual(1, len({len(line) for line in lines}))

    def test_function_prints(self):
        with mock.patch('sys.stdout', io.StringIO()) as stdout:
            purge.purge(dry_run=True)
        self.assertIn('Audit Templates', stdout.getvalue())
        self.assertIn('dry run', self.logger.output)


class TestExecution(PurgeTestCase):

    def test_one_transaction_for_each_group(self):
        for name in 'ab':
            self.all_dead(name, 5)
        with self.statements() as sent:
            self.purge()
        # Six kinds and the indicators, for each of the two goals.
        self.assertEqual(14, sum(line.startswith('DELETE')
                                 for line in sent))

    def test_error_is_reported_with_what_is_gone(self):
        trees = [self.all_dead(name, 5) for name in 'ab']
        told = []
        real = purge._remove

        def fail_second(group):
            if group[0] == ('goal', trees[1]['goal'].id):
                raise db_exc.DBError('disk full')
            return real(group)

        with mock.patch.object(purge, '_remove', fail_second):
            self.assertRaises(db_exc.DBError, self.purge, out=told.append)
        self.assertEqual([], self.left(trees[0]))
        self.assertEqual(list(purge.KINDS), self.left(trees[1]))
        self.assertIn(' 6 ', told[-1])

    def test_row_added_meanwhile_keeps_its_group(self):
        one, two = (self.all_dead(name, 5) for name in 'ab')
        command = purge.PurgeCommand(assume_yes=True,
                                     out=lambda text: None)
        groups = command.select()
        self.records.action(action_plan_id=one['action_plan'].id)
        with mock.patch.object(command, 'select', return_value=groups):
            removed = command.execute()
        self.assertEqual(6, sum(removed.values()))
        self.assertEqual(list(purge.KINDS), self.left(one))
        self.assertEqual([], self.left(two))
        self.assertIn('something new', self.logger.output)

    def test_deadlock_repeats_the_group(self):
        self.config(group='database', db_retry_interval=0)
        rows = self.all_dead('x', 5)
        with self.deadlocks(2, 'DELETE'):
            removed = self.purge()
        self.assertEqual(6, sum(removed.values()))
        self.assertEqual([], self.left(rows))

    def test_actions_of_living_plans_are_not_even_read(self):
        self.tree('alive')
        with self.statements():
            selection = purge.Selection()
            selection.find()
        self.assertNotIn('action', {kind for kind, _ in selection.rows})

    def test_many_rows(self):
        rows = self.all_dead('x', 5)
        created = self.dbapi.bulk_create_actions(
            [{'action_plan_id': rows['action_plan'].id,
              'action_type': 'nop'}] * 1500)
        self.assertEqual(1506, sum(self.purge().values()))
        self.assertEqual(1500, len(created))
        self.assertEqual(0, self.count())
