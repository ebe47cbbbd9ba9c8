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

import hypothesis
import webob
from hypothesis import strategies as st

from watcher.api.middleware import measure
from watcher.common import metrics
from watcher.tests import base

#: The same examples each time, however busy the machine.
STEADY = hypothesis.settings(deadline=None, derandomize=True)

UUID = '10a47dd1-4874-4298-91cf-eff046dbdb8d'

ROUTES = {
    '/': '/', '': '/', '/v1': '/v1', '/v1/': '/v1',
    '/v1/audits': '/v1/audits', '/v1/audits/': '/v1/audits',
    '/v1/audits.json': '/v1/audits',
    '/v1/audits/detail': '/v1/audits/detail',
    f'/v1/audits/{UUID}': '/v1/audits/{}',
    '/v1/audits/my audit': '/v1/audits/{}',
    f'/v1/action_plans/{UUID}/start': '/v1/action_plans/{}/start',
    '/v1/strategies/dummy/state': '/v1/strategies/{}/state',
    f'/v1/webhooks/{UUID}': '/v1/webhooks/{}',
    '/healthcheck': '/healthcheck', '/healthcheck/ready': '/healthcheck',
    '/v2': 'other', '/v1/nothing': 'other', '/v1/audits/a/b/c': 'other',
    '/../etc': 'other',
}


class TestRoutes(base.TestCase):

    def test_routes(self):
        self.assertEqual(ROUTES, {
            path: measure.route_of(path) for path in ROUTES})

    @STEADY
    @hypothesis.given(st.text(alphabet='/v1abc.d_', max_size=12))
    def test_strangers_make_no_new_routes(self, path):
        known = {'/', '/v1', '/healthcheck', 'other'}
        self.assertIn(measure.route_of(path), known)
        deep = measure.route_of(f'/v1/audits/{path}')
        self.assertIn(deep, {'/v1/audits', '/v1/audits/{}',
                             '/v1/audits/{}/{}', 'other'})


class TestMeasure(base.TestCase):

    def setUp(self):
        super().setUp()
        self.instruments = metrics.begin()
        self.addCleanup(metrics.end)

    def counted(self):
        return [(sample.labels, sample.value) for metric
                in self.instruments.requests.collect()
                for sample in metric.samples
                if sample.name.endswith('_total')]

    def ask(self, app, path='/v1/goals', method='GET'):
        return webob.Request.blank(path, method=method).get_response(
            measure.Measure(app))

    def test_answers_are_counted(self):
        self.ask(webob.Response(status=404), f'/v1/goals/{UUID}')
        self.assertEqual([({'method': 'GET', 'route': '/v1/goals/{}',
                            'status': '404'}, 1)], self.counted())

    def test_odd_methods_are_one(self):
        self.ask(webob.Response(status=405), method='BREW')
        self.assertEqual('other', self.counted()[0][0]['method'])

    def test_an_application_that_fails(self):
        def app(environ, start_response):
            raise ValueError
        self.assertRaises(ValueError, self.ask, app)
        self.assertEqual('500', self.counted()[0][0]['status'])
