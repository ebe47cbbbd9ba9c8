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
"""What views of a compute model cost in clouds of different sizes.

Each size is measured in a process of its own. Times are the best of several
rounds, in microseconds, and as a multiple of those of the smallest cloud:
what costs the same everywhere shows 1.0 or, where the processor's caches no
longer hold the model, somewhat more.

    python tools/benchmarks/model_views.py
    python tools/benchmarks/model_views.py --servers 1000 20000
"""

import argparse
import gc
import multiprocessing
import random
import resource
import time
from multiprocessing import connection

from watcher.decision_engine.model import element
from watcher.decision_engine.model import model_root

SERVERS_ON_A_HOST = 20
ROUNDS = 15
STEPS = 100


def uuid(kind: int, number: int) -> str:
    return f'{number:08x}-0000-4000-{kind:04x}-000000000000'


def build(servers: int) -> model_root.ModelRoot:
    """Return a model as a collector would make it."""
    model = model_root.ModelRoot()
    hosts = servers // SERVERS_ON_A_HOST
    for number in range(hosts):
        model.add_node(element.ComputeNode(
            uuid=uuid(1, number), hostname=f'host-{number}', vcpus=64,
            vcpu_reserved=0, vcpu_ratio=4.0, memory=524288,
            memory_mb_reserved=512, memory_ratio=1.0, disk=4000,
            disk_gb_reserved=0, disk_ratio=1.0))
    for number in range(servers):
        model.add_instance(element.Instance.trusted(
            uuid=uuid(2, number), name=f'server-{number}', state='active',
            memory=4096, vcpus=2, disk=40, metadata={'role': 'web'},
            project_id='6f70656e737461636b20697320666f72',
            host=f'host-{number % hosts}'))
        model.map_instance(uuid(2, number), uuid(1, number % hosts))
    return model


class Bench:
    """Operations on one model; each takes the number of its step."""

    def __init__(self, servers: int):
        start = time.process_time()
        self.model = build(servers)
        self.built = time.process_time() - start
        self.memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self.servers = servers
        self.hosts = servers // SERVERS_ON_A_HOST
        self.view = self.model.copy()
        chosen = random.Random(1)
        self.some = [uuid(2, chosen.randrange(servers))
                     for _ in range(STEPS)]
        self.names = [f'host-{chosen.randrange(self.hosts)}'
                      for _ in range(STEPS)]

    def change(self, step: int) -> None:
        """Do what a notification does: new fields, another host."""
        known = self.model.get_instance_by_uuid(self.some[step])
        known.update({'state': 'paused', 'memory': 1024 + step})
        self.model.map_instance(
            known, self.model.get_node_by_name(self.names[step]))

    def view_of_unchanged(self, step: int) -> None:
        self.model.copy()

    def change_and_view(self, step: int) -> None:
        self.change(step)
        self.model.copy()

    def simulated_move(self, step: int) -> None:
        """Nest a view, move a server there, ask, throw it away."""
        trial = self.view.copy()
        known = trial.get_instance_by_uuid(self.some[step])
        trial.migrate_instance(
            known, trial.get_node_by_instance_uuid(known.uuid),
            trial.get_node_by_name(self.names[step]))
        trial.get_node_free_resources(
            trial.get_node_by_instance_uuid(known.uuid))

    def migrate(self, step: int) -> None:
        known = self.view.get_instance_by_uuid(self.some[step])
        self.view.migrate_instance(
            known, self.view.get_node_by_instance_uuid(known.uuid),
            self.view.get_node_by_name(self.names[step]))

    def lookup_server(self, step: int) -> None:
        self.view.get_instance_by_uuid(self.some[step])

    def lookup_host_by_name(self, step: int) -> None:
        self.view.get_node_by_name(self.names[step])

    def lookup_host_of_server(self, step: int) -> None:
        self.view.get_node_by_instance_uuid(self.some[step])

    def used_resources(self, step: int) -> None:
        self.view.get_node_used_resources(
            self.view.get_node_by_name(self.names[step]))


OPERATIONS = {
    'view of an unchanged model': Bench.view_of_unchanged,
    'apply a change': Bench.change,
    'apply a change and make a view': Bench.change_and_view,
    'nested view, one move, ask, discard': Bench.simulated_move,
    'migrate a server': Bench.migrate,
    'look a server up': Bench.lookup_server,
    'look a host up by name': Bench.lookup_host_by_name,
    'look the host of a server up': Bench.lookup_host_of_server,
    'used resources of a host': Bench.used_resources,
}


def measure(servers: int, asked: connection.Connection) -> None:
    """Answer with the microseconds of one step of what is asked for."""
    empty = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    bench = Bench(servers)
    asked.send((bench.built / servers * 1e6, (bench.memory - empty) / 1024))
    gc.collect()
    gc.freeze()  # a collection amid a round would hit one size only
    while (name := asked.recv()) is not None:
        operation = OPERATIONS[name]
        start = time.perf_counter()
        for step in range(STEPS):
            operation(bench, step)
        asked.send((time.perf_counter() - start) / STEPS * 1e6)


def line(name: str, figures: list[float]) -> None:
    print(f'{name:<36}' + ''.join(
        f'{figure:12.1f} {figure / figures[0]:7.2f}' for figure in figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--servers', type=int, nargs='+',
                        default=[1000, 20000, 200000])
    sizes = parser.parse_args().servers
    context = multiprocessing.get_context('spawn')
    processes = []
    for servers in sizes:
        ours, theirs = context.Pipe()
        process = context.Process(target=measure, args=(servers, theirs))
        process.start()
        processes.append((process, ours))
    first = [ours.recv() for _process, ours in processes]
    print(f'{"servers":<36}' + ''.join(f'{servers:>20}' for servers in sizes))
    for name in OPERATIONS:
        best = [float('inf')] * len(sizes)
        # By turns, so that a busy machine is busy for all sizes.
        for _ in range(ROUNDS):
            for number, (_process, ours) in enumerate(processes):
                ours.send(name)
                best[number] = min(best[number], ours.recv())
        line(name, best)
    line('build, for each server', [built for built, _memory in first])
    line('memory in MB', [memory for _built, memory in first])
    for process, ours in processes:
        ours.send(None)
        process.join()


if __name__ == '__main__':
    main()
