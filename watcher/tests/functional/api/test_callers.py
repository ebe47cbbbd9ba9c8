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
"""What other programs ask of the API, and what they read of its answers.

The dashboard (watcher-dashboard), the alarming service (Aodh), keystoneauth
and openstacksdk: their exact requests, in their order.
"""

from typing import Any
from typing import NamedTuple

import openstack
import webtest
from keystoneauth1 import access
from keystoneauth1 import adapter
from keystoneauth1 import discover
from keystoneauth1 import fixture as ks_fixture
from keystoneauth1 import noauth
from keystoneauth1 import session as ks_session
from keystoneauth1.identity import access as access_plugin
from watcherclient import exceptions

from watcher.api import app
from watcher.common import policies
from watcher.tests.functional.api import base

TIMESTAMPS = ('created_at', 'updated_at')
GOAL = ('uuid', 'name', 'display_name', *TIMESTAMPS,
        'efficacy_specification.name', 'efficacy_specification.description',
        'efficacy_specification.unit', 'efficacy_specification.schema')
STRATEGY = ('uuid', 'name', 'display_name', 'goal_name',
            'parameters_spec.properties')
TEMPLATE = ('uuid', 'name', 'goal_name', 'strategy_name')
AUDIT = ('uuid', 'name', 'goal_name', 'strategy_name', 'audit_type',
         'auto_trigger', 'state')
PLAN = ('uuid', 'audit_uuid', 'updated_at', 'state', 'global_efficacy.name',
        'global_efficacy.value', 'global_efficacy.unit')
ACTION = ('uuid', 'action_type', 'state', 'action_plan_uuid',
          'input_parameters', *TIMESTAMPS)


class Panel(NamedTuple):
    """What a page of the dashboard asks for, and what it shows.

    :ivar version: that it asks for
    :ivar method: of the client library
    :ivar members: what it reads of each item; a dot leads into a member, or
        into the elements of a list
    """

    title: str
    version: str
    method: str
    arguments: dict[str, Any]
    request: str
    members: tuple[str, ...]


PANELS = (
    Panel('goals', '1.0', 'goal.list', {'detail': True},
          'GET /v1/goals/detail', GOAL),
    Panel('goal', '1.0', 'goal.get', {'goal': '{goal}'},
          'GET /v1/goals/{goal}', GOAL),
    Panel('goal by name', '1.0', 'goal.get', {'goal': 'dummy'},
          'GET /v1/goals/dummy', GOAL),
    Panel('strategies of the goal', '1.0', 'strategy.list',
          {'goal': '{goal}', 'detail': True},
          'GET /v1/strategies/detail?goal={goal}', STRATEGY),
    Panel('strategies', '1.0', 'strategy.list', {'detail': True},
          'GET /v1/strategies/detail', STRATEGY),
    Panel('strategy', '1.0', 'strategy.get', {'strategy': '{strategy}'},
          'GET /v1/strategies/{strategy}', STRATEGY),
    Panel('templates', '1.0', 'audit_template.list', {'detail': True},
          'GET /v1/audit_templates/detail', TEMPLATE),
    Panel('templates of the goal', '1.0', 'audit_template.list',
          {'goal': 'dummy', 'detail': True},
          'GET /v1/audit_templates/detail?goal=dummy', TEMPLATE),
    Panel('templates of the strategy', '1.0', 'audit_template.list',
          {'strategy': 'dummy', 'detail': True},
          'GET /v1/audit_templates/detail?strategy=dummy', TEMPLATE),
    Panel('template', '1.0', 'audit_template.get',
          {'audit_template_id': '{template}'},
          'GET /v1/audit_templates/{template}',
          (*TEMPLATE, 'description', 'scope', *TIMESTAMPS)),
    Panel('audits', '1.1', 'audit.list', {'detail': True},
          'GET /v1/audits/detail', AUDIT),
    Panel('audits of the goal', '1.1', 'audit.list',
          {'goal': 'dummy', 'detail': True},
          'GET /v1/audits/detail?goal=dummy', AUDIT),
    Panel('audits of the strategy', '1.1', 'audit.list',
          {'strategy': 'dummy', 'detail': True},
          'GET /v1/audits/detail?strategy=dummy', AUDIT),
    Panel('audit', '1.1', 'audit.get', {'audit': '{audit}'},
          'GET /v1/audits/{audit}',
          (*AUDIT, 'parameters', 'start_time', 'end_time', *TIMESTAMPS)),
    Panel('plans of the audit', '1.0', 'action_plan.list',
          {'audit': '{audit}', 'detail': True},
          'GET /v1/action_plans/detail?audit_uuid={audit}', PLAN),
    Panel('plans', '1.0', 'action_plan.list', {'detail': True},
          'GET /v1/action_plans/detail', PLAN),
    Panel('plan', '1.5', 'action_plan.get', {'action_plan_id': '{plan}'},
          'GET /v1/action_plans/{plan}',
          (*PLAN, 'efficacy_indicators.name', 'efficacy_indicators.value',
           'status_message')),
    Panel('actions of the plan', '1.0', 'action.list',
          {'action_plan': '{plan}', 'detail': True},
          'GET /v1/actions/detail?action_plan_uuid={plan}', ACTION),
    Panel('actions', '1.0', 'action.list', {'detail': True},
          'GET /v1/actions/detail', ACTION),
    Panel('action', '1.5', 'action.get', {'action_id': '{action}'},
          'GET /v1/actions/{action}', (*ACTION, 'status_message')),
    Panel('action to skip', '1.0', 'action.get', {'action_id': '{action}'},
          'GET /v1/actions/{action}', ACTION),
)

#: What the dashboard asks its own copy of the policy for.
DASHBOARD_RULES = {
    'action:detail', 'action:update', 'action_plan:delete',
    'action_plan:detail', 'action_plan:update', 'audit:create',
    'audit:delete', 'audit:detail', 'audit:update', 'audit_template:create',
    'audit_template:delete', 'audit_template:detail', 'strategy:detail'}

#: The body of Aodh's notification.
ALARM = {
    'alarm_name': 'host_down', 'alarm_id': 'fb2a-11', 'severity': 'critical',
    'previous': 'ok', 'current': 'alarm', 'reason': 'Transition to alarm',
    'reason_data': {'type': 'event', 'event': {'traits': []}}}


def read(document, path):
    """Return what is found under the path; lists are looked into."""
    name, _dot, rest = path.partition('.')
    value = document[name]
    if not rest:
        return value
    if isinstance(value, list):
        return [read(item, rest) for item in value]
    return read(value, rest)


class TestDashboard(base.HttpTestCase):

    @classmethod
    def fill(cls):
        super().fill()
        records = cls.records
        template = records.template(cls.goal, cls.strategy)
        audit = records.audit(cls.goal, cls.strategy, state='SUCCEEDED')
        plan = records.plan(audit, cls.strategy, actions=1)
        action, = records.actions(plan)
        cls.names = {'goal': cls.goal.uuid, 'strategy': cls.strategy.uuid,
                     'template': template.uuid, 'audit': audit.uuid,
                     'plan': plan.uuid, 'action': action.uuid}

    def _call(self, version, method, **arguments):
        manager, _dot, name = method.partition('.')
        client = getattr(self.library(version), manager)
        return getattr(client, name)(**arguments)

    def _items(self, panel):
        found = self._call(panel.version, panel.method, **{
            name: value.format(**self.names) if isinstance(value, str)
            else value for name, value in panel.arguments.items()})
        return found if isinstance(found, list) else [found]

    def test_features(self):
        """The highest version decides what the dashboard offers."""
        document = self.http('GET', '/', version='1.0', status=200).json()
        self.assertEqual('1.10', document['versions'][0]['max_version'])

    def test_panels(self):
        for panel in PANELS:
            self.recorder.forget()
            items = self._items(panel)
            self.assertEqual([panel.request.format(**self.names)],
                             self.recorder.requests)
            self.assertNotEqual([], items, panel.title)
            for item in items:
                for member in panel.members:
                    read(item.to_dict(), member)

    def test_audits_of_a_template(self):
        """Audits do not remember it: the panel shows an empty list."""
        self.assertRaises(exceptions.HTTPBadRequest, self._call, '1.1',
                          'audit.list', audit_template=self.names['template'],
                          detail=True)

    def test_plans_of_an_audit_by_name(self):
        self.assertRaises(exceptions.HTTPBadRequest, self._call, '1.0',
                          'action_plan.list', audit='audit', detail=True)

    def test_templates(self):
        for name, more in (('plain', {'strategy': None, 'scope': []}),
                           ('full', {'strategy': self.strategy.uuid,
                                     'scope': [{'compute': []}]})):
            made = self._call('1.0', 'audit_template.create', name=name,
                              goal=self.goal.uuid, description='', **more)
            self.assertEqual('', made.description)
            self.assertEqual(more['scope'], made.scope)
            self._call('1.0', 'audit_template.delete',
                       audit_template_id=made.uuid)
            self.assertRaises(
                exceptions.HTTPNotFound, self._call, '1.0',
                'audit_template.get', audit_template_id=made.uuid)

    def test_audits(self):
        template = self.names['template']
        launched = self._call(
            '1.0', 'audit.create', audit_template_uuid=template,
            audit_type='ONESHOT', auto_trigger=False)
        self.assertEqual('PENDING', launched.state)
        for version, times in (
                ('1.0', {}), ('1.1', {'start_time': '2030-01-01T10:00:00',
                                      'end_time': '2030-01-02T10:00:00'})):
            values = dict(
                audit_template_uuid=template, audit_type='CONTINUOUS',
                auto_trigger=True, name=f'every minute {version}',
                interval='60', parameters={'para1': 2}, **times)
            made = self._call(version, 'audit.create', **values)
            self.assertTrue(made.auto_trigger)
            self.assertRaises(exceptions.Conflict, self._call, version,
                              'audit.create', **values)
        cancelled = self._call(version, 'audit.update', audit=made.uuid,
                               patch=[{'op': 'replace', 'path': '/state',
                                       'value': 'CANCELLED'}])
        self.assertEqual('CANCELLED', cancelled.state)
        self._call(version, 'audit.delete', audit=made.uuid)

    def test_plans(self):
        plan = self.plan('to be started')
        started = self._call('1.0', 'action_plan.start',
                             action_plan_id=plan.uuid)
        self.assertEqual('PENDING', started.state)
        failed = self.plan('failed', state='FAILED')
        self.assertRaises(exceptions.HTTPBadRequest, self._call, '1.0',
                          'action_plan.start', action_plan_id=failed.uuid)
        self._call('1.0', 'action_plan.delete', action_plan_id=failed.uuid)

    def test_skip(self):
        action = self.records.actions(self.plan('to be skipped'))[0]
        reason = 'ü' * 200
        for value in ([('/state', 'SKIPPED'), ('/status_message', reason)],
                      [('/status_message', 'another reason')]):
            patch = [{'op': 'replace', 'path': path, 'value': text}
                     for path, text in value]
            shown = self._call('1.5', 'action.update', action_id=action.uuid,
                               patch=patch)
            self.assertEqual(
                f'Action skipped by user. Reason: {value[-1][1]}',
                shown.status_message)

    def test_rules(self):
        self.assertEqual(set(), DASHBOARD_RULES - {
            rule.name for rule in policies.list_rules()})

    # Aodh -----------------------------------------------------------------

    def _alarm(self, ident, status, **headers):
        """Send what Aodh's notifier sends; return the response."""
        return self.http(
            'POST', f'/v1/webhooks/{ident}', ALARM, status=status,
            x_openstack_request_id='req-0b1d4a4e-51f9-4a5e-8f0a-5bd4c0e0a3c1',
            **headers)

    def test_alarm(self):
        event = self.records.audit(self.goal, audit_type='EVENT',
                                   name='host down')
        for ident in (event.uuid, 'host%20down'):
            response = self._alarm(ident, 202, token=base.SERVICE)
            self.assertEqual(b'', response.content)
            self.assertEqual('0', response.headers['Content-Length'])
            self.assertNotIn('Content-Type', response.headers)
        self._alarm(event.uuid, 403, token=base.MEMBER)
        self._alarm(event.uuid, 401, token=None)
        self._alarm('nope', 404, token=base.SERVICE)
        calls = self.api.bus.decision_engine.wait(2)
        self.assertEqual([('trigger_audit', event.uuid)] * 2,
                         [call for call in calls if event.uuid in call])

    def test_alarm_without_a_token(self):
        """What the operator opened stays closed to forged identities."""
        event = self.records.audit(self.goal, audit_type='EVENT',
                                   name='open to all')
        self.config(enable_webhooks_auth=False, group='api')
        # Which routes are public is decided when the service starts.
        client = webtest.TestApp(app.pipeline(app.controllers(), base.CONF))
        client.post_json(f'/v1/webhooks/{event.uuid}', ALARM, status=202)
        client.get(f'/v1/audits/{event.uuid}', status=401,
                   headers={'X-Roles': 'admin'})

    # keystoneauth and openstacksdk ----------------------------------------

    def _sessions(self):
        """A session with a catalog and a token, and one without."""
        token = ks_fixture.V3Token()
        token.set_project_scope()
        service = token.add_service('infra-optim', name='watcher')
        service.add_standard_endpoints(
            public=self.url, internal=self.url, admin=self.url,
            region='RegionOne')
        known = access.create(body=token, auth_token=base.ADMIN)
        for auth in (access_plugin.AccessInfoPlugin(known),
                     noauth.NoAuth(endpoint=self.url)):
            yield ks_session.Session(auth=auth)

    def test_discovery(self):
        for session in self._sessions():
            version, = discover.Discover(session, self.url).version_data()
            self.assertEqual(((1, 0), (1, 0), (1, 10), f'{self.url}/v1/'), (
                version['version'], version['min_microversion'],
                version['max_microversion'], version['url']))
            data = adapter.Adapter(
                session, service_type='infra-optim', interface='public',
                min_version='1', max_version='1.latest').get_endpoint_data()
            self.assertEqual(((1, 0), (1, 10)), (data.api_version,
                                                data.max_microversion))
        self.assertEqual({'GET /'}, set(self.recorder.requests))

    def test_adapter_of_a_version(self):
        session = next(self._sessions())
        client = adapter.Adapter(
            session, service_type='infra-optim', interface='public',
            min_version='1', max_version='1.latest',
            default_microversion='1.7')
        self.assertEqual('dummy', client.get('/goals/dummy').json()['name'])
        self.assertEqual(['GET /', 'GET /v1/goals/dummy'],
                         self.recorder.requests)
        self.assertEqual('infra-optim 1.7',
                         self.recorder.headers[-1]['version'])

    def test_openstacksdk(self):
        session = next(self._sessions())
        connection = openstack.connection.Connection(
            session=session, region_name='RegionOne')
        self.addCleanup(connection.close)
        for proxy in (connection.infra_optim,
                      connection.resource_optimization):
            made = proxy.post('/audits', json={
                'audit_type': 'ONESHOT', 'goal': 'dummy'})
            self.assertEqual(201, made.status_code)
            path = f"/audits/{made.json()['uuid']}"
            proxy.patch(path, json=[{'op': 'replace', 'path': '/state',
                                     'value': 'CANCELLED'}])
            self.assertEqual('CANCELLED', proxy.get(path).json()['state'])
            self.assertEqual(204, proxy.delete(path).status_code)
