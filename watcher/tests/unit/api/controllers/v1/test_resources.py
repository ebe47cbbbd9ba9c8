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
"""What all resources share: identifiers, queries, links, null, deletion.

Each rule is held against every resource; a resource that is added to the API
is found here by itself, and needs an entry in ``items`` only.
"""

import datetime
from urllib import parse

import sqlalchemy as sa
from oslo_utils import uuidutils

from watcher import objects
from watcher.api.controllers import v1
from watcher.api.controllers.v1 import data_model
from watcher.api.controllers.v1 import webhook
from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import session
from watcher.tests.unit.api import base

LISTED = {cls.collection: cls for cls in v1.RESOURCES
          if cls not in (data_model.DataModel, webhook.Webhooks)}

LOCAL = 'http://localhost'

SHOW_DELETED = {'X-Show-Deleted': 'true'}

#: Where a marker that is no UUID is not refused but looked up.
LENIENT = ('goals', 'strategies', 'scoring_engines')

WITH_OFFSET = r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?\+00:00'
WITHOUT_OFFSET = r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?'


class ResourceTestCase(base.ApiTestCase):
    """One item of each kind, two where the order matters."""

    def setUp(self):
        super().setUp()
        records = self.records
        self.goal = records.goal()
        self.strategy = records.strategy(self.goal)
        self.template = records.template(self.goal, self.strategy)
        self.audit = records.audit(self.goal, self.strategy,
                                   state='SUCCEEDED')
        self.plan = records.plan(self.audit, self.strategy, actions=2)
        self.action = records.actions(self.plan)[0]
        self.service = records.service()
        self.engine = records.scoring_engine()
        self.items = {
            'goals': self.goal, 'strategies': self.strategy,
            'audit_templates': self.template, 'audits': self.audit,
            'action_plans': self.plan, 'actions': self.action,
            'services': self.service, 'scoring_engines': self.engine}

    def ident(self, collection):
        return getattr(self.items[collection], LISTED[collection].key)

    def path(self, collection):
        return f'/v1/{collection}/{self.ident(collection)}'

    def set_columns(self, model, obj, **values):
        """Write what only foreign software would."""
        with session.get_engine().begin() as connection:
            connection.execute(sa.update(model.__table__).where(
                model.__table__.c.id == obj.id).values({
                    name: sa.text(value) if value == 'NULL' else value
                    for name, value in values.items()}))


class TestRepresentations(ResourceTestCase):

    def test_every_resource_has_an_item_here(self):
        self.assertEqual(set(LISTED), set(self.items))

    def test_detail_is_show_and_summary_is_a_part(self):
        for collection in LISTED:
            shown = self.get(self.path(collection)).json
            detail = self.get(f'/v1/{collection}/detail').json
            self.assertEqual([collection], list(detail))
            self.assertEqual(shown, detail[collection][0])
            summary = self.get(f'/v1/{collection}').json
            self.assertEqual([collection], list(summary))
            for name, value in summary[collection][0].items():
                self.assertEqual(shown[name], value, name)

    def test_links(self):
        for collection in LISTED:
            ident = self.ident(collection)
            expected = [
                {'rel': 'self', 'href': f'{LOCAL}/v1/{collection}/{ident}'},
                {'rel': 'bookmark', 'href': f'{LOCAL}/{collection}/{ident}'}]
            for item in (self.get(self.path(collection)).json,
                         self.get(f'/v1/{collection}').json[collection][0]):
                self.assertEqual(expected, item['links'])
            for link in expected:
                self.get(link['href'].removeprefix(LOCAL))

    def test_numbers_of_rows_are_not_told(self):
        for collection in LISTED:
            shown = self.get(self.path(collection)).json
            told = {name for name in shown if name.rpartition('_')[2] == 'id'
                    or name == 'deleted'}
            self.assertEqual({'id'} if collection == 'services' else set(),
                             told)

    def test_timestamps(self):
        moment = datetime.datetime(2030, 1, 1, 10)
        self.set_columns(models.Audit, self.audit, start_time=moment,
                         end_time=moment, next_run_time=moment)
        self.template.description = 'changed'
        self.template.save()
        for collection in LISTED:
            shown = self.get(self.path(collection)).json
            for name in ('created_at', 'updated_at', 'deleted_at'):
                if shown.get(name) is not None:
                    self.assertRegex(shown[name], f'^{WITH_OFFSET}$')
            for name in ('start_time', 'end_time', 'next_run_time',
                         'last_seen_up'):
                if name in shown:
                    self.assertRegex(shown[name], f'^{WITHOUT_OFFSET}$')
            expected = {'created_at', 'updated_at', 'deleted_at'}
            if collection in ('strategies', 'scoring_engines'):
                expected = set()
            self.assertEqual(expected, expected & set(shown))
            self.assertEqual(
                bool(expected), shown.get('created_at') is not None)
            self.assertIsNone(shown.get('deleted_at'))
        self.assertIsNotNone(
            self.get(self.path('audit_templates')).json['updated_at'])
        self.assertIsNone(self.get(self.path('audits')).json['updated_at'])

    def test_null_in_rows(self):
        """Rows of old releases; containers are never null."""
        self.set_columns(models.Strategy, self.strategy,
                         parameters_spec='NULL')
        self.set_columns(models.AuditTemplate, self.template, scope='NULL',
                         default_parameters='NULL', description='NULL')
        self.set_columns(models.Audit, self.audit, scope='NULL',
                         parameters='NULL', interval='NULL')
        self.set_columns(models.ActionPlan, self.plan,
                         global_efficacy='NULL')
        self.set_columns(models.Action, self.action, parents='NULL',
                         input_parameters='NULL')
        for collection, expected in (
                ('strategies', {'parameters_spec': {}}),
                ('audit_templates', {
                    'scope': [], 'default_parameters': {},
                    'description': None}),
                ('audits', {
                    'scope': [], 'parameters': {}, 'interval': None,
                    'hostname': None, 'start_time': None, 'end_time': None,
                    'next_run_time': None, 'status_message': None}),
                ('action_plans', {'global_efficacy': [], 'hostname': None,
                                  'status_message': None}),
                ('actions', {'parents': [], 'input_parameters': {},
                             'status_message': None})):
            for item in (
                    self.get(self.path(collection)).json,
                    self.get(f'/v1/{collection}/detail').json[collection][0],
                    self.get(f'/v1/{collection}').json[collection][0]):
                self.assertEqual(
                    {name: value for name, value in expected.items()
                     if name in item},
                    {name: item[name] for name in expected if name in item})

    def test_containers_of_old_releases(self):
        """An efficacy was one object once; a scope may be an empty one."""
        table = models.ActionPlan.__table__
        with session.get_engine().begin() as connection:
            connection.execute(sa.text(
                f'UPDATE {table.name} SET global_efficacy = :text'),
                {'text': '{"name": "n", "value": 1.5}'})
            connection.execute(sa.text(
                "UPDATE audit_templates SET scope = '{}'"))
        for path in ('/v1/action_plans', '/v1/action_plans/detail'):
            plan = self.get(path).json['action_plans'][0]
            self.assertEqual([{'name': 'n', 'value': 1.5}],
                             plan['global_efficacy'])
        self.assertEqual(
            [], self.get(self.path('audit_templates')).json['scope'])
        self.assertEqual(
            [], self.get('/v1/audit_templates').json[
                'audit_templates'][0]['scope'])

    def test_deleted_relations_are_null(self):
        for related, fields in (
                (self.goal, ('goal_uuid', 'goal_name')),
                (self.strategy, ('strategy_uuid', 'strategy_name')),
                (self.audit, ('audit_uuid',)),
                (self.plan, ('action_plan_uuid',))):
            row = related.dbapi
            getattr(row, f'soft_delete_{related.entity}')(related.id)
            for collection in LISTED:
                if self.items[collection] is related:
                    continue
                headers = SHOW_DELETED
                for path in (f'/v1/{collection}', f'/v1/{collection}/detail'):
                    found = self.get(path).json[collection]
                    for name in set(fields) & set(found[0] if found else ()):
                        self.assertIsNone(found[0][name], path)
                    for item in self.get(path, headers=headers).json[
                            collection]:
                        for name in set(fields) & set(item):
                            self.assertIsNotNone(item[name], path)


class TestIdentifiers(ResourceTestCase):

    def test_forms(self):
        for collection, obj in self.items.items():
            cls = LISTED[collection]
            path = f'/v1/{collection}'
            found = [obj.id] if not cls.uuid_only else []
            if hasattr(obj, 'name'):
                found += [obj.name, obj.name.upper()]
            if cls.key == 'uuid':
                found.append(obj.uuid)
            for ident in found:
                document = self.get(f'{path}/{ident}').json
                self.assertEqual(self.ident(collection), document[cls.key])
                self.get(f'{path}/{ident}/')
                self.get(f'{path}/{ident}.json')

    def test_what_is_found_nowhere(self):
        unknown = uuidutils.generate_uuid()
        for collection, obj in self.items.items():
            uuid = getattr(obj, 'uuid', unknown)
            # The stored form has hyphens and small letters.
            idents = [unknown, uuid.replace('-', ''), '%%7B%s%%7D' % uuid,
                      f'urn:uuid:{uuid}']
            if self.database != 'mysql':
                idents.append(uuid.upper())
            for ident in idents:
                self.get(f'/v1/{collection}/{ident}', status=404)
            status = 400 if LISTED[collection].uuid_only else 404
            for ident in ('nope', '99', f'0{obj.id}', '9' * 30, '-1',
                          f'%20{obj.id}', '%C3%BC'):
                self.get(f'/v1/{collection}/{ident}', status=status)

    def test_the_exact_name_wins(self):
        """Names that differ in case come from databases of old."""
        table = models.Goal.__table__
        with session.get_engine().begin() as connection:
            for name in ('Mixed', 'mixed'):
                connection.execute(sa.insert(table).values(
                    uuid=uuidutils.generate_uuid(), name=name,
                    display_name=name, efficacy_specification=[],
                    deleted=0))
        for name in ('Mixed', 'mixed'):
            self.assertEqual(name, self.get(f'/v1/goals/{name}').json['name'])
        self.assertEqual('Mixed', self.get('/v1/goals/MIXED').json['name'])

    def test_names_that_look_like_something_else(self):
        number = str(self.goal.id + 1)
        for name in (number, uuidutils.generate_uuid(), 'detail'):
            goal = self.records.goal(name=name)
            self.get(f'/v1/goals/{goal.uuid}')
        # The id comes first, and belongs to the goal with that name.
        self.assertEqual(number,
                         self.get(f'/v1/goals/{number}').json['name'])
        for name in ('a.txt', 'a.json', 'a b', 'ü漢', 'a-2026-11-20T21:07:12'
                     '.354311', '012'):
            self.records.goal(name=name)
            path = f'/v1/goals/{parse.quote(name)}'
            self.assertEqual(name, self.get(path).json['name'])

    def test_names_are_unique_in_any_case(self):
        for collection, body in (
                ('audits', {'audit_type': 'EVENT', 'goal': 'dummy'}),
                ('audit_templates', {'goal': 'dummy'})):
            self.post(f'/v1/{collection}', {**body, 'name': 'Name'},
                      status=201)
            for name in ('Name', 'name', 'NAME'):
                response = self.post(f'/v1/{collection}',
                                     {**body, 'name': name})
                self.assert_refused(409, response, name)
            # another case of its own name is nobody else's
            self.patch(f'/v1/{collection}/name',
                       ('replace', '/name', 'NAME'), status=200)


class TestQueryParameters(ResourceTestCase):

    def test_unknown_ones_on_every_route(self):
        body = {'audits': {'audit_type': 'EVENT', 'goal': 'dummy'},
                'audit_templates': {'name': 'x', 'goal': 'dummy'}}
        requests = [
            ('GET', f'/v1/strategies/{self.strategy.uuid}/state', None),
            ('POST', f'{self.path("action_plans")}/start', {}),
            ('POST', f'/v1/webhooks/{self.audit.uuid}', {}),
            ('GET', '/v1/data_model', None)]
        for collection, cls in LISTED.items():
            methods = cls().methods()
            requests += [('GET', f'/v1/{collection}', None),
                         ('GET', f'/v1/{collection}/detail', None),
                         ('GET', self.path(collection), None)]
            if 'POST' in methods:
                requests.append(('POST', f'/v1/{collection}',
                                 body[collection]))
            if 'PATCH' in methods:
                requests.append(('PATCH', self.path(collection), []))
            if 'DELETE' in methods:
                requests.append(('DELETE', self.path(collection), None))
        for method, path, sent in requests:
            for query in ('foo=1', 'state=PENDING', 'deleted=true', 'foo'):
                response = self.request(method, f'{path}?{query}', sent)
                self.assert_refused(400, response,
                                    query.partition('=')[0])
        self.assertEqual(8, len(LISTED))
        self.assertEqual([], self.api.bus.applier.calls)

    def test_parameters_given_twice(self):
        for collection, cls in LISTED.items():
            for name, value in (
                    ('limit', '1'), ('marker', self.ident(collection)),
                    ('sort_key', 'id'), ('sort_dir', 'asc'),
                    *((declared.name, self.goal.uuid)
                      for declared in cls.filters)):
                response = self.get(
                    f'/v1/{collection}?{name}={value}&{name}={value}',
                    status=400)
                self.assert_refused(400, response, name, 'twice')

    def test_empty_parameters(self):
        for collection, cls in LISTED.items():
            for name in ('limit', 'sort_key', 'sort_dir'):
                response = self.get(f'/v1/{collection}?{name}=', status=400)
                self.assert_refused(400, response, name)
            self.get(f'/v1/{collection}?marker=',
                     status=200 if collection in LENIENT else 400)
            for declared in cls.filters:
                self.get(f'/v1/{collection}?{declared.name}=', status=(
                    400 if declared.name.endswith(('_uuid', 'kind'))
                    else 200))
        for version, status in (('1.7', 404), ('1.8', 400)):
            self.get('/v1/data_model?data_model_type=', status=status,
                     version=version)

    def test_sort_keys_that_are_none(self):
        for collection, cls in LISTED.items():
            for key in ('goal', 'strategy', 'audit', 'action_plan', 'links',
                        'nope', 'ID', 'id%3B', 'deleted', 'status'):
                response = self.get(f'/v1/{collection}?sort_key={key}',
                                    status=400)
                # what is allowed is told
                self.assert_refused(400, response, 'sort_key', 'id',
                                    *list(cls().sort_keys)[:2])
            for direction in ('ASC', 'up', 'asc,desc'):
                response = self.get(f'/v1/{collection}?sort_dir={direction}',
                                    status=400)
                self.assert_refused(400, response, direction, 'asc', 'desc')

    def test_markers(self):
        unknown = uuidutils.generate_uuid()
        for collection, obj in self.items.items():
            path = f'/v1/{collection}?marker='
            wrong = 404 if collection in LENIENT else 400
            if collection == 'services':
                cases = [('x', 400), (unknown, 400), ('9' * 30, 404),
                         ('99', 404), ('-1', 404), (obj.name, 400),
                         (obj.id, 200)]
            else:
                cases = [('x', wrong), (obj.id, wrong), (unknown, 404),
                         (obj.uuid, 200)]
                if hasattr(obj, 'name'):
                    cases.append((obj.name, wrong))
            for marker, status in cases:
                for detail in ('', '/detail'):
                    self.get(f'/v1/{collection}{detail}?marker={marker}',
                             status=status)
            getattr(obj.dbapi, f'soft_delete_{obj.entity}')(obj.id)
            self.get(f'{path}{self.ident(collection)}', status=404)
            self.get(f'{path}{self.ident(collection)}', status=200,
                     headers=SHOW_DELETED)

    def test_filters(self):
        """Every filter on both lists; nothing found is no error."""
        unknown = uuidutils.generate_uuid()
        undone = self.records.plan(self.audit, self.strategy)
        objects.PlanRun.set(None, self.plan.id, kind='rollback',
                            source_plan_id=undone.id)
        for collection, cls in LISTED.items():
            for declared in cls.filters:
                if declared.name == 'kind':
                    # It takes words; see the story of 1.9.
                    continue
                uuid_only = declared.name.endswith('_uuid')
                related = {'goal': self.goal, 'strategy': self.strategy,
                           'audit_uuid': self.audit,
                           'source_plan_uuid': undone,
                           'action_plan_uuid': self.plan}[declared.name]
                cases = [(related.uuid, True), (unknown, False)]
                if not uuid_only:
                    cases += [(related.name, True), ('nope', False),
                              (str(related.id), False)]
                for detail in ('', '/detail'):
                    path = f'/v1/{collection}{detail}?{declared.name}='
                    for value, matches in cases:
                        found = self.get(path + value).json[collection]
                        self.assertEqual(matches, bool(found), path + value)
                    if uuid_only:
                        response = self.get(path + 'nope', status=400)
                        self.assert_refused(400, response, declared.name,
                                            'nope', 'UUID')

    def test_next_keeps_every_filter_and_the_order(self):
        for number in range(3):
            self.records.template(self.goal, self.strategy,
                                  name=f'more-{number}')
        odd = self.records.goal(name='a&b=c ü%')
        for number in range(3):
            self.records.template(odd, name=f'odd-{number}')
        for query, count in (('goal=dummy&strategy=dummy', 4),
                             ('goal=a%26b%3Dc%20%C3%BC%25', 3)):
            for detail in ('', '/detail'):
                path = (f'/v1/audit_templates{detail}?{query}&limit=2'
                        '&sort_key=goal_name&sort_dir=desc')
                names = []
                while path:
                    page = self.get(path).json
                    names += [item['name'] for item in page[
                        'audit_templates']]
                    path = page.get('next', '').removeprefix(LOCAL)
                    if path:
                        self.assertTrue(path.startswith(
                            f'/v1/audit_templates{detail}?sort_key=goal_name'
                            '&sort_dir=desc&limit=2&marker='), path)
                        self.assertTrue(path.isascii())
                self.assertEqual((count, count), (len(names),
                                                  len(set(names))))

    def test_next_of_every_resource(self):
        self.config(max_limit=1, group='api')
        for collection in LISTED:
            for detail in ('', '/detail'):
                for query in ('', '?limit=1', '?limit=1000'):
                    page = self.get(
                        f'/v1/{collection}{detail}{query}').json
                    self.assertEqual(
                        f'{LOCAL}/v1/{collection}{detail}?sort_key=id'
                        f'&sort_dir=asc&limit=1'
                        f'&marker={self.ident(collection)}', page['next'])
        self.config(max_limit=1000, group='api')
        for collection in LISTED:
            self.assertEqual([collection],
                             list(self.get(f'/v1/{collection}').json))


class TestDeletion(ResourceTestCase):

    def test_header_is_a_boolean(self):
        self.template.soft_delete()
        for value, count in ((None, 0), ('true', 1), ('True', 1), ('1', 1),
                             ('yes', 1), ('on', 1), ('false', 0), ('0', 0),
                             ('', 0), ('nonsense', 0)):
            found = self.get('/v1/audit_templates', headers={
                'X-Show-Deleted': value}).json['audit_templates']
            self.assertEqual(count, len(found), value)

    def test_every_resource(self):
        for collection, obj in self.items.items():
            path = self.path(collection)
            before = self.get(path).json
            # The goal's own deletion changes nothing but its dates.
            getattr(obj.dbapi, f'soft_delete_{obj.entity}')(obj.id)
            self.get(path, status=404)
            self.assertNotIn(
                before['links'],
                [item['links'] for item in self.get(f'/v1/{collection}')
                 .json[collection]])
            shown = self.get(path, headers=SHOW_DELETED).json
            if 'deleted_at' in shown:
                self.assertRegex(shown['deleted_at'], f'^{WITH_OFFSET}$')
            listed = self.get(f'/v1/{collection}/detail',
                              headers=SHOW_DELETED).json[collection]
            self.assertIn(shown, listed)

    def test_deletion_over_http(self):
        for collection, again in (('action_plans', 400), ('audits', 400),
                                  ('audit_templates', 404)):
            path = self.path(collection)
            response = self.delete(path, status=204)
            self.assertEqual(b'', response.body)
            self.assertNotIn('Content-Type', response.headers)
            self.get(path, status=404)
            self.delete(path, status=404)
            shown = self.get(path, headers=SHOW_DELETED).json
            if 'state' in shown:
                self.assertEqual('DELETED', shown['state'])
            self.assertIsNotNone(shown['deleted_at'])
            self.delete(path, status=again, headers=SHOW_DELETED)
            self.assertEqual(
                shown, self.get(path, headers=SHOW_DELETED).json)
        # The plan took its actions along.
        actions = self.get('/v1/actions', headers=SHOW_DELETED).json[
            'actions']
        self.assertEqual(['DELETED'] * 2,
                         [action['state'] for action in actions])

    def test_names_are_free_again(self):
        for collection, body in (
                ('audits', {'audit_type': 'EVENT', 'goal': 'dummy'}),
                ('audit_templates', {'goal': 'dummy'})):
            path, uuids = f'/v1/{collection}', []
            for _number in range(3):
                uuids.append(self.post(path, {**body, 'name': 'again'},
                                       status=201).json['uuid'])
                if collection == 'audits':
                    self.patch(f'{path}/again',
                               ('replace', '/state', 'CANCELLED'))
                self.delete(f'{path}/again', status=204)
            # The one that was deleted last, until there is a living one.
            shown = self.get(f'{path}/again', headers=SHOW_DELETED).json
            self.assertEqual(uuids[-1], shown['uuid'])
            self.assertEqual(3, len([
                item for item in self.get(path, headers=SHOW_DELETED).json[
                    collection] if item['name'] == 'again']))
            living = self.post(path, {**body, 'name': 'again'},
                               status=201).json['uuid']
            shown = self.get(f'{path}/AGAIN', headers=SHOW_DELETED).json
            self.assertEqual(living, shown['uuid'])

    def test_what_hangs_on_a_deleted_audit(self):
        uuid = self.audit.uuid
        self.delete(self.path('audits'), status=204)
        plan = self.get(f'/v1/action_plans?audit_uuid={uuid}').json[
            'action_plans'][0]
        self.assertEqual([self.plan.uuid, None],
                         [plan['uuid'], plan['audit_uuid']])
        self.assertEqual('RECOMMENDED', plan['state'])
        self.assertEqual(2, len(self.get(
            f'/v1/actions?audit_uuid={uuid}').json['actions']))
        shown = self.get(self.path('action_plans'),
                         headers=SHOW_DELETED).json
        self.assertEqual(uuid, shown['audit_uuid'])

    def test_a_deleted_template_makes_no_audit(self):
        self.delete(self.path('audit_templates'), status=204)
        for headers in ({}, SHOW_DELETED):
            response = self.post('/v1/audits', {
                'audit_type': 'EVENT',
                'audit_template_uuid': self.template.uuid}, headers=headers)
            self.assert_refused(400, response, self.template.uuid)

    def test_a_template_for_what_is_deleted(self):
        for related in (self.strategy, self.goal):
            related.soft_delete()
            response = self.post('/v1/audits', {
                'audit_type': 'EVENT',
                'audit_template_uuid': self.template.uuid})
            self.assert_refused(400, response, 'template', 'dummy')

    def test_references_to_what_is_deleted(self):
        other = self.records.goal(name='gone')
        other.soft_delete()
        for headers in ({}, SHOW_DELETED):
            self.post('/v1/audits', {'audit_type': 'EVENT', 'goal': 'gone'},
                      headers=headers, status=404)
            self.post('/v1/audit_templates', {'name': 'x', 'goal': 'gone'},
                      headers=headers, status=400)

    def test_services(self):
        """Of two with a name a living one is shown, else the oldest."""
        second = self.records.service(host='second')
        path = '/v1/services/watcher-applier'
        self.assertEqual(self.service.id, self.get(path).json['id'])
        for service, shown in ((self.service, second),
                               (second, self.service)):
            objects.Service.dbapi.update_service(service.id, {
                'last_seen_up': service.last_seen_up.replace(year=2020)})
            self.assertEqual(shown.id, self.get(path).json['id'])
        self.assertEqual('FAILED', self.get(path).json['status'])
