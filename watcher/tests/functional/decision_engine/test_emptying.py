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
"""Hosts and pools that give away what they have, over HTTP.

From the audit to executed plans.
"""

from watcher.common import utils
from watcher.common.loader import loadable
from watcher.decision_engine.model.collector import cinder
from watcher.tests.functional.decision_engine import test_audits


class EmptyingTestCase(test_audits.AuditTestCase):
    """Two backends of two pools; each pool has volumes of 10 GB."""

    spec = {'hosts': 3, 'placement': {'compute-1': 5, 'compute-2': 1},
            'zones': 1, 'backends': 2, 'pools': 2, 'volumes': 12,
            'pool_gb': 1000}

    def setUp(self):
        super().setUp()
        singletons = loadable.LoadableSingletonMeta._instances
        cls = cinder.CinderClusterDataModelCollector
        singletons.pop(cls, None)
        self.addCleanup(singletons.pop, cls, None)
        cls(utils.Struct(period=3600)).freshness = 0.0
        self.pools = list(self.cloud.storage.pools)

    def audit(self, goal, strategy, **parameters):
        """Run an audit; return its plan and the actions by their names."""
        self.cloud.forget_requests()
        audit = self.watcher.audit(goal, strategy, **parameters)
        self.assertEqual('SUCCEEDED', audit.state, audit.status_message)
        plan = self.watcher.plan_of(audit)
        return plan, {
            action.input_parameters['resource_id']: action
            for action in self.watcher.actions_of(plan)}

    def execute(self, plan):
        plan = self.watcher.execute(plan)
        self.assertEqual('SUCCEEDED', plan.state, plan.status_message)
        self.assertEqual({'SUCCEEDED'}, {
            action.state for action in self.watcher.actions_of(plan)})

    def volumes_in(self, pool):
        with self.cloud.state.lock:
            return {uuid for uuid, volume
                    in self.cloud.storage.pools[pool].volumes.items()
                    if not volume.hidden}


class TestZoneMigration(EmptyingTestCase):

    def test_servers_and_volumes(self):
        source, target = self.pools[0], self.pools[1]
        servers = set(self.cloud.servers_of('compute-1'))
        volumes = self.volumes_in(source)
        plan, actions = self.audit(
            'hardware_maintenance', 'zone_migration',
            compute_nodes=[{'src_node': 'compute-1',
                            'dst_node': 'compute-3'}],
            storage_pools=[{'src_pool': source, 'dst_pool': target}],
            parallel_applies_to='execution')
        self.assertEqual(servers | volumes, set(actions))
        self.assertEqual(1, len([
            request for request in self.cloud.requests(
                service='block-storage')
            if 'snapshots' in request['path']]))
        self.execute(plan)
        self.assertEqual([], self.cloud.servers_of('compute-1'))
        self.assertEqual(servers, set(self.cloud.servers_of('compute-3')))
        self.assertEqual(set(), self.volumes_in(source))
        self.assertLess(volumes, self.volumes_in(target))

    def test_defaults_limit_the_plan(self):
        plan, actions = self.audit(
            'hardware_maintenance', 'zone_migration',
            compute_nodes=[{'src_node': 'compute-1'}])
        self.assertEqual(2, len(actions))
        self.assertEqual(
            {'live_instance_migrate_ratio': 40.0},
            {found['name']: found['value']
             for found in plan.global_efficacy if found['value']})


class TestStorageCapacityBalance(EmptyingTestCase):

    def test_volumes_leave_and_keep_their_types(self):
        full, same_backend = self.pools[0], self.pools[1]
        with self.cloud.state.lock:
            pool = self.cloud.storage.pools[full]
            pool.total_gb = pool.used_gb + 1
            kept = min(pool.volumes.values(), key=lambda one: one.size)
            self.cloud.storage.take_snapshot(kept)
            before = {uuid: volume.type.name for uuid, volume
                      in self.cloud.storage.volumes.items()}
        plan, actions = self.audit(
            'workload_balancing', 'storage_capacity_balance')
        self.assertTrue(actions)
        self.assertNotIn(kept.id, actions)
        for action in actions.values():
            self.assertEqual(
                ('migrate', same_backend),
                (action.input_parameters['migration_type'],
                 action.input_parameters['destination_node']))
        self.execute(plan)
        with self.cloud.state.lock:
            self.assertLess(pool.used_gb, 0.8 * pool.total_gb)
            self.assertEqual(before, {
                uuid: volume.type.name for uuid, volume
                in self.cloud.storage.volumes.items()
                if uuid in before})
        _plan, actions = self.audit(
            'workload_balancing', 'storage_capacity_balance')
        self.assertEqual({}, actions)
