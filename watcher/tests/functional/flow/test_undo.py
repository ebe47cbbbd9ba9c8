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
"""Plans are undone, repeated, held up and cancelled, over HTTP."""

import datetime

from oslo_utils import timeutils

from watcher import objects
from watcher.common import context
from watcher.tests import base
from watcher.tests.fixtures import cloud as cloud_fixture
from watcher.tests.fixtures import services

PLANS = '/v1/action_plans'
VERSION = '1.9'


class FlowTestCase(base.TestCase):

    #: How many are on compute-1.
    servers = 3
    overrides: dict = {}

    def setUp(self):
        super().setUp()
        self.cloud = self.useFixture(cloud_fixture.SandboxCloud(
            hosts=3, placement={'compute-1': self.servers, 'compute-2': 1}))
        self.watcher = self.useFixture(services.Watcher(
            cloud=self.cloud, overrides=self.overrides))

    def send(self, method, path, status=200, **kwargs):
        answer = self.watcher.http(method, path, version=VERSION, **kwargs)
        self.assertEqual(status, answer.status_code, answer.text)
        return answer.json()

    def act(self, plan, action, status=200):
        """POST below a plan; returns the plan that is the answer."""
        return self.send('POST', f"{PLANS}/{plan['uuid']}/{action}", status,
                         json={})

    def refused(self, plan, action, *words):
        error = self.act(plan, action, 409)['error_message']
        for word in words:
            self.assertIn(word, error)

    def plan(self, uuid):
        return self.send('GET', f'{PLANS}/{uuid}')

    def actions(self, plan):
        return self.send('GET', '/v1/actions/detail?action_plan_uuid='
                         + plan['uuid'])['actions']

    def finish(self, plan, state='SUCCEEDED'):
        def over():
            found = self.plan(plan['uuid'])
            return found if found['state'] in services.FINAL else None
        found = services.wait_until(over, what='the end of the plan')
        self.assertEqual(state, found['state'], found['status_message'])
        return found

    def run_plan(self, plan, state='SUCCEEDED'):
        self.act(plan, 'start')
        return self.finish(plan, state)

    def maintain(self):
        """Have a plan that empties compute-1, not started."""
        audit = self.watcher.audit('cluster_maintaining', 'host_maintenance',
                                   maintenance_node='compute-1')
        self.assertEqual('SUCCEEDED', audit.state, audit.status_message)
        return self.plan(self.watcher.plan_of(audit).uuid)

    def placement(self):
        return {name: sorted(self.cloud.servers_of(name))
                for name in ('compute-1', 'compute-2', 'compute-3')}

    def service_of(self, host):
        service, = self.cloud.connect().compute.services(host=host)
        return service


class TestRollback(FlowTestCase):

    def test_return_after_maintenance(self):
        before = self.placement()
        plan = self.maintain()
        self.refused(plan, 'rollback', 'RECOMMENDED')
        plan = self.run_plan(plan)
        self.assertIsNotNone(plan['started_at'])
        self.assertIsNotNone(plan['finished_at'])
        self.assertEqual([], self.placement()['compute-1'])

        undone = self.act(plan, 'rollback')

        self.assertEqual(
            ('RECOMMENDED', 'rollback', plan['uuid'], plan['audit_uuid']),
            (undone['state'], undone['kind'], undone['source_plan_uuid'],
             undone['audit_uuid']))
        self.assertEqual([], undone['explanation']['ruled_out'])
        self.assertIn('Undoes 4 of 4 actions',
                      undone['explanation']['summary'])
        # Reviewed first: nothing has happened yet.
        self.assertEqual([], self.placement()['compute-1'])
        actions = self.actions(undone)
        enabling = actions[0]
        self.assertEqual('change_nova_service_state',
                         enabling['action_type'])
        for action in actions[1:]:
            self.assertEqual(
                ('migrate', 'compute-1', enabling['uuid']),
                (action['action_type'],
                 action['input_parameters']['destination_node'],
                 action['parents'][0]))
        self.refused(plan, 'rollback', undone['uuid'], 'RECOMMENDED')
        self.run_plan(undone)
        self.assertEqual(before, self.placement())
        self.assertEqual('enabled', self.service_of('compute-1').status)
        self.refused(plan, 'rollback', undone['uuid'], 'SUCCEEDED')
        self.refused(plan, 'retry', 'SUCCEEDED')

    def test_operator_went_on(self):
        plan = self.run_plan(self.maintain())
        first, second, third = (
            action['input_parameters']['resource_id']
            for action in self.actions(plan)
            if action['action_type'] == 'migrate')
        nova = self.cloud.connect().compute
        nova.enable_service(self.service_of('compute-1').id)
        self.cloud.lose_server(first)
        # Moved on by somebody else.
        elsewhere = ({'compute-2', 'compute-3'}
                     - {self.cloud.host_of(second)}).pop()
        nova.live_migrate_server(second, host=elsewhere, block_migration=None)
        services.wait_until(
            lambda: nova.get_server(second).compute_host == elsewhere)

        undone = self.act(plan, 'rollback')

        moved, = self.actions(undone)
        self.assertEqual(third, moved['input_parameters']['resource_id'])
        remarks = ' '.join(undone['explanation']['remarks'])
        for words in ('compute-1 is enabled already', 'does not exist any',
                      f'is on {elsewhere} now'):
            self.assertIn(words, remarks)
        listed = self.send('GET', f'{PLANS}?kind=rollback')['action_plans']
        self.assertEqual([undone['uuid']], [one['uuid'] for one in listed])

    def test_nothing_that_can_be_undone(self):
        audit = self.watcher.audit('dummy', 'dummy', para1=1.0, para2='x')
        plan = self.run_plan(self.plan(self.watcher.plan_of(audit).uuid))
        self.refused(plan, 'rollback', 'there is nothing to be done',
                     'it changes nothing')

    def test_too_old(self):
        audit = self.watcher.audit('dummy', 'dummy', para1=1.0, para2='x')
        plan = self.run_plan(self.plan(self.watcher.plan_of(audit).uuid))
        admin = context.admin_context()
        stored = objects.ActionPlan.get_by_uuid(admin, plan['uuid'])
        for minutes, reason in ((65, 'rollback_max_age'),
                                (55, 'there is nothing to be done')):
            objects.PlanRun.set(
                admin, stored.id, finished_at=timeutils.utcnow(
                    with_timezone=True) - datetime.timedelta(minutes=minutes))
            self.refused(plan, 'rollback', reason)


class TestRetry(FlowTestCase):

    def test_what_failed_is_done_again(self):
        stuck = self.cloud.servers_of('compute-1')[0]
        self.cloud.faults.add_migration(server=stuck)
        plan = self.run_plan(self.maintain(), 'FAILED')
        self.assertEqual([stuck], self.cloud.servers_of('compute-1'))
        self.cloud.faults.clear()

        again = self.act(plan, 'retry')

        self.assertEqual(('RECOMMENDED', 'retry', plan['uuid']), (
            again['state'], again['kind'], again['source_plan_uuid']))
        self.assertEqual(plan['efficacy_indicators'],
                         again['efficacy_indicators'])
        moved, = self.actions(again)
        self.assertEqual(stuck, moved['input_parameters']['resource_id'])
        self.assertIn('which is FAILED', moved['explanation']['reason'])
        again = self.run_plan(again)
        self.assertEqual([], self.cloud.servers_of('compute-1'))
        self.refused(plan, 'retry', again['uuid'], 'SUCCEEDED')
        # What was done before can still be undone: all but one server.
        undone = self.act(plan, 'rollback')
        self.assertNotIn(stuck, [
            action['input_parameters']['resource_id']
            for action in self.actions(undone)])

    def test_nothing_is_left_to_be_done(self):
        stuck = self.cloud.servers_of('compute-1')[0]
        self.cloud.faults.add_migration(server=stuck)
        plan = self.run_plan(self.maintain(), 'FAILED')
        self.cloud.lose_server(stuck)
        self.refused(plan, 'retry', 'nothing of it can be done now',
                     'does not exist any more')


class TestPauseAndCancel(FlowTestCase):

    servers = 4
    overrides = {'watcher_applier': {'on_cancel': 'abort'}}

    def test_waiting_plan(self):
        plan = self.maintain()
        self.refused(plan, 'pause', 'RECOMMENDED')
        self.start_paused(plan)
        self.refused(plan, 'retry', 'PENDING')
        self.act(plan, 'resume')
        plan = self.finish(plan)
        self.assertFalse(plan['paused'])
        self.refused(plan, 'resume', 'SUCCEEDED')

    def start_paused(self, plan):
        """Start a plan that is paused before any applier sees it."""
        admin = context.admin_context()
        stored = objects.ActionPlan.get_by_uuid(admin, plan['uuid'])
        objects.PlanRun.set(admin, stored.id, paused=True)
        self.act(plan, 'start')
        shown = self.act(plan, 'pause')
        self.assertEqual(('PENDING', True),
                         (shown['state'], shown['paused']))

    def skip(self, plan, kind):
        action = [action for action in self.actions(plan)
                  if action['action_type'] == kind][-1]
        self.send('PATCH', f"/v1/actions/{action['uuid']}", json=[
            {'op': 'replace', 'path': '/state', 'value': 'SKIPPED'}])
        return action['uuid']

    def cancel(self, plan, state):
        return self.send('PATCH', f"{PLANS}/{plan['uuid']}", json=[
            {'op': 'replace', 'path': '/state', 'value': state}])

    def states(self, plan):
        return {action['uuid']: action['state']
                for action in self.actions(plan)}

    def test_waiting_plan_is_cancelled(self):
        # No applier takes it: it is as if none lived.
        plan = self.maintain()
        skipped = self.skip(plan, 'migrate')
        self.start_paused(plan)
        shown = self.cancel(plan, 'CANCELLED')
        self.assertEqual('CANCELLED', shown['state'])
        states = self.states(plan)
        self.assertEqual('SKIPPED', states.pop(skipped))
        self.assertEqual(['CANCELLED'] * self.servers,
                         list(states.values()))
        self.refused(plan, 'pause', 'CANCELLED')
        self.refused(plan, 'rollback', 'there is nothing to be done')

    def test_paused_plan_is_cancelled_while_servers_move(self):
        # Two migrations at a time, which never end by themselves.
        self.cloud.faults.add_migration(outcome='hang')
        plan = self.maintain()
        skipped = self.skip(plan, 'migrate')
        self.act(plan, 'start')
        services.wait_until(
            lambda: list(self.states(plan).values()).count('ONGOING') == 2,
            what='two migrations')
        shown = self.act(plan, 'pause')
        self.assertEqual(('ONGOING', True),
                         (shown['state'], shown['paused']))
        self.cancel(plan, 'CANCELLING')
        self.finish(plan, 'CANCELLED')
        states = self.states(plan)
        self.assertEqual('SKIPPED', states.pop(skipped))
        self.assertEqual(['SUCCEEDED'] + ['CANCELLED'] * 3,
                         list(states.values()))
        self.assertEqual(self.servers,
                         len(self.cloud.servers_of('compute-1')))
        # Only the host was changed.
        undone = self.act(plan, 'rollback')
        enabling, = self.actions(undone)
        self.assertEqual('enabled', enabling['input_parameters']['state'])
        self.run_plan(undone)
        self.assertEqual('enabled', self.service_of('compute-1').status)
