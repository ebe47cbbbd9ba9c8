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
"""What the tests of the applier share: plans, scripted actions, events."""

import logging
import threading
import time
from typing import Any

import fixtures
from oslo_utils import uuidutils

from watcher import notifications
from watcher import objects
from watcher.applier import manager as applier_manager
from watcher.applier.action_plan import default as plan_handler
from watcher.applier.actions import base as action_base
from watcher.applier.loading import default as loading
from watcher.common import context as watcher_context
from watcher.notifications import sender
from watcher.tests import base
from watcher.tests.fixtures import database

HOST = 'applier-1'


class ScriptedAction(action_base.BaseAction):
    """An action whose hooks do what the test says.

    The hooks are called with the action; what is not given succeeds.
    """

    schema = {'type': 'object'}

    def __init__(self, config: Any, hooks: dict | None = None,
                 osc: Any = None):
        super().__init__(config, osc=osc)
        self.hooks = hooks or {}

    def _call(self, name, default=None):
        hook = self.hooks.get(name)
        return default if hook is None else hook(self)

    def pre_condition(self):
        return self._call('pre_condition')

    def execute(self):
        return self._call('execute', True)

    def post_condition(self):
        return self._call('post_condition')

    def revert(self):
        return self._call('revert')

    def abort(self):
        return self._call('abort', True)

    def check_abort(self):
        return self._call('check_abort', False)

    def claims(self):
        return self._call('claims') or super().claims()

    def deadline(self):
        return self._call('deadline')

    def recover(self, run):
        self.run = run
        return self._call('recover') or super().recover(run)

    def resume(self, run):
        self.run = run
        return self._call('resume', True)

    def inverse(self, run):
        return self._call('inverse') or super().inverse(run)

    def get_description(self):
        return 'Does what a test says.'


class Recorder:
    """Keeps what is sent on the bus, as short lines."""

    def __init__(self):
        self.messages = []
        self.names = {}

    def publish(self, message):
        self.messages.append(message)

    def lines(self) -> list[str]:
        """Return ``event name state [old>new]`` in the order of sending."""
        return [self._line(message) for message in self.messages]

    def _line(self, message):
        data = message.payload['watcher_object.data']
        parts = [message.event_type, self.names[data['uuid']],
                 data['state']]
        update = data.get('state_update')
        if update is not None:
            update = update['watcher_object.data']
            parts.append('[-]' if update['state'] is None else
                         f"[{update['old_state']}>{update['state']}]")
        fault = data.get('fault')
        if fault is not None:
            parts.append('fault='
                         + fault['watcher_object.data']['exception'])
        return ' '.join(parts)


class ApplierTestCase(base.TestCase):
    """A database, an applier that is not started, recorded events."""

    engine = database.SQLITE

    def setUp(self):
        super().setUp()
        self.useFixture(database.Database(self.engine))
        self.config(host=HOST)
        self.context = watcher_context.make_context(is_admin=True)
        self.recorder = Recorder()
        self._sender = sender.Sender(self.recorder.publish)
        self.addCleanup(self._sender.stop, base.PATIENCE)
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.notifications.sender.get_sender',
            lambda: self._sender))
        self.manager = self.make_manager()
        self.hooks = {}
        self._patch_loader()
        self._parents()
        # Their chatter would be all there is to read.
        for name in ('taskflow', 'stevedore'):
            logging.getLogger(name).setLevel(logging.INFO)

    def make_manager(self) -> applier_manager.ApplierManager:
        made = applier_manager.ApplierManager()
        self.addCleanup(made.stop, 3)
        return made

    def _patch_loader(self):
        load = loading.DefaultActionLoader.load

        def load_scripted(loader, name, **kwargs):
            if name == 'scripted':
                return ScriptedAction({}, hooks=self.hooks, **kwargs)
            return load(loader, name, **kwargs)
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.applier.loading.default.DefaultActionLoader.load',
            load_scripted))

    def _parents(self):
        goal = objects.Goal(
            self.context, name='dummy', display_name='Dummy',
            efficacy_specification=[])
        goal.create()
        self.strategy = objects.Strategy(
            self.context, name='dummy', display_name='Dummy',
            goal_id=goal.id, parameters_spec={})
        self.strategy.create()
        self.audit = objects.Audit(
            self.context, name='audit-1', audit_type='ONESHOT',
            state='SUCCEEDED', goal_id=goal.id,
            strategy_id=self.strategy.id, parameters={}, scope=[],
            auto_trigger=False, force=False)
        self.audit.create()

    # Plans ------------------------------------------------------------

    def make_plan(self, *specs: dict, state: str = 'PENDING',
                  hostname: str | None = None,
                  name: str = 'plan1') -> objects.ActionPlan:
        """Store a plan.

        :param specs: one for each action: ``type``, ``parameters``,
            ``parents`` (positions), ``state``, ``status_message``
        """
        uuids = [uuidutils.generate_uuid() for _spec in specs]
        actions = [{
            'uuid': uuid,
            'action_type': spec.get('type', 'scripted'),
            'input_parameters': spec.get('parameters', {}),
            'parents': [uuids[position] if isinstance(position, int)
                        else position
                        for position in spec.get('parents', ())],
            'state': spec.get('state', 'PENDING'),
            'status_message': spec.get('status_message'),
        } for uuid, spec in zip(uuids, specs, strict=True)]
        plan = objects.ActionPlan.create_with(
            self.context,
            {'audit_id': self.audit.id, 'strategy_id': self.strategy.id,
             'state': state, 'hostname': hostname, 'global_efficacy': []},
            actions)
        self.recorder.names[plan.uuid] = name
        for number, uuid in enumerate(uuids, 1):
            self.recorder.names[uuid] = f'action{number}'
        return plan

    def run_plan(self, plan: objects.ActionPlan) -> objects.ActionPlan:
        """Claim a PENDING plan, execute it in this thread, read it again."""
        notifications.setup()
        self.addCleanup(notifications.teardown)
        plan = objects.ActionPlan.get_by_uuid(
            self.context, plan.uuid, eager=True)
        plan.transition('ONGOING', hostname=HOST)
        plan_handler.DefaultActionPlanHandler(
            self.context, self.manager, plan).execute()
        return self.read(plan)

    def read(self, plan: objects.ActionPlan) -> objects.ActionPlan:
        return objects.ActionPlan.get_by_uuid(self.context, plan.uuid)

    def actions(self, plan: objects.ActionPlan) -> list[objects.Action]:
        return objects.Action.list(
            self.context, filters={'action_plan_uuid': plan.uuid},
            sort_key='id', sort_dir='asc')

    def states(self, plan: objects.ActionPlan) -> list[str]:
        return [action.state for action in self.actions(plan)]

    def has_ended(self, plan: objects.ActionPlan) -> bool:
        """Whether it is noted when the plan ended."""
        run = objects.PlanRun.get(self.context, plan.id)
        return run is not None and run.finished_at is not None

    def set_state(self, plan: objects.ActionPlan, state: str,
                  **values: Any) -> None:
        """Change a plan as another service does."""
        objects.ActionPlan.get_by_uuid(
            self.context, plan.uuid, eager=True).transition(state, **values)

    # Events and waiting -----------------------------------------------

    def events(self, of: str = '') -> list[str]:
        """Return what was sent; ``of`` selects by a part of the line."""
        self.assertTrue(self._sender.flush(base.PATIENCE))
        return [line for line in self.recorder.lines() if of in line]

    def wait_for(self, condition, timeout: float = base.PATIENCE,
                 what: str = 'the condition') -> None:
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > end:
                self.fail(f'{what} did not come true in {timeout} s')
            time.sleep(0.01)

    def wait_for_state(self, plan: objects.ActionPlan, *states: str) -> None:
        self.wait_for(lambda: self.read(plan).state in states,
                      what=f'state {states} of the plan')


class Gate:
    """Lets actions stand still until the test opens it."""

    def __init__(self, test):
        self.entered = threading.Event()
        self.opened = threading.Event()
        test.addCleanup(self.opened.set)

    def __call__(self, _action):
        self.entered.set()
        return self.opened.wait(2 * base.PATIENCE)
