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
"""What services, broker and database hold at a moment."""

from __future__ import annotations

import collections
import dataclasses
import json
import logging
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from soaking import rig as soak_rig
from soaking import samples
from soaking import servers as soak_servers

LOG = logging.getLogger(__name__)

#: Seconds between two samples.
INTERVAL = 30

MIB = 1024 ** 2


class Statements:
    """How many statements a second the database gets from the services."""

    def __init__(self, servers: soak_servers.Servers) -> None:
        self._servers = servers

    @staticmethod
    def _read(cursor: Any, scope: str) -> int:
        cursor.execute("SHOW %s STATUS LIKE 'Questions'" % scope)
        return int(cursor.fetchone()[1])

    def rate(self, seconds: float) -> float:
        """Count for some time; own statements do not count."""
        connection = self._servers.connect()
        with connection:
            cursor = connection.cursor()
            own, began = self._read(cursor, 'SESSION'), time.monotonic()
            first = self._read(cursor, 'GLOBAL')
            time.sleep(seconds)
            last, ended = self._read(cursor, 'GLOBAL'), time.monotonic()
            # This question is not one of those between first and last.
            own = self._read(cursor, 'SESSION') - own - 2
        return (last - first - own) / (ended - began)


class Sampler:
    """Takes samples in a thread of its own and writes them to a file."""

    def __init__(self, servers: soak_servers.Servers, rig: soak_rig.Rig,
                 listener: soak_rig.Listener, path: Path) -> None:
        self._servers = servers
        self._rig = rig
        self._listener = listener
        self._path = path
        self._began = time.monotonic()
        # Until when restarts make the figures tell nothing.
        self._unsettled_until = 0.0
        self._cpu: dict[str, tuple[float, float]] = {}
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name='sampler',
                                        daemon=True)

    def start(self) -> None:
        self._began = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(120)

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    def unsettle(self, seconds: float) -> None:
        """Let samples of the next seconds not count."""
        self._unsettled_until = self.seconds + seconds

    def add(self, figures: dict[str, float], settled: bool = True) -> None:
        """Write a sample of what somebody else has measured."""
        self._write(samples.Sample(self.seconds, settled, figures))

    def _run(self) -> None:
        while not self._stopping.wait(INTERVAL):
            began = self.seconds
            try:
                figures = self.take()
            except Exception as exc:
                # The servers are away now and then.
                LOG.info('no sample: %s', exc)
                continue
            self._write(samples.Sample(began, began > self._unsettled_until,
                               figures))

    def _write(self, sample: samples.Sample) -> None:
        with self._lock, self._path.open('a') as file:
            file.write(json.dumps(dataclasses.asdict(sample)) + '\n')

    def take(self) -> dict[str, float]:
        """Everything that can be seen now."""
        return {**self._processes(), **self._broker(), **self._tables(),
                **self._done()}

    def _done(self) -> dict[str, float]:
        return {'done ' + event: count
                for event, count in self._listener.counts().items()
                if event in ('audit.strategy.end', 'action.execution.end',
                             'action_plan.execution.end')}

    def _processes(self) -> dict[str, float]:
        owners = {process.pid: role for role in soak_rig.STEADY
                  for process in self._rig.daemons[role].tree()}
        figures: dict[str, float] = collections.defaultdict(float)
        for pid, role in owners.items():
            process = psutil.Process(pid)
            with process.oneshot():
                figures[role + ' threads'] += process.num_threads()
                figures[role + ' files'] += process.num_fds()
                figures[role + ' RSS MB'] += process.memory_info().rss / MIB
                times = process.cpu_times()
                figures[role + ' CPU s'] += times.user + times.system
        self._count_connections(owners, figures)
        return dict(figures)

    def _count_connections(self, owners: dict[int, str],
                           figures: dict[str, float]) -> None:
        ports = {self._servers.port(soak_servers.DATABASE): 'database',
                 self._servers.port(soak_servers.BROKER): 'broker'}
        for role in soak_rig.STEADY:
            for name in ports.values():
                figures['%s %s connections' % (role, name)] += 0
        for found in psutil.net_connections('tcp'):
            if (found.raddr and found.pid in owners
                    and found.raddr.port in ports):
                figures['%s %s connections' % (
                    owners[found.pid], ports[found.raddr.port])] += 1

    def _broker(self) -> dict[str, float]:
        queues = self._servers.queues()
        return {
            'broker queues': len(queues),
            'broker consumers': sum(q['consumers'] for q in queues),
            'broker messages': sum(q['messages'] for q in queues),
            'broker queues without consumers': sum(
                not q['consumers'] for q in queues)}

    def _tables(self) -> dict[str, float]:
        with self._servers.connect() as connection:
            cursor = connection.cursor()
            cursor.execute('SHOW TABLES')
            names = [row[0] for row in cursor.fetchall()]
            figures = {}
            for name in names:
                cursor.execute('SELECT COUNT(*) FROM ' + name)
                figures['rows ' + name] = cursor.fetchone()[0]
            cursor.execute("SHOW STATUS LIKE 'Threads_connected'")
            # Without the one that asks.
            figures['database connections'] = int(
                cursor.fetchone()[1]) - 1
        return figures
