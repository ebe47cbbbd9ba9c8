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

import datetime
import time
from unittest import mock

from watcher import objects
from watcher.common import exception
from watcher.common import rpc
from watcher.decision_engine import manager
from watcher.decision_engine import report
from watcher.decision_engine.model.collector import manager as collectors
from watcher.objects import events
from watcher.tests import base
from watcher.tests.fixtures import database
from watcher.tests.fixtures import models
from watcher.tests.unit.decision_engine import factories

AUDIT = objects.audit.State
PLAN = objects.action_plan.State


class TestManager(base.TestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(database.Database())
        self.config(notification_level='')
        patcher = mock.patch.object(
            collectors.CollectorManager, 'get_collectors',
            side_effect=exception.AuthorizationFailure(
                client='keystone', reason='wrong password'))
        patcher.start()
        self.addCleanup(patcher.stop)
        self.manager = manager.DecisionEngineManager()

    def wait_for(self, condition):
        deadline = time.monotonic() + base.PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                self.fail('waited in vain')
            time.sleep(0.01)

    def test_identity(self):
        self.assertEqual('watcher-decision-engine',
                         self.manager.service_name)
        self.assertEqual('watcher.decision.control', self.manager.topic)
        self.assertEqual('1.0', self.manager.API_VERSION)

    def test_work_goes_on_while_keystone_is_away(self):
        self.manager.pre_start()
        context = factories.context()
        audit = objects.Audit(
            context, name='a', audit_type=factories.ONESHOT,
            state=AUDIT.PENDING, auto_trigger=False,
            goal_id=objects.Goal.get_by_name(context, 'unclassified').id,
            strategy_id=objects.Strategy.get_by_name(
                context, 'actuator').id,
            parameters={'actions': [
                {'action_type': 'nop',
                 'input_parameters': {'message': 'x'}}]}).create()
        self.manager.start()
        self.addCleanup(self.manager.stop, base.PATIENCE)
        self.wait_for(lambda: factories.reread(audit).state
                      == AUDIT.SUCCEEDED)
        self.wait_for(lambda: 'wrong password' in self.logger.output)
        self.assertNotIn('Traceback', self.logger.output)
        begin = time.monotonic()
        self.manager.stop(2 * base.PATIENCE)
        self.assertLess(time.monotonic() - begin, base.PATIENCE)

    def test_what_engines_leave_that_are_gone(self):
        self.config(host='here', service_retention=600)
        context = factories.context()
        for host in ('here', 'gone'):
            service = objects.Service.heartbeat(
                context, self.manager.service_name, host)
        service.last_seen_up = datetime.datetime(2020, 1, 1)
        service.save()
        with mock.patch.object(rpc, 'forget_host') as forget:
            self.manager._monitor.look()
        forget.assert_called_once_with('gone', self.manager.topic, pool=True)
        self.assertEqual(['here'], [
            one.host for one in objects.Service.list(context)])

    def test_what_is_old_is_removed(self):
        self.config(retention_days=1, group='watcher_decision_engine')
        factories.audit(factories.goal('old'), state=AUDIT.SUCCEEDED,
                        created_at=datetime.datetime(
                            2020, 1, 1, tzinfo=datetime.UTC))
        self.manager.pre_start()
        self.manager.start()
        self.addCleanup(self.manager.stop, base.PATIENCE)
        self.wait_for(lambda: not objects.Audit.list(factories.context()))

    def test_expired_plans_are_superseded(self):
        goal = factories.goal()
        strategy = factories.strategy(goal)
        audit = factories.audit(goal, strategy)
        plan = factories.plan(audit, strategy)
        heard = []
        listener = mock.Mock(on_update=lambda obj, old: heard.append(
            (old, obj.state)))
        events.subscribe(listener)
        self.addCleanup(events.unsubscribe, listener)
        manager._supersede_expired_plans()
        self.assertEqual(PLAN.RECOMMENDED, factories.reread(plan).state)
        plan.dbapi.update_action_plan(
            plan.uuid, {'created_at': plan.created_at.replace(
                year=2020, tzinfo=None)})
        self.config(group='watcher_decision_engine', action_plan_expiry=0)
        manager._supersede_expired_plans()
        self.assertEqual(PLAN.RECOMMENDED, factories.reread(plan).state)
        self.config(group='watcher_decision_engine', action_plan_expiry=24)
        manager._supersede_expired_plans()
        self.assertEqual(PLAN.SUPERSEDED, factories.reread(plan).state)
        self.assertEqual([('RECOMMENDED', 'SUPERSEDED')], heard)

    def test_overtaken_plans_are_superseded(self):
        self.config(group='watcher_decision_engine',
                    supersede_overtaken='all', action_plan_expiry=0)
        goal = factories.goal()
        strategy = factories.strategy(goal)
        audit = factories.audit(goal, strategy, state=AUDIT.SUCCEEDED)
        plan = factories.plan(audit, strategy, created_at=datetime.datetime(
            2026, 1, 1))
        ended = objects.ActionPlan.create_with(
            factories.context(),
            {'audit_id': audit.id, 'strategy_id': strategy.id,
             'state': PLAN.SUCCEEDED},
            [{'action_type': 'stop', 'state': 'SUCCEEDED', 'parents': [],
              'input_parameters': {'resource_id': models.uuid('a')}}], [])
        moment = datetime.datetime(2026, 1, 2)
        objects.PlanRun.set(factories.context(), ended.id,
                            started_at=moment, finished_at=moment)
        self.manager.start()
        self.addCleanup(self.manager.stop, base.PATIENCE)
        self.wait_for(lambda: factories.reread(plan).state
                      == PLAN.SUPERSEDED)
        self.assertIn(ended.uuid, factories.reread(plan).status_message)


class TestReport(base.TestCase):

    def show(self, found):
        with mock.patch.object(report._collectors, 'get_collectors',
                               **found):
            return report.show_models()

    def test_models(self):
        model = models.cloud({models.node('A'): []})
        text = self.show({'return_value': {
            'compute': mock.Mock(current_model=model),
            'other': mock.Mock(current_model=None)}})
        self.assertIn('\n~~~~~~~\ncompute\n~~~~~~~\n', text)
        self.assertIn('host-A', text)
        self.assertIn('not built yet', text)

    def test_what_is_not_known(self):
        model = models.cloud({models.node('A'): []})
        model.built_at = datetime.datetime.now(datetime.UTC)
        model.incomplete_nodes['N9'] = 'host-9: HTTP 500'
        model.gaps = ('Nova does not describe 3 servers',)
        text = self.show({'return_value': {
            'compute': mock.Mock(current_model=model)}})
        self.assertIn('not complete:\n  N9: host-9: HTTP 500\n  Nova does '
                      'not describe 3 servers\n', text)

    def test_collectors_are_not_known(self):
        self.assertIn('wrong password', self.show(
            {'side_effect': RuntimeError('wrong password')}))
