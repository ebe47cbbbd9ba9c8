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
"""Which wishes the cloud still allows.

Since the plan ended, users and operators went on: servers were deleted or
moved, hosts were filled or disabled. What is not any more as the plan left
it, and what would not work, is left out with the reason.
"""

import dataclasses
from collections.abc import Callable
from collections.abc import Collection
from typing import Any

from watcher.decision_engine.repair import steps as repair_steps
from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import eligibility
from watcher.decision_engine.strategy.common import feasibility
from watcher.decision_engine.strategy.common import plan_check
from watcher.decision_engine.strategy.common import settings
from watcher.decision_engine.strategy.common import simulation
from watcher.decision_engine.strategy.common import storage

RESIZE, RETYPE = 'resize', 'retype'
ENABLED = 'enabled'

#: Actions that are held against the cloud; of others nothing is known.
JUDGED = frozenset((simulation.MIGRATE, simulation.SERVICE_STATE,
                    simulation.STOP, simulation.START,
                    simulation.VOLUME_MIGRATE, RESIZE))

_NOBODY_KNOWS = 'nobody can tell whether it changed anything'


class _LeftOut(Exception):
    """A wish that is not possible, or not needed any more."""


def unlimited(options: settings.Settings) -> settings.Settings:
    """Return the shared options for plans of this package.

    Such a plan is about servers that moved already, so it may be as big as
    the one that it is made from, in the other direction too.
    """
    return dataclasses.replace(
        options, max_migrations=0, max_migrations_per_source=0,
        max_migrations_per_destination=0, max_migrations_per_project=0,
        min_residence=0)


@dataclasses.dataclass
class Reality:
    """The cloud as it is now.

    :ivar state: servers and hosts.
    :ivar storage: the storage model, None if it is not needed or there is
        none.
    :ivar options: the shared options of the strategy whose plan it is.
    :ivar snapshots: uuids of the volumes that have snapshots.
    """

    state: cluster.ClusterState
    storage: Any = None
    options: settings.Settings = settings.Settings()
    snapshots: Collection[str] = ()


def examine(draft: repair_steps.Draft,
            reality: Reality) -> repair_steps.Draft:
    """Return what of a draft is possible, in an order that works.

    Each wish waits for those that it had to wait for, unless that order
    does not work now, and for those that make room for it: a host is
    enabled before servers return to it, although it was disabled first.

    The given draft is used up.
    """
    found = repair_steps.Draft(left_out=dict(draft.left_out))
    judge = _Judge(reality)
    wanted = []
    for wish in draft.wishes:
        try:
            judge.check(wish)
        except _LeftOut as reason:
            if wish.certain:
                found.left_out[wish.step.label] = str(reason)
            continue
        wanted.append(wish)
    arranged = simulation.arrange(wanted, simulation.Simulation(
        reality.state.copy(), unlimited(reality.options),
        pools=_pools(reality)))
    for wish, reason in arranged.refused:
        found.left_out[wish.step.label] = reason
    found.wishes = []
    for wish in arranged.actions:
        if _is_pointless(wish, arranged.state):
            found.left_out[wish.step.label] = plan_check.OCCUPIED
        else:
            found.wishes.append(wish)
    _link(found.wishes, draft.wishes, reality)
    return found


def _is_pointless(wish, state):
    """Tell whether a host would be disabled as empty that is not."""
    host = state.host_named(wish.parameters.get('resource_name'))
    return (host is not None and plan_check.disables_empty(wish)
            and state.count_on(host) > 0)


def _pools(reality):
    return simulation.Pools(reality.storage) if reality.storage else None


def _link(wishes, all_wishes, reality):
    """Have each wish wait only for those that come before it."""
    position = {id(wish): number for number, wish in enumerate(wishes)}
    waits = _without(all_wishes, position)
    needs = simulation.needs(wishes, reality.state, _pools(reality))
    for number, wish in enumerate(wishes):
        numbers = {position[ident] for ident in waits[id(wish)]
                   if position[ident] < number}
        wish.after = [wishes[other]
                      for other in sorted(numbers | needs[number])]


def _without(all_wishes, kept):
    """Return by id which kept wishes each waits for, also by way of others.
    """
    waits: dict[int, dict[int, None]] = {}

    # Wishes that are waited for need not stand before those that wait.
    def look(wish):
        stack = [wish]
        while stack:
            one = stack[-1]
            unknown = [other for other in one.after
                       if id(other) not in waits]
            if unknown:
                stack += unknown
                continue
            stack.pop()
            found: dict[int, None] = {}
            for other in one.after:
                found.update({id(other): None} if id(other) in kept
                             else waits[id(other)])
            waits[id(one)] = found

    for wish in all_wishes:
        look(wish)
    return waits


class _Judge:
    """Compares what wishes expect with what is there.

    It follows the wishes that it has accepted: a server that a plan moved
    twice is moved back in two steps.
    """

    def __init__(self, reality: Reality):
        self._state = reality.state
        self._options = unlimited(reality.options)
        self._eligibility = eligibility.Eligibility(
            reality.state, self._options)
        self._storage = (
            storage.StorageState.from_model(reality.storage,
                                            reality.snapshots)
            if reality.storage else None)
        # Where servers and volumes are, and what hosts are, by then.
        self._places: dict[int, str] = {}
        self._pools: dict[str, str] = {}
        self._statuses: dict[int, bool] = {}
        self._checks: dict[str, Callable[[repair_steps.Wish], None]] = {
            simulation.MIGRATE: self._check_migration,
            simulation.SERVICE_STATE: self._check_service,
            simulation.STOP: self._check_stop,
            simulation.START: self._check_start,
            simulation.VOLUME_MIGRATE: self._check_volume,
            RESIZE: self._check_resize}

    def check(self, wish: repair_steps.Wish) -> None:
        """Refuse a wish that does not fit, and bring it up to date.

        :raises: _LeftOut
        """
        check = self._checks.get(wish['action_type'])
        if check is not None:
            check(wish)
        elif not wish.certain:
            raise _LeftOut(_NOBODY_KNOWS)

    # Servers --------------------------------------------------------------

    def _server(self, wish):
        uuid = wish.parameters.get('resource_id')
        server = self._state.server_index.get(uuid)
        if server is None:
            raise _LeftOut(f'the server {uuid} does not exist any more')
        return server

    def _check_migration(self, wish):
        server = self._server(wish)
        source = wish.parameters.get('source_node')
        target = wish.parameters.get('destination_node')
        place = self._place(server)
        if target is not None and place == target:
            raise _LeftOut(f'the server is on {target} already')
        if place != source:
            raise _LeftOut(
                f'the server is on {place or "no host"} now, not on {source}')
        if target is not None and self._state.host_named(target) is None:
            raise _LeftOut(f'the host {target} is not known, or not well '
                           'enough')
        self._adapt(wish, server)
        self._places[server] = target or ''

    def _place(self, server):
        if server in self._places:
            return self._places[server]
        host = int(self._state.host_of[server])
        return ('' if host == cluster.NOWHERE
                else self._state.hosts[host].hostname)

    def _adapt(self, wish, server):
        """Move a server that was stopped meanwhile in the way it can be."""
        if (wish.parameters.get('migration_type') != eligibility.LIVE
                or self._state.servers[server].state
                in feasibility.LIVE_MIGRATABLE):
            return
        if self._eligibility.why_unable(server, eligibility.COLD) is None:
            wish.parameters['migration_type'] = eligibility.COLD

    def _check_stop(self, wish):
        server = self._server(wish)
        if self._state.servers[server].state == feasibility.STOPPED:
            raise _LeftOut('the server is stopped already')

    def _check_start(self, wish):
        server = self._server(wish)
        if self._state.servers[server].state != feasibility.STOPPED:
            raise _LeftOut('the server is not stopped any more')

    def _check_resize(self, wish):
        # The model does not know flavors by name.
        self._server(wish)
        if not wish.certain:
            raise _LeftOut(_NOBODY_KNOWS)

    # Hosts ----------------------------------------------------------------

    def _check_service(self, wish):
        name = (wish.parameters.get('resource_name')
                or wish.parameters.get('resource_id'))
        number = self._state.host_named(name)
        if number is None:
            raise _LeftOut(f'the host {name} is not known, or not well '
                           'enough')
        host = self._state.hosts[number]
        enable = wish.parameters.get('state') == ENABLED
        if self._statuses.get(number, host.enabled) == enable:
            raise _LeftOut(f'{name} is '
                           f'{"enabled" if enable else "disabled"} already')
        if enable and wish.undoes and number not in self._statuses:
            self._check_reason(wish, host)
        self._statuses[number] = enable

    @staticmethod
    def _check_reason(wish, host):
        """Enable only what the plan has disabled: others had reasons."""
        ours = wish.step.parameters.get('disabled_reason')
        if ours is not None and host.disabled_reason != ours:
            raise _LeftOut(
                f'{host.hostname} was disabled by somebody else '
                f'({host.disabled_reason or "no reason given"})')

    # Volumes --------------------------------------------------------------

    def _check_volume(self, wish):
        if self._storage is None:
            raise _LeftOut('the cloud has no block storage service')
        uuid = wish.parameters.get('resource_id')
        volume = self._storage.volumes.get(uuid)
        if volume is None:
            raise _LeftOut(f'the volume {uuid} does not exist any more')
        retypes = wish.parameters.get('migration_type') == RETYPE
        if retypes:
            self._check_type(wish, volume)
        else:
            self._check_pool(wish, volume)
        kind = storage.RETYPE if retypes else storage.MIGRATE
        problem = (self._storage.why_not_touch(volume, self._options)
                   or self._storage.why_not_move(volume, kind))
        if problem:
            raise _LeftOut(f'the volume cannot be moved: {problem}')

    def _check_type(self, wish, volume):
        target = wish.parameters.get('destination_type')
        if volume.type == target:
            raise _LeftOut(f'the volume is of the type {target} already')
        left = wish.step.parameters.get('destination_type')
        if wish.undoes and left is not None and volume.type != left:
            raise _LeftOut(f'the volume is of the type {volume.type} now, '
                           f'not of {left}')

    def _check_pool(self, wish, volume):
        target = wish.parameters.get('destination_node')
        pool = self._pools.get(volume.uuid,
                               self._storage.pool_of[volume.uuid])
        if target is not None and pool == target:
            raise _LeftOut(f'the volume is in {target} already')
        left = wish.step.parameters.get('destination_node')
        if wish.undoes and left is not None and pool != left:
            raise _LeftOut(f'the volume is in {pool} now, not in {left}')
        if target is not None:
            self._pools[volume.uuid] = target
