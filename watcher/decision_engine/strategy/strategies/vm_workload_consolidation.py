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
"""Packs servers by what they really use, and frees hosts.

Goal: ``server_consolidation``. First hosts that use more CPU than they have
are relieved, then the least loaded hosts are emptied onto the most loaded
ones that have room. Room counts twice: what servers were promised (flavors,
after reserved amounts and allocation ratios), and what they really use.

=============== ========= =======================================
parameter       default   meaning
=============== ========= =======================================
``period``      3600      seconds over which metrics are averaged
``granularity`` 300       seconds between two samples
=============== ========= =======================================
"""

import collections

import numpy
from oslo_config import cfg

from watcher._i18n import _
from watcher.decision_engine.solution import explanation
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import outcome
from watcher.decision_engine.strategy.common import simulation
from watcher.decision_engine.strategy.strategies import _consolidation
from watcher.decision_engine.strategy.strategies import _packing
from watcher.decision_engine.strategy.strategies import _utilisation

Situation = _packing.Situation
CPU, RAM = _packing.CPU, _packing.RAM

CONSOLIDATED = 'consolidation'

#: Metrics of hosts, in the order of the columns of what they report.
HOST_METRICS = ('host_cpu_usage', 'host_ram_usage')


def decide(situation: Situation) -> _consolidation.Decision:
    """Choose which servers go where, and which hosts are not needed then.
    """
    state = situation.state
    mark = state.mark()
    for host in _consolidation.ours_to_enable(state):
        situation.rules.open(host)
    remarks = _close_unknown(situation)
    packer = _packing.Packer(situation)
    report = _Report(packer)
    if report.overloaded:
        packer.offload()
    packer.consolidate()
    decision = report.decision(packer.settle())
    decision.remarks = remarks + decision.remarks
    packer.stop()
    state.undo(mark)
    return decision


def _close_unknown(situation):
    """Send nothing to hosts of which alone a metric is missing."""
    hosts = [number for number, host in enumerate(situation.state.hosts)
             if host.up]
    remarks = []
    for column, metric in enumerate(HOST_METRICS):
        unknown = [host for host in hosts
                   if numpy.isnan(situation.reported[host, column])]
        if unknown and len(unknown) == len(hosts):
            remarks.append(f'No host has a value of {metric}: only what '
                           'servers use counts.')
            continue
        for host in unknown:
            situation.rules.close(host, f'its {metric} is not known')
    return remarks


class _Report:
    """Turns what the packer did into a decision with its reasons.

    Make it before anything moves.
    """

    def __init__(self, packer: _packing.Packer):
        self.packer, self.state = packer, packer.state
        self.before = packer.load.used.copy()
        self.overloaded = set(packer.overloaded())
        self.in_use = simulation.hosts_in_use(self.state)

    def decision(self, moves: list[cluster.Move]
                 ) -> _consolidation.Decision:
        """Describe the moves and everything that follows from them."""
        made = _consolidation.Decision(candidates=len(self.packer.hosts))
        self.after = self.packer.load.used
        self.receiving = {move.destination for move in moves}
        enabled = self._add_moves(made, moves)
        disabled = self._not_needed(made, enabled)
        for host in disabled:
            made.steps.append(_consolidation.ServiceChange(
                host, _consolidation.DISABLED, explanation.Explanation(
                    f'{self._name(host)} has no servers'
                    + (' any more' if self.packer.was_used(host) else ''),
                    'empty'),
                _consolidation.Consolidation.REASON_FOR_DISABLE))
        made.released = max(0, len(disabled) - len(enabled))
        made.summary = self._summary(made, enabled, disabled)
        return made

    def _name(self, host):
        return self.state.hosts[host].hostname

    def _add_moves(self, made, moves):
        """Add them to the steps; return the hosts enabled for them."""
        enabled = set()
        for move in moves:
            host = move.destination
            if not self.state.hosts[host].enabled and host not in enabled:
                enabled.add(host)
                made.steps.append(_consolidation.ServiceChange(
                    host, _consolidation.ENABLED,
                    f'{self._name(host)} is needed again; it was disabled '
                    'by this service because it was empty'))
            made.steps.append(_consolidation.Migration(
                *move, self.packer.movable.kind(move.server),
                self._why(move)))
        return enabled

    def _why(self, move):
        choice = self.packer.choices[move.server]
        source = self._name(move.source)
        if choice.code == _packing.OVERLOAD:
            reason = (f'{source} uses {self.before[move.source, CPU]:.4g} of '
                      f'{self.packer.limit[move.source, CPU]:.4g} cores')
        elif self.state.count_on(move.source):
            reason = f'what fits on more loaded hosts leaves {source}'
        else:
            reason = f'{source} is emptied'
        return explanation.Explanation(
            f'{reason}; {self._name(move.destination)} is the most loaded '
            'host with room'
            + _consolidation.although_locked(self.state, move.server),
            choice.code,
            [self._cpu(move.source), self._cpu(move.destination)],
            choice.passed_over)

    def _cpu(self, host):
        return explanation.Measure(
            'cpu_in_use', self.before[host, CPU], self.after[host, CPU],
            'cores', self._name(host), self.packer.limit[host, CPU])

    def _not_needed(self, made, enabled):
        """Return the empty hosts to be disabled, in the model's order."""
        hosts = self.state.hosts
        empty = [host for host in self.packer.hosts.tolist()
                 if hosts[host].enabled and not self.state.count_on(host)]
        left = self.packer.overloaded()
        if left and empty:
            made.remarks.append(
                f'{_consolidation.listed(list(map(self._name, left)))} '
                'cannot be relieved; as many empty hosts stay enabled')
            empty = empty[len(left):]
        others = len(enabled) + sum(
            host.up and host.enabled for host in hosts) - len(empty)
        if empty and not others:
            made.remarks.append(
                f'{self._name(empty[0])} stays enabled, so that one host is')
            empty = empty[1:]
        return empty

    # The solution as a whole ----------------------------------------------

    def _summary(self, made, enabled, disabled):
        in_use = simulation.hosts_in_use(self.state)
        measures = [
            explanation.Measure('hosts_in_use', self.in_use, in_use),
            explanation.Measure('mean_cpu_in_use', self._mean(self.before),
                                self._mean(self.after), '%')]
        staying = self._staying()
        if not made.steps:
            return explanation.Explanation(
                *self._why_nothing(staying), measures,
                _consolidation.named(self.state, staying))
        parts = [f"{explanation.counted(made.migrations, 'server')} to move",
                 f"{explanation.counted(len(disabled), 'host')} without "
                 'servers to disable']
        if enabled:
            parts.append(f'{len(enabled)} to enable')
        return explanation.Explanation(
            f"{', '.join(parts)}; hosts with servers: {self.in_use:.0f} -> "
            f'{in_use:.0f}', CONSOLIDATED, measures,
            _consolidation.named(self.state, staying))

    def _mean(self, used):
        """Return the mean CPU use of the enabled hosts in percent."""
        hosts = [host for host in self.packer.hosts.tolist()
                 if self.state.hosts[host].enabled
                 and self.packer.limit[host, CPU] > 0]
        if not hosts:
            return None
        return float(numpy.mean(
            100 * used[hosts, CPU] / self.packer.limit[hosts, CPU]))

    def _kept(self):
        """Return the hosts with servers that must not move, and why."""
        kept = {}
        for server, reason in self.packer.movable.kept.items():
            kept.setdefault(int(self.state.host_of[server]), reason)
        return kept

    def _staying(self):
        """Return the hosts that keep servers, and why."""
        kept = self._kept()
        found = {}
        for host in self.packer.hosts.tolist():
            if not self.state.count_on(host):
                continue
            if host in self.receiving:
                found[host] = 'it takes servers of other hosts'
            elif host in kept:
                found[host] = f'a server has to stay: {kept[host]}'
            elif host in self.packer.unplaced:
                found[host] = ('more loaded hosts do not take all of its '
                               'servers')
            else:
                found[host] = 'no server leaves it'
        return found

    def _why_nothing(self, staying):
        if not len(self.packer.hosts):
            return 'No compute service is up', 'no-hosts'
        if not staying:
            return 'There are no servers and no hosts to disable', 'idle'
        # The least loaded host is the one that should have been emptied.
        first = next(host for host in self.packer.order if host in staying)
        text = f'No host can be emptied. {self._name(first)}, the least ' \
               'loaded one: '
        if first not in self.packer.unplaced or first in self._kept():
            return text + staying[first], 'kept'
        return text + self._why_nowhere(first), 'no-room'

    def _why_nowhere(self, source):
        server = self.packer.unplaced[source]
        label = self.state.servers[server].label
        places = range(self.packer.place[source] + 1,
                       len(self.packer.order))
        if not places:
            return f'there is no other host for {label}'
        counts = collections.Counter(
            self.packer.why_not(server, place) for place in places)
        reasons = ', '.join(f"{reason} ({explanation.counted(count, 'host')})"
                            for reason, count in counts.most_common(3))
        return f'no more loaded host takes {label}: {reasons}'


class VMWorkloadConsolidation(_consolidation.Consolidation):
    """Packs servers by what they really use, and frees hosts.

    Overloaded hosts are relieved, then servers move from the least to the
    most loaded hosts, and hosts without servers are disabled. A server or
    host without metrics is never taken for an idle one. Hosts that somebody
    else has disabled are neither used nor enabled.
    """

    MODELS = ('compute',)

    DATASOURCE_METRICS = [
        'instance_cpu_usage', 'instance_ram_usage',
        'instance_ram_allocated', 'instance_root_disk_size',
        *HOST_METRICS]

    AGGREGATE = 'mean'

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._situation = None

    @classmethod
    def get_name(cls):
        return 'vm_workload_consolidation'

    @classmethod
    def get_display_name(cls):
        return _('VM Workload Consolidation Strategy')

    @classmethod
    def get_translatable_display_name(cls):
        return 'VM Workload Consolidation Strategy'

    @classmethod
    def get_schema(cls):
        return {
            'properties': {
                'period': {
                    'description': 'Seconds over which metrics are '
                                   'averaged.',
                    'type': 'number',
                    'default': 3600,
                },
                'granularity': {
                    'description': 'Seconds between two samples of a '
                                   'metric.',
                    'type': 'number',
                    'default': 300,
                },
            },
        }

    @classmethod
    def get_config_opts(cls):
        return super().get_config_opts() + [
            cfg.BoolOpt(
                'drain_partly',
                default=True,
                help='Also move servers off hosts that cannot become empty, '
                     'which loads the hosts that are loaded already. '
                     'Otherwise only what empties a host moves, beside what '
                     'relieves an overloaded one.'),
            cfg.BoolOpt(
                'overcommit_measured',
                default=False,
                help='Let the measured use of a host fill it up to what the '
                     'allocation ratio promises. Otherwise it may not exceed '
                     'the cores and the memory that the host really has.'),
        ]

    def count_candidates(self, state, found: outcome.Outcome) -> int:
        return sum(host.up for host in state.hosts)

    def do_execute(self, audit=None):
        self._situation = self.gather()
        self.emit(self._situation.state, decide(self._situation))

    def plan_measures(self):
        """CPU use beyond the limit; hosts in use if there is none such."""
        situation = self._situation

        def overload(state):
            return _overload(situation, state)

        measures = {'overload': overload}
        if not overload(situation.state):
            measures['hosts_in_use'] = simulation.hosts_in_use
        return measures

    def gather(self) -> Situation:
        """Read the model and the metrics; each is one question."""
        state = self.found_state()
        options = self.shared_options
        nodes = [state.node(host) for host in range(len(state.hosts))]
        used, measured, reported = self._read(state, nodes)
        return Situation(
            state, self.rules_for(state), self.eligibility_for(state),
            used, measured, reported,
            cores=_column(node.vcpus - node.vcpu_reserved
                          for node in nodes),
            memory=_column(node.memory - node.memory_mb_reserved
                           for node in nodes),
            overcommit=getattr(self.config, 'overcommit_measured', False),
            partly=getattr(self.config, 'drain_partly', True),
            options=options)

    def _read(self, state, nodes):
        read = self.loads_for(state)
        how = {'period': int(self.input_parameters.period),
               'aggregate': self.AGGREGATE,
               'granularity': int(self.input_parameters.granularity)}
        hosts = [n for n, host in enumerate(state.hosts) if host.up]
        servers = [server for host in hosts
                   for server in state.servers_on(host)]
        cpu = read.of_servers('instance_cpu_usage', servers=servers, **how)
        ram = read.of_servers('instance_ram_usage', servers=servers, **how)
        lacking = [server for server in servers if numpy.isnan(ram[server])]
        allocated = read.of_servers('instance_ram_allocated',
                                    servers=lacking, **how)
        disk = read.of_servers('instance_root_disk_size', servers=servers,
                               **how)
        demand = state.demand
        used = numpy.column_stack((
            _or_else(demand[:, CPU] * cpu / 100, demand[:, CPU]),
            _or_else(_or_else(ram, allocated), demand[:, RAM]),
            _or_else(disk, demand[:, cluster.DISK])))
        busy, memory = (read.of_hosts(metric, hosts=hosts, **how)
                        for metric in HOST_METRICS)
        reported = numpy.column_stack((
            busy / 100 * _column(node.vcpus for node in nodes),
            memory / 1024))
        for remark in read.remarks():
            self.solution.add_remark(remark)
        return used, ~numpy.isnan(cpu), reported


def _overload(situation, state):
    """Return how many cores are in use beyond the limits of the hosts."""
    used = situation.used[:, CPU]
    now, found = (_by_host(given, used) for given in (state,
                                                      situation.state))
    sure = _by_host(state, numpy.where(situation.measured, used, 0.0))
    reported = situation.reported[:, CPU] + now - found
    sure = numpy.fmax(sure, reported) - _packing.limits(situation)[:, CPU]
    promised = now - situation.state.capacity[:, CPU]
    excess = numpy.maximum(sure, promised)
    return float(excess[excess > _utilisation.ROUNDING].sum())


def _by_host(state, values):
    placed = state.host_of != cluster.NOWHERE
    return numpy.bincount(state.host_of[placed], values[placed],
                          minlength=len(state.hosts))


def _column(values):
    return numpy.fromiter(values, dtype=numpy.float64)


def _or_else(values, others):
    return numpy.where(numpy.isnan(values), others, values)
