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
"""Audits that were asked for while no engine was there."""

import os
import sys
import time

import sqlalchemy as sa
import webtest

from watcher import objects
from watcher.api import app
from watcher.common import context as watcher_context
from watcher.common import rpc
from watcher.db.sqlalchemy import session
from watcher.tests import base
from watcher.tests.fixtures import cloud as cloud_fixture
from watcher.tests.fixtures import daemons
from watcher.tests.fixtures import database
from watcher.tests.fixtures import servers
from watcher.tests.fixtures import services
from watcher.tests.functional.decision_engine import witness

AUDITS = int(os.environ.get('WATCHER_TEST_BACKLOG_AUDITS', '80'))
ENGINES = int(os.environ.get('WATCHER_TEST_BACKLOG_ENGINES', '3'))
WORKERS = 2


class TestBacklog(base.TestCase):
    """The rows of the database are the queue.

    The messages of the API wait as well, and tell the engines at once what
    they find anyway. They must not change the order.
    """

    def setUp(self):
        super().setUp()
        self.broker = self.useFixture(servers.RabbitMQ())
        self.cloud = self.useFixture(cloud_fixture.SandboxCloud(
            hosts=1, placement={'compute-1': 1}))
        self.configured = self.useFixture(services.Configured(
            database.MYSQL, self.broker.url, self.cloud, overrides={
                'DEFAULT': {'host': '@HOST@'},
                # As in production: messages outlive those they are for.
                'oslo_messaging_rabbit': {'amqp_auto_delete': False},
                'watcher_decision_engine': {'max_audit_workers': WORKERS}}))
        rpc.init(services.CONF)
        self.addCleanup(rpc.cleanup)
        objects.register_all()
        directory = self.configured.config_file.parent
        self.diary = witness.Diary(directory / 'diary')
        self.plugins = witness.install(directory)
        self.write_down_claims()

    def write_down_claims(self):
        """Have the database tell in which order audits were claimed."""
        with session.get_engine().begin() as connection:
            for statement in (
                    'CREATE TABLE claims (id INT AUTO_INCREMENT '
                    'PRIMARY KEY, audit_id INT)',
                    'CREATE TRIGGER claim AFTER UPDATE ON audits '
                    'FOR EACH ROW INSERT INTO claims (audit_id) '
                    "SELECT NEW.id FROM DUAL WHERE NEW.state = 'ONGOING' "
                    "AND OLD.state = 'PENDING'"):
                connection.exec_driver_sql(statement)
        self.addCleanup(self.forget_claims)

    @staticmethod
    def forget_claims():
        with session.get_engine().begin() as connection:
            connection.exec_driver_sql('DROP TRIGGER claim')
            connection.exec_driver_sql('DROP TABLE claims')

    def engine(self, host):
        return daemons.Daemon(
            self, 'decisionengine', host,
            self.configured.config_file.read_text(),
            self.configured.config_file.parent, self.plugins)

    def post_all(self):
        api = webtest.TestApp(app.setup_app(), extra_environ={
            'HTTP_X_AUTH_TOKEN': self.cloud.session().get_token()})
        return [api.post_json('/v1/audits', {
            'audit_type': 'ONESHOT', 'goal': 'dummy', 'strategy': 'witness',
            'parameters': {'file': str(self.diary.file)}},
            status=201).json['uuid'] for _number in range(AUDITS)]

    def test_all_run_once_and_in_order(self):
        first = self.engine('engine-0')
        services.wait_until(lambda: 'is running' in first.log(),
                            what='an engine that works')
        first.kill()
        began = time.monotonic()
        uuids = self.post_all()
        posted = time.monotonic() - began
        engines = [self.engine(f'engine-{number}')
                   for number in range(1, ENGINES + 1)]
        services.wait_until(
            lambda: len(self.diary.read()) >= AUDITS,
            services.PATIENCE + AUDITS, 'the run of every audit')
        services.wait_until(self.are_over, what='the end of every audit')
        self.report(posted)
        for engine in engines:
            engine.kill()
        self.check(uuids)

    @staticmethod
    def are_over():
        return not objects.Audit.list_columns(
            watcher_context.admin_context(), ('uuid',), filters={
                'state__in': ['PENDING', 'ONGOING']})['uuid']

    def report(self, posted):
        runs = self.diary.read().values()
        seconds = max(run.ended for run in runs) - min(
            run.began for run in runs)
        shares = sorted(sum(run.host == host for run in runs)
                        for host in {run.host for run in runs})
        print(f'Backlog: {AUDITS} audits, posted in {posted:.1f} s, run in '
              f'{seconds:.1f} s by {len(shares)} engines: '
              f'{AUDITS / seconds:.0f} a second, {shares} each, overtaken '
              f'by {max(self.overtaken())} at most', file=sys.stderr)

    def claims(self):
        with session.get_engine().connect() as connection:
            return connection.execute(sa.text(
                'SELECT audit_id FROM claims ORDER BY id')).scalars().all()

    def overtaken(self):
        """For each audit, how many younger ones were claimed before it."""
        claims = self.claims()
        found, waiting = [], set(claims)
        for audit in claims:
            waiting.discard(audit)
            found.append(sum(other < audit for other in waiting))
        return found

    def check(self, uuids):
        runs = self.diary.read()
        self.assertEqual(sorted(uuids),
                         sorted(run.audit for run in runs.values()))
        claims = self.claims()
        self.assertEqual(sorted(set(claims)), sorted(claims))
        self.assertLess(max(self.overtaken()), ENGINES * WORKERS)
