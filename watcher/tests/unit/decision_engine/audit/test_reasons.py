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
"""What audits, and the plans they make, tell programs."""

from watcher import objects
from watcher.common import exception
from watcher.common import reasons
from watcher.decision_engine.planner import weight
from watcher.objects import reason
from watcher.tests.unit.decision_engine import factories
from watcher.tests.unit.decision_engine.audit import test_run

Code = reasons.Code
PLAN = objects.action_plan.State


class TestReasons(test_run.AuditTestCase):

    def assert_told(self, code, data, obj):
        why = reason.of(obj)
        self.assertEqual((code, data), (why.code, why.data), why)
        return why

    def test_strategy_failed(self):
        def fail(audit):
            raise exception.NovaClientError(reason='x' * 1000)

        self.during_strategy(fail)
        after = self.run_audit(self.audit())
        why = self.assert_told(Code.STRATEGY_FAILED,
                               {'error': 'NovaClientError'}, after)
        # Whole, while the message is cut.
        self.assertIn('x' * 1000, why)
        self.assertEqual(255, len(after.status_message))

    def test_planner_failed(self):
        def schedule(*args):
            raise exception.UnsupportedActionType(action_type='foo')

        self.replace(weight.WeightPlanner, 'schedule', schedule)
        self.assert_told(Code.PLANNER_FAILED,
                         {'error': 'UnsupportedActionType'},
                         self.run_audit(self.audit()))

    def test_blocked(self):
        audit = self.audit()
        other = factories.plan(audit, self.strategy, PLAN.ONGOING)
        self.assert_told(Code.BLOCKED_BY_PLAN,
                         {'plan': other.uuid, 'state': 'ONGOING'},
                         self.run_audit(audit))

    def test_caveats(self):
        self.caveats = ['Half of the hosts are not measured.']
        self.assert_told(Code.CAVEATS, {}, self.run_audit(self.audit()))

    def test_nothing_to_do(self):
        self.during_strategy(lambda audit: None, actions=0)
        after = self.run_audit(self.audit())
        self.assertIsNone(reason.of(after))
        self.assertEqual(Code.NOTHING_TO_DO, reason.of(self.plan()).code)
