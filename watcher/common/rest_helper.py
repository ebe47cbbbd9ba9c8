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
"""What the helpers of all OpenStack services have in common.

A helper turns each failed request into the exception of its service. Only
reading is repeated after a connection error. After a failed request that
changes something the helper looks at the resource first, because the service
may have received it.
"""

import itertools
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any
from typing import TypeVar

from oslo_config import cfg
from oslo_log import log

from watcher.common import clients
from watcher.common import exception
from watcher.common import rest
from watcher.common import waiting

LOG = log.getLogger(__name__)
CONF = cfg.CONF

#: Records in a page of a listing.
PAGE_SIZE = 1000

Version = tuple[int, int]
Record = dict[str, Any]
Pages = Iterator[list[Record]]
Seen = TypeVar('Seen')


def format_version(version: Version) -> str:
    """Return a microversion as it is sent in the request header."""
    return f'{version[0]}.{version[1]}'


class RestHelper:
    """Speaks with one service. Cheap to make: connections are shared.

    :param session: a keystoneauth session or an openstacksdk connection to
        use instead of the configured credentials.
    :param context: request context, kept for callers; requests always carry
        the id of the current one.
    :param osc: the :class:`~watcher.common.clients.OpenStackClients` that
        plug-ins are given.
    :param http_retries: how often reading is repeated after a connection
        error; the default is the option of that name in the service's group,
        where it has one.
    :raises: AuthorizationFailure when the credentials are incomplete.
    """

    #: Configuration group of the service.
    GROUP: str
    #: What callers get for a request that failed.
    ERROR: type[exception.WatcherException]
    #: Field by which a record marks the end of a page.
    MARKER = 'id'
    #: HTTP status by which the service refuses to begin what it already
    #: does.
    CONFLICTS: tuple[int, ...] = (409,)

    def __init__(self, session: Any = None, context: Any = None, *,
                 osc: Any = None, http_retries: int | None = None):
        self.context = context
        self._rest = clients.rest_client(
            self.GROUP, session if session is not None else osc)
        self._options = CONF[self.GROUP]
        if http_retries is None:
            http_retries = (self._options.http_retries
                            if 'http_retries' in self._options else 0)
        self._http_retries = http_retries

    # Single requests ------------------------------------------------------

    def _version(self, wanted: Version | None) -> str | None:
        """Return the microversion to send: the newest both sides know."""
        if wanted is None:
            return None
        offered = self._rest.max_microversion()
        if offered == (0, 0):
            return None
        return format_version(min(wanted, offered))

    def _send(self, method: str, path: str, version: Version | None = None,
              missing: Exception | None = None, **kwargs: Any) -> Record:
        """Send a request once.

        :param version: newest microversion whose answer is understood.
        :param missing: exception to raise for HTTP 404.
        """
        try:
            return self._rest.request(
                method, path, microversion=self._version(version), **kwargs)
        except rest.RequestFailed as exc:
            if exc.status == 404 and missing is not None:
                raise missing from exc
            raise self._error(exc) from exc

    def _error(self, failed: rest.RequestFailed) -> Exception:
        return self.ERROR(
            reason=failed.reason, http_status=failed.status,
            connection_error=failed.connection_error,
            no_endpoint=failed.no_endpoint)

    def _read(self, path: str, version: Version | None = None,
              params: dict[str, Any] | None = None,
              missing: Exception | None = None) -> Record:
        """GET, repeated after connection errors."""
        for attempt in itertools.count():
            try:
                return self._send('GET', path, version, missing,
                                  params=params)
            except self.ERROR as exc:
                if (not exc.kwargs.get('connection_error')
                        or attempt >= self._http_retries):
                    raise
                self._pause(exc, attempt)
        raise AssertionError('unreachable')

    def _pause(self, exc: exception.WatcherException, attempt: int,
               should_stop: waiting.StopCheck | None = None) -> None:
        """Say why a request is repeated, and wait before that."""
        pause = self._options.http_retry_interval
        report = LOG.warning if attempt == 0 else LOG.debug
        report('%(reason)s; trying again in %(pause)s seconds',
               {'reason': exc.kwargs['reason'], 'pause': pause})
        waiting.pause(pause, should_stop)

    def _pages(self, path: str, key: str, version: Version | None = None,
               params: dict[str, Any] | None = None,
               marker: str | None = None, limit: int = -1,
               call: Callable | None = None) -> Pages:
        """Yield the records of a listing page by page.

        The service says whether there is more, so that the end costs no
        further request; a page may be smaller than asked for.

        :param key: where the records stand in the answer.
        :param marker: start behind this record.
        :param limit: at most about so many records; negative means all.
        :param call: makes each request instead of calling it directly, to
            repeat single pages.
        """
        left = limit
        while left != 0:
            query = dict(params or {})
            query['limit'] = PAGE_SIZE if left < 0 else min(PAGE_SIZE, left)
            if marker is not None:
                query['marker'] = marker
            if call is None:
                body = self._read(path, version, query)
            else:
                body = call(self._read, path, version, query)
            records = body[key]
            if not records:
                return
            yield records
            if not self._has_more(body, key):
                return
            marker = records[-1][self.MARKER]
            if left > 0:
                left = max(0, left - len(records))

    @staticmethod
    def _has_more(body: Record, key: str) -> bool:
        """Whether another page follows this one."""
        links = body.get(f'{key}_links') or []
        return any(link.get('rel') == 'next' for link in links)

    # Changing and following -----------------------------------------------

    def _act(self, path: str, body: Record, what: str,
             look: Callable[[], Seen], accepted: Callable[[Seen], Any],
             version: Version | None = None) -> None:
        """POST an action of a resource, not repeating it blindly.

        :param what: kind and id of the resource, for messages.
        :param look: reads the resource anew, raising when it is gone.
        :param accepted: tells from the resource whether the service has
            received the request although the answer was lost.
        """
        for attempt in itertools.count():
            try:
                self._send('POST', path, version, json=body)
                return
            except self.ERROR as exc:
                status = exc.kwargs.get('http_status')
                if status == 404:
                    # What is missing may also be something in the body.
                    look()
                lost = exc.kwargs.get('connection_error')
                begun = attempt > 0 and status in self.CONFLICTS
                if not (lost or begun):
                    raise
                if lost:
                    waiting.pause(self._options.http_retry_interval, None)
                if accepted(look()):
                    LOG.info('%(service)s has received the request '
                             '%(action)s for %(what)s although its answer '
                             'was lost', {
                                 'service': clients.SERVICES[
                                     self.GROUP].title,
                                 'action': next(iter(body)), 'what': what})
                    return
                if begun or attempt >= self._http_retries:
                    raise

    def _peek(self, what: str, look: Callable[[], Seen]) -> Seen | None:
        """Return how a resource looks, None while the service is silent.

        What it was asked to do goes on while its API restarts, so this is
        no reason to give up before the time is over.

        :param what: kind and id of the resource, for messages.
        """
        try:
            return look()
        except self.ERROR as exc:
            status = exc.kwargs.get('http_status')
            if status is not None and status < 500:
                raise
            LOG.warning('The %(what)s cannot be looked at, trying again: '
                        '%(reason)s', {'what': what, 'reason': exc})
            return None
