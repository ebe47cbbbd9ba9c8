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
"""Makes the loads of hosts more even.

The measure is the standard deviation of the loads of all hosts. When it
exceeds a threshold, servers are moved, those first that bring most.

Goal: ``workload_balancing``. Planner: ``workload_stabilization``.

====================== ======================================================
Parameter              Meaning
====================== ======================================================
``metrics``            what is looked at: ``instance_cpu_usage``,
                       ``instance_ram_usage``, and without a data source
                       ``allocated_vcpus``, ``allocated_memory``,
                       ``server_count``
``thresholds``         deviation of each from which on something is done
``weights``            of each in the sum of their deviations
``instance_metrics``   metric of hosts for each metric of servers
``host_choice``        hosts on which each server is tried: ``cycle`` one
                       after the other, ``retry`` some by lot,
                       ``fullsearch`` all
``retry_count``        how many with ``retry``
``periods``            seconds over which metrics are aggregated
``aggregation_method`` how they are aggregated
``granularity``        seconds between their samples
``target_thresholds``  deviation of each at which to stop; ``thresholds`` if
                       left out
``rounds``             how often servers are tried, while a metric exceeds
                       its threshold; 1 if left out. With more and
                       ``fullsearch`` each goes where it is best at its turn
``dead_band``          percentage of the threshold by which the target is
                       below it, if it has none in ``target_thresholds``
====================== ======================================================

Specification: "Watcher Overload standard deviation algorithm" (Newton).
"""

import functools

import numpy

from watcher._i18n import _
from watcher.decision_engine.datasources import metrics as units
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import eligibility
from watcher.decision_engine.strategy.common import outcome
from watcher.decision_engine.strategy.common import plan_check
from watcher.decision_engine.strategy.common import stability
from watcher.decision_engine.strategy.strategies import balancing
from watcher.decision_engine.strategy.strategies import base
from watcher.decision_engine.strategy.strategies import deviation
from watcher.decision_engine.strategy.strategies import stabilization

CPU, RAM = balancing.CPU, balancing.RAM
HOST_CPU, HOST_RAM = 'host_cpu_usage', 'host_ram_usage'

HOST_METRICS = {CPU: HOST_CPU, RAM: HOST_RAM}
PERIODS = {'instance': 720, 'compute_node': 600}
THRESHOLD, WEIGHT = 0.1, 1.0

#: What the values of host metrics are divided by: they become shares of the
#: CPU, and MB.
SCALES = {HOST_CPU: 100, HOST_RAM: 1024}

_SHARE = {'type': 'number', 'minimum': 0, 'maximum': 1}
_SHARES = dict.fromkeys(balancing.METRICS, _SHARE)
_AGGREGATES = ['', *units.AGGREGATES]


def allocated_share(state: cluster.ClusterState,
                    metric: str) -> numpy.ndarray:
    """Return which share of each host its servers were given."""
    placed = state.host_of != cluster.NOWHERE
    given = numpy.bincount(state.host_of[placed],
                           balancing.given(state, metric)[placed],
                           minlength=len(state.hosts))
    size = balancing.sizes(state, metric)
    return numpy.divide(given, size, out=numpy.zeros(len(size)),
                        where=size > 0)


def moved_load(state: cluster.ClusterState, loads: numpy.ndarray,
               effects: stabilization.Effects) -> numpy.ndarray:
    """Return the loads of hosts after the moves of a state."""
    after = loads.copy()
    for server in numpy.flatnonzero(
            state.host_of != state.initial_host_of).tolist():
        for host, sign in ((int(state.initial_host_of[server]), -1),
                           (int(state.host_of[server]), 1)):
            if host != cluster.NOWHERE:
                after[:, host] += sign * effects.on(server, host)
    return after


def weighted_deviation(loads: numpy.ndarray, weights: list[float],
                       effects: stabilization.Effects,
                       state: cluster.ClusterState) -> float:
    """Return the deviation of the loads of hosts after the moves of a state.
    """
    known = ~numpy.isnan(loads).any(axis=0)
    after = moved_load(state, loads, effects)
    after[:, ~known] = numpy.nan
    return deviation.LoadTable(after, weights).weighted()


class WorkloadStabilization(base.WorkloadStabilizationBaseStrategy):
    """Makes the loads of hosts more even by live migration.

    *Description*

    It begins when the standard deviation of the loads of all hosts exceeds a
    threshold. Every server is tried on other hosts, and those are moved that
    make the deviation least, until no metric exceeds its threshold.

    *Requirements*

    The metrics ``host_cpu_usage``, ``instance_cpu_usage``,
    ``instance_ram_usage`` and ``host_ram_usage``. None to balance what
    servers were given, or their number.
    """

    MODELS = ('compute',)

    DATASOURCE_METRICS = [HOST_CPU, CPU, RAM, HOST_RAM]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._measures = {}
        self._indicators = {}

    @classmethod
    def get_name(cls):
        return 'workload_stabilization'

    @classmethod
    def get_display_name(cls):
        return _('Workload stabilization')

    @classmethod
    def get_translatable_display_name(cls):
        return 'Workload stabilization'

    @classmethod
    def get_schema(cls):
        return {'properties': {**cls._what_schema(), **cls._how_schema()}}

    @classmethod
    def _what_schema(cls):
        return {
            'metrics': {
                'description': 'Metrics of servers that are looked at. '
                               'allocated_vcpus, allocated_memory and '
                               'server_count need no data source.',
                'type': 'array',
                'items': {'type': 'string',
                          'enum': list(balancing.METRICS)},
                'default': [CPU],
            },
            'thresholds': {
                'description': 'Standard deviation of each metric, as a '
                               'share of the hosts, from which on something '
                               'is done.',
                'type': 'object',
                'properties': _SHARES,
                'default': {CPU: THRESHOLD, RAM: THRESHOLD},
            },
            'weights': {
                'description': 'Weights of the metrics in the sum of their '
                               'deviations.',
                'type': 'object',
                'properties': {f'{name}_weight': _SHARE
                               for name in balancing.METRICS},
                'default': {f'{CPU}_weight': WEIGHT,
                            f'{RAM}_weight': WEIGHT},
            },
            'instance_metrics': {
                'description': 'Which metric of hosts stands for the load '
                               'that servers make with a metric of theirs.',
                'type': 'object',
                'additionalProperties': {'type': 'string'},
                'default': dict(HOST_METRICS),
            },
            'target_thresholds': {
                'description': 'Standard deviation of each metric at which '
                               'to stop. Its threshold if left out.',
                'type': 'object',
                'properties': _SHARES,
            },
            'dead_band': balancing.DEAD_BAND_SCHEMA,
        }

    @classmethod
    def _how_schema(cls):
        return {
            'host_choice': {
                'description': 'On which hosts each server is tried: cycle '
                               '(one, in turn), retry (retry_count drawn by '
                               'lot), fullsearch (all).',
                'type': 'string',
                'enum': [stabilization.CYCLE, stabilization.RETRY,
                         stabilization.FULL_SEARCH],
                'default': stabilization.RETRY,
            },
            'retry_count': {
                'description': 'How many hosts are drawn for each server '
                               'with retry.',
                'type': 'number',
                'minimum': 1,
                'default': 1,
            },
            'rounds': {
                'description': 'How often servers are tried, each time with '
                               'what the plan does so far, while a metric '
                               'exceeds its threshold; 1 if left out. With '
                               'more and fullsearch each goes where it is '
                               'best at its turn.',
                'type': 'integer',
                'minimum': 1,
            },
            'periods': {
                'description': 'Seconds over which metrics of servers and '
                               'of hosts are aggregated. node is the old '
                               'name of compute_node.',
                'type': 'object',
                'properties': {
                    'instance': {'type': 'integer', 'minimum': 0},
                    'compute_node': {'type': 'integer', 'minimum': 0},
                    'node': {'type': 'integer', 'minimum': 0, 'default': 0},
                },
                'default': {**PERIODS, 'node': 0},
            },
            'aggregation_method': {
                'description': 'How metrics of servers and of hosts are '
                               'aggregated. node is the old name of '
                               'compute_node.',
                'type': 'object',
                'properties': {
                    'instance': {'type': 'string', 'enum': _AGGREGATES,
                                 'default': 'mean'},
                    'compute_node': {'type': 'string', 'enum': _AGGREGATES,
                                     'default': 'mean'},
                    'node': {'type': 'string', 'enum': _AGGREGATES,
                             'default': ''},
                },
                'default': {'instance': 'mean', 'compute_node': 'mean',
                            'node': ''},
            },
            'granularity': {
                'description': 'Seconds between two samples of the metrics, '
                               'where the data source has several archives.',
                'type': 'number',
                'minimum': 0,
                'default': 300,
            },
        }

    def pre_execute(self):
        self._pre_execute()

    def do_execute(self, audit=None):
        situation = self.gather()
        self.emit(situation.state, stabilization.decide(situation))

    def post_execute(self):
        self.solution.set_efficacy_indicators(**self._indicators)

    def measure_efficacy(self, found: outcome.Outcome):
        state = self.gather().state
        return {**super().measure_efficacy(found),
                'instances_count': len(state.servers),
                'standard_deviation_after_audit':
                    self._measures[plan_check.DEVIATION](state)}

    def settling_time(self) -> float:
        return self._how('compute_node')[0]

    def plan_measures(self):
        return self._measures

    # Gathering ------------------------------------------------------------

    def gather(self) -> stabilization.Situation:
        """Read the loads: a batch for each metric of hosts, of servers.

        Those of servers only if the loads of hosts are not even enough.
        """
        given = self.input_parameters
        state = self.found_state()
        options = balancing.options_of(self.shared_options, given)
        gain = stability.Gain(options)
        metrics = list(dict.fromkeys(given.metrics))
        thresholds = [given.thresholds.get(name, THRESHOLD)
                      for name in metrics]
        wanted = given.get('target_thresholds') or {}
        weights = [given.weights.get(f'{name}_weight', WEIGHT)
                   for name in metrics]
        read = None
        if not set(metrics).isdisjoint(balancing.MEASURED):
            read = self.loads_for(state)
        found = self._host_loads(read, state, metrics)
        table = deviation.LoadTable(found, weights)
        servers, refused = [], {}
        demand = numpy.full((len(metrics), len(state.servers)), numpy.nan)
        if stabilization.exceeded(table, thresholds) is not None:
            servers, refused = self._movable(state, table.members)
            demand = self._demand(read, state, metrics, servers)
        for remark in read.remarks() if read else ():
            self.solution.add_remark(remark)
        self._measures = {plan_check.DEVIATION: functools.partial(
            weighted_deviation, found, weights,
            stabilization.Effects(state, metrics, demand))}
        return stabilization.Situation(
            state, self.rules_for(state), gain, metrics, found, servers,
            demand, thresholds,
            [min(limit, wanted.get(name, gain.target(limit)))
             for name, limit in zip(metrics, thresholds, strict=True)],
            weights, given.host_choice, int(given.retry_count),
            given.get('rounds') or 1, refused)

    def _host_loads(self, read, state, metrics):
        hosts = balancing.open_hosts(state)
        for metric in metrics:
            hosts &= balancing.sizes(state, metric) > 0
        asked = numpy.flatnonzero(hosts).tolist()
        mapping = self.input_parameters.get('instance_metrics') or {}
        found = numpy.full((len(metrics), len(state.hosts)), numpy.nan)
        for row, metric in enumerate(metrics):
            if metric not in balancing.MEASURED:
                found[row, hosts] = allocated_share(state, metric)[hosts]
                continue
            name = mapping.get(metric, HOST_METRICS[metric])
            found[row] = read.of_hosts(
                name, *self._how('compute_node'),
                hosts=asked) / SCALES.get(name, 1)
            if metric == RAM:
                found[row, hosts] /= balancing.sizes(state, metric)[hosts]
        return found

    def _movable(self, state, members):
        """Return the servers that can be moved, and why others cannot."""
        asked = self.eligibility_for(state)
        servers, refused = [], {}
        for server, host in enumerate(state.host_of.tolist()):
            if host == cluster.NOWHERE or not members[host]:
                continue
            problem = asked.why_not_move(server, eligibility.LIVE)
            if problem is None:
                servers.append(server)
            elif len(refused) < stabilization.MAX_REFUSED:
                refused[state.servers[server].label] = problem
        return servers, refused

    def _demand(self, read, state, metrics, servers):
        found = numpy.full((len(metrics), len(state.servers)), numpy.nan)
        for row, metric in enumerate(metrics):
            if metric not in balancing.MEASURED:
                found[row] = balancing.given(state, metric)
                continue
            found[row] = balancing.loads_of(state, metric, read.of_servers(
                metric, *self._how('instance'), servers=servers))
        return found

    def _how(self, kind):
        """Return period, aggregate and granularity for servers or hosts."""
        given = self.input_parameters
        periods = given.get('periods') or {}
        ways = given.get('aggregation_method') or {}
        period = periods.get(kind, PERIODS[kind])
        way = ways.get(kind)
        if kind == 'compute_node':
            # The old name wins if it says anything.
            period = periods.get('node') or period
            way = ways.get('node') or way
        return int(period), way or 'mean', int(given.granularity)

    def emit(self, state: cluster.ClusterState,
             decision: stabilization.Decision) -> None:
        """Turn the decision into actions and indicators."""
        for relief in decision.reliefs:
            self.add_action_migrate(
                state.instance(relief.move.server), eligibility.LIVE,
                state.node(relief.move.source),
                state.node(relief.move.destination), reason=relief.why)
        self.solution.explain(
            decision.why.reason, decision.why.code,
            decision.why.measures, decision.why.ruled_out)
        self._indicators = {
            'instance_migrations_count': len(decision.reliefs),
            'standard_deviation_before_audit': decision.before,
            'standard_deviation_after_audit': decision.after,
            'instances_count': len(state.servers)}
