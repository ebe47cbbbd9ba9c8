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
"""Which hosts to switch off and on: the decision of saving_energy."""

import collections
import dataclasses
from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import destinations
from watcher.decision_engine.strategy.common import eligibility
from watcher.decision_engine.strategy.strategies import _reserve


@dataclasses.dataclass(frozen=True)
class Machine:
    """The bare metal node under a compute host.

    :param id: of the node, in the bare metal service.
    :param host: number of the compute host.
    :param on: whether it runs; None if nobody knows.
    :param maintenance: why its operator works on it, None if nobody does.
    """

    id: str
    host: int
    on: bool | None
    maintenance: str | None = None


@dataclasses.dataclass(frozen=True)
class Switching:
    """The last time that a machine was switched by an action plan.

    :param ago: in seconds.
    """

    on: bool
    succeeded: bool
    ago: float


@dataclasses.dataclass(frozen=True)
class Situation:
    """All that the decision depends on.

    :param classes: for each host which others stand in for it.
    :param percent: free hosts to keep on, in percent of the used ones.
    :param least: free hosts to keep on at least.
    :param failures: how many hosts may fail at once.
    :param switched: by id of the machine.
    :param min_on: seconds for which a machine stays on.
    :param min_off: seconds for which a machine stays off.
    :param only_own: whether only what was switched off by us is switched on.
    """

    state: cluster.ClusterState
    rules: destinations.DestinationRules
    machines: Sequence[Machine]
    classes: Sequence[Hashable]
    percent: float
    least: float
    failures: int = 1
    switched: Mapping[str, Switching] = dataclasses.field(
        default_factory=dict)
    min_on: float = 0
    min_off: float = 0
    only_own: bool = False

    def host(self, machine: Machine):
        return self.state.hosts[machine.host]


@dataclasses.dataclass
class Decision:
    """What is to be switched.

    :param need: how many free hosts have to be on.
    :param used: hosts with servers.
    :param free_on: free hosts that run.
    :param free_off: free hosts that are switched off.
    :param for_failover: those of ``on`` that are there for failures only.
    :param enable: hosts of which an earlier plan left the service disabled.
    :param left: names of hosts that are left alone, and why.
    :param fatal: names of hosts whose failure cannot be made good.
    """

    need: int = 0
    used: list[Machine] = dataclasses.field(default_factory=list)
    free_on: list[Machine] = dataclasses.field(default_factory=list)
    free_off: list[Machine] = dataclasses.field(default_factory=list)
    off: list[Machine] = dataclasses.field(default_factory=list)
    on: list[Machine] = dataclasses.field(default_factory=list)
    for_failover: list[Machine] = dataclasses.field(default_factory=list)
    enable: list[Machine] = dataclasses.field(default_factory=list)
    left: dict[str, str] = dataclasses.field(default_factory=dict)
    fatal: list[str] = dataclasses.field(default_factory=list)


def decide(situation: Situation) -> Decision:
    """Choose what to switch off or on, always the same way."""
    decision = Decision()
    _sort(situation, decision)
    decision.need = _need(situation, len(decision.used))
    reserve = _reserve.Reserve(
        situation.state, situation.classes, _serving(situation, decision),
        situation.failures, situation.rules)
    surplus = len(decision.free_on) - decision.need
    if surplus > 0:
        decision.off = _to_switch_off(situation, decision, reserve, surplus)
    _switch_on(situation, decision, reserve, -surplus)
    going = _hosts(decision.off)
    decision.enable = [
        machine for machine in decision.free_on
        if machine.host not in going and _is_asleep(situation, machine)]
    _check(situation, decision, reserve)
    return decision


def _hosts(machines: Iterable[Machine]) -> set[int]:
    return {machine.host for machine in machines}


def _is_asleep(situation: Situation, machine: Machine) -> bool:
    """Tell whether it was disabled in order to be switched off."""
    host = situation.host(machine)
    return (not host.enabled
            and host.disabled_reason == eligibility.SAVING_ENERGY)


def _sort(situation: Situation, decision: Decision) -> None:
    """Put each machine into its pool, or say why it is in none."""
    claims = collections.Counter(
        machine.host for machine in situation.machines)
    for machine in situation.machines:
        host = situation.host(machine)
        if claims[machine.host] > 1:
            decision.left[host.hostname] = (
                'several bare metal nodes claim to be it')
            continue
        if host.up and situation.state.count_on(machine.host):
            decision.used.append(machine)
            continue
        problem = _why_not_free(situation, machine)
        if problem:
            decision.left[host.hostname] = problem
        elif machine.on:
            decision.free_on.append(machine)
        else:
            decision.free_off.append(machine)


def _why_not_free(situation: Situation, machine: Machine) -> str | None:
    """Return why a machine without servers is neither kept nor switched."""
    host = situation.host(machine)
    if situation.state.count_on(machine.host):
        return 'it has servers and its compute service is down'
    if machine.on is None:
        return 'its power state is not known'
    if machine.maintenance is not None:
        return f'it is under maintenance ({machine.maintenance})'
    if not host.enabled and (
            host.disabled_reason not in eligibility.OUR_REASONS):
        reason = host.disabled_reason or 'no reason given'
        return f'it was disabled by somebody else ({reason})'
    if machine.on and not host.up:
        return 'it runs, but its compute service is down'
    return None


def _need(situation: Situation, used: int) -> int:
    wanted = max(used * situation.percent / 100, situation.least)
    # More than there are cannot be kept on anyway.
    return max(0, int(min(wanted, len(situation.machines))))


def _serving(situation: Situation, decision: Decision):
    """Return which hosts run servers now or once they are enabled."""
    serving = situation.rules.open_hosts
    for machine in decision.free_on:
        if _is_asleep(situation, machine):
            serving[machine.host] = True
    for machine in decision.free_off:
        # Nova notices only after a while that a host is off.
        serving[machine.host] = False
    return serving


def _to_switch_off(situation, decision, reserve, surplus):
    """Choose those that are not in use anyway first, then by name."""
    candidates = []
    for machine in sorted(decision.free_on, key=lambda machine: (
            situation.host(machine).enabled,
            situation.host(machine).hostname)):
        last = situation.switched.get(machine.id)
        if last and last.on and last.ago < situation.min_on:
            decision.left[situation.host(machine).hostname] = (
                f'it was switched on less than {situation.min_on:g} seconds '
                'ago')
        else:
            candidates.append(machine)
    spare = reserve.spare([machine.host for machine in candidates])
    for machine in candidates:
        if machine.host not in spare:
            decision.left[situation.host(machine).hostname] = (
                'it is needed in case that another host fails')
    return [machine for machine in candidates
            if machine.host in spare][:surplus]


def _switch_on(situation, decision, reserve, lack):
    """Switch on as many as are lacking, then what failures would need."""
    candidates = _candidates_on(situation, decision)
    decision.on = candidates[:max(0, lack)]
    rest = candidates[len(decision.on):]
    missing = reserve.missing(
        _hosts(decision.off), [machine.host for machine in candidates])
    decision.for_failover = [machine for machine in rest
                             if machine.host in missing]
    decision.on = decision.on + decision.for_failover


def _candidates_on(situation, decision):
    """Choose by name, those that failed to come lately last."""
    candidates = []
    for machine in decision.free_off:
        host, last = situation.host(machine), situation.switched.get(
            machine.id)
        if situation.only_own and not (
                last or _is_asleep(situation, machine)):
            decision.left[host.hostname] = 'it was not switched off by us'
        elif last and not last.on and last.ago < situation.min_off:
            decision.left[host.hostname] = (
                f'it was switched off less than {situation.min_off:g} '
                'seconds ago')
        else:
            failed = bool(last and last.on and not last.succeeded)
            candidates.append((failed, host.hostname, machine))
    return [machine for _failed, _name, machine in sorted(
        candidates, key=lambda item: item[:2])]


def _check(situation, decision, reserve):
    """Note which failures the result would not survive."""
    serving = _serving(situation, decision)
    for machines, on in ((decision.off, False), (decision.on, True)):
        for machine in machines:
            serving[machine.host] = on
    decision.fatal = [situation.state.hosts[host].hostname
                      for host in reserve.fatal(serving)]
