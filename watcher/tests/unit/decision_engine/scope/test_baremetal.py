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
"""What the bare metal part of an audit scope does to a model."""

import copy

from watcher.decision_engine.model import element
from watcher.decision_engine.model import model_root
from watcher.decision_engine.scope import baremetal
from watcher.decision_engine.scope import validation
from watcher.tests import base


def sample():
    model = model_root.BaremetalModelRoot()
    for uuid in ('n1', 'n2'):
        model.add_node(element.IronicNode(uuid=uuid))
    return model


def excluding(*uuids):
    return [{'baremetal': [{'exclude': [
        {'ironic_nodes': [{'uuid': uuid} for uuid in uuids]}]}]}]


class TestBaremetalScope(base.TestCase):

    def left(self, scope):
        before = copy.deepcopy(scope)
        self.handler = baremetal.BaremetalScope(scope, None)
        model = self.handler.get_scoped_model(sample())
        self.assertEqual(before, scope)
        return list(model.get_all_ironic_nodes())

    def test_no_rules(self):
        for scope in (None, [], [{'compute': []}], [{'baremetal': []}]):
            self.assertEqual(['n1', 'n2'], self.left(scope))
            self.assertEqual([], self.handler.unmatched)

    def test_excluded_node(self):
        self.assertEqual(['n2'], self.left(excluding('n1')))
        self.assertEqual([], self.handler.unmatched)

    def test_several_parts(self):
        self.assertEqual([], self.left(excluding('n1') + excluding('n2')))
        self.assertEqual(['no bare metal node is left'],
                         self.handler.unmatched)

    def test_same_node_twice(self):
        self.assertEqual(['n2'], self.left(excluding('n1', 'n1')))
        self.assertEqual([], self.handler.unmatched)

    def test_unknown_node(self):
        self.assertEqual(['n1', 'n2'], self.left(excluding('n3')))
        text, = self.handler.unmatched
        self.assertIn("'n3'", text)
        self.assertIn('scope[0].baremetal[0].exclude[0].ironic_nodes', text)
        self.assertIn("'n3'", self.logger.output)

    def test_unknown_rules(self):
        self.assertEqual(['n1', 'n2'], self.left([{'baremetal': [
            {'racks': [{'name': 'r'}]},
            {'exclude': [{'chassis': [{'uuid': 'n1'}]}]}]}]))
        self.assertEqual(2, len(self.handler.unmatched))

    def test_selector_without_uuid(self):
        self.assertEqual(['n1', 'n2'], self.left([{'baremetal': [
            {'exclude': [{'ironic_nodes': [{'name': 'n1'}, 'n2']}]}]}]))

    def test_no_usable_model(self):
        handler = baremetal.BaremetalScope(excluding('n1'), None)
        self.assertIsNone(handler.get_scoped_model(None))
        self.assertIsNone(handler.get_scoped_model(
            model_root.BaremetalModelRoot(stale=True)))

    def test_the_api_takes_it(self):
        self.assertEqual(excluding('n1'), validation.validate(
            excluding('n1')))
