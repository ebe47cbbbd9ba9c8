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
"""What plans have brought is measured and shown, over HTTP."""

from watcher.decision_engine.followup import efficacy
from watcher.decision_engine.followup import recommended
from watcher.tests.fixtures import services
from watcher.tests.functional.decision_engine import test_audits

CPU = 'instance_cpu_usage'


class EfficacyTestCase(test_audits.AuditTestCase):

    overrides = {'watcher_decision_engine': {'measure_after': 1}}

    def show(self, plan):
        answer = self.watcher.http(
            'GET', f'/v1/action_plans/{plan.uuid}', version='1.9')
        self.assertEqual(200, answer.status_code, answer.text)
        return answer.json()

    def run_audit(self, goal, strategy, **parameters):
        """Run an audit and its plan; return the plan."""
        audit = self.watcher.audit(goal, strategy, **parameters)
        self.assertEqual('SUCCEEDED', audit.state, audit.status_message)
        plan = self.watcher.plan_of(audit)
        self.assertIsNone(self.show(plan)['measured_efficacy'])
        plan = self.watcher.execute(plan)
        self.assertEqual('SUCCEEDED', plan.state, plan.status_message)
        return plan

    def measured(self, plan):
        def known():
            found = self.show(plan)
            return found if found['measured_at'] else None
        return services.wait_until(known, what='the measurement')[
            'measured_efficacy']

    def assert_kept(self, measured, but=()):
        """Every indicator is within 5 % of what was promised."""
        for name, known in measured['indicators'].items():
            if name in but:
                self.assertIsNone(known['measured'], name)
                continue
            self.assertAlmostEqual(
                known['predicted'], known['measured'], msg=name,
                delta=0.05 * abs(known['predicted']))
        for name, known in measured['global_efficacy'].items():
            self.assertAlmostEqual(known['predicted'], known['measured'],
                                   msg=name, delta=1e-6)
        self.assertEqual([], measured['remarks'])


class TestBalancing(EfficacyTestCase):
    """Three servers of different loads on one of three hosts."""

    spec = {'hosts': 3, 'placement': {'compute-1': 3}, 'flavor': 'm1.large',
            'vcpus': 16}

    def test_stabilization(self):
        self.cloud.loads.cpu = dict(zip(
            self.cloud.servers_of('compute-1'), (90, 60, 30), strict=True))
        plan = self.run_audit(
            'workload_balancing', 'workload_stabilization',
            metrics=[CPU], host_choice='fullsearch', rounds=2,
            thresholds={CPU: 0.1},
            # For so long metrics would tell of the time before.
            periods={'instance': 1, 'compute_node': 1})
        measured = self.measured(plan)
        self.assert_kept(measured, but=['standard_deviation_before_audit'])
        found = {name: known['measured'] for name, known
                 in measured['indicators'].items()}
        self.assertGreater(found['standard_deviation_after_audit'], 0.02)
        self.assertEqual(3, found['instances_count'])
        self.assertEqual(measured['actions'], {
            'planned': found['instance_migrations_count'],
            'in_effect': found['instance_migrations_count']})
        self.assertIsNotNone(measured['models']['compute']['read_at'])


class TestConsolidation(EfficacyTestCase):
    """A server on the first host, two on the second, none on the third."""

    spec = {'hosts': 3, 'placement': {'compute-1': 1, 'compute-2': 2},
            'flavor': 'm1.large', 'vcpus': 16}

    def setUp(self):
        super().setUp()
        self.few = self.cloud.servers_of('compute-1')
        self.cloud.loads.cpu = dict.fromkeys(
            [*self.few, *self.cloud.servers_of('compute-2')], 40)

    def test_promise_is_kept(self):
        plan = self.run_audit('server_consolidation',
                              'vm_workload_consolidation')
        measured = self.measured(plan)
        self.assert_kept(measured)
        self.assertEqual(
            [3, 2, 1], [measured['indicators'][name]['measured'] for name in (
                'compute_nodes_count', 'released_compute_nodes_count',
                'instance_migrations_count')])

    def test_somebody_brings_a_server_back(self):
        # Not before that.
        self.config(group='watcher_decision_engine', measure_after=0)
        plan = self.run_audit('server_consolidation', 'basic')
        nova = self.cloud.connect().compute
        service, = nova.services(host='compute-1')
        nova.enable_service(service)
        nova.live_migrate_server(self.few[0], host='compute-1',
                                 block_migration=None)
        services.wait_until(
            lambda: self.cloud.host_of(self.few[0]) == 'compute-1')
        self.config(group='watcher_decision_engine', measure_after=1)
        engine = efficacy.EfficacyMeasurement()

        services.wait_until(
            lambda: engine.measure_plans() or self.show(plan)['measured_at'])
        measured = self.measured(plan)

        self.assertEqual(
            {'unit': None, 'predicted': 1, 'measured': 0},
            measured['indicators']['released_compute_nodes_count'])
        self.assertEqual(0, measured['global_efficacy'][
            'released_nodes_ratio']['measured'])
        self.assertEqual({'planned': 2, 'in_effect': 0}, measured['actions'])
        told = ' '.join(measured['remarks'])
        for words in ('is on compute-1, not on compute-2',
                      'compute-1 is enabled again',
                      'released_compute_nodes_count is 0, not 1'):
            self.assertIn(words, told)


    def test_somebody_moves_the_server_before(self):
        self.config(group='watcher_decision_engine',
                    check_recommended_plans='changed')
        audit = self.watcher.audit('server_consolidation', 'basic')
        plan = self.watcher.plan_of(audit)
        engine = recommended.RecommendedPlans()
        engine.check()
        self.assertEqual('RECOMMENDED', self.show(plan)['state'])
        nova = self.cloud.connect().compute
        nova.live_migrate_server(self.few[0], host='compute-3',
                                 block_migration=None)

        services.wait_until(
            lambda: engine.check() or self.show(plan)['state'] != (
                'RECOMMENDED'), what='the end of the plan')

        found = self.show(plan)
        self.assertEqual('SUPERSEDED', found['state'])
        self.assertIn('is on compute-3 now, not on compute-1',
                      found['status_message'])


class TestMaintenance(EfficacyTestCase):

    spec = {'hosts': 3, 'placement': {'compute-1': 3},
            'flavor': 'm1.small'}

    def test_zone_migration(self):
        plan = self.run_audit(
            'hardware_maintenance', 'zone_migration',
            compute_nodes=[{'src_node': 'compute-1',
                            'dst_node': 'compute-2'}])
        measured = self.measured(plan)
        self.assert_kept(measured)
        # Two of three: so many may leave a host in one plan.
        self.assertEqual(
            (3, 2), tuple(measured['indicators'][name]['measured'] for name
                          in ('live_migrate_instance_count',
                              'planned_live_migrate_instance_count')))
