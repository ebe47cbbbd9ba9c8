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

import datetime

from watcher.common import exception
from watcher.decision_engine.model import clocks
from watcher.decision_engine.model import element
from watcher.decision_engine.model import model_root
from watcher.decision_engine.model import picture
from watcher.decision_engine.scope import baremetal
from watcher.decision_engine.scope import compute
from watcher.decision_engine.scope import storage
from watcher.tests import base
from watcher.tests.fixtures import models

NOW = datetime.datetime(2026, 1, 9, 12, 0, tzinfo=datetime.UTC)


def ago(seconds):
    return NOW - datetime.timedelta(seconds=seconds)


class PictureTestCase(base.TestCase):

    name = 'compute'
    handler = compute.ComputeScope

    def take(self, scope=None, **options):
        self.said = []
        view = picture.take(self.name, self.model,
                            self.handler(scope or [], {}), now=NOW,
                            **options)
        self.said = view.caveats
        return view.model

    def refused(self, *args):
        error = self.assertRaises(
            exception.ClusterDataModelCollectionError, self.take, *args)
        self.assertEqual(self.name, error.kwargs['cdm'])
        return str(error)


class TestCompute(PictureTestCase):

    def setUp(self):
        super().setUp()
        self.model = models.cloud({
            models.node(name): [models.instance(name + '1')]
            for name in 'ABC'})
        self.model.built_at = ago(1)
        self.model.zones = {f'host-{name}': zone for name, zone in zip(
            'ABCX', ('z1', 'z1', 'z2', 'z2'), strict=True)}
        for name in 'ABC':
            self.model.touch(models.uuid(name), ago(1), clocks.BUILD)

    def older(self, name, seconds):
        """Have a host be described by values of that age."""
        uuid = models.uuid(name)
        self.model.forget(uuid)
        self.model.touch(uuid, ago(1), clocks.BUILD,
                         f'host-{name}: HTTP 500', ago(seconds))

    def absent(self):
        self.model.incomplete_nodes[models.uuid('X')] = 'host-X: HTTP 500'
        self.model.absent = {models.uuid('X'): 'host-X'}

    def hosts(self, model):
        return {node.hostname[-1]
                for node in model.get_all_compute_nodes().values()}

    def test_complete(self):
        self.assertIs(self.model, self.take())
        self.assertEqual([], self.said)

    def test_no_model(self):
        self.model = None
        self.assertIsNone(self.take())
        self.model = model_root.ModelRoot(stale=True)
        self.assertIsNone(self.take())

    def test_host_that_is_not_in_the_model(self):
        self.absent()
        self.assertEqual({'A', 'B', 'C'}, self.hosts(self.take()))
        self.assertEqual(
            ['Hosts left out of the compute model because too little is '
             'known (1): host-X: HTTP 500.'], self.said)
        self.assertIn('host-X: HTTP 500', self.logger.output)

    def test_older_values_are_used_and_it_is_said(self):
        self.older('A', 3599)
        self.assertEqual({'A', 'B', 'C'}, self.hosts(self.take()))
        self.assertEqual(
            ['Hosts of the compute model described by older values (1): '
             'host-A: HTTP 500 (3599 s old).'], self.said)
        self.config(group='collector', incomplete_hosts='refuse')
        self.assertEqual({'A', 'B', 'C'}, self.hosts(self.take()))

    def test_values_that_are_too_old_are_left_out_with_their_servers(self):
        self.older('A', 3601)
        view = self.take()
        self.assertEqual({'B', 'C'}, self.hosts(view))
        self.assertNotIn(models.uuid('A1'), view)
        self.assertIn('(3601 s old, too old)', self.said[0])

    def test_limit(self):
        self.config(group='collector', last_known_max_age=10)
        self.older('A', 9)
        self.older('B', 11)
        self.assertEqual({'A', 'C'}, self.hosts(self.take()))

    def test_nothing_old_is_ever_used(self):
        self.config(group='collector', last_known_max_age=0)
        self.older('A', 0)
        self.assertEqual({'B', 'C'}, self.hosts(self.take()))

    def test_never_read_at_all(self):
        self.model.forget(models.uuid('B'))
        self.model.touch(models.uuid('B'), ago(1), clocks.BUILD, 'why')
        self.assertEqual({'A', 'C'}, self.hosts(self.take()))
        self.assertIn('host-B: why.', self.said[0])

    def test_refuse(self):
        self.config(group='collector', incomplete_hosts='refuse')
        self.older('A', 7200)
        self.absent()
        said = self.refused()
        for part in ('2 hosts of the compute model', 'is refuse',
                     'host-A: HTTP 500 (7200 s old', 'host-X: HTTP 500'):
            self.assertIn(part, said)

    def test_an_empty_cloud_is_not_made_of_unknown_hosts(self):
        for name in 'ABC':
            self.older(name, 7200)
        self.assertIn('No host of the compute model', self.refused())

    def test_only_hosts_of_the_scope_count(self):
        self.older('A', 7200)
        self.absent()
        self.config(group='collector', incomplete_hosts='refuse')
        zone1 = [{'compute': [{'availability_zones': [{'name': 'z1'}]}]}]
        self.assertIn('host-A', self.refused(zone1))
        zone2 = [{'compute': [{'availability_zones': [{'name': 'z2'}]}]}]
        said = self.refused(zone2)
        self.assertIn('host-X', said)
        self.assertNotIn('host-A', said)

    def test_an_audit_without_the_hosts_in_doubt_says_nothing(self):
        self.older('A', 7200)
        self.absent()
        self.config(group='collector', incomplete_hosts='refuse')
        without = [{'compute': [{'exclude': [{'compute_nodes': [
            {'name': 'host-A'}, {'name': 'host-X'}]}]}]}]
        self.assertEqual({'B', 'C'}, self.hosts(self.take(without)))
        self.assertEqual([], self.said)

    def test_hosts_of_which_not_even_the_name_is_known(self):
        self.model.incomplete_nodes['uuid-9'] = 'no service'
        self.take([{'compute': [
            {'availability_zones': [{'name': 'z2'}]}]}])
        self.assertIn('uuid-9: no service', self.said[0])

    def test_many_hosts_are_counted(self):
        for number in range(100):
            self.model.incomplete_nodes[f'uuid-{number}'] = 'HTTP 500'
        self.take()
        self.assertIn('(100)', self.said[0])
        self.assertIn('and 98 more', self.said[0])
        self.assertLess(len(self.said[0]), 255)

    def test_gaps(self):
        self.model.gaps = ('Nova does not describe 3 servers',)
        self.take()
        self.assertEqual(['Nova does not describe 3 servers.'], self.said)
        self.config(group='collector', incomplete_hosts='refuse')
        self.assertIn('3 servers', self.refused())

    def test_a_scope_that_leaves_nothing(self):
        """Contract audit-scope A14."""
        view = self.take([{'compute': [
            {'availability_zones': [{'name': 'nowhere'}]}]}])
        self.assertEqual(set(), self.hosts(view))
        self.assertIn('The scope leaves nothing', self.said[0])
        self.assertIn("'nowhere'", self.said[0])

    def test_older_than_the_interval_of_the_audit(self):
        """Field report 1.2 line 34."""
        self.model.built_at = ago(601)
        self.take(interval=600)
        self.assertIn('601 seconds ago, which is more than the interval of '
                      '600 seconds', self.said[0])
        self.take(interval=602)
        self.assertEqual([], self.said)
        self.take(interval=None)
        self.assertEqual([], self.said)

    def test_a_model_that_cannot_be_read_anew(self):
        self.model.built_at = ago(100)
        self.take(failure='HTTP 503')
        self.assertEqual(
            ['The compute model is from 100 seconds ago, because it cannot '
             'be read: HTTP 503.'], self.said)

    def test_the_model_of_the_collector_stays_as_it_is(self):
        self.older('A', 7200)
        self.absent()
        collected, self.model = self.model, self.model.copy()
        text = collected.to_xml()
        self.take()
        self.assertEqual(text, collected.to_xml())
        self.assertEqual(2, len(collected.incomplete_nodes))


class TestStorage(PictureTestCase):

    name = 'storage'
    handler = storage.StorageScope

    def setUp(self):
        super().setUp()
        self.model = model_root.StorageModelRoot()
        self.model.built_at = ago(1)
        for host in ('h@a', 'h@b'):
            self.model.add_node(element.StorageNode(host=host, zone='z'))
            self.model.touch(host, ago(1), clocks.BUILD)
            for pool in ('p', 'q'):
                name = f'{host}#{pool}'
                self.model.add_pool(element.Pool(name=name))
                self.model.map_pool(name, host)
                self.volume(f'{name}-volume', name)
                self.model.map_volume(f'{name}-volume', name)
        self.volume('lost', 'h@a#gone')
        self.volume('nowhere', None)

    def volume(self, uuid, host):
        self.model.add_volume(element.Volume.trusted(
            uuid=uuid, size=1, status='available', host=host))

    def doubt(self, host, seconds=None, stand_ins=()):
        self.model.forget(host)
        self.model.touch(host, ago(1), clocks.BUILD, 'not reported',
                         None if seconds is None else ago(seconds))
        self.model.stand_ins = frozenset(stand_ins)

    def volumes(self, model):
        return set(model.get_all_volumes())

    def test_backend_of_which_no_pool_is_known_is_left_out(self):
        for name in ('h@a#p', 'h@a#q'):
            self.model.remove_pool(name)
        self.doubt('h@a')
        view = self.take()
        self.assertEqual({'h@b'}, set(view.get_all_storage_nodes()))
        self.assertEqual({'h@b#p-volume', 'h@b#q-volume', 'nowhere'},
                         self.volumes(view))
        self.assertIn('h@a: not reported', self.said[0])

    def test_only_the_pools_that_are_not_known_are_left_out(self):
        self.doubt('h@a', 7200, ['h@a#q'])
        view = self.take()
        self.assertEqual({'h@a#p', 'h@b#p', 'h@b#q'},
                         set(view.get_all_pools()))
        self.assertEqual({'h@a#p-volume', 'h@b#p-volume', 'h@b#q-volume',
                          'nowhere'}, self.volumes(view))

    def test_older_figures_are_used_for_a_while(self):
        self.doubt('h@a', 60, ['h@a#q'])
        view = self.take()
        self.assertEqual(4, len(view.get_all_pools()))
        self.assertIn('h@a: not reported (60 s old)', self.said[0])

    def test_refuse(self):
        self.config(group='collector', incomplete_hosts='refuse')
        self.doubt('h@a')
        self.assertIn('h@a: not reported', self.refused())

    def test_nothing_is_left(self):
        for host in ('h@a', 'h@b'):
            self.doubt(host, 7200, self.model.get_all_pools())
        self.assertIn('No host of the storage model', self.refused())

    def test_backends_outside_the_scope_do_not_count(self):
        self.model.get_node_by_name('h@b').zone = 'other'
        self.doubt('h@a')
        self.config(group='collector', incomplete_hosts='refuse')
        view = self.take([{'storage': [
            {'availability_zones': [{'name': 'other'}]}]}])
        self.assertEqual({'h@b'}, set(view.get_all_storage_nodes()))


class TestBaremetal(PictureTestCase):

    name = 'baremetal'
    handler = baremetal.BaremetalScope

    def setUp(self):
        super().setUp()
        self.model = model_root.BaremetalModelRoot()
        self.model.built_at = ago(1)
        for uuid in ('n1', 'n2'):
            self.model.add_node(element.IronicNode(
                uuid=models.uuid(uuid), power_state='power on'))
            self.model.touch(models.uuid(uuid), ago(1), clocks.BUILD)

    def doubt(self, name):
        self.model.forget(models.uuid(name))
        self.model.touch(models.uuid(name), ago(1), clocks.BUILD,
                         'no power state')

    def test_nodes_are_left_out(self):
        self.doubt('n1')
        view = self.take()
        self.assertEqual([models.uuid('n2')],
                         list(view.get_all_ironic_nodes()))
        self.assertIn(f"{models.uuid('n1')}: no power state", self.said[0])

    def test_refuse(self):
        self.config(group='collector', incomplete_hosts='refuse')
        self.doubt('n1')
        self.assertIn('no power state', self.refused())

    def test_excluded_nodes_do_not_count(self):
        self.doubt('n1')
        self.config(group='collector', incomplete_hosts='refuse')
        view = self.take([{'baremetal': [{'exclude': [{'ironic_nodes': [
            {'uuid': models.uuid('n1')}]}]}]}])
        self.assertEqual(1, len(view))
        self.assertEqual([], self.said)
