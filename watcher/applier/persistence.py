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
"""Writing down what happened, also while the database restarts."""

import threading
import time
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from oslo_db import exception as db_exc
from oslo_log import log

from watcher import objects
from watcher.common import exception
from watcher.common import utils
from watcher.objects import events

LOG = log.getLogger(__name__)

#: Seconds that a running plan waits for a database that is away. What the
#: actions did would be forgotten otherwise.
PATIENCE = 300.0
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 10.0
#: Characters of a stored text that are compared with what was given.
_COMPARED = 200


def insist(func: Callable[[], Any], stopping: threading.Event | None,
           what: str) -> Any:
    """Call a function again for as long as the database cannot be reached.

    :param func: called without arguments; must bear being called again
    :param stopping: ends the patience when the applier has to stop; None:
        there is no patience
    :param what: named in the log
    :raises: DBConnectionError when the database stays away
    """
    deadline = time.monotonic() + PATIENCE
    pause = _FIRST_PAUSE
    while True:
        try:
            return func()
        except db_exc.DBConnectionError as exc:
            if (stopping is None or stopping.is_set()
                    or time.monotonic() > deadline):
                raise
            LOG.warning('The database cannot be reached; %(what)s waits and '
                        'is tried again in %(pause)s seconds: %(error)s',
                        {'what': what, 'pause': pause,
                         'error': utils.first_line(exc)})
        stopping.wait(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


def transition(obj: objects.ActionPlan | objects.Action, state: str,
               stopping: threading.Event | None = None,
               expected: str | None = None,
               where: Mapping[str, Any] | None = None,
               again: bool = False, **values: Any) -> None:
    """Change a stored state, if it still is what it is expected to be.

    The change is told to listeners, also when the connection broke after
    it was stored.

    :param stopping: as for :func:`insist`
    :param expected: state the row must be in; the one the object last saw
        if not given
    :param where: as for ``transition`` of the object
    :param again: an earlier call failed with the database and may have
        stored the change
    :param values: further fields to store
    :raises: StateConflict when somebody else was faster
    """
    old_state = expected or obj.old_state or obj.state
    attempts = 0

    def change():
        nonlocal attempts
        attempts += 1
        try:
            obj.transition(state, expected=old_state, where=where, **values)
        except exception.StateConflict:
            if attempts == 1 and not again:
                raise
            # The connection may have broken after the change was made.
            obj.refresh()
            if not _is_stored(obj, {**(where or {}), **values,
                                    'state': state}):
                raise
            # Nobody was told: that happens after an answered commit only.
            events.updated(obj, old_state)

    insist(change, stopping, f'storing {state} for {obj.uuid}')


def _is_stored(obj: objects.ActionPlan | objects.Action,
               values: Mapping[str, Any]) -> bool:
    """Whether the row is as our own change leaves it.

    A state alone is no proof: others skip, cancel and fail, too, but with
    messages of their own.
    """
    return all(_comparable(getattr(obj, name)) == _comparable(value)
               for name, value in values.items())


def _comparable(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    # Long messages are cut when they are stored.
    return value.replace('\x00', '')[:_COMPARED]
