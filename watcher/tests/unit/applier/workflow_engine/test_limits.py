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
"""How many actions run at the same time, over all plans."""

import collections
import threading
import time

import fixtures
import hypothesis
from hypothesis import strategies as st

from watcher import objects
from watcher.applier.actions import base as action_base
from watcher.applier.workflow_engine import limits
from watcher.common import exception
from watcher.tests import base
from watcher.tests.unit.applier import harness
from watcher.tests.unit.applier.workflow_engine import engine_case

LIMITS = ('max_actions_total', 'max_actions_per_source',
          'max_actions_per_destination', 'max_actions_per_pool')


def claims_of(action):
    given = action.input_parameters.get('claims')
    if given is None:
        return None
    return action_base.Claims(
        subjects=tuple(given.get('subjects', ())),
        source=given.get('source'), destination=given.get('destination'),
        pools=tuple(given.get('pools', ())))


class Census:
    """Counts what runs at the same time, as the cloud would see it."""

    def __init__(self, pause=0.002):
        self._lock = threading.Lock()
        self._pause = pause
        self.running = collections.Counter()
        self.most = collections.Counter()
        self.runs = collections.Counter()

    def __call__(self, action):
        keys = limits.keys_of(action.claims())
        with self._lock:
            self.runs[action.input_parameters['number']] += 1
            self.running.update(keys)
            for key in keys:
                self.most[key] = max(self.most[key], self.running[key])
        time.sleep(self._pause)
        with self._lock:
            self.running.subtract(keys)
        return True

    def most_of(self, kind):
        return max((number for key, number in self.most.items()
                    if key[0] == kind), default=0)


class LimitsTestCase(engine_case.EngineTestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.applier.workflow_engine.admission.LOOK_INTERVAL', 0.02))
        self.hooks['claims'] = claims_of

    def make_claiming(self, *claims, name='plan1', state='PENDING'):
        return self.make_plan(*(
            {'parameters': {'number': number, 'claims': claim},
             'state': state} for number, claim in enumerate(claims)),
            name=name)

    def run_elsewhere(self, *claims):
        """Store a plan that another applier runs."""
        plan = self.make_claiming(*claims, name='elsewhere',
                                  state='ONGOING')
        self.set_state(plan, 'ONGOING', hostname='applier-2')
        return plan

    def in_thread(self, plan, **kwargs):
        thread = threading.Thread(target=self.run_engine, args=(plan,),
                                  kwargs=kwargs, daemon=True)
        thread.start()
        return thread

    def check_three_plans(self):
        census = self.hooks['execute'] = Census(pause=0.01)
        self.config(group='watcher_applier', max_actions_total=3,
                    max_actions_per_source=2, max_actions_per_destination=1)
        moves = [{'subjects': [f'{number}'], 'source': 'compute-1',
                  'destination': f'compute-{2 + number % 3}'}
                 for number in range(4)]
        plans = [self.make_claiming(*[
            {**move, 'subjects': [f'{name}-{number}']}
            for number, move in enumerate(moves)], name=name)
            for name in ('one', 'two', 'three')]
        threads = [self.in_thread(plan, max_workers=4) for plan in plans]
        for thread in threads:
            thread.join(base.PATIENCE)
        for plan in plans:
            self.assertEqual(['SUCCEEDED'] * 4, self.states(plan))
        self.assertEqual({0: 3, 1: 3, 2: 3, 3: 3}, dict(census.runs))
        self.assertLessEqual(census.most_of('total'), 3)
        self.assertLessEqual(census.most_of('source'), 2)
        self.assertEqual(1, census.most_of('destination'))


_hosts = st.sampled_from(['compute-1', 'compute-2', 'compute-3', None])
_claims = st.fixed_dictionaries({
    'source': _hosts, 'destination': _hosts,
    'subjects': st.lists(st.sampled_from('abcd'), max_size=2, unique=True),
    'pools': st.lists(st.sampled_from('pq'), max_size=2, unique=True)})


class TestOnePlan(LimitsTestCase):

    @hypothesis.settings(
        max_examples=15, deadline=None, derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck))
    @hypothesis.given(
        claims=st.lists(_claims, min_size=1, max_size=10),
        numbers=st.tuples(*[st.integers(0, 2)] * 4))
    def test_limits_hold_and_all_run(self, claims, numbers):
        census = self.hooks['execute'] = Census()
        self.config(group='watcher_applier',
                    **dict(zip(LIMITS, numbers, strict=True)))
        plan = self.make_claiming(*claims)
        self.run_engine(plan, max_workers=4)
        self.assertEqual(['SUCCEEDED'] * len(claims), self.states(plan))
        self.assertEqual(dict.fromkeys(range(len(claims)), 1),
                         dict(census.runs))
        self.assertLessEqual(census.most_of('subject'), 1)
        for kind, number in zip(('total', 'source', 'destination', 'pool'),
                                numbers, strict=True):
            self.assertLessEqual(census.most_of(kind), number or 4)

    def test_without_limits_all_run_together(self):
        meeting = threading.Barrier(3)
        self.hooks['execute'] = (
            lambda action: meeting.wait(base.PATIENCE) >= 0)
        plan = self.make_claiming(*[{'source': 'compute-1'}] * 3)
        self.run_engine(plan, max_workers=3)
        self.assertEqual(['SUCCEEDED'] * 3, self.states(plan))

    def test_a_failed_action_gives_its_place_back(self):
        self.config(group='watcher_applier', max_actions_total=1)
        self.hooks['execute'] = lambda action: False
        plan = self.make_claiming({}, {}, {})
        self.run_engine(plan)
        self.assertEqual(['FAILED'] * 3, self.states(plan))


class TestSeveralPlans(LimitsTestCase):

    def test_limits_hold_under_three_plans(self):
        self.check_three_plans()

    def test_who_waits_holds_no_worker(self):
        self.config(group='watcher_applier', max_actions_per_source=1)
        other = self.run_elsewhere({'source': 'compute-1'})
        plan = self.make_claiming({'source': 'compute-1'},
                                  {'source': 'compute-2'})
        thread = self.in_thread(plan, max_workers=1)
        self.wait_for(lambda: self.states(plan) == ['PENDING', 'SUCCEEDED'])
        self.assertTrue(thread.is_alive())
        self.actions(other)[0].transition('SUCCEEDED')
        thread.join(base.PATIENCE)
        self.assertEqual(['SUCCEEDED'] * 2, self.states(plan))

    def test_a_server_is_moved_by_one_plan_at_a_time(self):
        other = self.run_elsewhere({'subjects': ['server-1']})
        plan = self.make_claiming({'subjects': ['server-1']},
                                  {'subjects': ['server-2']})
        thread = self.in_thread(plan)
        self.wait_for(lambda: self.states(plan) == ['PENDING', 'SUCCEEDED'])
        self.set_state(other, 'CANCELLED')
        thread.join(base.PATIENCE)
        self.assertEqual(['SUCCEEDED'] * 2, self.states(plan))

    def test_a_place_that_is_lost_at_the_last_moment(self):
        other = []

        def overtake(action):
            if not other:
                other.append(self.run_elsewhere({'subjects': ['server-1']}))
        self.hooks['pre_condition'] = overtake
        harness.notifications.setup()
        self.addCleanup(harness.notifications.teardown)
        plan = self.make_claiming({'subjects': ['server-1']})
        thread = self.in_thread(plan)
        self.wait_for(lambda: other)
        self.wait_for(lambda: self.events('execution.start action1'))
        self.assertEqual(['PENDING'], self.states(plan))
        self.actions(other[0])[0].transition('FAILED')
        thread.join(base.PATIENCE)
        self.assertEqual(['SUCCEEDED'], self.states(plan))
        self.assertEqual(1, len(self.events('execution.start action1')))
        self.assertEqual(1, self.runs(plan)[0].attempts)

    def test_types_of_actions_that_are_unknown_here_count(self):
        plan = self.make_plan({
            'type': 'teleport', 'state': 'ONGOING',
            'parameters': {'resource_id': 'server-1'}}, name='elsewhere')
        self.set_state(plan, 'ONGOING', hostname='applier-2')
        occupied = limits.Occupied(self.make_engine().action_factory)
        self.assertEqual((('subject', 'server-1'), limits.TOTAL),
                         occupied.by(self.actions(plan)[0]))


class TestWaitingEnds(LimitsTestCase):

    def setUp(self):
        super().setUp()
        self.config(group='watcher_applier', max_actions_total=1)
        self.other = self.run_elsewhere({})
        self.plan = self.make_claiming({}, {})

    def handle(self):
        results = []
        thread = threading.Thread(
            target=lambda: results.append(self.run_plan(self.plan)),
            daemon=True)
        thread.start()
        self.wait_for_state(self.plan, 'ONGOING')
        self.wait_for(lambda: self.events('plan1 ONGOING'))
        return thread

    def test_with_a_cancel(self):
        thread = self.handle()
        self.set_state(self.plan, 'CANCELLING')
        thread.join(base.PATIENCE)
        self.assertEqual('CANCELLED', self.read(self.plan).state)
        self.assertEqual(['CANCELLED'] * 2, self.states(self.plan))

    def test_with_the_applier(self):
        thread = self.handle()
        self.manager.stopping.set()
        thread.join(base.PATIENCE)
        self.assertFalse(thread.is_alive())

    def test_when_the_plan_is_taken_away(self):
        thread = self.handle()
        objects.ActionPlan.dbapi.update_action_plan(
            self.plan.uuid, {'hostname': 'applier-3'})
        thread.join(base.PATIENCE)
        self.assertFalse(thread.is_alive())
        self.assertEqual('ONGOING', self.read(self.plan).state)
        self.assertEqual(['PENDING'] * 2, self.states(self.plan))


class TestGivingUp(LimitsTestCase):

    def test_what_waits_does_not_outlive_the_run(self):
        """Nobody would look after it any more."""
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.applier.workflow_engine.admission.LOOK_INTERVAL', 3600))
        self.run_elsewhere({'subjects': ['busy']})
        plan = self.make_claiming({}, {'subjects': ['busy']})

        def execute(action):
            self.manager.stopping.set()
            raise exception.WaitInterrupted(what='the cloud')
        self.hooks['execute'] = execute
        thread = threading.Thread(target=self.run_plan, args=(plan,),
                                  daemon=True)
        thread.start()
        thread.join(base.PATIENCE)
        self.assertFalse(thread.is_alive())
        self.assertEqual('CANCELLED', self.read(plan).state)
        self.assertEqual(['CANCELLED'] * 2, self.states(plan))
