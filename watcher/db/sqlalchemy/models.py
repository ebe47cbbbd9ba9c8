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
"""The tables of the service: THE definition of the sound shape.

Databases of the previous implementation exist in two shapes under one
revision (``f56ba02662b4``), depending on how they were made. The sound shape,
which these models define and every migrated database has, is:

* ``audits.interval`` is text: seconds or a cron expression;
* ``audits.force`` is never NULL;
* ``audits (name, deleted)`` is unique, as for goals, strategies and templates;
* ``apscheduler_jobs`` has its five columns and nothing else;
* JSON columns are MEDIUMTEXT on MySQL, because TEXT ends at 65 535 bytes;
* ``efficacy_indicators.data`` has double precision on MySQL, as elsewhere;
* every foreign key and the state columns, which the services poll, have an
  index, and so have the names of audits and templates in lower case.

The baseline migration creates that shape except for the indexes, the next one
brings both old shapes to it, the others add the indexes and the tables that
are ours: explanations, leases, schedules, reasons and the records of runs. A
test holds models and migrations against each other on every database. (A
migration that makes a table of SQLite anew has to make its index in lower
case anew, too: reflection does not see it.)

No column has a server-side default. Dates are naive UTC. ``deleted`` is 0 for
a living row and its own id for a soft deleted one, so that unique keys over
``(name, deleted)`` let a name be used again; whether a row is visible is
decided by ``deleted_at``.
"""

import datetime
from typing import Any

import sqlalchemy as sa
from oslo_db.sqlalchemy import models as oslo_models
from oslo_db.sqlalchemy import types as oslo_types
from oslo_utils import timeutils
from sqlalchemy import orm

from watcher.db.sqlalchemy import types


class Base(oslo_models.ModelBase, orm.DeclarativeBase):
    """Base of all tables."""


class RecordMixin:
    """The four columns that all tables but the job table have."""

    created_at: orm.Mapped[datetime.datetime | None] = orm.mapped_column(
        sa.DateTime, default=lambda: timeutils.utcnow(), sort_order=-10)
    updated_at: orm.Mapped[datetime.datetime | None] = orm.mapped_column(
        sa.DateTime, sort_order=-9)
    deleted_at: orm.Mapped[datetime.datetime | None] = orm.mapped_column(
        sa.DateTime, sort_order=-8)
    deleted: orm.Mapped[int | None] = orm.mapped_column(
        oslo_types.SoftDeleteInteger, default=0, sort_order=-7)


def _id() -> orm.Mapped[int]:
    return orm.mapped_column(sa.Integer, primary_key=True)


def _string(length: int, null: bool = True) -> orm.Mapped[Any]:
    return orm.mapped_column(sa.String(length), nullable=null)


def _date() -> orm.Mapped[Any]:
    return orm.mapped_column(sa.DateTime, nullable=True)


def _lower_case(table: str, column: str) -> sa.Index:
    # Comparing on MySQL ignores case anyway.
    return sa.Index(f'ix_{table}_{column}_lower',
                    sa.text(f'lower({column})')).ddl_if(
                        dialect=('postgresql', 'sqlite'))


def _key(target: str, null: bool = False) -> orm.Mapped[Any]:
    return orm.mapped_column(sa.Integer, sa.ForeignKey(f'{target}.id'),
                             nullable=null)


def _owner(target: str, null: bool = True) -> orm.Mapped[Any]:
    """The key of what a row belongs to and goes with."""
    return orm.mapped_column(
        sa.Integer, sa.ForeignKey(f'{target}.id', ondelete='CASCADE'),
        nullable=null)


def _moment() -> orm.Mapped[Any]:
    return orm.mapped_column(types.MOMENT, nullable=True)


def _json(kind: Any = types.JsonValue) -> orm.Mapped[Any]:
    return orm.mapped_column(kind, nullable=True)


def _related(target: str, key: str) -> orm.Mapped[Any]:
    # Read only, and never loaded by accident: queries join what they need.
    return orm.relationship(target, foreign_keys=key, lazy='raise',
                            viewonly=True)


class Goal(RecordMixin, Base):
    __tablename__ = 'goals'
    __table_args__ = (
        sa.UniqueConstraint('uuid', name='uniq_goals0uuid'),
        sa.UniqueConstraint('name', 'deleted', name='uniq_goals0name'),
    )

    id: orm.Mapped[int] = _id()
    uuid: orm.Mapped[str | None] = _string(36)
    name: orm.Mapped[str] = _string(63, null=False)
    display_name: orm.Mapped[str] = _string(63, null=False)
    efficacy_specification: orm.Mapped[list] = orm.mapped_column(
        types.JsonList, nullable=False)


class Strategy(RecordMixin, Base):
    __tablename__ = 'strategies'
    __table_args__ = (
        sa.UniqueConstraint('uuid', name='uniq_strategies0uuid'),
        sa.UniqueConstraint('name', 'deleted', name='uniq_strategies0name'),
        sa.Index('ix_strategies_goal_id', 'goal_id'),
    )

    id: orm.Mapped[int] = _id()
    uuid: orm.Mapped[str | None] = _string(36)
    name: orm.Mapped[str] = _string(63, null=False)
    display_name: orm.Mapped[str] = _string(63, null=False)
    goal_id: orm.Mapped[int] = _key('goals')
    parameters_spec: orm.Mapped[dict | None] = orm.mapped_column(
        types.JsonDict, nullable=True)

    goal: orm.Mapped[Goal | None] = _related('Goal', 'Strategy.goal_id')


class AuditTemplate(RecordMixin, Base):
    __tablename__ = 'audit_templates'
    __table_args__ = (
        sa.UniqueConstraint('uuid', name='uniq_audit_templates0uuid'),
        sa.UniqueConstraint('name', 'deleted',
                            name='uniq_audit_templates0name'),
        sa.Index('ix_audit_templates_goal_id', 'goal_id'),
        sa.Index('ix_audit_templates_strategy_id', 'strategy_id'),
        _lower_case('audit_templates', 'name'),
    )

    id: orm.Mapped[int] = _id()
    uuid: orm.Mapped[str | None] = _string(36)
    name: orm.Mapped[str | None] = _string(63)
    description: orm.Mapped[str | None] = _string(255)
    goal_id: orm.Mapped[int] = _key('goals')
    strategy_id: orm.Mapped[int | None] = _key('strategies', null=True)
    scope: orm.Mapped[list | None] = orm.mapped_column(
        types.JsonList, nullable=True)
    default_parameters: orm.Mapped[dict | None] = orm.mapped_column(
        types.JsonDict, nullable=True)

    goal: orm.Mapped[Goal | None] = _related('Goal', 'AuditTemplate.goal_id')
    strategy: orm.Mapped[Strategy | None] = _related(
        'Strategy', 'AuditTemplate.strategy_id')


class Audit(RecordMixin, Base):
    __tablename__ = 'audits'
    __table_args__ = (
        sa.UniqueConstraint('uuid', name='uniq_audits0uuid'),
        sa.UniqueConstraint('name', 'deleted', name='uniq_audits0name'),
        sa.Index('ix_audits_goal_id', 'goal_id'),
        sa.Index('ix_audits_strategy_id', 'strategy_id'),
        sa.Index('ix_audits_state', 'state'),
        _lower_case('audits', 'name'),
    )

    id: orm.Mapped[int] = _id()
    uuid: orm.Mapped[str | None] = _string(36)
    audit_type: orm.Mapped[str | None] = _string(20)
    state: orm.Mapped[str | None] = _string(20)
    parameters: orm.Mapped[dict | None] = orm.mapped_column(
        types.JsonDict, nullable=True)
    interval: orm.Mapped[str | None] = _string(36)
    goal_id: orm.Mapped[int] = _key('goals')
    strategy_id: orm.Mapped[int | None] = _key('strategies', null=True)
    scope: orm.Mapped[list | None] = orm.mapped_column(
        types.JsonList, nullable=True)
    auto_trigger: orm.Mapped[bool] = orm.mapped_column(
        sa.Boolean, nullable=False)
    next_run_time: orm.Mapped[datetime.datetime | None] = _date()
    name: orm.Mapped[str | None] = _string(63)
    hostname: orm.Mapped[str | None] = _string(255)
    start_time: orm.Mapped[datetime.datetime | None] = _date()
    end_time: orm.Mapped[datetime.datetime | None] = _date()
    force: orm.Mapped[bool] = orm.mapped_column(
        sa.Boolean, nullable=False, default=False)
    status_message: orm.Mapped[str | None] = _string(255)

    goal: orm.Mapped[Goal | None] = _related('Goal', 'Audit.goal_id')
    strategy: orm.Mapped[Strategy | None] = _related(
        'Strategy', 'Audit.strategy_id')


class ActionPlan(RecordMixin, Base):
    __tablename__ = 'action_plans'
    __table_args__ = (
        sa.UniqueConstraint('uuid', name='uniq_action_plans0uuid'),
        sa.Index('ix_action_plans_audit_id', 'audit_id'),
        sa.Index('ix_action_plans_strategy_id', 'strategy_id'),
        sa.Index('ix_action_plans_state', 'state'),
    )

    id: orm.Mapped[int] = _id()
    uuid: orm.Mapped[str | None] = _string(36)
    audit_id: orm.Mapped[int] = _key('audits')
    strategy_id: orm.Mapped[int] = _key('strategies')
    state: orm.Mapped[str | None] = _string(20)
    global_efficacy: orm.Mapped[list | None] = orm.mapped_column(
        types.JsonList, nullable=True)
    hostname: orm.Mapped[str | None] = _string(255)
    status_message: orm.Mapped[str | None] = _string(255)

    audit: orm.Mapped[Audit | None] = _related('Audit', 'ActionPlan.audit_id')
    strategy: orm.Mapped[Strategy | None] = _related(
        'Strategy', 'ActionPlan.strategy_id')


class Action(RecordMixin, Base):
    __tablename__ = 'actions'
    __table_args__ = (
        sa.UniqueConstraint('uuid', name='uniq_actions0uuid'),
        sa.Index('ix_actions_action_plan_id', 'action_plan_id'),
    )

    id: orm.Mapped[int] = _id()
    uuid: orm.Mapped[str] = _string(36, null=False)
    action_plan_id: orm.Mapped[int] = _key('action_plans')
    action_type: orm.Mapped[str] = _string(255, null=False)
    input_parameters: orm.Mapped[dict | None] = orm.mapped_column(
        types.JsonDict, nullable=True)
    state: orm.Mapped[str | None] = _string(20)
    parents: orm.Mapped[list | None] = orm.mapped_column(
        types.JsonList, nullable=True)
    status_message: orm.Mapped[str | None] = _string(255)

    action_plan: orm.Mapped[ActionPlan | None] = _related(
        'ActionPlan', 'Action.action_plan_id')


class EfficacyIndicator(RecordMixin, Base):
    """``data`` is the value; ``value`` is its predecessor.

    ``value`` loses the decimals on MySQL and is only read when ``data`` is
    NULL. It is still written for readers of the previous release.
    """

    __tablename__ = 'efficacy_indicators'
    __table_args__ = (
        sa.UniqueConstraint('uuid', name='uniq_efficacy_indicators0uuid'),
        sa.Index('ix_efficacy_indicators_action_plan_id', 'action_plan_id'),
    )

    id: orm.Mapped[int] = _id()
    uuid: orm.Mapped[str | None] = _string(36)
    name: orm.Mapped[str | None] = _string(63)
    description: orm.Mapped[str | None] = _string(255)
    unit: orm.Mapped[str | None] = _string(63)
    value: orm.Mapped[float | None] = orm.mapped_column(
        sa.Numeric(asdecimal=False), nullable=True)
    action_plan_id: orm.Mapped[int] = _key('action_plans')
    data: orm.Mapped[float | None] = orm.mapped_column(
        types.DOUBLE, nullable=True)

    action_plan: orm.Mapped[ActionPlan | None] = _related(
        'ActionPlan', 'EfficacyIndicator.action_plan_id')


class Explanation(Base):
    """Why an action plan or an action is what it is; ours.

    A table of its own, that an existing database may lack until it is
    upgraded: services run without it. The rows go with what they explain,
    also when the previous release removes that.
    """

    __tablename__ = 'explanations'
    __table_args__ = (
        sa.UniqueConstraint('action_plan_id',
                            name='uniq_explanations0action_plan_id'),
        sa.UniqueConstraint('action_id', name='uniq_explanations0action_id'),
    )

    id: orm.Mapped[int] = _id()
    action_plan_id: orm.Mapped[int | None] = _owner('action_plans')
    action_id: orm.Mapped[int | None] = _owner('actions')
    content: orm.Mapped[dict] = orm.mapped_column(
        types.JsonDict, nullable=False)


class Reason(Base):
    """What the status message of an object says in short, whole; ours.

    Tolerated if missing, and gone with its owner, as explanations are.
    """

    __tablename__ = 'reasons'
    __table_args__ = (
        sa.UniqueConstraint('audit_id', name='uniq_reasons0audit_id'),
        sa.UniqueConstraint('action_plan_id',
                            name='uniq_reasons0action_plan_id'),
        sa.UniqueConstraint('action_id', name='uniq_reasons0action_id'),
    )

    id: orm.Mapped[int] = _id()
    audit_id: orm.Mapped[int | None] = _owner('audits')
    action_plan_id: orm.Mapped[int | None] = _owner('action_plans')
    action_id: orm.Mapped[int | None] = _owner('actions')
    code: orm.Mapped[str] = _string(64, null=False)
    text: orm.Mapped[str] = orm.mapped_column(types.LONG_TEXT,
                                              nullable=False)
    data: orm.Mapped[dict] = orm.mapped_column(types.JsonDict,
                                               nullable=False)


class Lease(Base):
    """The right of one process to act under a name, until it expires; ours.

    Who takes a name over adds one to ``token``. Dates are of the clock of
    the database.
    """

    __tablename__ = 'leases'

    name: orm.Mapped[str] = orm.mapped_column(sa.String(191),
                                              primary_key=True)
    owner: orm.Mapped[str] = _string(255, null=False)
    token: orm.Mapped[int] = orm.mapped_column(
        sa.BigInteger, nullable=False, autoincrement=False)
    expires_at: orm.Mapped[datetime.datetime] = orm.mapped_column(
        types.MOMENT, nullable=False)


class PlanRun(Base):
    """What is known of the run of an action plan; ours."""

    __tablename__ = 'plan_runs'
    __table_args__ = (
        sa.UniqueConstraint('action_plan_id',
                            name='uniq_plan_runs0action_plan_id'),
        sa.Index('ix_plan_runs_source_plan_id', 'source_plan_id'),
    )

    id: orm.Mapped[int] = _id()
    action_plan_id: orm.Mapped[int] = _owner('action_plans', null=False)
    paused: orm.Mapped[bool] = orm.mapped_column(
        sa.Boolean, nullable=False, default=False)
    kind: orm.Mapped[str | None] = _string(20)
    source_plan_id: orm.Mapped[int | None] = orm.mapped_column(
        sa.Integer, sa.ForeignKey('action_plans.id', ondelete='SET NULL'),
        nullable=True)
    started_at: orm.Mapped[datetime.datetime | None] = _moment()
    finished_at: orm.Mapped[datetime.datetime | None] = _moment()
    measured: orm.Mapped[Any] = _json()
    measured_at: orm.Mapped[datetime.datetime | None] = _moment()


class ActionRun(Base):
    """What is known of the run of an action; ours.

    ``needs`` is what its dependencies mean and may stand there before it
    runs.
    """

    __tablename__ = 'action_runs'
    __table_args__ = (
        sa.UniqueConstraint('action_id', name='uniq_action_runs0action_id'),
        sa.Index('ix_action_runs_finished_at', 'finished_at'),
    )

    id: orm.Mapped[int] = _id()
    action_id: orm.Mapped[int] = _owner('actions', null=False)
    attempts: orm.Mapped[int] = orm.mapped_column(
        sa.Integer, nullable=False, default=0)
    started_at: orm.Mapped[datetime.datetime | None] = _moment()
    finished_at: orm.Mapped[datetime.datetime | None] = _moment()
    deadline: orm.Mapped[datetime.datetime | None] = _moment()
    progress: orm.Mapped[float | None] = orm.mapped_column(
        types.DOUBLE, nullable=True)
    remote: orm.Mapped[Any] = _json()
    before: orm.Mapped[Any] = _json()
    inverse: orm.Mapped[Any] = _json()
    needs: orm.Mapped[Any] = _json()


class AuditRun(Base):
    """What is known of the runs of an audit, and what asks for one; ours.

    ``attempts`` and ``failures`` are those since the last run that ended,
    or ended well. ``triggers`` came since the last run began.
    """

    __tablename__ = 'audit_runs'
    __table_args__ = (
        sa.UniqueConstraint('audit_id', name='uniq_audit_runs0audit_id'),
        sa.Index('ix_audit_runs_triggers', 'triggers'),
    )

    id: orm.Mapped[int] = _id()
    audit_id: orm.Mapped[int] = _owner('audits', null=False)
    attempts: orm.Mapped[int] = orm.mapped_column(
        sa.Integer, nullable=False, default=0)
    failures: orm.Mapped[int] = orm.mapped_column(
        sa.Integer, nullable=False, default=0)
    last_error: orm.Mapped[str | None] = orm.mapped_column(
        sa.Text, nullable=True)
    triggers: orm.Mapped[int] = orm.mapped_column(
        sa.Integer, nullable=False, default=0)
    triggered_at: orm.Mapped[datetime.datetime | None] = _moment()
    started_at: orm.Mapped[datetime.datetime | None] = _moment()
    finished_at: orm.Mapped[datetime.datetime | None] = _moment()


class AuditSchedule(Base):
    """In which time zone an audit lives, and when it may act; ours.

    What is NULL is not said: the options of the services count.
    """

    __tablename__ = 'audit_schedules'
    __table_args__ = (
        sa.UniqueConstraint('audit_id',
                            name='uniq_audit_schedules0audit_id'),
    )

    id: orm.Mapped[int] = _id()
    audit_id: orm.Mapped[int] = _owner('audits', null=False)
    time_zone: orm.Mapped[str | None] = _string(64)
    run_windows: orm.Mapped[Any] = _json(types.JsonOrText)
    execution_windows: orm.Mapped[Any] = _json(types.JsonOrText)


class ScoringEngine(RecordMixin, Base):
    __tablename__ = 'scoring_engines'
    __table_args__ = (
        sa.UniqueConstraint('uuid', name='uniq_scoring_engines0uuid'),
        sa.UniqueConstraint('name', 'deleted',
                            name='uniq_scoring_engines0name'),
    )

    id: orm.Mapped[int] = _id()
    uuid: orm.Mapped[str] = _string(36, null=False)
    name: orm.Mapped[str] = _string(63, null=False)
    description: orm.Mapped[str | None] = _string(255)
    metainfo: orm.Mapped[str | None] = orm.mapped_column(
        sa.Text, nullable=True)


class Service(RecordMixin, Base):
    __tablename__ = 'services'
    __table_args__ = (
        sa.UniqueConstraint('host', 'name', 'deleted',
                            name='uniq_services0host0name0deleted'),
    )

    id: orm.Mapped[int] = _id()
    name: orm.Mapped[str] = _string(255, null=False)
    host: orm.Mapped[str] = _string(255, null=False)
    last_seen_up: orm.Mapped[datetime.datetime | None] = _date()


class ActionDescription(RecordMixin, Base):
    __tablename__ = 'action_descriptions'
    __table_args__ = (
        sa.UniqueConstraint('action_type',
                            name='uniq_action_description0action_type'),
    )

    id: orm.Mapped[int] = _id()
    action_type: orm.Mapped[str] = _string(255, null=False)
    description: orm.Mapped[str] = _string(255, null=False)


class SchedulerJob(Base):
    """Timers of CONTINUOUS audits; only a cache of the audit rows.

    ``job_state`` of the previous release is a pickle. It is never loaded:
    whoever can write this table could run code in the decision engine.
    """

    __tablename__ = 'apscheduler_jobs'
    __table_args__ = (
        sa.Index('ix_apscheduler_jobs_next_run_time', 'next_run_time'),
        sa.Index('ix_apscheduler_jobs_service_id', 'service_id'),
    )

    id: orm.Mapped[str] = orm.mapped_column(sa.String(191), primary_key=True)
    next_run_time: orm.Mapped[float | None] = orm.mapped_column(
        types.DOUBLE, nullable=True)
    job_state: orm.Mapped[bytes] = orm.mapped_column(
        sa.LargeBinary, nullable=False)
    service_id: orm.Mapped[int] = _key('services')
    tag: orm.Mapped[str | None] = orm.mapped_column(sa.Text, nullable=True)
