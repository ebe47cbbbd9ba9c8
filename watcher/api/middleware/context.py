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
"""Gives the log lines of a request its id, from the first one on.

The context that the handlers make knows the user too, but comes after the
token check: until then the thread would log under the id of the request that
it answered before.
"""

from collections.abc import Callable

from oslo_middleware import request_id

from watcher.common import context


class Context:
    """Makes a context that knows the ids of the request and nobody else's."""

    def __init__(self, app: Callable):
        self.application = app

    def __call__(self, environ, start_response):
        context.make_context(
            request_id=environ.get(request_id.ENV_REQUEST_ID),
            global_request_id=environ.get(request_id.GLOBAL_REQ_ID))
        return self.application(environ, start_response)
