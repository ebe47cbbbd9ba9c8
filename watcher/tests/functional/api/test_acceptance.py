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
"""The acceptance checklist of the API, and what acceptance suites assert.

``CHECKLIST`` has a row for each promise that a service made to be a drop-in
replacement has to keep; its requests are sent in this order, with real tokens
over HTTP. The last row, every command of the client at every version, is
:mod:`watcher.tests.functional.api.test_client_commands`.
"""

import json
import re
from typing import Any
from typing import NamedTuple

import requests
import webtest

from watcher.api import app
from watcher.tests.functional.api import base

UNKNOWN = '7f7b1a55-4d5c-4a3a-8c0e-ffffffffffff'

MIN = 'OpenStack-API-Minimum-Version'
MAX = 'OpenStack-API-Maximum-Version'
VERSION = 'OpenStack-API-Version'
RANGE = {MIN: '1.0', MAX: '1.10'}

RESOURCES = ('goals', 'strategies', 'audit_templates', 'audits',
             'action_plans', 'actions', 'services', 'scoring_engines')


class Row(NamedTuple):
    """A request and what is expected of its response.

    :ivar number: in the checklist
    :ivar request: method and path, with names of rows in braces
    :ivar version: None sends no header
    :ivar says: in the text of the error
    :ivar shows: members of the document; a dot leads into members and lists
    :ivar lacks: members or headers that must not be there
    :ivar save: name for the UUID of the document
    """

    number: int
    request: str
    status: int
    body: Any = None
    version: str | None = '1.7'
    token: str | None = base.ADMIN
    says: str = ''
    shows: dict[str, Any] = {}
    lacks: tuple[str, ...] = ()
    headers: dict[str, str] = {}
    sent: dict[str, str] = {}
    save: str = ''


def operation(path, value, op='replace'):
    return [{'op': op, 'path': path, 'value': value}]


def audit(**values):
    return {'audit_type': 'ONESHOT', 'goal': 'dummy', **values}


def template(**values):
    return {'name': 't', 'goal': 'dummy', 'strategy': None, 'scope': [],
            **values}


CONTINUOUS = {'audit_type': 'CONTINUOUS', 'goal': 'dummy', 'interval': '60'}
REFUSED_BODIES = (
    ('{', {'Content-Type': 'application/json'}, 400),
    ('{}', {'Content-Type': 'text/plain'}, 415),
    ('', {'Content-Type': 'application/json'}, 400),
)

CHECKLIST = (
    Row(1, 'GET /', 200, version=None, token=None,
        shows={'versions.0.max_version': '1.10'}, lacks=(VERSION, MIN, MAX)),
    Row(2, 'GET /v1', 401, token=None,
        headers={'WWW-Authenticate': 'Keystone uri="http://keystone.example"',
                 'Content-Type': 'application/json'}),
    Row(3, 'GET /v1/goals', 200, version=None,
        headers={VERSION: 'infra-optim 1.0', **RANGE, 'Vary': VERSION}),
    Row(4, 'GET /v1/goals', 406, version='1.11', headers=RANGE, says='1.11',
        lacks=(VERSION,)),
    *(Row(5, 'GET /v1/goals', 200, version=asked,
          headers={VERSION: f'infra-optim {used}'})
      for asked, used in (('1', '1.0'), ('latest', '1.10'), ('abc', '1.0'))),
    Row(6, 'GET /v1/goals/?limit=2', 200, shows={
        'goals.0.name': 'dummy', 'goals.1.uuid': '{goal2}',
        'next': '{url}/v1/goals?sort_key=id&sort_dir=asc&limit=2'
                '&marker={goal2}'}),
    *(Row(7, f'GET /v1/goals?{query}', 400, says=name)
      for query, name in (
          ('limit=0', 'limit'), ('limit=x', 'limit'), ('foo=1', 'foo'),
          ('sort_dir=ASC', 'sort_dir'), ('sort_key=foo', 'sort_key'))),
    Row(8, 'GET /v1/goals/DUMMY', 200, shows={'name': 'dummy'}),
    Row(9, 'GET /v1/goals/nope', 404, says='nope'),
    Row(10, 'PUT /v1/goals/dummy', 405, headers={'Allow': 'GET'}),
    Row(11, 'GET /v1/strategies/dummy/state', 200, version=None,
        shows={'3.type': 'Name', '3.mandatory': '', '3.state': 'dummy'}),

    Row(12, 'POST /v1/audit_templates', 201, template(), save='template',
        shows={'links.0.href': '{url}/v1/audit_templates/{template}'},
        headers={'Location': '{url}/v1/audit_templates/{template}'}),
    Row(13, 'POST /v1/audit_templates', 409, template(), says="'t'"),
    Row(14, 'POST /v1/audit_templates', 400, template(extra=1), says='extra'),
    Row(15, 'POST /v1/audit_templates', 406,
        template(name='d', strategy='dummy', default_parameters={'para1': 2}),
        version='1.6', says='default_parameters'),
    Row(15, 'POST /v1/audit_templates', 201,
        template(name='e', strategy='dummy', default_parameters={}),
        version='1.6', lacks=('default_parameters',)),
    Row(16, 'POST /v1/audit_templates', 201,
        template(name='d', strategy='dummy', default_parameters={'para1': 2}),
        shows={'default_parameters': {'para1': 2}}),
    Row(16, 'PATCH /v1/audit_templates/d', 409,
        operation('/strategy', 'other'), says='default_parameters'),

    Row(17, 'POST /v1/audits', 201, audit(), version=None, save='audit',
        shows={'force': False, 'state': 'PENDING'},
        lacks=('start_time', 'end_time', 'status_message')),
    Row(18, 'POST /v1/audits', 400, audit(state='PENDING'), says='state'),
    Row(19, 'POST /v1/audits', 400,
        {'audit_type': 'CONTINUOUS', 'goal': 'dummy'}, says='nterval'),
    Row(19, 'POST /v1/audits', 400, audit(interval='60'), says='nterval'),
    Row(19, 'POST /v1/audits', 400, {**CONTINUOUS, 'interval': 60},
        says='interval'),
    Row(20, 'POST /v1/audits', 406,
        {**CONTINUOUS, 'start_time': '2030-01-01T10:00:00'}, version=None,
        says='start_time'),
    Row(20, 'POST /v1/audits', 201,
        {**CONTINUOUS, 'start_time': '2030-01-01T10:00:00+02:00'},
        version='1.1', shows={'start_time': '2030-01-01T08:00:00',
                              'interval': '60'}),
    Row(21, 'POST /v1/audits', 201, audit(strategy='dummy'),
        shows={'parameters': {'para1': 3.2, 'para2': 'hello'}}),
    Row(22, 'POST /v1/audits', 400,
        audit(strategy='dummy', parameters={'nope': 1}), says='nope'),
    Row(23, 'POST /v1/audits', 400, audit(audit_template_uuid='{template}'),
        says='goal'),
    Row(23, 'POST /v1/audits', 400, {'audit_type': 'ONESHOT'}, says='goal'),
    Row(24, 'POST /v1/audits', 400,
        {'audit_type': 'ONESHOT', 'audit_template_uuid': UNKNOWN},
        says=UNKNOWN),
    Row(25, 'PATCH /v1/audits/{audit}', 400, operation('/state', 'SUCCEEDED'),
        says='State transition not allowed'),
    Row(27, 'DELETE /v1/audits/{audit}', 400,
        says="Couldn't delete when state is"),
    Row(26, 'PATCH /v1/audits/{audit}', 200, operation('/state', 'CANCELLED'),
        shows={'state': 'CANCELLED'}),
    Row(29, 'PATCH /v1/audits/{audit}', 200, operation('/name', 'reused')),
    Row(26, 'DELETE /v1/audits/{audit}', 204, lacks=('Content-Type',)),
    Row(28, 'GET /v1/audits/{audit}', 404, says='{audit}'),
    Row(28, 'GET /v1/audits/{audit}', 200, sent={'X-Show-Deleted': 'True'},
        shows={'state': 'DELETED'}),
    Row(29, 'POST /v1/audits', 201, audit(name='reused')),

    Row(30, 'POST /v1/webhooks/{event}', 202, {}, version=None,
        token=base.SERVICE, lacks=('Content-Type',),
        headers={'Content-Length': '0'}),
    Row(30, 'POST /v1/webhooks/{event}', 403, {}, version=None,
        token=base.MEMBER, says='webhook:trigger'),
    Row(31, 'POST /v1/webhooks/reused', 400, {}, token=base.SERVICE,
        says='ONESHOT'),
    Row(31, 'POST /v1/webhooks/nope', 404, {}, token=base.SERVICE,
        says='nope'),

    Row(32, 'PATCH /v1/action_plans/{plan1}', 200,
        operation('/state', 'PENDING'), shows={'state': 'PENDING'}),
    Row(32, 'PATCH /v1/action_plans/{plan1}', 400,
        operation('/state', 'PENDING'),
        says='State transition not allowed'),
    Row(33, 'POST /v1/action_plans/{plan2}/start', 200, {},
        shows={'state': 'PENDING'}),
    Row(33, 'GET /v1/action_plans/{plan2}/start', 404),
    Row(34, 'PATCH /v1/action_plans/{plan3}', 200,
        operation('/state', 'CANCELLED'), shows={'state': 'CANCELLED'}),
    Row(34, 'GET /v1/actions?action_plan_uuid={plan3}', 200,
        shows={'actions.0.state': 'CANCELLED',
               'actions.1.state': 'CANCELLED'}),
    Row(35, 'DELETE /v1/action_plans/{plan3}', 204, lacks=('Content-Type',)),
    Row(35, 'GET /v1/actions?action_plan_uuid={plan3}', 200,
        shows={'actions': []}),
    Row(36, 'GET /v1/action_plans/nope', 400, says='nope'),
    Row(36, f'GET /v1/action_plans/{UNKNOWN}', 404, says=UNKNOWN),

    Row(37, 'PATCH /v1/actions/{action1}', 400,
        operation('/state', 'SKIPPED'), version='1.4', says='1.5'),
    Row(37, 'PATCH /v1/actions/{action1}', 200,
        operation('/state', 'SKIPPED')
        + operation('/status_message', 'skipped test'), version='1.5',
        shows={'state': 'SKIPPED', 'status_message':
               'Action skipped by user. Reason: skipped test'}),
    Row(38, 'PATCH /v1/actions/{action2}', 409,
        operation('/status_message', 'why'), says='SKIPPED'),
    Row(38, 'PATCH /v1/actions/{action2}', 409,
        operation('/state', 'SUCCEEDED'),
        says='State transition not allowed'),
    Row(39, 'DELETE /v1/actions/{action2}', 405,
        headers={'Allow': 'GET, PATCH'}),
    Row(40, 'GET /v1/actions?action_plan_uuid={plan1}&audit_uuid={event}',
        400, says='audit'),

    Row(41, 'GET /v1/data_model', 406, version='1.2', says='1.3'),
    Row(41, 'GET /v1/data_model', 200, version='1.3',
        shows={'context.0.node_hostname': 'compute1'}),
    Row(41, 'GET /v1/data_model?data_model_type=storage', 404,
        version='1.3', says='storage'),
    Row(42, 'GET /v1/data_model', 200, version='1.5',
        lacks=('context.0.server_pinned_az',
               'context.0.server_flavor_extra_specs')),
    Row(42, 'GET /v1/data_model', 200, version='1.6',
        shows={'context.0.server_pinned_az': 'nova',
               'context.0.server_flavor_extra_specs':
               {'hw:cpu_policy': 'shared'}}),
    Row(43, 'GET /v1/services', 200, shows={'services.0.status': 'ACTIVE'},
        lacks=('services.0.last_seen_up',)),
    Row(43, 'GET /v1/services/1', 200, shows={
        'status': 'ACTIVE',
        'last_seen_up': re.compile(r'^[\d-]{10}T[\d:]{8}(\.\d+)?$')}),
    *(Row(44, 'POST /v1/audits', status, body, sent=sent)
      for body, sent, status in REFUSED_BODIES),
    Row(45, 'DELETE /v1/audit_templates/t', 204,
        sent={'Content-Type': 'application/octet-stream'}),
)

#: Rows that are no single request.
APART = {46, 47, 48}

NOTHING = object()


def find(document, path):
    """Return what is found under the path, NOTHING if it is not there."""
    for name in path.split('.'):
        key = int(name) if isinstance(document, list) else name
        try:
            document = document[key]
        except (KeyError, IndexError, TypeError):
            return NOTHING
    return document


class TestAcceptance(base.HttpTestCase):

    @classmethod
    def fill(cls):
        super().fill()
        cls.goal2 = cls.records.goal(name='second')
        cls.records.goal(name='third')
        cls.records.strategy(cls.goal, name='other')

    # The checklist --------------------------------------------------------

    def _names(self):
        names = {'url': self.url, 'goal2': self.goal2.uuid,
                 'event': self.records.audit(
                     self.goal, name='event', audit_type='EVENT').uuid}
        for number in (1, 2, 3):
            plan = self.plan(f'listed {number}')
            names[f'plan{number}'] = plan.uuid
            if number == 1:
                names['action1'], names['action2'] = (
                    action.uuid for action in self.records.actions(plan))
        return names

    def _filled(self, value, names):
        if isinstance(value, str):
            for name, text in names.items():
                value = value.replace(f'{{{name}}}', text)
        return value

    def _send(self, row, names):
        method, _space, path = row.request.partition(' ')
        headers = {'Accept': 'application/json', **row.sent}
        if row.token:
            headers['X-Auth-Token'] = row.token
        if row.version:
            headers[VERSION] = f'infra-optim {row.version}'
        body = row.body
        if body is not None and not isinstance(body, str):
            headers['Content-Type'] = 'application/json'
            body = self._filled(json.dumps(body), names)
        return requests.request(
            method, self.url + self._filled(path, names), data=body,
            headers=headers, timeout=60)

    def _check(self, row, response, names):
        what = f'row {row.number}: {row.request}: {response.text}'
        self.assertEqual(row.status, response.status_code, what)
        document = response.json() if response.content else {}
        if row.save:
            names[row.save] = document['uuid']
        for name, value in row.headers.items():
            self.assertEqual(self._filled(value, names),
                             response.headers.get(name), what)
        for path, value in row.shows.items():
            found = find(document, path)
            if isinstance(value, re.Pattern):
                self.assertRegex(found, value, what)
            else:
                self.assertEqual(self._filled(value, names), found, what)
        for name in row.lacks:
            self.assertNotIn(name, response.headers, what)
            self.assertIs(NOTHING, find(document, name), what)
        if row.status >= 400 and row.status != 401:
            self._check_error(row, document, names, what)

    def _check_error(self, row, document, names, what):
        self.assertEqual(['error_message'], list(document), what)
        self.assertIsInstance(document['error_message'], str, what)
        inner = json.loads(document['error_message'])
        self.assertEqual('Client', inner['faultcode'], what)
        self.assertIsNone(inner['debuginfo'], what)
        self.assertIn(self._filled(row.says, names), inner['faultstring'],
                      what)

    def test_checklist(self):
        names = self._names()
        for row in CHECKLIST:
            self._check(row, self._send(row, names), names)
        decision_engine = self.api.bus.decision_engine.wait(3)
        applier = self.api.bus.applier.wait(2)
        for uuid, calls in ((names['audit'], decision_engine),
                            (names['plan1'], applier),
                            (names['plan2'], applier)):
            self.assertEqual(1, sum(uuid in call for call in calls))

    def test_checklist_is_whole(self):
        self.assertEqual(set(range(1, 49)),
                         {row.number for row in CHECKLIST} | APART)

    def _without_tokens(self):
        self.config(enable_authentication=False)
        return webtest.TestApp(app.pipeline(app.controllers(), base.CONF))

    def test_row_46_authentication_off(self):
        client = self._without_tokens()
        for path in ('/', '/v1'):
            client.get(path, status=200)
        for name in RESOURCES:
            client.get(f'/v1/{name}', status=403)
        # Roles compare without letter case.
        client.get('/v1/goals', status=200,
                   headers={'X-Roles': 'member , Admin'})

    def test_row_47_mounted(self):
        client = self._without_tokens()
        client.extra_environ = {'SCRIPT_NAME': '/infra-optim',
                                'HTTP_HOST': 'host', 'HTTP_X_ROLES': 'admin'}
        document = client.get('/').json
        self.assertEqual('http://host/infra-optim/v1/',
                         document['versions'][0]['links'][0]['href'])
        document = client.get('/v1').json
        self.assertEqual('http://host/infra-optim/v1/audits/',
                         document['audits'][0]['href'])
        made = client.post_json('/v1/audits', audit(name='mounted'),
                                status=201)
        uuid = made.json['uuid']
        self.assertEqual(f'http://host/infra-optim/v1/audits/{uuid}',
                         made.headers['Location'])
        self.assertEqual(f'http://host/v1/audits/{uuid}',
                         made.json['links'][0]['href'])
        page = client.get('/v1/goals?limit=1').json
        self.assertTrue(page['next'].startswith('http://host/v1/goals?'))

    # What acceptance suites assert ----------------------------------------

    def _get(self, path, **kwargs):
        return self.http('GET', path, status=200, **kwargs).json()

    def _made(self, path, body, **kwargs):
        """Create something, without a version header as the suites do."""
        return self.http('POST', path, body, status=201, **kwargs).json()

    def _changed(self, path, *operations, status=200, **kwargs):
        body = [{'op': op, 'path': where, 'value': value}
                for op, where, value in operations]
        return self.http('PATCH', path, body, status=status, **kwargs).json()

    def _assert_same(self, shown, made, *but):
        """Everything is as in the response to the creation."""
        for name in ('created_at', 'updated_at', 'deleted_at', *but):
            shown.pop(name)
            made.pop(name)
        self.assertEqual(made, shown)

    def test_links_of_every_item(self):
        self.records.template(self.goal, name='linked')
        self.plan('linked')
        for resource in RESOURCES:
            for path in (resource, f'{resource}/detail'):
                items = self._get(f'/v1/{path}')[resource]
                self.assertNotEqual([], items)
                for item in items:
                    self_link, bookmark = item['links']
                    ident = str(item.get('uuid') or item['id'])
                    self.assertRegex(
                        self_link['href'],
                        f'^https?://[^/]+/v1/{resource}/{ident}$')
                    self.assertEqual(('self', 'bookmark'),
                                     (self_link['rel'], bookmark['rel']))
                    # The links lead somewhere.
                    path = bookmark['href'].removeprefix(self.url)
                self._get(path)

    def test_discovery(self):
        document = self._get('/')
        self.assertEqual(['v1'], [v['id'] for v in document['versions']])
        self.assertEqual('v1', document['default_version']['id'])
        self.assertLessEqual(
            {'audit_templates', 'audits', 'action_plans', 'actions', 'links',
             'media_types'}, set(self._get('/v1')))

    def test_pages(self):
        for number in range(5):
            self.records.template(self.goal, name=f'paged {number}')
            self.plan(f'paged {number}')
        for resource in ('audit_templates', 'action_plans'):
            document = self._get(f'/v1/{resource}?limit=3')
            self.assertEqual(3, len(document[resource]))
            self.assertIn(document[resource][2]['uuid'], document['next'])

    def test_doubled_slashes(self):
        self._get('/v1//audits/detail')

    def test_exact_members(self):
        shown = self._get('/v1/goals/dummy')
        self.assertEqual(
            {'created_at', 'deleted_at', 'display_name',
             'efficacy_specification', 'links', 'name', 'updated_at', 'uuid'},
            set(shown))
        shown = self._get('/v1/scoring_engines/dummy_scorer')
        self.assertEqual({'description', 'links', 'metainfo', 'name', 'uuid'},
                         set(shown))

    def test_templates(self):
        path = '/v1/audit_templates'
        made = self._made(path, {
            'name': 'tempest 漢字', 'goal': self.goal.uuid, 'strategy': None,
            'description': None, 'scope': []})
        self.assertIsNone(made['strategy_uuid'])
        self.assertIsNone(made['strategy_name'])
        item = f"{path}/{made['uuid']}"
        self._assert_same(self._get(item), made)
        changed = self._changed(
            item, ('replace', '/name', 'tempest renamed'),
            ('replace', '/description', 'ünïcödé ☃'),
            ('replace', '/goal', self.goal.uuid),
            ('replace', '/strategy', self.strategy.uuid))
        self.assertEqual(
            ('tempest renamed', 'ünïcödé ☃', self.goal.uuid,
             self.strategy.uuid),
            tuple(changed[name] for name in (
                'name', 'description', 'goal_uuid', 'strategy_uuid')))
        self.assertIsNone(self._changed(
            item, ('remove', '/description', None))['description'])
        self.assertEqual('again', self._changed(
            item, ('add', '/description', 'again'))['description'])
        response = self.http('DELETE', item, status=204)
        self.assertEqual(b'', response.content)
        self.http('GET', item, status=404)

    def test_audits(self):
        template = self.records.template(self.goal, self.strategy,
                                         name='for audits')
        made = self._made('/v1/audits', {
            'audit_template_uuid': template.uuid, 'audit_type': 'ONESHOT',
            'interval': None, 'parameters': None})
        self.assertEqual((self.goal.uuid, 'ONESHOT', None), tuple(
            made[name] for name in ('goal_uuid', 'audit_type', 'interval')))
        self._assert_same(self._get(f"/v1/audits/{made['uuid']}"), made,
                          'state', 'next_run_time', 'hostname')
        for wrong in ({'audit_template_uuid': 'INVALID'},
                      {'audit_template_uuid': template.uuid,
                       'state': 'INVALID'}):
            self.http('POST', '/v1/audits', {'audit_type': 'ONESHOT',
                                             **wrong}, status=400)

    def test_continuous_audits(self):
        made = self._made('/v1/audits', {
            'audit_type': 'CONTINUOUS', 'goal': 'dummy',
            'interval': '*/5 * * * *', 'start_time': '2030-01-01T10:00:00',
            'end_time': '2030-01-01T11:00:00'}, version='1.1')
        self.assertEqual('*/5 * * * *', made['interval'])
        self.assertIsNotNone(made['start_time'])
        self.assertIsNotNone(made['end_time'])
        item = f"/v1/audits/{made['uuid']}"
        self.assertEqual('*/2 * * * *', self._changed(
            item, ('replace', '/interval', '*/2 * * * *'))['interval'])
        changed = self._changed(item, ('replace', '/state', 'CANCELLED'))
        self.assertEqual('CANCELLED', changed['state'])
        self.http('DELETE', item, status=204)

    def test_event_audits(self):
        made = self._made('/v1/audits', {'audit_type': 'EVENT',
                                         'goal': 'dummy'})
        self.assertEqual('PENDING', made['state'])
        changed = self._changed(f"/v1/audits/{made['uuid']}",
                                ('replace', '/state', 'CANCELLED'))
        self.assertEqual('CANCELLED', changed['state'])

    def test_interval_of_a_finished_oneshot_audit(self):
        audit = self.done_audit('finished', hostname='engine1')
        changed = self._changed(f'/v1/audits/{audit.uuid}',
                                ('add', '/interval', '2'))
        self.assertEqual(('2', 'engine1'),
                         (changed['interval'], changed['hostname']))

    def test_texts_that_suites_match(self):
        audit = self.done_audit('just finished')
        error = self._changed(f'/v1/audits/{audit.uuid}',
                              ('replace', '/state', 'CANCELLED'), status=400)
        self.assertIn('State transition not allowed', error['error_message'])
        plan = self.plan('running', state='ONGOING')
        error = self.http('DELETE', f'/v1/action_plans/{plan.uuid}',
                          status=400)
        self.assertIn("Couldn't delete when state is", error.text)

    def test_plans_and_actions(self):
        plan = self.plan('with actions')
        expected = [action.uuid for action in self.records.actions(plan)]
        for query in (f'action_plan_uuid={plan.uuid}',
                      f'audit_uuid={plan.audit.uuid}'):
            found = self._get(f'/v1/actions?{query}')['actions']
            self.assertEqual(expected, [action['uuid'] for action in found])
            self.assertEqual({plan.uuid}, {action['action_plan_uuid']
                                           for action in found})
        changed = self._changed(
            f'/v1/actions/{expected[0]}', ('replace', '/state', 'SKIPPED'),
            ('replace', '/status_message', 'skipped test'), version='1.5')
        self.assertEqual('Action skipped by user. Reason: skipped test',
                         changed['status_message'])
        changed = self._changed(f'/v1/action_plans/{plan.uuid}',
                                ('replace', '/state', 'PENDING'))
        self.assertIn(changed['state'], ('PENDING', 'ONGOING'))

    def test_data_model(self):
        entry = self._get('/v1//data_model', version='1.3')['context'][0]
        for name in ('node_hostname', 'node_uuid', 'node_vcpus',
                     'node_memory', 'node_state', 'node_vcpu_ratio',
                     'node_vcpu_reserved'):
            self.assertIn(name, entry)
        for name in ('node_vcpus', 'node_memory', 'server_vcpus',
                     'server_memory'):
            self.assertIsInstance(entry[name], int)

    def test_services(self):
        services = self._get('/v1/services')['services']
        self.assertLessEqual({'watcher-decision-engine', 'watcher-applier'},
                             {service['name'] for service in services})
        for service in services:
            for name in ('id', 'name', 'host', 'status'):
                self.assertIsNotNone(service[name])
