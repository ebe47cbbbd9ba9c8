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
"""Tests of the check that plans go through before they are stored."""

from unittest import mock

from watcher.common import utils
from watcher.decision_engine.model import element
from watcher.decision_engine.model import model_root
from watcher.decision_engine.strategy.common import plan_check
from watcher.decision_engine.strategy.common import simulation
from watcher.decision_engine.strategy.common import stability
from watcher.decision_engine.strategy.strategies import base as strategies
from watcher.tests import base
from watcher.tests.fixtures import models

MOVES = [('a', 'A', 'B')]


class Consolidation(strategies.ServerConsolidationBaseStrategy):
    """Moves what it is told to, as plug-ins of third parties may do."""

    moves = MOVES
    #: Whether destinations are named.
    named = True
    #: Why hosts are disabled that are empty then; None: they are not.
    reason = None

    @classmethod
    def get_name(cls):
        return 'a_third_party'

    @classmethod
    def get_display_name(cls):
        return 'A third party'

    @classmethod
    def get_translatable_display_name(cls):
        return 'A third party'

    def pre_execute(self):
        self._pre_execute()

    def do_execute(self, audit=None):
        model = self.compute_model
        for name, source, target in self.moves:
            instance = model.get_instance_by_uuid(models.uuid(name))
            nodes = [model.get_node_by_name(f'host-{host}')
                     for host in (source, target)]
            self.add_action_migrate(
                instance, 'live', *(nodes if self.named else nodes[:1]))
            # They may change their view of the model.
            model.migrate_instance(instance, *nodes)
            if self.reason and not model.get_node_instances(nodes[0]):
                self.solution.add_action(
                    'change_nova_service_state', {
                        'state': 'disabled', 'disabled_reason': self.reason,
                        'resource_name': nodes[0].hostname},
                    resource_id=nodes[0].uuid)

    def post_execute(self):
        self.solution.set_efficacy_indicators(
            compute_nodes_count=3, released_compute_nodes_count=1,
            instance_migrations_count=len(self.solution.actions))


class Balancing(Consolidation):

    @classmethod
    def get_goal_name(cls):
        return 'workload_balancing'

    def post_execute(self):
        self.solution.set_efficacy_indicators(
            instances_count=3, standard_deviation_before_audit=0.5,
            standard_deviation_after_audit=0.1,
            instance_migrations_count=len(self.solution.actions))

    def plan_measures(self):
        return {'most': lambda state: max(
            state.count_on(host) for host in range(len(state.hosts)))}


class Deviating(Balancing):

    def plan_measures(self):
        return {plan_check.DEVIATION: lambda state: (
            0.25 if state.moves else 0.5)}


class Empties(Consolidation):
    """Also disables hosts that are empty from the start."""

    def do_execute(self, audit=None):
        super().do_execute(audit)
        self.solution.add_action(
            'change_nova_service_state', {
                'state': 'disabled', 'disabled_reason': self.reason,
                'resource_name': 'host-D'}, resource_id=models.uuid('D'))

    def post_execute(self):
        self.solution.set_efficacy_indicators(
            compute_nodes_count=4, released_compute_nodes_count=2,
            instance_migrations_count=len(self.moves))


def run(nodes, moves, cls=Consolidation, **attributes):
    strategy = cls(utils.Struct())
    strategy.moves = moves
    for name, value in attributes.items():
        setattr(strategy, name, value)
    strategy._compute_model = models.cloud({
        models.node(name, vcpus=4):
        [models.instance(server) for server in servers]
        for name, servers in nodes.items()})
    return strategy.execute()


def brief(solution):
    return [(action['input_parameters']['resource_name'],
             action['input_parameters'].get('destination_node'))
            for action in solution.actions
            if action['action_type'] == 'migrate']


def disabled(solution):
    return [action['input_parameters']['resource_name']
            for action in solution.actions
            if action['action_type'] == 'change_nova_service_state']


def values(solution):
    return {indicator.name: indicator.value
            for indicator in solution.efficacy_indicators}


class TestPlanCheck(base.TestCase):

    def test_a_good_plan_stays_as_it_is(self):
        solution = run({'A': ['a'], 'B': ['b']}, MOVES)
        self.assertEqual([('vm-a', 'host-B')], brief(solution))
        self.assertEqual([], solution.remarks)
        self.assertEqual(50, 100 * values(solution)[
            'released_compute_nodes_count'] / 2)

    def test_what_cannot_work_is_left_out(self):
        solution = run({'A': ['a', 'c'], 'B': ['b1', 'b2'], 'C': ['d']},
                       [('a', 'A', 'B'), ('c', 'A', 'C')])
        self.assertEqual([('vm-c', 'host-C')], brief(solution))
        self.assertEqual(1, values(solution)['instance_migrations_count'])
        remark, = solution.remarks
        self.assertIn('host-B has too little vCPU: 2 needed, 0 free', remark)

    def test_room_is_made_first(self):
        solution = run({'A': ['a'], 'B': ['b1', 'b2'], 'C': []},
                       [('a', 'A', 'B'), ('b1', 'B', 'C')])
        self.assertEqual([('vm-b1', 'host-C'), ('vm-a', 'host-B')],
                         brief(solution))
        first, second = solution.actions
        self.assertEqual(([], [first]), (first.after, second.after))

    def test_what_makes_things_worse_is_not_recommended(self):
        solution = run({'A': ['a', 'c'], 'B': []}, MOVES)
        self.assertEqual([], solution.actions)
        self.assertEqual(
            ['The plan would make things worse: hosts_in_use 1 -> 2; it is '
             'not recommended.'], solution.remarks)
        self.assertEqual('worse', solution.explanation.code)
        self.assertEqual(
            (0, 0), (values(solution)['instance_migrations_count'],
                     values(solution)['released_compute_nodes_count']))

    def test_where_nova_chooses_nothing_is_thrown_away(self):
        # The guess is C, as most is free there.
        solution = run({'A': ['a', 'c'], 'B': ['b'], 'C': []}, MOVES,
                       named=False)
        self.assertEqual([('vm-a', None)], brief(solution))
        self.assertEqual(
            ['The plan may make things worse: hosts_in_use 2 -> 3, if Nova '
             'places 1 server where most memory is free.'],
            solution.remarks)

    def test_whom_nova_may_find_no_host(self):
        # Where most memory is free the first one takes the last room.
        solution = run({'A': ['a', 'b'], 'B': ['c']},
                       [('a', 'A', 'B'), ('b', 'A', 'B')], named=False)
        self.assertEqual([('vm-a', None), ('vm-b', None)], brief(solution))
        remark, *_others = solution.remarks
        self.assertIn('no host left in the scope of the audit for 1 of them, '
                      'e.g. vm-b', remark)

    def test_hosts_that_are_not_emptied_are_not_lost(self):
        full = {'A': ['a', 'c'], 'B': ['b1', 'b2'], 'C': ['d']}
        moves = [('a', 'A', 'B'), ('c', 'A', 'C')]
        solution = run(full, moves, reason='watcher_disabled')
        self.assertEqual([], disabled(solution))
        self.assertEqual(0, values(solution)['released_compute_nodes_count'])
        self.assertEqual('host-A is not disabled: there are servers that '
                         'stay on it.', solution.remarks[-1])
        # For other reasons that is not why.
        self.assertEqual(['host-A'], disabled(
            run(full, moves, reason='watcher_maintaining')))

    def test_hosts_that_were_empty_stay_released(self):
        solution = run({'A': ['a', 'c'], 'B': ['b1', 'b2'], 'C': ['d'],
                        'D': []},
                       [('a', 'A', 'B'), ('c', 'A', 'C')], Empties,
                       reason='watcher_disabled')
        self.assertEqual(['host-D'], disabled(solution))
        self.assertEqual(1, values(solution)['released_compute_nodes_count'])

    def test_deviation_is_that_of_what_is_left(self):
        solution = run({'A': ['a', 'c'], 'B': ['b1', 'b2'], 'C': []},
                       [('a', 'A', 'B'), ('c', 'A', 'C')], Deviating)
        self.assertEqual([('vm-c', 'host-C')], brief(solution))
        self.assertEqual(0.25, values(solution)[
            'standard_deviation_after_audit'])

    def test_strategies_name_what_they_measure(self):
        solution = run({'A': ['a', 'c'], 'B': []}, MOVES, Balancing)
        self.assertEqual([('vm-a', 'host-B')], brief(solution))
        solution = run({'A': ['a'], 'B': ['b']}, MOVES, Balancing)
        self.assertEqual([], solution.actions)
        self.assertEqual(0.5, values(solution)[
            'standard_deviation_after_audit'])

    def test_report_changes_nothing(self):
        self.config('watcher_strategies', plan_check='report')
        solution = run({'A': ['a', 'c'], 'B': ['b1', 'b2'], 'C': []},
                       [('a', 'A', 'B'), ('c', 'A', 'C')])
        self.assertEqual([('vm-a', 'host-B'), ('vm-c', 'host-C')],
                         brief(solution))
        self.assertEqual(2, values(solution)['instance_migrations_count'])
        self.assertEqual(2, len(solution.remarks))
        self.assertIn('worse: hosts_in_use 2 -> 3.', solution.remarks[1])

    def test_off(self):
        self.config('watcher_strategies', plan_check='off')
        with mock.patch.object(simulation, 'arrange') as arrange:
            solution = run({'A': ['a', 'c'], 'B': []}, MOVES)
        self.assertEqual(1, len(solution.actions))
        self.assertFalse(arrange.called)

    def test_one_strategy_may_be_left_alone(self):
        strategies.settings.Settings.of_strategy('a_third_party')
        self.config('watcher_strategies.a_third_party', plan_check='off')
        solution = run({'A': ['a', 'c'], 'B': []}, MOVES)
        self.assertEqual(1, len(solution.actions))

    def test_volumes_without_servers(self):
        """The storage model alone is looked at, as it was found."""
        model = model_root.StorageModelRoot()
        model.add_volume(element.Volume(
            uuid=models.uuid('v'), size=40, name='v', attachments=[],
            bootable=False, metadata={}, host='full'))
        for name in ('full', 'small'):
            model.add_pool(element.Pool(name=name, free_capacity_gb=10))
        strategy = Balancing(utils.Struct())
        strategy._storage_model = model
        strategy.storage_model.get_pool_by_pool_name(
            'small').free_capacity_gb = 100
        strategy.plan_measures = dict
        strategy.solution.add_action(
            'volume_migrate', {'migration_type': 'migrate',
                               'destination_node': 'small'},
            resource_id=models.uuid('v'))
        strategy._check_plan()
        self.assertEqual([], strategy.solution.actions)
        self.assertIn('small has too little room',
                      strategy.solution.remarks[0])

    def test_plans_of_other_actions_cost_nothing(self):
        strategy = Consolidation(utils.Struct())
        strategy.solution.add_action('nop', {'message': 'hi'})
        plan_check.check(strategy.solution, None, strategy.shared_options,
                         {})
        self.assertEqual(1, len(strategy.solution.actions))

    def test_actions_of_other_kinds_of_solutions(self):
        """Plain dictionaries cannot be told what to wait for."""
        strategy = Consolidation(utils.Struct())
        strategy._compute_model = models.cloud(
            {models.node('A'): [models.instance('a')], models.node('B'): []})
        strategy.do_execute()
        strategy.solution.actions[:] = [
            dict(action) for action in strategy.solution.actions]
        strategy._check_plan()
        self.assertEqual(1, len(strategy.solution.actions))


class TestHelpersOfStrategies(base.TestCase):

    def setUp(self):
        super().setUp()
        self.strategy = Consolidation(utils.Struct())
        self.strategy._compute_model = models.cloud(
            {models.node('A'): [models.instance('a')], models.node('B'): []})

    def test_found_state_is_that_from_before(self):
        self.strategy.do_execute()
        state = self.strategy.found_state()
        self.assertEqual([0], state.host_of.tolist())
        state.move(0, 1)
        self.assertEqual([0], self.strategy.found_state().host_of.tolist())

    def test_rules_have_the_options_of_the_strategy(self):
        self.config('watcher_strategies', max_migrations_per_destination=1)
        state = self.strategy.found_state()
        state.move(0, 1)
        rules = self.strategy.rules_for(state)
        self.assertEqual({1: 1}, rules.limits.by_destination)

    def test_eligibility_knows_what_was_moved_lately(self):
        self.config('watcher_strategies', min_residence=3600)
        state = self.strategy.found_state()
        now = stability.datetime.datetime.now(stability.datetime.UTC)
        with mock.patch.object(stability, 'recent_moves', return_value={
                models.uuid('a'): now}) as read:
            asked = self.strategy.eligibility_for(state)
        self.assertEqual(3600, read.call_args.args[1])
        self.assertIn('stays for 3600', asked.why_not_move(0))

    def test_nothing_is_read_when_nothing_is_to_be_remembered(self):
        with mock.patch.object(stability.objects.Action,
                               'list_columns') as read:
            asked = self.strategy.eligibility_for(
                self.strategy.found_state())
        self.assertIsNone(asked.why_not_move(0))
        self.assertFalse(read.called)
