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
"""An action that waits."""

from oslo_log import log

from watcher._i18n import _
from watcher.applier.actions import base
from watcher.common import exception

LOG = log.getLogger(__name__)


class Sleep(base.BaseAction):
    """Waits for a number of seconds, fractions included."""

    @property
    def schema(self):
        return {
            'type': 'object',
            'properties': {
                'duration': {'type': 'number', 'minimum': 0},
            },
            'required': ['duration'],
            'additionalProperties': False,
        }

    def pre_condition(self):
        """Nothing needs to be true for waiting."""

    def execute(self):
        duration = self.input_parameters['duration']
        LOG.debug('Action sleep: waiting %s seconds', duration)
        if self.wait(duration):
            raise exception.WaitInterrupted(
                what=_('the end of the pause of %s seconds') % duration)
        return True

    def post_condition(self):
        """Nothing is left to check after waiting."""

    def revert(self):
        return True

    def abort(self):
        return True

    def get_description(self):
        return 'Wait for the given number of seconds.'
