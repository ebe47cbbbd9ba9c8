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
"""Token checks, but for the routes that are public."""

from collections.abc import Callable

from keystonemiddleware import auth_token
from oslo_config import cfg
from oslo_log import log

from watcher._i18n import _
from watcher.api import errors

LOG = log.getLogger(__name__)

#: Headers in which the token check passes on who asks. Public routes must
#: not believe them: nobody has checked what they say.
IDENTITY_PREFIXES = (
    'HTTP_X_AUTH_TOKEN', 'HTTP_X_SERVICE_TOKEN', 'HTTP_X_STORAGE_TOKEN',
    'HTTP_X_USER', 'HTTP_X_PROJECT', 'HTTP_X_DOMAIN', 'HTTP_X_ROLE',
    'HTTP_X_TENANT', 'HTTP_X_SYSTEM', 'HTTP_X_SERVICE_', 'HTTP_X_IDENTITY',
    'HTTP_X_IS_ADMIN', 'HTTP_OPENSTACK_SYSTEM',
)

WEBHOOKS = 'webhooks'
API_VERSION = 'v1'


class AuthToken:
    """Demands a valid token for everything that is not public.

    Public are the service document, and the webhooks while
    ``[api] enable_webhooks_auth`` is false.
    """

    def __init__(self, app: Callable, conf: cfg.ConfigOpts):
        self.public_app = app
        self.protected_app = auth_token.AuthProtocol(
            app, {'oslo_config_config': conf})
        self.webhooks_are_public = not conf.api.enable_webhooks_auth

    def __call__(self, environ, start_response):
        if not self.is_public(environ.get('PATH_INFO', '')):
            return self._checked(environ, start_response)
        for name in [name for name in environ
                     if name.startswith(IDENTITY_PREFIXES)]:
            del environ[name]
        return self.public_app(environ, start_response)

    def _checked(self, environ, start_response):
        try:
            return self.protected_app(environ, start_response)
        except Exception as exc:
            # Nothing that happens behind the check gets here.
            LOG.error('Tokens cannot be checked: %(type)s: %(reason)s. '
                      'Look at the options of [keystone_authtoken].',
                      {'type': type(exc).__name__, 'reason': exc})
            answer = errors.response(
                errors.SERVER_ERROR,
                _('The service is not set up to check tokens. Tell the '
                  'operator.'))
            return answer(environ, start_response)

    def is_public(self, path: str) -> bool:
        """Tell whether the path, below the mount prefix, needs no token."""
        segments = [segment for segment in path.split('/') if segment]
        if not segments or segments == ['.json']:
            return True
        if segments[0] == API_VERSION:
            segments = segments[1:]
        return (self.webhooks_are_public and len(segments) > 1
                and segments[0] == WEBHOOKS)
