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
from typing import Any

from oslo_db import exception as db_exc
from oslo_log import log

from watcher import objects
from watcher.common import exception
from watcher.common import utils

LOG = log.getLogger(__name__)

#: Seconds that a running plan waits for a database that is away. What the
#: actions did would be forgotten otherwise.
PATIENCE = 300.0
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 10.0


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
               **kwargs: Any) -> None:
    """Change a stored state, if it still is what it is expected to be.

    :param stopping: as for :func:`insist`
    :param kwargs: as for ``transition`` of the object
    :raises: StateConflict when somebody else was faster
    """
    attempts = 0

    def change():
        nonlocal attempts
        attempts += 1
        try:
            obj.transition(state, **kwargs)
        except exception.StateConflict:
            if attempts == 1:
                raise
            # The connection may have broken after the change was made.
            obj.refresh()
            if obj.state != state:
                raise

    insist(change, stopping, f'storing {state} for {obj.uuid}')
