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
"""Tests of what plans would do."""

import random

import hypothesis
from hypothesis import strategies as st

from watcher.decision_engine.model import element
from watcher.decision_engine.model import model_root
from watcher.decision_engine.model import scheduling
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import destinations
from watcher.decision_engine.strategy.common import settings
from watcher.decision_engine.strategy.common import simulation
from watcher.tests import base
from watcher.tests.fixtures import clouds
from watcher.tests.fixtures import models

RELAXED = hypothesis.settings(deadline=None, derandomize=True,
                              max_examples=40)
SEEDS = st.integers(0, 10 ** 6)
STEPS = st.lists(st.tuples(st.integers(0, 23), st.integers(0, 5)),
                 max_size=12)


def migrate(server, source, destination=None, kind='live'):
    parameters = {'resource_id': models.uuid(server),
                  'migration_type': kind, 'source_node': f'host-{source}'}
    if destination:
        parameters['destination_node'] = f'host-{destination}'
    return {'action_type': 'migrate', 'input_parameters': parameters}


def change(host, state):
    return {'action_type': 'change_nova_service_state', 'input_parameters': {
        'resource_id': models.uuid(host), 'resource_name': f'host-{host}',
        'state': state}}


def switch(host, state):
    return {'action_type': 'change_node_power_state',
            'input_parameters': {'resource_id': models.uuid(f'under-{host}'),
                                 'resource_name': f'host-{host}',
                                 'state': state}}


def state_of(nodes, groups=()):
    """Make a state of hosts of 4 vCPUs with the names of their servers."""
    model = models.cloud({
        node if not isinstance(node, str) else models.node(node, vcpus=4):
        [server if not isinstance(server, str) else models.instance(server)
         for server in servers] for node, servers in nodes.items()})
    model.server_groups = tuple(
        scheduling.ServerGroup(
            id=models.uuid(policy), name='web', policy=policy,
            members=tuple(models.uuid(name) for name in members))
        for policy, members in groups)
    return cluster.ClusterState.from_model(model)


def begin(nodes, groups=(), **options):
    return simulation.Simulation(state_of(nodes, groups),
                                 settings.Settings(**options))


class TestApply(base.TestCase):

    def placed(self, made):
        return {server.name: made.state.hosts[host].hostname
                for server, host in zip(made.state.servers,
                                        made.state.host_of, strict=True)
                if host != cluster.NOWHERE}

    def test_migration(self):
        made = begin({'A': ['a'], 'B': []})
        self.assertIsNone(made.apply(migrate('a', 'A', 'B')))
        self.assertEqual({'vm-a': 'host-B'}, self.placed(made))

    def refuses(self, text, made, action):
        before = made.state.host_of.tolist()
        self.assertIn(text, made.apply(action))
        self.assertEqual(before, made.state.host_of.tolist())

    def test_what_would_not_work(self):
        server = models.instance('s', state='stopped')
        hidden = models.instance('x', watcher_exclude=True)
        made = begin({
            'A': ['a', server, hidden], 'B': ['b', 'c'],
            models.node('C', status='disabled', disabled_reason='DIMM'): []})
        for text, action in (
                ('host-B has too little vCPU: 2 needed, 0 free',
                 migrate('a', 'A', 'B')),
                ('host-C is disabled (DIMM)', migrate('a', 'A', 'C')),
                ('is not on host-B', migrate('a', 'B', 'A')),
                ('it is stopped and so cannot be migrated live',
                 migrate('s', 'A', 'B')),
                ('excluded by the scope', migrate('x', 'A', 'B')),
                ('there is no way to move a server called warp',
                 migrate('a', 'A', 'B', 'warp'))):
            self.refuses(text, made, action)

    def test_what_is_not_known_changes_nothing(self):
        made = begin({'A': ['a']})
        for action in (migrate('z', 'A', 'B'), change('Z', 'disabled'),
                       {'action_type': 'stop', 'input_parameters': {
                           'resource_id': models.uuid('z')}},
                       {'action_type': 'sleep', 'input_parameters': {
                           'duration': 1}}):
            self.assertIsNone(made.apply(action))
        self.assertEqual({'vm-a': 'host-A'}, self.placed(made))

    def test_destination_outside_the_scope(self):
        made = begin({'A': ['a', 'b'], 'B': ['c']})
        self.assertIsNone(made.apply(migrate('a', 'A', 'Z')))
        self.assertEqual({'vm-b': 'host-A', 'vm-c': 'host-B'},
                         self.placed(made))

    def test_nova_chooses(self):
        made = begin({'A': ['a'], models.node('B', memory=16384): [],
                      'C': []})
        self.assertIsNone(made.apply(migrate('a', 'A')))
        self.assertEqual({'vm-a': 'host-C'}, self.placed(made))

    def test_nova_may_know_more_hosts(self):
        made = begin({'A': ['a']})
        self.assertIsNone(made.apply(migrate('a', 'A')))
        self.assertEqual({}, self.placed(made))

    def test_limits_hold_where_nova_chooses(self):
        made = begin({'A': ['a', 'b'], 'B': [], 'C': []}, max_migrations=1)
        made.apply(migrate('a', 'A'))
        self.refuses('the plan moves 1 server already', made,
                     migrate('b', 'A'))

    def test_services(self):
        made = begin({
            'A': ['a', 'b'], models.node('B', status='disabled'): []})
        self.refuses('is disabled', made, migrate('a', 'A', 'B'))
        self.assertIsNone(made.apply(change('B', 'enabled')))
        self.assertIsNone(made.apply(migrate('a', 'A', 'B')))
        made.apply(change('B', 'disabled'))
        self.refuses('the plan disables host-B', made,
                     migrate('b', 'A', 'B'))

    def test_host_that_is_down_cannot_be_used(self):
        made = begin({models.node('A', state='down', status='disabled'): []})
        self.assertEqual('host-A is down; nothing can be placed there',
                         made.apply(change('A', 'enabled')))

    def test_host_that_the_plan_switches_on_can_be_used(self):
        made = begin({models.node('A', state='down', status='disabled'): []})
        self.assertIsNone(made.apply(switch('A', 'on')))
        self.assertIsNone(made.apply(change('A', 'enabled')))

    def test_only_empty_hosts_are_switched_off(self):
        made = begin({'A': ['a'], 'B': []})
        self.assertEqual('1 server is on host-A',
                         made.apply(switch('A', 'off')))
        self.assertIsNone(made.apply(switch('B', 'off')))
        self.refuses('the plan switches host-B off', made,
                     migrate('a', 'A', 'B'))
        self.assertIsNone(made.apply(switch('elsewhere', 'off')))

    def test_stopped_servers_move_cold(self):
        made = begin({'A': ['a'], 'B': []})
        stop = {'action_type': 'stop', 'input_parameters': {
            'resource_id': models.uuid('a')}}
        self.assertIsNone(made.apply(stop))
        self.refuses('it is stopped', made, migrate('a', 'A', 'B'))
        self.refuses('it is stopped', made, stop)
        self.assertIsNone(made.apply(migrate('a', 'A', 'B', 'cold')))


class TestArrange(base.TestCase):

    def test_a_good_order_stays(self):
        actions = [migrate('a', 'A', 'B'), migrate('b', 'A', 'B')]
        made = simulation.arrange(actions, begin({'A': ['a', 'b'], 'B': []}))
        self.assertEqual((actions, [], False),
                         (made.actions, made.refused, made.reordered))
        self.assertEqual([1, 1], made.state.host_of.tolist())

    def test_room_has_to_be_made_first(self):
        # B is full until b leaves, and C until c does.
        actions = [migrate('a', 'A', 'B'), migrate('b1', 'B', 'C'),
                   migrate('c1', 'C', 'D')]
        made = simulation.arrange(actions, begin({
            'A': ['a'], 'B': ['b1', 'b2'], 'C': ['c1', 'c2'], 'D': []}))
        self.assertEqual(actions[::-1], made.actions)
        self.assertTrue(made.reordered)
        self.assertEqual([], made.refused)

    def test_one_that_leaves_makes_room_for_one(self):
        actions = [migrate('a1', 'A', 'B'), migrate('a2', 'A', 'B'),
                   migrate('b1', 'B', 'C')]
        made = simulation.arrange(actions, begin({
            'A': ['a1', 'a2'], 'B': ['b1', 'b2'], 'C': []}))
        self.assertEqual([actions[2], actions[0]], made.actions)
        (refused, reason), = made.refused
        self.assertEqual(actions[1], refused)
        self.assertIn('host-B has too little vCPU', reason)

    def test_circle(self):
        actions = [migrate('a1', 'A', 'B'), migrate('b1', 'B', 'A')]
        made = simulation.arrange(actions, begin({
            'A': ['a1', 'a2'], 'B': ['b1', 'b2']}))
        self.assertEqual([], made.actions)
        self.assertEqual(actions, [action for action, _why in made.refused])
        for _action, why in made.refused:
            self.assertIn('0 free; the servers that would make room there '
                          'have to wait for room themselves', why)

    def test_who_waits_for_nobody(self):
        made = simulation.arrange([migrate('a', 'A', 'B')], begin({
            'A': ['a'], 'B': ['b1', 'b2']}))
        (_action, why), = made.refused
        self.assertNotIn('have to wait', why)

    def test_host_is_enabled_first(self):
        actions = [migrate('a', 'A', 'B'), change('B', 'enabled')]
        made = simulation.arrange(actions, begin({
            'A': ['a'], models.node('B', status='disabled'): []}))
        self.assertEqual(actions[::-1], made.actions)

    def test_a_host_is_switched_off_when_it_is_empty(self):
        actions = [switch('A', 'off'), migrate('a1', 'A', 'B'),
                   migrate('a2', 'A', 'B')]
        nodes = {'A': ['a1', 'a2'], 'B': []}
        made = simulation.arrange(actions, begin(nodes))
        self.assertEqual([*actions[1:], actions[0]], made.actions)
        self.assertEqual([set(), set(), {0, 1}],
                         simulation.needs(made.actions, state_of(nodes)))
        made = simulation.arrange(actions[:2], begin(nodes))
        self.assertEqual([(actions[0], '1 server is on host-A')],
                         made.refused)

    def test_members_of_a_group_make_way(self):
        actions = [migrate('a', 'A', 'B'), migrate('b', 'B', 'C')]
        made = simulation.arrange(actions, begin(
            {'A': ['a'], 'B': ['b'], 'C': []},
            [('anti-affinity', ('a', 'b'))]))
        self.assertEqual(actions[::-1], made.actions)

    @RELAXED
    @hypothesis.given(SEEDS, STEPS)
    def test_every_prefix_works(self, seed, steps):
        model = clouds.random_cloud(seed)
        state = cluster.ClusterState.from_model(model)
        actions = [
            {'action_type': 'migrate', 'input_parameters': {
                'resource_id': state.servers[server].uuid,
                'migration_type': 'live',
                'source_node': state.hosts[state.host_of[server]].hostname,
                'destination_node': state.hosts[host].hostname}}
            for server, host in steps]
        made = simulation.arrange(
            actions, simulation.Simulation(state.copy()))
        self.assertEqual(len(actions),
                         len(made.actions) + len(made.refused))
        again = simulation.Simulation(state.copy())
        for action in made.actions:
            self.assertIsNone(again.apply(action))
        self.assertEqual(made.state.host_of.tolist(),
                         again.state.host_of.tolist())
        for action, _reason in made.refused:
            self.assertIsNotNone(again.apply(action))
        self.assertEqual([], state.moves)


class TestPools(base.TestCase):
    """Volumes of 40 GB; pool a has 50 GB free, b 10, c tells nothing."""

    def setUp(self):
        super().setUp()
        self.model = model_root.StorageModelRoot()
        for name, free in (('a', 50), ('b', 10), ('c', None)):
            node = element.StorageNode(
                host=f'h@{name}', zone='nova', volume_type=[])
            self.model.add_node(node)
            pool = element.Pool(name=f'h@{name}#p', free_capacity_gb=free)
            self.model.add_pool(pool)
            self.model.map_pool(pool.name, node.host)
        for uuid, name in (('v1', 'a'), ('v2', 'b'), ('v3', None)):
            self.model.add_volume(element.Volume(
                uuid=uuid, size=40, name=uuid, attachments=[],
                bootable=False, metadata={}, host=name and f'h@{name}#p'))

    def begin(self):
        return simulation.Simulation(
            state_of({}), pools=simulation.Pools(self.model))

    def move(self, volume, pool=None):
        parameters = {'resource_id': volume, 'migration_type': 'migrate'}
        if pool:
            parameters['destination_node'] = f'h@{pool}#p'
        return {'action_type': 'volume_migrate',
                'input_parameters': parameters}

    def test_what_is_free_follows(self):
        made = self.begin()
        self.assertIsNone(made.apply(self.move('v2', 'a')))
        self.assertEqual({'h@a#p': 10.0, 'h@b#p': 50.0}, made.pools.free)
        self.assertEqual('h@a#p', made.pools.pool_of['v2'])
        self.assertEqual(50, self.model.get_pool_by_pool_name(
            'h@a#p').free_capacity_gb)

    def test_what_would_not_work(self):
        made = self.begin()
        self.assertEqual(
            'h@b#p has too little room for volume v1: 40 GB needed, 10 GB '
            'free', made.apply(self.move('v1', 'b')))
        self.assertEqual('volume v1 is in h@a#p already',
                         made.apply(self.move('v1', 'a')))

    def test_disks_of_stopped_servers(self):
        for state, refused in (('paused', False), ('stopped', True)):
            model = models.storage({'h@a#p': ({}, [models.volume(
                'v', status='in-use', attachments=models.attached('s'))])})
            made = simulation.Simulation(
                state_of({'A': [models.instance('s', state=state)]}),
                pools=simulation.Pools(model))
            problem = made.apply(self.move(models.uuid('v'), 'b'))
            self.assertEqual(refused, 'is stopped' in (problem or ''))

    def test_what_is_not_known_forbids_nothing(self):
        made = self.begin()
        for action in (self.move('v1', 'c'), self.move('v3', 'z'),
                       self.move('v9', 'a'), self.move('v2')):
            self.assertIsNone(made.apply(action))
        self.assertEqual({'h@a#p': 90.0, 'h@b#p': 50.0}, made.pools.free)

    def test_room_has_to_be_made_first(self):
        actions = [self.move('v1', 'b'), self.move('v2', 'a')]
        made = simulation.arrange(actions, self.begin())
        self.assertEqual(actions[::-1], made.actions)

    def needs(self, *moves):
        return simulation.needs([self.move(*move) for move in moves],
                                state_of({}), simulation.Pools(self.model))

    def test_room_has_to_be_waited_for_when_moves_run_side_by_side(self):
        self.assertEqual([set(), {0}],
                         self.needs(('v2', 'a'), ('v1', 'b')))
        # There is room without it.
        self.assertEqual([set(), set()],
                         self.needs(('v1', 'c'), ('v2', 'a')))
        self.assertEqual([set(), {0}, set(), set()], self.needs(
            ('v2', 'c'), ('v2', 'a'), ('v3', 'c'), ('v9', 'a')))
        self.assertEqual([set()], simulation.needs(
            [self.move('v1', 'b')], state_of({})))

    def test_nobody_asks_about_volumes(self):
        made = begin({})
        self.assertIsNone(made.apply(self.move('v1', 'a')))


class TestNeeds(base.TestCase):

    def test_room_that_is_there_need_not_be_waited_for(self):
        found = simulation.needs(
            [migrate('b', 'B', 'C'), migrate('a', 'A', 'B')],
            state_of({'A': ['a'], 'B': ['b'], 'C': []}))
        self.assertEqual([set(), set()], found)

    def test_room_that_others_make(self):
        found = simulation.needs(
            [migrate('b1', 'B', 'C'), migrate('b2', 'B', 'C'),
             migrate('a', 'A', 'B')],
            state_of({'A': ['a'], 'B': ['b1', 'b2'], 'C': []}))
        self.assertEqual([set(), set(), {0, 1}], found)

    def test_those_before_have_taken_the_room(self):
        found = simulation.needs(
            [migrate('a', 'A', 'B'), migrate('b', 'B', 'C'),
             migrate('c', 'A', 'B')],
            state_of({'A': ['a', 'c'], 'B': ['b'], 'C': []}))
        self.assertEqual([set(), set(), {1}], found)

    def test_enabling(self):
        found = simulation.needs(
            [change('B', 'enabled'), migrate('a', 'A', 'B'),
             change('A', 'disabled')], state_of({'A': ['a'], 'B': []}))
        self.assertEqual([set(), {0}, set()], found)

    def test_members_of_groups_wait(self):
        found = simulation.needs(
            [migrate('b', 'B', 'C'), migrate('a', 'A', 'B')],
            state_of({'A': ['a'], 'B': ['b'], 'C': []},
                     [('anti-affinity', ('a', 'b'))]))
        self.assertEqual([set(), {0}], found)

    def test_further_resources_have_to_be_freed_first(self):
        # Of all else there is room enough.
        model = models.cloud({models.node('A'): [models.instance('a')],
                              models.node('B'): [models.instance('b')],
                              models.node('C'): []})
        model.inventories = {'VGPU': {models.uuid(name): 1.0
                                      for name in 'ABC'}}
        for name in 'ab':
            model.set_wishes(models.uuid(name), scheduling.Wishes(
                {'resources:VGPU': '1'}))
        self.assertEqual([set(), {0}], simulation.needs(
            [migrate('b', 'B', 'C'), migrate('a', 'A', 'B')],
            cluster.ClusterState.from_model(model)))

    def test_hosts_may_be_named_by_uuid(self):
        enable = change('B', 'enabled')
        del enable['input_parameters']['resource_name']
        self.assertEqual([set(), {0}], simulation.needs(
            [enable, migrate('a', 'A', 'B')],
            state_of({'A': ['a'], 'B': []})))

    def test_actions_of_others(self):
        self.assertEqual([set(), set()], simulation.needs(
            [{'action_type': 'other', 'input_parameters': parameters}
             for parameters in (None, {'resource_id': ['a', 'b']})],
            state_of({'A': ['a']})))

    def test_one_server_after_the_other(self):
        stop = {'action_type': 'stop', 'input_parameters': {
            'resource_id': models.uuid('a')}}
        found = simulation.needs(
            [stop, migrate('a', 'A'), migrate('z', 'A', 'B')],
            state_of({'A': ['a']}))
        self.assertEqual([set(), {0}, set()], found)


class _SideBySide:
    """Moves that run at the same time: each fills both hosts meanwhile."""

    def __init__(self, state, actions):
        self._state = state
        self._moves = [
            (state.server_index[action['input_parameters']['resource_id']],
             state.host_named(action['input_parameters']['source_node']),
             state.host_named(action['input_parameters']['destination_node']))
            for action in actions]
        self._free = state.free.copy()
        self._on = [set(state.servers_on(host))
                    for host in range(len(state.hosts))]

    def begin(self, number):
        """Return what Nova would say against it, None if nothing."""
        server, _source, host = self._moves[number]
        demand = self._state.demand[server]
        lacks = ((demand > self._free[host]) & (demand > 0)).any()
        self._free[host] -= demand
        broken = [group.id for group in self._state.facts.server_groups
                  if group.policy == scheduling.ANTI_AFFINITY
                  and self._state.servers[server].uuid in group.members
                  and len(self._members(group) & self._on[host])
                  >= group.max_per_host]
        self._on[host].add(server)
        return (number, lacks, broken) if lacks or broken else None

    def _members(self, group):
        return {self._state.server_index[uuid] for uuid in group.members}

    def end(self, number):
        server, source, _host = self._moves[number]
        self._free[source] += self._state.demand[server]
        self._on[source].discard(server)


class TestSideBySide(base.TestCase):

    @RELAXED
    @hypothesis.given(SEEDS)
    def test_whoever_waits_finds_room_in_any_course(self, seed):
        dice = random.Random(seed)
        state = cluster.ClusterState.from_model(clouds.random_cloud(seed))
        movable = [server for server in range(len(state.servers))
                   if state.servers[server].state == 'active']
        actions = simulation.arrange([
            {'action_type': 'migrate', 'input_parameters': {
                'resource_id': state.servers[server].uuid,
                'migration_type': 'live',
                'source_node': state.hosts[state.host_of[server]].hostname,
                'destination_node': dice.choice(state.hosts).hostname}}
            for server in movable],
            simulation.Simulation(state.copy())).actions
        needs = simulation.needs(actions, state)
        course = _SideBySide(state, actions)
        waiting, running, ended = set(range(len(actions))), set(), set()
        while waiting or running:
            number = dice.choice(sorted(running | {
                number for number in waiting if needs[number] <= ended}))
            if number in running:
                course.end(number)
                running.discard(number)
                ended.add(number)
            else:
                self.assertIsNone(course.begin(number))
                waiting.discard(number)
                running.add(number)


class TestCompare(base.TestCase):

    def compared(self, server, host):
        before = state_of({'A': ['a'], 'B': ['b'], 'C': []})
        after = before.copy()
        after.move(server, host)
        return simulation.compare(
            before, after, simulation.GOAL_MEASURES['server_consolidation'])

    def test_better(self):
        found = self.compared(0, 1)
        self.assertEqual(([], 'hosts_in_use 2 -> 1'),
                         (found.worse, str(found)))

    def test_the_same_is_not_worse(self):
        self.assertEqual([], self.compared(0, 2).worse)

    def test_worse(self):
        before = state_of({'A': ['a', 'b'], 'B': []})
        after = before.copy()
        after.move(0, 1)
        self.assertEqual(['hosts_in_use'], simulation.compare(
            before, after,
            {'hosts_in_use': simulation.hosts_in_use}).worse)

    def test_rounding_is_not_worse(self):
        state = state_of({'A': []})
        values = iter((0.3, 0.1 + 0.2))
        self.assertEqual([], simulation.compare(
            state, state, {'sum': lambda _state: next(values)}).worse)


class TestRules(base.TestCase):

    def test_rules_of_the_caller_are_used(self):
        state = state_of({'A': ['a'], 'B': []})
        rules = destinations.DestinationRules(state, filters=[])
        rules.close(1, 'no')
        made = simulation.Simulation(state, rules=rules)
        self.assertIn('no', made.apply(migrate('a', 'A', 'B')))
