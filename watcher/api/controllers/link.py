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
"""The links in responses.

The discovery documents and the Location header name the URL under which the
service is mounted. The links of resources start at the host instead: clients
strip scheme and host from them and append the rest to their endpoint, which
contains the mount prefix already.
"""

import pecan


def resource_url(collection: str, ident: object = None) -> str:
    """Return the URL of a resource or a collection for ``links``."""
    return _join(pecan.request.host_url, 'v1', collection, ident)


def location(collection: str, ident: object) -> str:
    """Return the value of Location for a new resource."""
    return _join(pecan.request.application_url, 'v1', collection, ident)


def item_links(host_url: str, collection: str,
               ident: object) -> list[dict[str, str]]:
    """Return the links of an item; clients read the first as "self"."""
    return [
        {'href': f'{host_url}/v1/{collection}/{ident}', 'rel': 'self'},
        {'href': f'{host_url}/{collection}/{ident}', 'rel': 'bookmark'},
    ]


def discovery_links(resource: str) -> list[dict[str, str]]:
    """Return the links of a resource in the version document."""
    base = pecan.request.application_url
    return [
        {'href': f'{base}/v1/{resource}/', 'rel': 'self'},
        {'href': f'{base}/{resource}/', 'rel': 'bookmark'},
    ]


def version_url() -> str:
    """Return the URL of the version document."""
    return f'{pecan.request.application_url}/v1/'


def _join(*parts):
    return '/'.join(str(part) for part in parts if part is not None)
