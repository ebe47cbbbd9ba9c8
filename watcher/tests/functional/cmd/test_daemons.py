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
"""The engines as real processes: start, signals, what they need is away."""

import datetime
import functools
import glob
import os
import signal
import sqlite3
import time

from watcher.tests.functional.cmd import base

ENGINES = ('watcher-applier', 'watcher-decision-engine')


class EngineTestCase(base.DaemonTestCase):

    def services(self):
        with sqlite3.connect(self.database) as connection:
            return {name: (host, seen) for name, host, seen in
                    connection.execute(
                        'SELECT name, host, last_seen_up FROM services')}

    def last_seen(self, name):
        return self.services()[name][1]

    def running(self, name, **kwargs):
        daemon = self.start(name)
        daemon.wait_for_log('is running', **kwargs)
        return daemon


class TestEngines(EngineTestCase):

    def setUp(self):
        super().setUp()
        self.upgrade()

    def test_start_and_stop(self):
        for name in ENGINES:
            daemon = self.running(name)
            self.assertEqual(1, len(daemon.workers()))
            host, _seen = self.services()[name]
            self.assertEqual('testhost', host)
            self.assertStops(daemon)
            self.assertIn('has stopped', daemon.log)

    def test_heartbeats(self):
        self.write_config(DEFAULT={'heartbeat_interval': '1'})
        for name in ENGINES:
            daemon = self.running(name)
            daemon.wait_for(functools.partial(self.last_seen, name),
                            'second heartbeat')
            seen = datetime.datetime.fromisoformat(self.last_seen(name))
            now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
            self.assertLess(abs((now - seen).total_seconds()), 600)

    def test_interrupt_ends_at_once(self):
        daemon = self.running('watcher-applier')
        daemon.signal(signal.SIGINT)
        self.assertEqual(1, daemon.process.wait(base.STOP_TIMEOUT))

    def test_hangup_changes_options_without_a_restart(self):
        for name in ENGINES:
            self.options['DEFAULT']['debug'] = 'false'
            daemon = self.running(name)
            workers = daemon.workers()
            self.write_config(DEFAULT={'debug': 'true'})
            daemon.signal(signal.SIGHUP)
            daemon.wait_for_log('uses the changed configuration')
            self.assertIn(f' {workers[0]} INFO oslo_config.cfg [-] Option '
                          f'DEFAULT.debug changed', daemon.log)
            self.assertEqual(workers, daemon.workers())
            self.assertStops(daemon)

    def test_hangup_with_a_broken_file_changes_nothing(self):
        daemon = self.running('watcher-applier')
        with open(self.path('watcher.conf'), 'w', encoding='utf-8') as out:
            out.write('[DEFAULT\n')
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_log('The changed configuration is not used', 2)
        self.assertEqual(1, len(daemon.workers()))
        self.assertStops(daemon)

    def test_report(self):
        for name in ENGINES:
            daemon = self.running(name)
            daemon.signal(signal.SIGUSR2, daemon.workers()[0])
            pattern = self.path(f'{name}_gurumeditation_*')
            daemon.wait_for(functools.partial(glob.glob, pattern), 'report')
            path = glob.glob(pattern)[0]
            daemon.wait_for(functools.partial(self.is_complete, path),
                            'end of the report')
            report = self.read(path)
            titles = ['Package', 'Threads', 'Processes', 'Configuration',
                      'Plugins']
            if name == 'watcher-decision-engine':
                titles.append('CDMCs')
            positions = [report.index(f' {title} ') for title in titles]
            self.assertEqual(sorted(positions), positions)
            self.assertIn('product = OpenStack Watcher', report)
            self.assertStops(daemon)

    def is_complete(self, path):
        return 'watcher_workflow_engines' in self.read(path)

    def read(self, path):
        with open(path, encoding='utf-8') as stream:
            return stream.read()

    def test_a_killed_worker_is_replaced(self):
        daemon = self.running('watcher-applier')
        worker = daemon.workers()[0]
        daemon.signal(signal.SIGKILL, worker)
        daemon.wait_for_log('is running', 2)
        self.assertNotEqual([worker], daemon.workers())
        self.assertStops(daemon)

    def test_a_killed_master_takes_its_worker_along(self):
        daemon = self.running('watcher-applier')
        worker = daemon.workers()[0]
        daemon.signal(signal.SIGKILL)
        daemon.process.wait(base.STOP_TIMEOUT)
        deadline = time.monotonic() + base.STOP_TIMEOUT
        while os.path.exists(f'/proc/{worker}'):
            self.assertLess(time.monotonic(), deadline, daemon.log)
            time.sleep(0.05)
        self.assertIn('has stopped', daemon.log)

    def test_log_lines_carry_a_request_id(self):
        daemon = self.running('watcher-applier')
        line = next(line for line in daemon.log.splitlines()
                    if 'is running' in line)
        self.assertIn(' req-', line)


class TestDatabaseAway(EngineTestCase):

    def test_engines_wait_for_the_schema(self):
        daemons = [self.start(name) for name in ENGINES]
        for daemon in daemons:
            daemon.wait_for_log('watcher-db-manage upgrade')
            self.assertNotIn('is running', daemon.log)
        # Not a copy of the file, which the daemons have open.
        self.assertEnds(0, self.run_command('watcher-db-manage', 'upgrade'))
        for daemon in daemons:
            daemon.wait_for_log('is running')
            self.assertNotIn('Traceback', daemon.log)

    def test_engines_can_be_stopped_while_waiting(self):
        self.options['database'] = {
            'connection': 'mysql+pymysql://user:hunter2@127.0.0.1:1/w'}
        for name in ENGINES:
            daemon = self.start(name)
            daemon.wait_for_log('[database] connection')
            self.assertNotIn('hunter2', daemon.log)
            self.assertStops(daemon)


class TestBrokerAway(EngineTestCase):

    def setUp(self):
        super().setUp()
        self.upgrade()
        self.options['DEFAULT']['transport_url'] = (
            'rabbit://user:hunter2@127.0.0.1:1/')

    def test_engines_work_without_it(self):
        for name in ENGINES:
            daemon = self.running(name)
            self.assertIn('broker is not reachable yet', daemon.log)
            self.assertIn(name, self.services())
            self.assertStops(daemon)
            self.assertNotIn('hunter2', daemon.log)
