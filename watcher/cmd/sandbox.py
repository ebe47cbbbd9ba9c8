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
"""watcher-sandbox: the whole service with a simulated cloud, to try out.

One process, nothing to install beside it: an SQLite file, a message bus
within the process, and a cloud that only pretends.
"""

import argparse
import contextlib
import dataclasses
import fcntl
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import oslo_messaging as messaging

from watcher.cmd import common
from watcher.sandbox import allinone
from watcher.sandbox.cloud import compute
from watcher.sandbox.cloud import generator
from watcher.sandbox.cloud import notifications
from watcher.sandbox.cloud import server

READY = """\
The sandbox is ready.

  cloud    %(cloud)s  (Keystone: %(auth_url)s)
  Watcher  %(api)s
  files    %(state_dir)s

Use it from another terminal:

  . %(openrc)s
  openstack optimize goal list
  openstack server list --all-projects

Ctrl-C ends it."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='watcher-sandbox', description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('--state-dir', type=Path, default=Path('.sandbox'),
        help='folder for database, configuration and openrc '
             '(default: %(default)s)')
    add('--keep', action='store_true',
        help='keep the database of the last run; without it each run '
             'begins with an empty one')
    add('--host', default='127.0.0.1',
        help='address to listen on (default: %(default)s)')
    add('--port', type=int, default=9322,
        help='port of the Watcher API, 0 for any free one '
             '(default: %(default)s)')
    add('--cloud-port', type=int, default=0,
        help='port of the simulated cloud (default: any free one)')
    add('--cloud-only', action='store_true',
        help='serve the simulated cloud only')
    add('--notify', metavar='URL',
        help='with --cloud-only: publish what changes in the cloud on this '
             'message bus, as Nova, Cinder and Ironic do, for example '
             'rabbit://user:password@localhost:5672/')
    add('--hosts', type=int, default=4, help='compute hosts in the cloud')
    add('--servers', type=int, default=12, help='servers in the cloud')
    add('--vcpus', type=int, default=None, help='CPUs of each host')
    add('--memory-mb', type=int, default=None, help='memory of each host')
    add('--seed', type=int, default=1,
        help='clouds of the same size and seed are equal')
    add('--place', action='append', default=[], metavar='HOST=NUMBER',
        help='put NUMBER servers on HOST instead of dealing them out; '
             'may be repeated')
    add('--backends', type=int, default=0,
        help='storage backends in the cloud; without one it has no block '
             'storage')
    add('--volumes', type=int, default=0, help='volumes in the cloud')
    add('--bare-metal', action='store_true',
        help='let every host be a node of Ironic as well')
    add('--migration-seconds', type=float, default=2.0,
        help='how long a migration takes (default: %(default)s)')
    add('--debug', action='store_true', help='log more')
    add('--log-file', help='log there instead of standard error')
    return parser


def _placement(parser: argparse.ArgumentParser,
               given: Sequence[str]) -> dict[str, int] | None:
    placement = {}
    for text in given:
        host, _, number = text.partition('=')
        if not number.isdigit():
            parser.error('--place wants HOST=NUMBER, not %s' % text)
        placement[host] = int(number)
    return placement or None


def _cloud(parser: argparse.ArgumentParser,
           args: argparse.Namespace) -> server.Cloud:
    given = {'hosts': args.hosts, 'servers': args.servers,
             'seed': args.seed, 'vcpus': args.vcpus,
             'memory_mb': args.memory_mb,
             'backends': args.backends, 'volumes': args.volumes,
             'bare_metal': args.bare_metal,
             'placement': _placement(parser, args.place)}
    timing = dataclasses.replace(
        compute.Timing(), live_migration=args.migration_seconds,
        cold_migration=args.migration_seconds)
    try:
        spec = generator.CloudSpec(
            **{k: v for k, v in given.items() if v is not None})
        return server.Cloud(spec, timing, args.host, args.cloud_port)
    except ValueError as exc:
        parser.error(str(exc))
    except OSError as exc:
        raise SystemExit('watcher-sandbox: the cloud cannot listen on %s '
                         'port %d: %s' % (args.host, args.cloud_port,
                                          exc)) from exc


def _wait_for_end() -> None:
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    # Not without a time-out: a waiting main thread sees signals late.
    while not ended.wait(0.5):
        continue


def _serve_cloud(cloud: server.Cloud, bus: str | None) -> int:
    with contextlib.ExitStack() as stack:
        stack.callback(cloud.stop)
        if bus:
            stack.callback(_publisher(cloud, bus).stop)
        cloud.start()
        print('The simulated cloud is ready: %s\nKeystone: %s, user admin, '
              'password %s' % (cloud.url, cloud.auth_url,
                               cloud.credentials()['password']), flush=True)
        _wait_for_end()
    return 0


def _publisher(cloud: server.Cloud, bus: str) -> notifications.Publisher:
    try:
        return notifications.Publisher(cloud.state, bus)
    except (messaging.DriverLoadFailure,
            messaging.InvalidTransportURL) as exc:
        raise SystemExit('watcher-sandbox: --notify: %s' % exc) from exc


def _claim(state_dir: Path) -> TextIO:
    """Make the folder and keep other sandboxes out of it.

    :returns: the open lock file, which holds the folder until it is closed.
    """
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = (state_dir / 'lock').open('w')
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise SystemExit(
            'watcher-sandbox: another sandbox is running in %s; end it or '
            'name another folder by --state-dir' % state_dir) from None
    return lock


def _forget_last_run(state_dir: Path) -> None:
    for suffix in ('', '-wal', '-shm', '-journal'):
        path = state_dir / (allinone.Sandbox.DATABASE + suffix)
        path.unlink(missing_ok=True)


def _serve_all(state_dir: Path, cloud: server.Cloud,
               args: argparse.Namespace) -> int:
    argv = ['--debug'] if args.debug else []
    if args.log_file:
        argv.append('--log-file=%s' % Path(args.log_file).absolute())
    sandbox = allinone.Sandbox(cloud, state_dir, host=args.host,
                               port=args.port, argv=tuple(argv))
    with common.explained_failures():
        sandbox.start()
    print(READY % {
        'cloud': cloud.url, 'auth_url': cloud.auth_url,
        'api': sandbox.api_url, 'state_dir': state_dir,
        'openrc': sandbox.openrc}, flush=True)
    _wait_for_end()
    sandbox.stop()
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code."""
    parser = _parser()
    args = parser.parse_args(sys.argv[1:] if argv is None else argv)
    if args.notify and not args.cloud_only:
        parser.error('--notify goes with --cloud-only; a whole sandbox has '
                     'a bus of its own')
    cloud = _cloud(parser, args)
    if args.cloud_only:
        return _serve_cloud(cloud, args.notify)
    state_dir = args.state_dir.absolute()
    try:
        lock = _claim(state_dir)
    except BaseException:
        # Its port and threads are there already.
        cloud.stop()
        raise
    with lock:
        if not args.keep:
            _forget_last_run(state_dir)
        return _serve_all(state_dir, cloud, args)


if __name__ == '__main__':
    sys.exit(main())
