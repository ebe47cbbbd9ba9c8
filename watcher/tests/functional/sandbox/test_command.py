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
"""watcher-sandbox as a process, used with the command line client."""

import fcntl
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys

import fixtures

from watcher.tests import base
from watcher.tests.fixtures import forks
from watcher.tests.fixtures import services

SCRIPT = """
import sys
from watcher.cmd import sandbox
sys.exit(sandbox.main())
"""


class TestSandboxCommand(base.TestCase):

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        self.environ = {k: v for k, v in os.environ.items()
                        if not k.startswith('OS_')}

    def start(self, *arguments):
        output = self.folder / 'output'
        with output.open('wb') as stream:
            process = subprocess.Popen(
                [sys.executable, '-W', 'ignore', '-m',
                 'watcher.cmd.sandbox', '--port', '0', '--state-dir',
                 str(self.folder / 'state'), *arguments],
                stdin=subprocess.DEVNULL, stdout=stream, stderr=stream,
                env=self.environ)
        self.addCleanup(process.wait, 20)
        self.addCleanup(process.kill)

        def ready():
            text = output.read_text()
            if process.poll() is not None:
                self.fail(text)
            return text if 'is ready' in text else None
        return process, services.wait_until(ready, 60, 'the sandbox')

    def openstack(self, *arguments):
        """Run the client with the openrc that the sandbox has written."""
        openrc = (self.folder / 'state' / 'openrc').read_text()
        credentials = dict(re.findall(r'export (\w+)=(\S+)', openrc))
        program = pathlib.Path(sys.executable).parent / 'openstack'
        done = subprocess.run(
            [str(program), *arguments, '-f', 'json'], text=True,
            env={**self.environ, **credentials, 'PYTHONWARNINGS': 'ignore'},
            stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
            check=False)
        self.assertEqual(0, done.returncode, done.stderr)
        return json.loads(done.stdout)

    def test_everything(self):
        process, _ = self.start('--hosts', '2', '--place', 'compute-1=3')

        hosts = {h['Hypervisor Hostname'] for h in self.openstack(
            'hypervisor', 'list')}
        servers = self.openstack('server', 'list', '--all-projects')
        states = {s['Name']: s['Status'] for s in self.openstack(
            'optimize', 'service', 'list')}
        process.send_signal(signal.SIGTERM)

        self.assertEqual(0, process.wait(60))
        self.assertEqual({'compute-1', 'compute-2'}, hosts)
        self.assertEqual(3, len(servers))
        self.assertEqual({'watcher-applier': 'ACTIVE',
                          'watcher-decision-engine': 'ACTIVE'}, states)

    def test_cloud_only(self):
        process, text = self.start('--cloud-only', '--servers', '1')
        process.send_signal(signal.SIGINT)

        self.assertEqual(0, process.wait(60))
        self.assertIn('Keystone: http://127.0.0.1:', text)

    def refused(self, *arguments):
        done = forks.run(SCRIPT, arguments, env=self.environ)
        self.assertNotIn('Traceback', done.stderr)
        return done.returncode, done.stderr

    def test_wrong_arguments(self):
        code, text = self.refused('--hosts', '0')

        self.assertEqual(2, code)
        self.assertIn('hosts must be 1 or more, not 0', text)

    def test_folder_is_in_use(self):
        database = self.folder / 'watcher.sqlite'
        database.touch()
        with (self.folder / 'lock').open('w') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            code, text = self.refused('--port', '0', '--state-dir',
                                      str(self.folder))

        self.assertEqual(1, code)
        self.assertIn('another sandbox is running in', text)
        self.assertTrue(database.exists())

    def test_port_is_taken(self):
        with socket.create_server(('127.0.0.1', 0)) as taken:
            port = str(taken.getsockname()[1])
            code, text = self.refused('--cloud-port', port)

        self.assertEqual(1, code)
        self.assertIn('cannot listen on 127.0.0.1 port ' + port, text)
