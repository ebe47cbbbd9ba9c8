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

import threading
from unittest import mock

import fixtures
import sqlalchemy as sa
from prometheus_client import core

from watcher import objects
from watcher.common import metrics
from watcher.db.sqlalchemy import session
from watcher.objects import events
from watcher.objects import figures
from watcher.objects import metering
from watcher.tests import base
from watcher.tests.fixtures import models
from watcher.tests.unit.db import base as db_base


def values(collected):
    """Samples by name and the values of their labels."""
    return {(sample.name, *sample.labels.values()): sample.value
            for metric in collected for sample in metric.samples}


class TestReading(db_base.DatabaseTestCase):

    def test_audits_by_state_type_and_strategy(self):
        strategy = self.records.strategy(name='relief')
        for state, kind in (('PENDING', 'ONESHOT'), ('PENDING', 'ONESHOT'),
                            ('ONGOING', 'CONTINUOUS')):
            self.records.audit(goal_id=strategy.goal_id, state=state,
                               strategy_id=strategy.id, audit_type=kind)
        self.records.audit(goal_id=strategy.goal_id, state='FAILED')
        gone = self.records.audit(goal_id=strategy.goal_id, state='FAILED')
        self.records.dbapi.soft_delete_audit(gone.uuid)
        self.assertEqual({
            ('watcher_audits', 'PENDING', 'ONESHOT', 'relief'): 2,
            ('watcher_audits', 'ONGOING', 'CONTINUOUS', 'relief'): 1,
            ('watcher_audits', 'FAILED', 'ONESHOT', 'any'): 1,
        }, values(figures.read_audits()))

    def test_audits_that_fail_the_worst_first(self):
        for name, failures, state in (
                ('once', 1, 'ONGOING'), ('well', 0, 'ONGOING'),
                ('thrice', 3, 'PENDING'), ('over', 5, 'CANCELLED')):
            audit = self.records.audit(
                name=name, state=state, uuid=models.uuid(name))
            objects.AuditRun.set(self.context, audit.id, failures=failures)
        read = list(figures.read_audits())[1]
        self.assertEqual(
            [(models.uuid('thrice'), 3), (models.uuid('once'), 1)],
            [(sample.labels['audit'], sample.value)
             for sample in read.samples])
        rows = self.records.dbapi.list_failing_audits(figures.LIVE, limit=1)
        self.assertEqual([models.uuid('thrice')], [row.uuid for row in rows])

    def test_plans_that_wait_or_run_and_their_actions(self):
        running = self.records.action_plan(state='ONGOING')
        waiting = self.records.action_plan(state='RECOMMENDED')
        self.records.action_plan(state='SUCCEEDED')
        for plan, state, kind in (
                (running, 'PENDING', 'migrate'),
                (running, 'PENDING', 'migrate'), (running, 'ONGOING', 'nop'),
                (waiting, 'PENDING', 'migrate')):
            self.records.action(action_plan_id=plan.id, state=state,
                                action_type=kind)
        self.assertEqual({
            ('watcher_action_plans', 'RECOMMENDED'): 1,
            ('watcher_action_plans', 'PENDING'): 0,
            ('watcher_action_plans', 'ONGOING'): 1,
            ('watcher_action_plans', 'CANCELLING'): 0,
            ('watcher_actions', 'PENDING', 'migrate'): 2,
            ('watcher_actions', 'ONGOING', 'nop'): 1,
        }, values(figures.read_plans()))


class TestStored(base.TestCase):

    def setUp(self):
        super().setUp()
        self.now = 100.0
        self.reads = 0
        self.error = None
        self.config(group='service_metrics', database_interval=15)
        self.stored = figures.Stored(self.read, lambda: self.now)

    def read(self):
        self.reads += 1
        if self.error is not None:
            raise self.error
        return [core.GaugeMetricFamily('reads', 'x', value=self.reads)]

    def asked(self):
        return values(self.stored.collect())['reads',]

    def test_the_database_is_asked_once_in_an_interval(self):
        self.assertEqual([1, 1], [self.asked(), self.asked()])
        self.now += 14.9
        self.assertEqual(1, self.asked())
        self.now += 0.1
        self.assertEqual(2, self.asked())

    def test_nothing_old_is_shown_after_a_failure(self):
        self.asked()
        self.now += 20
        self.error = ValueError('away')
        self.assertRaises(ValueError, self.asked)
        self.error = None
        self.assertEqual(3, self.asked())


class TestHanging(base.TestCase):

    def test_a_scrape_does_not_hang_with_the_database(self):
        answers = threading.Event()
        self.addCleanup(answers.set)
        stored = figures.Stored(lambda: answers.wait(base.PATIENCE))
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.objects.figures.PATIENCE', 0.05))
        self.assertRaises(TimeoutError, lambda: list(stored.collect()))


class TestConnections(base.TestCase):

    def collected(self):
        return {(sample.name, *sample.labels.values()): sample.value
                for family in figures.Connections().collect()
                for sample in family.samples}

    def test_none_before_the_first(self):
        with mock.patch.object(session, 'known_engine', return_value=None):
            self.assertEqual({}, self.collected())

    def test_of_a_pool(self):
        path = self.useFixture(fixtures.TempDir()).join('db')
        for size, extra, limit in ((2, 3, 5), (2, -1, None), (0, 0, None)):
            engine = sa.create_engine(
                f'sqlite:///{path}', poolclass=sa.pool.QueuePool,
                pool_size=size, max_overflow=extra)
            self.addCleanup(engine.dispose)
            expected = {('watcher_database_connections', 'used'): 1,
                        ('watcher_database_connections', 'idle'): 1}
            if limit:
                expected['watcher_database_connections_limit',] = limit
            with (mock.patch.object(session, 'known_engine',
                                    return_value=engine),
                  engine.connect()):
                engine.connect().close()
                self.assertEqual(expected, self.collected())


class Manager:
    def __init__(self, lease):
        self.lease = lease


class Lease:
    valid = True


class TestLease(base.TestCase):

    def test_valid_or_not_or_none(self):
        lease = Lease()
        figure = figures.Lease(Manager(lease))
        self.assertEqual({('watcher_lease_valid',): 1},
                         values(figure.collect()))
        lease.valid = False
        self.assertEqual({('watcher_lease_valid',): 0},
                         values(figure.collect()))
        self.assertEqual([], list(figures.Lease(Manager(None)).collect()))
        self.assertEqual([], list(figures.Lease(object()).collect()))


class TestStateMeter(db_base.DatabaseTestCase):
    """The meter hears of real changes of objects."""

    def setUp(self):
        super().setUp()
        self.instruments = metrics.begin()
        self.addCleanup(metrics.end)
        self.now = 0.0
        meter = metering.StateMeter(lambda: self.now)
        events.subscribe(meter)
        self.addCleanup(events.unsubscribe, meter)
        strategy = self.records.strategy()
        audit = self.records.audit(goal_id=strategy.goal_id,
                                   strategy_id=strategy.id)
        self.audit = objects.Audit.get_by_uuid(self.context, audit.uuid,
                                               eager=True)
        self.plan = objects.ActionPlan.create_with(
            self.context, {'state': 'PENDING', 'audit_id': audit.id,
                           'strategy_id': strategy.id},
            actions=[{'action_type': 'migrate'}, {'action_type': 'nop'}])
        self.actions = objects.Action.list(
            self.context, filters={'action_plan_id': self.plan.id},
            eager=True)

    def counted(self):
        return values(metric for instrument in (
            self.instruments.changes, self.instruments.actions,
            self.instruments.action_seconds, self.instruments.plan_seconds)
            for metric in instrument.collect())

    def test_an_action_runs(self):
        migrate = self.actions[0]
        migrate.transition('ONGOING')
        self.now = 42.0
        migrate.transition('SUCCEEDED')
        counted = self.counted()
        self.assertEqual(1, counted[
            'watcher_state_changes_total', 'action', 'ONGOING'])
        self.assertEqual(1, counted[
            'watcher_action_results_total', 'migrate', 'SUCCEEDED'])
        self.assertEqual(42, counted['watcher_action_seconds_sum', 'migrate'])

    def test_an_action_that_never_ran_has_no_duration(self):
        self.actions[1].transition('SKIPPED')
        counted = self.counted()
        self.assertEqual(1, counted[
            'watcher_action_results_total', 'nop', 'SKIPPED'])
        self.assertNotIn(('watcher_action_seconds_sum', 'nop'), counted)

    def test_an_action_that_waits_again_is_not_running(self):
        migrate = self.actions[0]
        migrate.transition('ONGOING')
        self.now = 42.0
        migrate.transition('PENDING')
        migrate.transition('CANCELLED')
        self.assertNotIn(('watcher_action_seconds_sum', 'migrate'),
                         self.counted())

    def test_a_plan_runs(self):
        self.plan.transition('ONGOING')
        self.now = 7.0
        self.plan.transition('CANCELLING')
        self.now = 9.0
        self.plan.transition('CANCELLED')
        self.assertEqual(9, self.counted()[
            'watcher_action_plan_seconds_sum', 'CANCELLED'])

    def test_new_objects_have_their_first_state(self):
        counted = self.counted()
        self.assertEqual(1, counted[
            'watcher_state_changes_total', 'action_plan', 'PENDING'])
        self.assertEqual(2, counted[
            'watcher_state_changes_total', 'action', 'PENDING'])
