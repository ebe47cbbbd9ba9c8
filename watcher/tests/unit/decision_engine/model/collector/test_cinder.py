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
"""What becomes of Cinder's answers in the storage model."""

from watcher.common import cinder_helper
from watcher.common import exception
from watcher.common import utils
from watcher.common.loader import loadable
from watcher.decision_engine.model import clocks
from watcher.decision_engine.model.collector import cinder
from watcher.decision_engine.model.collector import last_known
from watcher.tests import base

UUID = '{:08x}-0000-4000-8000-000000000000'.format


def service(host, **fields):
    return cinder_helper.StorageService.from_api(
        {'host': host, 'zone': 'nova', 'state': 'up', 'status': 'enabled',
         **fields})


def pool(name, **capabilities):
    return cinder_helper.StoragePool.from_api(
        {'name': name, 'capabilities': {
            'total_volumes': 1, 'total_capacity_gb': 100.5,
            'free_capacity_gb': 50, 'provisioned_capacity_gb': 60,
            'allocated_capacity_gb': 40, **capabilities}})


def volume_type(name, backend=None):
    return cinder_helper.VolumeType(
        UUID(1), name, {'volume_backend_name': backend} if backend else {})


def volume(number, host='h@b#p', **fields):
    return {'id': UUID(number), 'name': f'v{number}', 'size': 3,
            'status': 'available', 'volume_type': 'gold',
            'attachments': [], 'metadata': {}, 'bootable': 'false',
            'multiattach': False, 'snapshot_id': None,
            'created_at': '2026-01-09T12:00:00.000000',
            'os-vol-host-attr:host': host,
            'os-vol-tenant-attr:tenant_id': 'p1', **fields}


class FakeCinder:

    def __init__(self, services, pools, volumes, types):
        self.get_storage_node_list = lambda: services
        self.get_storage_pool_list = lambda: pools
        self.get_volume_type_list = lambda call: types
        self.volume_pages = lambda call: [volumes[:1], volumes[1:]]


class BuilderTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.known = last_known.LastKnown()

    def build(self, services=None, pools=None, volumes=(), types=()):
        builder = cinder.CinderModelBuilder.__new__(
            cinder.CinderModelBuilder)
        builder.set_up(FakeCinder(
            [service('h@b')] if services is None else services,
            [pool('h@b#p')] if pools is None else pools,
            list(volumes), list(types)), self.known)
        return builder.execute()


class TestCinderModelBuilder(BuilderTestCase):

    def test_backend(self):
        model = self.build(types=[
            volume_type('gold', 'b'), volume_type('any'),
            volume_type('other', 'c'), volume_type('gold2', 'b')])
        self.assertEqual(
            {'host': 'h@b', 'zone': 'nova', 'status': 'enabled',
             'state': 'up', 'volume_type': ['gold', 'gold2'], 'uuid': '',
             'human_id': ''},
            model.get_node_by_name('h@b').as_dict())

    def test_backend_that_is_called_otherwise_than_its_section(self):
        model = self.build(
            pools=[pool('h@b#p', volume_backend_name='ceph')],
            types=[volume_type('gold', 'ceph'), volume_type('old', 'b')])
        self.assertEqual(['gold', 'old'],
                         model.get_node_by_name('h@b').volume_type)

    def test_host_without_backend(self):
        model = self.build([service('h')], [pool('h#p')],
                           types=[volume_type('gold', 'b')])
        self.assertEqual([], model.get_node_by_name('h').volume_type)
        self.assertEqual('h', model.get_node_by_pool_name('h#p').host)

    def test_service_without_zone_and_state(self):
        node = self.build([service('h@b', zone=None, state=None,
                                   status=None)]).get_node_by_name('h@b')
        self.assertEqual(('up', 'enabled'), (node.state, node.status))
        self.assertFalse(node.obj_attr_is_set('zone'))

    def test_pool(self):
        found = self.build().get_pool_by_pool_name('h@b#p')
        self.assertEqual(
            {'name': 'h@b#p', 'total_volumes': 1, 'total_capacity_gb': 100,
             'free_capacity_gb': 50, 'provisioned_capacity_gb': 60,
             'allocated_capacity_gb': 40, 'virtual_free': 0, 'uuid': '',
             'human_id': ''}, found.as_dict())

    def test_unusable_figures_stay_unset(self):
        # LP 2121147: drivers may omit them; others say unknown or infinite.
        for told in ('unknown', 'infinite', None, '', 'many', -1,
                     float('inf')):
            model = self.build(
                pools=[pool('h@b#p', total_capacity_gb=told,
                            free_capacity_gb=told), pool('h@b#q')],
                volumes=[volume(1)])
            found = model.get_pool_by_pool_name('h@b#p')
            self.assertFalse(found.obj_attr_is_set('free_capacity_gb'))
            self.assertFalse(found.obj_attr_is_set('total_capacity_gb'))
            self.assertEqual(40, found.allocated_capacity_gb)
            self.assertEqual(50, model.get_pool_by_pool_name(
                'h@b#q').free_capacity_gb)
            self.assertEqual('h@b#p',
                             model.get_pool_by_volume(UUID(1)).name)
            self.assertEqual({}, dict(model.incomplete_nodes))
            self.assertTrue(model.to_xml())
        self.assertIn('h@b#p (total_capacity_gb, free_capacity_gb)',
                      self.logger.output)

    def test_zero_is_a_figure(self):
        found = self.build(pools=[pool('h@b#p', total_capacity_gb=0,
                                       free_capacity_gb=0.0)])
        self.assertEqual(0, found.get_pool_by_pool_name(
            'h@b#p').free_capacity_gb)

    def test_pool_that_reports_nothing(self):
        bare = cinder_helper.StoragePool.from_api({'name': 'h@b#p'})
        found = self.build(pools=[bare]).get_pool_by_pool_name('h@b#p')
        self.assertEqual(0, found.total_volumes)
        self.assertFalse(found.obj_attr_is_set('free_capacity_gb'))

    def test_pool_without_service(self):
        model = self.build(pools=[pool('h@b#p'), pool('x@y#z')])
        self.assertIn('x@y#z', model.get_all_pools())
        self.assertRaises(exception.StorageNodeNotFound,
                          model.get_node_by_pool_name, 'x@y#z')
        self.assertIn('x@y#z', self.logger.output)

    def test_volume(self):
        found = self.build(volumes=[volume(
            1, metadata={'k': 'v'}, bootable='true', multiattach=True,
            snapshot_id=UUID(9), attachments=[
                {'server_id': UUID(2), 'attachment_id': UUID(3),
                 'device': '/dev/vda'}])]).get_volume_by_uuid(UUID(1))
        self.assertEqual(
            {'uuid': UUID(1), 'size': 3, 'status': 'available',
             'attachments': [{'server_id': UUID(2),
                              'attachment_id': UUID(3)}],
             'name': 'v1', 'multiattach': True, 'snapshot_id': UUID(9),
             'project_id': 'p1', 'metadata': {'k': 'v'}, 'bootable': True,
             'volume_type': 'gold', 'host': 'h@b#p', 'human_id': '',
             'created_at': '2026-01-09T12:00:00.000000'}, found.as_dict())

    def test_text_false_is_not_bootable(self):
        for told, wanted in (('false', False), ('true', True),
                             (False, False), (True, True), (None, False)):
            found = self.build(volumes=[volume(1, bootable=told)])
            self.assertIs(
                wanted, found.get_volume_by_uuid(UUID(1)).bootable)

    def test_volume_of_no_host_is_in_no_pool(self):
        model = self.build(volumes=[
            volume(1, None, status='error', name=None, volume_type=None),
            volume(2)])
        found = model.get_volume_by_uuid(UUID(1))
        self.assertEqual(('error', '', None),
                         (found.status, found.name, found.host))
        self.assertRaises(exception.PoolNotFound,
                          model.get_pool_by_volume, UUID(1))
        self.assertEqual([UUID(2)], [
            one.uuid for one in model.get_pool_volumes('h@b#p')])

    def test_volume_of_an_unknown_pool(self):
        model = self.build(volumes=[volume(1, 'h@b#gone'),
                                    volume(2, 'x@y#z')])
        self.assertEqual(2, len(model.get_all_volumes()))
        self.assertEqual([], model.get_pool_volumes('h@b#p'))
        self.assertEqual(['h@b'], list(model.incomplete_nodes))
        self.assertIn('h@b#gone', model.incomplete_nodes['h@b'])

    def test_broken_records_are_left_out(self):
        broken = volume(1)
        del broken['size']
        model = self.build(volumes=[broken, volume(2, size=None),
                                    volume(3)])
        self.assertEqual([UUID(3)], list(model.get_all_volumes()))
        self.assertIn(UUID(1), self.logger.output)
        self.assertEqual(('Cinder does not describe 2 volumes completely',),
                         model.gaps)

    def test_copies_that_cinder_makes_are_no_volumes(self):
        model = self.build(volumes=[volume(1), volume(2, **{
            'os-vol-mig-status-attr:migstat': f'target:{UUID(1)}'})])
        self.assertEqual([UUID(1)], list(model.get_all_volumes()))

    def test_copies_that_cinder_deletes_are_no_volumes(self):
        # Nobody is told when they are gone.
        model = self.build(volumes=[
            volume(1, status='deleting'),
            volume(2, status='deleting', **{
                'os-vol-mig-status-attr:migstat': 'deleting'})])
        self.assertEqual([UUID(1)], list(model.get_all_volumes()))

    def test_a_volume_that_moves_while_pages_are_read(self):
        model = self.build(
            pools=[pool('h@b#p'), pool('h@b#q')],
            volumes=[volume(1), volume(1, 'h@b#q')])
        self.assertEqual('h@b#q', model.get_pool_by_volume(UUID(1)).name)
        self.assertEqual([], model.get_pool_volumes('h@b#p'))

    def test_freshness(self):
        model = self.build([service('h@b'), service('h@c', state='down')])
        fresh, blind = model.freshness['h@b'], model.freshness['h@c']
        self.assertEqual((model.built_at, clocks.BUILD, None, model.built_at),
                         fresh)
        self.assertIn('the service is down', blind.reason)
        self.assertIsNone(blind.read_at)
        self.assertEqual(['h@c'], list(model.incomplete_nodes))

    def test_empty_cloud(self):
        self.assertEqual(0, len(self.build([], [])))

    def test_xml_can_be_read_back(self):
        model = self.build(volumes=[volume(1, metadata={'a': 'b'}),
                                    volume(2, None)])
        self.assertEqual(model.to_xml(),
                         type(model).from_xml(model.to_xml()).to_xml())


class TestLastKnown(BuilderTestCase):
    """As field report 2.3 row 18, for pools that nobody reports."""

    POOLS = [pool('h@b#p'), pool('h@b#q', free_capacity_gb=7)]
    VOLUMES = [volume(1), volume(2, 'h@b#q')]

    def test_scheduler_that_has_just_started(self):
        before = self.build(pools=self.POOLS, volumes=self.VOLUMES)
        for _run in range(2):
            model = self.build(pools=[], volumes=self.VOLUMES)
            self.assertEqual(before.to_xml(), model.to_xml())
            self.assertEqual({'h@b#p', 'h@b#q'}, model.stand_ins)
            known = model.freshness['h@b']
            self.assertEqual(before.built_at, known.read_at)
            self.assertIn('reports no pool', known.reason)
        model = self.build(pools=self.POOLS, volumes=self.VOLUMES)
        self.assertEqual((frozenset(), {}),
                         (model.stand_ins, dict(model.incomplete_nodes)))

    def test_one_pool_with_volumes_is_missing(self):
        before = self.build(pools=self.POOLS, volumes=self.VOLUMES)
        model = self.build(pools=self.POOLS[:1], volumes=self.VOLUMES)
        self.assertEqual(7, model.get_pool_by_pool_name(
            'h@b#q').free_capacity_gb)
        self.assertEqual('h@b#q', model.get_pool_by_volume(UUID(2)).name)
        self.assertEqual({'h@b#q'}, model.stand_ins)
        self.assertEqual(before.built_at, model.freshness['h@b'].read_at)
        self.assertIn('h@b#q', model.incomplete_nodes['h@b'])

    def test_a_pool_without_volumes_is_gone(self):
        self.build(pools=self.POOLS)
        model = self.build(pools=self.POOLS[:1])
        self.assertNotIn('h@b#q', model)
        self.assertEqual({}, dict(model.incomplete_nodes))

    def test_a_missing_pool_that_was_never_read(self):
        self.build(pools=self.POOLS)
        model = self.build(pools=self.POOLS[:1], volumes=[
            *self.VOLUMES, volume(3, 'h@b#new')])
        self.assertIsNone(model.freshness['h@b'].read_at)

    def test_backend_that_is_down(self):
        self.build(pools=self.POOLS, volumes=self.VOLUMES)
        model = self.build([service('h@b', state='down')], [],
                           self.VOLUMES)
        self.assertEqual({}, model.get_all_pools())
        self.assertIsNone(model.freshness['h@b'].read_at)

    def test_backend_that_is_gone(self):
        self.build(pools=self.POOLS)
        self.assertEqual({}, self.build([], []).get_all_pools())


class TestCollector(base.TestCase):

    def make(self, **options):
        known = loadable.LoadableSingletonMeta._instances
        cls = cinder.CinderClusterDataModelCollector
        before = known.pop(cls, None)
        self.addCleanup(known.pop, cls, None)
        if before is not None:
            self.addCleanup(known.__setitem__, cls, before)
        return cls(utils.Struct(options))

    def test_age_that_audits_accept(self):
        self.assertEqual(5.0, self.make().freshness)
        self.assertEqual(60.0, self.make(max_age=60.0).freshness)

    def test_options(self):
        options = cinder.CinderClusterDataModelCollector.get_config_opts()
        self.assertEqual(
            {'period': 3600, 'max_age': 5.0},
            {option.name: option.default for option in options})

    def test_scope(self):
        handler = self.make().get_audit_scope_handler([])
        self.assertEqual([], handler.scope)

    def test_stale_model_is_of_its_kind(self):
        collector = self.make()
        collector.set_cluster_data_model_as_stale()
        stale = collector.current_model
        self.assertFalse(stale)
        self.assertEqual({}, stale.get_all_volumes())
