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

from watcher._i18n import _
from watcher.decision_engine.solution import explanation
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import feasibility
from watcher.decision_engine.strategy.common import stability
from watcher.decision_engine.strategy.strategies import _relief
from watcher.decision_engine.strategy.strategies import base

METRIC = 'host_outlet_temp'
DEGREES = 'degrees C'

Situation = _relief.Situation


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
    nothing = situation.why_nothing()
    return Decision(*nothing) if nothing else _Search(situation).run()


class _Search:
    """Looks for the first server of the hottest host that has a way."""

    def __init__(self, situation: Situation):
        self._at = situation
        self._takers = _relief.Takers(situation)
        self._passed: dict[str, str] = {}

    def run(self) -> Decision:
        at, code = self._at, 'nothing_movable'
        for source in at.highest():
            for server in at.state.servers_on(source):
                problem = at.why_stay(server)
                if not problem:
                    code = 'no_destination'
                    host, problem = self._takers.find_worthwhile(server)
                if not problem:
                    return self._decision(server, source, host)
                self._passed[at.label(server)] = problem
        return Decision(_EMPTY[code], code, ruled_out=self._passed)

    def _decision(self, server, source, destination) -> Decision:
        at = self._at
        return Decision(
            f'{at.name(source)} is the hottest host with a server that can '
            f'leave, {at.name(destination)} the coolest that may take it',
            'too_hot', server, source, destination,
            {**self._passed, **at.no_takers(source),
             **self._takers.passed_over(server, destination)})


_EMPTY = {
    'nothing_movable': 'no server on a hot host can be moved',
    'no_destination': 'no cool host may take a server of a hot one'}


class OutletTempControl(_relief.Relieving,
                        base.ThermalOptimizationBaseStrategy):
    """Moves one server from the hottest host to the coolest that fits."""

    MODELS = ('compute',)

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

    def decide(self, situation: Situation) -> Decision:
        """Choose what moves; see the function of this name."""
        return decide(situation)

    def gather(self) -> Situation:
        """Read the hosts, their servers and their temperatures."""
        state = self.found_state()
        found = self.loads_for(state)
        temperatures = found.of_hosts(
            METRIC, period=self.input_parameters.period,
            granularity=self.input_parameters.granularity)
        for remark in found.remarks():
            self.solution.add_remark(remark)
        return Situation(
            state, self.rules_for(state), self.eligibility_for(state),
            stability.Gain(self.shared_options), METRIC, DEGREES,
            temperatures, self.input_parameters.threshold)

    def emit(self, situation: Situation, decision: Decision) -> None:
        """Turn the decision into an action."""
        state = situation.state
        measures = [situation.measure(decision.source),
                    situation.measure(decision.destination)]
        vcpus = state.demand[decision.server, cluster.VCPU]
        for host, change in ((decision.source, -vcpus),
                             (decision.destination, vcpus)):
            before = state.used[host, cluster.VCPU]
            measures.append(explanation.Measure(
                'vcpus_used', before, before + change,
                of=situation.name(host)))
        self.add_action_migrate(
            state.servers[decision.server], feasibility.MIGRATE_LIVE,
            state.hosts[decision.source], state.hosts[decision.destination],
            reason=explanation.Explanation(
                decision.reason, decision.code, measures,
                decision.ruled_out))
        self.solution.explain(
            f"{explanation.counted(int(situation.above.sum()), 'host')} too "
            'hot; one server is to leave the hottest that can give one',
            decision.code, measures)
