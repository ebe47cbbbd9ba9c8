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
"""The schema of the previous release's head, in its sound shape.

Revision ID: f56ba02662b4
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from watcher import conf

revision = 'f56ba02662b4'
down_revision = None

CONF = conf.CONF


def _json() -> sa.types.TypeEngine:
    return (sa.Text()
            .with_variant(mysql.MEDIUMTEXT(), 'mysql')
            .with_variant(mysql.MEDIUMTEXT(), 'mariadb'))


def _create_table(name: str, *items: sa.schema.SchemaItem) -> None:
    op.create_table(
        name,
        sa.Column('created_at', sa.DateTime()),
        sa.Column('updated_at', sa.DateTime()),
        sa.Column('deleted_at', sa.DateTime()),
        sa.Column('deleted', sa.Integer()),
        sa.Column('id', sa.Integer(), nullable=False),
        *items,
        sa.PrimaryKeyConstraint('id'),
        mysql_engine=CONF.database.mysql_engine)


def _refers(column: str, table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f'{table}.id'])


def _unique(name: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=name)


def upgrade() -> None:
    _create_table(
        'goals',
        sa.Column('uuid', sa.String(36)),
        sa.Column('name', sa.String(63), nullable=False),
        sa.Column('display_name', sa.String(63), nullable=False),
        sa.Column('efficacy_specification', _json(), nullable=False),
        _unique('uniq_goals0uuid', 'uuid'),
        _unique('uniq_goals0name', 'name', 'deleted'))
    _create_table(
        'strategies',
        sa.Column('uuid', sa.String(36)),
        sa.Column('name', sa.String(63), nullable=False),
        sa.Column('display_name', sa.String(63), nullable=False),
        sa.Column('goal_id', sa.Integer(), nullable=False),
        sa.Column('parameters_spec', _json()),
        _refers('goal_id', 'goals'),
        _unique('uniq_strategies0uuid', 'uuid'),
        _unique('uniq_strategies0name', 'name', 'deleted'))
    _create_table(
        'audit_templates',
        sa.Column('uuid', sa.String(36)),
        sa.Column('name', sa.String(63)),
        sa.Column('description', sa.String(255)),
        sa.Column('goal_id', sa.Integer(), nullable=False),
        sa.Column('strategy_id', sa.Integer()),
        sa.Column('scope', _json()),
        sa.Column('default_parameters', _json()),
        _refers('goal_id', 'goals'),
        _refers('strategy_id', 'strategies'),
        _unique('uniq_audit_templates0uuid', 'uuid'),
        _unique('uniq_audit_templates0name', 'name', 'deleted'))
    _create_table(
        'audits',
        sa.Column('uuid', sa.String(36)),
        sa.Column('audit_type', sa.String(20)),
        sa.Column('state', sa.String(20)),
        sa.Column('parameters', _json()),
        sa.Column('interval', sa.String(36)),
        sa.Column('goal_id', sa.Integer(), nullable=False),
        sa.Column('strategy_id', sa.Integer()),
        sa.Column('scope', _json()),
        sa.Column('auto_trigger', sa.Boolean(), nullable=False),
        sa.Column('next_run_time', sa.DateTime()),
        sa.Column('name', sa.String(63)),
        sa.Column('hostname', sa.String(255)),
        sa.Column('start_time', sa.DateTime()),
        sa.Column('end_time', sa.DateTime()),
        sa.Column('force', sa.Boolean(), nullable=False),
        sa.Column('status_message', sa.String(255)),
        _refers('goal_id', 'goals'),
        _refers('strategy_id', 'strategies'),
        _unique('uniq_audits0uuid', 'uuid'),
        _unique('uniq_audits0name', 'name', 'deleted'))
    _create_table(
        'action_plans',
        sa.Column('uuid', sa.String(36)),
        sa.Column('audit_id', sa.Integer(), nullable=False),
        sa.Column('strategy_id', sa.Integer(), nullable=False),
        sa.Column('state', sa.String(20)),
        sa.Column('global_efficacy', _json()),
        sa.Column('hostname', sa.String(255)),
        sa.Column('status_message', sa.String(255)),
        _refers('audit_id', 'audits'),
        _refers('strategy_id', 'strategies'),
        _unique('uniq_action_plans0uuid', 'uuid'))
    _create_table(
        'actions',
        sa.Column('uuid', sa.String(36), nullable=False),
        sa.Column('action_plan_id', sa.Integer(), nullable=False),
        sa.Column('action_type', sa.String(255), nullable=False),
        sa.Column('input_parameters', _json()),
        sa.Column('state', sa.String(20)),
        sa.Column('parents', _json()),
        sa.Column('status_message', sa.String(255)),
        _refers('action_plan_id', 'action_plans'),
        _unique('uniq_actions0uuid', 'uuid'))
    _create_table(
        'efficacy_indicators',
        sa.Column('uuid', sa.String(36)),
        sa.Column('name', sa.String(63)),
        sa.Column('description', sa.String(255)),
        sa.Column('unit', sa.String(63)),
        sa.Column('value', sa.Numeric()),
        sa.Column('action_plan_id', sa.Integer(), nullable=False),
        sa.Column('data', sa.Float(53)),
        _refers('action_plan_id', 'action_plans'),
        _unique('uniq_efficacy_indicators0uuid', 'uuid'))
    _create_table(
        'scoring_engines',
        sa.Column('uuid', sa.String(36), nullable=False),
        sa.Column('name', sa.String(63), nullable=False),
        sa.Column('description', sa.String(255)),
        sa.Column('metainfo', sa.Text()),
        _unique('uniq_scoring_engines0uuid', 'uuid'),
        _unique('uniq_scoring_engines0name', 'name', 'deleted'))
    _create_table(
        'services',
        sa.Column('name', sa.String(255), nullable=False),
        sa.Column('host', sa.String(255), nullable=False),
        sa.Column('last_seen_up', sa.DateTime()),
        _unique('uniq_services0host0name0deleted',
                'host', 'name', 'deleted'))
    _create_table(
        'action_descriptions',
        sa.Column('action_type', sa.String(255), nullable=False),
        sa.Column('description', sa.String(255), nullable=False),
        _unique('uniq_action_description0action_type', 'action_type'))
    op.create_table(
        'apscheduler_jobs',
        sa.Column('id', sa.String(191), nullable=False),
        sa.Column('next_run_time', sa.Float(25)),
        sa.Column('job_state', sa.LargeBinary(), nullable=False),
        sa.Column('service_id', sa.Integer(), nullable=False),
        sa.Column('tag', sa.Text()),
        _refers('service_id', 'services'),
        sa.PrimaryKeyConstraint('id'),
        mysql_engine=CONF.database.mysql_engine)
    op.create_index('ix_apscheduler_jobs_next_run_time', 'apscheduler_jobs',
                    ['next_run_time'])


def downgrade() -> None:
    raise NotImplementedError(
        'There is nothing before this revision: going back would remove all '
        'data.')
