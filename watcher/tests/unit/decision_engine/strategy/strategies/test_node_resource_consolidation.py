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

from types import SimpleNamespace

from watcher.common import utils
from watcher.decision_engine.planner import node_resource_consolidation as plan
from watcher.decision_engine.strategy.strategies import (
    node_resource_consolidation as nrc,
)
from watcher.tests import base
from watcher.tests.fixtures import clouds
from watcher.tests.fixtures import models
from watcher.tests.unit.db import base as db_base
from watcher.tests.unit.decision_engine.strategy import consolidation
from watcher.tests.unit.decision_engine.strategy import properties

ONESHOT = SimpleNamespace(audit_type='ONESHOT', uuid=models.uuid('audit'))

brief = consolidation.brief
figures = consolidation.figures


def cloud(**hosts):
    """Return nodes with servers, given as vCPUs by their names."""
    return {models.node(name): [
        models.instance(server, vcpus=vcpus)
        for server, vcpus in servers.items()]
        for name, servers in hosts.items()}


def strategy_on(nodes, choice='auto'):
    strategy = nrc.NodeResourceConsolidation(utils.Struct())
    strategy._compute_model = models.cloud(nodes)
    strategy.input_parameters.update({'host_choice': choice})
    return strategy


def run(nodes, choice='auto', audit=ONESHOT):
    """Run the strategy and return its solution."""
    return strategy_on(nodes, choice).execute(audit=audit)


class TestAuto(base.TestCase):
    """The scheduler of Nova chooses the destinations."""

    def setUp(self):
        super().setUp()
        self.nodes = cloud(A={'a1': 2}, B={'b1': 4, 'b2': 2}, C={'c1': 10},
                           D={})

    def test_worked_example(self):
        solution = run(self.nodes)
        self.assertEqual(
            [('disabled', 'host-D', nrc.REASON),
             ('disabled', 'host-A', nrc.REASON),
             ('live', 'vm-a1', 'host-A', None),
             ('enabled', 'host-D', None),
             ('enabled', 'host-A', None)], brief(solution))
        self.assertEqual((4, 1, 1), figures(solution))
        self.assertEqual(25, solution.global_efficacy[0].value)

    def test_parameters_of_the_actions(self):
        actions = run(self.nodes).actions
        self.assertEqual(
            {'state': 'disabled', 'resource_name': 'host-D',
             'resource_id': models.uuid('D'),
             'disabled_reason':
                 'Watcher node resource consolidation strategy'},
            actions[0]['input_parameters'])
        self.assertEqual(
            {'migration_type': 'live', 'source_node': 'host-A',
             'resource_name': 'vm-a1', 'resource_id': models.uuid('a1')},
            actions[2]['input_parameters'])
        self.assertEqual(
            {'state': 'enabled', 'resource_name': 'host-D',
             'resource_id': models.uuid('D')},
            actions[3]['input_parameters'])

    def test_servers_without_size_go_to_open_hosts(self):
        nodes = {models.node('A'): [
            models.instance(name, vcpus=0, memory=0, disk=0)
            for name in ('a1', 'a2')], **cloud(B={'b1': 4}, C={'c1': 14})}
        self.assertEqual([('live', 'vm-a1', 'host-A', 'host-C'),
                          ('live', 'vm-a2', 'host-A', 'host-C')],
                         brief(run(nodes, 'specify')))

    def test_planner(self):
        strategy = strategy_on(self.nodes)
        self.assertEqual('weight', strategy.planner)
        strategy.execute(audit=ONESHOT)
        self.assertEqual(plan.NodeResourceConsolidationPlanner.NAME,
                         strategy.planner)

    def test_reasons(self):
        solution = run(self.nodes)
        self.assertEqual(
            'host-A is emptied, as other hosts have room for all its '
            'servers (1); the scheduler of Nova chooses the destination',
            solution.actions[2].reason)
        self.assertEqual(
            {'host-B': 'other hosts do not take all of its servers',
             'host-C': 'it takes servers of other hosts'},
            dict(solution.explanation.ruled_out))
        self.assertEqual('1 of 3 hosts with servers to empty by 1 '
                         'migration', solution.explanation.reason)

    def test_twice_the_same(self):
        situation = strategy_on(self.nodes).gather(ONESHOT)
        self.assertEqual(nrc.decide(situation), nrc.decide(situation))

    def test_nothing_to_empty_changes_no_host(self):
        solution = run(cloud(A={'a1': 16}, B={'b1': 16}, C={}))
        self.assertEqual([], brief(solution))
        self.assertEqual('no-room', solution.explanation.code)
        self.assertIn('vm-a1', solution.explanation.reason)
        self.assertIn('host-B has too little vCPU: 16 needed, 0 free',
                      solution.explanation.reason)
        self.assertEqual('idle', run(cloud(A={})).explanation.code)

    def test_hosts_that_are_not_touched(self):
        nodes = {
            models.node('A'): [models.instance('a1')],
            models.node('B'): [models.instance('b1', vcpus=8)],
            models.node('C', status='disabled', disabled_reason='DIMM'): [],
            models.node('D', state='down'): []}
        self.assertEqual(
            [('disabled', 'host-A', nrc.REASON),
             ('live', 'vm-a1', 'host-A', None),
             ('enabled', 'host-A', None)], brief(run(nodes)))


class TestSpecify(base.TestCase):
    """The strategy chooses the destinations."""

    def test_worked_example(self):
        solution = run(cloud(A={'a1': 2, 'a2': 6}, B={'b1': 9},
                             C={'c1': 13}), 'specify')
        self.assertEqual([('live', 'vm-a2', 'host-A', 'host-B'),
                          ('live', 'vm-a1', 'host-A', 'host-C')],
                         brief(solution))
        self.assertEqual((3, 1, 2), figures(solution))
        self.assertAlmostEqual(
            33.3333, solution.global_efficacy[0].value, places=3)
        why = solution.actions[0].explanation
        self.assertIn('host-B has the fewest free vCPUs of all hosts with '
                      'room', why.reason)
        self.assertEqual(
            [('host-A', 8, 0, 16), ('host-B', 9, 15, 16)],
            [(m.of, m.before, m.after, m.limit) for m in why.measures])

    def test_other_words_mean_the_same(self):
        self.assertEqual(
            [('live', 'vm-a1', 'host-A', 'host-B')],
            brief(run(cloud(A={'a1': 1}, B={'b1': 2}), 'best')))

    def test_all_servers_are_looked_at(self):
        nodes = cloud(A={f'a{n}': 1 for n in range(1, 6)}, B={'b1': 6})
        solution = run(nodes, 'specify')
        self.assertEqual({'host-B'}, {action[3]
                                      for action in brief(solution)})
        self.assertEqual((2, 1, 5), figures(solution))

    def test_all_or_nothing(self):
        nodes = cloud(A={'a1': 2, 'a2': 8}, B={'b1': 13})
        solution = run(nodes, 'specify')
        self.assertEqual([], brief(solution))
        self.assertEqual((2, 0, 0), figures(solution))

    def test_a_destination_serves_several_hosts(self):
        nodes = cloud(A={'a1': 2}, B={'b1': 3}, C={'c1': 10})
        self.assertEqual([('live', 'vm-a1', 'host-A', 'host-C'),
                          ('live', 'vm-b1', 'host-B', 'host-C')],
                         brief(run(nodes, 'specify')))

    def test_room_is_used_up(self):
        nodes = cloud(A={'a1': 4}, B={'b1': 5}, C={'c1': 10})
        self.assertEqual([('live', 'vm-a1', 'host-A', 'host-C')],
                         brief(run(nodes, 'specify')))

    def test_memory_and_disk_count(self):
        for size in ({'memory': 65536}, {'disk': 990}):
            nodes = {
                models.node('A'): [models.instance('a1', **size)],
                models.node('B', vcpus=4): [models.instance('b1', vcpus=4)]}
            self.assertEqual([], brief(run(nodes, 'specify')))

    def test_states_and_exclusions(self):
        nodes = {
            models.node('A'): [models.instance('a1', state='stopped')],
            models.node('B'): [models.instance('b1', vcpus=3,
                                               watcher_exclude=True)],
            models.node('C'): [models.instance('c1', vcpus=4,
                                               state='error')],
            models.node('D'): [models.instance('d1', vcpus=8)]}
        solution = run(nodes, 'specify')
        self.assertEqual([('cold', 'vm-a1', 'host-A', 'host-D')],
                         brief(solution))
        self.assertEqual(
            {'host-B': 'a server has to stay: it is excluded by the scope '
                       'of the audit',
             'host-C': 'a server has to stay: it is error and so cannot be '
                       'migrated live',
             'host-D': 'it takes servers of other hosts'},
            dict(solution.explanation.ruled_out))

    def test_hosts_that_take_nothing(self):
        for fields in ({'status': 'disabled', 'disabled_reason': 'DIMM'},
                       {'status': 'disabled',
                        'disabled_reason': 'watcher_disabled'},
                       {'state': 'down'}):
            nodes = {models.node('A'): [models.instance('a1')],
                     models.node('B', **fields): [
                         models.instance('b1', vcpus=8,
                                         watcher_exclude=True)]}
            self.assertEqual([], brief(run(nodes, 'specify')))

    def test_shares_count_not_numbers(self):
        nodes = {
            models.node('A', vcpus=4): [models.instance('a1', vcpus=3)],
            models.node('B', vcpus=64): [models.instance('b1', vcpus=4)],
            models.node('C', vcpus=12): [models.instance('c1', vcpus=8)]}
        self.assertEqual([('live', 'vm-b1', 'host-B', 'host-C')],
                         brief(run(nodes, 'specify')))

    def test_the_result_is_final(self):
        """Field report test 27."""
        self.assertEqual([], brief(run(
            cloud(A={}, B={'b1': 9, 'a2': 6}, C={'c1': 13, 'a1': 2}),
            'specify')))


class TestFailures(db_base.DatabaseTestCase):
    """Hosts are left alone from which a migration failed before."""

    def setUp(self):
        super().setUp()
        self.nodes = cloud(A={'a1': 2}, B={'b1': 4}, C={'c1': 10})

    def audit(self, kind, *failed):
        audit = self.records.audit(audit_type=kind)
        plan = self.records.action_plan(audit_id=audit.id)
        for name in failed:
            self.records.action(
                action_plan_id=plan.id, action_type='migrate',
                state='FAILED',
                input_parameters={'resource_id': models.uuid(name)})
        return SimpleNamespace(audit_type=kind, uuid=audit.uuid)

    def test_continuous(self):
        solution = run(self.nodes, audit=self.audit('CONTINUOUS', 'a1'))
        self.assertEqual(
            [('disabled', 'host-B', nrc.REASON),
             ('live', 'vm-b1', 'host-B', None),
             ('enabled', 'host-B', None)], brief(solution))
        self.assertIn('a migration of one of its servers failed',
                      solution.explanation.ruled_out['host-A'])

    def test_one_query(self):
        audit = self.audit('CONTINUOUS', 'a1', 'b1')
        strategy = strategy_on(self.nodes)
        with self.statements() as sent:
            situation = strategy.gather(audit)
        self.assertEqual(1, len(sent))
        self.assertEqual({0, 1}, situation.failed)

    def test_oneshot_audits_do_not_look_back(self):
        solution = run(self.nodes, audit=self.audit('ONESHOT', 'a1'))
        self.assertEqual(('disabled', 'host-A', nrc.REASON),
                         brief(solution)[0])

    def test_servers_that_are_gone_do_not_matter(self):
        audit = self.audit('CONTINUOUS', 'gone')
        self.assertEqual(brief(run(self.nodes)),
                         brief(run(self.nodes, audit=audit)))


class TestPropertiesOfAuto(properties.StrategyProperties, base.TestCase):
    STRATEGY = nrc.NodeResourceConsolidation

    def test_the_check_of_plans_finds_nothing_to_mend(self):
        """Although it can only guess where Nova will put servers."""
        plans = []
        for way in ('off', 'enforce'):
            made = []
            for seed in self.SEEDS:
                model = clouds.random_cloud(seed, self.HOSTS, self.SERVERS)
                strategy = self.make(model, seed)
                self.config('watcher_strategies', plan_check=way)
                solution = strategy.execute()
                made.append((solution.actions, solution.remarks,
                             consolidation.figures(solution)))
            plans.append(made)
        self.assertEqual(*plans)


class TestPropertiesOfSpecify(properties.StrategyProperties, base.TestCase):
    STRATEGY = nrc.NodeResourceConsolidation

    def parameters(self, model, seed):
        return {'host_choice': 'specify'}

    def test_hosts_are_emptied_whole_or_not_at_all(self):
        for model, _strategy, solution in self.runs():
            left = {}
            for parameters in self.moves(solution):
                left.setdefault(parameters['source_node'], set()).add(
                    parameters['resource_id'])
            for host, servers in left.items():
                node = model.get_node_by_name(host)
                self.assertEqual(
                    {server.uuid for server
                     in model.get_node_instances(node)}, servers)
            self.assertEqual(len(left), consolidation.figures(solution)[1])
