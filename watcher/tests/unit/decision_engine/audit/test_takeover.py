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
"""Audits whose engine is gone, and engines that lose their lease."""

import contextlib
import datetime
import threading
from unittest import mock

import sqlalchemy as sa
from oslo_utils import timeutils

from watcher import objects
from watcher.common import exception
from watcher.common import rpcapi
from watcher.common import service
from watcher.common import utils
from watcher.db.sqlalchemy import clock
from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import session
from watcher.decision_engine import manager as engine_manager
from watcher.decision_engine import sync
from watcher.decision_engine.audit import dispatcher
from watcher.decision_engine.audit import event
from watcher.decision_engine.goal import goals
from watcher.decision_engine.solution import default
from watcher.decision_engine.strategy.context import default as contexts
from watcher.objects import lease as lease_objects
from watcher.objects import tenure
from watcher.tests import base
from watcher.tests.fixtures import database
from watcher.tests.unit.decision_engine import factories

AUDIT = objects.audit.State
KINDS = (factories.ONESHOT, factories.EVENT, factories.CONTINUOUS)
NOW = datetime.datetime(2030, 3, 28, 12, 0)
HERE = 'engine-1'
DEAD = 'engine-dead'


class EngineTestCase(base.TestCase):

    engine = database.SQLITE

    def setUp(self):
        super().setUp()
        self.useFixture(database.Database(self.engine))
        self.config(host=HERE, notification_level='')
        self.config(group='watcher_decision_engine', reconcile_interval=600)
        self.context = factories.context()
        self.goal = factories.goal()
        self.strategy = factories.strategy(self.goal)
        self.patch(rpcapi.ApplierAPI, 'launch_action_plan', mock.Mock())
        self.patch(contexts.DefaultStrategyContext, 'execute_strategy',
                   self.run_strategy)
        self.runs = []
        self.during = {}
        self.lease = tenure.ENGINE.begin()
        self.dispatcher = dispatcher.AuditDispatcher(
            lambda: NOW, lambda: self.lease)

    def patch(self, owner, name, value):
        patcher = mock.patch.object(owner, name, value)
        patcher.start()
        self.addCleanup(patcher.stop)

    def run_strategy(self, audit, request_context):
        self.runs.append(audit.uuid)
        self.during.get(audit.uuid, lambda: None)()
        return default.DefaultSolution(
            goal=goals.Dummy(utils.Struct()),
            strategy=utils.Struct(name='dummy', planner='weight'))

    def look(self):
        """A round of the engine, and what it starts, to its end."""
        self.dispatcher._next_settle = 0
        self.dispatcher._round()
        for thread in list(self.dispatcher._running.values()):
            thread.join(base.PATIENCE)
        self.assertEqual({}, self.dispatcher._running)

    def take(self, host=DEAD):
        return objects.Lease.take(
            self.context, tenure.ENGINE.lease_name(host), f'of {host}', 90)

    def lapse(self, host=DEAD):
        """Let the lease of a host expire, as the database sees it."""
        with session.get_engine().begin() as connection:
            connection.execute(sa.update(models.Lease).where(
                models.Lease.name == tenure.ENGINE.lease_name(host)).values(
                    expires_at=clock.utc_in(-1)))

    def beat(self, host=DEAD, age=0):
        """Note that the service of a host gave a sign of life."""
        dbapi = objects.Service.dbapi
        row, _new = dbapi.touch_service(tenure.ENGINE.service_name, host)
        dbapi.update_service(row.id, {'last_seen_up': (
            timeutils.utcnow() - datetime.timedelta(seconds=age))})

    def audit(self, kind=factories.ONESHOT, hostname=DEAD,
              state=AUDIT.ONGOING, **fields):
        if kind == factories.CONTINUOUS:
            fields = {'interval': '600', 'next_run_time': NOW, **fields}
        return factories.audit(self.goal, self.strategy, audit_type=kind,
                               hostname=hostname, state=state, **fields)

    def found(self, audit):
        after = factories.reread(audit)
        return after.state, after.hostname

    def plans(self, audit):
        return objects.ActionPlan.list(self.context,
                                       filters={'audit_id': audit.id})


class TestNextLook(EngineTestCase):
    """The audits of a dead engine wait no longer than they must."""

    def pause(self):
        self.look()
        return self.dispatcher._pause

    def expire_in(self, seconds, host=DEAD):
        with session.get_engine().begin() as connection:
            connection.execute(sa.update(models.Lease).where(
                models.Lease.name == tenure.ENGINE.lease_name(host)).values(
                    expires_at=clock.utc_in(seconds)))

    def setUp(self):
        super().setUp()
        self.config(group='watcher_decision_engine',
                    continuous_audit_interval=600)

    def test_alone(self):
        self.assertEqual(600, self.pause())

    def test_when_a_lease_ends(self):
        self.take()
        self.expire_in(40)
        pause = self.pause()
        self.assertLess(pause, 40.2)
        self.assertGreater(pause, 10)

    def test_own_lease(self):
        self.expire_in(40, HERE)
        self.assertEqual(600, self.pause())

    def test_when_the_last_sign_of_life_is_old(self):
        self.config(service_down_time=300)
        self.take()
        self.expire_in(40)
        self.beat(age=100)
        pause = self.pause()
        self.assertLess(pause, 200.2)
        self.assertGreater(pause, 150)

    def test_the_first_of_several(self):
        for host, seconds in (('a', 200), ('b', 70), ('c', 300)):
            self.take(host)
            self.expire_in(seconds, host)
        pause = self.pause()
        self.assertLess(pause, 70.2)
        self.assertGreater(pause, 10)

    def test_dead_ones_cause_no_looks(self):
        self.take()
        self.lapse()
        self.assertEqual(600, self.pause())


class TestTakeover(EngineTestCase):

    def setUp(self):
        super().setUp()
        self.config(group='watcher_decision_engine', max_audit_workers=9)

    def assertTaken(self, *audits):
        self.assertEqual(sorted(audit.uuid for audit in audits),
                         sorted(self.runs))
        for audit in audits:
            self.assertEqual(
                (AUDIT.ONGOING if audit.audit_type == factories.CONTINUOUS
                 else AUDIT.SUCCEEDED, HERE), self.found(audit))
            self.assertEqual(1, len(self.plans(audit)))

    def test_of_an_engine_that_came_back(self):
        """It runs them again by itself, with the same host name."""
        self.take()
        self.lapse()
        audits = [self.audit(kind) for kind in KINDS]

        self.look_after(self.take)
        self.assertEqual([], self.runs)
        self.assertEqual([(AUDIT.ONGOING, DEAD)] * 3,
                         [self.found(audit) for audit in audits])

    def test_of_an_engine_that_came_back_and_fell_asleep(self):
        """Thawed later, it must not go on with them."""
        for kind in KINDS:
            self.runs.clear()
            self.take()
            self.lapse()
            audit = self.audit(kind)
            leases = []

            def come_and_freeze(leases=leases):
                leases.append(self.take())
                self.lapse()
            self.look_after(come_and_freeze)
            self.assertTaken(audit)
            self.assertEqual([False], [lease.renew() for lease in leases])

    def look_after(self, event):
        """Have it happen after an orphan was found, before it is taken."""
        def late(function):
            def call(*args):
                event()
                return function(*args)
            return call
        with contextlib.ExitStack() as stack:
            for owner, name in ((self.dispatcher, '_take_over'),
                                (self.dispatcher._scheduler, '_settle')):
                stack.enter_context(mock.patch.object(
                    owner, name, late(getattr(owner, name))))
            self.look()

    def test_of_a_host_that_never_returns(self):
        """Field report, part 5 test 19: names change at every restart."""
        audits = [self.audit(kind, 'pod-x7f2') for kind in KINDS]
        self.look()
        self.assertTaken(*audits)
        self.look()
        self.assertTaken(*audits)

    def test_when_the_lease_is_over(self):
        audits = [self.audit(kind) for kind in KINDS]
        self.take()
        self.look()
        self.assertEqual([], self.runs)
        self.lapse()
        self.look()
        self.assertTaken(*audits)

    def test_not_from_an_engine_of_the_previous_release(self):
        audits = [self.audit(kind) for kind in KINDS]
        self.beat(age=80)
        self.look()
        self.assertEqual([], self.runs)
        self.beat(age=100)
        self.look()
        self.assertTaken(*audits)

    def test_what_a_stopped_engine_did_not_run_stays_for_a_while(self):
        """Who restarts engines in turn moves no audits."""
        audit = self.audit(factories.CONTINUOUS)
        self.beat()
        self.take().release()
        self.look()
        self.assertEqual([], self.runs)
        self.beat(age=100)
        self.look()
        self.assertTaken(audit)

    def test_new_ones_of_a_dead_host(self):
        audit = self.audit(factories.CONTINUOUS, state=AUDIT.PENDING,
                           next_run_time=None)
        self.look()
        self.assertTaken(audit)

    def test_who_wakes_up_writes_nothing(self):
        """Field report, part 5 test 18, for engines."""
        audit = self.audit(hostname=None, state=AUDIT.PENDING)
        lease = self.take()
        frozen = dispatcher.AuditDispatcher(lambda: NOW, lambda: lease)

        def be_taken_over():
            self.during.clear()
            self.lapse()
            self.config(host=HERE)
            self.look()
            self.config(host=DEAD)
        self.during[audit.uuid] = be_taken_over
        self.config(host=DEAD)
        frozen._execute(audit.uuid, self.context, triggered=True)
        self.assertEqual([audit.uuid] * 2, self.runs)
        self.assertEqual((AUDIT.SUCCEEDED, HERE), self.found(audit))
        self.assertEqual(1, len(self.plans(audit)))

    def test_two_look_at_once(self):
        audits = [self.audit(kind) for kind in KINDS[:2]]
        both = threading.Barrier(2)
        living = tenure.Members.lives

        def lives(members, host):
            both.wait(base.PATIENCE)
            return living(members, host)
        other = dispatcher.AuditDispatcher(lambda: NOW, lambda: self.lease)
        with mock.patch.object(tenure.Members, 'lives', lives):
            engines = (self.dispatcher, other)
            threads = [threading.Thread(target=engine._round)
                       for engine in engines]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(base.PATIENCE)
        for engine in engines:
            for thread in list(engine._running.values()):
                thread.join(base.PATIENCE)
        self.assertTaken(*audits)

    def test_what_a_look_costs(self):
        """It does not grow with what the living run."""
        self.take()
        for _number in range(5):
            self.audit()
        with mock.patch.object(objects.Audit, 'get_by_uuid') as read:
            self.look()
        read.assert_not_called()


class TestLeftovers(EngineTestCase):

    def make_job(self, host, age=0):
        self.beat(host, age)
        service_row, = objects.Service.list(self.context,
                                            filters={'host': host})
        with session.get_engine().begin() as connection:
            connection.execute(sa.insert(models.SchedulerJob).values(
                id=f'job-{host}', job_state=b'pickle', next_run_time=1.0,
                service_id=service_row.id))

    def jobs(self):
        with session.get_engine().connect() as connection:
            return sorted(connection.scalars(
                sa.select(models.SchedulerJob.id)))

    def test_only_timers_of_living_old_engines_are_kept(self):
        """Field report, part 5 test 19: no leftover job, no busy loop."""
        self.make_job('old-alive')
        self.make_job('old-dead', age=100)
        # It has this release now, and so has this engine.
        self.make_job('upgraded')
        self.take('upgraded')
        self.make_job(HERE)
        self.look()
        self.assertEqual(['job-old-alive'], self.jobs())
        self.beat('old-alive', age=100)
        self.look()
        self.assertEqual([], self.jobs())


class TestTriggers(EngineTestCase):

    def trigger(self, audit, times=1):
        for _number in range(times):
            objects.AuditRun.trigger(self.context, audit.id)

    def waiting(self, **fields):
        return self.audit(factories.EVENT, None, AUDIT.PENDING, **fields)

    def test_a_burst_is_one_run(self):
        audit, other = self.waiting(), self.waiting()
        self.trigger(audit, times=5)
        for _number in range(2):
            self.look()
        self.assertEqual([audit.uuid], self.runs)
        self.assertEqual((AUDIT.SUCCEEDED, HERE), self.found(audit))
        self.assertEqual((AUDIT.PENDING, None), self.found(other))

    def test_one_that_comes_during_the_run(self):
        audit = self.waiting()
        self.trigger(audit)
        self.during[audit.uuid] = lambda: (self.during.clear(),
                                           self.trigger(audit))
        for _number in range(3):
            self.look()
        self.assertEqual([audit.uuid] * 2, self.runs)

    def test_its_message_comes_late(self):
        audit = self.waiting()
        self.trigger(audit)
        self.look()
        self.dispatcher.trigger(self.context, audit.uuid)
        self.look()
        self.assertEqual([audit.uuid], self.runs)
        self.assertEqual((AUDIT.SUCCEEDED, HERE), self.found(audit))

    def test_message_of_the_previous_release(self):
        """Its API stores no triggers."""
        audit = self.waiting()
        self.trigger(audit)
        self.look()
        with mock.patch.object(event, 'NUDGE_AGE', 0):
            self.dispatcher.trigger(self.context, audit.uuid)
            self.look()
        self.assertEqual([audit.uuid] * 2, self.runs)

    def test_waits_for_a_running_plan(self):
        audit, forced = self.waiting(), self.waiting(force=True)
        plan = factories.plan(audit, self.strategy, 'ONGOING')
        for waiting in (audit, forced):
            self.trigger(waiting)
        # The message says why; the rounds just wait.
        self.dispatcher.trigger(self.context, audit.uuid)
        for _number in range(2):
            self.look()
        self.assertEqual([forced.uuid], self.runs)
        self.assertIn(plan.uuid, factories.reread(audit).status_message)
        plan.transition('SUCCEEDED')
        self.look()
        self.assertEqual([forced.uuid, audit.uuid], self.runs)
        self.assertIsNone(factories.reread(audit).status_message)

    def test_of_an_engine_that_died(self):
        """The trigger had its run, which is begun again once."""
        audit = self.waiting()
        self.trigger(audit)
        self.during[audit.uuid] = mock.Mock(side_effect=SystemExit)
        self.look()
        self.assertEqual((AUDIT.ONGOING, HERE), self.found(audit))
        self.during.clear()
        for _number in range(2):
            self.look()
        self.assertEqual([audit.uuid] * 2, self.runs)
        self.assertEqual((AUDIT.SUCCEEDED, HERE), self.found(audit))


class TestHanging(EngineTestCase):

    def setUp(self):
        super().setUp()
        self.config(group='watcher_decision_engine', max_audit_workers=1)
        self.gate = threading.Event()
        self.threads = []
        self.addCleanup(self.let_go)

    def let_go(self):
        self.gate.set()
        for thread in self.threads:
            thread.join(base.PATIENCE)

    def hang(self, kind):
        audit = self.audit(kind, HERE if kind == factories.CONTINUOUS
                           else None, AUDIT.PENDING)
        entered = threading.Event()
        self.during[audit.uuid] = lambda: (
            entered.set(), self.gate.wait(base.PATIENCE))
        self.dispatcher._round()
        self.assertTrue(entered.wait(base.PATIENCE))
        thread, = self.dispatcher._running.values()
        self.threads.append(thread)
        return audit, thread

    def give_up(self):
        self.dispatcher._began = dict.fromkeys(self.dispatcher._began, -1e9)
        self.dispatcher._give_up_hanging()
        self.assertEqual({}, self.dispatcher._running)
        self.assertIn('run_strategy', self.logger.output)

    def test_it_fails_and_stores_nothing_more(self):
        for kind in (factories.ONESHOT, factories.CONTINUOUS):
            self.gate.clear()
            audit, thread = self.hang(kind)
            self.give_up()
            after = factories.reread(audit)
            self.assertIn('not over after 7200 seconds', after.status_message)
            self.gate.set()
            thread.join(base.PATIENCE)
            self.assertEqual([], self.plans(audit))
            self.assertEqual(after.updated_at,
                             factories.reread(audit).updated_at)
            self.assertEqual(
                AUDIT.ONGOING if kind == factories.CONTINUOUS
                else AUDIT.FAILED, after.state)
            self.assertEqual(1, objects.AuditRun.get(
                self.context, audit.id).failures)

    def test_each_round_looks_for_it(self):
        audit, _thread = self.hang(factories.ONESHOT)
        self.dispatcher._round()
        self.assertEqual(AUDIT.ONGOING, factories.reread(audit).state)
        self.dispatcher._began = dict.fromkeys(self.dispatcher._began, -1e9)
        self.dispatcher._round()
        self.assertEqual(AUDIT.FAILED, factories.reread(audit).state)

    def test_others_get_its_place(self):
        self.hang(factories.ONESHOT)
        other = self.audit(hostname=None, state=AUDIT.PENDING)
        self.dispatcher._round()
        self.assertEqual(AUDIT.PENDING, factories.reread(other).state)
        self.give_up()
        self.look()
        self.assertEqual(AUDIT.SUCCEEDED, factories.reread(other).state)
        # Not without limit.
        self.hang(factories.ONESHOT)
        self.give_up()
        self.assertEqual(0, self.dispatcher._free())


class TestFencedOff(EngineTestCase):

    def test_no_run_without_a_valid_lease(self):
        audit = self.audit(hostname=None, state=AUDIT.PENDING)
        with mock.patch.object(lease_objects, 'elapsed',
                               return_value=lease_objects.elapsed() + 91):
            self.look()
        self.assertEqual([], self.runs)
        self.assertTrue(self.lease.renew())
        self.look()
        self.assertEqual([audit.uuid], self.runs)

    def test_a_second_engine_with_this_host_name(self):
        audits = [self.audit(hostname=None, state=AUDIT.PENDING),
                  self.audit(factories.CONTINUOUS, None, AUDIT.PENDING)]
        self.take(HERE)
        self.look()
        self.assertEqual([], self.runs)
        for audit in audits:
            self.assertEqual((AUDIT.PENDING, None), self.found(audit))

    def test_taken_away_during_the_run(self):
        audit = self.audit(hostname=None, state=AUDIT.PENDING,
                           auto_trigger=True)
        self.during[audit.uuid] = lambda: self.take(HERE)
        self.look()
        self.assertEqual([], self.plans(audit))
        self.assertEqual((AUDIT.ONGOING, HERE), self.found(audit))

    def test_taken_away_after_the_plan_was_stored(self):
        audit = self.audit(hostname=None, state=AUDIT.PENDING,
                           auto_trigger=True)
        handler = self.dispatcher._handlers[factories.ONESHOT]
        make = handler._make_plan

        def make_plan(*args):
            plan = make(*args)
            self.take(HERE)
            return plan
        with mock.patch.object(handler, '_make_plan', make_plan):
            self.look()
        # Whoever has the lease now decides about both.
        self.assertEqual((AUDIT.ONGOING, HERE), self.found(audit))
        self.lease = tenure.ENGINE.begin()
        self.look()
        self.assertEqual((AUDIT.SUCCEEDED, HERE), self.found(audit))
        self.assertEqual(1, len(self.runs))


class TestManager(EngineTestCase):

    def setUp(self):
        super().setUp()
        self.patch(sync, 'sync', mock.Mock())
        self.manager = engine_manager.DecisionEngineManager()
        self.failures = []
        self.manager.on_failure = self.failures.append

    def known(self):
        return [(known.name, known.living) for known in
                objects.Lease.known(self.context, tenure.ENGINE.prefix)]

    def test_takes_its_lease_and_gives_it_back(self):
        self.manager.pre_start()
        self.assertEqual([('engine:engine-1', True)], self.known())
        self.assertRaises(exception.LeaseLost, factories.reread(
            self.audit()).transition, AUDIT.FAILED, fence=self.lease)
        self.manager.stop(1)
        self.assertEqual([('engine:engine-1', False)], self.known())

    def test_ends_when_it_loses_it(self):
        self.manager.pre_start()
        self.addCleanup(self.manager.stop, 1)
        self.take(HERE)
        self.manager._keeper.keep()
        self.assertEqual([service.FatalError], list(map(type, self.failures)))
        self.assertIn('decision engine', str(self.failures[0]))

    def test_database_that_is_not_upgraded(self):
        with mock.patch.object(objects.Audit.dbapi, 'missing_tables',
                               return_value=['leases']):
            self.manager.pre_start()
        self.assertIsNone(self.manager._keeper.lease)
        self.assertIn('watcher-db-manage upgrade', self.logger.output)
