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
"""Reading the command line and the configuration files."""

from collections.abc import Sequence

from oslo_config import cfg
from oslo_log import log
from oslo_messaging import set_transport_defaults
from oslo_middleware import cors
from oslo_middleware import sizelimit

from watcher import conf as watcher_conf
from watcher import version
from watcher.conf import db

PROJECT = 'watcher'

CONTROL_EXCHANGE = 'watcher'

DEFAULT_LOG_LEVELS = (
    'amqp=WARN',
    'amqplib=WARN',
    'qpid.messaging=INFO',
    'oslo.messaging=INFO',
    'sqlalchemy=WARN',
    'stevedore=INFO',
    'eventlet.wsgi.server=WARN',
    'iso8601=WARN',
    'requests=WARN',
    'neutronclient=WARN',
    'apscheduler=WARN',
    # Seven lines about itself would hide those about our revisions.
    'alembic.runtime.plugins=WARN',
)

CORS_ALLOW_HEADERS = (
    'X-Auth-Token',
    'X-Identity-Status',
    'X-Roles',
    'X-Service-Catalog',
    'X-User-Id',
    'X-Tenant-Id',
    'X-OpenStack-Request-ID',
    # Without it browsers could use nothing but the oldest version.
    'OpenStack-API-Version',
)

CORS_EXPOSE_HEADERS = (
    'X-Auth-Token',
    'X-Subject-Token',
    'X-Service-Token',
    'X-OpenStack-Request-ID',
    'OpenStack-API-Version',
    'OpenStack-API-Minimum-Version',
    'OpenStack-API-Maximum-Version',
)

#: The scope of an audit may name tens of thousands of instances.
MAX_BODY_SIZE = 4 * 1024 * 1024

CORS_ALLOW_METHODS = ('GET', 'PUT', 'POST', 'DELETE', 'PATCH')


def parse_args(argv: Sequence[str],
               default_config_files: Sequence[str] | None = None,
               default_config_dirs: Sequence[str] | None = None,
               conf: cfg.ConfigOpts | None = None,
               prog: str | None = None) -> None:
    """Read the command line and the configuration files into ``conf``.

    Without ``--config-file`` the files ``watcher.conf`` and
    ``<program>.conf`` and the directories ``watcher.conf.d`` and
    ``<program>.conf.d`` are searched in ``~/.watcher``, ``~``,
    ``/etc/watcher``, ``/etc`` and the directories of a snap; for each name
    the first hit counts.

    :param argv: the arguments, program name first
    :param default_config_files: read these instead of searching; an empty
        list reads none
    :param default_config_dirs: the same for directories
    :param conf: where to put the values, default the global ones
    :param prog: program name, default that of the running process
    :raises oslo_config.cfg.ConfigFilesNotFoundError: a file that was asked
        for does not exist
    :raises SystemExit: wrong arguments (2), ``--help`` and ``--version`` (0)
    """
    conf = watcher_conf.CONF if conf is None else conf
    conf(list(argv)[1:],
         project=PROJECT,
         prog=prog,
         version=version.release_string(),
         default_config_files=default_config_files,
         default_config_dirs=default_config_dirs)


def set_lib_defaults() -> None:
    """Give options of the libraries the defaults of this service.

    Call it before the command line is read. The sample generators call it
    through the entry point ``oslo.config.opts.defaults``.
    """
    set_transport_defaults(CONTROL_EXCHANGE)
    log.set_defaults(default_log_levels=list(DEFAULT_LOG_LEVELS))
    cors.set_defaults(allow_headers=list(CORS_ALLOW_HEADERS),
                      expose_headers=list(CORS_EXPOSE_HEADERS),
                      allow_methods=list(CORS_ALLOW_METHODS))
    cfg.set_defaults(sizelimit.OPTS, max_request_body_size=MAX_BODY_SIZE)
    db.set_defaults()
