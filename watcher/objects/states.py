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
"""The states of audits, action plans and actions: declared once.

Objects refuse what these machines don't know, the REST API asks
:meth:`StateMachine.user_can`, and the documentation is generated from them.
"""

import dataclasses
import enum
from collections.abc import Mapping
from typing import Any

from watcher._i18n import _
from watcher.common import exception


class AuditType(enum.StrEnum):
    """How often an audit runs."""

    ONESHOT = 'ONESHOT'
    CONTINUOUS = 'CONTINUOUS'
    EVENT = 'EVENT'


class AuditState:
    PENDING = 'PENDING'
    ONGOING = 'ONGOING'
    SUCCEEDED = 'SUCCEEDED'
    FAILED = 'FAILED'
    CANCELLED = 'CANCELLED'
    SUSPENDED = 'SUSPENDED'
    DELETED = 'DELETED'


class ActionPlanState:
    RECOMMENDED = 'RECOMMENDED'
    PENDING = 'PENDING'
    ONGOING = 'ONGOING'
    SUCCEEDED = 'SUCCEEDED'
    FAILED = 'FAILED'
    CANCELLING = 'CANCELLING'
    CANCELLED = 'CANCELLED'
    SUPERSEDED = 'SUPERSEDED'
    DELETED = 'DELETED'


class ActionState:
    PENDING = 'PENDING'
    ONGOING = 'ONGOING'
    SUCCEEDED = 'SUCCEEDED'
    FAILED = 'FAILED'
    CANCELLING = 'CANCELLING'
    CANCELLED = 'CANCELLED'
    SKIPPED = 'SKIPPED'
    DELETED = 'DELETED'


#: Audits in these states are not (or no longer) being worked on.
AUDIT_INACTIVE = (AuditState.CANCELLED, AuditState.DELETED,
                  AuditState.FAILED, AuditState.SUSPENDED)

#: Kinds of plans that are made of another plan.
ROLLBACK = 'rollback'
RETRY = 'retry'

#: In which states a plan is that has run to whatever end.
ENDED = (ActionPlanState.SUCCEEDED, ActionPlanState.FAILED,
         ActionPlanState.CANCELLED)

#: In which states a plan has such a plan.
REPAIRABLE = {
    ROLLBACK: ENDED,
    RETRY: (ActionPlanState.FAILED, ActionPlanState.CANCELLED),
}

#: States in which a plan can be paused and resumed.
PAUSABLE = (ActionPlanState.PENDING, ActionPlanState.ONGOING)

#: Plans in these states must not start another action.
ACTION_PLAN_CANCEL = (ActionPlanState.CANCELLING, ActionPlanState.CANCELLED)


@dataclasses.dataclass(frozen=True)
class StateMachine:
    """The states of one kind of object and the ways between them.

    :ivar name: kind of object, in words
    :ivar initial: state of a new object
    :ivar transitions: state -> states it can change to
    :ivar final: states in which the work is over; only deletion, or for an
        audit of type EVENT another run, may follow
    :ivar user: state -> states a user may ask for with PATCH
    :ivar deletable: states in which a user may delete the object
    """

    name: str
    initial: str
    transitions: Mapping[str, tuple[str, ...]]
    final: frozenset[str]
    user: Mapping[str, tuple[str, ...]]
    deletable: frozenset[str]

    @property
    def states(self) -> tuple[str, ...]:
        """All states, in the order of an object's life."""
        return tuple(self.transitions)

    def can(self, old: str | None, new: str) -> bool:
        """Return whether a service may change the state like this.

        A row without a state, which only foreign software writes, may take
        any.
        """
        if old is None:
            return new in self.transitions
        return new in self.transitions.get(old, ())

    def user_can(self, old: str | None, new: str) -> bool:
        """Return whether a user may change the state like this."""
        return new in self.user.get(old, ())

    def check(self, old: str | None, new: str, uuid: str = '') -> None:
        """Refuse an impossible change.

        :raises watcher.common.exception.InvalidStateTransition:
        """
        if not self.can(old, new):
            raise exception.InvalidStateTransition(
                object_type=self.name, uuid=uuid, old=old, new=new)

    def to_dot(self) -> str:
        """The machine as a Graphviz graph; bold: a user may ask for it."""
        lines = [f'digraph "{self.name}" {{', '  rankdir=LR;',
                 f'  "{self.initial}" [shape=doublecircle];']
        for old, targets in self.transitions.items():
            for new in targets:
                style = ' [style=bold]' if self.user_can(old, new) else ''
                lines.append(f'  "{old}" -> "{new}"{style};')
        return '\n'.join([*lines, '}'])

    def to_rst(self) -> str:
        """The machine as a table for the documentation."""
        lines = ['.. list-table::', '   :header-rows: 1', '',
                 '   * - State', '     - can become', '     - by a user']
        for old, targets in self.transitions.items():
            lines += [f'   * - {old}',
                      '     - ' + (', '.join(targets) or '(nothing)'),
                      '     - ' + (', '.join(self.user.get(old, ()))
                                   or '(nothing)')]
        return '\n'.join(lines)


# What PATCH accepts is what it always accepted, because existing automation
# uses it, but for DELETED, which only DELETE can mean.
AUDIT = StateMachine(
    name='audit',
    initial=AuditState.PENDING,
    transitions={
        AuditState.PENDING: (
            AuditState.ONGOING, AuditState.SUCCEEDED, AuditState.FAILED,
            AuditState.CANCELLED),
        AuditState.ONGOING: (
            AuditState.SUCCEEDED, AuditState.FAILED, AuditState.CANCELLED,
            AuditState.SUSPENDED),
        AuditState.SUSPENDED: (
            AuditState.ONGOING, AuditState.FAILED, AuditState.CANCELLED,
            AuditState.DELETED),
        # ONGOING: an audit of type EVENT that is triggered again.
        AuditState.SUCCEEDED: (AuditState.ONGOING, AuditState.DELETED),
        AuditState.FAILED: (AuditState.DELETED,),
        AuditState.CANCELLED: (AuditState.DELETED,),
        AuditState.DELETED: (),
    },
    final=frozenset({AuditState.SUCCEEDED, AuditState.FAILED,
                     AuditState.CANCELLED, AuditState.DELETED}),
    user={
        AuditState.PENDING: (AuditState.ONGOING, AuditState.CANCELLED),
        AuditState.ONGOING: (
            AuditState.SUCCEEDED, AuditState.FAILED, AuditState.CANCELLED,
            AuditState.SUSPENDED),
        AuditState.SUSPENDED: (AuditState.ONGOING,),
    },
    deletable=frozenset({AuditState.SUSPENDED, AuditState.SUCCEEDED,
                         AuditState.FAILED, AuditState.CANCELLED}))

ACTION_PLAN = StateMachine(
    name='action plan',
    initial=ActionPlanState.RECOMMENDED,
    transitions={
        # SUCCEEDED: there is nothing to do; ONGOING: automatic start.
        ActionPlanState.RECOMMENDED: (
            ActionPlanState.PENDING, ActionPlanState.ONGOING,
            ActionPlanState.SUCCEEDED, ActionPlanState.CANCELLED,
            ActionPlanState.SUPERSEDED, ActionPlanState.DELETED),
        ActionPlanState.PENDING: (
            ActionPlanState.ONGOING, ActionPlanState.FAILED,
            ActionPlanState.CANCELLED),
        ActionPlanState.ONGOING: (
            ActionPlanState.SUCCEEDED, ActionPlanState.FAILED,
            ActionPlanState.CANCELLING, ActionPlanState.CANCELLED),
        ActionPlanState.CANCELLING: (
            ActionPlanState.CANCELLED, ActionPlanState.FAILED),
        ActionPlanState.SUCCEEDED: (ActionPlanState.DELETED,),
        ActionPlanState.FAILED: (ActionPlanState.DELETED,),
        ActionPlanState.CANCELLED: (ActionPlanState.DELETED,),
        ActionPlanState.SUPERSEDED: (ActionPlanState.DELETED,),
        ActionPlanState.DELETED: (),
    },
    final=frozenset({ActionPlanState.SUCCEEDED, ActionPlanState.FAILED,
                     ActionPlanState.CANCELLED, ActionPlanState.SUPERSEDED,
                     ActionPlanState.DELETED}),
    user={
        ActionPlanState.RECOMMENDED: (
            ActionPlanState.PENDING, ActionPlanState.CANCELLED),
        ActionPlanState.PENDING: (ActionPlanState.CANCELLED,),
        ActionPlanState.ONGOING: (ActionPlanState.CANCELLING,),
    },
    deletable=frozenset({
        ActionPlanState.RECOMMENDED, ActionPlanState.SUCCEEDED,
        ActionPlanState.FAILED, ActionPlanState.CANCELLED,
        ActionPlanState.SUPERSEDED}))

ACTION = StateMachine(
    name='action',
    initial=ActionState.PENDING,
    transitions={
        ActionState.PENDING: (
            ActionState.ONGOING, ActionState.SKIPPED, ActionState.FAILED,
            ActionState.CANCELLED, ActionState.DELETED),
        # PENDING: its applier died before it asked the cloud for anything.
        ActionState.ONGOING: (
            ActionState.SUCCEEDED, ActionState.FAILED,
            ActionState.CANCELLING, ActionState.CANCELLED,
            ActionState.PENDING, ActionState.DELETED),
        ActionState.CANCELLING: (
            ActionState.CANCELLED, ActionState.SUCCEEDED, ActionState.FAILED,
            ActionState.DELETED),
        # FAILED: the check after the execution refused its result.
        ActionState.SUCCEEDED: (ActionState.FAILED, ActionState.DELETED),
        ActionState.FAILED: (ActionState.DELETED,),
        ActionState.CANCELLED: (ActionState.DELETED,),
        ActionState.SKIPPED: (ActionState.DELETED,),
        ActionState.DELETED: (),
    },
    final=frozenset({ActionState.SUCCEEDED, ActionState.FAILED,
                     ActionState.CANCELLED, ActionState.SKIPPED,
                     ActionState.DELETED}),
    user={ActionState.PENDING: (ActionState.SKIPPED,)},
    # Actions are deleted with their plan only.
    deletable=frozenset())


def check_repairable(plan: Any, kind: str) -> None:
    """Refuse a plan in whose state there is no such plan of it.

    :raises watcher.common.exception.RepairRefused:
    """
    allowed = REPAIRABLE[kind]
    if plan.state not in allowed:
        raise exception.RepairRefused(
            kind=kind, plan=plan.uuid,
            reason=_('its state is %(state)s and not %(allowed)s') % {
                'state': plan.state, 'allowed': _(' or ').join(allowed)})
