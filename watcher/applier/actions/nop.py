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
"""An action that does nothing, for trials and tests."""

from oslo_log import log

from watcher._i18n import _
from watcher.applier.actions import base
from watcher.common import exception

LOG = log.getLogger(__name__)

_SWITCH = {'type': 'boolean', 'default': False}


class Nop(base.BaseAction):
    """Logs a message; switches let each hook fail on purpose."""

    @property
    def schema(self):
        return {
            'type': 'object',
            'properties': {
                'message': {'type': ['string', 'null']},
                'skip_pre_condition': _SWITCH,
                'fail_pre_condition': _SWITCH,
                'fail_execute': _SWITCH,
                'fail_post_condition': _SWITCH,
            },
            'required': ['message'],
            'additionalProperties': False,
        }

    def _told_to(self, what):
        return self.input_parameters.get(what, False)

    def pre_condition(self):
        if self._told_to('skip_pre_condition'):
            raise exception.ActionSkipped(_('Skipped in pre_condition'))
        if self._told_to('fail_pre_condition'):
            raise exception.WatcherException(_('Failed in pre_condition'))

    def execute(self):
        LOG.info('Action nop: %s', self.input_parameters['message'])
        return not self._told_to('fail_execute')

    def post_condition(self):
        if self._told_to('fail_post_condition'):
            raise exception.WatcherException(_('Failed in post_condition'))

    def revert(self):
        return True

    def abort(self):
        return True

    def recover(self, run):
        """Logging a message twice does no harm."""
        return base.Found(base.Fate.NOT_STARTED)

    def inverse(self, run):
        return base.Irreversible(_('it changes nothing'))

    def get_description(self):
        return 'Write a message to the log and do nothing else.'
