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
"""What the destinations of a plan have free at this moment.

A model may be minutes old while notifications keep it up to date, and has not
seen who is being built or moved just now: Placement has. See
``[watcher_strategies] plan_check_placement``.
"""

import collections
import dataclasses
from typing import Any

from oslo_config import cfg
from oslo_log import log

from watcher.common import exception
from watcher.common import placement_helper
from watcher.decision_engine.model import requests
from watcher.decision_engine.model import scheduling
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import simulation

LOG = log.getLogger(__name__)
CONF = cfg.CONF

#: The classes that the columns of arrays of resources count.
_COLUMNS = (('VCPU', requests.PCPU), ('MEMORY_MB',), ('DISK_GB',))


def refresh(solution: Any, state: cluster.ClusterState,
            placement: placement_helper.PlacementHelper,
            ) -> cluster.ClusterState:
    """Return a state whose hosts have no more room than Placement says.

    Only the named destinations are asked for, and only what is less than in
    the model counts. When Placement cannot be asked, the plan is judged by
    the model, and a remark says so.

    :param state: the cluster as the strategy found it; is not changed.
    """
    moves = [(server, host) for server, host
             in (_numbers(state, action) for action in solution.actions)
             if server is not None and host is not None]
    if not moves:
        return state
    try:
        return _Refreshed(state, moves, placement).state
    except exception.WatcherException as exc:
        LOG.warning('The destinations of the plan are judged by the model '
                    'only: %s', exc)
        solution.add_remark('Placement could not be asked what is free at '
                            f'the destinations: {exc}')
        return state


def _numbers(state, action):
    if action['action_type'] != simulation.MIGRATE:
        return None, None
    parameters = simulation.parameters_of(action)
    return (state.server_index.get(parameters.get('resource_id')),
            state.host_named(parameters.get('destination_node')))


class _Refreshed:
    """Makes the state.

    :raises: PlacementClientError, AuthorizationFailure
    """

    def __init__(self, state, moves, placement):
        self._found = state
        self.state = made = state.copy()
        made.capacity = state.capacity.copy(order='F')
        made.mixed = dict(state.mixed)
        self._inventories = {
            name: dict(offered) for name, offered
            in (state.facts.inventories or {}).items()}
        hosts = sorted({host for _server, host in moves})
        for host, free in self._read(hosts, placement):
            self._limit(host, free)
        offers = self._read_offers(moves, placement)
        made.facts = dataclasses.replace(
            state.facts, inventories=self._inventories or None,
            offers=offers)

    def _read(self, hosts, placement):
        """Yield what is free on hosts now, by class."""
        uuids = [self._found.hosts[host].uuid for host in hosts]
        workers = max(1, CONF.watcher_decision_engine.max_general_workers)
        timeout = CONF.collector.compute_resources_collector_timeout
        inventories, missing = placement.get_all_inventories(
            uuids, workers, timeout)
        usages, unread = placement.get_all_usages(uuids, workers, timeout)
        for problem in (*missing.values(), *unread.values()):
            raise exception.PlacementClientError(reason=problem)
        for host, uuid in zip(hosts, uuids, strict=True):
            yield host, {
                name: (inventory.total - inventory.reserved)
                * inventory.allocation_ratio - usages[uuid].get(name, 0)
                for name, inventory in inventories[uuid].items()}

    def _limit(self, host, free):
        made = self.state
        for column, names in enumerate(_COLUMNS):
            known = [free[name] for name in names if name in free]
            if not known:
                # A provider that hosts share has the disks.
                continue
            less = made.free[host, column] - sum(known)
            if less > 0:
                made.capacity[host, column] -= less
                made.free[host, column] -= less
        used = self._used(host)
        if host in made.mixed and 'VCPU' in free:
            made.mixed[host] = min(made.mixed[host],
                                   free['VCPU'] + used['VCPU'])
        uuid = made.hosts[host].uuid
        for name, offered in self._inventories.items():
            if uuid in offered:
                offered[uuid] = min(offered[uuid],
                                    free.get(name, 0) + used[name])

    def _used(self, host):
        """Return what the model counts on a host, by class."""
        used: collections.Counter = collections.Counter()
        for server in self._found.servers_on(host):
            request = self._found.requests.get(server, requests.NOTHING)
            used.update(request.resources)
            used['VCPU'] += (
                float(self._found.demand[server, cluster.VCPU])
                if request.vcpus is None else request.vcpus)
        return used

    def _read_offers(self, moves, placement):
        offers = self._found.facts.offers
        wanted = {name for server, _host in moves
                  for name in self._found.requests.get(
                      server, requests.NOTHING).resources
                  if name in (offers or ())}
        return offers and {**offers, **{
            name: scheduling.offers_by_host(placement.get_offers(name))
            for name in sorted(wanted)}}
