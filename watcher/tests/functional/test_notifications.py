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
"""What leaves the process, read from a real bus."""

import os
import threading
import uuid

import fixtures
import oslo_messaging as messaging
from oslo_messaging import conffixture

from watcher import notifications
from watcher import objects
from watcher.common import context
from watcher.common import rpc
from watcher.common import rpcapi
from watcher.notifications import sender
from watcher.notifications import service as service_notifications
from watcher.tests import base


class _Recorder:
    """Endpoint that keeps what it gets, whatever the priority."""

    def __init__(self):
        self.got = []
        self.changed = threading.Condition()

    def _take(self, priority, ctxt, publisher_id, event_type, payload,
              metadata):
        with self.changed:
            self.got.append((priority, ctxt, publisher_id, event_type,
                             payload))
            self.changed.notify_all()

    def info(self, *args):
        self._take('info', *args)

    def warn(self, *args):
        self._take('warn', *args)

    def error(self, *args):
        self._take('error', *args)

    def wait_for(self, count, timeout=base.PATIENCE):
        with self.changed:
            return self.changed.wait_for(lambda: len(self.got) >= count,
                                         timeout)


class _SlowBus:
    """Takes no message unless somebody waits for it to be taken.

    Without waiting, who is asked would always be the first to tell.
    """

    def __init__(self):
        self.taken = []
        self._wanted = threading.Event()

    def publish(self, message):
        self._wanted.wait(base.PATIENCE)
        sender.publish(message)
        self.taken.append(message.event_type)

    def waited_for(self, flush):
        def wait(*args):
            self._wanted.set()
            return flush(*args)
        return wait


class _Applier:
    """Notes what was on the bus when it was asked to work."""

    target = messaging.Target(version='1.0')

    def __init__(self, bus):
        self._bus = bus
        self.told_before = None
        self.asked = threading.Event()

    def launch_action_plan(self, ctxt, action_plan_uuid):
        self.told_before = list(self._bus.taken)
        self.asked.set()


class _OnABus:
    """The tests; the subclasses choose the bus."""

    def transport_url(self):
        raise NotImplementedError

    def setUp(self):
        super().setUp()
        objects.register_all()
        self.topic = f'notifications-{uuid.uuid4()}'
        self.useFixture(conffixture.ConfFixture(
            self.conf.conf, transport_url=self.transport_url()))
        self.config(host='node0')
        self.config(driver=['messagingv2'], topics=[self.topic],
                    group='oslo_messaging_notifications')
        rpc.init(self.conf.conf)
        self.addCleanup(rpc.cleanup)
        self.addCleanup(notifications.stop)
        self.recorder = self.listen(self.topic)

    def listen(self, topic):
        recorder = _Recorder()
        listener = messaging.get_notification_listener(
            rpc.get_notification_transport(),
            [messaging.Target(topic=topic)], [recorder],
            executor='threading')
        listener.start()
        self.addCleanup(self._end, listener)
        return recorder

    def _end(self, listener):
        listener.stop()
        listener.wait()

    def service(self, number):
        return objects.Service(id=number, name='watcher-applier',
                               host=f'host{number}', last_seen_up=None)

    def test_arrives_whole(self):
        service_notifications.send_service_update(
            context.RequestContext(auth_token='top-secret', user_id='u1',
                                   request_id='req-42'),
            self.service(1), 'ACTIVE', 'FAILED')
        self.assertTrue(self.recorder.wait_for(1))
        priority, ctxt, publisher, event, payload = self.recorder.got[0]
        self.assertEqual('warn', priority)
        self.assertEqual('infra-optim:node0', publisher)
        self.assertEqual('service.update', event)
        self.assertEqual('ServiceUpdatePayload',
                         payload['watcher_object.name'])
        self.assertEqual('req-42', ctxt['request_id'])
        self.assertNotIn('top-secret', str(ctxt))

    def test_arrives_in_order(self):
        for number in range(100):
            service_notifications.send_create(None, self.service(number))
        self.assertTrue(self.recorder.wait_for(100))
        hosts = [entry[4]['watcher_object.data']['sevice_host']
                 for entry in self.recorder.got]
        self.assertEqual([f'host{n}' for n in range(100)], hosts)

    def test_told_before_another_service_is_asked(self):
        """That one tells of the same plan through its own connection."""
        # However busy the machine is.
        self.useFixture(fixtures.MockPatchObject(
            sender, 'SETTLE_TIMEOUT', base.PATIENCE))
        bus = _SlowBus()
        self.useFixture(fixtures.MockPatchObject(
            sender.get_sender(), '_publish', bus.publish))
        self.useFixture(fixtures.MockPatchObject(
            sender.get_sender(), 'flush',
            bus.waited_for(sender.get_sender().flush)))
        notifications.setup()
        self.addCleanup(notifications.teardown)
        applier = self.serve(_Applier(bus))

        service_notifications.send_create(None, self.service(1))
        self.assertTrue(rpcapi.ApplierAPI().launch_action_plan(
            context.make_context(), str(uuid.uuid4())))
        self.assertTrue(applier.asked.wait(base.PATIENCE))
        self.assertEqual(['service.create'], applier.told_before)

    def serve(self, applier):
        topic = f'applier-{uuid.uuid4()}'
        self.config(conductor_topic=topic, group='watcher_applier')
        server = rpc.get_server(
            messaging.Target(topic=topic, server='here'), [applier])
        server.start()
        self.addCleanup(self._end, server)
        return applier

    def test_every_topic_gets_it(self):
        other = f'other-{uuid.uuid4()}'
        recorder = self.listen(other)
        self.config(topics=[self.topic, other],
                    group='oslo_messaging_notifications')
        rpc.init(self.conf.conf)
        service_notifications.send_create(None, self.service(1))
        self.assertTrue(self.recorder.wait_for(1))
        self.assertTrue(recorder.wait_for(1))

    def test_without_a_driver_nothing_is_sent(self):
        self.config(driver=[], group='oslo_messaging_notifications')
        rpc.init(self.conf.conf)
        service_notifications.send_create(None, self.service(1))
        self.assertTrue(sender.get_sender().flush(base.PATIENCE))
        self.config(driver=['messagingv2'],
                    group='oslo_messaging_notifications')
        rpc.init(self.conf.conf)
        service_notifications.send_create(None, self.service(2))
        self.assertTrue(self.recorder.wait_for(1))
        payload = self.recorder.got[0][4]
        self.assertEqual('host2',
                         payload['watcher_object.data']['sevice_host'])


class TestInMemoryBus(_OnABus, base.TestCase):

    def transport_url(self):
        return 'fake://'


class TestRabbit(_OnABus, base.TestCase):

    def setUp(self):
        if not os.environ.get('WATCHER_TEST_RABBIT_URL'):
            self.skipTest('WATCHER_TEST_RABBIT_URL is not set: run '
                          'tools/ci-services.sh to have a RabbitMQ')
        super().setUp()

    def transport_url(self):
        return os.environ['WATCHER_TEST_RABBIT_URL']
