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
"""What Watcher asks of Keystone: which services the cloud has."""

from oslo_log import log

from watcher.common import exception
from watcher.common import rest
from watcher.common import rest_helper

LOG = log.getLogger(__name__)

#: Other names under which a service type may stand in the catalogue.
OLD_TYPES = {'block-storage': ('volumev3',), 'volume': ('volumev3',)}


class KeystoneHelper(rest_helper.RestHelper):
    """Reads the list of services; cheap to make.

    :param session: a keystoneauth session or an openstacksdk connection to
        use instead of the configured credentials.
    :param context: request context, kept for callers.
    :param osc: the :class:`~watcher.common.clients.OpenStackClients` that
        plug-ins are given.
    :raises: AuthorizationFailure when the credentials are incomplete.
    """

    GROUP = 'keystone'
    ERROR = exception.AuthorizationFailure

    def is_service_enabled_by_type(self, svc_type: str) -> bool:
        """Tell whether exactly one enabled service has this type.

        Older names of the type are looked at when there is none.

        :raises: AuthorizationFailure when Keystone cannot be asked.
        """
        for name in (svc_type, *OLD_TYPES.get(svc_type, ())):
            enabled = [service for service in self._services(name)
                       if service.get('enabled', True)]
            if len(enabled) == 1:
                return True
            if enabled:
                LOG.warning('Keystone has %(count)d enabled services of '
                            'type %(type)s; none is used because it is '
                            'unclear which one',
                            {'count': len(enabled), 'type': name})
        return False

    def _services(self, svc_type):
        return self._read('/services',
                          params={'type': svc_type})['services']

    def _error(self, failed: rest.RequestFailed) -> Exception:
        return self.ERROR(client='Keystone', reason=failed.reason)
