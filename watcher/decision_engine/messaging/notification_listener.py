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
"""Listens to the notifications of other services."""

import datetime
import threading
import time
from collections.abc import Iterable
from typing import Any

import oslo_messaging as messaging
from oslo_config import cfg
from oslo_log import log

from watcher.common import periodic
from watcher.common import rpc
from watcher.common import utils
from watcher.decision_engine.model import clocks

LOG = log.getLogger(__name__)
CONF = cfg.CONF

#: Seconds between attempts to connect.
RETRY_PAUSES = (1, 2, 5, 10, 30)

#: Publishers of the messages without which the compute model grows old.
NOVA = 'nova-'

ADVICE = (
    'In nova.conf [notifications] notification_format has to be versioned or '
    'both, [oslo_messaging_notifications] driver must not be noop, and '
    '[watcher_decision_engine] notification_topics has to name the exchange '
    'and topic. Until then models are read anew for audits.')


class Statistics:
    """What became of the messages of this process."""

    def __init__(self):
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Begin to count anew."""
        with self._lock:
            self.applied = self.ignored = self.failed = 0
            self.listening: tuple[str, ...] = ()
            self.lag: float | None = None
            self.nova_heard: float | None = None

    def note(self, outcome: str, publisher_id: str,
             metadata: dict[str, Any]) -> None:
        """Count a message.

        :param outcome: applied, ignored or failed.
        """
        lag = _lag(metadata)
        with self._lock:
            setattr(self, outcome, getattr(self, outcome) + 1)
            if lag is not None:
                self.lag = lag
            if publisher_id.startswith(NOVA):
                self.nova_heard = time.monotonic()

    def as_text(self) -> str:
        """Return the figures for people."""
        with self._lock:
            lag = '-' if self.lag is None else '%.1f s' % self.lag
            heard = 'never' if self.nova_heard is None else (
                '%.0f s ago' % (time.monotonic() - self.nova_heard))
            return (f"listening to {', '.join(self.listening) or 'nothing'}; "
                    f'applied {self.applied}, ignored {self.ignored}, '
                    f'failed {self.failed}; age of the last message when it '
                    f'arrived: {lag}; last message of Nova: {heard}')


def _lag(metadata):
    try:
        sent = clocks.utc(metadata['timestamp'])
    except (KeyError, TypeError, ValueError):
        return None
    return (datetime.datetime.now(datetime.UTC) - sent).total_seconds()


#: A process has one listener; reports show this.
STATISTICS = Statistics()


class Distributor:
    """Gives each message to the endpoints that want it.

    To the library it is the only endpoint: an error in one of them does not
    hide the message from the others.
    """

    def __init__(self, endpoints: Iterable[Any],
                 statistics: Statistics = STATISTICS):
        self._endpoints = [(endpoint, getattr(endpoint, 'filter_rule', None))
                           for endpoint in endpoints]
        self._statistics = statistics

    def info(self, ctxt: Any, publisher_id: str, event_type: str,
             payload: Any, metadata: dict[str, Any]) -> None:
        """Take a message."""
        outcome = 'ignored'
        for endpoint, rule in self._endpoints:
            if rule is not None and not rule.match(
                    ctxt, publisher_id, event_type, metadata, payload):
                continue
            try:
                if endpoint.info(ctxt, publisher_id, event_type, payload,
                                 metadata) is not False:
                    outcome = 'applied'
            except ValueError as exc:
                outcome = 'failed'
                LOG.error('A notification is dropped: %s', exc)
            except Exception:
                outcome = 'failed'
                LOG.exception(
                    'The notification %(event)s from %(publisher)s could not '
                    'be handled; it is dropped, and the model may be wrong '
                    'about it until it is read again',
                    {'event': event_type, 'publisher': publisher_id})
        self._statistics.note(outcome, str(publisher_id or ''), metadata)


def targets(topics: Iterable[str]) -> list[messaging.Target]:
    """Return what to listen to.

    :param topics: each ``exchange.topic``, or a topic of our own exchange.
    """
    found = []
    for entry in topics:
        exchange, dot, topic = entry.strip().partition('.')
        if dot:
            found.append(messaging.Target(exchange=exchange, topic=topic))
        elif exchange:
            found.append(messaging.Target(topic=exchange))
    return found


class NotificationListener:
    """Receives notifications from its start to its end.

    Every decision engine gets every message: the pool is named as its host.
    Messages are handled in the order of arrival, one at a time. A broker
    that is away is waited for, without keeping anything else.

    :param endpoints: of the collectors.
    """

    def __init__(self, endpoints: Iterable[Any]):
        self._endpoints = list(endpoints)
        self._server = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._warned = False
        self._since = time.monotonic()
        self._watch = periodic.Loop(
            'notification-silence', self.watch_silence,
            lambda: CONF.watcher_decision_engine.notification_silence / 2)

    @property
    def listening(self) -> bool:
        """Whether messages arrive here."""
        return self._server is not None

    def start(self) -> None:
        """Begin to listen; returns at once."""
        topics = CONF.watcher_decision_engine.notification_topics
        if not targets(topics) or not self._endpoints:
            LOG.warning('Notifications of other services are not listened '
                        'to: %s', '[watcher_decision_engine] '
                        'notification_topics is empty' if self._endpoints
                        else 'no model wants any')
            return
        STATISTICS.clear()
        self._since = time.monotonic()
        threading.Thread(target=self._connect, args=(topics,), daemon=True,
                         name='notification-listener-start').start()
        self._watch.start()

    def stop(self, timeout: float | None = None) -> None:
        """Take no further message.

        :param timeout: seconds to wait for the one that is being handled.
        """
        self._stopping.set()
        self._watch.stop(timeout)
        with self._lock:
            server, self._server = self._server, None
        if server is None:
            return
        ending = threading.Thread(target=self._end, args=(server,),
                                  daemon=True,
                                  name='notification-listener-stop')
        ending.start()
        ending.join(timeout)

    def _connect(self, topics):
        attempt = 0
        while not self._stopping.is_set():
            try:
                server = rpc.get_notification_listener(
                    targets(topics), [Distributor(self._endpoints)],
                    pool=CONF.host)
                # One worker, or messages would overtake each other.
                server.start(override_pool_size=1)
            except Exception as exc:
                pause = RETRY_PAUSES[min(attempt, len(RETRY_PAUSES) - 1)]
                attempt += 1
                LOG.error('Notifications cannot be received: %(reason)s. '
                          'Check transport_url and the broker. Next attempt '
                          'in %(pause)d seconds.',
                          {'reason': utils.first_line(exc), 'pause': pause})
                self._stopping.wait(pause)
                continue
            self._take(server, topics)
            return

    def _take(self, server, topics):
        with self._lock:
            if not self._stopping.is_set():
                self._server = server
                STATISTICS.listening = tuple(topics)
                LOG.info('Listening to the notifications of %(topics)s, '
                         'queue %(pool)s',
                         {'topics': ', '.join(topics), 'pool': CONF.host})
                return
        self._end(server)

    @staticmethod
    def _end(server):
        try:
            server.stop()
            server.wait()
        except Exception as exc:
            LOG.warning('The notification listener did not stop cleanly: %s',
                        utils.first_line(exc))

    def watch_silence(self) -> None:
        """Warn once when Nova has not been heard for long."""
        limit = CONF.watcher_decision_engine.notification_silence
        heard = STATISTICS.nova_heard
        silent = time.monotonic() - (self._since if heard is None else heard)
        if silent < limit:
            self._warned = False
        elif not self._warned:
            self._warned = True
            LOG.warning('No notification of Nova has arrived for '
                        '%(seconds)d seconds. If servers were changed in '
                        'this time, check the configuration: %(advice)s',
                        {'seconds': silent, 'advice': ADVICE})
