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
"""What action plans and their actions tell programs."""

from watcher.common import exception
from watcher.common import reasons
from watcher.objects import reason
from watcher.tests.unit.applier import test_claims
from watcher.tests.unit.applier.workflow_engine import engine_case

Code = reasons.Code


class TestPlans(test_claims.ClaimsTestCase):

    def setUp(self):
        super().setUp()
        self.running = self.run_elsewhere(test_claims.move('a'))
        self.plan = self.make_plan(test_claims.move('a'))

    def assert_told(self, code):
        self.assertIsNone(self.claim())
        why = reason.of(self.read(self.plan))
        self.assertEqual((code, self.running.uuid),
                         (why.code, why.data['plan']))
        # As a part of the sentence.
        self.assertIn(why.data['reason'], why)

    def test_waits(self):
        self.assert_told(Code.WAITS_FOR_PLAN)

    def test_refused(self):
        self.config(overlapping_plans='refuse', group='watcher_applier')
        self.assert_told(Code.OVERLAP)


class TestActions(engine_case.EngineTestCase):

    def why(self, phase, error):
        def fail(action):
            raise error

        self.hooks[phase] = fail
        plan = self.make_graph([[]])
        self.run_engine(plan)
        action, = self.actions(plan)
        return action, reason.of(action)

    def test_failed(self):
        for phase, code in (('pre_condition', Code.PRE_CONDITION_FAILED),
                            ('execute', Code.ACTION_FAILED),
                            ('post_condition', Code.POST_CONDITION_FAILED)):
            action, why = self.why(phase, ValueError('as told'))
            self.hooks.clear()
            self.assertEqual('FAILED', action.state)
            self.assertEqual(action.status_message, str(why))
            self.assertEqual(
                (code, {'error': 'ValueError',
                        'action_type': action.action_type}),
                (why.code, {name: value for name, value in why.data.items()
                            if name != 'resource'}))

    def test_skipped(self):
        action, why = self.why('pre_condition',
                               exception.ActionSkipped('nothing to do'))
        self.assertEqual(('SKIPPED', Code.SKIPPED),
                         (action.state, why.code))

    def test_what_the_cloud_answered(self):
        _action, why = self.why('execute', exception.WatcherException(
            'refused', http_status=409))
        self.assertEqual(409, why.data['http_status'])

    def test_alternative(self):
        plan = self.make_graph([[], [0]])
        self.run_engine(plan, dummy='ANY')
        first, second = self.actions(plan)
        why = reason.of(second)
        self.assertEqual(
            (Code.ALTERNATIVE_TAKEN, {
                'parent': first.uuid, 'state': 'SUCCEEDED',
                'type': first.action_type}), (why.code, why.data))
