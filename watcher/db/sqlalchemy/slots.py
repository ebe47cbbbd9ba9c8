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
"""What is asked before something starts: its plan, what runs, what ran."""

import datetime
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from watcher.db.sqlalchemy import generic
from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import optional
from watcher.db.sqlalchemy import session as db_session

#: Most ids of one statement.
_IDENTS = 10000


class Operations:
    """The operations of the connection."""

    def get_plan_standing(self, plan_id: int) -> Any:
        """Return what an applier looks at before each action, in one query.

        :returns: a row with ``uuid``, ``state``, ``hostname``,
            ``status_message`` and ``paused``; None for a plan that is gone
        """
        plan, run = models.ActionPlan, models.PlanRun
        with db_session.reader() as session:
            return session.execute(
                sa.select(plan.uuid, plan.state, plan.hostname,
                          plan.status_message, run.paused)
                .outerjoin(run, run.action_plan_id == plan.id)
                .where(plan.id == plan_id, plan.deleted_at.is_(None))
            ).one_or_none()

    def list_running_actions(self, plan_states: Iterable[str],
                             states: Iterable[str]) -> Sequence[Any]:
        """Return the actions that run, of all plans of all appliers.

        :param plan_states: states of plans that are being executed
        :param states: states of actions that are being executed
        :returns: rows with ``id``, ``action_plan_id``, ``action_type`` and
            ``input_parameters``
        """
        plan, action = models.ActionPlan, models.Action
        with db_session.reader() as session:
            return session.execute(
                sa.select(action.id, action.action_plan_id,
                          action.action_type, action.input_parameters)
                .join(plan, plan.id == action.action_plan_id)
                .where(plan.state.in_(list(plan_states)),
                       plan.deleted_at.is_(None),
                       action.state.in_(list(states)),
                       action.deleted_at.is_(None))).all()

    def list_actions_of_plans(self, *, plan_ids: Sequence[int] | None = None,
                              plan_states: Iterable[str] = ()
                              ) -> Sequence[Any]:
        """Return the actions of certain plans, with one query.

        :param plan_ids: ids of the plans; those in ``plan_states`` if None
        :returns: rows with ``id``, ``action_type``, ``state`` and
            ``plan_uuid``, in the order of the plans and of their actions
        """
        plan, action = models.ActionPlan, models.Action
        chosen = (plan.state.in_(list(plan_states)) if plan_ids is None
                  else plan.id.in_(plan_ids))
        with db_session.reader() as session:
            return session.execute(
                sa.select(action.id, action.action_type, action.state,
                          plan.uuid.label('plan_uuid'))
                .join(plan, plan.id == action.action_plan_id)
                .where(chosen, plan.deleted_at.is_(None),
                       action.deleted_at.is_(None))
                .order_by(plan.id, action.id)).all()

    def get_action_parameters(self, idents: Sequence[int]
                              ) -> dict[int, dict[str, Any]]:
        """Return the parameters of actions, by their ids."""
        action = models.Action
        found: dict[int, dict[str, Any]] = {}
        with db_session.reader() as session:
            for chunk in generic.chunks(idents, _IDENTS):
                found.update(session.execute(
                    sa.select(action.id, action.input_parameters)
                    .where(action.id.in_(chunk))).all())
        return found

    def list_actions_ended_since(self, since: datetime.datetime,
                                 state: str) -> Sequence[Any]:
        """Return the actions that ended in a state after a moment.

        :param since: naive, in UTC
        :returns: rows with ``id``, ``uuid``, ``action_plan_id``,
            ``action_type``, ``input_parameters``, ``plan_uuid`` and
            ``finished_at``, the latest last
        """
        plan, action, run = (models.ActionPlan, models.Action,
                             models.ActionRun)
        with db_session.reader() as session:
            return session.execute(
                sa.select(action.id, action.uuid, action.action_plan_id,
                          action.action_type, action.input_parameters,
                          plan.uuid.label('plan_uuid'), run.finished_at)
                .join(run, run.action_id == action.id)
                .join(plan, plan.id == action.action_plan_id)
                .where(run.finished_at >= since, action.state == state)
                .order_by(run.finished_at, action.id)).all()

    def list_actions_run_since(self, since: datetime.datetime,
                               types: Iterable[str], running: str
                               ) -> Sequence[Any]:
        """Return the actions that ran, at least in part, after a moment.

        :param since: naive, in UTC
        :param types: only actions of these
        :param running: the state of those that are not over
        :returns: rows with ``input_parameters``, ``before``, ``state`` and
            ``ended``; none if the table of runs is missing
        """
        action, run = models.Action, models.ActionRun
        # Who ends the action of an applier that died does not know when.
        ended = sa.func.coalesce(run.finished_at, action.updated_at)
        try:
            with (db_session.reader() as session,
                  optional.may_be_missing(run)):
                return session.execute(
                    sa.select(action.input_parameters, run.before,
                              action.state, ended.label('ended'))
                    .join(run, run.action_id == action.id)
                    .where(action.action_type.in_(list(types)),
                           run.started_at.is_not(None),
                           sa.or_(action.state == running, ended >= since))
                    .order_by(run.id)).all()
        except optional.NoTable:
            return []
