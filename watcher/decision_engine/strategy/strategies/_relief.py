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
"""What strategies share that relieve hosts above a threshold.

They compare one metric of the hosts with a threshold. Hosts at or above it
give servers away, the others take them, the lowest first.
"""

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy

from watcher.decision_engine.solution import explanation
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import destinations
from watcher.decision_engine.strategy.common import eligibility
from watcher.decision_engine.strategy.common import feasibility
from watcher.decision_engine.strategy.common import loads
from watcher.decision_engine.strategy.common import simulation
from watcher.decision_engine.strategy.common import stability
from watcher.decision_engine.strategy.strategies import base


@dataclasses.dataclass(frozen=True)
class Situation:
    """Hosts on both sides of a threshold, and the rules for moves.

    :param metric: name of the metric that is compared.
    :param values: of the hosts, NaN where unknown.
    :param threshold: a host is above from here on.
    :ivar usable: hosts that are up and enabled and whose value is known.
    :ivar above: those that are at or above the threshold.
    :ivar below: those that may take servers: below it by the dead band.
    """

    state: cluster.ClusterState
    rules: destinations.DestinationRules
    asked: eligibility.Eligibility
    gain: stability.Gain
    metric: str
    unit: str
    values: numpy.ndarray
    threshold: float

    def __post_init__(self):
        usable = self.rules.open_hosts & ~numpy.isnan(self.values)
        above = usable & (self.values >= self.threshold)
        below = usable & ~above & (
            self.values <= self.gain.target(self.threshold))
        for name, hosts in (('usable', usable), ('above', above),
                            ('below', below)):
            object.__setattr__(self, name, hosts)

    def name(self, host: int) -> str:
        return self.state.hosts[host].hostname

    def label(self, server: int) -> str:
        return self.state.servers[server].label

    def highest(self) -> list[int]:
        """The hosts above the threshold, the highest first."""
        return loads.highest_first(self.above, self.values)

    def why_nothing(self) -> tuple[str, str] | None:
        """Return a reason and its code if there is nothing to look for."""
        if not self.usable.any():
            return (f'{self.metric} is not known of any host that is up and '
                    'enabled', 'no_metrics')
        limit = f'{self.threshold:g} {self.unit}'
        if not self.above.any():
            return f'no host has reached {limit}', 'nothing_above'
        if not self.below.any():
            hosts = explanation.counted(int(self.above.sum()), 'host has',
                                        'hosts have')
            return (f'{hosts} reached {limit}, and no host is far enough '
                    'below to take servers',
                    'nothing_below')
        return None

    def measure(self, host: int) -> explanation.Measure:
        """The value that a host was found with."""
        return explanation.Measure(
            self.metric, self.values[host], unit=self.unit,
            of=self.name(host), limit=self.threshold)

    def measures(self) -> list[explanation.Measure]:
        """The values of the highest hosts."""
        return [self.measure(host)
                for host in self.highest()[:explanation.MAX_EXAMPLES]]

    def why_stay(self, server: int) -> str | None:
        """Why a server is not the one that relieves its host."""
        record = self.state.servers[server]
        if record.state != feasibility.ACTIVE:
            return f'it is {record.state} and so gives off no heat'
        return self.asked.why_not_move(server, eligibility.LIVE)

    def no_takers(self, source: int) -> dict[str, str]:
        """Why other hosts than the source take no server, whichever."""
        found = {}
        for number, host in enumerate(self.state.hosts):
            if number == source:
                continue
            if self.above[number]:
                found[host.hostname] = 'it is above the threshold itself'
            elif not self.usable[number]:
                found[host.hostname] = (
                    f'it is down or disabled, or its {self.metric} is not '
                    'known')
            elif not self.below[number]:
                found[host.hostname] = 'it is within the dead band'
        return found

    def burden(self) -> Mapping[str, simulation.Measure]:
        """What a plan must not make more of."""
        above = self.above
        return {'vcpus_above_threshold': lambda state: float(
            state.used[above, cluster.VCPU].sum())}


class Takers:
    """Finds the lowest host that may take a server.

    :param situation: its hosts may become fuller meanwhile, but not emptier.
    """

    def __init__(self, situation: Situation):
        self._at = situation
        # Sizes that fit on no host: few flavors make many servers.
        self._too_big: set[tuple[float, ...]] = set()

    def find(self, server: int) -> tuple[int | None, str]:
        """Return the host, or None and why there is none.

        The first in the order of the model among equally low ones, or the
        one that soft rules prefer.
        """
        at = self._at
        size = tuple(at.state.demand[server])
        if size not in self._too_big and not (
                at.state.fit_mask(server) & at.below).any():
            self._too_big.add(size)
        if size in self._too_big:
            return None, 'it fits on no host below the threshold'
        hosts = numpy.flatnonzero(at.rules.mask(server) & at.below)
        if not len(hosts):
            return None, ('the hosts below the threshold with room for it '
                          'are refused by other rules')
        order = [at.values[hosts]]
        penalty = at.rules.penalty(server)
        if penalty is not None:
            order.insert(0, penalty[hosts])
        return int(hosts[numpy.lexsort(order)[0]]), ''

    def find_worthwhile(self, server: int) -> tuple[int | None, str]:
        """As :meth:`find`, if moving this one server is worth its cost."""
        host, problem = self.find(server)
        if host is None:
            return None, problem
        at = self._at
        source = int(at.state.host_of[server])
        problem = at.gain.why_not_worth(
            at.state.servers[server], at.values[source], at.values[host])
        return (None, problem) if problem else (host, '')

    def passed_over(self, server: int, chosen: int) -> dict[str, str]:
        """Why lower hosts than the chosen one do not take a server."""
        at = self._at
        lower = at.below & (at.values < at.values[chosen])
        return at.rules.ruled_out(server, numpy.flatnonzero(lower).tolist())


class Relieving(base.BaseStrategy, metaclass=abc.ABCMeta):
    """The steps of such a strategy; it says how they are done."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._situation = None

    @abc.abstractmethod
    def gather(self) -> Situation:
        """Read the hosts, their servers and the metrics."""
        raise NotImplementedError

    @abc.abstractmethod
    def decide(self, situation: Situation) -> Any:
        """Choose what moves, without I/O.

        :returns: with ``reason``, ``code``, ``ruled_out`` and ``source``:
            the host that servers leave, None if there is none.
        """
        raise NotImplementedError

    @abc.abstractmethod
    def emit(self, situation: Situation, decision: Any) -> None:
        """Turn the decision into actions."""
        raise NotImplementedError

    def pre_execute(self):
        self._pre_execute()

    def do_execute(self, audit=None):
        situation = self._situation = self.gather()
        decision = self.decide(situation)
        if decision.source is None:
            self.solution.explain(decision.reason, decision.code,
                                  situation.measures(), decision.ruled_out)
        else:
            self.emit(situation, decision)

    def post_execute(self):
        """The goals have no indicators."""

    def plan_measures(self):
        """Servers on hosts above the threshold shall not become more."""
        return self._situation.burden()
