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
"""Joins the free room of hosts that is split up into pieces.

Goal: ``server_consolidation``. The least used hosts are emptied, each either
whole or not at all, so that big servers find room again. It goes by what
servers were promised, without metrics. The hosts stay enabled.

=============== ======== ==============================================
parameter       default  meaning
=============== ======== ==============================================
``host_choice`` auto     ``auto``: the scheduler of Nova chooses the
                         destinations; anything else, as ``specify``:
                         this strategy does
=============== ======== ==============================================
"""

import dataclasses

import numpy

from watcher import objects
from watcher._i18n import _
from watcher.decision_engine.solution import explanation
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import destinations
from watcher.decision_engine.strategy.common import eligibility
from watcher.decision_engine.strategy.common import outcome
from watcher.decision_engine.strategy.common import room
from watcher.decision_engine.strategy.common import simulation
from watcher.decision_engine.strategy.strategies import _consolidation
from watcher.objects import states

AUTO, SPECIFY = 'auto', 'specify'

#: Why hosts are disabled while the plan runs.
REASON = 'Watcher node resource consolidation strategy'

CONSOLIDATED = 'consolidation'


@dataclasses.dataclass(frozen=True)
class Situation:
    """All that the decision depends on.

    :param state: the cluster; it is as before when the decision is made.
    :param rules: where servers may go; of this state.
    :param asked: which servers may move; of this state.
    :param failed: hosts with servers whose migration failed in an earlier
        plan of this audit: they are not emptied.
    :param auto: whether the scheduler of Nova chooses the destinations.
    """

    state: cluster.ClusterState
    rules: destinations.DestinationRules
    asked: eligibility.Eligibility
    failed: frozenset[int] = frozenset()
    auto: bool = True


def decide(situation: Situation) -> _consolidation.Decision:
    """Choose the hosts to be emptied, and where their servers go."""
    return _Emptier(situation).decision()


class _Emptier:
    """Empties hosts in a state, one after the other.

    :ivar sources: hosts that were emptied, with the moves of their servers.
    :ivar kept: hosts that keep their servers, and why.
    """

    def __init__(self, situation: Situation):
        self.given = situation
        self.state, self.rules = situation.state, situation.rules
        self.movable = _consolidation.Movable(situation.asked)
        self.used = self.state.used.copy()
        self.need = _consolidation.needs(self.state.demand)
        self.empty = [host for host in range(len(self.state.hosts))
                      if not self.state.count_on(host)]
        self.sources: dict[int, list[cluster.Move]] = {}
        self.kept: dict[int, str] = {}
        self.receiving: set[int] = set()
        self.first_problem: str | None = None

    def decision(self) -> _consolidation.Decision:
        """Try all hosts; leave the state as it was."""
        mark = self.state.mark()
        order = self._order()
        closed = self._close(self.empty, 'it is empty')
        self.fit = room.BestFit(self.state.free, [
            host for host in reversed(order)
            if self.rules.why_closed(host) is None])
        self.state.watch(self._moved)
        for host in order:
            self._attempt(host, closed)
        self.state.unwatch(self._moved)
        made = self._describe()
        self.state.undo(mark)
        for host in closed:
            self.rules.open(host)
        return made

    def _order(self):
        """Return the hosts with servers, the least used ones first."""
        empty = set(self.empty)
        hosts = [host for host in range(len(self.state.hosts))
                 if host not in empty]
        capacity = self.state.capacity[:, cluster.VCPU]
        with numpy.errstate(divide='ignore', invalid='ignore'):
            share = numpy.round(
                self.state.used[:, cluster.VCPU] / capacity, 9)
        # Who offers nothing is the fullest.
        share[~(capacity > 0)] = numpy.inf
        return sorted(hosts, key=share.__getitem__)

    def _close(self, hosts, reason):
        """Let hosts take nothing; return those that would have."""
        found = [host for host in hosts
                 if self.rules.why_closed(host) is None]
        for host in found:
            self.rules.close(
                host, f'{self.state.hosts[host].hostname}: {reason}')
        return found

    def _moved(self, server, source, destination):
        self.fit.changed(source)
        self.fit.changed(destination)

    # Emptying one host ----------------------------------------------------

    def _attempt(self, host, closed):
        if host in self.receiving:
            self.kept[host] = 'it takes servers of other hosts'
            return
        if host in self.given.failed:
            self.kept[host] = ('a migration of one of its servers failed '
                               'in an earlier plan of this audit')
            return
        servers = self.state.servers_on(host)
        for server in servers:
            if self.movable.kind(server) is None:
                self.kept[host] = ('a server has to stay: '
                                   f'{self.movable.kept[server]}')
                return
        moves = self._place_all(host, servers)
        if moves is None:
            self.kept[host] = 'other hosts do not take all of its servers'
            return
        self.sources[host] = moves
        self.receiving.update(move.destination for move in moves)
        self.fit.remove(host)
        closed += self._close([host], 'it is emptied')

    def _place_all(self, host, servers):
        """Move all servers of a host, the biggest first, or none."""
        mark = self.state.mark()
        demand = self.state.demand[:, cluster.VCPU]
        moves = []
        for server in sorted(servers, key=lambda one: -demand[one]):
            found = _consolidation.first_allowed(
                self.rules, server, self.fit.hosts(self.need[server]))
            if found is None:
                self._note_problem(host, server)
                self.state.undo(mark)
                return None
            self.state.move(server, found)
            moves.append(cluster.Move(server, host, found))
        return moves

    def _note_problem(self, host, server):
        """Keep in full what hinders the first host, for an empty plan."""
        if self.first_problem is None and not self.sources:
            self.first_problem = (
                f'{self._name(host)} keeps its servers: '
                f'{self.state.servers[server].label} has no destination: '
                f'{self.rules.why_nowhere(server)}')

    # The result -----------------------------------------------------------

    def _name(self, host):
        return self.state.hosts[host].hostname

    def _describe(self):
        made = _consolidation.Decision(
            candidates=len(self.state.hosts), released=len(self.sources))
        aside = self._set_aside() if self.given.auto else []
        for host in aside:
            made.steps.append(_consolidation.ServiceChange(
                host, _consolidation.DISABLED, self._why_aside(host),
                REASON))
        for moves in self.sources.values():
            made.steps += [self._migration(move, len(moves))
                           for move in moves]
        for host in aside:
            made.steps.append(_consolidation.ServiceChange(
                host, _consolidation.ENABLED,
                f'all servers have moved; {self._name(host)} is open again '
                'for new ones'))
        made.summary = self._summary(made)
        return made

    def _set_aside(self):
        """Return the hosts on which the scheduler must put nothing."""
        if not self.sources:
            return []
        return [host for host in (*self.empty, *self.sources)
                if self.state.hosts[host].enabled
                and self.state.hosts[host].up]

    def _why_aside(self, host):
        if host in self.sources:
            return (f'{self._name(host)} is emptied and must not take '
                    'servers meanwhile')
        return (f'{self._name(host)} is empty and must not take servers of '
                'hosts that are emptied')

    def _migration(self, move, count):
        source = self._name(move.source)
        measures = [self._vcpus(move.source)]
        destination = None if self.given.auto else move.destination
        if destination is None:
            where = 'the scheduler of Nova chooses the destination'
        else:
            where = (f'{self._name(destination)} has the fewest free vCPUs '
                     'of all hosts with room')
            measures.append(self._vcpus(destination))
        return _consolidation.Migration(
            move.server, move.source, destination,
            self.movable.kind(move.server), explanation.Explanation(
                f'{source} is emptied, as other hosts have room for all its '
                f'servers ({count}); {where}'
                + _consolidation.although_locked(self.state, move.server),
                CONSOLIDATED, measures))

    def _vcpus(self, host):
        return explanation.Measure(
            'vcpus_in_use', self.used[host, cluster.VCPU],
            self.state.used[host, cluster.VCPU], None, self._name(host),
            self.state.capacity[host, cluster.VCPU])

    def _summary(self, made):
        in_use = len(self.state.hosts) - len(self.empty)
        left = int(simulation.hosts_in_use(self.state))
        measures = [explanation.Measure('hosts_in_use', in_use, left)]
        kept = _consolidation.named(self.state, self.kept)
        if self.sources:
            return explanation.Explanation(
                f'{len(self.sources)} of {in_use} hosts with servers to empty '
                f"by {explanation.counted(made.migrations, 'migration')}",
                CONSOLIDATED, measures, kept)
        if not self.kept:
            return explanation.Explanation(
                'There are no servers that could be moved', 'idle',
                measures)
        problem, code = self.first_problem, 'no-room'
        if problem is None:
            host, reason = next(iter(self.kept.items()))
            problem, code = f'{self._name(host)}: {reason}', 'kept'
        return explanation.Explanation(
            f'No host can be emptied. {problem}', code, measures, kept)


class NodeResourceConsolidation(_consolidation.Consolidation):
    """Joins the free room of hosts that is split up into pieces.

    Hosts are emptied whole or not at all, beginning with those of whose
    vCPUs the smallest share is taken. With ``host_choice`` ``auto`` they,
    and hosts that are empty, are disabled while the scheduler of Nova finds
    the destinations, and enabled again afterwards.
    """

    MODELS = ('compute',)

    @classmethod
    def get_name(cls):
        return 'node_resource_consolidation'

    @classmethod
    def get_display_name(cls):
        return _('Node Resource Consolidation strategy')

    @classmethod
    def get_translatable_display_name(cls):
        return 'Node Resource Consolidation strategy'

    @classmethod
    def get_schema(cls):
        return {
            'properties': {
                'host_choice': {
                    'description': 'Who chooses the destinations: the '
                                   'scheduler of Nova (auto), or this '
                                   'strategy (specify).',
                    'type': 'string',
                    'default': AUTO,
                },
            },
        }

    def pre_execute(self):
        super().pre_execute()
        self.planner = 'node_resource_consolidation'

    def count_released(self, state, found: outcome.Outcome) -> int:
        # Emptied hosts stay enabled.
        return sum((host := state.host_named(name)) is not None
                   and not state.count_on(host) for name in found.sources)

    def do_execute(self, audit=None):
        situation = self.gather(audit)
        self.emit(situation.state, decide(situation))

    def gather(self, audit=None) -> Situation:
        """Read the model, and what failed in earlier plans of the audit."""
        state = self.found_state()
        return Situation(
            state, self.rules_for(state), self.eligibility_for(state),
            self._failed(state, audit),
            self.input_parameters.get('host_choice', AUTO) == AUTO)

    def _failed(self, state, audit):
        """Return the hosts with servers whose migration failed; one query.

        Servers that are gone since do not matter any more.
        """
        if (audit is None or audit.audit_type
                == states.AuditType.ONESHOT.value):
            return frozenset()
        found = objects.Action.list_columns(
            self.ctx, ['input_parameters'],
            filters={'audit_uuid': audit.uuid,
                     'action_type': simulation.MIGRATE,
                     'state': states.ActionState.FAILED})
        servers = {(parameters or {}).get('resource_id')
                   for parameters in found['input_parameters']}
        hosts = {int(state.host_of[state.server_index[server]])
                 for server in servers if server in state.server_index}
        return frozenset(hosts - {cluster.NOWHERE})
