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
"""Building the bare metal model of a simulated cloud over HTTP."""

import datetime

import oslo_messaging as messaging
from oslo_config import cfg

from watcher.common import exception
from watcher.common import utils
from watcher.common.loader import loadable
from watcher.decision_engine.loading import default
from watcher.decision_engine.model.collector import ironic
from watcher.decision_engine.model.collector import manager
from watcher.sandbox.cloud import ironic_notifications
from watcher.sandbox.cloud import notifications
from watcher.tests import base
from watcher.tests.fixtures import services
from watcher.tests.functional import cloud


class BaremetalModelTestCase(cloud.CloudTestCase):

    SPEC = {'hosts': 3, 'servers': 0, 'bare_metal': True, 'spare_nodes': 1}

    def setUp(self):
        super().setUp()
        singletons = loadable.LoadableSingletonMeta._instances
        cls = ironic.BaremetalClusterDataModelCollector
        singletons.pop(cls, None)
        self.addCleanup(singletons.pop, cls, None)
        self.collector = cls(utils.Struct(period=3600, max_age=5.0))


class TestBaremetalModel(BaremetalModelTestCase):

    def build(self):
        return ironic.BareMetalModelBuilder().execute()

    def test_contents(self):
        self.cloud.machines.set_maintenance(
            self.cloud.machines.find('node-compute-2'), True, 'new disk')
        model = self.build()
        self.assertEqual(list(self.cloud.machines.nodes),
                         list(model.get_all_ironic_nodes()))
        for record in self.cloud.machines.nodes.values():
            node = model.get_node_by_uuid(record.uuid)
            self.assertEqual(
                (record.power_state, record.maintenance,
                 record.maintenance_reason,
                 record.extra.get('compute_node_id')),
                (node.power_state, node.maintenance,
                 node.maintenance_reason, node.extra['compute_node_id']))
        self.assertEqual({}, dict(model.incomplete_nodes))

    def test_each_page_is_tried_again(self):
        self.cloud.machines.max_limit = 2
        self.cloud.faults.add(service='baremetal', path='nodes', status=503,
                              count=1, skip=1)
        self.assertEqual(4, len(self.build()))
        self.assertEqual(3, self.paths('baremetal').count(
            'GET /v1/nodes/detail'))

    def test_failure_says_why(self):
        self.cloud.faults.service_down('baremetal')
        error = self.assertRaises(
            exception.ClusterDataModelCollectionError,
            self.collector.get_latest_cluster_data_model)
        self.assertIn('503', str(error))

    def test_audits_that_start_together_share_one_reading(self):
        first = self.collector.get_latest_cluster_data_model()
        second = self.collector.get_latest_cluster_data_model()
        first.remove_node(next(iter(first.get_all_ironic_nodes())))
        self.assertEqual((3, 4), (len(first), len(second)))
        self.assertEqual(1, self.paths('baremetal').count(
            'GET /v1/nodes/detail'))

    def test_configured(self):
        self.config('collector', collector_plugins=['baremetal'])
        self.assertEqual(
            ['baremetal'], list(manager.CollectorManager().get_collectors()))


class TestFollowing(BaremetalModelTestCase):
    """Following Ironic by its notifications instead of reading it again."""

    def setUp(self):
        super().setUp()
        self.collector.synchronize()
        self.endpoint, = self.collector.notification_endpoints
        self.messages = []
        self.cloud.state.subscribe(self._publish)
        self.sdk = self.cloud.connect().baremetal
        self.node = self.cloud.machines.find('node-compute-1')

    def _publish(self, event, subject):
        found = ironic_notifications.message(event, subject)
        if found:
            now = datetime.datetime.now(datetime.UTC)
            self.messages.append(
                (*found, {'timestamp': str(now.replace(tzinfo=None))}))

    def check(self):
        self.assertTrue(self.cloud.cloud.timeline.wait_idle())
        messages, self.messages = self.messages, []
        self.assertNotEqual([], messages)
        rule = self.endpoint.filter_rule
        for publisher, event, payload, metadata in messages:
            if rule.match({}, publisher, event, metadata, payload):
                self.endpoint.info({}, publisher, event, payload, metadata)
        true = ironic.BareMetalModelBuilder().execute()
        kept = self.collector.current_model
        self.assertEqual(true.to_xml(), kept.to_xml())
        self.assertEqual(dict(true.incomplete_nodes),
                         dict(kept.incomplete_nodes))

    def test_power(self):
        for state in ('power off', 'power on'):
            self.sdk.set_node_power_state(self.node.uuid, state)
            self.check()
        with self.cloud.state.lock:
            self.cloud.machines.press_button(self.node, 'power off')
        self.check()

    def test_maintenance(self):
        self.sdk.set_node_maintenance(self.node.uuid, 'new disk')
        self.check()
        self.sdk.unset_node_maintenance(self.node.uuid)
        self.check()

    def test_life_of_a_node(self):
        made = self.sdk.create_node(driver='fake-hardware', name='new',
                                    provision_state='enroll')
        self.check()
        self.sdk.patch_node(made, [{
            'op': 'add', 'path': '/extra/compute_node_id', 'value': 'h7'}])
        self.check()
        for verb in ('manage', 'provide', 'active', 'deleted'):
            with self.cloud.state.lock:
                self.cloud.machines.set_provision(
                    self.cloud.machines.find(made.id), verb)
            self.check()
        self.sdk.delete_node(made.id)
        self.check()


class TestBus(BaremetalModelTestCase):
    """What the simulated Ironic publishes reaches the model."""

    def listen(self):
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[], default_config_dirs=[])
        transport = messaging.get_notification_transport(
            conf, url='fake://')
        listener = messaging.get_notification_listener(
            transport, [messaging.Target(
                exchange=ironic_notifications.EXCHANGE,
                topic=ironic_notifications.TOPIC)],
            self.collector.notification_endpoints, executor='threading',
            pool='watcher')
        listener.start()
        self.addCleanup(listener.wait)
        self.addCleanup(listener.stop)

    def test_messages_arrive(self):
        self.collector.synchronize()
        self.listen()
        publisher = notifications.Publisher(self.cloud.state, 'fake://')
        self.addCleanup(publisher.stop)
        node = self.cloud.machines.find('node-compute-1')
        seen = self.collector.current_model.get_node_by_uuid(node.uuid)
        self.assertEqual('power on', seen.power_state)
        with self.cloud.state.lock:
            self.cloud.machines.set_power(node, 'power off')

        def followed():
            model = self.collector.current_model
            return model.get_node_by_uuid(
                node.uuid).power_state == 'power off'
        services.wait_until(followed, base.PATIENCE, 'the model to follow')


class TestStrategy(BaremetalModelTestCase):

    def test_scoped_model_of_a_strategy(self):
        strategy = default.DefaultStrategyLoader().load('dummy')
        excluded = self.cloud.machines.find('node-compute-1').uuid
        strategy._audit_scope = [{'baremetal': [{'exclude': [
            {'ironic_nodes': [{'uuid': excluded}]}]}]}]
        left = strategy.baremetal_model.get_all_ironic_nodes()
        self.assertEqual(3, len(left))
        self.assertNotIn(excluded, left)


class TestNoBareMetal(BaremetalModelTestCase):

    SPEC = {'hosts': 1, 'servers': 0}

    def test_one_question_and_a_clear_word(self):
        self.config('collector', api_query_max_retries=1000)
        error = self.assertRaises(
            exception.ClusterDataModelCollectionError,
            self.collector.get_latest_cluster_data_model)
        self.assertIn('no endpoint of type baremetal', str(error))
        self.assertNotIn('Try 1 of', self.logger.output)

    def test_left_out(self):
        self.config('collector', collector_plugins=['baremetal'])
        self.assertEqual(
            [], list(manager.CollectorManager().get_collectors()))
        self.assertIn('no bare metal service', self.logger.output)
