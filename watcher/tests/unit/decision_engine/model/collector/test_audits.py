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
"""Many audits, one model: field report 2.3 rows 19, 20; part 5 test 22."""

import threading

from watcher.common import nova_helper
from watcher.common import utils
from watcher.common.loader import loadable
from watcher.decision_engine.model import picture
from watcher.decision_engine.model.collector import nova
from watcher.tests import base
from watcher.tests.fixtures import models

RUNS = 1000


class Collector(nova.NovaClusterDataModelCollector):
    """Builds a cloud of six hosts in two aggregates and two zones."""

    def execute(self):
        self.builds = getattr(self, 'builds', 0) + 1
        model = models.cloud({
            models.node(name): [models.instance(name + '1'),
                                models.instance(name + '2')]
            for name in 'ABCDEF'})
        model.aggregates = tuple(
            nova_helper.Aggregate(
                id=number, name=name, availability_zone=None, metadata={},
                hosts=[f'host-{host}' for host in name])
            for number, name in enumerate(('ABC', 'DEF')))
        model.zones = {f'host-{name}': f'zone-{name in "AD"}'
                       for name in 'ABCDEF'}
        return model


class Audit(threading.Thread):
    """Looks at its part of the cloud, and spoils its view, again and again.
    """

    def __init__(self, collector, rules, wanted):
        super().__init__()
        self.collector = collector
        self.scope = [{'compute': rules}]
        self.wanted = set(wanted)
        self.wrong = []

    def run(self):
        for _run in range(RUNS):
            try:
                self.look()
            except Exception as exc:
                self.wrong.append(exc)

    def look(self):
        handler = self.collector.get_audit_scope_handler(self.scope)
        view = picture.take(
            'compute', self.collector.get_latest_cluster_data_model(),
            handler).model
        nodes = list(view.get_all_compute_nodes().values())
        seen = {node.hostname[-1] for node in nodes}
        servers = {server.name[3:] for node in nodes
                   for server in view.get_node_instances(node)}
        if seen != self.wanted or servers != {
                name + number for name in self.wanted for number in '12'}:
            self.wrong.append((seen, servers))
        for server in view.get_all_instances().values():
            server.watcher_exclude = True
            view.map_instance(server, nodes[0])
        for node in nodes[1:]:
            view.remove_node(node)


class TestTwoAuditsAtOnce(base.TestCase):

    def test_each_sees_exactly_its_scope_and_the_model_is_built_once(self):
        self.addCleanup(loadable.LoadableSingletonMeta._instances.pop,
                        Collector, None)
        collector = Collector(utils.Struct(max_age=3600.0))
        audits = [
            Audit(collector, [{'host_aggregates': [{'name': 'ABC'}]}],
                  'ABC'),
            Audit(collector, [{'availability_zones': [
                {'name': 'zone-True'}]}], 'AD')]
        for audit in audits:
            audit.start()
        for audit in audits:
            audit.join()
        self.assertEqual([[], []], [audit.wrong for audit in audits])
        self.assertEqual(1, collector.builds)
        self.assertEqual(
            {False}, {server.watcher_exclude for server in
                      collector.current_model.get_all_instances().values()})
