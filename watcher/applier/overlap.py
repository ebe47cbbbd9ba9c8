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
from collections.abc import Iterable
from typing import Any

from watcher._i18n import _
from watcher.applier.actions import base as action_base
from watcher.applier.actions import factory
from watcher.applier.workflow_engine import limits
from watcher.objects import action as action_objects

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

    def add(self, action: Any, claims: action_base.Claims) -> None:
        """Add what an action of the plan changes."""
        if claims.closes and action.state not in _GIVEN_UP:
            self.closes.add(claims.closes)
        if action.state not in _UNFINISHED:
            return
        for subject in claims.subjects:
            self.subjects.setdefault(subject, _name(action, subject))
        self.uses.update(filter(None, (
            claims.destination, claims.opens, claims.closes)))


def _name(action: Any, subject: str) -> str:
    parameters = action.input_parameters or {}
    if subject != parameters.get('resource_id'):
        # It is in words already, as "nova-compute on compute-1".
        return subject
    kind = _KINDS.get(action.action_type, _('resource'))
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
    """Tells what plans reach, by the word of the plug-ins."""

    def __init__(self) -> None:
        self._plugins = factory.ActionFactory()
        # By the ids of actions, whose parameters never change: those of
        # this round, and those of the round before.
        self._known: dict[int, action_base.Claims] = {}
        self._former: dict[int, action_base.Claims] = {}

    def begin(self) -> None:
        """Begin a round: what the last one did not need is forgotten."""
        self._former, self._known = self._known, {}

    def read(self, actions: Iterable[Any]) -> dict[str, Reach]:
        """Return what plans reach, by their UUIDs, in the order given.

        :param actions: rows of ``list_actions_of_plans``
        """
        reaches: dict[str, Reach] = {}
        for action in actions:
            reach = reaches.setdefault(action.plan_uuid, Reach())
            reach.add(action, self._claims_of(action))
        return reaches

    def _claims_of(self, action: Any) -> action_base.Claims:
        claims = self._known.get(action.id)
        if claims is None:
            claims = self._former.get(action.id)
            if claims is None:
                claims = limits.claims_of(self._plugins, action)
            self._known[action.id] = claims
        return claims
