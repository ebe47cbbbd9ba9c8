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
"""Bare metal nodes, and what Ironic does with them.

Changes of power take their time, during which the node is locked; its
management controller (BMC) may fail or never answer.
"""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import uuid
from collections.abc import Callable
from typing import Any

from watcher.sandbox.cloud import state as cloud_state
from watcher.sandbox.cloud import timeline as cloud_timeline
from watcher.sandbox.cloud import web

POWER_ON = 'power on'
POWER_OFF = 'power off'

#: What may be asked for, and the power state it leads to.
POWER_TARGETS = {
    POWER_ON: POWER_ON, POWER_OFF: POWER_OFF, 'rebooting': POWER_ON,
    'soft power off': POWER_OFF, 'soft rebooting': POWER_ON}

#: Verb to the states it may be said in, the state on the way (None: there is
#: none), and the state it leads to.
PROVISION_VERBS = {
    'manage': (('enroll', 'available'), None, 'manageable'),
    'provide': (('manageable',), 'cleaning', 'available'),
    'active': (('available',), 'deploying', 'active'),
    'deleted': (('active', 'error'), 'deleting', 'available'),
}

#: Name of the conductor that locks nodes.
CONDUCTOR = 'conductor-1'


@dataclasses.dataclass(slots=True)
class MachineTiming:
    """How long things take, in seconds."""

    power: float = 1.0
    provision: float = 1.0


@dataclasses.dataclass(slots=True)
class Node:
    uuid: str
    number: int
    name: str | None
    created: datetime.datetime
    updated: datetime.datetime
    power_state: str | None = POWER_ON
    target_power_state: str | None = None
    provision_state: str = 'active'
    target_provision_state: str | None = None
    maintenance: bool = False
    maintenance_reason: str | None = None
    fault: str | None = None
    last_error: str | None = None
    reservation: str | None = None
    instance_uuid: str | None = None
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)
    driver: str = 'fake-hardware'
    resource_class: str = 'baremetal'
    #: The BMC: ``ok``, ``error`` (refuses) or ``hang`` (never answers).
    bmc: str = 'ok'


@dataclasses.dataclass(slots=True, frozen=True)
class NodeEvent:
    """What happened to a node: the subject of emitted events."""

    node: Node
    #: What the notification tells besides the node itself.
    details: dict[str, Any] = dataclasses.field(default_factory=dict)


class Machines:
    """What Ironic does; call it under the lock of the cloud."""

    def __init__(self, state: cloud_state.CloudState,
                 timeline: cloud_timeline.Timeline,
                 timing: MachineTiming | None = None) -> None:
        self.state = state
        self.timing = timing or MachineTiming()
        self.nodes: dict[str, Node] = {}
        #: Longest page, as ``[api] max_limit`` of a default Ironic.
        self.max_limit = 1000
        self._numbers = itertools.count(1)
        self._timeline = timeline

    def _later(self, seconds: float, step: Callable[..., None], node: Node,
               *arguments: Any) -> None:
        def run() -> None:
            with self.state.lock:
                if self.nodes.get(node.uuid) is node:
                    step(node, *arguments)
        self._timeline.after(seconds, run)

    def _emit(self, event: str, node: Node, /, **details: Any) -> None:
        self.state.emit('baremetal.node.' + event, NodeEvent(node, details))

    # Bookkeeping.

    def add(self, name: str | None = None, ident: str | None = None,
            **fields: Any) -> Node:
        """Add a node that has always been there."""
        now = cloud_state.utcnow()
        node = Node(uuid=ident or str(uuid.uuid4()),
                    number=next(self._numbers), name=name, created=now,
                    updated=now, **fields)
        self.nodes[node.uuid] = node
        return node

    def find(self, uuid_or_name: str) -> Node:
        node = self.nodes.get(uuid_or_name) or next(
            (node for node in self.nodes.values()
             if node.name == uuid_or_name), None)
        if node is None:
            raise web.HTTPError(
                404, 'Node %s could not be found.' % uuid_or_name)
        return node

    @staticmethod
    def touch(node: Node, **changes: Any) -> None:
        for name, value in changes.items():
            setattr(node, name, value)
        node.updated = cloud_state.utcnow()

    @staticmethod
    def _check_lock(node: Node) -> None:
        if node.reservation is not None:
            raise web.HTTPError(
                409, 'Node %s is locked by host %s, please retry after the '
                     'current operation is completed.' % (
                         node.uuid, node.reservation))

    # Operations.

    def create(self, **fields: Any) -> Node:
        node = self.add(**{'provision_state': 'enroll', 'power_state': None,
                           **fields})
        self._emit('create.start', node)
        self._emit('create.end', node)
        return node

    def update(self, node: Node, **changes: Any) -> None:
        self._check_lock(node)
        self._emit('update.start', node)
        self.touch(node, **changes)
        self._emit('update.end', node)

    def delete(self, node: Node) -> None:
        self._check_lock(node)
        if node.instance_uuid is not None:
            raise web.HTTPError(
                409, 'Node %s is associated with instance %s.' % (
                    node.uuid, node.instance_uuid))
        self._emit('delete.start', node)
        del self.nodes[node.uuid]
        self._emit('delete.end', node)

    def set_maintenance(self, node: Node, on: bool,
                        reason: str | None = None) -> None:
        changes: dict[str, Any] = {'maintenance': on,
                                   'maintenance_reason': reason}
        if not on:
            changes['fault'] = None
        self.touch(node, **changes)
        self._emit('maintenance_set.start', node)
        self._emit('maintenance_set.end', node)

    def set_power(self, node: Node, target: str) -> None:
        if target not in POWER_TARGETS:
            raise web.HTTPError(
                400, 'The requested action "%s" can not be performed on '
                     'node "%s" while it is in state "%s".' % (
                         target, node.uuid, node.provision_state))
        self._check_lock(node)
        self.touch(node, reservation=CONDUCTOR, last_error=None,
                   target_power_state=POWER_TARGETS[target])
        self._emit('power_set.start', node, to_power=target)
        if node.bmc != 'hang':
            self._later(self.timing.power, self._end_power, node, target)

    def _end_power(self, node: Node, target: str) -> None:
        changes: dict[str, Any] = {'target_power_state': None,
                                   'reservation': None}
        if node.bmc == 'error':
            self.touch(node, **changes, last_error=(
                'Failed to change power state to \'%s\' by \'%s\'. Error: '
                'IPMI call failed: power %s.' % (
                    POWER_TARGETS[target], target, target)))
            self._emit('power_set.error', node, to_power=target)
            return
        self.touch(node, **changes, power_state=POWER_TARGETS[target])
        self._emit('power_set.end', node, to_power=target)

    def press_button(self, node: Node, power_state: str) -> None:
        """Change the power behind Ironic's back; Ironic notices."""
        before = node.power_state
        self.touch(node, power_state=power_state)
        self._emit('power_state_corrected.success', node, from_power=before)

    def set_provision(self, node: Node, verb: str) -> None:
        if verb not in PROVISION_VERBS:
            raise web.HTTPError(400, 'Invalid provision target %s' % verb)
        self._check_lock(node)
        allowed, passing, wanted = PROVISION_VERBS[verb]
        if node.provision_state not in allowed:
            raise web.HTTPError(
                400, 'The requested action "%s" can not be performed on '
                     'node "%s" while it is in state "%s".' % (
                         verb, node.uuid, node.provision_state))
        details = {'previous_provision_state': node.provision_state,
                   'previous_target_provision_state': None, 'event': verb}
        if passing is None:
            self.touch(node, provision_state=wanted)
            self._emit('provision_set.success', node, **details)
            return
        self.touch(node, reservation=CONDUCTOR, provision_state=passing,
                   target_provision_state=wanted)
        self._emit('provision_set.start', node, **details)
        self._later(self.timing.provision, self._end_provision, node)

    def _end_provision(self, node: Node) -> None:
        details = {'previous_provision_state': node.provision_state,
                   'previous_target_provision_state':
                       node.target_provision_state, 'event': 'done'}
        self.touch(node, reservation=None, target_provision_state=None,
                   provision_state=node.target_provision_state,
                   power_state=POWER_ON
                   if node.target_provision_state == 'active'
                   else POWER_OFF)
        self._emit('provision_set.end', node, **details)
