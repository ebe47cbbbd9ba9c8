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
"""What the compute model costs: building, copying, scoping, asking.

Prints processor time, and each time as a multiple of reading one page of
JSON with as many servers, so that results of different machines can be
compared. What reading it over HTTP costs is the matter of model_build.py.

    python tools/benchmarks/compute_model.py --hosts 1000 --servers 20000
"""

import argparse
import copy
import json
import logging
import resource
import time
from collections.abc import Callable
from typing import Any

from watcher import conf
from watcher.common import nova_helper
from watcher.decision_engine.model import element
from watcher.decision_engine.model import model_root
from watcher.decision_engine.model.collector import nova
from watcher.decision_engine.scope import compute

SERVER = {
    'status': 'ACTIVE', 'OS-EXT-STS:vm_state': 'active',
    'OS-EXT-SRV-ATTR:hypervisor_hostname': 'h',
    'tenant_id': '6f70656e737461636b20697320666f72',
    'created': '2026-01-09T12:00:00Z', 'metadata': {'role': 'web'},
    'image': {'id': 'i'}, 'locked': False,
    'flavor': {'vcpus': 2, 'ram': 4096, 'disk': 40, 'ephemeral': 0,
               'swap': 0, 'original_name': 'm1.medium', 'extra_specs': {}},
    'addresses': {'net': [{'addr': '192.0.2.1', 'version': 4}]},
    'links': [{'rel': 'self', 'href': 'http://nova.example/servers/x'}],
}


class Report:
    """Prints one line for each measured step."""

    def __init__(self) -> None:
        self.unit = 0.0

    def measure(self, name: str, function: Callable[[], Any]) -> Any:
        start = time.process_time()
        result = function()
        spent = time.process_time() - start
        ratio = f'{spent / self.unit:9.3f}' if self.unit else ' ' * 9
        print(f'{name:<42}{spent * 1000:12.2f} ms {ratio}')
        self.last = spent
        return result


def make_pages(hosts: int, servers: int) -> list[str]:
    """Return the JSON that Nova would send, 1000 servers in each text."""
    records = [
        {**SERVER, 'id': f'{number:08x}-0000-4000-8000-000000000000',
         'name': f'server-{number}',
         'OS-EXT-SRV-ATTR:host': f'host-{number % hosts}'}
        for number in range(servers)]
    return [json.dumps({'servers': records[start:start + 1000]})
            for start in range(0, servers, 1000)]


class Reader(nova.NovaModelBuilder):
    """A builder that is fed with records instead of reading them."""

    def __init__(self) -> None:
        self.model = model_root.ModelRoot()
        self._pinned_az = False

    def build(self, hosts: int,
              pages: list[list[dict[str, Any]]]) -> model_root.ModelRoot:
        uuids = {}
        for number in range(hosts):
            name = f'host-{number}'
            uuids[name] = f'{number:08x}-0000-4000-9000-000000000000'
            self.model.add_node(element.ComputeNode(
                uuid=uuids[name], hostname=name, vcpus=64, vcpu_reserved=0,
                vcpu_ratio=4.0, memory=524288, memory_mb_reserved=512,
                memory_ratio=1.0, disk=4000, disk_gb_reserved=0,
                disk_ratio=1.0))
        names = Names(uuids)
        for page in pages:
            for record in page:
                self._add_instance(record, names)
        return self.model


class Names:
    """Finds hosts by their service's name."""

    def __init__(self, uuids: dict[str, str]) -> None:
        self._uuids = uuids

    def find(self, host: str, hypervisor: str) -> str | None:
        return self._uuids.get(host)


def in_memory(hosts: int, servers: int) -> None:
    report = Report()
    texts = make_pages(hosts, servers)
    pages = report.measure('decode the JSON of all servers', lambda: [
        json.loads(text)['servers'] for text in texts])
    report.unit = report.last
    before = _resident()
    model = report.measure('build the model from records',
                           lambda: Reader().build(hosts, pages))
    print(f'{"  memory of the process grew by":<42}'
          f'{_resident() - before:12.1f} MB')
    report.measure('first copy', model.copy)
    before = _resident()
    view = report.measure('copy of an unchanged model', model.copy)
    print(f'{"  memory of the process grew by":<42}'
          f'{_resident() - before:12.1f} MB')
    next(iter(model.get_all_instances().values())).name = 'changed'
    report.measure('copy after one change', model.copy)
    report.measure('independent deep copy', lambda: copy.deepcopy(model))
    nodes = report.measure('all hosts of a copy',
                           view.get_all_compute_nodes)
    report.measure('servers of all hosts of a copy', lambda: [
        view.get_node_instances(uuid) for uuid in nodes])
    report.measure('used resources of all hosts, first', lambda: [
        view.get_node_used_resources(uuid) for uuid in nodes])
    report.measure('used resources of all hosts, again', lambda: [
        view.get_node_used_resources(uuid) for uuid in nodes])
    report.measure('lookup of all hosts by name', lambda: [
        view.get_node_by_name(node.hostname) for node in nodes.values()])
    _move_everything(report, view, list(nodes))
    model.aggregates = (nova_helper.Aggregate(
        id=1, name='half', availability_zone=None, metadata={},
        hosts=[f'host-{number}' for number in range(0, hosts, 2)]),)
    scope = [{'compute': [{'host_aggregates': [{'id': 1}]}]}]
    report.measure('copy and scope of half of the hosts', lambda:
                   compute.ComputeScope(scope, None).get_scoped_model(
                       model.copy()))
    report.measure('rows of the data model listing', model.to_list)
    report.measure('XML', model.to_xml)


def _move_everything(report: Report, view: model_root.ModelRoot,
                     nodes: list[str]) -> None:
    places = list(view.get_all_instances().values())

    def move():
        for number, server in enumerate(places):
            view.map_instance(server.uuid, nodes[number % len(nodes) - 1])
            view.get_node_free_resources(nodes[number % len(nodes)])
    report.measure('move every server, free after each', move)


def _resident() -> float:
    """Return the largest memory of the process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--hosts', type=int, default=1000)
    parser.add_argument('--servers', type=int, default=20000)
    args = parser.parse_args()
    conf.CONF([], default_config_files=[], default_config_dirs=[])
    logging.disable(logging.WARNING)
    print(f'{args.hosts} hosts, {args.servers} servers')
    in_memory(args.hosts, args.servers)


if __name__ == '__main__':
    main()
