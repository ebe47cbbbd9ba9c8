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
"""The three real processes: they share a database, and end on request."""

import signal

import requests
import testscenarios
from prometheus_client import parser

from watcher.tests import base
from watcher.tests.fixtures import cloud as cloud_fixture
from watcher.tests.fixtures import database
from watcher.tests.fixtures import ports
from watcher.tests.fixtures import services

load_tests = testscenarios.load_tests_apply_scenarios

#: A process has to be gone this many seconds after SIGTERM, on a busy
#: machine; its work would take much longer.
PATIENCE = 30

MAINTENANCE = ('cluster_maintaining', 'host_maintenance')


class TestProcesses(base.TestCase):
    """One test for each set-up: starting processes takes seconds."""

    scenarios = [
        # The processes cannot reach each other by an in-process bus, so
        # this is also the case of a broker that loses every message.
        ('sqlite-no-bus', {'engine': database.SQLITE,
                           'transport': services.FAKE}),
        ('mysql-rabbit', {'engine': database.MYSQL,
                          'transport': services.RABBIT}),
        ('postgresql-rabbit', {'engine': database.POSTGRESQL,
                               'transport': services.RABBIT}),
    ]

    def setUp(self):
        super().setUp()
        self.cloud = self.useFixture(cloud_fixture.SandboxCloud(
            hosts=3, placement={'compute-1': 2, 'compute-2': 2}))
        self.ports = {f'{name}_port': ports.free_port()
                      for name in ('api', 'decision_engine', 'applier')}
        self.watcher = self.useFixture(services.Processes(
            self.engine, self.transport, self.cloud, overrides={
                'service_metrics': {'enabled': True, **self.ports}}))

    def maintain(self, host):
        audit = self.watcher.audit(*MAINTENANCE, maintenance_node=host)
        self.assertEqual('SUCCEEDED', audit.state, audit.status_message)
        return self.watcher.plan_of(audit)

    def test_work_and_end(self):
        plan = self.watcher.execute(self.maintain('compute-1'))
        self.assertEqual('SUCCEEDED', plan.state, plan.status_message)
        self.assertEqual([], self.cloud.servers_of('compute-1'))
        self.check_metrics()

        self.end_applier_at_work()
        self.end(self.watcher.decision_engine)
        self.end(self.watcher.api)

    def scrape(self, name):
        """Samples of a process, by name and labels."""
        text = requests.get(
            'http://127.0.0.1:%d/metrics' % self.ports[f'{name}_port'],
            timeout=services.PATIENCE).text
        return {(sample.name, *sorted(sample.labels.values())): sample.value
                for family in parser.text_string_to_metric_families(text)
                for sample in family.samples}

    def wait_for_count(self, name, *key):
        """What is stored is counted, a moment after everybody sees it."""
        services.wait_until(lambda: self.scrape(name).get(key) == 1,
                            what=f'counting of {key}')

    def check_metrics(self):
        """All three processes tell of the work."""
        self.wait_for_count('decision_engine', 'watcher_audit_runs_total',
                            'ONESHOT', MAINTENANCE[1], 'succeeded')
        engine = self.scrape('decision_engine')
        self.assertEqual(1, engine['watcher_audits', 'ONESHOT',
                                   'SUCCEEDED', MAINTENANCE[1]])
        self.assertEqual(3, engine['watcher_model_elements', 'compute',
                                   'nodes'])
        self.assertEqual(4, engine['watcher_model_elements', 'compute',
                                   'instances'])
        self.assertEqual(1, engine['watcher_model_usable', 'compute'])
        self.wait_for_count('applier', 'watcher_action_plan_seconds_count',
                            'SUCCEEDED')
        applier = self.scrape('applier')
        self.assertEqual(2, applier['watcher_action_results_total',
                                    'SUCCEEDED', 'migrate'])
        self.assertEqual(2, applier['watcher_action_seconds_count',
                                    'migrate'])
        self.assertEqual(0, applier['watcher_action_plans', 'ONGOING'])
        self.assertEqual(1, applier['watcher_lease_valid',])
        api = self.scrape('api')
        self.assertEqual(1, api['watcher_api_requests_total', '/v1/audits',
                                '201', 'POST'])

    def end_applier_at_work(self):
        """A plan that is running is brought to a defined state."""
        with self.cloud.state.lock:
            self.cloud.state.hosts['compute-1'].status = 'enabled'
        self.cloud.faults.add_migration(outcome='hang')
        plan = self.maintain('compute-2')
        manager = self.watcher.client().action_plan
        manager.start(plan.uuid)
        services.wait_until(lambda: 'ONGOING' in [
            a.state for a in self.watcher.actions_of(plan)
            if a.action_type == 'migrate'])

        self.end(self.watcher.applier)

        plan = manager.get(plan.uuid)
        self.assertEqual('CANCELLED', plan.state)
        self.assertIn('sandbox', plan.status_message)
        actions = self.watcher.actions_of(plan)
        self.assertEqual(set(), {a.state for a in actions}
                         & {'PENDING', 'ONGOING'})

    def end(self, process):
        code, seconds = process.terminate()

        self.assertIn(code, (0, -signal.SIGTERM), process.log_text())
        self.assertLess(seconds, PATIENCE)
        self.assertNotIn('Traceback', process.log_text())
