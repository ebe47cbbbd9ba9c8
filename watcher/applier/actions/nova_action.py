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
"""What the actions on servers and compute services share."""

from typing import Any

from watcher._i18n import _
from watcher.applier.actions import base
from watcher.common import exception
from watcher.common import nova_helper


class NovaUser(base.BaseAction):
    """An action that asks Nova."""

    def __init__(self, config: Any, osc: Any = None):
        super().__init__(config, osc=osc)
        self._nova: nova_helper.NovaHelper | None = None

    @property
    def nova(self) -> nova_helper.NovaHelper:
        """Nova; all helpers of the process share one connection."""
        if self._nova is None:
            self._nova = nova_helper.NovaHelper(osc=self.osc)
        return self._nova


class NovaAction(NovaUser):
    """An action on a server or a compute service."""

    def find_server(self) -> nova_helper.Server:
        """Return the server.

        :raises: ActionSkipped when there is none any more
        """
        try:
            return self.nova.find_instance(self.resource_id)
        except exception.ComputeResourceNotFound:
            raise exception.ActionSkipped(
                _('Server %s was not found') % self.resource_id)
