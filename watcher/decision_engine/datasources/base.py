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
"""What every data source offers to strategies.

There are two ways to ask. :meth:`DataSourceBase.statistic_aggregation` gives
one value of one resource; third-party sources and strategies know it. Our own
strategies ask :meth:`DataSourceBase.statistic_aggregation_batch`, which gives
one metric of all hosts or all instances in as few requests as the source
allows, and says of each whether it has a value, none, or an outdated one.
"""

import datetime
import threading
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from oslo_log import log

from watcher import conf
from watcher._i18n import _
from watcher.common import exception
from watcher.decision_engine.datasources import batch
from watcher.decision_engine.datasources import cache
from watcher.decision_engine.datasources import metrics
from watcher.decision_engine.datasources import parallel
from watcher.decision_engine.datasources import retries

CONF = conf.CONF
LOG = log.getLogger(__name__)

AVAILABLE = 'available'
NOT_AVAILABLE = 'not available'

MetricBatch = batch.MetricBatch
Reading = batch.Reading
State = batch.State

#: How many resources of a series are fetched before the first is handed out.
SERIES_CHUNK = 100

#: Guards what an object makes on demand: third-party sources need not call
#: our constructor.
_ON_DEMAND = threading.Lock()


class DataSourceBase:
    """Base class of data sources.

    A source implements :meth:`_statistic_aggregation`. If it can answer for
    many resources at once it also implements
    :meth:`_statistic_aggregation_batch`; without that the single values are
    fetched in parallel. An object serves one audit.
    """

    NAME = ''
    """Name in ``[watcher_datasources] datasources``."""

    METRIC_MAP: dict[str, Any] = {}
    """Internal metric name -> name in the source, None if it has none."""

    ASKS_WHEN_MADE = False
    """Whether the constructor fails if the source cannot be reached."""

    passed_over: Mapping[str, str] = {}
    """Data sources preferred to this one, and why they were not used."""

    AGGREGATES = list(metrics.AGGREGATES)
    RESOURCE_TYPES = list(metrics.RESOURCE_TYPES)

    _metric_cache: cache.MetricDataCache | None = None
    _retries: retries.Retries | None = None
    _summaries: list[dict] | None = None

    def __init__(self):
        # Each object has its own map: an override of one audit's source
        # must not reach others.
        self.METRIC_MAP = dict(self.METRIC_MAP)

    # What a source implements ---------------------------------------------

    def _statistic_aggregation(self, resource=None,
                               resource_type: str | None = None,
                               meter_name: str | None = None,
                               period: int = 300, aggregate: str = 'mean',
                               granularity: int | None = 300
                               ) -> float | None:
        """Return one value of one resource in the unit of the metric.

        None means that there is no value: no such resource, no samples in
        the period. A source that does not answer raises.

        :raises: DataSourceQueryFailed, MetricNotAvailable, InvalidParameter
        """
        raise NotImplementedError

    def _statistic_aggregation_batch(
            self, resources: Sequence[Any], resource_type: str,
            meter_name: str, period: int, aggregate: str,
            granularity: int | None) -> Mapping[str, batch.Reading]:
        """Return what is known about many resources, by UUID.

        Resources that are left out have no value. Values must be those of
        :meth:`_statistic_aggregation`.

        :raises: DataSourceQueryFailed, MetricNotAvailable, InvalidParameter
        """
        def read(resource):
            return resource.uuid, self._single_reading(
                resource, resource_type, meter_name, period, aggregate,
                granularity)
        return dict(parallel.run(read, resources))

    def statistic_series(self, resource=None,
                         resource_type: str | None = None,
                         meter_name: str | None = None,
                         start_time: datetime.datetime | None = None,
                         end_time: datetime.datetime | None = None,
                         granularity: int | None = 300) -> dict:
        """Return the values of a metric over time, not aggregated.

        :param start_time: UTC, with or without zone.
        :param granularity: seconds between two values.
        :return: values by time (datetimes of UTC), the oldest first.
        """
        raise NotImplementedError

    def list_metrics(self) -> set[str]:
        """Return the names of the metrics the source knows.

        Empty if it cannot be asked.
        """
        return set()

    def check_availability(self) -> str:
        """Return ``available`` or ``not available``."""
        return NOT_AVAILABLE

    def offers(self, metric: str, known: Collection[str]) -> bool:
        """Tell whether a metric can be read.

        :param metric: internal name.
        :param known: what :meth:`list_metrics` said.
        """
        return self.name_of(metric) in known

    def name_of(self, metric: str) -> str:
        """Return the name of a metric in the source, for people."""
        name = self.METRIC_MAP.get(metric)
        return name if isinstance(name, str) else metric

    def is_permanent(self, error: Exception) -> bool:
        """Tell whether asking again cannot help after this error."""
        return False

    def query_retry_reset(self, exception_instance: Exception) -> None:
        """Called after each failed try, to clean up connections."""

    # One value ------------------------------------------------------------

    def statistic_aggregation(self, resource=None,
                              resource_type: str | None = None,
                              meter_name: str | None = None,
                              period: int = 300, aggregate: str = 'mean',
                              granularity: int | None = 300
                              ) -> float | None:
        """Return one value of one resource, from the cache if known.

        :param resource: element of a data model.
        :param resource_type: one of ``RESOURCE_TYPES``.
        :param meter_name: internal name, a key of ``METRIC_MAP``.
        :param period: seconds back from now.
        :param aggregate: one of ``AGGREGATES``.
        :param granularity: seconds between stored samples.
        :return: the value in the unit of the metric. None means no value;
            0.0 is a value.
        :raises: DataSourceQueryFailed, MetricNotAvailable, InvalidParameter
        """
        question = {'resource': resource, 'resource_type': resource_type,
                    'meter_name': meter_name, 'period': period,
                    'aggregate': aggregate, 'granularity': granularity}
        uuid = getattr(resource, 'uuid', None)
        if uuid is None:
            LOG.warning('%(metric)s of a resource without UUID is not kept '
                        'for later questions', {'metric': meter_name})
            return self._statistic_aggregation(**question)
        key = cache.MetricCacheKey.generate(uuid, meter_name, aggregate,
                                            period, granularity)
        known = self.metric_cache.find(key, resource_type)
        if known is not None:
            return known.value
        value = self._statistic_aggregation(**question)
        self.metric_cache.store(key, batch.Reading(value),
                                resource_type=resource_type)
        return value

    # Many values ----------------------------------------------------------

    def statistic_aggregation_batch(
            self, resources: Sequence[Any], resource_type: str,
            meter_name: str, period: int = 300, aggregate: str = 'mean',
            granularity: int | None = 300) -> batch.MetricBatch:
        """Return one value of each of many resources.

        As :meth:`statistic_aggregation` for each of them, with the same
        values, but in as few requests as the source allows.

        :param resources: elements of a data model, or anything with
            ``uuid`` and what the source needs (``hostname`` of hosts;
            ``vcpus``, ``memory`` and ``disk`` of instances).
        :raises: DataSourceQueryFailed if the source does not answer,
            MetricCoverageTooLow if the operator asked for more values than
            there are, MetricNotAvailable, InvalidParameter
        """
        by_uuid = {resource.uuid: resource for resource in resources}
        keys = {uuid: cache.MetricCacheKey.generate(
            uuid, meter_name, aggregate, period, granularity)
            for uuid in by_uuid}
        kept = self.metric_cache
        readings = {uuid: known for uuid, key in keys.items()
                    if (known := kept.find(key, resource_type))}
        unknown = [resource for uuid, resource in by_uuid.items()
                   if uuid not in readings]
        if unknown:
            found = self._statistic_aggregation_batch(
                unknown, resource_type, meter_name, period, aggregate,
                granularity)
            limit = CONF.watcher_datasources.stale_after
            for resource in unknown:
                uuid = resource.uuid
                readings[uuid] = _judged(found.get(uuid, batch.MISSING),
                                         limit)
                kept.store(keys[uuid], readings[uuid],
                           resource_type=resource_type)
        answer = batch.MetricBatch(
            meter_name, readings, requested=by_uuid, source=self.NAME,
            aggregate=aggregate, period=period)
        self._report(answer)
        return answer

    def _single_reading(self, resource, resource_type, meter_name, period,
                        aggregate, granularity) -> batch.Reading:
        """One value for a batch; what ails one resource spares the others.
        """
        try:
            return batch.Reading(self.statistic_aggregation(
                resource=resource, resource_type=resource_type,
                meter_name=meter_name, period=period, aggregate=aggregate,
                granularity=granularity))
        except (exception.DataSourceNotAvailable,
                exception.MetricNotAvailable,
                exception.NoDatasourceAvailable,
                exception.Invalid, NotImplementedError):
            # Nobody would fare better.
            raise
        except Exception as exc:
            problem = retries.shorten(exc) or type(exc).__name__
            LOG.warning('%(metric)s of %(type)s %(uuid)s cannot be read from '
                        '%(source)s and counts as missing: %(error)s', {
                            'metric': meter_name, 'type': resource_type,
                            'uuid': resource.uuid, 'source': self.NAME,
                            'error': problem})
            return batch.Reading(problem=problem)

    def _report(self, answer: batch.MetricBatch) -> None:
        with _ON_DEMAND:
            if self._summaries is None:
                self._summaries = []
            self._summaries.append(answer.summary())
        answer.measure()
        complete = answer.coverage == 1.0
        LOG.log(log.INFO if complete else log.WARNING, '%s', answer)
        limit = CONF.watcher_datasources.min_coverage
        if answer.coverage * 100 < limit:
            raise exception.MetricCoverageTooLow(facts=answer, limit=limit)

    @property
    def summaries(self) -> list[dict]:
        """Facts about every batch that was read, in order, fit for JSON."""
        with _ON_DEMAND:
            return list(self._summaries or ())

    @property
    def caveats(self) -> list[str]:
        """What is to be known about the metrics of an audit, in words.

        Empty if the preferred source had a fresh value of everything.
        """
        told = []
        if self.passed_over:
            told.append(_('Metrics were read from %(source)s, because '
                          '%(reasons)s.') % {
                              'source': self.NAME, 'reasons': '; '.join(
                                  f'{name}: {reason.rstrip(".")}'
                                  for name, reason
                                  in self.passed_over.items())})
        # Of a metric that was read several times the last counts.
        last = {facts['metric']: facts for facts in self.summaries}
        for facts in last.values():
            lacking = facts['requested'] - facts['values']
            if lacking:
                told.append(_(
                    '%(lacking)d of %(requested)d %(resources)s had no '
                    'usable %(metric)s (%(missing)d missing, %(stale)d '
                    'outdated).') % {
                        **facts, 'lacking': lacking,
                        'resources': metrics.plural_of(facts['metric'])})
        return told

    def statistic_series_batch(
            self, resources: Sequence[Any], resource_type: str,
            meter_name: str, start_time: datetime.datetime,
            end_time: datetime.datetime, granularity: int = 300
            ) -> Iterator[tuple[str, dict]]:
        """Yield UUID and series of each resource, in order.

        Only a part of the resources is held in memory at a time: a week of
        20,000 servers is 40 million values.
        """
        def read(resource):
            return resource.uuid, self.statistic_series(
                resource=resource, resource_type=resource_type,
                meter_name=meter_name, start_time=start_time,
                end_time=end_time, granularity=granularity)
        for part in parallel.parts(resources, SERIES_CHUNK):
            yield from parallel.run(read, part)

    # The cache ------------------------------------------------------------

    @property
    def metric_cache(self) -> cache.MetricDataCache:
        with _ON_DEMAND:
            if self._metric_cache is None:
                self._metric_cache = cache.MetricDataCache()
            return self._metric_cache

    @metric_cache.setter
    def metric_cache(self, value: cache.MetricDataCache) -> None:
        self._metric_cache = value

    def inject_metric(self, resource_uuid: str, metric: str,
                      aggregation: str, period: int, value: float | None,
                      granularity: int | None = 300,
                      simulated: bool = False) -> None:
        """Make later questions find this value."""
        self.metric_cache.put(resource_uuid, metric, value, aggregation,
                              period, granularity, simulated)

    # Asking again ---------------------------------------------------------

    def query_retry(self, f: Callable, *args: Any,
                    ignored_exc: type[Exception] | tuple | None = None,
                    **kwargs: Any) -> Any:
        """Call ``f`` until it answers.

        ``[watcher_datasources] query_max_retries`` tries with growing
        pauses.

        :param ignored_exc: exceptions that mean "there is nothing"; they
            give None at once.
        :raises: DataSourceQueryFailed when no try succeeded. It is not the
            same as having no value, and None would hide it.
        """
        asked = ', '.join([getattr(f, '__name__', str(f)),
                           *map(str, args)])
        return self.ask(lambda: f(*args, **kwargs), asked=asked,
                        ignored=ignored_exc or ())

    def ask(self, function: Callable[[], Any], *, asked: str,
            where: str = 'its configured address',
            ignored: type[Exception] | tuple = (),
            attempts: int | None = None) -> Any:
        """As :meth:`query_retry`, with words for the failure.

        :param asked: the question.
        :param where: the address.
        :param attempts: upper limit for the number of tries.
        """
        def call():
            try:
                return function()
            except ignored:
                return None
        options = CONF.watcher_datasources
        tries = options.query_max_retries
        if attempts is not None:
            tries = min(tries, attempts)
        return self._retrying().call(
            call, asked=asked, where=where, attempts=tries,
            interval=options.query_interval,
            on_failure=self.query_retry_reset)

    def _retrying(self) -> retries.Retries:
        with _ON_DEMAND:
            if self._retries is None:
                self._retries = retries.Retries(self.NAME,
                                                self.is_permanent)
            return self._retries

    # Shorthands -----------------------------------------------------------

    def _host(self, metric, resource, period, aggregate, granularity):
        return self.statistic_aggregation(
            resource=resource, resource_type=metrics.COMPUTE_NODE,
            meter_name=metric, period=period, aggregate=aggregate,
            granularity=granularity)

    def _instance(self, metric, resource, period, aggregate, granularity):
        return self.statistic_aggregation(
            resource=resource, resource_type=metrics.INSTANCE,
            meter_name=metric, period=period, aggregate=aggregate,
            granularity=granularity)

    def get_host_cpu_usage(self, resource, period=300, aggregate='mean',
                           granularity=None) -> float | None:
        """Return the CPU use of a host in percent of all its CPUs."""
        return self._host('host_cpu_usage', resource, period, aggregate,
                          granularity)

    def get_host_ram_usage(self, resource, period=300, aggregate='mean',
                           granularity=None) -> float | None:
        """Return the used memory of a host in KiB."""
        return self._host('host_ram_usage', resource, period, aggregate,
                          granularity)

    def get_host_outlet_temp(self, resource, period=300, aggregate='mean',
                             granularity=None) -> float | None:
        """Return the temperature of the air leaving a host in degrees C."""
        return self._host('host_outlet_temp', resource, period, aggregate,
                          granularity)

    def get_host_inlet_temp(self, resource, period=300, aggregate='mean',
                            granularity=None) -> float | None:
        """Return the temperature of the air entering a host in degrees C.
        """
        return self._host('host_inlet_temp', resource, period, aggregate,
                          granularity)

    def get_host_airflow(self, resource, period=300, aggregate='mean',
                         granularity=None) -> float | None:
        """Return the air flow of a host in cubic feet per minute."""
        return self._host('host_airflow', resource, period, aggregate,
                          granularity)

    def get_host_power(self, resource, period=300, aggregate='mean',
                       granularity=None) -> float | None:
        """Return the power drawn by a host in watts."""
        return self._host('host_power', resource, period, aggregate,
                          granularity)

    def get_instance_cpu_usage(self, resource, period=300, aggregate='mean',
                               granularity=None) -> float | None:
        """Return the CPU use of an instance in percent of its vCPUs."""
        return self._instance('instance_cpu_usage', resource, period,
                              aggregate, granularity)

    def get_instance_ram_usage(self, resource, period=300, aggregate='mean',
                               granularity=None) -> float | None:
        """Return the memory an instance really uses in MB."""
        return self._instance('instance_ram_usage', resource, period,
                              aggregate, granularity)

    def get_instance_ram_allocated(self, resource, period=300,
                                   aggregate='mean', granularity=None
                                   ) -> float | None:
        """Return the memory an instance was given in MB."""
        return self._instance('instance_ram_allocated', resource, period,
                              aggregate, granularity)

    def get_instance_l3_cache_usage(self, resource, period=300,
                                    aggregate='mean', granularity=None
                                    ) -> float | None:
        """Return the L3 cache an instance occupies in bytes."""
        return self._instance('instance_l3_cache_usage', resource, period,
                              aggregate, granularity)

    def get_instance_root_disk_size(self, resource, period=300,
                                    aggregate='mean', granularity=None
                                    ) -> float | None:
        """Return the size of an instance's root disk in GB."""
        return self._instance('instance_root_disk_size', resource, period,
                              aggregate, granularity)


def _judged(reading: batch.Reading, limit: float) -> batch.Reading:
    """Mark a reading as outdated whose newest sample is too old."""
    if limit and reading.age is not None and reading.age > limit:
        return reading._replace(stale=True)
    return reading
