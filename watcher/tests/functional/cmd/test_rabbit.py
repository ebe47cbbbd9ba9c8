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
"""A real broker: request ids across processes, losing the broker."""

import contextlib
import os
import time
import uuid
from unittest import mock
from urllib import parse

import kombu
import oslo_messaging as messaging
from oslo_messaging import conffixture

from watcher.common import context
from watcher.common import rpc
from watcher.common import rpcapi
from watcher.tests import base as unit_base
from watcher.tests.fixtures import proxy
from watcher.tests.functional.cmd import base


class TestRabbit(base.DaemonTestCase):

    def setUp(self):
        super().setUp()
        url = os.environ.get('WATCHER_TEST_RABBIT_URL')
        if not url:
            self.skipTest('WATCHER_TEST_RABBIT_URL is not set')
        broker = parse.urlsplit(url)
        self.proxy = self.useFixture(proxy.Proxy(
            (broker.hostname, broker.port or 5672)))
        account = broker.netloc.rpartition('@')[0]
        self.url = broker._replace(
            netloc=f'{account}@127.0.0.1:{self.proxy.port}').geturl()
        self.topic = f'watcher.test.{uuid.uuid4().hex}'
        self.upgrade()
        self.options['DEFAULT']['transport_url'] = self.url
        self.options['watcher_applier'] = {'conductor_topic': self.topic}
        # this process is the caller
        self.useFixture(conffixture.ConfFixture(self.conf.conf))
        self.config(transport_url=self.url)
        self.config(driver=['noop'], group='oslo_messaging_notifications')
        self.config(conductor_topic=self.topic, group='watcher_applier')
        messaging.set_transport_defaults('watcher')
        self.config(control_exchange='watcher')
        rpc.init(self.conf.conf)
        self.addCleanup(rpc.cleanup)
        self.api = rpcapi.ApplierAPI()

    def assertReaches(self, daemon):
        """A cast of this process shows in the daemon's log.

        It is sent again as long as it does not: the broker drops messages
        for a topic whose reader is not back yet.
        """
        caller = context.make_context(user_id='somebody')
        missing = str(uuid.uuid4())
        deadline = time.monotonic() + base.START_TIMEOUT
        while f'{missing} could not be found' not in daemon.log:
            self.assertLess(time.monotonic(), deadline, daemon.log)
            self.api.launch_action_plan(caller, missing)
            time.sleep(0.5)
        line = next(line for line in daemon.log.splitlines()
                    if f'{missing} could not be found' in line)
        self.assertIn(caller.request_id, line)
        self.assertNotIn('Traceback', daemon.log)

    def test_request_id_goes_from_caller_to_log(self):
        self.proxy.open()
        daemon = self.start('watcher-applier')
        daemon.wait_for_log('is running')
        self.assertNotIn('not reachable', daemon.log)
        self.assertReaches(daemon)
        self.assertStops(daemon)

    def test_broker_comes_later_and_goes_and_comes_back(self):
        daemon = self.start('watcher-applier')
        daemon.wait_for_log('broker is not reachable yet')
        daemon.wait_for_log('is running')
        self.assertFalse(self.api.launch_action_plan(
            context.make_context(), str(uuid.uuid4())))
        self.proxy.open()
        daemon.wait_for_log(f'RPC is served on topic {self.topic}')
        self.assertReaches(daemon)
        self.proxy.close()
        self.assertFalse(self.api.launch_action_plan(
            context.make_context(), str(uuid.uuid4())))
        self.proxy.open()
        self.assertReaches(daemon)
        self.proxy.close()
        self.assertStops(daemon)

    def test_first_cast_over_a_connection_that_has_died(self):
        self.proxy.open()
        daemon = self.start('watcher-applier')
        daemon.wait_for_log('is running')
        self.assertReaches(daemon)
        self.proxy.close()
        self.proxy.open()
        self.assertTrue(self.api.launch_action_plan(
            context.make_context(), str(uuid.uuid4())))
        self.assertReaches(daemon)
        self.assertStops(daemon)


class TestForgottenHosts(unit_base.TestCase):
    """The queues of services whose hosts are gone."""

    def setUp(self):
        super().setUp()
        self.url = os.environ.get('WATCHER_TEST_RABBIT_URL')
        if not self.url:
            self.skipTest('WATCHER_TEST_RABBIT_URL is not set')
        name = uuid.uuid4().hex
        self.host, self.topic = f'host-{name}', f'topic-{name}'
        self.queues = [self.host, f'{self.topic}.{self.host}']
        self.useFixture(conffixture.ConfFixture(self.conf.conf))
        self.config(transport_url=self.url)
        self.config(driver=['noop'], group='oslo_messaging_notifications')
        self.config(amqp_auto_delete=False, group='oslo_messaging_rabbit')
        rpc.init(self.conf.conf)
        self.addCleanup(rpc.cleanup)
        self.addCleanup(self._remove, *self.queues, self.topic,
                        f'{self.topic}.info')

    def _connection(self):
        return kombu.Connection(self.url.replace('rabbit:', 'amqp:'))

    def _remove(self, *queues):
        with self._connection() as connection:
            for queue in queues:
                connection.default_channel.queue_delete(queue)

    def existing(self):
        found = []
        for queue in self.queues:
            with (self._connection() as connection,
                  contextlib.suppress(*connection.channel_errors)):
                connection.default_channel.queue_declare(queue, passive=True)
                found.append(queue)
        return found

    def serve(self):
        """Be a service; returns what ends it."""
        servers = [
            rpc.get_notification_listener(
                [messaging.Target(topic=self.topic)], [self], self.host),
            rpc.get_server(messaging.Target(topic=self.topic,
                                            server=self.host), [self])]

        def end():
            for server in servers:
                server.stop()
                server.wait()
        self.addCleanup(end)
        for server in servers:
            server.start()
        return end

    def info(self, *_args):
        """Take a notification."""

    def forget(self):
        return rpc.forget_host(self.host, self.topic, pool=True)

    def test_a_host_that_is_gone(self):
        end = self.serve()
        self.assertEqual(self.queues, self.existing())
        end()
        # They stay, and one would collect messages for ever.
        self.assertEqual(self.queues, self.existing())
        self.assertTrue(self.forget())
        self.assertEqual([], self.existing())
        # Again, as after an error.
        self.assertTrue(self.forget())
        self.assertNotIn('not removed', self.logger.output)

    def test_an_applier_listens_to_no_notifications(self):
        self.serve()()
        self.assertTrue(rpc.forget_host(self.host, self.topic))
        self.assertEqual([self.host], self.existing())

    def test_a_host_that_lives(self):
        self.serve()
        self.assertTrue(self.forget())
        self.assertEqual(self.queues, self.existing())
        # Once, not for each of its queues, and nobody has to do anything.
        self.assertEqual(1, self.logger.output.count('still listens'))
        self.assertNotIn('not removed', self.logger.output)

    def test_a_broker_that_is_away(self):
        self.serve()()
        with mock.patch.object(rpc, 'bus_reachable', lambda: False):
            self.assertFalse(self.forget())
        self.assertEqual(self.queues, self.existing())
