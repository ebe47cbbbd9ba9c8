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
"""Builds the storage model from Cinder.

Four lists are read: services, pools, volume types, and the volumes of all
projects in pages. What a driver does not report stays unset, and what cannot
be placed stays in the model without a place; neither spoils the rest.
"""

import collections
import datetime
import functools
import sys
from typing import Any

from oslo_log import log

from watcher._i18n import _
from watcher.common import cinder_helper
from watcher.decision_engine.model import clocks
from watcher.decision_engine.model import element
from watcher.decision_engine.model import model_root
from watcher.decision_engine.model.collector import base
from watcher.decision_engine.model.collector import last_known
from watcher.decision_engine.model.notification import cinder as endpoints
from watcher.decision_engine.scope import schemas
from watcher.decision_engine.scope import storage as storage_scope

LOG = log.getLogger(__name__)

#: Figures of a pool, by the same names in Cinder and in the model.
FIGURES = ('total_volumes', 'total_capacity_gb', 'free_capacity_gb',
           'provisioned_capacity_gb', 'allocated_capacity_gb')

#: Beginning of the migration status of a copy that Cinder is making; it is
#: no volume of its own.
MIGRATION_TARGET = 'target:'

#: Migration status of volumes that Cinder is not moving.
AT_REST = (None, '', 'none', 'success')

#: How many names a log line lists before it only counts.
MAX_NAMED = 20


class CinderClusterDataModelCollector(base.BaseClusterDataModelCollector):
    """Keeps the storage model."""

    name = 'storage'

    SCHEMA = schemas.STORAGE

    STALE_MODEL = model_root.StorageModelRoot(stale=True)

    # Cinder publishes no notifications unless its operator asks for it.
    freshness = 5.0

    MAX_AGE_HELP = """
Seconds that the storage model may be old when an audit asks for it. An older
one is read anew first; audits that start together share one reading. Raise
it when Cinder publishes notifications and Watcher receives them, or when
reading all volumes takes longer than you want audits to wait.
"""

    @property
    def notification_endpoints(self) -> list[endpoints.CinderNotification]:
        """Endpoints that keep the model up to date between builds."""
        return [endpoints.CapacityNotification(self),
                endpoints.VolumeNotification(self)]

    @functools.cached_property
    def reader(self) -> 'CinderReader':
        """What endpoints ask about single resources."""
        return CinderReader(self.osc)

    def get_audit_scope_handler(
            self, audit_scope: list | None) -> storage_scope.StorageScope:
        """Return the handler of an audit's scope."""
        return storage_scope.StorageScope(audit_scope, self.config)

    def execute(self) -> model_root.StorageModelRoot:
        """Read the whole block storage service.

        :raises: CinderClientError, AuthorizationFailure
        """
        return CinderModelBuilder(self.osc, self.last_known).execute()


def pool_element(pool: cinder_helper.StoragePool) -> element.Pool:
    """Return a pool of the model; what is not known stays unset."""
    figures = {name: getattr(pool, name) for name in FIGURES}
    return element.Pool(name=pool.name, **{
        name: int(value) for name, value in figures.items()
        if value is not None})


def node_element(service: cinder_helper.StorageService,
                 types: list[str]) -> element.StorageNode:
    """Return a backend of the model.

    :param types: names of the volume types that are tied to it.
    """
    known = {'zone': service.availability_zone, 'status': service.status,
             'state': service.state}
    return element.StorageNode(
        host=service.host, volume_type=types, **{
            name: value for name, value in known.items()
            if value is not None})


def is_copy(record: dict[str, Any]) -> bool:
    """Tell whether a record is the copy of another volume.

    That is one which Cinder has not finished, or the one that it deletes in
    the end; it announces the deletion of neither.
    """
    status = record.get('os-vol-mig-status-attr:migstat') or ''
    return (status.startswith(MIGRATION_TARGET)
            or status == record.get('status') == 'deleting')


def volume_element(record: dict[str, Any]) -> element.Volume:
    """Return a volume of the model from Cinder's record.

    Cinder's types are known, so no field has to be checked; texts that many
    volumes share exist once.

    :raises: KeyError, TypeError, ValueError when it is no complete record.
    """
    optional = {}
    project_id = record.get('os-vol-tenant-attr:tenant_id')
    if project_id:
        optional['project_id'] = sys.intern(project_id)
    if record.get('created_at'):
        optional['created_at'] = str(record['created_at'])
    return element.Volume.trusted(
        uuid=record['id'], size=int(record['size']),
        status=sys.intern(record['status']), name=record.get('name') or '',
        host=_shared(record.get('os-vol-host-attr:host')),
        volume_type=_shared(record.get('volume_type')),
        attachments=[
            {'server_id': attachment.get('server_id'),
             'attachment_id': attachment.get('attachment_id')}
            for attachment in record.get('attachments') or ()],
        multiattach=bool(record.get('multiattach')),
        snapshot_id=record.get('snapshot_id') or None,
        metadata=record.get('metadata') or {},
        bootable=str(record.get('bootable')).lower() == 'true', **optional)


def _shared(text):
    return sys.intern(text) if text else None


class CinderReader:
    """Asks Cinder about single resources, for notification endpoints.

    :param osc: the :class:`~watcher.common.clients.OpenStackClients` to use.
    """

    def __init__(self, osc: Any = None):
        self._osc = osc
        # Types hardly ever change their names.
        self._type_names: dict[str, str] = {}

    @functools.cached_property
    def _helper(self):
        # Whoever waits for an answer holds up other messages.
        return cinder_helper.CinderHelper(osc=self._osc, http_retries=1)

    def node(self, host: str) -> element.StorageNode:
        """Return a backend.

        :raises: StorageNodeNotFound, CinderClientError
        """
        return node_element(
            self._helper.get_storage_node_by_name(host),
            self._helper.get_volume_type_by_backendname(
                cinder_helper.backend_name(host)))

    def pool(self, name: str) -> element.Pool:
        """Return a pool.

        :raises: PoolNotFound, CinderClientError
        """
        return pool_element(self._helper.get_storage_pool_by_name(name))

    def record(self, uuid: str) -> dict[str, Any]:
        """Return what Cinder says about a volume.

        :raises: VolumeNotFound, CinderClientError
        """
        return self._helper.get_volume_record(uuid)

    def volumes_of(self, pool: str) -> list[dict[str, Any]]:
        """Return what Cinder says about all volumes in a pool.

        :raises: CinderClientError
        """
        return [record for page in self._helper.volume_pages({'host': pool})
                for record in page]

    def type_name(self, ident: str) -> str:
        """Return the name of a volume type.

        :raises: VolumeTypeNotFound, CinderClientError
        """
        name = self._type_names.get(ident)
        if name is None:
            name = self._helper.get_volume_type_name_by_id(ident)
            self._type_names[ident] = name
        return name

    volume = staticmethod(volume_element)
    is_copy = staticmethod(is_copy)


class CinderModelBuilder(base.BaseModelBuilder):
    """Reads Cinder once.

    :param osc: the :class:`~watcher.common.clients.OpenStackClients` to use.
    :param known: pools that were read before, by name; it learns those that
        are read now.
    """

    def __init__(self, osc: Any = None,
                 known: last_known.LastKnown | None = None):
        self.osc = osc
        # call_retry does what the helper would do, for all errors.
        self.set_up(cinder_helper.CinderHelper(osc=osc, http_retries=0),
                    known)

    def set_up(self, cinder: cinder_helper.CinderHelper,
               known: last_known.LastKnown | None = None) -> None:
        """Begin an empty model that this helper describes."""
        self.cinder_helper = cinder
        self.model = model_root.StorageModelRoot()
        self._known = last_known.LastKnown() if known is None else known
        # Volumes by the name of their pool, which is not in the model.
        self._unmapped = collections.defaultdict(list)

    def call_retry_reset(self, exc: Exception) -> None:
        """Do nothing: the shared connection repairs itself."""

    def execute(self, model_scope: list | None = None,
                ) -> model_root.StorageModelRoot:
        """Build and return the model of the whole block storage.

        Pools without a backend and volumes without a pool stay in the model
        without a place. Pools that are not reported though their backend is
        up keep the figures that were read last.

        :param model_scope: not looked at; scopes are views of one model.
        :raises: CinderClientError, AuthorizationFailure
        """
        self.model.built_at = datetime.datetime.now(datetime.UTC)
        types = self.cinder_helper.get_volume_type_list(self.call_retry)
        services = self.call_retry(self.cinder_helper.get_storage_node_list)
        pools = self.call_retry(self.cinder_helper.get_storage_pool_list)
        self._add_nodes(services, types, pools)
        self._add_pools(pools)
        volumes = self._add_volumes()
        self._add_stand_ins()
        self._note_freshness()
        self.model.volume_types = tuple(types)
        self.model.reported_pools = self._reported_pools()
        LOG.info('Read %(nodes)d storage backends, %(pools)d pools and '
                 '%(volumes)d volumes',
                 {'nodes': len(self.model.get_all_storage_nodes()),
                  'pools': len(pools), 'volumes': volumes})
        return self.model

    # Backends and pools ---------------------------------------------------

    def _reported_pools(self):
        """Return the last reports of the pools of the model, by name.

        Pools that belong to no backend have none.
        """
        found = {name: self._known.get(name)
                 for name in self.model.get_all_pools()}
        return {name: known[0] for name, known in found.items() if known}

    def _add_nodes(self, services, types, pools):
        names = collections.defaultdict(set)
        for pool in pools:
            # A backend may be called otherwise than its section.
            if pool.volume_backend_name:
                names[pool.name.partition('#')[0]].add(
                    pool.volume_backend_name)
        for service in services:
            tied = names[service.host] | {
                cinder_helper.backend_name(service.host)}
            self.model.add_node(node_element(service, [
                known.name for known in types
                if known.extra_specs.get('volume_backend_name') in tied]))

    def _add_pools(self, pools):
        homeless, silent = [], []
        for pool in pools:
            self._known.note(pool.name, pool, self.model.built_at)
            self.model.add_pool(pool_element(pool))
            host = pool.name.partition('#')[0]
            if host in self.model:
                self.model.map_pool(pool.name, host)
            else:
                homeless.append(pool.name)
            missing = [name for name in FIGURES
                       if getattr(pool, name) is None]
            if missing:
                silent.append(f"{pool.name} ({', '.join(missing)})")
        if homeless:
            LOG.warning('%(count)d storage pools have no cinder-volume '
                        'service and so belong to no backend: %(named)s',
                        {'count': len(homeless), 'named': _named(homeless)})
        if silent:
            LOG.info('%(count)d storage pools report no usable value of '
                     'some figures: %(named)s',
                     {'count': len(silent), 'named': _named(silent)})

    # Volumes --------------------------------------------------------------

    def _add_volumes(self):
        """Add all volumes.

        :returns: how many there are.
        """
        skipped, placeless, migrating = [], [], {}
        for page in self.cinder_helper.volume_pages(call=self.call_retry):
            for record in page:
                if is_copy(record):
                    continue
                try:
                    volume = volume_element(record)
                except (KeyError, TypeError, ValueError) as exc:
                    skipped.append(f"{record.get('id')} ({exc!r})")
                    continue
                status = record.get('os-vol-mig-status-attr:migstat')
                if status not in AT_REST:
                    migrating[volume.uuid] = sys.intern(status)
                if not self._place(volume):
                    placeless.append(volume.uuid)
        self.model.migrating = migrating
        if skipped:
            LOG.warning('%(count)d volumes are left out of the model because '
                        'Cinder does not describe them completely: '
                        '%(named)s',
                        {'count': len(skipped), 'named': _named(skipped)})
            self.model.gaps += (_('Cinder does not describe %d volumes '
                                  'completely') % len(skipped),)
        if placeless:
            LOG.info('%(count)d volumes are in no known pool: %(named)s',
                     {'count': len(placeless), 'named': _named(placeless)})
        return len(self.model.get_all_volumes())

    def _place(self, volume):
        """Add a volume and put it into its pool.

        The pages are no snapshot: a volume may come twice, then the last
        record counts.

        :returns: whether it has a pool.
        """
        uuid, pool = volume.uuid, volume.host
        if uuid in self.model:
            self.model.remove_volume(uuid)
        self.model.add_volume(volume)
        if pool is None:
            return False
        if pool not in self.model:
            self._unmapped[pool].append(uuid)
            return False
        self.model.map_volume(uuid, pool)
        return True

    # Freshness ------------------------------------------------------------

    def _add_stand_ins(self):
        """Add pools of backends that are up, but not reported, as they were.

        The scheduler forgets all of them when it starts, for example. Pools
        that have no volumes and are not reported any more are gone, unless
        the backend reports none at all.
        """
        backends = self.model.get_all_storage_nodes()
        silent = {host for host, node in backends.items()
                  if not self.model.get_node_pools(node)}
        self._known.keep(name for name in self._known.keys()
                         if name.partition('#')[0] in backends)
        for name in self._known.keys():
            host = name.partition('#')[0]
            if name in self.model or backends[host].get('state') != 'up':
                continue
            if host in silent or name in self._unmapped:
                self._stand_in(name, host)

    def _stand_in(self, name, host):
        pool, _read_at = self._known.get(name)
        self.model.add_pool(pool_element(pool))
        self.model.map_pool(name, host)
        for uuid in self._unmapped.get(name, ()):
            self.model.map_volume(uuid, name)
        self.model.stand_ins |= {name}

    def _note_freshness(self):
        missing = collections.defaultdict(list)
        for pool in {*self._unmapped, *self.model.stand_ins}:
            missing[pool.partition('#')[0]].append(pool)
        problems = {}
        for host, node in self.model.get_all_storage_nodes().items():
            pools = sorted(missing.get(host, ()))
            reason = self._problem(node, pools)
            self.model.touch(host, self.model.built_at, clocks.BUILD, reason,
                             self._oldest(pools))
            if reason:
                problems[host] = reason
        if problems:
            LOG.warning('The picture of %(count)d storage backends is not '
                        'complete. %(named)s',
                        {'count': len(problems), 'named': _named(
                            [f'{host}: {reason}' for host, reason
                             in problems.items()])})

    def _oldest(self, pools):
        """Return when the pools were read; None unless all were once."""
        if not pools or not self.model.stand_ins.issuperset(pools):
            return None
        return min(self._known.get(name)[1] for name in pools)

    def _problem(self, node, missing):
        """Say why the picture of a backend is not complete."""
        reported = {pool.name for pool in self.model.get_node_pools(
            node.host)} - self.model.stand_ins
        if not reported:
            return _("Cinder's scheduler reports no pool of it; the service "
                     'is %(state)s and %(status)s') % {
                         'state': node.get('state'),
                         'status': node.get('status')}
        if missing:
            return _("Cinder's scheduler does not report the pools %s, "
                     'which have volumes') % _named(missing)
        return None


def _named(names):
    return '; '.join(names[:MAX_NAMED])
