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
"""What Watcher asks of Cinder.

Volumes are read in pages of 1000 records over all projects and decoded
straight from JSON. Services, pools and volume types come in one answer each;
who needs the types of many backends reads them once and asks
:func:`types_of_backend`.

Only reading is repeated after a connection error. After a failed request
that changes something the helper looks at the volume first, because Cinder
may have received it. Data is moved by Cinder alone: nothing here copies,
deletes or detaches a volume.
"""

import dataclasses
import math
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

from oslo_config import cfg
from oslo_log import log
from oslo_utils import strutils
from oslo_utils import uuidutils

from watcher._i18n import _
from watcher.common import clients
from watcher.common import exception
from watcher.common import rest
from watcher.common import waiting

LOG = log.getLogger(__name__)
CONF = cfg.CONF

PAGE_SIZE = 1000

#: From this microversion on pools can be filtered by name.
POOL_FILTER = (3, 28)

#: Seconds between looks at a volume that is moved or changes its type.
INTERVAL = 10.0
#: Seconds that deleting the source of a migration may take.
DELETE_LIMIT = 1200.0
#: How often a volume must be seen unchanged and doing nothing before its
#: move counts as given up by Cinder.
IDLE_LOOKS = 3

#: Figures that are known by these names only.
_CAPACITIES = ('total_volumes', 'total_capacity_gb', 'free_capacity_gb',
               'provisioned_capacity_gb', 'allocated_capacity_gb')

#: First words of extra specs that are expressions.
_OPERATORS = frozenset((
    '=', '<in>', '<all-in>', '<or>', '==', '!=', '>=', '<=', 's==', 's!=',
    's<', 's<=', 's>', 's>='))

#: Statuses of a volume at rest.
_RESTING = ('available', 'in-use')

Outcome = waiting.Outcome
StopCheck = waiting.StopCheck


def _uuid(value):
    if not uuidutils.is_uuid_like(value):
        raise exception.InvalidUUID(uuid=value)
    return value


def capacity(value: Any) -> int | float | None:
    """Return a figure that a driver reports about its pool.

    :returns: None for what is not known (missing, ``unknown``) or has no
        end (``infinite``), so that nobody calculates with it.
    """
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    if not math.isfinite(number) or number < 0:
        return None
    return int(number) if number.is_integer() else number


def backend_name(host: str | None) -> str:
    """Return the backend part of ``host@backend#pool``, ``''`` without."""
    return (host or '').partition('@')[2].partition('#')[0]


@dataclasses.dataclass(frozen=True, slots=True)
class StorageService:
    """A cinder-volume service: one backend."""

    host: str
    availability_zone: str | None
    state: str | None
    status: str | None

    @classmethod
    def from_api(cls, record: dict[str, Any]) -> 'StorageService':
        """Read one element of ``services``."""
        return cls(host=record['host'], availability_zone=record.get('zone'),
                   state=record.get('state'), status=record.get('status'))


@dataclasses.dataclass(slots=True)
class StoragePool:
    """A pool of a backend; strategies may change its figures.

    :param name: ``host@backend#pool``.
    :param capabilities: what else the driver reports.
    """

    name: str
    pool_name: str | None
    total_volumes: int | float | None
    total_capacity_gb: int | float | None
    free_capacity_gb: int | float | None
    provisioned_capacity_gb: int | float | None
    allocated_capacity_gb: int | float | None
    max_over_subscription_ratio: float
    volume_backend_name: str | None
    capabilities: dict[str, Any]

    @classmethod
    def from_api(cls, record: dict[str, Any]) -> 'StoragePool':
        """Read one element of ``pools``."""
        rest = dict(record.get('capabilities') or {})
        figures = {name: capacity(rest.get(name)) for name in _CAPACITIES}
        for name in _CAPACITIES[1:]:
            rest.pop(name, None)
        if 'total_volumes' not in rest:
            figures['total_volumes'] = 0
        ratio = capacity(rest.get('max_over_subscription_ratio'))
        return cls(
            name=record['name'], pool_name=rest.get('pool_name'),
            max_over_subscription_ratio=1.0 if ratio is None else ratio,
            volume_backend_name=rest.get('volume_backend_name'),
            capabilities=rest, **figures)


@dataclasses.dataclass(frozen=True, slots=True)
class Volume:
    """A volume as Cinder shows it; ``size`` is in GB."""

    id: str
    name: str | None
    size: int | None
    status: str | None
    volume_type: str | None
    attachments: list[dict[str, Any]]
    multiattach: bool
    metadata: dict[str, str]
    bootable: str | None
    created_at: str | None
    project_id: str | None
    host: str | None
    migration_status: str | None
    mig_name_id: str | None
    snapshot_id: str | None

    @classmethod
    def from_api(cls, record: dict[str, Any]) -> 'Volume':
        """Read one element of ``volumes``.

        :raises: InvalidUUID
        """
        return cls(
            id=_uuid(record['id']), name=record.get('name'),
            size=record.get('size'), status=record.get('status'),
            volume_type=record.get('volume_type'),
            attachments=record.get('attachments') or [],
            multiattach=bool(record.get('multiattach')),
            metadata=record.get('metadata') or {},
            bootable=record.get('bootable'),
            created_at=record.get('created_at'),
            project_id=record.get('os-vol-tenant-attr:tenant_id'),
            host=record.get('os-vol-host-attr:host'),
            migration_status=record.get('os-vol-mig-status-attr:migstat'),
            mig_name_id=record.get('os-vol-mig-status-attr:name_id'),
            snapshot_id=record.get('snapshot_id'))


@dataclasses.dataclass(frozen=True, slots=True)
class VolumeType:
    """A volume type."""

    id: str
    name: str
    extra_specs: dict[str, str]

    @classmethod
    def from_api(cls, record: dict[str, Any]) -> 'VolumeType':
        """Read one element of ``volume_types``.

        :raises: InvalidUUID
        """
        return cls(id=_uuid(record['id']), name=record['name'],
                   extra_specs=record.get('extra_specs') or {})

    def suits(self, pool: StoragePool) -> bool:
        """Tell whether nothing that the pool reports contradicts the type.

        What the pool does not report is left to Cinder to judge.
        """
        known = {**pool.capabilities,
                 'volume_backend_name': pool.volume_backend_name}
        return not any(
            known.get(name) is not None and _contradicts(known[name], wanted)
            for name, wanted in self.extra_specs.items())


@dataclasses.dataclass(frozen=True, slots=True)
class VolumeSnapshot:
    """A snapshot, as far as it belongs to a volume."""

    volume_id: str


def _contradicts(reported: Any, wanted: str) -> bool:
    """Tell whether a capability is surely not what an extra spec wants.

    Expressions other than ``<is>`` are left to Cinder to judge.
    """
    words = str(wanted).split()
    if words[:1] == ['<is>']:
        return (strutils.bool_from_string(reported)
                != strutils.bool_from_string(' '.join(words[1:])))
    if words and words[0] in _OPERATORS:
        return False
    return str(reported) != str(wanted)


def types_of_backend(types: Iterable[VolumeType], name: str) -> list[str]:
    """Return the names of the types that are tied to a backend.

    :param name: backend part of a host; see :func:`backend_name`.
    """
    return [known.name for known in types
            if known.extra_specs.get('volume_backend_name') == name]


def _condition(volume: Volume) -> str:
    """Describe a volume's state for a message."""
    return _('status %(status)s, migration status %(migration)s, in pool '
             '%(host)s') % {
                 'status': volume.status, 'host': volume.host,
                 'migration': volume.migration_status or _('none')}


def _is_idle(volume):
    return (volume.migration_status or 'none') == 'none'


class CinderHelper:
    """Reads from Cinder and moves volumes.

    Cheap to make: all helpers of a process share connections.

    :param session: a keystoneauth session or an openstacksdk connection to
        use instead of the configured credentials.
    :param context: request context, kept for callers.
    :param osc: the :class:`~watcher.common.clients.OpenStackClients` that
        plug-ins are given.
    :param http_retries: how often reading is repeated after a connection
        error; default is ``[cinder] http_retries``.
    :raises: AuthorizationFailure when the credentials are incomplete.
    """

    def __init__(self, session: Any = None, context: Any = None, *,
                 osc: Any = None, http_retries: int | None = None):
        self.context = context
        self._rest = clients.rest_client(
            'cinder', session if session is not None else osc)
        self._http_retries = (CONF.cinder.http_retries
                              if http_retries is None else http_retries)

    # Reading --------------------------------------------------------------

    def get_storage_node_list(self) -> list[StorageService]:
        """Return the cinder-volume services.

        :raises: CinderClientError
        """
        body = self._read('/os-services', {'binary': 'cinder-volume'})
        return [StorageService.from_api(item) for item in body['services']
                if item.get('host')]

    def get_storage_node_by_name(self, name: str) -> StorageService:
        """Return the service of exactly this host.

        :raises: StorageNodeNotFound unless there is exactly one,
            CinderClientError
        """
        body = self._read('/os-services', {'binary': 'cinder-volume',
                                           'host': name})
        found = [StorageService.from_api(item) for item in body['services']
                 if item.get('host') == name]
        if len(found) != 1:
            raise exception.StorageNodeNotFound(name=name)
        return found[0]

    def get_storage_pool_list(self) -> list[StoragePool]:
        """Return all pools with what their drivers report.

        :raises: CinderClientError
        """
        return self._pools_of({'detail': 'True'})

    def get_storage_pool_by_name(self, name: str) -> StoragePool:
        """Return the pool of exactly this name.

        :raises: PoolNotFound unless there is exactly one,
            CinderClientError
        """
        params, version = {'detail': 'True'}, None
        if self._guarded(self._rest.max_microversion) >= POOL_FILTER:
            params['name'] = name
            version = '%d.%d' % POOL_FILTER
        found = [pool for pool in self._pools_of(params, version)
                 if pool.name == name]
        if len(found) != 1:
            raise exception.PoolNotFound(name=name)
        return found[0]

    def _pools_of(self, params, version=None):
        body = self._read('/scheduler-stats/get_pools', params, version)
        return [StoragePool.from_api(item) for item in body['pools']]

    def get_volume_list(self) -> list[Volume]:
        """Return the volumes of all projects.

        :raises: CinderClientError
        """
        return [Volume.from_api(record) for page in self.volume_pages()
                for record in page]

    def volume_pages(
            self, filters: dict[str, Any] | None = None,
            call: Callable | None = None) -> Iterator[list[dict[str, Any]]]:
        """Yield pages of volumes of all projects as Cinder sends them.

        :param filters: Cinder's query parameters, such as ``status``.
        :param call: makes each request instead of calling it directly, to
            repeat single pages.
        """
        return self._pages('/volumes/detail', 'volumes',
                           {'all_tenants': 'True', **(filters or {})}, call)

    def get_volume(self, volume: Volume | str) -> Volume:
        """Return a volume as it is now.

        :param volume: it or its id; names are not looked for.
        :raises: VolumeNotFound, CinderClientError
        """
        ident = volume.id if isinstance(volume, Volume) else volume
        return Volume.from_api(self.get_volume_record(ident))

    def get_volume_record(self, volume_id: str) -> dict[str, Any]:
        """Return a volume as Cinder sends it.

        :raises: VolumeNotFound, CinderClientError
        """
        body = self._read(f'/volumes/{volume_id}',
                          missing=exception.VolumeNotFound(name=volume_id))
        return body['volume']

    def get_volume_type_list(
            self, call: Callable | None = None) -> list[VolumeType]:
        """Return all volume types, the private ones as well.

        :param call: as for :meth:`volume_pages`.
        :raises: CinderClientError
        """
        return [VolumeType.from_api(record) for page in self._pages(
            '/types', 'volume_types', {'is_public': 'None'}, call)
            for record in page]

    def get_volume_type_name_by_id(self, volume_type_id: str) -> str:
        """Return the name of a volume type.

        :raises: VolumeTypeNotFound, CinderClientError
        """
        body = self._read(
            f'/types/{volume_type_id}',
            missing=exception.VolumeTypeNotFound(name=volume_type_id))
        return body['volume_type']['name']

    def get_volume_type_by_backendname(self, backendname: str) -> list[str]:
        """Return the names of the types that are tied to a backend.

        :raises: CinderClientError
        """
        return types_of_backend(self.get_volume_type_list(), backendname)

    def get_volume_types_for_pool(self, pool: StoragePool) -> list[str]:
        """Return the names of the types that volumes in a pool may have.

        :raises: CinderClientError
        """
        return [known.name for known in self.get_volume_type_list()
                if known.suits(pool)]

    def get_volume_snapshots_list(self) -> list[VolumeSnapshot]:
        """Return the snapshots of all projects.

        :raises: CinderClientError
        """
        return [VolumeSnapshot(record['volume_id']) for page in self._pages(
            '/snapshots/detail', 'snapshots', {'all_tenants': 'True'})
            for record in page]

    def get_deleting_volume(self, volume: Volume) -> Volume | None:
        """Return the former copy of a migrated volume, while it exists.

        :raises: CinderClientError
        """
        for page in self.volume_pages({'migration_status': 'deleting'}):
            for record in page:
                found = Volume.from_api(record)
                # Every volume carries its own id when it has no other.
                if found.id != volume.id and found.mig_name_id == volume.id:
                    return found
        return None

    # Moving and changing volumes ------------------------------------------

    def migrate(self, volume: Volume | str, dest_node: str,
                should_stop: StopCheck | None = None) -> Outcome:
        """Have Cinder move a volume to another pool, and wait for the end.

        Its type stays what it is.

        :param dest_node: name of the pool.
        :param should_stop: asked about twice a second whether to give up
            waiting.
        :raises: VolumeNotFound, PoolNotFound, CinderClientError when Cinder
            refuses or cannot be reached.
        """
        before = self.get_volume(volume)
        pool = self.get_storage_pool_by_name(dest_node)
        if before.host == dest_node:
            return Outcome(True, _('volume %(volume)s was in pool %(pool)s '
                                   'already') % {
                                       'volume': before.id,
                                       'pool': dest_node})
        problem = self._misfit(before, pool)
        if problem:
            return Outcome(False, problem)

        def accepted(now):
            return (now.host == dest_node
                    or now.migration_status != before.migration_status)
        self._act(before, {'os-migrate_volume': {
            'host': dest_node, 'lock_volume': True}}, accepted)
        outcome = self._follow(
            before, _('migration'), INTERVAL, should_stop,
            lambda now, looks: _check_move(before, now, looks))
        if not outcome:
            return outcome
        return self._check_arrival(before, dest_node, should_stop)

    def _misfit(self, volume, pool):
        """Say why a volume cannot be in a pool; None when it can."""
        if not volume.volume_type:
            return None
        for known in self.get_volume_type_list():
            if known.name == volume.volume_type and not known.suits(pool):
                return _('pool %(pool)s does not offer what the type '
                         '%(type)s of volume %(volume)s asks for') % {
                             'pool': pool.name, 'type': known.name,
                             'volume': volume.id}
        return None

    def _check_arrival(self, before, destination, should_stop):
        now = self.get_volume(before)
        if now.host != destination:
            return Outcome(False, _(
                'the migration of volume %(volume)s ended in pool %(host)s '
                'instead of %(destination)s') % {
                    'volume': before.id, 'host': now.host,
                    'destination': destination})
        old = self.get_deleting_volume(before)
        if old is None:
            return Outcome(True)
        return self._wait_deleted(old, DELETE_LIMIT, INTERVAL, should_stop)

    def retype(self, volume: Volume | str, dest_type: str,
               should_stop: StopCheck | None = None) -> Outcome:
        """Have Cinder change the type of a volume, and wait for the end.

        Cinder moves it when its pool does not offer the new type.

        :param dest_type: name of the type.
        :param should_stop: as for :meth:`migrate`.
        :raises: VolumeNotFound, CinderClientError when Cinder refuses or
            cannot be reached.
        """
        before = self.get_volume(volume)
        if before.volume_type == dest_type:
            return Outcome(False, _('volume %(volume)s has the type %(type)s '
                                    'already') % {'volume': before.id,
                                                  'type': dest_type})

        def accepted(now):
            return now.volume_type == dest_type or now.status == 'retyping'
        self._act(before, {'os-retype': {
            'new_type': dest_type, 'migration_policy': 'on-demand'}},
            accepted)
        return self._follow(
            before, _('change of type'), INTERVAL, should_stop,
            lambda now, looks: _check_retype(now, dest_type, looks))

    def check_migrated(self, volume: Volume | str,
                       retry_interval: float = INTERVAL,
                       should_stop: StopCheck | None = None) -> Outcome:
        """Wait until a migration that was asked for has ended.

        ``[cinder] migration_timeout`` limits the time.

        :raises: VolumeNotFound, CinderClientError
        """
        before = self.get_volume(volume)
        return self._follow(
            before, _('migration'), retry_interval, should_stop,
            lambda now, looks: _check_move(before, now, looks))

    def check_retyped(self, volume: Volume | str, dst_type: str,
                      retry_interval: float = INTERVAL,
                      should_stop: StopCheck | None = None) -> Outcome:
        """Wait until a change of type that was asked for has ended.

        Parameters and errors as for :meth:`check_migrated`.
        """
        return self._follow(
            self.get_volume(volume), _('change of type'), retry_interval,
            should_stop,
            lambda now, looks: _check_retype(now, dst_type, looks))

    def check_volume_deleted(self, volume: Volume | str, retry: int = 120,
                             retry_interval: float = INTERVAL,
                             should_stop: StopCheck | None = None) -> Outcome:
        """Wait until a volume is gone.

        :param retry: with ``retry_interval`` (seconds) the longest time.
        :raises: CinderClientError
        """
        return self._wait_deleted(volume, retry * retry_interval,
                                  retry_interval, should_stop)

    def _wait_deleted(self, volume, limit, interval, should_stop):
        ident = volume.id if isinstance(volume, Volume) else volume
        try:
            for _passed in waiting.rounds(limit, interval, should_stop):
                try:
                    self._peek(ident)
                except exception.VolumeNotFound:
                    return Outcome(True)
        except waiting.Interrupted:
            return Outcome(False, _(
                'Watcher stopped waiting for the deletion of volume '
                '%s') % ident, interrupted=True)
        return Outcome(False, _(
            'volume %(volume)s is not deleted after %(limit)d seconds') % {
                'volume': ident, 'limit': limit})

    def _follow(self, before, what, interval, should_stop, check):
        """Look at a volume until ``check`` returns an outcome.

        :param check: called with the volume and how often it was seen
            before; None means to go on.
        """
        limit = CONF.cinder.migration_timeout
        now, looks = before, 0
        try:
            for _passed in waiting.rounds(limit, interval, should_stop):
                try:
                    seen = self._peek(before.id)
                except exception.VolumeNotFound:
                    return Outcome(False, _(
                        'volume %(volume)s was deleted during the '
                        '%(what)s') % {'volume': before.id, 'what': what})
                if seen is None:
                    continue
                now, looks = seen, looks + 1
                outcome = check(now, looks)
                if outcome is not None:
                    return outcome
        except waiting.Interrupted:
            return Outcome(False, _(
                'Watcher stopped waiting for the %(what)s of volume '
                '%(volume)s, which goes on in Cinder (%(condition)s)') % {
                    'what': what, 'volume': before.id,
                    'condition': _condition(now)}, interrupted=True)
        return Outcome(False, _(
            'the %(what)s of volume %(volume)s has not ended after %(limit)d '
            'seconds and goes on in Cinder (%(condition)s); see [cinder] '
            'migration_timeout') % {
                'what': what, 'volume': before.id, 'limit': limit,
                'condition': _condition(now)})

    def _peek(self, ident):
        """Return the volume, or None while Cinder does not answer."""
        try:
            return self.get_volume(ident)
        except exception.CinderClientError as exc:
            status = exc.kwargs.get('http_status')
            if status is not None and status < 500:
                raise
            LOG.warning('Volume %(volume)s cannot be looked at, trying '
                        'again: %(reason)s',
                        {'volume': ident, 'reason': exc})
            return None

    # Requests -------------------------------------------------------------

    def _act(self, before, body, accepted):
        """POST an action of a volume, not repeating it blindly.

        :param accepted: tells from the volume whether Cinder has received
            the request although the answer was lost.
        """
        path = f'/volumes/{before.id}/action'
        for attempt in range(self._http_retries + 1):
            try:
                self._guarded(self._rest.request, 'POST', path, json=body)
                return
            except exception.CinderClientError as exc:
                if exc.kwargs.get('http_status') == 404:
                    # It may also be the pool or the type that is missing.
                    self.get_volume(before)
                if not exc.kwargs.get('connection_error'):
                    raise
                time.sleep(CONF.cinder.http_retry_interval)
                if accepted(self.get_volume(before)):
                    LOG.info('Cinder has received the request %(action)s for '
                             'volume %(volume)s although its answer was '
                             'lost', {'action': next(iter(body)),
                                      'volume': before.id})
                    return
                if attempt == self._http_retries:
                    raise

    def _read(self, path, params=None, version=None, missing=None):
        """GET, repeated after connection errors.

        :param missing: exception to raise for HTTP 404.
        """
        for attempt in range(self._http_retries + 1):
            try:
                return self._guarded(self._rest.get, path, params=params,
                                     microversion=version, missing=missing)
            except exception.CinderClientError as exc:
                if (not exc.kwargs.get('connection_error')
                        or attempt == self._http_retries):
                    raise
                report = LOG.warning if attempt == 0 else LOG.debug
                report('%(reason)s; trying again in %(pause)s seconds',
                       {'reason': exc,
                        'pause': CONF.cinder.http_retry_interval})
                time.sleep(CONF.cinder.http_retry_interval)
        raise AssertionError('unreachable')

    @staticmethod
    def _guarded(function, *args, missing=None, **kwargs):
        try:
            return function(*args, **kwargs)
        except rest.RequestFailed as exc:
            if exc.status == 404 and missing is not None:
                raise missing from exc
            raise exception.CinderClientError(
                reason=exc.reason, http_status=exc.status,
                connection_error=exc.connection_error,
                no_endpoint=exc.no_endpoint) from exc

    def _pages(self, path, key, params,
               call=None) -> Iterator[list[dict[str, Any]]]:
        """Yield the records of a listing page by page.

        Cinder says by a link whether there is more.
        """
        marker = None
        while True:
            query = {**params, 'limit': PAGE_SIZE}
            if marker is not None:
                query['marker'] = marker
            if call is None:
                body = self._read(path, query)
            else:
                body = call(self._read, path, query)
            records = body[key]
            if not records:
                return
            yield records
            # The links of types are named in the singular.
            links = (body.get(f'{key}_links')
                     or body.get(f'{key[:-1]}_links') or [])
            if not any(link.get('rel') == 'next' for link in links):
                return
            marker = records[-1]['id']


def _check_move(before: Volume, now: Volume, looks: int) -> Outcome | None:
    """Judge a volume that is being migrated."""
    if now.migration_status == 'success':
        return Outcome(True)
    if now.migration_status == 'error':
        return Outcome(False, _(
            'Cinder could not migrate volume %(volume)s, see its log '
            '(%(condition)s)') % {'volume': now.id,
                                  'condition': _condition(now)})
    if not _is_idle(now):
        return None
    if now.host != before.host:
        return Outcome(True)
    if looks < IDLE_LOOKS or now.status not in (*_RESTING, 'error'):
        return None
    return Outcome(False, _(
        'the migration of volume %(volume)s was given up by Cinder '
        '(%(condition)s)') % {'volume': now.id,
                              'condition': _condition(now)})


def _check_retype(now: Volume, wanted: str, looks: int) -> Outcome | None:
    """Judge a volume whose type is being changed."""
    if now.status == 'retyping':
        return None
    if now.volume_type == wanted and now.status in _RESTING:
        return Outcome(True)
    if now.status in _RESTING and looks < IDLE_LOOKS:
        return None
    return Outcome(False, _(
        'Cinder could not give volume %(volume)s the type %(wanted)s: it is '
        '%(type)s (%(condition)s)') % {
            'volume': now.id, 'wanted': wanted, 'type': now.volume_type,
            'condition': _condition(now)})
