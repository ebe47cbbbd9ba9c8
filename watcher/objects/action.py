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
"""One step of an action plan."""

from collections.abc import Iterable
from typing import Any

from watcher.objects import action_plan
from watcher.objects import base
from watcher.objects import fields as wfields
from watcher.objects import states

State = states.ActionState


@base.WatcherObjectRegistry.register
class Action(base.UuidMixin, base.StoredObject):
    """Version 2.1.

    1.0: initial; 1.1: relation; 2.0: parents instead of next;
    2.1: status_message.
    """

    VERSION = '2.1'

    entity = 'action'
    relations = {'action_plan': action_plan.ActionPlan}
    machine = states.ACTION

    fields = {
        'id': wfields.IntegerField(),
        'uuid': wfields.UUIDField(),
        'action_plan_id': wfields.IntegerField(),
        'action_type': wfields.StringField(nullable=True),
        'input_parameters': wfields.DictField(nullable=True),
        'state': wfields.StringField(nullable=True),
        'parents': wfields.ListOfStringsField(nullable=True),
        'status_message': wfields.MessageField(nullable=True),
        'action_plan': wfields.ObjectField('ActionPlan', nullable=True),
    }

    @classmethod
    def explanations(cls, idents: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Read the explanations of several actions.

        :returns: by the ids of the actions, without those that have none
        """
        return cls.dbapi.get_explanations(cls.entity, idents)
