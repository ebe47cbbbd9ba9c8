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
"""What a type of action does, in words."""

from typing import Any

from watcher.common import exception
from watcher.objects import base
from watcher.objects import fields as wfields


@base.WatcherObjectRegistry.register
class ActionDescription(base.StoredObject):
    """Version 1.0: initial."""

    VERSION = '1.0'

    entity = 'action_description'
    row_key = 'id'

    fields = {
        'id': wfields.IntegerField(),
        'action_type': wfields.StringField(),
        'description': wfields.StringField(),
    }

    @classmethod
    @base.remotable
    def get_by_type(cls, context: Any,
                    action_type: str) -> 'ActionDescription':
        """Read the description of a type of action."""
        return cls._read(context, 'type', action_type, False)

    @classmethod
    def store(cls, context: Any, action_type: str,
              description: str) -> 'ActionDescription':
        """Create or update the description of a type.

        Several appliers may do so at once.
        """
        try:
            stored = cls.get_by_type(context, action_type)
        except exception.ActionDescriptionNotFound:
            try:
                return cls(context, action_type=action_type,
                           description=description).create()
            except exception.ActionDescriptionAlreadyExists:
                stored = cls.get_by_type(context, action_type)
        if stored.description != description:
            stored.description = description
            stored.save()
        return stored
