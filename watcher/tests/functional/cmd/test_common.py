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
"""What operators get wrong is one clear line, for every command."""

import subprocess
import sys

from watcher import version
from watcher.tests.functional.cmd import base

LOGGING = ('watcher-api', 'watcher-applier', 'watcher-db-manage',
           'watcher-decision-engine', 'watcher-sync')

SOME = ('watcher-api', 'watcher-db-manage')


class TestUserErrors(base.CommandTestCase):

    def test_configuration_file_is_missing(self):
        for name in (*LOGGING, 'watcher-status'):
            arguments = (['upgrade', 'check'] if name == 'watcher-status'
                         else [])
            result = self.run_command(
                name, '--config-file', '/nowhere/watcher.conf', *arguments,
                config=False)
            self.assertFails(result, name, '/nowhere/watcher.conf')
            self.assertEqual(1, len(result.stderr.splitlines()))

    def test_configuration_file_is_broken(self):
        with open(self.path('watcher.conf'), 'w', encoding='utf-8') as out:
            out.write('[database\n')
        self.assertFails(self.run_command('watcher-sync'),
                         'watcher-sync: ', 'watcher.conf')

    def test_wrong_value(self):
        self.write_config(api={'port': 'http'})
        result = self.run_command('watcher-sync')
        self.assertFails(result, 'port', 'http')

    def test_wrong_value_of_a_choice(self):
        self.write_config(DEFAULT={'notification_level': 'loud'})
        self.assertFails(self.run_command('watcher-sync'),
                         'notification_level')

    def test_unknown_transport(self):
        self.write_config(DEFAULT={'transport_url': 'pigeon://'})
        self.assertFails(self.run_command('watcher-sync'), 'pigeon')

    def test_unreadable_transport_url(self):
        for url in ('rabbit://user:hunter2@host:p/', 'user:hunter2@host'):
            self.write_config(DEFAULT={'transport_url': url})
            result = self.run_command('watcher-sync')
            self.assertFails(result, 'watcher-sync: ', 'transport_url')
            self.assertNotIn('hunter2', result.stderr)

    def test_unknown_argument(self):
        for name in (*SOME, 'watcher-status'):
            result = self.run_command(name, '--bogus')
            self.assertFails(result, 'usage:', name, code=2)

    def test_log_directory_is_missing(self):
        self.assertFails(
            self.run_command('watcher-sync', '--log-file', '/nowhere/log'),
            '/nowhere/log')

    def test_database_is_away(self):
        self.write_config(database={
            'connection': 'mysql+pymysql://watcher:hunter2@127.0.0.1:1/w'})
        for name, arguments in (('watcher-sync', ()),
                                ('watcher-db-manage', ('version',)),
                                ('watcher-db-manage', ())):
            result = self.run_command(name, *arguments)
            self.assertFails(result, name, '[database] connection')
            self.assertNotIn('hunter2', result.stderr)

    def test_failure_stands_in_the_log_file_too(self):
        self.write_config()
        self.assertFails(self.run_command(
            'watcher-sync', '--log-file', self.path('sync.log')),
            'watcher-db-manage upgrade')
        with open(self.path('sync.log'), encoding='utf-8') as stream:
            self.assertIn('watcher-db-manage upgrade', stream.read())


class TestOptions(base.CommandTestCase):

    def interpreted(self, name, *arguments):
        script, arguments = self.command(name, *arguments, config=False)
        return script, *arguments

    def test_version(self):
        """New interpreters: the commands import what they need."""
        started = [subprocess.Popen(
            [sys.executable, '-W', 'ignore', '-c',
             *self.interpreted(name, '--version')],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, cwd=self.directory)
            for name in LOGGING]
        for process in started:
            output, errors = process.communicate(timeout=120)
            self.assertEqual((0, version.release_string()),
                             (process.returncode, output.strip()), errors)

    def test_help(self):
        for name in (*SOME, 'watcher-status'):
            result = self.run_command(name, '--help', config=False)
            self.assertEnds(0, result)
            self.assertIn(f'usage: {name}', result.stdout)

    def test_configuration_is_found_under_the_commands_name(self):
        with open(self.path('watcher-db-manage.conf'), 'w',
                  encoding='utf-8') as out:
            out.write('[database]\n'
                      f'connection = sqlite:///{self.path("own.sqlite")}\n'
                      '[DEFAULT]\ntransport_url = fake://\n')
        result = self.run_command('watcher-db-manage', 'version',
                                  config=False)
        self.assertEnds(0, result)
        self.assertEqual('None', result.stdout.strip())

    def test_eventlet_is_declined(self):
        self.upgrade()
        result = self.run_command(
            'watcher-sync',
            env={'OS_WATCHER_DISABLE_EVENTLET_PATCHING': 'false'})
        self.assertEnds(0, result)
        self.assertIn('ignored', result.stderr)
        self.assertNotIn('eventlet is deprecated', result.stderr.lower())
