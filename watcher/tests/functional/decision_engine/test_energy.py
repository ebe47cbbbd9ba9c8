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
"""The goal saving_energy over HTTP, from the audit to executed plans."""

from watcher.tests.functional.decision_engine import test_audits


class TestSavingEnergy(test_audits.AuditTestCase):
    """Three hosts on bare metal nodes; one has servers."""

    spec = {'hosts': 3, 'placement': {'compute-1': 2}, 'flavor': 'm1.small',
            'bare_metal': True, 'spare_nodes': 1}
    overrides = {
        'watcher_strategies.saving_energy': {
            'settle_time': 0, 'min_on_time': 0, 'min_off_time': 0},
        'watcher_cluster_data_model_collectors.compute': {'max_age': 0},
        'watcher_cluster_data_model_collectors.baremetal': {'max_age': 0}}

    def plan(self, **parameters):
        audit = self.watcher.audit('saving_energy', 'saving_energy',
                                   **parameters)
        self.assertEqual('SUCCEEDED', audit.state, audit.status_message)
        return self.watcher.plan_of(audit)

    def execute(self, plan):
        plan = self.watcher.execute(plan)
        self.assertEqual('SUCCEEDED', plan.state, plan.status_message)

    def hosts(self):
        """Return (power state, reason of being disabled) of each host."""
        state = self.cloud.state
        with state.lock:
            return [(self.cloud.machines.find(f'node-{name}').power_state,
                     host.disabled_reason)
                    for name, host in state.hosts.items()]

    def test_off_and_on_again(self):
        self.cloud.forget_requests()
        plan = self.plan()
        # No question about a single node.
        self.assertEqual({'/nodes/detail'}, {
            request['path'][request['path'].find('/nodes'):]
            for request in self.cloud.requests(service='baremetal')
            if '/nodes' in request['path']})
        self.execute(plan)
        on, off = ('power on', None), ('power off', 'watcher_saving_energy')
        self.assertEqual([on, off, on], self.hosts())
        # Done once, nothing is left to do.
        self.assertEqual([], self.watcher.actions_of(self.plan()))
        self.execute(self.plan(min_free_hosts_num=2))
        self.assertEqual([on, on, on], self.hosts())
