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
"""Moving and switching servers.

Each method follows the server to the end and returns an :class:`Outcome`:
true or false, and why in words.
"""

import dataclasses

from oslo_log import log

from watcher._i18n import _
from watcher.common import exception
from watcher.common import waiting
from watcher.common.nova import following
from watcher.common.nova import records
from watcher.common.nova import versions

LOG = log.getLogger(__name__)

#: Seconds that stopping and starting a server may take.
POWER_LIMIT = 80.0
#: Seconds between looks while a server is stopped or started.
POWER_INTERVAL = 10.0

MIGRATION_FAILED = frozenset(('error', 'failed', 'cancelled'))

# Marks "moved, now to be confirmed" between two steps of a cold move.
_CONFIRM = 'confirm'

Outcome = waiting.Outcome
StopCheck = waiting.StopCheck


class ServerMover(following.ServerFollower):
    """Migrates, resizes, stops and starts servers."""

    def live_migrate_instance(
            self, instance_id: str, dest_hostname: str | None,
            retry: int | None = None, interval: float | None = None,
            should_stop: StopCheck | None = None) -> Outcome:
        """Migrate a running server and wait for the end.

        :param dest_hostname: compute service host; None lets Nova choose.
        :param retry: with ``interval`` (seconds) the longest time to wait;
            defaults are ``[nova] migration_max_retries`` and
            ``migration_interval``.
        :param should_stop: asked about twice a second whether to give up
            waiting.
        :raises: InstanceNotFound, NovaClientError when Nova refuses or
            cannot be reached.
        """
        before = self.find_instance(instance_id)
        older = {item.id for item in self._try_migrations(instance_id)}

        def accepted(server):
            return (server.host != before.host
                    or server.task_state is not None
                    or bool(self._new_migration(instance_id, older)))
        self._ask(before, {'os-migrateLive': {
            'host': dest_hostname, 'block_migration': 'auto'}},
            versions.LIVE_MIGRATION, accepted)
        limit, interval = self._limits(retry, interval)
        return self._follow(
            before, _('live migration'), limit, interval, should_stop,
            lambda server, looks: self._check_live(
                before, dest_hostname, older, server, looks))

    def _check_live(self, before, destination, older, server, looks):
        if server.task_state or server.status == 'MIGRATING':
            return None
        if server.host != before.host:
            if destination and server.host != destination:
                return Outcome(False, _(
                    'server %(server)s was migrated to %(host)s instead of '
                    '%(destination)s') % {
                        'server': before.uuid, 'host': server.host,
                        'destination': destination})
            if server.status == before.status:
                return Outcome(True)
            # Its user may have stopped it meanwhile.
            migration = self._new_migration(before.uuid, older)
            done = migration is not None and migration.status == 'completed'
            return Outcome(True) if done else None
        migration = self._new_migration(before.uuid, older)
        if migration is None:
            ended = looks.idle() >= following.IDLE_LOOKS
        else:
            # The record is read after the server, so it may be newer.
            ended = (migration.status in MIGRATION_FAILED
                     or (migration.status == 'completed'
                         and looks.idle() >= following.IDLE_LOOKS))
        if not ended:
            return None
        status = migration.status if migration else _('no record of it')
        return Outcome(False, _(
            'the live migration of server %(server)s ended (%(status)s) and '
            'it is still on host %(host)s%(why)s') % {
                'server': before.uuid, 'status': status,
                'host': server.host, 'why': self._why(server)})

    def watcher_non_live_migrate_instance(
            self, instance_id: str, dest_hostname: str | None,
            retry: int | None = None, interval: float | None = None,
            should_stop: StopCheck | None = None) -> Outcome:
        """Migrate a server cold, confirm it and wait for the end.

        Parameters and errors as for :meth:`live_migrate_instance`. A server
        that Nova asks to confirm is confirmed wherever it ended, so that
        none is left half moved.
        """
        before = self.find_instance(instance_id)
        body = {'migrate': {'host': dest_hostname} if dest_hostname else None}
        outcome = self._move_cold(before, body, _('cold migration'),
                                  retry, interval, should_stop)
        if not outcome:
            return outcome
        return self._check_arrival(before, dest_hostname)

    def _check_arrival(self, before, destination):
        try:
            server = self.find_instance(before.uuid)
        except exception.InstanceNotFound:
            return Outcome(False, _('server %s was deleted') % before.uuid)
        if destination and server.host != destination:
            return Outcome(False, _(
                'the cold migration of server %(server)s ended on host '
                '%(host)s instead of %(destination)s') % {
                    'server': before.uuid, 'host': server.host,
                    'destination': destination})
        if server.host == before.host:
            return Outcome(False, _(
                'the cold migration of server %(server)s ended on the host '
                'it came from, %(host)s') % {
                    'server': before.uuid, 'host': server.host})
        return Outcome(True)

    def resize_instance(
            self, instance_id: str, flavor: str, retry: int | None = None,
            interval: float | None = None,
            should_stop: StopCheck | None = None) -> Outcome:
        """Resize a server, confirm it and wait until that is done.

        :param flavor: id or name.
        :raises: InstanceNotFound, ComputeResourceNotFound for an unknown
            flavor, NovaClientError
        """
        before = self.find_instance(instance_id)
        body = {'resize': {'flavorRef': self.get_flavor_id(flavor)}}
        return self._move_cold(before, body, _('resize'), retry, interval,
                               should_stop)

    def _move_cold(self, before, body, what, retry, interval, should_stop):
        """Resize or migrate cold, up to and with the confirmation."""
        def accepted(server):
            return (server.task_state is not None
                    or server.status in ('RESIZE', 'VERIFY_RESIZE')
                    or server.host != before.host)
        self._ask(before, body, versions.ACTIONS, accepted)
        limit, interval = self._limits(retry, interval)
        moved = self._follow(
            before, what, limit, interval, should_stop,
            lambda server, looks: self._check_cold(
                before, what, server, looks))
        if not moved or moved.reason != _CONFIRM:
            return moved
        return self._confirm(before, what, limit, interval, should_stop)

    def _check_cold(self, before, what, server, looks):
        if server.task_state or server.status == 'RESIZE':
            return None
        if server.status == 'VERIFY_RESIZE':
            return Outcome(True, _CONFIRM)
        changed = (server.host != before.host
                   or server.flavor != before.flavor)
        if changed and server.status == before.status:
            # Nova confirmed it by itself ([DEFAULT] resize_confirm_window).
            return Outcome(True)
        if looks.idle() < following.IDLE_LOOKS:
            return None
        return Outcome(False, _(
            'the %(what)s of server %(server)s was given up by Nova: '
            '%(condition)s%(why)s') % {
                'what': what, 'server': before.uuid,
                'condition': following.condition(server),
                'why': self._why(server)})

    def confirm_resize(self, instance: records.Server, previous_status: str,
                       retry: int = 60) -> bool:
        """Confirm a resize or cold migration and wait for the end.

        :param previous_status: what the server's status has to become.
        :param retry: seconds to wait.
        """
        before = dataclasses.replace(instance, status=previous_status)
        return bool(self._confirm(before, _('resize'), retry, 1.0, None))

    def _confirm(self, before, what, limit, interval, should_stop):
        def accepted(server):
            return server.status != 'VERIFY_RESIZE' or server.task_state
        try:
            self._ask(before, {'confirmResize': None}, versions.ACTIONS,
                      accepted)
        except exception.NovaClientError as exc:
            server = self._glance(before.uuid)
            if server is None or not accepted(server):
                return Outcome(False, _(
                    'the %(what)s of server %(server)s was not confirmed '
                    'and waits for it in VERIFY_RESIZE: %(reason)s') % {
                        'what': what, 'server': before.uuid,
                        'reason': exc})
        return self._follow(
            before, _('confirmation of the %s') % what, limit, interval,
            should_stop, self._check_confirmed)

    @staticmethod
    def _check_confirmed(server, looks):
        if server.status == 'VERIFY_RESIZE' or server.task_state:
            return None
        return Outcome(True)

    def revert_resize(
            self, instance_id: str, retry: int | None = None,
            interval: float | None = None,
            should_stop: StopCheck | None = None) -> Outcome:
        """Take back a resize or cold migration and wait for the end.

        Parameters and errors as for :meth:`live_migrate_instance`.
        """
        before = self.find_instance(instance_id)
        if before.status != 'VERIFY_RESIZE':
            return Outcome(False, _(
                'server %(server)s has no resize to revert (%(condition)s)')
                % {'server': instance_id,
                   'condition': following.condition(before)})

        def accepted(server):
            return server.status != 'VERIFY_RESIZE' or server.task_state
        self._ask(before, {'revertResize': None}, versions.ACTIONS, accepted)
        limit, interval = self._limits(retry, interval)
        return self._follow(
            before, _('revert of the resize'), limit, interval, should_stop,
            self._check_reverted)

    @staticmethod
    def _check_reverted(server, looks):
        if server.task_state or server.status == 'REVERT_RESIZE':
            return None
        if server.status != 'VERIFY_RESIZE':
            return Outcome(True)
        if looks.idle() < following.IDLE_LOOKS:
            return None
        return Outcome(False, _(
            'the revert of the resize of server %(server)s was given up by '
            'Nova: %(condition)s') % {
                'server': server.uuid,
                'condition': following.condition(server)})

    def stop_instance(self, instance_id: str,
                      should_stop: StopCheck | None = None) -> Outcome:
        """Stop a server and wait; one that is deleted meanwhile is fine.

        :raises: InstanceNotFound, NovaClientError
        """
        return self._switch(instance_id, 'os-stop', _('stop'), 'stopped',
                            should_stop)

    def start_instance(self, instance_id: str,
                       should_stop: StopCheck | None = None) -> Outcome:
        """Start a server and wait until it is active.

        :raises: InstanceNotFound, NovaClientError
        """
        return self._switch(instance_id, 'os-start', _('start'), 'active',
                            should_stop)

    def _switch(self, instance_id, action, what, wanted, should_stop):
        before = self.find_instance(instance_id)
        if before.vm_state == wanted:
            return Outcome(True, _('server %(server)s was %(state)s already')
                           % {'server': instance_id, 'state': wanted})

        def accepted(server):
            return server.vm_state == wanted or server.task_state is not None

        def check(server, looks):
            if server.vm_state == wanted and not server.task_state:
                return Outcome(True)
            return None
        self._ask(before, {action: None}, versions.ACTIONS, accepted)
        return self._follow(before, what, POWER_LIMIT, POWER_INTERVAL,
                            should_stop, check,
                            gone_is_fine=action == 'os-stop', option=None)

    def wait_for_instance_state(self, server: records.Server, state: str,
                                retry: int, sleep: float) -> bool:
        """Wait until the vm_state (or status) of a server is ``state``.

        :param retry: how often to look.
        :param sleep: seconds before each look.
        """
        for _attempt in range(retry):
            waiting.pause(sleep, None)
            now = self.find_instance(server.uuid)
            if state.lower() in ((now.vm_state or '').lower(),
                                 (now.status or '').lower()):
                return True
        return False

    def force_live_migration(self, instance_id: str) -> Outcome:
        """Have Nova end the running live migration of a server now.

        Nova pauses the server, or starts it on its new host before all its
        memory is there. Whoever follows the migration sees its end.

        :returns: whether Nova was asked to.
        :raises: InstanceNotFound, NovaClientError when Nova refuses because
            the migration has not begun to copy or is about to end.
        """
        running = self.get_running_migration(instance_id)
        if not running:
            return Outcome(False, _(
                'server %s has no running live migration') % instance_id)
        path = f'/servers/{instance_id}/migrations/{running[0].id}/action'
        self._send('POST', path, versions.MIGRATIONS,
                   json={'force_complete': None})
        return Outcome(True)

    def abort_live_migrate(self, instance_id: str, source: str,
                           destination: str | None,
                           retry: int = 240) -> bool:
        """Abort the running live migration of a server.

        :param retry: twice as many seconds are waited for the end.
        :returns: whether the server stayed on ``source``.
        :raises: LiveMigrationFailed when the server is in no sound state.
        """
        for migration in self.get_running_migration(instance_id):
            try:
                self._send('DELETE', f'/servers/{instance_id}/migrations/'
                           f'{migration.id}', versions.MIGRATIONS)
            except exception.NovaClientError as exc:
                # It may have ended meanwhile; what counts is the server.
                LOG.warning('The live migration %(migration)s of server '
                            '%(server)s cannot be aborted: %(reason)s',
                            {'migration': migration.id,
                             'server': instance_id, 'reason': exc})
        server = None
        for _passed in waiting.rounds(2.0 * retry, 2.0, None):
            server = self._glance(instance_id)
            if server and not server.task_state and server.status in (
                    'ACTIVE', 'ERROR'):
                break
        if server is not None and server.status == 'ACTIVE':
            if server.host == source:
                return True
            if server.host == destination:
                return False
        raise exception.LiveMigrationFailed(name=instance_id)
