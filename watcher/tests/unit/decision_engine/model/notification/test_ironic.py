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
"""What notifications of Ironic do to the bare metal model."""

import datetime
import random

from watcher.common import exception
from watcher.common import ironic_helper
from watcher.common import utils
from watcher.common.loader import loadable
from watcher.decision_engine.model import clocks
from watcher.decision_engine.model import ironic_mapping
from watcher.decision_engine.model import model_root
from watcher.decision_engine.model.collector import ironic as collector
from watcher.decision_engine.model.notification import base as endpoint_base
from watcher.decision_engine.model.notification import ironic
from watcher.sandbox.cloud import ironic_notifications
from watcher.sandbox.cloud import machines as cloud_machines
from watcher.sandbox.cloud import state as cloud_state
from watcher.sandbox.cloud import web
from watcher.tests import base
from watcher.tests.unit.common import test_ironic_helper

UUID = test_ironic_helper.UUID
BUILT = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
ON, OFF = 'power on', 'power off'


def at(seconds):
    """Metadata of a message so long after the model was read."""
    sent = BUILT + datetime.timedelta(seconds=seconds)
    return {'timestamp': str(sent.replace(tzinfo=None)), 'message_id': '1'}


class NotificationTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        cls = collector.BaremetalClusterDataModelCollector
        singletons = loadable.LoadableSingletonMeta._instances
        singletons.pop(cls, None)
        self.addCleanup(singletons.pop, cls, None)
        self.collector = cls(utils.Struct(period=3600, max_age=5.0))
        self.endpoint, = self.collector.notification_endpoints
        self.model = model_root.BaremetalModelRoot()
        self.model.built_at = BUILT
        for number in (1, 2):
            self.add(number, OFF)
        self.collector.cluster_data_model = self.model

    def add(self, number, power):
        ironic_mapping.put(
            self.model, ironic_helper.IronicNode.from_api(
                test_ironic_helper.node(power, number=number)),
            BUILT, clocks.BUILD)

    def tell(self, event, seconds=60.0, number=1, power=ON,
             publisher='ironic-conductor.c1', **fields):
        event = 'baremetal.node.' + event
        payload = {ironic.DATA: test_ironic_helper.node(
            power, number=number, **fields)}
        metadata = at(seconds)
        rule = self.endpoint.filter_rule
        if not rule.match({}, publisher, event, metadata, payload):
            return None
        return self.endpoint.info({}, publisher, event, payload, metadata)

    def node(self, number=1):
        return self.model.get_node_by_uuid(UUID(number))


class TestNodes(NotificationTestCase):

    def test_power(self):
        self.assertTrue(self.tell('power_set.end'))
        self.assertEqual(ON, self.node().power_state)
        self.assertEqual(OFF, self.node(2).power_state)
        known = self.model.freshness[UUID(1)]
        self.assertEqual((clocks.NOTIFICATION, None, BUILT),
                         (known.source, known.reason, known.read_at))
        self.assertGreater(known.when, BUILT)

    def test_every_event_that_describes_a_node(self):
        for number, event in enumerate((
                'update.end', 'power_set.end', 'maintenance_set.end',
                'power_state_corrected.success', 'provision_set.start',
                'provision_set.end', 'provision_set.success'), 1):
            self.tell(event, number, power=f'state {number}')
            self.assertEqual(f'state {number}', self.node().power_state)

    def test_what_is_not_listened_to(self):
        for event in ('power_set.start', 'power_set.error', 'delete.start',
                      'delete.error', 'create.start', 'update.ending'):
            self.assertIsNone(self.tell(event))
        self.assertIsNone(self.tell('power_set.end', publisher='nova-x'))
        rule = self.endpoint.filter_rule
        self.assertFalse(rule.match(
            {}, 'ironic-api.c', 'baremetal.port.update.end', {}, {}))
        self.assertEqual(OFF, self.node().power_state)

    def test_maintenance(self):
        self.tell('maintenance_set.end', maintenance=True,
                  maintenance_reason='new disk')
        self.assertEqual((True, 'new disk'), (
            self.node().maintenance, self.node().maintenance_reason))
        self.tell('maintenance_set.end', 61)
        self.assertEqual((False, None), (
            self.node().maintenance, self.node().maintenance_reason))

    def test_fault(self):
        self.tell('update.end', maintenance=True, fault='power failure')
        self.assertIn('power failure', self.model.incomplete_nodes[UUID(1)])
        self.tell('update.end', 61)
        self.assertNotIn(UUID(1), self.model.incomplete_nodes)

    def test_compute_node(self):
        self.tell('update.end', extra={'compute_node_id': 'h7', 'x': 1})
        self.assertEqual({'compute_node_id': 'h7'}, self.node().extra)

    def test_new_node(self):
        self.tell('create.end', number=3, power=None)
        self.assertIsNone(self.node(3).power_state)
        self.assertIn(UUID(3), self.model.incomplete_nodes)

    def test_deleted_node(self):
        self.tell('update.end', fault='power failure')
        self.tell('delete.end', 61)
        self.assertEqual([UUID(2)], list(self.model.get_all_ironic_nodes()))
        self.assertNotIn(UUID(1), self.model.freshness)
        self.assertNotIn(UUID(1), self.model.incomplete_nodes)

    def test_deletion_twice(self):
        for _time in range(2):
            self.assertTrue(self.tell('delete.end'))
        self.assertEqual([UUID(2)], list(self.model.get_all_ironic_nodes()))


class TestOrder(NotificationTestCase):

    def test_older_than_the_model(self):
        self.tell('power_set.end', -60)
        self.assertEqual(OFF, self.node().power_state)
        self.tell('delete.end', -60)
        self.assertIn(UUID(1), self.model.get_all_ironic_nodes())

    def test_older_than_another_message(self):
        self.tell('power_set.end', 61, power=ON)
        self.tell('update.end', 60, power=OFF)
        self.assertEqual(ON, self.node().power_state)

    def test_twice(self):
        for _time in range(2):
            self.tell('create.end', number=3)
        self.assertEqual(3, len(self.model))

    def test_late_message_does_not_bring_a_node_back(self):
        self.tell('delete.end', 61)
        self.tell('power_set.end', 60)
        self.assertNotIn(UUID(1), self.model.get_all_ironic_nodes())

    def test_deletion_overtakes_creation(self):
        self.tell('delete.end', 61, number=3)
        self.tell('create.end', 60, number=3)
        self.assertNotIn(UUID(3), self.model.get_all_ironic_nodes())

    def test_deleted_and_created_again(self):
        self.tell('delete.end', 61)
        self.tell('create.end', 62)
        self.assertIn(UUID(1), self.model.get_all_ironic_nodes())

    def test_while_the_model_is_read(self):
        built = model_root.BaremetalModelRoot()
        built.built_at = BUILT + datetime.timedelta(seconds=30)

        def execute():
            self.tell('power_set.end', 60)
            return built
        self.collector.execute = execute
        self.collector.synchronize()
        self.assertIs(built, self.collector.current_model)
        self.assertEqual(ON, built.get_node_by_uuid(UUID(1)).power_state)
        self.assertEqual(ON, self.node().power_state)


class TestTrouble(NotificationTestCase):

    def test_without_model(self):
        self.collector.execute = self.fail
        for model in (None, self.collector.STALE_MODEL):
            self.collector.cluster_data_model = model
            self.assertFalse(self.tell('power_set.end'))
        self.assertEqual(0, len(self.collector.STALE_MODEL))

    def test_no_time(self):
        self.endpoint.info(
            {}, 'ironic-api.c', 'baremetal.node.update.end',
            {ironic.DATA: test_ironic_helper.node(ON)}, {})
        self.assertEqual(ON, self.node().power_state)

    def test_unusable_messages(self):
        before = self.model.to_xml()
        node = test_ironic_helper.node(ON)
        lacking = {name: value for name, value in node.items()
                   if name != 'power_state'}
        for payload in (None, {}, {ironic.DATA: None}, {ironic.DATA: {}},
                        {ironic.DATA: lacking}, [node]):
            self.assertRaises(
                ValueError, self.endpoint.info, {}, 'ironic-api.c',
                'baremetal.node.update.end', payload, at(60))
        self.assertRaises(
            exception.InvalidUUID, self.tell, 'update.end', uuid='x')
        self.assertEqual(before, self.model.to_xml())


class Timeline:
    """Does later what tests call for."""

    def __init__(self):
        self.due = []

    def after(self, seconds, callback):
        self.due.append(callback)


class TestHistories(NotificationTestCase):
    """After any history the model equals one that is read anew."""

    def history(self, seed):
        self.random = random.Random(seed)
        state = cloud_state.CloudState()
        self.timeline = Timeline()
        self.machines = cloud_machines.Machines(state, self.timeline)
        self.messages = []
        for number in range(5):
            self.machines.add(f'n{number}', UUID(number + 1))
        self.collector.cluster_data_model = self.read()
        state.subscribe(self.collect)
        for _step in range(60):
            self.step()
        for callback in self.timeline.due:
            callback()

    def collect(self, event, subject):
        sent = ironic_notifications.message(event, subject)
        seconds = 60 + len(self.messages) / 1000
        if sent is not None:
            self.messages.append((*sent, at(seconds)))

    def read(self):
        model = model_root.BaremetalModelRoot()
        model.built_at = BUILT
        for node in self.machines.nodes.values():
            ironic_mapping.put(
                model, ironic_helper.IronicNode.from_api(
                    {name: getattr(node, name) for name in
                     (*ironic_notifications.FIELDS, 'extra')}),
                BUILT, clocks.BUILD)
        return model

    def step(self):
        nodes = list(self.machines.nodes.values())
        node = self.random.choice(nodes)
        due = self.timeline.due
        if due and self.random.random() < 0.4:
            due.pop(0)()
            return
        action = self.random.choice((
            lambda: self.machines.set_power(
                node, self.random.choice((ON, OFF, 'rebooting'))),
            lambda: self.machines.set_maintenance(
                node, self.random.random() < 0.5, 'why'),
            lambda: self.machines.update(
                node, extra={'compute_node_id': str(self.random.random())}),
            lambda: self.machines.press_button(node, OFF),
            lambda: self.machines.set_provision(node, 'deleted'),
            lambda: self.machines.create(
                ident=UUID(self.random.randrange(10, 1000))),
            lambda: len(nodes) > 2 and self.machines.delete(node)))
        try:
            action()
        except web.HTTPError as error:
            self.assertIn(error.status, (400, 409))

    def deliver(self, messages):
        rule = self.endpoint.filter_rule
        for publisher, event, payload, metadata in messages:
            if rule.match({}, publisher, event, metadata, payload):
                self.endpoint.info({}, publisher, event, payload, metadata)

    def test_in_order_and_in_any_order_with_repetitions(self):
        for seed in range(20):
            self.history(seed)
            start = self.collector.current_model
            wanted = self.read().to_xml()
            self.deliver(self.messages)
            self.assertEqual(wanted, start.to_xml(), seed)

            self.history(seed)
            messages = self.messages + self.random.sample(
                self.messages, len(self.messages) // 3)
            self.random.shuffle(messages)
            self.deliver(messages)
            self.assertEqual(
                wanted, self.collector.current_model.to_xml(), seed)

    def test_skew_is_allowed_for(self):
        self.assertGreater(endpoint_base.SKEW, datetime.timedelta())
        self.tell('power_set.end', -1)
        self.assertEqual(ON, self.node().power_state)
