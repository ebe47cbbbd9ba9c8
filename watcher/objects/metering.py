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
"""Counts changes of state, and how long actions and plans run."""

import threading
import time
from typing import Any

from watcher.common import metrics
from watcher.objects import states

_KINDS = {'Audit': 'audit', 'ActionPlan': 'action_plan', 'Action': 'action'}

#: What an applier runs from ONGOING to a final state.
_RUN = ('action_plan', 'action')

STATE = states.ActionState


class StateMeter:
    """Listens to the changes that this process stores.

    See :class:`watcher.objects.events.Listener`.
    """

    def __init__(self, clock=time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        # When what runs here began: as many as run at the same time.
        self._began: dict[str, float] = {}

    def on_create(self, obj: Any) -> None:
        """A row was created: it has its first state."""
        kind = _KINDS.get(obj.obj_name())
        if kind is not None:
            metrics.state_changed(kind, obj.state)

    def on_update(self, obj: Any, old_state: str | None) -> None:
        """A row was changed; ``old_state`` if its state was."""
        kind = _KINDS.get(obj.obj_name())
        if kind is None or old_state is None or obj.state == old_state:
            return
        metrics.state_changed(kind, obj.state)
        if kind in _RUN:
            self._follow(kind, obj)

    def on_delete(self, obj: Any) -> None:
        """A row was soft deleted, which runs nowhere."""

    def _follow(self, kind, obj):
        if obj.state == STATE.ONGOING:
            with self._lock:
                self._began[obj.uuid] = self._clock()
        elif obj.state == STATE.PENDING:
            self._ran(obj)
        elif obj.state in obj.machine.final:
            self._end(kind, obj, self._ran(obj))

    def _ran(self, obj) -> float | None:
        """Return how long it ran here and forget that it did."""
        with self._lock:
            began = self._began.pop(obj.uuid, None)
        return None if began is None else self._clock() - began

    @staticmethod
    def _end(kind, obj, seconds):
        if kind == 'action':
            metrics.action_ended(obj.action_type, obj.state, seconds)
        elif seconds is not None:
            metrics.plan_ended(obj.state, seconds)
