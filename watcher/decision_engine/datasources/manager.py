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
"""Chooses the data source that offers the metrics a strategy needs."""

import copy
import os
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import yaml
from oslo_log import log

from watcher import conf
from watcher._i18n import _
from watcher.common import exception
from watcher.decision_engine.datasources import aetos
from watcher.decision_engine.datasources import base
from watcher.decision_engine.datasources import gnocchi
from watcher.decision_engine.datasources import grafana
from watcher.decision_engine.datasources import prometheus
from watcher.decision_engine.datasources import retries

CONF = conf.CONF
LOG = log.getLogger(__name__)

MetricMap = dict[str, dict[str, Any]]


class DataSourceManager:
    """Knows the data sources in their order of preference.

    :param config: anything with a list ``datasources``; without it
        ``[watcher_datasources] datasources`` counts.
    :param osc: holder of OpenStack clients.
    :raises: DataSourceConfigConflict
    """

    metric_map: MetricMap = {
        gnocchi.GnocchiHelper.NAME: gnocchi.GnocchiHelper.METRIC_MAP,
        grafana.GrafanaHelper.NAME: grafana.GrafanaHelper.METRIC_MAP,
        prometheus.PrometheusHelper.NAME:
            prometheus.PrometheusHelper.METRIC_MAP,
        aetos.AetosHelper.NAME: aetos.AetosHelper.METRIC_MAP,
    }
    """Data source -> internal metric -> its name there, before overrides."""

    def __init__(self, config=None, osc=None):
        self.config = config or CONF.watcher_datasources
        self.osc = osc
        self.datasources = list(self.config.datasources or [])
        if {'prometheus', 'aetos'} <= set(self.datasources):
            raise exception.DataSourceConfigConflict(
                datasource_one='prometheus', datasource_two='aetos')
        self._helpers: dict[str, Any] = {}
        self._makers: dict[str, Callable[[], Any]] = {
            'gnocchi': lambda: gnocchi.GnocchiHelper(osc=self.osc),
            'grafana': lambda: grafana.GrafanaHelper(osc=self.osc),
            'prometheus': prometheus.PrometheusHelper,
            'aetos': lambda: aetos.AetosHelper(osc=self.osc),
        }
        # A copy: what an operator overrides now must not outlive the file.
        # Of each source for itself: prometheus and aetos begin with one map.
        self.metric_map = {name: copy.deepcopy(known) for name, known
                           in type(self).metric_map.items()}
        overrides = self.load_metric_map(
            CONF.watcher_decision_engine.metric_map_path)
        if 'grafana' in self.datasources:
            overrides['grafana'] = grafana.configured_metrics(
                overrides.get('grafana', {}))
        for name, section in overrides.items():
            self.metric_map[name].update(section)

    # The helpers, made when needed; tests put their own in their place.

    def _helper(self, name):
        if name not in self._helpers:
            self._helpers[name] = self._makers[name]()
        return self._helpers[name]

    def _set_helper(self, name, helper):
        self._helpers[name] = helper

    gnocchi = property(lambda self: self._helper('gnocchi'),
                       lambda self, helper: self._set_helper(
                           'gnocchi', helper))
    grafana = property(lambda self: self._helper('grafana'),
                       lambda self, helper: self._set_helper(
                           'grafana', helper))
    prometheus = property(lambda self: self._helper('prometheus'),
                          lambda self, helper: self._set_helper(
                              'prometheus', helper))
    aetos = property(lambda self: self._helper('aetos'),
                     lambda self, helper: self._set_helper(
                         'aetos', helper))

    def get_backend(self, metrics: Sequence[str]):
        """Return the first data source that offers all these metrics.

        One that is configured but does not answer is passed over; the log
        and the helper's ``passed_over`` say why.

        :raises: NoDatasourceAvailable if no data source is configured,
            InvalidParameter if no metrics are named, MetricNotAvailable if
            none offers the metrics.
        """
        if not self.datasources:
            raise exception.NoDatasourceAvailable()
        if not metrics:
            raise exception.InvalidParameter(
                _('A data source is chosen by its metrics, but none are '
                  'named.'), parameter='metrics', parameter_type='list')
        passed_over: dict[str, str] = {}
        for name in self.datasources:
            reason, helper = self._try(name, metrics)
            if reason is None:
                helper.passed_over = passed_over
                if passed_over:
                    LOG.warning(
                        'Metrics are read from %(chosen)s, because '
                        '%(reasons)s', {'chosen': name,
                                        'reasons': _joined(passed_over)})
                return helper
            passed_over[name] = reason
        raise exception.MetricNotAvailable(
            # The reasons first: where it is stored the text may be cut.
            _('No data source can be used: %(reasons)s. The metrics needed '
              'are %(metrics)s.') % {'metrics': ', '.join(metrics),
                                     'reasons': _joined(passed_over)},
            metric=', '.join(metrics))

    def _try(self, name, metrics) -> tuple[str | None, Any]:
        """Return why a data source cannot be used, or the source."""
        offered = self.metric_map.get(name)
        if offered is None:
            return _('there is no data source of this name'), None
        lacking = [metric for metric in metrics
                   if offered.get(metric) is None]
        if lacking:
            return _('it has no %s') % ', '.join(lacking), None
        try:
            helper = getattr(self, name)
            state = (base.AVAILABLE if helper.ASKS_WHEN_MADE
                     else helper.check_availability())
        except Exception as exc:
            # Whatever is wrong with one source, the next may work.
            LOG.debug('The data source %s cannot be used', name,
                      exc_info=True)
            return retries.shorten(exc) or type(exc).__name__, None
        if state == base.NOT_AVAILABLE:
            return _('it does not answer, see the log'), None
        helper.METRIC_MAP = offered
        return None, helper

    def load_metric_map(self, path: str | None) -> MetricMap:
        """Read overrides of metric names from a YAML file.

        Parts that cannot be used are left out with a warning.

        :return: data source -> metric -> name in the source, None to turn
            the metric off; empty without a file.
        """
        if not path or not os.path.exists(path):
            return {}
        try:
            with open(path, encoding='utf-8') as source:
                content = yaml.safe_load(source)
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
            LOG.warning('The metric map file %(path)s is ignored, it cannot '
                        'be read: %(error)s', {'path': path, 'error': exc})
            return {}
        if content is None:
            return {}
        sections = _sections(content, path, 'the file')
        return {name: _sections(section, path, name)
                for name, section in sections.items()
                if self._is_known(name, path)}

    def _is_known(self, name, path):
        if name in type(self).metric_map:
            return True
        LOG.warning('%(path)s overrides metrics of %(name)s, which is no '
                    'data source; possible are %(known)s', {
                        'path': path, 'name': name,
                        'known': ', '.join(type(self).metric_map)})
        return False


def _sections(content: Any, path: str, where: str) -> dict:
    """Return a mapping, also from a list of mappings."""
    if isinstance(content, Mapping):
        return dict(content)
    if isinstance(content, list) and all(
            isinstance(item, Mapping) for item in content):
        return {key: value for item in content
                for key, value in item.items()}
    LOG.warning('%(where)s in the metric map file %(path)s is ignored: it '
                'has to map metrics to names', {'where': where,
                                                'path': path})
    return {}


def _joined(reasons: Mapping[str, str]) -> str:
    """Return the reasons as one text; most begin with the name."""
    return '; '.join(
        (reason if reason.startswith(f'{name} ') else f'{name}: {reason}')
        .rstrip('.') for name, reason in reasons.items())
