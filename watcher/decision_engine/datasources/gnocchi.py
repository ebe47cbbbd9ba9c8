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
"""Metrics from Gnocchi."""

import datetime
import math
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

from keystoneauth1 import exceptions as ka_exceptions
from oslo_log import log
from oslo_utils import timeutils

from watcher import conf
from watcher._i18n import _
from watcher.common import clients
from watcher.common import exception
from watcher.decision_engine.datasources import base
from watcher.decision_engine.datasources import batch
from watcher.decision_engine.datasources import metrics
from watcher.decision_engine.datasources import parallel

try:
    from gnocchiclient import client as gnocchi_client
    from gnocchiclient import exceptions as gnocchi_exceptions
except ImportError:
    # Only this source is then not available.
    gnocchi_client = gnocchi_exceptions = None

CONF = conf.CONF
LOG = log.getLogger(__name__)

#: Resources in one question; bounds the answer and the server's memory.
CHUNK = 300

#: How often one batch may be cut in two because Gnocchi refuses a part.
MAX_SPLITS = 64

PERMANENT = frozenset((400, 401, 403, 404, 405, 406, 413))

CHECK_ATTEMPTS = 3

#: Gnocchi stores the time spent in ns for each granule.
CPU_AGGREGATION = 'rate:mean'

AIRFLOW_FACTOR = 10.0

Measure = tuple[datetime.datetime, float, float]


class GnocchiHelper(base.DataSourceBase):
    """Asks the metric service of the catalogue.

    Gnocchi aggregates within granules; the granules of the period are
    aggregated here: the mean of means, the largest of maxima.

    :param osc: holder of OpenStack clients.
    """

    NAME = 'gnocchi'
    METRIC_MAP = {
        'host_cpu_usage': 'compute.node.cpu.percent',
        'host_ram_usage': 'hardware.memory.used',
        'host_outlet_temp': 'hardware.ipmi.node.outlet_temperature',
        'host_inlet_temp': 'hardware.ipmi.node.temperature',
        'host_airflow': 'hardware.ipmi.node.airflow',
        'host_power': 'hardware.ipmi.node.power',
        'instance_cpu_usage': 'cpu',
        'instance_ram_usage': 'memory.resident',
        'instance_ram_allocated': 'memory',
        'instance_l3_cache_usage': 'cpu_l3_cache',
        'instance_root_disk_size': 'disk.root.size',
    }

    def __init__(self, osc=None):
        super().__init__()
        if gnocchi_client is None:
            raise exception.DataSourceNotAvailable(
                _('The data source gnocchi needs the library gnocchiclient, '
                  'which is not installed.'), datasource=self.NAME)
        self.osc = osc or clients.OpenStackClients()
        self.gnocchi = self._client()
        self._host_ids: dict[str, str | None] = {}

    def _client(self):
        options = CONF.gnocchi_client
        adapter = {'interface': options.endpoint_type.removesuffix('URL')}
        if options.region_name:
            adapter['region_name'] = options.region_name
        return gnocchi_client.Client(
            options.api_version, session=self.osc.session,
            adapter_options=adapter)

    # HTTP -----------------------------------------------------------------

    def is_permanent(self, error):
        if isinstance(error, (ka_exceptions.EndpointNotFound,
                              ka_exceptions.Unauthorized,
                              ka_exceptions.MissingAuthPlugin,
                              gnocchi_exceptions.SSLError)):
            return True
        return _status(error) in PERMANENT

    def _ask(self, function, asked, attempts=None):
        """Ask, None for what is not there."""
        return self.ask(function, asked=asked, where=_('its endpoint'),
                        ignored=gnocchi_exceptions.NotFound,
                        attempts=attempts)

    def check_availability(self):
        try:
            self._ask(lambda: self.gnocchi.status.get(),
                      _('the question for its state'), CHECK_ATTEMPTS)
        except exception.DataSourceNotAvailable as exc:
            if _status(exc.__cause__) == 403:
                # It answers; its state is for administrators only.
                return base.AVAILABLE
            LOG.warning('%s', exc)
            return base.NOT_AVAILABLE
        return base.AVAILABLE

    def list_metrics(self):
        try:
            found = self._ask(lambda: self.gnocchi.metric.list(),
                              _('the question for its metrics'),
                              CHECK_ATTEMPTS)
        except exception.DataSourceNotAvailable as exc:
            LOG.warning('%s', exc)
            return set()
        return {metric['name'] for metric in found or ()}

    # Resources ------------------------------------------------------------

    def _id_of(self, resource: Any, resource_type: str) -> str | None:
        """Return Gnocchi's id of a resource, None if it has none."""
        if resource_type != metrics.COMPUTE_NODE:
            return resource.uuid
        hostname = resource.hostname
        if hostname not in self._host_ids:
            self._host_ids[hostname] = self._search_host(hostname)
        return self._host_ids[hostname]

    def _search_host(self, hostname):
        hits = self._search({'=': {
            'original_resource_id': _host_key(hostname)}}, limit=1)
        if hits:
            return hits[0]['id']
        return self._find_other_names([hostname]).get(hostname)

    def _search(self, query, limit):
        return self._ask(
            lambda: self.gnocchi.resource.search(query=query, limit=limit),
            _('the resource %s') % query) or []

    def _find_hosts(self, hostnames: Iterable[str]) -> None:
        """Fill in the ids of all hosts that are not known yet."""
        unknown = sorted({name for name in hostnames
                          if name not in self._host_ids})
        for part in parallel.parts(unknown, CHUNK):
            hits = self._search({'in': {'original_resource_id': [
                _host_key(name) for name in part]}}, limit=None)
            found = {}
            for hit in hits:
                found.setdefault(hit['original_resource_id'], hit['id'])
            lost = [name for name in part if _host_key(name) not in found]
            others = self._find_other_names(lost)
            for name in part:
                self._host_ids[name] = found.get(
                    _host_key(name), others.get(name))

    def _find_other_names(self, hostnames: Sequence[str]) -> dict[str, str]:
        """Find hosts whose hypervisor has a longer name than the service.

        A name that fits two hosts fits none.
        """
        if not hostnames:
            return {}
        # _ stands for any character in LIKE, so hits are looked at again.
        patterns = [{'like': {'original_resource_id': f'{name}_{name}.%'}}
                    for name in hostnames]
        query = patterns[0] if len(patterns) == 1 else {'or': patterns}
        found: dict[str, set[str]] = {}
        for hit in self._search(query, limit=None):
            for name in hostnames:
                if hit['original_resource_id'].startswith(
                        f'{_host_key(name)}.'):
                    found.setdefault(name, set()).add(hit['id'])
        return {name: next(iter(ids)) for name, ids in found.items()
                if len(ids) == 1}

    # Values ---------------------------------------------------------------

    def _meter(self, metric: str) -> str:
        meter = self.METRIC_MAP.get(metric)
        if meter is None:
            raise exception.MetricNotAvailable(metric=metric)
        return meter

    def _aggregate(self, aggregate: str) -> str:
        if aggregate == 'count':
            LOG.warning('gnocchi is not asked for a count; the mean is '
                        'taken')
            return 'mean'
        return aggregate

    def _statistic_aggregation(self, resource=None, resource_type=None,
                               meter_name=None, period=300,
                               aggregate='mean', granularity=300):
        return self._read(resource, resource_type, meter_name, period,
                          aggregate, granularity).value

    def _read(self, resource, resource_type, metric, period, aggregate,
              granularity) -> batch.Reading:
        meter = self._meter(metric)
        aggregate = self._aggregate(aggregate)
        if not _fits(metric, resource_type):
            return batch.MISSING
        id_ = self._id_of(resource, resource_type)
        if id_ is None:
            return batch.MISSING
        stop = timeutils.utcnow()
        start = stop - datetime.timedelta(seconds=int(period))
        measures = self._measures(
            id_, meter, start, stop, _stored_aggregate(metric, aggregate),
            granularity or None)
        return _reading(measures, metric, aggregate, resource, stop)

    def _measures(self, id_, meter, start, stop, aggregation, granularity):
        return self._ask(
            lambda: self.gnocchi.metric.get_measures(
                meter, start=start, stop=stop, resource_id=id_,
                aggregation=aggregation, granularity=granularity),
            _('%(metric)s of the resource %(id)s') % {
                'metric': meter, 'id': id_}) or []

    def _statistic_aggregation_batch(self, resources, resource_type,
                                     meter_name, period, aggregate,
                                     granularity):
        meter = self._meter(meter_name)
        aggregate = self._aggregate(aggregate)
        if not _fits(meter_name, resource_type):
            return {}
        if resource_type == metrics.COMPUTE_NODE:
            self._find_hosts(resource.hostname for resource in resources)
        ids = {resource.uuid: self._id_of(resource, resource_type)
               for resource in resources}
        stop = timeutils.utcnow()
        question = _Question(
            meter, _stored_aggregate(meter_name, aggregate),
            stop - datetime.timedelta(seconds=int(period)), stop,
            granularity or None)
        measures = self._measures_of_all(
            sorted(set(filter(None, ids.values()))), question)
        readings = {}
        for resource in resources:
            found = measures.get(ids[resource.uuid], ())
            if isinstance(found, str):
                readings[resource.uuid] = batch.Reading(problem=found)
                continue
            readings[resource.uuid] = _reading(
                found, meter_name, aggregate, resource, stop)
        return readings

    def _measures_of_all(self, ids, question) -> dict[str, Any]:
        """Return measures, or the reason why there are none, by id."""
        waiting = list(parallel.parts(ids, CHUNK))
        splits = 0
        found: dict[str, Any] = {}
        while waiting:
            part = waiting.pop()
            try:
                found.update(self._fetch(part, question))
            except exception.DataSourceQueryFailed as exc:
                if not _is_about_some(exc.__cause__):
                    raise
                if len(part) == 1 or splits == MAX_SPLITS:
                    found.update(dict.fromkeys(part, str(exc)))
                    continue
                # One archive policy without this aggregation or granularity
                # spoils the answer for all that are asked with it.
                splits += 1
                middle = len(part) // 2
                waiting += [part[:middle], part[middle:]]
        return found

    def _fetch(self, ids, question) -> dict[str, Sequence[Measure]]:
        def fetch():
            try:
                return self.gnocchi.aggregates.fetch(
                    ['metric', question.meter, question.aggregation],
                    search={'in': {'id': list(ids)}},
                    start=question.start, stop=question.stop,
                    granularity=question.granularity)['measures']
            except gnocchi_exceptions.NotFound as exc:
                if _is_about_some(exc):
                    raise
                # None of these resources has the metric.
                return {}
        answer = self.ask(
            fetch, where=_('its endpoint'),
            asked=_('%(metric)s of %(count)d resources') % {
                'metric': question.meter, 'count': len(ids)})
        return {id_: by_metric.get(question.meter, {}).get(
            question.aggregation, ()) for id_, by_metric in answer.items()}

    # Series ---------------------------------------------------------------

    def statistic_series(self, resource=None, resource_type=None,
                         meter_name=None, start_time=None, end_time=None,
                         granularity=300):
        meter = self._meter(meter_name)
        if not _fits(meter_name, resource_type):
            return {}
        id_ = self._id_of(resource, resource_type)
        if id_ is None:
            return {}
        measures = self._measures(
            id_, meter, _naive(start_time), _naive(end_time),
            _stored_aggregate(meter_name, None), granularity or None)
        return {moment: _convert(value, step, meter_name, resource)
                for moment, step, value in _finest(measures)}


class _Question:
    def __init__(self, meter, aggregation, start, stop, granularity):
        self.meter = meter
        self.aggregation = aggregation
        self.start = start
        self.stop = stop
        self.granularity = granularity


def _host_key(hostname: str) -> str:
    """Return how the telemetry agents name the resource of a host."""
    return f'{hostname}_{hostname}'


def _fits(metric: str, resource_type: str) -> bool:
    return (metric != 'instance_cpu_usage'
            or resource_type == metrics.INSTANCE)


def _stored_aggregate(metric: str, aggregate: str | None) -> str | None:
    return CPU_AGGREGATION if metric == 'instance_cpu_usage' else aggregate


def _status(error: BaseException | None) -> int | None:
    return (getattr(error, 'code', None)
            or getattr(error, 'http_status', None))


def _is_about_some(error: BaseException | None) -> bool:
    """Tell whether the refusal may concern only some of the resources."""
    status = _status(error)
    return status == 400 or (status == 404 and 'unknown' in str(error).lower())


def _finest(measures: Sequence[Measure]) -> Sequence[Measure]:
    """Leave out coarser views of the same samples."""
    if not measures:
        return ()
    step = min(_seconds(measure[1]) for measure in measures)
    return [measure for measure in measures if _seconds(measure[1]) == step]


def _seconds(step: Any) -> float:
    return step.total_seconds() if hasattr(step, 'total_seconds') else step


def _convert(value: float, step: Any, metric: str, resource: Any) -> float:
    """Return the value of a granule in the unit of the metric."""
    if metric == 'host_airflow':
        return value * AIRFLOW_FACTOR
    if metric != 'instance_cpu_usage':
        return value
    vcpus = getattr(resource, 'vcpus', None)
    if not vcpus:
        LOG.warning('The server %s has no vCPUs in the model; its CPU use is '
                    'computed for one', resource.uuid)
        vcpus = 1
    # A counter starts anew where the server migrated to.
    percent = max(value, 0.0) * 100 / (_seconds(step) * 10e+8 * vcpus)
    return min(percent, 100.0)


def _reading(measures: Sequence[Measure], metric: str, aggregate: str,
             resource: Any, now: datetime.datetime) -> batch.Reading:
    """Make one value of all granules of a period."""
    granules = _finest(measures)
    values = [_convert(value, step, metric, resource)
              for _moment, step, value in granules
              if value is not None and not math.isnan(value)]
    if not values:
        return batch.MISSING
    if aggregate == 'max':
        value = max(values)
    elif aggregate == 'min':
        value = min(values)
    else:
        value = sum(values) / len(values) if len(values) > 1 else values[0]
    moment, step, _value = granules[-1]
    age = (now - _naive(moment)).total_seconds() - _seconds(step)
    return batch.Reading(value, max(0.0, age))


def _naive(moment: datetime.datetime) -> datetime.datetime:
    if moment.tzinfo is None:
        return moment
    return moment.astimezone(datetime.UTC).replace(tzinfo=None)
