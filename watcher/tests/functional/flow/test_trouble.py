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
"""What goes wrong on the way, and how the service says so."""


import fixtures

from watcher.tests import base
from watcher.tests.fixtures import cloud as cloud_fixture
from watcher.tests.fixtures import ports
from watcher.tests.fixtures import services

MAINTENANCE = ('cluster_maintaining', 'host_maintenance')


class TroubleTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.cloud = self.useFixture(cloud_fixture.SandboxCloud(
            hosts=3, placement={'compute-1': 3, 'compute-2': 1}))

    def start(self, **overrides):
        self.watcher = self.useFixture(services.Watcher(
            cloud=self.cloud, overrides=overrides))

    def maintain(self, **parameters):
        audit = self.watcher.audit(
            *MAINTENANCE, maintenance_node='compute-1', **parameters)
        self.assertEqual('SUCCEEDED', audit.state, audit.status_message)
        return self.watcher.plan_of(audit)

    def action_of(self, plan, server):
        """The migration of a server."""
        action, = [a for a in self.watcher.actions_of(plan)
                   if a.input_parameters.get('resource_id') == server]
        return action

    def assertNoTracebackIn(self, text):
        self.assertNotIn('Traceback', text)
        self.assertNotIn('\n', text.strip())


class TestCloudOutOfReach(TroubleTestCase):

    def failed_audit(self):
        audit = self.watcher.audit(*MAINTENANCE,
                                   maintenance_node='compute-1')
        self.assertEqual('FAILED', audit.state)
        self.assertNoTracebackIn(audit.status_message)
        return audit

    def test_wrong_password(self):
        self.start(watcher_clients_auth={'password': 'wrong'})

        audit = self.failed_audit()

        self.assertIn(
            'Keystone at %s refuses the user watcher of the group '
            '[watcher_clients_auth]' % self.cloud.auth_url,
            audit.status_message)

    def test_unreachable_nova(self):
        closed = 'http://127.0.0.1:%d/v2.1' % ports.free_port()
        self.start(nova={'endpoint_override': closed, 'http_retries': 1})

        audit = self.failed_audit()

        self.assertIn('Nova', audit.status_message)
        self.assertIn('refused', audit.status_message)

    def test_broken_nova(self):
        self.start()
        self.cloud.faults.service_down('compute')

        audit = self.failed_audit()

        self.assertIn('503', audit.status_message)

    def test_placement_down(self):
        """Without inventories no plan is made, least of all a wrong one."""
        self.start()
        self.cloud.faults.service_down('placement')

        audit = self.failed_audit()

        self.assertIn('Placement', audit.status_message)

    def test_back_again(self):
        self.useFixture(fixtures.MonkeyPatch(
            'watcher.decision_engine.model.collector.base.FAILURE_PAUSE',
            0.0))
        self.start()
        self.cloud.faults.service_down('compute')
        self.failed_audit()
        self.cloud.faults.clear()

        self.assertEqual('RECOMMENDED', self.maintain().state)

    def test_unknown_host(self):
        self.start()

        audit = self.watcher.audit(*MAINTENANCE,
                                   maintenance_node='compute-99')

        self.assertEqual('FAILED', audit.state)
        self.assertIn('compute-99', audit.status_message)


class TestCloudChanges(TroubleTestCase):

    def test_server_deleted_between_audit_and_start(self):
        self.start()
        plan = self.maintain()
        gone, *others = self.cloud.servers_of('compute-1')
        nova = self.cloud.connect().compute
        nova.delete_server(gone)
        services.wait_until(
            lambda: gone not in self.cloud.servers_of('compute-1'))

        plan = self.watcher.execute(plan)

        self.assertEqual('SUCCEEDED', plan.state, plan.status_message)
        self.assertEqual('One or more actions were skipped.',
                         plan.status_message)
        action = self.action_of(plan, gone)
        self.assertEqual('SKIPPED', action.state)
        self.assertIn(gone, action.status_message)
        for uuid in others:
            self.assertEqual('SUCCEEDED', self.action_of(plan, uuid).state)
        self.assertEqual([], self.cloud.servers_of('compute-1'))

    def test_server_deleted_while_it_moves(self):
        self.start()
        plan = self.maintain()
        lost = self.cloud.servers_of('compute-1')[0]
        self.cloud.faults.add_migration(server=lost, outcome='hang')
        client = self.watcher.client()
        client.action_plan.start(plan.uuid)
        services.wait_until(
            lambda: self.action_of(plan, lost).state == 'ONGOING')
        services.wait_until(
            lambda: self.cloud.state.servers[lost].task_state)
        self.cloud.lose_server(lost)

        plan = self.watcher.finished(client.action_plan, plan.uuid)

        self.assertEqual('FAILED', plan.state)
        action = self.action_of(plan, lost)
        self.assertEqual('FAILED', action.state)
        self.assertIn(lost, action.status_message)
        self.assertNoTracebackIn(action.status_message)

    def test_failing_migration(self):
        self.start()
        plan = self.maintain()
        stays = self.cloud.servers_of('compute-1')[0]
        self.cloud.faults.add_migration(server=stays)

        plan = self.watcher.execute(plan)

        self.assertEqual('FAILED', plan.state)
        self.assertEqual([stays], self.cloud.servers_of('compute-1'))
        action = self.action_of(plan, stays)
        self.assertEqual('FAILED', action.state)
        self.assertIn('compute-1', action.status_message)

    def test_no_room_elsewhere(self):
        self.start()
        plan = self.maintain()
        with self.cloud.state.lock:
            for name in ('compute-2', 'compute-3'):
                self.cloud.state.hosts[name].status = 'disabled'

        plan = self.watcher.execute(plan)

        self.assertEqual('FAILED', plan.state)
        action = self.action_of(plan, self.cloud.servers_of('compute-1')[0])
        self.assertIn('No valid host', action.status_message)

    def test_nova_hiccups_once(self):
        self.start()
        plan = self.maintain()
        self.cloud.faults.add(service='compute', method='GET', drop=True,
                              path=r'^/v2.1/servers/[0-9a-f-]+$', count=1)

        plan = self.watcher.execute(plan)

        self.assertEqual('SUCCEEDED', plan.state, plan.status_message)

    def test_lost_requests_are_not_repeated_blindly(self):
        """A connection that breaks may have delivered the request."""
        self.start()
        plan = self.maintain()
        server = self.cloud.servers_of('compute-1')[0]
        self.cloud.faults.add(service='compute', method='POST', drop=True,
                              path=server + '/action', count=1)

        plan = self.watcher.execute(plan)

        self.assertIn(plan.state, ('SUCCEEDED', 'FAILED'))
        posts = self.cloud.requests(method='POST', path=server + '/action')
        self.assertLessEqual(len(posts), 1)
        if plan.state == 'FAILED':
            self.assertNoTracebackIn(
                self.action_of(plan, server).status_message)


class TestWrongInput(TroubleTestCase):

    def setUp(self):
        super().setUp()
        self.start()

    def post(self, path, **arguments):
        response = self.watcher.http('POST', path, **arguments)
        body = response.json()
        self.assertNotIn('Traceback', response.text)
        return response.status_code, str(body)

    def test_unknown_goal(self):
        status, text = self.post('/v1/audit_templates/', json={
            'name': 'one', 'goal': 'world_peace'})

        self.assertEqual(400, status)
        self.assertIn('world_peace', text)

    def test_wrong_type_of_a_parameter(self):
        status, text = self.post('/v1/audits/', json={
            'goal': 'dummy', 'strategy': 'dummy', 'audit_type': 'ONESHOT',
            'parameters': {'para1': 'much'}})

        self.assertEqual(400, status)
        self.assertIn('para1', text)

    def test_malformed_json(self):
        status, text = self.post(
            '/v1/audits/', data='{"audit_type": ',
            headers={'Content-Type': 'application/json'})

        self.assertEqual(400, status)

    def test_no_token(self):
        response = self.watcher.http('GET', '/v1/audits',
                                     headers={'X-Auth-Token': 'forged'})

        self.assertEqual(401, response.status_code)

    def test_no_administrator(self):
        response = self.watcher.http('GET', '/v1/audits', user='demo',
                                     project='demo')

        self.assertEqual(403, response.status_code)
