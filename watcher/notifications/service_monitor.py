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
"""Tells when a decision engine or an applier dies or comes back."""

from collections.abc import Callable

from oslo_log import log

from watcher import conf
from watcher import objects
from watcher.common import context as watcher_context
from watcher.common import periodic
from watcher.notifications import service as service_notifications
from watcher.objects import service as service_objects
from watcher.objects import tenure

CONF = conf.CONF
LOG = log.getLogger(__name__)

ACTIVE = service_objects.ServiceStatus.ACTIVE
FAILED = service_objects.ServiceStatus.FAILED


class ServiceMonitor:
    """Watches the services of one name, from one of them.

    Each of them watches all; only the leader, which is the active one whose
    host sorts first, tells of a failure. Who told of a failure also tells of
    the return, leader or not: the first host leads again once it is back,
    but a new process knows nothing of its own failure. The leader also forgets
    hosts that are gone for long, if ``[DEFAULT] service_retention`` is set.

    :param name: ``watcher-decision-engine`` or ``watcher-applier``
    :param tidy: removes what else a forgotten host has left, or returns
        false: then it is tried again later
    """

    def __init__(self, name: str,
                 tidy: Callable[[str], bool] = lambda host: True):
        self._name = name
        self._tidy = tidy
        # By host. Only the thread of the loop uses them.
        self._known: dict[str, str] = {}
        self._told_failed: set[str] = set()
        self._loop = periodic.Loop(
            f'{name}-monitor', self.look, lambda: CONF.periodic_interval,
            initial_delay=CONF.periodic_interval)

    def start(self) -> None:
        """Look every ``[DEFAULT] periodic_interval`` seconds."""
        self._loop.start()

    def stop(self, timeout: float | None = 0.1) -> None:
        """Look no further.

        :param timeout: seconds to wait for a look that is going on
        """
        self._loop.stop(timeout)

    def look(self) -> None:
        """Compare all services with what they were at the last look.

        What is seen for the first time is remembered and not told.
        """
        services = {
            service.host: service for service in objects.Service.list(
                watcher_context.admin_context())
            if service.name == self._name}
        states = {host: service.state for host, service in services.items()}
        leader = min((host for host, state in states.items()
                      if state == ACTIVE), default=None)
        known, self._known = self._known, states
        self._told_failed &= set(states)
        for host, state in sorted(states.items()):
            if known.get(host, state) == state:
                continue
            if state == FAILED:
                self._failed(services[host], leader == CONF.host)
            else:
                self._returned(services[host])
        if leader == CONF.host and CONF.service_retention:
            self._forget_gone()

    def _forget_gone(self) -> None:
        """Remove the records of hosts that will not come back."""
        seconds = max(CONF.service_retention, 2 * CONF.service_down_time)
        for service in tenure.KINDS[self._name].forget_gone(
                watcher_context.admin_context(), seconds, self._tidy):
            self._known.pop(service.host, None)
            LOG.info('%(name)s on host %(host)s is forgotten: it has given '
                     'no sign of life for %(limit)d seconds',
                     {'name': service.name, 'host': service.host,
                      'limit': seconds})

    def _failed(self, service, leading):
        LOG.warning('%(name)s on host %(host)s has given no sign of life '
                    'for %(limit)d seconds', {
                        'name': service.name, 'host': service.host,
                        'limit': CONF.service_down_time})
        if not leading:
            return
        self._told_failed.add(service.host)
        service_notifications.send_service_update(
            watcher_context.admin_context(), service, ACTIVE, FAILED)

    def _returned(self, service):
        LOG.info('%(name)s on host %(host)s is alive again',
                 {'name': service.name, 'host': service.host})
        if service.host not in self._told_failed:
            return
        self._told_failed.discard(service.host)
        service_notifications.send_service_update(
            watcher_context.admin_context(), service, FAILED, ACTIVE)
