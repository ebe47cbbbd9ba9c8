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
"""Bring both shapes of the previous release's head to the sound one.

Each step looks at the database and does nothing where it finds the wanted
form, so that the revision can be run again after an interruption (MySQL
commits each table change on its own). No row is removed:

* ``deleted`` is filled where other software left it NULL;
* audits without a name get ``audit-<uuid>``, a second living audit of one
  name gets ``-<id>`` behind it, then the names become unique;
* ``force`` NULL becomes false;
* ``interval`` becomes text on PostgreSQL;
* JSON columns become MEDIUMTEXT, efficacy values double on MySQL;
* the job table loses four columns that nothing ever wrote, unless somebody
  did, and a second unique key over its primary key.

Revision ID: 3c1d0b7e52a9
Revises: f56ba02662b4
"""

import logging
from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = '3c1d0b7e52a9'
down_revision = 'f56ba02662b4'

LOG = logging.getLogger(__name__)

_NAME_LENGTH = 63

_RECORDS = ('goals', 'strategies', 'audit_templates', 'audits',
            'action_plans', 'actions', 'efficacy_indicators',
            'scoring_engines', 'services', 'action_descriptions')

_JSON = {
    'goals': ('efficacy_specification',),
    'strategies': ('parameters_spec',),
    'audit_templates': ('scope', 'default_parameters'),
    'audits': ('parameters', 'scope'),
    'action_plans': ('global_efficacy',),
    'actions': ('input_parameters', 'parents'),
}

_UNWRITTEN_JOB_COLUMNS = ('created_at', 'updated_at', 'deleted_at',
                          'deleted')
_JOBS_UNIQUE = 'uniq_apscheduler_jobs0id'

_audits = sa.table(
    'audits', sa.column('id', sa.Integer), sa.column('uuid', sa.String),
    sa.column('name', sa.String), sa.column('deleted', sa.Integer),
    sa.column('force', sa.Boolean))


def _connection() -> sa.Connection:
    return op.get_bind()


def _columns(table: str) -> dict[str, dict]:
    return {column['name']: column
            for column in sa.inspect(_connection()).get_columns(table)}


def _unique_names(table: str) -> set[str]:
    """Names of unique keys, which MySQL lists as indexes."""
    inspector = sa.inspect(_connection())
    names = {item['name'] for item in inspector.get_unique_constraints(table)}
    return names | {item['name'] for item in inspector.get_indexes(table)
                    if item['unique']}


def upgrade() -> None:
    _fill_deleted()
    _fill_audit_names()
    _separate_audit_names()
    _connection().execute(
        _audits.update().where(_audits.c.force.is_(None))
        .values(force=False))
    _alter_audits()
    if _connection().dialect.name in ('mysql', 'mariadb'):
        _widen_json()
        _widen_efficacy()
    _trim_jobs()


def downgrade() -> None:
    """Keep the sound shape: the previous release works on it as well."""


# Rows ---------------------------------------------------------------------

def _fill_deleted() -> None:
    for name in _RECORDS:
        table = sa.table(name, sa.column('id', sa.Integer),
                         sa.column('deleted', sa.Integer),
                         sa.column('deleted_at', sa.DateTime))
        _connection().execute(
            table.update().where(table.c.deleted.is_(None))
            .values(deleted=sa.case((table.c.deleted_at.is_(None), 0),
                                    else_=table.c.id)))


def _fill_audit_names() -> None:
    nameless = _connection().execute(
        sa.select(_audits.c.id, _audits.c.uuid)
        .where(_audits.c.name.is_(None))).all()
    for row in nameless:
        _rename(row.id, f'audit-{row.uuid or row.id}')


def _separate_audit_names() -> None:
    """Rename all but the oldest of the audits that share a name.

    The database decides what is equal: on MySQL the case doesn't count.
    """
    older = _audits.alias()
    repeated = _connection().execute(
        sa.select(_audits.c.id, _audits.c.name, _audits.c.deleted)
        .where(sa.exists().where(
            older.c.name == _audits.c.name,
            older.c.deleted == _audits.c.deleted,
            older.c.id < _audits.c.id))
        .order_by(_audits.c.id)).all()
    for row in repeated:
        name = next(candidate for candidate in _candidates(row.name, row.id)
                    if not _is_used(candidate, row.deleted))
        LOG.warning('Audit %(id)s is renamed from "%(old)s" to "%(new)s": '
                    'an older one has the same name',
                    {'id': row.id, 'old': row.name, 'new': name})
        _rename(row.id, name)


def _candidates(name: str, ident: int) -> Iterator[str]:
    suffix = f'-{ident}'
    while True:
        yield name[:_NAME_LENGTH - len(suffix)] + suffix
        suffix = f'-{ident}{suffix}'


def _is_used(name: str, deleted: int) -> bool:
    return _connection().execute(
        sa.select(_audits.c.id).where(_audits.c.name == name,
                                      _audits.c.deleted == deleted)
        .limit(1)).first() is not None


def _rename(ident: int, name: str) -> None:
    _connection().execute(_audits.update().where(_audits.c.id == ident)
                          .values(name=name))


# Columns and keys ---------------------------------------------------------

def _alter_audits() -> None:
    columns = _columns('audits')
    interval_is_number = isinstance(columns['interval']['type'], sa.Integer)
    force_is_nullable = columns['force']['nullable']
    names_may_repeat = 'uniq_audits0name' not in _unique_names('audits')
    if not (interval_is_number or force_is_nullable or names_may_repeat):
        return
    with op.batch_alter_table('audits') as batch:
        if interval_is_number:
            batch.alter_column('interval', type_=sa.String(36),
                               existing_type=sa.Integer(),
                               existing_nullable=True,
                               postgresql_using='interval::varchar(36)')
        if force_is_nullable:
            batch.alter_column('force', nullable=False,
                               existing_type=sa.Boolean())
        if names_may_repeat:
            batch.create_unique_constraint('uniq_audits0name',
                                           ['name', 'deleted'])


def _widen_json() -> None:
    for table, names in _JSON.items():
        columns = _columns(table)
        for name in names:
            if isinstance(columns[name]['type'], mysql.MEDIUMTEXT):
                continue
            op.alter_column(table, name, type_=mysql.MEDIUMTEXT(),
                            existing_type=sa.Text(),
                            existing_nullable=columns[name]['nullable'])


def _widen_efficacy() -> None:
    column = _columns('efficacy_indicators')['data']
    if not isinstance(column['type'], mysql.DOUBLE):
        op.alter_column('efficacy_indicators', 'data', type_=mysql.DOUBLE(),
                        existing_type=sa.Float(), existing_nullable=True)


def _trim_jobs() -> None:
    present = [name for name in _UNWRITTEN_JOB_COLUMNS
               if name in _columns('apscheduler_jobs')]
    unused = [name for name in present if not _is_written(name)]
    for name in sorted(set(present) - set(unused)):
        LOG.warning('Column %s of apscheduler_jobs is kept: it has values',
                    name)
    inspector = sa.inspect(_connection())
    is_primary = (inspector.get_pk_constraint('apscheduler_jobs')['name']
                  == _JOBS_UNIQUE)
    is_doubled = (_JOBS_UNIQUE in _unique_names('apscheduler_jobs')
                  and not is_primary)
    if is_primary and _connection().dialect.name == 'postgresql':
        op.execute(f'ALTER TABLE apscheduler_jobs RENAME CONSTRAINT '
                   f'{_JOBS_UNIQUE} TO apscheduler_jobs_pkey')
    if not unused and not is_doubled:
        return
    with op.batch_alter_table('apscheduler_jobs') as batch:
        for name in unused:
            batch.drop_column(name)
        if is_doubled:
            batch.drop_constraint(_JOBS_UNIQUE, type_='unique')


def _is_written(name: str) -> bool:
    column = sa.column(name)
    return _connection().execute(
        sa.select(sa.literal(1)).select_from(sa.table('apscheduler_jobs'))
        .where(column.is_not(None)).limit(1)).first() is not None
