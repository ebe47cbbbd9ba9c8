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
"""What an audit recommends: actions and the order between them."""

import datetime
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from oslo_log import log
from oslo_utils import timeutils

from watcher import conf
from watcher.common import exception
from watcher.objects import audit
from watcher.objects import base
from watcher.objects import events
from watcher.objects import fields as wfields
from watcher.objects import lease
from watcher.objects import states
from watcher.objects import strategy

CONF = conf.CONF
LOG = log.getLogger(__name__)

State = states.ActionPlanState
CANCEL_STATES = states.ACTION_PLAN_CANCEL


def is_expired(created_at: datetime.datetime) -> bool:
    """Whether a plan that was made then is too old to be started."""
    hours = CONF.watcher_decision_engine.action_plan_expiry
    return bool(hours) and (
        timeutils.normalize_time(created_at) < _oldest(hours))


def _oldest(hours: int) -> datetime.datetime:
    return timeutils.utcnow() - datetime.timedelta(hours=hours)


#: What is given with an action but stored in tables of their own.
_BESIDE = frozenset({'explanation', 'needs'})


@base.WatcherObjectRegistry.register
class ActionPlan(base.UuidMixin, base.StoredObject):
    """Version 2.3.

    1.0: initial; 1.1: relations; 1.2: audit_id mandatory; 2.0: without the
    key of the first action; 2.1: global_efficacy as list; 2.2: hostname;
    2.3: status_message.
    """

    VERSION = '2.3'

    entity = 'action_plan'
    relations = {'audit': audit.Audit, 'strategy': strategy.Strategy}
    machine = states.ACTION_PLAN

    fields = {
        'id': wfields.IntegerField(),
        'uuid': wfields.UUIDField(),
        'audit_id': wfields.IntegerField(),
        'strategy_id': wfields.IntegerField(),
        'state': wfields.StringField(nullable=True),
        'global_efficacy': wfields.FlexibleListOfDictField(nullable=True),
        'hostname': wfields.StringField(nullable=True),
        'status_message': wfields.MessageField(nullable=True),
        'audit': wfields.ObjectField('Audit', nullable=True),
        'strategy': wfields.ObjectField('Strategy', nullable=True),
    }

    @classmethod
    def create_with(cls, context: Any, plan: Mapping[str, Any],
                    actions: Sequence[Mapping[str, Any]] = (),
                    efficacy_indicators: Sequence[Mapping[str, Any]] = ()
                    ) -> 'ActionPlan':
        """Store a whole plan in one transaction, or nothing of it.

        The plan and then each action are announced. A plan without actions
        has nothing to do: it becomes ``SUCCEEDED``, unless ``plan`` names
        another state.

        :param plan: fields of the plan; ``audit_id`` and ``strategy_id`` are
            needed, the state is ``RECOMMENDED`` if not given; also its
            ``explanation``
        :param actions: fields of each action without its plan; ``parents``
            are UUIDs of actions of this plan; also its ``explanation`` and
            its ``needs``: what its dependencies mean
        :param efficacy_indicators: fields of each indicator without its plan
        :returns: the plan, with its relations
        :raises watcher.common.exception.ResourceNotFound: if the audit or
            the strategy does not exist
        """
        return cls.dbapi.run_in_transaction(
            cls._create_with, context, plan, actions, efficacy_indicators)

    @classmethod
    def _create_with(cls, context: Any, fields: Mapping[str, Any],
                     actions: Sequence[Mapping[str, Any]],
                     indicators: Sequence[Mapping[str, Any]]
                     ) -> 'ActionPlan':
        values = {'state': State.RECOMMENDED, **fields}
        explanation = values.pop('explanation', None)
        plan = cls(context, **values)
        plan.create()
        if explanation:
            plan.explain(explanation)
        cls.dbapi.bulk_create_efficacy_indicators(
            [{**indicator, 'action_plan_id': plan.id}
             for indicator in indicators])
        plan.create_actions(actions)
        if not actions and 'state' not in fields:
            plan.transition(State.SUCCEEDED)
        return plan

    def explain(self, explanation: Mapping[str, Any]) -> None:
        """Store why this new plan is what it is.

        :param explanation: see
            :mod:`watcher.decision_engine.solution.explanation`
        """
        self.dbapi.create_explanations('action_plan', {self.id: explanation})

    @classmethod
    def explanations(cls, idents: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Read the explanations of several plans.

        :returns: by the ids of the plans, without those that have none
        """
        return cls.dbapi.get_explanations(cls.entity, idents)

    def create_actions(self, actions: Sequence[Mapping[str, Any]]
                       ) -> list[Any]:
        """Store new actions of this plan with few statements.

        :param actions: fields of each action without its plan; ``parents``
            are UUIDs of actions of this plan; also its ``explanation`` and
            its ``needs``: what its dependencies mean
        :returns: the actions
        """
        rows = self.dbapi.run_in_transaction(self._insert_actions, actions)
        return self._announce_actions((row, None) for row in rows)

    def _insert_actions(self, actions: Sequence[Mapping[str, Any]]
                        ) -> Sequence[Any]:
        rows = self.dbapi.bulk_create_actions(
            [{**{name: value for name, value in action.items()
                 if name not in _BESIDE}, 'action_plan_id': self.id}
             for action in actions])
        self.dbapi.create_explanations('action', {
            row.id: action['explanation']
            for row, action in zip(rows, actions, strict=True)
            if action.get('explanation')})
        self.dbapi.create_runs('action', {
            row.id: {'needs': action['needs']}
            for row, action in zip(rows, actions, strict=True)
            if action.get('needs')})
        return rows

    def _announce_actions(self, rows: Iterable[tuple[Any, str | None]],
                          update: bool = False,
                          delete: bool = False) -> list[Any]:
        """Announce changed rows of actions that belong to this plan.

        :param rows: each row with its former state
        :returns: the actions
        """
        action_class = self._action_class()
        actions = []
        for row, old_state in rows:
            action = action_class.from_row(self._context, row)
            action.action_plan = self
            action.obj_reset_changes()
            if not update and not delete:
                events.created(action)
            if update:
                events.updated(action, old_state)
            if delete:
                events.deleted(action)
            actions.append(action)
        return actions

    @staticmethod
    def _action_class() -> Any:
        # Actions know their plan's class; the other way round it is found
        # by name, or the modules would import each other.
        return base.WatcherObjectRegistry.obj_classes()['Action'][0]

    def transition_actions(self, new_state: str,
                           expected: str | Iterable[str],
                           fence: lease.Lease | None = None,
                           **values: Any) -> list[Any]:
        """Change the state of all living actions that are as expected.

        One statement for all of them; each change is announced.

        :param expected: state, or several, of the actions to change
        :param fence: a lease that must be held
        :param values: further fields to store
        :returns: the changed actions
        :raises watcher.common.exception.InvalidStateTransition: if there is
            no such way between the states
        """
        machine = self._action_class().machine
        expected = [expected] if isinstance(expected, str) else list(expected)
        for old_state in expected:
            machine.check(old_state, new_state)
        options = {}
        if fence is not None:
            fence.check()
            options['fence'] = fence
        rows = self.dbapi.update_actions_of_plan(
            self.id, {**values, 'state': new_state}, expected, **options)
        return self._announce_actions(rows, update=True)

    @base.remotable
    def soft_delete(self) -> None:
        """Hide the plan with its actions and efficacy indicators."""
        actions, plan = self.dbapi.run_in_transaction(self._delete_rows)
        self._announce_actions(actions, update=True, delete=True)
        self._mark_deleted(plan)

    def _delete_rows(self) -> tuple[Any, Any]:
        # Only rows: this object must not change before the commit.
        actions = self.dbapi.soft_delete_actions_of_plan(
            self.id, {'state': states.ActionState.DELETED})
        self.dbapi.soft_delete_efficacy_indicators_of_plan(self.id)
        return actions, self._delete_row()

    @base.remotable
    def destroy(self) -> None:
        """Remove the plan and its efficacy indicators for good.

        :raises watcher.common.exception.ActionPlanReferenced: while it has
            actions, even deleted ones
        """
        self.dbapi.run_in_transaction(self._destroy)

    def _destroy(self) -> None:
        self.dbapi.destroy_efficacy_indicators_of_plan(self.id)
        base.StoredObject.destroy(self)

    @classmethod
    def supersede_expired(cls, context: Any) -> list['ActionPlan']:
        """Give up recommendations that are too old to be sensible.

        Plans that are ``RECOMMENDED`` for longer than
        ``[watcher_decision_engine] action_plan_expiry`` hours become
        ``SUPERSEDED``, unless somebody starts them at this moment. 0 keeps
        them for ever.

        :returns: the plans given up
        """
        hours = CONF.watcher_decision_engine.action_plan_expiry
        if not hours:
            return []
        expired = cls.list(context, eager=True, filters={
            'state': State.RECOMMENDED, 'created_at__lt': _oldest(hours)})
        given_up = []
        for plan in expired:
            # It may say what the plan waits for, which it does no more.
            values = {'status_message': None} if plan.status_message else {}
            try:
                plan.transition(State.SUPERSEDED, **values)
            except exception.StateConflict as conflict:
                LOG.info('Action plan %(uuid)s is kept although it is older '
                         'than %(hours)s hours: %(reason)s',
                         {'uuid': plan.uuid, 'hours': hours,
                          'reason': conflict})
            else:
                given_up.append(plan)
        return given_up
