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
"""What the actions have in common that move servers."""

import threading
from collections.abc import Callable
from typing import Any

from oslo_config import cfg
from oslo_log import log
from oslo_utils import timeutils

from watcher._i18n import _
from watcher.applier.actions import base
from watcher.applier.actions import nova_action
from watcher.common import exception
from watcher.common import nova_helper
from watcher.common import waiting

CONF = cfg.CONF
LOG = log.getLogger(__name__)

#: How migrations end that have not changed anything.
_FAILED = ('error', 'failed', 'cancelled', 'reverted')
#: How migrations end that have.
_DONE = ('completed', 'confirmed', 'done')

#: Seconds between looks whether a move that is aborted has ended.
_PAUSE = 0.5


class ServerMove(nova_action.NovaAction):
    """An action that moves a server and has it followed to its end."""

    def __init__(self, config: Any, osc: Any = None):
        super().__init__(config, osc=osc)
        self._aborting = threading.Event()
        self._ended: threading.Event | None = None
        self._undone = False
        self._server: nova_helper.Server | None = None

    # To be told by each action --------------------------------------------

    #: Types of the migration records of Nova.
    migration_kind: str
    #: Beginnings of the task states that belong to the move.
    task_states: tuple[str, ...]

    def is_done(self, server: nova_helper.Server) -> bool:
        """Whether a server at rest is as the action wants it."""
        raise NotImplementedError

    def is_unchanged(self, server: nova_helper.Server, run: Any) -> bool:
        """Whether a server at rest is as it was before."""
        raise NotImplementedError

    def amount(self, server: nova_helper.Server) -> float:
        """MB that have to be copied."""
        raise NotImplementedError

    # Doing ----------------------------------------------------------------

    def find_server(self) -> nova_helper.Server:
        """Return the server, and remember how large it is."""
        self._server = super().find_server()
        return self._server

    def deadline(self) -> float | None:
        """Time to copy the server, but no less than ``[nova]`` allows."""
        least = CONF.nova.migration_max_retries * CONF.nova.migration_interval
        rate = CONF.nova.migration_rate
        if not rate or self._server is None:
            return least
        return max(least, self.amount(self._server) / rate)

    def carry_out(self, move: Callable[..., waiting.Outcome],
                  *parameters: Any, run: Any = None) -> bool:
        """Have Nova move the server, or follow what it was asked to do.

        :param move: method of the helper, given the parameters.
        :param run: the stored record of the run that is resumed.
        """
        watch = waiting.Watch(
            report=self.report, aborting=self._aborting.is_set,
            limit=self.deadline(), remote=self.known('remote', run),
            before=self.known('before', run))
        self._ended = threading.Event()
        try:
            outcome = move(*parameters, should_stop=self.should_stop,
                           watch=watch)
            self._undone = outcome.undone
            return self.judge(outcome)
        finally:
            self._ended.set()

    def check_abort(self) -> bool:
        """A cold move can at least be taken back before it is confirmed."""
        return True

    def abort(self) -> bool:
        """Stop the move, as soon and as far as Nova can.

        :returns: whether the server is as it was before
        """
        self._aborting.set()
        if self._ended is None:
            return self.abort_unwatched()
        while not self._ended.wait(_PAUSE):
            if self.should_stop():
                return False
        return self._undone

    def abort_unwatched(self) -> bool:
        """Stop a move that this object has not begun."""
        raise NotImplementedError

    def post_condition(self):
        """Look once more, in particular after a crash."""
        try:
            server = self.nova.find_instance(self.resource_id)
        except exception.ComputeResourceNotFound:
            LOG.info('Server %s was deleted after it was moved',
                     self.resource_id)
            return
        except exception.NovaClientError as error:
            LOG.warning('Server %(server)s was not looked at again: '
                        '%(reason)s', {'server': self.resource_id,
                                       'reason': error})
            return
        self._server = server
        if server.status in ('ERROR', 'VERIFY_RESIZE'):
            raise exception.ActionExecutionFailure(_(
                'Server %(server)s is %(status)s on host %(host)s') % {
                    'server': server.uuid, 'status': server.status,
                    'host': server.host})
        if not self.is_done(server):
            raise exception.ActionExecutionFailure(self.not_done(server))

    def not_done(self, server: nova_helper.Server) -> str:
        """Say that a server is not as it should be."""
        return _('Server %(server)s is on host %(host)s with flavor '
                 '%(flavor)s') % {
                     'server': server.uuid, 'host': server.host,
                     'flavor': server.flavor_name}

    # After a crash --------------------------------------------------------

    def recover(self, run: Any) -> base.Found:
        """Look at the server and at its migrations."""
        try:
            server = self.nova.find_instance(self.resource_id)
        except exception.ComputeResourceNotFound:
            return base.Found(base.Fate.FAILED, _('server %s was deleted')
                              % self.resource_id)
        self._server = server
        record = self._record(run)
        remote = None
        if record is not None:
            remote = {**self.known('remote', run), 'migration': record.id}
        fate, reason = self._fate(server, record, run)
        return base.Found(fate, reason, remote)

    def _record(self, run):
        """Return the migration that this action has asked for."""
        try:
            records = self.nova.get_migrations(self.resource_id)
        except exception.NovaClientError as error:
            LOG.warning('No migration records of server %(server)s: '
                        '%(reason)s', {'server': self.resource_id,
                                       'reason': error})
            return None
        remote = self.known('remote', run)
        if 'migration' in remote:
            return next((record for record in records
                         if record.id == remote['migration']), None)
        return next((
            record for record in records
            if record.migration_type == self.migration_kind
            and self._is_newer(record, remote, run)), None)

    @staticmethod
    def _is_newer(record, remote, run):
        if 'after' in remote:
            return record.id > remote['after']
        started = getattr(run, 'started_at', None)
        if started is None or not record.created_at:
            return False
        created = timeutils.normalize_time(
            timeutils.parse_isotime(record.created_at + 'Z'
                                    if record.created_at[-1] != 'Z'
                                    else record.created_at))
        return created >= timeutils.normalize_time(started)

    def _fate(self, server, record, run):
        status = record.status if record is not None else None
        if self._is_busy(server, status, self.known('before', run)):
            return base.Fate.RUNNING, ''
        if server.status == 'ERROR':
            return base.Fate.FAILED, _(
                'server %(server)s is in ERROR on host %(host)s') % {
                    'server': server.uuid, 'host': server.host}
        if self.is_done(server):
            return base.Fate.DONE, ''
        if status in _FAILED:
            return base.Fate.FAILED, _(
                'migration %(migration)s of server %(server)s ended '
                '(%(status)s) and the server is on host %(host)s') % {
                    'migration': record.id, 'server': server.uuid,
                    'status': status, 'host': server.host}
        if status is None and self.is_unchanged(server, run):
            return base.Fate.NOT_STARTED, ''
        return base.Fate.FAILED, self.not_done(server)

    def _is_busy(self, server, status, before):
        task = server.task_state or ''
        if task.startswith(self.task_states):
            return True
        if status is not None:
            return status not in (*_FAILED, *_DONE)
        # Nova may not want to show us migrations.
        return (server.status == 'VERIFY_RESIZE'
                and 'resize' in self.task_states[0]
                and before.get('status') not in (None, 'VERIFY_RESIZE'))
