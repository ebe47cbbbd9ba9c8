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
"""Notifications about action plans."""

from typing import Any

from watcher import objects
from watcher.notifications import audit as audit_notifications
from watcher.notifications import base as notifications
from watcher.notifications import exception
from watcher.notifications import related
from watcher.notifications import state_update
from watcher.notifications import strategy as strategy_notifications
from watcher.objects import fields as wfields

OBJECT = 'action_plan'


@notifications.register
class TerseActionPlanPayload(notifications.NotificationPayloadBase):
    """The plan without its audit and strategy, as actions nest it.

    Version 1.0: initial; 1.1: global_efficacy is a list; 1.2:
    status_message; 1.3: hostname.
    """

    VERSION = '1.3'

    SCHEMA = ('uuid', 'state', 'global_efficacy', 'status_message',
              'hostname', 'created_at', 'updated_at', 'deleted_at')

    fields = {
        'uuid': wfields.UUIDField(),
        'state': wfields.StringField(),
        'global_efficacy': wfields.FlexibleListOfDictField(nullable=True),
        'audit_uuid': wfields.UUIDField(),
        'strategy_uuid': wfields.UUIDField(nullable=True),
        'status_message': wfields.StringField(nullable=True),
        'hostname': wfields.StringField(nullable=True),
        'created_at': wfields.DateTimeField(nullable=True),
        'updated_at': wfields.DateTimeField(nullable=True),
        'deleted_at': wfields.DateTimeField(nullable=True),
    }

    @classmethod
    def of(cls, plan: objects.ActionPlan) -> 'TerseActionPlanPayload':
        # Nested in an action, strategy_uuid is the strategy that the audit
        # names: null for an audit that names only a goal.
        return cls(plan, audit_uuid=plan.audit.uuid,
                   strategy_uuid=related.uuid_of(plan.audit.strategy))


class ActionPlanPayload(TerseActionPlanPayload):
    """Base of what is sent; never sent under its own name."""

    fields = {
        'audit': wfields.ObjectField('TerseAuditPayload'),
        'strategy': wfields.ObjectField('StrategyPayload'),
    }

    @classmethod
    def of(cls, plan: objects.ActionPlan, **extra: Any
           ) -> 'ActionPlanPayload':
        return cls(
            plan,
            audit_uuid=plan.audit.uuid,
            strategy_uuid=plan.strategy.uuid,
            audit=audit_notifications.TerseAuditPayload.of(plan.audit),
            strategy=strategy_notifications.StrategyPayload(plan.strategy),
            **extra)


@notifications.register
class ActionPlanStateUpdatePayload(state_update.StateUpdatePayload):
    """Version 1.0: initial; 1.1: status_message."""

    VERSION = '1.1'


@notifications.register
class ActionPlanCreatePayload(ActionPlanPayload):
    """Version 1.0: initial; 1.1: global_efficacy is a list; 1.2:
    status_message; 1.3: hostname, and the nested audit as of 1.4.
    """

    VERSION = '1.3'


@notifications.register
class ActionPlanUpdatePayload(ActionPlanPayload):
    """History as :class:`ActionPlanCreatePayload`."""

    VERSION = '1.3'

    fields = {
        'state_update': wfields.ObjectField('ActionPlanStateUpdatePayload'),
    }


@notifications.register
class ActionPlanDeletePayload(ActionPlanPayload):
    """History as :class:`ActionPlanCreatePayload`."""

    VERSION = '1.3'


@notifications.register
class ActionPlanActionPayload(ActionPlanPayload):
    """History as :class:`ActionPlanCreatePayload`."""

    VERSION = '1.3'

    fields = {
        'fault': wfields.ObjectField('ExceptionPayload', nullable=True),
    }


@notifications.register
class ActionPlanCancelPayload(ActionPlanPayload):
    """History as :class:`ActionPlanCreatePayload`."""

    VERSION = '1.3'

    fields = {
        'fault': wfields.ObjectField('ExceptionPayload', nullable=True),
    }


EVENTS = notifications.ObjectEvents(
    OBJECT, ActionPlanCreatePayload, ActionPlanUpdatePayload,
    ActionPlanDeletePayload, ActionPlanStateUpdatePayload)

send_create = EVENTS.send_create
send_update = EVENTS.send_update
send_delete = EVENTS.send_delete


def send_action_notification(context: Any, plan: objects.ActionPlan,
                             action: str = notifications.Action.EXECUTION,
                             phase: str = notifications.Phase.START,
                             priority: str | None = None,
                             exc: BaseException | None = None) -> None:
    """``action_plan.execution.*``.

    :param phase: ``start``, ``end`` or ``error``
    :param exc: what went wrong, with phase ``error``: the failure of the
        first action that failed, or of the workflow engine
    """
    notifications.emit(
        context, OBJECT, action,
        lambda: ActionPlanActionPayload.of(
            plan, fault=exception.fault(phase, exc)),
        phase=phase, priority=priority)


def send_cancel_notification(context: Any, plan: objects.ActionPlan,
                             phase: str,
                             exc: BaseException | None = None) -> None:
    """``action_plan.cancel.*``.

    :param phase: ``start``, ``end`` or ``error``
    :param exc: what went wrong, with phase ``error``
    """
    notifications.emit(
        context, OBJECT, notifications.Action.CANCEL,
        lambda: ActionPlanCancelPayload.of(
            plan, fault=exception.fault(phase, exc)),
        phase=phase)
