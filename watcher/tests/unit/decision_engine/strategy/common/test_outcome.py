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
"""Which actions of a plan are still in effect."""

from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import outcome
from watcher.decision_engine.strategy.common import storage
from watcher.tests import base
from watcher.tests.fixtures import models

POOL, OTHER = 's1@b#p', 's2@b#p'
ROOMY = {'total_capacity_gb': 100, 'free_capacity_gb': 90}


def migration(server, source, target=None, **more):
    given = {'resource_id': models.uuid(server), 'migration_type': 'live',
             'source_node': f'host-{source}', **more}
    if target:
        given['destination_node'] = f'host-{target}'
    return {'action_type': 'migrate', 'input_parameters': given}


def service(name, state):
    return {'action_type': 'change_nova_service_state', 'input_parameters': {
        'resource_id': models.uuid(name), 'resource_name': f'host-{name}',
        'state': state}}


def volume(name, **given):
    return {'action_type': 'volume_migrate', 'input_parameters': {
        'resource_id': models.uuid(name), **given}}


class TestOutcome(base.TestCase):
    """The server a is on A, b is on B and stopped; B is disabled."""

    def look(self, *actions, done=None):
        state = cluster.ClusterState.from_model(models.cloud({
            models.node('A'): [models.instance('a')],
            models.node('B', status='disabled'): [
                models.instance('b', state='stopped')]}))
        pools = storage.StorageState.from_model(models.storage({
            POOL: (ROOMY, [models.volume('v', volume_type='gold')]),
            OTHER: (ROOMY, [])}))
        return outcome.observe(
            actions, done or [True] * len(actions), state, pools)

    def assert_effect(self, expected, *actions, **more):
        found = self.look(*actions, **more)
        self.assertEqual(expected, [action in found.effective
                                    for action in actions], found.remarks)
        return found

    def test_moves_of_servers(self):
        # The last one was deleted since.
        self.assert_effect([True, True], migration('b', 'A', 'B'),
                           migration('x', 'A', 'B'))
        found = self.assert_effect([False], migration('a', 'B', 'C'))
        self.assertEqual(
            (f"vm-a ({models.uuid('a')}) is on host-A, not on host-C",),
            found.remarks)

    def test_moves_for_which_nova_chose(self):
        self.assert_effect([True], migration('a', 'B'))
        found = self.assert_effect([False], migration('a', 'A'))
        self.assertIn('is on host-A again', found.remarks[0])

    def test_server_that_moved_twice(self):
        self.assert_effect([True, True], migration('a', 'B', 'C'),
                           migration('a', 'C', 'A'))

    def test_what_did_not_succeed(self):
        found = self.assert_effect(
            [False], migration('b', 'A', 'B'), done=[False])
        self.assertEqual((), found.remarks)

    def test_hosts_and_states(self):
        self.assert_effect(
            [True, False, True, False], service('B', 'disabled'),
            service('A', 'disabled'), *(
                {'action_type': 'stop', 'input_parameters': {
                    'resource_id': models.uuid(name)}} for name in 'ba'))

    def test_volumes(self):
        self.assert_effect([True], volume(
            'v', migration_type='migrate', destination_node=POOL))
        self.assert_effect([False], volume(
            'v', migration_type='migrate', destination_node=OTHER))
        self.assert_effect([True], volume(
            'v', migration_type='retype', destination_type='gold'))
        found = self.assert_effect([False], volume(
            'v', migration_type='retype', destination_type='lead'))
        self.assertIn('is of the type gold, not of the type lead',
                      found.remarks[0])

    def test_what_nobody_can_see_is_believed(self):
        action = {'action_type': 'nop', 'input_parameters': None}
        found = outcome.observe(
            [action, migration('a', 'A', 'B'), volume('v')], [True] * 3,
            None, None)
        self.assertEqual((3, ()), (len(found.effective), found.remarks))

    def test_what_indicators_count(self):
        found = self.look(migration('b', 'A', 'B'), migration('a', 'B', 'C'),
                          service('B', 'disabled'))
        self.assertEqual(
            (1, 1, 0, None), tuple(map(found.count, (
                'instance_migrations_count',
                'planned_live_migrate_instance_count',
                'planned_volume_migrate_count', 'instances_count'))))
        self.assertEqual({'host-A', 'host-B'}, found.sources)
        self.assertEqual({'host-B': 'disabled'}, found.service_changes())
