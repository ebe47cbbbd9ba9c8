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
"""Runs the commands as real processes."""

import os
import signal
import subprocess
import time

import fixtures
import psutil

from watcher.tests import base
from watcher.tests.fixtures import forks

MODULES = {
    'watcher-api': 'api',
    'watcher-applier': 'applier',
    'watcher-db-manage': 'dbmanage',
    'watcher-decision-engine': 'decisionengine',
    'watcher-status': 'status',
    'watcher-sync': 'sync',
}

# What an installed script does, without asking for an installation.
SCRIPT = ("import sys; sys.argv[0] = {name!r}; "
          "from watcher.cmd import {module}; sys.exit({module}.main())")

#: Seconds a process may take to start on a loaded machine.
START_TIMEOUT = 60

#: Seconds within which SIGTERM ends a process.
STOP_TIMEOUT = 30


# The database file that watcher-db-manage makes.
_TEMPLATES: dict[str, bytes] = {}


class CommandTestCase(base.TestCase):
    """Has a configuration file and an empty SQLite database."""

    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.database = os.path.join(self.directory, 'watcher.sqlite')
        self.options = {
            'DEFAULT': {'transport_url': 'fake://', 'host': 'testhost',
                        'enable_authentication': 'false'},
            'database': {'connection': f'sqlite:///{self.database}'},
            'oslo_messaging_notifications': {'driver': 'noop'},
            'oslo_reports': {'log_dir': self.directory},
            # no cloud is needed to start and stop
            'collector': {'collector_plugins': ''},
        }

    def path(self, name):
        return os.path.join(self.directory, name)

    def write_config(self, **groups):
        """Write the configuration file; arguments are groups of options."""
        for group, options in groups.items():
            self.options.setdefault(group, {}).update(options)
        lines = []
        for group, options in self.options.items():
            lines.append(f'[{group}]')
            lines += [f'{key} = {value}' for key, value in options.items()]
        path = self.path('watcher.conf')
        with open(path, 'w', encoding='utf-8') as stream:
            stream.write('\n'.join(lines) + '\n')
        return path

    def command(self, name, *arguments, config=True):
        """Return script and arguments of a command."""
        script = SCRIPT.format(name=name, module=MODULES[name])
        files = ['--config-file', self.path('watcher.conf')] if config else []
        return script, [*files, *arguments]

    def run_command(self, name, *arguments, stdin='', config=True, env=None):
        """Run a command to its end."""
        if config and not os.path.exists(self.path('watcher.conf')):
            self.write_config()
        return forks.run(
            *self.command(name, *arguments, config=config), input=stdin,
            cwd=self.directory, env={**os.environ, 'HOME': self.directory,
                                     **(env or {})})

    def assertEnds(self, code, result):
        self.assertEqual(
            code, result.returncode,
            f'stdout:\n{result.stdout}\nstderr:\n{result.stderr}')

    def assertFails(self, result, *words, code=1):
        """One clear line on standard error, no traceback."""
        self.assertEnds(code, result)
        for word in words:
            self.assertIn(word, result.stderr)
        self.assertNotIn('Traceback', result.stderr + result.stdout)
        self.assertEqual('', result.stdout)

    def upgrade(self):
        """Give the database its schema.

        The command runs once for each process of the test runner, what it
        made is copied.
        """
        if 'schema' not in _TEMPLATES:
            self.assertEnds(0, self.run_command('watcher-db-manage'))
            with open(self.database, 'rb') as stream:
                _TEMPLATES['schema'] = stream.read()
        with open(self.database, 'wb') as stream:
            stream.write(_TEMPLATES['schema'])


class Daemon(fixtures.Fixture):
    """A daemon in its own process, with its log in a file."""

    def __init__(self, command, log_path, cwd):
        self._command = command
        self._cwd = cwd
        self.log_path = log_path

    def _setUp(self):
        with open(self.log_path, 'ab') as log:
            self.process = forks.start(
                *self._command, stdout=log, stderr=log, cwd=self._cwd,
                env={**os.environ, 'HOME': self._cwd})
        self.addCleanup(self._end)

    def _end(self):
        """End exactly the processes that were started here."""
        remaining = [self.process.pid, *self.workers()]
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pid in remaining[1:]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    @property
    def log(self):
        with open(self.log_path, encoding='utf-8') as stream:
            return stream.read()

    def workers(self):
        """Return the process ids of the workers."""
        try:
            return [child.pid for child in
                    psutil.Process(self.process.pid).children()]
        except psutil.NoSuchProcess:
            return []

    def wait_for(self, condition, what, timeout=START_TIMEOUT):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if condition():
                return
            if self.process.poll() is not None and not condition():
                break
            time.sleep(0.05)
        raise AssertionError(f'{what} did not happen; log:\n{self.log}')

    def wait_for_log(self, text, count=1, timeout=START_TIMEOUT):
        self.wait_for(lambda: self.log.count(text) >= count,
                      f'log line {text!r}', timeout)

    def signal(self, number, pid=None):
        os.kill(pid or self.process.pid, number)

    def stop(self):
        """Send SIGTERM; return exit code and seconds taken."""
        started = time.monotonic()
        self.process.terminate()
        code = self.process.wait(START_TIMEOUT)
        return code, time.monotonic() - started


class DaemonTestCase(CommandTestCase):

    def start(self, name, *arguments):
        self.write_config()
        return self.useFixture(Daemon(
            self.command(name, *arguments), self.path(f'{name}.log'),
            self.directory))

    def assertStops(self, daemon):
        """SIGTERM ends it soon, with success and without noise."""
        workers = daemon.workers()
        code, seconds = daemon.stop()
        self.assertEqual(0, code, daemon.log)
        self.assertLess(seconds, STOP_TIMEOUT, daemon.log)
        self.assertNotIn('Traceback', daemon.log)
        self.assertEqual(
            [], [pid for pid in workers if psutil.pid_exists(pid)])
