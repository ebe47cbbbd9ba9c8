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
"""The goal workload_balancing over HTTP, from the audit to executed plans."""

from watcher.tests.functional.decision_engine import test_audits

CPU = 'instance_cpu_usage'


class TestBalancing(test_audits.AuditTestCase):
    """Three servers on one of three hosts, at 80 % of 4 vCPUs each."""

    spec = {'hosts': 3, 'placement': {'compute-1': 3}, 'flavor': 'm1.large',
            'vcpus': 16}

    def setUp(self):
        super().setUp()
        self.servers = self.cloud.servers_of('compute-1')
        self.cloud.loads.cpu = dict.fromkeys(self.servers, 80)

    def audit(self, strategy, **parameters):
        """Run an audit; return its plan and the queries for metrics."""
        self.cloud.forget_requests()
        audit = self.watcher.audit('workload_balancing', strategy,
                                   **parameters)
        self.assertEqual('SUCCEEDED', audit.state, audit.status_message)
        queries = [request for request
                   in self.cloud.requests(service='metric-storage')
                   if request['path'].endswith('/query')]
        return self.watcher.plan_of(audit), len(queries)

    def executed(self, plan):
        plan = self.watcher.execute(plan)
        self.assertEqual('SUCCEEDED', plan.state, plan.status_message)
        return [len(self.cloud.servers_of(f'compute-{number}'))
                for number in (1, 2, 3)]

    def test_balance(self):
        plan, queries = self.audit('workload_balance', threshold=50)
        [action] = self.watcher.actions_of(plan)
        self.assertEqual(('compute-1', 'compute-2'), (
            action.input_parameters['source_node'],
            action.input_parameters['destination_node']))
        # For all servers.
        self.assertEqual(1, queries)
        self.assertEqual([2, 1, 0], self.executed(plan))

    def test_nothing_to_do(self):
        plan, _queries = self.audit('workload_balance', threshold=70)
        self.assertEqual('SUCCEEDED', plan.state)
        self.assertEqual([], self.watcher.actions_of(plan))
        self.assertIn('the highest is compute-1 with 60 %',
                      plan.status_message)

    def test_stabilization(self):
        plan, _queries = self.audit(
            'workload_stabilization', host_choice='fullsearch', rounds=2,
            thresholds={CPU: 0.05})
        self.assertEqual(2, len(self.watcher.actions_of(plan)))
        found = {indicator['name']: float(indicator['value'])
                 for indicator in plan.efficacy_indicators}
        self.assertGreater(found['standard_deviation_before_audit'], 0.2)
        self.assertLess(found['standard_deviation_after_audit'], 0.05)
        self.assertEqual([1, 1, 1], self.executed(plan))

    def test_silent_servers_are_named_and_stay(self):
        self.cloud.loads.silent = {self.servers[0]}
        self.cloud.loads.cpu = dict.fromkeys(self.servers, 100)
        plan, _queries = self.audit('workload_balance', threshold=40)
        [action] = self.watcher.actions_of(plan)
        self.assertIn(action.input_parameters['resource_id'],
                      self.servers[1:])
        [audit] = self.watcher.client().audit.list(detail=True)
        self.assertIn(CPU, audit.status_message)
