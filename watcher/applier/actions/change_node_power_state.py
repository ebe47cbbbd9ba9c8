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
"""Switches a bare metal node on or off."""

import math
from typing import Any

from oslo_config import cfg
from oslo_log import log

from watcher._i18n import _
from watcher.applier.actions import base
from watcher.applier.actions import nova_action
from watcher.common import exception
from watcher.common import ironic_helper

CONF = cfg.CONF
LOG = log.getLogger(__name__)

#: Servers that are named in a message; the others are counted.
_NAMED = 3


class ChangeNodePowerState(nova_action.NovaUser):
    """Switches a compute node's machine through Ironic and waits for it.

    A node is switched off only when Nova says that no server is on the
    compute node that runs on it, which the operator notes as
    ``compute_node_id`` in the ``extra`` of the node.
    """

    STATE = 'state'
    ON = 'on'
    OFF = 'off'

    #: What Ironic calls the states.
    POWER_STATES = {ON: ironic_helper.POWER_ON, OFF: ironic_helper.POWER_OFF}

    def __init__(self, config: Any, osc: Any = None):
        super().__init__(config, osc=osc)
        self._ironic: ironic_helper.IronicHelper | None = None

    @property
    def schema(self):
        return {
            'type': 'object',
            'properties': {
                'resource_id': base.TEXT,
                'resource_name': base.DISPLAY_NAME,
                'state': {'type': 'string', 'enum': [self.ON, self.OFF]},
            },
            'required': ['resource_id', 'state'],
            'additionalProperties': False,
        }

    @property
    def ironic(self) -> ironic_helper.IronicHelper:
        """Ironic; all helpers of the process share one connection."""
        if self._ironic is None:
            self._ironic = ironic_helper.IronicHelper(osc=self.osc)
        return self._ironic

    @property
    def state(self) -> str:
        """``on`` or ``off``."""
        return self.input_parameters[self.STATE]

    def claims(self):
        # Strategies put the host of the compute service there.
        host = self.input_parameters.get('resource_name')
        closes = self.state == self.OFF
        return base.Claims(subjects=(self.resource_id,),
                           opens=None if closes else host,
                           closes=host if closes else None)

    def deadline(self):
        return ironic_helper.POWER_LIMIT

    def pre_condition(self):
        """Is the node still there, in another state, and may it change?"""
        self._refuse_maas()
        node = self._find_node()
        if (node.power_state == self.POWER_STATES[self.state]
                and node.target_power_state is None):
            raise exception.ActionSkipped(
                _('Node %(node)s is already switched %(state)s') % {
                    'node': self.resource_id, 'state': self.state})
        if node.maintenance:
            raise exception.ActionExecutionFailure(
                _('Node %(node)s is in maintenance (%(reason)s)') % {
                    'node': self.resource_id,
                    'reason': node.maintenance_reason or node.fault
                    or _('no reason is given')})
        if self.state == self.OFF:
            self._check_empty(node)

    @staticmethod
    def _refuse_maas():
        # Ironic does not know the machines of MAAS: they would be skipped.
        if CONF.maas_client.url:
            raise exception.ActionExecutionFailure(_(
                'Machines of MAAS cannot be switched; unset [maas_client] '
                'url to use Ironic'))

    def _find_node(self):
        try:
            return self.ironic.get_ironic_node_by_uuid(self.resource_id)
        except exception.IronicNodeNotFound:
            raise exception.ActionSkipped(
                _('Node %s was not found') % self.resource_id)

    def _check_empty(self, node):
        """Refuse to switch off a node that is not surely without servers."""
        ident = node.compute_node_id
        if not ident:
            raise exception.ActionExecutionFailure(
                _('Node %s is not switched off: its extra has no '
                  'compute_node_id, so nobody knows which servers are on it')
                % node.uuid)
        try:
            host = self.nova.get_compute_node_by_uuid(ident, servers=True)
        except exception.ComputeNodeNotFound:
            raise exception.ActionExecutionFailure(
                _('Node %(node)s is not switched off: its compute node '
                  '%(host)s was not found') % {
                      'node': node.uuid, 'host': ident})
        if host.servers:
            raise exception.ActionExecutionFailure(
                _('Node %(node)s is not switched off: its compute node '
                  '%(host)s has servers (%(number)d: %(servers)s)') % {
                      'node': node.uuid, 'number': len(host.servers),
                      'host': host.hypervisor_hostname,
                      'servers': self._named(host.servers)})

    @staticmethod
    def _named(servers):
        # By what people can look for: these names are those of guests.
        names = [server.get('uuid') or server.get('name') or '?'
                 for server in servers[:_NAMED]]
        if len(servers) > _NAMED:
            names.append('...')
        return ', '.join(names)

    def execute(self):
        """Switch the node."""
        node = self.ironic.get_ironic_node_by_uuid(self.resource_id)
        if self.state == self.OFF:
            # The scheduler may have chosen it since.
            self._check_empty(node)
        self.report(before={'power_state': node.power_state})
        return self._switch(self.state)

    def recover(self, run):
        """Look at the node; asking again does no harm."""
        try:
            node = self.ironic.get_ironic_node_by_uuid(self.resource_id)
        except exception.IronicNodeNotFound:
            return base.Found(base.Fate.FAILED, _('node %s was deleted')
                              % self.resource_id)
        wanted = self.POWER_STATES[self.state]
        if node.target_power_state is not None:
            return base.Found(base.Fate.RUNNING)
        return base.Found(base.Fate.DONE if node.power_state == wanted
                          else base.Fate.NOT_STARTED)

    def resume(self, run):
        """Wait until the node is switched."""
        return self.judge(self.ironic.wait_for_power_state(
            self.resource_id, self.state, should_stop=self.should_stop,
            limit=math.inf))

    def inverse(self, run):
        """Switch the node back, if it was switched."""
        before = ironic_helper.IS_ON.get(
            self.known('before', run).get('power_state'))
        if before is None:
            return base.Irreversible(_(
                'nobody knows whether node %s was switched on')
                % self.resource_id)
        state = self.ON if before else self.OFF
        if state == self.state:
            return base.Irreversible(_(
                'node %(node)s was switched %(state)s already, so nothing '
                'was changed') % {'node': self.resource_id, 'state': state})
        return base.Inverse('change_node_power_state', {
            **self.input_parameters, self.STATE: state})

    def revert(self):
        """Switch the node to the opposite state."""
        if self.state == self.OFF:
            return self._switch(self.ON)
        self._check_empty(
            self.ironic.get_ironic_node_by_uuid(self.resource_id))
        return self._switch(self.OFF)

    def _switch(self, state):
        LOG.info('Switching node %(node)s %(state)s',
                 {'node': self.resource_id, 'state': state})
        # Ironic has limits of its own, and tells when it gives up.
        return self.judge(self.ironic.set_node_power_state(
            self.resource_id, state, should_stop=self.should_stop,
            limit=math.inf))

    def abort(self):
        """A machine that is starting or stopping cannot be held up."""
        LOG.warning('The switching of node %s cannot be aborted',
                    self.resource_id)
        return False

    def post_condition(self):
        """The outcome was judged while the node was followed."""

    def get_description(self):
        return 'Power a compute node on or off through Ironic.'
