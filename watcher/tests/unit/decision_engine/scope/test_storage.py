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
"""What the storage part of an audit scope does to a model."""

import copy

from watcher.common import exception
from watcher.decision_engine.model import element
from watcher.decision_engine.model import model_root
from watcher.decision_engine.scope import storage
from watcher.tests import base

PROJECT = '91FFFE30-78a0-4152-acd2-8310ff274dc9'
HOSTS = ('host_0@backend_0', 'host_1@backend_1')


def sample():
    """Two backends of two pools of two volumes, and a volume of no pool."""
    model = model_root.StorageModelRoot()
    for number, host in enumerate(HOSTS):
        model.add_node(element.StorageNode(
            host=host, zone=f'zone_{number}',
            volume_type=[f'type_{number}']))
        for index in range(2):
            name = f'{host}#pool_{index}'
            model.add_pool(element.Pool(name=name, free_capacity_gb=7))
            model.map_pool(name, host)
            for which in range(2):
                uuid = f'volume-{number}{index}{which}'
                model.add_volume(element.Volume(
                    uuid=uuid, project_id=PROJECT, size=1))
                model.map_volume(uuid, name)
    model.add_volume(element.Volume(uuid='volume-x', project_id=PROJECT))
    return model


def by_name(key, *names):
    return {key: [{'name': name} for name in names]}


def zones(*names):
    return by_name('availability_zones', *names)


def types(*names):
    return by_name('volume_types', *names)


def exclude(*entries):
    return {'exclude': list(entries)}


def volumes(*uuids):
    return {'volumes': [{'uuid': uuid} for uuid in uuids]}


class TestStorageScope(base.TestCase):

    def apply(self, *rules, scope=None):
        scope = [{'storage': list(rules)}] if scope is None else scope
        before = copy.deepcopy(scope)
        handler = storage.StorageScope(scope, None)
        self.unmatched = handler.unmatched
        model = sample()
        self.assertIs(model, handler.get_scoped_model(model))
        self.assertEqual(before, scope)
        self.unmatched = ' | '.join(handler.unmatched)
        return model

    def check(self, model, nodes, pools, count):
        self.assertEqual(
            (list(nodes), pools, count),
            (list(model.get_all_storage_nodes()),
             len(model.get_all_pools()), len(model.get_all_volumes())))

    def test_no_rules(self):
        for scope in ([], [{'compute': [{'availability_zones': [
                {'name': 'zone_0'}]}]}], [{'storage': []}]):
            self.check(self.apply(scope=scope), HOSTS, 4, 9)
        handler = storage.StorageScope(None, None)
        self.check(handler.get_scoped_model(sample()), HOSTS, 4, 9)

    def test_missing_and_stale_models(self):
        handler = storage.StorageScope([], None)
        self.assertIsNone(handler.get_scoped_model(None))
        self.assertIsNone(handler.get_scoped_model(
            model_root.StorageModelRoot(stale=True)))

    def test_zone(self):
        model = self.apply(zones('zone_0'))
        self.check(model, HOSTS[:1], 2, 5)
        self.assertIn('volume-x', model)
        self.assertEqual('', self.unmatched)

    def test_all_zones(self):
        self.check(self.apply(zones('*')), HOSTS, 4, 9)

    def test_unknown_zone_means_nothing(self):
        self.check(self.apply(zones('zone')), [], 0, 0)
        self.assertIn("the availability zone 'zone' in "
                      'scope[0].storage[0].availability_zones',
                      self.unmatched)
        self.assertIn('no storage backend is left', self.unmatched)

    def test_a_rule_that_lists_nothing_means_nothing(self):
        self.check(self.apply(zones()), [], 0, 0)

    def test_volume_type(self):
        self.check(self.apply(types('type_1')), HOSTS[1:], 2, 5)
        self.check(self.apply(types('*')), HOSTS, 4, 9)
        self.check(self.apply(types('gold')), [], 0, 0)

    def test_rules_are_united(self):
        self.check(self.apply(zones('zone_0'), types('type_1')),
                   HOSTS, 4, 9)
        self.check(self.apply({**zones('zone_0'), **types('type_1')}),
                   HOSTS, 4, 9)
        self.check(self.apply(scope=[{'storage': [zones('zone_0')]},
                                     {'storage': [zones('zone_1')]}]),
                   HOSTS, 4, 9)

    def test_wildcard_beside_others(self):
        for rule in (zones('*', 'zone_0'), types('*', 'type_0')):
            self.assertRaises(exception.WildcardCharacterIsUsed,
                              self.apply, rule)

    def test_excluded_pool(self):
        model = self.apply(exclude(by_name(
            'storage_pools', 'host_0@backend_0#pool_0')))
        self.check(model, HOSTS, 3, 7)
        self.assertNotIn('volume-000', model)

    def test_excluded_volume_still_uses_its_pool(self):
        model = self.apply(exclude(volumes('volume-000')))
        self.check(model, HOSTS, 4, 8)
        self.assertEqual(7, model.get_pool_by_pool_name(
            'host_0@backend_0#pool_0').free_capacity_gb)

    def test_unknown_exclusions_are_reported(self):
        self.check(self.apply(exclude(
            volumes('nope'), by_name('storage_pools', 'nope'))),
            HOSTS, 4, 9)
        self.assertIn("there is no volume 'nope'", self.unmatched)
        self.assertIn("there is no storage pool 'nope'", self.unmatched)

    def test_pool_and_one_of_its_volumes(self):
        self.check(self.apply(exclude(
            by_name('storage_pools', 'host_0@backend_0#pool_0'),
            volumes('volume-000'))), HOSTS, 3, 7)

    def test_pool_of_another_backend(self):
        self.check(self.apply(zones('zone_0'), exclude(by_name(
            'storage_pools', 'host_1@backend_1#pool_0'))), HOSTS[:1], 2, 5)

    def test_project_in_any_spelling(self):
        for spelling in (PROJECT, PROJECT.lower(),
                         PROJECT.replace('-', '')):
            self.check(self.apply(exclude({'projects': [
                {'uuid': spelling}]})), HOSTS, 4, 0)

    def test_several_keys_in_one_entry(self):
        self.check(self.apply(exclude({
            **volumes('volume-000'),
            **by_name('storage_pools', 'host_1@backend_1#pool_0')})),
            HOSTS, 3, 6)

    def test_old_scopes_without_form(self):
        self.check(self.apply(
            {'nonsense': [{'name': 'x'}]},
            exclude({'nonsense': [{}]}, {'volumes': [{}, 'x']},
                    {'projects': [{}]})), HOSTS, 4, 9)
        self.assertIn('scope[0].storage[0].nonsense is not known',
                      self.unmatched)

    def test_homeless_pools_are_outside(self):
        model = sample()
        model.unmap_pool('host_0@backend_0#pool_1', HOSTS[0])
        scope = [{'storage': [zones('zone_0')]}]
        storage.StorageScope(scope, None).get_scoped_model(model)
        self.check(model, HOSTS[:1], 1, 3)

    def test_the_given_view_only(self):
        model = sample()
        scope = [{'storage': [zones('zone_0')]}]
        storage.StorageScope(scope, None).get_scoped_model(model.copy())
        self.check(model, HOSTS, 4, 9)
