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
"""What stopping and starting a server have in common."""

from oslo_log import log

from watcher._i18n import _
from watcher.applier.actions import base
from watcher.applier.actions import nova_action
from watcher.common import exception
from watcher.common import waiting

LOG = log.getLogger(__name__)

#: Seconds that are enough for most servers.
LIMIT = 80.0


class ServerPower(nova_action.NovaAction):
    """An action that starts or stops a server."""

    #: The vm state that is wanted.
    wanted: str
    #: The task state on the way to it.
    task_state: str
    #: The action that brings the server back, and how it was then.
    opposite: str
    was: str

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

    def deadline(self):
        return LIMIT

    def watch(self):
        """Return whom the helper tells about the server."""
        return waiting.Watch(report=self.report)

    def recover(self, run):
        """Look at the server."""
        try:
            server = self.nova.find_instance(self.resource_id)
        except exception.ComputeResourceNotFound:
            return self.found_gone()
        if server.task_state == self.task_state:
            return base.Found(base.Fate.RUNNING)
        if server.vm_state == self.wanted:
            return base.Found(base.Fate.DONE)
        return base.Found(base.Fate.NOT_STARTED)

    def found_gone(self):
        """Say what it means that the server was deleted."""
        return base.Found(base.Fate.FAILED, _('server %s was deleted')
                          % self.resource_id)

    def resume(self, run):
        """Wait until the server has the state."""
        return self.judge(self.nova.follow_switch(
            self.resource_id, self.wanted == 'active',
            should_stop=self.should_stop, watch=self.watch()))

    def abort(self):
        """Nova offers no way to interrupt it."""
        LOG.warning('The action %(type)s of server %(server)s cannot be '
                    'aborted', {'type': type(self).__name__.lower(),
                                'server': self.resource_id})
        return False

    def post_condition(self):
        """Nova told the new state; the user may have changed it since."""

    def inverse(self, run):
        """Bring the server back, if it was not so before."""
        state = self.known('before', run).get('vm_state')
        if state == self.was:
            return base.Inverse(self.opposite, dict(self.input_parameters))
        if state == self.wanted:
            return base.Irreversible(_(
                'server %s was so already, so nothing was changed')
                % self.resource_id)
        return base.Irreversible(_(
            'server %(server)s was %(state)s before') % {
                'server': self.resource_id,
                'state': state or _('not there')})
