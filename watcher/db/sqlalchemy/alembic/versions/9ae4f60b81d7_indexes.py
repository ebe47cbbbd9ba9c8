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
"""Index foreign keys and the states that the services poll.

MySQL has an index for each foreign key already, named like its column; it
drops that one when ours can take its place.

Revision ID: 9ae4f60b81d7
Revises: 3c1d0b7e52a9
"""

import sqlalchemy as sa
from alembic import op

revision = '9ae4f60b81d7'
down_revision = '3c1d0b7e52a9'

_KEYS = {
    'strategies': ('goal_id',),
    'audit_templates': ('goal_id', 'strategy_id'),
    'audits': ('goal_id', 'strategy_id'),
    'action_plans': ('audit_id', 'strategy_id'),
    'actions': ('action_plan_id',),
    'efficacy_indicators': ('action_plan_id',),
    'apscheduler_jobs': ('service_id',),
}

_STATES = {'audits': ('state',), 'action_plans': ('state',)}


def _indexes(table: str) -> set[str]:
    return {item['name']
            for item in sa.inspect(op.get_bind()).get_indexes(table)}


def _is_mysql() -> bool:
    return op.get_bind().dialect.name in ('mysql', 'mariadb')


def upgrade() -> None:
    for wanted in (_KEYS, _STATES):
        for table, columns in wanted.items():
            present = _indexes(table)
            for column in columns:
                if f'ix_{table}_{column}' not in present:
                    op.create_index(f'ix_{table}_{column}', table, [column])
                if _is_mysql() and column in _indexes(table):
                    # One that was made explicitly: it stays by itself.
                    op.drop_index(column, table)


def downgrade() -> None:
    for wanted in (_STATES, _KEYS):
        for table, columns in wanted.items():
            present = _indexes(table)
            for column in columns:
                if (_is_mysql() and wanted is _KEYS
                        and column not in present):
                    # The foreign key cannot be without.
                    op.create_index(column, table, [column])
                if f'ix_{table}_{column}' in present:
                    op.drop_index(f'ix_{table}_{column}', table)
