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
"""Negotiates the microversion of a request."""

from collections.abc import Callable

import webob
import webob.dec
import webob.exc

from watcher.api import errors
from watcher.api import versions
from watcher.api.controllers import base


class Version:
    """Finds the version to use, and tells the client in every response.

    The service document has no version.
    """

    def __init__(self, app: Callable):
        self.app = app

    @webob.dec.wsgify
    def __call__(self, request):
        path = request.environ.get('PATH_INFO', '')
        if path.strip('/') in ('', '.json'):
            return request.get_response(self.app)
        try:
            version = versions.negotiate(
                request.headers.get(versions.HEADER))
        except versions.VersionNotAcceptable as exc:
            response = errors.from_exception(
                webob.exc.HTTPNotAcceptable(detail=exc.format_message()))
            version = None
        else:
            request.environ[base.ENV_VERSION] = version
            response = request.get_response(self.app)
        for name, value in versions.response_headers(version).items():
            response.headers[name] = value
        return response
