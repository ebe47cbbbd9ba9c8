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
"""Action plans that really change a (simulated) cloud, over HTTP."""

import time

from oslo_utils import uuidutils

from watcher import objects
from watcher.tests.fixtures import services
from watcher.tests.functional.applier import base


class TestMigrate(base.ActionTestCase):

    def test_live_cold_and_by_choice_of_nova(self):
        first, second, third = self.servers
        plan, actions = self.run_plan(
            self.migrate(first),
            self.migrate(second, 'compute-3', kind='cold'),
            self.migrate(third, destination=None))
        self.assertEqual(
            ('SUCCEEDED', ['SUCCEEDED'] * 3),
            (plan.state, [action.state for action in actions]),
            [action.status_message for action in actions])
        self.assertEqual('compute-2', self.cloud.host_of(first))
        self.assertEqual('compute-3', self.cloud.host_of(second))
        self.assertNotEqual('compute-1', self.cloud.host_of(third))
        # The cold migration is confirmed.
        self.assertEqual('active', self.server(second).vm_state)

    def test_a_server_deleted_since_the_audit(self):
        first, second, _third = self.servers
        self.cloud.lose_server(first)
        plan, (gone, there) = self.run_plan(
            self.migrate(first), self.migrate(second))
        self.assertEqual(['SUCCEEDED', 'SKIPPED', 'SUCCEEDED'],
                         [plan.state, gone.state, there.state])
        self.assertIn(first, gone.status_message)
        self.assertIn('was not found', gone.status_message)

    def test_a_server_deleted_while_it_moves(self):
        first = self.servers[0]
        self.cloud.faults.add_migration(server=first, outcome='hang')
        plan = self.start_plan(self.migrate(first))
        services.wait_until(
            lambda: self.server(first).task_state == 'migrating')
        self.cloud.lose_server(first)
        plan = self.finish(plan)
        self.assertEqual('FAILED', plan.state)
        self.assertIn(first, self.actions_of(plan)[0].status_message)

    def test_a_server_that_is_elsewhere(self):
        self.assertSkipped(
            self.migrate(self.servers[0], source='compute-2'),
            self.servers[0], 'compute-1')

    def test_a_destination_that_does_not_exist(self):
        self.assertFails(
            self.migrate(self.servers[0], 'compute-9'),
            'Action failed in pre_condition: ', 'compute-9')

    def test_a_migration_that_nova_gives_up(self):
        self.cloud.faults.add_migration(server=self.servers[0])
        self.assertFails(self.migrate(self.servers[0]),
                         'Action failed in execute: ', self.servers[0],
                         'compute-1')
        self.assertEqual('compute-1', self.cloud.host_of(self.servers[0]))

    def test_nova_down(self):
        self.cloud.faults.service_down('compute')
        self.assertFails(self.migrate(self.servers[0]),
                         'Action failed in pre_condition: ')


class TestOthers(base.ActionTestCase):

    def test_stop(self):
        server = self.servers[0]
        plan, (action,) = self.run_plan(('stop', {'resource_id': server}))
        self.assertEqual('SUCCEEDED', plan.state, action.status_message)
        self.assertEqual('stopped', self.server(server).vm_state)
        self.assertSkipped(('stop', {'resource_id': server}), server)

    def test_resize(self):
        server = self.servers[0]
        flavor = next(item for item in ('m1.tiny', 'm1.small')
                      if item != self.server(server).flavor.name)
        plan, (action,) = self.run_plan(
            ('resize', {'resource_id': server, 'flavor': flavor}))
        self.assertEqual('SUCCEEDED', plan.state, action.status_message)
        self.assertEqual(flavor, self.server(server).flavor.name)
        self.assertEqual('active', self.server(server).vm_state)
        self.assertFails(
            ('resize', {'resource_id': server, 'flavor': 'm9.none'}),
            'Action failed in pre_condition: ', 'm9.none')

    def test_service_state(self):
        def change(state, **parameters):
            return ('change_nova_service_state', {
                'resource_id': uuidutils.generate_uuid(),
                'resource_name': 'compute-1', 'state': state, **parameters})

        def read():
            service, = [
                item for item in self.cloud.connect().compute.services(
                    binary='nova-compute') if item.host == 'compute-1']
            return service

        plan, (action,) = self.run_plan(
            change('disabled', disabled_reason='watcher_maintaining'))
        self.assertEqual('SUCCEEDED', plan.state, action.status_message)
        self.assertEqual('disabled', read().status)
        self.assertEqual('watcher_maintaining', read().disabled_reason)
        self.assertSkipped(change('disabled'), 'already disabled')
        plan, _actions = self.run_plan(change('enabled'))
        self.assertEqual('SUCCEEDED', plan.state)
        self.assertEqual('enabled', read().status)


class TestSlowCloud(base.ApplierOverCloud):

    timing = {'live_migration': 3600.0}

    def start_moving(self, *servers):
        plan = self.start_plan(*(self.migrate(server) for server in servers))
        services.wait_until(
            lambda: self.server(servers[0]).task_state == 'migrating')
        return plan

    def test_stopping_ends_the_wait_within_seconds(self):
        first, second, _third = self.servers
        plan = self.start_moving(first, second)
        started = time.monotonic()
        self.manager.stop(timeout=2 * services.PATIENCE)
        self.assertLess(time.monotonic() - started, services.PATIENCE)
        plan = self.finish(plan)
        self.assertEqual('CANCELLED', plan.state)
        self.assertEqual(
            'Action plan was cancelled because Applier applier-1 was stopped '
            'while the action plan was ongoing. May still be running in '
            f'Nova: migrate of {first}', plan.status_message)
        self.assertEqual(
            ['CANCELLED'] * 2,
            [action.state for action in self.actions_of(plan)])
        # Nothing was asked of the cloud but the first migration.
        self.assertIsNone(self.server(second).task_state)

    def test_a_killed_applier_is_recovered_by_the_next(self):
        plan = self.start_moving(self.servers[0])
        self.start_applier()
        plan = self.finish(plan)
        self.assertEqual('CANCELLED', plan.state)
        self.assertIn(self.servers[0], plan.status_message)


class TestCancel(base.ApplierOverCloud):

    timing = {'live_migration': 1.0}

    def test_the_running_migration_ends_and_no_other_begins(self):
        first, second, _third = self.servers
        plan = self.start_plan(self.migrate(first), self.migrate(second))
        services.wait_until(
            lambda: self.server(first).task_state == 'migrating')
        objects.ActionPlan.get_by_uuid(
            self.context, plan.uuid).transition('CANCELLING')
        plan = self.finish(plan)
        self.assertEqual('CANCELLED', plan.state)
        self.assertEqual(
            ['SUCCEEDED', 'CANCELLED'],
            [action.state for action in self.actions_of(plan)])
        self.assertEqual('compute-2', self.cloud.host_of(first))
        self.assertEqual('compute-1', self.cloud.host_of(second))
