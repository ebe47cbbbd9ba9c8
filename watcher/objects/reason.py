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
"""Why audits, action plans and actions are in their states.

Whoever assigns a :class:`watcher.common.reasons.Reason` to
``status_message`` stores it; here it is read again.
"""

from collections.abc import Mapping
from typing import Any

from watcher.common import reasons
from watcher.db import api as db_api

_dbapi = db_api.get_instance()


def of_messages(entity: str, messages: Mapping[int, str | None]
                ) -> dict[int, reasons.Reason]:
    """Read what messages say in short, with one statement.

    :param entity: ``audit``, ``action_plan`` or ``action``
    :param messages: id -> its status message
    :returns: id -> reason, of those that have a message
    """
    told = {ident: text for ident, text in messages.items() if text}
    found = {ident: reasons.Reason(text) for ident, text in told.items()}
    for ident, (code, text, data) in _dbapi.get_reasons(
            entity, told).items():
        # Else it is that of an earlier message.
        if reasons.as_stored(text) == told[ident]:
            found[ident] = reasons.Reason(text, code, **data)
    return found


def of(obj: Any) -> reasons.Reason | None:
    """Read why one audit, action plan or action is as it is."""
    return of_messages(obj.entity, {obj.id: obj.status_message}).get(obj.id)
