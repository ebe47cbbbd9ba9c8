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
"""What a newcomer runs first, without the installation of packages."""

import os
import pathlib
import signal
import subprocess
import sys

import fixtures

from watcher.tests import base
from watcher.tests.fixtures import services


class TestQuickStart(base.TestCase):

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        self.output = self.folder / 'output'

    def start(self):
        with self.output.open('wb') as stream:
            process = subprocess.Popen(
                [sys.executable, '-W', 'ignore', '-m',
                 'watcher.sandbox.quickstart', '--once', '--state-dir',
                 str(self.folder / 'state')],
                stdin=subprocess.DEVNULL, stdout=stream, stderr=stream,
                env={k: v for k, v in os.environ.items()
                     if not k.startswith('OS_')})
        self.addCleanup(process.wait, 30)
        self.addCleanup(process.terminate)
        return process

    def sandboxes(self):
        """Process ids of the sandboxes of this test."""
        found = []
        for path in pathlib.Path('/proc').glob('[0-9]*/cmdline'):
            try:
                command = path.read_text()
            except OSError:
                continue
            if ('watcher.cmd.sandbox' in command
                    and str(self.folder) in command):
                found.append(int(path.parent.name))
        return found

    def test_to_the_end(self):
        process = self.start()

        code = process.wait(180)

        text = self.output.read_text()
        self.assertEqual(0, code, text)
        self.assertIn('The action plan has SUCCEEDED', text)
        self.assertIn('  compute-1   disabled    0', text)
        self.assertEqual([], self.sandboxes())
        self.assertEqual([], os.listdir(self.folder / 'state'))

    def test_interrupted(self):
        process = self.start()
        services.wait_until(self.sandboxes, 60, 'a sandbox')
        process.send_signal(signal.SIGTERM)

        self.assertEqual(130, process.wait(60))
        self.assertEqual([], self.sandboxes())
        self.assertEqual([], os.listdir(self.folder / 'state'))

    def test_sandbox_dies(self):
        process = self.start()
        number, = services.wait_until(self.sandboxes, 60, 'a sandbox')
        os.kill(number, signal.SIGKILL)

        self.assertEqual(1, process.wait(90))
        text = self.output.read_text()
        self.assertNotIn('Traceback', text)
        log, = (self.folder / 'state').glob('*/sandbox.out')
        self.assertIn('The log is kept: %s' % log.with_name('sandbox.log'),
                      text)
