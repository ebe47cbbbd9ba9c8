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
"""What a decision engine tells Prometheus when it is asked."""

import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from prometheus_client import core

from watcher.common import health
from watcher.decision_engine.messaging import notification_listener
from watcher.decision_engine.model import cluster
from watcher.objects import figures
from watcher.objects import needs

#: The model without which hardly any strategy works.
COMPUTE = 'compute'


def collectors_of(engine: Any) -> tuple[Any, ...]:
    """Return what offers the figures of this engine.

    :param engine: the manager of the decision engine
    """
    return (figures.Stored(figures.read_audits), figures.Lease(engine),
            ModelFigures(lambda: engine.models.collectors),
            NotificationFigures())


def checks_of(engine: Any) -> dict[str, Callable[[], health.Finding]]:
    """Return what this engine needs to be ready.

    :param engine: the manager of the decision engine
    """
    return {**needs.of_engine(engine),
            'models': lambda: _models_ready(engine.models.collectors)}


def _models_ready(collectors: Mapping[str, Any]) -> health.Finding:
    """Tell whether audits find a model of the computing hosts.

    Not every cloud has volumes or bare machines that Watcher can see.
    """
    facts = {name: _described(collector.current_model)
             for name, collector in collectors.items()}
    wanted = facts.get(COMPUTE, {'usable': True} if facts
                       else {'usable': False})
    return health.Finding(wanted['usable'], facts=facts)


def _described(model: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {'usable': bool(model)}
    if model and isinstance(model, cluster.ClusterModel):
        facts['age'] = None if model.age is None else round(model.age, 1)
        facts['incomplete_hosts'] = len(model.incomplete_nodes)
    return facts


class ModelFigures:
    """The cluster models, as they are in memory: nothing is read for it.

    :param collectors: returns the collectors by name
    """

    def __init__(self, collectors: Callable[[], Mapping[str, Any]]) -> None:
        self._collectors = collectors

    def collect(self) -> Iterator[core.Metric]:
        """Return the metrics as they are now."""
        age = _gauge('watcher_model_age_seconds',
                     'Time since the model was read from the cloud. '
                     'Notifications keep it up to date in between.')
        took = _gauge('watcher_model_build_seconds',
                      'How long the last complete reading took.')
        usable = _gauge('watcher_model_usable',
                        '1 while audits can use the model, 0 before the '
                        'first reading and while it is stale.')
        missing = _gauge('watcher_model_incomplete_hosts',
                         'Hosts of which something could not be read.')
        size = core.GaugeMetricFamily(
            'watcher_model_elements', 'Elements of the model.',
            labels=('model', 'kind'))
        for name, collector in self._collectors().items():
            model = collector.current_model
            usable.add_metric((name,), float(bool(model)))
            if collector.took is not None:
                took.add_metric((name,), collector.took)
            # Models of third parties may be anything.
            if model and isinstance(model, cluster.ClusterModel):
                if model.age is not None:
                    age.add_metric((name,), model.age)
                missing.add_metric((name,), len(model.incomplete_nodes))
                for kind, amount in model.sizes.items():
                    size.add_metric((name, kind), amount)
        yield from (age, took, usable, missing, size)


def _gauge(name, text):
    return core.GaugeMetricFamily(name, text, labels=('model',))


class NotificationFigures:
    """The messages of other services that have arrived."""

    def __init__(self, statistics: notification_listener.Statistics =
                 notification_listener.STATISTICS) -> None:
        self._statistics = statistics

    def collect(self) -> Iterator[core.Metric]:
        """Return the metrics as they are now."""
        told = self._statistics
        messages = core.CounterMetricFamily(
            'watcher_notifications',
            'Notifications of other services, by what became of them.',
            labels=('outcome',))
        for outcome in ('applied', 'ignored', 'failed'):
            messages.add_metric((outcome,), getattr(told, outcome))
        yield messages
        yield core.GaugeMetricFamily(
            'watcher_notifications_topics',
            'Topics that are listened to; 0 while there is no connection.',
            value=len(told.listening))
        if told.lag is not None:
            yield core.GaugeMetricFamily(
                'watcher_notification_lag_seconds',
                'Age of the last notification when it arrived.',
                value=told.lag)
        if told.nova_heard is not None:
            yield core.GaugeMetricFamily(
                'watcher_nova_silence_seconds',
                'Time since the last notification of Nova.',
                value=time.monotonic() - told.nova_heard)
