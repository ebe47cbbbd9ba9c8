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
"""Decision engines that are killed, frozen and left without servers."""

import collections
import contextlib
import random
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

from watcher.tests.fixtures import daemons
from watcher.tests.fixtures import servers
from watcher.tests.fixtures import services
from watcher.tests.functional.decision_engine import witness


class Trouble(NamedTuple):
    """From when to when an engine may have lost its audits to others.

    :ivar pids: the processes of the engine
    """

    pids: frozenset[int]
    began: float
    ended: float


def verdicts(runs: Sequence[witness.Run], results: Mapping[str, list[float]],
             troubles: Sequence[Trouble]) -> Iterator[str]:
    """Tell where runs of one audit happened at once.

    :param results: when the result of each run was stored, by its token
    """
    for run in runs:
        dates = results.get(run.token, ())
        if len(dates) > 1:
            yield f'the result of {run} was stored {len(dates)} times'
        for other in runs:
            if other is not run and _overlap(run, other, dates, troubles):
                yield f'{other} began during {run}, stored at {dates}'


def _overlap(run, other, dates, troubles):
    """Whether the other run began during a run."""
    if dates:
        return run.date <= other.date < max(dates)
    return run.began <= other.began < _end_of(run, troubles)


def _end_of(run, troubles):
    """When a run was over of which nothing was stored."""
    return min([run.ended, *(
        max(run.began, trouble.began) for trouble in troubles
        if run.pid in trouble.pids and trouble.began <= run.ended
        and run.began <= trouble.ended)])


class Monkey:
    """Makes trouble, one kind after the other.

    :param start: starts an engine with a host name
    :param lease: seconds after which an engine counts as dead
    :param everybody: waits until all audits have run since a moment
    :ivar figures: what was done, and how often
    :ivar troubles: to whom, and when
    :ivar outages: seconds that each of them lasted
    """

    ENGINES = 3

    def __init__(self, start: Callable[[str], daemons.Daemon],
                 database: servers.MariaDB, broker: servers.RabbitMQ,
                 diary: witness.Diary, lease: float,
                 everybody: Callable[[float], None], seed: int) -> None:
        self._start = start
        self._database = database
        self._broker = broker
        self._diary = diary
        self._lease = lease
        self._everybody = everybody
        self._random = random.Random(seed)
        self._names = (f'engine-{n}' for n in range(1, 10000))
        self._engines: list[daemons.Daemon] = []
        self._ended: list[daemons.Daemon] = []
        self.figures: collections.Counter[str] = collections.Counter()
        self.troubles: list[Trouble] = []
        self.outages: list[float] = []
        for _number in range(self.ENGINES):
            self._add(next(self._names))

    def faults(self) -> list[Callable[[], None]]:
        """One round of trouble."""
        faults = [
            self.killed_and_back, self.killed_for_good, self.frozen,
            self.frozen_for_a_moment, self.stopped, self.doubled,
            self.database_restarted, self.database_away,
            self.broker_restarted]
        self._random.shuffle(faults)
        return faults

    def strike(self, fault: Callable[[], None]) -> None:
        """Do it; what it has broken is repaired afterwards."""
        began = time.monotonic()
        fault()
        self.outages.append(time.monotonic() - began)
        self.figures[fault.__name__.replace('_', ' ')] += 1

    def supervise(self) -> None:
        """Start again what has ended."""
        for engine in list(self._engines):
            if not engine.runs:
                self._remove(engine)
                self._add(engine.host)

    def logs(self) -> str:
        """What all engines have told."""
        return ''.join(engine.log() for engine in (
            *self._ended, *self._engines))

    def pids(self) -> list[frozenset[int]]:
        """The processes of each engine that runs."""
        return [frozenset(engine.workers()) for engine in self._engines
                if engine.runs]

    # Engines --------------------------------------------------------------

    def killed_and_back(self) -> None:
        victim = self._kill(self._busy())
        self._add(victim.host)

    def killed_for_good(self) -> None:
        """Its machine is replaced by one with another name."""
        self._kill(self._busy())
        self._add(next(self._names))

    def frozen(self) -> None:
        """For so long that others have taken over all that it had."""
        engine = self._busy()
        with self._troubled(engine):
            engine.freeze()
            self._everybody(time.monotonic())
            engine.thaw()

    def frozen_for_a_moment(self) -> None:
        engine = self._busy()
        began = time.monotonic()
        engine.freeze()
        self._wait(self._lease / 4)
        engine.thaw()
        if time.monotonic() - began > self._lease / 2:
            # It was longer than was wanted: the machine is busy.
            self._note(engine.workers(), began)

    def stopped(self) -> None:
        engine = self._busy()
        self._note(engine.workers(), time.monotonic())
        engine.terminate()

    def doubled(self) -> None:
        """Somebody starts another engine with the same host name."""
        older = self._busy()
        self._note(older.workers(), time.monotonic())
        self._remove(older)
        self._add(older.host)

    # Servers --------------------------------------------------------------

    def database_restarted(self) -> None:
        self._without_database(0)

    def database_away(self) -> None:
        """Nobody can renew a lease in time."""
        self._without_database(1.5 * self._lease)

    def broker_restarted(self) -> None:
        """All its queues are gone, and it needs some seconds."""
        self._broker.kill()
        self._broker.start()

    def _without_database(self, seconds):
        began = time.monotonic()
        self._database.kill()
        self._wait(seconds)
        self._database.start()
        if time.monotonic() - began > self._lease / 2:
            for pids in self.pids():
                self._note(pids, began, time.monotonic() + self._lease)

    # Helpers --------------------------------------------------------------

    @staticmethod
    def _wait(seconds):
        threading.Event().wait(seconds)

    def _note(self, pids, began, ended=float('inf')):
        self.troubles.append(Trouble(frozenset(pids), began, ended))

    @contextlib.contextmanager
    def _troubled(self, engine):
        pids, began = engine.workers(), time.monotonic()
        yield
        self._note(pids, began)

    def _add(self, host):
        self._engines.append(self._start(host))

    def _remove(self, engine):
        self._engines.remove(engine)
        self._ended.append(engine)

    def _kill(self, engine):
        self._note(engine.workers(), time.monotonic())
        engine.kill()
        self._remove(engine)
        return engine

    def _busy(self):
        """An engine that is in the middle of a run."""
        return services.wait_until(self._find_busy, what='a run')

    def _find_busy(self):
        self.supervise()
        running = {run.pid for run in self._diary.read().values()
                   if run.ended == float('inf')}
        busy = [engine for engine in self._engines
                if running.intersection(engine.workers())]
        return self._random.choice(busy) if busy else None
