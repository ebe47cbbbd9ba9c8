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
"""The goal server_consolidation over HTTP, from the audit to executed plans.
"""

from watcher.tests.functional.decision_engine import test_audits


class TestConsolidation(test_audits.AuditTestCase):
    """A server on the first host, two on the second, none on the third."""

    spec = {'hosts': 3, 'placement': {'compute-1': 1, 'compute-2': 2},
            'flavor': 'm1.large', 'vcpus': 16}

    def setUp(self):
        super().setUp()
        self.few = self.cloud.servers_of('compute-1')
        self.cloud.loads.cpu = dict.fromkeys(
            [*self.few, *self.cloud.servers_of('compute-2')], 40)

    def audit(self, strategy, **parameters):
        """Run an audit; return its plan and the queries for metrics."""
        self.cloud.forget_requests()
        audit = self.watcher.audit('server_consolidation', strategy,
                                   **parameters)
        self.assertEqual('SUCCEEDED', audit.state, audit.status_message)
        queries = [request for request
                   in self.cloud.requests(service='metric-storage')
                   if request['path'].endswith('/query')]
        return self.watcher.plan_of(audit), len(queries)

    def indicators(self, plan):
        found = {indicator['name']: int(float(indicator['value']))
                 for indicator in plan.efficacy_indicators}
        return tuple(found[name] for name in (
            'compute_nodes_count', 'released_compute_nodes_count',
            'instance_migrations_count'))

    def executed(self, plan):
        """Execute a plan; return the servers and the status of hosts."""
        plan = self.watcher.execute(plan)
        self.assertEqual('SUCCEEDED', plan.state, plan.status_message)
        status = {service.host: service.status for service
                  in self.cloud.connect().compute.services()
                  if service.binary == 'nova-compute'}
        return [(len(self.cloud.servers_of(name)), status[name])
                for name in sorted(status)]

    def test_vm_workload_consolidation(self):
        plan, queries = self.audit('vm_workload_consolidation')
        self.assertEqual((3, 2, 1), self.indicators(plan))
        self.assertLessEqual(queries, 6)
        self.assertEqual([(0, 'disabled'), (3, 'enabled'), (0, 'disabled')],
                         self.executed(plan))

    def test_node_resource_consolidation(self):
        plan, queries = self.audit('node_resource_consolidation')
        self.assertEqual((3, 1, 1), self.indicators(plan))
        self.assertEqual(0, queries)
        self.assertEqual([(0, 'enabled'), (3, 'enabled'), (0, 'enabled')],
                         self.executed(plan))

    def test_basic(self):
        plan, queries = self.audit('basic')
        self.assertEqual((3, 1, 1), self.indicators(plan))
        self.assertEqual(2, queries)
        self.assertEqual([(0, 'disabled'), (3, 'enabled'), (0, 'enabled')],
                         self.executed(plan))
