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
"""All pre-conditions are checked before the first action starts."""

import threading

from watcher import objects
from watcher.applier.actions import base as action_base
from watcher.applier.workflow_engine import rehearsal
from watcher.common import exception
from watcher.common import utils
from watcher.tests import base
from watcher.tests.unit.applier import harness
from watcher.tests.unit.applier.workflow_engine import engine_case

Claims = action_base.Claims


def refuse(action):
    if action.input_parameters.get('bad'):
        raise exception.ActionExecutionFailure(
            f"Server {action.input_parameters['bad']} is gone")


class TestPlan(engine_case.EngineTestCase):

    def setUp(self):
        super().setUp()
        self.config(group='watcher_applier', check_before_start=True)
        self.asked = []
        self.done = []
        self.hooks.update(pre_condition=self.ask, claims=self.claims_of,
                          execute=lambda action: not self.done.append(
                              self.number_of(action)))

    def ask(self, action):
        self.asked.append(self.number_of(action))
        refuse(action)

    @staticmethod
    def claims_of(action):
        return Claims((action.input_parameters.get('subject', 's'),)
                      if 'subject' in action.input_parameters else ())

    def make(self, *specs):
        return self.make_plan(*(
            {**spec, 'parameters': {**spec.get('parameters', {}),
                                    'number': number}}
            for number, spec in enumerate(specs)))

    def test_nothing_is_touched_if_one_would_fail(self):
        plan = self.run_plan(self.make(
            {}, {'parameters': {'bad': 'a'}, 'parents': [0]},
            {'parents': [1]}, {'parameters': {'bad': 'b'}}))
        self.assertEqual([], self.done)
        self.assertEqual('FAILED', plan.state)
        actions = self.actions(plan)
        self.assertEqual(
            'Nothing was changed, because 2 of 4 actions would fail; the '
            f'first is the scripted action {actions[1].uuid}: Server a is '
            'gone', plan.status_message)
        self.assertEqual(
            [('CANCELLED', plan.status_message),
             ('FAILED', 'Action failed in pre_condition: Server a is gone'),
             ('CANCELLED', plan.status_message),
             ('FAILED', 'Action failed in pre_condition: Server b is gone')],
            [(action.state, action.status_message) for action in actions])
        run = objects.PlanRun.get(self.context, plan.id)
        self.assertIsNotNone(run.finished_at)
        self.assertEqual([None] * 4, self.runs(plan))

    def test_events(self):
        self.run_plan(self.make({'parameters': {'bad': 'a'}}, {}))
        self.assertEqual([
            'action_plan.execution.start plan1 ONGOING',
            'action.update action1 FAILED [PENDING>FAILED]',
            'action.update action2 CANCELLED [PENDING>CANCELLED]',
            'action_plan.update plan1 FAILED [ONGOING>FAILED]',
            'action.execution.error action1 FAILED '
            'fault=ActionExecutionFailure',
            'action_plan.execution.error plan1 FAILED '
            'fault=ActionExecutionFailure',
        ], self.events()[-6:])

    def test_a_plan_that_can_run_runs(self):
        plan = self.run_plan(self.make({}, {'parents': [0]}))
        self.assertEqual('SUCCEEDED', plan.state)
        self.assertEqual([0, 1], self.done)
        self.assertEqual([0, 0, 1, 1], sorted(self.asked))
        self.assertEqual(2, len(self.events('action.execution.start')))

    def test_by_default_there_is_no_rehearsal(self):
        self.config(group='watcher_applier', check_before_start=False)
        plan = self.run_plan(self.make({}, {'parameters': {'bad': 'a'},
                                            'parents': [0]}))
        self.assertEqual(['SUCCEEDED', 'FAILED'], self.states(plan))
        self.assertEqual([0, 1], self.asked)

    def test_what_is_skipped_is_no_failure(self):
        def skip(action):
            if self.number_of(action) == 0:
                raise exception.ActionSkipped('it is done')
        self.hooks['pre_condition'] = skip
        plan = self.run_plan(self.make({}, {}))
        self.assertEqual(['SKIPPED', 'SUCCEEDED'], self.states(plan))
        self.assertEqual('SUCCEEDED', plan.state)

    def test_what_the_user_skipped_is_not_asked(self):
        plan = self.run_plan(self.make(
            {'state': 'SKIPPED', 'parameters': {'bad': 'a'}}, {}))
        self.assertEqual(['SKIPPED', 'SUCCEEDED'], self.states(plan))
        self.assertNotIn(0, self.asked)

    def test_what_others_change_first_is_asked_in_its_turn(self):
        plan = self.run_plan(self.make(
            {'parameters': {'subject': 's'}},
            {'parameters': {'subject': 's', 'bad': 's'}, 'parents': [0]}))
        self.assertEqual(['SUCCEEDED', 'FAILED'], self.states(plan))
        self.assertEqual([0, 0, 1], self.asked)

    def test_parameters_that_cannot_be_right(self):
        plan = self.run_plan(self.make(
            {}, {'type': 'nop', 'parameters': {}},
            {'type': 'unheard_of'}))
        self.assertEqual('FAILED', plan.state)
        self.assertEqual([], self.done)
        self.assertIn('of 3 actions would fail', plan.status_message)

    def test_an_interrupted_plan_has_no_second_one(self):
        self.hooks['recover'] = lambda action: action_base.Found(
            action_base.Fate.DONE)
        plan = self.make({'state': 'ONGOING'},
                         {'parameters': {'bad': 'a'}, 'parents': [0]})
        plan = self.run_plan(plan)
        self.assertEqual(['SUCCEEDED', 'FAILED'], self.states(plan))

    def test_a_cancel_meanwhile(self):
        def cancel(action):
            if self.read(plan).state == 'ONGOING':
                self.set_state(plan, 'CANCELLING')
            refuse(action)
        self.hooks['pre_condition'] = cancel
        plan = self.make({'parameters': {'bad': 'a'}})
        self.assertEqual('CANCELLED', self.run_plan(plan).state)
        self.assertEqual(['CANCELLED'], self.states(plan))
        self.assertEqual(['action_plan.cancel.start plan1 CANCELLING',
                          'action_plan.cancel.end plan1 CANCELLED'],
                         self.events('action_plan.cancel'))

    def test_a_cancel_at_the_last_moment(self):
        check = rehearsal.WouldFail.__init__

        def cancel(error, *args):
            check(error, *args)
            self.set_state(plan, 'CANCELLING')
        plan = self.make({'parameters': {'bad': 'a'}})
        with harness.fixtures.MonkeyPatch(
                'watcher.applier.workflow_engine.rehearsal.WouldFail'
                '.__init__', cancel):
            self.assertEqual('CANCELLED', self.run_plan(plan).state)
        self.assertEqual(['CANCELLED'], self.states(plan))

    def test_the_applier_stops_meanwhile(self):
        def stop(action):
            self.manager.stopping.set()
            refuse(action)
        self.hooks['pre_condition'] = stop
        plan = self.run_plan(self.make({'parameters': {'bad': 'a'}}, {}))
        self.assertEqual('CANCELLED', plan.state)
        self.assertIn('was stopped', plan.status_message)
        self.assertEqual([], self.done)

    def test_several_are_asked_at_the_same_time(self):
        self.set_engine_option(max_workers=3)
        meeting = threading.Barrier(3)
        rehearsed = threading.Event()

        def meet(action):
            if not rehearsed.is_set():
                meeting.wait(base.PATIENCE)
                rehearsed.set()
        self.hooks['pre_condition'] = meet
        plan = self.run_plan(self.make({}, {}, {}))
        self.assertEqual('SUCCEEDED', plan.state)


class TestJudgeable(base.TestCase):

    def judged(self, *actions):
        """Return the numbers of the actions that can be judged.

        :param actions: claims of each, and the numbers of its parents
        """
        rows = [utils.Struct(uuid=str(number), claims=claims,
                             parents=[str(parent) for parent in parents])
                for number, (claims, parents) in enumerate(actions)]
        return [int(row.uuid) for row in rehearsal.judgeable(
            rows, lambda row: row.claims)]

    def test_actions_on_different_things(self):
        self.assertEqual([0, 1, 2], self.judged(
            (Claims(('a',)), []), (Claims(('b',)), [0]), (Claims(), [1])))

    def test_the_first_action_on_a_thing(self):
        self.assertEqual([0, 3], self.judged(
            (Claims(('a',)), []), (Claims(('a',)), [3]),
            (Claims(('a',)), [1]), (Claims(('b',)), [0])))

    def test_without_an_order_each_may_be_first(self):
        self.assertEqual([], self.judged(
            (Claims(('a',)), []), (Claims(('a',)), [])))

    def test_a_destination_that_is_enabled_first(self):
        enable = Claims(('service',), opens='h2')
        self.assertEqual([0, 2], self.judged(
            (enable, []),
            (Claims(('a',), source='h1', destination='h2'), [0]),
            (Claims(('b',), source='h2', destination='h3'), [0])))

    def test_servers_that_leave_a_host_which_was_disabled(self):
        self.assertEqual([0, 1, 2], self.judged(
            (Claims(('service',), closes='h1'), []),
            (Claims(('a',), source='h1', destination='h2'), [0]),
            (Claims(('b',), source='h1'), [0])))

    def test_a_host_that_is_switched_off_when_it_is_empty(self):
        self.assertEqual([0, 1], self.judged(
            (Claims(('service',), closes='h1'), []),
            (Claims(('a',), source='h1'), [0]),
            (Claims(('node',), closes='h1'), [1])))
