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
import io
import os
import pathlib
import signal
import subprocess
import types
from unittest import mock

import fixtures

from watcher.sandbox import quickstart
from watcher.tests import base


def action(**fields):
    return types.SimpleNamespace(**fields)


class TestDescribe(base.TestCase):

    def migrate(self, **parameters):
        return action(action_type='migrate', input_parameters={
            'resource_id': 'u', 'migration_type': 'live',
            'source_node': 'one', **parameters})

    def servers(self, host):
        return {'u': {'name': 'web', 'OS-EXT-SRV-ATTR:host': host}}

    def test_before(self):
        self.assertEqual(
            'move web (live migration)  one -> two',
            quickstart.describe(self.migrate(destination_node='two'),
                                self.servers('one')))

    def test_after(self):
        self.assertEqual(
            'move web (live migration)  one -> three',
            quickstart.describe(self.migrate(), self.servers('three')))

    def test_gone(self):
        self.assertEqual(
            'move u (live migration)  one -> (gone)',
            quickstart.describe(self.migrate(), {}))

    def test_service(self):
        self.assertEqual(
            'set the compute service of one to disabled',
            quickstart.describe(action(
                action_type='change_nova_service_state',
                input_parameters={'resource_name': 'one',
                                  'state': 'disabled'}), {}))


class TestSignals(base.TestCase):

    def test_one_that_arrives_while_the_sandbox_is_being_started(self):
        """It is the worst moment: the process is there, but not known."""
        def interrupt(number, frame):
            raise quickstart.Interrupted

        for number in quickstart.SIGNALS:
            self.addCleanup(signal.signal, number,
                            signal.signal(number, interrupt))
        folder = self.useFixture(fixtures.TempDir()).path
        process = quickstart.Process(pathlib.Path(folder))
        child = mock.Mock(**{'poll.return_value': None})

        def popen(*args, **kwargs):
            os.kill(os.getpid(), signal.SIGTERM)
            return child

        self.patch(subprocess, 'Popen', popen)
        self.assertRaises(quickstart.Interrupted, process.start)
        process.stop()
        child.terminate.assert_called_once_with()


class TestProgress(base.TestCase):

    def setUp(self):
        super().setUp()
        self.output = io.StringIO()
        self.useFixture(fixtures.MonkeyPatch('sys.stdout', self.output))

    def test_without_terminal_changes_are_lines(self):
        progress = quickstart.Progress(in_place=False)
        progress.show('ONGOING', 0.5, {'a': ('ONGOING', 'move')})
        progress.show('ONGOING', 0.9, {'a': ('ONGOING', 'move')})
        progress.show('ONGOING', 1.5, {'a': ('SUCCEEDED', 'move')})

        self.assertEqual(['0.5 s  running   move', '1.5 s  done      move'],
                         [line.strip() for line
                          in self.output.getvalue().splitlines()])

    def test_on_a_terminal_lines_are_redrawn(self):
        progress = quickstart.Progress(in_place=True)
        lines = {'a': ('SUCCEEDED', 'move'), 'b': ('PENDING', 'wait')}
        progress.show('ONGOING', 1.0, lines)
        progress.show('ONGOING', 2.0, lines)

        text = self.output.getvalue()
        self.assertIn('1 of 2  ONGOING', text)
        self.assertEqual(1, text.count('\033[3A'))
