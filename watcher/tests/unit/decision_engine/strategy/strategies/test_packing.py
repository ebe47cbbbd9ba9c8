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
"""The packing against the rules it implements, written down naively.

The search with an index, and the sums that follow moves, have to decide what
a search through all hosts decides that adds everything up each time.
"""

import random

import numpy

from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import destinations
from watcher.decision_engine.strategy.common import eligibility
from watcher.decision_engine.strategy.strategies import _packing
from watcher.tests import base
from watcher.tests.fixtures import models

SPARE = 128


class Naive:
    """First fit by measured use: every look adds up everything."""

    def __init__(self, state, used, reported):
        self.state, self.use = state, used
        self.reported = reported
        self.home = state.host_of.tolist()
        self.hosts = range(len(state.hosts))
        self.came = {server: order for order, server
                     in enumerate(s for h in self.hosts
                                  for s in state.servers_on(h))}

    def on(self, host):
        return sorted((server for server, home in enumerate(self.home)
                       if home == host), key=self.came.get)

    def used(self, host):
        servers = self.on(host)
        sums = self.use[servers].sum(axis=0)
        start = self.state.initial_host_of.tolist()
        cpu, ram = self.reported[host]
        for server in range(len(self.home)):
            sign = (self.home[server] == host) - (start[server] == host)
            cpu += sign * self.use[server, 0]
            ram += sign * self.state.demand[server, 1]
        return numpy.array([max(sums[0], cpu), max(sums[1], ram), sums[2]])

    def free(self, host):
        return (self.state.capacity[host]
                - self.state.demand[self.on(host)].sum(axis=0))

    def fits(self, server, host):
        left = self.state.capacity[host] - self.used(host)
        return bool((self.use[server] <= left + 1e-9).all() and (
            self.state.demand[server] <= self.free(host)).all())

    def is_full(self, host):
        left = self.state.capacity[host] - self.used(host)
        free = self.free(host)
        return bool(free[0] <= 0 or free[1] <= SPARE or free[2] <= 0
                    or left[0] <= 0 or left[1] <= SPARE or left[2] <= 0)

    def order(self):
        return sorted(self.hosts, key=lambda host: round(
            self.used(host)[0], 9))

    def by_use(self, host):
        return sorted(self.on(host), key=lambda server: round(
            self.use[server, 0], 9))

    def move(self, server, order, full, above=-1):
        for place in range(len(order) - 1, above, -1):
            host = order[place]
            if host in full:
                continue
            if host != self.home[server] and self.fits(server, host):
                self.home[server] = host
                self.came[server] = len(self.came) + max(
                    self.came.values())
                return
            if self.is_full(host):
                full.add(host)

    def overloaded(self, host):
        return self.used(host)[0] > self.state.capacity[host, 0] + 1e-9

    def run(self):
        order, full = self.order(), set()
        for host in reversed(order):
            if not self.overloaded(host):
                continue
            for server in self.by_use(host):
                self.move(server, order, full)
                if not self.overloaded(host):
                    break
        order = self.order()
        # Who fills an empty host frees none.
        full = {host for host in order if not self.on(host)}
        for place, host in enumerate(order):
            for server in reversed(self.by_use(host)):
                self.move(server, order, full, place)
        return self.home


class TestPacking(base.TestCase):

    def situation(self, seed):
        dice = random.Random(seed)
        nodes = {}
        for number in range(8):
            node = models.node(f'{number}', vcpus=dice.choice((8, 16)),
                               memory=dice.choice((16384, 32768)))
            nodes[node] = [
                models.instance(
                    f'{number}-{n}', vcpus=dice.choice((1, 2)),
                    memory=dice.choice((1024, 2048, 4096)))
                for n in range(dice.randint(1, 4))]
        state = cluster.ClusterState.from_model(models.cloud(nodes))
        demand = state.demand
        used = demand * [[dice.choice((0, .25, .5, .9)),
                          dice.choice((.25, .5)), 1] for _ in demand]
        reported = numpy.array([[dice.choice((1, 2, 6, 12, 17)),
                                 dice.choice((512, 8192))]
                                for _ in state.hosts], dtype=float)
        return _packing.Situation(
            state, destinations.DestinationRules(state, filters=()),
            eligibility.Eligibility(state), used,
            numpy.ones(len(demand), dtype=bool), reported,
            state.capacity[:, 0], state.capacity[:, 1])

    def test_same_as_looking_everywhere(self):
        moved = 0
        for seed in range(40):
            situation = self.situation(seed)
            state = situation.state
            wanted = Naive(state, situation.used, situation.reported).run()
            packer = _packing.Packer(situation)
            packer.offload()
            packer.consolidate()
            self.assertEqual(wanted, state.host_of.tolist(), seed)
            moved += len(state.moves)
        self.assertGreater(moved, 100)
