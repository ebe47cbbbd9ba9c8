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
"""What is known of the runs of audits, and their triggers.

They go with their audits, so that releases that do not know the table can
still remove those.

Revision ID: d4a1c96e2b58
Revises: b83e5f0c9d16
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from watcher import conf

revision = 'd4a1c96e2b58'
down_revision = 'b83e5f0c9d16'

CONF = conf.CONF

_INDEX = 'ix_audit_runs_triggers'


def _moment(name: str) -> sa.Column:
    return sa.Column(name, sa.DateTime().with_variant(
        mysql.DATETIME(fsp=6), 'mysql', 'mariadb'))


def upgrade() -> None:
    op.create_table(
        'audit_runs',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('audit_id', sa.Integer(), nullable=False),
        sa.Column('attempts', sa.Integer(), nullable=False),
        sa.Column('failures', sa.Integer(), nullable=False),
        sa.Column('last_error', sa.Text()),
        sa.Column('triggers', sa.Integer(), nullable=False),
        _moment('triggered_at'),
        _moment('started_at'), _moment('finished_at'),
        sa.ForeignKeyConstraint(['audit_id'], ['audits.id'],
                                ondelete='CASCADE'),
        sa.UniqueConstraint('audit_id', name='uniq_audit_runs0audit_id'),
        sa.PrimaryKeyConstraint('id'),
        mysql_engine=CONF.database.mysql_engine,
        # An upgrade that was interrupted may have made it already.
        if_not_exists=True)
    op.create_index(_INDEX, 'audit_runs', ['triggers'], if_not_exists=True)


def downgrade() -> None:
    op.drop_table('audit_runs', if_exists=True)
