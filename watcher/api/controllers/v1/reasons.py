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
"""Why audits, action plans and actions are in their states."""

from typing import Any

from watcher.api import types
from watcher.api import versions
from watcher.api.controllers.fields import Computed
from watcher.objects import reason
from watcher.objects.base import Columns

NAME = 'reason'


def _reason(ident, message, view):
    if not message:
        return None
    found = view.extra[NAME][ident]
    return {'code': found.code, 'text': str(found), 'data': found.data}


FIELD = Computed(NAME, types.optional_obj, _reason, ('id', 'status_message'),
                 since=versions.REASONS)


def load(entity: str, columns: Columns, shown: set[str]) -> dict[str, Any]:
    """Read what the field needs, with one statement.

    There is none if no item has a status message.

    :param entity: ``audit``, ``action_plan`` or ``action``
    :param columns: of the items of a list
    :param shown: names of the fields that are shown
    """
    if NAME not in shown:
        return {}
    return {NAME: reason.of_messages(entity, dict(zip(
        columns['id'], columns['status_message'], strict=True)))}
