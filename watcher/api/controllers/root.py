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
"""The root of the API: the service document and the way to version 1."""

import pecan
import webob.exc

from watcher._i18n import _
from watcher.api import versions
from watcher.api.controllers import base
from watcher.api.controllers import link
from watcher.api.controllers import v1

NAME = 'OpenStack Watcher API'
DESCRIPTION = ('Watcher looks for ways to use the resources of an OpenStack '
               'cloud better, recommends them and carries them out.')

DISCOVERY = '.json'


class Controller:
    """Routes every request, by one rule instead of pecan's traversal.

    Empty path segments don't count, and a path that does not start with the
    version means the same below /v1: bookmark links look like that.
    """

    def __init__(self):
        self.v1 = v1.Controller()

    @pecan.expose()
    def _route(self, args, request):
        _check_accept(request)
        segments = [segment for segment in args if segment]
        if not segments or segments == [DISCOVERY]:
            if request.method != 'GET':
                raise base.not_allowed(['GET'])
            return self.get, []
        if segments[0] in ('v1', 'v1.json'):
            segments = segments[1:]
        return self.v1.route(segments, request)

    @base.expose(query=True)
    def get(self):
        """Show which versions of the API there are."""
        version = {
            'id': 'v1',
            'status': 'CURRENT',
            'min_version': str(versions.MIN),
            'max_version': str(versions.MAX),
            'links': [{'href': link.version_url(), 'rel': 'self'}],
        }
        return base.respond({
            'name': NAME,
            'description': DESCRIPTION,
            'versions': [version],
            'default_version': version,
        })


def _check_accept(request):
    # A header without a word in it says as much as none.
    said = request.headers.get('Accept', '').strip()
    if said and not request.accept.acceptable_offers([base.JSON]):
        raise webob.exc.HTTPNotAcceptable(
            detail=_('Responses are of type %s, which the header Accept '
                     'excludes.') % base.JSON)
