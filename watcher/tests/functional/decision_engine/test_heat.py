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
"""The goals about heat and airflow over HTTP, up to executed plans."""

import fixtures
import yaml

from watcher.tests.functional.decision_engine import test_audits

UNITS = {'host_outlet_temp': 'degrees C', 'host_inlet_temp': 'degrees C',
         'host_airflow': 'CFM', 'host_power': 'W'}


class TestHeat(test_audits.AuditTestCase):
    """Three servers on one of three hosts, which is 62 % busy.

    A busy host is hot and loud: the metrics are those of its CPU, by a metric
    map as an operator would write it for his exporters.
    """

    spec = {'hosts': 3, 'placement': {'compute-1': 3}, 'flavor': 'm1.large',
            'vcpus': 16}

    def setUp(self):
        super().setUp()
        self.config('watcher_decision_engine',
                    metric_map_path=self.create_metric_map())
        self.cloud.loads.cpu = dict.fromkeys(
            self.cloud.servers_of('compute-1'), 80)

    def create_metric_map(self):
        path = self.useFixture(fixtures.TempDir()).join('metric_map.yaml')
        query = '$aggregate by ($label)(node_cpu_seconds_total{$match})'
        with open(path, 'w', encoding='utf-8') as stream:
            yaml.safe_dump({'aetos': {
                metric: {'query': query, 'unit': unit}
                for metric, unit in UNITS.items()}}, stream)
        return path

    def plan(self, goal, strategy, **parameters):
        self.cloud.forget_requests()
        audit = self.watcher.audit(goal, strategy, **parameters)
        self.assertEqual('SUCCEEDED', audit.state, audit.status_message)
        self.queries = [
            request for request
            in self.cloud.requests(service='metric-storage')
            if request['path'].endswith('/query')]
        return self.watcher.plan_of(audit)

    def executed(self, plan):
        plan = self.watcher.execute(plan)
        self.assertEqual('SUCCEEDED', plan.state, plan.status_message)
        return [len(self.cloud.servers_of(f'compute-{number}'))
                for number in (1, 2, 3)]

    def test_outlet_temperature(self):
        how = 'thermal_optimization', 'outlet_temperature'
        plan = self.plan(*how, threshold=50)
        self.assertEqual(1, len(self.queries))
        self.assertEqual([2, 1, 0], self.executed(plan))
        # Then no host is hot any more.
        self.assertEqual([], self.watcher.actions_of(
            self.plan(*how, threshold=50)))

    def test_airflow(self):
        how = 'airflow_optimization', 'uniform_airflow'
        plan = self.plan(*how, threshold_airflow=50)
        self.assertEqual(3, len(self.queries))
        self.assertEqual([2, 1, 0], self.executed(plan))
        # Neither warm air nor power explain what is left.
        plan = self.plan(*how, threshold_airflow=40, threshold_inlet_t=70)
        self.assertEqual(0, self.executed(plan)[0])
