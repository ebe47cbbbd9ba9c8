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
"""What workload_balance decides, as a pure function.

The load of a host is the sum of the loads of its servers. Hosts with too much
of it give servers away, one after the other, the others take them.
"""

import dataclasses
from collections.abc import Callable

import numpy

from watcher.decision_engine.solution import explanation
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import destinations
from watcher.decision_engine.strategy.common import feasibility
from watcher.decision_engine.strategy.common import stability
from watcher.decision_engine.strategy.strategies import balancing

#: Loads that differ by less are equal.
ROUNDING = 1e-9


@dataclasses.dataclass(frozen=True, eq=False)
class Situation:
    """All that the decision depends on.

    :param state: where servers are; the decision moves them in it.
    :param rules: about where servers may go; of the same state.
    :param why_not_move: why a server must not be migrated live, or None.
    :param gain: what a move has to bring.
    :param metric: what is balanced.
    :param load: of the servers, in vCPUs or MB; NaN where it is not known.
    :param threshold: percentage from which on a host has too much.
    :param target: percentage that no destination may reach.
    :param moves: how many servers to move at most.
    :param relative: whether loads are compared as shares of the hosts.
    """

    state: cluster.ClusterState
    rules: destinations.DestinationRules
    why_not_move: Callable[[int], str | None]
    gain: stability.Gain
    metric: str
    load: numpy.ndarray
    threshold: float
    target: float
    moves: int = 1
    relative: bool = False


@dataclasses.dataclass(frozen=True)
class Relief:
    """The move of one server, and why."""

    move: cluster.Move
    why: explanation.Explanation


@dataclasses.dataclass
class Decision:
    """What is to be done, and why that is all."""

    reliefs: list[Relief] = dataclasses.field(default_factory=list)
    why: explanation.Explanation | None = None


class HostLoads:
    """The load of each host, following the moves of the state.

    What is not known of a server counts as nothing when its host might be
    relieved, and as everything the server may use when its host might be a
    destination: no value never makes a host a better choice.
    """

    def __init__(self, situation: Situation):
        state = situation.state
        self.size = balancing.sizes(state, situation.metric)
        self.usable = balancing.open_hosts(state) & (self.size > 0)
        most = balancing.given(state, situation.metric)
        unknown = numpy.isnan(situation.load)
        idle = numpy.fromiter(
            (server.state in balancing.WITHOUT_LOAD
             for server in state.servers), dtype=bool,
            count=len(state.servers))
        self._known = numpy.where(unknown, 0.0, situation.load)
        self._assumed = numpy.where(
            unknown, numpy.where(idle, 0.0, most), situation.load)
        self.least = self._sums(state, self._known)
        self.most = self._sums(state, self._assumed)
        # Of hosts on which something runs and nothing was measured, nobody
        # knows anything; they would distort the average.
        values = self._sums(state, (~unknown).astype(float))
        doubts = self._sums(state, (unknown & ~idle).astype(float))
        self.blind = self.usable & (values == 0) & (doubts > 0)
        #: Whether nothing was measured anywhere, but something runs.
        self.silent = bool(
            self.blind.any() and not values[self.usable].any())
        state.watch(self._moved)

    @staticmethod
    def _sums(state, values):
        placed = state.host_of != cluster.NOWHERE
        return numpy.bincount(state.host_of[placed], values[placed],
                              minlength=len(state.hosts))

    def _moved(self, server, source, destination):
        for sums, values in ((self.least, self._known),
                             (self.most, self._assumed)):
            if source != cluster.NOWHERE:
                sums[source] -= values[server]
            if destination != cluster.NOWHERE:
                sums[destination] += values[server]

    @property
    def share(self) -> numpy.ndarray:
        """What is known to be used, in percent of each host."""
        return self._percent(self.least)

    @property
    def highest_share(self) -> numpy.ndarray:
        """What may be used, in percent of each host."""
        return self._percent(self.most)

    def _percent(self, sums):
        return numpy.divide(100 * sums, self.size, where=self.usable,
                            out=numpy.zeros(len(sums)))

    def wanted(self, relative: bool) -> numpy.ndarray:
        """Return the load that each host has if all have as much."""
        hosts = self.usable & ~self.blind
        if not hosts.any():
            return numpy.zeros(len(self.size))
        if relative:
            return self.size * (self.least[hosts].sum()
                                / self.size[hosts].sum())
        return numpy.full(len(self.size), self.least[hosts].mean())


class _Balancer:
    """Takes the decision, one move after the other."""

    def __init__(self, situation: Situation):
        self.given = situation
        self.state = situation.state
        self.loads = HostLoads(situation)
        self.wanted = self.loads.wanted(situation.relative)
        share = self.loads.share
        self.sources = self.loads.usable & (share >= situation.threshold)
        self.targets = self.loads.usable & ~self.sources
        self.before = share
        self.refused: dict[str, str] = {}
        self._kept: set[int] = set()
        # Hosts from which nothing can be moved, now or later: what they have
        # too much changes only when something leaves them.
        self._stuck = numpy.zeros(len(share), dtype=bool)

    def decide(self) -> Decision:
        decision = Decision()
        if self.sources.any() and self.targets.any():
            while len(decision.reliefs) < self.given.moves:
                relief = self._next()
                if relief is None:
                    break
                decision.reliefs.append(relief)
        decision.why = (self._summary(decision) if decision.reliefs
                        else self._why_nothing())
        return decision

    def _next(self) -> Relief | None:
        share = self.loads.share
        sources = numpy.flatnonzero(
            self.sources & ~self._stuck & (share >= self.given.target))
        for source in sources[numpy.argsort(-share[sources], kind='stable')]:
            for server in self._candidates(int(source)):
                host = self._destination(server)
                if host is not None:
                    return self._relieve(server, host)
            self._stuck[source] = True
        return None

    def _candidates(self, source: int) -> list[int]:
        """Return the servers of a host, the most suitable one first.

        Those whose load comes closest to what is too much, without being
        more: the host would have less than the others then. A server without
        any load brings nothing.
        """
        servers = numpy.array(
            [server for server in self.state.servers_on(source)
             if server not in self._kept], dtype=numpy.int64)
        load = self.given.load[servers]
        rest = self.loads.least[source] - self.wanted[source] - load
        # Comparisons with NaN are false.
        fits = (rest >= -ROUNDING) & (load > 0)
        servers, rest = servers[fits], rest[fits]
        return servers[numpy.argsort(rest, kind='stable')].tolist()

    def _destination(self, server: int) -> int | None:
        problem = self._why_stay(server)
        if problem is None:
            hosts, problem = self._hosts_for(server)
            if hosts is not None:
                return hosts
        # Destinations only fill up: there will not be one later either.
        self._kept.add(server)
        self.refused[self.state.servers[server].label] = problem
        return None

    def _why_stay(self, server):
        record = self.state.servers[server]
        if (self.given.metric in balancing.MEASURED
                and record.state != feasibility.ACTIVE):
            return f'it is {record.state}, only active servers are moved'
        return self.given.why_not_move(server)

    def _hosts_for(self, server):
        """Return the best destination, or None and why there is none."""
        load = self.given.load[server]
        room = self.given.target / 100 * self.loads.size - self.loads.most
        below = self.targets & (load < room)
        if not below.any():
            return None, (f'with it every other host would reach '
                          f'{self.given.target:g} %')
        hosts = numpy.flatnonzero(below & self.given.rules.mask(server))
        if not hosts.size:
            return None, self._why_refused(server, below)
        share = self.loads.highest_share
        keys = [share[hosts]]
        penalty = self.given.rules.penalty(server)
        if penalty is not None:
            keys.insert(0, penalty[hosts])
        host = int(hosts[numpy.lexsort(keys)[0]])
        problem = self._why_not_worth(server, host)
        return (None, problem) if problem else (host, None)

    def _why_refused(self, server, below):
        hosts = numpy.flatnonzero(below)
        hosts = hosts[numpy.argsort(self.loads.highest_share[hosts],
                                    kind='stable')]
        problem = self.given.rules.why_not(server, int(hosts[0]))
        others = (f' (and {hosts.size - 1} more hosts refuse it)'
                  if hosts.size > 1 else '')
        return f'{problem}{others}'

    def _why_not_worth(self, server, host):
        source = int(self.state.host_of[server])
        share, load = self.loads.share, self.given.load[server]
        size = self.loads.size
        after = max(share[source] - 100 * load / size[source],
                    share[host] + 100 * load / size[host])
        return self.given.gain.why_not_worth(
            self.state.servers[server], float(share[source]), float(after))

    # Moving, and the reasons in words -------------------------------------

    def _relieve(self, server: int, host: int) -> Relief:
        source = int(self.state.host_of[server])
        share = self.loads.highest_share
        better = numpy.flatnonzero(self.targets & (share < share[host]))
        better = better[numpy.argsort(share[better], kind='stable')]
        others = balancing.ruled_out(self.given.rules, server,
                                     better.tolist())
        before = self._shares(source, host)
        self.state.move(server, host)
        after = self._shares(source, host)
        hosts = self.state.hosts
        measures = [self._measure(number, before[number], after[number])
                    for number in (source, host)]
        reason = (
            f'{hosts[source].hostname} uses {before[source]:.4g} % of its '
            f'{self._resource()}, the threshold is '
            f'{self.given.threshold:g} %; {hosts[host].hostname} has the '
            'least load of the hosts that can take the server')
        locked = (' (it is locked)' if self.state.servers[server].locked
                  else '')
        return Relief(cluster.Move(server, source, host),
                      explanation.Explanation(reason + locked, 'overload',
                                              measures, others))

    def _shares(self, *hosts):
        share = self.loads.share
        return {host: float(share[host]) for host in hosts}

    def _measure(self, host, before, after=None):
        return explanation.Measure(
            self.given.metric, before, after, '%',
            self.state.hosts[host].hostname, self.given.threshold)

    def _resource(self):
        return balancing.RESOURCES[self.given.metric]

    def _summary(self, decision):
        count = int(self.sources.sum())
        share = self.loads.share
        left = int((self.sources & (share >= self.given.threshold)).sum())
        hosts = explanation.counted(int(self.loads.usable.sum()), 'host')
        return explanation.Explanation(
            f'{count} of {hosts} '
            f"{'reaches' if count == 1 else 'reach'} "
            f'{self.given.threshold:g} % of their {self._resource()}, '
            f'{left} when this is done', 'overload',
            self._highest(share), self.refused)

    def _highest(self, after=None):
        """Measures of the hosts that have most; a few of them."""
        hosts = numpy.flatnonzero(self.loads.usable & ~self.loads.blind)
        hosts = hosts[numpy.argsort(-self.before[hosts], kind='stable')]
        return [self._measure(int(host), float(self.before[host]),
                              None if after is None else float(after[host]))
                for host in hosts[:explanation.MAX_EXAMPLES]]

    def _why_nothing(self) -> explanation.Explanation:
        reason, code = self._verdict()
        return explanation.Explanation(reason, code, self._highest(),
                                       self.refused)

    def _verdict(self):
        usable = self.loads.usable
        if not usable.any():
            return 'No host is up and enabled', 'no_hosts'
        if self.loads.silent:
            return (f'{self.given.metric} is not known of any server',
                    'no_metrics')
        if not self.sources.any():
            top = int(numpy.argmax(numpy.where(
                usable & ~self.loads.blind, self.before, -1)))
            blind = int(self.loads.blind.sum())
            doubt = ('; nothing is known of '
                     + explanation.counted(blind, 'host') if blind else '')
            return (f'No host reaches {self.given.threshold:g} % of its '
                    f'{self._resource()}: the highest is '
                    f'{self.state.hosts[top].hostname} with '
                    f'{self.before[top]:.4g} %{doubt}', 'balanced')
        if not self.targets.any():
            return (f'All hosts reach {self.given.threshold:g} %: there is '
                    'none to move anything to', 'no_target')
        if not self.refused:
            return ('No server on the hosts that reach '
                    f'{self.given.threshold:g} % is small enough: without '
                    'it its host would have less than the average',
                    'no_candidate')
        server, problem = next(iter(self.refused.items()))
        return (f'No server can be moved; {server}, the most suitable one, '
                f'stays: {problem}', 'no_destination')


def decide(situation: Situation) -> Decision:
    """Choose the servers to be moved, and their destinations."""
    return _Balancer(situation).decide()
