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
"""Following what Nova does with a server, to its end."""

import dataclasses
from collections.abc import Callable

from oslo_config import cfg
from oslo_log import log

from watcher._i18n import _
from watcher.common import exception
from watcher.common import waiting
from watcher.common.nova import reading
from watcher.common.nova import records
from watcher.common.nova import versions

LOG = log.getLogger(__name__)
CONF = cfg.CONF

#: How often a server must be seen idle where it was before a move counts as
#: given up by Nova, when no migration record tells more.
IDLE_LOOKS = 3

#: Types of migration records.
MIGRATION_LIVE = 'live-migration'
MIGRATION_COLD = 'migration'
MIGRATION_RESIZE = 'resize'

#: How migrations end that have not changed anything.
MIGRATION_FAILED = frozenset(('error', 'failed', 'cancelled'))

#: How long an operator allows moves to take.
LIMIT_OPTION = '[nova] migration_max_retries'

Outcome = waiting.Outcome
StopCheck = waiting.StopCheck


def condition(server: records.Server) -> str:
    """Describe a server's state for a message."""
    text = _('status %(status)s on host %(host)s') % {
        'status': server.status, 'host': server.host}
    if server.task_state:
        text += _(', task state %s') % server.task_state
    return text


def facts(server: records.Server) -> dict:
    """Return what has to be known to bring a server back."""
    return {'host': server.host, 'status': server.status,
            'vm_state': server.vm_state, 'flavor': server.flavor_name}


class Looks:
    """Remembers how a followed server looked."""

    def __init__(self):
        self._idle = 0

    def add(self, server: records.Server) -> None:
        self._idle = 0 if server.task_state else self._idle + 1

    def idle(self) -> int:
        """How many looks in a row have found the server doing nothing."""
        return self._idle


class Move:
    """A server on its way, and what is known about that.

    :param before: how the server was.
    :param what: in words, such as ``live migration``.
    :param kind: type of the migration record.
    :param older: ids of migrations that have nothing to do with it.
    :param watch: who has it followed to its end; None: nobody.
    """

    def __init__(self, before: records.Server, what: str, kind: str,
                 older: set[int], watch: waiting.Watch | None = None):
        self.before = before
        self.what = what
        self.kind = kind
        self.older = older
        self.followed = watch is not None
        self.watch = watch or waiting.Watch()
        self.record: records.ServerMigration | None = None
        self.wanted = self.watch.remote.get('migration')
        #: Why the move is to be stopped.
        self.abort_reason: str | None = None
        self.abort_sent = False
        #: Whether it is to be completed at once.
        self.force_wanted = False

    def is_it(self, record: records.ServerMigration) -> bool:
        """Whether a migration record belongs to this move."""
        if self.wanted is not None:
            return record.id == self.wanted
        return record.id not in self.older and record.migration_type in (
            self.kind, None)

    def wants_abort(self) -> bool:
        """Whether the move is to be stopped."""
        if self.abort_reason is None and self.watch.aborting():
            self.abort_reason = _('as it was asked to')
        return self.abort_reason is not None

    def not_begun(self) -> Outcome:
        """Return the outcome of a move that was stopped in time."""
        return Outcome(False, _(
            'the %(what)s of server %(server)s was not begun, %(reason)s')
            % {'what': self.what, 'server': self.before.uuid,
               'reason': self.abort_reason}, undone=True)


class ServerFollower(reading.NovaReader):
    """Asks for changes of servers and looks how they end."""

    @staticmethod
    def _limits(retry, interval, watch=None):
        """Return the longest time to wait and the interval, in seconds."""
        if retry is None:
            retry = CONF.nova.migration_max_retries
        if interval is None:
            interval = CONF.nova.migration_interval
        limit = retry * interval
        if watch is not None and watch.limit is not None:
            limit = watch.limit
        return limit, interval

    def _begin(self, before, what, kind, watch):
        """Note how things are, before anything is asked for."""
        older = {item.id for item in self._try_migrations(before.uuid)}
        move = Move(before, what, kind, older, watch)
        move.watch.report(before=facts(before),
                          remote={'after': max(older, default=0)})
        return move

    def _again(self, instance_id, what, kind, watch):
        """Note how things were when a move was asked for earlier."""
        now = self.find_instance(instance_id)
        told = {**facts(now), **watch.before}
        before = dataclasses.replace(
            now, host=told['host'], status=told['status'],
            vm_state=told['vm_state'],
            flavor={'original_name': told['flavor']})
        after = watch.remote.get('after', 0)
        older = {item.id for item in self._try_migrations(instance_id)
                 if item.id <= after}
        return Move(before, what, kind, older, watch)

    def _identify(self, move: Move) -> records.ServerMigration | None:
        """Read the migration record of a move."""
        for record in self._try_migrations(move.before.uuid):
            if move.is_it(record):
                return self._note(move, record)
        return None

    @staticmethod
    def _note(move, record):
        """Keep the migration record of a move, and tell its id once."""
        if move.record is None:
            move.wanted = record.id
            move.watch.report(remote={'after': max(move.older, default=0),
                                      'migration': record.id})
        move.record = record
        return record

    def _overdue(self, move: Move, limit: float):
        """Return what to do when a move takes too long; None: give up."""
        policy = CONF.nova.migration_overdue
        if not move.followed or policy == 'leave':
            return None

        def act(server):
            record = self._identify(move) if move.kind else None
            LOG.warning(
                'The %(what)s of server %(server)s has not ended after '
                '%(limit)d seconds and is followed on: %(condition)s'
                '%(migration)s; [nova] migration_overdue is %(policy)s', {
                    'what': move.what, 'server': server.uuid, 'limit': limit,
                    'condition': condition(server), 'policy': policy,
                    'migration': '' if record is None else (
                        f', migration {record.id} is {record.status}')})
            # Only live migrations heed it.
            move.force_wanted = policy == 'force'
        return act

    def _ask(self, before: records.Server, body: dict,
             version: tuple[int, int],
             accepted: Callable[[records.Server], object]) -> None:
        """POST an action of a server, not repeating it blindly.

        :param accepted: tells from the server whether Nova has received the
            request although the answer was lost.
        """
        self._act(f'/servers/{before.uuid}/action', body,
                  f'server {before.uuid}',
                  lambda: self.find_instance(before.uuid), accepted,
                  version)

    def _follow(self, before: records.Server, what: str, limit: float,
                interval: float, should_stop: StopCheck | None,
                check: Callable[[records.Server, Looks], Outcome | None],
                gone_is_fine: bool = False,
                option: str | None = LIMIT_OPTION,
                overdue: Callable[[records.Server], None] | None = None,
                ) -> Outcome:
        """Look at a server until ``check`` returns an outcome.

        :param check: called with the server and the :class:`Looks` taken
            so far; None means to go on.
        :param option: by which operators change the limit.
        :param overdue: called when the time is over; the server is then
            followed on. None: it is left to Nova.
        """
        looks = Looks()

        def judge(server):
            looks.add(server)
            if server.status == 'ERROR' and not server.task_state:
                return Outcome(False, _(
                    'server %(server)s went into ERROR on host %(host)s '
                    'during the %(what)s%(why)s') % {
                        'server': before.uuid, 'host': server.host,
                        'what': what, 'why': self._why(server)})
            return check(server, looks)
        steps = (before, lambda: self._glance(before.uuid), judge, limit,
                 interval, should_stop)
        try:
            if overdue is not None:
                return waiting.follow_on(*steps, overdue)
            return waiting.follow(*steps)
        except exception.InstanceNotFound:
            return Outcome(gone_is_fine, _(
                'server %(server)s was deleted during the %(what)s') % {
                    'server': before.uuid, 'what': what})
        except waiting.Interrupted as exc:
            return Outcome(False, _(
                'Watcher stopped waiting for the %(what)s of server '
                '%(server)s, which goes on in Nova (%(condition)s)') % {
                    'what': what, 'server': before.uuid,
                    'condition': condition(exc.last)}, interrupted=True)
        except waiting.TooLong as exc:
            reason = _('the %(what)s of server %(server)s has not ended '
                       'after %(limit)d seconds and goes on in Nova '
                       '(%(condition)s)') % {
                           'what': what, 'server': before.uuid,
                           'limit': limit, 'condition': condition(exc.last)}
            if option:
                reason += _('; see %s') % option
            return Outcome(False, reason)

    def _glance(self, instance_id: str) -> records.Server | None:
        """Return the server, or None while Nova does not answer."""
        return self._peek(f'server {instance_id}',
                          lambda: self.find_instance(instance_id))

    def _try_migrations(self, instance_id):
        """Return the server's migrations, none when Nova won't tell."""
        try:
            return self.get_migrations(instance_id)
        except exception.NovaClientError as exc:
            LOG.debug('No migration records of server %(server)s: '
                      '%(reason)s',
                      {'server': instance_id, 'reason': exc})
            return []

    def _why(self, server):
        """Return what Nova says about a failure, with a leading colon."""
        text = server.fault or self._action_error(server.uuid)
        return f': {text}' if text else ''

    def _action_error(self, instance_id):
        """Return the error of the server's last action, if it is known."""
        path = f'/servers/{instance_id}/os-instance-actions'
        try:
            actions = self._read(
                path, versions.INSTANCE_ACTIONS)['instanceActions']
            if not actions:
                return None
            newest = max(actions, key=lambda item: item['start_time'])
            action = self._read(
                f"{path}/{newest['request_id']}",
                versions.INSTANCE_ACTIONS)['instanceAction']
        except (exception.WatcherException, KeyError) as exc:
            LOG.debug('No action records of server %(server)s: %(reason)s',
                      {'server': instance_id, 'reason': exc})
            return None
        events = action.get('events') or []
        for event in sorted(events, key=lambda item: item['start_time'],
                            reverse=True):
            if event.get('result') == 'Error':
                text = event.get('details') or event.get('traceback') or ''
                lines = text.strip().splitlines()
                return lines[-1].strip() if lines else event.get('event')
        return None
