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
"""Lease names to processes; keep what is known of runs.

The records of runs go with the plans and actions that ran, so that releases
that do not know the tables can still remove those.

Revision ID: b83e5f0c9d16
Revises: 7d25c8e1a604
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from watcher import conf

revision = 'b83e5f0c9d16'
down_revision = '7d25c8e1a604'

CONF = conf.CONF

_INDEX = 'ix_plan_runs_source_plan_id'


def _moment(name: str, null: bool = True) -> sa.Column:
    return sa.Column(name, sa.DateTime().with_variant(
        mysql.DATETIME(fsp=6), 'mysql', 'mariadb'), nullable=null)


def _json(name: str) -> sa.Column:
    return sa.Column(name, sa.Text().with_variant(
        mysql.MEDIUMTEXT(), 'mysql', 'mariadb'))


def _create(table: str, *parts: sa.schema.SchemaItem) -> None:
    op.create_table(
        table, *parts, mysql_engine=CONF.database.mysql_engine,
        # An upgrade that was interrupted may have made it already.
        if_not_exists=True)


def upgrade() -> None:
    _create(
        'leases',
        sa.Column('name', sa.String(191), nullable=False),
        sa.Column('owner', sa.String(255), nullable=False),
        sa.Column('token', sa.BigInteger(), nullable=False),
        _moment('expires_at', null=False),
        sa.PrimaryKeyConstraint('name'))
    _create(
        'plan_runs',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('action_plan_id', sa.Integer(), nullable=False),
        sa.Column('paused', sa.Boolean(), nullable=False),
        sa.Column('kind', sa.String(20)),
        sa.Column('source_plan_id', sa.Integer()),
        _moment('started_at'), _moment('finished_at'),
        _json('measured'), _moment('measured_at'),
        sa.ForeignKeyConstraint(['action_plan_id'], ['action_plans.id'],
                                ondelete='CASCADE'),
        sa.ForeignKeyConstraint(['source_plan_id'], ['action_plans.id'],
                                ondelete='SET NULL'),
        sa.UniqueConstraint('action_plan_id',
                            name='uniq_plan_runs0action_plan_id'),
        sa.PrimaryKeyConstraint('id'))
    op.create_index(_INDEX, 'plan_runs', ['source_plan_id'],
                    if_not_exists=True)
    _create(
        'action_runs',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('action_id', sa.Integer(), nullable=False),
        sa.Column('attempts', sa.Integer(), nullable=False),
        _moment('started_at'), _moment('finished_at'), _moment('deadline'),
        sa.Column('progress', sa.Float(53).with_variant(
            mysql.DOUBLE(asdecimal=False), 'mysql', 'mariadb')),
        _json('remote'), _json('before'), _json('inverse'), _json('needs'),
        sa.ForeignKeyConstraint(['action_id'], ['actions.id'],
                                ondelete='CASCADE'),
        sa.UniqueConstraint('action_id', name='uniq_action_runs0action_id'),
        sa.PrimaryKeyConstraint('id'))
    op.create_index('ix_action_runs_finished_at', 'action_runs',
                    ['finished_at'], if_not_exists=True)


def downgrade() -> None:
    for table in ('action_runs', 'plan_runs', 'leases'):
        op.drop_table(table, if_exists=True)
