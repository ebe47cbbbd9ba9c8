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
"""What Ironic tells about a node, as the bare metal model has it.

Lists and notifications describe a node in the same words.
"""

import datetime

from watcher._i18n import _
from watcher.common import ironic_helper
from watcher.decision_engine.model import element
from watcher.decision_engine.model import model_root


def node_element(node: ironic_helper.IronicNode) -> element.IronicNode:
    """Return a node of the model.

    :raises: ValueError when a value is not what Ironic documents.
    """
    return element.IronicNode(
        uuid=node.uuid, power_state=node.power_state,
        maintenance=node.maintenance,
        maintenance_reason=node.maintenance_reason,
        extra={'compute_node_id': node.compute_node_id})


def problem(node: ironic_helper.IronicNode) -> str | None:
    """Say why the picture of a node is not complete; None when it is."""
    if node.fault:
        return _('Ironic put it into maintenance because of %s, so its '
                 'power state may not be true') % node.fault
    if node.power_state is None:
        return _('Ironic has not asked for its power state yet')
    if node.power_state == 'error':
        return _('Ironic cannot tell its power state')
    return None


def put(model: model_root.BaremetalModelRoot, node: ironic_helper.IronicNode,
        when: datetime.datetime | None, source: str) -> None:
    """Add a node to the model, or replace what it says about it.

    :param when: when that was so.
    :param source: as for ``model.touch``.
    :raises: ValueError when a value is not what Ironic documents; the model
        is as it was then.
    """
    added = node_element(node)
    with model.lock:
        model.add_node(added)
        model.touch(node.uuid, when, source, problem(node))
