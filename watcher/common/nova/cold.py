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
"""Cold migrations and resizes of servers, up to their confirmation."""

import dataclasses

from watcher._i18n import _
from watcher.common import exception
from watcher.common import waiting
from watcher.common.nova import following
from watcher.common.nova import records
from watcher.common.nova import versions

# Marks "moved, now to be confirmed" between two steps.
_CONFIRM = 'confirm'

#: Roughly what part of a move is done, in percent, by what Nova does.
_PHASES = {'resize_prep': 5.0, 'resize_migrating': 15.0,
           'resize_migrated': 60.0, 'resize_finish': 80.0}
_MOVED = 90.0

Outcome = waiting.Outcome
StopCheck = waiting.StopCheck


class ColdMover(following.ServerFollower):
    """Migrates servers cold and resizes them."""

    def watcher_non_live_migrate_instance(
            self, instance_id: str, dest_hostname: str | None,
            retry: int | None = None, interval: float | None = None,
            should_stop: StopCheck | None = None,
            watch: waiting.Watch | None = None) -> Outcome:
        """Migrate a server cold, confirm it and wait for the end.

        A server that Nova asks to confirm is confirmed wherever it ended,
        so that none is left half moved.

        :param dest_hostname: compute service host; None lets Nova choose.
        :param retry: with ``interval`` (seconds) the longest time to wait;
            defaults are ``[nova] migration_max_retries`` and
            ``migration_interval``.
        :param should_stop: asked about twice a second whether to give up
            waiting.
        :param watch: has the migration followed to its end, however long
            it takes. When it wants to abort, the migration is reverted as
            soon as Nova can do that.
        :raises: InstanceNotFound, NovaClientError when Nova refuses or
            cannot be reached.
        """
        before = self.find_instance(instance_id)
        body = {'migrate': {'host': dest_hostname} if dest_hostname else None}
        move = self._begin(before, _('cold migration'),
                           following.MIGRATION_COLD, watch)
        outcome = self._move_cold(move, body, retry, interval, should_stop)
        return self._judge_host(move, dest_hostname, outcome)

    def follow_cold_migration(
            self, instance_id: str, dest_hostname: str | None,
            should_stop: StopCheck | None, watch: waiting.Watch) -> Outcome:
        """Wait for the end of a migration that was asked for earlier.

        Parameters and errors as for
        :meth:`watcher_non_live_migrate_instance`; the watch carries what was
        known when it was asked for.
        """
        move = self._again(instance_id, _('cold migration'),
                           following.MIGRATION_COLD, watch)
        outcome = self._follow_cold(move, None, None, should_stop)
        return self._judge_host(move, dest_hostname, outcome)

    def _judge_host(self, move, destination, outcome):
        if not outcome:
            return outcome
        before = move.before
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
            should_stop: StopCheck | None = None,
            watch: waiting.Watch | None = None) -> Outcome:
        """Resize a server, confirm it and wait until that is done.

        Other parameters as for :meth:`watcher_non_live_migrate_instance`.

        :param flavor: id or name.
        :raises: InstanceNotFound, ComputeResourceNotFound for an unknown
            flavor, NovaClientError
        """
        before = self.find_instance(instance_id)
        body = {'resize': {'flavorRef': self.get_flavor_id(flavor)}}
        move = self._begin(before, _('resize'), following.MIGRATION_RESIZE,
                           watch)
        return self._move_cold(move, body, retry, interval, should_stop)

    def follow_resize(
            self, instance_id: str, should_stop: StopCheck | None,
            watch: waiting.Watch) -> Outcome:
        """Wait for the end of a resize that was asked for earlier.

        Parameters and errors as for :meth:`follow_cold_migration`.
        """
        move = self._again(instance_id, _('resize'),
                           following.MIGRATION_RESIZE, watch)
        return self._follow_cold(move, None, None, should_stop)

    def _move_cold(self, move, body, retry, interval, should_stop):
        """Resize or migrate cold, up to and with the confirmation."""
        if move.wants_abort():
            return move.not_begun()

        def accepted(server):
            return (server.task_state is not None
                    or server.status in ('RESIZE', 'VERIFY_RESIZE')
                    or server.host != move.before.host
                    or (move.followed and bool(self._identify(move))))
        self._ask(move.before, body, versions.ACTIONS, accepted)
        return self._follow_cold(move, retry, interval, should_stop)

    def _follow_cold(self, move, retry, interval, should_stop):
        limit, interval = self._limits(retry, interval, move.watch)
        moved = self._follow(
            move.before, move.what, limit, interval, should_stop,
            lambda server, looks: self._check_cold(move, server, looks),
            overdue=self._overdue(move, limit))
        if not moved or moved.reason != _CONFIRM:
            return moved
        end = self._take_back if move.wants_abort() else self._confirm
        return end(move, limit, interval, should_stop)

    def _check_cold(self, move, server, looks):
        if move.followed:
            self._watch_cold(move, server)
        if server.task_state or server.status == 'RESIZE':
            return None
        if server.status == 'VERIFY_RESIZE':
            return Outcome(True, _CONFIRM)
        before = move.before
        changed = (server.host != before.host
                   or server.flavor_name != before.flavor_name)
        record = self._identify(move) if move.followed else None
        status = record.status if record else None
        if changed and (server.status == before.status
                        or status == 'confirmed'):
            # Nova confirmed it by itself ([DEFAULT] resize_confirm_window),
            # and its user may have stopped it since.
            return Outcome(True)
        if (status not in following.MIGRATION_FAILED
                and looks.idle() < following.IDLE_LOOKS):
            return None
        return Outcome(False, _(
            'the %(what)s of server %(server)s was given up by Nova: '
            '%(condition)s%(why)s') % {
                'what': move.what, 'server': before.uuid,
                'condition': following.condition(server),
                'why': self._why(server)}, undone=not changed)

    def _watch_cold(self, move, server):
        if move.record is None:
            self._identify(move)
        percent = _PHASES.get(server.task_state or '')
        if server.status == 'VERIFY_RESIZE':
            percent = _MOVED
        if percent is not None:
            move.watch.report(progress=percent)

    def confirm_resize(self, instance: records.Server, previous_status: str,
                       retry: int = 60) -> bool:
        """Confirm a resize or cold migration and wait for the end.

        :param previous_status: what the server's status has to become.
        :param retry: seconds to wait.
        """
        before = dataclasses.replace(instance, status=previous_status)
        move = following.Move(before, _('resize'), '', set())
        return bool(self._confirm(move, retry, 1.0, None))

    def _confirm(self, move, limit, interval, should_stop):
        before = move.before

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
                        'what': move.what, 'server': before.uuid,
                        'reason': exc})
        return self._follow(
            before, _('confirmation of the %s') % move.what, limit, interval,
            should_stop, lambda server, looks: self._check_confirmed(
                move, server), overdue=self._overdue(move, limit))

    def _check_confirmed(self, move, server):
        if server.status != 'VERIFY_RESIZE' and not server.task_state:
            return Outcome(True)
        record = self._identify(move) if move.followed else None
        if (record is None or server.task_state
                or record.status not in following.MIGRATION_FAILED):
            return None
        return Outcome(False, _(
            'Nova could not confirm the %(what)s of server %(server)s, which '
            'waits for it in VERIFY_RESIZE on host %(host)s%(why)s') % {
                'what': move.what, 'server': server.uuid,
                'host': server.host, 'why': self._why(server)})

    def _take_back(self, move, limit, interval, should_stop):
        """Revert a move that is to be aborted."""
        outcome = self.revert_resize(move.before.uuid, None, interval,
                                     should_stop)
        if not outcome:
            return outcome
        return Outcome(False, _(
            'the %(what)s of server %(server)s was reverted, %(reason)s') % {
                'what': move.what, 'server': move.before.uuid,
                'reason': move.abort_reason}, undone=True)

    def revert_resize(
            self, instance_id: str, retry: int | None = None,
            interval: float | None = None,
            should_stop: StopCheck | None = None) -> Outcome:
        """Take back a resize or cold migration and wait for the end.

        Parameters and errors as for
        :meth:`watcher_non_live_migrate_instance`.
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
