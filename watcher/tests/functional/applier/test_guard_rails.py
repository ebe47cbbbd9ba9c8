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
"""What keeps plans from doing harm, over a simulated cloud."""

from watcher import objects
from watcher.tests.fixtures import services
from watcher.tests.functional.applier import base


def service(host, state):
    return ('change_nova_service_state',
            {'resource_id': host, 'resource_name': host, 'state': state})


class TestCheckBeforeStart(base.ActionTestCase):

    def overrides(self):
        return {**super().overrides(),
                'watcher_applier': {'check_before_start': True}}

    def test_nothing_moves_if_a_destination_is_missing(self):
        first, second, third = self.servers
        plan, actions = self.run_plan(
            self.migrate(first), self.migrate(second, 'compute-9'),
            self.migrate(third))
        self.assertEqual('FAILED', plan.state)
        self.assertEqual(['CANCELLED', 'FAILED', 'CANCELLED'],
                         [action.state for action in actions])
        self.assertIn('1 of 3 actions would fail', plan.status_message)
        self.assertIn('compute-9', plan.status_message)
        for server in self.servers:
            self.assertEqual('compute-1', self.cloud.host_of(server))

    def test_a_destination_that_the_plan_enables(self):
        self.assertSucceeds(service('compute-2', 'disabled'))
        first, second, _third = self.servers
        plan, _actions = self.run_plan(self.migrate(first))
        self.assertEqual('FAILED', plan.state)
        self.assertIn('Nothing was changed', plan.status_message)
        self.assertSucceeds(
            service('compute-2', 'enabled'), self.migrate(first),
            self.migrate(second))

    def test_a_server_that_moves_twice(self):
        server = self.servers[0]
        self.assertSucceeds(
            self.migrate(server),
            self.migrate(server, 'compute-3', source='compute-2'))


class TestOverlap(base.ApplierOverCloud):

    def overrides(self):
        return {**super().overrides(), 'watcher_applier': {
            'workers': 3, 'reconcile_interval': 1}}

    def message(self, plan):
        return objects.ActionPlan.get_by_uuid(
            self.context, plan.uuid).status_message

    def test_plans_wait_for_each_other_and_for_nobody_else(self):
        first, second, third = self.servers
        self.cloud.faults.add_migration(server=first, outcome='hang')
        running = self.start_plan(self.migrate(first),
                                  self.migrate(second, kind='cold'))
        services.wait_until(
            lambda: self.server(first).task_state == 'migrating')
        emptying = self.start_plan(service('compute-2', 'disabled'))
        services.wait_until(lambda: self.message(emptying))
        self.assertIn(f'{running.uuid}: it needs host compute-2',
                      self.message(emptying))
        same = self.start_plan(self.migrate(second, 'compute-3'))
        services.wait_until(lambda: self.message(same))
        self.assertIn(f'both change server {second}', self.message(same))

        disjoint = self.start_plan(('stop', {'resource_id': third}))
        self.assertEqual('SUCCEEDED', self.finish(disjoint).state)
        self.cloud.lose_server(first)
        self.finish(running)
        for plan in (emptying, same):
            found = self.finish(plan)
            self.assertEqual('SUCCEEDED', found.state)
        self.assertEqual('compute-2', self.cloud.host_of(second))


class TestCooldown(base.ActionTestCase):

    def overrides(self):
        return {**super().overrides(), 'watcher_applier': {'cooldown': 3600}}

    def test_there_and_back(self):
        server = self.servers[0]
        self.assertSucceeds(self.migrate(server))
        self.assertSkipped(
            self.migrate(server, 'compute-1', source='compute-2'),
            f'Server {server} was moved', '3600 seconds')
        self.assertEqual('compute-2', self.cloud.host_of(server))
