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
"""The applier as a real process that is stopped or killed at work."""

import contextlib
import os
import pathlib
import signal
import sqlite3

from oslo_config import cfg
from sqlalchemy.engine import url

from watcher.tests.fixtures import services
from watcher.tests.functional.applier import base


class ProcessTestCase(base.OverCloud):
    """An applier that is executing the first of two migrations.

    :cvar options: of ``[watcher_applier]``
    """

    down_time = 90
    options: dict = {}

    def setUp(self):
        super().setUp()
        self.applier = self.start_applier()
        self.plan = self.start_plan(*(
            self.migrate(server) for server in self.servers[:2]))
        services.wait_until(
            lambda: self.server(self.servers[0]).task_state == 'migrating',
            what='the first migration')

    def overrides(self):
        return {'DEFAULT': {'host': 'applier-1',
                            'service_down_time': self.down_time},
                'watcher_applier': self.options}

    def start_applier(self, host='applier-1'):
        file = self.service.config_file
        if host != 'applier-1':
            other = file.with_name(f'{host}.conf')
            other.write_text(file.read_text().replace('applier-1', host))
            file = other
        return self.useFixture(services.Process('applier', file))

    def workers(self):
        tasks = pathlib.Path(f'/proc/{self.applier.process.pid}/task')
        workers = [int(child) for children in tasks.glob('*/children')
                   for child in children.read_text().split()]
        self.assertNotEqual([], workers)
        return workers

    def signal_workers(self, number):
        for worker in self.workers():
            os.kill(worker, number)

    def freeze(self):
        """Stop the workers where they hold no lock; returns them.

        SQLite has one lock, for all; servers release those of a process that
        does nothing.
        """
        workers = self.workers()
        self.addCleanup(self._thaw, workers)
        path = url.make_url(cfg.CONF.database.connection).database

        def has_stopped():
            self.signal_workers(signal.SIGSTOP)
            # A system call in which a thread is now ends before it stops.
            services.wait_until(lambda: self._are_stopped(workers),
                                what='that no thread runs')
            with contextlib.closing(sqlite3.connect(path, 1)) as connection:
                try:
                    connection.execute('BEGIN IMMEDIATE')
                except sqlite3.OperationalError:
                    self._thaw(workers)
                    return False
            return True

        services.wait_until(has_stopped, what='a moment without a lock')
        return workers

    @staticmethod
    def _are_stopped(workers):
        states = [path.read_text().rpartition(')')[2].split()[0]
                  for worker in workers for path in
                  pathlib.Path(f'/proc/{worker}/task').glob('*/stat')]
        return set(states) == {'T'}

    @staticmethod
    def _thaw(workers):
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGCONT)

    def kill(self):
        """Have it end like a machine without power."""
        master = self.applier.process
        master.send_signal(signal.SIGSTOP)
        self.signal_workers(signal.SIGKILL)
        master.kill()
        master.wait(services.PATIENCE)

    def asked_to_migrate(self):
        """How often the cloud was asked to move each of the servers."""
        paths = [entry['path'] for entry in self.cloud.requests(
            method='POST')]
        return [sum(path.endswith(f'/servers/{server}/action')
                    for path in paths) for server in self.servers[:2]]

    def assertRecovered(self):
        plan = self.finish(self.plan)
        self.assertEqual('CANCELLED', plan.state)
        self.assertEqual(
            'Action plan was cancelled because Applier applier-1 was stopped '
            'while the action plan was ongoing. May still be running in '
            f'Nova: migrate of {self.servers[0]}', plan.status_message)
        self.assertEqual(
            ['CANCELLED'] * 2,
            [action.state for action in self.actions_of(plan)])
        self.assertIsNone(self.server(self.servers[1]).task_state)


class TestProcess(ProcessTestCase):

    timing = {'live_migration': 3600.0}

    def test_sigterm(self):
        code, seconds = self.applier.terminate()
        self.assertEqual(0, code)
        self.assertLess(seconds, 30)
        self.assertRecovered()

    def test_a_killed_worker(self):
        self.signal_workers(signal.SIGKILL)
        # The master starts a new worker, which finds what was interrupted.
        self.assertRecovered()


class TestAnotherApplier(ProcessTestCase):

    timing = {'live_migration': 3600.0}
    down_time = 4
    options = {'reconcile_interval': 1}

    def test_one_that_was_frozen_does_nothing_any_more(self):
        frozen = self.freeze()
        self.start_applier('applier-2')
        self.assertRecovered()
        self._thaw(frozen)
        services.wait_until(
            lambda: 'took this one, on applier-1, for dead' in
            self.applier.log_text(), what='that it knows')
        # It starts anew; nothing is left to be done.
        services.wait_until(
            lambda: self.applier.log_text().count('is running (process') == 2,
            what='the next worker')
        self.assertRecovered()
        self.assertEqual([1, 0], self.asked_to_migrate())


class TestResume(ProcessTestCase):

    timing = {'live_migration': 5.0}
    down_time = 4
    options = {'reconcile_interval': 1, 'interrupted_plans': 'resume'}

    def assertResumed(self):
        plan = self.finish(self.plan)
        actions = self.actions_of(plan)
        self.assertEqual(
            ('SUCCEEDED', ['SUCCEEDED'] * 2),
            (plan.state, [action.state for action in actions]),
            [action.status_message for action in actions])
        self.assertEqual(['compute-2'] * 2, [
            self.server(server).host.name for server in self.servers[:2]])
        self.assertEqual([1, 1], self.asked_to_migrate())

    def test_killed(self):
        self.kill()
        self.start_applier('applier-2')
        self.assertResumed()
        self.assertEqual('applier-2', self.finish(self.plan).hostname)
