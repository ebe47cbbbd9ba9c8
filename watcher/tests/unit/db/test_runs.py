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

import datetime
from unittest import mock

from watcher import objects
from watcher.common import exception
from watcher.db import purge
from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import runs
from watcher.db.sqlalchemy import session
from watcher.tests.unit.db import base

MOMENT = datetime.datetime(2026, 5, 4, 3, 2, 1, 123456, datetime.UTC)


class RunTestCase(base.DatabaseTestCase):

    def setUp(self):
        super().setUp()
        audit, strategy = self.records.audit(), self.records.strategy()
        self.audit = audit
        self.fields = {'audit_id': audit.id, 'strategy_id': strategy.id}
        self.plan = self.make_plan(actions=[
            {'action_type': 'nop', 'needs': {'wish': 'must_succeed'}},
            {'action_type': 'nop'}])
        self.first, self.second = objects.Action.list(
            self.context, filters={'action_plan_id': self.plan.id})

    def make_plan(self, actions=(), **fields):
        return objects.ActionPlan.create_with(
            self.context, {'state': 'PENDING', **self.fields, **fields},
            actions=actions)


class TestRuns(RunTestCase):

    def test_nothing_is_known_before(self):
        self.assertIsNone(objects.PlanRun.get(self.context, self.plan.id))
        self.assertEqual({}, objects.PlanRun.of_plans([self.plan.id, 99]))
        self.assertEqual([], objects.PlanRun.made_from(
            self.context, self.plan.id))

    def test_wishes_of_planners_are_stored_with_the_actions(self):
        runs = objects.ActionRun.of_actions([self.first.id, self.second.id])
        self.assertEqual([self.first.id], list(runs))
        self.assertEqual(({'wish': 'must_succeed'}, 0, None), (
            runs[self.first.id].needs, runs[self.first.id].attempts,
            runs[self.first.id].started_at))

    def test_what_is_not_given_stays(self):
        objects.ActionRun.set(self.context, self.first.id, attempts=1,
                              started_at=MOMENT, remote={'id': 'é'},
                              progress=12.5)
        objects.ActionRun.set(self.context, self.first.id, progress=50)
        objects.ActionRun.set(self.context, self.first.id)
        run = objects.ActionRun.get(self.context, self.first.id)
        self.assertEqual(
            (1, MOMENT, {'id': 'é'}, 50.0, {'wish': 'must_succeed'}, None),
            (run.attempts, run.started_at, run.remote, run.progress,
             run.needs, run.inverse))

    def test_naive_dates_are_utc(self):
        objects.PlanRun.set(self.context, self.plan.id,
                            finished_at=MOMENT.replace(tzinfo=None))
        self.assertEqual(MOMENT, objects.PlanRun.get(
            self.context, self.plan.id).finished_at)

    def test_any_json_is_kept(self):
        for value in ([], {}, 0, False, 'text', [{'a': None}], None):
            objects.PlanRun.set(self.context, self.plan.id, measured=value)
            self.assertEqual(value, objects.PlanRun.get(
                self.context, self.plan.id).measured)

    def test_progress_costs_one_statement(self):
        objects.ActionRun.set(self.context, self.first.id, progress=1)
        with self.statements() as sent:
            objects.ActionRun.set(self.context, self.first.id, progress=2)
        self.assertEqual(1, len(sent), sent)

    def test_what_was_made_from_a_plan(self):
        undo = self.make_plan()
        objects.PlanRun.set(self.context, undo.id, kind='rollback',
                            source_plan_id=self.plan.id)
        run, = objects.PlanRun.made_from(self.context, self.plan.id)
        self.assertEqual((undo.id, 'rollback', False),
                         (run.action_plan_id, run.kind, run.paused))

    def test_paused_plans(self):
        waiting, running = self.make_plan(), self.make_plan(state='ONGOING')
        for plan in (waiting, running):
            objects.PlanRun.set(self.context, plan.id, paused=True)
        objects.PlanRun.set(self.context, self.plan.id, paused=False)
        self.assertEqual([waiting.id], objects.PlanRun.paused_plans(
            self.context, 'PENDING'))

    def ended(self, minutes, state='SUCCEEDED', **values):
        """A plan that ran and ended so many minutes after the moment."""
        plan = self.make_plan(state=state)
        objects.PlanRun.set(self.context, plan.id, **{
            'started_at': MOMENT,
            'finished_at': MOMENT + datetime.timedelta(minutes=minutes),
            **values})
        return plan

    def unmeasured(self, since, until, limit=9):
        return objects.PlanRun.unmeasured(
            self.context, *(MOMENT + datetime.timedelta(minutes=minutes)
                            for minutes in (since, until)), limit=limit)

    def test_plans_to_measure(self):
        late = self.ended(5, 'CANCELLED')
        early = self.ended(3, 'FAILED')
        again = self.ended(4, kind='retry')
        for others in ({'measured_at': MOMENT}, {'kind': 'rollback'},
                       {'started_at': None}, {'state': 'ONGOING'}):
            self.ended(4, **others)
        self.ended(4).soft_delete()
        self.assertEqual([early.id, again.id, late.id],
                         list(self.unmeasured(1, 9)))
        self.assertEqual(
            {again.id: MOMENT + datetime.timedelta(minutes=4)},
            self.unmeasured(4, 4))
        self.assertEqual([early.id], list(self.unmeasured(1, 9, limit=1)))
        self.assertEqual({}, self.unmeasured(6, 9))

    def test_only_recent_runs_are_looked_at(self):
        plans = [self.ended(4) for _number in range(3)]
        with mock.patch.object(runs, '_RECENT', 2):
            self.assertEqual([plan.id for plan in plans[1:]],
                             list(self.unmeasured(1, 9)))

    def test_when_a_plan_ended_is_not_recorded(self):
        plan = self.ended(3, finished_at=None)
        plan.status_message = 'cancelled, its applier is gone'
        plan.save()
        [(ident, ended)] = objects.PlanRun.unmeasured(
            self.context, MOMENT, MOMENT.replace(year=2999), limit=9).items()
        self.assertEqual((plan.id, datetime.UTC), (ident, ended.tzinfo))

    def test_plans_that_began_since(self):
        plan = self.ended(3)
        self.assertEqual([], objects.PlanRun.started_since(
            self.context, MOMENT))
        self.assertEqual([plan.id], objects.PlanRun.started_since(
            self.context, MOMENT - datetime.timedelta(minutes=1)))

    def test_plans_that_ended_since(self):
        early, late = self.ended(3), self.ended(5, 'CANCELLED')
        for others in ({'started_at': None}, {'state': 'ONGOING'}):
            self.ended(5, **others)
        self.ended(5).soft_delete()

        def since(minutes):
            return MOMENT + datetime.timedelta(minutes=minutes)
        self.assertEqual(
            [(late.id, late.uuid, since(5)), (early.id, early.uuid,
                                              since(3))],
            objects.PlanRun.ended_since(self.context, since(3)))
        self.assertEqual(
            [late.id], [found[0] for found in objects.PlanRun.ended_since(
                self.context, since(4))])

    def test_unknown_fields_and_owners(self):
        for name in ('nothing', 'id', 'action_id'):
            self.assertRaises(exception.Invalid, objects.ActionRun.set,
                              self.context, self.first.id, **{name: 1})
        self.assertRaises(exception.ResourceNotFound, objects.PlanRun.set,
                          self.context, 99, paused=True)

    def test_gone_with_what_ran(self):
        undo = self.make_plan()
        objects.PlanRun.set(self.context, undo.id, kind='rollback',
                            source_plan_id=self.plan.id)
        objects.PlanRun.set(self.context, self.plan.id, paused=True)
        self.first.destroy()
        self.second.destroy()
        self.plan.destroy()
        self.assertEqual({}, objects.ActionRun.of_actions([self.first.id]))
        self.assertEqual([undo.id], list(objects.PlanRun.of_plans(
            [self.plan.id, undo.id])))
        self.assertIsNone(objects.PlanRun.get(
            self.context, undo.id).source_plan_id)

    def test_purged(self):
        objects.PlanRun.set(self.context, self.plan.id, paused=True)
        self.plan.soft_delete()
        purge.PurgeCommand(assume_yes=True, out=lambda text: None).execute()
        self.assertEqual({}, objects.PlanRun.of_plans([self.plan.id]))


class TestAuditRuns(RunTestCase):

    def run_of_audit(self):
        return objects.AuditRun.get(self.context, self.audit.id)

    def test_triggers_are_counted(self):
        self.assertIsNone(self.run_of_audit())
        for _number in range(3):
            objects.AuditRun.trigger(self.context, self.audit.id)
        run = self.run_of_audit()
        self.assertEqual((3, 0, 0), (run.triggers, run.attempts,
                                     run.failures))
        self.assertEqual([], objects.AuditRun.triggered(['DELETED'], 9))
        (since, uuid), = objects.AuditRun.triggered(
            [self.audit.state, 'DELETED'], 9)
        self.assertEqual((run.triggered_at.replace(tzinfo=None),
                          self.audit.uuid), (since, uuid))
        objects.AuditRun.set(self.context, self.audit.id, triggers=0)
        self.assertEqual([], objects.AuditRun.triggered(
            [self.audit.state], 9))

    def test_further_triggers_do_not_move_it_back_in_the_line(self):
        other = self.records.audit()
        dates = []
        for audit in (self.audit, other, self.audit):
            objects.AuditRun.trigger(self.context, audit.id)
            dates.append(self.run_of_audit().triggered_at)
        self.assertEqual(1, len(set(dates)))
        found = objects.AuditRun.triggered([self.audit.state], 9)
        self.assertEqual([self.audit.uuid, other.uuid],
                         [uuid for _since, uuid in found])

    def test_a_trigger_after_a_run_has_a_date_of_its_own(self):
        objects.AuditRun.set(self.context, self.audit.id, triggers=0,
                             triggered_at=MOMENT)
        objects.AuditRun.trigger(self.context, self.audit.id)
        self.assertNotEqual(MOMENT, self.run_of_audit().triggered_at)

    def test_of_an_audit_that_is_gone(self):
        self.assertRaises(exception.ResourceNotFound,
                          objects.AuditRun.trigger, self.context, 99999)


class TestSchedules(RunTestCase):

    def schedule(self):
        return objects.AuditSchedule.get(self.context, self.audit.id)

    def test_what_is_not_given_stays(self):
        self.assertIsNone(self.schedule())
        objects.AuditSchedule.set(
            self.context, self.audit.id, time_zone='Europe/Berlin',
            run_windows=('Mon-Fri 22:00-05:00', '!2026-12-24'))
        objects.AuditSchedule.set(self.context, self.audit.id,
                                  execution_windows=['00:00-24:00'])
        self.assertEqual(objects.AuditSchedule(
            audit_id=self.audit.id, time_zone='Europe/Berlin',
            run_windows=('Mon-Fri 22:00-05:00', '!2026-12-24'),
            execution_windows=('00:00-24:00',)), self.schedule())
        objects.AuditSchedule.set(self.context, self.audit.id,
                                  time_zone=None, run_windows=None,
                                  execution_windows=[])
        self.assertEqual(objects.AuditSchedule(audit_id=self.audit.id),
                         self.schedule())

    def test_of_several_audits(self):
        other = self.records.audit()
        objects.AuditSchedule.set(self.context, other.id, time_zone='UTC')
        with self.statements() as sent:
            found = objects.AuditSchedule.of_audits([self.audit.id, other.id])
        self.assertEqual({other.id: objects.AuditSchedule(
            audit_id=other.id, time_zone='UTC')}, found)
        self.assertEqual(1, len(sent), sent)

    def test_unknown_field_and_audit(self):
        error = self.assertRaises(
            exception.Invalid, objects.AuditSchedule.set, self.context,
            self.audit.id, windows=())
        self.assertIn('audit_schedules has no field windows', str(error))
        self.assertRaises(exception.ResourceNotFound,
                          objects.AuditSchedule.set, self.context, 99999,
                          time_zone='UTC')

    def test_gone_with_the_audit(self):
        audit = self.records.audit()
        objects.AuditSchedule.set(self.context, audit.id, time_zone='UTC')
        self.dbapi.soft_delete_audit(audit.id)
        # Whoever looks at deleted audits still sees it.
        self.assertEqual('UTC', objects.AuditSchedule.get(
            self.context, audit.id).time_zone)
        purge.PurgeCommand(assume_yes=True, out=lambda text: None).execute()
        self.assertIsNone(objects.AuditSchedule.get(self.context, audit.id))


class TestWithoutTheTables(RunTestCase):
    """A database that is not upgraded yet."""

    def setUp(self):
        super().setUp()
        # Tests after this one use the same database.
        self.addCleanup(self._change, 'create')
        self._change('drop')

    def _change(self, how):
        with session.get_engine().begin() as connection:
            for model in (models.AuditSchedule, models.AuditRun,
                          models.ActionRun, models.PlanRun, models.Lease):
                getattr(model.__table__, how)(connection)

    def test_they_are_named(self):
        self.assertEqual(['action_runs', 'audit_runs', 'audit_schedules',
                          'leases', 'plan_runs'],
                         self.dbapi.missing_tables())

    def test_nothing_is_known(self):
        self.assertIsNone(objects.PlanRun.get(self.context, self.plan.id))
        self.assertEqual({}, objects.ActionRun.of_actions([self.first.id]))
        self.assertEqual([], objects.PlanRun.made_from(self.context, 1))
        self.assertEqual([], objects.PlanRun.paused_plans(
            self.context, 'PENDING'))

    def test_nobody_can_trigger(self):
        self.assertEqual([], objects.AuditRun.triggered(['PENDING'], 9))
        self.assertRaises(exception.DatabaseNotUpgraded,
                          objects.AuditRun.trigger, self.context, 1)

    def test_no_audit_has_a_schedule(self):
        self.assertIsNone(objects.AuditSchedule.get(
            self.context, self.audit.id))
        self.assertEqual({}, objects.AuditSchedule.of_audits(
            [self.audit.id]))
        error = self.assertRaises(
            exception.DatabaseNotUpgraded, objects.AuditSchedule.set,
            self.context, self.audit.id, time_zone='UTC')
        self.assertIn('audit_schedules', str(error))

    def test_plans_are_made_without(self):
        with self.assertLogs('watcher.db.sqlalchemy.runs',
                             'WARNING') as logs:
            plan = self.make_plan(actions=[
                {'action_type': 'nop', 'needs': {'wish': 'order'}}])
        self.assertIn('watcher-db-manage upgrade', logs.output[0])
        self.assertEqual(1, len(objects.Action.list(
            self.context, filters={'action_plan_id': plan.id})))

    def test_what_has_to_be_stored_is_refused(self):
        error = self.assertRaises(
            exception.DatabaseNotUpgraded, objects.PlanRun.set,
            self.context, self.plan.id, paused=True)
        self.assertIn('watcher-db-manage upgrade', str(error))
