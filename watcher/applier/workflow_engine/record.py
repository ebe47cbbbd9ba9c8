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
"""Storing what becomes of an action, and telling others about it."""

from typing import Any

from oslo_log import log

from watcher import objects
from watcher.applier import persistence
from watcher.applier.workflow_engine import control
from watcher.common import exception
from watcher.notifications import action as action_notifications

LOG = log.getLogger(__name__)


class Record:
    """Writes down the life of one action.

    :param engine: the engine that runs it
    :param action: the action as stored
    """

    def __init__(self, engine: Any, action: objects.Action):
        self._engine = engine
        self._action = action

    def store(self, state: str, **values: Any) -> bool:
        """Change the state unless somebody else has changed it before.

        :param values: as for :func:`persistence.transition`
        :returns: whether the state was changed here
        :raises: Fenced when this applier must not change anything any more
        """
        action, stopping = self._action, self._engine.stopping
        try:
            persistence.transition(action, state, stopping,
                                   fence=self._engine.lease, **values)
            return True
        except exception.LeaseLost:
            self._engine.fence_off()
            self._engine.raise_halted()
        except exception.StateConflict as conflict:
            LOG.warning('Action %(uuid)s does not become %(state)s: '
                        '%(reason)s', {'uuid': action.uuid, 'state': state,
                                       'reason': conflict})
            persistence.insist(action.refresh, stopping,
                               f'reading action {action.uuid} again')
        return False

    def announce(self, phase: str,
                 error: BaseException | None = None) -> None:
        """Notify others of the execution."""
        action_notifications.send_execution_notification(
            self._engine.context, self._action, phase=phase, exc=error)

    def announce_cancel(self, phase: str,
                        error: BaseException | None = None) -> None:
        """Notify others of the cancelling."""
        action_notifications.send_cancel_notification(
            self._engine.context, self._action, phase=phase, exc=error)

    def log(self, what: str) -> None:
        """Log that the action starts or has succeeded."""
        LOG.info('The %(type)s action %(uuid)s %(what)s', {
            'type': self._action.action_type, 'uuid': self._action.uuid,
            'what': what})

    def log_failure(self, phase: str, error: BaseException) -> None:
        """Log a failure; with a traceback if nobody thought of it."""
        expected = isinstance(error, exception.WatcherException)
        LOG.error('The %(type)s action %(uuid)s failed in %(phase)s: '
                  '%(reason)s', {
                      'type': self._action.action_type,
                      'uuid': self._action.uuid, 'phase': phase,
                      'reason': control.failure_reason(error)},
                  exc_info=None if expected else error)
