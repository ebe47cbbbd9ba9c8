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
"""The scope of audits and audit templates, as requests contain it.

What a scope may look like is said once, by the decision engine.
"""

from watcher._i18n import _
from watcher.api import types
from watcher.api import versions
from watcher.api.controllers import base
from watcher.common import exception
from watcher.decision_engine.scope import validation


class Scope(types.Array):
    """A scope; the flat notation of old is brought into today's."""

    name = 'scope'

    @staticmethod
    def validate(value):
        if value == {}:
            return []
        if not isinstance(value, list):
            raise ValueError(_('A JSON array is expected.'))
        checked = validation.validate(value)
        if validation.uses(checked, 'workloads'):
            base.require_version(
                versions.WORKLOAD_SCOPES,
                _('The scope excludes workloads'), exception.Invalid)
        if validation.uses(checked, 'all_of'):
            base.require_version(
                versions.COMBINED_SCOPES, _('The scope uses all_of'),
                exception.Invalid)
        return checked


scope = Scope()
