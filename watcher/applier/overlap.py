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
"""Which plans would disturb each other if they ran at the same time.

Two plans overlap when both change the same server, volume, service or node;
and when one of them takes a host out of use that the other one brings servers
to, or puts into use, or takes out of use itself. That several plans move
servers away from one host, or to it, is no overlap: limits are for that.

A plan that runs reaches what it has still to change, and every host that it
takes out of use, until it ends.
"""

import dataclasses
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from oslo_log import log

from watcher._i18n import _
from watcher.applier.actions import base as action_base
from watcher.applier.loading import default as loading
from watcher.applier.workflow_engine import limits
from watcher.common import exception
from watcher.objects import action as action_objects

LOG = log.getLogger(__name__)

State = action_objects.State

_UNFINISHED = (State.PENDING, State.ONGOING, State.CANCELLING)
_GIVEN_UP = (State.FAILED, State.CANCELLED)

#: What the subjects of actions are.
_KINDS = {
    'migrate': _('server'), 'resize': _('server'), 'stop': _('server'),
    'start': _('server'), 'volume_migrate': _('volume'),
    'change_node_power_state': _('node'),
}


@dataclasses.dataclass(slots=True)
class Reach:
    """What a plan changes.

    :ivar subjects: what its actions change, with how to call it
    :ivar closes: hosts that it takes out of use
    :ivar uses: hosts that it needs in use, or whose use it changes
    """

    subjects: dict[str, str] = dataclasses.field(default_factory=dict)
    closes: set[str] = dataclasses.field(default_factory=set)
    uses: set[str] = dataclasses.field(default_factory=set)

    def add(self, part: 'Part', state: str) -> None:
        """Add what an action of the plan changes, which is in this state."""
        if part.closes and state not in _GIVEN_UP:
            self.closes.add(part.closes)
        if state in _UNFINISHED:
            self.subjects.update(part.subjects)
            self.uses.update(part.uses)


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """What an action contributes to that; it never changes."""

    subjects: Mapping[str, str]
    closes: str | None
    uses: tuple[str, ...]

    @classmethod
    def of(cls, kind: str, parameters: Mapping[str, Any],
           claims: action_base.Claims) -> 'Part':
        """Return the part of an action of this type."""
        return cls(
            {subject: _name(kind, parameters, subject)
             for subject in claims.subjects},
            claims.closes,
            tuple(filter(None, (claims.destination, claims.opens,
                                claims.closes))))


def _name(action_type: str, parameters: Mapping[str, Any],
          subject: str) -> str:
    if subject != parameters.get('resource_id'):
        # It is in words already, as "nova-compute on compute-1".
        return subject
    kind = _KINDS.get(action_type, _('resource'))
    name = parameters.get('resource_name')
    return f'{kind} {name} ({subject})' if name else f'{kind} {subject}'


@dataclasses.dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a plan cannot run now.

    :ivar plan: UUID of the plan that is in its way
    :ivar reason: in words
    """

    plan: str
    reason: str


class Taken:
    """What plans reach that are before others."""

    def __init__(self) -> None:
        # What -> UUID of the first plan that reaches it.
        self._subjects: dict[str, str] = {}
        self._closed: dict[str, str] = {}
        self._used: dict[str, str] = {}

    def add(self, plan: str, reach: Reach) -> None:
        """Note what a plan reaches."""
        for index, names in ((self._subjects, reach.subjects),
                             (self._closed, reach.closes),
                             (self._used, reach.uses)):
            for name in names:
                index.setdefault(name, plan)

    def obstacle(self, reach: Reach) -> Obstacle | None:
        """Return what keeps a plan that reaches this from running."""
        for subject, name in reach.subjects.items():
            if subject in self._subjects:
                return Obstacle(self._subjects[subject],
                                _('both change %s') % name)
        for host in sorted(reach.uses):
            if host in self._closed:
                return Obstacle(self._closed[host], _(
                    'it takes host %s out of use') % host)
        for host in sorted(reach.closes):
            if host in self._used:
                return Obstacle(self._used[host], _(
                    'it needs host %s, which this plan takes out of use')
                    % host)
        return None


class Reader:
    """Tells what plans reach, by the word of the plug-ins.

    Not for several threads.

    :param fetch: returns the parameters of actions by their ids
    """

    def __init__(self, fetch: Callable[[Sequence[int]],
                                       Mapping[int, Mapping[str, Any]]]):
        self._fetch = fetch
        self._loader = loading.DefaultActionLoader()
        # By type; None: there is no such plug-in here.
        self._plugins: dict[str, action_base.BaseAction | None] = {}
        # By the ids of actions: those of this round, and those of the round
        # before.
        self._known: dict[int, Part] = {}
        self._former: dict[int, Part] = {}

    def begin(self) -> None:
        """Begin a round: what the last one did not need is forgotten."""
        self._former, self._known = self._known, {}

    def read(self, actions: Sequence[Any]) -> dict[str, Reach]:
        """Return what plans reach, by their UUIDs, in the order given.

        :param actions: rows of ``list_actions_of_plans``
        """
        self._learn([action for action in actions
                     if action.id not in self._known])
        reaches: dict[str, Reach] = {}
        for action in actions:
            reach = reaches.get(action.plan_uuid)
            if reach is None:
                reach = reaches[action.plan_uuid] = Reach()
            reach.add(self._known[action.id], action.state)
        return reaches

    def _learn(self, actions: Sequence[Any]) -> None:
        unknown = []
        for action in actions:
            part = self._former.get(action.id)
            if part is None:
                unknown.append(action)
            else:
                self._known[action.id] = part
        if not unknown:
            return
        parameters = self._fetch([action.id for action in unknown])
        for action in unknown:
            given = parameters.get(action.id) or {}
            self._known[action.id] = Part.of(
                action.action_type, given,
                self._claims(action.action_type, given))

    def _claims(self, action_type: str,
                parameters: Mapping[str, Any]) -> action_base.Claims:
        """Ask a plug-in, one object of each type for all actions."""
        plugin = self._plugin(action_type)
        if plugin is not None:
            try:
                plugin.input_parameters = dict(parameters)
                return plugin.claims()
            except Exception as error:
                # Such an action will fail in its turn.
                LOG.debug('A %(type)s action cannot say what it changes: '
                          '%(error)s', {'type': action_type, 'error': error})
        return limits.claims_without_plugin(parameters)

    def _plugin(self, action_type: str) -> action_base.BaseAction | None:
        if action_type not in self._plugins:
            try:
                plugin = self._loader.load(action_type)
            except exception.LoadingError:
                # The loader has told; another applier may have it.
                plugin = None
            self._plugins[action_type] = plugin
        return self._plugins[action_type]
