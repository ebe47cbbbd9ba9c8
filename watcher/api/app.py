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
"""The WSGI application of the API."""

from collections.abc import Callable

import pecan
from oslo_config import cfg
from oslo_middleware import cors
from oslo_middleware import http_proxy_to_wsgi
from oslo_middleware import request_id

from watcher import conf as watcher_conf
from watcher import objects
from watcher.api import hooks
from watcher.api.controllers import root
from watcher.api.middleware import auth
from watcher.api.middleware import context
from watcher.api.middleware import error
from watcher.api.middleware import health
from watcher.api.middleware import measure
from watcher.api.middleware import size
from watcher.api.middleware import version


class Request(pecan.Request):
    """A request in which pecan does not look for arguments of handlers.

    Handlers read the query and the body themselves, and explain what is
    wrong with them.
    """

    json = None

    @property
    def params(self):
        return self.GET


def setup_app(conf: cfg.ConfigOpts = watcher_conf.CONF) -> Callable:
    """Return the application, after the configuration was read."""
    objects.register_all()
    return pipeline(controllers(), conf)


def controllers() -> Callable:
    """Return the innermost application: routing and handlers."""
    return pecan.make_app(
        root.Controller(),
        hooks=[hooks.ContextHook(), hooks.ErrorHook()],
        request_cls=Request,
        default_renderer='json',
        # Names may end in anything; a slash at the end means nothing.
        guess_content_type_from_ext=False,
        force_canonical=False,
        debug=False)


def pipeline(app: Callable, conf: cfg.ConfigOpts) -> Callable:
    """Return the application inside its middleware.

    Read it from the bottom up to follow a request on its way in.
    """
    # Which microversion? Just outside the handlers, so that their errors
    # carry the version headers too.
    app = version.Version(app)
    # Whatever failed further inside leaves in one form. The token check is
    # outside: its answers are known to every OpenStack client as they are.
    app = error.Error(app)
    # Who asks? Before anything else of the request is looked at.
    if conf.enable_authentication:
        app = auth.AuthToken(app, conf)
    # Is the process alive? Load balancers have no token.
    app = health.Health(app, conf)
    # Refuse oversized bodies before anybody reads them, whoever sends them.
    app = size.Size(app, conf)
    # What does the client call this service? Believes proxies if told to.
    app = http_proxy_to_wsgi.HTTPProxyToWSGI(app, conf)
    # Outside the token check: browsers ask for permission without a token,
    # and must be able to read a 401.
    app = cors.CORS(app, conf)
    # Whatever is logged from here on belongs to this request.
    app = context.Context(app)
    # Whatever the others do with a request is part of the answer.
    app = measure.Measure(app)
    # Outermost, so that every answer and every log line has an id.
    return request_id.RequestId(app, conf)
