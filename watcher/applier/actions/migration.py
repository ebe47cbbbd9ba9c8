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
"""Moves a server to another compute node."""

from oslo_log import log

from watcher._i18n import _
from watcher.applier.actions import base
from watcher.applier.actions import server_move
from watcher.common import exception

LOG = log.getLogger(__name__)


#: MB in a GB of disk.
_GB = 1024


class Migrate(server_move.ServerMove):
    """Moves a server live or cold.

    Without a destination the scheduler of Nova chooses one.
    """

    MIGRATION_TYPE = 'migration_type'
    LIVE_MIGRATION = 'live'
    COLD_MIGRATION = 'cold'
    DESTINATION_NODE = 'destination_node'
    SOURCE_NODE = 'source_node'

    @property
    def schema(self):
        return {
            'type': 'object',
            'properties': {
                'resource_id': base.UUID,
                'migration_type': {
                    'type': 'string',
                    'enum': [self.LIVE_MIGRATION, self.COLD_MIGRATION]},
                'source_node': base.TEXT,
                'destination_node': base.TEXT,
                'resource_name': base.DISPLAY_NAME,
            },
            'required': ['resource_id', 'migration_type', 'source_node'],
            'additionalProperties': False,
        }

    @property
    def migration_type(self) -> str:
        """``live`` or ``cold``."""
        return self.input_parameters[self.MIGRATION_TYPE]

    @property
    def source_node(self) -> str:
        """Host of the compute service that the server leaves."""
        return self.input_parameters[self.SOURCE_NODE]

    @property
    def destination_node(self) -> str | None:
        """Host of the compute service to go to; None: Nova chooses."""
        return self.input_parameters.get(self.DESTINATION_NODE)

    @property
    def _is_live(self):
        return self.migration_type == self.LIVE_MIGRATION

    def claims(self):
        return base.Claims(
            subjects=(self.resource_id,), source=self.source_node,
            destination=self.destination_node)

    def pre_condition(self):
        """Is the server still there, and can it go where it should?"""
        server = self.find_server()
        if server.host != self.source_node:
            raise exception.ActionSkipped(
                _('Server %(server)s is not on host %(expected)s but on '
                  '%(actual)s') % {'server': server.uuid,
                                   'expected': self.source_node,
                                   'actual': server.host})
        if self.destination_node is not None:
            self._check_destination()
        if (self.migration_type == self.LIVE_MIGRATION
                and server.status not in ('ACTIVE', 'PAUSED')):
            raise exception.ActionExecutionFailure(
                _('Server %(server)s has to be ACTIVE or PAUSED for a live '
                  'migration but is %(status)s') % {
                      'server': server.uuid, 'status': server.status})

    def _check_destination(self):
        try:
            node = self.nova.get_compute_node_by_hostname(
                self.destination_node)
        except exception.ComputeResourceNotFound:
            raise exception.ActionExecutionFailure(
                _('Destination node %s was not found')
                % self.destination_node)
        if node.status != 'enabled':
            raise exception.ActionExecutionFailure(
                _('Destination node %(node)s is not enabled but '
                  '%(status)s') % {'node': self.destination_node,
                                   'status': node.status})

    def execute(self):
        """Move the server and wait until it has arrived."""
        return self._migrate_to(self.destination_node)

    def _migrate_to(self, host):
        LOG.info('Migrating server %(server)s (%(type)s) from %(source)s to '
                 '%(destination)s', {
                     'server': self.resource_id,
                     'type': self.migration_type,
                     'source': self.source_node,
                     'destination': host or 'a host that Nova chooses'})
        move = (self.nova.live_migrate_instance if self._is_live
                else self.nova.watcher_non_live_migrate_instance)
        return self.carry_out(move, self.resource_id, host)

    def resume(self, run):
        """Wait until the server has arrived."""
        LOG.info('Following the migration of server %(server)s on',
                 {'server': self.resource_id})
        follow = (self.nova.follow_live_migration if self._is_live
                  else self.nova.follow_cold_migration)
        return self.carry_out(follow, self.resource_id,
                              self.destination_node, run=run)

    def revert(self):
        """Move the server back."""
        return self._migrate_to(self.source_node)

    def abort_unwatched(self):
        """Abort a live migration, revert a cold one that is not confirmed.

        :returns: whether the server stays where it was
        """
        if self._is_live:
            return self.nova.abort_live_migrate(
                self.resource_id, self.source_node, self.destination_node)
        outcome = self.nova.revert_resize(
            self.resource_id, should_stop=self.should_stop)
        if not outcome:
            LOG.warning('The cold migration of server %(server)s cannot be '
                        'aborted: %(reason)s', {
                            'server': self.resource_id,
                            'reason': outcome.reason})
        return bool(outcome)

    # How the server is ----------------------------------------------------

    @property
    def migration_kind(self):
        return 'live-migration' if self._is_live else 'migration'

    @property
    def task_states(self):
        return ('migrating',) if self._is_live else ('resize_',)

    def is_done(self, server):
        if self.destination_node is not None:
            return server.host == self.destination_node
        return server.host != self.source_node

    def is_unchanged(self, server, run):
        return server.host == self.source_node

    def amount(self, server):
        disks = 0
        if not server.is_boot_from_volume:
            disks = server.flavor.get('disk') or 0
        disks += server.flavor.get('ephemeral') or 0
        memory = server.flavor.get('ram') or 0
        return disks * _GB + (memory if self._is_live else 0)

    def inverse(self, run):
        """Move the server back to where it was, in the same way."""
        source = self.known('before', run).get('host') or self.source_node
        parameters = {
            **self.input_parameters, self.DESTINATION_NODE: source,
            self.SOURCE_NODE: self.destination_node or self._arrived_at()}
        return base.Inverse('migrate', parameters)

    def _arrived_at(self):
        """Return the host that Nova has chosen."""
        server = self._server
        if server is None or server.host == self.source_node:
            # What is known of it is from before the move.
            server = self.nova.find_instance(self.resource_id)
        return server.host

    def get_description(self):
        return 'Move a server from its compute node to another one.'
