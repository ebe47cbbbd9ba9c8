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
"""Moving and switching servers of a simulated cloud over HTTP."""

import threading

from watcher.common import exception
from watcher.common import nova_helper
from watcher.common import waiting
from watcher.tests import base
from watcher.tests.functional import cloud


class NovaHelperTestCase(cloud.CloudTestCase):

    SPEC = {'hosts': 3, 'placement': {'compute-1': 3}, 'flavor': 'm1.small'}

    def setUp(self):
        super().setUp()
        self.nova = nova_helper.NovaHelper()
        self.server = self.cloud.servers_of('compute-1')[0]

    def look(self):
        return self.nova.find_instance(self.server)


class TestMoves(NovaHelperTestCase):

    def test_live_migration(self):
        self.assertTrue(self.nova.live_migrate_instance(
            self.server, 'compute-2'))
        self.assertEqual('compute-2', self.cloud.host_of(self.server))
        self.assertEqual('ACTIVE', self.look().status)

    def test_live_migration_to_a_host_that_nova_chooses(self):
        self.assertTrue(self.nova.live_migrate_instance(self.server, None))
        self.assertNotEqual('compute-1', self.cloud.host_of(self.server))

    def test_several_at_the_same_time(self):
        outcomes = []
        threads = [threading.Thread(target=lambda uuid=uuid: outcomes.append(
            self.nova.live_migrate_instance(uuid, 'compute-3')))
            for uuid in self.cloud.servers_of('compute-1')]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual([True] * 3, [bool(one) for one in outcomes])
        self.assertEqual([], self.cloud.servers_of('compute-1'))
        self.assertEqual(
            1, self.paths('identity').count('POST /v3/auth/tokens'))

    def test_cold_migration(self):
        self.assertTrue(self.nova.watcher_non_live_migrate_instance(
            self.server, 'compute-2'))
        self.assertEqual('compute-2', self.cloud.host_of(self.server))
        self.assertEqual('ACTIVE', self.look().status)

    def test_cold_migration_of_a_stopped_server(self):
        self.assertTrue(self.nova.stop_instance(self.server))
        self.assertTrue(self.nova.watcher_non_live_migrate_instance(
            self.server, None))
        self.assertNotEqual('compute-1', self.cloud.host_of(self.server))
        self.assertEqual('SHUTOFF', self.look().status)

    def test_resize(self):
        self.assertTrue(self.nova.resize_instance(self.server, 'm1.large'))
        self.assertEqual('m1.large', self.look().flavor['original_name'])
        self.assertEqual('ACTIVE', self.look().status)

    def test_revert_of_a_resize(self):
        self.assertFalse(self.nova.revert_resize(self.server))
        moved = self.nova.watcher_non_live_migrate_instance(
            self.server, 'compute-2', should_stop=lambda: True)
        self.assertTrue(moved.interrupted)
        self.assertTrue(self.nova.wait_for_instance_state(
            self.look(), 'resized', 600, 0.1))
        self.assertTrue(self.nova.revert_resize(self.server))
        self.assertEqual('compute-1', self.cloud.host_of(self.server))
        self.assertEqual('ACTIVE', self.look().status)

    def test_stop_and_start(self):
        self.assertTrue(self.nova.stop_instance(self.server))
        self.assertEqual('stopped', self.look().vm_state)
        self.assertTrue(self.nova.start_instance(self.server))
        self.assertEqual('active', self.look().vm_state)

    def test_compute_service(self):
        self.assertTrue(self.nova.disable_service_nova_compute(
            'compute-2', 'watcher_maintaining'))
        node = self.nova.get_compute_node_by_hostname('compute-2')
        self.assertEqual('disabled', node.status)
        self.assertEqual('watcher_maintaining',
                         node.service_disabled_reason)
        self.assertTrue(self.nova.enable_service_nova_compute('compute-2'))
        service, = self.nova.get_service_list(host='compute-2')
        self.assertEqual('enabled', service.status)


class TestFailures(NovaHelperTestCase):

    def test_unknown_destination(self):
        error = self.assertRaises(
            exception.NovaClientError, self.nova.live_migrate_instance,
            self.server, 'nowhere')
        self.assertEqual(400, error.kwargs['http_status'])
        self.assertIn('nowhere', str(error))

    def test_failing_live_migration(self):
        self.cloud.faults.add_migration(outcome='error')
        outcome = self.nova.live_migrate_instance(self.server, None)
        self.assertFalse(outcome)
        self.assertIn('still on host compute-1', outcome.reason)
        self.assertEqual('ACTIVE', self.look().status)

    def test_live_migration_that_breaks_the_server(self):
        self.cloud.faults.add_migration(
            outcome='broken', message='out of smoke')
        outcome = self.nova.live_migrate_instance(self.server, None)
        self.assertFalse(outcome)
        self.assertIn('ERROR', outcome.reason)
        self.assertIn('out of smoke', outcome.reason)

    def test_failing_cold_migration(self):
        self.cloud.faults.add_migration(outcome='error')
        outcome = self.nova.watcher_non_live_migrate_instance(
            self.server, 'compute-2')
        self.assertFalse(outcome)
        self.assertEqual('compute-1', self.cloud.host_of(self.server))

    def test_migration_that_never_ends(self):
        self.cloud.faults.add_migration(outcome='hang')
        outcome = self.nova.live_migrate_instance(
            self.server, None, retry=3)
        self.assertFalse(outcome)
        self.assertFalse(outcome.interrupted)
        self.assertIn('goes on in Nova', outcome.reason)

    def test_stopping_to_wait(self):
        self.cloud.faults.add_migration(outcome='hang')
        stop = threading.Event()
        threading.Timer(0.3, stop.set).start()
        outcome = self.nova.live_migrate_instance(
            self.server, None, should_stop=stop.is_set)
        self.assertTrue(outcome.interrupted)

    def test_aborted_live_migration(self):
        self.cloud.faults.add_migration(outcome='hang')
        self.nova.live_migrate_instance(self.server, 'compute-2', retry=1)
        self.assertTrue(self.nova.abort_live_migrate(
            self.server, 'compute-1', 'compute-2'))
        self.assertEqual('compute-1', self.cloud.host_of(self.server))

    def test_forced_live_migration(self):
        self.assertFalse(self.nova.force_live_migration(self.server))
        self.cloud.faults.add_migration(outcome='hang')
        self.nova.live_migrate_instance(self.server, 'compute-2', retry=1)
        self.wait_for(lambda: 'running' == self.nova.get_running_migration(
            self.server)[0].status)
        self.assertTrue(self.nova.force_live_migration(self.server))
        self.wait_for(lambda: self.look().host == 'compute-2')
        self.assertEqual([], self.nova.get_running_migration(self.server))

    def wait_for(self, is_so):
        for _passed in waiting.rounds(base.PATIENCE, 0.1, None):
            if is_so():
                return
        self.fail('it has not become so')

    def test_server_lost_during_the_migration(self):
        self.cloud.faults.add_migration(outcome='hang')
        threading.Timer(
            0.3, self.cloud.lose_server, [self.server]).start()
        outcome = self.nova.live_migrate_instance(self.server, None)
        self.assertFalse(outcome)
        self.assertIn('was deleted', outcome.reason)

    def test_lost_server(self):
        self.cloud.lose_server(self.server)
        self.assertRaises(exception.InstanceNotFound,
                          self.nova.find_instance, self.server)
        self.assertRaises(exception.InstanceNotFound,
                          self.nova.stop_instance, self.server)

    def _migrations(self):
        return len(self.nova.get_migrations(self.server))

    def test_request_whose_connection_breaks_is_sent_again(self):
        self.cloud.faults.add(service='compute', method='POST',
                              path='/action$', drop=True, count=1)
        self.assertTrue(self.nova.live_migrate_instance(
            self.server, 'compute-2'))
        self.assertEqual(1, self._migrations())

    def test_nova_away_during_the_migration(self):
        self.cloud.faults.add(
            service='compute', method='GET', path='/servers/', status=503,
            skip=1, count=3)
        self.assertTrue(self.nova.live_migrate_instance(
            self.server, 'compute-2'))

    def test_dropped_reading_is_repeated(self):
        self.cloud.faults.add(service='compute', method='GET',
                              path='/servers/', drop=True, count=2)
        self.assertEqual(self.server, self.look().uuid)

    def test_wrong_password(self):
        self.config('watcher_clients_auth', password='open-sesame')
        error = self.assertRaises(
            exception.AuthorizationFailure,
            nova_helper.NovaHelper().find_instance, self.server)
        self.assertIn(self.cloud.auth_url, str(error))
        self.assertNotIn('open-sesame', str(error))
        self.assertNotIn('open-sesame', self.logger.output)

    def test_unreachable_cloud(self):
        self.cloud.cloud.stop()
        error = self.assertRaises(
            exception.NovaClientError,
            nova_helper.NovaHelper().find_instance, self.server)
        self.assertIn(self.cloud.url, str(error))


class TestLists(NovaHelperTestCase):

    SPEC = {'hosts': 12, 'servers': 2100, 'vcpus': 2000,
            'memory_mb': 10000000, 'disk_gb': 100000, 'zones': 2,
            'aggregates': 3}

    def test_servers_come_in_pages(self):
        self.cloud.forget_requests()
        self.assertEqual(2100, len(self.nova.get_instance_list()))
        self.assertEqual(['GET /v2.1/servers/detail'] * 3, [
            path for path in self.paths('compute')
            if path.endswith('/detail')])

    def test_servers_of_a_host(self):
        found = self.nova.get_instance_list({'host': 'compute-1'})
        self.assertEqual(sorted(self.cloud.servers_of('compute-1')),
                         sorted(server.uuid for server in found))

    def test_other_lists(self):
        self.assertEqual(12, len(self.nova.get_compute_node_list()))
        self.assertEqual(12, len(self.nova.get_service_list()))
        self.assertEqual(5, len(self.nova.get_aggregate_list()))
        self.assertIn('m1.tiny', [
            flavor.flavor_name for flavor in self.nova.get_flavor_list()])

    def test_names_that_contain_each_other(self):
        self.assertEqual(
            'compute-1',
            self.nova.get_compute_node_by_hostname('compute-1').service_host)
