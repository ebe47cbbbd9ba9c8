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
"""Backends, pools and volumes, and what Cinder does with them.

The rules are those of the real service: what a volume's state allows, which
requests are refused at once, which fail later. A volume that moves is copied
to a hidden volume first, whose record is the old copy afterwards and is
deleted; unless its driver moves it by itself.

What Cinder counts as allocated in a pool is right for volumes that come, grow
and go. Moves make it drift, as they do in the real service: it overlooks
those of drivers and the end of hidden copies.
"""

from __future__ import annotations

import dataclasses
import datetime
import uuid
from collections.abc import Callable
from typing import Any

from watcher.sandbox.cloud import faults as cloud_faults
from watcher.sandbox.cloud import state as cloud_state
from watcher.sandbox.cloud import timeline as cloud_timeline
from watcher.sandbox.cloud import web

#: Beginnings of the migration status of copies.
HIDDEN = ('target:', 'deleting')


@dataclasses.dataclass(slots=True)
class VolumeTiming:
    """How long things take, in seconds."""

    create: float = 0.5
    delete: float = 0.2
    migration: float = 2.0
    retype: float = 0.5


@dataclasses.dataclass(slots=True)
class Backend:
    """A cinder-volume service; ``host`` is ``host@backend``."""

    host: str
    zone: str = cloud_state.DEFAULT_ZONE
    status: str = 'enabled'
    state: str = 'up'
    disabled_reason: str | None = None
    #: Whether its driver moves volumes between its pools by itself.
    moves: bool = False

    @property
    def name(self) -> str:
        return self.host.partition('@')[2]


@dataclasses.dataclass(slots=True)
class Pool:
    """A pool; ``name`` is ``host@backend#pool``."""

    name: str
    backend: Backend
    total_gb: int
    volumes: dict[str, Volume] = dataclasses.field(default_factory=dict)
    #: What its driver reports in place of the truth; None: not at all.
    reported: dict[str, Any] = dataclasses.field(default_factory=dict)
    #: What Cinder counts, not what is true.
    allocated_gb: int = 0

    @property
    def used_gb(self) -> int:
        return sum(volume.size for volume in self.volumes.values())

    def capabilities(self) -> dict[str, Any]:
        used = self.used_gb
        told = {
            'pool_name': self.name.partition('#')[2],
            'volume_backend_name': self.backend.name,
            'total_capacity_gb': self.total_gb,
            'free_capacity_gb': max(0, self.total_gb - used),
            'allocated_capacity_gb': self.allocated_gb,
            'provisioned_capacity_gb': used,
            'total_volumes': len(self.volumes),
            'max_over_subscription_ratio': '20.0',
            'thin_provisioning_support': True, 'multiattach': True,
            'reserved_percentage': 0, 'backend_state': self.backend.state,
            'storage_protocol': 'iSCSI', **self.reported}
        return {name: value for name, value in told.items()
                if value is not None}


@dataclasses.dataclass(slots=True)
class VolumeType:
    id: str
    name: str
    extra_specs: dict[str, str] = dataclasses.field(default_factory=dict)
    is_public: bool = True

    def fits(self, pool: Pool) -> bool:
        wanted = self.extra_specs.get('volume_backend_name')
        return wanted in (None, pool.backend.name)


@dataclasses.dataclass(slots=True)
class Snapshot:
    id: str
    volume_id: str


@dataclasses.dataclass(slots=True)
class Volume:
    id: str
    number: int
    name: str | None
    size: int
    type: VolumeType
    pool: Pool | None
    project_id: str
    user_id: str
    created: datetime.datetime
    updated: datetime.datetime
    status: str = 'available'
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    attachments: list[dict[str, Any]] = dataclasses.field(
        default_factory=list)
    bootable: bool = False
    multiattach: bool = False
    snapshot_id: str | None = None
    migration_status: str | None = None
    name_id: str | None = None
    #: Status before a migration or a change of type.
    resting: str = 'available'

    @property
    def hidden(self) -> bool:
        """Whether it is a copy that a migration makes or removes."""
        return (self.migration_status or '').startswith(HIDDEN)


class BlockStorage:
    """What Cinder does; call it under the lock of the cloud."""

    def __init__(self, state: cloud_state.CloudState,
                 timeline: cloud_timeline.Timeline,
                 rules: cloud_faults.Faults,
                 timing: VolumeTiming | None = None) -> None:
        self.state = state
        self.timing = timing or VolumeTiming()
        self.backends: dict[str, Backend] = {}
        self.pools: dict[str, Pool] = {}
        self.types: dict[str, VolumeType] = {}
        self.volumes: dict[str, Volume] = {}
        self.snapshots: dict[str, Snapshot] = {}
        self._timeline = timeline
        self._faults = rules

    def _later(self, seconds: float, step: Callable[..., None],
               volume: Volume, *arguments: Any) -> None:
        def run() -> None:
            with self.state.lock:
                if self.volumes.get(volume.id) is volume:
                    step(volume, *arguments)
        self._timeline.after(seconds, run)

    def _tell(self, event: str, volume: Volume, *pools: Pool | None,
              ) -> None:
        """Have listeners hear of a volume, then of its pools."""
        if event:
            self.state.emit(event, volume)
        for pool in (volume.pool, *pools):
            if pool is not None:
                self.state.emit('capacity.pool', pool)

    # Bookkeeping.

    def add(self, volume: Volume) -> None:
        self.volumes[volume.id] = volume
        if volume.pool is not None:
            volume.pool.volumes[volume.id] = volume
        self._count(volume, volume.size)

    @staticmethod
    def _count(volume: Volume, size: int) -> None:
        """Note that more or less is allocated where a volume is."""
        if volume.pool is not None:
            volume.pool.allocated_gb += size

    def place(self, volume: Volume, pool: Pool | None) -> None:
        """Move the record of a volume to a pool."""
        if volume.pool is not None:
            volume.pool.volumes.pop(volume.id, None)
        volume.pool = pool
        if pool is not None:
            pool.volumes[volume.id] = volume
        self.touch(volume)

    @staticmethod
    def touch(volume: Volume, **changes: Any) -> None:
        for name, value in changes.items():
            setattr(volume, name, value)
        volume.updated = cloud_state.utcnow()

    def forget(self, volume: Volume) -> None:
        """Let a volume vanish without a trace."""
        self.volumes.pop(volume.id, None)
        if volume.pool is not None:
            volume.pool.volumes.pop(volume.id, None)
        if not volume.hidden:
            self._count(volume, -volume.size)

    def find_type(self, name_or_id: str | None) -> VolumeType | None:
        for known in self.types.values():
            if name_or_id in (known.id, known.name):
                return known
        return None

    def _schedule(self, kind: VolumeType, size: int) -> Pool | None:
        """The pool with most free room that the type allows."""
        fitting = [
            pool for pool in self.pools.values()
            if kind.fits(pool) and pool.backend.state == 'up'
            and pool.backend.status == 'enabled'
            and pool.total_gb - pool.used_gb >= size]
        return min(fitting, default=None, key=lambda pool: (
            pool.used_gb - pool.total_gb, pool.name))

    # Operations.

    def create(self, name: str | None, size: int, kind: VolumeType,
               project_id: str, user_id: str, **fields: Any) -> Volume:
        now = cloud_state.utcnow()
        volume = Volume(
            id=str(uuid.uuid4()), number=next(self.state.sequence),
            name=name, size=size, type=kind, pool=None, status='creating',
            project_id=project_id, user_id=user_id, created=now,
            updated=now, **fields)
        self.add(volume)
        self._later(self.timing.create, self._created, volume)
        return volume

    def _created(self, volume: Volume) -> None:
        pool = self._schedule(volume.type, volume.size)
        if pool is None:
            self.touch(volume, status='error')
            return
        self.place(volume, pool)
        self._count(volume, volume.size)
        self.touch(volume, status='available')
        self._tell('volume.create.end', volume)

    def delete(self, volume: Volume) -> None:
        """:raises web.HTTPError: 400 for a volume in use."""
        if (volume.status not in ('available', 'error', 'error_deleting')
                or self._has_snapshots(volume)):
            raise web.HTTPError(
                400, 'Invalid volume: Volume status must be available or '
                     'error and must not be migrating, attached, belong to '
                     'a group, have snapshots.')
        self.touch(volume, status='deleting')
        self._later(self.timing.delete, self._deleted, volume)

    def _deleted(self, volume: Volume) -> None:
        self.forget(volume)
        # Hidden copies have no quota and so nobody is told.
        self._tell('' if volume.hidden else 'volume.delete.end', volume)

    def extend(self, volume: Volume, size: int) -> None:
        if size <= volume.size:
            raise web.HTTPError(
                400, 'Invalid input received: New size for extend must be '
                     'greater than current size.')
        self._count(volume, size - volume.size)
        self.touch(volume, size=size)
        self._tell('volume.resize.end', volume)

    def attach(self, volume: Volume, server_id: str) -> None:
        if volume.attachments and not volume.multiattach:
            raise web.HTTPError(
                400, 'Invalid volume: volume is already attached')
        ident = str(uuid.uuid4())
        volume.attachments.append({
            'id': volume.id, 'attachment_id': ident, 'server_id': server_id,
            'volume_id': volume.id, 'device': '/dev/vdb', 'host_name': None,
            'attached_at': cloud_state.utcnow().isoformat()})
        self.touch(volume, status='in-use')
        self.state.emit('volume.attach.end', volume)

    def detach(self, volume: Volume, attachment_id: str | None) -> None:
        volume.attachments = [
            one for one in volume.attachments if attachment_id is not None
            and one['attachment_id'] != attachment_id]
        self.touch(volume, status='in-use' if volume.attachments
                   else 'available')
        self.state.emit('volume.detach.end', volume)

    def take_snapshot(self, volume: Volume) -> Snapshot:
        snapshot = Snapshot(str(uuid.uuid4()), volume.id)
        self.snapshots[snapshot.id] = snapshot
        return snapshot

    def _has_snapshots(self, volume: Volume) -> bool:
        return any(snapshot.volume_id == volume.id
                   for snapshot in self.snapshots.values())

    # Moving.

    def _check_movable(self, volume: Volume) -> None:
        if volume.status not in ('available', 'in-use'):
            raise web.HTTPError(
                400, 'Invalid volume: Volume %s status must be available or '
                     'in-use, but current status is: %s.' % (
                         volume.id, volume.status))
        if volume.migration_status not in (
                None, 'deleting', 'error', 'success'):
            raise web.HTTPError(
                400, 'Invalid volume: Volume is already migrating.')

    def migrate(self, volume: Volume, pool_name: str | None) -> None:
        """:raises web.HTTPError: 400 for its state or its destination."""
        self._check_movable(volume)
        if self._has_snapshots(volume):
            raise web.HTTPError(
                400, 'Invalid volume: Volume %s must not have snapshots.'
                % volume.id)
        pool = self.pools.get(pool_name or '')
        if pool is None or pool.backend.state != 'up':
            raise web.HTTPError(
                400, 'Invalid input received: No available service named '
                     '%s' % pool_name)
        if pool is volume.pool:
            raise web.HTTPError(
                400, 'Invalid input received: Destination host must be '
                     'different than the current host.')
        self.touch(volume, migration_status='starting',
                   resting=volume.status)
        self._later(self.timing.migration * 0.1, self._copy, volume, pool,
                    volume.type)

    def _fault(self, volume: Volume,
               kind: str) -> cloud_faults.MigrationFault | None:
        return self._faults.take_migration(
            volume.id, volume.pool.name if volume.pool else '', kind)

    def _copy(self, volume: Volume, pool: Pool, kind: VolumeType) -> None:
        """Begin to copy the data to a hidden volume."""
        fault = self._fault(volume, 'volume')
        if not kind.fits(pool) or pool.total_gb - pool.used_gb \
                < volume.size:
            self._move_failed(volume)
            return
        if (fault is None and pool.backend is volume.pool.backend
                and pool.backend.moves and not volume.attachments):
            self.touch(volume, migration_status='migrating')
            self._later(self.timing.migration * 0.9, self._moved, volume,
                        pool)
            return
        copy = dataclasses.replace(
            volume, id=str(uuid.uuid4()), number=next(self.state.sequence),
            type=kind, pool=pool, status='available', attachments=[],
            migration_status='target:' + volume.id)
        # Cinder does not announce it.
        self.add(copy)
        self._tell('', copy)
        self.touch(volume, migration_status='migrating')
        if fault is not None and fault.outcome == 'hang':
            return
        failed = fault is not None
        self._later(self.timing.migration * 0.9, self._copied, volume, copy,
                    failed)

    def _copied(self, volume: Volume, copy: Volume, failed: bool) -> None:
        if failed:
            self._move_failed(volume)
            self._later(self.timing.delete, self._deleted, copy)
            return
        old, new, copied = volume.pool, copy.pool, volume.type
        self._attach_anew(volume, copy)
        self.place(volume, new)
        self.place(copy, old)
        self.touch(volume, migration_status='success', type=copy.type,
                   status=volume.resting)
        self.touch(copy, migration_status='deleting', status='deleting',
                   name_id=volume.id)
        # There is no event of migrations; only of changed types.
        self._tell('volume.retype' if volume.type is not copied else '',
                   volume, old)
        self._later(self.timing.delete, self._deleted, copy)

    def _attach_anew(self, volume: Volume, copy: Volume) -> None:
        """Let servers use a copy as Nova does: told of both volumes."""
        used, volume.attachments = volume.attachments, []
        for one in used:
            copy.attachments.append({
                **one, 'id': copy.id, 'volume_id': copy.id,
                'attachment_id': str(uuid.uuid4())})
            self.state.emit('volume.attach.end', copy)
            self.state.emit('volume.detach.end', volume)
        volume.attachments = [{**one, 'id': volume.id,
                               'volume_id': volume.id}
                              for one in copy.attachments]
        copy.attachments = []

    def _moved(self, volume: Volume, pool: Pool) -> None:
        """End a move that the driver made."""
        old = volume.pool
        self.place(volume, pool)
        self.touch(volume, migration_status='success')
        self._tell('', volume, old)

    def _move_failed(self, volume: Volume) -> None:
        self.touch(volume, migration_status='error', status=volume.resting)

    def retype(self, volume: Volume, name: str, policy: str) -> None:
        """:raises web.HTTPError: 400 for its state or an unknown type."""
        self._check_movable(volume)
        kind = self.find_type(name)
        if kind is None:
            raise web.HTTPError(
                404, 'Volume type %s could not be found.' % name)
        if kind is volume.type:
            raise web.HTTPError(
                400, 'Invalid input received: New volume_type same as '
                     'original: %s.' % name)
        self.touch(volume, status='retyping', resting=volume.status)
        self._later(self.timing.retype, self._retype, volume, kind, policy)

    def _retype(self, volume: Volume, kind: VolumeType,
                policy: str) -> None:
        fault = self._fault(volume, 'retype')
        if fault is not None and fault.outcome == 'hang':
            return
        if fault is None and kind.fits(volume.pool):
            self.touch(volume, type=kind, status=volume.resting)
            self._tell('volume.retype', volume)
            return
        pool = self._schedule(kind, volume.size)
        if fault is not None or policy != 'on-demand' or pool is None:
            self.touch(volume, status=volume.resting)
            return
        self.touch(volume, migration_status='starting')
        self._copy(volume, pool, kind)
