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
"""What the workflow engine costs besides the actions, by shape of the plan.

The tasks do nothing, so that the time is that of building the graph, of
finding what may run next and of handing it to threads. "ratio" is the CPU
time in multiples of the one before: as much as the plan has grown, or less.

"limited" are moves between hosts that are all free to start but for limits
per source, per destination and in total: nearly all of them wait nearly all
the time, without a thread.

    python tools/benchmarks/workflow.py
    python tools/benchmarks/workflow.py --actions 1000 8000 64000
"""

import argparse
import time
import types

from taskflow import task as flow_task

from watcher import conf
from watcher.applier import threads
from watcher.applier.actions import base
from watcher.applier.workflow_engine import admission
from watcher.applier.workflow_engine import graph
from watcher.applier.workflow_engine import limits

WORKERS = 4
LIMITS = {'max_actions_total': 10, 'max_actions_per_source': 2,
          'max_actions_per_destination': 1}


class Nothing(flow_task.Task):

    def execute(self):
        """Do nothing."""


class Interrupted(Exception):
    """The last task of a plan that is cancelled."""


class Last(Nothing):

    def execute(self):
        raise Interrupted()


def chain(number: int, _count: int) -> tuple[int, ...]:
    """Each waits for the one before it."""
    return (number - 1,) if number else ()


def star(number: int, _count: int) -> tuple[int, ...]:
    """All wait for the first."""
    return (0,) if number else ()


def layers(number: int, count: int) -> tuple[int, ...]:
    """Ten after ten, each of which waits for two of the ten before."""
    return tuple(one for one in (number - 10, number - 9)
                 if number >= 10 and one < count)


SHAPES = {'chain': chain, 'star': star, 'layers': layers}


class Hosts:
    """Stands for the engine: no database, no plan that is cancelled."""

    def __init__(self):
        self.places = limits.Places()
        self.halted = None

    def look_at_plan(self) -> bool:
        """The plan is not paused."""
        return False

    def look_at_others(self) -> None:
        """Nothing else runs."""


class Move(Nothing):
    """A move between two of a hundred hosts."""

    state = 'PENDING'

    def __init__(self, number: int):
        super().__init__(name=f'move-{number}')
        self.db_action = types.SimpleNamespace(uuid=self.name)
        self.keys = limits.keys_of(base.Claims(
            subjects=(self.name,), source=f'host-{number % 10}',
            destination=f'host-{10 + number % 90}'))


def measure_limited(count: int) -> float:
    """Return the CPU seconds of running so many moves within limits."""
    parents = {Move(number): () for number in range(count)}
    pool = threads.DaemonPool(WORKERS, name='benchmark')
    started = time.process_time()
    graph.TaskGraph(parents).run(pool, admission.Admission(Hosts()))
    pool.shutdown()
    return time.process_time() - started


def measure(shape: str, count: int, cancelled: bool) -> float:
    """Return the CPU seconds of running so many tasks."""
    tasks = [Nothing(name=f'task-{number}') for number in range(count - 1)]
    tasks.append((Last if cancelled else Nothing)(name='last'))
    parents = {task: [tasks[one] for one in SHAPES[shape](number, count)]
               for number, task in enumerate(tasks)}
    pool = threads.DaemonPool(WORKERS, name='benchmark')
    started = time.process_time()
    try:
        graph.TaskGraph(parents).run(pool)
    except Interrupted:
        print('cancelled ', end='')
    finally:
        pool.shutdown()
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.partition('\n')[0])
    parser.add_argument('--actions', type=int, nargs='+',
                        default=[1000, 8000])
    given = parser.parse_args()
    conf.CONF([], project='watcher', default_config_files=[])
    for shape in SHAPES:
        for cancelled in (False, True):
            before = None
            for count in given.actions:
                spent = measure(shape, count, cancelled)
                ratio = f', ratio {spent / before:.1f}' if before else ''
                print(f'{shape:7} {count:6} actions: {spent:.3f} s CPU, '
                      f'{spent / count * 1e6:.0f} us each{ratio}')
                before = spent
    for option, number in LIMITS.items():
        conf.CONF.set_override(option, number, 'watcher_applier')
    before = None
    for count in given.actions:
        spent = measure_limited(count)
        ratio = f', ratio {spent / before:.1f}' if before else ''
        print(f'limited {count:6} actions: {spent:.3f} s CPU, '
              f'{spent / count * 1e6:.0f} us each{ratio}')
        before = spent


if __name__ == '__main__':
    main()
