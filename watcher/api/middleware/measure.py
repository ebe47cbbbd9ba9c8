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
"""Measures how requests are answered, kind by kind."""

import time
from collections.abc import Callable

from watcher.api.controllers import v1
from watcher.common import metrics

OTHER = 'other'

#: Words of a path that are no names of anything.
_WORDS = {'detail', *(word for resource in v1.RESOURCES
                      for _method, word in getattr(resource, 'actions', {}))}
_COLLECTIONS = {resource.collection for resource in v1.RESOURCES}
_METHODS = {'GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'}

#: Words of a route are few, whatever is asked for.
_DEEPEST = 4


def route_of(path: str) -> str:
    """Return what a path has in common with those of the same kind.

    Whatever clients ask for, there are only so many answers.
    """
    words = [word.removesuffix('.json') for word in path.strip('/').split('/')]
    if words == [''] or words == ['v1']:
        return '/' + words[0]
    if words[0] == 'healthcheck':
        return '/healthcheck'
    if (words[0] != 'v1' or words[1] not in _COLLECTIONS
            or len(words) > _DEEPEST):
        return OTHER
    return '/' + '/'.join([*words[:2], *(
        word if word in _WORDS else '{}' for word in words[2:])])


class Measure:
    """Counts the answers and how long they took to begin."""

    def __init__(self, app: Callable):
        self.application = app

    def __call__(self, environ, start_response):
        if not metrics.wanted():
            return self.application(environ, start_response)
        began = time.monotonic()
        seen = ['500']

        def remember(status, *arguments):
            seen[0] = status.partition(' ')[0]
            return start_response(status, *arguments)

        try:
            return self.application(environ, remember)
        finally:
            method = environ.get('REQUEST_METHOD')
            metrics.answered(method if method in _METHODS else OTHER,
                             route_of(environ.get('PATH_INFO', '')),
                             seen[0], time.monotonic() - began)
