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
"""The order and the bounds in which actions run."""

import collections
import random
import threading
import time

import hypothesis
from hypothesis import strategies as st

from watcher.applier.loading import default as loading
from watcher.applier.workflow_engine import default
from watcher.tests import base
from watcher.tests.unit.applier import harness
from watcher.tests.unit.applier.workflow_engine import engine_case


@st.composite
def graphs(draw, max_size=12):
    """Draw the parents of each action: only actions before it."""
    size = draw(st.integers(1, max_size))
    return [sorted(draw(st.sets(st.integers(0, number - 1), max_size=3)))
            if number else [] for number in range(size)]


class TestOrder(engine_case.EngineTestCase):

    @hypothesis.settings(
        max_examples=20, deadline=None, derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck))
    @hypothesis.given(parents=graphs(), workers=st.integers(1, 4),
                      seed=st.integers(0, 1000))
    def test_each_runs_once_after_its_parents_within_the_bound(
            self, parents, workers, seed):
        dice = random.Random(seed)
        lock = threading.Lock()
        runs = collections.Counter()
        running = set()
        finished = set()
        faults = []

        def execute(action):
            number = self.number_of(action)
            with lock:
                runs[number] += 1
                running.add(number)
                if len(running) > workers:
                    faults.append(f'{running} run at the same time')
                if not finished.issuperset(parents[number]):
                    faults.append(f'{number} runs before {parents[number]}')
                fails = dice.random() < 0.2
                pause = dice.random() * 0.003
            time.sleep(pause)
            with lock:
                running.discard(number)
                finished.add(number)
            return not fails

        self.hooks['execute'] = execute
        plan = self.make_graph(parents)
        self.run_engine(plan, max_workers=workers)
        self.assertEqual([], faults)
        self.assertEqual(dict.fromkeys(range(len(parents)), 1),
                         dict(runs))
        self.assertLessEqual(set(self.states(plan)),
                             {'SUCCEEDED', 'FAILED'})

    def test_independent_actions_run_together(self):
        meeting = threading.Barrier(3)
        self.hooks['execute'] = (
            lambda action: meeting.wait(base.PATIENCE) >= 0)
        plan = self.make_graph([[], [], []])
        self.run_engine(plan, max_workers=3)
        self.assertEqual(['SUCCEEDED'] * 3, self.states(plan))

    def test_the_threads_end(self):
        def threads():
            return [thread.name for thread in threading.enumerate()
                    if thread.name.startswith('plan-')]
        seen = []
        self.hooks['execute'] = lambda action: not seen.extend(threads())
        self.run_engine(self.make_graph([[], [], []]), max_workers=3)
        self.assertNotEqual([], seen)
        self.wait_for(lambda: not threads(), what='the end of the threads')

    def test_default_options(self):
        engine = loading.DefaultWorkFlowEngineLoader().load('taskflow')
        self.assertGreaterEqual(engine.config.max_workers, 1)
        self.assertEqual({}, engine.config.action_execution_rule)


class TestRuleAny(engine_case.EngineTestCase):

    def outcome(self, parents, failing=(), rule='ANY', phase='execute'):
        def hook(action):
            if self.number_of(action) in failing:
                raise ValueError('as told')
            return True
        self.hooks[phase] = hook
        plan = self.make_graph(parents)
        self.run_engine(plan, dummy=rule)
        self.last = plan
        return self.states(plan)

    def test_a_success_makes_its_alternatives_needless(self):
        self.assertEqual(['SUCCEEDED', 'SKIPPED', 'SKIPPED'],
                         self.outcome([[], [0], [1]]))
        first, second, third = self.actions(self.last)
        self.assertEqual(
            'Action was skipped automatically: it is an alternative to '
            f'action {first.uuid}, which is SUCCEEDED',
            second.status_message)
        self.assertIn(second.uuid, third.status_message)

    def test_a_failure_lets_the_alternative_run(self):
        self.assertEqual(['FAILED', 'SUCCEEDED', 'SKIPPED'],
                         self.outcome([[], [0], [1]], failing=[0]))

    def test_a_failed_pre_condition_is_a_failure(self):
        self.assertEqual(
            ['FAILED', 'SUCCEEDED'],
            self.outcome([[], [0]], failing=[0], phase='pre_condition'))

    def test_one_good_parent_of_several_is_enough(self):
        for _repeat in range(5):
            self.assertEqual(
                ['SUCCEEDED', 'FAILED', 'SKIPPED'],
                self.outcome([[], [], [0, 1]], failing=[1]))
            self.assertEqual(
                ['FAILED', 'SUCCEEDED', 'SKIPPED'],
                self.outcome([[], [], [0, 1]], failing=[0]))
        self.assertEqual(['FAILED', 'FAILED', 'SUCCEEDED'],
                         self.outcome([[], [], [0, 1]], failing=[0, 1]))

    def test_a_skipped_parent_counts_as_good(self):
        plan = self.make_plan(
            {'state': 'SKIPPED'},
            {'parents': [0], 'parameters': {'number': 1}})
        self.run_engine(plan, dummy='ANY')
        self.assertEqual(['SKIPPED', 'SKIPPED'], self.states(plan))

    def test_the_rule_is_one_of_the_strategy(self):
        self.assertEqual(['SUCCEEDED', 'SUCCEEDED'],
                         self.outcome([[], [0]], rule='ALWAYS'))
        plan = self.make_graph([[], [0]])
        self.run_engine(plan, another='ANY')
        self.assertEqual(['SUCCEEDED', 'SUCCEEDED'], self.states(plan))

    def test_a_mistyped_rule_is_told(self):
        self.assertEqual(['SUCCEEDED', 'SUCCEEDED'],
                         self.outcome([[], [0]], rule='SOME'))
        self.assertIn('neither ALWAYS nor ANY', self.logger.output)


class TestAbort(engine_case.EngineTestCase):
    """What engines that do not wait for running actions rely on."""

    def abort(self, abort):
        self.hooks['abort'] = abort
        plan = self.make_plan({'state': 'ONGOING'}, state='ONGOING',
                              hostname=harness.HOST)
        engine = self.make_engine()
        engine.halt(harness.plan_handler.exception.ActionPlanCancelled(
            uuid=plan.uuid))
        default.TaskFlowActionContainer(
            'a', self.actions(plan)[0], engine).revert()
        return [line.replace('action.', '', 1)
                for line in self.events('action1')], self.actions(plan)[0]

    def setUp(self):
        super().setUp()
        harness.notifications.setup()
        self.addCleanup(harness.notifications.teardown)
        self.start = ['create action1 ONGOING',
                      'update action1 CANCELLING [ONGOING>CANCELLING]',
                      'cancel.start action1 CANCELLING']

    def test_stopped(self):
        events, _action = self.abort(lambda action: True)
        self.assertEqual(
            self.start + ['update action1 CANCELLED [CANCELLING>CANCELLED]',
                          'cancel.end action1 CANCELLED'], events)

    def test_not_possible(self):
        events, _action = self.abort(lambda action: False)
        self.assertEqual(
            self.start + ['update action1 SUCCEEDED [CANCELLING>SUCCEEDED]',
                          'cancel.end action1 SUCCEEDED'], events)

    def test_failed(self):
        def fail(action):
            raise ValueError('stuck')
        events, action = self.abort(fail)
        self.assertEqual(
            self.start + ['update action1 FAILED [CANCELLING>FAILED]',
                          'cancel.error action1 FAILED fault=ValueError'],
            events)
        self.assertIn('stuck', action.status_message)


class TestNotify(engine_case.EngineTestCase):

    def test_stores_state_and_message(self):
        plan = self.make_graph([[]])
        action = self.make_engine().notify(
            self.actions(plan)[0], 'SKIPPED', 'not today')
        self.assertEqual('SKIPPED', action.state)
        self.assertEqual('not today', self.actions(plan)[0].status_message)

    def test_cancel_start_is_announced_once(self):
        plan = self.make_graph([[]])
        engine = self.make_engine()
        engine.notify_cancel_start(plan.uuid)
        engine.notify_cancel_start(plan.uuid)
        self.assertEqual(1, len(self.events('action_plan.cancel.start')))
