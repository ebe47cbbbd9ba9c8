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

from watcher.common import exception
from watcher.decision_engine.loading import default
from watcher.decision_engine.scope import validation
from watcher.tests import base

FULL = [
    {'compute': [
        {'host_aggregates': [{'name': 'prod'}, {'id': 1}]},
        {'availability_zones': [{'name': 'AZ1'}]},
        {'exclude': [
            {'instances': [{'uuid': '9766dff1'}]},
            {'compute_nodes': [{'name': 'compute-7'}]},
            {'instance_metadata': [{'optimize': False}]},
            {'workloads': [{'name': 'database'}]},
            {'projects': [{'uuid': 'c3b5f9c0'}]}]}]},
    {'storage': [
        {'availability_zones': [{'name': 'nova'}]},
        {'volume_types': [{'name': '*'}]},
        {'exclude': [{'storage_pools': [{'name': 'host@lvm#slow'}]},
                     {'volumes': [{'uuid': 'v'}]}]}]},
    {'baremetal': [{'exclude': [{'ironic_nodes': [{'uuid': 'n'}]}]}]}]


def compute(*rules):
    return [{'compute': list(rules)}]


class TestValidation(base.TestCase):

    def accepts(self, scope, stored=None):
        self.assertEqual(scope if stored is None else stored,
                         validation.validate(scope))

    def refuses(self, scope, path):
        error = self.assertRaises(exception.Invalid, validation.validate,
                                  scope)
        self.assertEqual(400, error.code)
        self.assertIn(path, str(error))

    def test_everything(self):
        before = copy.deepcopy(FULL)
        self.accepts(FULL)
        self.assertEqual(before, FULL)

    def test_nothing(self):
        self.accepts([])
        self.accepts(None, [])
        self.accepts(compute())

    def test_several_kinds_in_one_part(self):
        self.accepts([{'compute': [], 'storage': []}])

    def test_flat_form_is_wrapped(self):
        flat = [{'host_aggregates': [{'id': 1}]}, {'exclude': []}]
        self.accepts(flat, [{'compute': flat}])

    def test_aggregates(self):
        for selector in ({'id': 1}, {'id': '*'}, {'name': 'x'},
                         {'name': '*'}):
            self.accepts(compute({'host_aggregates': [selector]}))
        for selector in ({'id': '1'}, {'id': 1, 'name': 'x'}, {'foo': 1},
                         {}, 'foo'):
            self.refuses(compute({'host_aggregates': [selector]}),
                         'scope[0].compute[0].host_aggregates[0]')

    def test_zones(self):
        for selector in ({}, {'name': 1}, {'id': 1}):
            self.refuses(compute({'availability_zones': [selector]}),
                         'scope[0].compute[0].availability_zones[0]')

    def test_unknown_keys(self):
        self.refuses(compute({'colour': []}), 'scope[0].compute[0]')
        self.refuses(compute({'exclude': [{'colour': []}]}),
                     'scope[0].compute[0].exclude[0]')
        self.refuses([{'storage': [{'exclude': [{'colour': []}]}]}],
                     'scope[0].storage[0].exclude[0]')
        self.refuses([{'network': []}], 'scope[0]')

    def test_one_key_for_each_rule(self):
        self.refuses(compute({'host_aggregates': [{'id': 1}],
                              'availability_zones': [{'name': 'a'}]}),
                     'scope[0].compute[0]')
        self.refuses(compute({}), 'scope[0].compute[0]')
        self.refuses([{}], 'scope[0]')

    def test_wrong_forms(self):
        self.refuses({}, 'scope')
        self.refuses('x', 'scope')
        self.refuses([[]], 'scope[0]')
        self.refuses([{'compute': {}}], 'scope[0].compute')

    def test_wildcard_stands_alone(self):
        for rule in ({'host_aggregates': [{'id': '*'}, {'id': 1}]},
                     {'host_aggregates': [{'name': 'a'}, {'name': '*'}]},
                     {'availability_zones': [{'name': '*'},
                                             {'name': 'a'}]},
                     {'exclude': [
                         {'host_aggregates': [{'id': '*'}, {'id': 1}]}]}):
            self.refuses(compute(rule), 'scope[0].compute[0]')
        self.refuses([{'storage': [
            {'volume_types': [{'name': '*'}, {'name': 'a'}]}]}],
            'scope[0].storage[0].volume_types')
        self.accepts(compute(
            {'host_aggregates': [{'id': '*'}, {'name': 'a'}]}))

    def test_what_places_have_in_common(self):
        entries = [{'host_aggregates': [{'id': 1}]},
                   {'availability_zones': [{'name': 'a'}]}]
        self.accepts(compute({'all_of': entries}))
        self.accepts([{'all_of': entries}],
                     stored=compute({'all_of': entries}))
        for wrong in ([], [{'exclude': []}], [{**entries[0], **entries[1]}]):
            self.refuses(compute({'all_of': wrong}), 'scope[0].compute[0]')
        self.refuses(compute({'all_of': [
            {'availability_zones': [{'name': '*'}, {'name': 'a'}]}]}),
            'scope[0].compute[0].all_of[0].availability_zones')
        self.refuses(
            compute({'all_of': entries},
                    {'exclude': [{'host_aggregates': [{'id': 2}]}]}),
            'scope[0].compute[1].exclude[0].host_aggregates')

    def test_aggregates_are_included_or_excluded(self):
        included = {'host_aggregates': [{'id': 1}]}
        excluded = {'exclude': [{'host_aggregates': [{'id': 2}]}]}
        self.refuses(compute(included, excluded),
                     'scope[0].compute[1].exclude[0].host_aggregates')
        self.refuses([*compute(included), *compute(excluded)],
                     'scope[1].compute[0]')

    def test_schemas_of_plugins(self):
        class Plugin:
            SCHEMA = {'type': 'array', 'items': {
                '$ref': '#/items/properties/compute/host_aggregates/name'}}
        plugins = default.ClusterDataModelCollectorLoader().list_available()
        self._install({**plugins, 'network': Plugin})
        self.accepts([{'network': [{'name': 'a'}]}])
        self.refuses([{'network': [{'id': 1}]}], 'scope[0].network[0]')

    def _install(self, plugins):
        original = default.ClusterDataModelCollectorLoader.list_available
        self.addCleanup(setattr, default.ClusterDataModelCollectorLoader,
                        'list_available', original)
        default.ClusterDataModelCollectorLoader.list_available = (
            lambda self: plugins)
