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
"""Audits over HTTP while metrics, or the whole server of them, are missing.
"""

from watcher.tests.functional.decision_engine import test_continuous

BALANCING = 'workload_balancing'
BALANCE = 'workload_balance'
METRICS = 'metric-storage'


class TestSilence(test_continuous.ContinuousTestCase):
    """Three servers on one of three hosts, at 80 % of 4 vCPUs each."""

    spec = {'hosts': 3, 'placement': {'compute-1': 3}, 'flavor': 'm1.large',
            'vcpus': 16}
    overrides = {
        **test_continuous.ContinuousTestCase.overrides,
        # Each run fails at once.
        'watcher_datasources': {'datasources': 'aetos',
                                'query_max_retries': 1}}

    def setUp(self):
        super().setUp()
        self.servers = self.cloud.servers_of('compute-1')
        self.cloud.loads.cpu = dict.fromkeys(self.servers, 80)

    def start_balancing(self):
        audit = self.create(
            BALANCING, BALANCE, audit_type='CONTINUOUS', interval='600',
            parameters={'threshold': 50})
        self.audit_uuid = audit.uuid
        self.look()

    def run_next(self):
        """Return the state of the audit, its message, and all its plans."""
        self.now = self.next_run()
        self.look()
        found = self.read()
        return found['state'], found['status_message'], len(self.plans())

    def test_server_of_metrics_stops_and_starts(self):
        """Field report tests 8 and 9."""
        self.start_balancing()
        self.assertEqual(1, len(self.plans()))
        for trouble, words in (({'status': 503}, '503'),
                               ({'drop': True}, 'aetos')):
            fault = self.cloud.faults.add(service=METRICS, **trouble)
            before = len(self.plans())
            for _failure in range(2):
                state, message, plans = self.run_next()
                self.assertEqual(('ONGOING', before), (state, plans))
                self.assertIn(words, message)
                self.assertNotIn('Traceback', message)
            self.cloud.faults.remove(fault.id)
            self.assertEqual(('ONGOING', None, before + 1),
                             self.run_next())
            self.assertEqual('RECOMMENDED', self.plans()[-1].state)

    def test_one_audit_says_why_it_has_no_plan(self):
        """Field report test 8."""
        fault = self.cloud.faults.add(service=METRICS, status=503)
        self.create(BALANCING, BALANCE, name='nightly',
                    parameters={'threshold': 50})
        self.look()
        audit = self.watcher.client().audit.get('nightly')
        self.assertEqual('FAILED', audit.state)
        self.assertIn('503', audit.status_message)
        self.assertEqual([], self.watcher.client().action_plan.list())
        self.cloud.faults.remove(fault.id)

    def test_a_server_that_was_just_booted_fails_nothing(self):
        """Field report test 7, and row 27: of the overloaded host."""
        self.start_balancing()
        self.cloud.loads.silent = {self.servers[0]}
        self.cloud.loads.cpu = dict.fromkeys(self.servers, 100)
        state, message, plans = self.run_next()
        self.assertEqual(('ONGOING', 2), (state, plans))
        self.assertIn('instance_cpu_usage', message)
        self.assertTrue(self.moved() <= set(self.servers[1:]))

    def test_no_server_is_heard_of(self):
        """Neither taken for idle nor for a success without a word."""
        self.start_balancing()
        self.cloud.loads.silent = set(self.servers)
        state, message, plans = self.run_next()
        self.assertEqual(('ONGOING', 2), (state, plans))
        self.assertIn('instance_cpu_usage', message)
        plan = self.plans()[-1]
        self.assertEqual([], self.watcher.actions_of(plan))
        self.assertIn('not known of any server', self.watcher.client(
            ).action_plan.get(plan.uuid).status_message)
