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
"""What requests may ask for is the same wherever they ask for it.

A patch is checked as a creation is, checks come in the announced order, and
what is refused, or breaks half-way, leaves no trace in the database.
"""

import contextlib
import sqlite3
from unittest import mock

import sqlalchemy as sa
from oslo_utils import uuidutils

from watcher import conf
from watcher import objects
from watcher.common import rpcapi
from watcher.db.sqlalchemy import api as db_api
from watcher.objects import states
from watcher.tests.unit.api import base

CONF = conf.CONF

AUDITS = '/v1/audits'
TEMPLATES = '/v1/audit_templates'


class ValidationTestCase(base.ApiTestCase):

    def setUp(self):
        super().setUp()
        self.goal = self.records.goal()
        self.other = self.records.goal(name='other')
        self.strategy = self.records.strategy(self.goal)
        self.foreign = self.records.strategy(self.other, name='foreign')

        path = sa.make_url(CONF.database.connection).database
        self.watcher = sqlite3.connect(path)
        self.addCleanup(self.watcher.close)

    def commits(self):
        """A number that changes when anybody else commits a change."""
        return self.watcher.execute('PRAGMA data_version').fetchone()

    @contextlib.contextmanager
    def unchanged(self):
        """Check that neither a row changes nor an engine is told."""
        before = self.commits()
        yield
        self.assertEqual(before, self.commits())
        self.assertEqual([], self.api.bus.decision_engine.calls)
        self.assertEqual([], self.api.bus.applier.calls)

    def refused(self, method, path, body, status=400, **kwargs):
        """Return the text with which a request is refused."""
        with self.unchanged():
            response = self.request(method, path, body, **kwargs)
            self.assertEqual(status, response.status_int,
                             f'{body}: {response.text}')
        return self.fault(response)['faultstring']


def replace(name, value):
    return [{'op': 'replace', 'path': f'/{name}', 'value': value}]


def add(name, value):
    return [{'op': 'add', 'path': f'/{name}', 'value': value}]


#: Scopes that nobody can give, and the place that the error names.
WRONG_SCOPES = (
    ('x', 'scope'), (3, 'scope'), ({'compute': []}, 'scope'),
    ([3], 'scope[0]'), ([{}], 'scope[0]'), ([[]], 'scope[0]'),
    ([{'barometer': []}], 'scope[0]'),
    ([{'compute': {}}], 'scope[0].compute'),
    ([{'compute': [{'nope': []}]}], 'scope[0].compute[0]'),
    ([{'compute': [{'host_aggregates': [{'id': '1'}]}]}],
     'scope[0].compute[0].host_aggregates[0]'),
    ([{'compute': [{'availability_zones': [{'name': 1}]}]}],
     'scope[0].compute[0].availability_zones[0]'),
    ([{'compute': [{'exclude': [{'nope': []}]}]}],
     'scope[0].compute[0].exclude[0]'),
    ([{'compute': [{'host_aggregates': [{'id': '*'}, {'id': 1}]}]}],
     'scope[0].compute[0].host_aggregates'),
    ([{'storage': []}, {'compute': [
        {'host_aggregates': [{'id': 1}]},
        {'exclude': [{'host_aggregates': [{'id': 2}]}]}]}],
     'scope[1].compute[1].exclude[0].host_aggregates'),
    ([{'storage': [{'exclude': [{'nope': []}]}]}],
     'scope[0].storage[0].exclude[0]'),
    # the notation of old: the place in what it stands for
    ([{'host_aggregates': [{'nope': 1}]}],
     'scope[0].compute[0].host_aggregates[0]'),
)


class TestAudits(ValidationTestCase):
    """A patch of an audit is refused with the words of the creation."""

    WRONG = (
        ('parameters', {'nope': 1}, ['nope', 'para1, para2']),
        ('parameters', {'para1': 'x'}, ['parameters.para1', 'x', 'number']),
        ('parameters', {'para1': True}, ['parameters.para1', 'number']),
        ('parameters', {'para1': None}, ['parameters.para1', 'number']),
        ('parameters', {'para1': 99}, ['parameters.para1', '99', '10.2']),
        ('parameters', {'para1': 0}, ['parameters.para1', '0', '1.0']),
        ('parameters', {'para2': 3}, ['parameters.para2', '3', 'string']),
        ('parameters', [], ['parameters', 'object']),
        ('parameters', 'x', ['parameters', 'object']),
        ('interval', 'often', ['interval', 'often', 'cron']),
        ('interval', '0', ['interval', 'seconds']),
        ('interval', '', ['interval', 'seconds']),
        ('interval', '1.5', ['interval', '1.5']),
        ('interval', '* * * *', ['interval', '* * * *']),
        ('interval', '0 0 30 2 *', ['interval', 'No date']),
        ('interval', '9' * 36, ['interval', 'seconds']),
        ('interval', '0' * 37, ['interval', '36']),
        ('interval', 60, ['interval', '60', 'text']),
        ('interval', None, ['interval', 'CONTINUOUS']),
        ('start_time', 'soon', ['start_time', 'soon', 'ISO 8601']),
        ('start_time', 3, ['start_time', '3', 'ISO 8601']),
        ('end_time', '', ['end_time', 'ISO 8601']),
        ('end_time', '2030-02-30', ['end_time', '2030-02-30']),
        ('name', 3, ['name', '3', 'text']),
        ('name', ['x'], ['name', 'text']),
        ('name', 'taken', ['taken', 'already exists']),
        ('force', 'maybe', ['force', 'maybe', 'true']),
        ('force', [], ['force', 'true']),
        ('auto_trigger', 1.5, ['auto_trigger', '1.5', 'true']),
        ('hostname', 'x', ['hostname']),
        ('status_message', 'x', ['status_message']),
        ('next_run_time', '2030-01-01', ['next_run_time']),
        ('uuid', uuidutils.generate_uuid(), ['uuid']),
        ('created_at', '2030-01-01', ['created_at']),
        ('links', [], ['links']),
        ('nope', 1, ['nope']),
    )
    #: They say what differs: a patch names an operation, and takes no words
    #: for a boolean.
    OTHER_WORDS = ('force', 'auto_trigger', 'hostname', 'status_message',
                   'next_run_time', 'uuid', 'created_at', 'links', 'nope',
                   'name')

    def setUp(self):
        super().setUp()
        self.records.audit(self.goal, name='taken')
        self.audit = self.records.audit(
            self.goal, self.strategy, name='a', audit_type='CONTINUOUS',
            interval='60', parameters={'para1': 3.2, 'para2': 'hello'})
        self.path = f'{AUDITS}/{self.audit.uuid}'

    def create(self, **values):
        return {'audit_type': 'CONTINUOUS', 'interval': '60',
                'goal': 'dummy', 'strategy': 'dummy', **values}

    def test_wrong_values(self):
        for name, value, words in self.WRONG:
            status = 409 if value == 'taken' else 400
            created = self.refused('POST', AUDITS,
                                   self.create(**{name: value}), status)
            patched = self.refused('PATCH', self.path, replace(name, value),
                                   status)
            self.refused('PATCH', self.path, add(name, value), status)
            for text in (created, patched):
                for word in words:
                    self.assertIn(word, text)
            if name not in self.OTHER_WORDS:
                self.assertEqual(created, patched)

    def test_wrong_states(self):
        for state in ('NOPE', '', 3, None, ['PENDING'], 'pending',
                      'DELETED', 'SUCCEEDED'):
            self.refused('POST', AUDITS, self.create(state=state))
            for operations in (replace('state', state),
                               add('state', state)):
                text = self.refused('PATCH', self.path, operations)
                self.assertIn('state', text.lower())

    def test_wrong_scopes(self):
        for scope, place in WRONG_SCOPES:
            text = self.refused('PATCH', self.path, replace('scope', scope))
            self.assertIn(place, text)

    def test_wrong_parts_of_values(self):
        for path, value, word in (
                ('parameters/para1', 'x', 'parameters.para1'),
                ('parameters/para1', 99, '10.2'),
                ('parameters/nope', 1, 'nope'),
                ('scope/-', {'nope': []}, 'scope[0]')):
            self.assertIn(word, self.refused('PATCH', self.path,
                                             add(path, value)))

    def test_one_wrong_operation_spoils_the_patch(self):
        fine = replace('name', 'b') + replace('state', 'CANCELLED')
        for wrong in (replace('interval', 'often'), replace('nope', 1),
                      replace('parameters', {'nope': 1}),
                      replace('state', 'SUCCEEDED')):
            self.refused('PATCH', self.path, fine + wrong)
            if wrong[0]['path'] != '/state':
                self.refused('PATCH', self.path, wrong + fine)

    def test_what_is_allowed_is_completed_alike(self):
        self.records.audit(self.goal, self.strategy, name='b')
        for given, stored in (
                ({}, {'para1': 3.2, 'para2': 'hello'}),
                (None, {'para1': 3.2, 'para2': 'hello'}),
                ({'para1': 2}, {'para1': 2, 'para2': 'hello'})):
            for response in (
                    self.post(AUDITS, self.create(parameters=given),
                              status=201),
                    self.request('PATCH', f'{AUDITS}/b',
                                 replace('parameters', given), status=200)):
                self.assertEqual(stored, response.json['parameters'])

    def test_more_than_a_creation_allows(self):
        """What existing clients change although they could not ask for it.
        """
        self.records.audit(self.goal, name='once', state='SUCCEEDED')
        path = f'{AUDITS}/once'
        for name, value, shown in (
                ('interval', '2', '2'),
                ('start_time', '2030-01-01T10:00:00Z',
                 '2030-01-01T10:00:00'),
                ('end_time', '2030-01-01T10:00:00Z',
                 '2030-01-01T10:00:00')):
            for operation in (add, replace):
                response = self.request('PATCH', path, operation(
                    name, value), status=200, version='1.1')
                self.assertEqual(shown, response.json[name])
        # the two times at every version, as ever
        self.request('PATCH', path, replace('end_time', None), status=200,
                     version='1.0')


class TestParameters(ValidationTestCase):

    SCHEMA = {
        'type': 'object',
        'required': ['host'],
        'properties': {
            'host': {'type': 'string'},
            'weights': {
                'type': 'object', 'properties': {
                    'cpu': {'type': 'number', 'default': 1.0},
                    'ram': {'type': 'number', 'minimum': 0}}},
            'pools': {'type': 'array', 'items': {
                'type': 'object', 'required': ['src'],
                'properties': {'src': {'type': 'string'},
                               'dst': {'type': 'string'}},
                'oneOf': [{'required': ['dst']},
                          {'not': {'required': ['dst']}}]}},
        },
    }

    def setUp(self):
        super().setUp()
        self.records.strategy(self.goal, name='nested',
                              parameters_spec=self.SCHEMA)

    def create(self, parameters, status=400):
        body = {'audit_type': 'EVENT', 'goal': 'dummy',
                'strategy': 'nested', 'parameters': parameters}
        if status != 400:
            return self.post(AUDITS, body, status=status).json['parameters']
        return self.refused('POST', AUDITS, body)

    def test_paths(self):
        for parameters, words in (
                ({}, ["parameters.host.", "'host' is a required property"]),
                ({'host': 3}, ['parameters.host.', '3']),
                ({'host': 'a', 'weights': {'ram': 'x'}},
                 ['parameters.weights.ram.', "'x'", 'number']),
                ({'host': 'a', 'weights': {'ram': -1}},
                 ['parameters.weights.ram.', '-1', '0']),
                ({'host': 'a', 'pools': [{'src': 'a'}, {'dst': 'b'}]},
                 ['parameters.pools.1.src', 'required']),
                ({'host': 'a', 'weights': {'disk': 1}}, ['disk']),
                ({'host': 'a', 'pools': [{'src': 'a', 'x': 1}]}, ['x'])):
            text = self.create(parameters)
            for word in [*words, 'nested']:
                self.assertIn(word, text)

    def test_all_that_is_wrong_is_named_at_once(self):
        text = self.create({'host': 3, 'weights': {'cpu': 'x', 'ram': -1}})
        for word in ('parameters.host', 'parameters.weights.cpu',
                     'parameters.weights.ram'):
            self.assertIn(word, text)
        text = self.create({'host': 'a', 'pools': [3] * 10000})
        self.assertLess(len(text), 1000)
        text = self.create({'host': ['x' * 100000]})
        self.assertLess(len(text), 1000)

    def test_defaults_at_every_depth(self):
        self.assertEqual({'host': 'a', 'weights': {'cpu': 1.0, 'ram': 2}},
                         self.create({'host': 'a', 'weights': {'ram': 2}},
                                     201))

    def test_templates_keep_what_was_sent(self):
        sent = {'host': 'a', 'weights': {'ram': 2}}
        for response in (
                self.post(TEMPLATES, {
                    'name': 't', 'goal': 'dummy', 'strategy': 'nested',
                    'default_parameters': sent}, status=201),
                self.request('PATCH', f'{TEMPLATES}/t', replace(
                    'default_parameters', sent), status=200)):
            self.assertEqual(sent, response.json['default_parameters'])

    def test_a_strategy_that_says_nothing(self):
        self.records.strategy(self.goal, name='plain', parameters_spec={})
        template = self.post(TEMPLATES, {
            'name': 't', 'goal': 'dummy', 'strategy': 'plain',
            'default_parameters': {'a': 1}}, status=201).json
        self.refused('POST', AUDITS, {
            'audit_type': 'EVENT', 'audit_template_uuid': template['uuid']})


class TestTemplates(ValidationTestCase):

    WRONG = (
        ('name', 3, ['name', '3', 'text']),
        ('name', None, ['name']),
        ('name', 'x' * 64, ['name', '63']),
        ('name', 'taken', ['taken', 'already exists']),
        ('description', 'x' * 256, ['description', '255']),
        ('description', {}, ['description', 'text']),
        ('goal', 'nope', ['nope']),
        ('goal', '1', ['1']),
        ('goal', 3, ['goal', '3', 'text']),
        ('goal', ['dummy'], ['goal', 'text']),
        ('strategy', 'nope', ['nope']),
        ('strategy', 'foreign', ['foreign', 'dummy']),
        ('strategy', {}, ['strategy', 'text']),
        ('default_parameters', {'nope': 1}, ['nope', 'para1, para2']),
        ('default_parameters', {'para1': 99},
         ['default_parameters.para1', '99', '10.2']),
        ('default_parameters', {'para1': 'x'},
         ['default_parameters.para1', 'x', 'number']),
        ('default_parameters', [], ['default_parameters', 'object']),
        ('default_parameters', 'x', ['default_parameters', 'object']),
        ('uuid', uuidutils.generate_uuid(), ['uuid']),
        ('goal_uuid', uuidutils.generate_uuid(), ['goal_uuid']),
        ('goal_id', 1, ['goal_id']),
        ('strategy_id', 1, ['strategy_id']),
        ('deleted_at', None, ['deleted_at']),
        ('nope', 1, ['nope']),
        *(('scope', scope, [place]) for scope, place in WRONG_SCOPES),
    )
    OTHER_WORDS = ('uuid', 'goal_uuid', 'goal_id', 'strategy_id',
                   'deleted_at', 'nope', 'name')

    def setUp(self):
        super().setUp()
        self.records.template(self.goal, name='taken')
        self.template = self.records.template(self.goal, self.strategy,
                                              name='t')
        self.path = f'{TEMPLATES}/{self.template.uuid}'

    def test_wrong_values(self):
        for name, value, words in self.WRONG:
            status = 409 if value == 'taken' else 400
            created = self.refused(
                'POST', TEMPLATES, {'name': 'new', 'goal': 'dummy',
                                    'strategy': 'dummy', name: value},
                status)
            patched = self.refused('PATCH', self.path, replace(name, value),
                                   status)
            for text in (created, patched):
                for word in words:
                    self.assertIn(word, text)
            if name not in self.OTHER_WORDS:
                self.assertEqual(created, patched)

    def test_the_result_counts(self):
        """Goal, strategy and parameters are checked as they will be."""
        for operations in (
                replace('goal', 'other'),
                replace('strategy', 'foreign'),
                replace('goal', 'other') + replace('strategy', 'dummy'),
                add('default_parameters', {'para1': 2})
                + replace('strategy', None),
                add('default_parameters', {'x': 2})
                + replace('goal', 'other') + replace('strategy', 'foreign')):
            self.refused('PATCH', self.path, operations)
        document = self.request(
            'PATCH', self.path, add('default_parameters', {'para1': 2})
            + replace('strategy', 'foreign') + replace('goal', 'other'),
            status=200).json
        self.assertEqual(
            ['other', 'foreign', {'para1': 2}],
            [document[name] for name in
             ('goal_name', 'strategy_name', 'default_parameters')])

    def test_conflict_at_every_version(self):
        self.request('PATCH', self.path,
                     add('default_parameters', {'para1': 2}), status=200)
        for operations in (
                replace('goal', 'dummy'), replace('goal', None),
                add('strategy', 'dummy'), replace('strategy', None),
                [{'op': 'remove', 'path': '/strategy'}]):
            for version in ('1.0', '1.6', '1.7'):
                text = self.refused('PATCH', self.path, operations, 409,
                                    version=version)
                self.assertIn('default_parameters', text)
        for path in ('default_parameters', 'default_parameters/para1'):
            for version in ('1.0', '1.6'):
                self.refused('PATCH', self.path, replace(path, {}), 406,
                             version=version)


class TestOrder(ValidationTestCase):

    def test_a_change_would_be_seen(self):
        before = self.commits()
        self.post(AUDITS, {'audit_type': 'EVENT', 'goal': 'dummy'},
                  status=201)
        self.assertNotEqual(before, self.commits())

    def test_creation_of_an_audit(self):
        """Each request is wrong in one way, and in all that come later."""
        self.records.audit(self.goal, name='taken')
        unknown = uuidutils.generate_uuid()
        member = {'X-Roles': 'member'}
        for number, (values, kwargs, status, words) in enumerate((
                ({'audit_type': 'x', 'nope': 1}, {'headers': member}, 400,
                 ['nope']),
                ({'audit_type': 'x'}, {'headers': member}, 403,
                 ['audit:create']),
                ({'audit_type': 'x', 'interval': '60'}, {}, 400,
                 ['x', 'CONTINUOUS']),
                ({'audit_type': 'ONESHOT', 'interval': '60'}, {}, 400,
                 ['goal', 'audit_template_uuid']),
                ({'audit_type': 'ONESHOT', 'interval': '60', 'goal': 'x',
                  'audit_template_uuid': unknown}, {}, 400, ['both']),
                ({'audit_type': 'ONESHOT', 'interval': '60',
                  'start_time': '2030-01-01', 'goal': 'x'}, {}, 400,
                 ['ONESHOT', 'interval']),
                ({'audit_type': 'CONTINUOUS', 'start_time': '2030-01-01',
                  'goal': 'x'}, {'version': '1.0'}, 400, ['interval']),
                ({'audit_type': 'ONESHOT', 'start_time': '2030-01-01',
                  'goal': 'x'}, {'version': '1.0'}, 400, ['ONESHOT']),
                ({'audit_type': 'EVENT', 'end_time': '2030-01-01',
                  'audit_template_uuid': unknown}, {'version': '1.0'}, 406,
                 ['1.1']),
                ({'audit_type': 'EVENT', 'audit_template_uuid': unknown,
                  'strategy': 'x'}, {}, 400, [unknown]),
                ({'audit_type': 'EVENT', 'goal': 'x', 'strategy': 'y'}, {},
                 404, ['x']),
                ({'audit_type': 'EVENT', 'goal': 'dummy', 'strategy': 'y',
                  'parameters': {'nope': 1}}, {}, 404, ['y']),
                ({'audit_type': 'EVENT', 'goal': 'dummy',
                  'strategy': 'foreign', 'parameters': {'nope': 1}}, {},
                 400, ['foreign']),
                ({'audit_type': 'EVENT', 'goal': 'dummy',
                  'strategy': 'dummy', 'parameters': {'nope': 1}}, {}, 400,
                 ['nope']),
                ({'audit_type': 'EVENT', 'goal': 'dummy',
                  'strategy': 'dummy'}, {}, 409, ['taken'])), 1):
            text = self.refused('POST', AUDITS, {'name': 'taken', **values},
                                status, **kwargs)
            for word in words:
                self.assertIn(word, text, number)

    def test_patch_of_an_action(self):
        audit = self.records.audit(self.goal, self.strategy)
        plan = self.records.plan(audit, self.strategy, actions=1)
        path = f'/v1/actions/{self.records.actions(plan)[0].uuid}'
        member = {'headers': {'X-Roles': 'member'}}
        unknown = f'/v1/actions/{uuidutils.generate_uuid()}'
        for where, operations, kwargs, status in (
                ('/v1/actions/x', [{}], {'version': '1.4', **member}, 400),
                (path, replace('state', 'NOPE'), member, 400),
                (unknown, replace('state', 'SKIPPED'),
                 {'version': '1.4', **member}, 400),
                (unknown, replace('state', 'SUCCEEDED'), member, 403),
                (unknown, replace('state', 'SUCCEEDED'), {}, 404),
                (path, replace('state', 'SUCCEEDED'), member, 403),
                (path, replace('state', 'SUCCEEDED'), {}, 409)):
            self.refused('PATCH', where, operations, status, **kwargs)

    def test_data_model(self):
        member = {'headers': {'X-Roles': 'member'}}
        for query, kwargs, status in (
                ('data_model_type=x&nope=1', {'version': '1.2', **member},
                 400),
                ('data_model_type=x', {'version': '1.2', **member}, 406),
                ('data_model_type=x', {'version': '1.7', **member}, 404),
                ('data_model_type=x', {'version': '1.8', **member}, 400),
                ('data_model_type=compute', member, 403)):
            self.refused('GET', f'/v1/data_model?{query}', None, status,
                         **kwargs)

    def test_webhook(self):
        self.records.audit(self.goal, name='a', state='ONGOING')
        member = {'headers': {'X-Roles': 'member'}}
        for name, kwargs, status, word in (
                ('nope', member, 403, 'webhook:trigger'),
                ('nope', {}, 404, 'nope'), ('a', {}, 400, 'ONESHOT')):
            text = self.refused('POST', f'/v1/webhooks/{name}', {}, status,
                                **kwargs)
            self.assertIn(word, text)


class TestWholeOrNothing(ValidationTestCase):

    def setUp(self):
        super().setUp()
        self.audit = self.records.audit(self.goal, self.strategy)
        self.plan = self.records.plan(self.audit, self.strategy, actions=2)
        self.path = f'/v1/action_plans/{self.plan.uuid}'

    def test_cancelling_breaks_half_way(self):
        with mock.patch.object(objects.ActionPlan, 'transition_actions',
                               autospec=True, side_effect=RuntimeError):
            self.refused('PATCH', self.path, replace('state', 'CANCELLED'),
                         500)

    def test_deletion_breaks_half_way(self):
        with mock.patch.object(db_api.Connection, 'soft_delete_action_plan',
                               side_effect=RuntimeError):
            self.refused('DELETE', self.path, None, 500)

    def test_name_is_taken_at_the_last_moment(self):
        self.records.audit(self.goal, name='taken')
        self.records.template(self.goal, name='taken')
        self.records.template(self.goal, name='t')
        for path in (f'{AUDITS}/{self.audit.uuid}', f'{TEMPLATES}/2'):
            # Nobody has it when we look, but somebody when we write.
            with mock.patch.object(db_api.Connection, '_refuse_used_name'):
                text = self.refused('PATCH', path,
                                    replace('name', 'taken'), 409)
            self.assertIn('taken', text)

    def _look(self, found):
        def cast(api, context, method, patience=None, **arguments):
            # A message that overtakes its commit would find an old row.
            self.assertFalse(objects.Audit.dbapi.in_transaction())
            uuid, = arguments.values()
            cls = (objects.Audit if method == 'trigger_audit'
                   else objects.ActionPlan)
            found.append((method, uuid, cls.get_by_uuid(
                self.records.context, uuid).state))
            return False
        return mock.patch.object(rpcapi.BaseAPI, '_cast', cast)

    def test_messages_follow_the_commit(self):
        second = self.records.plan(self.audit, self.strategy)
        found = []
        with self._look(found):
            audit = self.post(AUDITS, {'audit_type': 'ONESHOT',
                                       'goal': 'dummy'}, status=201).json
            self.request('PATCH', self.path, replace('state', 'PENDING'),
                         status=200)
            self.post(f'/v1/action_plans/{second.uuid}/start', {},
                      status=200)
        pending = states.AuditState.PENDING
        self.assertEqual(
            [('trigger_audit', audit['uuid'], pending),
             ('launch_action_plan', self.plan.uuid, pending),
             ('launch_action_plan', second.uuid, pending)], found)
        # None of the messages was taken: the rows are what counts.
        for path in (f'{AUDITS}/{audit["uuid"]}', self.path,
                     f'/v1/action_plans/{second.uuid}'):
            self.assertEqual(pending, self.get(path).json['state'])

    def test_what_sends_no_message(self):
        found = []
        with self._look(found):
            for values in ({'audit_type': 'EVENT'},
                           {'audit_type': 'CONTINUOUS', 'interval': '60'}):
                audit = self.post(AUDITS, {'goal': 'dummy', **values},
                                  status=201).json
            self.request('PATCH', f'{AUDITS}/{audit["uuid"]}',
                         replace('state', 'CANCELLED'), status=200)
            self.delete(f'{AUDITS}/{audit["uuid"]}', status=204)
            self.request('PATCH', self.path, replace('state', 'CANCELLED'),
                         status=200)
            self.delete(self.path, status=204)
        self.assertEqual([], found)
