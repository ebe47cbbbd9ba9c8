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
"""A daemon of Watcher, kept alive by its heartbeats."""

import datetime
from typing import Any

from oslo_log import log
from oslo_utils import timeutils

from watcher import conf
from watcher.common import exception
from watcher.objects import base
from watcher.objects import events
from watcher.objects import fields as wfields

CONF = conf.CONF
LOG = log.getLogger(__name__)


class ServiceStatus:
    """Derived from the dates, not stored."""

    ACTIVE = 'ACTIVE'
    FAILED = 'FAILED'


def state_of(last_seen_up: datetime.datetime | None,
             updated_at: datetime.datetime | None,
             created_at: datetime.datetime,
             now: datetime.datetime | None = None) -> str:
    """``ACTIVE`` if the last sign of life is recent enough, or ``FAILED``.

    A clock that is ahead counts as far as one that is behind.

    :param last_seen_up: of the service, naive UTC; the other dates are aware
    :param now: aware date to compare with, the present if not given
    """
    age = abs(_silence(last_seen_up, updated_at, created_at, now))
    return (ServiceStatus.ACTIVE if age <= CONF.service_down_time
            else ServiceStatus.FAILED)


def _silence(last_seen_up: datetime.datetime | None,
             updated_at: datetime.datetime | None,
             created_at: datetime.datetime,
             now: datetime.datetime | None = None) -> float:
    now = now or timeutils.utcnow(with_timezone=True)
    if last_seen_up is None:
        last_sign = updated_at or created_at
    else:
        last_sign = last_seen_up.replace(tzinfo=datetime.UTC)
    return (now - last_sign).total_seconds()


def get_state(service: Any, now: datetime.datetime | None = None) -> str:
    """``ACTIVE`` or ``FAILED``."""
    return state_of(service.last_seen_up, service.updated_at,
                    service.created_at, now)


def is_alive(service: Any, now: datetime.datetime | None = None) -> bool:
    """Return whether the last heartbeat is recent enough."""
    return get_state(service, now) == ServiceStatus.ACTIVE


@base.WatcherObjectRegistry.register
class Service(base.StoredObject):
    """Version 1.0: initial."""

    VERSION = '1.0'

    entity = 'service'
    row_key = 'id'

    fields = {
        'id': wfields.IntegerField(),
        'name': wfields.StringField(),
        'host': wfields.StringField(),
        'last_seen_up': wfields.DateTimeField(nullable=True,
                                              tzinfo_aware=False),
    }

    @property
    def state(self) -> str:
        """``ACTIVE`` or ``FAILED`` at this moment."""
        return get_state(self)

    @property
    def silence(self) -> float:
        """Seconds since its last sign of life."""
        return _silence(self.last_seen_up, self.updated_at, self.created_at)

    @classmethod
    @base.remotable
    def get_by_name(cls, context: Any, name: str) -> 'Service':
        """Read one service of this name, in any letter case.

        The same service runs on several hosts: one that is alive is
        preferred, else the oldest row.

        :raises watcher.common.exception.ServiceNotFound:
        """
        services = [service for service in cls.list(context)
                    if service.name.lower() == name.lower()]
        if not services:
            raise exception.ServiceNotFound(service=name)
        return next((service for service in services if is_alive(service)),
                    services[0])

    @classmethod
    def heartbeat(cls, context: Any, name: str, host: str) -> 'Service':
        """Note that the service on this host is alive.

        Its row is created by the first beat. Beats are not announced, only
        the new row is.
        """
        row, is_new = cls.dbapi.touch_service(name, host)
        service = cls.from_row(context, row)
        if is_new:
            events.created(service)
        return service

    def forget(self, seconds: float) -> bool:
        """Remove the record if the service is gone and owns nothing.

        :param seconds: since its last sign of life, at least
        :returns: whether it was removed, which is announced
        """
        if not self.dbapi.forget_service(self.id, seconds):
            return False
        events.deleted(self)
        return True
