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

import random
from unittest import mock

import jsonschema

from watcher.common import cinder_helper
from watcher.common import exception
from watcher.common import utils
from watcher.decision_engine.model import model_root
from watcher.decision_engine.model import scheduling
from watcher.decision_engine.planner import workload_stabilization
from watcher.decision_engine.strategy.common import settings
from watcher.decision_engine.strategy.strategies import zone_migration
from watcher.tests import base
from watcher.tests.fixtures import models
from watcher.tests.unit.decision_engine.strategy import properties

S1, S2 = 's1@b#p', 's2@b#p'
ZONE = {
    'compute_nodes': [{'src_node': 'host-A', 'dst_node': 'host-C'},
                      {'src_node': 'host-B'}],
    'storage_pools': [{'src_pool': S1, 'dst_pool': S2},
                      {'src_pool': S1, 'src_type': 't2', 'dst_type': 't3'}],
}
TYPES = {name: {} for name in ('t1', 't2', 't3')}
ROOMY = {'total_capacity_gb': 1000, 'free_capacity_gb': 900,
         'allocated_capacity_gb': 100}


class ZoneMigrationTestCase(base.TestCase):

    def begin(self, compute=None, pools=None, scope=None, **parameters):
        strategy = zone_migration.ZoneMigration(utils.Struct())
        if compute is not None:
            strategy._compute_model = compute
        if pools is not None:
            strategy._storage_model = pools
        strategy._all_servers = compute or model_root.ModelRoot()
        strategy._snapshots = frozenset
        strategy.audit_scope = scope or []
        utils.StrictDefaultValidatingDraft4Validator(
            strategy.get_schema()).validate(parameters)
        strategy.input_parameters.update(parameters)
        return strategy

    def run_on(self, *args, **parameters):
        return self.begin(*args, **parameters).execute()


def brief(solution):
    """Return the actions as short tuples."""
    actions = []
    for action in solution.actions:
        given = action['input_parameters']
        destination = (given.get('destination_node')
                       or given.get('destination_type'))
        actions.append((given['resource_name'], given['migration_type'],
                        destination))
    return actions


def names(solution):
    return [action[0].removeprefix('vm-') for action in brief(solution)]


class TestWorkedExample(ZoneMigrationTestCase):

    def run_on(self, user='a2', **more):
        """Run the example of the reference.

        :param user: who uses v3. There that is a3, which is stopped: Nova
            would refuse to swap its disk, and the action to begin.
        """
        other = models.uuid('P2')
        compute = models.cloud({
            models.node('A'): [
                models.instance('a1'),
                models.instance('a2', vcpus=8, project_id=other),
                models.instance('a3', vcpus=4, state='stopped')],
            models.node('B'): [
                models.instance('b1', vcpus=4),
                models.instance('b2', state='suspended')],
            models.node('C'): []})
        pools = models.storage({
            S1: (ROOMY, [
                models.volume('v1', 10, volume_type='t1'),
                models.volume('v2', 40, volume_type='t2'),
                models.volume('v3', 20, volume_type='t1', status='in-use',
                              attachments=models.attached(user))]),
            S2: (ROOMY, [models.volume('v4')])}, TYPES)
        return super().run_on(compute, pools, **ZONE, **more)

    def test_defaults(self):
        solution = self.run_on()
        self.assertEqual(
            [('v1', 'migrate', S2), ('v2', 'retype', 't3'),
             ('vm-a1', 'live', 'host-C'), ('vm-a2', 'live', 'host-C'),
             ('vm-b1', 'live', None)], brief(solution))
        self.assertEqual(
            [('live_migrate_instance_count', 3),
             ('planned_live_migrate_instance_count', 3),
             ('cold_migrate_instance_count', 1),
             ('planned_cold_migrate_instance_count', 0),
             ('volume_migrate_count', 3),
             ('planned_volume_migrate_count', 2),
             ('volume_update_count', 3),
             ('planned_volume_update_count', 2)],
            [(found.name, found.value)
             for found in solution.efficacy_indicators])
        self.assertEqual(
            [100, 0, 66.6667, 66.6667],
            [round(found.value, 4) for found in solution.global_efficacy])

    def test_parameters_of_the_actions(self):
        volume, retyped, server, *_rest = self.run_on().actions
        self.assertEqual(
            {'action_type': 'volume_migrate', 'input_parameters': {
                'resource_id': models.uuid('v1'), 'resource_name': 'v1',
                'migration_type': 'migrate', 'destination_node': S2}},
            volume)
        self.assertEqual(
            {'action_type': 'volume_migrate', 'input_parameters': {
                'resource_id': models.uuid('v2'), 'resource_name': 'v2',
                'migration_type': 'retype', 'destination_type': 't3'}},
            retyped)
        self.assertEqual(
            {'action_type': 'migrate', 'input_parameters': {
                'resource_id': models.uuid('a1'), 'resource_name': 'vm-a1',
                'migration_type': 'live', 'source_node': 'host-A',
                'destination_node': 'host-C'}}, server)
        self.assertNotIn('destination_node',
                         self.run_on().actions[-1]['input_parameters'])

    def test_priorities(self):
        solution = self.run_on(
            priority={'compute': 'vcpu_num', 'project': [models.uuid('P2')],
                      'storage': 'size'},
            parallel_total=8, parallel_per_node=3, parallel_per_pool=3)
        self.assertEqual(
            [('v2', 'retype', 't3'), ('v3', 'migrate', S2),
             ('v1', 'migrate', S2), ('vm-a2', 'live', 'host-C'),
             ('vm-a3', 'cold', 'host-C'), ('vm-b1', 'live', None),
             ('vm-a1', 'live', 'host-C')], brief(solution))

    def test_priority_of_nodes(self):
        self.assertEqual(
            ['v1', 'v2', 'b1', 'a1', 'a2'],
            names(self.run_on(priority={
                'compute_node': ['host-B', 'host-A']})))

    def test_with_attached_volume(self):
        solution = self.run_on(with_attached_volume=True,
                               parallel_per_pool=3)
        self.assertEqual(['v1', 'v2', 'v3', 'a2', 'a1', 'b1'],
                         names(solution))

    def test_servers_do_not_wait_for_all_volumes(self):
        solution = self.run_on(with_attached_volume=True,
                               parallel_per_pool=3)
        self.assertEqual('workload_stabilization', solution.strategy.planner)
        planner = workload_stabilization.WorkloadStabilizationPlanner(
            utils.Struct())
        actions = planner.arrange(solution.actions)
        names = {action['uuid']: action['input_parameters'][
            'resource_name'].removeprefix('vm-') for action in actions}
        self.assertEqual(
            {'v1': [], 'v2': [], 'v3': [], 'a2': ['v3'], 'a1': [],
             'b1': []},
            {names[action['uuid']]: [names[uuid]
                                     for uuid in action['parents']]
             for action in actions})
        self.assertEqual('weight', self.run_on().strategy.planner)

    def test_servers_follow_the_last_of_their_volumes(self):
        compute = models.cloud({models.node('A'): [models.instance('a')],
                                models.node('B'): []})
        pools = models.storage({
            S1: (ROOMY, [models.volume(
                name, status='in-use', attachments=models.attached('a'))
                for name in ('v', 'w')] + [models.volume('x')]),
            S2: (ROOMY, [])})
        solution = ZoneMigrationTestCase.run_on(
            self, compute, pools, with_attached_volume=True,
            parallel_per_pool=3, compute_nodes=[{'src_node': 'host-A'}],
            storage_pools=[{'src_pool': S1, 'dst_pool': S2}])
        self.assertEqual(['v', 'w', 'a', 'x'], names(solution))
        first, second, server, other = solution.actions
        self.assertEqual([[], [first], [second], []],
                         [first.after, second.after, server.after,
                          other.after])

    def test_volumes_of_stopped_servers_stay(self):
        """The action would refuse them."""
        solution = self.run_on(user='a3', parallel_per_pool=3)
        self.assertEqual(['v1', 'v2', 'a1', 'a2', 'b1'], names(solution))
        self.assertTrue([remark for remark in solution.remarks if
                         'v3' in remark and 'is stopped' in remark])

    def test_reasons(self):
        solution = self.run_on()
        for action in solution.actions:
            self.assertTrue(action.explanation.measures)
        self.assertEqual(
            'host-A is to be emptied; it is active; the audit names host-C '
            'for it', solution.actions[2].reason)
        self.assertEqual(
            ['vcpus_used of host-A 14 -> 12', 'vcpus_used of host-C 0 -> 2'],
            list(map(str, solution.actions[2].explanation.measures)))
        self.assertEqual(
            '3 of 3 servers move live; 0 of 1 servers move cold; 2 of 3 '
            'volumes move; 2 are left for another audit (parallel_per_node '
            'allows 2 actions; parallel_per_pool allows 2 actions; '
            'parallel_applies_to=execution plans all of them); 1 stay',
            solution.explanation.reason)
        self.assertEqual('emptying', solution.explanation.code)
        self.assertTrue([remark for remark in solution.remarks
                         if 'vm-b2' in remark and 'suspended' in remark])


class TestServers(ZoneMigrationTestCase):

    def empty(self, *servers, others=(), source=None, **parameters):
        parameters.setdefault('compute_nodes', [{'src_node': 'host-A'}])
        nodes = {models.node('A', **source or {}): list(servers)}
        nodes.update(dict.fromkeys(
            others or [models.node('B'), models.node('C')], ()))
        return self.run_on(models.cloud(nodes), **parameters)

    def test_100_servers_in_one_audit(self):
        """Field report test 39."""
        servers = [models.instance(f's{number:02d}', vcpus=1, memory=512,
                                   disk=1) for number in range(100)]
        big = {'vcpus': 128, 'memory': 2 ** 20}
        solution = self.empty(
            *servers, source=big, others=[models.node('B', **big)],
            compute_nodes=[{'src_node': 'host-A', 'dst_node': 'host-B'}],
            parallel_applies_to='execution', parallel_per_node=4,
            parallel_total=50)
        self.assertEqual(100, len(solution.actions))
        self.assertEqual(100, solution.global_efficacy[0].value)
        for number, action in enumerate(solution.actions):
            waits = [solution.actions[before] for before
                     in (number - 50, number - 4) if before >= 0]
            self.assertCountEqual(waits, action.after)

    def test_total_at_run_time(self):
        solution = self.empty(
            *(models.instance(f's{number}') for number in range(5)),
            parallel_applies_to='execution', parallel_per_node=9,
            parallel_total=2)
        first, second, third, *_rest = solution.actions
        self.assertEqual([[], [], [first], [second], [third]],
                         [action.after for action in solution.actions])

    def test_none_at_all(self):
        for applies_to in ('plan', 'execution'):
            for name in ('parallel_total', 'parallel_per_node'):
                solution = self.empty(
                    models.instance('s'), **{name: 0},
                    parallel_applies_to=applies_to)
                self.assertEqual([], solution.actions)
                self.assertEqual('limits', solution.explanation.code)

    def test_excluded_and_opted_out_servers(self):
        settings.Settings.of_strategy('zone_migration')
        self.config('watcher_strategies', opt_out_metadata=['keep'])
        solution = self.empty(
            models.instance('a', watcher_exclude=True),
            models.instance('b', metadata={'keep': 'yes'}),
            models.instance('c'))
        self.assertEqual(['c'], names(solution))
        self.assertEqual(1, solution.efficacy_indicators[0].value)
        self.assertEqual(2, len(solution.remarks))

    def test_states_that_cannot_move_take_no_place(self):
        solution = self.empty(
            models.instance('a', state='suspended'),
            models.instance('b', state='paused'), models.instance('c'),
            parallel_per_node=1)
        self.assertEqual([('vm-b', 'live', None)], brief(solution))

    def test_source_is_where_the_server_is(self):
        compute = models.cloud({models.node('A'): [models.instance('a')],
                                models.node('B'): []})
        compute.get_instance_by_uuid(models.uuid('a')).host = 'elsewhere'
        solution = self.run_on(compute, compute_nodes=[
            {'src_node': 'host-A', 'dst_node': 'host-B'}])
        self.assertEqual([('vm-a', 'live', 'host-B')], brief(solution))
        self.assertEqual('host-A', solution.actions[0][
            'input_parameters']['source_node'])

    def test_destinations_that_take_nothing(self):
        for fields, words in (({'status': 'disabled'}, 'is disabled'),
                              ({'state': 'down'}, 'is down'),
                              ({'vcpus': 1}, 'vCPU')):
            solution = self.empty(
                models.instance('a'), others=[models.node('B', **fields)],
                compute_nodes=[{'src_node': 'host-A',
                                'dst_node': 'host-B'}])
            self.assertEqual([], solution.actions)
            self.assertIn(words, solution.remarks[0])
            self.assertEqual('nothing_movable', solution.explanation.code)
            self.assertEqual(0, solution.global_efficacy[0].value)

    def test_source_that_is_down(self):
        solution = self.empty(models.instance('a'),
                              source={'state': 'down'})
        self.assertEqual([], solution.actions)
        self.assertIn('is down', solution.remarks[0])

    def test_anti_affinity(self):
        compute = models.cloud({
            models.node('A'): [models.instance('a'), models.instance('b')],
            models.node('B'): []})
        compute.server_groups = (scheduling.ServerGroup(
            id='g', name='g', policy='anti-affinity',
            members=(models.uuid('a'), models.uuid('b')), max_per_host=1),)
        solution = self.run_on(compute, compute_nodes=[
            {'src_node': 'host-A', 'dst_node': 'host-B'}])
        self.assertEqual(['a'], names(solution))

    def test_whom_the_scheduler_would_place_nowhere_stays(self):
        solution = self.empty(models.instance('a', vcpus=16),
                              others=[models.node('B', vcpus=8)])
        self.assertEqual([], solution.actions)
        self.assertIn('vm-a', solution.remarks[0])
        self.assertIn('vCPU', solution.remarks[0])
        # There may be other hosts outside the scope.
        self.assertEqual(['a'], names(self.empty(
            models.instance('a', vcpus=16), scope=[{'compute': []}],
            others=[models.node('B', vcpus=8)])))

    def test_room_that_others_make(self):
        compute = models.cloud({
            models.node('A'): [models.instance('a', vcpus=16)],
            models.node('B'): [models.instance('b', vcpus=16)],
            models.node('C'): []})
        solution = self.run_on(compute, compute_nodes=[
            {'src_node': 'host-A', 'dst_node': 'host-B'},
            {'src_node': 'host-B', 'dst_node': 'host-C'}])
        self.assertEqual(['b', 'a'], names(solution))
        self.assertEqual([], solution.remarks)

    def test_unknown_hosts(self):
        solution = self.empty(
            models.instance('a'), compute_nodes=[
                {'src_node': 'nowhere'},
                {'src_node': 'host-A', 'dst_node': 'typo'}])
        self.assertEqual([], solution.actions)
        self.assertEqual('there is no compute node nowhere',
                         solution.remarks[0])
        self.assertIn('no compute node typo', solution.remarks[1])

    def test_destination_outside_the_scope(self):
        solution = self.empty(
            models.instance('a'), scope=[{'compute': []}], compute_nodes=[
                {'src_node': 'host-A', 'dst_node': 'elsewhere'}])
        self.assertEqual([('vm-a', 'live', 'elsewhere')], brief(solution))

    def test_host_named_twice(self):
        solution = self.empty(
            models.instance('a'), compute_nodes=[
                {'src_node': 'host-A', 'dst_node': 'host-C'},
                {'src_node': 'host-A', 'dst_node': 'host-B'}])
        self.assertEqual([('vm-a', 'live', 'host-C')], brief(solution))
        self.assertEqual(1, solution.efficacy_indicators[0].value)

    def test_oldest_and_biggest_first(self):
        servers = [
            models.instance('a', memory=1024, disk=30,
                            created='2026-03-01T00:00:00'),
            models.instance('b', memory=4096, disk=10,
                            created='2026-01-01T00:00:00'),
            models.instance('c', memory=2048, disk=20),
            models.instance('d', memory=512, disk=5,
                            created='2026-02-01T00:00:00')]
        for by, order in (('created_at', 'bdac'), ('mem_size', 'bcad'),
                          ('disk_size', 'acbd')):
            self.assertEqual(list(order), names(self.empty(
                *servers, priority={'compute': by}, parallel_per_node=9)))

    def test_parameters_that_ask_for_nothing(self):
        solution = self.run_on()
        self.assertEqual([], solution.actions)
        self.assertEqual('nothing_asked', solution.explanation.code)

    def test_second_run(self):
        """Field report test 27."""
        solution = self.run_on(
            models.cloud({models.node('A'): [], models.node('B'): [
                models.instance('a')]}),
            compute_nodes=[{'src_node': 'host-A', 'dst_node': 'host-B'}])
        self.assertEqual([], solution.actions)
        self.assertEqual('empty', solution.explanation.code)


class TestVolumes(ZoneMigrationTestCase):

    def empty(self, *volumes, entry=None, target=None, **more):
        pools = models.storage({S1: (ROOMY, list(volumes)),
                                S2: (target or ROOMY, [])}, TYPES)
        self.strategy = self.begin(pools=pools, storage_pools=[
            {'src_pool': S1, **(entry or {'dst_pool': S2})}], **more)
        return self.strategy.execute()

    def test_no_compute_model_is_needed(self):
        for attached in (False, True):
            solution = self.empty(
                models.volume('v', status='in-use',
                              attachments=models.attached('s')),
                with_attached_volume=attached)
            self.assertEqual([('v', 'migrate', S2)], brief(solution))

    def test_no_storage_model_is_needed(self):
        compute = models.cloud({models.node('A'): [models.instance('a')],
                                models.node('B'): []})
        solution = self.run_on(compute, compute_nodes=[
            {'src_node': 'host-A'}])
        self.assertEqual(['a'], names(solution))

    def test_total_counts_the_volume_before_its_servers(self):
        compute = models.cloud({models.node('A'): [models.instance('a')],
                                models.node('B'): []})
        pools = models.storage({
            S1: (ROOMY, [models.volume(
                'v', status='in-use', attachments=models.attached('a'))]),
            S2: (ROOMY, [])})
        solution = self.run_on(
            compute, pools, with_attached_volume=True, parallel_total=1,
            compute_nodes=[{'src_node': 'host-A'}],
            storage_pools=[{'src_pool': S1, 'dst_pool': S2}])
        self.assertEqual(['v'], names(solution))

    def test_types(self):
        volumes = [models.volume('v', volume_type='t1'),
                   models.volume('w', volume_type='t2'),
                   models.volume('x')]
        for entry, found in (
                ({'dst_pool': S2, 'src_type': 't2'}, [('w', 'migrate', S2)]),
                ({'dst_type': 't2'}, [('v', 'retype', 't2'),
                                      ('x', 'retype', 't2')]),
                ({'dst_type': 't2', 'src_type': 't2'}, [])):
            self.assertEqual(found, brief(self.empty(*volumes, entry=entry)))
        self.assertTrue([remark for remark in self.strategy.solution.remarks
                         if 'neither a pool nor a type' in remark])

    def test_volumes_of_other_types_are_not_meant(self):
        solution = self.empty(
            models.volume('v', volume_type='t1'),
            models.volume('w', volume_type='t2'),
            models.volume('x'), entry={'dst_pool': S2, 'src_type': 't2'})
        self.assertEqual(
            1, solution.efficacy.indicators_map['volume_migrate_count'])
        self.assertEqual([], solution.remarks)

    def test_typed_volumes_keep_their_type(self):
        """Field report test 33."""
        pools = models.storage(
            {'s@a#p': (ROOMY, [models.volume('v', volume_type='gold')]),
             's@b#p': (ROOMY, []), 't@a#p': (ROOMY, [])},
            {'gold': {'volume_backend_name': 'a'}})
        for target, count in (('s@b#p', 0), ('t@a#p', 1)):
            solution = self.run_on(None, pools, storage_pools=[
                {'src_pool': 's@a#p', 'dst_pool': target}])
            self.assertEqual(count, len(solution.actions))
            for action in solution.actions:
                self.assertEqual('migrate', action[
                    'input_parameters']['migration_type'])

    def test_pools_that_tell_no_numbers(self):
        """Field report test 33."""
        for told in ('infinite', 'unknown', None):
            solution = self.empty(models.volume('v'),
                                  target=dict.fromkeys(ROOMY, told))
            self.assertEqual(['v'], names(solution))
        solution = self.empty(models.volume('v'),
                              target=dict.fromkeys(ROOMY, 0))
        self.assertEqual([], solution.actions)

    def test_pools_that_take_nothing(self):
        for target, words in (
                ({**ROOMY, 'free_capacity_gb': 5}, 'too little room'),
                ({**ROOMY, 'node': {'status': 'disabled'}}, 'disabled')):
            solution = self.empty(models.volume('v'), target=target)
            self.assertEqual([], solution.actions)
            self.assertIn(words, solution.remarks[0])
        for destination in ('typo@b#p', S1):
            solution = self.empty(models.volume('v'),
                                  entry={'dst_pool': destination})
            self.assertEqual([], solution.actions)

    def test_unknown_type_and_pool(self):
        solution = self.empty(models.volume('v'),
                              entry={'dst_type': 'typo'})
        self.assertIn('there is no volume type typo', solution.remarks[0])
        solution = self.run_on(None, models.storage({S1: (ROOMY, [])}),
                               storage_pools=[{'src_pool': 'typo',
                                               'dst_pool': S1}])
        self.assertEqual(['there is no storage pool typo'],
                         solution.remarks)

    def test_volumes_that_cinder_would_refuse(self):
        with mock.patch.object(
                zone_migration.ZoneMigration, '_snapshots',
                return_value=frozenset([models.uuid('x')])):
            solution = zone_migration.ZoneMigration(utils.Struct())
            solution._storage_model = models.storage({
                S1: (ROOMY, [models.volume('v', status='error'),
                             models.volume('w'), models.volume('x')]),
                S2: (ROOMY, [])})
            solution.input_parameters.update(
                storage_pools=[{'src_pool': S1, 'dst_pool': S2}])
            found = solution.execute()
        self.assertEqual(['w'], names(found))
        self.assertEqual(3, found.efficacy_indicators[4].value)

    def test_snapshots_are_read_once(self):
        strategy = zone_migration.ZoneMigration(utils.Struct())
        with mock.patch.object(
                cinder_helper.CinderHelper, '__init__', return_value=None), \
            mock.patch.object(
                cinder_helper.CinderHelper, 'get_volume_snapshots_list',
                side_effect=[[cinder_helper.VolumeSnapshot('v')],
                             exception.CinderClientError(reason='away')]):
            self.assertEqual({'v'}, strategy._snapshots())
            self.assertEqual(frozenset(), strategy._snapshots())
        self.assertIn('away', strategy.solution.remarks[0])

    def test_oldest_and_biggest_first(self):
        volumes = [models.volume('v', 10, created_at='2026-02-01T00:00:00'),
                   models.volume('w', 30, created_at='2026-03-01T00:00:00'),
                   models.volume('x', 20, created_at='2026-01-01T00:00:00')]
        for by, order in (('created_at', 'xvw'), ('size', 'wxv')):
            self.assertEqual(list(order), names(self.empty(
                *volumes, priority={'storage': by}, parallel_per_pool=9)))

    def test_everything_with_limits_for_pools(self):
        solution = self.empty(
            *(models.volume(f'v{number}') for number in range(6)),
            parallel_applies_to='execution', parallel_per_pool=1)
        self.assertEqual(6, len(solution.actions))
        for before, action in zip(solution.actions, solution.actions[1:],
                                  strict=False):
            self.assertEqual([before], action.after)


class TestSchema(base.TestCase):

    def refused(self, **parameters):
        self.assertRaises(
            jsonschema.ValidationError,
            utils.StrictDefaultValidatingDraft4Validator(
                zone_migration.ZoneMigration.get_schema()).validate,
            parameters)

    def test_destination_of_volumes(self):
        self.refused(storage_pools=[{'src_pool': S1}])
        self.refused(storage_pools=[
            {'src_pool': S1, 'dst_pool': S2, 'dst_type': 't'}])

    def test_others(self):
        self.refused(parallel_total=-1)
        self.refused(parallel_applies_to='never')
        self.refused(priority={'compute': 'cpu_num'})
        self.refused(compute_nodes=[{'dst_node': 'host-A'}])

    def test_defaults_are_those_that_clients_know(self):
        parameters = {}
        utils.StrictDefaultValidatingDraft4Validator(
            zone_migration.ZoneMigration.get_schema()).validate(parameters)
        self.assertEqual(
            {'parallel_total': 6, 'parallel_per_node': 2,
             'parallel_per_pool': 2, 'with_attached_volume': False},
            parameters)


class TestProperties(properties.StrategyProperties, base.TestCase):

    STRATEGY = zone_migration.ZoneMigration

    def parameters(self, model, seed):
        dice = random.Random(seed)
        hosts = [node.hostname for node
                 in model.get_all_compute_nodes().values()]
        return {
            'compute_nodes': [
                {'src_node': hosts[0], 'dst_node': dice.choice(hosts)},
                {'src_node': hosts[1]}],
            'storage_pools': [{'src_pool': S1, 'dst_pool': S2}],
            'with_attached_volume': dice.random() < 0.5,
            'parallel_total': 20, 'parallel_per_node': 8,
            'parallel_applies_to': dice.choice(['plan', 'execution']),
            'priority': {'compute': dice.choice(
                ['vcpu_num', 'mem_size', 'created_at'])}}

    def prepare(self, strategy, model, seed):
        dice = random.Random(seed)
        uuids = list(model.get_all_instances())
        strategy._snapshots = frozenset
        strategy._all_servers = model
        strategy._storage_model = models.storage({
            S1: (ROOMY, [models.volume(
                f'v{number}', dice.choice([10, 300]),
                status=dice.choice(['available', 'in-use', 'error']),
                attachments=[{'server_id': dice.choice(uuids)}
                             for _use in range(dice.randint(0, 1))])
                for number in range(12)]),
            S2: (ROOMY, [])})
