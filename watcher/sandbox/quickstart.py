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
"""What tools/quickstart.sh shows: an audit that ends in moved servers.

It starts ``watcher-sandbox`` as a process of its own and does what an
operator would do, with the same client: ``openstack optimize``. Only the
display of progress asks the APIs directly, several times a second.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from typing import NoReturn

from keystoneauth1 import exceptions as ka_exceptions
from keystoneauth1 import session
from keystoneauth1.identity import v3
from watcherclient import client as watcher_client
from watcherclient.common.apiclient import exceptions as client_exceptions

GOAL = 'cluster_maintaining'
STRATEGY = 'host_maintenance'
HOST = 'compute-1'
TEMPLATE = 'empty-' + HOST

UUID = re.compile(r'[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}')

#: The cloud to begin with: one host that is to be emptied, three others.
SANDBOX = ('--port', '0', '--hosts', '4', '--place', 'compute-1=4',
           '--place', 'compute-2=2', '--place', 'compute-3=3',
           '--migration-seconds', '1.5')

#: Longest times, in seconds.
START_LIMIT = 60
COMMAND_LIMIT = 60
AUDIT_LIMIT = 60
PLAN_LIMIT = 120

#: What ends the quick start.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

FINAL = ('SUCCEEDED', 'FAILED', 'CANCELLED', 'SUPERSEDED')

WORDS = {'PENDING': 'waiting', 'ONGOING': 'running', 'SUCCEEDED': 'done',
         'FAILED': 'FAILED', 'SKIPPED': 'skipped',
         'CANCELLED': 'cancelled'}

GO_ON = """\
The sandbox goes on running until you press Ctrl-C.

  Watcher API   %(api)s
  Keystone      %(auth_url)s   (user admin, password %(password)s)
  log           %(log)s

Use it from another terminal:

  . %(openrc)s
  export PATH=%(bin)s:$PATH
  openstack optimize strategy list
  openstack optimize audit create -g dummy -s dummy
  openstack optimize audit create -g cluster_maintaining \\
      -s host_maintenance -p maintenance_node=compute-3
  openstack optimize actionplan list
  openstack server list --all-projects --long -c Name -c Status -c Host
"""

GO_ON_ONCE = """\
Everything has been ended. To keep it running and try more, run
tools/quickstart.sh in a terminal, without --once. The tests are run by
tools/run-tests.sh; doc/source tells how to install the service for a real
cloud."""


class Failed(Exception):
    """The quick start cannot go on; the text tells why."""


class Interrupted(Exception):
    """Somebody wants it to end."""


def fail(text: str, *values: Any) -> NoReturn:
    raise Failed(text % values)


def wait_for(condition: Callable[[], Any], limit: float,
             what: str) -> Any:
    """Ask until the answer is true, and return it."""
    deadline = time.monotonic() + limit
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            fail('%s took longer than %d seconds', what, limit)
        time.sleep(0.2)


@contextlib.contextmanager
def _hold_signals() -> Iterator[None]:
    """What arrives meanwhile takes effect at the end."""
    arrived: list[int] = []
    former = {number: signal.signal(
        number, lambda number, frame: arrived.append(number))
        for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
    if arrived:
        signal.raise_signal(arrived[0])


# The sandbox ---------------------------------------------------------------

class Process:
    """``watcher-sandbox`` in a process of its own."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.log = state_dir / 'sandbox.log'
        self.openrc = state_dir / 'openrc'
        self._output = state_dir / 'sandbox.out'
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        """Start it and wait until it works."""
        # A process that an exception keeps us from knowing would stay.
        with self._output.open('wb') as output, _hold_signals():
            # In a session of its own: Ctrl-C is for us, we end it.
            self._process = subprocess.Popen(
                [sys.executable, '-W', 'ignore', '-m',
                 'watcher.cmd.sandbox', '--state-dir', str(self.state_dir),
                 '--log-file', str(self.log), *SANDBOX],
                stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True)
        wait_for(self._is_ready, START_LIMIT, 'Starting the sandbox')

    def _is_ready(self) -> bool:
        self.check()
        return 'is ready' in self._output.read_text(errors='replace')

    def check(self) -> None:
        """:raises Failed: when it has ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            lines = self._output.read_text(errors='replace').split('\n')
            fail('The sandbox has ended:\n%s', '\n'.join(lines[-15:]))

    def stop(self) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def credentials(self) -> dict[str, str]:
        """The variables of the openrc file."""
        pairs = re.findall(r'^export (\w+)=(.*)$', self.openrc.read_text(),
                           re.MULTILINE)
        return {name: shlex.split(value)[0] for name, value in pairs}


# The command line ----------------------------------------------------------

class CommandLine:
    """Runs ``openstack`` and shows it as one would see it."""

    def __init__(self, credentials: dict[str, str]) -> None:
        self._program = str(Path(sys.executable).parent / 'openstack')
        clean = {k: v for k, v in os.environ.items()
                 if not k.startswith('OS_')}
        self._environ = {**clean, **credentials, 'PYTHONWARNINGS': 'ignore'}

    def run(self, *arguments: str) -> str:
        """Show a command and what it prints; returns the latter."""
        print('\n$ openstack %s' % shlex.join(arguments), flush=True)
        done = subprocess.run(
            [self._program, *arguments], env=self._environ, text=True,
            stdin=subprocess.DEVNULL, capture_output=True,
            timeout=COMMAND_LIMIT, check=False)
        print(done.stdout.rstrip(), flush=True)
        if done.returncode:
            fail('openstack %s ended with code %d: %s',
                 shlex.join(arguments), done.returncode,
                 done.stderr.strip())
        return done.stdout


# The APIs ------------------------------------------------------------------

@dataclasses.dataclass
class HostView:
    name: str
    status: str
    servers: list[str]


class Cloud:
    """Questions to Nova and Watcher for the display."""

    def __init__(self, credentials: dict[str, str]) -> None:
        self._session = session.Session(auth=v3.Password(
            auth_url=credentials['OS_AUTH_URL'],
            username=credentials['OS_USERNAME'],
            password=credentials['OS_PASSWORD'],
            project_name=credentials['OS_PROJECT_NAME'],
            user_domain_name=credentials['OS_USER_DOMAIN_NAME'],
            project_domain_name=credentials['OS_PROJECT_DOMAIN_NAME']))
        self.watcher = watcher_client.get_client(
            '1', session=self._session, os_infra_optim_api_version='1.7')
        self.api_url = self._session.get_endpoint(service_type='infra-optim')

    def _nova(self, path: str) -> dict[str, Any]:
        return self._session.get(
            path, endpoint_filter={'service_type': 'compute'},
            headers={'OpenStack-API-Version': 'compute 2.87'},
            timeout=10).json()

    def servers(self) -> dict[str, dict[str, Any]]:
        """All servers by uuid."""
        found = self._nova('/servers/detail?all_tenants=1')['servers']
        return {server['id']: server for server in found}

    def hosts(self) -> list[HostView]:
        services = self._nova('/os-services?binary=nova-compute')
        views = {s['host']: HostView(s['host'], s['status'], [])
                 for s in services['services']}
        for server in self.servers().values():
            views[server['OS-EXT-SRV-ATTR:host']].servers.append(
                server['name'])
        return list(views.values())


# The display ---------------------------------------------------------------

def show_hosts(hosts: Sequence[HostView]) -> None:
    print('\n  %-12s%-12s%s' % ('Host', 'Service', 'Servers'))
    for host in hosts:
        names = sorted(host.servers, key=lambda n: (len(n), n))
        print('  %-12s%-12s%d  %s' % (host.name, host.status,
                                      len(names), ' '.join(names)))


def describe(action: Any, servers: dict[str, dict[str, Any]]) -> str:
    """An action in words."""
    given = action.input_parameters
    if action.action_type == 'migrate':
        server = servers.get(given['resource_id'], {})
        now = server.get('OS-EXT-SRV-ATTR:host', '(gone)')
        source = given['source_node']
        target = now if now != source else given.get(
            'destination_node', 'where Nova likes')
        return 'move %s (%s migration)  %s -> %s' % (
            server.get('name', given['resource_id']),
            given['migration_type'], source, target)
    if action.action_type == 'change_nova_service_state':
        return 'set the compute service of %s to %s' % (
            given.get('resource_name'), given['state'])
    return '%s %s' % (action.action_type, given)


class Progress:
    """The states of a plan's actions, redrawn in place on a terminal."""

    def __init__(self, in_place: bool) -> None:
        self._in_place = in_place
        self._drawn = 0
        self._said: dict[str, str] = {}

    def show(self, state: str, seconds: float,
             lines: dict[str, tuple[str, str]]) -> None:
        """Show the state of things.

        :param lines: state and description by uuid of the action.
        """
        if self._in_place:
            self._redraw(state, seconds, lines)
            return
        for uuid, (action_state, text) in lines.items():
            if self._said.get(uuid) != action_state:
                self._said[uuid] = action_state
                print('  %5.1f s  %-9s %s' % (
                    seconds, WORDS.get(action_state, action_state), text),
                    flush=True)

    def _redraw(self, state: str, seconds: float,
                lines: dict[str, tuple[str, str]]) -> None:
        done = sum(s in FINAL or s == 'SKIPPED' for s, _ in lines.values())
        width = 30
        filled = width * done // max(len(lines), 1)
        rows = ['  [%s%s] %d of %d  %s  %.1f s' % (
            '#' * filled, '.' * (width - filled), done, len(lines), state,
            seconds)]
        rows += ['    %-9s %s' % (WORDS.get(s, s), text)
                 for s, text in lines.values()]
        if self._drawn:
            print('\033[%dA' % self._drawn, end='')
        columns = shutil.get_terminal_size().columns
        for row in rows:
            print('\033[2K' + row[:columns - 1])
        sys.stdout.flush()
        self._drawn = len(rows)


# The story -----------------------------------------------------------------

class Story:
    """From a full host to an empty one."""

    def __init__(self, process: Process, in_place: bool) -> None:
        credentials = process.credentials()
        self._process = process
        self._in_place = in_place
        self._run = CommandLine(credentials).run
        self.cloud = Cloud(credentials)

    def tell(self) -> None:
        """:raises Failed: unless the plan succeeds and the servers move."""
        print('\nThe simulated cloud before:')
        show_hosts(self.cloud.hosts())
        to_move = {uuid for uuid, server in self.cloud.servers().items()
                   if server['OS-EXT-SRV-ATTR:host'] == HOST}
        print('\n%s needs maintenance. Which goals does Watcher know?'
              % HOST)
        self._run('optimize', 'goal', 'list', '-c', 'Name', '-c',
                  'Display name')
        plan = self._recommend()
        self._execute(plan)
        print('\nThe cloud after:')
        show_hosts(self.cloud.hosts())
        self._check(to_move)

    def _recommend(self) -> str:
        """Run the audit; returns the uuid of the action plan."""
        self._run('optimize', 'audittemplate', 'create', TEMPLATE, GOAL,
                  '-s', STRATEGY, '-c', 'Name', '-c', 'Goal', '-c',
                  'Strategy')
        created = self._run(
            'optimize', 'audit', 'create', '-a', TEMPLATE, '-p',
            'maintenance_node=' + HOST, '-c', 'UUID', '-c', 'State', '-c',
            'Goal')
        uuid = self._only_uuid(created, 'audits')
        audit = wait_for(self._finished(self.cloud.watcher.audit, uuid),
                         AUDIT_LIMIT, 'The audit')
        if audit.state != 'SUCCEEDED':
            fail('The audit is %s: %s', audit.state, audit.status_message)
        print('\nThe audit has succeeded. What does it recommend?')
        plan = self._only_uuid(
            self._run('optimize', 'actionplan', 'list', '--audit', uuid,
                      '-c', 'UUID', '-c', 'State'), 'action plans')
        self._run('optimize', 'actionplan', 'show', plan, '-c',
                  'Strategy', '-c', 'State', '-c', 'Efficacy indicators',
                  '-c', 'Global efficacy')
        self._run('optimize', 'action', 'list', '--action-plan', plan,
                  '-c', 'UUID', '-c', 'State', '-c', 'Action')
        self._explain(plan)
        return plan

    @staticmethod
    def _only_uuid(output: str, what: str) -> str:
        found = UUID.findall(output)
        if len(found) != 1:
            fail('There are %d %s instead of one', len(found), what)
        return found[0]

    def _explain(self, plan: str) -> None:
        shown = self.cloud.watcher.action_plan.get(plan)
        if not shown.efficacy_indicators:
            print('\nThe goal %s has no efficacy indicators: a host is '
                  'empty or it is not.' % GOAL)
        servers = self.cloud.servers()
        print('\nIn words, the plan is to')
        for action in self._actions(plan):
            print('  - ' + describe(action, servers))

    def _finished(self, manager: Any,
                  ident: str) -> Callable[[], Any]:
        def ask() -> Any:
            self._process.check()
            found = manager.get(ident)
            return found if found.state in FINAL else None
        return ask

    def _actions(self, plan: str) -> list[Any]:
        return self.cloud.watcher.action.list(action_plan=plan, detail=True)

    def _execute(self, plan: str) -> None:
        self._run('optimize', 'actionplan', 'start', plan, '-c', 'UUID',
                  '-c', 'State')
        print('\nProgress:', flush=True)
        progress = Progress(self._in_place)
        began = time.monotonic()

        def look() -> Any:
            self._process.check()
            found = self.cloud.watcher.action_plan.get(plan)
            servers = self.cloud.servers()
            progress.show(found.state, time.monotonic() - began, {
                action.uuid: (action.state, describe(action, servers))
                for action in self._actions(plan)})
            return found if found.state in FINAL else None
        found = wait_for(look, PLAN_LIMIT, 'The action plan')
        if found.state != 'SUCCEEDED':
            fail('The action plan is %s: %s', found.state,
                 found.status_message)
        print('\nThe action plan has SUCCEEDED after %.1f seconds.'
              % (time.monotonic() - began))

    def _check(self, moved: set[str]) -> None:
        servers = self.cloud.servers()
        for uuid in moved:
            server = servers.get(uuid)
            if server is None or server['status'] != 'ACTIVE' \
                    or server['OS-EXT-SRV-ATTR:host'] == HOST:
                fail('Server %s has not been moved from %s', uuid, HOST)
        print('\nAll %d servers of %s run on other hosts now, and Nova '
              'places no new ones there.' % (len(moved), HOST))


# The program ---------------------------------------------------------------

def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='tools/quickstart.sh',
        description='Run Watcher with a simulated cloud: an audit '
                    'recommends to empty a host, and the servers move.')
    parser.add_argument(
        '--once', action='store_true',
        help='end everything afterwards, as without a terminal; the exit '
             'code is 0 when the servers have moved')
    parser.add_argument(
        '--state-dir', type=Path, default=Path('.sandbox'),
        help='where a folder for this run is made (default: %(default)s)')
    return parser.parse_args(argv)


def _interrupt(number: int, frame: Any) -> NoReturn:
    # Only once: the end must not be interrupted.
    for name in SIGNALS:
        signal.signal(name, signal.SIG_IGN)
    raise Interrupted


@contextlib.contextmanager
def _folder(parent: Path) -> Iterator[Path]:
    """A folder for this run; what remains after a failure is kept."""
    parent.mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix='quickstart-', dir=parent))
    try:
        yield path.absolute()
    except Failed:
        raise
    except Interrupted:
        shutil.rmtree(path, ignore_errors=True)
        raise
    else:
        shutil.rmtree(path, ignore_errors=True)


def _stay(process: Process, cloud: Cloud) -> None:
    credentials = process.credentials()
    print(GO_ON % {
        'api': cloud.api_url, 'auth_url': credentials['OS_AUTH_URL'],
        'password': credentials['OS_PASSWORD'], 'log': process.log,
        'openrc': process.openrc, 'bin': Path(sys.executable).parent},
        flush=True)
    idle = threading.Event()
    try:
        while True:
            process.check()
            idle.wait(0.5)
    except Interrupted:
        print('\nEnding everything ...', flush=True)


def _run(process: Process, once: bool, began: float) -> None:
    in_place = sys.stdout.isatty() and os.environ.get('TERM') != 'dumb'
    print('Starting Watcher with a simulated cloud ...', flush=True)
    process.start()
    story = Story(process, in_place)
    story.tell()
    print('That took %.0f seconds.\n' % (time.monotonic() - began))
    if once:
        print(GO_ON_ONCE)
    else:
        _stay(process, story.cloud)


def _run_in(folder: Path, once: bool, began: float) -> None:
    process = Process(folder)
    try:
        _run(process, once, began)
    except (Failed, ka_exceptions.ClientException,
            client_exceptions.ClientException,
            subprocess.SubprocessError, OSError) as exc:
        raise Failed('%s\n\nThe log is kept: %s' % (exc, process.log))
    finally:
        process.stop()


def main(argv: Sequence[str] | None = None) -> int:
    """Tell the story; returns the exit code."""
    began = time.monotonic()
    args = _arguments(argv)
    once = args.once or not (sys.stdin.isatty() and sys.stdout.isatty())
    for name in SIGNALS:
        signal.signal(name, _interrupt)
    try:
        with _folder(args.state_dir) as folder:
            _run_in(folder, once, began)
    except Interrupted:
        print('\nEverything has been ended.')
        return 130
    except Failed as exc:
        print('\nThe quick start has failed. %s' % exc, file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
