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
"""Tests of the strategy that switches hosts off and on."""

import datetime

import hypothesis
import numpy
from hypothesis import strategies as st

from watcher.common import exception
from watcher.common import utils
from watcher.common.nova import records
from watcher.decision_engine.model import element
from watcher.decision_engine.model import model_root
from watcher.decision_engine.model import scheduling
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import destinations
from watcher.decision_engine.strategy.common import eligibility
from watcher.decision_engine.strategy.common import simulation
from watcher.decision_engine.strategy.strategies import _energy
from watcher.decision_engine.strategy.strategies import _reserve
from watcher.decision_engine.strategy.strategies import saving_energy
from watcher.tests import base
from watcher.tests.fixtures import clouds
from watcher.tests.fixtures import models
from watcher.tests.unit.db import base as db_base
from watcher.tests.unit.decision_engine.strategy import properties

ASLEEP = {'status': 'disabled',
          'disabled_reason': eligibility.SAVING_ENERGY}
OFF = {**ASLEEP, 'state': 'down'}


def machine_of(name):
    """Return the uuid of the bare metal node under a host."""
    return models.uuid(f'machine-{name}')


def machine(name, power='power on', **fields):
    return element.IronicNode(
        uuid=machine_of(name), power_state=power, **{
            'maintenance': False, 'maintenance_reason': None,
            'extra': {'compute_node_id': models.uuid(name)}, **fields})


def racks(*machines):
    model = model_root.BaremetalModelRoot()
    for node in machines:
        model.add_node(node)
    return model


def prepare(compute, machines, switched=None, **given):
    """Return a strategy; options are told from parameters by their names."""
    names = {opt.name for opt in saving_energy.OPTS}
    strategy = saving_energy.SavingEnergy(utils.Struct(
        {name: value for name, value in given.items() if name in names}))
    strategy._compute_model = compute
    strategy._baremetal_model = racks(*machines)
    strategy.input_parameters.update({
        'free_used_percent': 10.0, 'min_free_hosts_num': 1,
        **{name: value for name, value in given.items()
           if name not in names}})
    return strategy


class EnergyTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.switched = {}
        self.patch(saving_energy, 'recent_switching',
                   lambda *args: self.switched)

    def run_on(self, compute, machines, **given):
        return prepare(compute, machines, **given).execute()

    @staticmethod
    def brief(solution):
        """Return (type, host, state) of each action."""
        short = {'change_node_power_state': 'power',
                 'change_nova_service_state': 'service', 'sleep': 'sleep'}
        return [(short[action['action_type']],
                 action['input_parameters'].get('resource_name'),
                 action['input_parameters'].get('state'))
                for action in solution.actions]

    def power(self, solution):
        return [(name, state) for kind, name, state in self.brief(solution)
                if kind == 'power']


class TestWorkedExample(EnergyTestCase):

    def plan(self, **given):
        compute = models.cloud({
            models.node('A'): [models.instance(name)
                               for name in ('a1', 'a2', 'a3')],
            models.node('B'): [models.instance('b1')],
            models.node('C'): [], models.node('D'): [],
            models.node('E'): [], models.node('F'): [],
            models.node('G', state='down'): []})
        return self.run_on(compute, [
            *map(machine, 'ABCD'), machine('E', 'power off'),
            machine('F', None), machine('G')], **given)

    def test_defaults(self):
        solution = self.plan()
        self.assertEqual(
            [('service', 'host-C', 'disabled'), ('sleep', None, None),
             ('power', 'host-C', 'off')], self.brief(solution))
        self.assertEqual(
            [{'resource_id': models.uuid('C'), 'resource_name': 'host-C',
              'state': 'disabled', 'disabled_reason':
              'watcher_saving_energy'},
             {'duration': 30},
             {'resource_id': machine_of('C'), 'resource_name': 'host-C',
              'state': 'off'}],
            [action['input_parameters'] for action in solution.actions])
        service, sleep, power = solution.actions
        self.assertEqual([service], sleep.after)
        self.assertEqual([service, sleep], power.after)
        self.assertIsNone(solution.global_efficacy)

    def test_as_many_as_there_have_to_be(self):
        solution = self.plan(free_used_percent=100)
        self.assertEqual([], solution.actions)
        self.assertEqual('balanced', solution.explanation.code)

    def test_too_few(self):
        for given in ({'free_used_percent': 150}, {'min_free_hosts_num': 5}):
            self.assertEqual([('power', 'host-E', 'on')],
                             self.brief(self.plan(**given)))

    def test_parts_do_not_count(self):
        self.assertEqual([('host-C', 'off')], self.power(
            self.plan(min_free_hosts_num=1.9)))

    def test_negative_numbers(self):
        for percent in (-1, -1000):
            self.assertEqual(
                [('host-C', 'off'), ('host-D', 'off')],
                self.power(self.plan(min_free_hosts_num=-3,
                                     free_used_percent=percent)))

    def test_any_number(self):
        self.assertEqual([('host-E', 'on')], self.power(
            self.plan(min_free_hosts_num=1e308, free_used_percent=1e308)))

    def test_the_reasons(self):
        solution = self.plan()
        why = solution.actions[-1].explanation
        self.assertEqual('too_many', why.code)
        self.assertEqual(
            [('free_hosts_on', 2, 1, 1)],
            [(m.name, m.before, m.after, m.limit) for m in why.measures])
        self.assertEqual(
            {'host-F': 'its power state is not known',
             'host-G': 'it runs, but its compute service is down'},
            why.ruled_out)
        self.assertIn('1 to switch off', solution.explanation.reason)
        for action in solution.actions:
            self.assertTrue(action.reason)


class TestWhatIsSpared(EnergyTestCase):

    def test_hosts_disabled_by_others_and_under_maintenance(self):
        compute = models.cloud({
            models.node('A'): [models.instance('a')],
            models.node('B'): [],
            models.node('C', status='disabled', disabled_reason='bad DIMM'):
                [],
            models.node('D', status='disabled',
                        disabled_reason='watcher_maintaining'): [],
            models.node('E'): [], models.node('F', **OFF): [],
            models.node('G', state='down', status='disabled'): []})
        machines = [*map(machine, 'ABCD'),
                    machine('E', maintenance=True,
                            maintenance_reason='fan'),
                    machine('F', 'power off', maintenance=True),
                    machine('G', 'power off')]
        solution = self.run_on(compute, machines)
        self.assertEqual([], solution.actions)
        left = solution.explanation.ruled_out
        self.assertIn('bad DIMM', left['host-C'])
        self.assertIn('watcher_maintaining', left['host-D'])
        self.assertIn('fan', left['host-E'])
        solution = self.run_on(compute, machines, min_free_hosts_num=9)
        self.assertEqual([], solution.actions)
        self.assertEqual('none_to_switch_on', solution.explanation.code)

    def test_hosts_with_excluded_or_building_servers(self):
        for fields in ({'watcher_exclude': True}, {'state': 'building'},
                       {'state': 'stopped'}):
            compute = models.cloud({
                models.node('A'): [models.instance('a', **fields)],
                models.node('B'): []})
            self.assertEqual([], self.run_on(
                compute, map(machine, 'AB')).actions)

    def test_hosts_outside_the_scope_and_nodes_without_a_host(self):
        compute = models.cloud({models.node('A'): [], models.node('B'): []})
        solution = self.run_on(compute, [
            *map(machine, 'ABXY'), machine('Z', extra={})])
        self.assertEqual([('host-A', 'off')], self.power(solution))
        self.assertTrue([remark for remark in solution.remarks
                         if '1 bare metal nodes' in remark])

    def test_hosts_that_two_nodes_claim(self):
        compute = models.cloud({models.node('A'): [], models.node('B'): [],
                                models.node('C'): []})
        twin = machine('twin', extra={'compute_node_id': models.uuid('A')})
        solution = self.run_on(compute, [twin, *map(machine, 'ABC')])
        self.assertEqual([('host-B', 'off')], self.power(solution))
        self.assertIn('several',
                      solution.explanation.ruled_out['host-A'])

    def test_machines_of_maas(self):
        self.config('maas_client', url='http://maas.example.org/MAAS')
        self.assertRaises(exception.UnsupportedError, self.run_on,
                          models.cloud({}), [])

    def test_no_machines(self):
        solution = self.run_on(models.cloud({models.node('A'): []}), [])
        self.assertEqual('no_machines', solution.explanation.code)


class TestComingBack(EnergyTestCase):

    def cloud(self, **states):
        return models.cloud({
            models.node('A'): [models.instance('a')],
            **{models.node(name, **fields): []
               for name, fields in states.items()}})

    def test_what_is_off_is_switched_on_and_enabled(self):
        # Its compute service is down, as it has to be.
        solution = self.run_on(self.cloud(B=OFF), [
            machine('A'), machine('B', 'power off')])
        self.assertEqual([('power', 'host-B', 'on'),
                          ('service', 'host-B', 'enabled')],
                         self.brief(solution))

    def test_what_an_unfinished_plan_left_disabled_is_enabled(self):
        solution = self.run_on(self.cloud(B=ASLEEP), map(machine, 'AB'))
        self.assertEqual([('service', 'host-B', 'enabled')],
                         self.brief(solution))
        self.assertEqual('asleep', solution.explanation.code)

    def test_what_is_disabled_goes_first_and_at_once(self):
        for reason in ('watcher_disabled', eligibility.SAVING_ENERGY):
            solution = self.run_on(
                self.cloud(B={}, C={'status': 'disabled',
                                    'disabled_reason': reason}),
                map(machine, 'ABC'))
            self.assertEqual([('power', 'host-C', 'off')],
                             self.brief(solution))

    def test_only_own(self):
        machines = [machine('A'), machine('B', 'power off'),
                    machine('C', 'power off')]
        model = self.cloud(B={'state': 'down'}, C=OFF)
        self.assertEqual([('host-B', 'on'), ('host-C', 'on')], self.power(
            self.run_on(model, machines, min_free_hosts_num=2)))
        self.assertEqual([('host-C', 'on')], self.power(
            self.run_on(model, machines, min_free_hosts_num=2,
                        only_own=True)))

    def test_what_failed_to_come_goes_last(self):
        self.switched = {machine_of('B'): _energy.Switching(
            True, False, 4000)}
        machines = [machine('A'), machine('B', 'power off'),
                    machine('C', 'power off')]
        self.assertEqual([('host-C', 'on')], self.power(
            self.run_on(self.cloud(B=OFF, C=OFF), machines)))

    def test_the_result_is_stable(self):
        """Field report test 27: done once, there is nothing left to do."""
        machines = [machine('A'), machine('B', 'power off'), machine('C')]
        self.assertEqual([], self.run_on(
            self.cloud(B=OFF, C={}), machines).actions)


class TestTimes(EnergyTestCase):
    """Field report test 32: no host is cycled too fast."""

    def test_minimum_on_time(self):
        compute = models.cloud({models.node('B'): [], models.node('C'): []})
        for ago, expected in ((1799, 'host-C'), (1800, 'host-B')):
            self.switched = {machine_of('B'): _energy.Switching(
                True, True, ago)}
            self.assertEqual([(expected, 'off')], self.power(
                self.run_on(compute, map(machine, 'BC'))))

    def test_minimum_off_time(self):
        compute = models.cloud({models.node('B', **OFF): []})
        for ago, count in ((299, 0), (300, 1)):
            self.switched = {machine_of('B'): _energy.Switching(
                False, True, ago)}
            solution = self.run_on(compute, [machine('B', 'power off')])
            self.assertEqual(count, len(self.power(solution)))

    def test_no_pause(self):
        compute = models.cloud({models.node('B'): [], models.node('C'): []})
        self.assertEqual(
            [('service', 'host-B', 'disabled'), ('power', 'host-B', 'off')],
            self.brief(self.run_on(compute, map(machine, 'BC'),
                                   settle_time=0)))


class TestHistory(db_base.DatabaseTestCase):

    NOW = datetime.datetime(2027, 1, 2, 12, 0, tzinfo=datetime.UTC)

    def action(self, machine, ago, on=True, **fields):
        self.records.action(**{
            'action_type': 'change_node_power_state', 'state': 'SUCCEEDED',
            'action_plan_id': self.plan.id,
            'input_parameters': {'resource_id': machine,
                                 'state': 'on' if on else 'off'},
            'updated_at': self.NOW - datetime.timedelta(seconds=ago),
            **fields})

    def test_the_last_switching_of_each_machine_in_one_query(self):
        self.plan = self.records.action_plan()
        self.action('a', 20)
        self.action('a', 10, on=False)
        self.action('b', 30, state='FAILED')
        self.action('c', 61)
        self.action('d', 5, state='SKIPPED')
        self.action('e', 5, action_type='nop')
        with self.statements() as sent:
            found = saving_energy.recent_switching(
                self.context, 60, self.NOW)
        self.assertEqual({'a': _energy.Switching(False, True, 10),
                          'b': _energy.Switching(True, False, 30)}, found)
        self.assertEqual(1, len(sent))


class TestFailover(EnergyTestCase):
    """Field report test 32: any single failure leaves room for its load."""

    def hosts(self, **nodes):
        return models.cloud({
            models.node(name, **fields): [
                models.instance(f'{name}{number}', vcpus=vcpus)
                for number, vcpus in enumerate(servers)]
            for name, (fields, *servers) in nodes.items()})

    def test_a_small_reserve_does_not_replace_a_big_host(self):
        compute = self.hosts(A=({'vcpus': 32}, 20), B=({},),
                             C=({'vcpus': 32},))
        # By name B would be kept on and C, which is needed, too.
        solution = self.run_on(compute, map(machine, 'ABC'))
        self.assertEqual([('host-B', 'off')], self.power(solution))
        compute = self.hosts(A=({'vcpus': 32}, 20), B=({'vcpus': 32},),
                             C=({},))
        solution = self.run_on(compute, map(machine, 'ABC'))
        self.assertEqual([], solution.actions)
        self.assertIn('another host fails',
                      solution.explanation.ruled_out['host-B'])
        self.assertEqual('none_to_switch_off', solution.explanation.code)
        self.assertEqual([('host-B', 'off')], self.power(self.run_on(
            compute, map(machine, 'ABC'), failover_hosts=0)))

    def test_each_zone_has_its_reserve(self):
        compute = self.hosts(A=({}, 12), B=({}, 12), C=({},), D=({},))
        compute.zones = {'host-A': 'north', 'host-B': 'south',
                         'host-C': 'north', 'host-D': 'south'}
        self.assertEqual([], self.run_on(
            compute, map(machine, 'ABCD')).actions)
        compute.zones = {}
        self.assertEqual([('host-C', 'off')], self.power(
            self.run_on(compute, map(machine, 'ABCD'))))

    def test_two_failures(self):
        compute = self.hosts(A=({}, 16), B=({}, 16), C=({},), D=({},))
        self.assertEqual([('host-C', 'off')], self.power(
            self.run_on(compute, map(machine, 'ABCD'))))
        self.assertEqual([], self.power(self.run_on(
            compute, map(machine, 'ABCD'), failover_hosts=2)))

    def test_a_missing_reserve_is_switched_on(self):
        compute = self.hosts(A=({'vcpus': 32}, 20), B=({},), C=(OFF,),
                             D=({**OFF, 'vcpus': 32},),
                             E=({**OFF, 'vcpus': 32},))
        solution = self.run_on(compute, [
            *map(machine, 'AB'),
            *(machine(name, 'power off') for name in 'CDE')])
        # C is too small to help, but comes before D.
        self.assertIn(('power', 'host-D', 'on'), self.brief(solution))
        self.assertNotIn(('power', 'host-E', 'on'), self.brief(solution))
        self.assertEqual('failover', solution.explanation.code)

    def test_a_failure_that_nothing_makes_good_is_named(self):
        compute = self.hosts(A=({'vcpus': 32}, 20), B=({},), C=({},),
                             D=(OFF,))
        solution = self.run_on(compute, [
            *map(machine, 'ABC'), machine('D', 'power off')])
        # Nothing is made worse.
        self.assertEqual([], solution.actions)
        self.assertTrue([remark for remark in solution.remarks
                         if 'If host-A fails' in remark])

    def test_many_small_servers_share_what_is_free(self):
        compute = self.hosts(A=({}, *[2] * 8), B=({}, *[2] * 4),
                             C=({}, *[2] * 4), D=({},))
        self.assertEqual([('host-D', 'off')], self.power(self.run_on(
            compute, map(machine, 'ABCD'), min_free_hosts_num=0)))
        compute = self.hosts(A=({}, *[8] * 2), B=({}, *[2] * 5),
                             C=({}, *[2] * 5), D=({},))
        self.assertEqual([], self.power(self.run_on(
            compute, map(machine, 'ABCD'), min_free_hosts_num=0)))

    def test_members_of_a_group_have_to_stay_apart(self):
        compute = self.hosts(A=({}, 2), B=({}, 2), C=({},), D=({},))
        power = {}
        for policy in ('anti-affinity', 'soft-anti-affinity', 'affinity'):
            compute.server_groups = (scheduling.ServerGroup(
                models.uuid('group'), 'group', policy,
                (models.uuid('A0'), models.uuid('B0'))),)
            power[policy] = self.power(self.run_on(
                compute, map(machine, 'ABCD'), min_free_hosts_num=0))
        # On B there would be room for A0.
        both = [('host-C', 'off'), ('host-D', 'off')]
        self.assertEqual({'anti-affinity': both[:1], 'affinity': both,
                          'soft-anti-affinity': both}, power)

    def test_a_missing_reserve_under_the_rules_is_switched_on(self):
        compute = self.hosts(A=({}, 2), B=({}, 2), C=(OFF,), D=(OFF,))
        compute.server_groups = (scheduling.ServerGroup(
            models.uuid('group'), 'group', 'anti-affinity',
            (models.uuid('A0'), models.uuid('B0'))),)
        solution = self.run_on(
            compute, [*map(machine, 'AB'),
                      *(machine(name, 'power off') for name in 'CD')],
            min_free_hosts_num=0)
        self.assertEqual([('host-C', 'on')], self.power(solution))

    def test_who_suits_no_other_host_keeps_none_on(self):
        compute = self.hosts(A=({}, 2), B=({}, 2), C=({},))
        compute.aggregates = (records.Aggregate(
            id=1, name='fast', availability_zone=None, hosts=('host-A',),
            metadata={'ssd': 'true'}),)
        compute.set_wishes(models.uuid('A0'), scheduling.Wishes(
            {'aggregate_instance_extra_specs:ssd': 'true'}))
        self.assertEqual([('host-C', 'off')], self.power(self.run_on(
            compute, map(machine, 'ABC'), min_free_hosts_num=0)))

    @hypothesis.settings(deadline=None, derandomize=True, max_examples=60)
    @hypothesis.example(9, False)
    @hypothesis.given(st.integers(0, 10 ** 6), st.booleans())
    def test_no_failure_becomes_fatal(self, seed, ruled):
        """Checked by trying all ways to place the servers."""
        model = clouds.random_cloud(seed, 8, 8, rules=ruled)
        state = cluster.ClusterState.from_model(model)
        strategy = prepare(
            model, [machine(f'{number:02d}') for number in range(8)],
            min_free_hosts_num=0, free_used_percent=0)
        decision = _energy.decide(strategy.gather())
        off = {found.host for found in decision.off}
        serving = {number for number, host in enumerate(state.hosts)
                   if host.up and host.enabled} | {
                       found.host for found in decision.enable}
        for host in range(8):
            if state.count_on(host) and self._placed(state, host, serving):
                self.assertTrue(self._placed(state, host, serving - off))

    def _placed(self, state, host, serving):
        """Tell whether there is room on others for the servers of a host."""
        state = state.copy()
        rules = destinations.DestinationRules(state)
        others = sorted(serving - {host})
        # The large ones first: that finds a way, or none, much sooner.
        servers = sorted(
            state.servers_on(host),
            key=lambda server: tuple(-state.demand[server][[1, 0]]))
        for server in servers:
            state.move(server, cluster.NOWHERE)

        def place(servers):
            if not servers:
                return True
            for other in others:
                if (state.fits(servers[0], other)
                        and not rules.why_not_suitable(servers[0], other)):
                    mark = state.mark()
                    state.move(servers[0], other)
                    if place(servers[1:]):
                        return True
                    state.undo(mark)
            return False

        return place(servers)


class TestReserve(base.TestCase):

    def test_classes(self):
        model = models.cloud({models.node(name): [] for name in 'ABC'})
        model.zones = {'host-A': 'north', 'host-B': 'north'}
        model.traits = {'FAST': frozenset((models.uuid('A'),))}
        found = _reserve.classes_of(cluster.ClusterState.from_model(model))
        self.assertEqual(3, len(set(found)))
        self.assertEqual(('north', frozenset(('FAST',))), found[0])

    def test_what_serves_nothing_is_no_reserve(self):
        model = models.cloud({
            models.node('A'): [models.instance('a')], models.node('B'): []})
        state = cluster.ClusterState.from_model(model)
        serving = numpy.array([True, False])
        reserve = _reserve.Reserve(state, ['', ''], serving)
        self.assertEqual({1}, reserve.spare([1]))
        self.assertEqual([0], reserve.fatal(serving))
        self.assertEqual({1}, reserve.missing(set(), [1]))


class TestProperties(properties.StrategyProperties, base.TestCase):
    STRATEGY = saving_energy.SavingEnergy
    HOSTS, SERVERS = 12, 8

    def setUp(self):
        super().setUp()
        self.patch(saving_energy, 'recent_switching', lambda *args: {})

    def parameters(self, model, seed):
        return {'min_free_hosts_num': seed % 5}

    def prepare(self, strategy, model, seed):
        states = ('power on', 'power on', 'power off', None)
        strategy._baremetal_model = racks(*(
            machine(f'{number:02d}', states[(seed + number) % 4])
            for number in range(self.HOSTS)))

    def test_hosts_disabled_by_others_are_neither_used_nor_enabled(self):
        # Hosts that are switched on are down before, unlike elsewhere.
        for model, _strategy, solution in self.runs():
            state = cluster.ClusterState.from_model(model)
            for action in solution.actions:
                given = action['input_parameters']
                if action['action_type'] == 'sleep':
                    continue
                host = state.hosts[state.host_named(given['resource_name'])]
                self.assertTrue(host.enabled or host.disabled_reason
                                in eligibility.OUR_REASONS)

    def test_only_empty_hosts_are_switched_off_and_disabled_before(self):
        for model, _strategy, solution in self.runs():
            state = cluster.ClusterState.from_model(model)
            disabled = set()
            for action in solution.actions:
                given = action['input_parameters']
                name = given.get('resource_name')
                if action['action_type'] == simulation.SERVICE_STATE:
                    disabled.add(name)
                elif given.get('state') == 'off':
                    host = state.host_named(name)
                    self.assertEqual(0, state.count_on(host))
                    if state.hosts[host].enabled:
                        self.assertIn(name, disabled)
