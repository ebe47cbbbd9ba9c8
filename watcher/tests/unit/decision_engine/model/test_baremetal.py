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
from watcher.decision_engine.model import element
from watcher.decision_engine.model import model_root
from watcher.tests import base

XML = """\
<ModelRoot>
  <IronicNode power_state="None" maintenance="True" maintenance_reason="\
broken" extra="{}" uuid="N1" human_id=""/>
  <IronicNode power_state="power on" maintenance="False" \
maintenance_reason="None" extra="{&quot;compute_node_id&quot;: 1}" \
uuid="N2" human_id=""/>
</ModelRoot>
"""

OLD_XML = """<ModelRoot>
  <IronicNode uuid="N" power_state="power on" maintenance="false"
      maintenance_reason="null" extra='{"compute_node_id": 1}' id="7"/>
  <IronicNode uuid="M" extra="{'compute_node_id': 2}"/>
</ModelRoot>"""


def sample():
    model = model_root.BaremetalModelRoot()
    model.add_node(element.IronicNode(
        uuid='N2', power_state='power on', maintenance=False,
        maintenance_reason=None, extra={'compute_node_id': 1}))
    model.add_node(element.IronicNode(
        uuid='N1', power_state=None, maintenance=True,
        maintenance_reason='broken', extra={}))
    return model


class TestBaremetal(base.TestCase):

    def setUp(self):
        super().setUp()
        self.model = sample()

    def test_elements(self):
        self.assertEqual(['N2', 'N1'],
                         list(self.model.get_all_ironic_nodes()))
        self.assertIs(self.model.get_all_ironic_nodes()['N1'],
                      self.model.get_node_by_uuid('N1'))
        self.model.add_node(element.IronicNode(uuid='N2'))
        self.assertEqual(['N2', 'N1'],
                         list(self.model.get_all_ironic_nodes()))
        self.model.remove_node('N2')
        for call in (self.model.get_node_by_uuid, self.model.remove_node):
            self.assertRaises(exception.IronicNodeNotFound, call, 'N2')
        self.model.remove_node(self.model.get_node_by_uuid('N1'))
        self.assertEqual(0, len(self.model))
        self.assertTrue(self.model)

    def test_wrong_types(self):
        for call, argument in (
                (self.model.add_node, element.ComputeNode(uuid='x')),
                (self.model.assert_node, 'N1')):
            self.assertRaises(exception.IllegalArgumentException, call,
                              argument)

    def test_copies(self):
        for make in (copy.copy, copy.deepcopy, lambda model: model.copy()):
            self.model = sample()
            made = make(self.model)
            made.get_node_by_uuid('N2').extra['compute_node_id'] = 7
            made.get_node_by_uuid('N1').power_state = 'power off'
            made.remove_node('N1')
            self.assertEqual(XML, self.model.to_xml())
            self.assertEqual(['N2'], list(made))

    def test_graph(self):
        self.assertEqual(['N2', 'N1'], list(self.model.nodes()))
        self.assertEqual([], list(self.model.edges()))
        self.assertEqual([], list(self.model.predecessors('N1')))

    def test_xml(self):
        self.assertEqual(XML, self.model.to_xml())
        read = model_root.BaremetalModelRoot.from_xml(XML)
        self.assertEqual(self.model.get_all_ironic_nodes(),
                         read.get_all_ironic_nodes())
        self.assertTrue(model_root.BaremetalModelRoot.is_isomorphic(
            self.model, read))
        read.remove_node('N1')
        self.assertFalse(model_root.BaremetalModelRoot.is_isomorphic(
            self.model, read))

    def test_old_dialect(self):
        read = model_root.BaremetalModelRoot.from_xml(OLD_XML)
        self.assertEqual(
            [{'compute_node_id': 1}, {'compute_node_id': 2}],
            [node.extra for node in read.get_all_ironic_nodes().values()])
        self.assertIs(False, read.get_node_by_uuid('N').maintenance)
        self.assertFalse(
            read.get_node_by_uuid('M').obj_attr_is_set('power_state'))

    def test_list(self):
        self.assertEqual(
            [{'node_power_state': None, 'node_maintenance': True,
              'node_maintenance_reason': 'broken', 'node_extra': {},
              'node_uuid': 'N1', 'node_human_id': ''},
             {'node_power_state': 'power on', 'node_maintenance': False,
              'node_maintenance_reason': None,
              'node_extra': {'compute_node_id': 1}, 'node_uuid': 'N2',
              'node_human_id': ''}], self.model.to_list())
