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
"""Keep whole, and for programs, what status messages say in short.

The rows go with their owners, so that releases that do not know the table
can still remove those.

Revision ID: a7c3e5d18f60
Revises: e6b2f47d0a95
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from watcher import conf

revision = 'a7c3e5d18f60'
down_revision = 'e6b2f47d0a95'

CONF = conf.CONF

_TABLE = 'reasons'
_OWNERS = {'audit_id': 'audits', 'action_plan_id': 'action_plans',
           'action_id': 'actions'}


def _text(name: str) -> sa.Column:
    return sa.Column(name, sa.Text().with_variant(
        mysql.MEDIUMTEXT(), 'mysql', 'mariadb'), nullable=False)


def upgrade() -> None:
    op.create_table(
        _TABLE,
        sa.Column('id', sa.Integer(), nullable=False),
        *(sa.Column(key, sa.Integer()) for key in _OWNERS),
        sa.Column('code', sa.String(64), nullable=False),
        _text('text'), _text('data'),
        *(sa.ForeignKeyConstraint([key], [f'{table}.id'], ondelete='CASCADE')
          for key, table in _OWNERS.items()),
        *(sa.UniqueConstraint(key, name=f'uniq_{_TABLE}0{key}')
          for key in _OWNERS),
        sa.PrimaryKeyConstraint('id'),
        mysql_engine=CONF.database.mysql_engine,
        # An upgrade that was interrupted may have made it already.
        if_not_exists=True)


def downgrade() -> None:
    op.drop_table(_TABLE, if_exists=True)
