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
"""What becomes of Ironic's answers in the bare metal model."""

from unittest import mock

from watcher.common import exception
from watcher.common import keystone_helper
from watcher.common import utils
from watcher.common.loader import loadable
from watcher.decision_engine.model import clocks
from watcher.decision_engine.model.collector import ironic
from watcher.decision_engine.model.collector import manager
from watcher.decision_engine.scope import baremetal
from watcher.tests import base
from watcher.tests.unit.common import test_ironic_helper

UUID = test_ironic_helper.UUID
node = test_ironic_helper.node


class FakeIronic:

    def __init__(self, pages):
        self.pages = pages

    def node_pages(self, call):
        return self.pages


class TestBareMetalModelBuilder(base.TestCase):

    def build(self, *pages):
        builder = ironic.BareMetalModelBuilder.__new__(
            ironic.BareMetalModelBuilder)
        builder.set_up(FakeIronic(pages))
        return builder.execute()

    def test_node(self):
        model = self.build([node(
            'power on', maintenance=True, maintenance_reason='disk',
            extra={'compute_node_id': UUID(7), 'rack': 'r1'})])
        self.assertEqual(
            {'uuid': UUID(1), 'power_state': 'power on',
             'maintenance': True, 'maintenance_reason': 'disk',
             'extra': {'compute_node_id': UUID(7)}, 'human_id': ''},
            model.get_node_by_uuid(UUID(1)).as_dict())

    def test_node_that_belongs_to_no_compute_node(self):
        for extra in ({}, None, {'compute_node_id': None}):
            found = self.build([node(extra=extra)]).get_node_by_uuid(UUID(1))
            self.assertEqual({'compute_node_id': None}, found.extra)
            self.assertIsNone(found.maintenance_reason)

    def test_pages_are_no_snapshot(self):
        model = self.build([node('power on'), node(number=2)],
                           [node('power off'), node(number=3)])
        self.assertEqual([UUID(1), UUID(2), UUID(3)],
                         list(model.get_all_ironic_nodes()))
        self.assertEqual('power off',
                         model.get_node_by_uuid(UUID(1)).power_state)

    def test_no_nodes(self):
        model = self.build()
        self.assertEqual({}, model.get_all_ironic_nodes())
        self.assertTrue(model)

    def test_unusable_records(self):
        model = self.build([
            node(number=1), {'uuid': 'x'}, {}, None, node(number=2)])
        self.assertEqual([UUID(1), UUID(2)],
                         list(model.get_all_ironic_nodes()))
        self.assertIn('3 bare metal nodes are left out', self.logger.output)
        self.assertEqual(('Ironic does not describe 3 nodes completely',),
                         model.gaps)

    def test_freshness(self):
        model = self.build([node()])
        known = model.freshness[UUID(1)]
        self.assertEqual(
            (model.built_at, clocks.BUILD, None, model.built_at),
            (known.when, known.source, known.reason, known.read_at))

    def test_incomplete_nodes(self):
        model = self.build([
            node(None, number=1), node('error', number=2),
            node('power on', number=3, fault='power failure')])
        self.assertEqual({UUID(1), UUID(2), UUID(3)},
                         set(model.incomplete_nodes))
        self.assertIn('power failure', model.incomplete_nodes[UUID(3)])
        self.assertIsNone(model.get_node_by_uuid(UUID(1)).power_state)
        self.assertIn('3 bare metal nodes is not complete',
                      self.logger.output)


class TestCollector(base.TestCase):

    def setUp(self):
        super().setUp()
        cls = ironic.BaremetalClusterDataModelCollector
        singletons = loadable.LoadableSingletonMeta._instances
        singletons.pop(cls, None)
        self.addCleanup(singletons.pop, cls, None)
        self.collector = cls(utils.Struct(period=3600, max_age=7.0))

    def test_entry_point(self):
        found = manager.CollectorManager().get_cluster_model_collector(
            'baremetal')
        self.assertIs(self.collector, found)

    def configured(self, has_ironic):
        self.config('collector', collector_plugins=['baremetal'])
        with mock.patch.object(keystone_helper, 'KeystoneHelper') as helper:
            asked = helper.return_value.is_service_enabled_by_type
            asked.return_value = has_ironic
            collectors = manager.CollectorManager().get_collectors()
            asked.assert_called_once_with('baremetal')
        return list(collectors)

    def test_configured(self):
        self.assertEqual(['baremetal'], self.configured(True))

    def test_configured_without_bare_metal_service(self):
        self.assertEqual([], self.configured(False))
        self.assertIn('no bare metal service', self.logger.output)

    def test_options(self):
        options = {option.name: option.default for option
                   in self.collector.get_config_opts()}
        self.assertEqual({'period': 3600, 'max_age': 5.0}, options)
        self.assertEqual(7.0, self.collector.freshness)

    def test_endpoints_are_a_list(self):
        self.assertIsInstance(self.collector.notification_endpoints, list)

    def test_scope_handler(self):
        handler = self.collector.get_audit_scope_handler([])
        self.assertIsInstance(handler, baremetal.BaremetalScope)

    def test_failed_build_says_why(self):
        self.collector.execute = lambda: self.fail_with_reason()
        error = self.assertRaises(
            exception.ClusterDataModelCollectionError,
            self.collector.get_latest_cluster_data_model)
        self.assertIn("'baremetal'", str(error))
        self.assertIn('Ironic is away', str(error))

    def fail_with_reason(self):
        raise exception.IronicClientError(reason='Ironic is away')

    def test_failed_synchronisation_makes_it_stale(self):
        self.collector.execute = lambda: self.fail_with_reason()
        self.collector.synchronize()
        model = self.collector.current_model
        self.assertFalse(model)
        self.assertEqual({}, model.get_all_ironic_nodes())
