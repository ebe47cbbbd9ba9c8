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
"""Nova: the compute API with microversions 2.1 to 2.100."""

from __future__ import annotations

from typing import Any

from watcher.sandbox.cloud import nova_actions
from watcher.sandbox.cloud import nova_groups
from watcher.sandbox.cloud import nova_hosts
from watcher.sandbox.cloud import nova_listing
from watcher.sandbox.cloud import nova_servers
from watcher.sandbox.cloud import web


class Nova(nova_actions.ServerActions, nova_listing.ServerListing,
           nova_servers.Servers, nova_hosts.Hosts, nova_groups.Flavors,
           nova_groups.Aggregates, nova_groups.ServerGroups):
    """All parts of the API, and which versions there are."""

    def _version(self) -> dict[str, Any]:
        return self._described(
            'v2.1', updated='2013-07-23T11:33:21Z',
            links=[{'rel': 'self', 'href': self._url + '/'}])

    @web.route('GET', '/', public=True)
    def versions(self, request: web.Request) -> web.Response:
        return web.json_response({'versions': [self._version()]})

    @web.route('GET', '/v2.1', public=True)
    def version(self, request: web.Request) -> web.Response:
        media = {'base': 'application/json',
                 'type': 'application/vnd.openstack.compute+json;'
                         'version=2.1'}
        return web.json_response(
            {'version': dict(self._version(), **{'media-types': [media]})})
