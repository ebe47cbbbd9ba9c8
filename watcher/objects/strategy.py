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
"""A way to reach a goal."""

from watcher.objects import base
from watcher.objects import fields as wfields
from watcher.objects import goal


@base.WatcherObjectRegistry.register
class Strategy(base.UuidMixin, base.NameMixin, base.StoredObject):
    """Version 1.0: initial; 1.1: relation goal."""

    VERSION = '1.1'

    entity = 'strategy'
    relations = {'goal': goal.Goal}

    fields = {
        'id': wfields.IntegerField(),
        'uuid': wfields.UUIDField(),
        'name': wfields.StringField(),
        'display_name': wfields.StringField(),
        'goal_id': wfields.IntegerField(),
        'parameters_spec': wfields.FlexibleDictField(nullable=True),
        'goal': wfields.ObjectField('Goal', nullable=True),
    }
