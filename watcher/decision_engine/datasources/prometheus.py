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
"""Metrics from a Prometheus server, asked directly."""

from typing import Any
from urllib import parse

import requests
from oslo_utils import netutils

from watcher import conf
from watcher._i18n import _
from watcher.common import exception
from watcher.common import utils
from watcher.decision_engine.datasources import prometheus_base

CONF = conf.CONF


class _Session(requests.Session):
    """A session none of whose requests may hang."""

    def request(self, *args, **kwargs):
        kwargs.setdefault('timeout', CONF.prometheus_client.http_timeout)
        # Given with the request: REQUESTS_CA_BUNDLE in the environment would
        # win over what is set on the session.
        kwargs.setdefault('verify', self.verify)
        return super().request(*args, **kwargs)


class PrometheusHelper(prometheus_base.PrometheusBase):
    """Asks the server of ``[prometheus_client]``."""

    NAME = 'prometheus'

    def _options(self):
        return CONF.prometheus_client

    def _setup_prometheus_client(self) -> tuple[str, Any]:
        options = CONF.prometheus_client
        url = parse.urlsplit(_base_url(options))
        session = _Session()
        session.headers.update(options.headers)
        if url.scheme == 'https':
            session.verify = not options.insecure and (
                options.cafile or True)
        if options.certfile and options.keyfile:
            session.cert = (options.certfile, options.keyfile)
        if options.username and options.password:
            session.auth = (options.username, options.password)
        client = prometheus_base.prometheus_client.PrometheusAPIClient(
            url.netloc, session, root_path=url.path.strip('/'),
            scheme=url.scheme)
        return url.geturl(), client


def _base_url(options) -> str:
    """Return the URL below which ``/api/v1`` lies.

    :raises: MissingParameter if no server is configured, InvalidParameter
    """
    if options.base_url:
        url = parse.urlsplit(options.base_url)
        if url.scheme not in ('http', 'https') or not url.netloc:
            raise exception.InvalidParameter(
                _('[prometheus_client] base_url has to begin with http:// '
                  'or https:// and a host, not be %r.')
                % utils.hide_credentials(options.base_url),
                parameter='base_url', parameter_type='str')
        return url._replace(path=url.path.rstrip('/'), query='',
                            fragment='').geturl()
    if not options.host:
        raise exception.MissingParameter(
            _('The data source prometheus needs [prometheus_client] '
              'base_url or host.'), parameter='host')
    scheme = 'https' if options.cafile else 'http'
    host = netutils.escape_ipv6(options.host)
    return f'{scheme}://{host}:{options.port}'
