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

import sqlalchemy as sa

from watcher import objects
from watcher.common import context as watcher_context
from watcher.db import purge
from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import session
from watcher.tests.unit.db import base

WHY = {'summary': 'it is best', 'measures': []}


class ExplanationTestCase(base.DatabaseTestCase):

    def setUp(self):
        super().setUp()
        self.context = watcher_context.make_context(is_admin=True)
        audit, strategy = self.records.audit(), self.records.strategy()
        self.fields = {'audit_id': audit.id, 'strategy_id': strategy.id}

    def create(self, explanation=WHY, reasons=({'reason': 'x'}, None)):
        plan = objects.ActionPlan.create_with(
            self.context, {**self.fields, 'explanation': explanation},
            actions=[{'action_type': 'nop', 'explanation': reason}
                     for reason in reasons])
        actions = objects.Action.list(
            self.context, filters={'action_plan_id': plan.id})
        return plan, actions

    def rows(self):
        with session.get_engine().connect() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(
                models.Explanation))


class TestExplanations(ExplanationTestCase):

    def test_stored_and_read(self):
        plan, (first, second) = self.create()
        self.assertEqual({plan.id: WHY},
                         objects.ActionPlan.explanations([plan.id, 77]))
        self.assertEqual({first.id: {'reason': 'x'}},
                         objects.Action.explanations([first.id, second.id]))

    def test_plan_without(self):
        plan, actions = self.create(explanation=None, reasons=[None])
        self.assertEqual({}, objects.ActionPlan.explanations([plan.id]))
        self.assertEqual(0, self.rows())

    def test_actions_of_many(self):
        count = 1100
        plan, actions = self.create(
            reasons=[{'reason': str(n)} for n in range(count)])
        found = objects.Action.explanations(
            action.id for action in actions)
        self.assertEqual(
            [str(n) for n in range(count)],
            [found[action.id]['reason'] for action in actions])

    def test_few_statements(self):
        self.create()
        with self.statements() as sent:
            self.create(reasons=[{'reason': str(n)} for n in range(100)])
        self.assertEqual(2, len([sql for sql in sent
                                 if 'explanations' in sql]), sent)

    def test_rolled_back_with_the_plan(self):
        with mock.patch.object(
                objects.ActionPlan.dbapi, 'bulk_create_actions',
                side_effect=RuntimeError):
            self.assertRaises(RuntimeError, self.create)
        self.assertEqual(0, self.rows())

    def test_gone_with_what_it_explains(self):
        plan, actions = self.create()
        actions[0].destroy()
        self.assertEqual({}, objects.Action.explanations([actions[0].id]))
        actions[1].destroy()
        plan.destroy()
        self.assertEqual(0, self.rows())

    def test_purged(self):
        plan, _actions = self.create()
        plan.soft_delete()
        self.assertEqual(2, self.rows())
        purge.PurgeCommand(assume_yes=True, out=lambda text: None).execute()
        self.assertEqual(0, self.rows())


class TestWithoutTheTable(ExplanationTestCase):
    """A database that is not upgraded yet."""

    def setUp(self):
        super().setUp()
        with session.get_engine().begin() as connection:
            models.Explanation.__table__.drop(connection)

    def test_plans_are_made_without(self):
        with self.assertLogs(
                'watcher.db.sqlalchemy.explanations', 'WARNING') as logs:
            plan, actions = self.create()
        self.assertIn('watcher-db-manage upgrade', logs.output[0])
        self.assertEqual(2, len(actions))
        self.assertEqual({}, objects.ActionPlan.explanations([plan.id]))
        self.assertEqual({}, objects.Action.explanations([actions[0].id]))

    def test_used_as_soon_as_it_is_there(self):
        self.create()
        with session.get_engine().begin() as connection:
            models.Explanation.__table__.create(connection)
        plan, _actions = self.create()
        self.assertEqual({plan.id: WHY},
                         objects.ActionPlan.explanations([plan.id]))
