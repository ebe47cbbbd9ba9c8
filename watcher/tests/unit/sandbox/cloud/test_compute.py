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
from watcher.sandbox.cloud import compute
from watcher.sandbox.cloud import faults
from watcher.sandbox.cloud import keystone
from watcher.sandbox.cloud import state as cloud_state
from watcher.sandbox.cloud import timeline
from watcher.sandbox.cloud import web
from watcher.tests import base
from watcher.tests.unit.sandbox.cloud import test_generator

ADMIN = keystone.Identity('user', 'project', frozenset(['admin']))


class ComputeTestCase(base.TestCase):

    spec = {'hosts': 3, 'placement': {'compute-1': 2}, 'flavor': 'm1.small'}

    def setUp(self):
        super().setUp()
        self.state = test_generator.make(**self.spec)
        self.timeline = timeline.Timeline()
        self.timeline.start()
        self.addCleanup(self.timeline.stop)
        self.compute = compute.Compute(
            self.state, self.timeline, faults.Faults(),
            compute.Timing(0, 0, 0, 0, 0, 0, 1))
        self.server = next(iter(self.state.servers.values()))
        self.events = []
        self.state.subscribe(self._note)

    def _note(self, event, subject):
        if event != 'instance.update':
            self.events.append(event)

    def settle(self):
        self.assertTrue(self.timeline.wait_idle(10))

    def set_group(self, policy):
        group = cloud_state.ServerGroup(
            'g', 'group', policy, 'p', 'u',
            members=list(self.state.servers))
        self.state.groups['g'] = group
        for server in self.state.servers.values():
            server.group_id = 'g'


class TestScheduler(ComputeTestCase):

    def select(self, **arguments):
        return self.compute.scheduler.select(
            self.server, self.server.resources, **arguments).name

    def test_most_free_memory_wins(self):
        other = self.state.hosts['compute-2']
        self.state.claim({}, other, {'MEMORY_MB': 1000})

        self.assertEqual('compute-3', self.select())

    def test_disabled_down_and_full_hosts_are_left_out(self):
        hosts = self.state.hosts
        hosts['compute-1'].status = 'disabled'
        hosts['compute-2'].state = 'down'
        self.state.claim({}, hosts['compute-3'], {'MEMORY_MB': 65000})

        self.assertRaises(compute.NoValidHost, self.select)

    def test_pinned_zone(self):
        self.server.pinned_zone = 'az-2'
        self.state.hosts['compute-3'].zone = 'az-2'

        self.assertEqual('compute-3', self.select())

    def test_anti_affinity(self):
        self.set_group('anti-affinity')

        self.assertRaises(compute.NoValidHost, self.select,
                          requested='compute-1')
        self.assertEqual('compute-2', self.select())

    def test_affinity(self):
        self.set_group('affinity')

        self.assertRaises(compute.NoValidHost, self.select,
                          avoid=self.state.hosts['compute-1'])

    def test_soft_anti_affinity_only_prefers(self):
        self.set_group('soft-anti-affinity')

        self.assertNotEqual('compute-1', self.select())
        self.assertEqual('compute-1', self.select(requested='compute-1'))


class TestLifecycle(ComputeTestCase):

    def test_events_of_a_live_migration(self):
        self.compute.live_migrate(self.server, 'compute-2', ADMIN, False)
        self.settle()

        self.assertEqual('compute-2', self.server.host.name)
        self.assertEqual([
            'instance.live_migration_pre.start',
            'instance.live_migration_pre.end',
            'instance.live_migration_post.start',
            'instance.live_migration_post.end',
            'instance.live_migration_post_dest.end'], self.events)

    def test_states_of_a_server_decide(self):
        self.server.vm_state = 'stopped'

        error = self.assertRaises(
            web.HTTPError, self.compute.live_migrate, self.server, None,
            ADMIN, False)

        self.assertEqual(409, error.status)
        self.assertIn('while it is in vm_state stopped', error.message)

    def test_one_thing_at_a_time(self):
        self.server.task_state = 'migrating'

        error = self.assertRaises(web.HTTPError, self.compute.stop,
                                  self.server)

        self.assertIn('task_state migrating', error.message)

    def test_stopped_servers_stay_stopped_when_migrated(self):
        self.compute.stop(self.server)
        self.settle()
        self.compute.cold_migrate(self.server, None, ADMIN)
        self.settle()
        self.compute.confirm_resize(self.server)
        self.settle()

        self.assertEqual('stopped', self.server.vm_state)
        self.assertNotEqual('compute-1', self.server.host.name)

    def test_nothing_to_confirm(self):
        error = self.assertRaises(web.HTTPError,
                                  self.compute.confirm_resize, self.server)

        self.assertEqual(409, error.status)

    def test_deleting_gives_everything_back(self):
        self.compute.cold_migrate(self.server, None, ADMIN)
        self.settle()
        dest = self.server.host
        self.assertEqual(1, dest.used['VCPU'])

        self.compute.delete(self.server)
        self.settle()

        self.assertEqual(0, dest.used['VCPU'])
        self.assertEqual(1, self.state.hosts['compute-1'].used['VCPU'])
        self.assertIn(self.server.uuid, self.state.deleted)

    def test_no_host_for_a_new_server(self):
        for host in self.state.hosts.values():
            host.status = 'disabled'
        other = test_generator.make(**self.spec)
        server = next(iter(other.servers.values()))
        server.host, server.allocations = None, {}

        self.compute.create(server)

        self.assertEqual('error', server.vm_state)
        self.assertIn('No valid host', server.fault['message'])
