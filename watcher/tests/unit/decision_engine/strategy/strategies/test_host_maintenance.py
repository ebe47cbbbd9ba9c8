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

import hypothesis
from hypothesis import strategies as st

from watcher.common import exception
from watcher.common import utils
from watcher.decision_engine.model import scheduling
from watcher.decision_engine.strategy.common import feasibility
from watcher.decision_engine.strategy.strategies import host_maintenance
from watcher.tests import base
from watcher.tests.fixtures import models
from watcher.tests.unit.decision_engine.strategy import properties

A_UUID, B_UUID = models.uuid('A'), models.uuid('B')


def run(nodes, scope=None, **parameters):
    """Run the strategy on a model and return its solution."""
    strategy = host_maintenance.HostMaintenance(utils.Struct())
    strategy._compute_model = models.cloud(nodes)
    strategy.audit_scope = scope or []
    strategy.input_parameters.update(
        {'maintenance_node': 'host-A', **parameters})
    return strategy.execute(audit=None)


def brief(solution):
    """Return the actions as short tuples."""
    actions = []
    for action in solution.actions:
        given = action['input_parameters']
        if action['action_type'] == 'change_nova_service_state':
            actions.append((given['state'], given['resource_name']))
        elif action['action_type'] == 'stop':
            actions.append(('stop', given['resource_id']))
        else:
            actions.append((given['migration_type'], given['resource_name'],
                            given.get('destination_node')))
    return actions


class TestWorkedExample(base.TestCase):
    """A with a1 active, a2 stopped, a3 paused, a4 active and excluded."""

    def setUp(self):
        super().setUp()
        self.servers = [
            models.instance('a1'),
            models.instance('a2', state='stopped'),
            models.instance('a3', state='paused'),
            models.instance('a4', watcher_exclude=True)]

    def cloud(self, with_other=True, **backup):
        nodes = {models.node('A'): self.servers,
                 models.node('B', status='disabled', **backup): []}
        if with_other:
            nodes[models.node('C')] = []
        return nodes

    def test_backup_node(self):
        solution = run(self.cloud(), backup_node='host-B')
        self.assertEqual(
            [('enabled', 'host-B'), ('disabled', 'host-A'),
             ('live', 'vm-a1', 'host-B'), ('cold', 'vm-a2', 'host-B'),
             ('live', 'vm-a3', 'host-B')], brief(solution))

    def test_parameters_of_the_actions(self):
        actions = run(self.cloud(), backup_node='host-B').actions
        self.assertEqual(
            {'action_type': 'change_nova_service_state',
             'input_parameters': {
                 'resource_id': B_UUID, 'state': 'enabled',
                 'resource_name': 'host-B'}}, actions[0])
        self.assertEqual(
            {'action_type': 'change_nova_service_state',
             'input_parameters': {
                 'resource_id': A_UUID, 'state': 'disabled',
                 'disabled_reason': 'watcher_maintaining',
                 'resource_name': 'host-A'}}, actions[1])
        self.assertEqual(
            {'action_type': 'migrate',
             'input_parameters': {
                 'resource_id': models.uuid('a1'), 'migration_type': 'live',
                 'source_node': 'host-A', 'destination_node': 'host-B',
                 'resource_name': 'vm-a1'}}, actions[2])

    def test_every_action_has_its_reason(self):
        solution = run(self.cloud(), backup_node='host-B')
        for action in solution.actions:
            self.assertTrue(action.reason, action)
        self.assertEqual(
            'host-A is disabled; instances migrated live: 2 of 4; instances '
            'migrated cold: 1 of 4', solution.explanation.reason)
        self.assertEqual('it is active; goes to the backup node',
                         solution.actions[2].reason)

    def test_excluded_instance_stays_and_is_named(self):
        solution = run(self.cloud(), backup_node='host-B')
        self.assertTrue([remark for remark in solution.remarks
                         if 'vm-a4' in remark and 'excluded' in remark])

    def test_backup_node_too_small(self):
        solution = run(self.cloud(vcpus=4), backup_node='host-B')
        self.assertEqual(
            [('disabled', 'host-A'), ('live', 'vm-a1', None),
             ('cold', 'vm-a2', None), ('live', 'vm-a3', None)],
            brief(solution))
        self.assertNotIn('destination_node',
                         solution.actions[1]['input_parameters'])
        self.assertTrue([r for r in solution.remarks
                         if 'host-B is not used' in r and 'vCPU' in r])

    def test_no_backup_node(self):
        self.assertEqual(
            [('disabled', 'host-A'), ('live', 'vm-a1', None),
             ('cold', 'vm-a2', None), ('live', 'vm-a3', None)],
            brief(run(self.cloud())))

    def test_live_disabled(self):
        self.assertEqual(
            [('disabled', 'host-A'), ('cold', 'vm-a1', None),
             ('cold', 'vm-a2', None)],
            brief(run(self.cloud(), disable_live_migration=True)))

    def test_cold_disabled(self):
        self.assertEqual(
            [('disabled', 'host-A'), ('live', 'vm-a1', None),
             ('live', 'vm-a3', None)],
            brief(run(self.cloud(), disable_cold_migration=True)))

    def test_both_disabled(self):
        solution = run(self.cloud(with_other=False),
                       disable_live_migration=True,
                       disable_cold_migration=True)
        self.assertEqual([('disabled', 'host-A'),
                          ('stop', models.uuid('a1'))], brief(solution))
        self.assertEqual({'resource_id': models.uuid('a1')},
                         solution.actions[1]['input_parameters'])

    def test_no_efficacy(self):
        solution = run(self.cloud())
        self.assertIsNone(solution.global_efficacy)
        self.assertEqual([], solution.efficacy_indicators)


class TestHostMaintenance(base.TestCase):

    def test_empty_node(self):
        # The backup node is not even looked up.
        solution = run({models.node('A'): [], models.node('B'): []},
                       backup_node='unknown')
        self.assertEqual([('disabled', 'host-A')], brief(solution))

    def test_empty_node_under_maintenance(self):
        solution = run({models.node(
            'A', status='disabled',
            disabled_reason='watcher_maintaining'): []})
        self.assertEqual([], solution.actions)
        self.assertIn('already under maintenance',
                      solution.explanation.reason)
        self.assertEqual('maintained', solution.explanation.code)

    def test_node_under_maintenance_that_still_holds_instances(self):
        solution = run({models.node(
            'A', status='disabled', disabled_reason='watcher_maintaining'):
            [models.instance('a1')], models.node('B'): []})
        self.assertEqual([('live', 'vm-a1', None)], brief(solution))

    def test_unknown_nodes(self):
        nodes = {models.node('A'): [models.instance('a1')]}
        self.assertRaises(exception.ComputeNodeNotFound, run, nodes,
                          maintenance_node='nowhere')
        self.assertRaises(exception.ComputeNodeNotFound, run, nodes,
                          backup_node='nowhere')

    def test_backup_is_the_maintained_node(self):
        self.assertRaisesRegex(
            exception.Invalid, 'backup_node', run,
            {models.node('A'): [models.instance('a1')]},
            backup_node='host-A')

    def test_backup_node_lacks_disk(self):
        nodes = {models.node('A'): [models.instance('a1', disk=500)],
                 models.node('B', disk=100): [], models.node('C'): []}
        solution = run(nodes, backup_node='host-B')
        self.assertEqual([('disabled', 'host-A'), ('live', 'vm-a1', None)],
                         brief(solution))

    def test_backup_node_is_down(self):
        nodes = {models.node('A'): [models.instance('a1')],
                 models.node('B', state='down', status='disabled'): [],
                 models.node('C'): []}
        solution = run(nodes, backup_node='host-B')
        self.assertEqual([('disabled', 'host-A'), ('live', 'vm-a1', None)],
                         brief(solution))

    def test_enabled_backup_node_is_not_enabled_again(self):
        nodes = {models.node('A'): [models.instance('a1')],
                 models.node('B'): []}
        self.assertEqual(
            [('disabled', 'host-A'), ('live', 'vm-a1', 'host-B')],
            brief(run(nodes, backup_node='host-B')))

    def test_reason_of_a_disabled_backup_node_is_told(self):
        nodes = {models.node('A'): [models.instance('a1')],
                 models.node('B', status='disabled',
                             disabled_reason='bad DIMM'): []}
        solution = run(nodes, backup_node='host-B')
        self.assertIn('bad DIMM', solution.actions[0].reason)
        self.assertTrue(
            [r for r in solution.remarks if 'bad DIMM' in r])

    def test_hosts_disabled_by_others_are_no_way_out(self):
        nodes = {models.node('A'): [models.instance('a1')],
                 models.node('B', status='disabled'): []}
        error = self.assertRaises(feasibility.InfeasiblePlan, run, nodes)
        self.assertEqual(
            'host-A cannot be emptied: there is no other compute node that '
            'is up and enabled.', str(error))

    def test_nothing_fits(self):
        nodes = {models.node('A'): [models.instance('a1', vcpus=12)],
                 models.node('B', vcpus=8): [],
                 models.node('C', vcpus=10): []}
        error = self.assertRaises(feasibility.InfeasiblePlan, run, nodes)
        self.assertIn('vm-a1', str(error))
        self.assertIn('host-C has too little vCPU: 12 needed, 10 free',
                      str(error))

    def test_a_scope_may_hide_room(self):
        nodes = {models.node('A'): [models.instance('a1')]}
        solution = run(nodes, scope=[{'compute': [
            {'host_aggregates': [{'name': 'x'}]}]}])
        self.assertEqual([('disabled', 'host-A'), ('live', 'vm-a1', None)],
                         brief(solution))
        self.assertIn('Nova may find no room', solution.remarks[0])

    def test_backup_takes_some_when_there_is_no_other_way(self):
        nodes = {
            models.node('A'): [models.instance('a1', vcpus=12),
                               models.instance('a2', vcpus=6)],
            models.node('B', vcpus=12, status='disabled'): [],
            models.node('C', vcpus=6): []}
        solution = run(nodes, backup_node='host-B')
        self.assertEqual(
            [('enabled', 'host-B'), ('disabled', 'host-A'),
             ('live', 'vm-a1', 'host-B'),
             ('live', 'vm-a2', None)], brief(solution))

    def test_backup_takes_what_fits_if_asked(self):
        nodes = {
            models.node('A'): [models.instance('a1', vcpus=8),
                               models.instance('a2', vcpus=8),
                               models.instance('a3', vcpus=4)],
            models.node('B', vcpus=12, status='disabled'): [],
            models.node('C'): []}
        solution = run(nodes, backup_node='host-B', backup_partly=True)
        self.assertEqual(
            [('enabled', 'host-B'), ('disabled', 'host-A'),
             ('live', 'vm-a1', 'host-B'), ('live', 'vm-a2', None),
             ('live', 'vm-a3', 'host-B')], brief(solution))
        self.assertIn('takes 2 of 3 instances', solution.remarks[0])

    def test_backup_that_takes_all_takes_all(self):
        nodes = {models.node('A'): [models.instance('a1')],
                 models.node('B'): [], models.node('C'): []}
        self.assertEqual(
            [('disabled', 'host-A'), ('live', 'vm-a1', 'host-B')],
            brief(run(nodes, backup_node='host-B', backup_partly=True)))

    def grouped(self, **parameters):
        """Run with a2 in an affinity group, which Nova keeps together."""
        model = models.cloud({
            models.node('A'): [models.instance('a1'), models.instance('a2'),
                               models.instance('a3')],
            models.node('B'): [], models.node('C'): []})
        model.server_groups = (scheduling.ServerGroup(
            id='g', name='pair', policy='affinity',
            members=(models.uuid('a2'), models.uuid('a3')),
            max_per_host=1),)
        strategy = host_maintenance.HostMaintenance(utils.Struct())
        strategy._compute_model = model
        strategy.input_parameters.update(maintenance_node='host-A',
                                         **parameters)
        return strategy.execute()

    def test_whom_the_scheduler_would_place_nowhere_stays(self):
        for parameters in ({}, {'backup_node': 'host-B'}):
            solution = self.grouped(**parameters)
            self.assertEqual(
                ['vm-a1'], [name for _kind, name, _to in brief(solution)[1:]])
            self.assertTrue([remark for remark in solution.remarks
                             if 'vm-a2' in remark and 'pair' in remark])
            self.assertEqual(2, len(solution.explanation.ruled_out))

    def test_100_instances_leave_with_one_audit(self):
        """Field report test 39."""
        servers = [models.instance(f's{number}', vcpus=1, memory=64, disk=1)
                   for number in range(100)]
        solution = run({models.node('A', vcpus=128): servers,
                        models.node('B', vcpus=128): []})
        self.assertEqual(101, len(solution.actions))
        self.assertEqual(
            ['vcpus_used of host-A 100 -> 99', 'vcpus_used of host-A 1 -> 0'],
            [str(solution.actions[number].explanation.measures[0])
             for number in (1, 100)])

    def test_backup_cannot_help(self):
        nodes = {models.node('A'): [models.instance('a1', vcpus=12)],
                 models.node('B', vcpus=4): []}
        error = self.assertRaises(feasibility.InfeasiblePlan, run, nodes,
                                  backup_node='host-B')
        self.assertIn('the backup node host-B takes 0 of 1', str(error))

    def test_states_that_nova_does_not_migrate(self):
        states = ('suspended', 'error', 'building', 'shelved', 'rescued',
                  'resized', 'soft-delete', 'deleted')
        nodes = {models.node('A'): [
            models.instance(state, state=state) for state in states],
            models.node('B'): []}
        solution = run(nodes)
        self.assertEqual([('disabled', 'host-A')], brief(solution))
        self.assertEqual(len(states), len(solution.remarks))

    def test_locked_instance_moves_and_that_is_said(self):
        nodes = {models.node('A'): [models.instance('a1', locked=True)],
                 models.node('B'): []}
        solution = run(nodes)
        self.assertIn('although it is locked', solution.actions[1].reason)

    def test_node_that_is_down_cannot_be_emptied(self):
        nodes = {models.node('A', state='down'): [models.instance('a1')],
                 models.node('B'): []}
        solution = run(nodes)
        self.assertEqual([('disabled', 'host-A')], brief(solution))
        self.assertIn('evacuation', solution.remarks[0])

    def test_maintenance_node_is_required(self):
        schema = host_maintenance.HostMaintenance.get_schema()
        validator = utils.StrictDefaultValidatingDraft4Validator(schema)
        self.assertFalse(validator.is_valid({}))
        given = {'maintenance_node': 'x'}
        validator.validate(given)
        self.assertEqual(
            {'maintenance_node': 'x', 'disable_live_migration': False,
             'disable_cold_migration': False}, given)


#: A slow machine is no failure, and each run tries the same.
RELAXED = hypothesis.settings(
    max_examples=60, deadline=None, derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.filter_too_much])

STATES = st.sampled_from(['active', 'paused', 'stopped', 'suspended',
                          'error'])
NEEDS = st.builds(feasibility.Resources, vcpus=st.integers(1, 8),
                  memory=st.integers(1, 16) .map(lambda n: n * 1024),
                  disk=st.integers(0, 100))
SERVERS = st.lists(st.tuples(STATES, NEEDS, st.booleans()), max_size=8).map(
    lambda rows: [
        feasibility.Server(models.uuid(str(i)), f'vm-{i}', state, needs,
                           excluded=excluded)
        for i, (state, needs, excluded) in enumerate(rows)])


@st.composite
def hosts(draw, name):
    return feasibility.Host(
        models.uuid(name), name,
        draw(st.sampled_from(['up', 'up', 'up', 'down'])),
        draw(st.sampled_from(['enabled', 'enabled', 'disabled'])), None,
        feasibility.Resources(draw(st.integers(-2, 24)),
                              draw(st.integers(-1, 64)) * 1024,
                              draw(st.one_of(st.none(),
                                             st.integers(0, 500)))))


@st.composite
def situations(draw):
    others = [draw(hosts(f'h{i}')) for i in range(draw(st.integers(0, 4)))]
    backup = draw(st.sampled_from([None, *others]))
    return host_maintenance.Situation(
        source=draw(hosts('source')), servers=draw(SERVERS), others=others,
        backup=backup, live=draw(st.booleans()), cold=draw(st.booleans()),
        whole_cloud=draw(st.booleans()))


class TestDecideProperties(base.TestCase):

    def decide(self, situation):
        try:
            return host_maintenance.decide(situation)
        except feasibility.InfeasiblePlan:
            hypothesis.assume(False)

    @RELAXED
    @hypothesis.given(situations())
    def test_same_situation_same_decision(self, situation):
        self.assertEqual(self.decide(situation), self.decide(situation))

    @RELAXED
    @hypothesis.given(situations())
    def test_every_instance_is_treated_or_remarked(self, situation):
        decision = self.decide(situation)
        treated = [t.server.uuid for t in decision.treatments]
        self.assertEqual(len(treated), len(set(treated)))
        for server in situation.servers:
            remarked = any(server.uuid in r for r in decision.remarks
                           if 'stays on' in r)
            self.assertNotEqual(server.uuid in treated, remarked)

    @RELAXED
    @hypothesis.given(situations())
    def test_excluded_instances_are_never_touched(self, situation):
        for treatment in self.decide(situation).treatments:
            self.assertFalse(treatment.server.excluded)

    @RELAXED
    @hypothesis.given(situations())
    def test_only_what_nova_accepts(self, situation):
        for treatment in self.decide(situation).treatments:
            allowed = {'live': feasibility.LIVE_MIGRATABLE,
                       'cold': feasibility.COLD_MIGRATABLE,
                       'stop': {'active'}}[treatment.how]
            self.assertIn(treatment.server.state, allowed)
            self.assertFalse(treatment.how == 'live' and not situation.live)
            self.assertFalse(treatment.how == 'cold' and not situation.cold)

    @RELAXED
    @hypothesis.given(situations())
    def test_the_backup_node_has_room_for_all_it_gets(self, situation):
        decision = self.decide(situation)
        given = [t.server for t in decision.treatments if t.destination]
        if not given:
            self.assertIsNone(decision.enable_backup)
            return
        backup = situation.backup
        self.assertTrue(backup.up)
        self.assertTrue(backup.free.fits(feasibility.total(given)))
        self.assertEqual(not backup.enabled,
                         decision.enable_backup is not None)

    @RELAXED
    @hypothesis.given(situations())
    def test_scheduler_is_left_a_chance(self, situation):
        hypothesis.assume(situation.whole_cloud)
        decision = self.decide(situation)
        free_choice = [t.server for t in decision.treatments
                       if t.destination is None and t.how != 'stop']
        self.assertIsNone(feasibility.why_impossible(
            free_choice, situation.others))


class TestRulesOfTheCloud(base.TestCase):

    def cloud(self, **fields):
        servers = [models.instance('a1', **fields), models.instance('a2')]
        model = models.cloud({models.node('A'): servers,
                              models.node('B'): [models.instance('b')],
                              models.node('C'): []})
        self.model = model
        return model

    def solve(self, model, **parameters):
        strategy = host_maintenance.HostMaintenance(utils.Struct())
        strategy._compute_model = model
        strategy.input_parameters.update(
            {'maintenance_node': 'host-A', **parameters})
        return strategy.execute()

    def group(self, policy, *members):
        return scheduling.ServerGroup(
            id='g', name='web', policy=policy,
            members=tuple(models.uuid(name) for name in members))

    def test_backup_that_is_not_for_one_of_them(self):
        model = self.cloud()
        model.server_groups = (self.group('anti-affinity', 'a1', 'b'),)
        solution = self.solve(model, backup_node='host-B')
        self.assertEqual(
            [('disabled', 'host-A'), ('live', 'vm-a1', None),
             ('live', 'vm-a2', 'host-B')], brief(solution))
        self.assertIn(
            'not on the backup node: host-B has another member of the '
            'anti-affinity group web', solution.remarks[0])

    def test_those_who_go_there_count(self):
        model = self.cloud()
        model.server_groups = (self.group('anti-affinity', 'a1', 'a2'),)
        self.assertEqual(
            [('disabled', 'host-A'), ('live', 'vm-a1', 'host-B'),
             ('live', 'vm-a2', None)],
            brief(self.solve(model, backup_node='host-B')))

    def test_backup_that_is_for_none(self):
        model = self.cloud()
        model.server_groups = (
            self.group('anti-affinity', 'a1', 'a2', 'b'),)
        solution = self.solve(model, backup_node='host-B')
        self.assertEqual(
            [('disabled', 'host-A'), ('live', 'vm-a1', None),
             ('live', 'vm-a2', None)], brief(solution))
        self.assertIn('none of the instances may be there',
                      solution.remarks[0])

    def test_owners_may_opt_out(self):
        self.config('watcher_strategies', opt_out_metadata=['optimize=no'])
        solution = self.solve(self.cloud(metadata={'optimize': 'no'}))
        self.assertEqual([('disabled', 'host-A'), ('live', 'vm-a2', None)],
                         brief(solution))
        self.assertIn('metadata optimize=no', solution.remarks[0])

    def test_what_cannot_move_live_is_not_silently_moved_cold(self):
        model = self.cloud()
        model.set_wishes(models.uuid('a1'), scheduling.Wishes(
            {'pci_passthrough:alias': 'gpu:1'}))
        solution = self.solve(model.copy())
        self.assertEqual([('disabled', 'host-A'), ('live', 'vm-a2', None)],
                         brief(solution))
        self.assertIn('disable live migration to have it migrated cold',
                      solution.remarks[0])
        self.assertEqual(
            [('disabled', 'host-A'), ('cold', 'vm-a1', None),
             ('cold', 'vm-a2', None)],
            brief(self.solve(model, disable_live_migration=True)))

    def test_what_nova_never_migrates(self):
        model = self.cloud()
        model.set_wishes(models.uuid('a1'), scheduling.Wishes(
            {'accel:device_profile': 'fpga'}))
        for kind, parameters in (('live', {}), (
                'cold', {'disable_live_migration': True})):
            solution = self.solve(model.copy(), **parameters)
            self.assertEqual(
                [('disabled', 'host-A'), (kind, 'vm-a2', None)],
                brief(solution))
            self.assertIn('servers with accel:device_profile=fpga cannot be '
                          'migrated', solution.remarks[0])


class TestProperties(properties.StrategyProperties, base.TestCase):
    STRATEGY = host_maintenance.HostMaintenance
    # A node that is disabled already gets the reason that we know.
    REPEATS_SERVICES = True

    def parameters(self, model, seed):
        names = [node.hostname
                 for node in model.get_all_compute_nodes().values()]
        found = {'maintenance_node': names[seed % len(names)]}
        if seed % 2:
            found['backup_node'] = names[(seed + 1) % len(names)]
        return found

    def named_hosts(self, parameters):
        return {parameters.get('backup_node')}

    def test_again_there_is_nothing_to_do(self):
        """Field report test 27."""
        ways = ({}, {'disable_live_migration': True},
                {'disable_live_migration': True,
                 'disable_cold_migration': True})
        for number, way in enumerate(ways):
            plans = [self._twice(seed, way)
                     for seed in self.SEEDS[number::len(ways)]]
            self.assertTrue(any(plans), way)

    def _twice(self, seed, way):
        """Return what the first plan does."""
        model, plans = self.cloud(seed), []
        for _run in range(2):
            strategy = self.make(model, seed)
            strategy.input_parameters.update(way)
            solution = self.solve(strategy)
            if solution is None:
                # There is no way: nothing was done either.
                self.assertEqual([], plans)
                return []
            properties.carry_out(solution, model)
            plans.append(solution.actions)
        self.assertEqual([], plans[1])
        return plans[0]
