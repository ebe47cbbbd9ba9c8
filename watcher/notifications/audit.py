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
"""Notifications about audits."""

from typing import Any

from watcher import objects
from watcher.notifications import base as notifications
from watcher.notifications import exception
from watcher.notifications import goal as goal_notifications
from watcher.notifications import related
from watcher.notifications import state_update
from watcher.notifications import strategy as strategy_notifications
from watcher.objects import fields as wfields

OBJECT = 'audit'


@notifications.register
class TerseAuditPayload(notifications.NotificationPayloadBase):
    """The audit without its goal and strategy, as plans nest it.

    Version 1.0: initial; 1.1: auto_trigger, next_run_time, interval is
    text; 1.2: name; 1.3: status_message; 1.4: force, start_time, end_time,
    hostname.
    """

    VERSION = '1.4'

    SCHEMA = ('uuid', 'name', 'audit_type', 'state', 'parameters',
              'interval', 'scope', 'auto_trigger', 'status_message',
              'force', 'hostname', 'created_at', 'updated_at', 'deleted_at')

    fields = {
        'uuid': wfields.UUIDField(),
        'name': wfields.StringField(),
        'audit_type': wfields.StringField(),
        'state': wfields.StringField(),
        'parameters': wfields.FlexibleDictField(nullable=True),
        'interval': wfields.StringField(nullable=True),
        'scope': wfields.FlexibleListOfDictField(nullable=True),
        'goal_uuid': wfields.UUIDField(),
        'strategy_uuid': wfields.UUIDField(nullable=True),
        'auto_trigger': wfields.BooleanField(),
        'next_run_time': wfields.DateTimeField(nullable=True),
        'status_message': wfields.StringField(nullable=True),
        'force': wfields.BooleanField(),
        'start_time': wfields.DateTimeField(nullable=True),
        'end_time': wfields.DateTimeField(nullable=True),
        'hostname': wfields.StringField(nullable=True),
        'created_at': wfields.DateTimeField(nullable=True),
        'updated_at': wfields.DateTimeField(nullable=True),
        'deleted_at': wfields.DateTimeField(nullable=True),
    }

    def __init__(self, audit: Any = None, **kwargs: Any) -> None:
        if audit is not None:
            for name in ('next_run_time', 'start_time', 'end_time'):
                kwargs.setdefault(name, related.utc(getattr(audit, name)))
        super().__init__(audit, **kwargs)

    @classmethod
    def of(cls, audit: objects.Audit) -> 'TerseAuditPayload':
        return cls(audit, goal_uuid=audit.goal.uuid,
                   strategy_uuid=related.uuid_of(audit.strategy))


class AuditPayload(TerseAuditPayload):
    """Base of what is sent; never sent under its own name."""

    fields = {
        'goal': wfields.ObjectField('GoalPayload'),
        'strategy': wfields.ObjectField('StrategyPayload', nullable=True),
    }

    @classmethod
    def of(cls, audit: objects.Audit, **extra: Any) -> 'AuditPayload':
        strategy = audit.strategy
        return cls(
            audit,
            goal_uuid=audit.goal.uuid,
            strategy_uuid=related.uuid_of(strategy),
            goal=goal_notifications.GoalPayload(audit.goal),
            strategy=strategy and strategy_notifications.StrategyPayload(
                strategy),
            **extra)


@notifications.register
class AuditStateUpdatePayload(state_update.StateUpdatePayload):
    """Version 1.0: initial; 1.1: status_message."""

    VERSION = '1.1'


@notifications.register
class AuditCreatePayload(AuditPayload):
    """Version 1.0: initial; 1.1: auto_trigger, next_run_time, interval is
    text; 1.2: status_message; 1.3: force, start_time, end_time, hostname.
    """

    VERSION = '1.3'


@notifications.register
class AuditUpdatePayload(AuditPayload):
    """History as :class:`AuditCreatePayload`."""

    VERSION = '1.3'

    fields = {
        'state_update': wfields.ObjectField('AuditStateUpdatePayload'),
    }


@notifications.register
class AuditDeletePayload(AuditPayload):
    """History as :class:`AuditCreatePayload`."""

    VERSION = '1.3'


@notifications.register
class AuditActionPayload(AuditPayload):
    """History as :class:`AuditCreatePayload`."""

    VERSION = '1.3'

    fields = {
        'fault': wfields.ObjectField('ExceptionPayload', nullable=True),
    }


EVENTS = notifications.ObjectEvents(
    OBJECT, AuditCreatePayload, AuditUpdatePayload,
    AuditDeletePayload, AuditStateUpdatePayload)

send_create = EVENTS.send_create
send_update = EVENTS.send_update
send_delete = EVENTS.send_delete


def send_action_notification(context: Any, audit: objects.Audit,
                             action: str, phase: str,
                             priority: str | None = None,
                             exc: BaseException | None = None) -> None:
    """``audit.strategy.*`` and ``audit.planner.*``.

    :param action: ``strategy`` or ``planner``
    :param phase: ``start``, ``end`` or ``error``
    :param exc: what went wrong, with phase ``error``
    """
    notifications.emit(
        context, OBJECT, action,
        lambda: AuditActionPayload.of(
            audit, fault=exception.fault(phase, exc)),
        phase=phase, priority=priority)
