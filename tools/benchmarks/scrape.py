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
"""What a scrape costs in a database with much history.

    eval "$(tools/ci-services.sh env)"
    python tools/benchmarks/scrape.py
    python tools/benchmarks/scrape.py --engine postgresql --audits 100000

Each audit has a plan with ten actions; one in a hundred plans is still open.
Times are the best of five, in milliseconds.
"""

import argparse
import time
import uuid

import sqlalchemy as sa

from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import session
from watcher.objects import figures
from watcher.tests.fixtures import database

ACTIONS = 10
#: Rows written with one statement.
CHUNK = 5000
PARAMETERS = {f'parameter_{number}': number * 1.5 for number in range(12)}
SCOPE = [{'compute': [{'host_aggregates': [{'name': 'somewhere'}]}]}]


def fill(audits: int) -> None:
    """Write audits with their plans and actions."""
    for first in range(1, audits + 1, CHUNK):
        numbers = range(first, min(first + CHUNK, audits + 1))
        write(models.Audit, [{
            'id': number, 'uuid': str(uuid.uuid4()), 'name': f'a{number}',
            'audit_type': 'ONESHOT', 'auto_trigger': False,
            'goal_id': 1, 'strategy_id': 1,
            'state': 'PENDING' if number % 100 == 0 else 'SUCCEEDED',
            'parameters': PARAMETERS, 'scope': SCOPE} for number in numbers])
        write(models.ActionPlan, [{
            'id': number, 'uuid': str(uuid.uuid4()), 'audit_id': number,
            'strategy_id': 1, 'global_efficacy': [],
            'state': 'ONGOING' if number % 100 == 0 else 'SUCCEEDED'}
            for number in numbers])
        write(models.Action, [{
            'uuid': str(uuid.uuid4()), 'action_plan_id': number,
            'action_type': 'migrate', 'state': 'SUCCEEDED', 'parents': [],
            'input_parameters': PARAMETERS}
            for number in numbers for _action in range(ACTIONS)])


def write(model: type, rows: list[dict]) -> None:
    with session.writer() as writing:
        writing.execute(sa.insert(model), rows)


def best(read) -> float:
    times = []
    for _attempt in range(5):
        began = time.perf_counter()
        list(read())
        times.append(time.perf_counter() - began)
    return min(times) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--engine', default=database.MYSQL,
                        choices=database.ENGINES)
    parser.add_argument('--audits', type=int, nargs='+',
                        default=[1000, 10000])
    arguments = parser.parse_args()
    for audits in arguments.audits:
        with database.Database(arguments.engine):
            write(models.Goal, [{'id': 1, 'uuid': str(uuid.uuid4()),
                                 'name': 'g', 'display_name': 'g',
                                 'efficacy_specification': []}])
            write(models.Strategy, [{
                'id': 1, 'uuid': str(uuid.uuid4()), 'name': 's',
                'display_name': 's', 'goal_id': 1}])
            fill(audits)
            print(f'{arguments.engine}, {audits} audits: '
                  f'engine {best(figures.read_audits):.1f} ms, '
                  f'applier {best(figures.read_plans):.1f} ms')


if __name__ == '__main__':
    main()
