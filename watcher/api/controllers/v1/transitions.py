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
"""State changes that users ask for, checked by the declared machines."""

from typing import Any

from watcher._i18n import _
from watcher.api import types
from watcher.common import exception
from watcher.objects import states


def refusal(obj: Any, new: Any) -> exception.PatchError:
    """Return the error for a state that the object cannot change to."""
    # Clients look for the first words of this reason.
    return exception.PatchError(
        patch=types.shown({'state': new}),
        reason=_('State transition not allowed: (%(old)s -> %(new)s)')
        % {'old': obj.state, 'new': new})


def change(machine: states.StateMachine, obj: Any, new: str,
           **values: Any) -> None:
    """Change the state, together with other fields.

    If somebody else changed the state in between, the answer is the one
    that a moment later would have given.

    :raises: PatchError
    """
    if not machine.user_can(obj.state, new):
        raise refusal(obj, new)
    try:
        obj.transition(new, **values)
    except exception.StateConflict as exc:
        obj.refresh()
        raise refusal(obj, new) from exc


def delete(machine: states.StateMachine, obj: Any) -> None:
    """Delete the object softly if its state allows that.

    :raises: DeleteError
    """
    if obj.state not in machine.deletable:
        raise exception.DeleteError(state=obj.state)
    try:
        obj.soft_delete()
    except exception.StateConflict as exc:
        obj.refresh()
        raise exception.DeleteError(state=obj.state) from exc
