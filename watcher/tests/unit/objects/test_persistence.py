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
"""Objects and their rows: reading, writing, relations, states, listeners."""

import datetime
import threading
from unittest import mock

import fixtures
from oslo_utils import timeutils
from oslo_utils import uuidutils
from oslo_versionedobjects import exception as ovo_exc

from watcher import objects
from watcher.common import exception
from watcher.objects import events
from watcher.objects import service as service_module
from watcher.tests.unit.objects import base

NAMES = tuple(cls.obj_name() for cls in objects.register_all())
RELATED = ('Strategy', 'AuditTemplate', 'Audit', 'ActionPlan', 'Action')


class TestReads(base.ObjectTestCase):

    def test_get(self):
        for name in NAMES:
            obj = self.make(name)
            cls = getattr(objects, name)
            idents = [obj.id, str(obj.id)]
            if 'uuid' in cls.fields:
                idents.append(obj.uuid)
            for ident in idents:
                found = cls.get(self.context, ident)
                self.assertEqual(obj.id, found.id)
                self.assertEqual(set(), found.obj_what_changed())
                self.assertIs(self.context, found.obj_context)
            for ident in ('name', None, ''):
                self.assertRaises(exception.InvalidIdentity, cls.get,
                                  self.context, ident)

    def test_get_by_name_and_type(self):
        for name in ('Goal', 'Strategy', 'AuditTemplate', 'Audit',
                     'ScoringEngine', 'Service'):
            obj = self.make(name)
            cls = getattr(objects, name)
            self.assertEqual(obj.id, cls.get_by_name(self.context,
                                                     obj.name).id)
            self.assertRaises(exception.ResourceNotFound, cls.get_by_name,
                              self.context, 'nobody')
        obj = self.make('ActionDescription')
        self.assertEqual(obj.id, objects.ActionDescription.get_by_type(
            self.context, obj.action_type).id)

    def test_list_is_one_query(self):
        for name in NAMES:
            for _number in range(3):
                self.make(name)
            cls = getattr(objects, name)
            with self.statements() as sent:
                found = cls.list(self.context, limit=3, sort_key='id',
                                 sort_dir='desc', eager=True)
                for obj in found:
                    for relation in cls.relations:
                        getattr(obj, relation)
            self.assertEqual((3, 1), (len(found), len(sent)), name)
            self.assertGreater(found[0].id, found[1].id)

    def test_list_with_filters_and_marker(self):
        goals = [self.make('Goal', display_name=name) for name in 'aba']
        found = objects.Goal.list(self.context, marker=goals[0],
                                  filters={'display_name': 'a'})
        self.assertEqual([goals[2].id], [goal.id for goal in found])

    def test_dates_are_aware_but_those_of_audits(self):
        audit = self.make('Audit', start_time=timeutils.utcnow())
        self.assertEqual(datetime.UTC, audit.created_at.tzinfo)
        self.assertIsNone(audit.start_time.tzinfo)
        self.assertIsNone(audit.updated_at)

    def test_old_rows(self):
        plan = self.make('ActionPlan')
        audit = self.make('Audit')
        with self.dbapi.transaction() as session:
            for statement in (
                    'UPDATE audit_templates SET default_parameters = NULL',
                    'UPDATE audits SET name = NULL',
                    'UPDATE efficacy_indicators SET data = NULL',
                    "UPDATE action_plans SET global_efficacy = '{\"a\": 1}'"):
                session.connection().exec_driver_sql(statement)
        audit.refresh()
        plan.refresh()
        self.assertEqual(f'audit-{audit.uuid}', audit.name)
        self.assertEqual([{'a': 1}], plan.global_efficacy)
        # Other records of that age can be listed, too.
        self.assertEqual(2, len(objects.Audit.list(self.context)))

    def test_null_force_is_false(self):
        row = mock.MagicMock()
        row.__getitem__.return_value = None
        self.assertIs(False, objects.Audit._value(row, 'force'))


class TestRelations(base.ObjectTestCase):

    def test_eager_fills_one_level(self):
        for name in RELATED:
            cls = getattr(objects, name)
            values = ({'strategy_id': self.records.strategy().id}
                      if name == 'AuditTemplate' else {})
            obj = cls.get(self.context, self.make(name, **values).id,
                          eager=True)
            for relation in cls.relations:
                self.assertTrue(obj.obj_attr_is_set(relation))
                related = getattr(obj, relation)
                self.assertEqual(obj[relation + '_id'], related.id)
                for deeper in related.relations:
                    self.assertFalse(related.obj_attr_is_set(deeper))
            self.assertEqual(set(), obj.obj_what_changed())

    def test_touching_loads_with_one_query(self):
        for name in RELATED:
            obj = self.make(name)
            for relation in obj.relations:
                self.assertFalse(obj.obj_attr_is_set(relation))
                if obj[relation + '_id'] is None:
                    continue
                with self.statements() as sent:
                    getattr(obj, relation)
                    getattr(obj, relation)
                self.assertEqual(1, len(sent))
            self.assertEqual(set(), obj.obj_what_changed())

    def test_relation_without_a_key(self):
        audit = objects.Audit.get(
            self.context,
            self.make('Audit', goal_id=self.records.goal().id).id,
            eager=True)
        self.assertFalse(audit.obj_attr_is_set('strategy'))
        with self.statements() as sent:
            self.assertIsNone(audit.strategy)
        self.assertEqual([], sent)

    def test_deleted_relation_is_loaded_either_way(self):
        audit = self.make('Audit')
        self.dbapi.soft_delete_goal(audit.goal_id)
        self.assertEqual(audit.goal_id, audit.goal.id)
        found, = objects.Audit.list(self.context, eager=True)
        self.assertEqual(audit.goal_id, found.goal.id)
        strategy = objects.Strategy.get(self.context, audit.strategy_id,
                                        eager=True)
        self.assertEqual(audit.goal_id, strategy.goal.id)

    def test_unset_plain_field_is_an_error(self):
        self.assertRaises(NotImplementedError, getattr, objects.Audit(),
                          'name')
        self.assertRaises(NotImplementedError, getattr, objects.Audit(),
                          'goal')

    def test_changed_relation_does_not_break_save(self):
        audit = self.make('Audit')
        audit.goal = self.make('Goal')
        audit.hostname = 'h'
        audit.save()
        found = objects.Audit.get(self.context, audit.id)
        self.assertEqual('h', found.hostname)
        self.assertEqual(found.goal_id, audit.goal.id)

    def test_changed_key_loads_the_new_relation(self):
        audit = objects.Audit.get(self.context, self.make('Audit').id,
                                  eager=True)
        goal = self.make('Goal')
        audit.goal_id = goal.id
        audit.save()
        self.assertEqual(goal.id, audit.goal.id)


class TestWrites(base.ObjectTestCase):

    def _new(self, name):
        """A new object, not stored yet, made of the values of another."""
        model = self.make(name)
        cls = getattr(objects, name)
        values = {field: model[field] for field in cls.fields
                  if field not in cls.relations
                  and field not in ('id', 'uuid', 'created_at', 'updated_at',
                                    'deleted_at')}
        for unique in ('name', 'host', 'action_type'):
            if unique in values:
                values[unique] += '-copy'
        return cls(self.context, **values)

    def test_create(self):
        for name in NAMES:
            obj = self._new(name)
            self.assertIs(obj, obj.create())
            self.assertEqual(set(), obj.obj_what_changed())
            self.assertIsNotNone(obj.created_at)
            found = type(obj).get(self.context, obj.id)
            for field in obj.fields:
                if field not in obj.relations and field != 'created_at':
                    self.assertEqual(found[field], obj[field], field)

    def test_create_fills_relations(self):
        for name in RELATED:
            obj = self._new(name).create()
            for relation in obj.relations:
                if obj[relation + '_id'] is not None:
                    self.assertTrue(obj.obj_attr_is_set(relation))

    def test_create_refuses_deleted_relations_first(self):
        for name in RELATED:
            obj = self._new(name)
            relation = next(iter(obj.relations))
            entity = obj.relations[relation].entity
            getattr(self.dbapi, f'soft_delete_{entity}')(
                obj[relation + '_id'])
            before = len(type(obj).list(self.context))
            self.assertRaises(exception.ResourceNotFound, obj.create)
            self.assertEqual(before, len(type(obj).list(self.context)))

    def test_create_needs_a_context(self):
        goal = objects.Goal(name='g', display_name='g',
                            efficacy_specification=[])
        self.assertRaises(ovo_exc.OrphanedObjectError, goal.create)

    def test_save_writes_what_changed(self):
        for name in NAMES:
            obj = self.make(name)
            field = next(field for field in (
                'description', 'status_message', 'display_name', 'host',
                'metainfo') if field in obj.fields)
            obj[field] = 'new text'
            with self.statements() as sent:
                obj.save()
            self.assertEqual(2, len(sent), name)
            self.assertIn(f'SET {field}=', sent[0].replace(
                'updated_at=?, ', '').replace('updated_at=%(updated_at)s, ',
                                              ''))
            self.assertIsNotNone(obj.updated_at)
            self.assertEqual(set(), obj.obj_what_changed())
            self.assertEqual('new text',
                             type(obj).get(self.context, obj.id)[field])

    def test_save_without_changes_leaves_the_row(self):
        goal = self.make('Goal')
        with self.statements() as sent:
            goal.save()
        self.assertEqual([], sent)
        self.assertIsNone(objects.Goal.get(self.context, goal.id).updated_at)

    def test_save_refuses_a_new_uuid(self):
        goal = self.make('Goal')
        goal.uuid = uuidutils.generate_uuid()
        self.assertRaises(exception.Invalid, goal.save)

    def test_save_with_a_condition(self):
        plan = self.make('ActionPlan')
        plan.hostname = 'a'
        plan.save(where={'hostname': None})
        plan.hostname = 'b'
        self.assertRaises(exception.StateConflict, plan.save,
                          where={'hostname': None})

    def test_refresh(self):
        audit = self.make('Audit')
        self.dbapi.update_audit(audit.id, {'hostname': 'h',
                                           'state': 'ONGOING'})
        audit.name = 'unsaved'
        audit.refresh()
        self.assertEqual(('h', 'ONGOING'), (audit.hostname, audit.state))
        self.assertNotEqual('unsaved', audit.name)
        self.assertEqual(set(), audit.obj_what_changed())
        audit.transition('SUCCEEDED')
        self.dbapi.soft_delete_audit(audit.id)
        self.assertRaises(exception.AuditNotFound, audit.refresh)

    def test_soft_delete_and_destroy(self):
        for name in NAMES:
            obj = self.make(name)
            obj.soft_delete()
            self.assertIsNotNone(obj.deleted_at)
            self.assertEqual(set(), obj.obj_what_changed())
            self.assertRaises(exception.ResourceNotFound, type(obj).get,
                              self.context, obj.id)
            found = type(obj).get(self.all_context, obj.id)
            if 'state' in obj.fields:
                self.assertEqual('DELETED', found.state)
            obj.destroy()
            self.assertRaises(exception.ResourceNotFound, type(obj).get,
                              self.all_context, obj.id)

    def test_efficacy_value_can_change(self):
        indicator = self.make('EfficacyIndicator', value=1.5)
        indicator.value = 2.25
        indicator.save()
        self.assertEqual(2.25, indicator.value)
        self.assertEqual(2.25, objects.EfficacyIndicator.get(
            self.context, indicator.id).value)

    def test_long_status_message_is_cut(self):
        action = self.make('Action')
        action.status_message = 'x' * 300
        action.save()
        self.assertEqual(255, len(action.status_message))


class TestStates(base.ObjectTestCase):

    def test_transition(self):
        audit = self.make('Audit')
        audit.transition('ONGOING', hostname='h')
        self.assertEqual(('ONGOING', 'h'), (audit.state, audit.hostname))
        found = objects.Audit.get(self.context, audit.id)
        self.assertEqual(('ONGOING', 'h'), (found.state, found.hostname))
        self.assertEqual([('update', 'Audit', 'PENDING', 'ONGOING')],
                         self.recorder.take())

    def test_impossible_transition(self):
        audit = self.make('Audit', state='SUCCEEDED')
        self.assertRaises(exception.InvalidStateTransition,
                          audit.transition, 'PENDING')
        self.assertRaises(exception.InvalidStateTransition,
                          audit.transition, 'NONSENSE')
        audit.state = 'SUSPENDED'
        self.assertRaises(exception.InvalidStateTransition, audit.save)
        self.assertEqual('SUCCEEDED', objects.Audit.get(
            self.context, audit.id).state)
        self.assertEqual([], self.recorder.take())

    def test_lost_transition(self):
        audit = self.make('Audit')
        objects.Audit.get(self.context, audit.id).transition('CANCELLED')
        self.recorder.take()
        error = self.assertRaises(exception.StateConflict, audit.transition,
                                  'ONGOING', hostname='h')
        self.assertIn('CANCELLED', str(error))
        self.assertEqual(('PENDING', None), (audit.state, audit.hostname))
        self.assertEqual([], self.recorder.take())
        self.assertIsNone(objects.Audit.get(self.context,
                                            audit.id).hostname)

    def test_several_expected_states(self):
        plan = self.make('ActionPlan', state='PENDING')
        self.dbapi.update_action_plan(plan.id, {'state': 'ONGOING'})
        plan.transition('CANCELLED', expected=('PENDING', 'ONGOING'))
        self.assertEqual(
            [('update', 'ActionPlan', 'ONGOING', 'CANCELLED')],
            self.recorder.take())
        error = self.assertRaises(
            exception.StateConflict, plan.transition, 'ONGOING',
            expected=('PENDING', 'RECOMMENDED'))
        for word in ('PENDING or RECOMMENDED', 'CANCELLED', plan.uuid):
            self.assertIn(word, str(error))
        # A way that does not exist is refused, whatever the state is.
        self.assertRaises(exception.InvalidStateTransition, plan.transition,
                          'ONGOING', expected=('PENDING', 'FAILED'))

    def test_further_conditions(self):
        audit = self.make('Audit', hostname='other')
        self.assertRaises(exception.StateConflict, audit.transition,
                          'ONGOING', where={'hostname': None})
        audit.transition('ONGOING', where={'hostname': 'other'},
                         hostname='me')
        self.assertEqual('me', audit.hostname)

    def test_unsaved_fields_are_stored_with_it(self):
        audit = self.make('Audit')
        audit.status_message = 'why'
        audit.transition('FAILED')
        self.assertEqual('why', objects.Audit.get(
            self.context, audit.id).status_message)

    def test_saved_state_is_swapped_too(self):
        audit = self.make('Audit')
        other = objects.Audit.get(self.context, audit.id)
        other.transition('CANCELLED')
        audit.state = 'ONGOING'
        self.assertRaises(exception.StateConflict, audit.save)
        self.assertEqual('CANCELLED', objects.Audit.get(
            self.context, audit.id).state)

    def test_saving_something_else_does_not_touch_the_state(self):
        audit = self.make('Audit')
        objects.Audit.get(self.context, audit.id).transition('CANCELLED')
        self.recorder.take()
        audit.hostname = 'h'
        audit.save()
        # The object learns what happened meanwhile.
        self.assertEqual('CANCELLED', audit.state)
        self.assertEqual([('update', 'Audit', None, 'CANCELLED')],
                         self.recorder.take())

    def test_old_state(self):
        for name, old, new, other in (
                ('Audit', 'PENDING', 'ONGOING', 'SUCCEEDED'),
                ('ActionPlan', 'PENDING', 'ONGOING', 'SUCCEEDED'),
                ('Action', 'PENDING', 'ONGOING', 'SUCCEEDED')):
            obj = self.make(name, state=old)
            self.assertIsNone(obj.old_state)
            obj.state = new
            self.assertEqual(old, obj.old_state)
            obj.save()
            self.assertIsNone(obj.old_state)
            obj.save()
            obj.state = other
            obj.save()
            self.assertEqual(
                [('update', name, old, new), ('update', name, None, new),
                 ('update', name, new, other)], self.recorder.take())

    def test_copies_remember_the_stored_state(self):
        audit = self.make('Audit')
        copied = audit.obj_clone()
        objects.Audit.get(self.context, audit.id).transition('CANCELLED')
        copied.state = 'ONGOING'
        self.assertRaises(exception.StateConflict, copied.save)

    def test_soft_delete_is_swapped_too(self):
        audit = self.make('Audit', state='SUCCEEDED')
        objects.Audit.get(self.context, audit.id).transition('ONGOING')
        self.assertRaises(exception.StateConflict, audit.soft_delete)
        self.assertEqual(1, len(objects.Audit.list(self.context)))

    def test_one_winner(self):
        audit = self.make('Audit')
        barrier = threading.Barrier(6)
        won, lost, failures = [], [], []

        def claim(number):
            mine = objects.Audit.get(self.context, audit.uuid)
            barrier.wait()
            try:
                mine.transition('ONGOING', hostname=f'host{number}')
                won.append(mine.hostname)
            except exception.StateConflict:
                lost.append(number)
            except Exception as error:
                failures.append(error)
        threads = [threading.Thread(target=claim, args=(number,))
                   for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(([], 1, 5), (failures, len(won), len(lost)))
        audit.refresh()
        self.assertEqual(won, [audit.hostname])
        self.assertEqual([('update', 'Audit', 'PENDING', 'ONGOING')],
                         self.recorder.take())


class TestEvents(base.ObjectTestCase):

    def test_audit(self):
        audit = objects.Audit(
            self.context, name='a', audit_type='ONESHOT', state='PENDING',
            goal_id=self.records.goal().id, auto_trigger=False).create()
        audit.hostname = 'h'
        audit.save()
        audit.transition('CANCELLED')
        audit.soft_delete()
        audit.destroy()
        self.assertEqual(
            [('create', 'Audit', None, 'PENDING'),
             ('update', 'Audit', None, 'PENDING'),
             ('update', 'Audit', 'PENDING', 'CANCELLED'),
             ('update', 'Audit', 'CANCELLED', 'DELETED'),
             ('delete', 'Audit', None, 'DELETED')], self.recorder.take())

    def test_transaction_tells_each_change_as_it_was(self):
        audit = self.make('Audit')
        with self.dbapi.transaction():
            audit.transition('ONGOING')
            audit.transition('SUCCEEDED')
            self.assertEqual([], self.recorder.seen)
        self.assertEqual(
            [('update', 'Audit', 'PENDING', 'ONGOING'),
             ('update', 'Audit', 'ONGOING', 'SUCCEEDED')],
            self.recorder.take())

    def test_rollback_tells_nothing(self):
        audit = self.make('Audit')

        def fail():
            with self.dbapi.transaction():
                audit.transition('ONGOING')
                raise KeyError('stop')
        self.assertRaises(KeyError, fail)
        self.assertEqual([], self.recorder.take())

    def test_failing_listener_hurts_nobody(self):
        class Broken:
            def on_update(self, obj, old_state):
                raise RuntimeError('bus is down')
        broken = Broken()
        events.subscribe(broken)
        self.addCleanup(events.unsubscribe, broken)
        later = base.Recorder()
        events.subscribe(later)
        self.addCleanup(events.unsubscribe, later)
        audit = self.make('Audit')
        audit.transition('ONGOING')
        self.assertEqual(1, len(self.recorder.take()))
        self.assertEqual(1, len(later.take()))
        self.assertIn('bus is down', self.logger.output)
        self.assertIn(audit.uuid, self.logger.output)

    def test_listeners_may_read_and_write(self):
        class Curious:
            names = []

            def on_create(self, obj):
                self.names.append(obj.goal.name)
        curious = Curious()
        events.subscribe(curious)
        self.addCleanup(events.unsubscribe, curious)
        goal = self.make('Goal')
        objects.Strategy(self.context, name='s', display_name='s',
                         goal_id=goal.id).create()
        self.assertEqual([goal.name], curious.names)

    def test_subscribing_twice_tells_once(self):
        events.subscribe(self.recorder)
        self.make('Audit').transition('ONGOING')
        self.assertEqual(1, len(self.recorder.take()))
        events.unsubscribe(self.recorder)
        self.make('Audit').transition('ONGOING')
        self.assertEqual([], self.recorder.take())


class TestActionPlan(base.ObjectTestCase):

    def setUp(self):
        super().setUp()
        audit = self.records.audit()
        self.fields = {'audit_id': audit.id,
                       'strategy_id': audit.strategy_id}

    def create(self, actions=2, **fields):
        uuids = [uuidutils.generate_uuid() for _number in range(actions)]
        return objects.ActionPlan.create_with(
            self.context, {**self.fields, **fields},
            [{'uuid': uuid, 'action_type': 'nop', 'input_parameters': {},
              'parents': uuids[:number]}
             for number, uuid in enumerate(uuids)],
            [{'name': 'gain', 'description': 'd', 'unit': '%', 'value': 1.5}])

    def test_whole_plan(self):
        with self.statements() as sent:
            plan = self.create(200)
        self.assertLess(len(sent), 12)
        self.assertEqual('RECOMMENDED', plan.state)
        self.assertEqual(self.fields['audit_id'], plan.audit.id)
        actions = objects.Action.list(self.context)
        self.assertEqual(200, len(actions))
        self.assertEqual({plan.id},
                         {action.action_plan_id for action in actions})
        self.assertEqual([actions[0].uuid, actions[1].uuid],
                         actions[2].parents)
        indicator, = objects.EfficacyIndicator.list(self.context)
        self.assertEqual((plan.id, 1.5),
                         (indicator.action_plan_id, indicator.value))
        self.assertEqual(
            [('create', 'ActionPlan', None, 'RECOMMENDED')]
            + [('create', 'Action', None, 'PENDING')] * 200,
            self.recorder.take())

    def test_actions_are_told_with_their_plan(self):
        class Reader:
            plans = []

            def on_create(self, obj):
                if obj.obj_name() == 'Action':
                    self.plans.append(obj.action_plan.audit.name)
        reader = Reader()
        events.subscribe(reader)
        self.addCleanup(events.unsubscribe, reader)
        with self.statements() as sent:
            self.create(20)
        self.assertEqual(20, len(reader.plans))
        self.assertLess(len(sent), 12)

    def test_nothing_to_do(self):
        plan = self.create(0)
        self.assertEqual('SUCCEEDED', plan.state)
        self.assertEqual(
            [('create', 'ActionPlan', None, 'RECOMMENDED'),
             ('update', 'ActionPlan', 'RECOMMENDED', 'SUCCEEDED')],
            self.recorder.take())
        self.assertEqual('RECOMMENDED',
                         self.create(0, state='RECOMMENDED').state)

    def test_all_or_nothing(self):
        self.assertRaises(
            exception.Invalid, objects.ActionPlan.create_with, self.context,
            self.fields, [{'action_type': 'x' * 256}])
        self.assertRaises(
            exception.AuditNotFound, objects.ActionPlan.create_with,
            self.context, {**self.fields, 'audit_id': 4711}, [])
        self.assertEqual([], objects.ActionPlan.list(self.context))
        self.assertEqual([], self.recorder.take())

    def test_deadlock_repeats_the_whole(self):
        self.config(group='database', db_retry_interval=0)
        with self.deadlocks(2):
            self.create()
        self.assertEqual(1, len(objects.ActionPlan.list(self.context)))
        self.assertEqual(2, len(objects.Action.list(self.context)))
        self.assertEqual(3, len(self.recorder.take()))

    def test_soft_delete_with_everything(self):
        plan = self.create()
        other = self.create()
        self.recorder.take()
        plan.soft_delete()
        self.assertEqual(
            [('update', 'Action', 'PENDING', 'DELETED'),
             ('delete', 'Action', None, 'DELETED')] * 2
            + [('update', 'ActionPlan', 'RECOMMENDED', 'DELETED'),
               ('delete', 'ActionPlan', None, 'DELETED')],
            self.recorder.take())
        for cls in (objects.Action, objects.EfficacyIndicator):
            self.assertEqual({other.id}, {
                obj.action_plan_id for obj in cls.list(self.context)})
        self.assertEqual(4, len(objects.Action.list(self.all_context)))

    def test_soft_delete_survives_deadlocks(self):
        self.config(group='database', db_retry_interval=0)
        plan = self.create()
        self.recorder.take()
        with self.deadlocks(2):
            plan.soft_delete()
        self.assertEqual(6, len(self.recorder.take()))

    def test_soft_delete_of_a_plan_that_was_started(self):
        plan = self.create()
        objects.ActionPlan.get(self.context, plan.id).transition('PENDING')
        self.recorder.take()
        self.assertRaises(exception.StateConflict, plan.soft_delete)
        self.assertEqual(2, len(objects.Action.list(self.context)))
        self.assertEqual([], self.recorder.take())

    def test_destroy(self):
        plan = self.create(1)
        self.assertRaises(exception.ActionPlanReferenced, plan.destroy)
        self.assertEqual(1, len(objects.EfficacyIndicator.list(
            self.context)))
        objects.Action.list(self.context)[0].destroy()
        plan.destroy()
        self.assertEqual([], objects.EfficacyIndicator.list(
            self.all_context))

    def test_cancel_of_the_waiting_actions(self):
        plan = self.create(3)
        actions = objects.Action.list(self.context)
        actions[1].transition('SKIPPED')
        self.recorder.take()
        with self.statements() as sent:
            changed = plan.transition_actions(
                'CANCELLED', 'PENDING', status_message='why')
        self.assertEqual(3, len(sent))
        self.assertEqual([actions[0].uuid, actions[2].uuid],
                         [action.uuid for action in changed])
        self.assertEqual('why', changed[0].status_message)
        self.assertEqual(
            [('update', 'Action', 'PENDING', 'CANCELLED')] * 2,
            self.recorder.take())
        self.assertRaises(exception.InvalidStateTransition,
                          plan.transition_actions, 'PENDING', 'SKIPPED')

    def test_deleting_the_audit_keeps_the_plan(self):
        plan = self.create()
        self.dbapi.update_audit(self.fields['audit_id'],
                                {'state': 'SUCCEEDED'})
        objects.Audit.get(self.context,
                          self.fields['audit_id']).soft_delete()
        found, = objects.ActionPlan.list(self.context, eager=True)
        self.assertEqual((plan.id, 'DELETED'), (found.id, found.audit.state))


class TestExpiry(base.ObjectTestCase):

    def setUp(self):
        super().setUp()
        self.config(group='watcher_decision_engine', action_plan_expiry=24)

    def _old(self, **values):
        plan = self.make('ActionPlan', **values)
        moment = timeutils.utcnow() - datetime.timedelta(hours=25)
        self.dbapi.update_action_plan(plan.id, {'created_at': moment})
        return plan

    def test_old_recommendations(self):
        old = self._old()
        young = self.make('ActionPlan')
        started = self._old(state='PENDING')
        self.assertEqual([old.id], [
            plan.id for plan in
            objects.ActionPlan.supersede_expired(self.context)])
        self.assertEqual(
            ['SUPERSEDED', 'RECOMMENDED', 'PENDING'],
            [objects.ActionPlan.get(self.context, plan.id).state
             for plan in (old, young, started)])
        self.assertEqual(
            [('update', 'ActionPlan', 'RECOMMENDED', 'SUPERSEDED')],
            self.recorder.take())

    def test_switched_off(self):
        self._old()
        self.config(group='watcher_decision_engine', action_plan_expiry=0)
        self.assertEqual([], objects.ActionPlan.supersede_expired(
            self.context))

    def test_plan_started_at_this_moment(self):
        plans = [self._old(), self._old()]
        real = objects.ActionPlan.list

        def start_meanwhile(*args, **kwargs):
            found = real(*args, **kwargs)
            self.dbapi.update_action_plan(plans[0].id,
                                          {'state': 'PENDING'})
            return found
        self.useFixture(fixtures.MockPatchObject(
            objects.ActionPlan, 'list', start_meanwhile))
        self.assertEqual([plans[1].id], [
            plan.id for plan in
            objects.ActionPlan.supersede_expired(self.context)])
        self.assertIn(plans[0].uuid, self.logger.output)


class TestService(base.ObjectTestCase):

    def test_heartbeat(self):
        first = objects.Service.heartbeat(self.context, 'n', 'h')
        self.assertIsNone(first.last_seen_up)
        self.assertEqual('ACTIVE', first.state)
        again = objects.Service.heartbeat(self.context, 'n', 'h')
        self.assertEqual(first.id, again.id)
        self.assertIsNotNone(again.last_seen_up)
        self.assertEqual([('create', 'Service', None, None)],
                         self.recorder.take())

    def test_down_time(self):
        self.config(service_down_time=90)
        now = datetime.datetime(2026, 5, 1, 12, 0, tzinfo=datetime.UTC)
        service = objects.Service(
            created_at=now - datetime.timedelta(hours=1), updated_at=None,
            last_seen_up=None)
        for seconds, alive in ((0, True), (89, True), (90, True),
                               (91, False), (-90, True), (-91, False)):
            seen = now - datetime.timedelta(seconds=seconds)
            service.last_seen_up = seen
            self.assertEqual(alive, service_module.is_alive(service, now))
            self.assertEqual('ACTIVE' if alive else 'FAILED',
                             service_module.get_state(service, now))
        service.last_seen_up = None
        self.assertFalse(service_module.is_alive(service, now))
        service.updated_at = now
        self.assertTrue(service_module.is_alive(service, now))

    def test_living_one_of_a_name_is_preferred(self):
        dead, alive = (self.make('Service', name='n') for _number in 'ab')
        long_ago = timeutils.utcnow() - datetime.timedelta(days=1)
        for service in (dead, alive):
            self.dbapi.update_service(
                service.id, {'last_seen_up': long_ago})
        found = objects.Service.get_by_name(self.context, 'n')
        self.assertEqual(dead.id, found.id)
        objects.Service.heartbeat(self.context, 'n', alive.host)
        found = objects.Service.get_by_name(self.context, 'n')
        self.assertEqual(alive.id, found.id)


class TestActionDescription(base.ObjectTestCase):

    def test_store(self):
        store = objects.ActionDescription.store
        first = store(self.context, 'nop', 'Nothing')
        with self.statements() as sent:
            store(self.context, 'nop', 'Nothing')
        self.assertEqual(1, len(sent))
        changed = store(self.context, 'nop', 'Nothing at all')
        self.assertEqual(first.id, changed.id)
        changed.soft_delete()
        revived = store(self.context, 'nop', 'Again')
        self.assertEqual((first.id, 'Again', None),
                         (revived.id, revived.description,
                          revived.deleted_at))

    def test_somebody_else_was_faster(self):
        store = objects.ActionDescription.store
        real = objects.ActionDescription.get_by_type
        calls = []

        def miss_first(*args):
            calls.append(args)
            if len(calls) == 1:
                self.records.action_description(action_type='nop',
                                                description='theirs')
                raise exception.ActionDescriptionNotFound(action_id='nop')
            return real(*args)
        self.useFixture(fixtures.MockPatchObject(
            objects.ActionDescription, 'get_by_type', miss_first))
        self.assertEqual('ours', store(self.context, 'nop',
                                       'ours').description)
