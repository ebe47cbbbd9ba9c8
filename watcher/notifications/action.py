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
"""Notifications about actions."""

from typing import Any

from watcher import objects
from watcher.notifications import action_plan as plan_notifications
from watcher.notifications import base as notifications
from watcher.notifications import exception
from watcher.notifications import state_update
from watcher.objects import fields as wfields

OBJECT = 'action'


class ActionPayload(notifications.NotificationPayloadBase):
    """Base of what is sent; never sent under its own name.

    There is no ``action_plan_uuid``: the UUID of the plan is the one of the
    nested plan.
    """

    SCHEMA = ('uuid', 'action_type', 'state', 'status_message',
              'created_at', 'updated_at', 'deleted_at')

    fields = {
        'uuid': wfields.UUIDField(),
        'action_type': wfields.StringField(),
        'input_parameters': wfields.DictField(default={}),
        'state': wfields.StringField(),
        'parents': wfields.ListOfUUIDsField(default=[]),
        'action_plan': wfields.ObjectField('TerseActionPlanPayload'),
        'status_message': wfields.StringField(nullable=True),
        'created_at': wfields.DateTimeField(nullable=True),
        'updated_at': wfields.DateTimeField(nullable=True),
        'deleted_at': wfields.DateTimeField(nullable=True),
    }

    @classmethod
    def of(cls, action: objects.Action, **extra: Any) -> 'ActionPayload':
        return cls(
            action,
            input_parameters=action.input_parameters or {},
            parents=action.parents or [],
            action_plan=plan_notifications.TerseActionPlanPayload.of(
                action.action_plan),
            **extra)


@notifications.register
class ActionStateUpdatePayload(state_update.StateUpdatePayload):
    """Version 1.0: initial; 1.1: status_message."""

    VERSION = '1.1'


@notifications.register
class ActionCreatePayload(ActionPayload):
    """Version 1.0: initial; 1.1: status_message; 1.2: the nested plan as of
    1.3.
    """

    VERSION = '1.2'


@notifications.register
class ActionUpdatePayload(ActionPayload):
    """History as :class:`ActionCreatePayload`."""

    VERSION = '1.2'

    fields = {
        'state_update': wfields.ObjectField('ActionStateUpdatePayload'),
    }


@notifications.register
class ActionDeletePayload(ActionPayload):
    """History as :class:`ActionCreatePayload`."""

    VERSION = '1.2'


@notifications.register
class ActionExecutionPayload(ActionPayload):
    """History as :class:`ActionCreatePayload`."""

    VERSION = '1.2'

    fields = {
        'fault': wfields.ObjectField('ExceptionPayload', nullable=True),
    }


@notifications.register
class ActionCancelPayload(ActionPayload):
    """History as :class:`ActionCreatePayload`."""

    VERSION = '1.2'

    fields = {
        'fault': wfields.ObjectField('ExceptionPayload', nullable=True),
    }


EVENTS = notifications.ObjectEvents(
    OBJECT, ActionCreatePayload, ActionUpdatePayload,
    ActionDeletePayload, ActionStateUpdatePayload)

send_create = EVENTS.send_create
send_update = EVENTS.send_update
send_delete = EVENTS.send_delete


def send_execution_notification(context: Any, action: objects.Action,
                                phase: str,
                                exc: BaseException | None = None) -> None:
    """``action.execution.*``.

    :param phase: ``start``, ``end`` or ``error``
    :param exc: what went wrong, with phase ``error``
    """
    notifications.emit(
        context, OBJECT, notifications.Action.EXECUTION,
        lambda: ActionExecutionPayload.of(
            action, fault=exception.fault(phase, exc)),
        phase=phase)


def send_cancel_notification(context: Any, action: objects.Action,
                             phase: str,
                             exc: BaseException | None = None) -> None:
    """``action.cancel.*``.

    :param phase: ``start``, ``end`` or ``error``
    :param exc: what went wrong, with phase ``error``
    """
    notifications.emit(
        context, OBJECT, notifications.Action.CANCEL,
        lambda: ActionCancelPayload.of(
            action, fault=exception.fault(phase, exc)),
        phase=phase)
