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
"""The ``state_update`` part that audits, plans and actions share."""

from typing import Any

from watcher.notifications import base as notifications
from watcher.objects import fields as wfields


class StateUpdatePayload(notifications.NotificationPayloadBase):
    """Base of the three classes that go by their own names on the wire.

    All three fields are null unless the very save that is told changed the
    stored state.
    """

    fields = {
        'old_state': wfields.StringField(nullable=True),
        'state': wfields.StringField(nullable=True),
        'status_message': wfields.StringField(nullable=True),
    }

    @classmethod
    def of(cls, obj: Any, old_state: str | None) -> 'StateUpdatePayload':
        """Describe the change of an object's state.

        :param obj: audit, action plan or action, after the change
        :param old_state: the state stored before; None when it is unchanged
        """
        if old_state is None:
            return cls(old_state=None, state=None, status_message=None)
        return cls(old_state=old_state, state=obj.state,
                   status_message=obj.status_message or None)
