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

import copy
import itertools
import threading

import fixtures
import networkx
from hypothesis import settings
from hypothesis import stateful
from hypothesis import strategies as st

from watcher.common import exception
from watcher.decision_engine.model import element
from watcher.decision_engine.model import model_root
from watcher.decision_engine.model import persistent
from watcher.tests import base

SIZES = ('vcpus', 'memory', 'disk')


def node(uuid, **fields):
    values = {
        'hostname': f'h-{uuid}', 'vcpus': 16, 'vcpu_reserved': 0,
        'vcpu_ratio': 1.0, 'memory': 1000, 'memory_mb_reserved': 100,
        'memory_ratio': 1.0, 'disk': 100, 'disk_gb_reserved': 0,
        'disk_ratio': 1.0}
    return element.ComputeNode(uuid=uuid, **{**values, **fields})


def instance(uuid, **fields):
    values = {'name': f'n-{uuid}', 'vcpus': 1, 'memory': 10, 'disk': 1,
              'metadata': {'a': True}, 'project_id': 'p'}
    return element.Instance(uuid=uuid, **{**values, **fields})


def sample():
    """Hosts N1 (I1, I2), N2 (I3), N3 (empty); I0 on none."""
    model = model_root.ModelRoot()
    for uuid in ('N1', 'N2', 'N3'):
        model.add_node(node(uuid))
    for uuid, host in (('I0', None), ('I1', 'N1'), ('I2', 'N1'),
                       ('I3', 'N2')):
        model.add_instance(instance(uuid))
        if host:
            model.map_instance(uuid, host)
    return model


class ModelTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.model = sample()

    def on(self, host, model=None):
        model = model or self.model
        return [found.uuid for found in model.get_node_instances(host)]


class TestElementsOfTheModel(ModelTestCase):

    def test_order_is_that_of_addition(self):
        self.assertEqual(['N1', 'N2', 'N3'],
                         list(self.model.get_all_compute_nodes()))
        self.assertEqual(['I0', 'I1', 'I2', 'I3'],
                         list(self.model.get_all_instances()))

    def test_fields_of_all_servers_without_elements(self):
        picked = self.model.pick_instances('name', 'vcpus', 'host')
        self.assertEqual(['I0', 'I1', 'I2', 'I3'], list(picked))
        self.assertEqual(('n-I1', 1, None), picked['I1'])
        self.model.get_instance_by_uuid('I1').vcpus = 3
        self.assertEqual((3, 'n-I1'), self.model.pick_instances(
            'vcpus', 'name')['I1'])

    def test_servers_by_host(self):
        found = self.model.get_instance_uuids_by_node()
        self.assertEqual({'N1': ['I1', 'I2'], 'N2': ['I3'], 'N3': []}, found)
        found['N1'].clear()
        self.assertEqual(['I1', 'I2'], self.on('N1'))

    def test_elements_are_live(self):
        self.model.get_node_by_uuid('N1').status = 'disabled'
        self.assertEqual('disabled',
                         self.model.get_all_compute_nodes()['N1'].status)
        self.assertIs(self.model.get_instance_by_uuid('I1'),
                      self.model.get_node_instances('N1')[0])

    def test_added_objects_stay_the_same(self):
        added = node('N9')
        self.model.add_node(added)
        self.assertIs(added, self.model.get_node_by_uuid('N9'))

    def test_kinds_are_not_mixed_up(self):
        self.assertRaises(exception.ComputeNodeNotFound,
                          self.model.get_node_by_uuid, 'I1')
        self.assertRaises(exception.InstanceNotFound,
                          self.model.get_instance_by_uuid, 'N1')

    def test_wrong_types(self):
        for call, argument in ((self.model.add_node, instance('I9')),
                               (self.model.add_instance, node('N9')),
                               (self.model.assert_node, 'N1'),
                               (self.model.assert_instance, None)):
            self.assertRaises(exception.IllegalArgumentException, call,
                              argument)

    def test_replacing_keeps_place_and_relations(self):
        self.model.add_node(node('N1', hostname='renamed', vcpus=2))
        self.model.add_instance(instance('I1', memory=500))
        self.assertEqual(['N1', 'N2', 'N3'],
                         list(self.model.get_all_compute_nodes()))
        self.assertEqual(['I1', 'I2'], self.on('N1'))
        self.assertEqual(
            510, self.model.get_node_used_resources('N1')['memory'])
        self.assertEqual('N1', self.model.get_node_by_name('renamed').uuid)
        self.assertRaises(exception.ComputeNodeNotFound,
                          self.model.get_node_by_name, 'h-N1')

    def test_a_replaced_element_no_longer_counts(self):
        old = self.model.get_instance_by_uuid('I1')
        self.model.add_instance(instance('I1', memory=500))
        self.model.get_node_used_resources('N1')
        old.memory = 9
        self.assertEqual(
            510, self.model.get_node_used_resources('N1')['memory'])

    def test_element_of_another_model_is_copied(self):
        other = model_root.ModelRoot()
        shared = self.model.get_instance_by_uuid('I1')
        other.add_instance(shared)
        shared.metadata['a'] = False
        shared.memory = 77
        self.assertEqual({'a': True},
                         other.get_instance_by_uuid('I1').metadata)
        self.assertEqual(10, other.get_instance_by_uuid('I1').memory)

    def test_remove_node_leaves_its_servers_unmapped(self):
        self.model.remove_node(self.model.get_node_by_uuid('N1'))
        self.assertRaises(exception.ComputeNodeNotFound,
                          self.model.get_node_by_uuid, 'N1')
        self.assertRaises(exception.InstanceNotMapped,
                          self.model.get_node_by_instance_uuid, 'I1')
        self.assertIn('I1', self.model.get_all_instances())
        self.assertRaises(exception.ComputeNodeNotFound,
                          self.model.remove_node, 'N1')

    def test_remove_nodes_takes_their_servers_along(self):
        self.model.remove_nodes(['N1', 'N3', 'unknown'])
        self.assertEqual(['N2'], list(self.model.get_all_compute_nodes()))
        self.assertEqual(['I0', 'I3'], list(self.model.get_all_instances()))
        self.assertEqual(3, len(self.model))

    def test_remove_instance(self):
        self.model.get_node_used_resources('N1')
        self.model.remove_instance(self.model.get_instance_by_uuid('I1'))
        self.model.delete_instance('I0', None)
        self.assertEqual(['I2'], self.on('N1'))
        self.assertEqual(
            10, self.model.get_node_used_resources('N1')['memory'])
        self.assertRaises(exception.InstanceNotFound,
                          self.model.remove_instance, 'I1')

    def test_not_found_has_one_family(self):
        for call in (lambda: self.model.get_node_by_uuid('x'),
                     lambda: self.model.get_node_by_name('x'),
                     lambda: self.model.get_instance_by_uuid('x'),
                     lambda: self.model.get_node_by_instance_uuid('x'),
                     lambda: self.model.get_node_by_instance_uuid('I0'),
                     lambda: self.model.get_node_instances('x'),
                     lambda: self.model.get_node_used_resources('x'),
                     lambda: self.model.get_node_free_resources('x')):
            self.assertRaises(exception.ComputeResourceNotFound, call)


class TestNames(ModelTestCase):

    def test_renamed_host(self):
        self.model.get_node_by_uuid('N2').hostname = 'new'
        self.assertEqual('N2', self.model.get_node_by_name('new').uuid)
        self.assertRaises(exception.ComputeNodeNotFound,
                          self.model.get_node_by_name, 'h-N2')

    def test_names_are_compared_exactly(self):
        for uuid in ('c1', 'c10', 'c11'):
            self.model.add_node(node(uuid, hostname=uuid))
        self.assertEqual('c1', self.model.get_node_by_name('c1').uuid)

    def test_first_of_several(self):
        self.model.add_node(node('N9', hostname='h-N1'))
        self.assertEqual('N1', self.model.get_node_by_name('h-N1').uuid)
        self.model.remove_node('N1')
        self.assertEqual('N9', self.model.get_node_by_name('h-N1').uuid)

    def test_host_without_name(self):
        self.model.add_node(element.ComputeNode(uuid='N9'))
        self.model.get_node_by_uuid('N9').hostname = 'late'
        self.assertEqual('N9', self.model.get_node_by_name('late').uuid)


class TestRelations(ModelTestCase):

    def test_mapping_moves(self):
        self.model.map_instance('I1', 'N2')
        self.assertEqual(['I2'], self.on('N1'))
        self.assertEqual(['I3', 'I1'], self.on('N2'))

    def test_repeated_mapping_is_harmless(self):
        self.model.map_instance('I1', 'N1')
        self.assertEqual(['I1', 'I2'], self.on('N1'))

    def test_objects_and_uuids(self):
        self.model.map_instance(self.model.get_instance_by_uuid('I0'),
                                self.model.get_node_by_uuid('N3'))
        self.assertEqual(['I0'], self.on(
            self.model.get_node_by_uuid('N3')))

    def test_unknown_elements_are_added(self):
        self.model.map_instance(instance('I9'), node('N9'))
        self.assertEqual(['I9'], self.on('N9'))

    def test_unknown_uuids(self):
        self.assertRaises(exception.InstanceNotFound,
                          self.model.map_instance, 'x', 'N1')
        self.assertRaises(exception.ComputeNodeNotFound,
                          self.model.map_instance, 'I0', 'x')

    def test_unmap(self):
        self.model.unmap_instance('I1', 'N1')
        self.assertEqual(['I2'], self.on('N1'))
        self.assertRaises(exception.InstanceNotMapped,
                          self.model.unmap_instance, 'I1', 'N1')
        self.assertRaises(exception.InstanceNotMapped,
                          self.model.unmap_instance, 'I3', 'N1')

    def test_migrate(self):
        moved = self.model.get_instance_by_uuid('I1')
        first, second = (self.model.get_node_by_uuid(uuid)
                         for uuid in ('N1', 'N2'))
        self.assertIs(True, self.model.migrate_instance(
            moved, first, second))
        self.assertEqual(['I3', 'I1'], self.on('N2'))
        self.assertIs(False, self.model.migrate_instance(
            moved, second, second))
        self.assertRaises(
            exception.InstanceNotMapped, self.model.migrate_instance,
            moved, first, self.model.get_node_by_uuid('N3'))
        self.assertRaises(
            exception.IllegalArgumentException,
            self.model.migrate_instance, 'I1', first, second)

    def test_host_of_a_server(self):
        self.assertEqual(
            'N2', self.model.get_node_by_instance_uuid('I3').uuid)


class TestResources(ModelTestCase):

    def test_used_and_free(self):
        self.assertEqual({'vcpu': 2, 'memory': 20, 'disk': 2},
                         self.model.get_node_used_resources('N1'))
        self.assertEqual({'vcpu': 14.0, 'memory': 880.0, 'disk': 98.0},
                         self.model.get_node_free_resources(
                             self.model.get_node_by_uuid('N1')))
        self.assertEqual({'vcpu': 0, 'memory': 0, 'disk': 0},
                         self.model.get_node_used_resources('N3'))

    def test_result_is_a_copy(self):
        self.model.get_node_used_resources('N1')['vcpu'] = 99
        self.assertEqual(
            2, self.model.get_node_used_resources('N1')['vcpu'])

    def test_every_state_counts(self):
        stopped = self.model.get_instance_by_uuid('I1')
        stopped.update({'state': 'stopped', 'watcher_exclude': True})
        self.assertEqual(
            2, self.model.get_node_used_resources('N1')['vcpu'])

    def test_moves(self):
        self.model.get_node_used_resources('N1')
        self.model.get_node_used_resources('N2')
        self.model.map_instance('I1', 'N2')
        self.assertEqual(
            [1, 2], [self.model.get_node_used_resources(uuid)['vcpu']
                     for uuid in ('N1', 'N2')])

    def test_changed_size(self):
        self.model.get_node_used_resources('N1')
        self.model.get_instance_by_uuid('I1').memory = 100
        self.assertEqual(
            110, self.model.get_node_used_resources('N1')['memory'])

    def test_free_may_be_negative(self):
        self.model.get_instance_by_uuid('I1').vcpus = 20
        self.assertEqual(
            -5.0, self.model.get_node_free_resources('N1')['vcpu'])

    def test_unset_size(self):
        self.model.map_instance(element.Instance(uuid='I9'), 'N3')
        error = self.assertRaises(
            NotImplementedError, self.model.get_node_used_resources, 'N3')
        self.assertIn('I9', str(error))

    def test_invalidation_is_harmless(self):
        before = self.model.get_node_used_resources('N1')
        self.model.invalidate_node_resource_cache('N1')
        self.model.invalidate_node_resource_cache(node('unknown'))
        self.model.invalidate_resource_cache()
        self.assertEqual(before,
                         self.model.get_node_used_resources('N1'))


class TestCopies(ModelTestCase):

    copies = (model_root.ModelRoot.copy, copy.copy, copy.deepcopy)

    def each(self):
        for make in self.copies:
            self.model = sample()
            yield make(self.model)

    def test_equal_but_other_elements(self):
        for made in self.each():
            self.assertEqual(self.model.to_xml(), made.to_xml())
            for uuid, known in self.model.get_all_instances().items():
                self.assertIsNot(known, made.get_instance_by_uuid(uuid))
                self.assertEqual(known, made.get_instance_by_uuid(uuid))

    def test_changes_of_the_copy_stay_there(self):
        for made in self.each():
            before = self.model.to_xml()
            made.get_node_by_uuid('N1').hostname = 'x'
            made.get_instance_by_uuid('I1').memory = 7
            made.get_instance_by_uuid('I2').metadata['b'] = 1
            made.map_instance('I3', 'N3')
            made.remove_instance('I0')
            made.remove_node('N2')
            made.add_node(node('N9'))
            self.assertEqual(before, self.model.to_xml())
            self.assertEqual(
                'N1', self.model.get_node_by_name('h-N1').uuid)
            self.assertEqual(['I3'], self.on('N2'))

    def test_changes_of_the_original_stay_there(self):
        for made in self.each():
            before = made.to_xml()
            self.model.get_node_by_uuid('N1').hostname = 'x'
            self.model.get_instance_by_uuid('I1').memory = 7
            self.model.get_instance_by_uuid('I2').metadata['b'] = 1
            self.model.map_instance('I3', 'N3')
            self.model.remove_nodes(['N2'])
            self.assertEqual(before, made.to_xml())
            self.assertEqual('N1', made.get_node_by_name('h-N1').uuid)
            self.assertEqual(['I3'], self.on('N2', made))

    def test_elements_held_since_before_the_copy(self):
        held = self.model.get_instance_by_uuid('I1')
        metadata = held.metadata
        for made in (self.model.copy(), self.model.copy()):
            held.memory += 1
            metadata['b'] = 1
            self.assertEqual({'a': True},
                             made.get_instance_by_uuid('I1').metadata)
            self.assertNotEqual(
                held.memory, made.get_instance_by_uuid('I1').memory)
            self.assertIs(metadata, held.metadata)
            del metadata['b']

    def test_copies_of_copies(self):
        second = self.model.copy().copy()
        second.map_instance('I1', 'N2')
        third = second.copy()
        third.map_instance('I1', 'N3')
        self.assertEqual(
            ['N1', 'N2', 'N3'],
            [model.get_node_by_instance_uuid('I1').uuid
             for model in (self.model, second, third)])

    def test_structures_of_trusted_elements(self):
        self.model = model_root.ModelRoot()
        self.model.add_instance(element.Instance.trusted(
            uuid='I1', metadata={'a': True}))
        one, two = self.model.copy(), self.model.copy()
        one.get_instance_by_uuid('I1').metadata['b'] = 1
        for other in (two, self.model, self.model.copy()):
            self.assertEqual({'a': True},
                             other.get_instance_by_uuid('I1').metadata)

    def test_what_else_is_copied(self):
        self.model.stale = True
        self.model.extended_attributes_enabled = True
        self.model.aggregates = ()
        self.model.zones = {'h-N1': 'az'}
        self.model.incomplete_nodes['N8'] = 'why'
        made = self.model.copy()
        self.config('compute_model', enable_extended_attributes=False)
        self.assertTrue(made.stale)
        self.assertTrue(made.extended_attributes_enabled)
        self.assertEqual((), made.aggregates)
        self.assertEqual({'h-N1': 'az'}, made.zones)
        self.assertEqual({'N8': 'why'}, made.incomplete_nodes)
        self.assertIsNot(self.model.lock, made.lock)

    def test_sums_are_copied(self):
        self.model.get_node_used_resources('N1')
        made = self.model.copy()
        made.map_instance('I3', 'N1')
        self.assertEqual(3, made.get_node_used_resources('N1')['vcpu'])
        self.assertEqual(
            2, self.model.get_node_used_resources('N1')['vcpu'])

    def test_models_share_the_values_of_what_they_do_not_change(self):
        one, two = self.model.copy(), self.model.copy()
        two.get_instance_by_uuid('I1').name = 'x'
        for uuid, shared in (('I1', False), ('I2', True)):
            self.assertIs(
                shared, one.get_instance_by_uuid(uuid)._values
                is two.get_instance_by_uuid(uuid)._values)


class TestCostOfViews(base.TestCase):
    """Counted, not timed: how many entries are copied."""

    def setUp(self):
        super().setUp()
        self.copied = 0
        own = persistent._Parts.own

        def count(parts, number):
            new = number not in parts.mine
            owned = own(parts, number)
            self.copied += new * len(owned)
            return owned
        self.useFixture(fixtures.MockPatchObject(
            persistent._Parts, 'own', count))

    def copied_by(self, servers):
        model = model_root.ModelRoot()
        for number in range(servers):
            model.map_instance(instance(f'I{number}'),
                               node(f'N{number // 10}'))
        model.copy()
        self.copied = 0
        view = model.copy()
        at_once = self.copied
        for changed in (model, view, view.copy()):
            changed.get_instance_by_uuid('I1').memory = 5
            changed.map_instance('I2', 'N3')
            changed.get_node_by_uuid('N1').hostname = 'x'
        return at_once, self.copied

    def test_size_of_the_cloud_does_not_matter(self):
        self.assertEqual(0, self.copied_by(200)[0])
        at_once, later = self.copied_by(4000)
        self.assertEqual(0, at_once)
        # Not a multiple of 4000, but of the size of a part.
        self.assertLess(later, 3 * 10 * 64)


class TestTruth(base.TestCase):

    def test_empty_is_true_stale_is_not(self):
        self.assertTrue(model_root.ModelRoot())
        self.assertFalse(model_root.ModelRoot(stale=True))

    def test_extended_attributes_keep_the_first_value(self):
        model = model_root.ModelRoot()
        self.assertFalse(model.extended_attributes_enabled)
        self.config('compute_model', enable_extended_attributes=True)
        self.assertFalse(model.extended_attributes_enabled)
        self.assertTrue(model_root.ModelRoot().extended_attributes_enabled)

    def test_age(self):
        self.assertIsNone(model_root.ModelRoot().age)


XML = """\
<ModelRoot>
  <ComputeNode hostname="h-N1" status="enabled" state="up" memory="1000" \
memory_mb_reserved="100" disk="100" disk_gb_reserved="0" vcpus="16" \
vcpu_reserved="0" memory_ratio="1.0" vcpu_ratio="1.0" disk_ratio="1.0" \
uuid="N1">
    <Instance watcher_exclude="False" name="n-I1" state="active" \
memory="10" disk="1" vcpus="1" metadata="{&quot;a&quot;: true}" \
project_id="p" locked="False" created="2026-01-09 12:00:00+00:00" \
pinned_az="" flavor_extra_specs="{}" uuid="I1"/>
  </ComputeNode>
  <Instance watcher_exclude="False" name="n-I0" state="active" memory="10" \
disk="1" vcpus="1" metadata="{&quot;a&quot;: true}" project_id="p" \
locked="False" pinned_az="" flavor_extra_specs="{}" uuid="I0"/>
</ModelRoot>
"""

OLD_XML = """<?xml version="1.0"?>
<ModelRoot>
  <ComputeNode human_id="" uuid="Node_0" status="enabled" state="up" id="0"
      hostname="hostname_0" vcpus="40" disk="250" memory="132"
      vcpu_reserved="0" memory_mb_reserved="0" disk_gb_reserved="0"
      memory_ratio="1" vcpu_ratio="1" disk_ratio="1">
    <Instance watcher_exclude="False" state="active" human_id=""
        uuid="INSTANCE_0" name="x" vcpus="10" disk="20" memory="2"
        metadata='{"optimize": true, "top": "floor"}' project_id="P"/>
  </ComputeNode>
</ModelRoot>"""


class TestOutput(ModelTestCase):

    def test_xml(self):
        model = model_root.ModelRoot()
        model.add_node(node('N1'))
        model.add_instance(instance('I1', created='2026-01-09T12:00:00Z'))
        model.add_instance(instance('I0'))
        model.map_instance('I1', 'N1')
        self.assertEqual(XML, model.to_xml())
        self.assertEqual(XML, model.to_string())

    def test_xml_round_trip(self):
        read = model_root.ModelRoot.from_xml(self.model.to_xml())
        self.assertTrue(
            model_root.ModelRoot.is_isomorphic(self.model, read))

    def test_old_dialect(self):
        read = model_root.ModelRoot.from_xml(OLD_XML)
        found = read.get_instance_by_uuid('INSTANCE_0')
        self.assertEqual({'optimize': True, 'top': 'floor'}, found.metadata)
        self.assertIs(False, found.watcher_exclude)
        self.assertEqual({'vcpu': 30.0, 'memory': 130.0, 'disk': 230.0},
                         read.get_node_free_resources('Node_0'))

    def test_no_xml(self):
        self.assertRaises(exception.Invalid, model_root.ModelRoot.from_xml,
                          'nonsense')

    def test_control_characters(self):
        self.model.get_node_by_uuid('N1').disabled_reason = 'a\x01b'
        self.assertIn('disabled_reason="ab"', self.model.to_xml())

    def test_list(self):
        self.model.get_instance_by_uuid('I1').host = 'h-N1'
        rows = self.model.to_list()
        self.assertEqual(
            [('N1', 'I1'), ('N1', 'I2'), ('N2', 'I3'), ('N3', None)],
            [(row['node_uuid'], row.get('server_uuid')) for row in rows])
        self.assertEqual('h-N1', rows[0]['server_host'])
        self.assertNotIn('server_host', rows[1])
        self.assertIs(False, rows[0]['server_locked'])
        self.assertEqual({'a': True}, rows[0]['server_metadata'])
        self.assertFalse([key for key in rows[3]
                          if key.startswith('server_')])

    def test_list_is_no_way_into_the_model(self):
        self.model.to_list()[0]['server_metadata']['a'] = 'changed'
        self.assertEqual({'a': True},
                         self.model.get_instance_by_uuid('I1').metadata)

    def test_isomorphic(self):
        other = sample()
        check = model_root.ModelRoot.is_isomorphic
        self.assertTrue(check(self.model, other))
        other.map_instance('I1', 'N2')
        self.assertFalse(check(self.model, other))
        other = sample()
        other.get_instance_by_uuid('I1').name = 'x'
        self.assertFalse(check(self.model, other))


class TestGraph(ModelTestCase):

    def test_networkx(self):
        graph = self.model.to_networkx()
        self.assertIsInstance(graph, networkx.DiGraph)
        self.assertEqual({('I1', 'N1'), ('I2', 'N1'), ('I3', 'N2')},
                         set(graph.edges()))
        self.assertIs(self.model.get_node_by_uuid('N1'),
                      graph.nodes['N1']['attr'])

    def test_views(self):
        self.assertEqual(7, len(self.model))
        self.assertEqual(
            ['N1', 'N2', 'N3', 'I0', 'I1', 'I2', 'I3'], list(self.model))
        self.assertEqual(set(self.model), set(self.model.nodes()))
        self.assertEqual(
            {'attr': self.model.get_instance_by_uuid('I0')},
            dict(self.model.nodes(data=True))['I0'])
        self.assertEqual(3, len(self.model.edges()))
        self.assertIn('N1', self.model)
        self.assertTrue(self.model.has_node('I1'))
        self.assertFalse(self.model.has_node('x'))

    def test_neighbourhood(self):
        self.assertEqual(['I1', 'I2'], list(self.model.predecessors('N1')))
        self.assertEqual(['N2'], list(self.model.neighbors('I3')))
        self.assertEqual([], list(self.model.successors('I0')))
        self.assertTrue(self.model.has_edge('I1', 'N1'))
        self.assertFalse(self.model.has_edge('I0', 'N1'))

    def test_edges_can_be_changed(self):
        self.model.remove_edge('I1', 'N1')
        self.model.add_edge('I0', 'N1')
        self.assertEqual({('I0', 'N1'), ('I2', 'N1'), ('I3', 'N2')},
                         set(self.model.edges()))


class TestThreads(base.TestCase):

    def test_moves_reads_and_copies_at_the_same_time(self):
        model = model_root.ModelRoot()
        for number in range(8):
            model.add_node(node(f'N{number}'))
        for number in range(80):
            model.add_instance(instance(f'I{number}'))
            model.map_instance(f'I{number}', f'N{number % 8}')
        errors = []

        def work(seed):
            try:
                for step in range(100):
                    uuid = f'I{(seed * 31 + step * 7) % 80}'
                    model.map_instance(uuid, f'N{(seed + step) % 8}')
                    model.get_instance_by_uuid(uuid).metadata['s'] = step
                    with model.lock:  # nobody sees it missing
                        host = model.get_node_by_instance_uuid(uuid)
                        model.remove_instance(uuid)
                        model.map_instance(instance(uuid), host)
                    made = model.copy()
                    total = sum(
                        made.get_node_used_resources(host)['vcpu']
                        for host in made.get_all_compute_nodes())
                    if total != 80 or len(made) != 88:
                        errors.append(total)
                    moved = made.get_instance_by_uuid(uuid)
                    made.migrate_instance(
                        moved, made.get_node_by_instance_uuid(uuid),
                        made.get_node_by_uuid(f'N{seed}'))
                    if moved not in made.get_node_instances(f'N{seed}'):
                        errors.append(uuid)
            except Exception as exc:
                errors.append(exc)
        threads = [threading.Thread(target=work, args=(seed,))
                   for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([], errors)


class ModelMachine(stateful.RuleBasedStateMachine):
    """Random operations on a model beside plain dictionaries.

    Copies are taken at any time and compared with the plain state of their
    moment for ever after.
    """

    uuids = st.sampled_from([f'I{number}' for number in range(6)])
    hosts = st.sampled_from([f'N{number}' for number in range(4)])

    def __init__(self):
        super().__init__()
        self.model = model_root.ModelRoot()
        self.sizes, self.where, self.names, self.tags = {}, {}, {}, {}
        self.copies = []
        self.held = {}  # metadata by uuid of the present model
        self.numbers = itertools.count(1)

    @stateful.rule(uuid=uuids, size=st.integers(0, 50),
                   trusted=st.booleans())
    def add_instance(self, uuid, size, trusted):
        added = instance(uuid, vcpus=size, memory=size, disk=size)
        if trusted:
            added = element.Instance.trusted(**added.as_dict())
        self.model.add_instance(added)
        self.sizes[uuid] = size
        self.tags[uuid] = {'a': True}
        self.held.pop(uuid, None)
        self.where.setdefault(uuid, None)

    @stateful.rule(host=hosts)
    def add_node(self, host):
        name = f'name-{next(self.numbers)}'
        self.model.add_node(node(host, hostname=name))
        self.names[host] = name

    @stateful.rule(uuid=uuids, host=hosts)
    def map_instance(self, uuid, host):
        if uuid not in self.sizes or host not in self.names:
            return
        self.model.map_instance(uuid, host)
        self.where[uuid] = host

    @stateful.rule(uuid=uuids)
    def remove_instance(self, uuid):
        if self.sizes.pop(uuid, None) is not None:
            self.model.remove_instance(uuid)
            del self.where[uuid], self.tags[uuid]
            self.held.pop(uuid, None)

    @stateful.rule(host=hosts)
    def remove_node(self, host):
        if self.names.pop(host, None) is not None:
            self.model.remove_node(host)
            self.where.update({uuid: None for uuid, place
                               in self.where.items() if place == host})

    @stateful.rule(host=hosts)
    def remove_with_servers(self, host):
        self.names.pop(host, None)
        self.model.remove_nodes([host])
        for uuid in [uuid for uuid, place in self.where.items()
                     if place == host]:
            del self.where[uuid], self.sizes[uuid], self.tags[uuid]
            self.held.pop(uuid, None)

    @stateful.rule(uuid=uuids, size=st.integers(0, 50))
    def resize(self, uuid, size):
        if uuid in self.sizes:
            self.model.get_instance_by_uuid(uuid).update(
                dict.fromkeys(SIZES, size))
            self.sizes[uuid] = size

    @stateful.rule(uuid=uuids)
    def tag(self, uuid):
        if uuid in self.sizes:
            number = next(self.numbers)
            # What was handed out before a view was made stays live.
            metadata = self.held.setdefault(
                uuid, self.model.get_instance_by_uuid(uuid).metadata)
            metadata.setdefault('n', []).append({'x': number})
            tags = self.tags[uuid] = copy.deepcopy(self.tags[uuid])
            tags.setdefault('n', []).append({'x': number})

    @stateful.rule(host=hosts)
    def rename(self, host):
        if host in self.names:
            name = f'name-{next(self.numbers)}'
            self.model.get_node_by_uuid(host).hostname = name
            self.names[host] = name

    def plain(self):
        return (dict(self.sizes), dict(self.where), dict(self.names),
                copy.deepcopy(self.tags))

    @stateful.rule()
    def take_copy(self):
        self.copies = self.copies[-2:] + [(self.model.copy(), self.plain())]

    @stateful.rule()
    def go_on_with_the_copy(self):
        old = self.model
        self.model = old.copy()
        self.held = {}
        self.copies = self.copies[-2:] + [(old, self.plain())]

    @stateful.precondition(lambda self: self.copies)
    @stateful.rule()
    def discard_and_go_back(self):
        self.model, plain = self.copies.pop()
        self.held = {}
        self.sizes, self.where, self.names, self.tags = copy.deepcopy(plain)

    @stateful.invariant()
    def all_agree(self):
        self.check(self.model, *self.plain())
        for made, plain in self.copies:
            self.check(made, *plain)

    @staticmethod
    def check(model, sizes, where, names, tags):
        assert list(model.get_all_instances()) == list(sizes)
        assert list(model.get_all_compute_nodes()) == list(names)
        assert len(model) == len(sizes) + len(names)
        for host, name in names.items():
            assert model.get_node_by_name(name).uuid == host
            here = {uuid for uuid, place in where.items() if place == host}
            assert {known.uuid for known
                    in model.get_node_instances(host)} == here
            total = sum(sizes[uuid] for uuid in here)
            assert model.get_node_used_resources(host) == {
                'vcpu': total, 'memory': total, 'disk': total}
        for uuid, wanted in tags.items():
            assert model.get_instance_by_uuid(uuid).metadata == wanted
        assert {(row['node_uuid'], row['server_uuid'])
                for row in model.to_list() if 'server_uuid' in row} == {
            (place, uuid) for uuid, place in where.items() if place}


TestModelMachine = ModelMachine.TestCase
TestModelMachine.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None,
    derandomize=True)
