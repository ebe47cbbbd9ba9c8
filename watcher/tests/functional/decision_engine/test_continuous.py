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
"""CONTINUOUS audits of real services, in virtual time.

The engine's own loop rests: a test says when the engine looks, and what the
time is then. Everything else is real.
"""

import datetime

from oslo_utils import timeutils

from watcher import objects
from watcher.api.controllers.v1 import audit as audit_api
from watcher.common import context
from watcher.common import schedule
from watcher.tests.functional.decision_engine import test_audits


def seconds(number):
    return datetime.timedelta(seconds=number)


class ContinuousTestCase(test_audits.AuditTestCase):

    spec = {'hosts': 3, 'placement': {'compute-1': 2, 'compute-2': 1},
            'flavor': 'm1.small'}
    overrides = {'watcher_decision_engine': {
        'continuous_audit_interval': 0}}

    def setUp(self):
        super().setUp()
        self.now = schedule.whole_seconds(timeutils.utcnow())
        engine = self.watcher.services.decision_engine.manager
        self.dispatcher = engine._dispatcher
        self.assertTrue(self.dispatcher._loop.stop(60))
        for part in (self.dispatcher._scheduler,
                     *self.dispatcher._handlers.values()):
            part._clock = lambda: self.now

    def look(self):
        """One round of the engine, with all runs that it starts."""
        self.dispatcher._round()
        for thread in list(self.dispatcher._running.values()):
            thread.join(60)

    def read(self):
        answer = self.watcher.http('GET', f'/v1/audits/{self.audit_uuid}')
        self.assertEqual(200, answer.status_code, answer.text)
        return answer.json()

    def next_run(self):
        """The date that the API shows."""
        return datetime.datetime.fromisoformat(self.read()['next_run_time'])

    def patch(self, field, value):
        answer = self.watcher.http(
            'PATCH', f'/v1/audits/{self.audit_uuid}',
            json=[{'op': 'replace', 'path': f'/{field}', 'value': value}])
        self.assertEqual(200, answer.status_code, answer.text)

    def plans(self):
        return self.watcher.client().action_plan.list(
            audit=self.audit_uuid, sort_key='id', sort_dir='asc')

    def moved(self):
        """Servers that the newest plan wants to move."""
        return {action.input_parameters['resource_id'] for action
                in self.watcher.actions_of(self.plans()[-1])
                if action.action_type == 'migrate'}

    def start(self, **fields):
        audit = self.create(
            'cluster_maintaining', 'host_maintenance',
            audit_type='CONTINUOUS', interval='600', name='nightly',
            parameters={'maintenance_node': 'compute-1'}, **fields)
        self.audit_uuid = audit.uuid
        self.look()
        found = self.read()
        self.assertEqual(('ONGOING', None),
                         (found['state'], found['status_message']))


class TestPatch(ContinuousTestCase):
    """A change of any field of a running audit counts at the next run."""

    spec = {**ContinuousTestCase.spec, 'hosts': 4}

    def test_every_field(self):
        self.start()
        self.assertEqual(set(self.cloud.servers_of('compute-1')),
                         self.moved())
        patchable = {field.name for field in audit_api.Audits.fields
                     if field.patch}
        for field in sorted(patchable):
            with self.subTest(field=field):
                # A field without a method here has no test yet.
                getattr(self, f'change_{field}')()

    def run_next(self):
        """Have the next run; returns whether there was one."""
        before = len(self.plans())
        self.now = self.next_run()
        self.look()
        return len(self.plans()) > before

    def change_parameters(self):
        self.patch('parameters', {'maintenance_node': 'compute-2'})
        self.assertTrue(self.run_next())
        self.assertEqual(set(self.cloud.servers_of('compute-2')),
                         self.moved())
        self.patch('parameters', {'maintenance_node': 'compute-1'})
        self.assertTrue(self.run_next())
        # Of all recommendations only the newest stands.
        self.assertEqual(
            ['CANCELLED', 'RECOMMENDED'],
            [plan.state for plan in self.plans()][-2:])

    def change_scope(self):
        kept, *others = self.cloud.servers_of('compute-1')
        self.exclude(kept)
        self.assertTrue(self.run_next())
        self.assertEqual(set(others), self.moved())
        self.exclude()
        self.assertTrue(self.run_next())
        self.assertEqual({kept, *others}, self.moved())

    def exclude(self, *servers):
        instances = [{'uuid': uuid} for uuid in servers]
        self.patch('scope', [{'compute': [
            {'exclude': [{'instances': instances}]}]}] if servers else [])

    def change_name(self):
        self.patch('name', 'daily')
        self.assertNotIn('(daily) starts', self.logger.output)
        self.assertTrue(self.run_next())
        self.assertIn('(daily) starts', self.logger.output)

    def change_interval(self):
        # Neither waits for the date of the old one.
        self.patch('interval', '60')
        self.look()
        self.assertEqual(self.now + seconds(60), self.next_run())
        self.assertTrue(self.run_next())
        self.assertEqual(self.now + seconds(60), self.next_run())
        self.patch('interval', '30 2 * * *')
        self.look()
        self.assertEqual((2, 30), (self.next_run().hour,
                                   self.next_run().minute))
        self.assertTrue(self.run_next())
        self.patch('interval', '600')
        self.look()
        self.assertEqual(self.now + seconds(600), self.next_run())

    def change_start_time(self):
        start = self.now + seconds(86400)
        self.patch('start_time', f'{start}+00:00')
        self.look()
        self.assertEqual(start, self.next_run())
        self.now += seconds(3600)
        count = len(self.plans())
        self.look()
        self.assertEqual(count, len(self.plans()))
        self.assertTrue(self.run_next())
        self.patch('start_time', f'{self.now + seconds(86400)}+00:00')
        self.patch('start_time', f'{self.now - seconds(1)}+00:00')
        self.now += seconds(600)
        self.look()
        self.assertEqual(count + 2, len(self.plans()))

    def change_state(self):
        count = len(self.plans())
        self.patch('state', 'SUSPENDED')
        self.now += seconds(7200)
        self.look()
        self.assertEqual(count, len(self.plans()))
        self.patch('state', 'ONGOING')
        self.look()
        self.assertEqual(count + 1, len(self.plans()))

    def change_force(self):
        admin = context.admin_context()
        stored = objects.ActionPlan.get_by_uuid(admin, self.plans()[-1].uuid)
        # Plans of hosts that do not live are taken over.
        objects.Service.heartbeat(admin, 'watcher-applier', 'elsewhere')
        blocking = objects.ActionPlan(
            admin, audit_id=stored.audit_id, hostname='elsewhere',
            strategy_id=stored.strategy_id, state='ONGOING').create()
        self.assertFalse(self.run_next())
        self.assertIn(blocking.uuid, self.read()['status_message'])
        self.patch('force', True)
        self.assertTrue(self.run_next())
        self.assertIsNone(self.read()['status_message'])
        blocking.transition('CANCELLED')

    def change_auto_trigger(self):
        self.assertEqual('RECOMMENDED', self.plans()[-1].state)
        self.patch('auto_trigger', True)
        # What remains to be done is to disable the host.
        self.exclude(*self.cloud.servers_of('compute-1'))
        self.assertTrue(self.run_next())
        plan = self.watcher.finished(self.watcher.client().action_plan,
                                     self.plans()[-1].uuid)
        self.assertEqual('SUCCEEDED', plan.state, plan.status_message)
        service, = self.cloud.connect().compute.services(host='compute-1')
        self.assertEqual('disabled', service.status)
        self.patch('auto_trigger', False)
        self.exclude()
        self.assertTrue(self.run_next())
        self.assertEqual('RECOMMENDED', self.plans()[-1].state)

    def change_run_windows(self):
        opens = (self.now + seconds(7200)).replace(second=0)
        self.patch('run_windows', [
            f'{opens:%H:%M}-{opens + seconds(3600):%H:%M}'])
        self.look()
        found = self.read()
        self.assertEqual((opens, f'Waits for its run window, which opens at '
                                 f'{opens} UTC'),
                         (self.next_run(), found['status_message']))
        self.assertTrue(self.run_next())
        self.assertIsNone(self.read()['status_message'])
        self.patch('run_windows', [])
        self.look()
        self.assertEqual(self.now + seconds(600), self.next_run())

    def change_time_zone(self):
        self.patch('interval', '30 2 * * *')
        # Neither of them has summer time.
        for zone, time in (('Asia/Kolkata', (21, 0)), ('UTC', (2, 30))):
            self.patch('time_zone', zone)
            self.look()
            self.assertEqual(time, (self.next_run().hour,
                                    self.next_run().minute))
        self.patch('interval', '600')
        self.look()

    def change_execution_windows(self):
        # Of the real time, which the applier goes by.
        self.patch('execution_windows', ['!2020-01-01/2998-12-31'])
        self.patch('auto_trigger', True)
        # An empty host that is enabled: there is one thing to do, whatever
        # has been done before.
        self.patch('parameters', {'maintenance_node': 'compute-4'})
        self.assertTrue(self.run_next())
        self.assertEqual('PENDING', self.plans()[-1].state)
        self.patch('execution_windows', [])
        self.watcher.finished(self.watcher.client().action_plan,
                              self.plans()[-1].uuid)
        self.patch('auto_trigger', False)
        self.patch('parameters', {'maintenance_node': 'compute-1'})
        self.assertTrue(self.run_next())

    def change_end_time(self):
        # In the middle of all: the audit gets an end, and loses it again.
        self.patch('end_time', f'{self.now + seconds(86400)}+00:00')
        self.assertTrue(self.run_next())
        self.patch('end_time', None)
        self.now += seconds(2 * 86400)
        self.look()
        self.assertEqual('ONGOING', self.read()['state'])


class TestRestart(ContinuousTestCase):

    def test_new_engine_goes_on_until_the_end_time(self):
        self.start(end_time=f'{self.now + seconds(7 * 86400)}+00:00')
        host = self.read()['hostname']
        self.watcher.services.decision_engine.stop()
        found = self.read()
        self.assertEqual(('ONGOING', host),
                         (found['state'], found['hostname']))
        self.now += seconds(86400)
        # It knows nothing but the rows.
        self.dispatcher = type(self.dispatcher)(lambda: self.now)
        self.look()
        self.assertEqual(2, len(self.plans()))
        self.assertEqual(self.now + seconds(600), self.next_run())

        self.patch('end_time', f'{self.now + seconds(60)}+00:00')
        self.now += seconds(60)
        self.look()
        found = self.read()
        self.assertEqual(('SUCCEEDED', None),
                         (found['state'], found['next_run_time']))
        self.assertEqual(2, len(self.plans()))
