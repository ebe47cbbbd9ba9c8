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
"""The goal as it is nested in audit notifications."""

from watcher.notifications import base as notifications
from watcher.objects import fields as wfields


@notifications.register
class GoalPayload(notifications.NotificationPayloadBase):
    """Version 1.0: initial."""

    VERSION = '1.0'

    SCHEMA = ('uuid', 'name', 'display_name', 'efficacy_specification',
              'created_at', 'updated_at', 'deleted_at')

    fields = {
        'uuid': wfields.UUIDField(),
        'name': wfields.StringField(),
        'display_name': wfields.StringField(),
        'efficacy_specification': wfields.FlexibleListOfDictField(),
        'created_at': wfields.DateTimeField(nullable=True),
        'updated_at': wfields.DateTimeField(nullable=True),
        'deleted_at': wfields.DateTimeField(nullable=True),
    }
