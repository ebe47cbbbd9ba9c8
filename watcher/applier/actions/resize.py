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
"""Gives a server another flavor."""

from oslo_log import log

from watcher._i18n import _
from watcher.applier.actions import base
from watcher.applier.actions import server_move
from watcher.common import exception

LOG = log.getLogger(__name__)


#: MB in a GB of disk.
_GB = 1024


class Resize(server_move.ServerMove):
    """Resizes a server, confirms it and waits for the confirmation."""

    FLAVOR = 'flavor'

    migration_kind = 'resize'
    task_states = ('resize_',)

    @property
    def schema(self):
        return {
            'type': 'object',
            'properties': {
                'resource_id': base.UUID,
                'flavor': base.TEXT,
                'resource_name': base.DISPLAY_NAME,
            },
            'required': ['resource_id', 'flavor'],
            'additionalProperties': False,
        }

    @property
    def flavor(self) -> str:
        """Id or name of the new flavor."""
        return self.input_parameters[self.FLAVOR]

    def pre_condition(self):
        """Are the server and the flavor there?"""
        self.find_server()
        try:
            self.nova.get_flavor_id(self.flavor)
        except exception.ComputeResourceNotFound:
            raise exception.ActionExecutionFailure(
                _('Flavor %s was not found') % self.flavor)

    def execute(self):
        """Resize the server."""
        LOG.info('Resizing server %(server)s to flavor %(flavor)s',
                 {'server': self.resource_id, 'flavor': self.flavor})
        return self.carry_out(self.nova.resize_instance, self.resource_id,
                              self.flavor)

    def resume(self, run):
        """Wait until the server is resized, and confirm that."""
        LOG.info('Following the resize of server %s on', self.resource_id)
        return self.carry_out(self.nova.follow_resize, self.resource_id,
                              run=run)

    def revert(self):
        """Give the server back the flavor that it had."""
        undo = self.inverse(None)
        if isinstance(undo, base.Irreversible):
            LOG.warning('The resize of server %(server)s cannot be '
                        'reverted: %(reason)s', {
                            'server': self.resource_id,
                            'reason': undo.reason})
            return False
        return self.carry_out(self.nova.resize_instance, self.resource_id,
                              undo.input_parameters[self.FLAVOR])

    def abort_unwatched(self):
        """Revert a resize that is not confirmed yet."""
        outcome = self.nova.revert_resize(
            self.resource_id, should_stop=self.should_stop)
        if not outcome:
            LOG.warning('The resize of server %(server)s cannot be aborted: '
                        '%(reason)s', {'server': self.resource_id,
                                       'reason': outcome.reason})
        return bool(outcome)

    def is_done(self, server):
        if server.flavor_name == self.flavor:
            return True
        wanted = self.nova.get_flavor_id(self.flavor)
        return wanted in (server.flavor_name,
                          self.nova.get_flavor_id(server.flavor_name))

    def is_unchanged(self, server, run):
        flavor = self.known('before', run).get('flavor')
        return flavor in (None, server.flavor_name)

    def amount(self, server):
        disks = server.flavor.get('ephemeral') or 0
        if not server.is_boot_from_volume:
            disks += server.flavor.get('disk') or 0
        return disks * _GB

    def inverse(self, run):
        """Give the server back the flavor that it had."""
        flavor = self.known('before', run).get('flavor')
        if not flavor:
            return base.Irreversible(_(
                'nobody knows which flavor server %s had')
                % self.resource_id)
        return base.Inverse('resize', {**self.input_parameters,
                                       self.FLAVOR: flavor})

    def get_description(self):
        return 'Resize a server to another flavor.'
