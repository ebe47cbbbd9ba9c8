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
"""Metrics of the simulated cloud, served as Prometheus and Aetos do.

Every server has a load, and what the servers of a host use adds up to the
host's load, so that a migration moves the load as in a real cloud. Loads do
not change by themselves: whatever period is asked for, the value is the same.

This is no Prometheus: it recognises which metric a query of the data source
is about and computes the answer from the state of the cloud.
"""

from __future__ import annotations

import dataclasses
import re
import time
import zlib
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

from watcher.sandbox.cloud import keystone
from watcher.sandbox.cloud import openstack
from watcher.sandbox.cloud import state as cloud_state
from watcher.sandbox.cloud import web

MIB = 1024 ** 2

#: What a host uses for itself: share of its CPUs, MB of memory.
HOST_CPU = 0.02
HOST_RAM_MB = 512

HOST_METERS = ('node_cpu_seconds_total', 'node_memory_MemAvailable_bytes')
METERS = (*HOST_METERS, 'ceilometer_cpu', 'ceilometer_memory_usage')
OTHER_METERS = ('node_memory_MemTotal_bytes', 'up')

_METER = re.compile('|'.join(METERS))
_MATCHER = re.compile(r"(?<=[{,])(?!mode=)(\w+)(=~?)'((?:[^'\\]|\\.)*)'")
_LABEL = re.compile(r'by \((\w+)\)')
_VCPUS = re.compile(r'\*\(100/(\d+)\), 100\)')
_SUBQUERY = re.compile(r'\[(\d+)s:(\d+)s\]$')


@dataclasses.dataclass
class Loads:
    """How busy servers are.

    A server uses what its metadata ``cpu_load`` and ``ram_load`` say, in
    percent of what it was given; else what is set here by its name or UUID;
    else something that follows from its UUID.

    :param silent: names or UUIDs of hosts and servers without metrics.
    :param outdated: those that send no samples any more.
    """

    cpu: dict[str, float] = dataclasses.field(default_factory=dict)
    ram: dict[str, float] = dataclasses.field(default_factory=dict)
    silent: set[str] = dataclasses.field(default_factory=set)
    outdated: set[str] = dataclasses.field(default_factory=set)

    def cpu_percent(self, server: cloud_state.Server) -> float:
        return self._load(server, 'cpu_load', self.cpu,
                          10 + zlib.crc32(server.uuid.encode()) % 80)

    def ram_percent(self, server: cloud_state.Server) -> float:
        return self._load(server, 'ram_load', self.ram,
                          20 + zlib.crc32(server.uuid.encode()) // 80 % 70)

    @staticmethod
    def _load(server, key, known, otherwise):
        for value in (server.metadata.get(key), known.get(server.uuid),
                      known.get(server.name)):
            if value is not None:
                return float(value)
        return float(otherwise)

    def cores(self, server: cloud_state.Server) -> float:
        """CPUs that a server keeps busy."""
        if server.vm_state != 'active':
            return 0.0
        return server.flavor.vcpus * self.cpu_percent(server) / 100

    def ram_mb(self, server: cloud_state.Server) -> float:
        if server.vm_state != 'active':
            return 0.0
        return server.flavor.ram * self.ram_percent(server) / 100

    def host_cpu_percent(self, host: cloud_state.Host) -> float:
        cpus = host.inventory[cloud_state.VCPU].total
        busy = HOST_CPU + sum(map(
            self.cores, host.servers.values())) / cpus
        return min(100.0, 100 * busy)

    def host_ram_kib(self, host: cloud_state.Host) -> float:
        used = HOST_RAM_MB + sum(map(self.ram_mb, host.servers.values()))
        return 1024 * min(
            used, float(host.inventory[cloud_state.MEMORY_MB].total))


@dataclasses.dataclass
class _Query:
    """What a query is about."""

    meter: str
    label: str
    names: set[str] | None
    vcpus: int | None
    with_times: bool


def _parse(text: str) -> _Query:
    meter = _METER.search(text)
    if meter is None:
        raise web.HTTPError(
            400, 'the simulated Prometheus knows no query like this; it '
                 'computes %s only' % ', '.join(METERS))
    host = meter[0] in HOST_METERS
    label, names = 'fqdn' if host else 'resource', None
    matcher = _MATCHER.search(text)
    if matcher is not None:
        label = matcher[1]
        value = re.sub(r'\\(.)', r'\1', matcher[3])
        names = ({re.sub(r'\\(.)', r'\1', name)
                  for name in value.split('|')}
                 if matcher[2] == '=~' else {value})
    elif (by := _LABEL.search(text)) is not None:
        label = by[1]
    vcpus = _VCPUS.search(text)
    return _Query(meter[0], label, names,
                  int(vcpus[1]) if vcpus else None,
                  'label_replace(' in text)


class Answers:
    """Computes answers from the state of the cloud."""

    def __init__(self, state: cloud_state.CloudState, loads: Loads) -> None:
        self._state = state
        self._loads = loads

    def hosts(self) -> list[str]:
        with self._state.lock:
            return [host.hypervisor_hostname
                    for host in self._state.hosts.values()]

    def rows(self, text: str, now: float) -> list[dict[str, Any]]:
        """Labels and value of each row of an instant query."""
        if text == 'vector(1)':
            return [{'metric': {}, 'value': [now, '1']}]
        query = _parse(text)
        rows = []
        with self._state.lock:
            for name, aliases, value in self._values(query):
                if query.names is not None and name not in query.names:
                    continue
                if not self._loads.silent.isdisjoint(aliases):
                    continue
                row = {'metric': {query.label: name},
                       'value': [now, repr(value)]}
                rows.append(row)
                # Like a series that has ended: values of the period, but
                # no newest sample.
                if query.with_times and self._loads.outdated.isdisjoint(
                        aliases):
                    rows.append({'metric': {**row['metric'],
                                            'watcher': 'sampled'},
                                 'value': [now, repr(now)]})
        return rows

    def _values(self, query: _Query
                ) -> Iterator[tuple[str, Iterable[str], float]]:
        """Name in the label, all names, and value of each resource."""
        if query.meter in HOST_METERS:
            compute = (self._loads.host_cpu_percent
                       if query.meter == 'node_cpu_seconds_total'
                       else self._loads.host_ram_kib)
            for host in self._state.hosts.values():
                if host.is_up:
                    yield (host.hypervisor_hostname,
                           (host.name, host.uuid), compute(host))
            return
        for server in self._state.servers.values():
            if server.vm_state == 'active':
                yield (server.uuid, (server.uuid, server.name),
                       self._of_server(query, server))

    def _of_server(self, query, server):
        if query.meter == 'ceilometer_memory_usage':
            return self._loads.ram_mb(server)
        cores = self._loads.cores(server)
        if query.vcpus is None:
            return cores
        return min(100.0, cores * (100 / query.vcpus))


class _Api:
    """The paths of Prometheus' HTTP API that we ask."""

    answers: Answers

    def error(self, request: web.Request,
              error: web.HTTPError) -> web.Response:
        return web.json_response(
            {'status': 'error', 'errorType': 'bad_data',
             'error': error.message}, error.status)

    @staticmethod
    def _success(data: Any) -> web.Response:
        return web.json_response({'status': 'success', 'data': data})

    @web.route('GET', '/api/v1/query')
    def query(self, request: web.Request) -> web.Response:
        text = _asked(request)
        now = float(request.arg('time') or time.time())
        subquery = _SUBQUERY.search(text)
        if subquery is not None:
            span, step = int(subquery[1]), int(subquery[2])
            return self._matrix(text[:subquery.start()], now - span, now,
                                step)
        return self._success({'resultType': 'vector',
                              'result': self.answers.rows(text, now)})

    @web.route('GET', '/api/v1/query_range')
    def query_range(self, request: web.Request) -> web.Response:
        return self._matrix(
            _asked(request), float(request.arg('start') or 0),
            float(request.arg('end') or 0), int(request.arg('step') or 1))

    def _matrix(self, text, start, end, step):
        count = int((end - start) // step) + 1
        if count > 11000:
            raise web.HTTPError(
                400, 'exceeded maximum resolution of 11,000 points per '
                     'timeseries')
        return self._success({'resultType': 'matrix', 'result': [
            {'metric': row['metric'],
             'values': [[start + number * step, row['value'][1]]
                        for number in range(count)]}
            for row in self.answers.rows(text, end)]})

    @web.route('GET', '/api/v1/targets')
    def targets(self, request: web.Request) -> web.Response:
        return self._success({'activeTargets': [
            {'labels': {'job': 'node', 'fqdn': name,
                        'instance': name + ':9100'}, 'health': 'up'}
            for name in self.answers.hosts()], 'droppedTargets': []})

    @web.route('GET', '/api/v1/label/{name}/values')
    def label_values(self, request: web.Request, name: str) -> web.Response:
        known = {'__name__': sorted((*METERS, *OTHER_METERS)),
                 'fqdn': sorted(self.answers.hosts())}
        return self._success(known.get(name, []))

    @web.route('GET', '/api/v1/status/runtimeinfo')
    def runtime_info(self, request: web.Request) -> web.Response:
        return self._success({'startTime': '2026-01-01T00:00:00Z'})


def _asked(request: web.Request) -> str:
    text = request.arg('query')
    if not text:
        raise web.HTTPError(400, 'invalid parameter "query": no expression '
                                 'found in input')
    return text


class Prometheus(_Api, web.Service):
    """Open to everybody, like most of them."""

    type = 'prometheus'
    name = 'prometheus'
    prefix = '/prometheus'

    def __init__(self, answers: Answers) -> None:
        super().__init__()
        self.answers = answers


class Aetos(_Api, openstack.Service):
    """The same behind Keystone, for administrators."""

    type = 'metric-storage'
    name = 'aetos'
    prefix = '/metric-storage'

    def __init__(self, answers: Answers, state: cloud_state.CloudState,
                 identity: keystone.Keystone) -> None:
        super().__init__(state, identity)
        self.answers = answers

    def authenticate(self, request: web.Request) -> None:
        super().authenticate(request)
        self.check_admin(request, 'telemetry:query')
