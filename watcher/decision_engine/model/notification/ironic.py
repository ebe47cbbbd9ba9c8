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
"""Keeps the bare metal model up to date by Ironic's notifications.

Each of Ironic's versioned notifications about a node describes the whole
node, so none of them leads to a question, and the newest one counts. Ironic
sends them only when its operator sets ``notification_level = info``, and to
the exchange ``ironic`` with the topic ``ironic_versioned_notifications``.
"""

import datetime
import functools
from collections.abc import Callable
from typing import Any

from watcher._i18n import _
from watcher.common import ironic_helper
from watcher.decision_engine.model import clocks
from watcher.decision_engine.model import ironic_mapping
from watcher.decision_engine.model.notification import base
from watcher.decision_engine.model.notification import filtering

DATA = 'ironic_object.data'

DELETED = 'baremetal.node.delete.end'

#: What a description of a node has to have; without it, it is none.
NEEDED = ('uuid', 'power_state', 'maintenance', 'maintenance_reason',
          'extra')


class NodeNotification(base.NotificationEndpoint):
    """Nodes that come, change and go."""

    @property
    def filter_rule(self) -> filtering.NotificationFilter:
        """Messages of Ironic about a node as it is now.

        What begins is left out, except for changes of the provision state,
        which take long; a deletion that begins may still fail.
        """
        return filtering.NotificationFilter(
            publisher_id=r'^ironic-',
            event_type=r'^baremetal\.node\.('
                       r'(create|update|delete|maintenance_set|power_set'
                       r'|console_set|console_restore)\.end'
                       r'|provision_set\.(start|end|success)'
                       r'|power_state_corrected\.success)$')

    def prepare(self, ctxt: dict, publisher_id: str, event_type: str,
                payload: dict, metadata: dict) -> Callable[[], Any] | None:
        """Return what adds, changes or removes a node.

        :raises: ValueError, InvalidUUID when the message describes none.
        """
        node = _described(payload)
        when = base.sent_at(metadata)
        if event_type == DELETED:
            return functools.partial(self._remove, node, when)
        # Not only later, when a part of the work may be done.
        ironic_mapping.node_element(node)
        return functools.partial(self._put, node, when)

    def _put(self, node: ironic_helper.IronicNode,
             when: datetime.datetime | None) -> None:
        model = self.cluster_data_model
        with model.lock:
            if model.seen(node.uuid, when):
                ironic_mapping.put(model, node, when, clocks.NOTIFICATION)

    def _remove(self, node: ironic_helper.IronicNode,
                when: datetime.datetime | None) -> None:
        model = self.cluster_data_model
        with model.lock:
            if not model.seen(node.uuid, when):
                return
            if node.uuid in model.get_all_ironic_nodes():
                model.remove_node(node.uuid)
            model.forget(node.uuid)


def _described(payload: Any) -> ironic_helper.IronicNode:
    """Return the node that a message describes.

    :raises: ValueError, InvalidUUID
    """
    data = payload.get(DATA) if isinstance(payload, dict) else None
    if not isinstance(data, dict):
        raise ValueError(_('A notification of Ironic has no %s') % DATA)
    missing = [name for name in NEEDED if name not in data]
    if missing:
        raise ValueError(
            _('A notification of Ironic about the node %(node)s lacks '
              '%(missing)s') % {'node': data.get('uuid'),
                                'missing': ', '.join(missing)})
    return ironic_helper.IronicNode.from_api(data)
