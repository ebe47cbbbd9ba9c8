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
"""Worked examples, corrected flaws, and the decision itself."""

from unittest import mock

import jsonschema

from watcher.decision_engine.strategy.strategies import _load_balance
from watcher.decision_engine.strategy.strategies import workload_balance
from watcher.tests import base
from watcher.tests.fixtures import models
from watcher.tests.unit.decision_engine.strategy import balancing
from watcher.tests.unit.decision_engine.strategy import metric_properties
from watcher.tests.unit.decision_engine.strategy import properties

CPU, RAM = 'instance_cpu_usage', 'instance_ram_usage'

brief = balancing.brief
hosts = balancing.hosts
indicators = balancing.indicators
server = balancing.server


def prepare(cloud, values, metric=CPU, **parameters):
    """Return the strategy, ready to run.

    :param values: of the metric, by the short names of servers.
    """
    return balancing.prepare(
        workload_balance.WorkloadBalance, cloud, {metric: values},
        {'metrics': metric, **parameters})


def run(cloud, values, **more):
    return prepare(cloud, values, **more).execute()


class TestWorkedExamples(base.TestCase):

    def cpu(self, **parameters):
        return run(hosts(A=[server('a1'), server('a2'), server('a3', 2)],
                         B=[server('b1')], C=[server('c1', 2)],
                         D=[server('d1', 2)]),
                   {'a1': 80, 'a2': 50, 'a3': 90, 'b1': 50, 'c1': 20,
                    'd1': 30}, **{'threshold': 40, **parameters})

    def test_cpu(self):
        solution = self.cpu()
        self.assertEqual([{
            'action_type': 'migrate',
            'input_parameters': {
                'resource_id': models.uuid('a1'), 'migration_type': 'live',
                'source_node': 'host-A', 'destination_node': 'host-C',
                'resource_name': 'vm-a1'}}], solution.actions)
        self.assertEqual({'instance_migrations_count': 1,
                          'instances_count': 6}, indicators(solution))
        [efficacy] = solution.global_efficacy
        self.assertEqual('live_migrations_count', efficacy.name)
        self.assertAlmostEqual(100 / 6, efficacy.value)

    def test_why(self):
        why = self.cpu().actions[0].explanation.to_dict()
        self.assertEqual('overload', why['code'])
        self.assertEqual(
            [('host-A', 43.75, 23.75, 40.0), ('host-C', 2.5, 22.5, 40.0)],
            [(found['of'], found['before'], found['after'], found['limit'])
             for found in why['measures']])

    def test_ram(self):
        solution = run(
            hosts(A=[server('a1'), server('a2')], B=[server('b1')],
                  C=[server('c1')]),
            {'a1': 20000, 'a2': 9000, 'b1': 4000, 'c1': 2000},
            metric=RAM, threshold=40)
        self.assertEqual([('vm-a2', 'host-A', 'host-C')], brief(solution))
        self.assertEqual({'instance_migrations_count': 1,
                          'instances_count': 4}, indicators(solution))
        self.assertAlmostEqual(25, solution.global_efficacy[0].value)

    def test_one_question(self):
        strategy = prepare(
            hosts(A=[server('a1'), server('a2')], B=[server('b1')]),
            {'a1': 80, 'a2': 50, 'b1': 50})
        strategy.execute()
        self.assertEqual([('batch', CPU, 3)],
                         strategy.datasource_backend.questions)

    def test_planner(self):
        self.assertEqual('workload_stabilization',
                         self.cpu().strategy.planner)

    def test_no_source(self):
        solution = self.cpu(threshold=50)
        self.assertEqual([], solution.actions)
        self.assertEqual('balanced', solution.explanation.code)
        self.assertIn('the highest is host-A with 43.75 %',
                      solution.explanation.reason)
        self.assertEqual({'instance_migrations_count': 0,
                          'instances_count': 6}, indicators(solution))
        self.assertEqual(0, solution.global_efficacy[0].value)

    def test_no_target(self):
        solution = self.cpu(threshold=2)
        self.assertEqual([], solution.actions)
        self.assertEqual('no_target', solution.explanation.code)


class TestFlaws(base.TestCase):
    """What went wrong before."""

    def test_a_server_without_a_value_is_left_alone(self):
        solution = run(
            hosts(A=[server('new'), server('a1'), server('a2')], B=[]),
            {'a1': 100, 'a2': 100}, threshold=40)
        self.assertEqual([('vm-a1', 'host-A', 'host-B')], brief(solution))

    def test_another_server_is_tried(self):
        """The most suitable one fits nowhere."""
        solution = run(
            hosts(A=[server('a1', memory=60000), server('a2')],
                  B=[server('b1', memory=20000)],
                  C=[server('c1', memory=20000)]),
            {'a1': 90, 'a2': 80, 'b1': 0, 'c1': 0}, threshold=40)
        self.assertEqual([('vm-a2', 'host-A', 'host-B')], brief(solution))
        [(name, problem)] = solution.explanation.ruled_out.items()
        self.assertIn('vm-a1', name)
        self.assertIn('memory', problem)

    def test_another_source_is_tried(self):
        solution = run(
            hosts(A=[server('a1', watcher_exclude=True), server('a2')],
                  B=[server('b1'), server('b2', 2)], C=[], D=[]),
            {'a1': 100, 'a2': 100, 'b1': 100, 'b2': 100}, threshold=25,
            target_threshold=20)
        # Of 16 vCPUs a2 would take 25 % of any host.
        self.assertEqual([('vm-b2', 'host-B', 'host-C')], brief(solution))

    def test_small_servers_on_big_hosts(self):
        big = {'memory': 8 * 1024 ** 2, 'vcpus': 512}
        solution = run(
            {models.node('A', **big): [server('a1'), server(
                'a2', memory=6 * 1024 ** 2)], models.node('B', **big): []},
            {'a1': 1000, 'a2': 5 * 1024 ** 2}, metric=RAM, threshold=40)
        self.assertEqual([('vm-a1', 'host-A', 'host-B')], brief(solution))

    def test_a_host_without_size(self):
        solution = run(
            {models.node('A'): [server('a1'), server('a2')],
             models.node('B'): [], models.node('Z', vcpus=0): []},
            {'a1': 100, 'a2': 100}, threshold=40)
        self.assertEqual([('vm-a1', 'host-A', 'host-B')], brief(solution))

    def test_unknown_metrics_are_refused(self):
        self.assertRaises(jsonschema.ValidationError, prepare, hosts(A=[]), {},
                          metric='host_cpu_usage')

    def test_idle_servers_stay(self):
        solution = run(hosts(A=[server('a1'), server('a2')], B=[]),
                       {'a1': 0, 'a2': 200}, threshold=40)
        self.assertEqual([], solution.actions)
        self.assertEqual('no_candidate', solution.explanation.code)


class TestUnknown(base.TestCase):
    """No value is not a value of 0 (field report tests 5 to 7)."""

    def cloud(self):
        return hosts(A=[server('a1'), server('a2'), server('a3', 2)],
                     B=[server('b1', vcpus=12)], C=[server('c1')])

    VALUES = {'a1': 100, 'a2': 100, 'a3': 100, 'b1': 10, 'c1': 40}

    def test_no_value_is_no_better_destination(self):
        solution = run(self.cloud(), self.VALUES, threshold=40)
        self.assertEqual([('vm-a1', 'host-A', 'host-B')], brief(solution))
        silent = {**self.VALUES, 'b1': None}
        solution = run(self.cloud(), silent, threshold=40)
        self.assertEqual([('vm-a1', 'host-A', 'host-C')], brief(solution))
        self.assertTrue([remark for remark in solution.remarks
                         if 'vm-b1' in remark])

    def test_zero_is_a_value(self):
        idle = {**self.VALUES, 'b1': 0}
        solution = run(self.cloud(), idle, threshold=40)
        self.assertEqual([('vm-a1', 'host-A', 'host-B')], brief(solution))

    def test_outdated_is_no_value(self):
        strategy = prepare(self.cloud(), self.VALUES, threshold=40)
        strategy._datasource_backend.set(
            CPU, {models.uuid('b1'): 10}, age=9000, stale=True)
        self.assertEqual([('vm-a1', 'host-A', 'host-C')],
                         brief(strategy.execute()))

    def test_stopped_servers_have_no_load(self):
        solution = run(
            hosts(A=[server('a1'), server('a2')],
                  B=[server('b1', vcpus=12, state='stopped')]),
            {'a1': 100, 'a2': 100}, threshold=40)
        self.assertEqual([('vm-a1', 'host-A', 'host-B')], brief(solution))
        self.assertEqual([], solution.remarks)

    def test_nothing_is_known(self):
        solution = run(self.cloud(), {}, threshold=40)
        self.assertEqual([], solution.actions)
        self.assertEqual('no_metrics', solution.explanation.code)

    def test_nothing_is_known_beside_empty_hosts(self):
        """Of an empty host is known that it has no load."""
        solution = run(hosts(A=[server('a1'), server('a2')], B=[]), {},
                       threshold=40)
        self.assertEqual('no_metrics', solution.explanation.code)

    def test_no_value_is_not_shown_as_zero(self):
        solution = run(hosts(A=[server('a1')], B=[server('b1')]),
                       {'b1': 0}, threshold=40)
        self.assertIn('the highest is host-B with 0 %; nothing is known of '
                      '1 host', solution.explanation.reason)
        self.assertEqual(['host-B'], [
            measure.of for measure in solution.explanation.measures])

    def test_a_blind_host_does_not_lower_the_average(self):
        """The average is 5 vCPUs without B, 3.3 with it."""
        solution = run(
            hosts(A=[server('a1'), server('a2', 3), server('a3', 2)],
                  B=[server('b1')], C=[server('c1', 1)]),
            {'a1': 100, 'a2': 100, 'a3': 100, 'c1': 100}, threshold=50)
        self.assertEqual([('vm-a1', 'host-A', 'host-C')], brief(solution))


class TestRules(base.TestCase):

    def test_disabled_and_down_hosts_are_left_alone(self):
        solution = run(
            {models.node('A', status='disabled'): [server('a1'),
                                                   server('a2')],
             models.node('B', state='down'): [],
             models.node('C'): [server('c1'), server('c2', 2)],
             models.node('D'): []},
            {'a1': 100, 'a2': 100, 'c1': 100, 'c2': 100}, threshold=30)
        self.assertEqual([('vm-c2', 'host-C', 'host-D')], brief(solution))

    def test_only_active_servers_move(self):
        solution = run(
            hosts(A=[server('a1', state='paused'), server('a2')], B=[]),
            {'a1': 100, 'a2': 100}, threshold=40)
        self.assertEqual([('vm-a2', 'host-A', 'host-B')], brief(solution))

    def test_the_option_for_the_least_improvement(self):
        self.config('watcher_strategies', min_improvement=60.0)
        solution = run(hosts(A=[server('a1'), server('a2')], B=[]),
                       {'a1': 100, 'a2': 100}, threshold=40)
        self.assertEqual([], solution.actions)
        self.assertIn('are wanted', solution.explanation.reason)


class TestOptionalParameters(base.TestCase):

    def cloud(self):
        return hosts(A=[server(f'a{number}', 2) for number in range(6)],
                     B=[], C=[])

    VALUES = {f'a{number}': 100 for number in range(6)}

    def plan(self, **parameters):
        return run(self.cloud(), self.VALUES,
                   **{'threshold': 40, **parameters})

    def test_one_move_unless_told_otherwise(self):
        self.assertEqual([('vm-a0', 'host-A', 'host-B')],
                         brief(self.plan()))

    def test_moves_end_when_the_host_is_relieved(self):
        solution = self.plan(max_migrations=10)
        self.assertEqual(
            [('vm-a0', 'host-A', 'host-B'), ('vm-a1', 'host-A', 'host-C'),
             ('vm-a2', 'host-A', 'host-B')], brief(solution))
        self.assertEqual('overload', solution.explanation.code)
        self.assertIn('0 when this is done', solution.explanation.reason)

    def test_hosts_that_keep_everything_are_asked_once(self):
        # What is on B is too big to leave it; there is much to do on A.
        cloud = {**self.cloud(), models.node('D', vcpus=4): [
            server('d1', 4)]}
        strategy = prepare(cloud, {**self.VALUES, 'd1': 100}, threshold=40,
                           max_migrations=10)
        balancer = _load_balance._Balancer(strategy.gather())
        with mock.patch.object(balancer, '_candidates',
                               wraps=balancer._candidates) as asked:
            self.assertEqual(3, len(balancer.decide().reliefs))
        self.assertEqual(1, sum(
            call.args == (balancer.state.host_index[models.uuid('D')],)
            for call in asked.call_args_list))

    def test_target(self):
        solution = self.plan(max_migrations=10, target_threshold=26)
        self.assertEqual(4, len(solution.actions))

    def test_dead_band(self):
        solution = self.plan(max_migrations=10, dead_band=35)
        self.assertEqual(4, len(solution.actions))
        self.config('watcher_strategies', dead_band=35.0)
        self.assertEqual(solution.actions,
                         self.plan(max_migrations=10).actions)

    def test_relative_average(self):
        """B has four times the CPUs: A is to keep much less than half."""
        cloud = {models.node('A', vcpus=8): [
            server('a1', 4), server('a2', 3), server('a3', 1)],
            models.node('B', vcpus=32): [server('b1', 4)]}
        values = {'a1': 100, 'a2': 100, 'a3': 100, 'b1': 50}
        moved = [brief(run(cloud, values, threshold=60, **more))[0][0]
                 for more in ({}, {'average': 'relative'})]
        self.assertEqual(['vm-a2', 'vm-a1'], moved)


class TestWithoutDataSource(base.TestCase):
    """Field report 2.5 row 52: what is idle is spread, too."""

    def plan(self, cloud, metric, **parameters):
        strategy = prepare(cloud, {}, metric, max_migrations=9, **parameters)
        strategy._datasource_backend = None
        self.patch(workload_balance.WorkloadBalance, 'datasource_backend',
                   property(lambda _self: self.fail('it is asked')))
        return strategy.execute()

    def test_number_of_servers(self):
        cloud = hosts(A=[server(f'a{number}', 1) for number in range(6)],
                      B=[], C=[])
        solution = self.plan(cloud, 'server_count', threshold=150)
        self.assertEqual(['host-B', 'host-C'] * 2,
                         [move[2] for move in brief(solution)])
        self.assertIn('uses 300 % of its even share of all servers',
                      solution.actions[0].reason)
        self.assertEqual([], self.plan(cloud, 'server_count',
                                       threshold=301).actions)

    def test_allocations(self):
        """Ratios and reserved amounts count, and who is stopped."""
        def cloud():
            return {models.node('A', vcpus=4, vcpu_ratio=2.0): [
                        server('a1', 4, state='stopped'),
                        server('a2', 1), server('a3', 1)],
                    models.node('B', vcpus=8): [],
                    models.node('C', vcpus=8, state='down'): []}
        for threshold, count in ((70, 1), (80, 0)):
            solution = self.plan(cloud(), 'allocated_vcpus',
                                 threshold=threshold, average='relative')
            self.assertEqual(count, len(solution.actions))
        solution = self.plan(cloud(), 'allocated_memory', threshold=10)
        self.assertIn('memory to give away', solution.actions[0].reason)

    def test_nothing_to_do_on_the_resulting_cloud(self):
        for metric, threshold in (('server_count', 120),
                                  ('allocated_vcpus', 30)):
            cloud = hosts(A=[server(f'a{number}', 2) for number in range(6)],
                          B=[], C=[])
            solution = self.plan(cloud, metric, threshold=threshold)
            model = solution.strategy.compute_model
            properties.carry_out(solution, model)
            again = prepare({}, {}, metric, threshold=threshold)
            again._compute_model = model
            self.assertTrue(solution.actions)
            self.assertEqual([], again.execute().actions)


class TestAgain(base.TestCase):
    """Field report test 27: on the resulting cloud there is nothing to do.
    """

    def test_empty(self):
        strategy = prepare(
            hosts(A=[server(f'a{number}', 2) for number in range(6)],
                  B=[], C=[]),
            TestOptionalParameters.VALUES, threshold=40, max_migrations=10)
        solution = strategy.execute()
        model = strategy.compute_model
        properties.carry_out(solution, model)
        again = prepare({}, TestOptionalParameters.VALUES, threshold=40,
                        max_migrations=10)
        again._compute_model = model
        self.assertEqual([], again.execute().actions)


class TestProperties(metric_properties.MetricProperties, base.TestCase):
    STRATEGY = workload_balance.WorkloadBalance

    def parameters(self, model, seed):
        return {'metrics': (CPU, RAM)[seed % 2], 'max_migrations': 5}
