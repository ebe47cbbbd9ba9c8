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
"""What strategies plan is what actions accept, over HTTP.

The models are read from a simulated cloud in which much is out of order, and
the preconditions of all planned actions are asked on that cloud.
"""

import random

from watcher.applier.loading import default as applier_loading
from watcher.common import utils
from watcher.common.loader import loadable
from watcher.decision_engine.loading import default as loading
from watcher.decision_engine.strategy.common import settings
from watcher.decision_engine.strategy.common import simulation
from watcher.decision_engine.strategy.strategies import saving_energy
from watcher.tests.functional import cloud
from watcher.tests.unit.decision_engine.strategy import properties
from watcher.tests.unit.decision_engine.strategy import test_all_strategies

STATES = ('active',) * 6 + ('paused', 'stopped', 'suspended', 'error',
                            'resized')

#: Of hosts that are not as they should be.
TROUBLE = {
    'compute-4': {'status': 'disabled', 'disabled_reason': 'bad DIMM'},
    'compute-5': {'status': 'disabled',
                  'disabled_reason': 'watcher_disabled'},
    'compute-6': {'state': 'down'}}


class TestPreconditions(cloud.CloudTestCase):
    """Field report test 1."""

    SPEC = {'hosts': 12, 'zones': 2, 'aggregates': 2,
            'placement': {f'compute-{number}': 4 for number in range(1, 9)},
            'every_volume_booted': 5, 'anti_affinity_pairs': 4,
            'backends': 2, 'volumes': 12, 'bare_metal': True,
            'vcpu_ratio': 1.5, 'pool_gb': 200}

    PARAMETERS = {
        'host_maintenance': {'maintenance_node': 'compute-1',
                             'backup_node': 'compute-3'},
        'zone_migration': {
            'compute_nodes': [{'src_node': 'compute-1'}],
            'storage_pools': [{'src_pool': 'storage-1@lvm-1#pool-1',
                               'dst_pool': 'storage-1@lvm-1#pool-2'}],
            'with_attached_volume': True},
        'storage_capacity_balance': {'volume_threshold': 40.0},
        'saving_energy': {'min_free_hosts_num': 0},
        'workload_balance': {'threshold': 30.0},
        'noisy_neighbor': {'cache_threshold': 5.0},
        'uniform_airflow': {'threshold_airflow': 100.0},
        'outlet_temperature': {'threshold': 30.0}}

    def setUp(self):
        super().setUp()
        loadable.LoadableSingletonMeta._instances.clear()
        self.addCleanup(loadable.LoadableSingletonMeta._instances.clear)
        self.config('collector', collector_plugins=[
            'compute', 'storage', 'baremetal'])
        self.patch(saving_energy, 'recent_switching', lambda *args: {})
        self.disturb_servers()
        self.disturb_hosts()

    def disturb_servers(self):
        dice = random.Random(1)
        with self.cloud.state.lock:
            for server in self.cloud.state.servers.values():
                server.vm_state = dice.choice(STATES)
                server.locked = dice.random() < 0.2

    def disturb_hosts(self):
        """Also undo what was done to them."""
        with self.cloud.state.lock:
            for name, host in self.cloud.state.hosts.items():
                host.status, host.disabled_reason = 'enabled', None
                for field, value in TROUBLE.get(name, {}).items():
                    setattr(host, field, value)
                host.fragments.clear()

    def solve(self, name, seed):
        settings.Settings.of_strategy(name)
        self.config('watcher_strategies', plan_check='off')
        strategy = loading.DefaultStrategyLoader().load(name)
        parameters = dict(self.PARAMETERS.get(name, {}))
        utils.StrictDefaultValidatingDraft4Validator(
            strategy.get_schema()).validate(parameters)
        strategy.input_parameters.update(parameters)
        if strategy.DATASOURCE_METRICS:
            strategy._datasource_backend = (
                properties.StrategyProperties.loads(
                    strategy.compute_model, seed))
        return strategy.execute()

    def check(self, record):
        action = applier_loading.DefaultActionLoader().load(
            record['action_type'])
        action.input_parameters = record['input_parameters']
        action.validate_parameters()
        action.pre_condition()
        if record['action_type'] == simulation.SERVICE_STATE:
            # Later actions rely on it.
            self.assertTrue(action.execute())

    def test_of_all_strategies(self):
        loader = loading.DefaultStrategyLoader()
        # The last one compares two moments, which are the same here.
        idle = set(loader.list_available()) - test_all_strategies.FIXED - {
            'noisy_neighbor'}
        kinds = set()
        for name in sorted(idle):
            for seed in range(4):
                solution = self.solve(name, seed)
                for record in solution.actions:
                    self.check(record)
                    kinds.add(record['action_type'])
                self.disturb_hosts()
                if solution.actions:
                    idle.discard(name)
                    break
        self.assertEqual(set(), idle)
        self.assertEqual(
            {'migrate', 'volume_migrate', 'sleep',
             'change_nova_service_state', 'change_node_power_state'}, kinds)
