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
from watcher.decision_engine.strategy.strategies import basic_consolidation
from watcher.tests import base
from watcher.tests.fixtures import metrics
from watcher.tests.fixtures import models
from watcher.tests.unit.decision_engine.strategy import consolidation
from watcher.tests.unit.decision_engine.strategy import metric_properties

HOST, SERVER = 'host_cpu_usage', 'instance_cpu_usage'

brief = consolidation.brief
figures = consolidation.figures


def strategy_on(nodes, hosts, servers=None, parameters=None, **options):
    """Return the strategy on a cloud with CPU uses by names."""
    strategy = basic_consolidation.BasicConsolidation(utils.Struct(options))
    strategy._compute_model = models.cloud(nodes)
    strategy._datasource_backend = source = metrics.FakeDataSource()
    for metric, values in ((HOST, hosts), (SERVER, servers or {})):
        source.set(metric, {models.uuid(name): value
                            for name, value in values.items()})
    given = dict(parameters or {})
    utils.StrictDefaultValidatingDraft4Validator(
        strategy.get_schema()).validate(given)
    strategy.input_parameters.update(given)
    return strategy


def run(*args, **options):
    """Run the strategy and return its solution."""
    return strategy_on(*args, **options).execute()


class TestWorkedExample(base.TestCase):
    """A with a1 and a2, B with b1, C with c1, D without servers."""

    HOSTS = {'A': 10, 'B': 50, 'C': 30}
    SERVERS = {'a1': 50, 'a2': 10, 'b1': 80, 'c1': 40}

    def nodes(self):
        return {
            models.node('A'): [models.instance('a1'),
                               models.instance('a2', vcpus=4)],
            models.node('B'): [models.instance('b1', vcpus=4)],
            models.node('C'): [models.instance('c1', vcpus=4)],
            models.node('D'): []}

    def test_plan(self):
        solution = run(self.nodes(), self.HOSTS, self.SERVERS)
        self.assertEqual(
            [('live', 'vm-a1', 'host-A', 'host-B'),
             ('live', 'vm-a2', 'host-A', 'host-B'),
             ('disabled', 'host-A', 'watcher_disabled'),
             ('live', 'vm-c1', 'host-C', 'host-B'),
             ('disabled', 'host-C', 'watcher_disabled')], brief(solution))
        self.assertEqual((4, 2, 3), figures(solution))
        self.assertEqual(50, solution.global_efficacy[0].value)

    def test_each_metric_is_one_question(self):
        strategy = strategy_on(self.nodes(), self.HOSTS, self.SERVERS)
        strategy.execute()
        self.assertEqual([('batch', HOST, 3), ('batch', SERVER, 4)],
                         strategy.datasource_backend.questions)

    def test_reasons(self):
        solution = run(self.nodes(), self.HOSTS, self.SERVERS)
        why = solution.actions[0].explanation
        self.assertEqual(
            'host-A has little CPU use and is emptied; host-B has the most '
            'CPU use of the hosts with room', why.reason)
        # 2 * 0.5 + 4 * 0.1 cores leave A; those and 4 * 0.4 come to B.
        self.assertEqual(
            [('host-A', 10, 1.25), ('host-B', 50, 68.75)],
            [(m.of, m.before, round(m.after, 9)) for m in why.measures])
        self.assertEqual({'host-B': 'it takes servers of other hosts'},
                         dict(solution.explanation.ruled_out))
        self.assertEqual('3 servers to move; 2 of 4 enabled hosts to release',
                         solution.explanation.reason)

    def test_twice_the_same(self):
        situation = strategy_on(
            self.nodes(), self.HOSTS, self.SERVERS).gather()
        self.assertEqual(basic_consolidation.decide(situation),
                         basic_consolidation.decide(situation))

    def test_the_result_is_final(self):
        """Field report test 27."""
        nodes = self.nodes()
        servers = [server for found in nodes.values() for server in found]
        moved = {node: servers if node.hostname == 'host-B' else []
                 for node in nodes}
        self.assertEqual([], brief(run(moved, {'B': 69}, self.SERVERS)))


class TestOrder(base.TestCase):

    def test_passed_over_hosts_are_explained(self):
        nodes = {models.node('A'): [models.instance('a1')],
                 models.node('B'): [models.instance('b1', vcpus=16)],
                 models.node('C'): [models.instance('c1', vcpus=8)]}
        solution = run(nodes, {'A': 1, 'B': 9, 'C': 5})
        self.assertEqual(('live', 'vm-a1', 'host-A', 'host-C'),
                         brief(solution)[0])
        self.assertEqual({'host-B': 'it has too little free vCPUs'},
                         solution.actions[0].explanation.ruled_out)

    def test_why_nothing_names_a_kind_of_refusal_once(self):
        nodes = {models.node(name): [models.instance(
            f'{name}1', vcpus=9)] for name in 'ABC'}
        solution = run(nodes, {'A': 1, 'B': 9, 'C': 5})
        self.assertIn(
            f'takes vm-A1 ({models.uuid("A1")}); host-B: it has too little '
            'free vCPUs (and 1 more host)', solution.explanation.reason)

    def test_servers_without_size_go_to_open_hosts(self):
        nodes = {models.node('A'): [models.instance(
                     'a1', vcpus=0, memory=0, disk=0)],
                 models.node('B'): [models.instance('b1')],
                 models.node('C'): [models.instance('c1', state='error')]}
        self.assertEqual(
            [('live', 'vm-a1', 'host-A', 'host-B'),
             ('disabled', 'host-A', 'watcher_disabled')],
            brief(run(nodes, {'A': 1, 'B': 5})))
        # There are places for more hosts than there are.
        self.assertEqual([], brief(run(nodes, {})))

    def test_attempts(self):
        """As many rounds as the contract has for four full hosts."""
        for attempts, rounds in ((0, 4), (1, 2), (2, 3), (5, 4)):
            nodes = {models.node(name): [models.instance(
                f'{name}1', vcpus=16)] for name in 'ABCD'}
            solution = run(nodes, dict.fromkeys('ABCD', 50),
                           parameters={'migration_attempts': attempts})
            self.assertEqual([], brief(solution))
            self.assertEqual(4 - rounds, sum(
                'migration_attempts' in reason for reason
                in solution.explanation.ruled_out.values()))

    def test_success_begins_counting_anew(self):
        nodes = {
            models.node('A'): [models.instance('a1', vcpus=16)],
            models.node('B'): [models.instance('b1', vcpus=1)],
            models.node('C'): [models.instance('c1', vcpus=16)],
            models.node('D'): [models.instance('d1', vcpus=1)],
            models.node('E'): [models.instance('e1', vcpus=2)]}
        cpu = dict(zip('ABCDE', (1, 2, 3, 4, 90), strict=True))
        solution = run(nodes, cpu, parameters={'migration_attempts': 1})
        self.assertEqual(['vm-b1'], [
            action[1] for action in brief(solution) if action[0] == 'live'])

    def test_aggregation(self):
        strategy = strategy_on(
            {models.node('A'): [models.instance('a1')]}, {}, parameters={
                'aggregation_method': {'node': 'max', 'instance': 'min'}})
        self.assertEqual({'instance': 'min', 'compute_node': 'max'},
                         strategy._methods())
        strategy.input_parameters['aggregation_method'] = None
        self.assertEqual({'instance': 'mean', 'compute_node': 'mean'},
                         strategy._methods())


class TestRules(base.TestCase):
    """What is not moved, and where nothing goes."""

    def nodes(self, second=None, **host):
        return {
            models.node('A'): [models.instance('a1'),
                               second or models.instance('a2')],
            models.node('B', **host): [models.instance('b1')]}

    def test_whole_hosts_only(self):
        second = models.instance('a2', watcher_exclude=True)
        solution = run(self.nodes(second), {'A': 1, 'B': 2})
        self.assertEqual([], brief(solution))
        self.assertEqual('no-room', solution.explanation.code)
        self.assertIn('a server has to stay',
                      solution.explanation.ruled_out['host-A'])

    def test_partly_if_so_configured(self):
        second = models.instance('a2', watcher_exclude=True)
        solution = run(self.nodes(second), {'A': 1, 'B': 2},
                       drain_partly=True)
        self.assertEqual([('live', 'vm-a1', 'host-A', 'host-B')],
                         brief(solution))
        self.assertEqual((2, 0, 1), figures(solution))

    def test_stopped_servers_move_cold(self):
        second = models.instance('a2', state='stopped')
        solution = run(self.nodes(second), {'A': 1, 'B': 2})
        self.assertEqual(
            [('live', 'vm-a1', 'host-A', 'host-B'),
             ('cold', 'vm-a2', 'host-A', 'host-B'),
             ('disabled', 'host-A', 'watcher_disabled')], brief(solution))

    def test_disabled_hosts_take_nothing(self):
        for reason in ('bad DIMM', 'watcher_disabled'):
            solution = run(self.nodes(status='disabled',
                                      disabled_reason=reason),
                           {'A': 1, 'B': 2})
            self.assertEqual([], brief(solution))
            self.assertIn(f'host-B is disabled ({reason})',
                          solution.explanation.reason)

    def test_disabled_hosts_are_not_released(self):
        solution = run(self.nodes(status='disabled', disabled_reason='x'),
                       {'A': 2, 'B': 1})
        self.assertEqual([('live', 'vm-b1', 'host-B', 'host-A')],
                         brief(solution))
        self.assertEqual((1, 0, 1), figures(solution))

    def test_hosts_of_which_nothing_is_known_take_nothing(self):
        solution = run(self.nodes(), {'A': 1})
        self.assertEqual([], brief(solution))
        self.assertIn('its host_cpu_usage is not known',
                      solution.explanation.reason)
        self.assertTrue(solution.remarks)

    def test_zero_is_a_value(self):
        self.assertEqual(3, len(run(self.nodes(), {'A': 0.0, 'B': 1},
                                    {'a1': 0.0, 'a2': 5}).actions))

    def test_opting_out(self):
        for metadata, moves in (({'optimize': 'false'}, False),
                                ({'optimize': 'true'}, True),
                                ({'x': 'y'}, True), ({}, True)):
            second = models.instance('a2', metadata=metadata)
            solution = run(self.nodes(second), {'A': 1, 'B': 2},
                           drain_partly=True, check_optimize_metadata=True)
            self.assertEqual(moves, ('live', 'vm-a2', 'host-A', 'host-B')
                             in brief(solution))

    def test_no_servers(self):
        solution = run({models.node('A'): []}, {})
        self.assertEqual([], brief(solution))
        self.assertEqual('idle', solution.explanation.code)
        self.assertEqual((1, 0, 0), figures(solution))


class TestProperties(consolidation.SilentHosts,
                     metric_properties.MetricProperties, base.TestCase):
    STRATEGY = basic_consolidation.BasicConsolidation


class TestPropertiesOfParts(metric_properties.MetricProperties, base.TestCase):
    STRATEGY = basic_consolidation.BasicConsolidation
    SEEDS = range(12, 18)

    def prepare(self, strategy, model, seed):
        strategy.config.drain_partly = True
