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
"""Measured loads as arrays beside a state of the cluster.

::

    loads = self.loads_for(state)
    cpu = loads.of_hosts('host_cpu_usage', period=300)
    ...decide with arrays...
    for remark in loads.remarks():
        self.solution.add_remark(remark)

Each metric is one batch, whatever the number of hosts or servers. NaN stands
for hosts and servers without a value or with an outdated one: nothing is known
about them, which is not the same as no load. Hosts whose metrics still tell
of the time before the last moves are treated alike if that is configured, see
:mod:`.settling`.
"""

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

import numpy

from watcher.decision_engine.datasources import batch
from watcher.decision_engine.datasources import metrics
from watcher.decision_engine.solution import explanation
from watcher.decision_engine.strategy.common import cluster

#: How many hosts or servers a remark names before it only counts.
MAX_NAMED = 5


def highest_first(chosen: numpy.ndarray,
                  values: numpy.ndarray) -> list[int]:
    """Return the chosen numbers by falling value.

    :param chosen: for each host or server whether it counts; those without
        a value must not.
    :returns: equal ones stay in the order of the model.
    """
    numbers = numpy.flatnonzero(chosen)
    return numbers[numpy.argsort(-values[numbers], kind='stable')].tolist()


def _nobody(_period: float) -> Collection[int]:
    return ()


class Loads:
    """Reads metrics of the hosts and servers of a state.

    :param backend: data source that offers the metrics.
    :param state: its numbering is that of the arrays.
    :param unsettled: returns of which hosts nothing is asked for a period.
    """

    def __init__(self, backend: Any, state: cluster.ClusterState,
                 unsettled: Callable[[float], Collection[int]] = _nobody):
        self._backend = backend
        self._state = state
        self._unsettled = unsettled
        self._settling: dict[int, None] = {}
        self._remarks: list[str] = []

    def of_hosts(self, metric: str, period: int = metrics.DEFAULT_PERIOD,
                 aggregate: str = metrics.DEFAULT_AGGREGATE,
                 granularity: int | None = metrics.DEFAULT_GRANULARITY,
                 hosts: Sequence[int] | None = None) -> numpy.ndarray:
        """Return a metric of the hosts as float64, NaN where unknown.

        :param hosts: numbers of the only hosts to ask about; the others are
            NaN as well, and so are those that have not settled.
        :raises: DataSourceQueryFailed, MetricCoverageTooLow,
            MetricNotAvailable
        """
        return self._read(
            metric, metrics.COMPUTE_NODE, self._state.node,
            [host.hostname for host in self._state.hosts],
            self._settled(hosts, period), (period, aggregate, granularity))

    def _settled(self, hosts, period):
        unsettled = self._unsettled(period)
        if not unsettled:
            return hosts
        if hosts is None:
            hosts = range(len(self._state.hosts))
        self._settling.update(dict.fromkeys(
            host for host in hosts if host in unsettled))
        return [host for host in hosts if host not in unsettled]

    def of_servers(self, metric: str, period: int = metrics.DEFAULT_PERIOD,
                   aggregate: str = metrics.DEFAULT_AGGREGATE,
                   granularity: int | None = metrics.DEFAULT_GRANULARITY,
                   servers: Sequence[int] | None = None) -> numpy.ndarray:
        """Return a metric of the servers; see :meth:`of_hosts`."""
        return self._read(
            metric, metrics.INSTANCE, self._state.instance,
            self._state.servers, servers, (period, aggregate, granularity))

    def _read(self, metric, resource_type, element, labels, wanted, how):
        values = numpy.full(len(labels), numpy.nan)
        if wanted is None:
            wanted = range(len(labels))
        elements = [element(number) for number in wanted]
        if not elements:
            return values
        period, aggregate, granularity = how
        answer = self._backend.statistic_aggregation_batch(
            elements, resource_type, metric, period=period,
            aggregate=aggregate, granularity=granularity)
        values[list(wanted)] = answer.array(
            [found.uuid for found in elements])
        self._note(answer, {found.uuid: labels[number] for number, found
                            in zip(wanted, elements, strict=True)})
        return values

    def _note(self, answer: batch.MetricBatch, labels: dict) -> None:
        unknown = [*answer.missing, *answer.stale]
        if not unknown:
            return
        self._remarks.append(
            f'{answer.metric} is known of {len(answer) - len(unknown)} of '
            f'{len(answer)}, {len(answer.stale)} values are outdated; '
            'nothing is assumed about ' + _some(
                getattr(labels[uuid], 'label', labels[uuid])
                for uuid in unknown))

    def remarks(self) -> list[str]:
        """Say in words what could not be read; empty if all was."""
        if not self._settling:
            return list(self._remarks)
        names = _some(self._state.hosts[host].hostname
                      for host in sorted(self._settling))
        return [*self._remarks,
                'action plans have changed what runs on '
                f"{explanation.counted(len(self._settling), 'host')} too "
                f'lately for metrics to tell; nothing is assumed about '
                f'{names}']


def _some(names: Iterable[str]) -> str:
    """Name the first ones."""
    found = list(names)
    more = ', ...' if len(found) > MAX_NAMED else ''
    return ', '.join(found[:MAX_NAMED]) + more
