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
"""Requests share the database connections of the process.

A worker has more threads than connections. A request that took a second
connection while it holds one would wait for the others for ever, as soon as
all of them do so. (SQLite has no pool of connections.)
"""

import concurrent.futures
import json

import webtest

from watcher.api import versions
from watcher.db.sqlalchemy import session
from watcher.tests import base
from watcher.tests.fixtures import api as api_fixture
from watcher.tests.fixtures import database

HEADERS = {'X-Roles': 'admin', 'Content-Type': 'application/json',
           versions.HEADER: f'{versions.SERVICE_TYPE} latest'}


class TestConnectionsPostgreSQL(base.TestCase):
    engine = database.POSTGRESQL

    def setUp(self):
        super().setUp()
        self.api = self.useFixture(api_fixture.Api(self.engine))
        self.config(group='database', max_pool_size=1, max_overflow=0,
                    pool_timeout=5)
        session.reset()
        records = self.api.records
        goal = records.goal()
        strategy = records.strategy(goal)
        self.audit = records.audit(goal, strategy, state='SUCCEEDED')
        self.plans = [records.plan(self.audit, strategy, actions=3)
                      for _number in range(3)]
        records.template(goal, strategy)
        records.service()

    def request(self, method, path, body=None):
        response = webtest.TestApp(self.api.app).request(
            path, method=method, headers=HEADERS, expect_errors=True,
            body=b'' if body is None else json.dumps(body).encode())
        self.assertLess(response.status_int, 300, response.text)

    def test_one_connection_is_enough_for_each_request(self):
        self.assertEqual(1, session.get_engine().pool.size())
        cancelled, started, deleted = (
            f'/v1/action_plans/{plan.uuid}' for plan in self.plans)
        for collection in ('audits', 'action_plans', 'actions', 'services'):
            self.request('GET', f'/v1/{collection}/detail')
        self.request('GET', f'/v1/audits?marker={self.audit.uuid}'
                            '&sort_key=goal_name')
        self.request('POST', '/v1/audits', {
            'audit_type': 'ONESHOT', 'goal': 'dummy', 'strategy': 'dummy'})
        self.request('PATCH', '/v1/audits/audit', [
            {'op': 'replace', 'path': '/name', 'value': 'new'}])
        self.request('PATCH', '/v1/audit_templates/template', [
            {'op': 'replace', 'path': '/strategy', 'value': 'dummy'}])
        self.request('PATCH', cancelled, [
            {'op': 'replace', 'path': '/state', 'value': 'CANCELLED'}])
        self.request('POST', f'{started}/start', {})
        self.request('DELETE', deleted)
        self.request('DELETE', '/v1/audits/new')
        self.assertEqual(0, session.get_engine().pool.checkedout())

    def test_many_clients_share_one_connection(self):
        def ask(number):
            self.request('GET', '/v1/action_plans/detail')
            self.request('POST', '/v1/audits', {
                'name': f'audit {number}', 'audit_type': 'ONESHOT',
                'goal': 'dummy'})

        with concurrent.futures.ThreadPoolExecutor(8) as clients:
            list(clients.map(ask, range(16)))
        self.assertEqual(0, session.get_engine().pool.checkedout())


class TestConnectionsMySQL(TestConnectionsPostgreSQL):
    engine = database.MYSQL
