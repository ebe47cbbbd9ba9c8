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
"""Every call of python-watcherclient, as programs make it."""

import functools
import inspect
import sys
from typing import Any
from typing import NamedTuple
from unittest import mock

import webob.exc
from keystoneauth1 import session as ks_session
from keystoneauth1 import token_endpoint
from watcherclient import client as watcherclient
from watcherclient import exceptions
from watcherclient.common import base as client_base
from watcherclient.common.apiclient import exceptions as http_exceptions
from watcherclient.v1 import client as v1_client
from watcherclient.v1 import resource_fields

from watcher.tests import base as tests_base
from watcher.tests.functional.api import base

SCOPE = [{'compute': [{'availability_zones': [{'name': 'nova'}]}]}]


def replace(path, value):
    return [{'op': 'replace', 'path': path, 'value': value}]


class Call(NamedTuple):
    """A call, with the names of rows in braces.

    :ivar method: manager and method
    :ivar arguments: by name
    :ivar requests: what the client sends
    :ivar expected: attributes of the result, or of the first of a list; None
        if there is no result
    """

    method: str
    arguments: dict[str, Any]
    requests: str
    expected: dict[str, Any] | None = {}


PAGE = {'limit': 1, 'sort_key': 'id', 'sort_dir': 'desc'}
SENT_PAGE = 'limit=1&sort_key=id&sort_dir=desc'

DUMMY = {'name': 'dummy'}

CALLS = (
    Call('goal.list', {}, 'GET /v1/goals', DUMMY),
    Call('goal.list', {**PAGE, 'detail': True, 'marker': '{other}'},
         f'GET /v1/goals/detail?{SENT_PAGE}&marker={{other}}', DUMMY),
    Call('goal.get', {'goal': '{goal}'}, 'GET /v1/goals/{goal}', DUMMY),

    Call('strategy.list', {'goal': 'dummy'},
         'GET /v1/strategies/?goal=dummy', DUMMY),
    Call('strategy.list', {**PAGE, 'detail': True, 'marker': '{last}'},
         f'GET /v1/strategies/detail?{SENT_PAGE}&marker={{last}}', DUMMY),
    Call('strategy.get', {'strategy': 'DUMMY'}, 'GET /v1/strategies/DUMMY',
         {'name': 'dummy', 'goal_name': 'dummy', 'goal_uuid': '{goal}'}),
    Call('strategy.state', {'strategy': '{strategy}'},
         'GET /v1/strategies/{strategy}/state',
         {'type': 'Datasource', 'state': 'prometheus: available',
          'mandatory': True, 'comment': ''}),

    Call('audit_template.create',
         {'name': '{tag} ünïcode', 'description': 'ein Wört', 'goal': 'dummy',
          'strategy': '{strategy}', 'scope': SCOPE,
          'default_parameters': {'para1': 4}},
         'POST /v1/audit_templates',
         {'description': 'ein Wört', 'strategy_name': 'dummy',
          'scope': SCOPE, 'default_parameters': {'para1': 4}}),
    Call('audit_template.list', {'goal': 'dummy', 'strategy': 'dummy'},
         'GET /v1/audit_templates/?goal=dummy&strategy=dummy',
         {'goal_name': 'dummy'}),
    Call('audit_template.list',
         {**PAGE, 'detail': True, 'marker': '{template2}'},
         f'GET /v1/audit_templates/detail?{SENT_PAGE}&marker={{template2}}',
         {'uuid': '{template}', 'default_parameters': {}}),
    Call('audit_template.get', {'audit_template_id': '{tag}-template'},
         'GET /v1/audit_templates/{tag}-template', {'uuid': '{template}'}),
    Call('audit_template.update',
         {'audit_template_id': '{template}',
          'patch': replace('/description', '')},
         'PATCH /v1/audit_templates/{template}', {'description': ''}),
    Call('audit_template.delete', {'audit_template_id': '{template2}'},
         'DELETE /v1/audit_templates/{template2}', None),

    Call('audit.create',
         {'audit_type': 'CONTINUOUS', 'interval': '60', 'goal': 'dummy',
          'strategy': 'dummy', 'parameters': {'para1': 2},
          'auto_trigger': True, 'name': '{tag}-new', 'force': True,
          'start_time': '2030-01-01T10:00:00+02:00',
          'end_time': '2030-01-02 10:00:00Z'},
         'POST /v1/audits',
         {'state': 'PENDING', 'auto_trigger': True, 'force': True,
          'parameters': {'para1': 2, 'para2': 'hello'},
          'start_time': '2030-01-01T08:00:00',
          'end_time': '2030-01-02T10:00:00'}),
    Call('audit.create',
         {'audit_type': 'ONESHOT', 'audit_template_uuid': '{template}'},
         'POST /v1/audits', {'audit_type': 'ONESHOT', 'interval': None}),
    Call('audit.list', {'goal': '{goal}', 'strategy': '{strategy}'},
         'GET /v1/audits/?goal={goal}&strategy={strategy}',
         {'goal_uuid': '{goal}'}),
    Call('audit.list', {**PAGE, 'detail': True, 'marker': '{audit2}'},
         f'GET /v1/audits/detail?{SENT_PAGE}&marker={{audit2}}',
         {'uuid': '{audit}', 'status_message': None}),
    Call('audit.get', {'audit': '{tag}-audit'}, 'GET /v1/audits/{tag}-audit',
         {'uuid': '{audit}'}),
    Call('audit.update',
         {'audit': '{audit}', 'patch': replace('/state', 'CANCELLED')},
         'PATCH /v1/audits/{audit}', {'state': 'CANCELLED'}),
    Call('audit.delete', {'audit': '{audit}'}, 'DELETE /v1/audits/{audit}',
         None),

    Call('action_plan.list', {'audit': '{done}'},
         'GET /v1/action_plans/?audit_uuid={done}', {'uuid': '{plan}'}),
    Call('action_plan.list', {**PAGE, 'detail': True, 'marker': '{plan2}'},
         f'GET /v1/action_plans/detail?{SENT_PAGE}&marker={{plan2}}',
         {'uuid': '{plan}', 'hostname': None}),
    Call('action_plan.get', {'action_plan_id': '{plan}'},
         'GET /v1/action_plans/{plan}',
         {'audit_uuid': '{done}', 'state': 'RECOMMENDED'}),

    Call('action.list', {'action_plan': '{plan}'},
         'GET /v1/actions/?action_plan_uuid={plan}', {'uuid': '{action}'}),
    Call('action.list', {**PAGE, 'audit': '{done}', 'detail': True,
                         'marker': '{action2}'},
         f'GET /v1/actions/detail?{SENT_PAGE}&marker={{action2}}'
         '&audit_uuid={done}',
         {'uuid': '{action}', 'input_parameters': {'message': 'hello'}}),
    Call('action.get', {'action_id': '{action}'}, 'GET /v1/actions/{action}',
         {'action_plan_uuid': '{plan}', 'description': 'Do nothing'}),
    Call('action.update',
         {'action_id': '{action}', 'patch': replace('/state', 'SKIPPED')},
         'PATCH /v1/actions/{action}',
         {'state': 'SKIPPED', 'status_message': 'Action skipped by user.'}),

    Call('action_plan.start', {'action_plan_id': '{plan}'},
         'POST /v1/action_plans/{plan}/start', {'state': 'PENDING'}),
    Call('action_plan.cancel', {'action_plan_id': '{plan}'},
         'GET /v1/action_plans/{plan} PATCH /v1/action_plans/{plan}',
         {'state': 'CANCELLED'}),
    Call('action_plan.delete', {'action_plan_id': '{plan}'},
         'DELETE /v1/action_plans/{plan}', None),
    Call('action_plan.update',
         {'action_plan_id': '{plan2}', 'patch': replace('/state', 'PENDING')},
         'PATCH /v1/action_plans/{plan2}', {'state': 'PENDING'}),

    Call('scoring_engine.list', {**PAGE, 'detail': True},
         f'GET /v1/scoring_engines/detail?{SENT_PAGE}',
         {'name': 'dummy_scorer', 'metainfo': '{{}}'}),
    Call('scoring_engine.get', {'scoring_engine_name': 'dummy_scorer'},
         'GET /v1/scoring_engines/dummy_scorer', {'description': 'Scores'}),
    Call('service.list', {**PAGE, 'detail': True},
         f'GET /v1/services/detail?{SENT_PAGE}',
         {'name': 'watcher-decision-engine', 'status': 'ACTIVE'}),
    Call('service.get', {'service': 'watcher-applier'},
         'GET /v1/services/watcher-applier', {'host': 'controller'}),
    Call('data_model.list', {'data_model_type': 'compute',
                             'audit': '{audit2}'},
         'GET /v1/data_model/?audit_uuid={audit2}&data_model_type=compute',
         {}),
)

#: Fields that the client would sort by and the API cannot: they are computed.
NOT_SORTABLE = {('action', 'description'),
                ('action_plan', 'efficacy_indicators'),
                ('service', 'status')}


def managers():
    """Return the managers of a client by their names."""
    client = v1_client.Client('http://nowhere')
    return {name: value for name, value in vars(client).items()
            if isinstance(value, client_base.Manager)}


def filled(value, names):
    """Return the value with the names in braces replaced."""
    if isinstance(value, str):
        return value.format(**names)
    if isinstance(value, dict):
        return {key: filled(item, names) for key, item in value.items()}
    return value


class TestLibrary(base.HttpTestCase):

    @classmethod
    def fill(cls):
        super().fill()
        cls.other = cls.records.goal(name='other')
        cls.last = cls.records.strategy(cls.goal, name='last')

    def session_client(self, version='1.5'):
        """Return the client of a program that has a keystoneauth session."""
        session = ks_session.Session(
            auth=token_endpoint.Token(self.url, base.ADMIN))
        return watcherclient.get_client(
            '1', session=session, os_infra_optim_api_version=version)

    # Calls ----------------------------------------------------------------

    def _rows(self, tag):
        records = self.records
        names = {'tag': tag, 'goal': self.goal.uuid, 'other': self.other.uuid,
                 'strategy': self.strategy.uuid, 'last': self.last.uuid}
        for number in ('', '2'):
            template = records.template(self.goal, self.strategy,
                                        name=f'{tag}-template{number}')
            names[f'template{number}'] = template.uuid
        plan = self.plan(f'{tag}-done')
        names['done'] = plan.audit.uuid
        names['plan'] = plan.uuid
        names['plan2'] = self.plan(f'{tag}-done2').uuid
        names['action'], names['action2'] = (
            action.uuid for action in records.actions(plan))
        for number in ('', '2'):
            names[f'audit{number}'] = records.audit(
                self.goal, self.strategy, name=f'{tag}-audit{number}').uuid
        return names

    def _call(self, client, call, names):
        self.recorder.forget()
        manager, _dot, method = call.method.partition('.')
        result = getattr(getattr(client, manager), method)(
            **filled(call.arguments, names))
        self.assertEqual(call.requests.format(**names),
                         ' '.join(self.recorder.requests))
        if call.expected is None:
            self.assertIsNone(result)
            return
        if isinstance(result, list):
            self.assertNotEqual([], result)
            result = result[0]
        document = result.to_dict()
        for name, value in filled(call.expected, names).items():
            self.assertEqual(value, document[name], (call.method, name))

    def _everything(self, tag, client):
        names = self._rows(tag)
        for call in CALLS:
            self._call(client, call, names)

    def test_with_a_token(self):
        self._everything('token', self.library('1.7'))

    def test_with_a_session(self):
        self._everything('session', self.session_client('1.7'))

    def test_headers(self):
        client = self.library('1.7')
        client.goal.list()
        template = self.records.template(self.goal, name='short-lived')
        client.audit_template.delete(template.uuid)
        self.assertEqual(
            [{'version': 'infra-optim 1.7', 'accept': 'application/json',
              'type': 'application/json'},
             {'version': 'infra-optim 1.7', 'accept': '*/*',
              'type': 'application/octet-stream'}],
            self.recorder.headers)

    def test_without_a_version(self):
        for version, sent in ((None, '1.0'), ('1.latest', '1.5'),
                              ('1', '1.0')):
            self.recorder.forget()
            self.library(version).goal.list()
            self.assertEqual(f'infra-optim {sent}',
                             self.recorder.headers[0]['version'])

    def test_sort_keys(self):
        """Whatever the client shows can be sorted by, or is refused."""
        client = self.library('1.7')
        self._rows('sorted')
        for name in managers():
            fields = getattr(resource_fields, f'{name.upper()}_FIELDS', ())
            for field in fields:
                call = getattr(client, name).list
                if (name, field) in NOT_SORTABLE:
                    exc = self.assertRaises(exceptions.HTTPBadRequest, call,
                                            sort_key=field)
                    self.assertIn(f"'{field}'", str(exc))
                else:
                    found = call(sort_key=field, sort_dir='desc')
                    self.assertNotEqual([], found, (name, field))

    # Pages ----------------------------------------------------------------

    def _assert_pages(self, call):
        """Follow the pages of seven items, two to a page."""
        for limit, expected, requests in (
                (0, 7, 4), (3, 3, 2), (7, 7, 4), (8, 7, 4), (None, 2, 1)):
            self.recorder.forget()
            found = call(limit=limit)
            self.assertEqual(expected, len(found), limit)
            self.assertEqual(expected, len({item.uuid for item in found}))
            self.assertEqual(requests, len(self.recorder.requests))

    def test_pages_are_followed(self):
        goal = self.records.goal(name='paged')
        for number in range(7):
            template = self.records.template(goal, name=f'paged{number}')
        plan = self.records.plan(self.done_audit('paged'), self.strategy,
                                 actions=7)
        self.config(max_limit=2, group='api')
        for client in (self.library(), self.session_client()):
            # The filters stay in the links to the next page.
            self._assert_pages(functools.partial(
                client.audit_template.list, goal='paged', detail=True,
                sort_key='strategy_name'))
            self._assert_pages(functools.partial(
                client.action.list, action_plan=plan.uuid))
        self.assertEqual([], self.library().audit_template.list(
            limit=0, marker=template.uuid, goal='paged'))

    def test_services_have_numbers_as_markers(self):
        self.config(max_limit=1, group='api')
        found = self.library().service.list(limit=0, sort_key='name',
                                            sort_dir='desc')
        self.assertEqual(['watcher-decision-engine', 'watcher-applier'],
                         [item.name for item in found])

    # Errors ---------------------------------------------------------------

    def _refused(self, expected, status, words, call, *args, **kwargs):
        exc = self.assertRaises(expected, call, *args, **kwargs)
        self.assertEqual(status, exc.http_status)
        self.assertEqual(exc.response.headers['X-OpenStack-Request-ID'],
                         exc.request_id)
        for word in (*words, f'(HTTP {status})',
                     f'(Request-ID: {exc.request_id})'):
            self.assertIn(word, str(exc))

    def test_errors_keep_their_text(self):
        self.records.template(self.goal, name='used')
        for client in (self.library(), self.session_client()):
            self._refused(exceptions.HTTPNotFound, 404, ['nope'],
                          client.goal.get, 'nope')
            self._refused(
                exceptions.HTTPBadRequest, 400, ['para1', 'number'],
                client.audit.create, audit_type='ONESHOT', goal='dummy',
                strategy='dummy', parameters={'para1': 'x'})
            self._refused(
                exceptions.Conflict, 409, ['used', 'already exists'],
                client.audit_template.create, name='used', goal='dummy')

    def test_filters_nobody_can_answer(self):
        client = self.library()
        self._refused(exceptions.HTTPBadRequest, 400, ['audit_template'],
                      client.audit.list, audit_template='t')

    def test_routing_errors_have_a_text(self):
        client = self.library()
        self._refused(exceptions.HTTPNotFound, 404, ['Nothing is found'],
                      client.goal.get, 'dummy/nope')

    def test_token(self):
        self._refused(exceptions.Unauthorized, 401, [],
                      self.library(token='no-token').goal.list)

    def test_policy(self):
        self._refused(http_exceptions.Forbidden, 403, ['goal:get_all'],
                      self.library(token=base.READER).goal.list)

    def test_version_that_does_not_exist(self):
        for client in (self.library('1.99'), self.session_client('1.99')):
            exc = self.assertRaises(exceptions.UnsupportedVersion,
                                    client.goal.list)
            self.assertIn('1.0 to 1.10', ' '.join(str(exc).split()))

    def test_identity_service_away(self):
        """The client chokes on a 503 with the header Retry-After."""
        client = self.library(max_retries=0)
        with mock.patch('keystonemiddleware.auth_token.AuthProtocol.'
                        'fetch_token',
                        side_effect=webob.exc.HTTPServiceUnavailable()):
            self._refused(exceptions.HTTPServiceUnavailable, 503, [],
                          client.goal.list)

    def test_decision_engine_fails(self):
        self.api.bus.decision_engine.failure = RuntimeError('SELECT secret')
        self.addCleanup(setattr, self.api.bus.decision_engine, 'failure',
                        None)
        exc = self.assertRaises(exceptions.HTTPInternalServerError,
                                self.library().strategy.state, 'dummy')
        self.assertNotIn('secret', str(exc))


class TestNothingIsForgotten(tests_base.TestCase):
    """The calls above are all that the installed client offers."""

    def _arguments(self, manager, method):
        names = set(inspect.signature(method).parameters)
        if names == {'kwargs'}:
            module = sys.modules[type(manager).__module__]
            return set(module.CREATION_ATTRIBUTES)
        return names

    def test_every_call_and_argument(self):
        offered = {
            (f'{name}.{method}', argument)
            for name, manager in managers().items()
            for method, function in inspect.getmembers(
                manager, inspect.ismethod)
            if not method.startswith('_')
            for argument in self._arguments(manager, function)}
        called = {(call.method, argument) for call in CALLS
                  for argument in call.arguments}
        # Refused, see TestErrors.
        refused = {('audit.list', 'audit_template'),
                   ('audit_template.list', 'name')}
        self.assertEqual(offered - refused, called)
