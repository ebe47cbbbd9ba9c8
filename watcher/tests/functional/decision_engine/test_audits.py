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
"""Audits of real services over a simulated cloud."""

import threading

from watcher.tests import base
from watcher.tests.fixtures import cloud as cloud_fixture
from watcher.tests.fixtures import services

ACTIONS = [{'action_type': 'nop', 'input_parameters': {'message': 'hi'}}]


class AuditTestCase(base.TestCase):

    #: Options of the service that differ.
    overrides: dict = {}
    #: The specification of the cloud.
    spec: dict = {'hosts': 3, 'placement': {'compute-1': 3},
                  'flavor': 'm1.small'}

    def setUp(self):
        super().setUp()
        self.cloud = self.useFixture(
            cloud_fixture.SandboxCloud(**self.spec))
        self.watcher = self.useFixture(services.Watcher(
            cloud=self.cloud, overrides=self.overrides))

    def maintenance(self, **parameters):
        return self.watcher.audit(
            'cluster_maintaining', 'host_maintenance',
            **{'maintenance_node': 'compute-1', **parameters})

    def create(self, goal='unclassified', strategy='actuator', **fields):
        fields.setdefault('audit_type', 'ONESHOT')
        return self.watcher.client().audit.create(
            goal=goal, strategy=strategy, **fields)

    def finished(self, audit):
        return self.watcher.finished(self.watcher.client().audit,
                                     audit.uuid)

    def final_plan(self, audit):
        return self.watcher.finished(self.watcher.client().action_plan,
                                     self.watcher.plan_of(audit).uuid)


class TestAudits(AuditTestCase):

    def test_excluded_instance_stays(self):
        kept, *others = self.cloud.servers_of('compute-1')
        client = self.watcher.client()
        template = client.audit_template.create(
            name='without-one', goal='cluster_maintaining',
            strategy='host_maintenance', scope=[{'compute': [
                {'exclude': [{'instances': [{'uuid': kept}]}]}]}])
        audit = self.finished(client.audit.create(
            audit_template_uuid=template.uuid, audit_type='ONESHOT',
            parameters={'maintenance_node': 'compute-1'}))
        self.assertEqual('SUCCEEDED', audit.state, audit.status_message)
        plan = self.watcher.plan_of(audit)
        self.assertEqual(
            set(others), {
                action.input_parameters['resource_id']
                for action in self.watcher.actions_of(plan)
                if action.action_type == 'migrate'})

    def test_unknown_node(self):
        audit = self.maintenance(maintenance_node='nowhere')
        self.assertEqual('FAILED', audit.state)
        self.assertIn('nowhere', audit.status_message)

    def test_nova_is_down(self):
        self.cloud.faults.add(service='compute', status=503)
        audit = self.maintenance()
        self.assertEqual('FAILED', audit.state)
        self.assertIn('Nova', audit.status_message)
        self.assertEqual([], self.watcher.client().action_plan.list())
        self.assertEqual(
            1, self.logger.output.count(f'Audit {audit.uuid} FAILED'))
        self.assertNotIn('Traceback', self.logger.output)

    def test_auto_trigger(self):
        audit = self.finished(self.create(
            parameters={'actions': ACTIONS}, auto_trigger=True))
        self.assertEqual('SUCCEEDED', audit.state, audit.status_message)
        plan = self.final_plan(audit)
        self.assertEqual('SUCCEEDED', plan.state, plan.status_message)

    def test_event_runs_for_each_trigger(self):
        audit = self.create(parameters={'actions': ACTIONS},
                            audit_type='EVENT')
        for count in (1, 2):
            answer = self.watcher.http(
                'POST', f'/v1/webhooks/{audit.uuid}', json={})
            self.assertEqual(202, answer.status_code, answer.text)
            services.wait_until(
                lambda count=count: len(
                    self.watcher.client().action_plan.list(
                        audit=audit.uuid)) == count,
                what='another action plan')
            self.assertEqual('SUCCEEDED', self.finished(audit).state)

    def test_cancel_while_it_runs(self):
        # The model is built while the audit runs, for as long as we like.
        self.cloud.faults.add(service='compute', path='servers', delay=3600)
        audit = self.create(
            'cluster_maintaining', 'host_maintenance', auto_trigger=True,
            parameters={'maintenance_node': 'compute-1'})
        client = self.watcher.client()
        services.wait_until(
            lambda: client.audit.get(audit.uuid).state != 'PENDING',
            what='the start of the audit')
        client.audit.update(audit.uuid, [
            {'op': 'replace', 'path': '/state', 'value': 'CANCELLED'}])
        self.cloud.faults.end()
        services.wait_until(
            lambda: f'audit-{audit.uuid}' not in [
                thread.name for thread in threading.enumerate()],
            what='the end of the run')
        self.assertEqual('CANCELLED', client.audit.get(audit.uuid).state)
        self.assertEqual([], [
            plan for plan in client.action_plan.list(audit=audit.uuid)
            if plan.state != 'CANCELLED'])
        self.assertEqual(3, len(self.cloud.servers_of('compute-1')))

    def test_requirements_of_a_strategy(self):
        answer = self.watcher.http(
            'GET', '/v1/strategies/host_maintenance/state')
        self.assertEqual(200, answer.status_code, answer.text)
        self.assertEqual(
            ['Datasource', 'Metrics', 'CDM', 'Name'],
            [entry['type'] for entry in answer.json()])
        self.assertEqual({'compute_model': 'available'},
                         answer.json()[2]['state'][0])

    def test_data_model(self):
        answer = self.watcher.http('GET', '/v1/data_model')
        self.assertEqual(200, answer.status_code, answer.text)
        self.assertEqual(
            set(self.cloud.servers_of('compute-1')),
            {row['server_uuid'] for row in answer.json()['context']
             if 'server_uuid' in row})


class TestChangedCloud(AuditTestCase):

    # A model is never so new that it would be used again.
    overrides = {'watcher_cluster_data_model_collectors.compute': {
        'max_age': 0}}

    def test_nothing_fits(self):
        compute = self.cloud.connect().compute
        for host in ('compute-2', 'compute-3'):
            compute.disable_service(
                next(compute.services(host=host)),
                disabled_reason='bad DIMM, do not use')
        audit = self.maintenance()
        self.assertEqual('FAILED', audit.state)
        self.assertIn('no other compute node that is up and enabled',
                      audit.status_message)
        # A named node is used.
        audit = self.maintenance(backup_node='compute-2')
        self.assertEqual('SUCCEEDED', audit.state, audit.status_message)
        plan = self.watcher.execute(self.watcher.plan_of(audit))
        self.assertEqual('SUCCEEDED', plan.state, plan.status_message)
        self.assertEqual(3, len(self.cloud.servers_of('compute-2')))


class TestUnknownHosts(AuditTestCase):
    """Field report tests 20: never partial and silent."""

    overrides = {
        'collector': {'last_known_max_age': 0},
        'watcher_cluster_data_model_collectors.compute': {'max_age': 0}}

    def destinations(self, audit):
        return {action.input_parameters['destination_node'] for action
                in self.watcher.actions_of(self.watcher.plan_of(audit))
                if action.action_type == 'migrate'}

    def test_left_out_and_named(self):
        audit = self.maintenance(backup_node='compute-3')
        self.assertEqual(('SUCCEEDED', None),
                         (audit.state, audit.status_message))
        self.assertEqual({'compute-3'}, self.destinations(audit))
        fault = self.cloud.faults.add(
            service='placement', status=500,
            path=self.cloud.state.hosts['compute-3'].uuid)
        audit = self.maintenance()
        self.assertEqual('SUCCEEDED', audit.state)
        self.assertIn('left out', audit.status_message)
        self.assertIn('compute-3: ', audit.status_message)
        self.assertIn('HTTP 500', audit.status_message)
        audit = self.maintenance(maintenance_node='compute-3')
        self.assertEqual('FAILED', audit.state)
        self.assertIn('left out', audit.status_message)
        self.cloud.faults.remove(fault.id)
        audit = self.maintenance()
        self.assertIsNone(audit.status_message)

    def test_none_is_known(self):
        self.assertEqual('SUCCEEDED', self.maintenance().state)
        self.cloud.faults.add(service='placement', status=500)
        audit = self.maintenance()
        self.assertEqual('FAILED', audit.state)
        self.assertIn('No host of the compute model', audit.status_message)


class TestWrongPassword(AuditTestCase):

    overrides = {'watcher_clients_auth': {'password': 'wrong'}}

    def test_audit_says_so_without_showing_it(self):
        audit = self.maintenance()
        self.assertEqual('FAILED', audit.state)
        self.assertIn('refuses the user watcher', audit.status_message)
        self.assertNotIn('Traceback', self.logger.output)

    def test_audits_that_need_no_cloud_go_on(self):
        audit = self.finished(self.create(parameters={'actions': ACTIONS}))
        self.assertEqual('SUCCEEDED', audit.state, audit.status_message)
