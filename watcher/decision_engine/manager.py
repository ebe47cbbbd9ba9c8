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
"""The decision engine: what runs in its process and in which order."""

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from oslo_log import log

from watcher import conf
from watcher import objects
from watcher.common import context as watcher_context
from watcher.common import exception
from watcher.common import keeper
from watcher.common import periodic
from watcher.common import rpc
from watcher.decision_engine import report
from watcher.decision_engine import sync
from watcher.decision_engine.audit import dispatcher
from watcher.decision_engine.followup import efficacy
from watcher.decision_engine.followup import overtaken
from watcher.decision_engine.followup import recommended
from watcher.decision_engine.followup import retention
from watcher.decision_engine.messaging import audit_endpoint
from watcher.decision_engine.messaging import data_model_endpoint
from watcher.decision_engine.messaging import repair_endpoint
from watcher.decision_engine.messaging import strategy_endpoint
from watcher.decision_engine.model.collector import manager as collectors
from watcher.notifications import service_monitor
from watcher.objects import tenure

CONF = conf.CONF
LOG = log.getLogger(__name__)

_LEASES = 'leases'
#: Seconds between attempts to start the collectors.
COLLECTOR_RETRY = 60


class DecisionEngineManager:
    """The parts of one decision engine, built for the service shell.

    The shell calls ``pre_start``, ``start``, ``stop`` and ``reset`` and
    serves ``endpoints`` on ``topic``.
    """

    API_VERSION = '1.0'

    service_name = 'watcher-decision-engine'

    def __init__(self):
        #: Called with the error that ends this process.
        self.on_failure: Callable[[Exception], None] | None = None
        self._keeper = keeper.Keeper(
            'engine-lease', tenure.ENGINE.begin,
            lambda: CONF.watcher_decision_engine.lease_renewal_interval,
            self._on_lease_lost)
        self._dispatcher = dispatcher.AuditDispatcher(
            lease=lambda: self.lease)
        self._expiry = periodic.Loop(
            'action-plan-expiry', _supersede_expired_plans,
            lambda: CONF.watcher_decision_engine.check_periodic_interval)
        self._recommended = periodic.Loop(
            'recommended-plans', recommended.RecommendedPlans().check,
            lambda: CONF.watcher_decision_engine.check_periodic_interval)
        self._overtaken = overtaken.OvertakenPlans()
        self._efficacy = efficacy.EfficacyMeasurement()
        self._retention = retention.Retention()
        self._models = ModelSynchronisation()
        self._monitor = service_monitor.ServiceMonitor(
            self.service_name,
            lambda host: rpc.forget_host(host, self.topic, pool=True))
        self.endpoints = [
            audit_endpoint.AuditEndpoint(self._dispatcher),
            strategy_endpoint.StrategyEndpoint(),
            data_model_endpoint.DataModelEndpoint(),
            repair_endpoint.RepairEndpoint(),
        ]
        report.register()

    @property
    def lease(self) -> objects.Lease | None:
        """What lets this process run audits."""
        return self._keeper.lease

    @property
    def models(self) -> 'ModelSynchronisation':
        """What keeps the cluster models fresh."""
        return self._models

    @property
    def topic(self) -> str:
        """RPC topic on which this engine is called."""
        return CONF.watcher_decision_engine.conductor_topic

    def pre_start(self) -> None:
        """Bring what is stored about plug-ins up to date."""
        sync.sync()
        self._take_lease()

    def _take_lease(self):
        """Take the place of this host; with it audits can be written."""
        if _LEASES in objects.Audit.dbapi.missing_tables():
            LOG.warning('The table %s is missing: engines tell each other '
                        'apart by their signs of life alone. Run '
                        '"watcher-db-manage upgrade"', _LEASES)
            return
        self._keeper.take()
        tenure.ENGINE.forget_long_gone(watcher_context.admin_context())

    def _on_lease_lost(self):
        """Another process has the lease: do nothing any more."""
        error = tenure.ENGINE.why_lost()
        LOG.error('%s', error)
        if self.on_failure is not None:
            self.on_failure(error)

    def start(self) -> None:
        """Begin to work."""
        self._models.start()
        self._expiry.start()
        self._recommended.start()
        self._overtaken.start()
        self._efficacy.start()
        self._retention.start()
        self._monitor.start()
        self._dispatcher.start()

    def stop(self, timeout: float | None = None) -> None:
        """End within the timeout, with all audits in a defined state.

        :param timeout: seconds.
        """
        self._monitor.stop()
        self._retention.stop()
        self._efficacy.stop()
        self._overtaken.stop()
        self._recommended.stop(timeout=0.1)
        self._expiry.stop(timeout=0.1)
        self._models.stop()
        self._dispatcher.stop(timeout)
        self._keeper.release()

    def reset(self) -> None:
        """Use changed options: the loops read them in each round."""


def _supersede_expired_plans() -> None:
    plans = objects.ActionPlan.supersede_expired(
        watcher_context.admin_context())
    for plan in plans:
        LOG.info('Action plan %s is SUPERSEDED: nobody started it in time',
                 plan.uuid)


class ModelSynchronisation:
    """Keeps the cluster models fresh, each at its own period.

    Which models there are may depend on a Keystone that is away at the
    start: then it is asked again later.
    """

    def __init__(self):
        self._collectors = collectors.CollectorManager()
        self._started = False
        self._starter = periodic.Loop(
            'model-collectors', self._start_collectors, COLLECTOR_RETRY)

    @property
    def collectors(self) -> Mapping[str, Any]:
        """The collectors that work, by name; asks nobody for them."""
        return self._collectors.get_collectors() if self._started else {}

    def start(self) -> None:
        """Begin to build the models; returns at once."""
        self._starter.start()

    def stop(self) -> None:
        """Begin no further build; one that is going on is abandoned."""
        self._starter.stop(timeout=0.1)
        self._collectors.stop(timeout=0.1)

    def _start_collectors(self) -> None:
        if self._started:
            return
        try:
            self._collectors.start()
            self._started = True
        except exception.WatcherException as exc:
            LOG.error('The collectors of cluster models cannot be started, '
                      'next attempt in %(pause)d seconds: %(error)s',
                      {'pause': COLLECTOR_RETRY, 'error': exc})
