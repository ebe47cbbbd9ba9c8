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
from unittest import mock

from watcher.common import exception
from watcher.common import nova_helper
from watcher.decision_engine.model import element
from watcher.decision_engine.model import model_root
from watcher.decision_engine.scope import compute
from watcher.tests import base

AGGREGATES = tuple(
    nova_helper.Aggregate(id=number, name=name, availability_zone=None,
                          hosts=hosts, metadata={})
    for number, name, hosts in (
        (1, 'a1', ['c0', 'c1']), (2, 'a2', ['c2']), (3, 'empty', [])))
ZONES = {'c0': 'AZ0', 'c1': 'AZ1', 'c2': 'AZ0', 'c3': 'AZ1'}
ALL = ['c0', 'c1', 'c2', 'c3']


def cloud():
    """Hosts c0 to c3, each with a server <host>-000 (metadata
    optimize=False) and <host>-001 (project P1)."""
    model = model_root.ModelRoot()
    model.aggregates, model.zones = AGGREGATES, ZONES
    for host in ALL:
        model.add_node(element.ComputeNode(
            uuid=f'uuid-{host}', hostname=host))
        for suffix, fields in (
                ('000', {'metadata': {'optimize': 'False',
                                      'top': 'floor'}}),
                ('001', {'project_id': 'P1', 'metadata': {}})):
            uuid = f'{host}-{suffix}'
            model.add_instance(element.Instance(
                uuid=uuid, vcpus=1, memory=1, disk=1,
                **{'project_id': 'P0', **fields}))
            model.map_instance(uuid, f'uuid-{host}')
    return model


def aggregates(*selectors):
    return {'host_aggregates': list(selectors)}


def zones(*names):
    return {'availability_zones': [{'name': name} for name in names]}


def exclude(**entries):
    return {'exclude': [{key: selectors}
                        for key, selectors in entries.items()]}


def named(*names):
    return [{'name': name} for name in names]


def uuids(*values):
    return [{'uuid': value} for value in values]


class ComputeScopeTestCase(base.TestCase):

    def scoped(self, *rules):
        return self.apply([{'compute': list(rules)}])

    def apply(self, scope):
        before = copy.deepcopy(scope)
        self.model = cloud()
        self.handler = compute.ComputeScope(scope, mock.sentinel.config)
        scoped = self.handler.get_scoped_model(self.model)
        self.assertIs(self.model, scoped)
        self.assertEqual(before, scope)
        return scoped

    def left(self, *rules):
        return self.hosts(self.scoped(*rules))

    def hosts(self, model):
        hosts = [node.hostname
                 for node in model.get_all_compute_nodes().values()]
        self.assertEqual(
            sorted(f'{host}-{suffix}' for host in hosts
                   for suffix in ('000', '001')),
            sorted(model.get_all_instances()))
        return hosts

    def marked(self, *rules):
        model = self.scoped(*rules)
        self.assertEqual(ALL, self.hosts(model))
        return [uuid for uuid, instance
                in model.get_all_instances().items()
                if instance.watcher_exclude]


class TestHosts(ComputeScopeTestCase):

    def test_whole_cloud(self):
        for scope in ([], None, [{'compute': []}], [{}],
                      [{'storage': [zones('AZ0')]}]):
            self.assertEqual(ALL, self.hosts(self.apply(scope)))
            self.assertEqual([], self.handler.unmatched)

    def test_aggregate(self):
        self.assertEqual(['c0', 'c1'], self.left(aggregates({'name': 'a1'})))
        self.assertEqual(['c2'], self.left(aggregates({'id': 2})))

    def test_exclusion_is_taken_from_inclusion(self):
        self.assertEqual(['c0'], self.left(
            aggregates({'name': 'a1'}),
            exclude(compute_nodes=named('c1'))))

    def test_aggregates_and_zones_are_united(self):
        self.assertEqual(['c0', 'c1', 'c2'], self.left(
            aggregates({'name': 'a1'}), zones('AZ0')))

    def test_what_aggregates_and_zones_have_in_common(self):
        """Field report 2.5 row 41."""
        common = {'all_of': [aggregates({'name': 'a1'}), zones('AZ0')]}
        one, other = (set(self.left(rule)) for rule in common['all_of'])
        self.assertTrue(one & other < one | other)
        self.assertEqual(sorted(one & other), self.left(common))
        self.assertEqual(sorted({'c2'} | one & other), self.left(
            common, aggregates({'id': 2})))
        self.assertEqual([], self.left({'all_of': [
            aggregates({'name': 'a1'}), zones('nowhere')]}))
        self.assertEqual([], self.left({'all_of': []}))

    def test_several_keys_in_one_rule_are_several_rules(self):
        self.assertEqual(['c0', 'c1', 'c2'], self.left(
            {**aggregates({'name': 'a1'}), **zones('AZ0')}))

    def test_inclusion_without_match(self):
        for rule in (aggregates({'name': 'empty'}),
                     aggregates({'name': 'nope'}), aggregates({'id': '1'}),
                     aggregates({'id': True}), aggregates(),
                     zones('nope'), aggregates({}), aggregates('a1')):
            self.assertEqual([], self.left(rule))
            self.assertIn('no compute host is left: '
                          'scope[0].compute[0]',
                          self.handler.unmatched[-1])

    def test_one_of_two_inclusions_matches(self):
        self.assertEqual(['c1', 'c3'], self.left(
            aggregates({'name': 'nope'}), zones('AZ1')))
        self.assertEqual(1, len(self.handler.unmatched))
        self.assertIn('nope', self.handler.unmatched[0])

    def test_wildcards(self):
        for rule, left in ((aggregates({'id': '*'}), ['c0', 'c1', 'c2']),
                           (aggregates({'name': '*'}), ['c0', 'c1', 'c2']),
                           (aggregates({'id': '*'}, {'name': 'a1'}),
                            ['c0', 'c1', 'c2']),
                           (zones('*'), ALL)):
            self.assertEqual(left, self.left(rule))

    def test_wildcard_beside_others(self):
        for rule in (aggregates({'id': '*'}, {'id': 1}), zones('*', 'AZ0')):
            self.assertRaises(exception.WildcardCharacterIsUsed,
                              self.scoped, rule)

    def test_excluded_aggregates(self):
        self.assertEqual(['c2', 'c3'], self.left(
            exclude(host_aggregates=[{'name': 'a1'}])))
        self.assertEqual(['c3'], self.left(
            exclude(host_aggregates=[{'id': '*'}])))

    def test_excluded_twice(self):
        self.assertEqual(['c1', 'c2', 'c3'], self.left(
            exclude(compute_nodes=named('c0', 'c0'))))

    def test_excluded_hosts_that_are_not_there(self):
        for name in ('nope', 'c1.example'):
            self.assertEqual(ALL, self.left(
                exclude(compute_nodes=named(name))))
            self.assertIn(name, self.logger.output)

    def test_excluded_host_outside_the_inclusion(self):
        self.assertEqual(['c0', 'c1'], self.left(
            aggregates({'name': 'a1'}), exclude(compute_nodes=named('c3'))))

    def test_all_parts_of_the_kind_count(self):
        self.assertEqual(['c0', 'c1', 'c2'], self.hosts(self.apply([
            {'compute': [aggregates({'name': 'a1'})]},
            {'compute': [aggregates({'name': 'a2'})]}])))

    def test_flat_form(self):
        self.assertEqual(['c2'], self.hosts(self.apply(
            [aggregates({'id': 2})])))

    def test_unknown_rules_are_reported(self):
        self.assertEqual(ALL, self.left({'colour': [{'name': 'red'}]}))
        self.assertIn('scope[0].compute[0].colour', self.logger.output)


class TestServers(ComputeScopeTestCase):

    def test_listed(self):
        self.assertEqual(['c1-000'], self.marked(
            exclude(instances=uuids('c1-000', 'unknown'))))
        self.assertIn('unknown', self.logger.output)

    def test_marked_servers_still_count(self):
        model = self.scoped(exclude(instances=uuids('c1-000', 'c1-001')))
        self.assertEqual(
            2, model.get_node_used_resources('uuid-c1')['vcpu'])

    def test_listed_on_a_removed_host(self):
        model = self.scoped(aggregates({'name': 'a2'}),
                            exclude(instances=uuids('c0-000', 'c2-000')))
        self.assertTrue(model.get_instance_by_uuid('c2-000').watcher_exclude)

    def test_several_keys_in_one_entry(self):
        model = self.scoped({'exclude': [{
            'instances': uuids('c1-000'), 'compute_nodes': named('c0')}]})
        self.assertEqual(['c1', 'c2', 'c3'], self.hosts(model))
        self.assertTrue(model.get_instance_by_uuid('c1-000').watcher_exclude)

    def test_projects(self):
        wanted = [f'{host}-001' for host in ALL]
        for spelling in ('P1', 'p1', 'P-1'):
            self.assertEqual(wanted, self.marked(
                exclude(projects=uuids(spelling))))
        self.assertEqual([], self.marked(exclude(projects=uuids('P2'))))

    def test_metadata(self):
        wanted = [f'{host}-000' for host in ALL]
        for selectors, marked in (
                ([{'optimize': False}], wanted),
                ([{'optimize': 'FALSE'}], wanted),
                ([{'optimize': 'true'}], []),
                ([{'optimize': False}, {'top': 'Floor'}], wanted),
                ([{'optimize': False, 'top': 'floor'}], wanted),
                ([{'optimize': False}, {'top': 'other'}], []),
                ([{'optimize': False}, {'zzz': '1'}], []),
                ([{'optimize': False}, {'optimize': True}], []),
                ([], []), ([{}], [])):
            self.assertEqual(marked, self.marked(
                exclude(instance_metadata=selectors)), selectors)

    def test_separate_metadata_entries_are_alternatives(self):
        rule = {'exclude': [{'instance_metadata': [{'zzz': '1'}]},
                            {'instance_metadata': [{'top': 'floor'}]}]}
        self.assertEqual(4, len(self.marked(rule)))

    def workloads(self, *names, **texts):
        """Return the marked ones of servers with these characters."""
        model = cloud()
        for uuid, text in texts.items():
            model.add_instance(element.Instance(
                uuid=uuid, metadata={'workload_character': text}))
        self.handler = compute.ComputeScope(
            [{'compute': [exclude(workloads=named(*names))]}], None)
        found = self.handler.get_scoped_model(model).get_all_instances()
        return [uuid for uuid, instance in found.items()
                if instance.watcher_exclude]

    def test_workloads(self):
        texts = {'db': 'database: memory.usage > 80 MB',
                 'web': 'frontend: cpu_util < 90', 'other': 'vcpus = 2'}
        self.assertEqual(['db'], self.workloads('database', **texts))
        self.assertEqual(['db', 'web', 'other'],
                         self.workloads('*', **texts))
        self.assertEqual([], self.workloads('none', **texts))
        self.assertEqual([], self.handler.unmatched)
        self.assertRaises(exception.WildcardCharacterIsUsed,
                          self.workloads, '*', 'database')

    def test_workloads_that_cannot_be_read_are_spared(self):
        self.assertEqual(['bad'], self.workloads(
            'database', bad='cpu_util is high', good='web: vcpus = 1'))
        self.assertIn('are excluded (1): ', self.handler.unmatched[0])

    def test_servers_without_metadata_or_project(self):
        model = cloud()
        model.add_instance(element.Instance(uuid='bare'))
        compute.ComputeScope(
            [{'compute': [exclude(projects=uuids('P1'),
                                  instance_metadata=[{'a': 'b'}])]}],
            None).get_scoped_model(model)
        self.assertFalse(model.get_instance_by_uuid('bare').watcher_exclude)


class TestHandler(ComputeScopeTestCase):

    def test_no_model(self):
        handler = compute.ComputeScope([], None)
        self.assertIsNone(handler.get_scoped_model(None))
        self.assertIsNone(handler.get_scoped_model(
            model_root.ModelRoot(stale=True)))

    def test_attributes(self):
        handler = compute.ComputeScope([], mock.sentinel.config)
        self.assertEqual([], handler.scope)
        self.assertIs(mock.sentinel.config, handler.config)
        self.assertTrue(hasattr(handler, 'ctx'))

    def test_models_that_know_no_groups_have_them_asked_once(self):
        model = cloud()
        model.aggregates = model.zones = None
        nova = mock.Mock(spec=nova_helper.NovaHelper)
        nova.get_aggregate_list.return_value = AGGREGATES
        nova.get_service_list.return_value = [
            mock.Mock(host=host, zone=zone) for host, zone in ZONES.items()]
        handler = compute.ComputeScope([{'compute': [
            aggregates({'id': 1}), aggregates({'id': 2}),
            zones('AZ1')]}], None)
        handler._helper = nova
        self.assertEqual(ALL, self.hosts(handler.get_scoped_model(model)))
        self.assertEqual(1, nova.get_aggregate_list.call_count)
        self.assertEqual(1, nova.get_service_list.call_count)

    def test_cost_grows_with_what_is_removed_only(self):
        model = model_root.ModelRoot()
        model.aggregates = (nova_helper.Aggregate(
            id=1, name='half', availability_zone=None, metadata={},
            hosts=[f'h{number}' for number in range(0, 2000, 2)]),)
        for number in range(2000):
            model.add_node(element.ComputeNode.trusted(
                uuid=f'n{number}', hostname=f'h{number}'))
        for number in range(20000):
            model.add_instance(
                element.Instance.trusted(uuid=f'i{number}'))
            model.map_instance(f'i{number}', f'n{number % 2000}')
        handler = compute.ComputeScope(
            [{'compute': [aggregates({'id': 1})]}], None)
        view = model.copy()
        # No host is looked for; all that go are removed in one step.
        with mock.patch.object(
                view, 'get_node_by_name',
                side_effect=AssertionError), mock.patch.object(
                view, 'remove_nodes', wraps=view.remove_nodes) as removal:
            handler.get_scoped_model(view)
        self.assertEqual(1, removal.call_count)
        self.assertEqual(11000, len(view))
        self.assertEqual(22000, len(model))
