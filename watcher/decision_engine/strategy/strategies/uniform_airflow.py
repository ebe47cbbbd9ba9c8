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
"""Moves servers away from the host with the strongest airflow.

Goal ``airflow_optimization``. A host whose fans blow at or above the threshold
is too loaded, gets air that is too warm, or is broken. If neither its power
nor the air it takes in explain the airflow, something is suspected to be
wrong with it and it is emptied; otherwise one server leaves it. For
continuous audits: the next run looks again.

==================== ======= ========= ======================================
Parameter            Default Unit      Meaning
==================== ======= ========= ======================================
threshold_airflow    400.0   CFM       a host is above from here on
threshold_inlet_t    28.0    degrees C air from here on is warm
threshold_power      350.0   W         a host from here on is loaded
period               300     s         over which metrics are averaged
granularity          300     s         between two samples
==================== ======= ========= ======================================

Source: ``host_airflow`` of all hosts, ``host_inlet_temp`` and ``host_power``
of those above the threshold: three questions.
"""

import dataclasses
from collections.abc import Mapping

import numpy
from oslo_config import cfg

from watcher._i18n import _
from watcher.decision_engine.solution import explanation
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import eligibility
from watcher.decision_engine.strategy.common import stability
from watcher.decision_engine.strategy.strategies import _relief

AIRFLOW, INLET, POWER = 'host_airflow', 'host_inlet_temp', 'host_power'
CFM, DEGREES, WATT = 'CFM', 'degrees C', 'W'


@dataclasses.dataclass(frozen=True)
class Situation(_relief.Situation):
    """All that the decision depends on; the values are airflows.

    :param inlet: temperatures of the air that hosts take in, degrees C.
    :param power: of the hosts, in W.
    :param part: whether a suspect host may be emptied in part.
    """

    inlet: numpy.ndarray
    power: numpy.ndarray
    inlet_limit: float
    power_limit: float
    part: bool = False

    def is_suspect(self, host: int) -> bool:
        """Tell whether nothing explains the airflow of a host.

        What is not known explains nothing, but raises no suspicion either.
        """
        return bool(self.power[host] < self.power_limit
                    and self.inlet[host] < self.inlet_limit)


@dataclasses.dataclass(frozen=True)
class Transfer:
    """One server's way.

    :param kind: ``live`` or ``cold``.
    :param ruled_out: hosts with less airflow, and why it is none of them.
    """

    server: int
    kind: str
    destination: int
    ruled_out: Mapping[str, str]


@dataclasses.dataclass
class Decision:
    """The moves, if there are any, and why.

    :param source: the one host that all servers leave.
    :param ruled_out: servers that stay, and hosts that take none.
    """

    reason: str
    code: str
    source: int | None = None
    transfers: list[Transfer] = dataclasses.field(default_factory=list)
    ruled_out: dict[str, str] = dataclasses.field(default_factory=dict)


def decide(situation: Situation) -> Decision:
    """Choose the servers to move, where from and where to.

    :param situation: the moves are made in its state.
    """
    nothing = situation.why_nothing()
    return Decision(*nothing) if nothing else _Search(situation).run()


class _Search:
    """Looks for the host with the strongest airflow that can be relieved."""

    def __init__(self, situation: Situation):
        self._at = situation
        self._takers = _relief.Takers(situation)
        self._passed: dict[str, str] = {}
        self._some_movable = False

    def run(self) -> Decision:
        at = self._at
        for source in at.highest():
            suspect = at.is_suspect(source)
            transfers = (self._all_of(source) if suspect
                         else self._one_of(source))
            if not transfers:
                continue
            name = at.name(source)
            if suspect:
                return self._decision(
                    f'the airflow of {name} is strong, although neither its '
                    'power nor the air it takes in explain it: it may be '
                    'broken', 'suspect', source, transfers)
            return self._decision(
                f'{name} has the strongest airflow of those that can give a '
                'server away', 'strong_airflow', source, transfers)
        code = 'no_destination' if self._some_movable else 'nothing_movable'
        return Decision(_EMPTY[code], code, ruled_out=self._passed)

    def _decision(self, reason, code, source, transfers):
        return Decision(reason, code, source, transfers,
                        {**self._passed, **self._at.no_takers(source)})

    def _one_of(self, source: int) -> list[Transfer]:
        """Return the way of the first server that has one."""
        at = self._at
        for server in at.state.servers_on(source):
            problem = at.why_stay(server)
            if not problem:
                self._some_movable = True
                host, problem = self._takers.find_worthwhile(server)
            if not problem:
                return [self._transfer(server, eligibility.LIVE, host)]
            self._passed[at.label(server)] = problem
        return []

    def _all_of(self, source: int) -> list[Transfer]:
        """Return the ways of all servers that can be moved, big ones first.

        None of them if one has no way, unless it may be a part.
        """
        at = self._at
        wanted = self._movable(source)
        self._some_movable |= bool(wanted)
        mark, transfers, stuck = at.state.mark(), [], {}
        for server, kind in wanted:
            problem = at.rules.limits.why_not(server)
            if problem:
                # Meant to be reached: the next run takes the others.
                self._passed[at.label(server)] = problem
                continue
            host, problem = self._takers.find(server)
            if problem:
                stuck[at.label(server)] = problem
                if not at.part:
                    break
                continue
            transfers.append(self._transfer(server, kind, host))
            at.state.move(server, host)
        self._passed.update(stuck)
        if not stuck or at.part:
            return transfers
        at.state.undo(mark)
        # There is more room again than it has seen.
        self._takers = _relief.Takers(at)
        self._passed[at.name(source)] = (
            'it is to be emptied, but not all of its servers find a place; '
            'partial_evacuation is off')
        return []

    def _movable(self, source: int) -> list[tuple[int, str]]:
        """Return the servers that can leave, with the way, big ones first.
        """
        at = self._at
        found = []
        for server in at.state.servers_on(source):
            kind = at.asked.migration_type(server)
            problem = at.asked.why_not_touch(server)
            if kind is None and not problem:
                problem = at.asked.why_unable(server, eligibility.LIVE)
            if problem:
                self._passed[at.label(server)] = problem
            else:
                found.append((server, kind))
        return sorted(found, key=lambda item: -at.state.demand[
            item[0], cluster.VCPU])

    def _transfer(self, server, kind, host):
        return Transfer(server, kind, host,
                        self._takers.passed_over(server, host))


_EMPTY = {
    'nothing_movable': 'no server on a host above the threshold can be '
                       'moved',
    'no_destination': 'no host below the threshold may take what would have '
                      'to move'}


class UniformAirflow(_relief.Relieving):
    """Relieves, or empties, the host with the strongest airflow."""

    MODELS = ('compute',)

    DATASOURCE_METRICS = [AIRFLOW, INLET, POWER]

    @classmethod
    def get_name(cls):
        return 'uniform_airflow'

    @classmethod
    def get_display_name(cls):
        return _('Uniform airflow migration strategy')

    @classmethod
    def get_translatable_display_name(cls):
        return 'Uniform airflow migration strategy'

    @classmethod
    def get_goal_name(cls):
        return 'airflow_optimization'

    @classmethod
    def get_config_opts(cls):
        return [*super().get_config_opts(), cfg.BoolOpt(
            'partial_evacuation',
            default=False,
            help='Whether a host that seems to be broken is emptied as far '
                 'as possible when not all of its servers find a place. '
                 'Otherwise nothing is moved then.')]

    @classmethod
    def get_schema(cls):
        return {'properties': {
            name: {'description': text, 'type': 'number', 'default': default}
            for name, default, text in (
                ('threshold_airflow', 400.0,
                 'Airflow in CFM from which on a host gives servers away.'),
                ('threshold_inlet_t', 28.0,
                 'Temperature in degrees Celsius from which on the air that '
                 'a host takes in explains its airflow.'),
                ('threshold_power', 350.0,
                 'Power in W from which on the load of a host explains its '
                 'airflow.'),
                ('period', 300,
                 'Seconds over which metrics are averaged.'),
                ('granularity', 300,
                 'Seconds between two samples in the data source.'))}}

    def decide(self, situation: Situation) -> Decision:
        """Choose what moves; see the function of this name."""
        return decide(situation)

    def gather(self) -> Situation:
        """Read the hosts, their servers and the metrics."""
        given = self.input_parameters
        state = self.found_state()
        rules = self.rules_for(state)
        found = self.loads_for(state)
        how = {'period': given.period, 'granularity': given.granularity}
        airflow = found.of_hosts(AIRFLOW, **how)
        above = numpy.flatnonzero(
            rules.open_hosts & (airflow >= given.threshold_airflow)).tolist()
        inlet = found.of_hosts(INLET, hosts=above, **how)
        power = found.of_hosts(POWER, hosts=above, **how)
        for remark in found.remarks():
            self.solution.add_remark(remark)
        return Situation(
            state, rules, self.eligibility_for(state),
            stability.Gain(self.shared_options), AIRFLOW, CFM, airflow,
            given.threshold_airflow, inlet, power, given.threshold_inlet_t,
            given.threshold_power,
            bool(getattr(self.config, 'partial_evacuation', False)))

    def emit(self, situation: Situation, decision: Decision) -> None:
        """Turn the decision into actions."""
        measures = _causes(situation, decision.source)
        state, source = situation.state, decision.source
        for transfer in decision.transfers:
            self.add_action_migrate(
                state.servers[transfer.server], transfer.kind,
                state.hosts[source], state.hosts[transfer.destination],
                reason=explanation.Explanation(
                    decision.reason, decision.code,
                    [*measures, situation.measure(transfer.destination)],
                    transfer.ruled_out))
        self.solution.explain(
            f"{explanation.counted(int(situation.above.sum()), 'host')} with "
            'too much airflow; '
            f"{explanation.counted(len(decision.transfers), 'server')} to "
            f'leave {situation.name(source)}: {decision.reason}',
            decision.code, measures, decision.ruled_out)


def _causes(situation: Situation, host: int) -> list[explanation.Measure]:
    """Return the airflow of a host and what may explain it."""
    name = situation.name(host)
    return [
        situation.measure(host),
        explanation.Measure(INLET, situation.inlet[host], unit=DEGREES,
                            of=name, limit=situation.inlet_limit),
        explanation.Measure(POWER, situation.power[host], unit=WATT,
                            of=name, limit=situation.power_limit)]
