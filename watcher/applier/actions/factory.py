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
"""Makes action plug-ins out of the actions of a plan."""

from typing import Any

import jsonschema

from watcher import objects
from watcher._i18n import _
from watcher.applier.actions import base
from watcher.applier.loading import default
from watcher.common import exception


class ActionFactory:
    """Finds the plug-in of an action and gives it its parameters."""

    def __init__(self):
        self.action_loader = default.DefaultActionLoader()

    def make_action(self, object_action: objects.Action,
                    osc: Any = None) -> base.BaseAction:
        """Build and validate the plug-in for an action.

        :raises: LoadingError when there is no usable plug-in of this type;
            Invalid when the parameters break its schema.
        """
        action = self.action_loader.load(object_action.action_type, osc=osc)
        action.input_parameters = object_action.input_parameters
        try:
            action.validate_parameters()
        except jsonschema.ValidationError as error:
            raise exception.Invalid(_(
                'The parameter %(name)s of the %(type)s action is not '
                'acceptable: %(reason)s') % {
                    'name': error.json_path,
                    'type': object_action.action_type,
                    'reason': error.message}) from error
        return action
