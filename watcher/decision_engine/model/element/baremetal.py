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
"""The element of the bare metal model."""

from watcher.decision_engine.model.element import base
from watcher.decision_engine.model.element import fields


class IronicNode(base.Element):
    """A bare metal node; without power state until Ironic asked for it."""

    power_state = fields.String(nullable=True)
    maintenance = fields.Boolean()
    maintenance_reason = fields.String(nullable=True)
    extra = fields.Mapping()
    uuid = fields.String()
    human_id = fields.String(default='')
