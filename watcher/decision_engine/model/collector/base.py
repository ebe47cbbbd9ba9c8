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
"""Collectors: read the cluster, keep the model, give out copies.

A collector keeps one model of the whole cluster for all audits; what an
audit may see of it is the matter of a scope handler, which works on the
audit's own copy.
"""

import abc
import contextlib
import copy
import datetime
import threading
import time
from collections.abc import Callable
from typing import Any

from oslo_config import cfg
from oslo_log import log

from watcher._i18n import _
from watcher.common import exception
from watcher.common import slow
from watcher.common.loader import loadable
from watcher.decision_engine.model import base
from watcher.decision_engine.model import cluster
from watcher.decision_engine.model import model_root
from watcher.decision_engine.model.collector import last_known

LOG = log.getLogger(__name__)
CONF = cfg.CONF

#: Seconds after a failed build during which readers get its error at once
#: instead of asking a service again that just failed.
FAILURE_PAUSE = 2.0

#: Seconds after which the log says that a model is still being read. More
#: where the last reading took long, too, up to the second value.
SLOW_AFTER = 10.0
SLOW_AT_MOST = 60.0

#: So many messages that come during one build are kept.
JOURNAL_LIMIT = 200000

# Errors that another try a second later cannot cure.
_LASTING = (exception.AuthorizationFailure, exception.Invalid)
_REFUSED = (400, 401, 403, 404)


class BaseClusterDataModelCollector(loadable.LoadableSingleton,
                                    metaclass=abc.ABCMeta):
    """Base of all collectors; one object for each class and process.

    :param config: the collector's own options.
    :param osc: the :class:`~watcher.common.clients.OpenStackClients` to use.
    :ivar lock: protects the reference to the model; held for moments only.
    :ivar sync_lock: held while a notification is applied and while a model
        that has been built becomes the current one. Readers do not take it.
    """

    #: Shown in error messages; the entry point name of the collector.
    name = 'compute'

    #: JSON schema of the part of an audit scope that is named after the
    #: collector; None when it has no scope of its own.
    SCHEMA: dict | None = None

    #: Replaces a model that could not be refreshed.
    STALE_MODEL = model_root.ModelRoot(stale=True)

    #: Seconds that a model may be old when an audit asks for it. While no
    #: notification keeps it up to date, an audit has to see what is true
    #: now; audits that start together still share one reading. None means
    #: that the model is only refreshed by the period. A collector may make
    #: it an option.
    freshness: float | None = None

    #: Options of the group ``collector`` that limit how long a reading lasts.
    LIMITS: tuple[str, ...] = ('api_query_max_retries', 'api_query_interval')

    #: Help of the option ``max_age``, by which operators change
    #: :attr:`freshness`; collectors without it have no such option.
    MAX_AGE_HELP = ''

    def __init__(self, config: Any, osc: Any = None):
        super().__init__(config)
        if self.MAX_AGE_HELP:
            self.freshness = (config or {}).get('max_age', self.freshness)
        self.osc = osc
        self.lock = threading.RLock()
        self.sync_lock = threading.RLock()
        self._cluster_data_model = None
        # Read by third-party collectors.
        self._audit_scope_handler = None
        self._data_model_scope = None
        # Of the last build: monotonic start, and its error if it failed.
        self._built = None
        self._failure: tuple[float, Exception] | None = None
        # When the latest build began, and how long the last good one took.
        self._begun_at = datetime.datetime.now(datetime.UTC)
        self._took: float | None = None
        # How many models have been built; each knows its number.
        self._builds = 0
        #: For builders: what is used when a part cannot be read.
        self.last_known = last_known.LastKnown()
        # One build at a time; others wait for it and share its result.
        self._build_lock = threading.RLock()
        # While a model is built: what was told meanwhile, in that order.
        self._journal: list[Callable[[], Any]] | None = None
        # The model that is told what happened while it was built.
        self._catching_up: base.Model | None = None
        self._told: float | None = None

    @classmethod
    def get_config_opts(cls) -> list[cfg.Opt]:
        """Return the options of the collector."""
        options = [
            cfg.IntOpt(
                'period',
                default=3600,
                help="""
Seconds between two full readings of the cluster into this model.
"""),
        ]
        if cls.MAX_AGE_HELP:
            options.append(cfg.FloatOpt(
                'max_age', default=cls.freshness, min=0,
                help=cls.MAX_AGE_HELP))
        return options

    # For plug-ins ---------------------------------------------------------

    @abc.abstractmethod
    def execute(self) -> base.Model | None:
        """Build and return a complete model.

        :returns: None while it cannot be built yet.
        """

    @property
    @abc.abstractmethod
    def notification_endpoints(self) -> list:
        """Endpoints that keep the model up to date between builds."""

    @abc.abstractmethod
    def get_audit_scope_handler(self, audit_scope: list | None) -> Any:
        """Return the object that reduces a model to an audit's scope."""

    # The model ------------------------------------------------------------

    @property
    def cluster_data_model(self) -> base.Model | None:
        """The current model itself, built when there is none.

        For notification endpoints, which change it. Readers use
        :meth:`get_latest_cluster_data_model`.
        """
        with self.lock:
            model = self._cluster_data_model
        if model is None:
            model = self._refresh(lambda: self._cluster_data_model is None)
        return model

    @cluster_data_model.setter
    def cluster_data_model(self, model: base.Model | None) -> None:
        with self.lock:
            self._cluster_data_model = model

    @property
    def current_model(self) -> base.Model | None:
        """The current model as it is; None when there is none."""
        with self.lock:
            return self._cluster_data_model

    @property
    def last_failure(self) -> str | None:
        """Why the last build failed; None when it did not."""
        failure = self._failure
        return None if failure is None else str(failure[1])

    @property
    def took(self) -> float | None:
        """How many seconds the last good build took; None before it."""
        return self._took

    @property
    def age_limit(self) -> float | None:
        """Seconds that the model may be old when an audit asks for it now.

        A collector may allow more than :attr:`freshness` while it is told of
        changes. None is no limit.
        """
        return self.freshness

    def get_latest_cluster_data_model(
            self, max_age: float | None = None) -> base.Model:
        """Return a copy of the model that belongs to the caller.

        A missing, stale or too old model is built first; readers that come
        meanwhile wait for that build and share it.

        :param max_age: seconds; default is :attr:`age_limit`.
        :raises: ClusterDataModelCollectionError with the reason when it
            cannot be built, ClusterStateNotDefined when the collector has
            nothing to build yet.
        """
        limit = self.age_limit if max_age is None else max_age
        needed = None if limit is None else time.monotonic() - limit

        def outdated():
            model = self._cluster_data_model
            if model is None or not model:
                return True
            return (needed is not None
                    and (self._built is None or self._built < needed))
        with self.lock:
            refresh = outdated()
        if refresh:
            self._refresh(outdated)
        with self.lock:
            model = self._cluster_data_model
            if model is None:
                raise exception.ClusterStateNotDefined()
            return self._copy(model)

    @staticmethod
    def _copy(model):
        if hasattr(model, 'copy') and isinstance(
                model, model_root.ModelRoot):
            return model.copy()
        return copy.deepcopy(model)

    def _refresh(self, needed: Callable[[], bool]) -> base.Model | None:
        """Build a model unless another thread has just done so.

        :raises: ClusterDataModelCollectionError
        """
        if self.sync_lock._is_owned():
            # Who handles a message takes the model as it is: a build would
            # need the lock that this thread has.
            return self.current_model
        with self._turn_to_build():
            with self.lock:
                if not needed():
                    return self._cluster_data_model
            if self._failure is not None:
                failed_at, error = self._failure
                if time.monotonic() - failed_at < FAILURE_PAUSE:
                    raise self._collection_error(error) from error
            try:
                return self._build()
            except Exception as exc:
                raise self._collection_error(exc) from exc

    @contextlib.contextmanager
    def _turn_to_build(self):
        """Hold the right to build; say so when others need it for long."""
        if not self._build_lock.acquire(blocking=False):
            with slow.notice(self._slow_after, self._tell_waiting):
                self._build_lock.acquire()
        try:
            yield
        finally:
            self._build_lock.release()

    @property
    def _slow_after(self):
        usual = 2 * (self._took or 0)
        return min(max(SLOW_AFTER, usual), SLOW_AT_MOST)

    def _tell_waiting(self):
        LOG.warning('Still waiting for the %(name)s model, which is being '
                    'read for somebody else since %(since)s',
                    {'name': self.name, 'since': self._since})

    def _tell_slow(self):
        """Say what a reading waits for, and how long that may go on."""
        usual = '' if self._took is None else (
            f', longer than the last one ({self._took:.1f} seconds)')
        limits = ', '.join(f'{name} = {CONF.collector[name]}'
                           for name in self.LIMITS)
        LOG.warning('Reading the %(name)s model takes long: since %(since)s'
                    '%(usual)s. The request open for longest: %(what)s. What '
                    'fails is repeated within the limits of [collector]: '
                    '%(limits)s. Audits that need the model wait for it.',
                    {'name': self.name, 'since': self._since,
                     'usual': usual, 'limits': limits,
                     'what': slow.REQUESTS.oldest() or 'none, the next try '
                     'comes soon'})

    @property
    def _since(self):
        return f'{self._begun_at:%H:%M:%S} UTC'

    def _build(self):
        """Build a model and make it the current one; needs _build_lock."""
        with slow.notice(self._slow_after, self._tell_slow):
            return self._read_and_publish()

    def _read_and_publish(self):
        started = time.monotonic()
        begun_at = datetime.datetime.now(datetime.UTC)
        self._begun_at = begun_at
        with self.sync_lock:
            self._journal = []
            heard = self._view_of_clocks()
        try:
            model = self.execute()
        except Exception as exc:
            self._failure = (time.monotonic(), exc)
            raise
        else:
            self._failure = None
            if model is None:
                return None
            if getattr(model, 'built_at', begun_at) is None:
                model.built_at = begun_at
            self._builds += 1
            if isinstance(model, cluster.ClusterModel):
                model.version = self._builds
            caught_up = self._publish(model, started, heard)
        finally:
            with self.sync_lock:
                self._journal = None
        self._took = time.monotonic() - started
        LOG.info('The %(name)s model was built in %(seconds).1f seconds; '
                 '%(changes)d changes of that time are in it',
                 {'name': self.name, 'changes': caught_up,
                  'seconds': self._took})
        return model

    def _view_of_clocks(self):
        """Return what tells how new everything heard until now is."""
        model = self.current_model
        if model and hasattr(model, 'inherit_clocks'):
            return self._copy(model)
        return None

    def _publish(self, model, started, heard):
        """Tell a model what happened meanwhile and make it current.

        :param heard: view of the model before it, taken when the journal
            was opened.
        :returns: how many messages it was told.
        """
        with self.sync_lock:
            journal, self._journal = self._journal, None
            if heard is not None and hasattr(model, 'inherit_clocks'):
                # Otherwise a message that comes late would undo one that
                # is older than this build. What was heard since then is in
                # the journal; inherited as well, it would make the first of
                # two messages about one element look late.
                model.inherit_clocks(heard)
            self._catching_up = model
            try:
                for change in journal:
                    self._catch_up(change)
            finally:
                self._catching_up = None
            with self.lock:
                self._cluster_data_model = model
                self._built = started
                if len(journal) >= JOURNAL_LIMIT:
                    LOG.warning(
                        'More than %(limit)d messages came while the '
                        '%(name)s model was read. Some are not in it; the '
                        'next audit reads it anew.',
                        {'limit': JOURNAL_LIMIT, 'name': self.name})
                    self._built = None
        return len(journal)

    # Notifications --------------------------------------------------------

    @property
    def notified_model(self) -> base.Model | None:
        """The model that a notification changes; never builds one."""
        return self._catching_up or self.current_model

    @property
    def told_ago(self) -> float | None:
        """Seconds since the last notification; None: there was none."""
        told = self._told
        return None if told is None else time.monotonic() - told

    def deliver(self, change: Callable[[], Any]) -> bool:
        """Make a change that a notification tells of.

        While a model is being built, the change is made to the current one
        and later to the new one before that becomes current.

        :param change: changes :attr:`notified_model`, and can be called
            twice. It holds the lock of the model while readers must not see
            it, and never while it asks other services.
        :returns: False when there is no model now nor soon.
        """
        with self.sync_lock:
            self._told = time.monotonic()
            pending = self._journal is not None
            if pending and len(self._journal) < JOURNAL_LIMIT:
                self._journal.append(change)
            model = self.notified_model
            if not model:
                return pending
            change()
        return True

    def _catch_up(self, change):
        try:
            change()
        except Exception:
            LOG.exception('A message that came while the %s model was read '
                          'could not be applied to it', self.name)

    def _collection_error(self, error):
        return exception.ClusterDataModelCollectionError(
            _("The cluster data model '%(cdm)s' could not be built: "
              '%(reason)s') % {'cdm': self.name, 'reason': error},
            cdm=self.name)

    def synchronize(self) -> None:
        """Build the model anew.

        When that fails, the present one is kept for ``[collector]
        stale_after`` seconds after it was read; then it becomes stale.
        """
        with self._build_lock:
            try:
                self._build()
            except Exception as exc:
                age = self._age_of_good_model()
                if age is not None and age < CONF.collector.stale_after:
                    LOG.error(
                        'The %(name)s model cannot be refreshed: %(reason)s. '
                        'The one that was read %(age)d seconds ago is kept, '
                        'for %(left)d seconds more.',
                        {'name': self.name, 'reason': exc, 'age': age,
                         'left': CONF.collector.stale_after - age})
                    return
                LOG.error(
                    'The %(name)s model cannot be refreshed and is stale '
                    'now; the next audit tries again: %(reason)s',
                    {'name': self.name, 'reason': exc},
                    exc_info=not isinstance(
                        exc, exception.WatcherException))
                self.set_cluster_data_model_as_stale()

    def _age_of_good_model(self):
        """Return seconds since it was read; None when there is none."""
        with self.lock:
            if not self._cluster_data_model or self._built is None:
                return None
            return time.monotonic() - self._built

    def set_cluster_data_model_as_stale(self) -> None:
        """Replace the model by an empty one that counts as false."""
        self.cluster_data_model = self.STALE_MODEL


def _is_refusal(error: Exception) -> bool:
    """Tell whether a service declined the request, or does not exist."""
    facts = getattr(error, 'kwargs', {})
    return (facts.get('http_status') in _REFUSED
            or bool(facts.get('no_endpoint')))


class BaseModelBuilder(metaclass=abc.ABCMeta):
    """Base of what reads a cluster and builds its model."""

    #: Kinds of failures that were told in the log.
    _told: frozenset[type[Exception]] = frozenset()

    @property
    def time_limit(self) -> float | None:
        """Seconds after which a failing call is not repeated any more."""
        return None

    @abc.abstractmethod
    def execute(self, model_scope: list | None = None) -> base.Model:
        """Build and return the model.

        :param model_scope: audit scope; builders may read more than it.
        """

    @abc.abstractmethod
    def call_retry_reset(self, exc: Exception) -> None:
        """Repair what may be broken after a failed call."""

    def call_retry(self, f: Callable, *args: Any, **kwargs: Any) -> Any:
        """Call ``f`` up to ``[collector] api_query_max_retries`` times.

        Between the calls it waits ``api_query_interval`` seconds. An error
        that cannot go away by itself is not tried again, nor is any after
        :attr:`time_limit`.

        :raises: the last error.
        """
        tries = CONF.collector.api_query_max_retries
        pause = CONF.collector.api_query_interval
        begun, limit = time.monotonic(), self.time_limit
        for attempt in range(1, tries + 1):
            try:
                return f(*args, **kwargs)
            except _LASTING:
                raise
            except Exception as exc:
                late = (limit is not None
                        and time.monotonic() - begun >= limit)
                if attempt == tries or late or _is_refusal(exc):
                    raise
                failure = exc
            # Not while it is handled: oslo.log would tell it twice.
            self._log_of(failure)(
                'Try %(attempt)d of %(tries)d failed, the next comes in '
                '%(pause)s seconds: %(reason)s',
                {'attempt': attempt, 'tries': tries, 'pause': pause,
                 'reason': failure})
            self.call_retry_reset(failure)
            time.sleep(pause)

    def _log_of(self, failure: Exception) -> Callable:
        """Return what logs it: the first of its kind loudly.

        A service that is away fails for each of a thousand hosts.
        """
        if type(failure) in self._told:
            return LOG.debug
        self._told |= {type(failure)}
        return LOG.warning
