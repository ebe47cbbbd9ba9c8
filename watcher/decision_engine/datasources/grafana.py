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
"""Metrics from databases that Grafana knows, through its proxy.

The queries are texts of the operator, one for each metric and about one
resource, so many resources mean many requests; they are sent in parallel.
"""

import datetime
from collections.abc import Mapping
from typing import Any
from urllib import parse

import requests
from oslo_log import log
from oslo_utils import timeutils

from watcher import conf
from watcher._i18n import _
from watcher.common import exception
from watcher.common import utils
from watcher.decision_engine.datasources import base
from watcher.decision_engine.datasources.grafana_translator import influxdb

CONF = conf.CONF
LOG = log.getLogger(__name__)

TRANSLATORS = {influxdb.InfluxDBGrafanaTranslator.NAME:
               influxdb.InfluxDBGrafanaTranslator}

#: Key in the metric map file -> option with the same meaning.
OPTIONS = {'project': 'project_id_map', 'db': 'database_map',
           'attribute': 'attribute_map', 'translator': 'translator_map',
           'query': 'query_map'}

PERMANENT = frozenset((400, 401, 403, 404, 405, 413, 414))

CHECK_ATTEMPTS = 3


class _Refused(Exception):
    """Grafana answered with something else than 200."""

    def __init__(self, response):
        super().__init__(f'HTTP {response.status_code} {response.text}')
        self.status = response.status_code


def configured_metrics(overrides: Mapping[str, Any] | None = None
                       ) -> dict[str, dict[str, Any] | None]:
    """Return the metrics that are described completely.

    :param overrides: descriptions from the metric map file, which win over
        those of ``[grafana_client]``; None turns a metric off.
    """
    overrides = overrides or {}
    maps = {key: getattr(CONF.grafana_client, option)
            for key, option in OPTIONS.items()}
    names = dict.fromkeys(name for known in [*maps.values(), overrides]
                          for name in known)
    found = {}
    for name in names:
        own = overrides.get(name, {})
        if own is not None and not isinstance(own, Mapping):
            LOG.warning('The description of %s for Grafana in the metric '
                        'map file is no mapping and is ignored', name)
            own = {}
        description = {key: _none(known.get(name))
                       for key, known in maps.items()}
        if own is None or not _is_complete(name, {**description, **own}):
            found[name] = None
        else:
            found[name] = {**description, **own}
    return found


def _is_complete(metric: str, description: Mapping[str, Any]) -> bool:
    if not any(description.get(key) for key in OPTIONS):
        return False
    lacking = [key for key in OPTIONS if not description.get(key)]
    if lacking:
        LOG.warning('Grafana is not asked for %(metric)s because of it '
                    '%(lacking)s is unknown; see [grafana_client] and the '
                    'metric map file', {'metric': metric,
                                        'lacking': ', '.join(lacking)})
        return False
    if description['translator'] not in TRANSLATORS:
        LOG.warning('Grafana is not asked for %(metric)s because there is no '
                    'translator %(translator)s; possible: %(known)s', {
                        'metric': metric,
                        'translator': description['translator'],
                        'known': ', '.join(TRANSLATORS)})
        return False
    return True


def _none(value):
    return None if value in (None, '', 'None') else value


class GrafanaHelper(base.DataSourceBase):
    """Asks the Grafana of ``[grafana_client]``.

    :param osc: not used; there for likeness.
    """

    NAME = 'grafana'

    def __init__(self, osc=None):
        super().__init__()
        self._url = _base_url()
        self.METRIC_MAP = configured_metrics()
        self._session = requests.Session()
        self._session.headers.update({
            'Authorization': f'Bearer {CONF.grafana_client.token}',
            'Content-Type': 'Application/json'})

    # HTTP -----------------------------------------------------------------

    def is_permanent(self, error):
        return (isinstance(error, (requests.exceptions.SSLError, ValueError))
                or getattr(error, 'status', None) in PERMANENT)

    def _get(self, url, asked, params=None, attempts=None):
        def get():
            response = self._session.get(
                url, params=params,
                timeout=CONF.grafana_client.http_timeout or None)
            if response.status_code != requests.codes.ok:
                raise _Refused(response)
            return response
        return self.ask(get, asked=asked,
                        where=utils.hide_credentials(url), attempts=attempts)

    def check_availability(self):
        root, api, _rest = self._url.partition('/api/')
        health = f'{root}{api or "/api/"}health'
        try:
            self._get(health, _('the question for its health'),
                      attempts=CHECK_ATTEMPTS)
        except exception.DataSourceNotAvailable as exc:
            status = getattr(exc.__cause__, 'status', None)
            if status == 404:
                # Something in front lets only the proxy through.
                return base.AVAILABLE
            LOG.warning('%s', exc)
            return base.NOT_AVAILABLE
        return base.AVAILABLE

    def list_metrics(self):
        return {metric for metric, description in self.METRIC_MAP.items()
                if description}

    # Values ---------------------------------------------------------------

    def _translator(self, **question):
        description = self.METRIC_MAP.get(question['metric'])
        if not description:
            raise exception.MetricNotAvailable(metric=question['metric'])
        data = {'db': description['db'],
                'attribute': description['attribute'],
                'query': description['query'], **question}
        if 'start' in question and description.get('series'):
            data['query'] = description['series']
        url = f"{self._url}{description['project']}/query"
        return url, TRANSLATORS[description['translator']](data)

    def _statistic_aggregation(self, resource=None, resource_type=None,
                               meter_name=None, period=300,
                               aggregate='mean', granularity=300):
        url, translator = self._translator(
            metric=meter_name, resource=resource,
            resource_type=resource_type, period=period, aggregate=aggregate,
            granularity=granularity)
        return self._translated(url, translator, translator.extract_result,
                                meter_name, nothing=None)

    def _translated(self, url, translator, extract, metric, nothing):
        params = translator.build_params()
        response = self._get(url, params['q'], params)
        try:
            return extract(response.content)
        except exception.NoSuchMetricForHost as exc:
            LOG.debug('%s', exc)
            return nothing
        except (AttributeError, IndexError, KeyError, TypeError,
                ValueError) as exc:
            LOG.warning('The answer of Grafana for %(metric)s cannot be '
                        'read and counts as no value: %(error)r', {
                            'metric': metric, 'error': exc})
            return nothing

    def statistic_series(self, resource=None, resource_type=None,
                         meter_name=None, start_time=None, end_time=None,
                         granularity=300):
        start, end = _aware(start_time), _aware(end_time)
        period = (_aware(timeutils.utcnow()) - start).total_seconds()
        url, translator = self._translator(
            metric=meter_name, resource=resource,
            resource_type=resource_type, period=int(period),
            aggregate='mean', granularity=granularity,
            start=int(start.timestamp() * 1000),
            end=int(end.timestamp() * 1000))
        series = self._translated(url, translator, translator.extract_series,
                                  meter_name, nothing={})
        return {moment: value for moment, value in sorted(series.items())
                if start <= moment <= end}


def _aware(moment: datetime.datetime) -> datetime.datetime:
    if moment.tzinfo is None:
        return moment.replace(tzinfo=datetime.UTC)
    return moment


def _base_url() -> str:
    """Return the URL of the proxy with the slash at its end.

    :raises: DataSourceNotAvailable if Grafana is not configured
    """
    options = CONF.grafana_client
    problem = None
    if not options.base_url or not options.token:
        problem = _('[grafana_client] base_url and token are not set')
    else:
        url = parse.urlsplit(options.base_url)
        if not (url.scheme in ('http', 'https') and url.netloc
                and url.path.strip('/')):
            problem = _('[grafana_client] base_url needs scheme, host and '
                        'path, like https://grafana.example.org/api/'
                        'datasources/proxy/, and is %r'
                        ) % utils.hide_credentials(options.base_url)
    if problem:
        raise exception.DataSourceNotAvailable(
            _('The data source grafana is not available: %s.') % problem,
            datasource='grafana')
    return options.base_url.rstrip('/') + '/'
