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
"""What Watcher asks of Placement: how much each compute node offers."""

import dataclasses
import queue
import threading
import time
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any

import futurist
from oslo_context import context as oslo_context
from oslo_log import log

from watcher._i18n import _
from watcher.common import exception
from watcher.common import rest_helper

LOG = log.getLogger(__name__)

#: Seconds that the last few answers may take at least, when all others have
#: come: one slow provider holds up the reading no longer than that.
STRAGGLERS = 30.0

#: From here on providers can be found by a required trait.
TRAITS_VERSION = (1, 18)

#: From here on candidates show all parts of hosts.
OFFERS_VERSION = (1, 29)

#: From here on the aggregates of a provider come in this form.
AGGREGATES_VERSION = (1, 19)

#: Providers with this trait serve all members of their aggregates.
SHARING = 'MISC_SHARES_VIA_AGGREGATE'

# Stands among the answers: no uuid is left to be asked for.
_ALL_ASKED = object()


@dataclasses.dataclass(frozen=True, slots=True)
class Inventory:
    """What a resource provider offers of one resource class.

    Usable is (``total`` - ``reserved``) * ``allocation_ratio``.
    """

    total: int
    reserved: int
    min_unit: int
    max_unit: int
    step_size: int
    allocation_ratio: float

    @classmethod
    def from_api(cls, record: dict[str, Any]) -> 'Inventory':
        """Read one value of ``inventories``; Placement's defaults apply."""
        total = int(record['total'])
        return cls(
            total=total, reserved=int(record.get('reserved') or 0),
            min_unit=int(record.get('min_unit') or 1),
            max_unit=int(record.get('max_unit') or total),
            step_size=int(record.get('step_size') or 1),
            allocation_ratio=float(record.get('allocation_ratio', 1.0)))


Inventories = dict[str, Inventory]


@dataclasses.dataclass(frozen=True, slots=True)
class Offer:
    """What a resource provider has free of one resource class.

    :param provider: its uuid.
    :param hosts: the roots that it serves: its own, or many if it is shared.
    :param free: usable, less what is taken.
    """

    provider: str
    hosts: tuple[str, ...]
    free: float
    traits: frozenset[str]


class PlacementHelper(rest_helper.RestHelper):
    """Reads inventories; cheap to make.

    :param session: a keystoneauth session or an openstacksdk connection to
        use instead of the configured credentials.
    :param context: request context, kept for callers.
    :param osc: the :class:`~watcher.common.clients.OpenStackClients` that
        plug-ins are given.
    :raises: AuthorizationFailure when the credentials are incomplete.
    """

    GROUP = 'placement'
    ERROR = exception.PlacementClientError

    def get_inventories(self, rp_uuid: str) -> Inventories | None:
        """Return the inventories of a resource provider by class.

        :param rp_uuid: the hypervisor's uuid is also its provider's.
        :returns: None when Placement does not know the provider.
        :raises: PlacementClientError
        """
        path = f'/resource_providers/{rp_uuid}/inventories'
        try:
            body = self._read(path)
        except exception.PlacementClientError as exc:
            if exc.kwargs.get('http_status') != 404:
                raise
            LOG.warning('Placement knows no resource provider %s', rp_uuid)
            return None
        return {name: Inventory.from_api(record)
                for name, record in body['inventories'].items()}

    def get_usages(self, rp_uuid: str) -> dict[str, int] | None:
        """Return what is taken of a resource provider by class.

        :returns: None when Placement does not know the provider.
        :raises: PlacementClientError
        """
        try:
            body = self._read(f'/resource_providers/{rp_uuid}/usages')
        except exception.PlacementClientError as exc:
            if exc.kwargs.get('http_status') != 404:
                raise
            return None
        return body['usages']

    def get_providers_with_trait(self, trait: str) -> frozenset[str]:
        """Return the roots of the providers that have a trait.

        One request, however many there are. A trait that Placement does not
        know is one that nobody has.

        :raises: PlacementClientError
        """
        try:
            body = self._read('/resource_providers', TRAITS_VERSION,
                              params={'required': trait})
        except exception.PlacementClientError as exc:
            if exc.kwargs.get('http_status') != 400:
                raise
            return frozenset()
        return frozenset(
            record.get('root_provider_uuid') or record['uuid']
            for record in body['resource_providers'])

    def get_offers(self, resource_class: str) -> list[Offer]:
        """Return all providers, of any depth, of a resource class.

        One request for the whole cloud, and two more for each provider that
        is shared. Hosts that have nothing left of the class are left out. A
        class that Placement does not know is one that nobody offers.

        :raises: PlacementClientError
        """
        try:
            body = self._read('/allocation_candidates', OFFERS_VERSION,
                              params={'resources': f'{resource_class}:1'})
        except exception.PlacementClientError as exc:
            if exc.kwargs.get('http_status') != 400:
                raise
            return []
        offers = []
        for uuid, summary in body['provider_summaries'].items():
            amounts = summary['resources'].get(resource_class)
            if amounts is None:
                continue
            traits = frozenset(summary['traits'])
            hosts = (self._served_by(uuid) if SHARING in traits
                     else (summary['root_provider_uuid'],))
            offers.append(Offer(
                uuid, hosts, amounts['capacity'] - amounts['used'], traits))
        return offers

    def _served_by(self, uuid):
        """Return the roots that share an aggregate with a provider."""
        aggregates = self._read(f'/resource_providers/{uuid}/aggregates',
                                AGGREGATES_VERSION)['aggregates']
        if not aggregates:
            return ()
        body = self._read(
            '/resource_providers', TRAITS_VERSION,
            params={'member_of': 'in:' + ','.join(sorted(aggregates))})
        return tuple(dict.fromkeys(
            record['root_provider_uuid']
            for record in body['resource_providers']))

    def _version(self, wanted):
        # Asking for the newest one would cost a request more; every
        # Placement of these years knows ours.
        return wanted and rest_helper.format_version(wanted)

    def get_all_inventories(
            self, rp_uuids: Iterable[str], workers: int,
            timeout: float | None = None,
            call: Callable | None = None,
    ) -> tuple[dict[str, Inventories], dict[str, str]]:
        """Return the inventories of many providers.

        Placement has no bulk call, so they are read one by one, but
        ``workers`` at the same time over the shared connection.

        :param timeout: seconds within which the next answer has to come.
            The last ones have no more time than all others took together,
            but :data:`STRAGGLERS` seconds at least.
        :param call: makes each request instead of calling it directly, to
            repeat it.
        :returns: inventories by uuid, empty for providers that Placement
            does not know, and the reason for uuids that were not answered.
        :raises: PlacementClientError when Placement cannot be reached or
            nothing comes within the time-out, before any answer has come;
            AuthorizationFailure
        """
        reading = _BulkRead(self.get_inventories, rp_uuids, call)
        return reading.run(workers, timeout)

    def get_all_usages(
            self, rp_uuids: Iterable[str], workers: int,
            timeout: float | None = None,
    ) -> tuple[dict[str, dict[str, int]], dict[str, str]]:
        """Return what is taken of many providers.

        The same as :meth:`get_all_inventories` for usages.
        """
        reading = _BulkRead(self.get_usages, rp_uuids)
        return reading.run(workers, timeout)


class _BulkRead:
    """One reading of many providers.

    A few workers take uuids from one iterator and hand answers to the
    caller's thread through a queue, so that the cost stays linear for any
    number of providers.
    """

    def __init__(self, read, uuids, call=None):
        self._read = read
        self._call = call or (lambda func, *args: func(*args))
        self._uuids = list(dict.fromkeys(uuids))
        self._next = iter(self._uuids)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._answers = queue.SimpleQueue()
        self._context = oslo_context.get_current()

    def run(self, workers, timeout):
        self._found, self._missing = {}, {}
        workers = max(1, min(workers, len(self._uuids)))
        executor = futurist.ThreadPoolExecutor(max_workers=workers)
        try:
            for _worker in range(workers):
                executor.submit(self._work)
            self._collect(timeout)
        except exception.PlacementClientError as exc:
            if not self._found:
                raise
            # What has come is as good as ever.
            for uuid in self._uuids:
                if uuid not in self._found:
                    self._missing.setdefault(uuid, str(exc))
        finally:
            self._stopped.set()
            # Workers end after their current request, whose HTTP time-out
            # bounds them; nobody has to wait for that.
            executor.shutdown(wait=False)
        return self._found, self._missing

    def _collect(self, timeout):
        started = time.monotonic()
        limit = timeout
        while len(self._found) + len(self._missing) < len(self._uuids):
            answer = self._answer(limit)
            if answer is _ALL_ASKED:
                if timeout is not None:
                    limit = min(timeout, max(
                        STRAGGLERS, time.monotonic() - started))
                continue
            uuid, inventories, problem = answer
            if inventories is not None:
                self._found[uuid] = inventories
            else:
                self._missing[uuid] = problem

    def _answer(self, timeout):
        try:
            answer = self._answers.get(timeout=timeout)
        except queue.Empty:
            raise exception.PlacementClientError(
                reason=_('no answer for %d seconds') % timeout) from None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _work(self):
        if self._context is not None:
            # Requests and log lines carry the caller's request id.
            self._context.update_store()
        while not self._stopped.is_set():
            with self._lock:
                uuid = next(self._next, None)
            if uuid is None:
                self._answers.put(_ALL_ASKED)
                return
            answer = self._one(uuid)
            if isinstance(answer, BaseException):
                # Before the caller's thread comes to hear of it.
                self._stopped.set()
            self._answers.put(answer)

    def _one(self, uuid):
        try:
            answer = self._call(self._read, uuid)
        except exception.PlacementClientError as exc:
            if exc.kwargs.get('connection_error'):
                # The other providers would run into it as well.
                return exc
            return uuid, None, str(exc)
        except Exception as exc:
            return exc
        return uuid, answer or {}, None
