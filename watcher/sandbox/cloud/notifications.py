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
"""Publishes the changes of the simulated cloud on a message bus."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

import oslo_messaging as messaging
from oslo_config import cfg
from oslo_log import log

from watcher.sandbox.cloud import cinder_notifications
from watcher.sandbox.cloud import ironic_notifications
from watcher.sandbox.cloud import nova_notifications
from watcher.sandbox.cloud import state as cloud_state

LOG = log.getLogger(__name__)

#: Publisher id, event type and payload.
Message = tuple[str, str, dict[str, Any]]

#: How often sending a message is tried again while the bus is away, and
#: seconds that are left for what is not sent when the cloud ends.
RETRIES = 3
PATIENCE = 10.0


class Publisher:
    """Sends what the services of the cloud would send, in that order.

    A bus that stays away costs messages, which the log tells, but neither
    the cloud nor its end.

    :param state: the cloud.
    :param transport_url: the bus, such as ``fake://`` or ``rabbit://...``.
    :param sources: for each service its exchange, its topic, and what makes
        a message of an event and its subject.
    """

    SOURCES = tuple(
        (service.EXCHANGE, service.TOPIC, service.message)
        for service in (nova_notifications, cinder_notifications,
                        ironic_notifications))

    def __init__(self, state: cloud_state.CloudState, transport_url: str,
                 sources: tuple[tuple[str, str, Callable], ...] = SOURCES
                 ) -> None:
        self._queue: queue.Queue[tuple | None] = queue.Queue()
        self._transports = []
        self._sources = []
        for exchange, topic, make in sources:
            conf = cfg.ConfigOpts()
            conf([], default_config_files=[], default_config_dirs=[])
            # The transport takes the exchange when it is made, and parsing
            # registers the option.
            messaging.TransportURL.parse(conf, transport_url)
            conf.set_override('control_exchange', exchange)
            transport = messaging.get_notification_transport(
                conf, url=transport_url)
            self._transports.append(transport)
            self._sources.append((make, messaging.Notifier(
                transport, driver='messagingv2', topics=[topic],
                retry=RETRIES)))
        self._thread = threading.Thread(
            target=self._run, name='sandbox-notifications', daemon=True)
        self._thread.start()
        state.subscribe(self._take)

    def _take(self, event: str, subject: Any) -> None:
        # Under the lock of the cloud: what is told is what is so now.
        for make, notifier in self._sources:
            message = make(event, subject)
            if message is not None:
                self._queue.put((notifier, message))

    def _run(self) -> None:
        while True:
            item = self._queue.get()
            try:
                if item is None:
                    return
                notifier, (publisher, event, payload) = item
                notifier.prepare(publisher_id=publisher).info(
                    {}, event, payload)
            except Exception:
                LOG.exception('A notification of the cloud was not sent')
            finally:
                self._queue.task_done()

    def flush(self) -> None:
        """Wait until everything that has happened is sent."""
        self._queue.join()

    def stop(self, patience: float = PATIENCE) -> None:
        """Send what is left and close the connections.

        :param patience: seconds to wait for a bus that is away.
        """
        self._queue.put(None)
        self._thread.join(patience)
        if self._thread.is_alive():
            LOG.error('The message bus does not answer; %d notifications of '
                      'the cloud are lost', self._queue.qsize())
            return
        for transport in self._transports:
            transport.cleanup()
