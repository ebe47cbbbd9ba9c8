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
"""Notifications about the service's own processes."""

from typing import Any

from watcher import objects
from watcher.notifications import base as notifications
from watcher.notifications import related
from watcher.objects import fields as wfields

OBJECT = 'service'

FAILED = 'FAILED'


class ServicePayload(notifications.NotificationPayloadBase):
    """Base of what is sent; never sent under its own name."""

    fields = {
        # Misspelt since the first release; consumers rely on it.
        'sevice_host': wfields.StringField(),
        'name': wfields.StringField(),
        'last_seen_up': wfields.DateTimeField(nullable=True),
    }

    @classmethod
    def of(cls, service: objects.Service, **extra: Any) -> 'ServicePayload':
        return cls(sevice_host=service.host, name=service.name,
                   last_seen_up=related.utc(service.last_seen_up), **extra)


@notifications.register
class ServiceStatusUpdatePayload(notifications.NotificationPayloadBase):
    """Version 1.0: initial."""

    VERSION = '1.0'

    fields = {
        'old_state': wfields.StringField(nullable=True),
        'state': wfields.StringField(nullable=True),
    }


@notifications.register
class ServiceUpdatePayload(ServicePayload):
    """Version 1.0: initial."""

    VERSION = '1.0'

    fields = {
        'status_update': wfields.ObjectField('ServiceStatusUpdatePayload'),
    }


@notifications.register
class ServiceCreatePayload(ServicePayload):
    """Version 1.0: initial."""

    VERSION = '1.0'


@notifications.register
class ServiceDeletePayload(ServicePayload):
    """Version 1.0: initial."""

    VERSION = '1.0'


def send_create(context: Any, service: objects.Service) -> None:
    """``service.create``: the record of a new process is stored."""
    notifications.emit(
        context, OBJECT, notifications.Action.CREATE,
        lambda: ServiceCreatePayload.of(service))


def send_delete(context: Any, service: objects.Service) -> None:
    """``service.delete``: the record of a process is removed."""
    notifications.emit(
        context, OBJECT, notifications.Action.DELETE,
        lambda: ServiceDeletePayload.of(service))


def send_service_update(context: Any, service: objects.Service,
                        old_state: str, state: str) -> None:
    """``service.update``: a process died or came back.

    A failure has priority ``warning``, a return ``info``.
    """
    priority = (notifications.Priority.WARNING if state == FAILED
                else notifications.Priority.INFO)
    notifications.emit(
        context, OBJECT, notifications.Action.UPDATE,
        lambda: ServiceUpdatePayload.of(
            service, status_update=ServiceStatusUpdatePayload(
                old_state=old_state, state=state)),
        priority=priority)
