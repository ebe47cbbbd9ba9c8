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

from watcher.common import utils
from watcher.decision_engine.strategy.strategies import (
    vm_workload_consolidation as vmc,
)
from watcher.tests import base
from watcher.tests.fixtures import metrics
from watcher.tests.fixtures import models
from watcher.tests.unit.decision_engine.strategy import consolidation
from watcher.tests.unit.decision_engine.strategy import metric_properties
from watcher.tests.unit.decision_engine.strategy import properties


def loads(hosts=None, servers=None):
    """Return a source: host -> (cpu %, KiB), server -> (cpu %, MB, GB)."""
    source = metrics.FakeDataSource()
    for names, values in (
            (('host_cpu_usage', 'host_ram_usage'), hosts or {}),
            (('instance_cpu_usage', 'instance_ram_usage',
              'instance_root_disk_size'), servers or {})):
        for key, given in values.items():
            for metric, value in zip(names, given, strict=False):
                if value is not None:
                    source.set(metric, {models.uuid(key): value})
    return source


def strategy_on(nodes, source, **options):
    """Return the strategy, ready to be executed."""
    strategy = vmc.VMWorkloadConsolidation(utils.Struct(options))
    strategy._compute_model = models.cloud(nodes)
    strategy._datasource_backend = source
    strategy.input_parameters.update({'period': 3600, 'granularity': 300})
    return strategy


def run(nodes, source, **options):
    """Run the strategy and return its solution."""
    return strategy_on(nodes, source, **options).execute()


brief = consolidation.brief
figures = consolidation.figures


class TestWorkedExample(base.TestCase):
    """A with a1 and a2, B with b1, C with c1."""

    def setUp(self):
        super().setUp()
        self.nodes = {
            models.node('A'): [
                models.instance('a1', vcpus=4, memory=8192),
                models.instance('a2', vcpus=2, memory=4096)],
            models.node('B'): [
                models.instance('b1', vcpus=8, memory=16384)],
            models.node('C'): [
                models.instance('c1', vcpus=4, memory=8192)]}
        self.source = loads(
            {'A': (20, 7340032), 'B': (40, 9437184), 'C': (25, 5242880)},
            {'a1': (50, 4096, 20), 'a2': (50, 2048, 20),
             'b1': (75, 8192, 20), 'c1': (100, 4096, 20)})

    def test_plan(self):
        solution = run(self.nodes, self.source)
        self.assertEqual(
            [('live', 'vm-a1', 'host-A', 'host-B'),
             ('live', 'vm-a2', 'host-A', 'host-B'),
             ('disabled', 'host-A', 'watcher_disabled')], brief(solution))
        self.assertEqual((3, 1, 2), figures(solution))
        [ratio] = solution.global_efficacy
        self.assertAlmostEqual(33.3333, ratio.value, places=3)

    def test_utilisation(self):
        situation = strategy_on(self.nodes, self.source).gather()
        used = vmc._packing.Packer(situation).load.used
        self.assertEqual([[3.2, 7168, 40], [6.4, 9216, 20], [4, 5120, 20]],
                         used.round(9).tolist())

    def test_each_metric_is_one_question(self):
        run(self.nodes, self.source)
        self.assertEqual(
            [('batch', metric, count) for metric, count in (
                ('instance_cpu_usage', 4), ('instance_ram_usage', 4),
                ('instance_root_disk_size', 4),
                ('host_cpu_usage', 3), ('host_ram_usage', 3))],
            self.source.questions)

    def test_reasons(self):
        solution = run(self.nodes, self.source)
        move = solution.actions[0].explanation
        self.assertEqual('host-A is emptied; host-B is the most loaded host '
                         'with room', move.reason)
        self.assertEqual('consolidation', move.code)
        self.assertEqual(
            [('cpu_in_use', 'host-A', 3.2, 0.2, 16.0),
             ('cpu_in_use', 'host-B', 6.4, 9.4, 16.0)],
            [(m.name, m.of, round(m.before, 9), round(m.after, 9), m.limit)
             for m in move.measures])
        self.assertEqual(
            {'host-B': 'it takes servers of other hosts',
             'host-C': 'more loaded hosts do not take all of its servers'},
            dict(solution.explanation.ruled_out))

    def test_the_result_is_final(self):
        """Field report test 27."""
        a, b, c = self.nodes
        a.status, a.disabled_reason = 'disabled', 'watcher_disabled'
        self.nodes[b] += self.nodes[a]
        self.nodes[a] = []
        self.source.set('host_cpu_usage', {a.uuid: 1, b.uuid: 58.75})
        self.source.set('host_ram_usage', {a.uuid: 1048576,
                                           b.uuid: 15728640})
        self.assertEqual([], brief(run(self.nodes, self.source)))

    def test_twice_the_same(self):
        situation = strategy_on(self.nodes, self.source).gather()
        self.assertEqual(vmc.decide(situation), vmc.decide(situation))


class TestSimplification(base.TestCase):
    """Servers that are moved twice go straight to where they end."""

    def test_plan(self):
        sizes = {'vcpus': 8, 'vcpu_reserved': 2}
        nodes = {
            models.node('A', **sizes): [
                models.instance('a1', vcpus=1),
                models.instance('a2', vcpus=3)],
            models.node('B', **sizes): [
                models.instance('b1', vcpus=1),
                models.instance('b2', vcpus=3)],
            models.node('C', **sizes): []}
        solution = run(nodes, loads(
            {'A': (76.25,), 'B': (80,), 'C': (1,)},
            {'a1': (50,), 'a2': (80,), 'b1': (100,), 'b2': (100,)}))
        self.assertEqual(
            [('live', 'vm-b1', 'host-B', 'host-C'),
             ('live', 'vm-a1', 'host-A', 'host-B')], brief(solution))
        self.assertEqual((3, 0, 2), figures(solution))
        self.assertEqual('overload', solution.actions[0].explanation.code)
        self.assertEqual(
            'host-B uses 6.4 of 6 cores; host-C is the most loaded host '
            'with room', solution.actions[0].reason)


class TestStates(base.TestCase):
    """Paused servers move live, stopped ones cold, others not at all."""

    def setUp(self):
        super().setUp()
        self.nodes = {
            models.node('A', vcpus=32): [
                models.instance('a1', state='paused'),
                models.instance('a2', state='stopped'),
                models.instance('a3', state='suspended'),
                models.instance('a4', state='error'),
                models.instance('a5', watcher_exclude=True)],
            models.node('B', vcpus=64): [
                models.instance('b1', vcpus=16)]}
        self.source = loads(servers=dict.fromkeys(
            ('a1', 'a2', 'a3', 'a4', 'a5', 'b1'), (50,)))

    def test_plan(self):
        solution = run(self.nodes, self.source)
        self.assertEqual(
            [('cold', 'vm-a2', 'host-A', 'host-B'),
             ('live', 'vm-a1', 'host-A', 'host-B')], brief(solution))
        self.assertEqual((2, 0, 2), figures(solution))

    def test_all_or_nothing(self):
        solution = run(self.nodes, self.source, drain_partly=False)
        self.assertEqual([], brief(solution))
        self.assertEqual('kept', solution.explanation.code)
        self.assertIn('host-A, the least loaded one: a server has to stay',
                      solution.explanation.reason)


class TestHosts(base.TestCase):
    """Which hosts are used, enabled and disabled."""

    def nodes(self, reason):
        return {
            models.node('A'): [models.instance('a1', vcpus=1),
                               models.instance('a2', vcpus=1)],
            models.node('B', status='disabled', disabled_reason=reason): [
                models.instance('b1', vcpus=8),
                models.instance('b2', vcpus=2)]}

    def test_hosts_disabled_by_others_are_not_used(self):
        solution = run(self.nodes('bad DIMM'), loads(
            servers=dict.fromkeys(('a1', 'a2', 'b1', 'b2'), (50,))))
        self.assertEqual([], brief(solution))
        self.assertEqual((2, 0, 0), figures(solution))
        self.assertIn('host-B is disabled (bad DIMM) (1 host)',
                      solution.explanation.reason)

    def test_figures_never_become_negative(self):
        solution = run(self.nodes('watcher_disabled'), loads(
            servers=dict.fromkeys(('a1', 'a2', 'b1', 'b2'), (50,))))
        self.assertEqual(
            [('enabled', 'host-B', None),
             ('live', 'vm-a2', 'host-A', 'host-B'),
             ('live', 'vm-a1', 'host-A', 'host-B'),
             ('disabled', 'host-A', 'watcher_disabled')], brief(solution))
        self.assertEqual((2, 0, 2), figures(solution))

    def test_a_host_disabled_by_this_service_relieves_others(self):
        nodes = {
            models.node('A', vcpus=4): [models.instance('a1'),
                                        models.instance('a2')],
            models.node('B', status='disabled',
                        disabled_reason='watcher_disabled'): []}
        solution = run(nodes, loads({'A': (100,), 'B': (1,)}, {
            'a1': (100,), 'a2': (100,)}))
        self.assertEqual([], brief(solution))
        nodes = {
            models.node('A', vcpus=4, vcpu_ratio=2.0): [
                models.instance(name) for name in ('a1', 'a2', 'a3')],
            models.node('B', status='disabled',
                        disabled_reason='watcher_disabled'): []}
        solution = run(nodes, loads({'A': (100,), 'B': (1,)}, dict.fromkeys(
            ('a1', 'a2', 'a3'), (90,))))
        self.assertEqual(
            [('enabled', 'host-B', None),
             ('live', 'vm-a1', 'host-A', 'host-B')], brief(solution))
        self.assertEqual((2, 0, 1), figures(solution))

    def test_empty_hosts_are_disabled_but_the_last(self):
        solution = run({models.node(name): [] for name in 'ABC'}, loads())
        self.assertEqual(
            [('disabled', 'host-B', 'watcher_disabled'),
             ('disabled', 'host-C', 'watcher_disabled')], brief(solution))
        self.assertEqual((3, 2, 0), figures(solution))

    def test_an_overload_that_cannot_be_relieved_keeps_a_host_enabled(self):
        nodes = {
            models.node('A', vcpus=4): [
                models.instance('a1', watcher_exclude=True)],
            models.node('B'): [], models.node('C'): []}
        solution = run(nodes, loads({'A': (150,), 'B': (0,), 'C': (0,)},
                                    {'a1': (100,)}))
        self.assertEqual([('disabled', 'host-C', 'watcher_disabled')],
                         brief(solution))
        self.assertIn('host-A cannot be relieved; as many empty hosts stay '
                      'enabled', solution.remarks)

    def test_an_empty_host_is_not_filled_while_another_is_emptied(self):
        nodes = {models.node('A'): [models.instance('a1')],
                 models.node('B'): []}
        solution = run(nodes, loads({'A': (1,), 'B': (5,)}, {'a1': (5,)}))
        self.assertEqual([('disabled', 'host-B', 'watcher_disabled')],
                         brief(solution))

    def test_hosts_without_any_capacity(self):
        nodes = {models.node('A'): [models.instance('a1')],
                 models.node('B', vcpus=0, memory=0, disk=0): []}
        solution = run(nodes, loads({'A': (5,)}, {'a1': (5,)}))
        self.assertEqual([('disabled', 'host-B', 'watcher_disabled')],
                         brief(solution))


class TestMetrics(base.TestCase):
    """Nothing, outdated and zero are three different things."""

    def nodes(self):
        return {
            models.node('A'): [models.instance('a1')],
            models.node('B', vcpus=4, vcpu_ratio=4.0): [
                models.instance('b1', vcpus=4)]}

    def test_idle_servers_take_no_cores(self):
        hosts = {'A': (1,), 'B': (90,)}
        solution = run(self.nodes(), loads(hosts, {
            'a1': (0.0,), 'b1': (90,)}))
        self.assertEqual([('live', 'vm-a1', 'host-A', 'host-B'),
                          ('disabled', 'host-A', 'watcher_disabled')],
                         brief(solution))

    def test_servers_without_a_value_count_fully(self):
        hosts = {'A': (1,), 'B': (90,)}
        solution = run(self.nodes(), loads(hosts, {'b1': (90,)}))
        self.assertEqual([], brief(solution))
        self.assertTrue(any('instance_cpu_usage is known of 1 of 2' in text
                            for text in solution.remarks))
        self.assertIn('too little unused CPU',
                      solution.explanation.reason)

    def test_hosts_without_a_value_take_nothing(self):
        servers = {'a1': (1,), 'b1': (50,)}
        for hosts, count in (({'A': (1,), 'B': (50,)}, 2),
                             ({'A': (1,)}, 0), ({}, 2)):
            solution = run(self.nodes(), loads(hosts, servers))
            self.assertEqual(count, len(solution.actions))
        solution = run(self.nodes(), loads({'A': (1,)}, servers))
        self.assertIn('its host_cpu_usage is not known',
                      solution.explanation.reason)

    def test_a_missing_value_overloads_no_host(self):
        nodes = {models.node('A', vcpus=4, vcpu_ratio=4.0): [
                     models.instance(f'a{n}') for n in range(6)],
                 models.node('B', vcpus=64): []}
        solution = run(nodes, loads({'A': (20,), 'B': (1,)}))
        self.assertEqual([('disabled', 'host-B', 'watcher_disabled')],
                         brief(solution))

    def test_real_cores_limit_what_is_used(self):
        hosts = {'A': (12,), 'B': (80,)}
        servers = {'a1': (90,), 'b1': (80,)}
        self.assertEqual([], brief(run(self.nodes(), loads(hosts, servers))))
        solution = run(self.nodes(), loads(hosts, servers),
                       overcommit_measured=True)
        self.assertEqual(2, len(solution.actions))

    def test_allocated_memory_replaces_the_resident_one(self):
        source = loads({'A': (1,), 'B': (2,)})
        source.set('instance_ram_allocated', {models.uuid('a1'): 512.0})
        source.set('instance_ram_usage', {models.uuid('b1'): 0.0})
        situation = strategy_on(self.nodes(), source).gather()
        self.assertEqual([512, 0], situation.used[:, 1].tolist())
        self.assertIn(('batch', 'instance_ram_allocated', 1),
                      source.questions)


class TestProperties(consolidation.SilentHosts,
                     metric_properties.MetricProperties, base.TestCase):
    STRATEGY = vmc.VMWorkloadConsolidation


class TestPropertiesOfWholeHosts(properties.StrategyProperties,
                                 base.TestCase):
    """With the option that moves only what empties a host."""

    STRATEGY = vmc.VMWorkloadConsolidation
    SEEDS = range(12, 18)

    def prepare(self, strategy, model, seed):
        strategy.config.drain_partly = False
