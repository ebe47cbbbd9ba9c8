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
"""Actions over HTTP without an engine: the hooks around a change."""

import concurrent.futures
import contextlib
import threading
import types

from watcher.applier.actions import base as action_base
from watcher.applier.loading import default as loading
from watcher.common import exception
from watcher.tests.fixtures import services
from watcher.tests.functional import cloud

Fate = action_base.Fate


class HookTestCase(cloud.CloudTestCase):
    """Runs hooks as an engine would, and keeps what is reported."""

    SPEC = {'hosts': 3, 'flavor': 'm1.small', 'placement': {
        'compute-1': 3, 'compute-2': 0, 'compute-3': 0}}

    def setUp(self):
        super().setUp()
        self.server = self.cloud.servers_of('compute-1')[0]
        self.run_record = types.SimpleNamespace(
            remote=None, before=None, started_at=None)
        self.progress = []
        self.stopping = threading.Event()

    def store(self, progress=None, remote=None, before=None):
        if progress is not None:
            self.progress.append(progress)
        self.run_record.remote = remote or self.run_record.remote
        self.run_record.before = before or self.run_record.before

    def make(self, action_type, **parameters):
        action = loading.DefaultActionLoader().load(action_type)
        action.input_parameters = parameters
        action.validate_parameters()
        action.watch_progress(self.store)
        action.watch_stop(self.stopping)
        return action

    def migrate(self, kind='live', destination='compute-2', **changes):
        parameters = {'resource_id': self.server, 'migration_type': kind,
                      'source_node': 'compute-1', **changes}
        if destination:
            parameters['destination_node'] = destination
        return self.make('migrate', **parameters)

    def resize(self, flavor='m1.medium'):
        return self.make('resize', resource_id=self.server, flavor=flavor)

    def do(self, action):
        action.pre_condition()
        self.assertIs(True, action.execute())
        action.post_condition()
        return action

    def undo(self, action):
        inverse = action.inverse(self.run_record)
        self.assertIsInstance(inverse, action_base.Inverse)
        return self.do(self.make(inverse.action_type,
                                 **inverse.input_parameters))

    def fails(self, action, *words):
        """Run an action that fails, and return what it says."""
        def run():
            action.pre_condition()
            action.execute()
        error = self.assertRaises(exception.WatcherException, run)
        self.assertNotIsInstance(error, exception.ActionSkipped)
        # As much as is left beside the phase, in 255 characters.
        text = ' '.join(str(error).split())[:225]
        for word in words:
            self.assertIn(word, text)
        return text

    @contextlib.contextmanager
    def running(self, action):
        """Execute an action in a thread; gives its future."""
        action.pre_condition()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            future = pool.submit(action.execute)
            try:
                yield future
            finally:
                self.cloud.faults.clear()
                self.stopping.set()

    def killed(self, action, until):
        """Leave an action behind as soon as something is true."""
        with self.running(action) as future:
            services.wait_until(until)
            self.stopping.set()
            self.assertIsInstance(future.exception(services.PATIENCE),
                                  exception.WaitInterrupted)
        self.stopping.clear()

    def look(self):
        return self.cloud.state.servers[self.server]

    def migration(self):
        with self.cloud.state.lock:
            return self.cloud.state.migrations_of(self.server)[-1]

    def is_known(self):
        return 'migration' in (self.run_record.remote or {})

    def is_running(self):
        return self.is_known() and self.migration().status == 'running'

    def finish_live(self):
        with self.cloud.state.lock:
            self.cloud.cloud.compute.force_live(self.look(),
                                                self.migration())

    def found(self, action):
        return action.recover(self.run_record).fate


class TestTracking(HookTestCase):

    TIMING = {'live_migration': 0.6, 'cold_migration': 0.6}

    def test_live(self):
        action = self.do(self.migrate())
        self.assertEqual(self.migration().id,
                         self.run_record.remote['migration'])
        self.assertEqual('compute-1', self.run_record.before['host'])
        self.assertTrue(self.progress)
        self.assertTrue(all(0 <= one <= 100 for one in self.progress))
        self.undo(action)
        self.assertEqual('compute-1', self.cloud.host_of(self.server))

    def test_cold_to_a_host_that_nova_chooses(self):
        action = self.do(self.migrate('cold', None))
        arrived = self.cloud.host_of(self.server)
        self.assertEqual('confirmed', self.migration().status)
        self.assertEqual(self.migration().id,
                         self.run_record.remote['migration'])
        self.assertEqual(sorted(self.progress), self.progress)
        inverse = action.inverse(self.run_record)
        self.assertEqual(
            {'resource_id': self.server, 'migration_type': 'cold',
             'source_node': arrived, 'destination_node': 'compute-1'},
            inverse.input_parameters)
        self.undo(action)
        self.assertEqual('compute-1', self.cloud.host_of(self.server))

    def test_resize(self):
        before = self.look().flavor.name
        action = self.do(self.resize())
        self.assertEqual('m1.medium', self.look().flavor.name)
        self.undo(action)
        self.assertEqual(before, self.look().flavor.name)
        self.assertEqual('active', self.look().vm_state)

    def test_stop_and_start(self):
        action = self.do(self.make('stop', resource_id=self.server))
        started = self.undo(action)
        self.assertEqual('active', self.look().vm_state)
        self.assertEqual('stop',
                         started.inverse(self.run_record).action_type)
        self.assertRaises(exception.ActionSkipped, started.pre_condition)

    def test_what_was_stopped_already_is_not_started(self):
        with self.cloud.state.lock:
            self.cloud.state.touch(self.look(), vm_state='stopped')
        action = self.make('stop', resource_id=self.server)
        action.execute()
        undo = action.inverse(self.run_record)
        self.assertIsInstance(undo, action_base.Irreversible)
        self.assertIn('nothing was changed', undo.reason)

    def test_service_state_with_the_reason_it_had(self):
        host = self.cloud.state.hosts['compute-2']
        with self.cloud.state.lock:
            self.cloud.state.touch_host(host)
            host.status, host.disabled_reason = 'disabled', 'broken fan'
        action = self.do(self.make('change_nova_service_state',
                                   resource_id='compute-2', state='enabled'))
        self.assertEqual('enabled', host.status)
        self.assertIs(Fate.DONE, self.found(action))
        self.undo(action)
        self.assertEqual(('disabled', 'broken fan'),
                         (host.status, host.disabled_reason))
        self.assertIs(Fate.NOT_STARTED, self.found(action))

    def test_what_a_move_costs(self):
        """A look asks twice: for the server, and how far it is."""
        action = self.migrate()
        action.pre_condition()
        self.cloud.forget_requests()
        action.execute()
        asked = self.paths('compute')
        looks = asked.count(f'GET /v2.1/servers/{self.server}')
        self.assertLessEqual(len(asked), 2 * looks + 3, asked)

    def test_claims(self):
        self.assertEqual(
            action_base.Claims((self.server,), 'compute-1', 'compute-2'),
            self.migrate().claims())
        self.assertEqual((self.server,), self.resize().claims().subjects)
        self.assertEqual((), self.make('sleep', duration=1).claims().subjects)

    def test_large_servers_have_more_time(self):
        self.config('nova', migration_max_retries=10,
                    migration_interval=1.0, migration_rate=1.0)
        flavor = self.look().flavor
        live, cold = self.migrate(), self.migrate('cold')
        for action in (live, cold):
            action.pre_condition()
        self.assertEqual(float(flavor.ram + 1024 * flavor.disk),
                         live.deadline())
        self.assertEqual(1024.0 * flavor.disk, cold.deadline())
        self.config('nova', migration_rate=0)
        self.assertEqual(10, live.deadline())


class TestOverdue(HookTestCase):
    """A migration that hangs beyond its deadline."""

    def setUp(self):
        super().setUp()
        self.config('nova', migration_max_retries=1, migration_rate=0)
        self.cloud.faults.add_migration(outcome='hang')

    def is_warned(self):
        return 'is followed on' in self.logger.output

    def test_it_is_followed_on(self):
        with self.running(self.migrate()) as future:
            services.wait_until(self.is_warned)
            self.assertFalse(future.done())
            services.wait_until(self.is_running)
            self.finish_live()
            self.assertIs(True, future.result(services.PATIENCE))

    def test_it_is_forced(self):
        self.config('nova', migration_overdue='force')
        self.do(self.migrate())
        self.assertEqual('compute-2', self.cloud.host_of(self.server))

    def test_it_is_left_to_nova(self):
        self.config('nova', migration_overdue='leave')
        self.fails(self.migrate(), 'goes on in Nova',
                   'migration_max_retries')

    def test_a_cold_one_is_followed_whatever_is_wanted(self):
        self.config('nova', migration_overdue='force')
        with self.running(self.migrate('cold')) as future:
            services.wait_until(self.is_warned)
            self.assertFalse(future.done())


class TestAbort(HookTestCase):

    TIMING = {'live_migration': 0.2, 'cold_migration': 1.0}

    def test_live(self):
        self.cloud.faults.add_migration(outcome='hang')
        action = self.migrate()
        with self.running(action) as future:
            services.wait_until(self.is_running)
            self.assertTrue(action.abort())
            self.assertIn('as it was asked to',
                          str(future.exception(services.PATIENCE)))
        self.assertEqual('compute-1', self.cloud.host_of(self.server))
        self.assertEqual('cancelled', self.migration().status)

    def abort_cold(self, action):
        with self.running(action) as future:
            services.wait_until(lambda: self.look().task_state)
            self.assertTrue(action.abort())
            self.assertIn('was reverted',
                          str(future.exception(services.PATIENCE)))
        self.assertEqual('compute-1', self.cloud.host_of(self.server))
        self.assertEqual('reverted', self.migration().status)
        self.assertEqual('active', self.look().vm_state)

    def test_cold(self):
        self.abort_cold(self.migrate('cold'))

    def test_resize(self):
        before = self.look().flavor
        self.abort_cold(self.resize())
        self.assertIs(before, self.look().flavor)

    def test_before_nova_is_asked(self):
        action = self.migrate()
        action.pre_condition()
        action._aborting.set()
        self.assertRaises(exception.ActionExecutionFailure, action.execute)
        self.assertEqual([], self.cloud.state.migrations_of(self.server))

    def test_what_nobody_watches_any_more(self):
        self.killed(self.resize(), lambda: self.look().task_state)
        services.wait_until(lambda: self.look().vm_state == 'resized')
        self.assertTrue(self.resize().abort())
        self.assertEqual('reverted', self.migration().status)
        self.assertFalse(self.resize().abort())

    def test_sleep(self):
        action = self.make('sleep', duration=3600)
        with self.running(action) as future:
            self.assertTrue(action.abort())
            self.assertIn('aborted',
                          str(future.exception(services.PATIENCE)))


class TestRecovery(HookTestCase):
    """An applier dies; another one looks what became of its action."""

    TIMING = {'cold_migration': 0.5}

    def test_before_anything_was_asked(self):
        for action in (self.migrate(), self.migrate('cold'), self.resize(),
                       self.make('stop', resource_id=self.server)):
            self.assertIs(Fate.NOT_STARTED, self.found(action))
        # All was written down, but the request was never sent.
        self.run_record.remote = {'after': 0}
        self.run_record.before = {'host': 'compute-1', 'status': 'ACTIVE',
                                  'vm_state': 'active', 'flavor': 'm1.small'}
        for action in (self.migrate(), self.migrate('cold'), self.resize()):
            self.assertIs(Fate.NOT_STARTED, self.found(action))

    def test_a_live_migration_runs(self):
        self.cloud.faults.add_migration(outcome='hang', count=1)
        self.killed(self.migrate(), self.is_running)
        posts = self.cloud.requests(method='POST', path=f'/v2.1/servers/'
                                    f'{self.server}/action')
        # Its id was not stored any more.
        del self.run_record.remote['migration']
        again = self.migrate()
        found = again.recover(self.run_record)
        self.assertIs(Fate.RUNNING, found.fate)
        self.assertEqual(self.migration().id, found.remote['migration'])
        self.finish_live()
        self.assertIs(True, again.resume(self.run_record))
        again.post_condition()
        self.assertEqual(posts, self.cloud.requests(
            method='POST', path=f'/v2.1/servers/{self.server}/action'))
        self.assertIs(Fate.DONE, self.found(self.migrate()))
        self.undo(again)
        self.assertEqual('compute-1', self.cloud.host_of(self.server))

    def test_a_live_migration_has_failed(self):
        self.cloud.faults.add_migration(outcome='hang', count=1)
        self.killed(self.migrate(), self.is_running)
        with self.cloud.state.lock:
            self.cloud.cloud.compute.abort_live(
                self.look(), self.migration(), True)
        found = self.migrate().recover(self.run_record)
        self.assertIs(Fate.FAILED, found.fate)
        self.assertIn('cancelled', found.reason)
        # An earlier migration says nothing about this one.
        self.run_record.remote = {'after': self.migration().id}
        self.assertIs(Fate.NOT_STARTED, self.found(self.migrate()))

    def test_left_over_confirmations(self):
        for action in (self.migrate('cold'), self.resize()):
            self.killed(action, lambda: self.look().task_state)
            services.wait_until(lambda: self.look().vm_state == 'resized')
            again = self.make(
                'migrate' if 'migration_type' in action.input_parameters
                else 'resize', **action.input_parameters)
            self.assertIs(Fate.RUNNING, self.found(again))
            self.assertIs(True, again.resume(self.run_record))
            again.post_condition()
            self.assertEqual('confirmed', self.migration().status)
            self.assertIs(Fate.DONE, self.found(again))
        self.assertEqual('m1.medium', self.look().flavor.name)

    def test_a_deleted_server(self):
        self.cloud.lose_server(self.server)
        for action in (self.migrate(), self.resize(),
                       self.make('start', resource_id=self.server)):
            found = action.recover(self.run_record)
            self.assertIs(Fate.FAILED, found.fate)
            self.assertIn('was deleted', found.reason)
        self.assertIs(Fate.DONE, self.found(
            self.make('stop', resource_id=self.server)))

    def test_a_server_that_is_elsewhere(self):
        with self.cloud.state.lock:
            self.cloud.state.move(self.look(),
                                  self.cloud.state.hosts['compute-3'])
        self.assertIs(Fate.FAILED, self.found(self.migrate()))
        self.assertIs(Fate.DONE, self.found(self.migrate(destination=None)))

    def test_stop(self):
        def action():
            return self.make('stop', resource_id=self.server)
        with self.cloud.state.lock:
            self.cloud.state.touch(self.look(), task_state='powering-off')
        again = action()
        self.assertIs(Fate.RUNNING, self.found(again))
        with self.cloud.state.lock:
            self.cloud.state.touch(self.look(), task_state=None,
                                   vm_state='stopped')
        self.assertIs(True, again.resume(self.run_record))
        self.assertIs(Fate.DONE, self.found(action()))


class TestFailures(HookTestCase):
    """The status message names the real reason."""

    def fill(self, *hosts):
        with self.cloud.state.lock:
            for name in hosts:
                host = self.cloud.state.hosts[name]
                host.inventory['VCPU'].total = 0

    def test_full_destinations(self):
        self.fill('compute-2', 'compute-3')
        for action in (self.migrate(), self.migrate('cold'),
                       self.migrate(destination=None), self.resize()):
            self.fails(action, 'No valid host was found')
        self.assertEqual('compute-1', self.cloud.host_of(self.server))
        self.assertEqual('active', self.look().vm_state)

    def test_answers_of_nova(self):
        for status, reason in (
                (409, "Cannot 'resize' instance: task_state scheduling"),
                (403, 'Policy does not allow os_compute_api:resize'),
                (413, 'Quota exceeded for cores'),
                (500, 'Unexpected API Error')):
            self.cloud.faults.add(
                service='compute', method='POST', path='/action$',
                status=status, message=reason)
            for action in (self.resize(), self.migrate(),
                           self.make('stop', resource_id=self.server)):
                self.fails(action, str(status), reason)
            self.cloud.faults.clear()
        self.cloud.faults.add(
            service='compute', method='PUT', path='/os-services', status=403,
            message='Policy does not allow it')
        self.fails(self.make('change_nova_service_state', state='disabled',
                             resource_id='compute-1'), 'does not allow')

    def test_broken_connections(self):
        """Whether the request or the answer is lost, Nova does it once."""
        for kind, action in (('drop', self.migrate()),
                             ('lose_answer', self.migrate(
                                 source_node='compute-2',
                                 destination='compute-1'))):
            self.cloud.faults.add(service='compute', method='POST',
                                  path='/action$', count=1, **{kind: True})
            self.do(action)
        self.cloud.faults.add(service='compute', method='POST', count=2,
                              path='/action$', lose_answer=True)
        self.do(self.migrate('cold'))
        self.assertEqual(
            3, len(self.cloud.state.migrations_of(self.server)))
        for name in ('stop', 'start'):
            self.cloud.faults.add(service='compute', method='POST', count=1,
                                  path='/action$', lose_answer=True)
            self.do(self.make(name, resource_id=self.server))

    def test_nova_confirms_by_itself_and_the_user_stops_it(self):
        self.cloud.faults.add_migration(outcome='hang')
        with self.running(self.migrate('cold')) as future:
            services.wait_until(
                lambda: self.look().task_state == 'resize_migrating')
            with self.cloud.state.lock:
                state, migration = self.cloud.state, self.migration()
                migration.status = 'confirmed'
                state.move(self.look(), migration.dest)
                state.touch(self.look(), task_state=None, power_state=4,
                            vm_state='stopped')
            self.assertIs(True, future.result(services.PATIENCE))

    def test_a_nova_that_does_not_show_migrations(self):
        self.cloud.faults.add(service='compute', method='GET', status=403,
                              path='/os-migrations', message='no')
        self.do(self.migrate())
        self.do(self.migrate('cold', 'compute-3', source_node='compute-2'))
        self.assertIs(Fate.DONE, self.found(self.migrate(
            'cold', 'compute-3', source_node='compute-2')))

    def test_servers_in_error(self):
        with self.cloud.state.lock:
            self.cloud.state.touch(self.look(), vm_state='error')
        self.fails(self.migrate(), 'ERROR')
        self.fails(self.migrate('cold'), 'error')
        self.fails(self.make('start', resource_id=self.server), 'ERROR')

    def test_a_disabled_destination(self):
        host = self.cloud.state.hosts['compute-2']
        with self.cloud.state.lock:
            host.status = 'disabled'
            self.cloud.state.touch_host(host)
        self.fails(self.migrate(), 'compute-2', 'not enabled')

    def test_deleted_during_each_action(self):
        for server, make in zip(
                self.cloud.servers_of('compute-1'),
                (self.migrate, lambda: self.migrate('cold'), self.resize),
                strict=True):
            self.server = server
            self.cloud.faults.add_migration(outcome='hang')
            with self.running(make()) as future:
                services.wait_until(lambda: self.look().task_state)
                self.cloud.lose_server(server)
                error = future.exception(services.PATIENCE)
            self.assertIn(f'server {server} was deleted', str(error))
            self.stopping.clear()

    def test_a_migration_that_ends_on_another_host(self):
        self.cloud.faults.add_migration(outcome='hang')
        with self.running(self.migrate()) as future:
            services.wait_until(self.is_running)
            with self.cloud.state.lock:
                state = self.cloud.state
                state.move(self.look(), state.hosts['compute-3'])
                state.touch(self.look(), task_state=None)
                self.migration().status = 'completed'
            error = future.exception(services.PATIENCE)
        self.assertIn('compute-3 instead of compute-2', str(error))

    def test_refused_confirmations(self):
        self.cloud.faults.add(
            service='compute', method='POST', body='confirmResize',
            status=409, message='source is away')
        self.fails(self.migrate('cold'), 'VERIFY_RESIZE', 'source is away')

    def test_failing_confirmations(self):
        self.cloud.faults.add_migration(
            kind='confirm', message='no such file')
        self.fails(self.resize(), 'could not confirm', 'VERIFY_RESIZE',
                   'no such file')

    def test_a_stop_that_nova_gives_up(self):
        action = self.make('stop', resource_id=self.server)
        compute = self.cloud.cloud.compute
        compute.timing.power = 3600
        with self.running(action) as future:
            services.wait_until(lambda: self.look().task_state)
            with self.cloud.state.lock:
                self.cloud.state.touch(self.look(), task_state=None)
            error = future.exception(services.PATIENCE)
        self.assertIn('given up by Nova', str(error))

    def test_the_end_is_judged_once_more(self):
        action = self.do(self.migrate())
        with self.cloud.state.lock:
            self.cloud.state.touch(self.look(), vm_state='error')
        error = self.assertRaises(exception.ActionExecutionFailure,
                                  action.post_condition)
        self.assertIn('ERROR', str(error))
        self.cloud.lose_server(self.server)
        action.post_condition()
