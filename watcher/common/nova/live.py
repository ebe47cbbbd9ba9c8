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
"""Live migrations of servers."""

from oslo_log import log

from watcher._i18n import _
from watcher.common import exception
from watcher.common import waiting
from watcher.common.nova import following
from watcher.common.nova import versions

LOG = log.getLogger(__name__)

#: Vm states of a server after an abort.
_SOUND = ('ACTIVE', 'PAUSED')

Outcome = waiting.Outcome
StopCheck = waiting.StopCheck


class LiveMover(following.ServerFollower):
    """Migrates running servers."""

    def live_migrate_instance(
            self, instance_id: str, dest_hostname: str | None,
            retry: int | None = None, interval: float | None = None,
            should_stop: StopCheck | None = None,
            watch: waiting.Watch | None = None) -> Outcome:
        """Migrate a running server and wait for the end.

        :param dest_hostname: compute service host; None lets Nova choose.
        :param retry: with ``interval`` (seconds) the longest time to wait;
            defaults are ``[nova] migration_max_retries`` and
            ``migration_interval``.
        :param should_stop: asked about twice a second whether to give up
            waiting.
        :param watch: has the migration followed to its end, however long
            it takes.
        :raises: InstanceNotFound, NovaClientError when Nova refuses or
            cannot be reached.
        """
        before = self.find_instance(instance_id)
        move = self._begin(before, _('live migration'),
                           following.MIGRATION_LIVE, watch)
        if move.wants_abort():
            return move.not_begun()

        def accepted(server):
            return (server.host != before.host
                    or server.task_state is not None
                    or bool(self._identify(move)))
        self._ask(before, {'os-migrateLive': {
            'host': dest_hostname, 'block_migration': 'auto'}},
            versions.LIVE_MIGRATION, accepted)
        return self._follow_live(move, dest_hostname, retry, interval,
                                 should_stop)

    def follow_live_migration(
            self, instance_id: str, dest_hostname: str | None,
            should_stop: StopCheck | None, watch: waiting.Watch) -> Outcome:
        """Wait for the end of a migration that was asked for earlier.

        Parameters and errors as for :meth:`live_migrate_instance`; the
        watch carries what was known when it was asked for.
        """
        move = self._again(instance_id, _('live migration'),
                           following.MIGRATION_LIVE, watch)
        return self._follow_live(move, dest_hostname, None, None,
                                 should_stop)

    def _follow_live(self, move, destination, retry, interval, should_stop):
        limit, interval = self._limits(retry, interval, move.watch)
        return self._follow(
            move.before, move.what, limit, interval, should_stop,
            lambda server, looks: self._check_live(
                move, destination, server, looks),
            overdue=self._overdue(move, limit))

    def _check_live(self, move, destination, server, looks):
        if server.task_state or server.status == 'MIGRATING':
            self._watch_live(move)
            return None
        if server.host != move.before.host:
            return self._check_arrived(move, destination, server)
        migration = self._identify(move)
        if migration is None:
            ended = looks.idle() >= following.IDLE_LOOKS
        else:
            # The record is read after the server, so it may be newer.
            ended = (migration.status in following.MIGRATION_FAILED
                     or (migration.status == 'completed'
                         and looks.idle() >= following.IDLE_LOOKS))
        return self._stayed(move, server, migration) if ended else None

    def _check_arrived(self, move, destination, server):
        if destination and server.host != destination:
            return Outcome(False, _(
                'server %(server)s was migrated to %(host)s instead of '
                '%(destination)s') % {
                    'server': server.uuid, 'host': server.host,
                    'destination': destination})
        if server.status == move.before.status:
            if move.followed and move.record is None:
                self._identify(move)
            return Outcome(True)
        # Its user may have stopped it meanwhile.
        migration = self._identify(move)
        done = migration is not None and migration.status == 'completed'
        return Outcome(True) if done else None

    def _stayed(self, move, server, migration):
        status = migration.status if migration else _('no record of it')
        if move.abort_sent:
            text = _('the live migration of server %(server)s was aborted, '
                     '%(reason)s; it is still on host %(host)s')
        else:
            text = _('the live migration of server %(server)s ended '
                     '(%(status)s) and it is still on host %(host)s%(why)s')
        return Outcome(False, text % {
            'server': server.uuid, 'status': status, 'host': server.host,
            'reason': move.abort_reason,
            'why': '' if move.abort_sent else self._why(server)},
            undone=True)

    def _watch_live(self, move):
        """Tell how far a migration is; stop it when it has to be."""
        if not move.followed:
            return
        # Tells the id as well as the progress, but only while it runs.
        running = next(filter(
            move.is_it, self._try_running(move.before.uuid)), None)
        if running is None:
            return
        self._note(move, running)
        if running.progress is not None:
            move.watch.report(progress=running.progress)
        if move.wants_abort():
            self._abort(move)
        elif move.force_wanted:
            self._force(move)

    def _try_running(self, instance_id):
        try:
            return self.get_running_migration(instance_id)
        except exception.NovaClientError as exc:
            LOG.debug('No progress of server %(server)s: %(reason)s',
                      {'server': instance_id, 'reason': exc})
            return []

    def _abort(self, move):
        """Ask Nova to abort; asked again at the next look if it refuses."""
        if move.abort_sent:
            return
        uuid = move.before.uuid
        try:
            self._send('DELETE', f'/servers/{uuid}/migrations/'
                       f'{move.record.id}', versions.MIGRATIONS)
            move.abort_sent = True
        except exception.NovaClientError as exc:
            # Too early or too late; what counts is how the server ends.
            LOG.warning('The live migration %(migration)s of server '
                        '%(server)s cannot be aborted now: %(reason)s',
                        {'migration': move.record.id, 'server': uuid,
                         'reason': exc})

    def _force(self, move):
        """Ask Nova to complete; asked again at the next look if it refuses.
        """
        try:
            self.force_live_migration(move.before.uuid)
            move.force_wanted = False
        except exception.NovaClientError as exc:
            LOG.warning('The live migration of server %(server)s cannot be '
                        'completed by force now: %(reason)s',
                        {'server': move.before.uuid, 'reason': exc})

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
                    *_SOUND, 'ERROR'):
                break
        if server is not None and server.status in _SOUND:
            if server.host == source:
                return True
            if destination in (None, server.host):
                return False
        raise exception.LiveMigrationFailed(name=instance_id)
