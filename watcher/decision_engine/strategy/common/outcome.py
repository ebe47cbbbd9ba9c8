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
"""What is left of a plan in the cloud, some time after it ran.

Each action that succeeded is held against the models as they are now: an
action whose result somebody has changed meanwhile, or that reported a success
that is not there, has no effect.
"""

import dataclasses
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from watcher.decision_engine.strategy.common import cluster
from watcher.decision_engine.strategy.common import feasibility
from watcher.decision_engine.strategy.common import plan_check
from watcher.decision_engine.strategy.common import simulation
from watcher.decision_engine.strategy.common import storage

DISABLED, ENABLED = 'disabled', 'enabled'


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What of a plan is in effect.

    :ivar actions: all actions of the plan, with the keys
        ``action_type`` and ``input_parameters``.
    :ivar effective: those whose results are there.
    :ivar remarks: why results of others are not.
    """

    actions: Sequence[simulation.Action] = ()
    effective: Sequence[simulation.Action] = ()
    remarks: Sequence[str] = ()

    def count(self, indicator: str) -> int | None:
        """Return what an indicator counts, of what is in effect.

        None if it counts something else than actions.
        """
        counts = plan_check.COUNTED.get(indicator)
        return None if counts is None else sum(map(counts, self.effective))

    @property
    def sources(self) -> set[str]:
        """Names of the hosts that servers were to leave."""
        return {name for action in self.actions
                if action['action_type'] == simulation.MIGRATE
                and (name := simulation.parameters_of(action).get(
                    'source_node'))}

    def service_changes(self) -> dict[str, str]:
        """Return what hosts were to be in the end, by their names."""
        found = {}
        for action in self.actions:
            if action['action_type'] == simulation.SERVICE_STATE:
                given = simulation.parameters_of(action)
                found[given.get('resource_name')] = given.get('state')
        return found


def observe(actions: Sequence[simulation.Action], done: Sequence[bool],
            state: cluster.ClusterState | None,
            pools: storage.StorageState | None) -> Outcome:
    """Hold the actions of a plan against the cloud as it is now.

    :param done: of each action whether it succeeded.
    :param state: all servers and hosts, not only those of a scope; None if
        the plan was not about them.
    :param pools: the same for volumes and pools.
    """
    effective, remarks = [], []
    look = _Look(state, pools)
    last = {_subject(action): number
            for number, action in enumerate(actions) if done[number]}
    for number, action in enumerate(actions):
        if not done[number]:
            continue
        # A server that was moved twice is where the second move put it.
        problem = (look.why_gone(action)
                   if last[_subject(action)] == number else None)
        if problem is None:
            effective.append(action)
        else:
            remarks.append(problem)
    return Outcome(tuple(actions), tuple(effective), tuple(remarks))


def _subject(action):
    given = simulation.parameters_of(action)
    return action['action_type'], str(
        given.get('resource_id') or given.get('resource_name'))


class _Look:

    def __init__(self, state, pools):
        self._state = state
        self._pools = pools
        self._checks: Mapping[str, Callable[[Mapping[str, Any]],
                                            str | None]] = {
            simulation.MIGRATE: self._migration,
            simulation.SERVICE_STATE: self._service,
            simulation.STOP: self._stop,
            simulation.VOLUME_MIGRATE: self._volume}

    def why_gone(self, action: simulation.Action) -> str | None:
        """Return why there is nothing of an action left, None if there is.

        What cannot be seen is believed.
        """
        check = self._checks.get(action['action_type'])
        return check(simulation.parameters_of(action)) if check else None

    def _server(self, given):
        if self._state is None:
            return None
        return self._state.server_index.get(given.get('resource_id'))

    def _migration(self, given):
        server = self._server(given)
        if server is None:
            # It was deleted since; it has left its host in any case.
            return None
        number = int(self._state.host_of[server])
        host = ('no host' if number == cluster.NOWHERE
                else self._state.hosts[number].hostname)
        target = given.get('destination_node')
        if host == target or target is None and host != given.get(
                'source_node'):
            return None
        return (f'{self._state.servers[server].label} is on {host}, '
                f'not on {target}' if target else
                f'{self._state.servers[server].label} is on {host} again')

    def _service(self, given):
        if self._state is None:
            return None
        name = given.get('resource_name')
        number = self._state.host_named(name)
        if number is None:
            return None
        enabled = self._state.hosts[number].enabled
        if enabled == (given.get('state') == ENABLED):
            return None
        return f'{name} is {ENABLED if enabled else DISABLED} again'

    def _stop(self, given):
        server = self._server(given)
        if server is None or self._state.servers[server].state == (
                feasibility.STOPPED):
            return None
        return f'{self._state.servers[server].label} is not stopped any more'

    def _volume(self, given):
        uuid = given.get('resource_id')
        if self._pools is None or uuid not in self._pools.volumes:
            return None
        volume = self._pools.volumes[uuid]
        if given.get('migration_type') == storage.RETYPE:
            place = 'of the type'
            wanted, found = given.get('destination_type'), volume.type
        else:
            place, wanted = 'in', given.get('destination_node')
            found = self._pools.pool_of[uuid]
        if wanted is None or wanted == found:
            return None
        return f'{volume.label} is {place} {found}, not {place} {wanted}'
