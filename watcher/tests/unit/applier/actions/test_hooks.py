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
"""What actions tell an engine, without a cloud."""

import datetime
import threading
import types

from oslo_utils import fixture as time_fixture
from oslo_utils import timeutils

from watcher.applier.actions import base as action_base
from watcher.applier.loading import default as loading
from watcher.common import exception
from watcher.common import ironic_helper
from watcher.tests import base

Fate = action_base.Fate


class Foreign(action_base.BaseAction):
    """An action of somebody who has never heard of the newer hooks."""

    schema = {'type': 'object'}

    def pre_condition(self):
        """Anything goes."""

    def execute(self):
        return True

    def revert(self):
        return None

    def post_condition(self):
        """Anything goes."""

    def get_description(self):
        return 'Foreign'


class TestDefaults(base.TestCase):

    def setUp(self):
        super().setUp()
        self.action = Foreign(None, osc=object())
        self.action.input_parameters = {'resource_id': 'thing'}

    def test_claims(self):
        self.assertEqual(action_base.Claims(('thing',)),
                         self.action.claims())
        for parameters in ({}, {'resource_id': 7}):
            self.action.input_parameters = parameters
            self.assertEqual(action_base.Claims(), self.action.claims())

    def test_nobody_knows(self):
        self.assertIsNone(self.action.deadline())
        self.assertIs(Fate.UNKNOWN, self.action.recover(None).fate)
        self.assertIsInstance(self.action.inverse(None),
                              action_base.Irreversible)
        self.assertRaises(exception.ActionExecutionFailure,
                          self.action.resume, None)
        self.assertFalse(self.action.check_abort())

    def test_report(self):
        self.action.report(progress=1.0)
        heard = []
        self.action.watch_progress(lambda **news: heard.append(news))
        self.action.report(remote={'migration': 7})
        self.assertEqual([{'progress': None, 'remote': {'migration': 7},
                           'before': None}], heard)
        self.assertEqual({'migration': 7}, self.action.known('remote'))
        stored = types.SimpleNamespace(remote={'migration': 8},
                                       before={'host': 'a'})
        self.assertEqual({'host': 'a'}, self.action.known('before', stored))
        self.assertEqual({'migration': 7},
                         self.action.known('remote', stored))

    def test_a_report_that_nobody_can_take_disturbs_nothing(self):
        def fail(**news):
            raise ValueError('no database')
        self.action.watch_progress(fail)
        self.action.report(progress=5.0)
        self.assertIn('no database', self.logger.output)


class TestSleepAndNop(base.TestCase):

    def make(self, name, **parameters):
        action = loading.DefaultActionLoader().load(name)
        action.input_parameters = parameters
        action.watch_stop(threading.Event())
        return action

    def run_since(self, seconds):
        clock = self.useFixture(time_fixture.TimeFixture())
        started = timeutils.utcnow()
        clock.advance_time_delta(datetime.timedelta(seconds=seconds))
        return types.SimpleNamespace(started_at=started)

    def test_sleep_goes_on_where_it_was(self):
        action = self.make('sleep', duration=60)
        self.assertIs(Fate.DONE, action.recover(self.run_since(61)).fate)
        self.assertIs(Fate.RUNNING, action.recover(self.run_since(20)).fate)
        self.assertIs(Fate.RUNNING, action.recover(None).fate)
        # What is left is nothing.
        self.assertIs(True, action.resume(self.run_since(60)))

    def test_progress(self):
        action = self.make('sleep', duration=0.01)
        told = []
        action.watch_progress(
            lambda progress, **others: told.append(progress))
        action.execute()
        self.assertEqual(100.0, told[-1])

    def test_sleep_is_not_late_when_it_ends_in_time(self):
        for duration in (0, 0.01, 60):
            deadline = self.make('sleep', duration=duration).deadline()
            # It starts a while after its clock, and is stored thereafter.
            self.assertGreaterEqual(deadline, duration + 5)

    def test_nothing_is_left_to_undo(self):
        for action in (self.make('sleep', duration=0),
                       self.make('nop', message='')):
            self.assertIsInstance(action.inverse(None),
                                  action_base.Irreversible)
            self.assertTrue(action.abort())
        self.assertIs(Fate.NOT_STARTED,
                      self.make('nop', message='').recover(None).fate)


class FakeIronic:
    """One node that is switched at once."""

    def __init__(self):
        self.node = types.SimpleNamespace(
            uuid='node', power_state='power on', target_power_state=None,
            maintenance=False, compute_node_id=None)

    def get_ironic_node_by_uuid(self, uuid):
        return self.node

    def set_node_power_state(self, uuid, state, should_stop, limit):
        self.node.power_state = f'power {state}'
        return ironic_helper.Outcome(True)


class TestMachines(base.TestCase):

    def setUp(self):
        super().setUp()
        self.ironic = FakeIronic()
        self.record = types.SimpleNamespace(before=None)

    def make(self, state):
        action = loading.DefaultActionLoader().load(
            'change_node_power_state')
        action.input_parameters = {'resource_id': 'node', 'state': state}
        action._ironic = self.ironic
        action.watch_stop(threading.Event())
        return action

    def test_what_became_of_it(self):
        action = self.make('on')
        node = self.ironic.node
        for power, target, fate in (
                ('power on', None, Fate.DONE),
                ('power off', None, Fate.NOT_STARTED),
                ('power off', 'power on', Fate.RUNNING)):
            node.power_state, node.target_power_state = power, target
            self.assertIs(fate, action.recover(self.record).fate)

    def test_inverse(self):
        action = self.make('on')
        self.assertIsInstance(action.inverse(self.record),
                              action_base.Irreversible)
        self.ironic.node.power_state = 'power off'
        self.assertIs(True, action.execute())
        inverse = action.inverse(self.record)
        self.assertEqual({'resource_id': 'node', 'state': 'off'},
                         inverse.input_parameters)
        # It was so before.
        self.assertIs(True, action.execute())
        self.assertIn('already', action.inverse(self.record).reason)
