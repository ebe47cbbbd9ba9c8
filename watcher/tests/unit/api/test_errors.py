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
"""Errors that are not the caller's fault, and how they leave."""

from unittest import mock

import oslo_messaging as messaging
from oslo_db import exception as db_exc

from watcher import objects
from watcher.api import errors
from watcher.common import exception
from watcher.common import rpc
from watcher.db.sqlalchemy import session
from watcher.tests.unit.api import base


class TestDatabase(base.ApiTestCase):

    def _break(self, url):
        session.reset()
        self.config(connection=url, group='database')
        self.config(max_retries=0, group='database')

    def test_unreachable(self):
        self._break('mysql+pymysql://watcher:hidden@127.0.0.1:1/watcher')
        for method, path, body in (
                ('GET', '/v1/goals', None),
                ('GET', '/v1/goals/dummy', None),
                ('POST', '/v1/audits', {'audit_type': 'ONESHOT',
                                        'goal': 'dummy'})):
            response = self.request(method, path, body, status=503)
            self.assert_refused(503, response, 'database')
            self.assertNotIn('hidden', response.text)
            self.assertNotIn('Traceback', response.text)
            self.assertIn('x-openstack-request-id', response.headers)
        ours = [line for line in self.logger.output.splitlines()
                if 'The database cannot be reached' in line]
        self.assertEqual(3, len(ours))
        self.assertNotIn('Traceback', self.logger.output)

    def test_without_tables(self):
        self._break('sqlite://')
        response = self.get('/v1/goals', status=503)
        self.assert_refused(503, response, 'not set up')
        self.assertNotIn('SELECT', response.text)


class TestBus(base.ApiTestCase):

    engines = False

    def setUp(self):
        super().setUp()
        self.goal = self.records.goal()
        self.strategy = self.records.strategy(self.goal)

    def test_nobody_answers(self):
        self.config(rpc_response_timeout=1)
        for path in ('/v1/strategies/dummy/state', '/v1/data_model'):
            response = self.get(path, status=504)
            self.assert_refused(504, response, 'watcher-decision-engine')

    def test_nobody_listens_to_a_nudge(self):
        document = self.post('/v1/audits', {
            'audit_type': 'ONESHOT', 'goal': 'dummy'}, status=201).json
        self.assertEqual('PENDING', document['state'])
        audit = self.records.audit(self.goal, self.strategy)
        plan = self.records.plan(audit, self.strategy)
        self.post(f'/v1/action_plans/{plan.uuid}/start', {}, status=200)

    def test_bus_down(self):
        rpc.cleanup()
        rpc.init(self._unreachable())
        response = self.get('/v1/data_model', status=503)
        self.assert_refused(503, response, 'broker')
        self.post('/v1/audits', {'audit_type': 'ONESHOT', 'goal': 'dummy'},
                  status=201)

    def test_event_that_nobody_hears_of(self):
        audit = self.records.audit(self.goal, self.strategy,
                                   audit_type='EVENT')
        rpc.cleanup()
        rpc.init(self._unreachable())
        # The engine finds it.
        self.post(f'/v1/webhooks/{audit.uuid}', {}, status=202)
        # Not in a database that is not upgraded: the caller has to know.
        with mock.patch.object(
                objects.AuditRun, 'trigger', side_effect=exception.
                DatabaseNotUpgraded(table='audit_runs')):
            response = self.post(f'/v1/webhooks/{audit.uuid}', {},
                                 status=503)
        self.assert_refused(503, response, 'watcher-decision-engine')

    def _unreachable(self):
        self.config(transport_url='rabbit://watcher:hidden@127.0.0.1:1/')
        return self.conf.conf


class TestRemoteErrors(base.ApiTestCase):

    def test_code_of_the_exception_counts(self):
        self.records.strategy(self.records.goal())
        engine = self.api.bus.decision_engine
        for failure, status, text in (
                (exception.AuditNotFound(audit='x'), 404, 'x'),
                (exception.InvalidAudit(audit='x'), 400, 'x'),
                (exception.NoDatasourceAvailable(), 500, ''),
                (RuntimeError('secret'), 500, '')):
            engine.failure = failure
            response = self.get('/v1/strategies/dummy/state', status=status)
            self.assert_refused(status, response, text)
            self.assertNotIn('Traceback', response.text)
            self.assertNotIn('secret', response.text)


class TestTranslation(base.ApiTestCase):

    def _text(self, exc, status):
        response = errors.from_exception(exc)
        self.assertEqual(status, response.status_int)
        return self.fault(response)['faultstring']

    def test_our_own_bug(self):
        text = self._text(KeyError('secret'), 500)
        self.assertNotIn('secret', text)
        self.assertIn('Traceback', self._logged())

    def _logged(self):
        try:
            raise KeyError('secret')
        except KeyError as exc:
            errors.from_exception(exc)
        return self.logger.output

    def test_database(self):
        text = self._text(db_exc.DBError('UPDATE secret'), 500)
        self.assertNotIn('secret', text)

    def test_bus(self):
        self._text(messaging.MessagingTimeout('x'), 504)
        self._text(messaging.MessageDeliveryFailure('x'), 503)

    def test_remote_traceback_is_cut(self):
        exc = exception.NoDatasourceAvailable(
            'no source\nTraceback (most recent call last):\n  File "x"')
        self.assertEqual('no source', self._text(exc, 500))
