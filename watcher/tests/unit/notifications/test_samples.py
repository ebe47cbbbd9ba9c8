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
"""Every event against its published sample.

The samples under ``doc/notification_samples`` are what consumers are shown.
Set ``WATCHER_UPDATE_SAMPLES=1`` to write them anew after a deliberate change.
"""

import datetime
import json
import os
import pathlib
from unittest import mock

from oslo_db import exception as db_exc
from sqlalchemy import exc as sa_exc

from watcher import objects
from watcher.common import context
from watcher.common import exception
from watcher.notifications import action as action_notifications
from watcher.notifications import action_plan as plan_notifications
from watcher.notifications import audit as audit_notifications
from watcher.notifications import base as notifications
from watcher.notifications import exception as exception_notifications
from watcher.notifications import sender
from watcher.notifications import service as service_notifications
from watcher.tests import base

DOC = pathlib.Path(__file__).parents[4] / 'doc'
SAMPLES = DOC / 'notification_samples'
PAGE = DOC / 'source' / 'reference' / 'notifications.rst'

CREATED = datetime.datetime(2016, 11, 4, 16, 25, 35, tzinfo=datetime.UTC)

#: Functions that the faults of the samples come from.
WHERE = {
    'strategy': 'watcher.decision_engine.strategy.strategies.'
                'dummy_strategy:do_execute',
    'planner': 'watcher.decision_engine.planner.weight:schedule',
    'execution': 'watcher.applier.workflow_engine.base:execute',
}

_PHASES = ('start', 'end', 'error')

#: All there is to hear.
EVENTS = {
    *(f'{kind}.{what}' for kind in ('audit', 'action_plan', 'action',
                                    'service')
      for what in ('create', 'update', 'delete')),
    *(f'audit.{what}.{phase}' for what in ('strategy', 'planner')
      for phase in _PHASES),
    *(f'{kind}.{what}.{phase}' for kind in ('action_plan', 'action')
      for what in ('execution', 'cancel') for phase in _PHASES),
}

#: Defined since the first release; nothing has ever sent it.
NEVER_SENT = 'infra-optim.exception'


def at(minute, second):
    return datetime.datetime(2016, 11, 4, 16, minute, second,
                             tzinfo=datetime.UTC)


class TestSamples(base.TestCase):

    def setUp(self):
        super().setUp()
        objects.register_all()
        self.config(host='node0')
        self.sent = []
        sink = mock.Mock()
        sink.send.side_effect = self.sent.append
        self.patchobject = mock.patch.object(
            sender, 'get_sender', return_value=sink)
        self.patchobject.start()
        self.addCleanup(self.patchobject.stop)
        self.context = context.make_context(auth_token='top-secret')
        self._make_objects()

    def _make_objects(self):
        dates = {'created_at': CREATED, 'updated_at': None,
                 'deleted_at': None}
        self.goal = objects.Goal(
            id=1, uuid='bc830f84-8ae3-4fc6-8bc6-e3dd15e8b49a', name='dummy',
            display_name='Dummy goal', efficacy_specification=[], **dates)
        self.strategy = objects.Strategy(
            id=1, uuid='75234dfe-87e3-4f11-a0e0-3c3305d86a39', name='dummy',
            display_name='Dummy strategy', goal_id=1, parameters_spec={
                'properties': {
                    'para1': {'description': 'number parameter example',
                              'type': 'number', 'default': 3.2,
                              'minimum': 1.0, 'maximum': 10.2},
                    'para2': {'description': 'string parameter example',
                              'type': 'string', 'default': 'hello'}}},
            **dates)
        self.audit = objects.Audit(
            id=1, uuid='10a47dd1-4874-4298-91cf-eff046dbdb8d',
            name='my_audit', audit_type='ONESHOT', state='PENDING',
            parameters={'para1': 3.2, 'para2': 'hello'}, interval=None,
            scope=[], goal_id=1, strategy_id=1, auto_trigger=False,
            next_run_time=None, hostname=None, start_time=None,
            end_time=None, force=False, status_message=None,
            created_at=at(29, 20), updated_at=None, deleted_at=None)
        self.audit.goal = self.goal
        self.audit.strategy = self.strategy
        self.plan = objects.ActionPlan(
            id=1, uuid='76be87bd-3422-43f9-93a0-e85a577e3061', audit_id=1,
            strategy_id=1, state='RECOMMENDED', global_efficacy=[
                {'name': 'test_global_efficacy',
                 'description': 'Global efficacy', 'unit': '%',
                 'value': 95}],
            hostname=None, status_message=None, created_at=at(29, 21),
            updated_at=None, deleted_at=None)
        self.plan.audit = self.audit
        self.plan.strategy = self.strategy
        self.action = objects.Action(
            id=1, uuid='4a97b9dd-2023-43dc-b713-815bdd94d4d6',
            action_plan_id=1, action_type='nop',
            input_parameters={'message': 'hello World'}, state='PENDING',
            parents=[], status_message=None, created_at=at(29, 21),
            updated_at=None, deleted_at=None)
        self.action.action_plan = self.plan
        self.service = objects.Service(
            id=1, name='watcher-applier', host='controller',
            last_seen_up=datetime.datetime(2016, 9, 22, 8, 32, 6))

    def raised(self, cls=exception.WatcherException,
               where='watcher.applier.actions.nop:abort', **kwargs):
        """An exception that comes from that function."""
        module, _colon, function = where.partition(':')
        names = {'__name__': module}
        exec(f'def {function}(error):\n    raise error', names)
        try:
            names[function](cls(**kwargs))
        except cls as exc:
            return exc

    def check(self, name):
        """The one message sent equals the sample."""
        self.assertEqual(1, len(self.sent))
        message = self.sent[0]
        got = json.loads(json.dumps({
            'event_type': message.event_type,
            'publisher_id': message.publisher_id,
            'priority': sender._METHODS.get(
                message.priority, message.priority).upper(),
            'payload': message.payload,
        }))
        path = SAMPLES / f'{name}.json'
        if os.environ.get('WATCHER_UPDATE_SAMPLES'):
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(got, indent=2) + '\n')
        self.assertEqual(json.loads(path.read_text()), got)
        self.assertNotIn('changes', json.dumps(got))
        return got

    def set(self, obj, **values):
        for name, value in values.items():
            setattr(obj, name, value)

    def test_audit_create(self):
        audit_notifications.send_create(self.context, self.audit)
        self.check('audit-create')

    def test_audit_create_names_only_a_goal(self):
        self.set(self.audit, strategy_id=None, strategy=None)
        audit_notifications.send_create(self.context, self.audit)
        data = self.sent[0].payload['watcher_object.data']
        self.assertIsNone(data['strategy'])
        self.assertIsNone(data['strategy_uuid'])

    def test_audit_update(self):
        self.set(self.audit, state='ONGOING', hostname='node0',
                 updated_at=at(29, 21))
        audit_notifications.send_update(self.context, self.audit, 'PENDING')
        self.check('audit-update')

    def test_update_without_a_change_of_state(self):
        for send, obj in ((audit_notifications.send_update, self.audit),
                          (plan_notifications.send_update, self.plan),
                          (action_notifications.send_update, self.action)):
            obj.status_message = 'not part of a transition'
            send(self.context, obj)
        for message in self.sent:
            update = message.payload['watcher_object.data']['state_update']
            self.assertEqual(
                {'old_state': None, 'state': None, 'status_message': None},
                update['watcher_object.data'])

    def test_audit_delete(self):
        self.set(self.audit, state='DELETED', hostname='node0',
                 updated_at=at(31, 41), deleted_at=at(31, 41))
        audit_notifications.send_delete(self.context, self.audit)
        self.check('audit-delete')

    def _audit_phase(self, action, phase, exc=None):
        self.set(self.audit, state='ONGOING', hostname='node0',
                 updated_at=at(29, 21))
        audit_notifications.send_action_notification(
            self.context, self.audit, action=action, phase=phase, exc=exc)
        return self.check(f'audit-{action}-{phase}')

    def test_audit_phases(self):
        for action in ('strategy', 'planner'):
            for phase in ('start', 'end'):
                got = self._audit_phase(action, phase)
                self.assertIsNone(
                    got['payload']['watcher_object.data']['fault'])
                self.sent.clear()

    def test_audit_errors(self):
        for action in ('strategy', 'planner'):
            got = self._audit_phase(action, 'error', self.raised(
                message='TEST', where=WHERE[action]))
            self.assertEqual('ERROR', got['priority'])
            self.sent.clear()

    def _plan(self, state, **values):
        self.set(self.audit, state='SUCCEEDED', hostname='node0',
                 updated_at=at(29, 22))
        self.set(self.plan, state=state, **values)

    def test_action_plan_create(self):
        self.set(self.audit, state='ONGOING', hostname='node0',
                 updated_at=at(29, 21))
        plan_notifications.send_create(self.context, self.plan)
        self.check('action_plan-create')

    def test_action_plan_update(self):
        self._plan('ONGOING', hostname='node0', updated_at=at(31, 36))
        plan_notifications.send_update(self.context, self.plan, 'PENDING')
        self.check('action_plan-update')

    def test_action_plan_delete(self):
        self._plan('DELETED', hostname='node0', updated_at=at(31, 41),
                   deleted_at=at(31, 41))
        plan_notifications.send_delete(self.context, self.plan)
        self.check('action_plan-delete')

    def test_action_plan_execution(self):
        exc = self.raised(exception.ActionExecutionFailure,
                          WHERE['execution'], action_id=self.action.uuid)
        for phase, state, fault in (('start', 'ONGOING', None),
                                    ('end', 'SUCCEEDED', None),
                                    ('error', 'FAILED', exc)):
            self._plan(state, hostname='node0', updated_at=at(31, 36))
            plan_notifications.send_action_notification(
                self.context, self.plan, action='execution', phase=phase,
                exc=fault)
            self.check(f'action_plan-execution-{phase}')
            self.sent.clear()

    def test_action_plan_cancel(self):
        for phase, state, fault in (
                ('start', 'CANCELLING', None), ('end', 'CANCELLED', None),
                ('error', 'FAILED', self.raised(message='TEST'))):
            self._plan(state, hostname='node0', updated_at=at(31, 36))
            plan_notifications.send_cancel_notification(
                self.context, self.plan, phase, exc=fault)
            self.check(f'action_plan-cancel-{phase}')
            self.sent.clear()

    def test_action_create(self):
        action_notifications.send_create(self.context, self.action)
        self.check('action-create')

    def test_action_update(self):
        self._plan('ONGOING', hostname='node0', updated_at=at(31, 36))
        self.set(self.action, state='ONGOING', updated_at=at(31, 36))
        action_notifications.send_update(self.context, self.action,
                                         'PENDING')
        self.check('action-update')

    def test_action_delete(self):
        self._plan('SUCCEEDED', hostname='node0', updated_at=at(31, 37))
        self.set(self.action, state='DELETED', updated_at=at(31, 41),
                 deleted_at=at(31, 41))
        action_notifications.send_delete(self.context, self.action)
        self.check('action-delete')

    def test_action_execution(self):
        exc = self.raised(exception.ActionExecutionFailure,
                          WHERE['execution'], action_id=self.action.uuid)
        for phase, state, fault in (('start', 'PENDING', None),
                                    ('end', 'SUCCEEDED', None),
                                    ('error', 'FAILED', exc)):
            self._plan('ONGOING', hostname='node0', updated_at=at(31, 36))
            self.set(self.action, state=state)
            if state != 'PENDING':
                self.action.updated_at = at(31, 37)
            if fault is not None:
                self.action.status_message = (
                    f'Action failed in execute: {fault}')
            action_notifications.send_execution_notification(
                self.context, self.action, phase, exc=fault)
            self.check(f'action-execution-{phase}')
            self.sent.clear()

    def test_action_cancel(self):
        for phase, state, fault in (
                ('start', 'PENDING', None), ('end', 'CANCELLED', None),
                ('error', 'FAILED', self.raised(message='TEST'))):
            self._plan('CANCELLING', hostname='node0',
                       updated_at=at(31, 36))
            self.set(self.action, state=state)
            if state != 'PENDING':
                self.action.updated_at = at(31, 37)
            action_notifications.send_cancel_notification(
                self.context, self.action, phase, exc=fault)
            self.check(f'action-cancel-{phase}')
            self.sent.clear()

    def test_service_update(self):
        service_notifications.send_service_update(
            self.context, self.service, 'ACTIVE', 'FAILED')
        got = self.check('service-update')
        self.assertEqual('WARN', got['priority'])

    def test_service_create_and_delete(self):
        service_notifications.send_create(self.context, self.service)
        self.check('service-create')
        self.sent.clear()
        service_notifications.send_delete(self.context, self.service)
        self.check('service-delete')

    def test_infra_optim_exception(self):
        exc = self.raised(
            exception.NoAvailableStrategyForGoal,
            'watcher.decision_engine.strategy.selection.default:select',
            goal='server_consolidation')
        notifications.emit(
            self.context, 'infra-optim', notifications.Action.EXCEPTION,
            lambda: exception_notifications.ExceptionPayload
            .from_exception(exc), priority='error')
        self.check('infra-optim-exception')

    def test_secrets_are_masked(self):
        exc = self.raised(
            message="cannot log in: {'password': 'hunter2'}")
        audit_notifications.send_action_notification(
            self.context, self.audit, 'strategy', 'error', exc=exc)
        self.assertNotIn('hunter2', json.dumps(self.sent[0].payload))

    def test_a_database_error_does_not_quote_its_values(self):
        exc = db_exc.DBError(sa_exc.OperationalError(
            'UPDATE audits SET parameters=?', ('private',),
            Exception('server has gone away')))
        audit_notifications.send_action_notification(
            self.context, self.audit, 'planner', 'error', exc=exc)
        fault = self.sent[0].payload['watcher_object.data']['fault']
        message = fault['watcher_object.data']['exception_message']
        self.assertIn('server has gone away', message)
        self.assertNotIn('private', message)

    def test_an_exception_that_was_never_raised(self):
        plan_notifications.send_action_notification(
            self.context, self.plan, phase='error', exc=ValueError('no'))
        fault = self.sent[0].payload['watcher_object.data']['fault']
        self.assertEqual('ValueError',
                         fault['watcher_object.data']['exception'])

    def test_level_filters(self):
        for level, expected in (('', 0), ('debug', 3), ('info', 3),
                                ('warning', 2), ('error', 1),
                                ('critical', 0)):
            self.config(notification_level=level)
            self.sent.clear()
            audit_notifications.send_create(self.context, self.audit)
            service_notifications.send_service_update(
                self.context, self.service, 'ACTIVE', 'FAILED')
            audit_notifications.send_action_notification(
                self.context, self.audit, 'planner', 'error',
                exc=self.raised(message='TEST'))
            self.assertEqual(expected, len(self.sent), level)

    def test_a_payload_that_cannot_be_built_harms_nobody(self):
        with mock.patch.object(audit_notifications.AuditCreatePayload, 'of',
                               side_effect=RuntimeError('goal is gone')):
            audit_notifications.send_create(self.context, self.audit)
        self.assertEqual([], self.sent)
        self.assertIn('audit.create', self.logger.output)

    def test_event_type_without_phase(self):
        event = notifications.EventType(object='audit', action='create',
                                        phase=None)
        self.assertEqual('audit.create', event.to_text())


class TestCompleteness(base.TestCase):

    def setUp(self):
        super().setUp()
        self.samples = {path.stem: json.loads(path.read_text())
                        for path in SAMPLES.glob('*.json')}

    def test_every_event_has_its_sample(self):
        self.assertEqual(
            {*EVENTS, NEVER_SENT},
            {sample['event_type'] for sample in self.samples.values()})
        for name, sample in self.samples.items():
            self.assertEqual(name, sample['event_type'].replace('.', '-'))

    def test_every_event_is_explained(self):
        page = PAGE.read_text()
        for event in sorted({*EVENTS, NEVER_SENT}):
            self.assertIn(f'``{event}``', page)

    def test_every_sequence_is_shown(self):
        page = PAGE.read_text()
        for path in (SAMPLES / 'sequences').glob('*.txt'):
            self.assertIn(f'sequences/{path.name}', page)
            told = {line.split()[0] for line in
                    path.read_text().splitlines()}
            self.assertLessEqual(told, EVENTS)

    def test_every_payload_class_is_in_a_sample(self):
        seen = set()
        for sample in self.samples.values():
            self._collect(sample['payload'], seen)
        known = {(cls.__name__, cls.VERSION) for cls in notifications.CLASSES
                 if issubclass(cls, notifications.NotificationPayloadBase)}
        self.assertEqual(known, seen)

    def _collect(self, value, seen):
        if not isinstance(value, dict):
            return
        if 'watcher_object.name' in value:
            seen.add((value['watcher_object.name'],
                      value['watcher_object.version']))
        for one in value.values():
            self._collect(one, seen)
