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
"""What the REST API costs with a large database.

Fills an empty database, starts watcher-api as it is installed and asks it
with several clients at once. Prints requests per second, how long the
clients waited, how many SQL statements a request takes, and the processor
time of the servers for one request: also as a multiple of what reading a
thousand audits with a bare SELECT and writing them as JSON takes in this
run, so that results of different machines can be compared.

    python tools/benchmarks/api.py
    python tools/benchmarks/api.py --url mysql+pymysql://u:p@host/empty

The database is an SQLite file in a temporary directory if none is named.
"""

import argparse
import concurrent.futures
import dataclasses
import datetime
import http.client
import itertools
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from typing import Any

import psutil
import sqlalchemy as sa
import webob
from oslo_service import backend

# Before anything imports what asks for it.
backend.init_backend(backend.BackendType.THREADING)

from watcher import conf  # noqa: E402
from watcher.api import app as api_app  # noqa: E402
from watcher.common import rpc  # noqa: E402
from watcher.db.sqlalchemy import migration  # noqa: E402
from watcher.db.sqlalchemy import models  # noqa: E402
from watcher.db.sqlalchemy import session  # noqa: E402

CONF = conf.CONF

HEADERS = {'X-Roles': 'admin', 'Content-Type': 'application/json',
           'OpenStack-API-Version': 'infra-optim latest'}

SERVER = ("import sys; sys.argv[0] = 'watcher-api'; "
          "from watcher.cmd import api; sys.exit(api.main())")

CONFIG = """
[DEFAULT]
transport_url = fake://
enable_authentication = false
[database]
connection = {url}
[api]
host = 127.0.0.1
port = {port}
workers = {workers}
[oslo_messaging_notifications]
driver = noop
"""

GOALS, STRATEGIES = 12, 30
STATES = ('PENDING', 'ONGOING', 'SUCCEEDED', 'FAILED', 'CANCELLED')
START = datetime.datetime(2026, 1, 1)

#: Seconds a server may take to start and to end.
PATIENCE = 60


# Rows ---------------------------------------------------------------------

def _uuid(kind: str, number: int) -> str:
    """Return a UUID that is the same in every run, in no order."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f'{kind} {number}'))


class Filler:
    """Writes the rows with few statements."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection

    def fill(self, audits: int, plans: int, actions: int) -> None:
        self._insert(models.Goal, GOALS, self._goal)
        self._insert(models.Strategy, STRATEGIES, self._strategy)
        self._insert(models.Audit, audits, self._audit)
        self._insert(models.ActionPlan, plans, lambda number: {
            'audit_id': number % audits + 1,
            'strategy_id': number % STRATEGIES + 1, 'state': 'RECOMMENDED',
            'global_efficacy': [{'name': 'released', 'description': 'nodes',
                                 'unit': '%', 'value': 12.5}]})
        self._insert(models.EfficacyIndicator, 2 * plans, lambda number: {
            'action_plan_id': number // 2 + 1, 'name': f'kind{number % 2}',
            'description': 'a number', 'value': 1, 'data': 1.5})
        self._insert(models.Action, actions, lambda number: {
            'action_plan_id': number * plans // actions + 1,
            'action_type': 'migrate', 'state': 'PENDING', 'parents': [],
            'input_parameters': {
                'resource_id': f'server-{number}', 'source_node': 'host-1',
                'destination_node': 'host-2', 'migration_type': 'live'}})

    def _insert(self, model: type, count: int, make: Any) -> None:
        rows = [{'uuid': _uuid(model.__tablename__, number), 'deleted': 0,
                 'created_at': START + datetime.timedelta(seconds=number),
                 **make(number)} for number in range(count)]
        for start in range(0, count, 5000):
            self.connection.execute(sa.insert(model),
                                    rows[start:start + 5000])

    @staticmethod
    def _goal(number: int) -> dict[str, Any]:
        return {'name': f'goal{number}', 'display_name': f'Goal {number}',
                'efficacy_specification': []}

    @staticmethod
    def _strategy(number: int) -> dict[str, Any]:
        return {'name': f'strategy{number}', 'display_name': 'A strategy',
                'goal_id': number % GOALS + 1,
                'parameters_spec': {'type': 'object', 'properties': {
                    f'p{name}': {'type': 'number', 'default': 1.0,
                                 'description': 'a parameter ' * 6}
                    for name in range(10)}}}

    @staticmethod
    def _audit(number: int) -> dict[str, Any]:
        return {'name': f'audit-{number}', 'audit_type': 'ONESHOT',
                'state': STATES[number % len(STATES)],
                'parameters': {'p1': 1.0, 'p2': 2.0}, 'scope': [],
                'goal_id': number % GOALS + 1,
                'strategy_id': number % STRATEGIES + 1,
                'auto_trigger': False, 'force': False}


def fill(audits: int, plans: int, actions: int) -> None:
    """Fill the database of the configuration, which has to be empty."""
    migration.upgrade()
    with session.get_engine().begin() as connection:
        if connection.execute(sa.select(models.Goal.id).limit(1)).first():
            raise SystemExit('The database is not empty.')
        Filler(connection).fill(audits, plans, actions)


# Requests -----------------------------------------------------------------

@dataclasses.dataclass
class Scenario:
    """One kind of request; a callable makes each one anew."""

    name: str
    method: str
    path: Any
    body: Any = None
    status: int = 200

    def request(self) -> tuple[str, str, bytes]:
        path = self.path() if callable(self.path) else self.path
        body = self.body() if callable(self.body) else self.body
        return (self.method, path,
                b'' if body is None else json.dumps(body).encode())


def _uuid_of(model: type, number: int) -> str:
    with session.reader() as reader:
        return reader.execute(sa.select(model.uuid).where(
            model.id == number)).scalar()


def scenarios(audits: int, plans: int, actions: int) -> list[Scenario]:
    """Return what is measured."""
    audit = _uuid_of(models.Audit, audits // 2)
    plan = _uuid_of(models.ActionPlan, plans // 2)
    action = _uuid_of(models.Action, actions // 2)
    deep = _uuid_of(models.Action, actions - 20)
    numbers = itertools.count()

    def creation() -> dict[str, Any]:
        return {'name': f'new {os.getpid()} {next(numbers)}',
                'audit_type': 'CONTINUOUS', 'interval': '3600',
                'goal': 'goal1'}

    def change() -> list[dict[str, Any]]:
        return [{'op': 'replace', 'path': '/interval',
                 'value': str(next(numbers) + 60)}]

    return [
        Scenario('audits, 1000', 'GET', '/v1/audits'),
        Scenario('audits in detail, 1000', 'GET', '/v1/audits/detail'),
        Scenario('action plans in detail, 1000', 'GET',
                 '/v1/action_plans/detail'),
        Scenario('actions in detail, 1000', 'GET', '/v1/actions/detail'),
        Scenario('audits, 20', 'GET', '/v1/audits?limit=20'),
        Scenario('audits of a goal, 20', 'GET',
                 '/v1/audits?limit=20&goal=goal3'),
        Scenario('actions of an audit', 'GET',
                 f'/v1/actions?audit_uuid={audit}'),
        Scenario('last page of actions, 20', 'GET',
                 f'/v1/actions?limit=20&marker={deep}'),
        Scenario('audits by name of goal, 20', 'GET',
                 '/v1/audits?limit=20&sort_key=goal_name'),
        Scenario('actions by plan, 20', 'GET',
                 '/v1/actions?limit=20&sort_key=action_plan_uuid'),
        Scenario('one audit', 'GET', f'/v1/audits/{audit}'),
        Scenario('one action plan', 'GET', f'/v1/action_plans/{plan}'),
        Scenario('one action', 'GET', f'/v1/actions/{action}'),
        Scenario('create an audit', 'POST', '/v1/audits', creation, 201),
        Scenario('change an audit', 'PATCH', f'/v1/audits/{audit}', change),
    ]


class Counter:
    """Counts the SQL statements of requests, in this process."""

    def __init__(self) -> None:
        rpc.init(CONF)
        self.app = api_app.setup_app(CONF)
        self.count = 0
        sa.event.listen(session.get_engine(), 'before_cursor_execute',
                        self._note)

    def _note(self, connection: Any, cursor: Any, statement: str,
              *others: Any) -> None:
        # The frame of a transaction on SQLite is a statement elsewhere not.
        self.count += not statement.startswith('BEGIN')

    def statements(self, scenario: Scenario) -> int:
        """Return how many one request takes."""
        method, path, body = scenario.request()
        request = webob.Request.blank(path, method=method, body=body,
                                      headers=HEADERS)
        before = self.count
        response = request.get_response(self.app)
        if response.status_int != scenario.status:
            raise SystemExit(f'{scenario.name}: {response.text}')
        return self.count - before


def baseline() -> float:
    """Return processor seconds of the least that a list can do.

    The shortest of many: other processes only make it longer.
    """
    model = models.Audit
    columns = (model.uuid, model.name, model.audit_type, model.state,
               model.goal_id, model.strategy_id, model.interval, model.scope,
               model.auto_trigger, model.next_run_time, model.force)
    statement = sa.select(*columns).order_by(model.id).limit(1000)
    times = []
    for _turn in range(30):
        began = time.process_time()
        with session.reader() as reader:
            rows = reader.execute(statement).all()
        json.dumps([row._asdict() for row in rows])
        times.append(time.process_time() - began)
    return min(times)


# Server and clients -------------------------------------------------------

def configure(directory: str, url: str | None, workers: int) -> str:
    """Write the configuration that all processes use; return its path."""
    url = url or f'sqlite:///{directory}/watcher.sqlite'
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    path = os.path.join(directory, 'watcher.conf')
    with open(path, 'w', encoding='utf-8') as stream:
        # oslo.config takes $ for the name of another option.
        stream.write(CONFIG.format(url=url.replace('$', '$$'), port=port,
                                   workers=workers))
    CONF(['--config-file', path], project='watcher')
    return path


class Server:
    """watcher-api with its worker processes."""

    def __init__(self, directory: str, config: str) -> None:
        self.port = CONF.api.port
        self.log_path = os.path.join(directory, 'watcher-api.log')
        with open(self.log_path, 'wb') as log:
            self.process = subprocess.Popen(
                [sys.executable, '-c', SERVER, '--config-file', config],
                stdout=log, stderr=log)
        self._wait()
        self.processes = [psutil.Process(self.process.pid)]
        self.processes += self.processes[0].children(recursive=True)

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                connection = http.client.HTTPConnection(
                    '127.0.0.1', self.port, timeout=PATIENCE)
                connection.request('GET', '/v1/goals', headers=HEADERS)
                if connection.getresponse().status == 200:
                    return
            except OSError:
                time.sleep(0.1)
        with open(self.log_path, encoding='utf-8') as log:
            raise SystemExit(f'watcher-api does not answer:\n{log.read()}')

    def processor_time(self) -> float:
        """Return the seconds that all processes have used so far."""
        times = [process.cpu_times() for process in self.processes]
        return sum(used.user + used.system for used in times)

    def memory(self) -> int:
        """Return the peak of the largest process in bytes."""
        peaks = []
        for process in self.processes:
            with open(f'/proc/{process.pid}/status',
                      encoding='ascii') as status:
                peaks += [int(line.split()[1]) * 1024 for line in status
                          if line.startswith('VmHWM')]
        return max(peaks)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)


class Clients:
    """Several clients that ask one after the other, each on a connection."""

    def __init__(self, port: int, count: int) -> None:
        self.port = port
        self.count = count
        self._local = threading.local()
        self._pool = concurrent.futures.ThreadPoolExecutor(count)

    def _connection(self) -> http.client.HTTPConnection:
        if not hasattr(self._local, 'connection'):
            self._local.connection = http.client.HTTPConnection(
                '127.0.0.1', self.port, timeout=PATIENCE)
        return self._local.connection

    def _ask(self, scenario: Scenario) -> float:
        method, path, body = scenario.request()
        began = time.perf_counter()
        connection = self._connection()
        connection.request(method, path, body=body, headers=HEADERS)
        response = connection.getresponse()
        response.read()
        if response.status != scenario.status:
            raise SystemExit(f'{scenario.name}: {response.status}')
        return time.perf_counter() - began

    def ask(self, scenario: Scenario, requests: int) -> list[float]:
        """Return the seconds that each request took."""
        return list(self._pool.map(self._ask, [scenario] * requests))

    def stop(self) -> None:
        self._pool.shutdown()


# Report -------------------------------------------------------------------

def measure(server: Server, clients: Clients, scenario: Scenario,
            requests: int, unit: float) -> dict[str, Any]:
    """Return the figures of one scenario."""
    clients.ask(scenario, clients.count)
    used, began = server.processor_time(), time.perf_counter()
    times = sorted(clients.ask(scenario, requests))
    spent = time.perf_counter() - began
    used = (server.processor_time() - used) / requests
    return {'requests_per_second': requests / spent,
            'p50_ms': 1000 * statistics.median(times),
            'p99_ms': 1000 * times[int(0.99 * (len(times) - 1))],
            'processor_ms': 1000 * used, 'ratio': used / unit}


def show(figures: dict[str, Any]) -> None:
    """Print the table."""
    print(f'{"":<30}{"SQL":>5}{"req/s":>9}{"p50 ms":>9}{"p99 ms":>9}'
          f'{"CPU ms":>9}{"ratio":>8}')
    for name, line in figures['scenarios'].items():
        print(f'{name:<30}{line["statements"]:>5}'
              f'{line["requests_per_second"]:>9.1f}{line["p50_ms"]:>9.1f}'
              f'{line["p99_ms"]:>9.1f}{line["processor_ms"]:>9.2f}'
              f'{line["ratio"]:>8.2f}')
    print(f'ratio 1.00 = {figures["baseline_ms"]:.2f} ms; peak memory '
          f'{figures["memory_mib"]:.0f} MiB a process; rows written in '
          f'{figures["fill_seconds"]:.1f} s')


def run(args: argparse.Namespace, directory: str) -> dict[str, Any]:
    """Fill, start, measure."""
    config = configure(directory, args.url, args.workers)
    rows = (args.audits, args.plans, args.actions)
    began = time.perf_counter()
    fill(*rows)
    figures: dict[str, Any] = {
        'database': session.get_engine().dialect.name,
        'workers': args.workers, 'clients': args.clients,
        'fill_seconds': time.perf_counter() - began, 'scenarios': {}}
    wanted = scenarios(*rows)
    counter = Counter()
    unit = baseline()
    figures['baseline_ms'] = 1000 * unit
    server = Server(directory, config)
    clients = Clients(server.port, args.clients)
    try:
        for scenario in wanted:
            figures['scenarios'][scenario.name] = {
                'statements': counter.statements(scenario),
                **measure(server, clients, scenario, args.requests, unit)}
        figures['memory_mib'] = server.memory() / 2 ** 20
    finally:
        clients.stop()
        server.stop()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--url', help='SQLAlchemy URL of an empty database')
    parser.add_argument('--workers', type=int, default=1)
    parser.add_argument('--clients', type=int, default=8)
    parser.add_argument('--requests', type=int, default=200,
                        help='requests of each kind')
    parser.add_argument('--audits', type=int, default=10000)
    parser.add_argument('--plans', type=int, default=10000)
    parser.add_argument('--actions', type=int, default=100000)
    parser.add_argument('--json', action='store_true',
                        help='print the figures as JSON')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        figures = run(args, directory)
    if args.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures)


if __name__ == '__main__':
    main()
