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
"""The main job from end to end: an audit ends in moved servers."""

import testscenarios

from watcher import objects
from watcher.common import context
from watcher.tests import base
from watcher.tests.fixtures import cloud as cloud_fixture
from watcher.tests.fixtures import database
from watcher.tests.fixtures import services

load_tests = testscenarios.load_tests_apply_scenarios

#: Each database and each bus at least once; the pairs don't interact.
SCENARIOS = [
    ('sqlite-fake', {'engine': database.SQLITE,
                     'transport': services.FAKE}),
    ('mysql-rabbit', {'engine': database.MYSQL,
                      'transport': services.RABBIT}),
    ('postgresql-fake', {'engine': database.POSTGRESQL,
                         'transport': services.FAKE}),
]


class TestMainJob(base.TestCase):

    scenarios = SCENARIOS

    def setUp(self):
        super().setUp()
        self.cloud = self.useFixture(cloud_fixture.SandboxCloud(
            hosts=3, placement={'compute-1': 4, 'compute-2': 1}))
        self.watcher = self.useFixture(services.Watcher(
            self.engine, self.transport, self.cloud))

    def test_dummy(self):
        audit = self.watcher.audit('dummy', 'dummy', para1=1.0,
                                   para2='hello')

        self.assertEqual('SUCCEEDED', audit.state, audit.status_message)
        plan = self.watcher.plan_of(audit)
        self.assertEqual('RECOMMENDED', plan.state)
        actions = self.watcher.actions_of(plan)
        self.assertEqual(['nop', 'nop', 'sleep'],
                         sorted(a.action_type for a in actions))

        plan = self.watcher.execute(plan)

        self.assertEqual('SUCCEEDED', plan.state, plan.status_message)
        self.assertEqual({'SUCCEEDED'}, {
            a.state for a in self.watcher.actions_of(plan)})

    def test_host_maintenance(self):
        servers = self.cloud.servers_of('compute-1')

        audit = self.watcher.audit(
            'cluster_maintaining', 'host_maintenance',
            maintenance_node='compute-1')

        self.assertEqual('SUCCEEDED', audit.state, audit.status_message)
        plan = self.watcher.plan_of(audit)
        self.assertEqual(
            ['change_nova_service_state'] + 4 * ['migrate'],
            sorted(a.action_type for a in self.watcher.actions_of(plan)))
        self._check_explanations(plan)
        # Nothing has been touched so far.
        self.assertEqual(servers, self.cloud.servers_of('compute-1'))

        plan = self.watcher.execute(plan)

        self.assertEqual('SUCCEEDED', plan.state, plan.status_message)
        self.assertEqual([], self.cloud.servers_of('compute-1'))
        nova = self.cloud.connect().compute
        for uuid in servers:
            server = nova.get_server(uuid)
            self.assertEqual('ACTIVE', server.status)
            self.assertIn(server.compute_host, ('compute-2', 'compute-3'))
        service, = nova.services(host='compute-1')
        self.assertEqual('disabled', service.status)
        self.assertEqual('watcher_maintaining', service.disabled_reason)

    def _check_explanations(self, shown):
        admin = context.admin_context()
        plan = objects.ActionPlan.get_by_uuid(admin, shown.uuid)
        why = objects.ActionPlan.explanations([plan.id])[plan.id]
        self.assertEqual('maintenance', why['code'])
        self.assertIn('compute-1 is disabled', why['summary'])
        actions = objects.Action.list(
            admin, filters={'action_plan_id': plan.id})
        reasons = objects.Action.explanations(a.id for a in actions)
        self.assertEqual({a.id for a in actions}, set(reasons))
        self.assertTrue(all(why['reason'] for why in reasons.values()))
