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
"""Version 1 of the API: its resources and the document about it."""

import pecan

from watcher.api import versions
from watcher.api.controllers import base
from watcher.api.controllers import link
from watcher.api.controllers.v1 import action
from watcher.api.controllers.v1 import action_plan
from watcher.api.controllers.v1 import audit
from watcher.api.controllers.v1 import audit_template
from watcher.api.controllers.v1 import data_model
from watcher.api.controllers.v1 import goal
from watcher.api.controllers.v1 import scoring_engine
from watcher.api.controllers.v1 import service
from watcher.api.controllers.v1 import strategy
from watcher.api.controllers.v1 import webhook

RESOURCES = (
    goal.Goals,
    strategy.Strategies,
    audit_template.AuditTemplates,
    audit.Audits,
    action_plan.ActionPlans,
    action.Actions,
    scoring_engine.ScoringEngines,
    service.Services,
    data_model.DataModel,
    webhook.Webhooks,
)

#: Versions that brought a resource, for those that were not there at first.
SINCE = {
    'data_model': versions.DATA_MODEL,
    'webhooks': versions.WEBHOOKS,
}

DESCRIPTION_URL = ('http://docs.openstack.org/developer/watcher/dev/'
                   'api-spec-v1.html')

MEDIA_TYPE = 'application/vnd.openstack.watcher.v1+json'


SUFFIX = '.json'


def _without_suffix(resource, segments):
    """Return the path below a resource without the suffix of its last word.

    Items keep theirs for the moment: it may be a part of the name.
    """
    words = {'detail', *(word for _method, word in getattr(
        resource, 'actions', {}))}
    if segments and segments[-1].removesuffix(SUFFIX) in words:
        return [*segments[:-1], segments[-1].removesuffix(SUFFIX)]
    return segments


class Controller:
    """Everything below /v1."""

    def __init__(self):
        self.resources = {cls.collection: cls() for cls in RESOURCES}

    def route(self, segments: list[str], request: pecan.Request):
        """Return handler and arguments for a path below /v1."""
        if not segments:
            if request.method != 'GET':
                raise base.not_allowed(['GET'])
            return self.get, []
        name = segments[0]
        if len(segments) == 1:
            name = name.removesuffix(SUFFIX)
        if name not in self.resources:
            raise base.not_found()
        resource = self.resources[name]
        return resource.route(_without_suffix(resource, segments[1:]),
                              request)

    @base.expose
    def get(self):
        """Show what this version of the API offers."""
        document = {
            'id': 'v1',
            'media_types': [{'base': base.JSON, 'type': MEDIA_TYPE}],
            'links': [
                {'href': link.version_url(), 'rel': 'self'},
                {'href': DESCRIPTION_URL, 'rel': 'describedby',
                 'type': 'text/html'},
            ],
        }
        for name in self.resources:
            if base.version() >= SINCE.get(name, versions.INITIAL):
                document[name] = link.discovery_links(name)
        return base.respond(document)
