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
"""Plans whose applier is gone, and appliers that lose their lease."""

import datetime
import threading
from unittest import mock

import sqlalchemy as sa
from oslo_db import exception as db_exc
from oslo_utils import timeutils

from watcher import objects
from watcher.applier import recovery
from watcher.applier import takeover
from watcher.applier import tenure
from watcher.applier.workflow_engine import limits
from watcher.common import exception
from watcher.common import service
from watcher.db.sqlalchemy import clock
from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import session
from watcher.objects import lease as lease_objects
from watcher.objects import tenure as tenure_objects
from watcher.tests import base
from watcher.tests.unit.applier import harness

DEAD = 'applier-dead'


class TakeoverTestCase(harness.ApplierTestCase):

    def setUp(self):
        super().setUp()
        harness.notifications.setup()
        self.addCleanup(harness.notifications.teardown)
        self.runs = []
        self.hooks['execute'] = lambda action: not self.runs.append(action)

    def lease(self, host=DEAD):
        return objects.Lease.take(
            self.context, tenure.lease_name(host), f'owner of {host}', 90)

    def lapse(self, host=DEAD):
        """Let the lease of a host expire, as the database sees it."""
        with session.get_engine().begin() as connection:
            connection.execute(sa.update(models.Lease).where(
                models.Lease.name == tenure.lease_name(host)).values(
                    expires_at=clock.utc_in(-1)))

    def beat(self, host=DEAD, age=0):
        """Note that the service of a host gave a sign of life."""
        dbapi = objects.Service.dbapi
        row, _new = dbapi.touch_service('watcher-applier', host)
        dbapi.update_service(row.id, {'last_seen_up': (
            timeutils.utcnow() - datetime.timedelta(seconds=age))})

    def interrupted(self, state='ONGOING', hostname=DEAD, **values):
        return self.make_plan({'state': 'SUCCEEDED'}, {'state': 'ONGOING'},
                              {}, state=state, hostname=hostname, **values)

    def resume(self):
        self.config(interrupted_plans='resume', group='watcher_applier')

    def look(self):
        """What the thread of the dispatcher does at a look."""
        if self.manager.lease is None:
            self.manager.pre_start()
        self.manager._dispatch()


class TestAppliers(TakeoverTestCase):

    def lives(self, host=DEAD):
        return tenure_objects.Members(
            self.context, tenure_objects.APPLIER).lives(host)

    def test_by_its_lease(self):
        self.lease()
        self.assertTrue(self.lives())
        self.assertTrue(self.lives(DEAD.upper()))
        self.lapse()
        self.assertFalse(self.lives())

    def test_by_its_signs_of_life(self):
        # One of the previous release has no lease.
        self.beat(age=80)
        self.assertTrue(self.lives())
        self.beat(age=100)
        self.assertFalse(self.lives())

    def test_one_that_was_downgraded(self):
        self.lease().release()
        self.assertFalse(self.lives())
        self.beat()
        self.assertTrue(self.lives())

    def next_death(self):
        return tenure_objects.Members(
            self.context, tenure_objects.APPLIER).next_death()

    def test_when_the_first_one_will_be_dead(self):
        self.config(service_down_time=90)
        self.assertIsNone(self.next_death())
        self.beat(age=-80)
        # Its clock is ahead: it has all the more time.
        self.assertGreater(self.next_death(), 90)
        self.lease('another')
        self.assertLessEqual(self.next_death(), 90)

    def test_other_services_of_that_host_say_nothing(self):
        objects.Service.heartbeat(
            self.context, 'watcher-decision-engine', DEAD)
        self.assertFalse(self.lives())

    def test_nobody(self):
        self.assertFalse(self.lives('never-seen'))
        self.assertFalse(self.lives(None))

    def test_who_wakes_up_is_not_excluded(self):
        lease = self.lease()
        self.lapse()
        appliers = tenure_objects.Members(
            self.context, tenure_objects.APPLIER)
        self.assertTrue(lease.renew())
        self.assertFalse(appliers.exclude(self.context, DEAD))
        self.assertTrue(lease.renew())

    def test_who_is_excluded_cannot_come_back(self):
        lease = self.lease()
        self.lapse()
        appliers = tenure_objects.Members(
            self.context, tenure_objects.APPLIER)
        self.assertTrue(appliers.exclude(self.context, DEAD))
        self.assertFalse(appliers.exclude(self.context, DEAD))
        self.assertFalse(lease.renew())
        self.assertTrue(appliers.exclude(self.context, 'never-seen'))

    def test_leases_of_long_gone_hosts_are_forgotten(self):
        self.lease()
        self.lapse()
        takeover.forget_long_gone(self.context)
        self.assertEqual(1, len(objects.Lease.known(self.context, '')))
        with mock.patch.object(tenure_objects, 'MEMORY', 0):
            takeover.forget_long_gone(self.context)
        self.assertEqual([], objects.Lease.known(self.context, ''))


class TestCancel(TakeoverTestCase):

    def assertCancelled(self, plan, host=DEAD):
        plan = self.read(plan)
        self.assertEqual(('CANCELLED', host), (plan.state, plan.hostname))
        self.assertEqual(['SUCCEEDED', 'CANCELLED', 'CANCELLED'],
                         self.states(plan))
        text = (f'cancelled because Applier {host} was stopped while the '
                'action plan was ongoing.')
        self.assertTrue(plan.status_message.startswith(
            f'Action plan was {text}'), plan.status_message)
        self.assertTrue(all(
            action.status_message.startswith(f'Action was {text}')
            for action in self.actions(plan)[1:]))
        self.assertEqual([], self.events('cancel.'))
        self.assertEqual([], self.runs)

    def test_plans_of_a_dead_applier(self):
        for state in ('ONGOING', 'CANCELLING'):
            self.lease()
            self.lapse()
            plan = self.interrupted(state)
            self.look()
            self.assertCancelled(plan)

    def test_of_a_host_that_never_returns(self):
        plan = self.interrupted()
        self.look()
        self.assertCancelled(plan)

    def test_of_nobody(self):
        plan = self.interrupted(hostname=None)
        self.look()
        self.assertEqual('CANCELLED', self.read(plan).state)

    def test_of_the_process_before_this_one(self):
        self.manager.pre_start()
        plan = self.interrupted(hostname=harness.HOST)
        self.look()
        self.assertCancelled(plan, harness.HOST)

    def test_at_every_look(self):
        # A death is not dealt with once, when it is noticed.
        self.look()
        first = self.interrupted()
        self.look()
        second = self.interrupted()
        self.look()
        self.assertCancelled(first)
        self.assertCancelled(second)

    def test_plans_of_the_living_are_left_alone(self):
        self.lease()
        plans = [self.interrupted(state)
                 for state in ('ONGOING', 'CANCELLING')]
        self.look()
        self.assertEqual(['ONGOING', 'CANCELLING'],
                         [self.read(plan).state for plan in plans])
        self.assertEqual(['SUCCEEDED', 'ONGOING', 'PENDING'],
                         self.states(plans[0]))

    def test_plans_of_the_previous_release_too(self):
        self.beat()
        plan = self.interrupted()
        self.look()
        self.assertEqual('ONGOING', self.read(plan).state)
        self.beat(age=100)
        self.look()
        self.assertCancelled(plan)

    def test_plans_that_run_here_are_left_alone(self):
        gate = self.hooks['execute'] = harness.Gate(self)
        plan = self.make_plan({})
        self.look()
        self.assertTrue(gate.entered.wait(base.PATIENCE))
        self.look()
        self.assertEqual('ONGOING', self.read(plan).state)
        gate.opened.set()
        self.wait_for_state(plan, 'SUCCEEDED')

    def test_who_wakes_up_in_time_keeps_its_plans(self):
        self.lease()
        self.lapse()
        plan = self.interrupted()
        with mock.patch.object(objects.Lease, 'revoke', return_value=False):
            self.look()
        self.assertEqual('ONGOING', self.read(plan).state)

    def test_who_wakes_up_late_writes_nothing(self):
        lease = self.lease()
        self.lapse()
        plan = self.interrupted()
        action = self.actions(plan)[2]
        self.look()
        self.assertTrue(lease.valid)
        self.assertFalse(lease.renew())
        action._stored_state = 'PENDING'
        self.assertRaises(exception.LeaseLost, action.transition, 'ONGOING',
                          expected='PENDING', fence=lease)
        self.assertCancelled(plan)

    def test_one_that_cannot_be_recovered(self):
        bad, good = self.interrupted(), self.interrupted()
        transition = objects.ActionPlan.transition

        def fail(plan, *args, **kwargs):
            if plan.uuid == bad.uuid:
                raise ValueError('unreadable')
            return transition(plan, *args, **kwargs)
        with mock.patch.object(objects.ActionPlan, 'transition', fail):
            self.look()
            self.look()
        self.assertCancelled(good)
        self.assertEqual(1, self.logger.output.count('Traceback'))
        self.look()
        self.assertCancelled(bad)

    def test_launched_and_not_begun(self):
        plan = self.make_plan({}, state='RECOMMENDED', hostname=DEAD)
        other = self.make_plan({}, state='RECOMMENDED')
        self.look()
        self.wait_for_state(plan, 'SUCCEEDED')
        self.assertEqual(harness.HOST, self.read(plan).hostname)
        self.assertEqual('RECOMMENDED', self.read(other).state)

    def test_statements_of_a_look(self):
        """They do not grow with what the living execute."""
        self.look()
        self.lease()
        counts = []
        for _round in range(2):
            self.interrupted()
            with mock.patch.object(objects.ActionPlan, 'get_by_uuid') as get:
                self.look()
            counts.append(get.call_count)
        self.assertEqual([0, 0], counts)


class TestResume(TakeoverTestCase):

    def setUp(self):
        super().setUp()
        self.resume()

    def make_begun(self, **values):
        return self.make_plan({'state': 'SUCCEEDED'}, {'parents': [0]},
                              state='ONGOING', **values)

    def test_a_plan_of_a_dead_applier(self):
        self.lease()
        self.lapse()
        plan = self.make_begun(hostname=DEAD)
        self.look()
        self.wait_for_state(plan, 'SUCCEEDED')
        self.assertEqual(harness.HOST, self.read(plan).hostname)
        # Only what had not been done.
        self.assertEqual(1, len(self.runs))

    def test_a_plan_of_the_process_before_this_one(self):
        plan = self.make_begun(hostname=harness.HOST)
        self.manager.pre_start()
        self.assertEqual('ONGOING', self.read(plan).state)
        self.manager.start()
        self.wait_for_state(plan, 'SUCCEEDED')
        self.assertEqual(1, len(self.runs))

    def test_a_plan_that_was_given_back(self):
        plan = self.make_begun(hostname=None)
        self.look()
        self.wait_for_state(plan, 'SUCCEEDED')

    def test_one_that_is_cancelled_is_not_resumed(self):
        plan = self.interrupted('CANCELLING')
        self.look()
        self.assertEqual('CANCELLED', self.read(plan).state)
        self.assertEqual([], self.runs)

    def test_only_by_free_workers(self):
        plans = [self.make_begun(hostname=DEAD) for _number in range(3)]
        gate = self.hooks['execute'] = harness.Gate(self)
        self.look()
        self.assertTrue(gate.entered.wait(base.PATIENCE))
        self.look()
        # Another applier may take the others.
        self.assertEqual([harness.HOST, DEAD, DEAD],
                         [self.read(plan).hostname for plan in plans])
        gate.opened.set()
        self.manager.start()
        for plan in plans:
            self.wait_for_state(plan, 'SUCCEEDED')

    def test_one_that_another_applier_took_first(self):
        plan = self.make_begun(hostname=DEAD)
        recover = self.manager._recover

        def be_late(orphan):
            self.set_host(plan, 'applier-2')
            return recover(orphan)
        with mock.patch.object(self.manager, '_recover', be_late):
            self.look()
        self.assertEqual(('ONGOING', 'applier-2', []), (
            self.read(plan).state, self.read(plan).hostname, self.runs))
        self.assertEqual([], self.manager.running)

    def test_one_of_an_applier_that_came_back(self):
        """It goes on by itself, with the same host name."""
        self.lease()
        self.lapse()
        recover = self.manager._recover

        def be_late(orphan):
            self.lease()
            return recover(orphan)
        for interrupted_plans in 'resume', 'cancel':
            self.config(interrupted_plans=interrupted_plans,
                        group='watcher_applier')
            plan = self.make_begun(hostname=DEAD)
            with mock.patch.object(self.manager, '_recover', be_late):
                self.look()
            self.assertEqual(('ONGOING', DEAD, []), (
                self.read(plan).state, self.read(plan).hostname, self.runs))
            self.lapse()

    def set_host(self, plan, host):
        plan = self.read(plan)
        plan.hostname = host
        plan.save()

    def test_who_stops_gives_its_plans_back(self):
        entered = threading.Event()

        def watch(action):
            entered.set()
            if action.wait(base.PATIENCE):
                raise exception.WaitInterrupted(what='a migration')
            return True
        self.hooks['execute'] = watch
        plan = self.make_plan({})
        self.look()
        self.assertTrue(entered.wait(base.PATIENCE))
        self.manager.stop(base.PATIENCE)
        self.assertEqual(('ONGOING', None), (
            self.read(plan).state, self.read(plan).hostname))
        self.assertEqual(['ONGOING'], self.states(plan))
        self.assertEqual([], self.events('action_plan.execution.end'))

    def test_who_does_not_stop_keeps_its_plans(self):
        gate = self.hooks['execute'] = harness.Gate(self)
        plan = self.make_plan({})
        self.look()
        self.assertTrue(gate.entered.wait(base.PATIENCE))
        self.manager.stop(0)
        self.assertEqual(('ONGOING', harness.HOST), (
            self.read(plan).state, self.read(plan).hostname))


class TestFencedOff(TakeoverTestCase):

    def setUp(self):
        super().setUp()
        self.failures = []
        self.manager.on_failure = self.failures.append
        self.manager.pre_start()

    def keep(self):
        self.manager._keeper.keep()

    def assertFenced(self, error):
        self.assertTrue(self.manager.fenced)
        self.assertTrue(self.manager.stopping.is_set())
        self.assertEqual([error], list(map(type, self.failures)))
        self.assertIn(str(self.failures[0]), self.logger.output)

    def test_a_second_applier_with_this_host_name(self):
        self.lease(harness.HOST)
        self.keep()
        # Starting it anew would only disturb the other one.
        self.assertFenced(service.FatalError)
        self.assertIn('[DEFAULT] host', str(self.failures[0]))

    def test_taken_for_dead(self):
        self.lapse(harness.HOST)
        known, = objects.Lease.known(self.context, 'applier:')
        self.assertTrue(objects.Lease.revoke(self.context, known))
        self.keep()
        self.assertFenced(service.Restart)

    def test_the_reason_cannot_be_read(self):
        self.lease(harness.HOST)
        with mock.patch.object(objects.Lease, 'known',
                               side_effect=db_exc.DBConnectionError):
            self.keep()
        self.assertFenced(service.Restart)

    def test_nothing_is_written_any_more(self):
        gate = self.hooks['execute'] = harness.Gate(self)
        plan = self.make_plan({}, {'parents': [0]})
        self.look()
        self.assertTrue(gate.entered.wait(base.PATIENCE))
        thread = self.manager._runs[plan.uuid].thread
        waiting = self.make_plan({})
        self.lease(harness.HOST)
        self.keep()
        gate.opened.set()
        thread.join(base.PATIENCE)
        self.manager.stop(1)
        self.look()
        self.assertEqual(('ONGOING', ['ONGOING', 'PENDING']),
                         (self.read(plan).state, self.states(plan)))
        self.assertEqual('PENDING', self.read(waiting).state)

    def test_no_claim_before_it_knows(self):
        plan = self.make_plan({})
        self.lease(harness.HOST)
        self.look()
        self.assertEqual(('PENDING', []),
                         (self.read(plan).state, self.runs))

    def test_no_step_while_the_lease_may_be_expired(self):
        plan = self.make_plan({})
        with mock.patch.object(lease_objects, 'elapsed',
                               return_value=lease_objects.elapsed() + 91):
            self.assertFalse(self.manager.lease.valid)
            self.look()
        self.assertEqual('PENDING', self.read(plan).state)
        # Nobody took it: the work goes on.
        self.keep()
        self.assertEqual([], self.failures)
        self.look()
        self.wait_for_state(plan, 'SUCCEEDED')

    def test_a_plan_is_not_cancelled_at_the_end(self):
        gate = self.hooks['execute'] = harness.Gate(self)
        plan = self.make_plan({})
        self.look()
        self.assertTrue(gate.entered.wait(base.PATIENCE))
        self.lease(harness.HOST)
        # It does not know yet; the database does.
        self.manager.stop(0)
        self.assertEqual('ONGOING', self.read(plan).state)


class TestLife(TakeoverTestCase):

    def test_the_lease_is_given_back(self):
        self.manager.pre_start()
        known, = objects.Lease.known(self.context, 'applier:')
        self.assertEqual((f'applier:{harness.HOST}', True),
                         (known.name, known.living))
        self.assertEqual(90, self.manager.lease.seconds)
        self.manager.stop(1)
        known, = objects.Lease.known(self.context, 'applier:')
        self.assertFalse(known.living)

    def test_not_without_the_tables(self):
        with session.get_engine().begin() as connection:
            models.Lease.__table__.drop(connection)
        error = self.assertRaises(exception.DatabaseNotUpgraded,
                                  self.manager.pre_start)
        self.assertIn('leases', str(error))
        self.assertIn('watcher-db-manage upgrade', str(error))

    def test_paused_plans_wait(self):
        plan = self.make_plan({})
        objects.PlanRun.set(self.context, plan.id, paused=True)
        self.look()
        self.assertEqual('PENDING', self.read(plan).state)
        objects.PlanRun.set(self.context, plan.id, paused=False)
        self.look()
        self.wait_for_state(plan, 'SUCCEEDED')

    def test_an_outcome_that_can_never_be_stored(self):
        self.manager.pre_start()
        plan = self.interrupted(hostname=harness.HOST)
        handler = mock.Mock(**{'conclude.side_effect': ValueError('odd')})
        self.manager._unsettled[plan.uuid] = handler
        self.look()
        plan = self.read(plan)
        self.assertEqual('FAILED', plan.state)
        self.assertIn('odd', plan.status_message)
        self.assertEqual(['SUCCEEDED', 'FAILED', 'CANCELLED'],
                         self.states(plan))
        self.assertEqual({}, self.manager._unsettled)

    def test_it_fails_later_if_that_cannot_be_stored_either(self):
        self.manager.pre_start()
        plan = self.interrupted(hostname=harness.HOST)
        handler = mock.Mock(**{'conclude.side_effect': ValueError('odd')})
        self.manager._unsettled[plan.uuid] = handler
        with mock.patch.object(objects.ActionPlan, 'transition_actions',
                               side_effect=db_exc.DBError):
            self.look()
        self.assertEqual('ONGOING', self.read(plan).state)
        self.look()
        self.assertEqual('FAILED', self.read(plan).state)


class TestOwn(TakeoverTestCase):

    def test_what_waits_here_is_no_orphan(self):
        """It would be read at every look for nothing."""
        self.make_plan({}, state='RECOMMENDED', hostname=harness.HOST)
        left = self.make_plan({}, state='ONGOING', hostname=harness.HOST)
        self.assertEqual([left.uuid], [
            orphan.uuid for orphan in takeover.find_orphans(
                self.context, harness.HOST, ())])

    def test_nothing_begins_while_a_plan_is_ended(self):
        plan = self.make_plan({'state': 'ONGOING'}, state='ONGOING',
                              hostname=harness.HOST)
        look = recovery._list_started
        locked = []

        def list_started(context, plan):
            locked.extend(objects.Lease.known(context, limits.SLOTS))
            return look(context, plan)
        with mock.patch.object(recovery, '_list_started', list_started):
            recovery.cancel_interrupted(self.context, plan, harness.HOST)
        self.assertEqual(1, len(locked))
        self.assertEqual(['CANCELLED'], self.states(plan))
