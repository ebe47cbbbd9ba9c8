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
"""watcher-api: the REST API with its own web server."""

import sys

from oslo_concurrency import processutils
from oslo_config import cfg
from oslo_log import log

from watcher import notifications
from watcher.api import app
from watcher.cmd import common
from watcher.common import service
from watcher.common import wsgi_server
from watcher.objects import needs

LOG = log.getLogger(__name__)

SERVICE_NAME = 'watcher-api'


def metrics_port(worker: int, conf: cfg.ConfigOpts) -> int:
    """Return where a worker process serves its metrics."""
    first = conf.service_metrics.api_port
    return first + worker if first else 0


def main() -> int:
    """Serve the REST API until a signal ends the process."""
    common.bootstrap(sys.argv)
    conf = common.CONF
    with common.explained_failures():
        if conf.api.enable_ssl_api:
            wsgi_server.check_tls(conf)
        host = conf.api.host
        with wsgi_server.reserve_port(host, conf.api.port) as reserved:
            port = reserved.getsockname()[1]
            workers = conf.api.workers or processutils.get_worker_count()
            LOG.info('%(name)s serves %(scheme)s://%(host)s:%(port)d with '
                     '%(workers)d worker(s)',
                     {'name': SERVICE_NAME, 'host': host, 'port': port,
                      'workers': workers,
                      'scheme': 'https' if conf.api.enable_ssl_api
                      else 'http'})
            served = common.Metrics(SERVICE_NAME, conf)
            server = wsgi_server.WSGIService(
                SERVICE_NAME, app.setup_app, host, port, conf=conf,
                use_ssl=conf.api.enable_ssl_api,
                on_start=(lambda worker: served.start(
                    metrics_port(worker, conf), (), needs.of_api()),),
                on_stop=(served.stop, notifications.stop))
            return service.launch(conf, server, workers=workers)
