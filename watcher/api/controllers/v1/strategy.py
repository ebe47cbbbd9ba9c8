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
"""Strategies: ways to reach a goal. The decision engine writes them."""

from watcher.api import types
from watcher.api.controllers import base
from watcher.api.controllers import query
from watcher.api.controllers import resource
from watcher.api.controllers.fields import Field
from watcher.api.controllers.fields import Related
from watcher.common import rpcapi


class Strategies(resource.Resource):
    name = 'strategy'
    collection = 'strategies'
    model = 'Strategy'
    eager = True
    fields = (
        Field('uuid', types.uuid, summary=True),
        Field('name', types.text, summary=True),
        Field('display_name', types.text, summary=True),
        Related('goal_uuid', types.uuid, 'goal', 'uuid', summary=True),
        Related('goal_name', types.text, 'goal', 'name', summary=True),
        Field('parameters_spec', types.obj),
    )
    filters = (query.UuidOrName('goal'),)
    hidden_sort_keys = ('id', 'goal_id', 'created_at', 'updated_at',
                        'deleted_at')
    actions = {('GET', 'state'): 'state'}

    @base.expose
    def state(self, ident):
        """Show whether what the strategy needs is available."""
        strategy = self.authorized(ident, 'state')
        requirements = rpcapi.DecisionEngineAPI().get_strategy_info(
            base.context(), strategy.name)
        name = {'type': 'Name', 'state': strategy.name, 'mandatory': '',
                'comment': ''}
        return base.respond([*requirements, name])
