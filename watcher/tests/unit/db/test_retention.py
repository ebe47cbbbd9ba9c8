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
"""What is removed because it is old, and what stays."""

import collections
import datetime

import sqlalchemy as sa
from oslo_db import exception as db_exc

from watcher.db import retention
from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import session
from watcher.tests.unit.db import base

NOW = datetime.datetime(2026, 3, 1)


def days_ago(days):
    return NOW - datetime.timedelta(days=days)


class TestRetention(base.DatabaseTestCase):

    def age(self, row, days, column='updated_at'):
        model = type(row)
        with session.get_engine().begin() as connection:
            connection.execute(sa.update(model).where(model.id == row.id)
                               .values({column: days_ago(days)}))

    def audit(self, days, state='SUCCEEDED', **values):
        row = self.records.audit(state=state, **values)
        self.age(row, days)
        return row

    def plan(self, days, state='SUCCEEDED', actions=1, **values):
        row = self.records.action_plan(state=state, **values)
        for _number in range(actions):
            self.records.action(action_plan_id=row.id)
        self.records.efficacy_indicator(action_plan_id=row.id)
        self.age(row, days)
        return row

    def finished(self, plan, days, **values):
        """Note when a plan really ended."""
        self.dbapi.set_run('action_plan', plan.id, {
            'finished_at': days_ago(days), **values})

    def remove(self, ended=10, **strategies):
        removed = collections.Counter()
        for counts in retention.remove(retention.Limits(
                days_ago(10), days_ago(ended),
                {name: days_ago(days)
                 for name, days in strategies.items()})):
            removed.update(counts)
        return {table: count for table, count in removed.items() if count}

    def is_there(self, row):
        model = type(row)
        with session.get_engine().connect() as connection:
            return connection.execute(sa.select(model.id).where(
                model.id == row.id)).first() is not None

    def count(self, model):
        with session.get_engine().connect() as connection:
            return connection.scalar(
                sa.select(sa.func.count()).select_from(model))

    def test_nothing_old(self):
        plan = self.plan(9)
        self.assertEqual({}, self.remove())
        self.assertTrue(self.is_there(plan))

    def test_a_plan_goes_with_all_that_belongs_to_it(self):
        plan = self.plan(11, actions=0)
        action = self.records.action(action_plan_id=plan.id)
        self.finished(plan, 11, measured={'a': 1})
        self.dbapi.set_run('action', action.id, {'attempts': 1})
        self.dbapi.create_explanations('action_plan', {plan.id: {'a': 1}})
        self.dbapi.create_explanations('action', {action.id: {'a': 1}})
        audit = self.dbapi.get_audit_by_id(self.context, plan.audit_id)
        self.age(audit, 11)
        self.dbapi.set_run('audit', audit.id, {'failures': 1})
        self.assertEqual(
            {'action_plans': 1, 'actions': 1, 'efficacy_indicators': 1},
            self.remove())
        for model in (models.PlanRun, models.ActionRun, models.Explanation):
            self.assertEqual(0, self.count(model), model)
        # Its audit waits for its first run.
        self.assertTrue(self.is_there(audit))
        self.assertEqual(1, self.count(models.AuditRun))

    def test_plans_that_are_not_over(self):
        plans = [self.plan(99, state) for state in (
            'RECOMMENDED', 'PENDING', 'ONGOING', 'CANCELLING')]
        self.assertEqual({}, self.remove())
        self.assertTrue(all(map(self.is_there, plans)))

    def test_plans_that_are_over(self):
        for state in ('SUCCEEDED', 'FAILED', 'CANCELLED', 'SUPERSEDED'):
            self.plan(11, state)
        self.assertEqual(4, self.remove()['action_plans'])

    def test_the_end_of_a_plan_counts(self):
        old, young = self.plan(1), self.plan(99)
        self.finished(old, 11)
        self.finished(young, 9)
        self.remove()
        self.assertFalse(self.is_there(old))
        self.assertTrue(self.is_there(young))

    def test_what_can_be_undone_stays(self):
        rows = {}
        for name in ('dummy', 'host_maintenance'):
            strategy = self.records.strategy(name=name)
            rows[name] = [self.plan(days, strategy_id=strategy.id)
                          for days in (11, 16, 31)]
        self.remove(ended=15, host_maintenance=30)
        self.assertEqual([True, False, False],
                         list(map(self.is_there, rows['dummy'])))
        self.assertEqual([True, True, False],
                         list(map(self.is_there, rows['host_maintenance'])))

    def test_a_plan_that_is_being_undone_stays(self):
        plan, rollback = self.plan(11), self.plan(11, 'ONGOING')
        self.finished(rollback, 0, kind='rollback', source_plan_id=plan.id)
        self.assertEqual({}, self.remove())
        self.dbapi.update_action_plan(rollback.id, {'state': 'SUCCEEDED'})
        self.remove()
        self.assertFalse(self.is_there(plan))
        # The rollback is younger.
        self.assertTrue(self.is_there(rollback))

    def test_plans_of_a_running_audit_go(self):
        audit = self.audit(0, 'ONGOING', audit_type='CONTINUOUS')
        plans = [self.plan(days, audit_id=audit.id) for days in (11, 9)]
        self.remove()
        self.assertEqual([False, True], list(map(self.is_there, plans)))
        self.assertTrue(self.is_there(audit))

    def test_audits(self):
        for kind, state, goes in (
                ('ONESHOT', 'SUCCEEDED', True), ('ONESHOT', 'FAILED', True),
                ('ONESHOT', 'CANCELLED', True), ('ONESHOT', 'PENDING', False),
                ('ONESHOT', 'ONGOING', False),
                ('CONTINUOUS', 'SUCCEEDED', True),
                ('CONTINUOUS', 'CANCELLED', True),
                ('CONTINUOUS', 'ONGOING', False),
                ('CONTINUOUS', 'SUSPENDED', False),
                ('EVENT', 'SUCCEEDED', False), ('EVENT', 'PENDING', False),
                ('EVENT', 'FAILED', True), ('EVENT', 'CANCELLED', True)):
            audit = self.audit(11, state, audit_type=kind)
            self.remove()
            self.assertEqual(goes, not self.is_there(audit), (kind, state))

    def test_an_audit_stays_while_a_plan_does(self):
        audit = self.audit(11)
        plan = self.plan(9, audit_id=audit.id)
        self.assertEqual({}, self.remove())
        self.age(plan, 11)
        self.assertEqual(1, self.remove()['audits'])

    def test_soft_deleted_rows(self):
        rows = []
        for days in (11, 9):
            strategy = self.records.strategy()
            own = {'strategy_id': strategy.id, 'goal_id': strategy.goal_id}
            plan = self.plan(days, 'RECOMMENDED', strategy_id=strategy.id)
            found = {
                'goal': self.dbapi.get_goal_by_id(self.context,
                                                  strategy.goal_id),
                'strategy': strategy, 'action_plan': plan,
                'action': self.records.action(
                    action_plan_id=self.plan(0).id),
                'audit': self.records.audit(
                    audit_type='EVENT', state='SUCCEEDED', **own),
                'audit_template': self.records.audit_template(**own),
                'scoring_engine': self.records.scoring_engine(),
                'service': self.records.service()}
            for kind, row in found.items():
                getattr(self.dbapi, f'soft_delete_{kind}')(row.id)
                self.age(row, days, 'deleted_at')
            rows.append(found)
        self.remove()
        old, young = rows
        self.assertEqual([], [kind for kind, row in old.items()
                              if self.is_there(row)])
        self.assertEqual([], [kind for kind, row in young.items()
                              if not self.is_there(row)])

    def test_what_others_refer_to_stays(self):
        strategy = self.records.strategy()
        goal = self.dbapi.get_goal_by_id(self.context, strategy.goal_id)
        for kind, row in (('goal', goal), ('strategy', strategy)):
            getattr(self.dbapi, f'soft_delete_{kind}')(row.id)
            self.age(row, 99, 'deleted_at')
        self.records.audit(goal_id=goal.id, strategy_id=strategy.id)
        self.assertEqual({}, self.remove())

    def test_transactions_are_small(self):
        self.patch(retention, 'ROWS', 6)
        audit = self.records.audit()
        for actions in (1, 2, 9, 0, 2, 2, 2):
            self.plan(11, actions=actions, audit_id=audit.id)
        steps = [counts for counts in retention.remove(
            retention.Limits(days_ago(10), days_ago(10)))
            if 'action_plans' in counts]
        self.assertEqual(7, sum(c['action_plans'] for c in steps))
        self.assertEqual([3, 9, 2, 2, 2], [c['actions'] for c in steps])

    def test_the_cost_does_not_grow_with_what_stays(self):
        for _number in range(20):
            self.plan(9)
        with self.statements() as few:
            self.remove()
        for _number in range(20):
            self.plan(9)
        with self.statements() as many:
            self.remove()
        self.assertEqual(len(few), len(many))

    def test_a_new_reference_keeps_one_row_only(self):
        rows = [self.audit(11) for _number in range(3)]
        found = retention._remove_batch

        def later(remove_these, idents):
            # Somebody stores a plan between the search and the removal.
            if rows[1].id in idents and not plans:
                plans.append(self.records.action_plan(
                    audit_id=rows[1].id, strategy_id=rows[1].strategy_id))
            return found(remove_these, idents)

        plans = []
        self.patch(retention, '_remove_batch', later)
        self.assertEqual({'audits': 2}, self.remove())
        self.assertEqual([False, True, False],
                         list(map(self.is_there, rows)))

    def test_a_broken_database_is_no_reference(self):
        self.plan(11)

        def fail(*_args):
            raise db_exc.DBConnectionError()

        self.patch(retention, '_remove_these_plans', fail)
        self.assertRaises(db_exc.DBConnectionError, self.remove)
