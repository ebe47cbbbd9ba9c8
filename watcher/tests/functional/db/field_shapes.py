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
"""The databases that exist in the field, for upgrades to be tested with.

Under one head revision they have one of two shapes: ``migrated``, made by the
revisions of the previous release (it could not do so on SQLite), or
``metadata``, made by its ``create_schema``.
"""

import datetime
from typing import Any

import sqlalchemy as sa

from watcher.tests.fixtures import database

MIGRATED = 'migrated'
METADATA = 'metadata'

HEAD = 'f56ba02662b4'

_DATES = ('created_at', 'updated_at', 'deleted_at')


def _mixin() -> list[sa.Column]:
    return [*(sa.Column(name, sa.DateTime) for name in _DATES),
            sa.Column('deleted', sa.Integer)]


class _Builder:
    """Builds the tables of one shape for one engine."""

    def __init__(self, shape: str, engine: str) -> None:
        self.migrated = shape == MIGRATED
        self.engine = engine
        self.metadata = sa.MetaData()

    def _table(self, name: str, *items: Any) -> None:
        ident = sa.Column('id', sa.Integer, primary_key=True)
        columns = [item for item in items if isinstance(item, sa.Column)]
        others = [item for item in items if not isinstance(item, sa.Column)]
        columns = ([*_mixin(), ident, *columns] if self.migrated
                   else [ident, *columns, *_mixin()])
        sa.Table(name, self.metadata, *columns, *others)

    @staticmethod
    def _text(name: str, length: int, null: bool = True) -> sa.Column:
        return sa.Column(name, sa.String(length), nullable=null)

    @staticmethod
    def _json(name: str, null: bool = True) -> sa.Column:
        return sa.Column(name, sa.Text, nullable=null)

    @staticmethod
    def _key(name: str, table: str, null: bool = False) -> sa.Column:
        return sa.Column(name, sa.Integer, sa.ForeignKey(f'{table}.id'),
                         nullable=null)

    @staticmethod
    def _unique(name: str, *columns: str) -> sa.UniqueConstraint:
        return sa.UniqueConstraint(*columns, name=name)

    def build(self) -> sa.MetaData:
        text, json, key, unique = (self._text, self._json, self._key,
                                   self._unique)
        self._table('goals', text('uuid', 36), text('name', 63, False),
                    text('display_name', 63, False),
                    json('efficacy_specification', False),
                    unique('uniq_goals0uuid', 'uuid'),
                    unique('uniq_goals0name', 'name', 'deleted'))
        self._table('strategies', text('uuid', 36), text('name', 63, False),
                    text('display_name', 63, False), key('goal_id', 'goals'),
                    json('parameters_spec'),
                    unique('uniq_strategies0uuid', 'uuid'),
                    unique('uniq_strategies0name', 'name', 'deleted'))
        self._table('audit_templates', text('uuid', 36), text('name', 63),
                    text('description', 255), key('goal_id', 'goals'),
                    key('strategy_id', 'strategies', True), json('scope'),
                    json('default_parameters'),
                    unique('uniq_audit_templates0uuid', 'uuid'),
                    unique('uniq_audit_templates0name', 'name', 'deleted'))
        self._audits()
        self._table('action_plans', text('uuid', 36),
                    key('audit_id', 'audits'),
                    key('strategy_id', 'strategies'), text('state', 20),
                    json('global_efficacy'), text('hostname', 255),
                    text('status_message', 255),
                    unique('uniq_action_plans0uuid', 'uuid'))
        self._table('actions', text('uuid', 36, False),
                    key('action_plan_id', 'action_plans'),
                    text('action_type', 255, False),
                    json('input_parameters'), text('state', 20),
                    json('parents'), text('status_message', 255),
                    unique('uniq_actions0uuid', 'uuid'))
        self._table('efficacy_indicators', text('uuid', 36),
                    text('name', 63), text('description', 255),
                    text('unit', 63), sa.Column('value', sa.Numeric),
                    key('action_plan_id', 'action_plans'),
                    sa.Column('data', sa.Float),
                    unique('uniq_efficacy_indicators0uuid', 'uuid'))
        self._table('scoring_engines', text('uuid', 36, False),
                    text('name', 63, False), text('description', 255),
                    sa.Column('metainfo', sa.Text),
                    unique('uniq_scoring_engines0uuid', 'uuid'),
                    unique('uniq_scoring_engines0name', 'name', 'deleted'))
        self._table('services', text('name', 255, False),
                    text('host', 255, False),
                    sa.Column('last_seen_up', sa.DateTime),
                    unique('uniq_services0host0name0deleted',
                           'host', 'name', 'deleted'))
        self._table('action_descriptions', text('action_type', 255, False),
                    text('description', 255, False),
                    unique('uniq_action_description0action_type',
                           'action_type'))
        self._jobs()
        sa.Table('alembic_version', self.metadata, sa.Column(
            'version_num', sa.String(32), nullable=False),
            sa.PrimaryKeyConstraint('version_num',
                                    name='alembic_version_pkc'))
        return self.metadata

    def _audits(self) -> None:
        number = self.migrated and self.engine == database.POSTGRESQL
        items = [
            self._text('uuid', 36), self._text('audit_type', 20),
            self._text('state', 20), self._json('parameters'),
            sa.Column('interval', sa.Integer if number else sa.String(36)),
            self._key('goal_id', 'goals'),
            self._key('strategy_id', 'strategies', True),
            self._json('scope'),
            sa.Column('auto_trigger', sa.Boolean, nullable=False),
            sa.Column('next_run_time', sa.DateTime), self._text('name', 63),
            self._text('hostname', 255),
            sa.Column('start_time', sa.DateTime),
            sa.Column('end_time', sa.DateTime),
            sa.Column('force', sa.Boolean, nullable=self.migrated),
            self._text('status_message', 255),
            self._unique('uniq_audits0uuid', 'uuid')]
        if not self.migrated:
            items.append(self._unique('uniq_audits0name', 'name', 'deleted'))
        self._table('audits', *items)

    def _jobs(self) -> None:
        name = 'uniq_apscheduler_jobs0id'
        items: list[Any] = [
            sa.Column('id', sa.String(191), nullable=False),
            sa.Column('next_run_time', sa.Float(25)),
            sa.Column('job_state', sa.LargeBinary, nullable=False),
            self._key('service_id', 'services'), sa.Column('tag', sa.Text)]
        if self.migrated:
            items.append(sa.PrimaryKeyConstraint('id'))
        elif self.engine == database.POSTGRESQL:
            items += [*_mixin(), sa.PrimaryKeyConstraint('id', name=name)]
        else:
            items += [*_mixin(), sa.PrimaryKeyConstraint('id'),
                      self._unique(name, 'id')]
        table = sa.Table('apscheduler_jobs', self.metadata, *items)
        sa.Index('ix_apscheduler_jobs_next_run_time',
                 table.c.next_run_time)


#: A pickle as the previous release stored it; loading it would end the
#: process.
PICKLE = b"\x80\x05\x95\x1a\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94\x8c" \
         b"\x05_exit\x94\x93\x94K\x07\x85\x94R\x94."


def create(connection: sa.Connection, shape: str,
           engine: str) -> sa.MetaData:
    """Create the tables, recorded at the head of the previous release."""
    metadata = _Builder(shape, engine).build()
    metadata.create_all(connection)
    connection.execute(metadata.tables['alembic_version'].insert(),
                       {'version_num': HEAD})
    return metadata


def fill(connection: sa.Connection, metadata: sa.MetaData) -> None:
    """Insert rows as services of the previous release wrote them."""
    tables = metadata.tables
    day = datetime.datetime(2026, 1, 2, 3, 4, 5)
    alive = {'created_at': day, 'deleted': 0}

    def insert(table: str, /, **values: Any) -> None:
        defaults = {} if table == 'apscheduler_jobs' else alive
        connection.execute(tables[table].insert(), {**defaults, **values})

    insert('goals', uuid='g1', name='dummy', display_name='Dummy',
           efficacy_specification='[{"b": 1, "a": "\\u00e9"}]')
    insert('goals', uuid='g0', name='dummy', display_name='Old',
           efficacy_specification='[]', deleted=2, deleted_at=day)
    insert('strategies', uuid='s1', name='dummy', display_name='Dummy',
           goal_id=1, parameters_spec='{"x": null}')
    insert('audit_templates', uuid='t1', name='at', goal_id=1,
           strategy_id=1, scope='[]', default_parameters=None)
    insert('audits', uuid='a1', name='weekly', audit_type='CONTINUOUS',
           state='ONGOING', parameters='{"p": 1}', interval='3600',
           goal_id=1, strategy_id=1, scope='[]', auto_trigger=True,
           force=False, next_run_time=day)
    insert('audits', uuid='a2', name='once', audit_type='ONESHOT',
           state='SUCCEEDED', parameters='{}', goal_id=1, strategy_id=1,
           scope='[]', auto_trigger=False, force=True)
    insert('action_plans', uuid='p1', audit_id=1, strategy_id=1,
           state='RECOMMENDED', global_efficacy='{"name": "old form"}')
    insert('actions', uuid='c1', action_plan_id=1, action_type='nop',
           input_parameters='{"message": "h\\u00e9"}', state='PENDING',
           parents='[]')
    insert('actions', uuid='c2', action_plan_id=1, action_type='nop',
           input_parameters='{}', state='PENDING', parents='["c1"]')
    insert('efficacy_indicators', uuid='e1', name='i', value=3, data=None,
           action_plan_id=1)
    insert('efficacy_indicators', uuid='e2', name='j', value=1, data=1.25,
           action_plan_id=1)
    insert('scoring_engines', uuid='se1', name='scorer', metainfo='[1, 2]')
    insert('services', name='watcher-decision-engine', host='h',
           last_seen_up=day)
    insert('action_descriptions', action_type='nop', description='Nothing')
    insert('apscheduler_jobs', id='0' * 32, next_run_time=1767323045.25,
           job_state=PICKLE, service_id=1,
           tag='{"host": "h", "name": "watcher-decision-engine"}')


def fill_unsound(connection: sa.Connection, metadata: sa.MetaData) -> None:
    """Insert what only the migrated shape lets in."""
    audits = metadata.tables['audits']
    base = {'audit_type': 'ONESHOT', 'state': 'FAILED', 'goal_id': 1,
            'auto_trigger': False,
            'deleted': 0, 'force': None, 'interval': None, 'name': 'twin'}
    connection.execute(audits.insert(), [
        {**base, 'uuid': 'u3', 'name': None},
        {**base, 'uuid': 'u4', 'name': None},
        {**base, 'uuid': 'u5'}, {**base, 'uuid': 'u6'},
        {**base, 'uuid': 'u7'}, {**base, 'uuid': 'u8', 'name': 'twin-6'},
        {**base, 'uuid': 'u9', 'name': 'n' * 63},
        {**base, 'uuid': 'u10', 'name': 'n' * 63},
        {**base, 'uuid': 'u11', 'deleted': None},
        {**base, 'uuid': 'u12', 'deleted': 12}])
