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
"""The command that serves a simulated cloud, within this process."""

import contextlib
import io
import threading
from unittest import mock

import oslo_messaging as messaging
from oslo_config import cfg

from watcher.cmd import sandbox
from watcher.sandbox.cloud import generator
from watcher.sandbox.cloud import notifications
from watcher.sandbox.cloud import nova_notifications
from watcher.sandbox.cloud import server
from watcher.tests import base


class TestNotify(base.TestCase):
    """--cloud-only with --notify."""

    def setUp(self):
        super().setUp()
        self.arrived = threading.Event()
        self.cloud = server.Cloud(generator.CloudSpec(hosts=1, servers=1))

    def info(self, ctxt, publisher_id, event_type, payload, metadata):
        data = payload.get('nova_object.data', {})
        if data.get('display_name') == 'renamed-over-a-bus':
            self.arrived.set()

    def listen(self):
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[], default_config_dirs=[])
        listener = messaging.get_notification_listener(
            messaging.get_notification_transport(conf, url='fake://'),
            [messaging.Target(exchange=nova_notifications.EXCHANGE,
                              topic=nova_notifications.TOPIC)], [self],
            executor='threading', pool='sandbox-command')
        listener.start()
        self.addCleanup(listener.wait)
        self.addCleanup(listener.stop)

    def rename(self):
        """What happens while the command serves."""
        with self.cloud.state.lock:
            one = next(iter(self.cloud.state.servers.values()))
            self.cloud.state.touch(one, name='renamed-over-a-bus')
        self.assertTrue(self.arrived.wait(base.PATIENCE))

    def serve(self, bus, meanwhile):
        with mock.patch.object(sandbox, '_wait_for_end', meanwhile), \
                contextlib.redirect_stdout(io.StringIO()):
            return sandbox._serve_cloud(self.cloud, bus)

    def test_changes_are_published(self):
        self.listen()
        self.assertEqual(0, self.serve('fake://', self.rename))

    def test_url_of_no_bus(self):
        error = self.assertRaises(SystemExit, self.serve, 'pigeon://roof',
                                  self.fail)
        self.assertIn('--notify', str(error))
        self.assertIn('pigeon', str(error))

    def test_whole_sandbox_has_its_own(self):
        said = io.StringIO()
        self.addCleanup(self.cloud.stop)
        with contextlib.redirect_stderr(said):
            error = self.assertRaises(
                SystemExit, sandbox.main, ['--notify', 'fake://'])
        self.assertEqual(2, error.code)
        self.assertIn('--cloud-only', said.getvalue())


class TestAwayBus(base.TestCase):

    def test_end_does_not_wait_for_it(self):
        cloud = server.Cloud(generator.CloudSpec(hosts=1, servers=1))
        self.addCleanup(cloud.stop)
        publisher = notifications.Publisher(cloud.state, 'fake://')
        self.addCleanup(publisher.stop, base.PATIENCE)
        sending, back = threading.Event(), threading.Event()
        self.addCleanup(back.set)

        def send(*args):
            sending.set()
            back.wait(base.PATIENCE)

        silent = mock.Mock()
        silent.prepare.return_value.info = send
        publisher._sources = [
            (lambda event, subject: ('host', event, {}), silent)]
        for number in range(5):
            cloud.state.emit('event-%d' % number, None)
        self.assertTrue(sending.wait(base.PATIENCE))
        publisher.stop(patience=0.0)
        self.assertIn('5 notifications of the cloud are lost',
                      self.logger.output)
