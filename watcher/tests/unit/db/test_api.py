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
"""Operations that every entity has."""

import datetime
import decimal
import threading
import uuid

import sqlalchemy as sa
from oslo_utils import timeutils
from oslo_utils import uuidutils

from watcher.common import exception
from watcher.db.sqlalchemy import api
from watcher.db.sqlalchemy import entities
from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import session
from watcher.tests import base as tests_base
from watcher.tests.unit.db import base

READS = {
    'goal': ('id', 'uuid', 'name'),
    'strategy': ('id', 'uuid', 'name'),
    'audit_template': ('id', 'uuid', 'name'),
    'audit': ('id', 'uuid', 'name'),
    'action_plan': ('id', 'uuid'),
    'action': ('id', 'uuid'),
    'efficacy_indicator': ('id', 'uuid', 'name'),
    'scoring_engine': ('id', 'uuid', 'name'),
    'service': ('id', 'name'),
    'action_description': ('id', 'type'),
}

NOT_FOUND = {entity.name: entity.not_found for entity in entities.ALL}


class TestSurface(tests_base.TestCase):

    def test_every_promised_operation_is_there(self):
        for name, keys in READS.items():
            operations = [f'get_{name}_by_{key}' for key in keys]
            operations += [f'get_{name}_list', f'create_{name}',
                           f'update_{name}', f'soft_delete_{name}',
                           f'destroy_{name}']
            for operation in operations:
                method = getattr(api.Connection, operation)
                self.assertEqual(operation, method.__name__)
                self.assertTrue(method.__doc__)


class TestRead(base.DatabaseTestCase):

    def test_by_each_key(self):
        for name, keys in READS.items():
            row = getattr(self.records, name)()
            for key in keys:
                column = 'action_type' if key == 'type' else key
                read = getattr(self.dbapi, f'get_{name}_by_{key}')
                found = read(self.context, getattr(row, column))
                self.assertEqual(row.id, found.id, (name, key))

    def test_missing(self):
        for name, keys in READS.items():
            for key in keys:
                ident = 77 if key == 'id' else 'nobody'
                error = self.assertRaises(
                    NOT_FOUND[name],
                    getattr(self.dbapi, f'get_{name}_by_{key}'),
                    self.context, ident)
                self.assertIn(str(ident), str(error))

    def test_impossible_ids_are_missing(self):
        for ident in (2 ** 31, 2 ** 70, 0, -1, -2 ** 70, 'x', None):
            self.assertRaises(exception.GoalNotFound,
                              self.dbapi.get_goal_by_id, self.context, ident)

    def test_deleted_rows_need_the_context(self):
        for name, keys in READS.items():
            row = getattr(self.records, name)()
            getattr(self.dbapi, f'soft_delete_{name}')(row.id)
            for key in keys:
                column = 'action_type' if key == 'type' else key
                read = getattr(self.dbapi, f'get_{name}_by_{key}')
                self.assertRaises(NOT_FOUND[name], read, self.context,
                                  getattr(row, column))
                self.assertEqual(row.id, read(self.all_context,
                                              getattr(row, column)).id)

    def test_name_in_any_letter_case(self):
        self.records.goal(name='Dummy')
        self.assertEqual('Dummy', self.dbapi.get_goal_by_name(
            self.context, 'dUMMY').name)
        self.assertRaises(exception.GoalNotFound,
                          self.dbapi.get_goal_by_name, self.context, 'dum')

    def test_reused_name_means_the_living_then_the_last_deleted(self):
        rows = [self.records.goal(name='g')]
        for _number in range(2):
            self.dbapi.soft_delete_goal(rows[-1].id)
            # MySQL keeps whole seconds only.
            hours_ago = datetime.timedelta(hours=10 - len(rows))
            with session.get_engine().begin() as connection:
                connection.execute(
                    sa.update(models.Goal)
                    .where(models.Goal.id == rows[-1].id)
                    .values(deleted_at=timeutils.utcnow() - hours_ago))
            rows.append(self.records.goal(name='g'))
        read = self.dbapi.get_goal_by_name
        self.assertEqual(rows[2].id, read(self.all_context, 'g').id)
        self.dbapi.destroy_goal(rows[2].id)
        self.assertEqual(rows[1].id, read(self.all_context, 'g').id)
        self.assertRaises(exception.GoalNotFound, read, self.context, 'g')

    def test_relations_come_with_eager_in_one_query(self):
        action = self.records.action()
        with self.statements() as sent:
            found = self.dbapi.get_action_by_uuid(self.context, action.uuid,
                                                  eager=True)
        self.assertEqual(1, len(sent))
        self.assertEqual(action.action_plan_id, found.action_plan.id)

    def test_relations_are_not_loaded_by_accident(self):
        strategy = self.records.strategy()
        found = self.dbapi.get_strategy_by_id(self.context, strategy.id)
        self.assertRaises(sa.exc.SQLAlchemyError, getattr, found, 'goal')

    def test_deleted_relations_come_too(self):
        strategy = self.records.strategy()
        self.dbapi.soft_delete_goal(strategy.goal_id)
        found = self.dbapi.get_strategy_by_id(self.context, strategy.id,
                                              eager=True)
        self.assertEqual(strategy.goal_id, found.goal.id)


class TestCreate(base.DatabaseTestCase):

    def test_defaults(self):
        before = timeutils.utcnow()
        for name in READS:
            row = getattr(self.records, name)()
            row = getattr(self.dbapi, f'get_{name}_by_id')(self.context,
                                                           row.id)
            self.assertEqual(0, row.deleted)
            self.assertIsNone(row.deleted_at)
            self.assertIsNone(row.updated_at)
            self.assertLess(abs((row.created_at - before).total_seconds()),
                            60)
            if 'uuid' in row:
                self.assertEqual(str(uuid.UUID(row.uuid, version=4)),
                                 row.uuid)

    def test_states(self):
        self.assertEqual('PENDING', self.records.audit().state)
        self.assertEqual('PENDING', self.records.action(state=None).state)
        self.assertEqual('ONGOING',
                         self.records.audit(state='ONGOING').state)
        self.assertIsNone(self.records.action_plan(state=None).state)

    def test_audit_switches_are_never_null(self):
        audit = self.records.audit(auto_trigger=None, force=None)
        self.assertIs(False, audit.auto_trigger)
        self.assertIs(False, audit.force)

    def test_given_uuid_is_kept(self):
        given = uuidutils.generate_uuid()
        self.assertEqual(given, self.records.goal(uuid=given).uuid)
        self.assertTrue(self.records.goal(uuid='').uuid)

    def test_caller_keeps_its_mapping(self):
        values = {'name': 'g', 'display_name': 'G'}
        self.dbapi.create_goal(values)
        self.assertEqual({'name': 'g', 'display_name': 'G'}, values)

    def test_relations_among_the_values_are_dropped(self):
        goal = self.records.goal()
        row = self.records.strategy(goal_id=goal.id, goal=goal)
        self.assertEqual(goal.id, row.goal_id)

    def test_duplicate_uuid(self):
        for name in READS:
            if name in ('service', 'action_description'):
                continue
            row = getattr(self.records, name)()
            error = self.assertRaises(
                exception.Conflict, getattr(self.records, name),
                uuid=row.uuid)
            self.assertIn(row.uuid, str(error))
            self.assertIn(f'with uuid {row.uuid!r}', str(error))
            self.assertIn(name.replace('_', ' '), str(error))

    def test_duplicate_name_is_named(self):
        for name in ('goal', 'strategy', 'audit_template', 'audit',
                     'scoring_engine'):
            row = getattr(self.records, name)()
            error = self.assertRaises(
                exception.Conflict, getattr(self.records, name),
                name=row.name)
            self.assertIn(f"with name '{row.name}'", str(error))
            self.assertEqual(409, error.code)

    def test_audit_names_differ_by_more_than_case(self):
        for create in (self.records.audit, self.records.audit_template):
            create(name='Weekly')
            self.assertRaises(exception.Conflict, create, name='weekly')

    def test_names_are_changed_under_the_same_rule(self):
        for name in ('audit', 'audit_template'):
            create = getattr(self.records, name)
            update = getattr(self.dbapi, f'update_{name}')
            create(name='Weekly')
            row = create(name='daily')
            error = self.assertRaises(exception.Conflict, update, row.uuid,
                                      {'name': 'weekly'})
            self.assertIn("name 'weekly'", str(error))
            for ident, new in ((row.uuid, 'Daily'), (row.id, 'DAILY')):
                self.assertEqual(new, update(ident, {'name': new}).name)

    def test_audits_without_a_name(self):
        # Rows of an older release have none.
        first = self.records.audit(name=None)
        second = self.records.audit(name=None)
        self.assertNotEqual(first.id, second.id)

    def test_name_of_a_deleted_row_is_free(self):
        for name in ('goal', 'strategy', 'audit_template', 'audit',
                     'scoring_engine'):
            row = getattr(self.records, name)()
            getattr(self.dbapi, f'soft_delete_{name}')(row.id)
            again = getattr(self.records, name)(name=row.name)
            self.assertNotEqual(row.id, again.id)

    def test_duplicate_service(self):
        self.records.service(name='n', host='h')
        error = self.assertRaises(exception.ServiceAlreadyExists,
                                  self.records.service, name='n', host='h')
        self.assertIn('h', str(error))
        self.records.service(name='n', host='other')

    def test_description_of_a_deleted_type_is_revived(self):
        old = self.records.action_description(action_type='t')
        self.dbapi.soft_delete_action_description(old.id)
        new = self.records.action_description(action_type='t',
                                              description='new')
        self.assertEqual(old.id, new.id)
        found = self.dbapi.get_action_description_by_type(self.context, 't')
        self.assertEqual('new', found.description)
        self.assertRaises(exception.ActionDescriptionAlreadyExists,
                          self.records.action_description, action_type='t')

    def test_missing_relation(self):
        error = self.assertRaises(exception.Invalid, self.records.strategy,
                                  goal_id=4711)
        self.assertIn('goal_id=4711', str(error))
        self.assertEqual(400, error.code)

    def test_long_text_is_refused(self):
        error = self.assertRaises(exception.Invalid, self.records.goal,
                                  name='x' * 64, display_name='G')
        self.assertIn("'name'", str(error))
        self.assertIn('63', str(error))
        self.assertEqual(63, len(self.records.goal(name='é' * 63,
                                               display_name='G').name))

    def test_status_message_is_cut(self):
        row = self.records.action(status_message='ä' * 300)
        self.assertEqual(255, len(row.status_message))
        row = self.dbapi.update_action(row.id, {'status_message': 'b' * 256})
        self.assertEqual(255, len(row.status_message))

    def test_nul_characters(self):
        self.assertRaises(exception.Invalid, self.records.goal, name='a\0b')
        row = self.records.action(status_message='a\0b')
        self.assertEqual('ab', row.status_message)

    def test_unknown_field_is_named(self):
        error = self.assertRaises(exception.Invalid, self.records.goal,
                                  colour='red')
        self.assertIn('colour', str(error))

    def test_aware_dates_are_stored_in_utc(self):
        zone = datetime.timezone(datetime.timedelta(hours=2))
        moment = datetime.datetime(2026, 5, 1, 12, 0, tzinfo=zone)
        audit = self.records.audit(start_time=moment)
        audit = self.dbapi.get_audit_by_id(self.context, audit.id)
        self.assertEqual(datetime.datetime(2026, 5, 1, 10, 0),
                         audit.start_time)

    def test_four_byte_characters(self):
        row = self.records.goal(display_name='🚀')
        row = self.dbapi.get_goal_by_id(self.context, row.id)
        self.assertEqual('🚀', row.display_name)


class TestJson(base.DatabaseTestCase):

    COLUMNS = (
        ('goal', 'efficacy_specification', list),
        ('strategy', 'parameters_spec', dict),
        ('audit_template', 'scope', list),
        ('audit_template', 'default_parameters', dict),
        ('audit', 'parameters', dict),
        ('audit', 'scope', list),
        ('action_plan', 'global_efficacy', list),
        ('action', 'input_parameters', dict),
        ('action', 'parents', list),
    )

    def _text(self, name, column, row):
        table = getattr(models, name.title().replace('_', '')).__table__
        with session.get_engine().connect() as connection:
            return connection.execute(sa.text(
                f'SELECT {column} FROM {table.name} WHERE id = {row.id}')
            ).scalar()

    def test_absent_is_the_empty_container(self):
        for name, column, kind in self.COLUMNS:
            for values in ({}, {column: None}):
                row = getattr(self.records, name)(**values)
                self.assertEqual(kind(), getattr(row, column))
                self.assertEqual('[]' if kind is list else '{}',
                                 self._text(name, column, row))

    def test_form_of_the_text(self):
        value = [{'b': 1, 'a': 'é', 'unit': None}]
        row = self.records.goal(efficacy_specification=value)
        self.assertEqual('[{"b": 1, "a": "\\u00e9", "unit": null}]',
                         self._text('goal', 'efficacy_specification', row))

    def test_round_trip(self):
        value = {'ключ': ['é', None, True, 1.5, {'n': []}], 'nul': '\0'}
        row = self.records.action(input_parameters=value)
        found = self.dbapi.get_action_by_id(self.context, row.id)
        self.assertEqual(value, found.input_parameters)

    def test_what_json_does_not_know(self):
        ident = uuid.UUID(int=5)
        row = self.records.action(input_parameters={
            'date': datetime.datetime(2026, 1, 2, 3, 4, 5, 6), 'uuid': ident,
            'decimal': decimal.Decimal('1.5'), 'tuple': (1, 2), 'set': {3}})
        found = self.dbapi.get_action_by_id(self.context, row.id)
        self.assertEqual(
            {'date': '2026-01-02T03:04:05.000006', 'uuid': str(ident),
             'decimal': '1.5', 'tuple': [1, 2], 'set': [3]},
            found.input_parameters)

    def test_nan_is_read_back(self):
        row = self.records.action_plan(
            global_efficacy=[{'value': float('nan')}])
        found = self.dbapi.get_action_plan_by_id(self.context, row.id)
        value = found.global_efficacy[0]['value']
        self.assertNotEqual(value, value)

    def test_wrong_container_is_refused(self):
        for name, column, kind in self.COLUMNS:
            wrong = {} if kind is list else []
            error = self.assertRaises(
                exception.Invalid, getattr(self.records, name),
                **{column: wrong})
            self.assertIn(column, str(error))

    def test_null_and_old_forms_are_read(self):
        row = self.records.action_plan()
        with session.get_engine().begin() as connection:
            connection.execute(sa.text(
                'UPDATE action_plans SET global_efficacy = NULL'))
        found = self.dbapi.get_action_plan_by_id(self.context, row.id)
        self.assertIsNone(found.global_efficacy)
        with session.get_engine().begin() as connection:
            connection.execute(sa.text(
                'UPDATE action_plans SET global_efficacy = :text'),
                {'text': '{"name": "x"}'})
        found = self.dbapi.get_action_plan_by_id(self.context, row.id)
        self.assertEqual({'name': 'x'}, found.global_efficacy)

    def test_thousands_of_parents(self):
        # 200 kB: more than TEXT of MySQL holds.
        parents = [uuidutils.generate_uuid() for _number in range(5000)]
        row = self.records.action(parents=parents)
        found = self.dbapi.get_action_by_id(self.context, row.id)
        self.assertEqual(parents, found.parents)


class TestEfficacy(base.DatabaseTestCase):

    def _read(self, ident):
        one = self.dbapi.get_efficacy_indicator_by_id(self.context, ident)
        listed, = [row for row in self.dbapi.get_efficacy_indicator_list(
            self.context) if row.id == ident]
        self.assertEqual(one.value, listed.value)
        return one

    def test_decimals_are_kept(self):
        row = self.records.efficacy_indicator(value=1.25)
        self.assertEqual(1.25, row.value)
        self.assertEqual(1.25, self._read(row.id).value)
        self.assertIsInstance(self._read(row.id).value, float)

    def test_update_changes_what_is_read(self):
        row = self.records.efficacy_indicator(value=1.25)
        row = self.dbapi.update_efficacy_indicator(row.uuid, {'value': 2.5})
        self.assertEqual(2.5, row.value)
        self.assertEqual(2.5, self._read(row.id).value)

    def test_both_columns_are_written(self):
        row = self.records.efficacy_indicator(value=7)
        with session.get_engine().connect() as connection:
            value, data = connection.execute(sa.text(
                'SELECT value, data FROM efficacy_indicators')).one()
        self.assertEqual((7, 7), (int(value), data))
        self.assertEqual(7, row.value)

    def test_row_older_than_data_is_read_without_writing(self):
        row = self.records.efficacy_indicator(value=7)
        with session.get_engine().begin() as connection:
            connection.execute(sa.text(
                'UPDATE efficacy_indicators SET data = NULL'))
        with self.statements() as sent:
            self.assertEqual(7, self._read(row.id).value)
        self.assertTrue(all(line.startswith('SELECT') for line in sent),
                        sent)

    def test_more_than_the_old_column_holds(self):
        row = self.records.efficacy_indicator(value=2.0 ** 40)
        self.assertEqual(2.0 ** 40, self._read(row.id).value)

    def test_only_finite_numbers(self):
        for value in (float('nan'), float('inf'), 'many', [1]):
            self.assertRaises(exception.Invalid,
                              self.records.efficacy_indicator, value=value)

    def test_long_descriptions_of_plugins_are_cut(self):
        row = self.records.efficacy_indicator(description='x' * 300)
        self.assertEqual(255, len(row.description))


class TestUpdate(base.DatabaseTestCase):

    def test_by_id_or_uuid(self):
        goal = self.records.goal()
        for ident in (goal.id, str(goal.id), goal.uuid):
            row = self.dbapi.update_goal(ident, {'display_name': str(ident)})
            self.assertEqual(str(ident), row.display_name)
            self.assertIsNotNone(row.updated_at)

    def test_other_identifiers_are_refused(self):
        for operation in (self.dbapi.destroy_goal,
                          self.dbapi.soft_delete_goal,
                          lambda ident: self.dbapi.update_goal(ident, {})):
            for ident in ('name', None, 1.5, ''):
                self.assertRaises(exception.InvalidIdentity, operation,
                                  ident)

    def test_missing(self):
        ident = uuidutils.generate_uuid()
        for name in READS:
            error = self.assertRaises(
                NOT_FOUND[name], getattr(self.dbapi, f'update_{name}'),
                4711, {})
            self.assertIn('4711', str(error))
        self.assertRaises(exception.ActionNotFound, self.dbapi.update_action,
                          ident, {'state': 'ONGOING'}, expected_state='X')
        self.assertRaises(exception.ActionNotFound,
                          self.dbapi.update_action, 2 ** 40, {})

    def test_identity_cannot_change(self):
        goal = self.records.goal()
        for name in ('id', 'uuid'):
            self.assertRaises(exception.Invalid, self.dbapi.update_goal,
                              goal.id, {name: 'x'})

    def test_deleted_rows_can_change(self):
        goal = self.records.goal()
        self.dbapi.soft_delete_goal(goal.id)
        row = self.dbapi.update_goal(goal.id, {'display_name': 'x'})
        self.assertEqual('x', row.display_name)

    def test_name_in_use(self):
        self.records.goal(name='a')
        goal = self.records.goal(name='b')
        error = self.assertRaises(exception.GoalAlreadyExists,
                                  self.dbapi.update_goal, goal.id,
                                  {'name': 'a'})
        self.assertIn("name 'a'", str(error))

    def test_relation_that_does_not_exist(self):
        strategy = self.records.strategy()
        self.assertRaises(exception.Invalid, self.dbapi.update_strategy,
                          strategy.id, {'goal_id': 4711})

    def test_values_are_checked(self):
        goal = self.records.goal()
        for values in ({'colour': 1}, {'name': 'x' * 64},
                       {'efficacy_specification': {}}):
            self.assertRaises(exception.Invalid, self.dbapi.update_goal,
                              goal.id, values)

    def test_seconds_become_text(self):
        audit = self.records.audit(interval=60)
        self.assertEqual('60', self.dbapi.get_audit_by_id(
            self.context, audit.id).interval)


class TestSwap(base.DatabaseTestCase):
    """Compare and swap: of several who want the same only one gets it."""

    def test_expected(self):
        audit = self.records.audit()
        row = self.dbapi.update_audit(audit.uuid, {'state': 'ONGOING'},
                                      expected_state='PENDING')
        self.assertEqual('ONGOING', row.state)
        row = self.dbapi.update_audit(
            audit.uuid, {'state': 'FAILED'},
            expected_state=['PENDING', 'ONGOING'])
        self.assertEqual('FAILED', row.state)

    def test_unexpected(self):
        audit = self.records.audit(state='CANCELLED')
        error = self.assertRaises(
            exception.StateConflict, self.dbapi.update_audit, audit.uuid,
            {'state': 'ONGOING', 'hostname': 'h'}, expected_state='PENDING')
        for word in (audit.uuid, 'PENDING', 'CANCELLED'):
            self.assertIn(word, str(error))
        self.assertEqual(409, error.code)
        row = self.dbapi.get_audit_by_id(self.context, audit.id)
        self.assertEqual(('CANCELLED', None), (row.state, row.hostname))

    def test_other_columns(self):
        plan = self.records.action_plan(state='PENDING')
        self.dbapi.update_action_plan(plan.uuid, {'hostname': 'a'},
                                      expected={'hostname': None})
        error = self.assertRaises(
            exception.StateConflict, self.dbapi.update_action_plan,
            plan.uuid, {'hostname': 'b'}, expected_state='PENDING',
            expected={'hostname': None})
        self.assertIn('hostname=a', str(error))
        self.dbapi.update_action_plan(plan.uuid, {'hostname': 'b'},
                                      expected={'hostname': [None, 'a']})

    def test_soft_delete(self):
        audit = self.records.audit(state='ONGOING')
        self.assertRaises(exception.StateConflict,
                          self.dbapi.soft_delete_audit, audit.uuid,
                          expected_state='FAILED')
        row = self.dbapi.soft_delete_audit(
            audit.uuid, values={'state': 'DELETED'},
            expected_state='ONGOING')
        self.assertEqual(('DELETED', audit.id), (row.state, row.deleted))

    def test_race(self):
        audit = self.records.audit()
        barrier = threading.Barrier(8)
        won, lost, other = [], [], []

        def claim(number):
            barrier.wait()
            try:
                self.dbapi.update_audit(
                    audit.uuid, {'state': 'ONGOING',
                                 'hostname': f'host{number}'},
                    expected_state='PENDING')
                won.append(f'host{number}')
            except exception.StateConflict:
                lost.append(number)
            except Exception as error:
                other.append(error)

        threads = [threading.Thread(target=claim, args=(number,))
                   for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([], other)
        self.assertEqual((1, 7), (len(won), len(lost)))
        row = self.dbapi.get_audit_by_id(self.context, audit.id)
        self.assertEqual(won, [row.hostname])


class TestDelete(base.DatabaseTestCase):

    def test_soft_delete_marks_the_row(self):
        for name in READS:
            row = getattr(self.records, name)()
            marked = getattr(self.dbapi, f'soft_delete_{name}')(row.id)
            self.assertEqual(row.id, marked.deleted)
            self.assertIsNotNone(marked.deleted_at)
            self.assertIsNotNone(marked.updated_at)
            listed = getattr(self.dbapi, f'get_{name}_list')
            self.assertNotIn(row.id,
                             [item.id for item in listed(self.context)])
            self.assertIn(row.id,
                          [item.id for item in listed(self.all_context)])

    def test_again(self):
        goal = self.records.goal()
        self.dbapi.soft_delete_goal(goal.id)
        self.dbapi.soft_delete_goal(goal.id)
        self.dbapi.destroy_goal(goal.id)
        self.assertRaises(exception.GoalNotFound, self.dbapi.destroy_goal,
                          goal.id)
        self.assertRaises(exception.GoalNotFound,
                          self.dbapi.soft_delete_goal, goal.id)

    def test_missing_action_is_named(self):
        ident = uuidutils.generate_uuid()
        error = self.assertRaises(exception.ActionNotFound,
                                  self.dbapi.destroy_action, ident)
        self.assertIn(ident, str(error))

    def test_destroy_refuses_parents(self):
        action = self.records.action()
        plan = self.dbapi.get_action_plan_by_id(self.context,
                                                action.action_plan_id)
        self.dbapi.soft_delete_action(action.id)
        self.assertRaises(exception.ActionPlanReferenced,
                          self.dbapi.destroy_action_plan, plan.uuid)
        self.assertRaises(exception.AuditReferenced,
                          self.dbapi.destroy_audit, plan.audit_id)
        self.dbapi.destroy_action(action.id)
        self.dbapi.destroy_action_plan(plan.uuid)
        self.dbapi.destroy_audit(plan.audit_id)

    def test_destroy_refuses_what_is_in_use(self):
        strategy = self.records.strategy()
        error = self.assertRaises(exception.Conflict,
                                  self.dbapi.destroy_goal, strategy.goal_id)
        self.assertIn('in use', str(error))

    def test_nothing_is_deleted_along(self):
        plan = self.records.action_plan(state='ONGOING')
        self.dbapi.soft_delete_audit(plan.audit_id)
        found = self.dbapi.get_action_plan_by_id(self.context, plan.id)
        self.assertEqual('ONGOING', found.state)


class TestBulk(base.DatabaseTestCase):

    def test_actions_in_order_with_few_statements(self):
        plan = self.records.action_plan()
        values = [{'action_plan_id': plan.id, 'action_type': f'type{number}',
                   'input_parameters': {'number': number}}
                  for number in range(1200)]
        values[7]['uuid'] = given = uuidutils.generate_uuid()
        values[8]['parents'] = [given]
        values[9]['status_message'] = 'x' * 300
        with self.statements() as sent:
            rows = self.dbapi.bulk_create_actions(values)
        self.assertLess(len(sent), 10)
        self.assertEqual([item['action_type'] for item in values],
                         [row.action_type for row in rows])
        self.assertEqual({'PENDING'}, {row.state for row in rows})
        self.assertEqual(given, rows[7].uuid)
        self.assertEqual([given], rows[8].parents)
        self.assertEqual(255, len(rows[9].status_message))
        listed = self.dbapi.get_action_list(self.context)
        self.assertEqual([row.uuid for row in rows],
                         [row.uuid for row in listed])

    def test_all_or_nothing(self):
        plan = self.records.action_plan()
        self.assertRaises(
            exception.Invalid, self.dbapi.bulk_create_actions,
            [{'action_plan_id': plan.id, 'action_type': 'nop'},
             {'action_plan_id': 4711, 'action_type': 'nop'}])
        self.assertRaises(
            exception.Invalid, self.dbapi.bulk_create_actions,
            [{'action_plan_id': plan.id, 'action_type': 'nop'},
             {'action_plan_id': plan.id, 'action_type': 'x' * 256}])
        self.assertEqual([], self.dbapi.get_action_list(self.context))
        self.assertEqual([], self.dbapi.bulk_create_actions([]))

    def test_indicators(self):
        plan = self.records.action_plan()
        rows = self.dbapi.bulk_create_efficacy_indicators(
            [{'action_plan_id': plan.id, 'name': name, 'value': 1.5}
             for name in 'ab'])
        self.assertEqual([('a', 1.5), ('b', 1.5)],
                         [(row.name, row.value) for row in rows])

    def test_change_of_a_plans_actions(self):
        plan = self.records.action_plan()
        states = ['PENDING', 'SKIPPED', 'ONGOING', 'PENDING']
        rows = [self.records.action(action_plan_id=plan.id, state=state)
                for state in states]
        other = self.records.action()
        changed = self.dbapi.update_actions_of_plan(
            plan.id, {'state': 'CANCELLED', 'status_message': 'why'},
            ['PENDING', 'ONGOING'])
        self.assertEqual(
            [(rows[0].id, 'PENDING'), (rows[2].id, 'ONGOING'),
             (rows[3].id, 'PENDING')],
            [(row.id, former) for row, former in changed])
        self.assertEqual(
            ['CANCELLED', 'SKIPPED', 'CANCELLED', 'CANCELLED', 'PENDING'],
            [row.state for row in self.dbapi.get_action_list(self.context)])
        changed = self.dbapi.soft_delete_actions_of_plan(
            plan.id, {'state': 'DELETED'})
        self.assertEqual(4, len(changed))
        self.assertEqual([other.id], [
            row.id for row in self.dbapi.get_action_list(self.context)])


class TestService(base.DatabaseTestCase):

    def test_first_beat_creates_the_row(self):
        row, is_new = self.dbapi.touch_service('watcher-applier', 'h')
        self.assertTrue(is_new)
        self.assertIsNone(row.last_seen_up)
        again, is_new = self.dbapi.touch_service('watcher-applier', 'h')
        self.assertFalse(is_new)
        self.assertEqual(row.id, again.id)
        self.assertIsNotNone(again.last_seen_up)

    def test_many_processes_of_one_host(self):
        barrier = threading.Barrier(6)
        seen, failures = [], []

        def beat():
            barrier.wait()
            try:
                seen.append(self.dbapi.touch_service('n', 'h')[0].id)
            except Exception as error:
                failures.append(error)
        threads = [threading.Thread(target=beat) for _number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([], failures)
        self.assertEqual(1, len(set(seen)))

    def gone(self, name='watcher-decision-engine', host='h', ago=100):
        row, _is_new = self.dbapi.touch_service(name, host)
        self.dbapi.update_service(row.id, {
            'last_seen_up': timeutils.utcnow()
            - datetime.timedelta(seconds=ago)})
        return row

    def is_forgotten(self, row, seconds=90):
        forgotten = self.dbapi.forget_service(row.id, seconds)
        self.assertEqual(forgotten, row.id not in [
            one.id for one in self.dbapi.get_service_list(self.all_context)])
        return forgotten

    def test_who_is_gone_is_forgotten(self):
        self.assertFalse(self.is_forgotten(self.gone(ago=80)))
        row = self.gone()
        self.assertTrue(self.is_forgotten(row))
        self.assertFalse(self.dbapi.forget_service(row.id, 90))

    def test_who_never_beat_again_is_forgotten(self):
        row, _is_new = self.dbapi.touch_service('watcher-applier', 'h')
        self.assertFalse(self.is_forgotten(row))
        with session.get_engine().begin() as connection:
            connection.execute(
                sa.update(models.Service).where(models.Service.id == row.id)
                .values(created_at=datetime.datetime(2026, 1, 1)))
        self.assertTrue(self.is_forgotten(row))

    def test_who_owns_audits_is_remembered(self):
        engine, applier = self.gone(), self.gone('watcher-applier')
        audit = self.records.audit(state='ONGOING', hostname='h')
        self.assertFalse(self.is_forgotten(engine))
        # An applier may run on the same host.
        self.assertTrue(self.is_forgotten(applier))
        self.dbapi.update_audit(audit.id, {'state': 'SUCCEEDED'})
        self.assertTrue(self.is_forgotten(engine))

    def test_who_owns_plans_is_remembered(self):
        applier = self.gone('watcher-applier')
        plan = self.records.action_plan(state='PENDING', hostname='h')
        for state in ('PENDING', 'ONGOING', 'CANCELLING'):
            self.dbapi.update_action_plan(plan.id, {'state': state})
            self.assertFalse(self.is_forgotten(applier))
        self.dbapi.update_action_plan(plan.id, {'hostname': 'other'})
        self.assertTrue(self.is_forgotten(applier))

    def test_who_has_timers_is_remembered(self):
        row = self.gone()
        with session.get_engine().begin() as connection:
            connection.execute(sa.insert(models.SchedulerJob).values(
                id='j', job_state=b'', service_id=row.id))
        self.assertFalse(self.is_forgotten(row))
        self.dbapi.destroy_jobs([row.id])
        self.assertTrue(self.is_forgotten(row))

    def test_deleted_row_is_not_revived(self):
        row, _is_new = self.dbapi.touch_service('n', 'h')
        self.dbapi.soft_delete_service(row.id)
        again, is_new = self.dbapi.touch_service('n', 'h')
        self.assertTrue(is_new)
        self.assertNotEqual(row.id, again.id)
