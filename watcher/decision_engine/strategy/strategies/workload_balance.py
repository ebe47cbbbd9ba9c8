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
"""Relieves the host with the highest load of one suitable server.

The load of a host is the sum of the loads of its servers. As soon as one
reaches the threshold, the server whose load comes closest to what the host
has more than the average goes to the host with the least load.

Goal: ``workload_balancing``. Planner: ``workload_stabilization``.

==================== ========================================================
Parameter            Meaning
==================== ========================================================
``metrics``          what is balanced: ``instance_cpu_usage`` or
                     ``instance_ram_usage``; ``allocated_vcpus``,
                     ``allocated_memory`` or ``server_count``, which need no
                     data source and also spread what is idle
``threshold``        percentage from which on a host has too much load
``period``           seconds over which the metric is averaged
``granularity``      seconds between its samples
``target_threshold`` percentage that no destination may reach, and down to
                     which hosts are relieved; ``threshold`` if left out
``dead_band``        percentage of the threshold by which the target is below
                     it, if ``target_threshold`` is left out
``max_migrations``   how many servers a plan moves; 1 if left out
``average``          ``absolute``: hosts should have the same load;
                     ``relative``: the same share of their sizes
==================== ========================================================

Specification: "Workload balance migration strategy" (Mitaka).
"""

import functools

import numpy

from watcher._i18n import _
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import eligibility
from watcher.decision_engine.strategy.common import outcome
from watcher.decision_engine.strategy.common import stability
from watcher.decision_engine.strategy.strategies import _load_balance
from watcher.decision_engine.strategy.strategies import balancing
from watcher.decision_engine.strategy.strategies import base

ABSOLUTE, RELATIVE = 'absolute', 'relative'

Situation = _load_balance.Situation
Decision = _load_balance.Decision
decide = _load_balance.decide


def overload(load: numpy.ndarray, size: numpy.ndarray, threshold: float,
             state: cluster.ClusterState) -> float:
    """Return by how many percents in all hosts exceed the threshold."""
    placed = (state.host_of != cluster.NOWHERE) & ~numpy.isnan(load)
    sums = numpy.bincount(state.host_of[placed], load[placed],
                          minlength=len(state.hosts))
    known = size > 0
    share = 100 * sums[known] / size[known]
    return float(numpy.maximum(share - threshold, 0).sum())


class WorkloadBalance(base.WorkloadStabilizationBaseStrategy):
    """Moves a server from the host with the highest load to the lowest.

    *Description*

    It begins when a host uses more of its CPU or memory than a threshold,
    and chooses the server with which the host comes closest to the average.
    The destination has room for it and stays below the threshold.

    *Requirements*

    The metric ``instance_cpu_usage`` or ``instance_ram_usage``. None to
    balance what servers were given, or their number.
    """

    MODELS = ('compute',)

    DATASOURCE_METRICS = [balancing.CPU, balancing.RAM]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._measures = {}

    @classmethod
    def get_name(cls):
        return 'workload_balance'

    @classmethod
    def get_display_name(cls):
        return _('Workload Balance Migration Strategy')

    @classmethod
    def get_translatable_display_name(cls):
        return 'Workload Balance Migration Strategy'

    @classmethod
    def get_schema(cls):
        return {
            'properties': {
                'metrics': {
                    'description': 'What is balanced: instance_cpu_usage or '
                                   'instance_ram_usage; without a data '
                                   'source allocated_vcpus, '
                                   'allocated_memory or server_count.',
                    'type': 'string',
                    'enum': list(balancing.METRICS),
                    'default': balancing.CPU,
                },
                'threshold': {
                    'description': 'Percentage from which on a host has too '
                                   'much load.',
                    'type': 'number',
                    'minimum': 0,
                    'default': 25.0,
                },
                'period': {
                    'description': 'Seconds over which the metric is '
                                   'averaged.',
                    'type': 'number',
                    'minimum': 0,
                    'default': 300,
                },
                'granularity': {
                    'description': 'Seconds between two samples of the '
                                   'metric, where the data source has '
                                   'several archives.',
                    'type': 'number',
                    'minimum': 0,
                    'default': 300,
                },
                'target_threshold': {
                    'description': 'Percentage that no destination may '
                                   'reach, and down to which hosts are '
                                   'relieved. The threshold if left out.',
                    'type': 'number',
                    'minimum': 0,
                },
                'dead_band': balancing.DEAD_BAND_SCHEMA,
                'max_migrations': {
                    'description': 'How many servers a plan moves; 1 if '
                                   'left out.',
                    'type': 'integer',
                    'minimum': 1,
                },
                'average': {
                    'description': 'absolute (if left out): hosts should '
                                   'have the same load. relative: the same '
                                   'share of their sizes, for hosts that '
                                   'differ.',
                    'type': 'string',
                    'enum': [ABSOLUTE, RELATIVE],
                },
            },
        }

    def pre_execute(self):
        self._pre_execute()

    def do_execute(self, audit=None):
        situation = self.gather()
        self.emit(situation.state, decide(situation))

    def post_execute(self):
        self.solution.set_efficacy_indicators(
            instance_migrations_count=len(self.solution.actions),
            instances_count=len(self.found_state().servers))

    def measure_efficacy(self, found: outcome.Outcome):
        return {**super().measure_efficacy(found),
                'instances_count': len(self.found_state().servers)}

    def plan_measures(self):
        return self._measures

    def gather(self) -> Situation:
        """Read the loads of all servers: one batch, or none."""
        parameters = self.input_parameters
        state, metric = self.found_state(), parameters.metrics
        size = balancing.sizes(state, metric)
        load = (self._measured(state) if metric in balancing.MEASURED
                else balancing.given(state, metric))
        threshold = parameters.threshold
        self._measures = {'overload': functools.partial(
            overload, load, size, threshold)}
        gain = stability.Gain(balancing.options_of(
            self.shared_options, parameters))
        target = parameters.get('target_threshold')
        asked = self.eligibility_for(state)
        return Situation(
            state, self.rules_for(state),
            functools.partial(asked.why_not_move, kind=eligibility.LIVE),
            gain, metric, load, threshold,
            min(threshold, gain.target(threshold) if target is None
                else target),
            parameters.get('max_migrations') or 1,
            parameters.get('average') == RELATIVE)

    def _measured(self, state):
        given = self.input_parameters
        read = self.loads_for(state)
        hosts = balancing.open_hosts(state)
        found = read.of_servers(
            given.metrics, int(given.period), 'mean', int(given.granularity),
            servers=balancing.may_have_load(state, hosts))
        for remark in read.remarks():
            self.solution.add_remark(remark)
        return balancing.loads_of(state, given.metrics, found)

    def emit(self, state: cluster.ClusterState, decision: Decision) -> None:
        """Turn the decision into actions."""
        for relief in decision.reliefs:
            self.add_action_migrate(
                state.instance(relief.move.server), eligibility.LIVE,
                state.node(relief.move.source),
                state.node(relief.move.destination), reason=relief.why)
        self.solution.explain(
            decision.why.reason, decision.why.code,
            decision.why.measures, decision.why.ruled_out)
