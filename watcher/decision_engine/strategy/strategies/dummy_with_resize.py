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
"""A fixed set of actions for tests of planners."""

from oslo_log import log

from watcher._i18n import _
from watcher.decision_engine.strategy.strategies import base

LOG = log.getLogger(__name__)

REASON = 'fixed example of the strategy dummy_with_resize'


class DummyWithResize(base.DummyBaseStrategy):
    """Recommends moves and a resize of servers that don't exist."""

    NOP = 'nop'
    SLEEP = 'sleep'
    RESIZE = 'resize'

    MIGRATED = ('b199db0c-1408-4d52-b5a5-5ca14de0ff36',
                '8db1b3c1-7938-4c34-8c03-6de14b874f8f')
    RESIZED = '8db1b3c1-7938-4c34-8c03-6de14b874f8f'

    @classmethod
    def get_name(cls):
        return 'dummy_with_resize'

    @classmethod
    def get_display_name(cls):
        return _('Dummy strategy with resize')

    @classmethod
    def get_translatable_display_name(cls):
        return 'Dummy strategy with resize'

    @classmethod
    def get_schema(cls):
        return {
            'properties': {
                'para1': {
                    'description': 'A number for the log.',
                    'type': 'number',
                    'default': 3.2,
                    'minimum': 1.0,
                    'maximum': 10.2,
                },
                'para2': {
                    'description': 'A text for the log.',
                    'type': 'string',
                    'default': 'hello',
                },
            },
        }

    def pre_execute(self):
        self._pre_execute()

    def do_execute(self, audit=None):
        LOG.debug('Parameters: para1=%(para1)s, para2=%(para2)s',
                  self.input_parameters)
        self.solution.add_action(
            self.NOP, {'message': 'hello World'}, reason=REASON)
        self.solution.add_action(
            self.NOP, {'message': 'Welcome'}, reason=REASON)
        self.solution.add_action(
            self.SLEEP, {'duration': 5.0}, reason=REASON)
        for uuid in self.MIGRATED:
            self.solution.add_action(
                self.MIGRATION,
                {'migration_type': 'live', 'source_node': 'compute2',
                 'destination_node': 'compute3'},
                resource_id=uuid, reason=REASON)
        self.solution.add_action(
            self.RESIZE, {'flavor': 'x2'}, resource_id=self.RESIZED,
            reason=REASON)

    def post_execute(self):
        """The goal has no indicators."""
