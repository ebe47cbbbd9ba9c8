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
"""A run of a strategy over (a part of) the cloud.

Deleting an audit does not touch its action plans: clients rely on reading
and starting them afterwards, and the plan is what documents the work done.
Plans whose audit is gone are removed by ``watcher-db-manage purge``.
"""

from typing import Any

from watcher.objects import base
from watcher.objects import fields as wfields
from watcher.objects import goal
from watcher.objects import states
from watcher.objects import strategy

State = states.AuditState
AuditType = states.AuditType
INACTIVE_STATES = states.AUDIT_INACTIVE


@base.WatcherObjectRegistry.register
class Audit(base.UuidMixin, base.NameMixin, base.StoredObject):
    """Version 1.8.

    1.0: initial; 1.1: relations; 1.2: auto_trigger; 1.3: next_run_time,
    interval as text; 1.4: name; 1.5: hostname; 1.6: start_time, end_time;
    1.7: force; 1.8: status_message.
    """

    VERSION = '1.8'

    entity = 'audit'
    relations = {'goal': goal.Goal, 'strategy': strategy.Strategy}
    machine = states.AUDIT
    # Rows older than these columns, and not migrated yet.
    substitutes = {'name': lambda uuid: f'audit-{uuid}',
                   'force': lambda uuid: False}

    fields = {
        'id': wfields.IntegerField(),
        'uuid': wfields.UUIDField(),
        'name': wfields.StringField(),
        'audit_type': wfields.StringField(),
        'state': wfields.StringField(),
        'parameters': wfields.FlexibleDictField(nullable=True),
        'interval': wfields.StringField(nullable=True),
        'scope': wfields.FlexibleListOfDictField(nullable=True),
        'goal_id': wfields.IntegerField(),
        'strategy_id': wfields.IntegerField(nullable=True),
        'auto_trigger': wfields.BooleanField(),
        'next_run_time': wfields.DateTimeField(nullable=True,
                                               tzinfo_aware=False),
        'hostname': wfields.StringField(nullable=True),
        'start_time': wfields.DateTimeField(nullable=True,
                                            tzinfo_aware=False),
        'end_time': wfields.DateTimeField(nullable=True, tzinfo_aware=False),
        'force': wfields.BooleanField(default=False),
        'goal': wfields.ObjectField('Goal', nullable=True),
        'strategy': wfields.ObjectField('Strategy', nullable=True),
        'status_message': wfields.MessageField(nullable=True),
    }

    def __init__(self, context: Any = None, **kwargs: Any) -> None:
        kwargs.setdefault('force', False)
        super().__init__(context, **kwargs)
