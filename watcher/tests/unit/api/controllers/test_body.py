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

from watcher.tests.unit.api import base


class TestValuesNobodyCanStore(base.ApiTestCase):
    """Whatever a client sends, it is told what is wrong with it."""

    def setUp(self):
        super().setUp()
        goal = self.records.goal()
        self.strategy = self.records.strategy(goal)
        self.audit = self.records.audit(goal, self.strategy)

    def _refused(self, raw, *words):
        for method, path, body in (
                ('POST', '/v1/audits',
                 b'{"audit_type": "ONESHOT", "goal": "dummy",'
                 b' "strategy": "dummy", "parameters": {"x": %s}}'),
                ('POST', '/v1/audit_templates',
                 b'{"name": "t", "goal": "dummy", "scope": [{"compute": [{'
                 b'"exclude": [{"instance_metadata": [{"x": %s}]}]}]}]}'),
                ('PATCH', f'/v1/audits/{self.audit.uuid}',
                 b'[{"op": "add", "path": "/parameters/x",'
                 b' "value": %s}]')):
            response = self.request(method, path, raw=body % raw)
            self.assert_refused(400, response, 'not valid JSON', *words)

    def test_half_of_a_surrogate_pair(self):
        self._refused(rb'"\ud800"', 'surrogates')
        self._refused(rb'{"\ud800": 1}', 'surrogates')

    def test_nul(self):
        self._refused(rb'"a\u0000b"', 'U+0000')

    def test_infinite_numbers(self):
        for number in (b'1e400', b'-1e400'):
            self._refused(number, number.decode())

    def test_depth(self):
        self._refused(b'[' * 200 + b']' * 200, 'levels')
        self._refused(b'{"a":' * 200 + b'1' + b'}' * 200, 'levels')
        self._refused(b'[' * 50000 + b']' * 50000, 'levels')

    def test_digits(self):
        self._refused(b'9' * 1001, '999...', 'more than 1000 digits')
        self._refused(b'-' + b'9' * 5000, 'more than 1000 digits')

    def test_texts_of_all_languages(self):
        response = self.post(
            '/v1/audit_templates', raw=rb'{"name": "\ud83d\ude00 \\u0000",'
            rb' "goal": "dummy"}', status=201)
        self.assertEqual('\U0001f600 \\u0000', response.json['name'])

    def test_nul_in_urls(self):
        for path in ('/v1/goals/%00', '/v1/audits?goal=a%00b',
                     '/v1/goals?marker=%00', '/v1/goals?%00=1'):
            response = self.get(path, status=400)
            self.assert_refused(400, response, 'U+0000')
            self.assertIn('x-openstack-request-id', response.headers)

    def test_hosts_that_are_none(self):
        # They would get into the header Location.
        for host in ('a\x06b', 'a/b', 'a@b', 'a?b', '\x7f', 'a\\b'):
            response = self.get('/v1/goals', status=400,
                                headers={'Host': host})
            self.assert_refused(400, response, 'Host')
        for host in ('api.example.org:9322', '[::1]:9322', 'a_b', 'a, b'):
            self.get('/v1/goals', headers={'Host': host})

    def test_url_that_is_no_utf8(self):
        for path in ('/v1/goals/%ff', '/v1/goals?sort_key=%ff'):
            self.assert_refused(400, self.request('GET', path), 'UTF-8')

    def test_prefix_that_is_no_utf8(self):
        # Only Location would notice, when the audit exists already.
        self.config(enable_proxy_headers_parsing=True,
                    group='oslo_middleware')
        response = self.post(
            '/v1/audits', {'audit_type': 'ONESHOT', 'goal': 'dummy'},
            headers={'X-Forwarded-Prefix': '/\xe9'})
        self.assert_refused(400, response, 'UTF-8')
        self.assertEqual(1, len(self.get('/v1/audits').json['audits']))


class TestShownValues(base.ApiTestCase):
    """Errors repeat what was sent, not what Python makes of it."""

    def test_megabytes_are_not_repeated(self):
        long = 'x' * 100000
        strategy = self.records.strategy(self.records.goal())
        audit = {'audit_type': 'ONESHOT', 'goal': 'dummy'}
        for body, word in (
                ({**audit, 'goal': long}, 'Goal x'),
                ({**audit, 'audit_type': long}, 'type x'),
                ({**audit, long: 1}, 'field'),
                ({**audit, 'strategy': strategy.name, 'parameters': {
                    f'{number}{long[:1000]}': 1 for number in range(100)}},
                 'takes: para1, para2')):
            response = self.post('/v1/audits', body)
            self.assertIn(response.status_int, (400, 404))
            self.assertIn(word, self.fault(response)['faultstring'])
            self.assertLess(len(response.body), 3000)

    def test_members(self):
        for value, shown in ((None, 'null'), (True, 'true'),
                             ({'a': None}, '{"a": null}'), ('é', 'é')):
            response = self.post('/v1/audits', {'uuid': value})
            self.assert_refused(400, response, f"Value: '{shown}'")

    def test_operations(self):
        audit = self.records.audit(self.records.goal())
        response = self.request(
            'PATCH', f'/v1/audits/{audit.uuid}',
            [{'op': 'add', 'path': None, 'value': {}}])
        self.assert_refused(400, response, '"path": null')
