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
"""What it costs to make and store a plan, by planner and number of actions.

Each action is a migration with an explanation. Everything is stored in a new
SQLite file: checks, graph, plan, actions and explanations. "ratio" is the
time in multiples of the one before: as much as the plan has grown, or less.

    python tools/benchmarks/planners.py
    python tools/benchmarks/planners.py --actions 1000 20000
"""

import argparse
import logging
import os
import tempfile
import time
import uuid

from watcher import conf
from watcher import objects
from watcher.common import config
from watcher.common import context
from watcher.common import utils
from watcher.db.sqlalchemy import migration
from watcher.decision_engine.goal import goals
from watcher.decision_engine.planner import manager
from watcher.decision_engine.solution import default
from watcher.decision_engine.solution import explanation

CONF = conf.CONF
PLANNERS = ('weight', 'workload_stabilization', 'node_resource_consolidation')
SERVERS_ON_A_HOST = 20

WHY = explanation.Explanation(
    'host-1 is too busy', 'overload',
    [explanation.Measure('host_cpu_usage', 92.0, 71.5, '%', 'host-1', 80.0)],
    {f'host-{number}': 'no room' for number in range(20)})


def make_solution(count: int) -> default.DefaultSolution:
    solution = default.DefaultSolution(
        goal=goals.Dummy(utils.Struct()), strategy=utils.Struct(name='dummy'))
    hosts = max(1, count // SERVERS_ON_A_HOST)
    for number in range(count):
        solution.add_action(
            'migrate',
            {'migration_type': 'live', 'source_node': f'host-{number % hosts}',
             'resource_name': f'server-{number}'},
            resource_id=str(uuid.UUID(int=number)), reason=WHY)
    return solution


def make_audit(admin) -> objects.Audit:
    goal = objects.Goal(admin, name='dummy', display_name='dummy',
                        efficacy_specification=[]).create()
    strategy = objects.Strategy(admin, name='dummy', display_name='dummy',
                                goal_id=goal.id, parameters_spec={}).create()
    return objects.Audit(
        admin, name='benchmark', audit_type='ONESHOT', state='ONGOING',
        parameters={}, scope=[], goal_id=goal.id, strategy_id=strategy.id,
        auto_trigger=False).create()


def measure(admin, audit, name: str, solution) -> tuple[float, int]:
    """Return the CPU seconds of one plan, and how many parents it has."""
    planner = manager.PlannerManager().load(name)
    started = time.process_time()
    plan = planner.schedule(admin, audit.id, solution)
    seconds = time.process_time() - started
    actions = objects.Action.list(admin, filters={'action_plan_id': plan.id})
    return seconds, sum(len(action.parents) for action in actions)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--actions', type=int, nargs='+',
                        default=[1000, 5000, 25000])
    sizes = parser.parse_args().actions
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        config.set_lib_defaults()
        CONF([], default_config_files=[], default_config_dirs=[])
        path = os.path.join(folder, 'benchmark.sqlite')
        CONF.set_override('connection', f'sqlite:///{path}', 'database')
        migration.create_schema()
        admin = context.admin_context()
        audit = make_audit(admin)
        print(f"{'planner':<28}{'actions':>9}{'seconds':>9}{'ratio':>7}"
              f"{'parents':>9}")
        solutions = {count: make_solution(count) for count in sizes}
        for name in PLANNERS:
            # What is loaded but once does not count.
            measure(admin, audit, name, make_solution(1))
            before = None
            for count, solution in solutions.items():
                seconds, parents = measure(admin, audit, name, solution)
                ratio = f'{seconds / before:.1f}' if before else ''
                print(f'{name:<28}{count:>9}{seconds:>9.2f}{ratio:>7}'
                      f'{parents:>9}', flush=True)
                before = seconds


if __name__ == '__main__':
    main()
