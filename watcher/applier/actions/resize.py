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
from watcher.applier.actions import nova_action
from watcher.common import exception

LOG = log.getLogger(__name__)


class Resize(nova_action.NovaAction):
    """Resizes a server, confirms it and waits for the confirmation."""

    FLAVOR = 'flavor'

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
        return self.judge(self.nova.resize_instance(
            self.resource_id, self.flavor, should_stop=self.should_stop))

    def revert(self):
        """The flavor that the server had is not known any more."""
        LOG.warning('The resize of server %s cannot be reverted',
                    self.resource_id)
        return False

    def post_condition(self):
        """The outcome was judged while the resize was followed."""

    def get_description(self):
        return 'Resize a server to another flavor.'
