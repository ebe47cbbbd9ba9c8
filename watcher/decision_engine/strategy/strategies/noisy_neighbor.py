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
"""Moves a server that takes the cache of the CPU from more important ones.

A *victim* uses less of the L3 cache than before; a *noisy neighbour* on the
same host is less important and uses more than before. How important a server
is, its metadata say: ``watcher-priority``, a number, the lowest one being most
important, 5 if there is none.

Goal: ``noisy_neighbor``.

=================== =========================================================
Parameter           Meaning
=================== =========================================================
``cache_threshold`` by how many percent the use of the cache has to change
``period``          seconds; the last of them are compared with as many
                    before
=================== =========================================================

Specification: "Noisy neighbor strategy" (Pike). Deprecated: Nova has not
delivered the metric since Victoria.
"""

import dataclasses
import functools
import math
import warnings
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import numpy
from oslo_log import log
from oslo_log import versionutils

from watcher._i18n import _
from watcher.decision_engine.solution import explanation
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import destinations
from watcher.decision_engine.strategy.common import eligibility
from watcher.decision_engine.strategy.strategies import balancing
from watcher.decision_engine.strategy.strategies import base

LOG = log.getLogger(__name__)

CACHE = 'instance_l3_cache_usage'
PRIORITY = 'watcher-priority'
DEFAULT_PRIORITY = 5.0

DEPRECATION = ('The strategy noisy_neighbor is deprecated and may be removed: '
               'Nova no longer delivers the metric that it needs.')


@dataclasses.dataclass(frozen=True, eq=False)
class Situation:
    """All that the decision depends on.

    :param state: where servers are.
    :param rules: about where servers may go; of the same state.
    :param why_not_move: why a server must not be migrated live, or None.
    :param current: the cache each server uses; NaN is unknown.
    :param previous: the same for the time before.
    :param priority: of the servers; the lowest one is most important.
    :param threshold: the change that counts, as a share.
    """

    state: cluster.ClusterState
    rules: destinations.DestinationRules
    why_not_move: Callable[[int], str | None]
    current: numpy.ndarray
    previous: numpy.ndarray
    priority: Sequence[float]
    threshold: float


@dataclasses.dataclass(frozen=True)
class Conflict:
    """A host on which a server disturbs a more important one.

    :ivar noisy: the one to be moved; None if that is not possible.
    """

    host: int
    victim: int
    noisy: int | None


@dataclasses.dataclass
class Decision:
    """What is to be done, and why that is all."""

    why: explanation.Explanation
    move: cluster.Move | None = None
    because: explanation.Explanation | None = None


def priority_of(metadata: Any) -> float:
    """Read how important a server is; 5 if its metadata do not say it."""
    try:
        value = float((metadata or {}).get(PRIORITY, DEFAULT_PRIORITY))
    except (TypeError, ValueError):
        return DEFAULT_PRIORITY
    return value if math.isfinite(value) else DEFAULT_PRIORITY


class _Finder:

    def __init__(self, situation: Situation):
        self.given = situation
        self.state = situation.state
        self.refused: dict[str, str] = {}
        # Comparisons with NaN are false: those are neither.
        current, previous = situation.current, situation.previous
        self.quieter = current < (1 - situation.threshold) * previous
        self.louder = current > (1 + situation.threshold) * previous
        self.unknown = numpy.isnan(current) | numpy.isnan(previous)
        self._most_important = self._victims()

    def _victims(self):
        """Return the least priority of quieter servers of each host."""
        found = numpy.full(len(self.state.hosts), numpy.inf)
        placed = self.quieter & (self.state.host_of != cluster.NOWHERE)
        numpy.minimum.at(found, self.state.host_of[placed],
                         numpy.asarray(self.given.priority, float)[placed])
        return found

    def decide(self) -> Decision:
        conflicts, targets, judged = [], [], 0
        for host in range(len(self.state.hosts)):
            servers = self.state.servers_on(host)
            if len(servers) > 1:
                judged += int((~self.unknown[servers]).sum())
            conflict = self._conflict(host, servers)
            if conflict is not None:
                conflicts.append(conflict)
            elif self._is_quiet(servers):
                targets.append(host)
        conflicts.sort(
            key=lambda found: self.given.priority[found.victim])
        for conflict in conflicts:
            decision = self._resolve(conflict, targets)
            if decision is not None:
                return decision
        return Decision(self._explained(
            *self._why_nothing(conflicts, targets, judged)))

    def _conflict(self, host, servers) -> Conflict | None:
        """Look for the most important server that is disturbed."""
        if len(servers) < 2:
            return None
        ordered = sorted(servers, key=self.given.priority.__getitem__)
        for place, victim in enumerate(ordered):
            if not self.quieter[victim]:
                continue
            noisy = [server for server in reversed(ordered[place + 1:])
                     if self.louder[server]]
            return (Conflict(host, victim, self._movable(noisy))
                    if noisy else None)
        return None

    def _movable(self, servers):
        for server in servers:
            problem = self.given.why_not_move(server)
            if problem is None:
                return server
            self.refused[self.state.servers[server].label] = problem
        return None

    def _is_quiet(self, servers):
        """Tell whether a host may take a noisy server.

        If something on it could be a victim and nobody knows, it does not.
        """
        return len(servers) < 2 or not any(
            self.unknown[server] and self.state.servers[server].state
            not in balancing.WITHOUT_LOAD for server in servers)

    def _resolve(self, conflict, targets) -> Decision | None:
        server = conflict.noisy
        if server is None:
            return None
        mask = self.given.rules.mask(server)
        # Where the same would begin anew, the next run would move it on.
        mask &= self._most_important > self.given.priority[server]
        host = next((host for host in targets if mask[host]), None)
        label = self.state.servers[server].label
        if host is None:
            self.refused[label] = self._why_nowhere(server, targets)
            return None
        others = balancing.ruled_out(self.given.rules, server,
                                     targets[:targets.index(host)])
        victim = self.state.servers[conflict.victim].label
        name = self.state.hosts[conflict.host].hostname
        reason = (f'it uses more of the L3 cache of {name} than before, and '
                  f'{victim}, which is as important or more, uses less')
        change = self.given.threshold
        measures = [self._measure(server, 1 + change),
                    self._measure(conflict.victim, 1 - change)]
        return Decision(
            self._explained(f'{label} disturbs {victim} on {name}', 'noisy',
                            measures),
            cluster.Move(server, conflict.host, host),
            explanation.Explanation(reason, 'noisy', measures, others))

    def _why_nowhere(self, server, targets):
        if not targets:
            return 'there is no host without such a problem'
        others = explanation.counted(len(targets) - 1, 'more host refuses',
                                     'more hosts refuse')
        more = f' (and {others} it)' if len(targets) > 1 else ''
        problem = self.given.rules.why_not(server, targets[0]) or (
            'a server there, as important or more, uses less of the cache '
            'than before')
        return f'{problem}{more}'

    def _measure(self, server, share):
        # What it was before is no forecast for after the plan; the limit
        # tells from which use on the change counts.
        return explanation.Measure(
            CACHE, round(float(self.given.current[server])), unit='bytes',
            of=self.state.servers[server].label,
            limit=round(share * float(self.given.previous[server])))

    def _explained(self, reason, code, measures=()):
        return explanation.Explanation(reason, code, measures, self.refused)

    def _why_nothing(self, conflicts, targets, judged):
        if not judged:
            return f'{CACHE} is not known of any server', 'no_metrics'
        if not conflicts:
            return ('No server uses so much more of the L3 cache than '
                    'before that another one on its host, as important or '
                    'more, has less; '
                    + explanation.counted(judged, 'server was',
                                          'servers were') + ' compared',
                    'quiet')
        hosts = explanation.counted(len(conflicts), 'host has', 'hosts have')
        if not targets:
            return (f'{hosts} noisy servers, and there is no other host '
                    'to move them to', 'no_target')
        server, problem = next(iter(self.refused.items()))
        return (f'{hosts} noisy servers, but none can be moved; for '
                f'instance {server}: {problem}',
                'no_destination')


def decide(situation: Situation) -> Decision:
    """Choose the noisy server to be moved, and its destination."""
    return _Finder(situation).decide()


class NoisyNeighbor(base.NoisyNeighborBaseStrategy):
    """Moves a server that disturbs a more important one on its host.

    *Description*

    A server whose use of the L3 cache grows while that of a more important
    one on its host shrinks, is migrated live to a host without this problem.

    *Requirements*

    The metric ``instance_l3_cache_usage``.
    """

    MODELS = ('compute',)

    DATASOURCE_METRICS = [CACHE]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        warnings.warn(DEPRECATION, DeprecationWarning, stacklevel=2)
        versionutils.report_deprecated_feature(LOG, DEPRECATION)

    @classmethod
    def get_name(cls):
        return 'noisy_neighbor'

    @classmethod
    def get_display_name(cls):
        return _('Noisy Neighbor')

    @classmethod
    def get_translatable_display_name(cls):
        return 'Noisy Neighbor'

    @classmethod
    def get_schema(cls):
        return {
            'properties': {
                'cache_threshold': {
                    'description': 'By how many percent the use of the L3 '
                                   'cache has to change to count.',
                    'type': 'number',
                    'minimum': 0,
                    'default': 35.0,
                },
                'period': {
                    'description': 'Seconds over which the use of the cache '
                                   'is averaged. They are compared with as '
                                   'many before.',
                    'type': 'number',
                    'minimum': 0,
                    'default': 100.0,
                },
            },
        }

    def pre_execute(self):
        self._pre_execute()

    def do_execute(self, audit=None):
        situation = self.gather()
        self.emit(situation.state, decide(situation))

    def post_execute(self):
        """The goal has no indicators."""

    def gather(self) -> Situation:
        """Read the cache that servers use, over two spans: two batches.

        Also of those that are alone: noisy ones may join them.
        """
        parameters = self.input_parameters
        state = self.found_state()
        read = self.loads_for(state)
        servers = balancing.may_have_load(
            state, numpy.ones(len(state.hosts), bool))
        period = int(parameters.period)
        current = read.of_servers(CACHE, period, servers=servers)
        both = read.of_servers(CACHE, 2 * period, servers=servers)
        for remark in read.remarks():
            self.solution.add_remark(remark)
        asked = self.eligibility_for(state)
        return Situation(
            state, self.rules_for(state),
            functools.partial(asked.why_not_move, kind=eligibility.LIVE),
            current, 2 * both - current,
            [priority_of(metadata) for _uuid, metadata
             in state.model.pick_instances('uuid', 'metadata').values()],
            parameters.cache_threshold / 100)

    def emit(self, state: cluster.ClusterState, decision: Decision) -> None:
        """Turn the decision into an action."""
        if decision.move is not None:
            self.add_action_migrate(
                state.instance(decision.move.server), eligibility.LIVE,
                state.node(decision.move.source),
                state.node(decision.move.destination),
                reason=decision.because)
        self.solution.explain(
            decision.why.reason, decision.why.code,
            decision.why.measures, decision.why.ruled_out)
