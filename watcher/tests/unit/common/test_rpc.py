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
"""RPC over a real in-process bus."""

import datetime
import queue
import socket
import threading
from unittest import mock

import fixtures
import oslo_messaging as messaging
from oslo_context import context as oslo_context
from oslo_messaging import conffixture
from oslo_messaging.notify import _impl_test as test_driver
from oslo_serialization import jsonutils

from watcher.common import context
from watcher.common import exception
from watcher.common import metrics
from watcher.common import rpc
from watcher.common import rpcapi
from watcher.common import utils
from watcher.tests import base


class Endpoint:
    """Stands for the decision engine and the applier."""

    target = messaging.Target(version='1.0')

    def __init__(self):
        self.received = queue.Queue()

    def trigger_audit(self, ctxt, audit_uuid):
        self.received.put((ctxt, oslo_context.get_current(), audit_uuid,
                           threading.current_thread()))

    def launch_action_plan(self, ctxt, action_plan_uuid):
        self.received.put((ctxt, oslo_context.get_current(),
                           action_plan_uuid, threading.current_thread()))

    def get_strategy_info(self, ctxt, strategy_name):
        if strategy_name == 'unknown':
            raise exception.StrategyNotFound(strategy=strategy_name)
        if strategy_name == 'bug':
            raise KeyError('secret detail')
        return [{'type': 'Name', 'state': strategy_name,
                 'request': ctxt.request_id, 'token': ctxt.auth_token}]

    def get_data_model_info(self, ctxt, data_model_type, audit, **more):
        return {'context': [data_model_type, audit, *more.values()]}

    @messaging.expose
    def repair_action_plan(self, ctxt, action_plan_uuid, kind):
        if kind == 'retry':
            raise exception.RepairRefused(
                kind=kind, plan=action_plan_uuid, reason='it SUCCEEDED')
        return f'{kind} of {action_plan_uuid}'

    def helper(self, ctxt):
        raise AssertionError('not to be called from the bus')

    @messaging.expose
    def exposed(self, ctxt):
        return 'exposed'


class RPCTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        # registers the options of oslo.messaging
        self.useFixture(conffixture.ConfFixture(self.conf.conf))
        rpc.cleanup()
        self.addCleanup(rpc.cleanup)

    def connect(self, url='fake://'):
        self.config(transport_url=url)
        self.config(driver=['noop'], group='oslo_messaging_notifications')
        rpc.init(self.conf.conf)

    def serve(self, topic):
        endpoint = Endpoint()
        server = rpc.get_server(
            messaging.Target(topic=topic, server='here', version='1.0'),
            [endpoint])
        server.start()
        self.addCleanup(server.wait)
        self.addCleanup(server.stop)
        return endpoint


class TestInit(RPCTestCase):

    def test_nothing_works_before(self):
        for func in (rpc.get_transport, rpc.get_notification_transport,
                     lambda: rpc.get_notifier('x')):
            self.assertRaises(RuntimeError, func)
        self.assertFalse(rpc.initialized())

    def test_transports(self):
        self.connect()
        self.assertTrue(rpc.initialized())
        self.assertIsInstance(rpc.get_transport(), messaging.Transport)
        self.assertIsInstance(rpc.get_notification_transport(),
                              messaging.Transport)
        self.assertEqual('somebody',
                         rpc.get_notifier('somebody').publisher_id)

    def test_broker_is_not_needed(self):
        self.connect('rabbit://nobody:nothing@127.0.0.1:1/')
        self.assertTrue(rpc.initialized())

    def test_unknown_driver(self):
        self.assertRaises(messaging.DriverLoadFailure,
                          self.connect, 'pigeon://')

    def test_empty_level_sends_nothing(self):
        self.connect()
        self.config(driver=['test'], group='oslo_messaging_notifications')
        sent = []
        self.useFixture(fixtures.MockPatchObject(
            test_driver.TestDriver, 'notify',
            lambda *args: sent.append(args)))
        for level, expected in (('info', 1), ('', 0)):
            sent.clear()
            self.config(notification_level=level)
            rpc.init(self.conf.conf)
            rpc.get_notifier('x').info({}, 'audit.create', {})
            self.assertEqual(expected, len(sent), level)

    def test_exceptions_of_one_module_may_cross(self):
        self.assertEqual(['watcher.common.exception'], rpc.ALLOWED_EXMODS)


class TestSerializer(base.TestCase):

    def setUp(self):
        super().setUp()
        self.serializer = rpc.RequestContextSerializer()

    def test_context(self):
        original = context.RequestContext(user_id='u', roles=['admin'])
        sent = self.serializer.serialize_context(original)
        self.assertIsInstance(sent, dict)
        rebuilt = self.serializer.deserialize_context(sent)
        self.assertEqual(original.to_dict(), rebuilt.to_dict())
        self.assertIs(rebuilt, oslo_context.get_current())

    def test_context_in_other_forms(self):
        self.assertEqual({}, self.serializer.serialize_context(None))
        self.assertEqual({'a': 1},
                         self.serializer.serialize_context({'a': 1}))
        self.assertIsNone(
            self.serializer.deserialize_context({}).user_id)

    def test_entities_are_json_safe(self):
        struct = utils.Struct(a=utils.Struct(b=(1, {2})))
        self.assertEqual({'a': {'b': [1, [2]]}},
                         self.serializer.serialize_entity(None, struct))

    def test_entities_are_what_the_library_makes_of_them(self):
        when = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
        for entity in (
                None, True, 1, 2.5, 'text', [], {}, (1, (2,)), {3}, when,
                {1: 'a', None: {'b': when}}, {(1, 2): 3}, [when, {'a': [1]}],
                {'a': {'b': {'c': {'d': [1, (2,), {'e': when}]}}}},
                {'rows': [{'name': 'a', 'ratio': 1.5, 'created': when,
                           'metadata': {'k': 'v'}}, utils.Struct(a=1)]}):
            self.assertEqual(
                jsonutils.to_primitive(entity, convert_instances=True),
                self.serializer.serialize_entity(None, entity))


class TestDecisionEngineAPI(RPCTestCase):

    def setUp(self):
        super().setUp()
        self.connect()
        self.endpoint = self.serve('watcher.decision.control')
        self.api = rpcapi.DecisionEngineAPI()
        self.context = context.make_context(
            user_id='u', auth_token='t', roles=['admin'])

    def test_cast_carries_the_request_id(self):
        uuid = utils.generate_uuid()
        self.assertIs(True, self.api.trigger_audit(self.context, uuid))
        ctxt, current, received, thread = self.endpoint.received.get(
            timeout=base.PATIENCE)
        self.assertEqual(uuid, received)
        self.assertEqual(self.context.to_dict(), ctxt.to_dict())
        self.assertIs(ctxt, current)
        self.assertIsNot(threading.current_thread(), thread)

    def test_cast_takes_uuids_only(self):
        self.assertRaises(exception.InvalidUuidOrName,
                          self.api.trigger_audit, self.context, 'my audit')

    def test_calls(self):
        self.assertEqual(
            [{'type': 'Name', 'state': 'dummy', 'token': 't',
              'request': self.context.request_id}],
            self.api.get_strategy_info(self.context, 'dummy'))
        self.assertEqual(
            {'context': ['compute', None]},
            self.api.get_data_model_info(self.context))

    def test_method_of_a_later_version(self):
        """An engine is not upgraded yet; it has no such argument."""
        error = self.assertRaises(
            exception.RemoteTooOld, self.api.get_data_model_info,
            self.context, 'storage', described=True)
        self.assertEqual(501, error.code)
        for word in ('watcher-decision-engine', '1.1', 'older release',
                     'get_data_model_info'):
            self.assertIn(word, str(error))
        self.endpoint.target = messaging.Target(version='1.1')
        self.addCleanup(delattr, self.endpoint, 'target')
        self.assertEqual(
            {'context': ['storage', None, True]},
            self.api.get_data_model_info(self.context, 'storage',
                                         described=True))
        # and who asks for less gets it from both
        self.assertEqual({'context': ['compute', None]},
                         self.api.get_data_model_info(self.context))

    def test_repair(self):
        uuid = utils.generate_uuid()
        error = self.assertRaises(
            exception.RemoteTooOld, self.api.repair_action_plan,
            self.context, uuid, 'rollback')
        self.assertIn('1.2', str(error))
        self.endpoint.target = messaging.Target(version='1.2')
        self.addCleanup(delattr, self.endpoint, 'target')
        self.assertEqual(
            f'rollback of {uuid}',
            self.api.repair_action_plan(self.context, uuid, 'rollback'))
        error = self.assertRaises(
            exception.RepairRefused, self.api.repair_action_plan,
            self.context, uuid, 'retry')
        self.assertEqual(409, error.code)
        self.assertEqual(f'There is no retry of the action plan {uuid}: it '
                         'SUCCEEDED.', str(error))
        self.assertRaises(
            exception.InvalidUuidOrName, self.api.repair_action_plan,
            self.context, 'my plan', 'rollback')

    def test_own_exceptions_arrive_as_they_are(self):
        error = self.assertRaises(
            exception.StrategyNotFound,
            self.api.get_strategy_info, self.context, 'unknown')
        self.assertIs(exception.StrategyNotFound, type(error))
        self.assertEqual('Strategy unknown could not be found.', str(error))
        self.assertNotIn('Traceback', self.logger.output)

    def test_bugs_stay_on_the_other_side(self):
        error = self.assertRaises(
            exception.WatcherException,
            self.api.get_strategy_info, self.context, 'bug')
        self.assertEqual(500, error.code)
        self.assertIn('KeyError', str(error))
        self.assertNotIn('secret detail', str(error))
        self.assertIn('Traceback', self.logger.output)

    def test_undocumented_methods_are_not_called(self):
        client = rpc.get_client(messaging.Target(
            topic='watcher.decision.control', version='1.0'))
        self.assertRaises(messaging.NoSuchMethod,
                          client.call, self.context, 'helper')
        self.assertEqual('exposed', client.call(self.context, 'exposed'))

    def test_nobody_answers(self):
        self.config(conductor_topic='watcher.nobody',
                    group='watcher_decision_engine')
        self.config(rpc_response_timeout=1)
        error = self.assertRaises(
            exception.ServiceUnavailable,
            self.api.get_strategy_info, self.context, 'dummy')
        self.assertEqual(504, error.code)
        self.assertIn('within 1 seconds', str(error))


class TestRemoteException(base.TestCase):
    """What oslo.messaging makes of an exception that crossed the bus."""

    def test_traceback_is_cut_off(self):
        original = exception.StrategyNotFound(strategy='s')
        remote = exception.StrategyNotFound(*original.args,
                                            **original.kwargs)
        remote.__class__ = type(
            'StrategyNotFound_Remote', (exception.StrategyNotFound,),
            {'__str__': lambda self: 'text\nTraceback (most recent ...'})
        cleaned = rpcapi._without_traceback(remote)
        self.assertIs(exception.StrategyNotFound, type(cleaned))
        self.assertEqual(str(original), str(cleaned))
        self.assertEqual(404, cleaned.code)


class TestBeforeCasts(RPCTestCase):

    def setUp(self):
        super().setUp()
        self.connect()
        self.endpoint = self.serve('watcher.applier.control')
        self.called = []

    def before_casts(self, hook):
        rpcapi.before_casts(hook)
        self.addCleanup(rpcapi.forget_before_casts, hook)

    def launch(self):
        self.assertIs(True, rpcapi.ApplierAPI().launch_action_plan(
            context.make_context(), utils.generate_uuid()))
        self.endpoint.received.get(timeout=base.PATIENCE)

    def note(self):
        self.called.append(self.endpoint.received.qsize())

    def test_called_once_before_each_message(self):
        note = self.note
        self.before_casts(note)
        self.before_casts(note)
        self.launch()
        self.assertEqual([0], self.called)
        rpcapi.forget_before_casts(note)
        self.launch()
        self.assertEqual([0], self.called)

    def test_a_failure_stops_nothing(self):
        def broken():
            raise KeyError('bug')

        self.before_casts(broken)
        self.before_casts(self.note)
        self.launch()
        self.assertEqual([0], self.called)
        self.assertIn('sent nevertheless', self.logger.output)


class TestOldRemote(base.TestCase):

    def test_over_a_real_bus(self):
        """There the refusal comes as an error of unknown class."""
        for name, expected in (
                ('UnsupportedVersion', exception.RemoteTooOld),
                ('KeyError', exception.WatcherException)):
            client = mock.Mock()
            client.prepare.return_value.call.side_effect = (
                messaging.RemoteError(name, 'text', ['trace']))
            with mock.patch.object(rpc, 'get_client', return_value=client), \
                    mock.patch.object(rpc, 'bus_reachable',
                                      return_value=True):
                self.config(rpc_response_timeout=60)
                error = self.assertRaises(
                    expected, rpcapi.DecisionEngineAPI()._call, None,
                    'get_data_model_info', version='1.1')
            self.assertIs(expected, type(error))
            client.prepare.assert_called_once_with(version='1.1')


class TestApplierAPI(RPCTestCase):

    def setUp(self):
        super().setUp()
        self.connect()
        self.endpoint = self.serve('watcher.applier.control')
        self.api = rpcapi.ApplierAPI()

    def test_launch(self):
        uuid = utils.generate_uuid()
        self.assertIs(True, self.api.launch_action_plan(
            context.make_context(), uuid))
        self.assertEqual(uuid, self.endpoint.received.get(
            timeout=base.PATIENCE)[2])

    def test_launch_takes_uuids_only(self):
        self.assertRaises(exception.InvalidUuidOrName,
                          self.api.launch_action_plan,
                          context.make_context(), 'plan')


class TestBrokerAway(RPCTestCase):
    """The broker refuses connections."""

    def setUp(self):
        super().setUp()
        # Taken, so that nobody else listens there, but not listened to.
        taken = socket.socket()
        self.addCleanup(taken.close)
        taken.bind(('127.0.0.1', 0))
        port = taken.getsockname()[1]
        self.connect(f'rabbit://user:password@127.0.0.1:{port}/')
        self.api = rpcapi.DecisionEngineAPI()

    def test_cast_reports_failure(self):
        uuid = utils.generate_uuid()
        self.assertIs(False, self.api.trigger_audit(
            context.make_context(), uuid))
        self.assertIn(uuid, self.logger.output)
        self.assertNotIn('Traceback', self.logger.output)

    def test_call_fails_at_once(self):
        error = self.assertRaises(
            exception.ServiceUnavailable, self.api.get_strategy_info,
            context.make_context(), 'dummy')
        self.assertEqual(503, error.code)

    def test_reachability(self):
        self.assertFalse(rpc.bus_reachable())
        with socket.create_server(('127.0.0.1', 0)) as listening:
            port = listening.getsockname()[1]
            self.config(transport_url=f'rabbit://127.0.0.1:1,'
                                      f'127.0.0.1:{port}/')
            self.assertTrue(rpc.bus_reachable())
        self.config(transport_url='fake://')
        self.assertTrue(rpc.bus_reachable())

    def test_brokers_share_the_time_for_the_look(self):
        self.connect('rabbit://a,b:5,c,d/')
        with mock.patch('socket.create_connection',
                        side_effect=OSError) as connect:
            self.assertFalse(rpc.bus_reachable(2.0))
        self.assertEqual(
            [(('a', 5672), 0.5), (('b', 5), 0.5), (('c', 5672), 0.5),
             (('d', 5672), 0.5)], [call.args for call
                                   in connect.call_args_list])


class TestSilentBroker(RPCTestCase):
    """Something accepts connections and never says a word."""

    def setUp(self):
        super().setUp()
        listening = socket.create_server(('127.0.0.1', 0))
        self.addCleanup(listening.close)
        self.connect('rabbit://127.0.0.1:%d/' % listening.getsockname()[1])
        self.patchobject(rpcapi, 'CAST_TIMEOUT', 0.3)
        self.patchobject(rpcapi, 'CALL_GRACE', 0.1)
        # The hanging threads keep theirs until the broker answers.
        self.patchobject(rpcapi, '_pending', threading.BoundedSemaphore(2))
        self.config(rpc_response_timeout=1)
        self.api = rpcapi.DecisionEngineAPI()
        self.context = context.make_context()

    def patchobject(self, owner, name, value):
        self.addCleanup(setattr, owner, name, getattr(owner, name))
        setattr(owner, name, value)

    def test_nobody_waits_for_ever(self):
        self.assertIs(False, self.api.trigger_audit(
            self.context, utils.generate_uuid()))
        self.assertRaises(exception.ServiceUnavailable,
                          self.api.get_strategy_info, self.context, 'dummy')
        # and the number of those that hang is bounded
        self.forget_outage()
        self.assertIs(False, self.api.trigger_audit(
            self.context, utils.generate_uuid()))
        self.assertIn('waiting already', self.logger.output)

    def forget_outage(self):
        rpcapi._outage.end()

    def waits(self, **kwargs):
        """Return how long a message was waited for."""
        found = []
        real = rpcapi._Outcome.wait

        def wait(outcome, timeout):
            found.append(timeout)
            return real(outcome, timeout)

        with mock.patch.object(rpcapi._Outcome, 'wait', wait):
            self.assertIs(False, self.api.trigger_audit(
                self.context, utils.generate_uuid(), **kwargs))
        return found

    def test_only_the_first_waits(self):
        """Requests of the API would queue up behind a dead broker."""
        self.patchobject(rpcapi, '_pending', threading.BoundedSemaphore(9))
        self.assertEqual([0.2], self.waits(patience=0.2))
        for _number in range(2):
            self.assertEqual([0], self.waits())
        self.assertIn('nobody waits for this one', self.logger.output)
        # Some time somebody has to find out whether it is back.
        self.patchobject(rpcapi, 'OUTAGE', -1)
        rpcapi._outage.begin(rpc.get_transport())
        self.assertEqual([0.3], self.waits())

    def test_the_broker_is_back(self):
        self.assertEqual([0.3], self.waits())
        client = mock.Mock()
        with mock.patch.object(rpc, 'get_client', return_value=client):
            sent = threading.Event()
            client.cast.side_effect = lambda *args, **kwargs: sent.set()
            # This one is not waited for, and goes out.
            self.api.trigger_audit(self.context, utils.generate_uuid())
            self.assertTrue(sent.wait(base.PATIENCE))
            # Its thread has still to say so.
            while rpcapi._outage._of is not None:
                threading.Event().wait(.01)
            self.patchobject(rpcapi, 'CAST_TIMEOUT', base.PATIENCE)
            self.assertIs(True, self.api.trigger_audit(
                self.context, utils.generate_uuid()))

    def test_another_bus_is_waited_for(self):
        self.assertEqual([0.3], self.waits())
        self.assertTrue(rpcapi._outage.lasts(rpc.get_transport()))
        self.assertFalse(rpcapi._outage.lasts(mock.Mock()))

    def test_what_is_measured(self):
        instruments = metrics.begin()
        self.addCleanup(metrics.end)
        self.waits()
        self.assertRaises(exception.ServiceUnavailable,
                          self.api.get_strategy_info, self.context, 'dummy')
        counted = {
            (sample.labels['method'], sample.labels['result']): sample.value
            for family in instruments.rpc_client_seconds.collect()
            for sample in family.samples if sample.name.endswith('_count')}
        self.assertEqual({('trigger_audit', 'unanswered'): 1,
                          ('get_strategy_info', 'unanswered'): 1}, counted)
