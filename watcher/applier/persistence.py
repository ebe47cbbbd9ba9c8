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
               again: bool = False, fence: Any = None,
               first: Callable[[], None] | None = None,
               then: Callable[[], None] | None = None,
               **values: Any) -> None:
    """Change a stored state, if it still is what it is expected to be.

    The change is told to listeners, also when the connection broke after
    it was stored.

    :param stopping: as for :func:`insist`
    :param expected: state the row must be in; the one the object last saw
        if not given
    :param where: as for ``transition`` of the object
    :param again: an earlier call failed with the database and may have
        stored the change
    :param fence: the lease without which nothing is changed
    :param first: called before the change in the same transaction; what it
        raises prevents the change
    :param then: called after the change in the same transaction
    :param values: further fields to store
    :raises: StateConflict when somebody else was faster; LeaseLost when
        somebody else has the lease
    """
    old_state = expected or obj.old_state or obj.state
    wanted = {**(where or {}), **values, 'state': state}
    guard = {} if fence is None else {'fence': fence}
    attempts = 0

    def change():
        if first is not None:
            first()
        obj.transition(state, expected=old_state, where=where, **guard,
                       **values)
        if then is not None:
            then()

    def attempt():
        nonlocal attempts
        attempts += 1
        # The connection may have broken after the change was made.
        if attempts > 1 and _found_stored(obj, wanted, old_state):
            return
        try:
            if first is None and then is None:
                change()
            else:
                obj.dbapi.run_in_transaction(change)
        except exception.LeaseLost:
            raise
        except exception.StateConflict:
            if not again or not _found_stored(obj, wanted, old_state):
                raise

    what = f'storing {state} for {obj.uuid}'
    try:
        insist(attempt, stopping, what)
    except exception.LeaseLost:
        # The database may have been away for so long that the lease expired
        # before it could be renewed. That is no reason to give up.
        if not insist(fence.renew, stopping, 'renewing the lease'):
            raise
        insist(attempt, stopping, what)


def _found_stored(obj: objects.ActionPlan | objects.Action,
                  wanted: Mapping[str, Any], old_state: str) -> bool:
    """Whether the change turns out to be stored; it is told then.

    Nobody was told: that happens after an answered commit only.
    """
    obj.refresh()
    if not _is_stored(obj, wanted):
        return False
    events.updated(obj, old_state)
    return True


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
