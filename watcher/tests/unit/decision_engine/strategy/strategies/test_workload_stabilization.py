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
"""Worked examples, corrected flaws, and properties of the decision."""

import collections
import random
import statistics

import jsonschema
import numpy

from watcher.decision_engine.model import scheduling
from watcher.decision_engine.strategy.strategies import deviation
from watcher.decision_engine.strategy.strategies import stabilization
from watcher.decision_engine.strategy.strategies import workload_stabilization
from watcher.tests import base
from watcher.tests.fixtures import models
from watcher.tests.unit.decision_engine.strategy import balancing
from watcher.tests.unit.decision_engine.strategy import metric_properties
from watcher.tests.unit.decision_engine.strategy import properties

CPU, RAM = 'instance_cpu_usage', 'instance_ram_usage'
HOST_CPU, HOST_RAM = 'host_cpu_usage', 'host_ram_usage'
BOTH = [CPU, RAM]
ALLOCATED = ['allocated_vcpus', 'allocated_memory', 'server_count']
#: KiB of a host of 64 GiB
GIB = 1024 * 1024

brief = balancing.brief
hosts = balancing.hosts
indicators = balancing.indicators
server = balancing.server


def prepare(cloud, values, **parameters):
    return balancing.prepare(workload_stabilization.WorkloadStabilization,
                             cloud, values, parameters)


def run(cloud, values, **parameters):
    return prepare(cloud, values, **parameters).execute()


def effects(situation):
    return stabilization.Effects(situation.state, situation.metrics,
                                 situation.demand)


class ExampleTestCase(base.TestCase):

    VALUES = {HOST_CPU: {'A': 60, 'B': 20, 'C': 10},
              CPU: {'a1': 80, 'a2': 60, 'a3': 40, 'b1': 60}}

    def setUp(self):
        super().setUp()
        # The order of the UUIDs counts; the page has them by name.
        self.names = dict(zip('ABC', sorted(
            models.uuid(name) for name in 'ABC'), strict=True))

    def node(self, name, **fields):
        return models.node(name, uuid=self.names[name], **fields)

    def cloud(self):
        return {self.node('A'): [server('a1'), server('a2'),
                                 server('a3', 2)],
                self.node('B'): [server('b1')], self.node('C'): []}

    def prepare(self, cloud=None, values=None, **parameters):
        values = values or self.VALUES
        found = prepare(cloud or self.cloud(), {}, **parameters)
        for metric, named in values.items():
            found._datasource_backend.set(metric, {
                self.names.get(name) or models.uuid(name): value
                for name, value in named.items()})
        return found

    def plan(self, *args, **more):
        return self.prepare(*args, **more).execute()


class TestWorkedExample(ExampleTestCase):

    def test_full_search(self):
        solution = self.plan(host_choice='fullsearch')
        self.assertEqual([{
            'action_type': 'migrate',
            'input_parameters': {
                'resource_id': models.uuid('a1'), 'migration_type': 'live',
                'source_node': 'host-A', 'destination_node': 'host-C',
                'resource_name': 'vm-a1'}}], solution.actions)
        found = indicators(solution)
        self.assertAlmostEqual(
            0.21602468994692867, found['standard_deviation_before_audit'])
        self.assertAlmostEqual(
            0.08164965809277258, found['standard_deviation_after_audit'])
        self.assertEqual(1, found['instance_migrations_count'])
        self.assertEqual(4, found['instances_count'])
        self.assertAlmostEqual(25, solution.global_efficacy[0].value)

    def test_order_of_proposals(self):
        """All records of the page are tried when each must do better."""
        strategy = self.prepare(host_choice='fullsearch')
        situation = strategy.gather()
        table = deviation.LoadTable(situation.loads, situation.weights)
        search = stabilization.Search(situation, table, effects(situation))
        state = situation.state
        self.assertEqual(
            [('vm-a1', 'host-C', 0.081650), ('vm-a2', 'host-C', 0.108012),
             ('vm-a1', 'host-B', 0.141421), ('vm-a2', 'host-B', 0.147196),
             ('vm-a3', 'host-C', 0.177951), ('vm-a3', 'host-B', 0.187083)],
            [(state.servers[found.server].name,
              state.hosts[found.destination].hostname,
              round(found.deviation, 6)) for found in search.proposals()])

    def test_cycle(self):
        solution = self.plan(host_choice='cycle')
        self.assertEqual([('vm-a2', 'host-A', 'host-C'),
                          ('vm-a1', 'host-A', 'host-B')], brief(solution))
        self.assertAlmostEqual(
            0.07071067811865478,
            indicators(solution)['standard_deviation_after_audit'])
        self.assertAlmostEqual(50, solution.global_efficacy[0].value)

    def test_even_enough(self):
        strategy = self.prepare(thresholds={CPU: 0.3, RAM: 0.3})
        solution = strategy.execute()
        self.assertEqual([], solution.actions)
        found = indicators(solution)
        self.assertEqual(0, found['standard_deviation_before_audit'])
        self.assertEqual(0, found['standard_deviation_after_audit'])
        self.assertEqual('balanced', solution.explanation.code)
        self.assertIn('0.216 (threshold 0.3)', solution.explanation.reason)
        # The servers were not asked about.
        self.assertEqual([('batch', HOST_CPU, 3)],
                         strategy.datasource_backend.questions)

    def test_questions(self):
        strategy = self.prepare(host_choice='fullsearch')
        strategy.execute()
        self.assertEqual([('batch', HOST_CPU, 3), ('batch', CPU, 4)],
                         strategy.datasource_backend.questions)

    def test_by_lot(self):
        """With one host drawn for each server, the default."""
        solution = self.plan()
        found = indicators(solution)
        self.assertLess(found['standard_deviation_after_audit'], 0.1)
        self.assertEqual(solution.actions, self.plan().actions)

    def test_why(self):
        solution = self.plan(host_choice='fullsearch')
        why = solution.actions[0].explanation.to_dict()
        self.assertEqual(
            [('standard_deviation', None, 0.216, 0.0816),
             (CPU, 'host-A', 60, 40), (CPU, 'host-C', 10, 30)],
            [(found['name'], found['of'], round(found['before'], 4),
              round(found['after'], 4)) for found in why['measures']])

    def test_why_not_a_better_host(self):
        cloud = self.cloud()
        [full] = [node for node in cloud if node.hostname == 'host-C']
        full.memory = 2048
        solution = self.plan(cloud, host_choice='fullsearch')
        [first, *_others] = solution.actions
        self.assertEqual(('vm-a1', 'host-A', 'host-B'), brief(solution)[0])
        self.assertIn('memory', first.explanation.ruled_out['host-C'])

    def test_planner(self):
        self.assertEqual('workload_stabilization',
                         self.prepare().planner)


class TestFlaws(ExampleTestCase):
    """What went wrong before."""

    def test_a_server_moves_once(self):
        """Three hosts of 10 vCPUs, one server with two good destinations."""
        cloud = {self.node(name, vcpus=10): [] for name in 'ABC'}
        next(iter(cloud.values())).append(server('a1', 1))
        solution = self.plan(
            cloud, {HOST_CPU: {'A': 90, 'B': 20, 'C': 10}, CPU: {'a1': 100}},
            host_choice='fullsearch')
        self.assertEqual([('vm-a1', 'host-A', 'host-C')], brief(solution))

    def test_a_host_without_a_value_takes_no_part(self):
        for way in ('fullsearch', 'cycle', 'retry'):
            solution = self.plan(values={
                HOST_CPU: {'A': 60, 'B': 20}, CPU: self.VALUES[CPU]},
                host_choice=way)
            self.assertEqual({('host-A', 'host-B')}, {
                move[1:] for move in brief(solution)})
            self.assertTrue([remark for remark in solution.remarks
                             if 'host-C' in remark])

    def test_zero_is_a_value(self):
        values = {HOST_CPU: {'A': 60, 'B': 20, 'C': 0},
                  CPU: self.VALUES[CPU]}
        solution = self.plan(values=values, host_choice='fullsearch')
        self.assertEqual(('vm-a1', 'host-A', 'host-C'), brief(solution)[0])

    def test_a_server_without_a_value_stays(self):
        solution = self.plan(values={
            HOST_CPU: self.VALUES[HOST_CPU], CPU: {'a2': 60}},
            host_choice='fullsearch')
        self.assertEqual([('vm-a2', 'host-A', 'host-C')], brief(solution))

    def test_nothing_is_known(self):
        solution = self.plan(values={CPU: {}})
        self.assertEqual([], solution.actions)
        self.assertEqual('no_metrics', solution.explanation.code)

    def test_no_server_has_a_value(self):
        solution = self.plan(values={HOST_CPU: self.VALUES[HOST_CPU],
                                     CPU: {}})
        self.assertEqual([], solution.actions)
        self.assertEqual('no_candidate', solution.explanation.code)
        found = indicators(solution)
        self.assertEqual(found['standard_deviation_before_audit'],
                         found['standard_deviation_after_audit'])

    def test_too_small_a_host(self):
        """8 vCPUs and 32 GB do not go to 2 vCPUs and 4 GB."""
        cloud = {self.node('A'): [server('a1', 8, memory=32768)],
                 self.node('B', vcpus=2, memory=4096): []}
        solution = self.plan(
            cloud, {HOST_CPU: {'A': 90, 'B': 10}, CPU: {'a1': 100}},
            host_choice='fullsearch')
        self.assertEqual([], solution.actions)

    def test_room_is_counted_after_every_move(self):
        cloud = {self.node('A'): [server(f'a{number}')
                                  for number in range(4)],
                 self.node('B', vcpus=4): []}
        solution = self.plan(cloud, {
            HOST_CPU: {'A': 100, 'B': 0},
            CPU: {f'a{number}': 40 for number in range(4)}},
            host_choice='fullsearch', thresholds={CPU: 0, RAM: 0})
        self.assertEqual(1, len(solution.actions))

    def both(self, **parameters):
        cloud = {self.node('A'): [server(f'a{number}', 2)
                                  for number in range(7)],
                 self.node('B'): [], self.node('C'): []}
        names = [f'a{number}' for number in range(7)]
        return self.plan(cloud, {
            HOST_CPU: {'A': 90, 'B': 10, 'C': 10},
            HOST_RAM: {'A': 21 * GIB, 'B': 20 * GIB, 'C': 20 * GIB},
            CPU: dict.fromkeys(names, 80), RAM: dict.fromkeys(names, 10)},
            host_choice='fullsearch', **parameters)

    def test_every_metric_has_to_be_even(self):
        """That of the memory is from the start."""
        alone, both = self.both(), self.both(metrics=BOTH)
        self.assertLess(1, len(alone.actions))
        self.assertEqual(len(alone.actions), len(both.actions))

    def test_before_and_after_are_the_same_figure(self):
        found = indicators(self.both(
            metrics=BOTH, weights={f'{CPU}_weight': 0.5,
                                   f'{RAM}_weight': 0.25}))
        cpu, ram = 0.3771236, 0.0073657
        self.assertAlmostEqual(
            0.5 * cpu + 0.25 * ram,
            found['standard_deviation_before_audit'], 5)
        self.assertLess(found['standard_deviation_after_audit'],
                        found['standard_deviation_before_audit'])

    def test_units_of_memory(self):
        """KiB of hosts, MB of servers (field report 1.7, 100)."""
        cloud = {self.node('A'): [server('a1'), server('a2')],
                 self.node('B'): []}
        solution = self.plan(cloud, {
            HOST_RAM: {'A': 48 * GIB, 'B': 16 * GIB},
            RAM: {'a1': 16 * 1024, 'a2': 40 * 1024}},
            metrics=[RAM], host_choice='fullsearch')
        self.assertEqual([('vm-a1', 'host-A', 'host-B')], brief(solution))
        found = indicators(solution)
        self.assertEqual([0.25, 0], [
            found['standard_deviation_before_audit'],
            found['standard_deviation_after_audit']])


class TestSoftRules(ExampleTestCase):

    def test_they_decide_between_equally_good_hosts(self):
        for way, policy, host in (
                ('fullsearch', 'soft-anti-affinity', 'host-C'),
                ('fullsearch', 'soft-affinity', 'host-B'),
                ('retry', 'soft-anti-affinity', 'host-C'),
                ('retry', 'soft-affinity', 'host-B')):
            strategy = self.prepare(
                {self.node('A'): [server('a1')],
                 self.node('B'): [server('b1')], self.node('C'): []},
                {HOST_CPU: {'A': 60, 'B': 0, 'C': 0},
                 CPU: {'a1': 80, 'b1': 0}}, host_choice=way)
            strategy._compute_model.server_groups = (
                scheduling.ServerGroup(
                    id=models.uuid('group'), name='group', policy=policy,
                    members=(models.uuid('a1'), models.uuid('b1')),
                    max_per_host=1),)
            self.assertEqual([('vm-a1', 'host-A', host)],
                             brief(strategy.execute()))


class TestParameters(ExampleTestCase):

    def asked(self, **parameters):
        """Return how metrics of hosts and of servers are asked for."""
        strategy = self.prepare(**parameters)
        source, found = strategy.datasource_backend, {}
        ask = source.statistic_aggregation_batch

        def note(resources, kind, metric, **how):
            found[kind] = tuple(how.values())
            return ask(resources, kind, metric, **how)

        self.patch(source, 'statistic_aggregation_batch', note)
        strategy.execute()
        return found['compute_node'], found['instance']

    def test_defaults(self):
        self.assertEqual(((600, 'mean', 300), (720, 'mean', 300)),
                         self.asked())

    def test_periods_and_aggregates(self):
        self.assertEqual(
            ((60, 'max', 30), (90, 'min', 30)),
            self.asked(periods={'instance': 90, 'compute_node': 60},
                       aggregation_method={'instance': 'min',
                                           'compute_node': 'max'},
                       granularity=30))

    def test_old_names(self):
        self.assertEqual(
            ((50, 'min', 300), (720, 'max', 300)),
            self.asked(periods={'instance': 720, 'compute_node': 60,
                                'node': 50},
                       aggregation_method={'instance': 'max',
                                           'compute_node': 'max',
                                           'node': 'min'}))

    def test_absent_and_empty_are_alike(self):
        for method in ({}, {'instance': '', 'compute_node': ''}):
            self.assertEqual(((600, 'mean', 300), (90, 'mean', 300)),
                             self.asked(periods={'instance': 90},
                                        aggregation_method=method))

    def test_thresholds_and_weights_in_part(self):
        solution = self.plan(thresholds={RAM: 0.5}, weights={},
                             instance_metrics={}, host_choice='fullsearch')
        self.assertEqual(1, len(solution.actions))

    def test_more_hosts_than_there_are(self):
        solution = self.plan(host_choice='retry', retry_count=20.5)
        self.assertEqual(('vm-a1', 'host-A', 'host-C'), brief(solution)[0])

    def test_refused(self):
        for wrong in ({'host_choice': 'best'}, {'metrics': ['host_power']},
                      {'thresholds': {CPU: 2}}, {'retry_count': 0},
                      {'periods': {'instance': -1}}, {'dead_band': 101}):
            self.assertRaises(jsonschema.ValidationError, self.prepare,
                              **wrong)

    def test_target(self):
        for more in ({'target_thresholds': {CPU: 0.05}}, {'dead_band': 50}):
            solution = self.plan(host_choice='fullsearch', **more)
            self.assertLess(1, len(solution.actions))
            self.assertEqual(('vm-a1', 'host-A', 'host-C'),
                             brief(solution)[0])

    def test_rounds(self):
        """To C servers go only when the first one is on B."""
        cloud = {self.node('A'): [server(f'a{number}')
                                  for number in range(3)],
                 self.node('B'): [], self.node('C'): []}
        values = {HOST_CPU: {'A': 60, 'B': 0, 'C': 0},
                  CPU: {f'a{number}': 80 for number in range(3)}}
        plans = [brief(self.plan(cloud, values, host_choice='fullsearch',
                                 **more)) for more in ({}, {'rounds': 9})]
        first = ('vm-a0', 'host-A', 'host-B')
        self.assertEqual([[first], [first, ('vm-a1', 'host-A', 'host-C')]],
                         plans)

    def test_more_rounds_might_help(self):
        for rounds, words in ((1, 'more rounds might help'),
                              (9, 'no other proposal helps')):
            solution = self.plan(
                host_choice='cycle', thresholds={CPU: 0.0}, rounds=rounds)
            self.assertTrue(solution.actions)
            self.assertIn(words, solution.explanation.reason)

    def test_no_metrics(self):
        solution = self.plan(metrics=[])
        self.assertEqual('no_metrics', solution.explanation.code)


class TestWithoutDataSource(base.TestCase):
    """Field report 2.5 row 52: what is idle is spread, too."""

    def plan(self, cloud, *names, **parameters):
        strategy = prepare(cloud, {}, metrics=list(names),
                           host_choice='fullsearch', **parameters)
        self.patch(
            workload_stabilization.WorkloadStabilization,
            'datasource_backend',
            property(lambda _self: self.fail('it is asked')))
        return strategy.execute()

    def test_number_of_servers(self):
        cloud = hosts(A=[server(f'a{number}', 1) for number in range(6)],
                      B=[], C=[])
        model = models.cloud(cloud)
        solution = self.plan(cloud, 'server_count', rounds=9)
        properties.carry_out(solution, model)
        self.assertEqual({'host-B': 2, 'host-C': 2}, collections.Counter(
            move[2] for move in brief(solution)))
        values = indicators(solution)
        self.assertAlmostEqual(
            2 ** 0.5, values['standard_deviation_before_audit'])
        self.assertAlmostEqual(
            0, values['standard_deviation_after_audit'])

    def test_shares_of_what_hosts_may_give_away(self):
        """Ratios and reserved amounts count, and who is stopped."""
        cloud = {models.node('A', vcpus=4, vcpu_ratio=2.0): [
                     server('a1', 4, state='stopped')],
                 models.node('B', vcpus=9, vcpu_reserved=1): [
                     server('b1', 2), server('b2', 2)]}
        solution = self.plan(cloud, 'allocated_vcpus',
                             thresholds={'allocated_vcpus': 0.01})
        self.assertEqual('balanced', solution.explanation.code)

    def test_nothing_to_do_on_the_resulting_cloud(self):
        limits = dict.fromkeys(ALLOCATED, 0.2)
        cloud = hosts(A=[server(f'a{number}', 2) for number in range(7)],
                      B=[server('b', 8)], C=[])
        solution = self.plan(cloud, *ALLOCATED, thresholds=limits, rounds=9)
        model = solution.strategy.compute_model
        properties.carry_out(solution, model)
        again = prepare({}, {}, metrics=ALLOCATED, thresholds=limits)
        again._compute_model = model
        self.assertTrue(solution.actions)
        self.assertEqual([], again.execute().actions)

    def test_beside_what_is_measured(self):
        """The load is even, the number of servers is not."""
        cloud = hosts(A=[server(f'a{number}', 1) for number in range(6)],
                      B=[server('b', 6)], C=[])
        values = {HOST_CPU: {'A': 10, 'B': 10, 'C': 10},
                  CPU: {**{f'a{number}': 0 for number in range(6)}, 'b': 0}}
        for names, count in (([CPU], 0), ([CPU, 'server_count'], 3)):
            solution = run(cloud, values, metrics=names,
                           host_choice='fullsearch', rounds=9)
            self.assertEqual(count, len(solution.actions))


class TestAgain(ExampleTestCase):
    """Field report test 27: on the resulting cloud there is nothing to do.
    """

    def test_empty(self):
        for way in ('cycle', 'fullsearch'):
            strategy = self.prepare(host_choice=way)
            situation = strategy.gather()
            state, model = situation.state, strategy.compute_model
            for relief in stabilization.decide(situation).reliefs:
                model.migrate_instance(
                    state.instance(relief.move.server),
                    state.node(relief.move.source),
                    state.node(relief.move.destination))
            loads = workload_stabilization.moved_load(
                state, situation.loads, effects(situation))
            self.assertTrue(state.moves)
            again = self.prepare(host_choice=way)
            again._compute_model = model
            again._datasource_backend.set(HOST_CPU, {
                host.uuid: 100 * load for host, load in zip(
                    state.hosts, loads[0].tolist(), strict=True)})
            self.assertEqual([], again.execute().actions)


class TestProperties(metric_properties.MetricProperties, base.TestCase):
    STRATEGY = workload_stabilization.WorkloadStabilization
    WAYS = ('retry', 'cycle', 'fullsearch')

    def parameters(self, model, seed):
        return {'metrics': (BOTH, [CPU], [RAM], ALLOCATED)[seed % 4],
                'host_choice': self.WAYS[seed // 3 % 3],
                'rounds': 1 + seed % 2}

    def test_indicators_are_those_of_the_plan(self):
        """Another computation gives the same figures."""
        for _model, strategy, solution in self.runs():
            found = indicators(solution)
            if not solution.actions:
                continue
            [measure] = strategy.plan_measures().values()
            state = strategy.found_state()
            self.assertAlmostEqual(
                measure(state), found['standard_deviation_before_audit'])
            for action in solution.actions:
                given = action['input_parameters']
                state.move(state.server_index[given['resource_id']],
                           state.host_named(given['destination_node']))
            self.assertAlmostEqual(
                measure(state), found['standard_deviation_after_audit'])


class TestByLot(base.TestCase):
    """What is drawn is at least as good as what the page draws."""

    HOSTS, SERVERS = 12, 60

    def setUp(self):
        super().setUp()
        dice = random.Random(7)
        self.usage = [dice.uniform(20, 100) for _n in range(self.SERVERS)]
        # Half of the hosts have nearly all of the servers.
        self.homes = [dice.choice([0, 0, 0, 1, 1, 2, 3, 4, 5, 9])
                      for _n in range(self.SERVERS)]

    def loads(self):
        found = [0.0] * self.HOSTS
        for usage, home in zip(self.usage, self.homes, strict=True):
            found[home] += usage / 100 * 2 / 64
        return found

    def by_the_page(self, seed):
        """Return the deviation after step 2 and 3, with real luck."""
        dice, start = random.Random(seed), self.loads()
        effect = [usage / 100 * 2 / 64 for usage in self.usage]

        def after(loads, server, host):
            loads = list(loads)
            loads[self.homes[server]] -= effect[server]
            loads[host] += effect[server]
            return loads

        records, best = [], statistics.pstdev(start)
        for server, home in enumerate(self.homes):
            host = dice.choice([number for number in range(self.HOSTS)
                                if number != home])
            value = statistics.pstdev(after(start, server, host))
            if value < best:
                records.append((value, server, host))
        for _value, server, host in sorted(records):
            found = after(start, server, host)
            if statistics.pstdev(found) < best:
                start, best = found, statistics.pstdev(found)
                if best < 0.01:
                    break
        return best

    def test_no_worse(self):
        names = [f'h{number:02d}' for number in range(self.HOSTS)]
        cloud = {models.node(name, vcpus=64, memory=2 ** 20): []
                 for name in names}
        placed = list(cloud.values())
        for number, home in enumerate(self.homes):
            placed[home].append(server(f's{number}', 2))
        solution = run(
            cloud, {HOST_CPU: dict(zip(names, (
                100 * load for load in self.loads()), strict=True)),
                CPU: {f's{number}': usage
                      for number, usage in enumerate(self.usage)}},
            thresholds={CPU: 0.01})
        found = indicators(solution)['standard_deviation_after_audit']
        lucky = [self.by_the_page(seed) for seed in range(10)]
        self.assertLessEqual(found, max(0.01, statistics.median(lucky)))


class TestLoadTable(base.TestCase):
    """The running sums against the textbook, over many moves."""

    def test_sums(self):
        dice = random.Random(3)
        loads = [[dice.random() for _host in range(6)] for _row in range(2)]
        table = deviation.LoadTable(loads, [1, 0.5])
        for _move in range(deviation.FRESH_FOR + 10):
            source, host = dice.sample(range(6), 2)
            less = [dice.random() / 10, dice.random() / 10]
            more = [dice.random() / 10, dice.random() / 10]
            told = table.after_one(source, host, less, more)
            [same] = table.after([source], [host],
                                 numpy.reshape(less, (2, 1)),
                                 numpy.reshape(more, (2, 1))).tolist()
            table.move(source, host, less, more)
            for row in range(2):
                loads[row][source] -= less[row]
                loads[row][host] += more[row]
            first, second = map(statistics.pstdev, loads)
            for found in (told, same, table.weighted()):
                self.assertAlmostEqual(first + second / 2, found, 9)

    def test_no_hosts(self):
        table = deviation.LoadTable([[float('nan')] * 3], [1])
        self.assertEqual([0], table.deviations())
        self.assertEqual(0, deviation.LoadTable(
            numpy.empty((0, 3)), []).weighted())
