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
"""What every notification shares: names, payload base, the one exit.

All notifications of the service leave through :func:`emit`. It is called
after the database commit of the change it tells, builds the payload in the
caller's thread, so that it shows the state of that moment, and hands it to
the sender. Nothing that goes wrong here ever reaches the caller: a broken
notification must not change a result.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

from oslo_log import log
from oslo_versionedobjects import base as ovo_base

from watcher import conf
from watcher.common import context as watcher_context
from watcher.notifications import sender
from watcher.objects import base
from watcher.objects import fields as wfields

CONF = conf.CONF
LOG = log.getLogger(__name__)

#: The ``<binary>`` part of the publisher id, the same for all services.
BINARY = 'infra-optim'


#: All payload and envelope classes, for fingerprint tests and documentation.
CLASSES: list[type] = []


def register(cls: type) -> type:
    """Class decorator: make the fields of a notification class usable.

    The class stays out of the registry of objects that can be decoded:
    nobody sends us our own notifications.
    """
    CLASSES.append(cls)
    return ovo_base.VersionedObjectRegistry.register_if(False)(cls)


class Phase:
    START = 'start'
    END = 'end'
    ERROR = 'error'


class Action:
    CREATE = 'create'
    UPDATE = 'update'
    DELETE = 'delete'
    EXCEPTION = 'exception'
    STRATEGY = 'strategy'
    PLANNER = 'planner'
    EXECUTION = 'execution'
    CANCEL = 'cancel'


class Priority:
    """Names used in configuration and code, in increasing order."""

    DEBUG = 'debug'
    INFO = 'info'
    WARNING = 'warning'
    ERROR = 'error'
    CRITICAL = 'critical'

    ORDER = (DEBUG, INFO, WARNING, ERROR, CRITICAL)


@register
class EventType(base.WatcherObject):
    """``<object>.<action>[.<phase>]``.

    Version 1.0: initial; 1.1: action strategy; 1.2: action planner;
    1.3: action execution.
    """

    VERSION = '1.3'

    fields = {
        'object': wfields.StringField(),
        'action': wfields.NotificationActionField(),
        'phase': wfields.NotificationPhaseField(nullable=True),
    }

    def to_text(self) -> str:
        """The event type as consumers see it."""
        parts = [self.object, self.action]
        if self.obj_attr_is_set('phase') and self.phase is not None:
            parts.append(self.phase)
        return '.'.join(parts)


@register
class NotificationPublisher(base.WatcherObject):
    """Version 1.0: initial."""

    VERSION = '1.0'

    fields = {
        'host': wfields.StringField(),
        'binary': wfields.StringField(),
    }

    def to_text(self) -> str:
        """The publisher id as consumers see it."""
        return f'{self.binary}:{self.host}'


class NotificationPayloadBase(base.WatcherObject):
    """Base of all payloads.

    A subclass names in ``SCHEMA`` the fields it copies from its source
    object under the same name; everything else is given by keyword.
    """

    SCHEMA: tuple[str, ...] = ()

    def __init__(self, source: Any = None, **kwargs: Any) -> None:
        values = {name: getattr(source, name)
                  for name in self.SCHEMA if name not in kwargs}
        values.update(kwargs)
        super().__init__(**values)
        # Consumers never see pending-change marks.
        self.obj_reset_changes(recursive=True)


def is_enabled(priority: str) -> bool:
    """Whether ``[DEFAULT] notification_level`` lets this priority pass."""
    level = CONF.notification_level
    if not level:
        return False
    return Priority.ORDER.index(priority) >= Priority.ORDER.index(level)


def emit(context: Any, object_type: str, action: str,
         build_payload: Callable[[], NotificationPayloadBase],
         phase: str | None = None, priority: str | None = None) -> bool:
    """Send one notification; never raises, never waits for the bus.

    :param context: request context of the change; an internal one is made
        when there is none
    :param object_type: ``audit``, ``action_plan``, ``action``, ``service``
    :param action: one of :class:`Action`
    :param build_payload: called only when the level lets the message pass
    :param phase: one of :class:`Phase`, or None
    :param priority: one of :class:`Priority`; default ``error`` for the
        error phase and ``info`` for the rest
    :returns: whether the message was handed to the sender
    """
    if priority is None:
        priority = Priority.ERROR if phase == Phase.ERROR else Priority.INFO
    event_type = EventType(
        object=object_type, action=action, phase=phase).to_text()
    try:
        if not is_enabled(priority):
            return False
        publisher = NotificationPublisher(host=CONF.host, binary=BINARY)
        return sender.get_sender().send(sender.Message(
            context=context or watcher_context.admin_context(),
            publisher_id=publisher.to_text(),
            event_type=event_type,
            priority=priority,
            payload=build_payload().obj_to_primitive()))
    except Exception:
        LOG.exception('Notification %s could not be built and is not sent; '
                      'the work it tells about goes on', event_type)
        return False


@dataclasses.dataclass(frozen=True)
class ObjectEvents:
    """What every kind of object tells: create, update and delete.

    The payload classes build themselves with their class method ``of``.
    """

    object_type: str
    create: type[NotificationPayloadBase]
    update: type[NotificationPayloadBase]
    delete: type[NotificationPayloadBase]
    state_update: type[NotificationPayloadBase]

    def send_create(self, context: Any, obj: Any) -> None:
        """Tell that the row is stored."""
        emit(context, self.object_type, Action.CREATE,
             lambda: self.create.of(obj))

    def send_update(self, context: Any, obj: Any,
                    old_state: str | None = None) -> None:
        """Tell that the row is saved.

        :param old_state: the stored state before, when this save changed it
        """
        emit(context, self.object_type, Action.UPDATE,
             lambda: self.update.of(
                 obj, state_update=self.state_update.of(obj, old_state)))

    def send_delete(self, context: Any, obj: Any) -> None:
        """Tell that the row is soft deleted."""
        emit(context, self.object_type, Action.DELETE,
             lambda: self.delete.of(obj))
