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
"""Appliers that are killed, frozen and cut off, in an order that is given."""

import collections
import contextlib
import random
import signal
import threading
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from watcher import objects
from watcher.common import context as watcher_context
from watcher.db.sqlalchemy import session
from watcher.tests.fixtures import daemons
from watcher.tests.fixtures import proxy
from watcher.tests.fixtures import services


class Monkey:
    """Makes trouble. Every kind comes once in a round, in a random order.

    :param start: starts an applier with a host name
    :param ledger: what the cloud was asked to do
    :param database, broker: what the appliers talk through
    :ivar figures: what was done, and how often
    """

    APPLIERS = 3

    def __init__(self, start: Callable[[str], daemons.Daemon], ledger: Any,
                 database: proxy.Proxy, broker: proxy.Proxy,
                 seed: int) -> None:
        self._start = start
        self._ledger = ledger
        self._database = database
        self._broker = broker
        self._random = random.Random(seed)
        self._names = (f'applier-{n}' for n in range(1, 10000))
        # Also used by the cloud's thread, which springs the trap.
        self._lock = threading.RLock()
        self._appliers: list[daemons.Daemon] = []
        self._ended: list[daemons.Daemon] = []
        self._heal: list[Callable[[], None]] = []
        self.figures: collections.Counter[str] = collections.Counter()
        for _number in range(self.APPLIERS):
            self._add(next(self._names))

    @property
    def faults(self) -> list[Callable[[], None]]:
        """One round of trouble."""
        faults = [
            self.killed_and_back, self.killed_for_good, self.worker_killed,
            self.killed_at_request, self.frozen, self.terminated,
            self.doubled, self.connections_killed, self.database_away,
            self.database_silent, self.broker_cut, self.broker_away]
        self._random.shuffle(faults)
        return faults

    def pause(self) -> float:
        return self._random.uniform(0.1, 0.7)

    def chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def strike(self, fault: Callable[[], None]) -> None:
        fault()
        self.figures[fault.__name__.replace('_', ' ')] += 1

    def heal(self) -> None:
        """Repair what can be repaired by now."""
        healed, self._heal = self._heal, []
        for repair in healed:
            repair()

    def supervise(self) -> None:
        """Start again what has ended, and thaw what is taken for dead."""
        dead = self._dead()
        with self._lock:
            for applier in list(self._appliers):
                if applier.frozen and applier.host in dead:
                    applier.thaw()
                if not applier.runs:
                    self._remove(applier)
                    self._add(applier.host)

    def thaw_all(self) -> None:
        with self._lock:
            for applier in self._appliers:
                if applier.frozen:
                    applier.thaw()

    def stop_all(self) -> None:
        """Have all of them end by themselves."""
        self._ledger.disarm()
        with self._lock:
            for applier in self._appliers:
                applier.terminate()
            for applier in self._appliers:
                services.wait_until(lambda a=applier: not a.runs,
                                    what='the end of an applier')

    def logs(self) -> str:
        """What all appliers have told."""
        with self._lock:
            return ''.join(applier.log() for applier in (
                *self._ended, *self._appliers))

    # Trouble --------------------------------------------------------------

    def killed_and_back(self) -> None:
        with self._lock:
            victim = self._kill(self._choose())
            self._add(victim.host)

    def killed_for_good(self) -> None:
        """Its machine is replaced by one with another name."""
        with self._lock:
            self._kill(self._choose())
            self._add(next(self._names))

    def worker_killed(self) -> None:
        self._choose().signal_workers(signal.SIGKILL)

    def killed_at_request(self) -> None:
        """The applier never sees the answer to what it asked for."""
        self._ledger.at_next(self._kill_the_one_who_asked)

    def frozen(self) -> None:
        """One at a time, so that others can take over."""
        self.thaw_all()
        self._choose().freeze()

    def terminated(self) -> None:
        self._choose().terminate()

    def doubled(self) -> None:
        """Somebody starts another applier with the same host name."""
        with self._lock:
            older = self._choose()
            self._remove(older)
            self._add(older.host)

    def connections_killed(self) -> None:
        ports = self._database.source_ports
        with session.get_engine().connect() as connection:
            rows = connection.execute(sa.text(
                'SELECT id, host FROM information_schema.processlist '
                'WHERE db = DATABASE()')).all()
            for ident, host in rows:
                if int(host.rpartition(':')[2] or 0) in ports:
                    # It may just have been closed.
                    with contextlib.suppress(sa.exc.DBAPIError):
                        connection.exec_driver_sql(f'KILL {ident}')

    def database_away(self) -> None:
        self._database.close()
        self._heal.append(self._database.open)

    def database_silent(self) -> None:
        self._database.hold()
        self._heal.append(self._database.go_on)

    def broker_cut(self) -> None:
        self._broker.cut()

    def broker_away(self) -> None:
        self._broker.close()
        self._heal.append(self._broker.open)

    # Appliers -------------------------------------------------------------

    def _add(self, host):
        self._appliers.append(self._start(host))

    def _remove(self, applier):
        self._appliers.remove(applier)
        self._ended.append(applier)

    def _kill(self, applier):
        applier.kill()
        self._remove(applier)
        return applier

    def _choose(self):
        """One that runs, and best one that has something to do."""
        busy = self._busy()
        with self._lock:
            awake = [applier for applier in self._appliers
                     if not applier.frozen and applier.runs]
            return self._random.choice(
                [applier for applier in awake if applier.host in busy]
                or awake or self._appliers)

    def _kill_the_one_who_asked(self, deed):
        host = self._host_of(deed)
        with self._lock:
            for applier in list(self._appliers):
                if applier.host == host:
                    self._kill(applier)
                    self._add(host)
                    self.figures['request without an answer'] += 1

    @staticmethod
    def _host_of(deed):
        """The host of the applier that does such a deed now."""
        context = watcher_context.make_context(is_admin=True)
        for plan in objects.ActionPlan.list(
                context, filters={'state': 'ONGOING'}):
            for action in objects.Action.list(
                    context, filters={'action_plan_id': plan.id,
                                      'state': 'ONGOING'}):
                if action.input_parameters.get('resource_id') == deed[0]:
                    return plan.hostname
        return None

    def _dead(self):
        """Hosts whose lease is over and whose plans others have."""
        with session.get_engine().connect() as connection:
            expired = connection.execute(sa.text(
                'SELECT name FROM leases WHERE '
                'expires_at < UTC_TIMESTAMP(6)')).scalars()
            hosts = {name.partition(':')[2] for name in expired}
        return hosts - self._busy()

    @staticmethod
    def _busy():
        """Hosts that have plans."""
        with session.get_engine().connect() as connection:
            return set(connection.execute(sa.text(
                'SELECT hostname FROM action_plans WHERE '
                "state IN ('ONGOING', 'CANCELLING')")).scalars())
