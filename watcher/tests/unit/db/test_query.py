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
"""Filters, order and pages of lists."""

import datetime

import sqlalchemy as sa
from oslo_db import exception as db_exc

from watcher.common import exception
from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import session
from watcher.tests.unit.db import base


class TestFilters(base.DatabaseTestCase):

    def _found(self, entity, filters, context=None, **kwargs):
        rows = getattr(self.dbapi, f'get_{entity}_list')(
            context or self.context, filters=filters, **kwargs)
        return [row.id for row in rows]

    def test_operators(self):
        for name in 'abcd':
            self.records.goal(name=name)
        for filters, expected in (
                ({'name': 'b'}, [2]), ({'name__eq': 'b'}, [2]),
                ({'name__neq': 'b'}, [1, 3, 4]), ({'id__gt': 3}, [4]),
                ({'id__gte': 3}, [3, 4]), ({'id__lt': 2}, [1]),
                ({'id__lte': 2}, [1, 2]), ({'id__in': [1, 4]}, [1, 4]),
                ({'name__notin': ['a', 'b']}, [3, 4]),
                ({'name__in': []}, []), ({'id': '3'}, [3]),
                ({'name': 'b', 'id': 1}, []), ({}, [1, 2, 3, 4])):
            self.assertEqual(expected, self._found('goal', filters), filters)

    def test_unknown_operator(self):
        error = self.assertRaises(exception.InvalidOperator, self._found,
                                  'goal', {'name__like': 'x'})
        self.assertIn('notin', str(error))

    def test_unknown_field_is_refused_with_the_known_ones(self):
        for entity, name in (('goal', 'nme'), ('audit', 'goal_colour'),
                             ('audit', 'parameters'), ('goal', 'goal_name'),
                             ('efficacy_indicator', 'schema'),
                             ('scoring_engine', 'metainfo')):
            error = self.assertRaises(exception.Invalid, self._found, entity,
                                      {name: 'x'})
            self.assertIn(f"'{name}'", str(error))
            self.assertIn('uuid', str(error))

    def test_null(self):
        with_strategy = self.records.audit().id
        without = self.records.audit(goal_id=self.records.goal().id).id
        self.assertEqual([without],
                         self._found('audit', {'strategy_id': None}))
        self.assertEqual([with_strategy],
                         self._found('audit', {'strategy_id__neq': None}))

    def test_booleans(self):
        yes = self.records.audit(auto_trigger=True).id
        no = self.records.audit(auto_trigger=False).id
        for value, expected in ((True, [yes]), ('true', [yes]),
                                (False, [no]), (0, [no])):
            self.assertEqual(expected,
                             self._found('audit', {'auto_trigger': value}))

    def test_dates(self):
        goal = self.records.goal()
        now = goal.created_at
        later = now + datetime.timedelta(hours=1)
        aware = later.replace(tzinfo=datetime.UTC).astimezone(
            datetime.timezone(datetime.timedelta(hours=5)))
        for value in (later, aware, later.isoformat(), aware.isoformat()):
            self.assertEqual(
                [goal.id], self._found('goal', {'created_at__lt': value}))
            self.assertEqual(
                [], self._found('goal', {'created_at__gt': value}))

    def test_values_of_the_wrong_type(self):
        for filters in ({'created_at__lt': 'yesterday'}, {'id': 'one'},
                        {'created_at': 5}):
            name = next(iter(filters)).partition('__')[0]
            error = self.assertRaises(exception.Invalid, self._found, 'goal',
                                      filters)
            self.assertIn(name, str(error))
        self.assertRaises(exception.Invalid, self._found, 'audit',
                          {'auto_trigger': 'perhaps'})

    def test_deleted(self):
        living = self.records.goal().id
        dead = self.records.goal().id
        self.dbapi.soft_delete_goal(dead)
        for filters, context, expected in (
                ({'deleted': True}, self.all_context, [dead]),
                ({'deleted': False}, self.all_context, [living]),
                ({'deleted': True}, self.context, []),
                ({'deleted__gt': 0}, self.all_context, [dead]),
                ({'deleted_at__neq': None}, self.all_context, [dead]),
                ({}, self.all_context, [living, dead])):
            self.assertEqual(expected,
                             self._found('goal', filters, context))

    def test_caller_keeps_its_mapping(self):
        filters = {'deleted': True}
        self._found('goal', filters)
        self.assertEqual({'deleted': True}, filters)

    def test_relations_by_own_keys(self):
        # A goal with two strategies, and audits of the one and the other.
        goal = self.records.goal(name='g')
        one, two = (self.records.strategy(name=name, goal_id=goal.id)
                    for name in ('one', 'two'))
        audits = [self.records.audit(goal_id=goal.id, strategy_id=item.id)
                  for item in (one, two, one)]
        self.records.audit()
        for filters, expected in (
                ({'goal_name': 'g', 'strategy_name': 'one'}, [0, 2]),
                ({'goal_uuid': goal.uuid, 'strategy_uuid': two.uuid}, [1]),
                ({'goal_uuid': goal.uuid, 'goal_name': 'g'}, [0, 1, 2]),
                ({'goal_name': 'other', 'goal_uuid': goal.uuid}, []),
                ({'strategy_name__in': ['one', 'two']}, [0, 1, 2]),
                ({'goal_id': goal.id}, [0, 1, 2])):
            for eager in (False, True):
                self.assertEqual(
                    [audits[number].id for number in expected],
                    self._found('audit', filters, eager=eager), filters)

    def test_plans_by_their_own_strategy(self):
        audit = self.records.audit()
        strategy = self.records.strategy(name='plan')
        plan = self.records.action_plan(audit_id=audit.id,
                                        strategy_id=strategy.id)
        self.records.action_plan(audit_id=audit.id)
        self.assertEqual([plan.id], self._found('action_plan', {
            'audit_uuid': audit.uuid, 'strategy_name': 'plan'}))
        self.assertEqual([plan.id], self._found('action_plan', {
            'audit_uuid': audit.uuid, 'strategy_uuid': strategy.uuid}))

    def test_actions_by_audit(self):
        action = self.records.action()
        plan = self.dbapi.get_action_plan_by_id(self.context,
                                                action.action_plan_id)
        audit = self.dbapi.get_audit_by_id(self.context, plan.audit_id)
        other = self.records.action()
        for filters, expected in (
                ({'audit_uuid': audit.uuid}, [action.id]),
                ({'audit_uuid__neq': audit.uuid}, [other.id]),
                ({'action_plan_uuid': plan.uuid}, [action.id]),
                ({'audit_uuid': audit.uuid, 'action_plan_uuid': 'x'}, [])):
            self.assertEqual(expected, self._found('action', filters))

    def test_deleted_relations_count(self):
        audit = self.records.audit()
        goal = self.dbapi.get_goal_by_id(self.context, audit.goal_id)
        self.dbapi.soft_delete_goal(goal.id)
        self.assertEqual([audit.id],
                         self._found('audit', {'goal_uuid': goal.uuid}))

    def test_every_promised_filter_works(self):
        promised = {
            'goal': 'uuid name display_name',
            'strategy': 'uuid name display_name goal_id goal_uuid goal_name',
            'audit_template': 'uuid name goal_id strategy_id goal_uuid '
                              'goal_name strategy_uuid strategy_name',
            'audit': 'uuid audit_type state goal_id strategy_id hostname '
                     'goal_uuid goal_name strategy_uuid strategy_name name',
            'action_plan': 'uuid state audit_id strategy_id hostname '
                           'audit_uuid strategy_uuid strategy_name',
            'action': 'uuid state action_plan_id action_plan_uuid '
                      'audit_uuid',
            'efficacy_indicator': 'uuid name unit action_plan_id '
                                  'action_plan_uuid',
            'scoring_engine': 'id description uuid name',
            'action_description': 'id action_type',
            'service': 'id name host'}
        common = 'deleted deleted_at created_at updated_at'
        for entity, names in promised.items():
            for name in (names + ' ' + common).split():
                value = None if name.endswith('_at') else 1
                self._found(entity, {name: value})


class TestPages(base.DatabaseTestCase):

    def _walk(self, entity, limit, **kwargs):
        """All ids, page by page."""
        listed = getattr(self.dbapi, f'get_{entity}_list')
        found, marker = [], None
        while True:
            page = listed(self.context, limit=limit, marker=marker, **kwargs)
            if not page:
                return found
            self.assertLessEqual(len(page), limit)
            found += [row.id for row in page]
            marker = page[-1]

    def test_order(self):
        for name in ('b', 'c', 'a'):
            self.records.goal(name=name)
        for key, direction, expected in (
                (None, None, [1, 2, 3]), ('id', 'desc', [3, 2, 1]),
                ('name', 'asc', [3, 1, 2]), ('name', 'desc', [2, 1, 3]),
                ('name', None, [3, 1, 2])):
            rows = self.dbapi.get_goal_list(self.context, sort_key=key,
                                            sort_dir=direction)
            self.assertEqual(expected, [row.id for row in rows])

    def test_equal_values_follow_the_id_in_the_same_direction(self):
        for number in range(4):
            self.records.goal(display_name=str(number % 2))
        for direction, expected in (('asc', [1, 3, 2, 4]),
                                    ('desc', [4, 2, 3, 1])):
            for limit in (1, 2, 3, 4, 9):
                self.assertEqual(expected, self._walk(
                    'goal', limit, sort_key='display_name',
                    sort_dir=direction))

    def test_nulls(self):
        goal = self.records.goal().id
        for hostname in (None, 'b', None, 'a', 'b'):
            self.records.audit(goal_id=goal, hostname=hostname)
        for direction, expected in (
                ('asc', [1, 3, 4, 2, 5]),
                ('desc', [5, 2, 4, 3, 1]),
                ('asc-nullsfirst', [1, 3, 4, 2, 5]),
                ('asc-nullslast', [4, 2, 5, 1, 3]),
                ('desc-nullsfirst', [3, 1, 5, 2, 4]),
                ('desc-nullslast', [5, 2, 4, 3, 1])):
            for limit in (1, 2, 3, 5):
                self.assertEqual(
                    expected,
                    self._walk('audit', limit, sort_key='hostname',
                               sort_dir=direction), (direction, limit))

    def test_related_keys(self):
        goals = [self.records.goal(name=name).id for name in ('b', 'a')]
        strategy = self.records.strategy(goal_id=goals[0], name='s').id
        for goal, own in ((goals[0], None), (goals[1], strategy),
                          (goals[0], strategy)):
            self.records.audit(goal_id=goal, strategy_id=own)
        for key, direction, expected in (
                ('goal_name', 'asc', [2, 1, 3]),
                ('goal_name', 'desc', [3, 1, 2]),
                ('strategy_name', 'asc', [1, 2, 3]),
                ('strategy_name', 'desc', [3, 2, 1])):
            for limit in (1, 2, 3):
                self.assertEqual(expected, self._walk(
                    'audit', limit, sort_key=key, sort_dir=direction,
                    eager=True))

    def test_every_column_can_be_sorted_and_paged(self):
        for name, model in (('audit', models.Audit),
                            ('action', models.Action),
                            ('efficacy_indicator',
                             models.EfficacyIndicator),
                            ('service', models.Service)):
            for _number in range(2):
                getattr(self.records, name)()
            for column in model.__table__.columns.keys():
                for direction in ('asc', 'desc'):
                    self.assertEqual(
                        [1, 2], sorted(self._walk(
                            name, 1, sort_key=column, sort_dir=direction)))

    def test_marker_may_be_older_than_its_row(self):
        goals = [self.records.goal(display_name=name) for name in 'abc']
        marker = goals[0]
        self.dbapi.update_goal(marker.id, {'display_name': 'bb'})
        rows = self.dbapi.get_goal_list(
            self.context, marker=marker, sort_key='display_name')
        self.assertEqual([goals[2].id], [row.id for row in rows])

    def test_marker_that_is_gone(self):
        goal = self.records.goal()
        self.dbapi.destroy_goal(goal.id)
        self.assertRaises(exception.Invalid, self.dbapi.get_goal_list,
                          self.context, marker=goal, sort_key='name')

    def test_limits(self):
        for _number in range(3):
            self.records.goal()
        for limit, count in ((None, 3), (0, 0), (2, 2), (9, 3),
                             (2 ** 64, 3), (10 ** 40, 3)):
            self.assertEqual(count, len(self.dbapi.get_goal_list(
                self.context, limit=limit)))
        self.assertRaises(exception.Invalid, self.dbapi.get_goal_list,
                          self.context, limit=-1)

    def test_unknown_key_and_direction(self):
        self.assertRaises(db_exc.InvalidSortKey, self.dbapi.get_goal_list,
                          self.context, sort_key='colour')
        self.assertRaises(db_exc.InvalidSortKey, self.dbapi.get_audit_list,
                          self.context, sort_key='goal')
        error = self.assertRaises(
            exception.Invalid, self.dbapi.get_goal_list, self.context,
            sort_dir='sideways')
        self.assertIn('sideways', str(error))


class TestCost(base.DatabaseTestCase):
    """A list costs the same number of queries however long it is."""

    def test_one_query_for_a_list(self):
        for entity in ('goal', 'strategy', 'audit_template', 'audit',
                       'action_plan', 'action', 'efficacy_indicator',
                       'scoring_engine', 'service', 'action_description'):
            for _number in range(5):
                getattr(self.records, entity)()
            listed = getattr(self.dbapi, f'get_{entity}_list')
            with self.statements() as sent:
                rows = listed(self.context, eager=True)
            self.assertEqual(5, len(rows[-5:]))
            self.assertEqual(1, len(sent), entity)

    def test_one_more_for_a_marker(self):
        for _number in range(5):
            self.records.audit()
        marker = self.dbapi.get_audit_list(self.context, limit=1)[0]
        for key, count in (('id', 1), ('name', 2), ('goal_name', 2)):
            with self.statements() as sent:
                self.dbapi.get_audit_list(
                    self.context, eager=True, sort_key=key, marker=marker,
                    filters={'goal_name__neq': 'x'})
            self.assertEqual(count, len(sent), key)

    def test_relation_is_joined_once(self):
        with self.statements() as sent:
            self.dbapi.get_audit_list(
                self.context, eager=True, sort_key='goal_name',
                filters={'goal_name': 'a', 'goal_uuid': 'b'})
        self.assertEqual(2, sent[0].count('JOIN'))

    def test_polled_columns_have_an_index(self):
        inspector = sa.inspect(session.get_engine())
        for table in models.Base.metadata.sorted_tables:
            first = {item['column_names'][0]
                     for item in inspector.get_indexes(table.name)}
            first |= {item['column_names'][0] for item in
                      inspector.get_unique_constraints(table.name)}
            wanted = {column.name for column in table.columns
                      if column.foreign_keys}
            if table.name in ('audits', 'action_plans'):
                wanted.add('state')
            self.assertEqual(set(), wanted - first, table.name)


class TestWays(base.DatabaseTestCase):
    """SQLite says how it finds rows: by an index, never by reading all.

    It has the least clever planner of the three databases.
    """

    def _way(self, operation, *args, **kwargs):
        sent = []

        def note(connection, cursor, statement, parameters, *others):
            sent.append((statement, parameters))

        engine = session.get_engine()
        sa.event.listen(engine, 'before_cursor_execute', note)
        try:
            operation(self.context, *args, **kwargs)
        finally:
            sa.event.remove(engine, 'before_cursor_execute', note)
        statement, parameters = sent[-1]
        with engine.connect() as connection:
            return '; '.join(row.detail for row in connection.exec_driver_sql(
                f'EXPLAIN QUERY PLAN {statement}', parameters))

    def test_filters(self):
        names = ['uuid', 'action_type', 'action_plan_uuid']
        for entity, filters, index in (
                ('action', {'audit_uuid': 'x'}, 'ix_actions_action_plan_id'),
                ('action', {'action_plan_uuid': 'x'},
                 'ix_actions_action_plan_id'),
                ('action_plan', {'audit_uuid': 'x'},
                 'ix_action_plans_audit_id'),
                ('action_plan', {'strategy_name': 'x'},
                 'ix_action_plans_strategy_id'),
                ('audit', {'goal_uuid': 'x'}, 'ix_audits_goal_id'),
                ('audit', {'strategy_name': 'x'}, 'ix_audits_strategy_id'),
                ('audit', {'state__in': ['PENDING']}, 'ix_audits_state'),
                ('audit_template', {'goal_name': 'x'},
                 'ix_audit_templates_goal_id'),
                ('strategy', {'goal_uuid': 'x'}, 'ix_strategies_goal_id'),
                ('efficacy_indicator', {'action_plan_id__in': [1, 2]},
                 'ix_efficacy_indicators_action_plan_id')):
            for operation, *columns in (
                    (f'get_{entity}_list',),
                    (f'list_{entity}_columns',
                     names if entity == 'action' else ['uuid'])):
                way = self._way(getattr(self.dbapi, operation), *columns,
                                filters=filters, limit=10)
                self.assertIn(index, way, f'{operation} {filters}')
                self.assertNotIn('SCAN', way, f'{operation} {filters}')

    def test_pages_behind_a_marker(self):
        audit = self.records.audit()
        for options, way_in in (
                ({}, 'rowid>?'), ({'sort_dir': 'desc'}, 'rowid<?'),
                ({'sort_key': 'uuid'}, 'uuid>?'),
                ({'sort_key': 'name'}, 'name>?'),
                ({'sort_key': 'state'}, 'state>?')):
            way = self._way(self.dbapi.list_audit_columns, ['uuid'],
                            marker=audit, limit=10, **options)
            self.assertIn(way_in, way, options)

    def test_names_in_any_letter_case(self):
        self.records.audit(name='a')
        self.records.audit_template(name='a')
        for entity in ('audit', 'audit_template'):
            way = self._way(getattr(self.dbapi, f'get_{entity}_by_name'), 'A')
            self.assertIn(f'ix_{entity}s_name_lower', way)
            self.assertNotIn('SCAN', way)
