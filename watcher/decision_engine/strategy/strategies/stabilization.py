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
"""The decision of the strategy ``workload_stabilization``.

Every server is tried on other hosts, each time with all others where they
are. What would make the loads more even becomes a proposal. The proposals are
taken up one after the other, the best one first, as long as each still helps
after those before it, until the deviation of every metric is small enough.
"""

import dataclasses
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Sequence
from typing import NamedTuple

import numpy

from watcher.decision_engine.solution import explanation
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import destinations
from watcher.decision_engine.strategy.common import stability
from watcher.decision_engine.strategy.strategies import balancing
from watcher.decision_engine.strategy.strategies import deviation

CYCLE, RETRY, FULL_SEARCH = 'cycle', 'retry', 'fullsearch'

#: Hosts are drawn by lot for ``retry``, always the same in the same cloud.
SEED = 0
#: How many are drawn for each that is wanted. The best of them are taken, so
#: the result is no worse than if only those that are wanted were drawn.
DRAWS = 4

#: How many moves are tried at once: enough for arrays to pay off.
AT_ONCE = 1_000_000

#: How many servers that stay are named with their reasons.
MAX_REFUSED = 1000


@dataclasses.dataclass(frozen=True, eq=False)
class Situation:
    """All that the decision depends on.

    :param state: where servers are; the decision moves them in it.
    :param rules: about where servers may go; of the same state.
    :param gain: what a move has to bring.
    :param metrics: names of the metrics of servers that count.
    :param loads: of the hosts by metric, as shares; NaN is unknown.
    :param servers: those that can be moved, in the order of the model.
    :param demand: what the servers use by metric, in vCPUs or MB, for all
        servers of the state; NaN is unknown.
    :param thresholds: deviation of each metric that is acceptable.
    :param targets: deviation of each metric that is to be reached.
    :param weights: of the metrics.
    :param rounds: how often to look for proposals, each time with what the
        plan does so far. If more than once, and on all hosts, each server
        goes where it is best when its turn comes.
    :param refused: servers that stay, with the reasons.
    """

    state: cluster.ClusterState
    rules: destinations.DestinationRules
    gain: stability.Gain
    metrics: Sequence[str]
    loads: numpy.ndarray
    servers: Sequence[int]
    demand: numpy.ndarray
    thresholds: Sequence[float]
    targets: Sequence[float]
    weights: Sequence[float]
    host_choice: str = RETRY
    retry_count: int = 1
    rounds: int = 1
    refused: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Relief:
    """The move of one server, and why."""

    move: cluster.Move
    why: explanation.Explanation


@dataclasses.dataclass
class Decision:
    """What is to be done, and why that is all.

    :ivar before: the weighted deviation that was found.
    :ivar after: the same when all is done.
    """

    before: float = 0.0
    after: float = 0.0
    reliefs: list[Relief] = dataclasses.field(default_factory=list)
    why: explanation.Explanation | None = None
    remarks: list[str] = dataclasses.field(default_factory=list)


class Proposal(NamedTuple):
    """A move that would help, and the deviation after it alone."""

    server: int
    destination: int
    deviation: float


class Effects:
    """What servers are to hosts, as shares of these.

    :ivar demand: metrics by servers, NaN where unknown.
    :ivar sizes: metrics by hosts.
    """

    def __init__(self, state: cluster.ClusterState, metrics: Sequence[str],
                 demand: numpy.ndarray):
        self.demand = demand
        self.sizes = numpy.array(
            [balancing.sizes(state, metric) for metric in metrics]
        ).reshape(len(metrics), len(state.hosts))

    def on(self, server: int, hosts) -> numpy.ndarray:
        """Return the shares of a server on one or on many hosts."""
        demand = self.demand[:, server]
        sizes = self.sizes[:, hosts]
        return demand.reshape(-1, *[1] * (sizes.ndim - 1)) / sizes

    def one(self, server: int, host: int) -> list[float]:
        """As :meth:`on` for one host, as a list."""
        return [self.demand.item(row, server) / self.sizes.item(row, host)
                for row in range(len(self.sizes))]


def exceeded(table: deviation.LoadTable,
             limits: Sequence[float]) -> int | None:
    """Return the number of the first metric above its limit."""
    for number, (value, limit) in enumerate(
            zip(table.deviations(), limits, strict=True)):
        if value > limit:
            return number
    return None


# Looking for proposals ----------------------------------------------------

class Search:
    """Tries servers on other hosts."""

    def __init__(self, situation: Situation, table: deviation.LoadTable,
                 effects: Effects, moved: Collection[int] = ()):
        self.given = situation
        self.table = table
        self.effects = effects
        self.start = table.weighted()
        state = situation.state
        #: Hosts that take part, by UUID.
        self.hosts = numpy.array(sorted(
            numpy.flatnonzero(table.members).tolist(),
            key=lambda host: state.hosts[host].uuid), dtype=numpy.int64)
        self.place = {int(host): place
                      for place, host in enumerate(self.hosts)}
        known = ~numpy.isnan(situation.demand).any(axis=0)
        home: dict[int, list[int]] = {}
        for server in situation.servers:
            host = int(state.host_of[server])
            if (known[server] and host in self.place
                    and server not in moved):
                home.setdefault(host, []).append(server)
        #: Servers that are tried: host by host.
        self.servers = [server for host in self.hosts.tolist()
                        for server in home.get(host, ())]
        #: Servers for which some host would be better but is refused.
        self.refused: dict[str, str] = {}

    def proposals(self) -> list[Proposal]:
        """Return what helps, the best one first."""
        ways = {CYCLE: self._cycle, RETRY: self._retry,
                FULL_SEARCH: self._full_search}
        found = []
        if len(self.hosts) > 1:
            found = list(ways[self.given.host_choice]())
        # Those that are equal but for rounding keep their order.
        return sorted(found, key=lambda item: round(item.deviation, 12))

    def _full_search(self) -> Iterator[Proposal]:
        hosts, rules = self.hosts, self.given.rules
        for server in self.servers:
            values = self.on_all_hosts(server)
            better = numpy.flatnonzero(
                values < self.start - deviation.TOLERANCE)
            if not better.size:
                continue
            allowed = better[rules.mask(server)[hosts[better]]]
            if not allowed.size:
                self._refuse(server, int(hosts[numpy.argmin(values)]))
                continue
            penalty = rules.penalty(server)
            if penalty is not None:
                # The first of equally good ones is taken.
                allowed = allowed[numpy.argsort(penalty[hosts[allowed]],
                                                kind='stable')]
            found = values[allowed]
            for place in deviation.improvements(found, self.start):
                yield Proposal(server, int(hosts[allowed[place]]),
                               float(found[place]))

    def best_now(self, server: int) -> int | None:
        """Return the host where a server helps most as things are now."""
        rules = self.given.rules
        values = self.on_all_hosts(server)
        values[~rules.mask(server)[self.hosts]] = numpy.inf
        keys = [values.round(12)]
        penalty = rules.penalty(server)
        if penalty is not None:
            keys.insert(0, penalty[self.hosts])
        place = numpy.lexsort(keys)[0]
        return None if numpy.isinf(values[place]) else int(self.hosts[place])

    def on_all_hosts(self, server: int) -> numpy.ndarray:
        """Return the deviation with a server on each of the hosts."""
        source = int(self.given.state.host_of[server])
        values = self.table.after(
            source, self.hosts,
            self.effects.one(server, source),
            self.effects.on(server, self.hosts))
        values[self.place[source]] = numpy.inf
        return values

    def _cycle(self) -> Iterator[Proposal]:
        turns = self._turns() % (len(self.hosts) - 1)
        yield from self._try(self.servers, turns.reshape(-1, 1), 1)

    def _turns(self):
        """Number the servers of each host from 0 on."""
        homes = self.given.state.host_of[self.servers]
        firsts = numpy.ones(len(homes), dtype=bool)
        firsts[1:] = homes[1:] != homes[:-1]
        numbers = numpy.arange(len(homes))
        return numbers - numpy.maximum.accumulate(
            numpy.where(firsts, numbers, 0))

    def _retry(self) -> Iterator[Proposal]:
        others = len(self.hosts) - 1
        wanted = min(self.given.retry_count, others)
        dice = numpy.random.default_rng(SEED)
        width = min(DRAWS * wanted, others)
        step = AT_ONCE // width + 1
        for first in range(0, len(self.servers), step):
            part = self.servers[first:first + step]
            if width == others:
                draws = dice.permuted(numpy.tile(
                    numpy.arange(others), (len(part), 1)), axis=1)
            else:
                draws = dice.integers(0, others, size=(len(part), width))
            yield from self._try(part, draws, wanted)

    def _try(self, part: Sequence[int], draws: numpy.ndarray,
             wanted: int) -> Iterator[Proposal]:
        """Try each of some servers on some hosts.

        :param draws: for each server, places among the hosts without its
            own one.
        :param wanted: how many hosts that may take it and help are enough.
        """
        servers = numpy.array(part, dtype=numpy.int64)
        sources = self.given.state.host_of[servers]
        places = numpy.array([self.place[host]
                              for host in sources.tolist()])
        # Skip the place of the own host.
        tried = self.hosts[draws + (draws >= places.reshape(-1, 1))]
        demand = self.effects.demand[:, servers]
        values = self.table.after(
            sources.reshape(-1, 1), tried,
            (demand / self.effects.sizes[:, sources])[:, :, None],
            demand[:, :, None] / self.effects.sizes[:, tried])
        better = values < self.start - deviation.TOLERANCE
        for row in numpy.flatnonzero(better.any(axis=1)).tolist():
            columns = self._by_merit(part[row], tried[row], values[row])
            columns = columns[better[row, columns]]
            yield from self._allowed(
                part[row], tried[row, columns].tolist(),
                values[row, columns].tolist(), wanted)

    def _by_merit(self, server, hosts, values):
        keys = [values.round(12)]
        penalty = self.given.rules.penalty(server)
        if penalty is not None:
            keys.insert(0, penalty[hosts])
        return numpy.lexsort(keys)

    def _allowed(self, server, hosts, values, wanted):
        """Return the first hosts that may take a server."""
        found: dict[int, Proposal] = {}
        for host, value in zip(hosts, values, strict=True):
            if len(found) == wanted:
                break
            if self.given.rules.allows(server, host):
                found[host] = Proposal(server, host, value)
            else:
                self._refuse(server, host)
        return found.values()

    def _refuse(self, server, host):
        if len(self.refused) < MAX_REFUSED:
            self.refused.setdefault(
                self.given.state.servers[server].label,
                self.given.rules.why_not(server, host))


# Taking them up -----------------------------------------------------------

class _Stabilizer:

    def __init__(self, situation: Situation):
        self.given = situation
        self.state = situation.state
        self.table = deviation.LoadTable(situation.loads, situation.weights)
        self.effects = Effects(self.state, situation.metrics,
                               situation.demand)
        self.found = self.table.deviations()
        self.first = exceeded(self.table, situation.thresholds)
        self.decision = Decision()
        self.refused: dict[str, str] = {}
        self.tried = 0
        self._exhausted = False
        self._moved: set[int] = set()

    def decide(self) -> Decision:
        decision = self.decision
        if self.first is None:
            decision.why = self._explained(*self._why_balanced())
            return decision
        decision.before = decision.after = self.table.weighted()
        for _round in range(self.given.rounds):
            before = len(decision.reliefs)
            self._look_and_move()
            self._exhausted = len(decision.reliefs) == before
            if (self._exhausted
                    or exceeded(self.table, self.given.targets) is None):
                break
        self.table.sum_up()
        decision.after = self.table.weighted()
        decision.why = self._explained(*(
            self._summary() if decision.reliefs else self._why_nothing()))
        return decision

    def _look_and_move(self):
        search = Search(self.given, self.table, self.effects, self._moved)
        self.tried = max(self.tried, len(search.servers))
        proposals = search.proposals()
        self.refused.update(search.refused)
        self._take_up(proposals, search)

    def _take_up(self, proposals: list[Proposal], search: Search) -> None:
        best = self.table.weighted()
        anew = (self.given.rounds > 1
                and self.given.host_choice == FULL_SEARCH)
        looked_at: set[int] = set()
        for server, host, _value in proposals:
            if server in self._moved or server in looked_at:
                continue
            if anew:
                # What was best alone is not after those before it.
                looked_at.add(server)
                best_now = search.best_now(server)
                host = host if best_now is None else best_now
            after = self._after(server, host)
            if after >= best - deviation.TOLERANCE:
                continue
            problem = self._why_not(server, host, best, after)
            if problem:
                self._refuse(server, problem)
                continue
            self._moved.add(server)
            self.refused.pop(self.state.servers[server].label, None)
            self._accept(server, host, search)
            best = self.table.weighted()
            if exceeded(self.table, self.given.targets) is None:
                return

    def _after(self, server, host):
        source = int(self.state.host_of[server])
        return self.table.after_one(
            source, host, self.effects.one(server, source),
            self.effects.one(server, host))

    def _why_not(self, server, host, before, after):
        # Moves before this one have changed where there is room.
        return self.given.rules.why_not(
            server, host) or self.given.gain.why_not_worth(
                self.state.servers[server], before, after)

    def _refuse(self, server, problem):
        if len(self.refused) < MAX_REFUSED:
            self.refused.setdefault(self.state.servers[server].label,
                                    problem)

    def _accept(self, server, host, search):
        source = int(self.state.host_of[server])
        others = self._better_alternatives(server, host, search)
        before = self._shares(source, host), self.table.weighted()
        self.table.move(source, host, self.effects.one(server, source),
                        self.effects.one(server, host))
        self.state.move(server, host)
        after = self._shares(source, host), self.table.weighted()
        measures = [explanation.Measure('standard_deviation', before[1],
                                        after[1])]
        for row, metric in enumerate(self.given.metrics):
            measures += [explanation.Measure(
                metric, 100 * before[0][row][place],
                100 * after[0][row][place], '%',
                self.state.hosts[number].hostname)
                for place, number in enumerate((source, host))]
        locked = (' (it is locked)' if self.state.servers[server].locked
                  else '')
        hosts = self.state.hosts
        self.decision.reliefs.append(Relief(
            cluster.Move(server, source, host), explanation.Explanation(
                f'the loads of hosts become more even: {before[1]:.4g} -> '
                f'{after[1]:.4g} when the server leaves '
                f'{hosts[source].hostname} for {hosts[host].hostname}'
                f'{locked}', 'deviation', measures, others)))

    def _better_alternatives(self, server, host, search):
        """Return why not a host with which loads would be more even."""
        if self.given.host_choice != FULL_SEARCH:
            # Others were not looked at.
            return {}
        values = search.on_all_hosts(server)
        chosen = values[search.place[host]]
        better = numpy.flatnonzero(values < chosen - deviation.TOLERANCE)
        better = better[numpy.argsort(values[better], kind='stable')]
        return balancing.ruled_out(self.given.rules, server,
                                   search.hosts[better].tolist())

    def _shares(self, *hosts):
        return self.table.loads[:, hosts].tolist()

    # The reasons in words -------------------------------------------------

    def _explained(self, reason, code) -> explanation.Explanation:
        after = (self.table.deviations() if self.decision.reliefs
                 else [None] * len(self.found))
        measures = [
            explanation.Measure(f'standard_deviation of {metric}', before,
                                then, limit=limit)
            for metric, before, then, limit in zip(
                self.given.metrics, self.found, after,
                self.given.thresholds, strict=True)]
        return explanation.Explanation(
            reason, code, measures, {**self.given.refused, **self.refused})

    def _why_balanced(self):
        if not self.given.metrics:
            return 'The audit selects no metric', 'no_metrics'
        if not self.table.count:
            return ('The load is not known of any host that is up and '
                    'enabled', 'no_metrics')
        found = ', '.join(
            f'{metric} {value:.4g} (threshold {limit:g})'
            for metric, value, limit in zip(
                self.given.metrics, self.found, self.given.thresholds,
                strict=True))
        hosts = explanation.counted(self.table.count, 'host')
        return (f'The loads of {hosts} are even enough: their deviation is '
                f'{found}', 'balanced')

    def _summary(self):
        left = exceeded(self.table, self.given.thresholds)
        hosts = explanation.counted(self.table.count, 'host')
        reason = (f'The deviation of loads of {hosts} goes from '
                  f'{self.decision.before:.4g} to '
                  f'{self.decision.after:.4g}')
        if left is not None:
            metric = self.given.metrics[left]
            reason += f'; that of {metric} stays above its threshold, '
            reason += ('since no other proposal helps' if self._exhausted
                       else 'more rounds might help')
        return reason, 'deviation'

    def _why_nothing(self):
        metric = self.given.metrics[self.first]
        start = (f'The deviation of {metric}, {self.found[self.first]:.4g}, '
                 f'is above {self.given.thresholds[self.first]:g}')
        if self.table.count < 2:
            return f'{start}, but only one host has values', 'no_target'
        if not self.tried:
            return (f'{start}, but no server that can be moved has values '
                    'of all metrics', 'no_candidate')
        if not self.refused:
            servers = explanation.counted(self.tried, 'server')
            return (f'{start}, but none of {servers} '
                    'would make it less where it was tried '
                    f'({self.given.host_choice})', 'no_improvement')
        name, problem = next(iter(self.refused.items()))
        return (f'{start}, but no server that would make it less can be '
                f'moved; for instance {name}: {problem}', 'no_destination')


def decide(situation: Situation) -> Decision:
    """Choose the servers to be moved, and their destinations."""
    return _Stabilizer(situation).decide()
