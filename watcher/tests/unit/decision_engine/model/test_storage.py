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

import networkx
from hypothesis import settings
from hypothesis import stateful
from hypothesis import strategies as st

from watcher.common import exception
from watcher.decision_engine.model import element
from watcher.decision_engine.model import model_root
from watcher.tests import base

NODES = ('h@a', 'h@b')
POOLS = ('h@a#1', 'h@a#2', 'h@b#1')


def node(host, **fields):
    return element.StorageNode(
        host=host, zone='nova', volume_type=['gold'], **fields)


def pool(name, **fields):
    return element.Pool(**{
        'name': name, 'total_volumes': 2, 'total_capacity_gb': 500,
        'free_capacity_gb': 400, **fields})


def volume(uuid, **fields):
    return element.Volume(**{
        'uuid': uuid, 'size': 40, 'name': f'n-{uuid}', 'bootable': 'false',
        'attachments': [{'server_id': 's', 'attachment_id': 'a'}],
        'metadata': {'k': 'v'}, **fields})


def sample():
    """h@a has pools 1 (V1, V2) and 2; h@b has 1 (V3); V0 is in none."""
    model = model_root.StorageModelRoot()
    for host in NODES:
        model.add_node(node(host))
    for name in POOLS:
        model.add_pool(pool(name))
        model.map_pool(name, name.partition('#')[0])
    for uuid, name in (('V0', None), ('V2', 'h@a#1'), ('V1', 'h@a#1'),
                       ('V3', 'h@b#1')):
        model.add_volume(volume(uuid))
        if name:
            model.map_volume(uuid, name)
    return model


class StorageTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.model = sample()

    def within(self, name, model=None):
        return [found.uuid for found
                in (model or self.model).get_pool_volumes(name)]


class TestElements(StorageTestCase):

    def test_all_in_order(self):
        self.assertEqual(list(NODES),
                         list(self.model.get_all_storage_nodes()))
        self.assertEqual(list(POOLS), list(self.model.get_all_pools()))
        self.assertEqual(['V0', 'V2', 'V1', 'V3'],
                         list(self.model.get_all_volumes()))

    def test_lookups(self):
        get = self.model
        self.assertEqual('h@a', get.get_node_by_name('h@a').host)
        self.assertEqual('h@a', get.get_node_by_name('h@a#1').host)
        self.assertEqual('h@a', get.get_node_by_pool_name('h@a#2').host)
        self.assertEqual('h@a#2', get.get_pool_by_pool_name('h@a#2').name)
        self.assertEqual('V1', get.get_volume_by_uuid('V1').uuid)
        self.assertEqual('h@a#1', get.get_pool_by_volume('V1').name)
        self.assertEqual(
            ['h@a#1', 'h@a#2'],
            [found.name for found in get.get_node_pools('h@a')])
        self.assertEqual(['V2', 'V1'], self.within('h@a#1'))

    def test_elements_are_live(self):
        self.model.get_pool_by_pool_name('h@a#1').free_capacity_gb = 1
        self.assertEqual(
            1, self.model.get_node_pools('h@a')[0].free_capacity_gb)
        self.assertIs(self.model.get_volume_by_uuid('V2'),
                      self.model.get_pool_volumes('h@a#1')[0])

    def test_unknown(self):
        model = self.model
        for error, call, argument in (
                (exception.StorageNodeNotFound, model.get_node_by_name, 'x'),
                (exception.StorageNodeNotFound, model.get_node_pools, 'x'),
                (exception.StorageNodeNotFound, model.remove_node, 'x'),
                (exception.PoolNotFound, model.get_pool_by_pool_name, 'x'),
                (exception.PoolNotFound, model.get_node_by_pool_name, 'x'),
                (exception.PoolNotFound, model.get_pool_volumes, 'x'),
                (exception.PoolNotFound, model.remove_pool, 'x'),
                (exception.VolumeNotFound, model.get_volume_by_uuid, 'x'),
                (exception.VolumeNotFound, model.get_pool_by_volume,
                 volume('x')),
                (exception.VolumeNotFound, model.remove_volume, 'x'),
                (exception.VolumeNotFound, model.delete_volume, 'x'),
                (exception.VolumeNotFound, model.get_volume_by_uuid,
                 'h@a')):
            self.assertRaises(error, call, argument)
            self.assertTrue(
                issubclass(error, exception.StorageResourceNotFound))

    def test_unmapped(self):
        self.model.unmap_pool('h@a#2', 'h@a')
        self.assertRaises(exception.StorageNodeNotFound,
                          self.model.get_node_by_pool_name, 'h@a#2')
        self.assertRaises(exception.PoolNotFound,
                          self.model.get_pool_by_volume, 'V0')

    def test_wrong_types(self):
        model = self.model
        for call, argument in (
                (model.add_node, pool('x')), (model.add_pool, node('x')),
                (model.add_volume, pool('x')), (model.assert_node, 'h@a'),
                (model.assert_pool, None), (model.assert_volume, 'V1')):
            self.assertRaises(exception.IllegalArgumentException, call,
                              argument)

    def test_replacing_keeps_place_and_relations(self):
        self.model.add_pool(pool('h@a#1', total_volumes=9))
        self.model.add_volume(volume('V2', size=1))
        self.model.add_node(node('h@a', state='down'))
        self.assertEqual(list(POOLS), list(self.model.get_all_pools()))
        self.assertEqual(['V2', 'V1'], self.within('h@a#1'))
        self.assertEqual(1, self.model.get_volume_by_uuid('V2').size)
        self.assertEqual(
            'down', self.model.get_node_by_pool_name('h@a#1').state)

    def test_removal_leaves_children_unmapped(self):
        self.model.remove_pool(self.model.get_pool_by_pool_name('h@a#1'))
        self.model.remove_node('h@b')
        self.model.remove_volume('V3')
        self.assertEqual(['V0', 'V2', 'V1'],
                         list(self.model.get_all_volumes()))
        self.assertRaises(exception.PoolNotFound,
                          self.model.get_pool_by_volume, 'V1')
        self.assertEqual([], self.within('h@b#1'))
        self.assertRaises(exception.StorageNodeNotFound,
                          self.model.get_node_by_pool_name, 'h@b#1')
        self.assertEqual(['h@a#2'], [
            found.name for found in self.model.get_node_pools('h@a')])


class TestRelations(StorageTestCase):

    def test_mapping_moves(self):
        self.model.map_volume('V1', 'h@b#1')
        self.model.map_volume('V1', 'h@b#1')
        self.model.map_pool('h@a#2', 'h@b')
        self.assertEqual(['V2'], self.within('h@a#1'))
        self.assertEqual(['V3', 'V1'], self.within('h@b#1'))
        self.assertEqual(
            'h@b', self.model.get_node_by_pool_name('h@a#2').host)

    def test_unknown_elements_are_added_unknown_names_are_not(self):
        self.model.map_volume(volume('V9'), pool('h@c#1'))
        self.model.map_pool(self.model.get_pool_by_pool_name('h@c#1'),
                            node('h@c'))
        self.assertEqual(['V9'], self.within('h@c#1'))
        self.assertEqual(
            'h@c', self.model.get_node_by_pool_name('h@c#1').host)
        for error, call, *names in (
                (exception.VolumeNotFound, self.model.map_volume, 'x',
                 'h@a#1'),
                (exception.PoolNotFound, self.model.map_volume, 'V1', 'x'),
                (exception.PoolNotFound, self.model.map_pool, 'x', 'h@a'),
                (exception.StorageNodeNotFound, self.model.map_pool,
                 'h@a#1', 'x')):
            self.assertRaises(error, call, *names)

    def test_unmapping(self):
        self.model.unmap_volume('V1', 'h@a#1')
        self.assertEqual(['V2'], self.within('h@a#1'))
        self.assertRaises(exception.PoolNotFound, self.model.unmap_volume,
                          'V1', 'h@a#1')
        self.assertRaises(exception.StorageNodeNotFound,
                          self.model.unmap_pool, 'h@a#1', 'h@b')

    def test_graph(self):
        edges = {('V1', 'h@a#1'), ('V2', 'h@a#1'), ('V3', 'h@b#1'),
                 ('h@a#1', 'h@a'), ('h@a#2', 'h@a'), ('h@b#1', 'h@b')}
        self.assertIsInstance(self.model.to_networkx(), networkx.DiGraph)
        self.assertEqual(edges, set(self.model.edges()))
        self.assertEqual(9, len(self.model))
        self.assertEqual([*NODES, *POOLS, 'V0', 'V2', 'V1', 'V3'],
                         list(self.model))
        self.assertEqual(['h@a#1', 'h@a#2'],
                         list(self.model.predecessors('h@a')))
        self.assertEqual(['h@a#1'], list(self.model.neighbors('V1')))
        self.assertIs(self.model.get_volume_by_uuid('V0'),
                      self.model.nodes['V0']['attr'])
        self.model.remove_edge('V1', 'h@a#1')
        self.model.add_edge('V0', 'h@b#1')
        self.model.remove_edge('h@a#2', 'h@a')
        self.model.add_edge('h@a#2', 'h@b')
        self.assertEqual(
            edges - {('V1', 'h@a#1'), ('h@a#2', 'h@a')}
            | {('V0', 'h@b#1'), ('h@a#2', 'h@b')}, set(self.model.edges()))


class TestCopies(StorageTestCase):

    def test_independent(self):
        for make in (copy.copy, copy.deepcopy, lambda model: model.copy()):
            self.model = sample()
            self.model.stale = True
            made = make(self.model)
            before = self.model.to_xml()
            self.assertEqual(before, made.to_xml())
            made.get_volume_by_uuid('V1').metadata['k'] = 'w'
            made.get_volume_by_uuid('V2').attachments.clear()
            made.get_node_by_name('h@a').volume_type.append('silver')
            made.map_volume('V3', 'h@a#2')
            made.remove_node('h@b')
            self.assertEqual(before, self.model.to_xml())
            self.assertNotEqual(before, made.to_xml())
            self.assertIs(model_root.StorageModelRoot, type(made))
            self.assertFalse(made)
            self.assertIsNot(made.lock, self.model.lock)


XML = """\
<ModelRoot>
  <StorageNode host="h@a" zone="nova" status="enabled" state="up" \
volume_type="[&quot;gold&quot;]" uuid="" human_id="">
    <Pool name="h@a#1" total_volumes="2" total_capacity_gb="500" \
free_capacity_gb="400" virtual_free="0" uuid="" human_id="">
      <Volume size="40" status="available" attachments="[{\
&quot;attachment_id&quot;: &quot;a&quot;, &quot;server_id&quot;: \
&quot;s&quot;}]" name="n-V1" metadata="{&quot;k&quot;: &quot;v&quot;}" \
bootable="False" uuid="V1" human_id=""/>
    </Pool>
  </StorageNode>
  <Volume size="1" status="error" host="None" uuid="V0" human_id=""/>
</ModelRoot>
"""

OLD_XML = """<?xml version="1.0"?>
<ModelRoot>
  <StorageNode human_id="" uuid="" id="0" host="host_0@backend_0"
      zone="zone_0" status="enabled" state="up" volume_type="type_0">
    <Pool human_id="" uuid="" id="0" name="host_0@backend_0#pool_0"
        total_volumes="1" total_capacity_gb="500" free_capacity_gb="420"
        provisioned_capacity_gb="80" allocated_capacity_gb="80"
        virtual_free="420">
      <Volume human_id="" uuid="VOLUME_0" id="1" size="40" status="in-use"
          attachments='[{"server_id": "server", "attachment_id": "a"}]'
          name="name_0" multiattach="True" snapshot_id="uuid"
          project_id="p" metadata='{"readonly": "false"}' bootable="False"
          volume_type="type_0" created_at="2017-04-25T08:06:47"
          host="host_0@backend_0#pool_0"/>
    </Pool>
  </StorageNode>
  <StorageNode host="plain" volume_type="['a', 'b']"/>
  <StorageNode host="other" volume_type="123"/>
</ModelRoot>"""


class TestOutput(StorageTestCase):

    def test_xml(self):
        model = model_root.StorageModelRoot()
        model.add_volume(element.Volume(
            uuid='V0', size=1, status='error', host=None))
        model.map_volume(volume('V1'), pool('h@a#1'))
        model.map_pool('h@a#1', node('h@a'))
        self.assertEqual(XML, model.to_xml())
        self.assertEqual(XML, model.to_string())

    def test_xml_round_trip(self):
        self.model.unmap_pool('h@b#1', 'h@b')
        read = model_root.StorageModelRoot.from_xml(self.model.to_xml())
        self.assertEqual(self.model.to_xml(), read.to_xml())
        self.assertEqual(set(self.model.edges()), set(read.edges()))
        for get in ('get_all_storage_nodes', 'get_all_pools',
                    'get_all_volumes'):
            self.assertEqual(getattr(self.model, get)(),
                             getattr(read, get)())

    def test_old_dialect(self):
        read = model_root.StorageModelRoot.from_xml(OLD_XML)
        found = read.get_volume_by_uuid('VOLUME_0')
        self.assertEqual({'readonly': 'false'}, found.metadata)
        self.assertEqual(
            [{'server_id': 'server', 'attachment_id': 'a'}],
            found.attachments)
        self.assertIs(False, found.bootable)
        self.assertIs(True, found.multiattach)
        self.assertEqual('host_0@backend_0#pool_0',
                         read.get_pool_by_volume(found).name)
        self.assertEqual(
            [['type_0'], ['a', 'b'], ['123']],
            [known.volume_type for known
             in read.get_all_storage_nodes().values()])

    def test_no_xml(self):
        self.assertRaises(exception.Invalid,
                          model_root.StorageModelRoot.from_xml, '<a')

    def test_list(self):
        self.model.add_node(node('h@c'))
        self.model.add_pool(pool('lost#1'))
        rows = self.model.to_list()
        self.assertEqual(
            [('h@a', 'h@a#1', 'V1'), ('h@a', 'h@a#1', 'V2'),
             ('h@a', 'h@a#2', None), ('h@b', 'h@b#1', 'V3'),
             ('h@c', None, None), (None, 'lost#1', None),
             (None, None, 'V0')],
            [(row.get('node_host'), row.get('pool_name'),
              row.get('volume_uuid')) for row in rows])
        self.assertEqual(['gold'], rows[0]['node_volume_type'])
        self.assertEqual(400, rows[0]['pool_free_capacity_gb'])
        self.assertIs(False, rows[0]['volume_bootable'])
        self.assertNotIn('pool_allocated_capacity_gb', rows[0])
        rows[0]['volume_attachments'][0]['server_id'] = 'changed'
        self.assertEqual(
            's', self.model.get_volume_by_uuid('V1')
            .attachments[0]['server_id'])

    def test_list_with_freshness(self):
        read, told = (datetime.datetime(2026, 1, 9, hour,
                                        tzinfo=datetime.UTC)
                      for hour in (12, 13))
        self.model.built_at = read
        self.model.touch('h@a', read, 'build', 'too little is known')
        self.model.touch('h@a', told)
        self.model.seen('h@a#1', told)
        rows = {(row.get('pool_name'), row.get('volume_uuid')): row
                for row in self.model.to_list(with_freshness=True)}
        for key, pool_at, source in (
                (('h@a#1', 'V1'), told, 'notification'),
                (('h@a#1', 'V2'), told, 'notification'),
                (('h@a#2', None), read, 'build')):
            row = rows[key]
            self.assertEqual(
                (pool_at.isoformat(), source, told.isoformat(),
                 'notification', None, None, 'too little is known'),
                (row['pool_updated_at'], row['pool_source'],
                 row['node_updated_at'], row['node_source'],
                 row['node_read_at'], row['node_age'],
                 row['node_incomplete_reason']), key)
        # Nothing is known about how fresh this backend is.
        self.assertNotIn('node_updated_at', rows['h@b#1', 'V3'])
        self.assertEqual('build', rows['h@b#1', 'V3']['pool_source'])
        self.assertFalse([name for name in rows[None, 'V0']
                          if name.startswith(('node', 'pool'))])
        self.model.built_at = None
        self.assertNotIn('pool_source', {
            name for row in self.model.to_list(with_freshness=True)
            if row.get('pool_name') == 'h@b#1' for name in row})

    def test_same_structure(self):
        check = model_root.StorageModelRoot.is_isomorphic
        other = sample()
        other.get_volume_by_uuid('V1').size = 1
        self.assertTrue(check(self.model, other))
        other.map_volume('V0', 'h@a#2')
        self.assertFalse(check(self.model, other))


class TestFigures(base.TestCase):

    def test_unknown_figures_stay_unset(self):
        made = element.Pool(
            name='p', total_volumes=None, total_capacity_gb='unknown',
            free_capacity_gb='infinite', provisioned_capacity_gb='',
            allocated_capacity_gb=float('inf'), virtual_free=None)
        self.assertEqual(['name', 'virtual_free', 'uuid', 'human_id'],
                         made.keys())
        made.free_capacity_gb = 7.9
        self.assertEqual(7, made.free_capacity_gb)
        made.free_capacity_gb = 'unknown'
        self.assertFalse(made.obj_attr_is_set('free_capacity_gb'))

    def test_nonsense_is_refused(self):
        for value in (-1, 'x', {}):
            self.assertRaises(ValueError, element.Pool,
                              total_capacity_gb=value)


class StorageMachine(stateful.RuleBasedStateMachine):
    """Random operations on a model and its views beside dictionaries."""

    nodes = st.sampled_from(NODES)
    pools = st.sampled_from(POOLS)
    volumes = st.sampled_from([f'V{number}' for number in range(5)])

    def __init__(self):
        super().__init__()
        self.model = model_root.StorageModelRoot()
        self.nodes_plain, self.pools_plain, self.volumes_plain = {}, {}, {}
        self.kept = []

    @stateful.rule(host=nodes)
    def add_node(self, host):
        self.model.add_node(node(host))
        self.nodes_plain[host] = None

    @stateful.rule(name=pools)
    def add_pool(self, name):
        self.model.add_pool(pool(name))
        self.pools_plain.setdefault(name, None)

    @stateful.rule(uuid=volumes, size=st.integers(0, 9))
    def add_volume(self, uuid, size):
        self.model.add_volume(volume(uuid, size=size))
        place = self.volumes_plain.get(uuid, (None, None))[0]
        self.volumes_plain[uuid] = (place, size)

    @stateful.rule(name=pools, host=nodes)
    def map_pool(self, name, host):
        if name in self.pools_plain and host in self.nodes_plain:
            self.model.map_pool(name, host)
            self.pools_plain[name] = host

    @stateful.rule(uuid=volumes, name=pools)
    def map_volume(self, uuid, name):
        if uuid in self.volumes_plain and name in self.pools_plain:
            self.model.map_volume(uuid, name)
            self.volumes_plain[uuid] = (name, self.volumes_plain[uuid][1])

    @stateful.rule(uuid=volumes, size=st.integers(10, 19))
    def resize(self, uuid, size):
        if uuid in self.volumes_plain:
            self.model.get_volume_by_uuid(uuid).size = size
            self.volumes_plain[uuid] = (self.volumes_plain[uuid][0], size)

    @stateful.rule(host=nodes)
    def remove_node(self, host):
        if host in self.nodes_plain:
            self.model.remove_node(host)
            del self.nodes_plain[host]
            self.pools_plain.update({
                name: None for name, place in self.pools_plain.items()
                if place == host})

    @stateful.rule(name=pools)
    def remove_pool(self, name):
        if name in self.pools_plain:
            self.model.remove_pool(name)
            del self.pools_plain[name]
            self.volumes_plain.update({
                uuid: (None, size) for uuid, (place, size)
                in self.volumes_plain.items() if place == name})

    @stateful.rule(uuid=volumes)
    def remove_volume(self, uuid):
        if self.volumes_plain.pop(uuid, None):
            self.model.remove_volume(uuid)

    def plain(self):
        return (dict(self.nodes_plain), dict(self.pools_plain),
                dict(self.volumes_plain))

    @stateful.rule(goes_on=st.booleans())
    def view(self, goes_on):
        made = self.model.copy()
        kept = self.model if goes_on else made
        self.model = made if goes_on else self.model
        self.kept = self.kept[-2:] + [(kept, self.plain())]

    @stateful.invariant()
    def all_agree(self):
        for model, plain in [*self.kept, (self.model, self.plain())]:
            self.check(model, *plain)

    @staticmethod
    def check(model, nodes, pools, volumes):
        assert list(model.get_all_storage_nodes()) == list(nodes)
        assert list(model.get_all_pools()) == list(pools)
        assert {uuid: known.size for uuid, known
                in model.get_all_volumes().items()} == {
            uuid: size for uuid, (_place, size) in volumes.items()}
        for host in nodes:
            assert {known.name for known in model.get_node_pools(host)} == {
                name for name, place in pools.items() if place == host}
        for name in pools:
            assert {known.uuid for known
                    in model.get_pool_volumes(name)} == {
                uuid for uuid, (place, _size) in volumes.items()
                if place == name}


TestStorageMachine = StorageMachine.TestCase
TestStorageMachine.settings = settings(
    max_examples=30, stateful_step_count=40, deadline=None,
    derandomize=True)
