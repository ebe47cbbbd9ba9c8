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
"""Which windows count for which plans."""

import datetime
from unittest import mock

import sqlalchemy as sa

from watcher import objects
from watcher.applier import hours
from watcher.common import exception
from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import session as db_session
from watcher.tests.unit.applier import window_case


class TermsTestCase(window_case.WindowTestCase):

    def closed(self, *plans):
        look = hours.Look([self.origin(plan) for plan in plans])
        return [look.closed(plan.id) for plan in plans]

    def origin(self, plan):
        return hours.Origin.of(objects.ActionPlan.get_by_uuid(
            self.context, plan.uuid, eager=True))

    def is_open(self, plan):
        return self.closed(plan) == [None]

    def automatic(self):
        return self.plan_of(self.make_audit(auto_trigger=True), {})


class TestTerms(TermsTestCase):

    def test_without_windows(self):
        self.assertEqual([None, None],
                         self.closed(self.make_plan({}), self.automatic()))

    def test_of_the_audit(self):
        plan = self.make_plan({})
        self.set_windows(window_case.NIGHT)
        self.assertEqual(
            [hours.Closed(datetime.datetime(2026, 6, 1, 22),
                          window_case.WAITS)], self.closed(plan))
        for time, is_open in (('21:59', False), ('22:00', True),
                              ('2026-06-02 05:59', True),
                              ('2026-06-02 06:00', False)):
            self.clock.set(time)
            self.assertEqual(is_open, self.is_open(plan), time)

    def test_in_the_zone_of_the_audit(self):
        plan = self.make_plan({})
        self.set_windows('21:00-23:00', time_zone='Asia/Tokyo')
        self.assertTrue(self.is_open(plan))
        self.clock.set('14:00')
        self.assertFalse(self.is_open(plan))

    def test_of_the_operator(self):
        by_hand, automatic = self.make_plan({}), self.automatic()
        self.operators(window_case.NIGHT)
        self.assertEqual([True, False],
                         [self.is_open(by_hand), self.is_open(automatic)])
        self.config(windows_bind='all')
        self.assertEqual([False, False],
                         [self.is_open(by_hand), self.is_open(automatic)])

    def test_what_is_made_of_an_automatic_plan_is_asked_for_by_hand(self):
        for kind in ('rollback', 'retry'):
            plan = self.plan_of(self.make_audit(kind, auto_trigger=True), {})
            objects.PlanRun.set(self.context, plan.id, kind=kind)
            self.operators(window_case.NIGHT)
            self.assertTrue(self.is_open(plan), kind)
            # But it is a plan of its audit.
            audit = objects.Audit.get_by_id(self.context, plan.audit_id)
            self.set_windows(window_case.NIGHT, audit=audit)
            self.assertFalse(self.is_open(plan), kind)

    def test_both_have_to_be_open(self):
        plan = self.automatic()
        self.operators('10:00-18:00')
        self.set_windows(
            '17:00-24:00', audit=objects.Audit.get_by_id(
                self.context, plan.audit_id))
        closed, = self.closed(plan)
        self.assertEqual(datetime.datetime(2026, 6, 1, 17), closed.opens)
        self.clock.set('19:00')
        closed, = self.closed(plan)
        self.assertEqual(datetime.datetime(2026, 6, 2, 17), closed.opens)

    def test_never_again(self):
        plan = self.make_plan({})
        self.set_windows('2026-05-01/2026-05-31')
        self.assertEqual([hours.Closed(
            None, 'Waits for its execution window, which never opens '
            'again.')], self.closed(plan))

    def test_one_that_nobody_understands(self):
        plan, other = self.make_plan({}), self.automatic()
        self.set_windows('from dusk till dawn')
        closed, fine = self.closed(plan, other)
        self.assertIsNone(fine)
        self.assertIsNone(closed.opens)
        self.assertIn('correct execution_windows', closed.message)

    def test_messages_fit(self):
        plan = self.make_plan({})
        for text in ('nonsense', '2026-05-01', window_case.NIGHT):
            self.set_windows(text)
            closed, = self.closed(plan)
            self.assertLess(len(closed.message_begun), 255)

    def test_a_mutable_option_counts_at_once(self):
        plan = self.automatic()
        look = hours.Hours()
        look.begin(objects.ActionPlan.get_by_uuid(
            self.context, plan.uuid, eager=True))
        self.assertIsNone(look.closed(plan.id))
        self.operators(window_case.NIGHT)
        self.assertIsNotNone(look.closed(plan.id))


class TestReading(TermsTestCase):
    """What it costs."""

    def count(self, function):
        statements = []
        engine = db_session.get_engine()

        def note(_connection, _cursor, statement, *_rest):
            statements.extend([statement] * ('FROM' in statement))
        sa.event.listen(engine, 'before_cursor_execute', note)
        try:
            function()
        finally:
            sa.event.remove(engine, 'before_cursor_execute', note)
        return len(statements)

    def test_nothing_for_no_plans(self):
        self.assertEqual(0, self.count(lambda: hours.read([])))
        self.assertEqual(0, self.count(hours.Hours().refresh))

    def test_two_queries_for_all_plans(self):
        origins = []
        for number in range(12):
            audit = self.make_audit(f'a{number}',
                                    auto_trigger=bool(number % 2))
            self.set_windows(window_case.NIGHT, audit=audit)
            origins.append(self.origin(self.plan_of(audit, {})))
            self.assertLessEqual(
                self.count(lambda: hours.read(origins)), 2)

    def test_plans_of_the_same_windows_are_judged_once(self):
        plans = [self.make_plan({}) for _number in range(5)]
        self.set_windows(window_case.NIGHT)
        with mock.patch.object(
                hours.Terms, 'closed', autospec=True,
                side_effect=hours.Terms.closed) as closed:
            found = self.closed(*plans)
        self.assertEqual(1, closed.call_count)
        self.assertEqual({window_case.WAITS},
                         {one.message for one in found})

    def test_nothing_while_actions_start(self):
        plan = objects.ActionPlan.get_by_uuid(
            self.context, self.make_plan({}).uuid, eager=True)
        known = hours.Hours()
        known.begin(plan)
        self.set_windows(window_case.NIGHT)
        self.assertEqual(0, self.count(lambda: known.closed(plan.id)))
        self.assertIsNone(known.closed(plan.id))
        known.refresh()
        self.assertIsNotNone(known.closed(plan.id))
        known.end(plan.id)
        self.assertIsNone(known.closed(plan.id))
        self.assertEqual(0, self.count(known.refresh))


class TestWithoutTheTable(window_case.WindowTestCase):

    def setUp(self):
        super().setUp()
        table = models.AuditSchedule.__table__
        table.drop(db_session.get_engine())
        # The next test may get the same database.
        self.addCleanup(lambda: table.create(db_session.get_engine()))

    def test_only_the_operator_is_heard(self):
        plan = self.plan_of(self.make_audit(auto_trigger=True),
                            {'parameters': {'number': 0}})
        self.operators(window_case.NIGHT)
        self.look()
        self.assertEqual(window_case.WAITS, self.message(plan))
        self.clock.set('23:00')
        self.look()
        self.wait_for_state(plan, 'SUCCEEDED')

    def test_other_tables_are_needed(self):
        with mock.patch.object(
                objects.ActionPlan.dbapi, 'missing_tables',
                return_value=['action_plan_runs', 'audit_schedules']):
            error = self.assertRaises(exception.DatabaseNotUpgraded,
                                      self.manager.pre_start)
        self.assertNotIn('audit_schedules', str(error))
