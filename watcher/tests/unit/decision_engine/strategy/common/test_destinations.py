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
"""Tests of where servers may go."""

from unittest import mock

import hypothesis
from hypothesis import strategies as st

from watcher.common import exception
from watcher.common.nova import records
from watcher.decision_engine.model import requests
from watcher.decision_engine.model import scheduling
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import destinations
from watcher.decision_engine.strategy.common import settings
from watcher.decision_engine.strategy.common.filters import base as filters
from watcher.decision_engine.strategy.common.filters import extra_specs
from watcher.decision_engine.strategy.common.filters import server_group
from watcher.tests import base
from watcher.tests.fixtures import clouds
from watcher.tests.fixtures import models

RELAXED = hypothesis.settings(deadline=None, derandomize=True,
                              max_examples=40)
SEEDS = st.integers(0, 10 ** 6)
STEPS = st.lists(st.tuples(st.integers(0, 23), st.integers(0, 5)),
                 max_size=12)


def cloud(**nodes):
    """Make hosts with the names of their servers."""
    return models.cloud({
        models.node(name): [models.instance(server) for server in servers]
        for name, servers in nodes.items()})


def rules_of(model, **options):
    state = cluster.ClusterState.from_model(model)
    return destinations.DestinationRules(state, settings.Settings(**options))


def group(policy, *members, **fields):
    return scheduling.ServerGroup(
        id=models.uuid('group'), name='web', policy=policy,
        members=tuple(models.uuid(name) for name in members), **fields)


def aggregate(metadata, *hosts):
    return records.Aggregate(
        id=1, name='one', availability_zone=None, hosts=list(hosts),
        metadata=metadata)


class RulesTestCase(base.TestCase):

    def refuses(self, text, rules, server, host):
        """Check a refusal, in words and in the mask."""
        self.assertEqual(text, rules.why_not(server, host))
        self.assertFalse(rules.allows(server, host))
        self.assertFalse(rules.mask(server)[host])

    def allows(self, rules, server, *hosts):
        """Check that exactly these hosts are allowed."""
        self.assertEqual(list(hosts), rules.select(server))
        for host in hosts:
            self.assertIsNone(rules.why_not(server, host))


class TestRules(RulesTestCase):

    def test_the_host_it_is_on_is_no_destination(self):
        self.refuses('it is on host-A already',
                     rules_of(cloud(A=['a'], B=[])), 0, 0)

    def test_hosts_that_are_down_or_disabled_by_anybody(self):
        rules = rules_of(models.cloud({
            models.node('A'): [models.instance('a')],
            models.node('B', state='down'): [],
            models.node('C', status='disabled', disabled_reason='bad DIMM'):
                [],
            models.node('D', status='disabled'): [], models.node('E'): []}))
        self.allows(rules, 0, 4)
        self.refuses('the compute service of host-B is down', rules, 0, 1)
        self.refuses('host-C is disabled (bad DIMM)', rules, 0, 2)
        self.refuses('host-D is disabled (no reason given)', rules, 0, 3)

    def test_a_plan_opens_and_closes_hosts(self):
        rules = rules_of(models.cloud({
            models.node('A'): [models.instance('a')],
            models.node('B', status='disabled'): [], models.node('C'): []}))
        rules.open(1)
        rules.close(2, 'host-C is to be emptied')
        self.allows(rules, 0, 1)
        self.assertEqual('host-C is to be emptied', rules.why_closed(2))

    def test_room(self):
        rules = rules_of(models.cloud({
            models.node('A'): [models.instance('a', vcpus=3)],
            models.node('B', vcpus=4): [models.instance('b')]}))
        self.refuses('host-B has too little vCPU: 3 needed, 2 free',
                     rules, 0, 1)

    def test_in_the_order_that_was_given(self):
        rules = rules_of(cloud(A=['a'], B=[], C=[]))
        self.assertEqual([2, 1], rules.select(0, [2, 1, 0]))

    def test_why_there_is_no_host_at_all(self):
        rules = rules_of(models.cloud({
            models.node('A'): [models.instance('a')],
            models.node('B', state='down'): [],
            models.node('C', vcpus=1): [], models.node('D', vcpus=1): []}))
        self.assertEqual(
            'host-C has too little vCPU: 2 needed, 1 free (and 1 more '
            'host); the compute service of host-B is down',
            rules.why_nowhere(0))
        self.assertEqual('there is no other host',
                         rules_of(cloud(A=['a'])).why_nowhere(0))
        self.assertIsNone(rules_of(cloud(A=['a'], B=[])).why_nowhere(0))

    def test_hosts_refused_alike_form_a_group(self):
        model = models.cloud({
            models.node('A'): [models.instance('a')],
            models.node('B', state='down'): [models.instance('b')],
            models.node('C', vcpus=1): [], models.node('D', vcpus=1): [],
            models.node('E'): [models.instance('e')], models.node('F'): []})
        model.server_groups = (group('anti-affinity', 'a', 'e'),)
        self.assertEqual(
            {'host-B': 'it is down or disabled, or the plan empties it',
             'host-C': 'it has too little room',
             'host-D': 'it has too little room',
             'host-E': 'refused by ServerGroupFilter'},
            rules_of(model).ruled_out(0, range(1, 6)))
        self.assertEqual({}, rules_of(model).ruled_out(0, [5]))

    def test_hosts_that_have_received_enough_are_ruled_out(self):
        rules = rules_of(cloud(A=['a'], B=['b'], C=[]),
                         max_migrations_per_destination=1)
        rules.state.move(1, 2)
        self.assertEqual({'host-C': 'a limit of the plan is reached'},
                         rules.ruled_out(0, [1, 2]))

    def test_unknown_filter(self):
        self.assertRaises(
            exception.LoadingError, rules_of, cloud(A=[]),
            destination_filters=('no_such_filter',))

    def test_filters_can_be_switched_off(self):
        model = cloud(A=['a'], B=['b'])
        model.server_groups = (group('anti-affinity', 'a', 'b'),)
        self.allows(rules_of(model), 0)
        self.allows(rules_of(model, destination_filters=()), 0, 1)

    def test_why_a_server_should_not_be_where_it_is(self):
        model = cloud(A=['a', 'b'], B=[])
        model.server_groups = (group('anti-affinity', 'a', 'b'),)
        rules = rules_of(model)
        self.assertEqual('host-A has another member of the anti-affinity '
                         'group web', rules.why_not_stay(0))
        rules.state.move(0, 1)
        self.assertIsNone(rules.why_not_stay(1))


class _OddHosts(filters.DestinationFilter):
    """A filter of a third party, as simple as can be."""

    def why_not(self, server, host):
        return None if host % 2 else 'the number of the host is even'


class TestThirdPartyFilter(RulesTestCase):

    def test_one_method_is_enough(self):
        state = cluster.ClusterState.from_model(cloud(A=['a'], B=[], C=[]))
        rules = destinations.DestinationRules(
            state, filters=[_OddHosts(config=None)])
        self.allows(rules, 0, 1)
        self.refuses('the number of the host is even', rules, 0, 2)
        self.assertIsNone(rules.penalty(0))
        self.assertEqual([], _OddHosts.get_config_opts())


class TestServerGroups(RulesTestCase):

    def test_apart(self):
        model = cloud(A=['a'], B=['b'], C=[])
        model.server_groups = (group('anti-affinity', 'a', 'b'),)
        rules = rules_of(model)
        self.allows(rules, 0, 2)
        self.refuses('host-B has another member of the anti-affinity group '
                     'web', rules, 0, 1)

    def test_planned_moves_count_and_those_taken_back_do_not(self):
        model = cloud(A=['a'], B=['b'], C=[])
        model.server_groups = (group('anti-affinity', 'a', 'b'),)
        rules = rules_of(model)
        rules.state.move(1, 2)
        self.allows(rules, 0, 1)
        rules.state.undo()
        self.allows(rules, 0, 2)

    def test_so_many_may_be_together(self):
        model = cloud(A=['a'], B=['b'], C=['c', 'd'])
        model.server_groups = (
            group('anti-affinity', 'a', 'b', 'c', 'd', max_per_host=2),)
        self.allows(rules_of(model), 0, 1)

    def test_together(self):
        model = cloud(A=['a', 'b'], B=[], C=['c'])
        model.server_groups = (group('affinity', 'a', 'b'),)
        rules = rules_of(model)
        self.allows(rules, 0)
        self.refuses('host-B has no other member of the affinity group web',
                     rules, 0, 1)
        self.allows(rules, 2, 0, 1)

    def test_who_is_apart_may_only_join(self):
        model = cloud(A=['a'], B=['b'], C=[])
        model.server_groups = (group('affinity', 'a', 'b'),)
        self.allows(rules_of(model), 0, 1)

    def test_who_is_alone_stays(self):
        # For Nova the group is where he is, and nowhere else.
        model = cloud(A=['a'], B=[], C=[])
        model.server_groups = (group('affinity', 'a'),)
        rules = rules_of(model)
        self.allows(rules, 0)
        self.refuses('host-B has no other member of the affinity group web',
                     rules, 0, 1)
        self.assertIsNone(rules.why_not_stay(0))

    def test_members_outside_the_scope(self):
        model = cloud(A=['a'], B=[])
        model.server_groups = (group('affinity', 'a', 'far away'),)
        self.allows(rules_of(model), 0)
        model.server_groups = (group('anti-affinity', 'a', 'far away'),)
        self.allows(rules_of(model), 0, 1)

    def test_soft_rules_are_wishes(self):
        model = cloud(A=['a'], B=['b', 'c'], C=[])
        model.server_groups = (group('soft-anti-affinity', 'a', 'b', 'c'),)
        rules = rules_of(model)
        self.allows(rules, 0, 1, 2)
        self.assertEqual([0, 2, 0], rules.penalty(0).tolist())
        model.server_groups = (group('soft-affinity', 'a', 'b', 'c'),)
        self.assertEqual([0, -2, 0], rules_of(model).penalty(0).tolist())
        self.assertIsNone(rules_of(cloud(A=['a'])).penalty(0))


class TestZones(RulesTestCase):

    def setUp(self):
        super().setUp()
        self.model = cloud(A=['a'], B=[], C=[])
        self.model.zones = {'host-A': 'north', 'host-B': 'south',
                            'host-C': 'north'}

    def test_bound(self):
        self.model.pinned_zones_known = True
        self.model.set_wishes(models.uuid('a'),
                              scheduling.Wishes(pinned_az='north'))
        rules = rules_of(self.model)
        self.allows(rules, 0, 2)
        self.refuses('it is bound to the availability zone north, and '
                     'host-B is in south', rules, 0, 1)

    def test_not_bound(self):
        self.model.pinned_zones_known = True
        self.allows(rules_of(self.model), 0, 1, 2)

    def test_not_known_whether_it_is_bound(self):
        rules = rules_of(self.model)
        self.allows(rules, 0, 2)
        self.refuses('it may be bound to the availability zone north, and '
                     'host-B is in south', rules, 0, 1)

    def test_zones_not_known(self):
        self.model.zones = None
        self.allows(rules_of(self.model), 0, 1, 2)


class TestAggregates(RulesTestCase):

    def wishing(self, **specs):
        self.model = cloud(A=['a'], B=[], C=[])
        self.model.set_wishes(models.uuid('a'), scheduling.Wishes(
            {key.replace('__', ':'): value for key, value in specs.items()}))
        return self.model

    def test_extra_specs_with_scope(self):
        model = self.wishing(aggregate_instance_extra_specs__ssd='true')
        model.aggregates = (aggregate({'ssd': 'true'}, 'host-A', 'host-C'),)
        rules = rules_of(model)
        self.allows(rules, 0, 2)
        self.refuses('its flavor wants an aggregate with ssd=true, and '
                     'host-B is in none', rules, 0, 1)

    def test_other_scopes_are_not_meant(self):
        model = self.wishing(hw__cpu_policy='shared', quota='1')
        model.aggregates = (aggregate({'cpu_policy': 'dedicated'},
                                      'host-B'),)
        self.allows(rules_of(model), 0, 1, 2)

    def test_without_scope_if_an_aggregate_has_the_key(self):
        model = self.wishing(ssd='true')
        model.aggregates = (aggregate({'ssd': 'false'}, 'host-B'),
                            aggregate({'ssd': 'true'}, 'host-C'))
        self.allows(rules_of(model), 0, 2)

    def test_aggregates_without_hosts_in_the_scope(self):
        model = cloud(A=['a'], B=[])
        model.set_wishes(models.uuid('a'),
                         scheduling.Wishes({'ssd': 'true'}))
        model.aggregates = (aggregate({'ssd': 'true'}, 'elsewhere'),)
        self.allows(rules_of(model), 0)

    def test_aggregates_not_known(self):
        model = self.wishing(aggregate_instance_extra_specs__ssd='true')
        self.allows(rules_of(model), 0, 1, 2)

    def test_hosts_kept_for_projects(self):
        model = cloud(A=['a'], B=[], C=[], D=[])
        model.aggregates = (
            aggregate({'filter_tenant_id': 'another'}, 'host-B'),
            aggregate({'filter_tenant_id_2': 'another, '
                       + models.uuid('project')}, 'host-C'))
        rules = rules_of(model)
        self.allows(rules, 0, 2, 3)
        self.refuses('host-B is kept for other projects', rules, 0, 1)


class TestOperators(base.TestCase):

    def test_all(self):
        for given, wanted, expected in (
                ('a', 'a', True), ('a', 'b', False), ('', '', True),
                ('4', '= 3', True), ('2', '= 3', False),
                ('3', '== 3.0', True), ('3', '!= 3', False),
                ('3', '>= 4', False), ('3', '<= 4', True),
                ('x', '>= 4', False), ('b', 's> a', True),
                ('b', 's== b', True), ('b', 's!= b', False),
                ('b', 's< a', False), ('b', 's<= b', True),
                ('a', 's>= b', False), ('b', '<or> a <or> b', True),
                ('c', '<or> a <or> b', False), ('abc', '<in> b', True),
                ('abc', '<in> d', False), ('abc', '<all-in> a c', True),
                ('abc', '<all-in> a d', False), ('abc', '<in>', False),
                ('abc', '<all-in>', False), ('abc', 's!=', False),
                ('a', '<or>', False), ('a', 's== a b', True),
                ('3', '== 3 4', True), ('a b', 'a b', True)):
            self.assertIs(expected, extra_specs.match(given, wanted),
                          (given, wanted))


class TestPlacement(RulesTestCase):

    def wishing(self, **specs):
        model = cloud(A=['a', 'b'], B=['c'], C=[])
        for name in 'abc':
            model.set_wishes(models.uuid(name), scheduling.Wishes(
                {key.replace('__', ':'): value
                 for key, value in specs.items()}))
        return model

    def test_required_trait(self):
        model = self.wishing(trait__CUSTOM_X='required')
        model.traits = {'CUSTOM_X': frozenset((models.uuid('C'),))}
        rules = rules_of(model)
        self.allows(rules, 0, 2)
        self.refuses('CUSTOM_X is required, and host-B has not that trait',
                     rules, 0, 1)

    def test_forbidden_trait(self):
        model = self.wishing(trait__CUSTOM_X='forbidden')
        model.traits = {'CUSTOM_X': frozenset((models.uuid('C'),))}
        rules = rules_of(model)
        self.allows(rules, 0, 1)
        self.refuses('CUSTOM_X is forbidden, and host-C has that trait',
                     rules, 0, 2)

    def test_groups_of_requests_forbid_nothing_to_the_host(self):
        model = self.wishing(trait1__CUSTOM_X='forbidden')
        model.traits = {'CUSTOM_X': frozenset((models.uuid('C'),))}
        self.allows(rules_of(model), 0, 1, 2)

    def test_traits_not_known(self):
        self.allows(rules_of(self.wishing(trait__CUSTOM_X='required')),
                    0, 1, 2)

    def test_further_resources(self):
        model = self.wishing(resources__VGPU='1')
        model.inventories = {'VGPU': {models.uuid('A'): 2,
                                      models.uuid('B'): 2}}
        rules = rules_of(model)
        self.allows(rules, 0, 1)
        self.refuses('host-C has too little VGPU: 1 needed, 0 free',
                     rules, 0, 2)
        rules.state.move(1, 1)
        self.refuses('host-B has too little VGPU: 1 needed, 0 free',
                     rules, 0, 1)
        rules.state.undo()
        self.allows(rules, 0, 1)

    def test_dedicated_cpus(self):
        model = self.wishing(hw__cpu_policy='dedicated')
        model.inventories = {'PCPU': dict.fromkeys(
            map(models.uuid, 'ABC'), 3)}
        rules = rules_of(model)
        self.allows(rules, 0, 2)
        self.refuses('host-B has too little PCPU: 2 needed, 1 free',
                     rules, 0, 1)

    def test_amounts(self):
        model = self.wishing(resources__VGPU='1')
        model.inventories = {'VGPU': {models.uuid('A'): 4.0,
                                      models.uuid('B'): 4.0,
                                      models.uuid('C'): 4.0}}
        model.units = {
            'VGPU': {models.uuid('C'): scheduling.Units(step=2)},
            'VCPU': {models.uuid('B'): scheduling.Units(most=1)},
            'MEMORY_MB': {models.uuid('elsewhere'): scheduling.Units(most=1)},
            'DISK_GB': {models.uuid('A'): scheduling.Units(least=50)}}
        rules = rules_of(model)
        self.allows(rules, 0)
        self.refuses('host-B gives VCPU in amounts of at most 1: 2 needed',
                     rules, 0, 1)
        self.refuses('host-C gives VGPU in amounts of multiples of 2: 1 '
                     'needed', rules, 0, 2)
        self.refuses('host-A gives DISK_GB in amounts of at least 50: 20 '
                     'needed', rules, 2, 0)

    def test_dedicated_cpus_are_no_others(self):
        model = self.wishing(hw__cpu_policy='dedicated')
        model.inventories = {'PCPU': {models.uuid('A'): 4.0,
                                      models.uuid('C'): 4.0}}
        model.units = {'VCPU': {models.uuid('C'): scheduling.Units(most=1)}}
        self.allows(rules_of(model), 0, 2)

    def test_flavors_are_read_once(self):
        model = self.wishing()
        shared = scheduling.Wishes({'resources:VGPU': '1'})
        for name in 'abc':
            model.set_wishes(models.uuid(name), shared)
        model.inventories = {'VGPU': {models.uuid('A'): 2.0,
                                      models.uuid('B'): 2.0}}
        with mock.patch.object(requests, 'request_of',
                               side_effect=requests.request_of) as read:
            self.allows(rules_of(model), 0, 1)
        self.assertEqual(1, read.call_count)

    def test_what_nobody_is_known_to_offer(self):
        model = self.wishing(resources__CUSTOM_Y='1',
                             resources__VCPU='2')
        model.inventories = {}
        self.allows(rules_of(model), 0, 1, 2)


class TestLimits(RulesTestCase):

    def test_total(self):
        rules = rules_of(cloud(A=['a', 'b'], B=['c'], C=[]),
                         max_migrations=2)
        rules.state.move(0, 2)
        self.allows(rules, 1, 1, 2)
        rules.state.move(1, 2)
        self.refuses('the plan moves 2 servers already', rules, 2, 0)
        # It moves anyhow.
        self.allows(rules, 1, 0, 1)

    def test_source(self):
        rules = rules_of(cloud(A=['a', 'b'], B=['c'], C=[]),
                         max_migrations_per_source=1)
        rules.state.move(0, 2)
        self.refuses('1 server leaves host-A already', rules, 1, 1)
        self.allows(rules, 2, 0, 2)

    def test_destination(self):
        rules = rules_of(cloud(A=['a', 'b'], B=[], C=[]),
                         max_migrations_per_destination=1)
        rules.state.move(0, 2)
        self.refuses('host-C receives 1 server already', rules, 1, 2)
        self.allows(rules, 1, 1)

    def test_project(self):
        rules = rules_of(models.cloud({
            models.node('A'): [
                models.instance('a'), models.instance('b'),
                models.instance('c', project_id=models.uuid('p2'))],
            models.node('B'): []}), max_migrations_per_project=1)
        rules.state.move(0, 1)
        project = models.uuid('project')
        self.refuses(f'the plan moves 1 server of the project {project} '
                     'already',
                     rules, 1, 1)
        self.allows(rules, 2, 1)

    def test_what_is_taken_back_does_not_count(self):
        rules = rules_of(cloud(A=['a', 'b'], B=[]), max_migrations=1)
        rules.state.move(0, 1)
        rules.state.move(0, 0)
        self.allows(rules, 1, 1)
        rules.state.move(0, 1)
        rules.state.undo()
        self.allows(rules, 1, 1)

    def test_moves_from_before_count(self):
        state = cluster.ClusterState.from_model(cloud(A=['a', 'b'], B=[]))
        state.move(0, 1)
        rules = destinations.DestinationRules(
            state, settings.Settings(max_migrations=1))
        self.refuses('the plan moves 1 server already', rules, 1, 1)


class TestProperties(base.TestCase):

    LIMITS = {'max_migrations': 5, 'max_migrations_per_source': 2,
              'max_migrations_per_destination': 2,
              'max_migrations_per_project': 4}

    @RELAXED
    @hypothesis.given(SEEDS, STEPS, st.booleans())
    def test_masks_say_what_questions_say(self, seed, steps, limited):
        rules = rules_of(clouds.random_cloud(seed, parts=True),
                         **(self.LIMITS if limited else {}))
        for server, host in steps:
            rules.state.move(server, host)
        hosts = range(len(rules.state.hosts))
        for server in range(len(rules.state.servers)):
            allowed = [rules.why_not(server, host) is None for host in hosts]
            self.assertEqual(allowed, rules.mask(server).tolist())
            self.assertEqual(
                any(allowed), rules.why_nowhere(server) is None)
            self.assertEqual(
                {rules.state.hosts[host].hostname for host in hosts
                 if not allowed[host]
                 and rules.state.host_of[server] != host},
                set(rules.ruled_out(server, (
                    host for host in hosts
                    if rules.state.host_of[server] != host))))

    @RELAXED
    @hypothesis.given(SEEDS, STEPS)
    def test_following_is_the_same_as_starting_anew(self, seed, steps):
        # Without parts: which one gives what depends on who comes first.
        followed = rules_of(clouds.random_cloud(seed))
        for server, host in steps:
            followed.state.move(server, host)
        moved = followed.state.copy()
        # Bound is who was in the zone at first.
        moved.initial_host_of = followed.state.initial_host_of
        anew = destinations.DestinationRules(moved)
        for server in range(len(moved.servers)):
            self.assertEqual(anew.mask(server).tolist(),
                             followed.mask(server).tolist())

    @RELAXED
    @hypothesis.given(SEEDS, STEPS)
    def test_who_obeys_breaks_nothing(self, seed, steps):
        rules = rules_of(clouds.random_cloud(seed, parts=True),
                         **self.LIMITS)
        state = rules.state
        for server, host in steps:
            if rules.allows(server, host):
                state.move(server, host)
        gained = {move.destination for move in state.moves}
        for host in gained:
            self.assertTrue(state.hosts[host].up
                            and state.hosts[host].enabled)
        for move in state.moves:
            self.assertIsNone(rules.why_not_stay(move.server))
        # Room: none that received anything has less than nothing of what
        # was given to it.
        for move in state.moves:
            demand = state.demand[move.server]
            free = state.free[move.destination]
            self.assertTrue(((free >= 0) | (demand == 0)).all())
        self.assertLessEqual(len(state.moves), 5)

    def test_whoever_has_no_groups_costs_nothing(self):
        model = cloud(A=['a'], B=[])
        rule = server_group.ServerGroupFilter(config=None)
        rule.prepare(cluster.ClusterState.from_model(model))
        self.assertIsNone(rule.mask(0))
