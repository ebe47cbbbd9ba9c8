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
"""The simulated cloud, seen by the clients that real clouds have."""

import threading
import time

from keystoneauth1 import exceptions as ka_exceptions
from openstack import exceptions

from watcher.tests import base
from watcher.tests.fixtures import cloud as cloud_fixture
from watcher.tests.fixtures import services


class CloudTestCase(base.TestCase):

    spec = {'hosts': 3, 'placement': {'compute-1': 3, 'compute-2': 1}}

    def setUp(self):
        super().setUp()
        self.cloud = self.useFixture(
            cloud_fixture.SandboxCloud(**self.spec))
        self.sdk = self.cloud.connect()
        self.nova = self.sdk.compute

    def first_server(self, host='compute-1'):
        return self.cloud.servers_of(host)[0]

    def wait_for_status(self, uuid, status, host=None):
        def reached():
            server = self.nova.get_server(uuid)
            return (server.status == status and server.task_state is None
                    and host in (None, server.compute_host)) and server
        return services.wait_until(reached, 10, 'status ' + status)


class TestKeystone(CloudTestCase):

    def test_wrong_password(self):
        session = self.cloud.session(password='wrong')

        self.assertRaises(ka_exceptions.Unauthorized, session.get_token)

    def test_unknown_project(self):
        session = self.cloud.session(project_name='nowhere')

        self.assertRaises(ka_exceptions.Unauthorized, session.get_token)

    def test_expired_tokens_are_renewed(self):
        self.assertEqual(4, len(list(self.nova.servers(all_projects=True))))
        self.cloud.cloud.identity.revoke_all()

        self.assertEqual(4, len(list(self.nova.servers(all_projects=True))))

    def test_lists(self):
        identity = self.sdk.identity

        self.assertIn('demo', [p.name for p in identity.projects()])
        self.assertIn('watcher', [u.name for u in identity.users()])
        self.assertEqual(['compute'], [
            s.type for s in identity.services(type='compute')])


class TestNovaReading(CloudTestCase):

    def test_pages_give_each_server_once(self):
        self.cloud.forget_requests()

        servers = list(self.nova.servers(all_projects=True, limit=2))

        self.assertEqual(4, len({s.id for s in servers}))
        self.assertEqual(4, len(servers))
        self.assertEqual(3, len(self.cloud.requests(path='servers/detail')))

    def test_unknown_marker(self):
        self.assertRaises(
            exceptions.BadRequestException, list,
            self.nova.servers(all_projects=True, marker='no-such-server'))

    def test_filter_by_host(self):
        servers = self.nova.servers(all_projects=True,
                                    compute_host='compute-2')

        self.assertEqual(self.cloud.servers_of('compute-2'),
                         [s.id for s in servers])

    def test_foreign_servers_are_hidden(self):
        demo = self.cloud.connect('demo', 'demo')
        own = list(demo.compute.servers())

        self.assertEqual(2, len(own))
        self.assertIsNone(own[0].compute_host)
        self.assertRaises(
            exceptions.ForbiddenException, list,
            demo.compute.servers(all_projects=True))

    def test_deleted_servers_are_in_changes(self):
        uuid = self.first_server()
        # Read before: it may be gone as soon as that is asked for.
        server = self.nova.get_server(uuid)
        self.nova.delete_server(server)
        self.nova.wait_for_delete(server, interval=0.05)

        changed = {s.id: s.status for s in self.nova.servers(
            all_projects=True, changes_since='2026-06-01T00:00:00Z')}

        self.assertEqual({uuid: 'DELETED'}, changed)
        self.assertNotIn(uuid, [
            s.id for s in self.nova.servers(all_projects=True)])

    def test_capacity_is_gone_from_newer_hypervisors(self):
        url = '/os-hypervisors/detail'
        older = self.nova.get(url, microversion='2.87').json()
        newer = self.nova.get(url, microversion='2.88').json()

        self.assertEqual(3, older['hypervisors'][0]['running_vms'])
        self.assertIn('vcpus', older['hypervisors'][0])
        self.assertNotIn('vcpus', newer['hypervisors'][0])

    def test_names_of_hypervisors_match_in_part(self):
        found = list(self.nova.hypervisors(
            details=True, hypervisor_hostname_pattern='compute-',
            with_servers=True))

        self.assertEqual(3, len(found))
        self.assertEqual(3, len(found[0].servers))
        self.assertRaises(
            exceptions.NotFoundException, list,
            self.nova.hypervisors(hypervisor_hostname_pattern='other'))

    def test_unsupported_microversion(self):
        response = self.nova.get('/servers', microversion='2.999',
                                 raise_exc=False)

        self.assertEqual(406, response.status_code)
        self.assertIn('maximum is 2.100',
                      response.json()['computeFault']['message'])

    def test_embedded_flavor_since_2_47(self):
        uuid = self.first_server()
        url = '/servers/' + uuid
        older = self.nova.get(url, microversion='2.46').json()['server']
        newer = self.nova.get(url, microversion='2.47').json()['server']

        self.assertIn('id', older['flavor'])
        self.assertEqual({'vcpus', 'ram', 'disk', 'ephemeral', 'swap',
                          'original_name', 'extra_specs'},
                         set(newer['flavor']))


class TestMigrations(CloudTestCase):

    def test_live_to_chosen_host(self):
        uuid = self.first_server()

        self.nova.live_migrate_server(uuid, host='compute-3',
                                      block_migration='auto')

        self.assertEqual('MIGRATING', self.nova.get_server(uuid).status)
        self.wait_for_status(uuid, 'ACTIVE', 'compute-3')
        self.assertEqual('completed',
                         next(self.nova.migrations()).status)

    def test_live_wherever_the_scheduler_likes(self):
        uuid = self.first_server()

        self.nova.live_migrate_server(uuid, block_migration='auto')

        server = self.wait_for_status(uuid, 'ACTIVE')
        self.assertNotEqual('compute-1', server.compute_host)

    def test_scheduler_avoids_disabled_hosts(self):
        for service in self.nova.services(binary='nova-compute'):
            if service.host != 'compute-1':
                self.nova.disable_service(service, service.host,
                                          service.binary)

        error = self.assertRaises(
            exceptions.BadRequestException,
            self.nova.live_migrate_server, self.first_server(),
            block_migration='auto')

        self.assertIn('No valid host was found', str(error))

    def test_newer_clients_learn_of_no_host_from_the_migration(self):
        with self.cloud.state.lock:
            for host in self.cloud.state.hosts.values():
                host.status = 'disabled'
        uuid = self.first_server()

        response = self.nova.post(
            '/servers/%s/action' % uuid, microversion='2.68',
            json={'os-migrateLive': {'host': None,
                                     'block_migration': 'auto'}})

        self.assertEqual(202, response.status_code)
        self.assertEqual('error', next(self.nova.migrations()).status)
        self.assertEqual('ACTIVE', self.nova.get_server(uuid).status)

    def test_unknown_host(self):
        self.assertRaises(
            exceptions.BadRequestException, self.nova.live_migrate_server,
            self.first_server(), host='nowhere', block_migration='auto')

    def test_stopped_servers_do_not_migrate_live(self):
        uuid = self.first_server()
        self.nova.stop_server(uuid)
        self.wait_for_status(uuid, 'SHUTOFF')

        self.assertRaises(
            exceptions.ConflictException, self.nova.live_migrate_server,
            uuid, block_migration='auto')

    def test_allocations_follow(self):
        uuid = self.first_server()
        before = self.usages('compute-1'), self.usages('compute-3')

        self.nova.live_migrate_server(uuid, host='compute-3',
                                      block_migration='auto')
        # Both hosts keep room for it while it moves.
        self.assertEqual(before[0], self.usages('compute-1'))
        self.assertNotEqual(before[1], self.usages('compute-3'))
        self.wait_for_status(uuid, 'ACTIVE', 'compute-3')

        self.assertNotEqual(before[0], self.usages('compute-1'))
        self.assertConsistent()

    def usages(self, host):
        provider = self.cloud.state.hosts[host].uuid
        return self.sdk.placement.get(
            '/resource_providers/%s/usages' % provider).json()['usages']

    def assertConsistent(self):
        """What hosts count as used is what their servers hold."""
        with self.cloud.state.lock:
            for host in self.cloud.state.hosts.values():
                held = {}
                for server in self.cloud.state.servers.values():
                    for name, amount in server.allocations.get(
                            host.name, {}).items():
                        held[name] = held.get(name, 0) + amount
                used = {k: v for k, v in host.used.items() if v}
                self.assertEqual(held, used, host.name)

    def test_cold_and_confirm(self):
        uuid = self.first_server()

        self.nova.migrate_server(uuid, host='compute-3')
        self.wait_for_status(uuid, 'VERIFY_RESIZE', 'compute-3')
        self.nova.confirm_server_resize(uuid)

        self.wait_for_status(uuid, 'ACTIVE', 'compute-3')
        self.assertConsistent()

    def test_cold_and_revert(self):
        uuid = self.first_server()

        self.nova.migrate_server(uuid)
        self.wait_for_status(uuid, 'VERIFY_RESIZE')
        self.nova.revert_server_resize(uuid)

        self.wait_for_status(uuid, 'ACTIVE', 'compute-1')
        self.assertConsistent()

    def test_resize(self):
        uuid = self.first_server()
        flavor = self.nova.get_server(uuid).flavor.original_name
        other = next(f for f in self.nova.flavors() if f.name != flavor)

        self.nova.resize_server(uuid, other.id)
        self.wait_for_status(uuid, 'VERIFY_RESIZE')
        self.nova.confirm_server_resize(uuid)

        server = self.wait_for_status(uuid, 'ACTIVE')
        self.assertEqual(other.name, server.flavor.original_name)
        self.assertConsistent()

    def running_migration(self, uuid):
        def running():
            return [m for m in self.nova.server_migrations(uuid)
                    if m.status == 'running']
        migration, = services.wait_until(running, 10)
        return migration

    def test_one_live_migration_leaves_a_host_at_a_time(self):
        first, second = self.cloud.servers_of('compute-1')[:2]
        hanging = self.cloud.faults.add_migration(outcome='hang')
        self.nova.live_migrate_server(first, block_migration='auto')
        migration = self.running_migration(first)
        self.cloud.faults.remove(hanging.id)
        self.nova.live_migrate_server(second, block_migration='auto')

        waiting, = self.nova.server_migrations(second)
        self.assertEqual('queued', waiting.status)
        self.nova.abort_server_migration(migration, first)
        for uuid in (first, second):
            self.wait_for_status(uuid, 'ACTIVE')
        self.assertEqual(2, len(self.cloud.servers_of('compute-1')))
        self.assertConsistent()

    def test_abort(self):
        uuid = self.first_server()
        self.cloud.faults.add_migration(outcome='hang')
        self.nova.live_migrate_server(uuid, block_migration='auto')
        self.nova.abort_server_migration(self.running_migration(uuid), uuid)

        self.wait_for_status(uuid, 'ACTIVE', 'compute-1')
        self.assertConsistent()

    def test_server_deleted_on_the_way(self):
        uuid = self.first_server()
        self.nova.live_migrate_server(uuid, block_migration='auto')
        self.cloud.lose_server(uuid)

        self.assertTrue(self.cloud.cloud.timeline.wait_idle(10))
        self.assertRaises(exceptions.NotFoundException,
                          self.nova.get_server, uuid)
        self.assertConsistent()


class TestFaults(CloudTestCase):

    def control(self, method, path, **arguments):
        url = self.cloud.url + '/sandbox' + path
        return self.cloud.session().request(
            url, method, authenticated=False, raise_exc=False, **arguments)

    def test_status(self):
        self.cloud.faults.add(service='compute', path='os-services',
                              status=500, count=1)

        self.assertRaises(exceptions.HttpException, list,
                          self.nova.services())
        self.assertEqual(5, len(list(self.nova.services())))

    def test_dropped_connection(self):
        self.cloud.faults.add(service='compute', path='os-services',
                              drop=True)

        self.assertRaises(ka_exceptions.ConnectionError, self.nova.get,
                          '/os-services')

    def test_slowness(self):
        self.cloud.faults.add(service='compute', path='os-services',
                              delay=0.3)
        began = time.monotonic()

        self.nova.get('/os-services')

        self.assertGreaterEqual(time.monotonic() - began, 0.3)

    def test_closing_does_not_wait_for_slow_answers(self):
        """Or the sandbox, and tests, would end when the delay does."""
        self.cloud.faults.add(service='compute', delay=600)
        answer = threading.Thread(target=self.nova.get, daemon=True,
                                  args=('/os-services',))
        answer.start()
        services.wait_until(
            lambda: self.cloud.faults.as_dict()['requests'][0]['hits'],
            what='the request')

        self.cloud.cloud.stop()

        answer.join(60)
        self.assertFalse(answer.is_alive())

    def test_failing_migration(self):
        uuid = self.first_server()
        self.cloud.faults.add_migration(server=uuid)

        self.nova.live_migrate_server(uuid, block_migration='auto')

        self.wait_for_status(uuid, 'ACTIVE', 'compute-1')
        self.assertEqual('error', next(self.nova.migrations()).status)

    def test_broken_server(self):
        uuid = self.first_server()
        self.cloud.faults.add_migration(server=uuid, outcome='broken')

        self.nova.migrate_server(uuid)

        server = self.wait_for_status(uuid, 'ERROR')
        self.assertIn('failure', server.fault['message'])

    def test_over_http(self):
        self.sdk.placement.get('/resource_providers')
        response = self.control('POST', '/faults', json={
            'request': {'service': 'placement', 'status': 503}})
        number = response.json()['id']
        down = self.sdk.placement.get('/resource_providers',
                                      raise_exc=False)
        self.control('DELETE', '/faults/%d' % number)
        up = self.sdk.placement.get('/resource_providers', raise_exc=False)

        self.assertEqual([201, 503, 200], [
            response.status_code, down.status_code, up.status_code])

    def test_wrong_rules_are_explained(self):
        response = self.control('POST', '/faults', json={
            'migration': {'outcome': 'miracle'}})

        self.assertEqual(400, response.status_code)
        self.assertIn('must be error, broken or hang', response.text)

    def test_host_down(self):
        response = self.control('PUT', '/hosts/compute-1',
                                json={'state': 'down'})

        self.assertEqual(204, response.status_code)
        service, = self.nova.services(host='compute-1')
        self.assertEqual('down', service.state)
        error = self.assertRaises(
            exceptions.BadRequestException, self.nova.live_migrate_server,
            self.first_server(), block_migration='auto')
        self.assertIn('unavailable at this time', str(error))
