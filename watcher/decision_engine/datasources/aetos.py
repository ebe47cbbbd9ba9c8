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
"""Metrics from Prometheus through Aetos, which asks for a Keystone token."""

from collections.abc import Sequence
from typing import Any
from urllib import parse

from keystoneauth1 import exceptions as ka_exceptions

from watcher import conf
from watcher._i18n import _
from watcher.common import clients
from watcher.common import exception
from watcher.decision_engine.datasources import prometheus_base

CONF = conf.CONF

SERVICE_TYPE = 'metric-storage'


class _Session:
    """A Keystone session whose answers are those of Prometheus.

    By itself it raises for each HTTP error and hides what Prometheus says.
    """

    verify = True

    def __init__(self, session) -> None:
        self._session = session

    def get(self, url: str, **kwargs: Any):
        return self._session.get(url, raise_exc=False, **kwargs)


class AetosHelper(prometheus_base.PrometheusBase):
    """Asks the service of type ``metric-storage`` of the catalogue.

    :param osc: holder of OpenStack clients.
    """

    NAME = 'aetos'

    def __init__(self, osc=None):
        self.osc = osc or clients.OpenStackClients()
        super().__init__()

    def _options(self):
        return CONF.aetos_client

    def _setup_prometheus_client(self) -> tuple[str, Any]:
        session = self.osc.session
        url = parse.urlsplit(self._endpoint(session))
        client = prometheus_base.prometheus_client.PrometheusAPIClient(
            url.netloc, _Session(session), root_path=url.path.strip('/'),
            scheme=url.scheme)
        return url.geturl(), client

    def _endpoint(self, session) -> str:
        options = CONF.aetos_client
        interface = options.interface.removesuffix('URL')
        try:
            endpoint = session.get_endpoint(
                service_type=SERVICE_TYPE, interface=interface,
                region_name=options.region_name, skip_discovery=True)
        except ka_exceptions.EndpointNotFound:
            endpoint = None
        except ka_exceptions.ClientException as exc:
            raise self._unknown(_('Keystone does not tell where it is: %s')
                                % exc) from exc
        if not endpoint:
            raise self._unknown(
                _('the catalogue has no endpoint of type %(type)s for the '
                  'interface %(interface)s and the region %(region)s; '
                  'check [aetos_client] and the catalogue') % {
                      'type': SERVICE_TYPE, 'interface': interface,
                      'region': options.region_name or _('any')})
        return endpoint

    @staticmethod
    def _unknown(reason):
        return exception.DataSourceNotAvailable(
            _('The data source aetos is not available: %s.') % reason,
            datasource='aetos')

    def _range(self, text: str, first: float, last: float,
               step: int) -> Sequence[dict]:
        # Aetos knows no query_range. A subquery gives the same, at the
        # multiples of the step.
        span = int(last - first) + step
        data = self._get('query', text, query=f'({text})[{span}s:{step}s]',
                         time=last)
        if data['resultType'] != 'matrix':
            raise self._odd(text, data)
        return [{**row, 'values': [
            point for point in row['values'] if point[0] >= first]}
            for row in data['result']]
