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
import datetime
import pickle

from watcher.decision_engine.model import element
from watcher.decision_engine.model import model_root
from watcher.tests import base

UTC = datetime.UTC

COMPUTE_NODE = [
    'hostname', 'status', 'disabled_reason', 'state', 'memory',
    'memory_mb_reserved', 'disk', 'disk_gb_reserved', 'vcpus',
    'vcpu_reserved', 'memory_ratio', 'vcpu_ratio', 'disk_ratio', 'uuid']
INSTANCE = [
    'watcher_exclude', 'name', 'state', 'memory', 'disk', 'vcpus',
    'metadata', 'project_id', 'locked', 'host', 'hypervisor_hostname',
    'created', 'pinned_az', 'flavor_extra_specs', 'uuid']
STORAGE_NODE = ['host', 'zone', 'status', 'state', 'volume_type', 'uuid',
                'human_id']
POOL = ['name', 'total_volumes', 'total_capacity_gb', 'free_capacity_gb',
        'provisioned_capacity_gb', 'allocated_capacity_gb', 'virtual_free',
        'uuid', 'human_id']
VOLUME = ['size', 'status', 'attachments', 'name', 'multiattach',
          'snapshot_id', 'project_id', 'metadata', 'bootable',
          'volume_type', 'created_at', 'host', 'uuid', 'human_id']
IRONIC_NODE = ['power_state', 'maintenance', 'maintenance_reason', 'extra',
               'uuid', 'human_id']


class TestElements(base.TestCase):

    def test_fields_in_order(self):
        for cls, names in ((element.ComputeNode, COMPUTE_NODE),
                           (element.Instance, INSTANCE),
                           (element.StorageNode, STORAGE_NODE),
                           (element.Pool, POOL),
                           (element.Volume, VOLUME),
                           (element.IronicNode, IRONIC_NODE)):
            self.assertEqual(names, list(cls.fields))

    def test_defaults(self):
        self.assertEqual({'status': 'enabled', 'state': 'up'},
                         element.ComputeNode().as_dict())
        self.assertEqual(
            {'watcher_exclude': False, 'state': 'active', 'locked': False,
             'pinned_az': '', 'flavor_extra_specs': {}},
            element.Instance().as_dict())
        self.assertEqual(
            {'status': 'available', 'uuid': '', 'human_id': ''},
            element.Volume().as_dict())
        self.assertEqual({'virtual_free': 0, 'uuid': '', 'human_id': ''},
                         element.Pool().as_dict())

    def test_default_dictionaries_are_not_shared(self):
        element.Instance().flavor_extra_specs['a'] = 'b'
        self.assertEqual({}, element.Instance().flavor_extra_specs)

    def test_unset(self):
        instance = element.Instance(name='web')
        self.assertRaises(NotImplementedError, lambda: instance.memory)
        self.assertRaises(NotImplementedError, lambda: instance['memory'])
        self.assertFalse(instance.obj_attr_is_set('memory'))
        self.assertTrue(instance.obj_attr_is_set('name'))
        self.assertEqual(7, instance.get('memory', 7))
        self.assertNotIn('memory', instance)
        self.assertIn('name', instance)
        self.assertNotIn('memory', instance.keys())

    def test_unknown(self):
        instance = element.Instance()
        self.assertRaises(AttributeError, instance.get, 'colour')
        self.assertRaises(AttributeError, instance.obj_attr_is_set,
                          'colour')
        self.assertRaises(AttributeError, lambda: instance['colour'])

    def test_mapping(self):
        instance = element.Instance(name='web')
        instance['vcpus'] = '4'
        instance.update({'memory': 512, 'disk': 1.9})
        self.assertEqual(4, instance.vcpus)
        self.assertEqual(512, instance['memory'])
        self.assertEqual(1, dict(instance.items())['disk'])
        self.assertIn('vcpus', list(instance))
        self.assertNotIn('metadata', list(instance))

    def test_what_is_no_field_is_a_plain_attribute(self):
        instance = element.Instance(name='web', id=1)
        instance.update({'colour': 'red'})
        self.assertEqual((1, 'red'), (instance.id, instance.colour))
        self.assertNotIn('id', instance.as_dict())
        self.assertFalse(hasattr(copy.deepcopy(instance), 'colour'))

    def test_equality_and_hash(self):
        one, two = element.Instance(name='a'), element.Instance(name='a')
        self.assertEqual(one, two)
        self.assertEqual(2, len({one, two}))
        two.vcpus = 1
        self.assertNotEqual(one, two)
        self.assertNotEqual(element.Pool(name='a'),
                            element.Instance(name='a'))
        self.assertNotEqual(one, 'a')

    def test_change_history_does_not_count_for_equality(self):
        one, two = element.Instance(name='a'), element.Instance(name='b')
        two.name = 'a'
        self.assertEqual(one, two)

    def test_copies_are_independent(self):
        one = element.Instance(name='a', metadata={'k': ['v']})
        for two in (copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
            self.assertEqual(one, two)
            two.metadata['k'].append('w')
            two.name = 'b'
            self.assertEqual(['v'], one.metadata['k'])
            self.assertEqual('a', one.name)

    def test_visitors(self):
        self.assertRaises(NotImplementedError,
                          element.Instance().accept, None)

    def test_trusted(self):
        values = {'uuid': 'u', 'vcpus': 2, 'metadata': {'a': 'b'}}
        self.assertEqual(element.Instance(**values),
                         element.Instance.trusted(**values))


    def test_with_values_of_another(self):
        metadata = {'a': ['b']}
        known = element.Instance(uuid='I', name='old', vcpus=1, locked=True)
        news = element.Instance(uuid='I', name='new', metadata=metadata)
        made = known.with_values_of(news, ['name', 'metadata', 'vcpus'])
        metadata['a'].append('c')
        self.assertEqual(
            {'uuid': 'I', 'name': 'new', 'locked': True,
             'metadata': {'a': ['b']}},
            {name: made[name] for name in (
                'uuid', 'name', 'locked', 'metadata')})
        self.assertFalse(made.obj_attr_is_set('vcpus'))
        self.assertEqual('old', known.name)


class TestElementsOfModels(base.TestCase):

    def setUp(self):
        super().setUp()
        self.given = {'k': ['v']}
        self.element = element.Instance(uuid='I', metadata=self.given)
        self.model = model_root.ModelRoot()
        self.model.add_instance(self.element)

    def stored(self):
        return self.model.copy().get_instance_by_uuid('I').metadata

    def test_structures_are_copied_on_the_way_in(self):
        self.given['k'].append('w')
        self.assertEqual({'k': ['v']}, self.element.metadata)
        self.element.metadata = self.given
        self.given['k'].append('x')
        self.assertEqual({'k': ['v', 'w']}, self.element.metadata)
        self.assertEqual({'k': ['v', 'w']}, self.stored())

    def test_structures_are_live_however_they_were_handed_out(self):
        for number, hand_out in enumerate((
                lambda made: made.metadata,
                lambda made: made['metadata'],
                lambda made: made.get('metadata'),
                lambda made: made.as_dict()['metadata'],
                lambda made: dict(made.items())['metadata'],
                lambda made: dict(zip(made.keys(), made.values(),
                                      strict=True))['metadata'])):
            hand_out(self.element)['k'].append(number)
            self.assertEqual(number, self.stored()['k'][-1])
            self.assertIs(self.element.metadata, hand_out(self.element))

    def test_a_structure_that_was_replaced_does_not_count(self):
        old = self.element.metadata
        self.element.metadata = {'new': 1}
        old['k'].append('w')
        self.assertEqual({'new': 1}, self.element.metadata)
        self.assertEqual({'new': 1}, self.stored())

    def test_a_removed_element_lives_on_alone(self):
        metadata, view = self.element.metadata, self.model.copy()
        self.model.remove_instance('I')
        metadata['k'].append('w')
        self.element.name = 'alone'
        self.assertEqual({'k': ['v', 'w']}, self.element.metadata)
        self.assertEqual(
            {'k': ['v']}, view.get_instance_by_uuid('I').metadata)
        self.assertFalse(
            view.get_instance_by_uuid('I').obj_attr_is_set('name'))
        self.assertEqual({}, self.model.get_all_instances())

    def test_copies_do_not_write_to_the_model(self):
        for make in (copy.copy, copy.deepcopy):
            made = make(self.element)
            made.metadata['k'].append('w')
            made.name = 'copy'
            self.assertEqual({'k': ['v']}, self.stored())
            self.assertFalse(self.element.obj_attr_is_set('name'))

    def test_update_sets_all_or_nothing(self):
        self.assertRaises(ValueError, self.element.update,
                          {'name': 'x', 'vcpus': -1})
        self.assertFalse(self.element.obj_attr_is_set('name'))
        self.element.update([('name', 'x')], vcpus=2)
        known = self.model.copy().get_instance_by_uuid('I')
        self.assertEqual(('x', 2), (known.name, known.vcpus))


class TestCoercion(base.TestCase):

    def accepts(self, cls, field, given, stored):
        made = cls(**{field: given})
        self.assertEqual(stored, made[field])
        self.assertIs(type(stored), type(made[field]))

    def refuses(self, cls, field, given):
        error = self.assertRaises(ValueError, cls, **{field: given})
        self.assertIn(field, str(error))

    def test_text(self):
        for given, stored in (('a', 'a'), (1, '1'), (1.5, '1.5')):
            self.accepts(element.Instance, 'name', given, stored)
        self.refuses(element.Instance, 'name', None)
        self.refuses(element.Instance, 'name', {})

    def test_null_stores_the_default(self):
        self.accepts(element.Instance, 'pinned_az', None, '')

    def test_nullable(self):
        node = element.ComputeNode(disabled_reason=None)
        self.assertIsNone(node.disabled_reason)
        self.assertIsNone(element.Volume(snapshot_id='').snapshot_id)
        self.assertIsNone(element.IronicNode(
            maintenance_reason=None).maintenance_reason)

    def test_whole_numbers(self):
        for given in (3, '3', 3.9):
            self.accepts(element.Instance, 'vcpus', given, 3)
        for given in (-1, None, 'x', {}, float('inf')):
            self.refuses(element.Instance, 'vcpus', given)

    def test_numbers(self):
        for given in (1, '1', 1.0):
            self.accepts(element.ComputeNode, 'vcpu_ratio', given, 1.0)
        for given in (-0.1, None, 'x', float('nan')):
            self.refuses(element.ComputeNode, 'vcpu_ratio', given)

    def test_truth_values(self):
        for given in (True, 'True', 'true', 1, '1'):
            self.accepts(element.Instance, 'locked', given, True)
        for given in (False, 'False', 'false', 0, None):
            self.accepts(element.Instance, 'locked', given, False)
        self.refuses(element.Instance, 'locked', 'perhaps')
        self.refuses(element.Volume, 'bootable', None)

    def test_times(self):
        noon = datetime.datetime(2026, 1, 9, 12, tzinfo=UTC)
        for given in (noon, noon.replace(tzinfo=None),
                      '2026-01-09T12:00:00Z', '2026-01-09 12:00:00',
                      '2026-01-09T13:00:00+01:00'):
            self.accepts(element.Instance, 'created', given, noon)
        self.refuses(element.Instance, 'created', 'noon')
        self.refuses(element.Instance, 'created', 12)

    def test_json(self):
        self.accepts(element.Instance, 'metadata', '{"a": 1}', {'a': 1})
        self.accepts(element.Instance, 'metadata', {'a': 1}, {'a': 1})
        self.refuses(element.Instance, 'metadata', '{')

    def test_lists(self):
        attachments = [{'server_id': 's'}]
        self.accepts(element.Volume, 'attachments', attachments, attachments)
        self.accepts(element.Volume, 'attachments', str(attachments),
                     attachments)
        self.refuses(element.Volume, 'attachments', ['s'])
        self.accepts(element.StorageNode, 'volume_type', ['a'], ['a'])
        self.accepts(element.StorageNode, 'volume_type', 'a', ['a'])

    def test_dictionaries(self):
        self.accepts(element.IronicNode, 'extra', {'a': 1}, {'a': 1})
        self.refuses(element.IronicNode, 'extra', '{}')

    def test_coercion_applies_to_later_writing_as_well(self):
        instance = element.Instance()
        self.assertRaises(ValueError, setattr, instance, 'vcpus', -1)
        instance.vcpus = '2'
        self.assertEqual(2, instance.vcpus)


class TestComputeNode(base.TestCase):

    def test_capacities(self):
        node = element.ComputeNode(
            vcpus=8, vcpu_reserved=2, vcpu_ratio=5.0,
            memory=1000, memory_mb_reserved=100, memory_ratio=1.5,
            disk=100, disk_gb_reserved=10, disk_ratio=1.0)
        self.assertEqual(30.0, node.vcpu_capacity)
        self.assertEqual(1350.0, node.memory_mb_capacity)
        self.assertEqual(90.0, node.disk_gb_capacity)

    def test_capacity_needs_all_its_inputs(self):
        node = element.ComputeNode(vcpus=8)
        self.assertRaises(NotImplementedError, lambda: node.vcpu_capacity)


class TestXml(base.TestCase):

    def attributes(self, **fields):
        return dict(element.Instance(**fields).as_xml_element().attrib)

    def test_only_set_fields(self):
        self.assertEqual(
            {'watcher_exclude': 'False', 'name': 'a', 'state': 'active',
             'locked': 'False', 'pinned_az': '', 'flavor_extra_specs': '{}'},
            self.attributes(name='a'))

    def test_structures_are_json(self):
        self.assertEqual('{"a": true}', self.attributes(
            metadata={'a': True})['metadata'])

    def test_control_characters_are_left_out(self):
        self.assertEqual('ab\tc\u00e9\U0001f600', self.attributes(
            name='a\x01b\x00\tc\u00e9\ud800\U0001f600')['name'])

    def test_round_trip(self):
        one = element.Instance(
            uuid='u', name='a', memory=1, disk=2, vcpus=3, locked=True,
            metadata={'a': 'b'}, created='2026-01-09T12:00:00Z',
            flavor_extra_specs={'hw:cpu': 'x'})
        two = element.Instance.from_xml_attributes(
            one.as_xml_element().attrib.items())
        self.assertEqual(one, two)

    def test_older_dialects(self):
        read = element.Instance.from_xml_attributes([
            ('watcher_exclude', 'False'), ('metadata', "{'a': True}"),
            ('human_id', 'ignored'), ('locked', 'False')])
        self.assertIs(False, read.watcher_exclude)
        self.assertIs(False, read.locked)
        self.assertEqual({'a': True}, read.metadata)

    def test_null_text(self):
        node = element.ComputeNode.from_xml_attributes(
            [('disabled_reason', 'None')])
        self.assertIsNone(node.disabled_reason)
