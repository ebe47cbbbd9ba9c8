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
"""Asks InfluxDB through Grafana."""

import datetime
import json
from typing import Any

from oslo_log import log

from watcher import conf
from watcher.common import exception
from watcher.decision_engine.datasources.grafana_translator import base

CONF = conf.CONF
LOG = log.getLogger(__name__)


class InfluxDBGrafanaTranslator(base.BaseGrafanaTranslator):
    """Fills a template of InfluxQL.

    Placeholders: ``{0}`` aggregate, ``{1}`` value of the attribute, ``{2}``
    period and ``{3}`` granularity in seconds, ``{4}`` retention policy; for
    series also ``{5}`` start and ``{6}`` end in ms since 1970.
    """

    NAME = 'influxdb'

    def build_params(self) -> dict[str, str]:
        self.validate()
        data = self._data
        query = data['query'].format(
            data['aggregate'], self.attribute_value(), data['period'],
            data['granularity'] or 1, self._retention(data['period']),
            data.get('start', ''), data.get('end', ''))
        return {'db': data['db'], 'epoch': 'ms', 'q': query}

    @staticmethod
    def _retention(period: float) -> str:
        """Return the shortest retention policy that covers the period.

        The longest one if none does.
        """
        policies = sorted(
            (int(seconds), name) for name, seconds
            in CONF.grafana_translators.retention_periods.items())
        for seconds, name in policies:
            if seconds > int(period):
                return name
        return policies[-1][1] if policies else ''

    def extract_result(self, raw: bytes | str) -> float | None:
        series = self._series(raw)
        column = self._column(series)
        rows = series.get('values') or ()
        if column is None or not rows:
            return None
        value = rows[0][column]
        return None if value is None else float(value)

    def extract_series(self, raw: bytes | str
                       ) -> dict[datetime.datetime, float]:
        series = self._series(raw)
        column = self._column(series)
        if column is None or 'time' not in series['columns']:
            return {}
        time = series['columns'].index('time')
        return {datetime.datetime.fromtimestamp(
                    row[time] / 1000, datetime.UTC): float(row[column])
                for row in series.get('values') or ()
                if row[column] is not None}

    def _series(self, raw) -> dict[str, Any]:
        answer = json.loads(raw)
        results = answer.get('results') or [{}]
        series = results[0].get('series')
        if not series:
            if results[0].get('error'):
                LOG.warning('InfluxDB refuses the query for %(metric)s: '
                            '%(error)s', {'metric': self._data['metric'],
                                          'error': results[0]['error']})
            raise exception.NoSuchMetricForHost(
                metric=self._data['metric'], host=self.attribute_value())
        return series[0]

    def _column(self, series) -> int | None:
        columns = series.get('columns') or []
        if self._data['aggregate'] in columns:
            return columns.index(self._data['aggregate'])
        LOG.warning('The answer to the query for %(metric)s has no column '
                    '%(aggregate)s but %(columns)s; name it so in the query '
                    'with AS', {
                        'metric': self._data['metric'],
                        'aggregate': self._data['aggregate'],
                        'columns': ', '.join(map(str, columns))})
        return None
