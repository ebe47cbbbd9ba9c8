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
"""The health check for load balancers, under a path of its own."""

from collections.abc import Callable

from oslo_config import cfg
from oslo_middleware import healthcheck

PATH = '/healthcheck'


class Health:
    """Answers ``/healthcheck`` as ``[healthcheck]`` says."""

    def __init__(self, app: Callable, conf: cfg.ConfigOpts):
        self.app = app
        self.healthcheck = healthcheck.Healthcheck(app, conf)

    def __call__(self, environ, start_response):
        if environ.get('PATH_INFO', '').rstrip('/') == PATH:
            return self.healthcheck(environ, start_response)
        return self.app(environ, start_response)
