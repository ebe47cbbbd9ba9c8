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
"""Settings that audits are created from."""

from watcher.objects import base
from watcher.objects import fields as wfields
from watcher.objects import goal
from watcher.objects import strategy


@base.WatcherObjectRegistry.register
class AuditTemplate(base.UuidMixin, base.NameMixin, base.StoredObject):
    """Version 1.0: initial; 1.1: relations; 1.2: default_parameters."""

    VERSION = '1.2'

    entity = 'audit_template'
    relations = {'goal': goal.Goal, 'strategy': strategy.Strategy}

    fields = {
        'id': wfields.IntegerField(),
        'uuid': wfields.UUIDField(),
        'name': wfields.StringField(),
        'description': wfields.StringField(nullable=True),
        'scope': wfields.FlexibleListOfDictField(nullable=True),
        'default_parameters': wfields.FlexibleDictField(nullable=True),
        'goal_id': wfields.IntegerField(),
        'strategy_id': wfields.IntegerField(nullable=True),
        'goal': wfields.ObjectField('Goal', nullable=True),
        'strategy': wfields.ObjectField('Strategy', nullable=True),
    }
