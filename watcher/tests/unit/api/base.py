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
"""What the tests of the API share."""

import json
import os

import webtest

from watcher.api import versions
from watcher.tests import base
from watcher.tests.fixtures import api as api_fixture
from watcher.tests.fixtures import database
from watcher.tests.fixtures import reference

LATEST = str(versions.MAX)


class ApiTestCase(base.TestCase):
    """Requests against the whole application, as an administrator."""

    #: Whether engines listen on the bus.
    engines = True

    #: What the database runs on.
    database = database.SQLITE

    def setUp(self):
        super().setUp()
        server = database.SERVERS.get(self.database)
        if server and not os.environ.get(server):
            self.skipTest(f'{server} is not set: no {self.database} server')
        self.api = self.useFixture(api_fixture.Api(
            self.database, engines=self.engines))
        self.records = self.api.records
        self.client = webtest.TestApp(self.api.app)

    def request(self, method, path, body=None, version=LATEST, status=None,
                headers=None, raw=None, content_type='application/json'):
        """Send a request.

        :param body: sent as JSON if not None
        :param version: microversion, None sends no header
        :param status: what is expected, None for anything
        :param raw: body as bytes
        """
        sent = {'X-Roles': 'admin', 'Accept': 'application/json'}
        if version:
            sent[versions.HEADER] = f'{versions.SERVICE_TYPE} {version}'
        sent.update(headers or {})
        sent = {name: value for name, value in sent.items()
                if value is not None}
        if body is not None:
            raw = json.dumps(body).encode()
        response = self.client.request(
            path, method=method, headers=sent, body=raw or b'',
            content_type=content_type, expect_errors=True)
        reference.check(method, path, response.status_int, response.headers,
                        response.body, raw or b'',
                        sent.get(versions.HEADER))
        if status is not None:
            self.assertEqual(status, response.status_int, response.text)
        return response

    def get(self, path, **kwargs):
        kwargs.setdefault('status', 200)
        return self.request('GET', path, **kwargs)

    def post(self, path, body=None, **kwargs):
        return self.request('POST', path, body, **kwargs)

    def patch(self, path, *operations, **kwargs):
        """Send a patch; an operation is (op, path[, value])."""
        body = []
        for operation in operations:
            body.append(dict(zip(('op', 'path', 'value'), operation,
                                 strict=False)))
        return self.request('PATCH', path, body, **kwargs)

    def delete(self, path, **kwargs):
        return self.request(
            'DELETE', path, content_type='application/octet-stream',
            **kwargs)

    def fault(self, response):
        """Return the inner document of an error."""
        outer = response.json
        self.assertEqual(['error_message'], list(outer))
        self.assertIsInstance(outer['error_message'], str)
        inner = json.loads(outer['error_message'])
        self.assertIsNone(inner['debuginfo'])
        return inner

    def assert_refused(self, status, response, *words):
        """Check status and that the error names all the words."""
        self.assertEqual(status, response.status_int, response.text)
        text = self.fault(response)['faultstring']
        for word in words:
            self.assertIn(str(word), text)
        return text
