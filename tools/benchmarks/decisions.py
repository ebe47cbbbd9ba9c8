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
"""What the shared decisions of strategies cost in clouds of any size.

Processor time per call, and the growth: the exponent of the number of hosts
by which the cost grows from the first cloud to the last (0: the same in any
cloud, 1: proportional). Every hundredth server is in a server group, every
tenth asks for a trait.

    python tools/benchmarks/decisions.py
    python tools/benchmarks/decisions.py --clouds 50x1000 200x4000
"""

import argparse
import logging
import math
import time
import uuid as uuidlib
from collections.abc import Callable

from watcher.decision_engine.model import element
from watcher.decision_engine.model import model_root
from watcher.decision_engine.model import scheduling
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import destinations
from watcher.decision_engine.strategy.common import eligibility
from watcher.decision_engine.strategy.common import simulation

CLOUDS = ('200x4000', '1000x20000', '10000x200000')
CALLS = 2000


def uuid(number: int) -> str:
    return str(uuidlib.UUID(int=number))


def build(hosts: int, servers: int) -> model_root.ModelRoot:
    """Return a model with something of all rules."""
    model = model_root.ModelRoot()
    for number in range(hosts):
        model.add_node(element.ComputeNode(
            uuid=uuid(number), hostname=f'host-{number}', vcpus=64,
            vcpu_reserved=0, vcpu_ratio=4.0, memory=524288,
            memory_mb_reserved=512, memory_ratio=1.0, disk=4000,
            disk_gb_reserved=0, disk_ratio=1.0))
    fast = scheduling.Wishes({'trait:CUSTOM_FAST': 'required'})
    for number in range(servers):
        ident = uuid(hosts + number)
        model.add_instance(element.Instance.trusted(
            uuid=ident, name=f'server-{number}', state='active',
            memory=4096, vcpus=2, disk=40, metadata={},
            project_id='p', host=f'host-{number % hosts}'))
        model.map_instance(ident, uuid(number % hosts))
        if number % 10 == 0:
            model.set_wishes(ident, fast)
    model.aggregates = ()
    model.zones = {f'host-{number}': 'nova' for number in range(hosts)}
    model.traits = {'CUSTOM_FAST': frozenset(
        uuid(number) for number in range(0, hosts, 2))}
    model.server_groups = tuple(
        scheduling.ServerGroup(
            id=str(first), name=str(first), policy='anti-affinity',
            members=(uuid(hosts + first), uuid(hosts + first + 1)))
        for first in range(0, servers - 1, 200))
    return model


def timed(call: Callable[[], object]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started


def each(call: Callable[[int], object], limit: int) -> float:
    """Return the seconds of one call, over many."""
    count = min(CALLS, limit)

    def all_of_them():
        for number in range(count):
            call(number)
    return timed(all_of_them) / count


def measure(hosts: int, servers: int) -> dict[str, float]:
    """Return seconds by operation."""
    found = {}
    view = build(hosts, servers).copy()
    found['build the state'] = timed(
        lambda: cluster.ClusterState.from_model(view))
    state = cluster.ClusterState.from_model(view)
    found['copy the state'] = timed(state.copy)
    found['prepare the rules'] = timed(
        lambda: destinations.DestinationRules(state))
    state = state.copy()
    rules = destinations.DestinationRules(state)
    asked = eligibility.Eligibility(state)
    found['move'] = each(
        lambda n: state.move(n, (n + 7) % hosts), servers)
    found['take back'] = timed(state.undo) / min(CALLS, servers)
    found['may it move'] = each(asked.why_not_move, servers)
    found['may it go there'] = each(
        lambda n: rules.why_not(n, (n + 7) % hosts), servers)
    found['where may it go'] = each(rules.mask, servers)
    found['check a plan of 1000 moves'] = timed(
        lambda: check(state, rules, min(1000, servers)))
    return found


def check(state: cluster.ClusterState,
          rules: destinations.DestinationRules, count: int) -> None:
    """Simulate a plan of moves that are possible."""
    actions = []
    for server in range(count):
        target = next((host for host in rules.select(server)), None)
        if target is None:
            continue
        actions.append({'action_type': 'migrate', 'input_parameters': {
            'resource_id': state.servers[server].uuid,
            'migration_type': 'live',
            'source_node': state.hosts[state.host_of[server]].hostname,
            'destination_node': state.hosts[target].hostname}})
        state.move(server, target)
    state.undo()
    made = simulation.arrange(actions, simulation.Simulation(state.copy()))
    if made.refused:
        raise AssertionError(made.refused[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--clouds', nargs='+', default=CLOUDS,
                        metavar='HOSTSxSERVERS')
    clouds = [tuple(map(int, text.split('x')))
              for text in parser.parse_args().clouds]
    logging.disable(logging.CRITICAL)
    results = [measure(*cloud) for cloud in clouds]
    factor = math.log(clouds[-1][0] / clouds[0][0])
    print(f"{'':28}" + ''.join(f'{hosts:>7}x{servers:<8}'
                               for hosts, servers in clouds) + ' growth')
    for name, first in results[0].items():
        cells = ''.join(f'{1e6 * result[name]:13.0f} us' for result
                        in results)
        last = max(results[-1][name], 1e-9)
        growth = math.log(last / max(first, 1e-9)) / factor if factor else 0
        print(f'{name:28}{cells} {growth:6.2f}')


if __name__ == '__main__':
    main()
