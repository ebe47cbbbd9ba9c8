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
"""Cancelling in each phase of each kind of action: states, notifications.

Every case is one plan: an action in the phase, and one that waits for it.
The notifications are those from the request to cancel on.
"""

import dataclasses
import threading

import fixtures
import testscenarios

from watcher import objects
from watcher.applier.actions import base as action_base
from watcher.applier.loading import default as loading
from watcher.tests import base
from watcher.tests.unit.applier import harness

ASKED = 'action_plan.update plan1 CANCELLING [ONGOING>CANCELLING]'
BEGUN = 'action_plan.cancel.start plan1 CANCELLING'
OVER = ['action_plan.update plan1 CANCELLED [CANCELLING>CANCELLED]',
        'action_plan.cancel.end plan1 CANCELLED']


def dropped(name):
    """An action that nobody had begun to look at."""
    return [f'action.update {name} CANCELLED [PENDING>CANCELLED]']


def reverted(name):
    """An action that was about to start."""
    return [f'action.cancel.start {name} PENDING', *dropped(name),
            f'action.cancel.end {name} CANCELLED']


def started(name):
    return [f'action.execution.start {name} PENDING',
            f'action.update {name} ONGOING [PENDING>ONGOING]']


def ended(name, state, start='ONGOING'):
    if state == 'SUCCEEDED':
        return [f'action.update {name} SUCCEEDED [{start}>SUCCEEDED]',
                f'action.execution.end {name} SUCCEEDED']
    return [f'action.update {name} FAILED [{start}>FAILED]',
            f'action.execution.error {name} FAILED '
            'fault=ActionExecutionFailure']


@dataclasses.dataclass
class Case:
    """One row of the table.

    :ivar hook: where the cancel arrives
    :ivar states: of the action and of the one behind it, at the end
    :ivar events: after the request, without those of the end of the plan
    :ivar result: what ``execute`` returns
    :ivar alone: whether nothing is behind it
    :ivar on_cancel: the option
    :ivar stopped: what ``abort`` returns; None: it cannot be stopped
    """

    hook: str
    states: list
    events: list
    result: bool = True
    alone: bool = False
    on_cancel: str = 'finish'
    stopped: bool | Exception | None = None


ABORTING = ['action.update action1 CANCELLING [ONGOING>CANCELLING]',
            'action.cancel.start action1 CANCELLING']

PHASES = {
    'before_pre_condition': Case(
        'before', ['CANCELLED'] * 2,
        [BEGUN, *reverted('action1'), *dropped('action2')]),
    'in_pre_condition': Case(
        'pre_condition', ['SUCCEEDED', 'CANCELLED'],
        [*started('action1'), *ended('action1', 'SUCCEEDED'), BEGUN,
         *reverted('action2')]),
    'in_execute': Case(
        'execute', ['SUCCEEDED', 'CANCELLED'],
        [*ended('action1', 'SUCCEEDED'), BEGUN, *reverted('action2')]),
    'in_execute_that_fails': Case(
        'execute', ['FAILED', 'CANCELLED'],
        [*ended('action1', 'FAILED'), BEGUN, *reverted('action2')],
        result=False),
    'in_post_condition': Case(
        'post_condition', ['SUCCEEDED', 'CANCELLED'],
        [BEGUN, *reverted('action2')]),
    'in_the_last_execute': Case(
        'execute', ['SUCCEEDED'],
        [*ended('action1', 'SUCCEEDED'), BEGUN], alone=True),
    'in_the_last_execute_that_fails': Case(
        'execute', ['FAILED'],
        [*ended('action1', 'FAILED'), BEGUN], alone=True, result=False),
    'in_the_last_post_condition': Case(
        'post_condition', ['SUCCEEDED'], [BEGUN], alone=True),
    'stopped': Case(
        'execute', ['CANCELLED'] * 2,
        [BEGUN, *ABORTING,
         'action.update action1 CANCELLED [CANCELLING>CANCELLED]',
         'action.cancel.end action1 CANCELLED', *dropped('action2')],
        on_cancel='abort', stopped=True),
    'stopped_too_late': Case(
        'execute', ['SUCCEEDED', 'CANCELLED'],
        [BEGUN, *ABORTING, *ended('action1', 'SUCCEEDED', 'CANCELLING'),
         'action.cancel.end action1 SUCCEEDED', *dropped('action2')],
        on_cancel='abort', stopped=False),
    'stopping_fails': Case(
        'execute', ['SUCCEEDED', 'CANCELLED'],
        [BEGUN, *ABORTING, *ended('action1', 'SUCCEEDED', 'CANCELLING'),
         'action.cancel.error action1 SUCCEEDED fault=ValueError',
         *dropped('action2')],
        on_cancel='abort', stopped=ValueError('Nova is away')),
    'cannot_be_stopped': Case(
        'execute', ['SUCCEEDED', 'CANCELLED'],
        [BEGUN, *ended('action1', 'SUCCEEDED'), *dropped('action2')],
        on_cancel='abort'),
}

SERVER = '11111111-2222-3333-4444-555555555555'
#: The types, each with parameters that pass its schema.
TYPES = {
    'migrate': {'resource_id': SERVER, 'migration_type': 'live',
                'source_node': 'compute-1', 'destination_node': 'compute-2'},
    'resize': {'resource_id': SERVER, 'flavor': 'm1'},
    'stop': {'resource_id': SERVER},
    'start': {'resource_id': SERVER},
    'change_nova_service_state': {'resource_id': 'compute-1',
                                  'state': 'disabled'},
    'change_node_power_state': {'resource_id': SERVER, 'state': 'off'},
    'volume_migrate': {'resource_id': SERVER, 'migration_type': 'migrate',
                       'destination_node': 'host@backend#pool'},
    'nop': {'message': 'hello'},
    'sleep': {'duration': 1},
}


class TestTable(testscenarios.WithScenarios, harness.ApplierTestCase):
    """The hooks are scripted; the types keep parameters and claims."""

    scenarios = testscenarios.multiply_scenarios(
        [(kind, {'kind': kind}) for kind in TYPES],
        [(name, {'case': case}) for name, case in PHASES.items()])

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.applier.workflow_engine.admission.LOOK_INTERVAL', 0.01))
        self.config(group='watcher_applier', on_cancel=self.case.on_cancel)
        self.requested = threading.Event()
        self.released = threading.Event()
        self.addCleanup(self.released.set)
        self.script()

    def script(self):
        """Give the plug-in of this type hooks that ask no service."""
        table, load = self, loading.DefaultActionLoader.load

        def load_scripted(loader, name, **kwargs):
            plugin = load(loader, name, **kwargs)
            plugin.pre_condition = lambda: table.on('pre_condition')
            plugin.execute = lambda: table.on('execute', table.execute)
            plugin.post_condition = lambda: table.on('post_condition')
            plugin.abort = table.abort
            plugin.check_abort = lambda: table.case.stopped is not None
            plugin.inverse = lambda run: action_base.Irreversible('scripted')
            plugin.deadline = lambda: None
            return plugin
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.applier.loading.default.DefaultActionLoader.load',
            load_scripted))

    def on(self, hook, then=None):
        if hook == self.case.hook:
            self.cancel()
        return None if then is None else then()

    def cancel(self):
        if not self.requested.is_set():
            self.requested.set()
            self.set_state(self.plan, 'CANCELLING')

    def execute(self):
        if self.case.on_cancel == 'abort':
            self.wait_until_noticed()
        return self.case.result

    def wait_until_noticed(self):
        if self.case.stopped is not None:
            self.assertTrue(self.released.wait(base.PATIENCE))
        else:
            self.wait_for(lambda: self.events('cancel.start plan1'))

    def abort(self):
        self.released.set()
        if isinstance(self.case.stopped, Exception):
            raise self.case.stopped
        return self.case.stopped

    def test_cancel(self):
        specs = [{'type': self.kind, 'parameters': TYPES[self.kind]},
                 {'type': self.kind, 'parameters': TYPES[self.kind],
                  'parents': [0]}]
        self.plan = self.make_plan(*specs[:len(self.case.states)])
        if self.case.hook == 'before':
            self.useFixture(fixtures.MonkeyPatch(
                'watcher.applier.workflow_engine.default.'
                'DefaultWorkFlowEngine.look_at_others',
                lambda engine: self.cancel()))
        plan = self.run_plan(self.plan)

        self.assertEqual('CANCELLED', plan.state)
        self.assertIsNone(plan.status_message)
        self.assertEqual(self.case.states, self.states(plan))
        # Whoever asked may be told of that after the applier has seen it.
        events = [event for event in self.events() if event != ASKED]
        expected = [*self.case.events, *OVER]
        self.assertEqual(expected, events[-len(expected):])
        self.assertIsNotNone(
            objects.PlanRun.get(self.context, plan.id).finished_at)
