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
"""What the strategies that run servers on fewer hosts have in common."""

import dataclasses
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

import numpy

from watcher.decision_engine.solution import explanation
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import destinations
from watcher.decision_engine.strategy.common import eligibility
from watcher.decision_engine.strategy.common import outcome
from watcher.decision_engine.strategy.common import room
from watcher.decision_engine.strategy.common import settings
from watcher.decision_engine.strategy.common import simulation
from watcher.decision_engine.strategy.strategies import base

CHANGE_STATE = simulation.SERVICE_STATE
ENABLED, DISABLED = 'enabled', 'disabled'

#: How many hosts an action names that come first but take nothing.
ALTERNATIVES = 3

#: What the columns of free resources are called.
ROOM = ('free vCPUs', 'free memory', 'free disk')

#: How many refusals of single hosts to hear before asking about all at once.
PATIENCE = 8


@dataclasses.dataclass(frozen=True)
class Migration:
    """A server that goes to another host.

    :param destination: None leaves the choice to the scheduler of Nova.
    :param kind: ``live`` or ``cold``.
    """

    server: int
    source: int
    destination: int | None
    kind: str
    why: explanation.Explanation


@dataclasses.dataclass(frozen=True)
class ServiceChange:
    """A host that is enabled or disabled."""

    host: int
    state: str
    why: explanation.Explanation | str
    disabled_reason: str | None = None


@dataclasses.dataclass
class Decision:
    """What is to be done, and why.

    :ivar steps: in the order in which they are to be done.
    :ivar candidates: how many hosts were looked at.
    :ivar released: how many hosts are in use less when all is done.
    """

    candidates: int = 0
    released: int = 0
    steps: list[Migration | ServiceChange] = dataclasses.field(
        default_factory=list)
    summary: explanation.Explanation | None = None
    remarks: list[str] = dataclasses.field(default_factory=list)

    @property
    def migrations(self) -> int:
        return sum(isinstance(step, Migration) for step in self.steps)


class Consolidation(base.ServerConsolidationBaseStrategy):
    """Turns a :class:`Decision` into actions and indicators."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._decision = Decision()

    def pre_execute(self):
        self._pre_execute()

    def post_execute(self):
        decision = self._decision
        self.solution.set_efficacy_indicators(
            compute_nodes_count=decision.candidates,
            released_compute_nodes_count=decision.released,
            instance_migrations_count=decision.migrations)

    def measure_efficacy(self, found: outcome.Outcome
                         ) -> Mapping[str, float | None]:
        state = self.found_state()
        return {**super().measure_efficacy(found),
                'compute_nodes_count': self.count_candidates(state, found),
                'released_compute_nodes_count': self.count_released(
                    state, found)}

    def count_candidates(self, state: cluster.ClusterState,
                         found: outcome.Outcome) -> int:
        """Return how many hosts there are to be looked at, after a plan.

        Those that the plan has disabled count as if it had not.
        """
        return len(state.hosts)

    def count_released(self, state: cluster.ClusterState,
                       found: outcome.Outcome) -> int:
        """Return how many hosts are in use less, after a plan.

        Those that it was to disable and that have no servers, without those
        that it enabled and that have some.
        """
        released = 0
        for name, wanted in found.service_changes().items():
            host = state.host_named(name)
            if host is None:
                continue
            used = state.count_on(host) > 0
            if wanted == DISABLED:
                released += not used
            elif used:
                released -= 1
        return max(0, released)

    def emit(self, state: cluster.ClusterState, decision: Decision) -> None:
        """Add the actions to the solution, and the reasons."""
        self._decision = decision
        for remark in decision.remarks:
            self.solution.add_remark(remark)
        for step in decision.steps:
            if isinstance(step, Migration):
                self._emit_migration(state, step)
            else:
                self._emit_change(state.hosts[step.host], step)
        summary = decision.summary
        if summary is not None:
            self.solution.explain(summary.reason, summary.code,
                                  summary.measures, summary.ruled_out)

    def _emit_migration(self, state, step):
        destination = step.destination
        self.add_action_migrate(
            state.servers[step.server], step.kind, state.hosts[step.source],
            None if destination is None else state.hosts[destination],
            reason=step.why)

    def _emit_change(self, host, step):
        parameters = {'state': step.state, 'resource_name': host.hostname}
        if step.disabled_reason is not None:
            parameters['disabled_reason'] = step.disabled_reason
        self.solution.add_action(CHANGE_STATE, parameters,
                                 resource_id=host.uuid, reason=step.why)


class Movable:
    """Knows which servers may move, and how; asks once for each.

    :ivar kept: why servers have to stay, of those that were asked about.
    """

    def __init__(self, asked: eligibility.Eligibility):
        self._asked = asked
        self._kinds: dict[int, str | None] = {}
        self.kept: dict[int, str] = {}

    def kind(self, server: int) -> str | None:
        """Return how a server can be moved; None if it has to stay."""
        if server not in self._kinds:
            self._kinds[server] = self._find(server)
        return self._kinds[server]

    def _find(self, server):
        problem = self._asked.why_not_touch(server)
        kind = None
        if problem is None:
            kind = self._asked.migration_type(server)
            if kind is None:
                problem = self._asked.why_unable(server, eligibility.LIVE)
        if problem is not None:
            self.kept[server] = problem
        return kind


def first_allowed(rules: destinations.DestinationRules, server: int,
                  hosts: Iterable[int]) -> int | None:
    """Return the first of some hosts that a server may go to.

    :param hosts: hosts that have room.
    """
    mask = None
    for asked, host in enumerate(hosts):
        if mask is None and asked == PATIENCE:
            # Most hosts are forbidden: for all it costs little more.
            mask = rules.mask(server)
        if mask[host] if mask is not None else rules.allows(server, host):
            return host
    return None


def needs(demand: numpy.ndarray) -> numpy.ndarray:
    """Return what servers need of each kind, for comparisons with room.

    Nothing is taken of what is not needed, even if it is overcommitted.
    """
    return numpy.where(demand > 0, demand, room.NOTHING)


def settle(state: cluster.ClusterState,
           rules: destinations.DestinationRules, movable: Movable,
           options: settings.Settings) -> list[cluster.Move]:
    """Have each server go straight to where it is now; return these moves.

    Those that were moved twice come last, as an order that worked with
    detours may not work without. What then cannot be done in any order is
    left out, and the state is that after the other moves.
    """
    moves, twice = state.moves, state.detours
    if not twice:
        return moves
    state.undo()
    ordered = ([move for move in moves if move.server not in twice]
               + [move for move in moves if move.server in twice])
    done = simulation.arrange(
        [_as_action(state, movable, move) for move in ordered],
        simulation.Simulation(state, options, rules))
    return [action['move'] for action in done.actions]


def _as_action(state, movable, move):
    hosts = state.hosts
    return {'action_type': simulation.MIGRATE, 'move': move,
            'input_parameters': {
                'resource_id': state.servers[move.server].uuid,
                'migration_type': movable.kind(move.server),
                'source_node': hosts[move.source].hostname,
                'destination_node': hosts[move.destination].hostname}}


def although_locked(state: cluster.ClusterState, server: int) -> str:
    """Say that a server moves in spite of its lock, if so."""
    return ' (although it is locked)' if state.servers[server].locked else ''


def ours_to_enable(state: cluster.ClusterState) -> list[int]:
    """Return the hosts that this service has disabled as they were empty."""
    return [number for number, host in enumerate(state.hosts)
            if host.up and not host.enabled
            and eligibility.why_not_enable(host) is None]


def named(state: cluster.ClusterState, reasons: Mapping[int, str]
          ) -> dict[str, str]:
    """Return reasons by the names of hosts instead of numbers."""
    return {state.hosts[host].hostname: reason
            for host, reason in reasons.items()}


def listed(names: Sequence[str], most: int = 5) -> str:
    """Name some of many."""
    more = f' and {len(names) - most} more' if len(names) > most else ''
    return ', '.join(names[:most]) + more
