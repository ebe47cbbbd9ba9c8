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
"""Letting Nova's scheduler use compute hosts, or not."""

from watcher._i18n import _
from watcher.common import exception
from watcher.common import waiting
from watcher.common.nova import reading
from watcher.common.nova import versions

Outcome = waiting.Outcome


class ServiceSwitch(reading.NovaReader):
    """Enables and disables compute services."""

    def enable_service_nova_compute(self, hostname: str) -> Outcome:
        """Let the scheduler use a host again.

        :raises: NovaClientError
        """
        return self._set_service(hostname, {'status': 'enabled'})

    def disable_service_nova_compute(
            self, hostname: str, reason: str | None = None) -> Outcome:
        """Keep the scheduler from using a host.

        :param reason: stored in Nova, shown to operators.
        :raises: NovaClientError
        """
        body = {'status': 'disabled'}
        if reason:
            body['disabled_reason'] = reason
        return self._set_service(hostname, body)

    def _set_service(self, hostname, body):
        service = self._service_of(hostname)
        if service is None:
            return Outcome(False, _('there is no nova-compute service on '
                                    'host %s') % hostname)
        try:
            answer = self._send('PUT', f'/os-services/{service.uuid}',
                                versions.SERVICES, json=body)
            status = answer['service'].get('status')
        except exception.NovaClientError as exc:
            if not exc.kwargs.get('connection_error'):
                raise
            # Nova may have received it before the connection broke.
            service = self._service_of(hostname)
            status = service and service.status
            if status != body['status']:
                raise
        if status != body['status']:
            return Outcome(False, _(
                'the nova-compute service on host %(host)s is %(status)s '
                'instead of %(wanted)s') % {
                    'host': hostname, 'status': status,
                    'wanted': body['status']})
        return Outcome(True)

    def _service_of(self, hostname):
        for service in self.get_service_list(host=hostname):
            if service.host == hostname:
                return service
        return None
