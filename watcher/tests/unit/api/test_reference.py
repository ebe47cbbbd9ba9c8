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
"""The API reference documents everything the API takes and returns.

This compares the reference with the declarations of the API. That real
requests and responses agree with it, the other tests of the API find out: see
:mod:`watcher.tests.fixtures.reference`.
"""

import re

from watcher.api import versions
from watcher.api.controllers import fields
from watcher.api.controllers import v1
from watcher.api.controllers.v1 import data_model
from watcher.common import policies
from watcher.tests import base
from watcher.tests.fixtures import reference

PLACEHOLDER = re.compile(r'\{[^}]*\}')

#: What is documented of a member of a member.
INNER_MEMBER = re.compile(r'^   - \w+\.\w+: (\w+)$', re.MULTILINE)

SAMPLE = re.compile(
    r'^\.\. literalinclude:: samples/([\w-]+)-(request|response)\.json$',
    re.MULTILINE)

DISCOVERY = {('GET', '/'), ('GET', '/v1')}

#: What parameters.yaml calls the types of the fields.
TYPES = {'text': 'string', 'uuid': 'string', 'datetime': 'string',
         'interval': 'string', 'boolean': 'boolean', 'integer': 'integer',
         'number': 'number', 'object': 'object', 'array': 'array',
         'scope': 'array'}

#: What an operation of a JSON patch consists of.
PATCH_MEMBERS = {'op', 'path', 'value'}


class TestReference(base.TestCase):

    def setUp(self):
        super().setUp()
        self.operations = {}
        for operation in reference.operations():
            self.assertNotIn(operation.key, self.operations)
            self.operations[operation.key] = operation
        self.parameters = reference.parameters()

    def _response(self, method, path):
        return set(self.operations[method, path].response)

    def _request(self, method, path):
        return set(self.operations[method, path].request)

    def _resources(self):
        return [cls() for cls in v1.RESOURCES if hasattr(cls, 'fields')]

    def test_every_operation(self):
        operations = {(operation['method'],
                       PLACEHOLDER.sub('{}', operation['path']))
                      for rule in policies.list_rules()
                      for operation in getattr(rule, 'operations', ())}
        self.assertEqual(operations | DISCOVERY, set(self.operations))

    # Members --------------------------------------------------------------

    def test_every_field_returned(self):
        for resource in self._resources():
            visible = [field for field in resource.fields
                       if field.visible(versions.MAX)]
            shown = {field.name for field in visible} | {'links'}
            summary = {field.name for field in visible
                       if field.summary} | {'links'}
            path = f'/v1/{resource.collection}'
            self.assertEqual(summary | {'next'}, self._response('GET', path))
            self.assertEqual(shown | {'next'},
                             self._response('GET', f'{path}/detail'))
            for method, where, more in (
                    ('GET', f'{path}/{{}}', set()),
                    ('PATCH', f'{path}/{{}}', set()),
                    ('POST', path, {'Location'}),
                    *(('POST', f'{path}/{{}}/{word}', set())
                      for _method, word in resource.actions)):
                if (method, where) in self.operations:
                    self.assertEqual(shown | more,
                                     self._response(method, where))

    def test_every_field_taken(self):
        for resource in self._resources():
            path = f'/v1/{resource.collection}'
            taken = {field.name for field in resource.fields if field.create}
            if taken:
                self.assertEqual(taken | {versions.HEADER},
                                 self._request('POST', path))
            for field in resource.fields:
                if field.patch:
                    self.assertIn(f'``/{field.name}``', self.operations[
                        'PATCH', f'{path}/{{}}'].text)

    def test_required_members(self):
        for resource in self._resources():
            path = f'/v1/{resource.collection}'
            for field in resource.fields:
                if field.create:
                    key = self.operations['POST', path].request[field.name]
                    self.assertIs(field.create is fields.REQUIRED,
                                  self.parameters[key]['required'], key)

    def test_data_model(self):
        operation = self.operations['GET', '/v1/data_model']
        brought = {}
        for members in data_model.MEMBERS.values():
            for name, since in members.items():
                brought[name] = min(since, brought.get(name, since))
        self.assertEqual({*brought, 'context', 'model'},
                         set(operation.response))
        for name, since in brought.items():
            # The page itself says which version brought the resource.
            self.assertEqual(
                None if since == versions.DATA_MODEL else since,
                reference.min_version(operation.response[name]), name)

    def test_description_of_a_data_model(self):
        text = self.operations['GET', '/v1/data_model'].text
        self.assertEqual(
            [f'model.{name}' for name in data_model.DESCRIPTION],
            re.findall(r'^   - (model\.\w+): \w+$', text, re.MULTILINE))

    def test_every_member_has_its_version(self):
        for resource in self._resources():
            for field in resource.fields:
                since = None
                if (field.since > versions.INITIAL
                        and field.before is fields.HIDDEN):
                    since = field.since
                for operation in self.operations.values():
                    if (operation.path.split('/')[2:3]
                            == [resource.collection]):
                        self._check_version(operation, field, since)

    def _check_version(self, operation, field, since):
        if field.name in operation.response:
            key = operation.response[field.name]
            self.assertEqual(since, reference.min_version(key), key)
        if field.create and field.name in operation.request:
            key = operation.request[field.name]
            self.assertEqual(since, reference.min_version(key), key)

    def test_every_member_has_its_type(self):
        for resource in self._resources():
            path = f'/v1/{resource.collection}'
            for field in resource.fields:
                if not field.shown:
                    continue
                key = self.operations['GET', f'{path}/detail'].response[
                    field.name]
                self.assertEqual(TYPES[field.type.name],
                                 self.parameters[key]['type'], key)

    # Parameters -----------------------------------------------------------

    def test_every_query_parameter(self):
        for resource in self._resources():
            expected = {'limit', 'marker', 'sort_key', 'sort_dir',
                        versions.HEADER}
            expected |= {declared.name for declared in resource.filters}
            for path in (f'/v1/{resource.collection}',
                         f'/v1/{resource.collection}/detail'):
                self.assertEqual(expected, self._request('GET', path))
        self.assertEqual(
            {versions.HEADER, *data_model.DataModel.parameters},
            self._request('GET', '/v1/data_model'))

    def test_place_of_every_parameter(self):
        for operation in self.operations.values():
            in_path = {name for name, key in operation.request.items()
                       if self.parameters[key]['in'] == 'path'}
            self.assertEqual(operation.placeholders, in_path, operation.path)
            in_query = {name for name, key in operation.request.items()
                        if self.parameters[key]['in'] == 'query'}
            if operation.method != 'GET' or operation.placeholders:
                self.assertEqual(set(), in_query, operation.path)
            for name, key in operation.response.items():
                self.assertEqual('header' if name == 'Location' else 'body',
                                 self.parameters[key]['in'], key)
            if operation.method == 'PATCH':
                self.assertLessEqual(PATCH_MEMBERS, set(operation.request))

    def test_nothing_documented_is_unused(self):
        used = {key for operation in self.operations.values()
                for key in (*operation.request.values(),
                            *operation.response.values())}
        used |= {key for operation in self.operations.values()
                 for key in INNER_MEMBER.findall(operation.text)}
        text = (reference.SOURCE / reference.GENERAL).read_text()
        used |= set(re.findall(r'^   - [\w-]+: (\w+)$', text, re.MULTILINE))
        self.assertEqual(used, set(self.parameters))

    # Statuses -------------------------------------------------------------

    def test_statuses_of_every_operation(self):
        for operation in self.operations.values():
            expected = {406}
            if operation.path != '/':
                expected |= {400, 401}
            if operation.key not in DISCOVERY:
                expected.add(403)
            if operation.placeholders or 'marker' in operation.request:
                expected.add(404)
            if operation.method in ('POST', 'PATCH'):
                expected.add(415)
            missing = expected - operation.statuses
            self.assertEqual(set(), missing, operation.key)
            success = {status for status in operation.statuses
                       if status < 300}
            self.assertEqual(1, len(success), operation.key)

    def test_statuses_are_in_order(self):
        """Success before errors, each by number."""
        for operation in self.operations.values():
            listed = re.findall(r'^   - (\d{3})$', operation.text,
                                re.MULTILINE)
            self.assertEqual(sorted(set(listed)), listed, operation.key)

    # Samples --------------------------------------------------------------

    def test_every_body_has_a_sample(self):
        for operation in self.operations.values():
            samples = SAMPLE.findall(operation.text)
            wanted = {'response'} if operation.response else set()
            if operation.method in ('POST', 'PATCH') and (
                    '/action_plans/{plan_ident}/' not in operation.path):
                wanted.add('request')
            self.assertEqual(wanted, {kind for _name, kind in samples},
                             operation.key)

    def test_every_sample_is_shown(self):
        shown = {f'{name}-{kind}.json'
                 for page in reference.SOURCE.glob('*.inc')
                 for name, kind in SAMPLE.findall(page.read_text())}
        self.assertEqual(shown, {
            path.name for path in (reference.SOURCE / 'samples').iterdir()})


class TestCheck(base.TestCase):
    """What is not documented is found."""

    def _refused(self, *words, **changes):
        request = {'method': 'GET', 'url': '/v1/goals/dummy', 'status': 200,
                   'headers': ['Content-Type'], 'body': b'{}', **changes}
        exc = self.assertRaises(AssertionError, reference.check, **request)
        for word in words:
            self.assertIn(word, str(exc))

    def test_documented(self):
        reference.check(
            'GET', '/v1//goals/?limit=1', 200,
            ['Content-Type', 'X-OpenStack-Request-ID', 'Vary'],
            b'{"goals": [{"uuid": "x", "name": "y"}], "next": "z"}')
        reference.check('GET', '/v1/nope', 404, ['X-Unknown'], b'')
        reference.check('POST', '/v1/webhooks/e', 202, [], b'',
                        sent=b'{"alarm": 1}')

    def test_status(self):
        self._refused('the status 302', status=302)

    def test_header(self):
        self._refused('the header X-New', headers=['X-New'])

    def test_member(self):
        self._refused('the member secret', body=b'{"secret": 1}')
        self._refused('the member secret', url='/v1/goals',
                      body=b'{"goals": [{"secret": 1}]}')

    def test_member_of_a_later_version(self):
        detail = {'url': '/v1/audits/detail',
                  'body': b'{"audits": [{"start_time": null}]}'}
        self._refused('start_time in a version that old', **detail)
        reference.check('GET', detail['url'], 200, [], detail['body'],
                        version='infra-optim 1.1')

    def test_parameter(self):
        self._refused('the parameter deleted', url='/v1/goals?deleted=1',
                      body=b'{"goals": []}')
        self._refused('the parameter secret', method='POST', status=201,
                      url='/v1/audits', sent=b'{"secret": 1}')
