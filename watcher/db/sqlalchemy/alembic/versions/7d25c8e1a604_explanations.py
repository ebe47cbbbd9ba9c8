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
"""Keep why action plans and actions are what they are.

The rows go with what they explain, so that releases that do not know the
table can still remove plans and actions.

Revision ID: 7d25c8e1a604
Revises: c41f7d5a9b20
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from watcher import conf

revision = '7d25c8e1a604'
down_revision = 'c41f7d5a9b20'

CONF = conf.CONF

_TABLE = 'explanations'


def upgrade() -> None:
    op.create_table(
        _TABLE,
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('action_plan_id', sa.Integer()),
        sa.Column('action_id', sa.Integer()),
        sa.Column('content', sa.Text().with_variant(
            mysql.MEDIUMTEXT(), 'mysql', 'mariadb'), nullable=False),
        sa.ForeignKeyConstraint(['action_plan_id'], ['action_plans.id'],
                                ondelete='CASCADE'),
        sa.ForeignKeyConstraint(['action_id'], ['actions.id'],
                                ondelete='CASCADE'),
        sa.UniqueConstraint('action_plan_id',
                            name='uniq_explanations0action_plan_id'),
        sa.UniqueConstraint('action_id', name='uniq_explanations0action_id'),
        sa.PrimaryKeyConstraint('id'),
        mysql_engine=CONF.database.mysql_engine,
        # An upgrade that was interrupted may have made it already.
        if_not_exists=True)


def downgrade() -> None:
    op.drop_table(_TABLE, if_exists=True)
