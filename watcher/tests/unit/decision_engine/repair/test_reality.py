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
"""What of a rollback or a retry the cloud still allows."""

import dataclasses
import types

from watcher.decision_engine.repair import reality
from watcher.decision_engine.repair import retry
from watcher.decision_engine.repair import rollback
from watcher.decision_engine.repair import steps as repair_steps
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import plan_check
from watcher.decision_engine.strategy.common import settings
from watcher.tests import base
from watcher.tests.fixtures import models


def host(name):
    return f'host-{name}'


def moved(server, source, target, state='SUCCEEDED', parents=(),
          kind='live', uuid=None):
    """A migration that ended, with its inverse."""
    parameters = {'resource_id': models.uuid(server),
                  'migration_type': kind}
    return repair_steps.Step(
        uuid or server, 'migrate',
        {**parameters, 'source_node': host(source),
         'destination_node': host(target)}, state, tuple(parents),
        run=types.SimpleNamespace(started_at='then', inverse={
            'action_type': 'migrate', 'input_parameters': {
                **parameters, 'source_node': host(target),
                'destination_node': host(source)}}))


def disabled(name, reason='watcher_maintaining', state='SUCCEEDED'):
    """A host that the plan disabled."""
    parameters = {'resource_id': models.uuid(name),
                  'resource_name': host(name)}
    return repair_steps.Step(
        name, 'change_nova_service_state',
        {**parameters, 'state': 'disabled', 'disabled_reason': reason},
        state,
        run=types.SimpleNamespace(started_at='then', inverse={
            'action_type': 'change_nova_service_state',
            'input_parameters': {**parameters, 'state': 'enabled'}}))


def in_pool(volume, source, target, kind='migrate'):
    """A volume that the plan moved, or gave another type."""
    name = 'destination_type' if kind == 'retype' else 'destination_node'
    parameters = {'resource_id': models.uuid(volume),
                  'migration_type': kind}
    return repair_steps.Step(
        volume, 'volume_migrate', {**parameters, name: target}, 'SUCCEEDED',
        run=types.SimpleNamespace(started_at='then', inverse={
            'action_type': 'volume_migrate',
            'input_parameters': {**parameters, name: source}}))


def stopped(server, parents=()):
    """A server that the plan stopped."""
    parameters = {'resource_id': models.uuid(server)}
    return repair_steps.Step(
        server, 'stop', parameters, 'SUCCEEDED', tuple(parents),
        run=types.SimpleNamespace(started_at='then', inverse={
            'action_type': 'start', 'input_parameters': parameters}))


def off(name, reason):
    return models.node(name, vcpus=4, status='disabled',
                       disabled_reason=reason)


def look(nodes, storage=None, snapshots=(), **options):
    """Hosts of 4 vCPUs with servers of 2."""
    model = models.cloud({
        node if not isinstance(node, str) else models.node(node, vcpus=4):
        [server if not isinstance(server, str) else models.instance(server)
         for server in servers] for node, servers in nodes.items()})
    return reality.Reality(cluster.ClusterState.from_model(model), storage,
                           settings.Settings(**options), snapshots)


class RealityTestCase(base.TestCase):

    def undo(self, steps, nodes, **kwargs):
        return reality.examine(rollback.propose(steps),
                               look(nodes, **kwargs))

    def repeat(self, steps, nodes, **kwargs):
        return reality.examine(retry.propose(steps), look(nodes, **kwargs))

    def assertLeftOut(self, draft, *texts):
        self.assertEqual([], draft.wishes)
        self.assertEqual(len(texts), len(draft.left_out), draft.left_out)
        for text, reason in zip(texts, draft.left_out.values(), strict=True):
            self.assertIn(text, reason)

    @staticmethod
    def order(draft):
        return [wish.step.uuid for wish in draft.wishes]

    @staticmethod
    def waits(draft):
        return {wish.step.uuid: [other.step.uuid for other in wish.after]
                for wish in draft.wishes}


class TestServers(RealityTestCase):

    def test_as_the_plan_left_it(self):
        draft = self.undo([moved('a', 'A', 'B')], {'A': [], 'B': ['a']})
        wish, = draft.wishes
        self.assertEqual(
            {'resource_id': models.uuid('a'), 'migration_type': 'live',
             'source_node': 'host-B', 'destination_node': 'host-A'},
            wish['input_parameters'])
        self.assertEqual({}, draft.left_out)

    def test_the_cloud_moved_on(self):
        step = moved('a', 'A', 'B')
        for text, nodes in (
                ('does not exist any more', {'A': [], 'B': []}),
                ('is on host-C now, not on host-B',
                 {'A': [], 'B': [], 'C': ['a']}),
                ('is on host-A already', {'A': ['a'], 'B': []}),
                ('the host host-A is not known', {'B': ['a']}),
                ('host-A has too little vCPU',
                 {'A': ['x', 'y'], 'B': ['a']}),
                ('host-A is disabled (fan)',
                 {off('A', 'fan'): [], 'B': ['a']}),
                ('host-A is down', {
                    models.node('A', state='down'): [], 'B': ['a']})):
            self.assertLeftOut(self.undo([step], nodes), text)

    def test_owner_keeps_it(self):
        server = models.instance('a', metadata={'optimize': 'false'})
        self.assertLeftOut(
            self.undo([moved('a', 'A', 'B')], {'A': [], 'B': [server]},
                      opt_out_metadata=(('optimize', 'false'),)),
            'its owner keeps it')

    def test_limits_of_plans_do_not_count(self):
        steps = [moved('a', 'A', 'B'), moved('b', 'A', 'B')]
        draft = self.undo(steps, {'A': [], 'B': ['a', 'b']},
                          max_migrations=1, max_migrations_per_source=1,
                          max_migrations_per_destination=1)
        self.assertEqual(['b', 'a'], self.order(draft))

    def test_stopped_meanwhile(self):
        server = models.instance('a', state='stopped')
        wish, = self.undo([moved('a', 'A', 'B')],
                          {'A': [], 'B': [server]}).wishes
        self.assertEqual('cold', wish.parameters['migration_type'])

    def test_what_did_not_succeed(self):
        step = moved('a', 'A', 'B', state='FAILED')
        arrived = self.undo([step], {'A': [], 'B': ['a']})
        self.assertEqual(['a'], self.order(arrived))
        for nodes in ({'A': ['a'], 'B': []}, {'A': [], 'B': [], 'C': ['a']},
                      {'A': [], 'B': []}):
            # Nothing was done that could be undone: no word about it.
            stayed = self.undo([step], nodes)
            self.assertEqual(([], {}), (stayed.wishes, stayed.left_out))

    def test_two_steps_of_one_server(self):
        steps = [moved('a', 'A', 'B', uuid='first'),
                 moved('a', 'B', 'C', uuid='second', parents=['first'])]
        draft = self.undo(steps, {'A': [], 'B': [], 'C': ['a']})
        self.assertEqual({'second': [], 'first': ['second']},
                         self.waits(draft))

    def test_room_is_made_first(self):
        # A is full until b has left it again.
        steps = [moved('a', 'A', 'B'), moved('b', 'C', 'A', parents=['a'])]
        draft = self.undo(steps, {'A': ['b', 'x'], 'B': ['a'], 'C': []})
        self.assertEqual({'b': [], 'a': ['b']}, self.waits(draft))

    def test_order_through_what_is_left_out(self):
        steps = [moved('a', 'A', 'B'), moved('b', 'A', 'B', parents=['a']),
                 moved('c', 'A', 'B', parents=['b'])]
        draft = self.undo(steps, {'A': [], 'B': ['a', 'c'], 'C': ['b']})
        self.assertEqual({'c': [], 'a': ['c']}, self.waits(draft))
        self.assertEqual(1, len(draft.left_out))


class TestHosts(RealityTestCase):

    def maintained(self, node, **servers):
        steps = [disabled('A'), moved('a', 'A', 'B', parents=['A']),
                 moved('b', 'A', 'C', parents=['A'])]
        return self.undo(steps, {node: [], 'B': ['a'], 'C': ['b']})

    def test_host_is_enabled_before_servers_return(self):
        draft = self.maintained(off('A', 'watcher_maintaining'))
        self.assertEqual('A', self.order(draft)[0])
        self.assertEqual({'A': [], 'a': ['A'], 'b': ['A']},
                         self.waits(draft))

    def test_operator_has_enabled_it_already(self):
        draft = self.maintained('A')
        self.assertEqual({'a': [], 'b': []}, self.waits(draft))
        self.assertIn('host-A is enabled already',
                      list(draft.left_out.values()))

    def test_somebody_else_disabled_it(self):
        self.assertLeftOut(
            self.maintained(off('A', 'DIMM')),
            'was disabled by somebody else (DIMM)',
            'host-A is disabled (DIMM)', 'host-A is disabled (DIMM)')

    def test_maintenance_goes_on(self):
        node = models.node('A', status='disabled', state='down',
                           disabled_reason='watcher_maintaining')
        self.assertLeftOut(self.maintained(node), 'host-A is down',
                           'host-A is down', 'host-A is down')

    def test_unknown_host(self):
        self.assertLeftOut(self.undo([disabled('Z')], {'A': []}),
                           'host-Z is not known')


class TestRetry(RealityTestCase):

    def test_still_to_be_done(self):
        steps = [disabled('A', state='FAILED'),
                 moved('a', 'A', 'B', state='FAILED', parents=['A'])]
        draft = self.repeat(steps, {'A': ['a'], 'B': []})
        self.assertEqual({'A': [], 'a': ['A']}, self.waits(draft))

    def test_host_that_is_not_empty_after_all(self):
        steps = [moved('a', 'A', 'B', state='FAILED'),
                 disabled('A', plan_check.WHEN_EMPTY, 'CANCELLED')]
        for nodes, possible in (
                ({'A': ['a'], 'B': []}, ['a', 'A']),
                ({'A': [], 'B': ['a']}, ['A']),
                # No room; somebody else came; nothing is known of the host.
                ({'A': ['a'], 'B': ['b', 'c']}, []),
                ({'A': ['a', 'b'], 'B': []}, ['a']),
                ({'A': ['a'], 'C': []}, [])):
            draft = self.repeat(steps, nodes)
            self.assertEqual(possible, self.order(draft), nodes)
            self.assertEqual('A' not in possible, 'there are servers that '
                             'stay on it' in draft.left_out.values())
        # Others are not disabled because they are empty.
        steps[1] = disabled('A', state='CANCELLED')
        self.assertEqual(['A'], self.order(self.repeat(
            steps, {'A': ['a'], 'B': ['b', 'c']})))

    def test_done_meanwhile(self):
        steps = [disabled('A', state='FAILED'),
                 moved('a', 'A', 'B', state='FAILED'),
                 moved('b', 'A', 'B', state='CANCELLED')]
        draft = self.repeat(steps, {
            off('A', 'operator'): ['b'], 'B': ['a']})
        self.assertEqual(['b'], self.order(draft))
        self.assertEqual(['host-A is disabled already',
                          'the server is on host-B already'],
                         list(draft.left_out.values()))

    def test_nova_chooses(self):
        step = moved('a', 'A', 'B', state='FAILED')
        del step.parameters['destination_node']
        self.assertEqual(['a'], self.order(
            self.repeat([step], {'A': ['a'], 'B': []})))
        self.assertLeftOut(self.repeat([step], {'A': [], 'B': ['a']}),
                           'is on host-B now, not on host-A')

    def test_stopped_already(self):
        step = repair_steps.Step('s', 'stop', {
            'resource_id': models.uuid('a')}, 'FAILED')
        self.assertEqual(['s'], self.order(
            self.repeat([step], {'A': ['a']})))
        server = models.instance('a', state='stopped')
        self.assertLeftOut(self.repeat([step], {'A': [server]}),
                           'is stopped already')

    def test_stopped_server_is_started_again(self):
        step = stopped('a')
        server = models.instance('a', state='stopped')
        self.assertEqual(['a'], self.order(self.undo([step],
                                                     {'A': [server]})))
        self.assertLeftOut(self.undo([step], {'A': ['a']}),
                           'is not stopped any more')

    def test_actions_of_others(self):
        step = repair_steps.Step('s', 'theirs', {'x': 1}, 'FAILED')
        self.assertEqual(['s'], self.order(self.repeat([step], {'A': []})))
        self.assertLeftOut(self.repeat([repair_steps.Step(
            's', 'resize', {'resource_id': models.uuid('a')}, 'FAILED')],
            {'A': []}), 'does not exist any more')


class TestVolumes(RealityTestCase):

    SIZES = {'total_capacity_gb': 100, 'free_capacity_gb': 50}

    def pools(self, **volumes):
        """Pools with the volumes of these names and types."""
        return models.storage({
            f'host@backend#{name}': (dict(self.SIZES), [
                models.volume(one, **fields)
                for one, fields in found.items()])
            for name, found in volumes.items()})

    def pool(self, name):
        return f'host@backend#{name}'

    def test_as_the_plan_left_it(self):
        step = in_pool('v', self.pool('x'), self.pool('y'))
        draft = self.undo([step], {'A': []},
                          storage=self.pools(x={}, y={'v': {}}))
        self.assertEqual(['v'], self.order(draft), draft.left_out)

    def test_the_cloud_moved_on(self):
        step = in_pool('v', self.pool('x'), self.pool('y'))
        for text, volumes in (
                ('does not exist any more', {'x': {}, 'y': {}}),
                ('in host@backend#x already', {'x': {'v': {}}, 'y': {}}),
                ('in host@backend#z now', {'x': {}, 'z': {'v': {}}}),
                ('too little room', {'x': {}, 'y': {'v': {'size': 90}}})):
            self.assertLeftOut(self.undo(
                [step], {'A': []}, storage=self.pools(**volumes)), text)

    def test_disks_that_nova_does_not_swap(self):
        step = in_pool('v', self.pool('x'), self.pool('y'))
        stopped = models.instance('a', state='stopped')
        pools = self.pools(x={}, y={'v': {
            'status': 'in-use', 'attachments': models.attached('a')}})
        self.assertLeftOut(
            self.undo([step], {'A': [stopped]}, storage=pools),
            'cannot be moved: the server '
            f"{models.uuid('a')} uses it and is stopped")
        draft = self.undo([step], {'A': ['a']}, storage=pools)
        self.assertEqual(['v'], self.order(draft), draft.left_out)

    def test_server_that_uses_it_is_started_before(self):
        step = in_pool('v', self.pool('x'), self.pool('y'))
        pools = self.pools(x={}, y={'v': {
            'status': 'in-use', 'attachments': models.attached('a')}})
        draft = self.undo(
            [step, stopped('a', parents=['v'])],
            {'A': [models.instance('a', state='stopped')]}, storage=pools)
        self.assertEqual(['a', 'v'], self.order(draft), draft.left_out)
        self.assertEqual({'v': ['a'], 'a': []}, self.waits(draft))

    def test_server_that_uses_it_is_stopped_before(self):
        # Nobody plans that; a retry must not promise what will fail.
        steps = [repair_steps.Step('s', 'stop', {
            'resource_id': models.uuid('a')}, 'FAILED')]
        steps.append(dataclasses.replace(
            in_pool('v', self.pool('x'), self.pool('y')), state='FAILED',
            parents=('s',)))
        draft = self.repeat(steps, {'A': ['a']}, storage=self.pools(
            x={'v': {'status': 'in-use',
                     'attachments': models.attached('a')}}, y={}))
        self.assertEqual(['s'], self.order(draft))
        self.assertIn('is stopped', ' '.join(draft.left_out.values()))

    def test_snapshots(self):
        """Cinder migrates no such volume; it may give it another type."""
        snapshots = {models.uuid('v')}
        self.assertLeftOut(self.undo(
            [in_pool('v', self.pool('x'), self.pool('y'))], {'A': []},
            storage=self.pools(x={}, y={'v': {}}), snapshots=snapshots),
            'it has snapshots')
        draft = self.undo(
            [in_pool('v', 'slow', 'fast', 'retype')], {'A': []},
            storage=self.pools(y={'v': {'volume_type': 'fast'}}),
            snapshots=snapshots)
        self.assertEqual(['v'], self.order(draft), draft.left_out)

    def test_no_storage(self):
        step = in_pool('v', self.pool('x'), self.pool('y'))
        self.assertLeftOut(self.undo([step], {'A': []}), 'no block storage')

    def test_types(self):
        step = in_pool('v', 'slow', 'fast', kind='retype')

        def found(kind):
            return self.undo([step], {'A': []}, storage=self.pools(
                x={'v': {'volume_type': kind}}))

        self.assertEqual(['v'], self.order(found('fast')))
        self.assertLeftOut(found('slow'), 'is of the type slow already')
        self.assertLeftOut(found('huge'), 'of the type huge now')
