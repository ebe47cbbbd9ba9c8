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
"""Objects on a real database, with a listener that writes everything down."""

from typing import Any

from watcher import objects
from watcher.objects import events
from watcher.tests.unit.db import base


class Recorder:
    """Listener: ``(event, class name, old state, new state)``."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    def _note(self, event: str, obj: Any, old_state: str | None) -> None:
        state = obj.state if 'state' in obj.fields else None
        self.seen.append((event, obj.obj_name(), old_state, state))

    def on_create(self, obj: Any) -> None:
        self._note('create', obj, None)

    def on_update(self, obj: Any, old_state: str | None) -> None:
        self._note('update', obj, old_state)

    def on_delete(self, obj: Any) -> None:
        self._note('delete', obj, None)

    def take(self) -> list[tuple[Any, ...]]:
        """What was seen since the last call."""
        seen, self.seen = self.seen, []
        return seen


class ObjectTestCase(base.DatabaseTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.recorder = Recorder()
        events.subscribe(self.recorder)
        self.addCleanup(events.unsubscribe, self.recorder)

    def make(self, name: str, /, **values: Any) -> Any:
        """An object of the class, loaded from a new row."""
        entity = getattr(objects, name).entity
        row = getattr(self.records, entity)(**values)
        return getattr(objects, name).get(self.context, row.id)
