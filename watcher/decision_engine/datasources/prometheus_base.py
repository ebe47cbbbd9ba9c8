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
"""What Prometheus and Aetos have in common.

Aetos hands questions on to Prometheus, so both differ only in how they are
reached. A derived class makes the client (:meth:`_setup_prometheus_client`).
"""

import abc
import datetime
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import requests
from keystoneauth1 import exceptions as ka_exceptions
from oslo_log import log

from watcher._i18n import _
from watcher.common import exception
from watcher.common import utils
from watcher.decision_engine.datasources import base
from watcher.decision_engine.datasources import batch
from watcher.decision_engine.datasources import host_labels
from watcher.decision_engine.datasources import metrics
from watcher.decision_engine.datasources import parallel
from watcher.decision_engine.datasources import promql

try:
    from observabilityclient import prometheus_client
except ImportError:
    # Only the sources that need the library are then not available.
    prometheus_client = None

LOG = log.getLogger(__name__)

#: HTTP statuses that say that a question cannot be answered, ever.
PERMANENT = frozenset((400, 401, 403, 404, 405, 413, 414, 422, 431))

#: What Prometheus answers with when a question is too big for its limits.
TOO_BIG = frozenset((413, 414, 422, 431))

#: Tries of questions that only find out whether the source is there.
CHECK_ATTEMPTS = 3

#: Seconds for which all questions look at the same moment.
SAME_MOMENT = 60.0

#: Points of a series that Prometheus gives in one answer (its limit is
#: 11,000).
MAX_POINTS = 10000

#: Shortest window (s) from which a point of a series is computed; a rate
#: needs two samples.
MIN_WINDOW = 120


class PrometheusBase(base.DataSourceBase, metaclass=abc.ABCMeta):
    """Asks a server that speaks Prometheus' HTTP API."""

    METRIC_MAP = {
        'host_cpu_usage': 'node_cpu_seconds_total',
        'host_ram_usage': 'node_memory_MemAvailable_bytes',
        'host_outlet_temp': None,
        'host_inlet_temp': None,
        'host_airflow': None,
        'host_power': None,
        'instance_cpu_usage': 'ceilometer_cpu',
        'instance_ram_usage': 'ceilometer_memory_usage',
        'instance_ram_allocated': 'instance.memory',
        'instance_l3_cache_usage': None,
        'instance_root_disk_size': 'instance.disk',
    }
    ASKS_WHEN_MADE = True

    #: Meters that are fields of the model element.
    FIELD = 'instance.'

    def __init__(self):
        super().__init__()
        if prometheus_client is None:
            raise exception.DataSourceNotAvailable(
                _('The data source %s needs the library '
                  'python-observabilityclient, which is not installed.')
                % self.NAME, datasource=self.NAME)
        where, self.prometheus = self._setup_prometheus_client()
        self.where = utils.hide_credentials(where)
        options = self._options()
        self.host_label = options.fqdn_label
        self.instance_label = options.instance_uuid_label
        self._moment: str | None = None
        self._moment_until = 0.0
        self._labels_complete = False
        self._labels = host_labels.HostLabels(self._target_labels())
        if not self._labels:
            LOG.error(
                'No target of %(source)s at %(where)s has the label '
                '%(label)s, so no host has metrics. Add the label to the '
                'scrape configuration or set fqdn_label.', {
                    'source': self.NAME, 'where': self.where,
                    'label': self.host_label})

    @abc.abstractmethod
    def _setup_prometheus_client(self) -> tuple[str, Any]:
        """Return the URL, for messages, and the client."""
        raise NotImplementedError

    @abc.abstractmethod
    def _options(self):
        """Return the option group with the names of the labels."""
        raise NotImplementedError

    # HTTP -----------------------------------------------------------------

    def is_permanent(self, error):
        status = _status(error)
        if status is None:
            return isinstance(error, requests.exceptions.SSLError)
        return status in PERMANENT or _timed_out(error)

    def _get(self, endpoint: str, asked: str, attempts: int | None = None,
             **params: Any) -> Any:
        """Return the data of an answer.

        :raises: DataSourceQueryFailed
        """
        def get():
            return self.prometheus._get(endpoint, params or None)['data']
        return self.ask(get, asked=asked, where=self.where,
                        attempts=attempts)

    def _query(self, text: str) -> list[dict]:
        """Return the rows of an instant query."""
        params = {'query': text}
        if self._has_moment():
            params['time'] = self._moment
        data = self._get('query', text, **params)
        if data['resultType'] != 'vector':
            raise self._odd(text, data)
        return data['result']

    def _odd(self, text, data):
        return exception.DataSourceQueryFailed(
            datasource=self.NAME, where=self.where, asked=text,
            answer=_('an answer of the type %s') % data['resultType'])

    def look_at(self, moment: float, duration: float = SAME_MOMENT) -> None:
        """Make all questions see the values of the same moment.

        :param moment: seconds since 1970 on the clock of the server.
        :param duration: seconds from now for which this counts.
        """
        self._moment = f'{moment:.3f}'
        self._moment_until = time.monotonic() + duration

    def _has_moment(self):
        return (self._moment is not None
                and time.monotonic() < self._moment_until)

    def check_availability(self):
        try:
            self._is_there()
        except exception.DataSourceNotAvailable as exc:
            LOG.warning('%s', exc)
            return base.NOT_AVAILABLE
        return base.AVAILABLE

    def _is_there(self):
        try:
            self._get('status/runtimeinfo', _('the question for its state'),
                      attempts=CHECK_ATTEMPTS)
        except exception.DataSourceNotAvailable as exc:
            # Others that speak the same API have no such state.
            if _status(exc.__cause__) != 404:
                raise
            self._get('query', 'vector(1)', query='vector(1)')

    def list_metrics(self):
        try:
            return set(self._get('label/__name__/values',
                                 _('the question for its metrics'),
                                 attempts=CHECK_ATTEMPTS))
        except exception.DataSourceNotAvailable as exc:
            LOG.warning('%s', exc)
            return set()

    def offers(self, metric, known):
        meter = self.METRIC_MAP.get(metric)
        if self._is_field(meter) or isinstance(meter, Mapping):
            # Nobody is asked, or the operator's query may use anything.
            return bool(known)
        return super().offers(metric, known)

    # Hosts ----------------------------------------------------------------

    def _target_labels(self) -> set[str]:
        """Return the values of the host label of all active targets."""
        try:
            data = self._get('targets', _('the question for its targets'),
                             state='active', attempts=CHECK_ATTEMPTS)
        except exception.DataSourceNotAvailable as exc:
            # A store that is written to has no targets.
            if _status(exc.__cause__) != 404:
                raise
            return self._stored_labels()
        found = (target.get('labels', {}).get(self.host_label)
                 for target in data.get('activeTargets', ()))
        return set(filter(None, found))

    def _stored_labels(self) -> set[str]:
        return set(self._get(f'label/{self.host_label}/values',
                             _('the question for its hosts')))

    def _find_label(self, hostname: str) -> str | None:
        """Return the label value of a host, looking anew once if needed."""
        value = self._labels.find(hostname)
        if value is not None or self._labels_complete:
            return value
        # A host that was started meanwhile, or whose metrics come from
        # somewhere else than a target.
        self._labels_complete = True
        self._labels = host_labels.HostLabels(
            self._target_labels() | self._stored_labels())
        return self._labels.find(hostname)

    # Questions ------------------------------------------------------------

    def _meter(self, metric: str) -> Any:
        meter = self.METRIC_MAP.get(metric)
        if meter is None:
            raise exception.MetricNotAvailable(metric=metric)
        return meter

    def _shape(self, metric: str) -> promql.Shape:
        meter = self._meter(metric)
        if isinstance(meter, Mapping):
            return promql.template_shape(metric, dict(meter))
        if meter not in promql.SHAPES:
            raise exception.InvalidParameter(
                _('%(source)s cannot compute %(metric)s from %(meter)s. '
                  'Possible are %(known)s; anything else needs a query and '
                  'its unit in the file [watcher_decision_engine] '
                  'metric_map_path.') % {
                      'source': self.NAME, 'metric': metric, 'meter': meter,
                      'known': ', '.join(promql.SHAPES)},
                parameter='meter_name', parameter_type='str')
        return promql.SHAPES[meter]

    def _question(self, shape, aggregate, period,
                  wanted: promql.Selection | str):
        label = self.host_label if shape.of_host else self.instance_label
        if isinstance(wanted, str):
            match = f"{label}='{promql.quote(wanted)}'"
        else:
            match = wanted.match(label)
        if aggregate == 'count':
            LOG.warning('%s does not count samples; the mean is taken',
                        self.NAME)
        return promql.Question(shape.aggregate(aggregate), label, match,
                               int(period))

    def _name_of(self, resource: Any, resource_type: str) -> str | None:
        if resource_type == metrics.COMPUTE_NODE:
            return self._find_label(resource.hostname)
        if resource_type == metrics.INSTANCE:
            return resource.uuid
        LOG.warning('%(source)s has no metrics of the resource type '
                    '%(type)s', {'source': self.NAME, 'type': resource_type})
        return None

    def _is_field(self, meter: Any) -> bool:
        return isinstance(meter, str) and meter.startswith(self.FIELD)

    def _field(self, resource: Any, meter: str) -> float:
        """Return a field of the model, for which nobody has to be asked."""
        return float(getattr(resource, meter.removeprefix(self.FIELD)))

    # One value ------------------------------------------------------------

    def _statistic_aggregation(self, resource=None, resource_type=None,
                               meter_name=None, period=300,
                               aggregate='mean', granularity=300):
        meter = self._meter(meter_name)
        if self._is_field(meter):
            return self._field(resource, meter)
        shape = self._shape(meter_name)
        # Refuse an unknown aggregate before any request.
        shape.aggregate(aggregate)
        name = self._name_of(resource, resource_type)
        if name is None:
            return None
        if isinstance(meter, Mapping):
            return self._unambiguous(resource, name, shape, meter_name,
                                     aggregate, period).value
        question = self._question(shape, aggregate, period, name)
        vcpus = _vcpus(resource) if shape.unit == promql.CORES else None
        rows = self._query(shape.for_one(question, vcpus))
        if not rows:
            return None
        value = float(rows[0]['value'][1])
        if len(rows) == 1:
            return value
        chosen = self._unambiguous(resource, name, shape, meter_name,
                                   aggregate, period).value
        return value if chosen is None else chosen

    def _unambiguous(self, resource, name, shape, metric, aggregate,
                     period) -> batch.Reading:
        """Read one resource by the rules for many."""
        found = self._rows(shape, aggregate, period,
                           promql.Selection((name,)))
        return self._readings({resource.uuid: name}, {
            resource.uuid: resource}, found, shape, metric)[resource.uuid]

    # Many values ----------------------------------------------------------

    def _statistic_aggregation_batch(self, resources, resource_type,
                                     meter_name, period, aggregate,
                                     granularity):
        meter = self._meter(meter_name)
        if self._is_field(meter):
            return {resource.uuid: batch.Reading(
                self._field(resource, meter), 0.0)
                for resource in resources}
        shape = self._shape(meter_name)
        names = {resource.uuid: self._name_of(resource, resource_type)
                 for resource in resources}
        by_uuid = {resource.uuid: resource for resource in resources}
        wanted = tuple(sorted(set(filter(None, names.values()))))
        found = _Rows()
        if wanted:
            found = self._rows(shape, aggregate, period,
                               promql.Selection(wanted))
        return self._readings(names, by_uuid, found, shape, meter_name)

    def _readings(self, names, by_uuid, found, shape, metric):
        conversion = promql.Conversion(metric, shape.unit)
        readings = {}
        for uuid, name in names.items():
            if name is None:
                readings[uuid] = self._unnamed(by_uuid[uuid])
                continue
            value = found.values.get(name)
            if value is None:
                continue
            vcpus = _vcpus(by_uuid[uuid]) if conversion.per_vcpu else None
            age, stale = None, False
            if shape.samples is not None:
                sampled = found.sampled.get(name)
                stale = sampled is None
                age = None if stale else max(0.0, found.moment - sampled)
            readings[uuid] = batch.Reading(
                conversion.apply(value, vcpus), age, stale)
        return _complete(readings, by_uuid)

    def _unnamed(self, resource) -> batch.Reading:
        hostname = getattr(resource, 'hostname', None)
        if hostname is None:
            return batch.MISSING
        return batch.Reading(problem=(
            f'{self.NAME} has no label {self.host_label} for the host '
            f'{hostname}: {self._labels.why_not(hostname)}'))

    def _rows(self, shape, aggregate, period,
              selection: promql.Selection) -> '_Rows':
        """Ask for these resources, in parts only if there is no other way.
        """
        answer = _Rows()
        if not selection.is_large:
            question = self._question(shape, aggregate, period, selection)
            try:
                rows = self._query(shape.for_many(question))
            except exception.DataSourceQueryFailed as exc:
                if len(selection.names) == 1 or not _too_big(exc):
                    raise
                LOG.info('%(source)s cannot answer for %(count)d resources '
                         'at once and is asked in parts: %(error)s', {
                             'source': self.NAME,
                             'count': len(selection.names), 'error': exc})
            else:
                answer = _Rows.of(rows, question.label)
                if answer.moment and not self._has_moment():
                    # What is asked next shall describe the same moment.
                    self.look_at(answer.moment)
                return answer
        for part in selection.parts():
            answer.update(self._rows(shape, aggregate, period, part))
        return answer

    # Series ---------------------------------------------------------------

    def statistic_series(self, resource=None, resource_type=None,
                         meter_name=None, start_time=None, end_time=None,
                         granularity=300):
        return dict(self.statistic_series_batch(
            [resource], resource_type, meter_name, start_time, end_time,
            granularity))[resource.uuid]

    def statistic_series_batch(self, resources, resource_type, meter_name,
                               start_time, end_time, granularity=300
                               ) -> Iterator[tuple[str, dict]]:
        shape = self._shape(meter_name)
        conversion = promql.Conversion(meter_name, shape.unit)
        for part in parallel.parts(resources, promql.MAX_NAMES):
            names = {resource.uuid: self._name_of(resource, resource_type)
                     for resource in part}
            wanted = tuple(sorted(set(filter(None, names.values()))))
            found = {}
            if wanted:
                found = self._series(
                    shape, promql.Selection(wanted), start_time, end_time,
                    int(granularity))
            for resource in part:
                vcpus = _vcpus(resource) if conversion.per_vcpu else None
                yield resource.uuid, {
                    moment: conversion.apply(value, vcpus)
                    for moment, value in found.get(
                        names[resource.uuid], ())}

    def _series(self, shape, selection, start_time, end_time, step):
        question = self._question(
            shape, 'mean', max(step, MIN_WINDOW), selection)
        text = shape.for_series(question)
        found: dict[str, list] = {}
        for first, last in _spans(_epoch(start_time), _epoch(end_time),
                                  step):
            for row in self._range(text, first, last, step):
                name = row['metric'].get(question.label)
                found.setdefault(name, []).extend(
                    (datetime.datetime.fromtimestamp(
                        moment, datetime.UTC), float(value))
                    for moment, value in row['values'])
        return found

    def _range(self, text: str, first: float, last: float,
               step: int) -> list[dict]:
        """Return the rows of a query over time."""
        data = self._get('query_range', text, query=text, start=first,
                         end=last, step=step)
        if data['resultType'] != 'matrix':
            raise self._odd(text, data)
        return data['result']

    # Shorthands: what the exporters do not offer has no value -------------

    def _host(self, metric, resource, period, aggregate, granularity):
        return self._if_mapped(super()._host, metric, resource, period,
                               aggregate, granularity)

    def _instance(self, metric, resource, period, aggregate, granularity):
        return self._if_mapped(super()._instance, metric, resource, period,
                               aggregate, granularity)

    def _if_mapped(self, read: Callable, metric: str, *arguments: Any):
        if (self.METRIC_MAP.get(metric) is None
                and PrometheusBase.METRIC_MAP.get(metric) is None):
            return None
        return read(metric, *arguments)


class _Rows:
    """Values and times of samples by the name of the resource."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.sampled: dict[str, float] = {}
        self.moment = 0.0

    @classmethod
    def of(cls, rows: Sequence[dict], label: str) -> '_Rows':
        answer = cls()
        for row in rows:
            name = row['metric'].get(label)
            if not name:
                continue
            answer.moment, text = row['value']
            if promql.MARK in row['metric']:
                answer.sampled[name] = float(text)
            else:
                answer.values.setdefault(name, float(text))
        return answer

    def update(self, other: '_Rows') -> None:
        self.values.update(other.values)
        self.sampled.update(other.sampled)
        self.moment = other.moment or self.moment


def _complete(readings, by_uuid):
    return {uuid: readings.get(uuid, batch.MISSING) for uuid in by_uuid}


def _vcpus(resource) -> int:
    vcpus = getattr(resource, 'vcpus', None)
    if not vcpus:
        LOG.warning('The server %s has no vCPUs in the model; its CPU use is '
                    'computed for one', resource.uuid)
        return 1
    return vcpus


def _status(error: BaseException | None) -> int | None:
    """Return the HTTP status behind an error."""
    if error is None:
        return None
    response = getattr(error, 'resp', None)
    if response is not None:
        return response.status_code
    if isinstance(error, ka_exceptions.HttpError):
        return error.http_status
    return None


def _timed_out(error: BaseException) -> bool:
    """Tell whether a query took longer than the server allows."""
    return _status(error) == 503 and 'timed out' in str(error)


def _too_big(error: exception.DataSourceQueryFailed) -> bool:
    cause = error.__cause__
    return cause is not None and (
        _status(cause) in TOO_BIG or _timed_out(cause))


def _epoch(moment: datetime.datetime) -> float:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return moment.timestamp()


def _spans(start: float, end: float,
           step: int) -> Iterator[tuple[float, float]]:
    """Cut a time into pieces that one answer can hold.

    Ends are inclusive, so a piece starts one step after the one before.
    """
    while start <= end:
        last = min(end, start + (MAX_POINTS - 1) * step)
        yield start, last
        start = last + step
