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
"""The REST API for web servers: ``watcher.wsgi.api:application``.

Built once, when this module is imported. The arguments of the web server are
not ours; only ``--config-file`` and ``--config-dir`` are picked out of them.
Without these, the file named by the environment variable
``OS_WATCHER_CONFIG_FILE`` is read, else the usual places are searched.
"""

import os
import sys
import threading
from collections.abc import Callable

from oslo_log import log

from watcher.api import app
from watcher.cmd import common
from watcher.common import utils

LOG = log.getLogger(__name__)

PROGRAM = 'watcher-api'

CONFIG_FILE_VARIABLE = 'OS_WATCHER_CONFIG_FILE'

_lock = threading.Lock()
_applications: list[Callable] = []


def initialize_wsgi_app() -> Callable:
    """Return the WSGI application of this process, building it once."""
    with _lock:
        if not _applications:
            arguments = utils.pick_config_arguments(sys.argv[1:])
            named = os.environ.get(CONFIG_FILE_VARIABLE)
            common.bootstrap(
                [PROGRAM, *arguments],
                default_config_files=[named] if named else None)
            if common.CONF.service_metrics.enabled:
                LOG.warning('[service_metrics] has no effect here: metrics '
                            'are not offered under a web server')
            with common.explained_failures():
                _applications.append(app.setup_app())
        return _applications[0]


application = initialize_wsgi_app()
