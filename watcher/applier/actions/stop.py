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
"""Stops a server."""

from oslo_log import log

from watcher._i18n import _
from watcher.applier.actions import base
from watcher.applier.actions import server_power
from watcher.common import exception

LOG = log.getLogger(__name__)


class Stop(server_power.ServerPower):
    """Stops a server and waits until it is stopped."""

    wanted = 'stopped'
    task_state = 'powering-off'
    opposite = 'start'
    was = 'active'

    def pre_condition(self):
        """Is the server still there and not stopped yet?"""
        server = self.find_server()
        if server.status == 'SHUTOFF':
            raise exception.ActionSkipped(
                _('Server %s is already stopped') % server.uuid)

    def execute(self):
        """Stop the server; one that was deleted needs no stopping."""
        LOG.info('Stopping server %s', self.resource_id)
        try:
            return self.judge(self.nova.stop_instance(
                self.resource_id, should_stop=self.should_stop,
                watch=self.watch()))
        except exception.ComputeResourceNotFound:
            LOG.info('Server %s was deleted before it was stopped',
                     self.resource_id)
            return True

    def revert(self):
        """Start the server."""
        return self.judge(self.nova.start_instance(
            self.resource_id, should_stop=self.should_stop))

    def found_gone(self):
        """A server that was deleted needs no stopping."""
        return base.Found(base.Fate.DONE)

    def get_description(self):
        return 'Stop a server.'
