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
"""What the strategies that balance loads have in common."""

import dataclasses
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

import numpy

from watcher.decision_engine.model import element
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import destinations
from watcher.decision_engine.strategy.common import settings

CPU = 'instance_cpu_usage'
RAM = 'instance_ram_usage'

#: What servers were given, whatever they do with it: no data source is
#: asked. The last one counts the servers themselves.
ALLOCATED_CPU = 'allocated_vcpus'
ALLOCATED_RAM = 'allocated_memory'
COUNT = 'server_count'

MEASURED = (CPU, RAM)
METRICS = (*MEASURED, ALLOCATED_CPU, ALLOCATED_RAM, COUNT)

#: What each metric is a load on, in words.
RESOURCES = {CPU: 'CPU', RAM: 'memory', ALLOCATED_CPU: 'vCPUs to give away',
             ALLOCATED_RAM: 'memory to give away',
             COUNT: 'even share of all servers'}

#: The resource of which each metric tells how much servers have.
_COLUMNS = {CPU: cluster.VCPU, RAM: cluster.MEMORY,
            ALLOCATED_CPU: cluster.VCPU, ALLOCATED_RAM: cluster.MEMORY}

#: Servers in these states run nowhere: without a value their load is known
#: to be 0, and there is no use in asking.
_State = element.InstanceState
WITHOUT_LOAD = frozenset(state.value for state in (
    _State.STOPPED, _State.SHELVED, _State.SOFT_DELETED, _State.DELETED))

#: How many better alternatives are asked why they were not taken.
MAX_ALTERNATIVES = 20

DEAD_BAND_SCHEMA = {
    'description': 'By how many percent of its threshold to go below the '
                   'threshold once that was exceeded. Wins over the option '
                   'dead_band.',
    'type': 'number',
    'minimum': 0,
    'maximum': 100,
}


def open_hosts(state: cluster.ClusterState) -> numpy.ndarray:
    """Return which hosts are up and enabled: the others are left alone."""
    return numpy.fromiter((host.up and host.enabled for host in state.hosts),
                          dtype=bool, count=len(state.hosts))


def sizes(state: cluster.ClusterState, metric: str) -> numpy.ndarray:
    """Return how much of what a metric is a load on each host has.

    In total: neither ratios nor reserved amounts matter for what is used.
    Of what is given away, as much as may be; of the number of servers, as
    many as each open host has if all have the same.
    """
    if metric == COUNT:
        hosts = open_hosts(state)
        placed = state.host_of[state.host_of != cluster.NOWHERE]
        return numpy.full(len(hosts), hosts[placed].sum()
                          / max(1, hosts.sum()))
    table = state.largest if metric in MEASURED else state.capacity
    return table[:, _COLUMNS[metric]]


def given(state: cluster.ClusterState, metric: str) -> numpy.ndarray:
    """Return the most that each server may have of what a metric tells.

    For metrics that are not measured that is what it has.
    """
    if metric == COUNT:
        return numpy.ones(len(state.servers))
    return state.demand[:, _COLUMNS[metric]]


def loads_of(state: cluster.ClusterState, metric: str,
             values: numpy.ndarray) -> numpy.ndarray:
    """Turn a metric of servers into vCPUs, or leave it in MB."""
    if metric == CPU:
        return values * state.demand[:, cluster.VCPU] / 100
    return values


def may_have_load(state: cluster.ClusterState,
                  hosts: numpy.ndarray) -> list[int]:
    """Return the servers on some hosts whose load has to be asked for.

    :param hosts: mask of the hosts.
    """
    return [server for server, host in enumerate(state.host_of.tolist())
            if host != cluster.NOWHERE and hosts[host]
            and state.servers[server].state not in WITHOUT_LOAD]


def options_of(shared: settings.Settings,
               parameters: Mapping[str, Any]) -> settings.Settings:
    """Let the parameters of the audit win over the shared options."""
    dead_band = parameters.get('dead_band')
    if dead_band is None:
        return shared
    return dataclasses.replace(shared, dead_band=dead_band)


def ruled_out(rules: destinations.DestinationRules, server: int,
              hosts: Iterable[int]) -> dict[str, str]:
    """Return why a server cannot go to hosts that would be better.

    :param hosts: the best one first; only some are asked about, so that the
        size of the cloud does not matter.
    """
    found = {}
    for _number, host in zip(range(MAX_ALTERNATIVES), hosts, strict=False):
        problem = rules.why_not(server, host)
        if problem:
            found[rules.state.hosts[host].hostname] = problem
    return found
