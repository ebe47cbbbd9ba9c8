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
"""What would happen: planned actions applied to a state of the cluster.

::

    simulation = Simulation(state.copy(), rules, eligibility)
    for action in solution.actions:
        problem = simulation.apply(action)

:func:`arrange` brings actions into an order in which each can work when its
turn comes. :func:`compare` tells what measures are before and after. Both are
what every plan goes through before it is stored; strategies may ask them at
any time, and nothing they are given is changed.
"""

import dataclasses
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy

from watcher.decision_engine.solution import explanation
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import destinations
from watcher.decision_engine.strategy.common import eligibility
from watcher.decision_engine.strategy.common import feasibility
from watcher.decision_engine.strategy.common import settings
from watcher.decision_engine.strategy.common import storage

MIGRATE = 'migrate'
VOLUME_MIGRATE = 'volume_migrate'
SERVICE_STATE = 'change_nova_service_state'
POWER_STATE = 'change_node_power_state'
STOP, START = 'stop', 'start'

_IN_TURN = ('; the servers that would make room there have to wait for room '
            'themselves')

Action = Mapping[str, Any]

#: Returns what a plan should make less of (hosts in use, deviation of loads).
Measure = Callable[[cluster.ClusterState], float]

#: A measure gets worse only if by more than rounding can do.
TOLERANCE = 1e-9


def parameters_of(action: Action) -> Mapping[str, Any]:
    """Return the parameters of an action; plug-ins may have given none."""
    return action['input_parameters'] or {}


class Refused(Exception):
    """An action would not work.

    :ivar where: the host (its number) or the pool (its name) where that
        might change when others move; None: nowhere.
    """

    def __init__(self, reason: str, where: int | str | None = None):
        super().__init__(reason)
        self.where = where


class Pools:
    """Which volumes are in which pools, and how much is free there.

    :param model: a storage model; it is not changed.
    """

    def __init__(self, model: Any):
        self._state = storage.StorageState.from_model(model)

    @property
    def free(self) -> dict[str, float]:
        """GB by name of the pool, of those that tell a number."""
        return {name: pool.free for name, pool in self._state.pools.items()
                if pool.free is not None}

    @property
    def pool_of(self) -> Mapping[str, str | None]:
        """Name of the pool of each volume by uuid."""
        return self._state.pool_of

    def move(self, volume: str, target: str | None,
             server_state: storage.ServerState) -> str | None:
        """Put a volume into a pool.

        Without one Cinder chooses by the new type: nobody knows which.

        :param server_state: returns the state of a server by its uuid.
        :returns: the pool that it has left.
        :raises: Refused
        """
        state = self._state
        if volume not in state.volumes:
            return None
        problem = state.volumes[volume].why_not_swap(server_state)
        if problem:
            raise Refused(f'volume {volume} cannot be moved: {problem}')
        pool = state.pools.get(target)
        if pool is not None:
            if state.pool_of[volume] == target:
                raise Refused(f'volume {volume} is in {target} already')
            problem = pool.why_no_room(state.volumes[volume].size)
            if problem:
                raise Refused(f'{target} has too little room for volume '
                              f'{volume}: {problem}', target)
        return state.move(volume, target)

    def promise(self, volume: str, target: str | None) -> bool:
        """Count a volume in at a pool, as if none ever left it.

        :returns: whether there was room for it.
        """
        pool = self._state.pools.get(target)
        if pool is None:
            return True
        size = self._state.volumes[volume].size
        fits = pool.why_no_room(size) is None
        pool.take(size)
        return fits


class Simulation:
    """Applies actions one after another.

    What is done to servers and hosts that the model does not know, and
    actions of other types, change nothing.

    :param state: is changed; give it a copy.
    :param options: the shared options; the defaults if left out.
    :param rules: for this very state; made of the options if left out.
    :param pools: of which volumes are moved; is changed, too.
    :ivar guessed: how many destinations Nova will choose: where these servers
        go here is a guess.
    :ivar homeless: those of them for which no host of the state was left.
    """

    def __init__(self, state: cluster.ClusterState,
                 options: settings.Settings | None = None,
                 rules: destinations.DestinationRules | None = None,
                 pools: Pools | None = None):
        self.state = state
        self.pools = pools
        self.guessed = 0
        self.homeless: list[int] = []
        # States change with the actions.
        state.servers = state.servers.copy()
        self.rules = rules or destinations.DestinationRules(state, options)
        self.eligibility = eligibility.Eligibility(state, options)
        # Hosts that the plan switches on.
        self._coming: set[int] = set()
        self._handlers = {MIGRATE: self._migrate,
                          SERVICE_STATE: self._change_service,
                          POWER_STATE: self._change_power,
                          STOP: self._stop, START: self._start,
                          VOLUME_MIGRATE: self._move_volume}

    def apply(self, action: Action) -> str | None:
        """Do what an action does.

        :returns: why it would not work; nothing has changed then.
        """
        try:
            self.perform(action)
        except Refused as refusal:
            return str(refusal)
        return None

    def perform(self, action: Action) -> int | str | None:
        """Do what an action does.

        :returns: the host or pool that has more room now, if any.
        :raises: Refused
        """
        handler = self._handlers.get(action['action_type'])
        if handler is None:
            return None
        return handler(parameters_of(action))

    def _server(self, parameters):
        return self.state.server_index.get(parameters.get('resource_id'))

    def _may(self, server, kind):
        if kind not in eligibility.STATES:
            raise Refused(f'there is no way to move a server called {kind}')
        problem = self.eligibility.why_not_move(server, kind)
        if problem:
            raise Refused(f'{self.state.servers[server].label} cannot be '
                          f'moved or stopped: {problem}')

    def _migrate(self, parameters):
        server = self._server(parameters)
        if server is None:
            return None
        source = int(self.state.host_of[server])
        label = self.state.servers[server].label
        self._may(server, parameters.get('migration_type'))
        named = parameters.get('source_node')
        if (source == cluster.NOWHERE
                or self.state.hosts[source].hostname != named):
            raise Refused(f'{label} is not on {named}')
        host = self._destination(server, parameters.get('destination_node'))
        self.state.move(server, host)
        return source

    def _destination(self, server, name):
        if name is None:
            return self._scheduled(server)
        host = self.state.host_named(name)
        if host is None:
            # Outside the scope: nothing is known about it.
            return cluster.NOWHERE
        problem = self.rules.why_not(server, host)
        if problem:
            raise Refused(f'{self.state.servers[server].label} cannot go to '
                          f'{name}: {problem}', host)
        return host

    def _scheduled(self, server):
        """Return the host that Nova may choose: one with much memory free.
        """
        problem = self.rules.limits.why_not(server)
        if problem:
            raise Refused(f'{self.state.servers[server].label} cannot be '
                          f'moved: {problem}')
        self.guessed += 1
        host = self.rules.likely(server)
        if host == cluster.NOWHERE:
            self.homeless.append(server)
        return host

    def _change_service(self, parameters):
        host = _host_of_service(self.state, parameters)
        if host is None:
            return None
        record = self.state.hosts[host]
        if parameters.get('state') == 'disabled':
            self.rules.close(host, f'the plan disables {record.hostname}')
            return None
        if not record.up and host not in self._coming:
            raise Refused(f'{record.hostname} is {record.state}; nothing '
                          'can be placed there')
        self.rules.open(host)
        return host

    def _change_power(self, parameters):
        host = self.state.host_named(parameters.get('resource_name'))
        if host is None:
            return
        if parameters.get('state') == 'on':
            self._coming.add(host)
            return
        servers = self.state.count_on(host)
        name = self.state.hosts[host].hostname
        if servers:
            found = explanation.counted(servers, 'server is', 'servers are')
            raise Refused(f'{found} on {name}', host)
        self.rules.close(host, f'the plan switches {name} off')

    def _stop(self, parameters):
        server = self._server(parameters)
        if server is not None:
            self._may(server, eligibility.STOP)
            self._change_server(server, feasibility.STOPPED)

    def _start(self, parameters):
        server = self._server(parameters)
        if server is not None:
            self._change_server(server, feasibility.ACTIVE)

    def _change_server(self, server, state):
        self.state.servers[server] = dataclasses.replace(
            self.state.servers[server], state=state)

    def _move_volume(self, parameters):
        if self.pools is None:
            return None
        return self.pools.move(parameters.get('resource_id'),
                               parameters.get('destination_node'),
                               self._state_of)

    def _state_of(self, uuid):
        server = self.state.server_index.get(uuid)
        return None if server is None else self.state.servers[server].state


def _host_of_service(state, parameters):
    name = parameters.get('resource_name')
    if name is None:
        return state.host_index.get(parameters.get('resource_id'))
    return state.host_named(name)


@dataclasses.dataclass
class Arrangement:
    """Actions in an order in which all of them work.

    :ivar actions: those that are left.
    :ivar refused: the others, with the reasons.
    :ivar reordered: whether the order is not the one that was given.
    :ivar state: the cluster when all is done.
    """

    actions: list[Action]
    refused: list[tuple[Action, str]]
    reordered: bool
    state: cluster.ClusterState


def arrange(actions: Sequence[Action],
            simulation: Simulation) -> Arrangement:
    """Bring actions into an order in which each works at its turn.

    The given order is kept wherever that works. A move that cannot be made
    yet waits until something leaves its destination or that is enabled, and
    a host is switched off when its last server has left it.
    What never works (also the moves of a circle, of which none can be the
    first) is left out. The cost is that of one pass, and of one look more
    for each time that a destination changes while something waits for it.
    """
    waiting: dict[int | str, list[tuple[int, Action, str]]] = {}
    done: list[tuple[int, Action]] = []
    refused: list[tuple[int, Action, str]] = []

    def attempt(number, action):
        try:
            freed = simulation.perform(action)
        except Refused as refusal:
            if refusal.where is None:
                refused.append((number, action, str(refusal)))
            else:
                waiting.setdefault(refusal.where, []).append(
                    (number, action, str(refusal)))
            return
        done.append((number, action))
        if freed is not None:
            changed.append(freed)

    for item in enumerate(actions):
        changed: list[int | str] = []
        attempt(*item)
        while changed:
            # Each that succeeds may make room for others.
            for number, action, _reason in waiting.pop(changed.pop(), ()):
                attempt(number, action)
    refused += _left(waiting, simulation.state)
    refused.sort(key=lambda item: item[0])
    numbers = [number for number, _action in done]
    return Arrangement(
        [action for _number, action in done],
        [(action, reason) for _number, action, reason in refused],
        numbers != sorted(numbers), simulation.state)


def _left(waiting, state):
    """Return what waits in vain; say so if that is for one another."""
    leaving = {
        int(state.host_of[server]) for items in waiting.values()
        for _number, action, _reason in items
        if action['action_type'] == MIGRATE
        and (server := state.server_index.get(
            parameters_of(action).get('resource_id'))) is not None}
    return [(number, action, reason + _IN_TURN * (where in leaving))
            for where, items in waiting.items()
            for number, action, reason in items]


def needs(actions: Sequence[Action], state: cluster.ClusterState,
          pools: Pools | None = None) -> list[set[int]]:
    """Return for each action the numbers of those that it has to wait for.

    For planners that run actions at the same time: a server that leaves a
    host makes room for others only when it has arrived elsewhere. A move
    waits for all earlier ones that leave its destination, unless there was
    room for it without them, for the enabling of its destination, and for
    an earlier action on the same server. To switch a host off waits for all
    that leave it. One that is in a server group, or
    takes further resources, waits for whoever leaves: that he leaves may be
    what makes it possible. Volumes and pools likewise.

    :param state: before the plan; it is not changed.
    :param pools: before the plan, if it moves volumes; they are changed.
    """
    particular = _particular(state)
    volumes = _VolumeNeeds(pools)
    # Numbers of the actions that make room on a host, or touch a server.
    room: dict[int, set[int]] = {}
    touched: dict[int, int] = {}
    free = state.free.copy()
    found: list[set[int]] = []
    for number, action in enumerate(actions):
        wanted: set[int] = set()
        found.append(wanted)
        parameters = parameters_of(action)
        if action['action_type'] == VOLUME_MIGRATE:
            wanted |= volumes.add(number, parameters)
            continue
        if action['action_type'] == SERVICE_STATE:
            host = _host_of_service(state, parameters)
            if host is not None and parameters.get('state') == 'enabled':
                room.setdefault(host, set()).add(number)
                # It offers nothing before.
                free[host] = -numpy.inf
            continue
        if action['action_type'] == POWER_STATE:
            if parameters.get('state') == 'off':
                host = state.host_named(parameters.get('resource_name'))
                wanted |= room.get(host, set())
            continue
        resource = parameters.get('resource_id')
        # Actions of others may work on whatever they like.
        server = (state.server_index.get(resource)
                  if isinstance(resource, str) else None)
        if server is None:
            continue
        if server in touched:
            wanted.add(touched[server])
        touched[server] = number
        if action['action_type'] != MIGRATE:
            continue
        host = state.host_named(parameters.get('destination_node'))
        if host is not None:
            demand = state.demand[server]
            if server in particular or numpy.any(
                    (demand > free[host]) & (demand > 0)):
                wanted |= room.get(host, set())
            free[host] -= demand
        source = int(state.initial_host_of[server])
        if source != cluster.NOWHERE:
            room.setdefault(source, set()).add(number)
    return found


class _VolumeNeeds:
    """Which moves of volumes have to wait for which others."""

    def __init__(self, pools: Pools | None):
        self._pools = pools
        self._leaving: dict[str | None, set[int]] = {}
        self._touched: dict[str, int] = {}

    def add(self, number: int, parameters: Mapping[str, Any]) -> set[int]:
        """Take the next move; return the numbers of those it waits for."""
        volume = parameters.get('resource_id')
        source = self._pools and self._pools.pool_of.get(volume)
        if source is None:
            return set()
        wanted = set()
        if volume in self._touched:
            wanted.add(self._touched[volume])
        self._touched[volume] = number
        target = parameters.get('destination_node')
        if not self._pools.promise(volume, target):
            wanted |= self._leaving.get(target, set())
        self._leaving.setdefault(source, set()).add(number)
        return wanted


def _particular(state):
    """Return the servers for which room is not all that counts."""
    found = {state.server_index.get(uuid)
             for group in state.facts.server_groups or ()
             for uuid in group.members}
    if state.mixed:
        # Whose CPUs become free there, the sums do not tell.
        return range(len(state.servers))
    return found | {server for server, request in state.requests.items()
                    if request.resources or request.devices}


# Measures -----------------------------------------------------------------

def hosts_in_use(state: cluster.ClusterState) -> float:
    """Return how many hosts have servers."""
    return float(sum(state.count_on(host) > 0
                     for host in range(len(state.hosts))))


#: What the plans for a goal should make less of, as far as allocations tell.
#: Strategies that go by measured loads name their own.
GOAL_MEASURES: Mapping[str, Mapping[str, Measure]] = {
    'server_consolidation': {'hosts_in_use': hosts_in_use},
}


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Measures before and after a plan; less is better."""

    before: Mapping[str, float]
    after: Mapping[str, float]

    @property
    def worse(self) -> list[str]:
        """The names of those that have become worse."""
        return [name for name, value in self.before.items()
                if self.after[name] > value + TOLERANCE * max(1, abs(value))]

    def __str__(self):
        return ', '.join(f'{name} {value:g} -> {self.after[name]:g}'
                         for name, value in self.before.items())


def compare(before: cluster.ClusterState, after: cluster.ClusterState,
            measures: Mapping[str, Measure]) -> Comparison:
    """Take the measures of two states of the same servers and hosts."""
    return Comparison(
        {name: measure(before) for name, measure in measures.items()},
        {name: measure(after) for name, measure in measures.items()})
