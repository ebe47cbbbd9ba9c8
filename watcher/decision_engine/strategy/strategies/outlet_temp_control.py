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
"""Moves a server away from the hottest host.

Goal ``thermal_optimization``. The hottest host whose exhaust air is at or
above the threshold gives one active server to the coolest host that may take
it. One server for each run: how much cooler a host gets cannot be known
before, so it is meant for continuous audits.

============== ======= ========= ============================================
Parameter      Default Unit      Meaning
============== ======= ========= ============================================
threshold      35.0    degrees C a host is hot from here on
period         30      s         over which temperatures are averaged
granularity    300     s         between two samples in the data source
============== ======= ========= ============================================

Source: the metric ``host_outlet_temp``, of all hosts in one question.
"""

import dataclasses
from collections.abc import Mapping

import numpy

from watcher._i18n import _
from watcher.decision_engine.solution import explanation
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import destinations
from watcher.decision_engine.strategy.common import eligibility
from watcher.decision_engine.strategy.common import feasibility
from watcher.decision_engine.strategy.common import loads
from watcher.decision_engine.strategy.common import simulation
from watcher.decision_engine.strategy.common import stability
from watcher.decision_engine.strategy.strategies import base

METRIC = 'host_outlet_temp'
DEGREES = 'degrees C'


@dataclasses.dataclass(frozen=True)
class Situation:
    """All that the decision depends on.

    :param temperatures: of the hosts, in degrees C, NaN where unknown.
    :param threshold: a host is hot from here on.
    """

    state: cluster.ClusterState
    rules: destinations.DestinationRules
    asked: eligibility.Eligibility
    gain: stability.Gain
    temperatures: numpy.ndarray
    threshold: float

    @property
    def usable(self) -> numpy.ndarray:
        """Hosts that are up and enabled and whose temperature is known."""
        return self.rules.open_hosts & ~numpy.isnan(self.temperatures)

    @property
    def hot(self) -> numpy.ndarray:
        return self.usable & (self.temperatures >= self.threshold)

    @property
    def cool(self) -> numpy.ndarray:
        """Hosts that may take servers: cool even after the dead band."""
        return self.usable & (self.temperatures < self.threshold) & (
            self.temperatures <= self.gain.target(self.threshold))


@dataclasses.dataclass(frozen=True)
class Decision:
    """The move, if there is one, and why.

    :param code: a stable word for programs.
    :param ruled_out: servers and hosts that were passed over.
    """

    reason: str
    code: str
    server: int | None = None
    source: int | None = None
    destination: int | None = None
    ruled_out: Mapping[str, str] = dataclasses.field(default_factory=dict)


def decide(situation: Situation) -> Decision:
    """Choose the server to move, where from and where to."""
    hot, cool = situation.hot, situation.cool
    if not situation.usable.any():
        return Decision('no host that is up and enabled has a known '
                        'temperature', 'no_metrics')
    if not hot.any():
        return Decision('no host has reached '
                        f'{situation.threshold:g} {DEGREES}', 'nothing_hot')
    if not cool.any():
        return Decision(
            f'{int(hot.sum())} hosts are hot, but none is cool enough to '
            'take servers', 'no_cool_host')
    return _Search(situation, cool).run()


class _Search:
    """Looks for the first server of the hottest host that has a way."""

    def __init__(self, situation: Situation, cool: numpy.ndarray):
        self._at = situation
        self._cool = cool
        # What fits on no cool host, as few flavors make many servers.
        self._too_big: set[tuple] = set()
        self._passed: dict[str, str] = {}
        self._found_one = False

    def run(self) -> Decision:
        at = self._at
        for source in loads.highest_first(at.hot, at.temperatures):
            for server in at.state.servers_on(source):
                problem = self._why_stay(server)
                if problem:
                    self._passed[at.state.servers[server].label] = problem
                    continue
                self._found_one = True
                destination = self._destination(server, source)
                if destination is not None:
                    return self._decision(server, source, destination)
        if self._found_one:
            return Decision('no cool host may take a server of a hot one',
                            'no_destination', ruled_out=self._passed)
        return Decision('no server on a hot host can be moved',
                        'nothing_movable', ruled_out=self._passed)

    def _why_stay(self, server: int) -> str | None:
        record = self._at.state.servers[server]
        if record.state != feasibility.ACTIVE:
            return f'it is {record.state} and so gives off no heat'
        return self._at.asked.why_not_move(server, eligibility.LIVE)

    def _destination(self, server: int, source: int) -> int | None:
        at, label = self._at, self._at.state.servers[server].label
        size = tuple(at.state.demand[server])
        if size not in self._too_big and not (
                at.state.fit_mask(server) & self._cool).any():
            self._too_big.add(size)
        if size in self._too_big:
            self._passed[label] = 'it fits on no cool host'
            return None
        hosts = numpy.flatnonzero(at.rules.mask(server) & self._cool)
        if not len(hosts):
            self._passed[label] = ('the cool hosts with room for it are '
                                   'refused by other rules')
            return None
        best = int(hosts[numpy.lexsort((
            self._penalty(server, hosts), at.temperatures[hosts]))[0]])
        problem = at.gain.why_not_worth(
            at.state.servers[server], at.temperatures[source],
            at.temperatures[best])
        if problem:
            self._passed[label] = problem
            return None
        return best

    def _penalty(self, server, hosts):
        penalty = self._at.rules.penalty(server)
        return numpy.zeros(len(hosts)) if penalty is None else penalty[hosts]

    def _decision(self, server, source, destination) -> Decision:
        at = self._at
        degrees = at.temperatures
        cooler = numpy.flatnonzero(
            self._cool & (degrees < degrees[destination]))
        return Decision(
            f'{at.state.hosts[source].hostname} is the hottest host with a '
            f'server that can leave, '
            f'{at.state.hosts[destination].hostname} the coolest that may '
            'take it', 'too_hot', server, source, destination,
            {**self._passed, **_not_cool(at),
             **at.rules.ruled_out(server, cooler.tolist())})


def _not_cool(at: Situation) -> dict[str, str]:
    """Why hosts were no destinations before anybody asked about room."""
    usable, hot, cool = at.usable, at.hot, at.cool
    found = {}
    for number, host in enumerate(at.state.hosts):
        if hot[number]:
            found[host.hostname] = 'it is hot itself'
        elif not usable[number]:
            found[host.hostname] = (
                'it is down or disabled, or its temperature is not known')
        elif not cool[number]:
            found[host.hostname] = 'it is within the dead band'
    return found


class OutletTempControl(base.ThermalOptimizationBaseStrategy):
    """Moves one server from the hottest host to the coolest that fits."""

    DATASOURCE_METRICS = [METRIC]

    @classmethod
    def get_name(cls):
        return 'outlet_temperature'

    @classmethod
    def get_display_name(cls):
        return _('Outlet temperature based strategy')

    @classmethod
    def get_translatable_display_name(cls):
        return 'Outlet temperature based strategy'

    @classmethod
    def get_schema(cls):
        return {
            'properties': {
                'threshold': {
                    'description': 'Temperature of the exhaust air in '
                                   'degrees Celsius from which on a host '
                                   'is hot.',
                    'type': 'number',
                    'default': 35.0,
                },
                'period': {
                    'description': 'Seconds over which temperatures are '
                                   'averaged.',
                    'type': 'number',
                    'default': 30,
                },
                'granularity': {
                    'description': 'Seconds between two samples in the data '
                                   'source.',
                    'type': 'number',
                    'default': 300,
                },
            },
        }

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._hot = None

    def pre_execute(self):
        self._pre_execute()

    def do_execute(self, audit=None):
        situation = self.gather()
        self.emit(situation, decide(situation))

    def post_execute(self):
        """The goal has no indicators."""

    def gather(self) -> Situation:
        """Read the hosts, their servers and their temperatures."""
        state = self.found_state()
        found = loads.Loads(self.datasource_backend, state)
        temperatures = found.of_hosts(
            METRIC, period=self.input_parameters.period,
            granularity=self.input_parameters.granularity)
        for remark in found.remarks():
            self.solution.add_remark(remark)
        situation = Situation(
            state, self.rules_for(state), self.eligibility_for(state),
            stability.Gain(self.shared_options), temperatures,
            self.input_parameters.threshold)
        self._hot = situation.hot
        return situation

    def plan_measures(self) -> Mapping[str, simulation.Measure]:
        """Servers on hot hosts shall not become more."""
        hot = self._hot
        return {'vcpus_on_hot_hosts': lambda state: float(
            state.used[hot, cluster.VCPU].sum())}

    def emit(self, situation: Situation, decision: Decision) -> None:
        """Turn the decision into an action, or say why there is none."""
        hot = loads.highest_first(situation.hot, situation.temperatures)
        measures = [self._measure(situation, host)
                    for host in hot[:explanation.MAX_EXAMPLES]]
        if decision.server is None:
            self.solution.explain(decision.reason, decision.code, measures,
                                  decision.ruled_out)
            return
        state = situation.state
        vcpus = state.demand[decision.server, cluster.VCPU]
        measures = [self._measure(situation, decision.source),
                    self._measure(situation, decision.destination)]
        for host, change in ((decision.source, -vcpus),
                             (decision.destination, vcpus)):
            before = state.used[host, cluster.VCPU]
            measures.append(explanation.Measure(
                'vcpus_used', before, before + change,
                of=state.hosts[host].hostname))
        self.add_action_migrate(
            state.servers[decision.server], feasibility.MIGRATE_LIVE,
            state.hosts[decision.source], state.hosts[decision.destination],
            reason=explanation.Explanation(
                decision.reason, decision.code, measures,
                decision.ruled_out))
        self.solution.explain(
            f'{len(hot)} hosts are hot; one server leaves '
            'the hottest that can give one', decision.code, measures)

    @staticmethod
    def _measure(situation: Situation, host: int) -> explanation.Measure:
        return explanation.Measure(
            METRIC, situation.temperatures[host], unit=DEGREES,
            of=situation.state.hosts[host].hostname,
            limit=situation.threshold)
