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
"""Execution windows: what is asked of a cloud, and when."""

from watcher import objects
from watcher.tests.fixtures import database
from watcher.tests.fixtures import services
from watcher.tests.functional.applier import base
from watcher.tests.functional.applier import test_process
from watcher.tests.unit.applier import test_hours
from watcher.tests.unit.applier import test_windows
from watcher.tests.unit.applier import window_case

#: Some day that is over: a window that is never open again.
NEVER = '2020-02-02'


def set_windows(test, *texts):
    objects.AuditSchedule.set(test.context, test.audit.id,
                              execution_windows=list(texts))


def shown(test, plan):
    found = objects.ActionPlan.get_by_uuid(test.context, plan.uuid)
    return found.state, found.hostname, found.status_message


class Migrations:
    """Live migrations that end when the test wants it."""

    def let_hang(self):
        for server in self.servers:
            self.cloud.faults.add_migration(server=server, outcome='hang')

    def running(self, server):
        """Wait for the migration of a server; returns it."""
        def find():
            with self.cloud.state.lock:
                found = self.cloud.state.migrations_of(server)
            return found and found[-1].status == 'running' and found[-1]
        return services.wait_until(find, what=f'the migration of {server}')

    def let_end(self, server):
        migration = self.running(server)
        with self.cloud.state.lock:
            self.cloud.cloud.compute.force_live(self.server(server),
                                                migration)


class TestOverCloud(Migrations, base.ApplierOverCloud):
    """A night of migrations that ends in the middle of one."""

    def setUp(self):
        self.clock = self.useFixture(window_case.Clock())
        super().setUp()
        set_windows(self, window_case.NIGHT)
        self.let_hang()

    def overrides(self):
        return {**super().overrides(),
                'watcher_applier': {'reconcile_interval': 1}}

    def asked_to_migrate(self):
        """How often the cloud was asked to move each of the servers."""
        paths = [entry['path'] for entry in self.cloud.requests(
            method='POST')]
        return [sum(path.endswith(f'/servers/{server}/action')
                    for path in paths) for server in self.servers]

    def test_nothing_is_asked_of_it_while_the_window_is_closed(self):
        first, second, third = self.servers
        plan = self.start_plan(*(self.migrate(server)
                                 for server in self.servers))
        services.wait_until(lambda: shown(self, plan) == (
            'PENDING', 'applier-1', window_case.WAITS))
        self.assertEqual([0, 0, 0], self.asked_to_migrate())

        self.clock.set('22:00')
        self.running(first)
        self.clock.set('2026-06-02 12:00')
        self.let_end(first)
        services.wait_until(lambda: shown(self, plan)[1] is None)
        state, _host, message = shown(self, plan)
        self.assertEqual('ONGOING', state)
        self.assertIn('opens at 2026-06-02 22:00:00 UTC', message)
        self.assertEqual('compute-2', self.cloud.host_of(first))
        self.assertEqual([1, 0, 0], self.asked_to_migrate())

        self.clock.set('2026-06-02 22:00')
        for server in (second, third):
            self.let_end(server)
        self.assertEqual('SUCCEEDED', self.finish(plan).state)
        self.assertEqual([1, 1, 1], self.asked_to_migrate())
        self.assertIsNone(shown(self, plan)[2])


class TestProcess(Migrations, test_process.ProcessTestCase):
    """The applier dies while a plan rests; another one goes on."""

    down_time = 4
    options = {'reconcile_interval': 1, 'workers': 2}

    def start_plan(self, *specs):
        self.let_hang()
        return super().start_plan(*specs)

    def waits(self, plan):
        return lambda: (shown(self, plan)[2] or '').startswith(
            'Waits for its execution window, which never opens again.')

    def test_it_goes_on_at_another_applier(self):
        first, second = self.servers[:2]
        self.running(first)
        set_windows(self, NEVER)
        # Once this one is told that the running plan is known to wait, too.
        other = self.start_plan(('nop', {'message': 'hello'}))
        services.wait_until(self.waits(other))
        self.let_end(first)
        services.wait_until(lambda: shown(self, self.plan)[1] is None)
        self.assertTrue(self.waits(self.plan)())
        self.kill()

        self.start_applier('applier-2')
        third = self.start_plan(('nop', {'message': 'hello'}))
        services.wait_until(self.waits(third))
        self.assertEqual(('ONGOING', None), shown(self, self.plan)[:2])
        set_windows(self)
        self.let_end(second)
        plans = [self.finish(plan) for plan in (self.plan, other, third)]
        self.assertEqual([('SUCCEEDED', 'applier-2', None)] * 3, [
            (plan.state, plan.hostname, plan.status_message)
            for plan in plans])
        self.assertEqual([1, 1], self.asked_to_migrate())


class TestHandOverMysql(test_windows.TestHandOver):
    engine = database.MYSQL


class TestHandOverPostgresql(test_windows.TestHandOver):
    engine = database.POSTGRESQL


class TestWithoutTheTableMysql(test_hours.TestWithoutTheTable):
    engine = database.MYSQL


class TestWithoutTheTablePostgresql(test_hours.TestWithoutTheTable):
    engine = database.POSTGRESQL
