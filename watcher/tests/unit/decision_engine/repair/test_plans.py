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
"""The plan that undoes or repeats another one, as it is stored."""

import datetime
from unittest import mock

from oslo_utils import timeutils

from watcher import objects
from watcher.common import cinder_helper
from watcher.common import context as watcher_context
from watcher.common import exception
from watcher.decision_engine.messaging import repair_endpoint
from watcher.decision_engine.model.collector import manager
from watcher.decision_engine.repair import plans
from watcher.tests import base
from watcher.tests.fixtures import database
from watcher.tests.fixtures import models
from watcher.tests.unit.decision_engine import factories


class RepairTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(database.Database())
        self.context = watcher_context.admin_context()
        self.goal = factories.goal()
        self.strategy = factories.strategy(self.goal)
        self.audit = factories.audit(self.goal, self.strategy,
                                     state='SUCCEEDED')
        self.endpoint = repair_endpoint.RepairEndpoint()
        self.model = models.cloud({
            models.node('A', vcpus=4): [],
            models.node('B', vcpus=4): [models.instance('a'),
                                        models.instance('b')]})
        self.collector = mock.Mock(
            age_limit=5.0, last_failure=None,
            get_latest_cluster_data_model=self._model,
            get_audit_scope_handler=lambda audit_scope: mock.Mock(
                get_scoped_model=lambda model: model))
        self.ages = []
        patcher = mock.patch.object(
            manager.CollectorManager, 'get_cluster_model_collector',
            lambda this, name, osc=None: self.collector)
        patcher.start()
        self.addCleanup(patcher.stop)

    def _model(self, max_age):
        self.ages.append(max_age)
        return self.model

    def ended(self, state='SUCCEEDED', ago=60, actions=('SUCCEEDED',) * 2):
        """A plan that moved the servers a and b from A to B."""
        plan = objects.ActionPlan.create_with(
            self.context,
            {'audit_id': self.audit.id, 'strategy_id': self.strategy.id,
             'state': state, 'global_efficacy': [
                 {'name': 'all', 'unit': '%', 'value': 50.0,
                  'description': 'all of it'}]},
            [{'action_type': 'migrate', 'state': action_state,
              'parents': [], 'input_parameters': self.move(name, 'A', 'B')}
             for name, action_state in zip('ab', actions, strict=False)],
            [{'name': 'moves', 'description': 'd', 'unit': None,
              'value': 2}])
        now = timeutils.utcnow(with_timezone=True)
        objects.PlanRun.set(
            self.context, plan.id, started_at=now,
            finished_at=now - datetime.timedelta(seconds=ago))
        for name, action in zip('ab', self.actions(plan), strict=False):
            values = {'started_at': now}
            if action.state == 'SUCCEEDED':
                values['inverse'] = {
                    'action_type': 'migrate',
                    'input_parameters': self.move(name, 'B', 'A')}
            objects.ActionRun.set(self.context, action.id, **values)
        return plan

    @staticmethod
    def move(name, source, target):
        return {'resource_id': models.uuid(name), 'migration_type': 'live',
                'source_node': f'host-{source}',
                'destination_node': f'host-{target}'}

    def actions(self, plan):
        return objects.Action.list(
            self.context, filters={'action_plan_id': plan.id}, sort_key='id')

    def ask(self, plan, kind='rollback'):
        uuid = self.endpoint.repair_action_plan(self.context, plan.uuid,
                                                kind)
        return objects.ActionPlan.get_by_uuid(self.context, uuid, eager=True)

    def refused(self, plan, *words, kind='rollback'):
        error = self.assertRaises(exception.RepairRefused, self.ask, plan,
                                  kind)
        for word in (plan.uuid, *words):
            self.assertIn(word, str(error))


class TestRollback(RepairTestCase):

    def test_what_is_stored(self):
        plan = self.ended()
        made = self.ask(plan)
        self.assertEqual(
            ('RECOMMENDED', self.audit.id, self.strategy.id, []),
            (made.state, made.audit_id, made.strategy_id,
             made.global_efficacy))
        run = objects.PlanRun.get(self.context, made.id)
        self.assertEqual(('rollback', plan.id), (run.kind,
                                                 run.source_plan_id))
        self.assertEqual(
            [('PENDING', self.move('b', 'B', 'A')),
             ('PENDING', self.move('a', 'B', 'A'))],
            [(action.state, action.input_parameters)
             for action in self.actions(made)])
        why = objects.ActionPlan.explanations([made.id])[made.id]
        self.assertEqual(
            ('rollback', f'Undoes 2 of 2 actions of the action plan '
                         f'{plan.uuid}'), (why['code'], why['summary']))
        reasons = objects.Action.explanations(
            action.id for action in self.actions(made))
        undone = reasons[self.actions(made)[0].id]
        self.assertIn(self.actions(plan)[1].uuid, undone['reason'])
        self.assertEqual(24.0, undone['cost'])

    def test_model_is_read_after_the_plan(self):
        self.ask(self.ended(ago=2))
        self.ask(self.ended(ago=100))
        self.assertTrue(2 <= self.ages[0] <= 5.0, self.ages)
        self.assertEqual(5.0, self.ages[1])

    def test_message_comes_twice(self):
        plan = self.ended()
        made = self.ask(plan)
        self.refused(plan, f'its rollback {made.uuid} is RECOMMENDED')
        self.refused(self.ended(state='ONGOING'), 'its state is ONGOING')
        self.assertEqual(1, len(objects.PlanRun.made_from(
            self.context, plan.id)))

    def test_somebody_was_faster(self):
        plan = self.ended()
        real, made = plans._look, []

        def look(*args):
            with mock.patch.object(plans, '_look', real):
                made.append(self.ask(plan))
            return real(*args)
        with mock.patch.object(plans, '_look', look):
            self.refused(plan, 'its rollback')
        self.assertEqual(1, len(made))
        self.assertEqual(1, len(objects.PlanRun.made_from(
            self.context, plan.id)))

    def test_one_that_came_to_nothing_is_in_nobodys_way(self):
        plan = self.ended()
        for state in ('CANCELLED', 'SUPERSEDED'):
            self.ask(plan).transition(state)
        self.ask(plan).soft_delete()
        made = self.ask(plan)
        for state in ('PENDING', 'ONGOING', 'SUCCEEDED'):
            made.transition(state)
            self.refused(plan, state)

    def test_age(self):
        self.config(rollback_max_age=50, group='watcher_decision_engine')
        self.refused(self.ended(), '0:01:00 ago', '0:00:50',
                     'rollback_max_age')
        self.config(rollback_max_age=0, group='watcher_decision_engine')
        self.ask(self.ended())
        self.assertEqual(7 * 24 * 3600, plans.age_limit('host_maintenance'))

    def test_audit_is_gone(self):
        plan = self.ended()
        self.audit.soft_delete()
        self.refused(plan, 'its audit was deleted')

    def test_nothing_is_possible(self):
        self.model = models.cloud({models.node('A'): [],
                                   models.node('B'): []})
        self.refused(self.ended(), 'nothing of it can be done now',
                     f"{models.uuid('a')} does not exist any more",
                     f"{models.uuid('b')} does not exist any more")

    def test_what_no_applier_would_run(self):
        plan = self.ended()
        first = self.actions(plan)[0]
        objects.ActionRun.set(self.context, first.id, inverse={
            'action_type': 'resize', 'input_parameters': {
                'resource_id': models.uuid('a')}})
        made = self.ask(plan)
        self.assertEqual(1, len(self.actions(made)))
        why = objects.ActionPlan.explanations([made.id])[made.id]
        self.assertIn("'flavor' is a required property",
                      ' '.join(why['remarks']))

    def test_unknown(self):
        self.assertRaises(
            exception.ActionPlanNotFound, self.endpoint.repair_action_plan,
            self.context, models.uuid('none'), 'rollback')
        self.assertRaises(
            exception.Invalid, self.endpoint.repair_action_plan,
            self.context, self.ended().uuid, 'magic')

    def test_database_is_not_upgraded(self):
        plan = self.ended()
        with mock.patch.object(
                objects.PlanRun, 'set', side_effect=exception.
                DatabaseNotUpgraded(table='plan_runs')):
            self.assertRaises(exception.DatabaseNotUpgraded, self.ask, plan)
        # All or nothing.
        self.assertEqual([plan.id], [one.id for one in
                                     objects.ActionPlan.list(self.context)])


class TestDoubtful(RepairTestCase):

    def test_what_failed_but_moved(self):
        plan = self.ended('FAILED', actions=('FAILED', 'SUCCEEDED'))
        inverse = mock.Mock(action_type='migrate',
                            input_parameters=self.move('a', 'B', 'A'))
        with mock.patch('watcher.applier.actions.migration.Migrate.inverse',
                        return_value=inverse):
            made = self.ask(plan)
        self.assertEqual(2, len(self.actions(made)))

    def test_plugin_cannot_tell(self):
        plan = self.ended('FAILED', actions=('FAILED', 'SUCCEEDED'))
        with mock.patch('watcher.applier.actions.migration.Migrate.inverse',
                        side_effect=exception.NovaClientError(reason='x')):
            made = self.ask(plan)
        self.assertEqual(1, len(self.actions(made)))


class TestRetry(RepairTestCase):

    def setUp(self):
        super().setUp()
        self.model = models.cloud({
            models.node('A', vcpus=4): [models.instance('a')],
            models.node('B', vcpus=4): [models.instance('b')]})

    def test_what_is_stored(self):
        plan = self.ended('FAILED', actions=('FAILED', 'SUCCEEDED'))
        made = self.ask(plan, 'retry')
        action, = self.actions(made)
        self.assertEqual(self.move('a', 'A', 'B'), action.input_parameters)
        self.assertEqual(plan.global_efficacy, made.global_efficacy)
        indicator, = objects.EfficacyIndicator.list(
            self.context, filters={'action_plan_id': made.id})
        self.assertEqual(('moves', 2), (indicator.name, indicator.value))
        run = objects.PlanRun.get(self.context, made.id)
        self.assertEqual(('retry', plan.id), (run.kind, run.source_plan_id))
        self.refused(plan, f'its retry {made.uuid} is RECOMMENDED')

    def test_too_old(self):
        plan = self.ended('FAILED', ago=25 * 3600,
                          actions=('FAILED', 'SUCCEEDED'))
        self.refused(plan, '1 day', 'action_plan_expiry', kind='retry')

    def test_succeeded(self):
        self.refused(self.ended(), 'its state is SUCCEEDED', kind='retry')


class TestVolumes(RepairTestCase):

    def test_snapshots_are_asked_for_once(self):
        plan = objects.ActionPlan.create_with(
            self.context,
            {'audit_id': self.audit.id, 'strategy_id': self.strategy.id,
             'state': 'FAILED', 'global_efficacy': []},
            [{'action_type': 'volume_migrate', 'state': 'FAILED',
              'parents': [], 'input_parameters': {
                  'resource_id': models.uuid(name),
                  'migration_type': 'migrate',
                  'destination_node': 'host@backend#y'}} for name in 'vw'])
        sizes = {'total_capacity_gb': 100, 'free_capacity_gb': 50}
        storage = models.storage({
            'host@backend#x': (sizes, [models.volume('v'),
                                       models.volume('w')]),
            'host@backend#y': (dict(sizes), [])})

        def model(collectors, name, ended):
            return storage if name == 'storage' else self.model
        snapshot = mock.Mock(volume_id=models.uuid('v'))
        with mock.patch.object(plans, '_model', model), mock.patch.object(
                    manager.CollectorManager, 'missing_service',
                    return_value=None), mock.patch.object(
                    cinder_helper, 'CinderHelper') as helper:
            asked = helper.return_value.get_volume_snapshots_list
            asked.return_value = [snapshot]
            made = self.ask(plan, 'retry')
        asked.assert_called_once_with()
        self.assertEqual(
            [models.uuid('w')],
            [action.input_parameters['resource_id']
             for action in self.actions(made)])
