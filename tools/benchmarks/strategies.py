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
"""What strategies cost on clouds of different sizes.

Each strategy runs whole (gather, decide, emit, check of the plan) on a
synthetic cluster with metrics in memory, each size in a process of its own.
Shown are the CPU time, the peak memory, the questions to the data source, the
actions and the global efficacy; last the growth: the exponent e with which
the time grew from one size to the next, time ~ (hosts + servers)^e.

    python tools/benchmarks/strategies.py
    python tools/benchmarks/strategies.py --strategy workload_balance \\
        --size 200x4000 --size 1000x20000
"""

import argparse
import dataclasses
import json
import math
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from multiprocessing import connection
from typing import Any

import numpy
from oslo_config import cfg

from watcher.common import utils
from watcher.decision_engine.loading import default as loading
from watcher.decision_engine.model import element
from watcher.decision_engine.model import model_root
from watcher.tests.fixtures import metrics

SIZES = ('50x1000', '200x4000', '1000x20000')

#: Shares of the memory and CPU of a host that its servers use, least and
#: most: some hosts are crowded, some nearly idle.
SPREAD = (0.1, 0.9)


def uuid(kind: int, number: int) -> str:
    return f'{number:08x}-0000-4000-{kind:04x}-000000000000'


@dataclasses.dataclass
class Cloud:
    """A synthetic cluster with the loads of its hosts and servers."""

    compute: model_root.ModelRoot
    storage: model_root.StorageModelRoot
    source: metrics.FakeDataSource
    hosts: int
    servers: int


def build(hosts: int, servers: int, seed: int = 1) -> Cloud:
    """Make a cluster: unevenly filled hosts, servers of four flavors."""
    dice = numpy.random.default_rng(seed)
    model = model_root.ModelRoot()
    for number in range(hosts):
        model.add_node(element.ComputeNode(
            uuid=uuid(1, number), hostname=f'host-{number:05d}',
            status='enabled', state='up', vcpus=96, vcpu_reserved=0,
            vcpu_ratio=4.0, memory=524288, memory_mb_reserved=512,
            memory_ratio=1.0, disk=8000, disk_gb_reserved=0,
            disk_ratio=1.0))
    weights = dice.uniform(*SPREAD, hosts)
    homes = dice.choice(hosts, servers, p=weights / weights.sum())
    sizes = dice.choice(4, servers, p=(.4, .3, .2, .1))
    usage = dice.uniform(0, 60, servers)
    load, memory = numpy.zeros(hosts), numpy.zeros(hosts)
    cpu, ram = {}, {}
    for number in range(servers):
        vcpus = 2 ** int(sizes[number])
        key = uuid(2, number)
        model.add_instance(element.Instance.trusted(
            uuid=key, name=f'server-{number}', state='active',
            memory=2048 * vcpus, vcpus=vcpus, disk=20,
            metadata={}, project_id=f'{number % 50:032x}', locked=False,
            host=f'host-{homes[number]:05d}'))
        model.map_instance(key, uuid(1, int(homes[number])))
        cpu[key] = float(usage[number])
        ram[key] = 2048.0 * vcpus * float(usage[number]) / 60
        load[homes[number]] += vcpus * usage[number] / 96
        memory[homes[number]] += ram[key] * 1024
    source = metrics.FakeDataSource()
    source.set('instance_cpu_usage', cpu)
    source.set('instance_ram_usage', ram)
    source.set('instance_l3_cache_usage', cpu)
    source.set('instance_ram_allocated', ram)
    source.set('instance_root_disk_size', dict.fromkeys(cpu, 20.0))
    named = [uuid(1, number) for number in range(hosts)]
    source.set('host_cpu_usage', _of(named, numpy.minimum(load, 100)))
    source.set('host_ram_usage', _of(named, memory))
    source.set('host_outlet_temp', _of(named, 20 + load / 4))
    source.set('host_inlet_temp', _of(named, dice.uniform(18, 24, hosts)))
    source.set('host_airflow', _of(named, 300 + load * 3))
    source.set('host_power', _of(named, 200 + load * 4))
    return Cloud(model, storage(hosts, servers // 4, dice), source, hosts,
                 servers)


def _of(keys, values):
    return dict(zip(keys, map(float, values), strict=True))


def storage(pools: int, volumes: int, dice) -> model_root.StorageModelRoot:
    """Make pools with volumes of 10 GB, some crowded, some nearly empty."""
    model = model_root.StorageModelRoot()
    fill = dice.choice(pools, volumes,
                       p=dice.dirichlet(numpy.full(pools, 4.0)))
    counts = numpy.bincount(fill, minlength=pools)
    total = int(counts.max()) * 12 + 100
    for number in range(pools):
        name = f'cinder-{number:05d}@lvm'
        used = int(counts[number]) * 10
        model.add_node(element.StorageNode(
            host=name, zone='nova', status='enabled', state='up',
            volume_type=['lvm']))
        model.add_pool(element.Pool(
            name=f'{name}#pool', total_volumes=int(counts[number]),
            total_capacity_gb=total, free_capacity_gb=total - used,
            provisioned_capacity_gb=used, allocated_capacity_gb=used,
            virtual_free=total - used))
        model.map_pool(f'{name}#pool', name)
    for number in range(volumes):
        key = uuid(3, number)
        model.add_volume(element.Volume(
            uuid=key, name=f'volume-{number}', size=10, status='available',
            attachments=[], multiattach='False', snapshot_id='',
            project_id=f'{number % 50:032x}', metadata='{}',
            bootable='False', volume_type='lvm'))
        model.map_volume(key, f'cinder-{fill[number]:05d}@lvm#pool')
    return model


def _nothing(cloud: Cloud) -> dict[str, Any]:
    return {}


#: Both metrics, as even as can be.
_EVEN = {'metrics': ['instance_cpu_usage', 'instance_ram_usage'],
         'thresholds': {'instance_cpu_usage': 0.02,
                        'instance_ram_usage': 0.02}}

def _every_tenth(cloud: Cloud) -> dict[str, Any]:
    """Name a tenth of all hosts and pools to be emptied."""
    pools = list(cloud.storage.get_all_pools())
    return {
        'compute_nodes': [{'src_node': f'host-{number:05d}'}
                          for number in range(0, cloud.hosts, 10)],
        'storage_pools': [{'src_pool': pools[number],
                           'dst_pool': pools[number + 1]}
                          for number in range(0, len(pools) - 1, 10)]}


#: Parameters of the audit for each strategy that is measured. What follows a
#: colon tells apart several ways to run the same one.
PARAMETERS: dict[str, Callable[[Cloud], dict[str, Any]]] = {
    'host_maintenance': lambda cloud: {'maintenance_node': 'host-00000'},
    'basic': _nothing,
    'zone_migration': lambda cloud: {
        **_every_tenth(cloud), 'parallel_applies_to': 'execution'},
    'storage_capacity_balance': lambda cloud: {'volume_threshold': 30.0},
    'vm_workload_consolidation': _nothing,
    'node_resource_consolidation': lambda cloud: {'host_choice': 'specify'},
    # Both spans have the same values: nothing is found, all is looked at.
    'noisy_neighbor': _nothing,
    # As many moves as it takes; without that it would be one.
    'workload_balance': lambda cloud: {'max_migrations': cloud.servers,
                                       'threshold': 30},
    'workload_stabilization': lambda cloud: dict(_EVEN),
    'workload_stabilization:fullsearch': lambda cloud: {
        **_EVEN, 'host_choice': 'fullsearch'},
    'outlet_temperature': lambda cloud: {'threshold': 27},
    # The host with the strongest airflow is emptied.
    'uniform_airflow': lambda cloud: {'threshold_airflow': 380,
                                      'threshold_power': 10000},
    'saving_energy': lambda cloud: {'free_used_percent': 5},
    # No free host may stand in for one that fails.
    'saving_energy:all': lambda cloud: {'min_free_hosts_num': 0,
                                        'free_used_percent': 0},
}


def with_free_hosts(cloud: Cloud, strategy) -> None:
    """Add one free host for ten, and the machines under all hosts."""
    first = cloud.compute.get_node_by_uuid(uuid(1, 0))
    for number in range(cloud.hosts, cloud.hosts * 11 // 10):
        strategy._compute_model.add_node(element.ComputeNode(**{
            **first.as_dict(), 'uuid': uuid(1, number),
            'hostname': f'host-{number:05d}'}))
    machines = model_root.BaremetalModelRoot()
    for host in strategy._compute_model.get_all_compute_nodes():
        machines.add_node(element.IronicNode(
            uuid=uuid(4, int(host[:8], 16)), power_state='power on',
            maintenance=False, maintenance_reason=None,
            extra={'compute_node_id': host}))
    strategy._baremetal_model = machines
    strategy._switched = _never


def _never(seconds: float) -> dict:
    """There is no database, so nothing was switched lately."""
    return {}


#: What strategies need beside the cloud that all get.
PREPARE: dict[str, Callable[[Cloud, Any], None]] = {
    'saving_energy': with_free_hosts}


def strategy_on(cloud: Cloud, name: str):
    """Return the strategy with its models, metrics and parameters."""
    found = loading.DefaultStrategyLoader().load(name.partition(':')[0])
    found._compute_model = cloud.compute.copy()
    found._storage_model = cloud.storage.copy()
    found._datasource_backend = cloud.source
    # Nobody answers here.
    found._snapshots = frozenset
    found.fresh_compute_model = cloud.compute.copy
    parameters = PARAMETERS.get(name, _nothing)(cloud)
    schema = found.get_schema()
    if schema:
        utils.StrictDefaultValidatingDraft4Validator(schema).validate(
            parameters)
    found.input_parameters.update(parameters)
    found.audit_scope = []
    if found.name in PREPARE:
        PREPARE[found.name](cloud, found)
    return found


@dataclasses.dataclass
class Result:
    """What one run cost and brought.

    :ivar seconds: CPU time of the run.
    :ivar memory: peak of the process in MiB, cluster included.
    :ivar built: peak before the run in MiB.
    """

    seconds: float
    memory: float
    built: float
    questions: int
    actions: int
    efficacy: str


def measure(name: str, hosts: int, servers: int) -> Result:
    """Run a strategy once."""
    cloud = build(hosts, servers)
    strategy = strategy_on(cloud, name)
    built = _peak()
    start = time.process_time()
    solution = strategy.execute()
    seconds = time.process_time() - start
    return Result(
        seconds, _peak(), built, len(cloud.source.questions),
        len(solution.actions),
        ', '.join(f'{entry.name} {entry.value:.4g}'
                  for entry in solution.global_efficacy or ()))


def _peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _child(pipe: connection.Connection, name: str, hosts: int,
           servers: int) -> None:
    pipe.send(measure(name, hosts, servers))


def separately(name: str, hosts: int, servers: int) -> Result | None:
    """Run a strategy in a process of its own; None if that failed."""
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context('spawn').Process(
        target=_child, args=(there, name, hosts, servers))
    child.start()
    there.close()
    try:
        return here.recv()
    except EOFError:
        return None
    finally:
        child.join()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0])
    parser.add_argument('--strategy', action='append',
                        choices=sorted(PARAMETERS),
                        help='measure this one only; may be repeated')
    parser.add_argument('--size', action='append', metavar='HOSTSxSERVERS',
                        help=f'default: {", ".join(SIZES)}')
    parser.add_argument('--json', action='store_true',
                        help='one JSON object a line instead of a table')
    options = parser.parse_args(arguments)
    failed = False
    for name in options.strategy or sorted(PARAMETERS):
        before = None
        for size in options.size or SIZES:
            hosts, servers = map(int, size.split('x'))
            result = separately(name, hosts, servers)
            if result is None:
                print(f'{name} {size} failed', file=sys.stderr)
                failed = True
                continue
            show(name, size, result, before, options.json)
            before = hosts + servers, result.seconds
    return int(failed)


def show(name: str, size: str, result: Result,
         before: tuple[int, float] | None, as_json: bool) -> None:
    """Print one line."""
    hosts, servers = map(int, size.split('x'))
    growth = None
    if before and before[1] and result.seconds:
        growth = (math.log(result.seconds / before[1])
                  / math.log((hosts + servers) / before[0]))
    if as_json:
        print(json.dumps({'strategy': name, 'size': size,
                          'exponent': growth,
                          **dataclasses.asdict(result)}))
        return
    print(f'{name:33} {size:>14} {result.seconds:9.3f} s '
          f'{result.memory:7.0f} MiB ({result.memory - result.built:+.0f}) '
          f'{result.questions:3} questions {result.actions:6} actions '
          + (f'e={growth:.2f} ' if growth is not None else '')
          + result.efficacy, flush=True)


if __name__ == '__main__':
    cfg.CONF([], project='watcher', default_config_files=[],
             default_config_dirs=[])
    sys.exit(main(sys.argv[1:]))
