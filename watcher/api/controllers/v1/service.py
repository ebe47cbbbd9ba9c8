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
"""The services of Watcher and whether they are alive."""

from watcher.api import types
from watcher.api.controllers import base
from watcher.api.controllers import fields
from watcher.api.controllers import resource
from watcher.api.controllers.fields import Computed
from watcher.api.controllers.fields import Field
from watcher.common import utils
from watcher.objects import service


def _status(last_seen_up, updated_at, created_at, view):
    return service.state_of(last_seen_up, updated_at, created_at)


class Services(resource.Resource):
    name = 'service'
    collection = 'services'
    model = 'Service'
    key = 'id'
    fields = (
        Field('id', types.integer, summary=True),
        Field('name', types.text, summary=True),
        Field('host', types.text, summary=True),
        Computed('status', types.text, _status,
                 ('last_seen_up', 'updated_at', 'created_at'), summary=True),
        Field('last_seen_up', types.time),
        *fields.TIMESTAMPS,
    )
    hidden_sort_keys = ()
    strict_marker = True

    def find_marker(self, marker):
        number = types.load(types.integer, 'marker', marker)
        return self.object_class.get_by_id(base.context(), number)

    def find_exactly(self, ident):
        cls, context = self.object_class, base.context()
        if utils.is_int_like(ident):
            return cls.get_by_id(context, int(ident))
        return cls.get_by_name(context, ident)
