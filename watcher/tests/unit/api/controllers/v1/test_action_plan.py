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
"""Action plans, their actions, services and scoring engines over HTTP."""

import datetime
import threading
from unittest import mock

from oslo_db import exception as db_exc
from oslo_utils import timeutils
from oslo_utils import uuidutils
from sqlalchemy import exc as sa_exc

from watcher import objects
from watcher.common import context as watcher_context
from watcher.tests.unit.api import base

PLANS = '/v1/action_plans'
ACTIONS = '/v1/actions'

PLAN_SUMMARY = {'uuid', 'audit_uuid', 'strategy_uuid', 'strategy_name',
                'state', 'efficacy_indicators', 'global_efficacy',
                'updated_at', 'links'}
PLAN_FIELDS = PLAN_SUMMARY | {'hostname', 'created_at', 'deleted_at'}
ACTION_SUMMARY = {'uuid', 'action_plan_uuid', 'action_type', 'state',
                  'parents', 'links'}
ACTION_FIELDS = ACTION_SUMMARY | {'description', 'input_parameters',
                                  'created_at', 'updated_at', 'deleted_at'}


class PlanTestCase(base.ApiTestCase):

    def setUp(self):
        super().setUp()
        self.goal = self.records.goal()
        self.strategy = self.records.strategy(self.goal)
        self.audit = self.records.audit(self.goal, self.strategy)

    def make(self, state='RECOMMENDED', actions=2):
        plan = self.records.plan(self.audit, self.strategy, actions=actions)
        if state != 'RECOMMENDED':
            objects.ActionPlan.dbapi.update_action_plan(
                plan.uuid, {'state': state})
        return f'{PLANS}/{plan.uuid}'

    def states_of_actions(self, path):
        uuid = path.rpartition('/')[2]
        return [action['state'] for action in self.get(
            f'{ACTIONS}?action_plan_uuid={uuid}').json['actions']]


class TestShow(PlanTestCase):

    def test_fields(self):
        path = self.make()
        document = self.get(path, version='1.0').json
        self.assertEqual(PLAN_FIELDS, set(document))
        self.assertEqual(PLAN_FIELDS | {'status_message'},
                         set(self.get(path, version='1.5').json))
        self.assertEqual(
            [{'name': 'moves', 'description': 'number of moves',
              'unit': None, 'value': 3.0}], document['efficacy_indicators'])
        self.assertEqual(self.audit.uuid, document['audit_uuid'])
        summary = self.get(PLANS).json['action_plans'][0]
        self.assertEqual(PLAN_SUMMARY, set(summary))

    def test_explanation(self):
        path = self.make()
        for version in ('1.0', '1.7'):
            self.assertNotIn('explanation',
                             self.get(path, version=version).json)
        expected = self.records.PLAN_EXPLANATION
        self.assertEqual(
            expected, self.get(path, version='1.8').json['explanation'])
        older = self.records.plan(self.audit, self.strategy,
                                  explanation=None)
        found = {plan['uuid']: plan['explanation'] for plan in self.get(
            f'{PLANS}/detail', version='1.8').json['action_plans']}
        self.assertEqual({path.rpartition('/')[2]: expected,
                          older.uuid: None}, found)

    def test_explanation_of_a_deleted_plan(self):
        path = self.make(state='SUCCEEDED')
        self.delete(path)
        self.assertEqual(
            self.records.PLAN_EXPLANATION,
            self.get(path, headers={'X-Show-Deleted': 'true'}).json[
                'explanation'])

    def test_identifiers(self):
        self.get(f'{PLANS}/nope', status=400)
        self.get(f'{PLANS}/1', status=400)
        self.get(f'{PLANS}/{uuidutils.generate_uuid()}', status=404)


class TestStates(PlanTestCase):

    ALLOWED = {('RECOMMENDED', 'PENDING'), ('RECOMMENDED', 'CANCELLED'),
               ('PENDING', 'CANCELLED'), ('ONGOING', 'CANCELLING')}

    def test_patch(self):
        states = ('RECOMMENDED', 'PENDING', 'ONGOING', 'SUCCEEDED', 'FAILED',
                  'CANCELLING', 'CANCELLED', 'SUPERSEDED', 'DELETED')
        for old in states:
            for new in states:
                path = self.make(old, actions=1)
                allowed = (old, new) in self.ALLOWED
                response = self.patch(path, ('replace', '/state', new),
                                      status=200 if allowed else 400)
                if allowed:
                    self.assertEqual(new, response.json['state'])
                else:
                    self.assert_refused(400, response,
                                        'State transition not allowed')

    def test_patch_to_pending_launches(self):
        path = self.make()
        self.patch(path, ('add', '/state', 'PENDING'), status=200)
        self.assertEqual([('launch_action_plan', path.rpartition('/')[2])],
                         self.api.bus.applier.wait(1))
        self.patch(path, ('add', '/state', 'PENDING'), status=400)

    def test_cancel_cancels_the_actions(self):
        for state in ('RECOMMENDED', 'PENDING'):
            path = self.make(state)
            self.patch(path, ('replace', '/state', 'CANCELLED'), status=200)
            self.assertEqual(['CANCELLED'] * 2, self.states_of_actions(path))

    def test_cancel_leaves_skipped_actions(self):
        path = self.make()
        action = self.get(f'{ACTIONS}?action_plan_uuid='
                          + path.rpartition('/')[2]).json['actions'][0]
        self.patch(f'{ACTIONS}/{action["uuid"]}',
                   ('replace', '/state', 'SKIPPED'), status=200)
        self.patch(path, ('replace', '/state', 'CANCELLED'), status=200)
        self.assertEqual(['SKIPPED', 'CANCELLED'],
                         self.states_of_actions(path))

    def test_a_deadlock_while_cancelling_is_tried_again(self):
        path = self.make()
        real, deadlocks = objects.ActionPlan.transition_actions, []

        def deadlock_once(plan, *args, **kwargs):
            if not deadlocks:
                deadlocks.append(plan.uuid)
                raise db_exc.DBDeadlock(sa_exc.OperationalError(
                    'UPDATE', {}, Exception('deadlock')))
            return real(plan, *args, **kwargs)

        with mock.patch.object(objects.ActionPlan, 'transition_actions',
                               autospec=True, side_effect=deadlock_once):
            self.patch(path, ('replace', '/state', 'CANCELLED'), status=200)
        self.assertEqual(1, len(deadlocks))
        self.assertEqual('CANCELLED', self.get(path).json['state'])
        self.assertEqual(['CANCELLED'] * 2, self.states_of_actions(path))

    def test_cancelling_leaves_the_actions_to_the_applier(self):
        path = self.make('ONGOING')
        self.patch(path, ('replace', '/state', 'CANCELLING'), status=200)
        self.assertEqual(['PENDING'] * 2, self.states_of_actions(path))

    def test_refused(self):
        path = self.make()
        for operations in (
                [], [('replace', '/state', 'NOPE')],
                [('replace', '/state', None)], [('replace', '/state', '')],
                [('remove', '/state')], [('replace', '/state', 3)],
                [('replace', '/status_message', 'x')],
                [('replace', '/hostname', 'x'),
                 ('replace', '/state', 'PENDING')],
                [('replace', '/global_efficacy', [])],
                [('replace', '/audit_id', 1)], [('replace', '/uuid', 'x')]):
            self.patch(path, *operations, status=400)
        self.assertEqual('RECOMMENDED', self.get(path).json['state'])
        self.patch(f'{PLANS}/nope', ('replace', '/state', 'PENDING'),
                   status=400)
        self.patch(f'{PLANS}/{uuidutils.generate_uuid()}',
                   ('replace', '/state', 'PENDING'), status=404)

    def test_start(self):
        for number, raw in enumerate((b'', b'{}', b'{"x": 1}'), 1):
            path = self.make()
            response = self.request('POST', f'{path}/start', raw=raw,
                                    status=200)
            self.assertEqual('PENDING', response.json['state'])
            self.assertEqual(number, len(self.api.bus.applier.wait(number)))
            response = self.post(f'{path}/start', {}, status=400)
            self.assert_refused(400, response, 'PENDING')

    def test_start_refused(self):
        path = self.make()
        for body in ([], 'x', 3):
            self.post(f'{path}/start', body, status=400)
        self.request('POST', f'{path}/start', raw=b'x', status=415,
                     content_type='text/plain')
        self.post(f'{PLANS}/nope/start', {}, status=400)
        self.post(f'{PLANS}/{uuidutils.generate_uuid()}/start', {},
                  status=404)
        self.assertEqual([], self.api.bus.applier.calls)

    @staticmethod
    def stored(path):
        return objects.ActionPlan.get_by_uuid(
            watcher_context.admin_context(), path.rpartition('/')[2])

    def make_old(self, hours):
        path = self.make()
        plan = self.stored(path)
        plan.swap({}, created_at=plan.created_at
                  - datetime.timedelta(hours=hours))
        return path

    def test_an_expired_plan_is_not_started(self):
        path = self.make_old(25)
        for response in (
                self.post(f'{path}/start', {}, status=400),
                self.patch(path, ('replace', '/state', 'PENDING'),
                           status=400)):
            self.assert_refused(400, response, 'older than 24 hours')
        self.assertEqual('RECOMMENDED', self.get(path).json['state'])
        self.assertEqual([], self.api.bus.applier.calls)
        self.patch(path, ('replace', '/state', 'CANCELLED'), status=200)

    def test_plans_start_until_they_expire(self):
        self.post(f'{self.make_old(23)}/start', {}, status=200)
        self.config(group='watcher_decision_engine', action_plan_expiry=0)
        self.post(f'{self.make_old(1000)}/start', {}, status=200)

    def test_what_a_cancelled_plan_waited_for_is_not_told(self):
        path = self.make('PENDING')
        plan = self.stored(path)
        plan.swap({}, status_message='Waits for action plan 7: why.')
        self.patch(path, ('replace', '/state', 'CANCELLED'), status=200)
        plan.refresh()
        self.assertIsNone(plan.status_message)

    def test_only_one_start_wins(self):
        path = self.make()
        statuses = []

        def start():
            statuses.append(self.post(f'{path}/start', {}).status_int)

        threads = [threading.Thread(target=start) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([200, 400, 400, 400], sorted(statuses))
        self.assertEqual(1, len(self.api.bus.applier.wait(1)))

    def test_delete(self):
        for state, status in (
                ('RECOMMENDED', 204), ('SUCCEEDED', 204), ('FAILED', 204),
                ('SUPERSEDED', 204), ('CANCELLED', 204), ('PENDING', 400),
                ('ONGOING', 400), ('CANCELLING', 400), ('DELETED', 400)):
            path = self.make(state)
            response = self.delete(path, status=status)
            if status == 400:
                self.assert_refused(
                    400, response, "Couldn't delete when state is", state)
                continue
            self.get(path, status=404)
            self.assertEqual([], self.states_of_actions(path))
            shown = self.get(path, headers={'X-Show-Deleted': 'true'}).json
            self.assertEqual('DELETED', shown['state'])
            self.assertEqual(1, len(shown['efficacy_indicators']))
        self.delete(f'{PLANS}/nope', status=400)


class TestActions(PlanTestCase):

    def setUp(self):
        super().setUp()
        self.plan = self.records.plan(self.audit, self.strategy, actions=2)
        self.uuid = self.records.actions(self.plan)[0].uuid
        self.path = f'{ACTIONS}/{self.uuid}'

    def skip(self, *more, **kwargs):
        kwargs.setdefault('status', 200)
        return self.patch(self.path, ('replace', '/state', 'SKIPPED'),
                          *more, **kwargs)

    def message(self, text, **kwargs):
        kwargs.setdefault('status', 200)
        return self.patch(
            self.path, ('replace', '/status_message', text), **kwargs)

    def set_plan_state(self, state):
        objects.ActionPlan.dbapi.update_action_plan(
            self.plan.uuid, {'state': state})

    def set_state(self, state, **values):
        objects.Action.dbapi.update_action(
            self.uuid, {'state': state, **values})

    def test_fields(self):
        self.assertEqual(ACTION_FIELDS,
                         set(self.get(self.path, version='1.4').json))
        self.assertEqual(ACTION_FIELDS | {'status_message'},
                         set(self.get(self.path, version='1.5').json))
        document = self.get(self.path).json
        self.assertEqual(ACTION_FIELDS | {'status_message', 'explanation'},
                         set(self.get(self.path, version='1.8').json))
        self.assertEqual({'message': 'hello'}, document['input_parameters'])
        self.assertEqual('', document['description'])
        self.records.description()
        self.assertEqual('Do nothing', self.get(self.path).json[
            'description'])
        self.assertEqual(ACTION_SUMMARY,
                         set(self.get(ACTIONS).json['actions'][0]))

    def test_explanation(self):
        self.assertNotIn('explanation',
                         self.get(self.path, version='1.7').json)
        expected = self.records.EXPLANATION
        self.assertEqual(
            expected, self.get(self.path, version='1.8').json['explanation'])
        self.plan.create_actions([{'action_type': 'nop'}])
        self.assertEqual(
            [expected] * 2 + [None],
            [action['explanation'] for action in self.get(
                f'{ACTIONS}/detail?sort_key=id').json['actions']])

    def test_order_is_the_plans(self):
        found = self.get(
            f'{ACTIONS}?action_plan_uuid={self.plan.uuid}').json['actions']
        self.assertEqual(
            [action.uuid for action in self.records.actions(self.plan)],
            [action['uuid'] for action in found])

    def test_skip(self):
        document = self.skip().json
        self.assertEqual(['SKIPPED', 'Action skipped by user.'],
                         [document['state'], document['status_message']])

    def test_skip_with_reason(self):
        expected = 'Action skipped by user. Reason: skipped test'
        document = self.skip(
            ('replace', '/status_message', 'skipped test')).json
        self.assertEqual(expected, document['status_message'])
        # Nothing that changes nothing loses the reason.
        for operations in ([], [('replace', '/state', 'SKIPPED')],
                           [('replace', '/status_message', expected)],
                           [('replace', '/status_message', None)]):
            document = self.patch(self.path, *operations, status=200).json
            self.assertEqual(expected, document['status_message'])

    def test_order_of_operations_does_not_matter(self):
        document = self.patch(
            self.path, ('add', '/status_message', 'why'),
            ('add', '/state', 'SKIPPED'), status=200).json
        self.assertEqual('Action skipped by user. Reason: why',
                         document['status_message'])

    def test_message_of_a_skipped_action(self):
        self.skip()
        self.set_plan_state('SUCCEEDED')
        self.assertEqual('Action skipped by user. Reason: later',
                         self.message('later').json['status_message'])

    def test_long_message(self):
        self.skip(('replace', '/status_message', 'x' * 300), status=400)
        document = self.skip(('replace', '/status_message', 'x' * 200)).json
        self.assertTrue(document['status_message'].endswith('x' * 200))

    def test_version(self):
        self.skip(version='1.4', status=400)
        self.patch(f'{ACTIONS}/nope', version='1.4', status=400)

    def test_plan_states(self):
        for state in ('ONGOING', 'SUCCEEDED', 'CANCELLED'):
            self.set_plan_state(state)
            self.assert_refused(409, self.skip(status=409), state)
        self.set_plan_state('PENDING')
        self.skip()

    def test_conflicts(self):
        self.message('x', status=409)
        for state in ('SUCCEEDED', 'ONGOING', None, ''):
            self.patch(self.path, ('replace', '/state', state), status=409)
        for state in ('ONGOING', 'SUCCEEDED', 'FAILED', 'CANCELLED'):
            self.set_state(state)
            self.skip(status=409)

    def test_patch_without_change_leaves_everything(self):
        self.set_state('FAILED', status_message='broken')
        for operations in ([], [('replace', '/state', 'FAILED')]):
            document = self.patch(self.path, *operations, status=200).json
            self.assertEqual('broken', document['status_message'])

    def test_refused(self):
        for operations in ([('replace', '/state', 'NOPE')],
                           [('replace', '/state', 3)],
                           [('remove', '/state')],
                           [('remove', '/status_message')],
                           [('replace', '/status_message', 3)],
                           [('replace', '/action_type', 'x')],
                           [('replace', '/state/x', 'SKIPPED')]):
            self.patch(self.path, *operations, status=400)
        self.patch(f'{ACTIONS}/nope', status=400)
        self.patch(f'{ACTIONS}/{uuidutils.generate_uuid()}', status=404)


class TestServices(base.ApiTestCase):

    FIELDS = {'id', 'name', 'host', 'status', 'links', 'last_seen_up',
              'created_at', 'updated_at', 'deleted_at'}

    def setUp(self):
        super().setUp()
        self.service = self.records.service()

    def test_fields(self):
        document = self.get(f'/v1/services/{self.service.id}').json
        self.assertEqual(self.FIELDS, set(document))
        self.assertEqual('ACTIVE', document['status'])
        self.assertRegex(document['last_seen_up'],
                         r'^[-0-9]{10}T[0-9:.]{8,15}$')
        self.assertEqual(
            f'http://localhost/v1/services/{self.service.id}',
            document['links'][0]['href'])
        summary = self.get('/v1/services').json['services'][0]
        self.assertEqual({'id', 'name', 'host', 'status', 'links'},
                         set(summary))

    def test_status(self):
        objects.Service.dbapi.update_service(self.service.id, {
            'last_seen_up': timeutils.utcnow() - datetime.timedelta(
                seconds=100)})
        document = self.get('/v1/services/watcher-applier').json
        self.assertEqual('FAILED', document['status'])

    def test_by_name(self):
        self.records.service(host='other')
        self.get('/v1/services/watcher-applier')
        for ident in ('nope', uuidutils.generate_uuid(), 99):
            self.get(f'/v1/services/{ident}', status=404)

    def test_pages(self):
        self.records.service(host='other')
        page = self.get('/v1/services?limit=1').json
        self.assertIn(f'marker={self.service.id}', page['next'])
        page = self.get(page['next'].removeprefix('http://localhost')).json
        self.assertEqual('other', page['services'][0]['host'])
        self.get('/v1/services?marker=99', status=404)
        self.get('/v1/services?sort_key=status', status=400)


class TestScoringEngines(base.ApiTestCase):

    def test_fields(self):
        engine = self.records.scoring_engine()
        for ident in (engine.uuid, 'dummy_scorer', engine.id):
            document = self.get(f'/v1/scoring_engines/{ident}').json
            self.assertEqual({'uuid', 'name', 'description', 'metainfo',
                              'links'}, set(document))
        summary = self.get('/v1/scoring_engines').json['scoring_engines'][0]
        self.assertEqual({'uuid', 'name', 'description', 'links'},
                         set(summary))
