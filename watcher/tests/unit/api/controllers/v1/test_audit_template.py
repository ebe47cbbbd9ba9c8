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
"""Audit templates over HTTP."""

from oslo_utils import uuidutils

from watcher.tests.fixtures import api as api_fixture
from watcher.tests.unit.api import base

PATH = '/v1/audit_templates'

FIELDS = {'uuid', 'name', 'description', 'goal_uuid', 'goal_name',
          'strategy_uuid', 'strategy_name', 'scope', 'links', 'created_at',
          'updated_at', 'deleted_at'}


class TemplateTestCase(base.ApiTestCase):

    def setUp(self):
        super().setUp()
        self.goal = self.records.goal()
        self.other = self.records.goal(name='other')
        self.strategy = self.records.strategy(self.goal)
        self.foreign = self.records.strategy(self.other, name='foreign')

    def create(self, status=201, version=base.LATEST, **values):
        body = {'name': 't', 'goal': 'dummy', **values}
        body = {key: value for key, value in body.items()
                if value is not Ellipsis}
        return self.post(PATH, body, status=status, version=version)


class TestCreate(TemplateTestCase):

    def test_smallest(self):
        response = self.create(strategy=None, description=None, scope=[])
        document = response.json
        self.assertEqual(FIELDS | {'default_parameters'}, set(document))
        self.assertEqual(self.goal.uuid, document['goal_uuid'])
        self.assertIsNone(document['strategy_uuid'])
        self.assertEqual([], document['scope'])
        self.assertEqual(
            f'http://localhost{PATH}/{document["uuid"]}',
            response.headers['Location'])
        self.assertEqual(
            document, self.get(f'{PATH}/{document["uuid"]}').json)

    def test_with_everything(self):
        document = self.create(
            name='Größe 漢字', description='Ünïcode', goal=self.goal.uuid,
            strategy=self.strategy.uuid,
            scope=[{'compute': [{'availability_zones': [{'name': 'AZ1'}]}]}],
            default_parameters={'para1': 3.3}).json
        self.assertEqual('Größe 漢字', document['name'])
        self.assertEqual('dummy', document['strategy_name'])
        # As sent: not completed.
        self.assertEqual({'para1': 3.3}, document['default_parameters'])

    def test_old_notation_of_scope(self):
        inner = [{'availability_zones': [{'name': 'AZ1'}]}]
        document = self.create(scope=inner).json
        self.assertEqual([{'compute': inner}], document['scope'])

    def test_scopes(self):
        aggregates = [{'host_aggregates': [{'id': 1}, {'name': 'a'}]}]
        exclude = [{'exclude': [
            {'instances': [{'uuid': 'x'}]}, {'compute_nodes': [{'name': 'n'}]},
            {'instance_metadata': [{'a': 'b'}]},
            {'projects': [{'uuid': 'p'}]}]}]
        storage = [{'storage': [{'volume_types': [{'name': 'fast'}]}]}]
        baremetal = [{'baremetal': [{'exclude': [
            {'ironic_nodes': [{'uuid': 'n'}]}]}]}]
        for number, scope in enumerate((
                None, {}, [], [{'compute': aggregates}],
                [{'compute': exclude}], storage, baremetal,
                [{'compute': aggregates}, *storage],
                [*storage, {'compute': aggregates}])):
            self.create(name=f't{number}', scope=scope)

    def test_refused_scopes(self):
        both = [{'host_aggregates': [{'id': 1}]},
                {'exclude': [{'host_aggregates': [{'id': 2}]}]}]
        for scope in ('x', 3, {'compute': []}, [{'barometer': []}], [{}],
                      [{'compute': [{'nope': []}]}], [3],
                      [{'compute': [{'availability_zones': [{'id': 1}]}]}],
                      [{'compute': both}],
                      [{'storage': []}, {'compute': both}]):
            response = self.create(scope=scope, status=400)
            self.assert_refused(400, response, 'scope')

    def test_refused_scopes_that_no_audit_could_honour(self):
        for rule in (
                {},
                {'host_aggregates': [{}]},
                {'host_aggregates': [{'id': '*'}, {'id': 1}]},
                {'availability_zones': [{'name': '*'}, {'name': 'a'}]},
                {'host_aggregates': [{'id': 1}],
                 'availability_zones': [{'name': 'a'}]},
                {'exclude': [{'instances': [{}]}]}):
            response = self.create(scope=[{'compute': [rule]}], status=400)
            self.assert_refused(400, response, 'scope[0].compute[0]')

    def test_refused(self):
        for values, words in (
                ({'name': ...}, ['name', 'mandatory']),
                ({'name': None}, ['name', 'mandatory']),
                ({'name': 3}, ['name', '3']),
                ({'name': 'x' * 64}, ['name', '63']),
                ({'description': 'x' * 256}, ['description', '255']),
                ({'goal': ...}, ['goal', 'mandatory']),
                ({'goal': None}, ['goal']),
                ({'goal': 'nope'}, ['nope']),
                ({'goal': str(self.goal.id)}, [str(self.goal.id)]),
                ({'strategy': 'nope'}, ['nope']),
                ({'strategy': 'foreign'}, ['foreign', 'dummy']),
                ({'extra': 1}, ['extra', 'default_parameters']),
                ({'uuid': uuidutils.generate_uuid()}, ['uuid', 'read-only']),
                ({'goal_uuid': None}, ['goal_uuid', 'read-only']),
                ({'default_parameters': {'para1': 2}},
                 ['default_parameters', 'strategy']),
                ({'strategy': 'dummy', 'default_parameters': {'x': 2}},
                 ['x', 'para1']),
                ({'strategy': 'dummy', 'default_parameters': {'para1': 99}},
                 ['para1', '99', '10.2']),
                ({'default_parameters': []}, ['default_parameters'])):
            response = self.create(status=400, **values)
            self.assert_refused(400, response, *words)

    def test_strategy_forms(self):
        for number, strategy in enumerate(
                ('dummy', self.strategy.uuid, str(self.strategy.id))):
            document = self.create(name=str(number), strategy=strategy).json
            self.assertEqual('dummy', document['strategy_name'])
        self.assertIsNone(self.create(strategy='').json['strategy_uuid'])

    def test_default_parameters_need_their_version(self):
        values = {'strategy': 'dummy', 'version': '1.6'}
        self.create(default_parameters={'para1': 2}, status=406, **values)
        document = self.create(default_parameters={}, **values).json
        self.assertNotIn('default_parameters', document)

    def test_name_in_use(self):
        uuid = self.create().json['uuid']
        self.assert_refused(409, self.create(status=409), 't')
        self.delete(f'{PATH}/{uuid}', status=204)
        self.create()

    def test_bodies(self):
        for body in (None, 'x', 3, [], [1]):
            raw = {None: b'null'}.get(body) if body is None else None
            self.request('POST', PATH, body, raw=raw, status=400)
        for raw in (b'', b'{', b'\xef\xbb\xbf{}', b'{"name": "\xff"}',
                    b'{"name": NaN}', b'[' * 100000):
            self.request('POST', PATH, raw=raw, status=400)
        for content_type, status in (
                ('text/plain', 415), ('application/octet-stream', 415),
                ('application/xml', 415),
                ('application/x-www-form-urlencoded', 400),
                ('application/json; charset=utf-8', 201)):
            self.request('POST', PATH, {'name': 't', 'goal': 'dummy'},
                         content_type=content_type, status=status)

    def test_query_is_refused(self):
        self.post(f'{PATH}?foo=1', {'name': 't', 'goal': 'dummy'},
                  status=400)


class TestShow(TemplateTestCase):

    def test_fields_and_versions(self):
        self.records.template(self.goal, name='t')
        self.assertEqual(FIELDS, set(
            self.get(f'{PATH}/t', version='1.6').json))
        summary = self.get(PATH).json['audit_templates'][0]
        self.assertEqual(
            FIELDS - {'description', 'created_at', 'updated_at',
                      'deleted_at'}, set(summary))
        detail = self.get(f'{PATH}/detail').json['audit_templates'][0]
        self.assertEqual(FIELDS | {'default_parameters'}, set(detail))

    def test_identifiers(self):
        template = self.records.template(self.goal, name='t')
        for ident in (template.uuid, 't', 'T', template.id):
            self.get(f'{PATH}/{ident}')
        for ident in ('nope', uuidutils.generate_uuid(), 99999999999999999):
            self.get(f'{PATH}/{ident}', status=404)


class TestPatch(TemplateTestCase):

    def setUp(self):
        super().setUp()
        self.template = self.records.template(self.goal, name='t')
        self.path = f'{PATH}/{self.template.uuid}'

    def change(self, *operations, **kwargs):
        kwargs.setdefault('status', 200)
        return self.patch(self.path, *operations, **kwargs)

    def test_all_at_once(self):
        document = self.change(
            ('replace', '/name', 'new'), ('add', '/description', 'words'),
            ('replace', '/goal', self.other.uuid),
            ('replace', '/strategy', 'foreign'),
            ('replace', '/scope', [{'storage': []}])).json
        self.assertEqual(
            ['new', 'words', 'other', 'foreign', [{'storage': []}]],
            [document[name] for name in
             ('name', 'description', 'goal_name', 'strategy_name', 'scope')])
        self.assertIsNotNone(document['updated_at'])
        self.assertEqual(document, self.get(self.path).json)

    def test_remove(self):
        self.change(('add', '/description', 'words'),
                    ('add', '/strategy', 'dummy'),
                    ('add', '/scope', [{'storage': []}]))
        document = self.change(('remove', '/description'),
                               ('remove', '/strategy'),
                               ('remove', '/scope')).json
        self.assertEqual([None, None, []], [
            document[name]
            for name in ('description', 'strategy_name', 'scope')])

    def test_nothing(self):
        document = self.change().json
        self.assertIsNone(document['updated_at'])

    def test_goal_null_keeps_it(self):
        for value in (None, ''):
            document = self.change(('replace', '/goal', value)).json
            self.assertEqual('dummy', document['goal_name'])

    def test_by_id(self):
        self.patch(f'{PATH}/{self.template.id}',
                   ('replace', '/name', 'new'), status=200)

    def test_refused(self):
        self.records.template(self.goal, name='used')
        for operations, status in (
                ([('replace', '/uuid', 'x')], 400),
                ([('replace', '/created_at', 'x')], 400),
                ([('replace', '/goal_id', 2)], 400),
                ([('replace', '/goal_uuid', self.other.uuid)], 400),
                ([('replace', '/nope', 'x')], 400),
                ([('remove', '/name')], 400),
                ([('replace', '/name', None)], 400),
                ([('replace', '/name', 'x' * 64)], 400),
                ([('replace', '/name', 'used')], 409),
                ([('replace', '/goal', 'nope')], 400),
                ([('replace', '/goal', ['dummy'])], 400),
                ([('remove', '/goal')], 400),
                ([('replace', '/strategy', 'nope')], 400),
                ([('replace', '/strategy', 'foreign')], 400),
                ([('replace', '/scope', [{'nope': 1}])], 400),
                ([('replace', '/scope', 3)], 400),
                ([('replace', '/name/x', 'y')], 400),
                ([('replace', '/scope/0', 'y')], 400),
                ([('replace', '/default_parameters', [])], 400),
                ([('replace', '/default_parameters', 'x')], 400),
                ([('replace', '/default_parameters', {'para1': 2})], 400),
                ([('test', '/name', 't')], 400),
                ([('replace', 'name', 't')], 400),
                ([('replace', '/', 't')], 400),
                ([('replace', '/na me', 't')], 400),
                ([('replace', '/name')], 400)):
            response = self.change(*operations, status=status)
            self.assertEqual('Client', self.fault(response)['faultcode'])
        self.assertIsNone(self.get(self.path).json['updated_at'])

    def test_bodies(self):
        for body in ({}, 'x', 3, [3], [None],
                     [{'op': 'add', 'path': '/name', 'value': 1, 'from': 2}]):
            self.request('PATCH', self.path, body, status=400)
        self.request('PATCH', self.path, raw=b'null', status=400)
        self.request('PATCH', self.path, raw=b'', status=400)

    def test_default_parameters(self):
        document = self.change(
            ('add', '/strategy', 'dummy'),
            ('add', '/default_parameters', {'para1': 2})).json
        self.assertEqual({'para1': 2}, document['default_parameters'])
        document = self.change(
            ('add', '/default_parameters/para2', 'x')).json
        self.assertEqual({'para1': 2, 'para2': 'x'},
                         document['default_parameters'])
        for path in ('/default_parameters', '/default_parameters/para1'):
            self.change(('replace', path, {}), version='1.6', status=406)
        for operation in (('remove', '/strategy'),
                          ('replace', '/goal', 'other')):
            self.change(operation, status=409)
        document = self.change(('remove', '/strategy'),
                               ('remove', '/default_parameters')).json
        self.assertEqual({}, document['default_parameters'])

    def test_unknown(self):
        self.patch(f'{PATH}/nope', ('replace', '/name', 'x'), status=404)


class TestDelete(TemplateTestCase):

    def test_delete(self):
        self.records.template(self.goal, name='t')
        response = self.delete(f'{PATH}/t', status=204)
        self.assertEqual(b'', response.body)
        self.assertNotIn('Content-Type', response.headers)
        self.delete(f'{PATH}/t', status=404)

    def test_audits_stay(self):
        template = self.records.template(self.goal, name='t')
        audit = self.post('/v1/audits', {
            'audit_type': 'ONESHOT', 'audit_template_uuid': template.uuid},
            status=201).json
        self.delete(f'{PATH}/t', status=204)
        self.get(f'/v1/audits/{audit["uuid"]}')


class TestStrategies(TemplateTestCase):

    def test_show(self):
        document = self.get('/v1/strategies/dummy').json
        self.assertEqual({'uuid', 'name', 'display_name', 'goal_uuid',
                          'goal_name', 'links', 'parameters_spec'},
                         set(document))
        self.assertEqual(api_fixture.PARAMETERS_SPEC,
                         document['parameters_spec'])
        summary = self.get('/v1/strategies').json['strategies'][0]
        self.assertNotIn('parameters_spec', summary)

    def test_state(self):
        for ident in ('dummy', self.strategy.uuid, self.strategy.id):
            document = self.get(f'/v1/strategies/{ident}/state').json
            self.assertEqual(['Datasource', 'Metrics', 'CDM', 'Name'],
                             [item['type'] for item in document])
            self.assertEqual({'type': 'Name', 'state': 'dummy',
                              'mandatory': '', 'comment': ''}, document[-1])
        self.assertEqual([('get_strategy_info', 'dummy')] * 3,
                         self.api.bus.decision_engine.calls)
        self.get('/v1/strategies/nope/state', status=404)


class TestGoals(TemplateTestCase):

    def test_show(self):
        document = self.get('/v1/goals/dummy').json
        self.assertEqual({'uuid', 'name', 'display_name', 'links',
                          'efficacy_specification', 'created_at',
                          'updated_at', 'deleted_at'}, set(document))
        self.assertRegex(document['created_at'],
                         r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*\+00:00$')
        summary = self.get('/v1/goals').json['goals'][0]
        self.assertEqual({'uuid', 'name', 'display_name', 'links',
                          'efficacy_specification'}, set(summary))
