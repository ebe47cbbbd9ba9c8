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
"""Hooks of the pecan application."""

from oslo_utils import strutils
from pecan import hooks

from watcher.api import errors
from watcher.api.controllers import base
from watcher.common import context


class ContextHook(hooks.PecanHook):
    """Derives the request context from what the middleware found out."""

    priority = 10

    def on_route(self, state):
        environ = state.request.environ
        environ[base.ENV_CONTEXT] = context.RequestContext.from_environ(
            environ,
            show_deleted=strutils.bool_from_string(
                environ.get('HTTP_X_SHOW_DELETED'), default=False),
            auth_token_info=environ.get('keystone.token_info'))


class ErrorHook(hooks.PecanHook):
    """Turns every exception of routing and handlers into a response."""

    priority = 20

    def on_error(self, state, exc):
        return errors.from_exception(exc)
