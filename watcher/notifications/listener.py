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
"""Tells the bus what the objects announce.

Objects don't know notifications: they announce each committed change to
listeners, and this one turns it into a message. Before a service asks
another one to go on with an object, what it told itself goes out.
"""

from typing import Any

from watcher.common import rpcapi
from watcher.notifications import action
from watcher.notifications import action_plan
from watcher.notifications import audit
from watcher.notifications import sender
from watcher.notifications import service
from watcher.objects import events

# Heartbeats save the service record: its updates are told by the service
# monitor, which knows what they mean.
_CREATE = {'Audit': audit.send_create, 'ActionPlan': action_plan.send_create,
           'Action': action.send_create, 'Service': service.send_create}
_UPDATE = {'Audit': audit.send_update, 'ActionPlan': action_plan.send_update,
           'Action': action.send_update}
_DELETE = {'Audit': audit.send_delete, 'ActionPlan': action_plan.send_delete,
           'Action': action.send_delete, 'Service': service.send_delete}


class NotificationListener:
    """Listener of ``watcher.objects.events``."""

    def on_create(self, obj: Any) -> None:
        send = _CREATE.get(obj.obj_name())
        if send is not None:
            send(obj._context, obj)

    def on_update(self, obj: Any, old_state: str | None) -> None:
        send = _UPDATE.get(obj.obj_name())
        if send is not None:
            send(obj._context, obj, old_state)

    def on_delete(self, obj: Any) -> None:
        send = _DELETE.get(obj.obj_name())
        if send is not None:
            send(obj._context, obj)


#: One for the process: subscribing it twice has no effect.
LISTENER = NotificationListener()


def setup() -> None:
    """From now on tell each change of an object on the bus."""
    events.subscribe(LISTENER)
    rpcapi.before_casts(sender.settle)


def teardown() -> None:
    """Tell nothing more."""
    events.unsubscribe(LISTENER)
    rpcapi.forget_before_casts(sender.settle)
