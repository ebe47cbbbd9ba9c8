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
"""Removes what has ended long ago, while the services work.

What goes, when it is older than the limit:

* action plans in a final state, since their end, and soft deleted ones, with
  their actions and everything that is known of both. A plan stays while it
  may still be undone or tried again, and while a plan is worked on that was
  made of it. Whether its audit still runs makes no difference;
* audits of which no plan is left: ONESHOT and CONTINUOUS ones in a final
  state, EVENT ones that failed or were cancelled (others run again when they
  are called), and soft deleted ones;
* soft deleted actions, templates, strategies, goals, scoring engines and
  services to which nothing refers.

Nothing is read as a whole, and nothing is locked for long: each transaction
removes a few rows, which it finds by their ids. Nobody is notified.
"""

import dataclasses
import datetime
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from oslo_db import exception as db_exc
from oslo_log import log
from sqlalchemy import orm

from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import session as db_session

LOG = log.getLogger(__name__)

#: Most rows of one transaction, but for a single plan with more actions.
ROWS = 500

#: States in which plans and audits have come to an end.
_ENDED_PLANS = ('SUCCEEDED', 'FAILED', 'CANCELLED', 'SUPERSEDED', 'DELETED')
_ENDED_AUDITS = ('SUCCEEDED', 'FAILED', 'CANCELLED', 'DELETED')
_ENDED_EVENTS = ('FAILED', 'CANCELLED', 'DELETED')

_NO_SYNC = {'synchronize_session': False}

_Plan, _Action, _Audit = models.ActionPlan, models.Action, models.Audit

#: What is soft deleted goes when none of these columns refers to it, in
#: this order: what refers to others comes before them.
_DEAD: tuple[tuple[type[models.Base], tuple[Any, ...]], ...] = (
    (models.AuditTemplate, ()),
    (models.Strategy, (_Plan.strategy_id, _Audit.strategy_id,
                       models.AuditTemplate.strategy_id)),
    (models.Goal, (_Audit.goal_id, models.AuditTemplate.goal_id,
                   models.Strategy.goal_id)),
    (models.ScoringEngine, ()),
    (models.Service, (models.SchedulerJob.service_id,)),
)


@dataclasses.dataclass(frozen=True)
class Limits:
    """What is older than this goes; naive dates in UTC.

    :ivar common: of everything that was soft deleted, and of audits
    :ivar ended: of plans that have ended
    :ivar plans: the same by name of the strategy, where it is another one
    """

    common: datetime.datetime
    ended: datetime.datetime
    plans: Mapping[str, datetime.datetime] = dataclasses.field(
        default_factory=dict)


def remove(limits: Limits) -> Iterator[dict[str, int]]:
    """Remove everything that is too old, step by step.

    Who iterates can stop after each step.

    :returns: after each transaction, table -> rows that it has removed
    """
    yield from _remove_plans(limits)
    yield from _remove_each(_Action, _Action.deleted_at < limits.common)
    yield from _remove_each(_Audit, _audit_is_over(limits.common))
    for model, references in _DEAD:
        yield from _remove_each(model, sa.and_(
            model.deleted_at < limits.common,
            *(_nothing_refers(model, column) for column in references)))


def _nothing_refers(model: type[models.Base], column: Any) -> Any:
    return ~sa.exists().where(column == model.id).correlate(model)


# Plans ---------------------------------------------------------------------

def _plan_is_over(limits: Limits) -> Any:
    """A condition on plans, their runs and their strategies."""
    run, made = models.PlanRun, orm.aliased(models.PlanRun)
    child = orm.aliased(_Plan)
    ended = sa.func.coalesce(run.finished_at, _Plan.updated_at,
                             _Plan.created_at)
    limit = limits.ended if not limits.plans else sa.case(
        dict(limits.plans), value=models.Strategy.name, else_=limits.ended)
    worked_on = sa.exists().where(
        made.source_plan_id == _Plan.id, child.id == made.action_plan_id,
        child.state.not_in(_ENDED_PLANS)).correlate(_Plan)
    return sa.and_(
        sa.or_(_Plan.deleted_at < limits.common,
               sa.and_(_Plan.state.in_(_ENDED_PLANS), ended < limit)),
        _Plan.state.in_((*_ENDED_PLANS, 'RECOMMENDED')), ~worked_on)


def _next_plans(limits: Limits, after: int) -> list[tuple[int, int]]:
    """Ids of some plans that are over, and how many actions each has."""
    run = models.PlanRun
    actions = sa.select(sa.func.count()).where(
        _Action.action_plan_id == _Plan.id).correlate(
            _Plan).scalar_subquery()
    statement = sa.select(_Plan.id, actions).outerjoin(
        run, run.action_plan_id == _Plan.id).outerjoin(
            models.Strategy, models.Strategy.id == _Plan.strategy_id).where(
                _Plan.id > after, _plan_is_over(limits)
            ).order_by(_Plan.id).limit(ROWS)
    with db_session.reader() as session:
        return [(ident, count) for ident, count in session.execute(statement)]


def _remove_plans(limits: Limits) -> Iterator[dict[str, int]]:
    last = 0
    while found := _next_plans(limits, last):
        batch: list[int] = []
        rows = 0
        for ident, count in found:
            if batch and rows + count + 1 > ROWS:
                yield _remove_batch(_remove_these_plans, batch)
                batch, rows = [], 0
            batch.append(ident)
            rows += count + 1
        yield _remove_batch(_remove_these_plans, batch)
        last = found[-1][0]


@db_session.write
def _remove_these_plans(idents: list[int]) -> dict[str, int]:
    session = db_session.current()
    # Parents first, as everybody else locks them.
    idents = list(session.scalars(sa.select(_Plan.id).where(
        _Plan.id.in_(idents)).order_by(_Plan.id).with_for_update()))
    return {
        model.__tablename__: session.execute(
            sa.delete(model).where(column.in_(idents)),
            execution_options=_NO_SYNC).rowcount
        for model, column in (
            (models.EfficacyIndicator,
             models.EfficacyIndicator.action_plan_id),
            (_Action, _Action.action_plan_id), (_Plan, _Plan.id))}


# Others --------------------------------------------------------------------

def _audit_is_over(limit: datetime.datetime) -> Any:
    ended = sa.func.coalesce(_Audit.updated_at, _Audit.created_at)
    final = sa.or_(
        sa.and_(_Audit.audit_type != 'EVENT',
                _Audit.state.in_(_ENDED_AUDITS)),
        _Audit.state.in_(_ENDED_EVENTS))
    return sa.and_(
        sa.or_(_Audit.deleted_at < limit, sa.and_(final, ended < limit)),
        _nothing_refers(_Audit, _Plan.audit_id))


def _remove_each(model: type[models.Base],
                 condition: Any) -> Iterator[dict[str, int]]:
    """Remove rows of one table to which nothing refers."""
    @db_session.write
    def remove_these(idents: list[int]) -> dict[str, int]:
        return {model.__tablename__: db_session.current().execute(
            sa.delete(model).where(model.id.in_(idents)),
            execution_options=_NO_SYNC).rowcount}

    last = 0
    while True:
        with db_session.reader() as session:
            idents = list(session.scalars(
                sa.select(model.id).where(model.id > last, condition)
                .order_by(model.id).limit(ROWS)))
        if not idents:
            return
        yield _remove_batch(remove_these, idents)
        last = idents[-1]


def _remove_batch(remove_these: Any, idents: list[int]) -> dict[str, int]:
    """Remove some rows; one by one if somebody begins to refer to them."""
    try:
        return remove_these(idents)
    except db_exc.DBReferenceError as error:
        if len(idents) == 1:
            LOG.info('A row with the id %(id)s stays, something new refers '
                     'to it: %(error)s', {'id': idents[0], 'error': error})
            return {}
    counts: dict[str, int] = {}
    for ident in idents:
        for table, count in _remove_batch(remove_these, [ident]).items():
            counts[table] = counts.get(table, 0) + count
    return counts
