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
"""Scoring engines, which strategies ask. The decision engine writes them."""

from watcher.api import types
from watcher.api.controllers import resource
from watcher.api.controllers.fields import Field


class ScoringEngines(resource.Resource):
    name = 'scoring_engine'
    collection = 'scoring_engines'
    model = 'ScoringEngine'
    fields = (
        Field('uuid', types.uuid, summary=True),
        Field('name', types.text, summary=True),
        Field('description', types.text, summary=True),
        Field('metainfo', types.text),
    )
    hidden_sort_keys = ('id', 'created_at', 'updated_at', 'deleted_at')
