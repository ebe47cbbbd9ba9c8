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
"""The message bus: transports, RPC servers and clients, notifiers.

``init`` loads the drivers but connects to nothing, so it may run before a
service forks its workers. Everything that connects belongs into the worker.
"""

import functools
import socket
import threading

import oslo_messaging as messaging
from oslo_config import cfg
from oslo_log import log
from oslo_messaging._drivers import common as driver_common
from oslo_messaging.rpc import dispatcher
from oslo_serialization import jsonutils

from watcher.common import context
from watcher.common import exception
from watcher.common import metrics
from watcher.common import pool_stats
from watcher.common import utils

LOG = log.getLogger(__name__)

#: Exceptions of these modules arrive at the caller as what they were.
ALLOWED_EXMODS = [exception.__name__]

#: Methods that the contract documents. A public helper that somebody adds
#: to an endpoint must not become callable from the bus by accident; a new
#: RPC method says so with the decorator ``oslo_messaging.expose``.
DOCUMENTED_METHODS = frozenset({
    'trigger_audit',
    'get_strategy_info',
    'get_data_model_info',
    'launch_action_plan',
})

#: Seconds for the check whether a broker takes connections at all.
PROBE_TIMEOUT = 2.0

#: What JSON has as it is.
_ATOMS = frozenset({str, int, float, bool, type(None)})

#: Attributes of an endpoint that are no methods, although callable.
_PLAIN_ATTRIBUTES = ('target',)

#: Seconds for closing the connections of one transport.
CLEANUP_TIMEOUT = 2.0

#: Code with which brokers refuse to remove a queue with listeners.
_IN_USE = 406

_DEFAULT_PORTS = {'rabbit': 5672, 'kombu': 5672}


class _Bus:
    """The transports of this process."""

    def __init__(self):
        self.lock = threading.RLock()
        self.conf = None
        self.transport = None
        self.notification_transport = None
        self.notifier = None


_BUS = _Bus()


class RequestContextSerializer(messaging.Serializer):
    """Carries JSON-safe arguments and the request context.

    On the receiving side the rebuilt context becomes the current one of the
    thread, so that log lines carry the caller's request id.
    """

    def serialize_entity(self, ctxt, entity):
        """Return the entity in JSON-safe form."""
        return _primitive(entity)

    def deserialize_entity(self, ctxt, entity):
        """Return the entity unchanged."""
        return entity

    def serialize_context(self, ctxt):
        """Return the context as a dictionary."""
        if ctxt is None:
            return {}
        if isinstance(ctxt, dict):
            return ctxt
        return ctxt.to_dict()

    def deserialize_context(self, ctxt):
        """Rebuild the context from whichever keys have arrived."""
        return context.RequestContext.from_dict(ctxt or {})


def _primitive(entity):
    # Plain data takes a short way: the model of a large cloud has a million
    # values, and the library looks at each for a dozen of possible kinds.
    kind = type(entity)
    if kind in _ATOMS:
        return entity
    if kind is list:
        return [_primitive(item) for item in entity]
    if kind is dict and _ATOMS.issuperset(map(type, entity)):
        if _ATOMS.issuperset(map(type, entity.values())):
            return entity
        return {key: value if type(value) in _ATOMS else _primitive(value)
                for key, value in entity.items()}
    return jsonutils.to_primitive(entity, convert_instances=True)


class Running:
    """How many methods of a server run at the moment."""

    def __init__(self):
        self._lock = threading.Lock()
        self.amount = 0

    def __enter__(self):
        with self._lock:
            self.amount += 1

    def __exit__(self, *_error):
        with self._lock:
            self.amount -= 1


class _Endpoint:
    """Calls the endpoint it stands for, and explains expected failures.

    An error that Watcher raises on purpose (an unknown strategy, a lost
    race) is one line in the log; only a bug gets a traceback.
    """

    def __init__(self, endpoint, running):
        self._endpoint = endpoint
        self._running = running

    def __getattr__(self, name):
        attribute = getattr(self._endpoint, name)
        if name in _PLAIN_ATTRIBUTES or not callable(attribute):
            return attribute

        @functools.wraps(attribute)
        def method(*args, **kwargs):
            try:
                with metrics.rpc(name), self._running:
                    return attribute(*args, **kwargs)
            except exception.WatcherException as exc:
                LOG.warning('The RPC method %(name)s ended with %(error)s: '
                            '%(reason)s',
                            {'name': name, 'error': type(exc).__name__,
                             'reason': exc})
                raise messaging.ExpectedException() from exc

        return method


class DocumentedMethodsPolicy(dispatcher.RPCAccessPolicyBase):
    """Lets nothing be called but documented or exposed methods."""

    def is_allowed(self, endpoint, method):
        """Tell whether the method of the endpoint may be called."""
        return (method in DOCUMENTED_METHODS
                or hasattr(getattr(endpoint, method, None), 'exposed'))


def init(conf: cfg.ConfigOpts) -> None:
    """Create the transports; an earlier initialisation is replaced.

    :raises oslo_messaging.DriverLoadFailure: unknown transport
    :raises oslo_messaging.InvalidTransportURL: transport_url not readable
    """
    with _BUS.lock:
        cleanup()
        _BUS.conf = conf
        _BUS.transport = messaging.get_rpc_transport(
            conf, allowed_remote_exmods=ALLOWED_EXMODS)
        _BUS.notification_transport = messaging.get_notification_transport(
            conf, allowed_remote_exmods=ALLOWED_EXMODS)
        # An empty level switches notifications off altogether.
        driver = None if conf.notification_level else 'noop'
        _BUS.notifier = messaging.Notifier(
            _BUS.notification_transport, driver=driver,
            serializer=RequestContextSerializer())


def initialized() -> bool:
    """Tell whether init() was called."""
    return _BUS.transport is not None


def cleanup() -> None:
    """Close the connections of the transports.

    Those that hang on an unreachable broker are left behind.
    """
    with _BUS.lock:
        transports = (_BUS.transport, _BUS.notification_transport)
        _BUS.conf = _BUS.transport = None
        _BUS.notification_transport = _BUS.notifier = None
    for transport in filter(None, transports):
        closer = threading.Thread(target=transport.cleanup, daemon=True,
                                  name='bus-cleanup')
        closer.start()
        closer.join(CLEANUP_TIMEOUT)


def _require(thing):
    if thing is None:
        raise RuntimeError('watcher.common.rpc.init() was not called')
    return thing


def get_transport():
    """Return the RPC transport."""
    return _require(_BUS.transport)


def get_notification_transport():
    """Return the transport of notifications."""
    return _require(_BUS.notification_transport)


def get_server(target: messaging.Target, endpoints: list,
               running: Running | None = None):
    """Return an RPC server, not yet started.

    :param target: topic and server name.
    :param endpoints: objects whose documented methods may be called.
    :param running: counts the methods that run.
    """
    running = running or Running()
    server = messaging.get_rpc_server(
        get_transport(), target, [_Endpoint(e, running) for e in endpoints],
        serializer=RequestContextSerializer(),
        access_policy=DocumentedMethodsPolicy)
    # registered by oslo.messaging together with the server
    size = _BUS.conf.executor_thread_pool_size
    pool_stats.POOLS.watch(
        'rpc', server, lambda _: pool_stats.Load(size, running.amount))
    return server


def get_notification_listener(targets: list[messaging.Target],
                              endpoints: list, pool: str):
    """Return a listener to notifications, not yet started.

    :param targets: exchanges and topics.
    :param endpoints: objects with methods named as priorities.
    :param pool: listeners of one pool share the messages; each pool gets
        all of them.
    """
    return messaging.get_notification_listener(
        get_notification_transport(), targets, endpoints,
        executor='threading', serializer=RequestContextSerializer(),
        allow_requeue=False, pool=pool)


def forget_host(host: str, topic: str, pool: bool = False) -> bool:
    """Remove the queues of a service whose host is gone for good.

    They outlive it, and what is published for a pool of listeners collects
    there until the broker is full. One in which somebody listens stays.

    :param topic: of its RPC server
    :param pool: whether it listened to notifications, see
        :func:`get_notification_listener`
    :returns: false if the broker cannot be asked now
    """
    if not bus_reachable():
        return False
    queues = [(get_transport(), f'{topic}.{host}')]
    if pool:
        queues.append((get_notification_transport(), host))
    used = []
    for transport, queue in queues:
        try:
            _remove_queue(transport, queue)
        except Exception as exc:
            if getattr(exc, 'code', None) == _IN_USE:
                used.append(queue)
                continue
            # The broker does not allow it, for instance.
            LOG.warning('The queue %(queue)s of the host %(host)s, which is '
                        'gone, is not removed: %(reason)s',
                        {'queue': queue, 'host': host,
                         'reason': utils.first_line(exc)})
    if used:
        # The host is frozen, or cut off from the database.
        LOG.info('The host %(host)s still listens to the message bus; its '
                 'queues stay: %(queues)s',
                 {'host': host, 'queues': ', '.join(used)})
    return True


def _remove_queue(transport, queue):
    # oslo.messaging has no call for this, so a connection of its driver is
    # borrowed, which knows how the broker wants to be talked to.
    driver = transport._driver
    if driver._url.transport.split('+')[0] not in _DEFAULT_PORTS:
        return
    with driver._get_connection(driver_common.PURPOSE_LISTEN) as connection:
        connection.ensure_connection()
        connection.channel.queue_delete(queue, if_unused=True)


def get_client(target: messaging.Target, retry: int | None = None):
    """Return an RPC client.

    It waits for answers as long as ``[DEFAULT] rpc_response_timeout``.

    :param retry: how often sending is tried again; None is endless.
    """
    return messaging.get_rpc_client(
        get_transport(), target, retry=retry,
        serializer=RequestContextSerializer())


def get_notifier(publisher_id: str) -> messaging.Notifier:
    """Return the notifier under the name of this publisher."""
    return _require(_BUS.notifier).prepare(publisher_id=publisher_id)


def bus_reachable(timeout: float = PROBE_TIMEOUT) -> bool:
    """Tell whether any broker of transport_url takes TCP connections.

    oslo.messaging waits for a broker without limit, whatever timeout a call
    has; who cannot wait asks here first. In-process buses are always there.

    :param timeout: seconds for all brokers together
    """
    url = messaging.TransportURL.parse(_require(_BUS.conf))
    port = _DEFAULT_PORTS.get(url.transport.split('+')[0])
    if port is None or not url.hosts:
        return True
    each = timeout / len(url.hosts)
    return any(_connects(host.hostname, host.port or port, each)
               for host in url.hosts)


def _connects(host, port, timeout):
    try:
        socket.create_connection((host or 'localhost', port), timeout).close()
    except OSError as exc:
        LOG.debug('No broker answers on %(host)s:%(port)s: %(reason)s',
                  {'host': host, 'port': port, 'reason': exc})
        return False
    return True
