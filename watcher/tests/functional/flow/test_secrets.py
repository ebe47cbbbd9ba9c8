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
"""What must stay secret, whatever is logged or told.

Everything is configured with secrets that can be recognised, everybody logs
at the level of debugging, and work of all kinds is done, some of which fails.
"""

import json
import threading

import oslo_messaging as messaging
import sqlalchemy as sa

from watcher import conf
from watcher.common import rpc
from watcher.tests import base
from watcher.tests.fixtures import cloud as cloud_fixture
from watcher.tests.fixtures import database
from watcher.tests.fixtures import ports
from watcher.tests.fixtures import services

CONF = conf.CONF

#: Begins each secret of this test.
MARK = 'S3cr3t'


def secret(name):
    """Return a secret that tells whose it is when it is found."""
    return f'{MARK}-{name}'


class Recorder:
    """Keeps all notifications."""

    def __init__(self):
        self.told = []
        self.ended = threading.Event()

    def _take(self, _ctxt, _publisher, event_type, payload, metadata):
        self.told.append(json.dumps([event_type, payload, metadata]))
        if event_type.startswith('action_plan.execution.end'):
            self.ended.set()

    info = warn = error = debug = _take


class TestSecrets(base.TestCase):

    def setUp(self):
        super().setUp()
        services.check_server(database.MYSQL)
        self.bus = services.bus_url(services.RABBIT)
        self.cloud = self.useFixture(cloud_fixture.SandboxCloud(
            hosts=3, placement={'compute-1': 2}))
        self.cloud.cloud.identity.add_user(
            'watcher', {'service': ['admin', 'service']},
            password=secret('keystone'))
        nowhere = ports.free_port()
        self.watcher = self.useFixture(_Processes(
            database.MYSQL, services.FAKE, self.cloud, overrides={
                'DEFAULT': {
                    'debug': True,
                    # A broker that is away is talked about most.
                    'transport_url':
                        f'rabbit://watcher:{secret("bus")}@127.0.0.1:'
                        f'{nowhere}/'},
                'api': {'enable_webhooks_auth': True},
                'database': {},
                'oslo_messaging_notifications': {
                    'driver': 'messagingv2', 'transport_url': self.bus},
                'keystone_authtoken': {
                    'memcache_secret_key': secret('memcache')},
                'grafana_client': {
                    'token': secret('grafana'),
                    'base_url': f'http://127.0.0.1:{nowhere}/'},
                'maas_client': {'api_key': secret('maas')},
                'prometheus_client': {
                    'base_url': f'http://who:{secret("url")}@127.0.0.1:'
                                f'{nowhere}/',
                    'username': 'who', 'password': secret('prometheus'),
                    'headers': f'X-Key:{secret("header")}'},
                'watcher_datasources': {
                    'datasources': 'prometheus,grafana',
                    'query_max_retries': 2, 'query_interval': 0}}))
        self.recorder = self._listen()

    def _listen(self):
        """Hear all notifications that come from now on."""
        rpc.init(CONF)
        self.addCleanup(rpc.cleanup)
        recorder = Recorder()
        listener = messaging.get_notification_listener(
            rpc.get_notification_transport(),
            [messaging.Target(
                topic=CONF.oslo_messaging_notifications.topics[0])],
            [recorder], executor='threading')
        listener.start()
        self.addCleanup(listener.wait)
        self.addCleanup(listener.stop)
        return recorder

    def test_nothing_gets_out(self):
        self._work()
        processes = (self.watcher.api, self.watcher.decision_engine,
                     self.watcher.applier)
        for process in processes:
            process.terminate()
        texts = {process.log.name: process.log_text()
                 for process in processes}
        texts['notifications'] = '\n'.join(self.recorder.told)
        # Otherwise nothing is proven.
        for name, text in texts.items():
            self.assertIn('DEBUG' if name != 'notifications' else
                          'action_plan.execution.end', text, name)
        tokens = list(self.cloud.cloud.identity._tokens)
        self.assertGreater(len(tokens), 3)
        for name, text in texts.items():
            found = [line for line in text.splitlines()
                     if MARK.lower() in line.lower()
                     or any(token in line for token in tokens)]
            self.assertEqual([], found[:5], name)

    def _work(self):
        """An audit with its plan, one that fails, and an event."""
        audit = self.watcher.audit('cluster_maintaining', 'host_maintenance',
                                   maintenance_node='compute-1')
        self.assertEqual('SUCCEEDED', audit.state, audit.status_message)
        plan = self.watcher.execute(self.watcher.plan_of(audit))
        self.assertEqual('SUCCEEDED', plan.state, plan.status_message)
        failed = self.watcher.audit('workload_balancing', 'workload_balance')
        self.assertEqual('FAILED', failed.state)
        self.assertNotIn(MARK, failed.status_message or '')
        self.watcher.http('POST', '/v1/audits', json={
            'name': 'event', 'audit_type': 'EVENT', 'goal': 'dummy'})
        # A token that Keystone refuses is no secret: its refusal, which the
        # library logs, may repeat it.
        answer = self.watcher.http(
            'POST', '/v1/webhooks/event', headers={
                'Authorization': secret('authorization'),
                'Cookie': secret('cookie')},
            json={'alarm_id': 'a', 'reason': secret('payload'),
                  'auth_token': secret('auth-token')})
        self.assertEqual(202, answer.status_code, answer.text)
        self.assertTrue(self.recorder.ended.wait(base.PATIENCE))


class _Processes(services.Processes):
    """The processes, whose account of the database is theirs alone."""

    def _write_options(self):
        url = sa.make_url(self.database.url)
        name = f'w{self.database.url[-16:]}'.replace('-', '')[:30]
        engine = sa.create_engine(url)
        self.addCleanup(engine.dispose)
        self._sql(engine, f"CREATE USER '{name}'@'%' IDENTIFIED BY "
                          f"'{secret('database')}'",
                  f"GRANT ALL ON `{url.database}`.* TO '{name}'@'%'")
        self.addCleanup(self._sql, engine, f"DROP USER '{name}'@'%'")
        self._overrides['database']['connection'] = url.set(
            username=name, password=secret('database')
        ).render_as_string(hide_password=False)
        super()._write_options()

    @staticmethod
    def _sql(engine, *statements):
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(sa.text(statement))
