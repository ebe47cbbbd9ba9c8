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
"""An hour of work and trouble, after which everything is as big as before.

See tools/soak.sh, which prepares the environment. Two decision engines, two
appliers and the API are processes of their own, on a MariaDB and a RabbitMQ
of their own, and look after a simulated cloud. CONTINUOUS audits run by
themselves, webhooks call EVENT audits, ONESHOT audits are posted; servers
migrate, plans are cancelled, audits deleted. In turn the broker, the database
and one engine or applier are restarted or killed, sometimes to come back with
another host name. Now and then all work rests, to count what the services
ask of the database without any.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path

from soaking import rig as soak_rig
from soaking import samples
from soaking import sampling
from soaking import servers as soak_servers
from soaking import verdict
from soaking import work as soak_work

LOG = logging.getLogger('soak')

#: Seconds between two restarts, and those for which samples do not count
#: afterwards.
TROUBLE, SETTLING = 100, 45

#: Times of rest in a run, and seconds that are counted in each.
RESTS, REST = 5, 45

#: Seconds to wait for what comes soon.
PATIENCE = 120


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='soak', description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--minutes', type=float, default=60)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--directory', type=Path, default=Path('.soak'),
                        help='for logs, servers and samples')
    parser.add_argument('--report', type=Path, metavar='FILE',
                        help='only judge the samples of an earlier run')
    return parser.parse_args(argv)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def _wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError('%s took longer than %d seconds' % (
                what, PATIENCE))
        time.sleep(1)


class Soak:
    """One run."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._seconds = args.minutes * 60
        self._seed = args.seed
        self._directory = args.directory.absolute()
        self.samples = self._directory / 'samples.jsonl'
        self._servers: soak_servers.Servers
        self._rig: soak_rig.Rig
        self._work: soak_work.Work
        self._sampler: sampling.Sampler
        self._api: soak_work.Api

    def run(self) -> None:
        """Run from the beginning to the end."""
        with contextlib.ExitStack() as stack:
            self._start(stack)
            self._pass_time()
            LOG.info('answers of the API: %s', ', '.join(
                '%s: %d' % item for item in sorted(
                    self._api.answers.items())))

    def _start(self, stack: contextlib.ExitStack) -> None:
        self._servers = soak_servers.Servers(self._directory / 'servers')
        stack.callback(self._servers.stop)
        self._servers.start()
        cloud = soak_rig.Cloud()
        stack.callback(cloud.stop)
        cloud.start(self._servers.bus_url)
        listener = soak_rig.Listener(self._servers.bus_url)
        stack.callback(listener.stop)
        listener.start()
        self._rig = soak_rig.Rig(self._servers, cloud, _free_port(),
                                 self._directory)
        self._rig.upgrade_database()
        stack.callback(self._rig.stop)
        self._rig.start()
        self._api = soak_work.Api(self._rig, cloud)
        _wait_for(lambda: len(self._api.items('services')) == 4,
                  'starting the services')
        self._work = soak_work.Work(self._api, cloud, self._seed)
        stack.callback(self._work.stop)
        self._work.start()
        self._sampler = sampling.Sampler(self._servers, self._rig, listener,
                                         self.samples)
        stack.callback(self._sampler.stop)
        self._sampler.start()
        LOG.info('everything runs; logs are in %s', self._directory)

    def _pass_time(self) -> None:
        """Make trouble at times, and have all rest at others."""
        troubles = self._troubles()
        rests = [self._seconds * (n + 1) / RESTS - 2 * (REST + SETTLING)
                 for n in range(RESTS)]
        number, trouble_at = 0, TROUBLE
        while self._sampler.seconds < self._seconds:
            self._check()
            if rests and self._sampler.seconds >= rests[0]:
                rests.pop(0)
                self._rest()
                trouble_at = self._sampler.seconds + TROUBLE / 2
            elif self._sampler.seconds >= trouble_at:
                name, make = troubles[number % len(troubles)]
                number += 1
                LOG.info('%5d s: %s', self._sampler.seconds, name)
                self._sampler.unsettle(PATIENCE)
                make()
                self._sampler.unsettle(SETTLING)
                trouble_at = self._sampler.seconds + TROUBLE
            time.sleep(1)

    def _check(self) -> None:
        """Stop when what should run does not."""
        ended = self._rig.ended()
        if ended:
            raise RuntimeError('%s ended by themselves, see their logs in %s'
                               % (', '.join(ended), self._directory))

    def _troubles(self) -> list[tuple[str, Callable[[], None]]]:
        rig, servers = self._rig, self._servers
        database, broker = soak_servers.DATABASE, soak_servers.BROKER
        return [
            ('an engine restarts', lambda: rig.restart('engine-2')),
            ('the broker restarts', lambda: servers.restart(broker, 3)),
            ('an applier is killed and replaced by one with another name',
             lambda: rig.restart('applier-2', renamed=True, kill=True)),
            ('the database restarts',
             lambda: servers.restart(database, 5)),
            ('an engine is replaced by one with another name',
             lambda: rig.restart('engine-2', renamed=True)),
            ('an applier restarts', lambda: rig.restart('applier-2')),
            ('the broker is killed',
             lambda: servers.restart(broker, 3, kill=True)),
            ('an engine is killed and replaced by one with another name',
             lambda: rig.restart('engine-2', renamed=True, kill=True)),
        ]

    def _rest(self) -> None:
        self._sampler.unsettle(PATIENCE)
        self._work.rest()
        _wait_for(self._work.is_done, 'ending all work')
        # What is measured or removed afterwards.
        time.sleep(SETTLING)
        rate = sampling.Statements(self._servers).rate(REST)
        LOG.info('%5d s: at rest %.2f statements per second',
                 self._sampler.seconds, rate)
        self._sampler.add({'idle statements per s': rate})
        self._work.resume()
        self._sampler.unsettle(SETTLING)


def _report(path: Path) -> int:
    lines = verdict.judge(samples.read(path))
    print(verdict.table(lines))
    grown = [line.name for line in lines if not line.flat]
    if grown:
        print('\nNOT FLAT: %s' % ', '.join(grown))
        return 1
    print('\nFLAT: none of %d figures has grown beyond its limit'
          % len(lines))
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run, report, and return the exit code."""
    args = _arguments(argv)
    if args.report:
        return _report(args.report)
    directory = args.directory.absolute()
    # Servers of an earlier run that was killed may still be there.
    soak_servers.Servers(directory / 'servers').stop()
    shutil.rmtree(directory, ignore_errors=True)
    # Servers that run as another user find their folders; nothing is listed.
    directory.mkdir(mode=0o711, parents=True)
    logging.basicConfig(filename=directory / 'soak.log', level=logging.INFO,
                        format='%(asctime)s %(name)s %(message)s')
    logging.getLogger('soak').addHandler(logging.StreamHandler(sys.stdout))
    # Nothing of it is left behind when somebody ends it.
    signal.signal(signal.SIGTERM, lambda *_args: sys.exit(1))
    soak = Soak(args)
    soak.run()
    return _report(soak.samples)


if __name__ == '__main__':
    sys.exit(main())
