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
"""Puts exactly the actions into the plan that the audit names."""

from watcher._i18n import _
from watcher.decision_engine.strategy.strategies import base

REASON = 'named in the parameters of the audit'


class Actuator(base.UnclassifiedStrategy):
    """Optimises nothing: a way to run chosen actions as a plan.

    It does not look at the cluster, so it also works while Nova cannot be
    reached.
    """

    @classmethod
    def get_name(cls):
        return 'actuator'

    @classmethod
    def get_display_name(cls):
        return _('Actuator')

    @classmethod
    def get_translatable_display_name(cls):
        return 'Actuator'

    @classmethod
    def get_schema(cls):
        return {
            '$schema': 'http://json-schema.org/draft-04/schema#',
            'type': 'object',
            'properties': {
                'actions': {
                    'description': 'Actions in their order.',
                    'type': 'array',
                    'items': {
                        'type': 'object',
                        'properties': {
                            'action_type': {
                                'description': 'Name of the action plug-in.',
                                'type': 'string',
                            },
                            'resource_id': {
                                'description': 'What the action works on.',
                                'type': 'string',
                            },
                            'input_parameters': {
                                'description': 'Parameters of the action.',
                                'type': 'object',
                                'properties': {},
                                'additionalProperties': True,
                            },
                        },
                        'required': ['action_type', 'input_parameters'],
                        'additionalProperties': True,
                    },
                },
            },
            'required': ['actions'],
        }

    @classmethod
    def get_config_opts(cls):
        """There is nothing to configure."""
        return []

    @property
    def actions(self) -> list[dict]:
        return self.input_parameters.actions

    def pre_execute(self):
        """Nothing of the cluster is needed."""

    def do_execute(self, audit=None):
        for action in self.actions:
            self.solution.add_action(
                action['action_type'], action['input_parameters'],
                resource_id=action.get('resource_id'), reason=REASON)
        self.solution.explain(
            f'The audit names {len(self.actions)} actions', 'requested')

    def post_execute(self):
        """The goal has no indicators."""
