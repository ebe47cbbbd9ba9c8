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
"""The whole of what status messages say in short."""

import sqlalchemy as sa

from watcher import objects
from watcher.common import context as watcher_context
from watcher.common import exception
from watcher.common import reasons
from watcher.db import purge
from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import session
from watcher.objects import reason
from watcher.tests.unit.db import base

Code = reasons.Code

LONG = 'x' * 300
WHY = reasons.Reason('Too much of it', Code.ACTION_FAILED, error='Odd',
                     host='é', nothing=None)


class ReasonTestCase(base.DatabaseTestCase):

    def setUp(self):
        super().setUp()
        self.context = watcher_context.make_context(is_admin=True)
        audit, strategy = self.records.audit(), self.records.strategy()
        self.audit = objects.Audit.get(self.context, audit.id)
        self.plan = objects.ActionPlan.create_with(
            self.context, {'audit_id': audit.id, 'strategy_id': strategy.id},
            actions=[{'action_type': 'nop'}] * 3)
        self.actions = objects.Action.list(
            self.context, filters={'action_plan_id': self.plan.id})
        self.action = self.actions[0]

    def told(self, obj):
        obj.refresh()
        return reason.of_messages(
            obj.entity, {obj.id: obj.status_message}).get(obj.id)

    def assert_told(self, expected, obj):
        found = self.told(obj)
        self.assertEqual((str(expected), expected.code, expected.data),
                         (str(found), found.code, found.data))

    def rows(self):
        with session.get_engine().connect() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(
                models.Reason))


class TestReasons(ReasonTestCase):

    def test_of_every_kind(self):
        for obj in (self.audit, self.plan, self.action):
            obj.status_message = WHY
            obj.save()
            self.assertEqual(str(WHY), obj.status_message)
            self.assert_told(WHY, obj)
        self.assertEqual(3, self.rows())

    def test_of_a_new_object(self):
        action = objects.Action(
            self.context, action_plan_id=self.plan.id, action_type='nop',
            status_message=WHY)
        action.create()
        self.assert_told(WHY, action)

    def test_with_a_transition(self):
        self.action.transition('CANCELLED', status_message=WHY)
        self.assert_told(WHY, self.action)

    def test_with_a_swap(self):
        self.plan.swap({'state': 'RECOMMENDED'}, status_message=WHY)
        self.assert_told(WHY, self.plan)

    def test_not_if_the_row_is_not_as_expected(self):
        self.assertRaises(exception.StateConflict, self.plan.swap,
                          {'state': 'ONGOING'}, status_message=WHY)
        self.assertEqual(0, self.rows())

    def test_long_text_is_kept_whole(self):
        self.action.status_message = LONG
        self.action.save()
        self.assertEqual(255, len(self.action.status_message))
        self.assert_told(reasons.Reason(LONG), self.action)

    def test_long_reason_without_nul(self):
        self.action.status_message = reasons.Reason(
            'a\x00' + LONG, Code.PARENT_FAILED)
        self.action.save()
        self.assert_told(reasons.Reason('a' + LONG, Code.PARENT_FAILED),
                         self.action)

    def test_text_that_says_all_is_not_stored_twice(self):
        self.action.status_message = 'short'
        with self.statements() as sent:
            self.action.save()
        self.assertEqual([], [sql for sql in sent if 'reasons' in sql])
        self.assert_told(reasons.Reason('short'), self.action)

    def test_replaced_by_another(self):
        other = reasons.Reason('Other', Code.DEADLINE_EXCEEDED, seconds=3)
        for why in (WHY, other):
            self.action.status_message = why
            self.action.save()
        self.assert_told(other, self.action)
        self.assertEqual(1, self.rows())

    def test_not_that_of_an_earlier_message(self):
        for text in ('plain', LONG[:255]):
            self.action.status_message = WHY
            self.action.save()
            self.action.status_message = text
            self.action.save()
            self.assert_told(reasons.Reason(text), self.action)

    def test_nothing_is_said(self):
        self.action.status_message = WHY
        self.action.save()
        self.action.status_message = None
        self.action.save()
        self.assertIsNone(self.told(self.action))

    def test_rolled_back_with_the_message(self):
        def fail():
            self.action.swap({}, status_message=WHY)
            raise RuntimeError

        self.assertRaises(RuntimeError,
                          self.action.dbapi.run_in_transaction, fail)
        self.assertEqual(0, self.rows())

    def test_gone_with_its_owner(self):
        for obj in (self.action, self.actions[1]):
            obj.status_message = WHY
            obj.save()
        self.action.destroy()
        self.assertEqual(1, self.rows())
        self.plan.soft_delete()
        purge.PurgeCommand(assume_yes=True, out=lambda text: None).execute()
        self.assertEqual(0, self.rows())


class TestMany(ReasonTestCase):

    def test_of_all_actions_of_a_plan(self):
        self.action.status_message = 'before'
        self.action.save()
        with self.statements() as sent:
            changed = self.plan.transition_actions(
                'CANCELLED', expected='PENDING', status_message=WHY)
        self.assertEqual(3, len(changed))
        for action in changed:
            self.assert_told(WHY, action)
        self.assertEqual(1, len([sql for sql in sent if 'reasons' in sql]),
                         sent)

    def test_more_than_a_statement_takes(self):
        self.plan.create_actions([{'action_type': 'nop'}] * 1100)
        changed = self.plan.transition_actions(
            'CANCELLED', expected='PENDING', status_message=WHY)
        found = reason.of_messages('action', {
            action.id: action.status_message for action in changed})
        self.assertEqual([Code.ACTION_FAILED] * 1103,
                         [why.code for why in found.values()])

    def test_read_with_one_statement(self):
        for action in self.actions[:2]:
            action.status_message = WHY
            action.save()
        with self.statements() as sent:
            found = reason.of_messages('action', {
                action.id: action.status_message
                for action in self.actions})
        self.assertEqual(1, len(sent), sent)
        self.assertEqual({action.id: WHY for action in self.actions[:2]},
                         found)


class TestWithoutTheTable(ReasonTestCase):
    """A database that is not upgraded yet."""

    def setUp(self):
        super().setUp()
        # Tests after this one use the same database.
        self.addCleanup(self._change, 'create')
        self._change('drop')

    def _change(self, how):
        with session.get_engine().begin() as connection:
            getattr(models.Reason.__table__, how)(connection)

    def test_messages_are_stored_and_read(self):
        self.action.transition('CANCELLED', status_message=WHY)
        self.assert_told(reasons.Reason(str(WHY)), self.action)
        self.plan.status_message = LONG
        self.plan.save()
        self.assert_told(reasons.Reason(self.plan.status_message), self.plan)

    def test_in_a_larger_transaction(self):
        self.plan.dbapi.run_in_transaction(
            lambda: [action.swap({}, status_message=WHY)
                     for action in self.actions])
        for action in self.actions:
            action.refresh()
            self.assertEqual(str(WHY), action.status_message)

    def test_the_table_is_named(self):
        self.assertEqual(['reasons'], self.plan.dbapi.missing_tables())
