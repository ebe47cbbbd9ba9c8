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
"""Starts a server."""

from oslo_log import log

from watcher._i18n import _
from watcher.applier.actions import server_power
from watcher.common import exception

LOG = log.getLogger(__name__)


class Start(server_power.ServerPower):
    """Starts a server and waits until it is active; undoes ``stop``."""

    wanted = 'active'
    task_state = 'powering-on'
    opposite = 'stop'
    was = 'stopped'

    def pre_condition(self):
        """Is the server still there, and stopped?"""
        server = self.find_server()
        if server.status == 'ACTIVE':
            raise exception.ActionSkipped(
                _('Server %s is already active') % server.uuid)
        if server.status != 'SHUTOFF':
            raise exception.ActionExecutionFailure(
                _('Server %(server)s has to be SHUTOFF to be started but is '
                  '%(status)s') % {'server': server.uuid,
                                   'status': server.status})

    def execute(self):
        """Start the server."""
        LOG.info('Starting server %s', self.resource_id)
        return self.judge(self.nova.start_instance(
            self.resource_id, should_stop=self.should_stop,
            watch=self.watch()))

    def revert(self):
        """Stop the server."""
        return self.judge(self.nova.stop_instance(
            self.resource_id, should_stop=self.should_stop))

    def get_description(self):
        return 'Start a server that is stopped.'
