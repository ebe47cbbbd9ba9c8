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
from watcher.applier.actions import nova_action
from watcher.common import exception

LOG = log.getLogger(__name__)


class Stop(nova_action.NovaAction):
    """Stops a server and waits until it is stopped."""

    @property
    def schema(self):
        return {
            'type': 'object',
            'properties': {
                'resource_id': base.UUID,
                'resource_name': base.DISPLAY_NAME,
            },
            'required': ['resource_id'],
            'additionalProperties': False,
        }

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
                self.resource_id, should_stop=self.should_stop))
        except exception.ComputeResourceNotFound:
            LOG.info('Server %s was deleted before it was stopped',
                     self.resource_id)
            return True

    def revert(self):
        """Start the server."""
        return self.judge(self.nova.start_instance(
            self.resource_id, should_stop=self.should_stop))

    def abort(self):
        """Stopping cannot be interrupted."""
        LOG.warning('The stopping of server %s cannot be aborted',
                    self.resource_id)
        return False

    def post_condition(self):
        """The outcome was judged while the server was stopped."""

    def get_description(self):
        return 'Stop a server.'
