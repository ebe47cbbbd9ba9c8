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
"""How the simulated Nova moves servers.

The rules (which state allows what, when a request is refused at once and
when it fails later) are those of the real service. Work that takes time
is a chain of callbacks on the timeline; each one takes the lock, looks
whether the server is still there, and goes one step further.
"""

from __future__ import annotations

import dataclasses
import time
import uuid
from collections.abc import Callable
from typing import Any

from watcher.sandbox.cloud import faults
from watcher.sandbox.cloud import keystone
from watcher.sandbox.cloud import scheduling
from watcher.sandbox.cloud import state as cloud_state
from watcher.sandbox.cloud import timeline as cloud_timeline
from watcher.sandbox.cloud import web
from watcher.sandbox.cloud.state import Flavor
from watcher.sandbox.cloud.state import Host
from watcher.sandbox.cloud.state import Migration
from watcher.sandbox.cloud.state import Server

RUNNING = 1
PAUSED = 3
SHUTDOWN = 4
SUSPENDED = 7

#: Parts of a migration's duration.
PREPARING = 0.15
COLD_STAGES = (('resize_migrating', 0.1), ('resize_migrated', 0.5),
               ('resize_finish', 0.2))
COLD_LAST = 0.2


@dataclasses.dataclass(slots=True)
class Timing:
    """How long things take, in seconds, and how many at a time."""

    live_migration: float = 2.0
    cold_migration: float = 2.0
    confirm: float = 0.3
    power: float = 0.5
    build: float = 1.0
    delete: float = 0.2
    #: Live migrations that leave one host at the same time.
    concurrent_live_migrations: int = 1


def invalid_state(action: str, server: Server,
                  attribute: str) -> web.HTTPError:
    return web.HTTPError(
        409, "Cannot '%s' instance %s while it is in %s %s" % (
            action, server.uuid, attribute, getattr(server, attribute)))


def check_state(action: str, server: Server, *vm_states: str) -> None:
    """Refuse an action that the server's state does not allow."""
    if server.vm_state not in vm_states:
        raise invalid_state(action, server, 'vm_state')
    if server.task_state is not None:
        raise invalid_state(action, server, 'task_state')


class Moves:
    """Live and cold migrations and resizes of servers."""

    def __init__(self, state: cloud_state.CloudState,
                 timeline: cloud_timeline.Timeline, rules: faults.Faults,
                 timing: Timing) -> None:
        self.state = state
        self.timing = timing
        self.scheduler = scheduling.Scheduler(state)
        self._timeline = timeline
        self._faults = rules

    def _later(self, seconds: float, step: Callable[..., None],
               *arguments: Any) -> None:
        def run() -> None:
            with self.state.lock:
                step(*arguments)
        self._timeline.after(seconds, run)

    def _is_there(self, server: Server) -> bool:
        return self.state.servers.get(server.uuid) is server

    def _requested_host(self, name: str | None) -> str | None:
        if name and name not in self.state.hosts:
            raise web.HTTPError(
                400, 'Compute host %s could not be found.' % name)
        return name or None

    def _new_migration(self, server: Server, kind: str, status: str,
                       requested: str | None, flavor: Flavor,
                       identity: keystone.Identity) -> Migration:
        now = cloud_state.utcnow()
        migration = Migration(
            id=next(self.state.sequence), uuid=str(uuid.uuid4()),
            server_uuid=server.uuid, kind=kind, source=server.host,
            dest=None, status=status, created=now, updated=now,
            user_id=identity.user_id, project_id=identity.project_id or '',
            old_flavor=server.flavor, new_flavor=flavor,
            requested_host=requested, old_vm_state=server.vm_state)
        self.state.add_migration(migration)
        return migration

    @staticmethod
    def _set_status(migration: Migration, status: str) -> None:
        migration.status = status
        migration.updated = cloud_state.utcnow()

    # Allocations of migrations: the migration holds what the server has
    # on the source, the server what it will have on the destination.

    def _claim_dest(self, server: Server, migration: Migration,
                    dest: Host, flavor: Flavor) -> None:
        migration.dest = dest
        migration.allocations = server.allocations
        server.allocations = {}
        resources = flavor.resources(server.image_id is not None)
        self.state.claim(server.allocations, dest, resources)

    def _release_source(self, migration: Migration) -> None:
        self.state.release(migration.allocations)

    def _give_back(self, server: Server, migration: Migration) -> None:
        self.state.release(server.allocations)
        server.allocations = migration.allocations
        migration.allocations = {}

    def _fault(self, message: str, code: int = 500) -> dict[str, Any]:
        return {'code': code, 'message': message,
                'created': cloud_state.utcnow().strftime(
                    '%Y-%m-%dT%H:%M:%SZ')}

    @staticmethod
    def _note_error(server: Server, message: str) -> None:
        """Tell in the record of the last action what went wrong."""
        if server.actions:
            server.actions[-1].events.append(message)

    def _break(self, server: Server, message: str) -> None:
        self.state.touch(server, vm_state='error', task_state=None,
                         fault=self._fault(message))

    # Live migration.

    def live_migrate(self, server: Server, host: str | None,
                     identity: keystone.Identity,
                     reports_later: bool) -> None:
        """Accept a live migration.

        :param host: name of the wanted host; None: the scheduler chooses.
        :param reports_later: with microversion 2.34 and later what the
            scheduler says is found in the migration record only.
        :raises web.HTTPError: 409 for the server's state, 400 for an
            unknown or unfit host.
        """
        check_state('os-migrateLive', server, 'active', 'paused')
        requested = self._requested_host(host)
        migration = self._new_migration(
            server, 'live-migration', 'accepted', requested, server.flavor,
            identity)
        try:
            dest = self._live_destination(server, requested)
        except web.HTTPError:
            self._set_status(migration, 'error')
            if reports_later:
                return
            raise
        self.state.touch(server, task_state='migrating')
        self._claim_dest(server, migration, dest, server.flavor)
        self._set_status(migration, 'queued')
        migration.source.migrations_queued.append(migration)
        self._run_queue(migration.source)

    def _live_destination(self, server: Server,
                          requested: str | None) -> Host:
        source = server.host
        if source is None or not source.is_up:
            raise web.HTTPError(
                400, 'Compute service of %s is unavailable at this time.'
                % (source.name if source else None))
        if requested == source.name:
            raise web.HTTPError(
                400, 'Unable to migrate instance (%s) to current host (%s).'
                % (server.uuid, requested))
        return self.scheduler.select(server, server.resources, avoid=source,
                                     requested=requested)

    def _run_queue(self, source: Host) -> None:
        limit = self.timing.concurrent_live_migrations
        while source.migrations_queued and (
                limit <= 0 or source.migrations_running < limit):
            migration = source.migrations_queued.pop(0)
            server = self.state.servers.get(migration.server_uuid)
            if server is None:
                self._abandon(migration)
                continue
            self._start_live(server, migration)

    def _start_live(self, server: Server, migration: Migration) -> None:
        migration.source.migrations_running += 1
        migration.started = time.monotonic()
        migration.duration = self.timing.live_migration
        self._set_status(migration, 'preparing')
        self.state.emit('instance.live_migration_pre.start', server)
        self._later(migration.duration * PREPARING, self._live_running,
                    server, migration)

    def _live_running(self, server: Server, migration: Migration) -> None:
        if not self._still_live(server, migration, 'preparing'):
            return
        self._set_status(migration, 'running')
        self.state.emit('instance.live_migration_pre.end', server)
        rest = migration.duration * (1 - PREPARING)
        fault = self._faults.take_migration(
            server.uuid, migration.source.name, migration.kind)
        if fault is None:
            self._later(rest, self._live_done, server, migration)
        elif fault.outcome != 'hang':
            self._later(rest / 2, self._live_failed, server, migration,
                        fault)

    def _still_live(self, server: Server, migration: Migration,
                    status: str) -> bool:
        if migration.status != status:
            return False
        if self._is_there(server):
            return True
        self._abandon(migration)
        self._leave_queue(migration)
        return False

    def _abandon(self, migration: Migration) -> None:
        """The server of a migration is gone."""
        self._set_status(migration, 'error')
        self.state.release(migration.allocations)

    def _leave_queue(self, migration: Migration) -> None:
        migration.source.migrations_running -= 1
        self._run_queue(migration.source)

    def _live_done(self, server: Server, migration: Migration) -> None:
        if not self._still_live(server, migration, 'running'):
            return
        self.state.emit('instance.live_migration_post.start', server)
        self._release_source(migration)
        self.state.emit('instance.live_migration_post.end', server)
        self.state.move(server, migration.dest)
        self.state.touch(server, task_state=None)
        self._set_status(migration, 'completed')
        self.state.emit('instance.live_migration_post_dest.end', server)
        self._leave_queue(migration)

    def _live_failed(self, server: Server, migration: Migration,
                     fault: faults.MigrationFault) -> None:
        if not self._still_live(server, migration, 'running'):
            return
        self._note_error(server, fault.message)
        self._end_live(server, migration, 'error')
        if fault.outcome == 'broken':
            self._break(server, fault.message)

    def _end_live(self, server: Server, migration: Migration,
                  status: str) -> None:
        """End a live migration that leaves the server where it is."""
        self._give_back(server, migration)
        self.state.touch(server, task_state=None)
        self._set_status(migration, status)
        self.state.emit('instance.live_migration_rollback.end', server)
        self._leave_queue(migration)

    def abort_live(self, server: Server, migration: Migration,
                   abort_queued: bool) -> None:
        """Abort a live migration.

        :param abort_queued: 2.65 and later: also one that waits.
        :raises web.HTTPError: 400 when it is too late or too early.
        """
        allowed = ['running']
        if abort_queued:
            allowed += ['queued', 'preparing']
        if migration.status not in allowed:
            raise web.HTTPError(
                400, 'Migration %d state of instance %s is %s. Cannot '
                     'abort live migration while the migration is in this '
                     'state.' % (migration.id, server.uuid,
                                 migration.status))
        if migration.status == 'queued':
            migration.source.migrations_queued.remove(migration)
            migration.source.migrations_running += 1
        self._end_live(server, migration, 'cancelled')

    def force_live(self, server: Server, migration: Migration) -> None:
        """End a live migration at once, whatever is left to copy.

        :raises web.HTTPError: 400 when it is too late or too early.
        """
        if migration.status != 'running':
            raise web.HTTPError(
                400, 'Migration %d of instance %s is %s. It cannot be forced '
                     'to complete while it is in this state.' % (
                         migration.id, server.uuid, migration.status))
        self._later(0, self._live_done, server, migration)

    def progress(self, migration: Migration) -> float:
        """What part of a migration is done, from 0 to 1."""
        if migration.status not in ('preparing', 'running'):
            return 0.0 if migration.status in ('accepted', 'queued') else 1.0
        elapsed = time.monotonic() - migration.started
        return min(0.99, elapsed / max(migration.duration, 0.001))

    # Cold migration and resize.

    def cold_migrate(self, server: Server, host: str | None,
                     identity: keystone.Identity) -> None:
        """Accept a cold migration; what the scheduler says comes later."""
        check_state('migrate', server, 'active', 'stopped')
        requested = self._requested_host(host)
        if requested and requested == server.host.name:
            raise web.HTTPError(400, 'Cannot migrate to the host where the '
                                     'server exists.')
        self._start_cold(server, 'migration', server.flavor, requested,
                         identity)

    def resize(self, server: Server, flavor: Flavor,
               identity: keystone.Identity) -> None:
        check_state('resize', server, 'active', 'stopped')
        if flavor is server.flavor:
            raise web.HTTPError(
                400, 'When resizing, instances must change flavor!')
        self._start_cold(server, 'resize', flavor, None, identity)

    def _start_cold(self, server: Server, kind: str, flavor: Flavor,
                    requested: str | None,
                    identity: keystone.Identity) -> None:
        migration = self._new_migration(
            server, kind, 'pre-migrating', requested, flavor, identity)
        resources = flavor.resources(server.image_id is not None)
        try:
            dest = self.scheduler.select(server, resources,
                                         avoid=server.host,
                                         requested=requested)
        except scheduling.NoValidHost as error:
            self._set_status(migration, 'error')
            self._note_error(server, error.message)
            self.state.touch(server, fault=self._fault(error.message, 400))
            return
        self.state.touch(server, task_state='resize_prep')
        self._claim_dest(server, migration, dest, flavor)
        migration.started = time.monotonic()
        migration.duration = self.timing.cold_migration
        self.state.emit('instance.resize_prep.start', server)
        self._later(migration.duration * COLD_STAGES[0][1],
                    self._cold_stage, server, migration, 0)

    def _cold_stage(self, server: Server, migration: Migration,
                    stage: int) -> None:
        if not self._is_there(server):
            self._abandon(migration)
            return
        task_state = COLD_STAGES[stage][0]
        if task_state == 'resize_migrating':
            fault = self._faults.take_migration(
                server.uuid, migration.source.name, migration.kind)
            if fault is not None:
                self._cold_fault(server, migration, fault)
                return
            self._set_status(migration, 'migrating')
        if task_state == 'resize_migrated':
            self._set_status(migration, 'post-migrating')
            self.state.move(server, migration.dest)
        self.state.touch(server, task_state=task_state)
        if stage + 1 < len(COLD_STAGES):
            self._later(migration.duration * COLD_STAGES[stage + 1][1],
                        self._cold_stage, server, migration, stage + 1)
        else:
            self._later(migration.duration * COLD_LAST, self._cold_done,
                        server, migration)

    def _cold_fault(self, server: Server, migration: Migration,
                    fault: faults.MigrationFault) -> None:
        self.state.touch(server, task_state='resize_migrating')
        if fault.outcome != 'hang':
            self._later(migration.duration / 2, self._cold_failed, server,
                        migration, fault)

    def _cold_failed(self, server: Server, migration: Migration,
                     fault: faults.MigrationFault) -> None:
        if not self._is_there(server):
            self._abandon(migration)
            return
        self._give_back(server, migration)
        self._set_status(migration, 'error')
        self._note_error(server, fault.message)
        self.state.touch(server, task_state=None,
                         fault=self._fault(fault.message))
        if fault.outcome == 'broken':
            self._break(server, fault.message)

    def _cold_done(self, server: Server, migration: Migration) -> None:
        if not self._is_there(server):
            self._abandon(migration)
            return
        self._set_status(migration, 'finished')
        self.state.touch(server, vm_state='resized', task_state=None,
                         flavor=migration.new_flavor)
        self.state.emit('instance.resize_finish.end', server)

    def _finished_resize(self, server: Server, action: str) -> Migration:
        check_state(action, server, 'resized')
        for migration in reversed(self.state.migrations_of(server.uuid)):
            if migration.status == 'finished':
                return migration
        raise web.HTTPError(400, 'Instance has not been resized.')

    def confirm_resize(self, server: Server) -> None:
        migration = self._finished_resize(server, 'confirmResize')
        self._set_status(migration, 'confirming')
        self._later(self.timing.confirm, self._confirmed, server, migration)

    def _settled_state(self, server: Server) -> str:
        return 'stopped' if server.power_state == SHUTDOWN else 'active'

    def _confirmed(self, server: Server, migration: Migration) -> None:
        if not self._is_there(server):
            self._abandon(migration)
            return
        fault = self._faults.take_migration(
            server.uuid, migration.source.name, 'confirm')
        if fault is not None:
            self._note_error(server, fault.message)
            self._set_status(migration, 'error')
            return
        self._release_source(migration)
        self._set_status(migration, 'confirmed')
        self.state.touch(server, vm_state=self._settled_state(server),
                         task_state=None)
        self.state.emit('instance.resize_confirm.end', server)

    def revert_resize(self, server: Server) -> None:
        migration = self._finished_resize(server, 'revertResize')
        self._set_status(migration, 'reverting')
        self.state.touch(server, task_state='resize_reverting')
        self._later(self.timing.cold_migration / 2, self._reverted, server,
                    migration)

    def _reverted(self, server: Server, migration: Migration) -> None:
        if not self._is_there(server):
            self._abandon(migration)
            return
        self._give_back(server, migration)
        self._set_status(migration, 'reverted')
        self.state.move(server, migration.source)
        self.state.touch(server, vm_state=self._settled_state(server),
                         task_state=None, flavor=migration.old_flavor)
        self.state.emit('instance.resize_revert.end', server)
