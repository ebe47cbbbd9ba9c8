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
"""Index the names of audits and templates in lower case.

Names are found and unique in any letter case, so every creation looks for
its name in lower case. MySQL needs nothing: its collations ignore case, and
the unique key over the name serves them.

Revision ID: c41f7d5a9b20
Revises: 9ae4f60b81d7
"""

import sqlalchemy as sa
from alembic import op

revision = 'c41f7d5a9b20'
down_revision = '9ae4f60b81d7'

_TABLES = ('audits', 'audit_templates')


def _is_mysql() -> bool:
    return op.get_bind().dialect.name in ('mysql', 'mariadb')


def upgrade() -> None:
    if _is_mysql():
        return
    for table in _TABLES:
        # An upgrade that was interrupted may have made it already; SQLite
        # does not tell which indexes over expressions there are.
        op.create_index(f'ix_{table}_name_lower', table,
                        [sa.text('lower(name)')], if_not_exists=True)


def downgrade() -> None:
    if _is_mysql():
        return
    for table in _TABLES:
        op.drop_index(f'ix_{table}_name_lower', table, if_exists=True)
