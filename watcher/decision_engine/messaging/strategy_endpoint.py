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
"""RPC: what a strategy needs and whether it is there."""

import oslo_messaging as messaging
from oslo_log import log

from watcher._i18n import _
from watcher.common import exception
from watcher.decision_engine.loading import default

LOG = log.getLogger(__name__)

AVAILABLE = 'available'
NOT_AVAILABLE = 'not available'
NO_DATASOURCE = 'Datasource is not presented for this strategy'

#: Property of strategies -> name of the collector.
MODELS = {'compute_model': 'compute', 'storage_model': 'storage',
          'baremetal_model': 'baremetal'}


class StrategyEndpoint:
    """Looks at the requirements of strategies."""

    target = messaging.Target(version='1.0')

    def __init__(self):
        self._loader = default.DefaultStrategyLoader()

    def get_strategy_info(self, context, strategy_name: str) -> list[dict]:
        """Return the state of data source, metrics and models, in order.

        :raises: StrategyNotFound if the strategy is not installed.
        """
        if strategy_name not in self._loader.list_available():
            raise exception.StrategyNotFound(strategy=strategy_name)
        strategy = self._loader.load(strategy_name)
        backend, why_none = _backend(strategy)
        models, unreadable = _model_states(strategy)
        return [
            _entry('Datasource', _datasource_state(backend), True, why_none),
            _entry('Metrics', _metrics_state(strategy, backend), False),
            _entry('CDM', models, True, ' '.join(unreadable)),
        ]


def _entry(type_, state, mandatory, comment='') -> dict:
    return {'type': type_, 'state': state, 'mandatory': mandatory,
            'comment': comment}


def _backend(strategy):
    """The data source an audit would use, or None and why."""
    if not strategy.DATASOURCE_METRICS:
        return None, str(_('The strategy needs no metrics.'))
    try:
        return strategy.datasource_backend, ''
    except exception.WatcherException as exc:
        LOG.info('The strategy %(strategy)s has no data source: %(error)s',
                 {'strategy': strategy.name, 'error': exc})
        return None, str(exc)


def _datasource_state(backend) -> str:
    if backend is None:
        return NO_DATASOURCE
    return f'{backend.NAME}: {backend.check_availability()}'


def _metrics_state(strategy, backend) -> list[dict]:
    if backend is None:
        return []
    # A source that cannot be reached has no metrics to offer.
    known = backend.list_metrics() or ()
    return [_metric_state(backend, metric, known)
            for metric in strategy.DATASOURCE_METRICS]


def _metric_state(backend, metric, known) -> dict:
    if hasattr(backend, 'offers'):
        name, offered = backend.name_of(metric), backend.offers(metric, known)
    else:
        # A source of somebody else that has only the documented calls.
        name = backend.METRIC_MAP.get(metric) or metric
        offered = name in known
    return {name: AVAILABLE if offered else NOT_AVAILABLE}


def _model_states(strategy) -> tuple[list[dict], list[str]]:
    """Return the state of each model, and why those are not available."""
    installed = default.ClusterDataModelCollectorLoader().list_available()
    states, reasons = [], []
    for name, collector in MODELS.items():
        reason = (_unreadable(strategy, name) if collector in installed
                  else _('no collector is installed'))
        states.append({name: NOT_AVAILABLE if reason else AVAILABLE})
        if reason:
            reasons.append(f'{name}: {reason.rstrip(".")}.')
    return states, reasons


def _unreadable(strategy, name: str) -> str:
    """Return why a model cannot be read; empty if it can."""
    try:
        getattr(strategy, name)
    except Exception as exc:
        # Whatever keeps a model from being read is the answer here.
        LOG.info('The %(model)s is not available: %(error)s',
                 {'model': name, 'error': exc})
        return str(exc) or type(exc).__name__
    return ''
