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
"""Every route asks its own policy rule and no other."""

import os
import re

import fixtures
import webob
import webob.exc
import wsme.exc
from oslo_policy import opts as policy_opts

from watcher.api.controllers import v1
from watcher.common import exception
from watcher.common import policies
from watcher.common import policy
from watcher.tests.unit.api import base

METHODS = ('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS')

PLACEHOLDER = re.compile(r'\{[^}]*\}')

#: Rules whose routes change what the others need go last.
LATE = ('action_plan:start', 'action_plan:update', 'action:update')

#: Rules whose routes need a plan in a certain state.
STATES = {'action_plan:rollback': 'SUCCEEDED', 'action_plan:retry': 'FAILED',
          'action_plan:pause': 'ONGOING', 'action_plan:resume': 'ONGOING'}

BODIES = {
    'action:update': [{'op': 'replace', 'path': '/state',
                       'value': 'SKIPPED'}],
    'action_plan:update': [{'op': 'replace', 'path': '/state',
                            'value': 'CANCELLED'}],
    'action_plan:start': {},
    'audit:create': {'audit_type': 'ONESHOT', 'goal': 'dummy'},
    'audit:update': [{'op': 'replace', 'path': '/interval', 'value': '60'}],
    'audit_template:create': {'name': 'new', 'goal': 'dummy'},
    'audit_template:update': [],
    'webhook:trigger': {},
}

#: Rules that count only for some requests of an operation.
ADDITIONAL = ('audit:auto_trigger',)


def operations():
    """Return rule, method and path of everything that has a rule.

    Rules that are asked for in addition have tests of their own.
    """
    found = [(rule.name, operation['method'], operation['path'])
             for rule in policies.list_rules() if rule.name not in ADDITIONAL
             for operation in getattr(rule, 'operations', ())]
    return sorted(found, key=lambda entry: (
        entry[1] == 'DELETE', entry[0] in LATE, entry))


class PolicyTestCase(base.ApiTestCase):

    def setUp(self):
        super().setUp()
        self.goal = self.records.goal()
        self.strategy = self.records.strategy(self.goal)

    def write(self, rules):
        """Write a policy file with the rules and use it."""
        path = os.path.join(self.useFixture(fixtures.TempDir()).path,
                            'policy.yaml')
        with open(path, 'w', encoding='utf-8') as stream:
            stream.writelines(f'"{name}": "{check}"\n'
                              for name, check in rules.items())
        for group, options in policy_opts.list_opts():
            self.conf.register_opts(options, group=group)
        self.config(policy_file=path, group='oslo_policy')
        policy.reset()

    def make_items(self):
        """Make what the routes need; returns identifiers by collection."""
        audit = self.records.audit(self.goal, self.strategy, name='done',
                                   state='SUCCEEDED')
        event = self.records.audit(self.goal, name='event',
                                   audit_type='EVENT')
        # started, skipped and deleted need a plan each
        plans = {}
        for rule in ('start', 'update', 'delete', 'get', 'action',
                     'rollback', 'retry', 'pause', 'resume'):
            plans[rule] = self.records.plan(
                audit, self.strategy, actions=1,
                state=STATES.get(f'action_plan:{rule}', 'RECOMMENDED'))
        action = self.records.actions(plans['action'])[0]
        return {
            'goals': self.goal.uuid,
            'strategies': self.strategy.uuid,
            'audit_templates': self.records.template(
                self.goal, self.strategy).uuid,
            'audits': audit.uuid,
            'actions': action.uuid,
            'scoring_engines': self.records.scoring_engine().uuid,
            'services': self.records.service().id,
            'webhooks': event.uuid,
        }, plans


class TestEveryRoute(PolicyTestCase):

    def _requests(self):
        """Return rule, method, path and body of a request for each rule."""
        items, plans = self.make_items()
        for rule, method, path in operations():
            collection = path.split('/')[2]
            ident = items.get(collection)
            if collection == 'action_plans':
                ident = plans.get(rule.partition(':')[2], plans['get']).uuid
            yield (rule, method, PLACEHOLDER.sub(str(ident), path),
                   BODIES.get(rule))

    def test_rule_is_needed_and_enough(self):
        # For each rule a role of the same name, which nothing else grants.
        rules = [rule for rule, _method, _path in operations()]
        self.write({rule: f'role:{rule}' for rule in rules})
        for rule, method, path, body in list(self._requests()):
            others = ','.join(['admin', *(
                name for name in rules if name != rule)])
            refused = self.request(method, path, body,
                                   headers={'X-Roles': others})
            self.assert_refused(403, refused, rule)
            allowed = self.request(method, path, body,
                                   headers={'X-Roles': rule})
            self.assertLess(allowed.status_int, 300,
                            f'{method} {path}: {allowed.text}')

    def test_every_route_has_a_rule(self):
        documented = {(method, PLACEHOLDER.sub('x', path))
                      for _rule, method, path in operations()}
        self.assertEqual(documented, set(self._routes()))

    def _routes(self):
        uuid = '7e2f8b4e-1f3c-4a52-9d63-3b0d5c2a8e11'
        for cls in v1.RESOURCES:
            resource = cls()
            words = {word for _method, word in getattr(
                resource, 'actions', {})}
            for segments in ([], ['detail'], [uuid],
                             *([uuid, word] for word in (*words, 'nope'))):
                for method in METHODS:
                    request = webob.Request.blank('/', method=method)
                    if self._is_route(resource, segments, request):
                        path = '/'.join(('/v1', cls.collection, *segments))
                        yield method, path.replace(uuid, 'x')

    @staticmethod
    def _is_route(resource, segments, request):
        try:
            resource.route(list(segments), request)
        except (webob.exc.HTTPException, exception.Invalid,
                wsme.exc.ClientSideError):
            return False
        # An item that happens to be called so.
        return segments != ['detail'] or request.method == 'GET' and hasattr(
            resource, 'detail')

    def test_routes_without_a_rule(self):
        self.write({rule: '!' for rule, _method, _path in operations()})
        for path in ('/', '/v1'):
            self.get(path, headers={'X-Roles': None})

    def test_open_webhooks_ask_nobody(self):
        self.config(enable_webhooks_auth=False, group='api')
        self.write({'webhook:trigger': '!'})
        items, _plans = self.make_items()
        self.post(f'/v1/webhooks/{items["webhooks"]}', {}, status=202,
                  headers={'X-Roles': None})


class TestTargets(PolicyTestCase):
    """Rules can look at what is asked for."""

    def test_stored_object(self):
        items, plans = self.make_items()
        checked = set()
        for rule, method, path in operations():
            collection = path.split('/')[2]
            if '{' not in path or collection == 'webhooks':
                continue
            if collection == 'action_plans':
                items[collection] = plans[
                    rule.partition(':')[2] if rule in STATES else 'get'].uuid
            field = 'id' if collection == 'services' else 'uuid'
            own = PLACEHOLDER.sub(str(items[collection]), path)
            self.write({rule: f"'{items[collection]}':%({field})s"})
            response = self.request(method, own, BODIES.get(rule))
            self.assertNotEqual(403, response.status_int,
                                f'{method} {own}: {response.text}')
            self.write({rule: f"'other':%({field})s"})
            # The first request may have removed it: a strict 403 either way.
            self.request(method, own, BODIES.get(rule), status=403)
            checked.add(rule)
        self.assertEqual(
            {rule for rule, _method, path in operations()
             if '{' in path and not path.startswith('/v1/webhooks')},
            checked)

    def test_ids_of_the_caller(self):
        self.write({'goal:get_all': 'project_id:%(project_id)s',
                    'goal:detail': 'user_id:%(user_id)s'})
        headers = {'X-Project-Id': 'p', 'X-User-Id': 'u', 'X-Roles': None}
        self.get('/v1/goals', headers=headers)
        self.get('/v1/goals/detail', headers=headers)

    def test_what_does_not_exist_is_forbidden_first(self):
        self.write({'goal:get': 'role:reader'})
        for name, roles, status in (('dummy', 'reader', 200),
                                    ('dummy', 'member', 403),
                                    ('nope', 'reader', 404),
                                    ('nope', 'member', 403)):
            self.get(f'/v1/goals/{name}', status=status,
                     headers={'X-Roles': roles})


class TestRoles(PolicyTestCase):
    """Without token checks the header says who asks."""

    def test_names(self):
        for roles in ('admin', 'Admin', 'administrator', ' member , admin '):
            self.get('/v1/goals', headers={'X-Roles': roles})

    def test_nobody(self):
        for roles in (None, '', 'member', 'reader', 'service'):
            self.get('/v1/goals', status=403, headers={'X-Roles': roles})


class TestAutoTrigger(PolicyTestCase):
    """Who may not approve plans cannot have them approve themselves."""

    def setUp(self):
        super().setUp()
        self.write({'audit:create': 'role:proposer',
                    'audit:update': 'role:proposer',
                    'audit:auto_trigger': 'role:approver'})

    def change(self, audit, roles, status, **values):
        return self.request(
            'PATCH', f'/v1/audits/{audit.uuid}',
            [{'op': 'replace', 'path': f'/{name}', 'value': value}
             for name, value in values.items()],
            headers={'X-Roles': roles}, status=status)

    def test_creation(self):
        for roles, given, status in (
                ('proposer', {}, 201),
                ('proposer', {'auto_trigger': False}, 201),
                ('proposer', {'auto_trigger': True}, 403),
                ('proposer,approver', {'auto_trigger': True}, 201),
                ('approver', {}, 403)):
            self.post('/v1/audits', {
                'audit_type': 'ONESHOT', 'goal': 'dummy', **given},
                headers={'X-Roles': roles}, status=status)

    def test_change(self):
        audit = self.records.audit(self.goal, audit_type='CONTINUOUS',
                                   interval='60')
        self.change(audit, 'proposer', 200, interval='70')
        self.change(audit, 'proposer', 403, auto_trigger=True)
        self.change(audit, 'proposer,approver', 200, auto_trigger=True)
        # What it starts by itself is no longer for everybody to decide,
        self.change(audit, 'proposer', 403, interval='80')
        self.change(audit, 'proposer', 403, state='ONGOING')
        # but everybody may stop it.
        self.change(audit, 'proposer', 200, auto_trigger=False)
        self.change(audit, 'proposer', 200, interval='90')
        self.change(audit, 'proposer,approver', 200, auto_trigger=True)
        self.change(audit, 'proposer', 200, state='CANCELLED')

    def test_by_default_the_other_rules_suffice(self):
        self.write({'audit:create': 'role:proposer'})
        self.post('/v1/audits', {'audit_type': 'ONESHOT', 'goal': 'dummy',
                                 'auto_trigger': True},
                  headers={'X-Roles': 'proposer'}, status=201)


class TestOrder(PolicyTestCase):
    """What is wrong first is said first."""

    MEMBER = {'X-Roles': 'member'}

    def check(self, status, method, path, **kwargs):
        kwargs.setdefault('headers', self.MEMBER)
        self.request(method, path, status=status, **kwargs)

    def test_version_then_route_then_policy(self):
        self.check(406, 'GET', '/v1/nope', version='1.11')
        self.check(404, 'GET', '/v1/nope')
        self.check(405, 'PUT', '/v1/goals')
        self.check(403, 'GET', '/v1/goals')

    def test_malformed_bodies_before_the_policy(self):
        audit = self.records.audit(self.goal)
        for method, path in (('POST', '/v1/audits'),
                             ('POST', '/v1/audit_templates'),
                             ('PATCH', f'/v1/audits/{audit.uuid}'),
                             ('PATCH', '/v1/audits/nope'),
                             ('POST', f'/v1/webhooks/{audit.uuid}')):
            self.check(400, method, path, raw=b'{')
        self.check(400, 'POST', '/v1/audits', body={'nope': 1})
        self.check(400, 'POST', '/v1/audits', body={'audit_type': 1})
        self.check(400, 'PATCH', f'/v1/audits/{audit.uuid}',
                   body=[{'op': 'move'}])
        self.check(400, 'GET', '/v1/actions/nope')
        self.check(400, 'PATCH', '/v1/action_plans/nope', body=[])

    def test_policy_before_the_rules_of_resources(self):
        audit = self.records.audit(self.goal)
        self.check(403, 'POST', '/v1/audits', body={'audit_type': 'NOPE'})
        self.check(403, 'DELETE', f'/v1/audits/{audit.uuid}')
        self.check(403, 'DELETE', '/v1/audits/nope')
        self.check(403, 'GET', '/v1/goals?sort_key=nope')
        self.check(403, 'GET', '/v1/goals?limit=0')
        self.check(403, 'GET', '/v1/goals?marker=nope')
        self.check(403, 'GET', '/v1/scoring_engines/nope')
        self.check(403, 'GET', '/v1/strategies/nope/state')
        self.check(403, 'POST', '/v1/webhooks/nope', body={})
        self.check(406, 'GET', '/v1/data_model', version='1.2')
        for version, status in (('1.7', 404), ('1.8', 403)):
            self.check(status, 'GET',
                       '/v1/data_model?data_model_type=storage',
                       version=version)
        self.check(400, 'GET', '/v1/data_model?data_model_type=network')

    def test_lists_name_the_first_wrong_parameter(self):
        for query, word in (
                ('sort_key=nope&limit=x&sort_dir=nope&marker=nope',
                 'sort_key'),
                ('limit=x&sort_dir=nope&marker=nope', 'limit'),
                ('sort_dir=nope&marker=nope', 'sort_dir'),
                ('marker=nope', 'nope')):
            response = self.request('GET', f'/v1/audits?{query}')
            self.assert_refused(400, response, word)
