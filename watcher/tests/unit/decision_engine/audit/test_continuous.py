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
"""CONTINUOUS audits in virtual time: owners, dates, runs, failures."""

import datetime
from unittest import mock

from oslo_db import exception as db_exc

from watcher import objects
from watcher.common import exception
from watcher.common import schedule
from watcher.decision_engine.audit import base as audit_base
from watcher.decision_engine.audit import continuous
from watcher.decision_engine.audit import scheduler
from watcher.decision_engine.planner import weight
from watcher.objects import states
from watcher.objects import tenure
from watcher.tests.unit.decision_engine import factories
from watcher.tests.unit.decision_engine.audit import test_run

AUDIT = objects.audit.State
PLAN = objects.action_plan.State

BEGIN = datetime.datetime(2026, 3, 28, 12, 0)


class ContinuousTestCase(test_run.AuditTestCase):

    def setUp(self):
        super().setUp()
        self.now = BEGIN
        self.scheduler = scheduler.ContinuousScheduler(lambda: self.now)
        self.handler = continuous.ContinuousAuditHandler(lambda: self.now)

    def audit(self, **fields):
        fields = {'audit_type': factories.CONTINUOUS, 'interval': '600',
                  **fields}
        return super().audit(**fields)

    def set_up_again(self, audit, **fields):
        """What a user, or another engine, writes into the row."""
        stored = objects.Audit.get_by_uuid(self.context, audit.uuid)
        for name, value in fields.items():
            setattr(stored, name, value)
        stored.save()

    def look(self, running=()):
        """One round of the engine; returns what has run."""
        self.scheduler.settle(running)
        due, _later = self.scheduler.upcoming(60, 100)
        for _since, uuid in due:
            self.handler.execute(self.context, objects.Audit.get_by_uuid(
                self.context, uuid, eager=True))
        return [uuid for _since, uuid in due]

    def wait(self, **time):
        self.now += datetime.timedelta(**time)

    def fail_with(self, error):
        def fail(audit):
            raise error
        self.during_strategy(fail)

    def states(self):
        return [plan.state for plan in self.plans()]


class TestRuns(ContinuousTestCase):

    def test_what_is_said_of_a_run_lasts_until_the_next(self):
        audit = self.audit()
        self.caveats.append('1 host is left out.')
        self.look()
        self.assertEqual('1 host is left out.',
                         factories.reread(audit).status_message)
        self.caveats.clear()
        self.wait(minutes=10)
        self.assertEqual([audit.uuid], self.look())
        self.assertIsNone(factories.reread(audit).status_message)

    def test_from_creation_to_its_end(self):
        audit = self.audit(end_time=BEGIN + datetime.timedelta(minutes=15))
        self.assertEqual([audit.uuid], self.look())
        after = factories.reread(audit)
        self.assertEqual(
            (AUDIT.ONGOING, 'engine-1', None),
            (after.state, after.hostname, after.status_message))
        self.assertEqual(BEGIN + datetime.timedelta(minutes=10),
                         after.next_run_time)
        self.assertEqual([PLAN.RECOMMENDED], self.states())

        # Nothing is due: nothing is written, nobody is told anything.
        self.heard.clear()
        self.wait(minutes=9, seconds=59)
        self.assertEqual([], self.look())
        self.assertEqual([], self.heard)

        self.wait(seconds=1)
        self.assertEqual([audit.uuid], self.look())
        self.assertEqual([PLAN.CANCELLED, PLAN.RECOMMENDED], self.states())
        self.assertIn(audit.uuid, self.plans()[0].status_message)
        self.assertEqual(
            [('audit.strategy.start', 'ONGOING'),
             ('audit.strategy.end', 'ONGOING'),
             ('audit.planner.start', 'ONGOING'),
             ('action_plan.update', 'RECOMMENDED', 'CANCELLED'),
             ('action_plan.create', 'RECOMMENDED'),
             ('action.create', 'PENDING'), ('action.create', 'PENDING'),
             ('audit.planner.end', 'ONGOING'),
             ('audit.update', None, 'ONGOING')], self.heard)

        self.heard.clear()
        self.wait(minutes=5)
        self.assertEqual([], self.look())
        after = factories.reread(audit)
        self.assertEqual((AUDIT.SUCCEEDED, None),
                         (after.state, after.next_run_time))
        self.assertEqual([('audit.update', 'ONGOING', 'SUCCEEDED')],
                         self.heard)
        self.wait(days=1)
        self.assertEqual([], self.look())

    def test_survives_a_hundred_failing_runs(self):
        audit = self.audit()
        self.fail_with(exception.NovaClientError(reason='no answer'))
        pauses = []
        for _number in range(100):
            self.assertEqual([audit.uuid], self.look())
            after = factories.reread(audit)
            pauses.append((after.next_run_time - self.now).total_seconds())
            self.now = after.next_run_time
        # In the rhythm of the audit: an hour after a failure at the latest.
        self.assertEqual([600, 600, 600, 600, 1200, 2400, 3600, 3600],
                         pauses[:8])
        self.assertEqual({3600}, set(pauses[8:]))
        error = 'The strategy failed: Nova client error: no answer'
        self.assertEqual(
            (AUDIT.ONGOING, f'100 failures in a row. {error}'),
            (after.state, after.status_message))
        run = objects.AuditRun.get(self.context, audit.id)
        self.assertEqual((100, error, 0),
                         (run.failures, run.last_error, run.attempts))
        self.assertEqual([], self.plans())

        self.during_strategy(lambda audit: None)
        self.assertEqual([audit.uuid], self.look())
        after = factories.reread(audit)
        self.assertEqual((AUDIT.ONGOING, None),
                         (after.state, after.status_message))
        self.assertEqual([PLAN.RECOMMENDED], self.states())
        self.assertEqual(self.now + datetime.timedelta(minutes=10),
                         after.next_run_time)
        run = objects.AuditRun.get(self.context, audit.id)
        self.assertEqual((0, None), (run.failures, run.last_error))

    def test_pauses_can_be_switched_off(self):
        self.config(group='watcher_decision_engine', failed_audit_pause=0)
        audit = self.audit()
        self.fail_with(exception.ClusterStateStale())
        for _number in range(8):
            self.assertEqual([audit.uuid], self.look())
            self.wait(minutes=10)

    def test_every_engine_dies_of_it(self):
        audit = self.audit()
        self.during_strategy(mock.Mock(side_effect=SystemExit))
        for _number in range(3):
            self.assertRaises(SystemExit, self.look)
        self.look()
        after = factories.reread(audit)
        self.assertEqual(
            (AUDIT.ONGOING, BEGIN + datetime.timedelta(minutes=10)),
            (after.state, after.next_run_time))
        self.assertIn('interrupted 3 times', after.status_message)
        run = objects.AuditRun.get(self.context, audit.id)
        self.assertEqual((0, 1), (run.attempts, run.failures))

    def test_failing_planner_leaves_the_earlier_plan(self):
        audit = self.audit()
        self.look()

        def schedule(this, context, audit_id, solution):
            raise exception.UnsupportedActionType(action_type='foo')
        self.replace(weight.WeightPlanner, 'schedule', schedule)
        self.wait(minutes=10)
        self.look()
        self.assertEqual([PLAN.RECOMMENDED], self.states())
        after = factories.reread(audit)
        self.assertEqual('The planner failed: The action type foo is not '
                         'supported.', after.status_message)
        self.assertEqual(self.now + datetime.timedelta(minutes=10),
                         after.next_run_time)

    def test_plan_that_a_user_starts_meanwhile_is_kept(self):
        self.audit()
        self.look()
        real = objects.ActionPlan.list

        def start(context, *args, **kwargs):
            plans = real(context, *args, **kwargs)
            for plan in plans:
                objects.ActionPlan.get_by_uuid(
                    context, plan.uuid, eager=True).transition(PLAN.PENDING)
            return plans
        self.wait(minutes=10)
        retire = continuous.ContinuousAuditHandler._retire_plans

        def retire_while_he_starts(context, audit):
            with mock.patch.object(objects.ActionPlan, 'list', start):
                retire(context, audit)
        self.replace(continuous.ContinuousAuditHandler, '_retire_plans',
                     staticmethod(retire_while_he_starts))
        self.look()
        self.assertEqual([PLAN.PENDING, PLAN.RECOMMENDED], self.states())

    def test_rollback_is_kept(self):
        self.audit()
        self.look()
        plan, = objects.ActionPlan.list(self.context)
        objects.PlanRun.set(self.context, plan.id, kind='rollback')
        self.wait(minutes=10)
        self.look()
        self.assertEqual([PLAN.RECOMMENDED] * 2, self.states())

    def test_auto_trigger(self):
        self.audit(auto_trigger=True)
        self.look()
        self.assertEqual([PLAN.PENDING], self.states())
        self.assertEqual(('launch', PLAN.PENDING), self.heard[-1])

    def test_auto_trigger_that_is_taken_back_during_the_run(self):
        audit = self.audit(auto_trigger=True)
        self.during_strategy(
            lambda audit: self.set_up_again(audit, auto_trigger=False))
        self.look()
        self.assertEqual([PLAN.RECOMMENDED], self.states())
        self.assertEqual(AUDIT.ONGOING, factories.reread(audit).state)

    def test_interval_that_is_changed_during_the_run(self):
        audit = self.audit(interval='86400')

        def change(audit):
            self.set_up_again(audit, interval='60')
            self.wait(seconds=90)
        self.during_strategy(change)
        self.look()
        self.assertEqual(BEGIN + datetime.timedelta(minutes=2),
                         factories.reread(audit).next_run_time)

    def test_interval_that_becomes_nonsense_during_the_run(self):
        # Not by the API of this release, which refuses it.
        audit = self.audit()
        self.during_strategy(
            lambda audit: self.set_up_again(audit, interval='soon'))
        self.look()
        after = factories.reread(audit)
        self.assertEqual(([PLAN.RECOMMENDED], AUDIT.ONGOING, None),
                         (self.states(), after.state, after.next_run_time))
        self.assertIn("'soon'", after.status_message)

    def test_blocked_by_a_running_plan(self):
        audit = self.audit()
        plan = factories.plan(audit, self.strategy, PLAN.ONGOING)
        self.heard.clear()
        self.look()
        after = factories.reread(audit)
        self.assertEqual(
            (AUDIT.PENDING, BEGIN + datetime.timedelta(minutes=10)),
            (after.state, after.next_run_time))
        self.assertIn(f'{plan.uuid} was ONGOING', after.status_message)
        self.assertEqual(2 * [('audit.update', None, 'PENDING')], self.heard)

        self.set_up_again(audit, force=True)
        self.wait(minutes=10)
        self.look()
        after = factories.reread(audit)
        self.assertEqual((AUDIT.ONGOING, None),
                         (after.state, after.status_message))

    def test_own_plans_do_not_pile_up_while_no_applier_works(self):
        audit = self.audit(auto_trigger=True, force=True)
        for _number in range(5):
            self.look()
            self.wait(minutes=10)
        self.assertEqual([PLAN.PENDING], self.states())
        self.assertIn(f'{self.plan().uuid} was PENDING',
                      factories.reread(audit).status_message)

    def test_run_that_is_no_longer_due(self):
        audit = self.audit()
        self.scheduler.settle(())
        loaded = objects.Audit.get_by_uuid(self.context, audit.uuid,
                                           eager=True)
        for field, value in (
                ('start_time', BEGIN + datetime.timedelta(seconds=1)),
                ('end_time', BEGIN), ('hostname', 'engine-2'),
                ('state', AUDIT.SUSPENDED),
                ('next_run_time', BEGIN + datetime.timedelta(seconds=1)),
                ('next_run_time', None)):
            before = loaded[field]
            loaded[field] = value
            self.handler.execute(self.context, loaded)
            loaded[field] = before
        self.assertEqual([], self.plans())
        self.handler.execute(self.context, loaded)
        self.assertEqual(1, len(self.plans()))


class TestTakenAway(ContinuousTestCase):

    def test_stopped_by_a_user_during_the_run(self):
        for state in (AUDIT.CANCELLED, AUDIT.SUSPENDED, AUDIT.FAILED,
                      AUDIT.SUCCEEDED):
            audit = self.audit(auto_trigger=True)
            self.during_strategy(self.change_state(state))
            self.look()
            self.assertEqual(state, factories.reread(audit).state)
            self.wait(hours=1)
            self.assertEqual([], self.look())
        self.assertEqual([], self.plans())

    def test_stopped_by_a_user_during_a_failing_run(self):
        def happens(audit):
            self.change_state(AUDIT.CANCELLED)(audit)
            raise exception.ClusterStateStale()
        self.during_strategy(happens)
        audit = self.audit()
        self.look()
        after = factories.reread(audit)
        self.assertEqual((AUDIT.CANCELLED, None),
                         (after.state, after.status_message))

    def test_suspended_and_back(self):
        audit = self.audit()
        self.look()
        self.change_state(AUDIT.SUSPENDED)(audit)
        self.wait(days=3, minutes=5)
        self.assertEqual([], self.look())
        self.change_state(AUDIT.ONGOING)(audit)
        self.assertEqual([audit.uuid], self.look())
        self.assertEqual(self.now + datetime.timedelta(minutes=5),
                         factories.reread(audit).next_run_time)

    def test_cancelled_just_after_the_plan_is_stored(self):
        cancel = self.change_state(AUDIT.CANCELLED)
        real = audit_base.AuditHandler._finish
        self.replace(
            audit_base.AuditHandler, '_finish',
            lambda this, context, audit, plan, message: (
                cancel(audit),
                real(this, context, audit, plan, message)))
        self.audit(auto_trigger=True)
        self.look()
        self.assertEqual([PLAN.CANCELLED], self.states())
        self.assertNotIn('launch', [what[0] for what in self.heard])

    def test_another_engine_takes_it_over_during_the_run(self):
        audit = self.audit()
        self.during_strategy(
            lambda audit: self.set_up_again(audit, hostname='engine-2'))
        self.look()
        after = factories.reread(audit)
        self.assertEqual(('engine-2', BEGIN),
                         (after.hostname, after.next_run_time))
        self.assertEqual([], self.plans())

    def test_interrupted_run_is_run_again(self):
        audit = self.audit()
        self.during_strategy(mock.Mock(side_effect=SystemExit))
        self.assertRaises(SystemExit, self.look)
        self.wait(seconds=30)
        self.during_strategy(lambda audit: None)
        self.assertEqual([audit.uuid], self.look())
        self.assertEqual(BEGIN + datetime.timedelta(minutes=10),
                         factories.reread(audit).next_run_time)

    def test_run_whose_end_cannot_be_stored_is_run_again(self):
        audit = self.audit()
        self.fail_with(exception.ClusterStateStale())
        with mock.patch.object(self.handler, '_store_failure',
                               side_effect=db_exc.DBConnectionError()):
            self.assertRaises(db_exc.DBConnectionError, self.look)
        self.assertIn('run again', self.logger.output)
        self.during_strategy(lambda audit: None)
        self.assertEqual([audit.uuid], self.look())
        self.assertEqual([PLAN.RECOMMENDED], self.states())


class TestSettle(ContinuousTestCase):

    def service(self, host, **age):
        service = objects.Service.heartbeat(
            self.context, tenure.ENGINE.service_name, host)
        service.last_seen_up = (datetime.datetime.now(datetime.UTC)
                                - datetime.timedelta(**age)
                                ).replace(tzinfo=None)
        service.save()

    def test_audits_are_given_away_for_a_moment_only(self):
        # What is due waits meanwhile; the next round goes on.
        audits = [self.audit(hostname='engine-1',
                             next_run_time=BEGIN + datetime.timedelta(days=1))
                  for _number in range(10)]
        given = []

        def give(look, host):
            given.append((look.uuid, host))
            self.wait(seconds=2)

        with mock.patch.object(self.scheduler, '_give', give):
            self.scheduler._share(
                scheduler._Look.list('id'), (), ['engine-2'] * 10)
        first = sorted(audit.uuid for audit in audits)[:3]
        self.assertEqual([(uuid, 'engine-2') for uuid in first], given)

    def test_only_ownerless_audits_are_taken(self):
        self.service('alive', seconds=1)
        self.service('dead', minutes=10)
        owners = {host: self.audit(hostname=host) for host in
                  (None, 'engine-1', 'alive', 'dead', 'unknown')}
        self.assertEqual(
            {audit.uuid for host, audit in owners.items()
             if host != 'alive'}, set(self.look()))
        self.assertEqual(
            {None: 'engine-1', 'engine-1': 'engine-1', 'alive': 'alive',
             'dead': 'engine-1', 'unknown': 'engine-1'},
            {host: factories.reread(audit).hostname
             for host, audit in owners.items()})

    def test_other_engine_is_faster(self):
        audit = self.audit()
        real = self.scheduler._settle

        def settle(*args):
            self.dbapi_update(audit, hostname='engine-2')
            return real(*args)
        with mock.patch.object(self.scheduler, '_settle', settle):
            self.scheduler.settle(())
        after = factories.reread(audit)
        self.assertEqual(('engine-2', None),
                         (after.hostname, after.next_run_time))

    @staticmethod
    def dbapi_update(audit, **values):
        objects.Audit.dbapi.update_audit(audit.uuid, values)

    def test_interval_changed_while_the_engine_looks(self):
        audit = self.audit(hostname='engine-1')
        real = self.scheduler._settle

        def settle(*args):
            self.dbapi_update(audit, interval='0 2 * * *')
            return real(*args)
        with mock.patch.object(self.scheduler, '_settle', settle):
            self.scheduler.settle(())
        self.assertIsNone(factories.reread(audit).next_run_time)
        self.scheduler.settle(())
        self.assertEqual(datetime.datetime(2026, 3, 29, 2, 0),
                         factories.reread(audit).next_run_time)

    def test_end_time_moved_while_the_engine_looks(self):
        audit = self.audit(hostname='engine-1', state=AUDIT.ONGOING,
                           next_run_time=BEGIN, end_time=BEGIN)
        real = objects.Audit.transition

        def transition(this, *args, **kwargs):
            self.dbapi_update(audit, end_time=None)
            real(this, *args, **kwargs)
        with mock.patch.object(objects.Audit, 'transition', transition):
            self.scheduler.settle(())
        self.assertEqual(AUDIT.ONGOING, factories.reread(audit).state)
        self.assertEqual([audit.uuid], self.look())

    def test_what_is_in_order_costs_one_query(self):
        for interval in ('600', '30 2 * * *', 'R 3 * * *'):
            self.audit(interval=interval)
        self.look()
        self.look()
        self.wait(seconds=10)
        with mock.patch.object(schedule.Timetable, 'parse') as parse, \
                mock.patch.object(objects.Audit, 'get_by_uuid') as read:
            self.scheduler.settle(())
        parse.assert_not_called()
        read.assert_not_called()

    def test_clock_is_set_back(self):
        audit = self.audit(interval='60', state=AUDIT.ONGOING,
                           next_run_time=BEGIN + datetime.timedelta(
                               seconds=60))
        self.look()
        self.look()
        self.wait(days=-1)
        self.look()
        self.assertEqual(self.now + datetime.timedelta(seconds=60),
                         factories.reread(audit).next_run_time)

    def test_other_types_and_states_are_left_alone(self):
        for kind in (factories.ONESHOT, factories.EVENT):
            self.audit(audit_type=kind, end_time=BEGIN)
        for state in states.AUDIT.states:
            if state not in continuous.LIVE:
                self.audit(state=state, end_time=BEGIN)
        self.heard.clear()
        self.assertEqual([], self.look())
        self.assertEqual([], self.heard)

    def test_running_audits_are_left_alone(self):
        audit = self.audit(hostname='engine-1', next_run_time=BEGIN,
                           end_time=BEGIN, state=AUDIT.ONGOING)
        self.scheduler.settle({audit.uuid})
        self.assertEqual(AUDIT.ONGOING, factories.reread(audit).state)

    def test_broken_audits_delay_no_other(self):
        nonsense = [self.audit(interval=interval) for interval in
                    ('soon', '0', None, '61 * * * *', '0 0 30 2 *')]
        unlucky = self.audit()
        good = self.audit()
        real = schedule.Timetable.of_audit

        def timetable(audit, said):
            if audit.uuid == unlucky.uuid:
                raise ZeroDivisionError
            return real(audit, said)
        with mock.patch.object(schedule.Timetable, 'of_audit', timetable):
            self.assertEqual([good.uuid], self.look())
        self.assertIn(f'{unlucky.uuid} cannot be scheduled',
                      self.logger.output)
        for audit in nonsense:
            after = factories.reread(audit)
            self.assertEqual((AUDIT.PENDING, None, 'engine-1'),
                             (after.state, after.next_run_time,
                              after.hostname))
            self.assertIn(continuous.NOT_SCHEDULED, after.status_message)
        # Said once, not in every round.
        self.heard.clear()
        self.assertEqual([unlucky.uuid], self.look())
        self.assertEqual(
            1, self.heard.count(('audit.update', None, 'PENDING')))
        # And it heals.
        self.set_up_again(nonsense[0], interval='0 2 * * *')
        self.assertEqual([], self.look())
        after = factories.reread(nonsense[0])
        self.assertEqual((None, datetime.datetime(2026, 3, 29, 2, 0)),
                         (after.status_message, after.next_run_time))

    def test_missed_night_run_is_told(self):
        audit = self.audit(interval='0 2 * * *', hostname='engine-1',
                           next_run_time=BEGIN.replace(hour=2))
        self.assertEqual([], self.look())
        after = factories.reread(audit)
        self.assertEqual(datetime.datetime(2026, 3, 29, 2, 0),
                         after.next_run_time)
        self.assertIn('The run of 2026-03-28 02:00:00 UTC was left out',
                      after.status_message)

    def test_upcoming(self):
        audits = [self.audit(
            hostname='engine-1', next_run_time=BEGIN + datetime.timedelta(
                seconds=seconds)) for seconds in (-1, -60, 30, 5, 90)]
        due, later = self.scheduler.upcoming(60, 100)
        self.assertEqual([audits[1].uuid, audits[0].uuid],
                         [uuid for _since, uuid in due])
        self.assertEqual(BEGIN + datetime.timedelta(seconds=5), later)

    def test_give_up(self):
        mine, other = (self.audit(hostname=host)
                       for host in ('engine-1', 'engine-2'))
        self.assertTrue(self.scheduler.give_up(mine.uuid, 'broken'))
        after = factories.reread(mine)
        self.assertEqual(
            (AUDIT.PENDING, 'broken', BEGIN + datetime.timedelta(minutes=1)),
            (after.state, after.status_message, after.next_run_time))
        self.assertFalse(self.scheduler.give_up(other.uuid, 'broken'))
