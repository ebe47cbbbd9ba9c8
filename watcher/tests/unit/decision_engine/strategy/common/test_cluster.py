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
"""Tests of the cluster as numbers."""

import hypothesis
import numpy
from hypothesis import strategies as st

from watcher.decision_engine.strategy.common import cluster
from watcher.tests import base
from watcher.tests.fixtures import clouds
from watcher.tests.fixtures import models

RELAXED = hypothesis.settings(deadline=None, derandomize=True,
                              max_examples=40)
SEEDS = st.integers(0, 10 ** 6)
STEPS = st.lists(st.tuples(st.integers(0, 23), st.integers(0, 5)),
                 max_size=20)


def make(**nodes):
    """Make a state of hosts with the names of their servers."""
    return cluster.ClusterState.from_model(models.cloud({
        models.node(name): [models.instance(server) for server in servers]
        for name, servers in nodes.items()}))


def snapshot(state):
    """Return all that a move changes."""
    hosts = range(len(state.hosts))
    return (state.host_of.tolist(), state.used.tolist(),
            state.free.tolist(), [state.servers_on(host) for host in hosts],
            state.moves)


class TestClusterState(base.TestCase):

    def test_numbers_follow_the_model(self):
        state = make(A=['a1', 'a2'], B=['b1'])
        self.assertEqual(['host-A', 'host-B'],
                         [host.hostname for host in state.hosts])
        self.assertEqual({models.uuid('A'): 0, models.uuid('B'): 1},
                         state.host_index)
        self.assertEqual(2, state.server_index[models.uuid('b1')])
        self.assertEqual([[0, 1], [2]],
                         [state.servers_on(0), state.servers_on(1)])
        self.assertEqual([0, 0, 1], state.host_of.tolist())
        self.assertEqual([[16, 65536, 1000]] * 2, state.capacity.tolist())
        self.assertEqual([[4, 8192, 40], [2, 4096, 20]],
                         state.used.tolist())
        self.assertEqual((1, None), (state.host_named('host-B'),
                                     state.host_named('host-C')))
        self.assertEqual('host-A', state.node(0).hostname)
        self.assertEqual('vm-b1', state.instance(2).name)

    def test_empty_model(self):
        state = make()
        self.assertEqual(([], []), (state.hosts, list(state.servers)))
        self.assertEqual((0, 3), state.used.shape)

    def test_records_of_servers_are_made_once(self):
        servers = make(A=['a1', 'a2']).servers
        self.assertEqual(['vm-a1', 'vm-a2'], [one.name for one in servers])
        self.assertIs(servers[0], servers[0])
        self.assertEqual('vm-a2', servers[-1].name)
        self.assertEqual([servers[1]], servers[1:])
        self.assertRaises(IndexError, servers.__getitem__, 2)

    def test_others_put_into_a_copy_stay_there(self):
        servers = make(A=['a1', 'a2']).servers
        changed = servers.copy()
        changed[0] = servers[1]
        self.assertEqual(('vm-a1', 'vm-a2'),
                         (servers[0].name, changed[0].name))

    def test_server_on_no_host(self):
        model = models.cloud({models.node('A'): []})
        model.add_instance(models.instance('x'))
        state = cluster.ClusterState.from_model(model)
        self.assertEqual(cluster.NOWHERE, state.host_of[0])
        self.assertEqual(0, state.used.sum())
        state.move(0, 0)
        self.assertEqual(2, state.used[0, cluster.VCPU])
        self.assertEqual([(0, cluster.NOWHERE, 0)], state.moves)

    def test_who_moves_comes_last(self):
        state = make(A=['a1', 'a2'], B=['b1'])
        self.assertTrue(state.move(0, 1))
        self.assertEqual(([1], [2, 0]),
                         (state.servers_on(0), state.servers_on(1)))
        state.move(0, 0)
        self.assertEqual([1, 0], state.servers_on(0))

    def test_a_move_to_the_same_host_is_none(self):
        state = make(A=['a1'], B=[])
        self.assertFalse(state.move(0, 0))
        self.assertEqual([], state.moves)

    def test_several_moves_of_a_server_are_one(self):
        state = make(A=['a1', 'a2'], B=[], C=[])
        state.move(0, 1)
        state.move(1, 1)
        state.move(0, 2)
        self.assertEqual([(1, 0, 1), (0, 0, 2)], state.moves)
        state.move(1, 0)
        self.assertEqual([(0, 0, 2)], state.moves)

    def test_the_model_stays_as_it_is(self):
        state = make(A=['a1'], B=[])
        before = state.model.to_xml()
        state.move(0, 1)
        self.assertEqual(before, state.model.to_xml())

    def test_a_copy_is_independent_and_has_no_moves(self):
        state = make(A=['a1'], B=[])
        state.move(0, 1)
        copy = state.copy()
        self.assertEqual([], copy.moves)
        copy.move(0, 0)
        self.assertEqual(([0], [1]), (copy.host_of.tolist(),
                                      state.host_of.tolist()))

    def test_lists_of_servers_are_the_callers(self):
        state = make(A=['a1'])
        state.servers_on(0).clear()
        self.assertEqual([0], state.servers_on(0))

    def test_exactly_enough_fits(self):
        state = cluster.ClusterState.from_model(models.cloud({
            models.node('A', vcpus=4, memory=8192, disk=40):
                [models.instance('a')],
            models.node('B'): [models.instance('b'), models.instance(
                'c', vcpus=3)]}))
        self.assertTrue(state.fits(1, 0))
        self.assertFalse(state.fits(2, 0))
        self.assertEqual('host-A has too little vCPU: 3 needed, 2 free',
                         state.why_not_fit(2, 0))

    def test_one_server_is_not_larger_than_its_host(self):
        # As Placement has it, whatever the allocation ratio.
        state = cluster.ClusterState.from_model(models.cloud({
            models.node('A', vcpus=4, vcpu_ratio=16.0): [],
            models.node('B'): [models.instance('b', vcpus=6)]}))
        self.assertEqual(64, state.capacity[0, cluster.VCPU])
        self.assertFalse(state.fits(0, 0))
        self.assertEqual('host-A is smaller than the server: '
                         'vCPU: 6 needed, 4 free', state.why_not_fit(0, 0))

    def test_disk_that_is_not_accounted_for(self):
        state = cluster.ClusterState.from_model(models.cloud({
            models.node('A', disk=0): [],
            models.node('B'): [models.instance('b', disk=500)]}))
        self.assertTrue(state.fits(0, 0))

    def test_nothing_is_taken_of_what_is_not_needed(self):
        state = cluster.ClusterState.from_model(models.cloud({
            models.node('A', disk=10): [models.instance('a', disk=20)],
            models.node('B'): [models.instance('b', disk=0)]}))
        self.assertEqual(-10, state.free[0, cluster.DISK])
        self.assertTrue(state.fits(1, 0))


class TestProperties(base.TestCase):

    def random_state(self, seed):
        return cluster.ClusterState.from_model(clouds.random_cloud(seed))

    @RELAXED
    @hypothesis.given(SEEDS, STEPS)
    def test_sums_are_those_of_the_servers(self, seed, steps):
        state = self.random_state(seed)
        for server, host in steps:
            state.move(server, host)
        for host in range(len(state.hosts)):
            used = state.demand[state.servers_on(host)].sum(axis=0)
            self.assertEqual(used.tolist(), state.used[host].tolist())
            self.assertEqual(state.count_on(host),
                             int((state.host_of == host).sum()))
        numpy.testing.assert_array_equal(
            state.capacity - state.used, state.free)

    @RELAXED
    @hypothesis.given(SEEDS, STEPS, STEPS)
    def test_undo_leaves_no_trace(self, seed, steps, trials):
        state = self.random_state(seed)
        for server, host in steps:
            state.move(server, host)
        before = snapshot(state)
        mark = state.mark()
        for server, host in trials:
            state.move(server, host)
        state.undo(mark)
        self.assertEqual(before, snapshot(state))
        state.undo()
        self.assertEqual(snapshot(self.random_state(seed)), snapshot(state))

    @RELAXED
    @hypothesis.given(SEEDS, STEPS)
    def test_order_is_that_of_the_model_after_the_same_moves(self, seed,
                                                             steps):
        model = clouds.random_cloud(seed)
        state = cluster.ClusterState.from_model(model.copy())
        nodes = list(model.get_all_compute_nodes().values())
        for server, host in steps:
            instance = model.get_instance_by_uuid(
                state.servers[server].uuid)
            model.migrate_instance(
                instance, model.get_node_by_instance_uuid(instance.uuid),
                nodes[host])
            state.move(server, host)
        for number, node in enumerate(nodes):
            self.assertEqual(
                [instance.uuid for instance
                 in model.get_node_instances(node)],
                [state.servers[server].uuid for server
                 in state.servers_on(number)])

    @RELAXED
    @hypothesis.given(SEEDS)
    def test_the_mask_says_what_the_question_says(self, seed):
        state = self.random_state(seed)
        for server in range(len(state.servers)):
            fits = [state.fits(server, host)
                    for host in range(len(state.hosts))]
            self.assertEqual(fits, state.fit_mask(server).tolist())
            self.assertEqual(
                fits, [state.why_not_fit(server, host) is None
                       for host in range(len(state.hosts))])
