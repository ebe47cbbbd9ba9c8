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
"""The API under fire: a few of the requests that tools/fuzz-api.py sends.

Always the same ones: the seeds are fixed, and a run ends with a list of
what was found instead of at the first fault.
"""

import json
import os
from unittest import mock

from watcher.objects import Audit
from watcher.tests import base
from watcher.tests.fixtures import database
from watcher.tests.fuzz import driver
from watcher.tests.fuzz import requests
from watcher.tests.fuzz import wire
from watcher.tests.fuzz import world as worlds

ADMIN = (('X-Roles', 'admin'), ('Content-Type', 'application/json'))


def shown(failures):
    return '\n'.join(map(str, failures[:5])) or 'all is well'


class Fuzz(base.TestCase):
    """Plays some sequences and wants no fault."""

    engine = database.SQLITE

    def setUp(self):
        super().setUp()
        server = database.SERVERS.get(self.engine)
        if server and not os.environ.get(server):
            self.skipTest(f'{server} is not set: no {self.engine} server')

    def play(self, seed, sequences):
        variant = worlds.VARIANTS[seed % len(worlds.VARIANTS)]
        with worlds.World(self.engine, variant) as world:
            report = driver.run(driver.Session(world, seed), sequences)
        self.assertGreater(report.requests, sequences)
        self.assertEqual([], report.failures, shown(report.failures))
        return report


class TestSQLite(Fuzz):

    def test_every_variant(self):
        total = driver.Report()
        for seed in range(len(worlds.VARIANTS)):
            total.add(self.play(seed, 16))
        # Not only refusals: deep code is reached too.
        for status in (200, 201, 204, 400, 403, 404, 405, 406):
            self.assertGreater(total.statuses[status], 0, total.summary())
        for method in ('PATCH audits', 'POST audits', 'POST audit_templates'):
            self.assertTrue(
                any(counter[200] + counter[201]
                    for route, counter in total.routes.items()
                    if route.startswith(method)), total.summary())


class TestMySQL(Fuzz):
    engine = database.MYSQL

    def test_requests(self):
        self.play(0, 25)


class TestPostgreSQL(Fuzz):
    engine = database.POSTGRESQL

    def test_requests(self):
        self.play(0, 25)


class TestHTTP(base.TestCase):

    def test_requests(self):
        with (worlds.World() as world, wire.serving(world) as port):
            report = driver.run(wire.Session(world, 0, port), 20)
            self.assertTrue(wire.alive(port))
        self.assertEqual([], report.failures, shown(report.failures))


class TestSameRequests(base.TestCase):

    def test_a_seed_always_gives_the_same(self):
        found = []
        for _ in range(2):
            session = mock.Mock(seed=5, generate=requests.all_requests)
            driver.run(session, 20)
            found.append(session.send.call_args_list)
        self.assertEqual(*found)


class TestFaultsAreSeen(base.TestCase):
    """What the checks are there for is found by them."""

    def setUp(self):
        super().setUp()
        self.world = self.useFixture(worlds.World())

    def problems(self, method='GET', segments=('v1', 'goals'), body=None,
                 answer=None, route='GET goals'):
        """Send a request, with something done to its answer."""
        session = driver.Session(self.world)
        call = self.world.call

        def spoiled(sent):
            found = call(sent)
            if answer is not None:
                answer(found)
            return found

        with mock.patch.object(self.world, 'call', spoiled):
            session.send(requests.Request(
                route, method, segments, (), ADMIN,
                None if body is None else requests.Json(body)))
        return ' '.join(failure.problem
                        for failure in session.report.failures)

    def test_spoiled_answers(self):
        self.assertEqual('', self.problems())
        for spoil, problem in (
                (self.fail_status, 'status is 500'),
                (self.show, 'shows the inside'),
                (self.lose_member, "these members differ: {'name'}"),
                (self.lose_request_id, 'request id'),
                (self.split_header, "the header 'Vary' has the value")):
            self.assertIn(problem, self.problems(answer=spoil))
        self.assertIn('another form', self.problems(
            segments=('v1', 'goals', 'x'), answer=self.unwrap))

    @staticmethod
    def fail_status(answer):
        answer.status = 500

    @staticmethod
    def show(answer):
        answer.body = answer.body.replace(
            b'Dummy', b'<class str> object at 0x7f')

    @staticmethod
    def lose_member(answer):
        document = json.loads(answer.body)
        del document['goals'][0]['name']
        answer.body = json.dumps(document).encode()

    @staticmethod
    def unwrap(answer):
        answer.body = b'{"error_message": {"faultcode": "Client"}}'

    @staticmethod
    def lose_request_id(answer):
        answer.headers = [pair for pair in answer.headers
                          if pair[0].lower() != 'x-openstack-request-id']

    @staticmethod
    def split_header(answer):
        answer.headers = [
            (name, f'{value}\r\nX: y' if name == 'Vary' else value)
            for name, value in answer.headers]

    def test_spoiled_effects(self):
        def refuse(answer):
            answer.status = 400
            answer.body = (b'{"error_message": "{\\"faultcode\\": \\"Client'
                           b'\\", \\"faultstring\\": \\"no\\", '
                           b'\\"debuginfo\\": null}"}')
        self.assertIn('has changed the database', self.problems(
            'POST', ('v1', 'audits'),
            {'audit_type': 'EVENT', 'goal': 'dummy'}, refuse, 'POST audits'))
        save = Audit.create

        def create(audit):
            save(audit)
            audit.hostname = 'elsewhere'

        with mock.patch.object(Audit, 'create', create):
            found = self.problems(
                'POST', ('v1', 'audits'),
                {'audit_type': 'EVENT', 'goal': 'dummy'},
                route='POST audits')
        self.assertIn('is another thing', found)
