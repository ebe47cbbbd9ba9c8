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
"""Storing the descriptions of the installed actions."""

from typing import Any

from oslo_log import log

from watcher import objects
from watcher.applier.loading import default
from watcher.common import exception

LOG = log.getLogger(__name__)


class ActionDescriptionSynchroniser:
    """Writes what the installed actions say about themselves.

    The API shows the text as the description of an action. Texts of types
    that are not installed any more stay.
    """

    def __init__(self, context: Any):
        self._context = context
        self._loader = default.DefaultActionLoader()

    def sync(self) -> None:
        """Add missing texts, replace changed ones, revive deleted ones."""
        stored = {row.action_type: row.description for row
                  in objects.ActionDescription.list(self._context)}
        for action_type in sorted(self._loader.list_available()):
            try:
                text = self._loader.load(action_type).get_description()
            except exception.LoadingError:
                continue  # the loader has logged why
            if stored.get(action_type) != text:
                objects.ActionDescription.store(
                    self._context, action_type, text)
                LOG.info('The description of the action %s is stored',
                         action_type)
