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
"""Health checks for load balancers, under paths of their own.

``/healthcheck`` tells that the process answers: restart it if not.
``/healthcheck/ready`` tells that requests can succeed: send none if not.
"""

from collections.abc import Callable

import sqlalchemy as sa
import webob
import webob.dec
from oslo_config import cfg
from oslo_db import exception as db_exc
from oslo_log import log
from oslo_middleware import healthcheck

from watcher.common import asking
from watcher.db import api as db_api

LOG = log.getLogger(__name__)

ALIVE = '/healthcheck'
READY = '/healthcheck/ready'

#: Seconds to wait for the database.
PATIENCE = 3.0

NOT_READY = 'The database cannot be reached.'


class Health:
    """Answers health checks as ``[healthcheck]`` says."""

    def __init__(self, app: Callable, conf: cfg.ConfigOpts):
        self.app = app
        self.paths = {ALIVE: healthcheck.Healthcheck(app, conf),
                      READY: _Readiness(app, conf)}

    def __call__(self, environ, start_response):
        path = environ.get('PATH_INFO', '').rstrip('/')
        return self.paths.get(path, self.app)(environ, start_response)


class _Readiness(healthcheck.Healthcheck):

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # A database that hangs would take all threads of the server.
        self._question = asking.Question(
            'check-database', lambda: db_api.get_instance().ping())

    @webob.dec.wsgify
    def process_request(self, request):
        response = super().process_request(request)
        # Not for everybody, or unhealthy already.
        if response is None or response.status_int >= 400:
            return response
        try:
            self._question.answer(PATIENCE)
        except (TimeoutError, db_exc.DBError, sa.exc.SQLAlchemyError) as exc:
            LOG.warning('Not ready to answer requests: the database cannot '
                        'be reached: %s', type(exc).__name__)
            return webob.Response(status=503, content_type='text/plain',
                                  charset='UTF-8', text=NOT_READY)
        return response
