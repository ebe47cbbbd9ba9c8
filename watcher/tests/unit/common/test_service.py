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
"""The shell around an engine, in this process with a real bus."""

import threading
import time
from unittest import mock

import fixtures
import oslo_messaging as messaging
from oslo_db import exception as db_exc
from oslo_messaging import conffixture
from oslo_reports import guru_meditation_report as gmr
from oslo_service import opts as service_opts

from watcher.common import context
from watcher.common import rpc
from watcher.common import rpcapi
from watcher.common import service
from watcher.common import utils
from watcher.tests import base


class Endpoint:

    target = messaging.Target(version='1.0')

    def __init__(self, manager):
        self._manager = manager

    def launch_action_plan(self, ctxt, action_plan_uuid):
        self._manager.note('rpc')


class Manager:
    """Writes down what happens to it."""

    API_VERSION = '1.0'
    service_name = 'watcher-applier'
    topic = 'watcher.applier.control'

    failures: list = []
    instances: list = []
    stop_takes = 0

    def __init__(self):
        self.journal = []
        self.noted = threading.Condition()
        self.endpoints = [Endpoint(self)]
        self.on_failure = None
        self.instances.append(self)

    def note(self, word):
        with self.noted:
            self.journal.append(word)
            self.noted.notify_all()

    def wait_for(self, word, timeout=base.PATIENCE):
        with self.noted:
            return self.noted.wait_for(lambda: word in self.journal, timeout)

    def pre_start(self):
        self.note('pre_start')
        if self.failures:
            raise self.failures.pop(0)

    def start(self):
        self.note('start')

    def stop(self, timeout):
        self.note(f'stop {timeout}')

    def reset(self):
        self.note('reset')


class ServiceTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(conffixture.ConfFixture(self.conf.conf))
        service_opts.register_service_opts(self.conf.conf)
        self.config(host='here')
        self.connect('fake://')
        self.addCleanup(rpc.cleanup)
        self.useFixture(fixtures.MockPatchObject(
            service, 'RETRY_PAUSES', (0.01, 0.02)))
        self.useFixture(fixtures.MockPatchObject(
            service, 'RPC_START_WAIT', 0.5))
        self.useFixture(fixtures.MockPatchObject(Manager, 'failures', []))
        self.useFixture(fixtures.MockPatchObject(Manager, 'instances', []))
        self.beats = []
        self.ended = []

    def connect(self, url):
        self.config(transport_url=url)
        self.config(driver=['noop'], group='oslo_messaging_notifications')
        rpc.init(self.conf.conf)

    def service(self, manager_class=Manager, **kwargs):
        kwargs.setdefault('heartbeat',
                          lambda *args: self.beats.append(args))
        made = service.Service(
            manager_class, self.conf.conf,
            on_stop=[lambda: self.ended.append('end')], **kwargs)
        self.addCleanup(made.stop)
        return made


class TestService(ServiceTestCase):

    def test_life(self):
        made = self.service()
        made.start()
        manager = made.manager
        self.assertEqual(['pre_start', 'start'], manager.journal)
        self.assertEqual([('watcher-applier', 'here')], self.beats)
        self.assertTrue(rpcapi.ApplierAPI().launch_action_plan(
            context.make_context(), utils.generate_uuid()))
        self.assertTrue(manager.wait_for('rpc'))
        made.reset()
        self.assertEqual('reset', manager.journal[-1])
        made.stop()
        self.assertEqual('stop 5.0', manager.journal[-1])
        self.assertEqual(['end'], self.ended)
        made.wait()
        made.stop()
        self.assertEqual(['end'], self.ended)

    def test_managers_are_built_at_start_only(self):
        self.service()
        self.assertEqual([], Manager.instances)

    def test_nothing_is_served_after_stop(self):
        made = self.service()
        made.start()
        made.stop()
        rpcapi.ApplierAPI().launch_action_plan(
            context.make_context(), utils.generate_uuid())
        self.assertFalse(made.manager.wait_for('rpc', timeout=0.3))

    def test_wait_blocks_until_stop(self):
        made = self.service()
        made.start()
        waiter = threading.Thread(target=made.wait, daemon=True)
        waiter.start()
        waiter.join(0.1)
        self.assertTrue(waiter.is_alive())
        made.stop()
        waiter.join(base.PATIENCE)
        self.assertFalse(waiter.is_alive())

    def test_stop_without_patience(self):
        made = self.service()
        made.start()
        made.stop(graceful=False)
        self.assertEqual('stop 0', made.manager.journal[-1])

    def test_stop_stays_within_the_operators_limit(self):
        self.config(graceful_shutdown_timeout=4)
        made = self.service()
        made.start()
        made.stop()
        self.assertEqual('stop 2.0', made.manager.journal[-1])

    def test_stop_before_start(self):
        made = self.service()
        made.stop()
        made.start()
        self.assertEqual([], Manager.instances)

    def test_failing_stop_does_not_keep_the_rest_from_stopping(self):
        made = self.service()
        made.start()
        made.manager.stop = lambda timeout: 1 / 0
        made.stop()
        self.assertEqual(['end'], self.ended)
        self.assertIn('ZeroDivisionError', self.logger.output)


class TestFailure(ServiceTestCase):

    def fail(self, error):
        """What a manager does that cannot go on, in a thread of its own."""
        made = self.service()
        made.start()
        self.assertEqual(made.fail, Manager.instances[0].on_failure)
        threading.Thread(target=Manager.instances[0].on_failure,
                         args=(error,)).start()
        return made

    def test_the_manager_ends_the_service(self):
        for error in (service.Restart('again'), service.FatalError('no')):
            made = self.fail(error)
            self.assertIs(error, self.assertRaises(type(error), made.wait))
            self.assertTrue(Manager.instances[0].wait_for('stop 0'))
            Manager.instances.clear()

    def test_the_worker_ends_with_a_code_for_its_master(self):
        reports = mock.Mock(**{'oslo_reports.file_event_handler': None})
        for error, code in ((service.Restart('again'), 1),
                            (service.FatalError('no'), service.EXIT_FATAL)):
            made = self.fail(error)
            worker = service._Worker(0, reports, made)
            made.start = lambda: None
            ended = self.assertRaises(SystemExit, worker.run)
            self.assertEqual(code, ended.code)
            self.assertIn(str(error), self.logger.output)
            Manager.instances.clear()


class TestStartWhileThingsAreAway(ServiceTestCase):

    def test_database_away(self):
        Manager.failures = [db_exc.DBConnectionError('gone\nmore'),
                            db_exc.DBConnectionError('gone')]
        made = self.service()
        made.start()
        self.assertEqual(['pre_start'] * 3 + ['start'],
                         made.manager.journal)
        self.assertIn('[database] connection', self.logger.output)
        self.assertNotIn('Traceback', self.logger.output)

    def test_schema_missing(self):
        Manager.failures = [db_exc.DBNonExistentTable('goals')]
        self.service().start()
        self.assertIn('watcher-db-manage upgrade', self.logger.output)

    def test_bug_has_one_traceback(self):
        Manager.failures = [ValueError('bug'), ValueError('bug')]
        self.service().start()
        self.assertEqual(1, self.logger.output.count('Traceback'))
        self.assertEqual(2, self.logger.output.count('cannot start'))

    def test_stop_ends_the_waiting(self):
        Manager.failures = [db_exc.DBConnectionError('gone')] * 10000
        made = self.service()
        starter = threading.Thread(target=made.start, daemon=True)
        starter.start()
        while not Manager.instances:
            time.sleep(0.01)
        self.assertTrue(Manager.instances[0].wait_for('pre_start'))
        made.stop()
        starter.join(base.PATIENCE)
        self.assertFalse(starter.is_alive())
        self.assertNotIn('start', made.manager.journal)
        self.assertEqual([], self.beats)

    def test_broker_away(self):
        self.connect('rabbit://127.0.0.1:1/')
        made = self.service()
        started = time.monotonic()
        made.start()
        self.assertIn('start', made.manager.journal)
        self.assertEqual([('watcher-applier', 'here')], self.beats)
        made.stop()
        self.assertIn('stop 5.0', made.manager.journal)
        self.assertLess(time.monotonic() - started, base.PATIENCE)
        self.assertIn('broker is not reachable', self.logger.output)
        self.assertNotIn('Traceback', self.logger.output)


class TestRPCServer(ServiceTestCase):

    def server(self):
        made = service.RPCServer(
            messaging.Target(topic='t', server='s', version='1.0'), [])
        self.addCleanup(made.stop)
        return made

    def test_failing_start_is_tried_again(self):
        attempts = []
        real = rpc.get_server

        def get_server(*args):
            server = real(*args)
            if len(attempts) < 2:
                server.start = self._refuse
            attempts.append(server)
            return server

        self.useFixture(fixtures.MockPatchObject(
            rpc, 'get_server', get_server))
        server = self.server()
        server.start()
        self.assertTrue(server.wait_until_serving(base.PATIENCE))
        self.assertEqual(3, len(attempts))
        self.assertIn('ACCESS_REFUSED', self.logger.output)
        self.assertNotIn('Traceback', self.logger.output)

    @staticmethod
    def _refuse():
        raise ConnectionRefusedError('ACCESS_REFUSED - wrong password')

    def test_a_method_that_hangs_is_left_behind(self):
        entered, go_on = threading.Event(), threading.Event()
        self.addCleanup(go_on.set)

        class Slow:
            target = messaging.Target(version='1.0')

            def trigger_audit(self, ctxt, audit_uuid):
                entered.set()
                go_on.wait(2 * base.PATIENCE)

        server = service.RPCServer(
            messaging.Target(topic='watcher.decision.control', server='s',
                             version='1.0'), [Slow()])
        server.start()
        self.assertTrue(server.wait_until_serving(base.PATIENCE))
        rpcapi.DecisionEngineAPI().trigger_audit(
            context.make_context(), utils.generate_uuid())
        self.assertTrue(entered.wait(base.PATIENCE))
        server.stop()
        with self.assertLogs(service.LOG.logger, 'WARNING') as logs:
            self.assertFalse(server.wait(0.2))
        self.assertIn('left behind, with 1 methods', logs.output[0])
        go_on.set()
        self.assertTrue(server.wait(base.PATIENCE))

    def test_an_idle_listener_is_left_behind_silently(self):
        stopping, go_on = threading.Event(), threading.Event()
        self.addCleanup(go_on.set)
        real = rpc.get_server

        def get_server(*args):
            made = real(*args)
            stop = made.stop

            def stop_slowly():
                stopping.set()
                go_on.wait(2 * base.PATIENCE)
                stop()
            made.stop = stop_slowly
            return made

        self.useFixture(fixtures.MockPatchObject(
            rpc, 'get_server', get_server))
        server = self.server()
        server.start()
        self.assertTrue(server.wait_until_serving(base.PATIENCE))
        server.stop()
        self.assertTrue(stopping.wait(base.PATIENCE))
        with self.assertNoLogs(service.LOG.logger, 'INFO'):
            self.assertFalse(server.wait(0.01))
        go_on.set()
        self.assertTrue(server.wait(base.PATIENCE))


class TestHeartbeat(ServiceTestCase):

    def test_comes_again(self):
        beat = threading.Semaphore(0)
        self.useFixture(fixtures.MockPatchObject(
            service.conf_service, 'heartbeat_interval', lambda conf: 0.02))
        self.service(heartbeat=lambda *args: beat.release()).start()
        for _round in range(3):
            self.assertTrue(beat.acquire(timeout=base.PATIENCE))

    def test_failure_is_survived(self):
        def fail(name, host):
            raise db_exc.DBConnectionError('gone')

        made = self.service(heartbeat=fail)
        made.start()
        self.assertIn('start', made.manager.journal)
        self.assertIn('heartbeat of watcher-applier', self.logger.output)
        self.assertNotIn('Traceback', self.logger.output)


class TestReports(base.TestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(
            gmr.TextGuruMeditation, 'persistent_sections', [], create=True))

    def test_sections_are_added_once(self):
        service.register_report_section('CDMCs', lambda: 'one')
        service.register_report_section('CDMCs', lambda: 'two')
        self.assertEqual(
            ['CDMCs'],
            [name for name, _ in gmr.TextGuruMeditation.persistent_sections])

    def test_report(self):
        service.register_report_section('Plugins', lambda: 'a table')
        text = gmr.TextGuruMeditation(service.version.ReportVersion).run()
        self.assertIn('product = OpenStack Watcher', text)
        self.assertIn('vendor = OpenStack Foundation', text)
        self.assertIn('version = 1', text)
        self.assertIn('a table', text)


class TestEventletSwitch(base.TestCase):

    def test_old_mode_is_ignored_with_a_warning(self):
        for value in ('0', 'false', 'No', 'N'):
            self.useFixture(fixtures.EnvironmentVariable(
                service.EVENTLET_SWITCH, value))
            service._warn_about_eventlet()
            self.assertIn(f'={value} asks for', self.logger.output)

    def test_native_threads_are_silent(self):
        for value in (None, 'true', '1'):
            self.useFixture(fixtures.EnvironmentVariable(
                service.EVENTLET_SWITCH, value))
            service._warn_about_eventlet()
        self.assertNotIn('eventlet', self.logger.output)
