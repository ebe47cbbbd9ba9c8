#!/usr/bin/env python3
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
"""Send the API thousands of requests of every kind and check each answer.

The application runs in this process on a database of its own, which is
filled, used and thrown away again and again. Every fault is shown with the
seed that brings it back::

    tools/fuzz-api.py                                   # 50,000 on SQLite
    tools/fuzz-api.py --seed 17 --requests 1            # the run of seed 17
    tools/fuzz-api.py --database mysql+pymysql://u:p@host/
    tools/fuzz-api.py --http                            # through a socket

The last lines count requests, server errors and faults; the exit code is 1
if there was one.
"""

import argparse
import faulthandler
import os
import time

import sqlalchemy as sa

from watcher.tests.fixtures import database
from watcher.tests.fuzz import driver
from watcher.tests.fuzz import wire
from watcher.tests.fuzz import world as worlds

#: Sequences that share a database.
SEQUENCES = 150

#: Faults that are shown; all are counted.
SHOWN = 20


def parse_arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__.partition('\n')[0])
    parser.add_argument('--requests', type=int, default=50_000,
                        help='how many at least, default %(default)s')
    parser.add_argument('--seed', type=int, default=0,
                        help='of the first run, default %(default)s')
    parser.add_argument(
        '--database', default='sqlite', metavar='URL',
        help='sqlite (default), or the URL of a server and a user who may '
             'create databases; none that exists is touched')
    parser.add_argument('--http', action='store_true',
                        help='through a socket, with malformed HTTP too')
    parser.add_argument('--hang', type=int, default=900, metavar='SECONDS',
                        help='end with a traceback of all threads if one '
                             'run takes longer, default %(default)s')
    return parser.parse_args()


def prepare(url: str) -> str:
    """Return the kind of the database after making its server known."""
    if url == database.SQLITE:
        return url
    kind = sa.make_url(url).get_backend_name()
    os.environ[database.SERVERS[kind]] = url
    return kind


def run(kind: str, seed: int, http: bool) -> driver.Report:
    """Play the requests of a seed on a fresh database."""
    variant = worlds.VARIANTS[seed % len(worlds.VARIANTS)]
    with worlds.World(kind, variant) as world:
        if not http:
            return driver.run(driver.Session(world, seed), SEQUENCES)
        with wire.serving(world) as port:
            report = driver.run(wire.Session(world, seed, port), SEQUENCES)
            if not wire.alive(port):
                raise SystemExit(f'seed {seed}: the server is dead')
            return report


def main() -> int:
    """Run until there were enough requests; return the exit code."""
    arguments = parse_arguments()
    kind = prepare(arguments.database)
    total, started, seed = driver.Report(), time.monotonic(), arguments.seed
    while total.requests < arguments.requests:
        faulthandler.dump_traceback_later(arguments.hang, exit=True)
        report = run(kind, seed, arguments.http)
        for failure in report.failures[:max(0, SHOWN - len(total.failures))]:
            print(failure, flush=True)
        total.add(report)
        print(f'seed {seed}: {report.requests} requests, '
              f'{len(report.failures)} faults; {total.requests} in all',
              flush=True)
        seed += 1
    faulthandler.cancel_dump_traceback_later()
    print(total.summary())
    print(f'{total.requests} requests on {kind} in '
          f'{time.monotonic() - started:.0f} s: '
          f'{total.server_errors} server errors, '
          f'{len(total.failures)} faults')
    return 1 if total.failures else 0


if __name__ == '__main__':
    raise SystemExit(main())
