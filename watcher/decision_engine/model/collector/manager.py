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
"""Finds, loads and drives the collectors."""

import threading
from typing import Any

from oslo_config import cfg
from oslo_log import log

from watcher.common import keystone_helper
from watcher.common import periodic
from watcher.common import rpc
from watcher.common import utils
from watcher.decision_engine.loading import default
from watcher.decision_engine.messaging import notification_listener
from watcher.decision_engine.model.collector import base

LOG = log.getLogger(__name__)
CONF = cfg.CONF

#: Collectors of services that not every cloud has: type and name.
OPTIONAL = {'storage': ('block-storage', 'block storage'),
            'baremetal': ('baremetal', 'bare metal')}

#: Seconds between synchronisations of a collector without such an option.
DEFAULT_PERIOD = 3600


class CollectorManager:
    """Entry to the collectors.

    :param osc: the :class:`~watcher.common.clients.OpenStackClients` that
        collectors are given.
    """

    def __init__(self, osc: Any = None):
        self.osc = osc
        self.collector_loader = default.ClusterDataModelCollectorLoader()
        self._lock = threading.Lock()
        self._collectors = None
        self._loops = []
        self._listener = None

    def get_collectors(
            self) -> dict[str, base.BaseClusterDataModelCollector]:
        """Return the configured collectors by name.

        ``storage`` is left out when the cloud has no block storage, and
        ``baremetal`` when it has no bare metal service.

        :raises: LoadingError for an unknown plug-in.
        """
        with self._lock:
            if self._collectors is None:
                self._collectors = utils.Struct(
                    (name, self.get_cluster_model_collector(name))
                    for name in CONF.collector.collector_plugins
                    if name not in OPTIONAL or self._has_service(name))
            return self._collectors

    def missing_service(self, name: str) -> str | None:
        """Return the title of the service that a model lacks in this cloud.

        :returns: None when it lacks none.
        :raises: AuthorizationFailure when Keystone cannot be asked.
        """
        if name not in OPTIONAL or name in self.get_collectors():
            return None
        service_type, title = OPTIONAL[name]
        return None if self._is_enabled(service_type) else title

    def _is_enabled(self, service_type):
        keystone = keystone_helper.KeystoneHelper(osc=self.osc)
        return keystone.is_service_enabled_by_type(service_type)

    def _has_service(self, name):
        if name not in self.collector_loader.list_available():
            LOG.debug('There is no collector of the %s model', name)
            return False
        service_type, title = OPTIONAL[name]
        if self._is_enabled(service_type):
            return True
        LOG.warning('The cloud has no %(title)s service (Keystone lists no '
                    'enabled one of type %(type)s); the %(name)s model is '
                    'left out although [collector] collector_plugins names '
                    'it', {'title': title, 'type': service_type,
                           'name': name})
        return False

    def get_notification_endpoints(self) -> list:
        """Return the endpoints of all configured collectors."""
        return [endpoint for collector in self.get_collectors().values()
                for endpoint in collector.notification_endpoints or ()]

    def get_cluster_model_collector(
            self, name: str,
            osc: Any = None) -> base.BaseClusterDataModelCollector:
        """Return a collector by its entry point name, configured or not.

        :raises: LoadingError
        """
        return self.collector_loader.load(
            name, osc=self.osc if osc is None else osc)

    # Synchronisation ------------------------------------------------------

    def start(self) -> None:
        """Build all configured models now and then once in each period.

        Notifications are listened to before, so that none is missed.
        """
        if rpc.initialized():
            self._listener = notification_listener.NotificationListener(
                self.get_notification_endpoints())
            self._listener.start()
        for name, collector in self.get_collectors().items():
            loop = periodic.Loop(
                f'collector-{name}', collector.synchronize,
                collector.config.get('period') or DEFAULT_PERIOD)
            self._loops.append(loop)
            loop.start()

    def stop(self, timeout: float | None = None) -> None:
        """Take no further message and start no further synchronisation.

        :param timeout: seconds to wait for each that is running.
        """
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.stop(timeout)
        loops, self._loops = self._loops, []
        for loop in loops:
            loop.stop(timeout)
