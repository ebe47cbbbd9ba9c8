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
"""An action of somebody else, written when there were fewer hooks.

It has the abstract methods of the base class, nothing more; not even abort.
"""

import threading

import fixtures

from watcher import objects
from watcher.applier.actions import base as action_base
from watcher.common import exception
from watcher.decision_engine.repair import rollback
from watcher.decision_engine.repair import steps as repair_steps
from watcher.tests import base
from watcher.tests.unit.applier import harness
from watcher.tests.unit.applier.workflow_engine import engine_case


class Foreign(action_base.BaseAction):

    schema = {'type': 'object'}
    calls: list
    gate = None

    def pre_condition(self):
        self.calls.append('pre_condition')

    def execute(self):
        self.calls.append('execute')
        return True if self.gate is None else self.gate(self)

    def revert(self):
        self.calls.append('revert')

    def post_condition(self):
        self.calls.append('post_condition')

    def get_description(self):
        return 'Foreign'


class TestForeignAction(engine_case.EngineTestCase):

    ALL = ['pre_condition', 'execute', 'post_condition']

    def setUp(self):
        super().setUp()
        self.calls = []
        self.gate = None

        def load(loader, name, **kwargs):
            action = Foreign({}, **kwargs)
            action.calls, action.gate = self.calls, self.gate
            return action
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.applier.loading.default.DefaultActionLoader.load',
            load))

    def test_runs(self):
        plan = self.make_plan({'parameters': {'resource_id': 'x'}})
        self.run_engine(plan)
        self.assertEqual(['SUCCEEDED'], self.states(plan))
        self.assertEqual(self.ALL, self.calls)
        run, = self.runs(plan)
        self.assertEqual((1, None), (run.attempts, run.deadline))
        self.assertIsNotNone(run.finished_at)

    def test_rollback_says_why_it_cannot_be_undone(self):
        plan = self.make_plan({})
        self.run_engine(plan)
        action, = self.actions(plan)
        run, = self.runs(plan)
        draft = rollback.propose([repair_steps.Step(
            action.uuid, action.action_type, action.input_parameters,
            action.state, run=run)])
        self.assertEqual([], draft.wishes)
        reason, = draft.left_out.values()
        self.assertIn('cannot be undone', reason)

    def test_cancel_waits_for_it(self):
        """It cannot be stopped, also if that is wanted."""
        self.config(on_cancel='abort', group='watcher_applier')
        self.gate = harness.Gate(self)
        plan = self.make_plan({}, {'parents': [0]})
        errors = []

        def run():
            try:
                self.run_engine(plan)
            except exception.ActionPlanCancelled as error:
                errors.append(error)
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.assertTrue(self.gate.entered.wait(base.PATIENCE))
        self.set_state(plan, 'CANCELLING')
        self.gate.opened.set()
        thread.join(base.PATIENCE)
        self.assertEqual(1, len(errors))
        self.assertEqual(['SUCCEEDED', 'CANCELLED'], self.states(plan))
        self.assertEqual(self.ALL, self.calls)

    def test_nobody_knows_what_a_crash_left(self):
        plan = self.make_plan({'state': 'ONGOING'}, {'parents': [0]})
        self.set_state(plan, 'ONGOING', hostname=harness.HOST)
        objects.ActionRun.set(
            self.context, self.actions(plan)[0].id, attempts=1)
        self.run_engine(plan)
        first, second = self.actions(plan)
        self.assertEqual('FAILED', first.state)
        self.assertIn('do not tell what became of them',
                      first.status_message)
        # What follows does so also after a failure, as ever.
        self.assertEqual('SUCCEEDED', second.state)
        self.assertEqual(self.ALL, self.calls)
