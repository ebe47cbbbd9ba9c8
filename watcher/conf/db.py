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
"""The database; connection and pool options come from oslo.db."""

from oslo_config import cfg
from oslo_db import options as oslo_db_options

GROUP = 'database'

DEFAULT_CONNECTION = 'sqlite:///$state_path/watcher.sqlite'

OPTS = [
    cfg.StrOpt(
        'mysql_engine',
        default='InnoDB',
        help='Storage engine that tables are created with on MySQL and '
             'MariaDB. It must be transactional and know foreign keys, so '
             'leave it at InnoDB unless your cluster software demands '
             'another name.'),
    cfg.IntOpt(
        'idle_transaction_timeout',
        default=30,
        min=0,
        help='Seconds after which MariaDB or PostgreSQL ends a transaction '
             'in which nothing happens any more, with its connection. A '
             'process that is frozen in the middle of one (a paused or '
             'migrated virtual machine, a host that swaps) would keep its '
             'locks and hold up all other services otherwise. Keep it below '
             '[DEFAULT] service_down_time. 0 leaves it to the server. MySQL '
             'has no such limit for transactions alone: set wait_timeout '
             'there.'),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of this module and those of oslo.db."""
    set_defaults()
    conf.register_opts(oslo_db_options.database_opts, group=GROUP)
    conf.register_opts(OPTS, group=GROUP)


def set_defaults() -> None:
    """Give the options of oslo.db our defaults.

    The option itself is changed, not the value of one ConfigOpts, because
    the latter is forgotten by ``ConfigOpts.clear()``.
    """
    # Without oslo.db's own attempts (ten, ten seconds apart) a database that
    # is away shows at once: commands end with a clear line, requests are
    # answered, daemons say so and try again by themselves.
    cfg.set_defaults(oslo_db_options.database_opts,
                     connection=DEFAULT_CONNECTION, max_retries=0)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the options of this module by group name."""
    return [(GROUP, OPTS)]
