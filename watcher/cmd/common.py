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
"""What all commands share: start-up, services, explained failures."""

import contextlib
import os
import sys
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import sqlalchemy.exc
from oslo_config import cfg
from oslo_db import exception as db_exc
from oslo_log import log

from watcher import conf
from watcher import notifications
from watcher import objects
from watcher.common import context
from watcher.common import exception
from watcher.common import exporter
from watcher.common import health
from watcher.common import service
from watcher.common import utils
from watcher.objects import events
from watcher.objects import figures as stored
from watcher.objects import metering
from watcher.objects import needs

CONF = conf.CONF

LOG = log.getLogger(__name__)

Checks = Mapping[str, Callable[[], health.Finding]]


def bootstrap(argv: Sequence[str],
              default_config_files: Sequence[str] | None = None) -> None:
    """Prepare this process: options, log, bus, objects, notifications.

    From here on every change of an object is announced on the bus.

    :param argv: program name and arguments.
    :param default_config_files: instead of searching for them.
    """
    service.prepare_service(argv, CONF,
                            default_config_files=default_config_files)
    objects.register_all()
    notifications.setup()


def create_service(manager_class: type, metrics_port: int = 0,
                   figures: Callable[[Any], Iterable[Any]] = lambda _: (),
                   checks: Callable[[Any], Checks] = needs.of_engine,
                   config: cfg.ConfigOpts = CONF) -> service.Service:
    """Return the service of this engine, complete but not started.

    :param metrics_port: where its metrics are served, if they are wanted
    :param figures: returns what only this engine tells, from its manager
    :param checks: returns what it needs to be ready, from its manager
    """
    served = Metrics(manager_class.service_name, config)
    return service.Service(
        manager_class, config, heartbeat=_heartbeat,
        on_start=(lambda manager: served.start(metrics_port,
                                               figures(manager),
                                               checks(manager)),),
        on_stop=(served.stop, notifications.stop))


class Metrics:
    """The metrics of one process of a daemon.

    :param name: name of the daemon
    """

    def __init__(self, name: str, config: cfg.ConfigOpts = CONF) -> None:
        self._name = name
        self._conf = config
        self._meter = metering.StateMeter()
        self._exporter: exporter.Exporter | None = None

    def start(self, port: int, collectors: Iterable[Any],
              checks: Checks) -> None:
        """Serve them, if they are wanted.

        :param port: where
        :param collectors: what only this daemon tells
        :param checks: what the process needs to be ready
        """
        self._exporter = exporter.Exporter(self._name, port, self._conf)
        if self._exporter.start((stored.Connections(), *collectors),
                                checks):
            events.subscribe(self._meter)

    def stop(self) -> None:
        """Serve nothing any more."""
        events.unsubscribe(self._meter)
        if self._exporter is not None:
            self._exporter.stop()


def _heartbeat(name, host):
    objects.Service.heartbeat(context.admin_context(), name, host)


@contextlib.contextmanager
def explained_failures() -> Iterator[None]:
    """End the process with one clear line when the operator has to act.

    Bugs keep their traceback.
    """
    try:
        yield
    except db_exc.DBNonExistentTable as exc:
        fail(f'the database has no schema ({utils.first_line(exc)}); run '
             f'"watcher-db-manage upgrade"', exc)
    except (db_exc.DBError, sqlalchemy.exc.SQLAlchemyError) as exc:
        fail(f'the database does not work: {utils.first_line(exc)}; check '
             f'[database] connection', exc)
    except (service.FatalError, exception.WatcherException) as exc:
        fail(utils.first_line(exc), exc)
    except cfg.Error as exc:
        fail(f'the configuration is wrong: {utils.first_line(exc)}', exc)


def fail(reason: str, cause: BaseException | None = None) -> None:
    """Say why on standard error, and in the log file, and exit with 1."""
    if CONF.log_file or CONF.log_dir:
        LOG.error(reason)
    LOG.debug('The cause in detail', exc_info=cause)
    raise SystemExit(f'{program()}: {reason}') from cause


def program() -> str:
    """Return the name of the running command."""
    return os.path.basename(sys.argv[0])
