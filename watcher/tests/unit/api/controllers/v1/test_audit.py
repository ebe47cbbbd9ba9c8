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
"""Audits over HTTP."""

import os
import time
from unittest import mock

import fixtures
import oslo_messaging as messaging
from oslo_utils import uuidutils

from watcher import objects
from watcher.api.controllers.v1 import data_model
from watcher.common import exception
from watcher.common import reasons
from watcher.common import rpcapi
from watcher.tests.fixtures import database
from watcher.tests.unit.api import base

PATH = '/v1/audits'

FIELDS = {'uuid', 'name', 'audit_type', 'state', 'goal_uuid', 'goal_name',
          'strategy_uuid', 'strategy_name', 'interval', 'scope',
          'auto_trigger', 'next_run_time', 'force', 'links', 'parameters',
          'hostname', 'created_at', 'updated_at', 'deleted_at'}
DETAIL_ONLY = {'parameters', 'hostname', 'created_at', 'updated_at',
               'deleted_at'}


class AuditTestCase(base.ApiTestCase):

    def setUp(self):
        super().setUp()
        self.goal = self.records.goal()
        self.other = self.records.goal(name='other')
        self.strategy = self.records.strategy(self.goal)
        self.plain = self.records.strategy(self.goal, name='plain',
                                           parameters_spec={})
        self.foreign = self.records.strategy(self.other, name='foreign')

    def create(self, status=201, version=base.LATEST, **values):
        body = {'audit_type': 'ONESHOT', **values}
        if 'audit_template_uuid' not in body:
            body.setdefault('goal', 'dummy')
        body = {key: value for key, value in body.items()
                if value is not Ellipsis}
        return self.post(PATH, body, status=status, version=version)


class TestCreate(AuditTestCase):

    def test_smallest(self):
        response = self.create(version=None)
        document = response.json
        self.assertEqual(FIELDS, set(document))
        self.assertEqual('PENDING', document['state'])
        self.assertIs(False, document['force'])
        self.assertRegex(document['name'],
                         r'^dummy-\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$')
        self.assertEqual(f'http://localhost{PATH}/{document["uuid"]}',
                         response.headers['Location'])
        self.assertEqual([('trigger_audit', document['uuid'])],
                         self.api.bus.decision_engine.wait(1))

    def test_as_tempest_sends_it(self):
        document = self.create(interval=None, parameters=None).json
        self.assertIsNone(document['interval'])
        self.assertEqual(document, self.get(f'{PATH}/{document["uuid"]}').json)

    def test_the_answer_shows_what_is_stored(self):
        # Some databases keep no fractions of a second.
        document = self.create(
            audit_type='CONTINUOUS', interval='60', name='a',
            start_time='2030-01-01T10:00:00.7Z').json
        shown = self.get(f'{PATH}/{document["uuid"]}').json
        self.assertEqual(document, shown)
        changed = self.patch(f'{PATH}/a', (
            'replace', '/end_time', '2031-01-01T10:00:00.7Z'),
            status=200).json
        self.assertEqual(changed, self.get(f'{PATH}/a').json)
        fraction = '.700000' if self.database != database.MYSQL else ''
        self.assertEqual(
            [f'2030-01-01T10:00:00{fraction}',
             f'2031-01-01T10:00:00{fraction}'],
            [changed['start_time'], changed['end_time']])

    def test_parameters_are_completed(self):
        for given in (..., {}, None):
            document = self.create(strategy='dummy', parameters=given).json
            self.assertEqual({'para1': 3.2, 'para2': 'hello'},
                             document['parameters'])
        document = self.create(strategy='dummy',
                               parameters={'para1': 5}).json
        self.assertEqual({'para1': 5, 'para2': 'hello'},
                         document['parameters'])

    def test_refused(self):
        for values, words in (
                ({'audit_type': ...}, ['audit_type', 'mandatory']),
                ({'audit_type': 'oneshot'}, ['oneshot', 'CONTINUOUS']),
                ({'audit_type': 3}, ['audit_type', '3']),
                ({'goal': ...}, ['goal', 'audit_template_uuid']),
                ({'goal': None}, ['goal', 'audit_template_uuid']),
                ({'audit_template_uuid': 'INVALID'},
                 ['audit_template_uuid', 'INVALID']),
                ({'audit_template_uuid': uuidutils.generate_uuid()}, []),
                ({'audit_template_uuid': uuidutils.generate_uuid(),
                  'goal': 'dummy'}, ['both']),
                ({'state': 'PENDING'}, ['state', 'read-only']),
                ({'state': 'INVALID'}, ['state']),
                ({'scope': []}, ['scope']),
                ({'hostname': None}, ['hostname']),
                ({'nope': 1}, ['nope']),
                ({'interval': '60'}, ['ONESHOT', 'interval']),
                ({'interval': 60}, ['interval', '60']),
                ({'interval': 'abc'}, ['interval', 'abc']),
                ({'interval': '1.5'}, ['interval', '1.5']),
                ({'interval': '0'}, ['interval']),
                ({'interval': ''}, ['interval']),
                ({'interval': '* * * *'}, ['interval']),
                ({'interval': '* * * 13 *'}, ['interval']),
                ({'interval': True}, ['interval']),
                ({'interval': '0' * 37}, ['interval', '36']),
                ({'audit_type': 'CONTINUOUS'}, ['CONTINUOUS', 'interval']),
                ({'start_time': '2030-01-01T10:00:00'}, ['ONESHOT']),
                ({'start_time': 'soon'}, ['start_time', 'soon']),
                ({'end_time': 3}, ['end_time', '3']),
                ({'force': 'maybe'}, ['force', 'maybe']),
                ({'auto_trigger': []}, ['auto_trigger']),
                ({'strategy': 'foreign'}, ['foreign', 'dummy']),
                ({'parameters': {'para1': 1}}, ['parameters', 'strategy']),
                ({'parameters': []}, ['parameters']),
                ({'strategy': 'plain', 'parameters': {'a': 1}}, ['plain']),
                ({'strategy': 'dummy', 'parameters': {'nope': 1}},
                 ['nope', 'para1, para2']),
                ({'strategy': 'dummy', 'parameters': {'para1': 'x'}},
                 ['parameters.para1', 'x', 'number']),
                ({'strategy': 'dummy', 'parameters': {'para1': True}},
                 ['parameters.para1']),
                ({'strategy': 'dummy', 'parameters': {'para1': 99}},
                 ['parameters.para1', '99', '10.2'])):
            response = self.create(status=400, **values)
            self.assert_refused(400, response, *words)
        self.assertEqual([], self.get(PATH).json['audits'])
        self.assertEqual([], self.api.bus.decision_engine.calls)

    def test_unknown_references(self):
        for name in ('named', ...):
            response = self.create(goal='nope', name=name, status=404)
            self.assert_refused(404, response, 'nope')
            response = self.create(strategy='nope', name=name, status=404)
            self.assert_refused(404, response, 'nope')

    def test_forms_of_references(self):
        for goal in ('dummy', 'DUMMY', self.goal.uuid, str(self.goal.id)):
            for strategy in ('dummy', self.strategy.uuid,
                             str(self.strategy.id)):
                document = self.create(goal=goal, strategy=strategy).json
                self.assertEqual('dummy', document['goal_name'])
                self.assertEqual('dummy', document['strategy_name'])
        self.assertIsNone(self.create(strategy='').json['strategy_uuid'])

    def test_continuous(self):
        for interval in ('60', '*/5 * * * *', '@hourly', '0 0 1 1 * 30'):
            document = self.create(
                audit_type='CONTINUOUS', interval=interval).json
            self.assertEqual(interval, document['interval'])
        self.create(audit_type='EVENT')
        self.assertEqual([], self.api.bus.decision_engine.calls)

    def test_times(self):
        values = {'audit_type': 'CONTINUOUS', 'interval': '60'}
        for text, stored in (
                ('2030-01-01T10:00:00Z', '2030-01-01T10:00:00'),
                ('2030-01-01T10:00:00+02:00', '2030-01-01T08:00:00'),
                ('2030-01-01 10:00:00+0200', '2030-01-01T08:00:00')):
            document = self.create(start_time=text, end_time=text,
                                   version='1.1', **values).json
            self.assertEqual(stored, document['start_time'])
            self.assertEqual(stored, document['end_time'])
        self.create(start_time='2030-01-01T10:00:00', version='1.0',
                    status=406, **values)
        self.create(start_time=None, version='1.0', **values)

    def test_local_time(self):
        self.useFixture(fixtures.EnvironmentVariable(
            'TZ', 'America/New_York'))
        time.tzset()
        self.addCleanup(time.tzset)
        self.addCleanup(os.environ.pop, 'TZ', None)
        document = self.create(
            audit_type='CONTINUOUS', interval='60',
            start_time='2030-01-01T10:00:00').json
        self.assertEqual('2030-01-01T15:00:00', document['start_time'])

    def test_names(self):
        self.assertEqual('x' * 63,
                         self.create(name='x' * 70).json['name'])
        self.assert_refused(409, self.create(name='x' * 65, status=409))
        for name in (None, ''):
            self.assertIn('dummy-', self.create(name=name).json['name'])

    def test_generated_names(self):
        self.records.strategy(self.goal, name='s' * 63)
        names = {self.create(strategy='s' * 63).json['name']
                 for _ in range(3)}
        self.assertEqual(3, len(names))
        self.assertEqual({63}, {len(name) for name in names})
        template = self.records.template(self.goal, name='from')
        document = self.create(audit_template_uuid=template.uuid).json
        self.assertTrue(document['name'].startswith('from-'))

    def test_booleans(self):
        for value, stored in ((True, True), ('yes', True), (1, True),
                              ('off', False), (None, False), (0, False)):
            document = self.create(force=value, auto_trigger=value).json
            self.assertEqual([stored, stored],
                             [document['force'], document['auto_trigger']])

    def test_without_engine(self):
        # Nobody may be there to hear the nudge: the row is what counts.
        self.api.bus.decision_engine.failure = RuntimeError('broken')
        self.create()


class TestFromTemplate(AuditTestCase):

    def setUp(self):
        super().setUp()
        self.scope = [{'compute': [{'availability_zones': [
            {'name': 'AZ1'}]}]}]
        self.template = self.records.template(
            self.goal, self.strategy, scope=self.scope,
            default_parameters={'para1': 4.5})

    def from_template(self, **values):
        return self.create(audit_template_uuid=self.template.uuid, **values)

    def test_inherited(self):
        document = self.from_template(version='1.0').json
        self.assertEqual('dummy', document['goal_name'])
        self.assertEqual('dummy', document['strategy_name'])
        self.assertEqual(self.scope, document['scope'])
        self.assertEqual({'para1': 4.5, 'para2': 'hello'},
                         document['parameters'])

    def test_own_parameters_win(self):
        document = self.from_template(parameters={'para1': 2}).json
        self.assertEqual({'para1': 2, 'para2': 'hello'},
                         document['parameters'])

    def test_other_strategy(self):
        self.from_template(strategy='plain', status=400)
        response = self.from_template(strategy='foreign', status=400)
        self.assert_refused(400, response, 'foreign', 'dummy')

    def test_deleted_template(self):
        self.template.soft_delete()
        self.from_template(status=400)


class TestShow(AuditTestCase):

    def test_versions(self):
        self.records.audit(self.goal, name='a', force=True)
        for version, more, force in (
                ('1.0', set(), False),
                ('1.1', {'start_time', 'end_time'}, False),
                ('1.2', {'start_time', 'end_time'}, True),
                ('1.5', {'start_time', 'end_time', 'status_message'}, True)):
            document = self.get(f'{PATH}/a', version=version).json
            self.assertEqual(FIELDS | more, set(document))
            self.assertIs(force, document['force'])
            detail = self.get(f'{PATH}/detail', version=version).json
            self.assertEqual([document], detail['audits'])
            summary = self.get(PATH, version=version).json['audits'][0]
            self.assertEqual(FIELDS - DETAIL_ONLY, set(summary))
            self.assertIs(force, summary['force'])

    def test_identifiers(self):
        audit = self.records.audit(self.goal, name='a')
        for ident in (audit.uuid, 'a', audit.id):
            self.assertEqual('a', self.get(f'{PATH}/{ident}').json['name'])
        self.get(f'{PATH}/{audit.uuid.upper()}x', status=404)

    def test_generated_name_as_identifier(self):
        name = self.create().json['name']
        self.assertEqual(name, self.get(f'{PATH}/{name}').json['name'])


class TestPatch(AuditTestCase):

    def setUp(self):
        super().setUp()
        self.audit = self.records.audit(
            self.goal, self.strategy, name='a', parameters={
                'para1': 3.2, 'para2': 'hello'})
        self.path = f'{PATH}/{self.audit.uuid}'

    def change(self, *operations, **kwargs):
        kwargs.setdefault('status', 200)
        return self.patch(self.path, *operations, **kwargs)

    def set_state(self, state):
        objects.Audit.dbapi.update_audit(self.audit.uuid, {'state': state})

    ALLOWED = {
        'PENDING': {'ONGOING', 'CANCELLED'},
        'ONGOING': {'SUCCEEDED', 'FAILED', 'CANCELLED', 'SUSPENDED'},
        'SUSPENDED': {'ONGOING'},
    }

    def test_states(self):
        states = ('PENDING', 'ONGOING', 'SUCCEEDED', 'FAILED', 'CANCELLED',
                  'SUSPENDED', 'DELETED')
        for old in states:
            for new in states:
                for op in ('add', 'replace'):
                    self.set_state(old)
                    allowed = new in self.ALLOWED.get(old, ())
                    response = self.change(
                        (op, '/state', new), status=200 if allowed else 400)
                    if not allowed:
                        self.assert_refused(
                            400, response, 'State transition not allowed',
                            old, new)
                    self.assertEqual(new if allowed else old,
                                     self.get(self.path).json['state'])

    def test_halted_audits_wait_for_nothing(self):
        code = reasons.Code
        for message, shown in (
                (reasons.Reason('Waits.', code.WAITS_FOR_WINDOW), None),
                (reasons.Reason('Waits.', code.BLOCKED_BY_PLAN), None),
                (reasons.Reason('Left out.', code.BLOCKED_BY_PLAN,
                                date='2030-01-01'), 'Left out.'),
                (reasons.Reason('Failed.', code.STRATEGY_FAILED), 'Failed.'),
                ('Waits.', 'Waits.')):
            for state in ('CANCELLED', 'SUSPENDED'):
                objects.Audit.dbapi.update_audit(self.audit.uuid, {
                    'state': 'ONGOING', 'status_message': message})
                document = self.change(('replace', '/state', state)).json
                self.assertEqual(shown, document['status_message'])

    def test_no_states(self):
        for operation in (('replace', '/state', 'NOPE'),
                          ('replace', '/state', ''),
                          ('replace', '/state', 3),
                          ('replace', '/state', ['PENDING']),
                          ('replace', '/state', None), ('remove', '/state')):
            self.change(operation, status=400)

    def test_state_and_more(self):
        document = self.change(('replace', '/name', 'b'),
                               ('replace', '/state', 'CANCELLED')).json
        self.assertEqual(['b', 'CANCELLED'],
                         [document['name'], document['state']])

    def test_lost_race(self):
        # Somebody cancels between our look at the row and our change.
        read = objects.Audit.get_by_uuid

        def read_then_cancel(*args, **kwargs):
            audit = read(*args, **kwargs)
            self.set_state('CANCELLED')
            return audit

        self.useFixture(fixtures.MonkeyPatch(
            'watcher.objects.Audit.get_by_uuid', read_then_cancel))
        response = self.change(('replace', '/state', 'ONGOING'), status=400)
        self.assert_refused(400, response, 'State transition not allowed',
                            'CANCELLED')

    def test_fields(self):
        self.set_state('SUCCEEDED')
        document = self.change(
            ('replace', '/interval', '2'), ('add', '/auto_trigger', True),
            ('replace', '/end_time', '2030-01-01T10:00:00Z'),
            ('add', '/start_time', '2030-01-01T09:00:00Z'),
            ('replace', '/force', True),
            ('replace', '/parameters/para1', 5),
            ('replace', '/scope', [{'storage': []}])).json
        self.assertEqual(
            ['2', True, '2030-01-01T10:00:00', '2030-01-01T09:00:00', True,
             {'para1': 5, 'para2': 'hello'}, [{'storage': []}]],
            [document[name] for name in
             ('interval', 'auto_trigger', 'end_time', 'start_time', 'force',
              'parameters', 'scope')])
        self.assertEqual(document, self.get(self.path).json)
        document = self.change(
            ('remove', '/interval'), ('remove', '/auto_trigger'),
            ('replace', '/end_time', None), ('remove', '/start_time'),
            ('remove', '/scope'), ('remove', '/parameters')).json
        self.assertEqual(
            [None, False, None, None, []],
            [document[name] for name in
             ('interval', 'auto_trigger', 'end_time', 'start_time',
              'scope')])

    def test_nothing(self):
        self.assertIsNone(self.change().json['updated_at'])

    def test_refused(self):
        self.records.audit(self.goal, name='used')
        for operations, status in (
                ([('replace', '/name', 'used')], 409),
                ([('replace', '/name', 'USED')], 409),
                ([('replace', '/name', 'x' * 64)], 400),
                ([('remove', '/name')], 400),
                ([('replace', '/interval', 3)], 400),
                ([('replace', '/interval', 'abc')], 400),
                ([('replace', '/parameters', {'nope': 1})], 400),
                ([('replace', '/parameters', [])], 400),
                ([('replace', '/parameters/para1', 'x')], 400),
                ([('replace', '/scope', [{'nope': 1}])], 400),
                ([('replace', '/auto_trigger', 'true')], 400),
                ([('replace', '/force', 1)], 400),
                ([('replace', '/end_time', 'soon')], 400),
                ([('replace', '/audit_type', 'EVENT')], 400),
                ([('replace', '/next_run_time', None)], 400),
                ([('replace', '/status_message', 'x')], 400),
                ([('replace', '/hostname', 'x')], 400),
                ([('replace', '/goal_id', 2)], 400),
                ([('replace', '/uuid', 'x')], 400),
                ([('remove', '/links')], 400)):
            response = self.change(*operations, status=status)
            self.fault(response)
        self.assertIsNone(self.get(self.path).json['updated_at'])

    def test_continuous_needs_its_interval(self):
        audit = self.records.audit(self.goal, name='c', interval='60',
                                   audit_type='CONTINUOUS')
        self.patch(f'{PATH}/{audit.uuid}', ('remove', '/interval'),
                   status=400)


class TestDelete(AuditTestCase):

    def test_states(self):
        for state, status in (
                ('PENDING', 400), ('ONGOING', 400), ('SUCCEEDED', 204),
                ('FAILED', 204), ('CANCELLED', 204), ('SUSPENDED', 204)):
            audit = self.records.audit(self.goal, name=state, state=state)
            response = self.delete(f'{PATH}/{audit.uuid}', status=status)
            if status == 400:
                self.assert_refused(
                    400, response, "Couldn't delete when state is", state)
                continue
            self.assertNotIn('Content-Type', response.headers)
            self.get(f'{PATH}/{audit.uuid}', status=404)
            deleted = self.get(f'{PATH}/{audit.uuid}',
                               headers={'X-Show-Deleted': 'True'}).json
            self.assertEqual('DELETED', deleted['state'])
            self.delete(f'{PATH}/{audit.uuid}', status=404)

    def test_plan_of_a_deleted_audit(self):
        audit = self.records.audit(self.goal, self.strategy, name='a',
                                   state='SUCCEEDED')
        plan = self.records.plan(audit, self.strategy)
        self.delete(f'{PATH}/a', status=204)
        found = self.get(
            f'/v1/action_plans?audit_uuid={audit.uuid}').json['action_plans']
        self.assertEqual([plan.uuid], [item['uuid'] for item in found])
        self.assertIsNone(found[0]['audit_uuid'])

    def test_name_can_be_used_again(self):
        self.records.audit(self.goal, name='a', state='FAILED')
        self.delete(f'{PATH}/a', status=204)
        self.create(name='a')


class TestWebhooks(AuditTestCase):

    def setUp(self):
        super().setUp()
        self.event = self.records.audit(self.goal, name='e',
                                        audit_type='EVENT')

    def trigger(self, ident='e', **kwargs):
        kwargs.setdefault('body', {})
        return self.post(f'/v1/webhooks/{ident}', version=None, **kwargs)

    def test_trigger(self):
        for number, ident in enumerate(('e', self.event.uuid,
                                        self.event.id), 1):
            response = self.trigger(ident, status=202)
            self.assertEqual(b'', response.body)
            self.assertNotIn('Content-Type', response.headers)
            self.assertEqual([('trigger_audit', self.event.uuid)] * number,
                             self.api.bus.decision_engine.wait(number))

    def test_roles(self):
        self.trigger(headers={'X-Roles': 'service'}, status=202)
        self.trigger(headers={'X-Roles': 'member'}, status=403)
        self.config(enable_webhooks_auth=False, group='api')
        self.trigger(headers={'X-Roles': None}, status=202)

    def test_refused(self):
        self.records.audit(self.goal, name='o')
        self.trigger('o', status=400)
        self.trigger('nope', status=404)
        for state in ('CANCELLED', 'FAILED', 'SUSPENDED'):
            self.records.audit(self.goal, name=state, audit_type='EVENT',
                               state=state)
            self.trigger(state, status=400)

    def test_stored(self):
        for state in ('PENDING', 'ONGOING', 'SUCCEEDED'):
            if state != 'PENDING':
                self.event.transition(state)
            self.trigger(status=202)
        self.assertEqual(3, objects.AuditRun.get(
            None, self.event.id).triggers)

    def test_database_that_is_not_upgraded(self):
        with mock.patch.object(
                objects.AuditRun, 'trigger', side_effect=exception.
                DatabaseNotUpgraded(table='audit_runs')):
            self.trigger(status=202)
            self.event.transition('ONGOING')
            self.trigger(status=400)

    def test_bodies(self):
        for body in ([], 'x', 3, {'alarm_id': 'x'}):
            self.trigger(body=body, status=202)
        self.request('POST', '/v1/webhooks/e', raw=b'null', status=202)
        self.request('POST', '/v1/webhooks/e', raw=b'', status=400)
        self.request('POST', '/v1/webhooks/e', raw=b'{', status=400)
        self.request('POST', '/v1/webhooks/e', raw=b'x', status=415,
                     content_type='text/plain')


class TestDataModel(AuditTestCase):

    def test_versions(self):
        self.get('/v1/data_model', version='1.2', status=406)
        for version, more in (('1.3', set()), ('1.5', set()),
                              ('1.6', {'server_pinned_az',
                                       'server_flavor_extra_specs'})):
            entry = self.get('/v1/data_model',
                             version=version).json['context'][0]
            self.assertEqual(more, {name for name in entry if name in (
                'server_pinned_az', 'server_flavor_extra_specs')})
            self.assertNotIn('server_secret_of_a_later_release', entry)
            self.assertEqual(16, entry['node_vcpus'])

    def test_types(self):
        for kind, entry in (('compute', 'node_hostname'),
                            ('storage', 'volume_attachments'),
                            ('baremetal', 'node_power_state')):
            document = self.get(f'/v1/data_model?data_model_type={kind}',
                                version='1.8').json
            self.assertEqual({'context', 'model'}, set(document))
            first = document['context'][0]
            self.assertIn(entry, first)
            self.assertEqual(
                (300.0, 'notification', None),
                (first['node_age'], first['node_source'],
                 first['node_incomplete_reason']))
            self.assertEqual(set(data_model.DESCRIPTION),
                             set(document['model']))
            self.assertEqual(
                (kind, 'controller-1', 3),
                tuple(document['model'][name]
                      for name in ('type', 'engine', 'version')))
            self.assertNotIn('secret', str(document))

    def test_model_that_is_not_known(self):
        """What is not told is null or empty, and always there."""
        self.useFixture(fixtures.MockPatchObject(
            rpcapi.DecisionEngineAPI, 'get_data_model_info',
            return_value={'context': [], 'model': {
                'type': 'compute', 'engine': 'controller-1'}}))
        document = self.get('/v1/data_model', version='1.8').json
        self.assertEqual({
            'context': [], 'model': {
                'type': 'compute', 'engine': 'controller-1',
                'version': None, 'built_at': None, 'age': None,
                'changes': None, 'changed_at': None, 'absent': [],
                'gaps': []}}, document)

    def test_nothing_is_added_to_old_versions(self):
        self.assertEqual(
            {'context'}, set(self.get('/v1/data_model', version='1.7').json))

    def test_arguments(self):
        audit = self.records.audit(self.goal, name='a')
        self.get(f'/v1/data_model/?audit_uuid={audit.uuid}'
                 '&data_model_type=compute')
        self.assertEqual(
            [('get_data_model_info', 'compute', audit.uuid)],
            self.api.bus.decision_engine.calls)

    def test_engine_that_is_not_upgraded_yet(self):
        engine = self.api.bus.decision_engine
        engine.target = messaging.Target(version='1.0')
        response = self.get('/v1/data_model', version='1.8', status=501)
        self.assert_refused(501, response, 'watcher-decision-engine',
                            'older release')
        self.get('/v1/data_model', version='1.7')

    def test_no_such_service(self):
        self.api.bus.decision_engine.failure = exception.DataModelNotFound(
            data_model_type='storage',
            reason='the cloud has no block storage service.')
        response = self.get('/v1/data_model?data_model_type=storage',
                            version='1.8', status=404)
        self.assert_refused(404, response, 'storage', 'block storage')

    def test_refused(self):
        for query, before, since in (
                ('data_model_type=storage', 404, 200),
                ('data_model_type=', 404, 400),
                ('data_model_type=Compute', 404, 400),
                ('audit_uuid=x', 400, 400), ('audit=x', 400, 400),
                ('type=compute', 400, 400), ('limit=1', 400, 400)):
            for version, status in (('1.7', before), ('1.8', since)):
                self.get(f'/v1/data_model?{query}', version=version,
                         status=status)

    def test_unknown_type(self):
        response = self.get('/v1/data_model?data_model_type=network',
                            version='1.8', status=400)
        self.assert_refused(400, response, 'data_model_type', 'network',
                            'compute, storage, baremetal')
