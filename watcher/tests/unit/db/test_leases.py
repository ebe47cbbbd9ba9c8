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

import sqlalchemy as sa
from oslo_utils import timeutils

from watcher import objects
from watcher.common import exception
from watcher.db.sqlalchemy import clock
from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import session
from watcher.objects import lease as lease_objects
from watcher.tests import base as tests_base
from watcher.tests.unit.db import base

NAME = 'applier:host'
Lease = objects.Lease


class LeaseTestCase(base.DatabaseTestCase):

    def take(self, owner='one', seconds=60.0):
        return Lease.take(self.context, NAME, owner, seconds)

    def lapse(self, name=NAME, seconds=1):
        """Let time pass, as the database sees it."""
        with session.get_engine().begin() as connection:
            connection.execute(sa.update(models.Lease).where(
                models.Lease.name == name).values(
                    expires_at=clock.utc_in(-seconds)))

    def known(self):
        return [(known.name, known.owner, known.living)
                for known in Lease.known(self.context, 'applier:')]


class TestLease(LeaseTestCase):

    def test_the_clock_is_that_of_the_database_in_utc(self):
        with session.get_engine().connect() as connection:
            now, later = connection.execute(
                sa.select(clock.utc_in(), clock.utc_in(90.5))).one()
        self.assertIsNone(now.tzinfo)
        self.assertAlmostEqual(90.5, (later - now).total_seconds(), places=1)
        # The servers of the tests run on this machine.
        self.assertLess(abs(now - timeutils.utcnow()),
                        datetime.timedelta(minutes=5))

    def test_the_newest_has_it(self):
        one = self.take()
        two = self.take('two')
        self.assertEqual(one.token + 1, two.token)
        self.assertEqual([(NAME, 'two', True)], self.known())
        self.assertFalse(one.renew())
        self.assertTrue(two.renew())
        self.assertEqual((False, True), (one.valid, two.valid))
        self.assertEqual((True, False), (one.lost, two.lost))

    def test_one_that_is_held_is_not_seized(self):
        self.take()
        self.assertIsNone(Lease.seize(self.context, NAME, 'two', 60))
        self.assertEqual([(NAME, 'one', True)], self.known())

    def test_one_that_is_expired_is_seized_once(self):
        one = self.take()
        self.lapse()
        self.assertEqual(
            [NAME], [known.name for known in Lease.expired(
                self.context, 'applier:')])
        self.assertIsNotNone(Lease.seize(self.context, NAME, 'two', 60))
        self.assertIsNone(Lease.seize(self.context, NAME, 'three', 60))
        self.assertFalse(one.renew())

    def test_one_that_nobody_had_is_seized(self):
        self.assertTrue(Lease.seize(self.context, NAME, 'one', 60).valid)

    def test_expired_but_not_taken_comes_back(self):
        one = self.take()
        self.lapse()
        self.assertEqual([(NAME, 'one', False)], self.known())
        self.assertTrue(one.renew())
        self.assertEqual([(NAME, 'one', True)], self.known())

    def test_revoked_it_never_comes_back(self):
        one = self.take()
        known, = Lease.known(self.context, NAME)
        self.assertFalse(Lease.revoke(self.context, known))
        self.lapse()
        self.assertTrue(Lease.revoke(self.context, known))
        self.assertFalse(Lease.revoke(self.context, known))
        self.assertFalse(one.renew())
        self.assertEqual([(NAME, 'one', False)], self.known())

    def test_renewed_it_is_not_revoked(self):
        one = self.take()
        self.lapse()
        known, = Lease.known(self.context, NAME)
        one.renew()
        self.assertFalse(Lease.revoke(self.context, known))
        self.assertTrue(one.renew())

    def test_released_it_is_free_at_once(self):
        one = self.take()
        one.release()
        self.assertFalse(one.valid)
        self.assertFalse(one.renew())
        self.assertEqual([(NAME, 'one', False)], self.known())
        self.assertIsNotNone(Lease.seize(self.context, NAME, 'two', 60))

    def test_only_long_expired_ones_are_forgotten(self):
        self.take()
        self.assertEqual(0, Lease.forget(self.context, 'applier:', 0))
        self.lapse(seconds=100)
        self.assertEqual(0, Lease.forget(self.context, 'applier:', 200))
        self.assertEqual(0, Lease.forget(self.context, 'engine:', 50))
        self.assertEqual(1, Lease.forget(self.context, 'applier:', 50))

    def test_a_forgotten_one_is_another_one_afterwards(self):
        # Its token begins anew: the owner tells them apart.
        one = self.take()
        self.lapse(seconds=100)
        Lease.forget(self.context, 'applier:', 50)
        two = self.take('two')
        self.assertEqual(one.token, two.token)
        self.assertFalse(one.renew())

    def test_a_prefix_is_no_pattern(self):
        self.take()
        self.assertEqual([], Lease.known(self.context, 'a%'))
        self.assertEqual([], Lease.known(self.context, 'applier_'))

    def test_long_names(self):
        host = 'h' * 255
        name = lease_objects.name_of('applier', host)
        self.assertLessEqual(len(name), 191)
        self.assertNotEqual(name, lease_objects.name_of(
            'applier', host[:-1] + 'x'))
        Lease.take(self.context, name, 'o' * 300, 60)
        self.assertEqual([(name, 'o' * 255, True)], self.known())

    def test_serialize_needs_no_row_before(self):
        for _round in range(2):
            with self.dbapi.transaction():
                Lease.serialize(self.context, 'slots')
        self.assertEqual(1, len(Lease.known(self.context, 'slots')))


class TestFence(LeaseTestCase):

    def setUp(self):
        super().setUp()
        audit, strategy = self.records.audit(), self.records.strategy()
        self.plan = objects.ActionPlan.create_with(
            self.context,
            {'audit_id': audit.id, 'strategy_id': strategy.id},
            actions=[{'action_type': 'nop'}] * 2)
        self.action, self.other = objects.Action.list(
            self.context, filters={'action_plan_id': self.plan.id})

    def write_all(self, fence):
        """All kinds of writes under a lease."""
        return [
            lambda: self.action.transition('ONGOING', fence=fence),
            lambda: self.plan.transition_actions(
                'CANCELLED', 'PENDING', fence=fence),
            lambda: self.plan.swap({'hostname': None}, fence, hostname='h'),
            lambda: objects.ActionRun.set(
                self.context, self.action.id, fence=fence, attempts=1),
            lambda: objects.PlanRun.set(
                self.context, self.plan.id, fence=fence, paused=True)]

    def assertNothingWritten(self):
        self.plan.refresh()
        self.assertIsNone(self.plan.hostname)
        self.assertEqual(['PENDING'] * 2, [
            action.state for action in objects.Action.list(
                self.context, filters={'action_plan_id': self.plan.id})])
        self.assertIsNone(objects.ActionRun.get(self.context,
                                                self.action.id))
        self.assertIsNone(objects.PlanRun.get(self.context, self.plan.id))

    def test_held(self):
        fence = self.take()
        for write in self.write_all(fence):
            write()
        self.assertEqual(1, objects.ActionRun.get(
            self.context, self.action.id).attempts)
        self.assertEqual('h', objects.ActionPlan.get_by_uuid(
            self.context, self.plan.uuid).hostname)

    def test_taken_by_another_process(self):
        fence = self.take()
        self.take('two')
        # What it does not know yet, the database does.
        self.assertTrue(fence.valid)
        for write in self.write_all(fence):
            self.assertRaises(exception.LeaseLost, write)
        self.assertNothingWritten()

    def test_expired_by_the_clock_of_the_database(self):
        fence = self.take()
        self.lapse()
        for write in self.write_all(fence):
            self.assertRaises(exception.LeaseLost, write)
        self.assertNothingWritten()

    def test_expired_by_its_own_clock(self):
        fence = self.take()
        now = lease_objects.elapsed()
        with mock.patch.object(lease_objects, 'elapsed',
                               return_value=now + 61):
            self.assertFalse(fence.valid)
            with self.statements() as sent:
                for write in self.write_all(fence):
                    self.assertRaises(exception.LeaseLost, write)
        self.assertEqual([], sent)

    def test_a_run_that_is_there_is_guarded_too(self):
        objects.ActionRun.set(self.context, self.action.id, attempts=1)
        fence = self.take()
        self.take('two')
        self.assertRaises(exception.LeaseLost, objects.ActionRun.set,
                          self.context, self.action.id, fence=fence,
                          attempts=2)
        self.assertEqual(1, objects.ActionRun.get(
            self.context, self.action.id).attempts)

    def test_a_lost_swap_is_no_lost_lease(self):
        fence = self.take()
        self.action.transition('ONGOING')
        error = self.assertRaises(
            exception.StateConflict, self.action.transition, 'CANCELLED',
            expected='PENDING', fence=fence)
        self.assertNotIsInstance(error, exception.LeaseLost)

    def test_a_lost_lease_ends_the_search_for_the_state(self):
        fence = self.take()
        self.take('two')
        self.assertRaises(
            exception.LeaseLost, self.action.transition, 'CANCELLED',
            expected=('ONGOING', 'PENDING'), fence=fence)

    def test_one_statement_more_is_not_needed(self):
        fence = self.take()
        with self.statements() as plain:
            self.action.transition('ONGOING')
        with self.statements() as fenced:
            self.other.transition('ONGOING', fence=fence)
        self.assertEqual(len(plain), len(fenced))


class TestElapsed(tests_base.TestCase):

    def test_it_only_grows(self):
        first = lease_objects.elapsed()
        self.assertGreaterEqual(lease_objects.elapsed(), first)
