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

import datetime
import random
from unittest import mock

import hypothesis
from hypothesis import strategies as st

from watcher.common import utils
from watcher.decision_engine.strategy.common import outcome
from watcher.decision_engine.strategy.common import settings
from watcher.decision_engine.strategy.common import stability
from watcher.decision_engine.strategy.common import storage
from watcher.decision_engine.strategy.strategies import (
    storage_capacity_balance as balance,
)
from watcher.tests import base
from watcher.tests.fixtures import models
from watcher.tests.unit.decision_engine.strategy import properties

P1, P2, P3 = 'h1@b1#p1', 'h2@b2#p2', 'h3@b3#p3'


def told(total, free, **more):
    return {'total_capacity_gb': total, 'free_capacity_gb': free,
            'allocated_capacity_gb': (total - free if isinstance(
                total, int) and isinstance(free, int) else total), **more}


def begin(pools, types=None, snapshots=(), ex_pools=('local_vstorage',),
          **parameters):
    strategy = balance.StorageCapacityBalance(
        utils.Struct(ex_pools=list(ex_pools)))
    strategy._storage_model = models.storage(pools, types)
    strategy._snapshots = lambda: frozenset(map(models.uuid, snapshots))
    utils.StrictDefaultValidatingDraft4Validator(
        strategy.get_schema()).validate(parameters)
    strategy.input_parameters.update(parameters)
    return strategy


def run(*args, **parameters):
    return begin(*args, **parameters).execute()


def brief(solution):
    """Return the actions as short tuples."""
    return [(given['resource_name'], given['migration_type'],
             given.get('destination_node') or given.get('destination_type'))
            for given in (action['input_parameters']
                          for action in solution.actions)]


class TestWorkedExample(base.TestCase):

    TYPES = {'gold': {'volume_backend_name': 'b1', 'tier': 'g'},
             'gold2': {'volume_backend_name': 'b2', 'tier': 'g'},
             'silver2': {'volume_backend_name': 'b2', 'tier': 's'}}

    def run_on(self, **parameters):
        volumes = [
            models.volume('v1', 10), models.volume('v2', 5,
                                                   volume_type='gold'),
            models.volume('v3', 20, status='in-use',
                          attachments=models.attached('s')),
            models.volume('v4', 8, status='error'), models.volume('v5', 1)]
        return run({P1: (told(100, 5), volumes), P2: (told(100, 70), []),
                    P3: (told(100, 50), [])}, self.TYPES, ['v5'],
                   **parameters)

    def test_with_change_of_types(self):
        solution = self.run_on(retype=True)
        self.assertEqual([('v2', 'retype', 'gold2'), ('v1', 'migrate', P2),
                          ('v3', 'migrate', P2)], brief(solution))
        self.assertEqual(
            {'action_type': 'volume_migrate', 'input_parameters': {
                'resource_id': models.uuid('v2'), 'resource_name': 'v2',
                'migration_type': 'retype', 'destination_type': 'gold2'}},
            solution.actions[0])
        self.assertEqual(
            {'action_type': 'volume_migrate', 'input_parameters': {
                'resource_id': models.uuid('v1'), 'resource_name': 'v1',
                'migration_type': 'migrate', 'destination_node': P2}},
            solution.actions[1])

    def test_volumes_keep_their_types_unless_asked(self):
        """Field report test 33."""
        self.assertEqual([('v1', 'migrate', P2), ('v3', 'migrate', P2)],
                         brief(self.run_on()))

    def test_what_is_measured_is_what_was_promised(self):
        """Field report test 30."""
        promised = self.run_on().efficacy.indicators_map
        # v1 and v3 have moved from P1 to P2.
        later = begin({P1: (told(100, 35), []), P2: (told(100, 40), []),
                       P3: (told(100, 50), [])}, self.TYPES)
        measured = later.measure_efficacy(outcome.Outcome())
        for name in ('standard_deviation_after_audit', 'instances_count',
                     'instance_migrations_count'):
            self.assertAlmostEqual(promised[name], measured[name], msg=name)

    def test_planner(self):
        self.assertEqual('weight', self.run_on().strategy.planner)

    def test_reasons(self):
        solution = self.run_on()
        self.assertEqual(
            f'{P1} is too full; {P2} has the greatest free share of the '
            'pools that may take it; used_capacity of h1@b1#p1 95 -> 85 % '
            '(limit 80); used_capacity of h2@b2#p2 30 -> 40 % (limit 80)',
            str(solution.actions[0].explanation))
        self.assertEqual(
            '1 of 3 pools is used to 80 % or more; 2 volumes move, and 0 '
            'pools remain', solution.explanation.reason)

    def test_efficacy(self):
        solution = self.run_on()
        values = {found.name: found.value
                  for found in solution.efficacy_indicators}
        self.assertEqual(
            (0, 0), (values['instance_migrations_count'],
                     values['instances_count']))
        self.assertGreater(values['standard_deviation_before_audit'],
                           values['standard_deviation_after_audit'])
        self.assertEqual([0], [found.value
                               for found in solution.global_efficacy])


class TestPools(base.TestCase):

    def test_exactly_the_threshold_is_too_full(self):
        for free, count in ((20, 1), (21, 0)):
            solution = run({
                P1: (told(100, free), [models.volume('v', 5)]),
                P2: (told(100, 90), [])})
            self.assertEqual(count, len(solution.actions))
        self.assertEqual('balanced', solution.explanation.code)

    def test_destination_stays_below_the_threshold(self):
        for size, count in ((10, 0), (9, 1)):
            solution = run({
                P1: (told(100, 5), [models.volume('v', size)]),
                P2: (told(100, 30), [])})
            self.assertEqual(count, len(solution.actions))
        self.assertEqual(1, len(solution.actions))

    def test_why_volumes_stay(self):
        solution = run({P1: (told(100, 5), [models.volume('v', 10)]),
                        P2: (told(100, 30), [])})
        self.assertEqual('nothing_movable', solution.explanation.code)
        self.assertEqual(
            ['it would be too full itself'],
            list(solution.explanation.ruled_out.values()))

    def test_pools_that_tell_no_capacity(self):
        """Field report test 33."""
        for total, free in (('unknown', 'unknown'), (None, None), (0, 0),
                            ('infinite', 'infinite'), (100, 'unknown'),
                            ('infinite', 50), ('', '')):
            solution = run({
                P1: (told(100, 5), [models.volume('v', 20)]),
                P2: (told(total, free), [models.volume('w')]),
                P3: (told(100, 90), [])})
            self.assertEqual([('v', 'migrate', P3)], brief(solution))
            self.assertIn(P2, solution.explanation.ruled_out)
        alone = run({P2: (told('infinite', 'infinite'), [])})
        self.assertEqual('no_capacity', alone.explanation.code)

    def test_pools_that_are_left_out(self):
        pools = {P1: (told(100, 5), [models.volume('v')]),
                 P2: (told(100, 90), []), P3: (told(100, 50), [])}
        for ex_pools, where in (([], P2), (['p2'], P3), ([P2], P3)):
            self.assertEqual([('v', 'migrate', where)],
                             brief(run(pools, ex_pools=ex_pools)))
        self.assertEqual([], run(pools, ex_pools=['p1']).actions)

    def test_backends_that_are_disabled_take_nothing(self):
        solution = run({
            P1: (told(100, 5), [models.volume('v')]),
            P2: (told(100, 90, node={'status': 'disabled'}), [])})
        self.assertEqual('no_destination', solution.explanation.code)

    def test_other_zones_take_nothing(self):
        solution = run({
            P1: (told(100, 5, node={'zone': 'north'}), [models.volume('v')]),
            P2: (told(100, 90, node={'zone': 'south'}), [])})
        self.assertEqual([], solution.actions)
        self.assertIn('zone', str(solution.explanation))

    def test_later_pool_of_equal_ones(self):
        solution = run({P1: (told(100, 20), [models.volume('v')]),
                        P2: (told(100, 60), []), P3: (told(200, 120), [])})
        self.assertEqual(P3, brief(solution)[0][2])

    def test_promises_add_up(self):
        """What was planned before counts, and what is provisioned."""
        volumes = [models.volume(f'v{number}', 10) for number in range(3)]
        pools = {P1: (told(100, 10, max_over_subscription_ratio='1.0'),
                      volumes),
                 P2: (told(100, 90, allocated_capacity_gb=70,
                           provisioned_capacity_gb=80), [])}
        solution = run(pools, volume_threshold=60)
        self.assertEqual(2, len(solution.actions))
        self.assertIn('over-subscription', str(solution.explanation))

    def test_emptier_pools_that_cannot_take_it_are_named(self):
        solution = run({
            P1: (told(100, 10), [models.volume('v', 15)]),
            P2: (told(20, 18), []), P3: (told(100, 60), [])})
        self.assertEqual(P3, brief(solution)[0][2])
        self.assertEqual({P2: 'it would be too full itself'},
                         solution.actions[0].explanation.ruled_out)

    def test_dead_band(self):
        settings.Settings.of_strategy('storage_capacity_balance')
        pools = {P1: (told(100, 20), [models.volume(f'v{number}', 5)
                                      for number in range(6)]),
                 P2: (told(100, 90), [])}
        self.assertEqual(1, len(run(pools).actions))
        self.config('watcher_strategies', dead_band=12.5)
        self.assertEqual(3, len(run(pools).actions))


class TestVolumes(base.TestCase):

    def chosen(self, *volumes, types=None, **more):
        self.solution = run({P1: (told(100, 5), list(volumes)),
                             P2: (told(1000, 990), [])}, types, **more)
        return [action[0] for action in brief(self.solution)]

    def test_order(self):
        self.assertEqual(
            ['c', 'a', 'd', 'b'],
            self.chosen(models.volume('a', 3), models.volume(
                'b', 1, status='in-use', bootable=True,
                attachments=models.attached('s')), models.volume(
                'c', 2), models.volume('d', 9, status='in-use',
                                       attachments=models.attached('s')),
                volume_threshold=10))

    def test_volumes_of_stopped_servers_stay(self):
        volumes = [models.volume(f'v{state}', status='in-use',
                                 attachments=models.attached(state))
                   for state in ('active', 'paused', 'stopped')]
        with mock.patch.object(
                balance.StorageCapacityBalance, 'state_of_server',
                lambda _self, uuid: states[uuid]):
            states = {models.uuid(state): state
                      for state in ('active', 'paused', 'stopped')}
            self.assertEqual(['vactive', 'vpaused'],
                             self.chosen(*volumes, volume_threshold=10))

    def test_volumes_that_stay(self):
        settings.Settings.of_strategy('storage_capacity_balance')
        self.config('watcher_strategies', opt_out_metadata=['keep=true'])
        self.assertEqual(['e'], self.chosen(
            models.volume('a', status='error'), models.volume('b'),
            models.volume('c', status='in-use',
                          attachments=models.attached('s', 't')),
            models.volume('d', metadata={'keep': 'true'}),
            models.volume('e'), snapshots=['b'], volume_threshold=10))
        self.assertEqual(4, len(self.solution.explanation.ruled_out))

    def test_volumes_in_migration(self):
        for status in ('migrating', 'error'):
            strategy = begin({P1: (told(100, 5), [models.volume('v')]),
                              P2: (told(100, 90), [])})
            strategy._storage_model.migrating = {models.uuid('v'): status}
            self.assertEqual([], strategy.execute().actions)

    def test_volumes_that_were_moved_lately(self):
        settings.Settings.of_strategy('storage_capacity_balance')
        self.config('watcher_strategies', min_residence=60)
        with mock.patch.object(
                stability, 'recent_moves', return_value={
                    models.uuid('a'): datetime.datetime.min}):
            self.assertEqual(['b'], self.chosen(
                models.volume('a'), models.volume('b'),
                volume_threshold=90))

    def test_typed_volumes_that_fit_are_migrated(self):
        for specs in ({}, {'volume_backend_name': 'b2'}):
            self.chosen(models.volume('v', 20, volume_type='t'),
                        types={'t': specs}, retype=True)
            self.assertEqual([('v', 'migrate', P2)], brief(self.solution))

    def test_no_similar_type(self):
        for other in ({'volume_backend_name': 'b2', 'tier': 's'},
                      {'volume_backend_name': 'b9', 'tier': 'g'}):
            self.assertEqual([], self.chosen(
                models.volume('v', 20, volume_type='t'), types={
                    't': {'volume_backend_name': 'b1', 'tier': 'g'},
                    'other': other}, retype=True))

    def test_moves_per_pool(self):
        self.chosen(*(models.volume(f'v{number}', 5) for number in range(6)),
                    parallel_per_pool=2)
        first, second, third, fourth = self.solution.actions
        self.assertEqual([[], [], [first], [second]], [
            action.after for action in (first, second, third, fourth)])

    def test_second_run(self):
        """Field report test 27."""
        pools = {P1: (told(100, 5), [models.volume('v', 20)]),
                 P2: (told(100, 90), [])}
        solution = run(pools)
        self.assertEqual(1, len(solution.actions))
        moved = run({P1: (told(100, 25), []),
                     P2: (told(100, 70), [models.volume('v', 20)])})
        self.assertEqual([], moved.actions)

    def test_scope(self):
        strategy = begin({P1: (told(100, 5), [models.volume('v')]),
                          P2: (told(100, 90), [])})
        strategy._storage_model.remove_pool(P2)
        self.assertEqual([], strategy.execute().actions)


def random_pools(seed):
    dice = random.Random(seed)
    types = {'any': {}, 'a': {'volume_backend_name': 'a', 'tier': '1'},
             'b': {'volume_backend_name': 'b', 'tier': '1'}}
    pools = {}
    for number in range(dice.randint(2, 6)):
        volumes = [models.volume(
            f'{seed}-{number}-{count}', dice.randint(1, 30),
            status=dice.choice(['available', 'in-use', 'error']),
            bootable=dice.random() < 0.5,
            volume_type=dice.choice([None, *types]))
            for count in range(dice.randint(0, 8))]
        used = sum(volume.size for volume in volumes)
        total = dice.choice([used, used + 10, used * 2, used * 5 + 100])
        capacity = dice.choice([told(total, total - used)] * 8 + [
            told('unknown', 'infinite')])
        capacity['max_over_subscription_ratio'] = dice.choice(
            ['1.0', '20.0'])
        capacity['node'] = {
            'zone': dice.choice(['north'] * 3 + ['south']),
            'status': dice.choice(['enabled'] * 5 + ['disabled'])}
        pools[f'h{number}@{dice.choice("ab")}#p'] = capacity, volumes
    return pools, types


class TestBalanceProperties(base.TestCase):

    @hypothesis.settings(derandomize=True, max_examples=60, deadline=None)
    @hypothesis.given(st.integers(0, 10 ** 6), st.booleans())
    def test_what_always_holds(self, seed, retype):
        pools, types = random_pools(seed)
        model = models.storage(pools, types)
        situation = balance.Situation(
            storage.StorageState.from_model(model), 0.8, 0.8, retype=retype)
        decision = balance.decide(situation)
        before = storage.StorageState.from_model(model)
        self.assertLessEqual(len(decision.left), len(decision.sources))
        moved = [move.volume.uuid for move in decision.moves]
        self.assertEqual(len(set(moved)), len(moved))
        for move in decision.moves:
            self.assertIn(move.source, decision.sources)
            target = before.pools[move.destination]
            self.assertEqual(before.pools[move.source].zone, target.zone)
            self.assertIsNone(target.why_closed())
            self.assertTrue(before.suits(move.type or move.volume.type,
                                         target))
            self.assertIn(move.volume.status, ('available', 'in-use'))
            self.assertTrue(retype or move.type is None)
            before.move(move.volume.uuid, move.destination)
            self.assertLess(target.total - target.free, 0.8 * target.total)
            self.assertLessEqual(target.promised,
                                 target.total * target.ratio)


class TestProperties(properties.StrategyProperties, base.TestCase):

    STRATEGY = balance.StorageCapacityBalance

    def parameters(self, model, seed):
        return {'retype': bool(seed % 2)}

    def prepare(self, strategy, model, seed):
        strategy._storage_model = models.storage(*random_pools(seed))
        strategy._snapshots = frozenset
