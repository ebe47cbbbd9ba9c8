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
"""Which plans are measured, when, and what is stored."""

import datetime
from unittest import mock

from oslo_utils import timeutils

from watcher import objects
from watcher.decision_engine.followup import efficacy
from watcher.decision_engine.followup import measuring
from watcher.decision_engine.strategy.strategies import workload_balance
from watcher.tests.unit.decision_engine.followup import cases

MOVES, SERVERS = 'instance_migrations_count', 'instances_count'


class EfficacyTestCase(cases.FollowUpTestCase):

    def setUp(self):
        super().setUp()
        self.engine = efficacy.EfficacyMeasurement()
        self.migrate('a')

    def ended(self, ago=400, servers='a', indicators=((MOVES, 1),
                                                       (SERVERS, 2)),
              **run):
        """A plan that has moved servers."""
        plan = self.make_plan(
            *(self.move(name, state='SUCCEEDED') for name in servers),
            state='SUCCEEDED',
            global_efficacy=[{'name': 'live_migrations_count', 'unit': '%',
                              'value': 50.0, 'description': 'share'}],
            indicators=[{'name': name, 'description': 'd', 'unit': None,
                         'value': value} for name, value in indicators])
        end = timeutils.utcnow(with_timezone=True) - datetime.timedelta(
            seconds=ago)
        objects.PlanRun.set(
            self.context, plan.id, finished_at=end,
            started_at=end - datetime.timedelta(seconds=10), **run)
        return plan

    def run_of(self, plan):
        return objects.PlanRun.get(self.context, plan.id)

    def measured(self, plan):
        self.engine.measure_plans()
        run = self.run_of(plan)
        self.assertEqual(run.measured is None, run.measured_at is None)
        return run.measured


class TestMeasurement(EfficacyTestCase):

    def test_what_is_stored(self):
        measured = self.measured(self.ended())
        self.assertEqual({
            'indicators': {
                MOVES: {'unit': None, 'predicted': 1, 'measured': 1},
                SERVERS: {'unit': None, 'predicted': 2, 'measured': 2}},
            'global_efficacy': {'live_migrations_count': {
                'unit': '%', 'predicted': 50.0, 'measured': 50.0}},
            'actions': {'planned': 1, 'in_effect': 1},
            'models': {'compute': {'read_at': None}},
            'remarks': []}, measured)
        self.assertIn('1 of 1 actions are in effect', self.logger.output)

    def test_what_is_not_as_promised(self):
        plan = self.ended(servers='ab',
                          indicators=((MOVES, 2), (SERVERS, 2)))
        measured = self.measured(plan)
        self.assertEqual(1, measured['indicators'][MOVES]['measured'])
        self.assertEqual({'planned': 2, 'in_effect': 1}, measured['actions'])
        first, second = measured['remarks']
        self.assertIn('is on host-A, not on host-B', first)
        self.assertEqual(f'{MOVES} is 1, not 2', second)
        self.assertIn(f'{plan.uuid} has not brought what it promised: '
                      f'{MOVES} is 1, not 2', self.logger.output)

    def test_how_much_may_differ(self):
        for percent, told in ((50, False), (49, True), (0, False)):
            self.config(group='watcher_decision_engine',
                        efficacy_tolerance=percent)
            measured = self.measured(self.ended(
                servers='ab', indicators=((MOVES, 2), (SERVERS, 2))))
            self.assertEqual((percent, told), (
                percent, 'is 1, not 2' in str(measured['remarks'])))

    def test_indicators_that_nobody_knows(self):
        # An older version of the goal may have had more.
        measured = self.measured(self.ended(
            indicators=((MOVES, 1), (SERVERS, 2), ('happiness', 7))))
        self.assertEqual({'unit': None, 'predicted': 7, 'measured': None},
                         measured['indicators']['happiness'])
        self.assertEqual(50.0, measured['global_efficacy'][
            'live_migrations_count']['measured'])

    def test_deviation_that_a_plan_brings_to_nothing(self):
        def surprise(predicted, measured):
            return measuring._surprises({
                'standard_deviation_before_audit': {
                    'predicted': 0.5, 'measured': None},
                'standard_deviation_after_audit': {
                    'predicted': predicted, 'measured': measured}})
        self.assertEqual([], surprise(0.0001, 0.01))
        self.assertEqual(1, len(surprise(0.0001, 0.11)))

    def test_another_plan_ran_since(self):
        plan = self.ended()
        other = self.ended(ago=300)
        objects.PlanRun.set(
            self.context, other.id, started_at=timeutils.utcnow())
        self.assertIn(f'The action plan {other.uuid} ran since',
                      self.measured(plan)['remarks'])

    def test_strategy_that_is_gone(self):
        self.strategy = cases.factories.strategy(self.goal, 'of_old')
        plan = self.ended(ago=9999)
        other = self.ended(ago=9998)
        self.strategy.soft_delete()
        measured = self.measured(plan)
        self.assertEqual({'unit': None, 'predicted': 1, 'measured': None},
                         measured['indicators'][MOVES])
        self.assertIn('could not be measured', measured['remarks'][0])
        # Others don't suffer from it.
        self.assertIsNotNone(self.run_of(other).measured_at)


class TestWhen(EfficacyTestCase):

    def test_once_it_has_settled(self):
        plan = self.ended(ago=290)
        self.assertIsNone(self.measured(plan))
        self.config(group='watcher_decision_engine', measure_after=280)
        self.assertIsNotNone(self.measured(plan))

    def test_once_its_metrics_tell_nothing_of_the_time_before(self):
        plan = self.ended(ago=500)
        with mock.patch.object(workload_balance.WorkloadBalance,
                               'settling_time', lambda this: 600):
            self.assertIsNone(self.measured(plan))
            # It is looked at again in time.
            pause = self.engine._later[plan.id] - efficacy.time.monotonic()
            self.assertTrue(60 < pause <= 100, pause)
            self.engine._later.clear()
            objects.PlanRun.set(
                self.context, plan.id,
                finished_at=self.run_of(plan).finished_at
                - datetime.timedelta(seconds=100))
            self.assertIsNotNone(self.measured(plan))

    def test_switched_off(self):
        self.config(group='watcher_decision_engine', measure_after=0)
        self.assertIsNone(self.measured(self.ended()))
        self.assertEqual(0, efficacy._interval())

    def test_long_ago(self):
        self.assertIsNone(self.measured(self.ended(ago=300 + 86400 + 60)))

    def test_only_once(self):
        plan = self.ended()
        self.measured(plan)
        when = self.run_of(plan).measured_at
        self.engine.measure_plans()
        self.assertEqual(when, self.run_of(plan).measured_at)

    def test_some_in_each_round_and_the_oldest_first(self):
        plans = [self.ended(ago=400 + number) for number in range(7)]
        for expected in (5, 7):
            self.engine.measure_plans()
            self.assertEqual(
                [plan.id for plan in plans[-expected:]],
                [plan.id for plan in plans
                 if self.run_of(plan).measured_at])


class TestTrouble(EfficacyTestCase):

    def test_cloud_that_cannot_be_read(self):
        self.failure = 'Nova is away'
        plan = self.ended()
        self.assertIsNone(self.measured(plan))
        self.failure = None
        # Not at once.
        self.assertIsNone(self.measured(plan))
        self.engine._later.clear()
        self.assertIsNotNone(self.measured(plan))
        self.assertNotIn('Traceback', self.logger.output)

    def test_those_that_cannot_be_measured_keep_nobody_waiting(self):
        self.failure = 'Nova is away'
        for number in range(efficacy.BATCH):
            self.ended(ago=500 + number)
        self.engine.measure_plans()
        self.failure = None
        self.assertIsNotNone(self.measured(self.ended()))

    def test_it_is_given_up(self):
        self.failure = 'Nova is away'
        measured = self.measured(self.ended(
            ago=300 + efficacy.PATIENCE + 60))
        self.assertEqual(
            ({'unit': '%', 'predicted': 50.0, 'measured': None},
             {'planned': 1, 'in_effect': None}, {}),
            (measured['global_efficacy']['live_migrations_count'],
             measured['actions'], measured['models']))
        self.assertIn('Nova is away', measured['remarks'][0])

    def test_bug_of_a_strategy(self):
        plan, other = self.ended(ago=500), self.ended()
        broken = mock.Mock(side_effect=[ZeroDivisionError('secret'), {}])
        with mock.patch.object(workload_balance.WorkloadBalance,
                               'measure_efficacy', broken):
            self.assertIsNone(self.measured(plan))
        self.assertIsNotNone(self.run_of(other).measured_at)
        self.assertIn('ZeroDivisionError', self.logger.output)


class TestTurns(EfficacyTestCase):

    def test_another_engine_is_at_it(self):
        plan = self.ended()
        lease = objects.Lease.take(self.context, efficacy.LEASE, 'it', 60)
        self.assertIsNone(self.measured(plan))
        lease.release()
        self.assertIsNotNone(self.measured(plan))

    def test_another_engine_goes_on_meanwhile(self):
        plan = self.ended()
        real = measuring.measure

        def slow(*args):
            objects.Lease.take(self.context, efficacy.LEASE, 'it', 60)
            return real(*args)
        with mock.patch.object(measuring, 'measure', slow):
            self.assertIsNone(self.measured(plan))
        self.assertIn('another engine goes on', self.logger.output)

    def test_nothing_is_written_while_nothing_waits(self):
        self.engine.measure_plans()
        self.assertEqual([], objects.Lease.known(self.context, 'engines:'))

    def test_no_further_plan_while_stopping(self):
        self.engine.stop()
        self.assertIsNone(self.measured(self.ended()))

    def test_plan_that_is_deleted_meanwhile(self):
        plan = self.ended()
        found = objects.PlanRun.unmeasured
        plan.soft_delete()
        with mock.patch.object(
                objects.PlanRun, 'unmeasured',
                lambda *args, **more: found(*args, **more)
                or {plan.id: timeutils.utcnow(with_timezone=True)}):
            self.assertIsNone(self.measured(plan))
