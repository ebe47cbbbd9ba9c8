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
"""The strategy to try the service with: nothing in the cloud is changed."""

from oslo_log import log

from watcher._i18n import _
from watcher.decision_engine.strategy.strategies import base

LOG = log.getLogger(__name__)


class DummyStrategy(base.DummyBaseStrategy):
    """Recommends two messages and a pause.

    It looks at the compute model once, so that a successful run also shows
    that the cloud can be read.
    """

    NOP = 'nop'
    SLEEP = 'sleep'

    @classmethod
    def get_name(cls):
        return 'dummy'

    @classmethod
    def get_display_name(cls):
        return _('Dummy strategy')

    @classmethod
    def get_translatable_display_name(cls):
        return 'Dummy strategy'

    @classmethod
    def get_schema(cls):
        return {
            'properties': {
                'para1': {
                    'description': 'Seconds to sleep.',
                    'type': 'number',
                    'default': 3.2,
                    'minimum': 1.0,
                    'maximum': 10.2,
                },
                'para2': {
                    'description': 'A message for the log of the applier.',
                    'type': 'string',
                    'default': 'hello',
                },
            },
        }

    def pre_execute(self):
        self._pre_execute()

    def do_execute(self, audit=None):
        reason = 'part of every plan of the dummy strategy'
        self.solution.add_action(
            self.NOP, {'message': 'hello World'}, reason=reason)
        self.solution.add_action(
            self.NOP, {'message': self.input_parameters.para2},
            reason='the message asked for by para2')
        self.solution.add_action(
            self.SLEEP, {'duration': self.input_parameters.para1},
            reason='the pause asked for by para1')

    def post_execute(self):
        """The goal has no indicators."""
