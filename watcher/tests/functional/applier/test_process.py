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

import os
import pathlib
import signal

from watcher.tests.fixtures import services
from watcher.tests.functional.applier import base


class TestProcess(base.OverCloud):

    timing = {'live_migration': 3600.0}

    def setUp(self):
        super().setUp()
        self.applier = self.start_applier()
        self.plan = self.start_plan(*(
            self.migrate(server) for server in self.servers[:2]))
        services.wait_until(
            lambda: self.server(self.servers[0]).task_state == 'migrating',
            what='the first migration')

    def start_applier(self):
        return self.useFixture(
            services.Process('applier', self.service.config_file))

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

    def test_sigterm(self):
        code, seconds = self.applier.terminate()
        self.assertEqual(0, code)
        self.assertLess(seconds, 30)
        self.assertRecovered()

    def test_a_killed_worker(self):
        tasks = pathlib.Path(f'/proc/{self.applier.process.pid}/task')
        workers = [int(child) for children in tasks.glob('*/children')
                   for child in children.read_text().split()]
        self.assertNotEqual([], workers)
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        # The master starts a new worker, which finds what was interrupted.
        self.assertRecovered()
