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
"""Announces committed changes of objects to whoever listens.

Objects don't know notifications. A service registers its listeners at start;
each change is told once, after the commit of the outermost transaction, in
the order of the changes, and never when the transaction is rolled back.
"""

import functools
import threading
from typing import Any
from typing import Protocol

from oslo_log import log

from watcher.db import api as db_api

LOG = log.getLogger(__name__)


class Listener(Protocol):
    """What a listener offers. Its errors are logged, never raised."""

    def on_create(self, obj: Any) -> None:
        """A row was created."""

    def on_update(self, obj: Any, old_state: str | None) -> None:
        """A row was changed; ``old_state`` if its state was."""

    def on_delete(self, obj: Any) -> None:
        """A row was soft deleted."""


# Replaced as a whole under the lock, so that announcing needs none.
_lock = threading.Lock()
_listeners: tuple[Listener, ...] = ()


def subscribe(listener: Listener) -> None:
    """Tell the listener of each change from now on; twice has no effect."""
    global _listeners
    with _lock:
        if listener not in _listeners:
            _listeners += (listener,)


def unsubscribe(listener: Listener) -> None:
    """Tell the listener nothing more."""
    global _listeners
    with _lock:
        _listeners = tuple(item for item in _listeners
                           if item is not listener)


def _deliver(method: str, obj: Any, *args: Any) -> None:
    for listener in _listeners:
        try:
            getattr(listener, method)(obj, *args)
        except Exception:
            LOG.exception('%(listener)s failed on %(method)s of %(type)s '
                          '%(uuid)s; the change itself is stored',
                          {'listener': type(listener).__name__,
                           'method': method, 'type': obj.obj_name(),
                           'uuid': getattr(obj, 'uuid', obj.id)})


def _announce(method: str, obj: Any, *args: Any) -> None:
    if not _listeners:
        return
    database = db_api.get_instance()
    if database.in_transaction():
        # The object may change again before the commit: tell it as it is.
        obj = obj.snapshot()
    database.after_commit(functools.partial(_deliver, method, obj, *args))


def created(obj: Any) -> None:
    """Announce a new object."""
    _announce('on_create', obj)


def updated(obj: Any, old_state: str | None = None) -> None:
    """Announce a change; ``old_state`` if the state was changed."""
    _announce('on_update', obj, old_state)


def deleted(obj: Any) -> None:
    """Announce a soft deletion."""
    _announce('on_delete', obj)
