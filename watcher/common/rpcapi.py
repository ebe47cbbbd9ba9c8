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
"""What one service of Watcher asks another one over the bus.

Casts are nudges: what has to be done stands in the database, and the engines
find it there. So a cast that cannot be sent is logged and reported, never
raised. Nothing here waits longer than it says, even with a dead broker.

Who is nudged goes on at once and tells the bus about it, from another
process. ``before_casts`` takes what has to be on the bus by then.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import oslo_messaging as messaging
from oslo_log import log

from watcher import conf
from watcher._i18n import _
from watcher.common import exception
from watcher.common import metrics
from watcher.common import rpc
from watcher.common import utils

CONF = conf.CONF

LOG = log.getLogger(__name__)

#: Version of the RPC methods, unless a call needs a later one.
API_VERSION = '1.0'

#: The version that describes data models.
DESCRIBED_MODEL = '1.1'

#: The version that has plans undone and repeated.
REPAIR = '1.2'

#: One more try, because the connection taken from the pool may be one that
#: died with an earlier broker.
CAST_RETRY = 1

#: Seconds a cast may take before the caller goes on without knowing.
CAST_TIMEOUT = 5.0

#: Seconds for which nobody waits for casts after one that was not sent. They
#: are tried all the same; the first that is sent ends this.
OUTAGE = 30.0

#: Seconds that a call may last beyond its own timeout.
CALL_GRACE = 2.0

#: HTTP status of a call that nobody answered. Not 503: on that clients ask
#: again several times, each time waiting for the whole timeout.
GATEWAY_TIMEOUT = 504

#: Threads that may hang on an unreachable broker at the same time.
MAX_PENDING = 32

_pending = threading.BoundedSemaphore(MAX_PENDING)

# Replaced as a whole under the lock, so that casts need none.
_lock = threading.Lock()
_first: tuple[Callable[[], Any], ...] = ()


def before_casts(hook: Callable[[], Any]) -> None:
    """Call the hook before each cast from now on; twice has no effect.

    It delays the cast for as long as it runs. What it raises is logged.
    """
    global _first
    with _lock:
        if hook not in _first:
            _first += (hook,)


def forget_before_casts(hook: Callable[[], Any]) -> None:
    """Call the hook no more."""
    global _first
    with _lock:
        _first = tuple(item for item in _first if item is not hook)


def _call_hooks():
    for hook in _first:
        try:
            hook()
        except Exception:
            LOG.exception('What goes before a message failed; the message '
                          'is sent nevertheless')


class _Outage:
    """Whether the broker just took no message.

    Without this every request of the API would wait for a dead broker.
    """

    def __init__(self) -> None:
        # Replaced as a whole: whoever reads it needs no lock.
        self._of: tuple[Any, float] | None = None

    def begin(self, transport: Any) -> None:
        """A message was not sent."""
        self._of = (transport, time.monotonic() + OUTAGE)

    def end(self) -> None:
        """A message was sent."""
        self._of = None

    def lasts(self, transport: Any) -> bool:
        """Tell whether it is of no use to wait for this transport."""
        known = self._of
        return (known is not None and known[0] is transport
                and time.monotonic() < known[1])


_outage = _Outage()


class _Outcome:
    """Runs a function in a thread, to be waited for with a limit."""

    def __init__(self, name, func, context, slots):
        self._func = func
        self._slots = slots
        self._context = context
        self._done = threading.Event()
        self._result = None
        self._error = None
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def _run(self):
        try:
            if hasattr(self._context, 'update_store'):
                self._context.update_store()
            self._result = self._func()
        except BaseException as exc:
            self._error = exc
        finally:
            self._slots.release()
            self._done.set()

    def wait(self, timeout):
        if not self._done.wait(timeout):
            raise TimeoutError(
                _('no success within %s seconds') % timeout)
        if self._error is not None:
            raise self._error
        return self._result


def _run_bounded(name, func, context, timeout):
    slots = _pending
    if not slots.acquire(blocking=False):
        raise TimeoutError(
            _('%s messages are waiting already') % MAX_PENDING)
    return _Outcome(name, func, context, slots).wait(timeout)


class BaseAPI:
    """Client side of one service."""

    service_name = None

    @property
    def topic(self) -> str:
        """Topic on which the service listens."""
        raise NotImplementedError

    def _client(self, **kwargs):
        target = messaging.Target(topic=self.topic, version=API_VERSION)
        return rpc.get_client(target, **kwargs)

    def _cast(self, context, method, patience=None, **kwargs) -> bool:
        _call_hooks()
        transport = rpc.get_transport()
        client = self._client(retry=CAST_RETRY)

        def send():
            client.cast(context, method, **kwargs)
            _outage.end()

        if _outage.lasts(transport):
            patience = 0
        try:
            with metrics.asking(self.service_name, method, (TimeoutError,)):
                _run_bounded(f'cast-{method}', send, context,
                             CAST_TIMEOUT if patience is None else patience)
        except Exception as exc:
            reason = exc
            if patience == 0:
                # Not prolonged: some time somebody has to wait again.
                reason = _('the broker did not take an earlier one, so '
                           'nobody waits for this one')
            else:
                _outage.begin(transport)
            LOG.warning(
                'The message %(method)s %(arguments)s to %(service)s was not '
                'sent: %(reason)s. Check the message broker. Work that '
                'stands in the database is found there by %(service)s.',
                {'method': method, 'arguments': kwargs,
                 'service': self.service_name, 'reason': reason})
            return False
        return True

    def _call(self, context, method, **kwargs) -> Any:
        with metrics.asking(self.service_name, method,
                            (exception.ServiceUnavailable,)):
            return self._ask(context, method, **kwargs)

    def _ask(self, context, method, version=API_VERSION, **kwargs) -> Any:
        if not rpc.bus_reachable():
            raise self._unavailable(_('the message broker does not answer'))
        client = self._client(retry=CAST_RETRY).prepare(version=version)
        # registered by oslo.messaging together with the client
        timeout = CONF.rpc_response_timeout
        try:
            return _run_bounded(
                f'call-{method}',
                lambda: client.call(context, method, **kwargs),
                context, timeout + CALL_GRACE)
        except (messaging.MessagingTimeout, TimeoutError) as exc:
            raise self._unavailable(
                _('no answer within %s seconds') % timeout,
                code=GATEWAY_TIMEOUT) from exc
        except messaging.UnsupportedVersion as exc:
            raise self._too_old(method, version) from exc
        except messaging.RemoteError as exc:
            if exc.exc_type == messaging.UnsupportedVersion.__name__:
                raise self._too_old(method, version) from exc
            raise self._remote_failure(exc.exc_type) from exc
        except exception.WatcherException as exc:
            raise _without_traceback(exc) from exc
        except Exception as exc:
            if not _from_broker(exc):
                raise self._remote_failure(type(exc).__name__) from exc
            LOG.warning('The call %(method)s to %(service)s failed in the '
                        'message broker: %(reason)s',
                        {'method': method, 'service': self.service_name,
                         'reason': exc})
            raise self._unavailable(_('the message broker failed')) from exc

    def _too_old(self, method, version):
        # During a rolling upgrade engines of both releases answer by turns.
        return exception.RemoteTooOld(service=self.service_name,
                                      method=method, version=version)

    def _remote_failure(self, name):
        return exception.WatcherException(
            _('%(service)s failed while answering: %(name)s. Its log tells '
              'more.') % {'service': self.service_name, 'name': name})

    def _unavailable(self, reason, **kwargs):
        return exception.ServiceUnavailable(
            service=self.service_name, reason=reason, **kwargs)


def _from_broker(exc):
    # Drivers let the errors of their libraries through as they are.
    library = type(exc).__module__.partition('.')[0]
    return (library in ('amqp', 'kombu', 'oslo_messaging')
            or isinstance(exc, OSError))


def _without_traceback(exc):
    """Return the exception that the remote side raised, in its own class."""
    if not type(exc).__name__.endswith('_Remote'):
        return exc
    original = type(exc).__bases__[0]
    return original(*exc.args, **exc.kwargs)


class DecisionEngineAPI(BaseAPI):
    """What the decision engine offers."""

    service_name = 'watcher-decision-engine'

    @property
    def topic(self) -> str:
        """Topic of the decision engine."""
        return CONF.watcher_decision_engine.conductor_topic

    def trigger_audit(self, context, audit_uuid: str,
                      patience: float | None = None) -> bool:
        """Tell the engine that the audit waits; False if that failed.

        :param patience: seconds to wait for the broker, if not the usual
        :raises: InvalidUuidOrName
        """
        _check_uuid(audit_uuid)
        return self._cast(context, 'trigger_audit', patience,
                          audit_uuid=audit_uuid)

    def get_strategy_info(self, context, strategy_name: str) -> list:
        """Return the state of what the strategy needs.

        :raises: ServiceUnavailable
        """
        return self._call(context, 'get_strategy_info',
                          strategy_name=strategy_name)

    def get_data_model_info(self, context, data_model_type: str = 'compute',
                            audit: str | None = None,
                            described: bool = False) -> dict:
        """Return the cluster data model in its flat form.

        :param audit: reduce it to the scope of this audit.
        :param described: also tell how fresh its parts are, and about the
            model itself.
        :raises: ServiceUnavailable, RemoteTooOld
        """
        wanted = {'data_model_type': data_model_type, 'audit': audit}
        if described:
            # Engines of older releases get the call that they know.
            wanted.update(version=DESCRIBED_MODEL, described=True)
        return self._call(context, 'get_data_model_info', **wanted)

    def repair_action_plan(self, context, action_plan_uuid: str,
                           kind: str) -> str:
        """Have a plan made that undoes or repeats another one.

        :param kind: ``rollback`` or ``retry``.
        :returns: the UUID of the new plan.
        :raises: RepairRefused with the reason, ActionPlanNotFound,
            ServiceUnavailable, RemoteTooOld
        """
        _check_uuid(action_plan_uuid)
        return self._call(context, 'repair_action_plan', version=REPAIR,
                          action_plan_uuid=action_plan_uuid, kind=kind)


class ApplierAPI(BaseAPI):
    """What the applier offers."""

    service_name = 'watcher-applier'

    @property
    def topic(self) -> str:
        """Topic of the applier."""
        return CONF.watcher_applier.conductor_topic

    def launch_action_plan(self, context, action_plan_uuid: str) -> bool:
        """Tell the applier that the plan waits; False if that failed.

        :raises: InvalidUuidOrName
        """
        _check_uuid(action_plan_uuid)
        return self._cast(context, 'launch_action_plan',
                          action_plan_uuid=action_plan_uuid)


def _check_uuid(value):
    if not utils.is_uuid_like(value):
        raise exception.InvalidUuidOrName(name=value)
