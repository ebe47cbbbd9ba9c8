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
"""The time zones of audits, and when they and their plans may run.

They go with their audits, so that releases that do not know the table can
still remove those.

Revision ID: e6b2f47d0a95
Revises: d4a1c96e2b58
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from watcher import conf

revision = 'e6b2f47d0a95'
down_revision = 'd4a1c96e2b58'

CONF = conf.CONF


def _json(name: str) -> sa.Column:
    return sa.Column(name, sa.Text().with_variant(
        mysql.MEDIUMTEXT(), 'mysql', 'mariadb'))


def upgrade() -> None:
    op.create_table(
        'audit_schedules',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('audit_id', sa.Integer(), nullable=False),
        sa.Column('time_zone', sa.String(64)),
        _json('run_windows'), _json('execution_windows'),
        sa.ForeignKeyConstraint(['audit_id'], ['audits.id'],
                                ondelete='CASCADE'),
        sa.UniqueConstraint('audit_id',
                            name='uniq_audit_schedules0audit_id'),
        sa.PrimaryKeyConstraint('id'),
        mysql_engine=CONF.database.mysql_engine,
        # An upgrade that was interrupted may have made it already.
        if_not_exists=True)


def downgrade() -> None:
    op.drop_table('audit_schedules', if_exists=True)
