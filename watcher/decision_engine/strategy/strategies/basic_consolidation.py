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
"""Empties the hosts with the least CPU use onto those with the most.

Goal: ``server_consolidation``. A host is emptied if all of its servers can be
moved and fit, by what they were promised, on hosts with more CPU use. Metrics
decide only about the order: see vm_workload_consolidation for a strategy that
also looks at what is really used.

======================= ======= ==========================================
parameter               default meaning
======================= ======= ==========================================
``migration_attempts``  0       hosts in a row that cannot be emptied
                                after which to stop; 0: never
``period``              7200    seconds over which metrics are averaged
``granularity``         300     seconds between two samples
``aggregation_method``  mean    of ``instance`` and of ``compute_node``
======================= ======= ==========================================
"""

import dataclasses

import numpy
from oslo_config import cfg
from oslo_log import log

from watcher._i18n import _
from watcher.decision_engine.solution import explanation
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import destinations
from watcher.decision_engine.strategy.common import eligibility
from watcher.decision_engine.strategy.common import outcome
from watcher.decision_engine.strategy.common import room
from watcher.decision_engine.strategy.common import settings
from watcher.decision_engine.strategy.common import simulation
from watcher.decision_engine.strategy.strategies import _consolidation

LOG = log.getLogger(__name__)

#: CPU use (%) of hosts and servers of which it is not known: not idle.
UNKNOWN = 100.0

CONSOLIDATED = 'consolidation'


@dataclasses.dataclass(frozen=True)
class Situation:
    """All that the decision depends on.

    :param state: the cluster; it is as before when the decision is made.
    :param rules: where servers may go; of this state.
    :param asked: which servers may move; of this state.
    :param host_cpu: CPU use of hosts in percent, NaN where unknown.
    :param server_cpu: that of servers, in percent of their vCPUs.
    :param cores: cores of each host.
    :param opted_out: servers whose metadata say that they are to stay.
    :param attempts: hosts in a row without success after which to stop.
    :param partly: whether also to move servers off hosts that keep others.
    :param options: the shared options.
    """

    state: cluster.ClusterState
    rules: destinations.DestinationRules
    asked: eligibility.Eligibility
    host_cpu: numpy.ndarray
    server_cpu: numpy.ndarray
    cores: numpy.ndarray
    opted_out: frozenset[int] = frozenset()
    attempts: float = 0
    partly: bool = False
    options: settings.Settings = settings.Settings()


def decide(situation: Situation) -> _consolidation.Decision:
    """Choose the hosts to be emptied, and where their servers go."""
    return _Emptier(situation).decision()


class _Emptier:
    """Moves servers in a state and remembers why.

    :ivar order: hosts with servers, that with the most CPU use first.
    :ivar kept: hosts that keep servers, and why.
    """

    def __init__(self, situation: Situation):
        self.given = situation
        self.state, self.rules = situation.state, situation.rules
        self.movable = _consolidation.Movable(situation.asked)
        self.need = _consolidation.needs(self.state.demand)
        self.cpu = _known(situation.host_cpu)
        self.kept: dict[int, str] = {}
        self.passed_over: dict[int, dict[str, str]] = {}
        self.first_problem: str | None = None
        hosts = [number for number, host in enumerate(self.state.hosts)
                 if host.up and self.state.count_on(number)]
        self.order = sorted(hosts, key=lambda host: -self.cpu[host])
        self.place = {host: at for at, host in enumerate(self.order)}
        # The place of the host that is being emptied.
        self.last = len(self.order)

    def decision(self) -> _consolidation.Decision:
        """Try one host after the other; leave the state as it was."""
        mark = self.state.mark()
        self._close_unknown()
        self.index = room.RoomIndex(
            self.state.free[self.order] if self.order
            else numpy.empty((0, 3)))
        for place, host in enumerate(self.order):
            if self.rules.why_closed(host):
                self.index.close(place)
        self.state.watch(self._moved)
        self._try_all()
        self.state.unwatch(self._moved)
        made = self._describe(_consolidation.settle(
            self.state, self.rules, self.movable, self.given.options))
        self.state.undo(mark)
        return made

    def _close_unknown(self):
        for host in self.order:
            if numpy.isnan(self.given.host_cpu[host]):
                self.rules.close(host, 'its host_cpu_usage is not known')

    def _moved(self, server, source, destination):
        for host in (source, destination):
            place = self.place.get(host)
            # Hosts that were tried take nothing any more.
            if (place is not None and place < self.last
                    and self.rules.why_closed(host) is None):
                self.index.update(place, self.state.free[host])

    # Emptying one host ----------------------------------------------------

    def _try_all(self):
        """Try to empty the hosts, that with the least CPU use first."""
        attempts, failures = self.given.attempts, 0
        for last in range(len(self.order) - 1, -1, -1):
            host = self.order[last]
            if attempts and failures > attempts:
                hosts = explanation.counted(failures, 'host')
                self.kept[host] = (f'{hosts} in a row could not be emptied '
                                   '(migration_attempts)')
                continue
            self.last = last
            self.index.close(last)
            failures = 1 if self._attempt(host) else failures + 1

    def _attempt(self, host):
        """Move the servers of a host; tell whether any has moved."""
        servers = [server for server in self.state.servers_on(host)
                   if self._why_stay(server, host) is None]
        if not self.given.partly and host in self.kept:
            return False
        mark, moved = self.state.mark(), False
        score = _known(self.given.server_cpu[servers])
        for place in numpy.argsort(-score, kind='stable').tolist():
            if self._place_one(servers[place]):
                moved = True
                continue
            self._note_problem(host, servers[place])
            if not self.given.partly:
                self.state.undo(mark)
                return False
        return moved

    def _why_stay(self, server, host):
        problem = None
        if server in self.given.opted_out:
            problem = 'its metadata say optimize=false'
        elif self.movable.kind(server) is None:
            problem = self.movable.kept[server]
        if problem is not None:
            self.kept.setdefault(host, f'a server has to stay: {problem}')
        return problem

    def _place_one(self, server):
        need = self.need[server]
        found = _consolidation.first_allowed(
            self.rules, server,
            (self.order[place] for place in self.index.from_the_start(need)))
        if found is None:
            return False
        self.passed_over[server] = {
            self._name(self.order[place]): self._why_not(server, place)
            for place in range(min(self.place[found],
                                   _consolidation.ALTERNATIVES))}
        return self.state.move(server, found)

    def _why_not(self, server, place):
        host = self.order[place]
        closed = self.rules.why_closed(host)
        if closed:
            return closed
        lacks = self.index.lacking(place, self.need[server])
        if lacks is not None:
            return f'it has too little {_consolidation.ROOM[lacks]}'
        return (self.rules.why_not(server, host)
                or 'it has no room at this point')

    def _note_problem(self, host, server):
        self.kept.setdefault(
            host, 'hosts with more CPU use do not take all of its servers')
        if self.first_problem is None:
            self.first_problem = '; '.join((
                f'{self._name(host)} has the least CPU use of those that '
                'could be emptied, but no host with more takes '
                f'{self.state.servers[server].label}',
                *self._why_nowhere(server)))

    def _why_nowhere(self, server):
        """Return the commonest reasons, each with one host as example."""
        kinds: dict[str, list[str]] = {}
        for place in range(self.last):
            name = self._name(self.order[place])
            why = self._why_not(server, place)
            text = why if name in why else f'{name}: {why}'
            kinds.setdefault(text.replace(name, ''), []).append(text)
        for texts in sorted(kinds.values(), key=len, reverse=True)[:3]:
            more = len(texts) - 1
            yield texts[0] + (
                f" (and {explanation.counted(more, 'more host')})"
                if more else '')

    # The result -----------------------------------------------------------

    def _name(self, host):
        return self.state.hosts[host].hostname

    def _describe(self, moves):
        state = self.state
        made = _consolidation.Decision(candidates=sum(
            host.up and host.enabled for host in state.hosts))
        self._predict(moves)
        left = dict.fromkeys(self.order, 0)
        for move in moves:
            left[move.source] += 1
        for move in moves:
            made.steps.append(self._migration(move))
            left[move.source] -= 1
            if not left[move.source] and self._is_released(move.source):
                made.steps.append(self._disabling(move.source))
                made.released += 1
        made.summary = self._summary(made)
        return made

    def _is_released(self, host):
        return self.state.hosts[host].enabled and not self.state.count_on(
            host)

    def _predict(self, moves):
        """Estimate the CPU use of hosts afterwards, NaN if unknown."""
        cores = (self.given.server_cpu / 100
                 * self.state.demand[:, cluster.VCPU])
        change = numpy.zeros(len(self.state.hosts))
        for move in moves:
            change[move.source] -= cores[move.server]
            change[move.destination] += cores[move.server]
        with numpy.errstate(divide='ignore', invalid='ignore'):
            self.after = numpy.maximum(
                self.given.host_cpu + 100 * change / self.given.cores, 0)

    def _migration(self, move):
        source, destination = map(
            self._name, (move.source, move.destination))
        goal = ('is emptied' if not self.state.count_on(move.source)
                else 'is relieved of what others have room for')
        return _consolidation.Migration(
            *move, self.movable.kind(move.server), explanation.Explanation(
                f'{source} has little CPU use and {goal}; {destination} has '
                'the most CPU use of the hosts with room'
                + _consolidation.although_locked(self.state, move.server),
                CONSOLIDATED,
                [self._usage(move.source), self._usage(move.destination)],
                self.passed_over[move.server]))

    def _usage(self, host):
        return explanation.Measure(
            'host_cpu_usage', self.given.host_cpu[host], self.after[host],
            '%', self._name(host))

    def _disabling(self, host):
        return _consolidation.ServiceChange(
            host, _consolidation.DISABLED, explanation.Explanation(
                f'{self._name(host)} has no servers any more', 'empty'),
            _consolidation.Consolidation.REASON_FOR_DISABLE)

    def _summary(self, made):
        left = simulation.hosts_in_use(self.state)
        receiving = {step.destination for step in made.steps
                     if isinstance(step, _consolidation.Migration)}
        kept = {host: 'it takes servers of other hosts'
                if host in receiving else self.kept.get(host, 'none moves')
                for host in self.order if self.state.count_on(host)}
        measures = [explanation.Measure('hosts_in_use', self._in_use(), left)]
        named = _consolidation.named(self.state, kept)
        if made.steps:
            return explanation.Explanation(
                f"{explanation.counted(made.migrations, 'server')} to move; "
                f'{made.released} of {made.candidates} enabled hosts to '
                'release',
                CONSOLIDATED, measures, named)
        if not self.order:
            return explanation.Explanation(
                'No host that is up has servers', 'idle', measures)
        problem, code = self.first_problem, 'no-room'
        if problem is None:
            host = self.order[-1]
            problem, code = f'{self._name(host)}: {kept[host]}', 'kept'
        return explanation.Explanation(
            f'No host can be emptied. {problem}', code, measures, named)

    def _in_use(self):
        homes = self.state.initial_host_of
        return len(numpy.unique(homes[homes != cluster.NOWHERE]))


def _known(values):
    """Return percents with what is unknown as fully used."""
    return numpy.where(numpy.isnan(values), UNKNOWN, values)


class BasicConsolidation(_consolidation.Consolidation):
    """Empties the hosts with the least CPU use onto those with the most.

    Emptied hosts are disabled. A host whose CPU use is not known takes no
    servers. Hosts that somebody has disabled take none either.
    """

    MODELS = ('compute',)

    HOST_CPU, SERVER_CPU = 'host_cpu_usage', 'instance_cpu_usage'

    DATASOURCE_METRICS = [HOST_CPU, SERVER_CPU]

    @classmethod
    def get_name(cls):
        return 'basic'

    @classmethod
    def get_display_name(cls):
        return _('Basic offline consolidation')

    @classmethod
    def get_translatable_display_name(cls):
        return 'Basic offline consolidation'

    @classmethod
    def get_schema(cls):
        return {
            'properties': {
                'migration_attempts': {
                    'description': 'Stop after more than this number of '
                                   'hosts in a row could not be emptied; 0: '
                                   'try all.',
                    'type': 'number',
                    'default': 0,
                },
                'period': {
                    'description': 'Seconds over which metrics are '
                                   'aggregated.',
                    'type': 'number',
                    'default': 7200,
                },
                'granularity': {
                    'description': 'Seconds between two samples of a '
                                   'metric.',
                    'type': 'number',
                    'default': 300,
                },
                'aggregation_method': {
                    'description': 'How the samples of a metric are '
                                   'aggregated.',
                    'type': 'object',
                    'properties': {
                        'instance': {
                            'description': 'Those of instances.',
                            'type': 'string',
                            'default': 'mean',
                        },
                        'compute_node': {
                            'description': 'Those of compute nodes.',
                            'type': 'string',
                            'default': 'mean',
                        },
                        'node': {
                            'description': 'Deprecated: the former name of '
                                           'compute_node, which it replaces '
                                           'if it is not empty.',
                            'type': 'string',
                            'default': '',
                        },
                    },
                    'default': {'instance': 'mean', 'compute_node': 'mean',
                                'node': ''},
                },
            },
        }

    @classmethod
    def get_config_opts(cls):
        return super().get_config_opts() + [
            cfg.BoolOpt(
                'check_optimize_metadata',
                default=False,
                help='Leave instances where they are whose metadata say '
                     'optimize=false.'),
            cfg.BoolOpt(
                'drain_partly',
                default=False,
                help='Also move instances off hosts that cannot become '
                     'empty, as earlier releases did. That costs migrations '
                     'and releases nothing.'),
        ]

    def count_candidates(self, state, found: outcome.Outcome) -> int:
        changed = found.service_changes()
        return sum(host.up and (
            host.enabled
            or changed.get(host.hostname) == _consolidation.DISABLED)
            for host in state.hosts)

    def do_execute(self, audit=None):
        situation = self.gather()
        self.emit(situation.state, decide(situation))

    def gather(self) -> Situation:
        """Read the model and two metrics; each is one question."""
        state = self.found_state()
        asked = self.eligibility_for(state)
        hosts = [number for number, host in enumerate(state.hosts)
                 if host.up and state.count_on(number)]
        servers = [server for host in hosts
                   for server in state.servers_on(host)
                   if asked.why_not_touch(server) is None]
        methods = self._methods()
        read = self.loads_for(state)
        how = {'period': int(self.input_parameters.period),
               'granularity': int(self.input_parameters.granularity)}
        host_cpu = read.of_hosts(self.HOST_CPU, hosts=hosts,
                                 aggregate=methods['compute_node'], **how)
        server_cpu = read.of_servers(self.SERVER_CPU, servers=servers,
                                     aggregate=methods['instance'], **how)
        for remark in read.remarks():
            self.solution.add_remark(remark)
        return Situation(
            state, self.rules_for(state), asked, host_cpu, server_cpu,
            numpy.array([state.node(host).vcpus
                         for host in range(len(state.hosts))], dtype=float),
            self._opted_out(state, servers),
            self.input_parameters.migration_attempts,
            getattr(self.config, 'drain_partly', False),
            self.shared_options)

    def _methods(self):
        """Return how to aggregate, also from the former name of a key."""
        given = self.input_parameters.get('aggregation_method') or {}
        methods = {key: given.get(key) or 'mean'
                   for key in ('instance', 'compute_node')}
        if given.get('node'):
            LOG.warning('The key node of aggregation_method is deprecated; '
                        'call it compute_node')
            methods['compute_node'] = given['node']
        return methods

    def _opted_out(self, state, servers):
        if not getattr(self.config, 'check_optimize_metadata', False):
            return frozenset()
        return frozenset(
            server for server in servers
            if not self.filter_instances_by_audit_tag(
                [state.instance(server)]))
